/* SPDX-License-Identifier: Apache-2.0 */
/* The tools of a plugin's author, each in a file of its own. */
#ifndef PV_CLI_PLUGIN_TOOLS_H
#define PV_CLI_PLUGIN_TOOLS_H

#include "core/cli/plugin.h"

extern const struct pv_cli_option pv_cli_plugin_run_options[];
int pv_cli_plugin_run(struct pv_cli *cli);
extern const struct pv_cli_option pv_cli_plugin_new_options[];
int pv_cli_plugin_new(struct pv_cli *cli);
extern const struct pv_cli_option pv_cli_plugin_check_options[];
int pv_cli_plugin_check(struct pv_cli *cli);
extern const struct pv_cli_option pv_cli_plugin_test_options[];
int pv_cli_plugin_test(struct pv_cli *cli);

#endif

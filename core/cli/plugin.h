/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of a plugin's author share: finding and describing a module. */
#ifndef PV_CLI_PLUGIN_H
#define PV_CLI_PLUGIN_H

#include "core/cli/cli.h"

#include "core/base/str.h"

struct pv_plugin;
struct pv_job;

/* The absolute path of a module, given as a path or a name. Freed with pv_free; an exit status. */
int pv_cli_module(struct pv_cli *cli, const char *given, char **ret_path) PV_MUST_CHECK;
/* What the job's module declares, asked of provost-host: every instance (settings none), or one
 * with these settings (JSON without SECRET values), which may read meanwhile what the job was
 * granted. Released with pv_plugin_unref; an exit status. */
int pv_cli_describe(struct pv_cli *cli, const struct pv_job *job, struct pv_str settings,
                    struct pv_plugin **ret_plugin) PV_MUST_CHECK;

#endif

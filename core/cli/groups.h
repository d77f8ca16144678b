/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of each group; every table ends with a NULL name. */
#ifndef PV_CLI_GROUPS_H
#define PV_CLI_GROUPS_H

#include "core/cli/command.h"

extern const struct pv_cli_command pv_cli_audit[];
extern const struct pv_cli_command pv_cli_config[];
extern const struct pv_cli_command pv_cli_db[];
extern const struct pv_cli_command pv_cli_doctor[];
extern const struct pv_cli_command pv_cli_event[];
extern const struct pv_cli_command pv_cli_explain[];
extern const struct pv_cli_command pv_cli_instance[];
extern const struct pv_cli_command pv_cli_key[];
extern const struct pv_cli_command pv_cli_moves[];
extern const struct pv_cli_command pv_cli_operation[];
extern const struct pv_cli_command pv_cli_plugin[];
extern const struct pv_cli_command pv_cli_reload[];
extern const struct pv_cli_command pv_cli_service[];
extern const struct pv_cli_command pv_cli_status[];
extern const struct pv_cli_command pv_cli_support_bundle[];
extern const struct pv_cli_command pv_cli_token[];
extern const struct pv_cli_command pv_cli_version[];
extern const struct pv_cli_command pv_cli_webhook[];

#endif

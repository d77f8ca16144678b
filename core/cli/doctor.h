/* SPDX-License-Identifier: Apache-2.0 */
/* Whether everything that Provost needs is in order. Blocks; one thread. */
#ifndef PV_CLI_DOCTOR_H
#define PV_CLI_DOCTOR_H

#include "core/cli/cli.h"

/* Checks the configuration, the daemon, its store, the clock, the kernel and every instance, one
 * after the other; what one finds does not keep the next from being made. Gives
 * {"ok": bool, "checks": [{"check", "verdict": "ok"|"warn"|"fail", "text", "remedy"?}]}; `show`
 * prints each check as soon as it is made. An exit status: PV_EXIT_FAILED when something is wrong,
 * or memory ran out (*ret_report is NULL then). */
int pv_doctor(struct pv_cli *cli, bool show, json_t **ret_report) PV_MUST_CHECK;

#endif

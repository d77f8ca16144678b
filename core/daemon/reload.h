/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration again while provostd runs. Loop thread. */
#ifndef PV_DAEMON_RELOAD_H
#define PV_DAEMON_RELOAD_H

#include "core/daemon/daemon.h"

/* status 0, PV_EINVAL when the new configuration must not be used, or why it could not be looked
 * at; `report` has every problem, one a line (borrowed). */
typedef void pv_reload_done(void *user, int status, struct pv_str report);

/* 0: done is called exactly once, from within or later. PV_EBUSY: a reload is under way;
 * PV_ECLOSED: provostd is stopping. Blocks while files are read and new modules are asked what they
 * declare. */
int pv_daemon_reload(struct pv_daemon *daemon, pv_reload_done *done, void *user) PV_MUST_CHECK;

#endif

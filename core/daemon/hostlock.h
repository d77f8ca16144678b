/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that the hosts of a provostd hold, so that its successor knows when none of them can
 * send anything any more. Blocks; at start-up, before the loop runs. */
#ifndef PV_DAEMON_HOSTLOCK_H
#define PV_DAEMON_HOSTLOCK_H

#include "core/base/status.h"

#define PV_HOSTLOCK_WAIT_MS 10000

/* Opens `path` (making it, 0600) and takes the lock, waiting for at most PV_HOSTLOCK_WAIT_MS and
 * saying in the log that it waits. The lock lasts until every duplicate of *ret_fd is closed.
 * PV_ETIMEOUT: somebody still holds it, who is named in err as far as known. */
int pv_hostlock_take(const char *path, int *ret_fd, struct pv_err *err) PV_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how it stands: datagrams to NOTIFY_SOCKET, as sd_notify(3) has them.
 * Loop thread; nothing happens where there is no service manager. */
#ifndef PV_DAEMON_NOTIFY_H
#define PV_DAEMON_NOTIFY_H

#include "core/base/status.h"

#include <stdint.h>

struct pv_notify {
    int fd;              /* -1: nobody listens */
    int64_t watchdog_ms; /* how often WATCHDOG=1 is due; 0: never */
};

/* Reads NOTIFY_SOCKET (also "@name", the abstract namespace), WATCHDOG_USEC and WATCHDOG_PID, and
 * takes them out of the environment. */
void pv_notify_init(struct pv_notify *notify);
void pv_notify_done(struct pv_notify *notify);
/* "READY=1\nSTATUS=…". Never blocks; what cannot be sent is dropped. */
void pv_notify_send(const struct pv_notify *notify, const char *fmt, ...) PV_PRINTF(2, 3);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One c-ares channel on the host's loop: its sockets under uv_poll, its time-outs under a uv_timer.
 * Loop thread only. */
#ifndef PV_HOST_CHANNEL_H
#define PV_HOST_CHANNEL_H

#include "core/host/internal.h"

#include <ares.h>

struct pv_channel;

struct pv_channel_opts {
    int flags;           /* ARES_FLAG_… */
    int try_ms;          /* of the first try; doubles */
    int tries;           /* of each server */
    const char *servers; /* "192.0.2.1:53,[2001:db8::1]:53"; NULL: those of /etc/resolv.conf */
};

/* PV_EINVAL: the servers make no sense. Holds the host until it is closed. */
int pv_channel_new(struct pv_host *host, const struct pv_channel_opts *opts,
                   struct pv_channel **ret_channel) PV_MUST_CHECK;
ares_channel pv_channel_ares(struct pv_channel *channel);
/* After every ares call that may have started something: sets the timer anew. */
void pv_channel_arm(struct pv_channel *channel);
/* Every query that is under way calls back with ARES_EDESTRUCTION, now. Not from inside a callback
 * of c-ares. Memory goes when the handles are closed. NULL is legal. */
void pv_channel_close(struct pv_channel *channel);

#endif

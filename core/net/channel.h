/* SPDX-License-Identifier: Apache-2.0 */
/* One c-ares channel on a libuv loop: its sockets under uv_poll, its time-outs under a uv_timer.
 * Loop thread only. */
#ifndef PV_NET_CHANNEL_H
#define PV_NET_CHANNEL_H

#include "core/base/status.h"

#include <ares.h>
#include <uv.h>

struct pv_channel;

struct pv_channel_opts {
    int flags;           /* ARES_FLAG_… */
    int try_ms;          /* of the first try; doubles */
    int tries;           /* of each server */
    const char *servers; /* "192.0.2.1:53,[2001:db8::1]:53"; NULL: those of /etc/resolv.conf */
    void (*closed)(void *user); /* after pv_channel_close, when its memory is freed; or NULL */
    void *user;
};

/* PV_EINVAL: the servers make no sense. */
int pv_channel_new(uv_loop_t *loop, const struct pv_channel_opts *opts,
                   struct pv_channel **ret_channel) PV_MUST_CHECK;
ares_channel pv_channel_ares(struct pv_channel *channel);
/* After every ares call that may have started something: sets the timer anew. */
void pv_channel_arm(struct pv_channel *channel);
/* Every query that is under way calls back with ARES_EDESTRUCTION, now. Not from inside a callback
 * of c-ares. Memory goes when the handles are closed. NULL is legal. */
void pv_channel_close(struct pv_channel *channel);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets and timers that a library wants watched, and their owner, whose memory may go only when
 * all of their handles are closed. Loop thread only. */
#ifndef PV_NET_POLL_H
#define PV_NET_POLL_H

#include "core/base/list.h"
#include "core/base/status.h"

#include <uv.h>

/* The first member of its owner, which pv_free must be able to free. */
struct pv_polls {
    uv_loop_t *loop;
    void (*closed)(void *user); /* when the owner's memory is gone; or NULL */
    void *user;
    unsigned handles; /* not closed yet; private */
};

struct pv_poll {
    struct pv_link link; /* for the owner */
    struct pv_polls *owner;
    int fd;
    int events;       /* for the owner: what it is watched for */
    uv_poll_t handle; /* its data is the poll */
};

/* NULL when out of memory, or when the loop cannot watch the socket. */
struct pv_poll *pv_poll_new(struct pv_polls *owner, int fd);
/* Watches for UV_READABLE, UV_WRITABLE or both; for 0, nothing. */
void pv_poll_start(struct pv_poll *poll, int events, uv_poll_cb ready);
/* At once nothing is watched any more; memory goes later. */
void pv_poll_close(struct pv_poll *poll);
/* The timer's data is the owner. */
void pv_poll_timer(struct pv_polls *owner, uv_timer_t *timer);
/* The last handle that is closed takes the owner with it. */
void pv_poll_timer_close(uv_timer_t *timer);

#endif

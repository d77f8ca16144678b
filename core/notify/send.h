/* SPDX-License-Identifier: Apache-2.0 */
/* The transport of notifications: one POST each, with libcurl and c-ares on the loop. Nothing is
 * opened before the first one. Loop thread. */
#ifndef PV_NOTIFY_SEND_H
#define PV_NOTIFY_SEND_H

#include "core/notify/notify.h"

#include <uv.h>

struct pv_sender;

/* Borrows the clock. */
int pv_sender_new(uv_loop_t *loop, const struct pv_clock *clock,
                  struct pv_sender **ret_sender) PV_MUST_CHECK;
struct pv_notify_transport pv_sender_transport(struct pv_sender *sender);
/* Nothing is under way any more. closed(user) runs when the handles are closed. */
void pv_sender_close(struct pv_sender *sender, void (*closed)(void *user), void *user);

#endif

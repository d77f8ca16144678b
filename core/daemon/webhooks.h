/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks in a running provostd: the configured subscribers, a notifier and its transport. Loop
 * thread. */
#ifndef PV_DAEMON_WEBHOOKS_H
#define PV_DAEMON_WEBHOOKS_H

#include "core/config/config.h"
#include "core/engine/engine.h"
#include "core/notify/notify.h"
#include "core/notify/send.h"

#include <uv.h>

struct pv_webhooks {
    struct pv_notifier *notifier; /* NULL: not open */
    struct pv_sender *sender;
    struct pv_notify_subscriber *list; /* borrowed by the notifier */
    struct pv_watch watch;             /* of every operation, while there are subscribers */
    struct pv_engine *engine;
    uv_timer_t timer;
    void (*closed)(void *user);
    void *closed_user;
};

/* Before the engine starts, so that nothing ends untold. */
int pv_webhooks_open(struct pv_webhooks *webhooks, uv_loop_t *loop, struct pv_store *store,
                     const struct pv_config *config) PV_MUST_CHECK;
/* What ends is delivered at once from here on. */
void pv_webhooks_watch(struct pv_webhooks *webhooks, struct pv_engine *engine);
/* After a reload, while the old configuration is still there. */
int pv_webhooks_set(struct pv_webhooks *webhooks, const struct pv_config *config) PV_MUST_CHECK;
/* The store and the engine must still be open. closed(user) runs also when it was never opened. */
void pv_webhooks_close(struct pv_webhooks *webhooks, void (*closed)(void *user), void *user);
/* Lines for /metrics. */
void pv_webhooks_metrics(const struct pv_webhooks *webhooks, struct pv_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From the configuration to the notifier, and from what ends to its deliveries. */
#include "core/daemon/webhooks.h"

#include "core/base/alloc.h"
#include "core/base/metric.h"

static void on_timer(uv_timer_t *timer)
{
    const struct pv_webhooks *webhooks = timer->data;
    pv_notifier_tick(webhooks->notifier);
}

static void arm(void *ctx, int64_t mono_ms)
{
    struct pv_webhooks *webhooks = ctx;
    int64_t wait_ms = mono_ms - pv_mono_ms(&pv_clock_system);
    uv_update_time(webhooks->timer.loop);
    uv_timer_start(&webhooks->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

static void on_changed(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text)
{
    (void)op;
    (void)text;
    const struct pv_webhooks *webhooks = watch->user;
    if (pv_op_state_final(state) || state == PV_OPS_NEEDS_OPERATOR) {
        pv_notifier_poke(webhooks->notifier);
    }
}

static void watch_if_wanted(struct pv_webhooks *webhooks, size_t subscribers)
{
    bool watching = pv_list_linked(&webhooks->watch.link);
    if (subscribers == 0 && watching) {
        pv_engine_unwatch(&webhooks->watch);
    } else if (subscribers > 0 && !watching && webhooks->engine != NULL) {
        webhooks->watch = (struct pv_watch){.changed = on_changed, .user = webhooks};
        pv_engine_watch(webhooks->engine, &webhooks->watch);
    }
}

int pv_webhooks_set(struct pv_webhooks *webhooks, const struct pv_config *config)
{
    struct pv_notify_subscriber *list = pv_calloc(config->subscriber_count + 1, sizeof(*list));
    if (list == NULL) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < config->subscriber_count; i++) {
        const struct pv_config_subscriber *from = &config->subscribers[i];
        list[i] = (struct pv_notify_subscriber){
            .filter = {from->name, from->sources, from->source_count, from->events},
            .url = from->url,
            .ca_file = from->ca_file,
            .keys = {from->secrets[0], from->secrets[1]},
            .timeout_ms = from->timeout_ms,
            .max_in_flight = from->max_in_flight,
            .retry_initial_ms = from->retry_initial_ms,
            .retry_cap_ms = from->retry_cap_ms,
            .retry_for_ms = from->retry_for_ms,
            .keep_undelivered_ms = from->keep_undelivered_ms,
        };
    }
    int status = pv_notifier_set(webhooks->notifier, list, config->subscriber_count);
    if (status != 0) {
        pv_free(list);
        return status;
    }
    pv_free(webhooks->list);
    webhooks->list = list;
    watch_if_wanted(webhooks, config->subscriber_count);
    return 0;
}

int pv_webhooks_open(struct pv_webhooks *webhooks, uv_loop_t *loop, struct pv_store *store,
                     const struct pv_config *config)
{
    int status = pv_sender_new(loop, &pv_clock_system, &webhooks->sender);
    if (status != 0) {
        return status;
    }
    uv_timer_init(loop, &webhooks->timer);
    webhooks->timer.data = webhooks;
    const struct pv_notifier_options options = {
        .clock = pv_clock_system,
        .rng = pv_rng_system,
        .store = store,
        .transport = pv_sender_transport(webhooks->sender),
        .arm = arm,
        .arm_ctx = webhooks,
    };
    status = pv_notifier_new(&options, &webhooks->notifier);
    return status != 0 ? status : pv_webhooks_set(webhooks, config);
}

void pv_webhooks_watch(struct pv_webhooks *webhooks, struct pv_engine *engine)
{
    webhooks->engine = engine;
    watch_if_wanted(webhooks, webhooks->list != NULL && webhooks->list[0].url.ptr != NULL ? 1 : 0);
}

/* ---- the end ---- */

static void on_sender_closed(void *user)
{
    struct pv_webhooks *webhooks = user;
    webhooks->sender = NULL;
    webhooks->closed(webhooks->closed_user);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct pv_webhooks *webhooks = timer->data;
    pv_sender_close(webhooks->sender, on_sender_closed, webhooks);
}

static void on_notifier_closed(void *user)
{
    struct pv_webhooks *webhooks = user;
    webhooks->notifier = NULL;
    pv_free(webhooks->list);
    webhooks->list = NULL;
    uv_close((uv_handle_t *)&webhooks->timer, on_timer_closed);
}

void pv_webhooks_close(struct pv_webhooks *webhooks, void (*closed)(void *user), void *user)
{
    webhooks->closed = closed;
    webhooks->closed_user = user;
    pv_engine_unwatch(&webhooks->watch);
    if (webhooks->notifier != NULL) {
        pv_notifier_close(webhooks->notifier, on_notifier_closed, webhooks);
    } else if (webhooks->sender != NULL) {
        uv_close((uv_handle_t *)&webhooks->timer, on_timer_closed);
    } else {
        closed(user);
    }
}

void pv_webhooks_metrics(const struct pv_webhooks *webhooks, struct pv_buf *out)
{
    if (webhooks->notifier == NULL) {
        return;
    }
    struct pv_notifier_counters c;
    pv_notifier_counters(webhooks->notifier, &c);
    const struct pv_metric_line lines[] = {
        {"provost_webhooks_delivered_total", "counter", "Notifications that a subscriber took.",
         c.delivered},
        {"provost_webhooks_failed_total", "counter", "Attempts to deliver that failed.", c.failed},
        {"provost_webhooks_undelivered_total", "counter", "Notifications that were given up.",
         c.undelivered},
        {"provost_webhooks_disabled_total", "counter", "Subscribers that answered 410 Gone.",
         c.disabled},
        {"provost_webhooks_in_flight", "gauge", "Notifications under way.", c.in_flight},
    };
    pv_metric_lines(out, lines, sizeof(lines) / sizeof(lines[0]));
}

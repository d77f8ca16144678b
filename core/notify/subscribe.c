/* SPDX-License-Identifier: Apache-2.0 */
/* Who is subscribed: told to the store, kept through reloads; and the notifier's start and end. */
#include "core/notify/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"

#include <string.h>

/* Until the store has the list, nothing is written for a subscriber that is new in it. */
static void not_stored(struct pv_notifier *n, int status)
{
    if (!n->told) {
        pv_log_plain(PV_ERROR,
                     "the list of subscribers could not be stored, and is tried again: %s",
                     pv_status_text(status));
    }
    n->told = true;
    n->resubscribe = true;
    n->subscribe_mono_ms = pv_mono_ms(&n->o.clock) + PV_NOTIFY_STORE_PAUSE_MS;
    pv_notifier_arm(n);
}

static void subscribed(struct pv_req *req)
{
    struct pv_notifier *n = req->user;
    int status = req->status;
    n->subscribing = false;
    pv_req_done(req);
    if (n->closing) {
        pv_notifier_check_closed(n);
        return;
    }
    n->told = n->told && status != 0;
    if (status != 0) {
        not_stored(n, status);
    } else if (n->resubscribe) {
        pv_notifier_subscribe(n);
    }
    pv_notifier_tick(n);
    pv_notifier_poke(n);
}

/* A reload may take the configuration away while the store reads the list. */
static int copy_filters(struct pv_notifier *n)
{
    pv_arena_done(&n->filter_arena);
    n->filters = pv_arena_alloc(&n->filter_arena, n->count * sizeof(*n->filters) + 1);
    for (size_t i = 0; n->filters != NULL && i < n->count; i++) {
        const struct pv_subscriber *from = &n->list[i].filter;
        struct pv_str *sources =
            pv_arena_alloc(&n->filter_arena, from->source_count * sizeof(*sources) + 1);
        n->filters[i] = *from;
        n->filters[i].sources = sources;
        n->filters[i].name = pv_arena_copy(&n->filter_arena, from->name);
        for (size_t k = 0; sources != NULL && k < from->source_count; k++) {
            sources[k] = pv_arena_copy(&n->filter_arena, from->sources[k]);
            sources = sources[k].ptr != NULL ? sources : NULL;
        }
        if (sources == NULL || n->filters[i].name.ptr == NULL) {
            return PV_ENOMEM;
        }
    }
    return n->filters != NULL ? 0 : PV_ENOMEM;
}

void pv_notifier_subscribe(struct pv_notifier *n)
{
    n->resubscribe = n->subscribing;
    if (n->subscribing) {
        return;
    }
    if (copy_filters(n) != 0) {
        not_stored(n, PV_ENOMEM);
        return;
    }
    n->subscribe = (struct pv_outbox_req){.what = PV_OUTBOX_SUBSCRIBE,
                                          .subscribers = n->filters,
                                          .subscriber_count = n->count,
                                          .now_ms = pv_wall_ms(&n->o.clock)};
    pv_req_init(&n->subscribe.req, PV_REQ_OUTBOX, subscribed, n);
    int status = pv_store_submit(n->o.store, &n->subscribe.req);
    n->subscribing = status == 0;
    if (status != 0) {
        not_stored(n, status);
    }
}

static struct pv_sub *find(struct pv_notifier *n, struct pv_str name)
{
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = l->next) {
        if (pv_sub_of(l)->config != NULL && pv_str_eq_c(name, pv_sub_of(l)->name)) {
            return pv_sub_of(l);
        }
    }
    return NULL;
}

static int add_sub(struct pv_notifier *n, const struct pv_notify_subscriber *config)
{
    struct pv_str name = config->filter.name;
    struct pv_sub *sub = pv_calloc(1, sizeof(*sub) + name.len + 1);
    if (sub == NULL) {
        return PV_ENOMEM;
    }
    sub->notifier = n;
    sub->config = config;
    sub->due_mono_ms = INT64_MAX;
    sub->settle_mono_ms = INT64_MAX;
    memcpy(sub->name, name.ptr, name.len);
    pv_list_init(&sub->deliveries);
    pv_list_push(&n->subs, &sub->link);
    return 0;
}

/* Those that were added for a list which is not taken after all. */
static void forget(struct pv_notifier *n, const struct pv_notify_subscriber *list, size_t count)
{
    struct pv_link *next = NULL;
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = next) {
        struct pv_sub *sub = pv_sub_of(l);
        next = l->next;
        if (sub->config >= list && sub->config < list + count) {
            pv_sub_remove(sub);
        }
    }
}

int pv_notifier_set(struct pv_notifier *n, const struct pv_notify_subscriber *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (find(n, list[i].filter.name) == NULL && add_sub(n, &list[i]) != 0) {
            forget(n, list, count);
            return PV_ENOMEM;
        }
    }
    struct pv_link *next = NULL;
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = next) {
        struct pv_sub *sub = pv_sub_of(l);
        const struct pv_notify_subscriber *config = NULL;
        next = l->next;
        for (size_t i = 0; i < count && config == NULL; i++) {
            config = pv_str_eq_c(list[i].filter.name, sub->name) ? &list[i] : NULL;
        }
        if (config == NULL && sub->config != NULL) {
            pv_sub_remove(sub);
        } else if (sub->config != NULL) {
            sub->config = config;
            sub->failures = 0; /* perhaps that is what was changed */
            sub->hold_mono_ms = 0;
            sub->expire_mono_ms = 0;
        }
    }
    n->list = list;
    n->count = count;
    pv_notifier_subscribe(n);
    return 0;
}

int pv_notifier_new(const struct pv_notifier_options *options, struct pv_notifier **ret_notifier)
{
    struct pv_notifier *n = pv_calloc(1, sizeof(*n));
    if (n == NULL) {
        return PV_ENOMEM;
    }
    n->o = *options;
    pv_list_init(&n->subs);
    pv_arena_init(&n->filter_arena);
    *ret_notifier = n;
    return 0;
}

void pv_notifier_close(struct pv_notifier *n, void (*closed)(void *user), void *user)
{
    n->closing = true;
    n->closed = closed;
    n->closed_user = user;
    struct pv_link *next = NULL;
    bool any = n->subscribing || !pv_list_empty(&n->subs);
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = next) {
        next = l->next;
        struct pv_sub *sub = pv_sub_of(l);
        bool last = next == &n->subs;
        if (sub->config != NULL) {
            pv_sub_remove(sub); /* the last one may end it all */
        }
        if (last) {
            return;
        }
    }
    if (!any) {
        pv_notifier_check_closed(n);
    }
}

void pv_notifier_counters(const struct pv_notifier *n, struct pv_notifier_counters *ret)
{
    *ret = n->counters;
}

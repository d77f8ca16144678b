/* SPDX-License-Identifier: Apache-2.0 */
/* Watchers: who wants to know what becomes of an operation, by its id or of all. */
#include "core/engine/internal.h"

#include <string.h>

/* Ids end in random bits, so that their last bytes spread them evenly. */
static struct pv_link *bucket(struct pv_engine *engine, struct pv_id op)
{
    uint32_t hash = 0;
    memcpy(&hash, op.b + sizeof(op.b) - sizeof(hash), sizeof(hash));
    return &engine->watch[hash % PV_WATCH_BUCKETS];
}

void pv_engine_watch(struct pv_engine *engine, struct pv_watch *watch)
{
    bool all = pv_id_is_zero(watch->op);
    pv_list_push(all ? &engine->watchers : bucket(engine, watch->op), &watch->link);
}

void pv_engine_unwatch(struct pv_watch *watch)
{
    pv_list_remove(&watch->link);
}

/* A watcher may remove any watcher from within its callback: each list is emptied into one of its
 * own and refilled, so that what is gone is never met. */
static void tell(struct pv_link *head, struct pv_id op, int state, struct pv_str text)
{
    if (pv_list_empty(head)) {
        return;
    }
    struct pv_link todo;
    pv_list_init(&todo);
    for (struct pv_link *link = pv_list_pop(head); link; link = pv_list_pop(head)) {
        pv_list_push(&todo, link);
    }
    for (struct pv_link *link = pv_list_pop(&todo); link; link = pv_list_pop(&todo)) {
        struct pv_watch *watch = PV_CONTAINER(link, struct pv_watch, link);
        pv_list_push(head, link);
        if (pv_id_is_zero(watch->op) || pv_id_eq(watch->op, op)) {
            watch->changed(watch, op, state, text);
        }
    }
}

void pv_engine_tell(struct pv_engine *engine, struct pv_id op, int state, struct pv_str text)
{
    tell(bucket(engine, op), op, state, text);
    tell(&engine->watchers, op, state, text);
}

void pv_engine_ended(struct pv_engine *engine, struct pv_id op, int state, struct pv_str text)
{
    if (state >= 0 && state < 16) {
        engine->counters.finished[state]++;
    }
    engine->backlog -= engine->backlog > 0 ? 1 : 0;
    pv_engine_tell(engine, op, state, text);
}

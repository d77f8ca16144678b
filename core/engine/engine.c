/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's life: made, started on what an earlier run left, ticked, stopped. */
#include "core/engine/internal.h"

#define DEFAULT_ACTIVE 4096u
#define DEFAULT_BACKLOG 1000000u
#define DEFAULT_LEASE_MS 300000

int64_t pv_engine_wall(const struct pv_engine *engine)
{
    return pv_wall_ms(&engine->o.clock);
}

int64_t pv_engine_mono(const struct pv_engine *engine)
{
    return pv_mono_ms(&engine->o.clock);
}

int pv_engine_new(const struct pv_engine_options *options, struct pv_engine **ret_engine)
{
    struct pv_engine *engine = pv_calloc(1, sizeof(*engine));
    if (!engine) {
        return PV_ENOMEM;
    }
    engine->o = *options;
    if (engine->o.max_active == 0) {
        engine->o.max_active = DEFAULT_ACTIVE;
    }
    if (engine->o.max_backlog == 0) {
        engine->o.max_backlog = DEFAULT_BACKLOG;
    }
    if (engine->o.lease_ms == 0) {
        engine->o.lease_ms = DEFAULT_LEASE_MS;
    }
    pv_map_init(&engine->lanes);
    pv_map_init(&engine->ops);
    pv_map_init(&engine->calls);
    pv_list_init(&engine->stalled);
    pv_list_init(&engine->watchers);
    for (size_t i = 0; i < PV_WATCH_BUCKETS; i++) {
        pv_list_init(&engine->watch[i]);
    }
    engine->backlog = options->store->unfinished;
    engine->unpinned = pv_lane_get(engine, PV_STR(""));
    if (!engine->unpinned) {
        pv_engine_free(engine);
        return PV_ENOMEM;
    }
    *ret_engine = engine;
    return PV_OK;
}

void pv_engine_free(struct pv_engine *engine)
{
    if (!engine) {
        return;
    }
    pv_lanes_free(engine);
    pv_map_done(&engine->lanes);
    pv_map_done(&engine->ops);
    pv_map_done(&engine->calls);
    pv_free(engine);
}

/* ---- what an earlier run left ---- */

struct start {
    struct pv_lanes lanes;
    struct pv_engine *engine;
};

static void lanes_done(struct pv_req *req)
{
    struct start *start = req->user;
    struct pv_engine *engine = start->engine;
    engine->requests--;
    for (size_t i = 0; i < start->lanes.ret_count && !req->status; i++) {
        const struct pv_lane_row *row = &start->lanes.ret_lanes[i];
        struct pv_lane *lane = pv_lane_get(engine, row->lane);
        if (lane) {
            lane->paused = row->paused;
            pv_lane_announce(lane, row->next_due_ms);
        }
    }
    if (req->status && req->status != PV_ECLOSED && !engine->stopping) {
        pv_log_plain(PV_ERROR, "cannot read what is waiting: %s", pv_status_text(req->status));
        engine->unread = true;
        engine->stalled_until_ms = pv_engine_mono(engine) + PV_STALL_MS;
    }
    pv_req_done(req);
    pv_free(start);
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

int pv_engine_start(struct pv_engine *engine)
{
    struct start *start = pv_calloc(1, sizeof(*start));
    if (!start) {
        return PV_ENOMEM;
    }
    start->engine = engine;
    pv_req_init(&start->lanes.req, PV_REQ_LANES, lanes_done, start);
    int status = pv_store_submit(engine->o.store, &start->lanes.req);
    if (status) {
        pv_free(start);
        return status;
    }
    engine->requests++;
    return PV_OK;
}

/* ---- time ---- */

void pv_engine_tick(struct pv_engine *engine)
{
    engine->armed_ms = 0;
    if (pv_engine_mono(engine) >= engine->stalled_until_ms) {
        struct pv_link again;
        pv_list_init(&again);
        for (struct pv_link *l = pv_list_pop(&engine->stalled); l;
             l = pv_list_pop(&engine->stalled)) {
            pv_list_push(&again, l);
        }
        for (struct pv_link *l = pv_list_pop(&again); l; l = pv_list_pop(&again)) {
            pv_active_resubmit(PV_CONTAINER(l, struct pv_active, link));
        }
        if (engine->unread && !engine->stopping) {
            engine->unread = pv_engine_start(engine) != PV_OK;
        }
    }
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

/* ---- stopping ---- */

static void cancel_call(struct pv_map_node *node, void *user)
{
    struct pv_engine *engine = user;
    struct pv_active *active = PV_CONTAINER(node, struct pv_active, by_call);
    engine->o.runner.cancel(engine->o.runner.ctx, active->call);
}

void pv_engine_stop(struct pv_engine *engine, void (*stopped)(void *user), void *user)
{
    engine->stopping = true;
    engine->stopped = stopped;
    engine->stopped_user = user;
    pv_map_each(&engine->calls, cancel_call, engine);
    pv_engine_check_stopped(engine);
}

void pv_engine_check_stopped(struct pv_engine *engine)
{
    if (!engine->stopping || !engine->stopped || engine->active > 0 || engine->requests > 0) {
        return;
    }
    void (*stopped)(void *user) = engine->stopped;
    engine->stopped = NULL;
    stopped(engine->stopped_user);
}

/* ---- figures ---- */

uint64_t pv_engine_backlog(const struct pv_engine *engine)
{
    return engine->backlog;
}

void pv_engine_counters(const struct pv_engine *engine, struct pv_engine_counters *ret)
{
    *ret = engine->counters;
    ret->active = engine->active;
    ret->in_flight = engine->calls.count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the API asks for: accepting events, operators' verbs, signals. A request passes through here
 * on its way to the store and again on its way back, so that the engine acts on what was committed
 * before the caller hears of it. */
#include "core/engine/internal.h"

#include <string.h>

/* Stands between the caller and the store while a request is under way. */
struct relay {
    struct pv_engine *engine;
    void (*done)(struct pv_req *req);
    void *user;
    struct pv_arena arena;      /* plans of creates */
    struct pv_buf bytes;        /* one plan, as it is encoded */
    struct pv_active **actives; /* accept: one for each item, NULL where it is not claimed */
    struct pv_lane **lanes;     /* accept: whose slot each item holds, or NULL */
    size_t count;
};

static struct relay *relay_new(struct pv_engine *engine, struct pv_req *req, size_t count)
{
    struct relay *relay = pv_calloc(1, sizeof(*relay));
    if (!relay) {
        return NULL;
    }
    pv_arena_init(&relay->arena);
    pv_buf_init(&relay->bytes, 4u << 20);
    relay->engine = engine;
    relay->done = req->done;
    relay->user = req->user;
    relay->count = count;
    if (count > 0) {
        relay->actives = pv_arena_alloc(&relay->arena, count * sizeof(struct pv_active *));
        relay->lanes = pv_arena_alloc(&relay->arena, count * sizeof(struct pv_lane *));
        if (!relay->actives || !relay->lanes) {
            pv_arena_done(&relay->arena);
            pv_free(relay);
            return NULL;
        }
    }
    return relay;
}

/* Gives back what an item holds and does not need. */
static void let_go(struct relay *relay, size_t i)
{
    if (relay->lanes[i]) {
        pv_lane_health(relay->lanes[i], PV_HEALTH_NONE, (struct pv_str){NULL, 0});
        pv_lane_give(relay->lanes[i], 1);
        relay->lanes[i] = NULL;
    }
    if (relay->actives[i]) {
        pv_active_free(relay->actives[i]);
        relay->engine->active--;
        relay->actives[i] = NULL;
    }
}

static void relay_free(struct relay *relay)
{
    for (size_t i = 0; i < relay->count; i++) {
        let_go(relay, i);
    }
    pv_buf_done(&relay->bytes);
    pv_arena_done(&relay->arena);
    pv_free(relay);
}

/* Hands the request back to its owner. */
static void relay_back(struct relay *relay, struct pv_req *req)
{
    req->done = relay->done;
    req->user = relay->user;
    relay->engine->requests--;
    relay_free(relay);
    req->done(req);
}

/* Plans the create and encodes its plan into the relay's arena. */
static int plan_create(struct relay *relay, struct pv_accept_item *item, int64_t now_ms,
                       struct pv_err *err)
{
    struct pv_engine *engine = relay->engine;
    struct pv_plan_request request = {.type = item->type,
                                      .source = item->source,
                                      .product = item->product,
                                      .plan_name = item->plan_name,
                                      .body = item->body,
                                      .facts = item->facts};
    struct pv_plan plan = {0};
    int status = engine->o.planner.plan(engine->o.planner.ctx, &request, &relay->arena, &plan, err);
    if (status) {
        return status;
    }
    pv_plan_order(&plan, item->type);
    struct pv_buf *bytes = &relay->bytes;
    pv_buf_clear(bytes);
    status = pv_plan_encode(&plan, bytes);
    item->plan = pv_arena_copy(&relay->arena, pv_buf_view(bytes));
    item->lane =
        plan.step_count > 0 ? plan.components[plan.steps[0].component].instance : PV_STR("");
    item->deadline_ms = now_ms + plan.deadline_ms;
    pv_buf_clear(bytes);
    status = status ? status : pv_plan_encode_composition(&plan, bytes);
    item->composition = pv_arena_copy(&relay->arena, pv_buf_view(bytes));
    return !status && (!item->plan.ptr || !item->composition.ptr) ? PV_ENOMEM : status;
}

/* Room to run it at once: an active and, for a create, a slot of its first instance. */
static bool make_room(struct relay *relay, const struct pv_accept_item *item, size_t i)
{
    struct pv_engine *engine = relay->engine;
    if (engine->stopping || engine->active >= engine->o.max_active) {
        return false;
    }
    if (item->lane.len > 0) {
        struct pv_lane *lane = pv_lane_get(engine, item->lane);
        int64_t due = 0;
        if (!lane || lane->backlog || pv_lane_take(lane, &due)) {
            return false;
        }
        relay->lanes[i] = lane;
    }
    relay->actives[i] = pv_active_new(engine);
    if (!relay->actives[i]) {
        if (relay->lanes[i]) {
            pv_lane_health(relay->lanes[i], PV_HEALTH_NONE, (struct pv_str){NULL, 0});
            pv_lane_give(relay->lanes[i], 1);
            relay->lanes[i] = NULL;
        }
        return false;
    }
    engine->active++;
    return true;
}

static void begin_item(struct relay *relay, struct pv_accept_item *item, size_t i)
{
    struct pv_active *active = relay->actives[i];
    struct pv_lane *lane = relay->lanes[i];
    relay->actives[i] = NULL;
    relay->lanes[i] = NULL;
    pv_active_begin(active, item->ret_claimed, lane);
}

static void look_at_item(struct relay *relay, struct pv_accept_item *item, size_t i)
{
    struct pv_engine *engine = relay->engine;
    if (item->verdict == PV_DUPLICATE) {
        engine->counters.duplicates++;
        return;
    }
    engine->counters.accepted++;
    if (!pv_op_state_final(item->ret_op_state)) {
        engine->backlog++;
    } else {
        engine->counters.finished[item->ret_op_state]++;
    }
    if (item->ret_claimed && relay->actives[i]) {
        begin_item(relay, item, i);
        return;
    }
    struct pv_lane *lane = pv_lane_get(engine, item->lane);
    if (item->ret_op_state == PV_OPS_READY && lane) {
        pv_lane_announce(lane, 0);
    }
    if (!pv_id_is_zero(item->ret_poke)) {
        pv_active_poke(engine, item->ret_poke, PV_INTENT_SUPERSEDE, item->ret_poke_lane);
    }
}

static void accept_done(struct pv_req *req)
{
    struct relay *relay = req->user;
    struct pv_engine *engine = relay->engine;
    struct pv_accept *accept = PV_CONTAINER(req, struct pv_accept, req);
    if (req->status) {
        engine->counters.refused++;
    }
    for (size_t i = 0; i < accept->count && !req->status; i++) {
        look_at_item(relay, &accept->items[i], i);
        if (accept->items[i].verdict == PV_ACCEPTED &&
            pv_op_state_final(accept->items[i].ret_op_state)) {
            pv_engine_tell(engine, accept->items[i].ret_op, accept->items[i].ret_op_state,
                           (struct pv_str){NULL, 0});
        }
    }
    for (size_t i = 0; i < accept->ret_ended_count && !req->status; i++) {
        pv_engine_ended(engine, accept->ret_ended[i].op, accept->ret_ended[i].op_state,
                        (struct pv_str){NULL, 0});
    }
    relay_back(relay, req);
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

int pv_engine_accept(struct pv_engine *engine, struct pv_accept *request, size_t *ret_index,
                     struct pv_err *err)
{
    *ret_index = 0;
    if (engine->stopping) {
        return pv_err_set(err, PV_EBUSY, "the node is stopping");
    }
    if (engine->backlog + request->count > engine->o.max_backlog) {
        return pv_err_set(err, PV_EBUSY, "%llu operations are waiting already",
                          (unsigned long long)engine->backlog);
    }
    struct relay *relay = relay_new(engine, &request->req, request->count);
    if (!relay) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    int status = 0;
    request->now_ms = pv_engine_wall(engine);
    request->epoch = engine->o.store->epoch;
    struct pv_id *ids = pv_arena_alloc(&relay->arena, request->count * sizeof(*ids));
    if (!ids) {
        relay_free(relay);
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    pv_ids_new(&engine->o.clock, &engine->o.rng, ids, request->count);
    for (size_t i = 0; i < request->count && !status; i++) {
        struct pv_accept_item *item = &request->items[i];
        *ret_index = i;
        item->op = ids[i];
        item->service = pv_service_id(engine->o.store->deployment, item->source, item->external_id);
        if (!item->lane.ptr) {
            item->lane = PV_STR("");
        }
        if (item->type == PV_OP_CREATE) {
            status = plan_create(relay, item, request->now_ms, err);
        }
        item->claim = !status && make_room(relay, item, i);
    }
    if (!status) {
        request->req.done = accept_done;
        request->req.user = relay;
        status = pv_store_submit(engine->o.store, &request->req);
        if (status) {
            request->req.done = relay->done;
            request->req.user = relay->user;
            pv_err_set(err, PV_EBUSY, "the store is closed");
            status = PV_EBUSY;
        }
    }
    if (status) {
        relay_free(relay);
        return status;
    }
    engine->requests++;
    return PV_OK;
}

/* ---- verbs and signals ---- */

static void intervene_done(struct pv_req *req)
{
    struct relay *relay = req->user;
    struct pv_engine *engine = relay->engine;
    struct pv_intervene *in = PV_CONTAINER(req, struct pv_intervene, req);
    bool revived = !req->status && in->verb == PV_VERB_RETRY && in->ret_revived;
    engine->backlog += revived ? 1 : 0;
    for (size_t i = 0; i < in->ret_ended_count && !req->status; i++) {
        pv_engine_ended(engine, in->ret_ended[i].op, in->ret_ended[i].op_state, in->reason);
    }
    if (!req->status && in->ret_poke) {
        int intent = in->verb == PV_VERB_CANCEL ? PV_INTENT_CANCEL : PV_INTENT_UNDO;
        pv_active_poke(engine, in->op, intent, in->ret_lane);
    }
    if (!req->status && in->ret_ready) {
        struct pv_lane *lane = pv_lane_get(engine, in->ret_lane);
        if (lane) {
            pv_lane_announce(lane, 0);
        }
    }
    relay_back(relay, req);
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

static void signal_done(struct pv_req *req)
{
    struct relay *relay = req->user;
    struct pv_engine *engine = relay->engine;
    struct pv_signal *signal = PV_CONTAINER(req, struct pv_signal, req);
    struct pv_lane *lane =
        !req->status && signal->ret_ready ? pv_lane_get(engine, signal->ret_lane) : NULL;
    if (lane) {
        pv_lane_announce(lane, 0);
    }
    relay_back(relay, req);
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

static int pass_on(struct pv_engine *engine, struct pv_req *req, void (*done)(struct pv_req *req))
{
    struct relay *relay = relay_new(engine, req, 0);
    if (!relay) {
        return PV_ENOMEM;
    }
    req->done = done;
    req->user = relay;
    int status = pv_store_submit(engine->o.store, req);
    if (status) {
        req->done = relay->done;
        req->user = relay->user;
        relay_free(relay);
        return status;
    }
    engine->requests++;
    return PV_OK;
}

int pv_engine_intervene(struct pv_engine *engine, struct pv_intervene *request)
{
    request->now_ms = pv_engine_wall(engine);
    return pass_on(engine, &request->req, intervene_done);
}

int pv_engine_signal(struct pv_engine *engine, struct pv_signal *request)
{
    request->now_ms = pv_engine_wall(engine);
    return pass_on(engine, &request->req, signal_done);
}

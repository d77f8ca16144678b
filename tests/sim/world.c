/* SPDX-License-Identifier: Apache-2.0 */
/* The node in memory: clock, runner, and what a test does to them. The planner is in world_plan.c.
 */
#include "tests/sim/world.h"

#include "tests/sim/world_plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t mono(void *ctx)
{
    return ((struct world *)ctx)->mono_ms;
}

static int64_t wall(void *ctx)
{
    return ((struct world *)ctx)->wall_ms;
}

static void arm(void *ctx, int64_t mono_ms)
{
    ((struct world *)ctx)->armed_ms = mono_ms;
}

static void copy(char *out, size_t size, struct pv_str s)
{
    size_t len = s.len < size - 1 ? s.len : size - 1;
    if (len > 0) {
        memcpy(out, s.ptr, len);
    }
    out[len] = '\0';
}

/* ---- the runner ---- */

static int runner_start(void *ctx, uint64_t call, const struct pv_run_step *step)
{
    struct world *world = ctx;
    struct world_call *slot = NULL;
    for (size_t i = 0; i < WORLD_CALLS && !slot; i++) {
        slot = world->calls[i].call == 0 ? &world->calls[i] : NULL;
    }
    if (!slot) {
        return PV_EBUSY;
    }
    memset(slot, 0, sizeof(*slot));
    slot->call = call;
    slot->op = step->wire.op;
    slot->kind = step->wire.kind;
    slot->run = step->wire.run;
    slot->attempt = step->wire.attempt;
    slot->solo = step->solo;
    slot->timeout_ms = step->wire.timeout_ms;
    slot->lease_until_ms = step->lease_until_ms;
    slot->due_ms = world->mono_ms;
    copy(slot->instance, sizeof(slot->instance), step->instance);
    copy(slot->operation, sizeof(slot->operation), step->wire.operation);
    copy(slot->component, sizeof(slot->component), step->wire.component);
    copy(slot->step, sizeof(slot->step), step->wire.step);
    copy(slot->external_id, sizeof(slot->external_id), step->wire.external_id);
    copy(slot->ref, sizeof(slot->ref), step->wire.ref);
    copy(slot->input, sizeof(slot->input), step->wire.input);
    copy(slot->state, sizeof(slot->state), step->wire.state);
    world->started++;
    (void)snprintf(world->last_started, sizeof(world->last_started), "%.40s.%.40s %d",
                   slot->component, slot->step, slot->kind);
    return PV_OK;
}

static void runner_cancel(void *ctx, uint64_t call)
{
    struct world *world = ctx;
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        if (world->calls[i].call == call) {
            world->calls[i].canceled = true;
        }
    }
}

static void runner_answer(void *ctx, uint64_t call, const struct pv_wire_answer *answer)
{
    struct world *world = ctx;
    (void)call;
    world->answer_ask = answer->ask;
    world->answer_status = answer->status;
    world->answer_number = answer->number;
    copy(world->answer_value, sizeof(world->answer_value), answer->value);
    world->answers++;
}

static int runner_query(void *ctx, struct pv_query *query)
{
    (void)ctx;
    (void)query;
    return PV_EUNSUPPORTED;
}

static void changed(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text)
{
    struct world *world = watch->user;
    for (size_t i = world->op_count; i-- > 0;) {
        if (pv_id_eq(world->ops[i].op, op)) {
            world->ops[i].state = state;
            copy(world->ops[i].reason, sizeof(world->ops[i].reason), text);
        }
    }
}

/* ---- life ---- */

static void start_engine(struct world *world)
{
    struct pv_engine_options options = {
        .clock = world->clock,
        .rng = world->rng,
        .store = world->store,
        .planner = world_planner(world),
        .runner = {.ctx = world,
                   .start = runner_start,
                   .cancel = runner_cancel,
                   .answer = runner_answer,
                   .query = runner_query},
        .max_active = 4096,
        .lease_ms = world->lease_ms,
        .arm = arm,
        .arm_ctx = world,
    };
    world->armed_ms = INT64_MAX;
    int status = pv_engine_new(&options, &world->engine);
    assert(!status);
    memset(&world->watch, 0, sizeof(world->watch));
    world->watch.changed = changed;
    world->watch.user = world;
    pv_engine_watch(world->engine, &world->watch);
    status = pv_engine_start(world->engine);
    assert(!status);
    (void)status;
}

void world_open(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    uint8_t keys[64];
    memset(keys, 7, sizeof(keys));
    world->mono_ms = 1000;
    world->wall_ms = 1700000000000;
    world->retry_cap_ms = 600000;
    world->settle_ms = 5000;
    world->seed.state = seed;
    world->rng = pv_rng_seeded(&world->seed);
    world->clock = (struct pv_clock){mono, wall, world};
    world->limits.breaker_failures = 0;
    int status = pv_keyring_fixed(keys, &world->keyring);
    assert(!status);
    struct pv_id deployment = {{1, 2, 3}};
    status = pv_mem_store_open(world->keyring, deployment, &world->store);
    assert(!status);
    (void)status;
    start_engine(world);
    world_settle(world);
}

static void stopped(void *user)
{
    ((struct world *)user)->stopped = true;
}

static void closed(void *user)
{
    (void)user;
}

/* Ends the engine: open calls are answered as canceled, time passes until it lets go. */
static void end_engine(struct world *world)
{
    void (*respond)(struct world *, struct world_call *) = world->respond;
    world->respond = NULL;
    world->stopped = false;
    pv_engine_stop(world->engine, stopped, world);
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        if (world->calls[i].call) {
            world_answer(world, &world->calls[i], PV_OUT_CANCELED);
        }
    }
    for (int turn = 0; turn < 100 && !world->stopped; turn++) {
        world->mono_ms += 1000;
        world->wall_ms += 1000;
        pv_engine_tick(world->engine);
        world_settle(world);
    }
    assert(world->stopped);
    pv_engine_unwatch(&world->watch);
    pv_engine_free(world->engine);
    world->engine = NULL;
    world->respond = respond;
}

void world_close(struct world *world)
{
    end_engine(world);
    world->store->ops->close(world->store, closed, NULL);
    pv_mem_store_turn(world->store, SIZE_MAX); /* does what waits, then the store is gone */
    world->store = NULL;
    pv_keyring_free(world->keyring);
    free(world->ops);
    world->ops = NULL;
}

void world_crash(struct world *world)
{
    /* The store first: from here on it refuses the dead node whatever it still says. */
    pv_mem_store_crash(world->store);
    end_engine(world);
    start_engine(world);
    world_settle(world);
}

/* ---- turning ---- */

static bool answer_due(struct world *world)
{
    bool any = false;
    for (size_t i = 0; i < WORLD_CALLS && world->respond && world->engine; i++) {
        struct world_call *call = &world->calls[i];
        if (call->call && call->due_ms <= world->mono_ms) {
            uint64_t before = call->call;
            world->respond(world, call);
            any = any || call->call != before;
        }
    }
    return any;
}

void world_settle(struct world *world)
{
    bool busy = true;
    while (busy) {
        busy = pv_mem_store_turn(world->store, 64) > 0;
        busy = answer_due(world) || busy;
        if (world->engine && world->armed_ms <= world->mono_ms) {
            world->armed_ms = INT64_MAX;
            pv_engine_tick(world->engine);
            busy = true;
        }
    }
}

void world_run(struct world *world, int64_t ms)
{
    int64_t end = world->mono_ms + ms;
    world_settle(world);
    for (;;) {
        int64_t next = world->armed_ms;
        for (size_t i = 0; i < WORLD_CALLS && world->respond; i++) {
            const struct world_call *call = &world->calls[i];
            if (call->call && call->due_ms > world->mono_ms && call->due_ms < next) {
                next = call->due_ms;
            }
        }
        int64_t to = next < end ? next : end;
        int64_t step = to > world->mono_ms ? to - world->mono_ms : 0;
        world->mono_ms += step;
        world->wall_ms += step;
        world_settle(world);
        if (world->mono_ms >= end) {
            return;
        }
    }
}

/* ---- firing ---- */

struct fired {
    struct pv_accept accept;
    struct pv_accept_item item;
    bool done;
};

static void accepted(struct pv_req *req)
{
    ((struct fired *)req->user)->done = true;
}

static struct world_op *new_op(struct world *world)
{
    if (world->op_count == world->op_size) {
        size_t size = world->op_size ? world->op_size * 2 : 64;
        struct world_op *ops = reallocarray(world->ops, size, sizeof(*ops)); /* never made to fail
                                                                              */
        assert(ops);
        world->ops = ops;
        world->op_size = size;
    }
    struct world_op *op = &world->ops[world->op_count++];
    memset(op, 0, sizeof(*op));
    return op;
}

size_t world_event(struct world *world, const struct world_event *event)
{
    struct fired fired = {0};
    char id[64];
    char body[256];
    (void)snprintf(id, sizeof(id), "event-%llu", (unsigned long long)++world->next_event);
    const char *event_id = event->event_id ? event->event_id : id;
    (void)snprintf(body, sizeof(body), "{\"type\":\"%s\",\"service\":\"%s\",\"plan\":\"%s\"}",
                   pv_op_type_name(event->type), event->external_id,
                   event->plan_name ? event->plan_name : "");
    const struct pv_str parts[] = {PV_STR("shop"), pv_str(event_id)};
    fired.item = (struct pv_accept_item){
        .source = PV_STR("shop"),
        .external_id = pv_str(event->external_id),
        .idem_key = event->join ? (struct pv_id){{0}} : pv_id_of_parts(parts, 2),
        .canonical = pv_str(event->body ? event->body : body),
        .type = event->type,
        .join = event->join,
        .has_sequence = event->has_sequence,
        .sequence = event->sequence,
        .action = pv_str(event->action ? event->action : ""),
        .product = pv_str(event->product ? event->product : ""),
        .plan_name = pv_str(event->plan_name ? event->plan_name : ""),
        .body = pv_str(event->body ? event->body : body),
        .actor = PV_STR("test"),
    };
    if (event->quota_limit > 0) {
        fired.item.quota = (struct pv_quota_ask){PV_STR("backups"), 1, event->quota_limit};
    }
    fired.accept.items = &fired.item;
    fired.accept.count = 1;
    pv_req_init(&fired.accept.req, PV_REQ_ACCEPT, accepted, &fired);
    struct pv_err err = {0};
    size_t index = 0;
    size_t at = world->op_count;
    struct world_op *op = new_op(world);
    int status = pv_engine_accept(world->engine, &fired.accept, &index, &err);
    while (!status && !fired.done) {
        (void)pv_mem_store_turn(world->store, 1);
    }
    op->accept_status = status ? status : fired.accept.req.status;
    op->op = fired.item.ret_op;
    op->verdict = (int)fired.item.verdict;
    op->state = op->state ? op->state : fired.item.ret_op_state;
    pv_req_done(&fired.accept.req);
    world_settle(world);
    return at;
}

size_t world_fire(struct world *world, const char *external_id, int type)
{
    bool named = type == PV_OP_CREATE || type == PV_OP_UPGRADE;
    struct world_event event = {.external_id = external_id,
                                .type = type,
                                .product = type == PV_OP_CREATE ? "one" : NULL,
                                .plan_name = !named                  ? NULL
                                             : type == PV_OP_UPGRADE ? "big"
                                                                     : "basic"};
    return world_event(world, &event);
}

/* ---- calls ---- */

size_t world_open_calls(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        count += world->calls[i].call ? 1 : 0;
    }
    return count;
}

struct world_call *world_only(struct world *world)
{
    assert(world_open_calls(world) == 1);
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        if (world->calls[i].call) {
            return &world->calls[i];
        }
    }
    return NULL;
}

struct world_call *world_find(struct world *world, const char *component, const char *step)
{
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        struct world_call *call = &world->calls[i];
        if (call->call && !strcmp(call->component, component) && !strcmp(call->step, step)) {
            return call;
        }
    }
    return NULL;
}

void world_answer_with(struct world *world, struct world_call *call,
                       const struct pv_wire_outcome *outcome)
{
    uint64_t number = call->call;
    call->call = 0;
    pv_engine_outcome(world->engine, number, outcome);
    world_settle(world);
}

void world_answer(struct world *world, struct world_call *call, int code)
{
    struct pv_wire_outcome outcome = {.code = (uint8_t)code,
                                      .touched = 1,
                                      .retry_after_ms = -1,
                                      .text = code == PV_OUT_OK ? (struct pv_str){NULL, 0}
                                                                : PV_STR("the backend said so")};
    world_answer_with(world, call, &outcome);
}

void world_lose(struct world *world, struct world_call *call, enum pv_lost lost)
{
    uint64_t number = call->call;
    call->call = 0;
    pv_engine_lost(world->engine, number, lost, 0, PV_STR("the host is gone"));
    world_settle(world);
}

void world_ask(struct world *world, struct world_call *call, const struct pv_wire_ask *ask)
{
    pv_engine_ask(world->engine, call->call, ask);
    world_settle(world);
}

/* ---- verbs, signals, queries ---- */

static void done(struct pv_req *req)
{
    *(bool *)req->user = true;
}

int world_intervene(struct world *world, struct pv_id op, int verb)
{
    bool is_done = false;
    struct pv_intervene in = {.op = op,
                              .verb = verb,
                              .reason = PV_STR("a test says so"),
                              .actor = PV_STR("uid:0"),
                              .deadline_ms = world->wall_ms + 86400000};
    pv_req_init(&in.req, PV_REQ_INTERVENE, done, &is_done);
    int status = pv_engine_intervene(world->engine, &in);
    while (!status && !is_done) {
        (void)pv_mem_store_turn(world->store, 1);
    }
    status = status ? status : in.req.status;
    pv_req_done(&in.req);
    world_settle(world);
    return status;
}

int world_signal(struct world *world, struct pv_id op, const char *name, const char *body)
{
    bool is_done = false;
    struct pv_signal signal = {.op = op, .name = pv_str(name), .body = pv_str(body)};
    pv_req_init(&signal.req, PV_REQ_SIGNAL, done, &is_done);
    int status = pv_engine_signal(world->engine, &signal);
    while (!status && !is_done) {
        (void)pv_mem_store_turn(world->store, 1);
    }
    status = status ? status : signal.req.status;
    pv_req_done(&signal.req);
    world_settle(world);
    return status;
}

static int get(struct world *world, struct pv_get *ret)
{
    bool is_done = false;
    pv_req_init(&ret->req, PV_REQ_GET, done, &is_done);
    int status = pv_store_submit(world->store, &ret->req);
    while (!status && !is_done) {
        (void)pv_mem_store_turn(world->store, 1);
    }
    return status ? status : ret->req.status;
}

int world_get_op(struct world *world, struct pv_id op, struct pv_get *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->of_op = true;
    ret->id = op;
    ret->full = true;
    return get(world, ret);
}

int world_get_service(struct world *world, const char *external_id, struct pv_get *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->source = PV_STR("shop");
    ret->external_id = pv_str(external_id);
    ret->full = true;
    return get(world, ret);
}

int world_op_state(struct world *world, size_t index)
{
    struct pv_get row;
    int status = world_get_op(world, world->ops[index].op, &row);
    int state = status ? status : row.ret_op.state;
    pv_req_done(&row.req);
    return state;
}

int world_service_state(struct world *world, const char *external_id)
{
    struct pv_get row;
    int status = world_get_service(world, external_id, &row);
    int state = status ? status : row.ret_service.observed;
    pv_req_done(&row.req);
    return state;
}

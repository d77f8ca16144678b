/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded days of a node: events, backends that fail in every way, hosts and nodes that die,
 * requests that arrive late, operators who decide. Afterwards the world must be whole: each effect
 * there once or not at all, every accepted operation ended, order kept, the audit chain unbroken.
 * sim [--seeds N] [--from SEED] [--trace on] [--break settle|repeatable]: exit 1 and the seed at
 * the first violation. */
#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES 6
#define EVENTS 60
#define EFFECTS 512

/* Something that exists at a backend because of a create step, or a component's suspension. */
struct effect {
    char ref[WORLD_NAMES];
    char component[WORLD_NAMES];
    char step[WORLD_NAMES];
    bool there;
    bool repeatable;
    int made;         /* times it was made while it was there */
    int64_t lands_ms; /* mono: a request on its way arrives; 0: none */
};

struct sim {
    struct world world;
    struct pv_seeded seed;
    struct pv_rng rng;
    struct effect effects[EFFECTS];
    size_t effect_count;
    bool trace;
    bool calm; /* from now on everything succeeds */
    char violation[256];
};

static struct sim sim;

static bool chance(unsigned percent)
{
    return !sim.calm && pv_rng_below(&sim.rng, 100) < percent;
}

static void violated(const char *what, const char *detail)
{
    if (!sim.violation[0]) {
        (void)snprintf(sim.violation, sizeof(sim.violation), "%s: %s", what, detail);
    }
}

static void trace(const char *what, const char *ref, const char *detail, int number)
{
    if (sim.trace) {
        printf("%9lld %-9s %s %s %d\n", (long long)sim.world.mono_ms, what, ref, detail, number);
    }
}

/* ---- the backend ---- */

static struct effect *effect_of(const char *ref, const char *component, const char *step)
{
    for (size_t i = 0; i < sim.effect_count; i++) {
        struct effect *e = &sim.effects[i];
        if (!strcmp(e->ref, ref) && !strcmp(e->component, component) && !strcmp(e->step, step)) {
            return e;
        }
    }
    if (sim.effect_count == EFFECTS) {
        fprintf(stderr, "too many effects\n");
        exit(2);
    }
    struct effect *e = &sim.effects[sim.effect_count++];
    memset(e, 0, sizeof(*e));
    (void)snprintf(e->ref, sizeof(e->ref), "%s", ref);
    (void)snprintf(e->component, sizeof(e->component), "%s", component);
    (void)snprintf(e->step, sizeof(e->step), "%s", step);
    e->repeatable = !strcmp(step, "start") || !strcmp(step, "add") || !strcmp(step, "apply") ||
                    !strcmp(step, "resize") || !strcmp(step, "backup");
    return e;
}

static void make(struct effect *e)
{
    bool needs_server = !strcmp(e->step, "start");
    if (needs_server && !effect_of(e->ref, e->component, "clone")->there) {
        return; /* there is nothing to start any more */
    }
    trace("made", e->ref, e->step, e->made);
    if (e->there && !e->repeatable) {
        char detail[3 * WORLD_NAMES];
        (void)snprintf(detail, sizeof(detail), "%.40s %.40s.%.40s", e->ref, e->component, e->step);
        violated("made twice", detail);
    }
    e->there = true;
    e->made++;
}

static void land(void)
{
    for (size_t i = 0; i < sim.effect_count; i++) {
        struct effect *e = &sim.effects[i];
        if (e->lands_ms && e->lands_ms <= sim.world.mono_ms) {
            e->lands_ms = 0;
            if (!e->repeatable || e->made == 0) { /* else the backend knows the key of the request
                                                   */
                make(e);
            }
        }
    }
}

static void remove_component(const char *ref, const char *component)
{
    for (size_t i = 0; i < sim.effect_count; i++) {
        struct effect *e = &sim.effects[i];
        if (!strcmp(e->ref, ref) && !strcmp(e->component, component)) {
            e->there = false;
        }
    }
}

static struct effect *suspension(const struct world_call *call)
{
    return effect_of(call->ref, call->component, "suspended");
}

/* The request is carried out now. */
static void carry_out(const struct world_call *call)
{
    if (!strcmp(call->operation, "create")) {
        make(effect_of(call->ref, call->component, call->step));
    } else if (!strcmp(call->operation, "terminate")) {
        remove_component(call->ref, call->component);
    } else if (!strcmp(call->operation, "suspend")) {
        suspension(call)->there = true;
    } else if (!strcmp(call->operation, "unsuspend")) {
        suspension(call)->there = false;
    }
}

/* The answer is lost: the request may be carried out now, a little later, or never. */
static void maybe_carry_out(const struct world_call *call)
{
    uint64_t fate = pv_rng_below(&sim.rng, 3);
    if (fate == 0) {
        carry_out(call);
    } else if (fate == 1 && !strcmp(call->operation, "create")) {
        struct effect *e = effect_of(call->ref, call->component, call->step);
        e->lands_ms = sim.world.mono_ms + 1 + (int64_t)pv_rng_below(&sim.rng, 4000);
    }
}

static void answer(struct world_call *call, int code, int64_t retry_ms)
{
    struct pv_wire_outcome outcome = {.code = (uint8_t)code,
                                      .touched = 1,
                                      .retry_after_ms = retry_ms,
                                      .text = PV_STR("so be it")};
    uint64_t number = call->call;
    call->call = 0;
    trace(call->operation, call->ref, call->step, call->kind * 100 + code);
    pv_engine_outcome(sim.world.engine, number, &outcome);
}

static void lose(struct world_call *call, enum pv_lost lost)
{
    uint64_t number = call->call;
    call->call = 0;
    trace("lost", call->ref, call->step, (int)lost);
    pv_engine_lost(sim.world.engine, number, lost, sim.world.mono_ms, PV_STR("the host died"));
}

static void respond_run(struct world_call *call)
{
    bool pollable = !strcmp(call->step, "clone");
    if (chance(8)) {
        answer(call, PV_OUT_TEMPORARY, chance(30) ? 20000 : -1);
    } else if (chance(8)) {
        maybe_carry_out(call);
        answer(call, PV_OUT_UNKNOWN, -1);
    } else if (chance(3)) {
        answer(call, PV_OUT_PERMANENT, -1);
    } else if (chance(3)) {
        answer(call, PV_OUT_INSTANCE_FAULT, -1);
    } else if (chance(3)) {
        lose(call, PV_LOST_UNTOUCHED);
    } else if (chance(4)) {
        maybe_carry_out(call);
        lose(call, chance(50) ? PV_LOST_TOUCHED : PV_LOST_CULPRIT);
    } else if (pollable && chance(40)) {
        carry_out(call);
        answer(call, PV_OUT_PENDING, 3000);
    } else {
        carry_out(call);
        answer(call, PV_OUT_OK, -1);
    }
}

static void respond_lookup(struct world_call *call)
{
    if (chance(15)) {
        answer(call, PV_OUT_TEMPORARY, -1);
        return;
    }
    bool there = effect_of(call->ref, call->component, call->step)->there;
    answer(call, there ? PV_OUT_OK : PV_OUT_ABSENT, -1);
}

static void respond_undo(struct world_call *call)
{
    if (chance(15)) {
        answer(call, PV_OUT_TEMPORARY, -1);
    } else if (chance(3)) {
        answer(call, PV_OUT_PERMANENT, -1);
    } else {
        if (!strcmp(call->operation, "create")) {
            effect_of(call->ref, call->component, call->step)->there = false;
            if (!strcmp(call->step, "clone")) { /* what ran in it goes with it */
                effect_of(call->ref, call->component, "start")->there = false;
            }
        }
        if (chance(10)) {
            lose(call, PV_LOST_TOUCHED);
        } else {
            answer(call, PV_OUT_OK, -1);
        }
    }
}

static void respond(struct world *world, struct world_call *call)
{
    (void)world;
    land();
    if (chance(30)) {
        call->due_ms = sim.world.mono_ms + 1 + (int64_t)pv_rng_below(&sim.rng, 5000);
        return;
    }
    switch (call->kind) {
    case PV_CALL_LOOKUP:
        respond_lookup(call);
        break;
    case PV_CALL_UNDO:
        respond_undo(call);
        break;
    case PV_CALL_POLL:
        if (chance(40)) {
            answer(call, PV_OUT_PENDING, 5000);
        } else {
            answer(call, chance(5) ? PV_OUT_PERMANENT : PV_OUT_OK, -1);
        }
        break;
    default:
        respond_run(call);
        break;
    }
}

/* ---- events, operators, deaths ---- */

static const char *const products[SERVICES] = {"one", "two", "bare", "two", "one", "two"};

static void fire(void)
{
    size_t which = (size_t)pv_rng_below(&sim.rng, SERVICES);
    char id[16];
    (void)snprintf(id, sizeof(id), "%zu", which);
    static const int types[] = {PV_OP_CREATE,    PV_OP_CREATE,  PV_OP_SUSPEND, PV_OP_UNSUSPEND,
                                PV_OP_TERMINATE, PV_OP_UPGRADE, PV_OP_RENEW};
    struct world_event event = {.external_id = id,
                                .type = types[pv_rng_below(&sim.rng, 7)],
                                .product = products[which],
                                .plan_name = "basic"};
    size_t op = world_event(&sim.world, &event);
    trace("event", id, pv_op_type_name(event.type), sim.world.ops[op].verdict);
}

/* The step that a parked create of unknown outcome stands at is there or not: an operator looks. */
static bool stands_at_something_made(const struct pv_get *row)
{
    const struct pv_step_row *last = NULL;
    for (size_t i = 0; i < row->ret_step_count; i++) {
        last = &row->ret_steps[i];
    }
    if (!last || row->ret_op.type != PV_OP_CREATE) {
        return false;
    }
    char ref[PV_REF_TEXT];
    pv_service_ref(sim.world.store->deployment, row->ret_op.service, row->ret_op.generation, ref);
    char component[WORLD_NAMES];
    char step[WORLD_NAMES];
    (void)snprintf(component, sizeof(component), "%.*s", PV_STR_ARG(last->component));
    (void)snprintf(step, sizeof(step), "%.*s", PV_STR_ARG(last->step));
    const struct effect *e = effect_of(ref, component, step);
    return e->there || e->lands_ms > 0;
}

static bool undoing(const struct pv_get *row)
{
    for (size_t i = 0; i < row->ret_step_count; i++) {
        if (row->ret_steps[i].kind == PV_CALL_UNDO) {
            return true;
        }
    }
    return false;
}

static void operate(void)
{
    for (size_t i = 0; i < sim.world.op_count; i++) {
        struct world_op *op = &sim.world.ops[i];
        if (op->accept_status || pv_id_is_zero(op->op) || op->verdict != PV_ACCEPTED ||
            op->state != PV_OPS_NEEDS_OPERATOR) {
            continue;
        }
        struct pv_get row;
        if (world_get_op(&sim.world, op->op, &row) == 0 &&
            row.ret_op.state == PV_OPS_NEEDS_OPERATOR) {
            bool made = stands_at_something_made(&row) && !undoing(&row);
            int verb = made ? PV_VERB_SKIP : PV_VERB_RETRY;
            if (chance(20) && row.ret_op.type == PV_OP_CREATE) {
                verb = PV_VERB_UNDO;
            }
            trace("operator", op->reason, pv_verb_name(verb), (int)i);
            (void)world_intervene(&sim.world, op->op, verb);
        }
        pv_req_done(&row.req);
    }
}

static void die(void)
{
    trace("death", "", "", 0);
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        if (sim.world.calls[i].call && sim.world.calls[i].kind == PV_CALL_RUN) {
            maybe_carry_out(&sim.world.calls[i]);
        }
    }
    world_crash(&sim.world);
}

/* ---- what must hold ---- */

static bool wanted(const char *product, const char *component)
{
    return !strcmp(component, "site") || !strcmp(product, "two");
}

static void check_service(size_t which)
{
    char id[16];
    (void)snprintf(id, sizeof(id), "%zu", which);
    struct pv_get row;
    if (world_get_service(&sim.world, id, &row)) {
        pv_req_done(&row.req);
        return;
    }
    const struct pv_service_row *s = &row.ret_service;
    char ref[WORLD_NAMES];
    (void)snprintf(ref, sizeof(ref), "%.*s", PV_STR_ARG(s->ref));
    if (s->waiting > 0 && pv_id_is_zero(s->active_op)) {
        violated("waiting work and nothing active", id);
    }
    bool lives = s->observed == PV_SVC_ACTIVE || s->observed == PV_SVC_SUSPENDED;
    for (size_t i = 0; i < sim.effect_count; i++) {
        const struct effect *e = &sim.effects[i];
        bool mine = !strcmp(e->ref, ref);
        if (mine && !lives && !s->residue && e->there && strcmp(e->step, "suspended") != 0) {
            violated("left behind", e->step);
        }
        if (mine && lives && !s->residue && !strcmp(e->step, "suspended") &&
            e->there != (s->observed == PV_SVC_SUSPENDED)) {
            violated("suspension is not as observed", id);
        }
        if (mine && lives && !s->residue && strcmp(e->step, "suspended") != 0 && !e->there &&
            wanted(products[which], e->component)) {
            violated("missing of a live service", e->step);
        }
    }
    pv_req_done(&row.req);
}

static void check_operations(void)
{
    int64_t last_started[SERVICES] = {0};
    for (size_t i = 0; i < sim.world.op_count; i++) {
        const struct world_op *op = &sim.world.ops[i];
        if (op->accept_status || op->verdict != PV_ACCEPTED) {
            continue;
        }
        struct pv_get row;
        if (world_get_op(&sim.world, op->op, &row)) {
            violated("an accepted operation is gone", "");
        } else if (!pv_op_state_final(row.ret_op.state)) {
            violated("not ended", pv_op_state_name(row.ret_op.state));
        } else if (row.ret_step_count > 0) {
            size_t which = (size_t)(row.ret_op.external_id.ptr[0] - '0');
            if (row.ret_steps[0].started_ms < last_started[which] && row.ret_steps[0].run == 1) {
                violated("out of order", pv_op_type_name(row.ret_op.type));
            }
            last_started[which] = row.ret_steps[0].started_ms;
        }
        pv_req_done(&row.req);
    }
    if (pv_engine_backlog(sim.world.engine) != 0) {
        violated("the backlog is not empty", "");
    }
}

static void listed(struct pv_req *req)
{
    *(bool *)req->user = true;
}

static void check_audit(void)
{
    struct pv_hash previous = {{0}};
    uint64_t n = 0;
    bool more = true;
    while (more && !sim.violation[0]) {
        bool is_done = false;
        struct pv_list_req list = {.what = PV_LIST_AUDIT, .state = -1, .after_n = n, .limit = 500};
        pv_req_init(&list.req, PV_REQ_LIST, listed, &is_done);
        if (pv_store_submit(sim.world.store, &list.req)) {
            break;
        }
        while (!is_done) {
            (void)pv_mem_store_turn(sim.world.store, 1);
        }
        for (size_t i = 0; i < list.ret_count; i++) {
            const struct pv_audit_row *row = &list.ret_audit[i];
            struct pv_hash hash = pv_audit_hash(row);
            if (row->n != n + 1 || !pv_hash_eq(row->previous, previous) ||
                !pv_hash_eq(hash, row->hash)) {
                violated("the audit chain is broken", "");
            }
            previous = row->hash;
            n = row->n;
        }
        more = list.ret_more;
        pv_req_done(&list.req);
    }
    if (n == 0) {
        violated("nothing was audited", "");
    }
}

static bool run_seed(uint64_t seed, bool break_settle, bool break_repeatable, bool trace)
{
    memset(&sim, 0, sizeof(sim));
    sim.trace = trace;
    sim.seed.state = seed * 2 + 1;
    sim.rng = pv_rng_seeded(&sim.seed);
    world_open(&sim.world, seed);
    sim.world.settle_ms = break_settle ? 1 : 5000;
    sim.world.lie_repeatable = break_repeatable;
    sim.world.respond = respond;
    sim.world.limits.max_in_flight = 1 + (uint32_t)pv_rng_below(&sim.rng, 4);
    sim.world.limits.breaker_failures = 3;
    for (int i = 0; i < EVENTS && !sim.violation[0]; i++) {
        fire();
        world_run(&sim.world, (int64_t)pv_rng_below(&sim.rng, 20000));
        if (chance(6)) {
            die();
        }
        if (chance(20)) {
            operate();
        }
        if (chance(4)) {
            pv_mem_store_fail(sim.world.store, PV_ENOSPACE);
            world_run(&sim.world, 2000);
            pv_mem_store_fail(sim.world.store, 0);
        }
    }
    sim.calm = true;
    for (int round = 0; round < 12 && !sim.violation[0]; round++) {
        world_run(&sim.world, 1200000);
        operate();
    }
    world_run(&sim.world, 1200000);
    land();
    check_operations();
    for (size_t i = 0; i < SERVICES; i++) {
        check_service(i);
    }
    check_audit();
    world_close(&sim.world);
    return sim.violation[0] == '\0';
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200;
    uint64_t from = 1;
    bool settle = false;
    bool repeatable = false;
    bool traced = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seeds")) {
            seeds = strtoull(argv[i + 1], NULL, 10);
        } else if (!strcmp(argv[i], "--from")) {
            from = strtoull(argv[i + 1], NULL, 10);
        } else if (!strcmp(argv[i], "--trace")) {
            traced = !strcmp(argv[i + 1], "on");
        } else if (!strcmp(argv[i], "--break")) {
            settle = !strcmp(argv[i + 1], "settle");
            repeatable = !strcmp(argv[i + 1], "repeatable");
        } else {
            fprintf(stderr, "usage: sim [--seeds N] [--from SEED] [--trace on] "
                            "[--break settle|repeatable]\n");
            return 2;
        }
    }
    if (pv_base_init()) {
        return 2;
    }
    pv_log_setup(2, 1, PV_ERROR, "sim");
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        if (!run_seed(seed, settle, repeatable, traced)) {
            printf("seed %llu: %s\n", (unsigned long long)seed, sim.violation);
            return 1;
        }
    }
    printf("%llu seeds, no violation\n", (unsigned long long)seeds);
    return 0;
}

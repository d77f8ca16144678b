/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation n fails, for every n, while services live their lives: the engine and the reference
 * store either say so at the door or carry on, and nothing is lost, doubled or left running. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "tests/sim/world.h"

#include <string.h>

static struct world w;

/* A backend on which everything works; counts what the create's steps did. */
static unsigned made;

static void respond(struct world *world, struct world_call *call)
{
    if (call->kind == PV_CALL_RUN && !strcmp(call->operation, "create")) {
        made++;
    }
    struct pv_wire_outcome outcome = {.code = PV_OUT_OK,
                                      .touched = 1,
                                      .state_changed = 1,
                                      .retry_after_ms = -1,
                                      .state = PV_STR("{\"id\":1}")};
    uint64_t number = call->call;
    call->call = 0;
    pv_engine_outcome(world->engine, number, &outcome);
}

/* Fires until it is accepted: a caller that was told "out of memory" tries again. */
static size_t accepted(const char *id, int type)
{
    for (int i = 0; i < 50; i++) {
        size_t op = world_fire(&w, id, type);
        if (w.ops[op].accept_status == 0) {
            return op;
        }
        assert_int_equal(w.ops[op].accept_status, PV_ENOMEM);
    }
    fail_msg("never accepted");
    return 0;
}

/* One life under a failing allocation n; false when there were fewer than n. */
static bool life(unsigned long n)
{
    made = 0;
    world_open(&w, n);
    w.respond = respond;
    pv_alloc_fail_at(n, 0);
    size_t create = accepted("1", PV_OP_CREATE);
    world_run(&w, 5000);
    size_t suspend = accepted("1", PV_OP_SUSPEND);
    size_t unsuspend = accepted("1", PV_OP_UNSUSPEND);
    world_run(&w, 5000);
    size_t terminate = accepted("1", PV_OP_TERMINATE);
    world_run(&w, 600000);
    bool reached = pv_alloc_count() >= n;
    pv_alloc_fail_at(0, 0);
    world_run(&w, 600000);
    const size_t ops[] = {create, suspend, unsuspend, terminate};
    for (size_t i = 0; i < PV_COUNT(ops); i++) {
        int state = world_op_state(&w, ops[i]);
        if (!pv_op_state_final(state)) {
            fail_msg("allocation %lu: operation %zu ended as %s", n, i, pv_op_state_name(state));
        }
    }
    assert_int_equal(world_op_state(&w, create), PV_OPS_DONE);
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_TERMINATED);
    assert_int_equal(made, 1);
    assert_int_equal(pv_engine_backlog(w.engine), 0);
    world_close(&w);
    return reached;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned long n = 1;
    while (life(n)) {
        n++;
    }
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

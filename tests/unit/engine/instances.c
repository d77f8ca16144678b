/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on the reference store and a virtual clock: instances that are full, slow, at fault or
 * gone; hosts, nodes and stores that fail; reservations. */
#include "tests/unit/engine/life.h"

#include "core/base/log.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- instances ---- */

static void an_instance_has_only_so_many_in_flight(void **state)
{
    (void)state;
    w.limits.max_in_flight = 3;
    char id[16];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        create(id, "one");
        assert_true(world_open_calls(&w) <= 3);
    }
    assert_int_equal(world_open_calls(&w), 3);
    for (int i = 0; i < 20; i++) {
        for (size_t c = 0; c < WORLD_CALLS; c++) {
            if (w.calls[c].call) {
                world_answer(&w, &w.calls[c], PV_OUT_OK);
                break;
            }
        }
        assert_int_equal(world_open_calls(&w), i < 17 ? 3 : 19 - i);
    }
    assert_int_equal(pv_engine_backlog(w.engine), 0);
}

static void an_instance_has_a_rate(void **state)
{
    (void)state;
    w.limits.rate = 2;
    w.limits.burst = 1;
    char id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        create(id, "one");
    }
    assert_int_equal(w.started, 1);
    world_run(&w, 3100);
    assert_true(w.started >= 6 && w.started <= 8);
    world_run(&w, 3000);
    assert_int_equal(w.started, 10);
    all_ok();
}

static void a_step_has_its_lease_or_its_own_time_where_that_is_longer(void **state)
{
    (void)state;
    static const int64_t leases[] = {5000, 3600000};
    for (size_t i = 0; i < PV_COUNT(leases); i++) {
        w.lease_ms = leases[i];
        world_crash(&w);
        create(i == 0 ? "s0" : "s1", "one");
        const struct world_call *call = world_only(&w);
        int64_t longer = call->timeout_ms > leases[i] ? call->timeout_ms : leases[i];
        assert_int_equal(call->lease_until_ms, w.mono_ms + longer);
        assert_true(longer == leases[i] || i == 0);
        all_ok();
    }
}

static void a_fault_opens_the_breaker_and_a_probe_closes_it(void **state)
{
    (void)state;
    w.limits.breaker_open_ms = 10000;
    w.limits.breaker_open_cap_ms = 60000;
    char id[16];
    size_t first = create("s0", "one");
    world_answer(&w, world_only(&w), PV_OUT_INSTANCE_FAULT);
    for (int i = 1; i < 5; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        create(id, "one");
    }
    struct pv_instance_status status;
    assert_int_equal(pv_engine_instance(w.engine, PV_STR("panel-1"), &status), 0);
    assert_int_equal(status.breaker, 1);
    assert_string_equal(status.fault, "the backend said so");
    assert_int_equal(w.started, 1);
    world_run(&w, 9000);
    assert_int_equal(w.started, 1);
    world_run(&w, 2000);
    assert_int_equal(w.started, 2); /* one probe, however many wait */
    world_answer(&w, world_only(&w), PV_OUT_INSTANCE_FAULT);
    world_run(&w, 18000);
    assert_int_equal(w.started, 2); /* twice as long */
    world_run(&w, 3000);
    assert_int_equal(w.started, 3);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(world_open_calls(&w), 4);
    for (size_t c = 0; c < WORLD_CALLS; c++) {
        if (w.calls[c].call) {
            assert_int_equal(w.calls[c].attempt, 1); /* waiting used none */
        }
    }
    all_ok();
    assert_int_equal(world_op_state(&w, first), PV_OPS_DONE);
}

static void failures_in_a_row_open_the_breaker(void **state)
{
    (void)state;
    w.limits.breaker_failures = 3;
    w.limits.breaker_open_ms = 1000;
    char id[16];
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        create(id, "one");
        world_answer(&w, world_only(&w), PV_OUT_TEMPORARY);
    }
    struct pv_instance_status status;
    assert_int_equal(pv_engine_instance(w.engine, PV_STR("panel-1"), &status), 0);
    assert_int_equal(status.breaker, 1);
    world_run(&w, 600000);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_run(&w, 600000);
    all_ok();
    assert_int_equal(pv_engine_backlog(w.engine), 0);
}

static void a_paused_instance_starts_nothing(void **state)
{
    (void)state;
    pv_engine_set_paused(w.engine, PV_STR("panel-1"), true);
    size_t op = create("1", "one");
    world_run(&w, 90000000);
    assert_int_equal(w.started, 0);
    assert_int_equal(world_op_state(&w, op), PV_OPS_READY);
    pv_engine_set_paused(w.engine, PV_STR("panel-1"), false);
    world_settle(&w);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void a_suspend_goes_on_as_soon_as_its_instance_is_resumed(void **state)
{
    (void)state;
    created("1", "two");
    pv_engine_set_paused(w.engine, PV_STR("panel-1"), true);
    size_t op = world_fire(&w, "1", PV_OP_SUSPEND);
    assert_string_equal(w.last_started, "dns.apply 0"); /* what is not paused is attempted */
    all_ok();
    world_run(&w, 3600000);
    assert_int_equal(world_op_state(&w, op), PV_OPS_READY);
    pv_engine_set_paused(w.engine, PV_STR("panel-1"), false);
    world_settle(&w);
    assert_string_equal(w.last_started, "site.apply 0");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void an_instance_that_was_removed_parks_what_needs_it(void **state)
{
    (void)state;
    created("1", "one");
    strcpy(w.gone_instance, "panel-1");
    pv_engine_reconfigured(w.engine);
    size_t op = world_fire(&w, "1", PV_OP_SUSPEND);
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    assert_non_null(strstr(w.ops[op].reason, "panel-1"));
    w.gone_instance[0] = '\0';
    pv_engine_reconfigured(w.engine);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_RETRY), 0);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

/* ---- hosts and nodes that go away ---- */

static void a_lost_host_costs_its_innocents_nothing(void **state)
{
    (void)state;
    size_t op = create("1", "bare");
    world_lose(&w, world_only(&w), PV_LOST_UNTOUCHED);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->attempt, 1);
    assert_false(call->solo);
    world_answer(&w, call, PV_OUT_OK);
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void the_culprit_runs_alone_and_is_parked_the_third_time(void **state)
{
    (void)state;
    size_t op = create("1", "bare");
    for (int crash = 1; crash <= 3; crash++) {
        world_run(&w, 60000);
        struct world_call *call = world_only(&w);
        assert_int_equal(call->solo, crash > 1);
        world_lose(&w, call, PV_LOST_CULPRIT_UNTOUCHED);
    }
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    assert_non_null(strstr(w.ops[op].reason, "three times"));
}

static void a_host_that_cannot_start_is_a_fault_of_its_instance(void **state)
{
    (void)state;
    size_t op = create("1", "bare");
    world_lose(&w, world_only(&w), PV_LOST_START);
    struct pv_instance_status status;
    assert_int_equal(pv_engine_instance(w.engine, PV_STR("panel-1"), &status), 0);
    assert_int_equal(status.breaker, 1);
    world_run(&w, 5000);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void a_node_that_dies_leaves_nothing_behind(void **state)
{
    (void)state;
    size_t looked_up = create("1", "one");
    size_t neither = create("2", "bare");
    size_t queued = world_fire(&w, "1", PV_OP_SUSPEND);
    world_crash(&w);
    struct world_call *call = world_find(&w, "site", "make");
    assert_int_equal(call->kind, PV_CALL_LOOKUP);
    world_answer(&w, call, PV_OUT_OK);
    assert_int_equal(world_op_state(&w, looked_up), PV_OPS_DONE);
    assert_int_equal(world_op_state(&w, neither), PV_OPS_NEEDS_OPERATOR);
    all_ok();
    assert_int_equal(world_op_state(&w, queued), PV_OPS_DONE);
    assert_int_equal(pv_engine_backlog(w.engine), 1);
}

static void what_rested_when_the_node_died_is_not_in_doubt(void **state)
{
    (void)state;
    size_t op = create("1", "bare");
    answer_retry(world_only(&w), PV_OUT_TEMPORARY, 60000);
    world_crash(&w);
    world_run(&w, 61000);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->kind, PV_CALL_RUN);
    assert_int_equal(call->attempt, 2);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void a_zombie_can_write_nothing(void **state)
{
    (void)state;
    size_t op = create("1", "one");
    pv_mem_store_crash(w.store); /* another node takes over */
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(world_op_state(&w, op), PV_OPS_READY);
}

static void stopping_hands_everything_back(void **state)
{
    (void)state;
    size_t op = create("1", "one");
    create("2", "one");
    world_crash(&w); /* ends the engine in order, then starts another */
    assert_int_equal(world_open_calls(&w), 2);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void a_store_that_is_full_loses_nothing(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    pv_mem_store_fail(w.store, PV_ENOSPACE);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    size_t refused = create("2", "one");
    assert_int_equal(w.ops[refused].accept_status, PV_ENOSPACE);
    world_run(&w, 60000);
    assert_int_equal(world_open_calls(&w), 0);
    pv_mem_store_fail(w.store, 0);
    world_run(&w, 1000);
    assert_string_equal(w.last_started, "site.clone 0"); /* not allocate again */
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    assert_int_equal(w.started, 4);
}

/* How often a word is among the log lines written to the file. */
static int count_in(int fd, const char *word)
{
    static char text[64 * 1024];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    int count = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void what_the_store_refuses_is_said_now_and_then(void **state)
{
    (void)state;
    int lines = memfd_create("log", MFD_CLOEXEC);
    assert_true(lines >= 0);
    pv_log_setup(lines, 0, PV_WARN, NULL);
    create("1", "two");
    pv_mem_store_fail(w.store, PV_ENOSPACE);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(count_in(lines, "the store did not take"), 1);
    assert_int_equal(count_in(lines, pv_status_text(PV_ENOSPACE)), 1);
    for (int second = 0; second < 59; second++) { /* a hundred times refused */
        world_run(&w, 1000);
    }
    assert_int_equal(count_in(lines, "the store did not take"), 1);
    for (int second = 0; second < 5; second++) {
        world_run(&w, 1000);
    }
    assert_int_equal(count_in(lines, "the store did not take"), 2);
    pv_mem_store_fail(w.store, 0);
    pv_log_setup(2, 0, PV_INFO, NULL);
    close(lines);
}

/* ---- reservations ---- */

static void reservations_are_the_same_in_every_attempt(void **state)
{
    (void)state;
    create("1", "one");
    struct pv_wire_ask take = {
        .ask = 1, .kind = PV_ASK_POOL_TAKE, .name = PV_STR("port"), .pool = PV_STR("ports")};
    world_ask(&w, world_only(&w), &take);
    assert_int_equal(w.answer_status, 0);
    char port[16];
    strcpy(port, w.answer_value);
    struct pv_wire_ask secret = {
        .ask = 2, .kind = PV_ASK_SECRET_NEW, .name = PV_STR("root"), .text = PV_STR("s3cret")};
    world_ask(&w, world_only(&w), &secret);
    assert_string_equal(w.answer_value, "s3cret");
    world_answer(&w, world_only(&w), PV_OUT_TEMPORARY);
    world_run(&w, 60000);
    world_ask(&w, world_only(&w), &take);
    assert_string_equal(w.answer_value, port);
    secret.text = PV_STR("another");
    world_ask(&w, world_only(&w), &secret);
    assert_string_equal(w.answer_value, "s3cret");
    take.pool = PV_STR("nowhere");
    world_ask(&w, world_only(&w), &take);
    assert_int_equal(w.answer_status, PV_ENOTFOUND);
    all_ok();
    create("2", "one");
    take.pool = PV_STR("ports");
    world_ask(&w, world_only(&w), &take);
    assert_string_not_equal(w.answer_value, port);
    all_ok();
    create("3", "one");
    world_ask(&w, world_only(&w), &take);
    assert_int_equal(w.answer_status, PV_EEXHAUSTED);
    all_ok();
}

static void state_save_survives_the_node(void **state)
{
    (void)state;
    create("1", "one");
    struct pv_wire_ask save = {
        .ask = 1, .kind = PV_ASK_STATE_SAVE, .text = PV_STR("{\"id\":\"backend-9\"}")};
    world_ask(&w, world_only(&w), &save);
    assert_int_equal(w.answer_status, 0);
    world_crash(&w);
    assert_string_equal(world_only(&w)->state, "{\"id\":\"backend-9\"}");
    all_ok();
}

static void an_actions_quota_is_reserved_when_it_is_accepted(void **state)
{
    (void)state;
    created("1", "one");
    struct world_event event = {
        .external_id = "1", .type = PV_OP_ACTION, .action = "backup", .quota_limit = 2};
    size_t one = world_event(&w, &event);
    size_t two = world_event(&w, &event);
    size_t three = world_event(&w, &event);
    assert_int_equal(w.ops[one].verdict, PV_ACCEPTED);
    assert_int_equal(w.ops[two].verdict, PV_ACCEPTED);
    assert_int_equal(w.ops[three].verdict, PV_QUOTA);
    all_ok();
    three = world_event(&w, &event);
    assert_int_equal(w.ops[three].verdict, PV_QUOTA);
}

static void an_action_that_is_refused_fails_and_blocks_nothing(void **state)
{
    (void)state;
    created("1", "one");
    w.hold = true; /* is about creates */
    struct world_event event = {
        .external_id = "1", .type = PV_OP_ACTION, .action = "backup", .quota_limit = 1};
    size_t refused = world_event(&w, &event);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_int_equal(world_op_state(&w, refused), PV_OPS_FAILED);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
    size_t again = world_event(&w, &event);
    assert_int_equal(w.ops[again].verdict, PV_ACCEPTED); /* its quota was given back */
    all_ok();
    assert_int_equal(world_op_state(&w, again), PV_OPS_DONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        T(an_instance_has_only_so_many_in_flight),
        T(an_instance_has_a_rate),
        T(a_step_has_its_lease_or_its_own_time_where_that_is_longer),
        T(a_fault_opens_the_breaker_and_a_probe_closes_it),
        T(failures_in_a_row_open_the_breaker),
        T(a_paused_instance_starts_nothing),
        T(a_suspend_goes_on_as_soon_as_its_instance_is_resumed),
        T(an_instance_that_was_removed_parks_what_needs_it),
        T(a_lost_host_costs_its_innocents_nothing),
        T(the_culprit_runs_alone_and_is_parked_the_third_time),
        T(a_host_that_cannot_start_is_a_fault_of_its_instance),
        T(a_node_that_dies_leaves_nothing_behind),
        T(what_rested_when_the_node_died_is_not_in_doubt),
        T(a_zombie_can_write_nothing),
        T(stopping_hands_everything_back),
        T(a_store_that_is_full_loses_nothing),
        T(what_the_store_refuses_is_said_now_and_then),
        T(reservations_are_the_same_in_every_attempt),
        T(state_save_survives_the_node),
        T(an_actions_quota_is_reserved_when_it_is_accepted),
        T(an_action_that_is_refused_fails_and_blocks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

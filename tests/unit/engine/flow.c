/* SPDX-License-Identifier: Apache-2.0 */
/* The engine on the reference store and a virtual clock: whole lives of services, step by step. */
#include "tests/unit/engine/life.h"

#include <stdio.h>

static void a_create_runs_its_steps_in_order(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    assert_int_equal(w.ops[op].verdict, PV_ACCEPTED);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_PENDING);
    static const char *const order[] = {"site.allocate 0", "site.clone 0", "site.start 0",
                                        "dns.add 0"};
    for (size_t i = 0; i < PV_COUNT(order); i++) {
        assert_string_equal(w.last_started, order[i]);
        struct world_call *call = world_only(&w);
        assert_int_equal(call->attempt, 1);
        assert_int_equal(call->run, 1);
        world_answer(&w, call, PV_OUT_OK);
    }
    assert_int_equal(w.started, 4);
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    assert_int_equal(w.ops[op].state, PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
}

struct heard {
    struct pv_watch watch;
    unsigned running;
    unsigned ended;
};

static void hear(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text)
{
    struct heard *heard = watch->user;
    (void)op;
    (void)text;
    heard->running += state == PV_OPS_RUNNING ? 1 : 0;
    heard->ended += pv_op_state_final(state) ? 1 : 0;
}

static void watchers_hear_of_each_step(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    struct heard heard = {.watch = {.op = w.ops[op].op, .changed = hear, .user = &heard}};
    pv_engine_watch(w.engine, &heard.watch);
    for (unsigned step = 0; step < 4; step++) {
        assert_int_equal(heard.running, step);
        world_answer(&w, world_only(&w), PV_OUT_OK);
    }
    assert_int_equal(heard.ended, 1);
    pv_engine_unwatch(&heard.watch);
}

static void a_step_is_given_its_input_and_state(void **state)
{
    (void)state;
    create("cust-7", "two");
    struct world_call *call = world_only(&w);
    assert_string_equal(call->external_id, "cust-7");
    assert_string_equal(call->operation, "create");
    assert_non_null(strstr(call->input, "\"external_id\":\"cust-7\""));
    assert_non_null(strstr(call->input, "\"plan\":\"basic\""));
    assert_non_null(strstr(call->input, "\"values\":{\"memory\":1}"));
    assert_non_null(strstr(call->input, "\"customer\":{\"email\":\"a@example.com\"}"));
    assert_string_equal(call->state, "");
    struct pv_wire_outcome outcome = {.code = PV_OUT_OK,
                                      .touched = 1,
                                      .state_changed = 1,
                                      .retry_after_ms = -1,
                                      .state = PV_STR("{\"vm\":7}")};
    world_answer_with(&w, call, &outcome);
    assert_string_equal(world_only(&w)->state, "{\"vm\":7}");
    struct pv_get row;
    assert_int_equal(world_get_service(&w, "cust-7", &row), 0);
    assert_int_equal(row.ret_doc_count, 1);
    assert_true(pv_str_eq_c(row.ret_docs[0].json, "{\"vm\":7}"));
    pv_req_done(&row.req);
    all_ok();
}

static void the_same_event_is_the_same_operation(void **state)
{
    (void)state;
    struct world_event event = {.external_id = "1",
                                .event_id = "e1",
                                .type = PV_OP_CREATE,
                                .product = "one",
                                .plan_name = "basic"};
    size_t first = world_event(&w, &event);
    size_t again = world_event(&w, &event);
    assert_int_equal(w.ops[again].verdict, PV_DUPLICATE);
    assert_true(pv_id_eq(w.ops[first].op, w.ops[again].op));
    all_ok();
    again = world_event(&w, &event);
    assert_int_equal(w.ops[again].verdict, PV_DUPLICATE);
    assert_int_equal(w.started, 1);
    event.body = "{\"other\":1}";
    again = world_event(&w, &event);
    assert_int_equal(w.ops[again].verdict, PV_BODY_DIFFERS);
    assert_int_equal(w.ops[again].accept_status, PV_ECONFLICT);
}

static void operations_of_a_service_wait_for_each_other(void **state)
{
    (void)state;
    create("1", "one");
    size_t suspend = world_fire(&w, "1", PV_OP_SUSPEND);
    size_t renew = world_fire(&w, "1", PV_OP_RENEW);
    create("2", "one");
    assert_int_equal(world_open_calls(&w), 2); /* one of each service */
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_QUEUED);
    world_answer(&w, world_find(&w, "site", "make"), PV_OUT_OK);
    struct world_call *call = world_find(&w, "site", "apply");
    assert_string_equal(call->operation, "suspend");
    world_answer(&w, call, PV_OUT_OK);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_SUSPENDED);
    assert_string_equal(world_find(&w, "site", "apply")->operation, "renew");
    all_ok();
    assert_int_equal(world_op_state(&w, renew), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_SUSPENDED);
}

static void illegal_moves_reach_no_plugin(void **state)
{
    (void)state;
    size_t op = world_fire(&w, "1", PV_OP_SUSPEND);
    assert_int_equal(w.ops[op].verdict, PV_ILLEGAL);
    created("1", "one");
    op = create("1", "one");
    assert_int_equal(w.ops[op].verdict, PV_ILLEGAL);
    op = world_fire(&w, "1", PV_OP_UNSUSPEND);
    assert_int_equal(w.ops[op].verdict, PV_ACCEPTED);
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    assert_int_equal(w.started, 1);
}

static void what_became_illegal_is_canceled(void **state)
{
    (void)state;
    create("1", "one");
    size_t suspend = world_fire(&w, "1", PV_OP_SUSPEND);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_FAILED);
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_CANCELED);
    assert_int_equal(w.started, 1);
}

static void temporary_failures_back_off_and_go_on(void **state)
{
    (void)state;
    size_t op = create("1", "one");
    for (uint32_t attempt = 1; attempt <= 5; attempt++) {
        struct world_call *call = world_only(&w);
        assert_int_equal(call->attempt, attempt);
        world_answer(&w, call, PV_OUT_TEMPORARY);
        assert_int_equal(world_open_calls(&w), 0);
        world_run(&w, 600000);
    }
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    struct pv_get row;
    assert_int_equal(world_get_op(&w, w.ops[op].op, &row), 0);
    assert_int_equal(row.ret_step_count, 6);
    assert_int_equal(row.ret_steps[0].outcome, PV_OUT_TEMPORARY);
    assert_int_equal(row.ret_steps[5].outcome, PV_OUT_OK);
    assert_int_equal(row.ret_steps[5].attempt, 6);
    pv_req_done(&row.req);
}

static void at_the_deadline_it_parks_and_can_be_retried(void **state)
{
    (void)state;
    size_t op = create("1", "one");
    for (int i = 0; i < 2000 && world_op_state(&w, op) != PV_OPS_NEEDS_OPERATOR; i++) {
        if (world_open_calls(&w) > 0) {
            world_answer(&w, world_only(&w), PV_OUT_TEMPORARY);
        }
        world_run(&w, 600000);
    }
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    assert_non_null(strstr(w.ops[op].reason, "deadline"));
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_PENDING); /* nothing was undone */
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_RETRY), 0);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->run, 1); /* the same reservations and keys */
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void pending_polls_until_it_is_done(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    answer_retry(world_only(&w), PV_OUT_PENDING, 30000);
    assert_int_equal(world_open_calls(&w), 0);
    world_run(&w, 29000);
    assert_int_equal(world_open_calls(&w), 0);
    world_run(&w, 2000);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->kind, PV_CALL_POLL);
    assert_int_equal(call->attempt, 1);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void a_signal_wakes_what_waits_for_it(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    answer_retry(world_only(&w), PV_OUT_PENDING, 0);
    world_run(&w, 3600000);
    assert_int_equal(world_open_calls(&w), 0);
    assert_int_equal(world_signal(&w, w.ops[op].op, "installed", "{\"ok\":true}"), 0);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->kind, PV_CALL_POLL);
    assert_non_null(strstr(call->input, "\"signals\":{\"installed\":{\"ok\":true}}"));
    all_ok();
    assert_int_equal(world_signal(&w, w.ops[op].op, "installed", "{}"), PV_ECONFLICT);
}

static void a_signal_may_come_before_it_is_waited_for(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(world_signal(&w, w.ops[op].op, "installed", "{\"early\":1}"), 0);
    answer_retry(world_only(&w), PV_OUT_PENDING, 0);
    struct world_call *call = world_only(&w);
    assert_int_equal(call->kind, PV_CALL_POLL);
    assert_non_null(strstr(call->input, "{\"early\":1}"));
    all_ok();
}

static void permanent_undoes_in_reverse(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_find(&w, "site", "allocate"), PV_OUT_OK);
    world_answer(&w, world_find(&w, "site", "clone"), PV_OUT_OK);
    world_answer(&w, world_find(&w, "site", "start"), PV_OUT_OK);
    world_answer(&w, world_find(&w, "dns", "add"), PV_OUT_PERMANENT);
    assert_string_equal(w.last_started, "site.clone 3");
    world_answer(&w, world_only(&w), PV_OUT_TEMPORARY); /* undo is retried too */
    world_run(&w, 600000);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_string_equal(w.last_started, "site.allocate 3");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(world_op_state(&w, op), PV_OPS_FAILED);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_FAILED);
    struct pv_get row;
    assert_int_equal(world_get_op(&w, w.ops[op].op, &row), 0);
    assert_true(pv_str_starts(row.ret_op.reason, "dns.add"));
    pv_req_done(&row.req);
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_int_equal(row.ret_doc_count, 0);
    pv_req_done(&row.req);
    /* A retry starts over as the next run. */
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_RETRY), 0);
    assert_int_equal(world_only(&w)->run, 2);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
}

static void what_cannot_be_undone_needs_an_operator(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_string_equal(w.last_started, "site.allocate 3");
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_ABANDON), 0);
    assert_int_equal(world_op_state(&w, op), PV_OPS_ABANDONED);
    size_t again = create("1", "two");
    assert_int_equal(w.ops[again].verdict, PV_ILLEGAL); /* something may still be there */
    size_t terminate = world_fire(&w, "1", PV_OP_TERMINATE);
    assert_string_equal(w.last_started, "dns.apply 0"); /* everything it may have touched */
    all_ok();
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_DONE);
    again = create("1", "two");
    assert_int_equal(w.ops[again].verdict, PV_ACCEPTED);
    all_ok();
}

static void hold_waits_for_an_operator(void **state)
{
    (void)state;
    w.hold = true;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    assert_int_equal(world_open_calls(&w), 0);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_UNDO), 0);
    assert_string_equal(w.last_started, "site.allocate 3");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_FAILED);
}

static void skip_goes_on_behind_the_step(void **state)
{
    (void)state;
    w.hold = true;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_SKIP), 0);
    assert_string_equal(w.last_started, "site.start 0");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void an_unknown_outcome_is_looked_up(void **state)
{
    (void)state;
    size_t op = create("1", "one");
    world_answer(&w, world_only(&w), PV_OUT_UNKNOWN);
    assert_string_equal(w.last_started, "site.make 2");
    world_answer(&w, world_only(&w), PV_OUT_ABSENT); /* too early to be believed */
    assert_int_equal(world_open_calls(&w), 0);
    world_run(&w, 6000);
    assert_string_equal(w.last_started, "site.make 2");
    world_answer(&w, world_only(&w), PV_OUT_ABSENT);
    assert_string_equal(w.last_started, "site.make 0");
    world_answer(&w, world_only(&w), PV_OUT_UNKNOWN);
    world_answer(&w, world_only(&w), PV_OUT_OK); /* found */
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
}

static void an_unknown_outcome_with_no_remedy_is_parked(void **state)
{
    (void)state;
    size_t op = create("1", "bare");
    world_answer(&w, world_only(&w), PV_OUT_UNKNOWN);
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
    world_run(&w, 90000000);
    assert_int_equal(world_open_calls(&w), 0);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_RETRY), 0);
    assert_string_equal(w.last_started, "site.make 0");
    all_ok();
}

static void terminate_supersedes_a_running_create(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    struct world_call *call = world_only(&w);
    size_t terminate = world_fire(&w, "1", PV_OP_TERMINATE);
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_QUEUED);
    world_answer(&w, call, PV_OUT_OK); /* the present step finishes */
    assert_string_equal(w.last_started, "site.clone 3");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_SUPERSEDED);
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_TERMINATED);
}

static void terminate_supersedes_a_create_that_backs_off(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    answer_retry(world_only(&w), PV_OUT_TEMPORARY, 3600000);
    size_t terminate = world_fire(&w, "1", PV_OP_TERMINATE);
    assert_string_equal(w.last_started, "site.allocate 3"); /* without waiting an hour */
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_SUPERSEDED);
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_DONE);
}

static void a_suspend_that_came_to_nothing_is_not_run(void **state)
{
    (void)state;
    created("1", "one");
    size_t renew = world_fire(&w, "1", PV_OP_RENEW);
    size_t suspend = world_fire(&w, "1", PV_OP_SUSPEND);
    size_t unsuspend = world_fire(&w, "1", PV_OP_UNSUSPEND);
    all_ok();
    assert_int_equal(world_op_state(&w, renew), PV_OPS_DONE);
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_SUPERSEDED);
    assert_int_equal(world_op_state(&w, unsuspend), PV_OPS_SUPERSEDED);
    assert_int_equal(w.started, 2);
}

static void suspend_unsuspend_suspend_are_three(void **state)
{
    (void)state;
    created("1", "one");
    world_fire(&w, "1", PV_OP_SUSPEND);
    all_ok();
    world_fire(&w, "1", PV_OP_UNSUSPEND);
    all_ok();
    world_fire(&w, "1", PV_OP_SUSPEND);
    all_ok();
    assert_int_equal(w.started, 4);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_SUSPENDED);
}

static void an_unsuspend_supersedes_a_parked_suspend_and_really_runs(void **state)
{
    (void)state;
    created("1", "two");
    size_t suspend = world_fire(&w, "1", PV_OP_SUSPEND);
    world_answer(&w, world_find(&w, "site", "apply"), PV_OUT_PERMANENT);
    world_answer(&w, world_find(&w, "dns", "apply"), PV_OUT_OK); /* every component is attempted */
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_NEEDS_OPERATOR);
    assert_non_null(strstr(w.ops[suspend].reason, "site.apply"));
    size_t before = w.started;
    size_t unsuspend = world_fire(&w, "1", PV_OP_UNSUSPEND);
    all_ok();
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_SUPERSEDED);
    assert_int_equal(world_op_state(&w, unsuspend), PV_OPS_DONE);
    assert_int_equal(w.started, before + 2); /* dns was suspended, so it is not a no-op */
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
}

static void a_terminate_attempts_what_is_up_while_the_rest_is_down(void **state)
{
    (void)state;
    created("1", "two");
    size_t terminate = world_fire(&w, "1", PV_OP_TERMINATE);
    assert_string_equal(w.last_started, "dns.apply 0"); /* components in reverse */
    world_answer(&w, world_only(&w), PV_OUT_TEMPORARY);
    assert_string_equal(w.last_started, "site.apply 0");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_run(&w, 600000);
    assert_string_equal(w.last_started, "dns.apply 0");
    all_ok();
    assert_int_equal(world_op_state(&w, terminate), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_TERMINATED);
    /* The next generation has another ref. */
    struct pv_get row;
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_int_equal(row.ret_doc_count, 0);
    assert_int_equal(row.ret_service.generation, 1);
    pv_req_done(&row.req);
    create("1", "one");
    assert_non_null(strstr(world_only(&w)->input, "\"generation\":2"));
    all_ok();
}

static void an_upgrade_to_no_plan_fails_and_blocks_nothing(void **state)
{
    (void)state;
    (void)create("1", "one");
    all_ok();
    struct world_event event = {
        .external_id = "1", .type = PV_OP_UPGRADE, .plan_name = "no-such-plan"};
    size_t op = world_event(&w, &event);
    assert_int_equal(world_open_calls(&w), 0);
    assert_int_equal(world_op_state(&w, op), PV_OPS_FAILED);
    assert_non_null(strstr(w.ops[op].reason, "no-such-plan"));
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
    size_t suspend = world_fire(&w, "1", PV_OP_SUSPEND);
    all_ok();
    assert_int_equal(world_op_state(&w, suspend), PV_OPS_DONE);
    assert_int_equal(pv_engine_backlog(w.engine), 0);
}

static void an_upgrade_that_fails_goes_back_to_before(void **state)
{
    (void)state;
    created("1", "two");
    size_t op = world_fire(&w, "1", PV_OP_UPGRADE);
    assert_non_null(strstr(world_only(&w)->input, "\"plan\":\"big\""));
    world_answer(&w, world_only(&w), PV_OUT_OK);
    world_answer(&w, world_only(&w), PV_OUT_PERMANENT);
    assert_string_equal(w.last_started, "site.resize 3");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_FAILED);
    struct pv_get row;
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_int_equal(row.ret_service.observed, PV_SVC_ACTIVE);
    assert_true(pv_str_eq_c(row.ret_service.plan_name, "basic"));
    pv_req_done(&row.req);
    op = world_fire(&w, "1", PV_OP_UPGRADE);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_true(pv_str_eq_c(row.ret_service.plan_name, "big"));
    pv_req_done(&row.req);
}

static void an_old_sequence_is_superseded(void **state)
{
    (void)state;
    created("1", "one");
    struct world_event event = {
        .external_id = "1", .type = PV_OP_SUSPEND, .has_sequence = true, .sequence = 7};
    size_t op = world_event(&w, &event);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    event.type = PV_OP_UNSUSPEND;
    event.sequence = 6;
    op = world_event(&w, &event);
    assert_int_equal(w.ops[op].accept_status, 0);
    assert_int_equal(world_op_state(&w, op), PV_OPS_SUPERSEDED);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_SUSPENDED);
}

static void cancel_undoes_a_create(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_int_equal(world_intervene(&w, w.ops[op].op, PV_VERB_CANCEL), 0);
    world_answer(&w, world_only(&w), PV_OUT_OK);
    assert_string_equal(w.last_started, "site.clone 3");
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_CANCELED);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_FAILED);
    size_t renew = create("1", "one");
    size_t queued = world_fire(&w, "1", PV_OP_SUSPEND);
    assert_int_equal(world_intervene(&w, w.ops[queued].op, PV_VERB_CANCEL), 0);
    assert_int_equal(world_op_state(&w, queued), PV_OPS_CANCELED);
    all_ok();
    assert_int_equal(world_op_state(&w, renew), PV_OPS_DONE);
    assert_int_equal(world_service_state(&w, "1"), PV_SVC_ACTIVE);
    assert_int_equal(pv_engine_backlog(w.engine), 0);
}

static void a_product_that_is_not_there_is_refused_at_the_door(void **state)
{
    (void)state;
    size_t op = create("1", "nothing");
    assert_int_equal(w.ops[op].accept_status, PV_ENOTFOUND);
    assert_int_equal(pv_engine_backlog(w.engine), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        T(a_create_runs_its_steps_in_order),
        T(watchers_hear_of_each_step),
        T(a_step_is_given_its_input_and_state),
        T(the_same_event_is_the_same_operation),
        T(operations_of_a_service_wait_for_each_other),
        T(illegal_moves_reach_no_plugin),
        T(what_became_illegal_is_canceled),
        T(temporary_failures_back_off_and_go_on),
        T(at_the_deadline_it_parks_and_can_be_retried),
        T(pending_polls_until_it_is_done),
        T(a_signal_wakes_what_waits_for_it),
        T(a_signal_may_come_before_it_is_waited_for),
        T(permanent_undoes_in_reverse),
        T(what_cannot_be_undone_needs_an_operator),
        T(hold_waits_for_an_operator),
        T(skip_goes_on_behind_the_step),
        T(an_unknown_outcome_is_looked_up),
        T(an_unknown_outcome_with_no_remedy_is_parked),
        T(terminate_supersedes_a_running_create),
        T(terminate_supersedes_a_create_that_backs_off),
        T(a_suspend_that_came_to_nothing_is_not_run),
        T(suspend_unsuspend_suspend_are_three),
        T(an_unsuspend_supersedes_a_parked_suspend_and_really_runs),
        T(a_terminate_attempts_what_is_up_while_the_rest_is_down),
        T(an_upgrade_to_no_plan_fails_and_blocks_nothing),
        T(an_upgrade_that_fails_goes_back_to_before),
        T(an_old_sequence_is_superseded),
        T(cancel_undoes_a_create),
        T(a_product_that_is_not_there_is_refused_at_the_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

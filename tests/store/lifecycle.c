/* SPDX-License-Identifier: Apache-2.0 */
/* Claims, fences, order, supersession, parking, signals. Over every store. */
#include "tests/store/harness.h"

static void progress_done(struct fix *f, const struct pv_claimed *k)
{
    struct pv_progress p = finish_of(f, k);
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
}

static void operations_of_a_service_run_in_order(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    const int types[] = {PV_OP_SUSPEND, PV_OP_UPGRADE, PV_OP_UNSUSPEND, PV_OP_RENEW};
    struct pv_id ids[4];
    for (size_t i = 0; i < 4; i++) {
        ids[i] = accept_op(f, "1", types[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            int want = k < i ? PV_OPS_DONE : (k == i ? PV_OPS_READY : PV_OPS_QUEUED);
            assert_int_equal(op_state(f, ids[k]), want);
        }
        struct pv_claim claim;
        struct pv_claimed *k = claim_one(f, &claim, "");
        assert_true(pv_id_eq(k->op, ids[i]));
        struct pv_progress p = finish_of(f, k);
        assert_int_equal(run_progress(f, &p), 0);
        assert_true(i == 3 ? pv_id_is_zero(p.ret_ready) : pv_id_eq(p.ret_ready, ids[i + 1]));
        pv_req_done(&p.req);
        pv_req_done(&claim.req);
    }
    assert_int_equal(stats_of(f).ret_unfinished, 0);
}

static void a_stale_claim_can_write_nothing(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_progress stale = finish_of(f, k);
    struct pv_reserve reserve = reserve_of(f, k, PV_ASK_STATE_SAVE, "");
    reserve.text = PV_STR("{\"stale\":true}");

    struct pv_progress p = progress_of(f, k, PV_NEXT_DEFER);
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(run_progress(f, &stale), PV_EFENCED);
    assert_int_equal(run_reserve(f, &reserve), PV_EFENCED);

    struct pv_claim claim;
    struct pv_claimed *again = claim_one(f, &claim, "lane-a");
    assert_non_null(again);
    assert_true(again->fence > k->fence);
    assert_int_equal(again->tries, k->tries + 1);
    assert_true(pv_str_eq_c(again->cursor, "cursor"));
    pv_req_done(&stale.req);
    assert_int_equal(run_progress(f, &stale), PV_EFENCED);
    assert_int_equal(run_reserve(f, &reserve), PV_EFENCED);
    assert_int_equal(again->doc_count, 0);

    struct pv_progress good = finish_of(f, again);
    assert_int_equal(run_progress(f, &good), 0);
    assert_int_equal(run_progress(f, &good), PV_EFENCED); /* it is over */
    pv_req_done(&good.req);
    pv_req_done(&claim.req);
    pv_req_done(&reserve.req);
    pv_req_done(&stale.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_restart_makes_the_claimed_ready_under_a_new_fence(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_progress p = progress_of(f, k, PV_NEXT_HOLD);
    p.lane = (struct pv_str){NULL, 0};
    p.plan = PV_STR("pinned");
    p.composition = PV_STR("composed");
    p.doc_component = PV_STR("site");
    p.doc = PV_STR("{\"vm\":7}");
    assert_int_equal(run_progress(f, &p), 0);
    uint64_t epoch = f->store->epoch;
    fix_restart(f);
    assert_true(f->store->epoch > epoch);
    assert_int_equal(f->store->unfinished, 1);
    struct pv_progress stale = finish_of(f, k);
    assert_int_equal(run_progress(f, &stale), PV_EFENCED);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, k->op), 0);
    assert_true(get.ret_op.fence > k->fence); /* before anybody claims it again */
    pv_req_done(&get.req);
    struct pv_claim claim;
    struct pv_claimed *again = claim_one(f, &claim, "");
    assert_non_null(again);
    assert_true(again->fence > k->fence);
    assert_int_equal(again->tries, 2);
    assert_true(pv_str_eq_c(again->plan, "pinned"));
    assert_true(pv_str_eq_c(again->composition, "composed"));
    assert_true(pv_str_eq_c(again->cursor, "cursor"));
    assert_int_equal(again->doc_count, 1);
    assert_true(pv_str_eq_c(again->docs[0].component, "site"));
    assert_true(pv_str_eq_c(again->docs[0].json, "{\"vm\":7}"));
    pv_req_done(&claim.req);
    pv_req_done(&stale.req);
    pv_req_done(&p.req);
    one_done(&one);
    assert_int_equal(audit_verify(f), 1);
}

static void lanes_are_claimed_in_time_order(void **state)
{
    struct fix *f = fix_of(state);
    const char *names[] = {"1", "2", "3"};
    struct one ones[3];
    for (size_t i = 0; i < 3; i++) {
        struct pv_progress p =
            progress_of(f, accept_run(f, &ones[i], names[i], PV_OP_CREATE), PV_NEXT_DEFER);
        p.due_ms = f->now_ms + 300 - (int64_t)i * 100;
        p.lane = i == 2 ? PV_STR("lane-b") : PV_STR("lane-a");
        p.wait = PV_WAIT_RETRY;
        assert_int_equal(run_progress(f, &p), 0);
        pv_req_done(&p.req);
    }
    struct pv_lanes lanes = {0};
    pv_req_init(&lanes.req, PV_REQ_LANES, NULL, NULL);
    assert_int_equal(fix_run(f, &lanes.req), 0);
    assert_int_equal(lanes.ret_count, 2);
    assert_true(pv_str_eq_c(lanes.ret_lanes[0].lane, "lane-a"));
    assert_int_equal(lanes.ret_lanes[0].next_due_ms, f->now_ms + 200);
    assert_int_equal(lanes.ret_lanes[1].next_due_ms, f->now_ms + 100);
    pv_req_done(&lanes.req);

    struct pv_claim claim;
    assert_null(claim_one(f, &claim, "lane-a"));
    assert_int_equal(claim.ret_next_due_ms, f->now_ms + 200);
    pv_req_done(&claim.req);
    f->now_ms += 250;
    struct pv_claimed *k = claim_one(f, &claim, "lane-a");
    assert_non_null(k);
    assert_true(pv_id_eq(k->op, ones[1].item.ret_op));
    assert_int_equal(claim.ret_next_due_ms, f->now_ms + 50);
    pv_req_done(&claim.req);
    f->now_ms += 100;
    k = claim_one(f, &claim, "lane-a");
    assert_true(pv_id_eq(k->op, ones[0].item.ret_op));
    assert_true(claim.ret_next_due_ms == PV_NEVER);
    pv_req_done(&claim.req);
    for (size_t i = 0; i < 3; i++) {
        one_done(&ones[i]);
    }
}

static void a_paused_instance_is_a_lane(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_pause pause = {.instance = PV_STR("pdns-1"), .paused = true, .now_ms = f->now_ms};
    pv_req_init(&pause.req, PV_REQ_PAUSE, NULL, NULL);
    pause.audit = (struct pv_audit){.actor = PV_STR("uid:0"), .what = PV_STR("instance.pause")};
    assert_int_equal(fix_run(f, &pause.req), 0);
    fix_restart(f);
    struct pv_lanes lanes = {0};
    pv_req_init(&lanes.req, PV_REQ_LANES, NULL, NULL);
    assert_int_equal(fix_run(f, &lanes.req), 0);
    assert_int_equal(lanes.ret_count, 1);
    assert_true(lanes.ret_lanes[0].paused);
    assert_true(pv_str_eq_c(lanes.ret_lanes[0].lane, "pdns-1"));
    pv_req_done(&lanes.req);
    pause.paused = false;
    assert_int_equal(fix_run(f, &pause.req), 0);
    assert_int_equal(fix_run(f, &lanes.req), 0);
    assert_int_equal(lanes.ret_count, 0);
    pv_req_done(&lanes.req);
    assert_int_equal(audit_verify(f), 2);
}

static void terminate_turns_a_running_create(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_id create = k->op;
    struct one t;
    assert_int_equal(accept_item(f, &t, item_of(f, "1", PV_OP_TERMINATE)), 0);
    assert_int_equal(t.item.ret_op_state, PV_OPS_QUEUED);
    assert_true(pv_id_eq(t.item.ret_poke, create));

    /* Its holder was not told yet when it wanted to wait for ever. */
    struct pv_progress p = progress_of(f, k, PV_NEXT_DEFER);
    p.due_ms = PV_NEVER;
    p.wait = PV_WAIT_SIGNAL;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_claim claim;
    struct pv_claimed *again = claim_one(f, &claim, "lane-a");
    assert_non_null(again);
    assert_int_equal(again->intent, PV_INTENT_SUPERSEDE);

    struct pv_progress end = progress_of(f, again, PV_NEXT_FINISH);
    end.op_state = PV_OPS_SUPERSEDED;
    end.observed = PV_SVC_FAILED;
    end.residue = true;
    assert_int_equal(run_progress(f, &end), 0);
    assert_true(pv_id_eq(end.ret_ready, t.item.ret_op));
    assert_int_equal(op_state(f, create), PV_OPS_SUPERSEDED);
    pv_req_done(&end.req);
    pv_req_done(&claim.req);
    pv_req_done(&p.req);
    one_done(&t);
    one_done(&one);
}

static void a_hold_tells_of_a_new_intent(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    accept_op(f, "1", PV_OP_TERMINATE);
    struct pv_progress p = progress_of(f, k, PV_NEXT_HOLD);
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_intent, PV_INTENT_SUPERSEDE);
    /* It knows now: a wait is a wait. */
    p.intent_seen = PV_INTENT_SUPERSEDE;
    p.next = PV_NEXT_DEFER;
    p.due_ms = f->now_ms + 1000;
    p.wait = PV_WAIT_RETRY;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_claim claim;
    assert_null(claim_one(f, &claim, "lane-a"));
    pv_req_done(&claim.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void terminate_supersedes_creates_that_wait(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_TERMINATE);
    struct pv_id create = accept_op(f, "1", PV_OP_CREATE);
    struct pv_id suspend = accept_op(f, "1", PV_OP_SUSPEND);
    struct one t;
    assert_int_equal(accept_item(f, &t, item_of(f, "1", PV_OP_TERMINATE)), 0);
    assert_int_equal(t.accept.ret_ended_count, 2);
    assert_true(pv_id_eq(t.accept.ret_ended[0].op, create));
    assert_int_equal(t.accept.ret_ended[0].op_state, PV_OPS_SUPERSEDED);
    assert_int_equal(op_state(f, create), PV_OPS_SUPERSEDED);
    assert_int_equal(op_state(f, suspend), PV_OPS_SUPERSEDED);
    /* Behind the first terminate there is nothing left to do for the second. */
    struct pv_progress p = finish_of(f, k);
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_ended_count, 1);
    assert_int_equal(p.ret_ended[0].op_state, PV_OPS_DONE);
    assert_int_equal(op_state(f, t.item.ret_op), PV_OPS_DONE);
    assert_int_equal(stats_of(f).ret_unfinished, 0);
    pv_req_done(&p.req);
    one_done(&t);
    one_done(&one);
}

static void an_adjacent_pair_does_no_work(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_RENEW);
    struct pv_id suspend = accept_op(f, "1", PV_OP_SUSPEND);
    struct pv_id unsuspend = accept_op(f, "1", PV_OP_UNSUSPEND);
    struct pv_id upgrade = accept_op(f, "1", PV_OP_UPGRADE);
    struct pv_progress p = finish_of(f, k);
    p.claim_next = true;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_ended_count, 2);
    assert_int_equal(op_state(f, suspend), PV_OPS_SUPERSEDED);
    assert_int_equal(op_state(f, unsuspend), PV_OPS_SUPERSEDED);
    assert_non_null(p.ret_claimed);
    assert_true(pv_id_eq(p.ret_claimed->op, upgrade));
    progress_done(f, p.ret_claimed);
    pv_req_done(&p.req);
    one_done(&one);
}

static void what_became_illegal_is_canceled_at_start(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_id suspend = accept_op(f, "1", PV_OP_SUSPEND);
    struct pv_progress p = progress_of(f, k, PV_NEXT_FINISH);
    p.op_state = PV_OPS_FAILED;
    p.observed = PV_SVC_FAILED;
    p.reason = PV_STR("the backend said no");
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_ended_count, 1);
    assert_int_equal(op_state(f, suspend), PV_OPS_CANCELED);
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_int_equal(get.ret_service.observed, PV_SVC_FAILED);
    assert_int_equal(get.ret_service.desired, PV_SVC_FAILED);
    pv_req_done(&get.req);
    assert_int_equal(get_op(f, &get, one.item.ret_op), 0);
    assert_true(pv_str_eq_c(get.ret_op.reason, "the backend said no"));
    pv_req_done(&get.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_parked_operation_keeps_its_service(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id parked = park_op(f, PV_OP_SUSPEND);
    struct pv_id renew = accept_op(f, "1", PV_OP_RENEW);
    assert_int_equal(op_state(f, renew), PV_OPS_QUEUED);
    assert_int_equal(stats_of(f).ret_parked, 1);
    fix_restart(f);
    assert_int_equal(op_state(f, parked), PV_OPS_NEEDS_OPERATOR);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, parked), 0);
    assert_true(pv_str_eq_c(get.ret_op.reason, "nobody knows"));
    pv_req_done(&get.req);
}

static void terminate_supersedes_a_parked_operation(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id parked = park_op(f, PV_OP_SUSPEND);
    struct pv_accept_item item = item_of(f, "1", PV_OP_TERMINATE);
    item.claim = true;
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(op_state(f, parked), PV_OPS_SUPERSEDED);
    assert_int_equal(one.accept.ret_ended_count, 1);
    assert_non_null(one.item.ret_claimed);
    assert_true(pv_id_eq(one.item.ret_claimed->op, one.item.ret_op));
    assert_true(one.item.ret_claimed->residue);
    progress_done(f, one.item.ret_claimed);
    one_done(&one);
    assert_int_equal(stats_of(f).ret_unfinished, 0);
}

static void the_opposite_supersedes_a_parked_suspend(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id parked = park_op(f, PV_OP_SUSPEND);
    struct one one;
    assert_int_equal(accept_item(f, &one, item_of(f, "1", PV_OP_UNSUSPEND)), 0);
    assert_int_equal(one.item.ret_op_state, PV_OPS_READY);
    assert_true(pv_id_eq(one.item.ret_poke, one.item.ret_op));
    assert_int_equal(op_state(f, parked), PV_OPS_SUPERSEDED);
    one_done(&one);
}

/* ---- signals ---- */

static int send_signal(struct fix *f, struct pv_signal *s, struct pv_id op, const char *name)
{
    *s = (struct pv_signal){
        .op = op, .name = pv_str(name), .body = PV_STR("{\"ok\":1}"), .now_ms = f->now_ms};
    pv_req_init(&s->req, PV_REQ_SIGNAL, NULL, NULL);
    return fix_run(f, &s->req);
}

static void a_signal_wakes_what_waits_for_it(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_progress p = progress_of(f, k, PV_NEXT_DEFER);
    p.due_ms = PV_NEVER;
    p.wait = PV_WAIT_SIGNAL;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_claim claim;
    assert_null(claim_one(f, &claim, "lane-a"));
    pv_req_done(&claim.req);
    struct pv_signal s;
    assert_int_equal(send_signal(f, &s, k->op, "ready"), 0);
    assert_true(s.ret_ready);
    assert_true(pv_str_eq_c(s.ret_lane, "lane-a"));
    pv_req_done(&s.req);
    struct pv_claimed *again = claim_one(f, &claim, "lane-a");
    assert_non_null(again);
    assert_int_equal(again->signal_count, 1);
    assert_true(pv_str_eq_c(again->signals[0].name, "ready"));
    assert_true(pv_str_eq_c(again->signals[0].body, "{\"ok\":1}"));
    progress_done(f, again);
    assert_int_equal(send_signal(f, &s, k->op, "late"), PV_ECONFLICT);
    pv_req_done(&s.req);
    assert_int_equal(send_signal(f, &s, fix_id(f), "lost"), PV_ENOTFOUND);
    pv_req_done(&s.req);
    pv_req_done(&claim.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_signal_that_comes_early_is_not_slept_through(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_signal s;
    assert_int_equal(send_signal(f, &s, k->op, "ready"), 0);
    assert_false(s.ret_ready);
    pv_req_done(&s.req);
    struct pv_progress p = progress_of(f, k, PV_NEXT_DEFER);
    p.due_ms = PV_NEVER;
    p.wait = PV_WAIT_SIGNAL;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_claim claim;
    struct pv_claimed *again = claim_one(f, &claim, "lane-a");
    assert_non_null(again);
    assert_int_equal(again->signal_count, 1);
    pv_req_done(&claim.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_signal_for_a_queued_operation_is_kept(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_RENEW);
    struct pv_id upgrade = accept_op(f, "1", PV_OP_UPGRADE);
    struct pv_signal s;
    assert_int_equal(send_signal(f, &s, upgrade, "early"), 0);
    pv_req_done(&s.req);
    s = (struct pv_signal){.op = upgrade, .source = PV_STR("other"), .name = PV_STR("x")};
    pv_req_init(&s.req, PV_REQ_SIGNAL, NULL, NULL);
    assert_int_equal(fix_run(f, &s.req), PV_ENOTFOUND);
    pv_req_done(&s.req);
    struct pv_progress p = finish_of(f, k);
    p.claim_next = true;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_claimed->signal_count, 1);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_create_after_terminate_is_the_next_generation(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    char first[PV_REF_TEXT];
    assert_int_equal(pv_str_to_c(get.ret_service.ref, first, sizeof(first)), 0);
    pv_req_done(&get.req);
    struct one one;
    progress_done(f, accept_run(f, &one, "1", PV_OP_TERMINATE));
    one_done(&one);
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    assert_int_equal(k->generation, 2);
    assert_int_equal(k->attrs.len, 0);
    assert_int_equal(k->composition.len, 0);
    one_done(&one);
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_false(pv_str_eq_c(get.ret_service.ref, first));
    pv_req_done(&get.req);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(operations_of_a_service_run_in_order),
        BOTH(a_stale_claim_can_write_nothing),
        BOTH(a_restart_makes_the_claimed_ready_under_a_new_fence),
        BOTH(lanes_are_claimed_in_time_order),
        BOTH(a_paused_instance_is_a_lane),
        BOTH(terminate_turns_a_running_create),
        BOTH(a_hold_tells_of_a_new_intent),
        BOTH(terminate_supersedes_creates_that_wait),
        BOTH(an_adjacent_pair_does_no_work),
        BOTH(what_became_illegal_is_canceled_at_start),
        BOTH(a_parked_operation_keeps_its_service),
        BOTH(terminate_supersedes_a_parked_operation),
        BOTH(the_opposite_supersedes_a_parked_suspend),
        BOTH(a_signal_wakes_what_waits_for_it),
        BOTH(a_signal_that_comes_early_is_not_slept_through),
        BOTH(a_signal_for_a_queued_operation_is_kept),
        BOTH(a_create_after_terminate_is_the_next_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What operators and callers do to operations: retry, cancel, abandon. Over every store. */
#include "tests/store/harness.h"

#include "core/engine/cursor.h"

static void progress_done(struct fix *f, const struct pv_claimed *k)
{
    struct pv_progress p = finish_of(f, k);
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
}

static void an_operator_retries_what_is_parked(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id parked = park_op(f, PV_OP_SUSPEND);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, parked, PV_VERB_RETRY), 0);
    assert_true(in.ret_ready);
    assert_true(pv_id_eq(in.ret_ready_op, parked));
    assert_true(pv_str_eq_c(in.ret_lane, "lane-a"));
    pv_req_done(&in.req);
    struct pv_claim claim;
    struct pv_claimed *k = claim_one(f, &claim, "lane-a");
    assert_non_null(k);
    assert_int_equal(k->tries, 1);
    assert_int_equal(k->deadline_ms, f->now_ms + 1000);
    progress_done(f, k);
    pv_req_done(&claim.req);
    assert_int_equal(intervene(f, &in, parked, PV_VERB_RETRY), PV_ECONFLICT);
    assert_true(in.req.err.text[0] != '\0');
    pv_req_done(&in.req);
    assert_int_equal(intervene(f, &in, fix_id(f), PV_VERB_RETRY), PV_ENOTFOUND);
    pv_req_done(&in.req);
}

static void an_operator_abandons_and_the_next_one_starts(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id parked = park_op(f, PV_OP_UPGRADE);
    struct pv_id renew = accept_op(f, "1", PV_OP_RENEW);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, parked, PV_VERB_ABANDON), 0);
    assert_int_equal(in.ret_op_state, PV_OPS_ABANDONED);
    assert_int_equal(in.ret_ended_count, 1);
    assert_true(pv_id_eq(in.ret_ready_op, renew));
    pv_req_done(&in.req);
    assert_int_equal(op_state(f, renew), PV_OPS_READY);
    assert_int_equal(op_state(f, parked), PV_OPS_ABANDONED);
}

static void a_queued_operation_is_canceled(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_RENEW);
    struct pv_id suspend = accept_op(f, "1", PV_OP_SUSPEND);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, suspend, PV_VERB_CANCEL), 0);
    assert_int_equal(op_state(f, suspend), PV_OPS_CANCELED);
    pv_req_done(&in.req);
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_int_equal(get.ret_service.desired, PV_SVC_ACTIVE);
    assert_int_equal(get.ret_service.waiting, 0);
    pv_req_done(&get.req);
    progress_done(f, k);
    one_done(&one);
}

static void a_running_create_gets_an_intent(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, k->op, PV_VERB_CANCEL), 0);
    assert_true(in.ret_poke);
    assert_int_equal(in.ret_op_state, PV_OPS_RUNNING);
    pv_req_done(&in.req);
    struct pv_progress p = progress_of(f, k, PV_NEXT_HOLD);
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(p.ret_intent, PV_INTENT_CANCEL);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_failed_create_is_retried_as_the_active_one(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_cursor cursor;
    pv_cursor_init(&cursor, 2);
    struct pv_buf bytes;
    pv_buf_init(&bytes, 4096);
    assert_int_equal(pv_cursor_encode(&cursor, &bytes), 0);
    struct pv_step_row row = {.component = PV_STR("site"), .step = PV_STR("a")};
    struct pv_progress p = progress_of(f, k, PV_NEXT_FINISH);
    p.cursor = pv_buf_view(&bytes);
    p.row = &row;
    p.op_state = PV_OPS_FAILED;
    p.observed = PV_SVC_FAILED;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, one.item.ret_op, PV_VERB_RETRY), 0);
    assert_true(in.ret_ready);
    pv_req_done(&in.req);
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_int_equal(get.ret_service.observed, PV_SVC_PENDING);
    assert_int_equal(get.ret_service.desired, PV_SVC_ACTIVE);
    assert_true(pv_id_eq(get.ret_service.active_op, one.item.ret_op));
    pv_req_done(&get.req);
    struct pv_claim claim;
    struct pv_claimed *again = claim_one(f, &claim, "lane-a");
    if (!again) {
        pv_req_done(&claim.req);
        again = claim_one(f, &claim, "");
    }
    assert_non_null(again);
    p = progress_of(f, again, PV_NEXT_HOLD);
    p.row = &row;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(get_op(f, &get, again->op), 0);
    assert_int_equal(get.ret_step_count, 2);
    assert_int_equal(get.ret_steps[1].seq, 2);
    pv_req_done(&get.req);
    pv_req_done(&p.req);
    pv_req_done(&claim.req);
    pv_buf_done(&bytes);
    one_done(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_operator_retries_what_is_parked),
        BOTH(an_operator_abandons_and_the_next_one_starts),
        BOTH(a_queued_operation_is_canceled),
        BOTH(a_running_create_gets_an_intent),
        BOTH(a_failed_create_is_retried_as_the_active_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

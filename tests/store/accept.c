/* SPDX-License-Identifier: Apache-2.0 */
/* accept: dedupe, arrays, sequences, joins, quotas, what it refuses. Over every store. */
#include "tests/store/harness.h"

#include <stdio.h>

static void same_event_is_one_operation(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item_event(&item, "evt-1");
    struct one first;
    assert_int_equal(accept_item(f, &first, item), 0);
    assert_int_equal(first.item.verdict, PV_ACCEPTED);
    assert_int_equal(first.item.ret_op_state, PV_OPS_READY);

    item.op = fix_id(f);
    struct one again;
    assert_int_equal(accept_item(f, &again, item), 0);
    assert_int_equal(again.item.verdict, PV_DUPLICATE);
    assert_true(pv_id_eq(again.item.ret_op, first.item.ret_op));
    assert_int_equal(again.item.ret_op_state, PV_OPS_READY);
    one_done(&again);

    item.op = fix_id(f);
    item.canonical = PV_STR("{\"canonical\":2}");
    assert_int_equal(accept_item(f, &again, item), PV_ECONFLICT);
    assert_int_equal(again.item.verdict, PV_BODY_DIFFERS);
    assert_true(pv_id_eq(again.item.ret_op, first.item.ret_op));
    one_done(&again);
    one_done(&first);
    assert_int_equal(stats_of(f).ret_unfinished, 1);
}

static void a_duplicate_is_known_after_a_restart_and_after_the_end(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item_event(&item, "evt-1");
    item.claim = true;
    struct one first;
    assert_int_equal(accept_item(f, &first, item), 0);
    struct pv_progress p = finish_of(f, first.item.ret_claimed);
    assert_int_equal(run_progress(f, &p), 0);
    one_done(&first);
    fix_restart(f);
    struct one again;
    assert_int_equal(accept_item(f, &again, item), 0);
    assert_int_equal(again.item.verdict, PV_DUPLICATE);
    assert_int_equal(again.item.ret_op_state, PV_OPS_DONE);
    assert_null(again.item.ret_claimed);
    one_done(&again);
}

static void array_run(struct fix *f, struct pv_accept *accept, struct pv_accept_item *items,
                      size_t count, int want)
{
    *accept = (struct pv_accept){.items = items, .count = count, .now_ms = f->now_ms};
    pv_req_init(&accept->req, PV_REQ_ACCEPT, NULL, NULL);
    accept->epoch = f->store->epoch;
    assert_int_equal(fix_run(f, &accept->req), want);
}

static void an_array_is_taken_whole_or_not_at_all(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item items[4] = {
        item_of(f, "1", PV_OP_CREATE), item_of(f, "2", PV_OP_SUSPEND), /* illegal */
        item_of(f, "3", PV_OP_CREATE), item_of(f, "3", PV_OP_CREATE),  /* illegal behind the one
                                                                          before */
    };
    item_event(&items[0], "a");
    struct pv_accept accept;
    array_run(f, &accept, items, 4, PV_ECONFLICT);
    assert_int_equal(items[0].verdict, PV_NOT_JUDGED);
    assert_int_equal(items[1].verdict, PV_ILLEGAL);
    assert_int_equal(items[2].verdict, PV_NOT_JUDGED);
    assert_int_equal(items[3].verdict, PV_ILLEGAL);
    assert_int_equal(items[3].ret_state, PV_SVC_ACTIVE);
    pv_req_done(&accept.req);
    struct pv_stats stats = stats_of(f);
    assert_int_equal(stats.ret_unfinished, 0);
    assert_int_equal(stats.ret_services, 0);
    assert_int_equal(audit_verify(f), 0);
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), PV_ENOTFOUND);
    pv_req_done(&get.req);

    /* The same id again: it was never accepted, so this is no duplicate. */
    struct pv_accept_item good[3] = {
        item_of(f, "1", PV_OP_CREATE),
        item_of(f, "1", PV_OP_SUSPEND),
        item_of(f, "1", PV_OP_CREATE),
    };
    item_event(&good[0], "a");
    item_event(&good[2], "a");
    array_run(f, &accept, good, 3, 0);
    assert_int_equal(good[0].verdict, PV_ACCEPTED);
    assert_int_equal(good[1].verdict, PV_ACCEPTED);
    assert_int_equal(good[1].ret_op_state, PV_OPS_QUEUED);
    assert_int_equal(good[2].verdict, PV_DUPLICATE);
    assert_true(pv_id_eq(good[2].ret_op, good[0].ret_op));
    pv_req_done(&accept.req);
    stats = stats_of(f);
    assert_int_equal(stats.ret_ready, 1);
    assert_int_equal(stats.ret_queued, 1);
    assert_int_equal(audit_verify(f), 2);
}

static void a_sequence_is_a_version(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_accept_item item = item_of(f, "1", PV_OP_UPGRADE);
    item.has_sequence = true;
    item.sequence = 10;
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.ret_op_state, PV_OPS_READY);
    one_done(&one);
    item = item_of(f, "1", PV_OP_SUSPEND);
    item.has_sequence = true;
    item.sequence = 9;
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.verdict, PV_ACCEPTED);
    assert_int_equal(one.item.ret_op_state, PV_OPS_SUPERSEDED);
    assert_int_equal(op_state(f, one.item.ret_op), PV_OPS_SUPERSEDED);
    one_done(&one);
    item = item_of(f, "1", PV_OP_SUSPEND);
    item.has_sequence = true;
    item.sequence = 30; /* gaps are allowed */
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.ret_op_state, PV_OPS_QUEUED);
    one_done(&one);
}

static void a_noop_is_done_at_once(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    struct pv_accept_item item = item_of(f, "1", PV_OP_UNSUSPEND);
    item.claim = true;
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.ret_op_state, PV_OPS_DONE);
    assert_null(one.item.ret_claimed);
    assert_int_equal(op_state(f, one.item.ret_op), PV_OPS_DONE);
    one_done(&one);
    assert_int_equal(stats_of(f).ret_unfinished, 0);
}

static void illegal_moves_write_nothing(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    assert_int_equal(accept_item(f, &one, item_of(f, "1", PV_OP_SUSPEND)), PV_ECONFLICT);
    assert_int_equal(one.item.verdict, PV_ILLEGAL);
    assert_int_equal(one.item.ret_state, PV_SVC_NONE);
    one_done(&one);
    assert_int_equal(accept_item(f, &one, item_of(f, "1", PV_OP_ACTION)), PV_ECONFLICT);
    assert_int_equal(one.item.verdict, PV_NO_SERVICE);
    one_done(&one);
    assert_int_equal(stats_of(f).ret_services, 0);
    assert_int_equal(audit_verify(f), 0);
}

static void an_equal_call_joins_the_newest_unfinished(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item.join = true;
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    struct pv_id create = one.item.ret_op;
    one_done(&one);
    item.op = fix_id(f);
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.verdict, PV_DUPLICATE);
    assert_true(pv_id_eq(one.item.ret_op, create));
    one_done(&one);

    /* suspend, unsuspend, suspend are three operations; a repeat of the last joins it. */
    struct pv_claim claim;
    struct pv_progress p = finish_of(f, claim_one(f, &claim, ""));
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    pv_req_done(&claim.req);
    const int types[] = {PV_OP_SUSPEND, PV_OP_UNSUSPEND, PV_OP_SUSPEND, PV_OP_SUSPEND};
    struct pv_id ids[4];
    for (size_t i = 0; i < 4; i++) {
        item = item_of(f, "1", types[i]);
        item.join = true;
        assert_int_equal(accept_item(f, &one, item), 0);
        assert_int_equal(one.item.verdict, i == 3 ? PV_DUPLICATE : PV_ACCEPTED);
        ids[i] = one.item.ret_op;
        one_done(&one);
    }
    assert_false(pv_id_eq(ids[0], ids[2]));
    assert_true(pv_id_eq(ids[2], ids[3]));
}

static void an_equal_create_of_an_active_service_joins(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item.join = true;
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    assert_int_equal(one.item.verdict, PV_DUPLICATE);
    assert_int_equal(one.item.ret_op_state, PV_OPS_DONE);
    one_done(&one);
    item.canonical = PV_STR("{\"other\":true}");
    assert_int_equal(accept_item(f, &one, item), PV_ECONFLICT);
    assert_int_equal(one.item.verdict, PV_ILLEGAL);
    one_done(&one);
}

static struct pv_accept_item action_of(struct fix *f, int64_t delta)
{
    struct pv_accept_item item = item_of(f, "1", PV_OP_ACTION);
    item.claim = true;
    item.quota = (struct pv_quota_ask){PV_STR("zones"), delta, 2};
    return item;
}

static int64_t used_of(struct fix *f)
{
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    int64_t used = get.ret_quota_count ? get.ret_quotas[0].used : 0;
    pv_req_done(&get.req);
    return used;
}

static void an_action_reserves_its_quota(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct one one;
    assert_int_equal(accept_item(f, &one, action_of(f, 1)), 0);
    assert_int_equal(used_of(f), 1);
    struct pv_claimed *k = one.item.ret_claimed;
    struct pv_reserve r = reserve_of(f, k, PV_ASK_QUOTA_TAKE, "zones");
    r.number = 1;
    r.limit = 2;
    assert_int_equal(run_reserve(f, &r), 0);
    assert_int_equal(r.ret_number, 1); /* confirmed, not taken twice */
    assert_int_equal(run_reserve(f, &r), 0);
    assert_int_equal(used_of(f), 1);
    pv_req_done(&r.req);

    struct one second;
    assert_int_equal(accept_item(f, &second, action_of(f, 1)), 0);
    assert_int_equal(used_of(f), 2);
    one_done(&second);
    struct one third;
    assert_int_equal(accept_item(f, &third, action_of(f, 1)), PV_ECONFLICT);
    assert_int_equal(third.item.verdict, PV_QUOTA);
    assert_int_equal(third.item.ret_used, 2);
    one_done(&third);

    struct pv_progress p = finish_of(f, k);
    p.observed = PV_SVC_ACTIVE;
    p.claim_next = true;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(used_of(f), 2);
    /* The second one fails without having used it: what accept reserved comes back. */
    struct pv_progress q = finish_of(f, p.ret_claimed);
    q.op_state = PV_OPS_FAILED;
    q.observed = PV_SVC_ACTIVE;
    assert_int_equal(run_progress(f, &q), 0);
    assert_int_equal(used_of(f), 1);
    pv_req_done(&q.req);
    pv_req_done(&p.req);
    one_done(&one);

    /* What an action gives back counts once it is done. */
    assert_int_equal(accept_item(f, &one, action_of(f, -1)), 0);
    assert_int_equal(used_of(f), 1);
    p = finish_of(f, one.item.ret_claimed);
    p.observed = PV_SVC_ACTIVE;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(used_of(f), 0);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_claimed_create_brings_everything(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item.claim = true;
    item.plan = PV_STR("the plan");
    item.composition = PV_STR("the composition");
    item.lane = PV_STR("lane-a");
    item.deadline_ms = f->now_ms + 5;
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    struct pv_claimed *k = one.item.ret_claimed;
    assert_non_null(k);
    assert_int_equal(k->type, PV_OP_CREATE);
    assert_int_equal(k->observed, PV_SVC_PENDING);
    assert_int_equal(k->generation, 1);
    assert_int_equal(k->tries, 1);
    assert_int_equal(k->deadline_ms, f->now_ms + 5);
    assert_true(pv_str_eq_c(k->plan, "the plan"));
    assert_true(pv_str_eq_c(k->composition, "the composition"));
    assert_true(pv_str_eq_c(k->product, "web"));
    assert_true(pv_str_eq_c(k->plan_name, "basic"));
    assert_true(pv_str_eq(k->body, item.body));
    assert_int_equal(k->attrs.len, 0);
    one_done(&one);
}

static void a_claim_of_another_epoch_is_left_ready(void **state)
{
    struct fix *f = fix_of(state);
    struct one one = {.item = item_of(f, "1", PV_OP_CREATE)};
    one.item.claim = true;
    pv_req_init(&one.accept.req, PV_REQ_ACCEPT, NULL, NULL);
    one.accept.items = &one.item;
    one.accept.count = 1;
    one.accept.now_ms = f->now_ms;
    one.accept.epoch = f->store->epoch + 1;
    assert_int_equal(fix_run(f, &one.accept.req), 0);
    assert_null(one.item.ret_claimed);
    assert_int_equal(one.item.ret_op_state, PV_OPS_READY);
    one_done(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(same_event_is_one_operation),
        BOTH(a_duplicate_is_known_after_a_restart_and_after_the_end),
        BOTH(an_array_is_taken_whole_or_not_at_all),
        BOTH(a_sequence_is_a_version),
        BOTH(a_noop_is_done_at_once),
        BOTH(illegal_moves_write_nothing),
        BOTH(an_equal_call_joins_the_newest_unfinished),
        BOTH(an_equal_create_of_an_active_service_joins),
        BOTH(an_action_reserves_its_quota),
        BOTH(a_claimed_create_brings_everything),
        BOTH(a_claim_of_another_epoch_is_left_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

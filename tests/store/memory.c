/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation n fails, for every n: each request is then refused whole, and the next attempt works
 * as if nothing had been tried. */
#include "tests/store/harness.h"

#include "core/base/alloc.h"

/* Runs `prepare` on a fresh store, then `attempt` with allocation n failing, n = 1, 2, … until it
 * succeeds; after each failure the numbers must be what they were. */
static void torture(void (*prepare)(struct fix *f), int (*attempt)(struct fix *f))
{
    for (unsigned long n = 1; n < 3000; n++) {
        struct fix f;
        fix_open(&f, STORE_MEM);
        prepare(&f);
        struct pv_stats before = stats_of(&f);
        uint64_t records = audit_verify(&f);
        pv_alloc_fail_at(n, 0);
        int status = attempt(&f);
        pv_alloc_fail_at(0, 0);
        if (status) {
            assert_int_equal(status, PV_ENOMEM);
            struct pv_stats after = stats_of(&f);
            assert_int_equal(after.ret_ready, before.ret_ready);
            assert_int_equal(after.ret_parked, before.ret_parked);
            assert_int_equal(after.ret_queued, before.ret_queued);
            assert_int_equal(after.ret_unfinished, before.ret_unfinished);
            assert_int_equal(after.ret_services, before.ret_services);
            assert_int_equal(audit_verify(&f), records);
            assert_int_equal(attempt(&f), 0);
        }
        assert_true(audit_verify(&f) >= records);
        fix_close(&f);
        if (!status) {
            assert_true(n > 1);
            return;
        }
    }
    fail_msg("it never succeeded");
}

static void nothing(struct fix *f)
{
    (void)f;
}

static int accept_create(struct fix *f)
{
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item_event(&item, "evt");
    item.claim = true;
    item.plan = PV_STR("plan");
    item.composition = PV_STR("composition");
    struct one one;
    int status = accept_item(f, &one, item);
    one_done(&one);
    return status;
}

static void accepting(void **state)
{
    (void)state;
    torture(nothing, accept_create);
}

static int accept_array(struct fix *f)
{
    struct pv_accept_item items[3] = {item_of(f, "1", PV_OP_CREATE), item_of(f, "1", PV_OP_RENEW),
                                      item_of(f, "2", PV_OP_CREATE)};
    struct pv_accept accept = {.items = items, .count = 3, .now_ms = f->now_ms};
    pv_req_init(&accept.req, PV_REQ_ACCEPT, NULL, NULL);
    int status = fix_run(f, &accept.req);
    pv_req_done(&accept.req);
    return status;
}

static void accepting_an_array(void **state)
{
    (void)state;
    torture(nothing, accept_array);
}

static void active_with_queue(struct fix *f)
{
    make_active(f, "1");
    accept_op(f, "1", PV_OP_RENEW);
    accept_op(f, "1", PV_OP_SUSPEND);
    accept_op(f, "1", PV_OP_UNSUSPEND);
    accept_op(f, "1", PV_OP_UPGRADE);
}

static int claim_it(struct fix *f)
{
    struct pv_claim claim = {.limit = 5, .now_ms = f->now_ms};
    pv_req_init(&claim.req, PV_REQ_CLAIM, NULL, NULL);
    claim.lane = PV_STR("");
    claim.epoch = f->store->epoch;
    int status = fix_run(f, &claim.req);
    assert_true(status || claim.ret_count == 1);
    pv_req_done(&claim.req);
    return status;
}

static void claiming(void **state)
{
    (void)state;
    torture(active_with_queue, claim_it);
}

/* Lives across prepare and attempt. */
static struct one held;

static void hold_and_queue(struct fix *f)
{
    make_active(f, "1");
    accept_run(f, &held, "1", PV_OP_RENEW);
    accept_op(f, "1", PV_OP_SUSPEND);
    accept_op(f, "1", PV_OP_UNSUSPEND);
    accept_op(f, "1", PV_OP_UPGRADE);
}

static int finish_it(struct fix *f)
{
    struct pv_step_row row = {.component = PV_STR("site"), .step = PV_STR("a")};
    struct pv_progress p = finish_of(f, held.item.ret_claimed);
    p.row = &row;
    p.audit = (struct pv_audit){.actor = PV_STR("engine"), .what = PV_STR("operation.done")};
    p.doc_component = PV_STR("site");
    p.doc = PV_STR("{}");
    p.attrs = PV_STR("{}");
    p.claim_next = true;
    int status = run_progress(f, &p);
    pv_req_done(&p.req);
    if (!status) {
        one_done(&held);
    }
    return status;
}

static void finishing(void **state)
{
    (void)state;
    torture(hold_and_queue, finish_it);
}

static int fail_it(struct fix *f)
{
    struct pv_progress p = progress_of(f, held.item.ret_claimed, PV_NEXT_FINISH);
    p.op_state = PV_OPS_FAILED;
    p.observed = PV_SVC_FAILED;
    p.release = true;
    p.release_run = 1;
    int status = run_progress(f, &p);
    pv_req_done(&p.req);
    if (!status) {
        one_done(&held);
    }
    return status;
}

static void hold_with_grants(struct fix *f)
{
    accept_run(f, &held, "1", PV_OP_CREATE);
    const int kinds[] = {PV_ASK_POOL_TAKE, PV_ASK_QUOTA_TAKE, PV_ASK_SECRET_NEW, PV_ASK_KV_PUT};
    for (size_t i = 0; i < PV_COUNT(kinds); i++) {
        struct pv_reserve r = reserve_of(f, held.item.ret_claimed, kinds[i], "name");
        r.pool = PV_STR("pool");
        r.range = (struct pv_pool_range){1, 9, 10};
        r.number = kinds[i] == PV_ASK_KV_PUT ? 0 : 1;
        r.text = PV_STR("text");
        assert_int_equal(run_reserve(f, &r), 0);
        pv_req_done(&r.req);
    }
}

static void failing_with_everything_given_back(void **state)
{
    (void)state;
    torture(hold_with_grants, fail_it);
}

static int reserve_all(struct fix *f)
{
    const int kinds[] = {PV_ASK_POOL_TAKE,  PV_ASK_QUOTA_TAKE, PV_ASK_SECRET_NEW,
                         PV_ASK_STATE_SAVE, PV_ASK_KV_PUT,     PV_ASK_KV_GET};
    for (size_t i = 0; i < PV_COUNT(kinds); i++) {
        struct pv_reserve r = reserve_of(f, held.item.ret_claimed, kinds[i], "name");
        r.pool = PV_STR("pool");
        r.range = (struct pv_pool_range){1, 9, 10};
        r.number = kinds[i] == PV_ASK_QUOTA_TAKE ? 1 : 0;
        r.text = PV_STR("text");
        int status = run_reserve(f, &r);
        pv_req_done(&r.req);
        if (status) {
            return status;
        }
    }
    one_done(&held);
    return 0;
}

static void hold_one(struct fix *f)
{
    accept_run(f, &held, "1", PV_OP_CREATE);
}

static void reserving(void **state)
{
    (void)state;
    torture(hold_one, reserve_all);
}

static struct pv_id parked;

static void park_one(struct fix *f)
{
    make_active(f, "1");
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_UPGRADE);
    parked = k->op;
    struct pv_progress p = progress_of(f, k, PV_NEXT_PARK);
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    accept_op(f, "1", PV_OP_RENEW);
    one_done(&one);
}

static int abandon_it(struct fix *f)
{
    struct pv_intervene in;
    int status = intervene(f, &in, parked, PV_VERB_ABANDON);
    pv_req_done(&in.req);
    return status;
}

static void intervening(void **state)
{
    (void)state;
    torture(park_one, abandon_it);
}

static int read_all(struct fix *f)
{
    struct pv_get get;
    int status = get_op(f, &get, parked);
    pv_req_done(&get.req);
    if (!status) {
        status = get_service(f, &get, "1");
        pv_req_done(&get.req);
    }
    for (int what = PV_LIST_SERVICES; !status && what <= PV_LIST_TOKENS; what++) {
        struct pv_list_req list = {.what = (enum pv_list_what)what, .state = -1, .limit = 10};
        pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
        status = fix_run(f, &list.req);
        pv_req_done(&list.req);
    }
    return status;
}

static void reading(void **state)
{
    (void)state;
    torture(park_one, read_all);
}

static void a_store_that_is_down_changes_nothing(void **state)
{
    struct fix *f = fix_of(state);
    pv_mem_store_fail(f->store, PV_ENOSPACE);
    struct one one;
    assert_int_equal(accept_item(f, &one, item_of(f, "1", PV_OP_CREATE)), PV_ENOSPACE);
    one_done(&one);
    pv_mem_store_fail(f->store, 0);
    assert_int_equal(stats_of(f).ret_unfinished, 0);
    accept_op(f, "1", PV_OP_CREATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting),
        cmocka_unit_test(accepting_an_array),
        cmocka_unit_test(claiming),
        cmocka_unit_test(finishing),
        cmocka_unit_test(failing_with_everything_given_back),
        cmocka_unit_test(reserving),
        cmocka_unit_test(intervening),
        cmocka_unit_test(reading),
        cmocka_unit_test_setup_teardown(a_store_that_is_down_changes_nothing, setup_mem,
                                        teardown_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

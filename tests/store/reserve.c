/* SPDX-License-Identifier: Apache-2.0 */
/* What steps reserve: kv, pools, quotas, secrets, state documents; and how it goes back. Over every
 * store. */
#include "tests/store/harness.h"

/* A step that runs; released by end_step. */
struct step {
    struct one one;
    struct pv_claimed *k;
};

static void begin_step(struct fix *f, struct step *s, const char *external_id)
{
    s->k = accept_run(f, &s->one, external_id, PV_OP_CREATE);
}

static void end_step(struct step *s)
{
    one_done(&s->one);
}

static int put(struct fix *f, struct step *s, int scope, const char *key, const char *value,
               uint64_t expected, uint64_t *ret_version)
{
    struct pv_reserve r = reserve_of(f, s->k, PV_ASK_KV_PUT, key);
    r.scope = scope;
    r.text = value ? pv_str(value) : (struct pv_str){NULL, 0};
    r.erase = value == NULL;
    r.number = expected;
    int status = run_reserve(f, &r);
    *ret_version = r.ret_number;
    pv_req_done(&r.req);
    return status;
}

static int get(struct fix *f, struct step *s, int scope, const char *key, const char *want,
               uint64_t want_version)
{
    struct pv_reserve r = reserve_of(f, s->k, PV_ASK_KV_GET, key);
    r.scope = scope;
    int status = run_reserve(f, &r);
    if (!status) {
        assert_true(pv_str_eq_c(r.ret_value, want));
        assert_int_equal(r.ret_number, want_version);
    }
    pv_req_done(&r.req);
    return status;
}

static int query_get(struct fix *f, struct pv_reserve question, const char *want)
{
    struct pv_reserve r = question;
    pv_req_init(&r.req, PV_REQ_RESERVE, NULL, NULL);
    int status = run_reserve(f, &r);
    if (!status) {
        assert_true(pv_str_eq_c(r.ret_value, want));
    }
    pv_req_done(&r.req);
    return status;
}

static void kv_compares_and_sets(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    struct step b;
    begin_step(f, &a, "1");
    begin_step(f, &b, "2");
    uint64_t version = 0;
    assert_int_equal(get(f, &a, 1, "zone", "", 0), PV_ENOTFOUND);
    assert_int_equal(put(f, &a, 1, "zone", "\"a\"", 0, &version), 0);
    assert_int_equal(version, 1);
    /* The same writer again: the same version. Another writer: a conflict. */
    assert_int_equal(put(f, &a, 1, "zone", "\"a\"", 0, &version), 0);
    assert_int_equal(version, 1);
    assert_int_equal(put(f, &b, 1, "zone", "\"b\"", 0, &version), PV_ECONFLICT);
    assert_int_equal(get(f, &b, 1, "zone", "\"a\"", 1), 0);
    assert_int_equal(put(f, &b, 1, "zone", "\"b\"", 1, &version), 0);
    assert_int_equal(version, 2);
    assert_int_equal(put(f, &a, 1, "zone", "\"a\"", 1, &version), PV_ECONFLICT);
    /* Deleted and made again: versions do not repeat. */
    assert_int_equal(put(f, &b, 1, "zone", NULL, 2, &version), 0);
    assert_int_equal(get(f, &b, 1, "zone", "", 0), PV_ENOTFOUND);
    assert_int_equal(put(f, &a, 1, "zone", "\"c\"", 0, &version), 0);
    assert_int_equal(version, 4);
    /* A service's own keys are its own. */
    assert_int_equal(put(f, &a, 0, "zone", "\"mine\"", 0, &version), 0);
    assert_int_equal(get(f, &b, 0, "zone", "", 0), PV_ENOTFOUND);
    assert_int_equal(get(f, &a, 0, "zone", "\"mine\"", 1), 0);
    /* A query reads without an operation: keys of the instance, and of a service that it names. */
    struct pv_reserve q = {.kind = PV_ASK_KV_GET, .scope = 1, .name = PV_STR("zone")};
    struct pv_reserve of_step = reserve_of(f, a.k, PV_ASK_KV_GET, "zone");
    q.instance = of_step.instance;
    q.component = of_step.component;
    pv_req_done(&of_step.req);
    assert_int_equal(query_get(f, q, "\"c\""), 0);
    q.scope = 0;
    assert_int_equal(query_get(f, q, ""), PV_ENOTFOUND);
    q.service = a.k->service;
    assert_int_equal(query_get(f, q, "\"mine\""), 0);
    q.service = b.k->service;
    assert_int_equal(query_get(f, q, ""), PV_ENOTFOUND);
    q.kind = PV_ASK_KV_PUT;
    assert_int_equal(query_get(f, q, ""), PV_EFENCED);
    /* Both are there after a restart. */
    fix_restart(f);
    q.kind = PV_ASK_KV_GET;
    q.service = a.k->service;
    assert_int_equal(query_get(f, q, "\"mine\""), 0);
    q.scope = 1;
    assert_int_equal(query_get(f, q, "\"c\""), 0);
    end_step(&b);
    end_step(&a);
}

static void values_have_a_limit(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    static char big[64 * 1024 + 2];
    for (size_t i = 0; i + 1 < sizeof(big); i++) {
        big[i] = 'x';
    }
    uint64_t version = 0;
    assert_int_equal(put(f, &a, 0, "key", big, 0, &version), PV_ETOOBIG);
    struct pv_reserve r = reserve_of(f, a.k, PV_ASK_STATE_SAVE, "");
    r.text = pv_str(big);
    assert_int_equal(run_reserve(f, &r), PV_ETOOBIG);
    r.text.len = 64 * 1024;
    assert_int_equal(run_reserve(f, &r), 0);
    pv_req_done(&r.req);
    r = reserve_of(f, a.k, PV_ASK_KV_GET, big);
    assert_int_equal(run_reserve(f, &r), PV_ETOOBIG);
    pv_req_done(&r.req);
    struct pv_progress p = progress_of(f, a.k, PV_NEXT_HOLD);
    p.doc_component = PV_STR("site");
    p.doc = pv_str(big);
    assert_int_equal(run_progress(f, &p), PV_ETOOBIG);
    pv_req_done(&p.req);
    end_step(&a);
}

static struct pv_reserve pool_of(struct fix *f, struct step *s, int kind, const char *name)
{
    struct pv_reserve r = reserve_of(f, s->k, kind, name);
    r.pool = PV_STR("vmid");
    r.range = (struct pv_pool_range){100, 103, 1000};
    return r;
}

static int pool(struct fix *f, struct step *s, int kind, const char *name, uint64_t *ret)
{
    struct pv_reserve r = pool_of(f, s, kind, name);
    int status = run_reserve(f, &r);
    *ret = r.ret_number;
    pv_req_done(&r.req);
    return status;
}

/* What statistics say that the pool of these tests still has. */
static int64_t pool_left(struct fix *f)
{
    struct pv_pool_left left = {.pool = PV_STR("vmid"), .range = {100, 103, 1000}};
    struct pv_stats stats = {.now_ms = f->now_ms, .pools = &left, .pool_count = 1};
    pv_req_init(&stats.req, PV_REQ_STATS, NULL, NULL);
    assert_int_equal(fix_run(f, &stats.req), 0);
    pv_req_done(&stats.req);
    return left.ret_free;
}

static void a_pool_gives_each_value_once(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    struct step b;
    begin_step(f, &a, "1");
    begin_step(f, &b, "2");
    uint64_t n[4];
    uint64_t again = 0;
    assert_int_equal(pool_left(f), 4);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &n[0]), 0);
    assert_int_equal(pool_left(f), 3);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &again), 0);
    assert_int_equal(n[0], again);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "two", &n[1]), 0);
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "one", &n[2]), 0);
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "two", &n[3]), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(n[i], 100, 103);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(n[i], n[k]);
        }
    }
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "three", &again), PV_EEXHAUSTED);
    /* Given back, it cools first. */
    assert_int_equal(pool(f, &a, PV_ASK_POOL_GIVE, "two", &again), 0);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_GIVE, "two", &again), 0);
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "three", &again), PV_EEXHAUSTED);
    f->now_ms += 999;
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "three", &again), PV_EEXHAUSTED);
    assert_int_equal(pool_left(f), 0);
    f->now_ms += 1;
    assert_int_equal(pool_left(f), 1);
    assert_int_equal(pool(f, &b, PV_ASK_POOL_TAKE, "three", &again), 0);
    assert_int_equal(again, n[1]);
    end_step(&b);
    end_step(&a);
}

static void a_rejected_value_is_set_aside(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    uint64_t first = 0;
    uint64_t second = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &first), 0);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_REJECT, "one", &second), 0);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &second), 0);
    assert_int_not_equal(first, second);
    f->now_ms += 1000000;
    assert_int_equal(pool_left(f), 2); /* one is held, one was rejected */
    uint64_t n = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "two", &n), 0);
    assert_int_not_equal(first, n);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "three", &n), 0);
    assert_int_not_equal(first, n);
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "four", &n), PV_EEXHAUSTED);
    end_step(&a);
}

static void a_range_that_moves_gives_what_is_new(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    struct pv_reserve r = pool_of(f, &a, PV_ASK_POOL_TAKE, "one");
    r.range = (struct pv_pool_range){5, 5, 0};
    assert_int_equal(run_reserve(f, &r), 0);
    assert_int_equal(r.ret_number, 5);
    r.name = PV_STR("two");
    assert_int_equal(run_reserve(f, &r), PV_EEXHAUSTED);
    r.range = (struct pv_pool_range){4, 6, 0};
    assert_int_equal(run_reserve(f, &r), 0);
    assert_int_equal(r.ret_number, 4);
    r.name = PV_STR("three");
    assert_int_equal(run_reserve(f, &r), 0);
    assert_int_equal(r.ret_number, 6);
    r.range = (struct pv_pool_range){6, 5, 0};
    r.name = PV_STR("four");
    assert_int_equal(run_reserve(f, &r), PV_EEXHAUSTED);
    pv_req_done(&r.req);
    end_step(&a);
}

static int64_t used_of(struct fix *f, const char *external_id)
{
    struct pv_get g;
    assert_int_equal(get_service(f, &g, external_id), 0);
    int64_t used = g.ret_quota_count ? g.ret_quotas[0].used : 0;
    pv_req_done(&g.req);
    return used;
}

static void undo_gives_back_what_its_run_took(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    uint64_t first = 0;
    uint64_t n = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &first), 0);
    struct pv_reserve q = reserve_of(f, a.k, PV_ASK_QUOTA_TAKE, "zones");
    q.number = 3;
    q.limit = 4;
    assert_int_equal(run_reserve(f, &q), 0);
    assert_int_equal(used_of(f, "1"), 3);
    q.name = PV_STR("zones");
    q.step = PV_STR("other");
    q.number = 2;
    assert_int_equal(run_reserve(f, &q), PV_EEXHAUSTED);
    struct pv_reserve s = reserve_of(f, a.k, PV_ASK_SECRET_NEW, "password");
    s.text = PV_STR("first");
    assert_int_equal(run_reserve(f, &s), 0);
    assert_true(pv_str_eq_c(s.ret_value, "first"));

    struct pv_progress p = progress_of(f, a.k, PV_NEXT_HOLD);
    p.release = true;
    p.release_run = 1;
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    assert_int_equal(used_of(f, "1"), 0);
    s.text = PV_STR("second");
    assert_int_equal(run_reserve(f, &s), 0);
    assert_true(pv_str_eq_c(s.ret_value, "second"));
    struct pv_reserve again = pool_of(f, &a, PV_ASK_POOL_TAKE, "one");
    again.run = 2;
    assert_int_equal(run_reserve(f, &again), 0);
    assert_int_not_equal(again.ret_number, first); /* it cools */
    pv_req_done(&again.req);
    f->now_ms += 5000;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "three", &n), 0);
    assert_int_equal(n, first);
    pv_req_done(&s.req);
    pv_req_done(&q.req);
    end_step(&a);
}

static void a_repeated_step_gets_the_same_after_a_restart(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    uint64_t first = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &first), 0);
    struct pv_reserve s = reserve_of(f, a.k, PV_ASK_SECRET_NEW, "password");
    s.text = PV_STR("first");
    assert_int_equal(run_reserve(f, &s), 0);
    pv_req_done(&s.req);
    struct pv_reserve d = reserve_of(f, a.k, PV_ASK_STATE_SAVE, "");
    d.text = PV_STR("{\"vm\":1}");
    assert_int_equal(run_reserve(f, &d), 0);
    pv_req_done(&d.req);
    fix_restart(f);
    struct pv_claim claim;
    a.k = claim_one(f, &claim, "");
    assert_non_null(a.k);
    assert_int_equal(a.k->doc_count, 1);
    assert_true(pv_str_eq_c(a.k->docs[0].json, "{\"vm\":1}"));
    uint64_t n = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &n), 0);
    assert_int_equal(n, first);
    s = reserve_of(f, a.k, PV_ASK_SECRET_NEW, "password");
    s.text = PV_STR("second");
    assert_int_equal(run_reserve(f, &s), 0);
    assert_true(pv_str_eq_c(s.ret_value, "first"));
    s.step = PV_STR("other"); /* another step, another secret */
    assert_int_equal(run_reserve(f, &s), 0);
    assert_true(pv_str_eq_c(s.ret_value, "second"));
    pv_req_done(&s.req);
    pv_req_done(&claim.req);
    end_step(&a);
}

static void a_terminated_service_holds_nothing(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    uint64_t first = 0;
    uint64_t version = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &first), 0);
    assert_int_equal(put(f, &a, 0, "key", "1", 0, &version), 0);
    struct pv_reserve q = reserve_of(f, a.k, PV_ASK_QUOTA_TAKE, "zones");
    q.number = 1;
    assert_int_equal(run_reserve(f, &q), 0);
    pv_req_done(&q.req);
    struct pv_progress p = finish_of(f, a.k);
    p.doc_component = PV_STR("site");
    p.doc = PV_STR("{}");
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    end_step(&a);
    struct pv_claimed *k = accept_run(f, &a.one, "1", PV_OP_TERMINATE);
    assert_int_equal(k->doc_count, 1);
    p = finish_of(f, k);
    p.drop_all_docs = true;
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    end_step(&a);
    f->now_ms += 5000;
    begin_step(f, &a, "1");
    assert_int_equal(a.k->doc_count, 0);
    assert_int_equal(used_of(f, "1"), 0);
    assert_int_equal(get(f, &a, 0, "key", "", 0), PV_ENOTFOUND);
    uint64_t n = 0;
    assert_int_equal(pool(f, &a, PV_ASK_POOL_TAKE, "one", &n), 0);
    assert_int_equal(n, first);
    end_step(&a);
}

static void state_documents_are_per_component(void **state)
{
    struct fix *f = fix_of(state);
    struct step a;
    begin_step(f, &a, "1");
    struct pv_progress p = progress_of(f, a.k, PV_NEXT_HOLD);
    p.doc_component = PV_STR("zone");
    p.doc = PV_STR("{\"z\":1}");
    assert_int_equal(run_progress(f, &p), 0);
    p.doc_component = PV_STR("site");
    p.doc = PV_STR("{\"s\":1}");
    assert_int_equal(run_progress(f, &p), 0);
    p.doc = PV_STR("{\"s\":2}");
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_get g;
    assert_int_equal(get_service(f, &g, "1"), 0);
    assert_int_equal(g.ret_doc_count, 2);
    assert_true(pv_str_eq_c(g.ret_docs[0].component, "site"));
    assert_true(pv_str_eq_c(g.ret_docs[0].json, "{\"s\":2}"));
    pv_req_done(&g.req);
    p.drop_doc = true;
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(get_service(f, &g, "1"), 0);
    assert_int_equal(g.ret_doc_count, 1);
    assert_true(pv_str_eq_c(g.ret_docs[0].component, "zone"));
    pv_req_done(&g.req);
    pv_req_done(&p.req);
    end_step(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(kv_compares_and_sets),
        BOTH(values_have_a_limit),
        BOTH(a_pool_gives_each_value_once),
        BOTH(a_rejected_value_is_set_aside),
        BOTH(a_range_that_moves_gives_what_is_new),
        BOTH(undo_gives_back_what_its_run_took),
        BOTH(a_repeated_step_gets_the_same_after_a_restart),
        BOTH(a_terminated_service_holds_nothing),
        BOTH(state_documents_are_per_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

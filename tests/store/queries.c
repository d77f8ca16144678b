/* SPDX-License-Identifier: Apache-2.0 */
/* Pages, sources, tokens, the audit chain, numbers. Over every store. */
#include "tests/store/harness.h"

#include <stdio.h>
#include <string.h>

static struct pv_list_req list_of(enum pv_list_what what)
{
    struct pv_list_req list = {.what = what, .state = -1, .limit = 3};
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    return list;
}

/* Walks all pages of operations; the ids, newest first. */
static size_t walk_ops(struct fix *f, struct pv_list_req list, struct pv_id *ids, size_t max)
{
    size_t count = 0;
    for (bool more = true; more;) {
        assert_int_equal(fix_run(f, &list.req), 0);
        assert_true(list.ret_count <= list.limit);
        for (size_t i = 0; i < list.ret_count; i++) {
            assert_true(count < max);
            ids[count++] = list.ret_ops[i].id;
        }
        more = list.ret_more;
        if (list.ret_count) {
            list.after = list.ret_ops[list.ret_count - 1].id;
        }
        pv_req_done(&list.req);
    }
    return count;
}

static void operations_are_paged_newest_first(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id made[6];
    for (size_t i = 0; i < 6; i++) {
        made[i] = accept_op(f, "1", PV_OP_RENEW);
    }
    accept_op(f, "2", PV_OP_CREATE);
    struct pv_id ids[20];
    assert_int_equal(walk_ops(f, list_of(PV_LIST_OPERATIONS), ids, 20), 8);
    for (size_t i = 0; i < 6; i++) {
        assert_true(pv_id_eq(ids[1 + i], made[5 - i]));
    }
    struct pv_list_req of = list_of(PV_LIST_OPERATIONS);
    of.service = pv_service_id(f->deployment, SHOP, PV_STR("1"));
    assert_int_equal(walk_ops(f, of, ids, 20), 7);
    const struct {
        int state;
        size_t want;
    } cases[] = {{PV_OPS_QUEUED, 5}, {PV_OPS_READY, 2},  {PV_OPS_DONE, 1}, {-2, 7},
                 {PV_OPS_FAILED, 0}, {PV_OPS_RUNNING, 0}};
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_list_req by = list_of(PV_LIST_OPERATIONS);
        by.state = cases[i].state;
        assert_int_equal(walk_ops(f, by, ids, 20), cases[i].want);
        by.source = SHOP;
        assert_int_equal(walk_ops(f, by, ids, 20), cases[i].want);
        by.source = PV_STR("other");
        assert_int_equal(walk_ops(f, by, ids, 20), 0);
    }
}

static void services_are_paged_oldest_first(void **state)
{
    struct fix *f = fix_of(state);
    const char *names[] = {"c", "a", "b", "e", "d"};
    for (size_t i = 0; i < 5; i++) {
        if (i < 2) {
            make_active(f, names[i]);
        } else {
            accept_op(f, names[i], PV_OP_CREATE);
        }
    }
    struct pv_list_req list = list_of(PV_LIST_SERVICES);
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 3);
    assert_true(list.ret_more);
    for (size_t i = 0; i < 3; i++) {
        assert_true(pv_str_eq_c(list.ret_services[i].external_id, names[i]));
        assert_int_equal(list.ret_services[i].ref.len, PV_REF_TEXT - 1);
    }
    list.after = list.ret_services[2].id;
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 2);
    assert_false(list.ret_more);
    list.after = (struct pv_id){{0}};
    list.state = PV_SVC_ACTIVE;
    list.source = SHOP;
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 2);
    list.source = PV_STR("other");
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 0);
    list.after = fix_id(f);
    assert_int_equal(fix_run(f, &list.req), PV_ENOTFOUND);
    pv_req_done(&list.req);
}

static void another_source_sees_nothing(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id op = accept_op(f, "1", PV_OP_SUSPEND);
    struct pv_get get = {.id = pv_service_id(f->deployment, SHOP, PV_STR("1")),
                         .source = PV_STR("other")};
    pv_req_init(&get.req, PV_REQ_GET, NULL, NULL);
    assert_int_equal(fix_run(f, &get.req), PV_ENOTFOUND);
    get.source = SHOP;
    assert_int_equal(fix_run(f, &get.req), 0);
    assert_true(pv_id_eq(get.ret_op.id, op));
    assert_int_equal(get.ret_op.body.len, 0);
    pv_req_done(&get.req);
    get = (struct pv_get){.of_op = true, .id = op, .source = PV_STR("other")};
    pv_req_init(&get.req, PV_REQ_GET, NULL, NULL);
    assert_int_equal(fix_run(f, &get.req), PV_ENOTFOUND);
    pv_req_done(&get.req);
    struct pv_intervene in = {.op = op, .source = PV_STR("other"), .verb = PV_VERB_CANCEL};
    pv_req_init(&in.req, PV_REQ_INTERVENE, NULL, NULL);
    assert_int_equal(fix_run(f, &in.req), PV_ENOTFOUND);
    pv_req_done(&in.req);
    struct pv_list_req list = list_of(PV_LIST_OPERATIONS);
    list.service = pv_service_id(f->deployment, SHOP, PV_STR("1"));
    list.source = PV_STR("other");
    assert_int_equal(fix_run(f, &list.req), PV_ENOTFOUND);
    pv_req_done(&list.req);
}

static void an_operation_is_shown_with_its_history(void **state)
{
    struct fix *f = fix_of(state);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_CREATE);
    struct pv_step_row row = {
        .component = PV_STR("site"),
        .step = PV_STR("allocate"),
        .instance = PV_STR("pdns-1"),
        .kind = PV_CALL_LOOKUP,
        .run = 2,
        .attempt = 3,
        .outcome = PV_OUT_TEMPORARY,
        .started_ms = 10,
        .ended_ms = 20,
        .text = PV_STR("the backend is down"),
    };
    struct pv_progress p = progress_of(f, k, PV_NEXT_DEFER);
    p.row = &row;
    p.wait = PV_WAIT_RETRY;
    p.due_ms = f->now_ms + 10;
    p.tries = 4;
    assert_int_equal(run_progress(f, &p), 0);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, k->op), 0);
    assert_int_equal(get.ret_op.state, PV_OPS_READY);
    assert_int_equal(get.ret_op.wait, PV_WAIT_RETRY);
    assert_int_equal(get.ret_op.due_ms, f->now_ms + 10);
    assert_int_equal(get.ret_op.tries, 4);
    assert_true(pv_str_eq_c(get.ret_op.lane, "lane-a"));
    assert_true(get.ret_op.body.len > 0);
    assert_int_equal(get.ret_step_count, 1);
    const struct pv_step_row *s = &get.ret_steps[0];
    assert_int_equal(s->seq, 1);
    assert_int_equal(s->kind, PV_CALL_LOOKUP);
    assert_int_equal(s->run, 2);
    assert_int_equal(s->attempt, 3);
    assert_int_equal(s->outcome, PV_OUT_TEMPORARY);
    assert_int_equal(s->started_ms, 10);
    assert_int_equal(s->ended_ms, 20);
    assert_true(pv_str_eq_c(s->text, "the backend is down"));
    pv_req_done(&get.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static int sessions(struct fix *f, bool end, struct pv_id service, struct pv_str source,
                    int64_t *ret_ended_ms)
{
    struct pv_sessions req = {
        .service = service, .source = source, .end = end, .now_ms = f->now_ms};
    pv_req_init(&req.req, PV_REQ_SESSIONS, NULL, NULL);
    req.audit = (struct pv_audit){.actor = PV_STR("uid:0"), .what = PV_STR("session.end")};
    int status = fix_run(f, &req.req);
    *ret_ended_ms = req.ret_ended_ms;
    pv_req_done(&req.req);
    return status;
}

static void the_end_of_sessions_is_kept(void **state)
{
    struct fix *f = fix_of(state);
    accept_op(f, "1", PV_OP_CREATE);
    accept_op(f, "2", PV_OP_CREATE);
    struct pv_id one = pv_service_id(f->deployment, SHOP, PV_STR("1"));
    struct pv_id two = pv_service_id(f->deployment, SHOP, PV_STR("2"));
    struct pv_str any = {NULL, 0};
    int64_t ended_ms = 1;
    assert_int_equal(sessions(f, false, one, any, &ended_ms), 0);
    assert_int_equal(ended_ms, 0);
    assert_int_equal(sessions(f, true, one, PV_STR("panel"), &ended_ms), PV_ENOTFOUND);
    for (int i = 0; i < 2; i++) {
        f->now_ms += 1000;
        assert_int_equal(sessions(f, true, one, SHOP, &ended_ms), 0);
        assert_int_equal(ended_ms, f->now_ms);
        fix_restart(f);
        assert_int_equal(sessions(f, false, one, any, &ended_ms), 0);
        assert_int_equal(ended_ms, f->now_ms);
    }
    assert_int_equal(sessions(f, false, two, any, &ended_ms), 0);
    assert_int_equal(ended_ms, 0);
    assert_int_equal(sessions(f, true, fix_id(f), any, &ended_ms), PV_ENOTFOUND);
    assert_int_equal(sessions(f, false, fix_id(f), any, &ended_ms), PV_ENOTFOUND);
}

/* Also when the clock was set back, and for a session made behind an end of this millisecond. */
static void each_end_of_sessions_is_later(void **state)
{
    struct fix *f = fix_of(state);
    accept_op(f, "1", PV_OP_CREATE);
    struct pv_id service = pv_service_id(f->deployment, SHOP, PV_STR("1"));
    const int64_t first_ms = f->now_ms;
    static const int64_t steps_ms[] = {0, 0, -5000, 9000};
    static const int64_t ends_ms[] = {0, 1, 2, 4000};
    for (size_t i = 0; i < PV_COUNT(steps_ms); i++) {
        int64_t ended_ms = 0;
        f->now_ms += steps_ms[i];
        assert_int_equal(sessions(f, true, service, SHOP, &ended_ms), 0);
        assert_int_equal(ended_ms, first_ms + ends_ms[i]);
        assert_int_equal(sessions(f, false, service, SHOP, &ended_ms), 0);
        assert_int_equal(ended_ms, first_ms + ends_ms[i]);
    }
}

/* What was terminated can be read by its customer: ended sessions stay so. */
static void the_end_of_sessions_outlasts_the_service(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_id service = pv_service_id(f->deployment, SHOP, PV_STR("1"));
    int64_t ended_ms = 0;
    int64_t kept_ms = 0;
    assert_int_equal(sessions(f, true, service, SHOP, &ended_ms), 0);
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", PV_OP_TERMINATE);
    struct pv_progress p = finish_of(f, k);
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    one_done(&one);
    struct pv_get get;
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_int_equal(get.ret_service.observed, PV_SVC_TERMINATED);
    pv_req_done(&get.req);
    assert_int_equal(sessions(f, false, service, SHOP, &kept_ms), 0);
    assert_int_equal(kept_ms, ended_ms);
}

static void tokens_are_found_until_they_are_revoked(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_token_req add = {.what = PV_TOKEN_ADD, .now_ms = f->now_ms};
    pv_req_init(&add.req, PV_REQ_TOKEN, NULL, NULL);
    add.token = (struct pv_token_row){
        .id = fix_id(f),
        .source = SHOP,
        .scopes = PV_STR("events:write,services:read"),
        .created_ms = 5,
        .expires_ms = 6,
        .secret_hash = pv_sha256(PV_STR("secret")),
        .rate = 50,
        .burst = 70,
    };
    add.audit = (struct pv_audit){.actor = PV_STR("uid:0"), .what = PV_STR("token.create")};
    assert_int_equal(fix_run(f, &add.req), 0);
    assert_int_equal(fix_run(f, &add.req), PV_EEXISTS);
    pv_req_done(&add.req);
    struct pv_token_req find = {.what = PV_TOKEN_FIND};
    pv_req_init(&find.req, PV_REQ_TOKEN, NULL, NULL);
    find.token.secret_hash = pv_sha256(PV_STR("secret"));
    assert_int_equal(fix_run(f, &find.req), 0);
    assert_true(pv_str_eq_c(find.token.scopes, "events:write,services:read"));
    assert_int_equal(find.token.expires_ms, 6);
    assert_int_equal(find.token.revoked_ms, 0);
    assert_int_equal(find.token.rate, 50);
    assert_int_equal(find.token.burst, 70);
    struct pv_token_req revoke = {.what = PV_TOKEN_REVOKE, .now_ms = 77};
    pv_req_init(&revoke.req, PV_REQ_TOKEN, NULL, NULL);
    revoke.token.id = find.token.id;
    assert_int_equal(fix_run(f, &revoke.req), 0);
    pv_req_done(&revoke.req);
    pv_req_done(&find.req);
    assert_int_equal(fix_run(f, &find.req), 0);
    assert_int_equal(find.token.revoked_ms, 77);
    pv_req_done(&find.req);
    find.token.secret_hash = pv_sha256(PV_STR("other"));
    assert_int_equal(fix_run(f, &find.req), PV_ENOTFOUND);
    pv_req_done(&find.req);
    revoke.token.id = fix_id(f);
    assert_int_equal(fix_run(f, &revoke.req), PV_ENOTFOUND);
    pv_req_done(&revoke.req);
    struct pv_list_req list = list_of(PV_LIST_TOKENS);
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 1);
    assert_true(pv_str_eq(list.ret_tokens[0].source, SHOP));
    pv_req_done(&list.req);
    assert_int_equal(audit_verify(f), 1);
}

static void the_audit_trail_is_a_chain(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    make_active(f, "2");
    struct pv_note note = {.now_ms = f->now_ms};
    pv_req_init(&note.req, PV_REQ_NOTE, NULL, NULL);
    note.audit = (struct pv_audit){
        .actor = PV_STR("uid:0"),
        .what = PV_STR("service.reveal"),
        .source = SHOP,
        .detail = PV_STR("first password"),
        .service = pv_service_id(f->deployment, SHOP, PV_STR("2")),
    };
    assert_int_equal(fix_run(f, &note.req), 0);
    fix_restart(f);
    assert_int_equal(fix_run(f, &note.req), 0);
    assert_int_equal(audit_verify(f), 4);
    struct pv_list_req list = list_of(PV_LIST_AUDIT);
    list.service = note.audit.service;
    list.limit = 10;
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 3);
    assert_true(pv_str_eq_c(list.ret_audit[0].record.what, "event.accepted"));
    assert_true(pv_str_eq_c(list.ret_audit[1].record.detail, "first password"));
    assert_int_equal(list.ret_audit[2].n, 4);
    assert_true(pv_hash_eq(list.ret_audit[2].previous, list.ret_audit[1].hash));
    pv_req_done(&list.req);
    list.service = (struct pv_id){{0}};
    list.source = PV_STR("other");
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 0);
    pv_req_done(&list.req);
}

static void numbers_agree_with_the_rows(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    f->now_ms += 5;
    accept_op(f, "1", PV_OP_SUSPEND);
    accept_op(f, "1", PV_OP_RENEW);
    f->now_ms += 5;
    struct one one;
    accept_run(f, &one, "2", PV_OP_CREATE);
    one_done(&one);
    accept_op(f, "3", PV_OP_CREATE);
    for (int i = 0; i < 2; i++) {
        struct pv_stats stats = stats_of(f);
        assert_int_equal(stats.ret_services, 3);
        assert_int_equal(stats.ret_unfinished, 4);
        assert_int_equal(stats.ret_ready, i == 0 ? 2 : 3);
        assert_int_equal(stats.ret_queued, 1);
        assert_int_equal(stats.ret_parked, 0);
        if (i == 0) {
            assert_int_equal(stats.ret_oldest_ready_ms, 1000005);
        }
        fix_restart(f);
    }
    assert_int_equal(f->store->unfinished, 4);
}

static void reads_see_what_was_submitted_before(void **state)
{
    struct fix *f = fix_of(state);
    struct one one = {.item = item_of(f, "1", PV_OP_CREATE)};
    pv_req_init(&one.accept.req, PV_REQ_ACCEPT, NULL, NULL);
    one.accept.items = &one.item;
    one.accept.count = 1;
    one.accept.now_ms = f->now_ms;
    one.accept.epoch = f->store->epoch;
    struct pv_get get = {.of_op = true, .id = one.item.op};
    pv_req_init(&get.req, PV_REQ_GET, NULL, NULL);
    fix_submit(f, &one.accept.req);
    fix_submit(f, &get.req);
    fix_wait(f);
    assert_int_equal(get.req.status, 0);
    assert_int_equal(get.ret_op.state, PV_OPS_READY);
    pv_req_done(&get.req);
    one_done(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(operations_are_paged_newest_first),
        BOTH(services_are_paged_oldest_first),
        BOTH(another_source_sees_nothing),
        BOTH(an_operation_is_shown_with_its_history),
        BOTH(tokens_are_found_until_they_are_revoked),
        BOTH(the_end_of_sessions_is_kept),
        BOTH(each_end_of_sessions_is_later),
        BOTH(the_end_of_sessions_outlasts_the_service),
        BOTH(the_audit_trail_is_a_chain),
        BOTH(numbers_agree_with_the_rows),
        BOTH(reads_see_what_was_submitted_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

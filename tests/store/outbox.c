/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications: who is told what, in which order, and what becomes of it; and the feed. Over every
 * store. */
#include "tests/store/harness.h"

#include "core/engine/notice.h"
#include "core/engine/outbox.h"

#include <sqlite3.h>
#include <string.h>

static struct pv_outbox_req box_of(const struct fix *f, enum pv_outbox_do what, const char *name)
{
    struct pv_outbox_req box = {
        .what = what, .subscriber = pv_str(name), .limit = 100, .now_ms = f->now_ms};
    pv_req_init(&box.req, PV_REQ_OUTBOX, NULL, NULL);
    return box;
}

static void subscribe(struct fix *f, const struct pv_subscriber *list, size_t count)
{
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_SUBSCRIBE, "");
    box.subscribers = list;
    box.subscriber_count = count;
    assert_int_equal(fix_run(f, &box.req), 0);
    pv_req_done(&box.req);
}

static struct pv_subscriber everything(const char *name)
{
    return (struct pv_subscriber){.name = pv_str(name), .types = PV_NOTICE_ALL};
}

/* Number of rows; the first eight numbers, types and due times. */
struct rows {
    size_t count;
    uint64_t n[8];
    int type[8];
    int64_t due[8];
    bool undelivered[8];
    uint32_t attempts[8];
    char body[8][1024];
};

static struct rows rows_of(struct fix *f, enum pv_outbox_do what, const char *name)
{
    struct pv_outbox_req box = box_of(f, what, name);
    assert_int_equal(fix_run(f, &box.req), 0);
    struct rows rows = {.count = box.ret_count};
    for (size_t i = 0; i < box.ret_count && i < 8; i++) {
        const struct pv_outbox_row *row = &box.ret_rows[i];
        assert_true(pv_str_eq_c(row->subscriber, name));
        rows.n[i] = row->n;
        rows.type[i] = row->type;
        rows.due[i] = row->due_ms;
        rows.undelivered[i] = row->undelivered;
        rows.attempts[i] = row->attempts;
        if (row->body.ptr) {
            assert_int_equal(pv_str_to_c(row->body, rows.body[i], sizeof(rows.body[i])), 0);
        }
    }
    pv_req_done(&box.req);
    return rows;
}

static int on_row(struct fix *f, enum pv_outbox_do what, const char *name, uint64_t n,
                  int64_t due_ms)
{
    struct pv_outbox_req box = box_of(f, what, name);
    box.n = n;
    box.due_ms = due_ms;
    box.attempts = 1;
    box.error = PV_STR("HTTP 500");
    int status = fix_run(f, &box.req);
    pv_req_done(&box.req);
    return status;
}

static struct pv_subscriber_row status_of(struct fix *f, const char *name)
{
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_STATUS, "");
    assert_int_equal(fix_run(f, &box.req), 0);
    struct pv_subscriber_row found = {.disabled_ms = -1};
    for (size_t i = 0; i < box.ret_subscriber_count; i++) {
        if (pv_str_eq_c(box.ret_subscribers[i].name, name)) {
            found = box.ret_subscribers[i];
        }
    }
    found.name = (struct pv_str){NULL, 0};
    found.reason = (struct pv_str){NULL, 0};
    pv_req_done(&box.req);
    return found;
}

static void finish(struct fix *f, const char *service, int type)
{
    struct one one;
    struct pv_progress p = finish_of(f, accept_run(f, &one, service, type));
    p.audit = (struct pv_audit){.actor = PV_STR("engine"), .what = PV_STR("operation.done")};
    p.audit.op = p.op;
    p.audit.service = p.service;
    p.audit.source = SHOP;
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    one_done(&one);
}

static void nobody_is_told_where_nobody_asked(void **state)
{
    struct fix *f = fix_of(state);
    finish(f, "1", PV_OP_CREATE);
    const struct pv_subscriber list[] = {everything("a")};
    subscribe(f, list, 1);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 0);
    assert_int_equal(status_of(f, "a").written, 0);
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_LIST, "b");
    assert_int_equal(fix_run(f, &box.req), PV_ENOTFOUND);
    pv_req_done(&box.req);
}

static void an_end_is_one_row_for_each_who_wants_it(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_str shop[] = {PV_STR("shop"), PV_STR("third")};
    const struct pv_str other[] = {PV_STR("other")};
    const struct pv_subscriber list[] = {
        everything("all"),
        {PV_STR("done"), shop, 2, 1u << PV_NOTICE_COMPLETED},
        {PV_STR("failed"), NULL, 0, 1u << PV_NOTICE_FAILED},
        {PV_STR("other"), other, 1, PV_NOTICE_ALL},
    };
    subscribe(f, list, 4);
    finish(f, "1", PV_OP_CREATE);
    struct rows all = rows_of(f, PV_OUTBOX_TAKE, "all");
    assert_int_equal(all.count, 1); /* the second waits behind it */
    assert_int_equal(all.type[0], PV_NOTICE_COMPLETED);
    assert_non_null(strstr(all.body[0], "\"type\":\"operation.completed\""));
    assert_non_null(strstr(all.body[0], "\"external_id\":\"1\""));
    assert_non_null(strstr(all.body[0], "\"state\":\"active\",\"previous_state\":\"pending\""));
    all = rows_of(f, PV_OUTBOX_LIST, "all");
    assert_int_equal(all.count, 2);
    assert_int_equal(all.type[1], PV_NOTICE_STATE);
    assert_true(all.due[1] == PV_NEVER);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "done").count, 1);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "failed").count, 0);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "other").count, 0);
    fix_restart(f);
    all = rows_of(f, PV_OUTBOX_LIST, "all");
    assert_int_equal(all.count, 2);
}

static size_t count_type(struct fix *f, const char *name, int type)
{
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_LIST, name);
    assert_int_equal(fix_run(f, &box.req), 0);
    size_t count = 0;
    for (size_t i = 0; i < box.ret_count; i++) {
        count += box.ret_rows[i].type == type ? 1 : 0;
    }
    pv_req_done(&box.req);
    return count;
}

static void operations_that_never_ran_are_told_of_too(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {everything("a")};
    subscribe(f, list, 1);
    struct pv_id parked = park_op(f, PV_OP_CREATE);
    assert_int_equal(count_type(f, "a", PV_NOTICE_PARKED), 1);
    struct pv_intervene in;
    assert_int_equal(intervene(f, &in, parked, PV_VERB_ABANDON), 0);
    pv_req_done(&in.req);
    assert_int_equal(count_type(f, "a", PV_NOTICE_ABANDONED), 1);
    finish(f, "2", PV_OP_CREATE);
    accept_op(f, "2", PV_OP_UNSUSPEND); /* nothing to do */
    assert_int_equal(count_type(f, "a", PV_NOTICE_COMPLETED), 2);
    struct one one;
    accept_run(f, &one, "2", PV_OP_RENEW);
    struct pv_id queued = accept_op(f, "2", PV_OP_SUSPEND);
    assert_int_equal(intervene(f, &in, queued, PV_VERB_CANCEL), 0);
    pv_req_done(&in.req);
    assert_int_equal(count_type(f, "a", PV_NOTICE_CANCELED), 1);
    accept_op(f, "2", PV_OP_SUSPEND);
    accept_op(f, "2", PV_OP_UNSUSPEND);
    struct pv_progress p = finish_of(f, one.item.ret_claimed);
    assert_int_equal(run_progress(f, &p), 0); /* and the pair behind it has nothing to do */
    pv_req_done(&p.req);
    one_done(&one);
    assert_int_equal(count_type(f, "a", PV_NOTICE_SUPERSEDED), 2);
    assert_int_equal(count_type(f, "a", PV_NOTICE_COMPLETED), 3);
}

static void a_failure_holds_only_its_own_service(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {{PV_STR("a"), NULL, 0, 1u << PV_NOTICE_COMPLETED},
                                         everything("b")};
    subscribe(f, list, 2);
    finish(f, "1", PV_OP_CREATE);
    finish(f, "1", PV_OP_RENEW);
    finish(f, "2", PV_OP_CREATE);
    struct rows rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.count, 2);
    uint64_t first = rows.n[0];
    uint64_t other = rows.n[1];
    assert_int_equal(on_row(f, PV_OUTBOX_LATER, "a", first, f->now_ms + 5000), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "a", other, 0), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "a", other, 0), PV_ENOTFOUND);
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "b", first, 0), PV_ENOTFOUND);
    rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.n[0], first);
    assert_true(rows.due[0] == f->now_ms + 5000);
    assert_int_equal(rows.attempts[0], 1);
    assert_int_equal(rows.body[0][0], '\0'); /* not due: not read */
    f->now_ms += 5000;
    rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.body[0][0], '{');
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "a", first, 0), 0);
    rows = rows_of(f, PV_OUTBOX_TAKE, "a"); /* the renew */
    assert_int_equal(rows.count, 1);
    assert_true(rows.n[0] > first && rows.due[0] <= f->now_ms);
    struct pv_subscriber_row sub = status_of(f, "a");
    assert_int_equal(sub.written, 3);
    assert_int_equal(sub.delivered, 2);
    assert_int_equal(sub.delivered_ms, f->now_ms);
}

/* The first one's body is damaged, and the third one's has moved to the second. */
static void a_body_that_cannot_be_opened_hides_no_other(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {{PV_STR("a"), NULL, 0, 1u << PV_NOTICE_COMPLETED}};
    subscribe(f, list, 1);
    finish(f, "1", PV_OP_CREATE);
    finish(f, "2", PV_OP_CREATE);
    finish(f, "3", PV_OP_CREATE);
    finish(f, "1", PV_OP_RENEW);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE outbox SET body_sealed=x'0000' WHERE n=1;"
                                  "UPDATE outbox SET body_sealed="
                                  "(SELECT body_sealed FROM outbox WHERE n=3) WHERE n=2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    struct rows rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.count, 3);
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(rows.n[n - 1], n);
        assert_true(rows.due[n - 1] <= f->now_ms);
        assert_int_equal(rows.body[n - 1][0], n == 3 ? '{' : '\0');
    }
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "a", 1, 0), 0);
    assert_int_equal(status_of(f, "a").undelivered, 1);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 4);
    rows = rows_of(f, PV_OUTBOX_TAKE, "a"); /* the renew */
    assert_int_equal(rows.count, 3);
    assert_int_equal(rows.n[2], 4);
    assert_int_equal(rows.body[2][0], '{');
}

static void what_was_given_up_is_tried_again_in_its_place(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {{PV_STR("a"), NULL, 0, 1u << PV_NOTICE_COMPLETED}};
    subscribe(f, list, 1);
    finish(f, "1", PV_OP_CREATE);
    finish(f, "1", PV_OP_RENEW);
    uint64_t records = audit_verify(f);
    uint64_t first = rows_of(f, PV_OUTBOX_TAKE, "a").n[0];
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "a", first, 0), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "a", first, 0), 0); /* once is enough */
    assert_int_equal(audit_verify(f), records + 1);
    assert_int_equal(status_of(f, "a").undelivered, 1);
    struct rows rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.count, 1);
    assert_true(rows.n[0] > first);
    uint64_t second = rows.n[0];
    assert_int_equal(on_row(f, PV_OUTBOX_RETRY, "a", first, 0), 0);
    assert_int_equal(audit_verify(f), records + 2);
    assert_int_equal(status_of(f, "a").undelivered, 0);
    rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.n[0], first);
    /* One that was under way, and is behind another now, waits for it. */
    assert_int_equal(on_row(f, PV_OUTBOX_LATER, "a", second, f->now_ms), 0);
    assert_int_equal(rows_of(f, PV_OUTBOX_TAKE, "a").count, 1);
    assert_int_equal(on_row(f, PV_OUTBOX_LATER, "a", first, f->now_ms + 60000), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_RETRY, "a", 0, 0), 0); /* all that failed */
    rows = rows_of(f, PV_OUTBOX_TAKE, "a");
    assert_int_equal(rows.n[0], first);
    assert_true(rows.due[0] == f->now_ms);
    assert_int_equal(on_row(f, PV_OUTBOX_RETRY, "a", 99999, 0), PV_ENOTFOUND);
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "a", first, 0), 0);
    assert_int_equal(rows_of(f, PV_OUTBOX_TAKE, "a").n[0], second);
}

static void who_is_disabled_gets_nothing_more(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {{PV_STR("a"), NULL, 0, 1u << PV_NOTICE_COMPLETED}};
    subscribe(f, list, 1);
    finish(f, "1", PV_OP_CREATE);
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_DISABLE, "a");
    box.error = PV_STR("HTTP 410");
    assert_int_equal(fix_run(f, &box.req), 0);
    pv_req_done(&box.req);
    assert_true(status_of(f, "a").disabled_ms != 0);
    finish(f, "2", PV_OP_CREATE);
    fix_restart(f);
    subscribe(f, list, 1);
    assert_true(status_of(f, "a").disabled_ms != 0);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 1);
    box = box_of(f, PV_OUTBOX_ENABLE, "a");
    assert_int_equal(fix_run(f, &box.req), 0);
    uint64_t records = audit_verify(f);
    assert_int_equal(fix_run(f, &box.req), 0); /* it is */
    assert_int_equal(audit_verify(f), records);
    pv_req_done(&box.req);
    finish(f, "3", PV_OP_CREATE);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 2);
}

static size_t expire(struct fix *f, const char *name, int64_t before_ms)
{
    struct pv_outbox_req box = box_of(f, PV_OUTBOX_EXPIRE, name);
    box.due_ms = before_ms;
    assert_int_equal(fix_run(f, &box.req), 0);
    assert_false(box.ret_more);
    size_t count = box.ret_count;
    pv_req_done(&box.req);
    return count;
}

static void what_was_given_up_is_deleted_after_its_time(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {everything("a"), everything("b")};
    subscribe(f, list, 2);
    int64_t since_ms = f->now_ms;
    finish(f, "1", PV_OP_CREATE); /* an end and a change of state, to each */
    struct rows rows = rows_of(f, PV_OUTBOX_LIST, "a");
    assert_int_equal(rows.count, 2);
    f->now_ms += 500000;
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "a", rows.n[0], 0), 0);
    assert_int_equal(expire(f, "a", f->now_ms), 0);          /* not yet: that was now */
    assert_int_equal(expire(f, "b", since_ms + 1000000), 0); /* waits, and is not given up */
    assert_int_equal(expire(f, "a", since_ms + 1000000), 1);
    rows = rows_of(f, PV_OUTBOX_LIST, "a");
    assert_int_equal(rows.count, 1);
    assert_false(rows.undelivered[0]);
    struct pv_subscriber_row row = status_of(f, "a");
    assert_int_equal(row.undelivered, 0);
    assert_int_equal(row.written, 1); /* what waits is counted right */
    assert_int_equal(row.delivered, 0);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "b").count, 2);
    assert_int_equal(on_row(f, PV_OUTBOX_DELIVERED, "a", rows.n[0], 0), 0);
    /* What an operator had tried again is young again. */
    f->now_ms += 1000000;
    struct rows others = rows_of(f, PV_OUTBOX_LIST, "b");
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "b", others.n[0], 0), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_RETRY, "b", others.n[0], 0), 0);
    assert_int_equal(on_row(f, PV_OUTBOX_UNDELIVERED, "b", others.n[0], 0), 0);
    assert_int_equal(expire(f, "b", since_ms + 1000000), 0);
    assert_int_equal(expire(f, "b", f->now_ms + 1), 1);
    struct pv_outbox_req unknown = box_of(f, PV_OUTBOX_EXPIRE, "nobody");
    assert_int_equal(fix_run(f, &unknown.req), PV_ENOTFOUND);
    pv_req_done(&unknown.req);
}

static void who_is_removed_is_forgotten(void **state)
{
    struct fix *f = fix_of(state);
    const struct pv_subscriber list[] = {everything("a"), everything("b")};
    subscribe(f, list, 2);
    finish(f, "1", PV_OP_CREATE);
    subscribe(f, list + 1, 1);
    finish(f, "2", PV_OP_CREATE);
    assert_int_equal(status_of(f, "a").disabled_ms, -1);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "b").count, 4);
    subscribe(f, list, 2);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 0);
    assert_true(status_of(f, "a").since_n > status_of(f, "b").since_n);
    finish(f, "3", PV_OP_CREATE);
    assert_int_equal(rows_of(f, PV_OUTBOX_LIST, "a").count, 2);
}

static void the_feed_tells_what_happened_in_order(void **state)
{
    struct fix *f = fix_of(state);
    finish(f, "1", PV_OP_CREATE);
    finish(f, "1", PV_OP_RENEW);
    finish(f, "1", PV_OP_SUSPEND);
    struct pv_feed feed = {.limit = 1000};
    pv_req_init(&feed.req, PV_REQ_FEED, NULL, NULL);
    assert_int_equal(fix_run(f, &feed.req), 0);
    assert_int_equal(feed.ret_count, 3);
    assert_int_equal(feed.ret_n, feed.ret_head_n);
    const struct pv_feed_item *items = feed.ret_items;
    assert_int_equal(items[0].type, PV_NOTICE_COMPLETED);
    assert_true(items[0].changed);
    assert_int_equal(items[0].before, PV_SVC_PENDING);
    assert_int_equal(items[0].after, PV_SVC_ACTIVE);
    assert_false(items[1].changed);
    assert_int_equal(items[1].op.type, PV_OP_RENEW);
    assert_int_equal(items[2].after, PV_SVC_SUSPENDED);
    assert_true(pv_str_eq_c(items[2].service.external_id, "1"));
    assert_true(items[0].n < items[1].n && items[1].n < items[2].n);
    uint64_t first = items[0].n;
    uint64_t head = feed.ret_head_n;
    pv_req_done(&feed.req);
    feed.after_n = first;
    feed.limit = 1; /* an accepted event: nothing to tell of, but read */
    assert_int_equal(fix_run(f, &feed.req), 0);
    assert_int_equal(feed.ret_count, 0);
    assert_int_equal(feed.ret_n, first + 1);
    pv_req_done(&feed.req);
    feed.after_n = UINT64_MAX;
    assert_int_equal(fix_run(f, &feed.req), 0);
    assert_int_equal(feed.ret_count, 0);
    assert_int_equal(feed.ret_head_n, head);
    pv_req_done(&feed.req);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(nobody_is_told_where_nobody_asked),
        BOTH(an_end_is_one_row_for_each_who_wants_it),
        BOTH(operations_that_never_ran_are_told_of_too),
        BOTH(a_failure_holds_only_its_own_service),
        {"sqlite: a_body_that_cannot_be_opened_hides_no_other",
         a_body_that_cannot_be_opened_hides_no_other, setup_sqlite, teardown_store, NULL},
        BOTH(what_was_given_up_is_tried_again_in_its_place),
        BOTH(who_is_disabled_gets_nothing_more),
        BOTH(what_was_given_up_is_deleted_after_its_time),
        BOTH(who_is_removed_is_forgotten),
        BOTH(the_feed_tells_what_happened_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

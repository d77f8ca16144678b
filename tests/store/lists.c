/* SPDX-License-Identifier: Apache-2.0 */
/* Lists hold up no commit, and a filter that leaves almost everything out costs a bounded walk a
 * page. SQLite only: the history is made in SQL. */
#include "tests/store/disk.h"
#include "tests/store/harness.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define HISTORY 60000 /* several walks of PV_PAGE_WALK */

static void run_sql(struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", sql, why);
    }
    sqlite3_close(db);
}

/* One service that ends failed, then HISTORY others that are active, each with an operation that is
 * done and an audit record. */
static struct pv_id make_history(struct fix *f)
{
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "first", PV_OP_CREATE);
    struct pv_id failed = k->op;
    struct pv_progress p = progress_of(f, k, PV_NEXT_FINISH);
    p.op_state = PV_OPS_FAILED;
    p.observed = PV_SVC_FAILED;
    p.reason = PV_STR("nothing came of it");
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    one_done(&one);
    make_active(f, "second");
    fix_shut(f);
    static const char *const changes[][2] = {
        {"services", "UPDATE many SET id=CAST(printf('%016d', i) AS BLOB), active_n=0;"},
        {"operations", "UPDATE many SET id=randomblob(16), body_sealed=NULL, "
                       "plan_sealed=NULL, result_sealed=NULL;"},
        {"audit", ""},
    };
    for (size_t i = 0; i < PV_COUNT(changes); i++) {
        char sql[1000];
        snprintf(sql, sizeof(sql),
                 "CREATE TEMP TABLE many AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                 "FROM c WHERE i<%d) SELECT t.*, i FROM (SELECT * FROM %s ORDER BY n DESC LIMIT 1) "
                 "t, c; UPDATE many SET n=n+i;%s ALTER TABLE many DROP COLUMN i;"
                 "INSERT INTO main.%s SELECT * FROM many",
                 HISTORY, changes[i][0], changes[i][1], changes[i][0]);
        run_sql(f, sql);
    }
    run_sql(f, "INSERT INTO key_index SELECT CAST(x'02'||id AS BLOB), n FROM services WHERE n>2");
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    return failed;
}

struct walk {
    size_t pages;
    size_t rows;
    struct pv_id last;
};

/* All pages; `after` comes from each answer. */
static struct walk walk_all(struct fix *f, struct pv_list_req list)
{
    struct walk walk = {0};
    for (bool more = true; more; walk.pages++) {
        pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
        assert_int_equal(fix_run(f, &list.req), 0);
        walk.rows += list.ret_count;
        if (list.ret_count && list.what == PV_LIST_OPERATIONS) {
            walk.last = list.ret_ops[list.ret_count - 1].id;
        }
        more = list.ret_more;
        list.after = list.ret_next;
        list.after_n = list.ret_next_n;
        pv_req_done(&list.req);
    }
    return walk;
}

static void a_rare_filter_costs_a_bounded_walk(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_id failed = make_history(f);
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = PV_OPS_FAILED, .limit = 10};
    /* An index answers it. */
    struct walk walk = walk_all(f, list);
    assert_int_equal(walk.pages, 1);
    assert_int_equal(walk.rows, 1);
    assert_true(pv_id_eq(walk.last, failed));
    /* Nothing answers these: each page walks so far and no further, and says where to go on. */
    list = (struct pv_list_req){.what = PV_LIST_SERVICES, .state = PV_SVC_FAILED, .limit = 10};
    walk = walk_all(f, list);
    assert_int_equal(walk.rows, 1);
    assert_in_range(walk.pages, 3, 5);
    list = (struct pv_list_req){.what = PV_LIST_SERVICES, .state = PV_SVC_SUSPENDED, .limit = 10};
    walk = walk_all(f, list);
    assert_int_equal(walk.rows, 0);
    assert_in_range(walk.pages, 3, 5);
    list = (struct pv_list_req){.what = PV_LIST_AUDIT, .state = -1, .limit = 10};
    list.source = PV_STR("nobody");
    walk = walk_all(f, list);
    assert_int_equal(walk.rows, 0);
    assert_in_range(walk.pages, 3, 5);
    list = (struct pv_list_req){.what = PV_LIST_OPERATIONS, .state = -1, .limit = 1000};
    walk = walk_all(f, list);
    assert_int_equal(walk.rows, HISTORY + 2);
}

/* A service that was accepted a moment ago is found, though the index does not have its key yet. */
static void what_was_just_committed_is_listed(void **state)
{
    struct fix *f = fix_of(state);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "svc%d", i);
        struct pv_id op = accept_op(f, name, PV_OP_CREATE);
        struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = -1, .limit = 10};
        list.service = pv_service_id(f->deployment, SHOP, pv_str(name));
        struct walk walk = walk_all(f, list);
        assert_int_equal(walk.rows, 1);
        assert_true(pv_id_eq(walk.last, op));
    }
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = -1, .limit = 10};
    list.service = pv_service_id(f->deployment, SHOP, PV_STR("nobody"));
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    assert_int_equal(fix_run(f, &list.req), PV_ENOTFOUND);
    pv_req_done(&list.req);
}

/* A page reads what it shows: an operation's body is no part of it. */
static void a_list_opens_no_body(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_id op = accept_op(f, "1", PV_OP_CREATE);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE operations SET body_sealed=x'0000', plan_sealed=x'0000'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, op), PV_ECRYPTO);
    pv_req_done(&get.req);
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = -1, .limit = 10};
    assert_int_equal(walk_all(f, list).rows, 1);
}

static void set_true(struct pv_req *req)
{
    *(bool *)req->user = true;
}

/* A list stands still in its midst; commits go on, and it ends with what it saw when it began. */
static void a_list_holds_up_no_commit(void **state)
{
    struct fix *f = fix_of(state);
    accept_op(f, "1", PV_OP_CREATE);
    bool listed = false;
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = -1, .limit = 10};
    pv_req_init(&list.req, PV_REQ_LIST, set_true, &listed);
    disk_hold_reads(true);
    assert_int_equal(pv_store_submit(f->store, &list.req), 0);
    disk_await_held();
    for (int i = 2; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        make_active(f, name);
    }
    assert_false(listed);
    disk_hold_reads(false);
    while (!listed) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(list.req.status, 0);
    assert_in_range(list.ret_count, 1, 10);
    pv_req_done(&list.req);
}

/* What was submitted is answered before the store is gone. */
static void closing_waits_for_lists(void **state)
{
    struct fix *f = fix_of(state);
    accept_op(f, "1", PV_OP_CREATE);
    bool listed[5] = {false};
    struct pv_list_req lists[5];
    for (size_t i = 0; i < 5; i++) {
        lists[i] = (struct pv_list_req){.what = PV_LIST_SERVICES, .state = -1, .limit = 10};
        pv_req_init(&lists[i].req, PV_REQ_LIST, set_true, &listed[i]);
        assert_int_equal(pv_store_submit(f->store, &lists[i].req), 0);
    }
    fix_shut(f);
    for (size_t i = 0; i < 5; i++) {
        assert_true(listed[i]);
        assert_int_equal(lists[i].req.status, 0);
        assert_int_equal(lists[i].ret_count, 1);
        pv_req_done(&lists[i].req);
    }
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
}

#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown_store)

int main(void)
{
    disk_register();
    const struct CMUnitTest tests[] = {
        SQLITE(a_rare_filter_costs_a_bounded_walk),
        SQLITE(what_was_just_committed_is_listed),
        SQLITE(a_list_opens_no_body),
        SQLITE(a_list_holds_up_no_commit),
        SQLITE(closing_waits_for_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

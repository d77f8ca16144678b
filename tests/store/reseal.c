/* SPDX-License-Identifier: Apache-2.0 */
/* Every value of the database is sealed again with a new key, in slices, across restarts, until the
 * old key is needed no more. */
#include "tests/store/rig.h"

#include <stdio.h>
#include <string.h>

#define ROWS 12

static struct pv_id id_of(int n)
{
    return (struct pv_id){{1, (uint8_t)n}};
}

static struct pv_grant grant_of(int n)
{
    return (struct pv_grant){.op_n = n,
                             .run = 1,
                             .kind = 1,
                             .component = PV_STR("site"),
                             .step = n % 2 ? PV_STR("add") : (struct pv_str){NULL, 0},
                             .name = PV_STR("port"),
                             .number = n,
                             .value = PV_STR("grant")};
}

/* A row of each table that seals. */
static void fill(struct rig *r, int n)
{
    struct pv_rows *rows = &r->db.rows;
    const struct pv_rows_ops *ops = rows->ops;
    char scope[24];
    snprintf(scope, sizeof(scope), "s/%d/site", n);
    struct pv_op op = {.id = id_of(n),
                       .service_n = n,
                       .source = SHOP,
                       .body = PV_STR("body"),
                       .plan = n % 3 ? PV_STR("plan") : (struct pv_str){NULL, 0}};
    struct pv_kv kv = {.scope = pv_str(scope),
                       .service_n = n,
                       .name = n % 2 ? PV_STR("name") : PV_STR(""),
                       .version = 1,
                       .value = PV_STR("kv")};
    char name[16];
    snprintf(name, sizeof(name), "n%d", n);
    struct pv_kv shared = {
        .scope = PV_STR("i/one"), .name = pv_str(name), .version = 1, .value = PV_STR("shared")};
    struct pv_grant grant = grant_of(n);
    struct pv_outbox_row row = {.subscriber = PV_STR("hook"),
                                .op = id_of(n),
                                .service = id_of(n),
                                .service_n = n,
                                .body = PV_STR("told")};
    assert_int_equal(ops->detail_put(rows, n, PV_STR("attrs"), PV_STR("composition")), 0);
    assert_int_equal(ops->op_insert(rows, &op), 0);
    op.state = PV_OPS_DONE;
    op.result = PV_STR("result");
    assert_int_equal(ops->op_finish(rows, &op), 0);
    assert_int_equal(ops->doc_put(rows, n, PV_STR("site"), PV_STR("doc")), 0);
    assert_int_equal(ops->doc_put(rows, n, PV_STR("mail"), PV_STR("doc")), 0);
    assert_int_equal(ops->signal_put(rows, n, PV_STR("paid"), PV_STR("signal")), 0);
    assert_int_equal(ops->kv_put(rows, &kv), 0);
    assert_int_equal(ops->kv_put(rows, &shared), 0);
    assert_int_equal(ops->grant_put(rows, &grant), 0);
    assert_int_equal(ops->outbox_add(rows, &row), 0);
}

#define IS(s, text) assert_true(pv_str_eq_c(s, text))

static void read_all(struct rig *r, int count)
{
    struct pv_rows *rows = &r->db.rows;
    const struct pv_rows_ops *ops = rows->ops;
    struct pv_arena arena;
    pv_arena_init(&arena);
    for (int n = 1; n <= count; n++) {
        struct pv_str a;
        struct pv_str b;
        char scope[24];
        char name[16];
        snprintf(scope, sizeof(scope), "s/%d/site", n);
        snprintf(name, sizeof(name), "n%d", n);
        assert_int_equal(ops->detail_get(rows, n, &arena, &a, &b), 0);
        IS(a, "attrs");
        IS(b, "composition");
        struct pv_op op;
        assert_int_equal(ops->op_by_id(rows, id_of(n), &arena, &op), 0);
        IS(op.body, "body");
        IS(op.result, "result");
        assert_true(n % 3 ? pv_str_eq_c(op.plan, "plan") : !op.plan.ptr);
        struct pv_doc *docs;
        struct pv_signal_row *signals;
        size_t found = 0;
        assert_int_equal(ops->doc_list(rows, n, &arena, &docs, &found), 0);
        assert_int_equal(found, 2);
        IS(docs[0].json, "doc");
        assert_int_equal(ops->signal_list(rows, n, &arena, &signals, &found), 0);
        assert_int_equal(found, 1);
        IS(signals[0].body, "signal");
        struct pv_kv kv;
        assert_int_equal(
            ops->kv_get(rows, pv_str(scope), n % 2 ? PV_STR("name") : PV_STR(""), &arena, &kv), 0);
        IS(kv.value, "kv");
        assert_int_equal(ops->kv_get(rows, PV_STR("i/one"), pv_str(name), &arena, &kv), 0);
        IS(kv.value, "shared");
        struct pv_grant key = grant_of(n);
        struct pv_grant grant;
        assert_int_equal(ops->grant_get(rows, &key, &arena, &grant), 0);
        IS(grant.value, "grant");
    }
    struct pv_outbox_row *list;
    size_t told = 0;
    assert_int_equal(
        ops->outbox_take(rows, PV_STR("hook"), INT64_MAX - 1, 1000, &arena, &list, &told), 0);
    assert_int_equal(told, count);
    for (size_t i = 0; i < told; i++) {
        IS(list[i].body, "told");
    }
    pv_arena_done(&arena);
}

static int64_t ask(struct rig *r, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(r->db.db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* Values of every sealed column there is that were sealed with this key; the columns come from the
 * schema, so that none is forgotten. */
static int64_t sealed_with(struct rig *r, uint32_t key)
{
    sqlite3_stmt *columns = NULL;
    int64_t total = 0;
    int seen = 0;
    assert_int_equal(
        sqlite3_prepare_v2(r->db.db,
                           "SELECT t.name, c.name FROM sqlite_schema t JOIN "
                           "pragma_table_info(t.name) c WHERE t.type='table' AND c.name LIKE "
                           "'%sealed'",
                           -1, &columns, NULL),
        SQLITE_OK);
    while (sqlite3_step(columns) == SQLITE_ROW) {
        char sql[300];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE hex(substr(%s,1,4))='%02X000000'",
                 (const char *)sqlite3_column_text(columns, 0),
                 (const char *)sqlite3_column_text(columns, 1), key);
        total += ask(r, sql);
        seen++;
    }
    sqlite3_finalize(columns);
    assert_int_equal(seen, 11);
    return total;
}

static struct pv_reseal slice(struct rig *r, size_t limit)
{
    struct pv_reseal in = {.limit = limit};
    assert_int_equal(pv_sqlite_run_plain(&r->db, PV_S_BEGIN_WRITE), 0);
    assert_int_equal(r->db.rows.ops->reseal(&r->db.rows, &in), 0);
    assert_int_equal(pv_sqlite_run_plain(&r->db, PV_S_COMMIT), 0);
    return in;
}

static struct pv_reseal reseal(struct rig *r, size_t limit, bool restarts)
{
    struct pv_reseal in = {.ret_done = false};
    for (int i = 0; !in.ret_done; i++) {
        assert_true(i < 1000);
        uint64_t looked = in.ret_looked;
        in = slice(r, limit);
        assert_true(i == 0 || in.ret_looked <= looked + limit);
        if (restarts) {
            rig_shut(r);
            rig_reopen(r);
        }
    }
    return in;
}

static void one_key_needs_nothing(void **state)
{
    struct rig *r = *state;
    fill(r, 1);
    struct pv_reseal in = slice(r, 1);
    assert_true(in.ret_done);
    assert_int_equal(in.ret_looked, 0);
    assert_int_equal(in.ret_key, 1);
}

static void after_the_end_the_old_key_is_not_needed(void **state)
{
    struct rig *r = *state;
    for (int n = 1; n <= ROWS; n++) {
        fill(r, n);
    }
    int64_t values = sealed_with(r, 1);
    assert_int_equal(values, ROWS * 11 + ROWS - ROWS / 3);
    rig_rotate(r);
    fill(r, ROWS + 1); /* sealed with the new one at once */
    struct pv_reseal in = reseal(r, 5, false);
    assert_int_equal(in.ret_resealed, values);
    assert_int_equal(in.ret_unreadable, 0);
    assert_int_equal(in.ret_key, 2);
    assert_int_equal(sealed_with(r, 1), 0);
    read_all(r, ROWS + 1);
    rig_drop_line(r, 1);
    rig_shut(r);
    rig_reopen(r);
    read_all(r, ROWS + 1);
    assert_true(slice(r, 5).ret_done); /* it knows, and looks at nothing again */
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct rig *r = *state;
    for (int n = 1; n <= ROWS; n++) {
        fill(r, n);
    }
    int64_t values = sealed_with(r, 1);
    rig_rotate(r);
    struct pv_reseal in = reseal(r, 4, true);
    assert_int_equal(in.ret_resealed, values);
    assert_int_equal(in.ret_looked, ROWS * 9); /* every row once */
    rig_drop_line(r, 1);
    rig_shut(r);
    rig_reopen(r);
    read_all(r, ROWS);
}

static void values_of_several_keys_open_and_end_with_one(void **state)
{
    struct rig *r = *state;
    for (int n = 1; n <= ROWS; n++) {
        fill(r, n);
        if (n % 4 == 0) {
            rig_rotate(r);
            (void)slice(r, 7); /* each rotation begins anew */
            read_all(r, n);
        }
    }
    assert_int_equal(pv_keyring_newest(r->keyring), 4);
    assert_true(sealed_with(r, 1) > 0);
    reseal(r, 7, false);
    for (unsigned key = 1; key < 4; key++) {
        assert_int_equal(sealed_with(r, key), 0);
        rig_drop_line(r, key);
    }
    rig_shut(r);
    rig_reopen(r);
    read_all(r, ROWS);
}

static void refused_at_the_start(struct rig *r)
{
    struct pv_err err = {0};
    assert_int_equal(pv_keyring_open(r->keys, &r->keyring, &err), 0);
    assert_int_equal(rig_try_open(r, &err), PV_ECRYPTO);
    rig_shut(r);
}

static void a_key_that_is_missed_is_told_at_the_start(void **state)
{
    struct rig *r = *state;
    char both[8192];
    for (int n = 1; n <= ROWS; n++) {
        fill(r, n);
    }
    rig_rotate(r);
    assert_false(slice(r, 10).ret_done);
    rig_read_keys(r, both);
    rig_shut(r);
    rig_drop_line(r, 1); /* too early */
    refused_at_the_start(r);
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(r->keys, "w");
        assert_non_null(file);
        fputs(both, file);
        fclose(file);
        if (i == 0) {
            rig_drop_line(r, 2); /* a keys file from before */
            refused_at_the_start(r);
        }
    }
    rig_reopen(r);
    reseal(r, 50, false);
    read_all(r, ROWS);
}

static void what_cannot_be_opened_is_counted_and_left(void **state)
{
    struct rig *r = *state;
    for (int n = 1; n <= 3; n++) {
        fill(r, n);
    }
    rig_rotate(r);
    assert_int_equal(sqlite3_exec(r->db.db,
                                  "UPDATE docs SET doc_sealed = zeroblob(60) WHERE service_n=2 AND "
                                  "component='mail'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    struct pv_reseal in = reseal(r, 100, false);
    assert_int_equal(in.ret_unreadable, 1);
    assert_int_equal(sealed_with(r, 1), 0);
    assert_int_equal(ask(r, "SELECT count(*) FROM docs WHERE doc_sealed=zeroblob(60)"), 1);
}

static void a_store_takes_it_as_a_request(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    struct pv_reseal in = {.limit = 100};
    pv_req_init(&in.req, PV_REQ_RESEAL, NULL, NULL);
    assert_int_equal(fix_run(f, &in.req), 0);
    assert_true(in.ret_done);
    assert_int_equal(in.ret_key, f->kind == STORE_MEM ? 0 : 1);
    pv_req_done(&in.req);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(one_key_needs_nothing),
        ALONE(after_the_end_the_old_key_is_not_needed),
        ALONE(a_restart_goes_on_where_it_was),
        ALONE(values_of_several_keys_open_and_end_with_one),
        ALONE(a_key_that_is_missed_is_told_at_the_start),
        ALONE(what_cannot_be_opened_is_counted_and_left),
        BOTH(a_store_takes_it_as_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

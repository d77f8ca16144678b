/* SPDX-License-Identifier: Apache-2.0 */
/* What the store remembers of keys: those that were not found, and the filter of what the index
 * has. Neither may ever hide a key. How often the index was really read is SQLite's own count. */
#include "tests/store/harness.h"

#include "core/store/sqlite_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct open_db {
    char folder[64];
    char path[96];
    struct pv_keyring *keyring;
    struct pv_sqlite_db db;
    struct pv_logic logic;
};

static void open_it(struct open_db *o)
{
    struct pv_sqlite_options options = {.path = o->path, .keyring = o->keyring, .migrate = true};
    struct pv_err err = {0};
    o->logic = (struct pv_logic){.rows = &o->db.rows, .keyring = o->keyring, .writer = 1};
    pv_arena_init(&o->logic.scratch);
    if (pv_sqlite_db_open(&options, &o->db, &o->logic, &err)) {
        fail_msg("%s", err.text);
    }
}

static void close_it(struct open_db *o)
{
    pv_sqlite_db_close(&o->db);
    pv_arena_done(&o->logic.scratch);
}

static int setup(void **state)
{
    static const uint8_t keys[64] = {5};
    struct open_db *o = calloc(1, sizeof(*o));
    assert_non_null(o);
    const char *base = getenv("TMPDIR");
    snprintf(o->folder, sizeof(o->folder), "%.40s/pv-lookup-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(o->folder));
    snprintf(o->path, sizeof(o->path), "%s/provost.db", o->folder);
    assert_int_equal(pv_base_init(), 0);
    assert_int_equal(pv_keyring_fixed(keys, &o->keyring), 0);
    open_it(o);
    *state = o;
    return 0;
}

static int teardown(void **state)
{
    struct open_db *o = *state;
    close_it(o);
    pv_keyring_free(o->keyring);
    fix_remove_folder(o->folder);
    free(o);
    return 0;
}

static struct pv_id key_of(int n)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", n);
    const struct pv_str part = pv_str(text);
    return pv_id_of_parts(&part, 1);
}

/* Times that the index was read. */
static int reads(struct open_db *o)
{
    sqlite3_stmt *stmt = o->db.stmts[PV_S_KEY_GET];
    return stmt ? sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_RUN, 0) : 0;
}

static int64_t find(struct open_db *o, struct pv_id id)
{
    int64_t value = 0;
    int status = pv_sqlite_key_find(&o->db, PV_KEY_EVENT, id, &value);
    assert_true(status == 0 || status == PV_ENOTFOUND);
    return status ? -1 : value;
}

static void add(struct open_db *o, struct pv_id id, int64_t value)
{
    assert_int_equal(pv_sqlite_key_add(&o->db, PV_KEY_EVENT, id, value), 0);
}

static void begin(struct open_db *o)
{
    assert_int_equal(pv_sqlite_run_plain(&o->db, PV_S_BEGIN_WRITE), 0);
}

static void commit(struct open_db *o)
{
    assert_int_equal(pv_sqlite_keys_before_commit(&o->db), 0);
    assert_int_equal(pv_sqlite_run_plain(&o->db, PV_S_COMMIT), 0);
    pv_sqlite_keys_committed(&o->db);
}

static void what_was_not_found_is_remembered_until_it_is_added(void **state)
{
    struct open_db *o = *state;
    pv_filter_done(&o->db.filter);
    struct pv_id id = key_of(1);
    begin(o);
    assert_int_equal(find(o, id), -1);
    assert_int_equal(reads(o), 1);
    assert_int_equal(find(o, id), -1);
    assert_int_equal(reads(o), 1); /* not asked again */
    add(o, id, 7);
    assert_int_equal(find(o, id), 7);
    /* The transaction comes to nothing: it is not there, and nobody says that it is. */
    assert_int_equal(pv_sqlite_run_plain(&o->db, PV_S_ROLLBACK), 0);
    pv_sqlite_keys_rolled_back(&o->db);
    assert_int_equal(find(o, id), -1);
    assert_int_equal(find(o, id), -1);
    assert_int_equal(reads(o), 2);
    begin(o);
    add(o, id, 8);
    commit(o);
    assert_int_equal(find(o, id), 8);
}

/* Keys that share a place forget each other, and are answered all the same. */
static void keys_that_share_a_place_are_told_apart(void **state)
{
    struct open_db *o = *state;
    pv_filter_done(&o->db.filter);
    struct pv_id a = key_of(1);
    struct pv_id b = a;
    b.b[15] ^= 1;
    begin(o);
    assert_int_equal(find(o, a), -1);
    assert_int_equal(find(o, b), -1);
    assert_int_equal(find(o, a), -1);
    assert_int_equal(reads(o), 3);
    add(o, b, 2);
    assert_int_equal(find(o, a), -1);
    assert_int_equal(find(o, b), 2);
    int64_t value = 0;
    assert_int_equal(pv_sqlite_key_find(&o->db, PV_KEY_SERVICE, b, &value), PV_ENOTFOUND);
    commit(o);
    assert_int_equal(find(o, b), 2);
}

static void a_restart_forgets_what_was_missing(void **state)
{
    struct open_db *o = *state;
    pv_filter_done(&o->db.filter);
    assert_int_equal(find(o, key_of(1)), -1);
    begin(o);
    add(o, key_of(1), 3);
    commit(o);
    close_it(o);
    open_it(o);
    assert_int_equal(find(o, key_of(1)), 3);
}

/* ---- the filter ---- */

#define KEYS 20000

static void the_filter_hides_nothing(void **state)
{
    (void)state;
    struct pv_key_filter filter = {.whole = true};
    struct pv_tail_key key = pv_tail_key(PV_KEY_EVENT, key_of(0));
    assert_true(pv_filter_may_have(&filter, &key)); /* none: anything may be there */
    assert_int_equal(pv_filter_start(&filter, KEYS), 0);
    assert_true(pv_filter_may_have(&filter, &key)); /* not whole yet */
    for (int i = 0; i < 3 * KEYS; i++) {
        key = pv_tail_key(i % 2 ? PV_KEY_EVENT : PV_KEY_SERVICE, key_of(i));
        pv_filter_add(&filter, &key);
    }
    filter.whole = true;
    int wrong = 0;
    for (int i = 0; i < 3 * KEYS; i++) {
        key = pv_tail_key(i % 2 ? PV_KEY_EVENT : PV_KEY_SERVICE, key_of(i));
        assert_true(pv_filter_may_have(&filter, &key));
        key = pv_tail_key(PV_KEY_EVENT, key_of(-1 - i));
        wrong += pv_filter_may_have(&filter, &key) ? 1 : 0;
    }
    assert_in_range(wrong, 0, 3 * KEYS / 20);
    assert_false(pv_filter_is_full(&filter));
    for (int i = 0; i < KEYS; i++) {
        pv_filter_add(&filter, &key);
    }
    assert_true(pv_filter_is_full(&filter));
    pv_filter_done(&filter);
}

/* After a start, the filter is read from the index bit by bit; keys are found before, meanwhile and
 * after, and what is absent then costs almost no read. */
static void the_filter_is_learnt_after_a_start(void **state)
{
    struct open_db *o = *state;
    begin(o);
    for (int i = 0; i < KEYS; i++) {
        struct pv_tail_key key = pv_tail_key(PV_KEY_EVENT, key_of(i));
        sqlite3_stmt *stmt = NULL;
        assert_int_equal(
            sqlite3_prepare_v2(o->db.db, "INSERT INTO key_index VALUES(?1, ?2)", -1, &stmt, NULL),
            SQLITE_OK);
        sqlite3_bind_blob(stmt, 1, key.b, sizeof(key.b), SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, i);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        sqlite3_finalize(stmt);
    }
    commit(o);
    close_it(o);
    open_it(o);
    int rounds = 0;
    for (bool more = true; more; rounds++) {
        assert_int_equal(find(o, key_of(rounds)), rounds);
        assert_int_equal(find(o, key_of(KEYS - 1 - rounds)), KEYS - 1 - rounds);
        more = pv_sqlite_keys_learn(&o->db);
    }
    assert_in_range(rounds, 3, 10);
    assert_true(o->db.filter.whole);
    assert_int_equal(o->db.filter.count, KEYS);
    int before = reads(o);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(find(o, key_of(-1 - i)), -1);
    }
    assert_in_range(reads(o) - before, 0, KEYS / 20);
    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(find(o, key_of(i)), i);
    }
}

#define DB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB(what_was_not_found_is_remembered_until_it_is_added),
        DB(keys_that_share_a_place_are_told_apart),
        DB(a_restart_forgets_what_was_missing),
        cmocka_unit_test(the_filter_hides_nothing),
        DB(the_filter_is_learnt_after_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

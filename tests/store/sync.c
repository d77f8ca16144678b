/* SPDX-License-Identifier: Apache-2.0 */
/* A sync that fails, as on Linux: what it should have written can be read and never reaches the
 * disk, unless it is written again. Whoever waits is told, nothing is taken until the log is known
 * to be good, and what was acknowledged before and after survives a power loss at any later moment.
 */
#include "core/store/sqlite_db.h"
#include "tests/store/disk.h"
#include "tests/store/harness.h"
#include "tests/store/invariants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ACKS 200

struct sync_fix {
    struct fix f;
    char run[64];
    char image[64];
    struct {
        struct pv_id op;
        size_t moment;
    } acks[MAX_ACKS];
    size_t ack_count;
    int serial;
};

static void folder_of(char out[64])
{
    const char *base = getenv("TMPDIR");
    snprintf(out, 64, "%.40s/pv-sync-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(out));
}

static int setup(void **state)
{
    struct sync_fix *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    folder_of(s->run);
    folder_of(s->image);
    disk_begin(s->run, DISK_HONEST);
    fix_open_in(&s->f, s->run);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct sync_fix *s = *state;
    disk_end();
    disk_forget();
    fix_close(&s->f);
    fix_remove_folder(s->run);
    fix_remove_folder(s->image);
    free(s);
    return 0;
}

/* Accepts something new; what was acknowledged is remembered. */
static int accept_new(struct sync_fix *s)
{
    char name[16];
    snprintf(name, sizeof(name), "svc%d", s->serial++);
    struct one one;
    int status = accept_item(&s->f, &one, item_of(&s->f, name, PV_OP_CREATE));
    if (!status) {
        assert_int_equal(one.item.verdict, PV_ACCEPTED);
        assert_true(s->ack_count < MAX_ACKS);
        s->acks[s->ack_count].op = one.item.ret_op;
        s->acks[s->ack_count++].moment = disk_now();
    }
    one_done(&one);
    return status;
}

static void accept_some(struct sync_fix *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(accept_new(s), 0);
    }
}

/* Power fails at that moment: everything acknowledged before is there. */
static void assert_survives(struct sync_fix *s, size_t moment, uint64_t seed)
{
    disk_lose_power(moment, seed, s->image);
    struct fix g;
    char why[300] = "";
    fix_open_in(&g, s->image);
    for (size_t i = 0; i < s->ack_count; i++) {
        struct pv_get get;
        if (s->acks[i].moment <= moment && get_op(&g, &get, s->acks[i].op)) {
            fail_msg("moment %zu, seed %llu: %zu of %zu is lost", moment, (unsigned long long)seed,
                     i, s->ack_count);
        }
        if (s->acks[i].moment <= moment) {
            pv_req_done(&get.req);
        }
    }
    (void)audit_verify(&g);
    fix_close(&g);
    if (!store_holds(g.path, why, sizeof(why))) {
        fail_msg("moment %zu, seed %llu: %s", moment, (unsigned long long)seed, why);
    }
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < PV_COUNT(endings); i++) {
        char path[200];
        snprintf(path, sizeof(path), "%s%s", g.path, endings[i]);
        unlink(path);
    }
}

static void assert_survives_from(struct sync_fix *s, size_t first)
{
    size_t last = disk_now();
    for (size_t moment = first; moment <= last; moment++) {
        assert_survives(s, moment, moment);
        assert_survives(s, moment, moment + 1000);
    }
}

/* The log: whoever waits is refused, again and again; the next one is taken once it works. */
static void a_log_that_cannot_be_synced_refuses(void **state)
{
    struct sync_fix *s = *state;
    accept_some(s, 5);
    size_t before = disk_now();
    disk_break("-wal");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(accept_new(s), PV_EIO);
    }
    assert_true(disk_failed() >= 4);
    assert_int_equal(op_state(&s->f, s->acks[0].op), PV_OPS_READY); /* reads are answered */
    assert_int_equal(stats_of(&s->f).ret_unfinished, 5);
    disk_heal();
    accept_some(s, 5);
    assert_int_equal(stats_of(&s->f).ret_unfinished, 10);
    assert_survives_from(s, before);
    fix_restart(&s->f);
    accept_some(s, 2);
}

/* The writes of the log are gathered: what cannot be written is known before the commit, too. */
static void a_full_disk_refuses(void **state)
{
    struct sync_fix *s = *state;
    accept_some(s, 3);
    size_t before = disk_now();
    disk_fill("-wal");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(accept_new(s), PV_ENOSPACE);
    }
    assert_int_equal(disk_now(), before); /* nothing was written, nothing synced */
    assert_int_equal(op_state(&s->f, s->acks[0].op), PV_OPS_READY);
    disk_heal();
    accept_some(s, 3);
    assert_int_equal(stats_of(&s->f).ret_unfinished, 6);
    assert_survives_from(s, before);
}

static int rows_of(sqlite3 *db, const char *sql, int *ret)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        *ret = code == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
        code = sqlite3_finalize(stmt);
    }
    return code;
}

/* A transaction larger than the page cache comes to a page that it has put into the log, while the
 * disk is full: that statement fails alone, and the commit of the others writes all of the log. */
static void a_log_has_no_holes(void **state)
{
    struct sync_fix *s = *state;
    struct pv_sqlite_vfs vfs;
    char path[100];
    sqlite3 *db = NULL;
    int rows = 0;
    snprintf(path, sizeof(path), "%s/spilled.db", s->run);
    assert_int_equal(pv_sqlite_vfs_register(&vfs), SQLITE_OK);
    assert_int_equal(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs.name),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                  "PRAGMA cache_size=4; CREATE TABLE t (n INTEGER PRIMARY KEY, x);"
                                  "BEGIN; WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1"
                                  " FROM c WHERE n < 12) INSERT INTO t SELECT n, randomblob(3000)"
                                  " FROM c",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    disk_fill("-wal");
    const char *more = "INSERT INTO t SELECT n + 100, x FROM t";
    assert_int_equal(sqlite3_exec(db, more, NULL, NULL, NULL), SQLITE_FULL);
    disk_heal();
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    char copy[200];
    snprintf(copy, sizeof(copy), "cd %s && cp spilled.db copy.db && cp spilled.db-wal copy.db-wal",
             s->run);
    assert_int_equal(system(copy), 0); /* as a power loss leaves them */
    sqlite3_close(db);
    pv_sqlite_vfs_unregister(&vfs);
    snprintf(path, sizeof(path), "%s/copy.db", s->run);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(rows_of(db, "SELECT count(*) FROM t", &rows), SQLITE_OK);
    assert_int_equal(rows, 12);
    assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A dozen frames, and the disk is asked for two things. */
static void a_commit_is_one_write_and_one_sync(void **state)
{
    struct sync_fix *s = *state;
    accept_some(s, 3);
    for (int i = 0; i < 5; i++) {
        size_t before = disk_now();
        size_t syncs = disk_syncs();
        accept_some(s, 1);
        assert_int_equal(disk_now() - before, 2);
        assert_int_equal(disk_syncs() - syncs, 1);
    }
}

/* Each sync of a run fails once: every request is either refused, or there for good. */
static void sync_n_fails_for_every_n(void **state)
{
    struct sync_fix *s = *state;
    for (size_t n = 1; n < 12; n++) {
        size_t before = disk_now();
        size_t failures = disk_failed();
        disk_break_once(n);
        for (int i = 0; i < 4; i++) {
            int status = accept_new(s);
            assert_true(status == 0 || status == PV_EIO);
        }
        fix_shut(&s->f); /* moves the log into the database, which syncs too */
        struct pv_err err = {0};
        int opened = fix_open_again(&s->f, &err);
        if (opened) {
            assert_int_equal(opened, PV_EIO);
            assert_int_equal(fix_open_again(&s->f, &err), 0);
        }
        disk_heal();
        accept_some(s, 2);
        size_t step = (disk_now() - before) / 6 + 1;
        for (size_t moment = before; moment <= disk_now(); moment += step) {
            assert_survives(s, moment, n);
        }
        assert_survives(s, disk_now(), n + 100);
        assert_true(n > 6 || disk_failed() == failures + 1);
    }
}

/* The process ends right after a sync has failed. What can still be read of the log is not on the
 * disk; the next start has to write it again before it puts anything behind it. */
static void a_start_after_a_failed_sync_trusts_nothing(void **state)
{
    struct sync_fix *s = *state;
    struct pv_err err = {0};
    fix_shut(&s->f);
    disk_end_rudely(true);
    assert_int_equal(fix_open_again(&s->f, &err), 0);
    accept_some(s, 5);
    disk_break("-wal");
    assert_int_equal(accept_new(s), PV_EIO);
    fix_shut(&s->f);
    size_t failures = disk_failed();
    assert_int_equal(fix_open_again(&s->f, &err), PV_EIO); /* it is still broken */
    assert_true(disk_failed() > failures);
    assert_non_null(strstr(err.text, s->f.path));
    disk_heal();
    assert_int_equal(fix_open_again(&s->f, &err), 0);
    disk_end_rudely(false);
    size_t opened = disk_now();
    accept_some(s, 3);
    assert_survives_from(s, opened);
}

/* The database, while the log is moved into it. */
static void a_database_that_cannot_be_synced_refuses(void **state)
{
    struct sync_fix *s = *state;
    size_t before = disk_now();
    disk_break(".db");
    accept_some(s, 3);
    /* The store has been idle: it moves its log, and cannot. What comes then is refused. */
    disk_await_failure(disk_failed());
    assert_int_equal(accept_new(s), PV_EIO);
    disk_heal();
    accept_some(s, 3);
    assert_survives(s, before, 1);
    for (size_t moment = before; moment < disk_now(); moment += 3) {
        assert_survives(s, moment, moment);
    }
    assert_survives(s, disk_now(), 7);
}

#define SYNC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    disk_register();
    const struct CMUnitTest tests[] = {
        SYNC(a_log_that_cannot_be_synced_refuses),
        SYNC(a_full_disk_refuses),
        SYNC(a_log_has_no_holes),
        SYNC(a_commit_is_one_write_and_one_sync),
        SYNC(sync_n_fails_for_every_n),
        SYNC(a_start_after_a_failed_sync_trusts_nothing),
        SYNC(a_database_that_cannot_be_synced_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

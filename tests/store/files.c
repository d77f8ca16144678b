/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite adds: files and their modes, keys, schema versions, the lock, encryption, kill -9, a
 * full disk, requests that fail alone, tampering. */
#include "tests/store/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_sql(struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s: %s", sql, why);
    }
    sqlite3_close(db);
}

static void files_are_their_owners(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    static const char *const endings[] = {"", "-wal", ".lock"};
    for (size_t i = 0; i < PV_COUNT(endings); i++) {
        char path[200];
        struct stat st;
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void a_second_provostd_is_refused(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_sqlite_options options = {.path = f->path, .keyring = f->keyring};
    struct pv_store *other = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_sqlite_open(&f->loop, &options, &other, &err), PV_EBUSY);
    assert_non_null(strstr(err.text, "in use by another provostd"));
}

static void other_keys_are_refused(void **state)
{
    struct fix *f = fix_of(state);
    fix_shut(f);
    struct pv_keyring *right = f->keyring;
    static const uint8_t wrong[64] = {99};
    assert_int_equal(pv_keyring_fixed(wrong, &f->keyring), 0);
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), PV_ECRYPTO);
    assert_non_null(strstr(err.text, "other keys"));
    pv_keyring_free(f->keyring);
    f->keyring = right;
    assert_int_equal(fix_open_again(f, &err), 0);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fix *f = fix_of(state);
    fix_shut(f);
    run_sql(f, "INSERT INTO schema_version VALUES(999, 0)");
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), PV_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "schema version 999"));
    int found = 0;
    int wanted = 0;
    assert_int_equal(pv_sqlite_schema_status(f->path, &found, &wanted, &err), 0);
    assert_int_equal(found, 999);
    assert_true(wanted >= 1);
    run_sql(f, "DELETE FROM schema_version WHERE version=999");
    assert_int_equal(fix_open_again(f, &err), 0);
}

static void an_older_schema_is_migrated(void **state)
{
    struct fix *f = fix_of(state);
    make_active(f, "1");
    accept_op(f, "1", PV_OP_SUSPEND); /* is active in its service */
    accept_op(f, "1", PV_OP_RENEW);   /* waits behind it */
    fix_shut(f);
    run_sql(f, "DELETE FROM schema_version WHERE version > 3; DROP INDEX waiting_op;"
               "CREATE INDEX operations_live ON operations (state) WHERE state = 0");
    struct pv_sqlite_options options = {.path = f->path, .keyring = f->keyring};
    struct pv_store *other = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_sqlite_open(&f->loop, &options, &other, &err), PV_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "provost db migrate"));
    assert_int_equal(fix_open_again(f, &err), 0);
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .state = -2, .limit = 10};
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 2);
    pv_req_done(&list.req);
}

static void a_missing_schema_is_refused_without_leave(void **state)
{
    struct fix *f = fix_of(state);
    char path[200];
    snprintf(path, sizeof(path), "%s/empty.db", f->folder);
    struct pv_sqlite_options options = {.path = path, .keyring = f->keyring};
    struct pv_store *other = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_sqlite_open(&f->loop, &options, &other, &err), PV_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "provost db migrate"));
    snprintf(path, sizeof(path), "%s/none/empty.db", f->folder);
    assert_int_equal(pv_sqlite_open(&f->loop, &options, &other, &err), PV_ENOTFOUND);
    int found = 0;
    int wanted = 0;
    assert_int_not_equal(pv_sqlite_schema_status(path, &found, &wanted, &err), 0);
}

static void what_is_no_database_is_refused(void **state)
{
    struct fix *f = fix_of(state);
    char path[200];
    snprintf(path, sizeof(path), "%s/text.db", f->folder);
    FILE *text = fopen(path, "w");
    for (int i = 0; i < 500; i++) {
        fputs("this is no database\n", text);
    }
    fclose(text);
    struct pv_sqlite_options options = {.path = path, .keyring = f->keyring, .migrate = true};
    struct pv_store *other = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_sqlite_open(&f->loop, &options, &other, &err), PV_EIO);
    assert_non_null(strstr(err.text, "text.db"));
}

/* ---- encryption ---- */

static bool file_has(const char *path, const char *what)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    static char bytes[8 * 1024 * 1024];
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return memmem(bytes, len, what, strlen(what)) != NULL;
}

static void assert_nowhere(struct fix *f, const char *what)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < PV_COUNT(endings); i++) {
        char path[200];
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        if (file_has(path, what)) {
            fail_msg("%s stands in %s", what, path);
        }
    }
}

static void nothing_personal_is_readable(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_accept_item item = item_of(f, "1", PV_OP_CREATE);
    item.claim = true;
    item.body = PV_STR("marker-body");
    item.canonical = PV_STR("marker-canonical");
    item.plan = PV_STR("marker-plan");
    item.composition = PV_STR("marker-composition");
    struct one one;
    assert_int_equal(accept_item(f, &one, item), 0);
    struct pv_claimed *k = one.item.ret_claimed;
    struct pv_reserve r = reserve_of(f, k, PV_ASK_SECRET_NEW, "password");
    r.text = PV_STR("marker-secret");
    assert_int_equal(run_reserve(f, &r), 0);
    r.kind = PV_ASK_KV_PUT;
    r.text = PV_STR("marker-value");
    assert_int_equal(run_reserve(f, &r), 0);
    r.kind = PV_ASK_STATE_SAVE;
    r.text = PV_STR("marker-saved");
    assert_int_equal(run_reserve(f, &r), 0);
    struct pv_signal s = {.op = k->op, .name = PV_STR("n"), .body = PV_STR("marker-signal")};
    pv_req_init(&s.req, PV_REQ_SIGNAL, NULL, NULL);
    assert_int_equal(fix_run(f, &s.req), 0);
    struct pv_progress p = finish_of(f, k);
    p.doc_component = PV_STR("zone");
    p.doc = PV_STR("marker-doc");
    p.attrs = PV_STR("marker-attrs");
    p.result = PV_STR("marker-result");
    assert_int_equal(run_progress(f, &p), 0);
    assert_nowhere(f, "marker-");
    fix_shut(f);
    assert_nowhere(f, "marker-");
    assert_true(file_has(f->path, "allocate") || file_has(f->path, "shop")); /* it looks right */
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, item.op), 0);
    assert_true(pv_str_eq_c(get.ret_op.body, "marker-body"));
    assert_true(pv_str_eq_c(get.ret_op.plan, "marker-plan"));
    assert_true(pv_str_eq_c(get.ret_op.result, "marker-result"));
    pv_req_done(&get.req);
    assert_int_equal(get_service(f, &get, "1"), 0);
    assert_true(pv_str_eq_c(get.ret_attrs, "marker-attrs"));
    assert_true(pv_str_eq_c(get.ret_composition, "marker-composition"));
    assert_int_equal(get.ret_doc_count, 2);
    pv_req_done(&get.req);
    pv_req_done(&s.req);
    pv_req_done(&r.req);
    pv_req_done(&p.req);
    one_done(&one);
}

static void a_sealed_value_cannot_be_moved(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_id a = accept_op(f, "1", PV_OP_CREATE);
    struct pv_id b = accept_op(f, "2", PV_OP_CREATE);
    fix_shut(f);
    run_sql(f, "UPDATE operations SET body_sealed=(SELECT body_sealed FROM operations WHERE n=1) "
               "WHERE n=2");
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    struct pv_get get;
    assert_int_equal(get_op(f, &get, a), 0);
    pv_req_done(&get.req);
    assert_int_equal(get_op(f, &get, b), PV_ECRYPTO);
    pv_req_done(&get.req);
}

/* One that cannot be applied fails by itself; its neighbours in the batch are done. */
static void a_bad_request_fails_alone(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_id bad = accept_op(f, "1", PV_OP_CREATE);
    fix_shut(f);
    run_sql(f, "UPDATE operations SET body_sealed=x'00'");
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    struct one ones[9];
    struct pv_get get = {.of_op = true, .id = bad};
    pv_req_init(&get.req, PV_REQ_GET, NULL, NULL);
    for (size_t i = 0; i < 9; i++) {
        char name[16];
        snprintf(name, sizeof(name), "svc-%zu", i);
        ones[i] = (struct one){.item = item_of(f, name, PV_OP_CREATE)};
        ones[i].item.external_id = PV_STR("x");
        pv_req_init(&ones[i].accept.req, PV_REQ_ACCEPT, NULL, NULL);
        ones[i].accept.items = &ones[i].item;
        ones[i].accept.count = 1;
        ones[i].accept.now_ms = f->now_ms;
        ones[i].accept.epoch = f->store->epoch;
        fix_submit(f, &ones[i].accept.req);
        if (i == 4) {
            fix_submit(f, &get.req);
        }
    }
    fix_wait(f);
    assert_int_equal(get.req.status, PV_ECRYPTO);
    pv_req_done(&get.req);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(ones[i].accept.req.status, 0);
        assert_int_equal(ones[i].item.verdict, PV_ACCEPTED);
        one_done(&ones[i]);
    }
    assert_int_equal(stats_of(f).ret_unfinished, 10);
    assert_int_equal(audit_verify(f), 10);
}

static void tampering_breaks_the_chain(void **state)
{
    struct fix *f = fix_of(state);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%d", i);
        make_active(f, name);
    }
    fix_shut(f);
    run_sql(f, "UPDATE audit SET actor='nobody' WHERE n=2");
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    struct pv_list_req list = {.what = PV_LIST_AUDIT, .state = -1, .limit = 10};
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    assert_int_equal(fix_run(f, &list.req), 0);
    assert_int_equal(list.ret_count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct pv_hash hash = pv_audit_hash(&list.ret_audit[i]);
        assert_int_equal(pv_hash_eq(hash, list.ret_audit[i].hash), i != 1);
    }
    pv_req_done(&list.req);
}

/* ---- kill -9 ---- */

static void work_until_killed(const char *folder, int out)
{
    struct fix f;
    fix_open_in(&f, folder);
    f.next_id = (uint64_t)getpid() << 20;
    for (int i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d-%d", (int)getpid(), i);
        struct one one;
        struct pv_claimed *k = accept_run(&f, &one, name, PV_OP_CREATE);
        struct pv_id id = k->op;
        if (i % 3 == 0) {
            struct pv_progress p = finish_of(&f, k);
            assert_int_equal(run_progress(&f, &p), 0);
            pv_req_done(&p.req);
        }
        one_done(&one);
        if (write(out, id.b, sizeof(id.b)) != sizeof(id.b)) {
            _exit(1);
        }
    }
}

static void kill_9_loses_nothing(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char folder[64];
    snprintf(folder, sizeof(folder), "%.40s/pv-kill-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    static struct pv_id known[4000];
    size_t count = 0;
    for (int round = 0; round < 4; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            work_until_killed(folder, fds[1]);
        }
        close(fds[1]);
        for (size_t until = count + 50;;) {
            ssize_t got = read(fds[0], known[count].b, sizeof(known[count].b));
            if (got != sizeof(known[count].b)) {
                break;
            }
            count++;
            if (count == until) {
                kill(pid, SIGKILL);
            }
            assert_true(count < PV_COUNT(known));
        }
        close(fds[0]);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
    }
    struct fix f;
    fix_open_in(&f, folder);
    for (size_t i = 0; i < count; i++) {
        int found = op_state(&f, known[i]);
        assert_true(found == PV_OPS_READY || found == PV_OPS_DONE);
    }
    struct pv_stats stats = stats_of(&f);
    assert_int_equal(stats.ret_unfinished, f.store->unfinished);
    assert_int_equal(stats.ret_ready, stats.ret_unfinished);
    assert_true(audit_verify(&f) >= count);
    f.keep = false;
    snprintf(f.folder, sizeof(f.folder), "%s", folder);
    fix_close(&f);
}

/* ---- a full disk ---- */

#define FULL_SIZE "size=9m"
#define BURST 40

static void submit_burst(struct fix *f, struct one *ones, int serial)
{
    static char names[BURST][32];
    for (size_t i = 0; i < BURST; i++) {
        snprintf(names[i], sizeof(names[i]), "%d-%zu", serial, i);
        ones[i] = (struct one){.item = item_of(f, names[i], PV_OP_CREATE)};
        item_event(&ones[i].item, names[i]);
        pv_req_init(&ones[i].accept.req, PV_REQ_ACCEPT, NULL, NULL);
        ones[i].accept.items = &ones[i].item;
        ones[i].accept.count = 1;
        ones[i].accept.now_ms = f->now_ms;
        ones[i].accept.epoch = f->store->epoch;
        fix_submit(f, &ones[i].accept.req);
    }
    fix_wait(f);
}

static bool mount_small(char *folder)
{
    assert_non_null(mkdtemp(folder));
    if (mount("tmpfs", folder, "tmpfs", 0, FULL_SIZE) != 0) {
        rmdir(folder);
        return false;
    }
    return true;
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    char folder[] = "/tmp/pv-full-XXXXXX";
    if (!mount_small(folder)) {
        print_message("skipped: a small filesystem cannot be mounted here (%s)\n", strerror(errno));
        skip();
    }
    struct fix f;
    fix_open_in(&f, folder);
    static struct one ones[BURST];
    static struct pv_id known[20000];
    size_t count = 0;
    char ballast[64];
    snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(posix_fallocate(fd, 0, 5 * 1024 * 1024), 0);
    /* Until three bursts were refused whole: a smaller batch may still fit where a larger did not.
     * Nothing gets stuck, and reads are answered. */
    int refused = 0;
    int last = 0;
    for (int serial = 0; refused < 3 && serial < 400; serial++) {
        size_t before = count;
        submit_burst(&f, ones, serial);
        for (size_t i = 0; i < BURST; i++) {
            int status = ones[i].accept.req.status;
            if (status) {
                assert_int_equal(status, PV_ENOSPACE);
                assert_null(ones[i].item.ret_claimed);
            } else {
                known[count++] = ones[i].item.ret_op;
            }
            one_done(&ones[i]);
        }
        refused += count == before ? 1 : 0;
        last = serial;
        assert_int_equal(stats_of(&f).ret_unfinished, count);
        assert_int_equal(op_state(&f, known[0]), PV_OPS_READY);
    }
    assert_int_equal(refused, 3);
    /* Space is back: the store goes on by itself, and takes what it refused as something new. */
    close(fd);
    assert_int_equal(unlink(ballast), 0);
    submit_burst(&f, ones, last);
    for (size_t i = 0; i < BURST; i++) {
        assert_int_equal(ones[i].accept.req.status, 0);
        assert_int_equal(ones[i].item.verdict, PV_ACCEPTED);
        known[count++] = ones[i].item.ret_op;
        one_done(&ones[i]);
    }
    fix_restart(&f);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(op_state(&f, known[i]), PV_OPS_READY);
    }
    assert_int_equal(audit_verify(&f), count);
    fix_close(&f);
    assert_int_equal(umount(folder), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Another program holds the write lock: what comes is refused together, not one by one. */
static void a_database_that_is_held_refuses_all_at_once(void **state)
{
    struct fix *f = fix_of(state);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    static struct one ones[BURST];
    submit_burst(f, ones, 0);
    for (size_t i = 0; i < BURST; i++) {
        assert_int_equal(ones[i].accept.req.status, PV_EBUSY);
        one_done(&ones[i]);
    }
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    submit_burst(f, ones, 0);
    for (size_t i = 0; i < BURST; i++) {
        assert_int_equal(ones[i].accept.req.status, 0);
        one_done(&ones[i]);
    }
}

static void a_closed_store_takes_nothing(void **state)
{
    struct fix *f = fix_of(state);
    struct one one = {.item = item_of(f, "1", PV_OP_CREATE)};
    pv_req_init(&one.accept.req, PV_REQ_ACCEPT, NULL, NULL);
    one.accept.items = &one.item;
    one.accept.count = 1;
    one.accept.epoch = f->store->epoch;
    fix_submit(f, &one.accept.req);
    fix_shut(f); /* what was submitted is finished */
    assert_int_equal(one.accept.req.status, 0);
    one_done(&one);
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
    assert_int_equal(f->store->unfinished, 1);
}

/* ---- many keys ---- */

#define ARRAYS 80
#define ITEMS 1000

/* Accepts (or finds again) array `serial` of new services. */
static void accept_many(struct fix *f, int serial, enum pv_verdict want)
{
    static struct pv_accept_item items[ITEMS];
    static char names[ITEMS][24];
    for (size_t i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof(names[i]), "%d-%zu", serial, i);
        items[i] = item_of(f, names[i], PV_OP_CREATE);
        item_event(&items[i], names[i]);
    }
    struct pv_accept accept = {.items = items, .count = ITEMS, .now_ms = f->now_ms};
    pv_req_init(&accept.req, PV_REQ_ACCEPT, NULL, NULL);
    accept.epoch = f->store->epoch;
    assert_int_equal(fix_run(f, &accept.req), 0);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].verdict, want);
    }
    pv_req_done(&accept.req);
}

static int64_t number_of(struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return number;
}

/* Keys are found in memory, in the index, and in both; merges survive restarts in their midst. */
static void keys_are_found_while_they_are_merged(void **state)
{
    struct fix *f = fix_of(state);
    bool in_the_midst = false;
    for (int i = 0; i < ARRAYS; i++) {
        accept_many(f, i, PV_ACCEPTED);
        int64_t merged = number_of(f, "SELECT count(*) FROM key_index");
        if (merged > 0 && merged < 65536 && !in_the_midst) {
            in_the_midst = true;
            fix_restart(f);
        }
    }
    assert_true(in_the_midst);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ARRAYS; i += 11) {
            accept_many(f, i, PV_DUPLICATE);
        }
        fix_restart(f);
    }
    assert_int_equal(stats_of(f).ret_services, ARRAYS * ITEMS);
    assert_true(number_of(f, "SELECT count(*) FROM key_log") < 2 * ARRAYS * ITEMS);
    assert_int_equal(number_of(f, "SELECT count(*) FROM (SELECT key FROM key_index UNION "
                                  "SELECT key FROM key_log)"),
                     2 * ARRAYS * ITEMS);
}

#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQLITE(files_are_their_owners),
        SQLITE(a_second_provostd_is_refused),
        SQLITE(other_keys_are_refused),
        SQLITE(a_newer_schema_is_refused),
        SQLITE(an_older_schema_is_migrated),
        SQLITE(a_missing_schema_is_refused_without_leave),
        SQLITE(what_is_no_database_is_refused),
        SQLITE(nothing_personal_is_readable),
        SQLITE(a_sealed_value_cannot_be_moved),
        SQLITE(a_bad_request_fails_alone),
        SQLITE(tampering_breaks_the_chain),
        SQLITE(a_closed_store_takes_nothing),
        SQLITE(a_database_that_is_held_refuses_all_at_once),
        SQLITE(keys_are_found_while_they_are_merged),
        cmocka_unit_test(kill_9_loses_nothing),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a SQLite database: lock, settings, migrations, keys, and taking over from whoever ran
 * before. Blocks; on the thread that calls pv_sqlite_open. */
#include "core/store/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define RECLAIM_PAGE 512
#define MAX_SEAL (32u * 1024 * 1024)

static int fail(struct pv_sqlite_db *db, const char *path, int status, struct pv_err *err)
{
    return pv_err_set(err, status, "database %s: %s", path, db->error);
}

/* ---- the lock ---- */

static int take_lock(const char *path, int *ret_fd, struct pv_err *err)
{
    char name[4096];
    int len = snprintf(name, sizeof(name), "%s.lock", path);
    if (len < 0 || (size_t)len >= sizeof(name)) {
        return pv_err_set(err, PV_EINVAL, "database %s: the path is too long", path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "cannot open %s: %s", name,
                          strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int errnum = errno;
        close(fd);
        return errnum == EWOULDBLOCK
                   ? pv_err_set(err, PV_EBUSY, "database %s is in use by another provostd", path)
                   : pv_err_set(err, pv_status_from_errno(errnum), "cannot lock %s: %s", name,
                                strerror(errnum));
    }
    *ret_fd = fd;
    return PV_OK;
}

/* ---- the connection ---- */

static int exec(struct pv_sqlite_db *db, const char *sql)
{
    return pv_sqlite_status(db, sqlite3_exec(db->db, sql, NULL, NULL, NULL));
}

static int on_wal(void *user, sqlite3 *sql, const char *name, int frames)
{
    (void)sql;
    (void)name;
    struct pv_sqlite_db *db = user;
    db->wal_frames = frames;
    return SQLITE_OK;
}

/* Nobody asks SQLite how much memory it uses; keeping count costs a lock at every allocation. It
 * can only be said before the first use, and later changes nothing. */
static void set_up_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* A connection to a database that is there, with these pragmas and those that every one has. */
static int open_with(struct pv_sqlite_db *db, const char *path, const char *vfs,
                     const char *pragmas)
{
    int code = sqlite3_open_v2(
        path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
    int status = pv_sqlite_status(db, code);
    status = status ? status : exec(db, pragmas);
    return status ? status
                  : exec(db, "PRAGMA temp_store=MEMORY; PRAGMA busy_timeout=1000;"
                             "PRAGMA trusted_schema=OFF;");
}

static int connect_db(struct pv_sqlite_db *db, const char *path, struct pv_err *err)
{
    /* Made here, so that nobody else can read it; its WAL gets the same mode. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "cannot open database %s: %s", path,
                          strerror(errno));
    }
    close(fd);
    set_up_library();
    int status = pv_sqlite_status(db, pv_sqlite_vfs_register(&db->vfs));
    status = status ? status
                    : open_with(db, path, db->vfs.name,
                                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                "PRAGMA cache_size=-6144; PRAGMA foreign_keys=OFF;"
                                "PRAGMA wal_autocheckpoint=0;");
    status = status ? status : pv_pending_start(db);
    if (!status) {
        sqlite3_wal_hook(db->db, on_wal, db);
    }
    return status ? fail(db, path, status, err) : PV_OK;
}

/* ---- numbers and blobs out of one-off statements ---- */

static int query_i64(struct pv_sqlite_db *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->db, sql, -1, &stmt, NULL);
    int status = pv_sqlite_status(db, code);
    status = status ? status : pv_sqlite_one(db, stmt);
    if (!status) {
        *ret = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- migrations ---- */

/* 0: an empty database. */
static int schema_found(struct pv_sqlite_db *db, int *ret_found)
{
    int64_t version = 0;
    int64_t table = 0;
    int status = query_i64(
        db, "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='schema_version'",
        &table);
    if (!status && table) {
        status = query_i64(db, "SELECT coalesce(max(version), 0) FROM schema_version", &version);
    }
    *ret_found = (int)version;
    return status;
}

static int migrate_one(struct pv_sqlite_db *db, int version)
{
    char sql[200];
    snprintf(sql, sizeof(sql), "INSERT INTO schema_version VALUES(%d, %lld)", version,
             (long long)time(NULL) * 1000);
    int status = exec(db, "BEGIN IMMEDIATE");
    status = status ? status
                    : exec(db, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY "
                               "KEY, applied_ms INTEGER NOT NULL) STRICT");
    status = status ? status : exec(db, pv_sqlite_migrations[version - 1]);
    status = status ? status : exec(db, sql);
    status = status ? status : exec(db, "COMMIT");
    if (status && !sqlite3_get_autocommit(db->db)) {
        char kept[sizeof(db->error)];
        memcpy(kept, db->error, sizeof(kept));
        (void)exec(db, "ROLLBACK");
        memcpy(db->error, kept, sizeof(kept));
    }
    return status;
}

static int bring_schema(struct pv_sqlite_db *db, const struct pv_sqlite_options *options,
                        struct pv_err *err)
{
    int found = 0;
    int status = schema_found(db, &found);
    if (status) {
        return fail(db, options->path, status, err);
    }
    if (found > pv_sqlite_schema) {
        return pv_err_set(err, PV_EUNSUPPORTED,
                          "database %s has schema version %d, this provostd knows versions up to "
                          "%d: start the newer provostd that made it",
                          options->path, found, pv_sqlite_schema);
    }
    if (found < pv_sqlite_schema && !options->migrate) {
        return pv_err_set(err, PV_EUNSUPPORTED,
                          "database %s has schema version %d, this provostd needs %d: run `provost "
                          "db migrate`",
                          options->path, found, pv_sqlite_schema);
    }
    while (found < pv_sqlite_schema) {
        status = migrate_one(db, found + 1);
        if (status) {
            return pv_err_set(err, status, "database %s: migration to schema version %d: %s",
                              options->path, found + 1, db->error);
        }
        found++;
    }
    return PV_OK;
}

int pv_sqlite_schema_status(const char *path, int *ret_found, int *ret_wanted, struct pv_err *err)
{
    struct pv_sqlite_db db = {.lock_fd = -1};
    int code = sqlite3_open_v2(path, &db.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
    int status = pv_sqlite_status(&db, code);
    status = status ? status : schema_found(&db, ret_found);
    if (status) {
        fail(&db, path, status, err);
    }
    sqlite3_close(db.db);
    *ret_wanted = pv_sqlite_schema;
    return status;
}

/* ---- keys, deployment, epoch ---- */

static int check_keys(struct pv_sqlite_db *db, struct pv_arena *arena, const char *path,
                      struct pv_err *err)
{
    int status = pv_sqlite_check_keys(db, arena);
    if (status == PV_ECRYPTO) {
        return pv_err_set(err, PV_ECRYPTO,
                          "database %s needs other keys: put back the keys file that belongs to "
                          "it, with every key that values are still sealed with",
                          path);
    }
    return status ? fail(db, path, status, err) : PV_OK;
}

static int load_deployment(struct pv_sqlite_db *db, struct pv_logic *logic, struct pv_arena *arena)
{
    struct pv_str found = {NULL, 0};
    int status = pv_sqlite_meta_get(db, "deployment", arena, &found);
    if (status == PV_ENOTFOUND) {
        randombytes_buf(logic->deployment.b, sizeof(logic->deployment.b));
        return pv_sqlite_meta_put(
            db, "deployment",
            (struct pv_str){(const char *)logic->deployment.b, sizeof(logic->deployment.b)});
    }
    if (!status && found.len == sizeof(logic->deployment.b)) {
        memcpy(logic->deployment.b, found.ptr, found.len);
    }
    return status;
}

static int raise_epoch(struct pv_sqlite_db *db, struct pv_logic *logic)
{
    int64_t epoch = 0;
    int status = query_i64(db,
                           "INSERT INTO meta VALUES('epoch', 1) ON CONFLICT(name) DO UPDATE SET "
                           "value=value+1 RETURNING value",
                           &epoch);
    logic->epoch = (uint64_t)epoch;
    return status;
}

/* ---- what is there ---- */

static int load_tally(struct pv_sqlite_db *db, struct pv_logic *logic)
{
    struct {
        const char *sql;
        uint64_t *to;
    } counts[] = {
        {"SELECT count(*) FROM services INDEXED BY services_live WHERE active_state <> 0 AND "
         "active_state=2",
         &logic->tally.ready},
        {"SELECT count(*) FROM services INDEXED BY services_live WHERE active_state <> 0 AND "
         "active_state=3",
         &logic->tally.running},
        {"SELECT count(*) FROM services INDEXED BY services_live WHERE active_state <> 0 AND "
         "active_state=4",
         &logic->tally.parked},
        {"SELECT count(*) FROM waiting", &logic->tally.queued},
        {"SELECT coalesce(max(n), 0) FROM services", &logic->tally.services},
        {"SELECT coalesce(max(n), 0) FROM audit", &logic->tally.audit_n},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        int64_t value = 0;
        int status = query_i64(db, counts[i].sql, &value);
        if (status) {
            return status;
        }
        *counts[i].to = (uint64_t)value;
    }
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_AUDIT_HASH, &status);
    if (stmt && logic->tally.audit_n > 0) {
        sqlite3_bind_int64(stmt, 1, (int64_t)logic->tally.audit_n);
        status = pv_sqlite_one(db, stmt);
        if (!status) {
            pv_column_hash(stmt, 0, &logic->tally.audit_hash);
        }
        sqlite3_reset(stmt);
    }
    return status;
}

static int take_over(struct pv_sqlite_db *db, struct pv_logic *logic)
{
    int64_t after = 0;
    bool more = true;
    int status = load_tally(db, logic);
    /* An event and a service an operation, and half as many again. */
    status = status ? status : pv_sqlite_keys_load(db, (size_t)logic->tally.services * 3);
    while (more && !status) {
        status = pv_sqlite_run_plain(db, PV_S_BEGIN_WRITE);
        status = status ? status : pv_logic_reclaim(logic, RECLAIM_PAGE, &after, &more);
        status = status ? status : pv_sqlite_run_plain(db, PV_S_COMMIT);
    }
    return status;
}

static int start_up(const struct pv_sqlite_options *options, struct pv_sqlite_db *db,
                    struct pv_logic *logic, struct pv_err *err)
{
    struct pv_arena arena;
    pv_arena_init(&arena);
    int status = pv_sqlite_run_plain(db, PV_S_BEGIN_WRITE);
    status =
        status ? fail(db, options->path, status, err) : check_keys(db, &arena, options->path, err);
    if (!status) {
        status = load_deployment(db, logic, &arena);
        status = status ? status : raise_epoch(db, logic);
        status = status ? status : pv_sqlite_run_plain(db, PV_S_COMMIT);
        status = status ? status : take_over(db, logic);
        if (status) {
            fail(db, options->path, status, err);
        }
    }
    pv_arena_done(&arena);
    return status;
}

/* Whoever ran before may have ended with a sync that failed. */
static int make_good(struct pv_sqlite_db *db, const char *path, struct pv_err *err)
{
    int status = pv_sqlite_renew(db);
    return status ? fail(db, path, status, err) : PV_OK;
}

void pv_sqlite_db_init(struct pv_sqlite_db *db, const struct pv_keyring *keyring)
{
    *db = (struct pv_sqlite_db){.keyring = keyring, .lock_fd = -1};
    pv_sqlite_rows(&db->ops);
    pv_sqlite_things(&db->ops);
    pv_sqlite_reserves(&db->ops);
    pv_sqlite_pages(&db->ops);
    pv_sqlite_outbox(&db->ops);
    db->ops.reseal = pv_sqlite_reseal;
    db->rows.ops = &db->ops;
    pv_tail_init(&db->tail);
    for (size_t i = 0; i < PV_SEALS; i++) {
        pv_buf_init(&db->seals[i], MAX_SEAL);
    }
}

int pv_sqlite_open_reader(struct pv_sqlite_db *db, const char *path)
{
    db->reader = true;
    int status = open_with(db, path, NULL, "PRAGMA query_only=1; PRAGMA cache_size=-1024;");
    if (status) {
        sqlite3_close(db->db);
        db->db = NULL;
    }
    return status;
}

int pv_sqlite_db_open(const struct pv_sqlite_options *options, struct pv_sqlite_db *db,
                      struct pv_logic *logic, struct pv_err *err)
{
    pv_sqlite_db_init(db, options->keyring);
    int status = take_lock(options->path, &db->lock_fd, err);
    status = status ? status : connect_db(db, options->path, err);
    status = status ? status : make_good(db, options->path, err);
    status = status ? status : bring_schema(db, options, err);
    status = status ? status : start_up(options, db, logic, err);
    if (status) {
        pv_sqlite_db_close(db);
    }
    return status;
}

void pv_sqlite_db_close(struct pv_sqlite_db *db)
{
    for (size_t i = 0; i < PV_S_COUNT; i++) {
        sqlite3_finalize(db->stmts[i]);
        db->stmts[i] = NULL;
    }
    sqlite3_close(db->db);
    db->db = NULL;
    pv_sqlite_vfs_unregister(&db->vfs);
    pv_pending_end(db);
    pv_tail_done(&db->tail);
    pv_filter_done(&db->filter);
    for (size_t i = 0; i < PV_SEALS; i++) {
        pv_buf_done(&db->seals[i]);
    }
    if (db->lock_fd >= 0) {
        close(db->lock_fd);
        db->lock_fd = -1;
    }
}

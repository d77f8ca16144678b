/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: notifications and who gets them. */
#include "core/store/sqlite_db.h"

static void bind_due(sqlite3_stmt *stmt, int at, int64_t due_ms)
{
    if (due_ms == PV_NEVER) {
        sqlite3_bind_null(stmt, at);
    } else {
        sqlite3_bind_int64(stmt, at, due_ms);
    }
}

static int sql_outbox_add(struct pv_rows *rows, const struct pv_outbox_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_ADD, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity identity = pv_identity_outbox(row->op, row->subscriber);
    pv_bind_str(stmt, 1, row->subscriber);
    sqlite3_bind_int64(stmt, 2, row->service_n);
    sqlite3_bind_int64(stmt, 3, (int64_t)row->audit_n);
    sqlite3_bind_int(stmt, 4, row->type);
    pv_bind_id(stmt, 5, &row->op);
    pv_bind_id(stmt, 6, &row->service);
    sqlite3_bind_int64(stmt, 7, row->at_ms);
    sqlite3_bind_int64(stmt, 8, row->since_ms);
    bind_due(stmt, 9, row->due_ms);
    status = pv_bind_sealed(db, stmt, 10, 0, pv_identity_str(&identity),
                            row->body.ptr ? row->body : PV_STR(""));
    return status ? status : pv_sqlite_run(db, stmt);
}

static int sql_outbox_del(struct pv_rows *rows, uint64_t n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_DEL, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)n);
    return pv_sqlite_run(db, stmt);
}

static int sql_outbox_set(struct pv_rows *rows, const struct pv_outbox_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_SET, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)row->n);
    sqlite3_bind_int64(stmt, 2, row->since_ms);
    bind_due(stmt, 3, row->due_ms);
    sqlite3_bind_int64(stmt, 4, row->attempts);
    sqlite3_bind_int(stmt, 5, row->undelivered);
    pv_bind_str(stmt, 6, row->error);
    return pv_sqlite_run(db, stmt);
}

/* All but the body. */
static int read_row(sqlite3_stmt *stmt, struct pv_arena *arena, struct pv_outbox_row *row)
{
    int status = PV_OK;
    *row = (struct pv_outbox_row){
        .n = (uint64_t)sqlite3_column_int64(stmt, 0),
        .service_n = sqlite3_column_int64(stmt, 2),
        .audit_n = (uint64_t)sqlite3_column_int64(stmt, 3),
        .type = sqlite3_column_int(stmt, 4),
        .at_ms = sqlite3_column_int64(stmt, 7),
        .since_ms = sqlite3_column_int64(stmt, 8),
        .due_ms =
            sqlite3_column_type(stmt, 9) == SQLITE_NULL ? PV_NEVER : sqlite3_column_int64(stmt, 9),
        .attempts = (uint32_t)sqlite3_column_int64(stmt, 10),
        .undelivered = sqlite3_column_int(stmt, 11) != 0,
    };
    pv_column_str(stmt, 1, arena, &row->subscriber, &status);
    pv_column_id(stmt, 5, &row->op);
    pv_column_id(stmt, 6, &row->service);
    pv_column_str(stmt, 12, arena, &row->error, &status);
    return status;
}

static int sql_outbox_get(struct pv_rows *rows, uint64_t n, struct pv_arena *arena,
                          struct pv_outbox_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_GET, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)n);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_row(stmt, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_outbox_head(struct pv_rows *rows, struct pv_str subscriber, int64_t service_n,
                           struct pv_arena *arena, struct pv_outbox_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_HEAD, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, subscriber);
    sqlite3_bind_int64(stmt, 2, service_n);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_row(stmt, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

/* Those due until then get their body, unless it cannot be opened. */
static int read_due(struct pv_sqlite_db *db, sqlite3_stmt *stmt, const void *now_ms,
                    struct pv_arena *arena, void *ret)
{
    struct pv_outbox_row *out = ret;
    int status = read_row(stmt, arena, out);
    if (!status && out->due_ms <= *(const int64_t *)now_ms) {
        struct pv_identity identity = pv_identity_outbox(out->op, out->subscriber);
        pv_column_sealed(db, stmt, 13, pv_identity_str(&identity), arena, &out->body, &status);
    }
    return status == PV_ECRYPTO ? PV_OK : status;
}

/* Runs a bound statement whose rows are an outbox's. */
static int read_rows(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int64_t now_ms,
                     struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count)
{
    const struct pv_sqlite_shape shape = {sizeof(**ret), read_due, &now_ms};
    int status = PV_OK;
    *ret = pv_sqlite_list(db, stmt, &shape, arena, ret_count, &status);
    return status;
}

static int sql_outbox_take(struct pv_rows *rows, struct pv_str subscriber, int64_t now_ms,
                           size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                           size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_TAKE, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, subscriber);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    return read_rows(db, stmt, now_ms, arena, ret, ret_count);
}

/* One of the statements whose parameters are a subscriber, a number and how many; no bodies. */
static int select_rows(struct pv_rows *rows, enum pv_stmt which, struct pv_str subscriber,
                       int64_t number, size_t limit, struct pv_arena *arena,
                       struct pv_outbox_row **ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, subscriber);
    sqlite3_bind_int64(stmt, 2, number);
    sqlite3_bind_int64(stmt, 3, (int64_t)limit);
    return read_rows(db, stmt, INT64_MIN, arena, ret, ret_count);
}

static int sql_outbox_list(struct pv_rows *rows, struct pv_str subscriber, uint64_t after,
                           size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                           size_t *ret_count)
{
    return select_rows(rows, PV_S_OUTBOX_LIST, subscriber, (int64_t)after, limit, arena, ret,
                       ret_count);
}

static int sql_outbox_expired(struct pv_rows *rows, struct pv_str subscriber, int64_t before_ms,
                              size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                              size_t *ret_count)
{
    return select_rows(rows, PV_S_OUTBOX_EXPIRED, subscriber, before_ms, limit, arena, ret,
                       ret_count);
}

static int sql_outbox_failed(struct pv_rows *rows, struct pv_str subscriber, size_t limit,
                             struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_FAILED, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, subscriber);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    return read_rows(db, stmt, INT64_MIN, arena, ret, ret_count);
}

static int run_with(struct pv_rows *rows, enum pv_stmt which, struct pv_str name)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, name);
    return pv_sqlite_run(db, stmt);
}

static int sql_outbox_drop(struct pv_rows *rows, struct pv_str subscriber)
{
    return run_with(rows, PV_S_OUTBOX_DROP, subscriber);
}

/* ---- subscribers ---- */

static int read_subscriber(struct pv_sqlite_db *db, sqlite3_stmt *stmt, const void *of,
                           struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    struct pv_subscriber_row *row = ret;
    int status = PV_OK;
    *row = (struct pv_subscriber_row){
        .since_n = (uint64_t)sqlite3_column_int64(stmt, 1),
        .disabled_ms = sqlite3_column_int64(stmt, 2),
        .written = (uint64_t)sqlite3_column_int64(stmt, 4),
        .delivered = (uint64_t)sqlite3_column_int64(stmt, 5),
        .undelivered = (uint64_t)sqlite3_column_int64(stmt, 6),
        .delivered_ms = sqlite3_column_int64(stmt, 7),
    };
    pv_column_str(stmt, 0, arena, &row->name, &status);
    pv_column_str(stmt, 3, arena, &row->reason, &status);
    return status;
}

static int sql_subscriber_get(struct pv_rows *rows, struct pv_str name, struct pv_arena *arena,
                              struct pv_subscriber_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_SUBSCRIBER_GET, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, name);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_subscriber(db, stmt, NULL, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_subscriber_put(struct pv_rows *rows, const struct pv_subscriber_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_SUBSCRIBER_PUT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, row->name);
    sqlite3_bind_int64(stmt, 2, (int64_t)row->since_n);
    sqlite3_bind_int64(stmt, 3, row->disabled_ms);
    pv_bind_str(stmt, 4, row->reason);
    sqlite3_bind_int64(stmt, 5, (int64_t)row->written);
    sqlite3_bind_int64(stmt, 6, (int64_t)row->delivered);
    sqlite3_bind_int64(stmt, 7, (int64_t)row->undelivered);
    sqlite3_bind_int64(stmt, 8, row->delivered_ms);
    return pv_sqlite_run(db, stmt);
}

static int sql_subscriber_del(struct pv_rows *rows, struct pv_str name)
{
    return run_with(rows, PV_S_SUBSCRIBER_DEL, name);
}

static int sql_subscriber_list(struct pv_rows *rows, struct pv_arena *arena,
                               struct pv_subscriber_row **ret, size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_subscriber, NULL};
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_SUBSCRIBER_LIST, &status);
    if (stmt) {
        *ret = pv_sqlite_list(db, stmt, &shape, arena, ret_count, &status);
    }
    return status;
}

void pv_sqlite_outbox(struct pv_rows_ops *ops)
{
    ops->outbox_add = sql_outbox_add;
    ops->outbox_del = sql_outbox_del;
    ops->outbox_set = sql_outbox_set;
    ops->outbox_get = sql_outbox_get;
    ops->outbox_head = sql_outbox_head;
    ops->outbox_take = sql_outbox_take;
    ops->outbox_list = sql_outbox_list;
    ops->outbox_failed = sql_outbox_failed;
    ops->outbox_expired = sql_outbox_expired;
    ops->outbox_drop = sql_outbox_drop;
    ops->subscriber_get = sql_subscriber_get;
    ops->subscriber_put = sql_subscriber_put;
    ops->subscriber_del = sql_subscriber_del;
    ops->subscriber_list = sql_subscriber_list;
}

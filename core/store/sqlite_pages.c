/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: pages of services and operations, the audit trail, tokens.
 */
#include "core/store/sqlite_db.h"

#include <stdio.h>

/* ---- pages: rare, of many shapes, so prepared each time ---- */

/* What a page walks: numbers in its order, and what the filter asks of them: source, state, whether
 * it is QUEUED. An index answers the part of the filter that leaves out most; the rest is judged
 * row by row, and the walk ends after PV_PAGE_WALK rows. */
static int operations_sql(const struct pv_filter *filter, char *sql, size_t size)
{
#define ACTIVE                                                                                     \
    "SELECT active_n, source, %d, 0 FROM services INDEXED BY services_live "                       \
    "WHERE active_state <> 0 AND active_state=%d AND active_n<?1 "
#define WAITING                                                                                    \
    "SELECT w.op_n, s.source, 0, 1 FROM waiting w INDEXED BY waiting_op "                          \
    "JOIN services s ON s.n=w.service_n WHERE w.op_n<?1 "
    int state = filter->state;
    if (state >= PV_OPS_READY && state <= PV_OPS_NEEDS_OPERATOR) {
        return filter->service_n
                   ? snprintf(sql, size,
                              "SELECT active_n, source, active_state, 0 FROM services WHERE n=?3 "
                              "AND active_state=%d AND active_n<?1",
                              state)
                   : snprintf(sql, size, ACTIVE "ORDER BY active_n DESC", state, state);
    }
    if (state == PV_OPS_QUEUED && !filter->service_n) {
        return snprintf(sql, size, WAITING "ORDER BY w.op_n DESC");
    }
    if (state == -2 && !filter->service_n) { /* each part is in order: they are merged */
        return snprintf(sql, size,
                        ACTIVE "UNION ALL " ACTIVE "UNION ALL " ACTIVE "UNION ALL " WAITING
                               "ORDER BY 1 DESC",
                        0, PV_OPS_READY, 0, PV_OPS_RUNNING, 0, PV_OPS_NEEDS_OPERATOR);
    }
    char walk[80] = "NOT INDEXED WHERE";
    if (filter->service_n) {
        snprintf(walk, sizeof(walk), "INDEXED BY operations_service WHERE service_n=?3 AND");
    } else if (state > PV_OPS_DONE) {
        snprintf(walk, sizeof(walk), "INDEXED BY operations_failed WHERE state=%d AND state>10 AND",
                 state);
    } else if (filter->source.ptr) {
        snprintf(walk, sizeof(walk), "INDEXED BY operations_source WHERE source=?2 AND");
    }
    return snprintf(sql, size,
                    "SELECT n, source, state, %s FROM operations o %s n<?1 ORDER BY n DESC",
                    state == PV_OPS_QUEUED
                        ? "EXISTS (SELECT 1 FROM waiting w WHERE w.service_n=o.service_n AND "
                          "w.op_n=o.n)"
                        : "0",
                    walk);
#undef ACTIVE
#undef WAITING
}

static int services_sql(const struct pv_filter *filter, char *sql, size_t size)
{
    return snprintf(sql, size, "SELECT n, source, observed, 0 FROM services %s n>?1 ORDER BY n",
                    filter->service_n    ? "WHERE n=?3 AND"
                    : filter->source.ptr ? "INDEXED BY services_source WHERE source=?2 AND"
                                         : "NOT INDEXED WHERE");
}

static bool source_matches(const struct pv_filter *filter, sqlite3_stmt *stmt, int column)
{
    if (!filter->source.ptr) {
        return true;
    }
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);
    return text && pv_str_eq((struct pv_str){text, len}, filter->source);
}

static bool row_matches(const struct pv_filter *filter, sqlite3_stmt *stmt)
{
    int state = sqlite3_column_int(stmt, 2);
    if (!source_matches(filter, stmt, 1)) {
        return false;
    }
    if (filter->what == PV_LIST_OPERATIONS && filter->state == PV_OPS_QUEUED) {
        return state == 0 && sqlite3_column_int(stmt, 3) != 0;
    }
    return filter->state == -1 || state == (filter->state == -2 ? 0 : filter->state);
}

static int prepare_page(struct pv_sqlite_db *db, const struct pv_filter *filter, const char *sql,
                        int64_t from, sqlite3_stmt **ret)
{
    int status = pv_pending_flush(db, PV_PENDING_ALL);
    if (status) {
        return status;
    }
    int code = sqlite3_prepare_v2(db->db, sql, -1, ret, NULL);
    if (code != SQLITE_OK) {
        return pv_sqlite_status(db, code);
    }
    /* Not every statement has every parameter. */
    sqlite3_bind_int64(*ret, 1, from);
    if (filter->source.ptr && sqlite3_bind_parameter_count(*ret) >= 2) {
        pv_bind_str(*ret, 2, filter->source);
    }
    if (filter->service_n && sqlite3_bind_parameter_count(*ret) >= 3) {
        sqlite3_bind_int64(*ret, 3, filter->service_n);
    }
    return PV_OK;
}

static int sql_list(struct pv_rows *rows, const struct pv_filter *filter, int64_t *ret_n,
                    size_t *ret_count, int64_t *ret_stopped)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    char sql[768];
    int64_t from = filter->after_n;
    if (filter->what == PV_LIST_OPERATIONS) {
        operations_sql(filter, sql, sizeof(sql));
        from = from ? from : INT64_MAX;
    } else {
        services_sql(filter, sql, sizeof(sql));
    }
    sqlite3_stmt *stmt = NULL;
    int status = prepare_page(db, filter, sql, from, &stmt);
    size_t count = 0;
    *ret_stopped = 0;
    for (size_t walked = 1; !status && count < filter->limit; walked++) {
        bool row = false;
        status = pv_sqlite_next(db, stmt, &row);
        if (status || !row) {
            break;
        }
        int64_t n = sqlite3_column_int64(stmt, 0);
        if (row_matches(filter, stmt)) {
            ret_n[count++] = n;
        } else if (walked >= PV_PAGE_WALK) {
            *ret_stopped = n;
            break;
        }
    }
    sqlite3_finalize(stmt);
    *ret_count = count;
    return status;
}

/* ---- audit ---- */

static int sql_audit_add(struct pv_rows *rows, const struct pv_audit_row *row, int64_t service_n)
{
    return pv_pending_audit(pv_sqlite_db_of(rows), row, service_n);
}

static int audit_hash(struct pv_sqlite_db *db, uint64_t n, struct pv_hash *ret)
{
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_AUDIT_HASH, &status);
    if (!stmt) {
        return status;
    }
    *ret = (struct pv_hash){{0}};
    sqlite3_bind_int64(stmt, 1, (int64_t)n);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        pv_column_hash(stmt, 0, ret);
    }
    sqlite3_reset(stmt);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

static int read_audit(struct pv_sqlite_db *db, sqlite3_stmt *stmt, struct pv_arena *arena,
                      struct pv_audit_row *row)
{
    int status = PV_OK;
    row->n = (uint64_t)sqlite3_column_int64(stmt, 0);
    row->writer = (uint32_t)sqlite3_column_int64(stmt, 1);
    row->at_ms = sqlite3_column_int64(stmt, 2);
    pv_column_str(stmt, 3, arena, &row->record.actor, &status);
    pv_column_str(stmt, 4, arena, &row->record.what, &status);
    pv_column_str(stmt, 5, arena, &row->record.source, &status);
    pv_column_str(stmt, 6, arena, &row->record.detail, &status);
    pv_column_id(stmt, 7, &row->record.service);
    pv_column_id(stmt, 8, &row->record.op);
    pv_column_hash(stmt, 9, &row->record.digest);
    pv_column_hash(stmt, 10, &row->hash);
    return status ? status : audit_hash(db, row->n - 1, &row->previous);
}

static int sql_audit_list(struct pv_rows *rows, const struct pv_filter *filter,
                          struct pv_arena *arena, struct pv_audit_row **ret, size_t *ret_count,
                          int64_t *ret_stopped)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    char sql[400];
    snprintf(sql, sizeof(sql),
             "SELECT n, writer, at_ms, actor, what, source, detail, service, op, digest, hash "
             "FROM audit %s n>?1 ORDER BY n",
             filter->service_n
                 ? "INDEXED BY audit_service WHERE service_n=?3 AND service_n <> 0 AND"
                 : "NOT INDEXED WHERE");
    struct pv_audit_row *list = pv_arena_alloc(arena, filter->limit * sizeof(*list));
    if (!list) {
        return PV_ENOMEM;
    }
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int status = prepare_page(db, filter, sql, filter->after_n, &stmt);
    *ret_stopped = 0;
    for (size_t walked = 1; !status && count < filter->limit; walked++) {
        bool row = false;
        status = pv_sqlite_next(db, stmt, &row);
        if (status || !row) {
            break;
        }
        if (source_matches(filter, stmt, 5)) {
            status = read_audit(db, stmt, arena, &list[count++]);
        } else if (walked >= PV_PAGE_WALK) {
            *ret_stopped = sqlite3_column_int64(stmt, 0);
            break;
        }
    }
    sqlite3_finalize(stmt);
    *ret = list;
    *ret_count = count;
    return status;
}

/* ---- tokens, pauses ---- */

static int read_token(struct pv_sqlite_db *db, sqlite3_stmt *stmt, const void *of,
                      struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    struct pv_token_row *row = ret;
    int status = PV_OK;
    pv_column_id(stmt, 0, &row->id);
    pv_column_str(stmt, 1, arena, &row->source, &status);
    pv_column_str(stmt, 2, arena, &row->scopes, &status);
    row->created_ms = sqlite3_column_int64(stmt, 3);
    row->expires_ms = sqlite3_column_int64(stmt, 4);
    row->revoked_ms = sqlite3_column_int64(stmt, 5);
    pv_column_hash(stmt, 6, &row->secret_hash);
    row->rate = sqlite3_column_int64(stmt, 7);
    row->burst = sqlite3_column_int64(stmt, 8);
    return status;
}

static int sql_token_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                           struct pv_token_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_TOKEN_BY_ID, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_id(stmt, 1, &id);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_token(db, stmt, NULL, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_token_by_hash(struct pv_rows *rows, struct pv_hash hash, struct pv_arena *arena,
                             struct pv_token_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_TOKEN_BY_HASH, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_hash(stmt, 1, &hash);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_token(db, stmt, NULL, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_token_put(struct pv_rows *rows, const struct pv_token_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_TOKEN_PUT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_id(stmt, 1, &row->id);
    pv_bind_str(stmt, 2, row->source.ptr ? row->source : PV_STR(""));
    pv_bind_str(stmt, 3, row->scopes.ptr ? row->scopes : PV_STR(""));
    sqlite3_bind_int64(stmt, 4, row->created_ms);
    sqlite3_bind_int64(stmt, 5, row->expires_ms);
    sqlite3_bind_int64(stmt, 6, row->revoked_ms);
    pv_bind_hash(stmt, 7, &row->secret_hash);
    sqlite3_bind_int64(stmt, 8, row->rate);
    sqlite3_bind_int64(stmt, 9, row->burst);
    return pv_sqlite_run(db, stmt);
}

static int sql_token_list(struct pv_rows *rows, struct pv_id after, size_t limit,
                          struct pv_arena *arena, struct pv_token_row **ret, size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_token, NULL};
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_TOKEN_LIST, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_id(stmt, 1, &after);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    *ret = pv_sqlite_list(db, stmt, &shape, arena, ret_count, &status);
    return status;
}

static int sql_pause_put(struct pv_rows *rows, struct pv_str instance, bool paused)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, paused ? PV_S_PAUSE_ADD : PV_S_PAUSE_DEL, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, instance.ptr ? instance : PV_STR(""));
    return pv_sqlite_run(db, stmt);
}

#define MAX_PAUSED 4096

static int read_paused(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                       struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    int status = PV_OK;
    pv_column_str(row, 0, arena, ret, &status);
    return status;
}

static int sql_pause_list(struct pv_rows *rows, struct pv_arena *arena, struct pv_str **ret,
                          size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_paused, NULL};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_PAUSE_LIST, MAX_PAUSED, &shape, arena, ret_count, &status);
    return status;
}

void pv_sqlite_pages(struct pv_rows_ops *ops)
{
    ops->list = sql_list;
    ops->audit_add = sql_audit_add;
    ops->audit_list = sql_audit_list;
    ops->token_by_id = sql_token_by_id;
    ops->token_by_hash = sql_token_by_hash;
    ops->token_put = sql_token_put;
    ops->token_list = sql_token_list;
    ops->pause_put = sql_pause_put;
    ops->pause_list = sql_pause_list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: pages of services and operations, the audit trail, the outbox, tokens.
 */
#include "core/store/sqlite_db.h"

#include <stdio.h>

/* ---- pages: rare, of many shapes, so prepared each time ---- */

/* The table and index to walk, newest first, and the condition that the index answers. */
static int operations_sql(const struct pv_filter *filter, char *sql, size_t size)
{
    const char *more = filter->source.ptr ? " AND o.source=?2" : "";
    const char *of = filter->service_n ? " AND o.service_n=?3" : "";
    if (filter->state >= PV_OPS_READY && filter->state <= PV_OPS_NEEDS_OPERATOR) {
        return snprintf(sql, size,
                        "SELECT s.active_n FROM services s INDEXED BY services_live "
                        "WHERE s.active_state <> 0 AND s.active_state=%d AND s.active_n<?1%s%s "
                        "ORDER BY s.active_n DESC LIMIT ?4",
                        filter->state, filter->source.ptr ? " AND s.source=?2" : "",
                        filter->service_n ? " AND s.n=?3" : "");
    }
    char state[80] = "";
    const char *index = filter->source.ptr ? "INDEXED BY operations_source" : "NOT INDEXED";
    if (filter->state == -2 || filter->state == PV_OPS_QUEUED) {
        snprintf(state, sizeof(state), " AND o.state=0");
        index = "INDEXED BY operations_live";
    } else if (filter->state > PV_OPS_DONE) {
        snprintf(state, sizeof(state), " AND o.state=%d AND o.state>10", filter->state);
        index = "INDEXED BY operations_failed";
    } else if (filter->state >= 0) {
        snprintf(state, sizeof(state), " AND o.state=%d", filter->state);
    }
    if (filter->service_n) {
        index = "INDEXED BY operations_service";
    }
    return snprintf(sql, size,
                    "SELECT o.n FROM operations o %s WHERE o.n<?1%s%s%s%s ORDER BY o.n DESC "
                    "LIMIT ?4",
                    index, state, more, of,
                    filter->state == PV_OPS_QUEUED
                        ? " AND EXISTS (SELECT 1 FROM waiting w WHERE w.service_n=o.service_n AND "
                          "w.op_n=o.n)"
                        : "");
}

static int services_sql(const struct pv_filter *filter, char *sql, size_t size)
{
    char state[40] = "";
    if (filter->state >= 0) {
        snprintf(state, sizeof(state), " AND observed=%d", filter->state);
    }
    return snprintf(sql, size, "SELECT n FROM services %s WHERE n>?1%s%s%s ORDER BY n LIMIT ?4",
                    filter->source.ptr ? "INDEXED BY services_source" : "NOT INDEXED", state,
                    filter->source.ptr ? " AND source=?2" : "",
                    filter->service_n ? " AND n=?3" : "");
}

static int prepare_page(struct pv_sqlite_db *db, const struct pv_filter *filter, const char *sql,
                        int64_t from, sqlite3_stmt **ret)
{
    int code = sqlite3_prepare_v2(db->db, sql, -1, ret, NULL);
    if (code != SQLITE_OK) {
        return pv_sqlite_status(db, code);
    }
    sqlite3_bind_int64(*ret, 1, from);
    if (filter->source.ptr) {
        pv_bind_str(*ret, 2, filter->source);
    }
    if (filter->service_n) {
        sqlite3_bind_int64(*ret, 3, filter->service_n);
    }
    sqlite3_bind_int64(*ret, 4, (int64_t)filter->limit);
    return PV_OK;
}

static int sql_list(struct pv_rows *rows, const struct pv_filter *filter, int64_t *ret_n,
                    size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    char sql[512];
    int64_t from = filter->after_n;
    if (filter->what == PV_LIST_OPERATIONS) {
        operations_sql(filter, sql, sizeof(sql));
        from = from ? from : INT64_MAX;
    } else {
        services_sql(filter, sql, sizeof(sql));
    }
    sqlite3_stmt *stmt = NULL;
    int status = prepare_page(db, filter, sql, from, &stmt);
    *ret_count = 0;
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        if (row) {
            ret_n[(*ret_count)++] = sqlite3_column_int64(stmt, 0);
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- audit ---- */

static void bind_id_or_null(sqlite3_stmt *stmt, int at, const struct pv_id *id)
{
    if (pv_id_is_zero(*id)) {
        sqlite3_bind_null(stmt, at);
    } else {
        pv_bind_id(stmt, at, id);
    }
}

static int sql_audit_add(struct pv_rows *rows, const struct pv_audit_row *row, int64_t service_n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_AUDIT_ADD, &status);
    if (!stmt) {
        return status;
    }
    static const struct pv_hash zero;
    sqlite3_bind_int64(stmt, 1, (int64_t)row->n);
    sqlite3_bind_int64(stmt, 2, row->writer);
    sqlite3_bind_int64(stmt, 3, row->at_ms);
    pv_bind_str(stmt, 4, row->record.actor);
    pv_bind_str(stmt, 5, row->record.what);
    pv_bind_str(stmt, 6, row->record.source);
    pv_bind_str(stmt, 7, row->record.detail);
    bind_id_or_null(stmt, 8, &row->record.service);
    bind_id_or_null(stmt, 9, &row->record.op);
    if (pv_hash_eq(row->record.digest, zero)) {
        sqlite3_bind_null(stmt, 10);
    } else {
        pv_bind_hash(stmt, 10, &row->record.digest);
    }
    pv_bind_hash(stmt, 11, &row->hash);
    sqlite3_bind_int64(stmt, 12, service_n);
    return pv_sqlite_run(db, stmt);
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
                          struct pv_arena *arena, struct pv_audit_row **ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    char sql[400];
    snprintf(sql, sizeof(sql),
             "SELECT n, writer, at_ms, actor, what, source, detail, service, op, digest, hash "
             "FROM audit %s WHERE n>?1%s%s ORDER BY n LIMIT ?4",
             filter->service_n ? "INDEXED BY audit_service" : "NOT INDEXED",
             filter->source.ptr ? " AND source=?2" : "",
             filter->service_n ? " AND service_n=?3 AND service_n <> 0" : "");
    struct pv_audit_row *list = pv_arena_alloc(arena, filter->limit * sizeof(*list));
    if (!list) {
        return PV_ENOMEM;
    }
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int status = prepare_page(db, filter, sql, filter->after_n, &stmt);
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        if (row) {
            status = read_audit(db, stmt, arena, &list[count++]);
        }
    }
    sqlite3_finalize(stmt);
    *ret = list;
    *ret_count = count;
    return status;
}

/* ---- outbox ---- */

static int sql_outbox_add(struct pv_rows *rows, const struct pv_outbox_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_ADD, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity identity = pv_identity_id("outbox", row->op);
    pv_bind_id(stmt, 1, &row->op);
    pv_bind_id(stmt, 2, &row->service);
    sqlite3_bind_int(stmt, 3, row->op_state);
    sqlite3_bind_int64(stmt, 4, row->at_ms);
    status = pv_bind_sealed(db, stmt, 5, 0, pv_identity_str(&identity),
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

static int sql_outbox_list(struct pv_rows *rows, uint64_t after, size_t limit,
                           struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OUTBOX_LIST, &status);
    struct pv_outbox_row *list = pv_arena_alloc(arena, limit * sizeof(*list) + 1);
    if (!stmt || !list) {
        return status ? status : PV_ENOMEM;
    }
    sqlite3_bind_int64(stmt, 1, (int64_t)after);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    size_t count = 0;
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        if (!row) {
            break;
        }
        struct pv_outbox_row *out = &list[count++];
        out->n = (uint64_t)sqlite3_column_int64(stmt, 0);
        pv_column_id(stmt, 1, &out->op);
        pv_column_id(stmt, 2, &out->service);
        out->op_state = sqlite3_column_int(stmt, 3);
        out->at_ms = sqlite3_column_int64(stmt, 4);
        struct pv_identity identity = pv_identity_id("outbox", out->op);
        pv_column_sealed(db, stmt, 5, pv_identity_str(&identity), arena, &out->body, &status);
    }
    sqlite3_reset(stmt);
    *ret = list;
    *ret_count = count;
    return status;
}

/* ---- tokens, pauses ---- */

static int read_token(sqlite3_stmt *stmt, struct pv_arena *arena, struct pv_token_row *row)
{
    int status = PV_OK;
    pv_column_id(stmt, 0, &row->id);
    pv_column_str(stmt, 1, arena, &row->source, &status);
    pv_column_str(stmt, 2, arena, &row->scopes, &status);
    row->created_ms = sqlite3_column_int64(stmt, 3);
    row->expires_ms = sqlite3_column_int64(stmt, 4);
    row->revoked_ms = sqlite3_column_int64(stmt, 5);
    pv_column_hash(stmt, 6, &row->secret_hash);
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
    status = status ? status : read_token(stmt, arena, ret);
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
    status = status ? status : read_token(stmt, arena, ret);
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
    return pv_sqlite_run(db, stmt);
}

static int sql_token_list(struct pv_rows *rows, struct pv_id after, size_t limit,
                          struct pv_arena *arena, struct pv_token_row **ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_TOKEN_LIST, &status);
    struct pv_token_row *list = pv_arena_alloc(arena, limit * sizeof(*list) + 1);
    if (!stmt || !list) {
        return status ? status : PV_ENOMEM;
    }
    pv_bind_id(stmt, 1, &after);
    sqlite3_bind_int64(stmt, 2, (int64_t)limit);
    size_t count = 0;
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        if (row) {
            status = read_token(stmt, arena, &list[count++]);
        }
    }
    sqlite3_reset(stmt);
    *ret = list;
    *ret_count = count;
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

static int sql_pause_list(struct pv_rows *rows, struct pv_arena *arena, struct pv_str **ret,
                          size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_PAUSE_LIST, &status);
    struct pv_str *list = NULL;
    size_t count = 0;
    size_t size = 0;
    if (!stmt) {
        return status;
    }
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        if (!row || count == MAX_PAUSED) {
            break;
        }
        if (count == size) {
            size = size ? size * 2 : 8;
            struct pv_str *bigger = pv_arena_alloc(arena, size * sizeof(*bigger));
            if (!bigger) {
                status = PV_ENOMEM;
                break;
            }
            for (size_t i = 0; i < count; i++) {
                bigger[i] = list[i];
            }
            list = bigger;
        }
        pv_column_str(stmt, 0, arena, &list[count++], &status);
    }
    sqlite3_reset(stmt);
    *ret = list;
    *ret_count = count;
    return status;
}

void pv_sqlite_pages(struct pv_rows_ops *ops)
{
    ops->list = sql_list;
    ops->audit_add = sql_audit_add;
    ops->audit_list = sql_audit_list;
    ops->outbox_add = sql_outbox_add;
    ops->outbox_del = sql_outbox_del;
    ops->outbox_list = sql_outbox_list;
    ops->token_by_id = sql_token_by_id;
    ops->token_by_hash = sql_token_by_hash;
    ops->token_put = sql_token_put;
    ops->token_list = sql_token_list;
    ops->pause_put = sql_pause_put;
    ops->pause_list = sql_pause_list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: pools and quotas. */
#include "core/store/sqlite_db.h"

/* ---- pools ---- */

static int read_slot(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                     struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    struct pv_slot *slot = ret;
    int status = PV_OK;
    pv_column_str(row, 0, arena, &slot->pool, &status);
    slot->index = sqlite3_column_int64(row, 1);
    slot->state = sqlite3_column_int(row, 2);
    slot->free_ms = sqlite3_column_int64(row, 3);
    slot->reuse_after_ms = sqlite3_column_int64(row, 4);
    slot->service_n = sqlite3_column_int64(row, 5);
    slot->op_n = sqlite3_column_int64(row, 6);
    slot->run = (uint32_t)sqlite3_column_int64(row, 7);
    pv_column_str(row, 8, arena, &slot->component, &status);
    pv_column_str(row, 9, arena, &slot->step, &status);
    pv_column_str(row, 10, arena, &slot->name, &status);
    return status;
}

static int sql_slot_get(struct pv_rows *rows, struct pv_str pool, int64_t index,
                        struct pv_arena *arena, struct pv_slot *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_SLOT_GET, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, pool);
    sqlite3_bind_int64(stmt, 2, index);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_slot(db, stmt, NULL, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_slot_put(struct pv_rows *rows, const struct pv_slot *slot)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_SLOT_PUT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, slot->pool);
    sqlite3_bind_int64(stmt, 2, slot->index);
    sqlite3_bind_int(stmt, 3, slot->state);
    sqlite3_bind_int64(stmt, 4, slot->free_ms);
    sqlite3_bind_int64(stmt, 5, slot->reuse_after_ms);
    sqlite3_bind_int64(stmt, 6, slot->service_n);
    sqlite3_bind_int64(stmt, 7, slot->op_n);
    sqlite3_bind_int64(stmt, 8, slot->run);
    pv_bind_str(stmt, 9, slot->component);
    pv_bind_str(stmt, 10, slot->step);
    pv_bind_str(stmt, 11, slot->name);
    return pv_sqlite_run(db, stmt);
}

static int slot_number(struct pv_rows *rows, enum pv_stmt which, struct pv_str pool, int64_t first,
                       int64_t last, int64_t now_ms, int64_t *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, pool);
    sqlite3_bind_int64(stmt, 2, first);
    sqlite3_bind_int64(stmt, 3, last);
    if (which != PV_S_SLOT_COUNT) {
        sqlite3_bind_int64(stmt, 4, now_ms);
    }
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_slot_cooled(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                           int64_t now_ms, int64_t *ret_index)
{
    return slot_number(rows, PV_S_SLOT_COOLED, pool, first, last, now_ms, ret_index);
}

static int sql_slot_cooled_count(struct pv_rows *rows, struct pv_str pool, int64_t first,
                                 int64_t last, int64_t now_ms, int64_t *ret_count)
{
    return slot_number(rows, PV_S_SLOT_COOLED_COUNT, pool, first, last, now_ms, ret_count);
}

static int sql_slot_count(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                          int64_t *ret_count)
{
    return slot_number(rows, PV_S_SLOT_COUNT, pool, first, last, 0, ret_count);
}

static int sql_slot_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                         struct pv_slot **ret, size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_slot, NULL};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_SLOT_LIST, service_n, &shape, arena, ret_count, &status);
    return status;
}

static int sql_pool_get(struct pv_rows *rows, struct pv_str pool, struct pv_pool_row *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_POOL_GET, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, pool);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret =
            (struct pv_pool_row){pool, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                                 sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3)};
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_pool_put(struct pv_rows *rows, const struct pv_pool_row *pool)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_POOL_PUT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, pool->pool);
    sqlite3_bind_int64(stmt, 2, pool->first);
    sqlite3_bind_int64(stmt, 3, pool->last);
    sqlite3_bind_int64(stmt, 4, pool->next);
    sqlite3_bind_int64(stmt, 5, pool->used);
    return pv_sqlite_run(db, stmt);
}

/* ---- quotas ---- */

static int sql_quota_get(struct pv_rows *rows, int64_t service_n, struct pv_str name,
                         int64_t *ret_used)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_QUOTA_GET, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    pv_bind_str(stmt, 2, name.ptr ? name : PV_STR(""));
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret_used = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_quota_put(struct pv_rows *rows, int64_t service_n, struct pv_str name, int64_t used)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_QUOTA_PUT, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    pv_bind_str(stmt, 2, name.ptr ? name : PV_STR(""));
    sqlite3_bind_int64(stmt, 3, used);
    return pv_sqlite_run(db, stmt);
}

static int sql_quota_drop(struct pv_rows *rows, int64_t service_n)
{
    return pv_sqlite_drop_n(rows, PV_S_QUOTA_DROP, service_n);
}

static int read_quota(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                      struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    struct pv_quota_row *quota = ret;
    int status = PV_OK;
    pv_column_str(row, 0, arena, &quota->name, &status);
    quota->used = sqlite3_column_int64(row, 1);
    return status;
}

static int sql_quota_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                          struct pv_quota_row **ret, size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_quota, NULL};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_QUOTA_LIST, service_n, &shape, arena, ret_count, &status);
    return status;
}

void pv_sqlite_reserves(struct pv_rows_ops *ops)
{
    ops->slot_get = sql_slot_get;
    ops->slot_put = sql_slot_put;
    ops->slot_cooled = sql_slot_cooled;
    ops->slot_cooled_count = sql_slot_cooled_count;
    ops->slot_count = sql_slot_count;
    ops->slot_list = sql_slot_list;
    ops->pool_get = sql_pool_get;
    ops->pool_put = sql_pool_put;
    ops->quota_get = sql_quota_get;
    ops->quota_put = sql_quota_put;
    ops->quota_drop = sql_quota_drop;
    ops->quota_list = sql_quota_list;
}

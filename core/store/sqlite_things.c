/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: what hangs on services and operations; what is reserved. */
#include "core/store/sqlite_db.h"

static struct pv_str or_empty(struct pv_str s)
{
    return s.ptr ? s : PV_STR("");
}

int pv_sqlite_drop_n(struct pv_rows *rows, enum pv_stmt which, int64_t n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, n);
    return pv_sqlite_run(db, stmt);
}

/* ---- documents, steps, signals ---- */

static int put_named(struct pv_rows *rows, enum pv_stmt which, const char *table, int64_t n,
                     struct pv_str name, struct pv_str value)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity identity = pv_identity_named(table, n, name);
    sqlite3_bind_int64(stmt, 1, n);
    pv_bind_str(stmt, 2, or_empty(name));
    status = pv_bind_sealed(db, stmt, 3, 0, pv_identity_str(&identity), or_empty(value));
    return status ? status : pv_sqlite_run(db, stmt);
}

/* A name and a value that put_named sealed. */
struct named {
    struct pv_str name;
    struct pv_str value;
};

struct of_named {
    const char *table;
    int64_t n;
};

static int read_named(struct pv_sqlite_db *db, sqlite3_stmt *row, const struct of_named *of,
                      struct pv_arena *arena, struct named *ret)
{
    int status = PV_OK;
    pv_column_str(row, 0, arena, &ret->name, &status);
    struct pv_identity identity = pv_identity_named(of->table, of->n, ret->name);
    pv_column_sealed(db, row, 1, pv_identity_str(&identity), arena, &ret->value, &status);
    return status;
}

static int sql_doc_put(struct pv_rows *rows, int64_t service_n, struct pv_str component,
                       struct pv_str json)
{
    return put_named(rows, PV_S_DOC_PUT, "doc", service_n, component, json);
}

static int sql_doc_drop(struct pv_rows *rows, int64_t service_n, struct pv_str component)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_DOC_DROP, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    pv_bind_str(stmt, 2, or_empty(component));
    return pv_sqlite_run(db, stmt);
}

static int sql_doc_drop_all(struct pv_rows *rows, int64_t service_n)
{
    return pv_sqlite_drop_n(rows, PV_S_DOC_DROP_ALL, service_n);
}

static int read_doc(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                    struct pv_arena *arena, void *ret)
{
    struct named named;
    int status = read_named(db, row, of, arena, &named);
    *(struct pv_doc *)ret = (struct pv_doc){.component = named.name, .json = named.value};
    return status;
}

static int sql_doc_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                        struct pv_doc **ret, size_t *ret_count)
{
    const struct of_named of = {"doc", service_n};
    const struct pv_sqlite_shape shape = {sizeof(**ret), read_doc, &of};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_DOC_LIST, service_n, &shape, arena, ret_count, &status);
    return status;
}

static int sql_signal_put(struct pv_rows *rows, int64_t op_n, struct pv_str name,
                          struct pv_str body)
{
    return put_named(rows, PV_S_SIGNAL_PUT, "signal", op_n, name, body);
}

static int read_signal(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                       struct pv_arena *arena, void *ret)
{
    struct named named;
    int status = read_named(db, row, of, arena, &named);
    *(struct pv_signal_row *)ret = (struct pv_signal_row){.name = named.name, .body = named.value};
    return status;
}

static int sql_signal_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                           struct pv_signal_row **ret, size_t *ret_count)
{
    const struct of_named of = {"signal", op_n};
    const struct pv_sqlite_shape shape = {sizeof(**ret), read_signal, &of};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_SIGNAL_LIST, op_n, &shape, arena, ret_count, &status);
    return status;
}

static int sql_step_add(struct pv_rows *rows, int64_t op_n, const struct pv_step_row *row)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_STEP_ADD, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, op_n);
    sqlite3_bind_int64(stmt, 2, row->seq);
    pv_bind_str(stmt, 3, row->component);
    pv_bind_str(stmt, 4, row->step);
    pv_bind_str(stmt, 5, row->instance);
    sqlite3_bind_int(stmt, 6, row->kind);
    sqlite3_bind_int64(stmt, 7, row->run);
    sqlite3_bind_int64(stmt, 8, row->attempt);
    sqlite3_bind_int(stmt, 9, row->outcome);
    sqlite3_bind_int64(stmt, 10, row->started_ms);
    sqlite3_bind_int64(stmt, 11, row->ended_ms);
    pv_bind_str(stmt, 12, row->text);
    return pv_sqlite_run(db, stmt);
}

static int read_step(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                     struct pv_arena *arena, void *ret)
{
    (void)db;
    (void)of;
    struct pv_step_row *step = ret;
    int status = PV_OK;
    step->seq = (uint32_t)sqlite3_column_int64(row, 0);
    pv_column_str(row, 1, arena, &step->component, &status);
    pv_column_str(row, 2, arena, &step->step, &status);
    pv_column_str(row, 3, arena, &step->instance, &status);
    step->kind = sqlite3_column_int(row, 4);
    step->run = (uint32_t)sqlite3_column_int64(row, 5);
    step->attempt = (uint32_t)sqlite3_column_int64(row, 6);
    step->outcome = sqlite3_column_int(row, 7);
    step->started_ms = sqlite3_column_int64(row, 8);
    step->ended_ms = sqlite3_column_int64(row, 9);
    pv_column_str(row, 10, arena, &step->text, &status);
    return status;
}

static int sql_step_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                         struct pv_step_row **ret, size_t *ret_count)
{
    static const struct pv_sqlite_shape shape = {sizeof(**ret), read_step, NULL};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_STEP_LIST, op_n, &shape, arena, ret_count, &status);
    return status;
}

/* ---- kv ---- */

/* Values of an instance are as many as its services, and their names may be random: each would
 * dirty a page of its own in a table sorted by name. They stand in the order they came in, and are
 * found through the index of keys. */
static struct pv_id shared_key(struct pv_str scope, struct pv_str name)
{
    const struct pv_str parts[] = {scope, or_empty(name)};
    return pv_id_of_parts(parts, 2);
}

static int read_kv(struct pv_sqlite_db *db, sqlite3_stmt *stmt, struct pv_arena *arena,
                   struct pv_kv *ret)
{
    int status = pv_sqlite_one(db, stmt);
    if (!status) {
        struct pv_identity identity = pv_identity_kv(ret->scope, ret->name);
        ret->version = (uint64_t)sqlite3_column_int64(stmt, 0);
        ret->erased = sqlite3_column_int(stmt, 1) != 0;
        pv_column_id(stmt, 2, &ret->writer);
        pv_column_sealed(db, stmt, 3, pv_identity_str(&identity), arena, &ret->value, &status);
    }
    return status;
}

static int sql_kv_get(struct pv_rows *rows, struct pv_str scope, struct pv_str name,
                      struct pv_arena *arena, struct pv_kv *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    struct pv_kv kv = {.scope = scope, .name = name};
    bool shared = pv_kv_shared(scope);
    int64_t n = 0;
    int status =
        shared ? pv_sqlite_key_find(db, PV_KEY_SHARED, shared_key(scope, name), &n) : PV_OK;
    sqlite3_stmt *stmt =
        status ? NULL : pv_sqlite_stmt(db, shared ? PV_S_SHARED_GET : PV_S_KV_GET, &status);
    if (!stmt) {
        return status;
    }
    if (shared) {
        sqlite3_bind_int64(stmt, 1, n);
    } else {
        pv_bind_str(stmt, 1, scope);
        pv_bind_str(stmt, 2, or_empty(name));
    }
    status = read_kv(db, stmt, arena, &kv);
    if (!status && !shared) {
        kv.service_n = sqlite3_column_int64(stmt, 4);
    }
    sqlite3_reset(stmt);
    if (!status) {
        *ret = kv;
    }
    return status;
}

static int bind_value(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int at, const struct pv_kv *kv)
{
    struct pv_identity identity = pv_identity_kv(kv->scope, kv->name);
    sqlite3_bind_int64(stmt, at, (int64_t)kv->version);
    sqlite3_bind_int(stmt, at + 1, kv->erased);
    pv_bind_id(stmt, at + 2, &kv->writer);
    return pv_bind_sealed(db, stmt, at + 3, 0, pv_identity_str(&identity), kv->value);
}

static int put_shared(struct pv_sqlite_db *db, const struct pv_kv *kv)
{
    struct pv_id key = shared_key(kv->scope, kv->name);
    int64_t n = 0;
    int status = pv_sqlite_key_find(db, PV_KEY_SHARED, key, &n);
    bool fresh = status == PV_ENOTFOUND;
    if (status && !fresh) {
        return status;
    }
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, fresh ? PV_S_SHARED_ADD : PV_S_SHARED_SET, &status);
    if (!stmt) {
        return status;
    }
    if (fresh) {
        pv_bind_str(stmt, 1, kv->scope);
        pv_bind_str(stmt, 2, or_empty(kv->name));
    } else {
        sqlite3_bind_int64(stmt, 7, n);
    }
    status = bind_value(db, stmt, 3, kv);
    status = status ? status : pv_sqlite_run(db, stmt);
    return status || !fresh
               ? status
               : pv_sqlite_key_add(db, PV_KEY_SHARED, key, sqlite3_last_insert_rowid(db->db));
}

static int sql_kv_put(struct pv_rows *rows, const struct pv_kv *kv)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    if (pv_kv_shared(kv->scope)) {
        return put_shared(db, kv);
    }
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_KV_PUT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, kv->scope);
    pv_bind_str(stmt, 2, or_empty(kv->name));
    sqlite3_bind_int64(stmt, 3, kv->service_n);
    status = bind_value(db, stmt, 4, kv);
    return status ? status : pv_sqlite_run(db, stmt);
}

static int sql_kv_drop(struct pv_rows *rows, int64_t service_n)
{
    return pv_sqlite_drop_n(rows, PV_S_KV_DROP, service_n);
}

/* ---- grants ---- */

static void bind_grant(sqlite3_stmt *stmt, const struct pv_grant *grant)
{
    sqlite3_bind_int64(stmt, 1, grant->op_n);
    sqlite3_bind_int64(stmt, 2, grant->run);
    sqlite3_bind_int(stmt, 3, grant->kind);
    pv_bind_blob(stmt, 4, or_empty(grant->component));
    pv_bind_blob(stmt, 5, or_empty(grant->step));
    pv_bind_blob(stmt, 6, or_empty(grant->name));
}

static int sql_grant_get(struct pv_rows *rows, const struct pv_grant *key, struct pv_arena *arena,
                         struct pv_grant *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_GRANT_GET, &status);
    if (!stmt) {
        return status;
    }
    bind_grant(stmt, key);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        struct pv_identity identity = pv_identity_grant(key);
        *ret = *key;
        ret->number = sqlite3_column_int64(stmt, 0);
        pv_column_sealed(db, stmt, 1, pv_identity_str(&identity), arena, &ret->value, &status);
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_grant_put(struct pv_rows *rows, const struct pv_grant *grant)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_GRANT_PUT, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity identity = pv_identity_grant(grant);
    bind_grant(stmt, grant);
    sqlite3_bind_int64(stmt, 7, grant->number);
    status = pv_bind_sealed(db, stmt, 8, 0, pv_identity_str(&identity), grant->value);
    return status ? status : pv_sqlite_run(db, stmt);
}

static int sql_grant_del(struct pv_rows *rows, const struct pv_grant *key)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_GRANT_DEL, &status);
    if (!stmt) {
        return status;
    }
    bind_grant(stmt, key);
    return pv_sqlite_run(db, stmt);
}

static int read_grant(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of,
                      struct pv_arena *arena, void *ret)
{
    struct pv_grant *grant = ret;
    int status = PV_OK;
    grant->op_n = *(const int64_t *)of;
    grant->run = (uint32_t)sqlite3_column_int64(row, 0);
    grant->kind = sqlite3_column_int(row, 1);
    pv_column_str(row, 2, arena, &grant->component, &status);
    pv_column_str(row, 3, arena, &grant->step, &status);
    pv_column_str(row, 4, arena, &grant->name, &status);
    grant->number = sqlite3_column_int64(row, 5);
    struct pv_identity identity = pv_identity_grant(grant);
    pv_column_sealed(db, row, 6, pv_identity_str(&identity), arena, &grant->value, &status);
    return status;
}

static int sql_grant_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                          struct pv_grant **ret, size_t *ret_count)
{
    const struct pv_sqlite_shape shape = {sizeof(**ret), read_grant, &op_n};
    int status = PV_OK;
    *ret = pv_sqlite_list_n(rows, PV_S_GRANT_LIST, op_n, &shape, arena, ret_count, &status);
    return status;
}

void pv_sqlite_things(struct pv_rows_ops *ops)
{
    ops->doc_put = sql_doc_put;
    ops->doc_drop = sql_doc_drop;
    ops->doc_drop_all = sql_doc_drop_all;
    ops->doc_list = sql_doc_list;
    ops->step_add = sql_step_add;
    ops->step_list = sql_step_list;
    ops->signal_put = sql_signal_put;
    ops->signal_list = sql_signal_list;
    ops->kv_get = sql_kv_get;
    ops->kv_put = sql_kv_put;
    ops->kv_drop = sql_kv_drop;
    ops->grant_get = sql_grant_get;
    ops->grant_put = sql_grant_put;
    ops->grant_del = sql_grant_del;
    ops->grant_list = sql_grant_list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual tables over pending rows: SQLite reads from them what it inserts. Values are borrowed
 * from the rows; what is sealed is sealed as it is read. */
#include "core/base/alloc.h"
#include "core/store/sqlite_db.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- columns ---- */

enum column_kind {
    AS_I64,
    AS_U32,
    AS_INT,
    AS_BOOL,
    AS_TEXT, /* none: NULL */
    AS_NAME, /* none: "" */
    AS_BLOB, /* none: NULL */
    AS_ID,   /* zero: NULL */
    AS_HASH, /* zero: NULL */
    AS_DUE,  /* PV_NO_DUE: NULL */
    AS_SEQ,  /* of a service */
    AS_NULL,
    AS_KEY_N, /* these three: of an entry of the tail */
    AS_KEY,
    AS_VALUE,
    SEALED_N,  /* with the number of the row: of a service's details */
    SEALED_ID, /* with the id of the row: of an operation */
};

struct column {
    enum column_kind kind;
    size_t at;
    const char *sealed_as;
};

#define AT(type, member) offsetof(struct type, member)

static const struct column service_columns[] = {
    {AS_I64, AT(pv_svc, n), NULL},
    {AS_ID, AT(pv_svc, id), NULL},
    {AS_TEXT, AT(pv_svc, source), NULL},
    {AS_TEXT, AT(pv_svc, external_id), NULL},
    {AS_TEXT, AT(pv_svc, product), NULL},
    {AS_TEXT, AT(pv_svc, plan_name), NULL},
    {AS_U32, AT(pv_svc, generation), NULL},
    {AS_INT, AT(pv_svc, observed), NULL},
    {AS_INT, AT(pv_svc, desired), NULL},
    {AS_BOOL, AT(pv_svc, residue), NULL},
    {AS_SEQ, AT(pv_svc, max_sequence), NULL},
    {AS_I64, AT(pv_svc, created_ms), NULL},
    {AS_I64, AT(pv_svc, changed_ms), NULL},
    {AS_I64, AT(pv_svc, create_n), NULL},
    {AS_U32, AT(pv_svc, waiting), NULL},
    {AS_I64, AT(pv_svc, fence), NULL},
    {AS_I64, AT(pv_svc, active_n), NULL},
    {AS_ID, AT(pv_svc, active_op), NULL},
    {AS_INT, AT(pv_svc, active_type), NULL},
    {AS_INT, AT(pv_svc, active_state), NULL},
    {AS_INT, AT(pv_svc, active_intent), NULL},
    {AS_BOOL, AT(pv_svc, signaled), NULL},
    {AS_I64, AT(pv_svc, accepted_ms), NULL},
    {AS_I64, AT(pv_svc, deadline_ms), NULL},
    {AS_I64, AT(pv_svc, epoch), NULL},
    {AS_U32, AT(pv_svc, tries), NULL},
    {AS_U32, AT(pv_svc, steps), NULL},
    {AS_DUE, AT(pv_svc, due), NULL},
    {AS_INT, AT(pv_svc, wait), NULL},
    {AS_NAME, AT(pv_svc, lane), NULL},
    {AS_TEXT, AT(pv_svc, reason), NULL},
    {AS_BLOB, AT(pv_svc, cursor), NULL},
};

static const struct column operation_columns[] = {
    {AS_I64, AT(pv_op, n), NULL},
    {AS_ID, AT(pv_op, id), NULL},
    {AS_I64, AT(pv_op, service_n), NULL},
    {AS_TEXT, AT(pv_op, source), NULL},
    {AS_INT, AT(pv_op, type), NULL},
    {AS_INT, AT(pv_op, state), NULL},
    {AS_I64, AT(pv_op, accepted_ms), NULL},
    {AS_I64, AT(pv_op, finished_ms), NULL},
    {AS_I64, AT(pv_op, deadline_ms), NULL},
    {AS_U32, AT(pv_op, generation), NULL},
    {AS_I64, AT(pv_op, fence), NULL},
    {AS_U32, AT(pv_op, tries), NULL},
    {AS_U32, AT(pv_op, steps), NULL},
    {AS_HASH, AT(pv_op, mac), NULL},
    {AS_TEXT, AT(pv_op, action), NULL},
    {AS_TEXT, AT(pv_op, product), NULL},
    {AS_TEXT, AT(pv_op, plan_name), NULL},
    {AS_TEXT, AT(pv_op, reason), NULL},
    {AS_TEXT, AT(pv_op, lane), NULL},
    {AS_BLOB, AT(pv_op, cursor), NULL},
    {AS_NULL, 0, NULL},
    {SEALED_ID, AT(pv_op, body), "body"},
    {SEALED_ID, AT(pv_op, plan), "plan"},
};

static const struct column detail_columns[] = {
    {AS_I64, AT(pv_new_detail, service_n), NULL},
    {SEALED_N, AT(pv_new_detail, attrs), "attrs"},
    {SEALED_N, AT(pv_new_detail, composition), "composition"},
};

static const struct column audit_columns[] = {
    {AS_I64, AT(pv_new_audit, row.n), NULL},
    {AS_U32, AT(pv_new_audit, row.writer), NULL},
    {AS_I64, AT(pv_new_audit, row.at_ms), NULL},
    {AS_TEXT, AT(pv_new_audit, row.record.actor), NULL},
    {AS_TEXT, AT(pv_new_audit, row.record.what), NULL},
    {AS_TEXT, AT(pv_new_audit, row.record.source), NULL},
    {AS_TEXT, AT(pv_new_audit, row.record.detail), NULL},
    {AS_ID, AT(pv_new_audit, row.record.service), NULL},
    {AS_ID, AT(pv_new_audit, row.record.op), NULL},
    {AS_HASH, AT(pv_new_audit, row.record.digest), NULL},
    {AS_HASH, AT(pv_new_audit, row.hash), NULL},
    {AS_I64, AT(pv_new_audit, service_n), NULL},
};

static const struct column key_columns[] = {
    {AS_KEY_N, 0, NULL}, {AS_KEY, 0, NULL}, {AS_VALUE, 0, NULL}};

static const struct kind {
    const char *name;
    const struct column *columns;
    size_t column_count;
    size_t bytes; /* of a row */
    size_t id_at; /* SEALED_ID */
} kinds[PV_NEW_TABLES] = {
#define COLUMNS(columns) columns, sizeof(columns) / sizeof((columns)[0])
    [PV_NEW_SERVICES] = {"pv_new_services", COLUMNS(service_columns), sizeof(struct pv_svc), 0},
    [PV_NEW_DETAILS] = {"pv_new_details", COLUMNS(detail_columns), sizeof(struct pv_new_detail), 0},
    [PV_NEW_OPERATIONS] = {"pv_new_operations", COLUMNS(operation_columns), sizeof(struct pv_op),
                           AT(pv_op, id)},
    [PV_NEW_AUDIT] = {"pv_new_audit", COLUMNS(audit_columns), sizeof(struct pv_new_audit), 0},
    [PV_NEW_KEYS] = {"pv_new_keys", COLUMNS(key_columns), 0, 0},
};

static const void *row_at(const struct pv_pending *pending, enum pv_pending_table table, size_t i)
{
    return pending->rows[table] + i * kinds[table].bytes;
}

/* ---- the virtual tables ---- */

struct virtual_table {
    sqlite3_vtab base; /* first */
    struct pv_sqlite_db *db;
    enum pv_pending_table table;
};

struct virtual_cursor {
    sqlite3_vtab_cursor base; /* first */
    size_t at;
};

struct registered {
    struct pv_sqlite_db *db;
    enum pv_pending_table table;
};

static int vt_connect(sqlite3 *sql, void *aux, int argc, const char *const *argv,
                      sqlite3_vtab **ret_table, char **ret_error)
{
    (void)argc;
    (void)argv;
    (void)ret_error;
    const struct registered *registered = aux;
    char text[400] = "CREATE TABLE x(c0";
    size_t len = strlen(text);
    for (size_t i = 1; i < kinds[registered->table].column_count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",c%zu", i);
    }
    snprintf(text + len, sizeof(text) - len, ")");
    int code = sqlite3_declare_vtab(
        sql, registered->table == PV_NEW_KEYS ? "CREATE TABLE x(n, key, value)" : text);
    struct virtual_table *table =
        code == SQLITE_OK ? sqlite3_malloc64(sizeof(struct virtual_table)) : NULL;
    if (!table) {
        return code == SQLITE_OK ? SQLITE_NOMEM : code;
    }
    *table = (struct virtual_table){.db = registered->db, .table = registered->table};
    *ret_table = &table->base;
    return SQLITE_OK;
}

static int vt_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int vt_best(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = PV_PENDING_ROWS;
    return SQLITE_OK;
}

static int vt_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
    (void)table;
    struct virtual_cursor *cursor = sqlite3_malloc64(sizeof(*cursor));
    if (!cursor) {
        return SQLITE_NOMEM;
    }
    *cursor = (struct virtual_cursor){.at = 0};
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static int vt_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static struct virtual_cursor *cursor_of(sqlite3_vtab_cursor *cursor)
{
    return PV_CONTAINER(cursor, struct virtual_cursor, base);
}

static int vt_filter(sqlite3_vtab_cursor *cursor, int number, const char *text, int argc,
                     sqlite3_value **argv)
{
    (void)number;
    (void)text;
    (void)argc;
    (void)argv;
    cursor_of(cursor)->at = 0;
    return SQLITE_OK;
}

static int vt_next(sqlite3_vtab_cursor *cursor)
{
    cursor_of(cursor)->at++;
    return SQLITE_OK;
}

static int vt_eof(sqlite3_vtab_cursor *cursor)
{
    const struct virtual_table *of = PV_CONTAINER(cursor->pVtab, struct virtual_table, base);
    return cursor_of(cursor)->at >= of->db->pending->count[of->table];
}

static int vt_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)cursor_of(cursor)->at;
    return SQLITE_OK;
}

static void give_str(sqlite3_context *ctx, const struct pv_str *s, bool text)
{
    if (!s->ptr) {
        sqlite3_result_null(ctx);
    } else if (text) {
        sqlite3_result_text(ctx, s->ptr, (int)s->len, SQLITE_STATIC);
    } else {
        sqlite3_result_blob(ctx, s->ptr, (int)s->len, SQLITE_STATIC);
    }
}

static void give_bytes(sqlite3_context *ctx, const uint8_t *bytes, size_t len)
{
    static const uint8_t zero[sizeof(struct pv_hash)];
    if (memcmp(bytes, zero, len) == 0) {
        sqlite3_result_null(ctx);
    } else {
        sqlite3_result_blob(ctx, bytes, (int)len, SQLITE_STATIC);
    }
}

/* Sealed as it is asked for: it has to last until the row is made of it. */
static void give_sealed(sqlite3_context *ctx, struct pv_sqlite_db *db, const struct kind *kind,
                        const char *row, int i)
{
    const struct column *column = &kind->columns[i];
    const struct pv_str *plain = (const void *)(row + column->at);
    if (!plain->ptr) {
        sqlite3_result_null(ctx);
        return;
    }
    struct pv_identity identity =
        column->kind == SEALED_ID
            ? pv_identity_id(column->sealed_as, *(const struct pv_id *)(row + kind->id_at))
            : pv_identity_n(column->sealed_as, *(const int64_t *)(const void *)row);
    struct pv_buf *buf = &db->seals[i % PV_SEALS];
    pv_buf_clear(buf);
    int status = pv_keyring_seal(db->keyring, pv_identity_str(&identity), *plain, buf);
    if (status == PV_OK) {
        sqlite3_result_blob(ctx, buf->ptr, (int)buf->len, SQLITE_STATIC);
    } else if (status == PV_ENOMEM) {
        sqlite3_result_error_nomem(ctx);
    } else {
        sqlite3_result_error_toobig(ctx);
    }
}

static void give_key(sqlite3_context *ctx, const struct pv_sqlite_db *db, enum column_kind kind,
                     size_t i)
{
    const struct pv_key_tail *tail = &db->tail;
    size_t at = db->pending->keys_from + i;
    at = db->pending->keys_ordered ? tail->order[at] : at;
    const struct pv_tail_entry *entry = &tail->entries[at];
    if (kind == AS_KEY_N) {
        sqlite3_result_int64(ctx, tail->first_n + (int64_t)at);
    } else if (kind == AS_KEY) {
        sqlite3_result_blob(ctx, entry->key.b, (int)sizeof(entry->key.b), SQLITE_STATIC);
    } else {
        sqlite3_result_int64(ctx, entry->value);
    }
}

static int vt_column(sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int i)
{
    const struct virtual_table *of = PV_CONTAINER(cursor->pVtab, struct virtual_table, base);
    const struct kind *kind = &kinds[of->table];
    if (of->table == PV_NEW_KEYS) { /* which has no rows of its own */
        give_key(ctx, of->db, kind->columns[i].kind, cursor_of(cursor)->at);
        return SQLITE_OK;
    }
    const char *row = row_at(of->db->pending, of->table, cursor_of(cursor)->at);
    const void *at = row + kind->columns[i].at;
    const struct pv_str *text = at;
    switch (kind->columns[i].kind) {
    case AS_I64:
        sqlite3_result_int64(ctx, *(const int64_t *)at);
        break;
    case AS_U32:
        sqlite3_result_int64(ctx, *(const uint32_t *)at);
        break;
    case AS_INT:
        sqlite3_result_int(ctx, *(const int *)at);
        break;
    case AS_BOOL:
        sqlite3_result_int(ctx, *(const bool *)at);
        break;
    case AS_TEXT:
        give_str(ctx, text, true);
        break;
    case AS_NAME:
        give_str(ctx, text->ptr ? text : &PV_STR(""), true);
        break;
    case AS_BLOB:
        give_str(ctx, text, false);
        break;
    case AS_ID:
        give_bytes(ctx, at, sizeof(struct pv_id));
        break;
    case AS_HASH:
        give_bytes(ctx, at, sizeof(struct pv_hash));
        break;
    case AS_DUE:
        if (*(const int64_t *)at != PV_NO_DUE) {
            sqlite3_result_int64(ctx, *(const int64_t *)at);
        }
        break;
    case AS_SEQ:
        if (((const struct pv_svc *)(const void *)row)->has_sequence) {
            sqlite3_result_int64(ctx, *(const int64_t *)at);
        }
        break;
    case AS_NULL:
        break;
    case AS_KEY_N:
    case AS_KEY:
    case AS_VALUE:
        break;
    case SEALED_N:
    case SEALED_ID:
        give_sealed(ctx, of->db, kind, row, i);
        break;
    }
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = vt_connect, /* without xCreate: the tables are just there */
    .xBestIndex = vt_best,
    .xDisconnect = vt_disconnect,
    .xOpen = vt_open,
    .xClose = vt_close,
    .xFilter = vt_filter,
    .xNext = vt_next,
    .xEof = vt_eof,
    .xColumn = vt_column,
    .xRowid = vt_rowid,
};

size_t pv_pending_bytes(enum pv_pending_table table)
{
    return kinds[table].bytes;
}

int pv_pending_tables(struct pv_sqlite_db *db)
{
    for (enum pv_pending_table i = 0; i < PV_NEW_TABLES; i++) {
        struct registered *registered = sqlite3_malloc64(sizeof(*registered));
        if (!registered) {
            return PV_ENOMEM;
        }
        *registered = (struct registered){db, i};
        int code =
            sqlite3_create_module_v2(db->db, kinds[i].name, &module, registered, sqlite3_free);
        if (code != SQLITE_OK) {
            return pv_sqlite_status(db, code);
        }
    }
    return PV_OK;
}

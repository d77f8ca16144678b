/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what older keys sealed again, under the newest key: slice by slice, table by table, each
 * in the order of its primary key. How far it is stands in meta, in the commit of the slice, so
 * that a restart goes on there. What is written meanwhile is sealed with the newest key already:
 * one thread seals, and it saw that key before it began. */
#include "core/base/fault.h"
#include "core/store/sqlite_db.h"

#include <stdio.h>
#include <string.h>

#define KEYS_MAX 6
#define SEALED_MAX 3
#define SLICE_BYTES (1024u * 1024) /* of sealed values, looked at in one slice */
#define STATE_MAX 4096
#define SQL_MAX 700

struct sealed_table {
    const char *name;
    const char *keys[KEYS_MAX + 1];
    const char *sealed[SEALED_MAX + 1];
    const char *more; /* ", "-columns that the identity is made of besides; "" */
    /* Of the sealed column `at`; column 0 of the row is the first key, `after` the first of `more`.
     */
    struct pv_identity (*identity)(sqlite3_stmt *row, int at, int after);
};

static struct pv_str column(sqlite3_stmt *row, int at)
{
    const char *ptr = sqlite3_column_blob(row, at);
    return (struct pv_str){ptr ? ptr : "", (size_t)sqlite3_column_bytes(row, at)};
}

static struct pv_id column_id(sqlite3_stmt *row, int at)
{
    struct pv_id id;
    pv_column_id(row, at, &id);
    return id;
}

static struct pv_identity of_details(sqlite3_stmt *row, int at, int after)
{
    (void)after;
    return pv_identity_n(at == 0 ? "attrs" : "composition", sqlite3_column_int64(row, 0));
}

static struct pv_identity of_operations(sqlite3_stmt *row, int at, int after)
{
    static const char *const names[] = {"result", "body", "plan"};
    return pv_identity_id(names[at], column_id(row, after));
}

static struct pv_identity of_docs(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    (void)after;
    return pv_identity_named("doc", sqlite3_column_int64(row, 0), column(row, 1));
}

static struct pv_identity of_signals(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    (void)after;
    return pv_identity_named("signal", sqlite3_column_int64(row, 0), column(row, 1));
}

static struct pv_identity of_kv(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    (void)after;
    return pv_identity_kv(column(row, 0), column(row, 1));
}

static struct pv_identity of_shared(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    return pv_identity_kv(column(row, after), column(row, after + 1));
}

static struct pv_identity of_grants(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    (void)after;
    const struct pv_grant grant = {.op_n = sqlite3_column_int64(row, 0),
                                   .run = (uint32_t)sqlite3_column_int64(row, 1),
                                   .kind = sqlite3_column_int(row, 2),
                                   .component = column(row, 3),
                                   .step = column(row, 4),
                                   .name = column(row, 5)};
    return pv_identity_grant(&grant);
}

static struct pv_identity of_outbox(sqlite3_stmt *row, int at, int after)
{
    (void)at;
    return pv_identity_outbox(column_id(row, after), column(row, after + 1));
}

static const struct sealed_table tables[] = {
    {"details", {"service_n"}, {"attrs_sealed", "composition_sealed"}, "", of_details},
    {"operations", {"n"}, {"result_sealed", "body_sealed", "plan_sealed"}, ", id", of_operations},
    {"docs", {"service_n", "component"}, {"doc_sealed"}, "", of_docs},
    {"signals", {"op_n", "name"}, {"body_sealed"}, "", of_signals},
    {"kv", {"scope", "name"}, {"value_sealed"}, "", of_kv},
    {"kv_shared", {"n"}, {"value_sealed"}, ", scope, name", of_shared},
    {"grants",
     {"op_n", "run", "kind", "component", "step", "name"},
     {"value_sealed"},
     "",
     of_grants},
    {"outbox", {"n"}, {"body_sealed"}, ", op, subscriber", of_outbox},
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static int count_of(const char *const *names)
{
    int count = 0;
    while (names[count]) {
        count++;
    }
    return count;
}

/* ---- where it is ---- */

struct state {
    uint64_t key; /* the newest one when it began; 0: it never did */
    uint64_t table;
    uint64_t looked;
    uint64_t resealed;
    uint64_t unreadable;
    struct pv_buf cursor; /* the primary key it stands at: values as put_value wrote them; "": none
                           */
};

#define NUMBERS 5

static int load_state(struct pv_sqlite_db *db, struct pv_arena *arena, struct state *state)
{
    struct pv_str found = {NULL, 0};
    int status = pv_sqlite_meta_get(db, "reseal", arena, &found);
    if (status) {
        return status == PV_ENOTFOUND ? PV_OK : status;
    }
    struct pv_reader reader = pv_reader(found);
    state->key = pv_read_u64(&reader);
    state->table = pv_read_u64(&reader);
    state->looked = pv_read_u64(&reader);
    state->resealed = pv_read_u64(&reader);
    state->unreadable = pv_read_u64(&reader);
    return pv_buf_str(&state->cursor, pv_read_bytes(&reader, reader.left));
}

static int save_state(struct pv_sqlite_db *db, const struct state *state)
{
    struct pv_buf buf;
    pv_buf_init(&buf, STATE_MAX + 8 * NUMBERS);
    const uint64_t numbers[NUMBERS] = {state->key, state->table, state->looked, state->resealed,
                                       state->unreadable};
    for (size_t i = 0; i < NUMBERS; i++) {
        pv_buf_u64(&buf, numbers[i]);
    }
    pv_buf_str(&buf, pv_buf_view(&state->cursor));
    int status = buf.status ? buf.status : pv_sqlite_meta_put(db, "reseal", pv_buf_view(&buf));
    pv_buf_done(&buf);
    return status;
}

static void put_value(struct pv_buf *cursor, sqlite3_stmt *row, int at)
{
    int type = sqlite3_column_type(row, at);
    pv_buf_char(cursor, type == SQLITE_INTEGER ? 'i' : (type == SQLITE_TEXT ? 't' : 'b'));
    if (type == SQLITE_INTEGER) {
        pv_buf_u64(cursor, (uint64_t)sqlite3_column_int64(row, at));
        return;
    }
    struct pv_str value = column(row, at);
    pv_buf_u64(cursor, value.len);
    pv_buf_str(cursor, value);
}

/* Binds the cursor from parameter 1 on; it stays as it is until the statement is reset. */
static int bind_cursor(sqlite3_stmt *stmt, struct pv_str cursor, int count)
{
    struct pv_reader reader = pv_reader(cursor);
    for (int i = 1; i <= count; i++) {
        char type = (char)pv_read_u8(&reader);
        uint64_t number = pv_read_u64(&reader);
        if (type == 'i') {
            sqlite3_bind_int64(stmt, i, (int64_t)number);
        } else if (type == 't') {
            pv_bind_str(stmt, i, pv_read_bytes(&reader, (size_t)number));
        } else {
            pv_bind_blob(stmt, i, pv_read_bytes(&reader, (size_t)number));
        }
    }
    return reader.status;
}

/* ---- statements ---- */

static void put_list(struct pv_buf *sql, const char *const *names, const char *between)
{
    for (int i = 0; names[i]; i++) {
        pv_buf_printf(sql, "%s%s", i > 0 ? between : "", names[i]);
    }
}

static int prepare(struct pv_sqlite_db *db, struct pv_buf *sql, sqlite3_stmt **ret)
{
    int status = sql->status;
    if (!status) {
        status =
            pv_sqlite_status(db, sqlite3_prepare_v2(db->db, sql->ptr, (int)sql->len, ret, NULL));
    }
    pv_buf_done(sql);
    return status;
}

static int prepare_select(struct pv_sqlite_db *db, const struct sealed_table *table, bool first,
                          sqlite3_stmt **ret)
{
    struct pv_buf sql;
    pv_buf_init(&sql, SQL_MAX);
    pv_buf_c(&sql, "SELECT ");
    put_list(&sql, table->keys, ", ");
    pv_buf_c(&sql, ", ");
    put_list(&sql, table->sealed, ", ");
    pv_buf_printf(&sql, "%s FROM %s", table->more, table->name);
    if (!first) {
        pv_buf_c(&sql, " WHERE (");
        put_list(&sql, table->keys, ", ");
        pv_buf_c(&sql, ") > (");
        for (int i = 0; table->keys[i]; i++) {
            pv_buf_printf(&sql, "%s?%d", i > 0 ? "," : "", i + 1);
        }
        pv_buf_c(&sql, ")");
    }
    pv_buf_c(&sql, " ORDER BY ");
    put_list(&sql, table->keys, ", ");
    return prepare(db, &sql, ret);
}

static int prepare_update(struct pv_sqlite_db *db, const struct sealed_table *table,
                          sqlite3_stmt **ret)
{
    int keys = count_of(table->keys);
    struct pv_buf sql;
    pv_buf_init(&sql, SQL_MAX);
    pv_buf_printf(&sql, "UPDATE %s SET ", table->name);
    for (int i = 0; table->sealed[i]; i++) {
        pv_buf_printf(&sql, "%s%s=coalesce(?%d,%s)", i > 0 ? ", " : "", table->sealed[i],
                      keys + i + 1, table->sealed[i]);
    }
    for (int i = 0; i < keys; i++) {
        pv_buf_printf(&sql, " %s %s=?%d", i > 0 ? "AND" : "WHERE", table->keys[i], i + 1);
    }
    return prepare(db, &sql, ret);
}

/* ---- a slice ---- */

struct slice {
    struct pv_sqlite_db *db;
    struct state *state;
    size_t rows_left;
    size_t bytes;
};

static bool is_older(struct pv_str sealed, uint64_t newest)
{
    uint64_t id = 0;
    for (size_t i = 0; i < 4 && i < sealed.len; i++) {
        id |= (uint64_t)(unsigned char)sealed.ptr[i] << (8 * i);
    }
    return id != newest;
}

/* Binds what the row holds anew where an older key sealed it. */
static int bind_anew(struct slice *slice, const struct sealed_table *table, sqlite3_stmt *row,
                     sqlite3_stmt *update, struct pv_arena *arena, bool *ret_any)
{
    int keys = count_of(table->keys);
    int after = keys + count_of(table->sealed);
    for (int i = 0; table->sealed[i]; i++) {
        sqlite3_bind_null(update, keys + i + 1);
        if (sqlite3_column_type(row, keys + i) == SQLITE_NULL) {
            continue;
        }
        struct pv_str sealed = column(row, keys + i);
        slice->bytes += sealed.len;
        if (!is_older(sealed, slice->state->key)) {
            continue;
        }
        struct pv_identity identity = table->identity(row, i, after);
        struct pv_str plain = {NULL, 0};
        int status = pv_keyring_unseal(slice->db->keyring, pv_identity_str(&identity), sealed,
                                       arena, &plain);
        if (status == PV_ECRYPTO) {
            slice->state->unreadable++;
            continue;
        }
        status = status ? status
                        : pv_bind_sealed(slice->db, update, keys + i + 1, (unsigned)i,
                                         pv_identity_str(&identity), plain);
        if (status) {
            return status;
        }
        slice->state->resealed++;
        *ret_any = true;
    }
    return PV_OK;
}

/* *ret_anew: the row is to be written; `update` is bound then, to copies. */
static int look_at(struct slice *slice, const struct sealed_table *table, sqlite3_stmt *row,
                   sqlite3_stmt *update, bool *ret_anew)
{
    struct pv_arena arena;
    pv_arena_init(&arena);
    int status = bind_anew(slice, table, row, update, &arena, ret_anew);
    pv_buf_clear(&slice->state->cursor);
    for (int i = 0; table->keys[i]; i++) {
        sqlite3_bind_value(update, i + 1, sqlite3_column_value(row, i));
        put_value(&slice->state->cursor, row, i);
    }
    slice->state->looked++;
    slice->rows_left--;
    pv_arena_done(&arena);
    return status ? status : slice->state->cursor.status;
}

/* Begins to read behind the cursor. `from` holds what is bound. */
static int seek(struct slice *slice, const struct sealed_table *table, struct pv_buf *from,
                sqlite3_stmt **select)
{
    bool fresh = !*select || from->len == 0;
    int status = PV_OK;
    if (fresh) {
        sqlite3_finalize(*select);
        *select = NULL;
        status = prepare_select(slice->db, table, slice->state->cursor.len == 0, select);
    } else {
        sqlite3_reset(*select);
    }
    pv_buf_clear(from);
    pv_buf_str(from, pv_buf_view(&slice->state->cursor));
    status = status ? status : from->status;
    if (!status && from->len > 0) {
        status = bind_cursor(*select, pv_buf_view(from), count_of(table->keys));
    }
    return status;
}

/* Goes on in the table the state stands in; behind its end, to the next one. A row is not written
 * while it is read: it would be met again. */
static int reseal_table(struct slice *slice)
{
    struct state *state = slice->state;
    const struct sealed_table *table = &tables[state->table];
    struct pv_buf from;
    pv_buf_init(&from, STATE_MAX);
    sqlite3_stmt *select = NULL;
    sqlite3_stmt *update = NULL;
    int status = seek(slice, table, &from, &select);
    status = status ? status : prepare_update(slice->db, table, &update);
    bool row = true;
    while (!status && row && slice->rows_left > 0 && slice->bytes < SLICE_BYTES) {
        bool anew = false;
        status = pv_sqlite_next(slice->db, select, &row);
        if (!status && row) {
            status = look_at(slice, table, select, update, &anew);
        }
        if (!status && anew) {
            sqlite3_reset(select);
            status = pv_sqlite_run(slice->db, update);
            PV_FAULT("store.reseal");
            status = status ? status : seek(slice, table, &from, &select);
        }
    }
    if (!status && !row) {
        state->table++;
        pv_buf_clear(&state->cursor);
    }
    sqlite3_finalize(select);
    sqlite3_finalize(update);
    pv_buf_done(&from);
    return status;
}

static int finish(struct pv_sqlite_db *db)
{
    int status = pv_sqlite_put_proof(db, "key_check");
    return status ? status : pv_sqlite_meta_drop(db, "key_check_next");
}

/* The values of a state that has not begun with the newest key. */
static int begin(struct pv_sqlite_db *db, uint64_t newest, struct state *state)
{
    struct pv_buf cursor = state->cursor;
    pv_buf_clear(&cursor);
    *state = (struct state){.key = newest, .cursor = cursor};
    return pv_sqlite_put_proof(db, "key_check_next");
}

static int go_on(struct pv_sqlite_db *db, struct state *state, size_t limit)
{
    uint64_t newest = pv_keyring_newest(db->keyring);
    if (state->key == newest && state->table >= TABLES) {
        return PV_OK;
    }
    if (state->key == 0 && pv_keyring_count(db->keyring) == 1) {
        state->table = TABLES; /* there never was another key */
        return PV_OK;
    }
    int status = state->key == newest ? PV_OK : begin(db, newest, state);
    struct slice slice = {.db = db, .state = state, .rows_left = limit > 0 ? limit : 1};
    while (!status && state->table < TABLES && slice.rows_left > 0 && slice.bytes < SLICE_BYTES) {
        status = reseal_table(&slice);
    }
    if (!status && state->table >= TABLES) {
        status = finish(db);
    }
    return status ? status : save_state(db, state);
}

int pv_sqlite_reseal(struct pv_rows *rows, struct pv_reseal *in)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    struct state state = {.key = 0};
    struct pv_arena arena;
    pv_arena_init(&arena);
    pv_buf_init(&state.cursor, STATE_MAX);
    int status = pv_pending_flush(db, PV_PENDING_ALL);
    status = status ? status : load_state(db, &arena, &state);
    status = status ? status : go_on(db, &state, in->limit);
    if (!status) {
        in->ret_done = state.table >= TABLES;
        in->ret_looked = state.looked;
        in->ret_resealed = state.resealed;
        in->ret_unreadable = state.unreadable;
        in->ret_key = pv_keyring_newest(db->keyring);
    }
    pv_buf_done(&state.cursor);
    pv_arena_done(&arena);
    return status;
}

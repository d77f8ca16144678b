/* SPDX-License-Identifier: Apache-2.0 */
/* New rows, kept until they are written together. A statement for each row costs more than its row:
 * INSERT … SELECT over a virtual table opens the table and its indexes once for all of them, and
 * binds nothing. A service that is inserted and then given its operation is written once. */
#include "core/base/alloc.h"
#include "core/store/sqlite_db.h"

#include <string.h>

static const struct {
    enum pv_pending_what what;
    enum pv_stmt stmt;
} inserts[PV_NEW_TABLES] = {
    [PV_NEW_SERVICES] = {PV_PENDING_SERVICES, PV_S_NEW_SERVICES},
    [PV_NEW_DETAILS] = {PV_PENDING_SERVICES, PV_S_NEW_DETAILS},
    [PV_NEW_OPERATIONS] = {PV_PENDING_OPERATIONS, PV_S_NEW_OPERATIONS},
    [PV_NEW_AUDIT] = {PV_PENDING_AUDIT, PV_S_NEW_AUDIT},
    [PV_NEW_KEYS] = {PV_PENDING_NONE, PV_S_COUNT},
};

int pv_pending_start(struct pv_sqlite_db *db)
{
    struct pv_pending *pending = pv_calloc(1, sizeof(*pending));
    if (!pending) {
        return PV_ENOMEM;
    }
    pv_arena_init(&pending->strings);
    db->pending = pending;
    for (enum pv_pending_table i = 0; i < PV_NEW_KEYS; i++) {
        pending->rows[i] = pv_calloc(PV_PENDING_ROWS, pv_pending_bytes(i));
        if (!pending->rows[i]) {
            return PV_ENOMEM;
        }
    }
    return pv_pending_tables(db);
}

void pv_pending_end(struct pv_sqlite_db *db)
{
    struct pv_pending *pending = db->pending;
    if (!pending) {
        return;
    }
    for (size_t i = 0; i < PV_NEW_TABLES; i++) {
        pv_free(pending->rows[i]);
    }
    pv_arena_done(&pending->strings);
    pv_free(pending);
    db->pending = NULL;
}

/* ---- writing them ---- */

static bool is_empty(const struct pv_pending *pending)
{
    size_t all = 0;
    for (size_t i = 0; i < PV_NEW_TABLES; i++) {
        all += pending->count[i];
    }
    return all == 0;
}

int pv_pending_flush(struct pv_sqlite_db *db, unsigned what)
{
    struct pv_pending *pending = db->pending;
    if (!pending || is_empty(pending)) {
        return PV_OK;
    }
    for (enum pv_pending_table i = 0; i < PV_NEW_TABLES; i++) {
        int status = PV_OK;
        if ((inserts[i].what & what) == 0 || pending->count[i] == 0) {
            continue;
        }
        sqlite3_stmt *stmt = pv_sqlite_stmt(db, inserts[i].stmt, &status);
        status = stmt ? pv_sqlite_run(db, stmt) : status;
        if (status) {
            return status;
        }
        pending->count[i] = 0;
    }
    if (is_empty(pending)) {
        pv_arena_done(&pending->strings);
    }
    return PV_OK;
}

int pv_pending_keys(struct pv_sqlite_db *db, int which, size_t from, size_t count, bool ordered)
{
    if (count == 0) {
        return PV_OK;
    }
    db->pending->keys_from = from;
    db->pending->keys_ordered = ordered;
    db->pending->count[PV_NEW_KEYS] = count;
    int status = pv_sqlite_run_plain(db, (enum pv_stmt)which);
    db->pending->count[PV_NEW_KEYS] = 0;
    return status;
}

void pv_pending_drop(struct pv_sqlite_db *db)
{
    struct pv_pending *pending = db->pending;
    if (!pending) {
        return;
    }
    memset(pending->count, 0, sizeof(pending->count));
    memset(pending->next_n, 0, sizeof(pending->next_n));
    pv_arena_done(&pending->strings);
}

/* The place of row n; NULL: it is not pending. Numbers follow each other. */
static void *find(struct pv_pending *pending, enum pv_pending_table table, int64_t n)
{
    int64_t count = (int64_t)pending->count[table];
    int64_t first = pending->next_n[table] - count;
    return count > 0 && n >= first && n < first + count
               ? pending->rows[table] + (size_t)(n - first) * pv_pending_bytes(table)
               : NULL;
}

int pv_pending_flush_n(struct pv_sqlite_db *db, enum pv_pending_what what, int64_t n)
{
    enum pv_pending_table table = what == PV_PENDING_SERVICES ? PV_NEW_SERVICES : PV_NEW_OPERATIONS;
    return db->pending && find(db->pending, table, n) ? pv_pending_flush(db, what) : PV_OK;
}

/* ---- new rows ---- */

/* Room for one row more, and its number. */
static int make_room(struct pv_sqlite_db *db, enum pv_pending_table table, enum pv_stmt last_n)
{
    struct pv_pending *pending = db->pending;
    int status = PV_OK;
    if (pending->count[table] == PV_PENDING_ROWS) {
        status = pv_pending_flush(db, inserts[table].what);
    }
    if (status || last_n == PV_S_COUNT || pending->next_n[table] != 0) {
        return status;
    }
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, last_n, &status);
    status = stmt ? pv_sqlite_one(db, stmt) : status;
    if (!status) {
        pending->next_n[table] = sqlite3_column_int64(stmt, 0) + 1;
    }
    if (stmt) {
        sqlite3_reset(stmt);
    }
    return status;
}

static int copy_all(struct pv_pending *pending, struct pv_str *const *strings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strings[i]->ptr) {
            *strings[i] = pv_arena_copy(&pending->strings, *strings[i]);
            if (!strings[i]->ptr) {
                return PV_ENOMEM;
            }
        }
    }
    return PV_OK;
}

static int put_service(struct pv_pending *pending, struct pv_svc *to, const struct pv_svc *from)
{
    struct pv_svc row = *from;
    struct pv_str *const strings[] = {&row.source, &row.external_id, &row.product, &row.plan_name,
                                      &row.lane,   &row.reason,      &row.cursor};
    int status = copy_all(pending, strings, sizeof(strings) / sizeof(strings[0]));
    if (!status) {
        *to = row;
    }
    return status;
}

int pv_pending_service(struct pv_sqlite_db *db, struct pv_svc *svc)
{
    struct pv_pending *pending = db->pending;
    int status = make_room(db, PV_NEW_SERVICES, PV_S_SVC_LAST);
    if (status) {
        return status;
    }
    svc->n = pending->next_n[PV_NEW_SERVICES];
    struct pv_svc *rows = (struct pv_svc *)(void *)pending->rows[PV_NEW_SERVICES];
    status = put_service(pending, &rows[pending->count[PV_NEW_SERVICES]], svc);
    if (!status) {
        pending->count[PV_NEW_SERVICES]++;
        pending->next_n[PV_NEW_SERVICES]++;
    }
    return status;
}

int pv_pending_overwrite(struct pv_sqlite_db *db, const struct pv_svc *svc, bool *ret_known)
{
    struct pv_svc *row = db->pending ? find(db->pending, PV_NEW_SERVICES, svc->n) : NULL;
    *ret_known = row != NULL;
    if (!row) {
        return PV_OK;
    }
    /* What never changes stays where it is. */
    struct pv_svc kept = *row;
    struct pv_svc now = *svc;
    now.source = (struct pv_str){NULL, 0};
    now.external_id = (struct pv_str){NULL, 0};
    int status = put_service(db->pending, row, &now);
    row->source = kept.source;
    row->external_id = kept.external_id;
    return status;
}

int pv_pending_detail(struct pv_sqlite_db *db, int64_t service_n, struct pv_str composition,
                      bool *ret_known)
{
    struct pv_pending *pending = db->pending;
    *ret_known = pending && find(pending, PV_NEW_SERVICES, service_n) != NULL;
    if (!*ret_known) {
        return PV_OK;
    }
    struct pv_new_detail *rows = (struct pv_new_detail *)(void *)pending->rows[PV_NEW_DETAILS];
    size_t count = pending->count[PV_NEW_DETAILS];
    for (size_t i = count; i-- > 0;) {
        if (rows[i].service_n == service_n) {
            rows[i].composition = composition;
            return PV_OK;
        }
    }
    if (count == PV_PENDING_ROWS) { /* cannot be: there are no more services than that */
        return PV_EINTERNAL;
    }
    rows[count] = (struct pv_new_detail){.service_n = service_n, .composition = composition};
    pending->count[PV_NEW_DETAILS]++;
    return PV_OK;
}

int pv_pending_operation(struct pv_sqlite_db *db, struct pv_op *op)
{
    struct pv_pending *pending = db->pending;
    int status = make_room(db, PV_NEW_OPERATIONS, PV_S_OP_LAST);
    if (status) {
        return status;
    }
    op->n = pending->next_n[PV_NEW_OPERATIONS];
    struct pv_op row = *op;
    struct pv_str *const strings[] = {&row.source, &row.action, &row.product, &row.plan_name,
                                      &row.reason, &row.lane,   &row.cursor};
    status = copy_all(pending, strings, sizeof(strings) / sizeof(strings[0]));
    if (!status) {
        ((struct pv_op *)(void *)
             pending->rows[PV_NEW_OPERATIONS])[pending->count[PV_NEW_OPERATIONS]++] = row;
        pending->next_n[PV_NEW_OPERATIONS]++;
    }
    return status;
}

int pv_pending_audit(struct pv_sqlite_db *db, const struct pv_audit_row *row, int64_t service_n)
{
    struct pv_pending *pending = db->pending;
    int status = make_room(db, PV_NEW_AUDIT, PV_S_COUNT);
    if (status) {
        return status;
    }
    struct pv_new_audit new = {*row, service_n};
    struct pv_str *const strings[] = {&new.row.record.actor, &new.row.record.what,
                                      &new.row.record.source, &new.row.record.detail};
    status = copy_all(pending, strings, sizeof(strings) / sizeof(strings[0]));
    if (!status) {
        ((struct pv_new_audit *)(void *)
             pending->rows[PV_NEW_AUDIT])[pending->count[PV_NEW_AUDIT]++] = new;
    }
    return status;
}

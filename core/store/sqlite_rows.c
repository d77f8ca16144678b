/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's rows: services, operations and their queue. */
#include "core/store/sqlite_db.h"

static void bind_id_or_null(sqlite3_stmt *stmt, int at, const struct pv_id *id)
{
    if (pv_id_is_zero(*id)) {
        sqlite3_bind_null(stmt, at);
    } else {
        pv_bind_id(stmt, at, id);
    }
}

static int sql_mark(struct pv_rows *rows)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    db->mark_count = db->tail.count;
    return pv_sqlite_run_plain(db, PV_S_MARK);
}

static int sql_mark_release(struct pv_rows *rows)
{
    return pv_sqlite_run_plain(pv_sqlite_db_of(rows), PV_S_MARK_RELEASE);
}

static int sql_mark_rollback(struct pv_rows *rows)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_sqlite_run_plain(db, PV_S_MARK_ROLLBACK);
    pv_pending_drop(db);
    pv_tail_cut(&db->tail, db->mark_count);
    return status ? status : sql_mark_release(rows);
}

/* ---- services ---- */

static int read_svc(sqlite3_stmt *stmt, struct pv_arena *arena, struct pv_svc *ret)
{
    int status = PV_OK;
    struct pv_svc svc = {
        .n = sqlite3_column_int64(stmt, 0),
        .generation = (uint32_t)sqlite3_column_int64(stmt, 6),
        .observed = sqlite3_column_int(stmt, 7),
        .desired = sqlite3_column_int(stmt, 8),
        .residue = sqlite3_column_int(stmt, 9) != 0,
        .has_sequence = sqlite3_column_type(stmt, 10) != SQLITE_NULL,
        .max_sequence = sqlite3_column_int64(stmt, 10),
        .created_ms = sqlite3_column_int64(stmt, 11),
        .changed_ms = sqlite3_column_int64(stmt, 12),
        .create_n = sqlite3_column_int64(stmt, 13),
        .waiting = (uint32_t)sqlite3_column_int64(stmt, 14),
        .fence = (uint64_t)sqlite3_column_int64(stmt, 15),
        .active_n = sqlite3_column_int64(stmt, 16),
        .active_type = sqlite3_column_int(stmt, 18),
        .active_state = sqlite3_column_int(stmt, 19),
        .active_intent = sqlite3_column_int(stmt, 20),
        .signaled = sqlite3_column_int(stmt, 21) != 0,
        .accepted_ms = sqlite3_column_int64(stmt, 22),
        .deadline_ms = sqlite3_column_int64(stmt, 23),
        .epoch = (uint64_t)sqlite3_column_int64(stmt, 24),
        .tries = (uint32_t)sqlite3_column_int64(stmt, 25),
        .steps = (uint32_t)sqlite3_column_int64(stmt, 26),
        .due = PV_NO_DUE,
        .wait = sqlite3_column_int(stmt, 28),
    };
    if (sqlite3_column_type(stmt, 27) != SQLITE_NULL) {
        svc.due = sqlite3_column_int64(stmt, 27);
    }
    pv_column_id(stmt, 1, &svc.id);
    pv_column_id(stmt, 17, &svc.active_op);
    pv_column_str(stmt, 2, arena, &svc.source, &status);
    pv_column_str(stmt, 3, arena, &svc.external_id, &status);
    pv_column_str(stmt, 4, arena, &svc.product, &status);
    pv_column_str(stmt, 5, arena, &svc.plan_name, &status);
    pv_column_str(stmt, 29, arena, &svc.lane, &status);
    pv_column_str(stmt, 30, arena, &svc.reason, &status);
    pv_column_str(stmt, 31, arena, &svc.cursor, &status);
    svc.was = (struct pv_svc_was){svc.active_state, svc.active_n, svc.due, svc.lane};
    *ret = svc;
    return status;
}

static int sql_svc_by_n(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_svc *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_pending_flush_n(db, PV_PENDING_SERVICES, n);
    sqlite3_stmt *stmt = status ? NULL : pv_sqlite_stmt(db, PV_S_SVC_BY_N, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, n);
    status = pv_sqlite_one(db, stmt);
    status = status ? status : read_svc(stmt, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_svc_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                         struct pv_svc *ret)
{
    int64_t n = 0;
    int status = pv_sqlite_key_find(pv_sqlite_db_of(rows), PV_KEY_SERVICE, id, &n);
    return status ? status : sql_svc_by_n(rows, n, arena, ret);
}

/* An update keeps what never changes: id, source, external_id, created_ms; and, without `place`,
 * what the indexes cover. */
static void bind_svc(sqlite3_stmt *stmt, const struct pv_svc *svc, bool place)
{
    sqlite3_bind_int64(stmt, 1, svc->n);
    pv_bind_str(stmt, 5, svc->product);
    pv_bind_str(stmt, 6, svc->plan_name);
    sqlite3_bind_int64(stmt, 7, svc->generation);
    sqlite3_bind_int(stmt, 8, svc->observed);
    sqlite3_bind_int(stmt, 9, svc->desired);
    sqlite3_bind_int(stmt, 10, svc->residue);
    if (svc->has_sequence) {
        sqlite3_bind_int64(stmt, 11, svc->max_sequence);
    } else {
        sqlite3_bind_null(stmt, 11);
    }
    sqlite3_bind_int64(stmt, 13, svc->changed_ms);
    sqlite3_bind_int64(stmt, 14, svc->create_n);
    sqlite3_bind_int64(stmt, 15, svc->waiting);
    sqlite3_bind_int64(stmt, 16, (int64_t)svc->fence);
    bind_id_or_null(stmt, 18, &svc->active_op);
    sqlite3_bind_int(stmt, 19, svc->active_type);
    sqlite3_bind_int(stmt, 21, svc->active_intent);
    sqlite3_bind_int(stmt, 22, svc->signaled);
    sqlite3_bind_int64(stmt, 23, svc->accepted_ms);
    sqlite3_bind_int64(stmt, 24, svc->deadline_ms);
    sqlite3_bind_int64(stmt, 25, (int64_t)svc->epoch);
    sqlite3_bind_int64(stmt, 26, svc->tries);
    sqlite3_bind_int64(stmt, 27, svc->steps);
    sqlite3_bind_int(stmt, 29, svc->wait);
    pv_bind_str(stmt, 31, svc->reason);
    pv_bind_blob(stmt, 32, svc->cursor);
    if (!place) {
        return;
    }
    sqlite3_bind_int64(stmt, 17, svc->active_n);
    sqlite3_bind_int(stmt, 20, svc->active_state);
    if (svc->due == PV_NO_DUE) {
        sqlite3_bind_null(stmt, 28);
    } else {
        sqlite3_bind_int64(stmt, 28, svc->due);
    }
    pv_bind_str(stmt, 30, svc->lane.ptr ? svc->lane : PV_STR(""));
}

static int update_svc(struct pv_sqlite_db *db, const struct pv_svc *svc)
{
    bool place = svc->was.active_state != svc->active_state || svc->was.active_n != svc->active_n ||
                 svc->was.due != svc->due || !pv_str_eq(svc->was.lane, svc->lane);
    int status = PV_OK;
    sqlite3_stmt *stmt =
        pv_sqlite_stmt(db, place ? PV_S_SVC_UPDATE_PLACE : PV_S_SVC_UPDATE, &status);
    if (!stmt) {
        return status;
    }
    bind_svc(stmt, svc, place);
    return pv_sqlite_run(db, stmt);
}

static int sql_svc_put(struct pv_rows *rows, struct pv_svc *svc)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    bool known = true;
    int status = PV_OK;
    if (svc->n == 0) {
        status = pv_pending_service(db, svc);
        status = status ? status : pv_sqlite_key_add(db, PV_KEY_SERVICE, svc->id, svc->n);
    } else {
        status = pv_pending_overwrite(db, svc, &known);
        status = status || known ? status : update_svc(db, svc);
    }
    if (!status) {
        svc->was = (struct pv_svc_was){svc->active_state, svc->active_n, svc->due, svc->lane};
    }
    return status;
}

static int sql_detail_get(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                          struct pv_str *ret_attrs, struct pv_str *ret_composition)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_pending_flush_n(db, PV_PENDING_SERVICES, service_n);
    sqlite3_stmt *stmt = status ? NULL : pv_sqlite_stmt(db, PV_S_DETAIL_GET, &status);
    if (!stmt) {
        return status;
    }
    *ret_attrs = (struct pv_str){NULL, 0};
    *ret_composition = (struct pv_str){NULL, 0};
    sqlite3_bind_int64(stmt, 1, service_n);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        struct pv_identity a = pv_identity_n("attrs", service_n);
        struct pv_identity c = pv_identity_n("composition", service_n);
        pv_column_sealed(db, stmt, 0, pv_identity_str(&a), arena, ret_attrs, &status);
        pv_column_sealed(db, stmt, 1, pv_identity_str(&c), arena, ret_composition, &status);
    }
    sqlite3_reset(stmt);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

static int sql_detail_put(struct pv_rows *rows, int64_t service_n, struct pv_str attrs,
                          struct pv_str composition)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    bool known = false;
    int status = attrs.ptr ? pv_pending_flush_n(db, PV_PENDING_SERVICES, service_n)
                           : pv_pending_detail(db, service_n, composition, &known);
    if (status || known) {
        return status;
    }
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_DETAIL_PUT, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity a = pv_identity_n("attrs", service_n);
    struct pv_identity c = pv_identity_n("composition", service_n);
    sqlite3_bind_int64(stmt, 1, service_n);
    status = pv_bind_sealed(db, stmt, 2, 0, pv_identity_str(&a), attrs);
    status = status ? status : pv_bind_sealed(db, stmt, 3, 1, pv_identity_str(&c), composition);
    return status ? status : pv_sqlite_run(db, stmt);
}

static int sql_lane_next(struct pv_rows *rows, struct pv_str lane, int64_t after_due,
                         int64_t after_n, int64_t *ret_due, int64_t *ret_n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_LANE_NEXT, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_str(stmt, 1, lane.ptr ? lane : PV_STR(""));
    sqlite3_bind_int64(stmt, 2, after_due);
    sqlite3_bind_int64(stmt, 3, after_n);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret_due = sqlite3_column_int64(stmt, 0);
        *ret_n = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_lane_after(struct pv_rows *rows, struct pv_str after, struct pv_arena *arena,
                          struct pv_str *ret_lane)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, after.ptr ? PV_S_LANE_AFTER : PV_S_LANE_FIRST, &status);
    if (!stmt) {
        return status;
    }
    if (after.ptr) {
        pv_bind_str(stmt, 1, after);
    }
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        pv_column_str(stmt, 0, arena, ret_lane, &status);
    }
    sqlite3_reset(stmt);
    return status;
}

static int sql_claimed_after(struct pv_rows *rows, int64_t after, int64_t *ret_active_n,
                             int64_t *ret_service_n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_CLAIMED_AFTER, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, after);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret_active_n = sqlite3_column_int64(stmt, 0);
        *ret_service_n = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    return status;
}

/* ---- operations ---- */

static int read_op(struct pv_sqlite_db *db, sqlite3_stmt *stmt, struct pv_arena *arena,
                   struct pv_op *ret)
{
    int status = PV_OK;
    struct pv_op op = {
        .n = sqlite3_column_int64(stmt, 0),
        .service_n = sqlite3_column_int64(stmt, 2),
        .type = sqlite3_column_int(stmt, 4),
        .state = sqlite3_column_int(stmt, 5),
        .accepted_ms = sqlite3_column_int64(stmt, 6),
        .finished_ms = sqlite3_column_int64(stmt, 7),
        .deadline_ms = sqlite3_column_int64(stmt, 8),
        .generation = (uint32_t)sqlite3_column_int64(stmt, 9),
        .fence = (uint64_t)sqlite3_column_int64(stmt, 10),
        .tries = (uint32_t)sqlite3_column_int64(stmt, 11),
        .steps = (uint32_t)sqlite3_column_int64(stmt, 12),
        .has_mac = sqlite3_column_type(stmt, 13) != SQLITE_NULL,
    };
    pv_column_id(stmt, 1, &op.id);
    pv_column_hash(stmt, 13, &op.mac);
    pv_column_str(stmt, 3, arena, &op.source, &status);
    pv_column_str(stmt, 14, arena, &op.action, &status);
    pv_column_str(stmt, 15, arena, &op.product, &status);
    pv_column_str(stmt, 16, arena, &op.plan_name, &status);
    pv_column_str(stmt, 17, arena, &op.reason, &status);
    pv_column_str(stmt, 18, arena, &op.lane, &status);
    pv_column_str(stmt, 19, arena, &op.cursor, &status);
    struct pv_identity r = pv_identity_id("result", op.id);
    struct pv_identity b = pv_identity_id("body", op.id);
    struct pv_identity p = pv_identity_id("plan", op.id);
    pv_column_sealed(db, stmt, 20, pv_identity_str(&r), arena, &op.result, &status);
    if (sqlite3_column_count(stmt) > 21) { /* not PV_S_OP_HEAD */
        pv_column_sealed(db, stmt, 21, pv_identity_str(&b), arena, &op.body, &status);
        pv_column_sealed(db, stmt, 22, pv_identity_str(&p), arena, &op.plan, &status);
    }
    *ret = op;
    return status;
}

static int one_op(struct pv_sqlite_db *db, sqlite3_stmt *stmt, struct pv_arena *arena,
                  struct pv_op *ret)
{
    int status = pv_sqlite_one(db, stmt);
    status = status ? status : read_op(db, stmt, arena, ret);
    sqlite3_reset(stmt);
    return status;
}

static int sql_op_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                        struct pv_op *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_OP_BY_ID, &status);
    if (!stmt) {
        return status;
    }
    pv_bind_id(stmt, 1, &id);
    return one_op(db, stmt, arena, ret);
}

static int op_with(struct pv_rows *rows, enum pv_stmt which, int64_t n, struct pv_arena *arena,
                   struct pv_op *ret)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_pending_flush_n(db, PV_PENDING_OPERATIONS, n);
    sqlite3_stmt *stmt = status ? NULL : pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, n);
    return one_op(db, stmt, arena, ret);
}

static int sql_op_by_n(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret)
{
    return op_with(rows, PV_S_OP_BY_N, n, arena, ret);
}

static int sql_op_head(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret)
{
    return op_with(rows, PV_S_OP_HEAD, n, arena, ret);
}

static int sql_op_insert(struct pv_rows *rows, struct pv_op *op)
{
    return pv_pending_operation(pv_sqlite_db_of(rows), op);
}

static int sql_op_pin(struct pv_rows *rows, struct pv_id id, int64_t n, struct pv_str plan)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_pending_flush_n(db, PV_PENDING_OPERATIONS, n);
    sqlite3_stmt *stmt = status ? NULL : pv_sqlite_stmt(db, PV_S_OP_PIN, &status);
    if (!stmt) {
        return status;
    }
    struct pv_identity p = pv_identity_id("plan", id);
    sqlite3_bind_int64(stmt, 1, n);
    status = pv_bind_sealed(db, stmt, 2, 0, pv_identity_str(&p), plan);
    return status ? status : pv_sqlite_run(db, stmt);
}

static int sql_op_finish(struct pv_rows *rows, const struct pv_op *op)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = pv_pending_flush_n(db, PV_PENDING_OPERATIONS, op->n);
    sqlite3_stmt *stmt = status ? NULL : pv_sqlite_stmt(db, PV_S_OP_FINISH, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, op->n);
    sqlite3_bind_int(stmt, 2, op->state);
    sqlite3_bind_int64(stmt, 3, op->finished_ms);
    sqlite3_bind_int64(stmt, 4, op->deadline_ms);
    sqlite3_bind_int64(stmt, 5, op->generation);
    sqlite3_bind_int64(stmt, 6, (int64_t)op->fence);
    sqlite3_bind_int64(stmt, 7, op->tries);
    sqlite3_bind_int64(stmt, 8, op->steps);
    pv_bind_str(stmt, 9, op->reason);
    pv_bind_str(stmt, 10, op->lane);
    pv_bind_blob(stmt, 11, op->cursor);
    struct pv_identity r = pv_identity_id("result", op->id);
    status = pv_bind_sealed(db, stmt, 12, 0, pv_identity_str(&r), op->result);
    return status ? status : pv_sqlite_run(db, stmt);
}

/* ---- keys of events, the queue ---- */

static int sql_idem_get(struct pv_rows *rows, struct pv_id key, int64_t *ret_op_n)
{
    return pv_sqlite_key_find(pv_sqlite_db_of(rows), PV_KEY_EVENT, key, ret_op_n);
}

static int sql_idem_put(struct pv_rows *rows, struct pv_id key, int64_t op_n)
{
    return pv_sqlite_key_add(pv_sqlite_db_of(rows), PV_KEY_EVENT, key, op_n);
}

static int sql_wait_add(struct pv_rows *rows, int64_t service_n, int64_t op_n, int type)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_WAIT_ADD, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    sqlite3_bind_int64(stmt, 2, op_n);
    sqlite3_bind_int(stmt, 3, type);
    return pv_sqlite_run(db, stmt);
}

static int sql_wait_del(struct pv_rows *rows, int64_t service_n, int64_t op_n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_WAIT_DEL, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    sqlite3_bind_int64(stmt, 2, op_n);
    status = pv_sqlite_run(db, stmt);
    return status || sqlite3_changes(db->db) == 1 ? status : PV_ENOTFOUND;
}

static int sql_wait_list(struct pv_rows *rows, int64_t service_n, int64_t after_n, size_t max,
                         struct pv_waiter *ret, size_t *ret_count)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_WAIT_LIST, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    sqlite3_bind_int64(stmt, 2, after_n);
    sqlite3_bind_int64(stmt, 3, (int64_t)max);
    *ret_count = 0;
    bool row = true;
    while (row) {
        status = pv_sqlite_next(db, stmt, &row);
        if (row) {
            ret[(*ret_count)++] =
                (struct pv_waiter){sqlite3_column_int64(stmt, 0), sqlite3_column_int(stmt, 1)};
        }
    }
    return status;
}

static int sql_wait_last(struct pv_rows *rows, int64_t service_n, int64_t *ret_op_n)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_WAIT_LAST, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, service_n);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret_op_n = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status;
}

void pv_sqlite_rows(struct pv_rows_ops *ops)
{
    ops->mark = sql_mark;
    ops->mark_release = sql_mark_release;
    ops->mark_rollback = sql_mark_rollback;
    ops->svc_by_id = sql_svc_by_id;
    ops->svc_by_n = sql_svc_by_n;
    ops->svc_put = sql_svc_put;
    ops->detail_get = sql_detail_get;
    ops->detail_put = sql_detail_put;
    ops->lane_next = sql_lane_next;
    ops->lane_after = sql_lane_after;
    ops->claimed_after = sql_claimed_after;
    ops->op_by_id = sql_op_by_id;
    ops->op_by_n = sql_op_by_n;
    ops->op_head = sql_op_head;
    ops->op_insert = sql_op_insert;
    ops->op_pin = sql_op_pin;
    ops->op_finish = sql_op_finish;
    ops->idem_get = sql_idem_get;
    ops->idem_put = sql_idem_put;
    ops->wait_add = sql_wait_add;
    ops->wait_del = sql_wait_del;
    ops->wait_list = sql_wait_list;
    ops->wait_last = sql_wait_last;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, binding and reading of columns, result codes. */
#include "core/store/sqlite_db.h"

#include <stdio.h>
#include <string.h>

#define SVC                                                                                        \
    "n, id, source, external_id, product, plan_name, generation, observed, desired, residue, "     \
    "max_sequence, created_ms, changed_ms, create_n, waiting, fence, active_n, active_op, "        \
    "active_type, active_state, active_intent, signaled, accepted_ms, deadline_ms, "               \
    "epoch, tries, steps, due, wait, lane, reason, cursor"
#define OP_HEAD                                                                                    \
    "n, id, service_n, source, type, state, accepted_ms, finished_ms, deadline_ms, generation, "   \
    "fence, tries, steps, mac, action, product, plan_name, reason, lane, cursor, result_sealed"
#define OP OP_HEAD ", body_sealed, plan_sealed"
#define SVC_SET                                                                                    \
    "UPDATE services SET product=?5, plan_name=?6, generation=?7, observed=?8, desired=?9, "       \
    "residue=?10, max_sequence=?11, changed_ms=?13, create_n=?14, waiting=?15, fence=?16, "        \
    "active_op=?18, active_type=?19, active_intent=?21, signaled=?22, "                            \
    "accepted_ms=?23, deadline_ms=?24, epoch=?25, tries=?26, steps=?27, wait=?29, reason=?31, "    \
    "cursor=?32"
#define SLOT                                                                                       \
    "pool, idx, state, free_ms, reuse_after_ms, service_n, op_n, run, component, step, name"
#define OUTBOX                                                                                     \
    "n, subscriber, service_n, audit_n, type, op, service, at_ms, since_ms, due_ms, attempts, "    \
    "undelivered, error"
#define SUBSCRIBER                                                                                 \
    "name, since_n, disabled_ms, reason, written, delivered, undelivered, delivered_ms"
#define TOKEN "id, source, scopes, created_ms, expires_ms, revoked_ms, secret_hash, rate, burst"

static const char *const texts[PV_S_COUNT] = {
    [PV_S_BEGIN] = "BEGIN",
    [PV_S_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [PV_S_COMMIT] = "COMMIT",
    [PV_S_ROLLBACK] = "ROLLBACK",
    [PV_S_MARK] = "SAVEPOINT mark",
    [PV_S_MARK_RELEASE] = "RELEASE mark",
    [PV_S_MARK_ROLLBACK] = "ROLLBACK TO mark",
    [PV_S_SVC_BY_N] = "SELECT " SVC " FROM services WHERE n=?1",
    [PV_S_SVC_LAST] = "SELECT coalesce(max(n), 0) FROM services",
    /* OR FAIL: a failure ends the transaction, so that nobody needs the rows as they were before.
     */
    [PV_S_NEW_SERVICES] = "INSERT OR FAIL INTO services(" SVC ") SELECT * FROM pv_new_services",
    [PV_S_NEW_DETAILS] = "INSERT OR FAIL INTO details SELECT * FROM pv_new_details",
    [PV_S_NEW_OPERATIONS] =
        "INSERT OR FAIL INTO operations(" OP ") SELECT * FROM pv_new_operations",
    [PV_S_NEW_AUDIT] = "INSERT OR FAIL INTO audit SELECT * FROM pv_new_audit",
    [PV_S_SVC_UPDATE] = SVC_SET " WHERE n=?1",
    [PV_S_SVC_UPDATE_PLACE] =
        SVC_SET ", active_n=?17, active_state=?20, due=?28, lane=?30 WHERE n=?1",
    [PV_S_DETAIL_GET] = "SELECT attrs_sealed, composition_sealed FROM details WHERE service_n=?1",
    [PV_S_DETAIL_PUT] = "INSERT OR REPLACE INTO details VALUES(?1,?2,?3)",
    [PV_S_LANE_NEXT] = "SELECT due, n FROM services INDEXED BY services_due WHERE due IS NOT NULL "
                       "AND lane=?1 AND (due, n) > (?2, ?3) ORDER BY due, n LIMIT 1",
    [PV_S_LANE_FIRST] = "SELECT lane FROM services INDEXED BY services_due WHERE due IS NOT NULL "
                        "ORDER BY lane LIMIT 1",
    [PV_S_LANE_AFTER] = "SELECT lane FROM services INDEXED BY services_due WHERE due IS NOT NULL "
                        "AND lane > ?1 ORDER BY lane LIMIT 1",
    [PV_S_CLAIMED_AFTER] = "SELECT active_n, n FROM services INDEXED BY services_live "
                           "WHERE active_state <> 0 AND active_state=3 AND active_n > ?1 "
                           "ORDER BY active_n LIMIT 1",
    [PV_S_OP_BY_ID] = "SELECT " OP " FROM operations WHERE id=?1",
    [PV_S_OP_HEAD] = "SELECT " OP_HEAD " FROM operations WHERE n=?1",
    [PV_S_OP_BY_N] = "SELECT " OP " FROM operations WHERE n=?1",
    [PV_S_OP_LAST] = "SELECT coalesce(max(n), 0) FROM operations",
    [PV_S_OP_PIN] = "UPDATE operations SET plan_sealed=?2 WHERE n=?1",
    [PV_S_OP_FINISH] = "UPDATE operations SET state=?2, finished_ms=?3, deadline_ms=?4, "
                       "generation=?5, fence=?6, tries=?7, steps=?8, reason=?9, lane=?10, "
                       "cursor=?11, result_sealed=?12 WHERE n=?1",
    [PV_S_KEY_GET] = "SELECT value FROM key_index WHERE key=?1",
    [PV_S_KEY_SCAN] = "SELECT value FROM key_log WHERE key=?1",
    [PV_S_KEY_AFTER] = "SELECT key FROM key_index WHERE key>?1 ORDER BY key LIMIT ?2",
    [PV_S_KEY_PUT] = "INSERT OR IGNORE INTO key_index SELECT key, value FROM pv_new_keys",
    [PV_S_KEY_LOG] = "INSERT OR FAIL INTO key_log SELECT n, key, value FROM pv_new_keys",
    [PV_S_KEY_TRIM] = "DELETE FROM key_log WHERE n<=?1",
    [PV_S_WAIT_ADD] = "INSERT INTO waiting VALUES(?1,?2,?3)",
    [PV_S_WAIT_DEL] = "DELETE FROM waiting WHERE service_n=?1 AND op_n=?2",
    [PV_S_WAIT_LIST] = "SELECT op_n, type FROM waiting WHERE service_n=?1 AND op_n>?2 "
                       "ORDER BY op_n LIMIT ?3",
    [PV_S_WAIT_LAST] = "SELECT op_n FROM waiting WHERE service_n=?1 ORDER BY op_n DESC LIMIT 1",
    [PV_S_DOC_PUT] = "INSERT OR REPLACE INTO docs VALUES(?1,?2,?3)",
    [PV_S_DOC_DROP] = "DELETE FROM docs WHERE service_n=?1 AND component=?2",
    [PV_S_DOC_DROP_ALL] = "DELETE FROM docs WHERE service_n=?1",
    [PV_S_DOC_LIST] =
        "SELECT component, doc_sealed FROM docs WHERE service_n=?1 ORDER BY component",
    [PV_S_STEP_ADD] = "INSERT INTO steps VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [PV_S_STEP_LIST] = "SELECT seq, component, step, instance, kind, run, attempt, outcome, "
                       "started_ms, ended_ms, text FROM steps WHERE op_n=?1 ORDER BY seq",
    [PV_S_SIGNAL_PUT] = "INSERT OR REPLACE INTO signals VALUES(?1,?2,?3)",
    [PV_S_SIGNAL_LIST] = "SELECT name, body_sealed FROM signals WHERE op_n=?1 ORDER BY name",
    [PV_S_KV_GET] = "SELECT version, erased, writer, value_sealed, service_n FROM kv "
                    "WHERE scope=?1 AND name=?2",
    [PV_S_KV_PUT] = "INSERT OR REPLACE INTO kv VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [PV_S_KV_DROP] = "DELETE FROM kv WHERE service_n=?1",
    [PV_S_SHARED_GET] = "SELECT version, erased, writer, value_sealed FROM kv_shared WHERE n=?1",
    [PV_S_SHARED_ADD] = "INSERT INTO kv_shared(scope, name, version, erased, writer, value_sealed) "
                        "VALUES(?1,?2,?3,?4,?5,?6)",
    [PV_S_SHARED_SET] =
        "UPDATE kv_shared SET version=?3, erased=?4, writer=?5, value_sealed=?6 WHERE n=?7",
    [PV_S_GRANT_GET] = "SELECT number, value_sealed FROM grants WHERE op_n=?1 AND run=?2 AND "
                       "kind=?3 AND component=?4 AND step=?5 AND name=?6",
    [PV_S_GRANT_PUT] = "INSERT OR REPLACE INTO grants VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [PV_S_GRANT_DEL] = "DELETE FROM grants WHERE op_n=?1 AND run=?2 AND kind=?3 AND component=?4 "
                       "AND step=?5 AND name=?6",
    [PV_S_GRANT_LIST] = "SELECT run, kind, component, step, name, number, value_sealed "
                        "FROM grants WHERE op_n=?1 ORDER BY run, kind, component, step, name",
    [PV_S_SLOT_GET] = "SELECT " SLOT " FROM slots WHERE pool=?1 AND idx=?2",
    [PV_S_SLOT_PUT] = "INSERT OR REPLACE INTO slots VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [PV_S_SLOT_COOLED] = "SELECT idx FROM slots INDEXED BY slots_cooling WHERE state=2 AND pool=?1 "
                         "AND free_ms<=?4 AND idx BETWEEN ?2 AND ?3 ORDER BY free_ms, idx LIMIT 1",
    [PV_S_SLOT_COOLED_COUNT] =
        "SELECT count(*) FROM slots INDEXED BY slots_cooling WHERE state=2 AND pool=?1 "
        "AND free_ms<=?4 AND idx BETWEEN ?2 AND ?3",
    [PV_S_SLOT_COUNT] = "SELECT count(*) FROM slots WHERE pool=?1 AND idx BETWEEN ?2 AND ?3",
    [PV_S_SLOT_LIST] = "SELECT " SLOT " FROM slots INDEXED BY slots_holder "
                       "WHERE service_n=?1 AND service_n <> 0 ORDER BY pool, idx",
    [PV_S_POOL_GET] = "SELECT first, last, next, used FROM pools WHERE pool=?1",
    [PV_S_POOL_PUT] = "INSERT OR REPLACE INTO pools VALUES(?1,?2,?3,?4,?5)",
    [PV_S_QUOTA_GET] = "SELECT used FROM quotas WHERE service_n=?1 AND name=?2",
    [PV_S_QUOTA_PUT] = "INSERT OR REPLACE INTO quotas VALUES(?1,?2,?3)",
    [PV_S_QUOTA_DROP] = "DELETE FROM quotas WHERE service_n=?1",
    [PV_S_QUOTA_LIST] = "SELECT name, used FROM quotas WHERE service_n=?1 ORDER BY name",
    [PV_S_AUDIT_HASH] = "SELECT hash FROM audit WHERE n=?1",
    [PV_S_OUTBOX_ADD] = "INSERT INTO outbox VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,0,0,NULL,?10)",
    [PV_S_OUTBOX_DEL] = "DELETE FROM outbox WHERE n=?1",
    [PV_S_OUTBOX_SET] = "UPDATE outbox SET since_ms=?2, due_ms=?3, attempts=?4, undelivered=?5, "
                        "error=?6 WHERE n=?1",
    [PV_S_OUTBOX_GET] = "SELECT " OUTBOX " FROM outbox WHERE n=?1",
    [PV_S_OUTBOX_HEAD] =
        "SELECT " OUTBOX " FROM outbox INDEXED BY outbox_chain WHERE subscriber=?1 "
        "AND service_n=?2 AND undelivered=0 ORDER BY n LIMIT 1",
    [PV_S_OUTBOX_TAKE] = "SELECT " OUTBOX ", body_sealed FROM outbox INDEXED BY outbox_due WHERE "
                         "subscriber=?1 AND due_ms IS NOT NULL ORDER BY due_ms, n LIMIT ?2",
    [PV_S_OUTBOX_LIST] = "SELECT " OUTBOX " FROM outbox WHERE n>?2 AND subscriber=?1 ORDER BY n "
                         "LIMIT ?3",
    [PV_S_OUTBOX_FAILED] = "SELECT " OUTBOX " FROM outbox WHERE subscriber=?1 AND "
                           "(undelivered <> 0 OR (due_ms IS NOT NULL AND attempts > 0)) "
                           "ORDER BY n LIMIT ?2",
    [PV_S_OUTBOX_EXPIRED] =
        "SELECT " OUTBOX " FROM outbox INDEXED BY outbox_undelivered WHERE subscriber=?1 AND "
        "undelivered <> 0 AND since_ms < ?2 ORDER BY n LIMIT ?3",
    [PV_S_OUTBOX_DROP] = "DELETE FROM outbox WHERE subscriber=?1",
    [PV_S_SUBSCRIBER_GET] = "SELECT " SUBSCRIBER " FROM subscribers WHERE name=?1",
    [PV_S_SUBSCRIBER_PUT] =
        "INSERT OR REPLACE INTO subscribers(" SUBSCRIBER ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [PV_S_SUBSCRIBER_DEL] = "DELETE FROM subscribers WHERE name=?1",
    [PV_S_SUBSCRIBER_LIST] = "SELECT " SUBSCRIBER " FROM subscribers ORDER BY name",
    [PV_S_TOKEN_BY_ID] = "SELECT " TOKEN " FROM tokens WHERE id=?1",
    [PV_S_TOKEN_BY_HASH] = "SELECT " TOKEN " FROM tokens WHERE secret_hash=?1",
    [PV_S_TOKEN_PUT] = "INSERT OR REPLACE INTO tokens VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [PV_S_TOKEN_LIST] = "SELECT " TOKEN " FROM tokens WHERE id>?1 ORDER BY id LIMIT ?2",
    [PV_S_PAUSE_ADD] = "INSERT OR REPLACE INTO paused VALUES(?1)",
    [PV_S_PAUSE_DEL] = "DELETE FROM paused WHERE instance=?1",
    [PV_S_PAUSE_LIST] = "SELECT instance FROM paused ORDER BY instance LIMIT ?1",
};

struct pv_sqlite_db *pv_sqlite_db_of(struct pv_rows *rows)
{
    return PV_CONTAINER(rows, struct pv_sqlite_db, rows);
}

int pv_sqlite_status(struct pv_sqlite_db *db, int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) {
        return PV_OK;
    }
    snprintf(db->error, sizeof(db->error), "%s", sqlite3_errmsg(db->db));
    db->suspect = db->suspect || (code & 0xFF) == SQLITE_IOERR;
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return PV_ENOSPACE;
    case SQLITE_NOMEM:
        return PV_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return PV_EBUSY;
    case SQLITE_CONSTRAINT:
        return PV_EEXISTS;
    case SQLITE_TOOBIG:
        return PV_ETOOBIG;
    case SQLITE_IOERR:
        return sqlite3_system_errno(db->db) == 28 /* ENOSPC */ ? PV_ENOSPACE : PV_EIO;
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
        return PV_EIO;
    default:
        return PV_EINTERNAL;
    }
}

void pv_sqlite_finish_req(struct pv_req *req, int status, const char *why)
{
    pv_logic_reset(req);
    req->status = pv_err_set(&req->err, status, "the store: %s (%s)", pv_status_text(status), why);
}

/* What of the pending rows a statement would miss. */
static const uint8_t sees[PV_S_COUNT] = {
    [PV_S_COMMIT] = PV_PENDING_ALL,
    [PV_S_MARK] = PV_PENDING_ALL,
    [PV_S_SVC_LAST] = PV_PENDING_SERVICES,
    [PV_S_LANE_NEXT] = PV_PENDING_SERVICES,
    [PV_S_LANE_FIRST] = PV_PENDING_SERVICES,
    [PV_S_LANE_AFTER] = PV_PENDING_SERVICES,
    [PV_S_CLAIMED_AFTER] = PV_PENDING_SERVICES,
    [PV_S_OP_LAST] = PV_PENDING_OPERATIONS,
    [PV_S_OP_BY_ID] = PV_PENDING_OPERATIONS,
    [PV_S_AUDIT_HASH] = PV_PENDING_AUDIT,
};

sqlite3_stmt *pv_sqlite_stmt(struct pv_sqlite_db *db, enum pv_stmt which, int *ret_status)
{
    int status = sees[which] ? pv_pending_flush(db, sees[which]) : PV_OK;
    if (!status && which == PV_S_COMMIT && db->pending) {
        status = pv_sqlite_keys_log(db);
    }
    if (status) {
        *ret_status = status;
        return NULL;
    }
    if (!db->stmts[which]) {
        int code = sqlite3_prepare_v3(db->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &db->stmts[which], NULL);
        if (code != SQLITE_OK) {
            *ret_status = pv_sqlite_status(db, code);
            return NULL;
        }
    }
    *ret_status = PV_OK;
    return db->stmts[which];
}

int pv_sqlite_run(struct pv_sqlite_db *db, sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    int status = code == SQLITE_ROW ? PV_EINTERNAL : pv_sqlite_status(db, code);
    sqlite3_reset(stmt);
    return status;
}

int pv_sqlite_run_plain(struct pv_sqlite_db *db, enum pv_stmt which)
{
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    return stmt ? pv_sqlite_run(db, stmt) : status;
}

int pv_sqlite_next(struct pv_sqlite_db *db, sqlite3_stmt *stmt, bool *ret_row)
{
    int code = sqlite3_step(stmt);
    *ret_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        return PV_OK;
    }
    int status = pv_sqlite_status(db, code);
    sqlite3_reset(stmt);
    return status;
}

int pv_sqlite_one(struct pv_sqlite_db *db, sqlite3_stmt *stmt)
{
    bool row = false;
    int status = pv_sqlite_next(db, stmt, &row);
    return status || row ? status : PV_ENOTFOUND;
}

/* ---- lists ---- */

/* Room for one more row in a list that grows; NULL: out of memory. */
static void *add_row(char **list, size_t count, size_t *size, size_t bytes, struct pv_arena *arena)
{
    if (count == *size) {
        size_t more = *size ? *size * 2 : 4;
        char *bigger = pv_arena_alloc(arena, more * bytes);
        if (!bigger) {
            return NULL;
        }
        if (count > 0) {
            memcpy(bigger, *list, count * bytes);
        }
        *list = bigger;
        *size = more;
    }
    return memset(*list + count * bytes, 0, bytes);
}

void *pv_sqlite_list(struct pv_sqlite_db *db, sqlite3_stmt *stmt,
                     const struct pv_sqlite_shape *shape, struct pv_arena *arena, size_t *ret_count,
                     int *ret_status)
{
    char *list = NULL;
    size_t count = 0;
    size_t size = 0;
    bool row = true;
    int status = pv_sqlite_next(db, stmt, &row);
    while (!status && row) {
        void *one = add_row(&list, count, &size, shape->bytes, arena);
        status = one ? shape->read(db, stmt, shape->of, arena, one) : PV_ENOMEM;
        count++;
        status = status ? status : pv_sqlite_next(db, stmt, &row);
    }
    sqlite3_reset(stmt);
    *ret_count = status ? 0 : count;
    *ret_status = status;
    return status ? NULL : list;
}

void *pv_sqlite_list_n(struct pv_rows *rows, enum pv_stmt which, int64_t n,
                       const struct pv_sqlite_shape *shape, struct pv_arena *arena,
                       size_t *ret_count, int *ret_status)
{
    struct pv_sqlite_db *db = pv_sqlite_db_of(rows);
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, ret_status);
    if (!stmt) {
        *ret_count = 0;
        return NULL;
    }
    sqlite3_bind_int64(stmt, 1, n);
    return pv_sqlite_list(db, stmt, shape, arena, ret_count, ret_status);
}

/* ---- bind ---- */

void pv_bind_str(sqlite3_stmt *stmt, int at, struct pv_str s)
{
    if (s.ptr) {
        sqlite3_bind_text(stmt, at, s.ptr, (int)s.len, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(stmt, at);
    }
}

void pv_bind_blob(sqlite3_stmt *stmt, int at, struct pv_str s)
{
    if (s.ptr) {
        sqlite3_bind_blob(stmt, at, s.ptr, (int)s.len, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(stmt, at);
    }
}

void pv_bind_id(sqlite3_stmt *stmt, int at, const struct pv_id *id)
{
    sqlite3_bind_blob(stmt, at, id->b, sizeof(id->b), SQLITE_STATIC);
}

void pv_bind_hash(sqlite3_stmt *stmt, int at, const struct pv_hash *hash)
{
    sqlite3_bind_blob(stmt, at, hash->b, sizeof(hash->b), SQLITE_STATIC);
}

int pv_bind_sealed(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int at, unsigned seal,
                   struct pv_str identity, struct pv_str s)
{
    if (!s.ptr) {
        sqlite3_bind_null(stmt, at);
        return PV_OK;
    }
    struct pv_buf *buf = &db->seals[seal];
    pv_buf_clear(buf);
    int status = pv_keyring_seal(db->keyring, identity, s, buf);
    if (!status) {
        pv_bind_blob(stmt, at, pv_buf_view(buf));
    }
    return status;
}

/* ---- columns ---- */

static struct pv_str column(sqlite3_stmt *stmt, int at)
{
    int type = sqlite3_column_type(stmt, at);
    if (type == SQLITE_NULL) {
        return (struct pv_str){NULL, 0};
    }
    const char *ptr = type == SQLITE_TEXT ? (const char *)sqlite3_column_text(stmt, at)
                                          : sqlite3_column_blob(stmt, at);
    return (struct pv_str){ptr ? ptr : "", (size_t)sqlite3_column_bytes(stmt, at)};
}

void pv_column_str(sqlite3_stmt *stmt, int at, struct pv_arena *arena, struct pv_str *ret,
                   int *status)
{
    struct pv_str s = column(stmt, at);
    *ret = (struct pv_str){NULL, 0};
    if (s.ptr && !*status) {
        *ret = pv_arena_copy(arena, s);
        *status = ret->ptr ? PV_OK : PV_ENOMEM;
    }
}

static void column_fixed(sqlite3_stmt *stmt, int at, void *ret, size_t bytes)
{
    struct pv_str s = column(stmt, at);
    memset(ret, 0, bytes);
    if (s.len == bytes) {
        memcpy(ret, s.ptr, bytes);
    }
}

void pv_column_id(sqlite3_stmt *stmt, int at, struct pv_id *ret)
{
    column_fixed(stmt, at, ret->b, sizeof(ret->b));
}

void pv_column_hash(sqlite3_stmt *stmt, int at, struct pv_hash *ret)
{
    column_fixed(stmt, at, ret->b, sizeof(ret->b));
}

void pv_column_sealed(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int at, struct pv_str identity,
                      struct pv_arena *arena, struct pv_str *ret, int *status)
{
    struct pv_str s = column(stmt, at);
    *ret = (struct pv_str){NULL, 0};
    if (s.ptr && !*status) {
        *status = pv_keyring_unseal(db->keyring, identity, s, arena, ret);
        if (*status == PV_ECRYPTO) {
            snprintf(db->error, sizeof(db->error), "a sealed value cannot be opened");
        }
    }
}

/* ---- identities ---- */

void pv_identity_add(struct pv_identity *identity, struct pv_str part)
{
    size_t room = sizeof(identity->b) - identity->len;
    size_t len = part.len < room - 1 ? part.len : room - 1;
    if (len > 0) {
        memcpy(identity->b + identity->len, part.ptr, len);
        identity->len += len;
    }
    if (identity->len < sizeof(identity->b)) {
        identity->b[identity->len++] = '\0';
    }
}

struct pv_identity pv_identity_n(const char *table, int64_t n)
{
    struct pv_identity identity;
    identity.len = 0;
    char number[24];
    int len = snprintf(number, sizeof(number), "%lld", (long long)n);
    pv_identity_add(&identity, pv_str(table));
    pv_identity_add(&identity, (struct pv_str){number, (size_t)len});
    return identity;
}

struct pv_identity pv_identity_id(const char *table, struct pv_id id)
{
    struct pv_identity identity;
    identity.len = 0;
    pv_identity_add(&identity, pv_str(table));
    pv_identity_add(&identity, (struct pv_str){(const char *)id.b, sizeof(id.b)});
    return identity;
}

struct pv_identity pv_identity_named(const char *table, int64_t n, struct pv_str name)
{
    struct pv_identity identity = pv_identity_n(table, n);
    pv_identity_add(&identity, name);
    return identity;
}

struct pv_identity pv_identity_kv(struct pv_str scope, struct pv_str name)
{
    struct pv_identity identity = pv_identity_n("kv", 0);
    pv_identity_add(&identity, scope);
    pv_identity_add(&identity, name);
    return identity;
}

struct pv_identity pv_identity_grant(const struct pv_grant *grant)
{
    struct pv_identity identity = pv_identity_n("grant", grant->op_n);
    char run = (char)('0' + grant->run % 64);
    pv_identity_add(&identity, (struct pv_str){&run, 1});
    pv_identity_add(&identity, grant->component);
    pv_identity_add(&identity, grant->step);
    pv_identity_add(&identity, grant->name);
    return identity;
}

struct pv_identity pv_identity_outbox(struct pv_id op, struct pv_str subscriber)
{
    struct pv_identity identity = pv_identity_id("outbox", op);
    pv_identity_add(&identity, subscriber);
    return identity;
}

struct pv_str pv_identity_str(const struct pv_identity *identity)
{
    return (struct pv_str){identity->b, identity->len};
}

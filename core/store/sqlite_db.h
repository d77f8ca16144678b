/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite database as the store uses it: one connection, prepared statements, sealed columns. Used
 * by one thread at a time: the caller's while it is opened and closed, the store's own in between.
 */
#ifndef PV_STORE_SQLITE_DB_H
#define PV_STORE_SQLITE_DB_H

#include "core/store/key_filter.h"
#include "core/store/key_tail.h"
#include "core/store/logic.h"
#include "core/store/sqlite_pending.h"

#include <sqlite3.h>

/* Every hot statement has a place here; prepared when it is first needed. */
enum pv_stmt {
    PV_S_BEGIN,
    PV_S_BEGIN_WRITE,
    PV_S_COMMIT,
    PV_S_ROLLBACK,
    PV_S_MARK,
    PV_S_MARK_RELEASE,
    PV_S_MARK_ROLLBACK,
    PV_S_SVC_BY_N,
    PV_S_SVC_LAST,
    PV_S_NEW_SERVICES,
    PV_S_NEW_DETAILS,
    PV_S_NEW_OPERATIONS,
    PV_S_NEW_AUDIT,
    PV_S_SVC_UPDATE,
    PV_S_SVC_UPDATE_PLACE,
    PV_S_DETAIL_GET,
    PV_S_DETAIL_PUT,
    PV_S_LANE_NEXT,
    PV_S_LANE_FIRST,
    PV_S_LANE_AFTER,
    PV_S_CLAIMED_AFTER,
    PV_S_OP_BY_ID,
    PV_S_OP_BY_N,
    PV_S_OP_HEAD,
    PV_S_OP_LAST,
    PV_S_OP_PIN,
    PV_S_OP_FINISH,
    PV_S_KEY_GET,
    PV_S_KEY_SCAN,
    PV_S_KEY_AFTER,
    PV_S_KEY_PUT,
    PV_S_KEY_LOG,
    PV_S_KEY_TRIM,
    PV_S_WAIT_ADD,
    PV_S_WAIT_DEL,
    PV_S_WAIT_LIST,
    PV_S_WAIT_LAST,
    PV_S_DOC_PUT,
    PV_S_DOC_DROP,
    PV_S_DOC_DROP_ALL,
    PV_S_DOC_LIST,
    PV_S_STEP_ADD,
    PV_S_STEP_LIST,
    PV_S_SIGNAL_PUT,
    PV_S_SIGNAL_LIST,
    PV_S_KV_GET,
    PV_S_KV_PUT,
    PV_S_KV_DROP,
    PV_S_SHARED_GET,
    PV_S_SHARED_ADD,
    PV_S_SHARED_SET,
    PV_S_GRANT_GET,
    PV_S_GRANT_PUT,
    PV_S_GRANT_DEL,
    PV_S_GRANT_LIST,
    PV_S_SLOT_GET,
    PV_S_SLOT_PUT,
    PV_S_SLOT_COOLED,
    PV_S_SLOT_COOLED_COUNT,
    PV_S_SLOT_COUNT,
    PV_S_SLOT_LIST,
    PV_S_POOL_GET,
    PV_S_POOL_PUT,
    PV_S_QUOTA_GET,
    PV_S_QUOTA_PUT,
    PV_S_QUOTA_DROP,
    PV_S_QUOTA_LIST,
    PV_S_AUDIT_HASH,
    PV_S_OUTBOX_ADD,
    PV_S_OUTBOX_DEL,
    PV_S_OUTBOX_SET,
    PV_S_OUTBOX_GET,
    PV_S_OUTBOX_HEAD,
    PV_S_OUTBOX_TAKE,
    PV_S_OUTBOX_LIST,
    PV_S_OUTBOX_FAILED,
    PV_S_OUTBOX_EXPIRED,
    PV_S_OUTBOX_DROP,
    PV_S_SUBSCRIBER_GET,
    PV_S_SUBSCRIBER_PUT,
    PV_S_SUBSCRIBER_DEL,
    PV_S_SUBSCRIBER_LIST,
    PV_S_TOKEN_BY_ID,
    PV_S_TOKEN_BY_HASH,
    PV_S_TOKEN_PUT,
    PV_S_TOKEN_LIST,
    PV_S_PAUSE_ADD,
    PV_S_PAUSE_DEL,
    PV_S_PAUSE_LIST,
    PV_S_COUNT,
};

#define PV_SEALS 4 /* sealed columns of one statement */

#define PV_MISSING_KEYS 1024u

/* sqlite_vfs.c: writes of the log, gathered. */
struct pv_sqlite_vfs {
    sqlite3_vfs vfs;
    sqlite3_vfs *system; /* NULL: not registered */
    char name[32];
};

struct pv_sqlite_db {
    struct pv_rows rows; /* first */
    struct pv_rows_ops ops;
    sqlite3 *db;
    struct pv_sqlite_vfs vfs;
    const struct pv_keyring *keyring; /* borrowed */
    sqlite3_stmt *stmts[PV_S_COUNT];
    struct pv_pending *pending;    /* NULL: it only reads */
    struct pv_buf seals[PV_SEALS]; /* what is bound until the statement was run */
    struct pv_key_tail tail;
    struct pv_key_filter filter; /* of what the index has */
    bool reader;                 /* only reads: the tail, and what is missing, are the writer's */
    /* Keys that were not found, since what is absent is asked for again before it is added. */
    struct pv_tail_key missing[PV_MISSING_KEYS];
    size_t mark_count;  /* keys at the mark */
    size_t tail_logged; /* keys that stand in the log */
    size_t tail_kept;   /* these three: as of the latest commit */
    size_t merged_kept;
    int64_t trimmed_kept;
    int64_t trimmed_n; /* up to here the log is deleted */
    int wal_frames;    /* after the latest commit */
    int lock_fd;       /* holds PATH.lock; -1 */
    bool suspect;      /* a sync may have failed: pv_sqlite_renew before the next write */
    char error[200];   /* of the latest failure */
};

/* From schema/sqlite, in order; pv_sqlite_schema is their number. */
extern const char *const pv_sqlite_migrations[];
extern const int pv_sqlite_schema;

struct pv_sqlite_db *pv_sqlite_db_of(struct pv_rows *rows);
/* The status for a result code; keeps the sentence in db->error. */
int pv_sqlite_status(struct pv_sqlite_db *db, int code);
/* Makes it known to SQLite under its name; a result code. Stays where it is until it is
 * unregistered, after the connection was closed; that is legal at any time. */
int pv_sqlite_vfs_register(struct pv_sqlite_vfs *vfs) PV_MUST_CHECK;
void pv_sqlite_vfs_unregister(struct pv_sqlite_vfs *vfs);
/* Writes the write-ahead log once more and syncs it: what can be read of it is on the disk then,
 * and db->suspect is cleared. Not inside a transaction. */
int pv_sqlite_renew(struct pv_sqlite_db *db) PV_MUST_CHECK;
/* Builds with faults: PV_EIO while the fault "store.sync" is asked for. */
int pv_sqlite_sync_fault(struct pv_sqlite_db *db) PV_MUST_CHECK;
/* The request failed, for this reason. */
void pv_sqlite_finish_req(struct pv_req *req, int status, const char *why);
/* The prepared statement, ready to bind; NULL: *ret_status says why. Writes what is pending, where
 * the statement could see it; those by the number of a service or operation: pv_pending_flush_n. */
sqlite3_stmt *pv_sqlite_stmt(struct pv_sqlite_db *db, enum pv_stmt which, int *ret_status);
/* Runs a statement that returns no row, and resets it. */
int pv_sqlite_run(struct pv_sqlite_db *db, sqlite3_stmt *stmt) PV_MUST_CHECK;
int pv_sqlite_run_plain(struct pv_sqlite_db *db, enum pv_stmt which) PV_MUST_CHECK;
/* Next row: 0 and *ret_row; the statement is reset once there is none, or on failure. */
int pv_sqlite_next(struct pv_sqlite_db *db, sqlite3_stmt *stmt, bool *ret_row) PV_MUST_CHECK;
/* First row or PV_ENOTFOUND. The caller resets it after reading. */
int pv_sqlite_one(struct pv_sqlite_db *db, sqlite3_stmt *stmt) PV_MUST_CHECK;

/* Bind: borrowed until the statement is run. A failure shows when it is run. */
void pv_bind_str(sqlite3_stmt *stmt, int at, struct pv_str s);  /* none: NULL */
void pv_bind_blob(sqlite3_stmt *stmt, int at, struct pv_str s); /* none: NULL */
void pv_bind_id(sqlite3_stmt *stmt, int at, const struct pv_id *id);
void pv_bind_hash(sqlite3_stmt *stmt, int at, const struct pv_hash *hash);
/* Seals into place `seal` (below PV_SEALS); none: NULL. */
int pv_bind_sealed(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int at, unsigned seal,
                   struct pv_str identity, struct pv_str s) PV_MUST_CHECK;

/* Columns. Strings are copied into the arena; failures are kept in *status, which is not
 * overwritten. */
void pv_column_str(sqlite3_stmt *stmt, int at, struct pv_arena *arena, struct pv_str *ret,
                   int *status);
void pv_column_id(sqlite3_stmt *stmt, int at, struct pv_id *ret); /* NULL: zero */
void pv_column_hash(sqlite3_stmt *stmt, int at, struct pv_hash *ret);
void pv_column_sealed(struct pv_sqlite_db *db, sqlite3_stmt *stmt, int at, struct pv_str identity,
                      struct pv_arena *arena, struct pv_str *ret, int *status);

/* What a sealed value belongs to, so that it cannot be moved to another row. */
struct pv_identity {
    size_t len;
    char b[520];
};
struct pv_identity pv_identity_n(const char *table, int64_t n);
struct pv_identity pv_identity_id(const char *table, struct pv_id id);
struct pv_identity pv_identity_named(const char *table, int64_t n, struct pv_str name);
struct pv_identity pv_identity_kv(struct pv_str scope, struct pv_str name);
struct pv_identity pv_identity_grant(const struct pv_grant *grant); /* by its key */
struct pv_identity pv_identity_outbox(struct pv_id op, struct pv_str subscriber);
void pv_identity_add(struct pv_identity *identity, struct pv_str part);
struct pv_str pv_identity_str(const struct pv_identity *identity);

/* Keys of events, services and shared values. PV_ENOTFOUND. A key is added once only. */
#define PV_KEY_EVENT 1
#define PV_KEY_SERVICE 2
#define PV_KEY_SHARED 3
int pv_sqlite_key_find(struct pv_sqlite_db *db, int kind, struct pv_id id,
                       int64_t *ret_value) PV_MUST_CHECK;
int pv_sqlite_key_add(struct pv_sqlite_db *db, int kind, struct pv_id id,
                      int64_t value) PV_MUST_CHECK;
/* Writes the log of the keys that this transaction added: COMMIT does it. */
int pv_sqlite_keys_log(struct pv_sqlite_db *db) PV_MUST_CHECK;
/* Around each transaction that writes: a slice of the merge; then what became of the transaction.
 */
int pv_sqlite_keys_before_commit(struct pv_sqlite_db *db) PV_MUST_CHECK;
void pv_sqlite_keys_committed(struct pv_sqlite_db *db);
void pv_sqlite_keys_rolled_back(struct pv_sqlite_db *db);
/* Reads the log into memory, and begins a filter for so many keys. */
int pv_sqlite_keys_load(struct pv_sqlite_db *db, size_t expected) PV_MUST_CHECK;
/* Reads a slice of the index into the filter; not inside a transaction. True: there is more. */
bool pv_sqlite_keys_learn(struct pv_sqlite_db *db);

/* Everything but the connection. */
void pv_sqlite_db_init(struct pv_sqlite_db *db, const struct pv_keyring *keyring);
/* A second connection, that only reads. */
int pv_sqlite_open_reader(struct pv_sqlite_db *db, const char *path) PV_MUST_CHECK;
/* Opens connection, lock and schema; fills in the logic's tally, deployment and epoch. */
int pv_sqlite_db_open(const struct pv_sqlite_options *options, struct pv_sqlite_db *db,
                      struct pv_logic *logic, struct pv_err *err) PV_MUST_CHECK;
void pv_sqlite_db_close(struct pv_sqlite_db *db);

/* What a list of rows is made of. `read` fills one in, which is zeroed; `of` is the caller's. */
struct pv_sqlite_shape {
    size_t bytes; /* of one */
    int (*read)(struct pv_sqlite_db *db, sqlite3_stmt *row, const void *of, struct pv_arena *arena,
                void *ret);
    const void *of;
};
/* All rows of a statement that is bound, in the arena; resets it. NULL when there is none, or when
 * *ret_status says why not. */
void *pv_sqlite_list(struct pv_sqlite_db *db, sqlite3_stmt *stmt,
                     const struct pv_sqlite_shape *shape, struct pv_arena *arena, size_t *ret_count,
                     int *ret_status);
/* The same of a statement whose only parameter is a number. */
void *pv_sqlite_list_n(struct pv_rows *rows, enum pv_stmt which, int64_t n,
                       const struct pv_sqlite_shape *shape, struct pv_arena *arena,
                       size_t *ret_count, int *ret_status);
/* Runs a statement whose only parameter is a number. */
int pv_sqlite_drop_n(struct pv_rows *rows, enum pv_stmt which, int64_t n) PV_MUST_CHECK;

/* Fill in the row primitives: sqlite_rows.c, sqlite_things.c, sqlite_reserves.c, sqlite_pages.c. */
void pv_sqlite_rows(struct pv_rows_ops *ops);
void pv_sqlite_reserves(struct pv_rows_ops *ops);
void pv_sqlite_things(struct pv_rows_ops *ops);
void pv_sqlite_pages(struct pv_rows_ops *ops);
void pv_sqlite_outbox(struct pv_rows_ops *ops);

/* sqlite_reseal.c: a slice of writing what older keys sealed under the newest one. */
int pv_sqlite_reseal(struct pv_rows *rows, struct pv_reseal *in) PV_MUST_CHECK;
/* sqlite_meta.c: single values by name. PV_ENOTFOUND. */
int pv_sqlite_meta_get(struct pv_sqlite_db *db, const char *name, struct pv_arena *arena,
                       struct pv_str *ret) PV_MUST_CHECK;
int pv_sqlite_meta_put(struct pv_sqlite_db *db, const char *name,
                       struct pv_str value) PV_MUST_CHECK;
int pv_sqlite_meta_drop(struct pv_sqlite_db *db, const char *name) PV_MUST_CHECK;
/* A proof of the keys, sealed with the newest one. */
int pv_sqlite_put_proof(struct pv_sqlite_db *db, const char *name) PV_MUST_CHECK;
/* The proof that these are the keys that the database was made with: made where there is none.
 * PV_ECRYPTO: they are not. */
int pv_sqlite_check_keys(struct pv_sqlite_db *db, struct pv_arena *arena) PV_MUST_CHECK;

#endif

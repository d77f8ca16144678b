/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that the present transaction inserts and that the database has not been told of yet. They
 * are written many at a time, by one statement over a virtual table of each kind, before anything
 * reads them, and before the transaction ends. On the store's thread; of the connection that
 * writes. */
#ifndef PV_STORE_SQLITE_PENDING_H
#define PV_STORE_SQLITE_PENDING_H

#include "core/store/rows.h"

struct pv_sqlite_db;

enum pv_pending_what {
    PV_PENDING_NONE = 0,
    PV_PENDING_SERVICES = 1, /* with their details */
    PV_PENDING_OPERATIONS = 2,
    PV_PENDING_AUDIT = 4,
    PV_PENDING_ALL = 7,
};

#define PV_PENDING_ROWS 128u /* of a table; more are written in between */

enum pv_pending_table {
    PV_NEW_SERVICES,   /* struct pv_svc */
    PV_NEW_DETAILS,    /* struct pv_new_detail */
    PV_NEW_OPERATIONS, /* struct pv_op */
    PV_NEW_AUDIT,      /* struct pv_new_audit */
    PV_NEW_KEYS,       /* entries of db->tail */
    PV_NEW_TABLES,
};

struct pv_new_detail {
    int64_t service_n;
    struct pv_str attrs; /* none */
    struct pv_str composition;
};

struct pv_new_audit {
    struct pv_audit_row row;
    int64_t service_n;
};

/* What sqlite_pending.c keeps and sqlite_virtual.c shows to SQLite. */
struct pv_pending {
    char *rows[PV_NEW_TABLES]; /* PV_PENDING_ROWS of them each; keys: NULL */
    size_t count[PV_NEW_TABLES];
    int64_t next_n[PV_NEW_TABLES]; /* of the next new row; 0: the database knows */
    size_t keys_from;              /* of the tail; see pv_pending_keys */
    bool keys_ordered;
    struct pv_arena strings;
};

/* Bytes of a row. */
size_t pv_pending_bytes(enum pv_pending_table table);
/* Makes a virtual table pv_new_… of each, which shows db->pending. */
int pv_pending_tables(struct pv_sqlite_db *db) PV_MUST_CHECK;

/* Makes db->pending and its virtual tables. */
int pv_pending_start(struct pv_sqlite_db *db) PV_MUST_CHECK;
void pv_pending_end(struct pv_sqlite_db *db);

/* A new row; sets n. Strings are copied, but body, plan and composition, which are borrowed until
 * the transaction ends. */
int pv_pending_service(struct pv_sqlite_db *db, struct pv_svc *svc) PV_MUST_CHECK;
int pv_pending_operation(struct pv_sqlite_db *db, struct pv_op *op) PV_MUST_CHECK;
int pv_pending_audit(struct pv_sqlite_db *db, const struct pv_audit_row *row,
                     int64_t service_n) PV_MUST_CHECK;
/* Overwrites a service that is pending, or gives it a composition: *ret_known is false, and nothing
 * was done, when it is none. */
int pv_pending_overwrite(struct pv_sqlite_db *db, const struct pv_svc *svc,
                         bool *ret_known) PV_MUST_CHECK;
int pv_pending_detail(struct pv_sqlite_db *db, int64_t service_n, struct pv_str composition,
                      bool *ret_known) PV_MUST_CHECK;

/* Runs a statement over pv_new_keys: `count` entries of db->tail from place `from` on; places of
 * its order, when `ordered`. */
int pv_pending_keys(struct pv_sqlite_db *db, int which, size_t from, size_t count,
                    bool ordered) PV_MUST_CHECK;
/* Writes what is pending of these kinds. */
int pv_pending_flush(struct pv_sqlite_db *db, unsigned what) PV_MUST_CHECK;
/* The same when row n is among it: before it is read or written by its number. */
int pv_pending_flush_n(struct pv_sqlite_db *db, enum pv_pending_what what, int64_t n) PV_MUST_CHECK;
/* The transaction, or the part of it behind the mark, was rolled back. */
void pv_pending_drop(struct pv_sqlite_db *db);

#endif

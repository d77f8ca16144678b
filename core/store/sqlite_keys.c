/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of events and services: found in memory or in the index; added to memory and the log; merged
 * into the index a slice at a time, in the transactions of those who come by. */
#include "core/store/sqlite_db.h"

#include <string.h>

#define MERGE_AT 65536u
#define SLICE 512u
#define TRIM 2048
#define LEARN 4096

/* Where it is remembered that the index does not have a key. A zero kind: nothing. */
static struct pv_tail_key *missing_place(struct pv_sqlite_db *db, const struct pv_tail_key *key)
{
    unsigned place = (unsigned)key->b[1] | (unsigned)key->b[2] << 8;
    return &db->missing[place % PV_MISSING_KEYS];
}

static bool same_key(const struct pv_tail_key *a, const struct pv_tail_key *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static int find_in(struct pv_sqlite_db *db, enum pv_stmt which, const struct pv_tail_key *key,
                   int64_t *ret_value)
{
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, which, &status);
    if (!stmt) {
        return status;
    }
    sqlite3_bind_blob(stmt, 1, key->b, sizeof(key->b), SQLITE_STATIC);
    status = pv_sqlite_one(db, stmt);
    if (!status) {
        *ret_value = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_reset(stmt);
    return status;
}

int pv_sqlite_key_find(struct pv_sqlite_db *db, int kind, struct pv_id id, int64_t *ret_value)
{
    struct pv_tail_key key = pv_tail_key(kind, id);
    if (db->reader) { /* the log is not sorted, and never long */
        int found = find_in(db, PV_S_KEY_GET, &key, ret_value);
        return found == PV_ENOTFOUND ? find_in(db, PV_S_KEY_SCAN, &key, ret_value) : found;
    }
    if (pv_tail_find(&db->tail, &key, ret_value)) {
        return PV_OK;
    }
    struct pv_tail_key *missing = missing_place(db, &key);
    if (!pv_filter_may_have(&db->filter, &key) || same_key(missing, &key)) {
        return PV_ENOTFOUND;
    }
    int status = find_in(db, PV_S_KEY_GET, &key, ret_value);
    if (status == PV_ENOTFOUND) {
        *missing = key;
    }
    return status;
}

int pv_sqlite_key_add(struct pv_sqlite_db *db, int kind, struct pv_id id, int64_t value)
{
    struct pv_tail_key key = pv_tail_key(kind, id);
    int status = pv_tail_reserve(&db->tail);
    if (status) {
        return status;
    }
    pv_tail_add(&db->tail, &key, value);
    struct pv_tail_key *missing = missing_place(db, &key);
    if (same_key(missing, &key)) {
        *missing = (struct pv_tail_key){{0}};
    }
    return PV_OK;
}

/* Merges the next `count` keys into the index. */
static int merge(struct pv_sqlite_db *db, size_t count)
{
    struct pv_key_tail *tail = &db->tail;
    for (size_t i = 0; i < count; i++) {
        /* Also where the transaction comes to nothing: then it may be there, and is looked up. */
        pv_filter_add(&db->filter, &tail->entries[tail->order[tail->merged + i]].key);
    }
    int status = pv_pending_keys(db, PV_S_KEY_PUT, tail->merged, count, true);
    tail->merged += status ? 0 : count;
    return status;
}

/* Deletes log rows that the index holds. */
static int trim(struct pv_sqlite_db *db)
{
    int status = PV_OK;
    if (db->trimmed_n >= db->tail.first_n - 1) {
        return PV_OK;
    }
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_KEY_TRIM, &status);
    if (!stmt) {
        return status;
    }
    int64_t to = db->trimmed_n + TRIM;
    to = to < db->tail.first_n - 1 ? to : db->tail.first_n - 1;
    sqlite3_bind_int64(stmt, 1, to);
    status = pv_sqlite_run(db, stmt);
    db->trimmed_n = status ? db->trimmed_n : to;
    return status;
}

int pv_sqlite_keys_log(struct pv_sqlite_db *db)
{
    size_t count = db->tail.count;
    int status = pv_pending_keys(db, PV_S_KEY_LOG, db->tail_logged, count - db->tail_logged, false);
    db->tail_logged = status ? db->tail_logged : count;
    return status;
}

int pv_sqlite_keys_before_commit(struct pv_sqlite_db *db)
{
    struct pv_key_tail *tail = &db->tail;
    int status = trim(db);
    if (!status && !tail->order && db->tail_kept >= MERGE_AT && pv_tail_merge(tail, MERGE_AT)) {
        return PV_OK; /* no memory to sort them in: at the next commit */
    }
    /* Faster than they come, so that it ends. */
    size_t slice = SLICE + 2 * (tail->count - db->tail_kept);
    if (!status && tail->order) {
        size_t left = tail->merge_count - tail->merged;
        status = merge(db, slice < left ? slice : left);
    }
    return status;
}

void pv_sqlite_keys_committed(struct pv_sqlite_db *db)
{
    struct pv_key_tail *tail = &db->tail;
    if (tail->order && tail->merged == tail->merge_count) {
        pv_tail_merge_end(tail);
    }
    db->tail_kept = tail->count;
    db->tail_logged = tail->count;
    db->merged_kept = tail->merged;
    db->trimmed_kept = db->trimmed_n;
}

void pv_sqlite_keys_rolled_back(struct pv_sqlite_db *db)
{
    pv_tail_cut(&db->tail, db->tail_kept);
    db->tail_logged = db->tail_kept;
    db->tail.merged = db->merged_kept;
    db->trimmed_n = db->trimmed_kept;
}

/* Without the memory for it, or where the index cannot be read: without a filter. */
static void start_filter(struct pv_sqlite_db *db, size_t keys)
{
    if (pv_filter_start(&db->filter, keys)) {
        pv_filter_done(&db->filter);
    }
}

bool pv_sqlite_keys_learn(struct pv_sqlite_db *db)
{
    struct pv_key_filter *filter = &db->filter;
    if (pv_filter_is_full(filter)) {
        start_filter(db, filter->count * 2);
    }
    if (filter->whole) {
        return false;
    }
    int status = PV_OK;
    sqlite3_stmt *stmt = pv_sqlite_stmt(db, PV_S_KEY_AFTER, &status);
    int count = 0;
    if (stmt) {
        const struct pv_tail_key at = filter->at;
        sqlite3_bind_blob(stmt, 1, at.b, sizeof(at.b), SQLITE_STATIC);
        sqlite3_bind_int(stmt, 2, LEARN);
        for (bool row = true; row && !status;) {
            status = pv_sqlite_next(db, stmt, &row);
            const void *key = row ? sqlite3_column_blob(stmt, 0) : NULL;
            if (key && sqlite3_column_bytes(stmt, 0) == (int)sizeof(filter->at.b)) {
                memcpy(filter->at.b, key, sizeof(filter->at.b));
                pv_filter_add(filter, &filter->at);
                count++;
            }
        }
    }
    if (status) {
        pv_filter_done(filter);
    }
    filter->whole = filter->whole || count < LEARN;
    return !filter->whole;
}

int pv_sqlite_keys_load(struct pv_sqlite_db *db, size_t expected)
{
    sqlite3_stmt *stmt = NULL;
    int code =
        sqlite3_prepare_v2(db->db, "SELECT n, key, value FROM key_log ORDER BY n", -1, &stmt, NULL);
    int status = pv_sqlite_status(db, code);
    for (bool row = true; row && !status;) {
        status = pv_sqlite_next(db, stmt, &row);
        status = status || !row ? status : pv_tail_reserve(&db->tail);
        if (status || !row) {
            break;
        }
        struct pv_tail_key key;
        if (sqlite3_column_bytes(stmt, 1) != (int)sizeof(key.b)) {
            status = PV_EIO;
            break;
        }
        const uint8_t *bytes = sqlite3_column_blob(stmt, 1);
        for (size_t i = 0; i < sizeof(key.b); i++) {
            key.b[i] = bytes[i];
        }
        if (db->tail.count == 0) {
            db->tail.first_n = sqlite3_column_int64(stmt, 0);
        }
        pv_tail_add(&db->tail, &key, sqlite3_column_int64(stmt, 2));
    }
    sqlite3_finalize(stmt);
    db->trimmed_n = db->tail.first_n - 1;
    pv_sqlite_keys_committed(db);
    start_filter(db, expected);
    return status;
}

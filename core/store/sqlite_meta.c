/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store's single values by name, and among them the proofs of its keys. */
#include "core/store/sqlite_db.h"

int pv_sqlite_meta_get(struct pv_sqlite_db *db, const char *name, struct pv_arena *arena,
                       struct pv_str *ret)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->db, "SELECT value FROM meta WHERE name=?1", -1, &stmt, NULL);
    int status = pv_sqlite_status(db, code);
    if (!status) {
        pv_bind_str(stmt, 1, pv_str(name));
        status = pv_sqlite_one(db, stmt);
    }
    if (!status) {
        pv_column_str(stmt, 0, arena, ret, &status);
    }
    sqlite3_finalize(stmt);
    return status;
}

int pv_sqlite_meta_put(struct pv_sqlite_db *db, const char *name, struct pv_str value)
{
    sqlite3_stmt *stmt = NULL;
    int code =
        sqlite3_prepare_v2(db->db, "INSERT OR REPLACE INTO meta VALUES(?1,?2)", -1, &stmt, NULL);
    int status = pv_sqlite_status(db, code);
    if (!status) {
        pv_bind_str(stmt, 1, pv_str(name));
        pv_bind_blob(stmt, 2, value);
        status = pv_sqlite_run(db, stmt);
    }
    sqlite3_finalize(stmt);
    return status;
}

int pv_sqlite_meta_drop(struct pv_sqlite_db *db, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->db, "DELETE FROM meta WHERE name=?1", -1, &stmt, NULL);
    int status = pv_sqlite_status(db, code);
    if (!status) {
        pv_bind_str(stmt, 1, pv_str(name));
        status = pv_sqlite_run(db, stmt);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- proofs ---- */

/* A proof is the MAC of a word, sealed. "key_check" is sealed with a key from before until nothing
 * else is; "key_check_next" with the newest one from when something is. */
static int check_one(struct pv_sqlite_db *db, const char *name, struct pv_arena *arena)
{
    struct pv_hash mac = pv_keyring_mac(db->keyring, PV_STR("provost"));
    struct pv_str sealed = {NULL, 0};
    struct pv_str found = {NULL, 0};
    int status = pv_sqlite_meta_get(db, name, arena, &sealed);
    status = status ? status
                    : pv_keyring_unseal(db->keyring, PV_STR("key_check"), sealed, arena, &found);
    if (!status && !pv_str_eq(found, (struct pv_str){(const char *)mac.b, sizeof(mac.b)})) {
        status = PV_ECRYPTO;
    }
    return status;
}

int pv_sqlite_put_proof(struct pv_sqlite_db *db, const char *name)
{
    struct pv_hash mac = pv_keyring_mac(db->keyring, PV_STR("provost"));
    struct pv_buf *buf = &db->seals[0];
    pv_buf_clear(buf);
    int status = pv_keyring_seal(db->keyring, PV_STR("key_check"),
                                 (struct pv_str){(const char *)mac.b, sizeof(mac.b)}, buf);
    return status ? status : pv_sqlite_meta_put(db, name, pv_buf_view(buf));
}

int pv_sqlite_check_keys(struct pv_sqlite_db *db, struct pv_arena *arena)
{
    int status = check_one(db, "key_check", arena);
    if (status == PV_ENOTFOUND) {
        status = pv_sqlite_put_proof(db, "key_check");
    }
    if (!status) {
        status = check_one(db, "key_check_next", arena);
        status = status == PV_ENOTFOUND ? PV_OK : status;
    }
    return status;
}

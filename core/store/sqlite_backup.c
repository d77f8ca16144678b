/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the database as it is at one moment, while provostd goes on: SQLite reads it in one
 * transaction, which holds up no commit, and writes it anew. Blocks; any thread, any process. */
#include "core/store/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int copy(struct pv_sqlite_db *db, const char *path, const char *to)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
    code = code == SQLITE_OK ? sqlite3_busy_timeout(db->db, 10000) : code;
    code = code == SQLITE_OK ? sqlite3_prepare_v2(db->db, "VACUUM INTO ?1", -1, &stmt, NULL) : code;
    int status = pv_sqlite_status(db, code);
    if (!status) {
        pv_bind_str(stmt, 1, pv_str(to));
        status = pv_sqlite_run(db, stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db->db);
    db->db = NULL;
    return status;
}

/* What was written can be read. */
static int check(struct pv_sqlite_db *db, const char *to)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_open_v2(to, &db->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
    code = code == SQLITE_OK ? sqlite3_prepare_v2(db->db, "PRAGMA quick_check(1)", -1, &stmt, NULL)
                             : code;
    int status = pv_sqlite_status(db, code);
    status = status ? status : pv_sqlite_one(db, stmt);
    if (!status && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0) {
        snprintf(db->error, sizeof(db->error), "the copy is damaged: %s",
                 (const char *)sqlite3_column_text(stmt, 0));
        status = PV_EIO;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db->db);
    db->db = NULL;
    return status;
}

int pv_sqlite_backup(const char *path, const char *to, struct pv_err *err)
{
    struct pv_sqlite_db db = {.lock_fd = -1};
    int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "cannot make %s: %s", to,
                          strerror(errno));
    }
    int status = copy(&db, path, to);
    status = status ? status : check(&db, to);
    if (status) {
        pv_err_set(err, status, "cannot copy %s to %s: %s", path, to, db.error);
    } else if (fsync(fd) != 0 || pv_folder_sync(to) != 0) {
        status =
            pv_err_set(err, pv_status_from_errno(errno), "cannot sync %s: %s", to, strerror(errno));
    }
    close(fd);
    if (status) {
        unlink(to);
    }
    return status;
}

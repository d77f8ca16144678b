/* SPDX-License-Identifier: Apache-2.0 */
/* Making sure that the write-ahead log is on the disk, where it may not be. When a sync fails,
 * Linux marks the pages that it could not write as clean: they can be read and are never written,
 * and the next sync says that all is well. Who then reads such a log back takes for durable what is
 * not, and puts new commits behind it. So its bytes are written once more, which makes every page
 * of it dirty, and synced: then what can be read is what the disk holds. Through SQLite's VFS; any
 * thread. */
#include "core/store/sqlite_db.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"

#include <stdio.h>

#define CHUNK (64 * 1024) /* SQLite's VFS takes less than 128 KiB at once */

/* Reads and writes back `size` bytes. */
static int write_again(sqlite3_file *file, sqlite3_int64 size, char *chunk)
{
    for (sqlite3_int64 at = 0; at < size; at += CHUNK) {
        int bytes = size - at < CHUNK ? (int)(size - at) : CHUNK;
        int code = file->pMethods->xRead(file, chunk, bytes, at);
        code = code == SQLITE_OK ? file->pMethods->xWrite(file, chunk, bytes, at) : code;
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static int renew_file(sqlite3_vfs *vfs, const char *name)
{
    sqlite3_file *file = pv_calloc(1, (size_t)vfs->szOsFile);
    char *chunk = pv_malloc(CHUNK);
    int code = file && chunk ? SQLITE_OK : SQLITE_NOMEM;
    if (code == SQLITE_OK) {
        code = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, NULL);
    }
    if (code == SQLITE_OK) {
        sqlite3_int64 size = 0;
        code = file->pMethods->xFileSize(file, &size);
        code = code == SQLITE_OK && size > 0 ? write_again(file, size, chunk) : code;
    }
    if (file && file->pMethods) {
        (void)file->pMethods->xClose(file); /* it was synced */
    }
    pv_free(chunk);
    pv_free(file);
    return code;
}

/* Of this library's names; what SQLite would say reads otherwise. */
static int failed(struct pv_sqlite_db *db, int code)
{
    snprintf(db->error, sizeof(db->error), "the write-ahead log cannot be written again: %s",
             sqlite3_errstr(code));
    return (code & 0xFF) == SQLITE_NOMEM ? PV_ENOMEM : PV_EIO;
}

int pv_sqlite_sync_fault(struct pv_sqlite_db *db)
{
    if (PV_FAULT_FAILS("store.sync")) {
        snprintf(db->error, sizeof(db->error), "a fault that was asked for");
        db->suspect = true;
        return PV_EIO;
    }
    return PV_OK;
}

int pv_sqlite_renew(struct pv_sqlite_db *db)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    const char *path = sqlite3_db_filename(db->db, "main");
    const char *name = path ? sqlite3_filename_wal(path) : NULL;
    int there = 0;
    if (!vfs || !name) {
        return failed(db, SQLITE_MISUSE);
    }
    /* Nobody else writes meanwhile, nor starts the log from its beginning. */
    int status = pv_sqlite_run_plain(db, PV_S_BEGIN_WRITE);
    if (status) {
        return status;
    }
    status = pv_sqlite_sync_fault(db);
    int code = status ? SQLITE_OK : vfs->xAccess(vfs, name, SQLITE_ACCESS_EXISTS, &there);
    code = code == SQLITE_OK && there ? renew_file(vfs, name) : code;
    status = code == SQLITE_OK ? status : failed(db, code);
    int ended = pv_sqlite_run_plain(db, PV_S_ROLLBACK);
    status = status ? status : ended;
    db->suspect = status != PV_OK;
    return status;
}

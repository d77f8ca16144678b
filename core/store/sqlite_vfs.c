/* SPDX-License-Identifier: Apache-2.0 */
/* A VFS between SQLite and the system's, for the write-ahead log alone. SQLite writes each frame of
 * it with two calls, thirty for the commit of one event; here they are gathered, and go out in one
 * write when the log is synced, or before what they change is asked for. Nobody looks at a
 * frame before the commit that it belongs to, and with synchronous=FULL that is after the sync. One
 * instance a connection; used by the thread that uses it. */
#include "core/store/sqlite_db.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

#define HELD_MAX (64 * 1024) /* fifteen frames; SQLite's VFS takes less than 128 KiB at once */

struct log_file {
    sqlite3_file base;  /* first */
    sqlite3_file *real; /* behind this struct */
    char *held;         /* not yet written; NULL: no memory, or nothing was written so far */
    int held_bytes;
    sqlite3_int64 held_at;
};

static struct log_file *log_of(sqlite3_file *file)
{
    return (struct log_file *)file;
}

/* What cannot be written stays held: SQLite may give up one statement alone and go on to a commit,
 * which then writes all of it, or fails. Of a transaction that is rolled back it is written once
 * more than needed. */
static int flush(struct log_file *log)
{
    if (log->held_bytes == 0) {
        return SQLITE_OK;
    }
    int code = log->real->pMethods->xWrite(log->real, log->held, log->held_bytes, log->held_at);
    log->held_bytes = code == SQLITE_OK ? 0 : log->held_bytes;
    return code;
}

static int log_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    if (at != log->held_at + log->held_bytes || bytes > HELD_MAX - log->held_bytes) {
        int code = flush(log);
        if (code != SQLITE_OK) {
            return code;
        }
        log->held_at = at;
    }
    if (log->held == NULL) {
        log->held = pv_malloc(HELD_MAX);
    }
    if (log->held == NULL || bytes > HELD_MAX) {
        return log->real->pMethods->xWrite(log->real, from, bytes, at);
    }
    memcpy(log->held + log->held_bytes, from, (size_t)bytes);
    log->held_bytes += bytes;
    return SQLITE_OK;
}

static int log_close(sqlite3_file *file)
{
    struct log_file *log = log_of(file);
    int code = flush(log);
    int closed = log->real->pMethods->xClose(log->real);
    pv_free(log->held);
    log->held = NULL;
    return code == SQLITE_OK ? closed : code;
}

static int log_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    int code =
        at + bytes > log->held_at && at < log->held_at + log->held_bytes ? flush(log) : SQLITE_OK;
    return code == SQLITE_OK ? log->real->pMethods->xRead(log->real, to, bytes, at) : code;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct log_file *log = log_of(file);
    int code = flush(log);
    return code == SQLITE_OK ? log->real->pMethods->xTruncate(log->real, size) : code;
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct log_file *log = log_of(file);
    int code = flush(log);
    return code == SQLITE_OK ? log->real->pMethods->xSync(log->real, flags) : code;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    struct log_file *log = log_of(file);
    int code = flush(log);
    return code == SQLITE_OK ? log->real->pMethods->xFileSize(log->real, ret_size) : code;
}

static int log_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int log_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int log_check_lock(sqlite3_file *file, int *ret_held)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, ret_held);
}

static int log_control(sqlite3_file *file, int what, void *arg)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xFileControl(real, what, arg);
}

static int log_sector(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int log_device(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_device,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *ret_flags)
{
    sqlite3_vfs *system = PV_CONTAINER(vfs, struct pv_sqlite_vfs, vfs)->system;
    if ((flags & SQLITE_OPEN_WAL) == 0) {
        return system->xOpen(system, name, file, flags, ret_flags);
    }
    struct log_file *log = log_of(file);
    *log = (struct log_file){.real = (sqlite3_file *)(log + 1)};
    int code = system->xOpen(system, name, log->real, flags, ret_flags);
    log->base.pMethods = log->real->pMethods != NULL ? &log_methods : NULL;
    return code;
}

int pv_sqlite_vfs_register(struct pv_sqlite_vfs *vfs)
{
    int code = sqlite3_initialize();
    vfs->system = code == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;
    if (vfs->system == NULL) {
        return code == SQLITE_OK ? SQLITE_ERROR : code;
    }
    snprintf(vfs->name, sizeof(vfs->name), "provost-%p", (void *)vfs);
    vfs->vfs = *vfs->system;
    vfs->vfs.szOsFile += (int)sizeof(struct log_file);
    vfs->vfs.pNext = NULL;
    vfs->vfs.zName = vfs->name;
    vfs->vfs.xOpen = open_file;
    return sqlite3_vfs_register(&vfs->vfs, 0);
}

void pv_sqlite_vfs_unregister(struct pv_sqlite_vfs *vfs)
{
    if (vfs->system != NULL) {
        sqlite3_vfs_unregister(&vfs->vfs);
        vfs->system = NULL;
    }
}

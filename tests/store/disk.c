/* SPDX-License-Identifier: Apache-2.0 */
/* The VFS: each call goes on to the system's and is written down. What SQLite maps (the -shm file)
 * never outlives a power loss and is not written down. Copies of names and bytes are kept until
 * disk_forget. Everything is under `lock`. */
#include "tests/store/disk.h"

#include "tests/store/disk_events.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk_file {
    sqlite3_file base;      /* first */
    struct disk_node *node; /* NULL: none of the recorded folder */
    bool fresh; /* a journal or WAL that this open has made: its first sync syncs the folder */
    bool held;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *system_vfs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t happened = PTHREAD_COND_INITIALIZER;
static bool recording;
static char folder[256];
static enum disk_variant variant;
static char broken[32];
static size_t break_in;
static char full[32];
static size_t failed;
static bool rude;
static bool hold;
static void (*at_next_lock)(void);
static bool one_held;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;

/* ---- files ---- */

static struct disk_file *file_of(sqlite3_file *file)
{
    return (struct disk_file *)file;
}

static int io_close(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int io_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
    struct disk_file *f = file_of(file);
    pthread_mutex_lock(&lock);
    while (hold && f->held) {
        one_held = true;
        pthread_cond_broadcast(&happened);
        pthread_cond_wait(&let_go, &lock);
    }
    pthread_mutex_unlock(&lock);
    return f->real->pMethods->xRead(f->real, to, bytes, at);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name);
    size_t tail = strlen(ending);
    return tail > 0 && len >= tail && strcmp(name + len - tail, ending) == 0;
}

static int io_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
    struct disk_file *f = file_of(file);
    pthread_mutex_lock(&lock);
    bool fits = !recording || !f->node || !ends_with(f->node->name, full);
    int code = fits ? f->real->pMethods->xWrite(f->real, from, bytes, at) : SQLITE_FULL;
    if (code == SQLITE_OK && recording && f->node) {
        disk_event_write(f->node, from, (size_t)bytes, (size_t)at);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int io_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk_file *f = file_of(file);
    pthread_mutex_lock(&lock);
    int code = f->real->pMethods->xTruncate(f->real, size);
    if (code == SQLITE_OK && recording && f->node) {
        disk_event_truncate(f->node, (size_t)size);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

/* Under the lock. */
static bool sync_fails(const struct disk_file *f)
{
    bool fails = ends_with(f->node->name, broken);
    if (break_in > 0) {
        break_in--;
        fails = fails || break_in == 0;
    }
    return fails;
}

static int io_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct disk_file *f = file_of(file);
    int code = SQLITE_OK;
    pthread_mutex_lock(&lock);
    if (recording && f->node) {
        if (sync_fails(f)) {
            failed++;
            pthread_cond_broadcast(&happened);
            code = SQLITE_IOERR_FSYNC;
            disk_event_sync(f->node, DISK_SYNC_FAILED);
        } else if (variant != DISK_LIES) {
            disk_event_sync(f->node, DISK_SYNC);
            if (f->fresh) {
                disk_event_folder_sync();
                f->fresh = false;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    return code; /* power is lost in a simulation only: the real disk need not be waited for */
}

static int io_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xFileSize(real, ret);
}

static int io_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xLock(real, level);
}

static int io_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int io_reserved(sqlite3_file *file, int *ret)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, ret);
}

static int io_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = file_of(file)->real;
    if (op == SQLITE_FCNTL_PRAGMA && (variant == DISK_NORMAL || variant == DISK_OFF)) {
        char **words = arg;
        if (words[2] && strcmp(words[1], "synchronous") == 0 && strcmp(words[2], "FULL") == 0) {
            return SQLITE_OK; /* as if it were done */
        }
    }
    return real->pMethods->xFileControl(real, op, arg);
}

static int io_sector(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int io_device(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int io_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xShmMap(real, page, size, extend, ret);
}

static int io_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    pthread_mutex_lock(&lock);
    void (*call)(void) = at_next_lock;
    at_next_lock = NULL;
    pthread_mutex_unlock(&lock);
    if (call) {
        call();
    }
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xShmLock(real, offset, n, flags);
}

static void io_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    real->pMethods->xShmBarrier(real);
}

static int io_shm_unmap(sqlite3_file *file, int remove)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xShmUnmap(real, remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = io_close,
    .xRead = io_read,
    .xWrite = io_write,
    .xTruncate = io_truncate,
    .xSync = io_sync,
    .xFileSize = io_size,
    .xLock = io_lock,
    .xUnlock = io_unlock,
    .xCheckReservedLock = io_reserved,
    .xFileControl = io_control,
    .xSectorSize = io_sector,
    .xDeviceCharacteristics = io_device,
    .xShmMap = io_shm_map,
    .xShmLock = io_shm_lock,
    .xShmBarrier = io_shm_barrier,
    .xShmUnmap = io_shm_unmap,
};

/* ---- the folder ---- */

/* The name within the recorded folder; NULL: elsewhere. */
static const char *name_in_folder(const char *path)
{
    size_t len = strlen(folder);
    bool inside = recording && path && strncmp(path, folder, len) == 0 && path[len] == '/';
    return inside ? path + len + 1 : NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    (void)vfs;
    struct disk_file *f = file_of(file);
    f->real = (sqlite3_file *)(f + 1);
    pthread_mutex_lock(&lock);
    int code = system_vfs->xOpen(system_vfs, path, f->real, flags, ret_flags);
    f->base.pMethods = f->real->pMethods ? &methods : NULL;
    f->node = NULL;
    f->held = hold;
    f->fresh = false;
    const char *name = name_in_folder(path);
    if (code == SQLITE_OK && name) {
        f->node = disk_node_find(name);
        if (!f->node) {
            f->node = disk_event_create(name);
            f->fresh = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    pthread_mutex_lock(&lock);
    int code = system_vfs->xDelete(system_vfs, path, 0);
    const char *name = name_in_folder(path);
    if (code == SQLITE_OK && name && disk_node_find(name)) {
        disk_event_remove(name);
        if (sync_folder && variant != DISK_LIES) {
            disk_event_folder_sync();
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

/* Each connection begins so; what the store asks for later is not heard. */
static int weaken(sqlite3 *db, char **ret_error, const struct sqlite3_api_routines *api)
{
    (void)ret_error;
    (void)api;
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, rude, NULL);
    return variant == DISK_NORMAL ? sqlite3_exec(db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL)
           : variant == DISK_OFF  ? sqlite3_exec(db, "PRAGMA synchronous=OFF", NULL, NULL, NULL)
                                  : SQLITE_OK;
}

void disk_register(void)
{
    static sqlite3_vfs vfs;
    sqlite3_initialize();
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.zName = "disk";
    vfs.szOsFile = (int)sizeof(struct disk_file) + system_vfs->szOsFile;
    vfs.pNext = NULL;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    sqlite3_vfs_register(&vfs, 1);
    sqlite3_auto_extension((void (*)(void))weaken);
}

/* ---- recording ---- */

static void read_in(const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        return;
    }
    struct disk_node *node = disk_event_create(name);
    char bytes[65536];
    size_t at = 0;
    for (size_t got = fread(bytes, 1, sizeof(bytes), file); got > 0;
         got = fread(bytes, 1, sizeof(bytes), file)) {
        disk_event_write(node, bytes, got, at);
        at += got;
    }
    fclose(file);
    disk_event_sync(node, DISK_SYNC);
}

void disk_begin(const char *in_folder, enum disk_variant as)
{
    pthread_mutex_lock(&lock);
    disk_events_forget();
    snprintf(folder, sizeof(folder), "%s", in_folder);
    variant = as;
    failed = 0;
    broken[0] = '\0';
    full[0] = '\0';
    break_in = 0;
    recording = true;
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".db") && !strstr(entry->d_name, "-shm") &&
            !strstr(entry->d_name, ".lock")) {
            read_in(entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
    disk_event_folder_sync();
    disk_events_settle();
    pthread_mutex_unlock(&lock);
}

void disk_end(void)
{
    pthread_mutex_lock(&lock);
    recording = false;
    variant = DISK_HONEST;
    pthread_mutex_unlock(&lock);
}

void disk_forget(void)
{
    disk_events_forget();
}

size_t disk_now(void)
{
    pthread_mutex_lock(&lock);
    size_t now = disk_events_count();
    pthread_mutex_unlock(&lock);
    return now;
}

void disk_fill(const char *ending)
{
    pthread_mutex_lock(&lock);
    snprintf(full, sizeof(full), "%s", ending);
    pthread_mutex_unlock(&lock);
}

void disk_break(const char *ending)
{
    pthread_mutex_lock(&lock);
    snprintf(broken, sizeof(broken), "%s", ending);
    pthread_mutex_unlock(&lock);
}

void disk_break_once(size_t n)
{
    pthread_mutex_lock(&lock);
    break_in = n;
    pthread_mutex_unlock(&lock);
}

void disk_end_rudely(bool rudely)
{
    rude = rudely;
}

void disk_heal(void)
{
    pthread_mutex_lock(&lock);
    broken[0] = '\0';
    full[0] = '\0';
    break_in = 0;
    pthread_mutex_unlock(&lock);
}

size_t disk_failed(void)
{
    pthread_mutex_lock(&lock);
    size_t count = failed;
    pthread_mutex_unlock(&lock);
    return count;
}

void disk_await_failure(size_t before)
{
    pthread_mutex_lock(&lock);
    while (failed <= before) {
        pthread_cond_wait(&happened, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void disk_hold_reads(bool on)
{
    pthread_mutex_lock(&lock);
    hold = on;
    one_held = false;
    pthread_cond_broadcast(&let_go);
    pthread_mutex_unlock(&lock);
}

void disk_await_held(void)
{
    pthread_mutex_lock(&lock);
    while (!one_held) {
        pthread_cond_wait(&happened, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void disk_at_next_lock(void (*call)(void))
{
    pthread_mutex_lock(&lock);
    at_next_lock = call;
    pthread_mutex_unlock(&lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* See cgroup.h. Files are never created: those of a cgroup are there, or it is none. */
#include "core/runner/cgroup.h"

#include "core/base/str.h"
#include "core/runner/small.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_PATH (PV_CGROUP_PATH + 64)

/* ---- files ---- */

static int write_to(const char *folder, const char *name, const char *text)
{
    char path[FILE_PATH];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    ssize_t n = write(fd, text, strlen(text));
    int errnum = n < 0 ? errno : 0;
    close(fd);
    return errnum;
}

static int write_number(const char *folder, const char *name, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return write_to(folder, name, text);
}

/* Cut off at `size`; "" when it cannot be read. */
static void read_from(const char *folder, const char *name, char *out, size_t size)
{
    char path[FILE_PATH + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)pv_small_read(path, out, size);
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; *at != '\0'; at += strspn(at, " \n")) {
        size_t here = strcspn(at, " \n");
        if (here == len && memcmp(at, word, len) == 0) {
            return true;
        }
        at += here;
    }
    return false;
}

static int errno_err(struct pv_err *err, int errnum, const char *what, const char *path)
{
    return pv_err_set(err, pv_status_from_errno(errnum), "%s %s: %s", what, path, strerror(errnum));
}

/* ---- the daemon's own ---- */

/* Where cgroup v2 is mounted: alone, or beside v1. */
static const char *mount_point(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct statfs fs;
        if (statfs(places[i], &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC) {
            return places[i];
        }
    }
    return NULL;
}

int pv_cgroup_open(pid_t spawner, struct pv_cgroup *ret_cgroup, struct pv_err *err)
{
    char text[4096];
    char path[PV_CGROUP_PATH];
    ret_cgroup->base[0] = '\0';
    const char *mounted = mount_point();
    if (mounted == NULL) {
        return pv_err_set(err, PV_ENOTFOUND, "cgroup v2 is not mounted");
    }
    read_from("/proc/self", "cgroup", text, sizeof(text));
    const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (line == NULL) {
        return pv_err_set(err, PV_ENOTFOUND, "provostd is in no cgroup of v2");
    }
    line = strchr(line, '/');
    int len = snprintf(path, sizeof(path), "%s%.*s", mounted,
                       line != NULL ? (int)strcspn(line, "\n") : 0, line != NULL ? line : "");
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return pv_err_set(err, PV_ETOOBIG, "the path of provostd's cgroup is too long");
    }
    return pv_cgroup_open_at(path, spawner, ret_cgroup, err);
}

/* Moves both processes; an errno, or 0. */
static int move(const struct pv_cgroup *cgroup, const char *folder)
{
    for (size_t i = 0; i < 2; i++) {
        int errnum = write_number(folder, "cgroup.procs", (uint64_t)cgroup->pids[i]);
        if (errnum != 0) {
            return errnum;
        }
    }
    return 0;
}

static void leave(struct pv_cgroup *cgroup, const char *leaf)
{
    (void)move(cgroup, cgroup->base);
    rmdir(leaf);
    cgroup->base[0] = '\0';
}

int pv_cgroup_open_at(const char *path, pid_t spawner, struct pv_cgroup *ret_cgroup,
                      struct pv_err *err)
{
    struct pv_cgroup cgroup = {.pids = {getpid(), spawner}};
    char text[1024];
    char leaf[FILE_PATH];
    char type[FILE_PATH];
    ret_cgroup->base[0] = '\0';
    snprintf(cgroup.base, sizeof(cgroup.base), "%s", path);
    snprintf(leaf, sizeof(leaf), "%s/daemon", path);
    snprintf(type, sizeof(type), "%s/cgroup.type", path);
    if (access(type, F_OK) != 0) { /* only the root has none, and all of the system is in it */
        return pv_err_set(err, PV_ENOTFOUND, "%s is the root of all cgroups", path);
    }
    read_from(path, "cgroup.controllers", text, sizeof(text));
    if (!has_word(text, "memory")) {
        return pv_err_set(err, PV_ENOTFOUND, "%s has no memory controller", path);
    }
    if (mkdir(leaf, 0755) != 0 && errno != EEXIST) {
        return errno_err(err, errno, "not delegated to provostd: cannot make", leaf);
    }
    int errnum = move(&cgroup, leaf);
    if (errnum != 0) {
        leave(&cgroup, leaf);
        return errno_err(err, errnum, "cannot move to", leaf);
    }
    read_from(path, "cgroup.subtree_control", text, sizeof(text));
    cgroup.enabled = !has_word(text, "memory");
    errnum = cgroup.enabled ? write_to(path, "cgroup.subtree_control", "+memory") : 0;
    if (errnum != 0) {
        leave(&cgroup, leaf);
        return errno_err(err, errnum,
                         errnum == EBUSY ? "others than provostd are in it: cannot enable limits in"
                                         : "cannot enable limits in",
                         path);
    }
    *ret_cgroup = cgroup;
    return 0;
}

void pv_cgroup_close(struct pv_cgroup *cgroup)
{
    if (cgroup->base[0] != '\0') {
        char leaf[FILE_PATH];
        snprintf(leaf, sizeof(leaf), "%s/daemon", cgroup->base);
        if (cgroup->enabled) {
            (void)write_to(cgroup->base, "cgroup.subtree_control", "-memory");
        }
        cgroup->pids[1] = cgroup->pids[0]; /* the spawner is gone */
        leave(cgroup, leaf);
    }
}

/* ---- those of hosts ---- */

static void folder_of(const struct pv_cgroup *cgroup, uint64_t id, char out[FILE_PATH])
{
    snprintf(out, FILE_PATH, "%s/host-%" PRIu64, cgroup->base, id);
}

int pv_cgroup_make(const struct pv_cgroup *cgroup, uint64_t id, uint64_t max_bytes, int *ret_fd,
                   struct pv_err *err)
{
    char folder[FILE_PATH];
    char path[FILE_PATH + 16];
    folder_of(cgroup, id, folder);
    rmdir(folder);                  /* a predecessor's has counted already */
    if (mkdir(folder, 0755) != 0) { /* EEXIST: somebody is in it */
        return errno_err(err, errno, "cannot make", folder);
    }
    int errnum = write_number(folder, "memory.max", max_bytes);
    /* Older kernels, and such without swap, do not have these. */
    (void)write_to(folder, "memory.oom.group", "1");
    (void)write_to(folder, "memory.swap.max", "0");
    snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    int fd = errnum == 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        errnum = errnum != 0 ? errnum : errno;
        rmdir(folder);
        return errno_err(err, errnum, "cannot limit", folder);
    }
    *ret_fd = fd;
    return 0;
}

bool pv_cgroup_was_full(const struct pv_cgroup *cgroup, uint64_t id)
{
    char folder[FILE_PATH];
    char text[512];
    unsigned long long kills = 0;
    folder_of(cgroup, id, folder);
    read_from(folder, "memory.events", text, sizeof(text));
    const char *line = strstr(text, "oom_kill ");
    return line != NULL && sscanf(line, "oom_kill %llu", &kills) == 1 && kills > 0;
}

bool pv_cgroup_remove(const struct pv_cgroup *cgroup, uint64_t id)
{
    char folder[FILE_PATH];
    folder_of(cgroup, id, folder);
    (void)write_to(folder, "cgroup.kill", "1");
    return rmdir(folder) == 0 || errno == ENOENT;
}

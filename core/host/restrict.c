/* SPDX-License-Identifier: Apache-2.0 */
/* Restrictions of a host process. The order matters: what is restricted later may need what an
 * earlier line would take away. */
#include "core/host/restrict.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/base/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MAX 65536
#define CAPABILITIES_MAX 63

int pv_host_tie(int parent, struct pv_err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_PDEATHSIG): %m");
    }
    /* It may have died before the line above. */
    if (parent != 0 && getppid() != parent) {
        return pv_err_set(err, PV_ECLOSED, "the process that started this host is gone");
    }
    return 0;
}

int pv_host_read_reach(struct pv_reach *ret_reach, struct pv_err *err)
{
    struct stat st;
    if (fstat(PV_REACH_FD, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (size_t)st.st_size > PV_REACH_BYTES_MAX) {
        return pv_err_set(err, PV_EINVAL, "descriptor %d is no reach of a host", PV_REACH_FD);
    }
    size_t size = (size_t)st.st_size;
    static char *bytes; /* the reach borrows from it, as long as the process lives */
    bytes = pv_malloc(size);
    if (bytes == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    ssize_t got = pread(PV_REACH_FD, bytes, size, 0);
    int status =
        got == (ssize_t)size ? pv_reach_get((struct pv_str){bytes, size}, ret_reach) : PV_ESYNTAX;
    if (status != 0) {
        pv_free(bytes);
        return pv_err_set(err, status, "the reach of the host: %s", pv_status_text(status));
    }
    return 0;
}

static int limit_files(struct pv_err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "getrlimit: %m");
    }
    rlim_t files = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    limit.rlim_cur = files;
    limit.rlim_max = files;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "setrlimit(RLIMIT_NOFILE): %m");
    }
    return 0;
}

/* Root without its powers. One is left where Landlock says which files there are: to pass folders
 * of other users on the way to them. */
static int drop_capabilities(bool keep_search, struct pv_err *err)
{
    for (int cap = 0; cap <= CAPABILITIES_MAX; cap++) {
        if (!(keep_search && cap == CAP_DAC_OVERRIDE)) {
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* unknown, or not ours to drop */
        }
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    if (syscall(SYS_capget, &head, data) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "capget: %m");
    }
    uint32_t kept = keep_search ? 1u << CAP_DAC_OVERRIDE : 0;
    data[0].permitted &= kept;
    data[0].effective &= kept;
    data[0].inheritable = 0;
    data[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &head, data) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "capset: %m");
    }
    return 0;
}

/* No file fits into 1 byte, and at 1 the kernel starts no core handler either, which it does at 0.
 * Unlike PR_SET_DUMPABLE a limit also binds what this process starts and becomes. */
static int limit_core(struct pv_err *err)
{
    const struct rlimit one = {1, 1};
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &one) == 0) {
        return 0;
    }
    /* It is 0 for good. */
    if (errno != EPERM || setrlimit(RLIMIT_CORE, &none) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "setrlimit(RLIMIT_CORE): %m");
    }
    return 0;
}

static int no_privileges(struct pv_err *err)
{
    if (prctl(PR_SET_DUMPABLE, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_DUMPABLE): %m");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_NO_NEW_PRIVS): %m");
    }
    int status = limit_core(err);
    return status == 0 ? limit_files(err) : status;
}

/* A user of its own. That takes the parent-death signal away, so it is asked for again. */
static int become_user(const struct pv_reach *reach, struct pv_err *err)
{
    if ((reach->flags & PV_REACH_USER) == 0) {
        return 0;
    }
    pid_t parent = getppid();
    const gid_t group = reach->gid;
    if (setgroups(1, &group) != 0 || setresgid(group, group, group) != 0 ||
        setresuid(reach->uid, reach->uid, reach->uid) != 0) {
        return pv_err_set(err, PV_EDENIED, "cannot become user %u: %m", (unsigned)reach->uid);
    }
    if (prctl(PR_SET_DUMPABLE, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_DUMPABLE): %m");
    }
    return pv_host_tie((int)parent, err);
}

/* A data folder that the user may not find: it is entered before the user is changed. */
static int enter(struct pv_str data_dir, struct pv_err *err)
{
    char path[4096];
    if (data_dir.len > 0 && (pv_str_to_c(data_dir, path, sizeof(path)) != 0 || chdir(path) != 0)) {
        return pv_err_set(err, PV_EIO, "cannot enter the data folder %.*s: %m",
                          PV_STR_ARG(data_dir));
    }
    return 0;
}

static int refuse_to_start(const struct pv_isolation *isolation, struct pv_err *err)
{
    return pv_err_set(err, PV_EUNSUPPORTED,
                      "%s. Set `isolation: best-effort` to run plugins all the same",
                      pv_isolation_lacks(isolation));
}

int pv_host_restrict(const struct pv_reach *reach, unsigned keep_fds, struct pv_err *err)
{
    if (close_range(keep_fds, ~0U, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "close_range: %m");
    }
    struct pv_isolation isolation = pv_isolation_probe();
    bool confined = (reach->flags & PV_REACH_UNCONFINED) == 0;
    bool whole = isolation.landlock_abi >= 1 && isolation.seccomp;
    if (confined && !whole && (reach->flags & PV_REACH_BEST_EFFORT) == 0) {
        return refuse_to_start(&isolation, err);
    }
    int status = no_privileges(err);
    isolation.landlock_abi = confined ? isolation.landlock_abi : 0;
    isolation.seccomp = confined && isolation.seccomp;
    if (status == 0) {
        status = enter(reach->data_dir, err);
    }
    if (status == 0 && isolation.landlock_abi >= 1) {
        status = pv_landlock_apply(reach, isolation.landlock_abi, err);
    }
    if (status == 0) {
        status = become_user(reach, err);
    }
    if (status == 0 && confined) {
        status = drop_capabilities(isolation.landlock_abi >= 1, err);
    }
    if (status == 0 && isolation.seccomp) {
        status = pv_seccomp_apply(reach, isolation.landlock_abi, err);
    }
    if (status != 0) {
        return status;
    }
    PV_FAULT("host.start"); /* reads its environment while there is one */
    clearenv();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Restrictions of a host process. The order matters: what is restricted later may need what an
 * earlier line would take away. */
#include "core/host/restrict.h"

#include "core/base/fault.h"

#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_MAX 65536

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

int pv_host_restrict(unsigned keep_fds, struct pv_err *err)
{
    if (close_range(keep_fds, ~0U, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "close_range: %m");
    }
    /* Also stops core handlers that the kernel pipes to, which RLIMIT_CORE does not. */
    if (prctl(PR_SET_DUMPABLE, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_DUMPABLE): %m");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "prctl(PR_SET_NO_NEW_PRIVS): %m");
    }
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return pv_err_set(err, PV_EINTERNAL, "setrlimit(RLIMIT_CORE): %m");
    }
    if (limit_files(err) != 0) {
        return err != NULL ? err->status : PV_EINTERNAL;
    }
    PV_FAULT("host.start"); /* reads its environment while there is one */
    clearenv();
    return 0;
}

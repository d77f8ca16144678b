/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel can confine a host with. A library of its own: provostd asks, too. */
#include "core/host/restrict.h"

#include <linux/landlock.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

struct pv_isolation pv_isolation_probe(void)
{
    struct pv_isolation isolation = {.landlock_abi = landlock_abi(),
                                     .seccomp = seccomp_api_get() >= 1};
#ifdef PV_FAULTS
    /* What an older kernel would give, for tests. */
    const char *cap = getenv("PROVOST_FAULTS_LANDLOCK_ABI");
    int64_t most = 0;
    if (cap != NULL && pv_str_to_i64(pv_str(cap), &most) == 0 && most < isolation.landlock_abi) {
        isolation.landlock_abi = (int)most;
    }
#endif
    return isolation;
}

const char *pv_isolation_lacks(const struct pv_isolation *isolation)
{
    if (isolation->landlock_abi < 1) {
        return isolation->seccomp
                   ? "this kernel has no Landlock: plugins read and write what their user may"
                   : "this kernel has neither Landlock nor seccomp: plugins do what their user may";
    }
    if (!isolation->seccomp) {
        return "this kernel has no seccomp: plugins make any system call";
    }
    if (isolation->landlock_abi < 3) {
        return "this kernel's Landlock does not rule truncation, TCP ports, devices and signals: "
               "system calls are refused instead, except signals of plugins that run programs";
    }
    if (isolation->landlock_abi < 6) {
        return "this kernel's Landlock does not rule signals: system calls are refused instead, "
               "except for plugins that run programs";
    }
    return NULL;
}

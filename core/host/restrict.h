/* SPDX-License-Identifier: Apache-2.0 */
/* What a host process gives up before it loads or becomes foreign code. docs/security.md says what
 * each kernel gives. */
#ifndef PV_HOST_RESTRICT_H
#define PV_HOST_RESTRICT_H

#include "core/wire/reach.h"

/* What this kernel can put into force. */
struct pv_isolation {
    int landlock_abi; /* 0: there is no Landlock */
    bool seccomp;
};

/* What the kernel, and a cap on it in builds for fault injection, has. Changes nothing. */
struct pv_isolation pv_isolation_probe(void);
/* One clause about what is missing ("Landlock has ABI 2, which …"); NULL when nothing is. */
const char *pv_isolation_lacks(const struct pv_isolation *isolation);

/* Ties the process to its parent: SIGKILL when it dies. parent 0: whoever it is. PV_ECLOSED when
 * the parent is another one already. */
int pv_host_tie(int parent, struct pv_err *err) PV_MUST_CHECK;

/* Reads the reach from descriptor 5. Its strings live as long as the process. */
int pv_host_read_reach(struct pv_reach *ret_reach, struct pv_err *err) PV_MUST_CHECK;

/* First thing in main, before any thread, for good: closes every descriptor from keep_fds on,
 * cannot be read or traced by its neighbours, gains no privileges and drops those it has, leaves no
 * core file, has an empty environment, and reaches what the reach names and nothing else (Landlock,
 * seccomp). PV_EUNSUPPORTED when the kernel lacks either and the reach does not say best effort.
 * What it starts and becomes from here on is bound by the same. */
int pv_host_restrict(const struct pv_reach *reach, unsigned keep_fds,
                     struct pv_err *err) PV_MUST_CHECK;

/* landlock.c: the rules for files, signals and abstract sockets. */
int pv_landlock_apply(const struct pv_reach *reach, int abi, struct pv_err *err) PV_MUST_CHECK;
/* seccomp.c: the filter of system calls. */
int pv_seccomp_apply(const struct pv_reach *reach, int landlock_abi,
                     struct pv_err *err) PV_MUST_CHECK;

#endif

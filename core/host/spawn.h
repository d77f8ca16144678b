/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program: fork and exec with its limits in force before its first instruction, tied to
 * this process. Blocks for as long as the fork and the exec take. Loop thread. */
#ifndef PV_HOST_SPAWN_H
#define PV_HOST_SPAWN_H

#include "core/base/status.h"
#include "provost/plugin.h"

#include <stdbool.h>
#include <sys/types.h>

struct pv_spawned {
    pid_t pid; /* also of its session and process group */
    int pidfd; /* readable when it has ended */
    int in;    /* -1 when there is no input */
    int out;
    int err;
    bool began; /* the program has run */
};

/* The caller closes the descriptors, which are non-blocking and not inherited, and reaps. 0, or the
 * errno of what failed; then nothing is left, and only `began` is set, where the program has run
 * for a moment. */
int pv_spawn(const struct provost_exec_request *request, struct pv_spawned *ret) PV_MUST_CHECK;
/* Reaps a program whose pidfd is readable. */
void pv_spawn_reap(const struct pv_spawned *spawned, int *ret_exit_status, int *ret_signal);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a host process gives up before it loads foreign code. */
#ifndef PV_HOST_RESTRICT_H
#define PV_HOST_RESTRICT_H

#include "core/base/status.h"

/* Ties the process to its parent: SIGKILL when it dies. parent 0: whoever it is. PV_ECLOSED when
 * the parent is another one already. */
int pv_host_tie(int parent, struct pv_err *err) PV_MUST_CHECK;

/* First thing in main, before any thread, for good: closes every descriptor from keep_fds on,
 * cannot be read or traced by its neighbours, gains no privileges, leaves no core file, has an
 * empty environment. */
int pv_host_restrict(unsigned keep_fds, struct pv_err *err) PV_MUST_CHECK;

#endif

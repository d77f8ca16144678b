/* SPDX-License-Identifier: Apache-2.0 */
/* Crash points: places at which a test kills the process to see what survives. Compiled in with
 * -Dfaults=true only. Names read "store.commit.before"; each stands at one place. Any thread.
 *
 * PROVOST_FAULTS=PREFIX:POINT=N,POINT=N,… kills the process that passes POINT for the N-th time,
 * with SIGKILL. It makes the file PREFIX.POINT first and goes on where that exists already, so that
 * a point kills once, however many processes have the same environment.
 *
 * POINT=fail is for places that can fail: PV_FAULT_FAILS(POINT) is true while the file PREFIX.POINT
 * exists. */
#ifndef PV_BASE_FAULT_H
#define PV_BASE_FAULT_H

#include <stdbool.h>

#ifdef PV_FAULTS
void pv_fault_pass(const char *point);
bool pv_fault_fails(const char *point);
#define PV_FAULT(point) pv_fault_pass(point)
#define PV_FAULT_FAILS(point) pv_fault_fails(point)
#else
#define PV_FAULT(point) ((void)0)
#define PV_FAULT_FAILS(point) false
#endif

#endif

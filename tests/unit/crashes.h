/* SPDX-License-Identifier: Apache-2.0 */
/* For tests whose programs crash on purpose: the same crash with sanitizers and without. */
#ifndef PV_TESTS_UNIT_CRASHES_H
#define PV_TESTS_UNIT_CRASHES_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A host under ASan leaves signals to it: no line in the log, no mark by the handler. */
static inline bool sanitized(void)
{
    const char *value = getenv("PROVOST_SANITIZED");
    return value != NULL && value[0] == '1';
}

/* Hosts that crash on purpose do so as they would without sanitizers: by the signal, without a
 * report that would be taken for a finding. Before the first of them starts. */
static inline void crash_by_signal(void)
{
    const char *set = getenv("ASAN_OPTIONS");
    char options[2000];
    snprintf(options, sizeof(options), "%s:handle_segv=0:handle_sigbus=0:handle_abort=0",
             set != NULL ? set : "");
    setenv("ASAN_OPTIONS", options, 1);
}

#endif

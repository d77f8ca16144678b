/* SPDX-License-Identifier: Apache-2.0 */
/* After the end of a host: what became of each call it had. Reads the status page, which the host
 * may have scribbled over: nothing in it is trusted beyond what it says about the host's own calls.
 * Pure. */
#ifndef PV_RUNNER_JUDGE_H
#define PV_RUNNER_JUDGE_H

#include "core/engine/runner.h"
#include "core/wire/page.h"

enum pv_host_end {
    PV_END_CRASHED = 1, /* a signal that is the plugin's own doing, or an exit nobody asked for */
    PV_END_STUCK = 2,   /* killed by the watchdog */
    PV_END_MEMORY = 3,  /* killed over its memory limit */
    PV_END_GARBAGE = 4, /* killed for a frame that made no sense */
    PV_END_OVERDUE = 5, /* killed for a call that did not end when its time was over */
    PV_END_KILLED = 6,  /* SIGKILL from outside: the kernel, short of memory, or a person */
    PV_END_OUTSIDE = 7, /* another signal from outside, a stop, the spawner's death: nobody's fault
                         */
    PV_END_BUSY = 8,    /* killed over its processor time */
};

struct pv_verdict_of_end {
    enum pv_host_end end;
    uint64_t named;   /* the call that the end itself names (garbage, overdue); 0: none */
    size_t in_flight; /* calls that the host had */
    bool blame_all;   /* the second end in a row that named nobody: whatever had run is suspect */
};

/* The call to blame, or 0. */
uint64_t pv_judge_culprit(const struct pv_page *page, const struct pv_verdict_of_end *verdict);
/* What became of a call. Where nobody is to blame, a call that was alone is, and with blame_all
 * whatever had run. *ret_last_send_ms: CLOCK_MONOTONIC of the last send, 0 for none. */
enum pv_lost pv_judge_call(const struct pv_page *page, const struct pv_verdict_of_end *verdict,
                           uint64_t culprit, uint64_t call, uint32_t slot,
                           int64_t *ret_last_send_ms);
/* The end of a process that nobody asked to end. */
enum pv_host_end pv_judge_exit(int wait_status);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Who brought a host down, and what became of its other calls. */
#include "core/runner/judge.h"

#include <signal.h>
#include <sys/wait.h>

uint64_t pv_judge_culprit(const struct pv_page *page, const struct pv_verdict_of_end *verdict)
{
    if (verdict->end == PV_END_OUTSIDE) {
        return 0;
    }
    if (verdict->named != 0) {
        return verdict->named;
    }
    if (verdict->end == PV_END_BUSY) {
        return 0; /* another thread than the loop's, whatever is on that one */
    }
    uint64_t crashed = atomic_load_explicit(&page->crashed, memory_order_relaxed);
    return crashed != 0 ? crashed : atomic_load_explicit(&page->current, memory_order_relaxed);
}

enum pv_lost pv_judge_call(const struct pv_page *page, const struct pv_verdict_of_end *verdict,
                           uint64_t culprit, uint64_t call, uint32_t slot,
                           int64_t *ret_last_send_ms)
{
    const struct pv_page_slot *s = &page->slot[slot];
    *ret_last_send_ms = 0;
    bool received = atomic_load_explicit(&s->call, memory_order_relaxed) == call;
    uint32_t mark = received ? atomic_load_explicit(&s->mark, memory_order_relaxed) : PV_SLOT_FREE;
    if (atomic_load_explicit(&page->heartbeat_ms, memory_order_relaxed) == 0) {
        mark = PV_SLOT_TOUCHED; /* a host that keeps no page: it may have done anything */
    }
    bool touched = mark >= PV_SLOT_TOUCHED;
    if (touched) {
        *ret_last_send_ms = atomic_load_explicit(&s->last_send_ms, memory_order_relaxed);
    }
    bool ran = mark >= PV_SLOT_RUNNING;
    bool blamed = culprit == call;
    bool own_doing = verdict->end != PV_END_OUTSIDE && verdict->end != PV_END_KILLED;
    if (culprit == 0 && own_doing && ran) {
        blamed = verdict->in_flight == 1 || verdict->blame_all;
    }
    if (blamed) {
        return touched ? PV_LOST_CULPRIT : PV_LOST_CULPRIT_UNTOUCHED;
    }
    return touched ? PV_LOST_TOUCHED : PV_LOST_UNTOUCHED;
}

enum pv_host_end pv_judge_exit(int wait_status)
{
    if (WIFSIGNALED(wait_status)) {
        int sig = WTERMSIG(wait_status);
        if (sig == SIGKILL) {
            return PV_END_KILLED;
        }
        if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP) {
            return PV_END_OUTSIDE;
        }
    }
    return PV_END_CRASHED;
}

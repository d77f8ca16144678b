/* SPDX-License-Identifier: Apache-2.0 */
/* The status page: memory that a host shares with provostd (a memfd, mapped by both), so that after
 * a crash the daemon knows which step was on the processor and which had not called anything yet.
 * The host writes, the daemon reads after the host is gone, or at any time for the heartbeat. */
#ifndef PV_WIRE_PAGE_H
#define PV_WIRE_PAGE_H

#include "core/base/metric.h"

#include <stdatomic.h>
#include <stdint.h>

#define PV_PAGE_MAGIC 0x50565047u
#define PV_PAGE_SLOTS 16384u
/* What a thread is called while it works for the call in that slot. */
#define PV_PAGE_THREAD_NAME "slot %u"

enum pv_slot_mark {
    PV_SLOT_FREE = 0,
    PV_SLOT_RECEIVED = 1, /* the host has the step; nothing of the plugin has run */
    PV_SLOT_RUNNING = 2,  /* the plugin has run, but has called nothing outside */
    PV_SLOT_TOUCHED = 3,  /* an external call (http, exec, blocking) may have been made */
};

struct pv_page_slot {
    _Atomic uint64_t call; /* that has it, or had it last; 0: none did */
    _Atomic uint32_t mark; /* enum pv_slot_mark */
    uint32_t reserved;
    _Atomic int64_t last_send_ms; /* CLOCK_MONOTONIC of the last external call; 0: none */
};

/* What the host's `http` calls came to. Added to by the host alone; the daemon sums it up over
 * hosts of an instance. */
#define PV_PAGE_HTTP_FIRST_MS 1u
struct pv_page_http {
    _Atomic uint64_t answers[6]; /* 0: none came; 1 to 5: status 1xx to 5xx */
    _Atomic uint64_t sum_ms;
    _Atomic uint64_t bucket[PV_HIST_BUCKETS + 1]; /* of a histogram over milliseconds */
};

struct pv_page {
    uint32_t magic;
    uint32_t slots;
    _Atomic int64_t heartbeat_ms; /* CLOCK_MONOTONIC, each turn of the loop, 200 ms at most */
    _Atomic uint64_t current;     /* the call on the processor now, 0 when it is the loop */
    _Atomic int64_t current_since_ms;
    _Atomic uint64_t crashed; /* the call that raised the fatal signal or called exit; 0: not known
                               */
    struct pv_page_slot slot[PV_PAGE_SLOTS];
    struct pv_page_http http;
};

#endif

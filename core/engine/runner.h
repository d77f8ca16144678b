/* SPDX-License-Identifier: Apache-2.0 */
/* How the engine has steps run, and what it is told. A table, so that tests inject their own. Loop
 * thread. After start returned 0, pv_engine_outcome or pv_engine_lost is called exactly once for
 * the call, later, never from within start. */
#ifndef PV_ENGINE_RUNNER_H
#define PV_ENGINE_RUNNER_H

#include "core/base/message.h"
#include "core/engine/types.h"

struct pv_run_step {
    struct pv_str instance;
    bool solo;                /* in a host of its own: it has taken one down before */
    int64_t lease_until_ms;   /* mono; nothing is sent to a backend after it */
    struct pv_wire_step wire; /* slot is filled in by the runner */
};

/* A query of a service or an instance: no operation, no ordering. */
struct pv_query {
    struct pv_str instance;
    struct pv_wire_query wire; /* slot is filled in by the runner; timeout_ms 10,000 */
    /* Exactly once after query returned 0, later. A lost host, a time-out and a stop are outcomes
     * too (PV_OUT_TEMPORARY). outcome->result holds the JSON answer when code is PV_OUT_OK. */
    void (*done)(struct pv_query *query, const struct pv_wire_outcome *outcome);
    void *user;
    uint64_t call; /* the runner's */
};

struct pv_runner {
    void *ctx;
    /* Copies what it needs. PV_EBUSY: no room now; PV_ENOTFOUND: no such instance. */
    int (*start)(void *ctx, uint64_t call, const struct pv_run_step *step);
    /* The outcome still comes. */
    void (*cancel)(void *ctx, uint64_t call);
    void (*answer)(void *ctx, uint64_t call, const struct pv_wire_answer *answer);
    /* Copies the strings; borrows the struct until done. Same errors as start. */
    int (*query)(void *ctx, struct pv_query *query);
};

/* A host went away under a call. */
enum pv_lost {
    PV_LOST_UNTOUCHED = 1, /* the step had called nothing yet: run it again */
    PV_LOST_TOUCHED = 2,   /* it may have called something: unknown */
    PV_LOST_CULPRIT = 3,   /* it was on the processor when the host crashed or hung: touched or not,
                              see below */
    PV_LOST_CULPRIT_UNTOUCHED = 4,
    PV_LOST_START = 5, /* the host could not be started at all: an instance fault */
};

#endif

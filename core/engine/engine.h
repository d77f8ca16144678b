/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: takes events, claims operations, has their steps run in order, and commits what came
 * of them. Pure: clock, randomness, store, runner and planner are tables; JSON passes through.
 * Everything on the loop thread. Owns the operations it holds a claim on. */
#ifndef PV_ENGINE_ENGINE_H
#define PV_ENGINE_ENGINE_H

#include "core/base/list.h"
#include "core/engine/planner.h"
#include "core/engine/runner.h"
#include "core/engine/store.h"

struct pv_engine_options {
    struct pv_clock clock;
    struct pv_rng rng;
    struct pv_store *store; /* borrowed, open */
    struct pv_planner planner;
    struct pv_runner runner;
    size_t max_active;    /* operations held at once; 0: 4,096 */
    uint64_t max_backlog; /* unfinished operations; beyond, accept says PV_EBUSY; 0: 1,000,000 */
    int64_t lease_ms; /* how long from its start a step may send, unless its own limit is longer; 0:
                         300,000 */
    /* Asks to have pv_engine_tick called at mono_ms (one timer: the latest call replaces it). */
    void (*arm)(void *ctx, int64_t mono_ms);
    void *arm_ctx;
};

struct pv_engine;

int pv_engine_new(const struct pv_engine_options *options,
                  struct pv_engine **ret_engine) PV_MUST_CHECK;
/* Only after pv_engine_stop has called back. NULL is legal. */
void pv_engine_free(struct pv_engine *engine);
/* Looks for work left by an earlier run. */
int pv_engine_start(struct pv_engine *engine) PV_MUST_CHECK;
/* Takes no more work, cancels running steps, hands everything back; then stopped(user). */
void pv_engine_stop(struct pv_engine *engine, void (*stopped)(void *user), void *user);
void pv_engine_tick(struct pv_engine *engine);

/* ---- from the API ---- */

/* Fills in op ids, service ids, plans of creates and room; submits. request->req.done is the
 * caller's and runs after the engine has looked at the result. The caller fills source,
 * external_id, idem_key, canonical, type, join, sequence, action, product, plan_name, body, quota,
 * actor of each item. PV_EBUSY: over the backlog; PV_EINVAL, with the item's index in *ret_index:
 * the planner refuses the product or plan (err says why). */
int pv_engine_accept(struct pv_engine *engine, struct pv_accept *request, size_t *ret_index,
                     struct pv_err *err) PV_MUST_CHECK;
int pv_engine_intervene(struct pv_engine *engine, struct pv_intervene *request) PV_MUST_CHECK;
int pv_engine_signal(struct pv_engine *engine, struct pv_signal *request) PV_MUST_CHECK;

/* Tells when an operation is taken up, ends, parks, completes a step, or makes progress; for
 * `Prefer: wait` and the stream. Fires for operations of this node. */
struct pv_watch {
    struct pv_link link;
    struct pv_id op; /* zero: every operation */
    /* `state` is enum pv_op_state; text is a progress line or the reason, or none. May remove
     * itself. */
    void (*changed)(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text);
    void *user;
};
void pv_engine_watch(struct pv_engine *engine, struct pv_watch *watch);
void pv_engine_unwatch(struct pv_watch *watch); /* legal when it is not watching */

/* Steps in flight and what keeps an instance from working. */
struct pv_instance_status {
    uint32_t in_flight;
    uint32_t max_in_flight;
    bool paused;
    int breaker; /* 0 closed, 1 open, 2 half-open */
    int64_t breaker_until_mono_ms;
    char fault[160]; /* why it is open, or "" */
};
/* PV_ENOTFOUND when the engine has not met it. */
int pv_engine_instance(struct pv_engine *engine, struct pv_str instance,
                       struct pv_instance_status *ret) PV_MUST_CHECK;
/* Pauses or resumes an instance in memory; the caller has made it durable (PV_REQ_PAUSE). */
void pv_engine_set_paused(struct pv_engine *engine, struct pv_str instance, bool paused);
/* The configuration has changed: limits are read again, waiting work is tried. */
void pv_engine_reconfigured(struct pv_engine *engine);
uint64_t pv_engine_backlog(const struct pv_engine *engine);

/* Counters since start, for /metrics. */
struct pv_engine_counters {
    uint64_t accepted, duplicates, refused, finished[16]; /* by enum pv_op_state */
    uint64_t steps[12];                                   /* by enum pv_outcome_code; [10]: lost */
    uint64_t retries, parked, active, in_flight;
};
void pv_engine_counters(const struct pv_engine *engine, struct pv_engine_counters *ret);

/* ---- from the runner ---- */

void pv_engine_outcome(struct pv_engine *engine, uint64_t call,
                       const struct pv_wire_outcome *outcome);
/* last_send_mono_ms: 0 when nothing was sent; text: what happened to the host. */
void pv_engine_lost(struct pv_engine *engine, uint64_t call, enum pv_lost lost,
                    int64_t last_send_mono_ms, struct pv_str text);
void pv_engine_ask(struct pv_engine *engine, uint64_t call, const struct pv_wire_ask *ask);
/* A query reads a key of its instance, or (service not zero) of its service's component; answered
 * to the runner, if the query is still there. Anything but PV_ASK_KV_GET is refused. */
void pv_engine_query_ask(struct pv_engine *engine, uint64_t call, struct pv_str instance,
                         struct pv_str component, struct pv_id service,
                         const struct pv_wire_ask *ask);
void pv_engine_progress(struct pv_engine *engine, uint64_t call, int percent, struct pv_str text);
/* The latest progress line of a running operation, or none. Borrowed until the loop turns. */
struct pv_str pv_engine_progress_text(struct pv_engine *engine, struct pv_id op);

/* A call of a step that is under way on this node. Text is borrowed until the loop turns. */
struct pv_running {
    struct pv_str component;
    struct pv_str step;
    struct pv_str instance;
    int kind; /* enum pv_call_kind */
    uint32_t attempt;
    int64_t started_ms; /* wall clock */
};
/* false: no step of the operation is being called here at the moment. */
bool pv_engine_running(struct pv_engine *engine, struct pv_id op, struct pv_running *ret_running);

#endif

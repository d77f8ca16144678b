/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine asks of the configuration: which components and steps an operation has, and how
 * an instance may be loaded. A table, so that tests inject their own. Loop thread. */
#ifndef PV_ENGINE_PLANNER_H
#define PV_ENGINE_PLANNER_H

#include "core/engine/plan.h"

/* How much an instance may be asked to do. */
struct pv_instance_limits {
    uint32_t max_in_flight;    /* steps at once; 1,000 */
    double rate;               /* steps a second; 0: no limit */
    uint32_t burst;            /* size of the token bucket; with rate */
    uint32_t breaker_failures; /* temporary failures in a row that open the breaker; 10; 0: never */
    int64_t breaker_open_ms;   /* first time open; doubles up to breaker_open_cap_ms; 1,000 */
    int64_t breaker_open_cap_ms; /* 60,000 */
};

/* What a plan takes out of a create's event, for whoever has read it already: JSON as it was sent,
 * valid, and none where the event has none. */
struct pv_event_facts {
    struct pv_str customer; /* an object */
    struct pv_str params;   /* an object */
    struct pv_str reason;   /* a string */
    struct pv_str trace;    /* not JSON */
};

struct pv_plan_request {
    int type;
    struct pv_str action;
    struct pv_str source;
    struct pv_str product;
    struct pv_str plan_name;             /* of the service; of the event for a create or upgrade */
    struct pv_str body;                  /* the event's JSON */
    const struct pv_event_facts *facts;  /* of a create; NULL: they are read from the body */
    struct pv_str attrs;                 /* the service's attributes so far; "" */
    struct pv_str composition;           /* its pinned components; "" before the create */
    const struct pv_str *doc_components; /* a terminate is planned for these only */
    size_t doc_count;
};

struct pv_planner {
    void *ctx;
    /* Fills ret_plan (everything in the arena; steps component by component, in the product's
     * order: the engine orders them). A create takes product and plan from the configuration;
     * everything else keeps the composition's components and instances, and a terminate plans
     * doc_components only. PV_ENOTFOUND (the product, plan, action or instance is
     * gone) or PV_EINVAL, with the sentence in err: a create is refused with it, an upgrade or
     * action fails, anything else is parked. */
    int (*plan)(void *ctx, const struct pv_plan_request *request, struct pv_arena *arena,
                struct pv_plan *ret_plan, struct pv_err *err);
    /* PV_ENOTFOUND: the instance is not configured (any more). */
    int (*limits)(void *ctx, struct pv_str instance, struct pv_instance_limits *ret);
    /* The range of a pool. PV_ENOTFOUND. */
    int (*pool)(void *ctx, struct pv_str pool, int64_t *ret_first, int64_t *ret_last,
                int64_t *ret_reuse_after_ms);
    /* The pool's value at an index, as text into out[64]. */
    int (*pool_value)(void *ctx, struct pv_str pool, int64_t index, char out[64]);
};

#endif

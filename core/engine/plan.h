/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation is pinned to: components, instances, ordered steps, non-secret values; and its
 * encoding. A composition is a plan without steps: what a service keeps of its create. Pure. */
#ifndef PV_ENGINE_PLAN_H
#define PV_ENGINE_PLAN_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/engine/types.h"

#define PV_STEP_REPEATABLE (1u << 0)
#define PV_STEP_UNDO (1u << 1)
#define PV_STEP_LOOKUP (1u << 2)
#define PV_STEP_POLL (1u << 3)

/* Waits after temporary failures: exponential, with full jitter. */
struct pv_retry {
    int64_t initial_ms; /* 1,000 */
    int64_t cap_ms;     /* 600,000 */
    uint32_t factor;    /* 2 */
};

struct pv_plan_component {
    struct pv_str name;
    struct pv_str instance;
    struct pv_str plugin; /* name of the module */
    struct pv_str plugin_version;
    struct pv_str values;   /* JSON object: checked product and plan values, without secrets */
    struct pv_str previous; /* the same before an upgrade; none otherwise */
    struct pv_retry retry;  /* of its instance, or else of the product */
};

struct pv_plan_step {
    uint8_t component; /* index */
    uint8_t flags;     /* PV_STEP_… */
    uint32_t timeout_ms;
    uint32_t settle_ms;
    struct pv_str name;
};

struct pv_plan {
    struct pv_plan_component *components;
    size_t component_count;
    struct pv_plan_step *steps; /* in the order in which they run */
    size_t step_count;
    int64_t deadline_ms; /* how long it may take in all; 86,400,000 */
    bool hold;           /* on_failure: hold */
    /* JSON members without braces that every step's input holds: "\"customer\":{…},\"params\":{…}"
     * … or "" */
    struct pv_str common;
    struct pv_str attrs; /* the service's attributes once the operation is done; none: unchanged */
    struct pv_str plan_name; /* the service's plan once it is done; none: unchanged */
    struct pv_str trace;     /* W3C traceparent of the event; none: it had none */
    struct pv_str quotas;    /* "zones=3,backups=2": limits for quota_take; "" */
};

/* Orders steps that stand component by component: a terminate runs components in reverse. */
void pv_plan_order(struct pv_plan *plan, int type);
int pv_plan_encode(const struct pv_plan *plan, struct pv_buf *out);
/* What a service keeps of its create: the components, without steps and without the customer's
 * data. */
int pv_plan_encode_composition(const struct pv_plan *plan, struct pv_buf *out);
/* Strings borrow from `bytes`, arrays live in the arena. */
int pv_plan_decode(struct pv_str bytes, struct pv_arena *arena, struct pv_plan *ret) PV_MUST_CHECK;
/* The limit of a quota; -1 when the plan sets none. */
int64_t pv_plan_quota(const struct pv_plan *plan, struct pv_str quota);

/* `own` where it sets something, `base` where it has 0. */
struct pv_retry pv_retry_over(const struct pv_retry *own, const struct pv_retry *base);
/* The trace id in it, for logs; none without one. */
struct pv_str pv_plan_trace_id(const struct pv_plan *plan);

/* The wait before attempt tries + 1: full jitter under an exponential cap. */
int64_t pv_retry_backoff(const struct pv_retry *retry, const struct pv_rng *rng, uint32_t tries);

#endif

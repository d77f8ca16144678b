/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: their order and their encoding. */
#include "core/engine/plan.h"

#include <string.h>

#define PLAN_VERSION 2

/* Reverses the components' order, keeping each component's steps in theirs. */
static void reverse_components(struct pv_plan *plan)
{
    struct pv_plan_step sorted[PV_MAX_STEPS];
    size_t n = 0;
    for (size_t c = plan->component_count; c-- > 0;) {
        for (size_t i = 0; i < plan->step_count; i++) {
            if (plan->steps[i].component == c) {
                sorted[n++] = plan->steps[i];
            }
        }
    }
    if (n > 0) {
        memcpy(plan->steps, sorted, n * sizeof(sorted[0]));
    }
}

void pv_plan_order(struct pv_plan *plan, int type)
{
    if (type == PV_OP_TERMINATE) {
        reverse_components(plan);
    }
}

int pv_plan_encode(const struct pv_plan *plan, struct pv_buf *out)
{
    pv_buf_u8(out, PLAN_VERSION);
    pv_buf_u8(out, (uint8_t)plan->component_count);
    for (size_t i = 0; i < plan->component_count; i++) {
        const struct pv_plan_component *c = &plan->components[i];
        pv_buf_lstr(out, c->name);
        pv_buf_lstr(out, c->instance);
        pv_buf_lstr(out, c->plugin);
        pv_buf_lstr(out, c->plugin_version);
        pv_buf_lstr(out, c->values);
        pv_buf_lstr(out, c->previous);
        pv_buf_u64(out, (uint64_t)c->retry.initial_ms);
        pv_buf_u64(out, (uint64_t)c->retry.cap_ms);
        pv_buf_u32(out, c->retry.factor);
    }
    pv_buf_u16(out, (uint16_t)plan->step_count);
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct pv_plan_step *s = &plan->steps[i];
        pv_buf_u8(out, s->component);
        pv_buf_u8(out, s->flags);
        pv_buf_u32(out, s->timeout_ms);
        pv_buf_u32(out, s->settle_ms);
        pv_buf_lstr(out, s->name);
    }
    pv_buf_u64(out, (uint64_t)plan->deadline_ms);
    pv_buf_u8(out, plan->hold ? 1 : 0);
    pv_buf_lstr(out, plan->common);
    pv_buf_lstr(out, plan->attrs);
    pv_buf_lstr(out, plan->plan_name);
    pv_buf_lstr(out, plan->trace);
    return pv_buf_lstr(out, plan->quotas);
}

int pv_plan_encode_composition(const struct pv_plan *plan, struct pv_buf *out)
{
    struct pv_plan composition = *plan;
    composition.step_count = 0;
    composition.common = (struct pv_str){NULL, 0};
    composition.attrs = (struct pv_str){NULL, 0};
    composition.trace = (struct pv_str){NULL, 0};
    return pv_plan_encode(&composition, out);
}

static void read_component(struct pv_reader *r, struct pv_plan_component *ret)
{
    ret->name = pv_read_lstr(r);
    ret->instance = pv_read_lstr(r);
    ret->plugin = pv_read_lstr(r);
    ret->plugin_version = pv_read_lstr(r);
    ret->values = pv_read_lstr(r);
    ret->previous = pv_read_lstr(r);
    ret->retry.initial_ms = (int64_t)pv_read_u64(r);
    ret->retry.cap_ms = (int64_t)pv_read_u64(r);
    ret->retry.factor = pv_read_u32(r);
}

static void read_step(struct pv_reader *r, struct pv_plan_step *ret)
{
    ret->component = pv_read_u8(r);
    ret->flags = pv_read_u8(r);
    ret->timeout_ms = pv_read_u32(r);
    ret->settle_ms = pv_read_u32(r);
    ret->name = pv_read_lstr(r);
}

static void read_tail(struct pv_reader *r, struct pv_plan *ret)
{
    ret->deadline_ms = (int64_t)pv_read_u64(r);
    ret->hold = pv_read_u8(r) != 0;
    ret->common = pv_read_lstr(r);
    ret->attrs = pv_read_lstr(r);
    ret->plan_name = pv_read_lstr(r);
    ret->trace = pv_read_lstr(r);
    ret->quotas = pv_read_lstr(r);
}

int pv_plan_decode(struct pv_str bytes, struct pv_arena *arena, struct pv_plan *ret)
{
    struct pv_reader r = pv_reader(bytes);
    struct pv_plan plan = {0};
    uint8_t version = pv_read_u8(&r);
    plan.component_count = pv_read_u8(&r);
    if (r.status || version != PLAN_VERSION || plan.component_count > PV_MAX_COMPONENTS) {
        return PV_ESYNTAX;
    }
    plan.components = pv_arena_alloc(arena, (plan.component_count + 1) * sizeof(*plan.components));
    if (!plan.components) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < plan.component_count; i++) {
        read_component(&r, &plan.components[i]);
    }
    plan.step_count = pv_read_u16(&r);
    if (r.status || plan.step_count > PV_MAX_STEPS) {
        return PV_ESYNTAX;
    }
    plan.steps = pv_arena_alloc(arena, (plan.step_count + 1) * sizeof(*plan.steps));
    if (!plan.steps) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < plan.step_count; i++) {
        read_step(&r, &plan.steps[i]);
        if (plan.steps[i].component >= plan.component_count) {
            return PV_ESYNTAX;
        }
    }
    read_tail(&r, &plan);
    int status = pv_reader_end(&r);
    if (!status) {
        *ret = plan;
    }
    return status;
}

int64_t pv_plan_quota(const struct pv_plan *plan, struct pv_str quota)
{
    const char *p = plan->quotas.ptr;
    size_t left = plan->quotas.len;
    while (left > 0) {
        const char *comma = memchr(p, ',', left);
        size_t len = comma ? (size_t)(comma - p) : left;
        const char *eq = memchr(p, '=', len);
        if (eq && pv_str_eq((struct pv_str){p, (size_t)(eq - p)}, quota)) {
            int64_t limit = -1;
            size_t at = (size_t)(eq - p) + 1;
            if (pv_str_to_i64((struct pv_str){p + at, len - at}, &limit)) {
                return -1;
            }
            return limit;
        }
        size_t used = comma ? len + 1 : len;
        p += used;
        left -= used;
    }
    return -1;
}

struct pv_str pv_plan_trace_id(const struct pv_plan *plan)
{
    enum { VERSION = 3, ID = 32 }; /* "00-", then the id */
    return plan->trace.len > VERSION + ID ? (struct pv_str){plan->trace.ptr + VERSION, ID}
                                          : (struct pv_str){NULL, 0};
}

struct pv_retry pv_retry_over(const struct pv_retry *own, const struct pv_retry *base)
{
    return (struct pv_retry){own->initial_ms > 0 ? own->initial_ms : base->initial_ms,
                             own->cap_ms > 0 ? own->cap_ms : base->cap_ms,
                             own->factor > 0 ? own->factor : base->factor};
}

int64_t pv_retry_backoff(const struct pv_retry *retry, const struct pv_rng *rng, uint32_t tries)
{
    int64_t most = retry->initial_ms;
    for (uint32_t i = 1; i < tries && most < retry->cap_ms; i++) {
        most *= retry->factor;
    }
    if (most > retry->cap_ms) {
        most = retry->cap_ms;
    }
    return most <= 0 ? 0 : (int64_t)pv_rng_below(rng, (uint64_t)most + 1);
}

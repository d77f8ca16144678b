/* SPDX-License-Identifier: Apache-2.0 */
/* The world's planner: products as tables. */
#include "tests/sim/world_plan.h"

#include <stdio.h>
#include <string.h>

struct table_step {
    const char *name;
    uint8_t flags;
};

struct table_component {
    const char *product;
    const char *name;
    const char *instance;
    struct table_step create[4];
};

#define ULP (PV_STEP_UNDO | PV_STEP_LOOKUP | PV_STEP_POLL)

static const struct table_component components[] = {
    {"one", "site", "panel-1", {{"make", PV_STEP_UNDO | PV_STEP_LOOKUP}}},
    {"two",
     "site",
     "panel-1",
     {{"allocate", PV_STEP_UNDO}, {"clone", ULP}, {"start", PV_STEP_REPEATABLE}}},
    {"two", "dns", "dns-1", {{"add", PV_STEP_UNDO | PV_STEP_REPEATABLE}}},
    {"bare", "site", "panel-1", {{"make", PV_STEP_UNDO}}},
};

#define COMPONENTS (sizeof(components) / sizeof(components[0]))

static const struct table_step once[] = {{"apply", PV_STEP_REPEATABLE}, {NULL, 0}};
static const struct table_step upgrade[] = {{"resize", PV_STEP_UNDO | PV_STEP_REPEATABLE},
                                            {NULL, 0}};
static const struct table_step action[] = {{"backup", PV_STEP_REPEATABLE}, {NULL, 0}};

static const struct table_step *steps_of(const struct table_component *component, int type)
{
    switch (type) {
    case PV_OP_CREATE:
        return component->create;
    case PV_OP_UPGRADE:
        return upgrade;
    case PV_OP_ACTION:
        return action;
    default:
        return once;
    }
}

static bool has_doc(const struct pv_plan_request *request, const char *component)
{
    for (size_t i = 0; i < request->doc_count; i++) {
        if (pv_str_eq_c(request->doc_components[i], component)) {
            return true;
        }
    }
    return false;
}

static int plan(void *ctx, const struct pv_plan_request *request, struct pv_arena *arena,
                struct pv_plan *ret_plan, struct pv_err *err)
{
    const struct world *world = ctx;
    struct pv_plan plan = {.deadline_ms = 86400000,
                           .hold = world->hold,
                           .common = PV_STR("\"customer\":{\"email\":\"a@example.com\"}"),
                           .quotas = PV_STR("backups=2")};
    plan.components = pv_arena_alloc(arena, COMPONENTS * sizeof(*plan.components));
    plan.steps = pv_arena_alloc(arena, PV_MAX_STEPS * sizeof(*plan.steps));
    if (!plan.components || !plan.steps) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < COMPONENTS; i++) {
        const struct table_component *c = &components[i];
        if (!pv_str_eq_c(request->product, c->product) ||
            (request->type == PV_OP_TERMINATE && !has_doc(request, c->name))) {
            continue;
        }
        size_t index = plan.component_count++;
        plan.components[index] =
            (struct pv_plan_component){.name = pv_str(c->name),
                                       .instance = pv_str(c->instance),
                                       .plugin = PV_STR("table"),
                                       .plugin_version = PV_STR("1"),
                                       .values = PV_STR("{\"memory\":1}"),
                                       .retry = {1000, world->retry_cap_ms, 2}};
        const struct table_step *steps = steps_of(c, request->type);
        for (size_t s = 0; s < 4 && steps[s].name; s++) {
            uint8_t lie = world->lie_repeatable ? PV_STEP_REPEATABLE : 0;
            uint8_t flags = steps[s].flags | lie;
            plan.steps[plan.step_count++] = (struct pv_plan_step){.component = (uint8_t)index,
                                                                  .flags = flags,
                                                                  .settle_ms = world->settle_ms,
                                                                  .name = pv_str(steps[s].name)};
        }
    }
    if (request->type == PV_OP_UPGRADE && pv_str_eq_c(request->plan_name, "no-such-plan")) {
        return pv_err_set(err, PV_ENOTFOUND, "there is no plan \"no-such-plan\"");
    }
    if (plan.component_count == 0 && request->type != PV_OP_TERMINATE) {
        return pv_err_set(err, PV_ENOTFOUND, "there is no product \"%.*s\"",
                          PV_STR_ARG(request->product));
    }
    if (request->type == PV_OP_CREATE || request->type == PV_OP_UPGRADE) {
        plan.attrs = PV_STR("{\"customer\":{\"email\":\"a@example.com\"}}");
        plan.plan_name = pv_arena_copy(arena, request->plan_name);
    }
    *ret_plan = plan;
    return PV_OK;
}

static int limits(void *ctx, struct pv_str instance, struct pv_instance_limits *ret)
{
    const struct world *world = ctx;
    if (world->gone_instance[0] && pv_str_eq_c(instance, world->gone_instance)) {
        return PV_ENOTFOUND;
    }
    *ret = world->limits;
    return PV_OK;
}

static int pool(void *ctx, struct pv_str name, int64_t *ret_first, int64_t *ret_last,
                int64_t *ret_reuse_after_ms)
{
    (void)ctx;
    if (!pv_str_eq_c(name, "ports")) {
        return PV_ENOTFOUND;
    }
    *ret_first = 1000;
    *ret_last = 1001;
    *ret_reuse_after_ms = 3600000;
    return PV_OK;
}

static int pool_value(void *ctx, struct pv_str name, int64_t index, char out[64])
{
    (void)ctx;
    (void)name;
    (void)snprintf(out, 64, "%lld", (long long)index);
    return PV_OK;
}

struct pv_planner world_planner(struct world *world)
{
    return (struct pv_planner){
        .ctx = world, .plan = plan, .limits = limits, .pool = pool, .pool_value = pool_value};
}

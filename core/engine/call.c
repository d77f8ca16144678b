/* SPDX-License-Identifier: Apache-2.0 */
/* Calling the step at an operation's cursor: the slot it needs, what it is given, and what becomes
 * of the operation when it cannot be called now. */
#include "core/engine/internal.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_STEP_MS 60000u

struct pv_str pv_active_state(const struct pv_active *active, struct pv_str component)
{
    for (size_t i = 0; i < active->doc_count; i++) {
        if (pv_str_eq(active->docs[i].component, component)) {
            return (struct pv_str){active->docs[i].json, active->docs[i].len};
        }
    }
    return (struct pv_str){NULL, 0};
}

/* An action is named "component.action" where its bare name is not unique. */
static struct pv_str operation_name(const struct pv_active *active)
{
    if (active->c.type != PV_OP_ACTION) {
        return pv_str(pv_op_type_name(active->c.type));
    }
    struct pv_str name = active->c.action;
    const char *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;
    if (dot) {
        size_t skip = (size_t)(dot - name.ptr) + 1;
        name = (struct pv_str){name.ptr + skip, name.len - skip};
    }
    return name;
}

static int start_call(struct pv_active *active, struct pv_buf *input)
{
    struct pv_engine *engine = active->engine;
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    char ref[PV_REF_TEXT];
    pv_service_ref(engine->o.store->deployment, active->c.service, active->c.generation, ref);
    uint32_t timeout_ms = step->timeout_ms ? step->timeout_ms : DEFAULT_STEP_MS;
    /* A step may always use the time that its plugin declares. */
    int64_t lease_ms = timeout_ms > engine->o.lease_ms ? timeout_ms : engine->o.lease_ms;
    struct pv_run_step call = {.instance = component->instance,
                               .solo = active->cursor.crashes > 0,
                               .lease_until_ms = pv_engine_mono(engine) + lease_ms,
                               .wire = {.kind = active->cursor.kind,
                                        .is_action = active->c.type == PV_OP_ACTION,
                                        .timeout_ms = timeout_ms,
                                        .run = active->cursor.run,
                                        .attempt = active->tries,
                                        .generation = active->c.generation,
                                        .op = active->c.op,
                                        .service = active->c.service,
                                        .operation = operation_name(active),
                                        .component = component->name,
                                        .step = step->name,
                                        .external_id = active->c.external_id,
                                        .ref = pv_str(ref),
                                        .input = pv_buf_view(input),
                                        .state = pv_active_state(active, component->name),
                                        .trace = active->plan.trace}};
    active->call = ++engine->next_call;
    struct pv_str key = {(const char *)&active->call, sizeof(active->call)};
    int status = pv_map_add(&engine->calls, &active->by_call, key);
    if (status) {
        active->call = 0;
        return status;
    }
    active->state = PV_A_CALLING;
    active->started_ms = pv_engine_wall(engine);
    status = engine->o.runner.start(engine->o.runner.ctx, active->call, &call);
    if (status) {
        pv_map_remove(&engine->calls, &active->by_call);
        active->call = 0;
    }
    return status;
}

static void unavailable(struct pv_active *active, int wait, int64_t due_ms)
{
    struct pv_decide_in in = pv_active_facts(active);
    pv_active_prepare(active);
    pv_decide_unavailable(&in, wait, due_ms, &active->cursor, &active->decision);
    pv_active_commit(active);
}

/* The operation holds a slot of the lane when this returns 0. */
static int get_slot(struct pv_active *active, struct pv_lane *lane, int64_t *ret_due_ms)
{
    if (active->slot != lane) {
        pv_active_give_slot(active);
        int wait = pv_lane_take(lane, ret_due_ms);
        if (!wait) {
            active->slot = lane;
        }
        return wait;
    }
    return active->slot_fresh ? 0 : pv_lane_again(lane, ret_due_ms);
}

void pv_active_dispatch(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    struct pv_str instance = active->plan.components[step->component].instance;
    int64_t due = pv_engine_wall(engine);
    struct pv_lane *lane = pv_lane_get(engine, instance);
    if (engine->stopping || !lane) {
        unavailable(active, PV_WAIT_NONE, lane ? due : due + PV_STALL_MS);
        return;
    }
    if (lane->missing) {
        char reason[200];
        (void)snprintf(reason, sizeof(reason),
                       "instance %.*s is not in the configuration: add it, then retry",
                       PV_STR_ARG(instance));
        pv_active_park(active, reason);
        return;
    }
    int wait = get_slot(active, lane, &due);
    if (wait) {
        unavailable(active, wait, due);
        return;
    }
    struct pv_buf input;
    pv_buf_init(&input, 1u << 20);
    int status = pv_active_input(active, &input);
    if (!status) {
        active->slot_fresh = false;
        status = start_call(active, &input);
    }
    pv_buf_done(&input);
    if (status == PV_ENOTFOUND) {
        pv_active_park(active, "its instance is not running and cannot be started");
    } else if (status) {
        unavailable(active, PV_WAIT_CAPACITY, pv_engine_wall(engine) + PV_STALL_MS);
    }
}

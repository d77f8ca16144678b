/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait for an operation: by the engine's watch, a deadline, and the client's patience.
 * One timer serves them all. */
#include "core/api/internal.h"

static struct pv_call *call_of_deadline(struct pv_heap_node *node)
{
    return PV_CONTAINER(node, struct pv_call, wait.deadline);
}

static int64_t mono(const struct pv_api *api)
{
    return pv_mono_ms(&api->o.clock);
}

static void arm(struct pv_api *api)
{
    const struct pv_heap_node *first = pv_heap_first(&api->waits);
    if (first == NULL) {
        uv_timer_stop(&api->timer);
        return;
    }
    int64_t left = first->key - mono(api);
    uv_timer_start(&api->timer, pv_api_wait_timer, left > 0 ? (uint64_t)left : 0, 0);
}

void pv_call_wait_stop(struct pv_call *call)
{
    if (call->wait.on) {
        call->wait.on = false;
        pv_engine_unwatch(&call->wait.watch);
        pv_heap_remove(&call->api->waits, &call->wait.deadline);
        arm(call->api);
    }
}

static void finish(struct pv_call *call, int state)
{
    if (call->wait.on) {
        pv_call_wait_stop(call);
        call->wait.done(call, state);
    }
}

void pv_api_wait_timer(uv_timer_t *timer)
{
    struct pv_api *api = timer->data;
    int64_t now = mono(api);
    struct pv_heap_node *first = pv_heap_first(&api->waits);
    while (first != NULL && first->key <= now) {
        finish(call_of_deadline(first), 0);
        first = pv_heap_first(&api->waits);
    }
    arm(api);
}

static void on_changed(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text)
{
    (void)op;
    (void)text;
    struct pv_call *call = watch->user;
    if (call->wait.any || pv_op_state_final(state) || state == PV_OPS_NEEDS_OPERATOR) {
        finish(call, state);
    }
}

static void on_gone(struct pv_http_request *request)
{
    finish(request->user, 0);
}

static void wait_until(struct pv_call *call, struct pv_id op, int64_t until_ms,
                       void (*done)(struct pv_call *call, int state))
{
    struct pv_api *api = call->api;
    call->wait.done = done;
    call->wait_applied = true;
    call->wait.watch = (struct pv_watch){.op = op, .changed = on_changed, .user = call};
    if (api->closing || pv_heap_add(&api->waits, &call->wait.deadline, until_ms) != 0) {
        done(call, 0);
        return;
    }
    call->wait.on = true;
    pv_engine_watch(api->o.engine, &call->wait.watch);
    pv_http_watch(call->http, on_gone);
    arm(api);
}

void pv_call_wait(struct pv_call *call, struct pv_id op, int seconds,
                  void (*done)(struct pv_call *call, int state))
{
    wait_until(call, op, mono(call->api) + (int64_t)seconds * 1000, done);
}

void pv_call_wait_change(struct pv_call *call, struct pv_id op, int64_t until_ms,
                         void (*done)(struct pv_call *call, int state))
{
    call->wait.any = true;
    wait_until(call, op, until_ms, done);
}

void pv_api_end_waits(struct pv_api *api)
{
    struct pv_heap_node *first = pv_heap_first(&api->waits);
    while (first != NULL) {
        finish(call_of_deadline(first), 0);
        first = pv_heap_first(&api->waits);
    }
}

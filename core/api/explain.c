/* SPDX-License-Identifier: Apache-2.0 */
/* Why an operation stands where it stands, in a sentence, and what to do about it. */
#include "core/api/internal.h"

#include "core/engine/cursor.h"

#include <stdio.h>
#include <string.h>

#define LATE_MS 500 /* what is ready for longer is held back by something */

struct why {
    char sentence[900];
    char advice[500];
};

/* What is known of an operation, ready for sentences. */
struct facts {
    const struct pv_op_row *op;
    const struct pv_step_row *last; /* NULL: no step has answered yet */
    char id[PV_ID_TEXT];
    char what[PV_MAX_NAME + 16];    /* "create", "action zone_add" */
    char step[2 * PV_MAX_NAME + 8]; /* "zone.publish" */
    bool step_known;
    struct pv_str component; /* the two parts of it */
    struct pv_str name;
    char until[PV_TIME_TEXT];
    struct pv_instance_status instance;
    bool instance_known;
    struct pv_op_wait wait;
};

static void find_step(struct pv_call *call, const struct pv_op_row *op, struct facts *f)
{
    struct pv_plan plan = {0};
    struct pv_cursor cursor;
    if (op->plan.len == 0 || op->cursor.len == 0 ||
        pv_plan_decode(op->plan, &call->arena, &plan) != 0 ||
        pv_cursor_decode(op->cursor, &cursor) != 0 || cursor.step >= plan.step_count) {
        return;
    }
    const struct pv_plan_step *step = &plan.steps[cursor.step];
    f->step_known = true;
    f->component = plan.components[step->component].name;
    f->name = step->name;
    snprintf(f->step, sizeof(f->step), "%.*s.%.*s", PV_STR_ARG(f->component), PV_STR_ARG(f->name));
}

/* What keeps one from beginning. */
static void keeps_back(const struct pv_api *api, const struct pv_op_row *op,
                       const struct pv_instance_status *instance, struct pv_op_wait *wait)
{
    const struct pv_config *config = api->o.config;
    const struct pv_config_instance *configured = pv_config_instance(config, op->lane);
    bool rated = configured != NULL && configured->limits.rate > 0;
    int64_t now_ms = pv_wall_ms(&api->o.clock);
    bool late = now_ms - op->due_ms > LATE_MS;
    struct pv_engine_counters counters;
    pv_engine_counters(api->o.engine, &counters);
    if (instance != NULL && instance->breaker != 0) {
        int64_t left_ms = instance->breaker_until_mono_ms - pv_mono_ms(&api->o.clock);
        *wait = (struct pv_op_wait){.why = PV_WAIT_BREAKER,
                                    .until_ms = left_ms > 0 ? now_ms + left_ms : 0};
    } else if (instance != NULL &&
               (instance->in_flight >= instance->max_in_flight || (rated && late))) {
        *wait = (struct pv_op_wait){.why = PV_WAIT_CAPACITY};
    } else if (counters.active >= (uint64_t)config->engine.max_active) {
        *wait = (struct pv_op_wait){.why = PV_WAIT_CAPACITY, .busy_with = counters.active};
    }
}

struct pv_op_wait pv_op_wait_of(const struct pv_api *api, const struct pv_op_row *op)
{
    struct pv_op_wait wait = {.why = op->wait, .until_ms = op->due_ms};
    struct pv_instance_status instance;
    bool known = op->lane.len > 0 && pv_engine_instance(api->o.engine, op->lane, &instance) == 0;
    if (op->state == PV_OPS_READY && known && instance.paused) {
        wait = (struct pv_op_wait){.why = PV_WAIT_PAUSED};
    } else if (op->state == PV_OPS_READY && op->wait == PV_WAIT_NONE) {
        keeps_back(api, op, known ? &instance : NULL, &wait);
    }
    return wait;
}

static void collect(struct pv_call *call, const struct pv_get *get, struct facts *f)
{
    const struct pv_op_row *op = &get->ret_op;
    *f = (struct facts){.op = op};
    f->last = get->ret_step_count > 0 ? &get->ret_steps[get->ret_step_count - 1] : NULL;
    pv_id_format("op", op->id, f->id);
    if (op->type == PV_OP_ACTION) {
        snprintf(f->what, sizeof(f->what), "action %.*s", PV_STR_ARG(op->action));
    } else {
        snprintf(f->what, sizeof(f->what), "%s", pv_op_type_name(op->type));
    }
    find_step(call, op, f);
    f->wait = pv_op_wait_of(call->api, op);
    if (f->wait.until_ms > 0 && f->wait.until_ms != PV_NEVER) {
        pv_time_format(f->wait.until_ms, f->until);
    }
    f->instance_known =
        op->lane.len > 0 && pv_engine_instance(call->api->o.engine, op->lane, &f->instance) == 0;
}

static void why_paused(const struct facts *f, const char *step, const char *lane, struct why *why)
{
    snprintf(why->sentence, sizeof(why->sentence), "%s waits with %s: instance %s is paused.",
             f->what, step, lane);
    snprintf(why->advice, sizeof(why->advice), "`provost instance resume %s --reason WHY`", lane);
}

static void why_retry(const struct facts *f, const char *step, struct why *why)
{
    bool tried = f->last != NULL && f->step_known && pv_str_eq(f->last->component, f->component) &&
                 pv_str_eq(f->last->step, f->name) && f->last->outcome != PV_OUT_OK;
    struct pv_str said = tried ? f->last->text : (struct pv_str){NULL, 0};
    snprintf(why->sentence, sizeof(why->sentence),
             tried ? "%s waits: %s failed temporarily (attempt %u)%s%.*s; it is tried again at %s."
                   : "%s waits: %s could not be done (attempt %u)%s%.*s; it is tried again at %s.",
             f->what, step, f->op->tries, said.len > 0 ? ": " : "", PV_STR_ARG(said), f->until);
    snprintf(why->advice, sizeof(why->advice),
             "Nothing, if the cause goes away; `provost operation retry %s --reason WHY` tries at "
             "once.",
             f->id);
}

static void why_ready(const struct facts *f, struct why *why)
{
    const struct pv_op_row *op = f->op;
    const char *step = f->step[0] != '\0' ? f->step : "its first step";
    char lane[PV_MAX_NAME + 1];
    if (pv_str_to_c(op->lane, lane, sizeof(lane)) != 0 || lane[0] == '\0') {
        snprintf(lane, sizeof(lane), "?");
    }
    if (f->wait.why == PV_WAIT_PAUSED) {
        why_paused(f, step, lane, why);
        return;
    }
    if (f->wait.busy_with > 0) {
        snprintf(why->sentence, sizeof(why->sentence),
                 "%s waits: %llu operations are worked on, as many as `engine.max_active` says.",
                 f->what, (unsigned long long)f->wait.busy_with);
        snprintf(why->advice, sizeof(why->advice), "Wait until one of them ends or has to wait.");
        return;
    }
    switch (f->wait.why) {
    case PV_WAIT_CAPACITY:
        snprintf(
            why->sentence, sizeof(why->sentence),
            "%s waits with %s: instance %s has all the steps in flight that it may, or used up "
            "its rate.",
            f->what, step, lane);
        snprintf(why->advice, sizeof(why->advice),
                 "Wait, or raise max_in_flight or rate of the instance in the configuration.");
        break;
    case PV_WAIT_RETRY:
        why_retry(f, step, why);
        break;
    case PV_WAIT_POLL:
        snprintf(why->sentence, sizeof(why->sentence),
                 "%s waits: the backend of instance %s is still at %s; it is asked again at %s.",
                 f->what, lane, step, f->until);
        snprintf(why->advice, sizeof(why->advice), "Nothing: it goes on by itself.");
        break;
    case PV_WAIT_SIGNAL:
        snprintf(why->sentence, sizeof(why->sentence), "%s waits in %s for a signal from outside.",
                 f->what, step);
        snprintf(why->advice, sizeof(why->advice),
                 "If it does not come: POST /v1/operations/%s/signals/NAME.", f->id);
        break;
    case PV_WAIT_BREAKER:
        snprintf(why->sentence, sizeof(why->sentence),
                 "%s waits with %s: instance %s is not being called%s%s.", f->what, step, lane,
                 f->instance.fault[0] != '\0' ? ": " : "", f->instance.fault);
        snprintf(
            why->advice, sizeof(why->advice),
            "Repair the backend or the settings of %s; `provost instance test %s` shows whether it "
            "answers. It is tried again by itself%s%s.",
            lane, lane, f->until[0] != '\0' ? " at " : "", f->until);
        break;
    case PV_WAIT_SETTLE:
        snprintf(
            why->sentence, sizeof(why->sentence),
            "%s waits: it is not known whether %s was carried out; the backend is asked at %s.",
            f->what, step, f->until);
        snprintf(why->advice, sizeof(why->advice), "Nothing: it goes on by itself.");
        break;
    default:
        snprintf(why->sentence, sizeof(why->sentence), "%s is ready and will be taken up at once.",
                 f->what);
        break;
    }
}

static void why_ended(const struct facts *f, struct why *why)
{
    const struct pv_op_row *op = f->op;
    char at[PV_TIME_TEXT];
    pv_time_format(op->finished_ms, at);
    snprintf(why->sentence, sizeof(why->sentence), "%s %s %s at %s%s%.*s", f->what,
             op->state == PV_OPS_DONE ? "is" : "ended", pv_op_state_name(op->state), at,
             op->reason.len > 0 ? ": " : "", PV_STR_ARG(op->reason));
    if (op->state == PV_OPS_FAILED) {
        snprintf(why->advice, sizeof(why->advice),
                 "Remove the cause, then `provost operation retry %s --reason WHY`.", f->id);
    }
}

static void why_running(struct pv_call *call, const struct facts *f, struct why *why)
{
    static const char *const kinds[] = {"", "poll of ", "look-up of ", "undo of "};
    struct pv_engine *engine = call->api->o.engine;
    struct pv_str said = pv_engine_progress_text(engine, f->op->id);
    struct pv_running now;
    if (!pv_engine_running(engine, f->op->id, &now)) {
        snprintf(why->sentence, sizeof(why->sentence), "%s is running%s%s.", f->what,
                 f->step[0] != '\0' ? ": " : "", f->step);
        return;
    }
    int64_t took_ms = pv_wall_ms(&call->api->o.clock) - now.started_ms;
    snprintf(why->sentence, sizeof(why->sentence),
             "%s is running: %s%.*s.%.*s of instance %.*s for %lld s, attempt %u%s%.*s.", f->what,
             kinds[now.kind], PV_STR_ARG(now.component), PV_STR_ARG(now.step),
             PV_STR_ARG(now.instance), (long long)(took_ms > 0 ? took_ms / 1000 : 0), now.attempt,
             said.len > 0 ? ": " : "", PV_STR_ARG(said));
    snprintf(why->advice, sizeof(why->advice),
             "Nothing: a step has a time limit. `provost operation watch %s` follows it.", f->id);
}

static void explain(struct pv_call *call, const struct facts *f, struct why *why)
{
    const struct pv_op_row *op = f->op;
    why->advice[0] = '\0';
    if (pv_op_state_final(op->state)) {
        why_ended(f, why);
    } else if (op->state == PV_OPS_QUEUED) {
        snprintf(why->sentence, sizeof(why->sentence),
                 "%s waits behind another operation of the same service.", f->what);
        snprintf(why->advice, sizeof(why->advice),
                 "`provost service show` names the one that is under way; `provost explain` it.");
    } else if (op->state == PV_OPS_NEEDS_OPERATOR) {
        snprintf(why->sentence, sizeof(why->sentence), "%s needs an operator: %.*s", f->what,
                 PV_STR_ARG(op->reason));
        snprintf(why->advice, sizeof(why->advice),
                 f->step_known ? "Look at the backend, then `provost operation "
                                 "retry|skip|undo|abandon %s --reason WHY`."
                               : "Repair the configuration and `provost reload`, then `provost "
                                 "operation retry %s --reason WHY`; or `abandon` it.",
                 f->id);
    } else if (op->state == PV_OPS_RUNNING) {
        why_running(call, f, why);
    } else {
        why_ready(f, why);
    }
}

static void send_why(struct pv_call *call, const struct pv_service_row *service,
                     const struct pv_get *get, const struct why *why)
{
    bool of_op = !pv_id_is_zero(get->ret_op.id);
    pv_buf_char(&call->out, '{');
    pv_show_id(&call->out, "operation", "op", get->ret_op.id);
    pv_show_id(&call->out, "service", "svc", service != NULL ? service->id : get->ret_op.service);
    pv_show_c(&call->out, "state",
              of_op ? pv_op_state_name(get->ret_op.state) : pv_svc_state_name(service->observed));
    pv_show_c(&call->out, "sentence", why->sentence);
    pv_show_c(&call->out, "advice", why->advice[0] != '\0' ? why->advice : NULL);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void op_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "operation");
        return;
    }
    struct facts facts;
    struct why why;
    collect(call, &call->r.get, &facts);
    explain(call, &facts, &why);
    send_why(call, NULL, &call->r.get, &why);
}

static void read_op(struct pv_call *call, struct pv_id op)
{
    pv_call_req(call, PV_REQ_GET, op_read);
    call->r.get.of_op = true;
    call->r.get.full = true;
    call->r.get.id = op;
    pv_call_submit(call);
}

static void service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    const struct pv_service_row *service = &call->r.get.ret_service;
    if (!pv_id_is_zero(service->active_op)) {
        read_op(call, service->active_op);
        return;
    }
    struct why why = {.advice = ""};
    char since[PV_TIME_TEXT];
    pv_time_format(service->changed_ms, since);
    snprintf(why.sentence, sizeof(why.sentence),
             "Nothing is under way: the service is %s since %s%s.",
             pv_svc_state_name(service->observed), since,
             service->residue ? ", and something of it remains at the backends" : "");
    if (service->residue && service->observed == PV_SVC_FAILED) {
        snprintf(why.advice, sizeof(why.advice),
                 "A terminate removes what remains; a retry of the failed operation goes on.");
    }
    memset(&call->r.get.ret_op, 0, sizeof(call->r.get.ret_op));
    send_why(call, service, &call->r.get, &why);
}

static void get_explain(struct pv_call *call)
{
    struct pv_id id;
    if (pv_id_parse("op", call->args[0], &id) == 0) {
        read_op(call, id);
        return;
    }
    if (!pv_call_id(call, 0, "svc", &id)) {
        return;
    }
    pv_call_req(call, PV_REQ_GET, service_read);
    call->r.get.id = id;
    pv_call_submit(call);
}

const struct pv_route pv_routes_explain[] = {
    {"GET", "/v1/explain/*", PV_SCOPE_ADMIN, 0, get_explain, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

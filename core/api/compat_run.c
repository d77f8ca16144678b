/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts what a call of the Paymenter back end's routes stands for, waits as long as its
 * extensions have patience, and answers in their words. */
#include "core/api/compat.h"

#include <stdio.h>
#include <string.h>

static struct pv_compat_call *state_of(const struct pv_call *call)
{
    return call->state;
}

static void send_success(struct pv_call *call, bool pending)
{
    const struct pv_compat_call *compat = state_of(call);
    pv_buf_c(&call->out, "{\"success\":true");
    pv_show_text(&call->out, "service_id", compat->service_id);
    if (!pv_id_is_zero(compat->op)) {
        pv_show_id(&call->out, "operation", "op", compat->op);
    }
    if (pending) {
        pv_show_bool(&call->out, "pending", true);
    }
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void fail_status(struct pv_call *call, int status, const struct pv_err *err)
{
    pv_call_fail_status(call, status, err, "service");
}

/* ---- the support key ---- */

static void key_revealed(struct pv_call *call, struct pv_ask *ask)
{
    const struct pv_ask_query *item = ask->count > 0 ? &ask->items[0] : NULL;
    if (item == NULL) {
        pv_compat_refuse(call, 500, "the product has no component that gives a support key");
        return;
    }
    struct pv_json_doc doc = {.count = 0};
    size_t offset = 0;
    const struct pv_json *key = NULL;
    if (item->code == PV_OUT_OK && pv_json_parse(&doc, item->result, &offset, NULL) == 0) {
        key = pv_json_get(&doc, &doc.values[0], "support_key");
    }
    if (key == NULL || key->type != PV_JSON_STRING) {
        pv_json_done(&doc);
        pv_compat_refuse(call, 500, "the support key cannot be read now, repeat the call");
        return;
    }
    pv_buf_c(&call->out, "{\"success\":true");
    pv_show_text(&call->out, "service_id", state_of(call)->service_id);
    pv_show_text(&call->out, "support_key", key->text);
    pv_buf_char(&call->out, '}');
    pv_json_done(&doc);
    pv_call_send(call, 200);
}

static void read_service(struct pv_call *call, void (*done)(struct pv_req *req))
{
    const struct pv_compat_call *compat = state_of(call);
    pv_call_req(call, PV_REQ_GET, done);
    call->r.get.source = compat->source;
    call->r.get.external_id = compat->external_id;
    call->r.get.full = true;
    pv_call_submit(call);
}

static void key_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        fail_status(call, req->status, &req->err);
        return;
    }
    pv_ask_service(call, &call->r.get, "reveal", (struct pv_str){NULL, 0}, NULL, key_revealed);
}

static void key_noted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        fail_status(call, req->status, &req->err);
        return;
    }
    read_service(call, key_service_read);
}

/* The record is durable before the key is shown. */
static void reveal_key(struct pv_call *call, struct pv_id service)
{
    const struct pv_compat_call *compat = state_of(call);
    pv_call_req(call, PV_REQ_NOTE, key_noted);
    call->r.note.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.note.audit = (struct pv_audit){.actor = pv_str(call->who.actor),
                                           .what = PV_STR("service.reveal"),
                                           .source = compat->source,
                                           .service = service};
    pv_call_submit(call);
}

/* ---- what became of it ---- */

/* "zones.check: the zone is there already" without the step's name, which says nothing to a
 * customer. */
static struct pv_str customer_text(struct pv_str reason)
{
    size_t i = 0;
    bool dot = false;
    while (i < reason.len && reason.ptr[i] != ':' && reason.ptr[i] != ' ') {
        dot = dot || reason.ptr[i] == '.';
        i++;
    }
    bool named = dot && i + 2 < reason.len && reason.ptr[i] == ':' && reason.ptr[i + 1] == ' ';
    return named ? (struct pv_str){reason.ptr + i + 2, reason.len - i - 2} : reason;
}

/* What a plugin's {"code"} is in HTTP. */
static unsigned refusal_status(struct pv_str result, unsigned otherwise)
{
    struct pv_json_doc doc = {.count = 0};
    size_t offset = 0;
    unsigned status = otherwise;
    if (result.len > 0 && pv_json_parse(&doc, result, &offset, NULL) == 0) {
        const struct pv_json *code = pv_json_get(&doc, &doc.values[0], "code");
        if (code != NULL && pv_str_eq_c(code->text, "conflict")) {
            status = 409;
        } else if (code != NULL && pv_str_eq_c(code->text, "not_found")) {
            status = 404;
        }
    }
    pv_json_done(&doc);
    return status;
}

static void op_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_compat_call *compat = state_of(call);
    const struct pv_op_row *op = &call->r.get.ret_op;
    bool action = compat->what->type == PV_OP_ACTION;
    if (req->status != 0) {
        fail_status(call, req->status, &req->err);
    } else if (op->state == PV_OPS_DONE && compat->what->reveals) {
        reveal_key(call, op->service);
    } else if (op->state == PV_OPS_DONE ||
               (op->state == PV_OPS_SUPERSEDED && !compat->what->reveals)) {
        send_success(call, false); /* or a later call took its place */
    } else if (op->state == PV_OPS_FAILED) {
        unsigned status = refusal_status(op->result, action ? 400 : 500);
        pv_compat_refuse(call, status, "%.*s", PV_STR_ARG(customer_text(op->reason)));
    } else if (op->state == PV_OPS_NEEDS_OPERATOR) {
        pv_compat_refuse(call, 500, "an operator has to look at it: %.*s", PV_STR_ARG(op->reason));
    } else if (pv_op_state_final(op->state)) {
        pv_compat_refuse(call, 409, "%s was %s: %.*s", pv_op_type_name(op->type),
                         pv_op_state_name(op->state), PV_STR_ARG(op->reason));
    } else if (compat->what->reveals) {
        pv_compat_refuse(call, 500, "still running, repeat the call");
    } else {
        send_success(call, true);
    }
}

static void waited(struct pv_call *call, int state)
{
    (void)state;
    pv_call_req(call, PV_REQ_GET, op_read);
    call->r.get.of_op = true;
    call->r.get.id = state_of(call)->op;
    pv_call_submit(call);
}

/* ---- accepting ---- */

static void refused(struct pv_call *call, const struct pv_accept_item *item)
{
    char sentence[300];
    bool gone = item->ret_state == PV_SVC_NONE || item->ret_state == PV_SVC_TERMINATED;
    pv_accept_sentence(item, sentence, sizeof(sentence));
    unsigned status = 409;
    if (item->verdict == PV_NO_SERVICE ||
        (item->verdict == PV_ILLEGAL && gone && item->type != PV_OP_CREATE)) {
        status = 404;
    } else if (item->verdict == PV_ILLEGAL && item->type == PV_OP_ACTION &&
               item->ret_state == PV_SVC_SUSPENDED) {
        status = 401;
    }
    pv_compat_refuse(call, status, "%s", sentence[0] != '\0' ? sentence : "it conflicts");
}

static void run_service_action(struct pv_call *call);

static void accepted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct pv_compat_call *compat = state_of(call);
    const struct pv_accept_item *item = &compat->item;
    if (req->status != 0 && req->status != PV_ECONFLICT) {
        fail_status(call, req->status, &req->err);
        return;
    }
    if (req->status == PV_ECONFLICT) {
        bool there = item->ret_state == PV_SVC_ACTIVE || item->ret_state == PV_SVC_SUSPENDED;
        if (compat->what->first_creates && item->type == PV_OP_CREATE && there) {
            run_service_action(call); /* it was created meanwhile, with another zone */
        } else {
            refused(call, item);
        }
        return;
    }
    compat->op = item->ret_op;
    if (compat->what->wait_s == 0) {
        send_success(call, !pv_op_state_final(item->ret_op_state));
    } else if (pv_op_state_final(item->ret_op_state) ||
               item->ret_op_state == PV_OPS_NEEDS_OPERATOR) {
        waited(call, item->ret_op_state);
    } else {
        pv_call_wait(call, compat->op, compat->what->wait_s, waited);
    }
}

static void submit(struct pv_call *call)
{
    struct pv_compat_call *compat = state_of(call);
    compat->item.join = true;
    compat->item.actor = pv_str(call->who.actor);
    pv_call_req(call, PV_REQ_ACCEPT, accepted);
    call->r.accept.items = &compat->item;
    call->r.accept.count = 1;
    size_t index = 0;
    struct pv_err err = {0};
    int status = pv_engine_accept(call->api->o.engine, &call->r.accept, &index, &err);
    if (status == PV_EINVAL || status == PV_ENOTFOUND) {
        pv_compat_refuse(call, 400, "%s", err.text);
    } else if (status != 0) {
        fail_status(call, status, &err);
    }
}

/* ---- events ---- */

/* The event's checks are those of POST /v1/events. false: it has failed the call. */
static bool check_event(struct pv_call *call, struct pv_event *ret_event)
{
    const struct pv_compat_call *compat = state_of(call);
    struct pv_err err = {0};
    size_t offset = 0;
    pv_json_done(&call->body);
    int status = pv_json_parse(&call->body, compat->event, &offset, &err);
    if (status != 0) {
        fail_status(call, status, &err);
        return false;
    }
    unsigned flags = compat->what->first_creates ? PV_EVENT_NO_CUSTOMER : 0;
    struct pv_faults faults;
    pv_faults_init(&faults, (struct pv_str){NULL, 0}, false);
    (void)pv_event_check(&call->body, &call->body.values[0], flags, &faults, ret_event);
    status = pv_event_check_config(call->api->o.config, &call->body, ret_event, &faults);
    if (status != 0 || faults.count > 0) {
        if (status != 0) {
            pv_faults_done(&faults);
            fail_status(call, status, NULL);
        } else {
            pv_call_fail_faults(call, 400, &faults);
        }
        return false;
    }
    pv_faults_done(&faults);
    return true;
}

void pv_compat_run_event(struct pv_call *call)
{
    struct pv_compat_call *compat = state_of(call);
    struct pv_event event;
    if (!check_event(call, &event)) {
        return;
    }
    pv_buf_clear(&call->scratch);
    int status = pv_event_canonical(&call->body, event.value, &call->scratch);
    if (status != 0) {
        fail_status(call, status, NULL);
        return;
    }
    bool planned = event.type == PV_OP_CREATE || event.type == PV_OP_UPGRADE;
    compat->item = (struct pv_accept_item){
        .source = compat->source,
        .external_id = compat->external_id,
        .type = event.type,
        .product = event.type == PV_OP_CREATE ? event.product : (struct pv_str){NULL, 0},
        .plan_name = planned ? event.plan : (struct pv_str){NULL, 0},
        .body = pv_call_traced(call, compat->event, pv_call_trace(call)),
        .canonical = pv_buf_view(&call->scratch)};
    if (!compat->item.body.ptr) {
        fail_status(call, PV_ENOMEM, NULL);
        return;
    }
    submit(call);
}

/* ---- actions ---- */

static void action_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct pv_compat_call *compat = state_of(call);
    if (req->status != 0) {
        fail_status(call, req->status, &req->err);
        return;
    }
    int state = call->r.get.ret_service.observed;
    if (state == PV_SVC_TERMINATED || state == PV_SVC_FAILED) {
        pv_compat_refuse(call, 404, "there is no such service: it is %s", pv_svc_state_name(state));
        return;
    }
    const struct pv_accept_item *item =
        pv_action_item(call, pv_str(compat->what->action), compat->body, compat->form);
    if (item == NULL) {
        return;
    }
    compat->item = *item;
    pv_buf_clear(&call->scratch);
    pv_buf_lstr(&call->scratch, compat->item.action);
    int status = pv_buf_str(&call->scratch, compat->body);
    if (status != 0) {
        fail_status(call, status, NULL);
        return;
    }
    compat->item.canonical = pv_buf_view(&call->scratch);
    submit(call);
}

static void run_service_action(struct pv_call *call)
{
    read_service(call, action_service_read);
}

/* Whether the first zone has to create the service is known by the service. */
static void first_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    int state = req->status == PV_ENOTFOUND ? PV_SVC_NONE : call->r.get.ret_service.observed;
    if (req->status != 0 && req->status != PV_ENOTFOUND) {
        fail_status(call, req->status, &req->err);
    } else if (state == PV_SVC_ACTIVE || state == PV_SVC_SUSPENDED) {
        action_service_read(req);
    } else {
        pv_compat_run_event(call);
    }
}

void pv_compat_run_action(struct pv_call *call)
{
    read_service(call,
                 state_of(call)->what->first_creates ? first_service_read : action_service_read);
}

/* ---- queries ---- */

/* The plugin's answer is an object: its members stand beside "success". */
static void answered(struct pv_call *call, struct pv_ask *ask)
{
    const struct pv_ask_query *item = ask->count > 0 ? &ask->items[0] : NULL;
    if (item == NULL) {
        pv_compat_refuse(call, 404, "the product has no component that lists this");
        return;
    }
    if (item->status == 0 && item->code != PV_OUT_OK) {
        bool refused = item->code == PV_OUT_PERMANENT;
        struct pv_str text = item->text.len > 0 ? item->text : PV_STR("the plugin did not answer");
        pv_compat_refuse(call, refused ? refusal_status(item->result, 400) : 500, "%.*s",
                         PV_STR_ARG(text));
        return;
    }
    if (item->status != 0) {
        pv_ask_fail(call, item);
        return;
    }
    bool object = item->result.len > 2 && item->result.ptr[0] == '{';
    pv_buf_c(&call->out, "{\"success\":true");
    if (object) {
        pv_buf_char(&call->out, ',');
        pv_buf_put(&call->out, item->result.ptr + 1, item->result.len - 1);
    } else {
        pv_show_raw(&call->out, "result", item->result);
        pv_buf_char(&call->out, '}');
    }
    pv_call_send(call, 200);
}

static void query_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        fail_status(call, req->status, &req->err);
        return;
    }
    pv_ask_service(call, &call->r.get, state_of(call)->what->query, (struct pv_str){NULL, 0},
                   call->json, answered);
}

void pv_compat_run_query(struct pv_call *call)
{
    read_service(call, query_service_read);
}

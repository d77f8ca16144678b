/* SPDX-License-Identifier: Apache-2.0 */
/* What events and actions share once they are accepted or refused: faults, waiting, the answer. */
#include "core/api/internal.h"

#include <stdio.h>
#include <string.h>

const char *pv_accept_sentence(const struct pv_accept_item *item, char *out, size_t size)
{
    const char *type = pv_op_type_name(item->type);
    switch (item->verdict) {
    case PV_BODY_DIFFERS:
        snprintf(out, size, "this id was used before, with another body");
        return "id_conflict";
    case PV_ILLEGAL:
        if (item->ret_state == PV_SVC_NONE) {
            snprintf(out, size, "%s is not possible: there is no such service", type);
        } else {
            snprintf(out, size, "%s is not possible: the service is %s", type,
                     pv_svc_state_name(item->ret_state));
        }
        return "illegal_transition";
    case PV_QUOTA:
        snprintf(out, size, "the quota of %.*s is used up: %lld of %lld",
                 PV_STR_ARG(item->quota.name), (long long)item->ret_used,
                 (long long)item->quota.limit);
        return "quota_exceeded";
    case PV_NO_SERVICE:
        snprintf(out, size, "there is no such service");
        return "not_found";
    default:
        out[0] = '\0';
        return "conflict";
    }
}

void pv_accept_faults(const struct pv_accept *accept, struct pv_faults *faults,
                      const char *path_of_id, unsigned *ret_status)
{
    bool only_missing = true;
    for (size_t i = 0; i < accept->count; i++) {
        const struct pv_accept_item *item = &accept->items[i];
        char sentence[300];
        if (item->verdict == PV_ACCEPTED || item->verdict == PV_DUPLICATE ||
            item->verdict == PV_NOT_JUDGED) {
            continue;
        }
        const char *code = pv_accept_sentence(item, sentence, sizeof(sentence));
        only_missing = only_missing && item->verdict == PV_NO_SERVICE;
        faults->index = i;
        pv_faults_add(faults, item->verdict == PV_BODY_DIFFERS ? path_of_id : "", code,
                      PV_NO_OFFSET, "%s", sentence);
    }
    *ret_status = only_missing && faults->count > 0 ? 404 : 409;
    if (faults->count == 0) {
        pv_faults_add(faults, "", "conflict", PV_NO_OFFSET, "%s",
                      accept->req.err.text[0] != '\0' ? accept->req.err.text
                                                      : pv_status_text(PV_ECONFLICT));
    }
}

/* ---- the answer ---- */

struct outcome {
    struct pv_id op;
    struct pv_id service;
    int state;
    bool duplicate;
    unsigned status; /* for a receipt */
};

static void send_receipt(struct pv_call *call, const struct outcome *outcome)
{
    char id[PV_ID_TEXT];
    snprintf(call->location, sizeof(call->location), "/v1/operations/%s",
             pv_id_format("op", outcome->op, id));
    pv_show_receipt(&call->out, outcome->op, outcome->service, outcome->state, outcome->duplicate);
    pv_call_send(call, outcome->status);
}

static void op_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct outcome *outcome = call->state;
    if (req->status != 0 || !pv_op_state_final(call->r.get.ret_op.state)) {
        struct outcome now = *outcome;
        if (req->status == 0) {
            now.state = call->r.get.ret_op.state;
            now.service = call->r.get.ret_op.service;
        } else if (pv_id_is_zero(now.service)) {
            pv_call_fail_status(call, req->status, &req->err, "operation");
            return;
        }
        send_receipt(call, &now);
        return;
    }
    pv_buf_char(&call->out, '{');
    struct pv_op_wait wait = pv_op_wait_of(call->api, &call->r.get.ret_op);
    pv_show_op_full(call, &call->out, &call->r.get, &wait);
    pv_show_bool(&call->out, "duplicate", outcome->duplicate);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void read_op(struct pv_call *call)
{
    const struct outcome *outcome = call->state;
    pv_call_req(call, PV_REQ_GET, op_read);
    call->r.get.of_op = true;
    call->r.get.full = true;
    call->r.get.id = outcome->op;
    pv_call_submit(call);
}

static void waited(struct pv_call *call, int state)
{
    (void)state;
    read_op(call);
}

void pv_call_follow(struct pv_call *call, struct pv_id op, struct pv_id service, int state,
                    bool duplicate)
{
    struct outcome *outcome = pv_arena_alloc(&call->arena, sizeof(*outcome));
    if (outcome == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    *outcome = (struct outcome){
        .op = op, .service = service, .state = state, .duplicate = duplicate, .status = 202};
    call->state = outcome;
    int seconds = pv_call_prefer_wait(call);
    if (seconds > 0 && !pv_op_state_final(state) && state != PV_OPS_NEEDS_OPERATOR) {
        pv_call_wait(call, op, seconds, waited);
    } else if (seconds > 0 || pv_id_is_zero(service)) {
        call->wait_applied = seconds > 0;
        read_op(call);
    } else {
        send_receipt(call, outcome);
    }
}

void pv_call_accepted(struct pv_call *call, const struct pv_accept_item *item)
{
    pv_call_follow(call, item->ret_op, item->service, item->ret_op_state,
                   item->verdict == PV_DUPLICATE);
}

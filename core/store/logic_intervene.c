/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from outside while an operation is under way: signals of backends, and what operators
 * and callers do to it. */
#include "core/store/logic.h"

#include "core/engine/rules.h"

#include <stdio.h>

#define MAX_SIGNAL (64u * 1024)
#define MAX_SIGNALS 64u /* of one operation */
#define MAX_CURSOR (64u * 1024)

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

/* The operation and its service, as far as the source may see them; else refused. */
static int find_op(struct pv_logic *logic, struct pv_req *req, struct pv_id id,
                   struct pv_str source, struct pv_op *ret_op, struct pv_svc *ret_svc)
{
    int status = ops_of(logic)->op_by_id(logic->rows, id, &logic->scratch, ret_op);
    if (status == PV_ENOTFOUND || (!status && source.ptr && !pv_str_eq(ret_op->source, source))) {
        return pv_logic_refuse(req, PV_ENOTFOUND, "there is no such operation");
    }
    return status
               ? status
               : ops_of(logic)->svc_by_n(logic->rows, ret_op->service_n, &logic->scratch, ret_svc);
}

static int signal_room(struct pv_logic *logic, struct pv_signal *in, const struct pv_op *op)
{
    struct pv_signal_row *rows = NULL;
    size_t count = 0;
    int status = ops_of(logic)->signal_list(logic->rows, op->n, &logic->scratch, &rows, &count);
    if (status || count < MAX_SIGNALS) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq(rows[i].name, in->name)) {
            return PV_OK;
        }
    }
    return pv_logic_refuse(&in->req, PV_ETOOBIG, "an operation has at most %u signals",
                           MAX_SIGNALS);
}

int pv_logic_signal(struct pv_logic *logic, struct pv_signal *in)
{
    struct pv_op op;
    struct pv_svc svc;
    int status = find_op(logic, &in->req, in->op, in->source, &op, &svc);
    if (status || in->req.status) {
        return status;
    }
    if (op.state) {
        return pv_logic_refuse(&in->req, PV_ECONFLICT, "the operation is over");
    }
    if (in->body.len > MAX_SIGNAL || in->name.len > PV_MAX_NAME) {
        return pv_logic_refuse(&in->req, PV_ETOOBIG, "a signal has at most %u bytes", MAX_SIGNAL);
    }
    status = signal_room(logic, in, &op);
    if (status || in->req.status) {
        return status;
    }
    status = ops_of(logic)->signal_put(logic->rows, op.n, in->name, in->body);
    status = status ? status : pv_logic_audit(logic, &in->audit, in->now_ms, svc.n);
    if (status || svc.active_n != op.n) {
        return status;
    }
    bool waits = svc.wait == PV_WAIT_SIGNAL || svc.wait == PV_WAIT_POLL;
    if (svc.active_state == PV_OPS_READY && waits) {
        svc.due = in->now_ms;
        svc.wait = PV_WAIT_NONE;
        in->ret_ready = true;
        status = pv_logic_copy(&in->req.arena, svc.lane, &in->ret_lane);
    } else if (svc.active_state == PV_OPS_RUNNING && !svc.signaled) {
        svc.signaled = true;
    } else {
        return PV_OK;
    }
    return status ? status : pv_logic_put(logic, &svc);
}

/* ---- intervene ---- */

struct intervening {
    struct pv_logic *logic;
    struct pv_intervene *in;
    struct pv_op op;
    struct pv_svc svc;
    struct pv_intervene_rule rule;
    struct pv_str cursor; /* the new one, in the scratch arena */
};

static int judge(struct intervening *v)
{
    bool active = v->svc.active_n == v->op.n;
    struct pv_intervene_in in = {
        .verb = v->in->verb,
        .type = v->op.type,
        .state = pv_logic_op_state(&v->svc, &v->op),
        .intent = active ? v->svc.active_intent : PV_INTENT_NONE,
        .is_active = active,
        .service_has_active = v->svc.active_n != 0,
        .observed = v->svc.observed,
        .residue = v->svc.residue,
        .plan = v->op.plan,
        .cursor = active ? v->svc.cursor : v->op.cursor,
    };
    struct pv_buf cursor;
    pv_buf_init(&cursor, MAX_CURSOR);
    int status = pv_rules_intervene(&in, &v->rule, &cursor, &v->in->req.err);
    if (status == PV_ECONFLICT || status == PV_EINVAL) {
        v->in->req.status = status;
        status = PV_OK;
    } else if (!status) {
        status = cursor.status;
        status =
            status ? status : pv_logic_copy(&v->logic->scratch, pv_buf_view(&cursor), &v->cursor);
    }
    pv_buf_done(&cursor);
    return status;
}

static int tell_ready(struct intervening *v)
{
    if (v->svc.active_state != PV_OPS_READY) {
        return PV_OK;
    }
    v->in->ret_ready = true;
    v->in->ret_ready_op = v->svc.active_op;
    return pv_logic_copy(&v->in->req.arena, v->svc.lane, &v->in->ret_lane);
}

/* A finished create becomes its service's active operation again. */
static int reactivate(struct intervening *v)
{
    struct pv_svc *svc = &v->svc;
    struct pv_op again = {.n = v->op.n, .id = v->op.id, .lane = v->op.lane};
    int status = ops_of(v->logic)->op_finish(v->logic->rows, &again);
    if (status) {
        return status;
    }
    svc->active_n = v->op.n;
    svc->active_op = v->op.id;
    svc->active_type = v->op.type;
    svc->accepted_ms = v->op.accepted_ms;
    svc->deadline_ms = v->op.deadline_ms;
    svc->lane = v->op.lane;
    svc->steps = v->op.steps;
    svc->observed = PV_SVC_PENDING;
    return PV_OK;
}

static int make_ready(struct intervening *v)
{
    struct pv_svc *svc = &v->svc;
    int status = v->rule.reactivate ? reactivate(v) : PV_OK;
    if (status) {
        return status;
    }
    svc->active_state = PV_OPS_READY;
    svc->active_intent = v->rule.intent;
    svc->cursor = v->cursor;
    svc->tries = v->rule.keep_tries ? svc->tries : 0;
    svc->due = v->in->now_ms;
    svc->wait = PV_WAIT_NONE;
    svc->reason = (struct pv_str){NULL, 0};
    svc->epoch = 0;
    svc->changed_ms = v->in->now_ms;
    if (v->in->verb == PV_VERB_RETRY && v->in->deadline_ms) {
        svc->deadline_ms = v->in->deadline_ms;
    }
    status = pv_logic_project(v->logic, svc);
    status = status ? status : pv_logic_put(v->logic, svc);
    v->in->ret_op_state = PV_OPS_READY;
    return status ? status : tell_ready(v);
}

static int tell_end(struct intervening *v, int before)
{
    const struct pv_logic_end end = {
        .op = v->op.id,
        .op_n = v->op.n,
        .state = v->rule.op_state,
        .reason = v->in->reason,
        .before = before,
    };
    return pv_logic_ended(v->logic, &v->svc, &end, v->in->now_ms);
}

static int end_queued(struct intervening *v, struct pv_ended_list *ended)
{
    int status = ops_of(v->logic)->wait_del(v->logic->rows, v->svc.n, v->op.n);
    if (status) {
        return status;
    }
    v->svc.waiting--;
    v->logic->tally.queued--;
    struct pv_op done = v->op;
    done.state = v->rule.op_state;
    done.finished_ms = v->in->now_ms;
    done.generation = v->svc.generation;
    done.reason = v->in->reason;
    status = ops_of(v->logic)->op_finish(v->logic->rows, &done);
    status = status ? status : pv_logic_settle(v->logic, &v->svc, v->op.n, v->rule.op_state);
    status = status ? status : tell_end(v, v->svc.observed);
    status = status ? status : pv_logic_ended_add(ended, v->op.id, v->rule.op_state);
    return status ? status : pv_logic_project(v->logic, &v->svc);
}

static int end_active(struct intervening *v, struct pv_ended_list *ended)
{
    struct pv_ending ending = {
        .state = v->rule.op_state,
        .reason = v->in->reason,
        .observed = v->rule.observed,
        .residue = v->rule.residue,
    };
    int before = v->svc.observed;
    int status = pv_logic_ended_add(ended, v->op.id, v->rule.op_state);
    status = status ? status : pv_logic_end_active(v->logic, &v->svc, &ending, v->in->now_ms);
    status = status ? status : tell_end(v, before);
    status = status ? status : pv_logic_pop(v->logic, &v->svc, false, 0, v->in->now_ms, ended);
    return status ? status : tell_ready(v);
}

static int end(struct intervening *v)
{
    struct pv_ended_list ended = {.arena = &v->in->req.arena};
    int status = v->svc.active_n == v->op.n ? end_active(v, &ended) : end_queued(v, &ended);
    v->in->ret_op_state = v->rule.op_state;
    v->in->ret_ended = ended.items;
    v->in->ret_ended_count = ended.count;
    return status ? status : pv_logic_put(v->logic, &v->svc);
}

static int write_audit(struct intervening *v)
{
    char what[48];
    int len = snprintf(what, sizeof(what), "operation.%s", pv_verb_name(v->in->verb));
    struct pv_audit audit = {
        .actor = v->in->actor,
        .what = {what, (size_t)len},
        .source = v->svc.source,
        .detail = v->in->reason,
        .service = v->svc.id,
        .op = v->op.id,
    };
    return pv_logic_audit(v->logic, &audit, v->in->now_ms, v->svc.n);
}

int pv_logic_intervene(struct pv_logic *logic, struct pv_intervene *in)
{
    struct intervening v = {.logic = logic, .in = in};
    int status = find_op(logic, &in->req, in->op, in->source, &v.op, &v.svc);
    if (status || in->req.status) {
        return status;
    }
    status = judge(&v);
    if (status || in->req.status) {
        return status;
    }
    status = write_audit(&v);
    if (status) {
        return status;
    }
    switch (v.rule.what) {
    case PV_DO_READY:
        return make_ready(&v);
    case PV_DO_INTENT:
        v.svc.active_intent = v.rule.intent;
        in->ret_poke = true;
        in->ret_op_state = v.svc.active_state;
        return pv_logic_put(logic, &v.svc);
    case PV_DO_END:
        return end(&v);
    }
    return PV_EINTERNAL;
}

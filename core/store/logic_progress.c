/* SPDX-License-Identifier: Apache-2.0 */
/* claim and progress: an operation is taken by a node, and what came of a step is written under the
 * fence, with everything that goes with it. */
#include "core/store/logic.h"

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

static int claim_one(struct pv_logic *logic, struct pv_claim *in, int64_t service_n)
{
    struct pv_svc svc;
    int status = ops_of(logic)->svc_by_n(logic->rows, service_n, &logic->scratch, &svc);
    if (status) {
        return status;
    }
    svc.active_state = PV_OPS_RUNNING;
    svc.epoch = in->epoch;
    svc.fence++;
    svc.tries++;
    svc.due = PV_NO_DUE;
    svc.wait = PV_WAIT_NONE;
    svc.signaled = false;
    status = pv_logic_put(logic, &svc);
    status = status ? status
                    : pv_logic_claimed(logic, &svc, NULL, &in->req.arena,
                                       &in->ret_claimed[in->ret_count]);
    if (!status) {
        in->ret_count++;
    }
    return status;
}

int pv_logic_claim(struct pv_logic *logic, struct pv_claim *in)
{
    if (in->epoch != logic->epoch) {
        return pv_logic_refuse(&in->req, PV_EFENCED, "the store was opened again since");
    }
    if (in->limit > 0) {
        in->ret_claimed = pv_arena_alloc(&in->req.arena, in->limit * sizeof(*in->ret_claimed));
        if (!in->ret_claimed) {
            return PV_ENOMEM;
        }
    }
    int64_t due = 0;
    int64_t n = 0;
    for (;;) {
        int status = ops_of(logic)->lane_next(logic->rows, in->lane, INT64_MIN, 0, &due, &n);
        if (status == PV_ENOTFOUND) {
            in->ret_next_due_ms = PV_NEVER;
            return PV_OK;
        }
        if (status) {
            return status;
        }
        if (due > in->now_ms || in->ret_count == in->limit) {
            in->ret_next_due_ms = due;
            return PV_OK;
        }
        status = claim_one(logic, in, n);
        if (status) {
            return status;
        }
        pv_arena_done(&logic->scratch);
    }
}

/* What is written whatever comes next. */
static int write_common(struct pv_logic *logic, struct pv_progress *in, struct pv_svc *svc)
{
    int status = PV_OK;
    if (in->cursor.ptr) {
        svc->cursor = in->cursor;
    }
    if (in->reason.ptr) {
        svc->reason = in->reason;
    }
    svc->tries = in->tries;
    if (in->deadline_ms) {
        svc->deadline_ms = in->deadline_ms;
    }
    if (in->release) {
        status = pv_logic_release(logic, svc, svc->active_n, in->release_run, in->now_ms);
    }
    if (!status && in->row) {
        struct pv_step_row row = *in->row;
        row.seq = ++svc->steps;
        status = ops_of(logic)->step_add(logic->rows, svc->active_n, &row);
    }
    if (!status && in->plan.ptr) {
        status = ops_of(logic)->op_pin(logic->rows, svc->active_op, svc->active_n, in->plan);
    }
    if (!status && in->composition.ptr) {
        struct pv_str attrs;
        struct pv_str old;
        status = ops_of(logic)->detail_get(logic->rows, svc->n, &logic->scratch, &attrs, &old);
        status = status ? status
                        : ops_of(logic)->detail_put(logic->rows, svc->n, attrs, in->composition);
    }
    if (!status && in->drop_all_docs) {
        status = ops_of(logic)->doc_drop_all(logic->rows, svc->n);
    }
    if (!status && in->doc_component.ptr) {
        status = in->drop_doc
                     ? ops_of(logic)->doc_drop(logic->rows, svc->n, in->doc_component)
                     : ops_of(logic)->doc_put(logic->rows, svc->n, in->doc_component, in->doc);
    }
    if (status) {
        return status;
    }
    char detail[PV_NOTICE_DETAIL];
    struct pv_audit audit = in->audit;
    if (in->next == PV_NEXT_FINISH) {
        audit.detail = pv_notice_detail(audit.detail, svc->observed, in->observed, detail);
    }
    return pv_logic_audit(logic, &audit, in->now_ms, svc->n);
}

static int defer(struct pv_logic *logic, const struct pv_progress *in, struct pv_svc *svc,
                 bool wake)
{
    svc->active_state = PV_OPS_READY;
    svc->epoch = 0;
    svc->fence++;
    svc->lane = in->lane;
    svc->due = wake ? in->now_ms : in->due_ms;
    svc->wait = wake ? PV_WAIT_NONE : in->wait;
    return pv_logic_put(logic, svc);
}

static int park(struct pv_logic *logic, const struct pv_progress *in, struct pv_svc *svc)
{
    svc->active_state = PV_OPS_NEEDS_OPERATOR;
    svc->epoch = 0;
    svc->fence++;
    if (in->lane.ptr) {
        svc->lane = in->lane;
    }
    svc->due = PV_NO_DUE;
    svc->wait = PV_WAIT_NONE;
    svc->changed_ms = in->now_ms;
    int status = pv_logic_put(logic, svc);
    const struct pv_logic_end parked = {
        .op = in->op,
        .op_n = svc->active_n,
        .state = PV_OPS_NEEDS_OPERATOR,
        .reason = svc->reason,
        .before = svc->observed,
    };
    return status ? status : pv_logic_notify(logic, svc, &parked, in->now_ms);
}

static int finish(struct pv_logic *logic, struct pv_progress *in, struct pv_svc *svc)
{
    struct pv_ending ending = {
        .state = in->op_state,
        .reason = in->op_state == PV_OPS_DONE ? (struct pv_str){NULL, 0} : svc->reason,
        .result = in->result,
        .observed = in->observed,
        .residue = in->residue,
    };
    if (in->plan_name.ptr) {
        svc->plan_name = in->plan_name;
    }
    int status = PV_OK;
    if (in->attrs.ptr) {
        struct pv_str old;
        struct pv_str composition;
        status =
            ops_of(logic)->detail_get(logic->rows, svc->n, &logic->scratch, &old, &composition);
        status = status ? status
                        : ops_of(logic)->detail_put(logic->rows, svc->n, in->attrs, composition);
    }
    const struct pv_logic_end end = {
        .op = in->op,
        .op_n = svc->active_n,
        .state = in->op_state,
        .reason = ending.reason,
        .before = svc->observed,
    };
    status = status ? status : pv_logic_end_active(logic, svc, &ending, in->now_ms);
    status = status ? status : pv_logic_notify(logic, svc, &end, in->now_ms);
    struct pv_ended_list ended = {.arena = &in->req.arena};
    status =
        status ? status : pv_logic_pop(logic, svc, in->claim_next, in->epoch, in->now_ms, &ended);
    status = status ? status : pv_logic_put(logic, svc);
    if (!status && svc->active_state == PV_OPS_RUNNING) {
        status = pv_logic_claimed(logic, svc, NULL, &in->req.arena, &in->ret_claimed);
    } else if (!status && svc->active_state == PV_OPS_READY) {
        in->ret_ready = svc->active_op;
    }
    in->ret_ended = ended.items;
    in->ret_ended_count = ended.count;
    return status;
}

int pv_logic_progress(struct pv_logic *logic, struct pv_progress *in)
{
    struct pv_svc svc;
    int status = ops_of(logic)->svc_by_id(logic->rows, in->service, &logic->scratch, &svc);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (status || !pv_id_eq(svc.active_op, in->op) || svc.fence != in->fence ||
        svc.active_state != PV_OPS_RUNNING || in->epoch != logic->epoch) {
        return pv_logic_refuse(&in->req, PV_EFENCED, "the claim on the operation was lost");
    }
    if (in->doc_component.ptr && !in->drop_doc && in->doc.len > PV_MAX_STATE_DOC) {
        return pv_logic_refuse(&in->req, PV_ETOOBIG,
                               "the state document has %zu bytes, the limit is %u", in->doc.len,
                               PV_MAX_STATE_DOC);
    }
    if (in->next == PV_NEXT_FINISH && !pv_op_state_final(in->op_state)) {
        return pv_logic_refuse(&in->req, PV_EINVAL, "%s is no final state",
                               pv_op_state_name(in->op_state));
    }
    /* What came while the holder was not looking must not be slept through. */
    bool turned = svc.active_intent != in->intent_seen;
    bool wake =
        turned || (svc.signaled && (in->wait == PV_WAIT_SIGNAL || in->wait == PV_WAIT_POLL));
    status = write_common(logic, in, &svc);
    if (status) {
        return status;
    }
    switch (in->next) {
    case PV_NEXT_HOLD:
        in->ret_intent = svc.active_intent;
        return pv_logic_put(logic, &svc);
    case PV_NEXT_DEFER:
        return defer(logic, in, &svc, wake);
    case PV_NEXT_PARK:
        return turned ? defer(logic, in, &svc, true) : park(logic, in, &svc);
    case PV_NEXT_FINISH:
        return finish(logic, in, &svc);
    }
    return PV_EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: one service or operation, pages of them, lanes, numbers. They write nothing. */
#include "core/store/logic.h"

#include "core/base/alloc.h"

#define MAX_PAGE 1000u

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

static void tell_service(const struct pv_svc *svc, struct pv_service_row *out,
                         struct pv_logic *logic, char ref[PV_REF_TEXT])
{
    *out = (struct pv_service_row){
        .id = svc->id,
        .source = svc->source,
        .external_id = svc->external_id,
        .product = svc->product,
        .plan_name = svc->plan_name,
        .generation = svc->generation,
        .observed = svc->observed,
        .desired = svc->desired,
        .residue = svc->residue,
        .active_op = svc->active_op,
        .waiting = svc->waiting,
        .created_ms = svc->created_ms,
        .changed_ms = svc->changed_ms,
    };
    pv_service_ref(logic->deployment, svc->id, svc->generation, ref);
}

int pv_logic_tell_service(struct pv_logic *logic, const struct pv_svc *svc, struct pv_arena *arena,
                          struct pv_service_row *out)
{
    char ref[PV_REF_TEXT];
    tell_service(svc, out, logic, ref);
    out->ref = pv_arena_copy(arena, pv_str(ref));
    return out->ref.ptr ? PV_OK : PV_ENOMEM;
}

void pv_logic_tell_op(const struct pv_svc *svc, const struct pv_op *op, struct pv_op_row *out)
{
    bool active = svc->active_n == op->n && !op->state;
    *out = (struct pv_op_row){
        .id = op->id,
        .service = svc->id,
        .source = svc->source,
        .external_id = svc->external_id,
        .type = op->type,
        .action = op->action,
        .state = pv_logic_op_state(svc, op),
        .wait = active ? svc->wait : PV_WAIT_NONE,
        .intent = active ? svc->active_intent : PV_INTENT_NONE,
        .due_ms = active && svc->due != PV_NO_DUE ? svc->due : PV_NEVER,
        .lane = active ? svc->lane : op->lane,
        .tries = active ? svc->tries : op->tries,
        .generation = op->state ? op->generation : svc->generation,
        .fence = active ? svc->fence : op->fence,
        .accepted_ms = op->accepted_ms,
        .finished_ms = op->finished_ms,
        .deadline_ms = active ? svc->deadline_ms : op->deadline_ms,
        .reason = active ? svc->reason : op->reason,
        .result = op->result,
        .plan = op->plan,
        .cursor = active ? svc->cursor : op->cursor,
        .body = op->body,
    };
}

static int get_op(struct pv_logic *logic, struct pv_get *in)
{
    struct pv_arena *arena = &in->req.arena;
    struct pv_op op;
    struct pv_svc svc;
    int status = ops_of(logic)->op_by_id(logic->rows, in->id, arena, &op);
    if (status == PV_ENOTFOUND ||
        (!status && in->source.ptr && !pv_str_eq(op.source, in->source))) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such operation");
    }
    status = status ? status : ops_of(logic)->svc_by_n(logic->rows, op.service_n, arena, &svc);
    if (status) {
        return status;
    }
    pv_logic_tell_op(&svc, &op, &in->ret_op);
    status = pv_logic_tell_service(logic, &svc, arena, &in->ret_service);
    if (!in->full) {
        in->ret_op.body = (struct pv_str){NULL, 0};
        return status;
    }
    return status ? status
                  : ops_of(logic)->step_list(logic->rows, op.n, arena, &in->ret_steps,
                                             &in->ret_step_count);
}

static int get_full(struct pv_logic *logic, struct pv_get *in, int64_t n)
{
    struct pv_arena *arena = &in->req.arena;
    int status =
        ops_of(logic)->detail_get(logic->rows, n, arena, &in->ret_attrs, &in->ret_composition);
    status =
        status ? status
               : ops_of(logic)->doc_list(logic->rows, n, arena, &in->ret_docs, &in->ret_doc_count);
    return status ? status
                  : ops_of(logic)->quota_list(logic->rows, n, arena, &in->ret_quotas,
                                              &in->ret_quota_count);
}

int pv_logic_get(struct pv_logic *logic, struct pv_get *in)
{
    struct pv_arena *arena = &in->req.arena;
    in->ret_service = (struct pv_service_row){0};
    in->ret_op = (struct pv_op_row){0};
    in->ret_attrs = (struct pv_str){NULL, 0};
    in->ret_composition = (struct pv_str){NULL, 0};
    in->ret_docs = NULL;
    in->ret_doc_count = 0;
    in->ret_quotas = NULL;
    in->ret_quota_count = 0;
    in->ret_steps = NULL;
    in->ret_step_count = 0;
    if (in->of_op) {
        return get_op(logic, in);
    }
    struct pv_id id = in->id;
    if (pv_id_is_zero(id)) {
        id = pv_service_id(logic->deployment, in->source, in->external_id);
    }
    struct pv_svc svc;
    int status = ops_of(logic)->svc_by_id(logic->rows, id, arena, &svc);
    if (status == PV_ENOTFOUND ||
        (!status && in->source.ptr && !pv_str_eq(svc.source, in->source))) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such service");
    }
    status = status ? status : pv_logic_tell_service(logic, &svc, arena, &in->ret_service);
    if (!status && svc.active_n) {
        struct pv_op op;
        status = ops_of(logic)->op_by_n(logic->rows, svc.active_n, arena, &op);
        if (!status) {
            pv_logic_tell_op(&svc, &op, &in->ret_op);
            in->ret_op.body = (struct pv_str){NULL, 0};
        }
    }
    return status || !in->full ? status : get_full(logic, in, svc.n);
}

/* ---- pages ---- */

static int list_services(struct pv_logic *logic, struct pv_list_req *in, const int64_t *n,
                         size_t count)
{
    struct pv_arena *arena = &in->req.arena;
    in->ret_services = pv_arena_alloc(arena, (count + 1) * sizeof(*in->ret_services));
    if (!in->ret_services) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct pv_svc svc;
        int status = ops_of(logic)->svc_by_n(logic->rows, n[i], arena, &svc);
        status = status ? status : pv_logic_tell_service(logic, &svc, arena, &in->ret_services[i]);
        if (status) {
            return status;
        }
    }
    return PV_OK;
}

static int list_ops(struct pv_logic *logic, struct pv_list_req *in, const int64_t *n, size_t count)
{
    struct pv_arena *arena = &in->req.arena;
    in->ret_ops = pv_arena_alloc(arena, (count + 1) * sizeof(*in->ret_ops));
    if (!in->ret_ops) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct pv_op op;
        struct pv_svc svc;
        int status = ops_of(logic)->op_head(logic->rows, n[i], arena, &op);
        status = status ? status : ops_of(logic)->svc_by_n(logic->rows, op.service_n, arena, &svc);
        if (status) {
            return status;
        }
        struct pv_op_row *row = &in->ret_ops[i];
        pv_logic_tell_op(&svc, &op, row);
        row->cursor = (struct pv_str){NULL, 0};
    }
    return PV_OK;
}

static int resolve(struct pv_logic *logic, const struct pv_list_req *in, struct pv_filter *filter)
{
    if (!pv_id_is_zero(in->service)) {
        struct pv_svc svc;
        int status = ops_of(logic)->svc_by_id(logic->rows, in->service, &logic->scratch, &svc);
        if (!status && in->source.ptr && !pv_str_eq(svc.source, in->source)) {
            status = PV_ENOTFOUND;
        }
        if (status) {
            return status;
        }
        filter->service_n = svc.n;
    }
    if (in->what == PV_LIST_AUDIT) {
        filter->after_n = (int64_t)in->after_n;
    } else if (!pv_id_is_zero(in->after) && in->what == PV_LIST_SERVICES) {
        struct pv_svc svc;
        int status = ops_of(logic)->svc_by_id(logic->rows, in->after, &logic->scratch, &svc);
        filter->after_n = status ? 0 : svc.n;
        return status;
    } else if (!pv_id_is_zero(in->after) && in->what == PV_LIST_OPERATIONS) {
        struct pv_op op;
        int status = ops_of(logic)->op_by_id(logic->rows, in->after, &logic->scratch, &op);
        filter->after_n = status ? 0 : op.n;
        return status;
    }
    return PV_OK;
}

static int id_of(struct pv_logic *logic, enum pv_list_what what, int64_t n, struct pv_id *ret)
{
    struct pv_op op;
    struct pv_svc svc;
    int status = what == PV_LIST_SERVICES
                     ? ops_of(logic)->svc_by_n(logic->rows, n, &logic->scratch, &svc)
                     : ops_of(logic)->op_head(logic->rows, n, &logic->scratch, &op);
    if (!status) {
        *ret = what == PV_LIST_SERVICES ? svc.id : op.id;
    }
    return status;
}

static int list_numbers(struct pv_logic *logic, struct pv_list_req *in, struct pv_filter *filter,
                        size_t limit)
{
    int64_t *n = pv_calloc(limit + 1, sizeof(*n));
    size_t count = 0;
    int64_t stopped = 0;
    int status = n ? ops_of(logic)->list(logic->rows, filter, n, &count, &stopped) : PV_ENOMEM;
    if (!status) {
        in->ret_more = count > limit || stopped;
        in->ret_count = count > limit ? limit : count;
        if (in->ret_more) {
            stopped = count <= limit ? stopped : limit > 0 ? n[limit - 1] : filter->after_n;
            status = id_of(logic, in->what, stopped, &in->ret_next);
        }
    }
    if (!status) {
        status = in->what == PV_LIST_SERVICES ? list_services(logic, in, n, in->ret_count)
                                              : list_ops(logic, in, n, in->ret_count);
    }
    pv_free(n);
    return status;
}

int pv_logic_list(struct pv_logic *logic, struct pv_list_req *in)
{
    in->ret_services = NULL;
    in->ret_ops = NULL;
    in->ret_audit = NULL;
    in->ret_tokens = NULL;
    in->ret_count = 0;
    in->ret_more = false;
    in->ret_next = (struct pv_id){{0}};
    in->ret_next_n = 0;
    int64_t stopped = 0;
    size_t limit = in->limit > MAX_PAGE ? MAX_PAGE : in->limit;
    struct pv_filter filter = {
        .what = in->what, .source = in->source, .state = in->state, .limit = limit + 1};
    int status = resolve(logic, in, &filter);
    if (status == PV_ENOTFOUND) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such service or operation");
    }
    if (status) {
        return status;
    }
    switch (in->what) {
    case PV_LIST_SERVICES:
    case PV_LIST_OPERATIONS:
        return list_numbers(logic, in, &filter, limit);
    case PV_LIST_AUDIT:
        status = ops_of(logic)->audit_list(logic->rows, &filter, &in->req.arena, &in->ret_audit,
                                           &in->ret_count, &stopped);
        break;
    case PV_LIST_TOKENS:
        status = ops_of(logic)->token_list(logic->rows, in->after, limit + 1, &in->req.arena,
                                           &in->ret_tokens, &in->ret_count);
        break;
    }
    if (!status && in->ret_count > limit) {
        in->ret_more = true;
        in->ret_count = limit;
        stopped = limit > 0 && in->ret_audit ? (int64_t)in->ret_audit[limit - 1].n : filter.after_n;
    }
    if (!status && stopped) {
        in->ret_more = true;
        in->ret_next_n = (uint64_t)stopped;
    }
    return status;
}

/* ---- lanes, numbers ---- */

static bool known(const struct pv_lane_row *lanes, size_t count, struct pv_str lane)
{
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq(lanes[i].lane, lane)) {
            return true;
        }
    }
    return false;
}

static int add_lane(struct pv_lanes *in, size_t *size, struct pv_lane_row row)
{
    if (in->ret_count == *size) {
        size_t more = *size ? *size * 2 : 16;
        struct pv_lane_row *lanes = pv_arena_alloc(&in->req.arena, more * sizeof(*lanes));
        if (!lanes) {
            return PV_ENOMEM;
        }
        for (size_t i = 0; i < in->ret_count; i++) {
            lanes[i] = in->ret_lanes[i];
        }
        in->ret_lanes = lanes;
        *size = more;
    }
    in->ret_lanes[in->ret_count++] = row;
    return PV_OK;
}

int pv_logic_lanes(struct pv_logic *logic, struct pv_lanes *in)
{
    in->ret_lanes = NULL;
    in->ret_count = 0;
    size_t size = 0;
    struct pv_str lane = {NULL, 0};
    for (;;) {
        int status = ops_of(logic)->lane_after(logic->rows, lane, &in->req.arena, &lane);
        if (status == PV_ENOTFOUND) {
            break;
        }
        int64_t due = 0;
        int64_t n = 0;
        status =
            status ? status : ops_of(logic)->lane_next(logic->rows, lane, INT64_MIN, 0, &due, &n);
        status = status ? status : add_lane(in, &size, (struct pv_lane_row){lane, due, false});
        if (status) {
            return status;
        }
    }
    struct pv_str *paused = NULL;
    size_t count = 0;
    int status = ops_of(logic)->pause_list(logic->rows, &in->req.arena, &paused, &count);
    size_t ready = in->ret_count;
    for (size_t i = 0; !status && i < count; i++) {
        for (size_t k = 0; k < ready; k++) {
            if (pv_str_eq(in->ret_lanes[k].lane, paused[i])) {
                in->ret_lanes[k].paused = true;
            }
        }
        if (!known(in->ret_lanes, ready, paused[i])) {
            status = add_lane(in, &size, (struct pv_lane_row){paused[i], PV_NEVER, true});
        }
    }
    return status;
}

int pv_logic_stats(struct pv_logic *logic, struct pv_stats *in)
{
    const struct pv_tally *tally = &logic->tally;
    in->ret_ready = tally->ready;
    in->ret_parked = tally->parked;
    in->ret_queued = tally->queued;
    in->ret_services = tally->services;
    in->ret_unfinished = tally->ready + tally->running + tally->parked + tally->queued;
    in->ret_oldest_ready_ms = 0;
    in->ret_commit_requests = logic->commit_requests;
    in->ret_commit_us = logic->commit_us;
    for (size_t i = 0; i < in->pool_count; i++) {
        int status = pv_logic_pool_left(logic, &in->pools[i], in->now_ms);
        if (status) {
            return status;
        }
    }
    struct pv_str lane = {NULL, 0};
    for (;;) {
        int64_t due = 0;
        int64_t n = 0;
        struct pv_svc svc;
        int status = ops_of(logic)->lane_after(logic->rows, lane, &logic->scratch, &lane);
        if (status == PV_ENOTFOUND) {
            return PV_OK;
        }
        status =
            status ? status : ops_of(logic)->lane_next(logic->rows, lane, INT64_MIN, 0, &due, &n);
        status = status ? status : ops_of(logic)->svc_by_n(logic->rows, n, &logic->scratch, &svc);
        if (status) {
            return status;
        }
        if (!in->ret_oldest_ready_ms || svc.accepted_ms < in->ret_oldest_ready_ms) {
            in->ret_oldest_ready_ms = svc.accepted_ms;
        }
    }
}

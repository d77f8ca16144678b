/* SPDX-License-Identifier: Apache-2.0 */
/* The logic's frame: which function a request goes to, refusals, the audit chain, the service row.
 */
#include "core/store/logic.h"

#include <string.h>

int pv_logic_refuse(struct pv_req *req, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    req->status = pv_err_setv(&req->err, status, fmt, ap);
    va_end(ap);
    return PV_OK;
}

static bool writes_outbox(const struct pv_outbox_req *in)
{
    return in->what != PV_OUTBOX_TAKE && in->what != PV_OUTBOX_LIST && in->what != PV_OUTBOX_STATUS;
}

bool pv_logic_writes(const struct pv_req *req)
{
    switch (req->kind) {
    case PV_REQ_LANES:
    case PV_REQ_GET:
    case PV_REQ_LIST:
    case PV_REQ_STATS:
    case PV_REQ_FEED:
        return false;
    case PV_REQ_TOKEN:
        return PV_CONTAINER(req, const struct pv_token_req, req)->what != PV_TOKEN_FIND;
    case PV_REQ_SESSIONS:
        return PV_CONTAINER(req, const struct pv_sessions, req)->end;
    case PV_REQ_OUTBOX:
        return writes_outbox(PV_CONTAINER(req, const struct pv_outbox_req, req));
    default:
        return true;
    }
}

static void reset_accept(struct pv_accept *in)
{
    in->ret_ended = NULL;
    in->ret_ended_count = 0;
    for (size_t i = 0; i < in->count; i++) {
        struct pv_accept_item *item = &in->items[i];
        item->verdict = PV_ACCEPTED;
        item->ret_op = (struct pv_id){{0}};
        item->ret_op_state = 0;
        item->ret_state = 0;
        item->ret_used = 0;
        item->ret_claimed = NULL;
        item->ret_poke = (struct pv_id){{0}};
        item->ret_poke_lane = (struct pv_str){NULL, 0};
    }
}

static void reset_progress(struct pv_progress *in)
{
    in->ret_intent = 0;
    in->ret_claimed = NULL;
    in->ret_ready = (struct pv_id){{0}};
    in->ret_ended = NULL;
    in->ret_ended_count = 0;
}

static void reset_intervene(struct pv_intervene *in)
{
    in->ret_lane = (struct pv_str){NULL, 0};
    in->ret_ready = false;
    in->ret_ready_op = (struct pv_id){{0}};
    in->ret_poke = false;
    in->ret_op_state = 0;
    in->ret_ended = NULL;
    in->ret_ended_count = 0;
}

void pv_logic_reset(struct pv_req *req)
{
    pv_arena_done(&req->arena);
    req->status = PV_OK;
    req->err = (struct pv_err){0};
    switch (req->kind) {
    case PV_REQ_ACCEPT:
        reset_accept(PV_CONTAINER(req, struct pv_accept, req));
        break;
    case PV_REQ_CLAIM: {
        struct pv_claim *in = PV_CONTAINER(req, struct pv_claim, req);
        in->ret_claimed = NULL;
        in->ret_count = 0;
        in->ret_next_due_ms = PV_NEVER;
        break;
    }
    case PV_REQ_PROGRESS:
        reset_progress(PV_CONTAINER(req, struct pv_progress, req));
        break;
    case PV_REQ_RESERVE: {
        struct pv_reserve *in = PV_CONTAINER(req, struct pv_reserve, req);
        in->ret_number = 0;
        in->ret_value = (struct pv_str){NULL, 0};
        break;
    }
    case PV_REQ_SIGNAL: {
        struct pv_signal *in = PV_CONTAINER(req, struct pv_signal, req);
        in->ret_lane = (struct pv_str){NULL, 0};
        in->ret_ready = false;
        break;
    }
    case PV_REQ_INTERVENE:
        reset_intervene(PV_CONTAINER(req, struct pv_intervene, req));
        break;
    default:
        break; /* the others set all of their results, or fail */
    }
}

static int dispatch(struct pv_logic *logic, struct pv_req *req)
{
    switch (req->kind) {
    case PV_REQ_ACCEPT:
        return pv_logic_accept(logic, PV_CONTAINER(req, struct pv_accept, req));
    case PV_REQ_CLAIM:
        return pv_logic_claim(logic, PV_CONTAINER(req, struct pv_claim, req));
    case PV_REQ_PROGRESS:
        return pv_logic_progress(logic, PV_CONTAINER(req, struct pv_progress, req));
    case PV_REQ_RESERVE:
        return pv_logic_reserve(logic, PV_CONTAINER(req, struct pv_reserve, req));
    case PV_REQ_SIGNAL:
        return pv_logic_signal(logic, PV_CONTAINER(req, struct pv_signal, req));
    case PV_REQ_INTERVENE:
        return pv_logic_intervene(logic, PV_CONTAINER(req, struct pv_intervene, req));
    case PV_REQ_LANES:
        return pv_logic_lanes(logic, PV_CONTAINER(req, struct pv_lanes, req));
    case PV_REQ_PAUSE:
        return pv_logic_pause(logic, PV_CONTAINER(req, struct pv_pause, req));
    case PV_REQ_NOTE:
        return pv_logic_note(logic, PV_CONTAINER(req, struct pv_note, req));
    case PV_REQ_GET:
        return pv_logic_get(logic, PV_CONTAINER(req, struct pv_get, req));
    case PV_REQ_LIST:
        return pv_logic_list(logic, PV_CONTAINER(req, struct pv_list_req, req));
    case PV_REQ_TOKEN:
        return pv_logic_token(logic, PV_CONTAINER(req, struct pv_token_req, req));
    case PV_REQ_OUTBOX:
        return pv_logic_outbox(logic, PV_CONTAINER(req, struct pv_outbox_req, req));
    case PV_REQ_FEED:
        return pv_logic_feed(logic, PV_CONTAINER(req, struct pv_feed, req));
    case PV_REQ_STATS:
        return pv_logic_stats(logic, PV_CONTAINER(req, struct pv_stats, req));
    case PV_REQ_RESEAL:
        return logic->rows->ops->reseal(logic->rows, PV_CONTAINER(req, struct pv_reseal, req));
    case PV_REQ_SESSIONS:
        return pv_logic_sessions(logic, PV_CONTAINER(req, struct pv_sessions, req));
    }
    return pv_logic_refuse(req, PV_EINVAL, "the store knows no request %d", (int)req->kind);
}

int pv_logic_apply(struct pv_logic *logic, struct pv_req *req)
{
    pv_logic_reset(req);
    pv_arena_done(&logic->scratch);
    int status = dispatch(logic, req);
    if (status) {
        req->status = status;
        if (!req->err.status) {
            pv_err_set(&req->err, status, "the store: %s", pv_status_text(status));
        }
    }
    return status;
}

int pv_logic_audit(struct pv_logic *logic, const struct pv_audit *audit, int64_t now_ms,
                   int64_t service_n)
{
    if (audit->what.len == 0) {
        return PV_OK;
    }
    struct pv_audit_row row = {
        .n = logic->tally.audit_n + 1,
        .writer = logic->writer,
        .at_ms = now_ms,
        .record = *audit,
        .previous = logic->tally.audit_hash,
    };
    row.hash = pv_audit_hash(&row);
    int status = logic->rows->ops->audit_add(logic->rows, &row, service_n);
    if (!status) {
        logic->tally.audit_n = row.n;
        logic->tally.audit_hash = row.hash;
    }
    return status;
}

static uint64_t *count_of(struct pv_tally *tally, int active_state)
{
    switch (active_state) {
    case PV_OPS_READY:
        return &tally->ready;
    case PV_OPS_RUNNING:
        return &tally->running;
    case PV_OPS_NEEDS_OPERATOR:
        return &tally->parked;
    default:
        return NULL;
    }
}

int pv_logic_put(struct pv_logic *logic, struct pv_svc *svc)
{
    bool fresh = svc->n == 0;
    int before = fresh ? 0 : svc->was.active_state;
    int status = logic->rows->ops->svc_put(logic->rows, svc);
    if (status) {
        return status;
    }
    uint64_t *from = count_of(&logic->tally, before);
    uint64_t *to = count_of(&logic->tally, svc->active_state);
    if (from) {
        (*from)--;
    }
    if (to) {
        (*to)++;
    }
    if (fresh) {
        logic->tally.services++;
    }
    return PV_OK;
}

int pv_logic_copy(struct pv_arena *arena, struct pv_str from, struct pv_str *ret)
{
    if (!from.ptr) {
        *ret = (struct pv_str){NULL, 0};
        return PV_OK;
    }
    *ret = pv_arena_copy(arena, from);
    return ret->ptr ? PV_OK : PV_ENOMEM;
}

int pv_logic_op_state(const struct pv_svc *svc, const struct pv_op *op)
{
    if (op->state) {
        return op->state;
    }
    return svc->active_n == op->n ? svc->active_state : PV_OPS_QUEUED;
}

int pv_logic_ended_add(struct pv_ended_list *ended, struct pv_id op, int state)
{
    if (ended->count == ended->size) {
        size_t size = ended->size ? ended->size * 2 : 4;
        struct pv_ended *items = pv_arena_alloc(ended->arena, size * sizeof(*items));
        if (!items) {
            return PV_ENOMEM;
        }
        if (ended->count > 0) {
            memcpy(items, ended->items, ended->count * sizeof(*items));
        }
        ended->items = items;
        ended->size = size;
    }
    ended->items[ended->count++] = (struct pv_ended){op, state};
    return PV_OK;
}

int pv_logic_reclaim(struct pv_logic *logic, size_t max, int64_t *after, bool *ret_more)
{
    const struct pv_rows_ops *ops = logic->rows->ops;
    for (size_t i = 0; i < max; i++) {
        int64_t active_n = 0;
        int64_t service_n = 0;
        int status = ops->claimed_after(logic->rows, *after, &active_n, &service_n);
        if (status == PV_ENOTFOUND) {
            *ret_more = false;
            return PV_OK;
        }
        struct pv_svc svc;
        pv_arena_done(&logic->scratch);
        status = status ? status : ops->svc_by_n(logic->rows, service_n, &logic->scratch, &svc);
        if (status) {
            return status;
        }
        svc.active_state = PV_OPS_READY;
        svc.wait = PV_WAIT_NONE;
        svc.due = 0;
        svc.epoch = 0;
        svc.fence++;
        status = pv_logic_put(logic, &svc);
        if (status) {
            return status;
        }
        *after = active_n;
    }
    *ret_more = true;
    return PV_OK;
}

/* ---- small requests ---- */

int pv_logic_note(struct pv_logic *logic, struct pv_note *in)
{
    int64_t service_n = 0;
    if (!pv_id_is_zero(in->audit.service)) {
        struct pv_svc svc;
        int status =
            logic->rows->ops->svc_by_id(logic->rows, in->audit.service, &logic->scratch, &svc);
        if (status && status != PV_ENOTFOUND) {
            return status;
        }
        service_n = status ? 0 : svc.n;
    }
    return pv_logic_audit(logic, &in->audit, in->now_ms, service_n);
}

int pv_logic_pause(struct pv_logic *logic, struct pv_pause *in)
{
    int status = logic->rows->ops->pause_put(logic->rows, in->instance, in->paused);
    return status ? status : pv_logic_audit(logic, &in->audit, in->now_ms, 0);
}

static int token_revoke(struct pv_logic *logic, struct pv_token_req *in)
{
    struct pv_token_row row;
    int status = logic->rows->ops->token_by_id(logic->rows, in->token.id, &in->req.arena, &row);
    if (status == PV_ENOTFOUND) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such token");
    }
    if (status) {
        return status;
    }
    if (!row.revoked_ms) {
        row.revoked_ms = in->now_ms;
        status = logic->rows->ops->token_put(logic->rows, &row);
        status = status ? status : pv_logic_audit(logic, &in->audit, in->now_ms, 0);
    }
    in->token = row;
    return status;
}

int pv_logic_token(struct pv_logic *logic, struct pv_token_req *in)
{
    struct pv_token_row row;
    int status = PV_OK;
    switch (in->what) {
    case PV_TOKEN_FIND:
        status = logic->rows->ops->token_by_hash(logic->rows, in->token.secret_hash, &in->req.arena,
                                                 &row);
        if (status == PV_ENOTFOUND) {
            return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such token");
        }
        if (!status) {
            in->token = row;
        }
        return status;
    case PV_TOKEN_REVOKE:
        return token_revoke(logic, in);
    case PV_TOKEN_ADD:
        status = logic->rows->ops->token_by_id(logic->rows, in->token.id, &logic->scratch, &row);
        if (status == PV_ENOTFOUND) {
            status = logic->rows->ops->token_by_hash(logic->rows, in->token.secret_hash,
                                                     &logic->scratch, &row);
        }
        if (!status) {
            return pv_logic_refuse(&in->req, PV_EEXISTS, "there is such a token already");
        }
        if (status != PV_ENOTFOUND) {
            return status;
        }
        status = logic->rows->ops->token_put(logic->rows, &in->token);
        return status ? status : pv_logic_audit(logic, &in->audit, in->now_ms, 0);
    }
    return pv_logic_refuse(&in->req, PV_EINVAL, "the store knows no such token request");
}

void pv_logic_done(struct pv_logic *logic)
{
    pv_arena_done(&logic->scratch);
    pv_arena_done(&logic->subscriber_arena);
}

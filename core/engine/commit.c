/* SPDX-License-Identifier: Apache-2.0 */
/* Commits: a decision becomes one progress request; when it is durable, the operation goes on. What
 * the store refuses for want of space is kept and submitted again. */
#include "core/engine/internal.h"

#include <string.h>

#define STALL_SILENT_MS 60000

void pv_active_prepare(struct pv_active *active)
{
    memset(&active->progress, 0, sizeof(active->progress));
    memset(&active->decision, 0, sizeof(active->decision));
}

/* A step that would be called next is left to the next start instead. */
static void rest_for_stop(struct pv_active *active)
{
    struct pv_decision *d = &active->decision;
    d->next = PV_NEXT_DEFER;
    d->wait = PV_WAIT_NONE;
    d->due_ms = pv_engine_wall(active->engine);
    d->tries = d->tries > 0 ? d->tries - 1 : 0;
    active->cursor.rested_tries = d->tries;
}

static struct pv_str lane_of_cursor(const struct pv_active *active)
{
    if (!active->pinned || active->plan.step_count == 0) {
        return PV_STR("");
    }
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    return active->plan.components[step->component].instance;
}

static void fill_finish(struct pv_active *active)
{
    struct pv_progress *p = &active->progress;
    const struct pv_decision *d = &active->decision;
    bool done = d->op_state == PV_OPS_DONE;
    p->op_state = d->op_state;
    p->observed = d->observed;
    p->residue = d->residue;
    p->release = d->undone;
    p->release_run = d->undone_run;
    p->drop_all_docs = (done && active->c.type == PV_OP_TERMINATE) ||
                       (d->undone && active->c.type == PV_OP_CREATE);
    if (done && active->plan.attrs.len) {
        p->attrs = active->plan.attrs;
    }
    if (done && active->plan.plan_name.len) {
        p->plan_name = active->plan.plan_name;
    }
    if (done || d->op_state == PV_OPS_FAILED) {
        p->result = pv_buf_view(&active->result);
    }
    p->claim_next = !active->engine->stopping;
}

/* The breaker of the lane decides when, not the step. */
static int64_t breaker_due(struct pv_active *active, struct pv_str lane_name)
{
    struct pv_engine *engine = active->engine;
    struct pv_lane *lane = pv_lane_get(engine, lane_name);
    int64_t mono = pv_engine_mono(engine);
    int64_t left = lane && lane->open_until_ms > mono ? lane->open_until_ms - mono : 0;
    return pv_engine_wall(engine) + left;
}

static const char *audit_of(const struct pv_decision *d)
{
    if (d->next == PV_NEXT_PARK) {
        return "operation.parked";
    }
    switch (d->op_state) {
    case PV_OPS_DONE:
        return "operation.done";
    case PV_OPS_FAILED:
        return "operation.failed";
    case PV_OPS_SUPERSEDED:
        return "operation.superseded";
    default:
        return "operation.canceled";
    }
}

static void progress_done(struct pv_req *req);

void pv_active_commit(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    struct pv_progress *p = &active->progress;
    struct pv_decision *d = &active->decision;
    bool callable = active->pinned && active->plan.step_count > 0;
    if (d->next == PV_NEXT_HOLD && (engine->stopping || !callable)) {
        rest_for_stop(active);
    }
    pv_req_init(&p->req, PV_REQ_PROGRESS, progress_done, active);
    p->service = active->c.service;
    p->op = active->c.op;
    p->fence = active->c.fence;
    p->epoch = engine->o.store->epoch;
    p->now_ms = pv_engine_wall(engine);
    p->intent_seen = active->c.intent;
    p->tries = d->tries;
    p->next = d->next;
    p->wait = d->wait;
    p->lane = lane_of_cursor(active);
    p->due_ms = d->wait == PV_WAIT_BREAKER ? breaker_due(active, p->lane) : d->due_ms;
    if (d->reason[0]) {
        p->reason = pv_str(d->reason);
    }
    if (active->pinned) {
        pv_buf_clear(&active->cursor_bytes);
        (void)pv_cursor_encode(&active->cursor, &active->cursor_bytes); /* reserved: cannot fail */
        p->cursor = pv_buf_view(&active->cursor_bytes);
    }
    if (d->next == PV_NEXT_FINISH) {
        fill_finish(active);
    }
    if (d->next == PV_NEXT_FINISH || d->next == PV_NEXT_PARK) {
        p->audit.actor = PV_STR("engine");
        p->audit.what = pv_str(audit_of(d));
        p->audit.source = active->c.source;
        p->audit.service = active->c.service;
        p->audit.op = active->c.op;
    }
    pv_active_resubmit(active);
}

void pv_active_resubmit(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    active->state = PV_A_COMMITTING;
    if (pv_store_submit(engine->o.store, &active->progress.req)) {
        pv_active_drop(active); /* the store is closed: what is committed is what there is */
    }
}

/* It may go on for long and for many: what is said is one of them, once in a while. */
static void log_stall(struct pv_active *active, const struct pv_req *req)
{
    struct pv_engine *engine = active->engine;
    int64_t mono = pv_engine_mono(engine);
    if (mono < engine->stall_silent_ms) {
        return;
    }
    engine->stall_silent_ms = mono + STALL_SILENT_MS;
    pv_log(PV_WARN, (pv_lf_op(active->c.op), pv_lf_svc(active->c.service)),
           "the store did not take what has become of an operation, it is asked again: %s",
           req->err.text[0] ? req->err.text : pv_status_text(req->status));
}

static void stall(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    active->state = PV_A_STALLED;
    pv_list_push(&engine->stalled, &active->link);
    engine->stalled_until_ms = pv_engine_mono(engine) + PV_STALL_MS;
}

static void announce(struct pv_engine *engine, struct pv_str name, int64_t due_ms)
{
    struct pv_lane *lane = pv_lane_get(engine, name);
    if (lane) {
        pv_lane_announce(lane, due_ms);
    }
}

/* Durable, and this node goes on with it. */
static void held(struct pv_active *active)
{
    struct pv_progress *p = &active->progress;
    active->tries = active->decision.tries;
    int intent = p->ret_intent > active->c.intent ? p->ret_intent : active->c.intent;
    active->c.intent = intent;
    if (p->row) {
        pv_engine_tell(active->engine, active->c.op, PV_OPS_RUNNING, (struct pv_str){NULL, 0});
    }
    pv_req_done(&p->req);
    if (intent == p->intent_seen) {
        pv_active_dispatch(active);
        return;
    }
    struct pv_decide_in in = pv_active_facts(active);
    pv_active_prepare(active);
    pv_decide_start(&in, true, &active->cursor, &active->decision);
    pv_active_commit(active);
}

static void rested(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    struct pv_progress *p = &active->progress;
    bool parked = p->next == PV_NEXT_PARK;
    int64_t due = active->c.intent != p->intent_seen ? 0 : p->due_ms;
    pv_active_give_slot(active);
    if (!parked || due == 0) {
        announce(engine, p->lane, due);
    }
    if (p->wait == PV_WAIT_SIGNAL || p->wait == PV_WAIT_POLL) {
        /* A signal that came meanwhile has made it due. */
        announce(engine, p->lane, p->now_ms);
    }
    if (p->wait == PV_WAIT_RETRY) {
        engine->counters.retries++;
    }
    if (parked) {
        engine->counters.parked++;
        pv_log(PV_WARN,
               (pv_lf_op(active->c.op), pv_lf_svc(active->c.service),
                pv_lf_c("state", "needs_operator"),
                pv_lf("trace_id", pv_plan_trace_id(&active->plan))),
               "%s", active->decision.reason);
    }
    pv_engine_tell(engine, active->c.op, parked ? PV_OPS_NEEDS_OPERATOR : PV_OPS_READY, p->reason);
    pv_req_done(&p->req);
    pv_active_drop(active);
}

static void finished(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    struct pv_progress *p = &active->progress;
    pv_active_give_slot(active);
    pv_log(PV_INFO,
           (pv_lf_op(active->c.op), pv_lf_svc(active->c.service),
            pv_lf_c("type", pv_op_type_name(active->c.type)),
            pv_lf_c("state", pv_op_state_name(p->op_state)),
            pv_lf("trace_id", pv_plan_trace_id(&active->plan))),
           "operation ended%s%s", active->decision.reason[0] ? ": " : "", active->decision.reason);
    pv_engine_ended(engine, active->c.op, p->op_state, p->reason);
    for (size_t i = 0; i < p->ret_ended_count; i++) {
        pv_engine_ended(engine, p->ret_ended[i].op, p->ret_ended[i].op_state,
                        (struct pv_str){NULL, 0});
    }
    if (!pv_id_is_zero(p->ret_ready)) {
        announce(engine, PV_STR(""), 0);
    }
    if (!p->ret_claimed) {
        pv_req_done(&p->req);
        pv_active_drop(active);
        return;
    }
    /* The same struct takes the service's next operation; the results outlive the copy. */
    struct pv_arena results = p->req.arena;
    pv_arena_init(&p->req.arena);
    pv_active_begin(active, p->ret_claimed, NULL);
    pv_arena_done(&results);
}

static void progress_done(struct pv_req *req)
{
    struct pv_active *active = req->user;
    struct pv_engine *engine = active->engine;
    struct pv_progress *p = &active->progress;
    if (req->status == PV_EFENCED || req->status == PV_ECLOSED || req->status == PV_ENOTFOUND) {
        pv_log(PV_WARN, (pv_lf_op(active->c.op), pv_lf_svc(active->c.service)),
               "the claim was lost, another one goes on with it");
        pv_req_done(req);
        pv_active_drop(active);
    } else if (req->status) {
        log_stall(active, req);
        pv_req_done(req);
        stall(active);
    } else if (p->next == PV_NEXT_HOLD) {
        held(active);
    } else if (p->next == PV_NEXT_FINISH) {
        finished(active);
    } else {
        rested(active);
    }
    pv_engine_pump(engine);
    pv_engine_check_stopped(engine);
}

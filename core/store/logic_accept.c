/* SPDX-License-Identifier: Apache-2.0 */
/* accept: an event becomes an operation, or is refused. Judged under the service's lock by the
 * engine's rules; the items of an array are judged one after another and taken all, or none. */
#include "core/store/logic.h"

#include "core/engine/rules.h"

/* What is found out about one item before anything of it is written. */
struct judged {
    struct pv_svc svc;
    struct pv_accept_rule rule;
    struct pv_hash mac;
    int64_t duplicate_n; /* of that operation */
};

struct accepting {
    struct pv_logic *logic;
    struct pv_accept *in;
    struct pv_ended_list ended;
};

static bool has_key(const struct pv_accept_item *item)
{
    return !pv_id_is_zero(item->idem_key);
}

static int tell_duplicate(struct accepting *a, struct pv_accept_item *item, const struct pv_op *op)
{
    struct pv_svc svc;
    int status =
        a->logic->rows->ops->svc_by_n(a->logic->rows, op->service_n, &a->logic->scratch, &svc);
    if (status) {
        return status;
    }
    item->verdict = PV_DUPLICATE;
    item->ret_op = op->id;
    item->ret_op_state = pv_logic_op_state(&svc, op);
    return PV_OK;
}

/* Sets the verdict when the event is known by its id. */
static int judge_key(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    struct pv_logic *logic = a->logic;
    int64_t op_n = 0;
    int status = logic->rows->ops->idem_get(logic->rows, item->idem_key, &op_n);
    if (status) {
        return status == PV_ENOTFOUND ? PV_OK : status;
    }
    struct pv_op op;
    status = logic->rows->ops->op_by_n(logic->rows, op_n, &logic->scratch, &op);
    if (status) {
        return status;
    }
    j->duplicate_n = op_n;
    if (!op.has_mac || !pv_hash_eq(op.mac, j->mac)) {
        item->verdict = PV_BODY_DIFFERS;
        item->ret_op = op.id;
        return PV_OK;
    }
    return tell_duplicate(a, item, &op);
}

static int join_with(struct accepting *a, struct pv_accept_item *item, struct judged *j,
                     int64_t op_n)
{
    struct pv_logic *logic = a->logic;
    struct pv_op op;
    int status = logic->rows->ops->op_by_n(logic->rows, op_n, &logic->scratch, &op);
    if (status) {
        return status;
    }
    if (op.type != item->type || !op.has_mac || !pv_hash_eq(op.mac, j->mac)) {
        return PV_OK;
    }
    j->duplicate_n = op_n;
    return tell_duplicate(a, item, &op);
}

static int judge_join(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    struct pv_logic *logic = a->logic;
    int64_t newest = j->svc.active_n;
    if (j->svc.waiting > 0) {
        int status = logic->rows->ops->wait_last(logic->rows, j->svc.n, &newest);
        if (status) {
            return status;
        }
    }
    if (newest) {
        return join_with(a, item, j, newest);
    }
    if (item->type == PV_OP_CREATE && j->svc.observed == PV_SVC_ACTIVE && j->svc.create_n) {
        return join_with(a, item, j, j->svc.create_n);
    }
    return PV_OK;
}

static int judge_move(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    const struct pv_svc *svc = &j->svc;
    struct pv_hot hot = {
        .observed = svc->observed,
        .desired = svc->desired,
        .residue = svc->residue,
        .has_active = svc->active_n != 0,
        .active_type = svc->active_type,
        .active_state = svc->active_state,
        .active_intent = svc->active_intent,
        .has_sequence = svc->has_sequence,
        .max_sequence = svc->max_sequence,
    };
    j->rule = pv_rules_accept(&hot, item->type, item->has_sequence, item->sequence);
    if (j->rule.what == PV_ACCEPT_ILLEGAL) {
        item->verdict = item->type == PV_OP_ACTION && !svc->n ? PV_NO_SERVICE : PV_ILLEGAL;
        item->ret_state = svc->desired;
        return PV_OK;
    }
    if (j->rule.what != PV_ACCEPT_QUEUE || item->quota.name.len == 0 || item->quota.delta <= 0 ||
        item->quota.limit < 0) {
        return PV_OK;
    }
    int64_t used = 0;
    int status = a->logic->rows->ops->quota_get(a->logic->rows, svc->n, item->quota.name, &used);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (item->quota.delta > item->quota.limit - used) {
        item->verdict = PV_QUOTA;
        item->ret_used = used;
    }
    return PV_OK;
}

/* Reads and decides; writes nothing. */
static int judge(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    struct pv_logic *logic = a->logic;
    *j = (struct judged){0};
    j->mac = pv_keyring_mac(logic->keyring, item->canonical);
    if (has_key(item)) {
        int status = judge_key(a, item, j);
        if (status || j->duplicate_n) {
            return status;
        }
    }
    int status = logic->rows->ops->svc_by_id(logic->rows, item->service, &logic->scratch, &j->svc);
    if (status == PV_ENOTFOUND) {
        j->svc = (struct pv_svc){
            .id = item->service,
            .source = item->source,
            .external_id = item->external_id,
            .created_ms = a->in->now_ms,
            .changed_ms = a->in->now_ms,
            .due = PV_NO_DUE,
        };
        status = PV_OK;
    }
    if (!status && item->join) {
        status = judge_join(a, item, j);
        if (!status && j->duplicate_n) {
            return has_key(item)
                       ? logic->rows->ops->idem_put(logic->rows, item->idem_key, j->duplicate_n)
                       : PV_OK;
        }
    }
    return status ? status : judge_move(a, item, j);
}

static int write_audit(struct accepting *a, const struct pv_accept_item *item,
                       const struct judged *j, const char *detail)
{
    struct pv_audit audit = {
        .actor = item->actor,
        .what = PV_STR("event.accepted"),
        .source = item->source,
        .detail = pv_str(detail),
        .service = item->service,
        .op = item->op,
        .digest = j->mac,
    };
    return pv_logic_audit(a->logic, &audit, a->in->now_ms, j->svc.n);
}

/* Inserts the operation with its key. `state`: final at once, or 0. */
static int write_op(struct accepting *a, struct pv_accept_item *item, struct judged *j, int state,
                    struct pv_op *op)
{
    struct pv_logic *logic = a->logic;
    *op = (struct pv_op){
        .id = item->op,
        .service_n = j->svc.n,
        .source = item->source,
        .type = item->type,
        .state = state,
        .accepted_ms = a->in->now_ms,
        .finished_ms = state ? a->in->now_ms : 0,
        .deadline_ms = item->deadline_ms,
        .generation = state ? j->svc.generation : 0,
        .has_mac = true,
        .mac = j->mac,
        .action = item->action,
        .product = item->product,
        .plan_name = item->plan_name,
        .body = item->body,
        .lane = item->lane,
    };
    bool direct = !state && !j->svc.active_n && j->svc.waiting == 0;
    if (direct) {
        op->plan = item->plan; /* what waits is pinned when it starts */
    } else {
        op->lane = (struct pv_str){NULL, 0};
    }
    int status = logic->rows->ops->op_insert(logic->rows, op);
    if (!status && has_key(item)) {
        status = logic->rows->ops->idem_put(logic->rows, item->idem_key, op->n);
    }
    item->ret_op = item->op;
    item->ret_op_state = state;
    return status;
}

static int write_final(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    bool noop = j->rule.what == PV_ACCEPT_NOOP;
    struct pv_svc *svc = &j->svc;
    int status = PV_OK;
    if (noop && item->has_sequence) {
        svc->has_sequence = true;
        svc->max_sequence = item->sequence;
    }
    if (!svc->n || noop) {
        status = pv_logic_put(a->logic, svc);
    }
    struct pv_op op;
    status = status ? status : write_op(a, item, j, noop ? PV_OPS_DONE : PV_OPS_SUPERSEDED, &op);
    status = status ? status : write_audit(a, item, j, pv_op_type_name(item->type));
    const char *why = noop ? "nothing to do, the service is already there"
                           : "its sequence is older than one accepted";
    const struct pv_logic_end end = {
        .op = item->op,
        .op_n = op.n,
        .state = noop ? PV_OPS_DONE : PV_OPS_SUPERSEDED,
        .reason = noop ? (struct pv_str){NULL, 0} : pv_str(why),
        .detail = pv_str(why),
        .before = svc->observed,
    };
    return status ? status : pv_logic_ended(a->logic, svc, &end, a->in->now_ms);
}

static int write_quota(struct accepting *a, struct pv_accept_item *item, const struct judged *j,
                       int64_t op_n)
{
    const struct pv_quota_ask *quota = &item->quota;
    if (quota->name.len == 0 || quota->delta == 0) {
        return PV_OK;
    }
    int64_t used = 0;
    int status = PV_OK;
    if (quota->delta > 0) {
        status = pv_logic_quota_add(a->logic, j->svc.n, quota->name, quota->delta, &used);
    }
    struct pv_grant grant = {
        .op_n = op_n, .kind = PV_GRANT_RESERVED, .name = quota->name, .number = quota->delta};
    return status ? status : a->logic->rows->ops->grant_put(a->logic->rows, &grant);
}

/* Creates that wait, and everything behind the first of them, end superseded. */
static int supersede_creates(struct accepting *a, struct judged *j)
{
    struct pv_logic *logic = a->logic;
    int64_t after = 0;
    bool ending = false;
    for (;;) {
        struct pv_waiter page[64];
        size_t count = 0;
        int status = logic->rows->ops->wait_list(logic->rows, j->svc.n, after, 64, page, &count);
        if (status || count == 0) {
            return status;
        }
        for (size_t i = 0; i < count; i++) {
            after = page[i].op_n;
            ending = ending || page[i].type == PV_OP_CREATE;
            if (!ending) {
                continue;
            }
            status = logic->rows->ops->wait_del(logic->rows, j->svc.n, page[i].op_n);
            if (status) {
                return status;
            }
            j->svc.waiting--;
            logic->tally.queued--;
            status =
                pv_logic_end_waiting(logic, &j->svc, page[i].op_n, PV_OPS_SUPERSEDED,
                                     "a terminate came before it ran", a->in->now_ms, &a->ended);
            if (status) {
                return status;
            }
        }
    }
}

static int turn_active(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    struct pv_svc *svc = &j->svc;
    svc->active_intent = PV_INTENT_SUPERSEDE;
    if (svc->active_state != PV_OPS_RUNNING) {
        svc->active_state = PV_OPS_READY;
        svc->wait = PV_WAIT_NONE;
        svc->due = a->in->now_ms;
        svc->reason = (struct pv_str){NULL, 0};
    }
    item->ret_poke = svc->active_op;
    return pv_logic_copy(&a->in->req.arena, svc->lane, &item->ret_poke_lane);
}

static int end_parked(struct accepting *a, struct judged *j)
{
    struct pv_svc *svc = &j->svc;
    struct pv_ending ending = {
        .state = PV_OPS_SUPERSEDED,
        .reason = PV_STR("it was parked when an operation came that replaces it"),
        .observed = svc->observed,
        .residue = true,
    };
    const struct pv_logic_end end = {
        .op = svc->active_op,
        .op_n = svc->active_n,
        .state = PV_OPS_SUPERSEDED,
        .reason = ending.reason,
        .detail = ending.reason,
        .before = svc->observed,
    };
    int status = pv_logic_ended_add(&a->ended, svc->active_op, PV_OPS_SUPERSEDED);
    status = status ? status : pv_logic_end_active(a->logic, svc, &ending, a->in->now_ms);
    return status ? status : pv_logic_ended(a->logic, svc, &end, a->in->now_ms);
}

/* The operation joins the queue; whatever is to start then starts. */
static int enqueue(struct accepting *a, struct pv_accept_item *item, struct judged *j,
                   const struct pv_op *op)
{
    struct pv_logic *logic = a->logic;
    struct pv_svc *svc = &j->svc;
    int status = logic->rows->ops->wait_add(logic->rows, svc->n, op->n, op->type);
    if (status) {
        return status;
    }
    svc->waiting++;
    logic->tally.queued++;
    if (j->rule.effect == PV_EFFECT_UNDO_ACTIVE) {
        return turn_active(a, item, j);
    }
    if (j->rule.effect != PV_EFFECT_END_ACTIVE) {
        return PV_OK;
    }
    status = end_parked(a, j);
    status = status ? status
                    : pv_logic_pop(logic, svc, item->claim, a->in->epoch, a->in->now_ms, &a->ended);
    if (!status && svc->active_state == PV_OPS_READY) {
        item->ret_poke = svc->active_op;
    }
    return status;
}

static int write_queued(struct accepting *a, struct pv_accept_item *item, struct judged *j)
{
    struct pv_logic *logic = a->logic;
    struct pv_svc *svc = &j->svc;
    int status = PV_OK;
    bool stored = svc->n != 0;
    if (!stored) {
        status = pv_logic_put(logic, svc); /* gives it its number */
    }
    if (!status && j->rule.supersede_waiting_creates && svc->waiting > 0) {
        status = supersede_creates(a, j);
    }
    struct pv_op op;
    bool direct = !svc->active_n && svc->waiting == 0;
    status = status ? status : write_op(a, item, j, 0, &op);
    status = status ? status : write_quota(a, item, j, op.n);
    status = status ? status : write_audit(a, item, j, pv_op_type_name(item->type));
    if (status) {
        return status;
    }
    if (item->has_sequence) {
        svc->has_sequence = true;
        svc->max_sequence = item->sequence;
    }
    if (direct) {
        pv_logic_activate(logic, svc, &op, item->claim, a->in->epoch, a->in->now_ms);
        if (op.type == PV_OP_CREATE && (stored || item->composition.len > 0)) {
            status = logic->rows->ops->detail_put(logic->rows, svc->n, (struct pv_str){NULL, 0},
                                                  item->composition);
        }
    } else {
        status = enqueue(a, item, j, &op);
    }
    if (status) {
        return status;
    }
    if (direct || j->rule.effect != PV_EFFECT_END_ACTIVE) {
        svc->desired = j->rule.desired;
    } else {
        status = pv_logic_project(logic, svc);
    }
    status = status ? status : pv_logic_put(logic, svc);
    if (status) {
        return status;
    }
    item->ret_op_state = svc->active_n == op.n ? svc->active_state : PV_OPS_QUEUED;
    bool claimed =
        svc->active_state == PV_OPS_RUNNING && (direct || j->rule.effect == PV_EFFECT_END_ACTIVE);
    return claimed ? pv_logic_claimed(logic, svc, direct ? &op : NULL, &a->in->req.arena,
                                      &item->ret_claimed)
                   : PV_OK;
}

static int accept_one(struct accepting *a, struct pv_accept_item *item)
{
    struct judged j;
    int status = judge(a, item, &j);
    if (status || item->verdict != PV_ACCEPTED) {
        return status;
    }
    return j.rule.what == PV_ACCEPT_QUEUE ? write_queued(a, item, &j) : write_final(a, item, &j);
}

static bool refused(const struct pv_accept_item *item)
{
    return item->verdict != PV_ACCEPTED && item->verdict != PV_DUPLICATE;
}

static int refuse_all(struct accepting *a, size_t refusals)
{
    for (size_t i = 0; i < a->in->count; i++) {
        struct pv_accept_item *item = &a->in->items[i];
        item->ret_claimed = NULL;
        item->ret_poke = (struct pv_id){{0}};
        if (item->verdict == PV_ACCEPTED) {
            item->verdict = PV_NOT_JUDGED;
        }
        if (item->verdict == PV_NOT_JUDGED) {
            item->ret_op = (struct pv_id){{0}};
            item->ret_op_state = 0;
        }
    }
    return pv_logic_refuse(&a->in->req, PV_ECONFLICT, "%zu of %zu refused, nothing was accepted",
                           refusals, a->in->count);
}

/* The items are judged in order, each seeing those before it. After the first refusal the others
 * are judged too, so that every problem is told; then all of it is rolled back. */
static int accept_array(struct accepting *a)
{
    struct pv_logic *logic = a->logic;
    struct pv_tally before = logic->tally;
    size_t refusals = 0;
    int status = logic->rows->ops->mark(logic->rows);
    for (size_t i = 0; !status && i < a->in->count; i++) {
        status = accept_one(a, &a->in->items[i]);
        refusals += !status && refused(&a->in->items[i]) ? 1 : 0;
        pv_arena_done(&logic->scratch);
    }
    if (status) {
        return status;
    }
    if (refusals == 0) {
        return logic->rows->ops->mark_release(logic->rows);
    }
    logic->tally = before;
    a->ended.count = 0;
    status = logic->rows->ops->mark_rollback(logic->rows);
    return status ? status : refuse_all(a, refusals);
}

int pv_logic_accept(struct pv_logic *logic, struct pv_accept *in)
{
    struct accepting a = {.logic = logic, .in = in, .ended = {.arena = &in->req.arena}};
    int status = PV_OK;
    if (in->count == 1) {
        status = accept_one(&a, in->items);
        if (!status && refused(in->items)) {
            status = refuse_all(&a, 1);
        }
    } else {
        status = accept_array(&a);
    }
    in->ret_ended = a.ended.items;
    in->ret_ended_count = a.ended.count;
    return status;
}

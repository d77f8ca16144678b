/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a service's queue: accept, start, projection, and what operators may do. */
#include "core/engine/rules.h"

#include "core/engine/cursor.h"

static bool undoable(int type)
{
    return type == PV_OP_CREATE || type == PV_OP_UPGRADE;
}

static enum pv_accept_effect effect_on_active(const struct pv_hot *hot, int type)
{
    if (!hot->has_active) {
        return PV_EFFECT_NONE;
    }
    bool parked = hot->active_state == PV_OPS_NEEDS_OPERATOR;
    if (type == PV_OP_TERMINATE) {
        if (hot->active_type == PV_OP_CREATE) {
            return hot->active_intent == PV_INTENT_NONE ? PV_EFFECT_UNDO_ACTIVE : PV_EFFECT_NONE;
        }
        return parked ? PV_EFFECT_END_ACTIVE : PV_EFFECT_NONE;
    }
    bool opposite = type == pv_move_opposite(hot->active_type);
    return parked && opposite ? PV_EFFECT_END_ACTIVE : PV_EFFECT_NONE;
}

struct pv_accept_rule pv_rules_accept(const struct pv_hot *hot, int type, bool has_sequence,
                                      int64_t sequence)
{
    struct pv_accept_rule rule = {.desired = hot->desired};
    if (has_sequence && hot->has_sequence && sequence < hot->max_sequence) {
        rule.what = PV_ACCEPT_SUPERSEDED;
        return rule;
    }
    enum pv_accept_effect effect = effect_on_active(hot, type);
    bool residue = hot->residue || effect == PV_EFFECT_END_ACTIVE;
    struct pv_move move = pv_move_judge(type, hot->desired, residue);
    if (move.judgement == PV_MOVE_ILLEGAL) {
        rule.what = PV_ACCEPT_ILLEGAL;
        return rule;
    }
    if (move.judgement == PV_MOVE_NOOP && !hot->has_active) {
        rule.what = PV_ACCEPT_NOOP;
        return rule;
    }
    rule.what = PV_ACCEPT_QUEUE;
    rule.effect = effect;
    rule.desired = (int)move.next;
    rule.supersede_waiting_creates = type == PV_OP_TERMINATE;
    return rule;
}

enum pv_start_what pv_rules_start(int observed, bool residue, int type, int next_type)
{
    struct pv_move move = pv_move_judge(type, observed, residue);
    if (move.judgement == PV_MOVE_ILLEGAL) {
        return PV_START_CANCEL;
    }
    if (move.judgement == PV_MOVE_NOOP) {
        return PV_START_NOOP;
    }
    if (next_type && next_type == pv_move_opposite(type) && !residue) {
        struct pv_move end = pv_move_judge(next_type, (int)move.next, residue);
        if ((int)end.next == observed) {
            return PV_START_PAIR;
        }
    }
    return PV_START_RUN;
}

int pv_rules_project(int observed, bool residue, const int *types, size_t count)
{
    int state = observed;
    for (size_t i = 0; i < count; i++) {
        struct pv_move move = pv_move_judge(types[i], state, residue);
        if (move.judgement != PV_MOVE_ILLEGAL) {
            state = (int)move.next;
            residue = residue && move.judgement != PV_MOVE_RUN;
        }
    }
    return state == PV_SVC_PENDING ? PV_SVC_ACTIVE : state;
}

/* ---- what operators and callers may do ---- */

static int refuse(const struct pv_intervene_in *in, struct pv_err *err, const char *remedy)
{
    return pv_err_set(err, PV_ECONFLICT, "a %s operation that is %s cannot be %s: %s",
                      pv_op_type_name(in->type), pv_op_state_name(in->state),
                      in->verb == PV_VERB_RETRY    ? "retried"
                      : in->verb == PV_VERB_CANCEL ? "canceled"
                      : in->verb == PV_VERB_UNDO   ? "undone"
                      : in->verb == PV_VERB_SKIP   ? "skipped over"
                                                   : "abandoned",
                      remedy);
}

/* Writes the cursor as one that nothing is in flight for, to be claimed as attempt 1. */
static int rest(struct pv_cursor *cursor, struct pv_buf *ret_cursor)
{
    cursor->rested_tries = 0;
    cursor->crashes = 0;
    cursor->passes = 0;
    return pv_cursor_encode(cursor, ret_cursor);
}

static int read_cursor(struct pv_str bytes, struct pv_cursor *ret, struct pv_err *err)
{
    if (pv_cursor_decode(bytes, ret)) {
        return pv_err_set(err, PV_EINTERNAL, "the operation's cursor cannot be read");
    }
    return PV_OK;
}

static int retry_parked(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                        struct pv_buf *ret_cursor, struct pv_err *err)
{
    rule->what = PV_DO_READY;
    rule->intent = in->intent;
    if (in->cursor.len == 0) {
        return PV_OK;
    }
    struct pv_cursor cursor;
    int status = read_cursor(in->cursor, &cursor, err);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < cursor.count && !cursor.undoing; i++) {
        char mark = cursor.marks[i];
        if (mark == PV_MARK_FAILED || mark == PV_MARK_BARRED || mark == PV_MARK_LATER) {
            cursor.marks[i] = PV_MARK_OPEN;
        }
    }
    return rest(&cursor, ret_cursor);
}

static int retry_failed(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                        struct pv_buf *ret_cursor, struct pv_err *err)
{
    struct pv_move move = pv_move_judge(in->type, in->observed, in->residue);
    if (in->service_has_active || move.judgement != PV_MOVE_RUN) {
        return refuse(in, err, "its service has moved on, fire a new event");
    }
    rule->what = PV_DO_READY;
    rule->intent = PV_INTENT_NONE;
    rule->reactivate = true;
    if (in->cursor.len == 0) {
        return PV_OK;
    }
    struct pv_cursor old;
    int status = read_cursor(in->cursor, &old, err);
    if (status) {
        return status;
    }
    struct pv_cursor fresh;
    pv_cursor_init(&fresh, old.count);
    fresh.run = old.run;
    return rest(&fresh, ret_cursor);
}

static int do_retry(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                    struct pv_buf *ret_cursor, struct pv_err *err)
{
    if (in->state == PV_OPS_NEEDS_OPERATOR) {
        return retry_parked(in, rule, ret_cursor, err);
    }
    if (in->state == PV_OPS_FAILED) {
        return retry_failed(in, rule, ret_cursor, err);
    }
    return refuse(in, err, "only one that is parked or failed can be");
}

/* Gives the active create or upgrade an intent, wherever it stands. */
static int turn_back(const struct pv_intervene_in *in, int intent, struct pv_intervene_rule *rule,
                     struct pv_buf *ret_cursor, struct pv_err *err)
{
    rule->intent = intent;
    if (in->state == PV_OPS_RUNNING) {
        rule->what = PV_DO_INTENT;
        return PV_OK;
    }
    rule->what = PV_DO_READY;
    if (in->state == PV_OPS_READY) {
        /* Its cursor and attempts say what was in flight; it is only due now. */
        rule->keep_tries = true;
        return in->cursor.len ? pv_buf_str(ret_cursor, in->cursor) : PV_OK;
    }
    if (in->cursor.len == 0) {
        return PV_OK;
    }
    struct pv_cursor cursor;
    int status = read_cursor(in->cursor, &cursor, err);
    return status ? status : rest(&cursor, ret_cursor);
}

static int do_cancel(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                     struct pv_buf *ret_cursor, struct pv_err *err)
{
    bool fresh = in->state == PV_OPS_READY && in->cursor.len == 0 && in->plan.len == 0;
    if (in->state == PV_OPS_QUEUED || (fresh && in->type != PV_OP_CREATE)) {
        rule->what = PV_DO_END;
        rule->op_state = PV_OPS_CANCELED;
        rule->observed = in->observed;
        rule->residue = in->residue;
        return PV_OK;
    }
    if (!in->is_active || pv_op_state_final(in->state)) {
        return refuse(in, err, "it is over");
    }
    if (!undoable(in->type)) {
        return refuse(in, err,
                      "it has started and cannot be undone; once parked it can be abandoned");
    }
    return turn_back(in, PV_INTENT_CANCEL, rule, ret_cursor, err);
}

static int do_undo(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                   struct pv_buf *ret_cursor, struct pv_err *err)
{
    if (!in->is_active || pv_op_state_final(in->state)) {
        return refuse(in, err, "it is not under way");
    }
    if (!undoable(in->type)) {
        return refuse(in, err, "only a create or an upgrade can be");
    }
    return turn_back(in, PV_INTENT_UNDO, rule, ret_cursor, err);
}

/* The step an operator means: the one it stands at, or the first that failed. */
static size_t parked_step(const struct pv_cursor *cursor)
{
    for (size_t i = 0; i < cursor->count && !cursor->undoing; i++) {
        if (cursor->marks[i] == PV_MARK_FAILED) {
            return i;
        }
    }
    return cursor->step;
}

static int do_skip(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                   struct pv_buf *ret_cursor, struct pv_err *err)
{
    if (in->state != PV_OPS_NEEDS_OPERATOR || in->plan.len == 0) {
        return refuse(in, err, "only a step of a parked operation can be skipped");
    }
    struct pv_arena arena;
    pv_arena_init(&arena);
    struct pv_plan plan = {0};
    struct pv_cursor cursor = {0};
    int status = pv_plan_decode(in->plan, &arena, &plan);
    if (status || plan.step_count == 0) {
        status = refuse(in, err, "it has no steps");
        goto out;
    }
    if (in->cursor.len == 0) {
        pv_cursor_init(&cursor, plan.step_count);
    } else {
        status = read_cursor(in->cursor, &cursor, err);
        if (status || cursor.count != plan.step_count) {
            status = status ? status : refuse(in, err, "its plan and cursor disagree");
            goto out;
        }
    }
    size_t step = parked_step(&cursor);
    /* What may have happened counts as done, so that an undo takes it back. */
    char passed = cursor.marks[step] == PV_MARK_UNKNOWN ? PV_MARK_DONE : PV_MARK_SKIPPED;
    cursor.marks[step] = cursor.undoing ? PV_MARK_UNDONE : passed;
    for (size_t i = 0; i < cursor.count; i++) {
        if (cursor.marks[i] == PV_MARK_BARRED &&
            plan.steps[i].component == plan.steps[step].component) {
            cursor.marks[i] = PV_MARK_OPEN;
        }
    }
    rule->what = PV_DO_READY;
    rule->intent = in->intent;
    status = rest(&cursor, ret_cursor);
out:
    pv_arena_done(&arena);
    return status;
}

static int do_abandon(const struct pv_intervene_in *in, struct pv_intervene_rule *rule,
                      struct pv_err *err)
{
    if (in->state != PV_OPS_NEEDS_OPERATOR) {
        return refuse(in, err, "only one that is parked can be; cancel it instead");
    }
    rule->what = PV_DO_END;
    rule->op_state = PV_OPS_ABANDONED;
    rule->observed = in->type == PV_OP_CREATE ? PV_SVC_FAILED : in->observed;
    rule->residue = true;
    return PV_OK;
}

int pv_rules_intervene(const struct pv_intervene_in *in, struct pv_intervene_rule *ret_rule,
                       struct pv_buf *ret_cursor, struct pv_err *err)
{
    struct pv_intervene_rule rule = {.observed = in->observed, .residue = in->residue};
    int status = PV_EINVAL;
    switch (in->verb) {
    case PV_VERB_RETRY:
        status = do_retry(in, &rule, ret_cursor, err);
        break;
    case PV_VERB_CANCEL:
        status = do_cancel(in, &rule, ret_cursor, err);
        break;
    case PV_VERB_UNDO:
        status = do_undo(in, &rule, ret_cursor, err);
        break;
    case PV_VERB_SKIP:
        status = do_skip(in, &rule, ret_cursor, err);
        break;
    case PV_VERB_ABANDON:
        status = do_abandon(in, &rule, err);
        break;
    default:
        return pv_err_set(err, PV_EINVAL, "unknown verb %d", in->verb);
    }
    if (!status) {
        *ret_rule = rule;
    }
    return status;
}

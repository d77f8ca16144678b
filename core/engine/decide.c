/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes to decisions. The order of a decision: what the outcome means for the present step's
 * mark, then where the cursor goes next, then whether that is now, later, never, or the end. */
#include "core/engine/decide.h"

#include "core/base/message.h"
#include "core/engine/moves.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_POLL_MS 5000
#define MAX_CRASHES 3

static bool undoable(int type)
{
    return type == PV_OP_CREATE || type == PV_OP_UPGRADE || type == PV_OP_ACTION;
}

/* Every component is attempted, whatever becomes of the others. */
static bool attempts_all(int type)
{
    return type == PV_OP_SUSPEND || type == PV_OP_TERMINATE;
}

static bool is_late(const struct pv_decide_in *in)
{
    return in->deadline_ms > 0 && in->now_ms >= in->deadline_ms;
}

static const struct pv_plan_step *present(const struct pv_decide_in *in,
                                          const struct pv_cursor *cursor)
{
    return &in->plan->steps[cursor->step];
}

static const struct pv_retry *retry_of(const struct pv_decide_in *in,
                                       const struct pv_cursor *cursor)
{
    return &in->plan->components[present(in, cursor)->component].retry;
}

static void say(struct pv_decision *ret, const struct pv_decide_in *in,
                const struct pv_cursor *cursor, const char *what)
{
    const struct pv_plan_step *step = present(in, cursor);
    struct pv_str component = in->plan->components[step->component].name;
    (void)snprintf(ret->reason, sizeof(ret->reason), "%.*s.%.*s%s%s%s%.*s", PV_STR_ARG(component),
                   PV_STR_ARG(step->name), *what ? " " : "", what, in->text.len ? ": " : "",
                   PV_STR_ARG(in->text));
}

static void go_on(const struct pv_decide_in *in, struct pv_cursor *cursor, struct pv_decision *ret);

static void park(struct pv_decision *ret)
{
    ret->next = PV_NEXT_PARK;
}

static void defer(const struct pv_decide_in *in, struct pv_decision *ret, int wait,
                  int64_t delay_ms)
{
    ret->next = PV_NEXT_DEFER;
    ret->wait = wait;
    int64_t due = in->now_ms + (delay_ms < 0 ? 0 : delay_ms);
    ret->due_ms = in->deadline_ms > in->now_ms && due > in->deadline_ms ? in->deadline_ms : due;
}

/* Waits without using an attempt: the claim adds the one that is taken off here. */
static void defer_free(const struct pv_decide_in *in, struct pv_decision *ret, int wait,
                       int64_t delay_ms)
{
    defer(in, ret, wait, delay_ms);
    ret->tries = in->tries > 0 ? in->tries - 1 : 0;
}

/* Uses an attempt and backs off; parks once the deadline has passed. */
static void try_later(const struct pv_decide_in *in, const struct pv_cursor *cursor,
                      struct pv_decision *ret)
{
    if (is_late(in)) {
        say(ret, in, cursor, "did not succeed before the operation's deadline");
        park(ret);
        return;
    }
    if (cursor->undoing) {
        ret->reason[0] = '\0'; /* people want to know why it is undone */
    }
    int64_t delay = pv_retry_backoff(retry_of(in, cursor), in->rng, in->tries);
    if (in->retry_after_ms > delay) {
        delay = in->retry_after_ms;
    }
    defer(in, ret, PV_WAIT_RETRY, delay);
    ret->tries = in->tries;
}

/* ---- the end of a direction ---- */

static void list_failed(const struct pv_decide_in *in, const struct pv_cursor *cursor,
                        struct pv_decision *ret)
{
    size_t used = (size_t)snprintf(ret->reason, sizeof(ret->reason), "failed:");
    for (size_t i = 0; i < cursor->count; i++) {
        if (cursor->marks[i] != PV_MARK_FAILED || used >= sizeof(ret->reason)) {
            continue;
        }
        const struct pv_plan_step *step = &in->plan->steps[i];
        int n = snprintf(ret->reason + used, sizeof(ret->reason) - used, " %.*s.%.*s",
                         PV_STR_ARG(in->plan->components[step->component].name),
                         PV_STR_ARG(step->name));
        used += n > 0 ? (size_t)n : 0;
    }
    if (in->text.len && used < sizeof(ret->reason)) {
        (void)snprintf(ret->reason + used, sizeof(ret->reason) - used, " (%.*s)",
                       PV_STR_ARG(in->text));
    }
}

static bool keeps_residue(int type)
{
    return type == PV_OP_UPGRADE || type == PV_OP_RENEW || type == PV_OP_ACTION;
}

static void end_forward(const struct pv_decide_in *in, struct pv_cursor *cursor,
                        struct pv_decision *ret)
{
    if (pv_cursor_has(cursor, PV_MARK_LATER)) {
        pv_cursor_remark(cursor, PV_MARK_LATER, is_late(in) ? PV_MARK_FAILED : PV_MARK_OPEN);
        if (!is_late(in)) {
            cursor->passes = (uint16_t)(cursor->passes + 1);
            (void)pv_cursor_next(cursor, in->plan);
            int64_t delay = pv_retry_backoff(retry_of(in, cursor), in->rng, cursor->passes);
            defer(in, ret, PV_WAIT_RETRY, in->retry_after_ms > delay ? in->retry_after_ms : delay);
            ret->tries = cursor->passes;
            return;
        }
    }
    if (pv_cursor_has(cursor, PV_MARK_FAILED)) {
        list_failed(in, cursor, ret);
        park(ret);
        return;
    }
    ret->next = PV_NEXT_FINISH;
    ret->op_state = PV_OPS_DONE;
    ret->observed = pv_move_done(in->type, in->observed);
    ret->residue = keeps_residue(in->type) && in->residue;
}

static void end_undo(const struct pv_decide_in *in, struct pv_cursor *cursor,
                     struct pv_decision *ret)
{
    ret->next = PV_NEXT_FINISH;
    ret->op_state = cursor->end_state;
    ret->observed = in->type == PV_OP_CREATE ? PV_SVC_FAILED : in->observed;
    ret->residue = in->type != PV_OP_CREATE && in->residue;
    ret->undone = true;
    ret->undone_run = cursor->run;
    cursor->run++;
}

/* The present step's mark is right: where to next? */
static void go_on(const struct pv_decide_in *in, struct pv_cursor *cursor, struct pv_decision *ret)
{
    if (in->intent != PV_INTENT_NONE && !cursor->undoing && undoable(in->type)) {
        int end = in->intent == PV_INTENT_SUPERSEDE ? PV_OPS_SUPERSEDED
                  : in->intent == PV_INTENT_CANCEL  ? PV_OPS_CANCELED
                                                    : PV_OPS_FAILED;
        pv_cursor_turn_back(cursor, end);
        if (!ret->reason[0]) {
            (void)snprintf(ret->reason, sizeof(ret->reason), "undone: %s",
                           end == PV_OPS_SUPERSEDED ? "a terminate came"
                           : end == PV_OPS_CANCELED ? "it was canceled"
                                                    : "an operator asked for it");
        }
    }
    uint16_t step = cursor->step;
    uint8_t kind = cursor->kind;
    if (!pv_cursor_next(cursor, in->plan)) {
        if (cursor->undoing) {
            end_undo(in, cursor, ret);
        } else {
            end_forward(in, cursor, ret);
        }
        return;
    }
    /* A request that is still on its way would make what has just been undone. */
    int64_t settled = cursor->last_send_ms + (int64_t)present(in, cursor)->settle_ms;
    if (cursor->kind == PV_CALL_UNDO && cursor->marks[cursor->step] == PV_MARK_UNKNOWN &&
        cursor->last_send_ms > 0 && in->now_ms < settled) {
        defer_free(in, ret, PV_WAIT_SETTLE, settled - in->now_ms);
        ret->due_ms = settled;
        return;
    }
    ret->next = PV_NEXT_HOLD;
    bool same = cursor->step == step && cursor->kind == kind;
    ret->tries = same ? in->tries + 1 : 1;
}

/* ---- outcomes of a step going forward ---- */

static void failed_for_good(const struct pv_decide_in *in, struct pv_cursor *cursor,
                            struct pv_decision *ret)
{
    /* What had been begun and then failed is undone too, not only what was completed. */
    bool begun = cursor->kind == PV_CALL_POLL || cursor->marks[cursor->step] == PV_MARK_UNKNOWN;
    cursor->marks[cursor->step] = begun && undoable(in->type) ? PV_MARK_UNKNOWN : PV_MARK_FAILED;
    say(ret, in, cursor, "");
    if (attempts_all(in->type)) {
        uint8_t component = present(in, cursor)->component;
        for (size_t i = cursor->step + 1u; i < cursor->count; i++) {
            if (in->plan->steps[i].component == component && cursor->marks[i] == PV_MARK_OPEN) {
                cursor->marks[i] = PV_MARK_BARRED;
            }
        }
        go_on(in, cursor, ret);
        return;
    }
    /* A customer's mistake in an action's form is no operator's business: it never holds. */
    bool hold = in->plan->hold && in->type != PV_OP_ACTION;
    bool undo = undoable(in->type) && (!hold || in->intent != PV_INTENT_NONE);
    if (!undo) {
        park(ret);
        return;
    }
    if (in->intent == PV_INTENT_NONE) {
        pv_cursor_turn_back(cursor, PV_OPS_FAILED);
    }
    go_on(in, cursor, ret);
}

/* A suspend or terminate leaves this component for its next pass and attempts the others. */
static void put_off(const struct pv_decide_in *in, struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    cursor->marks[cursor->step] = PV_MARK_LATER;
    say(ret, in, cursor, "");
    go_on(in, cursor, ret);
}

static void unknown(const struct pv_decide_in *in, struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    if (cursor->kind == PV_CALL_POLL) {
        try_later(in, cursor, ret);
        return;
    }
    uint8_t flags = present(in, cursor)->flags;
    cursor->marks[cursor->step] = PV_MARK_UNKNOWN;
    if (in->intent != PV_INTENT_NONE && undoable(in->type)) {
        go_on(in, cursor, ret);
    } else if (flags & PV_STEP_REPEATABLE) {
        /* It stays unknown until it succeeds: should it fail for good, it is undone all the same.
         */
        cursor->kind = PV_CALL_RUN;
        if (attempts_all(in->type)) {
            put_off(in, cursor, ret);
        } else {
            say(ret, in, cursor, "");
            try_later(in, cursor, ret);
        }
    } else if (flags & PV_STEP_LOOKUP) {
        cursor->kind = PV_CALL_LOOKUP;
        ret->next = PV_NEXT_HOLD;
        ret->tries = in->tries;
    } else {
        cursor->kind = PV_CALL_RUN;
        say(ret, in, cursor,
            "may or may not have happened, and can neither be looked up nor repeated");
        park(ret);
    }
}

static void temporary(const struct pv_decide_in *in, struct pv_cursor *cursor,
                      struct pv_decision *ret)
{
    if (in->intent != PV_INTENT_NONE && undoable(in->type) && cursor->kind == PV_CALL_RUN) {
        go_on(in, cursor, ret);
        return;
    }
    if (attempts_all(in->type) && cursor->kind == PV_CALL_RUN) {
        put_off(in, cursor, ret);
        return;
    }
    say(ret, in, cursor, "");
    try_later(in, cursor, ret);
}

static void pending(const struct pv_decide_in *in, struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    if (cursor->kind != PV_CALL_LOOKUP && cursor->kind != PV_CALL_UNDO) {
        bool can_poll = present(in, cursor)->flags & PV_STEP_POLL;
        cursor->marks[cursor->step] = PV_MARK_UNKNOWN; /* something is under way: undone if need be
                                                        */
        cursor->kind = can_poll ? PV_CALL_POLL : PV_CALL_RUN;
    }
    if (is_late(in)) {
        say(ret, in, cursor, "was still under way at the operation's deadline");
        park(ret);
        return;
    }
    if (in->retry_after_ms == 0) {
        defer_free(in, ret, PV_WAIT_SIGNAL, 0);
        ret->due_ms = in->deadline_ms > 0 ? in->deadline_ms : PV_NEVER;
        return;
    }
    defer_free(in, ret, PV_WAIT_POLL,
               in->retry_after_ms > 0 ? in->retry_after_ms : DEFAULT_POLL_MS);
}

static void instance_fault(const struct pv_decide_in *in, struct pv_cursor *cursor,
                           struct pv_decision *ret)
{
    if (attempts_all(in->type) && cursor->kind == PV_CALL_RUN) {
        put_off(in, cursor, ret);
        return;
    }
    say(ret, in, cursor, "");
    if (is_late(in)) {
        park(ret);
        return;
    }
    if (cursor->undoing) {
        ret->reason[0] = '\0';
    }
    defer_free(in, ret, PV_WAIT_BREAKER, 0);
}

static void no_step(const struct pv_decide_in *in, const struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    say(ret, in, cursor, "is not in the plugin that is installed now");
    park(ret);
}

static void canceled(const struct pv_decide_in *in, struct pv_cursor *cursor,
                     struct pv_decision *ret)
{
    if (cursor->kind == PV_CALL_RUN && in->touched) {
        unknown(in, cursor, ret);
        if (ret->next == PV_NEXT_DEFER) {
            defer_free(in, ret, PV_WAIT_NONE, 0);
        }
        return;
    }
    defer_free(in, ret, PV_WAIT_NONE, 0);
}

static void forward(const struct pv_decide_in *in, struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    switch (in->code) {
    case PV_OUT_OK:
        cursor->marks[cursor->step] = PV_MARK_DONE;
        go_on(in, cursor, ret);
        break;
    case PV_OUT_PENDING:
        pending(in, cursor, ret);
        break;
    case PV_OUT_TEMPORARY:
        temporary(in, cursor, ret);
        break;
    case PV_OUT_INSTANCE_FAULT:
        instance_fault(in, cursor, ret);
        break;
    case PV_OUT_PERMANENT:
        failed_for_good(in, cursor, ret);
        break;
    case PV_OUT_CANCELED:
        canceled(in, cursor, ret);
        break;
    case PV_OUT_NO_STEP:
        no_step(in, cursor, ret);
        break;
    default: /* unknown; absent and in progress are no answers of a run */
        unknown(in, cursor, ret);
        break;
    }
}

/* ---- outcomes of a look-up ---- */

static void absent(const struct pv_decide_in *in, struct pv_cursor *cursor, struct pv_decision *ret)
{
    int64_t settled = cursor->last_send_ms + (int64_t)present(in, cursor)->settle_ms;
    if (cursor->last_send_ms > 0 && in->now_ms < settled) {
        defer_free(in, ret, PV_WAIT_SETTLE, settled - in->now_ms);
        return;
    }
    cursor->marks[cursor->step] = PV_MARK_OPEN;
    cursor->kind = PV_CALL_RUN;
    if (cursor->undoing || in->intent != PV_INTENT_NONE) {
        go_on(in, cursor, ret);
        return;
    }
    if (is_late(in)) {
        say(ret, in, cursor, "did not succeed before the operation's deadline");
        park(ret);
        return;
    }
    if (in->tries > 1) {
        /* Unknown and absent in turn: nothing hurries any more. */
        try_later(in, cursor, ret);
        return;
    }
    ret->next = PV_NEXT_HOLD;
    ret->tries = in->tries + 1;
}

/* What ends a look-up or an undo without an answer to its question. `never` and `not_now` are said
 * when it cannot be asked, at all or for the moment. */
static void unanswered(const struct pv_decide_in *in, struct pv_cursor *cursor, const char *never,
                       const char *not_now, struct pv_decision *ret)
{
    switch (in->code) {
    case PV_OUT_INSTANCE_FAULT:
        instance_fault(in, cursor, ret);
        break;
    case PV_OUT_PERMANENT:
        say(ret, in, cursor, never);
        park(ret);
        break;
    case PV_OUT_NO_STEP:
        no_step(in, cursor, ret);
        break;
    case PV_OUT_CANCELED:
        defer_free(in, ret, PV_WAIT_NONE, 0);
        break;
    default:
        say(ret, in, cursor, not_now);
        try_later(in, cursor, ret);
        break;
    }
}

static void looked_up(const struct pv_decide_in *in, struct pv_cursor *cursor,
                      struct pv_decision *ret)
{
    /* It is there and not finished: polled from here on; an undo waits for nothing. */
    bool found = in->code == PV_OUT_PENDING && (present(in, cursor)->flags & PV_STEP_POLL) != 0;
    if (found && !cursor->undoing && (in->intent == PV_INTENT_NONE || !undoable(in->type))) {
        cursor->kind = PV_CALL_POLL;
        pending(in, cursor, ret);
        return;
    }
    switch (found ? PV_OUT_OK : in->code) {
    case PV_OUT_OK:
        cursor->marks[cursor->step] = PV_MARK_DONE;
        go_on(in, cursor, ret);
        break;
    case PV_OUT_ABSENT:
        absent(in, cursor, ret);
        break;
    case PV_OUT_IN_PROGRESS:
    case PV_OUT_PENDING:
        defer_free(in, ret, PV_WAIT_POLL,
                   in->retry_after_ms > 0 ? in->retry_after_ms : DEFAULT_POLL_MS);
        if (is_late(in)) {
            say(ret, in, cursor, "was still under way at the operation's deadline");
            park(ret);
        }
        break;
    default:
        unanswered(in, cursor, "cannot be looked up", "cannot be looked up now", ret);
        break;
    }
}

/* ---- outcomes of an undo ---- */

static void undone(const struct pv_decide_in *in, struct pv_cursor *cursor, struct pv_decision *ret)
{
    switch (in->code) {
    case PV_OUT_OK:
    case PV_OUT_ABSENT:
        cursor->marks[cursor->step] = PV_MARK_UNDONE;
        go_on(in, cursor, ret);
        break;
    case PV_OUT_PENDING:
    case PV_OUT_IN_PROGRESS:
        pending(in, cursor, ret);
        break;
    default: /* an undo may be called again, so an unknown outcome is a temporary one */
        unanswered(in, cursor, "cannot be undone", "could not be undone yet", ret);
        break;
    }
}

static enum pv_health health_of(int code)
{
    switch (code) {
    case PV_OUT_INSTANCE_FAULT:
        return PV_HEALTH_FAULT;
    case PV_OUT_TEMPORARY:
    case PV_OUT_UNKNOWN:
        return PV_HEALTH_FAILURE;
    case PV_OUT_CANCELED:
    case PV_OUT_NO_STEP:
        return PV_HEALTH_NONE;
    default:
        return PV_HEALTH_GOOD;
    }
}

/* A cursor that rests says how many attempts it rested at: the next claim is a clean one then. */
static void mark_rest(struct pv_cursor *cursor, const struct pv_decision *decision)
{
    bool rests = decision->next == PV_NEXT_DEFER || decision->next == PV_NEXT_PARK;
    cursor->rested_tries = rests ? decision->tries : PV_NO_TRIES;
}

static void begin(struct pv_decision *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->due_ms = PV_NEVER;
}

void pv_decide_outcome(const struct pv_decide_in *in, struct pv_cursor *cursor,
                       struct pv_decision *ret)
{
    begin(ret);
    ret->health = health_of(in->code);
    ret->tries = in->tries;
    switch (cursor->kind) {
    case PV_CALL_LOOKUP:
        looked_up(in, cursor, ret);
        break;
    case PV_CALL_UNDO:
        undone(in, cursor, ret);
        break;
    default:
        forward(in, cursor, ret);
        break;
    }
    mark_rest(cursor, ret);
}

void pv_decide_lost(const struct pv_decide_in *in, bool culprit, struct pv_cursor *cursor,
                    struct pv_decision *ret)
{
    begin(ret);
    ret->tries = in->tries;
    if (culprit) {
        cursor->crashes = (uint16_t)(cursor->crashes + 1);
    }
    if (cursor->crashes >= MAX_CRASHES) {
        if (in->touched && cursor->kind == PV_CALL_RUN) {
            cursor->marks[cursor->step] = PV_MARK_UNKNOWN;
        }
        say(ret, in, cursor, "has taken its host down three times");
        park(ret);
    } else if (in->touched && (cursor->kind == PV_CALL_RUN)) {
        unknown(in, cursor, ret);
    } else if (culprit) {
        try_later(in, cursor, ret);
    } else {
        defer_free(in, ret, PV_WAIT_NONE, 0);
    }
    mark_rest(cursor, ret);
}

void pv_decide_unavailable(const struct pv_decide_in *in, int wait, int64_t due_ms,
                           struct pv_cursor *cursor, struct pv_decision *ret)
{
    begin(ret);
    ret->tries = in->tries;
    bool aside = attempts_all(in->type) && cursor->kind == PV_CALL_RUN &&
                 (wait == PV_WAIT_BREAKER || wait == PV_WAIT_PAUSED);
    if (aside && pv_cursor_left_elsewhere(cursor, in->plan, present(in, cursor)->component)) {
        put_off(in, cursor, ret);
    } else {
        defer_free(in, ret, wait, 0);
        ret->due_ms = due_ms;
    }
    mark_rest(cursor, ret);
}

void pv_decide_start(const struct pv_decide_in *in, bool clean, struct pv_cursor *cursor,
                     struct pv_decision *ret)
{
    begin(ret);
    ret->tries = in->tries;
    if (in->plan->step_count > 0 && !clean && cursor->kind == PV_CALL_RUN && !cursor->undoing) {
        cursor->last_send_ms = in->now_ms; /* at the latest */
        unknown(in, cursor, ret);
        if (ret->next == PV_NEXT_PARK) {
            mark_rest(cursor, ret);
            return;
        }
    }
    uint32_t tries = in->tries;
    go_on(in, cursor, ret);
    if (ret->next == PV_NEXT_HOLD) {
        ret->tries = tries > 0 ? tries : 1;
    }
    mark_rest(cursor, ret);
}

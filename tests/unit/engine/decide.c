/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes to decisions, as tables: operation, marks and outcome in; what comes next out. */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/engine/decide.h"

#include <string.h>

#define NOW 1700000000000
#define DEADLINE (NOW + 86400000)

/* Two components: site (first, second, third), dns (add). Flags are set by each row for `first`. */
static struct pv_plan_component components[] = {
    {.name = {"site", 4}, .instance = {"panel", 5}, .retry = {1000, 60000, 2}},
    {.name = {"dns", 3}, .instance = {"pdns", 4}, .retry = {60000, 60000, 1}},
};

struct setting {
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_cursor cursor;
    struct pv_decide_in in;
    struct pv_seeded seed;
    struct pv_rng rng;
};

static void set(struct setting *s, int type, uint8_t flags, const char *marks, size_t step,
                uint8_t kind)
{
    memset(s, 0, sizeof(*s));
    s->steps[0] = (struct pv_plan_step){.name = PV_STR("first"), .flags = flags, .settle_ms = 5000};
    s->steps[1] = (struct pv_plan_step){.name = PV_STR("second"), .flags = PV_STEP_UNDO};
    s->steps[2] = (struct pv_plan_step){.component = 1, .name = PV_STR("add")};
    s->plan = (struct pv_plan){
        .components = components, .component_count = 2, .steps = s->steps, .step_count = 3};
    pv_cursor_init(&s->cursor, 3);
    memcpy(s->cursor.marks, marks, 3);
    s->cursor.step = (uint16_t)step;
    s->cursor.kind = kind;
    s->seed.state = 42;
    s->rng = pv_rng_seeded(&s->seed);
    s->in = (struct pv_decide_in){.plan = &s->plan,
                                  .rng = &s->rng,
                                  .type = type,
                                  .observed = PV_SVC_ACTIVE,
                                  .tries = 1,
                                  .now_ms = NOW,
                                  .deadline_ms = DEADLINE,
                                  .touched = true,
                                  .retry_after_ms = -1,
                                  .text = PV_STR("because")};
}

#define LOOK (PV_STEP_UNDO | PV_STEP_LOOKUP | PV_STEP_POLL)
#define REP PV_STEP_REPEATABLE

struct row {
    const char *name;
    int type;
    uint8_t flags;
    const char *marks;
    size_t step;
    uint8_t kind;
    int code;
    /* expected */
    enum pv_next next;
    int wait;
    const char *after;
    size_t at;
    uint8_t kind_after;
    enum pv_health health;
};

static const struct row rows[] = {
    {"ok goes on", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_OK, PV_NEXT_HOLD, 0, "d..", 1,
     PV_CALL_RUN, PV_HEALTH_GOOD},
    {"the last ok finishes", PV_OP_CREATE, LOOK, "dd.", 2, PV_CALL_RUN, PV_OUT_OK, PV_NEXT_FINISH,
     0, "ddd", 2, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"pending polls", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_PENDING, PV_NEXT_DEFER,
     PV_WAIT_POLL, "u..", 0, PV_CALL_POLL, PV_HEALTH_GOOD},
    {"pending without a poll runs again", PV_OP_CREATE, REP, "...", 0, PV_CALL_RUN, PV_OUT_PENDING,
     PV_NEXT_DEFER, PV_WAIT_POLL, "u..", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"temporary retries", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_TEMPORARY,
     PV_NEXT_DEFER, PV_WAIT_RETRY, "...", 0, PV_CALL_RUN, PV_HEALTH_FAILURE},
    {"a temporary poll is polled again", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_POLL,
     PV_OUT_TEMPORARY, PV_NEXT_DEFER, PV_WAIT_RETRY, "...", 0, PV_CALL_POLL, PV_HEALTH_FAILURE},
    {"an unknown poll is polled again", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_POLL, PV_OUT_UNKNOWN,
     PV_NEXT_DEFER, PV_WAIT_RETRY, "...", 0, PV_CALL_POLL, PV_HEALTH_FAILURE},
    {"a fault waits for the breaker", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN,
     PV_OUT_INSTANCE_FAULT, PV_NEXT_DEFER, PV_WAIT_BREAKER, "...", 0, PV_CALL_RUN, PV_HEALTH_FAULT},
    {"permanent undoes a create", PV_OP_CREATE, LOOK, "d..", 1, PV_CALL_RUN, PV_OUT_PERMANENT,
     PV_NEXT_HOLD, 0, "df.", 0, PV_CALL_UNDO, PV_HEALTH_GOOD},
    {"permanent at the first ends a create", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN,
     PV_OUT_PERMANENT, PV_NEXT_FINISH, 0, "f..", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"what was begun is undone too", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_POLL, PV_OUT_PERMANENT,
     PV_NEXT_HOLD, 0, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_GOOD},
    {"permanent undoes an action", PV_OP_ACTION, LOOK, "d..", 1, PV_CALL_RUN, PV_OUT_PERMANENT,
     PV_NEXT_HOLD, 0, "df.", 0, PV_CALL_UNDO, PV_HEALTH_GOOD},
    {"permanent at the first ends an action", PV_OP_ACTION, REP, "...", 0, PV_CALL_RUN,
     PV_OUT_PERMANENT, PV_NEXT_FINISH, 0, "f..", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"and undone when it then fails", PV_OP_CREATE, REP | PV_STEP_UNDO, "u..", 0, PV_CALL_RUN,
     PV_OUT_PERMANENT, PV_NEXT_HOLD, 0, "u..", 0, PV_CALL_UNDO, PV_HEALTH_GOOD},
    {"permanent parks an unsuspend", PV_OP_UNSUSPEND, REP, "...", 0, PV_CALL_RUN, PV_OUT_PERMANENT,
     PV_NEXT_PARK, 0, "f..", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"a suspend attempts the other component", PV_OP_SUSPEND, REP, "...", 0, PV_CALL_RUN,
     PV_OUT_PERMANENT, PV_NEXT_HOLD, 0, "fb.", 2, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"then it parks", PV_OP_SUSPEND, REP, "fb.", 2, PV_CALL_RUN, PV_OUT_OK, PV_NEXT_PARK, 0, "fbd",
     2, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"a suspend leaves what is down for later", PV_OP_SUSPEND, REP, "...", 0, PV_CALL_RUN,
     PV_OUT_TEMPORARY, PV_NEXT_HOLD, 0, "t..", 2, PV_CALL_RUN, PV_HEALTH_FAILURE},
    {"then comes back to it", PV_OP_SUSPEND, REP, "t..", 2, PV_CALL_RUN, PV_OUT_OK, PV_NEXT_DEFER,
     PV_WAIT_RETRY, "..d", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"a terminate whose instance is at fault tries the rest", PV_OP_TERMINATE, REP, "...", 0,
     PV_CALL_RUN, PV_OUT_INSTANCE_FAULT, PV_NEXT_HOLD, 0, "t..", 2, PV_CALL_RUN, PV_HEALTH_FAULT},
    {"unknown is looked up", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_UNKNOWN,
     PV_NEXT_HOLD, 0, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_FAILURE},
    {"unknown and repeatable is repeated", PV_OP_CREATE, REP, "...", 0, PV_CALL_RUN, PV_OUT_UNKNOWN,
     PV_NEXT_DEFER, PV_WAIT_RETRY, "u..", 0, PV_CALL_RUN, PV_HEALTH_FAILURE},
    {"unknown and neither parks", PV_OP_CREATE, 0, "...", 0, PV_CALL_RUN, PV_OUT_UNKNOWN,
     PV_NEXT_PARK, 0, "u..", 0, PV_CALL_RUN, PV_HEALTH_FAILURE},
    {"absent is no answer of a run", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_ABSENT,
     PV_NEXT_HOLD, 0, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_GOOD},
    {"a step that is gone parks", PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN, PV_OUT_NO_STEP,
     PV_NEXT_PARK, 0, "...", 0, PV_CALL_RUN, PV_HEALTH_NONE},
    {"found", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP, PV_OUT_OK, PV_NEXT_HOLD, 0, "d..", 1,
     PV_CALL_RUN, PV_HEALTH_GOOD},
    {"absent runs again", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP, PV_OUT_ABSENT, PV_NEXT_HOLD,
     0, "...", 0, PV_CALL_RUN, PV_HEALTH_GOOD},
    {"in progress waits", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP, PV_OUT_IN_PROGRESS,
     PV_NEXT_DEFER, PV_WAIT_POLL, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_GOOD},
    {"found and pending is polled", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP, PV_OUT_PENDING,
     PV_NEXT_DEFER, PV_WAIT_POLL, "u..", 0, PV_CALL_POLL, PV_HEALTH_GOOD},
    {"without a poll it is looked up again", PV_OP_CREATE, PV_STEP_LOOKUP, "u..", 0, PV_CALL_LOOKUP,
     PV_OUT_PENDING, PV_NEXT_DEFER, PV_WAIT_POLL, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_GOOD},
    {"a look-up that fails is repeated", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP,
     PV_OUT_TEMPORARY, PV_NEXT_DEFER, PV_WAIT_RETRY, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_FAILURE},
    {"a look-up that cannot be parks", PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP,
     PV_OUT_PERMANENT, PV_NEXT_PARK, 0, "u..", 0, PV_CALL_LOOKUP, PV_HEALTH_GOOD},
};

static void outcomes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_COUNT(rows); i++) {
        const struct row *row = &rows[i];
        struct setting s;
        struct pv_decision d;
        set(&s, row->type, row->flags, row->marks, row->step, row->kind);
        s.in.code = row->code;
        pv_decide_outcome(&s.in, &s.cursor, &d);
        if (d.next != row->next || d.wait != row->wait || d.health != row->health ||
            memcmp(s.cursor.marks, row->after, 3) != 0 || s.cursor.step != row->at ||
            s.cursor.kind != row->kind_after) {
            fail_msg("%s: next %d wait %d marks %.3s at %d kind %d health %d", row->name, d.next,
                     d.wait, s.cursor.marks, s.cursor.step, s.cursor.kind, d.health);
        }
        if (d.next == PV_NEXT_PARK && !d.reason[0]) {
            fail_msg("%s: parked without a reason", row->name);
        }
        bool rests = d.next == PV_NEXT_DEFER || d.next == PV_NEXT_PARK;
        assert_int_equal(s.cursor.rested_tries, rests ? d.tries : PV_NO_TRIES);
    }
}

static void what_is_found_pending_is_undone_at_once(void **state)
{
    (void)state;
    for (int undoing = 0; undoing < 2; undoing++) {
        struct setting s;
        struct pv_decision d;
        set(&s, PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP);
        s.cursor.undoing = undoing;
        s.in.intent = undoing ? PV_INTENT_NONE : PV_INTENT_CANCEL;
        s.in.code = PV_OUT_PENDING;
        pv_decide_outcome(&s.in, &s.cursor, &d);
        assert_true(s.cursor.undoing);
        assert_int_equal(s.cursor.kind, PV_CALL_UNDO);
        assert_int_equal(s.cursor.marks[0], PV_MARK_DONE);
        assert_int_equal(d.next, PV_NEXT_HOLD);
    }
}

static void waiting_uses_no_attempt(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    s.in.tries = 4;
    s.in.code = PV_OUT_PENDING;
    s.in.retry_after_ms = 2000;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.tries, 3); /* the claim adds it again */
    assert_true(d.due_ms == NOW + 2000);
    s.in.code = PV_OUT_TEMPORARY;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.tries, 4);
}

static void pending_on_a_signal_has_no_hour(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    s.in.code = PV_OUT_PENDING;
    s.in.retry_after_ms = 0;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.wait, PV_WAIT_SIGNAL);
    assert_true(d.due_ms == DEADLINE);
    s.in.deadline_ms = 0;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_true(d.due_ms == PV_NEVER);
}

static void backoff_is_capped_and_jittered(void **state)
{
    (void)state;
    struct setting s;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    int64_t greatest[12] = {0};
    for (int round = 0; round < 400; round++) {
        for (uint32_t tries = 1; tries < 12; tries++) {
            int64_t wait = pv_retry_backoff(&components[0].retry, &s.rng, tries);
            int64_t most = 1000LL << (tries - 1);
            assert_true(wait >= 0 && wait <= (most > 60000 ? 60000 : most));
            greatest[tries] = wait > greatest[tries] ? wait : greatest[tries];
        }
    }
    assert_true(greatest[1] > 800);
    assert_true(greatest[11] > 50000);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    s.in.code = PV_OUT_TEMPORARY;
    s.in.retry_after_ms = 3000000;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_true(d.due_ms == NOW + 3000000);
}

static void at_the_deadline_it_parks(void **state)
{
    (void)state;
    static const int codes[] = {PV_OUT_TEMPORARY, PV_OUT_PENDING, PV_OUT_INSTANCE_FAULT};
    for (size_t i = 0; i < PV_COUNT(codes); i++) {
        struct setting s;
        struct pv_decision d;
        set(&s, PV_OP_CREATE, LOOK, "d..", 1, PV_CALL_RUN);
        s.in.code = codes[i];
        s.in.now_ms = DEADLINE;
        pv_decide_outcome(&s.in, &s.cursor, &d);
        assert_int_equal(d.next, PV_NEXT_PARK); /* and is not undone: it has been paid for */
        assert_int_equal(s.cursor.marks[0], PV_MARK_DONE);
        assert_false(s.cursor.undoing);
        set(&s, PV_OP_CREATE, LOOK, "d..", 1, PV_CALL_RUN);
        s.in.code = codes[i];
        s.in.now_ms = DEADLINE - 1;
        pv_decide_outcome(&s.in, &s.cursor, &d);
        assert_int_equal(d.next, PV_NEXT_DEFER);
        assert_true(d.due_ms <= DEADLINE);
    }
}

static void a_suspend_at_its_deadline_parks_with_a_list(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_SUSPEND, REP, "t..", 2, PV_CALL_RUN);
    s.in.code = PV_OUT_OK;
    s.in.now_ms = DEADLINE;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_PARK);
    assert_non_null(strstr(d.reason, "site.first"));
}

static void absent_is_believed_only_when_it_has_settled(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP);
    s.in.code = PV_OUT_ABSENT;
    s.cursor.last_send_ms = NOW - 4999;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_int_equal(d.wait, PV_WAIT_SETTLE);
    assert_true(d.due_ms == NOW + 1);
    assert_int_equal(s.cursor.kind, PV_CALL_LOOKUP);
    s.cursor.last_send_ms = NOW - 5000;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_RUN);
}

static void unknown_and_absent_in_turn_slow_down(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "u..", 0, PV_CALL_LOOKUP);
    s.in.code = PV_OUT_ABSENT;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD); /* the first time it is simply run again */
    assert_int_equal(d.tries, 2);
    s.in.tries = 2;
    s.cursor.kind = PV_CALL_LOOKUP;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_int_equal(d.wait, PV_WAIT_RETRY);
    assert_true(d.due_ms > NOW);
    assert_int_equal(s.cursor.kind, PV_CALL_RUN);
}

static void hold_keeps_what_is_there(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "d..", 1, PV_CALL_RUN);
    s.plan.hold = true;
    s.in.code = PV_OUT_PERMANENT;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_PARK);
    assert_memory_equal(s.cursor.marks, "df.", 3);
    /* Then an operator has it undone. */
    s.in.intent = PV_INTENT_UNDO;
    pv_decide_start(&s.in, true, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_UNDO);
    assert_int_equal(s.cursor.end_state, PV_OPS_FAILED);
}

static void undo_runs_to_its_end(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "ddf", 1, PV_CALL_UNDO);
    pv_cursor_turn_back(&s.cursor, PV_OPS_FAILED);
    s.in.code = PV_OUT_TEMPORARY;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.wait, PV_WAIT_RETRY);
    s.in.code = PV_OUT_UNKNOWN;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.wait, PV_WAIT_RETRY);
    s.in.code = PV_OUT_ABSENT;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.step, 0);
    s.in.code = PV_OUT_OK;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_FINISH);
    assert_int_equal(d.op_state, PV_OPS_FAILED);
    assert_int_equal(d.observed, PV_SVC_FAILED);
    assert_false(d.residue);
    assert_true(d.undone);
    assert_int_equal(d.undone_run, 1);
    assert_int_equal(s.cursor.run, 2);
    /* What cannot be undone is parked. */
    set(&s, PV_OP_CREATE, LOOK, "ddf", 1, PV_CALL_UNDO);
    pv_cursor_turn_back(&s.cursor, PV_OPS_FAILED);
    s.in.code = PV_OUT_PERMANENT;
    pv_decide_outcome(&s.in, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_PARK);
}

static void a_terminate_turns_a_create_back(void **state)
{
    (void)state;
    static const int codes[] = {PV_OUT_OK, PV_OUT_TEMPORARY, PV_OUT_UNKNOWN, PV_OUT_PERMANENT};
    static const char *const after[] = {"dd.", "d..", "du.", "df."};
    for (size_t i = 0; i < PV_COUNT(codes); i++) {
        struct setting s;
        struct pv_decision d;
        set(&s, PV_OP_CREATE, LOOK, "d..", 1, PV_CALL_RUN);
        s.in.intent = PV_INTENT_SUPERSEDE;
        s.in.code = codes[i];
        pv_decide_outcome(&s.in, &s.cursor, &d);
        assert_int_equal(d.next, PV_NEXT_HOLD);
        assert_true(s.cursor.undoing);
        assert_int_equal(s.cursor.end_state, PV_OPS_SUPERSEDED);
        assert_memory_equal(s.cursor.marks, after[i], 3);
    }
}

static void a_claim_that_was_lost_is_unknown(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    pv_decide_start(&s.in, true, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_RUN);
    pv_decide_start(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_LOOKUP);
    assert_true(s.cursor.last_send_ms == NOW);
    set(&s, PV_OP_CREATE, REP, "...", 0, PV_CALL_RUN);
    pv_decide_start(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_RUN);
    set(&s, PV_OP_CREATE, 0, "...", 0, PV_CALL_RUN);
    pv_decide_start(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_PARK);
    /* Polls, look-ups and undos may be repeated. */
    set(&s, PV_OP_CREATE, 0, "...", 0, PV_CALL_POLL);
    pv_decide_start(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.kind, PV_CALL_POLL);
}

static void lost_hosts(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    /* Untouched and innocent: run again, no attempt used. */
    set(&s, PV_OP_CREATE, 0, "...", 0, PV_CALL_RUN);
    s.in.touched = false;
    pv_decide_lost(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_int_equal(d.tries, 0);
    assert_int_equal(s.cursor.crashes, 0);
    /* Touched and neither repeatable nor to be looked up: parked. */
    s.in.touched = true;
    pv_decide_lost(&s.in, false, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_PARK);
    /* The culprit is tried again, and parked the third time. */
    set(&s, PV_OP_CREATE, 0, "...", 0, PV_CALL_RUN);
    s.in.touched = false;
    for (int crash = 1; crash <= 3; crash++) {
        pv_decide_lost(&s.in, true, &s.cursor, &d);
        assert_int_equal(s.cursor.crashes, crash);
        assert_int_equal(d.next, crash < 3 ? PV_NEXT_DEFER : PV_NEXT_PARK);
    }
    assert_non_null(strstr(d.reason, "three times"));
}

static void an_empty_plan_is_done(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_TERMINATE, 0, "...", 0, PV_CALL_RUN);
    s.plan.step_count = 0;
    pv_cursor_init(&s.cursor, 0);
    pv_decide_start(&s.in, true, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_FINISH);
    assert_int_equal(d.op_state, PV_OPS_DONE);
    assert_int_equal(d.observed, PV_SVC_TERMINATED);
}

static void an_instance_that_is_not_there(void **state)
{
    (void)state;
    struct setting s;
    struct pv_decision d;
    set(&s, PV_OP_CREATE, LOOK, "...", 0, PV_CALL_RUN);
    pv_decide_unavailable(&s.in, PV_WAIT_PAUSED, NOW, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_int_equal(d.wait, PV_WAIT_PAUSED);
    assert_int_equal(d.tries, 0);
    set(&s, PV_OP_TERMINATE, REP, "...", 0, PV_CALL_RUN);
    pv_decide_unavailable(&s.in, PV_WAIT_BREAKER, NOW + 9, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_HOLD);
    assert_int_equal(s.cursor.step, 2);
    /* Nothing else is left to be attempted: it waits for the instance, without a back-off. */
    set(&s, PV_OP_TERMINATE, REP, "..d", 0, PV_CALL_RUN);
    pv_decide_unavailable(&s.in, PV_WAIT_PAUSED, NOW, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_int_equal(d.wait, PV_WAIT_PAUSED);
    assert_true(d.due_ms == NOW);
    assert_int_equal(d.tries, 0);
    assert_memory_equal(s.cursor.marks, "..d", 3);
    set(&s, PV_OP_TERMINATE, REP, "...", 0, PV_CALL_RUN);
    pv_decide_unavailable(&s.in, PV_WAIT_CAPACITY, NOW + 9, &s.cursor, &d);
    assert_int_equal(d.next, PV_NEXT_DEFER);
    assert_true(d.due_ms == NOW + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes),
        cmocka_unit_test(what_is_found_pending_is_undone_at_once),
        cmocka_unit_test(waiting_uses_no_attempt),
        cmocka_unit_test(pending_on_a_signal_has_no_hour),
        cmocka_unit_test(backoff_is_capped_and_jittered),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(at_the_deadline_it_parks),
        cmocka_unit_test(a_suspend_at_its_deadline_parks_with_a_list),
        cmocka_unit_test(absent_is_believed_only_when_it_has_settled),
        cmocka_unit_test(unknown_and_absent_in_turn_slow_down),
        cmocka_unit_test(hold_keeps_what_is_there),
        cmocka_unit_test(undo_runs_to_its_end),
        cmocka_unit_test(a_terminate_turns_a_create_back),
        cmocka_unit_test(a_claim_that_was_lost_is_unknown),
        cmocka_unit_test(lost_hosts),
        cmocka_unit_test(an_empty_plan_is_done),
        cmocka_unit_test(an_instance_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

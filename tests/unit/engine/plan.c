/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and cursors: order, encoding, damaged bytes, failing allocations. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/engine/cursor.h"

#include <string.h>

static struct pv_plan_component components[] = {
    {.name = {"site", 4}, .instance = {"panel", 5}, .values = {"{\"memory\":1}", 12}},
    {.name = {"dns", 3}, .instance = {"pdns", 4}, .previous = {"{}", 2}, .retry = {2, 3, 4}},
};

static void fill(struct pv_plan *plan, struct pv_plan_step *steps)
{
    steps[0] = (struct pv_plan_step){.component = 0, .name = PV_STR("a"), .flags = PV_STEP_UNDO};
    steps[1] = (struct pv_plan_step){
        .component = 0, .name = PV_STR("b"), .flags = PV_STEP_UNDO | PV_STEP_LOOKUP};
    steps[2] = (struct pv_plan_step){.component = 1, .name = PV_STR("c"), .timeout_ms = 7};
    *plan = (struct pv_plan){.components = components,
                             .component_count = 2,
                             .steps = steps,
                             .step_count = 3,
                             .deadline_ms = 1,
                             .hold = true,
                             .common = PV_STR("\"a\":1"),
                             .quotas = PV_STR("zones=3,backups=12,bad=x")};
}

static void encoding_goes_both_ways(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_buf bytes;
    struct pv_arena arena;
    fill(&plan, steps);
    pv_buf_init(&bytes, 4096);
    pv_arena_init(&arena);
    assert_int_equal(pv_plan_encode(&plan, &bytes), 0);
    struct pv_plan back = {0};
    assert_int_equal(pv_plan_decode(pv_buf_view(&bytes), &arena, &back), 0);
    assert_int_equal(back.component_count, 2);
    assert_true(pv_str_eq_c(back.components[0].values, "{\"memory\":1}"));
    assert_true(pv_str_eq_c(back.components[1].previous, "{}"));
    assert_int_equal(back.steps[1].flags, PV_STEP_UNDO | PV_STEP_LOOKUP);
    assert_int_equal(back.steps[2].timeout_ms, 7);
    assert_int_equal(back.components[0].retry.factor, 0);
    assert_int_equal(back.components[1].retry.initial_ms, 2);
    assert_int_equal(back.components[1].retry.cap_ms, 3);
    assert_int_equal(back.components[1].retry.factor, 4);
    assert_true(back.hold);
    assert_true(pv_str_eq_c(back.common, "\"a\":1"));
    assert_int_equal(pv_plan_quota(&back, PV_STR("backups")), 12);
    assert_int_equal(pv_plan_quota(&back, PV_STR("zones")), 3);
    assert_int_equal(pv_plan_quota(&back, PV_STR("bad")), -1);
    assert_int_equal(pv_plan_quota(&back, PV_STR("one")), -1);
    pv_arena_done(&arena);
    pv_buf_done(&bytes);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_buf bytes;
    fill(&plan, steps);
    pv_buf_init(&bytes, 4096);
    assert_int_equal(pv_plan_encode(&plan, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        struct pv_arena arena;
        struct pv_plan back = {0};
        pv_arena_init(&arena);
        assert_int_equal(pv_plan_decode((struct pv_str){bytes.ptr, len}, &arena, &back),
                         PV_ESYNTAX);
        pv_arena_done(&arena);
    }
    pv_buf_done(&bytes);
}

static void a_failing_allocation_is_reported(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_buf bytes;
    fill(&plan, steps);
    pv_buf_init(&bytes, 4096);
    assert_int_equal(pv_plan_encode(&plan, &bytes), 0);
    int status = PV_ENOMEM;
    unsigned long n = 1;
    for (; status == PV_ENOMEM; n++) {
        struct pv_arena arena;
        struct pv_plan back = {0};
        pv_arena_init(&arena);
        pv_alloc_fail_at(n, 1);
        status = pv_plan_decode(pv_buf_view(&bytes), &arena, &back);
        pv_alloc_fail_at(0, 0);
        pv_arena_done(&arena);
    }
    assert_int_equal(status, 0);
    assert_true(n > 2);
    pv_buf_done(&bytes);
}

static void terminate_runs_components_in_reverse(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    fill(&plan, steps);
    pv_plan_order(&plan, PV_OP_SUSPEND);
    assert_true(pv_str_eq_c(plan.steps[0].name, "a"));
    pv_plan_order(&plan, PV_OP_TERMINATE);
    assert_true(pv_str_eq_c(plan.steps[0].name, "c"));
    assert_true(pv_str_eq_c(plan.steps[1].name, "a"));
    assert_true(pv_str_eq_c(plan.steps[2].name, "b"));
}

static void cursor_walks_forward_and_back(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_cursor c;
    fill(&plan, steps);
    pv_cursor_init(&c, 3);
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.step, 0);
    c.marks[0] = PV_MARK_DONE;
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.step, 1);
    c.marks[1] = PV_MARK_UNKNOWN;
    c.marks[2] = PV_MARK_DONE;
    pv_cursor_turn_back(&c, PV_OPS_FAILED);
    /* c has no undo; b is unknown and is looked up before it is undone. */
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.step, 1);
    assert_int_equal(c.kind, PV_CALL_LOOKUP);
    assert_int_equal(c.marks[2], PV_MARK_UNDONE);
    c.marks[1] = PV_MARK_DONE;
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.kind, PV_CALL_UNDO);
    c.marks[1] = PV_MARK_UNDONE;
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.step, 0);
    assert_int_equal(c.kind, PV_CALL_UNDO);
    c.marks[0] = PV_MARK_UNDONE;
    assert_false(pv_cursor_next(&c, &plan));
}

static void a_component_put_off_is_passed_over_whole(void **state)
{
    (void)state;
    struct pv_plan plan;
    struct pv_plan_step steps[3];
    struct pv_cursor c;
    fill(&plan, steps);
    pv_cursor_init(&c, 3);
    c.marks[0] = PV_MARK_LATER;
    assert_true(pv_cursor_next(&c, &plan));
    assert_int_equal(c.step, 2);
}

static void cursor_encoding(void **state)
{
    (void)state;
    struct pv_cursor c;
    struct pv_buf bytes;
    pv_cursor_init(&c, 3);
    c.run = 9;
    c.undoing = true;
    c.kind = PV_CALL_UNDO;
    c.step = 2;
    c.crashes = 2;
    c.end_state = PV_OPS_SUPERSEDED;
    c.passes = 4;
    c.last_send_ms = 1700000000000;
    c.rested_tries = 5;
    memcpy(c.marks, "dux", 3);
    pv_buf_init(&bytes, 1024);
    assert_int_equal(pv_cursor_encode(&c, &bytes), 0);
    struct pv_cursor back;
    assert_int_equal(pv_cursor_decode(pv_buf_view(&bytes), &back), 0);
    assert_int_equal(back.run, 9);
    assert_true(back.undoing);
    assert_int_equal(back.step, 2);
    assert_int_equal(back.end_state, PV_OPS_SUPERSEDED);
    assert_true(back.last_send_ms == c.last_send_ms);
    assert_int_equal(back.rested_tries, 5);
    assert_memory_equal(back.marks, "dux", 3);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(pv_cursor_decode((struct pv_str){bytes.ptr, len}, &back), PV_ESYNTAX);
    }
    pv_buf_clear(&bytes);
    c.step = 3; /* behind the last */
    assert_int_equal(pv_cursor_encode(&c, &bytes), 0);
    assert_int_equal(pv_cursor_decode(pv_buf_view(&bytes), &back), PV_ESYNTAX);
    pv_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_goes_both_ways),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_failing_allocation_is_reported),
        cmocka_unit_test(terminate_runs_components_in_reverse),
        cmocka_unit_test(cursor_walks_forward_and_back),
        cmocka_unit_test(a_component_put_off_is_passed_over_whole),
        cmocka_unit_test(cursor_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

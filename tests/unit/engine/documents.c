/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the state document that comes with an outcome. */
#include "tests/unit/engine/life.h"

#define BEFORE "{\"vm\":1}"
#define AFTER "{\"vm\":1,\"task\":2}"

static void answer_doc(struct world_call *call, int code, struct pv_str doc)
{
    const struct pv_wire_outcome outcome = {.code = (uint8_t)code,
                                            .touched = 1,
                                            .state_changed = 1,
                                            .retry_after_ms = 1000,
                                            .state = doc};
    world_answer_with(&w, call, &outcome);
}

static void expect_doc(const char *json)
{
    struct pv_get row;
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_int_equal(row.ret_doc_count, 1);
    assert_true(pv_str_eq_c(row.ret_docs[0].json, json));
    pv_req_done(&row.req);
}

/* What the plugin knows when a call ends is what the next call of it starts from, however it ended:
 * a lookup finds by it, an undo takes back by it. */
static void every_outcome_of_a_plugin_keeps_it(void **state)
{
    static const struct {
        int code;
        const char *next; /* step and kind of the call that comes then */
    } outcomes[] = {
        {PV_OUT_OK, "site.start 0"},           {PV_OUT_PENDING, "site.clone 1"},
        {PV_OUT_TEMPORARY, "site.clone 0"},    {PV_OUT_INSTANCE_FAULT, "site.clone 0"},
        {PV_OUT_PERMANENT, "site.allocate 3"}, {PV_OUT_UNKNOWN, "site.clone 2"},
        {PV_OUT_CANCELED, "site.clone 2"},
    };
    for (size_t i = 0; i < PV_COUNT(outcomes); i++) {
        if (i > 0) {
            close_world(state);
            open_world(state);
        }
        create("1", "two");
        answer_doc(world_find(&w, "site", "allocate"), PV_OUT_OK, PV_STR(BEFORE));
        expect_doc(BEFORE);
        answer_doc(world_find(&w, "site", "clone"), outcomes[i].code, PV_STR(AFTER));
        expect_doc(AFTER);
        if (world_open_calls(&w) == 0) {
            world_run(&w, 600000);
        }
        assert_string_equal(w.last_started, outcomes[i].next);
        assert_string_equal(world_only(&w)->state, AFTER);
    }
}

/* The host answers in the place of a plugin that was not asked. */
static void what_no_plugin_said_changes_nothing(void **state)
{
    (void)state;
    size_t op = create("1", "two");
    answer_doc(world_find(&w, "site", "allocate"), PV_OUT_OK, PV_STR(BEFORE));
    answer_doc(world_find(&w, "site", "clone"), PV_OUT_NO_STEP, PV_STR(AFTER));
    expect_doc(BEFORE);
    assert_int_equal(world_op_state(&w, op), PV_OPS_NEEDS_OPERATOR);
}

/* Nor what is no outcome: it counts as unknown, and what came with it as unsaid. */
static void what_is_no_outcome_changes_nothing(void **state)
{
    (void)state;
    create("1", "two");
    answer_doc(world_find(&w, "site", "allocate"), PV_OUT_OK, PV_STR(BEFORE));
    answer_doc(world_find(&w, "site", "clone"), PV_OUT_NO_STEP + 1, PV_STR(AFTER));
    expect_doc(BEFORE);
    world_run(&w, 600000);
    assert_string_equal(w.last_started, "site.clone 2");
    assert_string_equal(world_only(&w)->state, BEFORE);
}

/* More than is kept cannot be what the next call starts from: nobody knows then what was done. And
 * it holds up neither this operation nor another. */
static void one_that_is_too_long_is_an_answer_lost(void **state)
{
    (void)state;
    static char doc[PV_MAX_STATE_DOC + 1];
    memset(doc, ' ', sizeof(doc));
    doc[0] = '{';
    doc[sizeof(doc) - 1] = '}';
    create("1", "two");
    answer_doc(world_find(&w, "site", "allocate"), PV_OUT_OK, PV_STR(BEFORE));
    answer_doc(world_find(&w, "site", "clone"), PV_OUT_OK, (struct pv_str){doc, sizeof(doc)});
    expect_doc(BEFORE);
    if (world_open_calls(&w) == 0) {
        world_run(&w, 600000);
    }
    assert_string_equal(w.last_started, "site.clone 2");
    assert_string_equal(world_only(&w)->state, BEFORE);
    size_t other = create("2", "one");
    world_answer(&w, world_find(&w, "site", "make"), PV_OUT_OK);
    assert_int_equal(world_op_state(&w, other), PV_OPS_DONE);
    answer_doc(world_only(&w), PV_OUT_OK, (struct pv_str){doc, sizeof(doc) - 1});
    struct pv_get row;
    assert_int_equal(world_get_service(&w, "1", &row), 0);
    assert_int_equal(row.ret_docs[0].json.len, PV_MAX_STATE_DOC);
    pv_req_done(&row.req);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_outcome_of_a_plugin_keeps_it),
        T(what_no_plugin_said_changes_nothing),
        T(what_is_no_outcome_changes_nothing),
        T(one_that_is_too_long_is_an_answer_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

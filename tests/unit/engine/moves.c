/* SPDX-License-Identifier: Apache-2.0 */
/* Legal moves and the rules of a service's queue. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/engine/cursor.h"
#include "core/engine/rules.h"

#include <string.h>

static void table(void **state)
{
    (void)state;
    static const struct {
        int type;
        int from;
        bool residue;
        enum pv_judgement judgement;
        int next;
    } rows[] = {
        {PV_OP_CREATE, PV_SVC_NONE, false, PV_MOVE_RUN, PV_SVC_ACTIVE},
        {PV_OP_CREATE, PV_SVC_ACTIVE, false, PV_MOVE_ILLEGAL, PV_SVC_ACTIVE},
        {PV_OP_CREATE, PV_SVC_TERMINATED, false, PV_MOVE_RUN, PV_SVC_ACTIVE},
        {PV_OP_CREATE, PV_SVC_FAILED, false, PV_MOVE_RUN, PV_SVC_ACTIVE},
        {PV_OP_CREATE, PV_SVC_FAILED, true, PV_MOVE_ILLEGAL, PV_SVC_FAILED},
        {PV_OP_SUSPEND, PV_SVC_NONE, false, PV_MOVE_ILLEGAL, PV_SVC_NONE},
        {PV_OP_SUSPEND, PV_SVC_ACTIVE, false, PV_MOVE_RUN, PV_SVC_SUSPENDED},
        {PV_OP_SUSPEND, PV_SVC_SUSPENDED, false, PV_MOVE_NOOP, PV_SVC_SUSPENDED},
        {PV_OP_SUSPEND, PV_SVC_SUSPENDED, true, PV_MOVE_RUN, PV_SVC_SUSPENDED},
        {PV_OP_UNSUSPEND, PV_SVC_ACTIVE, false, PV_MOVE_NOOP, PV_SVC_ACTIVE},
        {PV_OP_UNSUSPEND, PV_SVC_ACTIVE, true, PV_MOVE_RUN, PV_SVC_ACTIVE},
        {PV_OP_TERMINATE, PV_SVC_NONE, false, PV_MOVE_ILLEGAL, PV_SVC_NONE},
        {PV_OP_TERMINATE, PV_SVC_FAILED, true, PV_MOVE_RUN, PV_SVC_TERMINATED},
        {PV_OP_TERMINATE, PV_SVC_TERMINATED, false, PV_MOVE_NOOP, PV_SVC_TERMINATED},
        {PV_OP_UPGRADE, PV_SVC_SUSPENDED, false, PV_MOVE_RUN, PV_SVC_SUSPENDED},
        {PV_OP_RENEW, PV_SVC_TERMINATED, false, PV_MOVE_ILLEGAL, PV_SVC_TERMINATED},
        {PV_OP_ACTION, PV_SVC_SUSPENDED, false, PV_MOVE_ILLEGAL, PV_SVC_SUSPENDED},
        {PV_OP_ACTION, PV_SVC_PENDING, false, PV_MOVE_RUN, PV_SVC_ACTIVE},
        {0, PV_SVC_ACTIVE, false, PV_MOVE_ILLEGAL, PV_SVC_NONE},
        {PV_OP_RENEW, 99, false, PV_MOVE_ILLEGAL, PV_SVC_NONE},
    };
    for (size_t i = 0; i < PV_COUNT(rows); i++) {
        struct pv_move move = pv_move_judge(rows[i].type, rows[i].from, rows[i].residue);
        assert_int_equal(move.judgement, rows[i].judgement);
        assert_int_equal(move.next, rows[i].next);
    }
}

static void printed_table_names_every_state(void **state)
{
    (void)state;
    struct pv_buf out;
    pv_buf_init(&out, 8192);
    assert_int_equal(pv_moves_print(&out), 0);
    for (int s = 0; s < PV_SVC_STATES; s++) {
        assert_non_null(strstr(out.ptr, pv_svc_state_name(s)));
    }
    assert_non_null(strstr(out.ptr, "| suspended | refused | nothing to do | → active |"));
    pv_buf_done(&out);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int type = 1; type <= PV_OP_TYPES; type++) {
        int back = 0;
        assert_int_equal(pv_op_type_parse(pv_str(pv_op_type_name(type)), &back), 0);
        assert_int_equal(back, type);
    }
    for (int verb = PV_VERB_RETRY; verb <= PV_VERB_ABANDON; verb++) {
        int back = 0;
        assert_int_equal(pv_verb_parse(pv_str(pv_verb_name(verb)), &back), 0);
        assert_int_equal(back, verb);
    }
    int ignored = 0;
    assert_int_equal(pv_op_type_parse(PV_STR("destroy"), &ignored), PV_EINVAL);
    assert_int_equal(pv_op_state_parse(PV_STR("needs_operator"), &ignored), 0);
    assert_int_equal(ignored, PV_OPS_NEEDS_OPERATOR);
    assert_string_equal(pv_wait_name(77), "?");
}

static void refs_differ_by_deployment_and_generation(void **state)
{
    (void)state;
    struct pv_id a = {{1}};
    struct pv_id b = {{2}};
    struct pv_id service = pv_service_id(a, PV_STR("shop"), PV_STR("12345"));
    assert_true(pv_id_eq(service, pv_service_id(a, PV_STR("shop"), PV_STR("12345"))));
    assert_false(pv_id_eq(service, pv_service_id(a, PV_STR("shop1"), PV_STR("2345"))));
    assert_false(pv_id_eq(service, pv_service_id(b, PV_STR("shop"), PV_STR("12345"))));
    char one[PV_REF_TEXT];
    char two[PV_REF_TEXT];
    pv_service_ref(a, service, 1, one);
    pv_service_ref(a, service, 2, two);
    assert_int_equal(strlen(one), PV_REF_TEXT - 1);
    assert_int_equal(one[0], 'p');
    assert_string_not_equal(one, two);
    pv_service_ref(b, service, 1, two);
    assert_string_not_equal(one, two);
}

static void accept_rules(void **state)
{
    (void)state;
    struct pv_hot fresh = {0};
    struct pv_accept_rule rule = pv_rules_accept(&fresh, PV_OP_CREATE, false, 0);
    assert_int_equal(rule.what, PV_ACCEPT_QUEUE);
    assert_int_equal(rule.desired, PV_SVC_ACTIVE);
    assert_int_equal(pv_rules_accept(&fresh, PV_OP_SUSPEND, false, 0).what, PV_ACCEPT_ILLEGAL);

    struct pv_hot active = {.observed = PV_SVC_ACTIVE, .desired = PV_SVC_ACTIVE};
    assert_int_equal(pv_rules_accept(&active, PV_OP_UNSUSPEND, false, 0).what, PV_ACCEPT_NOOP);
    active.has_sequence = true;
    active.max_sequence = 10;
    assert_int_equal(pv_rules_accept(&active, PV_OP_SUSPEND, true, 9).what, PV_ACCEPT_SUPERSEDED);
    assert_int_equal(pv_rules_accept(&active, PV_OP_SUSPEND, true, 10).what, PV_ACCEPT_QUEUE);
    /* An old sequence is judged before legality. */
    assert_int_equal(pv_rules_accept(&active, PV_OP_CREATE, true, 9).what, PV_ACCEPT_SUPERSEDED);

    struct pv_hot creating = {.observed = PV_SVC_PENDING,
                              .desired = PV_SVC_ACTIVE,
                              .has_active = true,
                              .active_type = PV_OP_CREATE,
                              .active_state = PV_OPS_RUNNING};
    rule = pv_rules_accept(&creating, PV_OP_TERMINATE, false, 0);
    assert_int_equal(rule.effect, PV_EFFECT_UNDO_ACTIVE);
    assert_int_equal(rule.desired, PV_SVC_TERMINATED);
    assert_true(rule.supersede_waiting_creates);
    /* Not a no-op while something is under way: it is judged again when its turn comes. */
    assert_int_equal(pv_rules_accept(&creating, PV_OP_UNSUSPEND, false, 0).what, PV_ACCEPT_QUEUE);

    struct pv_hot parked = {.observed = PV_SVC_ACTIVE,
                            .desired = PV_SVC_SUSPENDED,
                            .has_active = true,
                            .active_type = PV_OP_SUSPEND,
                            .active_state = PV_OPS_NEEDS_OPERATOR};
    assert_int_equal(pv_rules_accept(&parked, PV_OP_UNSUSPEND, false, 0).effect,
                     PV_EFFECT_END_ACTIVE);
    assert_int_equal(pv_rules_accept(&parked, PV_OP_TERMINATE, false, 0).effect,
                     PV_EFFECT_END_ACTIVE);
    assert_int_equal(pv_rules_accept(&parked, PV_OP_SUSPEND, false, 0).effect, PV_EFFECT_NONE);
    parked.active_state = PV_OPS_READY;
    assert_int_equal(pv_rules_accept(&parked, PV_OP_UNSUSPEND, false, 0).effect, PV_EFFECT_NONE);
}

static void start_rules(void **state)
{
    (void)state;
    assert_int_equal(pv_rules_start(PV_SVC_ACTIVE, false, PV_OP_SUSPEND, 0), PV_START_RUN);
    assert_int_equal(pv_rules_start(PV_SVC_ACTIVE, false, PV_OP_SUSPEND, PV_OP_UNSUSPEND),
                     PV_START_PAIR);
    assert_int_equal(pv_rules_start(PV_SVC_SUSPENDED, false, PV_OP_UNSUSPEND, PV_OP_SUSPEND),
                     PV_START_PAIR);
    assert_int_equal(pv_rules_start(PV_SVC_ACTIVE, true, PV_OP_SUSPEND, PV_OP_UNSUSPEND),
                     PV_START_RUN);
    assert_int_equal(pv_rules_start(PV_SVC_ACTIVE, false, PV_OP_SUSPEND, PV_OP_TERMINATE),
                     PV_START_RUN);
    assert_int_equal(pv_rules_start(PV_SVC_TERMINATED, false, PV_OP_SUSPEND, 0), PV_START_CANCEL);
    assert_int_equal(pv_rules_start(PV_SVC_SUSPENDED, false, PV_OP_SUSPEND, 0), PV_START_NOOP);
}

static void projection_skips_what_will_be_canceled(void **state)
{
    (void)state;
    static const int types[] = {PV_OP_SUSPEND, PV_OP_CREATE, PV_OP_TERMINATE, PV_OP_RENEW};
    assert_int_equal(pv_rules_project(PV_SVC_ACTIVE, false, types, 2), PV_SVC_SUSPENDED);
    assert_int_equal(pv_rules_project(PV_SVC_ACTIVE, false, types, 4), PV_SVC_TERMINATED);
    assert_int_equal(pv_rules_project(PV_SVC_PENDING, false, types, 0), PV_SVC_ACTIVE);
    assert_int_equal(pv_rules_project(PV_SVC_FAILED, true, types + 1, 1), PV_SVC_FAILED);
}

/* ---- verbs ---- */

struct parked {
    struct pv_buf plan;
    struct pv_buf cursor;
    struct pv_buf out;
    struct pv_cursor c;
    struct pv_intervene_in in;
};

static void setup(struct parked *p, int type, const char *marks, size_t step)
{
    static struct pv_plan_component component = {.name = {"site", 4}, .instance = {"panel", 5}};
    struct pv_plan_step steps[8];
    size_t count = strlen(marks);
    for (size_t i = 0; i < count; i++) {
        steps[i] = (struct pv_plan_step){.name = PV_STR("step"), .flags = PV_STEP_UNDO};
    }
    struct pv_plan plan = {
        .components = &component, .component_count = 1, .steps = steps, .step_count = count};
    pv_buf_init(&p->plan, 4096);
    pv_buf_init(&p->cursor, 4096);
    pv_buf_init(&p->out, 4096);
    assert_int_equal(pv_plan_encode(&plan, &p->plan), 0);
    pv_cursor_init(&p->c, count);
    memcpy(p->c.marks, marks, count);
    p->c.step = (uint16_t)step;
    p->in = (struct pv_intervene_in){.type = type,
                                     .state = PV_OPS_NEEDS_OPERATOR,
                                     .is_active = true,
                                     .service_has_active = true,
                                     .observed = PV_SVC_ACTIVE,
                                     .plan = pv_buf_view(&p->plan)};
}

static int judge(struct parked *p, int verb, struct pv_intervene_rule *rule, struct pv_cursor *ret)
{
    struct pv_err err = {0};
    pv_buf_clear(&p->cursor);
    pv_buf_clear(&p->out);
    assert_int_equal(pv_cursor_encode(&p->c, &p->cursor), 0);
    p->in.cursor = pv_buf_view(&p->cursor);
    p->in.verb = verb;
    int status = pv_rules_intervene(&p->in, rule, &p->out, &err);
    if (status) {
        assert_true(err.text[0] != '\0');
    } else if (p->out.len > 0) {
        assert_int_equal(pv_cursor_decode(pv_buf_view(&p->out), ret), 0);
    }
    return status;
}

static void teardown(struct parked *p)
{
    pv_buf_done(&p->plan);
    pv_buf_done(&p->cursor);
    pv_buf_done(&p->out);
}

static void retry_opens_what_failed(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_SUSPEND, "dfb.", 1);
    assert_int_equal(judge(&p, PV_VERB_RETRY, &rule, &after), 0);
    assert_int_equal(rule.what, PV_DO_READY);
    assert_memory_equal(after.marks, "d...", 4);
    assert_int_equal(after.rested_tries, 0);
    assert_int_equal(after.run, 1);
    teardown(&p);
}

static void retry_lets_an_unknown_step_run_again(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_CREATE, "du", 1);
    assert_int_equal(judge(&p, PV_VERB_RETRY, &rule, &after), 0);
    assert_memory_equal(after.marks, "du", 2);
    assert_int_equal(after.kind, PV_CALL_RUN);
    teardown(&p);
}

static void retry_of_a_failed_create_starts_over(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_CREATE, "xf", 0);
    p.c.run = 2;
    p.c.undoing = true;
    p.in.state = PV_OPS_FAILED;
    p.in.is_active = false;
    p.in.service_has_active = false;
    p.in.observed = PV_SVC_FAILED;
    assert_int_equal(judge(&p, PV_VERB_RETRY, &rule, &after), 0);
    assert_true(rule.reactivate);
    assert_memory_equal(after.marks, "..", 2);
    assert_int_equal(after.run, 2);
    assert_false(after.undoing);
    /* Somebody has created it anew meanwhile. */
    p.in.observed = PV_SVC_ACTIVE;
    assert_int_equal(judge(&p, PV_VERB_RETRY, &rule, &after), PV_ECONFLICT);
    p.in.observed = PV_SVC_FAILED;
    p.in.service_has_active = true;
    assert_int_equal(judge(&p, PV_VERB_RETRY, &rule, &after), PV_ECONFLICT);
    teardown(&p);
}

static void skip_passes_over_one_step(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_TERMINATE, "dfb", 2);
    assert_int_equal(judge(&p, PV_VERB_SKIP, &rule, &after), 0);
    assert_memory_equal(after.marks, "ds.", 3);
    p.c.undoing = true;
    p.c.step = 0;
    assert_int_equal(judge(&p, PV_VERB_SKIP, &rule, &after), 0);
    assert_memory_equal(after.marks, "xfb", 1);
    p.in.plan = PV_STR("");
    assert_int_equal(judge(&p, PV_VERB_SKIP, &rule, &after), PV_ECONFLICT);
    teardown(&p);
}

static void cancel_and_undo(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_CREATE, "d.", 1);
    p.in.state = PV_OPS_RUNNING;
    assert_int_equal(judge(&p, PV_VERB_CANCEL, &rule, &after), 0);
    assert_int_equal(rule.what, PV_DO_INTENT);
    assert_int_equal(rule.intent, PV_INTENT_CANCEL);
    p.in.state = PV_OPS_NEEDS_OPERATOR;
    assert_int_equal(judge(&p, PV_VERB_UNDO, &rule, &after), 0);
    assert_int_equal(rule.what, PV_DO_READY);
    assert_int_equal(rule.intent, PV_INTENT_UNDO);
    p.in.type = PV_OP_SUSPEND;
    p.in.state = PV_OPS_RUNNING;
    assert_int_equal(judge(&p, PV_VERB_CANCEL, &rule, &after), PV_ECONFLICT);
    assert_int_equal(judge(&p, PV_VERB_UNDO, &rule, &after), PV_ECONFLICT);
    p.in.state = PV_OPS_QUEUED;
    p.in.is_active = false;
    assert_int_equal(judge(&p, PV_VERB_CANCEL, &rule, &after), 0);
    assert_int_equal(rule.what, PV_DO_END);
    assert_int_equal(rule.op_state, PV_OPS_CANCELED);
    p.in.state = PV_OPS_DONE;
    assert_int_equal(judge(&p, PV_VERB_CANCEL, &rule, &after), PV_ECONFLICT);
    assert_int_equal(judge(&p, 99, &rule, &after), PV_EINVAL);
    teardown(&p);
}

static void abandon_leaves_residue(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_cursor after = {0};
    setup(&p, PV_OP_CREATE, "df", 1);
    p.in.observed = PV_SVC_PENDING;
    assert_int_equal(judge(&p, PV_VERB_ABANDON, &rule, &after), 0);
    assert_int_equal(rule.op_state, PV_OPS_ABANDONED);
    assert_int_equal(rule.observed, PV_SVC_FAILED);
    assert_true(rule.residue);
    p.in.state = PV_OPS_RUNNING;
    assert_int_equal(judge(&p, PV_VERB_ABANDON, &rule, &after), PV_ECONFLICT);
    teardown(&p);
}

static void damaged_cursors_are_refused(void **state)
{
    (void)state;
    struct parked p;
    struct pv_intervene_rule rule = {0};
    struct pv_err err = {0};
    setup(&p, PV_OP_CREATE, "df", 1);
    p.in.verb = PV_VERB_RETRY;
    p.in.cursor = PV_STR("garbage");
    assert_int_equal(pv_rules_intervene(&p.in, &rule, &p.out, &err), PV_EINTERNAL);
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(printed_table_names_every_state),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(refs_differ_by_deployment_and_generation),
        cmocka_unit_test(accept_rules),
        cmocka_unit_test(start_rules),
        cmocka_unit_test(projection_skips_what_will_be_canceled),
        cmocka_unit_test(retry_opens_what_failed),
        cmocka_unit_test(retry_lets_an_unknown_step_run_again),
        cmocka_unit_test(retry_of_a_failed_create_starts_over),
        cmocka_unit_test(skip_passes_over_one_step),
        cmocka_unit_test(cancel_and_undo),
        cmocka_unit_test(abandon_leaves_residue),
        cmocka_unit_test(damaged_cursors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

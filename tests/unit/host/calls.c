/* SPDX-License-Identifier: Apache-2.0 */
/* How steps and queries are given, run, canceled and judged, from the frame to the outcome. */
#include "tests/unit/host/kit.h"

#include "core/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit kit;

/* ---- A plugin ---- */

static int opened, cleaned_up;

static int plugin_open(const char *settings, void **ret_instance, char *error, size_t error_size)
{
    if (strstr(settings, "\"fail\"") != NULL) {
        snprintf(error, error_size, "the token s3cr3t-token is wrong");
        return 1;
    }
    opened++;
    *ret_instance = &opened;
    return 0;
}

static void plugin_close(void *instance)
{
    assert_ptr_equal(instance, &opened);
    opened--;
}

static int echo(struct provost_call *call)
{
    char json[1024];
    snprintf(json, sizeof(json),
             "{\"operation_id\": \"%s\", \"operation\": \"%s\", \"component\": \"%s\", \"step\": "
             "\"%s\", \"service_id\": \"%s\", \"external_id\": \"%s\", \"ref\": \"%s\", "
             "\"generation\": %u, \"run\": %u, \"attempt\": %u, \"input\": %s, \"state\": %s, "
             "\"settings\": %s}",
             call->operation_id, call->operation, call->component, call->step, call->service_id,
             call->external_id, call->ref, call->generation, call->run, call->attempt, call->input,
             call->state, call->settings);
    assert_ptr_equal(call->instance, &opened);
    return call->host->result(call, json) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static int undo_echo(struct provost_call *call)
{
    return call->host->outcome(call, PROVOST_OK, -1, "undone");
}

static int lookup_says(struct provost_call *call)
{
    return (int)strtol(call->input + 1, NULL, 10);
}

static int poll_echo(struct provost_call *call)
{
    return call->host->outcome(call, PROVOST_PENDING, 1500, "still there");
}

static int returns(struct provost_call *call)
{
    return (int)strtol(call->input + 1, NULL, 10);
}

static int naps(struct provost_call *call)
{
    int code = call->host->sleep(call, 50);
    return code == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static int sleeps(struct provost_call *call)
{
    int code = call->host->sleep(call, 30000);
    cleaned_up++;
    /* After a cancel every host call that waits comes back at once. */
    if (code == PROVOST_E_CANCELED && call->host->sleep(call, 30000) == PROVOST_E_CANCELED &&
        call->host->state_save(call) == PROVOST_E_CANCELED) {
        return call->host->outcome(call, PROVOST_CANCELED, -1,
                                   strstr(call->input, "quiet") ? NULL : "cleaned up");
    }
    return PROVOST_PERMANENT;
}

static int ignores_cancel(struct provost_call *call)
{
    for (int i = 0; i < 1000; i++) {
        call->host->sleep(call, 30000);
    }
    return PROVOST_OK;
}

static int sleeps_too_long(struct provost_call *call)
{
    int code = call->host->sleep(call, 30001);
    return call->host->outcome(call, PROVOST_PERMANENT, code, call->host->error(call));
}

static int sets_state(struct provost_call *call)
{
    const struct provost_host *host = call->host;
    assert_int_equal(host->state_set(call, "{\"a\": 1}"), 0);
    assert_string_equal(call->state, "{\"a\": 1}");
    assert_int_equal(host->state_set(call, "[1]"), PROVOST_E_INVALID);
    assert_contains(host->error(call), "object");
    assert_int_equal(host->state_set(call, "{\"a\""), PROVOST_E_INVALID);
    assert_int_equal(host->state_set(call, "{} {}"), PROVOST_E_INVALID);
    assert_int_equal(host->state_set(call, NULL), PROVOST_E_INVALID);
    char *big = host->alloc(call, 70000);
    assert_non_null(big);
    snprintf(big, 70000, "{\"a\": \"%065600d\"}", 1);
    assert_int_equal(host->state_set(call, big), PROVOST_E_TOO_BIG);
    char deep[400] = "{\"a\": ";
    memset(deep + 6, '[', 100);
    memset(deep + 106, ']', 100);
    deep[206] = '}';
    assert_int_equal(host->state_set(call, deep), PROVOST_E_INVALID);
    assert_contains(host->error(call), "deep");
    assert_string_equal(call->state, "{\"a\": 1}");
    return PROVOST_OK;
}

static int talks(struct provost_call *call)
{
    const struct provost_host *host = call->host;
    host->secret(call, "hunter2");
    host->log(call, PROVOST_LOG_INFO, "password hunter2, token s3cr3t-token, form pl4n-s3cret");
    host->log(call, 77, "bad \xff byte");
    host->log(call, PROVOST_LOG_INFO, NULL);
    host->progress(call, 250, "half hunter2");
    return host->outcome(call, PROVOST_TEMPORARY, 5000, "no hunter2 for s3cr3t-token");
}

static int floods(struct provost_call *call)
{
    for (int i = 0; i < 5000; i++) {
        call->host->log(call, PROVOST_LOG_INFO, "line");
        call->host->progress(call, -1, "going");
    }
    return PROVOST_OK;
}

static void work(void *arg)
{
    int *n = arg;
    *n += 41;
}

static struct provost_call *outer;
static int inner_code;

static void calls_host_from_thread(void *arg)
{
    (void)arg;
    inner_code = outer->host->sleep(outer, 1);
}

static int blocks(struct provost_call *call)
{
    int n = 1;
    if (call->host->blocking(call, work, &n) != 0 || n != 42) {
        return PROVOST_PERMANENT;
    }
    outer = call;
    if (call->host->blocking(call, calls_host_from_thread, NULL) != 0) {
        return PROVOST_PERMANENT;
    }
    return inner_code == PROVOST_E_INVALID ? PROVOST_OK : PROVOST_PERMANENT;
}

static int eats_memory(struct provost_call *call)
{
    size_t got = 0;
    while (call->host->alloc(call, 1024 * 1024) != NULL) {
        got++;
    }
    return got > 50 && got < 70 ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct provost_step create[] = {
    {.name = "echo", .run = echo, .undo = undo_echo, .lookup = lookup_says, .poll = poll_echo},
    {.name = "returns", .run = returns},
    {.name = "naps", .run = naps},
    {.name = "sleeps", .run = sleeps, .timeout_ms = 60000},
    {.name = "ignores_cancel", .run = ignores_cancel},
    {.name = "sleeps_too_long", .run = sleeps_too_long},
    {.name = "sets_state", .run = sets_state},
    {.name = "talks", .run = talks},
    {.name = "floods", .run = floods},
    {.name = "blocks", .run = blocks},
    {.name = "eats_memory", .run = eats_memory},
    {0},
};

static const struct provost_step restart[] = {{.name = "echo", .run = echo}, {0}};
static const struct provost_action actions[] = {{.name = "restart", .steps = restart}, {0}};
static const struct provost_field settings[] = {
    {.name = "token", .flags = PROVOST_F_SECRET}, {.name = "mode"}, {0}};
static const struct provost_field product[] = {{.name = "plan_key", .flags = PROVOST_F_SECRET},
                                               {0}};
static const struct provost_query queries[] = {{.name = "bad", .run = returns}, {0}};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,         .name = "probe",
    .version = "1.0.0",          .settings = settings,
    .product = product,          .create = create,
    .actions = actions,          .service_queries = queries,
    .instance_queries = queries, .open = plugin_open,
    .close = plugin_close,
};

static int start(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, "{\"token\": \"s3cr3t-token\"}");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&kit);
    return opened;
}

/* ---- Tests ---- */

static void a_step_is_given_all_it_needs(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("echo", "{\"x\": 1}");
    step.state = PV_STR("{\"y\": 2}");
    step.run = 2;
    step.attempt = 3;
    step.generation = 4;
    kit_send(&kit, 1, &step);
    assert_int_equal(kit.page.slot[1].call, 1);
    assert_int_equal(kit.page.slot[1].mark, PV_SLOT_RECEIVED);
    const struct kit_outcome *o = kit_wait(&kit, 1);
    assert_int_equal(o->code, PV_OUT_OK);
    assert_false(o->touched);
    assert_false(o->state_changed);
    assert_int_equal(o->retry_after_ms, -1);
    assert_contains(o->result, "\"operation_id\": \"op_");
    assert_contains(o->result, "\"service_id\": \"svc_");
    assert_contains(o->result,
                    "\"operation\": \"create\", \"component\": \"site\", \"step\": \"echo\"");
    assert_contains(o->result, "\"external_id\": \"12345\", \"ref\": \"sabcdefghijklmnopqrs\"");
    assert_contains(o->result, "\"generation\": 4, \"run\": 2, \"attempt\": 3");
    assert_contains(o->result, "\"input\": {\"x\": 1}, \"state\": {\"y\": 2}");
    assert_contains(o->result, "\"settings\": {\"token\": \"s3cr3t-token\"}");
    assert_int_equal(kit.page.slot[1].mark, PV_SLOT_RUNNING);
    assert_true(kit.page.current == 0);
    assert_true(kit.page.heartbeat_ms > 0);
    assert_int_equal(kit.page.magic, PV_PAGE_MAGIC);
}

static void kinds_find_their_function(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("echo", "{}");
    step.kind = PV_CALL_UNDO;
    kit_send(&kit, 1, &step);
    assert_string_equal(kit_wait(&kit, 1)->text, "undone");
    step.kind = PV_CALL_POLL;
    kit_send(&kit, 2, &step);
    assert_int_equal(kit_wait(&kit, 2)->code, PV_OUT_PENDING);
    assert_int_equal(kit_wait(&kit, 2)->retry_after_ms, 1500);
    step.kind = PV_CALL_LOOKUP;
    step.input = PV_STR("[7]");
    kit_send(&kit, 3, &step);
    assert_int_equal(kit_wait(&kit, 3)->code, PV_OUT_ABSENT);
    /* Without a poll function it is run again; without undo or lookup there is nothing to call. */
    step = kit_step("returns", "[0]");
    step.kind = PV_CALL_POLL;
    kit_send(&kit, 4, &step);
    assert_int_equal(kit_wait(&kit, 4)->code, PV_OUT_OK);
    step.kind = PV_CALL_UNDO;
    kit_send(&kit, 5, &step);
    assert_int_equal(kit_wait(&kit, 5)->code, PV_OUT_NO_STEP);
    assert_contains(kit_wait(&kit, 5)->text, "no undo of step returns of create");
    step = kit_step("gone", "{}");
    kit_send(&kit, 6, &step);
    assert_int_equal(kit_wait(&kit, 6)->code, PV_OUT_NO_STEP);
    step = kit_step("echo", "{}");
    step.operation = PV_STR("restart");
    step.is_action = 1;
    kit_send(&kit, 7, &step);
    assert_int_equal(kit_wait(&kit, 7)->code, PV_OUT_OK);
    step.is_action = 0;
    kit_send(&kit, 8, &step);
    assert_int_equal(kit_wait(&kit, 8)->code, PV_OUT_NO_STEP);
}

/* What is no outcome of the call is unknown, whatever was touched; nothing is undone for it. */
static void garbage_outcomes_are_unknown(void **state)
{
    (void)state;
    static const char *const wrong[] = {"[99]", "[-3]", "[6]", "[7]", "[8]", "[9]"};
    for (size_t i = 0; i < PV_COUNT(wrong); i++) {
        const struct kit_outcome *o = kit_run(&kit, "returns", wrong[i]);
        assert_int_equal(o->code, PV_OUT_UNKNOWN);
        assert_contains(o->text, "which is no outcome of a run");
    }
    static const char *const right[] = {"[0]", "[1]", "[2]", "[3]", "[4]", "[5]"};
    for (size_t i = 0; i < PV_COUNT(right); i++) {
        assert_int_equal(kit_run(&kit, "returns", right[i])->code, i);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct pv_wire_step step = kit_step("echo", i == 0 ? "[1]" : "[9]");
        step.kind = PV_CALL_LOOKUP;
        kit_send(&kit, 200 + i, &step);
        assert_int_equal(kit_wait(&kit, 200 + i)->code, i == 0 ? PV_OUT_PENDING : PV_OUT_UNKNOWN);
    }
    kit_query(&kit, 101, true, "bad", "[1]");
    assert_int_equal(kit_wait(&kit, 101)->code, PV_OUT_UNKNOWN);
    assert_contains(kit_wait(&kit, 101)->text, "of a query");
}

static void waiting_lets_others_run(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("naps", "{}");
    int64_t begun = pv_mono_ms(&pv_clock_system);
    for (uint64_t call = 1; call <= 1000; call++) {
        kit_send(&kit, call, &step);
    }
    while (kit.outcome_count < 1000) {
        kit_turn(&kit);
    }
    for (uint64_t call = 1; call <= 1000; call++) {
        assert_int_equal(kit.outcomes[call].code, PV_OUT_OK);
    }
    assert_true(pv_mono_ms(&pv_clock_system) - begun < 45000); /* one after the other: 50 s */
}

static void more_than_max_in_flight_is_refused(void **state)
{
    (void)state;
    static struct kit own;
    const struct pv_wire_hello hello = {
        .version = PV_WIRE_VERSION, .max_in_flight = 2, .settings = PV_STR("{}")};
    kit_start_hello(&own, &plugin, &hello);
    struct pv_wire_step step = kit_step("sleeps", "{}");
    for (uint64_t call = 1; call <= 3; call++) {
        step.slot = (uint32_t)call;
        kit_send(&own, call, &step);
    }
    assert_true(kit_wait(&own, 3)->code == PV_OUT_TEMPORARY && !kit_wait(&own, 3)->touched);
    assert_contains(kit_wait(&own, 3)->text, "max_in_flight");
    kit_cancel(&own, 1);
    assert_int_equal(kit_wait(&own, 1)->code, PV_OUT_CANCELED);
    kit_query(&own, 4, true, "bad", "[0]");
    assert_int_equal(kit_wait(&own, 4)->code, PV_OUT_OK);
    kit_stop(&own);
}

static void cancel_reaches_a_sleeper(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("sleeps", "{}");
    cleaned_up = 0;
    for (uint64_t call = 1; call <= 500; call++) {
        kit_send(&kit, call, &step);
    }
    kit_turn(&kit);
    kit_turn(&kit);
    for (uint64_t call = 1; call <= 500; call++) {
        kit_cancel(&kit, call);
    }
    kit_cancel(&kit, 77777); /* not there: ignored */
    while (kit.outcome_count < 500) {
        kit_turn(&kit);
    }
    assert_int_equal(cleaned_up, 500);
    assert_int_equal(kit.outcomes[500].code, PV_OUT_CANCELED);
    assert_string_equal(kit.outcomes[500].text, "cleaned up");
    step = kit_step("sleeps", "{\"quiet\": 1}");
    kit_send(&kit, 501, &step);
    kit_cancel(&kit, 501);
    assert_string_equal(kit_wait(&kit, 501)->text, "canceled");
}

static void the_time_limit_cancels(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("sleeps", "{}");
    step.timeout_ms = 30;
    kit_send(&kit, 1, &step);
    const struct kit_outcome *o = kit_wait(&kit, 1);
    assert_int_equal(o->code, PV_OUT_TEMPORARY); /* nothing was touched */
    assert_string_equal(o->text, "it took longer than its limit of 30 ms: cleaned up");
    step = kit_step("ignores_cancel", "{}");
    step.timeout_ms = 30;
    kit_send(&kit, 2, &step);
    assert_int_equal(kit_wait(&kit, 2)->code, PV_OUT_OK);
    assert_contains(kit_run(&kit, "sleeps_too_long", NULL)->text, "at most 30000 ms");
}

static void stop_cancels_everything(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("sleeps", "{}");
    kit_send(&kit, 1, &step);
    kit_send(&kit, 2, &step);
    kit_turn(&kit);
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_empty(&out, PV_F_STOP, 0);
    pv_wire_put_step(&out, 3, &step);
    kit_feed(&kit, &out);
    while (!kit.ended) {
        kit_turn(&kit);
    }
    assert_int_equal(kit.exit_status, 0);
    assert_int_equal(kit.outcomes[1].code, PV_OUT_CANCELED);
    assert_int_equal(kit.outcomes[2].code, PV_OUT_CANCELED);
    assert_int_equal(kit.outcomes[3].code, PV_OUT_CANCELED);
    assert_contains(kit.outcomes[3].text, "stopping");
}

static void state_documents_are_checked(void **state)
{
    (void)state;
    const struct kit_outcome *o = kit_run(&kit, "sets_state", NULL);
    assert_int_equal(o->code, PV_OUT_OK);
    assert_true(o->state_changed);
    assert_string_equal(o->state, "{\"a\": 1}");
}

static void secrets_are_masked(void **state)
{
    (void)state;
    const struct kit_outcome *o =
        kit_run(&kit, "talks", "{\"product\": {\"plan_key\": \"pl4n-s3cret\"}}");
    assert_int_equal(o->code, PV_OUT_TEMPORARY);
    assert_int_equal(o->retry_after_ms, 5000);
    assert_string_equal(o->text, "no ****** for ******");
    assert_string_equal(kit.log, "1 password ******, token ******, form ******\n3 bad ? byte\n");
    assert_string_equal(kit.progress, "100 half ******");
}

static void floods_are_cut(void **state)
{
    (void)state;
    assert_int_equal(kit_run(&kit, "floods", NULL)->code, PV_OUT_OK);
    assert_int_equal(kit.log_lines, 1001);
    assert_contains(kit.log, "more log lines of this call are dropped");
}

static void blocking_work_runs_on_a_thread(void **state)
{
    (void)state;
    const struct kit_outcome *o = kit_run(&kit, "blocks", NULL);
    assert_int_equal(o->code, PV_OUT_OK);
    assert_true(o->touched);
    assert_int_equal(kit.page.slot[1].mark, PV_SLOT_TOUCHED);
    assert_true(kit.page.slot[1].last_send_ms > 0);
}

static void nothing_leaves_after_the_lease(void **state)
{
    (void)state;
    kit_lease(&kit, pv_mono_ms(&pv_clock_system) - 1);
    const struct kit_outcome *o = kit_run(&kit, "blocks", NULL);
    assert_int_equal(o->code, PV_OUT_PERMANENT); /* the plugin saw an error */
    assert_false(o->touched);
    kit_lease(&kit, pv_mono_ms(&pv_clock_system) + 60000);
    assert_int_equal(kit_run(&kit, "blocks", NULL)->code, PV_OUT_OK);
}

static void memory_of_a_call_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(kit_run(&kit, "eats_memory", NULL)->code, PV_OUT_OK);
}

static void open_may_refuse(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, "{\"token\": \"s3cr3t-token\", \"mode\": \"fail\"}");
    assert_true(kit.ended);
    assert_int_equal(kit.exit_status, 3);
    assert_string_equal(kit.fault, "probe: the token ****** is wrong");
    kit_stop(&kit);
}

static void nonsense_ends_the_host(void **state)
{
    (void)state;
    static const struct pv_wire_step twice = {.slot = 1};
    for (int which = 0; which < 5; which++) {
        kit_start(&kit, &plugin, NULL);
        struct pv_wire_step step = kit_step("sleeps", "{}");
        step.slot = 1;
        struct pv_buf out;
        pv_buf_init(&out, PV_FRAME_MAX);
        pv_wire_put_step(&out, 1, &step);
        switch (which) {
        case 0:
            pv_buf_put(&out, "0123456789abcdef0123456789abcdef", 32);
            break;
        case 1:
            pv_wire_put_step(&out, 1, &twice); /* a number that is in use */
            break;
        case 2:
            pv_wire_put_step(&out, 2, &twice); /* a slot that is in use */
            break;
        case 3:
            pv_wire_put_text(&out, PV_F_READY, PV_STR("{}")); /* not the daemon's to send */
            break;
        default:
            pv_wire_put_hello(&out, &(struct pv_wire_hello){.version = 1}); /* a second one */
            break;
        }
        assert_true(pv_host_feed(kit.host, pv_buf_view(&out)) < 0);
        pv_buf_done(&out);
        while (!kit.ended) {
            kit_turn(&kit);
        }
        assert_int_equal(kit.exit_status, 4);
        assert_int_equal(kit.outcomes[1].code, PV_OUT_CANCELED); /* it was cleaned up */
        kit_stop(&kit);
    }
}

static void version_must_match(void **state)
{
    (void)state;
    kit_start_hello(&kit, &plugin, &(struct pv_wire_hello){.version = PV_WIRE_VERSION + 1});
    assert_true(kit.ended);
    assert_int_equal(kit.exit_status, 3);
    assert_contains(kit.fault, "version");
    kit_stop(&kit);
}

static void describing_opens_nothing(void **state)
{
    (void)state;
    kit_start_hello(&kit, &plugin,
                    &(struct pv_wire_hello){.version = PV_WIRE_VERSION, .describe = 1});
    assert_true(kit.ended);
    assert_int_equal(kit.exit_status, 0);
    assert_int_equal(opened, 0);
    assert_contains(kit.ready, "{\"name\": \"probe\"");
    kit_stop(&kit);
}

/* Bytes that arrive one at a time make the same frames. */
static void input_may_come_in_pieces(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("echo", "{}");
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    step.slot = 1;
    pv_wire_put_step(&out, 1, &step);
    step.slot = 2;
    pv_wire_put_step(&out, 2, &step);
    for (size_t i = 0; i < out.len; i++) {
        assert_int_equal(pv_host_feed(kit.host, (struct pv_str){out.ptr + i, 1}), 0);
    }
    pv_buf_done(&out);
    assert_int_equal(kit_wait(&kit, 1)->code, PV_OUT_OK);
    assert_int_equal(kit_wait(&kit, 2)->code, PV_OUT_OK);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(a_step_is_given_all_it_needs),
        WITH_HOST(kinds_find_their_function),
        WITH_HOST(garbage_outcomes_are_unknown),
        WITH_HOST(waiting_lets_others_run),
        WITH_HOST(cancel_reaches_a_sleeper),
        WITH_HOST(the_time_limit_cancels),
        WITH_HOST(stop_cancels_everything),
        WITH_HOST(state_documents_are_checked),
        WITH_HOST(secrets_are_masked),
        WITH_HOST(floods_are_cut),
        WITH_HOST(blocking_work_runs_on_a_thread),
        WITH_HOST(nothing_leaves_after_the_lease),
        WITH_HOST(memory_of_a_call_is_bounded),
        WITH_HOST(input_may_come_in_pieces),
        cmocka_unit_test(more_than_max_in_flight_is_refused),
        cmocka_unit_test(open_may_refuse),
        cmocka_unit_test(nonsense_ends_the_host),
        cmocka_unit_test(version_must_match),
        cmocka_unit_test(describing_opens_nothing),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/events over real HTTP: accepting, refusing, waiting, duplicates, arrays. */
#include "core/base/alloc.h"
#include "core/store/store.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUSTOMER ",\"customer\":{\"email\":\"a@example.com\"}"
#define CREATE(id, service)                                                                        \
    "{\"id\":\"" id "\",\"type\":\"service.create\",\"service\":{\"id\":\"" service                \
    "\",\"product\":\"site\",\"plan\":\"basic\"}" CUSTOMER "}"
#define SIMPLE(id, type, service)                                                                  \
    "{\"id\":\"" id "\",\"type\":\"service." type "\",\"service\":{\"id\":\"" service "\"}}"

static void accepts_an_event(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(rig, "POST", "/v1/events", NULL, CREATE("e1", "1"));
    reply_expect(r, 202);
    assert_int_equal(strncmp(reply_text(r, "operation"), "op_", 3), 0);
    assert_int_equal(strncmp(reply_text(r, "service"), "svc_", 4), 0);
    assert_true(json_is_false(reply_at(r, "duplicate")));
    assert_non_null(strstr(r->head, "Location: /v1/operations/op_"));
    char first[64];
    snprintf(first, sizeof(first), "%s", reply_text(r, "operation"));
    reply_free(r);
    /* the same again, differently written */
    r = rig_call(rig, "POST", "/v1/events", NULL,
                 "{ \"type\":\"service.create\", \"id\":\"e1\" , \"time\":\"2026-11-20T10:14:00Z\","
                 "\"customer\":{\"email\":\"a@example.\\u0063om\"},"
                 "\"service\":{\"plan\":\"basic\",\"product\":\"site\",\"id\":\"1\"}}");
    reply_expect(r, 202);
    assert_true(json_is_true(reply_at(r, "duplicate")));
    assert_string_equal(reply_text(r, "operation"), first);
    reply_free(r);
    reply_refused(rig_call(rig, "POST", "/v1/events", NULL, CREATE("e1", "2")), 409, "id_conflict");
    rig_settle(rig);
    assert_int_equal(rig->steps_run, 2);
}

static void waits_for_the_outcome(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(rig, "POST", "/v1/events", "Prefer: wait=20\r\n", CREATE("e1", "1"));
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "state"), "done");
    assert_string_equal(reply_text(r, "type"), "create");
    assert_int_equal(json_array_size(reply_at(r, "steps")), 2);
    assert_string_equal(reply_text(r, "plan.steps.0.state"), "done");
    assert_string_equal(reply_text(r, "plan.components.0.plugin_version"), "1.0.0");
    assert_non_null(strstr(r->head, "Preference-Applied: wait"));
    reply_free(r);
    /* of one that is over already */
    r = rig_call(rig, "POST", "/v1/events", "Prefer: respond-async, wait=20\r\n",
                 CREATE("e1", "1"));
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "duplicate")));
    reply_free(r);
    /* also when it failed */
    rig->fail = "make";
    r = rig_call(rig, "POST", "/v1/events", "Prefer: wait=20\r\n", CREATE("e2", "2"));
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "state"), "failed");
    assert_non_null(strstr(reply_text(r, "reason"), "does not want it"));
    reply_free(r);
}

static void waits_no_longer_than_asked(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    struct reply *r = rig_call(rig, "POST", "/v1/events", "Prefer: wait=1\r\n", CREATE("e1", "1"));
    reply_expect(r, 202);
    assert_string_equal(reply_text(r, "state"), "running");
    reply_free(r);
}

static void waits_no_longer_than_a_minute(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    rig->frozen_ms = pv_mono_ms(&pv_clock_system);
    struct client *c =
        rig_begin(rig, "POST", "/v1/events", "Prefer: wait=9999\r\n", CREATE("e1", "1"));
    while (rig->step_count == 0) {
        rig_turn(rig);
    }
    for (int i = 0; i < 20; i++) {
        rig_turn(rig);
    }
    rig->frozen_ms += 60 * 1000 + 1;
    /* who comes next has the deadlines looked at */
    struct client *next =
        rig_begin(rig, "POST", "/v1/events", "Prefer: wait=1\r\n", CREATE("e2", "2"));
    struct reply *r = rig_end(rig, c);
    reply_expect(r, 202);
    assert_non_null(strstr(r->head, "Preference-Applied: wait"));
    reply_free(r);
    rig_release(rig);
    reply_free(rig_end(rig, next));
    rig->frozen_ms = 0;
}

static void ends_waits_when_it_closes(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    struct client *c =
        rig_begin(rig, "POST", "/v1/events", "Prefer: wait=60\r\n", CREATE("e1", "1"));
    struct reply *r = rig_close_under(rig, c);
    reply_expect(r, 202);
    assert_string_equal(reply_text(r, "state"), "running");
    reply_free(r);
}

static void accepts_arrays_whole(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(rig, "POST", "/v1/events", NULL,
                               "[" CREATE("a1", "1") "," CREATE("a2", "2") "," CREATE(
                                   "a1", "1") "," SIMPLE("a3", "suspend", "1") "]");
    reply_expect(r, 202);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 4);
    assert_true(json_is_true(reply_at(r, "operations.2.duplicate")));
    assert_true(json_is_false(reply_at(r, "operations.3.duplicate")));
    assert_string_equal(reply_text(r, "operations.3.state"), "queued");
    reply_free(r);
    /* one that is not legal refuses all */
    r = rig_call(rig, "POST", "/v1/events", NULL,
                 "[" CREATE("b1", "3") "," SIMPLE("b2", "suspend", "99") "," CREATE("a1", "7") "]");
    reply_expect(r, 409);
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.index")), 1);
    assert_string_equal(reply_text(r, "errors.0.code"), "illegal_transition");
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", "/v1/services?external_id=3", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "services")), 0);
    reply_free(r);
    rig_settle(rig);
}

static void lists_every_problem_of_an_array(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(
        rig, "POST", "/v1/events", NULL,
        "[" CREATE("a1", "1") ",\n{\"id\":\"x\",\"type\":\"service.suspend\",\"service\":{}},\n"
                              "{\"id\":\"a2\",\"type\":\"service.create\",\"service\":{\"id\":"
                              "\"2\",\"product\":\"sitee\","
                              "\"plan\":\"basic\"}" CUSTOMER "},\n"
                              "{\"id\":\"a3\",\"type\":\"service.create\",\"service\":{\"id\":"
                              "\"2\",\"product\":\"site\","
                              "\"plan\":\"basik\",\"params\":{\"public_ipp\":\"x\"}}" CUSTOMER
                              "},\n"
                              "{\"id\":\"a4\",\"type\":\"service.create\",\"service\":{\"id\":"
                              "\"3\",\"product\":\"site\",\"plan\":\"basik\"},"
                              "\"customer\":{\"email\":\"nowhere\"}}]");
    reply_expect(r, 400);
    assert_int_equal(json_array_size(reply_at(r, "errors")), 6);
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.index")), 1);
    assert_string_equal(reply_text(r, "errors.0.path"), "/service/id");
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.position.line")), 2);
    assert_string_equal(reply_text(r, "errors.1.code"), "unknown_product");
    assert_string_equal(reply_text(r, "errors.1.path"), "/service/product");
    assert_int_equal(json_integer_value(reply_at(r, "errors.1.position.line")), 3);
    assert_non_null(strstr(reply_text(r, "errors.1.error"), "site"));
    assert_string_equal(reply_text(r, "errors.2.code"), "unknown_plan");
    assert_string_equal(reply_text(r, "errors.3.code"), "unknown_param");
    assert_string_equal(reply_text(r, "errors.3.path"), "/service/params/public_ipp");
    assert_string_equal(reply_text(r, "errors.4.code"), "invalid_email");
    assert_string_equal(reply_text(r, "errors.5.code"), "unknown_plan");
    assert_int_equal(json_integer_value(reply_at(r, "errors.5.index")), 4);
    reply_free(r);
    assert_int_equal(rig->steps_run, 0);
}

static void refuses_what_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(rig, "POST", "/v1/events", NULL, "{\"id\":\n  \"x\",}");
    reply_expect(r, 400);
    assert_string_equal(reply_text(r, "code"), "malformed_json");
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.position.offset")), 13);
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.position.line")), 2);
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.position.column")), 7);
    reply_free(r);
    reply_refused(rig_call(rig, "POST", "/v1/events", NULL, ""), 400, "malformed_json");
    reply_refused(rig_call(rig, "POST", "/v1/events", NULL, "[]"), 400, "empty");
    reply_refused(rig_call(rig, "POST", "/v1/events", NULL, "7"), 400, "wrong_type");
    reply_refused(rig_call(rig, "POST", "/v1/events?source=other", NULL, CREATE("1", "1")), 403,
                  "forbidden");
    char *many = calloc(1, 3 * 1001 + 10);
    assert_non_null(many);
    many[0] = '[';
    for (int i = 0; i < 1001; i++) {
        memcpy(many + 1 + 3 * i, "{},", 3);
    }
    many[3 * 1001] = ']';
    reply_refused(rig_call(rig, "POST", "/v1/events", NULL, many), 413, "too_many");
    free(many);
    assert_int_equal(rig->steps_run, 0);
}

static void says_that_the_store_is_down(void **state)
{
    struct rig *rig = *state;
    pv_mem_store_fail(rig->store, PV_ENOSPACE);
    struct reply *r = rig_call(rig, "POST", "/v1/events", NULL, CREATE("e1", "1"));
    assert_non_null(strstr(r->head, "Retry-After: "));
    reply_refused(r, 503, "store_unavailable");
    pv_mem_store_fail(rig->store, 0);
    reply_expect(r = rig_call(rig, "POST", "/v1/events", NULL, CREATE("e1", "1")), 202);
    reply_free(r);
    rig_settle(rig);
}

static void refuses_over_the_backlog(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    char *body = malloc(400 * 1000);
    assert_non_null(body);
    for (int round = 0; round < 3; round++) {
        char *at = body;
        for (int i = 0; i < 1000; i++) {
            at += snprintf(
                at, 400,
                "%s{\"id\":\"%d-%d\",\"type\":\"service.create\",\"service\":{\"id\":\"%d-%d\","
                "\"product\":\"site\",\"plan\":\"basic\"}" CUSTOMER "}",
                i == 0 ? "[" : ",", round, i, round, i);
        }
        snprintf(at, 3, "]");
        struct reply *r = rig_call(rig, "POST", "/v1/events", NULL, body);
        if (round < 2) {
            reply_expect(r, 202);
            reply_free(r);
        } else {
            assert_non_null(strstr(r->head, "Retry-After: "));
            reply_refused(r, 503, "busy");
        }
    }
    free(body);
}

static void the_admin_names_the_source(void **state)
{
    struct rig *rig = *state;
    reply_refused(rig_admin(rig, "POST", "/v1/events", NULL, CREATE("e1", "1")), 400,
                  "missing_source");
    reply_refused(rig_admin(rig, "POST", "/v1/events?source=B%20ad", NULL, CREATE("e1", "1")), 400,
                  "invalid");
    struct reply *r = rig_admin(rig, "POST", "/v1/events?source=shop", NULL, CREATE("e1", "1"));
    reply_expect(r, 202);
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", "/v1/services?external_id=1", NULL, NULL), 200);
    assert_string_equal(reply_text(r, "services.0.source"), "shop");
    reply_free(r);
    rig_settle(rig);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        T(accepts_an_event),
        T(waits_for_the_outcome),
        T(waits_no_longer_than_asked),
        T(waits_no_longer_than_a_minute),
        T(ends_waits_when_it_closes),
        T(accepts_arrays_whole),
        T(lists_every_problem_of_an_array),
        T(refuses_what_is_malformed),
        T(says_that_the_store_is_down),
        T(refuses_over_the_backlog),
        T(the_admin_names_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

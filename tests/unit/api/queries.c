/* SPDX-License-Identifier: Apache-2.0 */
/* Queries and views over real HTTP: of services, of instances, public ones, secrets. */
#include "core/store/store.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void queries_and_views(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "site", "basic", svc);
    struct reply *r = rig_call(rig, "GET", path_of("/v1/services/%s/view", svc), NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "components.0.view.query"), "view");
    assert_string_equal(reply_text(r, "components.1.view.component"), "support");
    assert_string_equal(reply_text(r, "components.0.actions.0.name"), "restart");
    reply_free(r);
    /* one that fails takes nothing from the rest */
    rig->fail_query = "site";
    reply_expect(r = rig_call(rig, "GET", path_of("/v1/services/%s/view", svc), NULL, NULL), 200);
    assert_true(json_is_null(reply_at(r, "components.0.view")));
    assert_string_equal(reply_text(r, "components.0.error"), "the backend is away");
    assert_string_equal(reply_text(r, "components.1.view.component"), "support");
    reply_free(r);
    reply_refused(rig_call(rig, "GET",
                           path_of("/v1/services/%s/queries/status?component=site", svc), NULL,
                           NULL),
                  502, "backend_failed");
    rig->fail_query = NULL;
    reply_expect(r = rig_call(rig, "GET",
                              path_of("/v1/services/%s/queries/status?component=support", svc),
                              NULL, NULL),
                 200);
    assert_int_equal(json_array_size(reply_at(r, "components")), 1);
    reply_free(r);
    json_t *input = json_loads(rig->queried, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json_object_get(input, "service"), "id")),
                        svc);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(input, "customer"), "email")),
        "a@example.com");
    json_decref(input);
    reply_refused(rig_call(rig, "GET", path_of("/v1/services/%s/queries/nothing", svc), NULL, NULL),
                  404, "unknown_query");
    reply_refused(
        rig_call(rig, "GET", path_of("/v1/services/%s/queries/status?zone=1", svc), NULL, NULL),
        400, "invalid_param");
    reply_refused(rig_call(rig, "POST", path_of("/v1/services/%s/queries/status", svc), NULL, "[]"),
                  400, "wrong_type");
}

static void reveals_only_with_a_record(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[100];
    rig_make(rig, "1", "site", "basic", svc);
    struct reply *r = rig_call(
        rig, "GET", path_of("/v1/services/%s/queries/reveal?component=support", svc), NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "components.0.result.support_key"), "KEY-1");
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", path_of("/v1/audit?service=%s", svc), NULL, NULL), 200);
    assert_non_null(strstr(r->text, "\"what\":\"service.reveal\""));
    assert_null(strstr(r->text, "KEY-1"));
    reply_free(r);
    pv_mem_store_fail(rig->store, PV_EIO);
    r = rig_call(rig, "GET", path_of("/v1/services/%s/queries/reveal", svc), NULL, NULL);
    assert_int_not_equal(r->status, 200);
    assert_null(strstr(r->text, "KEY-1"));
    reply_free(r);
    pv_mem_store_fail(rig->store, 0);
    rig_token(rig, "shop", "\"services:read\"", token, sizeof(token));
    reply_refused(
        rig_call_as(rig, token, "GET", path_of("/v1/services/%s/queries/reveal", svc), NULL, NULL),
        403, "forbidden");
}

static void queries_of_instances(void **state)
{
    struct rig *rig = *state;
    struct reply *r =
        rig_call_as(rig, NULL, "GET", "/v1/instances/web-1/queries/ping?key=a+b%21", NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "result.query"), "ping");
    assert_non_null(strstr(rig->queried, "\"query\":{\"key\":\"a b!\"}"));
    reply_free(r);
    reply_expect(r = rig_call_as(rig, NULL, "POST", "/check", NULL, "{\"key\":\"k\"}"), 200);
    assert_string_equal(reply_text(r, "instance"), "web-1");
    reply_free(r);
    reply_refused(rig_call_as(rig, NULL, "POST", "/check", NULL, "{}"), 400, "invalid_param");
    reply_refused(rig_call_as(rig, NULL, "GET", "/v1/instances/web-1/queries/test", NULL, NULL),
                  401, "unauthorized");
    reply_refused(rig_call(rig, "GET", "/v1/instances/web-1/queries/test", NULL, NULL), 403,
                  "forbidden");
    reply_expect(r = rig_admin(rig, "GET", "/v1/instances/web-1/queries/test", NULL, NULL), 200);
    reply_free(r);
    reply_refused(rig_call(rig, "GET", "/v1/instances/web-9/queries/ping", NULL, NULL), 404,
                  "unknown_query");
    rig->frozen_ms = pv_mono_ms(&pv_clock_system) + 2000; /* the bucket is full, and fills no more
                                                           */
    for (int i = 0; i < 100; i++) {
        reply_expect(r = rig_call_as(rig, NULL, "GET", "/check?key=k", NULL, NULL), 200);
        reply_free(r);
    }
    r = rig_call_as(rig, NULL, "GET", "/check?key=k", NULL, NULL);
    assert_non_null(strstr(r->head, "Retry-After: 1"));
    reply_refused(r, 429, "rate_limited");
    reply_expect(r = rig_call(rig, "GET", "/v1/services", NULL, NULL), 200);
    reply_free(r);
    rig->frozen_ms += 10;
    reply_expect(r = rig_call_as(rig, NULL, "GET", "/check?key=k", NULL, NULL), 200);
    reply_free(r);
    rig->frozen_ms = 0;
}

static void queries_outlive_a_reload(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "site", "basic", svc);
    static const char *const paths[] = {"/v1/services/%s/view", "/v1/services/%s/queries/status",
                                        "/check?key=%s"};
    for (size_t i = 0; i < PV_COUNT(paths); i++) {
        rig->hold_queries = true;
        struct client *c = rig_begin(rig, "GET", path_of(paths[i], i < 2 ? svc : "k"), NULL, NULL);
        while (rig->query_count < (i < 2 ? 2u : 1u)) {
            rig_turn(rig);
        }
        rig_reload(rig);
        rig->hold_queries = false;
        struct reply *r = rig_end(rig, c);
        reply_expect(r, 200);
        if (i == 2) {
            assert_string_equal(reply_text(r, "instance"), "web-1");
            assert_string_equal(reply_text(r, "query"), "ping");
        }
        reply_free(r);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        T(queries_and_views),
        T(reveals_only_with_a_record),
        T(queries_of_instances),
        T(queries_outlive_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

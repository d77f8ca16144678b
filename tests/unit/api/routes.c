/* SPDX-License-Identifier: Apache-2.0 */
/* The other routes over real HTTP: who may, services, actions, operations, queries, views, health.
 */
#include "core/store/store.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUSTOMER ",\"customer\":{\"email\":\"a@example.com\"}"

static void tokens_decide_who_may(void **state)
{
    struct rig *rig = *state;
    char token[100];
    struct reply *r = rig_call_as(rig, NULL, "GET", "/v1/services", NULL, NULL);
    assert_non_null(strstr(r->head, "WWW-Authenticate: Bearer"));
    reply_refused(r, 401, "unauthorized");
    reply_refused(rig_call_as(rig, "provost_nonsense", "GET", "/v1/services", NULL, NULL), 401,
                  "unauthorized");
    rig_token(rig, "shop", "\"events:write\"", token, sizeof(token));
    reply_refused(rig_call_as(rig, token, "GET", "/v1/services", NULL, NULL), 403, "forbidden");
    reply_refused(rig_call_as(rig, token, "GET", "/v1/tokens", NULL, NULL), 403, "forbidden");
    reply_refused(rig_call(rig, "GET", "/v1/tokens", NULL, NULL), 403, "forbidden");
    rig_token(rig, "shop", "\"admin\"", token, sizeof(token));
    reply_expect(r = rig_call_as(rig, token, "GET", "/v1/tokens", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "tokens")), 3);
    assert_null(strstr(r->text, "provost_")); /* a token is shown once */
    reply_free(r);
    reply_refused(rig_call(rig, "GET", "/nowhere", NULL, NULL), 404, "unknown_path");
    r = rig_call(rig, "PUT", "/v1/services", NULL, NULL);
    assert_non_null(strstr(r->head, "Allow: GET"));
    reply_refused(r, 405, "method_not_allowed");
    reply_refused(rig_call(rig, "GET", "/v1/services/%00", NULL, NULL), 400, "malformed");
}

static void revoked_and_expired_tokens_end(void **state)
{
    struct rig *rig = *state;
    struct reply *made =
        rig_admin(rig, "POST", "/v1/tokens", NULL,
                  "{\"source\":\"shop\",\"scopes\":[\"services:read\"],\"expires_in\":\"90d\"}");
    reply_expect(made, 201);
    const char *token = reply_text(made, "token");
    assert_int_equal(strlen(token), 8 + 52);
    assert_non_null(strstr(reply_text(made, "expires"), "T"));
    struct reply *r = rig_call_as(rig, token, "GET", "/v1/services", NULL, NULL);
    reply_expect(r, 200);
    reply_free(r);
    const char *id = reply_text(made, "id");
    reply_expect(r = rig_admin(rig, "DELETE", path_of("/v1/tokens/%s", id), NULL, NULL), 200);
    reply_free(r);
    reply_refused(rig_call_as(rig, token, "GET", "/v1/services", NULL, NULL), 401, "unauthorized");
    reply_refused(rig_admin(rig, "DELETE", "/v1/tokens/tok_00000000000000000000000000", NULL, NULL),
                  404, "not_found");
    reply_free(made);
    made = rig_admin(rig, "POST", "/v1/tokens", NULL,
                     "{\"source\":\"shop\",\"scopes\":[\"services:read\"],\"expires_in\":\"1ms\"}");
    reply_expect(made, 201);
    for (int64_t until = pv_mono_ms(&rig->clock) + 3; pv_mono_ms(&rig->clock) < until;) {
        rig_turn(rig);
    }
    reply_refused(rig_call_as(rig, reply_text(made, "token"), "GET", "/v1/services", NULL, NULL),
                  401, "unauthorized");
    reply_free(made);
    static const char *const bad[] = {
        "{}",
        "{\"source\":\"shop\"}",
        "{\"source\":\"Shop\",\"scopes\":[\"admin\"]}",
        "{\"source\":\"shop\",\"scopes\":[]}",
        "{\"source\":\"shop\",\"scopes\":[7]}",
        "{\"source\":\"shop\",\"scopes\":[\"admn\"]}",
        "{\"source\":\"shop\",\"scopes\":[\"admin\"],\"expires_in\":\"soon\"}",
        "{\"source\":\"shop\",\"scopes\":[\"admin\"],\"expires\":\"1d\"}",
        "[]",
    };
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        reply_expect(r = rig_admin(rig, "POST", "/v1/tokens", NULL, bad[i]), 400);
        reply_free(r);
    }
}

static void a_source_sees_its_own(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char op[40];
    char other[100];
    rig_make(rig, "1", "site", "basic", svc);
    rig_token(rig, "other",
              "\"services:read\",\"services:act\",\"services:reveal\",\"operations:read\","
              "\"operations:write\",\"signals:write\",\"audit:read\"",
              other, sizeof(other));
    struct reply *r = rig_call(rig, "GET", "/v1/operations", NULL, NULL);
    reply_take(r, 200, "operations.0.operation", op, sizeof(op));
    static const char *const of_service[] = {
        "/v1/services/%s", "/v1/services/%s/view", "/v1/services/%s/operations",
        "/v1/services/%s/queries/status", "/v1/services/%s/queries/reveal"};
    for (size_t i = 0; i < PV_COUNT(of_service); i++) {
        reply_refused(rig_call_as(rig, other, "GET", path_of(of_service[i], svc), NULL, NULL), 404,
                      "not_found");
        reply_expect(r = rig_call(rig, "GET", path_of(of_service[i], svc), NULL, NULL), 200);
        reply_free(r);
        reply_expect(r = rig_admin(rig, "GET", path_of(of_service[i], svc), NULL, NULL), 200);
        reply_free(r);
    }
    reply_refused(rig_call_as(rig, other, "POST",
                              path_of("/v1/services/%s/actions/site.restart", svc), NULL, "{}"),
                  404, "not_found");
    reply_refused(rig_call_as(rig, other, "GET", path_of("/v1/operations/%s", op), NULL, NULL), 404,
                  "not_found");
    reply_refused(rig_call_as(rig, other, "POST", path_of("/v1/operations/%s/retry", op), NULL,
                              "{\"reason\":\"x\"}"),
                  404, "not_found");
    reply_refused(
        rig_call_as(rig, other, "POST", path_of("/v1/operations/%s/signals/go", op), NULL, "{}"),
        404, "not_found");
    reply_expect(r = rig_call_as(rig, other, "GET", "/v1/services", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "services")), 0);
    reply_free(r);
    reply_expect(r = rig_call_as(rig, other, "GET", "/v1/operations", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 0);
    reply_free(r);
    reply_expect(r = rig_call_as(rig, other, "GET", "/v1/audit", NULL, NULL), 200);
    assert_null(strstr(r->text, svc));
    reply_free(r);
    reply_refused(rig_call_as(rig, other, "GET", "/v1/services?source=shop", NULL, NULL), 403,
                  "forbidden");
}

static void shows_services(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "a/1", "site", "basic", svc);
    struct reply *r = rig_call(rig, "GET", path_of("/v1/services/%s", svc), NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "service"), svc);
    assert_string_equal(reply_text(r, "external_id"), "a/1");
    assert_string_equal(reply_text(r, "state"), "active");
    assert_string_equal(reply_text(r, "components.1.name"), "support");
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", "/v1/services?external_id=a%2F1", NULL, NULL), 200);
    assert_string_equal(reply_text(r, "services.0.service"), svc);
    reply_free(r);
    reply_refused(rig_admin(rig, "GET", "/v1/services?external_id=1", NULL, NULL), 400,
                  "missing_source");
    reply_refused(rig_call(rig, "GET", "/v1/services/svc_nonsense", NULL, NULL), 404, "not_found");
    static const char *const bad[] = {"/v1/services?limit=0",    "/v1/services?limit=x",
                                      "/v1/services?limit=1001", "/v1/services?after=x",
                                      "/v1/services?state=gone", "/v1/operations?after=%ff",
                                      "/v1/operations?state=x",  "/v1/operations?service=x",
                                      "/v1/audit?after=x",       "/v1/audit?service=op_1"};
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        reply_refused(rig_call(rig, "GET", bad[i], NULL, NULL), 400, "invalid");
    }
    static const char *const unknown[] = {"/v1/services?external-id=1", "/v1/operations?stat=done",
                                          "/v1/audit?limit=5&state=x", "/v1/services?%ff=1",
                                          "/v1/services?x"};
    for (size_t i = 0; i < PV_COUNT(unknown); i++) {
        reply_refused(rig_call(rig, "GET", unknown[i], NULL, NULL), 400, "unknown_parameter");
    }
    r = rig_call(rig, "GET", unknown[0], NULL, NULL);
    assert_non_null(strstr(reply_text(r, "error"), "did you mean \"external_id\"?"));
    reply_free(r);
}

static void pages(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%d", i);
        rig_make(rig, name, "support", "standard", svc);
    }
    static const char *const lists[][2] = {{"/v1/services?limit=2", "services"},
                                           {"/v1/operations?limit=2", "operations"},
                                           {"/v1/audit?limit=3", "records"}};
    for (size_t l = 0; l < PV_COUNT(lists); l++) {
        char path[200];
        size_t seen = 0;
        size_t rounds = 0;
        snprintf(path, sizeof(path), "%s", lists[l][0]);
        for (bool more = true; more; rounds++) {
            struct reply *r = rig_call(rig, "GET", path, NULL, NULL);
            reply_expect(r, 200);
            seen += json_array_size(reply_at(r, lists[l][1]));
            more = json_is_string(reply_at(r, "next"));
            if (more) {
                snprintf(path, sizeof(path), "%s&after=%s", lists[l][0], reply_text(r, "next"));
            }
            reply_free(r);
            assert_true(rounds < 20);
        }
        assert_true(l == 2 ? seen >= 10 : seen == 5);
        assert_true(rounds >= 3);
    }
    struct reply *r = rig_call(rig, "GET", "/v1/operations?state=done", NULL, NULL);
    reply_expect(r, 200);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 5);
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", "/v1/operations?state=unfinished", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 0);
    reply_free(r);
}

static void actions(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char op[40];
    rig_make(rig, "1", "site", "basic", svc);
    const char *add = path_of("/v1/services/%s/actions/site.add_domain", svc);
    reply_take(rig_call(rig, "POST", add, "Idempotency-Key: k1\r\n",
                        "{\"form\":{\"domain\":\"a.example\"},\"reason\":\"asked\"}"),
               202, "operation", op, sizeof(op));
    struct reply *r = rig_call(rig, "POST", add, "Idempotency-Key: k1\r\nPrefer: wait=20\r\n",
                               "{\"reason\":\"asked\",\"form\":{\"domain\":\"a.example\"}}");
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "operation"), op);
    assert_string_equal(reply_text(r, "action"), "site.add_domain");
    assert_string_equal(reply_text(r, "state"), "done");
    assert_true(json_is_true(reply_at(r, "duplicate")));
    reply_free(r);
    reply_refused(rig_call(rig, "POST", add, "Idempotency-Key: k1\r\n",
                           "{\"form\":{\"domain\":\"b.example\"}}"),
                  409, "id_conflict");
    reply_refused(rig_call(rig, "POST", add, NULL, "{\"form\":{\"domian\":\"b.example\"}}"), 400,
                  "unknown_field");
    reply_refused(rig_call(rig, "POST", add, NULL, "{}"), 400, "missing_field");
    reply_refused(rig_call(rig, "POST", add, NULL, "{\"form\":7}"), 400, "wrong_type");
    reply_refused(rig_call(rig, "POST", add, NULL, "{\"frm\":{}}"), 400, "unknown_key");
    reply_refused(rig_call(rig, "POST", add, "Idempotency-Key: \r\n", "{}"), 400, "invalid");
    /* the plan's two domains */
    reply_expect(r = rig_call(rig, "POST", add, "Prefer: wait=20\r\n",
                              "{\"form\":{\"domain\":\"b.example\"}}"),
                 200);
    reply_free(r);
    reply_refused(rig_call(rig, "POST", add, NULL, "{\"form\":{\"domain\":\"c.example\"}}"), 409,
                  "quota_exceeded");
    reply_expect(r = rig_call(rig, "GET", path_of("/v1/services/%s", svc), NULL, NULL), 200);
    assert_string_equal(reply_text(r, "quotas.0.name"), "domains");
    assert_int_equal(json_integer_value(reply_at(r, "quotas.0.used")), 2);
    assert_int_equal(json_integer_value(reply_at(r, "quotas.0.limit")), 2);
    reply_free(r);
    reply_refused(
        rig_call(rig, "POST", path_of("/v1/services/%s/actions/site.restrat", svc), NULL, "{}"),
        404, "unknown_action");
    reply_refused(
        rig_call(rig, "POST", path_of("/v1/services/%s/actions/restart", svc), NULL, "{}"), 400,
        "invalid"); /* both components have it */
    reply_refused(rig_call(rig, "POST",
                           "/v1/services/svc_00000000000000000000000000/actions/restart", NULL,
                           "{}"),
                  404, "not_found");
}

static void verbs_and_signals(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char op[40];
    rig_make(rig, "1", "support", "standard", svc);
    rig->fail = "stop";
    struct reply *r =
        rig_call(rig, "POST", "/v1/events", "Prefer: wait=20\r\n",
                 "{\"id\":\"s\",\"type\":\"service.suspend\",\"service\":{\"id\":\"1\"}}");
    reply_expect(r, 202); /* parked: no use to wait longer */
    assert_string_equal(reply_text(r, "state"), "needs_operator");
    snprintf(op, sizeof(op), "%s", reply_text(r, "operation"));
    reply_free(r);
    reply_expect(r = rig_admin(rig, "GET", path_of("/v1/explain/%s", svc), NULL, NULL), 200);
    assert_non_null(strstr(reply_text(r, "sentence"), "needs an operator"));
    assert_non_null(strstr(reply_text(r, "sentence"), "does not want it"));
    assert_non_null(strstr(reply_text(r, "advice"), op));
    reply_free(r);
    reply_refused(rig_call(rig, "POST", path_of("/v1/operations/%s/retry", op), NULL, "{}"), 400,
                  "required");
    reply_expect(
        r = rig_call(rig, "POST", path_of("/v1/operations/%s/signals/go", op), NULL, "{\"x\":1}"),
        202);
    reply_free(r);
    reply_refused(rig_call(rig, "POST", path_of("/v1/operations/%s/signals/G!", op), NULL, ""), 400,
                  "invalid");
    char *large = calloc(1, 70000);
    assert_non_null(large);
    memset(large, ' ', 69999);
    reply_refused(rig_call(rig, "POST", path_of("/v1/operations/%s/signals/go", op), NULL, large),
                  413, "too_large");
    free(large);
    rig->fail = NULL;
    r = rig_call(rig, "POST", path_of("/v1/operations/%s/retry", op), "Prefer: wait=20\r\n",
                 "{\"reason\":\"repaired\"}");
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "state"), "done");
    reply_free(r);
    reply_refused(rig_call(rig, "POST", path_of("/v1/operations/%s/cancel", op), NULL,
                           "{\"reason\":\"too late\"}"),
                  409, "conflict");
    reply_refused(rig_call(rig, "POST", path_of("/v1/operations/%s/signals/go", op), NULL, "{}"),
                  409, "conflict");
    reply_refused(rig_call(rig, "POST", "/v1/operations/op_1/skip", NULL, "{\"reason\":\"x\"}"),
                  404, "not_found");
    reply_expect(r = rig_admin(rig, "GET", path_of("/v1/explain/%s", op), NULL, NULL), 200);
    assert_non_null(strstr(reply_text(r, "sentence"), "suspend is done"));
    reply_free(r);
    reply_expect(r = rig_admin(rig, "GET", path_of("/v1/explain/%s", svc), NULL, NULL), 200);
    assert_non_null(strstr(reply_text(r, "sentence"), "the service is suspended"));
    reply_free(r);
    reply_refused(rig_admin(rig, "GET", "/v1/explain/x", NULL, NULL), 404, "not_found");
}

static void explains_what_runs(void **state)
{
    struct rig *rig = *state;
    char op[40];
    rig->hold = "make";
    reply_take(rig_call(rig, "POST", "/v1/events", NULL,
                        "{\"id\":\"e\",\"type\":\"service.create\",\"service\":{\"id\":\"1\","
                        "\"product\":\"support\",\"plan\":\"standard\"}" CUSTOMER "}"),
               202, "operation", op, sizeof(op));
    for (unsigned run = rig->steps_run; rig->steps_run == run && rig->step_count == 0;) {
        rig_turn(rig);
    }
    struct reply *r = rig_admin(rig, "GET", path_of("/v1/explain/%s", op), NULL, NULL);
    reply_expect(r, 200);
    assert_non_null(strstr(reply_text(r, "sentence"),
                           "create is running: support.make of instance web-2 for "));
    assert_non_null(strstr(reply_text(r, "sentence"), "attempt 1."));
    reply_free(r);
    rig_release(rig);
    rig_settle(rig);
}

static void instances(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_admin(rig, "GET", "/v1/instances", NULL, NULL);
    reply_expect(r, 200);
    assert_int_equal(json_array_size(reply_at(r, "instances")), 3);
    assert_string_equal(reply_text(r, "instances.0.breaker"), "closed");
    reply_free(r);
    reply_refused(rig_admin(rig, "POST", "/v1/instances/web-2/pause", NULL, "{}"), 400, "required");
    reply_refused(rig_admin(rig, "POST", "/v1/instances/web-9/pause", NULL, "{\"reason\":\"x\"}"),
                  404, "not_found");
    r = rig_admin(rig, "POST", "/v1/instances/web-2/pause", NULL, "{\"reason\":\"work\"}");
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "paused")));
    reply_free(r);
    char op[40];
    reply_take(rig_call(rig, "POST", "/v1/events", NULL,
                        "{\"id\":\"e\",\"type\":\"service.create\",\"service\":{\"id\":\"1\","
                        "\"product\":\"support\",\"plan\":\"standard\"}" CUSTOMER "}"),
               202, "operation", op, sizeof(op));
    reply_expect(r = rig_admin(rig, "GET", path_of("/v1/explain/%s", op), NULL, NULL), 200);
    assert_non_null(strstr(reply_text(r, "sentence"), "web-2 is paused"));
    assert_non_null(strstr(reply_text(r, "advice"), "instance resume web-2"));
    reply_free(r);
    r = rig_admin(rig, "POST", "/v1/instances/web-2/resume", NULL, "{\"reason\":\"done\"}");
    reply_expect(r, 200);
    reply_free(r);
    rig_settle(rig);
    reply_expect(r = rig_admin(rig, "GET", "/v1/audit", NULL, NULL), 200);
    assert_non_null(strstr(r->text, "\"web-2: work\""));
    assert_null(strstr(r->text, "\"time\":null"));
    reply_free(r);
    reply_expect(r = rig_admin(rig, "POST", "/v1/instances/web-1/test", NULL, NULL), 200);
    assert_true(json_is_true(reply_at(r, "ok")));
    reply_free(r);
    reply_refused(rig_admin(rig, "POST", "/v1/instances/zones-1/test", NULL, NULL), 404,
                  "unknown_query");
}

static void reload_and_status(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_admin(rig, "POST", "/v1/reload", NULL, NULL);
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "reloaded")));
    reply_free(r);
    rig->reload_status = PV_EINVAL;
    rig->reload_report = "a.yaml:1:2: plugins: wrong\na.yaml:3:1: products: also wrong\n";
    r = rig_admin(rig, "POST", "/v1/reload", NULL, NULL);
    reply_expect(r, 409);
    assert_int_equal(json_array_size(reply_at(r, "errors")), 2);
    reply_free(r);
    rig->reload_status = PV_EBUSY;
    reply_refused(rig_admin(rig, "POST", "/v1/reload", NULL, NULL), 409, "cannot_reload");
    reply_expect(r = rig_admin(rig, "GET", "/v1/status", NULL, NULL), 200);
    assert_string_equal(reply_text(r, "version"), "1.2.3");
    assert_true(json_is_array(reply_at(r, "hosts")));
    reply_free(r);
}

static void health_and_metrics(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "support", "standard", svc);
    struct reply *r = rig_call_as(rig, NULL, "GET", "/healthz", NULL, NULL);
    reply_expect(r, 200);
    reply_free(r);
    reply_expect(r = rig_call_as(rig, NULL, "HEAD", "/healthz", NULL, NULL), 200);
    reply_free(r);
    reply_expect(r = rig_call_as(rig, NULL, "GET", "/readyz", NULL, NULL), 200);
    reply_free(r);
    rig->not_ready = "provostd is stopping";
    r = rig_call_as(rig, NULL, "GET", "/readyz", NULL, NULL);
    assert_string_equal(reply_text(r, "error"), "provostd is stopping");
    reply_refused(r, 503, "not_ready");
    rig->not_ready = NULL;
    reply_refused(rig_call_as(rig, NULL, "GET", "/metrics", NULL, NULL), 401, "unauthorized");
    reply_expect(r = rig_call(rig, "GET", "/metrics", NULL, NULL), 200);
    assert_non_null(strstr(r->head, "Content-Type: text/plain"));
    static const char *const lines[] = {"provost_events_accepted_total 1\n",
                                        "provost_operations_finished_total{state=\"done\"} 1\n",
                                        "provost_steps_total{outcome=\"ok\"} 1\n",
                                        "provost_store_up 1\n",
                                        "provost_services 1\n",
                                        "provost_http_requests_total{status=\"503\"} 1\n",
                                        "provost_instance_in_flight{instance=\"web-2\"} 0\n",
                                        "provost_rig 1\n"};
    for (size_t i = 0; i < PV_COUNT(lines); i++) {
        if (strstr(r->text, lines[i]) == NULL) {
            fail_msg("no %s in\n%s", lines[i], r->text);
        }
    }
    reply_free(r);
}

static void catalog_and_audit(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "site", "basic", svc);
    struct reply *r = rig_call(rig, "GET", "/v1/plugins", NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "plugins.0.name"), "web");
    assert_string_equal(reply_text(r, "plugins.0.description.name"), "web");
    reply_free(r);
    reply_expect(r = rig_call(rig, "GET", "/v1/products", NULL, NULL), 200);
    assert_int_equal(json_array_size(reply_at(r, "products")), 3);
    reply_free(r);
    reply_expect(r = rig_admin(rig, "GET", "/v1/audit", NULL, NULL), 200);
    assert_true(json_array_size(reply_at(r, "records")) >= 2);
    reply_free(r);
    reply_expect(r = rig_admin(rig, "GET", "/v1/audit/verify", NULL, NULL), 200);
    assert_true(json_is_true(reply_at(r, "valid")));
    assert_true(json_integer_value(reply_at(r, "records")) >= 2);
    reply_free(r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        T(tokens_decide_who_may),
        T(revoked_and_expired_tokens_end),
        T(a_source_sees_its_own),
        T(shows_services),
        T(pages),
        T(actions),
        T(verbs_and_signals),
        T(explains_what_runs),
        T(instances),
        T(reload_and_status),
        T(health_and_metrics),
        T(catalog_and_audit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

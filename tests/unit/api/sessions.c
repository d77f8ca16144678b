/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of customers, and the browsers that use them. */
#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION 1200

static void make(struct rig *rig, const char *svc, const char *body, char out[SESSION])
{
    reply_take(rig_call(rig, "POST", path_of("/v1/services/%s/sessions", svc), NULL, body), 201,
               "token", out, SESSION);
}

/* Service 1, and a session of it. */
static void make_both(struct rig *rig, const char *body, char svc[40], char token[SESSION])
{
    rig_make(rig, "1", "site", "basic", svc);
    make(rig, svc, body, token);
}

static void reaches_its_service_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    char own[40];
    char other[40];
    char token[SESSION];
    rig_make(rig, "1", "site", "basic", own);
    rig_make(rig, "2", "site", "basic", other);
    struct reply *r = rig_call(rig, "POST", path_of("/v1/services/%s/sessions", own), NULL,
                               "{\"customer\":\"7\"}");
    reply_expect(r, 201);
    assert_string_equal(reply_text(r, "service"), own);
    assert_string_equal(reply_text(r, "customer"), "7");
    assert_int_equal(json_array_size(reply_at(r, "scopes")), 3);
    snprintf(token, sizeof(token), "%s", reply_text(r, "token"));
    assert_int_equal(strncmp(token, "provost_session_", 16), 0);
    reply_free(r);
    static const char *const reads[] = {"/v1/services/%s", "/v1/services/%s/view",
                                        "/v1/services/%s/operations"};
    for (size_t i = 0; i < 3; i++) {
        rig_expect(rig, token, "GET", path_of(reads[i], own), NULL, 200);
        reply_refused(rig_call_as(rig, token, "GET", path_of(reads[i], other), NULL, NULL), 404,
                      "not_found");
        reply_refused(rig_call_as(rig, token, "GET", path_of(reads[i], "nothing"), NULL, NULL), 404,
                      "not_found");
    }
    /* what the plugin says is for tokens of billing systems is not there */
    reply_refused(
        rig_call_as(rig, token, "GET", path_of("/v1/services/%s/queries/status", own), NULL, NULL),
        404, "unknown_query");
    reply_refused(
        rig_call_as(rig, token, "GET", path_of("/v1/services/%s/queries/reveal", own), NULL, NULL),
        403, "forbidden");
    /* an action, and its operation; others' operations are not there */
    char op[64];
    char foreign[64];
    r = rig_call_as(rig, token, "POST", path_of("/v1/services/%s/actions/site.restart", own),
                    "Prefer: wait=30\r\n", "{}");
    reply_take(r, 200, "operation", op, sizeof(op));
    rig_expect(rig, token, "GET", path_of("/v1/operations/%s", op), NULL, 200);
    r = rig_call(rig, "GET", path_of("/v1/services/%s/operations", other), NULL, NULL);
    reply_take(r, 200, "operations.0.operation", foreign, sizeof(foreign));
    reply_refused(rig_call_as(rig, token, "GET", path_of("/v1/operations/%s", foreign), NULL, NULL),
                  404, "not_found");
    reply_refused(rig_call_as(rig, token, "POST",
                              path_of("/v1/services/%s/actions/site.restart", other), NULL, "{}"),
                  404, "not_found");
    /* everything else */
    static const char *const never[][2] = {
        {"GET", "/v1/services"}, {"POST", "/v1/events"}, {"GET", "/v1/operations"},
        {"GET", "/v1/products"}, {"GET", "/v1/audit"},   {"GET", "/metrics"},
        {"POST", "/v1/tokens"},  {"GET", "/v1/status"},  {"GET", "/v1/plugins"},
    };
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        reply_refused(rig_call_as(rig, token, never[i][0], never[i][1], NULL, NULL), 403,
                      "forbidden");
    }
    reply_refused(rig_call_as(rig, token, "POST", path_of("/v1/services/%s/sessions", own), NULL,
                              "{\"customer\":\"7\"}"),
                  403, "forbidden");
    /* the audit trail knows who did what */
    r = rig_call(rig, "GET", "/v1/audit?limit=1000", NULL, NULL);
    reply_expect(r, 200);
    assert_non_null(strstr(r->text, "\"actor\":\"customer:7\""));
    assert_non_null(strstr(r->text, "\"what\":\"session.create\""));
    assert_non_null(strstr(r->text, "\"detail\":\"customer:7\""));
    assert_null(strstr(r->text, token));
    reply_free(r);
}

static void has_no_more_rights_than_its_maker(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char reader[128];
    char token[SESSION];
    rig_make(rig, "1", "site", "basic", svc);
    const char *path = path_of("/v1/services/%s/sessions", svc);
    rig_token(rig, "shop", "\"services:read\"", reader, sizeof(reader));
    reply_take(rig_call_as(rig, reader, "POST", path, NULL, "{\"customer\":\"7\"}"), 201, "token",
               token, sizeof(token));
    rig_expect(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, 200);
    reply_refused(rig_call_as(rig, token, "POST",
                              path_of("/v1/services/%s/actions/site.restart", svc), NULL, "{}"),
                  403, "forbidden");
    reply_refused(rig_call_as(rig, reader, "POST", path, NULL,
                              "{\"customer\":\"7\",\"scopes\":[\"services:act\"]}"),
                  403, "forbidden");
    /* another source's service is not there; a token without the scope makes none */
    char stranger[128];
    rig_token(rig, "panel", "\"services:read\"", stranger, sizeof(stranger));
    reply_refused(rig_call_as(rig, stranger, "POST", path, NULL, "{\"customer\":\"7\"}"), 404,
                  "not_found");
    rig_token(rig, "shop", "\"events:write\"", stranger, sizeof(stranger));
    reply_refused(rig_call_as(rig, stranger, "POST", path, NULL, "{\"customer\":\"7\"}"), 403,
                  "forbidden");
    /* with the scope, and only when it is asked for */
    make(rig, svc, "{\"customer\":\"7\",\"scopes\":[\"services:read\",\"services:reveal\"]}",
         token);
    reply_refused(
        rig_call_as(rig, token, "GET", path_of("/v1/services/%s/queries/reveal", svc), NULL, NULL),
        404, "unknown_query"); /* this plugin keeps it from customers */
    reply_refused(
        rig_call_as(rig, token, "GET", path_of("/v1/services/%s/operations", svc), NULL, NULL), 403,
        "forbidden");
}

static void ends_with_its_maker(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char maker[128];
    char id[40];
    char token[SESSION];
    rig_make(rig, "1", "site", "basic", svc);
    rig_token_id(rig, "shop", "\"services:read\"", maker, sizeof(maker), id);
    reply_take(rig_call_as(rig, maker, "POST", path_of("/v1/services/%s/sessions", svc), NULL,
                           "{\"customer\":\"7\"}"),
               201, "token", token, sizeof(token));
    rig_expect(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, 200);
    rig_revoke(rig, id);
    reply_refused(rig_call_as(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, NULL), 401,
                  "unauthorized");
}

static void ends_with_time(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    make_both(rig, "{\"customer\":\"7\",\"expires_in\":\"1ms\"}", svc, token);
    struct reply *r = rig_call_as(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, NULL);
    while (r->status == 200) { /* at once, or as soon as the millisecond is over */
        reply_free(r);
        r = rig_call_as(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, NULL);
    }
    assert_non_null(strstr(reply_text(r, "error"), "expired"));
    reply_refused(r, 401, "unauthorized");
}

static void is_not_forged(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    make_both(rig, "{\"customer\":\"7\"}", svc, token);
    const char *path = path_of("/v1/services/%s", svc);
    size_t len = strlen(token);
    for (size_t i = 16; i < len; i += 9) {
        char kept = token[i];
        token[i] = kept == '0' ? '1' : '0';
        reply_refused(rig_call_as(rig, token, "GET", path, NULL, NULL), 401, "unauthorized");
        token[i] = kept;
        if (i > 16 + 9 * 40) {
            break; /* 60 a minute */
        }
    }
    rig_expect(rig, token, "GET", path, NULL, 200);
    token[len - 1] = '\0';
    reply_refused(rig_call_as(rig, token, "GET", path, NULL, NULL), 401, "unauthorized");
    reply_refused(rig_call_as(rig, "provost_session_", "GET", path, NULL, NULL), 401,
                  "unauthorized");
    reply_refused(rig_call_as(rig, "provost_session_zz", "GET", path, NULL, NULL), 401,
                  "unauthorized");
}

static void checks_what_it_is_asked_for(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "site", "basic", svc);
    const char *path = path_of("/v1/services/%s/sessions", svc);
    static const struct {
        const char *body;
        int status;
        const char *code;
    } bad[] = {
        {"{}", 400, "required"},
        {"{\"customer\":7}", 400, "wrong_type"},
        {"{\"customer\":\"\"}", 400, "invalid"},
        {"{\"customer\":\"a b\"}", 400, "invalid"},
        {"{\"customer\":\"7\",\"expires_in\":\"16m\"}", 400, "invalid"},
        {"{\"customer\":\"7\",\"expires_in\":\"0s\"}", 400, "invalid"},
        {"{\"customer\":\"7\",\"scopes\":[]}", 400, "required"},
        {"{\"customer\":\"7\",\"scopes\":[\"events:write\"]}", 400, "invalid"},
        {"{\"customer\":\"7\",\"scopes\":[\"x\"]}", 400, "unknown_scope"},
        {"{\"customer\":\"7\",\"scope\":[]}", 400, "unknown_key"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reply_refused(rig_call(rig, "POST", path, NULL, bad[i].body), bad[i].status, bad[i].code);
    }
    reply_refused(rig_call(rig, "POST", "/v1/services/svc_00000000000000000000000000/sessions",
                           NULL, "{\"customer\":\"7\"}"),
                  404, "not_found");
    /* by the admin socket: of any source */
    char token[SESSION];
    reply_take(rig_admin(rig, "POST", path, NULL, "{\"customer\":\"7\"}"), 201, "token", token,
               sizeof(token));
    rig_expect(rig, token, "GET", path_of("/v1/services/%s/view", svc), NULL, 200);
}

static void is_ended(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char other[40];
    char first[SESSION];
    char second[SESSION];
    char elsewhere[SESSION];
    make_both(rig, "{\"customer\":\"7\"}", svc, first);
    rig_make(rig, "2", "site", "basic", other);
    make(rig, other, "{\"customer\":\"8\"}", elsewhere);
    char shown[100];
    char ends[100];
    snprintf(ends, sizeof(ends), "/v1/services/%s/sessions", svc);
    snprintf(shown, sizeof(shown), "/v1/services/%s", svc);
    rig_expect(rig, first, "GET", shown, NULL, 200);
    /* by whoever may make them, of its own source; another session may not */
    char stranger[128];
    rig_token(rig, "panel", "\"services:read\"", stranger, sizeof(stranger));
    reply_refused(rig_call_as(rig, stranger, "DELETE", ends, NULL, NULL), 404, "not_found");
    rig_token(rig, "shop", "\"events:write\"", stranger, sizeof(stranger));
    reply_refused(rig_call_as(rig, stranger, "DELETE", ends, NULL, NULL), 403, "forbidden");
    reply_refused(rig_call_as(rig, elsewhere, "DELETE", ends, NULL, NULL), 404, "not_found");
    rig_expect(rig, first, "GET", shown, NULL, 200);
    struct reply *r = rig_call(rig, "DELETE", ends, NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "service"), svc);
    assert_non_null(reply_text(r, "ended"));
    reply_free(r);
    reply_refused(rig_call_as(rig, first, "GET", shown, NULL, NULL), 401, "unauthorized");
    rig_expect(rig, elsewhere, "GET", path_of("/v1/services/%s", other), NULL, 200);
    /* one that is made afterwards works, and may end itself */
    make(rig, svc, "{\"customer\":\"7\"}", second);
    rig_expect(rig, second, "GET", shown, NULL, 200);
    rig_expect(rig, second, "DELETE", ends, NULL, 200);
    reply_refused(rig_call_as(rig, second, "GET", shown, NULL, NULL), 401, "unauthorized");
    reply_refused(rig_call_as(rig, first, "GET", shown, NULL, NULL), 401, "unauthorized");
    r = rig_call(rig, "GET", "/v1/audit?limit=1000", NULL, NULL);
    assert_non_null(strstr(r->text, "\"what\":\"session.end\""));
    reply_free(r);
    /* those of the admin socket end as well */
    make(rig, svc, "{\"customer\":\"7\"}", first);
    r = rig_admin(rig, "DELETE", ends, NULL, NULL);
    reply_expect(r, 200);
    reply_free(r);
    reply_refused(rig_call_as(rig, first, "GET", shown, NULL, NULL), 401, "unauthorized");
    reply_refused(
        rig_call(rig, "DELETE", "/v1/services/svc_00000000000000000000000000/sessions", NULL, NULL),
        404, "not_found");
}

/* Those that are made then are made before the end of those before them, by the clock. */
static void is_made_after_the_clock_was_set_back(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    make_both(rig, "{\"customer\":\"7\"}", svc, token);
    char ends[100];
    char shown[100];
    snprintf(ends, sizeof(ends), "/v1/services/%s/sessions", svc);
    snprintf(shown, sizeof(shown), "/v1/services/%s", svc);
    rig_expect(rig, rig->token, "DELETE", ends, NULL, 200);
    rig->back_ms = 3600 * 1000;
    /* What it knew of the end is forgotten. */
    rig->frozen_ms = pv_mono_ms(&pv_clock_system) + 31000;
    reply_refused(rig_call_as(rig, token, "GET", shown, NULL, NULL), 401, "unauthorized");
    rig->frozen_ms += 31000;
    make(rig, svc, "{\"customer\":\"7\"}", token);
    rig_expect(rig, token, "GET", shown, NULL, 200);
    rig_expect(rig, token, "DELETE", ends, NULL, 200);
    reply_refused(rig_call_as(rig, token, "GET", shown, NULL, NULL), 401, "unauthorized");
    rig->frozen_ms = 0;
}

static void act(struct rig *rig, const char *token, const char *svc, const char *key, char op[64])
{
    char header[64];
    snprintf(header, sizeof(header), "Prefer: wait=30\r\nIdempotency-Key: %s\r\n", key);
    reply_take(rig_call_as(rig, token, "POST", path_of("/v1/services/%s/actions/site.restart", svc),
                           header, "{}"),
               200, "operation", op, 64);
}

/* What one customer calls "1" is neither another's nor the billing system's. */
static void has_keys_of_its_own(void **state)
{
    struct rig *rig = *state;
    char own[40];
    char other[40];
    char token[SESSION];
    char elsewhere[SESSION];
    char ops[4][64];
    make_both(rig, "{\"customer\":\"7\"}", own, token);
    rig_make(rig, "2", "site", "basic", other);
    make(rig, other, "{\"customer\":\"8\"}", elsewhere);
    act(rig, token, own, "1", ops[0]);
    act(rig, elsewhere, other, "1", ops[1]);
    act(rig, rig->token, other, "1", ops[2]);
    act(rig, token, own, "1", ops[3]);
    assert_string_equal(ops[3], ops[0]); /* it was repeated */
    assert_string_not_equal(ops[0], ops[1]);
    assert_string_not_equal(ops[1], ops[2]);
    make(rig, own, "{\"customer\":\"7\"}", token);
    act(rig, token, own, "1", ops[3]);
    assert_string_equal(ops[3], ops[0]); /* in another session, too */
    reply_refused(rig_call(rig, "POST", path_of("/v1/services/%s/actions/site.restart", own),
                           "Idempotency-Key: 1\r\n", "{}"),
                  409, "id_conflict"); /* the source's own is one */
}

/* Why something did not go well names systems. */
static void is_not_told_what_is_for_staff(void **state)
{
    static const char why[] = "the backend does not want it";
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    char op[64];
    char paths[2][100];
    make_both(rig, "{\"customer\":\"7\"}", svc, token);
    rig->fail = "stop";
    struct reply *r =
        rig_call_as(rig, token, "POST", path_of("/v1/services/%s/actions/site.restart", svc),
                    "Prefer: wait=30\r\n", "{}");
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "state"), "failed");
    assert_null(strstr(r->text, why));
    reply_take(r, 200, "operation", op, sizeof(op));
    snprintf(paths[0], sizeof(paths[0]), "/v1/operations/%s", op);
    snprintf(paths[1], sizeof(paths[1]), "/v1/services/%s/operations", svc);
    for (size_t i = 0; i < PV_COUNT(paths); i++) {
        r = rig_call_as(rig, token, "GET", paths[i], NULL, NULL);
        reply_expect(r, 200);
        assert_null(strstr(r->text, why));
        assert_non_null(strstr(r->text, "\"reason\":null"));
        assert_non_null(strstr(r->text, "\"state\":\"failed\""));
        reply_free(r);
        r = rig_call(rig, "GET", paths[i], NULL, NULL);
        reply_expect(r, 200);
        assert_non_null(strstr(r->text, why));
        reply_free(r);
    }
    r = rig_call(rig, "GET", paths[0], NULL, NULL);
    assert_string_equal(reply_text(r, "steps.0.text"), why);
    reply_free(r);
}

static void survives_without_memory(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    make_both(rig, "{\"customer\":\"7\"}", svc, token);
    char made[100];
    char shown[100];
    snprintf(made, sizeof(made), "/v1/services/%s/sessions", svc);
    snprintf(shown, sizeof(shown), "/v1/services/%s", svc);
    for (int making = 0; making < 2; making++) {
        int quiet = 0;
        for (unsigned long n = 1; n < 3000 && quiet < 3; n++) {
            rig->may_close = true;
            pv_alloc_fail_at(n, 0);
            struct reply *r = making == 1
                                  ? rig_call(rig, "POST", made, NULL, "{\"customer\":\"7\"}")
                                  : rig_call_as(rig, token, "GET", shown, NULL, NULL);
            unsigned long used = pv_alloc_count();
            pv_alloc_fail_at(0, 0);
            rig->may_close = false;
            int good = making == 1 ? 201 : 200;
            if (r->status != 0 && r->status != 500 && r->status != 503 && r->status != good) {
                fail_msg("allocation %lu failing: %d %s", n, r->status, r->text);
            }
            quiet = r->status == good && used < n ? quiet + 1 : 0;
            reply_free(r);
        }
        assert_int_equal(quiet, 3);
    }
}

/* Shops' tokens stay known however many services' sessions are used. */
static void takes_no_room_of_tokens(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char token[SESSION];
    make_both(rig, "{\"customer\":\"7\"}", svc, token);
    size_t tokens = rig->api->tokens.recent.map.count;
    assert_true(tokens > 0);
    rig_expect(rig, token, "GET", path_of("/v1/services/%s", svc), NULL, 200);
    rig_expect(rig, token, "DELETE", path_of("/v1/services/%s/sessions", svc), NULL, 200);
    assert_int_equal(rig->api->tokens.recent.map.count, tokens);
    assert_int_equal(rig->api->ends.recent.map.count, 1);
}

/* ---- browsers ---- */

#define ASK                                                                                        \
    "Origin: https://shop.example.com\r\nAccess-Control-Request-Method: POST\r\n"                  \
    "Access-Control-Request-Headers: authorization\r\n"
#define FROM "Origin: https://shop.example.com\r\n"
#define ALLOWED "Access-Control-Allow-Origin: https://shop.example.com"

static void lets_pages_of_known_origins_call(void **state)
{
    struct rig *rig = *state;
    /* none is known yet */
    struct reply *r = rig_call_as(rig, NULL, "OPTIONS", "/v1/services", ASK, NULL);
    assert_null(strstr(r->head, "Access-Control"));
    reply_refused(r, 405, "method_not_allowed");
    rig->more_yaml = "allowed_origins: [\"https://shop.example.com\"]\n";
    rig_reload(rig);
    r = rig_call_as(rig, NULL, "OPTIONS", "/v1/services", ASK, NULL);
    assert_int_equal(r->status, 204);
    assert_non_null(strstr(r->head, ALLOWED));
    assert_non_null(strstr(r->head, "Vary: Origin"));
    assert_non_null(strstr(r->head, "\r\nAccess-Control-Allow-Methods: GET, POST, DELETE\r\n"));
    assert_non_null(strstr(r->head,
                           "\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
                           "Idempotency-Key, Last-Event-ID, Prefer, traceparent\r\n"));
    assert_null(strstr(r->head, "Allow-Credentials"));
    reply_free(r);
    r = rig_call(rig, "GET", "/v1/services", FROM, NULL);
    reply_expect(r, 200);
    assert_non_null(strstr(r->head, ALLOWED));
    assert_non_null(strstr(r->head, "Access-Control-Expose-Headers: Location"));
    reply_free(r);
    /* a page sees why it was refused */
    r = rig_call_as(rig, NULL, "GET", "/v1/services", FROM, NULL);
    assert_non_null(strstr(r->head, ALLOWED));
    reply_refused(r, 401, "unauthorized");
    /* other pages see nothing */
    r = rig_call(rig, "GET", "/v1/services", "Origin: https://shop.example.com.evil.example\r\n",
                 NULL);
    reply_expect(r, 200);
    assert_null(strstr(r->head, "Access-Control"));
    reply_free(r);
    r = rig_call(rig, "GET", "/v1/services", NULL, NULL);
    reply_expect(r, 200);
    assert_null(strstr(r->head, "Access-Control"));
    reply_free(r);
    /* no question of a browser */
    reply_refused(rig_call_as(rig, NULL, "OPTIONS", "/v1/services", FROM, NULL), 405,
                  "method_not_allowed");
    r = rig_admin(rig, "GET", "/v1/services", FROM, NULL);
    reply_expect(r, 200);
    assert_null(strstr(r->head, "Access-Control"));
    reply_free(r);
    rig->more_yaml = "allowed_origins: [\"*\"]\n";
    rig_reload(rig);
    r = rig_call_as(rig, NULL, "OPTIONS", "/v1/services", ASK, NULL);
    assert_int_equal(r->status, 204);
    assert_non_null(strstr(r->head, "Access-Control-Allow-Origin: *"));
    reply_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reaches_its_service_and_nothing_else, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(has_no_more_rights_than_its_maker, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(ends_with_its_maker, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(ends_with_time, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(is_not_forged, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(checks_what_it_is_asked_for, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(is_ended, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(is_made_after_the_clock_was_set_back, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(has_keys_of_its_own, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(is_not_told_what_is_for_staff, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(takes_no_room_of_tokens, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(survives_without_memory, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(lets_pages_of_known_origins_call, rig_open, rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

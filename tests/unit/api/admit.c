/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send a body is found out before it is read. The client sends nothing of it until it is
 * told to, so that `100 Continue` shows who was let in. */
#include "core/base/hash.h"
#include "core/store/store.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT                                                                                      \
    "{\"id\":\"e1\",\"type\":\"service.create\",\"service\":{\"id\":\"s1\",\"product\":"           \
    "\"support\",\"plan\":\"standard\"},\"customer\":{\"email\":\"a@example.com\"}}"

/* What comes back, all of it, the `100 Continue` too. */
static char *post(struct rig *rig, const char *path, const char *header, const char *body)
{
    static char got[1 << 16];
    char head[3000];
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    snprintf(head, sizeof(head),
             "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sExpect: 100-continue\r\n"
             "Content-Length: %zu\r\n\r\n",
             path, header, strlen(body));
    c->port = rig->port;
    c->done = &rig->async;
    c->send = head;
    c->awaits = "100 Continue\r\n\r\n"; /* or the end of the connection */
    c->then = body;
    client_start(c);
    while (pthread_tryjoin_np(c->thread, NULL) != 0) {
        rig_turn(rig);
    }
    assert_false(c->failed);
    snprintf(got, sizeof(got), "%s", c->got);
    free(c);
    return got;
}

static const char *bearer(const char *token)
{
    static char header[2000];
    snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", token);
    return header;
}

static void refused(const char *got, const char *status, const char *code)
{
    if (strncmp(got, status, strlen(status)) != 0 || strstr(got, code) == NULL ||
        strstr(got, "\r\nConnection: close\r\n") == NULL) {
        fail_msg("expected %s %s, got:\n%s", status, code, got);
    }
}

static void let_in(const char *got, const char *status)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (strncmp(got, go_on, sizeof(go_on) - 1) != 0 ||
        strncmp(got + sizeof(go_on) - 1, status, strlen(status)) != 0) {
        fail_msg("expected 100 and %s, got:\n%s", status, got);
    }
}

static void refuses_who_may_not_call(void **state)
{
    struct rig *rig = *state;
    static const char *const headers[] = {
        "",
        "Authorization: \r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic c2hvcDpzaG9w\r\n",
        "Authorization: Bearer provost_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        "Authorization: Bearer provost_session_00\r\n",
    };
    for (size_t i = 0; i < PV_COUNT(headers); i++) {
        refused(post(rig, "/v1/events", headers[i], EVENT), "HTTP/1.1 401 ", "\"unauthorized\"");
    }
    refused(post(rig, "/create-site", "", "{}"), "HTTP/1.1 401 ", "\"unauthorized\"");
    refused(post(rig, "/v1/nothing", "", EVENT), "HTTP/1.1 404 ", "\"unknown_path\"");
    refused(post(rig, "/healthz", "", EVENT), "HTTP/1.1 405 ", "\"method_not_allowed\"");
    refused(post(rig, "/v1/operations/op_0/signals/paid?key=00", "", "{}"), "HTTP/1.1 404 ",
            "\"not_found\"");
    pv_mem_store_fail(rig->store, PV_EIO);
    refused(post(rig, "/v1/events", bearer("provost_unknown"), EVENT), "HTTP/1.1 503 ",
            "\"store_unavailable\"");
    pv_mem_store_fail(rig->store, 0);
    reply_free(rig_call(rig, "GET", "/v1/services", NULL, NULL));
}

static void refuses_tokens_that_were_revoked(void **state)
{
    struct rig *rig = *state;
    char token[100];
    char id[40];
    rig_token_id(rig, "shop", "\"events:write\"", token, sizeof(token), id);
    let_in(post(rig, "/v1/events", bearer(token), EVENT), "HTTP/1.1 202 ");
    rig_revoke(rig, id);
    refused(post(rig, "/v1/events", bearer(token), EVENT), "HTTP/1.1 401 ", "was revoked");
}

/* Guessing costs what it costs with a body that is there. */
static void counts_what_it_refuses(void **state)
{
    struct rig *rig = *state;
    rig->more_yaml = "limits: {auth_failures_per_minute: 2}\n";
    rig_reload(rig);
    rig->frozen_ms = pv_mono_ms(&pv_clock_system);
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 "); /* known now */
    for (size_t i = 0; i < 2; i++) {
        refused(post(rig, "/v1/events", bearer("provost_guess"), EVENT), "HTTP/1.1 401 ", "known");
    }
    refused(post(rig, "/v1/events", bearer("provost_guess"), EVENT), "HTTP/1.1 429 ",
            "\r\nRetry-After: ");
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 ");
    rig->frozen_ms = 0;
}

/* A token's call is counted once, and answered 403 or 429 as it was with its body. */
static void lets_tokens_in(void **state)
{
    struct rig *rig = *state;
    char reader[100];
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 ");
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 ");
    let_in(post(rig, "/v1/events", bearer(rig->token), "{"), "HTTP/1.1 400 ");
    rig_token(rig, "shop", "\"services:read\"", reader, sizeof(reader));
    let_in(post(rig, "/v1/events", bearer(reader), EVENT), "HTTP/1.1 403 ");
    rig->more_yaml = "limits: {requests_per_second: 1, burst: 2}\n";
    rig_reload(rig);
    rig->frozen_ms = pv_mono_ms(&pv_clock_system) + 10000;
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 ");
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 202 ");
    let_in(post(rig, "/v1/events", bearer(rig->token), EVENT), "HTTP/1.1 429 ");
    rig->frozen_ms = 0;
}

static void lets_sessions_in(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char made[200];
    char session[1200];
    rig_make(rig, "1", "site", "basic", svc);
    snprintf(made, sizeof(made), "/v1/services/%s/sessions", svc);
    reply_take(rig_call(rig, "POST", made, NULL, "{\"customer\":\"7\"}"), 201, "token", session,
               sizeof(session));
    let_in(post(rig, path_of("/v1/services/%s/actions/site.restart", svc), bearer(session), "{}"),
           "HTTP/1.1 202 ");
    reply_take(rig_admin(rig, "POST", made, NULL, "{\"customer\":\"7\"}"), 201, "token", session,
               sizeof(session)); /* by nobody's token */
    let_in(post(rig, path_of("/v1/services/%s/actions/site.restart", svc), bearer(session), "{}"),
           "HTTP/1.1 202 ");
    rig_expect(rig, session, "DELETE", made, NULL, 200);
    refused(post(rig, path_of("/v1/services/%s/actions/site.restart", svc), bearer(session), "{}"),
            "HTTP/1.1 401 ", "was ended");
}

static void lets_keys_in(void **state)
{
    struct rig *rig = *state;
    char op[40];
    char path[200];
    struct pv_id id;
    uint8_t key[PV_SIGNAL_KEY_BYTES];
    char hex[2 * PV_SIGNAL_KEY_BYTES + 1];
    rig->hold = "make";
    reply_take(rig_call(rig, "POST", "/v1/events", NULL, EVENT), 202, "operation", op, sizeof(op));
    assert_int_equal(pv_id_parse("op", pv_str(op), &id), 0);
    pv_keyring_signal_key(rig->keyring, id, key);
    pv_hex(key, sizeof(key), hex);
    snprintf(path, sizeof(path), "/v1/operations/%s/signals/paid?key=%s", op, hex);
    let_in(post(rig, path, "", "{\"x\":1}"), "HTTP/1.1 202 ");
    rig_release(rig);
}

/* Anybody may ask this, but not by sending much. */
static void lets_anybody_ask_public_queries(void **state)
{
    enum { MOST = 64 * 1024 };
    struct rig *rig = *state;
    let_in(post(rig, "/check", "", "{\"key\":\"k\"}"), "HTTP/1.1 200 ");
    char *large = malloc(MOST + 2);
    assert_non_null(large);
    memset(large, ' ', MOST + 1);
    memcpy(large, "{\"key\":\"k\"}", 11);
    large[MOST + 1] = '\0';
    refused(post(rig, "/check", "", large), "HTTP/1.1 413 ", "\"too_large\"");
    reply_refused(rig_call_as(rig, NULL, "POST", "/check", NULL, large), 413, "too_large");
    large[MOST] = '\0';
    let_in(post(rig, "/check", "", large), "HTTP/1.1 200 ");
    rig_expect(rig, NULL, "POST", "/check", large, 200);
    free(large);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        T(refuses_who_may_not_call),
        T(refuses_tokens_that_were_revoked),
        T(counts_what_it_refuses),
        T(lets_tokens_in),
        T(lets_sessions_in),
        T(lets_keys_in),
        T(lets_anybody_ask_public_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of calls: buckets by themselves under a clock of the test's, then tokens and addresses
 * over real HTTP. */
#include "core/api/limits.h"
#include "core/base/alloc.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pv_id key(unsigned n)
{
    struct pv_id id = {{0}};
    memcpy(id.b, &n, sizeof(n));
    return id;
}

static void fills_and_empties(void **state)
{
    (void)state;
    struct pv_limits limits;
    struct pv_limit_state s;
    const struct pv_limit two = {.per_minute = 120, .burst = 3}; /* two a second */
    pv_limits_init(&limits);
    for (int i = 2; i >= 0; i--) {
        assert_true(pv_limits_take(&limits, key(1), two, 1000, &s));
        assert_int_equal(s.left, i);
        assert_int_equal(s.burst, 3);
        assert_int_equal(s.window_s, 2);
    }
    assert_int_equal(s.retry_s, 1);
    assert_int_equal(s.reset_s, 2);
    assert_false(pv_limits_take(&limits, key(1), two, 1000, &s));
    assert_false(pv_limits_has(&limits, key(1), two, 1499, &s));
    assert_false(pv_limits_take(&limits, key(1), two, 1499, &s));
    assert_true(pv_limits_has(&limits, key(1), two, 1500, &s)); /* takes nothing */
    assert_true(pv_limits_take(&limits, key(1), two, 1500, &s));
    assert_false(pv_limits_take(&limits, key(1), two, 1500, &s));
    /* another one has its own */
    assert_true(pv_limits_take(&limits, key(2), two, 1500, &s));
    assert_int_equal(s.left, 2);
    /* it gets no fuller than full, and a clock that steps back does no harm */
    assert_true(pv_limits_take(&limits, key(1), two, 1000000000, &s));
    assert_int_equal(s.left, 2);
    assert_true(pv_limits_take(&limits, key(1), two, 5, &s));
    assert_int_equal(s.left, 1);
    pv_limits_done(&limits);
}

static void takes_a_new_limit_at_once(void **state)
{
    (void)state;
    struct pv_limits limits;
    struct pv_limit_state s;
    pv_limits_init(&limits);
    assert_true(pv_limits_take(&limits, key(1), (struct pv_limit){60, 100}, 0, &s));
    assert_true(pv_limits_take(&limits, key(1), (struct pv_limit){60, 2}, 0, &s));
    assert_int_equal(s.left, 1); /* what is beyond the new burst is gone */
    assert_true(pv_limits_take(&limits, key(1), (struct pv_limit){60, 100}, 0, &s));
    assert_int_equal(s.left, 0);
    assert_false(pv_limits_take(&limits, key(1), (struct pv_limit){60, 100}, 0, &s));
    assert_int_equal(s.retry_s, 1);
    /* none */
    assert_true(pv_limits_take(&limits, key(1), (struct pv_limit){0, 0}, 0, &s));
    assert_int_equal(s.burst, 0);
    assert_true(pv_limits_has(&limits, key(1), (struct pv_limit){0, 0}, 0, &s));
    /* slower than one a second */
    assert_true(pv_limits_take(&limits, key(3), (struct pv_limit){1, 1}, 0, &s));
    assert_int_equal(s.retry_s, 60);
    pv_limits_done(&limits);
}

static void forgets_the_one_used_longest_ago(void **state)
{
    (void)state;
    struct pv_limits limits;
    struct pv_limit_state s;
    const struct pv_limit one = {.per_minute = 1, .burst = 1};
    pv_limits_init(&limits);
    for (unsigned i = 0; i < PV_LIMITS_MAX; i++) {
        assert_true(pv_limits_take(&limits, key(i), one, 0, &s));
    }
    assert_false(pv_limits_take(&limits, key(0), one, 0, &s)); /* used now */
    assert_true(pv_limits_take(&limits, key(PV_LIMITS_MAX), one, 0, &s));
    assert_int_equal(limits.map.count, PV_LIMITS_MAX);
    assert_false(pv_limits_has(&limits, key(0), one, 0, &s));
    assert_true(pv_limits_has(&limits, key(1), one, 0, &s));
    pv_limits_done(&limits);
}

static void allows_without_memory(void **state)
{
    (void)state;
    struct pv_limits limits;
    struct pv_limit_state s;
    const struct pv_limit one = {.per_minute = 1, .burst = 1};
    pv_limits_init(&limits);
    for (unsigned long n = 1; n < 4; n++) {
        pv_alloc_fail_at(n, 0);
        assert_true(pv_limits_take(&limits, key((unsigned)n), one, 0, &s));
        pv_alloc_fail_at(0, 0);
    }
    pv_limits_done(&limits);
}

/* ---- tokens ---- */

static void make(struct rig *rig, const char *more, char *out, size_t size)
{
    char body[300];
    snprintf(body, sizeof(body), "{\"source\":\"shop\",\"scopes\":[\"services:read\"]%s}", more);
    reply_take(rig_admin(rig, "POST", "/v1/tokens", NULL, body), 201, "token", out, size);
}

static struct reply *get(struct rig *rig, const char *token)
{
    return rig_call_as(rig, token, "GET", "/v1/services", NULL, NULL);
}

static void limits_a_token(void **state)
{
    struct rig *rig = *state;
    char token[128];
    char other[128];
    make(rig, ",\"rate\":2,\"burst\":3", token, sizeof(token));
    make(rig, ",\"rate\":0", other, sizeof(other));
    rig->frozen_ms = 5000000;
    struct reply *r = get(rig, token);
    reply_expect(r, 200);
    assert_non_null(strstr(r->head, "RateLimit-Policy: \"calls\";q=3;w=2"));
    assert_non_null(strstr(r->head, "RateLimit: \"calls\";r=2;t=1"));
    reply_free(r);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
    /* what is refused for another reason counts, too */
    r = rig_call_as(rig, token, "GET", "/v1/operations", NULL, NULL);
    reply_refused(r, 403, "forbidden");
    r = get(rig, token);
    reply_expect(r, 429);
    assert_non_null(strstr(r->head, "Retry-After: 1"));
    assert_non_null(strstr(r->head, "RateLimit: \"calls\";r=0;t=2"));
    assert_non_null(strstr(reply_text(r, "error"), "try again in 1 s"));
    reply_refused(r, 429, "rate_limited");
    /* the others go on */
    r = get(rig, other);
    reply_expect(r, 200);
    assert_null(strstr(r->head, "RateLimit"));
    reply_free(r);
    rig_expect(rig, rig->token, "GET", "/v1/services", NULL, 200);
    /* a reload empties nothing and fills nothing */
    rig_reload(rig);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 429);
    rig->frozen_ms += 500;
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 429);
    /* nor does a token that has to be looked up again */
    rig->frozen_ms += 31000;
    for (int i = 0; i < 3; i++) {
        rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
    }
    rig_expect(rig, token, "GET", "/v1/services", NULL, 429);
}

static void limits_as_configured(void **state)
{
    struct rig *rig = *state;
    char token[128];
    make(rig, "", token, sizeof(token));
    rig->frozen_ms = 5000000;
    struct reply *r = get(rig, token);
    reply_expect(r, 200);
    assert_non_null(strstr(r->head, "RateLimit-Policy: \"calls\";q=2000;w=2"));
    reply_free(r);
    rig->more_yaml = "limits: {requests_per_second: 1}\n";
    rig_reload(rig);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200); /* the bucket keeps what the new burst
                                                                 has room for */
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 429);
    rig->more_yaml = "limits: {requests_per_second: 0}\n";
    rig_reload(rig);
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
}

static void shows_and_checks_what_it_is_given(void **state)
{
    struct rig *rig = *state;
    char token[128];
    make(rig, ",\"rate\":7", token, sizeof(token));
    make(rig, ",\"rate\":0", token, sizeof(token));
    struct reply *r = rig_admin(rig, "GET", "/v1/tokens", NULL, NULL);
    reply_expect(r, 200);
    unsigned seen = 0;
    for (size_t i = 0; i < 3; i++) { /* those of one millisecond are in any order */
        const json_t *one = json_array_get(reply_at(r, "tokens"), i);
        const json_t *rate = json_object_get(one, "rate");
        const json_t *burst = json_object_get(one, "burst");
        if (json_is_null(rate)) {
            assert_true(json_is_null(burst));
            seen |= 1;
        } else {
            assert_int_equal(json_integer_value(burst), 2 * json_integer_value(rate));
            seen |= json_integer_value(rate) == 7 ? 2 : 4;
        }
    }
    assert_int_equal(seen, 7);
    reply_free(r);
    static const char *const bad[] = {"\"rate\":-1",
                                      "\"rate\":\"7\"",
                                      "\"rate\":1.5",
                                      "\"rate\":1000001",
                                      "\"burst\":7",
                                      "\"rate\":0,\"burst\":7",
                                      "\"rate\":1,\"burst\":null"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char body[200];
        snprintf(body, sizeof(body), "{\"source\":\"x\",\"scopes\":[\"admin\"],%s}", bad[i]);
        reply_refused(rig_admin(rig, "POST", "/v1/tokens", NULL, body), 400, "invalid");
    }
}

/* ---- addresses ---- */

static void guess(struct rig *rig, int times)
{
    for (int i = 0; i < times; i++) {
        char token[64];
        snprintf(token, sizeof(token), "provost_guess%d", i);
        reply_refused(get(rig, token), 401, "unauthorized");
    }
}

static void slows_guessing_down(void **state)
{
    struct rig *rig = *state;
    char fresh[128];
    make(rig, "", fresh, sizeof(fresh));
    rig->frozen_ms = 5000000;
    rig_expect(rig, rig->token, "GET", "/v1/services", NULL, 200);
    /* who has no token at all guesses nothing */
    for (int i = 0; i < 70; i++) {
        struct reply *r = rig_call_as(rig, NULL, "GET", "/v1/services", NULL, NULL);
        reply_refused(r, 401, "unauthorized");
    }
    guess(rig, 60);
    struct reply *r = get(rig, "provost_guess0");
    reply_expect(r, 429);
    assert_non_null(strstr(r->head, "Retry-After: 1"));
    reply_refused(r, 429, "rate_limited");
    /* one that was good lately is not held back, also when it has to be looked up again; one that
     * nobody has seen here has to wait */
    rig_expect(rig, rig->token, "GET", "/v1/services", NULL, 200);
    rig_expect(rig, fresh, "GET", "/v1/services", NULL, 429);
    rig->frozen_ms += 1000;
    rig_expect(rig, fresh, "GET", "/v1/services", NULL, 200);
    rig->frozen_ms += 31000;
    guess(rig, 32);
    rig_expect(rig, rig->token, "GET", "/v1/services", NULL, 200);
    reply_refused(get(rig, "provost_guess0"), 429, "rate_limited");
    /* the admin socket has no such limit */
    r = rig_admin(rig, "GET", "/v1/services", NULL, NULL);
    reply_expect(r, 200);
    reply_free(r);
}

static void counts_keys_and_ended_tokens(void **state)
{
    struct rig *rig = *state;
    static const char signal[] = "/v1/operations/op_00000000000000000000000000/signals/"
                                 "go?key=00000000000000000000000000000000";
    rig->more_yaml = "limits: {auth_failures_per_minute: 2}\n";
    rig_reload(rig);
    char token[128];
    char id[40];
    rig_token_id(rig, "shop", "\"services:read\"", token, sizeof(token), id);
    rig->frozen_ms = 5000000;
    rig_expect(rig, token, "GET", "/v1/services", NULL, 200);
    rig_revoke(rig, id);
    reply_refused(get(rig, token), 401, "unauthorized");
    reply_refused(rig_call_as(rig, NULL, "POST", signal, NULL, "{}"), 404, "not_found");
    struct reply *r = rig_call_as(rig, NULL, "POST", signal, NULL, "{}");
    assert_non_null(strstr(r->head, "Retry-After: 30"));
    reply_refused(r, 429, "rate_limited");
    reply_refused(get(rig, token), 429, "rate_limited");
    rig->more_yaml = "limits: {auth_failures_per_minute: 0}\n";
    rig_reload(rig);
    reply_refused(get(rig, token), 401, "unauthorized");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_empties),
        cmocka_unit_test(takes_a_new_limit_at_once),
        cmocka_unit_test(forgets_the_one_used_longest_ago),
        cmocka_unit_test(allows_without_memory),
        cmocka_unit_test_setup_teardown(limits_a_token, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(limits_as_configured, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(shows_and_checks_what_it_is_given, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(slows_guessing_down, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(counts_keys_and_ended_tokens, rig_open, rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

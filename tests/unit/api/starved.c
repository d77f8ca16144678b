/* SPDX-License-Identifier: Apache-2.0 */
/* Every route with the n-th allocation failing, for every n: a refusal or the right answer, never a
 * crash, never half of something, and the next call works. */
#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATE                                                                                     \
    "{\"id\":\"e%lu\",\"type\":\"service.create\",\"service\":{\"id\":\"%lu\",\"product\":"        \
    "\"site\","                                                                                    \
    "\"plan\":\"basic\",\"params\":{\"public_ip\":\"203.0.113.1\"}},"                              \
    "\"customer\":{\"email\":\"a@example.com\"}}"

static void body_of(const char *fmt, unsigned long n, char *out, size_t size)
{
    size_t at = 0;
    for (const char *c = fmt; *c != '\0' && at + 24 < size; c++) {
        if (c[0] == '%' && c[1] == 'l' && c[2] == 'u') {
            at += (size_t)snprintf(out + at, size - at, "%lu", n);
            c += 2;
        } else {
            out[at++] = *c;
        }
    }
    out[at] = '\0';
}

/* Calls until no allocation failed before the answer came; `good` is its status then. */
static void starve(struct rig *rig, const char *method, const char *path, const char *fmt, int good)
{
    int quiet = 0;
    for (unsigned long n = 1; n < 3000 && quiet < 3; n++) {
        char body[2000];
        if (fmt != NULL) {
            body_of(fmt, n, body, sizeof(body));
        }
        rig->may_close = true;
        pv_alloc_fail_at(n, 0);
        struct reply *r = rig_call(rig, method, path, NULL, fmt != NULL ? body : NULL);
        unsigned long used = pv_alloc_count();
        pv_alloc_fail_at(0, 0);
        rig->may_close = false;
        if (r->status != 0 && r->status != 500 && r->status != 502 && r->status != 503 &&
            r->status != good) {
            fail_msg("%s %s with allocation %lu failing: %d %s", method, path, n, r->status,
                     r->text);
        }
        assert_true(r->status == 0 || r->body != NULL || strcmp(path, "/metrics") == 0);
        quiet = r->status == good && used < n ? quiet + 1 : 0;
        reply_free(r);
    }
    assert_int_equal(quiet, 3); /* it works when nothing fails */
}

static void every_route(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char op[40];
    struct reply *r = rig_call(rig, "POST", "/v1/events", "Prefer: wait=30\r\n",
                               "{\"id\":\"first\",\"type\":\"service.create\",\"service\":{\"id\":"
                               "\"first\",\"product\":\"site\",\"plan\":\"basic\"},"
                               "\"customer\":{\"email\":\"a@example.com\"}}");
    reply_expect(r, 200);
    snprintf(svc, sizeof(svc), "%s", reply_text(r, "service"));
    snprintf(op, sizeof(op), "%s", reply_text(r, "operation"));
    reply_free(r);
    static const char *const gets[] = {"/v1/services",
                                       "/v1/services/%s",
                                       "/v1/services/%s/view",
                                       "/v1/services/%s/operations",
                                       "/v1/services/%s/queries/reveal?component=site",
                                       "/v1/audit",
                                       "/v1/plugins",
                                       "/v1/products",
                                       "/metrics"};
    char path[200];
    for (size_t i = 0; i < PV_COUNT(gets); i++) {
        const char *slot = strstr(gets[i], "%s");
        int before = slot != NULL ? (int)(slot - gets[i]) : (int)strlen(gets[i]);
        snprintf(path, sizeof(path), "%.*s%s%s", before, gets[i], slot != NULL ? svc : "",
                 slot != NULL ? slot + 2 : "");
        starve(rig, "GET", path, NULL, 200);
    }
    snprintf(path, sizeof(path), "/v1/operations/%s", op);
    starve(rig, "GET", path, NULL, 200);
    starve(rig, "POST", "/v1/events", CREATE, 202);
    starve(rig, "POST", "/v1/events", "[" CREATE "]", 202);
    starve(rig, "POST", "/v1/events", "{\"typ\":\"service.create\",\"service\":{\"idd\":1}}", 400);
    starve(rig, "POST", "/v1/events", "{\"a\":1,\"a\":\"\\n\"}", 400);
    snprintf(path, sizeof(path), "/v1/services/%s/actions/site.restart", svc);
    starve(rig, "POST", path, "{\"reason\":\"%lu\"}", 202);
    rig_settle(rig);
}

/* ---- copies ---- */

static unsigned long copies; /* since copy_that_fails was set */
static unsigned long copy_that_fails;

/* In place of the library's, by the linker: an arena has room for most copies, so that hardly any
 * fails for want of memory. */
struct pv_str __real_pv_arena_copy(struct pv_arena *arena, struct pv_str s);
struct pv_str __wrap_pv_arena_copy(struct pv_arena *arena, struct pv_str s);
struct pv_str __wrap_pv_arena_copy(struct pv_arena *arena, struct pv_str s)
{
    copies++;
    return copies == copy_that_fails ? (struct pv_str){NULL, 0} : __real_pv_arena_copy(arena, s);
}

/* An action whose quota is used up is refused for that, or for want of memory. */
static void no_quota_is_passed_over(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char path[200];
    rig_make(rig, "1", "site", "basic", svc);
    snprintf(path, sizeof(path), "/v1/services/%s/actions/site.add_domain", svc);
    const char *body = "{\"form\":{\"domain\":\"a.example\"}}";
    for (int i = 0; i < 2; i++) {
        rig_expect(rig, rig->token, "POST", path, body, 202);
        rig_settle(rig);
    }
    int refusals = 0;
    for (unsigned long n = 1; n == 1 || copy_that_fails != 0; n++) {
        copies = 0;
        copy_that_fails = n;
        struct reply *r = rig_call(rig, "POST", path, NULL, body);
        copy_that_fails = copies >= n ? n : 0; /* the last one had all of them */
        if (r->status != 503 && r->status != 409) {
            fail_msg("with copy %lu failing: %d %s", n, r->status, r->text);
        }
        refusals += r->status == 503 ? 1 : 0;
        assert_true(r->status == 503 || strstr(r->text, "\"quota_exceeded\"") != NULL);
        reply_free(r);
    }
    assert_true(refusals >= 4); /* source, service, action and quota */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(no_quota_is_passed_over, rig_open, rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

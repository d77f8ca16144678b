/* SPDX-License-Identifier: Apache-2.0 */
/* The Paymenter back end's routes, with the very bodies that its extensions send. */
#include "tests/unit/api/rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char token[90];

static int open_rig(void **state)
{
    rig_open(state);
    reply_take(rig_admin(*state, "POST", "/v1/tokens", NULL,
                         "{\"source\":\"paymenter\",\"scopes\":[\"events:write\",\"services:read\","
                         "\"services:act\",\"services:reveal\"]}"),
               201, "token", token, sizeof(token));
    return 0;
}

static struct reply *post(struct rig *rig, const char *path, const char *body)
{
    return rig_call_as(rig, token, "POST", path, NULL, body);
}

static void succeeds(struct rig *rig, const char *path, const char *body)
{
    struct reply *r = post(rig, path, body);
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "success")));
    if (json_object_get(r->body, "pending") != NULL) {
        fail_msg("%s %s: pending", path, body);
    }
    reply_free(r);
}

static void refused(struct rig *rig, const char *path, const char *body, int status,
                    const char *says)
{
    struct reply *r = post(rig, path, body);
    reply_expect(r, status);
    assert_true(json_is_false(reply_at(r, "success")));
    if (strstr(reply_text(r, "error"), says) == NULL) {
        fail_msg("expected \"%s\": %s", says, r->text);
    }
    reply_free(r);
}

#define SITE                                                                                       \
    "{\"service_id\":\"12345\",\"email\":\"customer@example.com\",\"plan\":\"basic\","             \
    "\"public_ip\":\"203.0.113.10\"}"
#define ID "{\"service_id\":\"12345\"}"

static void state_is(struct rig *rig, const char *external_id, const char *state)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/services?source=paymenter&external_id=%s", external_id);
    struct reply *r = rig_admin(rig, "GET", path, NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "services.0.state"), state);
    reply_free(r);
}

static void a_site_lives(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    struct reply *r = post(rig, "/create-site", SITE);
    reply_expect(r, 200); /* answers at once */
    assert_true(json_is_true(reply_at(r, "success")));
    assert_string_equal(reply_text(r, "service_id"), "12345");
    char op[40];
    snprintf(op, sizeof(op), "%s", reply_text(r, "operation"));
    reply_free(r);
    reply_expect(r = post(rig, "/create-site", SITE), 200); /* joins */
    assert_string_equal(reply_text(r, "operation"), op);
    reply_free(r);
    rig_release(rig);
    rig_settle(rig);
    state_is(rig, "site%2F12345", "active");
    reply_expect(r = post(rig, "/create-site", SITE), 200);
    reply_free(r);
    refused(rig, "/create-site",
            "{\"service_id\":\"12345\",\"email\":\"customer@example.com\",\"plan\":\"premium\"}",
            409, "active");
    succeeds(rig, "/suspend", ID);
    state_is(rig, "site%2F12345", "suspended");
    succeeds(rig, "/suspend", ID);
    succeeds(rig, "/unsuspend", "{\"service_id\":12345}");
    state_is(rig, "site%2F12345", "active");
    succeeds(rig, "/wp/upgrade/", "{\"service_id\":\"12345\",\"plan\":\"premium\"}");
    refused(rig, "/wp/upgrade/", "{\"service_id\":\"12345\",\"plan\":\"premum\"}", 400, "premium");
    refused(rig, "/wp/upgrade/", ID, 400, "plan");
    succeeds(rig, "/delete-site", ID);
    state_is(rig, "site%2F12345", "terminated");
    refused(rig, "/suspend", ID, 404, "terminated");
    refused(rig, "/suspend", "{\"service_id\":\"99\"}", 404, "no such service");
    refused(rig, "/delete-site", "{\"service_id\":\"99\"}", 404, "no such service");
}

static size_t operations_of(struct rig *rig, const char *query)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/operations?source=paymenter%s", query);
    struct reply *r = rig_admin(rig, "GET", path, NULL, NULL);
    reply_expect(r, 200);
    size_t count = json_array_size(reply_at(r, "operations"));
    reply_free(r);
    return count;
}

static void suspend_unsuspend_suspend_are_three(void **state)
{
    struct rig *rig = *state;
    static const char *const paths[] = {"/suspend", "/unsuspend", "/suspend", "/suspend"};
    struct client *clients[PV_COUNT(paths)];
    rig->hold = "make";
    reply_free(post(rig, "/create-site", SITE));
    snprintf(rig->token, sizeof(rig->token), "%s", token);
    for (size_t i = 0; i < PV_COUNT(paths); i++) {
        clients[i] = rig_begin(rig, "POST", paths[i], NULL, ID);
        while (i < 3 && pv_engine_backlog(rig->engine) < i + 2) {
            rig_turn(rig);
        }
    }
    struct pv_engine_counters counters = {0};
    while (counters.duplicates == 0) { /* the fourth call joins the third */
        rig_turn(rig);
        pv_engine_counters(rig->engine, &counters);
    }
    assert_int_equal(operations_of(rig, ""), 4);
    rig_release(rig);
    for (size_t i = 0; i < PV_COUNT(paths); i++) {
        struct reply *r = rig_end(rig, clients[i]);
        reply_expect(r, 200);
        reply_free(r);
    }
    assert_int_equal(operations_of(rig, ""), 4);
    state_is(rig, "site%2F12345", "suspended");
}

static void refuses_bad_bodies(void **state)
{
    struct rig *rig = *state;
    refused(rig, "/create-site", "{", 400, "malformed JSON");
    refused(rig, "/create-site", "[]", 400, "expected an object");
    refused(rig, "/create-site", "{}", 400, "service_id");
    refused(rig, "/create-site", "{\"service_id\":\"a b\"}", 400, "service_id");
    refused(rig, "/create-site", "{\"service_id\":\"1\",\"plan\":\"basic\"}", 400, "email");
    refused(rig, "/create-site", "{\"service_id\":\"1\",\"email\":\"a@b.c\"}", 400, "plan");
    refused(rig, "/create-site", "{\"service_id\":\"1\",\"email\":\"nobody\",\"plan\":\"basic\"}",
            400, "e-mail");
    refused(rig, "/create-site",
            "{\"service_id\":\"1\",\"email\":\"a@b.c\",\"plan\":\"basic\",\"public_ip\":\"x\"}",
            400, "public_ip");
    refused(rig, "/customdomain/add/zone", ID, 400, "zone is required");
    reply_refused(rig_call_as(rig, NULL, "POST", "/create-site", NULL, SITE), 401, "unauthorized");
    /* a source that is not configured for them has no such routes */
    reply_refused(rig_call(rig, "POST", "/create-site", NULL, SITE), 404, "unknown_path");
    struct reply *r = rig_admin(rig, "POST", "/suspend?source=paymenter", NULL, ID);
    reply_expect(r, 404);
    reply_free(r);
}

static void support_gives_the_key(void **state)
{
    struct rig *rig = *state;
    const char *body = "{\"service_id\":\"12345\",\"email\":\"customer@example.com\","
                       "\"firstname\":\"John\",\"lastname\":\"Doe\"}";
    for (int i = 0; i < 2; i++) { /* a repeated call gives the same */
        struct reply *r = post(rig, "/support/create", body);
        reply_expect(r, 200);
        assert_true(json_is_true(reply_at(r, "success")));
        assert_string_equal(reply_text(r, "support_key"), "KEY-1");
        reply_free(r);
    }
    struct reply *r = rig_admin(rig, "GET", "/v1/audit?limit=1000", NULL, NULL);
    assert_non_null(strstr(r->text, "service.reveal"));
    reply_free(r);
    succeeds(rig, "/support/suspend", ID);
    state_is(rig, "support%2F12345", "suspended");
    succeeds(rig, "/support/unsuspend", ID);
    succeeds(rig, "/support/terminate", ID);
    state_is(rig, "support%2F12345", "terminated");
}

/* PHP writes each '/' as \/: what the answer says was decoded, and is no part of the body any more
 * once the event that it stands for was checked. */
static void an_escaped_service_id_comes_back(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *path;
        const char *body;
    } calls[] = {
        {"/create-site",
         "{\"service_id\":\"12\\/3\\u0034\",\"email\":\"a@b.c\",\"plan\":\"basic\"}"},
        {"/suspend", "{\"service_id\":\"12\\/3\\u0034\"}"},
        {"/support/create", "{\"service_id\":\"12\\/3\\u0034\",\"email\":\"a@b.c\"}"},
        {"/support/suspend", "{\"service_id\":\"12\\/3\\u0034\"}"},
        {"/customdomain/add/zone",
         "{\"service_id\":\"12\\/3\\u0034\",\"zone\":\"a\\u002eexample\",\"email\":\"a@b.c\"}"},
        {"/customdomain/add/record",
         "{\"service_id\":\"12\\/3\\u0034\",\"zone\":\"a\\u002eexample\",\"type\":\"A\","
         "\"name\":\"www\",\"content\":\"a\\/b\",\"ttl\":300}"},
    };
    for (size_t i = 0; i < PV_COUNT(calls); i++) {
        struct reply *r = post(rig, calls[i].path, calls[i].body);
        reply_expect(r, 200);
        assert_string_equal(reply_text(r, "service_id"), "12/34");
        reply_free(r);
        rig_settle(rig);
    }
    state_is(rig, "site%2F12%2F34", "suspended");
}

static void failures_are_told(void **state)
{
    struct rig *rig = *state;
    rig->fail = "make";
    refused(rig, "/support/create", "{\"service_id\":\"1\",\"email\":\"a@b.c\"}", 500,
            "does not want it");
    rig->fail = NULL;
    reply_free(post(rig, "/create-site", SITE));
    rig_settle(rig);
    rig->fail = "stop";
    refused(rig, "/suspend", ID, 500, "an operator has to look at it");
    refused(rig, "/suspend", ID, 500, "an operator has to look at it"); /* joins the parked one */
}

static void zones_and_records(void **state)
{
    struct rig *rig = *state;
    /* the first zone makes the service */
    succeeds(rig, "/customdomain/add/zone",
             "{\"service_id\":\"12345\",\"zone\":\"a.example\",\"email\":\"a@b.c\"}");
    state_is(rig, "dns%2F12345", "active");
    succeeds(rig, "/customdomain/add/zone", "{\"service_id\":\"12345\",\"domain\":\"b.example\"}");
    succeeds(rig, "/customdomain/add/zone", "{\"service_id\":\"12345\",\"zone\":\"c.example\"}");
    refused(rig, "/customdomain/add/zone", "{\"service_id\":\"12345\",\"zone\":\"d.example\"}", 409,
            "quota");
    succeeds(rig, "/customdomain/delete/zone", "{\"service_id\":\"12345\",\"zone\":\"c.example\"}");
    succeeds(rig, "/customdomain/add/record",
             "{\"service_id\":\"12345\",\"zone\":\"a.example\",\"type\":\"A\",\"name\":\"www\","
             "\"content\":\"PROXYSRV\",\"ttl\":300}");
    succeeds(
        rig, "/customdomain/edit/record",
        "{\"service_id\":\"12345\",\"zone\":\"a.example\",\"record_id\":\"7\",\"content\":\"x\"}");
    succeeds(rig, "/customdomain/delete/record",
             "{\"service_id\":\"12345\",\"zone\":\"a.example\",\"record_id\":\"7\"}");
    refused(rig, "/customdomain/add/record", "{\"service_id\":\"12345\",\"zone\":\"a.example\"}",
            400, "name");
    refused(rig, "/customdomain/add/record", "{\"service_id\":\"9\",\"zone\":\"a.example\"}", 404,
            "no such service");
    rig->fail = "zdel";
    refused(rig, "/customdomain/delete/zone", "{\"service_id\":\"12345\",\"zone\":\"a.example\"}",
            400, "does not want it");
    static const char *const lists[] = {
        "/customdomain/list/zones?service_id=12345",
        "/customdomain/list/records?service_id=12345&zone=a.example"};
    for (size_t i = 0; i < PV_COUNT(lists); i++) {
        struct reply *r = rig_call_as(rig, token, "GET", lists[i], NULL, NULL);
        reply_expect(r, 200);
        assert_true(json_is_true(reply_at(r, "success")));
        assert_string_equal(reply_text(r, "query"), i == 0 ? "zones" : "records");
        reply_free(r);
    }
    assert_non_null(strstr(rig->queried, "\"query\":{\"zone\":\"a.example\"}"));
    struct reply *r =
        rig_call_as(rig, token, "GET", "/customdomain/list/zones?service_id=9", NULL, NULL);
    reply_expect(r, 404);
    reply_free(r);
    r = rig_call_as(rig, token, "GET", "/customdomain/list/records?service_id=12345", NULL, NULL);
    reply_expect(r, 400);
    reply_free(r);
}

/* It is judged like any other, also where it is the first. */
static void a_long_zone_is_no_lack_of_memory(void **state)
{
    struct rig *rig = *state;
    char body[70100];
    char zone[70001];
    memset(zone, 'z', sizeof(zone) - 1);
    zone[sizeof(zone) - 1] = '\0';
    snprintf(body, sizeof(body), "{\"service_id\":\"12345\",\"email\":\"a@b.c\",\"zone\":\"%s\"}",
             zone);
    refused(rig, "/customdomain/add/zone", body, 400, "expected a host name");
}

static void suspended_services_refuse_actions(void **state)
{
    struct rig *rig = *state;
    succeeds(rig, "/customdomain/add/zone", "{\"service_id\":\"1\",\"zone\":\"a.example\"}");
    struct reply *r =
        rig_admin(rig, "POST", "/v1/events?source=paymenter", "Prefer: wait=20\r\n",
                  "{\"id\":\"s\",\"type\":\"service.suspend\",\"service\":{\"id\":\"dns/1\"}}");
    reply_expect(r, 200);
    reply_free(r);
    refused(rig, "/customdomain/add/zone", "{\"service_id\":\"1\",\"zone\":\"b.example\"}", 401,
            "suspended");
}

static void says_pending_when_it_takes_long(void **state)
{
    struct rig *rig = *state;
    rig->hold = "zadd";
    succeeds(rig, "/customdomain/add/zone", "{\"service_id\":\"1\",\"zone\":\"a.example\"}");
    snprintf(rig->token, sizeof(rig->token), "%s", token);
    struct client *c = rig_begin(rig, "POST", "/customdomain/add/zone", NULL,
                                 "{\"service_id\":\"1\",\"zone\":\"b.example\"}");
    struct reply *r = rig_close_under(rig, c); /* ends the wait as the end of its time would */
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "pending")));
    reply_free(r);
}

static void says_still_running_without_a_key(void **state)
{
    struct rig *rig = *state;
    rig->hold = "make";
    snprintf(rig->token, sizeof(rig->token), "%s", token);
    struct client *c = rig_begin(rig, "POST", "/support/create", NULL,
                                 "{\"service_id\":\"1\",\"email\":\"a@b.c\"}");
    struct reply *r = rig_close_under(rig, c);
    reply_expect(r, 500);
    assert_string_equal(reply_text(r, "error"), "still running, repeat the call");
    reply_free(r);
}

/* Begins a call, and turns until it has been accepted or has joined another. */
static struct client *begin_waiting(struct rig *rig, const char *path, const char *body)
{
    struct pv_engine_counters before;
    struct pv_engine_counters now;
    pv_engine_counters(rig->engine, &before);
    struct client *c = rig_begin(rig, "POST", path, NULL, body);
    do {
        rig_turn(rig);
        pv_engine_counters(rig->engine, &now);
    } while (now.accepted + now.duplicates == before.accepted + before.duplicates);
    for (int i = 0; i < 20; i++) {
        rig_turn(rig);
    }
    return c;
}

/* A call of what is held waits so long, and is then answered as pending. Whoever comes later has
 * the deadlines looked at. */
static void waits(struct rig *rig, const char *path, const char *body, int64_t ms)
{
    rig->frozen_ms = pv_mono_ms(&pv_clock_system);
    struct client *c = begin_waiting(rig, path, body);
    rig->frozen_ms += ms - 1;
    struct client *second = begin_waiting(rig, path, body);
    assert_int_equal(pthread_tryjoin_np(c->thread, NULL), EBUSY);
    rig->frozen_ms += 2;
    struct client *third = begin_waiting(rig, path, body);
    struct reply *r = rig_end(rig, c);
    reply_expect(r, 200);
    assert_true(json_is_true(reply_at(r, "pending")));
    reply_free(r);
    rig_release(rig);
    reply_free(rig_end(rig, second));
    reply_free(rig_end(rig, third));
    rig->frozen_ms = 0;
}

/* They give up after 25 and 10 seconds. */
static void answers_before_the_extensions_give_up(void **state)
{
    struct rig *rig = *state;
    succeeds(rig, "/customdomain/add/zone", "{\"service_id\":\"1\",\"zone\":\"a.example\"}");
    snprintf(rig->token, sizeof(rig->token), "%s", token);
    rig->hold = "zadd";
    waits(rig, "/customdomain/add/zone", "{\"service_id\":\"1\",\"zone\":\"b.example\"}", 9000);
    rig->hold = "make";
    reply_free(post(rig, "/create-site", SITE));
    waits(rig, "/suspend", ID, 24000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, rig_close)
    const struct CMUnitTest tests[] = {
        T(a_site_lives),
        T(suspend_unsuspend_suspend_are_three),
        T(refuses_bad_bodies),
        T(support_gives_the_key),
        T(an_escaped_service_id_comes_back),
        T(failures_are_told),
        T(zones_and_records),
        T(a_long_zone_is_no_lack_of_memory),
        T(suspended_services_refuse_actions),
        T(says_pending_when_it_takes_long),
        T(says_still_running_without_a_key),
        T(answers_before_the_extensions_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

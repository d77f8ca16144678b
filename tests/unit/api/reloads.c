/* SPDX-License-Identifier: Apache-2.0 */
/* A reload between what a call asks the store or a plugin and the answer: the configuration that
 * the call began under is freed by then. Sanitizers see whoever has kept a part of it. */
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <string.h>

static int open_rig(void **state)
{
    rig_open(state);
    struct rig *rig = *state;
    rig->more_yaml = "pools:\n"
                     "  addresses: {range: 10.0.0.10-10.0.0.99}\n"
                     "  numbers-of-machines: {range: 1000-1999}\n";
    rig_reload(rig);
    rig->reloads = true;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    rig->reloads = false;
    return rig_close(state);
}

static void metrics_name_every_pool(void **state)
{
    struct rig *rig = *state;
    struct reply *r = rig_call(rig, "GET", "/metrics", NULL, NULL);
    reply_expect(r, 200);
    static const char *const lines[] = {"\nprovost_pool_free{pool=\"addresses\"} 90\n",
                                        "\nprovost_pool_size{pool=\"addresses\"} 90\n",
                                        "\nprovost_pool_free{pool=\"numbers-of-machines\"} 1000\n",
                                        "\nprovost_pool_size{pool=\"numbers-of-machines\"} 1000\n"};
    for (size_t i = 0; i < PV_COUNT(lines); i++) {
        if (strstr(r->text, lines[i]) == NULL) {
            fail_msg("there is no %s in: %s", lines[i], r->text);
        }
    }
    reply_free(r);
}

/* The token of each call is one that nobody has asked for yet. */
static void an_alias_leads_where_it_led(void **state)
{
    struct rig *rig = *state;
    char token[100];
    rig_token(rig, "shop", "\"admin\"", token, sizeof(token));
    struct reply *r = rig_call_as(rig, token, "GET", "/probe", NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "instance"), "web-1");
    assert_string_equal(reply_text(r, "query"), "test");
    reply_free(r);
    rig_token(rig, "shop", "\"instances:query\"", token, sizeof(token));
    reply_refused(rig_call_as(rig, token, "GET", "/probe", NULL, NULL), 403, "forbidden");
    reply_refused(rig_call_as(rig, "provost_unknown", "GET", "/probe", NULL, NULL), 401,
                  "unauthorized");
}

/* Each route that asks the store or a plugin. */
static void every_route(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    char op[40];
    struct reply *r = rig_call(
        rig, "POST", "/v1/events", "Prefer: wait=30\r\n",
        "{\"id\":\"1\",\"type\":\"service.create\",\"service\":{\"id\":\"1\",\"product\":\"site\","
        "\"plan\":\"basic\"},\"customer\":{\"email\":\"a@example.com\"}}");
    reply_expect(r, 200);
    snprintf(svc, sizeof(svc), "%s", reply_text(r, "service"));
    snprintf(op, sizeof(op), "%s", reply_text(r, "operation"));
    reply_free(r);
    static const struct {
        const char *method;
        const char *path;
        const char *body;
        int status;
    } calls[] = {
        {"GET", "/v1/services", NULL, 200},
        {"GET", "/v1/services/%s", NULL, 200},
        {"GET", "/v1/services/%s/view", NULL, 200},
        {"GET", "/v1/services/%s/operations", NULL, 200},
        {"GET", "/v1/services/%s/queries/status", NULL, 200},
        {"GET", "/v1/services/%s/queries/reveal", NULL, 200},
        {"POST", "/v1/services/%s/sessions", "{\"customer\":\"7\"}", 201},
        {"DELETE", "/v1/services/%s/sessions", NULL, 200},
        {"POST", "/v1/services/%s/actions/site.add_domain", "{\"form\":{\"domain\":\"a.example\"}}",
         202},
        {"POST", "/v1/events",
         "[{\"id\":\"2\",\"type\":\"service.upgrade\",\"service\":{\"id\":\"1\",\"plan\":"
         "\"premium\"}},"
         "{\"id\":\"3\",\"type\":\"service.create\",\"service\":{\"id\":\"2\",\"product\":"
         "\"support\","
         "\"plan\":\"standard\"},\"customer\":{\"email\":\"a@example.com\"}}]",
         202},
        {"GET", "/v1/operations", NULL, 200},
        {"GET", "/v1/operations/%s", NULL, 200},
        {"GET", "/v1/explain/%s", NULL, 200},
        {"GET", "/v1/instances", NULL, 200},
        {"POST", "/v1/instances/web-1/pause", "{\"reason\":\"r\"}", 200},
        {"POST", "/v1/instances/web-1/resume", "{\"reason\":\"r\"}", 200},
        {"POST", "/v1/instances/web-1/test", NULL, 200},
        {"GET", "/v1/instances/web-1/queries/test", NULL, 200},
        {"GET", "/v1/instances/web-1/queries/ping?key=k", NULL, 200},
        {"GET", "/check?key=k", NULL, 200},
        {"GET", "/v1/plugins", NULL, 200},
        {"GET", "/v1/products", NULL, 200},
        {"GET", "/v1/audit", NULL, 200},
        {"GET", "/v1/audit/verify", NULL, 200},
        {"GET", "/v1/webhooks", NULL, 200},
        {"GET", "/v1/status", NULL, 200},
        {"GET", "/v1/tokens", NULL, 200},
        {"POST", "/create-site?source=paymenter",
         "{\"service_id\":\"1\",\"email\":\"a@b.c\",\"plan\":\"basic\"}", 200},
        {"POST", "/support/create?source=paymenter", "{\"service_id\":\"1\",\"email\":\"a@b.c\"}",
         200},
        {"POST", "/customdomain/add/zone?source=paymenter",
         "{\"service_id\":\"1\",\"zone\":\"a.example\",\"email\":\"a@b.c\"}", 200},
        {"POST", "/customdomain/add/zone?source=paymenter",
         "{\"service_id\":\"1\",\"zone\":\"b.example\"}", 200},
        {"GET", "/customdomain/list/zones?source=paymenter&service_id=1", NULL, 200},
        {"GET", "/metrics", NULL, 200},
    };
    for (size_t i = 0; i < PV_COUNT(calls); i++) {
        char path[200];
        char token[100];
        const char *id = strstr(calls[i].path, "/services/") != NULL ? svc : op;
        const char *slot = strstr(calls[i].path, "%s");
        size_t before = slot != NULL ? (size_t)(slot - calls[i].path) : strlen(calls[i].path);
        snprintf(path, sizeof(path), "%.*s%s%s", (int)before, calls[i].path, slot != NULL ? id : "",
                 slot != NULL ? slot + 2 : "");
        rig_token(rig, "shop", "\"admin\"", token, sizeof(token)); /* found in the store as well */
        rig_expect(rig, token, calls[i].method, path, calls[i].body, calls[i].status);
        rig_settle(rig);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        T(metrics_name_every_pool),
        T(an_alias_leads_where_it_led),
        T(every_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

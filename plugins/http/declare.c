/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance declares under its settings: each call is a step. The tables are made once for
 * each text of settings and live as long as the process. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond the time of a request, for what comes before and after it. */
#define MARGIN_MS 5000u
#define QUERY_MAX 64

struct declared {
    struct declared *next;
    char *settings; /* the text it was made of */
    json_t *json;   /* names of the tables are borrowed from it */
    struct provost_plugin plugin;
};

static struct declared *all;

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static struct provost_step step_of(const json_t *settings, const json_t *call,
                                   const char *operation)
{
    static const char *const inner[] = {"poll", "lookup", "undo"};
    uint32_t timeout_ms = http_timeout_of(settings, call);
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        const json_t *other = json_object_get(call, inner[i]);
        timeout_ms =
            other != NULL ? most(timeout_ms, http_timeout_of(settings, other)) : timeout_ms;
    }
    bool waits = json_object_get(call, "poll") != NULL || json_object_get(call, "signal") != NULL;
    const json_t *lookup = json_object_get(call, "lookup");
    int64_t settle_ms = http_duration(json_object_get(lookup, "settle"));
    return (struct provost_step){
        .name = http_call_name(call, operation),
        .run = http_run,
        .undo = json_object_get(call, "undo") != NULL ? http_undo : NULL,
        .lookup = lookup != NULL ? http_lookup : NULL,
        .poll = waits ? http_poll : NULL,
        /* What may be sent twice is, after failures on the way. An answer that leaves it open (409,
         * `there`) would come again, though: that is looked up. */
        .flags = http_repeatable(call) && lookup == NULL ? PROVOST_S_REPEATABLE : 0,
        .timeout_ms = timeout_ms + MARGIN_MS,
        .settle_ms = settle_ms > 0 ? (uint32_t)settle_ms : 0,
    };
}

/* NULL: the operation has no calls, or there is no memory. */
static const struct provost_step *steps_of(const json_t *settings, const char *operation)
{
    const json_t *calls = http_calls_of(settings, operation);
    size_t count = json_array_size(calls);
    struct provost_step *steps = count > 0 ? calloc(count + 1, sizeof(*steps)) : NULL;
    for (size_t i = 0; steps != NULL && i < count; i++) {
        steps[i] = step_of(settings, json_array_get(calls, i), operation);
    }
    return steps;
}

static const struct provost_action *actions_of(const json_t *settings)
{
    json_t *from = json_object_get(settings, "actions");
    struct provost_action *actions = calloc(json_object_size(from) + 1, sizeof(*actions));
    size_t count = 0;
    const char *name = NULL;
    json_t *action = NULL;
    json_object_foreach(from, name, action)
    {
        if (actions != NULL) {
            actions[count++] = (struct provost_action){
                .name = name,
                .label = provost_text_at(action, "label", NULL),
                .confirm = provost_text_at(action, "confirm", NULL),
                .form = http_fields_new(json_object_get(action, "form")),
                .steps = steps_of(settings, name),
                .quota = provost_text_at(action, "quota", NULL),
                .quota_delta = (int32_t)provost_int_at(action, "quota_delta", 0),
            };
        }
    }
    return actions;
}

static uint32_t access_of(const json_t *query)
{
    const char *access = provost_text_at(query, "access", "token");
    return strcmp(access, "customer") == 0 ? PROVOST_Q_CUSTOMER
           : strcmp(access, "public") == 0 ? PROVOST_Q_PUBLIC
                                           : PROVOST_Q_TOKEN;
}

static const struct provost_query *queries_of(const json_t *settings, const char *member,
                                              provost_step_fn run)
{
    json_t *from = json_object_get(settings, member);
    struct provost_query *queries = calloc(json_object_size(from) + 1, sizeof(*queries));
    size_t count = 0;
    const char *name = NULL;
    json_t *query = NULL;
    json_object_foreach(from, name, query)
    {
        if (queries != NULL) {
            queries[count++] = (struct provost_query){
                .name = name,
                .run = run,
                .params = http_fields_new(json_object_get(query, "params")),
                .access = access_of(query),
            };
        }
    }
    return queries;
}

static struct declared *make(const char *settings, json_t *json)
{
    struct declared *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    const struct provost_plugin plugin = {
        PROVOST_PLUGIN_HEAD,
        .name = "http",
        .product = http_fields_new(json_object_get(json, "product")),
        .checkout = http_fields_new(json_object_get(json, "checkout")),
        .create = steps_of(json, "create"),
        .suspend = steps_of(json, "suspend"),
        .unsuspend = steps_of(json, "unsuspend"),
        .terminate = steps_of(json, "terminate"),
        .upgrade = steps_of(json, "upgrade"),
        .renew = steps_of(json, "renew"),
        .actions = actions_of(json),
        .service_queries = queries_of(json, "queries", http_service_query),
        .instance_queries = queries_of(json, "instance_queries", http_instance_query),
    };
    made->settings = strdup(settings);
    made->json = json;
    made->plugin = plugin;
    return made;
}

int http_declare(const char *settings, const struct provost_plugin **ret_plugin, char *error,
                 size_t error_size)
{
    for (const struct declared *one = all; one != NULL; one = one->next) {
        if (one->settings != NULL && strcmp(one->settings, settings) == 0) {
            *ret_plugin = &one->plugin;
            return 0;
        }
    }
    json_t *json = provost_parse(settings, strlen(settings));
    int status = json_is_object(json) ? http_check(json, error, error_size) : HTTP_BAD;
    struct declared *made = status == 0 ? make(settings, json) : NULL;
    if (made == NULL) {
        if (status == 0 || error[0] == '\0') {
            snprintf(error, error_size, "the settings cannot be read, or memory ran out");
        }
        json_decref(json);
        return -1;
    }
    made->next = all;
    all = made;
    *ret_plugin = &made->plugin;
    return 0;
}

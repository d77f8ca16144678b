/* SPDX-License-Identifier: Apache-2.0 */
/* What templates see, the settings as the steps read them, and what is kept of an answer. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the settings ---- */

json_t *http_calls_of(const json_t *settings, const char *operation)
{
    json_t *calls = json_object_get(json_object_get(settings, "operations"), operation);
    if (calls == NULL) {
        const json_t *action = json_object_get(json_object_get(settings, "actions"), operation);
        calls = json_object_get(action, "calls");
    }
    return calls;
}

const char *http_call_name(const json_t *call, const char *operation)
{
    return provost_text_at(call, "name", operation);
}

json_t *http_call_of(const json_t *settings, const char *operation, const char *step)
{
    json_t *calls = http_calls_of(settings, operation);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = json_array_get(calls, i);
        if (strcmp(http_call_name(call, operation), step) == 0) {
            return call;
        }
    }
    return NULL;
}

const char *http_method_of(const json_t *call)
{
    bool body = json_object_get(call, "body") != NULL || json_object_get(call, "form") != NULL;
    return provost_text_at(call, "method", body ? "POST" : "GET");
}

bool http_repeatable(const json_t *call)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
    const json_t *key = json_object_get(call, "idempotency_key");
    const json_t *said = json_object_get(call, "idempotent");
    if (said != NULL) {
        return json_is_true(said);
    }
    bool repeatable = json_is_true(key) || json_is_string(key);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        repeatable = repeatable || strcmp(http_method_of(call), methods[i]) == 0;
    }
    return repeatable;
}

int64_t http_duration(const json_t *value)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    if (json_is_integer(value)) {
        return json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
    }
    const char *text = json_string_value(value);
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
    for (size_t i = 0; digits > 0 && digits < 9 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            return strtoll(text, NULL, 10) * units[i].ms;
        }
    }
    return -1;
}

uint32_t http_timeout_of(const json_t *settings, const json_t *call)
{
    int64_t own = http_duration(json_object_get(call, "timeout"));
    return (uint32_t)(own > 0 ? own : provost_int_at(settings, "timeout", HTTP_TIMEOUT_MS));
}

/* ---- the scope ---- */

static bool put(json_t *scope, const char *name, json_t *value)
{
    return value == NULL || json_object_set(scope, name, value) == 0;
}

static json_t *shown_settings(const json_t *settings)
{
    static const char *const names[] = {"url", "auth_user", "vars", "secrets"};
    json_t *shown = json_object();
    for (size_t i = 0; shown != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (!put(shown, names[i], json_object_get(settings, names[i]))) {
            json_decref(shown);
            return NULL;
        }
    }
    return shown;
}

/* Only for the names that the templates use: each URL registers a secret. */
static json_t *signal_urls(struct http *http)
{
    const json_t *call = http_call_of(http->kit.settings, http->operation, http->kit.call->step);
    const json_t *signal = json_object_get(call, "signal");
    const char *name = provost_text_at(signal, "name", json_string_value(signal));
    const char *url = NULL;
    if (name == NULL) {
        return json_object();
    }
    http->signal_error = http->kit.host->signal_url(http->kit.call, name, &url);
    if (http->signal_error != 0) {
        return json_object();
    }
    return json_pack("{s:s}", name, url);
}

static json_t *operation_of(const struct http *http)
{
    const struct provost_call *call = http->kit.call;
    return json_pack("{s:s, s:s, s:i, s:i}", "id", call->operation_id, "name", http->operation,
                     "run", (int)call->run, "attempt", (int)call->attempt);
}

static bool fill_scope(struct http *http)
{
    static const char *const members[] = {"customer", "params", "previous", "reason",
                                          "form",     "query",  "signals",  "quotas"};
    const json_t *input = http->kit.input;
    json_t *scope = http->scope;
    json_t *own[] = {shown_settings(http->kit.settings), operation_of(http), signal_urls(http)};
    json_t *service = json_incref(json_object_get(input, "service")); /* the input is this call's */
    service = service != NULL ? service : json_object();
    bool good =
        scope != NULL && own[0] != NULL && own[1] != NULL && own[2] != NULL && service != NULL;
    if (good && json_object_get(service, "ref") == NULL && http->kit.call->ref[0] != '\0') {
        good = json_object_set_new(service, "ref", json_string(http->kit.call->ref)) == 0;
    }
    good = good && put(scope, "settings", own[0]) && put(scope, "operation", own[1]) &&
           put(scope, "signal_url", own[2]) && put(scope, "service", service) &&
           put(scope, "plan", json_object_get(input, "values")) &&
           put(scope, "state", http->kit.state);
    for (size_t i = 0; good && i < sizeof(members) / sizeof(members[0]); i++) {
        good = put(scope, members[i], json_object_get(input, members[i]));
    }
    json_decref(service);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        json_decref(own[i]);
    }
    return good;
}

int http_open(struct http *http, struct provost_call *call)
{
    const struct http_instance *instance = call->instance;
    *http = (struct http){.operation = call->operation};
    struct kit *kit = &http->kit;
    *kit = (struct kit){.call = call, .host = call->host};
    kit->settings = json_incref(instance->settings);
    kit->input = provost_input(call);
    kit->state = provost_state(call);
    http->scope = json_object();
    http->terminating = strcmp(http->operation, "terminate") == 0;
    if (!json_is_object(kit->input) || !json_is_object(kit->state) || !fill_scope(http)) {
        return http_close(http, kit_end_memory(kit));
    }
    return PROVOST_OK;
}

int http_close(struct http *http, int outcome)
{
    json_decref(http->scope);
    http->scope = NULL;
    return kit_close(&http->kit, outcome);
}

int http_scope_answer(struct http *http, const struct http_answer *answer)
{
    json_t *json = (json_t *)(uintptr_t)answer->json;
    int failed = json != NULL ? json_object_set(http->scope, "answer", json)
                              : json_object_set_new(http->scope, "answer", json_null());
    return failed == 0 ? PROVOST_OK : kit_end_memory(&http->kit);
}

/* ---- what is made of an answer ---- */

int http_keep(struct http *http, const json_t *mapping, bool repeatable, const char *what,
              const struct http_answer *answer)
{
    char why[HTTP_WHY_MAX] = "";
    if (mapping == NULL) {
        return PROVOST_OK;
    }
    if (http_scope_answer(http, answer) != PROVOST_OK) {
        return kit_end(&http->kit, repeatable ? PROVOST_TEMPORARY : PROVOST_UNKNOWN,
                       "%s: state: out of memory", what);
    }
    int error = http_map(mapping, answer, http->scope, http->kit.state, why);
    if (error != 0) {
        /* It has been done, but what is needed of it was not said. */
        return kit_end(&http->kit, repeatable ? PROVOST_TEMPORARY : PROVOST_UNKNOWN,
                       "%s: state: %s", what, error == HTTP_NOMEM ? "out of memory" : why);
    }
    char *text = json_dumps(http->kit.state, JSON_COMPACT);
    error = text != NULL ? http->kit.host->state_set(http->kit.call, text) : PROVOST_E_NOMEM;
    free(text);
    if (error == 0) {
        return PROVOST_OK;
    }
    return kit_end(
        &http->kit, repeatable ? PROVOST_TEMPORARY : PROVOST_UNKNOWN, "%s: state: %s", what,
        error == PROVOST_E_NOMEM ? "out of memory" : http->kit.host->error(http->kit.call));
}

int http_result(struct http *http, const json_t *tree, const char *what)
{
    char why[HTTP_WHY_MAX] = "";
    json_t *filled = NULL;
    if (tree == NULL) {
        return PROVOST_OK;
    }
    int error = http_template_tree(tree, http->scope, &filled, why);
    return error == 0 ? kit_result(&http->kit, filled)
                      : http_end_template(http, error, what, "result", why);
}

void http_show(struct http *http, const json_t *tree, const char *what)
{
    char why[HTTP_WHY_MAX] = "";
    json_t *filled = NULL;
    const struct kit *kit = &http->kit;
    if (tree == NULL) {
        return;
    }
    int error = http_template_tree(tree, http->scope, &filled, why);
    if (error != 0) {
        provost_log(kit->call, PROVOST_LOG_WARN, "%s: done, without its result: %s", what,
                    error == HTTP_NOMEM ? "out of memory" : why);
    } else if (kit_result(&http->kit, filled) != PROVOST_OK) {
        provost_log(kit->call, PROVOST_LOG_WARN, "%s: done, without its result: %s", what,
                    kit->host->error(kit->call));
    }
}

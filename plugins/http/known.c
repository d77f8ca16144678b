/* SPDX-License-Identifier: Apache-2.0 */
/* The names that templates may use, as the objects that http_name_check takes: {} is a value, null
 * one with anything in it. */
#include "plugins/http/check.h"

#include <string.h>

static void add_names(json_t *into, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        json_object_set_new(into, names[i], json_object());
    }
}

/* Those of an array of fields. */
json_t *http_known_fields(const json_t *fields)
{
    json_t *known = json_object();
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = provost_text_at(field, "name", "");
        const char *type = provost_text_at(field, "type", "string");
        bool deep =
            strcmp(type, "json") == 0 || strcmp(type, "map") == 0 || strcmp(type, "list") == 0;
        json_object_set_new(known, name, deep ? json_null() : json_object());
    }
    return known;
}

static void add_keys(json_t *into, const json_t *from)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        json_object_set_new(into, key, json_null());
    }
}

static json_t *known_settings(const json_t *settings)
{
    static const char *const plain[] = {"url", "auth_user", NULL};
    json_t *known = json_object();
    json_t *vars = json_object();
    json_t *secrets = json_object();
    add_names(known, plain);
    add_keys(vars, json_object_get(settings, "vars"));
    add_keys(secrets, json_object_get(settings, "secrets"));
    json_object_set_new(known, "vars", vars);
    /* Where secrets are not shown, nobody can say. */
    bool shown = json_is_object(json_object_get(settings, "secrets"));
    json_object_set_new(known, "secrets", shown ? secrets : json_null());
    if (!shown) {
        json_decref(secrets);
    }
    return known;
}

void http_known_kept(json_t *into, const json_t *call)
{
    static const char *const inner[] = {"poll", "lookup", "signal"};
    add_keys(into, json_object_get(call, "state"));
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        add_keys(into, json_object_get(json_object_get(call, inner[i]), "state"));
    }
}

/* Every name that some call keeps. */
static json_t *known_state(const json_t *settings)
{
    json_t *known = json_object();
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(settings, "operations"), key, value)
    {
        for (size_t i = 0; i < json_array_size(value); i++) {
            http_known_kept(known, json_array_get(value, i));
        }
    }
    json_object_foreach(json_object_get(settings, "actions"), key, value)
    {
        const json_t *calls = json_object_get(value, "calls");
        for (size_t i = 0; i < json_array_size(calls); i++) {
            http_known_kept(known, json_array_get(calls, i));
        }
    }
    return known;
}

json_t *http_known_base(const json_t *settings)
{
    static const char *const service[] = {"id",      "external_id", "ref", "generation",
                                          "product", "plan",        NULL};
    static const char *const customer[] = {"id", "email", "firstname", "lastname", NULL};
    static const char *const operation[] = {"id", "name", "run", "attempt", NULL};
    json_t *known = json_object();
    const struct {
        const char *name;
        const char *const *members;
    } groups[] = {{"service", service}, {"customer", customer}, {"operation", operation}};
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        json_t *group = json_object();
        add_names(group, groups[i].members);
        json_object_set_new(known, groups[i].name, group);
    }
    json_object_set_new(known, "plan", http_known_fields(json_object_get(settings, "product")));
    json_object_set_new(known, "params", http_known_fields(json_object_get(settings, "checkout")));
    json_object_set_new(known, "settings", known_settings(settings));
    json_object_set_new(known, "state", known_state(settings));
    json_object_set_new(known, "reason", json_object());
    return known;
}

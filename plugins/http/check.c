/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can be wrong in an instance's settings, found before anything is sent. */
#include "plugins/http/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const operations[] = {"create",  "suspend", "unsuspend", "terminate",
                                         "upgrade", "renew",   NULL};

int http_check_fail(struct http_check *check, const char *path, const char *format, ...)
{
    char why[HTTP_WHY_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    snprintf(check->error, check->error_size, "%s: %s", path, why);
    return HTTP_BAD;
}

void http_check_path(char out[HTTP_PATH_MAX], const char *path, const char *member)
{
    snprintf(out, HTTP_PATH_MAX, "%.200s%s%.180s", path,
             path[0] != '\0' && member[0] != '\0' ? "." : "", member);
}

void http_check_index(char out[HTTP_PATH_MAX], const char *path, size_t index)
{
    snprintf(out, HTTP_PATH_MAX, "%.300s.%zu", path, index);
}

int http_check_keys(struct http_check *check, const char *path, const json_t *object,
                    const char *const *keys)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(object)) {
        return http_check_fail(check, path, "expected a mapping");
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool found = false;
        json_t *known = json_object();
        for (size_t i = 0; keys[i] != NULL; i++) {
            found = found || strcmp(keys[i], key) == 0;
            json_object_set_new(known, keys[i], json_null());
        }
        const char *nearest = http_nearest(key, known);
        char whole[HTTP_PATH_MAX];
        http_check_path(whole, path, key);
        int error =
            found ? 0
                  : http_check_fail(check, whole, "unknown key%s%s%s",
                                    nearest != NULL ? "; did you mean \"" : "",
                                    nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
        json_decref(known);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int check_fields(struct http_check *check, const char *path, const json_t *fields,
                        bool secrets)
{
    char where[HTTP_PATH_MAX];
    char why[HTTP_WHY_MAX] = "";
    char whole[HTTP_PATH_MAX];
    if (http_fields_check(fields, secrets, where, why) == 0) {
        return 0;
    }
    http_check_path(whole, path, where);
    return http_check_fail(check, whole, "%s", why);
}

static int check_auth(struct http_check *check)
{
    const json_t *settings = check->settings;
    const char *auth = provost_text_at(settings, "auth", "none");
    if (strcmp(auth, "basic") == 0 && provost_text_at(settings, "auth_user", NULL) == NULL) {
        return http_check_fail(check, "auth_user", "missing: auth: basic needs a user");
    }
    if (strcmp(auth, "header") == 0 && provost_text_at(settings, "auth_header", NULL) == NULL) {
        return http_check_fail(check, "auth_header",
                               "missing: auth: header needs the header's name");
    }
    return 0;
}

/* Those of every request, which know what every call knows. */
static int check_common(struct http_check *check, const json_t *known)
{
    const json_t *headers = json_object_get(check->settings, "headers");
    const json_t *error = json_object_get(check->settings, "error");
    json_t *call = json_pack("{s:s, s:O*, s:O*}", "path", "/", "headers", headers, "error", error);
    int status = http_check_call(check, "", call, HTTP_STEP, known);
    json_decref(call);
    return status;
}

static json_t *with(const json_t *known, const char *name, json_t *members)
{
    json_t *wider = json_copy((json_t *)(uintptr_t)known);
    json_object_set_new(wider, name, members);
    return wider;
}

static int check_operations(struct http_check *check, const json_t *known)
{
    const json_t *all = json_object_get(check->settings, "operations");
    int error = http_check_keys(check, "operations", all, operations);
    const char *name = NULL;
    json_t *calls = NULL;
    json_object_foreach((json_t *)(uintptr_t)all, name, calls)
    {
        char path[HTTP_PATH_MAX];
        http_check_path(path, "operations", name);
        json_t *names = strcmp(name, "upgrade") == 0
                            ? with(known, "previous",
                                   http_known_fields(json_object_get(check->settings, "product")))
                            : json_incref((json_t *)(uintptr_t)known);
        error = error == 0 ? http_check_calls(check, path, calls, HTTP_STEP, HTTP_CALLS_MAX, names)
                           : error;
        json_decref(names);
    }
    return error;
}

static bool good_name(const char *name)
{
    return name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 60 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static int check_action(struct http_check *check, const char *path, const char *name,
                        const json_t *action, const json_t *known)
{
    static const char *const keys[] = {"label",       "confirm", "form", "quota",
                                       "quota_delta", "calls",   NULL};
    char inner[HTTP_PATH_MAX];
    int error = good_name(name) ? http_check_keys(check, path, action, keys)
                                : http_check_fail(check, path, "not a name of an action");
    for (size_t i = 0; error == 0 && operations[i] != NULL; i++) {
        if (strcmp(operations[i], name) == 0) {
            error = http_check_fail(check, path, "an operation has this name");
        }
    }
    http_check_path(inner, path, "form");
    error = error == 0 ? check_fields(check, inner, json_object_get(action, "form"), true) : error;
    if (error == 0 && json_object_get(action, "quota") != NULL &&
        !good_name(provost_text_at(action, "quota", ""))) {
        error = http_check_fail(check, path, "quota: expected the name of a product field");
    }
    if (error == 0 && json_object_get(action, "quota_delta") != NULL &&
        !json_is_integer(json_object_get(action, "quota_delta"))) {
        error = http_check_fail(check, path, "quota_delta: expected 1 or -1");
    }
    http_check_path(inner, path, "calls");
    json_t *names = with(known, "form", http_known_fields(json_object_get(action, "form")));
    error = error == 0 ? http_check_calls(check, inner, json_object_get(action, "calls"), HTTP_STEP,
                                          HTTP_CALLS_MAX, names)
                       : error;
    json_decref(names);
    return error;
}

static int check_query(struct http_check *check, const char *path, const char *name,
                       const json_t *query, const json_t *known)
{
    static const char *const keys[] = {"access", "params", "calls", "result", NULL};
    const char *access = provost_text_at(query, "access", "token");
    char inner[HTTP_PATH_MAX];
    char where[HTTP_NAME_MAX];
    char why[HTTP_WHY_MAX] = "";
    int error = good_name(name) ? http_check_keys(check, path, query, keys)
                                : http_check_fail(check, path, "not a name of a query");
    http_check_path(inner, path, "params");
    error = error == 0 ? check_fields(check, inner, json_object_get(query, "params"), true) : error;
    if (error == 0 && strcmp(access, "token") != 0 && strcmp(access, "customer") != 0 &&
        strcmp(access, "public") != 0) {
        http_check_path(inner, path, "access");
        error = http_check_fail(check, inner, "expected token, customer or public");
    }
    json_t *names = with(known, "query", http_known_fields(json_object_get(query, "params")));
    json_object_set_new(names, "quotas", json_null());
    json_object_set_new(names, "answer", json_null());
    json_object_set_new(names, "answers", json_null());
    http_check_path(inner, path, "calls");
    const json_t *calls = json_object_get(query, "calls");
    if (error == 0 && calls != NULL) {
        error = http_check_calls(check, inner, calls, HTTP_QUERY, HTTP_QUERY_CALLS_MAX, names);
    }
    const json_t *result = json_object_get(query, "result");
    if (error == 0 && result == NULL) {
        error = http_check_fail(check, path, "result is missing: what the query answers");
    }
    if (error == 0 && http_template_check_tree(result, names, where, why) != 0) {
        char whole[HTTP_PATH_MAX];
        http_check_path(inner, path, "result");
        http_check_path(whole, inner, where);
        error = http_check_fail(check, whole, "%s", why);
    }
    json_decref(names);
    return error;
}

/* Every entry of a mapping. */
static int check_all(struct http_check *check, const char *member, const json_t *known,
                     int (*one)(struct http_check *check, const char *path, const char *name,
                                const json_t *value, const json_t *known))
{
    const json_t *all = json_object_get(check->settings, member);
    const char *name = NULL;
    json_t *value = NULL;
    if (all != NULL && !json_is_object(all)) {
        return http_check_fail(check, member, "expected a mapping");
    }
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
    {
        char path[HTTP_PATH_MAX];
        http_check_path(path, member, name);
        int error = one(check, path, name, value, known);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* A query of an instance has no service. */
static json_t *without_service(const json_t *known)
{
    static const char *const gone[] = {"service", "customer", "plan", "params", "state", "reason"};
    json_t *left = json_copy((json_t *)(uintptr_t)known);
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        json_object_del(left, gone[i]);
    }
    return left;
}

int http_check(const json_t *settings, char *error, size_t error_size)
{
    struct http_check check = {settings, error, error_size};
    int status = check_auth(&check);
    status = status == 0
                 ? check_fields(&check, "product", json_object_get(settings, "product"), false)
                 : status;
    status = status == 0
                 ? check_fields(&check, "checkout", json_object_get(settings, "checkout"), true)
                 : status;
    if (status != 0) {
        return status;
    }
    json_t *known = http_known_base(settings);
    json_t *bare = without_service(known);
    status = check_common(&check, bare);
    status = status == 0 ? check_operations(&check, known) : status;
    status = status == 0 ? check_all(&check, "actions", known, check_action) : status;
    status = status == 0 ? check_all(&check, "queries", known, check_query) : status;
    status = status == 0 ? check_all(&check, "instance_queries", bare, check_query) : status;
    json_decref(bare);
    json_decref(known);
    return status;
}

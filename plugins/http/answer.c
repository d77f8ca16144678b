/* SPDX-License-Identifier: Apache-2.0 */
/* Matches, conditions and mappings over answers. */
#include "plugins/http/answer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pointers ---- */

/* One part of a pointer, "~1" and "~0" undone; false: malformed or too long. */
static bool part_of(const char **pointer, char out[HTTP_NAME_MAX])
{
    const char *at = *pointer + 1;
    size_t length = 0;
    for (; at[0] != '\0' && at[0] != '/'; at++) {
        char c = at[0];
        if (c == '~') {
            at++;
            if (at[0] != '0' && at[0] != '1') {
                return false;
            }
            c = at[0] == '1' ? '/' : '~';
        }
        if (length + 1 >= HTTP_NAME_MAX) {
            return false;
        }
        out[length++] = c;
    }
    out[length] = '\0';
    *pointer = at;
    return true;
}

bool http_pointer_valid(const char *pointer)
{
    char part[HTTP_NAME_MAX];
    while (pointer[0] == '/') {
        if (!part_of(&pointer, part)) {
            return false;
        }
    }
    return pointer[0] == '\0';
}

json_t *http_pointer_at(const json_t *json, const char *pointer)
{
    char part[HTTP_NAME_MAX];
    while (json != NULL && pointer[0] == '/') {
        if (!part_of(&pointer, part)) {
            return NULL;
        }
        if (json_is_array(json)) {
            size_t length = strlen(part);
            bool index = length > 0 && length < 9 && strspn(part, "0123456789") == length;
            json = index ? json_array_get(json, (size_t)strtoul(part, NULL, 10)) : NULL;
        } else {
            json = json_object_get(json, part);
        }
    }
    return pointer[0] == '\0' ? (json_t *)(uintptr_t)json : NULL;
}

/* ---- statuses ---- */

/* "204", "2xx" or "200-299". */
static bool status_range(const char *text, int *ret_first, int *ret_last)
{
    char end = '\0';
    int first = 0;
    int last = 0;
    if (strlen(text) == 3 && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
        *ret_first = (text[0] - '0') * 100;
        *ret_last = *ret_first + 99;
        return true;
    }
    if (strspn(text, "0123456789-") != strlen(text)) {
        return false;
    }
    int read = sscanf(text, "%3d-%3d%c", &first, &last, &end);
    if (read == 1 && strlen(text) == 3) {
        last = first;
    } else if (read != 2 || strlen(text) != 7) {
        return false;
    }
    *ret_first = first;
    *ret_last = last;
    return first >= 100 && last <= 599 && first <= last;
}

static bool status_fits(const json_t *wanted, int status)
{
    int first = 0;
    int last = 0;
    if (json_is_integer(wanted)) {
        return json_integer_value(wanted) == status;
    }
    if (json_is_string(wanted)) {
        return status_range(json_string_value(wanted), &first, &last) && status >= first &&
               status <= last;
    }
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *one = json_array_get(wanted, i);
        if (!json_is_array(one) && status_fits(one, status)) {
            return true;
        }
    }
    return false;
}

static bool good_status(const struct http_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

/* good: an object without `status` fits no status but a 2xx. */
static bool match_with(const json_t *match, const struct http_answer *answer, bool good)
{
    if (json_is_array(match)) {
        for (size_t i = 0; i < json_array_size(match); i++) {
            const json_t *one = json_array_get(match, i);
            if (!json_is_array(one) && match_with(one, answer, good)) {
                return true;
            }
        }
        return false;
    }
    if (!json_is_object(match)) {
        return match != NULL && status_fits(match, answer->status);
    }
    const json_t *status = json_object_get(match, "status");
    const json_t *body = json_object_get(match, "body");
    if (status != NULL ? !status_fits(status, answer->status)
                       : good && answer->status != 0 && !good_status(answer)) {
        return false;
    }
    return body == NULL || (answer->json != NULL && http_condition(body, answer->json));
}

bool http_match(const json_t *match, const struct http_answer *answer)
{
    return match_with(match, answer, false);
}

bool http_match_good(const json_t *match, const struct http_answer *answer)
{
    return match_with(match, answer, true);
}

bool http_success(const json_t *call, const struct http_answer *answer)
{
    const json_t *match = json_object_get(call, "success");
    return match != NULL ? http_match_good(match, answer) : good_status(answer);
}

/* ---- conditions ---- */

static bool same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        return json_number_value(a) >= json_number_value(b) &&
               json_number_value(a) <= json_number_value(b);
    }
    return json_equal((json_t *)(uintptr_t)a, (json_t *)(uintptr_t)b) == 1;
}

/* What is not there is null. */
static bool one_of(const json_t *found, const json_t *expected)
{
    found = found != NULL ? found : json_null();
    if (!json_is_array(expected)) {
        return same(found, expected);
    }
    for (size_t i = 0; i < json_array_size(expected); i++) {
        if (same(found, json_array_get(expected, i))) {
            return true;
        }
    }
    return false;
}

static bool holds(const json_t *expected, const json_t *found)
{
    if (!json_is_object(expected)) {
        return one_of(found, expected);
    }
    const json_t *exists = json_object_get(expected, "exists");
    const json_t *other = json_object_get(expected, "not");
    bool there = found != NULL && !json_is_null(found);
    return (exists == NULL || json_is_true(exists) == there) &&
           (other == NULL || !one_of(found, other));
}

bool http_condition(const json_t *condition, const json_t *json)
{
    const char *pointer = NULL;
    json_t *expected = NULL;
    json_object_foreach((json_t *)(uintptr_t)condition, pointer, expected)
    {
        if (!holds(expected, http_pointer_at(json, pointer))) {
            return false;
        }
    }
    return true;
}

bool http_condition_scope(const json_t *condition, const json_t *scope)
{
    const char *name = NULL;
    json_t *expected = NULL;
    json_object_foreach((json_t *)(uintptr_t)condition, name, expected)
    {
        if (!holds(expected, http_scope_at(scope, name))) {
            return false;
        }
    }
    return true;
}

/* ---- are they well-formed? ---- */

static int status_check(const json_t *wanted, char why[HTTP_WHY_MAX])
{
    int first = 0;
    int last = 0;
    bool good =
        json_is_integer(wanted)
            ? json_integer_value(wanted) >= 100 && json_integer_value(wanted) <= 599
            : json_is_string(wanted) && status_range(json_string_value(wanted), &first, &last);
    for (size_t i = 0; json_is_array(wanted) && i < json_array_size(wanted); i++) {
        const json_t *one = json_array_get(wanted, i);
        good = !json_is_array(one) && status_check(one, why) == 0;
        if (!good) {
            return HTTP_BAD;
        }
    }
    if (!good) {
        snprintf(why, HTTP_WHY_MAX, "expected a status such as 204, \"2xx\" or \"200-204\"");
        return HTTP_BAD;
    }
    return 0;
}

static bool scalars(const json_t *value)
{
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (json_is_array(one) || json_is_object(one)) {
            return false;
        }
    }
    return !json_is_object(value);
}

int http_condition_check(const json_t *condition, bool names, char why[HTTP_WHY_MAX])
{
    const char *key = NULL;
    json_t *expected = NULL;
    if (!json_is_object(condition)) {
        snprintf(why, HTTP_WHY_MAX, "expected a mapping of %s and what is expected there",
                 names ? "names" : "JSON pointers");
        return HTTP_BAD;
    }
    json_object_foreach((json_t *)(uintptr_t)condition, key, expected)
    {
        bool good = scalars(expected);
        if (json_is_object(expected)) {
            const json_t *exists = json_object_get(expected, "exists");
            const json_t *other = json_object_get(expected, "not");
            good = json_object_size(expected) == (exists != NULL) + (size_t)(other != NULL) &&
                   (exists != NULL || other != NULL) &&
                   (exists == NULL || json_is_boolean(exists)) && (other == NULL || scalars(other));
        }
        if (!names && !http_pointer_valid(key)) {
            snprintf(why, HTTP_WHY_MAX, "\"%.100s\" is no JSON pointer (such as /data/id)", key);
            return HTTP_BAD;
        }
        if (!good) {
            snprintf(why, HTTP_WHY_MAX,
                     "%.100s: expected a value, a list of values, {not: …} or {exists: true}", key);
            return HTTP_BAD;
        }
    }
    return 0;
}

int http_match_check(const json_t *match, char why[HTTP_WHY_MAX])
{
    if (json_is_array(match)) {
        int error = json_array_size(match) > 0 ? 0 : status_check(NULL, why);
        for (size_t i = 0; error == 0 && i < json_array_size(match); i++) {
            const json_t *one = json_array_get(match, i);
            error = json_is_array(one) ? status_check(NULL, why) : http_match_check(one, why);
        }
        return error;
    }
    if (!json_is_object(match)) {
        return status_check(match, why);
    }
    const json_t *status = json_object_get(match, "status");
    const json_t *body = json_object_get(match, "body");
    if (json_object_size(match) != (status != NULL) + (size_t)(body != NULL) ||
        json_object_size(match) == 0) {
        snprintf(why, HTTP_WHY_MAX, "expected statuses, or a mapping of `status` and `body`");
        return HTTP_BAD;
    }
    int error = status != NULL ? status_check(status, why) : 0;
    return error == 0 && body != NULL ? http_condition_check(body, false, why) : error;
}

/* ---- mapping ---- */

static bool of_type(const json_t *value, const char *type)
{
    static const struct {
        const char *name;
        json_type type;
    } types[] = {{"string", JSON_STRING}, {"integer", JSON_INTEGER}, {"number", JSON_REAL},
                 {"boolean", JSON_TRUE},  {"array", JSON_ARRAY},     {"object", JSON_OBJECT}};
    if (strcmp(type, "boolean") == 0) {
        return json_is_boolean(value);
    }
    if (strcmp(type, "number") == 0) {
        return json_is_number(value);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, type) == 0) {
            return json_typeof(value) == types[i].type;
        }
    }
    return false;
}

/* A new reference; HTTP_LEFT_OUT, HTTP_MISSING or HTTP_BAD. */
static int map_one(const json_t *rule, const struct http_answer *answer, const json_t *scope,
                   json_t **ret_value, char why[HTTP_WHY_MAX])
{
    const json_t *template = json_object_get(rule, "value");
    if (template != NULL) {
        return http_template_tree(template, scope, ret_value, why);
    }
    const json_t *from = json_is_object(rule) ? json_object_get(rule, "from") : rule;
    const char *pointer = json_is_string(from) ? json_string_value(from) : "";
    const char *type = json_string_value(json_object_get(rule, "type"));
    json_t *value = answer->json != NULL ? http_pointer_at(answer->json, pointer) : NULL;
    value = json_is_null(value) ? NULL : value;
    if (value == NULL) {
        json_t *fallback = json_object_get(rule, "default");
        if (fallback != NULL) {
            *ret_value = json_incref(fallback);
            return 0;
        }
        if (json_is_true(json_object_get(rule, "optional"))) {
            return HTTP_LEFT_OUT;
        }
        snprintf(why, HTTP_WHY_MAX, "the answer %s%.100s",
                 answer->json == NULL ? "is no JSON: there is nothing at " : "has nothing at ",
                 pointer);
        return HTTP_MISSING;
    }
    if (type != NULL && !of_type(value, type)) {
        snprintf(why, HTTP_WHY_MAX, "what the answer has at %.100s is of another type than %s",
                 pointer, type);
        return HTTP_BAD;
    }
    *ret_value = json_incref(value);
    return 0;
}

int http_map(const json_t *mapping, const struct http_answer *answer, const json_t *scope,
             json_t *into, char why[HTTP_WHY_MAX])
{
    const char *name = NULL;
    json_t *rule = NULL;
    json_object_foreach((json_t *)(uintptr_t)mapping, name, rule)
    {
        json_t *value = NULL;
        int error = map_one(rule, answer, scope, &value, why);
        if (error == 0 && json_object_set_new(into, name, value) != 0) {
            error = HTTP_NOMEM;
        }
        if (error != 0 && error != HTTP_LEFT_OUT) {
            return error;
        }
    }
    return 0;
}

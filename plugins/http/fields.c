/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that a configuration declares (product, checkout, forms, parameters), as the tables that
 * plugins declare. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t type;
} types[] = {
    {"string", PROVOST_T_STRING},     {"text", PROVOST_T_TEXT}, {"int", PROVOST_T_INT},
    {"number", PROVOST_T_NUMBER},     {"bool", PROVOST_T_BOOL}, {"size", PROVOST_T_SIZE},
    {"duration", PROVOST_T_DURATION}, {"url", PROVOST_T_URL},   {"email", PROVOST_T_EMAIL},
    {"hostname", PROVOST_T_HOSTNAME}, {"ip", PROVOST_T_IP},     {"select", PROVOST_T_SELECT},
    {"list", PROVOST_T_LIST},         {"map", PROVOST_T_MAP},   {"json", PROVOST_T_JSON},
};

static bool type_of(const char *name, uint32_t *ret_type)
{
    for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            *ret_type = types[i].type;
            return true;
        }
    }
    return false;
}

/* ---- the table ---- */

/* A text or another scalar, as it would stand in the configuration. NULL: there is none. */
static const char *text_of(const json_t *field, const char *member)
{
    const json_t *value = json_object_get(field, member);
    if (value == NULL || json_is_null(value)) {
        return NULL;
    }
    return json_is_string(value) ? strdup(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

/* "a|b|c" */
static const char *options_of(const json_t *field)
{
    struct http_text text = {.ptr = NULL};
    const json_t *options = json_object_get(field, "options");
    for (size_t i = 0; i < json_array_size(options); i++) {
        http_text_put_c(&text, i > 0 ? "|" : "");
        http_text_put_c(&text, json_string_value(json_array_get(options, i)));
    }
    return text.ptr;
}

static uint32_t flags_of(const json_t *field)
{
    return (provost_bool_at(field, "required", 0) ? PROVOST_F_REQUIRED : 0) |
           (provost_bool_at(field, "secret", 0) ? PROVOST_F_SECRET : 0) |
           (provost_bool_at(field, "immutable", 0) ? PROVOST_F_IMMUTABLE : 0);
}

struct provost_field *http_fields_new(const json_t *fields)
{
    size_t count = json_array_size(fields);
    struct provost_field *table = calloc(count + 1, sizeof(*table));
    for (size_t i = 0; table != NULL && i < count; i++) {
        const json_t *field = json_array_get(fields, i);
        table[i] = (struct provost_field){.name = text_of(field, "name"),
                                          .label = text_of(field, "label"),
                                          .description = text_of(field, "description"),
                                          .fallback = text_of(field, "default"),
                                          .options = options_of(field),
                                          .pattern = text_of(field, "pattern"),
                                          .min = provost_int_at(field, "min", 0),
                                          .max = provost_int_at(field, "max", 0),
                                          .flags = flags_of(field)};
        type_of(provost_text_at(field, "type", "string"), &table[i].type);
        if (table[i].name == NULL) {
            return NULL;
        }
    }
    return table;
}

/* ---- its check ---- */

static int bad(char where[HTTP_PATH_MAX], size_t index, const char *member, char *why,
               const char *format, const char *what)
{
    snprintf(where, HTTP_PATH_MAX, "%zu%s%s", index, member[0] != '\0' ? "." : "", member);
    snprintf(why, HTTP_WHY_MAX, format, what);
    return HTTP_BAD;
}

static bool good_name(const char *name)
{
    size_t length = name != NULL ? strlen(name) : 0;
    return length > 0 && length <= 64 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static int check_members(const json_t *field, size_t index, char where[HTTP_PATH_MAX], char *why)
{
    static const struct {
        const char *name;
        const char *expected;
    } members[] = {{"name", "a text"},          {"type", "a text"},
                   {"label", "a text"},         {"description", "a text"},
                   {"pattern", "a text"},       {"default", ""},
                   {"options", "a list"},       {"min", "a whole number"},
                   {"max", "a whole number"},   {"required", "true or false"},
                   {"secret", "true or false"}, {"immutable", "true or false"}};
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)field, key, value)
    {
        const char *expected = NULL;
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            expected = strcmp(members[i].name, key) == 0 ? members[i].expected : expected;
        }
        if (expected == NULL) {
            return bad(where, index, key, why, "unknown key (known: %s)",
                       "name, type, label, description, default, options, pattern, min, max, "
                       "required, secret, immutable");
        }
        bool good = expected[0] == '\0' ? !json_is_object(value) && !json_is_array(value)
                    : strcmp(expected, "a text") == 0         ? json_is_string(value)
                    : strcmp(expected, "a list") == 0         ? json_is_array(value)
                    : strcmp(expected, "a whole number") == 0 ? json_is_integer(value)
                                                              : json_is_boolean(value);
        if (!good) {
            return bad(where, index, key, why, "expected %s",
                       expected[0] != '\0' ? expected : "one value");
        }
    }
    return 0;
}

int http_fields_check(const json_t *fields, bool secrets, char where[HTTP_PATH_MAX],
                      char why[HTTP_WHY_MAX])
{
    where[0] = '\0';
    if (fields != NULL && !json_is_array(fields)) {
        snprintf(why, HTTP_WHY_MAX, "expected a list of fields, such as [{name: domain}]");
        return HTTP_BAD;
    }
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = provost_text_at(field, "name", NULL);
        uint32_t type = PROVOST_T_STRING;
        if (!json_is_object(field) || !good_name(name)) {
            return bad(where, i, "name", why, "expected a name%s",
                       " (lower-case letters, digits and _)");
        }
        if (check_members(field, i, where, why) != 0) {
            return HTTP_BAD;
        }
        if (!type_of(provost_text_at(field, "type", "string"), &type)) {
            return bad(where, i, "type", why, "unknown type \"%.60s\"",
                       provost_text_at(field, "type", ""));
        }
        const json_t *options = json_object_get(field, "options");
        for (size_t k = 0; k < json_array_size(options); k++) {
            const char *option = json_string_value(json_array_get(options, k));
            if (option == NULL || strchr(option, '|') != NULL || option[0] == '\0') {
                return bad(where, i, "options", why, "expected texts without %s", "\"|\"");
            }
        }
        if (type == PROVOST_T_SELECT && json_array_size(options) == 0) {
            return bad(where, i, "options", why, "%s", "a select needs options");
        }
        if (provost_bool_at(field, "secret", 0) && (!secrets || type == PROVOST_T_JSON)) {
            return bad(where, i, "secret", why, "%s",
                       type == PROVOST_T_JSON ? "a field of type json cannot be secret"
                                              : "secrets of a product belong into `secrets`");
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(provost_text_at(json_array_get(fields, k), "name", ""), name) == 0) {
                return bad(where, i, "name", why, "\"%s\" is there twice", name);
            }
        }
    }
    return 0;
}

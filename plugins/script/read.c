/* SPDX-License-Identifier: Apache-2.0 */
/* See read.h. Members are those of docs/wire.md, "The description". */
#include "plugins/script/read.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#define ENTRIES_MAX 200

/* Everything that was ever declared; nothing of it is freed. */
struct kept {
    struct kept *next;
    max_align_t bytes[];
};
static struct kept *everything;

int read_refuse(struct script_reader *r, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(r->error, r->error_size, format, ap);
    va_end(ap);
    return -1;
}

void *read_keep(struct script_reader *r, size_t size)
{
    struct kept *one = calloc(1, sizeof(*one) + size);
    if (one == NULL) {
        read_refuse(r, "out of memory");
        return NULL;
    }
    one->next = everything;
    everything = one;
    return one->bytes;
}

static int keep_text(struct script_reader *r, const char *text, const char **ret)
{
    size_t size = strlen(text) + 1;
    char *copy = read_keep(r, size);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, text, size);
    *ret = copy;
    return 0;
}

/* ---- Members ---- */

int read_text(struct script_reader *r, const json_t *json, const char *where, const char *member,
              const char **ret)
{
    const json_t *value = json_object_get(json, member);
    if (value == NULL) {
        return 0;
    }
    if (!json_is_string(value)) {
        return read_refuse(r, "%s.%s: expected a text", where, member);
    }
    return keep_text(r, json_string_value(value), ret);
}

int read_flag(struct script_reader *r, const json_t *json, const char *where, const char *member,
              uint32_t bit, uint32_t *flags)
{
    const json_t *value = json_object_get(json, member);
    if (value != NULL && !json_is_boolean(value)) {
        return read_refuse(r, "%s.%s: expected true or false", where, member);
    }
    *flags |= json_is_true(value) ? bit : 0;
    return 0;
}

int read_number(struct script_reader *r, const json_t *json, const char *where, const char *member,
                int64_t least, int64_t most, int64_t *ret)
{
    const json_t *value = json_object_get(json, member);
    if (value == NULL) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most) {
        return read_refuse(r, "%s.%s: expected a whole number of %lld to %lld", where, member,
                           (long long)least, (long long)most);
    }
    *ret = json_integer_value(value);
    return 0;
}

int read_array(struct script_reader *r, const json_t *json, const char *where, const char *member,
               const json_t **ret)
{
    const json_t *value = json_object_get(json, member);
    *ret = value;
    if (value != NULL && (!json_is_array(value) || json_array_size(value) > ENTRIES_MAX)) {
        return read_refuse(r, "%s%s%s: expected a list of at most %d", where, where[0] ? "." : "",
                           member, ENTRIES_MAX);
    }
    return 0;
}

int read_check_members(struct script_reader *r, const json_t *json, const char *where,
                       const char *const *known)
{
    if (!json_is_object(json)) {
        return read_refuse(r, "%s: expected an object", where);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        bool found = false;
        for (size_t i = 0; known[i] != NULL; i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            return read_refuse(r, "%s%s%s: there is no such member", where, where[0] ? "." : "",
                               key);
        }
    }
    return 0;
}

/* ---- Fields ---- */

static int get_type(struct script_reader *r, const json_t *json, const char *where, uint32_t *ret)
{
    static const char *const names[] = {
        [PROVOST_T_STRING] = "string",     [PROVOST_T_TEXT] = "text", [PROVOST_T_INT] = "int",
        [PROVOST_T_NUMBER] = "number",     [PROVOST_T_BOOL] = "bool", [PROVOST_T_SIZE] = "size",
        [PROVOST_T_DURATION] = "duration", [PROVOST_T_URL] = "url",   [PROVOST_T_EMAIL] = "email",
        [PROVOST_T_HOSTNAME] = "hostname", [PROVOST_T_IP] = "ip",     [PROVOST_T_SELECT] = "select",
        [PROVOST_T_LIST] = "list",         [PROVOST_T_MAP] = "map",   [PROVOST_T_POOL] = "pool"};
    const char *name = provost_text_at(json, "type", "string");
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = i;
            return 0;
        }
    }
    return read_refuse(r, "%s.type: there is no type \"%.40s\"", where, name);
}

static int get_options(struct script_reader *r, const json_t *json, const char *where,
                       const char **ret)
{
    const json_t *list = json_object_get(json, "options");
    if (list == NULL) {
        return 0;
    }
    size_t room = 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        room += json_string_length(json_array_get(list, i)) + 1;
    }
    char *text = read_keep(r, room);
    if (text == NULL) {
        return -1;
    }
    size_t len = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *option = json_string_value(json_array_get(list, i));
        if (option == NULL || option[0] == '\0' || strchr(option, '|') != NULL) {
            return read_refuse(r, "%s.options: expected texts without |", where);
        }
        len += (size_t)snprintf(text + len, room - len, "%s%s", i > 0 ? "|" : "", option);
    }
    *ret = text;
    return 0;
}

/* As it would stand in the configuration. */
static int get_default(struct script_reader *r, const json_t *json, const char *where,
                       const char **ret)
{
    const json_t *value = json_object_get(json, "default");
    if (value == NULL || json_is_string(value)) {
        return read_text(r, json, where, "default", ret);
    }
    char text[64] = "";
    size_t len = json_dumpb(value, text, sizeof(text) - 1, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!(json_is_number(value) || json_is_boolean(value)) || len >= sizeof(text)) {
        return read_refuse(r, "%s.default: expected a text, a number, true or false", where);
    }
    text[len] = '\0';
    return keep_text(r, text, ret);
}

static int get_field(struct script_reader *r, const json_t *json, const char *where,
                     struct provost_field *field)
{
    static const char *const known[] = {"name",    "type",      "label", "description", "default",
                                        "options", "pattern",   "min",   "max",         "required",
                                        "secret",  "immutable", NULL};
    int failed = read_check_members(r, json, where, known);
    failed = failed ? failed : read_text(r, json, where, "name", &field->name);
    failed = failed ? failed : get_type(r, json, where, &field->type);
    failed = failed ? failed : read_text(r, json, where, "label", &field->label);
    failed = failed ? failed : read_text(r, json, where, "description", &field->description);
    failed = failed ? failed : get_default(r, json, where, &field->fallback);
    failed = failed ? failed : get_options(r, json, where, &field->options);
    failed = failed ? failed : read_text(r, json, where, "pattern", &field->pattern);
    failed =
        failed ? failed : read_number(r, json, where, "min", INT64_MIN, INT64_MAX, &field->min);
    failed =
        failed ? failed : read_number(r, json, where, "max", INT64_MIN, INT64_MAX, &field->max);
    failed =
        failed ? failed : read_flag(r, json, where, "required", PROVOST_F_REQUIRED, &field->flags);
    failed = failed ? failed : read_flag(r, json, where, "secret", PROVOST_F_SECRET, &field->flags);
    failed = failed ? failed
                    : read_flag(r, json, where, "immutable", PROVOST_F_IMMUTABLE, &field->flags);
    if (!failed && field->name == NULL) {
        return read_refuse(r, "%s: expected a name", where);
    }
    return failed;
}

int read_fields(struct script_reader *r, const json_t *json, const char *where, const char *member,
                const struct provost_field **ret)
{
    const json_t *list = NULL;
    int failed = read_array(r, json, where, member, &list);
    if (failed || list == NULL) {
        return failed;
    }
    struct provost_field *fields = read_keep(r, (json_array_size(list) + 1) * sizeof(*fields));
    for (size_t i = 0; fields != NULL && !failed && i < json_array_size(list); i++) {
        char at[200];
        snprintf(at, sizeof(at), "%s%s%s[%zu]", where, where[0] ? "." : "", member, i);
        failed = get_field(r, json_array_get(list, i), at, &fields[i]);
    }
    *ret = fields;
    return fields != NULL ? failed : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a case, and of what type each is. */
#include "core/cli/case.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void pv_case_complain(json_t *problems, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_array_append_new(problems, json_vsprintf(fmt, ap));
    va_end(ap);
}

enum kind { ANY = 0, TEXT, TEXTS, OBJECT, LIST, WHOLE, TRUTH };

struct member {
    const char *name;
    enum kind kind; /* what is not of it would be compared with nothing, or do nothing */
};

#define MOST_MEMBERS 32

static bool are_texts(const json_t *object)
{
    bool all = json_is_object(object);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        all = all && json_is_string(value);
    }
    return all;
}

static bool is_of(enum kind kind, const json_t *value)
{
    switch (kind) {
    case TEXT:
        return json_is_string(value);
    case TEXTS:
        return are_texts(value);
    case OBJECT:
        return json_is_object(value);
    case LIST:
        return json_is_array(value);
    case WHOLE:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case TRUTH:
        return json_is_boolean(value);
    default:
        return true;
    }
}

static void complain_of_unknown(json_t *problems, const char *where, const char *key,
                                const struct member *known, size_t count)
{
    const char *names[MOST_MEMBERS];
    for (size_t i = 0; i < count; i++) {
        names[i] = known[i].name;
    }
    const char *near = pv_str_nearest(pv_str(key), names, count);
    pv_case_complain(problems, "%s: unknown member “%s”%s%s%s", where, key,
                     near != NULL ? "; did you mean “" : "", near != NULL ? near : "",
                     near != NULL ? "”?" : "");
}

static bool known_members(json_t *problems, const json_t *object, const char *where,
                          const struct member *known, size_t count)
{
    static const char *const kinds[] = {"anything",     "a text",   "an object of texts",
                                        "an object",    "an array", "a whole number",
                                        "true or false"};
    bool ok = object == NULL || json_is_object(object);
    const char *key = NULL;
    json_t *value = NULL;
    if (!ok) {
        pv_case_complain(problems, "%s: expected an object", where);
    }
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t at = 0;
        while (at < count && strcmp(known[at].name, key) != 0) {
            at++;
        }
        if (at == count) {
            complain_of_unknown(problems, where, key, known, count);
            ok = false;
        } else if (!is_of(known[at].kind, value)) {
            pv_case_complain(problems, "%s: %s: expected %s", where, key, kinds[known[at].kind]);
            ok = false;
        }
    }
    return ok;
}

#define KNOWN(problems, object, where, members)                                                    \
    known_members(problems, object, where, members, sizeof(members) / sizeof(members[0]))

static bool check_exchanges(json_t *problems, const json_t *exchanges)
{
    static const struct member own[] = {{"request", OBJECT}, {"response", OBJECT}};
    static const struct member request[] = {
        {"method", TEXT}, {"path", TEXT}, {"headers", TEXTS}, {"json", ANY}, {"body", TEXT}};
    static const struct member response[] = {
        {"status", WHOLE}, {"headers", TEXTS}, {"json", ANY}, {"body", TEXT}, {"drop", TRUTH}};
    bool ok = true;
    for (size_t i = 0; i < json_array_size(exchanges); i++) {
        const json_t *exchange = json_array_get(exchanges, i);
        ok = KNOWN(problems, exchange, "exchange", own) &&
             KNOWN(problems, json_object_get(exchange, "request"), "request", request) &&
             KNOWN(problems, json_object_get(exchange, "response"), "response", response) && ok;
    }
    return ok;
}

int pv_case_call(const json_t *operation)
{
    static const char *const kinds[] = {"run", "poll", "lookup", "undo"};
    const char *call = json_string_value(json_object_get(operation, "call"));
    int found = -1;
    for (int i = 0; call != NULL && i < 4; i++) {
        found = strcmp(call, kinds[i]) == 0 ? i : found;
    }
    return found;
}

static bool check_call(json_t *problems, const json_t *operation)
{
    bool known = json_object_get(operation, "call") == NULL ||
                 (pv_case_call(operation) >= 0 && json_object_get(operation, "step") != NULL);
    if (!known) {
        pv_case_complain(problems,
                         "call: expected run, poll, lookup or undo, together with `step`");
    }
    return known;
}

bool pv_case_check_operation(const json_t *operation, json_t *problems)
{
    static const struct member own[] = {
        {"operation", TEXT},
        {"action", TEXT},
        {"query", TEXT},
        {"form", OBJECT},
        {"event", OBJECT},
        {"values", OBJECT},
        {"previous", OBJECT},
        {"reason", TEXT},
        {"signals", OBJECT},
        {"step", TEXT},
        {"call", TEXT},
        {"attempts", WHOLE},
        {"exchanges", LIST},
        {"unordered", TRUTH},
        {"expect", OBJECT},
        /* of the case, where it has one operation; what is ANY is checked where it is read */
        {"name", TEXT},
        {"settings", ANY},
        {"grants", ANY},
        {"pools", TEXTS},
        {"state", ANY},
    };
    static const struct member expect[] = {{"end", TEXT},  {"outcome", TEXT}, {"reason", TEXT},
                                           {"state", ANY}, {"result", ANY},   {"problem", TEXT}};
    if (!json_is_object(operation)) {
        pv_case_complain(problems, "operations: expected objects");
        return false;
    }
    return KNOWN(problems, operation, "operation", own) &&
           KNOWN(problems, json_object_get(operation, "expect"), "expect", expect) &&
           check_call(problems, operation) &&
           check_exchanges(problems, json_object_get(operation, "exchanges"));
}

bool pv_case_check(const json_t *whole, json_t *problems)
{
    static const struct member members[] = {
        {"name", TEXT},    {"settings", ANY}, {"grants", ANY}, {"values", OBJECT},
        {"event", OBJECT}, {"pools", TEXTS},  {"state", ANY},  {"operations", LIST}};
    return KNOWN(problems, whole, "case", members);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Checking JSON that a plugin hands over, and finding secrets in what it is given. jansson
 * recurses, so nesting is bounded before it sees a text: coroutines have small stacks. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#include <string.h>

static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            if (depth > PV_HOST_JSON_DEPTH) {
                return true;
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return false;
}

int pv_call_check_json(struct pv_call *call, const char *what, const char *text, size_t max,
                       bool object)
{
    if (text == NULL) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: NULL is no JSON", what);
    }
    size_t len = strnlen(text, max + 1);
    if (len > max) {
        return pv_call_fail(call, PROVOST_E_TOO_BIG, "%s: larger than %zu bytes", what, max);
    }
    if (too_deep(text, len)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: nested more than %d deep", what,
                            PV_HOST_JSON_DEPTH);
    }
    struct pv_err why = {0};
    json_t *json = NULL;
    int status = pv_json_load((struct pv_str){text, len}, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                              &json, &why);
    if (status != 0) {
        return pv_call_fail(call, status == PV_ENOMEM ? PROVOST_E_NOMEM : PROVOST_E_INVALID,
                            "%s: %s", what, why.text);
    }
    bool fits = !object || json_is_object(json);
    json_decref(json);
    return fits ? 0 : pv_call_fail(call, PROVOST_E_INVALID, "%s: not a JSON object", what);
}

static bool is_secret(const struct pv_module_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if ((fields->items[i].flags & PROVOST_F_SECRET) != 0 &&
            strcmp(fields->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Registers every text and number below a secret member. */
static void add_all(const json_t *value, struct pv_mask *mask)
{
    if (json_is_string(value)) {
        pv_mask_add(mask, (struct pv_str){json_string_value(value), json_string_length(value)});
    } else if (json_is_number(value)) {
        char text[64];
        size_t len = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
        mask->blind = mask->blind || len == 0 || len > sizeof(text);
        if (!mask->blind) {
            pv_mask_add(mask, (struct pv_str){text, len});
        }
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            add_all(json_array_get(value, i), mask);
        }
    } else if (json_is_object(value)) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            add_all(member, mask);
        }
    }
}

static void walk(const struct pv_module_fields *fields, const json_t *value, struct pv_mask *mask)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            walk(fields, json_array_get(value, i), mask);
        }
    } else if (json_is_object(value)) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            if (is_secret(fields, key)) {
                add_all(member, mask);
            } else {
                walk(fields, member, mask);
            }
        }
    }
}

void pv_json_secrets(const struct pv_module_fields *fields, const char *json, struct pv_mask *mask)
{
    bool any = false;
    for (size_t i = 0; i < fields->count; i++) {
        any = any || (fields->items[i].flags & PROVOST_F_SECRET) != 0;
    }
    if (!any || json[0] == '\0') {
        return;
    }
    json_t *root = NULL;
    if (too_deep(json, strlen(json)) || pv_json_load(pv_str(json), 0, &root, NULL) != 0) {
        mask->blind = true;
        return;
    }
    walk(fields, root, mask);
    json_decref(root);
}

int pv_json_without_secrets(const struct pv_module_fields *fields, const char *json,
                            char **ret_json)
{
    json_t *root = NULL;
    int status =
        too_deep(json, strlen(json)) ? PV_EINVAL : pv_json_load(pv_str(json), 0, &root, NULL);
    if (status != 0 || !json_is_object(root)) {
        json_decref(root);
        return status != 0 ? status : PV_EINVAL;
    }
    for (size_t i = 0; i < fields->count; i++) {
        if ((fields->items[i].flags & PROVOST_F_SECRET) != 0) {
            json_object_del(root, fields->items[i].name);
        }
    }
    size_t len = json_dumpb(root, NULL, 0, JSON_COMPACT);
    char *text = len > 0 ? pv_malloc(len + 1) : NULL;
    bool whole = text != NULL && json_dumpb(root, text, len, JSON_COMPACT) == len;
    json_decref(root);
    if (!whole) {
        pv_free(text);
        return PV_ENOMEM;
    }
    text[len] = '\0';
    *ret_json = text;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One view of YAML nodes and of JSON values. */
#include "core/config/value.h"

#include <string.h>

#define SHOWN_BYTES 60

struct pv_value pv_value_of_node(const struct pv_node *node)
{
    struct pv_value value = {.kind = PV_VALUE_NULL, .node = node};
    if (!node) {
        return value;
    }
    static const enum pv_value_kind kinds[] = {
        [PV_NODE_NULL] = PV_VALUE_NULL,
        [PV_NODE_TEXT] = PV_VALUE_TEXT,
        [PV_NODE_LIST] = PV_VALUE_LIST,
        [PV_NODE_MAP] = PV_VALUE_MAP,
    };
    value.kind = kinds[node->kind];
    value.text = node->text;
    value.count = node->count;
    value.place = node->place;
    value.key_place = node->key_place;
    return value;
}

struct pv_value pv_value_of_json(const json_t *json)
{
    struct pv_value value = {.kind = PV_VALUE_NULL, .json = json};
    if (!json) {
        return value;
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value.kind = PV_VALUE_MAP;
        value.count = json_object_size(json);
        break;
    case JSON_ARRAY:
        value.kind = PV_VALUE_LIST;
        value.count = json_array_size(json);
        break;
    case JSON_STRING:
        value.kind = PV_VALUE_TEXT;
        value.text = (struct pv_str){json_string_value(json), json_string_length(json)};
        break;
    case JSON_INTEGER:
        value.kind = PV_VALUE_INT;
        value.integer = json_integer_value(json);
        break;
    case JSON_REAL:
        value.kind = PV_VALUE_REAL;
        value.real = json_real_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value.kind = PV_VALUE_BOOL;
        value.boolean = json_is_true(json);
        break;
    case JSON_NULL:
        break;
    }
    return value;
}

struct pv_value pv_value_of_text(struct pv_str text)
{
    return (struct pv_value){.kind = PV_VALUE_TEXT, .text = text};
}

bool pv_value_next(const struct pv_value *value, struct pv_value_iter *iter, struct pv_str *ret_key,
                   struct pv_value *ret_value)
{
    if (value->kind != PV_VALUE_LIST && value->kind != PV_VALUE_MAP) {
        return false;
    }
    if (value->node) {
        const struct pv_node *node = iter->index == 0 ? value->node->first : iter->node;
        if (!node) {
            return false;
        }
        iter->index++;
        iter->node = node->next;
        *ret_key = node->key;
        *ret_value = pv_value_of_node(node);
        return true;
    }
    if (value->kind == PV_VALUE_LIST) {
        if (iter->index >= value->count) {
            return false;
        }
        *ret_key = (struct pv_str){NULL, 0};
        *ret_value = pv_value_of_json(json_array_get(value->json, iter->index++));
        return true;
    }
    json_t *object = (json_t *)(uintptr_t)value->json; /* jansson iterates over non-const only */
    iter->member =
        iter->index == 0 ? json_object_iter(object) : json_object_iter_next(object, iter->member);
    if (!iter->member) {
        return false;
    }
    iter->index++;
    *ret_key =
        (struct pv_str){json_object_iter_key(iter->member), json_object_iter_key_len(iter->member)};
    *ret_value = pv_value_of_json(json_object_iter_value(iter->member));
    return true;
}

struct pv_value pv_value_get(const struct pv_value *value, struct pv_str name)
{
    if (value->json && value->kind == PV_VALUE_MAP) {
        return pv_value_of_json(json_object_getn(value->json, name.ptr, name.len));
    }
    if (value->node && value->kind == PV_VALUE_MAP) {
        for (const struct pv_node *at = value->node->first; at; at = at->next) {
            if (pv_str_eq(at->key, name)) {
                return pv_value_of_node(at);
            }
        }
    }
    return pv_value_of_node(NULL);
}

static void show_text(struct pv_str text, struct pv_buf *out)
{
    struct pv_str cut = text;
    if (cut.len > SHOWN_BYTES) {
        cut.len = SHOWN_BYTES;
        size_t bad = 0;
        if (!pv_utf8_valid(cut, &bad)) {
            cut.len = bad;
        }
    }
    pv_buf_json(out, cut);
    if (cut.len < text.len) {
        pv_buf_c(out, "…");
    }
}

void pv_value_show(const struct pv_value *value, struct pv_buf *out)
{
    switch (value->kind) {
    case PV_VALUE_NULL:
        pv_buf_c(out, "nothing");
        break;
    case PV_VALUE_TEXT:
        show_text(value->text, out);
        break;
    case PV_VALUE_INT:
        pv_buf_printf(out, "%lld", (long long)value->integer);
        break;
    case PV_VALUE_REAL:
        pv_buf_printf(out, "%.15g", value->real);
        break;
    case PV_VALUE_BOOL:
        pv_buf_c(out, value->boolean ? "true" : "false");
        break;
    case PV_VALUE_LIST:
        pv_buf_c(out, "a list");
        break;
    case PV_VALUE_MAP:
        pv_buf_c(out, "a mapping");
        break;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the strict parser found, and its canonical form. */
#include "core/api/json.h"

#include "core/base/alloc.h"

#include <stdlib.h>

#define FEW 8u

struct pv_json_position pv_json_position(struct pv_str source, size_t offset)
{
    struct pv_json_position at = {.offset = offset, .line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < source.len; i++) {
        unsigned char c = (unsigned char)source.ptr[i];
        if (c == '\n') {
            at.line++;
            at.column = 1;
        } else if ((c & 0xC0) != 0x80) { /* not within a character */
            at.column++;
        }
    }
    return at;
}

const char *pv_json_type_name(enum pv_json_type type)
{
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    return names[type];
}

struct pv_json_iter pv_json_iter(const struct pv_json_doc *doc, const struct pv_json *value)
{
    return (struct pv_json_iter){.doc = doc,
                                 .at = (uint32_t)(value - doc->values) + 1,
                                 .left = value->count,
                                 .object = value->type == PV_JSON_OBJECT};
}

bool pv_json_next(struct pv_json_iter *iter, const struct pv_json **ret_key,
                  const struct pv_json **ret_value)
{
    if (iter->left == 0) {
        return false;
    }
    const struct pv_json *key = iter->object ? &iter->doc->values[iter->at++] : NULL;
    const struct pv_json *value = &iter->doc->values[iter->at];
    iter->at = value->next;
    iter->left--;
    *ret_key = key;
    *ret_value = value;
    return true;
}

const struct pv_json *pv_json_get(const struct pv_json_doc *doc, const struct pv_json *object,
                                  const char *key)
{
    if (object->type != PV_JSON_OBJECT) {
        return NULL;
    }
    struct pv_json_iter iter = pv_json_iter(doc, object);
    const struct pv_json *found = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &found, &value)) {
        if (pv_str_eq_c(found->text, key)) {
            return value;
        }
    }
    return NULL;
}

struct pv_str pv_json_raw(const struct pv_json_doc *doc, const struct pv_json *value)
{
    return (struct pv_str){doc->source.ptr + value->start, value->end - value->start};
}

/* ---- the canonical form ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct pv_json *const *left = a;
    const struct pv_json *const *right = b;
    int order = pv_str_cmp((*left)->text, (*right)->text);
    if (order != 0) {
        return order;
    }
    return (*left)->start < (*right)->start ? -1 : 1;
}

const struct pv_json **pv_json_sorted_keys(const struct pv_json_doc *doc,
                                           const struct pv_json *object)
{
    const struct pv_json **keys = pv_calloc(object->count + 1, sizeof(struct pv_json *));
    if (keys == NULL) {
        return NULL;
    }
    struct pv_json_iter iter = pv_json_iter(doc, object);
    const struct pv_json *value = NULL;
    for (size_t i = 0; i < object->count; i++) {
        pv_json_next(&iter, &keys[i], &value);
    }
    qsort(keys, object->count, sizeof(struct pv_json *), compare_keys);
    return keys;
}

/* The same without memory, for few keys that differ. */
static void sort_few(const struct pv_json_doc *doc, const struct pv_json *object,
                     const struct pv_json *ret_keys[FEW])
{
    struct pv_json_iter iter = pv_json_iter(doc, object);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    for (size_t n = 0; pv_json_next(&iter, &key, &value); n++) {
        size_t at = n;
        for (; at > 0 && compare_keys(&key, &ret_keys[at - 1]) < 0; at--) {
            ret_keys[at] = ret_keys[at - 1];
        }
        ret_keys[at] = key;
    }
}

static bool skipped(struct pv_str key, const char *const *skip, size_t skip_count)
{
    for (size_t i = 0; i < skip_count; i++) {
        if (pv_str_eq_c(key, skip[i])) {
            return true;
        }
    }
    return false;
}

static int canonical_object(const struct pv_json_doc *doc, const struct pv_json *value,
                            const char *const *skip, size_t skip_count, struct pv_buf *out)
{
    const struct pv_json *few[FEW];
    const struct pv_json **keys = few;
    if (value->count <= FEW) {
        sort_few(doc, value, few);
    } else {
        keys = pv_json_sorted_keys(doc, value);
    }
    if (keys == NULL) {
        return PV_ENOMEM;
    }
    int status = pv_buf_char(out, '{');
    bool first = true;
    for (size_t i = 0; i < value->count && status == 0; i++) {
        if (skipped(keys[i]->text, skip, skip_count)) {
            continue;
        }
        if (!first) {
            pv_buf_char(out, ',');
        }
        first = false;
        pv_buf_json(out, keys[i]->text);
        pv_buf_char(out, ':');
        status = pv_json_canonical(doc, keys[i] + 1, NULL, 0, out);
    }
    if (keys != few) {
        pv_free(keys);
    }
    return status != 0 ? status : pv_buf_char(out, '}');
}

static int canonical_array(const struct pv_json_doc *doc, const struct pv_json *value,
                           struct pv_buf *out)
{
    int status = pv_buf_char(out, '[');
    struct pv_json_iter iter = pv_json_iter(doc, value);
    const struct pv_json *key = NULL;
    const struct pv_json *element = NULL;
    bool first = true;
    while (status == 0 && pv_json_next(&iter, &key, &element)) {
        if (!first) {
            pv_buf_char(out, ',');
        }
        first = false;
        status = pv_json_canonical(doc, element, NULL, 0, out);
    }
    return status != 0 ? status : pv_buf_char(out, ']');
}

int pv_json_canonical(const struct pv_json_doc *doc, const struct pv_json *value,
                      const char *const *skip, size_t skip_count, struct pv_buf *out)
{
    switch (value->type) {
    case PV_JSON_OBJECT:
        return canonical_object(doc, value, skip, skip_count, out);
    case PV_JSON_ARRAY:
        return canonical_array(doc, value, out);
    case PV_JSON_STRING:
        return pv_buf_json(out, value->text);
    case PV_JSON_NUMBER:
    case PV_JSON_NULL:
    case PV_JSON_FALSE:
    case PV_JSON_TRUE:
        break;
    }
    return pv_buf_str(out, pv_json_raw(doc, value));
}

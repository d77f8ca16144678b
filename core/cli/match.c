/* SPDX-License-Identifier: Apache-2.0 */
/* Filling in names, and comparing. */
#include "core/cli/match.h"

#include "core/json/json.h"

#include <string.h>

#define TEXT_CAP ((size_t)4 * 1024 * 1024)
#define SHOWN_MAX 200

/* ---- filling in ---- */

/* The entry whose {{name}} begins at text, and how long that is. */
static const struct pv_match_name *name_at(const char *text, const struct pv_match_name *names,
                                           size_t *ret_len)
{
    for (; names->name != NULL; names++) {
        size_t len = strlen(names->name);
        if (strncmp(text + 2, names->name, len) == 0 && strncmp(text + 2 + len, "}}", 2) == 0) {
            *ret_len = len + 4;
            return names;
        }
    }
    return NULL;
}

static json_t *fill_text(const char *text, const struct pv_match_name *names)
{
    struct pv_buf out;
    pv_buf_init(&out, TEXT_CAP);
    while (*text != '\0') {
        const char *open = strstr(text, "{{");
        if (open == NULL) {
            pv_buf_c(&out, text);
            break;
        }
        size_t len = 2;
        const struct pv_match_name *name = name_at(open, names, &len);
        pv_buf_put(&out, text, (size_t)(open - text));
        if (name != NULL) {
            pv_buf_c(&out, name->value);
        } else {
            pv_buf_put(&out, open, len);
        }
        text = open + len;
    }
    json_t *filled = out.status == 0 ? json_stringn(out.ptr != NULL ? out.ptr : "", out.len) : NULL;
    pv_buf_done(&out);
    return filled;
}

static json_t *fill_array(const json_t *value, const struct pv_match_name *names)
{
    json_t *copy = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (json_array_append_new(copy, pv_match_fill(json_array_get(value, i), names)) != 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

static json_t *fill_object(const json_t *value, const struct pv_match_name *names)
{
    json_t *copy = json_object();
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (json_object_set_new(copy, key, pv_match_fill(member, names)) != 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

json_t *pv_match_fill(const json_t *value, const struct pv_match_name *names)
{
    if (json_is_string(value)) {
        return fill_text(json_string_value(value), names);
    }
    if (json_is_array(value)) {
        return fill_array(value, names);
    }
    return json_is_object(value) ? fill_object(value, names) : json_deep_copy(value);
}

/* ---- comparing ---- */

struct place {
    const struct place *above;
    const char *key; /* NULL: index */
    size_t index;
};

static void put_place(const struct place *place, struct pv_buf *out)
{
    if (place == NULL) {
        return;
    }
    put_place(place->above, out);
    if (place->key != NULL) {
        pv_buf_printf(out, "/%s", place->key);
    } else {
        pv_buf_printf(out, "/%zu", place->index);
    }
}

static void put_value(const json_t *value, struct pv_buf *out)
{
    struct pv_buf text;
    pv_buf_init(&text, TEXT_CAP);
    if (value == NULL) {
        pv_buf_c(&text, "nothing");
    } else {
        pv_json_put(&text, value);
    }
    struct pv_str shown = pv_buf_view(&text);
    pv_buf_put(out, shown.ptr != NULL ? shown.ptr : "",
               shown.len > SHOWN_MAX ? SHOWN_MAX : shown.len);
    pv_buf_c(out, shown.len > SHOWN_MAX ? "…" : "");
    pv_buf_done(&text);
}

static bool differ(const struct place *place, const json_t *expected, const json_t *actual,
                   struct pv_buf *why)
{
    put_place(place, why);
    pv_buf_c(why, place != NULL ? ": expected " : "expected ");
    put_value(expected, why);
    pv_buf_c(why, ", got ");
    put_value(actual, why);
    return false;
}

static bool match(const struct place *place, const json_t *expected, const json_t *actual,
                  struct pv_buf *why);

static bool match_objects(const struct place *place, const json_t *expected, const json_t *actual,
                          struct pv_buf *why)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)expected, key, value)
    {
        const struct place member = {.above = place, .key = key};
        if (!match(&member, value, json_object_get(actual, key), why)) {
            return false;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)actual, key, value)
    {
        const struct place member = {.above = place, .key = key};
        if (json_object_get(expected, key) == NULL) {
            return differ(&member, NULL, value, why);
        }
    }
    return true;
}

static bool match_arrays(const struct place *place, const json_t *expected, const json_t *actual,
                         struct pv_buf *why)
{
    size_t count = json_array_size(expected);
    size_t got = json_array_size(actual);
    for (size_t i = 0; i < (count > got ? count : got); i++) {
        const struct place item = {.above = place, .index = i};
        const json_t *wanted = json_array_get(expected, i);
        if (wanted == NULL) {
            return differ(&item, NULL, json_array_get(actual, i), why);
        }
        if (!match(&item, wanted, json_array_get(actual, i), why)) {
            return false;
        }
    }
    return true;
}

static bool match(const struct place *place, const json_t *expected, const json_t *actual,
                  struct pv_buf *why)
{
    const char *text = json_string_value(expected);
    if (text != NULL && strcmp(text, "{{any}}") == 0 && actual != NULL) {
        return true;
    }
    if (json_is_object(expected) && json_is_object(actual)) {
        return match_objects(place, expected, actual, why);
    }
    if (json_is_array(expected) && json_is_array(actual)) {
        return match_arrays(place, expected, actual, why);
    }
    return json_equal(expected, actual) || differ(place, expected, actual, why);
}

bool pv_match(const json_t *expected, const json_t *actual, struct pv_buf *why)
{
    return match(NULL, expected, actual, why);
}

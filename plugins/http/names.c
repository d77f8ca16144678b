/* SPDX-License-Identifier: Apache-2.0 */
/* Are the names of a template known? Asked where a configuration is checked. */
#include "plugins/http/template.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance of two short words; WORD_MAX for long ones. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > WORD_MAX || b_length > WORD_MAX) {
        return WORD_MAX;
    }
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned above = row[j];
            unsigned change = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = least(least(above, row[j - 1]) + 1, change);
            corner = above;
        }
    }
    return row[b_length];
}

const char *http_nearest(const char *word, const json_t *known)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)strlen(word) / 3 + 1;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)known, key, value)
    {
        unsigned far = distance(word, key);
        if (far <= best_distance) {
            best = key;
            best_distance = far - (far > 0 ? 1 : 0);
        }
    }
    return best;
}

static void list_keys(const json_t *known, char *out, size_t size)
{
    const char *key = NULL;
    json_t *value = NULL;
    size_t used = 0;
    out[0] = '\0';
    json_object_foreach((json_t *)(uintptr_t)known, key, value)
    {
        int more = snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", key);
        if (more < 0 || (size_t)more >= size - used) {
            out[used] = '\0';
            return;
        }
        used += (size_t)more;
    }
}

int http_name_check(const char *name, const json_t *known, char why[HTTP_WHY_MAX])
{
    const char *rest = name;
    while (rest[0] != '\0' && json_is_object(known)) {
        char part[HTTP_NAME_MAX];
        size_t length = strcspn(rest, ".");
        snprintf(part, sizeof(part), "%.*s", (int)length, rest);
        const json_t *next = json_object_get(known, part);
        if (next == NULL) {
            const char *nearest = http_nearest(part, known);
            char keys[160];
            list_keys(known, keys, sizeof(keys));
            int before = (int)(rest - name);
            if (nearest != NULL) {
                snprintf(why, HTTP_WHY_MAX, "unknown name \"%.100s\"; did you mean \"%.*s%s\"?",
                         name, before, name, nearest);
            } else {
                snprintf(why, HTTP_WHY_MAX, "unknown name \"%.100s\" (known: %s%s%s)", name,
                         keys[0] != '\0' ? keys : "none", before > 0 ? " in " : "",
                         before > 0 ? "its place" : "");
            }
            return HTTP_BAD;
        }
        known = next;
        rest += length + (rest[length] == '.' ? 1 : 0);
    }
    return 0;
}

/* Evaluating against nothing finds what is malformed; each name is then looked for. */
int http_template_check(const char *template, const json_t *known, char why[HTTP_WHY_MAX])
{
    const char *at = template;
    const char *open = strstr(at, "{{");
    while (open != NULL) {
        const char *close = strstr(open, "}}");
        if (close == NULL) {
            break;
        }
        if (open == template || open[-1] != '\\') {
            char name[HTTP_NAME_MAX];
            const char *from = open + 2 + strspn(open + 2, " ");
            size_t length = strcspn(from, " ?|}");
            snprintf(name, sizeof(name), "%.*s", (int)(length < 150 ? length : 150), from);
            int error = name[0] != '\0' ? http_name_check(name, known, why) : 0;
            if (error != 0) {
                return error;
            }
            at = close + 2;
        } else {
            at = open + 2;
        }
        open = strstr(at, "{{");
    }
    json_t *value = NULL;
    json_t *scope = json_object();
    int error = scope != NULL ? http_template_value(template, scope, &value, why) : HTTP_NOMEM;
    json_decref(value);
    json_decref(scope);
    return error == HTTP_MISSING || error == HTTP_LEFT_OUT ? 0 : error;
}

static int check_in(const json_t *tree, const json_t *known, char where[HTTP_NAME_MAX],
                    unsigned depth, char why[HTTP_WHY_MAX]);

/* The error of a member, its key put before the path. */
static int below(const char *key, const json_t *member, const json_t *known,
                 char where[HTTP_NAME_MAX], unsigned depth, char why[HTTP_WHY_MAX])
{
    char inner[HTTP_NAME_MAX] = "";
    int error = check_in(member, known, inner, depth - 1, why);
    if (error != 0) {
        snprintf(where, HTTP_NAME_MAX, "%.80s%s%.70s", key, inner[0] != '\0' ? "." : "", inner);
    }
    return error;
}

static int check_each(const json_t *tree, const json_t *known, char where[HTTP_NAME_MAX],
                      unsigned depth, char why[HTTP_WHY_MAX])
{
    json_t *inner = json_copy((json_t *)(uintptr_t)known);
    int error =
        inner != NULL && json_object_set_new(inner, "item", json_null()) == 0 ? 0 : HTTP_NOMEM;
    if (error == 0) {
        error = below("$for", json_object_get(tree, "$for"), known, where, depth, why);
    }
    if (error == 0) {
        error = below("$give", json_object_get(tree, "$give"), inner, where, depth, why);
    }
    json_decref(inner);
    return error;
}

static int check_in(const json_t *tree, const json_t *known, char where[HTTP_NAME_MAX],
                    unsigned depth, char why[HTTP_WHY_MAX])
{
    int error = 0;
    if (depth == 0) {
        snprintf(why, HTTP_WHY_MAX, "nested too deeply");
        return HTTP_BAD;
    }
    if (json_is_string(tree)) {
        return http_template_check(json_string_value(tree), known, why);
    }
    if (json_object_get(tree, "$for") != NULL && json_object_get(tree, "$give") != NULL) {
        return check_each(tree, known, where, depth, why);
    }
    for (size_t i = 0; error == 0 && json_is_array(tree) && i < json_array_size(tree); i++) {
        char index[24];
        snprintf(index, sizeof(index), "%zu", i);
        error = below(index, json_array_get(tree, i), known, where, depth, why);
    }
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach((json_t *)(uintptr_t)tree, key, member)
    {
        error = error == 0 ? below(key, member, known, where, depth, why) : error;
    }
    return error;
}

int http_template_check_tree(const json_t *tree, const json_t *known, char where[HTTP_NAME_MAX],
                             char why[HTTP_WHY_MAX])
{
    where[0] = '\0';
    return check_in(tree, known, where, HTTP_DEPTH_MAX, why);
}

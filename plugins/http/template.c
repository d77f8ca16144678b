/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between {{ and }}, and the texts and trees around it. */
#include "plugins/http/template.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

void http_text_put(struct http_text *text, const char *bytes, size_t length)
{
    if (text->failed || length > HTTP_TEXT_MAX - text->length) {
        text->failed = true;
        return;
    }
    if (text->length + length + 1 > text->size) {
        size_t size = (text->length + length + 1) * 2;
        char *grown = realloc(text->ptr, size);
        if (grown == NULL) {
            text->failed = true;
            return;
        }
        text->ptr = grown;
        text->size = size;
    }
    if (length > 0) {
        memcpy(text->ptr + text->length, bytes, length);
    }
    text->length += length;
    text->ptr[text->length] = '\0';
}

void http_text_put_c(struct http_text *text, const char *bytes)
{
    http_text_put(text, bytes, strlen(bytes));
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void http_text_put_encoded(struct http_text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char code[4];
        if (is_unreserved(bytes[i])) {
            http_text_put(text, &bytes[i], 1);
        } else {
            snprintf(code, sizeof(code), "%%%02X", (unsigned)(unsigned char)bytes[i]);
            http_text_put(text, code, 3);
        }
    }
}

void http_text_done(struct http_text *text)
{
    free(text->ptr);
    *text = (struct http_text){.ptr = NULL};
}

/* ---- one {{name in UNIT | default}} ---- */

struct expression {
    char name[HTTP_NAME_MAX];
    json_int_t divisor;   /* 1: the value as it is */
    bool optional;        /* "?" */
    const char *fallback; /* borrowed from the template; NULL: none */
    size_t fallback_length;
};

static int bad(char why[HTTP_WHY_MAX], const char *format, const char *what, size_t length)
{
    snprintf(why, HTTP_WHY_MAX, format, (int)(length < 100 ? length : 100), what);
    return HTTP_BAD;
}

static size_t trim(const char **text, size_t length)
{
    while (length > 0 && (*text)[0] == ' ') {
        (*text)++;
        length--;
    }
    while (length > 0 && (*text)[length - 1] == ' ') {
        length--;
    }
    return length;
}

static bool is_name_char(char c)
{
    return (is_unreserved(c) && c != '~');
}

static int parse_unit(const char *text, size_t length, struct expression *expression, char *why)
{
    static const struct {
        const char *name;
        json_int_t divisor;
    } units[] = {{"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024},
                 {"kB", 1000},  {"MB", 1000000},      {"GB", 1000000000},
                 {"s", 1000},   {"min", 60000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0) {
            expression->divisor = units[i].divisor;
            return 0;
        }
    }
    return bad(why, "\"%.*s\" is no unit (KiB, MiB, GiB, kB, MB, GB, s, min)", text, length);
}

/* text: what stands between the braces. */
static int parse(const char *text, size_t length, struct expression *ret, char why[HTTP_WHY_MAX])
{
    const char *whole = text;
    size_t whole_length = trim(&whole, length);
    *ret = (struct expression){.divisor = 1};
    length = trim(&text, length);
    size_t end = 0;
    while (end < length && is_name_char(text[end])) {
        end++;
    }
    if (end == 0 || end >= sizeof(ret->name) || text[0] == '.' || text[end - 1] == '.' ||
        memmem(text, end, "..", 2) != NULL) {
        return bad(why, "\"{{%.*s}}\" does not begin with a name such as service.ref", whole,
                   whole_length);
    }
    memcpy(ret->name, text, end);
    ret->name[end] = '\0';
    text += end;
    length = trim(&text, length - end);
    if (length > 3 && memcmp(text, "in ", 3) == 0) {
        text += 3;
        length = trim(&text, length - 3);
        size_t unit = 0;
        while (unit < length && is_name_char(text[unit])) {
            unit++;
        }
        if (parse_unit(text, unit, ret, why) != 0) {
            return HTTP_BAD;
        }
        text += unit;
        length = trim(&text, length - unit);
    }
    if (length == 0) {
        return 0;
    }
    if (length == 1 && text[0] == '?') {
        ret->optional = true;
        return 0;
    }
    if (text[0] != '|') {
        return bad(
            why, "\"{{%.*s}}\": after the name comes nothing, \"in UNIT\", \"?\" or \"| DEFAULT\"",
            whole, whole_length);
    }
    text++;
    ret->fallback_length = trim(&text, length - 1);
    ret->fallback = text;
    return 0;
}

/* A template's next piece: plain bytes, or an expression (then *ret_inner is what it holds). */
struct piece {
    const char *text;
    size_t length;
    bool expression;
};

/* false at the end, or when braces are not closed (then *cursor is not at the end). "\{{" is a
 * plain "{{". */
static bool next_piece(const char **cursor, struct piece *ret)
{
    const char *at = *cursor;
    if (at[0] == '\0') {
        return false;
    }
    if (strncmp(at, "\\{{", 3) == 0) {
        *ret = (struct piece){at + 1, 2, false};
        *cursor = at + 3;
        return true;
    }
    if (strncmp(at, "{{", 2) == 0) {
        const char *end = strstr(at + 2, "}}");
        if (end == NULL) {
            return false;
        }
        *ret = (struct piece){at + 2, (size_t)(end - at) - 2, true};
        *cursor = end + 2;
        return true;
    }
    const char *end = at + 1;
    while (end[0] != '\0' && strncmp(end, "{{", 2) != 0 && strncmp(end, "\\{{", 3) != 0) {
        end++;
    }
    *ret = (struct piece){at, (size_t)(end - at), false};
    *cursor = end;
    return true;
}

static int unclosed(const char *rest, char why[HTTP_WHY_MAX])
{
    return bad(why, "\"%.*s\": {{ without its }} (write \\{{ for a plain {{)", rest, strlen(rest));
}

/* ---- values ---- */

json_t *http_scope_at(const json_t *scope, const char *name)
{
    char part[HTTP_NAME_MAX];
    const json_t *at = scope;
    while (at != NULL && name[0] != '\0') {
        size_t length = strcspn(name, ".");
        if (length == 0 || length >= sizeof(part)) {
            return NULL;
        }
        memcpy(part, name, length);
        part[length] = '\0';
        if (json_is_array(at)) {
            bool index = strspn(part, "0123456789") == length && length < 9;
            at = index ? json_array_get(at, (size_t)strtoul(part, NULL, 10)) : NULL;
        } else {
            at = json_object_get(at, part);
        }
        name += length + (name[length] == '.' ? 1 : 0);
    }
    return json_is_null(at) ? NULL : (json_t *)(uintptr_t)at;
}

/* A default: a JSON scalar ("5" in quotes stays a text), else a text. */
static json_t *fallback_of(const struct expression *expression)
{
    json_t *value = NULL;
    const char *text = expression->fallback;
    size_t length = expression->fallback_length;
    if (length > 0 && text[0] != '[' && text[0] != '{') {
        value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    }
    return value != NULL ? value : json_stringn(text, length);
}

/* The caller's reference; HTTP_LEFT_OUT, HTTP_MISSING or HTTP_BAD. */
static int evaluate(const struct expression *expression, const json_t *scope, json_t **ret_value,
                    char why[HTTP_WHY_MAX])
{
    json_t *value = http_scope_at(scope, expression->name);
    if (value == NULL && expression->fallback != NULL) {
        *ret_value = fallback_of(expression);
        return *ret_value != NULL ? 0
                                  : bad(why, "the default of %.*s is no UTF-8 text",
                                        expression->name, strlen(expression->name));
    }
    if (value == NULL) {
        snprintf(why, HTTP_WHY_MAX,
                 "%.100s has no value here (\"{{%.100s?}}\" or \"{{%.100s | DEFAULT}}\" would do "
                 "without)",
                 expression->name, expression->name, expression->name);
        return expression->optional ? HTTP_LEFT_OUT : HTTP_MISSING;
    }
    if (expression->divisor == 1) {
        *ret_value = json_incref(value);
        return 0;
    }
    if (!json_is_integer(value)) {
        return bad(why, "%.*s is not a whole number, so it has no unit", expression->name,
                   strlen(expression->name));
    }
    *ret_value = json_integer(json_integer_value(value) / expression->divisor);
    return *ret_value != NULL ? 0 : HTTP_NOMEM;
}

static void put_escaped(struct http_text *out, enum http_escape escape, const char *text,
                        size_t length)
{
    if (escape == HTTP_PLAIN) {
        http_text_put(out, text, length);
    } else {
        http_text_put_encoded(out, text, length);
    }
}

static int put_value(const char *name, const json_t *value, enum http_escape escape,
                     struct http_text *out, char why[HTTP_WHY_MAX])
{
    if (json_is_string(value)) {
        if (memchr(json_string_value(value), '\0', json_string_length(value)) != NULL) {
            return bad(why, "%.*s holds a NUL character", name, strlen(name));
        }
        put_escaped(out, escape, json_string_value(value), json_string_length(value));
        return 0;
    }
    if (json_is_object(value) || json_is_array(value)) {
        return bad(why, "%.*s is a list or a mapping and cannot be part of a text", name,
                   strlen(name));
    }
    char text[64];
    size_t length = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
    put_escaped(out, escape, text, length < sizeof(text) ? length : 0);
    return 0;
}

static int put_expression(const struct piece *piece, const json_t *scope, enum http_escape escape,
                          struct http_text *out, char why[HTTP_WHY_MAX])
{
    struct expression expression;
    json_t *value = NULL;
    int error = parse(piece->text, piece->length, &expression, why);
    if (error == 0) {
        error = evaluate(&expression, scope, &value, why);
    }
    size_t before = out->length;
    if (error == 0) {
        error = put_value(expression.name, value, escape, out, why);
        json_decref(value);
    } else if (error == HTTP_LEFT_OUT) {
        error = 0;
    }
    if (error == 0 && escape == HTTP_SEGMENT && out->length == before && !out->failed) {
        return bad(why, "%.*s is empty, and a part of the path", expression.name,
                   strlen(expression.name));
    }
    return error;
}

int http_template_text(const char *template, const json_t *scope, enum http_escape escape,
                       struct http_text *out, char why[HTTP_WHY_MAX])
{
    const char *cursor = template;
    struct piece piece;
    while (next_piece(&cursor, &piece)) {
        int error = 0;
        if (piece.expression) {
            error = put_expression(&piece, scope, escape, out, why);
        } else {
            http_text_put(out, piece.text, piece.length);
        }
        if (error != 0) {
            return error;
        }
    }
    if (cursor[0] != '\0') {
        return unclosed(cursor, why);
    }
    http_text_put(out, "", 0);
    return out->failed ? HTTP_NOMEM : 0;
}

int http_template_value(const char *template, const json_t *scope, json_t **ret_value,
                        char why[HTTP_WHY_MAX])
{
    const char *cursor = template;
    struct piece piece;
    if (next_piece(&cursor, &piece) && piece.expression && cursor[0] == '\0') {
        struct expression expression;
        int error = parse(piece.text, piece.length, &expression, why);
        return error == 0 ? evaluate(&expression, scope, ret_value, why) : error;
    }
    struct http_text text = {.ptr = NULL};
    int error = http_template_text(template, scope, HTTP_PLAIN, &text, why);
    if (error == 0) {
        *ret_value = json_stringn(text.ptr, text.length);
        error = *ret_value != NULL
                    ? 0
                    : bad(why, "\"%.*s\" does not become UTF-8 text", template, strlen(template));
    }
    http_text_done(&text);
    return error;
}

/* ---- trees ---- */

struct walk {
    size_t nodes;
    char *why;
};

static int build(struct walk *walk, const json_t *template, const json_t *scope, unsigned depth,
                 json_t **ret_tree);

static int build_list(struct walk *walk, const json_t *template, const json_t *scope,
                      unsigned depth, json_t **ret_tree)
{
    json_t *list = json_array();
    int error = list != NULL ? 0 : HTTP_NOMEM;
    for (size_t i = 0; error == 0 && i < json_array_size(template); i++) {
        json_t *element = NULL;
        error = build(walk, json_array_get(template, i), scope, depth, &element);
        if (error == 0 && json_array_append_new(list, element) != 0) {
            error = HTTP_NOMEM;
        }
        error = error == HTTP_LEFT_OUT ? 0 : error;
    }
    if (error != 0) {
        json_decref(list);
        return error;
    }
    *ret_tree = list;
    return 0;
}

static int build_each(struct walk *walk, const json_t *source, const json_t *give,
                      const json_t *scope, unsigned depth, json_t **ret_tree)
{
    json_t *from = NULL;
    int error = build(walk, source, scope, depth, &from);
    if (error != 0) {
        return error;
    }
    if (!json_is_array(from)) {
        json_decref(from);
        return bad(walk->why, "%.*s is not a list", "$for", 4);
    }
    json_t *list = json_array();
    json_t *inner = json_copy((json_t *)(uintptr_t)scope);
    error = list != NULL && inner != NULL ? 0 : HTTP_NOMEM;
    for (size_t i = 0; error == 0 && i < json_array_size(from); i++) {
        json_t *element = NULL;
        error = json_object_set(inner, "item", json_array_get(from, i)) == 0 ? 0 : HTTP_NOMEM;
        if (error == 0) {
            error = build(walk, give, inner, depth, &element);
        }
        if (error == 0 && json_array_append_new(list, element) != 0) {
            error = HTTP_NOMEM;
        }
        error = error == HTTP_LEFT_OUT ? 0 : error;
    }
    json_decref(inner);
    json_decref(from);
    if (error != 0) {
        json_decref(list);
        return error;
    }
    *ret_tree = list;
    return 0;
}

static int build_object(struct walk *walk, const json_t *template, const json_t *scope,
                        unsigned depth, json_t **ret_tree)
{
    const json_t *source = json_object_get(template, "$for");
    const json_t *give = json_object_get(template, "$give");
    if (source != NULL && give != NULL) {
        return build_each(walk, source, give, scope, depth, ret_tree);
    }
    json_t *object = json_object();
    int error = object != NULL ? 0 : HTTP_NOMEM;
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach((json_t *)(uintptr_t) template, key, member)
    {
        json_t *value = NULL;
        if (error == 0) {
            error = build(walk, member, scope, depth, &value);
            if (error == 0 && json_object_set_new(object, key, value) != 0) {
                error = HTTP_NOMEM;
            }
            error = error == HTTP_LEFT_OUT ? 0 : error;
        }
    }
    if (error != 0) {
        json_decref(object);
        return error;
    }
    *ret_tree = object;
    return 0;
}

static int build(struct walk *walk, const json_t *template, const json_t *scope, unsigned depth,
                 json_t **ret_tree)
{
    if (depth == 0 || ++walk->nodes > HTTP_NODES_MAX) {
        return bad(walk->why, "%.*s", "nested too deeply, or too large", 31);
    }
    if (json_is_string(template)) {
        return http_template_value(json_string_value(template), scope, ret_tree, walk->why);
    }
    if (json_is_object(template)) {
        return build_object(walk, template, scope, depth - 1, ret_tree);
    }
    if (json_is_array(template)) {
        return build_list(walk, template, scope, depth - 1, ret_tree);
    }
    *ret_tree = json_incref((json_t *)(uintptr_t) template);
    return 0;
}

int http_template_tree(const json_t *template, const json_t *scope, json_t **ret_tree,
                       char why[HTTP_WHY_MAX])
{
    struct walk walk = {.why = why};
    return build(&walk, template, scope, HTTP_DEPTH_MAX, ret_tree);
}

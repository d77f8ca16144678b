/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser: recursive descent, bounded by depth and number of values. */
#include "core/api/json.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct pv_json_doc *doc;
    const char *ptr;
    size_t len;
    size_t at;
    size_t bad; /* where it went wrong */
    struct pv_err *err;
};

static int fail(struct parser *p, size_t at, int status, const char *what)
{
    p->bad = at;
    return pv_err_set(p->err, status, "%s", what);
}

static int out_of_memory(struct parser *p)
{
    return fail(p, p->at, PV_ENOMEM, pv_status_text(PV_ENOMEM));
}

static void skip_space(struct parser *p)
{
    while (p->at < p->len && (p->ptr[p->at] == ' ' || p->ptr[p->at] == '\n' ||
                              p->ptr[p->at] == '\r' || p->ptr[p->at] == '\t')) {
        p->at++;
    }
}

/* The next byte, or -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->len ? (unsigned char)p->ptr[p->at] : -1;
}

/* Room for one more value; *ret_index is where it is. Values move when the list grows. */
static int add_value(struct parser *p, enum pv_json_type type, size_t start, uint32_t *ret_index)
{
    struct pv_json_doc *doc = p->doc;
    if (doc->count == doc->size) {
        if (doc->count >= PV_JSON_MAX_VALUES) {
            _Static_assert(PV_JSON_MAX_VALUES == 131072, "as the sentence says");
            return fail(p, start, PV_ETOOBIG, "more than 131072 keys and values in one document");
        }
        size_t size = doc->size > 0 ? doc->size * 2 : 32;
        size = size < PV_JSON_MAX_VALUES ? size : PV_JSON_MAX_VALUES;
        struct pv_json *values = pv_reallocarray(doc->values, size, sizeof(*values));
        if (values == NULL) {
            return out_of_memory(p);
        }
        doc->values = values;
        doc->size = size;
    }
    doc->values[doc->count] = (struct pv_json){.type = type, .start = (uint32_t)start};
    *ret_index = (uint32_t)doc->count++;
    return 0;
}

static void end_value(struct parser *p, uint32_t index)
{
    p->doc->values[index].end = (uint32_t)p->at;
    p->doc->values[index].next = (uint32_t)p->doc->count;
}

/* ---- strings ---- */

/* Four hex digits at `at`; -1 when they are not there. */
static int32_t hex4(const struct parser *p, size_t at)
{
    if (at + 4 > p->len) {
        return -1;
    }
    int32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = pv_hex_digit(p->ptr[at + i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* "\u" stands at `at`; writes the character and moves *ret_at behind it. */
static int decode_unicode(struct parser *p, size_t at, char *out, size_t *ret_written,
                          size_t *ret_at)
{
    int32_t unit = hex4(p, at + 2);
    if (unit < 0) {
        return fail(p, at, PV_ESYNTAX, "expected four hexadecimal digits after \\u");
    }
    if (unit == 0) {
        return fail(p, at, PV_ESYNTAX, "a string may not hold NUL");
    }
    size_t next = at + 6;
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xD800 && unit <= 0xDFFF) {
        bool pair =
            unit < 0xDC00 && next + 1 < p->len && p->ptr[next] == '\\' && p->ptr[next + 1] == 'u';
        int32_t low = pair ? hex4(p, next + 2) : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            return fail(p, at, PV_ESYNTAX, "half of a surrogate pair");
        }
        c = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
        next += 6;
    }
    *ret_written = put_utf8(out, c);
    *ret_at = next;
    return 0;
}

/* Decodes [from, to), which holds escapes; what comes out is never longer. */
static int decode_escapes(struct parser *p, size_t from, size_t to, struct pv_str *ret_text)
{
    char *out = pv_arena_alloc(&p->doc->strings, to - from + 1);
    if (out == NULL) {
        return out_of_memory(p);
    }
    static const char named[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;
    size_t at = from;
    while (at < to) {
        if (p->ptr[at] != '\\') {
            out[n++] = p->ptr[at++];
            continue;
        }
        char escape = p->ptr[at + 1];
        const char *found = strchr(named, escape);
        if (escape == 'u') {
            size_t written = 0;
            int status = decode_unicode(p, at, out + n, &written, &at);
            if (status != 0) {
                return status;
            }
            n += written;
        } else if (escape != '\0' && found != NULL) {
            out[n++] = meant[found - named];
            at += 2;
        } else {
            return fail(p, at, PV_ESYNTAX, "unknown escape in a string");
        }
    }
    *ret_text = (struct pv_str){out, n};
    return 0;
}

/* The opening quote stands at p->at. */
static int parse_string(struct parser *p)
{
    size_t open = p->at;
    uint32_t index = 0;
    int status = add_value(p, PV_JSON_STRING, open, &index);
    if (status != 0) {
        return status;
    }
    p->at++;
    size_t from = p->at;
    bool escapes = false;
    while (p->at < p->len && p->ptr[p->at] != '"') {
        unsigned char c = (unsigned char)p->ptr[p->at];
        if (c < 0x20) {
            return fail(p, p->at, PV_ESYNTAX, "control character in a string");
        }
        escapes = escapes || c == '\\';
        p->at += c == '\\' ? 2 : 1;
    }
    if (p->at >= p->len) {
        return fail(p, p->len, PV_ESYNTAX, "the document ends within a string");
    }
    struct pv_str text = {p->ptr + from, p->at - from};
    if (escapes) {
        status = decode_escapes(p, from, p->at, &text);
        if (status != 0) {
            return status;
        }
    }
    p->at++;
    p->doc->values[index].text = text;
    end_value(p, index);
    return 0;
}

/* ---- numbers and words ---- */

static size_t skip_digits(struct parser *p)
{
    size_t from = p->at;
    while (p->at < p->len && p->ptr[p->at] >= '0' && p->ptr[p->at] <= '9') {
        p->at++;
    }
    return p->at - from;
}

/* Beyond what int64 or a double can hold? */
static bool number_fits(struct pv_str text, bool integer, bool exponent)
{
    int64_t whole = 0;
    if (integer) {
        return pv_str_to_i64(text, &whole) == 0;
    }
    char copy[PV_JSON_MAX_NUMBER + 1];
    return !exponent ||
           (pv_str_to_c(text, copy, sizeof(copy)) == 0 && isfinite(strtod(copy, NULL)));
}

static int parse_number(struct parser *p)
{
    size_t start = p->at;
    uint32_t index = 0;
    int status = add_value(p, PV_JSON_NUMBER, start, &index);
    if (status != 0) {
        return status;
    }
    p->at += peek(p) == '-' ? 1 : 0;
    bool zero = peek(p) == '0';
    size_t whole = skip_digits(p);
    if (whole == 0 || (zero && whole > 1)) {
        return fail(p, start, PV_ESYNTAX, "malformed number");
    }
    bool integer = true;
    bool exponent = false;
    if (peek(p) == '.') {
        integer = false;
        p->at++;
        if (skip_digits(p) == 0) {
            return fail(p, start, PV_ESYNTAX, "malformed number");
        }
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        integer = false;
        exponent = true;
        p->at++;
        p->at += peek(p) == '+' || peek(p) == '-' ? 1 : 0;
        if (skip_digits(p) == 0) {
            return fail(p, start, PV_ESYNTAX, "malformed number");
        }
    }
    struct pv_str text = {p->ptr + start, p->at - start};
    if (text.len > PV_JSON_MAX_NUMBER || !number_fits(text, integer, exponent)) {
        return fail(p, start, PV_ESYNTAX, "number out of range");
    }
    p->doc->values[index].text = text;
    end_value(p, index);
    return 0;
}

static int parse_word(struct parser *p, const char *word, enum pv_json_type type)
{
    size_t len = strlen(word);
    if (p->len - p->at < len || memcmp(p->ptr + p->at, word, len) != 0) {
        return fail(p, p->at, PV_ESYNTAX, "expected a value");
    }
    uint32_t index = 0;
    int status = add_value(p, type, p->at, &index);
    if (status == 0) {
        p->at += len;
        end_value(p, index);
    }
    return status;
}

/* ---- arrays and objects ---- */

static int parse_value(struct parser *p, unsigned depth);

/* Few keys: comparing each with each needs no memory. */
static const struct pv_json *duplicate_of_few(const struct pv_json_doc *doc,
                                              const struct pv_json *object)
{
    const struct pv_json *keys[8];
    struct pv_json_iter iter = pv_json_iter(doc, object);
    const struct pv_json *value = NULL;
    for (size_t n = 0; n < object->count; n++) {
        pv_json_next(&iter, &keys[n], &value);
        for (size_t i = 0; i < n; i++) {
            if (pv_str_eq(keys[i]->text, keys[n]->text)) {
                return keys[n];
            }
        }
    }
    return NULL;
}

static int refuse_duplicate(struct parser *p, const struct pv_json *key)
{
    p->bad = key->start;
    return pv_err_set(p->err, PV_ESYNTAX, "the key \"%.*s\" stands twice in one object",
                      (int)(key->text.len < 80 ? key->text.len : 80), key->text.ptr);
}

static int check_duplicates(struct parser *p, uint32_t index)
{
    const struct pv_json *object = &p->doc->values[index];
    if (object->count <= 8) {
        const struct pv_json *twice = duplicate_of_few(p->doc, object);
        return twice == NULL ? 0 : refuse_duplicate(p, twice);
    }
    const struct pv_json **keys = pv_json_sorted_keys(p->doc, object);
    if (keys == NULL) {
        return out_of_memory(p);
    }
    const struct pv_json *twice = NULL;
    for (size_t i = 1; i < object->count; i++) {
        if (pv_str_eq(keys[i - 1]->text, keys[i]->text) &&
            (twice == NULL || keys[i]->start < twice->start)) {
            twice = keys[i];
        }
    }
    int status = twice == NULL ? 0 : refuse_duplicate(p, twice);
    pv_free(keys);
    return status;
}

static int parse_member(struct parser *p, unsigned depth)
{
    skip_space(p);
    if (peek(p) != '"') {
        return fail(p, p->at, PV_ESYNTAX, "expected a key in quotes");
    }
    int status = parse_string(p);
    if (status != 0) {
        return status;
    }
    skip_space(p);
    if (peek(p) != ':') {
        return fail(p, p->at, PV_ESYNTAX, "expected ':' after a key");
    }
    p->at++;
    return parse_value(p, depth);
}

/* The opening bracket stands at p->at. */
static int parse_container(struct parser *p, unsigned depth, bool object)
{
    if (depth >= PV_JSON_MAX_DEPTH) {
        return fail(p, p->at, PV_ETOOBIG, "nested more than 32 deep");
    }
    uint32_t index = 0;
    int status = add_value(p, object ? PV_JSON_OBJECT : PV_JSON_ARRAY, p->at, &index);
    if (status != 0) {
        return status;
    }
    const char close = object ? '}' : ']';
    p->at++;
    skip_space(p);
    bool more = peek(p) != close;
    while (more) {
        status = object ? parse_member(p, depth + 1) : parse_value(p, depth + 1);
        if (status != 0) {
            return status;
        }
        p->doc->values[index].count++;
        skip_space(p);
        more = peek(p) == ',';
        if (!more && peek(p) != close) {
            return fail(p, p->at, PV_ESYNTAX,
                        object ? "expected ',' or '}' in an object"
                               : "expected ',' or ']' in an array");
        }
        p->at += more ? 1 : 0;
    }
    p->at++;
    end_value(p, index);
    return object ? check_duplicates(p, index) : 0;
}

static int parse_value(struct parser *p, unsigned depth)
{
    skip_space(p);
    int c = peek(p);
    switch (c) {
    case '{':
        return parse_container(p, depth, true);
    case '[':
        return parse_container(p, depth, false);
    case '"':
        return parse_string(p);
    case 't':
        return parse_word(p, "true", PV_JSON_TRUE);
    case 'f':
        return parse_word(p, "false", PV_JSON_FALSE);
    case 'n':
        return parse_word(p, "null", PV_JSON_NULL);
    default:
        if (c == '-' || (c >= '0' && c <= '9')) {
            return parse_number(p);
        }
        return fail(p, p->at, PV_ESYNTAX,
                    c < 0 ? "the document ends where a value is expected" : "expected a value");
    }
}

static int parse_document(struct parser *p)
{
    size_t bad = 0;
    if (!pv_utf8_valid((struct pv_str){p->ptr, p->len}, &bad)) {
        return fail(p, bad, PV_ESYNTAX, "not UTF-8");
    }
    int status = parse_value(p, 0);
    if (status != 0) {
        return status;
    }
    skip_space(p);
    return p->at == p->len ? 0 : fail(p, p->at, PV_ESYNTAX, "more bytes after the document");
}

int pv_json_parse(struct pv_json_doc *doc, struct pv_str source, size_t *ret_offset,
                  struct pv_err *err)
{
    *doc = (struct pv_json_doc){.source = source};
    pv_arena_init(&doc->strings);
    struct parser p = {.doc = doc, .ptr = source.ptr, .len = source.len, .err = err};
    int status = source.len < UINT32_MAX ? parse_document(&p)
                                         : fail(&p, 0, PV_ETOOBIG, pv_status_text(PV_ETOOBIG));
    if (status != 0) {
        *ret_offset = p.bad;
        pv_json_done(doc);
    }
    return status;
}

void pv_json_done(struct pv_json_doc *doc)
{
    pv_free(doc->values);
    pv_arena_done(&doc->strings);
    doc->values = NULL;
    doc->count = 0;
    doc->size = 0;
}

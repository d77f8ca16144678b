/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the bytes; what is open is a bit each. */
#include "core/base/jsontext.h"

#include <string.h>

struct scan {
    const char *at;
    const char *end;
    uint64_t objects; /* a bit for each that is open, the innermost lowest: 0 an array */
    unsigned depth;
};

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) {
        s->at++;
    }
}

static bool take(struct scan *s, char c)
{
    bool there = s->at < s->end && *s->at == c;
    s->at += there ? 1 : 0;
    return there;
}

static bool take_word(struct scan *s, struct pv_str word)
{
    bool there = (size_t)(s->end - s->at) >= word.len && memcmp(s->at, word.ptr, word.len) == 0;
    s->at += there ? word.len : 0;
    return there;
}

static bool take_digits(struct scan *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return s->at > from;
}

static bool take_number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && !take_digits(s)) {
        return false;
    }
    if (take(s, '.') && !take_digits(s)) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        (void)(take(s, '+') || take(s, '-'));
        return take_digits(s);
    }
    return true;
}

/* Four hexadecimal digits; -1: they are not there. */
static int32_t take_hex4(struct scan *s)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = s->at < s->end ? pv_hex_digit(*s->at) : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
        s->at++;
    }
    return value;
}

/* What follows a backslash. */
static bool take_escape(struct scan *s)
{
    if (!take(s, 'u')) {
        bool named = s->at < s->end && *s->at != '\0' && strchr("\"\\/bfnrt", *s->at) != NULL;
        s->at += named ? 1 : 0;
        return named;
    }
    int32_t unit = take_hex4(s);
    if (unit < 0xD800 || unit > 0xDFFF) {
        return unit > 0;
    }
    int32_t low = unit < 0xDC00 && take_word(s, PV_STR("\\u")) ? take_hex4(s) : -1;
    return low >= 0xDC00 && low <= 0xDFFF;
}

static bool take_string(struct scan *s)
{
    if (!take(s, '"')) {
        return false;
    }
    while (s->at < s->end && *s->at != '"') {
        unsigned char c = (unsigned char)*s->at;
        s->at++;
        if (c < 0x20 || (c == '\\' && !take_escape(s))) {
            return false;
        }
    }
    return take(s, '"');
}

static bool take_key(struct scan *s)
{
    skip_space(s);
    if (!take_string(s)) {
        return false;
    }
    skip_space(s);
    return take(s, ':');
}

static bool take_scalar(struct scan *s)
{
    if (s->at < s->end && *s->at == '"') {
        return take_string(s);
    }
    return take_word(s, PV_STR("null")) || take_word(s, PV_STR("true")) ||
           take_word(s, PV_STR("false")) || take_number(s);
}

/* A value, or as much of it as comes before the first that it holds. */
static bool take_value(struct scan *s, bool *ret_ended)
{
    bool object = take(s, '{');
    if (!object && !take(s, '[')) {
        *ret_ended = true;
        return take_scalar(s);
    }
    if (s->depth == PV_JSON_TEXT_DEPTH) {
        return false;
    }
    s->objects = s->objects << 1 | (object ? 1 : 0);
    s->depth++;
    skip_space(s);
    *ret_ended = s->at < s->end && *s->at == (object ? '}' : ']'); /* it holds none */
    return *ret_ended || !object || take_key(s);
}

/* What comes behind a value that another one holds: a comma, or the end of that one. */
static bool take_next(struct scan *s, bool *ret_ended)
{
    bool object = (s->objects & 1) != 0;
    *ret_ended = !take(s, ',');
    if (!*ret_ended) {
        return !object || take_key(s);
    }
    s->objects >>= 1;
    s->depth--;
    return take(s, object ? '}' : ']');
}

bool pv_json_text_valid(struct pv_str text)
{
    if (text.len == 0 || !pv_utf8_valid(text, NULL)) {
        return false;
    }
    struct scan s = {.at = text.ptr, .end = text.ptr + text.len};
    bool ended = false;
    do {
        skip_space(&s);
        bool good = ended ? take_next(&s, &ended) : take_value(&s, &ended);
        if (!good) {
            return false;
        }
    } while (!ended || s.depth > 0);
    skip_space(&s);
    return s.at == s.end;
}

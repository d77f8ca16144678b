/* SPDX-License-Identifier: Apache-2.0 */
/* Slices of bytes: comparison, UTF-8, edit distance, and the numbers people write. */
#include "core/base/str.h"

#include <string.h>

struct pv_str pv_str(const char *cstr)
{
    return (struct pv_str){cstr, cstr != NULL ? strlen(cstr) : 0};
}

bool pv_str_eq(struct pv_str a, struct pv_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool pv_str_eq_c(struct pv_str a, const char *b)
{
    return pv_str_eq(a, pv_str(b));
}

int pv_str_cmp(struct pv_str a, struct pv_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool pv_str_starts(struct pv_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && (n == 0 || memcmp(s.ptr, prefix, n) == 0);
}

int pv_str_to_c(struct pv_str s, char *out, size_t out_size)
{
    if (out_size == 0) {
        return PV_ETOOBIG;
    }
    if (s.len >= out_size) {
        out[0] = '\0';
        return PV_ETOOBIG;
    }
    if (s.len > 0) {
        memcpy(out, s.ptr, s.len);
    }
    out[s.len] = '\0';
    return PV_OK;
}

/* Length of the character that starts at p with `left` bytes to go, or 0 when it is malformed. */
static size_t utf8_char(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t len = 0;
    unsigned char low = 0x80; /* the second byte's range closes overlong forms and surrogates out */
    unsigned char high = 0xBF;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        len = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;
        high = p[0] == 0xED ? 0x9F : high;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (left < len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) {
            return 0;
        }
    }
    return len;
}

bool pv_utf8_valid(struct pv_str s, size_t *ret_bad)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t at = 0;
    while (at < s.len) {
        size_t n = utf8_char(p + at, s.len - at);
        if (n == 0) {
            if (ret_bad != NULL) {
                *ret_bad = at;
            }
            return false;
        }
        at += n;
    }
    return true;
}

#define DISTANCE_MAX_LEN 127

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

unsigned pv_str_distance(struct pv_str a, struct pv_str b, unsigned max)
{
    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN) {
        return pv_str_eq(a, b) ? 0 : max + 1;
    }
    /* Three rows of the table of optimal string alignment: two before, one before, this one. */
    unsigned rows[3][DISTANCE_MAX_LEN + 1];
    unsigned *before2 = rows[0];
    unsigned *before = rows[1];
    unsigned *row = rows[2];
    for (unsigned j = 0; j <= b.len; j++) {
        before[j] = j;
        before2[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1;
            row[j] = min3(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                before2[j - 2] + 1 < row[j]) {
                row[j] = before2[j - 2] + 1;
            }
        }
        unsigned *spare = before2;
        before2 = before;
        before = row;
        row = spare;
    }
    unsigned distance = before[b.len];
    return distance <= max ? distance : max + 1;
}

const char *pv_str_nearest(struct pv_str word, const char *const *candidates, size_t count)
{
    unsigned limit = word.len >= 3 * DISTANCE_MAX_LEN ? DISTANCE_MAX_LEN : (unsigned)word.len / 3;
    limit = limit > 0 ? limit : 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        unsigned distance = pv_str_distance(word, pv_str(candidates[i]), limit);
        if (distance <= limit) {
            nearest = candidates[i];
            if (distance == 0) {
                break;
            }
            limit = distance - 1; /* only a nearer one replaces it */
        }
    }
    return nearest;
}

int pv_str_to_i64(struct pv_str s, int64_t *ret_value)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == s.len) {
        return PV_EINVAL;
    }
    int64_t value = 0; /* kept negative: its range is the larger one */
    bool overflow = false;
    for (; at < s.len; at++) {
        if (s.ptr[at] < '0' || s.ptr[at] > '9') {
            return PV_EINVAL;
        }
        overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_sub_overflow(value, s.ptr[at] - '0', &value);
    }
    if (overflow || (!negative && value == INT64_MIN)) {
        return PV_ETOOBIG;
    }
    *ret_value = negative ? value : -value;
    return PV_OK;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Digits followed by one of the suffixes. */
static int number_with_unit(struct pv_str s, const struct unit *units, size_t count,
                            uint64_t *ret_value)
{
    uint64_t value = 0;
    bool overflow = false;
    size_t at = 0;
    for (; at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9'; at++) {
        overflow = overflow || __builtin_mul_overflow(value, 10U, &value) ||
                   __builtin_add_overflow(value, (unsigned)(s.ptr[at] - '0'), &value);
    }
    if (at == 0) {
        return PV_EINVAL;
    }
    struct pv_str suffix = {s.ptr + at, s.len - at};
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq_c(suffix, units[i].suffix)) {
            if (overflow || __builtin_mul_overflow(value, units[i].factor, &value)) {
                return PV_ETOOBIG;
            }
            *ret_value = value;
            return PV_OK;
        }
    }
    return PV_EINVAL;
}

int pv_str_to_size(struct pv_str s, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"PB", 1000000000000000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
        {"PiB", UINT64_C(1) << 50},
    };
    return number_with_unit(s, units, sizeof(units) / sizeof(units[0]), ret_bytes);
}

int pv_str_to_duration(struct pv_str s, int64_t *ret_ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
    };
    uint64_t value = 0;
    int status = number_with_unit(s, units, sizeof(units) / sizeof(units[0]), &value);
    if (status != PV_OK) {
        return status;
    }
    if (value > INT64_MAX) {
        return PV_ETOOBIG;
    }
    *ret_ms = (int64_t)value;
    return PV_OK;
}

int pv_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool pv_is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool pv_is_control(char c)
{
    return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

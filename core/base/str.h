/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed slices of bytes, and small text helpers. Nothing here allocates. Any thread. */
#ifndef PV_BASE_STR_H
#define PV_BASE_STR_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns; not NUL-terminated. {NULL, 0} means "none". */
struct pv_str {
    const char *ptr;
    size_t len;
};

/* Some of them, in somebody else's memory. */
struct pv_strs {
    const struct pv_str *items;
    size_t count;
};

#define PV_STR(literal) ((struct pv_str){(literal), sizeof(literal) - 1})
/* For printf("%.*s", PV_STR_ARG(s)). */
#define PV_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

struct pv_str pv_str(const char *cstr); /* NULL gives "none" */
bool pv_str_eq(struct pv_str a, struct pv_str b);
bool pv_str_eq_c(struct pv_str a, const char *b);
int pv_str_cmp(struct pv_str a, struct pv_str b); /* by byte, shorter first */
bool pv_str_starts(struct pv_str s, const char *prefix);
/* Copies with a NUL into out[out_size]; PV_ETOOBIG (out holds "") when it does not fit. */
int pv_str_to_c(struct pv_str s, char *out, size_t out_size) PV_MUST_CHECK;

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms); *ret_bad is the offset of the
 * first bad byte. ret_bad may be NULL. */
bool pv_utf8_valid(struct pv_str s, size_t *ret_bad);
/* Edit distance with transpositions, capped at `max` + 1. For "did you mean". */
unsigned pv_str_distance(struct pv_str a, struct pv_str b, unsigned max);
/* The candidate nearest to `word` within a third of its length (at least 1), or NULL. */
const char *pv_str_nearest(struct pv_str word, const char *const *candidates, size_t count);

/* The value of a hexadecimal digit; -1: it is none. */
int pv_hex_digit(char c);
/* What methods and the names of headers are made of (RFC 9110, tchar). */
bool pv_is_token(char c);
/* What the values of headers must not hold: control characters other than the tab. */
bool pv_is_control(char c);

/* Decimal int64 that fills the whole slice. */
int pv_str_to_i64(struct pv_str s, int64_t *ret_value) PV_MUST_CHECK;
/* "2GiB", "20MB", "512" → bytes (IEC and SI suffixes). */
int pv_str_to_size(struct pv_str s, uint64_t *ret_bytes) PV_MUST_CHECK;
/* "250ms", "30s", "10m", "24h", "7d" → milliseconds. */
int pv_str_to_duration(struct pv_str s, int64_t *ret_ms) PV_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* 128-bit identifiers. In text: a prefix and 26 characters of Crockford's base 32, lower case
 * ("op_01jd3v…"), which sort as their bytes do. Any thread. */
#ifndef PV_BASE_ID_H
#define PV_BASE_ID_H

#include "core/base/clock.h"
#include "core/base/str.h"

struct pv_id {
    uint8_t b[16];
};

#define PV_ID_TEXT 32 /* "svc_" + 26 + NUL, and room */

/* Time-ordered (the layout of RFC 9562 UUIDv7): 48 bits of wall_ms, then random bits. */
struct pv_id pv_id_new(const struct pv_clock *clock, const struct pv_rng *rng);
/* `count` of them, all of the present time: among each other they are in no order. */
void pv_ids_new(const struct pv_clock *clock, const struct pv_rng *rng, struct pv_id *ret_ids,
                size_t count);
bool pv_id_eq(struct pv_id a, struct pv_id b);
bool pv_id_is_zero(struct pv_id id);
int pv_id_cmp(struct pv_id a, struct pv_id b);
/* prefix is "op", "svc", …, at most 4 characters. Returns out. */
char *pv_id_format(const char *prefix, struct pv_id id, char out[PV_ID_TEXT]);
/* PV_EINVAL unless it is this prefix, "_" and 26 valid characters. */
int pv_id_parse(const char *prefix, struct pv_str text, struct pv_id *ret_id) PV_MUST_CHECK;
/* base 32 of any bytes, lower case, without padding; out holds (len * 8 + 4) / 5 + 1 bytes. */
void pv_base32(const uint8_t *bytes, size_t len, char *out);

#endif

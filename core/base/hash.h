/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, HMAC-SHA-256, hex and base64. Any thread; pv_base_init first. */
#ifndef PV_BASE_HASH_H
#define PV_BASE_HASH_H

#include "core/base/id.h"

#define PV_HASH_BYTES 32

struct pv_hash {
    uint8_t b[PV_HASH_BYTES];
};

/* Once a process, before anything else of base: sets libsodium up. */
int pv_base_init(void) PV_MUST_CHECK;

struct pv_hash pv_sha256(struct pv_str data);
/* SHA-256 over the parts, each preceded by its length as u64, so that parts cannot run together. */
struct pv_hash pv_sha256_parts(const struct pv_str *parts, size_t count);
struct pv_hash pv_hmac_sha256(const uint8_t *key, size_t key_len, struct pv_str data);
/* First 16 bytes of pv_sha256_parts. */
struct pv_id pv_id_of_parts(const struct pv_str *parts, size_t count);
bool pv_hash_eq(struct pv_hash a, struct pv_hash b); /* constant time */
/* len bytes each; the time does not depend on what they are. */
bool pv_bytes_eq(const uint8_t *a, const uint8_t *b, size_t len);
/* Lower-case hex with NUL; out holds 2 * len + 1. */
void pv_hex(const uint8_t *bytes, size_t len, char *out);
/* Base64 (RFC 4648) without padding, with NUL; out holds len * 4 / 3 + 3. */
void pv_base64(const uint8_t *bytes, size_t len, char *out);
int pv_unhex(struct pv_str text, uint8_t *out, size_t len) PV_MUST_CHECK;

#endif

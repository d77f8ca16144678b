/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes over nettle, which uses the processor's instructions for SHA-256 where it has them;
 * libsodium does not, and takes six times as long. Hex and base64 over libsodium. */
#include "core/base/hash.h"

#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <sodium.h>
#include <string.h>

_Static_assert(PV_HASH_BYTES == SHA256_DIGEST_SIZE, "SHA-256");

int pv_base_init(void)
{
    return sodium_init() < 0 ? PV_EINTERNAL : PV_OK;
}

static const unsigned char *bytes_of(struct pv_str s)
{
    return (const unsigned char *)(s.ptr != NULL ? s.ptr : "");
}

struct pv_hash pv_sha256(struct pv_str data)
{
    struct sha256_ctx state;
    struct pv_hash hash;
    sha256_init(&state);
    sha256_update(&state, data.len, bytes_of(data));
    sha256_digest(&state, sizeof(hash.b), hash.b);
    return hash;
}

struct pv_hash pv_sha256_parts(const struct pv_str *parts, size_t count)
{
    struct sha256_ctx state;
    sha256_init(&state);
    for (size_t i = 0; i < count; i++) {
        uint8_t len[8];
        for (size_t j = 0; j < sizeof(len); j++) {
            len[j] = (uint8_t)((uint64_t)parts[i].len >> (8 * j));
        }
        sha256_update(&state, sizeof(len), len);
        sha256_update(&state, parts[i].len, bytes_of(parts[i]));
    }
    struct pv_hash hash;
    sha256_digest(&state, sizeof(hash.b), hash.b);
    return hash;
}

struct pv_hash pv_hmac_sha256(const uint8_t *key, size_t key_len, struct pv_str data)
{
    struct hmac_sha256_ctx state;
    struct pv_hash hash;
    hmac_sha256_set_key(&state, key_len, key);
    hmac_sha256_update(&state, data.len, bytes_of(data));
    hmac_sha256_digest(&state, sizeof(hash.b), hash.b);
    sodium_memzero(&state, sizeof(state));
    return hash;
}

struct pv_id pv_id_of_parts(const struct pv_str *parts, size_t count)
{
    struct pv_hash hash = pv_sha256_parts(parts, count);
    struct pv_id id;
    memcpy(id.b, hash.b, sizeof(id.b));
    return id;
}

bool pv_hash_eq(struct pv_hash a, struct pv_hash b)
{
    return pv_bytes_eq(a.b, b.b, sizeof(a.b));
}

bool pv_bytes_eq(const uint8_t *a, const uint8_t *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void pv_hex(const uint8_t *bytes, size_t len, char *out)
{
    sodium_bin2hex(out, 2 * len + 1, bytes, len);
}

void pv_base64(const uint8_t *bytes, size_t len, char *out)
{
    const unsigned plain = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    sodium_bin2base64(out, sodium_base64_ENCODED_LEN(len, plain), bytes, len, (int)plain);
}

int pv_unhex(struct pv_str text, uint8_t *out, size_t len)
{
    if (text.len / 2 != len || text.len % 2 != 0) {
        return PV_EINVAL;
    }
    if (len == 0) {
        return PV_OK;
    }
    size_t done = 0;
    if (sodium_hex2bin(out, len, text.ptr, text.len, NULL, &done, NULL) != 0 || done != len) {
        return PV_EINVAL;
    }
    return PV_OK;
}

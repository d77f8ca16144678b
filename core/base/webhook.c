/* SPDX-License-Identifier: Apache-2.0 */
/* What is signed is "ID.TIMESTAMP.BODY", with HMAC-SHA-256. */
#include "core/base/webhook.h"

#include "core/base/buf.h"
#include "core/base/hash.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX (16u * 1024 * 1024)

int pv_webhook_secret(struct pv_str text, struct pv_secret **ret_key)
{
    static const struct pv_str prefix = {"whsec_", 6};
    unsigned char key[PV_WEBHOOK_KEY_MAX + 1];
    size_t len = 0;
    if (pv_str_starts(text, prefix.ptr)) {
        text = (struct pv_str){text.ptr + prefix.len, text.len - prefix.len};
    }
    if (text.len == 0 ||
        sodium_base642bin(key, sizeof(key), text.ptr, text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len < PV_WEBHOOK_KEY_MIN || len > PV_WEBHOOK_KEY_MAX) {
        pv_wipe(key, sizeof(key));
        return PV_EINVAL;
    }
    *ret_key = pv_secret_new((struct pv_str){(const char *)key, len});
    pv_wipe(key, sizeof(key));
    return *ret_key != NULL ? PV_OK : PV_ENOMEM;
}

void pv_webhook_secret_text(const unsigned char *key, size_t len, char *out, size_t size)
{
    memcpy(out, "whsec_", 6);
    sodium_bin2base64(out + 6, size - 6, key, len, sodium_base64_VARIANT_ORIGINAL);
}

int pv_webhook_sign(const struct pv_secret *key, struct pv_str id, int64_t timestamp_s,
                    struct pv_str body, char out[PV_WEBHOOK_SIGNATURE])
{
    struct pv_buf content;
    pv_buf_init(&content, BODY_MAX);
    pv_buf_str(&content, id);
    pv_buf_printf(&content, ".%" PRId64 ".", timestamp_s);
    pv_buf_str(&content, body);
    int status = content.status;
    if (status == PV_OK) {
        struct pv_str bytes = pv_secret_expose(key);
        struct pv_hash mac =
            pv_hmac_sha256((const uint8_t *)bytes.ptr, bytes.len, pv_buf_view(&content));
        memcpy(out, "v1,", 3);
        sodium_bin2base64(out + 3, PV_WEBHOOK_SIGNATURE - 3, mac.b, sizeof(mac.b),
                          sodium_base64_VARIANT_ORIGINAL);
    }
    pv_buf_done(&content);
    return status;
}

static bool same(struct pv_str signature, const char *expected)
{
    return signature.len == strlen(expected) &&
           pv_bytes_eq((const uint8_t *)signature.ptr, (const uint8_t *)expected, signature.len);
}

int pv_webhook_verify(const struct pv_secret *key, struct pv_str id, struct pv_str timestamp,
                      struct pv_str signatures, struct pv_str body, int64_t now_s)
{
    int64_t at_s = 0;
    char expected[PV_WEBHOOK_SIGNATURE];
    if (id.len == 0 || pv_str_to_i64(timestamp, &at_s) != PV_OK || at_s < 0 || now_s < 0) {
        return PV_EINVAL;
    }
    if (at_s > now_s ? at_s - now_s > PV_WEBHOOK_TOLERANCE_S
                     : now_s - at_s > PV_WEBHOOK_TOLERANCE_S) {
        return PV_EINVAL;
    }
    int status = pv_webhook_sign(key, id, at_s, body, expected);
    if (status != PV_OK) {
        return status;
    }
    while (signatures.len > 0) {
        const char *space = memchr(signatures.ptr, ' ', signatures.len);
        size_t len = space != NULL ? (size_t)(space - signatures.ptr) : signatures.len;
        if (same((struct pv_str){signatures.ptr, len}, expected)) {
            return PV_OK;
        }
        size_t used = space != NULL ? len + 1 : len;
        signatures = (struct pv_str){signatures.ptr + used, signatures.len - used};
    }
    return PV_EDENIED;
}

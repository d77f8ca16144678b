/* SPDX-License-Identifier: Apache-2.0 */
/* Standard Webhooks: secrets ("whsec_" and base64) and symmetric signatures ("v1,…"). Any thread.
 */
#ifndef PV_BASE_WEBHOOK_H
#define PV_BASE_WEBHOOK_H

#include "core/base/secret.h"

#define PV_WEBHOOK_SECRETS 2 /* at once, while one is replaced */
#define PV_WEBHOOK_KEY_MIN 24
#define PV_WEBHOOK_KEY_MAX 64
#define PV_WEBHOOK_SIGNATURE 48 /* "v1,", 44 characters and NUL */
#define PV_WEBHOOK_TOLERANCE_S 300

/* Reads "whsec_…" (the prefix may be missing); the key's bytes. PV_EINVAL, PV_ENOMEM. */
int pv_webhook_secret(struct pv_str text, struct pv_secret **ret_key) PV_MUST_CHECK;
/* "whsec_" and the key in base 64; out has room for it (PV_WEBHOOK_KEY_MAX bytes need 96). */
void pv_webhook_secret_text(const unsigned char *key, size_t len, char *out, size_t size);
/* "v1,…" over id, seconds since 1970 and body. */
int pv_webhook_sign(const struct pv_secret *key, struct pv_str id, int64_t timestamp_s,
                    struct pv_str body, char out[PV_WEBHOOK_SIGNATURE]) PV_MUST_CHECK;
/* What a receiver does with the three headers: PV_EINVAL when they are malformed or older or newer
 * than the tolerance, PV_EDENIED when no v1 signature is the key's. */
int pv_webhook_verify(const struct pv_secret *key, struct pv_str id, struct pv_str timestamp,
                      struct pv_str signatures, struct pv_str body, int64_t now_s) PV_MUST_CHECK;

#endif

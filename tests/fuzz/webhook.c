/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets and signature headers of Standard Webhooks: whatever they hold, what was signed is found
 * and nothing else passes. */
#include "core/base/webhook.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#define AT_S 1614265330

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x",
        " v1,  v2,,",
        "1614265330",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static void check_secret(struct pv_str text)
{
    struct pv_secret *key = NULL;
    if (pv_webhook_secret(text, &key) != PV_OK) {
        FUZZ_CHECK(key == NULL);
        return;
    }
    struct pv_str bytes = pv_secret_expose(key);
    FUZZ_CHECK(bytes.len >= PV_WEBHOOK_KEY_MIN && bytes.len <= PV_WEBHOOK_KEY_MAX);
    char again[96];
    struct pv_secret *same = NULL;
    pv_webhook_secret_text((const unsigned char *)bytes.ptr, bytes.len, again, sizeof(again));
    FUZZ_CHECK(pv_webhook_secret(pv_str(again), &same) == PV_OK);
    FUZZ_CHECK(pv_str_eq(pv_secret_expose(same), bytes));
    pv_secret_free(same);
    pv_secret_free(key);
}

/* The text as a body, as signatures, as an id and as a time. */
static void check_signature(const struct pv_secret *key, struct pv_str text)
{
    struct pv_str id = PV_STR("msg_1");
    struct pv_str at = PV_STR("1614265330");
    char good[PV_WEBHOOK_SIGNATURE];
    FUZZ_CHECK(pv_webhook_sign(key, id, AT_S, text, good) == PV_OK);
    FUZZ_CHECK(pv_webhook_verify(key, id, at, pv_str(good), text, AT_S) == PV_OK);
    FUZZ_CHECK(pv_webhook_verify(key, id, at, text, PV_STR("another body"), AT_S) == PV_EDENIED);
    FUZZ_CHECK(pv_webhook_verify(key, text, at, pv_str(good), PV_STR("another body"), AT_S) !=
               PV_OK);
    (void)!pv_webhook_verify(key, id, text, pv_str(good), text, AT_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pv_secret *key;
    if (key == NULL) {
        FUZZ_CHECK(pv_webhook_secret(PV_STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key) ==
                   PV_OK);
    }
    struct pv_str text = {(const char *)data, size};
    check_secret(text);
    check_signature(key, text);
    return 0;
}

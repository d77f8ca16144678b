/* SPDX-License-Identifier: Apache-2.0 */
/* Standard Webhooks: the vector of the specification, and what is refused. */
#include "tests/unit/unit.h"

#include "core/base/webhook.h"

#include <string.h>

#define AT_S 1614265330
#define BODY PV_STR("{\"test\": 2432232314}")
#define ID PV_STR("msg_p5jXN8AQM9LWM0D4loKWxJek")
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct pv_secret *key_of(const char *text)
{
    struct pv_secret *key = NULL;
    assert_int_equal(pv_webhook_secret(pv_str(text), &key), 0);
    return key;
}

static void the_vector_of_the_specification(void **state)
{
    (void)state;
    struct pv_secret *key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    char signature[PV_WEBHOOK_SIGNATURE];
    assert_int_equal(pv_webhook_sign(key, ID, AT_S, BODY, signature), 0);
    assert_string_equal(signature, SIGNATURE);
    pv_secret_free(key);
}

static void what_a_receiver_refuses(void **state)
{
    (void)state;
    struct pv_secret *key = key_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    struct pv_secret *other = key_of("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    struct pv_str at = PV_STR("1614265330");
    struct pv_str good = PV_STR(SIGNATURE);
    assert_int_equal(pv_webhook_verify(key, ID, at, good, BODY, AT_S), 0);
    assert_int_equal(
        pv_webhook_verify(key, ID, at, PV_STR("v1,AAAA " SIGNATURE " v2,x"), BODY, AT_S + 300), 0);
    assert_int_equal(pv_webhook_verify(other, ID, at, good, BODY, AT_S), PV_EDENIED);
    assert_int_equal(pv_webhook_verify(key, ID, at, good, PV_STR("{}"), AT_S), PV_EDENIED);
    assert_int_equal(pv_webhook_verify(key, PV_STR("msg_x"), at, good, BODY, AT_S), PV_EDENIED);
    assert_int_equal(pv_webhook_verify(key, ID, at, PV_STR(""), BODY, AT_S), PV_EDENIED);
    assert_int_equal(pv_webhook_verify(key, ID, at, good, BODY, AT_S + 301), PV_EINVAL);
    assert_int_equal(pv_webhook_verify(key, ID, at, good, BODY, AT_S - 301), PV_EINVAL);
    assert_int_equal(pv_webhook_verify(key, ID, PV_STR("now"), good, BODY, AT_S), PV_EINVAL);
    assert_int_equal(pv_webhook_verify(key, PV_STR(""), at, good, BODY, AT_S), PV_EINVAL);
    pv_secret_free(key);
    pv_secret_free(other);
}

static void secrets_are_24_to_64_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "whsec_",
                                      "whsec_!",
                                      "whsec_AAAA",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
                                      ("whsec_"
                                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                       "AAAAAAAAAAAAAAAAAAAAAAAAAAAA=")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pv_secret *key = NULL;
        assert_int_equal(pv_webhook_secret(pv_str(bad[i]), &key), PV_EINVAL);
        assert_null(key);
    }
    unsigned char bytes[PV_WEBHOOK_KEY_MAX];
    char text[96];
    memset(bytes, 7, sizeof(bytes));
    pv_webhook_secret_text(bytes, sizeof(bytes), text, sizeof(text));
    struct pv_secret *key = key_of(text);
    assert_int_equal(pv_secret_expose(key).len, sizeof(bytes));
    assert_memory_equal(pv_secret_expose(key).ptr, bytes, sizeof(bytes));
    pv_secret_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_the_specification),
        cmocka_unit_test(what_a_receiver_refuses),
        cmocka_unit_test(secrets_are_24_to_64_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

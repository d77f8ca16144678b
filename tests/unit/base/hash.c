/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes against published vectors, hex, and parts that must not run together. */
#include "tests/unit/unit.h"

#include "core/base/hash.h"

#include <string.h>

static void assert_hex(struct pv_hash hash, const char *want)
{
    char hex[2 * PV_HASH_BYTES + 1];
    pv_hex(hash.b, sizeof(hash.b), hex);
    assert_string_equal(hex, want);
}

static void init_may_run_twice(void **state)
{
    (void)state;
    assert_int_equal(pv_base_init(), 0);
}

static void sha256_vectors(void **state)
{
    (void)state;
    assert_hex(pv_sha256(PV_STR("abc")),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hex(pv_sha256((struct pv_str){NULL, 0}),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmac_vectors(void **state)
{
    (void)state;
    /* RFC 4231, cases 1, 2 and 6 (a key longer than a block) */
    uint8_t key[131];
    memset(key, 0x0b, sizeof(key));
    assert_hex(pv_hmac_sha256(key, 20, PV_STR("Hi There")),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_hex(pv_hmac_sha256((const uint8_t *)"Jefe", 4, PV_STR("what do ya want for nothing?")),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    assert_hex(pv_hmac_sha256(key, sizeof(key),
                              PV_STR("Test Using Larger Than Block-Size Key - Hash Key First")),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void parts_do_not_run_together(void **state)
{
    (void)state;
    const struct pv_str one[] = {PV_STR("ab"), PV_STR("c")};
    const struct pv_str two[] = {PV_STR("a"), PV_STR("bc")};
    const struct pv_str three[] = {PV_STR("ab"), PV_STR("c"), {NULL, 0}};
    struct pv_hash hash = pv_sha256_parts(one, 2);
    assert_false(pv_hash_eq(hash, pv_sha256_parts(two, 2)));
    assert_false(pv_hash_eq(hash, pv_sha256_parts(three, 3)));
    assert_true(pv_hash_eq(hash, pv_sha256_parts(three, 2)));
    assert_true(pv_hash_eq(hash, pv_sha256(PV_STR("\2\0\0\0\0\0\0\0ab\1\0\0\0\0\0\0\0c"))));

    struct pv_id id = pv_id_of_parts(one, 2);
    assert_memory_equal(id.b, hash.b, sizeof(id.b));
}

static void one_bit_makes_unequal(void **state)
{
    (void)state;
    struct pv_hash a = pv_sha256(PV_STR("x"));
    struct pv_hash b = a;
    assert_true(pv_hash_eq(a, b));
    b.b[31] ^= 1;
    assert_false(pv_hash_eq(a, b));
    assert_true(pv_bytes_eq(a.b, b.b, 31));
    assert_false(pv_bytes_eq(a.b + 31, b.b + 31, 1));
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x7f, 0xab, 0xff};
    char hex[9];
    pv_hex(bytes, sizeof(bytes), hex);
    assert_string_equal(hex, "007fabff");
    pv_hex(bytes, 0, hex);
    assert_string_equal(hex, "");
    uint8_t back[4] = {0};
    assert_int_equal(pv_unhex(PV_STR("007fABff"), back, 4), 0);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(pv_unhex((struct pv_str){NULL, 0}, back, 0), 0);
}

static void what_is_not_hex_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "0",        "007fabf",  "007fabff0", "007fabff00",
        "007fabfg", "007f abf", " 07fabff", "0x07fabf",
    };
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        uint8_t out[4];
        assert_int_equal(pv_unhex(pv_str(bad[i]), out, 4), PV_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_may_run_twice),
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(parts_do_not_run_together),
        cmocka_unit_test(one_bit_makes_unequal),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(what_is_not_hex_is_refused),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

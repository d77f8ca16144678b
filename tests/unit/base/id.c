/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers: layout, text form, order, and base 32. */
#include "tests/unit/unit.h"

#include "core/base/hash.h"
#include "core/base/id.h"

#include <string.h>

static int64_t fixed_time(void *ctx)
{
    return *(const int64_t *)ctx;
}

static void an_id_has_the_layout_of_uuid_v7(void **state)
{
    (void)state;
    int64_t now = INT64_C(0x0123456789AB);
    struct pv_clock clock = {fixed_time, fixed_time, &now};
    struct pv_seeded seed = {1};
    struct pv_rng rng = pv_rng_seeded(&seed);
    struct pv_id id = pv_id_new(&clock, &rng);
    assert_memory_equal(id.b, "\x01\x23\x45\x67\x89\xAB", 6);
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
    struct pv_id next = pv_id_new(&clock, &rng);
    assert_false(pv_id_eq(id, next));
    now = -5;
    id = pv_id_new(&clock, &rng);
    assert_memory_equal(id.b, "\0\0\0\0\0\0", 6);
}

static void later_ids_sort_later(void **state)
{
    (void)state;
    int64_t now = INT64_C(1795169640000);
    struct pv_clock clock = {fixed_time, fixed_time, &now};
    struct pv_seeded seed = {2};
    struct pv_rng rng = pv_rng_seeded(&seed);
    struct pv_id before = pv_id_new(&clock, &rng);
    char before_text[PV_ID_TEXT];
    pv_id_format("op", before, before_text);
    for (int i = 0; i < 2000; i++) {
        now++;
        struct pv_id after = pv_id_new(&clock, &rng);
        char after_text[PV_ID_TEXT];
        pv_id_format("op", after, after_text);
        assert_true(pv_id_cmp(before, after) < 0);
        assert_true(strcmp(before_text, after_text) < 0);
        before = after;
        memcpy(before_text, after_text, sizeof(before_text));
    }
}

static void text_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        struct pv_id id;
        const char *text;
    } cases[] = {
        {{{0}}, "svc_00000000000000000000000000"},
        {{{[15] = 1}}, "svc_00000000000000000000000001"},
        {{{0x80}}, "svc_40000000000000000000000000"},
        {{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
           0xFF}},
         "svc_7zzzzzzzzzzzzzzzzzzzzzzzzz"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        char out[PV_ID_TEXT];
        assert_ptr_equal(pv_id_format("svc", cases[i].id, out), out);
        assert_string_equal(out, cases[i].text);
        struct pv_id back;
        assert_int_equal(pv_id_parse("svc", pv_str(out), &back), 0);
        assert_true(pv_id_eq(back, cases[i].id));
    }
    struct pv_seeded seed = {9};
    struct pv_rng rng = pv_rng_seeded(&seed);
    for (int i = 0; i < 1000; i++) {
        struct pv_id id;
        rng.fill(rng.ctx, id.b, sizeof(id.b));
        char out[PV_ID_TEXT];
        struct pv_id back;
        assert_int_equal(pv_id_parse("op", pv_str(pv_id_format("op", id, out)), &back), 0);
        assert_int_equal(pv_id_cmp(back, id), 0);
    }
}

static void what_is_not_an_id_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "op_",
        "op",
        "op_0000000000000000000000000",
        "op_000000000000000000000000000",
        "svc_00000000000000000000000000",
        "op-00000000000000000000000000",
        "op_80000000000000000000000000", /* more than 128 bits */
        "op_0000000000000000000000000i",
        "op_0000000000000000000000000l",
        "op_0000000000000000000000000o",
        "op_0000000000000000000000000u",
        "op_0000000000000000000000000A", /* one text for one id */
        "OP_00000000000000000000000000",
        "op_0000000000000 000000000000",
    };
    struct pv_id kept = {{1, 2, 3}};
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        assert_int_equal(pv_id_parse("op", pv_str(bad[i]), &kept), PV_EINVAL);
    }
    assert_int_equal(pv_id_parse("op", PV_STR("op_0000000000000\000000000000000"), &kept),
                     PV_EINVAL);
    assert_memory_equal(kept.b, "\1\2\3", 3);
}

static void only_zero_is_zero(void **state)
{
    (void)state;
    assert_true(pv_id_is_zero((struct pv_id){{0}}));
    assert_false(pv_id_is_zero((struct pv_id){{[15] = 1}}));
    assert_false(pv_id_is_zero((struct pv_id){{[0] = 1}}));
}

static void base32_of_any_length(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {
        /* RFC 4648's vectors, in Crockford's alphabet and without padding */
        {"", ""},
        {"f", "cr"},
        {"fo", "csqg"},
        {"foo", "csqpy"},
        {"foob", "csqpyrg"},
        {"fooba", "csqpyrk1"},
        {"foobar", "csqpyrk1e8"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        char out[16];
        size_t len = strlen(cases[i].bytes);
        pv_base32((const uint8_t *)cases[i].bytes, len, out);
        assert_string_equal(out, cases[i].text);
        assert_int_equal(strlen(out), (len * 8 + 4) / 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_layout_of_uuid_v7),
        cmocka_unit_test(later_ids_sort_later),
        cmocka_unit_test(text_goes_both_ways),
        cmocka_unit_test(what_is_not_an_id_is_refused),
        cmocka_unit_test(only_zero_is_zero),
        cmocka_unit_test(base32_of_any_length),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, UTF-8, edit distance, and the numbers people write. */
#include "tests/unit/unit.h"

#include "core/base/str.h"

#include <string.h>

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        int order;
    } cases[] = {
        {"", "", 0},    {NULL, "", 0},  {NULL, NULL, 0},  {"a", "a", 0},
        {"a", "b", -1}, {"b", "a", 1},  {"a", "ab", -1},  {"ab", "a", 1},
        {"", "a", -1},  {"a", NULL, 1}, {"\xFF", "a", 1}, {"B", "a", -1},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_str a = pv_str(cases[i].a);
        struct pv_str b = pv_str(cases[i].b);
        int order = pv_str_cmp(a, b);
        assert_int_equal((order > 0) - (order < 0), cases[i].order);
        assert_int_equal(pv_str_eq(a, b), cases[i].order == 0);
        assert_int_equal(pv_str_eq_c(a, cases[i].b), cases[i].order == 0);
    }
    assert_false(pv_str_eq((struct pv_str){"a\0b", 3}, (struct pv_str){"a\0c", 3}));
}

static void starts(void **state)
{
    (void)state;
    assert_true(pv_str_starts(PV_STR("abc"), "ab"));
    assert_true(pv_str_starts(PV_STR("abc"), "abc"));
    assert_true(pv_str_starts(PV_STR("abc"), ""));
    assert_true(pv_str_starts(pv_str(NULL), ""));
    assert_false(pv_str_starts(PV_STR("abc"), "abcd"));
    assert_false(pv_str_starts(PV_STR("abc"), "b"));
}

static void copies_out(void **state)
{
    (void)state;
    char out[4] = "zzz";
    assert_int_equal(pv_str_to_c(PV_STR("abc"), out, sizeof(out)), 0);
    assert_string_equal(out, "abc");
    assert_int_equal(pv_str_to_c(PV_STR("abcd"), out, sizeof(out)), PV_ETOOBIG);
    assert_string_equal(out, "");
    assert_int_equal(pv_str_to_c(pv_str(NULL), out, 1), 0);
    assert_string_equal(out, "");
    assert_int_equal(pv_str_to_c(PV_STR(""), out, 0), PV_ETOOBIG);
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int bad; /* -1: well-formed */
    } cases[] = {
        {"", -1},
        {"abc", -1},
        {"\x7F", -1},
        {"\xC2\x80", -1},
        {"\xDF\xBF", -1},
        {"\xE0\xA0\x80", -1},
        {"\xED\x9F\xBF", -1},
        {"\xEE\x80\x80", -1},
        {"\xEF\xBF\xBF", -1},
        {"\xF0\x90\x80\x80", -1},
        {"\xF4\x8F\xBF\xBF", -1},
        {"a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80z", -1},
        {"\x80", 0},
        {"ab\xBF", 2},
        {"\xC0\x80", 0}, /* overlong */
        {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xED\xA0\x80", 0}, /* surrogates */
        {"\xED\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0}, /* over U+10FFFF */
        {"\xF5\x80\x80\x80", 0},
        {"\xFE", 0},
        {"\xFF", 0},
        {"a\xC3", 1}, /* cut short */
        {"a\xE2\x82", 1},
        {"a\xF0\x9F\x98", 1},
        {"\xC3\xC3", 0}, /* no continuation */
        {"\xE2\x28\xA1", 0},
        {"\xE2\x82\x28", 0},
        {"\xE2\x82\xC0", 0},
        {"\xF0\x9F\x98\x28", 0},
        {"\xF0\x9F\x28\x80", 0},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        size_t bad = 777;
        bool valid = pv_utf8_valid(pv_str(cases[i].bytes), &bad);
        assert_int_equal(valid, cases[i].bad < 0);
        assert_int_equal(bad, cases[i].bad < 0 ? 777 : cases[i].bad);
        assert_int_equal(pv_utf8_valid(pv_str(cases[i].bytes), NULL), valid);
    }
    assert_true(pv_utf8_valid((struct pv_str){"a\0b", 3}, NULL));
    assert_true(pv_utf8_valid((struct pv_str){NULL, 0}, NULL));
}

static void distance(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "abc", 0},
        {"abc", "abd", 1},
        {"abc", "ab", 1},
        {"abc", "xabc", 1},
        {"abcd", "abdc", 1}, /* swapped neighbours */
        {"ab", "ba", 1},
        {"kitten", "sitting", 3},
        {"sunday", "saturday", 3},
        {"ca", "abc", 3}, /* a swapped pair is not edited again */
        {"memroy", "memory", 1},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_str a = pv_str(cases[i].a);
        struct pv_str b = pv_str(cases[i].b);
        assert_int_equal(pv_str_distance(a, b, 10), cases[i].distance);
        assert_int_equal(pv_str_distance(b, a, 10), cases[i].distance);
        assert_int_equal(pv_str_distance(a, b, cases[i].distance), cases[i].distance);
        if (cases[i].distance > 0) {
            assert_int_equal(pv_str_distance(a, b, cases[i].distance - 1), cases[i].distance);
        }
        assert_true(pv_str_distance(a, b, 0) <= 1);
    }
}

static void long_words_are_equal_or_far(void **state)
{
    (void)state;
    char a[128];
    char b[128];
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    b[5] = 'b';
    assert_int_equal(pv_str_distance((struct pv_str){a, 127}, (struct pv_str){b, 127}, 4), 1);
    assert_int_equal(pv_str_distance((struct pv_str){a, 128}, (struct pv_str){b, 128}, 4), 5);
    assert_int_equal(pv_str_distance((struct pv_str){a, 128}, (struct pv_str){a, 128}, 4), 0);
}

static void nearest(void **state)
{
    (void)state;
    static const char *const words[] = {"memory", "disk", "backups", "domains", "ttl", "url"};
    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {
        {"memroy", "memory"},  {"memory", "memory"},  {"Disk", "disk"},
        {"domain", "domains"}, {"backup", "backups"}, {"uri", "url"},
        {"tl", "ttl"},         {"xyz", NULL},         {"", NULL},
        {"diskettes", NULL},   {"bakups", "backups"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        const char *found = pv_str_nearest(pv_str(cases[i].word), words, PV_COUNT(words));
        if (cases[i].nearest == NULL) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_string_equal(found, cases[i].nearest);
        }
    }
    static const char *const close[] = {"create1", "create", "creates"};
    assert_string_equal(pv_str_nearest(PV_STR("create"), close, 3), "create");
    assert_null(pv_str_nearest(PV_STR("x"), NULL, 0));
    char word[500];
    memset(word, 'w', sizeof(word));
    assert_null(pv_str_nearest((struct pv_str){word, sizeof(word)}, words, PV_COUNT(words)));
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        int64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"007", 0, 7},
        {"42", 0, 42},
        {"-42", 0, -42},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", PV_ETOOBIG, 0},
        {"-9223372036854775809", PV_ETOOBIG, 0},
        {"99999999999999999999999", PV_ETOOBIG, 0},
        {"99999999999999999999999x", PV_EINVAL, 0},
        {"", PV_EINVAL, 0},
        {"-", PV_EINVAL, 0},
        {"+1", PV_EINVAL, 0},
        {" 1", PV_EINVAL, 0},
        {"1 ", PV_EINVAL, 0},
        {"1.0", PV_EINVAL, 0},
        {"0x10", PV_EINVAL, 0},
        {"--1", PV_EINVAL, 0},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        int64_t value = 777;
        assert_int_equal(pv_str_to_i64(pv_str(cases[i].text), &value), cases[i].status);
        assert_true(value == (cases[i].status == 0 ? cases[i].value : 777));
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        uint64_t bytes;
    } cases[] = {
        {"0", 0, 0},
        {"512", 0, 512},
        {"512B", 0, 512},
        {"1kB", 0, 1000},
        {"1KB", 0, 1000},
        {"20MB", 0, 20000000},
        {"3GB", 0, 3000000000},
        {"1TB", 0, 1000000000000},
        {"1PB", 0, 1000000000000000},
        {"1KiB", 0, 1024},
        {"64MiB", 0, UINT64_C(64) << 20},
        {"2GiB", 0, UINT64_C(2) << 30},
        {"4TiB", 0, UINT64_C(4) << 40},
        {"16383PiB", 0, UINT64_C(16383) << 50},
        {"16384PiB", PV_ETOOBIG, 0},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", PV_ETOOBIG, 0},
        {"", PV_EINVAL, 0},
        {"lots", PV_EINVAL, 0},
        {"GiB", PV_EINVAL, 0},
        {"-1", PV_EINVAL, 0},
        {"1.5GiB", PV_EINVAL, 0},
        {"2 GiB", PV_EINVAL, 0},
        {"2Gb", PV_EINVAL, 0},
        {"2gib", PV_EINVAL, 0},
        {"2G", PV_EINVAL, 0},
        {"2GiBx", PV_EINVAL, 0},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        uint64_t bytes = 777;
        assert_int_equal(pv_str_to_size(pv_str(cases[i].text), &bytes), cases[i].status);
        assert_true(bytes == (cases[i].status == 0 ? cases[i].bytes : 777));
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        int64_t ms;
    } cases[] = {
        {"0s", 0, 0},
        {"250ms", 0, 250},
        {"30s", 0, 30000},
        {"10m", 0, 600000},
        {"24h", 0, 86400000},
        {"7d", 0, 604800000},
        {"400d", 0, INT64_C(34560000000)},
        {"9223372036854775807ms", 0, INT64_MAX},
        {"9223372036854775808ms", PV_ETOOBIG, 0},
        {"9223372036854776s", PV_ETOOBIG, 0},
        {"99999999999999999999d", PV_ETOOBIG, 0},
        {"", PV_EINVAL, 0},
        {"30", PV_EINVAL, 0}, /* of what? */
        {"s", PV_EINVAL, 0},
        {"-1s", PV_EINVAL, 0},
        {"1.5h", PV_EINVAL, 0},
        {"1h30m", PV_EINVAL, 0},
        {"1 h", PV_EINVAL, 0},
        {"1S", PV_EINVAL, 0},
        {"1w", PV_EINVAL, 0},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        int64_t ms = 777;
        assert_int_equal(pv_str_to_duration(pv_str(cases[i].text), &ms), cases[i].status);
        assert_true(ms == (cases[i].status == 0 ? cases[i].ms : 777));
    }
}

static void sorts_characters(void **state)
{
    (void)state;
    unsigned digits = 0;
    unsigned tokens = 0;
    unsigned controls = 0;
    for (int c = -128; c < 128; c++) {
        int digit = pv_hex_digit((char)c);
        assert_true(digit < 0 || "0123456789abcdef"[digit] == c || "0123456789ABCDEF"[digit] == c);
        digits += digit >= 0 ? 1 : 0;
        tokens += pv_is_token((char)c) ? 1 : 0;
        controls += pv_is_control((char)c) ? 1 : 0;
        assert_false(pv_is_token((char)c) && pv_is_control((char)c));
    }
    assert_int_equal(digits, 22);
    assert_int_equal(tokens, 77); /* 62 letters and digits, 15 others */
    assert_int_equal(controls, 32);
    assert_true(pv_is_token('|') && !pv_is_token(':') && !pv_is_token(' ') && !pv_is_token('\0'));
    assert_true(pv_is_control('\n') && pv_is_control(0x7f) && !pv_is_control('\t'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(starts),
        cmocka_unit_test(copies_out),
        cmocka_unit_test(utf8),
        cmocka_unit_test(distance),
        cmocka_unit_test(long_words_are_equal_or_far),
        cmocka_unit_test(nearest),
        cmocka_unit_test(integers),
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(sorts_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

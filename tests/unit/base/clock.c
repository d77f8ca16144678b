/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, random numbers and RFC 3339. */
#include "tests/unit/unit.h"

#include "core/base/clock.h"
#include "core/base/hash.h"

#include <string.h>

static void the_system_clocks_go_on(void **state)
{
    (void)state;
    int64_t before = pv_mono_ms(&pv_clock_system);
    assert_true(before > 0);
    assert_true(pv_mono_ms(&pv_clock_system) >= before);
    assert_true(pv_wall_ms(&pv_clock_system) > INT64_C(1700000000000));
}

static int64_t fixed_time(void *ctx)
{
    return *(const int64_t *)ctx;
}

static void an_injected_clock_is_asked(void **state)
{
    (void)state;
    int64_t now = 42;
    struct pv_clock clock = {fixed_time, fixed_time, &now};
    assert_int_equal(pv_mono_ms(&clock), 42);
    now = 43;
    assert_int_equal(pv_wall_ms(&clock), 43);
}

static void a_seed_gives_its_numbers(void **state)
{
    (void)state;
    /* The first numbers of splitmix64 for the seed 1234567, as published with it. */
    static const uint64_t want[] = {
        UINT64_C(6457827717110365317),  UINT64_C(3203168211198807973),
        UINT64_C(9817491932198370423),  UINT64_C(4593380528125082431),
        UINT64_C(16408922859458223821),
    };
    struct pv_seeded seed = {1234567};
    struct pv_rng rng = pv_rng_seeded(&seed);
    for (size_t i = 0; i < PV_COUNT(want); i++) {
        assert_true(pv_rng_u64(&rng) == want[i]);
    }
}

static void seeded_bytes_of_any_length(void **state)
{
    (void)state;
    struct pv_seeded one = {7};
    struct pv_seeded two = {7};
    struct pv_rng rng_one = pv_rng_seeded(&one);
    struct pv_rng rng_two = pv_rng_seeded(&two);
    unsigned char a[21] = {0};
    unsigned char b[24] = {0};
    rng_one.fill(rng_one.ctx, a, 21);
    rng_two.fill(rng_two.ctx, b, 24);
    assert_memory_equal(a, b, 21);
    assert_true(one.state == two.state);
}

static void below_is_below(void **state)
{
    (void)state;
    struct pv_seeded seed = {3};
    struct pv_rng rng = pv_rng_seeded(&seed);
    assert_true(pv_rng_below(&rng, 0) == 0);
    assert_true(pv_rng_below(&rng, 1) == 0);
    unsigned seen[6] = {0};
    for (int i = 0; i < 6000; i++) {
        uint64_t v = pv_rng_below(&rng, 6);
        assert_true(v < 6);
        seen[v]++;
    }
    for (size_t i = 0; i < PV_COUNT(seen); i++) {
        assert_true(seen[i] > 800 && seen[i] < 1200);
    }
}

struct script {
    uint64_t numbers[3];
    size_t at;
};

static void scripted_fill(void *ctx, void *out, size_t len)
{
    struct script *script = ctx;
    assert_int_equal(len, sizeof(uint64_t));
    memcpy(out, &script->numbers[script->at++], len);
}

static void numbers_that_would_favour_some_are_drawn_again(void **state)
{
    (void)state;
    /* 2^64 mod 3 is 1: only 0 is refused. */
    struct script script = {{0, 0, 5}, 0};
    struct pv_rng rng = {scripted_fill, &script};
    assert_true(pv_rng_below(&rng, 3) == 2);
    assert_int_equal(script.at, 3);
}

static void the_system_generator_differs(void **state)
{
    (void)state;
    assert_true(pv_rng_u64(&pv_rng_system) != pv_rng_u64(&pv_rng_system));
}

static void formats_times(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795169640123), "2026-11-20T10:14:00.123Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        char out[PV_TIME_TEXT];
        pv_time_format(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clocks_go_on),
        cmocka_unit_test(an_injected_clock_is_asked),
        cmocka_unit_test(a_seed_gives_its_numbers),
        cmocka_unit_test(seeded_bytes_of_any_length),
        cmocka_unit_test(below_is_below),
        cmocka_unit_test(numbers_that_would_favour_some_are_drawn_again),
        cmocka_unit_test(the_system_generator_differs),
        cmocka_unit_test(formats_times),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

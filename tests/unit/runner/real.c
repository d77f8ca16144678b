/* SPDX-License-Identifier: Apache-2.0 */
/* The runner with provost-host itself: steps run, a plugin that takes its host down costs its own
 * step and no other, whichever way it does it. */
#include "tests/unit/runner/fixture.h"

#include "tests/unit/crashes.h"

#include <stdio.h>
#include <string.h>

static const char *module_path;

static void start(struct fixture *f)
{
    fixture_start(f, NULL);
    f->module = module_path;
}

static void steps_run(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    assert_int_equal(start_step(&f, 1, "fine", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_false(f.told[1].lost);
    assert_int_equal(f.told[1].code, PV_OUT_OK);
    assert_int_equal(start_step(&f, 2, "garbage", false, 60000), 0);
    until(&f, &f.told[2].over);
    assert_int_equal(f.told[2].code, PV_OUT_UNKNOWN);
    assert_int_equal(start_step(&f, 3, "absent", false, 60000), 0);
    until(&f, &f.told[3].over);
    assert_int_equal(f.told[3].code, PV_OUT_NO_STEP);
    assert_int_equal(start_step(&f, 4, "naps", false, 100), 0);
    until(&f, &f.told[4].over);
    assert_int_equal(f.told[4].code, PV_OUT_TEMPORARY);
    fixture_end(&f);
}

static void culprits_are_blamed_and_neighbours_spared(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int lost;
    } cases[] = {
        {"null_pointer", PV_LOST_CULPRIT_UNTOUCHED}, {"aborts", PV_LOST_CULPRIT_UNTOUCHED},
        {"overflows", PV_LOST_CULPRIT_UNTOUCHED},    {"exits", PV_LOST_CULPRIT_UNTOUCHED},
        {"loops", PV_LOST_CULPRIT_UNTOUCHED},        {"thread_crash", PV_LOST_CULPRIT},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct fixture f;
        start(&f);
        f.stuck_after_ms = strcmp(cases[i].step, "loops") == 0 ? 1500 : 0;
        assert_int_equal(start_step(&f, 1, "naps", false, 60000), 0);
        assert_int_equal(start_step(&f, 2, cases[i].step, false, 60000), 0);
        until(&f, &f.told[2].over);
        until(&f, &f.told[1].over);
        assert_true(f.told[2].lost);
        assert_true(f.told[1].lost);
        assert_int_equal(f.told[1].code, PV_LOST_UNTOUCHED);
        /* A sanitizer's handler stands in for the one that names a thread's call. */
        if (!sanitized() || cases[i].lost != PV_LOST_CULPRIT) {
            assert_int_equal(f.told[2].code, cases[i].lost);
        }
        assert_int_equal(start_step(&f, 3, "fine", false, 60000), 0);
        until(&f, &f.told[3].over);
        assert_int_equal(f.told[3].code, PV_OUT_OK);
        fixture_end(&f);
    }
}

static void a_step_that_ignores_cancel_costs_its_host(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.stuck_after_ms = 1000;
    assert_int_equal(start_step(&f, 1, "fine", false, 60000), 0);
    until(&f, &f.told[1].over); /* the host is there */
    assert_int_equal(start_step(&f, 2, "ignores_cancel", false, 100), 0);
    until(&f, &f.told[2].over);
    assert_true(f.told[2].lost);
    assert_int_equal(f.told[2].code, PV_LOST_CULPRIT_UNTOUCHED);
    fixture_end(&f);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PROVOST-HOST MODULE\n", argv[0]);
        return 2;
    }
    fake_host_path = argv[1]; /* the program of the fixture's hosts */
    module_path = argv[2];
    crash_by_signal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_run),
        cmocka_unit_test(culprits_are_blamed_and_neighbours_spared),
        cmocka_unit_test(a_step_that_ignores_cancel_costs_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

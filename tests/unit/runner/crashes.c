/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of calls when their host goes down: each way of going down names its culprit, spares
 * what had touched nothing, and is survived. */
#include "tests/unit/runner/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Three calls wait in the host, in three degrees of having begun: 1 was received, 2 runs, 3 has
 * called its backend. */
static void three_neighbours(struct fixture *f)
{
    assert_int_equal(start_step(f, 1, "received", false, 60000), 0);
    assert_int_equal(start_step(f, 2, "wait", false, 60000), 0);
    assert_int_equal(start_step(f, 3, "touched_wait", false, 60000), 0);
    assert_int_equal(start_step(f, 60, "ok", false, 60000), 0);
    until(f, &f->told[60].over);
}

static void expect_neighbours_spared(const struct fixture *f)
{
    assert_int_equal(f->told[1].code, PV_LOST_UNTOUCHED);
    assert_int_equal(f->told[2].code, PV_LOST_UNTOUCHED);
    assert_int_equal(f->told[3].code, PV_LOST_TOUCHED);
    assert_int_equal(f->told[1].last_send_ms, 0);
    assert_true(f->told[3].last_send_ms > 0);
}

static void every_way_down(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int lost;
        const char *says;
    } cases[] = {
        {"crash", PV_LOST_CULPRIT_UNTOUCHED, "SIGABRT"},
        {"touched_crash", PV_LOST_CULPRIT, "SIGABRT"},
        {"exit", PV_LOST_CULPRIT_UNTOUCHED, "exit status 0"},
        {"loop", PV_LOST_CULPRIT_UNTOUCHED, "did not yield"},
        {"malformed", PV_LOST_CULPRIT_UNTOUCHED, "a malformed OUTCOME"},
        {"wrong_way", PV_LOST_CULPRIT_UNTOUCHED, "only a daemon sends"},
        {"unknown_type", PV_LOST_UNTOUCHED, "no frame"},
        {"garbage", PV_LOST_UNTOUCHED, "no frame"},
        {"foreign", PV_LOST_UNTOUCHED, "does not have"},
        {"nobody_crash", PV_LOST_UNTOUCHED, "SIGABRT"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct fixture f;
        fixture_start(&f, NULL);
        f.stuck_after_ms = strcmp(cases[i].step, "loop") == 0 ? 1500 : 0;
        three_neighbours(&f);
        assert_int_equal(start_step(&f, 4, cases[i].step, false, 60000), 0);
        for (int id = 1; id <= 4; id++) {
            until(&f, &f.told[id].over);
            assert_true(f.told[id].lost);
            assert_non_null(strstr(f.told[id].text, cases[i].says));
        }
        assert_int_equal(f.told[4].code, cases[i].lost);
        expect_neighbours_spared(&f);
        assert_int_equal(start_step(&f, 5, "ok", false, 60000), 0);
        until(&f, &f.told[5].over);
        assert_int_equal(f.told[5].code, PV_OUT_OK);
        struct pv_host_status status;
        host_count(&f, &status);
        assert_int_equal(status.restarts, 1);
        fixture_end(&f);
    }
}

static void a_call_that_was_alone_is_the_culprit(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "nobody_crash", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_LOST_CULPRIT_UNTOUCHED);
    fixture_end(&f);
}

static void the_second_end_in_a_row_blames_all_that_ran(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 11, "wait", false, 60000), 0);
    assert_int_equal(start_step(&f, 12, "nobody_crash", false, 60000), 0);
    until(&f, &f.told[11].over);
    until(&f, &f.told[12].over);
    assert_int_equal(f.told[11].code, PV_LOST_UNTOUCHED);
    assert_int_equal(f.told[12].code, PV_LOST_UNTOUCHED);
    three_neighbours(&f);
    assert_int_equal(start_step(&f, 4, "nobody_crash", false, 60000), 0);
    until(&f, &f.told[1].over);
    until(&f, &f.told[4].over);
    assert_int_equal(f.told[1].code, PV_LOST_UNTOUCHED);
    assert_int_equal(f.told[2].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_int_equal(f.told[3].code, PV_LOST_CULPRIT);
    assert_int_equal(f.told[4].code, PV_LOST_CULPRIT_UNTOUCHED);
    fixture_end(&f);
}

static void a_kill_from_outside_blames_nobody(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 3, "touched_wait", false, 60000), 0);
    assert_int_equal(start_step(&f, 60, "ok", false, 60000), 0);
    until(&f, &f.told[60].over);
    struct pv_host_status status;
    until_pid(&f, &status);
    assert_int_equal(kill(status.pid, SIGKILL), 0);
    until(&f, &f.told[3].over);
    assert_int_equal(f.told[3].code, PV_LOST_TOUCHED);
    fixture_end(&f);
}

static void a_kill_during_the_start_is_no_fault_at_first(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    snprintf(f.settings, sizeof(f.settings), "start-hang");
    for (uint64_t id = 1; id <= 4; id++) {
        struct pv_host_status status = {0};
        assert_int_equal(start_step(&f, id, "ok", false, 60000), 0);
        while (status.pid == 0) {
            uv_run(&f.loop, UV_RUN_ONCE);
            assert_int_equal(host_count(&f, &status), 1);
        }
        assert_int_equal(kill(status.pid, SIGKILL), 0);
        until(&f, &f.told[id].over);
        assert_int_equal(f.told[id].code, id <= 3 ? PV_LOST_UNTOUCHED : PV_LOST_START);
    }
    fixture_end(&f);
}

static void a_call_that_does_not_end_costs_its_host(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_hosts_options options = {.grace_ms = 50};
    fixture_start(&f, &options);
    assert_int_equal(start_step(&f, 3, "touched_wait", false, 60000), 0);
    /* What comes after it is done: the host is there, and that one has been touched. */
    assert_int_equal(start_step(&f, 2, "ok", false, 60000), 0);
    until(&f, &f.told[2].over);
    assert_int_equal(start_step(&f, 4, "deaf", false, 50), 0);
    until(&f, &f.told[4].over);
    assert_int_equal(f.told[4].code, PV_LOST_CULPRIT_UNTOUCHED);
    until(&f, &f.told[3].over);
    assert_int_equal(f.told[3].code, PV_LOST_TOUCHED);
    /* The same for one that ignores a cancel, long before its time is over. */
    assert_int_equal(start_step(&f, 5, "deaf", false, 60000), 0);
    assert_int_equal(start_step(&f, 6, "ok", false, 60000), 0);
    until(&f, &f.told[6].over);
    f.runner.cancel(f.runner.ctx, 5);
    until(&f, &f.told[5].over);
    assert_int_equal(f.told[5].code, PV_LOST_CULPRIT_UNTOUCHED);
    fixture_end(&f);
}

static void memory_has_a_limit(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.memory_max = 48u << 20;
    assert_int_equal(start_step(&f, 1, "grow", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_true(f.told[1].lost);
    assert_int_equal(f.told[1].code, PV_LOST_CULPRIT_UNTOUCHED); /* alone */
    assert_non_null(strstr(f.told[1].text, "its limit is 48 MiB"));
    fixture_end(&f);
}

static void memory_of_programs_counts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.memory_max = 48u << 20;
    assert_int_equal(start_step(&f, 1, "grow_below", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_true(f.told[1].lost);
    assert_int_equal(f.told[1].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_non_null(strstr(f.told[1].text, "with the programs it started, its limit is 48 MiB"));
    fixture_end(&f);
}

static void a_thread_that_spins_costs_its_call(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.cpu_max_ms = 200;
    assert_int_equal(start_step(&f, 1, "touched_wait", false, 60000), 0);
    assert_int_equal(start_step(&f, 2, "spin", false, 60000), 0);
    until(&f, &f.told[1].over);
    until(&f, &f.told[2].over);
    assert_int_equal(f.told[1].code, PV_LOST_TOUCHED);
    assert_int_equal(f.told[2].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_non_null(strstr(f.told[2].text, "its limit is 200 ms"));
    fixture_end(&f);
}

static void a_thread_that_names_no_call_blames_who_is_alone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.cpu_max_ms = 200;
    assert_int_equal(start_step(&f, 1, "spin_unnamed", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_int_equal(start_step(&f, 2, "wait", false, 60000), 0);
    assert_int_equal(start_step(&f, 3, "spin_unnamed", false, 60000), 0);
    until(&f, &f.told[2].over);
    until(&f, &f.told[3].over);
    assert_int_equal(f.told[2].code, PV_LOST_UNTOUCHED);
    assert_int_equal(f.told[3].code, PV_LOST_UNTOUCHED);
    fixture_end(&f);
}

static void busy_hosts_are_killed_on_request(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    three_neighbours(&f);
    pv_hosts_kill_busy(f.hosts);
    for (int id = 1; id <= 3; id++) {
        until(&f, &f.told[id].over);
    }
    expect_neighbours_spared(&f);
    fixture_end(&f);
}

static void the_end_of_the_spawner_is_told(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    three_neighbours(&f);
    assert_int_equal(kill(f.spawner.pid, SIGKILL), 0);
    until(&f, &f.gone);
    expect_neighbours_spared(&f);
    assert_int_equal(start_step(&f, 9, "ok", false, 60000), PV_EBUSY);
    fixture_end(&f);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FAKE_HOST\n", argv[0]);
        return 2;
    }
    fake_host_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_down),
        cmocka_unit_test(a_call_that_was_alone_is_the_culprit),
        cmocka_unit_test(the_second_end_in_a_row_blames_all_that_ran),
        cmocka_unit_test(a_kill_from_outside_blames_nobody),
        cmocka_unit_test(a_kill_during_the_start_is_no_fault_at_first),
        cmocka_unit_test(a_call_that_does_not_end_costs_its_host),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(memory_of_programs_counts),
        cmocka_unit_test(a_thread_that_spins_costs_its_call),
        cmocka_unit_test(a_thread_that_names_no_call_blames_who_is_alone),
        cmocka_unit_test(busy_hosts_are_killed_on_request),
        cmocka_unit_test(the_end_of_the_spawner_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of notifications; and of them when memory runs out. */
#include "tests/unit/notify/rig.h"
#include "tests/unit/starve.h"

#include "core/base/log.h"

#include <string.h>
#include <unistd.h>

#define SERVICES 20

static void a_subscriber_that_is_down_for_hours(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    for (unsigned i = 0; i < SERVICES; i++) {
        make_service(&rig, i);
        tell(&rig, i, 1);
        tell(&rig, i, 2);
    }
    int64_t begun_ms = rig.now_ms;
    poke(&rig);
    assert_int_equal(rig.post_count, 4); /* max_in_flight */
    while (rig.now_ms < begun_ms + 5 * HOUR_MS) {
        answer(&rig, 0, -1);
        wake(&rig);
    }
    /* At most one a minute and a few at the beginning, however much waits. */
    assert_true(rig.attempts < 5 * 60 + 40);
    assert_int_equal(rig.most, 4);
    assert_int_equal(counters(&rig).delivered, 0);
    for (int i = 0; counters(&rig).delivered < 2 * SERVICES; i++) {
        assert_true(i < 1000);
        if (rig.post_count > 0) {
            answer(&rig, 204, -1);
        } else {
            wake(&rig);
        }
    }
    assert_true(rig.now_ms < begun_ms + 7 * HOUR_MS);
    assert_int_equal(counters(&rig).undelivered, 0);
    tear_down(&rig);
}

static void after_three_days_it_is_given_up(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    int64_t begun_ms = rig.now_ms;
    char first[64];
    memcpy(first, rig.last_id, sizeof(first));
    while (counters(&rig).undelivered == 0) {
        assert_true(rig.now_ms <= begun_ms + 72 * HOUR_MS + 60000);
        assert_string_equal(rig.last_id, first); /* the same in every attempt */
        if (rig.post_count > 0) {
            answer(&rig, 500, -1);
        } else {
            wake(&rig);
        }
    }
    assert_true(rig.now_ms >= begun_ms + 72 * HOUR_MS);
    assert_true(rig.attempts > 72 && rig.attempts < 200);
    int64_t end_ms = begun_ms + 72 * HOUR_MS + rig.list[0].keep_undelivered_ms;
    while (row_of(&rig).written > 0) {
        assert_int_equal(row_of(&rig).undelivered, 1); /* still there: it may be tried again */
        assert_true(rig.now_ms < end_ms + HOUR_MS);
        wake(&rig);
    }
    assert_true(rig.now_ms > end_ms);
    assert_int_equal(row_of(&rig).undelivered, 0);
    tear_down(&rig);
}

/* Its time begins then, however long after the event. */
static void what_is_given_up_late_is_kept_as_long(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    rig.now_ms += 1000 * HOUR_MS;
    answer(&rig, 500, -1);
    assert_int_equal(counters(&rig).undelivered, 1);
    int64_t end_ms = rig.now_ms + rig.list[0].keep_undelivered_ms;
    while (row_of(&rig).written > 0) {
        assert_true(rig.now_ms < end_ms + HOUR_MS);
        wake(&rig);
    }
    assert_true(rig.now_ms > end_ms);
    tear_down(&rig);
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    int64_t begun_ms = rig.now_ms;
    answer(&rig, 429, 600000);
    while (rig.post_count == 0) {
        wake(&rig);
    }
    assert_true(rig.now_ms >= begun_ms + 600000);
    assert_true(rig.now_ms < begun_ms + 660000);
    tear_down(&rig);
}

static void a_removed_subscriber_is_let_go(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    assert_int_equal(pv_notifier_set(rig.notifier, NULL, 0), 0);
    assert_int_equal(rig.post_count, 0); /* canceled */
    turn(&rig);
    assert_int_equal(counters(&rig).in_flight, 0);
    tear_down(&rig);
}

/* ---- allocation n fails ---- */

#define MOST 1000u

/* A part of the test in which memory may run out; after it there is some again. */
static int hungry(struct rig *rig, int (*part)(struct rig *rig))
{
    starve_on();
    int status = part(rig);
    starve_off();
    if (starve_hit) {
        (void)starve_end();
        starve_hit = true;
    }
    assert_true(status == 0 || (starve_hit && status == PV_ENOMEM));
    return status;
}

static int subscribe(struct rig *rig)
{
    int status = pv_notifier_set(rig->notifier, rig->list, 1);
    turn(rig);
    return status;
}

static int answer_500(struct rig *rig)
{
    answer(rig, 500, -1);
    return 0;
}

static int answer_204(struct rig *rig)
{
    answer(rig, 204, -1);
    return 0;
}

static int answer_410(struct rig *rig)
{
    answer(rig, 410, -1);
    return 0;
}

static int wake_once(struct rig *rig)
{
    wake(rig);
    return 0;
}

static int close_it(struct rig *rig)
{
    pv_notifier_close(rig->notifier, on_closed, rig);
    turn(rig);
    return 0;
}

/* Goes on until the store says that so many are delivered, or that it is disabled. */
static void go_on(struct rig *rig, uint64_t delivered, bool disabled, int (*reply)(struct rig *rig))
{
    for (int i = 0; row_of(rig).delivered < delivered || (row_of(rig).disabled_ms != 0) != disabled;
         i++) {
        assert_true(i < 100);
        (void)hungry(rig, rig->post_count > 0 ? reply : wake_once);
    }
}

static void fed(bool begin)
{
    if (begin) {
        starve_off();
    } else {
        starve_on();
    }
}

static bool starves_at(const void *of, unsigned long n)
{
    (void)of;
    struct rig rig;
    set_up_store(&rig);
    rig.fed = fed;
    make_service(&rig, 1);
    make_service(&rig, 2);
    starve_at(n);
    if (hungry(&rig, make_notifier) != 0) {
        assert_int_equal(make_notifier(&rig), 0);
    }
    if (hungry(&rig, subscribe) != 0) {
        assert_int_equal(subscribe(&rig), 0);
    }
    while (!find_row(&rig, &(struct pv_subscriber_row){.written = 0})) {
        (void)hungry(&rig, wake_once); /* the store has not taken the list yet */
    }
    tell(&rig, 1, 1);
    tell(&rig, 2, 1);
    (void)hungry(&rig, poke);
    if (rig.post_count > 0) {
        (void)hungry(&rig, answer_500);
    }
    go_on(&rig, 2, false, answer_204);
    assert_int_equal(row_of(&rig).written, 2);
    assert_int_equal(row_of(&rig).delivered, 2); /* none is counted twice */
    tell(&rig, 1, 2);
    (void)hungry(&rig, poke);
    go_on(&rig, 2, true, answer_410);
    assert_int_equal(row_of(&rig).written, 3);
    (void)hungry(&rig, close_it);
    bool reached = starve_end();
    tear_down_store(&rig);
    return reached;
}

static void whatever_allocation_fails_all_is_delivered(void **state)
{
    (void)state;
    starve_each(starves_at, NULL, 50, MOST);
}

int main(void)
{
    pv_log_setup(STDERR_FILENO, 0, PV_ERROR, "test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subscriber_that_is_down_for_hours),
        cmocka_unit_test(after_three_days_it_is_given_up),
        cmocka_unit_test(what_is_given_up_late_is_kept_as_long),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(a_removed_subscriber_is_let_go),
        cmocka_unit_test(whatever_allocation_fails_all_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the notifier does when the store refuses, or has a body that cannot be opened. */
#include "tests/unit/notify/rig.h"

#include "core/base/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int log_ends[2];

/* How many of the lines that were logged since the last call have this in them. */
static size_t logged(const char *what)
{
    static char text[64 * 1024];
    ssize_t len = read(log_ends[0], text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

/* The number of the subscriber's first row; its error and state. */
static uint64_t first_row(struct rig *rig, char ret_error[PV_NOTIFY_ERROR], bool *ret_undelivered)
{
    struct pv_outbox_req req = {
        .what = PV_OUTBOX_LIST, .subscriber = PV_STR("a"), .limit = 1, .now_ms = rig->now_ms};
    ask(rig, &req);
    assert_int_equal(req.ret_count, 1);
    const struct pv_outbox_row *row = &req.ret_rows[0];
    uint64_t n = row->n;
    *ret_undelivered = row->undelivered;
    assert_int_equal(pv_str_to_c(row->error, ret_error, PV_NOTIFY_ERROR), 0);
    pv_req_done(&req.req);
    return n;
}

static void a_body_that_cannot_be_opened_blocks_nothing(void **state)
{
    (void)state;
    struct rig rig;
    char error[PV_NOTIFY_ERROR];
    bool undelivered = true;
    set_up(&rig);
    make_service(&rig, 1);
    make_service(&rig, 2);
    tell(&rig, 1, 1);
    tell(&rig, 1, 2);
    tell(&rig, 2, 1);
    rig.damaged_n = first_row(&rig, error, &undelivered);
    assert_false(undelivered);
    int64_t begun_ms = rig.now_ms;
    poke(&rig);
    assert_int_equal(rig.post_count, 2); /* the one behind it, and the other service's */
    assert_int_equal(counters(&rig).undelivered, 1);
    assert_int_equal(counters(&rig).failed, 0); /* nobody was asked */
    assert_int_equal(counters(&rig).in_flight, 2);
    assert_int_equal(row_of(&rig).undelivered, 1);
    assert_int_equal(first_row(&rig, error, &undelivered), rig.damaged_n);
    assert_true(undelivered);
    assert_string_equal(error, "its body cannot be opened");
    answer(&rig, 204, -1);
    assert_int_equal(row_of(&rig).delivered, 2);
    assert_int_equal(rig.now_ms, begun_ms);
    assert_int_equal(logged("its body cannot be opened"), 1);
    /* When it can be opened again, an operator has it sent. */
    uint64_t n = rig.damaged_n;
    rig.damaged_n = 0;
    struct pv_outbox_req req = {
        .what = PV_OUTBOX_RETRY, .subscriber = PV_STR("a"), .n = n, .now_ms = rig.now_ms};
    ask(&rig, &req);
    pv_req_done(&req.req);
    poke(&rig);
    answer(&rig, 204, -1);
    assert_int_equal(row_of(&rig).delivered, 3);
    assert_int_equal(row_of(&rig).undelivered, 0);
    tear_down(&rig);
}

/* More of them than may be under way at once, and the store cannot write that they are given up. */
static void many_bodies_that_cannot_be_opened_are_given_up_once_each(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    for (unsigned i = 1; i <= 10; i++) {
        make_service(&rig, i);
        tell(&rig, i, 1);
    }
    rig.damaged_n = UINT64_MAX; /* all of them */
    pv_notifier_poke(rig.notifier);
    assert_int_equal(pv_mem_store_turn(rig.store, 1), 1); /* the TAKE */
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    turn(&rig);
    assert_int_equal(counters(&rig).undelivered, 4);
    for (int i = 0; i < 5; i++) {
        wake(&rig);
    }
    assert_int_equal(counters(&rig).undelivered, 4);
    assert_int_equal(logged("its body cannot be opened"), 4);
    pv_mem_store_fail(rig.store, 0);
    while (row_of(&rig).undelivered < 10) {
        assert_true(counters(&rig).undelivered <= 10);
        wake(&rig);
    }
    assert_int_equal(counters(&rig).undelivered, 10);
    assert_int_equal(counters(&rig).in_flight, 0);
    assert_int_equal(logged("its body cannot be opened"), 6);
    assert_int_equal(rig.attempts, 0);
    tear_down(&rig);
}

static void that_nothing_can_be_read_is_logged_once(void **state)
{
    (void)state;
    struct rig rig;
    set_up(&rig);
    make_service(&rig, 1);
    tell(&rig, 1, 1);
    for (int round = 0; round < 2; round++) {
        pv_mem_store_fail(rig.store, PV_EIO);
        poke(&rig);
        for (int i = 0; i < 10; i++) {
            wake(&rig);
        }
        assert_int_equal(rig.post_count, 0);
        assert_int_equal(logged("what is due cannot be read"), 1);
        pv_mem_store_fail(rig.store, 0);
        while (rig.post_count == 0) {
            wake(&rig);
        }
        answer(&rig, 204, -1);
        tell(&rig, 1, 2 + (unsigned)round);
    }
    assert_int_equal(row_of(&rig).delivered, 2);
    tear_down(&rig);
}

/* For an hour the answer cannot be written down. */
static void what_could_not_be_noted_is_noted_later_and_not_sent_again(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    make_service(&rig, 2);
    int64_t begun_ms = rig.now_ms;
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    answer(&rig, 204, -1);
    while (rig.now_ms < begun_ms + HOUR_MS) {
        wake(&rig);
        assert_int_equal(rig.post_count, 0);
    }
    assert_int_equal(counters(&rig).in_flight, 1);
    assert_int_equal(logged("what became of a notification cannot be written"), 1);
    pv_mem_store_fail(rig.store, 0);
    assert_int_equal(row_of(&rig).delivered, 0);
    tell(&rig, 1, 2); /* behind it */
    tell(&rig, 2, 1);
    while (rig.post_count < 2) {
        wake(&rig);
    }
    assert_true(rig.now_ms < begun_ms + HOUR_MS + 5000);
    assert_int_equal(row_of(&rig).delivered, 1);
    answer(&rig, 204, -1);
    assert_int_equal(rig.attempts, 3);
    assert_int_equal(row_of(&rig).delivered, 3);
    assert_int_equal(row_of(&rig).written, 3);
    assert_int_equal(counters(&rig).in_flight, 0);
    tear_down(&rig);
}

/* Nobody is asked before the time it named, though that could not be written at once. */
static void a_refusing_store_shortens_no_pause(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    make_service(&rig, 2);
    tell(&rig, 2, 1);
    int64_t begun_ms = rig.now_ms;
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    answer(&rig, 429, HOUR_MS);
    for (int i = 0; i < 3; i++) {
        wake(&rig);
    }
    pv_mem_store_fail(rig.store, 0);
    while (rig.post_count == 0) {
        wake(&rig);
    }
    assert_true(rig.now_ms >= begun_ms + HOUR_MS);
    assert_true(rig.now_ms < begun_ms + HOUR_MS + 60000);
    answer(&rig, 204, -1);
    tear_down(&rig);
}

/* The same, when it is a TAKE that fails after the answer. */
static void a_failed_read_shortens_no_pause(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    make_service(&rig, 2);
    tell(&rig, 2, 1);
    int64_t begun_ms = rig.now_ms;
    pv_notifier_poke(rig.notifier); /* a TAKE is under way, the answer comes meanwhile */
    struct pv_notify_post *one = rig.posts[--rig.post_count];
    one->done(one, 429, HOUR_MS, "");
    pv_mem_store_fail(rig.store, PV_EIO);
    assert_int_equal(pv_mem_store_turn(rig.store, 1), 1);
    pv_mem_store_fail(rig.store, 0);
    turn(&rig);
    while (rig.post_count == 0) {
        wake(&rig);
    }
    assert_true(rig.now_ms >= begun_ms + HOUR_MS);
    answer(&rig, 204, -1);
    tear_down(&rig);
}

static void a_subscriber_may_go_while_its_outcome_is_not_written(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    answer(&rig, 204, -1);
    assert_int_equal(counters(&rig).in_flight, 1);
    pv_mem_store_fail(rig.store, 0);
    assert_int_equal(pv_notifier_set(rig.notifier, NULL, 0), 0);
    turn(&rig);
    assert_int_equal(counters(&rig).in_flight, 0);
    tear_down(&rig);
}

static void the_end_waits_for_no_outcome_that_cannot_be_written(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    answer(&rig, 204, -1);
    tear_down(&rig);
}

/* 410, and the store takes no request at this moment. */
static void gone_is_understood_while_the_store_refuses(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    rig.refuse = PV_ENOMEM;
    answer(&rig, 410, -1);
    assert_int_equal(counters(&rig).disabled, 1);
    rig.refuse = 0;
    while (row_of(&rig).disabled_ms == 0) {
        if (rig.post_count > 0) {
            answer(&rig, 410, -1); /* asked again, as that could not be written */
        } else {
            wake(&rig);
        }
    }
    assert_int_equal(row_of(&rig).written, 1);
    tear_down(&rig);
}

int main(void)
{
    assert_int_equal(pipe2(log_ends, O_NONBLOCK | O_CLOEXEC), 0);
    pv_log_setup(log_ends[1], 0, PV_ERROR, "test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_cannot_be_opened_blocks_nothing),
        cmocka_unit_test(many_bodies_that_cannot_be_opened_are_given_up_once_each),
        cmocka_unit_test(that_nothing_can_be_read_is_logged_once),
        cmocka_unit_test(what_could_not_be_noted_is_noted_later_and_not_sent_again),
        cmocka_unit_test(a_refusing_store_shortens_no_pause),
        cmocka_unit_test(a_failed_read_shortens_no_pause),
        cmocka_unit_test(a_subscriber_may_go_while_its_outcome_is_not_written),
        cmocka_unit_test(the_end_waits_for_no_outcome_that_cannot_be_written),
        cmocka_unit_test(gone_is_understood_while_the_store_refuses),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(log_ends[0]);
    close(log_ends[1]);
    return failed;
}

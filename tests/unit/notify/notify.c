/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier on a virtual clock, over the memory store, with a transport that the test answers.
 */
#include "tests/unit/starve.h"
#include "tests/unit/unit.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/notify/notify.h"
#include "core/store/store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOUR_MS (3600 * 1000LL)
#define SERVICES 20

struct rig {
    int64_t now_ms;
    struct pv_seeded seed;
    struct pv_keyring *keyring;
    struct pv_store *store;
    struct pv_notifier *notifier;
    struct pv_secret *key;
    struct pv_notify_subscriber list[1];
    int64_t armed_ms;
    struct pv_notify_post *posts[64]; /* under way */
    size_t post_count;
    size_t attempts;
    size_t most; /* under way at once */
    char last_id[64];
    bool closed;
};

static int64_t now_of(void *ctx)
{
    const struct rig *rig = ctx;
    return rig->now_ms;
}

static int post(void *ctx, struct pv_notify_post *one)
{
    struct rig *rig = ctx;
    assert_true(rig->post_count < 64);
    rig->posts[rig->post_count++] = one;
    rig->attempts++;
    rig->most = rig->post_count > rig->most ? rig->post_count : rig->most;
    memcpy(rig->last_id, one->id, sizeof(rig->last_id));
    starve_off();
    assert_int_equal(pv_webhook_verify(rig->key, pv_str(one->id), pv_str(one->timestamp),
                                       pv_str(one->signature), one->body, rig->now_ms / 1000),
                     0);
    starve_on();
    return 0;
}

static void cancel(void *ctx, struct pv_notify_post *one)
{
    struct rig *rig = ctx;
    for (size_t i = 0; i < rig->post_count; i++) {
        if (rig->posts[i] == one) {
            rig->posts[i] = rig->posts[--rig->post_count];
            return;
        }
    }
    fail();
}

static void arm(void *ctx, int64_t mono_ms)
{
    struct rig *rig = ctx;
    rig->armed_ms = mono_ms;
}

static void turn(struct rig *rig)
{
    while (pv_mem_store_turn(rig->store, 1000) > 0) {}
}

/* Answers everything that is under way. */
static void answer(struct rig *rig, int status, int64_t retry_after_ms)
{
    while (rig->post_count > 0) {
        struct pv_notify_post *one = rig->posts[--rig->post_count];
        one->done(one, status, retry_after_ms, "the connection was refused");
        turn(rig);
    }
}

/* Lets time pass until the next thing is due. */
static void wake(struct rig *rig)
{
    assert_true(rig->armed_ms != INT64_MAX);
    rig->now_ms = rig->armed_ms > rig->now_ms ? rig->armed_ms : rig->now_ms;
    rig->armed_ms = INT64_MAX;
    pv_notifier_tick(rig->notifier);
    turn(rig);
}

static int make_notifier(struct rig *rig)
{
    const struct pv_clock clock = {now_of, now_of, rig};
    const struct pv_notifier_options options = {
        .clock = clock,
        .rng = pv_rng_seeded(&rig->seed),
        .store = rig->store,
        .transport = {post, cancel, rig},
        .arm = arm,
        .arm_ctx = rig,
    };
    return pv_notifier_new(&options, &rig->notifier);
}

/* Everything but the notifier. */
static void set_up_store(struct rig *rig)
{
    static const uint8_t bytes[64] = {1};
    memset(rig, 0, sizeof(*rig));
    rig->now_ms = 1700000000000;
    rig->armed_ms = INT64_MAX;
    assert_int_equal(pv_keyring_fixed(bytes, &rig->keyring), 0);
    assert_int_equal(pv_mem_store_open(rig->keyring, (struct pv_id){{1}}, &rig->store), 0);
    assert_int_equal(pv_webhook_secret(PV_STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &rig->key),
                     0);
    rig->list[0] = (struct pv_notify_subscriber){
        .filter = {PV_STR("a"), NULL, 0, ~0u},
        .url = PV_STR("https://shop.example/"),
        .keys = {rig->key},
        .timeout_ms = 1000,
        .max_in_flight = 4,
        .retry_initial_ms = 5000,
        .retry_cap_ms = HOUR_MS,
        .retry_for_ms = 72 * HOUR_MS,
        .keep_undelivered_ms = 720 * HOUR_MS,
    };
}

static void set_up(struct rig *rig)
{
    set_up_store(rig);
    assert_int_equal(make_notifier(rig), 0);
    assert_int_equal(pv_notifier_set(rig->notifier, rig->list, 1), 0);
    turn(rig);
}

static void on_closed(void *user)
{
    struct rig *rig = user;
    rig->closed = true;
}

static void nothing(void *user)
{
    (void)user;
}

static void nothing_of(struct pv_req *req)
{
    (void)req;
}

static void tear_down_store(struct rig *rig)
{
    assert_true(rig->closed);
    assert_int_equal(rig->post_count, 0);
    rig->store->ops->close(rig->store, nothing, NULL);
    (void)pv_mem_store_turn(rig->store, 1);
    pv_keyring_free(rig->keyring);
    pv_secret_free(rig->key);
}

static void tear_down(struct rig *rig)
{
    pv_notifier_close(rig->notifier, on_closed, rig);
    turn(rig);
    tear_down_store(rig);
}

/* Has the store accept an event of a service, whose other members are the item's. */
static void accept_item(struct rig *rig, unsigned service, struct pv_accept_item item)
{
    char name[16];
    snprintf(name, sizeof(name), "s%u", service);
    item.service = (struct pv_id){{3, (uint8_t)service}};
    item.source = PV_STR("shop");
    item.external_id = pv_str(name);
    item.canonical = PV_STR("x");
    item.body = PV_STR("{}");
    item.actor = PV_STR("test");
    item.has_sequence = true;
    struct pv_accept accept = {.items = &item, .count = 1, .now_ms = rig->now_ms, .epoch = 1};
    pv_req_init(&accept.req, PV_REQ_ACCEPT, pv_req_done, NULL);
    assert_int_equal(pv_store_submit(rig->store, &accept.req), 0);
    turn(rig);
    assert_int_equal(accept.req.status, 0);
}

/* An event that is over at once: an old sequence number. Each is one notification. */
static void tell(struct rig *rig, unsigned service, unsigned number)
{
    accept_item(rig, service,
                (struct pv_accept_item){.op = {{2, (uint8_t)service, (uint8_t)number}},
                                        .type = PV_OP_TERMINATE,
                                        .sequence = 0});
}

/* A service whose next events with sequence 0 are superseded at once. */
static void make_service(struct rig *rig, unsigned service)
{
    accept_item(rig, service,
                (struct pv_accept_item){.op = {{1, (uint8_t)service}},
                                        .type = PV_OP_CREATE,
                                        .product = PV_STR("p"),
                                        .plan_name = PV_STR("q"),
                                        .lane = PV_STR(""),
                                        .sequence = 10});
}

static int poke(struct rig *rig)
{
    pv_notifier_poke(rig->notifier);
    turn(rig);
    return 0;
}

/* One notification is under way. */
static void set_up_with_a_post(struct rig *rig)
{
    set_up(rig);
    make_service(rig, 1);
    tell(rig, 1, 1);
    poke(rig);
    assert_int_equal(rig->post_count, 1);
}

static struct pv_notifier_counters counters(const struct rig *rig)
{
    struct pv_notifier_counters c;
    pv_notifier_counters(rig->notifier, &c);
    return c;
}

/* What the store knows of the subscriber; false: nothing yet. */
static bool find_row(struct rig *rig, struct pv_subscriber_row *ret_row)
{
    struct pv_outbox_req req = {.what = PV_OUTBOX_STATUS};
    pv_req_init(&req.req, PV_REQ_OUTBOX, NULL, NULL);
    req.req.done = nothing_of;
    assert_int_equal(pv_store_submit(rig->store, &req.req), 0);
    turn(rig);
    assert_int_equal(req.req.status, 0);
    bool any = req.ret_subscriber_count > 0;
    if (any) {
        *ret_row = req.ret_subscribers[0];
    }
    pv_req_done(&req.req);
    return any;
}

static struct pv_subscriber_row row_of(struct rig *rig)
{
    struct pv_subscriber_row row = {.written = 0};
    assert_true(find_row(rig, &row));
    return row;
}

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
    int64_t end_ms = begun_ms + (72 + 720) * HOUR_MS;
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
    int64_t end_ms = rig.now_ms + 720 * HOUR_MS;
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

static void the_store_refuses_for_a_while(void **state)
{
    (void)state;
    struct rig rig;
    set_up_with_a_post(&rig);
    pv_mem_store_fail(rig.store, PV_ENOSPACE);
    answer(&rig, 204, -1);
    pv_mem_store_fail(rig.store, 0);
    while (rig.post_count == 0) {
        wake(&rig); /* it could not be noted: it is sent again */
    }
    answer(&rig, 204, -1);
    poke(&rig);
    assert_int_equal(rig.post_count, 0);
    assert_int_equal(rig.attempts, 2);
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

static bool starves_at(const void *of, unsigned long n)
{
    (void)of;
    struct rig rig;
    set_up_store(&rig);
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
        cmocka_unit_test(the_store_refuses_for_a_while),
        cmocka_unit_test(whatever_allocation_fails_all_is_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

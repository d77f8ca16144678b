/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/notify/rig.h"

#include <stdio.h>
#include <string.h>

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
    if (rig->fed != NULL) {
        rig->fed(true);
    }
    assert_int_equal(pv_webhook_verify(rig->key, pv_str(one->id), pv_str(one->timestamp),
                                       pv_str(one->signature), one->body, rig->now_ms / 1000),
                     0);
    if (rig->fed != NULL) {
        rig->fed(false);
    }
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

void turn(struct rig *rig)
{
    while (pv_mem_store_turn(rig->store, 1000) > 0) {}
}

void answer(struct rig *rig, int status, int64_t retry_after_ms)
{
    while (rig->post_count > 0) {
        struct pv_notify_post *one = rig->posts[--rig->post_count];
        one->done(one, status, retry_after_ms, "the connection was refused");
        turn(rig);
    }
}

void wake(struct rig *rig)
{
    assert_true(rig->armed_ms != INT64_MAX);
    rig->now_ms = rig->armed_ms > rig->now_ms ? rig->armed_ms : rig->now_ms;
    rig->armed_ms = INT64_MAX;
    pv_notifier_tick(rig->notifier);
    turn(rig);
}

/* ---- the store, as the notifier sees it ---- */

static struct rig *damaging; /* whose TAKE is under way */

static void damage(struct pv_req *req)
{
    struct pv_outbox_req *take = PV_CONTAINER(req, struct pv_outbox_req, req);
    for (size_t i = 0; req->status == 0 && i < take->ret_count; i++) {
        if (damaging->damaged_n == UINT64_MAX || take->ret_rows[i].n == damaging->damaged_n) {
            take->ret_rows[i].body = (struct pv_str){NULL, 0};
        }
    }
    damaging->taken(req);
}

static int front_submit(struct pv_store *store, struct pv_req *req)
{
    struct rig *rig = PV_CONTAINER(store, struct rig, front);
    if (rig->refuse != 0) {
        return rig->refuse;
    }
    if (PV_CONTAINER(req, struct pv_outbox_req, req)->what == PV_OUTBOX_TAKE) {
        damaging = rig;
        rig->taken = req->done;
        req->done = damage;
    }
    return pv_store_submit(rig->store, req);
}

int make_notifier(struct rig *rig)
{
    static const struct pv_store_ops front_ops = {front_submit, NULL};
    const struct pv_clock clock = {now_of, now_of, rig};
    rig->front = *rig->store;
    rig->front.ops = &front_ops;
    const struct pv_notifier_options options = {
        .clock = clock,
        .rng = pv_rng_seeded(&rig->seed),
        .store = &rig->front,
        .transport = {post, cancel, rig},
        .arm = arm,
        .arm_ctx = rig,
    };
    return pv_notifier_new(&options, &rig->notifier);
}

void set_up_store(struct rig *rig)
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

void set_up(struct rig *rig)
{
    set_up_store(rig);
    assert_int_equal(make_notifier(rig), 0);
    assert_int_equal(pv_notifier_set(rig->notifier, rig->list, 1), 0);
    turn(rig);
}

void on_closed(void *user)
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

void tear_down_store(struct rig *rig)
{
    assert_true(rig->closed);
    assert_int_equal(rig->post_count, 0);
    rig->store->ops->close(rig->store, nothing, NULL);
    (void)pv_mem_store_turn(rig->store, 1);
    pv_keyring_free(rig->keyring);
    pv_secret_free(rig->key);
}

void tear_down(struct rig *rig)
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

void tell(struct rig *rig, unsigned service, unsigned number)
{
    accept_item(rig, service,
                (struct pv_accept_item){.op = {{2, (uint8_t)service, (uint8_t)number}},
                                        .type = PV_OP_TERMINATE,
                                        .sequence = 0});
}

void make_service(struct rig *rig, unsigned service)
{
    accept_item(rig, service,
                (struct pv_accept_item){.op = {{1, (uint8_t)service}},
                                        .type = PV_OP_CREATE,
                                        .product = PV_STR("p"),
                                        .plan_name = PV_STR("q"),
                                        .lane = PV_STR(""),
                                        .sequence = 10});
}

int poke(struct rig *rig)
{
    pv_notifier_poke(rig->notifier);
    turn(rig);
    return 0;
}

void set_up_with_a_post(struct rig *rig)
{
    set_up(rig);
    make_service(rig, 1);
    tell(rig, 1, 1);
    poke(rig);
    assert_int_equal(rig->post_count, 1);
}

struct pv_notifier_counters counters(const struct rig *rig)
{
    struct pv_notifier_counters c;
    pv_notifier_counters(rig->notifier, &c);
    return c;
}

void ask(struct rig *rig, struct pv_outbox_req *req)
{
    pv_req_init(&req->req, PV_REQ_OUTBOX, nothing_of, NULL);
    assert_int_equal(pv_store_submit(rig->store, &req->req), 0);
    turn(rig);
    assert_int_equal(req->req.status, 0);
}

bool find_row(struct rig *rig, struct pv_subscriber_row *ret_row)
{
    struct pv_outbox_req req = {.what = PV_OUTBOX_STATUS};
    ask(rig, &req);
    bool any = req.ret_subscriber_count > 0;
    if (any) {
        *ret_row = req.ret_subscribers[0];
    }
    pv_req_done(&req.req);
    return any;
}

struct pv_subscriber_row row_of(struct rig *rig)
{
    struct pv_subscriber_row row = {.written = 0};
    assert_true(find_row(rig, &row));
    return row;
}

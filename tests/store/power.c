/* SPDX-License-Identifier: Apache-2.0 */
/* Power fails at every kind of moment: the store works on a disk that is recorded (disk.h); then,
 * for one moment after another, it is opened on what the disk may hold, and nothing that it has
 * acknowledged by then is missing. PROVOST_SEEDS: disks for each moment that is tried (1;
 * PROVOST_SEED the first), PROVOST_MOMENTS: how many moments of each run (200; 0: all). */
#include "tests/store/disk.h"
#include "tests/store/harness.h"
#include "tests/store/invariants.h"

#include "core/base/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MOMENTS 24 /* each costs many times as much */
#define WRONG_MOMENTS 12
#define RECOVERIES 4
#define RECOVERY_MOMENTS 6
#else
#define MOMENTS 200
#define WRONG_MOMENTS 40
#define RECOVERIES 16
#define RECOVERY_MOMENTS 12
#endif
#define LIVES 14
#define PHASES 9

/* What the store has said is done, and when. */
struct ack {
    enum ack_kind { ACK_ACCEPTED, ACK_STEPS, ACK_DONE, ACK_SLOT } kind;
    size_t moment;
    struct pv_id op;
    char event[16];
    int64_t number; /* STEPS: how many; SLOT: which */
};

static struct ack acks[LIVES * PHASES];
static size_t ack_count;

/* A service on its way, one request at a time. */
struct life {
    char name[16];
    int phase;
    bool busy;
    struct one one;
    struct pv_claimed held;
    struct pv_progress progress;
    struct pv_reserve reserve;
    struct pv_step_row row;
};

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

/* ---- work ---- */

static void acknowledge(enum ack_kind kind, struct pv_id op, const char *event, int64_t number)
{
    assert_true(ack_count < PV_COUNT(acks));
    acks[ack_count] = (struct ack){.kind = kind, .moment = disk_now(), .op = op, .number = number};
    snprintf(acks[ack_count].event, sizeof(acks[ack_count].event), "%s", event);
    ack_count++;
}

static void event_name(const struct life *life, int phase, char out[16])
{
    snprintf(out, 16, "%.10s-%d", life->name, phase);
}

static void on_done(struct pv_req *req)
{
    struct life *life = req->user;
    assert_int_equal(req->status, 0);
    char event[16];
    event_name(life, life->phase, event);
    switch (req->kind) {
    case PV_REQ_ACCEPT:
        assert_int_equal(life->one.item.verdict, PV_ACCEPTED);
        acknowledge(ACK_ACCEPTED, life->one.item.ret_op, event, 0);
        if (life->one.item.ret_claimed) {
            life->held = *life->one.item.ret_claimed;
        }
        break;
    case PV_REQ_RESERVE:
        acknowledge(ACK_SLOT, life->held.op, "", (int64_t)life->reserve.ret_number);
        break;
    default:
        if (life->progress.next == PV_NEXT_FINISH) {
            acknowledge(ACK_DONE, life->held.op, "", 0);
        } else {
            acknowledge(ACK_STEPS, life->held.op, "", 1);
        }
    }
    pv_req_done(req);
    life->phase++;
    life->busy = false;
}

static void submit(struct fix *f, struct life *life, struct pv_req *req)
{
    req->done = on_done;
    req->user = life;
    life->busy = true;
    assert_int_equal(pv_store_submit(f->store, req), 0);
}

static void accept_as(struct fix *f, struct life *life, int type, bool claim)
{
    char event[16];
    event_name(life, life->phase, event);
    life->one = (struct one){.item = item_of(f, life->name, type)};
    life->one.item.claim = claim;
    item_event(&life->one.item, event);
    pv_req_init(&life->one.accept.req, PV_REQ_ACCEPT, NULL, NULL);
    life->one.accept.items = &life->one.item;
    life->one.accept.count = 1;
    life->one.accept.now_ms = f->now_ms;
    life->one.accept.epoch = f->store->epoch;
    submit(f, life, &life->one.accept.req);
}

static void progress(struct fix *f, struct life *life, bool finish)
{
    life->row = (struct pv_step_row){.component = PV_STR("site"),
                                     .step = finish ? PV_STR("start") : PV_STR("allocate"),
                                     .run = 1};
    life->progress = finish ? finish_of(f, &life->held) : progress_of(f, &life->held, PV_NEXT_HOLD);
    life->progress.row = &life->row;
    life->progress.doc_component = PV_STR("site");
    life->progress.doc = PV_STR("{\"id\":4711}");
    submit(f, life, &life->progress.req);
}

/* The next request of a life. */
static void live(struct fix *f, struct life *life)
{
    switch (life->phase) {
    case 0:
        accept_as(f, life, PV_OP_CREATE, true);
        break;
    case 1:
        life->reserve = reserve_of(f, &life->held, PV_ASK_POOL_TAKE, "port");
        life->reserve.pool = PV_STR("ports");
        life->reserve.range = (struct pv_pool_range){8000, 9000, 1000};
        submit(f, life, &life->reserve.req);
        break;
    case 2:
    case 5:
        progress(f, life, false);
        break;
    case 3:
    case 6:
        progress(f, life, true);
        break;
    case 4:
        accept_as(f, life, PV_OP_SUSPEND, true);
        break;
    default:
        accept_as(f, life, life->phase == 7 ? PV_OP_UNSUSPEND : PV_OP_RENEW, false);
    }
}

/* Lives lead their lives, some at a time, so that commits hold several requests. */
static void work(struct fix *f, struct life *lives, int phases, struct pv_rng *rng)
{
    for (size_t left = LIVES; left > 0;) {
        left = 0;
        for (size_t i = 0; i < LIVES; i++) {
            if (lives[i].phase < phases && pv_rng_below(rng, 4) == 0) {
                live(f, &lives[i]);
            }
        }
        for (size_t i = 0; i < LIVES; i++) {
            while (lives[i].busy) {
                uv_run(&f->loop, UV_RUN_ONCE);
            }
            left += lives[i].phase < phases ? 1 : 0;
        }
    }
}

static void folders(char *run, char *image, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(run, size, "%.40s/pv-power-XXXXXX", base ? base : "/tmp");
    snprintf(image, size, "%.40s/pv-power-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(run));
    assert_non_null(mkdtemp(image));
}

/* A first start, two restarts (each closes, which empties the WAL, and opens), and work in between.
 */
static void record(const char *folder, enum disk_variant variant, uint64_t seed)
{
    static struct life lives[LIVES];
    struct pv_seeded seeded = {seed};
    struct pv_rng rng = pv_rng_seeded(&seeded);
    struct fix f;
    memset(lives, 0, sizeof(lives));
    ack_count = 0;
    for (size_t i = 0; i < LIVES; i++) {
        snprintf(lives[i].name, sizeof(lives[i].name), "svc%zu", i);
    }
    disk_begin(folder, variant);
    fix_open_in(&f, folder);
    work(&f, lives, 4, &rng);
    fix_restart(&f);
    work(&f, lives, 7, &rng);
    fix_restart(&f);
    work(&f, lives, PHASES, &rng);
    fix_close(&f);
    disk_end();
}

/* ---- what is there after power has failed ---- */

static bool op_is(struct fix *f, const struct ack *ack, char *why, size_t size)
{
    struct pv_get get;
    bool good = get_op(f, &get, ack->op) == 0;
    if (!good) {
        snprintf(why, size, "an operation is lost: %.200s", get.req.err.text);
    } else if (ack->kind == ACK_DONE && get.ret_op.state != PV_OPS_DONE) {
        snprintf(why, size, "an end is lost: state %d", get.ret_op.state);
        good = false;
    } else if (ack->kind == ACK_STEPS && get.ret_step_count < (size_t)ack->number) {
        snprintf(why, size, "a step is lost");
        good = false;
    }
    pv_req_done(&get.req);
    return good;
}

static bool slot_is(struct fix *f, const struct ack *ack)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT 1 FROM slots s JOIN operations o ON o.n=s.op_n "
                                        "WHERE s.state=1 AND s.idx=?1 AND o.id=?2",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(stmt, 1, ack->number);
    sqlite3_bind_blob(stmt, 2, ack->op.b, sizeof(ack->op.b), SQLITE_STATIC);
    bool there = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return there;
}

/* The event comes again, and is the same operation. */
static bool is_known(struct fix *f, const struct ack *ack)
{
    char name[16];
    snprintf(name, sizeof(name), "%s", ack->event);
    *strchr(name, '-') = '\0';
    struct pv_accept_item item = item_of(f, name, PV_OP_RENEW);
    item_event(&item, ack->event);
    struct one one;
    (void)accept_item(f, &one, item);
    bool known = one.item.verdict == PV_DUPLICATE &&
                 memcmp(one.item.ret_op.b, ack->op.b, sizeof(ack->op.b)) == 0;
    one_done(&one);
    return known;
}

/* True: everything acknowledged before `moment` is there. */
static bool nothing_lost(struct fix *f, size_t moment, char *why, size_t size)
{
    for (size_t i = 0; i < ack_count; i++) {
        const struct ack *ack = &acks[i];
        if (ack->moment > moment) {
            continue;
        }
        if (ack->kind != ACK_SLOT && !op_is(f, ack, why, size)) {
            return false;
        }
        if (ack->kind == ACK_SLOT && !slot_is(f, ack)) {
            snprintf(why, size, "a value of a pool is lost");
            return false;
        }
        if (ack->kind == ACK_ACCEPTED && !is_known(f, ack)) {
            snprintf(why, size, "event %s is not known any more", ack->event);
            return false;
        }
    }
    return true;
}

/* The store starts on what the image holds, which is removed. False: something is lost or broken
 * that was acknowledged before the moment. */
static bool holds(const char *image, size_t moment, char *why, size_t size)
{
    struct fix f;
    struct pv_err err = {0};
    bool good = fix_try_in(&f, image, &err) == 0;
    if (!good) {
        snprintf(why, size, "it does not start: %.250s", err.text);
    }
    good = good && nothing_lost(&f, moment, why, size);
    if (good) {
        (void)audit_verify(&f);
    }
    fix_close(&f);
    good = good && store_holds(f.path, why, size);
    for (size_t i = 0; i < 4; i++) {
        static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
        char path[200];
        snprintf(path, sizeof(path), "%s%s", f.path, endings[i]);
        unlink(path);
    }
    return good;
}

/* Power fails; the store starts again. */
static bool survives(const char *image, size_t moment, uint64_t seed, char *why, size_t size)
{
    disk_lose_power(moment, seed, image);
    return holds(image, moment, why, size);
}

/* Around each sync, and at moments in between, spread over the run. */
static size_t moment_of(size_t i, size_t count, struct pv_rng *rng)
{
    size_t syncs = disk_syncs();
    if (i % 2 == 0) {
        size_t at = disk_sync_at(i * syncs / count);
        return at - (i % 4 == 0 ? 0 : 1);
    }
    return (size_t)pv_rng_below(rng, disk_now() + 1);
}

/* The number of disks on which something was lost or broken; `why` says what first was. */
static size_t try_moments(const char *image, size_t count, uint64_t first, uint64_t seeds,
                          char *why, size_t size)
{
    size_t bad = 0;
    struct pv_seeded seeded = {first};
    struct pv_rng rng = pv_rng_seeded(&seeded);
    bool all = count == 0;
    count = all ? disk_now() + 1 : count;
    for (size_t i = 0; i < count; i++) {
        size_t moment = all ? i : moment_of(i, count, &rng);
        for (uint64_t seed = first; seed < first + seeds; seed++) {
            char found[300] = "";
            if (!survives(image, moment, seed, found, sizeof(found)) && bad++ == 0) {
                snprintf(why, size, "moment %zu of %zu, PROVOST_SEED=%llu: %s", moment, disk_now(),
                         (unsigned long long)seed, found);
            }
        }
    }
    return bad;
}

static size_t run_variant(enum disk_variant variant, size_t moments, uint64_t seeds, char *why,
                          size_t size)
{
    char run[64];
    char image[64];
    folders(run, image, sizeof(run));
    uint64_t first = (uint64_t)setting("PROVOST_SEED", 1);
    record(run, variant, first);
    assert_true(ack_count == LIVES * PHASES);
    assert_true(disk_syncs() > 50 || variant != DISK_HONEST);
    size_t bad = try_moments(image, moments, first, seeds, why, size);
    disk_forget();
    fix_remove_folder(run);
    fix_remove_folder(image);
    return bad;
}

static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    char why[400] = "";
    if (run_variant(DISK_HONEST, (size_t)setting("PROVOST_MOMENTS", MOMENTS),
                    (uint64_t)setting("PROVOST_SEEDS", 1), why, sizeof(why))) {
        fail_msg("%s", why);
    }
}

/* The store starts on what a power loss at `moment` has left in `image`; meanwhile power fails
 * again, at one moment of that after another. */
static void fail_while_starting(const char *image, size_t moment, const char *again, bool rudely)
{
    struct fix f;
    disk_begin(image, DISK_HONEST);
    disk_end_rudely(rudely);
    fix_open_in(&f, image);
    fix_close(&f);
    disk_end_rudely(false);
    disk_end();
    size_t last = disk_now();
    size_t step = last / RECOVERY_MOMENTS + 1;
    for (size_t at = 0; at <= last; at += step) {
        char why[300] = "";
        disk_lose_power(at, (uint64_t)setting("PROVOST_SEED", 1), again);
        if (!holds(again, moment, why, sizeof(why))) {
            fail_msg("power failed at moment %zu, and at moment %zu of %zu of the start: %s",
                     moment, at, last, why);
        }
    }
    disk_forget();
}

static void a_start_after_it_may_be_cut_short_too(void **state)
{
    (void)state;
    char run[64];
    char again[64];
    char images[RECOVERIES][64];
    size_t moments[RECOVERIES];
    folders(run, again, sizeof(run));
    record(run, DISK_HONEST, (uint64_t)setting("PROVOST_SEED", 1));
    struct pv_seeded seeded = {(uint64_t)setting("PROVOST_SEED", 1)};
    struct pv_rng rng = pv_rng_seeded(&seeded);
    for (size_t i = 0; i < RECOVERIES; i++) {
        snprintf(images[i], sizeof(images[i]), "%.50s.%zu", run, i);
        assert_int_equal(mkdir(images[i], 0700), 0);
        moments[i] = moment_of(i, RECOVERIES, &rng);
        disk_lose_power(moments[i], i, images[i]);
    }
    disk_forget();
    for (size_t i = 0; i < RECOVERIES; i++) {
        fail_while_starting(images[i], moments[i], again, i % 2 == 1);
        fix_remove_folder(images[i]);
    }
    fix_remove_folder(run);
    fix_remove_folder(again);
}

/* The test can fail: where a commit does not wait for the disk, it finds out. */
static void what_is_not_synced_is_found(void **state)
{
    (void)state;
    static const enum disk_variant variants[] = {DISK_NORMAL, DISK_OFF, DISK_LIES};
    for (size_t i = 0; i < PV_COUNT(variants); i++) {
        char why[400] = "";
        size_t bad = run_variant(variants[i], WRONG_MOMENTS, 1, why, sizeof(why));
        print_message("variant %d: %zu of %d lose something, first %s\n", variants[i], bad,
                      WRONG_MOMENTS, why);
        assert_true(bad > 0);
    }
}

int main(void)
{
    disk_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost),
        cmocka_unit_test(a_start_after_it_may_be_cut_short_too),
        cmocka_unit_test(what_is_not_synced_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

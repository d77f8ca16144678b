/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation n fails on the SQLite store's threads, for every n: one of SQLite's, or one of core's;
 * it alone, or it and all that follow. Each request is done, or refused with nothing of it there;
 * the next one works; nothing acknowledged is lost. */
#include "tests/store/disk.h"
#include "tests/store/harness.h"
#include "tests/store/invariants.h"

#include "core/base/alloc.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS 8 /* of a life */
#define LISTING 6  /* the one that another thread than the rest answers */
#define MOST 4000u /* allocations of one request */

/* ---- SQLite's allocator ---- */

static sqlite3_mem_methods libc;
static atomic_long sql_left; /* allocations until one fails; 0: none does */
static atomic_bool sql_sticky;
static atomic_bool hit; /* one has failed */

static bool sql_fails(void)
{
    long left = atomic_load(&sql_left);
    if (left == 0) {
        return false;
    }
    if (left > 1) {
        atomic_fetch_sub(&sql_left, 1);
        return false;
    }
    atomic_store(&hit, true);
    if (!atomic_load(&sql_sticky)) {
        atomic_store(&sql_left, 0);
    }
    return true;
}

static void *sql_malloc(int bytes)
{
    return sql_fails() ? NULL : libc.xMalloc(bytes);
}

static void *sql_realloc(void *ptr, int bytes)
{
    return sql_fails() ? NULL : libc.xRealloc(ptr, bytes);
}

static void set_up_allocator(void)
{
    static sqlite3_mem_methods methods;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &libc), SQLITE_OK);
    methods = libc;
    methods.xMalloc = sql_malloc;
    methods.xRealloc = sql_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

/* ---- which one fails ---- */

struct mode {
    bool of_sqlite;
    bool sticky;
};

static struct mode mode;
static unsigned long fail_n;
static unsigned long made; /* by core, on the thread, in the attempt before */

/* On the store's thread, where a request begins. */
static void on_begin(void)
{
    if (mode.of_sqlite) {
        atomic_store(&sql_sticky, mode.sticky);
        atomic_store(&sql_left, (long)fail_n);
    } else {
        pv_alloc_fail_at(fail_n, mode.sticky);
    }
}

static void off_begin(void)
{
    made = pv_alloc_count();
    pv_alloc_fail_at(0, 0);
}

static void arm(unsigned long n)
{
    atomic_store(&hit, false);
    fail_n = n;
    disk_at_next_lock(on_begin);
}

/* Whether allocation n was asked for at all. Asks the store something, so that its thread is no
 * longer armed. */
static bool disarm(struct fix *f, bool of_lists)
{
    atomic_store(&sql_left, 0);
    if (mode.of_sqlite) {
        disk_at_next_lock(NULL);
        return atomic_load(&hit);
    }
    /* Both read the database first, and so take the lock before anything is allocated. */
    disk_at_next_lock(off_begin);
    struct pv_get get;
    struct pv_list_req list = {.what = PV_LIST_OPERATIONS, .service = {{9}}, .limit = 1};
    pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
    assert_int_equal(of_lists ? fix_run(f, &list.req) : get_op(f, &get, (struct pv_id){{9}}),
                     PV_ENOTFOUND);
    pv_req_done(of_lists ? &list.req : &get.req);
    return made >= fail_n;
}

/* ---- lives ---- */

struct life {
    char name[24];
    struct one one;
    struct pv_claimed held;
    bool accepted;
    bool finished;
};

static int accept_it(struct fix *f, struct life *life)
{
    struct pv_accept_item item = item_of(f, life->name, PV_OP_CREATE);
    item_event(&item, life->name);
    item.claim = true;
    item.plan = PV_STR("plan");
    item.composition = PV_STR("composition");
    int status = accept_item(f, &life->one, item);
    if (!status && life->one.item.verdict == PV_ACCEPTED) {
        life->held = *life->one.item.ret_claimed;
        life->accepted = true;
    }
    one_done(&life->one);
    return status;
}

static int reserve_it(struct fix *f, struct life *life, int kind)
{
    struct pv_reserve r = reserve_of(f, &life->held, kind, "name");
    r.pool = PV_STR("pool");
    r.range = (struct pv_pool_range){1, 100000, 10};
    r.number = kind == PV_ASK_QUOTA_TAKE ? 1 : 0;
    r.text = PV_STR("text");
    int status = run_reserve(f, &r);
    pv_req_done(&r.req);
    return status;
}

static int finish_it(struct fix *f, struct life *life)
{
    struct pv_step_row row = {.component = PV_STR("site"), .step = PV_STR("a"), .run = 1};
    struct pv_progress p = finish_of(f, &life->held);
    p.row = &row;
    p.audit = (struct pv_audit){.actor = PV_STR("engine"), .what = PV_STR("operation.done")};
    p.doc_component = PV_STR("site");
    p.doc = PV_STR("{}");
    p.attrs = PV_STR("{}");
    p.claim_next = true;
    int status = run_progress(f, &p);
    life->finished = status == 0;
    pv_req_done(&p.req);
    return status;
}

static int list_it(struct fix *f)
{
    for (int what = PV_LIST_SERVICES; what <= PV_LIST_TOKENS; what++) {
        struct pv_list_req list = {.what = (enum pv_list_what)what, .state = -1, .limit = 3};
        pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
        int status = fix_run(f, &list.req);
        pv_req_done(&list.req);
        if (status) {
            return status;
        }
    }
    return 0;
}

static int read_it(struct fix *f, struct life *life)
{
    struct pv_get get;
    int status = get_op(f, &get, life->held.op);
    pv_req_done(&get.req);
    return status;
}

/* Request `which` of a life. */
static int request(struct fix *f, struct life *life, int which)
{
    switch (which) {
    case 0:
        return accept_it(f, life);
    case 1:
        return reserve_it(f, life, PV_ASK_POOL_TAKE);
    case 2:
        return reserve_it(f, life, PV_ASK_SECRET_NEW);
    case 3:
        return reserve_it(f, life, PV_ASK_KV_PUT);
    case 4:
        return reserve_it(f, life, PV_ASK_STATE_SAVE);
    case 5:
        return read_it(f, life);
    case LISTING:
        return list_it(f);
    default:
        return finish_it(f, life);
    }
}

/* A whole life, whose request `which` has its n-th allocation fail; false: it made fewer. */
static bool live(struct fix *f, int which, unsigned long n, int serial)
{
    struct life life = {.finished = false};
    snprintf(life.name, sizeof(life.name), "%d-%lu-%d", which, n, serial);
    bool reached = false;
    for (int i = 0; i < REQUESTS; i++) {
        if (i != which) {
            assert_int_equal(request(f, &life, i), 0);
            continue;
        }
        struct pv_stats before = stats_of(f);
        arm(n);
        int status = request(f, &life, i);
        reached = disarm(f, i == LISTING);
        assert_true(status == 0 || (reached && status == PV_ENOMEM));
        if (status) {
            struct pv_stats after = stats_of(f);
            assert_int_equal(after.ret_unfinished, before.ret_unfinished);
            assert_int_equal(after.ret_services, before.ret_services);
            assert_int_equal(request(f, &life, i), 0);
        }
    }
    assert_true(life.accepted && life.finished);
    assert_int_equal(op_state(f, life.held.op), PV_OPS_DONE);
    return reached;
}

static void torture(struct fix *f, struct mode as)
{
    static int serial;
    mode = as;
    for (int which = 0; which < REQUESTS; which++) {
        unsigned long n = 1;
        while (n < MOST && live(f, which, n, serial++)) {
            n++;
        }
        assert_true(n < MOST);
    }
    uint64_t records = audit_verify(f);
    uint64_t services = stats_of(f).ret_services;
    assert_int_equal(stats_of(f).ret_unfinished, 0);
    fix_restart(f);
    assert_int_equal(audit_verify(f), records);
    assert_int_equal(stats_of(f).ret_services, services);
    char why[300];
    fix_shut(f);
    if (!store_holds(f->path, why, sizeof(why))) {
        fail_msg("%s", why);
    }
    struct pv_err err = {0};
    assert_int_equal(fix_open_again(f, &err), 0);
}

static void one_of_core_fails(void **state)
{
    torture(fix_of(state), (struct mode){false, false});
}

static void all_of_core_fail(void **state)
{
    torture(fix_of(state), (struct mode){false, true});
}

static void one_of_sqlite_fails(void **state)
{
    torture(fix_of(state), (struct mode){true, false});
}

static void all_of_sqlite_fail(void **state)
{
    torture(fix_of(state), (struct mode){true, true});
}

/* Opening fails, says so, and leaves nothing behind: the next attempt works. */
static void opening(void **state)
{
    struct fix *f = fix_of(state);
    struct pv_id op = accept_op(f, "1", PV_OP_CREATE);
    for (int of_sqlite = 0; of_sqlite < 2; of_sqlite++) {
        int status = PV_ENOMEM;
        for (unsigned long n = 1; status; n++) {
            assert_true(n < MOST);
            fix_shut(f);
            struct pv_err err = {0};
            if (of_sqlite) {
                atomic_store(&sql_sticky, true);
                atomic_store(&sql_left, (long)n);
            } else {
                pv_alloc_fail_at(n, 1);
            }
            status = fix_open_again(f, &err);
            atomic_store(&sql_left, 0);
            pv_alloc_fail_at(0, 0);
            if (status) {
                assert_int_equal(status, PV_ENOMEM);
                assert_true(err.text[0] != '\0');
                assert_int_equal(fix_open_again(f, &err), 0);
            }
            assert_int_equal(op_state(f, op), PV_OPS_READY);
        }
    }
}

#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown_store)

int main(void)
{
    set_up_allocator();
    disk_register();
    const struct CMUnitTest tests[] = {
        SQLITE(one_of_core_fails),  SQLITE(all_of_core_fail), SQLITE(one_of_sqlite_fails),
        SQLITE(all_of_sqlite_fail), SQLITE(opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

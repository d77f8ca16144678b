/* SPDX-License-Identifier: Apache-2.0 */
/* The contract suite's fixture. */
#include "tests/store/harness.h"

#include "core/engine/moves.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint8_t test_keys[64] = {1, 2, 3, 4, 5, 6, 7, 8};
static size_t outstanding;

int fix_open_again(struct fix *f, struct pv_err *err)
{
    struct pv_sqlite_options options = {.path = f->path, .keyring = f->keyring, .migrate = true};
    int status = pv_sqlite_open(&f->loop, &options, &f->store, err);
    if (!status) {
        f->deployment = f->store->deployment;
    }
    return status;
}

static void open_store(struct fix *f)
{
    if (f->kind == STORE_MEM) {
        assert_int_equal(pv_mem_store_open(f->keyring, f->deployment, &f->store), 0);
        return;
    }
    struct pv_err err = {0};
    if (fix_open_again(f, &err)) {
        fail_msg("%s", err.text);
    }
}

static void begin(struct fix *f, enum store_kind kind)
{
    *f = (struct fix){.kind = kind, .now_ms = 1000000};
    f->deployment.b[0] = 7;
    outstanding = 0;
    assert_int_equal(pv_base_init(), 0);
    assert_int_equal(pv_keyring_fixed(test_keys, &f->keyring), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
}

void fix_open_as(struct fix *f, struct pv_id deployment)
{
    begin(f, STORE_MEM);
    f->deployment = deployment;
    open_store(f);
}

int fix_try_in(struct fix *f, const char *folder, struct pv_err *err)
{
    begin(f, STORE_SQLITE);
    f->keep = true;
    snprintf(f->path, sizeof(f->path), "%s/provost.db", folder);
    return fix_open_again(f, err);
}

void fix_open_in(struct fix *f, const char *folder)
{
    struct pv_err err = {0};
    if (fix_try_in(f, folder, &err)) {
        fail_msg("%s", err.text);
    }
}

void fix_open(struct fix *f, enum store_kind kind)
{
    begin(f, kind);
    if (kind == STORE_SQLITE) {
        const char *base = getenv("TMPDIR");
        snprintf(f->folder, sizeof(f->folder), "%.40s/pv-store-XXXXXX", base ? base : "/tmp");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/provost.db", f->folder);
    }
    open_store(f);
}

static void closed(void *user)
{
    *(bool *)user = true;
}

void fix_shut(struct fix *f)
{
    bool done = false;
    f->store->ops->close(f->store, closed, &done);
    while (!done) {
        if (f->kind == STORE_MEM) {
            pv_mem_store_turn(f->store, SIZE_MAX);
        } else {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
    }
    f->store = NULL;
}

void fix_remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

void fix_close(struct fix *f)
{
    if (f->store) {
        fix_shut(f);
    }
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    pv_keyring_free(f->keyring);
    if (f->kind == STORE_SQLITE && !f->keep) {
        fix_remove_folder(f->folder);
    }
}

void fix_restart(struct fix *f)
{
    fix_wait(f);
    if (f->kind == STORE_MEM) {
        pv_mem_store_crash(f->store);
        return;
    }
    fix_shut(f);
    open_store(f);
}

int setup_mem(void **state)
{
    struct fix *f = malloc(sizeof(*f));
    fix_open(f, STORE_MEM);
    *state = f;
    return 0;
}

int setup_sqlite(void **state)
{
    struct fix *f = malloc(sizeof(*f));
    fix_open(f, STORE_SQLITE);
    *state = f;
    return 0;
}

int teardown_store(void **state)
{
    struct fix *f = *state;
    fix_close(f);
    free(f);
    return 0;
}

struct fix *fix_of(void **state)
{
    return *state;
}

static void request_done(struct pv_req *req)
{
    outstanding--;
    *(bool *)req->user = true;
}

static bool ignored;

void fix_submit(struct fix *f, struct pv_req *req)
{
    req->done = request_done;
    if (!req->user) {
        req->user = &ignored;
    }
    assert_int_equal(pv_store_submit(f->store, req), 0);
    outstanding++;
}

void fix_wait(struct fix *f)
{
    while (outstanding > 0) {
        if (f->kind == STORE_MEM) {
            assert_true(pv_mem_store_turn(f->store, SIZE_MAX) > 0);
        } else {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
    }
}

int fix_run(struct fix *f, struct pv_req *req)
{
    bool done = false;
    req->user = &done;
    fix_submit(f, req);
    fix_wait(f);
    assert_true(done);
    return req->status;
}

struct pv_id fix_id(struct fix *f)
{
    struct pv_id id = {{0}};
    f->next_id++;
    for (int i = 0; i < 8; i++) {
        id.b[i] = (uint8_t)(f->next_id >> (56 - 8 * i));
    }
    id.b[15] = 1;
    return id;
}

struct pv_accept_item item_of(struct fix *f, const char *external_id, int type)
{
    bool planned = type == PV_OP_CREATE;
    return (struct pv_accept_item){
        .op = fix_id(f),
        .service = pv_service_id(f->deployment, SHOP, pv_str(external_id)),
        .source = SHOP,
        .external_id = pv_str(external_id),
        .canonical = PV_STR("{\"canonical\":1}"),
        .type = type,
        .action = type == PV_OP_ACTION ? PV_STR("start") : (struct pv_str){NULL, 0},
        .product = planned ? PV_STR("web") : (struct pv_str){NULL, 0},
        .plan_name = planned ? PV_STR("basic") : (struct pv_str){NULL, 0},
        .body = PV_STR("{\"body\":\"marker-in-the-body\"}"),
        .actor = PV_STR("token:tok_1"),
        .quota = {.limit = -1},
    };
}

void item_event(struct pv_accept_item *item, const char *event_id)
{
    const struct pv_str parts[] = {item->source, pv_str(event_id)};
    item->idem_key = pv_id_of_parts(parts, 2);
}

int accept_item(struct fix *f, struct one *one, struct pv_accept_item item)
{
    *one = (struct one){.item = item};
    pv_req_init(&one->accept.req, PV_REQ_ACCEPT, NULL, NULL);
    one->accept.items = &one->item;
    one->accept.count = 1;
    one->accept.now_ms = f->now_ms;
    one->accept.epoch = f->store->epoch;
    return fix_run(f, &one->accept.req);
}

void one_done(struct one *one)
{
    pv_req_done(&one->accept.req);
}

struct pv_id accept_op(struct fix *f, const char *external_id, int type)
{
    struct one one;
    assert_int_equal(accept_item(f, &one, item_of(f, external_id, type)), 0);
    struct pv_id id = one.item.ret_op;
    one_done(&one);
    return id;
}

struct pv_claimed *accept_run(struct fix *f, struct one *one, const char *external_id, int type)
{
    struct pv_accept_item item = item_of(f, external_id, type);
    item.claim = true;
    assert_int_equal(accept_item(f, one, item), 0);
    assert_non_null(one->item.ret_claimed);
    return one->item.ret_claimed;
}

struct pv_claimed *claim_one(struct fix *f, struct pv_claim *claim, const char *lane)
{
    *claim = (struct pv_claim){.lane = pv_str(lane), .limit = 1, .now_ms = f->now_ms};
    pv_req_init(&claim->req, PV_REQ_CLAIM, NULL, NULL);
    claim->epoch = f->store->epoch;
    assert_int_equal(fix_run(f, &claim->req), 0);
    return claim->ret_count ? claim->ret_claimed[0] : NULL;
}

struct pv_progress progress_of(struct fix *f, const struct pv_claimed *claimed, enum pv_next next)
{
    struct pv_progress p = {
        .service = claimed->service,
        .op = claimed->op,
        .fence = claimed->fence,
        .epoch = f->store->epoch,
        .now_ms = f->now_ms,
        .cursor = PV_STR("cursor"),
        .tries = claimed->tries,
        .intent_seen = claimed->intent,
        .next = next,
        .lane = PV_STR("lane-a"),
        .due_ms = f->now_ms,
        .observed = claimed->observed,
    };
    pv_req_init(&p.req, PV_REQ_PROGRESS, NULL, NULL);
    return p;
}

struct pv_progress finish_of(struct fix *f, const struct pv_claimed *claimed)
{
    struct pv_progress p = progress_of(f, claimed, PV_NEXT_FINISH);
    p.op_state = PV_OPS_DONE;
    p.observed = claimed->type == PV_OP_CREATE
                     ? PV_SVC_ACTIVE
                     : (int)pv_move_judge(claimed->type, claimed->observed, false).next;
    return p;
}

int run_progress(struct fix *f, struct pv_progress *progress)
{
    return fix_run(f, &progress->req);
}

void make_active(struct fix *f, const char *external_id)
{
    struct one one;
    struct pv_progress p = finish_of(f, accept_run(f, &one, external_id, PV_OP_CREATE));
    assert_int_equal(run_progress(f, &p), 0);
    pv_req_done(&p.req);
    one_done(&one);
}

struct pv_id park_op(struct fix *f, int type)
{
    struct one one;
    struct pv_claimed *k = accept_run(f, &one, "1", type);
    struct pv_id id = k->op;
    struct pv_progress p = progress_of(f, k, PV_NEXT_PARK);
    p.cursor = (struct pv_str){NULL, 0};
    p.reason = PV_STR("nobody knows");
    assert_int_equal(run_progress(f, &p), 0);
    assert_int_equal(op_state(f, id), PV_OPS_NEEDS_OPERATOR);
    pv_req_done(&p.req);
    one_done(&one);
    return id;
}

struct pv_reserve reserve_of(struct fix *f, const struct pv_claimed *claimed, int kind,
                             const char *name)
{
    struct pv_reserve r = {
        .service = claimed->service,
        .op = claimed->op,
        .fence = claimed->fence,
        .now_ms = f->now_ms,
        .kind = kind,
        .run = 1,
        .instance = PV_STR("pdns-1"),
        .component = PV_STR("site"),
        .step = PV_STR("allocate"),
        .name = pv_str(name),
        .limit = -1,
    };
    pv_req_init(&r.req, PV_REQ_RESERVE, NULL, NULL);
    return r;
}

int run_reserve(struct fix *f, struct pv_reserve *reserve)
{
    pv_req_done(&reserve->req);
    return fix_run(f, &reserve->req);
}

int get_op(struct fix *f, struct pv_get *get, struct pv_id op)
{
    *get = (struct pv_get){.of_op = true, .id = op, .full = true};
    pv_req_init(&get->req, PV_REQ_GET, NULL, NULL);
    return fix_run(f, &get->req);
}

int get_service(struct fix *f, struct pv_get *get, const char *external_id)
{
    *get = (struct pv_get){.source = SHOP, .external_id = pv_str(external_id), .full = true};
    pv_req_init(&get->req, PV_REQ_GET, NULL, NULL);
    return fix_run(f, &get->req);
}

int op_state(struct fix *f, struct pv_id op)
{
    struct pv_get get;
    assert_int_equal(get_op(f, &get, op), 0);
    int state = get.ret_op.state;
    pv_req_done(&get.req);
    return state;
}

struct pv_stats stats_of(struct fix *f)
{
    struct pv_stats stats = {.now_ms = f->now_ms};
    pv_req_init(&stats.req, PV_REQ_STATS, NULL, NULL);
    assert_int_equal(fix_run(f, &stats.req), 0);
    pv_req_done(&stats.req);
    return stats;
}

int intervene(struct fix *f, struct pv_intervene *in, struct pv_id op, int verb)
{
    *in = (struct pv_intervene){
        .op = op,
        .verb = verb,
        .reason = PV_STR("because"),
        .actor = PV_STR("uid:0"),
        .now_ms = f->now_ms,
        .deadline_ms = f->now_ms + 1000,
    };
    pv_req_init(&in->req, PV_REQ_INTERVENE, NULL, NULL);
    return fix_run(f, &in->req);
}

uint64_t audit_verify(struct fix *f)
{
    struct pv_hash previous = {{0}};
    uint64_t n = 0;
    for (bool more = true; more;) {
        struct pv_list_req list = {.what = PV_LIST_AUDIT, .state = -1, .after_n = n, .limit = 100};
        pv_req_init(&list.req, PV_REQ_LIST, NULL, NULL);
        assert_int_equal(fix_run(f, &list.req), 0);
        for (size_t i = 0; i < list.ret_count; i++) {
            const struct pv_audit_row *row = &list.ret_audit[i];
            assert_int_equal(row->n, n + 1);
            assert_true(pv_hash_eq(row->previous, previous));
            assert_true(pv_hash_eq(pv_audit_hash(row), row->hash));
            previous = row->hash;
            n = row->n;
        }
        more = list.ret_more;
        pv_req_done(&list.req);
    }
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The reference store: the lifecycle logic over rows in memory, on the caller's thread. Each
 * request is a transaction of its own; callbacks run from pv_mem_store_turn. */
#include "core/store/logic.h"
#include "core/store/mem_rows.h"

#include "core/base/alloc.h"

struct mem_store {
    struct pv_store store; /* first */
    struct pv_mem_rows rows;
    struct pv_logic logic;
    struct pv_link queue;
    int fail; /* the status every commit gets */
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
};

static struct mem_store *mem_of(struct pv_store *store)
{
    return PV_CONTAINER(store, struct mem_store, store);
}

static int mem_submit(struct pv_store *store, struct pv_req *req)
{
    struct mem_store *mem = mem_of(store);
    if (mem->closing) {
        return PV_ECLOSED;
    }
    req->link = (struct pv_link){NULL, NULL};
    pv_list_push(&mem->queue, &req->link);
    return PV_OK;
}

static void mem_close(struct pv_store *store, void (*closed)(void *user), void *user)
{
    struct mem_store *mem = mem_of(store);
    mem->closing = true;
    mem->closed = closed;
    mem->closed_user = user;
}

static const struct pv_store_ops mem_ops = {mem_submit, mem_close};

int pv_mem_store_open(const struct pv_keyring *keyring, struct pv_id deployment,
                      struct pv_store **ret_store)
{
    struct mem_store *mem = pv_calloc(1, sizeof(*mem));
    if (!mem) {
        return PV_ENOMEM;
    }
    mem->store.ops = &mem_ops;
    mem->store.deployment = deployment;
    mem->store.epoch = 1;
    pv_mem_rows_init(&mem->rows);
    pv_list_init(&mem->queue);
    mem->logic = (struct pv_logic){
        .rows = &mem->rows.rows,
        .keyring = keyring,
        .deployment = deployment,
        .epoch = 1,
        .writer = 1,
    };
    pv_arena_init(&mem->logic.scratch);
    pv_arena_init(&mem->logic.subscriber_arena);
    *ret_store = &mem->store;
    return PV_OK;
}

static void mem_free(struct mem_store *mem)
{
    pv_logic_done(&mem->logic);
    pv_mem_rows_done(&mem->rows);
    pv_free(mem);
}

static void apply(struct mem_store *mem, struct pv_req *req)
{
    struct pv_tally before = mem->logic.tally;
    if (mem->fail) {
        pv_logic_reset(req);
        req->status = pv_err_set(&req->err, mem->fail, "the store: %s", pv_status_text(mem->fail));
        return;
    }
    int status = pv_logic_apply(&mem->logic, req);
    if (status) {
        pv_tree_rollback(&mem->rows.tree, 0);
        mem->logic.tally = before;
        struct pv_err err = req->err;
        pv_logic_reset(req);
        req->status = status;
        req->err = err;
    } else {
        pv_tree_commit(&mem->rows.tree);
    }
}

bool pv_mem_store_waits(struct pv_store *store)
{
    return !pv_list_empty(&mem_of(store)->queue);
}

size_t pv_mem_store_turn(struct pv_store *store, size_t max)
{
    struct mem_store *mem = mem_of(store);
    size_t done = 0;
    while (done < max) {
        struct pv_link *link = pv_list_pop(&mem->queue);
        if (!link) {
            break;
        }
        struct pv_req *req = PV_CONTAINER(link, struct pv_req, link);
        apply(mem, req);
        done++;
        req->done(req);
    }
    if (mem->closing && pv_list_empty(&mem->queue)) {
        void (*closed)(void *user) = mem->closed;
        void *user = mem->closed_user;
        mem_free(mem);
        closed(user);
    }
    return done;
}

void pv_mem_store_crash(struct pv_store *store)
{
    struct mem_store *mem = mem_of(store);
    for (struct pv_link *link = pv_list_pop(&mem->queue); link; link = pv_list_pop(&mem->queue)) {
        struct pv_req *req = PV_CONTAINER(link, struct pv_req, link);
        pv_logic_reset(req);
        req->status = PV_ECLOSED;
        req->done(req);
    }
    int64_t after = 0;
    bool more = true;
    while (more) {
        /* Memory for a few rows: a test that starves the store does not crash it as well. */
        if (pv_logic_reclaim(&mem->logic, 64, &after, &more)) {
            break;
        }
        pv_tree_commit(&mem->rows.tree);
    }
    mem->store.epoch++;
    mem->logic.epoch = mem->store.epoch;
    const struct pv_tally *tally = &mem->logic.tally;
    mem->store.unfinished = tally->ready + tally->running + tally->parked + tally->queued;
}

void pv_mem_store_fail(struct pv_store *store, int status)
{
    mem_of(store)->fail = status;
}

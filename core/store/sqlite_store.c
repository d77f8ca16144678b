/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store: a thread of its own that takes everything queued, up to a cap, into one
 * transaction, and hands it back to the loop; lists go to another one (sqlite_lists.h). The queues
 * are shared under `lock`; the database, the logic and a request between submit and callback belong
 * to the thread. */
#include "core/store/sqlite_lists.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define DEFAULT_BATCH 512
#define CHECKPOINT_FRAMES 8000 /* of 4 KiB each: 32 MB of WAL */
#define IDLE_MS 2000           /* then the WAL is emptied */
#define FIRST_COMMIT_US 64     /* of the histogram */
#define SEAL_KEPT (256u * 1024)

struct sqlite_store {
    struct pv_store store; /* first */
    struct pv_sqlite_db db;
    struct pv_logic logic;
    size_t max_batch;
    bool unmoved; /* a checkpoint has failed */
    struct pv_lists lists;
    pthread_t thread;
    uv_async_t async;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct pv_link queue;    /* under lock */
    struct pv_link finished; /* under lock */
    bool stop;               /* under lock */
    bool ended;              /* under lock: the thread touches nothing any more */
    bool closing;            /* loop only */
    void (*closed)(void *user);
    void *closed_user;
};

/* ---- transactions ---- */

static void roll_back(struct sqlite_store *s)
{
    if (!sqlite3_get_autocommit(s->db.db)) {
        /* Why it failed is worth more than why this fails: SQLite then does it at the next BEGIN.
         */
        char why[sizeof(s->db.error)];
        memcpy(why, s->db.error, sizeof(why));
        if (pv_sqlite_run_plain(&s->db, PV_S_ROLLBACK) == PV_OK || why[0] != '\0') {
            memcpy(s->db.error, why, sizeof(why));
        }
    }
}

static int commit(struct sqlite_store *s, bool writes)
{
    if (!writes) {
        return pv_sqlite_run_plain(&s->db, PV_S_COMMIT);
    }
    int status = pv_sqlite_keys_before_commit(&s->db);
    if (status) {
        return status;
    }
    PV_FAULT("store.commit.before");
    status = pv_sqlite_sync_fault(&s->db);
    status = status ? status : pv_sqlite_run_plain(&s->db, PV_S_COMMIT);
    PV_FAULT("store.commit.after");
    if (!status) {
        pv_sqlite_keys_committed(&s->db);
    }
    return status;
}

/* Counts a commit that was begun at since_ns. */
static void count_commit(struct sqlite_store *s, size_t requests, uint64_t since_ns)
{
    pv_hist_add(&s->logic.commit_requests, requests);
    pv_hist_add(&s->logic.commit_us, (uv_hrtime() - since_ns) / 1000);
}

/* Applies the requests in one transaction. On failure nothing of it stands. */
static int apply_all(struct sqlite_store *s, struct pv_link *batch, bool writes)
{
    uint64_t since_ns = uv_hrtime();
    size_t count = 0;
    struct pv_tally before = s->logic.tally;
    int status = pv_sqlite_run_plain(&s->db, writes ? PV_S_BEGIN_WRITE : PV_S_BEGIN);
    for (struct pv_link *link = batch->next; !status && link != batch; link = link->next) {
        status = pv_logic_apply(&s->logic, PV_CONTAINER(link, struct pv_req, link));
        count++;
    }
    status = status ? status : commit(s, writes);
    if (!status && writes) {
        count_commit(s, count, since_ns);
    }
    if (status) {
        roll_back(s);
        pv_pending_drop(&s->db);
        pv_sqlite_keys_rolled_back(&s->db);
        s->logic.tally = before;
    }
    return status;
}

static bool any_write(const struct pv_link *batch)
{
    for (const struct pv_link *link = batch->next; link != batch; link = link->next) {
        if (pv_logic_writes(PV_CONTAINER(link, const struct pv_req, link))) {
            return true;
        }
    }
    return false;
}

/* The disk is full or broken, or somebody else holds the database: no write can succeed, reads may.
 */
static bool disk_down(int status)
{
    return status == PV_ENOSPACE || status == PV_EIO || status == PV_EBUSY;
}

static void apply_alone(struct sqlite_store *s, struct pv_req *req, int down)
{
    bool writes = pv_logic_writes(req);
    int status = writes ? down : PV_OK;
    if (!status) {
        struct pv_link alone;
        pv_list_init(&alone);
        pv_list_push(&alone, &req->link);
        status = apply_all(s, &alone, writes);
        pv_list_remove(&req->link);
    }
    if (status) {
        pv_sqlite_finish_req(req, status, s->db.error);
    }
}

static int checkpoint(struct sqlite_store *s, int mode)
{
    int left = 0;
    int moved = 0;
    PV_FAULT("store.checkpoint");
    int code = sqlite3_wal_checkpoint_v2(s->db.db, NULL, mode, &left, &moved);
    if (code == SQLITE_OK && moved == left) {
        s->db.wal_frames = 0;
    }
    int status = pv_sqlite_status(&s->db, code);
    s->unmoved = s->unmoved ? code != SQLITE_OK : s->db.suspect;
    return status;
}

/* A sync has failed. A commit whose sync failed was rolled back, and the next one is written over
 * it; all the same, nothing is taken before all of the log was written again and synced, and what
 * could not be moved into the database was moved. */
static int make_good(struct sqlite_store *s)
{
    int status = pv_sqlite_renew(&s->db);
    return !status && s->unmoved ? checkpoint(s, SQLITE_CHECKPOINT_PASSIVE) : status;
}

/* One transaction for all; where that fails, one for each, so that a request which cannot be
 * applied fails by itself. */
static void run_batch(struct sqlite_store *s, struct pv_link *batch, struct pv_link *done)
{
    bool writes = any_write(batch);
    int status = writes && s->db.suspect ? make_good(s) : PV_OK;
    status = status ? status : apply_all(s, batch, writes);
    int down = disk_down(status) ? status : PV_OK;
    for (struct pv_link *link = pv_list_pop(batch); link; link = pv_list_pop(batch)) {
        struct pv_req *req = PV_CONTAINER(link, struct pv_req, link);
        if (status) {
            apply_alone(s, req, down);
        }
        pv_list_push(done, link);
    }
    for (size_t i = 0; i < PV_SEALS; i++) {
        if (s->db.seals[i].size > SEAL_KEPT) {
            pv_buf_done(&s->db.seals[i]);
            pv_buf_init(&s->db.seals[i], s->db.seals[i].cap);
        }
    }
}

/* ---- the thread ---- */

/* Moves up to `max` requests. */
static size_t take(struct pv_link *from, struct pv_link *to, size_t max)
{
    size_t count = 0;
    for (; count < max && !pv_list_empty(from); count++) {
        pv_list_push(to, pv_list_pop(from));
    }
    return count;
}

/* What is done goes to the loop, which is woken when the lock is free: else it would wait for it at
 * once. */
static void hand_back(struct sqlite_store *s, struct pv_link *done)
{
    pthread_mutex_lock(&s->lock);
    bool first = pv_list_empty(&s->finished);
    take(done, &s->finished, SIZE_MAX);
    pthread_mutex_unlock(&s->lock);
    if (first) {
        uv_async_send(&s->async);
    }
}

/* Waits for work; false: nothing came for a while. Holds the lock. */
static bool wait_for_work(struct sqlite_store *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_MS / 1000;
    while (pv_list_empty(&s->queue) && !s->stop) {
        if (s->db.wal_frames == 0) {
            pthread_cond_wait(&s->wake, &s->lock);
        } else if (pthread_cond_timedwait(&s->wake, &s->lock, &until) != 0) {
            return false;
        }
    }
    return true;
}

static void *thread_main(void *arg)
{
    struct sqlite_store *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (pv_list_empty(&s->queue) && !s->stop && !s->db.filter.whole) {
            pthread_mutex_unlock(&s->lock);
            (void)pv_sqlite_keys_learn(&s->db);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        if (!wait_for_work(s)) {
            pthread_mutex_unlock(&s->lock);
            /* Where it fails, db.suspect says so. */
            (void)checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
            s->db.wal_frames = 0;
            sqlite3_db_release_memory(s->db.db);
            pthread_mutex_lock(&s->lock);
            continue;
        }
        if (pv_list_empty(&s->queue)) {
            break; /* told to stop, and nothing is left */
        }
        struct pv_link batch;
        struct pv_link done;
        pv_list_init(&batch);
        pv_list_init(&done);
        take(&s->queue, &batch, s->max_batch);
        pthread_mutex_unlock(&s->lock);
        run_batch(s, &batch, &done);
        hand_back(s, &done);
        (void)pv_sqlite_keys_learn(&s->db);
        if (s->db.wal_frames >= CHECKPOINT_FRAMES) {
            (void)checkpoint(s, SQLITE_CHECKPOINT_PASSIVE);
        }
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    pv_lists_end(&s->lists);
    pv_sqlite_db_close(&s->db);
    pv_seal_forget();
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    uv_async_send(&s->async);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* What the reader has answered. */
static void on_read(void *user, struct pv_req *req)
{
    struct pv_link done;
    pv_list_init(&done);
    pv_list_push(&done, &req->link);
    hand_back(user, &done);
}

/* ---- the loop's side ---- */

static struct sqlite_store *sqlite_of(struct pv_store *store)
{
    return PV_CONTAINER(store, struct sqlite_store, store);
}

static int sqlite_submit(struct pv_store *store, struct pv_req *req)
{
    struct sqlite_store *s = sqlite_of(store);
    if (s->closing) {
        return PV_ECLOSED;
    }
    req->link = (struct pv_link){NULL, NULL};
    if (req->kind == PV_REQ_LIST) {
        pv_lists_submit(&s->lists, req);
        return PV_OK;
    }
    pthread_mutex_lock(&s->lock);
    bool first = pv_list_empty(&s->queue);
    pv_list_push(&s->queue, &req->link);
    pthread_mutex_unlock(&s->lock);
    if (first) {
        pthread_cond_signal(&s->wake); /* not under the lock, which it would run into */
    }
    return PV_OK;
}

static void free_store(struct sqlite_store *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pv_logic_done(&s->logic);
    pv_free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sqlite_store *s = handle->data;
    void (*closed)(void *user) = s->closed;
    void *user = s->closed_user;
    free_store(s);
    if (closed) {
        closed(user);
    }
}

static void on_async(uv_async_t *async)
{
    struct sqlite_store *s = async->data;
    struct pv_link done;
    pv_list_init(&done);
    pthread_mutex_lock(&s->lock);
    take(&s->finished, &done, SIZE_MAX);
    bool over = s->ended;
    pthread_mutex_unlock(&s->lock);
    for (struct pv_link *link = pv_list_pop(&done); link; link = pv_list_pop(&done)) {
        struct pv_req *req = PV_CONTAINER(link, struct pv_req, link);
        req->done(req);
    }
    if (over && !uv_is_closing((uv_handle_t *)async)) {
        pthread_join(s->thread, NULL);
        uv_close((uv_handle_t *)async, on_handle_closed);
    }
}

static void sqlite_close(struct pv_store *store, void (*closed)(void *user), void *user)
{
    struct sqlite_store *s = sqlite_of(store);
    s->closing = true;
    s->closed = closed;
    s->closed_user = user;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static const struct pv_store_ops sqlite_ops = {sqlite_submit, sqlite_close};

static int start_thread(struct sqlite_store *s, struct uv_loop_s *loop,
                        const struct pv_sqlite_options *options, struct pv_err *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    int code = uv_async_init(loop, &s->async, on_async);
    if (code) {
        return pv_err_set(err, PV_EINTERNAL, "the store: %s", uv_strerror(code));
    }
    s->async.data = s;
    int status = pv_lists_start(&s->lists, options, s->store.deployment, on_read, s);
    if (!status) {
        status = pv_status_from_errno(pthread_create(&s->thread, NULL, thread_main, s));
        if (status) {
            pv_lists_end(&s->lists);
        }
    }
    if (status) {
        uv_close((uv_handle_t *)&s->async, on_handle_closed);
        return pv_err_set(err, status, "the store: cannot start a thread");
    }
    return PV_OK;
}

int pv_sqlite_open(struct uv_loop_s *loop, const struct pv_sqlite_options *options,
                   struct pv_store **ret_store, struct pv_err *err)
{
    struct sqlite_store *s = pv_calloc(1, sizeof(*s));
    if (!s) {
        return pv_err_set(err, PV_ENOMEM, "the store: out of memory");
    }
    pv_list_init(&s->queue);
    pv_list_init(&s->finished);
    s->max_batch = options->max_batch ? options->max_batch : DEFAULT_BATCH;
    s->logic = (struct pv_logic){.rows = &s->db.rows,
                                 .keyring = options->keyring,
                                 .writer = 1,
                                 .commit_requests = {.first = 1},
                                 .commit_us = {.first = FIRST_COMMIT_US}};
    pv_arena_init(&s->logic.scratch);
    pv_arena_init(&s->logic.subscriber_arena);
    int status = pv_sqlite_db_open(options, &s->db, &s->logic, err);
    if (status) {
        pv_logic_done(&s->logic);
        pv_free(s);
        return status;
    }
    const struct pv_tally *tally = &s->logic.tally;
    s->store.ops = &sqlite_ops;
    s->store.deployment = s->logic.deployment;
    s->store.epoch = s->logic.epoch;
    s->store.unfinished = tally->ready + tally->running + tally->parked + tally->queued;
    status = start_thread(s, loop, options, err);
    if (status) {
        pv_sqlite_db_close(&s->db);
        if (!s->async.data) {
            free_store(s);
        }
        return status;
    }
    *ret_store = &s->store;
    return PV_OK;
}

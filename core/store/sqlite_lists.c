/* SPDX-License-Identifier: Apache-2.0 */
/* The queue is under `lock`; connection and logic are the thread's. When nothing has come for a
 * while, the connection gives its memory back. */
#include "core/store/sqlite_lists.h"

#include "core/base/alloc.h"

#include <string.h>
#include <time.h>

#define IDLE_S 2

static int apply(struct pv_lists *r, struct pv_req *req)
{
    int status = r->db.db ? PV_OK : pv_sqlite_open_reader(&r->db, r->path);
    status = status ? status : pv_sqlite_run_plain(&r->db, PV_S_BEGIN);
    if (status) {
        return status;
    }
    status = pv_logic_apply(&r->logic, req);
    int ended = pv_sqlite_run_plain(&r->db, PV_S_COMMIT);
    return status ? status : ended;
}

static void answer(struct pv_lists *r, struct pv_req *req)
{
    int status = apply(r, req);
    if (status) {
        pv_sqlite_finish_req(req, status, r->db.error);
    }
    r->finished(r->user, req);
}

/* The next request; NULL: told to stop, and nothing is left. */
static struct pv_req *next(struct pv_lists *r)
{
    bool warm = r->db.db != NULL;
    pthread_mutex_lock(&r->lock);
    while (pv_list_empty(&r->queue) && !r->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += IDLE_S;
        if (!warm) {
            pthread_cond_wait(&r->wake, &r->lock);
        } else if (pthread_cond_timedwait(&r->wake, &r->lock, &until) != 0) {
            warm = false;
            pthread_mutex_unlock(&r->lock);
            sqlite3_db_release_memory(r->db.db);
            pthread_mutex_lock(&r->lock);
        }
    }
    struct pv_link *link = pv_list_pop(&r->queue);
    pthread_mutex_unlock(&r->lock);
    return link ? PV_CONTAINER(link, struct pv_req, link) : NULL;
}

static void *thread_main(void *arg)
{
    struct pv_lists *r = arg;
    for (struct pv_req *req = next(r); req; req = next(r)) {
        answer(r, req);
    }
    return NULL;
}

static void free_all(struct pv_lists *r)
{
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    pv_sqlite_db_close(&r->db);
    pv_arena_done(&r->logic.scratch);
    pv_free(r->path);
    r->path = NULL;
}

int pv_lists_start(struct pv_lists *r, const struct pv_sqlite_options *options,
                   struct pv_id deployment, void (*finished)(void *user, struct pv_req *req),
                   void *user)
{
    *r = (struct pv_lists){.path = pv_strdup(options->path), .finished = finished, .user = user};
    pv_sqlite_db_init(&r->db, options->keyring);
    r->logic = (struct pv_logic){
        .rows = &r->db.rows, .keyring = options->keyring, .deployment = deployment};
    pv_arena_init(&r->logic.scratch);
    pv_list_init(&r->queue);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&r->lock, NULL);
    int status = r->path ? PV_OK : PV_ENOMEM;
    if (!status) {
        status = pv_status_from_errno(pthread_create(&r->thread, NULL, thread_main, r));
    }
    if (status) {
        free_all(r);
    }
    return status;
}

void pv_lists_submit(struct pv_lists *r, struct pv_req *req)
{
    pthread_mutex_lock(&r->lock);
    pv_list_push(&r->queue, &req->link);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void pv_lists_end(struct pv_lists *r)
{
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    free_all(r);
}

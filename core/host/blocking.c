/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `blocking`: a function on a thread of libuv's pool. It cannot be interrupted, so a
 * canceled call waits for it. */
#include "core/host/internal.h"

#include "core/host/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

struct work {
    struct pv_wait wait;
    uv_work_t req;
    void (*fn)(void *arg);
    void *arg;
};

static void on_thread(uv_work_t *req)
{
    static _Thread_local bool prepared;
    if (!prepared) {
        prepared = true;
        pv_crash_thread();
    }
    struct work *work = req->data;
    struct pv_call *call = work->wait.call;
    char name[16];
    snprintf(name, sizeof(name), PV_PAGE_THREAD_NAME, call->slot);
    prctl(PR_SET_NAME, name);
    pv_crash_enter(call->host->page, call->id, call->label);
    work->fn(work->arg);
    pv_crash_enter(NULL, 0, NULL);
    prctl(PR_SET_NAME, "blocking");
}

static void on_work_done(uv_work_t *req, int status)
{
    struct work *work = req->data;
    pv_wait_done(&work->wait, status == UV_ECANCELED ? PROVOST_E_CANCELED : 0);
}

static void cancel_work(struct pv_wait *wait)
{
    struct work *work = PV_CONTAINER(wait, struct work, wait);
    uv_cancel((uv_req_t *)&work->req); /* only while it waits for a thread; else on_work_done
                                          follows */
}

int pv_call_blocking(struct provost_call *pub, void (*fn)(void *arg), void *arg)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    int code = pv_call_check_send(call);
    if (code != 0) {
        return code;
    }
    if (fn == NULL) {
        return pv_call_fail(call, PROVOST_E_INVALID, "blocking: a function is needed");
    }
    pv_call_touch(call);
    struct work work = {.wait = {.call = call, .cancel = cancel_work}, .fn = fn, .arg = arg};
    work.req.data = &work;
    /* libuv reads the pool's size once, with the first piece of work: four threads are few for
     * functions that block for long. */
    static bool sized;
    bool set = !sized && getenv("UV_THREADPOOL_SIZE") == NULL &&
               setenv("UV_THREADPOOL_SIZE", "16", 1) == 0;
    sized = true;
    int failed = uv_queue_work(call->host->loop, &work.req, on_thread, on_work_done);
    if (set) {
        unsetenv("UV_THREADPOOL_SIZE");
    }
    if (failed != 0) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "blocking: %s", uv_strerror(failed));
    }
    return pv_call_wait(call, &work.wait);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A slice is asked for when the one before is done, and after as long a rest as it took: others
 * commit in between. */
#include "core/daemon/keys.h"

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

#define SLICE_ROWS 256
#define REST_MIN_MS 1
#define REST_MAX_MS 1000
#define RETRY_MS 5000 /* after a slice that failed: the disk is full, or broken */

static void ask(uv_timer_t *timer);

static void rest(struct pv_keys *keys, uint64_t ms)
{
    if (keys->open) {
        uv_timer_start(&keys->timer, ask, ms, 0);
    }
}

static void tell_end(struct pv_keys *keys)
{
    const struct pv_reseal *in = &keys->reseal;
    if (in->ret_key == keys->told || in->ret_looked == 0) {
        return;
    }
    keys->told = in->ret_key;
    pv_log(PV_INFO,
           (pv_lf_i64("key", in->ret_key), pv_lf_i64("resealed", (int64_t)in->ret_resealed),
            pv_lf_i64("unreadable", (int64_t)in->ret_unreadable)),
           "every value is sealed with the newest key");
}

static void resealed(struct pv_req *req)
{
    struct pv_keys *keys = req->user;
    uint64_t took_ms = uv_now(keys->loop) - keys->began_ms;
    keys->asked = false;
    if (req->status != 0) {
        if (keys->failed.status == 0) {
            pv_log_plain(PV_WARN, "values cannot be sealed again: %s", req->err.text);
        }
        keys->failed = req->err;
        rest(keys, RETRY_MS);
    } else {
        keys->failed = (struct pv_err){0};
        bool newest = keys->reseal.ret_key == pv_keyring_newest(keys->keyring);
        if (keys->reseal.ret_done && newest) {
            tell_end(keys);
        } else {
            uint64_t ms = took_ms > REST_MIN_MS ? took_ms : REST_MIN_MS;
            rest(keys, ms < REST_MAX_MS ? ms : REST_MAX_MS);
        }
    }
    pv_req_done(req);
}

static void ask(uv_timer_t *timer)
{
    struct pv_keys *keys = timer->data;
    if (keys->asked || !keys->open) {
        return;
    }
    keys->began_ms = uv_now(keys->loop);
    keys->reseal.limit = SLICE_ROWS;
    pv_req_init(&keys->reseal.req, PV_REQ_RESEAL, resealed, keys);
    keys->asked = pv_store_submit(keys->store, &keys->reseal.req) == 0; /* else it is closed */
}

int pv_keys_open(struct pv_keys *keys, uv_loop_t *loop, struct pv_keyring *keyring,
                 const char *path, struct pv_store *store)
{
    if (strlen(path) >= sizeof(keys->path)) {
        return PV_ETOOBIG;
    }
    keys->keyring = keyring;
    keys->store = store;
    keys->loop = loop;
    snprintf(keys->path, sizeof(keys->path), "%s", path);
    int code = uv_timer_init(loop, &keys->timer);
    if (code != 0) {
        return PV_EINTERNAL;
    }
    keys->timer.data = keys;
    keys->open = true;
    ask(&keys->timer);
    return 0;
}

void pv_keys_close(struct pv_keys *keys)
{
    if (keys->open) {
        keys->open = false;
        uv_close((uv_handle_t *)&keys->timer, NULL);
    }
}

/* ---- a new key ---- */

static void make(uv_work_t *work)
{
    struct pv_keys *keys = work->data;
    keys->err = (struct pv_err){0};
    keys->status = pv_keyring_rotate(keys->keyring, keys->path, &keys->made, &keys->err);
}

static void made(uv_work_t *work, int code)
{
    struct pv_keys *keys = work->data;
    struct pv_api_rotate *rotate = keys->rotate;
    keys->rotate = NULL;
    if (code != 0) {
        keys->status = pv_err_set(&keys->err, PV_ECLOSED, "no key was made: provostd is stopping");
    }
    if (keys->status == 0) {
        pv_log(PV_INFO, (pv_lf_i64("key", keys->made)), "a new key seals");
        keys->reseal.ret_done = false;
        rest(keys, 0);
    }
    rotate->done(rotate, keys->status, keys->made, &keys->err);
}

int pv_keys_rotate(struct pv_keys *keys, struct pv_api_rotate *rotate)
{
    if (keys->rotate != NULL) {
        return PV_EBUSY;
    }
    if (!keys->open) {
        return PV_ECLOSED;
    }
    keys->rotate = rotate;
    keys->work.data = keys;
    if (uv_queue_work(keys->loop, &keys->work, make, made) != 0) {
        keys->rotate = NULL;
        return PV_EINTERNAL;
    }
    return 0;
}

/* ---- what is shown ---- */

void pv_keys_show(const struct pv_keys *keys, struct pv_buf *out)
{
    size_t count = pv_keyring_count(keys->keyring);
    const struct pv_reseal *in = &keys->reseal;
    bool done = in->ret_done && in->ret_key == pv_keyring_newest(keys->keyring);
    pv_buf_c(out, "{\"keys\":[");
    for (size_t i = 0; i < count; i++) {
        const char *old = done ? "unused" : "opening";
        pv_buf_printf(out, "%s{\"id\":%lu,\"state\":\"%s\"}", i > 0 ? "," : "",
                      (unsigned long)pv_keyring_id(keys->keyring, i),
                      i + 1 == count ? "sealing" : old);
    }
    /* What is counted is of the newest key once a slice with it was done. */
    bool counted = in->ret_key == pv_keyring_newest(keys->keyring);
    pv_buf_printf(out,
                  "],\"resealing\":{\"done\":%s,\"looked\":%llu,\"resealed\":%llu,"
                  "\"unreadable\":%llu,\"error\":",
                  done ? "true" : "false", (unsigned long long)(counted ? in->ret_looked : 0),
                  (unsigned long long)(counted ? in->ret_resealed : 0),
                  (unsigned long long)(counted ? in->ret_unreadable : 0));
    if (keys->failed.status != 0) {
        pv_buf_json(out, pv_str(keys->failed.text));
    } else {
        pv_buf_c(out, "null");
    }
    pv_buf_c(out, "}}");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What was given up and nobody has had tried again is deleted after its time: looked for at the
 * start, and every hour. */
#include "core/base/log.h"
#include "core/notify/internal.h"

#define EVERY_MS (3600 * 1000)

static void expired(struct pv_req *req)
{
    struct pv_sub *sub = req->user;
    struct pv_notifier *n = sub->notifier;
    const struct pv_outbox_req *in = &sub->expire;
    /* PV_ENOTFOUND: the store has not heard of it yet, so there is nothing. */
    bool refused = req->status != 0 && req->status != PV_ENOTFOUND;
    bool more = req->status == 0 && in->ret_more;
    if (req->status == 0 && in->ret_count > 0) {
        pv_log(PV_INFO,
               (pv_lf_c("subscriber", sub->name), pv_lf_i64("count", (int64_t)in->ret_count)),
               "notifications that were given up long ago are deleted");
    }
    sub->expiring = false;
    sub->expire_mono_ms = pv_mono_ms(&n->o.clock) + (more      ? 0
                                                     : refused ? PV_NOTIFY_STORE_PAUSE_MS
                                                               : EVERY_MS);
    pv_req_done(req);
    if (sub->config == NULL) {
        pv_sub_release(sub);
        return;
    }
    pv_sub_expire(sub);
    pv_notifier_arm(n);
}

void pv_sub_expire(struct pv_sub *sub)
{
    struct pv_notifier *n = sub->notifier;
    if (sub->config == NULL || sub->expiring || n->closing ||
        sub->expire_mono_ms > pv_mono_ms(&n->o.clock)) {
        return;
    }
    int64_t now_ms = pv_wall_ms(&n->o.clock);
    sub->expire = (struct pv_outbox_req){
        .what = PV_OUTBOX_EXPIRE,
        .subscriber = pv_str(sub->name),
        .now_ms = now_ms,
        .due_ms = now_ms - sub->config->keep_undelivered_ms,
    };
    pv_req_init(&sub->expire.req, PV_REQ_OUTBOX, expired, sub);
    sub->expiring = pv_store_submit(n->o.store, &sub->expire.req) == 0;
}

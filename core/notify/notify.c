/* SPDX-License-Identifier: Apache-2.0 */
/* Subscribers and the notifications under way to them.
 *
 *   due in the store ──TAKE──▶ under way ──2xx──▶ DELIVERED (deleted)
 *           │                      ├──failed──▶ LATER (due again) or UNDELIVERED (its time is over)
 *           │                      └──410─────▶ LATER, and the subscriber is disabled
 *           └──its body cannot be opened──▶ UNDELIVERED
 *
 * A subscriber has at most one TAKE and max_in_flight posts; the store gives the first notification
 * of each service only. */
#include "core/notify/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int64_t mono(const struct pv_notifier *n)
{
    return pv_mono_ms(&n->o.clock);
}

static void pump(struct pv_sub *sub);
static void settle_again(struct pv_sub *sub);

/* ---- the end ---- */

void pv_notifier_check_closed(struct pv_notifier *n)
{
    if (!n->closing || n->subscribing || !pv_list_empty(&n->subs)) {
        return;
    }
    void (*closed)(void *user) = n->closed;
    void *user = n->closed_user;
    pv_arena_done(&n->filter_arena);
    pv_free(n);
    closed(user);
}

void pv_sub_release(struct pv_sub *sub)
{
    struct pv_notifier *n = sub->notifier;
    if (sub->config == NULL && sub->in_flight == 0 && !sub->taking && !sub->disabling &&
        !sub->expiring) {
        pv_list_remove(&sub->link);
        pv_free(sub);
        pv_notifier_check_closed(n);
    }
}

static void delivery_free(struct pv_delivery *d)
{
    pv_list_remove(&d->link);
    d->sub->in_flight--;
    d->sub->notifier->counters.in_flight--;
    pv_free(d->post.url);
    pv_free(d->post.ca_file);
    pv_free(d->body);
    pv_free(d);
}

void pv_sub_remove(struct pv_sub *sub)
{
    sub->config = NULL;
    struct pv_link *next = NULL;
    for (struct pv_link *l = sub->deliveries.next; l != &sub->deliveries; l = next) {
        struct pv_delivery *d = PV_CONTAINER(l, struct pv_delivery, link);
        next = l->next;
        if (d->state == PV_DELIVERY_SENT) {
            sub->notifier->o.transport.cancel(sub->notifier->o.transport.ctx, &d->post);
        }
        if (d->state != PV_DELIVERY_SETTLING) {
            delivery_free(d);
        }
    }
    pv_sub_release(sub);
}

/* ---- the timer ---- */

void pv_notifier_arm(struct pv_notifier *n)
{
    int64_t first = n->resubscribe && !n->subscribing ? n->subscribe_mono_ms : INT64_MAX;
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = l->next) {
        const struct pv_sub *sub = pv_sub_of(l);
        first = sub->config != NULL && sub->due_mono_ms < first ? sub->due_mono_ms : first;
        first = sub->config != NULL && sub->settle_mono_ms < first ? sub->settle_mono_ms : first;
        bool rests = sub->config != NULL && !sub->expiring && sub->expire_mono_ms < first;
        first = rests ? sub->expire_mono_ms : first;
    }
    if (first != INT64_MAX) {
        n->o.arm(n->o.arm_ctx, first);
    }
}

static void look_again(struct pv_sub *sub, int64_t mono_ms)
{
    sub->due_mono_ms = mono_ms < sub->due_mono_ms ? mono_ms : sub->due_mono_ms;
    pv_notifier_arm(sub->notifier);
}

void pv_notifier_tick(struct pv_notifier *n)
{
    int64_t now = mono(n);
    struct pv_link *next = NULL;
    if (n->resubscribe && !n->subscribing && n->subscribe_mono_ms <= now) {
        pv_notifier_subscribe(n);
    }
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = next) {
        struct pv_sub *sub = pv_sub_of(l);
        next = l->next;
        pv_sub_expire(sub);
        settle_again(sub);
        if (sub->due_mono_ms <= now) {
            sub->due_mono_ms = INT64_MAX;
            pump(sub);
        }
    }
    pv_notifier_arm(n);
}

void pv_notifier_poke(struct pv_notifier *n)
{
    struct pv_link *next = NULL;
    for (struct pv_link *l = n->subs.next; l != &n->subs; l = next) {
        next = l->next;
        pump(pv_sub_of(l));
    }
}

/* ---- after an attempt ---- */

static void disable_done(struct pv_req *req)
{
    struct pv_sub *sub = req->user;
    sub->disabling = false;
    pv_req_done(req);
    pv_sub_release(sub);
}

static void disable(struct pv_sub *sub, const char *reason)
{
    struct pv_notifier *n = sub->notifier;
    if (sub->disabling || sub->config == NULL) {
        return;
    }
    snprintf(sub->reason, sizeof(sub->reason), "%s", reason);
    sub->disable = (struct pv_outbox_req){.what = PV_OUTBOX_DISABLE,
                                          .subscriber = pv_str(sub->name),
                                          .now_ms = pv_wall_ms(&n->o.clock),
                                          .error = pv_str(sub->reason)};
    pv_req_init(&sub->disable.req, PV_REQ_OUTBOX, disable_done, sub);
    sub->disabling = pv_store_submit(n->o.store, &sub->disable.req) == 0;
    n->counters.disabled++;
    pv_log(PV_WARN, (pv_lf_c("subscriber", sub->name)), "disabled: %s", reason);
}

/* The store refuses: it is left alone for a while, and so is the subscriber; longer, where the
 * subscriber is to be left alone longer. */
static void pause_for_store(struct pv_sub *sub)
{
    int64_t until = mono(sub->notifier) + PV_NOTIFY_STORE_PAUSE_MS;
    sub->hold_mono_ms = until > sub->hold_mono_ms ? until : sub->hold_mono_ms;
}

static void tell_once(struct pv_sub *sub, bool *told, const char *what, int status)
{
    if (!*told) {
        pv_log(PV_ERROR, (pv_lf_c("subscriber", sub->name)), "%s, and is tried again: %s", what,
               pv_status_text(status));
    }
    *told = true;
}

/* It is kept until it is written, for it would be sent again otherwise. */
static void keep_unwritten(struct pv_delivery *d, int status)
{
    struct pv_sub *sub = d->sub;
    d->state = PV_DELIVERY_UNWRITTEN;
    tell_once(sub, &sub->told_unwritten, "what became of a notification cannot be written", status);
    pause_for_store(sub);
    int64_t again = mono(sub->notifier) + PV_NOTIFY_STORE_PAUSE_MS;
    sub->settle_mono_ms = again < sub->settle_mono_ms ? again : sub->settle_mono_ms;
    pv_notifier_arm(sub->notifier);
}

static void settled(struct pv_req *req)
{
    struct pv_delivery *d = req->user;
    struct pv_sub *sub = d->sub;
    int status = req->status;
    pv_req_done(req);
    if (status != 0 && status != PV_ENOTFOUND && sub->config != NULL) {
        keep_unwritten(d, status);
        pump(sub);
        return;
    }
    sub->told_unwritten = sub->told_unwritten && status != 0;
    delivery_free(d);
    if (sub->config != NULL) {
        pump(sub);
    }
    pv_sub_release(sub);
}

/* Writes what became of it. */
static void settle(struct pv_delivery *d)
{
    struct pv_sub *sub = d->sub;
    struct pv_notifier *n = sub->notifier;
    static const enum pv_outbox_do what[] = {
        [PV_NOTIFY_DELIVERED] = PV_OUTBOX_DELIVERED,
        [PV_NOTIFY_LATER] = PV_OUTBOX_LATER,
        [PV_NOTIFY_UNDELIVERED] = PV_OUTBOX_UNDELIVERED,
        [PV_NOTIFY_GONE] = PV_OUTBOX_LATER,
    };
    d->settle = (struct pv_outbox_req){
        .what = what[d->judgement.verdict],
        .subscriber = pv_str(sub->name),
        .n = d->row.n,
        .now_ms = pv_wall_ms(&n->o.clock),
        .due_ms = d->judgement.due_ms,
        .attempts = d->row.attempts,
        .error = pv_str(d->judgement.error),
    };
    pv_req_init(&d->settle.req, PV_REQ_OUTBOX, settled, d);
    d->state = PV_DELIVERY_SETTLING;
    int status = pv_store_submit(n->o.store, &d->settle.req);
    if (status != 0) {
        keep_unwritten(d, status);
    }
}

static void settle_again(struct pv_sub *sub)
{
    if (sub->config == NULL || sub->settle_mono_ms > mono(sub->notifier)) {
        return;
    }
    sub->settle_mono_ms = INT64_MAX;
    for (struct pv_link *l = sub->deliveries.next; l != &sub->deliveries; l = l->next) {
        struct pv_delivery *d = PV_CONTAINER(l, struct pv_delivery, link);
        if (d->state == PV_DELIVERY_UNWRITTEN) {
            settle(d);
        }
    }
}

static void note_outcome(struct pv_sub *sub, const struct pv_notify_judgement *j)
{
    struct pv_notifier *n = sub->notifier;
    if (j->verdict == PV_NOTIFY_DELIVERED) {
        n->counters.delivered++;
        sub->failures = 0;
        sub->hold_mono_ms = 0;
        return;
    }
    n->counters.failed++;
    n->counters.undelivered += j->verdict == PV_NOTIFY_UNDELIVERED ? 1 : 0;
    sub->failures += sub->failures < 1000 ? 1 : 0;
    int64_t pause = pv_notify_pause_ms(sub->failures);
    pause = pause > j->wait_ms ? pause : j->wait_ms;
    int64_t until = mono(n) + pause;
    sub->hold_mono_ms = until > sub->hold_mono_ms ? until : sub->hold_mono_ms;
}

static void answered(struct pv_notify_post *post, int status, int64_t retry_after_ms,
                     const char *error)
{
    struct pv_delivery *d = PV_CONTAINER(post, struct pv_delivery, post);
    struct pv_sub *sub = d->sub;
    struct pv_notifier *n = sub->notifier;
    struct pv_notify_judgement *j = &d->judgement;
    d->row.attempts++;
    pv_notify_judge(sub->config, &d->row, d->row.attempts, status, retry_after_ms, error,
                    pv_wall_ms(&n->o.clock), &n->o.rng, j);
    note_outcome(sub, j);
    enum pv_level level = j->verdict == PV_NOTIFY_DELIVERED ? PV_DEBUG : PV_WARN;
    pv_log(level,
           (pv_lf_c("subscriber", sub->name), pv_lf_op(d->row.op), pv_lf_svc(d->row.service),
            pv_lf_c("webhook", d->post.id), pv_lf_i64("attempt", d->row.attempts)),
           "%s %s%s%s", pv_notice_name(d->row.type),
           j->verdict == PV_NOTIFY_DELIVERED     ? "delivered"
           : j->verdict == PV_NOTIFY_UNDELIVERED ? "given up"
                                                 : "not delivered",
           j->error[0] != '\0' ? ": " : "", j->error);
    if (j->verdict == PV_NOTIFY_GONE) {
        disable(sub, j->error);
    }
    settle(d);
}

/* ---- an attempt ---- */

static int sign(struct pv_delivery *d)
{
    const struct pv_notify_subscriber *config = d->sub->config;
    struct pv_notify_post *post = &d->post;
    int64_t now_s = pv_wall_ms(&d->sub->notifier->o.clock) / 1000;
    char op[PV_ID_TEXT];
    /* The same in every attempt, and after a restart. */
    snprintf(post->id, sizeof(post->id), "msg_%s_%" PRIu64 "%s",
             pv_id_format("op", d->row.op, op) + 3, d->row.audit_n,
             d->row.type == PV_NOTICE_STATE ? "s" : "");
    snprintf(post->timestamp, sizeof(post->timestamp), "%" PRId64, now_s);
    int status = 0;
    for (size_t i = 0; i < PV_WEBHOOK_SECRETS && config->keys[i] != NULL && status == 0; i++) {
        char one[PV_WEBHOOK_SIGNATURE];
        status = pv_webhook_sign(config->keys[i], pv_str(post->id), now_s, post->body, one);
        size_t used = strlen(post->signature);
        snprintf(post->signature + used, sizeof(post->signature) - used, "%s%s",
                 used > 0 ? " " : "", one);
    }
    return status;
}

static struct pv_delivery *delivery_new(struct pv_sub *sub, const struct pv_outbox_row *row)
{
    struct pv_delivery *d = pv_calloc(1, sizeof(*d));
    if (d == NULL) {
        return NULL;
    }
    d->sub = sub;
    d->row = *row;
    d->row.subscriber = (struct pv_str){NULL, 0};
    d->row.error = (struct pv_str){NULL, 0};
    d->row.body = (struct pv_str){NULL, 0};
    pv_list_push(&sub->deliveries, &d->link);
    sub->in_flight++;
    sub->notifier->counters.in_flight++;
    return d;
}

/* There is nothing that could be sent. false: there is no memory; later. */
static bool give_up_unopened(struct pv_sub *sub, const struct pv_outbox_row *row)
{
    struct pv_delivery *d = delivery_new(sub, row);
    if (d == NULL) {
        return false;
    }
    d->judgement = (struct pv_notify_judgement){.verdict = PV_NOTIFY_UNDELIVERED};
    snprintf(d->judgement.error, sizeof(d->judgement.error), "its body cannot be opened");
    sub->notifier->counters.undelivered++;
    pv_log(PV_ERROR, (pv_lf_c("subscriber", sub->name), pv_lf_op(row->op), pv_lf_svc(row->service)),
           "%s given up: %s; `provost webhook retry` sends it once its key is in the keys file",
           pv_notice_name(row->type), d->judgement.error);
    settle(d);
    return true;
}

/* false: there is no memory; later. */
static bool deliver(struct pv_sub *sub, const struct pv_outbox_row *row)
{
    struct pv_notifier *n = sub->notifier;
    const struct pv_notify_subscriber *config = sub->config;
    struct pv_delivery *d = delivery_new(sub, row);
    if (d == NULL) {
        return false;
    }
    d->body = pv_strndup(row->body.ptr, row->body.len);
    d->post = (struct pv_notify_post){
        .url = pv_strndup(config->url.ptr, config->url.len),
        .ca_file =
            config->ca_file.len > 0 ? pv_strndup(config->ca_file.ptr, config->ca_file.len) : NULL,
        .body = {d->body, row->body.len},
        .timeout_ms = config->timeout_ms,
        .done = answered,
    };
    bool whole = d->body != NULL && d->post.url != NULL &&
                 (config->ca_file.len == 0 || d->post.ca_file != NULL);
    if (!whole || sign(d) != 0 || n->o.transport.post(n->o.transport.ctx, &d->post) != 0) {
        delivery_free(d);
        return false;
    }
    return true;
}

static bool under_way(const struct pv_sub *sub, uint64_t row_n)
{
    for (const struct pv_link *l = sub->deliveries.next; l != &sub->deliveries; l = l->next) {
        if (PV_CONTAINER(l, const struct pv_delivery, link)->row.n == row_n) {
            return true;
        }
    }
    return false;
}

static size_t room(const struct pv_sub *sub)
{
    /* One at a time to see whether it is back. */
    size_t most = pv_notify_pause_ms(sub->failures) > 0 ? 1 : (size_t)sub->config->max_in_flight;
    return most > sub->in_flight ? most - sub->in_flight : 0;
}

/* false: there is no memory for all of it. */
static bool deliver_due(struct pv_sub *sub, const struct pv_outbox_req *take)
{
    struct pv_notifier *n = sub->notifier;
    int64_t now_ms = pv_wall_ms(&n->o.clock);
    for (size_t i = 0; i < take->ret_count; i++) {
        const struct pv_outbox_row *row = &take->ret_rows[i];
        if (under_way(sub, row->n)) {
            continue;
        }
        if (row->due_ms > now_ms || row->due_ms > take->now_ms) {
            look_again(sub, mono(n) + (row->due_ms > now_ms ? row->due_ms - now_ms : 1));
            break;
        }
        if (room(sub) == 0) {
            break; /* the next one that ends looks again */
        }
        if (row->body.ptr != NULL ? !deliver(sub, row) : !give_up_unopened(sub, row)) {
            return false;
        }
    }
    return true;
}

static void taken(struct pv_req *req)
{
    struct pv_sub *sub = req->user;
    /* PV_ENOTFOUND: the store has not heard of it yet, so there is nothing. */
    int status = req->status == PV_ENOTFOUND ? 0 : req->status;
    sub->taking = false;
    if (sub->config == NULL) {
        pv_req_done(req);
        pv_sub_release(sub);
        return;
    }
    bool starved = status != 0 || (req->status == 0 && !deliver_due(sub, &sub->take));
    pv_req_done(req);
    if (status != 0) {
        tell_once(sub, &sub->told_unread, "what is due cannot be read", status);
    }
    sub->told_unread = status != 0;
    if (starved) {
        pause_for_store(sub);
        look_again(sub, sub->hold_mono_ms);
    }
    if (sub->again) {
        pump(sub);
    }
}

/* Looks for what is due, unless there is no room or it is left alone for a while. */
static void pump(struct pv_sub *sub)
{
    struct pv_notifier *n = sub->notifier;
    if (sub->config == NULL || n->closing || room(sub) == 0) {
        return;
    }
    if (sub->taking) {
        sub->again = true;
        return;
    }
    if (sub->hold_mono_ms > mono(n)) {
        look_again(sub, sub->hold_mono_ms);
        return;
    }
    sub->again = false;
    sub->take = (struct pv_outbox_req){
        .what = PV_OUTBOX_TAKE,
        .subscriber = pv_str(sub->name),
        .limit = sub->in_flight + room(sub) + 1,
        .now_ms = pv_wall_ms(&n->o.clock),
    };
    pv_req_init(&sub->take.req, PV_REQ_OUTBOX, taken, sub);
    sub->taking = pv_store_submit(n->o.store, &sub->take.req) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications: what is written when an operation ends or parks, and what becomes of it. The rows
 * of one subscriber and service are a chain: only its first is due, so that a delivery that fails
 * holds up the later ones of its service and nobody else's. */
#include "core/store/logic.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

#define MAX_PAGE 1000u

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

/* ---- writing ---- */

static bool wants(const struct pv_subscriber *subscriber, int type, struct pv_str source)
{
    bool named = subscriber->source_count == 0;
    for (size_t i = 0; i < subscriber->source_count && !named; i++) {
        named = pv_str_eq(subscriber->sources[i], source);
    }
    return named && (subscriber->types & (1u << type)) != 0;
}

static int write_one(struct pv_logic *logic, const struct pv_svc *svc,
                     const struct pv_notice *notice, const struct pv_subscriber *subscriber)
{
    struct pv_subscriber_row sub;
    int status =
        ops_of(logic)->subscriber_get(logic->rows, subscriber->name, &logic->scratch, &sub);
    if (status == PV_ENOTFOUND) {
        /* The record of it could not be written when it subscribed. */
        sub = (struct pv_subscriber_row){.name = subscriber->name,
                                         .since_n = logic->tally.audit_n - 1};
        status = PV_OK;
    }
    if (status || sub.disabled_ms) {
        return status;
    }
    struct pv_outbox_row head;
    status = ops_of(logic)->outbox_head(logic->rows, sub.name, svc->n, &logic->scratch, &head);
    bool first = status == PV_ENOTFOUND;
    if (status && !first) {
        return status;
    }
    struct pv_buf body;
    pv_buf_init(&body, PV_NOTICE_MAX);
    status = pv_notice_write(notice, &body);
    struct pv_outbox_row row = {
        .subscriber = sub.name,
        .audit_n = logic->tally.audit_n,
        .type = notice->type,
        .op = notice->op,
        .service = svc->id,
        .service_n = svc->n,
        .at_ms = notice->at_ms,
        .since_ms = notice->at_ms,
        .due_ms = first ? notice->at_ms : PV_NEVER,
        .body = pv_buf_view(&body),
    };
    sub.written++;
    status = status ? status : ops_of(logic)->outbox_add(logic->rows, &row);
    status = status ? status : ops_of(logic)->subscriber_put(logic->rows, &sub);
    pv_buf_done(&body);
    return status;
}

static int write_all(struct pv_logic *logic, const struct pv_svc *svc,
                     const struct pv_notice *notice)
{
    int status = PV_OK;
    for (size_t i = 0; i < logic->subscriber_count && !status; i++) {
        if (wants(&logic->subscribers[i], notice->type, svc->source)) {
            status = write_one(logic, svc, notice, &logic->subscribers[i]);
        }
    }
    return status;
}

static bool anybody(const struct pv_logic *logic, const struct pv_svc *svc, int type, bool changed)
{
    for (size_t i = 0; i < logic->subscriber_count; i++) {
        const struct pv_subscriber *subscriber = &logic->subscribers[i];
        if (wants(subscriber, type, svc->source) ||
            (changed && wants(subscriber, PV_NOTICE_STATE, svc->source))) {
            return true;
        }
    }
    return false;
}

int pv_logic_notify(struct pv_logic *logic, const struct pv_svc *svc,
                    const struct pv_logic_end *end, int64_t now_ms)
{
    int type = pv_notice_of(end->state);
    bool changed = end->before != svc->observed;
    if (type < 0 || !anybody(logic, svc, type, changed)) {
        return PV_OK;
    }
    struct pv_op op;
    int status = ops_of(logic)->op_head(logic->rows, end->op_n, &logic->scratch, &op);
    struct pv_notice notice = {
        .type = type,
        .at_ms = now_ms,
        .op = op.id,
        .op_type = op.type,
        .op_state = end->state,
        .action = op.action,
        .reason = end->reason,
        .accepted_ms = op.accepted_ms,
        .service = svc->id,
        .source = svc->source,
        .external_id = svc->external_id,
        .product = svc->product.ptr ? svc->product : op.product,
        .plan_name = svc->plan_name.ptr ? svc->plan_name : op.plan_name,
        .state = svc->observed,
        .before = end->before,
    };
    status = status ? status : write_all(logic, svc, &notice);
    if (!status && changed) {
        notice.type = PV_NOTICE_STATE;
        status = write_all(logic, svc, &notice);
    }
    return status;
}

int pv_logic_ended(struct pv_logic *logic, const struct pv_svc *svc, const struct pv_logic_end *end,
                   int64_t now_ms)
{
    static const char *const whats[] = {"operation.done", "operation.failed",
                                        "operation.superseded", "operation.canceled",
                                        "operation.abandoned"};
    if (!pv_op_state_final(end->state)) {
        return PV_EINTERNAL;
    }
    char detail[PV_NOTICE_DETAIL];
    struct pv_audit audit = {
        .actor = PV_STR("engine"),
        .what = pv_str(whats[end->state - PV_OPS_DONE]),
        .source = svc->source,
        .detail = pv_notice_detail(end->detail, end->before, svc->observed, detail),
        .service = svc->id,
        .op = end->op,
    };
    int status = pv_logic_audit(logic, &audit, now_ms, svc->n);
    return status ? status : pv_logic_notify(logic, svc, end, now_ms);
}

/* ---- subscribers ---- */

static int audit_subscriber(struct pv_logic *logic, const struct pv_outbox_req *in,
                            const char *what, struct pv_str name, const char *more,
                            const struct pv_outbox_row *row)
{
    char detail[400];
    int len = snprintf(detail, sizeof(detail), "%.*s%s%.250s", PV_STR_ARG(name),
                       more[0] ? ": " : "", more);
    struct pv_audit audit = {
        .actor = in->actor.ptr ? in->actor : PV_STR("engine"),
        .what = pv_str(what),
        .detail = {detail, (size_t)len},
    };
    int64_t service_n = 0;
    if (row) {
        audit.service = row->service;
        audit.op = row->op;
        service_n = row->service_n;
        struct pv_svc svc;
        int status = ops_of(logic)->svc_by_n(logic->rows, service_n, &logic->scratch, &svc);
        if (status) {
            return status;
        }
        audit.source = svc.source;
    }
    return pv_logic_audit(logic, &audit, in->now_ms, service_n);
}

static const struct pv_subscriber *named(const struct pv_outbox_req *in, struct pv_str name)
{
    for (size_t i = 0; i < in->subscriber_count; i++) {
        if (pv_str_eq(in->subscribers[i].name, name)) {
            return &in->subscribers[i];
        }
    }
    return NULL;
}

static int drop_unnamed(struct pv_logic *logic, const struct pv_outbox_req *in)
{
    struct pv_subscriber_row *rows = NULL;
    size_t count = 0;
    int status = ops_of(logic)->subscriber_list(logic->rows, &logic->scratch, &rows, &count);
    for (size_t i = 0; i < count && !status; i++) {
        if (named(in, rows[i].name)) {
            continue;
        }
        char lost[64];
        snprintf(lost, sizeof(lost), "%llu not delivered",
                 (unsigned long long)(rows[i].written - rows[i].delivered));
        status = ops_of(logic)->outbox_drop(logic->rows, rows[i].name);
        status = status ? status : ops_of(logic)->subscriber_del(logic->rows, rows[i].name);
        status =
            status ? status
                   : audit_subscriber(logic, in, "webhook.unsubscribed", rows[i].name, lost, NULL);
    }
    return status;
}

/* The list in memory: a copy, in place of the one before. */
static int keep_list(struct pv_logic *logic, const struct pv_outbox_req *in)
{
    struct pv_arena arena;
    pv_arena_init(&arena);
    struct pv_subscriber *list = pv_arena_alloc(&arena, in->subscriber_count * sizeof(*list) + 1);
    int status = list ? PV_OK : PV_ENOMEM;
    for (size_t i = 0; i < in->subscriber_count && !status; i++) {
        const struct pv_subscriber *from = &in->subscribers[i];
        struct pv_str *sources = pv_arena_alloc(&arena, from->source_count * sizeof(*sources) + 1);
        list[i] = *from;
        list[i].sources = sources;
        status = sources ? pv_logic_copy(&arena, from->name, &list[i].name) : PV_ENOMEM;
        for (size_t k = 0; k < from->source_count && !status; k++) {
            status = pv_logic_copy(&arena, from->sources[k], &sources[k]);
        }
    }
    if (status) {
        pv_arena_done(&arena);
        return status;
    }
    pv_arena_done(&logic->subscriber_arena);
    logic->subscriber_arena = arena;
    logic->subscribers = list;
    logic->subscriber_count = in->subscriber_count;
    return PV_OK;
}

static int subscribe(struct pv_logic *logic, const struct pv_outbox_req *in)
{
    int status = keep_list(logic, in);
    status = status ? status : drop_unnamed(logic, in);
    for (size_t i = 0; i < in->subscriber_count && !status; i++) {
        struct pv_str name = in->subscribers[i].name;
        struct pv_subscriber_row row;
        status = ops_of(logic)->subscriber_get(logic->rows, name, &logic->scratch, &row);
        if (!status) {
            continue;
        }
        if (status != PV_ENOTFOUND) {
            return status;
        }
        status = audit_subscriber(logic, in, "webhook.subscribed", name, "", NULL);
        row = (struct pv_subscriber_row){.name = name, .since_n = logic->tally.audit_n};
        status = status ? status : ops_of(logic)->subscriber_put(logic->rows, &row);
    }
    return status;
}

static int disable(struct pv_logic *logic, struct pv_outbox_req *in, struct pv_subscriber_row *sub)
{
    bool off = in->what == PV_OUTBOX_DISABLE;
    if (off == (sub->disabled_ms != 0)) {
        return PV_OK;
    }
    sub->disabled_ms = off ? in->now_ms : 0;
    sub->reason = off ? in->error : (struct pv_str){NULL, 0};
    char why[256] = "";
    if (off && in->error.ptr) {
        snprintf(why, sizeof(why), "%.*s", PV_STR_ARG(in->error));
    }
    int status = ops_of(logic)->subscriber_put(logic->rows, sub);
    return status ? status
                  : audit_subscriber(logic, in, off ? "webhook.disabled" : "webhook.enabled",
                                     sub->name, why, NULL);
}

/* ---- deliveries ---- */

/* The first of a chain is due, now unless it has a time already. */
static int wake_head(struct pv_logic *logic, struct pv_str subscriber, int64_t service_n,
                     int64_t now_ms)
{
    struct pv_outbox_row head;
    int status =
        ops_of(logic)->outbox_head(logic->rows, subscriber, service_n, &logic->scratch, &head);
    if (status) {
        return status == PV_ENOTFOUND ? PV_OK : status;
    }
    if (head.due_ms != PV_NEVER) {
        return PV_OK;
    }
    head.due_ms = now_ms;
    return ops_of(logic)->outbox_set(logic->rows, &head);
}

static int delivered(struct pv_logic *logic, const struct pv_outbox_req *in,
                     struct pv_subscriber_row *sub, const struct pv_outbox_row *row)
{
    sub->delivered++;
    sub->undelivered -= row->undelivered && sub->undelivered > 0 ? 1 : 0;
    sub->delivered_ms = in->now_ms;
    int status = ops_of(logic)->outbox_del(logic->rows, row->n);
    status = status ? status : ops_of(logic)->subscriber_put(logic->rows, sub);
    return status ? status : wake_head(logic, sub->name, row->service_n, in->now_ms);
}

static int later(struct pv_logic *logic, const struct pv_outbox_req *in, struct pv_str subscriber,
                 struct pv_outbox_row *row)
{
    struct pv_outbox_row head;
    int status =
        ops_of(logic)->outbox_head(logic->rows, subscriber, row->service_n, &logic->scratch, &head);
    if (status) {
        return status == PV_ENOTFOUND ? PV_OK : status; /* given up meanwhile */
    }
    row->due_ms = head.n == row->n ? in->due_ms : PV_NEVER;
    row->attempts = in->attempts;
    row->error = in->error;
    return ops_of(logic)->outbox_set(logic->rows, row);
}

static int give_up(struct pv_logic *logic, const struct pv_outbox_req *in,
                   struct pv_subscriber_row *sub, struct pv_outbox_row *row)
{
    if (row->undelivered) {
        return PV_OK;
    }
    char why[256];
    snprintf(why, sizeof(why), "%s %.*s", pv_notice_name(row->type), PV_STR_ARG(in->error));
    sub->undelivered++;
    row->undelivered = true;
    row->since_ms = in->now_ms;
    row->due_ms = PV_NEVER;
    row->attempts = in->attempts;
    row->error = in->error;
    int status = ops_of(logic)->outbox_set(logic->rows, row);
    status = status ? status : ops_of(logic)->subscriber_put(logic->rows, sub);
    status =
        status ? status : audit_subscriber(logic, in, "webhook.undelivered", sub->name, why, row);
    return status ? status : wake_head(logic, sub->name, row->service_n, in->now_ms);
}

static int retry_one(struct pv_logic *logic, const struct pv_outbox_req *in,
                     struct pv_subscriber_row *sub, struct pv_outbox_row *row)
{
    struct pv_outbox_row before = {0};
    int status = ops_of(logic)->outbox_head(logic->rows, sub->name, row->service_n, &logic->scratch,
                                            &before);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    bool had_head = !status;
    sub->undelivered -= row->undelivered && sub->undelivered > 0 ? 1 : 0;
    row->undelivered = false;
    row->since_ms = in->now_ms;
    bool first = !had_head || row->n <= before.n;
    row->due_ms = first ? in->now_ms : PV_NEVER;
    status = ops_of(logic)->outbox_set(logic->rows, row);
    if (!status && had_head && row->n < before.n && before.due_ms != PV_NEVER) {
        before.due_ms = PV_NEVER; /* behind the older one again */
        status = ops_of(logic)->outbox_set(logic->rows, &before);
    }
    return status;
}

/* Those given up, then those that wait for their next attempt. */
static int retry(struct pv_logic *logic, struct pv_outbox_req *in, struct pv_subscriber_row *sub)
{
    struct pv_outbox_row *rows = NULL;
    size_t count = 0;
    int status = PV_OK;
    if (in->n) {
        rows = pv_arena_alloc(&logic->scratch, sizeof(*rows));
        status =
            rows ? ops_of(logic)->outbox_get(logic->rows, in->n, &logic->scratch, rows) : PV_ENOMEM;
        if (status == PV_ENOTFOUND || (!status && !pv_str_eq(rows->subscriber, sub->name))) {
            return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such notification");
        }
        count = 1;
    } else {
        status = ops_of(logic)->outbox_failed(logic->rows, sub->name, MAX_PAGE + 1, &logic->scratch,
                                              &rows, &count);
        in->ret_more = count > MAX_PAGE;
        count = in->ret_more ? MAX_PAGE : count;
    }
    for (size_t i = 0; i < count && !status; i++) {
        status = retry_one(logic, in, sub, &rows[i]);
    }
    in->ret_count = count;
    char many[40];
    snprintf(many, sizeof(many), "%zu", count);
    status = status ? status : ops_of(logic)->subscriber_put(logic->rows, sub);
    return status ? status : audit_subscriber(logic, in, "webhook.retry", sub->name, many, NULL);
}

/* What was given up is not kept for ever. */
static int expire(struct pv_logic *logic, struct pv_outbox_req *in, struct pv_subscriber_row *sub)
{
    struct pv_outbox_row *rows = NULL;
    size_t count = 0;
    int status = ops_of(logic)->outbox_expired(logic->rows, sub->name, in->due_ms, MAX_PAGE + 1,
                                               &logic->scratch, &rows, &count);
    if (status || count == 0) {
        return status;
    }
    in->ret_more = count > MAX_PAGE;
    count = in->ret_more ? MAX_PAGE : count;
    for (size_t i = 0; i < count && !status; i++) {
        status = ops_of(logic)->outbox_del(logic->rows, rows[i].n);
    }
    in->ret_count = count;
    sub->written -= count < sub->written ? count : sub->written;
    sub->undelivered -= count < sub->undelivered ? count : sub->undelivered;
    char many[40];
    snprintf(many, sizeof(many), "%zu", count);
    status = status ? status : ops_of(logic)->subscriber_put(logic->rows, sub);
    return status ? status : audit_subscriber(logic, in, "webhook.expired", sub->name, many, NULL);
}

static int of_row(struct pv_logic *logic, struct pv_outbox_req *in, struct pv_subscriber_row *sub)
{
    struct pv_outbox_row row;
    int status = ops_of(logic)->outbox_get(logic->rows, in->n, &logic->scratch, &row);
    if (status == PV_ENOTFOUND || (!status && !pv_str_eq(row.subscriber, sub->name))) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such notification");
    }
    if (status) {
        return status;
    }
    switch (in->what) {
    case PV_OUTBOX_DELIVERED:
        return delivered(logic, in, sub, &row);
    case PV_OUTBOX_LATER:
        return later(logic, in, sub->name, &row);
    default:
        return give_up(logic, in, sub, &row);
    }
}

int pv_logic_outbox(struct pv_logic *logic, struct pv_outbox_req *in)
{
    in->ret_rows = NULL;
    in->ret_count = 0;
    in->ret_more = false;
    in->ret_subscribers = NULL;
    in->ret_subscriber_count = 0;
    if (in->what == PV_OUTBOX_SUBSCRIBE) {
        return subscribe(logic, in);
    }
    if (in->what == PV_OUTBOX_STATUS) {
        return ops_of(logic)->subscriber_list(logic->rows, &in->req.arena, &in->ret_subscribers,
                                              &in->ret_subscriber_count);
    }
    struct pv_subscriber_row sub;
    int status = ops_of(logic)->subscriber_get(logic->rows, in->subscriber, &logic->scratch, &sub);
    if (status) {
        return status == PV_ENOTFOUND
                   ? pv_logic_refuse(&in->req, status, "there is no such subscriber")
                   : status;
    }
    switch (in->what) {
    case PV_OUTBOX_TAKE:
        if (sub.disabled_ms) {
            return PV_OK;
        }
        return ops_of(logic)->outbox_take(logic->rows, sub.name, in->now_ms, in->limit,
                                          &in->req.arena, &in->ret_rows, &in->ret_count);
    case PV_OUTBOX_LIST:
        status = ops_of(logic)->outbox_list(logic->rows, sub.name, in->n, in->limit + 1,
                                            &in->req.arena, &in->ret_rows, &in->ret_count);
        in->ret_more = in->ret_count > in->limit;
        in->ret_count -= in->ret_more ? 1 : 0;
        return status;
    case PV_OUTBOX_RETRY:
        return retry(logic, in, &sub);
    case PV_OUTBOX_EXPIRE:
        return expire(logic, in, &sub);
    case PV_OUTBOX_ENABLE:
    case PV_OUTBOX_DISABLE:
        return disable(logic, in, &sub);
    default:
        return of_row(logic, in, &sub);
    }
}

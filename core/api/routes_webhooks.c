/* SPDX-License-Identifier: Apache-2.0 */
/* For the admin: subscribers of webhooks, what waits for them, and what is done about it. */
#include "core/api/internal.h"

#include "core/engine/notice.h"

#include <stdio.h>

/* The only request of the call: the union in struct pv_call does not have it. */
struct asking {
    struct pv_outbox_req box;
};

static struct asking *ask(struct pv_call *call, enum pv_outbox_do what,
                          void (*done)(struct pv_req *req))
{
    struct asking *asking = pv_arena_alloc(&call->arena, sizeof(*asking));
    if (asking == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return NULL;
    }
    asking->box = (struct pv_outbox_req){.what = what,
                                         .subscriber = call->args[0],
                                         .now_ms = pv_wall_ms(&call->api->o.clock),
                                         .actor = pv_str(call->who.actor)};
    pv_req_init(&asking->box.req, PV_REQ_OUTBOX, done, call);
    return asking;
}

static void submit(struct pv_call *call, struct asking *asking)
{
    if (pv_store_submit(call->api->o.store, &asking->box.req) != 0) {
        pv_call_fail_status(call, PV_ECLOSED, NULL, "subscriber");
    }
}

/* true: it went well. */
static bool answered(struct pv_req *req)
{
    if (req->status == 0) {
        return true;
    }
    struct pv_call *call = pv_call_of(req);
    int status = req->status;
    struct pv_err err = req->err;
    pv_req_done(req);
    if (status == PV_ENOTFOUND) {
        pv_call_fail(call, 404, "not_found", "%s", err.text);
    } else {
        pv_call_fail_status(call, status, &err, "subscriber");
    }
    return false;
}

static void show_subscriber(struct pv_call *call, const struct pv_subscriber_row *row)
{
    struct pv_buf *out = &call->out;
    const struct pv_config *config = call->api->o.config;
    pv_buf_char(out, '{');
    pv_show_text(out, "name", row->name);
    for (size_t i = 0; i < config->subscriber_count; i++) {
        if (pv_str_eq(config->subscribers[i].name, row->name)) {
            pv_show_text(out, "url", config->subscribers[i].url);
        }
    }
    pv_show_c(out, "state", row->disabled_ms != 0 ? "disabled" : "enabled");
    pv_show_time(out, "disabled_at", row->disabled_ms);
    pv_show_text(out, "reason", row->reason);
    pv_show_i64(out, "waiting", (int64_t)(row->written - row->delivered - row->undelivered));
    pv_show_i64(out, "undelivered", (int64_t)row->undelivered);
    pv_show_i64(out, "delivered", (int64_t)row->delivered);
    pv_show_time(out, "delivered_at", row->delivered_ms);
    pv_buf_char(out, '}');
}

static void listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_outbox_req *box = PV_CONTAINER(req, struct pv_outbox_req, req);
    if (!answered(req)) {
        return;
    }
    pv_buf_c(&call->out, "{\"subscribers\":[");
    for (size_t i = 0; i < box->ret_subscriber_count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_subscriber(call, &box->ret_subscribers[i]);
    }
    pv_show_list_end(&call->out, false, "");
    pv_req_done(req);
    pv_call_send(call, 200);
}

static void get_webhooks(struct pv_call *call)
{
    struct asking *asking = ask(call, PV_OUTBOX_STATUS, listed);
    if (asking != NULL) {
        submit(call, asking);
    }
}

static void show_notification(struct pv_buf *out, const struct pv_outbox_row *row)
{
    char number[24];
    snprintf(number, sizeof(number), "%llu", (unsigned long long)row->n);
    pv_buf_char(out, '{');
    pv_show_c(out, "notification", number);
    pv_show_c(out, "type", pv_notice_name(row->type));
    pv_show_c(out, "state",
              row->undelivered          ? "undelivered"
              : row->due_ms == PV_NEVER ? "queued"
              : row->attempts > 0       ? "retrying"
                                        : "due");
    pv_show_id(out, "operation", "op", row->op);
    pv_show_id(out, "service", "svc", row->service);
    pv_show_time(out, "at", row->at_ms);
    pv_show_time(out, "due", row->due_ms);
    pv_show_i64(out, "attempts", row->attempts);
    pv_show_text(out, "error", row->error);
    pv_buf_char(out, '}');
}

static void notifications_listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_outbox_req *box = PV_CONTAINER(req, struct pv_outbox_req, req);
    char next[24] = "";
    if (!answered(req)) {
        return;
    }
    pv_buf_c(&call->out, "{\"notifications\":[");
    for (size_t i = 0; i < box->ret_count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_notification(&call->out, &box->ret_rows[i]);
        snprintf(next, sizeof(next), "%llu", (unsigned long long)box->ret_rows[i].n);
    }
    pv_show_list_end(&call->out, box->ret_more, next);
    pv_req_done(req);
    pv_call_send(call, 200);
}

static void get_notifications(struct pv_call *call)
{
    static const char *const own[] = {NULL};
    size_t limit = 0;
    struct pv_str after;
    int64_t from = 0;
    if (!pv_call_page(call, own, &limit, &after)) {
        return;
    }
    if (after.ptr != NULL && (pv_str_to_i64(after, &from) != 0 || from < 0)) {
        pv_call_fail(call, 400, "invalid", "after: expected the `next` of the page before");
        return;
    }
    struct asking *asking = ask(call, PV_OUTBOX_LIST, notifications_listed);
    if (asking != NULL) {
        asking->box.n = (uint64_t)from;
        asking->box.limit = limit;
        submit(call, asking);
    }
}

static void changed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_outbox_req *box = PV_CONTAINER(req, struct pv_outbox_req, req);
    if (!answered(req)) {
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_text(&call->out, "name", call->args[0]);
    if (box->what == PV_OUTBOX_RETRY) {
        pv_show_i64(&call->out, "retried", (int64_t)box->ret_count);
        pv_show_bool(&call->out, "more", box->ret_more);
    } else {
        pv_show_c(&call->out, "state", box->what == PV_OUTBOX_DISABLE ? "disabled" : "enabled");
    }
    pv_buf_char(&call->out, '}');
    pv_req_done(req);
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    if (daemon->webhooks_changed != NULL) {
        daemon->webhooks_changed(daemon->ctx);
    }
    pv_call_send(call, 200);
}

static void post_change(struct pv_call *call)
{
    static const char *const keys[] = {"reason"};
    const struct pv_json *object = pv_call_object(call, keys, 1);
    struct pv_str reason;
    if (object == NULL || !pv_call_text(call, object, "reason", 200, true, &reason)) {
        return;
    }
    struct asking *asking = ask(call, (enum pv_outbox_do)call->route->detail, changed);
    if (asking != NULL) {
        asking->box.error = reason;
        submit(call, asking);
    }
}

static void post_retry(struct pv_call *call)
{
    static const char *const keys[] = {"notification"};
    struct pv_str text = {NULL, 0};
    int64_t n = 0;
    const struct pv_json *object = pv_call_object(call, keys, 1);
    if (object == NULL || !pv_call_text(call, object, "notification", 20, false, &text)) {
        return;
    }
    if (text.ptr != NULL && (pv_str_to_i64(text, &n) != 0 || n < 1)) {
        pv_call_fail(call, 400, "invalid", "notification: expected its number");
        return;
    }
    struct asking *asking = ask(call, PV_OUTBOX_RETRY, changed);
    if (asking != NULL) {
        asking->box.n = (uint64_t)n;
        submit(call, asking);
    }
}

const struct pv_route pv_routes_webhooks[] = {
    {"GET", "/v1/webhooks", PV_SCOPE_ADMIN, 0, get_webhooks, 0},
    {"GET", "/v1/webhooks/*/notifications", PV_SCOPE_ADMIN, 0, get_notifications, 0},
    {"POST", "/v1/webhooks/*/retry", PV_SCOPE_ADMIN, 0, post_retry, 0},
    {"POST", "/v1/webhooks/*/disable", PV_SCOPE_ADMIN, 0, post_change, PV_OUTBOX_DISABLE},
    {"POST", "/v1/webhooks/*/enable", PV_SCOPE_ADMIN, 0, post_change, PV_OUTBOX_ENABLE},
    {NULL, NULL, 0, 0, NULL, 0},
};

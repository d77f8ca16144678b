/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: lists, one of them, what people do to them, signals. */
#include "core/api/internal.h"
#include "core/api/session.h"

#include "core/base/hash.h"

#include <string.h>

#define SIGNAL_MAX (64u * 1024)
#define VERSION_TEXT 17 /* hex digits of a version, with NUL */

static struct pv_str own_source(const struct pv_call *call)
{
    return pv_call_is_admin(call) ? (struct pv_str){NULL, 0} : call->who.source;
}

/* ---- reading ---- */

/* One GET of an operation, which may wait until it is not what the caller has seen:
 *
 *      watch ─▶ read ─┬─ another version, over, or nothing to wait for ─▶ answer
 *        ▲            └─ the same ─▶ rest ── a change ─┐
 *        └──────────────────────────────────────────────┘
 *
 * The watch begins before the read: what happens in between is read once more. */
struct look {
    struct pv_id op;
    struct pv_str seen; /* the version that the caller has; none: what it is at first */
    int64_t until_ms;   /* mono */
    bool waits;
    bool reading;
    bool changed; /* while it was read */
    char version[VERSION_TEXT];
};

static void look_again(struct pv_call *call);

static void answer_look(struct pv_call *call)
{
    pv_call_wait_stop(call);
    pv_call_send(call, 200);
}

static void op_changed(struct pv_call *call, int state)
{
    struct look *look = call->state;
    look->waits = look->waits && state != 0;
    look->changed = true;
    if (!look->reading && look->waits) {
        look_again(call);
    } else if (!look->reading) {
        answer_look(call); /* as it was read last: nothing has happened since */
    }
}

static void show_whole(struct pv_call *call, const struct pv_op_wait *wait)
{
    pv_buf_clear(&call->out);
    pv_buf_char(&call->out, '{');
    pv_show_op_full(call, &call->out, &call->r.get, wait);
}

/* What is written of an operation tells by itself whether it has changed, whichever node shows it;
 * what only this process knows of its wait does not count. */
static void show_looked_at(struct pv_call *call, struct look *look)
{
    const struct pv_op_row *op = &call->r.get.ret_op;
    struct pv_op_wait written = {.why = op->wait, .until_ms = op->due_ms};
    struct pv_op_wait known = pv_op_wait_of(call->api, op);
    show_whole(call, &written);
    struct pv_hash hash = pv_sha256(pv_buf_view(&call->out));
    pv_hex(hash.b, (sizeof(look->version) - 1) / 2, look->version);
    if (known.why != written.why || known.until_ms != written.until_ms) {
        show_whole(call, &known);
    }
    pv_show_c(&call->out, "version", look->version);
    pv_buf_char(&call->out, '}');
}

static void op_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct look *look = call->state;
    look->reading = false;
    if (req->status != 0) {
        pv_call_wait_stop(call);
        pv_call_fail_status(call, req->status, &req->err, "operation");
        return;
    }
    if (call->session != NULL && !pv_id_eq(call->session->service, call->r.get.ret_op.service)) {
        pv_call_wait_stop(call);
        pv_call_fail_status(call, PV_ENOTFOUND, NULL, "operation");
        return;
    }
    int state = call->r.get.ret_op.state;
    bool over = pv_op_state_final(state) || state == PV_OPS_NEEDS_OPERATOR;
    bool first = look->seen.ptr == NULL;
    show_looked_at(call, look);
    look->seen = first ? pv_arena_copy(&call->arena, pv_str(look->version)) : look->seen;
    bool same = pv_str_eq_c(look->seen, look->version);
    if (over || !look->waits || !same) {
        answer_look(call);
    } else if (look->changed) {
        look_again(call);
    }
}

static void look_again(struct pv_call *call)
{
    struct look *look = call->state;
    pv_call_wait_stop(call);
    look->reading = true;
    look->changed = false;
    if (look->waits) {
        pv_call_wait_change(call, look->op, look->until_ms, op_changed);
    }
    pv_call_req(call, PV_REQ_GET, op_read);
    call->r.get.of_op = true;
    call->r.get.full = true;
    call->r.get.id = look->op;
    call->r.get.source = own_source(call);
    int status = pv_store_submit(call->api->o.store, &call->r.req);
    if (status != 0) {
        pv_call_wait_stop(call);
        pv_call_fail_status(call, status, NULL, "");
    }
}

static void get_operation(struct pv_call *call)
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "op", &id)) {
        return;
    }
    struct look *look = pv_arena_alloc(&call->arena, sizeof(*look));
    if (look == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    int64_t wait_ms = (int64_t)pv_call_prefer_wait(call) * 1000;
    *look = (struct look){.op = id,
                          .seen = pv_call_param(call, "seen"),
                          .until_ms = pv_mono_ms(&call->api->o.clock) + wait_ms,
                          .waits = wait_ms > 0};
    call->state = look;
    look_again(call);
}

static void ops_listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_list_req *list = &call->r.list;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    char next[PV_ID_TEXT] = "";
    pv_buf_c(&call->out, "{\"operations\":[");
    for (size_t i = 0; i < list->ret_count; i++) {
        struct pv_op_wait wait = pv_op_wait_of(call->api, &list->ret_ops[i]);
        pv_buf_c(&call->out, i > 0 ? ",{" : "{");
        pv_show_op(call, &call->out, &list->ret_ops[i], &wait);
        pv_buf_char(&call->out, '}');
    }
    pv_id_format("op", list->ret_next, next);
    pv_show_list_end(&call->out, list->ret_more, next);
    pv_call_send(call, 200);
}

/* state: a name, "unfinished", or none. */
static bool op_state(struct pv_call *call, int *ret_state)
{
    struct pv_str text = pv_call_param(call, "state");
    *ret_state = -1;
    if (text.ptr == NULL) {
        return true;
    }
    if (pv_str_eq_c(text, "unfinished")) {
        *ret_state = -2;
        return true;
    }
    if (pv_op_state_parse(text, ret_state) == 0) {
        return true;
    }
    pv_call_fail(call, 400, "invalid",
                 "state: expected unfinished, queued, ready, running, needs_operator, done, "
                 "failed, superseded, canceled or abandoned");
    return false;
}

static void submit_list(struct pv_call *call, struct pv_str source, struct pv_id service)
{
    struct pv_str after;
    size_t limit = 0;
    int state = -1;
    struct pv_id from = {{0}};
    static const char *const own[] = {"state", "service", NULL};
    if (!pv_call_page(call, own, &limit, &after) || !op_state(call, &state)) {
        return;
    }
    if (after.ptr != NULL && pv_id_parse("op", after, &from) != 0) {
        pv_call_fail(call, 400, "invalid", "after: expected the `next` of the page before");
        return;
    }
    pv_call_req(call, PV_REQ_LIST, ops_listed);
    call->r.list.what = PV_LIST_OPERATIONS;
    call->r.list.source = source;
    call->r.list.service = service;
    call->r.list.state = state;
    call->r.list.after = from;
    call->r.list.limit = limit;
    pv_call_submit(call);
}

static void list_operations(struct pv_call *call)
{
    struct pv_str source;
    struct pv_id service = {{0}};
    if (!pv_call_source(call, &source)) {
        return;
    }
    struct pv_str text = pv_call_param(call, "service");
    if (text.ptr != NULL && pv_id_parse("svc", text, &service) != 0) {
        pv_call_fail(call, 400, "invalid", "service: expected svc_…");
        return;
    }
    submit_list(call, source, service);
}

static void owner_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    submit_list(call, own_source(call), call->r.get.ret_service.id);
}

/* The service first, so that one that is not there (or another source's) is 404. */
static void list_of_service(struct pv_call *call)
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "svc", &id)) {
        return;
    }
    pv_call_req(call, PV_REQ_GET, owner_read);
    call->r.get.id = id;
    call->r.get.source = own_source(call);
    pv_call_submit(call);
}

/* ---- verbs ---- */

static void intervened(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "operation");
        return;
    }
    pv_call_follow(call, call->r.intervene.op, (struct pv_id){{0}}, call->r.intervene.ret_op_state,
                   false);
}

static void post_verb(struct pv_call *call)
{
    static const char *const keys[] = {"reason"};
    struct pv_id id;
    if (!pv_call_id(call, 0, "op", &id)) {
        return;
    }
    const struct pv_json *object = pv_call_object(call, keys, 1);
    struct pv_str reason;
    if (object == NULL || !pv_call_text(call, object, "reason", 1000, true, &reason)) {
        return;
    }
    pv_call_req(call, PV_REQ_INTERVENE, intervened);
    struct pv_intervene *in = &call->r.intervene;
    in->op = id;
    in->source = own_source(call);
    in->verb = call->route->detail;
    in->reason = reason;
    in->actor = pv_str(call->who.actor);
    int status = pv_engine_intervene(call->api->o.engine, in);
    if (status != 0) {
        pv_call_fail_status(call, status, NULL, "operation");
    }
}

/* ---- signals ---- */

bool pv_signal_key_fits(struct pv_call *call)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    uint8_t given[PV_SIGNAL_KEY_BYTES];
    uint8_t right[PV_SIGNAL_KEY_BYTES];
    struct pv_str text;
    struct pv_id op;
    return daemon->signal_key != NULL && pv_call_decode(call, call->args[0], false, &text) == 0 &&
           pv_id_parse("op", text, &op) == 0 &&
           pv_unhex(pv_call_param(call, "key"), given, sizeof(given)) == 0 &&
           daemon->signal_key(daemon->ctx, op, right) && pv_bytes_eq(given, right, sizeof(given));
}

static void signaled(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "operation");
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_id(&call->out, "operation", "op", call->r.signal.op);
    pv_show_text(&call->out, "signal", call->r.signal.name);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 202);
}

static bool signal_name_valid(struct pv_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        if (!ok) {
            return false;
        }
    }
    return name.len > 0 && name.len <= PV_MAX_NAME;
}

static void post_signal(struct pv_call *call)
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "op", &id)) {
        return;
    }
    if (!signal_name_valid(call->args[1])) {
        pv_call_fail(call, 400, "invalid",
                     "the name of a signal has 1 to %d of a-z, 0-9, '_', '-', '.'", PV_MAX_NAME);
        return;
    }
    if (call->http->body.len > SIGNAL_MAX) {
        pv_call_fail(call, 413, "too_large", "the body of a signal has at most 64 KiB");
        return;
    }
    struct pv_str body = PV_STR("null"); /* of a POST that only says that it happened */
    if (call->http->body.len > 0) {
        if (!pv_call_parse(call, false)) {
            return;
        }
        body = pv_json_raw(&call->body, &call->body.values[0]);
    }
    pv_call_req(call, PV_REQ_SIGNAL, signaled);
    struct pv_signal *signal = &call->r.signal;
    signal->op = id;
    signal->source = own_source(call);
    signal->name = call->args[1];
    signal->body = body;
    signal->now_ms = pv_wall_ms(&call->api->o.clock);
    signal->audit = (struct pv_audit){.actor = pv_str(call->who.actor),
                                      .what = PV_STR("operation.signal"),
                                      .detail = signal->name,
                                      .op = id,
                                      .digest = pv_sha256(signal->body)};
    int status = pv_engine_signal(call->api->o.engine, signal);
    if (status != 0) {
        pv_call_fail_status(call, status, NULL, "operation");
    }
}

const struct pv_route pv_routes_operations[] = {
    {"GET", "/v1/operations", PV_SCOPE_OPERATIONS_READ, 0, list_operations, 0},
    {"GET", "/v1/operations/*", PV_SCOPE_OPERATIONS_READ, PV_ROUTE_SESSION, get_operation, 0},
    {"GET", "/v1/services/*/operations", PV_SCOPE_OPERATIONS_READ, PV_ROUTE_SESSION,
     list_of_service, 0},
    {"POST", "/v1/operations/*/retry", PV_SCOPE_OPERATIONS_WRITE, 0, post_verb, PV_VERB_RETRY},
    {"POST", "/v1/operations/*/cancel", PV_SCOPE_OPERATIONS_WRITE, 0, post_verb, PV_VERB_CANCEL},
    {"POST", "/v1/operations/*/undo", PV_SCOPE_OPERATIONS_WRITE, 0, post_verb, PV_VERB_UNDO},
    {"POST", "/v1/operations/*/skip", PV_SCOPE_OPERATIONS_WRITE, 0, post_verb, PV_VERB_SKIP},
    {"POST", "/v1/operations/*/abandon", PV_SCOPE_OPERATIONS_WRITE, 0, post_verb, PV_VERB_ABANDON},
    {"POST", "/v1/operations/*/signals/*", PV_SCOPE_SIGNALS_WRITE, PV_ROUTE_SIGNAL, post_signal, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

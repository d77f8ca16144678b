/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/events: one event, or an array that is accepted whole or refused whole; CloudEvents too.
 */
#include "core/api/cloudevent.h"
#include "core/api/internal.h"

#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

struct batch {
    struct pv_event *events;
    struct pv_accept_item *items;
    struct pv_event_facts *facts;
    size_t count;
    bool array;
    struct pv_str source;
    enum pv_ce_mode mode;
    struct pv_ce ce;               /* when it is not PV_CE_NONE */
    struct pv_ce_headers *headers; /* PV_CE_BINARY */
};

/* The document that the events stand in. */
static const struct pv_json_doc *doc_of(struct pv_call *call, const struct batch *batch)
{
    return batch->mode == PV_CE_NONE ? &call->body : &batch->ce.out;
}

/* ---- checks that need the configuration ---- */

/* Where a problem that config found stands in the request. */
static size_t place_of(const struct pv_json_doc *doc, const struct pv_event *event,
                       struct pv_str path)
{
    static const char prefix[] = "/service/params/";
    if (pv_str_eq_c(path, "/service/product")) {
        return event->product_at;
    }
    if (pv_str_eq_c(path, "/service/plan")) {
        return event->plan_at;
    }
    if (event->params == NULL || !pv_str_starts(path, prefix)) {
        return event->params != NULL ? event->params->start : event->value->start;
    }
    char name[128];
    struct pv_str rest = {path.ptr + sizeof(prefix) - 1, path.len - (sizeof(prefix) - 1)};
    const struct pv_json *param =
        pv_str_to_c(rest, name, sizeof(name)) == 0 ? pv_json_get(doc, event->params, name) : NULL;
    return param != NULL ? param->start : event->params->start;
}

static void take_problems(const struct pv_json_doc *doc, const struct pv_event *event,
                          const struct pv_problems *problems, struct pv_faults *faults)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct pv_problem *problem = &problems->items[i];
        char path[200];
        if (problem->warning || pv_str_to_c(problem->path, path, sizeof(path)) != 0) {
            continue;
        }
        pv_faults_add(faults, path, problem->code, place_of(doc, event, problem->path), "%.*s",
                      PV_STR_ARG(problem->text));
    }
}

int pv_event_check_config(const struct pv_config *config, const struct pv_json_doc *doc,
                          const struct pv_event *event, struct pv_faults *faults)
{
    if (event->type != PV_OP_CREATE && event->type != PV_OP_UPGRADE) {
        return 0;
    }
    json_t *params = NULL;
    if (event->params != NULL && event->params->count > 0) {
        struct pv_str raw = pv_json_raw(doc, event->params);
        if (pv_json_load(raw, 0, &params, NULL) != 0) {
            return PV_ENOMEM;
        }
    }
    struct pv_problems problems;
    pv_problems_init(&problems);
    int status =
        event->type == PV_OP_CREATE
            ? pv_config_check_create(config, event->product, event->plan, params, "", &problems)
            : pv_config_check_upgrade(config, event->product, event->plan, params, "", &problems);
    take_problems(doc, event, &problems, faults);
    pv_problems_done(&problems);
    json_decref(params);
    return status == PV_ENOMEM ? PV_ENOMEM : 0;
}

/* ---- from the document to accept items ---- */

/* As it was sent; none when it is not there. */
static struct pv_str raw_member(const struct pv_json_doc *doc, const struct pv_json *object,
                                const char *key)
{
    const struct pv_json *value = pv_json_get(doc, object, key);
    return value != NULL ? pv_json_raw(doc, value) : (struct pv_str){NULL, 0};
}

static void fill_facts(struct pv_call *call, const struct batch *batch, size_t i)
{
    const struct pv_event *event = &batch->events[i];
    batch->facts[i] = (struct pv_event_facts){
        .customer = raw_member(&call->body, event->value, "customer"),
        .reason = raw_member(&call->body, event->value, "reason"),
        .trace = event->traceparent,
    };
    if (event->params != NULL) {
        batch->facts[i].params = pv_json_raw(&call->body, event->params);
    }
    batch->items[i].facts = &batch->facts[i];
}

static void fill_item(struct pv_call *call, const struct batch *batch, size_t i)
{
    const struct pv_event *event = &batch->events[i];
    struct pv_accept_item *item = &batch->items[i];
    struct pv_str key[] = {PV_STR("event"), batch->source, event->id};
    bool planned = event->type == PV_OP_CREATE || event->type == PV_OP_UPGRADE;
    item->source = batch->source;
    item->external_id = event->external_id;
    item->idem_key = pv_id_of_parts(key, 3);
    item->type = event->type;
    item->has_sequence = event->has_sequence;
    item->sequence = event->sequence;
    item->product = event->type == PV_OP_CREATE ? event->product : (struct pv_str){NULL, 0};
    item->plan_name = planned ? event->plan : (struct pv_str){NULL, 0};
    if (batch->mode == PV_CE_NONE) {
        item->body = pv_json_raw(&call->body, event->value);
        fill_facts(call, batch, i);
    }
    item->actor = pv_str(call->who.actor);
}

/* Canonical forms, one behind the other in call->scratch; their places are known only when the
 * buffer grows no more. The body of a CloudEvent's event stands behind its canonical form.
 * PV_ENOMEM. */
static int fill_canonical(struct pv_call *call, struct batch *batch)
{
    const struct pv_json_doc *doc = doc_of(call, batch);
    struct pv_buf *out = &call->scratch;
    size_t *ends = pv_arena_alloc(&call->arena, 2 * batch->count * sizeof(*ends));
    if (ends == NULL) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < batch->count; i++) {
        const struct pv_json *value = batch->events[i].value;
        int status = pv_event_canonical(doc, value, out);
        ends[2 * i] = out->len;
        if (status == 0 && batch->mode != PV_CE_NONE) {
            status = pv_json_canonical(doc, value, NULL, 0, out);
        }
        if (status != 0) {
            return status;
        }
        ends[2 * i + 1] = out->len;
    }
    for (size_t i = 0; i < batch->count; i++) {
        size_t start = i > 0 ? ends[2 * i - 1] : 0;
        size_t middle = ends[2 * i];
        batch->items[i].canonical = (struct pv_str){out->ptr + start, middle - start};
        struct pv_accept_item *item = &batch->items[i];
        if (batch->mode != PV_CE_NONE) {
            item->body = (struct pv_str){out->ptr + middle, ends[2 * i + 1] - middle};
        }
        item->body = pv_call_traced(call, item->body, batch->events[i].traceparent);
        if (item->body.ptr == NULL) {
            return PV_ENOMEM;
        }
    }
    return 0;
}

/* The event in a value of the request; NULL: what is wrong with it is in `faults` already. */
static const struct pv_json *event_in(struct batch *batch, const struct pv_json *value,
                                      struct pv_faults *faults, struct pv_str *ret_trace)
{
    *ret_trace = (struct pv_str){NULL, 0};
    switch (batch->mode) {
    case PV_CE_STRUCTURED:
    case PV_CE_BATCH:
        return pv_ce_event(&batch->ce, value, faults, ret_trace);
    case PV_CE_BINARY:
        return pv_ce_binary(&batch->ce, batch->headers, faults, ret_trace);
    default:
        return value;
    }
}

/* What is kept of an event, and what its steps are given, has this limit. */
static bool short_enough(struct pv_call *call, const struct batch *batch,
                         const struct pv_json *value, struct pv_faults *faults)
{
    size_t len =
        batch->mode == PV_CE_BINARY ? call->http->body.len : pv_json_raw(&call->body, value).len;
    if (len > PV_EVENT_BYTES_MAX) {
        pv_faults_add(faults, "", "too_large", value->start,
                      "an event holds at most %u bytes, this one holds %zu", PV_EVENT_BYTES_MAX,
                      len);
    }
    return len <= PV_EVENT_BYTES_MAX;
}

/* Checks every event; PV_ENOMEM, else what is wrong is in `faults`. */
static int check_events(struct pv_call *call, struct batch *batch, struct pv_faults *faults)
{
    const struct pv_json_doc *doc = doc_of(call, batch);
    const struct pv_json *root = &call->body.values[0];
    struct pv_json_iter iter = pv_json_iter(&call->body, root);
    const struct pv_json *key = NULL;
    const struct pv_json *value = root;
    for (size_t i = 0; i < batch->count; i++) {
        faults->index = i;
        if (batch->array) {
            pv_json_next(&iter, &key, &value);
        }
        struct pv_str trace;
        const struct pv_json *found = event_in(batch, value, faults, &trace);
        if (found == NULL) {
            continue;
        }
        struct pv_event *event = &batch->events[i];
        bool good = short_enough(call, batch, value, faults) &&
                    pv_event_check(doc, found, 0, faults, event);
        int status = pv_event_check_config(call->api->o.config, doc, event, faults);
        if (status != 0) {
            return status;
        }
        event->traceparent = trace.ptr != NULL ? trace : pv_call_trace(call);
        if (good) {
            fill_item(call, batch, i);
        }
    }
    return 0;
}

/* ---- the answer ---- */

static void accepted(struct pv_call *call, const struct batch *batch)
{
    if (!batch->array) {
        pv_call_accepted(call, &batch->items[0]);
        return;
    }
    pv_buf_c(&call->out, "{\"operations\":[");
    for (size_t i = 0; i < batch->count; i++) {
        const struct pv_accept_item *item = &batch->items[i];
        pv_buf_c(&call->out, i > 0 ? "," : "");
        pv_show_receipt(&call->out, item->ret_op, item->service, item->ret_op_state,
                        item->verdict == PV_DUPLICATE);
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 202);
}

static void accept_done(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct batch *batch = call->state;
    if (req->status == 0) {
        accepted(call, batch);
    } else if (req->status == PV_ECONFLICT) {
        struct pv_faults faults;
        unsigned status = 409;
        pv_faults_init(&faults, (struct pv_str){NULL, 0}, batch->array);
        pv_accept_faults(&call->r.accept, &faults, "/id", &status);
        pv_call_fail_faults(call, status, &faults);
    } else {
        pv_call_fail_status(call, req->status, &req->err, "service");
    }
}

static void submit(struct pv_call *call, struct batch *batch)
{
    pv_call_req(call, PV_REQ_ACCEPT, accept_done);
    call->r.accept.items = batch->items;
    call->r.accept.count = batch->count;
    size_t index = 0;
    struct pv_err err = {0};
    int status = pv_engine_accept(call->api->o.engine, &call->r.accept, &index, &err);
    if (status == 0) {
        return;
    }
    if (status != PV_EINVAL && status != PV_ENOTFOUND) {
        pv_call_fail_status(call, status, &err, "service");
        return;
    }
    struct pv_faults faults;
    pv_faults_init(&faults, call->http->body, batch->array);
    faults.index = index;
    faults.data = batch->mode != PV_CE_NONE ? "/data" : NULL;
    pv_faults_add(&faults, "/service", "invalid_order", batch->events[index].value->start, "%s",
                  err.text);
    pv_call_fail_faults(call, 400, &faults);
}

static struct batch *batch_new(struct pv_call *call, size_t count, bool array)
{
    struct batch *batch = pv_arena_alloc(&call->arena, sizeof(*batch));
    if (batch == NULL) {
        return NULL;
    }
    batch->count = count;
    batch->array = array;
    batch->events = pv_arena_alloc(&call->arena, count * sizeof(*batch->events));
    batch->items = pv_arena_alloc(&call->arena, count * sizeof(*batch->items));
    batch->facts = pv_arena_alloc(&call->arena, count * sizeof(*batch->facts));
    call->state = batch;
    return batch->events != NULL && batch->items != NULL && batch->facts != NULL ? batch : NULL;
}

static bool event_source(struct pv_call *call, struct pv_str *ret_source)
{
    if (!pv_call_source(call, ret_source)) {
        return false;
    }
    if (ret_source->ptr == NULL && call->who.source.ptr != NULL) {
        *ret_source = call->who.source; /* an admin's token has a source of its own */
    }
    if (ret_source->ptr == NULL) {
        pv_call_fail(call, 400, "missing_source",
                     "say whose event this is: POST /v1/events?source=NAME");
        return false;
    }
    return true;
}

/* ---- CloudEvents ---- */

/* A header of binary mode, where bytes may be written as %XX. false: it has failed the call. */
static bool ce_header(struct pv_call *call, const char *name, struct pv_str *ret_text)
{
    struct pv_str text = pv_http_header(call->http, name);
    *ret_text = text;
    if (text.ptr == NULL || pv_call_decode(call, text, false, ret_text) == 0) {
        return true;
    }
    pv_call_fail(call, 400, "malformed", "the header %s is not valid", name);
    return false;
}

static bool read_ce_headers(struct pv_call *call, struct pv_ce_headers *out)
{
    out->content_type = pv_http_header(call->http, "Content-Type");
    return ce_header(call, "ce-specversion", &out->specversion) &&
           ce_header(call, "ce-source", &out->source) && ce_header(call, "ce-id", &out->id) &&
           ce_header(call, "ce-type", &out->type) && ce_header(call, "ce-time", &out->time) &&
           ce_header(call, "ce-traceparent", &out->traceparent);
}

static enum pv_ce_mode mode_of(const struct pv_call *call)
{
    bool has_id = pv_http_header(call->http, "ce-id").ptr != NULL ||
                  pv_http_header(call->http, "ce-specversion").ptr != NULL;
    return pv_ce_mode(pv_http_header(call->http, "Content-Type"), has_id);
}

/* Is the request an array, as its content type says? false: it has failed the call. */
static bool shape_fits(struct pv_call *call, enum pv_ce_mode mode, bool array)
{
    if (mode == PV_CE_UNKNOWN) {
        pv_call_fail(call, 415, "unsupported_type",
                     "of CloudEvents application/cloudevents+json, "
                     "application/cloudevents-batch+json and binary mode are taken");
        return false;
    }
    if (mode == PV_CE_NONE || array == (mode == PV_CE_BATCH)) {
        return true;
    }
    pv_call_fail(call, 400, "wrong_type",
                 mode == PV_CE_BATCH
                     ? "application/cloudevents-batch+json: expected an array of CloudEvents"
                     : "expected one CloudEvent; several are sent as "
                       "application/cloudevents-batch+json");
    return false;
}

/* false: it has failed the call. */
static bool read_envelopes(struct pv_call *call, struct batch *batch)
{
    if (batch->mode == PV_CE_NONE) {
        return true;
    }
    batch->headers = pv_arena_alloc(&call->arena, sizeof(*batch->headers));
    if (batch->headers == NULL ||
        pv_ce_init(&batch->ce, &call->body, batch->source, &call->arena) != 0) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    return batch->mode != PV_CE_BINARY || read_ce_headers(call, batch->headers);
}

/* ---- the route ---- */

static void check_and_submit(struct pv_call *call, struct batch *batch)
{
    struct pv_faults faults;
    pv_faults_init(&faults, call->http->body, batch->array);
    int status = check_events(call, batch, &faults);
    if (status == 0 && faults.count > 0) {
        pv_call_fail_faults(call, 400, &faults);
        return;
    }
    pv_faults_done(&faults);
    status = status != 0 ? status : fill_canonical(call, batch);
    if (status != 0) {
        pv_call_fail_status(call, status, NULL, "");
        return;
    }
    submit(call, batch);
}

static void post_events(struct pv_call *call)
{
    struct pv_str source;
    if (!event_source(call, &source) || !pv_call_parse(call, false)) {
        return;
    }
    const struct pv_json *root = &call->body.values[0];
    bool array = root->type == PV_JSON_ARRAY;
    size_t count = array ? root->count : 1;
    enum pv_ce_mode mode = mode_of(call);
    if (!shape_fits(call, mode, array)) {
        return;
    }
    if (count == 0 || count > PV_EVENTS_MAX) {
        pv_call_fail(call, count == 0 ? 400 : 413, count == 0 ? "empty" : "too_many",
                     "an array holds 1 to %d events, this one holds %zu", PV_EVENTS_MAX, count);
        return;
    }
    struct batch *batch = batch_new(call, count, array);
    if (batch == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    batch->source = source;
    batch->mode = mode;
    if (read_envelopes(call, batch)) {
        check_and_submit(call, batch);
    }
}

const struct pv_route pv_routes_events[] = {
    {"POST", "/v1/events", PV_SCOPE_EVENTS_WRITE, 0, post_events, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

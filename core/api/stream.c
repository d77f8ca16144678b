/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/stream: what happens, as server-sent events. An event's id is its place in the audit
 * trail ("4711.0": record 4711; ".1": the change of state that record tells of), so that a client
 * goes on where it was, also at another time and after a restart.
 *
 *   opened ──reads by itself──▶ as far as the hub ──▶ LIVE: the hub reads once for all of them
 *               ▲                                        │
 *               └────── takes less than comes ───────────┘
 *
 * Nobody polls: the engine tells when something ended, and a stream that fell behind reads on when
 * its client has taken what was there. A stream is a call that lasts. */
#include "core/api/cors.h"
#include "core/api/holds.h"
#include "core/api/internal.h"
#include "core/api/session.h"

#include "core/base/list.h"
#include "core/engine/notice.h"
#include "core/engine/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PENDING_MAX (1024u * 1024)
#define PAGE 200
#define REPLAY_MAX 1000000u /* records of the audit trail that a client may be behind */
#define BEAT_MS 15000
#define FAILURES_MAX 4 /* reads for all, before they are told */

static const char unreadable[] = "the store cannot be read; connect again";
static const char no_memory[] = "out of memory; connect again";

struct place {
    uint64_t n;
    unsigned k;
};

struct stream {
    struct pv_link link;
    struct pv_call *call;
    struct place at;      /* everything up to here was sent, or is not for it */
    struct pv_id service; /* zero: all */
    uint32_t types;
    bool resumes; /* `at` is the client's */
    bool started; /* the head is sent */
    bool live;
    bool reading;
    bool ending; /* when its read is back */
    struct pv_feed feed;
    struct pv_str source; /* none: all */
};

static struct pv_streams *hub_of(const struct stream *s)
{
    return &s->call->api->streams;
}

static struct stream *stream_of(struct pv_link *link)
{
    return PV_CONTAINER(link, struct stream, link);
}

static bool before(struct place a, struct place b)
{
    return a.n < b.n || (a.n == b.n && a.k < b.k);
}

/* ---- the end of one ---- */

static void hub_rest(struct pv_api *api)
{
    struct pv_streams *hub = &api->streams;
    if (pv_list_empty(&hub->all)) {
        pv_engine_unwatch(&hub->watch);
        uv_timer_stop(&hub->beat);
        uv_timer_stop(&hub->expiry);
        hub->known = false;
    }
}

static void stream_close(struct stream *s)
{
    struct pv_call *call = s->call;
    struct pv_api *api = call->api;
    if (s->reading) {
        s->ending = true;
        return;
    }
    pv_list_remove(&s->link);
    api->streams.count--;
    hub_rest(api);
    pv_http_stream_end(call->http);
    pv_call_free(call); /* and what is in its arena: the stream */
}

static void on_gone(struct pv_http_request *http)
{
    const struct pv_call *call = http->user;
    stream_close(call->state);
}

/* Says why, and ends. */
static void stream_end(struct stream *s, const char *why)
{
    char text[200];
    int len =
        snprintf(text, sizeof(text), "event: stream.end\ndata: {\"message\":\"%s\"}\n\n", why);
    if (!s->ending && s->started) {
        (void)!pv_http_stream_put(s->call->http, (struct pv_str){text, (size_t)len});
    }
    stream_close(s);
}

/* ---- events ---- */

/* Why something did not go well is for staff: it names systems. */
static void write_event(struct pv_buf *out, const struct pv_feed_item *item, unsigned k,
                        bool customer)
{
    const struct pv_op_row *op = &item->op;
    static const int states[] = {
        [PV_NOTICE_COMPLETED] = PV_OPS_DONE,        [PV_NOTICE_FAILED] = PV_OPS_FAILED,
        [PV_NOTICE_PARKED] = PV_OPS_NEEDS_OPERATOR, [PV_NOTICE_SUPERSEDED] = PV_OPS_SUPERSEDED,
        [PV_NOTICE_CANCELED] = PV_OPS_CANCELED,     [PV_NOTICE_ABANDONED] = PV_OPS_ABANDONED,
    };
    struct pv_notice notice = {
        .type = k == 0 ? item->type : (int)PV_NOTICE_STATE,
        .at_ms = item->at_ms,
        .op = op->id,
        .op_type = op->type,
        .op_state = states[item->type],
        .action = op->action,
        .reason =
            op->state == states[item->type] && !customer ? op->reason : (struct pv_str){NULL, 0},
        .accepted_ms = op->accepted_ms,
        .service = op->service,
        .source = op->source,
        .external_id = op->external_id,
        .product = item->service.product,
        .plan_name = item->service.plan_name,
        .state = item->changed ? item->after : item->service.observed,
        .before = item->changed ? item->before : item->service.observed,
    };
    pv_buf_clear(out);
    pv_buf_printf(out, "id: %" PRIu64 ".%u\nevent: %s\ndata: ", item->n, k,
                  pv_notice_name(notice.type));
    (void)!pv_notice_write(&notice, out);
    pv_buf_c(out, "\n\n");
}

static bool wants(const struct stream *s, const struct pv_feed_item *item, unsigned k)
{
    int type = k == 0 ? item->type : PV_NOTICE_STATE;
    bool mine = s->source.ptr == NULL || pv_str_eq(s->source, item->op.source);
    bool of_it = pv_id_is_zero(s->service) || pv_id_eq(s->service, item->op.service);
    return mine && of_it && (s->types & (1u << type)) != 0;
}

/* PV_ETOOBIG: its client has to take something first. PV_ENOMEM: end it. */
static int put(struct stream *s, const struct pv_buf *text, struct place at)
{
    if (text->status != 0) {
        return PV_ENOMEM; /* half of an event */
    }
    int status = pv_http_stream_put(s->call->http, pv_buf_view(text));
    if (status == 0 || status == PV_ECLOSED) { /* on_gone comes */
        s->at = at;
        return 0;
    }
    return status;
}

/* ---- a stream that is behind ---- */

static void stream_read(struct stream *s);
static void hub_read(struct pv_api *api);
static void on_drained(struct pv_http_request *http);

/* As put. */
static int send_page(struct stream *s)
{
    struct pv_buf text;
    int status = 0;
    pv_buf_init(&text, 2 * PV_NOTICE_MAX);
    for (size_t i = 0; i < s->feed.ret_count && status == 0; i++) {
        const struct pv_feed_item *item = &s->feed.ret_items[i];
        for (unsigned k = 0; k < (item->changed ? 2u : 1u) && status == 0; k++) {
            struct place at = {item->n, k};
            if (before(s->at, at) && wants(s, item, k)) {
                write_event(&text, item, k, s->call->session != NULL);
                status = put(s, &text, at);
            }
        }
    }
    pv_buf_done(&text);
    if (status == 0) {
        s->at = (struct place){s->feed.ret_n, 1};
    }
    return status;
}

static void catch_up(struct stream *s, uint64_t head_n)
{
    struct pv_streams *hub = hub_of(s);
    if (!hub->known) {
        hub->known = true;
        hub->n = head_n;
        hub_read(s->call->api); /* something may have ended since the head was read */
    }
    s->live = !before(s->at, (struct place){hub->n, 1});
    if (!s->live && pv_http_stream_pending(s->call->http) == 0) {
        stream_read(s);
    }
}

/* As put; PV_ECLOSED: the client has gone meanwhile. */
static int begin(struct stream *s, uint64_t head_n)
{
    char text[400];
    bool lost = s->resumes && (s->at.n > head_n || head_n - s->at.n > REPLAY_MAX);
    int len = snprintf(text, sizeof(text), "retry: 2000\n: connected\n");
    if (lost) {
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        "event: stream.gap\ndata: {\"message\":\"events after %" PRIu64 ".%u %s; "
                        "read the present state, it goes on from here\"}\n",
                        s->at.n, s->at.k,
                        s->at.n > head_n ? "are not known here" : "are too many to be sent again");
    }
    if (!s->resumes || lost) {
        s->at = (struct place){head_n, 1};
    }
    len += snprintf(text + len, sizeof(text) - (size_t)len, "id: %" PRIu64 ".%u\n\n", s->at.n,
                    s->at.k);
    struct pv_http_answer answer = {.status = 200, .type = "text/event-stream"};
    pv_http_add(&answer, "Cache-Control", "no-store");
    pv_http_add(&answer, "X-Accel-Buffering", "no");
    pv_cors_add(s->call, &answer);
    s->started = true;
    pv_http_stream(s->call->http, &answer, PENDING_MAX, on_gone, on_drained);
    return pv_http_stream_put(s->call->http, (struct pv_str){text, (size_t)len});
}

static void page_read(struct pv_req *req)
{
    struct stream *s = req->user;
    s->reading = false;
    if (!s->started && (req->status != 0 || s->ending)) {
        pv_list_remove(&s->link);
        s->call->api->streams.count--;
        hub_rest(s->call->api);
        int status = req->status != 0 ? req->status : PV_ECLOSED;
        pv_req_done(req);
        pv_call_fail_status(s->call, status, NULL, "stream");
        return;
    }
    if (s->ending || req->status != 0) {
        pv_req_done(req);
        stream_end(s, unreadable);
        return;
    }
    uint64_t head_n = s->feed.ret_head_n;
    int status = s->started ? send_page(s) : begin(s, head_n);
    pv_req_done(req);
    if (status == PV_ECLOSED) {
        stream_close(s);
    } else if (status == PV_ENOMEM) {
        stream_end(s, no_memory);
    } else {
        catch_up(s, head_n);
    }
}

static void stream_read(struct stream *s)
{
    s->feed = (struct pv_feed){.after_n = UINT64_MAX, .limit = PAGE};
    if (s->started) {
        s->feed.after_n = s->at.k == 0 && s->at.n > 0 ? s->at.n - 1 : s->at.n;
    }
    pv_req_init(&s->feed.req, PV_REQ_FEED, page_read, s);
    s->reading = true;
    if (pv_store_submit(s->call->api->o.store, &s->feed.req) != 0) {
        s->feed.req.status = PV_ECLOSED;
        page_read(&s->feed.req);
    }
}

static void on_drained(struct pv_http_request *http)
{
    const struct pv_call *call = http->user;
    struct stream *s = call->state;
    if (!s->live && !s->reading) {
        stream_read(s);
    }
}

/* ---- the hub ---- */

static void hub_send(struct pv_api *api, const struct pv_feed_item *item, unsigned k)
{
    struct pv_streams *hub = &api->streams;
    struct pv_buf texts[2]; /* for staff, for customers; empty: nobody has needed it yet */
    struct place at = {item->n, k};
    pv_buf_init(&texts[0], 2 * PV_NOTICE_MAX);
    pv_buf_init(&texts[1], 2 * PV_NOTICE_MAX);
    struct pv_link *next = NULL;
    for (struct pv_link *l = hub->all.next; l != &hub->all; l = next) {
        struct stream *s = stream_of(l);
        next = l->next;
        if (!s->live || !before(s->at, at) || !wants(s, item, k)) {
            continue;
        }
        bool customer = s->call->session != NULL;
        struct pv_buf *text = &texts[customer ? 1 : 0];
        if (text->len == 0) {
            write_event(text, item, k, customer);
        }
        int status = put(s, text, at);
        s->live = status == 0; /* no room: it goes on by itself when it is drained */
        if (status == PV_ENOMEM) {
            stream_end(s, no_memory);
        }
    }
    pv_buf_done(&texts[0]);
    pv_buf_done(&texts[1]);
}

static void hub_done(struct pv_req *req)
{
    struct pv_api *api = req->user;
    struct pv_streams *hub = &api->streams;
    bool more = false;
    hub->reading = false;
    if (req->status == 0 && hub->known) {
        for (size_t i = 0; i < hub->feed.ret_count; i++) {
            hub_send(api, &hub->feed.ret_items[i], 0);
            if (hub->feed.ret_items[i].changed) {
                hub_send(api, &hub->feed.ret_items[i], 1);
            }
        }
        hub->n = hub->feed.ret_n > hub->n ? hub->feed.ret_n : hub->n;
        more = hub->feed.ret_n < hub->feed.ret_head_n;
        for (struct pv_link *l = hub->all.next; l != &hub->all; l = l->next) {
            struct stream *s = stream_of(l);
            struct place at = {hub->n, 1};
            s->at = s->live && before(s->at, at) ? at : s->at;
        }
    }
    bool failed = req->status != 0;
    hub->failures = failed ? hub->failures + 1 : 0;
    hub->dirty = hub->dirty || failed; /* the next event, or the next beat, tries again */
    pv_req_done(req);
    if (api->closing) {
        pv_api_part_closed(api);
    } else if (hub->failures == FAILURES_MAX) {
        hub->failures = 0;
        pv_streams_end(api, unreadable);
    } else if (!failed && (more || hub->dirty)) {
        hub_read(api);
    }
}

static void hub_read(struct pv_api *api)
{
    struct pv_streams *hub = &api->streams;
    hub->dirty = true;
    if (hub->reading || !hub->known || api->closing) {
        return;
    }
    hub->feed = (struct pv_feed){.after_n = hub->n, .limit = PAGE};
    pv_req_init(&hub->feed.req, PV_REQ_FEED, hub_done, api);
    hub->reading = pv_store_submit(api->o.store, &hub->feed.req) == 0;
    hub->dirty = !hub->reading;
}

static void on_changed(struct pv_watch *watch, struct pv_id op, int state, struct pv_str text)
{
    (void)op;
    (void)text;
    if (pv_op_state_final(state) || state == PV_OPS_NEEDS_OPERATOR) {
        hub_read(watch->user);
    }
}

/* Ends the streams whose token or session is over, and waits for the next one's time. */
static void on_expiry(uv_timer_t *timer)
{
    struct pv_api *api = timer->data;
    struct pv_streams *hub = &api->streams;
    int64_t now = pv_wall_ms(&api->o.clock);
    int64_t soonest = 0;
    struct pv_link *next = NULL;
    for (struct pv_link *l = hub->all.next; l != &hub->all; l = next) {
        struct stream *s = stream_of(l);
        next = l->next;
        int64_t expires = s->call->who.expires_ms;
        if (expires != 0 && expires <= now) {
            stream_end(s, "the token has expired");
        } else if (expires != 0 && (soonest == 0 || expires < soonest)) {
            soonest = expires;
        }
    }
    if (soonest != 0) {
        uv_timer_start(timer, on_expiry, (uint64_t)(soonest - now), 0);
    }
}

static void on_beat(uv_timer_t *timer)
{
    struct pv_api *api = timer->data;
    struct pv_streams *hub = &api->streams;
    on_expiry(&hub->expiry); /* the wall clock may have been set */
    for (struct pv_link *l = hub->all.next; l != &hub->all; l = l->next) {
        struct stream *s = stream_of(l);
        char text[80];
        int len = snprintf(text, sizeof(text), ": \nid: %" PRIu64 ".%u\n\n", s->at.n, s->at.k);
        if (s->live && pv_http_stream_pending(s->call->http) == 0) {
            (void)!pv_http_stream_put(s->call->http, (struct pv_str){text, (size_t)len});
        }
    }
    if (hub->dirty) {
        hub_read(api);
    }
}

/* ---- the route ---- */

static bool read_place(struct pv_str text, struct place *ret)
{
    const char *dot = text.len > 0 ? memchr(text.ptr, '.', text.len) : NULL;
    size_t len = dot != NULL ? (size_t)(dot - text.ptr) : 0;
    int64_t n = 0;
    bool good = dot != NULL && text.len == len + 2 && (dot[1] == '0' || dot[1] == '1') &&
                pv_str_to_i64((struct pv_str){text.ptr, len}, &n) == 0 && n >= 0;
    *ret = (struct place){(uint64_t)n, good && dot[1] == '1' ? 1u : 0u};
    return good;
}

/* "operation.failed,operation.parked" to bits. */
static bool read_types(struct pv_call *call, struct pv_str text, uint32_t *ret)
{
    *ret = text.ptr == NULL ? PV_NOTICE_ALL : 0;
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        struct pv_str name = {text.ptr, len};
        int type = 0;
        if (pv_notice_parse(name, &type) != 0) {
            pv_call_fail(call, 400, "invalid", "events: there is no type \"%.*s\"",
                         (int)(len < 60 ? len : 60), name.ptr);
            return false;
        }
        *ret |= 1u << type;
        size_t used = comma != NULL ? len + 1 : len;
        text = (struct pv_str){text.ptr + used, text.len - used};
    }
    return true;
}

static bool read_request(struct pv_call *call, struct stream *s)
{
    static const char *const own[] = {"service", "events", "last_event_id", NULL};
    struct pv_str after;
    size_t limit = 0;
    if (!pv_call_source(call, &s->source) || !pv_call_page(call, own, &limit, &after) ||
        !read_types(call, pv_call_param(call, "events"), &s->types)) {
        return false;
    }
    if (after.ptr != NULL || pv_call_param(call, "limit").ptr != NULL) {
        pv_call_fail(call, 400, "invalid", "a stream has no `limit` and no `after`");
        return false;
    }
    struct pv_str service = pv_call_param(call, "service");
    if (service.ptr != NULL && pv_id_parse("svc", service, &s->service) != 0) {
        pv_call_fail(call, 400, "invalid", "service: expected svc_…");
        return false;
    }
    if (call->session != NULL) {
        if (service.ptr != NULL && !pv_id_eq(s->service, call->session->service)) {
            pv_call_fail_status(call, PV_ENOTFOUND, NULL, "service");
            return false;
        }
        s->service = call->session->service;
    }
    struct pv_str last = pv_http_header(call->http, "Last-Event-ID");
    last = last.ptr != NULL ? last : pv_call_param(call, "last_event_id");
    s->resumes = last.len > 0;
    if (s->resumes && !read_place(last, &s->at)) {
        pv_call_fail(call, 400, "invalid", "Last-Event-ID: expected the id of an event");
        return false;
    }
    return true;
}

static void get_stream(struct pv_call *call)
{
    struct pv_api *api = call->api;
    struct pv_streams *hub = &api->streams;
    struct stream *s = pv_arena_alloc(&call->arena, sizeof(*s));
    if (s == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    if (pv_str_eq_c(call->http->method, "HEAD")) {
        pv_call_send_type(call, 200, "text/event-stream");
        return;
    }
    if (api->closing || hub->count >= hub->max) {
        pv_call_fail(call, 503, "busy", "%s",
                     api->closing ? "the server is stopping" : "too many streams are open");
        return;
    }
    s->call = call;
    call->state = s;
    if (!read_request(call, s) || !pv_hold_take(call, PV_HOLD_STREAM)) {
        return;
    }
    if (pv_list_empty(&hub->all)) {
        hub->watch = (struct pv_watch){.changed = on_changed, .user = api};
        pv_engine_watch(api->o.engine, &hub->watch);
        uv_timer_start(&hub->beat, on_beat, BEAT_MS, BEAT_MS);
    }
    pv_list_push(&hub->all, &s->link);
    hub->count++;
    if (call->who.expires_ms != 0) {
        uv_timer_start(&hub->expiry, on_expiry, 0, 0); /* which may end this one too */
    }
    stream_read(s);
}

/* ---- ending them ---- */

static bool is_of_token(const struct pv_call *call, const void *token)
{
    return pv_id_eq(call->who.token, *(const struct pv_id *)token);
}

/* `until`: a session that has this service, and was made as late as any that has ended. */
static bool is_of_sessions(const struct pv_call *call, const void *until)
{
    const struct pv_session *last = until;
    return call->session != NULL && pv_id_eq(call->session->service, last->service) &&
           call->session->made_ms <= last->made_ms;
}

static void end_those(struct pv_api *api, bool (*is)(const struct pv_call *call, const void *arg),
                      const void *arg, const char *why)
{
    struct pv_link *next = NULL;
    for (struct pv_link *l = api->streams.all.next; l != &api->streams.all; l = next) {
        struct stream *s = stream_of(l);
        next = l->next;
        if (is == NULL || is(s->call, arg)) {
            stream_end(s, why);
        }
    }
}

void pv_streams_end(struct pv_api *api, const char *why)
{
    end_those(api, NULL, NULL, why);
}

void pv_streams_end_token(struct pv_api *api, struct pv_id token)
{
    end_those(api, is_of_token, &token, "the token was revoked");
}

void pv_streams_end_sessions(struct pv_api *api, struct pv_id service, int64_t ended_ms)
{
    const struct pv_session last = {.service = service, .made_ms = ended_ms};
    end_those(api, is_of_sessions, &last, "the session was ended");
}

const struct pv_route pv_routes_stream[] = {
    {"GET", "/v1/stream", PV_SCOPE_OPERATIONS_READ, PV_ROUTE_SESSION, get_stream, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

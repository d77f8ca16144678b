/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: their text, what they reach, and the route that makes them. */
#include "core/api/session.h"

#include <stdio.h>
#include <string.h>

#define LAYOUT 2
#define SEALED_MAX 1024

/* ---- the text ---- */

bool pv_session_is(struct pv_str text)
{
    return pv_str_starts(text, PV_SESSION_PREFIX);
}

int pv_session_write(struct pv_call *call, const struct pv_session *session, struct pv_buf *out)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    if (daemon->session_seal == NULL) {
        return PV_EINVAL;
    }
    struct pv_buf plain;
    struct pv_buf sealed;
    pv_buf_init(&plain, SEALED_MAX);
    pv_buf_init(&sealed, SEALED_MAX);
    pv_buf_u8(&plain, LAYOUT);
    pv_buf_put(&plain, session->service.b, sizeof(session->service.b));
    pv_buf_u64(&plain, (uint64_t)session->made_ms);
    pv_buf_u64(&plain, (uint64_t)session->expires_ms);
    pv_buf_u32(&plain, session->scopes);
    pv_buf_u8(&plain, session->minted_by_token ? 1 : 0);
    pv_buf_put(&plain, session->minter.b, sizeof(session->minter.b));
    pv_buf_lstr(&plain, session->source);
    pv_buf_lstr(&plain, session->customer);
    int status = plain.status != 0
                     ? plain.status
                     : daemon->session_seal(daemon->ctx, pv_buf_view(&plain), &sealed);
    char hex[2 * SEALED_MAX + 1];
    if (status == 0) {
        pv_hex((const uint8_t *)sealed.ptr, sealed.len, hex);
        pv_buf_c(out, PV_SESSION_PREFIX);
        status = pv_buf_c(out, hex);
    }
    pv_buf_done(&plain);
    pv_buf_done(&sealed);
    return status;
}

static int decode(struct pv_str plain, struct pv_session *ret)
{
    struct pv_session session = {.expires_ms = 0};
    struct pv_reader r = pv_reader(plain);
    if (pv_read_u8(&r) != LAYOUT) {
        return PV_EINVAL;
    }
    struct pv_str service = pv_read_bytes(&r, sizeof(session.service.b));
    session.made_ms = (int64_t)pv_read_u64(&r);
    session.expires_ms = (int64_t)pv_read_u64(&r);
    session.scopes = pv_read_u32(&r) & PV_SESSION_SCOPES;
    session.minted_by_token = pv_read_u8(&r) != 0;
    struct pv_str minter = pv_read_bytes(&r, sizeof(session.minter.b));
    session.source = pv_read_lstr(&r);
    session.customer = pv_read_lstr(&r);
    if (pv_reader_end(&r) != 0 || session.source.len > PV_MAX_NAME) {
        return PV_EINVAL;
    }
    memcpy(session.service.b, service.ptr, sizeof(session.service.b));
    memcpy(session.minter.b, minter.ptr, sizeof(session.minter.b));
    *ret = session;
    return 0;
}

int pv_session_read(struct pv_call *call, struct pv_str text, struct pv_session *ret_session)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    size_t prefix = sizeof(PV_SESSION_PREFIX) - 1;
    struct pv_str hex = {text.ptr + prefix, text.len - prefix};
    size_t len = hex.len / 2;
    if (daemon->session_unseal == NULL || len == 0 || len > SEALED_MAX) {
        return PV_EINVAL;
    }
    char *sealed = pv_arena_alloc(&call->arena, len);
    if (sealed == NULL) {
        return PV_ENOMEM;
    }
    struct pv_str plain;
    int status = pv_unhex(hex, (uint8_t *)sealed, len);
    if (status == 0) {
        status =
            daemon->session_unseal(daemon->ctx, (struct pv_str){sealed, len}, &call->arena, &plain);
    }
    return status != 0 ? status : decode(plain, ret_session);
}

/* ---- ends that are known ---- */

void pv_session_ends_init(struct pv_session_ends *ends)
{
    pv_recent_init(&ends->recent, sizeof(struct pv_id), sizeof(int64_t));
}

void pv_session_ends_done(struct pv_session_ends *ends)
{
    pv_recent_done(&ends->recent);
}

bool pv_session_ends_get(struct pv_call *call, struct pv_id service, int64_t *ret_ended_ms)
{
    struct pv_api *api = call->api;
    return pv_recent_get(&api->ends.recent, &service, pv_mono_ms(&api->o.clock), ret_ended_ms);
}

void pv_session_ends_put(struct pv_call *call, struct pv_id service, int64_t ended_ms)
{
    struct pv_api *api = call->api;
    pv_recent_put(&api->ends.recent, &service, pv_mono_ms(&api->o.clock), &ended_ms);
}

/* ---- what it reaches ---- */

bool pv_session_may(struct pv_call *call)
{
    static const char services[] = "/v1/services/*";
    if ((call->route->flags & PV_ROUTE_SESSION) == 0) {
        pv_call_fail(call, 403, "forbidden", "a customer's session may not do this");
        return false;
    }
    struct pv_id service;
    if (strncmp(call->route->pattern, services, sizeof(services) - 1) == 0 &&
        (pv_id_parse("svc", call->args[0], &service) != 0 ||
         !pv_id_eq(service, call->session->service))) {
        pv_call_fail_status(call, PV_ENOTFOUND, NULL, "service");
        return false;
    }
    return true;
}

/* ---- making one ---- */

struct minting {
    struct pv_session session;
    struct pv_str note;
};

static void noted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct minting *minting = call->state;
    const struct pv_session *session = &minting->session;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_buf_clear(&call->scratch);
    int status = pv_session_write(call, session, &call->scratch);
    if (status != 0) {
        pv_call_fail(call, 503, "no_sessions", "a session cannot be made: %s",
                     pv_status_text(status));
        return;
    }
    struct pv_buf *out = &call->out;
    pv_buf_char(out, '{');
    pv_show_id(out, "service", "svc", session->service);
    pv_show_text(out, "customer", session->customer);
    pv_show_scopes(out, session->scopes);
    pv_show_time(out, "expires", session->expires_ms);
    pv_show_text(out, "token", pv_buf_view(&call->scratch));
    pv_buf_char(out, '}');
    pv_call_send(call, 201);
}

/* It is made behind the end of those before it: within the same millisecond, and where the clock
 * was set back. */
static void end_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct minting *minting = call->state;
    struct pv_session *session = &minting->session;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    int64_t ended_ms = call->r.sessions.ret_ended_ms;
    pv_session_ends_put(call, session->service, ended_ms);
    session->made_ms = session->made_ms > ended_ms ? session->made_ms : ended_ms + 1;
    pv_call_req(call, PV_REQ_NOTE, noted);
    call->r.note.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.note.audit = (struct pv_audit){.actor = pv_str(call->who.actor),
                                           .what = PV_STR("session.create"),
                                           .source = minting->session.source,
                                           .detail = minting->note,
                                           .service = minting->session.service};
    pv_call_submit(call);
}

static void service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct minting *minting = call->state;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    minting->session.source = pv_arena_copy(&call->arena, call->r.get.ret_service.source);
    if (minting->session.source.ptr == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    pv_call_req(call, PV_REQ_SESSIONS, end_read);
    call->r.sessions.service = minting->session.service;
    pv_call_submit(call);
}

/* "5m", at most 15 minutes. false: it has failed the call. */
static bool length_of(struct pv_call *call, struct pv_str text, int64_t *ret_ms)
{
    *ret_ms = PV_SESSION_MS;
    if (text.ptr == NULL ||
        (pv_str_to_duration(text, ret_ms) == 0 && *ret_ms > 0 && *ret_ms <= PV_SESSION_MS)) {
        return true;
    }
    pv_call_fail(call, 400, "invalid", "\"expires_in\": expected a duration up to 15m");
    return false;
}

/* Those that are asked for, or the usual ones; no more than the caller has. false: it has failed
 * the call. */
static bool rights_of(struct pv_call *call, const struct pv_json *object, unsigned *ret_scopes)
{
    unsigned own = call->who.scopes & PV_SESSION_SCOPES;
    if (pv_json_get(&call->body, object, "scopes") == NULL) {
        *ret_scopes = own & ~(unsigned)PV_SCOPE_SERVICES_REVEAL;
        return true;
    }
    unsigned asked = pv_call_scopes(call, object);
    unsigned missing = asked & ~own;
    if (asked == 0) {
        return false;
    }
    if (missing != 0) {
        unsigned first = missing & (~missing + 1);
        bool never = (first & PV_SESSION_SCOPES) == 0;
        pv_call_fail(call, never ? 400 : 403, never ? "invalid" : "forbidden",
                     never ? "a session cannot have the scope %s" : "this token lacks the scope %s",
                     pv_scope_name(first));
        return false;
    }
    *ret_scopes = asked;
    return true;
}

static bool customer_valid(struct pv_str customer)
{
    for (size_t i = 0; i < customer.len; i++) {
        if ((unsigned char)customer.ptr[i] <= ' ' || customer.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

static void post_session(struct pv_call *call)
{
    static const char *const keys[] = {"customer", "scopes", "expires_in"};
    struct pv_id service;
    struct pv_str customer;
    struct pv_str expires_in;
    if (!pv_call_id(call, 0, "svc", &service)) {
        return;
    }
    const struct pv_json *object = pv_call_object(call, keys, 3);
    if (object == NULL ||
        !pv_call_text(call, object, "customer", PV_MAX_CUSTOMER, true, &customer) ||
        !pv_call_text(call, object, "expires_in", 20, false, &expires_in)) {
        return;
    }
    if (!customer_valid(customer)) {
        pv_call_fail(call, 400, "invalid",
                     "\"customer\": may not hold spaces or control characters");
        return;
    }
    int64_t length_ms = 0;
    unsigned scopes = 0;
    if (!length_of(call, expires_in, &length_ms) || !rights_of(call, object, &scopes)) {
        return;
    }
    int64_t now_ms = pv_wall_ms(&call->api->o.clock);
    struct minting *minting = pv_arena_alloc(&call->arena, sizeof(*minting));
    char note[PV_MAX_CUSTOMER + 16];
    int n = snprintf(note, sizeof(note), "customer:%.*s", PV_STR_ARG(customer));
    struct pv_str kept = pv_arena_copy(&call->arena, (struct pv_str){note, n > 0 ? (size_t)n : 0});
    if (minting == NULL || kept.ptr == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    minting->note = kept;
    minting->session = (struct pv_session){
        .service = service,
        .made_ms = now_ms,
        .expires_ms = now_ms + length_ms,
        .scopes = scopes,
        .minted_by_token = call->who.by_token,
        .minter = call->who.hash,
        .customer = customer,
    };
    call->state = minting;
    pv_call_req(call, PV_REQ_GET, service_read);
    call->r.get.id = service;
    call->r.get.source = pv_call_is_admin(call) ? (struct pv_str){NULL, 0} : call->who.source;
    pv_call_submit(call);
}

/* ---- ending them ---- */

static void sessions_ended(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_sessions *in = &call->r.sessions;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_session_ends_put(call, in->service, in->ret_ended_ms);
    pv_streams_end_sessions(call->api, in->service, in->ret_ended_ms);
    pv_buf_char(&call->out, '{');
    pv_show_id(&call->out, "service", "svc", in->service);
    pv_show_time(&call->out, "ended", in->ret_ended_ms);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void delete_sessions(struct pv_call *call)
{
    struct pv_id service;
    if (!pv_call_id(call, 0, "svc", &service)) {
        return;
    }
    pv_call_req(call, PV_REQ_SESSIONS, sessions_ended);
    struct pv_sessions *in = &call->r.sessions;
    in->service = service;
    in->source = pv_call_is_admin(call) ? (struct pv_str){NULL, 0} : call->who.source;
    in->end = true;
    in->now_ms = pv_wall_ms(&call->api->o.clock);
    in->audit = (struct pv_audit){.actor = pv_str(call->who.actor), .what = PV_STR("session.end")};
    pv_call_submit(call);
}

const struct pv_route pv_routes_sessions[] = {
    {"DELETE", "/v1/services/*/sessions", PV_SCOPE_SERVICES_READ, PV_ROUTE_SESSION, delete_sessions,
     0},
    {"POST", "/v1/services/*/sessions", PV_SCOPE_SERVICES_READ, 0, post_session, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

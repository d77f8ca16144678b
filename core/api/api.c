/* SPDX-License-Identifier: Apache-2.0 */
/* The API as a whole: finds the route of a request and who asks, then hands the call to the route.
 */
#include "core/api/cors.h"
#include "core/api/guard.h"
#include "core/api/holds.h"
#include "core/api/httptls.h"
#include "core/api/internal.h"
#include "core/api/session.h"

#include <stdio.h>
#include <string.h>

/* ---- routes ---- */

static struct pv_str next_segment(struct pv_str *rest)
{
    const char *slash = rest->len > 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
    size_t len = slash != NULL ? (size_t)(slash - rest->ptr) : rest->len;
    struct pv_str segment = {rest->ptr, len};
    size_t used = slash != NULL ? len + 1 : len;
    *rest = (struct pv_str){rest->ptr + used, rest->len - used};
    return segment;
}

/* Both begin with '/'. What stands for '*' goes to args, as sent. */
static bool path_matches(const char *pattern, struct pv_str path, struct pv_str args[4])
{
    struct pv_str want = {pattern + 1, strlen(pattern + 1)};
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    struct pv_str have = {path.ptr + 1, path.len - 1};
    size_t n = 0;
    while (want.len > 0 && have.len > 0) {
        struct pv_str w = next_segment(&want);
        struct pv_str h = next_segment(&have);
        if (pv_str_eq_c(w, "*") && h.len > 0) {
            args[n++] = h;
        } else if (!pv_str_eq(w, h)) {
            return false;
        }
    }
    return want.len == 0 && have.len == 0;
}

static const struct pv_route *const tables[] = {
    pv_routes_events,   pv_routes_services, pv_routes_operations, pv_routes_queries,
    pv_routes_info,     pv_routes_stream,   pv_routes_metrics,    pv_routes_admin,
    pv_routes_keys,     pv_routes_explain,  pv_routes_verify,     pv_routes_compat,
    pv_routes_sessions, pv_routes_webhooks,
};

struct match {
    const struct pv_route *route; /* NULL: none */
    bool path_known;
    char allow[32];
};

static void match_table(const struct pv_route *routes, const struct pv_http_request *http,
                        struct pv_str args[4], struct match *match)
{
    for (const struct pv_route *route = routes; route->method != NULL; route++) {
        if (match->route != NULL || !path_matches(route->pattern, http->path, args)) {
            continue;
        }
        match->path_known = true;
        bool head = pv_str_eq_c(http->method, "HEAD") && strcmp(route->method, "GET") == 0;
        if (head || pv_str_eq_c(http->method, route->method)) {
            match->route = route;
            return;
        }
        size_t n = strlen(match->allow);
        snprintf(match->allow + n, sizeof(match->allow) - n, "%s%s", n > 0 ? ", " : "",
                 route->method);
    }
}

/* ---- who calls ---- */

static void dispatch(struct pv_call *call)
{
    const struct pv_route *route = call->route;
    unsigned missing = route->scope & ~call->who.scopes;
    if (missing != 0) {
        char names[200];
        struct pv_buf list;
        pv_buf_init(&list, sizeof(names));
        pv_scopes_print(missing, &list);
        snprintf(names, sizeof(names), "%.*s", PV_STR_ARG(pv_buf_view(&list)));
        pv_buf_done(&list);
        pv_call_fail(call, 403, "forbidden", "this token lacks the scope %s", names);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        int status = pv_call_decode(call, call->args[i], false, &call->args[i]);
        if (status == PV_ENOMEM) {
            pv_call_fail_status(call, status, NULL, "");
            return;
        }
        if (status != 0) {
            pv_call_fail(call, 400, "malformed", "the path is not valid");
            return;
        }
    }
    if (call->session != NULL && !pv_session_may(call)) {
        return;
    }
    if (pv_call_prefer_wait(call) == 0 || pv_hold_take(call, PV_HOLD_WAIT)) {
        route->handle(call);
    }
}

/* Whoever it is may send a body. It is asked again when that is there: a token may have been
 * revoked meanwhile. */
static void let_in(struct pv_call *call, size_t max_bytes)
{
    struct pv_http_request *http = call->http;
    pv_call_free(call);
    pv_http_take_body(http, max_bytes);
}

static void as_peer(struct pv_call *call)
{
    if (call->at_head) {
        let_in(call, SIZE_MAX);
        return;
    }
    call->who.scopes = PV_SCOPES_ALL;
    snprintf(call->who.actor, sizeof(call->who.actor), "uid:%u", call->http->uid);
    dispatch(call);
}

/* With what the session says, and no more than the token may that it was made with (NULL: it was
 * made by the admin socket). */
static void as_customer(struct pv_call *call, const struct pv_token *minter)
{
    static const struct pv_token plain = {.rate = 0};
    const struct pv_session *session = call->session;
    if (call->at_head) {
        let_in(call, SIZE_MAX);
        return;
    }
    unsigned most =
        minter == NULL || (minter->scopes & PV_SCOPE_ADMIN) != 0 ? PV_SCOPES_ALL : minter->scopes;
    snprintf(call->who.actor, sizeof(call->who.actor), "customer:%.*s",
             PV_STR_ARG(session->customer));
    call->who.source = session->source;
    call->who.expires_ms = session->expires_ms;
    if (minter != NULL && minter->expires_ms != 0 && minter->expires_ms < session->expires_ms) {
        call->who.expires_ms = minter->expires_ms;
    }
    call->who.scopes = session->scopes & most;
    if (pv_guard_allow(call, session->service, &plain)) {
        dispatch(call);
    }
}

static void as_token(struct pv_call *call, const struct pv_token *token)
{
    int64_t now = pv_wall_ms(&call->api->o.clock);
    if (token->revoked || (token->expires_ms != 0 && token->expires_ms <= now)) {
        pv_guard_refuse(call, 401, "unauthorized",
                        token->revoked ? "this token was revoked" : "this token has expired");
        return;
    }
    call->who.token = token->id;
    if (call->session != NULL) {
        as_customer(call, token);
        return;
    }
    if (call->at_head) {
        let_in(call, SIZE_MAX);
        return;
    }
    char id[PV_ID_TEXT];
    snprintf(call->who.actor, sizeof(call->who.actor), "token:%s",
             pv_id_format("tok", token->id, id));
    memcpy(call->who.source_text, token->source, sizeof(call->who.source_text));
    call->who.source = pv_str(call->who.source_text);
    call->who.scopes = token->scopes;
    call->who.expires_ms = token->expires_ms;
    if ((token->scopes & PV_SCOPE_ADMIN) != 0) {
        call->who.scopes = PV_SCOPES_ALL;
    }
    if (pv_guard_allow(call, token->id, token)) {
        dispatch(call);
    }
}

static void token_found(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_token_row *row = &call->r.token.token;
    if (req->status == PV_ENOTFOUND) {
        pv_guard_refuse(call, 401, "unauthorized", "this token is not known");
        return;
    }
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "token");
        return;
    }
    struct pv_token token = {.id = row->id,
                             .scopes = pv_scopes_parse(row->scopes),
                             .expires_ms = row->expires_ms,
                             .revoked = row->revoked_ms != 0,
                             .rate = row->rate,
                             .burst = row->burst};
    if (pv_str_to_c(row->source, token.source, sizeof(token.source)) != 0) {
        pv_call_fail(call, 401, "unauthorized", "this token is not known");
        return;
    }
    struct pv_api *api = call->api;
    pv_token_cache_put(&api->tokens, row->secret_hash, pv_mono_ms(&api->o.clock), &token);
    pv_call_req_done(call);
    as_token(call, &token);
}

static void find_token(struct pv_call *call, struct pv_hash hash)
{
    struct pv_api *api = call->api;
    struct pv_token token;
    call->who.by_token = true;
    call->who.hash = hash;
    bool known = call->session != NULL || pv_token_cache_knows(&api->tokens, hash);
    if (pv_token_cache_get(&api->tokens, hash, pv_mono_ms(&api->o.clock), &token)) {
        as_token(call, &token);
        return;
    }
    if (!known && !pv_guard_may_try(call)) {
        return;
    }
    pv_call_req(call, PV_REQ_TOKEN, token_found);
    call->r.token.what = PV_TOKEN_FIND;
    call->r.token.token.secret_hash = hash;
    call->r.token.now_ms = pv_wall_ms(&api->o.clock);
    pv_call_submit(call);
}

/* Its service's sessions were ended at some time: was it made later? */
static void go_on(struct pv_call *call, int64_t ended_ms)
{
    const struct pv_session *session = call->session;
    if (session->made_ms <= ended_ms) {
        pv_guard_refuse(call, 401, "unauthorized", "this session was ended");
    } else if (session->minted_by_token) {
        find_token(call, session->minter);
    } else {
        as_customer(call, NULL);
    }
}

static void end_found(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    int64_t ended_ms = call->r.sessions.ret_ended_ms;
    pv_session_ends_put(call, call->session->service, ended_ms);
    pv_call_req_done(call);
    go_on(call, ended_ms);
}

static void find_end(struct pv_call *call)
{
    struct pv_id service = call->session->service;
    int64_t ended_ms = 0;
    if (pv_session_ends_get(call, service, &ended_ms)) {
        go_on(call, ended_ms);
        return;
    }
    pv_call_req(call, PV_REQ_SESSIONS, end_found);
    call->r.sessions.service = service;
    pv_call_submit(call);
}

static void open_session(struct pv_call *call, struct pv_str text)
{
    struct pv_session *session = pv_arena_alloc(&call->arena, sizeof(*session));
    int status = session != NULL ? pv_session_read(call, text, session) : PV_ENOMEM;
    if (status == PV_ENOMEM) {
        pv_call_fail_status(call, status, NULL, "");
    } else if (status != 0) {
        pv_guard_refuse(call, 401, "unauthorized", "this session is not known");
    } else if (session->expires_ms <= pv_wall_ms(&call->api->o.clock)) {
        pv_guard_refuse(call, 401, "unauthorized", "this session has expired");
    } else {
        call->session = session;
        find_end(call);
    }
}

static void authenticate(struct pv_call *call)
{
    if (call->http->local) {
        as_peer(call);
        return;
    }
    struct pv_str text = pv_bearer(pv_http_header(call->http, "Authorization"));
    if (text.ptr == NULL) {
        pv_call_fail(call, 401, "unauthorized",
                     "a token is needed: Authorization: Bearer provost_…");
        return;
    }
    if (pv_session_is(text)) {
        open_session(call, text);
    } else {
        find_token(call, pv_token_hash(text));
    }
}

static bool is_public(const struct pv_call *call)
{
    unsigned flags = call->route->flags;
    return (flags & PV_ROUTE_PUBLIC) != 0 ||
           ((flags & PV_ROUTE_QUERY) != 0 && !call->http->local && pv_query_is_public(call));
}

/* A signal with a key: the key alone decides, whatever else the sender believes it must say. Who
 * has the wrong one learns nothing about the operation. */
static void as_bearer_of_key(struct pv_call *call)
{
    if (!pv_signal_key_fits(call)) {
        pv_guard_refuse(call, 404, "not_found", "there is no such operation");
        return;
    }
    if (call->at_head) {
        let_in(call, SIZE_MAX);
        return;
    }
    call->who.scopes = call->route->scope;
    snprintf(call->who.actor, sizeof(call->who.actor), "signal");
    dispatch(call);
}

static void as_anybody(struct pv_call *call)
{
    if (call->at_head) {
        let_in(call, PV_API_PUBLIC_BODY_MAX);
        return;
    }
    if (call->http->body.len > PV_API_PUBLIC_BODY_MAX) {
        pv_call_fail(call, 413, "too_large", "the body is larger than allowed");
        return;
    }
    call->who.scopes = call->route->scope;
    dispatch(call);
}

static bool bears_key(struct pv_call *call)
{
    return (call->route->flags & PV_ROUTE_SIGNAL) != 0 && !call->http->local &&
           pv_call_param(call, "key").ptr != NULL;
}

/* A path at which the configuration has a query of an instance served. The arguments are copies: a
 * reload may take that configuration away while the store looks for the caller's token. false: it
 * has failed the call. */
static bool match_alias(struct pv_call *call, struct match *match)
{
    struct pv_str query;
    const struct pv_config_instance *instance =
        pv_config_alias(call->api->o.config, call->http->path, &query);
    bool method = pv_str_eq_c(call->http->method, "GET") || pv_str_eq_c(call->http->method, "POST");
    if (instance == NULL || !method) {
        return true;
    }
    match->route = &pv_route_instance_query;
    call->args[0] = pv_arena_copy(&call->arena, instance->name);
    call->args[1] = pv_arena_copy(&call->arena, query);
    if (call->args[0].ptr == NULL || call->args[1].ptr == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    return true;
}

static void answer_without_call(struct pv_http_request *http, const char *code, unsigned status,
                                const char *text)
{
    struct pv_buf body;
    pv_buf_init(&body, 4096);
    pv_fault_write(&body, code, pv_str(text));
    struct pv_http_answer answer = {.status = status, .headers = {{"Retry-After", "1"}}};
    pv_http_answer(http, &answer, &body);
    pv_buf_done(&body);
}

/* NULL: it has been answered. */
static struct pv_call *call_new(struct pv_api *api, struct pv_http_request *http)
{
    struct pv_call *call = pv_calloc(1, sizeof(*call));
    if (call == NULL) {
        answer_without_call(http, "no_memory", 503, "out of memory, try again");
        return NULL;
    }
    call->api = api;
    call->http = http;
    http->user = call;
    pv_arena_init(&call->arena);
    pv_buf_init(&call->out, PV_API_ANSWER_MAX);
    /* Canonical forms are no longer than what was sent; of a CloudEvent there are two. */
    pv_buf_init(&call->scratch, 4u * PV_API_BODY_MAX + 2 * http->body.len);
    pv_list_push(&api->calls, &call->link);
    return call;
}

/* Finds its route, and who calls. */
static void begin(struct pv_call *call)
{
    struct match match = {.route = NULL};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && match.route == NULL; i++) {
        match_table(tables[i], call->http, call->args, &match);
    }
    if (match.route == NULL && !match_alias(call, &match)) {
        return;
    }
    call->route = match.route;
    if (pv_cors_preflight(call)) {
        return;
    }
    if (match.route == NULL && match.path_known) {
        memcpy(call->allow, match.allow, sizeof(call->allow));
        pv_call_fail(call, 405, "method_not_allowed", "this path answers %s", match.allow);
    } else if (match.route == NULL) {
        pv_call_fail(call, 404, "unknown_path", "there is no such path");
    } else if (is_public(call)) {
        as_anybody(call);
    } else if (bears_key(call)) {
        as_bearer_of_key(call);
    } else {
        authenticate(call);
    }
}

static void handle(struct pv_http_request *http, void *user)
{
    struct pv_call *call = call_new(user, http);
    if (call != NULL) {
        begin(call);
    }
}

/* Memory for bodies is for those who may call. */
static void ask(struct pv_http_request *http, void *user)
{
    struct pv_call *call = call_new(user, http);
    if (call != NULL) {
        call->at_head = true;
        begin(call);
    }
}

/* ---- life ---- */

void pv_api_part_closed(struct pv_api *api)
{
    api->parts--;
    if (api->parts > 0) {
        return;
    }
    void (*closed)(void *user) = api->closed;
    void *user = api->closed_user;
    pv_token_cache_done(&api->tokens);
    pv_session_ends_done(&api->ends);
    pv_limits_done(&api->limits);
    pv_limits_done(&api->failures);
    pv_map_done(&api->holders);
    pv_heap_done(&api->waits);
    pv_free(api);
    if (closed != NULL) {
        closed(user);
    }
}

static void timer_closed(uv_handle_t *handle)
{
    pv_api_part_closed(handle->data);
}

static void httpd_closed(void *user)
{
    struct pv_api *api = user;
    uv_close((uv_handle_t *)&api->timer, timer_closed);
    uv_close((uv_handle_t *)&api->streams.beat, timer_closed);
    uv_close((uv_handle_t *)&api->streams.expiry, timer_closed);
}

void pv_api_close(struct pv_api *api, void (*closed)(void *user), void *user)
{
    api->closing = true;
    api->closed = closed;
    api->closed_user = user;
    api->parts = 3 + (api->streams.reading ? 1 : 0); /* timers */
    pv_api_end_waits(api);
    pv_streams_end(api, "provostd is stopping; connect again");
    pv_httpd_close(api->httpd, httpd_closed, api);
}

static int listen_all(struct pv_api *api, struct pv_err *err)
{
    const struct pv_api_options *o = &api->o;
    int status = 0;
    if (o->listen != NULL) {
        status = pv_httpd_listen_tcp(api->httpd, o->listen, o->insecure, &api->port, err);
    }
    if (status == 0 && o->admin_socket != NULL) {
        status = pv_httpd_listen_unix(api->httpd, o->admin_socket, o->admin_group, err);
    }
    return status;
}

int pv_api_new(const struct pv_api_options *options, struct pv_api **ret_api, struct pv_err *err)
{
    struct pv_api *api = pv_calloc(1, sizeof(*api));
    if (api == NULL) {
        pv_http_tls_unref(options->tls);
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    api->o = *options;
    pv_list_init(&api->calls);
    pv_list_init(&api->streams.all);
    pv_map_init(&api->holders);
    pv_heap_init(&api->waits);
    pv_token_cache_init(&api->tokens);
    pv_session_ends_init(&api->ends);
    pv_limits_init(&api->limits);
    pv_limits_init(&api->failures);
    const struct pv_config_http *http = &options->config->http;
    api->streams.max = (size_t)http->max_connections / 2; /* the rest is for calls */
    struct pv_httpd_options httpd = {
        .loop = options->loop,
        .clock = options->clock,
        .handle = handle,
        .ask = ask,
        .user = api,
        .is_host = options->daemon.is_host,
        .is_host_ctx = options->daemon.ctx,
        .max_connections = (size_t)http->max_connections,
        .max_per_address = (size_t)http->max_connections_per_address,
        .max_body = (size_t)http->max_body,
        .header_ms = http->header_timeout_ms,
        .body_ms = http->body_timeout_ms,
        .idle_ms = http->idle_timeout_ms,
    };
    int status = pv_httpd_new(&httpd, &api->httpd);
    if (status != 0) {
        pv_http_tls_unref(options->tls);
        pv_free(api);
        return pv_err_set(err, status, "%s", pv_status_text(status));
    }
    uv_timer_init(options->loop, &api->timer);
    api->timer.data = api;
    pv_httpd_set_tls(api->httpd, options->tls);
    uv_timer_init(options->loop, &api->streams.beat);
    api->streams.beat.data = api;
    uv_timer_init(options->loop, &api->streams.expiry);
    api->streams.expiry.data = api;
    status = listen_all(api, err);
    if (status != 0) {
        pv_api_close(api, NULL, NULL); /* goes with the next turns of the loop */
        return status;
    }
    *ret_api = api;
    return 0;
}

void pv_api_set_config(struct pv_api *api, const struct pv_config *config)
{
    api->o.config = config;
}

void pv_api_set_tls(struct pv_api *api, struct pv_http_tls *tls)
{
    pv_httpd_set_tls(api->httpd, tls);
}

int pv_api_port(const struct pv_api *api)
{
    return api->port;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For the admin: tokens, instances, reload, status, the proof of the audit trail. */
#include "core/api/internal.h"

#include "core/base/secret.h"

#include <stdio.h>
#include <string.h>

/* ---- tokens ---- */

struct new_token {
    char text[PV_TOKEN_TEXT];
};

static void token_added(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct new_token *made = call->state;
    if (req->status == 0) {
        pv_buf_char(&call->out, '{');
        pv_show_token(&call->out, &call->r.token.token);
        pv_show_c(&call->out, "token", made->text);
        pv_buf_char(&call->out, '}');
    }
    pv_wipe(made->text, sizeof(made->text));
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "token");
        return;
    }
    pv_call_send(call, 201);
}

unsigned pv_call_scopes(struct pv_call *call, const struct pv_json *object)
{
    const struct pv_json *list = pv_json_get(&call->body, object, "scopes");
    if (list == NULL || list->type != PV_JSON_ARRAY || list->count == 0) {
        pv_call_fail(call, 400, "required",
                     "\"scopes\": expected an array with at least one scope");
        return 0;
    }
    unsigned scopes = 0;
    struct pv_json_iter iter = pv_json_iter(&call->body, list);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        unsigned scope = value->type == PV_JSON_STRING ? pv_scope_parse(value->text) : 0;
        if (scope == 0) {
            const char *names[PV_SCOPES];
            for (unsigned bit = 0; bit < PV_SCOPES; bit++) {
                names[bit] = pv_scope_name(1u << bit);
            }
            const char *near = pv_str_nearest(value->text, names, PV_SCOPES);
            pv_call_fail(call, 400, "unknown_scope",
                         near != NULL ? "unknown scope \"%.*s\"; did you mean \"%s\"?"
                                      : "unknown scope \"%.*s\"",
                         (int)(value->text.len < 64 ? value->text.len : 64),
                         value->text.ptr != NULL ? value->text.ptr : "", near);
            return 0;
        }
        scopes |= scope;
    }
    return scopes;
}

/* "90d" from now; 0: never. false: it has failed the call. */
static bool expiry_of(struct pv_call *call, struct pv_str text, int64_t now_ms, int64_t *ret_ms)
{
    int64_t ms = 0;
    *ret_ms = 0;
    if (text.ptr == NULL) {
        return true;
    }
    if (pv_str_to_duration(text, &ms) != 0 || ms <= 0) {
        pv_call_fail(call, 400, "invalid", "\"expires_in\": expected a duration such as 90d");
        return false;
    }
    *ret_ms = ms < INT64_MAX - now_ms ? now_ms + ms : 0;
    return true;
}

/* A number of calls; -1: it is not there. false: it has failed the call. */
static bool calls_of(struct pv_call *call, const struct pv_json *object, const char *key,
                     int64_t *ret_calls)
{
    const struct pv_json *value = pv_json_get(&call->body, object, key);
    *ret_calls = -1;
    if (value == NULL) {
        return true;
    }
    int64_t calls = -1;
    if (value->type == PV_JSON_NUMBER && pv_str_to_i64(value->text, &calls) == 0 && calls >= 0 &&
        calls <= PV_LIMIT_MAX) {
        *ret_calls = calls;
        return true;
    }
    pv_call_fail(call, 400, "invalid", "\"%s\": expected a whole number from 0 to %d", key,
                 PV_LIMIT_MAX);
    return false;
}

/* What a token of its own limit has. false: it has failed the call. */
static bool limit_of(struct pv_call *call, const struct pv_json *object, int64_t *ret_rate,
                     int64_t *ret_burst)
{
    int64_t rate = -1;
    int64_t burst = -1;
    if (!calls_of(call, object, "rate", &rate) || !calls_of(call, object, "burst", &burst)) {
        return false;
    }
    if (burst >= 0 && rate <= 0) {
        pv_call_fail(call, 400, "invalid", "\"burst\": goes with a \"rate\" that is not 0");
        return false;
    }
    *ret_rate = rate == 0 ? PV_TOKEN_NO_LIMIT : (rate > 0 ? rate : 0);
    *ret_burst = burst > 0 ? burst : 0;
    return true;
}

static void post_token(struct pv_call *call)
{
    static const char *const keys[] = {"source", "scopes", "expires_in", "rate", "burst"};
    const struct pv_json *object = pv_call_object(call, keys, 5);
    struct pv_str source;
    struct pv_str expires_in;
    if (object == NULL || !pv_call_text(call, object, "source", PV_MAX_NAME, true, &source) ||
        !pv_call_text(call, object, "expires_in", 20, false, &expires_in)) {
        return;
    }
    if (!pv_source_valid(source)) {
        pv_call_fail(call, 400, "invalid",
                     "\"source\": expected a-z, 0-9, '.', '_', '-', with a letter or digit first");
        return;
    }
    unsigned scopes = pv_call_scopes(call, object);
    if (scopes == 0) {
        return;
    }
    int64_t now = pv_wall_ms(&call->api->o.clock);
    int64_t expires = 0;
    int64_t rate = 0;
    int64_t burst = 0;
    if (!expiry_of(call, expires_in, now, &expires) || !limit_of(call, object, &rate, &burst)) {
        return;
    }
    struct new_token *made = pv_arena_alloc(&call->arena, sizeof(*made));
    if (made == NULL || pv_scopes_print(scopes, &call->scratch) != 0) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    const struct pv_api *api = call->api;
    pv_token_make(&api->o.rng, made->text);
    call->state = made;
    pv_call_req(call, PV_REQ_TOKEN, token_added);
    struct pv_token_req *token = &call->r.token;
    token->what = PV_TOKEN_ADD;
    token->now_ms = now;
    token->token = (struct pv_token_row){.id = pv_id_new(&api->o.clock, &api->o.rng),
                                         .source = source,
                                         .scopes = pv_buf_view(&call->scratch),
                                         .created_ms = now,
                                         .expires_ms = expires,
                                         .secret_hash = pv_token_hash(pv_str(made->text)),
                                         .rate = rate,
                                         .burst = burst};
    token->audit = (struct pv_audit){.actor = pv_str(call->who.actor),
                                     .what = PV_STR("token.create"),
                                     .source = source,
                                     .detail = token->token.scopes};
    pv_call_submit(call);
}

static void token_revoked(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "token");
        return;
    }
    pv_token_cache_drop(&call->api->tokens, call->r.token.token.id);
    pv_streams_end_token(call->api, call->r.token.token.id);
    pv_buf_char(&call->out, '{');
    pv_show_id(&call->out, "id", "tok", call->r.token.token.id);
    pv_show_bool(&call->out, "revoked", true);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void delete_token(struct pv_call *call)
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "tok", &id)) {
        return;
    }
    pv_call_req(call, PV_REQ_TOKEN, token_revoked);
    call->r.token.what = PV_TOKEN_REVOKE;
    call->r.token.token.id = id;
    call->r.token.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.token.audit = (struct pv_audit){
        .actor = pv_str(call->who.actor), .what = PV_STR("token.revoke"), .detail = call->args[0]};
    pv_call_submit(call);
}

static void tokens_listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_list_req *list = &call->r.list;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "token");
        return;
    }
    char next[PV_ID_TEXT] = "";
    pv_buf_c(&call->out, "{\"tokens\":[");
    for (size_t i = 0; i < list->ret_count; i++) {
        pv_buf_c(&call->out, i > 0 ? ",{" : "{");
        pv_show_token(&call->out, &list->ret_tokens[i]);
        pv_buf_char(&call->out, '}');
        pv_id_format("tok", list->ret_tokens[i].id, next);
    }
    pv_show_list_end(&call->out, list->ret_more, next);
    pv_call_send(call, 200);
}

static void list_tokens(struct pv_call *call)
{
    struct pv_str source;
    struct pv_str after;
    size_t limit = 0;
    struct pv_id from = {{0}};
    static const char *const own[] = {NULL};
    if (!pv_call_source(call, &source) || !pv_call_page(call, own, &limit, &after)) {
        return;
    }
    if (after.ptr != NULL && pv_id_parse("tok", after, &from) != 0) {
        pv_call_fail(call, 400, "invalid", "after: expected the `next` of the page before");
        return;
    }
    pv_call_req(call, PV_REQ_LIST, tokens_listed);
    call->r.list.what = PV_LIST_TOKENS;
    call->r.list.source = source;
    call->r.list.state = -1;
    call->r.list.after = from;
    call->r.list.limit = limit;
    pv_call_submit(call);
}

/* ---- instances ---- */

static const char *breaker_name(int breaker)
{
    static const char *const names[] = {"closed", "open", "half_open"};
    return breaker >= 0 && breaker < 3 ? names[breaker] : "?";
}

static void show_instance(struct pv_call *call, const struct pv_config_instance *instance)
{
    const struct pv_api *api = call->api;
    struct pv_buf *out = &call->out;
    struct pv_instance_status status = {.max_in_flight = instance->limits.max_in_flight};
    bool met = pv_engine_instance(api->o.engine, instance->name, &status) == 0;
    int64_t left = status.breaker_until_mono_ms - pv_mono_ms(&api->o.clock);
    bool open = status.breaker != 0 && left > 0;
    pv_buf_char(out, '{');
    pv_show_text(out, "name", instance->name);
    pv_show_text(out, "plugin", instance->plugin->name);
    pv_show_text(out, "plugin_version", instance->plugin->version);
    pv_show_bool(out, "paused", status.paused);
    pv_show_c(out, "breaker", breaker_name(status.breaker));
    pv_show_time(out, "breaker_until", open ? pv_wall_ms(&api->o.clock) + left : 0);
    pv_show_c(out, "fault", met && status.fault[0] != '\0' ? status.fault : NULL);
    pv_show_i64(out, "in_flight", status.in_flight);
    pv_show_i64(out, "max_in_flight", status.max_in_flight);
    pv_show_raw(out, "settings", instance->settings_shown);
    pv_buf_c(out, ",\"hosts\":[");
    if (api->o.daemon.hosts != NULL) {
        api->o.daemon.hosts(api->o.daemon.ctx, instance->name, out);
    }
    pv_buf_c(out, "]}");
}

static void list_instances(struct pv_call *call)
{
    const struct pv_config *config = call->api->o.config;
    pv_buf_c(&call->out, "{\"instances\":[");
    for (size_t i = 0; i < config->instance_count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_instance(call, &config->instances[i]);
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 200);
}

static const struct pv_config_instance *instance_of(struct pv_call *call)
{
    const struct pv_config_instance *instance =
        pv_config_instance(call->api->o.config, call->args[0]);
    if (instance == NULL) {
        pv_call_fail(call, 404, "not_found", "there is no such instance");
    }
    return instance;
}

static void paused(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "instance");
        return;
    }
    pv_engine_set_paused(call->api->o.engine, call->r.pause.instance, call->r.pause.paused);
    const struct pv_config_instance *instance = instance_of(call);
    if (instance != NULL) {
        show_instance(call, instance);
        pv_call_send(call, 200);
    }
}

static void post_pause(struct pv_call *call)
{
    static const char *const keys[] = {"reason"};
    if (instance_of(call) == NULL) {
        return;
    }
    const struct pv_json *object = pv_call_object(call, keys, 1);
    struct pv_str reason;
    if (object == NULL || !pv_call_text(call, object, "reason", 1000, true, &reason)) {
        return;
    }
    bool pause = call->route->detail != 0;
    char text[1100 + PV_MAX_NAME];
    int length =
        snprintf(text, sizeof(text), "%.*s: %.*s", PV_STR_ARG(call->args[0]), PV_STR_ARG(reason));
    struct pv_str detail =
        pv_arena_copy(&call->arena, (struct pv_str){text, length > 0 ? (size_t)length : 0});
    if (detail.ptr == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    pv_call_req(call, PV_REQ_PAUSE, paused);
    call->r.pause.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.pause.instance = call->args[0];
    call->r.pause.paused = pause;
    call->r.pause.audit =
        (struct pv_audit){.actor = pv_str(call->who.actor),
                          .what = pause ? PV_STR("instance.pause") : PV_STR("instance.resume"),
                          .detail = detail};
    pv_call_submit(call);
}

/* A plugin may answer {"ok": false, "text": "…"} instead of failing. */
static void tested(struct pv_call *call, struct pv_ask *ask)
{
    const struct pv_ask_query *item = &ask->items[0];
    bool ok = item->code == PV_OUT_OK;
    struct pv_str error = ok ? (struct pv_str){NULL, 0} : item->text;
    struct pv_json_doc doc = {.count = 0};
    size_t offset = 0;
    if (ok && pv_json_parse(&doc, item->result, &offset, NULL) == 0) {
        const struct pv_json *verdict = pv_json_get(&doc, &doc.values[0], "ok");
        const struct pv_json *text = pv_json_get(&doc, &doc.values[0], "text");
        ok = verdict == NULL || verdict->type != PV_JSON_FALSE;
        bool said = !ok && text != NULL && text->type == PV_JSON_STRING;
        error = said ? text->text : error;
    }
    pv_buf_char(&call->out, '{');
    pv_show_text(&call->out, "instance", item->instance);
    pv_show_bool(&call->out, "ok", ok);
    pv_show_text(&call->out, "error", error);
    pv_show_raw(&call->out, "result", item->code == PV_OUT_OK ? item->result : PV_STR(""));
    pv_buf_char(&call->out, '}');
    pv_json_done(&doc);
    pv_call_send(call, 200);
}

static void post_test(struct pv_call *call)
{
    const struct pv_config_instance *instance = instance_of(call);
    if (instance == NULL) {
        return;
    }
    const struct pv_plugin_query *test = pv_plugin_instance_query(instance->plugin, PV_STR("test"));
    if (test == NULL) {
        pv_call_fail(call, 404, "unknown_query", "the plugin cannot test an instance");
        return;
    }
    pv_ask_instance(call, instance, test, NULL, tested);
}

/* ---- reload and status ---- */

struct reload {
    struct pv_api_reload reload;
    struct pv_call *call;
};

static void put_report(struct pv_buf *out, struct pv_str report)
{
    pv_buf_c(out, ",\"report\":[");
    bool first = true;
    while (report.len > 0) {
        const char *end = memchr(report.ptr, '\n', report.len);
        size_t len = end != NULL ? (size_t)(end - report.ptr) : report.len;
        if (len > 0) {
            pv_buf_c(out, first ? "" : ",");
            pv_buf_json(out, (struct pv_str){report.ptr, len});
            first = false;
        }
        size_t used = end != NULL ? len + 1 : len;
        report = (struct pv_str){report.ptr + used, report.len - used};
    }
    pv_buf_char(out, ']');
}

static void reloaded(struct pv_api_reload *reload, int status, struct pv_str report)
{
    struct pv_call *call = PV_CONTAINER(reload, struct reload, reload)->call;
    if (status == 0) {
        pv_buf_c(&call->out, "{\"reloaded\":true");
        put_report(&call->out, report);
        pv_buf_char(&call->out, '}');
        pv_call_send(call, 200);
        return;
    }
    struct pv_faults faults;
    pv_faults_init(&faults, (struct pv_str){NULL, 0}, false);
    while (report.len > 0) {
        const char *end = memchr(report.ptr, '\n', report.len);
        size_t len = end != NULL ? (size_t)(end - report.ptr) : report.len;
        if (len > 0) {
            pv_faults_add(&faults, "", "invalid_configuration", PV_NO_OFFSET, "%.*s", (int)len,
                          report.ptr);
        }
        size_t used = end != NULL ? len + 1 : len;
        report = (struct pv_str){report.ptr + used, report.len - used};
    }
    if (faults.count == 0) {
        pv_faults_add(&faults, "", "invalid_configuration", PV_NO_OFFSET, "%s",
                      pv_status_text(status));
    }
    pv_call_fail_faults(call, 409, &faults);
}

static void post_reload(struct pv_call *call)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    struct reload *reload = pv_arena_alloc(&call->arena, sizeof(*reload));
    if (reload == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    reload->call = call;
    reload->reload.done = reloaded;
    int status =
        daemon->reload != NULL ? daemon->reload(daemon->ctx, &reload->reload) : PV_EUNSUPPORTED;
    if (status != 0) {
        pv_call_fail(call, status == PV_EBUSY ? 409 : 503, "cannot_reload",
                     "the configuration cannot be read now: %s", pv_status_text(status));
    }
}

static void status_collected(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_api *api = call->api;
    const struct pv_stats *stats = &call->r.stats;
    struct pv_buf *out = &call->out;
    struct pv_engine_counters counters;
    pv_engine_counters(api->o.engine, &counters);
    pv_buf_char(out, '{');
    pv_show_c(out, "version", api->o.version);
    pv_show_c(out, "store", req->status == 0 ? "ok" : pv_status_text(req->status));
    pv_show_i64(out, "services", (int64_t)stats->ret_services);
    pv_buf_c(out, ",\"operations\":{");
    pv_show_i64(out, "unfinished", (int64_t)stats->ret_unfinished);
    pv_show_i64(out, "ready", (int64_t)stats->ret_ready);
    pv_show_i64(out, "queued", (int64_t)stats->ret_queued);
    pv_show_i64(out, "needs_operator", (int64_t)stats->ret_parked);
    pv_show_i64(out, "active", (int64_t)counters.active);
    pv_show_i64(out, "steps_in_flight", (int64_t)counters.in_flight);
    pv_buf_c(out, "},\"instances\":[");
    for (size_t i = 0; i < api->o.config->instance_count; i++) {
        pv_buf_c(out, i > 0 ? "," : "");
        show_instance(call, &api->o.config->instances[i]);
    }
    pv_buf_char(out, ']');
    if (api->o.daemon.status != NULL) {
        api->o.daemon.status(api->o.daemon.ctx, out);
    }
    pv_buf_char(out, '}');
    pv_call_send(call, 200);
}

static void get_status(struct pv_call *call)
{
    pv_call_req(call, PV_REQ_STATS, status_collected);
    call->r.stats.now_ms = pv_wall_ms(&call->api->o.clock);
    pv_call_submit(call);
}

const struct pv_route pv_routes_admin[] = {
    {"POST", "/v1/tokens", PV_SCOPE_ADMIN, 0, post_token, 0},
    {"GET", "/v1/tokens", PV_SCOPE_ADMIN, 0, list_tokens, 0},
    {"DELETE", "/v1/tokens/*", PV_SCOPE_ADMIN, 0, delete_token, 0},
    {"GET", "/v1/instances", PV_SCOPE_ADMIN, 0, list_instances, 0},
    {"POST", "/v1/instances/*/pause", PV_SCOPE_ADMIN, 0, post_pause, 1},
    {"POST", "/v1/instances/*/resume", PV_SCOPE_ADMIN, 0, post_pause, 0},
    {"POST", "/v1/instances/*/test", PV_SCOPE_ADMIN, 0, post_test, 0},
    {"POST", "/v1/reload", PV_SCOPE_ADMIN, 0, post_reload, 0},
    {"GET", "/v1/status", PV_SCOPE_ADMIN, 0, get_status, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

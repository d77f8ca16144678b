/* SPDX-License-Identifier: Apache-2.0 */
/* Queries and views: what plugins say about a service or an instance. */
#include "core/api/internal.h"
#include "core/json/json.h"

#include <string.h>

#define PUBLIC_RATE 100.0 /* public queries a second, of all callers together */

/* ---- parameters ---- */

static bool is_own_param(struct pv_str name)
{
    return pv_str_eq_c(name, "component") || pv_str_eq_c(name, "source");
}

/* ?zone=example.com as {"zone": "example.com"}, into call->json. false: it has failed the call. */
static bool params_of_query(struct pv_call *call)
{
    json_t *params = json_object();
    struct pv_str rest = call->http->query;
    bool ok = params != NULL;
    while (rest.len > 0 && ok) {
        const char *amp = memchr(rest.ptr, '&', rest.len);
        size_t len = amp != NULL ? (size_t)(amp - rest.ptr) : rest.len;
        const char *equals = memchr(rest.ptr, '=', len);
        struct pv_str name = {rest.ptr, equals != NULL ? (size_t)(equals - rest.ptr) : len};
        struct pv_str value =
            equals != NULL ? (struct pv_str){equals + 1, len - name.len - 1} : PV_STR("");
        size_t used = amp != NULL ? len + 1 : len;
        rest = (struct pv_str){rest.ptr + used, rest.len - used};
        ok = pv_call_decode(call, name, true, &name) == 0 &&
             pv_call_decode(call, value, true, &value) == 0;
        if (ok && name.len > 0 && !is_own_param(name)) {
            ok = json_object_setn_new(params, name.ptr, name.len,
                                      json_stringn(value.ptr, value.len)) == 0;
        }
    }
    if (!ok) {
        json_decref(params);
        pv_call_fail(call, 400, "malformed", "the query of the URL is not valid");
        return false;
    }
    call->json = params;
    return true;
}

/* The body's object, or the query of the URL, into call->json. false: it has failed the call. */
static bool read_params(struct pv_call *call)
{
    if (!pv_str_eq_c(call->http->method, "POST")) {
        return params_of_query(call);
    }
    if (!pv_call_parse(call, true)) {
        return false;
    }
    const struct pv_json *root = &call->body.values[0];
    if (root->type != PV_JSON_OBJECT) {
        pv_call_fail(call, 400, "wrong_type", "expected an object, got %s",
                     pv_json_type_name(root->type));
        return false;
    }
    struct pv_str raw = pv_json_raw(&call->body, root);
    if (pv_json_load(raw, 0, &call->json, NULL) != 0) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    return true;
}

/* ---- queries of a service ---- */

struct service_query {
    char name[PV_MAX_NAME + 1];
    struct pv_str component;
};

static void show_result(struct pv_buf *out, const struct pv_ask_query *item)
{
    pv_buf_char(out, '{');
    pv_show_text(out, "component", item->component);
    pv_show_text(out, "instance", item->instance);
    bool ok = item->code == PV_OUT_OK;
    pv_show_raw(out, "result", ok ? item->result : (struct pv_str){NULL, 0});
    pv_show_text(out, "error", ok ? (struct pv_str){NULL, 0} : item->text);
    pv_buf_char(out, '}');
}

static void service_answered(struct pv_call *call, struct pv_ask *ask)
{
    const struct service_query *query = call->state;
    size_t good = 0;
    for (size_t i = 0; i < ask->count; i++) {
        good += ask->items[i].code == PV_OUT_OK ? 1 : 0;
    }
    if (ask->count == 0) {
        pv_call_fail(call, 404, "unknown_query", "no component of this service has a query \"%s\"",
                     query->name);
        return;
    }
    if (good == 0) {
        pv_ask_fail(call, &ask->items[0]);
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_id(&call->out, "service", "svc", call->r.get.ret_service.id);
    pv_show_c(&call->out, "query", query->name);
    pv_buf_c(&call->out, ",\"components\":[");
    for (size_t i = 0; i < ask->count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_result(&call->out, &ask->items[i]);
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 200);
}

static void service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct service_query *query = call->state;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_ask_service(call, &call->r.get, query->name, query->component, call->json, service_answered);
}

static void read_service(struct pv_call *call, struct pv_id id, void (*done)(struct pv_req *req))
{
    pv_call_req(call, PV_REQ_GET, done);
    call->r.get.id = id;
    call->r.get.full = true;
    call->r.get.source = pv_call_is_admin(call) ? (struct pv_str){NULL, 0} : call->who.source;
    pv_call_submit(call);
}

/* The note is durable before anything is shown. */
static void reveal_noted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    read_service(call, call->r.note.audit.service, service_read);
}

static void reveal_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct service_query *query = call->state;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    struct pv_audit audit = {.actor = pv_str(call->who.actor),
                             .what = PV_STR("service.reveal"),
                             .source = pv_arena_copy(&call->arena, call->r.get.ret_service.source),
                             .detail = query->component,
                             .service = call->r.get.ret_service.id};
    pv_call_req(call, PV_REQ_NOTE, reveal_noted);
    call->r.note.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.note.audit = audit;
    pv_call_submit(call);
}

static void service_query(struct pv_call *call)
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "svc", &id)) {
        return;
    }
    bool reveal = pv_str_eq_c(call->args[1], "reveal");
    bool sso = pv_str_eq_c(call->args[1], "sso");
    unsigned needed = reveal ? PV_SCOPE_SERVICES_REVEAL : (sso ? PV_SCOPE_SERVICES_ACT : 0u);
    if ((needed & ~call->who.scopes) != 0) {
        pv_call_fail(call, 403, "forbidden", "this token lacks the scope %s",
                     pv_scope_name(needed));
        return;
    }
    struct service_query *query = pv_arena_alloc(&call->arena, sizeof(*query));
    if (query == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    if (pv_str_to_c(call->args[1], query->name, sizeof(query->name)) != 0) {
        pv_call_fail(call, 404, "unknown_query", "there is no such query");
        return;
    }
    query->component = pv_call_param(call, "component");
    if (!read_params(call)) {
        return;
    }
    call->state = query;
    read_service(call, id, reveal ? reveal_service_read : service_read);
}

/* ---- the view ---- */

static void show_action(struct pv_buf *out, const struct pv_plugin_action *action)
{
    pv_buf_char(out, '{');
    pv_show_text(out, "name", action->name);
    pv_show_text(out, "label", action->label);
    pv_show_text(out, "confirm", action->confirm);
    pv_show_text(out, "quota", action->quota);
    pv_buf_c(out, ",\"form\":");
    json_t *form = pv_fields_schema(&action->form);
    if (form == NULL || pv_json_put(out, form) != 0) {
        pv_buf_c(out, "null");
    }
    json_decref(form);
    pv_buf_char(out, '}');
}

static bool lists_name(const struct pv_json_doc *view, const struct pv_json *names,
                       struct pv_str name)
{
    if (names == NULL || names->type != PV_JSON_ARRAY) {
        return false;
    }
    struct pv_json_iter iter = pv_json_iter(view, names);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        if (value->type == PV_JSON_STRING && pv_str_eq(value->text, name)) {
            return true;
        }
    }
    return false;
}

/* Whether a view offers an action: all are, where it does not say which. */
static bool offers(const struct pv_json_doc *view, struct pv_str name)
{
    const struct pv_json *root = view->count > 0 ? &view->values[0] : NULL;
    const struct pv_json *actions = root != NULL ? pv_json_get(view, root, "actions") : NULL;
    if (actions == NULL || lists_name(view, actions, name)) {
        return true;
    }
    const struct pv_json *lists = pv_json_get(view, root, "lists");
    if (lists == NULL || lists->type != PV_JSON_ARRAY) {
        return false;
    }
    struct pv_json_iter iter = pv_json_iter(view, lists);
    const struct pv_json *key = NULL;
    const struct pv_json *list = NULL;
    while (pv_json_next(&iter, &key, &list)) {
        if (lists_name(view, pv_json_get(view, list, "row_actions"), name)) {
            return true;
        }
    }
    return false;
}

static void show_actions(struct pv_buf *out, const struct pv_config_instance *instance,
                         struct pv_str view)
{
    struct pv_json_doc doc = {.count = 0};
    size_t offset = 0;
    if (view.len > 0 && pv_json_parse(&doc, view, &offset, NULL) != 0) {
        doc.count = 0;
    }
    bool first = true;
    for (size_t i = 0; instance != NULL && i < instance->plugin->action_count; i++) {
        const struct pv_plugin_action *action = &instance->plugin->actions[i];
        if (offers(&doc, action->name)) {
            pv_buf_c(out, first ? "" : ",");
            show_action(out, action);
            first = false;
        }
    }
    pv_json_done(&doc);
}

static void show_component(struct pv_call *call, const struct pv_plan_component *component,
                           const struct pv_ask *ask)
{
    struct pv_buf *out = &call->out;
    const struct pv_ask_query *item = NULL;
    for (size_t i = 0; i < ask->count; i++) {
        item = pv_str_eq(ask->items[i].component, component->name) ? &ask->items[i] : item;
    }
    bool ok = item != NULL && item->code == PV_OUT_OK;
    pv_buf_char(out, '{');
    pv_show_text(out, "component", component->name);
    pv_show_text(out, "instance", component->instance);
    pv_show_text(out, "plugin", component->plugin);
    pv_show_raw(out, "view", ok ? item->result : (struct pv_str){NULL, 0});
    pv_show_text(out, "error", item != NULL && !ok ? item->text : (struct pv_str){NULL, 0});
    pv_buf_c(out, ",\"actions\":[");
    show_actions(out, pv_config_instance(call->api->o.config, component->instance),
                 ok ? item->result : (struct pv_str){NULL, 0});
    pv_buf_c(out, "]}");
}

static void viewed(struct pv_call *call, struct pv_ask *ask)
{
    const struct pv_get *get = &call->r.get;
    struct pv_plan plan = {0};
    if (get->ret_composition.len > 0 &&
        pv_plan_decode(get->ret_composition, &call->arena, &plan) != 0) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "service");
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_service(&call->out, &get->ret_service);
    pv_buf_c(&call->out, ",\"components\":[");
    for (size_t i = 0; i < plan.component_count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_component(call, &plan.components[i], ask);
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 200);
}

static void view_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_ask_service(call, &call->r.get, "view", (struct pv_str){NULL, 0}, NULL, viewed);
}

static void get_view(struct pv_call *call)
{
    struct pv_id id;
    if (pv_call_id(call, 0, "svc", &id)) {
        read_service(call, id, view_read);
    }
}

/* ---- queries of an instance ---- */

static const struct pv_plugin_query *instance_query_of(const struct pv_call *call,
                                                       const struct pv_config_instance **ret)
{
    *ret = pv_config_instance(call->api->o.config, call->args[0]);
    return *ret != NULL ? pv_plugin_instance_query((*ret)->plugin, call->args[1]) : NULL;
}

bool pv_query_is_public(const struct pv_call *call)
{
    const struct pv_config_instance *instance = NULL;
    const struct pv_plugin_query *query = instance_query_of(call, &instance);
    return query != NULL && query->access == PV_ACCESS_PUBLIC;
}

/* One bucket for everybody who has no token. */
static bool public_allowed(struct pv_api *api)
{
    int64_t now = pv_mono_ms(&api->o.clock);
    double filled = api->public_tokens + (double)(now - api->public_ms) * PUBLIC_RATE / 1000.0;
    api->public_ms = now;
    api->public_tokens = filled < PUBLIC_RATE ? filled : PUBLIC_RATE;
    if (api->public_tokens < 1.0) {
        return false;
    }
    api->public_tokens -= 1.0;
    return true;
}

static void instance_answered(struct pv_call *call, struct pv_ask *ask)
{
    const struct pv_ask_query *item = &ask->items[0];
    if (item->code != PV_OUT_OK) {
        pv_ask_fail(call, item);
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_text(&call->out, "instance", item->instance);
    pv_show_text(&call->out, "query", item->query.wire.name);
    pv_show_raw(&call->out, "result", item->result);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

/* What tells about every source's services is for the admin. */
static bool for_admin(struct pv_str query)
{
    return pv_str_eq_c(query, "test") || pv_str_eq_c(query, "capacity") ||
           pv_str_eq_c(query, "inventory");
}

static void instance_query(struct pv_call *call)
{
    const struct pv_config_instance *instance = NULL;
    const struct pv_plugin_query *declared = instance_query_of(call, &instance);
    if (declared == NULL) {
        pv_call_fail(call, 404, "unknown_query",
                     instance == NULL ? "there is no such instance"
                                      : "the instance has no such query");
        return;
    }
    if (declared->access == PV_ACCESS_PUBLIC && call->who.actor[0] == '\0' &&
        !public_allowed(call->api)) {
        pv_call_fail(call, 429, "rate_limited", "too many questions, try again in a second");
        return;
    }
    if (declared->access != PV_ACCESS_PUBLIC && for_admin(declared->name) &&
        !pv_call_is_admin(call)) {
        pv_call_fail(call, 403, "forbidden", "this token lacks the scope admin");
        return;
    }
    if (read_params(call)) {
        pv_ask_instance(call, instance, declared, call->json, instance_answered);
    }
}

const struct pv_route pv_route_instance_query = {
    "*", "*", PV_SCOPE_INSTANCES_QUERY, PV_ROUTE_QUERY, instance_query, 0};

const struct pv_route pv_routes_queries[] = {
    {"GET", "/v1/services/*/view", PV_SCOPE_SERVICES_READ, PV_ROUTE_SESSION, get_view, 0},
    {"GET", "/v1/services/*/queries/*", PV_SCOPE_SERVICES_READ, PV_ROUTE_SESSION, service_query, 0},
    {"POST", "/v1/services/*/queries/*", PV_SCOPE_SERVICES_READ, PV_ROUTE_SESSION, service_query,
     0},
    {"GET", "/v1/instances/*/queries/*", PV_SCOPE_INSTANCES_QUERY, PV_ROUTE_QUERY, instance_query,
     0},
    {"POST", "/v1/instances/*/queries/*", PV_SCOPE_INSTANCES_QUERY, PV_ROUTE_QUERY, instance_query,
     0},
    {NULL, NULL, 0, 0, NULL, 0},
};

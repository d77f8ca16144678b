/* SPDX-License-Identifier: Apache-2.0 */
/* Services: lists, one of them, its operations, its actions. */
#include "core/api/internal.h"

#include "core/json/json.h"

#include <string.h>

/* ---- one service ---- */

static void show_quotas(struct pv_call *call, const struct pv_get *get)
{
    struct pv_plan plan = {0};
    struct pv_buf *out = &call->out;
    const struct pv_config_product *product =
        pv_config_product(call->api->o.config, get->ret_service.product);
    int index = product != NULL ? pv_config_plan_index(product, get->ret_service.plan_name) : -1;
    plan.quotas = index >= 0 ? product->plans[index].quotas : (struct pv_str){NULL, 0};
    pv_buf_c(out, ",\"quotas\":[");
    for (size_t i = 0; i < get->ret_quota_count; i++) {
        const struct pv_quota_row *quota = &get->ret_quotas[i];
        int64_t limit = pv_plan_quota(&plan, quota->name);
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "name", quota->name);
        pv_show_i64(out, "used", quota->used);
        if (limit >= 0) {
            pv_show_i64(out, "limit", limit);
        } else {
            pv_show_c(out, "limit", NULL);
        }
        pv_buf_char(out, '}');
    }
    pv_buf_char(out, ']');
}

static void show_components(struct pv_call *call, const struct pv_get *get)
{
    struct pv_plan composition = {0};
    struct pv_buf *out = &call->out;
    if (get->ret_composition.len > 0 &&
        pv_plan_decode(get->ret_composition, &call->arena, &composition) != 0) {
        composition = (struct pv_plan){0};
        out->status = PV_ENOMEM; /* the answer would be wrong */
    }
    pv_buf_c(out, ",\"components\":[");
    for (size_t i = 0; i < composition.component_count; i++) {
        const struct pv_plan_component *component = &composition.components[i];
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "name", component->name);
        pv_show_text(out, "instance", component->instance);
        pv_show_text(out, "plugin", component->plugin);
        pv_show_text(out, "plugin_version", component->plugin_version);
        pv_buf_char(out, '}');
    }
    pv_buf_char(out, ']');
}

static void service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_buf_char(&call->out, '{');
    pv_show_service(&call->out, &call->r.get.ret_service);
    show_components(call, &call->r.get);
    show_quotas(call, &call->r.get);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

/* Reads the service of the path; done goes on with call->r.get. */
static void read_service(struct pv_call *call, void (*done)(struct pv_req *req))
{
    struct pv_id id;
    if (!pv_call_id(call, 0, "svc", &id)) {
        return;
    }
    pv_call_req(call, PV_REQ_GET, done);
    call->r.get.id = id;
    call->r.get.full = true;
    call->r.get.source = pv_call_is_admin(call) ? (struct pv_str){NULL, 0} : call->who.source;
    pv_call_submit(call);
}

static void get_service(struct pv_call *call)
{
    read_service(call, service_read);
}

/* ---- lists ---- */

static void services_listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_list_req *list = &call->r.list;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    char next[PV_ID_TEXT] = "";
    pv_buf_c(&call->out, "{\"services\":[");
    for (size_t i = 0; i < list->ret_count; i++) {
        pv_buf_c(&call->out, i > 0 ? ",{" : "{");
        pv_show_service(&call->out, &list->ret_services[i]);
        pv_buf_char(&call->out, '}');
    }
    pv_id_format("svc", list->ret_next, next);
    pv_show_list_end(&call->out, list->ret_more, next);
    pv_call_send(call, 200);
}

/* The service that a source calls by its own id, as a list of at most one. */
static void service_named(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    if (req->status != 0 && req->status != PV_ENOTFOUND) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    pv_buf_c(&call->out, "{\"services\":[");
    if (req->status == 0) {
        pv_buf_char(&call->out, '{');
        pv_show_service(&call->out, &call->r.get.ret_service);
        pv_buf_char(&call->out, '}');
    }
    pv_show_list_end(&call->out, false, NULL);
    pv_call_send(call, 200);
}

static void by_external_id(struct pv_call *call, struct pv_str source, struct pv_str external_id)
{
    if (source.ptr == NULL) {
        pv_call_fail(call, 400, "missing_source",
                     "say whose id this is: ?source=NAME&external_id=…");
        return;
    }
    pv_call_req(call, PV_REQ_GET, service_named);
    call->r.get.source = source;
    call->r.get.external_id = external_id;
    pv_call_submit(call);
}

static const struct {
    const char *name;
    int state;
} service_states[] = {
    {"pending", PV_SVC_PENDING},       {"active", PV_SVC_ACTIVE}, {"suspended", PV_SVC_SUSPENDED},
    {"terminated", PV_SVC_TERMINATED}, {"failed", PV_SVC_FAILED},
};

static bool service_state(struct pv_call *call, int *ret_state)
{
    struct pv_str text = pv_call_param(call, "state");
    *ret_state = -1;
    if (text.ptr == NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof(service_states) / sizeof(service_states[0]); i++) {
        if (pv_str_eq_c(text, service_states[i].name)) {
            *ret_state = service_states[i].state;
            return true;
        }
    }
    pv_call_fail(call, 400, "invalid",
                 "state: expected pending, active, suspended, terminated or failed");
    return false;
}

static void list_services(struct pv_call *call)
{
    struct pv_str source;
    struct pv_str after;
    size_t limit = 0;
    int state = -1;
    struct pv_id from = {{0}};
    if (!pv_call_source(call, &source)) {
        return;
    }
    struct pv_str external_id = pv_call_param(call, "external_id");
    if (external_id.ptr != NULL) {
        by_external_id(call, source, external_id);
        return;
    }
    static const char *const own[] = {"state", "external_id", NULL};
    if (!pv_call_page(call, own, &limit, &after) || !service_state(call, &state)) {
        return;
    }
    if (after.ptr != NULL && pv_id_parse("svc", after, &from) != 0) {
        pv_call_fail(call, 400, "invalid", "after: expected the `next` of the page before");
        return;
    }
    pv_call_req(call, PV_REQ_LIST, services_listed);
    call->r.list.what = PV_LIST_SERVICES;
    call->r.list.source = source;
    call->r.list.state = state;
    call->r.list.after = from;
    call->r.list.limit = limit;
    pv_call_submit(call);
}

/* ---- actions ---- */

struct action {
    struct pv_accept_item item;
    struct pv_str body;
    struct pv_str form;
};

static void action_accepted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct action *action = call->state;
    if (req->status == 0) {
        struct pv_accept_item item = action->item;
        pv_call_accepted(call, &item);
    } else if (req->status == PV_ECONFLICT) {
        struct pv_faults faults;
        unsigned status = 409;
        pv_faults_init(&faults, (struct pv_str){NULL, 0}, false);
        pv_accept_faults(&call->r.accept, &faults, "", &status);
        pv_call_fail_faults(call, status, &faults);
    } else {
        pv_call_fail_status(call, req->status, &req->err, "service");
    }
}

/* The form against what the plugin declares. false: it has failed the call. */
static bool check_form(struct pv_call *call, const struct pv_config_action *found,
                       struct pv_str form)
{
    json_t *given = NULL;
    if (form.len > 0 && pv_json_load(form, 0, &given, NULL) != 0) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    const struct pv_check_at at = {.path = PV_STR("/form"),
                                   .separator = '/',
                                   .unknown = "unknown_field",
                                   .invalid = "invalid_field",
                                   .missing = "missing_field"};
    struct pv_problems problems;
    pv_problems_init(&problems);
    json_t *checked = NULL;
    int status = pv_fields_check(given, &found->action->form, &at, 0, &problems, &checked);
    json_decref(given);
    json_decref(checked);
    if (status == 0) {
        pv_problems_done(&problems);
        return true;
    }
    struct pv_faults faults;
    pv_faults_init(&faults, (struct pv_str){NULL, 0}, false);
    for (size_t i = 0; i < problems.count; i++) {
        char path[200];
        if (pv_str_to_c(problems.items[i].path, path, sizeof(path)) == 0) {
            pv_faults_add(&faults, path, problems.items[i].code, PV_NO_OFFSET, "%.*s",
                          PV_STR_ARG(problems.items[i].text));
        }
    }
    pv_problems_done(&problems);
    if (faults.count == 0) {
        pv_faults_done(&faults);
        pv_call_fail_status(call, status, NULL, "");
        return false;
    }
    pv_call_fail_faults(call, 400, &faults);
    return false;
}

struct pv_accept_item *pv_action_item(struct pv_call *call, struct pv_str name, struct pv_str body,
                                      struct pv_str form)
{
    const struct pv_get *get = &call->r.get;
    const struct pv_service_row *service = &get->ret_service;
    struct pv_config_action found;
    struct pv_err err = {0};
    int status = pv_config_find_action(call->api->o.config, get->ret_composition, service->product,
                                       service->plan_name, name, &call->arena, &found, &err);
    if (status != 0) {
        pv_call_fail(call, status == PV_ENOTFOUND ? 404 : (status == PV_ENOMEM ? 503 : 400),
                     status == PV_ENOTFOUND ? "unknown_action" : "invalid", "%s",
                     err.text[0] != '\0' ? err.text : pv_status_text(status));
        return NULL;
    }
    if (!check_form(call, &found, form)) {
        return NULL;
    }
    struct pv_accept_item *item = pv_arena_alloc(&call->arena, sizeof(*item));
    if (item == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return NULL;
    }
    item->source = pv_arena_copy(&call->arena, service->source);
    item->external_id = pv_arena_copy(&call->arena, service->external_id);
    item->type = PV_OP_ACTION;
    item->action = pv_arena_copy(&call->arena, name);
    item->body = pv_call_traced(call, body, pv_call_trace(call));
    item->actor = pv_str(call->who.actor);
    if (found.quota.len > 0) {
        item->quota = (struct pv_quota_ask){.name = pv_arena_copy(&call->arena, found.quota),
                                            .delta = found.quota_delta,
                                            .limit = found.quota_limit};
    }
    bool whole = item->source.ptr != NULL && item->external_id.ptr != NULL &&
                 item->action.ptr != NULL && item->body.ptr != NULL &&
                 (found.quota.len == 0 || item->quota.name.ptr != NULL);
    if (!whole) { /* without its name a quota would not count */
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return NULL;
    }
    return item;
}

/* The key counts within the source, a customer's within the service that the session is of; the
 * service and the action belong to what must be equal. */
static int action_identity(struct pv_call *call, struct action *action)
{
    struct pv_str key = pv_http_header(call->http, "Idempotency-Key");
    if (key.ptr == NULL) {
        return 0;
    }
    struct pv_str parts[] = {PV_STR("key"), action->item.source, key, action->item.external_id};
    action->item.idem_key = pv_id_of_parts(parts, call->session != NULL ? 4 : 3);
    pv_buf_lstr(&call->scratch, action->item.external_id);
    pv_buf_lstr(&call->scratch, action->item.action);
    int status = pv_json_canonical(&call->body, &call->body.values[0], NULL, 0, &call->scratch);
    action->item.canonical = pv_buf_view(&call->scratch);
    return status;
}

static void action_service_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct action *action = call->state;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    struct pv_accept_item *item = pv_action_item(call, call->args[1], action->body, action->form);
    if (item == NULL) {
        return;
    }
    action->item = *item;
    int status = action_identity(call, action);
    size_t index = 0;
    struct pv_err err = {0};
    if (status == 0) {
        pv_call_req(call, PV_REQ_ACCEPT, action_accepted);
        call->r.accept.items = &action->item;
        call->r.accept.count = 1;
        status = pv_engine_accept(call->api->o.engine, &call->r.accept, &index, &err);
    }
    if (status != 0) {
        pv_call_fail_status(call, status, &err, "service");
    }
}

static void post_action(struct pv_call *call)
{
    static const char *const keys[] = {"form", "reason"};
    struct pv_str key = pv_http_header(call->http, "Idempotency-Key");
    if (key.ptr != NULL && (key.len == 0 || key.len > PV_MAX_EVENT_ID)) {
        pv_call_fail(call, 400, "invalid", "Idempotency-Key: expected 1 to %d bytes",
                     PV_MAX_EVENT_ID);
        return;
    }
    const struct pv_json *object = pv_call_object(call, keys, 2);
    struct pv_str reason;
    if (object == NULL || !pv_call_text(call, object, "reason", 1000, false, &reason)) {
        return;
    }
    const struct pv_json *form = pv_json_get(&call->body, object, "form");
    if (form != NULL && form->type != PV_JSON_OBJECT) {
        pv_call_fail(call, 400, "wrong_type", "\"form\": expected an object, got %s",
                     pv_json_type_name(form->type));
        return;
    }
    struct action *action = pv_arena_alloc(&call->arena, sizeof(*action));
    if (action == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    action->body = pv_json_raw(&call->body, object);
    action->form = form != NULL ? pv_json_raw(&call->body, form) : (struct pv_str){NULL, 0};
    call->state = action;
    read_service(call, action_service_read);
}

const struct pv_route pv_routes_services[] = {
    {"GET", "/v1/services", PV_SCOPE_SERVICES_READ, 0, list_services, 0},
    {"GET", "/v1/services/*", PV_SCOPE_SERVICES_READ, PV_ROUTE_SESSION, get_service, 0},
    {"POST", "/v1/services/*/actions/*", PV_SCOPE_SERVICES_ACT, PV_ROUTE_SESSION, post_action, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Asks plugins: the input that a query is given, and several queries at once. */
#include "core/api/internal.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

#define INPUT_CAP (512u * 1024)

/* What an upgrade left in the attributes counts more than what the create was given. */
static struct pv_str values_of(const struct pv_json_doc *attrs, const struct pv_json *root,
                               const struct pv_plan_component *component)
{
    const struct pv_json *values = root != NULL ? pv_json_get(attrs, root, "values") : NULL;
    char name[PV_MAX_NAME + 1];
    const struct pv_json *own =
        values != NULL && pv_str_to_c(component->name, name, sizeof(name)) == 0
            ? pv_json_get(attrs, values, name)
            : NULL;
    if (own != NULL) {
        return pv_json_raw(attrs, own);
    }
    return component->values.len > 0 ? component->values : PV_STR("{}");
}

static void put_attribute(struct pv_buf *out, const char *key, const struct pv_json_doc *attrs,
                          const struct pv_json *root)
{
    const struct pv_json *value = root != NULL ? pv_json_get(attrs, root, key) : NULL;
    pv_show_raw(out, key, value != NULL ? pv_json_raw(attrs, value) : PV_STR("{}"));
}

static void put_service(struct pv_buf *out, const struct pv_service_row *row)
{
    pv_buf_c(out, "{\"service\":{");
    pv_show_id(out, "id", "svc", row->id);
    pv_show_text(out, "ref", row->ref);
    pv_show_i64(out, "generation", row->generation);
    pv_show_text(out, "external_id", row->external_id);
    pv_show_text(out, "product", row->product);
    pv_show_text(out, "plan", row->plan_name);
    pv_show_c(out, "state", pv_svc_state_name(row->observed));
    pv_buf_char(out, '}');
}

/* Like the input of a step, with the query's own parameters under `query`. */
static void put_input(struct pv_buf *out, const struct pv_get *get,
                      const struct pv_plan_component *component, struct pv_str params)
{
    struct pv_json_doc attrs = {.count = 0};
    size_t offset = 0;
    bool some = get->ret_attrs.len > 0;
    bool known = some && pv_json_parse(&attrs, get->ret_attrs, &offset, NULL) == 0;
    const struct pv_json *root = known ? &attrs.values[0] : NULL;
    put_service(out, &get->ret_service);
    put_attribute(out, "customer", &attrs, root);
    put_attribute(out, "params", &attrs, root);
    pv_buf_c(out, ",\"quotas\":{");
    for (size_t i = 0; i < get->ret_quota_count; i++) {
        pv_buf_c(out, i > 0 ? "," : "");
        pv_buf_json(out, get->ret_quotas[i].name);
        pv_buf_printf(out, ":%lld", (long long)get->ret_quotas[i].used);
    }
    pv_buf_char(out, '}');
    pv_show_raw(out, "values", values_of(&attrs, root, component));
    pv_show_raw(out, "query", params);
    pv_buf_char(out, '}');
    if (known) {
        pv_json_done(&attrs);
    } else if (some) {
        out->status = PV_ENOMEM; /* the plugin would see another service */
    }
}

/* The parameters in the form that the plugin gets. PV_EINVAL: the item's text says what is wrong.
 */
static int check_params(struct pv_call *call, struct pv_ask_query *item,
                        const struct pv_plugin_query *declared, const json_t *params,
                        struct pv_str *ret_params)
{
    const struct pv_check_at at = {.path = PV_STR(""),
                                   .separator = '/',
                                   .unknown = "unknown_param",
                                   .invalid = "invalid_param",
                                   .missing = "missing_param"};
    struct pv_problems problems;
    json_t *checked = NULL;
    pv_problems_init(&problems);
    int status = pv_fields_check(params, &declared->params, &at, 0, &problems, &checked);
    if (status == 0) {
        *ret_params = pv_json_copy(&call->arena, checked);
        status = ret_params->ptr != NULL ? 0 : PV_ENOMEM;
    } else if (problems.count > 0) {
        char text[400];
        snprintf(text, sizeof(text), "%.*s: %.*s", PV_STR_ARG(problems.items[0].path),
                 PV_STR_ARG(problems.items[0].text));
        item->text = pv_arena_copy(&call->arena, pv_str(text));
    }
    json_decref(checked);
    pv_problems_done(&problems);
    return status;
}

static void finish(struct pv_call *call, struct pv_ask *ask)
{
    for (size_t i = 0; i < ask->count; i++) {
        pv_buf_done(&ask->items[i].input);
    }
    ask->done(call, ask);
}

/* Every query calls back later, so that this never runs before all were started. */
static void answered(struct pv_query *query, const struct pv_wire_outcome *outcome)
{
    struct pv_ask_query *item = PV_CONTAINER(query, struct pv_ask_query, query);
    struct pv_call *call = item->call;
    struct pv_ask *ask = query->user;
    item->code = outcome->code;
    item->text = pv_arena_copy(&call->arena, outcome->text);
    item->result = pv_arena_copy(&call->arena, outcome->result);
    ask->pending--;
    if (ask->pending == 0) {
        finish(call, ask);
    }
}

static void start(struct pv_call *call, struct pv_ask *ask, struct pv_ask_query *item)
{
    const struct pv_runner *runner = &call->api->o.runner;
    item->query.done = answered;
    item->query.user = ask;
    item->query.instance = item->instance;
    item->query.wire.timeout_ms = PV_API_QUERY_MS;
    item->query.wire.input = pv_buf_view(&item->input);
    if (item->status == PV_EINVAL) {
        return;
    }
    int status = item->status != 0 ? item->status : item->input.status;
    status = status != 0 ? status : runner->query(runner->ctx, &item->query);
    if (status != 0) {
        item->status = status;
        item->code = PV_OUT_TEMPORARY;
        item->text = status == PV_ENOTFOUND ? PV_STR("the instance is not configured")
                                            : pv_str(pv_status_text(status));
        return;
    }
    ask->pending++;
}

static const struct pv_plugin_query *declared_by(const struct pv_config *config,
                                                 struct pv_str instance, const char *query)
{
    const struct pv_config_instance *found = pv_config_instance(config, instance);
    return found != NULL ? pv_plugin_service_query(found->plugin, pv_str(query)) : NULL;
}

/* A session asks what a plugin says is for customers; the view always is. */
static bool customer_may(const struct pv_call *call, const struct pv_plugin_query *declared)
{
    return call->session == NULL || declared->access != PV_ACCESS_TOKEN ||
           pv_str_eq_c(declared->name, "view");
}

static struct pv_str document_of(const struct pv_get *get, struct pv_str component)
{
    for (size_t i = 0; i < get->ret_doc_count; i++) {
        if (pv_str_eq(get->ret_docs[i].component, component)) {
            return get->ret_docs[i].json;
        }
    }
    return PV_STR("{}");
}

static void item_init(struct pv_call *call, struct pv_ask_query *item, struct pv_str instance,
                      struct pv_str component)
{
    item->call = call;
    item->code = PV_OUT_TEMPORARY;
    item->component = component;
    item->instance = instance;
    pv_buf_init(&item->input, INPUT_CAP);
}

static void prepare(struct pv_call *call, struct pv_ask_query *item, const struct pv_get *get,
                    const struct pv_plan_component *component,
                    const struct pv_plugin_query *declared, const json_t *params)
{
    const struct pv_service_row *row = &get->ret_service;
    struct pv_wire_query *wire = &item->query.wire;
    struct pv_str checked = PV_STR("{}");
    item_init(call, item, component->instance, component->name);
    item->status = check_params(call, item, declared, params, &checked);
    put_input(&item->input, get, component, checked);
    wire->of_service = 1;
    wire->generation = row->generation;
    wire->service = row->id;
    wire->name = pv_arena_copy(&call->arena, declared->name);
    wire->component = component->name;
    wire->external_id = row->external_id;
    wire->ref = row->ref;
    wire->state = document_of(get, component->name);
}

static void start_all(struct pv_call *call, struct pv_ask *ask)
{
    for (size_t i = 0; i < ask->count; i++) {
        start(call, ask, &ask->items[i]);
    }
    if (ask->pending == 0) {
        finish(call, ask);
    }
}

void pv_ask_service(struct pv_call *call, const struct pv_get *get, const char *query,
                    struct pv_str component, const json_t *params,
                    void (*done)(struct pv_call *call, struct pv_ask *ask))
{
    struct pv_plan plan = {0};
    struct pv_ask *ask = pv_arena_alloc(&call->arena, sizeof(*ask));
    int status = get->ret_composition.len > 0
                     ? pv_plan_decode(get->ret_composition, &call->arena, &plan)
                     : 0;
    struct pv_ask_query *items =
        pv_arena_alloc(&call->arena, (plan.component_count + 1) * sizeof(*items));
    if (ask == NULL || items == NULL || status != 0) {
        pv_call_fail_status(call, status != 0 ? status : PV_ENOMEM, NULL, "service");
        return;
    }
    *ask = (struct pv_ask){.items = items, .done = done};
    for (size_t i = 0; i < plan.component_count; i++) {
        const struct pv_plan_component *each = &plan.components[i];
        const struct pv_plugin_query *declared =
            component.ptr == NULL || pv_str_eq(component, each->name)
                ? declared_by(call->api->o.config, each->instance, query)
                : NULL;
        if (declared != NULL && customer_may(call, declared)) {
            prepare(call, &items[ask->count++], get, each, declared, params);
        }
    }
    start_all(call, ask);
}

void pv_ask_instance(struct pv_call *call, const struct pv_config_instance *instance,
                     const struct pv_plugin_query *declared, const json_t *params,
                     void (*done)(struct pv_call *call, struct pv_ask *ask))
{
    struct pv_ask *ask = pv_arena_alloc(&call->arena, sizeof(*ask));
    struct pv_ask_query *item = pv_arena_alloc(&call->arena, sizeof(*item));
    if (ask == NULL || item == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    struct pv_str checked = PV_STR("{}");
    *ask = (struct pv_ask){.items = item, .count = 1, .done = done};
    /* Copies: the configuration may be another one when the answer comes. */
    item_init(call, item, pv_arena_copy(&call->arena, instance->name), (struct pv_str){NULL, 0});
    item->status = check_params(call, item, declared, params, &checked);
    pv_buf_char(&item->input, '{');
    pv_show_raw(&item->input, "query", checked);
    pv_buf_char(&item->input, '}');
    item->query.wire.name = pv_arena_copy(&call->arena, declared->name);
    if (item->instance.ptr == NULL || item->query.wire.name.ptr == NULL) {
        item->status = PV_ENOMEM;
    }
    item->query.wire.state = PV_STR("{}");
    start_all(call, ask);
}

void pv_ask_fail(struct pv_call *call, const struct pv_ask_query *item)
{
    char text[480];
    snprintf(text, sizeof(text), "%.*s",
             PV_STR_ARG(item->text.len > 0 ? item->text : PV_STR("the plugin did not answer")));
    if (item->status == PV_EINVAL) {
        pv_call_fail(call, 400, "invalid_param", "%s", text);
    } else if (item->status == PV_ENOMEM) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
    } else if (item->code == PV_OUT_PERMANENT) {
        pv_call_fail(call, 422, "refused", "%s", text);
    } else if (item->code == PV_OUT_ABSENT || item->code == PV_OUT_NO_STEP) {
        pv_call_fail(call, 404, "not_found", "%s", text);
    } else {
        pv_call_fail(call, 502, "backend_failed", "%s", text);
    }
}

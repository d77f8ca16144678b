/* SPDX-License-Identifier: Apache-2.0 */
/* What there is: plugins, products, health, the audit trail. */
#include "core/api/internal.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

/* ---- plugins and products ---- */

static bool shown_before(const struct pv_config *config, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (config->instances[i].plugin == config->instances[index].plugin) {
            return true;
        }
    }
    return false;
}

static void show_plugin(struct pv_buf *out, const struct pv_config *config,
                        const struct pv_plugin *plugin)
{
    pv_buf_char(out, '{');
    pv_show_text(out, "name", plugin->name);
    pv_show_text(out, "version", plugin->version);
    pv_show_text(out, "summary", plugin->summary);
    pv_buf_c(out, ",\"instances\":[");
    bool first = true;
    for (size_t i = 0; i < config->instance_count; i++) {
        if (config->instances[i].plugin == plugin) {
            pv_buf_c(out, first ? "" : ",");
            pv_buf_json(out, config->instances[i].name);
            first = false;
        }
    }
    pv_buf_char(out, ']');
    pv_show_raw(out, "description", plugin->json);
    pv_buf_char(out, '}');
}

static void get_plugins(struct pv_call *call)
{
    const struct pv_config *config = call->api->o.config;
    bool first = true;
    pv_buf_c(&call->out, "{\"plugins\":[");
    for (size_t i = 0; i < config->instance_count; i++) {
        if (!shown_before(config, i)) {
            pv_buf_c(&call->out, first ? "" : ",");
            show_plugin(&call->out, config, config->instances[i].plugin);
            first = false;
        }
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 200);
}

/* "zones=3,backups=2" as {"zones":3,"backups":2} */
static void show_quotas(struct pv_buf *out, struct pv_str quotas)
{
    pv_buf_c(out, ",\"quotas\":{");
    bool first = true;
    while (quotas.len > 0) {
        const char *comma = memchr(quotas.ptr, ',', quotas.len);
        size_t len = comma != NULL ? (size_t)(comma - quotas.ptr) : quotas.len;
        const char *equals = memchr(quotas.ptr, '=', len);
        if (equals != NULL) {
            size_t name = (size_t)(equals - quotas.ptr);
            pv_buf_c(out, first ? "" : ",");
            pv_buf_json(out, (struct pv_str){quotas.ptr, name});
            pv_buf_char(out, ':');
            pv_buf_str(out, (struct pv_str){equals + 1, len - name - 1});
            first = false;
        }
        size_t used = comma != NULL ? len + 1 : len;
        quotas = (struct pv_str){quotas.ptr + used, quotas.len - used};
    }
    pv_buf_char(out, '}');
}

static void show_product(struct pv_buf *out, const struct pv_config_product *product)
{
    pv_buf_char(out, '{');
    pv_show_text(out, "name", product->name);
    pv_show_text(out, "label", product->label);
    pv_buf_c(out, ",\"plans\":[");
    for (size_t i = 0; i < product->plan_count; i++) {
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "name", product->plans[i].name);
        show_quotas(out, product->plans[i].quotas);
        pv_buf_char(out, '}');
    }
    pv_buf_c(out, "],\"components\":[");
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_config_component *component = &product->components[i];
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "name", component->name);
        pv_show_text(out, "instance", component->instance->name);
        pv_show_text(out, "plugin", component->instance->plugin->name);
        pv_buf_char(out, '}');
    }
    pv_buf_c(out, "],\"params\":");
    json_t *schema = pv_fields_schema(&product->checkout);
    if (schema == NULL || pv_json_put(out, schema) != 0) {
        pv_buf_c(out, "null");
    }
    json_decref(schema);
    pv_buf_char(out, '}');
}

static void get_products(struct pv_call *call)
{
    const struct pv_config *config = call->api->o.config;
    pv_buf_c(&call->out, "{\"products\":[");
    for (size_t i = 0; i < config->product_count; i++) {
        pv_buf_c(&call->out, i > 0 ? "," : "");
        show_product(&call->out, &config->products[i]);
    }
    pv_buf_c(&call->out, "]}");
    pv_call_send(call, 200);
}

/* ---- audit ---- */

static void audit_listed(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_list_req *list = &call->r.list;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "service");
        return;
    }
    char next[24] = "";
    pv_buf_c(&call->out, "{\"records\":[");
    for (size_t i = 0; i < list->ret_count; i++) {
        pv_buf_c(&call->out, i > 0 ? ",{" : "{");
        pv_show_audit(&call->out, &list->ret_audit[i]);
        pv_buf_char(&call->out, '}');
    }
    snprintf(next, sizeof(next), "%llu", (unsigned long long)list->ret_next_n);
    pv_show_list_end(&call->out, list->ret_more, next);
    pv_call_send(call, 200);
}

static void get_audit(struct pv_call *call)
{
    struct pv_str source;
    struct pv_str after;
    size_t limit = 0;
    int64_t from = 0;
    struct pv_id service = {{0}};
    static const char *const own[] = {"service", NULL};
    if (!pv_call_source(call, &source) || !pv_call_page(call, own, &limit, &after)) {
        return;
    }
    if (after.ptr != NULL && (pv_str_to_i64(after, &from) != 0 || from < 0)) {
        pv_call_fail(call, 400, "invalid", "after: expected the `next` of the page before");
        return;
    }
    struct pv_str text = pv_call_param(call, "service");
    if (text.ptr != NULL && pv_id_parse("svc", text, &service) != 0) {
        pv_call_fail(call, 400, "invalid", "service: expected svc_…");
        return;
    }
    pv_call_req(call, PV_REQ_LIST, audit_listed);
    call->r.list.what = PV_LIST_AUDIT;
    call->r.list.source = source;
    call->r.list.service = service;
    call->r.list.state = -1;
    call->r.list.after_n = (uint64_t)from;
    call->r.list.limit = limit;
    pv_call_submit(call);
}

/* ---- health ---- */

static void get_health(struct pv_call *call)
{
    pv_buf_c(&call->out, "{\"ok\":true}");
    pv_call_send(call, 200);
}

static void store_answered(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_api *api = call->api;
    const char *why =
        api->o.daemon.not_ready != NULL ? api->o.daemon.not_ready(api->o.daemon.ctx) : NULL;
    if (req->status != 0) {
        why = "the store cannot be read";
    }
    if (why != NULL) {
        pv_call_fail(call, 503, "not_ready", "%s", why);
        return;
    }
    const char *lacks = api->o.daemon.lacks != NULL ? api->o.daemon.lacks(api->o.daemon.ctx) : NULL;
    pv_buf_c(&call->out, "{\"ready\":true");
    if (lacks != NULL) {
        pv_buf_c(&call->out, ",\"isolation_lacks\":");
        pv_buf_json(&call->out, pv_str(lacks));
    }
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void get_ready(struct pv_call *call)
{
    pv_call_req(call, PV_REQ_STATS, store_answered);
    call->r.stats.now_ms = pv_wall_ms(&call->api->o.clock);
    pv_call_submit(call);
}

const struct pv_route pv_routes_info[] = {
    {"GET", "/v1/plugins", PV_SCOPE_PLUGINS_READ, 0, get_plugins, 0},
    {"GET", "/v1/products", PV_SCOPE_PLUGINS_READ, 0, get_products, 0},
    {"GET", "/v1/audit", PV_SCOPE_AUDIT_READ, 0, get_audit, 0},
    {"GET", "/healthz", 0, PV_ROUTE_PUBLIC, get_health, 0},
    {"GET", "/readyz", 0, PV_ROUTE_PUBLIC, get_ready, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

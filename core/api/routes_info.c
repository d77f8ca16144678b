/* SPDX-License-Identifier: Apache-2.0 */
/* What there is: plugins, products, health, metrics, the audit trail. */
#include "core/api/internal.h"
#include "core/config/json.h"

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
        snprintf(next, sizeof(next), "%llu", (unsigned long long)list->ret_audit[i].n);
    }
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
    pv_buf_c(&call->out, "{\"ready\":true}");
    pv_call_send(call, 200);
}

static void ask_store(struct pv_call *call, void (*done)(struct pv_req *req))
{
    pv_call_req(call, PV_REQ_STATS, done);
    call->r.stats.now_ms = pv_wall_ms(&call->api->o.clock);
    pv_call_submit(call);
}

static void get_ready(struct pv_call *call)
{
    ask_store(call, store_answered);
}

/* ---- metrics ---- */

static void head(struct pv_buf *out, const char *name, const char *type, const char *help)
{
    pv_buf_printf(out, "# HELP provost_%s %s\n# TYPE provost_%s %s\n", name, help, name, type);
}

static void metric(struct pv_buf *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    head(out, name, type, help);
    pv_buf_printf(out, "provost_%s %llu\n", name, (unsigned long long)value);
}

static void engine_metrics(const struct pv_api *api, struct pv_buf *out)
{
    struct pv_engine_counters c;
    pv_engine_counters(api->o.engine, &c);
    metric(out, "events_accepted_total", "counter", "Events and actions accepted.", c.accepted);
    metric(out, "events_duplicate_total", "counter", "Events that were there already.",
           c.duplicates);
    metric(out, "events_refused_total", "counter", "Requests refused as a whole.", c.refused);
    head(out, "operations_finished_total", "counter", "Operations that ended, by state.");
    for (int state = PV_OPS_DONE; state <= PV_OPS_ABANDONED; state++) {
        pv_buf_printf(out, "provost_operations_finished_total{state=\"%s\"} %llu\n",
                      pv_op_state_name(state), (unsigned long long)c.finished[state]);
    }
    head(out, "steps_total", "counter", "Answers of steps, by outcome.");
    for (int code = 0; code <= 10; code++) {
        pv_buf_printf(out, "provost_steps_total{outcome=\"%s\"} %llu\n",
                      code == 10 ? "lost" : pv_show_outcome(code),
                      (unsigned long long)c.steps[code]);
    }
    metric(out, "retries_total", "counter", "Steps that are tried again.", c.retries);
    metric(out, "operations_parked_total", "counter", "Operations that came to need an operator.",
           c.parked);
    metric(out, "operations_active", "gauge", "Operations this node holds.", c.active);
    metric(out, "steps_in_flight", "gauge", "Steps that are running.", c.in_flight);
    metric(out, "backlog", "gauge", "Unfinished operations that this node knows of.",
           pv_engine_backlog(api->o.engine));
}

static void store_metrics(const struct pv_stats *stats, struct pv_buf *out)
{
    metric(out, "operations_unfinished", "gauge", "Operations that have not ended.",
           stats->ret_unfinished);
    metric(out, "operations_ready", "gauge", "Operations that may run.", stats->ret_ready);
    metric(out, "operations_needing_operator", "gauge", "Operations that need an operator.",
           stats->ret_parked);
    metric(out, "operations_queued", "gauge", "Operations behind another one of their service.",
           stats->ret_queued);
    metric(out, "services", "gauge", "Services known.", stats->ret_services);
    int64_t age = stats->ret_oldest_ready_ms > 0 ? stats->now_ms - stats->ret_oldest_ready_ms : 0;
    metric(out, "oldest_ready_seconds", "gauge", "Age of the oldest operation that may run.",
           age > 0 ? (uint64_t)age / 1000 : 0);
}

static void instance_metrics(const struct pv_api *api, struct pv_buf *out)
{
    const struct pv_config *config = api->o.config;
    static const char *const names[] = {"instance_in_flight", "instance_breaker",
                                        "instance_paused"};
    static const char *const helps[] = {"Steps in flight, by instance.",
                                        "0 closed, 1 open, 2 half-open.", "1: paused."};
    for (size_t metric_index = 0; metric_index < 3; metric_index++) {
        head(out, names[metric_index], "gauge", helps[metric_index]);
        for (size_t i = 0; i < config->instance_count; i++) {
            struct pv_instance_status status = {0};
            if (pv_engine_instance(api->o.engine, config->instances[i].name, &status) != 0) {
                continue;
            }
            unsigned long long values[] = {status.in_flight, (unsigned)status.breaker,
                                           status.paused ? 1u : 0u};
            pv_buf_printf(out, "provost_%s{instance=\"%.*s\"} %llu\n", names[metric_index],
                          PV_STR_ARG(config->instances[i].name), values[metric_index]);
        }
    }
}

static void http_metrics(const struct pv_api *api, struct pv_buf *out)
{
    const struct pv_httpd_counters *c = pv_httpd_counters(api->httpd);
    metric(out, "http_connections", "gauge", "Open connections.", c->connections);
    metric(out, "http_connections_total", "counter", "Connections accepted.", c->accepted);
    metric(out, "http_slow_clients_total", "counter", "Connections cut off for being too slow.",
           c->timed_out);
    head(out, "http_requests_total", "counter", "Requests answered, by status.");
    for (unsigned status = 0; status < 600; status++) {
        if (c->answers[status] > 0) {
            pv_buf_printf(out, "provost_http_requests_total{status=\"%u\"} %llu\n", status,
                          (unsigned long long)c->answers[status]);
        }
    }
}

static void metrics_collected(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct pv_api *api = call->api;
    metric(&call->out, "store_up", "gauge", "1: the store answers.", req->status == 0 ? 1 : 0);
    if (req->status == 0) {
        store_metrics(&call->r.stats, &call->out);
    }
    engine_metrics(api, &call->out);
    instance_metrics(api, &call->out);
    http_metrics(api, &call->out);
    if (api->o.daemon.metrics != NULL) {
        api->o.daemon.metrics(api->o.daemon.ctx, &call->out);
    }
    pv_call_send_type(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}

static void get_metrics(struct pv_call *call)
{
    ask_store(call, metrics_collected);
}

const struct pv_route pv_routes_info[] = {
    {"GET", "/v1/plugins", PV_SCOPE_PLUGINS_READ, 0, get_plugins, 0},
    {"GET", "/v1/products", PV_SCOPE_PLUGINS_READ, 0, get_products, 0},
    {"GET", "/v1/audit", PV_SCOPE_AUDIT_READ, 0, get_audit, 0},
    {"GET", "/healthz", 0, PV_ROUTE_PUBLIC, get_health, 0},
    {"GET", "/readyz", 0, PV_ROUTE_PUBLIC, get_ready, 0},
    {"GET", "/metrics", PV_SCOPE_METRICS_READ, 0, get_metrics, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

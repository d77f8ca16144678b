/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: what this node counts, in the text format of Prometheus. docs/metrics.md lists it.
 */
#include "core/api/internal.h"
#include "core/base/metric.h"

static void engine_metrics(const struct pv_api *api, struct pv_buf *out)
{
    struct pv_engine_counters c;
    pv_engine_counters(api->o.engine, &c);
    const struct pv_metric_line lines[] = {
        {"provost_events_accepted_total", "counter", "Events and actions accepted.", c.accepted},
        {"provost_events_duplicate_total", "counter", "Events that were there already.",
         c.duplicates},
        {"provost_events_refused_total", "counter", "Requests refused as a whole.", c.refused},
    };
    pv_metric_lines(out, lines, sizeof(lines) / sizeof(lines[0]));
    pv_metric_head(out, "provost_operations_finished_total", "counter",
                   "Operations that ended, by state.");
    for (int state = PV_OPS_DONE; state <= PV_OPS_ABANDONED; state++) {
        pv_buf_printf(out, "provost_operations_finished_total{state=\"%s\"} %llu\n",
                      pv_op_state_name(state), (unsigned long long)c.finished[state]);
    }
    pv_metric_head(out, "provost_steps_total", "counter", "Answers of steps, by outcome.");
    for (int code = 0; code <= 10; code++) {
        pv_buf_printf(out, "provost_steps_total{outcome=\"%s\"} %llu\n",
                      code == 10 ? "lost" : pv_show_outcome(code),
                      (unsigned long long)c.steps[code]);
    }
    const struct pv_metric_line work[] = {
        {"provost_retries_total", "counter", "Steps that are tried again.", c.retries},
        {"provost_operations_parked_total", "counter", "Operations that came to need an operator.",
         c.parked},
        {"provost_operations_active", "gauge", "Operations this node holds.", c.active},
        {"provost_steps_in_flight", "gauge", "Steps that are running.", c.in_flight},
        {"provost_backlog", "gauge", "Unfinished operations that this node knows of.",
         pv_engine_backlog(api->o.engine)},
    };
    pv_metric_lines(out, work, sizeof(work) / sizeof(work[0]));
}

static void store_metrics(const struct pv_stats *stats, struct pv_buf *out)
{
    int64_t age = stats->ret_oldest_ready_ms > 0 ? stats->now_ms - stats->ret_oldest_ready_ms : 0;
    const struct pv_metric_line lines[] = {
        {"provost_operations_unfinished", "gauge", "Operations that have not ended.",
         stats->ret_unfinished},
        {"provost_operations_ready", "gauge", "Operations that may run.", stats->ret_ready},
        {"provost_operations_needing_operator", "gauge", "Operations that need an operator.",
         stats->ret_parked},
        {"provost_operations_queued", "gauge", "Operations behind another one of their service.",
         stats->ret_queued},
        {"provost_services", "gauge", "Services known.", stats->ret_services},
        {"provost_oldest_ready_seconds", "gauge", "Age of the oldest operation that may run.",
         age > 0 ? (uint64_t)age / 1000 : 0},
    };
    pv_metric_lines(out, lines, sizeof(lines) / sizeof(lines[0]));
}

static void pool_metrics(const struct pv_stats *stats, struct pv_buf *out)
{
    pv_metric_head(out, "provost_pool_free", "gauge", "Values that a pool can give out now.");
    for (size_t i = 0; i < stats->pool_count; i++) {
        pv_buf_printf(out, "provost_pool_free{pool=\"%.*s\"} %lld\n",
                      PV_STR_ARG(stats->pools[i].pool), (long long)stats->pools[i].ret_free);
    }
    pv_metric_head(out, "provost_pool_size", "gauge", "Values that a pool has in all.");
    for (size_t i = 0; i < stats->pool_count; i++) {
        const struct pv_pool_left *pool = &stats->pools[i];
        pv_buf_printf(out, "provost_pool_size{pool=\"%.*s\"} %lld\n", PV_STR_ARG(pool->pool),
                      (long long)(pool->range.last - pool->range.first + 1));
    }
}

static void commit_metrics(const struct pv_stats *stats, struct pv_buf *out)
{
    pv_metric_head(out, "provost_commit_requests", "histogram", "Requests in one commit.");
    pv_hist_print(&stats->ret_commit_requests, out, "provost_commit_requests", "", 1);
    pv_metric_head(out, "provost_commit_seconds", "histogram",
                   "Time of one commit, applying its requests included.");
    pv_hist_print(&stats->ret_commit_us, out, "provost_commit_seconds", "", 1e6);
}

static void instance_metrics(const struct pv_api *api, struct pv_buf *out)
{
    const struct pv_config *config = api->o.config;
    static const char *const names[] = {"provost_instance_in_flight", "provost_instance_breaker",
                                        "provost_instance_paused"};
    static const char *const helps[] = {"Steps in flight, by instance.",
                                        "0 closed, 1 open, 2 half-open.", "1: paused."};
    for (size_t metric_index = 0; metric_index < 3; metric_index++) {
        pv_metric_head(out, names[metric_index], "gauge", helps[metric_index]);
        for (size_t i = 0; i < config->instance_count; i++) {
            struct pv_instance_status status = {0};
            if (pv_engine_instance(api->o.engine, config->instances[i].name, &status) != 0) {
                status = (struct pv_instance_status){0}; /* has had nothing to do yet */
            }
            unsigned long long values[] = {status.in_flight, (unsigned)status.breaker,
                                           status.paused ? 1u : 0u};
            pv_buf_printf(out, "%s{instance=\"%.*s\"} %llu\n", names[metric_index],
                          PV_STR_ARG(config->instances[i].name), values[metric_index]);
        }
    }
}

static void http_metrics(const struct pv_api *api, struct pv_buf *out)
{
    const struct pv_httpd_counters *c = pv_httpd_counters(api->httpd);
    const struct pv_metric_line lines[] = {
        {"provost_http_connections", "gauge", "Open connections.", c->connections},
        {"provost_http_connections_total", "counter", "Connections accepted.", c->accepted},
        {"provost_http_slow_clients_total", "counter", "Connections cut off for being too slow.",
         c->timed_out},
        {"provost_http_malformed_total", "counter",
         "Requests that no route has seen: malformed, too large or too slow.", c->malformed},
        {"provost_http_refused_total", "counter",
         "Connections refused because their address had too many.", c->refused},
        {"provost_http_evicted_total", "counter",
         "Idle connections closed because others needed the room.", c->evicted},
    };
    pv_metric_lines(out, lines, sizeof(lines) / sizeof(lines[0]));
    pv_metric_head(out, "provost_http_requests_total", "counter", "Requests answered, by status.");
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
    pv_metric(&call->out, "provost_store_up", "gauge", "1: the store answers.",
              req->status == 0 ? 1 : 0);
    if (req->status == 0) {
        store_metrics(&call->r.stats, &call->out);
        pool_metrics(&call->r.stats, &call->out);
        commit_metrics(&call->r.stats, &call->out);
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
    const struct pv_config *config = call->api->o.config;
    struct pv_pool_left *pools =
        pv_arena_alloc(&call->arena, (config->pool_count + 1) * sizeof(*pools));
    if (!pools) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        const struct pv_config_pool *pool = &config->pools[i];
        /* A reload may take the configuration away while the store counts. */
        pools[i] = (struct pv_pool_left){.pool = pv_arena_copy(&call->arena, pool->name),
                                         .range = {.first = pool->first, .last = pool->last}};
        if (!pools[i].pool.ptr) {
            pv_call_fail_status(call, PV_ENOMEM, NULL, "");
            return;
        }
    }
    pv_call_req(call, PV_REQ_STATS, metrics_collected);
    call->r.stats.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.stats.pools = pools;
    call->r.stats.pool_count = config->pool_count;
    pv_call_submit(call);
}

const struct pv_route pv_routes_metrics[] = {
    {"GET", "/metrics", PV_SCOPE_METRICS_READ, 0, get_metrics, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

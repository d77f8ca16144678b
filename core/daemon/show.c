/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says about itself and its hosts: members of GET /v1/status, lines of /metrics. */
#include "core/base/metric.h"
#include "core/daemon/daemon.h"
#include "core/host/restrict.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct listing {
    struct pv_buf *out;
    struct pv_str instance; /* none: all */
    int64_t now_ms;
    bool first;
    const char *metric;
    uint64_t (*value)(const struct pv_host_status *status);
};

static void put_host(void *user, const struct pv_host_status *status)
{
    struct listing *l = user;
    if (l->instance.ptr && !pv_str_eq(l->instance, status->instance)) {
        return;
    }
    pv_buf_c(l->out, l->first ? "" : ",");
    l->first = false;
    pv_buf_c(l->out, "{\"instance\":");
    pv_buf_json(l->out, status->instance);
    pv_buf_printf(l->out,
                  ",\"state\":\"%s\",\"pid\":%d,\"single_step\":%s,\"in_flight\":%" PRIu32
                  ",\"restarts\":%" PRIu64 ",\"resident_bytes\":%" PRIu64,
                  pv_host_state_name((int)status->state), status->pid,
                  status->solo ? "true" : "false", status->in_flight, status->restarts,
                  status->rss_bytes);
    if (status->started_mono_ms > 0) {
        pv_buf_printf(l->out, ",\"running_ms\":%" PRId64, l->now_ms - status->started_mono_ms);
    }
    if (status->fault.len > 0) {
        pv_buf_c(l->out, ",\"fault\":");
        pv_buf_json(l->out, status->fault);
    }
    pv_buf_char(l->out, '}');
}

/* How hosts are confined, and what this kernel lacks for it. */
static void put_isolation(const struct pv_daemon *daemon, struct pv_buf *out)
{
    const struct pv_isolation isolation = pv_isolation_probe();
    const char *lacks = pv_isolation_lacks(&isolation);
    pv_buf_printf(out, ",\"isolation\":{\"mode\":\"%s\",\"landlock_abi\":%d,\"seccomp\":%s",
                  daemon->live.config->isolation_required ? "required" : "best-effort",
                  isolation.landlock_abi, isolation.seccomp ? "true" : "false");
    if (lacks != NULL) {
        pv_buf_c(out, ",\"lacks\":");
        pv_buf_json(out, pv_str(lacks));
    }
    pv_buf_char(out, '}');
}

/* What keeps hosts within `memory`. */
static void put_memory_limit(const struct pv_daemon *daemon, struct pv_buf *out)
{
    bool by_cgroup = pv_hosts_by_cgroup(daemon->hosts);
    pv_buf_printf(out, ",\"memory_limit\":{\"by\":\"%s\"", by_cgroup ? "cgroup" : "watch");
    if (!by_cgroup) {
        pv_buf_c(out, ",\"because\":");
        pv_buf_json(out, pv_str(daemon->cgroup_why));
    }
    size_t watched = pv_hosts_without_cgroup(daemon->hosts);
    if (watched > 0) {
        pv_buf_printf(out, ",\"watched_hosts\":%zu", watched);
    }
    pv_buf_char(out, '}');
}

void pv_daemon_status(void *ctx, struct pv_buf *out)
{
    struct pv_daemon *daemon = ctx;
    int64_t now_ms = pv_mono_ms(&pv_clock_system);
    pv_buf_printf(out, ",\"pid\":%d,\"uptime_ms\":%" PRId64 ",\"reloads\":%" PRIu64 ",\"config\":",
                  (int)getpid(), now_ms - daemon->started_ms, daemon->reloads);
    pv_buf_json(out, daemon->live.config->path);
    put_isolation(daemon, out);
    put_memory_limit(daemon, out);
    pv_buf_c(out, ",\"hosts\":[");
    struct listing l = {.out = out, .now_ms = now_ms, .first = true};
    pv_hosts_each(daemon->hosts, put_host, &l);
    pv_buf_char(out, ']');
}

void pv_daemon_hosts(void *ctx, struct pv_str instance, struct pv_buf *out)
{
    struct pv_daemon *daemon = ctx;
    struct listing l = {
        .out = out, .instance = instance, .now_ms = pv_mono_ms(&pv_clock_system), .first = true};
    pv_hosts_each(daemon->hosts, put_host, &l);
}

static void put_metric(void *user, const struct pv_host_status *status)
{
    struct listing *l = user;
    if (status->solo) {
        return; /* short-lived, and of the same instance */
    }
    pv_buf_printf(l->out, "%s{instance=", l->metric);
    pv_buf_json(l->out, status->instance);
    pv_buf_printf(l->out, "} %" PRIu64 "\n", l->value(status));
}

static uint64_t is_ready(const struct pv_host_status *status)
{
    return status->state == PV_HOST_READY ? 1 : 0;
}

static uint64_t in_flight(const struct pv_host_status *status)
{
    return status->in_flight;
}

static uint64_t resident(const struct pv_host_status *status)
{
    return status->rss_bytes;
}

/* A host that drains has a successor: of an instance only the host that takes calls is shown. */
static void put_current(void *user, const struct pv_host_status *status)
{
    if (status->state <= PV_HOST_READY) {
        put_metric(user, status);
    }
}

/* Of each instance, whether it has a host now or not: a counter that is not there counts nothing.
 */
static void restart_metrics(const struct pv_daemon *daemon, struct pv_buf *out)
{
    const struct pv_config *config = daemon->live.config;
    pv_metric_head(out, "provost_host_restarts_total", "counter",
                   "Ends of plugin hosts that nobody asked for.");
    for (size_t i = 0; i < config->instance_count; i++) {
        struct pv_str name = config->instances[i].name;
        pv_buf_printf(out, "provost_host_restarts_total{instance=\"%.*s\"} %" PRIu64 "\n",
                      PV_STR_ARG(name), pv_hosts_restarts(daemon->hosts, name));
    }
}

/* What the `http` calls of each instance came to. */
static void backend_metrics(struct pv_daemon *daemon, struct pv_buf *out)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct pv_config *config = daemon->live.config;
    struct pv_http_totals totals;
    pv_metric_head(out, "provost_backend_requests_total", "counter",
                   "Requests that plugins sent, by class of the answer's status.");
    for (size_t i = 0; i < config->instance_count; i++) {
        pv_hosts_http(daemon->hosts, config->instances[i].name, &totals);
        for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]); c++) {
            pv_buf_printf(out,
                          "provost_backend_requests_total{instance=\"%.*s\",answer=\"%s\"} "
                          "%" PRIu64 "\n",
                          PV_STR_ARG(config->instances[i].name), classes[c], totals.answers[c]);
        }
    }
    pv_metric_head(out, "provost_backend_request_seconds", "histogram",
                   "Time of a request of a plugin, from its call to the end of the answer.");
    for (size_t i = 0; i < config->instance_count; i++) {
        char label[PV_MAX_NAME + 16];
        snprintf(label, sizeof(label), "instance=\"%.*s\",", PV_STR_ARG(config->instances[i].name));
        pv_hosts_http(daemon->hosts, config->instances[i].name, &totals);
        pv_hist_print(&totals.ms, out, "provost_backend_request_seconds", label, 1e3);
    }
}

void pv_daemon_metrics(void *ctx, struct pv_buf *out)
{
    static const struct {
        const char *name;
        const char *type;
        const char *text;
        uint64_t (*value)(const struct pv_host_status *status);
    } metrics[] = {
        {"provost_host_ready", "gauge", "Whether the plugin host of an instance is ready.",
         is_ready},
        {"provost_host_calls", "gauge", "Calls in flight in a plugin host.", in_flight},
        {"provost_host_resident_bytes", "gauge", "Resident memory of a plugin host.", resident},
    };
    struct pv_daemon *daemon = ctx;
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        pv_metric_head(out, metrics[i].name, metrics[i].type, metrics[i].text);
        struct listing l = {.out = out, .metric = metrics[i].name, .value = metrics[i].value};
        pv_hosts_each(daemon->hosts, put_current, &l);
    }
    restart_metrics(daemon, out);
    backend_metrics(daemon, out);
    pv_metric(out, "provost_resident_bytes", "gauge", "Resident memory of provostd.",
              pv_hosts_resident(getpid()));
    pv_metric(out, "provost_reloads_total", "counter", "Reloads of the configuration.",
              daemon->reloads);
    pv_webhooks_metrics(&daemon->webhooks, out);
}

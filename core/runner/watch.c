/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at while there are hosts, some of it a few times a second: hearts that stopped
 * beating, memory, processor time, starts and stops that take too long, hosts that nobody needs any
 * more, calls that are overdue. */
#include "core/runner/internal.h"

#include "core/base/log.h"
#include "core/runner/usage.h"

#include <inttypes.h>
#include <stdio.h>

#define MEMORY_EVERY_MS 200
#define USAGE_EVERY_MS 1000
#define PAUSE_SHARE 10 /* one in so many: less of the time on a processor is a pause */
#define EOF_GRACE_MS 1000

static void watch_heart(struct host *host, int64_t now_ms)
{
    int64_t beat_ms = atomic_load_explicit(&host->page->heartbeat_ms, memory_order_relaxed);
    if (beat_ms == 0) {
        return; /* it keeps no page: overdue calls show when it is stuck */
    }
    if (beat_ms > host->heartbeat_ms && beat_ms <= now_ms + 1000) {
        host->heartbeat_ms = beat_ms;
    }
    int64_t silent_ms = now_ms - host->heartbeat_ms;
    if (silent_ms > host->spec.stuck_after_ms) {
        snprintf(host->fault, sizeof(host->fault), "no sign of life for %" PRId64 " ms", silent_ms);
        pv_host_kill(host, PV_END_STUCK, 0);
    }
}

static void watch_memory(struct host *host, int64_t now_ms)
{
    if (host->spec.memory_max == 0 || host->grouped ||
        now_ms - host->memory_at_ms < MEMORY_EVERY_MS) {
        return;
    }
    host->memory_at_ms = now_ms;
    uint64_t resident = pv_hosts_resident(host->pid) + host->below_bytes;
    if (resident > host->spec.memory_max) {
        snprintf(host->fault, sizeof(host->fault),
                 "%" PRIu64 " MiB resident%s, its limit is %" PRIu64 " MiB", resident >> 20,
                 host->below_bytes > 0 ? " with the programs it started" : "",
                 host->spec.memory_max >> 20);
        pv_host_kill(host, PV_END_MEMORY, 0);
    }
}

/* The call in that slot of the page, 0 when the host has none there. */
static uint64_t call_in_slot(struct host *host, uint32_t slot)
{
    if (slot == PV_USAGE_NO_SLOT) {
        return 0;
    }
    uint64_t id = atomic_load_explicit(&host->page->slot[slot].call, memory_order_relaxed);
    const struct call *call = pv_calls_find(host->hosts, id);
    return call && call->host == host && call->slot == slot ? id : 0;
}

static void watch_processor(struct host *host, const struct pv_usage *usage, int64_t since_ms)
{
    int64_t cpu_ms = (int64_t)usage->cpu_ms;
    int64_t used_ms = cpu_ms > host->cpu_ms ? cpu_ms - host->cpu_ms : 0;
    host->cpu_ms = cpu_ms;
    host->busy_ms = used_ms * PAUSE_SHARE < since_ms ? 0 : host->busy_ms + used_ms;
    if (host->spec.cpu_max_ms > 0 && host->busy_ms > host->spec.cpu_max_ms) {
        snprintf(host->fault, sizeof(host->fault),
                 "%" PRId64 " ms of processor time without a pause, its limit is %" PRId64 " ms",
                 host->busy_ms, host->spec.cpu_max_ms);
        pv_host_kill(host, PV_END_BUSY, call_in_slot(host, usage->slot));
    }
}

/* Threads, and the programs it started. */
static void watch_usage(struct host *host, int64_t now_ms)
{
    int64_t since_ms = now_ms - host->usage_at_ms;
    if (since_ms < USAGE_EVERY_MS) {
        return;
    }
    host->usage_at_ms = now_ms;
    struct pv_usage usage;
    pv_usage_read(host->pid, &usage);
    /* Between fork and exec a program looks as large as its host: only what was there the last
     * time as well counts. */
    host->below_bytes = usage.below_bytes < host->below_seen ? usage.below_bytes : host->below_seen;
    host->below_seen = usage.below_bytes;
    watch_processor(host, &usage, since_ms);
}

static void watch_running(struct host *host, int64_t now_ms)
{
    watch_heart(host, now_ms);
    if (host->state != PV_HOST_STOPPING && host->pid != 0) {
        watch_usage(host, now_ms);
    }
    if (host->state != PV_HOST_STOPPING && host->pid != 0) {
        watch_memory(host, now_ms);
    }
    if (host->state == PV_HOST_STOPPING || host->in_flight > 0) {
        return;
    }
    if (now_ms - host->idle_since_ms >= host->spec.idle_after_ms) {
        pv_log(PV_INFO, (pv_lf("instance", host->instance->name)), "plugin host is idle: stopped");
        pv_host_stop(host);
    }
}

/* True when its time to start or stop is over. */
static void watch_limits(struct host *host, int64_t now_ms)
{
    int64_t in_state_ms = now_ms - host->since_ms;
    if (host->state == PV_HOST_STARTING && in_state_ms > host->spec.start_timeout_ms) {
        pv_host_kill(host, PV_END_STUCK, 0);
    } else if (host->state == PV_HOST_STOPPING && host->end == 0 &&
               in_state_ms > host->hosts->options.grace_ms) {
        pv_host_kill(host, PV_END_OUTSIDE, 0);
    } else if (host->kill_due) {
        pv_host_kill(host, host->end, host->named);
    } else if (host->eof && !host->exited && host->end == 0 &&
               now_ms - host->eof_since_ms > EOF_GRACE_MS) {
        snprintf(host->fault, sizeof(host->fault), "it closed its socket and lives on");
        pv_host_kill(host, PV_END_GARBAGE, 0);
    }
}

void pv_watch_tick(struct pv_hosts *hosts)
{
    int64_t now_ms = pv_hosts_now(hosts);
    /* After a pause of the whole machine, or of this process, hearts get time to beat again. */
    bool paused = now_ms - hosts->ticked_ms > 4 * hosts->options.tick_ms;
    hosts->ticked_ms = now_ms;
    pv_calls_expire(hosts, now_ms);
    pv_group_sweep(hosts);
    struct pv_link *link = hosts->all.next;
    while (link != &hosts->all) {
        struct host *host = PV_CONTAINER(link, struct host, link);
        link = link->next;
        bool running = host->state == PV_HOST_READY || host->state == PV_HOST_DRAINING;
        if (host->state == PV_HOST_BACKOFF) {
            pv_hosts_mark(host);
        } else if (running && paused) {
            host->heartbeat_ms = now_ms;
        } else if (running) {
            watch_running(host, now_ms);
        }
        watch_limits(host, now_ms);
    }
}

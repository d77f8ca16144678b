/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at a few times a second while there are hosts: hearts that stopped beating,
 * memory, starts and stops that take too long, hosts that nobody needs any more, calls that are
 * overdue. */
#include "core/runner/internal.h"

#include "core/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_EVERY_MS 200
#define EOF_GRACE_MS 1000

uint64_t pv_hosts_resident(int pid)
{
    char path[64];
    char text[128];
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    unsigned long long total = 0;
    unsigned long long resident = 0;
    if (sscanf(text, "%llu %llu", &total, &resident) != 2) {
        return 0;
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

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
    if (host->spec.memory_max == 0 || host->pid == 0 ||
        now_ms - host->memory_at_ms < MEMORY_EVERY_MS) {
        return;
    }
    host->memory_at_ms = now_ms;
    uint64_t resident = pv_hosts_resident(host->pid);
    if (resident > host->spec.memory_max) {
        snprintf(host->fault, sizeof(host->fault),
                 "%" PRIu64 " MiB resident, its limit is %" PRIu64 " MiB", resident >> 20,
                 host->spec.memory_max >> 20);
        pv_host_kill(host, PV_END_MEMORY, 0);
    }
}

static void watch_running(struct host *host, int64_t now_ms)
{
    watch_heart(host, now_ms);
    if (host->state != PV_HOST_STOPPING) {
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

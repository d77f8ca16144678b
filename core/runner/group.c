/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of hosts: made before the program runs, read when it has ended, removed. */
#include "core/base/log.h"
#include "core/runner/internal.h"

#include <inttypes.h>
#include <stdio.h>

int pv_group_make(struct host *host, uint64_t max_bytes)
{
    struct pv_hosts *hosts = host->hosts;
    struct pv_err err = {0};
    int fd = -1;
    if (!pv_hosts_by_cgroup(hosts) || max_bytes == 0) {
        return -1;
    }
    int status = pv_cgroup_make(hosts->options.cgroup, host->id, max_bytes, &fd, &err);
    if (status != 0) {
        pv_log(PV_WARN, (pv_lf("instance", host->instance->name)),
               "the memory of this plugin host is watched, not limited by cgroup: %s", err.text);
    }
    host->grouped = status == 0;
    host->ungrouped = status != 0;
    return fd;
}

bool pv_group_was_full(struct host *host)
{
    if (!host->grouped || !pv_cgroup_was_full(host->hosts->options.cgroup, host->id)) {
        return false;
    }
    snprintf(host->fault, sizeof(host->fault),
             "its cgroup was full, its limit is %" PRIu64 " MiB, with the programs it started",
             host->spec.memory_max >> 20);
    return true;
}

void pv_group_leave(struct host *host)
{
    struct pv_hosts *hosts = host->hosts;
    bool gone = !host->grouped || pv_cgroup_remove(hosts->options.cgroup, host->id);
    if (!gone && hosts->leftover_count < PV_HOST_LEFTOVERS) {
        hosts->leftovers[hosts->leftover_count] = host->id;
        hosts->leftover_count++;
    }
    host->grouped = false;
}

void pv_group_sweep(struct pv_hosts *hosts)
{
    size_t left = 0;
    for (size_t i = 0; i < hosts->leftover_count; i++) {
        if (!pv_cgroup_remove(hosts->options.cgroup, hosts->leftovers[i])) {
            hosts->leftovers[left] = hosts->leftovers[i];
            left++;
        }
    }
    hosts->leftover_count = left;
}

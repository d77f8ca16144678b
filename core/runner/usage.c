/* SPDX-License-Identifier: Apache-2.0 */
/* What a host and the programs it started use, read from /proc. The thread of the loop is not
 * counted: its heartbeat tells about that one. */
#include "core/runner/usage.h"

#include "core/runner/small.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROCESSES 256 /* of a host that are looked at */

struct walk {
    int pid[MAX_PROCESSES];
    size_t count;
    uint64_t busiest; /* processor time of the running thread that has most, in ticks */
    struct pv_usage *usage;
};

/* Resident bytes, and those of them that no file or other process shares. */
static uint64_t read_memory(int pid, uint64_t *ret_private)
{
    char path[64];
    char text[128];
    unsigned long long resident = 0;
    unsigned long long shared = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    *ret_private = 0;
    if (!pv_small_read(path, text, sizeof(text)) ||
        sscanf(text, "%*u %llu %llu", &resident, &shared) != 2) {
        return 0;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_private = resident > shared ? (resident - shared) * page : 0;
    return resident * page;
}

uint64_t pv_hosts_resident(int pid)
{
    uint64_t unused = 0;
    return read_memory(pid, &unused);
}

struct times {
    char name[32];
    char state;
    uint64_t own;      /* ticks */
    uint64_t children; /* of those that were waited for */
};

static bool read_times(const char *path, struct times *ret)
{
    char text[1024];
    if (!pv_small_read(path, text, sizeof(text))) {
        return false;
    }
    const char *name = strchr(text, '(');
    const char *end = strrchr(text, ')');
    unsigned long long t[4] = {0};
    if (!name || !end || end < name ||
        sscanf(end + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %llu %llu",
               &ret->state, &t[0], &t[1], &t[2], &t[3]) != 5) {
        return false;
    }
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(end - name - 1), name + 1);
    ret->own = t[0] + t[1];
    ret->children = t[2] + t[3];
    return true;
}

static uint64_t ticks_to_ms(uint64_t ticks)
{
    return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void add_children(struct walk *walk, int pid, long thread)
{
    char path[80];
    char text[4096];
    snprintf(path, sizeof(path), "/proc/%d/task/%ld/children", pid, thread);
    if (!pv_small_read(path, text, sizeof(text))) {
        return;
    }
    char *at = text;
    while (walk->count < MAX_PROCESSES) {
        char *end = at;
        long child = strtol(at, &end, 10);
        if (end == at || child <= 0) {
            return;
        }
        walk->pid[walk->count] = (int)child;
        walk->count++;
        at = end;
    }
}

/* A thread of the host: the busiest one says whose call it works for. */
static void look_at_thread(struct walk *walk, int pid, long thread)
{
    char path[80];
    struct times times = {0};
    snprintf(path, sizeof(path), "/proc/%d/task/%ld/stat", pid, thread);
    if (!read_times(path, &times)) {
        return;
    }
    if (thread == pid) {
        uint64_t loop_ms = ticks_to_ms(times.own);
        walk->usage->cpu_ms -= loop_ms < walk->usage->cpu_ms ? loop_ms : walk->usage->cpu_ms;
        return;
    }
    if (times.state == 'R' && times.own > walk->busiest) {
        uint32_t slot = 0;
        bool named = sscanf(times.name, PV_PAGE_THREAD_NAME, &slot) == 1 && slot < PV_PAGE_SLOTS;
        walk->busiest = times.own;
        walk->usage->slot = named ? slot : PV_USAGE_NO_SLOT;
    }
}

static void look_at_process(struct walk *walk, int pid, bool host)
{
    char path[64];
    struct times times = {0};
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (!read_times(path, &times)) {
        return;
    }
    walk->usage->cpu_ms += ticks_to_ms(times.own + times.children);
    if (!host) {
        uint64_t private_bytes = 0;
        (void)read_memory(pid, &private_bytes);
        walk->usage->below_bytes += private_bytes;
    }
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    if (!dir) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        long thread = strtol(entry->d_name, NULL, 10);
        if (thread > 0 && host) {
            look_at_thread(walk, pid, thread);
        }
        if (thread > 0) {
            add_children(walk, pid, thread);
        }
    }
    closedir(dir);
}

void pv_usage_read(int pid, struct pv_usage *ret)
{
    struct walk walk = {.pid = {pid}, .count = 1, .usage = ret};
    *ret = (struct pv_usage){.slot = PV_USAGE_NO_SLOT};
    for (size_t i = 0; i < walk.count; i++) {
        look_at_process(&walk, walk.pid[i], i == 0);
    }
}

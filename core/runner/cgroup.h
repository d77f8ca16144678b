/* SPDX-License-Identifier: Apache-2.0 */
/* Memory limits of hosts by cgroup v2: below the daemon's own cgroup, if that was delegated to it,
 * a leaf `daemon` for itself (a cgroup with processes cannot hand controllers down) and one group
 * per host. Everything is a small write to a file system in memory. Loop thread. */
#ifndef PV_RUNNER_CGROUP_H
#define PV_RUNNER_CGROUP_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PV_CGROUP_PATH 1024

struct pv_cgroup {
    char base[PV_CGROUP_PATH]; /* the daemon's own cgroup; "": none is used */
    pid_t pids[2];             /* that were moved into the leaf: the daemon and its spawner */
    bool enabled;              /* the memory controller was enabled here, not before */
};

/* Moves this process and the spawner into the leaf and enables the memory controller for the groups
 * of hosts. Whatever fails is taken back, ret_cgroup->base is "", and err says why: then limits are
 * watched (usage.h). */
int pv_cgroup_open(pid_t spawner, struct pv_cgroup *ret_cgroup, struct pv_err *err) PV_MUST_CHECK;
/* The same for a cgroup at that path. */
int pv_cgroup_open_at(const char *path, pid_t spawner, struct pv_cgroup *ret_cgroup,
                      struct pv_err *err) PV_MUST_CHECK;
/* Takes it back; the hosts are gone. */
void pv_cgroup_close(struct pv_cgroup *cgroup);

/* A new group for host `id` that may hold so many bytes, swap not included. Whoever writes "0" to
 * *ret_fd is in it. */
int pv_cgroup_make(const struct pv_cgroup *cgroup, uint64_t id, uint64_t max_bytes, int *ret_fd,
                   struct pv_err *err) PV_MUST_CHECK;
/* Did the kernel kill in that group because it was full? */
bool pv_cgroup_was_full(const struct pv_cgroup *cgroup, uint64_t id);
/* Kills what is left in it and removes it. false: not yet; again later. */
bool pv_cgroup_remove(const struct pv_cgroup *cgroup, uint64_t id);

#endif

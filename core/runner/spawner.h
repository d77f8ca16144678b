/* SPDX-License-Identifier: Apache-2.0 */
/* The spawner: a small process that is forked first thing in main, before provostd grows, and that
 * starts and reaps hosts for it (a fork of a grown process blocks the loop). The two talk over a
 * SOCK_SEQPACKET pair. It dies with provostd, and every host dies with it (parent-death signals).
 * Loop thread; nothing here waits, except pv_spawner_end for at most two seconds. */
#ifndef PV_RUNNER_SPAWNER_H
#define PV_RUNNER_SPAWNER_H

#include "core/base/str.h"

#include <sys/types.h>

struct pv_spawner {
    int fd; /* becomes readable when there is an event, or when the spawner is gone */
    pid_t pid;
};

enum pv_spawner_event_kind {
    PV_SPAWN_STARTED = 1, /* pid; told before the program runs */
    PV_SPAWN_FAILED = 2,  /* errnum: it could not be run, perhaps after STARTED */
    PV_SPAWN_EXITED = 3,  /* pid, wait_status as waitpid gives it */
};

struct pv_spawner_event {
    uint32_t kind; /* enum pv_spawner_event_kind */
    uint64_t id;   /* the caller's, from pv_spawner_start */
    int32_t pid;
    int32_t errnum;
    int32_t wait_status;
};

/* Forks. Call it before any thread exists and before descriptors that a host must not have. The
 * child never returns. */
int pv_spawner_fork(struct pv_spawner *ret_spawner, struct pv_err *err) PV_MUST_CHECK;
/* Hands over a descriptor (an flock'ed file) that the spawner and every host started from now on
 * keep open as long as they live. Borrows fd. */
int pv_spawner_hold(const struct pv_spawner *spawner, int fd) PV_MUST_CHECK;
/* Asks for `program --parent=PID` with the socket as descriptor 3, the page as 4 and its reach
 * as 5, the environment reduced to what sanitizers and fault injection read, in a
 * process group of its own, and in the cgroup whose cgroup.procs is open as group_fd (-1: in the
 * spawner's). Borrows the descriptors. FAILED follows, or STARTED and then EXITED or
 * FAILED. PV_EBUSY: the spawner does not keep up; PV_ECLOSED: it is gone; PV_ETOOBIG: the path or
 * name is too long. */
int pv_spawner_start(const struct pv_spawner *spawner, uint64_t id, const char *program,
                     const char *name, int socket_fd, int page_fd, int reach_fd,
                     int group_fd) PV_MUST_CHECK;
/* Sends a signal to a host, if it has not been reaped: a pid is never hit after its end. PV_EBUSY
 * and PV_ECLOSED as above. */
int pv_spawner_kill(const struct pv_spawner *spawner, uint64_t id, int signal) PV_MUST_CHECK;
/* 1: *ret_event is the next one; 0: none now; PV_ECLOSED: the spawner is gone. */
int pv_spawner_next(const struct pv_spawner *spawner, struct pv_spawner_event *ret_event);
/* True for the spawner and every process below it: hosts, and what plugins started. Also for one
 * that is gone: nobody can tell any more whose it was. */
bool pv_spawner_above(const struct pv_spawner *spawner, pid_t pid);
/* Ends it and whatever hosts are left, and waits for it. */
void pv_spawner_end(struct pv_spawner *spawner);

/* The child's side. Returns the exit status. */
int pv_spawner_main(int fd, pid_t parent);

#endif

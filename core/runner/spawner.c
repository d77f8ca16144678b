/* SPDX-License-Identifier: Apache-2.0 */
/* provostd's side of the spawner: packets out, events in, and its orderly end. */
#include "core/runner/spawner.h"

#include "core/runner/small.h"
#include "core/runner/spawner_proto.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_WAIT_MS 2000
#define GENERATIONS_MAX 256
#define WALKS 8

int pv_spawner_fork(struct pv_spawner *ret_spawner, struct pv_err *err)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "socketpair: %s", strerror(errno));
    }
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int errnum = errno;
        close(fds[0]);
        close(fds[1]);
        return pv_err_set(err, pv_status_from_errno(errnum), "fork: %s", strerror(errnum));
    }
    if (pid == 0) {
        close(fds[0]);
        _exit(pv_spawner_main(fds[1], parent));
    }
    close(fds[1]);
    ret_spawner->fd = fds[0];
    ret_spawner->pid = pid;
    return 0;
}

/* One packet with up to PV_SPAWNER_FDS descriptors. */
static int send_ask(const struct pv_spawner *spawner, struct pv_spawner_ask *ask, const int *fds,
                    size_t fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PV_SPAWNER_FDS)];
    } control;
    memset(&control, 0, sizeof(control));
    struct iovec iov = {.iov_base = ask,
                        .iov_len = offsetof(struct pv_spawner_ask, text) + ask->text_len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(head), fds, sizeof(int) * fd_count);
    }
    if (spawner->fd < 0) {
        return PV_ECLOSED;
    }
    ssize_t n = 0;
    do {
        n = sendmsg(spawner->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return 0;
    }
    return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? PV_EBUSY : PV_ECLOSED;
}

int pv_spawner_hold(const struct pv_spawner *spawner, int fd)
{
    struct pv_spawner_ask ask = {.kind = PV_SPAWN_ASK_HOLD};
    return send_ask(spawner, &ask, &fd, 1);
}

int pv_spawner_start(const struct pv_spawner *spawner, uint64_t id, const char *program,
                     const char *name, int socket_fd, int page_fd, int reach_fd, int group_fd)
{
    struct pv_spawner_ask ask = {.kind = PV_SPAWN_ASK_START, .id = id};
    size_t program_size = strlen(program) + 1;
    size_t name_size = strlen(name) + 1;
    if (program_size + name_size > sizeof(ask.text)) {
        return PV_ETOOBIG;
    }
    memcpy(ask.text, program, program_size);
    memcpy(ask.text + program_size, name, name_size);
    ask.name_at = (uint32_t)program_size;
    ask.text_len = (uint32_t)(program_size + name_size);
    const int fds[PV_SPAWNER_FDS] = {socket_fd, page_fd, reach_fd, group_fd};
    return send_ask(spawner, &ask, fds, group_fd >= 0 ? PV_SPAWNER_FDS : PV_SPAWNER_FDS - 1);
}

int pv_spawner_kill(const struct pv_spawner *spawner, uint64_t id, int signal)
{
    struct pv_spawner_ask ask = {.kind = PV_SPAWN_ASK_KILL, .id = id, .signal = signal};
    return send_ask(spawner, &ask, NULL, 0);
}

int pv_spawner_next(const struct pv_spawner *spawner, struct pv_spawner_event *ret_event)
{
    struct pv_spawner_event event;
    ssize_t n = 0;
    do {
        n = recv(spawner->fd, &event, sizeof(event), MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    if (n != (ssize_t)sizeof(event)) {
        return PV_ECLOSED;
    }
    *ret_event = event;
    return 1;
}

/* 0: it has none, or is somebody else's and does not show; -1: it is gone, or hides. Whom provostd
 * may not signal is nobody's whom it started. */
static pid_t parent_of(pid_t pid)
{
    char path[64];
    char text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!pv_small_read(path, text, sizeof(text))) {
        return kill(pid, 0) != 0 && errno == EPERM ? 0 : -1;
    }
    const char *after = strrchr(text, ')'); /* its name may hold anything */
    int parent = 0;
    return after != NULL && sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

/* The process is the spawner, or the spawner is above it (1), or is not (0); -1: nobody can tell,
 * because one on the way has ended. */
static int find_above(const struct pv_spawner *spawner, pid_t pid)
{
    for (int depth = 0; pid > 1; depth++) {
        if (pid == spawner->pid) {
            return 1;
        }
        if (depth == GENERATIONS_MAX) {
            return -1;
        }
        pid = parent_of(pid);
    }
    return pid < 0 ? -1 : 0;
}

bool pv_spawner_above(const struct pv_spawner *spawner, pid_t pid)
{
    int found = -1;
    for (int i = 0; i < WALKS && found < 0; i++) {
        found = find_above(spawner, pid); /* who lost a parent has got another one */
    }
    return found != 0;
}

void pv_spawner_end(struct pv_spawner *spawner)
{
    if (spawner->fd >= 0) {
        close(spawner->fd);
        spawner->fd = -1;
    }
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int waited_ms = 0; waited_ms < END_WAIT_MS && spawner->pid > 0; waited_ms += 2) {
        pid_t pid = waitpid(spawner->pid, NULL, WNOHANG);
        if (pid == spawner->pid || (pid < 0 && errno == ECHILD)) {
            spawner->pid = 0;
            return;
        }
        nanosleep(&pause, NULL);
    }
    if (spawner->pid > 0) {
        kill(spawner->pid, SIGKILL);
        waitpid(spawner->pid, NULL, 0);
        spawner->pid = 0;
    }
}

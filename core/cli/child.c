/* SPDX-License-Identifier: Apache-2.0 */
/* Starts provost-host with its socket, status page and reach, and reads frames from it. */
#include "core/cli/child.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/config/describe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200
#define GOODBYE_MS 3000
#define FIRST_FREE_FD 10 /* above those that the host is given */
#define IN_CAP ((size_t)2 * PV_FRAME_MAX)

struct pv_child {
    pid_t pid;
    int fd;
    bool reaped;
    bool killed; /* by us: its loop stood still */
    int wait_status;
    int64_t stuck_after_ms;
    struct pv_page *page;
    struct pv_buf in;
    size_t used; /* of `in`, by the frame that was shown last */
};

static int failed(struct pv_err *err, const char *what)
{
    return pv_err_set(err, PV_EIO, "%s: %s", what, strerror(errno));
}

/* In the child: descriptors 3 to 5 as docs/wire.md says, then the host. */
static void become_host(const char *program, int socket, int page, int reach, pid_t parent)
{
    char tie[32];
    snprintf(tie, sizeof(tie), "--parent=%d", (int)parent);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int high_page = fcntl(page, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int high_reach = fcntl(reach, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    bool ready = null >= 0 && high_socket >= 0 && high_page >= 0 && high_reach >= 0 &&
                 dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(high_socket, 3) == 3 &&
                 dup2(high_page, 4) == 4 && dup2(high_reach, PV_REACH_FD) == PV_REACH_FD;
    if (ready) {
        signal(SIGINT, SIG_IGN);
        execl(program, program, tie, "--trace", (char *)NULL);
    }
    _exit(127);
}

static int make_page(struct pv_child *child, int *ret_fd, struct pv_err *err)
{
    int fd = memfd_create("provost-page", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, sizeof(struct pv_page)) != 0) {
        failed(err, "status page");
        if (fd >= 0) {
            close(fd);
        }
        return PV_EIO;
    }
    void *page = mmap(NULL, sizeof(struct pv_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        failed(err, "status page");
        close(fd);
        return PV_EIO;
    }
    child->page = page;
    *ret_fd = fd;
    return 0;
}

static int make_reach(const struct pv_child_options *options, int *ret_fd, struct pv_err *err)
{
    struct pv_reach reach = *options->reach;
    reach.data_dir = pv_str(options->data_dir);
    return pv_reach_to_fd(&reach, ret_fd, err);
}

static int spawn(struct pv_child *child, const struct pv_child_options *options, struct pv_err *err)
{
    int page = -1;
    int reach = -1;
    int pair[2];
    int status = make_page(child, &page, err);
    if (status != 0) {
        return status;
    }
    status = make_reach(options, &reach, err);
    if (status != 0) {
        close(page);
        return status;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        status = failed(err, "socketpair");
        close(page);
        close(reach);
        return status;
    }
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) {
        become_host(options->host, pair[1], page, reach, parent);
    }
    child->fd = pair[0];
    close(pair[1]);
    close(page);
    close(reach);
    return child->pid > 0 ? 0 : failed(err, "fork");
}

static int say_hello(struct pv_child *child, const struct pv_child_options *options)
{
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_hello(
        &out, &(struct pv_wire_hello){.version = PV_WIRE_VERSION,
                                      .instance = pv_str(options->instance),
                                      .module = pv_str(options->module),
                                      .data_dir = pv_str(options->data_dir),
                                      .settings = options->settings,
                                      .callback_base = PV_STR("http://127.0.0.1/v1/operations/"),
                                      .max_in_flight = 1});
    int status = pv_child_send(child, &out);
    pv_buf_done(&out);
    return status;
}

static int await_ready(struct pv_child *child, struct pv_err *err)
{
    for (;;) {
        struct pv_frame frame;
        struct pv_str text = {NULL, 0};
        int status = pv_child_next(child, &frame);
        if (status == PV_ETIMEOUT) {
            continue;
        }
        if (status != 0) {
            char what[160];
            pv_child_post_mortem(child, what, sizeof(what));
            return pv_err_set(err, status, "provost-host %s before it was ready", what);
        }
        if (frame.type == PV_F_READY) {
            return 0;
        }
        if (frame.type == PV_F_FAULT && pv_wire_get_text(&frame, &text) == 0) {
            return pv_err_set(err, PV_EINVAL, "%.*s", PV_STR_ARG(text));
        }
    }
}

int pv_child_start(const struct pv_child_options *options, struct pv_child **ret_child,
                   struct pv_err *err)
{
    struct pv_child *child = pv_calloc(1, sizeof(*child));
    if (child == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    child->fd = -1;
    child->stuck_after_ms = options->stuck_after_ms;
    pv_buf_init(&child->in, IN_CAP);
    int status = spawn(child, options, err);
    if (status == 0) {
        (void)!say_hello(child, options); /* where it fails the host is gone, and await_ready says
                                             so */
        status = await_ready(child, err);
    }
    if (status != 0) {
        pv_child_stop(child);
        return status;
    }
    *ret_child = child;
    return 0;
}

int pv_child_send(struct pv_child *child, const struct pv_buf *frames)
{
    if (frames->status != 0) {
        return frames->status;
    }
    size_t sent = 0;
    while (sent < frames->len) {
        ssize_t n = send(child->fd, frames->ptr + sent, frames->len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return PV_ECLOSED;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Kills a host whose loop stands still. */
static void watch(struct pv_child *child)
{
    int64_t beat = atomic_load(&child->page->heartbeat_ms);
    int64_t now = pv_mono_ms(&pv_clock_system);
    if (beat > 0 && now - beat > child->stuck_after_ms && !child->killed) {
        child->killed = true;
        kill(child->pid, SIGKILL);
    }
}

/* More bytes. PV_ECLOSED at the end. */
static int receive(struct pv_child *child)
{
    struct pollfd wait = {.fd = child->fd, .events = POLLIN};
    int ready = poll(&wait, 1, TICK_MS);
    if (ready < 0) {
        return errno == EINTR ? PV_ETIMEOUT : PV_EIO;
    }
    if (ready == 0) {
        watch(child);
        return PV_ETIMEOUT;
    }
    char *room = pv_buf_reserve(&child->in, 65536);
    if (room == NULL) {
        return child->in.status;
    }
    ssize_t got = recv(child->fd, room, 65536, 0);
    if (got <= 0) {
        return got < 0 && errno == EINTR ? PV_ETIMEOUT : PV_ECLOSED;
    }
    child->in.len += (size_t)got;
    return 0;
}

int pv_child_next(struct pv_child *child, struct pv_frame *ret_frame)
{
    pv_buf_consume(&child->in, child->used);
    child->used = 0;
    for (;;) {
        int found = pv_frame_next(pv_buf_view(&child->in), ret_frame, &child->used);
        if (found == 1) {
            return 0;
        }
        if (found < 0) {
            return PV_ESYNTAX;
        }
        int status = receive(child);
        if (status != 0) {
            return status;
        }
    }
}

uint32_t pv_child_mark(const struct pv_child *child, uint32_t slot)
{
    if (atomic_load(&child->page->heartbeat_ms) == 0) {
        return PV_SLOT_TOUCHED; /* a host that keeps no page: it may have done anything */
    }
    return slot < PV_PAGE_SLOTS ? atomic_load(&child->page->slot[slot].mark) : PV_SLOT_FREE;
}

pid_t pv_child_pid(const struct pv_child *child)
{
    return child->pid;
}

void pv_child_kill(struct pv_child *child)
{
    kill(child->pid, SIGKILL);
}

static void reap(struct pv_child *child)
{
    while (!child->reaped) {
        pid_t pid = waitpid(child->pid, &child->wait_status, 0);
        child->reaped = pid == child->pid || (pid < 0 && errno != EINTR);
    }
}

uint64_t pv_child_post_mortem(struct pv_child *child, char *out, size_t out_size)
{
    reap(child);
    int status = child->wait_status;
    if (child->killed) {
        snprintf(out, out_size, "was killed: its loop stood still for %lld s",
                 (long long)(child->stuck_after_ms / 1000));
    } else if (WIFSIGNALED(status)) {
        snprintf(out, out_size, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) == 127) {
        snprintf(out, out_size, "could not be started");
    } else {
        snprintf(out, out_size, "exited with status %d", WEXITSTATUS(status));
    }
    return atomic_load(&child->page->current);
}

/* STOP, then what it still says, to its end. */
static void part_ways(struct pv_child *child)
{
    struct pv_buf out;
    pv_buf_init(&out, 64);
    pv_wire_put_empty(&out, PV_F_STOP, 0);
    if (pv_child_send(child, &out) == 0) {
        shutdown(child->fd, SHUT_WR);
    }
    pv_buf_done(&out);
    int64_t until = pv_mono_ms(&pv_clock_system) + GOODBYE_MS;
    char dropped[4096];
    for (;;) {
        int64_t left = until - pv_mono_ms(&pv_clock_system);
        struct pollfd wait = {.fd = child->fd, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
        if (ready == 0) {
            kill(child->pid, SIGKILL);
            return;
        }
        if (ready > 0 && recv(child->fd, dropped, sizeof(dropped), 0) <= 0) {
            return;
        }
    }
}

void pv_child_stop(struct pv_child *child)
{
    if (child == NULL) {
        return;
    }
    if (child->pid > 0 && !child->reaped) {
        part_ways(child);
        reap(child);
    }
    if (child->fd >= 0) {
        close(child->fd);
    }
    if (child->page != NULL) {
        munmap(child->page, sizeof(*child->page));
    }
    pv_buf_done(&child->in);
    pv_free(child);
}

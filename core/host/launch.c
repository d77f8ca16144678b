/* SPDX-License-Identifier: Apache-2.0 */
/* See launch.h. One thread, blocking: nothing else happens in this process. */
#include "core/host/launch.h"

#include "core/base/log.h"
#include "core/wire/page.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD 3
#define PAGE_FD 4
#define FIRST_FREE_FD 10
#define ANSWER_CAP ((size_t)PV_FRAME_HEADER + PV_FRAME_MAX)

int pv_launch(char *const *words, struct pv_err *err)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C.UTF-8";
    char *const environment[] = {path, lang, NULL};
    signal(SIGINT, SIG_IGN); /* of a terminal's Ctrl-C it hears from whoever started it */
    signal(SIGHUP, SIG_IGN);
    execve(words[0], words, environment);
    int status = pv_status_from_errno(errno);
    return pv_err_set(err, status, "%s cannot be started: %s", words[0], strerror(errno));
}

/* ---- Describing ---- */

struct asked {
    pid_t pid;
    int fd;
    struct pv_buf in;
};

static void become(char *const *words, int socket, int page, pid_t parent,
                   int (*restrict_self)(char *const *words, struct pv_err *err))
{
    struct pv_err err = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high_socket = fcntl(socket, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int high_page = fcntl(page, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    bool placed = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null >= 0 &&
                  dup2(null, 0) == 0 && dup2(null, 1) == 1 && high_socket >= 0 && high_page >= 0 &&
                  dup2(high_socket, SOCKET_FD) == SOCKET_FD && dup2(high_page, PAGE_FD) == PAGE_FD;
    if (placed && restrict_self(words, &err) == 0 && pv_launch(words, &err) != 0) {
        struct pv_buf fault;
        pv_buf_init(&fault, 4096);
        pv_wire_put_text(&fault, PV_F_FAULT, pv_str(err.text));
        (void)!write(SOCKET_FD, fault.ptr, fault.len);
        _exit(3);
    }
    pv_log_plain(PV_ERROR, "%s", err.text[0] != '\0' ? err.text : strerror(errno));
    _exit(3);
}

static int start(struct asked *asked, char *const *words,
                 int (*restrict_self)(char *const *words, struct pv_err *err), struct pv_err *err)
{
    int pair[2];
    int page = memfd_create("provost-page", MFD_CLOEXEC);
    if (page < 0 || ftruncate(page, sizeof(struct pv_page)) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return pv_err_set(err, PV_EIO, "%s cannot be asked: %s", words[0], strerror(errno));
    }
    pid_t parent = getpid();
    asked->pid = fork();
    if (asked->pid == 0) {
        become(words, pair[1], page, parent, restrict_self);
    }
    asked->fd = pair[0];
    close(pair[1]);
    close(page);
    return asked->pid > 0 ? 0 : pv_err_set(err, PV_EIO, "fork: %s", strerror(errno));
}

static int say_hello(const struct asked *asked, struct pv_str settings)
{
    struct pv_buf out;
    pv_buf_init(&out, ANSWER_CAP);
    const struct pv_wire_hello hello = {
        .version = PV_WIRE_VERSION, .describe = 1, .settings = settings};
    pv_wire_put_hello(&out, &hello);
    size_t sent = 0;
    ssize_t n = 0;
    while (out.status == 0 && sent < out.len && n >= 0) {
        n = send(asked->fd, out.ptr + sent, out.len - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
    }
    int status = out.status;
    pv_buf_done(&out);
    return status; /* where it was not sent the program is gone, which reading finds */
}

static int garbage(const char *program, struct pv_err *err)
{
    return pv_err_set(err, PV_ESYNTAX, "%s: what it sent makes no sense as a frame", program);
}

/* Its first frame: READY or FAULT. */
static int await_frame(struct asked *asked, const char *program, struct pv_frame *ret_frame,
                       struct pv_err *err)
{
    for (;;) {
        size_t used = 0;
        int found = pv_frame_next(pv_buf_view(&asked->in), ret_frame, &used);
        if (found != 0) {
            return found > 0 ? 0 : garbage(program, err);
        }
        char *room = pv_buf_reserve(&asked->in, 65536);
        if (room == NULL) {
            return garbage(program, err);
        }
        ssize_t got = recv(asked->fd, room, 65536, 0);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return PV_ECLOSED;
        }
        asked->in.len += got > 0 ? (size_t)got : 0;
    }
}

static int take_answer(const struct pv_frame *frame, const char *program, struct pv_buf *out,
                       struct pv_err *err)
{
    struct pv_str text = {NULL, 0};
    if ((frame->type != PV_F_READY && frame->type != PV_F_FAULT) ||
        pv_wire_get_text(frame, &text) != 0) {
        return garbage(program, err);
    }
    if (frame->type == PV_F_FAULT) {
        return pv_err_set(err, PV_EINVAL, "%.*s", PV_STR_ARG(text));
    }
    return pv_buf_str(out, text) == 0 ? 0 : pv_err_set(err, PV_ENOMEM, "out of memory");
}

/* How it ended, which it does when its socket is closed. */
static int end(struct asked *asked, const char *program, int status, struct pv_err *err)
{
    int wait_status = 0;
    close(asked->fd);
    if (status != PV_ECLOSED) {
        kill(asked->pid, SIGKILL);
    }
    while (waitpid(asked->pid, &wait_status, 0) < 0 && errno == EINTR) {}
    if (status != PV_ECLOSED) {
        return status;
    }
    if (WIFSIGNALED(wait_status)) {
        return pv_err_set(err, status, "%s was ended by signal %d before it had described itself",
                          program, WTERMSIG(wait_status));
    }
    return pv_err_set(err, status, "%s exited with status %d before it had described itself",
                      program, WEXITSTATUS(wait_status));
}

int pv_launch_describe(char *const *words, struct pv_str settings,
                       int (*restrict_self)(char *const *words, struct pv_err *err),
                       struct pv_buf *out, struct pv_err *err)
{
    struct asked asked = {.pid = -1, .fd = -1};
    struct pv_frame frame;
    pv_buf_init(&asked.in, ANSWER_CAP);
    int status = start(&asked, words, restrict_self, err);
    if (status != 0) {
        return status;
    }
    status = say_hello(&asked, settings);
    if (status != 0) {
        pv_err_set(err, status, "settings: %s", pv_status_text(status));
    } else {
        status = await_frame(&asked, words[0], &frame, err);
    }
    if (status == 0) {
        status = take_answer(&frame, words[0], out, err);
    }
    pv_buf_done(&asked.in);
    return end(&asked, words[0], status, err);
}

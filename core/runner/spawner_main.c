/* SPDX-License-Identifier: Apache-2.0 */
/* The spawner's own process: one thread, one poll over its socket and a signalfd. It leaves the
 * terminal's process group, so that Ctrl-C reaches provostd alone, and ends when the socket does,
 * taking every host with it. */
#include "core/base/alloc.h"
#include "core/runner/spawner_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD 3
#define HOST_SOCKET_FD 3
#define HOST_PAGE_FD 4
#define HOST_REACH_FD 5
#define ORPHANS_MS 1000 /* between looks for what has detached itself */
#define GROUP 3 /* among the descriptors that came along: -1, or what takes it into its cgroup */

struct child {
    uint64_t id;
    pid_t pid;
};

struct spawner {
    int signal_fd;
    int lock_fd; /* -1: none */
    int null_fd;
    struct child *children;
    size_t count;
    size_t size;
};

/* The descriptor's duplicate at `at` or above, or the end of the process: without it nothing works.
 */
static int move_fd(int fd, int at)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, at);
    if (moved < 0) {
        _exit(1);
    }
    close(fd);
    return moved;
}

static void tell(const struct pv_spawner_event *event)
{
    ssize_t n = 0;
    do {
        n = send(SOCKET_FD, event, sizeof(*event), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
}

/* What a host may see of provostd's environment: nothing that could be a secret. */
static char **host_environment(void)
{
    static const char *const kept[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=",
                                       "TSAN_OPTIONS=", "PROVOST_FAULTS", "TZ="};
    static char *out[16];
    size_t count = 0;
    for (char **env = environ; *env && count + 1 < sizeof(out) / sizeof(out[0]); env++) {
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
            if (strncmp(*env, kept[i], strlen(kept[i])) == 0) {
                out[count] = *env;
                count++;
                break;
            }
        }
    }
    out[count] = NULL;
    return out;
}

/* Between fork and exec. Waits for a byte from the gate; writes errno to it when it fails. */
static void become_host(const struct spawner *s, const struct pv_spawner_ask *ask, const int *fds,
                        pid_t spawner_pid, int gate)
{
    char go;
    if (read(gate, &go, 1) != 1) {
        _exit(127);
    }
    char parent[32];
    char title[128];
    snprintf(parent, sizeof(parent), "--parent=%d", (int)spawner_pid);
    snprintf(title, sizeof(title), "provost-host:%s", ask->text + ask->name_at);
    char *argv[] = {title, parent, NULL};

    for (int sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    int adjust = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (adjust >= 0) {
        ssize_t ignored = write(adjust, "500", 3); /* a host goes before its daemon */
        (void)ignored;
        close(adjust);
    }
    /* All sources stand at 8 or above by now, so no dup2 overwrites one. */
    bool placed = dup2(s->lock_fd >= 0 ? s->lock_fd : s->null_fd, 0) >= 0 &&
                  dup2(s->null_fd, 1) >= 0 && dup2(fds[0], HOST_SOCKET_FD) >= 0 &&
                  dup2(fds[1], HOST_PAGE_FD) >= 0 && dup2(fds[2], HOST_REACH_FD) >= 0;
    bool limited = fds[GROUP] < 0 || write(fds[GROUP], "0", 1) == 1; /* itself */
    if (placed && limited && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == spawner_pid) {
        execve(ask->text, argv, host_environment());
    }
    int errnum = errno;
    ssize_t ignored = write(gate, &errnum, sizeof(errnum));
    (void)ignored;
    _exit(127);
}

static struct child *room_for_child(struct spawner *s)
{
    if (s->count == s->size) {
        size_t size = s->size ? s->size * 2 : 16;
        struct child *grown = pv_reallocarray(s->children, size, sizeof(*grown));
        if (!grown) {
            return NULL;
        }
        s->children = grown;
        s->size = size;
    }
    return &s->children[s->count];
}

/* Starts a host and tells: STARTED before the program runs, so that nothing of it is heard earlier;
 * FAILED when it cannot be run after all. */
static void start_host(struct spawner *s, const struct pv_spawner_ask *ask, const int *fds)
{
    struct pv_spawner_event event = {.kind = PV_SPAWN_FAILED, .id = ask->id, .errnum = ENOMEM};
    int gate[2] = {-1, -1};
    struct child *child = room_for_child(s);
    if (!child || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) != 0) {
        event.errnum = child ? errno : ENOMEM;
        tell(&event);
        return;
    }
    gate[1] = move_fd(gate[1], 8);
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[0]);
        become_host(s, ask, fds, self, gate[1]);
    }
    int errnum = pid < 0 ? errno : 0;
    close(gate[1]);
    if (pid > 0) {
        event = (struct pv_spawner_event){.kind = PV_SPAWN_STARTED, .id = ask->id, .pid = pid};
        tell(&event);
        ssize_t n = send(gate[0], "", 1, MSG_NOSIGNAL);
        do {
            n = read(gate[0], &errnum, sizeof(errnum));
        } while (n < 0 && errno == EINTR);
        if (n == (ssize_t)sizeof(errnum)) {
            waitpid(pid, NULL, 0);
            pid = 0;
        }
    }
    close(gate[0]);
    if (pid <= 0) {
        event = (struct pv_spawner_event){
            .kind = PV_SPAWN_FAILED, .id = ask->id, .errnum = errnum ? errnum : ECHILD};
        tell(&event);
        return;
    }
    child->id = ask->id;
    child->pid = pid;
    s->count++;
}

static void handle_start(struct spawner *s, const struct pv_spawner_ask *ask, int *fds,
                         size_t fd_count)
{
    if (fd_count < PV_SPAWNER_FDS - 1) {
        const struct pv_spawner_event event = {
            .kind = PV_SPAWN_FAILED, .id = ask->id, .errnum = EINVAL};
        tell(&event);
        return;
    }
    for (size_t i = 0; i < fd_count; i++) {
        fds[i] = move_fd(fds[i], 8);
    }
    start_host(s, ask, fds);
}

static void kill_host(const struct spawner *s, uint64_t id, int sig)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->children[i].id == id) {
            kill(s->children[i].pid, sig);
        }
    }
}

static bool is_host(const struct spawner *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->children[i].pid == pid) {
            return true;
        }
    }
    return false;
}

/* What a plugin had started falls to the spawner when its parent is gone: it ends here. */
static void kill_orphans(const struct spawner *s)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    int pid = 0;
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        if (!is_host(s, pid)) {
            kill(pid, SIGKILL);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void reap(struct spawner *s)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            return;
        }
        for (size_t i = 0; i < s->count; i++) {
            if (s->children[i].pid == pid) {
                struct pv_spawner_event event = {.kind = PV_SPAWN_EXITED,
                                                 .id = s->children[i].id,
                                                 .pid = pid,
                                                 .wait_status = status};
                s->count--;
                s->children[i] = s->children[s->count];
                tell(&event);
                break;
            }
        }
    }
}

/* One packet. False: the socket is closed. */
static bool handle_packet(struct spawner *s)
{
    static struct pv_spawner_ask ask;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * PV_SPAWNER_FDS)];
    } control;
    struct iovec iov = {.iov_base = &ask, .iov_len = sizeof(ask)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(SOCKET_FD, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) {
        return true;
    }
    if (n < (ssize_t)offsetof(struct pv_spawner_ask, text)) {
        return false;
    }
    int fds[PV_SPAWNER_FDS] = {-1, -1, -1, -1};
    size_t fd_count = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
        fd_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(head), fd_count * sizeof(int));
    }
    if (ask.kind == PV_SPAWN_ASK_START) {
        handle_start(s, &ask, fds, fd_count);
    } else if (ask.kind == PV_SPAWN_ASK_KILL) {
        kill_host(s, ask.id, ask.signal);
    } else if (ask.kind == PV_SPAWN_ASK_HOLD && fd_count == 1) {
        if (s->lock_fd >= 0) {
            close(s->lock_fd);
        }
        s->lock_fd = move_fd(fds[0], 8);
        fds[0] = -1;
    }
    for (size_t i = 0; i < PV_SPAWNER_FDS; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return true;
}

static void set_up(struct spawner *s, int fd, pid_t parent)
{
    prctl(PR_SET_NAME, "provost-spawner");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (s->null_fd < 0 || dup2(s->null_fd, 0) < 0 || dup2(s->null_fd, 1) < 0) {
        _exit(1);
    }
    if (fd != SOCKET_FD) {
        if (s->null_fd == SOCKET_FD) {
            s->null_fd = move_fd(s->null_fd, 8);
        }
        if (dup3(fd, SOCKET_FD, O_CLOEXEC) < 0) {
            _exit(1);
        }
    }
    /* Everything else that was open goes; what the spawner opens from here on stands at 8 or above.
     */
    int null_fd = fcntl(s->null_fd, F_DUPFD_CLOEXEC, 8);
    if (null_fd != 8 && (null_fd < 0 || dup3(null_fd, 8, O_CLOEXEC) < 0)) {
        _exit(1);
    }
    s->null_fd = 8;
    close_range(SOCKET_FD + 1, 7, 0);
    close_range(9, ~0U, 0);

    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        signal(ignored[i], SIG_IGN);
    }
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    s->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0) {
        _exit(1);
    }
    s->signal_fd = move_fd(s->signal_fd, 9);
}

int pv_spawner_main(int fd, pid_t parent)
{
    struct spawner s = {.signal_fd = -1, .lock_fd = -1, .null_fd = -1};
    set_up(&s, fd, parent);
    bool open = true;
    while (open) {
        struct pollfd wait[] = {{.fd = SOCKET_FD, .events = POLLIN},
                                {.fd = s.signal_fd, .events = POLLIN}};
        int ready = poll(wait, 2, s.count > 0 ? ORPHANS_MS : -1);
        if (ready < 0 && errno != EINTR) {
            break;
        }
        if (ready == 0) {
            kill_orphans(&s); /* nobody tells when a process falls to this one */
        }
        if (wait[1].revents) {
            struct signalfd_siginfo info;
            while (read(s.signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {}
            reap(&s);
            kill_orphans(&s);
        }
        if (wait[0].revents) {
            open = handle_packet(&s);
        }
    }
    for (size_t i = 0; i < s.count; i++) {
        kill(s.children[i].pid, SIGKILL);
    }
    for (size_t i = 0; i < s.count; i++) {
        waitpid(s.children[i].pid, NULL, 0);
    }
    s.count = 0;
    do {
        kill_orphans(&s);
    } while (waitpid(-1, NULL, 0) > 0);
    return 0;
}

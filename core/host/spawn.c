/* SPDX-License-Identifier: Apache-2.0 */
/* See spawn.h. libuv's own spawn has no place between fork and exec for limits. */
#include "core/host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_END, WRITE_END };

static void close_if_open(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int limit(int what, uint64_t most)
{
    const struct rlimit both = {most, most};
    return most == 0 ? 0 : setrlimit((__rlimit_resource_t)what, &both);
}

/* Between fork and exec: calls nothing but what a signal handler may. */
static int become(const struct provost_exec_request *req, const int *streams, pid_t parent)
{
    static char *no_env[] = {NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        return errno;
    }
    setsid();
    for (int i = 0; i < 3; i++) {
        if (dup2(streams[i], i) < 0) {
            return errno;
        }
    }
    for (int sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (limit(RLIMIT_CPU, req->cpu_s) != 0 || limit(RLIMIT_AS, req->memory_bytes) != 0 ||
        limit(RLIMIT_FSIZE, req->file_bytes) != 0 || limit(RLIMIT_NPROC, req->processes) != 0) {
        return errno;
    }
    execve(req->argv[0], (char *const *)(uintptr_t)req->argv,
           req->envp != NULL ? (char *const *)(uintptr_t)req->envp : no_env);
    return errno;
}

/* Waits until the child has become the program; 0, or why not. */
static int await_exec(pid_t pid, int told)
{
    int errnum = 0;
    ssize_t got = 0;
    do {
        got = read(told, &errnum, sizeof(errnum));
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        return 0;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return got == (ssize_t)sizeof(errnum) && errnum != 0 ? errnum : EIO;
}

/* All signals wait, so that no handler of this process runs in the child. */
static pid_t fork_quietly(const struct provost_exec_request *req, const int *streams, int tell)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        int errnum = become(req, streams, parent);
        ssize_t ignored = write(tell, &errnum, sizeof(errnum));
        (void)ignored;
        _exit(127);
    }
    int errnum = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = errnum;
    return pid;
}

static int start(const struct provost_exec_request *req, const int *streams, pid_t *ret_pid)
{
    int told[2] = {-1, -1};
    if (pipe2(told, O_CLOEXEC) != 0) {
        return errno;
    }
    /* Nothing of the host goes along but the three streams: not the socket to the daemon, not what
     * libraries and the plugin opened without care. */
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    pid_t pid = fork_quietly(req, streams, told[WRITE_END]);
    int failed = pid < 0 ? errno : 0;
    close(told[WRITE_END]);
    if (failed == 0) {
        failed = await_exec(pid, told[READ_END]);
    }
    close(told[READ_END]);
    *ret_pid = pid;
    return failed;
}

int pv_spawn(const struct provost_exec_request *req, struct pv_spawned *ret)
{
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    bool input = req->input != NULL && req->input_len > 0;
    struct pv_spawned spawned = {.pidfd = -1, .in = -1, .out = -1, .err = -1};
    int failed = 0;
    ret->began = false;
    if (!input) {
        in[READ_END] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if ((input ? pipe2(in, O_CLOEXEC) != 0 : in[READ_END] < 0) || pipe2(out, O_CLOEXEC) != 0 ||
        pipe2(err, O_CLOEXEC) != 0) {
        failed = errno;
        goto out;
    }
    const int streams[] = {in[READ_END], out[WRITE_END], err[WRITE_END]};
    failed = start(req, streams, &spawned.pid);
    if (failed != 0) {
        goto out;
    }
    ret->began = true;
    spawned.began = true;
    spawned.pidfd = pidfd_open(spawned.pid, 0);
    if (spawned.pidfd < 0) {
        failed = errno;
        kill(-spawned.pid, SIGKILL);
        while (waitpid(spawned.pid, NULL, 0) < 0 && errno == EINTR) {}
        goto out;
    }
    spawned.in = in[WRITE_END];
    spawned.out = out[READ_END];
    spawned.err = err[READ_END];
    in[WRITE_END] = out[READ_END] = err[READ_END] = -1;
    *ret = spawned;
out:
    for (int i = 0; i < 2; i++) {
        close_if_open(&in[i]);
        close_if_open(&out[i]);
        close_if_open(&err[i]);
    }
    return failed;
}

void pv_spawn_reap(const struct pv_spawned *spawned, int *ret_exit_status, int *ret_signal)
{
    int status = 0;
    pid_t pid = 0;
    do {
        pid = waitpid(spawned->pid, &status, 0);
    } while (pid < 0 && errno == EINTR);
    *ret_exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* flock(2) belongs to the open file, not to a process: every duplicate has to be closed before it
 * ends, which a killed process does by dying. The file holds the pid of the provostd that took the
 * lock. */
#include "core/daemon/hostlock.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define TRY_EVERY_NS 5000000

/* The pid in the file, or 0. */
static int holder(int fd)
{
    char text[32] = "";
    int64_t pid = 0;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0 || pv_str_to_i64((struct pv_str){text, (size_t)n}, &pid) != 0 || pid > INT32_MAX) {
        return 0;
    }
    return (int)pid;
}

static int wait_for(int fd, const char *path, struct pv_err *err)
{
    const struct timespec pause = {.tv_nsec = TRY_EVERY_NS};
    int64_t started_ms = pv_mono_ms(&pv_clock_system);
    bool said = false;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", path, strerror(errno));
        }
        int64_t waited_ms = pv_mono_ms(&pv_clock_system) - started_ms;
        if (waited_ms > PV_HOSTLOCK_WAIT_MS) {
            return pv_err_set(
                err, PV_ETIMEOUT,
                "%s: provostd with pid %d, or a plugin host that it left, still runs: "
                "end it, or give this one another database (`store`)",
                path, holder(fd));
        }
        if (!said) {
            said = true;
            pv_log(PV_INFO, (pv_lf_c("lock", path), pv_lf_i64("pid", holder(fd))),
                   "waiting until the plugin hosts of an earlier provostd are gone");
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Through a descriptor of its own: the one with the lock is for reading, because hosts get it. */
static void note_pid(const char *path)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)len) != len) {
        /* Only people read it. */
        pv_log(PV_WARN, (pv_lf_c("lock", path)), "cannot note the pid: %s", strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

int pv_hostlock_take(const char *path, int *ret_fd, struct pv_err *err)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno),
                          "%s: %s; the database's folder has to be writable for the user that "
                          "provostd runs as",
                          path, strerror(errno));
    }
    int status = wait_for(fd, path, err);
    if (status != 0) {
        close(fd);
        return status;
    }
    note_pid(path);
    *ret_fd = fd;
    return 0;
}

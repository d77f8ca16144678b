/* SPDX-License-Identifier: Apache-2.0 */
/* The spawner: what a host is given, what is reported, and that nothing outlives anything. */
#include "core/runner/spawner.h"

#include "core/wire/wire.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program; /* fake_host: ends with its socket */

static struct pv_spawner_event next_event(struct pv_spawner *spawner)
{
    struct pv_spawner_event event = {0};
    struct pollfd ready = {.fd = spawner->fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 20000), 1);
    assert_int_equal(pv_spawner_next(spawner, &event), 1);
    return event;
}

/* The test's end of the socket of a new host. */
static int start(struct pv_spawner *spawner, uint64_t id, const char *path)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    int page = memfd_create("page", MFD_CLOEXEC);
    assert_int_equal(ftruncate(page, 1 << 20), 0);
    assert_int_equal(pv_spawner_start(spawner, id, path, "pdns-1", fds[1], page, page, -1), 0);
    close(fds[1]);
    close(page);
    return fds[0];
}

/* Reads until end of file; the descriptor is closed. */
static void expect_eof(int fd)
{
    char bytes[256];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    do {
        assert_int_equal(poll(&ready, 1, 20000), 1);
    } while (read(fd, bytes, sizeof(bytes)) > 0);
    close(fd);
}

/* Until the program answers, so that it is the program that /proc shows. */
static void say_hello(int fd)
{
    struct pv_buf out;
    pv_buf_init(&out, 4096);
    const struct pv_wire_hello hello = {.version = PV_WIRE_VERSION, .settings = PV_STR("{}")};
    pv_wire_put_hello(&out, &hello);
    assert_int_equal(write(fd, out.ptr, out.len), out.len);
    pv_buf_done(&out);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 20000), 1);
}

static void read_file(const char *format, int pid, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), format, pid);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, out, size - 1);
    assert_true(n >= 0);
    for (ssize_t i = 0; i < n; i++) {
        out[i] = out[i] ? out[i] : ' ';
    }
    out[n] = '\0';
    close(fd);
}

static void starts_reports_and_ends(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    int fd = start(&spawner, 7, program);
    struct pv_spawner_event event = next_event(&spawner);
    assert_int_equal(event.kind, PV_SPAWN_STARTED);
    assert_int_equal(event.id, 7);

    say_hello(fd);
    char text[4096];
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "provost-host:pdns-1 --parent=%d ", (int)spawner.pid);
    read_file("/proc/%d/cmdline", event.pid, text, sizeof(text));
    assert_string_equal(text, wanted);
    read_file("/proc/%d/environ", event.pid, text, sizeof(text));
    assert_null(strstr(text, "HUSH"));
    assert_int_equal(getpgid(event.pid), event.pid);

    close(fd);
    struct pv_spawner_event end = next_event(&spawner);
    assert_int_equal(end.kind, PV_SPAWN_EXITED);
    assert_int_equal(end.pid, event.pid);
    assert_true(WIFEXITED(end.wait_status) && WEXITSTATUS(end.wait_status) == 0);
    assert_int_equal(pv_spawner_next(&spawner, &end), 0);
    pv_spawner_end(&spawner);
}

static void reports_why_not(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    int fd = start(&spawner, 8, "/nonexistent");
    assert_int_equal(next_event(&spawner).kind, PV_SPAWN_STARTED);
    struct pv_spawner_event event = next_event(&spawner);
    assert_int_equal(event.kind, PV_SPAWN_FAILED);
    assert_int_equal(event.errnum, ENOENT);
    close(fd);
    char path[8192];
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(pv_spawner_start(&spawner, 9, path, "x", 0, 0, 0, -1), PV_ETOOBIG);
    pv_spawner_end(&spawner);
}

static void kills_by_id(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    int fd = start(&spawner, 1, program);
    assert_int_equal(next_event(&spawner).kind, PV_SPAWN_STARTED);
    assert_int_equal(pv_spawner_kill(&spawner, 2, SIGKILL), 0); /* nobody */
    assert_int_equal(pv_spawner_kill(&spawner, 1, SIGKILL), 0);
    struct pv_spawner_event event = next_event(&spawner);
    assert_int_equal(event.kind, PV_SPAWN_EXITED);
    assert_true(WIFSIGNALED(event.wait_status));
    expect_eof(fd);
    pv_spawner_end(&spawner);
}

static void its_end_is_the_end_of_hosts(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    int fd = start(&spawner, 1, program);
    assert_int_equal(next_event(&spawner).kind, PV_SPAWN_STARTED);
    assert_int_equal(kill(spawner.pid, SIGKILL), 0);
    expect_eof(fd);
    struct pv_spawner_event event;
    struct pollfd ready = {.fd = spawner.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 20000), 1);
    assert_int_equal(pv_spawner_next(&spawner, &event), PV_ECLOSED);
    assert_int_equal(pv_spawner_kill(&spawner, 1, SIGKILL), PV_ECLOSED);
    pv_spawner_end(&spawner);

    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    fd = start(&spawner, 1, program);
    assert_int_equal(next_event(&spawner).kind, PV_SPAWN_STARTED);
    pv_spawner_end(&spawner);
    expect_eof(fd);
}

/* A process that has ended and been reaped, or has ended and not been reaped. */
static pid_t ended(bool reaped)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | (reaped ? 0 : WNOWAIT)), 0);
    return pid;
}

static void it_is_above_its_hosts_alone(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    int fd = start(&spawner, 1, program);
    struct pv_spawner_event host = next_event(&spawner);
    assert_int_equal(host.kind, PV_SPAWN_STARTED);
    assert_true(pv_spawner_above(&spawner, spawner.pid));
    assert_true(pv_spawner_above(&spawner, host.pid));
    assert_false(pv_spawner_above(&spawner, getpid()));
    assert_false(pv_spawner_above(&spawner, getppid()));
    assert_false(pv_spawner_above(&spawner, 1));
    assert_false(pv_spawner_above(&spawner, 0)); /* outside of this one's namespace of pids */
    close(fd);
    assert_int_equal(next_event(&spawner).kind, PV_SPAWN_EXITED);
    assert_true(pv_spawner_above(&spawner, host.pid));
    pv_spawner_end(&spawner);
}

/* Who is gone may have handed what it opened to a host. */
static void who_is_gone_may_have_been_below(void **state)
{
    (void)state;
    struct pv_spawner spawner;
    assert_int_equal(pv_spawner_fork(&spawner, NULL), 0);
    assert_true(pv_spawner_above(&spawner, ended(true)));
    pid_t zombie = ended(false); /* its parent is known still */
    assert_false(pv_spawner_above(&spawner, zombie));
    assert_int_equal(waitpid(zombie, NULL, 0), zombie);
    pv_spawner_end(&spawner);
}

/* As provostd's: killed, and its spawner and hosts follow; the lock is free only when they are
 * gone. */
static void hosts_hold_the_lock_and_die_with_the_daemon(void **state)
{
    (void)state;
    char path[] = "/tmp/provost-lock-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    int ends[2];
    int report[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t daemon = fork();
    assert_true(daemon >= 0);
    if (daemon == 0) {
        close(ends[0]);
        close(report[0]);
        struct pv_spawner spawner;
        struct pv_spawner_event event = {0};
        int page = memfd_create("page", MFD_CLOEXEC);
        int lock = open(path, O_RDONLY | O_CLOEXEC);
        bool ok = pv_spawner_fork(&spawner, NULL) == 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 &&
                  ftruncate(page, 1 << 20) == 0 && pv_spawner_hold(&spawner, lock) == 0 &&
                  pv_spawner_start(&spawner, 1, program, "x", ends[1], page, page, -1) == 0;
        close(lock);
        close(ends[1]);
        struct pollfd ready = {.fd = spawner.fd, .events = POLLIN};
        ok = ok && poll(&ready, 1, 20000) == 1 && pv_spawner_next(&spawner, &event) == 1;
        ssize_t n = write(report[1], ok ? "y" : "n", 1);
        (void)n;
        pause();
        _exit(0);
    }
    close(ends[1]);
    char ok = 'n';
    assert_int_equal(read(report[0], &ok, 1), 1);
    assert_int_equal(ok, 'y');
    assert_int_equal(flock(made, LOCK_EX | LOCK_NB), -1); /* spawner and host hold it */
    assert_int_equal(kill(daemon, SIGKILL), 0);
    waitpid(daemon, NULL, 0);
    alarm(20);
    assert_int_equal(flock(made, LOCK_EX), 0);
    alarm(0);
    expect_eof(ends[0]);
    close(report[0]);
    close(report[1]);
    close(made);
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FAKE_HOST\n", argv[0]);
        return 2;
    }
    program = argv[1];
    setenv("PASSWORD", "HUSH", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_reports_and_ends),
        cmocka_unit_test(reports_why_not),
        cmocka_unit_test(kills_by_id),
        cmocka_unit_test(its_end_is_the_end_of_hosts),
        cmocka_unit_test(it_is_above_its_hosts_alone),
        cmocka_unit_test(who_is_gone_may_have_been_below),
        cmocka_unit_test(hosts_hold_the_lock_and_die_with_the_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

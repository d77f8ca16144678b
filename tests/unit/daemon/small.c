/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's small parts: the command line, sd_notify, the lock of the hosts. */
#include "core/base/str.h"
#include "core/daemon/hostlock.h"
#include "core/daemon/notify.h"
#include "core/daemon/options.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int parse(char *const *words, struct pv_options *ret_options)
{
    int count = 0;
    while (words[count]) {
        count++;
    }
    return pv_options_parse(count, (char **)(uintptr_t)words, ret_options);
}

static void options_are_read(void **state)
{
    (void)state;
    struct pv_options options = {0};
    char *run[] = {"provostd", "-c", "a.yaml", NULL};
    assert_int_equal(parse(run, &options), -1);
    assert_string_equal(options.config, "a.yaml");
    assert_int_equal(options.task, PV_TASK_RUN);
    char *check[] = {"provostd", "--config=b.yaml", "--check", NULL};
    assert_int_equal(parse(check, &options), -1);
    assert_int_equal(options.task, PV_TASK_CHECK);
    char *migrate[] = {"provostd", "--migrate", "-c", "b.yaml", NULL};
    assert_int_equal(parse(migrate, &options), -1);
    assert_int_equal(options.task, PV_TASK_MIGRATE);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    struct pv_options options = {.config = "untouched"};
    char *none[] = {"provostd", NULL};
    char *more[] = {"provostd", "-c", "a", "b", NULL};
    char *unknown[] = {"provostd", "-c", "a", "--fast", NULL};
    assert_int_equal(parse(none, &options), PV_EXIT_USAGE);
    assert_int_equal(parse(more, &options), PV_EXIT_USAGE);
    assert_int_equal(parse(unknown, &options), PV_EXIT_USAGE);
    assert_string_equal(options.config, "untouched");
    char *version[] = {"provostd", "--version", NULL};
    char *help[] = {"provostd", "--help", NULL};
    assert_int_equal(parse(version, &options), PV_EXIT_OK);
    assert_int_equal(parse(help, &options), PV_EXIT_OK);
}

/* A service manager's socket; abstract when the name begins with '@'. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    return fd;
}

static void readiness_is_told(void **state)
{
    (void)state;
    char path[64];
    char abstract[64];
    snprintf(path, sizeof(path), "/tmp/provost-unit-%d", (int)getpid());
    snprintf(abstract, sizeof(abstract), "@provost-unit-%d", (int)getpid());
    const char *const names[] = {path, abstract};
    for (size_t i = 0; i < PV_COUNT(names); i++) {
        int fd = listen_at(names[i]);
        char own[32];
        snprintf(own, sizeof(own), "%d", (int)getpid());
        setenv("NOTIFY_SOCKET", names[i], 1);
        setenv("WATCHDOG_USEC", "3000000", 1);
        setenv("WATCHDOG_PID", i == 0 ? own : "1", 1);
        struct pv_notify notify;
        pv_notify_init(&notify);
        assert_int_equal(notify.watchdog_ms, i == 0 ? 1500 : 0); /* the other is not for us */
        assert_null(getenv("NOTIFY_SOCKET"));
        pv_notify_send(&notify, "READY=%d", 1);
        char text[64] = "";
        assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
        assert_string_equal(text, "READY=1");
        pv_notify_done(&notify);
        close(fd);
    }
    unlink(path);
}

static void nobody_listens(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "relative", "/nonexistent/socket"};
    for (size_t i = 0; i < PV_COUNT(names); i++) {
        unsetenv("NOTIFY_SOCKET");
        if (names[i]) {
            setenv("NOTIFY_SOCKET", names[i], 1);
        }
        struct pv_notify notify;
        pv_notify_init(&notify);
        assert_int_equal(notify.fd, -1);
        pv_notify_send(&notify, "READY=1");
        pv_notify_done(&notify);
    }
}

static void the_lock_is_taken_once(void **state)
{
    (void)state;
    char path[] = "/tmp/provost-lock-XXXXXX";
    int made = mkstemp(path);
    int fd = -1;
    struct pv_err err = {0};
    assert_int_equal(pv_hostlock_take(path, &fd, &err), 0);
    char text[32] = "";
    assert_true(pread(made, text, sizeof(text) - 1, 0) > 0);
    int64_t pid = 0;
    assert_int_equal(pv_str_to_i64(pv_str(text), &pid), 0);
    assert_int_equal(pid, getpid());
    assert_int_equal(flock(made, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY); /* hosts get it */
    int copy = dup(fd);
    close(fd);
    assert_int_equal(flock(made, LOCK_EX | LOCK_NB), -1); /* as a host holds it */
    close(copy);
    assert_int_equal(flock(made, LOCK_EX | LOCK_NB), 0);
    close(made);
    unlink(path);
    assert_int_equal(pv_hostlock_take("/nonexistent/lock", &fd, &err), PV_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent/lock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read),       cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(readiness_is_told),      cmocka_unit_test(nobody_listens),
        cmocka_unit_test(the_lock_is_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

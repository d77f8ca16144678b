/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `exec`: programs that answer, fail, talk too much, hang and ignore signals. */
#include "tests/unit/host/kit.h"

#include "core/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kit kit;
static char folder[] = "/tmp/provost-exec-XXXXXX";

static struct provost_exec_request request;
static struct provost_exec_result seen;
static int code;
static char output[2000];
static char errors[2000];
static char error_text[600];

static int step(struct provost_call *call)
{
    seen = (struct provost_exec_result){.struct_size = sizeof(seen)};
    code = call->host->exec(call, &request, &seen);
    snprintf(output, sizeof(output), "%s", seen.output != NULL ? seen.output : "");
    snprintf(errors, sizeof(errors), "%s", seen.errors != NULL ? seen.errors : "");
    snprintf(error_text, sizeof(error_text), "%s", call->host->error(call));
    return code == PROVOST_E_CANCELED ? PROVOST_CANCELED : PROVOST_OK;
}

static const struct provost_step create[] = {{.name = "exec", .run = step}, {0}};
static const struct provost_plugin plugin = {PROVOST_PLUGIN_HEAD, .flags = PROVOST_P_EXEC,
                                             .name = "runner", .create = create};
static const struct provost_plugin undeclared = {PROVOST_PLUGIN_HEAD, .name = "runner",
                                                 .create = create};

static int start(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, NULL);
    request = (struct provost_exec_request){.struct_size = sizeof(request)};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

static const struct kit_outcome *sh(const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", NULL};
    request.argv = argv;
    const struct kit_outcome *o = kit_run(&kit, "exec", NULL);
    request.argv = NULL;
    return o;
}

static void output_and_status_come_back(void **state)
{
    (void)state;
    const struct kit_outcome *o = sh("echo out; echo err >&2; exit 3");
    assert_int_equal(code, 0);
    assert_int_equal(seen.exit_status, 3);
    assert_int_equal(seen.signal, 0);
    assert_string_equal(output, "out\n");
    assert_string_equal(errors, "err\n");
    assert_int_equal(seen.output_len, 4);
    assert_true(o->touched);
    sh("kill -9 $$");
    assert_int_equal(code, 0);
    assert_int_equal(seen.exit_status, -1);
    assert_int_equal(seen.signal, SIGKILL);
}

static void input_and_environment_are_given(void **state)
{
    (void)state;
    static const char *const env[] = {"NAME=value", NULL};
    setenv("LEAKED", "yes", 1);
    request.input = "some input";
    request.input_len = 10;
    request.envp = env;
    sh("cat; echo \" $NAME $LEAKED.\"");
    assert_string_equal(output, "some input value .\n");
    request.envp = NULL;
    sh("echo \"$NAME.\""); /* does not read its input */
    assert_string_equal(output, ".\n");
}

static void nothing_goes_through_a_shell(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/echo", "$HOME; echo `id` *", NULL};
    request.argv = argv;
    kit_run(&kit, "exec", NULL);
    assert_string_equal(output, "$HOME; echo `id` *\n");
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    const char *const relative[] = {"echo", NULL};
    request.argv = relative;
    kit_run(&kit, "exec", NULL);
    assert_int_equal(code, PROVOST_E_INVALID);
    const char *const absent[] = {"/nowhere/program", NULL};
    request.argv = absent;
    kit_run(&kit, "exec", NULL);
    assert_int_equal(code, PROVOST_E_FAILED);
    assert_contains(error_text, "/nowhere/program: No such file");
    request.max_output_bytes = 17 * 1024 * 1024;
    kit_run(&kit, "exec", NULL);
    assert_int_equal(code, PROVOST_E_INVALID);
}

static void too_much_output_ends_it(void **state)
{
    (void)state;
    request.max_output_bytes = 1000;
    sh("while :; do echo more and more and more; done");
    assert_int_equal(code, PROVOST_E_TOO_BIG);
    sh("while :; do echo more and more and more >&2; done");
    assert_int_equal(code, PROVOST_E_TOO_BIG);
}

/* TERM first, to the whole group; KILL two seconds later to what ignores it. */
static void a_time_out_ends_the_group(void **state)
{
    (void)state;
    request.timeout_ms = 100;
    sh("trap 'echo bye' TERM; (while :; do sleep 60; done) & wait");
    assert_int_equal(code, PROVOST_E_TIMEOUT);
    assert_contains(error_text, "not done in 100 ms");
    sh("trap '' TERM; while :; do sleep 60; done");
    assert_int_equal(code, PROVOST_E_TIMEOUT);
}

/* A pipe with a name in `folder`, as $1 of a script. It hangs up when nobody has it open. */
static char fifo[64];

static int open_fifo(void)
{
    snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
    assert_return_code(mkfifo(fifo, 0600), errno);
    int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_return_code(fd, errno);
    return fd;
}

static const struct kit_outcome *sh_with_fifo(const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, "sh", fifo, NULL};
    request.argv = argv;
    const struct kit_outcome *o = kit_run(&kit, "exec", NULL);
    request.argv = NULL;
    return o;
}

static void assert_hangs_up(int fd)
{
    char bytes[100];
    struct pollfd polled = {.fd = fd};
    assert_int_equal(poll(&polled, 1, 30000), 1);
    assert_true((polled.revents & POLLHUP) != 0);
    while (read(fd, bytes, sizeof(bytes)) > 0) {}
}

/* The shell ends at TERM, what it started does not. */
static void a_child_that_ignores_the_end_is_killed(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "exec 9>\"$1\"; trap '' TERM; sleep 600 & trap - TERM; wait",
        "exec 9>\"$1\"; trap '' TERM; sleep 600 >&9 2>&9 & trap - TERM; wait",
    };
    int fd = open_fifo();
    request.timeout_ms = 500;
    for (size_t i = 0; i < 2; i++) {
        /* Should the time be over before the script has opened it, it hangs up all the same. */
        int held = open(fifo, O_WRONLY | O_CLOEXEC);
        assert_return_code(held, errno);
        sh_with_fifo(scripts[i]);
        assert_int_equal(code, PROVOST_E_TIMEOUT);
        close(held);
        assert_hangs_up(fd);
    }
    request.timeout_ms = 0;
    request.max_output_bytes = 1000;
    sh_with_fifo("exec 9>\"$1\"; trap '' TERM; sleep 600 >&9 2>&9 & trap - TERM; "
                 "while :; do echo more and more and more; done");
    assert_int_equal(code, PROVOST_E_TOO_BIG);
    assert_hangs_up(fd);
    close(fd);
    unlink(fifo);
}

static int64_t stands_still(void *ctx)
{
    (void)ctx;
    return 1000000;
}

/* Although the shell has ended: a child has its two seconds, which are not over here, to put things
 * in order. */
static void a_child_that_ends_by_itself_is_given_time(void **state)
{
    static const struct pv_clock still = {.mono_ms = stands_still, .wall_ms = stands_still};
    kit_clock = &still;
    start(state);
    int fd = open_fifo();
    const char *const argv[] = {"/bin/sh",
                                "-c",
                                "exec 9>\"$1\"; (trap 'sleep 0.1; printf b >&9; exit' TERM; "
                                "printf a >&9; while :; do sleep 0.1; done) & wait",
                                "sh",
                                fifo,
                                NULL};
    request.argv = argv;
    struct pv_wire_step frame = kit_step("exec", NULL);
    kit_send(&kit, 1, &frame);
    char got = '\0';
    while (read(fd, &got, 1) != 1) {
        kit_turn(&kit); /* until the child is there */
    }
    assert_int_equal(got, 'a');
    kit_cancel(&kit, 1);
    assert_int_equal(kit_wait(&kit, 1)->code, PV_OUT_CANCELED);
    ssize_t read_now = -1;
    while (read_now != 1) {
        kit_turn(&kit);
        read_now = read(fd, &got, 1);
        assert_int_not_equal(read_now, 0); /* killed before it was done */
    }
    assert_int_equal(got, 'b');
    close(fd);
    unlink(fifo);
    stop(state);
    kit_clock = NULL;
}

/* A child that keeps the pipes open does not hold the call up. */
static void a_leftover_child_is_not_awaited(void **state)
{
    (void)state;
    int64_t begun = pv_mono_ms(&pv_clock_system);
    sh("trap '' TERM HUP; sleep 60 & echo $!");
    assert_int_equal(code, 0);
    assert_true(pv_mono_ms(&pv_clock_system) - begun < 30000);
    kill((pid_t)strtol(output, NULL, 10), SIGKILL);
}

static void cancel_ends_it(void **state)
{
    (void)state;
    char mark[64];
    snprintf(mark, sizeof(mark), "%s/mark", folder);
    const char *const argv[] = {
        "/bin/sh", "-c", "trap '' TERM; : > \"$1\"; while :; do sleep 60; done", "sh", mark, NULL};
    request.argv = argv;
    struct pv_wire_step frame = kit_step("exec", NULL);
    kit_send(&kit, 1, &frame);
    while (access(mark, F_OK) != 0) {
        kit_turn(&kit); /* until the shell ignores SIGTERM */
    }
    unlink(mark);
    kit_cancel(&kit, 1);
    assert_int_equal(kit_wait(&kit, 1)->code, PV_OUT_CANCELED);
    /* kit_stop waits until the host has ended and reaped it. */
}

static void it_must_be_declared(void **state)
{
    (void)state;
    kit_start(&kit, &undeclared, NULL);
    const struct kit_outcome *o = sh("true");
    assert_int_equal(code, PROVOST_E_DENIED);
    assert_false(o->touched);
    kit_stop(&kit);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(output_and_status_come_back),
        WITH_HOST(input_and_environment_are_given),
        WITH_HOST(nothing_goes_through_a_shell),
        WITH_HOST(wrong_requests_are_refused),
        WITH_HOST(too_much_output_ends_it),
        WITH_HOST(a_time_out_ends_the_group),
        WITH_HOST(a_leftover_child_is_not_awaited),
        WITH_HOST(cancel_ends_it),
        WITH_HOST(a_child_that_ignores_the_end_is_killed),
        cmocka_unit_test(a_child_that_ends_by_itself_is_given_time),
        cmocka_unit_test(it_must_be_declared),
    };
    if (pv_base_init() != 0 || mkdtemp(folder) == NULL) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* provost-host as a process, driven over its socket as the daemon does, with a plugin that crashes,
 * loops, exits and overflows its stack. */
#include "tests/unit/unit.h"

#include "tests/unit/crashes.h"

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/wire/page.h"
#include "core/wire/reach.h"
#include "core/wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static const char *host_path;
static const char *plugin_dir;

struct daemon {
    pid_t pid;
    int socket;
    int log; /* the host's standard error */
    struct pv_page *page;
    struct pv_buf in;
    struct pv_wire_outcome outcome; /* strings borrow from kept */
    struct pv_buf kept;
    bool reaped;
    int status;
};

/* What hosts may reach here: their modules and a few programs, and nothing to write. */
static int make_reach(void)
{
    struct pv_reach reach = {0};
    assert_int_equal(pv_reach_add(&reach.read, pv_str(plugin_dir)), 0);
    /* of the step "lists" */
    static const char *const programs[] = {"/bin/sh", "/usr/bin/readlink", "/usr/bin/tr"};
    for (size_t i = 0; i < PV_COUNT(programs); i++) {
        assert_int_equal(pv_reach_add(&reach.exec, pv_str(programs[i])), 0);
    }
    assert_int_equal(pv_reach_add(&reach.read, PV_STR("/proc")), 0);
    int fd = -1;
    assert_int_equal(pv_reach_to_fd(&reach, &fd, NULL), 0);
    return fd;
}

static void start_host(struct daemon *d, const char *parent)
{
    *d = (struct daemon){.pid = -1};
    int sockets[2];
    int log[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    int page = memfd_create("page", MFD_CLOEXEC);
    assert_int_equal(ftruncate(page, sizeof(struct pv_page)), 0);
    d->page = mmap(NULL, sizeof(struct pv_page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    assert_ptr_not_equal(d->page, MAP_FAILED);
    int reach = make_reach();
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0) {
        /* Numbers above those that are wanted, so that nothing is overwritten on the way. */
        int s = fcntl(sockets[1], F_DUPFD, 20);
        int p = fcntl(page, F_DUPFD, 20);
        dup2(log[1], STDERR_FILENO);
        dup2(s, 3);
        int r = fcntl(reach, F_DUPFD, 20);
        dup2(p, 4);
        dup2(r, PV_REACH_FD);
        execl(host_path, "provost-host", parent, NULL);
        _exit(99);
    }
    close(sockets[1]);
    close(log[1]);
    close(page);
    close(reach);
    d->socket = sockets[0];
    d->log = log[0];
    pv_buf_init(&d->in, (size_t)PV_FRAME_MAX * 2);
    pv_buf_init(&d->kept, (size_t)PV_FRAME_MAX * 2);
}

static void send_frames(struct daemon *d, struct pv_buf *out)
{
    assert_int_equal(out->status, 0);
    assert_int_equal(send(d->socket, out->ptr, out->len, MSG_NOSIGNAL), out->len);
    pv_buf_done(out);
}

static void send_hello(struct daemon *d, const char *module, const char *settings)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", plugin_dir, module);
    const struct pv_wire_hello hello = {.version = PV_WIRE_VERSION,
                                        .instance = PV_STR("bad-1"),
                                        .module = pv_str(path),
                                        .data_dir = PV_STR("/"),
                                        .settings = pv_str(settings)};
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_hello(&out, &hello);
    send_frames(d, &out);
}

/* The next frame, answering asks on the way; false at the end of the stream. */
static bool next_frame(struct daemon *d, struct pv_frame *ret)
{
    pv_buf_clear(&d->kept);
    for (;;) {
        size_t used = 0;
        int got = pv_frame_next(pv_buf_view(&d->in), ret, &used);
        assert_true(got >= 0);
        if (got == 1) {
            /* Kept, because the view moves when the buffer is consumed. */
            pv_buf_str(&d->kept, ret->payload);
            pv_buf_consume(&d->in, used);
            ret->payload = pv_buf_view(&d->kept);
            return true;
        }
        struct pollfd poll_fd = {.fd = d->socket, .events = POLLIN};
        if (poll(&poll_fd, 1, PATIENCE_MS) != 1) {
            fail_msg("the host says nothing");
        }
        char bytes[65536];
        ssize_t n = recv(d->socket, bytes, sizeof(bytes), 0);
        if (n <= 0) {
            return false;
        }
        assert_int_equal(pv_buf_put(&d->in, bytes, (size_t)n), 0);
    }
}

static void answer_ask(struct daemon *d, const struct pv_frame *frame)
{
    struct pv_wire_ask ask;
    assert_int_equal(pv_wire_get_ask(frame, &ask), 0);
    const struct pv_wire_answer answer = {.ask = ask.ask};
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_answer(&out, frame->call, &answer);
    send_frames(d, &out);
}

/* Waits for a frame of this type; false when the stream ends first. */
static bool wait_for(struct daemon *d, uint16_t type, uint64_t call, struct pv_frame *ret)
{
    while (next_frame(d, ret)) {
        if (ret->type == PV_F_ASK) {
            answer_ask(d, ret);
        }
        if (ret->type == type && ret->call == call) {
            return true;
        }
    }
    return false;
}

static void open_host(struct daemon *d)
{
    char parent[32];
    snprintf(parent, sizeof(parent), "--parent=%d", (int)getpid());
    start_host(d, parent);
    send_hello(d, "bad.so", "{\"token\": \"s3cr3t\"}");
    struct pv_frame frame;
    assert_true(wait_for(d, PV_F_READY, 0, &frame));
}

static void send_step(struct daemon *d, uint64_t call, const char *name)
{
    const struct pv_wire_step step = {.slot = (uint32_t)call,
                                      .run = 1,
                                      .attempt = 1,
                                      .op = {{1}},
                                      .service = {{2}},
                                      .operation = PV_STR("create"),
                                      .component = PV_STR("site"),
                                      .step = pv_str(name),
                                      .ref = PV_STR("s"),
                                      .input = PV_STR("{}"),
                                      .state = PV_STR("{}")};
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_step(&out, call, &step);
    send_frames(d, &out);
}

static void send_empty(struct daemon *d, uint16_t type, uint64_t call)
{
    struct pv_buf out;
    pv_buf_init(&out, 1024);
    pv_wire_put_empty(&out, type, call);
    send_frames(d, &out);
}

static bool outcome_of(struct daemon *d, uint64_t call)
{
    struct pv_frame frame;
    if (!wait_for(d, PV_F_OUTCOME, call, &frame)) {
        return false;
    }
    assert_int_equal(pv_wire_get_outcome(&frame, &d->outcome), 0);
    return true;
}

/* Waits for the end of the process; its log is put into text. */
static int reap(struct daemon *d, char *text, size_t size)
{
    size_t len = 0;
    for (;;) {
        char bytes[4096];
        struct pollfd poll_fd = {.fd = d->log, .events = POLLIN};
        if (poll(&poll_fd, 1, PATIENCE_MS) != 1) {
            fail_msg("the host does not end");
        }
        ssize_t n = read(d->log, bytes, sizeof(bytes));
        if (n <= 0) {
            break;
        }
        size_t take = (size_t)n < size - 1 - len ? (size_t)n : size - 1 - len;
        memcpy(text + len, bytes, take);
        len += take;
    }
    text[len] = '\0';
    int status = 0;
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    close(d->socket);
    close(d->log);
    munmap(d->page, sizeof(struct pv_page));
    pv_buf_done(&d->in);
    pv_buf_done(&d->kept);
    return status;
}

static char log_text[65536];

#define assert_contains(text, part) assert_non_null(strstr((text), (part)))

static void runs_steps_and_stops(void **state)
{
    (void)state;
    struct daemon d;
    open_host(&d);
    send_step(&d, 1, "fine");
    assert_true(outcome_of(&d, 1));
    assert_int_equal(d.outcome.code, PV_OUT_OK);
    assert_int_equal(d.outcome.touched, 0);
    send_step(&d, 2, "keeps_state");
    assert_true(outcome_of(&d, 2));
    assert_int_equal(d.outcome.code, PV_OUT_OK);
    assert_true(pv_str_eq_c(d.outcome.state, "{\"id\": 7}"));
    send_step(&d, 3, "garbage");
    assert_true(outcome_of(&d, 3));
    assert_int_equal(d.outcome.code, PV_OUT_UNKNOWN);
    send_step(&d, 4, "naps");
    send_empty(&d, PV_F_STOP, 0);
    assert_true(outcome_of(&d, 4));
    assert_int_equal(d.outcome.code, PV_OUT_CANCELED);
    int status = reap(&d, log_text, sizeof(log_text));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void gives_up_what_it_does_not_need(void **state)
{
    (void)state;
    struct daemon d;
    setenv("PROVOST_TEST_SECRET", "leaked", 1);
    int leaked = open("/etc/passwd", O_RDONLY); /* without CLOEXEC */
    open_host(&d);
    close(leaked);
    send_step(&d, 1, "tells");
    assert_true(outcome_of(&d, 1));
    char result[1000];
    assert_int_equal(pv_str_to_c(d.outcome.result, result, sizeof(result)), 0);
    assert_string_equal(result, "{\"environment\": 0, \"fds\": 0, \"dumpable\": 0, "
                                "\"no_new_privs\": 1, \"core\": 1, \"cwd\": \"/\"}");
    send_step(&d, 2, "lists");
    assert_true(outcome_of(&d, 2));
    assert_int_equal(pv_str_to_c(d.outcome.result, result, sizeof(result)), 0);
    /* /dev/null and two pipes are its streams, one pipe is the shell's own. */
    assert_non_null(strstr(result, "pipe:"));
    assert_null(strstr(result, "socket:"));
    assert_null(strstr(result, "memfd:"));
    assert_null(strstr(result, "anon_inode:"));
    send_empty(&d, PV_F_STOP, 0);
    reap(&d, log_text, sizeof(log_text));
}

/* A neighbour sleeps untouched; the culprit is named on the page, whatever way it takes the process
 * down. */
static void culprits_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int signal;
        const char *log;
        uint32_t mark;
    } cases[] = {
        {"null_pointer", SIGSEGV, "crashed (SIGSEGV) in operation op_", PV_SLOT_RUNNING},
        {"aborts", SIGABRT, "aborted (SIGABRT) in operation op_", PV_SLOT_RUNNING},
        {"overflows", SIGSEGV, "crashed (SIGSEGV) in operation op_", PV_SLOT_RUNNING},
        {"exits", 0, "called exit in operation op_", PV_SLOT_RUNNING},
        {"thread_crash", SIGSEGV, "crashed (SIGSEGV) in operation op_", PV_SLOT_TOUCHED},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct daemon d;
        open_host(&d);
        send_step(&d, 10, "naps");
        send_step(&d, 11, cases[i].step);
        assert_false(outcome_of(&d, 11));
        /* A thread's crash is noted by the handler only. */
        if (!sanitized() || cases[i].mark != PV_SLOT_TOUCHED) {
            assert_true((d.page->crashed != 0 ? d.page->crashed : d.page->current) == 11);
        }
        assert_true(d.page->slot[11].call == 11);
        assert_int_equal(d.page->slot[11].mark, cases[i].mark);
        assert_true(d.page->slot[10].call == 10);
        assert_int_equal(d.page->slot[10].mark, PV_SLOT_RUNNING);
        int status = reap(&d, log_text, sizeof(log_text));
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, cases[i].signal);
        if (!sanitized()) {
            assert_contains(log_text, cases[i].log);
            assert_contains(log_text, cases[i].step);
        }
    }
}

static void a_stuck_loop_shows(void **state)
{
    (void)state;
    struct daemon d;
    open_host(&d);
    send_step(&d, 1, "loops");
    while (d.page->current != 1) {
        sched_yield();
    }
    int64_t beat = d.page->heartbeat_ms;
    int64_t begun = pv_mono_ms(&pv_clock_system);
    while (pv_mono_ms(&pv_clock_system) - begun < 500) {
        sched_yield();
    }
    assert_true(d.page->heartbeat_ms == beat);
    assert_true(d.page->current == 1);
    kill(d.pid, SIGKILL);
    reap(&d, log_text, sizeof(log_text));
}

/* When the daemon goes, the host goes, even with a plugin that does not listen. */
static void ends_with_the_daemon(void **state)
{
    (void)state;
    struct daemon d;
    open_host(&d);
    send_step(&d, 1, "naps");
    struct pv_buf out;
    pv_buf_init(&out, 64);
    while (d.page->slot[1].mark != PV_SLOT_RUNNING) {
        sched_yield();
    }
    shutdown(d.socket, SHUT_RDWR);
    int status = reap(&d, log_text, sizeof(log_text));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    pv_buf_done(&out);
}

static void faults_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *module;
        const char *settings;
        const char *fault;
    } cases[] = {
        {"absent.so", "{}", "cannot load"},
        {"nothing.so", "{}", "is no Provost plugin"},
        {"unnamed.so", "{}", "name is missing"},
        {"bad.so", "{\"token\": \"refuse-me\"}", "bad: token ****** is refused"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        char parent[32];
        snprintf(parent, sizeof(parent), "--parent=%d", (int)getpid());
        struct daemon d;
        start_host(&d, parent);
        send_hello(&d, cases[i].module, cases[i].settings);
        struct pv_frame frame;
        assert_true(wait_for(&d, PV_F_FAULT, 0, &frame));
        struct pv_str text;
        assert_int_equal(pv_wire_get_text(&frame, &text), 0);
        char sentence[4096];
        assert_int_equal(pv_str_to_c(text, sentence, sizeof(sentence)), 0);
        assert_contains(sentence, cases[i].fault);
        int status = reap(&d, log_text, sizeof(log_text));
        assert_int_equal(WEXITSTATUS(status), 3);
    }
}

static void nonsense_ends_it(void **state)
{
    (void)state;
    struct daemon d;
    open_host(&d);
    struct pv_buf out;
    pv_buf_init(&out, 64);
    pv_buf_c(&out, "GET / HTTP/1.1\r\n\r\n");
    send_frames(&d, &out);
    int status = reap(&d, log_text, sizeof(log_text));
    assert_int_equal(WEXITSTATUS(status), 4);
    assert_contains(log_text, "makes no sense");
}

static void an_orphan_does_not_start(void **state)
{
    (void)state;
    struct daemon d;
    start_host(&d, "--parent=1");
    int status = reap(&d, log_text, sizeof(log_text));
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_contains(log_text, "is gone");
    start_host(&d, "--nonsense");
    status = reap(&d, log_text, sizeof(log_text));
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_contains(log_text, "usage");
}

static void describes_on_standard_output(void **state)
{
    (void)state;
    char module[4096];
    char json[20000];
    int out[2];
    snprintf(module, sizeof(module), "%s/bad.so", plugin_dir);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(host_path, "provost-host", "--describe", module, NULL);
        _exit(99);
    }
    close(out[1]);
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < sizeof(json) - 1) {
        n = read(out[0], json + len, sizeof(json) - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    json[len] = '\0';
    close(out[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_contains(json, "{\"name\": \"bad\", \"version\": \"1.0.0\"");
    assert_contains(json, "\"secret\": true");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_steps_and_stops),
        cmocka_unit_test(gives_up_what_it_does_not_need),
        cmocka_unit_test(culprits_are_known),
        cmocka_unit_test(a_stuck_loop_shows),
        cmocka_unit_test(ends_with_the_daemon),
        cmocka_unit_test(faults_are_explained),
        cmocka_unit_test(nonsense_ends_it),
        cmocka_unit_test(an_orphan_does_not_start),
        cmocka_unit_test(describes_on_standard_output),
    };
    if (argc != 3 || pv_base_init() != 0) {
        fputs("usage: unit-host-process PROVOST-HOST PLUGIN-FOLDER\n", stderr);
        return 1;
    }
    crash_by_signal();
    host_path = argv[1];
    plugin_dir = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

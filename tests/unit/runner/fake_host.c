/* SPDX-License-Identifier: Apache-2.0 */
/* A host without plugins, for tests of the runner: what it does with a step is the step's name, and
 * what it does at its start stands in the settings. One thread; ends with its socket. */
#include "core/base/clock.h"
#include "core/wire/page.h"
#include "core/wire/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_IN_TURN 11u /* asks of which each waits for the answer to the one before */
#define LAST_IN_TURN 13u

static struct pv_page *page;
static struct pv_buf out;
static char settings[1024];
static uint64_t waiting[PV_PAGE_SLOTS];
static bool deaf[PV_PAGE_SLOTS];

static int64_t now_ms(void)
{
    return pv_mono_ms(&pv_clock_system);
}

static void flush_out(void)
{
    size_t at = 0;
    while (at < out.len) {
        ssize_t n = write(3, out.ptr + at, out.len - at);
        if (n <= 0) {
            exit(0);
        }
        at += (size_t)n;
    }
    pv_buf_clear(&out);
}

static void put_outcome(uint64_t call, int code, struct pv_str text)
{
    const struct pv_wire_outcome outcome = {
        .code = (uint8_t)code, .retry_after_ms = -1, .text = text};
    pv_wire_put_outcome(&out, call, &outcome);
}

/* With a result, or with a state document. */
static void put_document(uint64_t call, bool state, struct pv_str json)
{
    const struct pv_str none = PV_STR("");
    const struct pv_wire_outcome outcome = {.code = PV_OUT_OK,
                                            .state_changed = state ? 1 : 0,
                                            .retry_after_ms = -1,
                                            .text = json,
                                            .state = state ? json : none,
                                            .result = state ? none : json};
    pv_wire_put_outcome(&out, call, &outcome);
}

static void put_ask(uint64_t call, uint32_t number)
{
    const struct pv_wire_ask ask = {.ask = number, .kind = PV_ASK_KV_GET, .name = PV_STR("k")};
    pv_wire_put_ask(&out, call, &ask);
}

static void mark(uint32_t slot, uint64_t call, int how_far)
{
    atomic_store(&page->slot[slot].call, call);
    atomic_store(&page->slot[slot].mark, (uint32_t)how_far);
    atomic_store(&page->slot[slot].last_send_ms, how_far >= PV_SLOT_TOUCHED ? now_ms() : 0);
}

static void wait_for_cancel(uint32_t slot, uint64_t call)
{
    waiting[slot] = call;
}

static void grow(void)
{
    size_t size = 64u << 20;
    volatile char *memory = malloc(size);
    for (size_t i = 0; memory && i < size; i += 1024) {
        memory[i] = 1;
    }
}

static void stay_busy(void)
{
    for (volatile unsigned long turns = 0;; turns++) {}
}

static void *on_spinning(void *unused)
{
    (void)unused;
    stay_busy();
    return NULL;
}

/* A thread that works for the call in that slot, or for none that it says. */
static void spin(uint32_t slot, bool named)
{
    char name[16];
    pthread_t thread;
    snprintf(name, sizeof(name), PV_PAGE_THREAD_NAME, slot);
    if (pthread_create(&thread, NULL, on_spinning, NULL) != 0 ||
        (named && pthread_setname_np(thread, name) != 0)) {
        abort();
    }
}

/* A program that is as large as `grow`. */
static void grow_below(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        grow();
        pause();
        _exit(0);
    }
}

/* A process that has left the host's session and family; its pid. */
static pid_t detach(void)
{
    int ends[2];
    pid_t pid = -1;
    if (pipe(ends) != 0) {
        abort();
    }
    pid_t between = fork();
    if (between == 0) {
        setsid();
        pid = fork();
        if (pid == 0) {
            alarm(60); /* its own end where nobody ends it */
            pause();
            _exit(0);
        }
        _exit(write(ends[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid) ? 0 : 1);
    }
    close(ends[1]);
    if (between < 0 || waitpid(between, NULL, 0) != between ||
        read(ends[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid)) {
        abort();
    }
    close(ends[0]);
    return pid;
}

static void on_step(uint64_t call, const struct pv_wire_step *step)
{
    struct pv_str name = step->step;
    bool touched = pv_str_starts(name, "touched");
    mark(step->slot, call, touched ? PV_SLOT_TOUCHED : PV_SLOT_RUNNING);
    if (pv_str_eq_c(name, "ok")) {
        put_outcome(call, PV_OUT_OK, step->input);
    } else if (pv_str_eq_c(name, "timeout")) {
        char text[32];
        snprintf(text, sizeof(text), "%u", step->timeout_ms);
        put_outcome(call, PV_OUT_OK, pv_str(text));
    } else if (pv_str_eq_c(name, "signal_key")) {
        put_outcome(call, PV_OUT_OK, step->signal_key);
    } else if (pv_str_eq_c(name, "received")) {
        mark(step->slot, call, PV_SLOT_RECEIVED);
        wait_for_cancel(step->slot, call);
    } else if (pv_str_eq_c(name, "wait") || pv_str_eq_c(name, "touched_wait")) {
        wait_for_cancel(step->slot, call);
    } else if (pv_str_eq_c(name, "deaf")) {
        deaf[step->slot] = true;
    } else if (pv_str_eq_c(name, "grow")) {
        grow();
        wait_for_cancel(step->slot, call);
    } else if (pv_str_eq_c(name, "grow_below")) {
        grow_below();
        wait_for_cancel(step->slot, call);
    } else if (pv_str_eq_c(name, "detach")) {
        char text[32];
        snprintf(text, sizeof(text), "%d", (int)detach());
        put_outcome(call, PV_OUT_OK, pv_str(text));
    } else if (pv_str_eq_c(name, "spin") || pv_str_eq_c(name, "spin_unnamed")) {
        spin(step->slot, pv_str_eq_c(name, "spin"));
        wait_for_cancel(step->slot, call);
    } else if (pv_str_eq_c(name, "garbage")) {
        flush_out();
        pv_buf_c(&out, "HTTP/1.1 200 OK\r\n\r\n");
    } else if (pv_str_eq_c(name, "foreign")) {
        put_outcome(call + 1000000, PV_OUT_OK, PV_STR(""));
    } else if (pv_str_eq_c(name, "malformed")) {
        size_t start = pv_frame_begin(&out, PV_F_OUTCOME, call);
        pv_buf_u8(&out, 77);
        pv_frame_end(&out, start);
    } else if (pv_str_eq_c(name, "unknown_type")) {
        pv_frame_end(&out, pv_frame_begin(&out, 99, call));
    } else if (pv_str_eq_c(name, "wrong_way")) {
        pv_wire_put_empty(&out, PV_F_CANCEL, call);
    } else if (pv_str_eq_c(name, "ask")) {
        put_ask(call, 7);
    } else if (pv_str_eq_c(name, "result")) {
        put_document(call, false, step->input);
    } else if (pv_str_eq_c(name, "state")) {
        put_document(call, true, step->input);
    } else if (pv_str_eq_c(name, "save")) {
        const struct pv_wire_ask ask = {.ask = 7, .kind = PV_ASK_STATE_SAVE, .text = step->input};
        pv_wire_put_ask(&out, call, &ask);
    } else if (pv_str_eq_c(name, "ask_in_turn")) {
        put_ask(call, FIRST_IN_TURN);
    } else if (pv_str_eq_c(name, "ask_at_once")) {
        put_ask(call, 7);
        put_ask(call, 8);
    } else if (pv_str_eq_c(name, "chatter")) {
        for (int i = 0; i < 1500; i++) {
            pv_wire_put_progress(&out, call, i % 100, PV_STR("on and on"));
            pv_wire_put_log(&out, call, 1, PV_STR("on and on"));
        }
        put_outcome(call, PV_OUT_OK, PV_STR(""));
    } else if (pv_str_eq_c(name, "progress")) {
        pv_wire_put_progress(&out, call, 40, PV_STR("almost"));
        pv_wire_put_log(&out, call, 1, PV_STR("a line of the plugin"));
        put_outcome(call, PV_OUT_OK, PV_STR(""));
    } else {
        atomic_store(&page->current, call);
        flush_out();
        if (pv_str_eq_c(name, "exit")) {
            exit(0);
        } else if (pv_str_eq_c(name, "loop")) {
            stay_busy();
        } else if (pv_str_eq_c(name, "nobody_crash")) {
            atomic_store(&page->current, 0);
        }
        abort();
    }
}

static void on_query(uint64_t call, const struct pv_wire_query *query)
{
    mark(query->slot, call, PV_SLOT_RUNNING);
    if (pv_str_eq_c(query->name, "settings")) {
        put_outcome(call, PV_OUT_OK, pv_str(settings));
    } else if (pv_str_eq_c(query->name, "result")) {
        put_document(call, false, query->input);
    } else if (pv_str_eq_c(query->name, "deaf")) {
        deaf[query->slot] = true;
    } else if (pv_str_eq_c(query->name, "crash")) {
        atomic_store(&page->current, call);
        abort();
    } else if (pv_str_eq_c(query->name, "ask")) {
        put_ask(call, 1);
    }
}

static void on_hello(const struct pv_wire_hello *hello)
{
    if (hello->settings.len >= sizeof(settings)) {
        exit(4);
    }
    memcpy(settings, hello->settings.ptr, hello->settings.len);
    if (strstr(settings, "start-fault")) {
        pv_wire_put_text(&out, PV_F_FAULT, PV_STR("url: cannot be reached"));
        flush_out();
        exit(3);
    } else if (strstr(settings, "start-crash")) {
        abort();
    } else if (strstr(settings, "start-hang")) {
        stay_busy();
    }
    if (strstr(settings, "start-malformed")) {
        size_t start = pv_frame_begin(&out, PV_F_READY, 0);
        pv_buf_u32(&out, 1000); /* so long, and nothing comes */
        pv_frame_end(&out, start);
        return;
    }
    pv_wire_put_text(&out, PV_F_READY, PV_STR("{}"));
}

static void cancel(uint64_t call)
{
    for (size_t i = 0; i < PV_PAGE_SLOTS; i++) {
        if (waiting[i] != 0 && (call == 0 || waiting[i] == call)) {
            put_outcome(waiting[i], PV_OUT_CANCELED, PV_STR("canceled"));
            waiting[i] = 0;
        }
    }
}

static void on_frame(const struct pv_frame *frame)
{
    struct pv_wire_hello hello;
    struct pv_wire_step step;
    struct pv_wire_query query;
    struct pv_wire_answer answer;
    if (frame->type == PV_F_HELLO && pv_wire_get_hello(frame, &hello) == 0) {
        on_hello(&hello);
    } else if (frame->type == PV_F_STEP && pv_wire_get_step(frame, &step) == 0) {
        on_step(frame->call, &step);
    } else if (frame->type == PV_F_QUERY && pv_wire_get_query(frame, &query) == 0) {
        on_query(frame->call, &query);
    } else if (frame->type == PV_F_ANSWER && pv_wire_get_answer(frame, &answer) == 0) {
        if (answer.ask >= FIRST_IN_TURN && answer.ask < LAST_IN_TURN) {
            put_ask(frame->call, answer.ask + 1);
        } else {
            put_outcome(frame->call, PV_OUT_OK, answer.value);
        }
    } else if (frame->type == PV_F_CANCEL) {
        cancel(frame->call);
    } else if (frame->type == PV_F_STOP) {
        if (strstr(settings, "stop-never")) {
            return;
        }
        cancel(0);
        flush_out();
        exit(0);
    } else if (frame->type != PV_F_LEASE) {
        exit(4);
    }
}

int main(void)
{
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
    struct stat st;
    if (page == MAP_FAILED || fstat(3, &st) != 0 || fcntl(5, F_GETFD) < 0 ||
        fcntl(6, F_GETFD) != -1) {
        return 2;
    }
    pv_buf_init(&out, PV_FRAME_MAX);
    static struct pv_buf in;
    pv_buf_init(&in, 2 * PV_FRAME_MAX);
    for (;;) {
        atomic_store(&page->heartbeat_ms, now_ms());
        struct pollfd ready = {.fd = 3, .events = POLLIN};
        if (poll(&ready, 1, 50) == 0) {
            continue;
        }
        char *room = pv_buf_reserve(&in, 65536);
        ssize_t n = room ? read(3, room, 65536) : 0;
        if (n <= 0) {
            return 0;
        }
        in.len += (size_t)n;
        struct pv_frame frame;
        size_t used = 0;
        while (pv_frame_next(pv_buf_view(&in), &frame, &used) == 1) {
            on_frame(&frame);
            pv_buf_consume(&in, used);
        }
        flush_out();
    }
}

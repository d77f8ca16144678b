/* SPDX-License-Identifier: Apache-2.0 */
/* Only async-signal-safe calls in here: the line is put together by hand and written with write. */
#include "core/host/crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#define ALT_BYTES 16384

static _Thread_local struct pv_page *at_page;
static _Thread_local uint64_t at_call;
static _Thread_local const char *at_label;
static _Thread_local char alt_stack[ALT_BYTES];
static bool installed;

static void add(char *line, size_t size, size_t *len, const char *text)
{
    for (const char *p = text; *p != '\0' && *len + 1 < size; p++) {
        /* Names cannot hold quotes; an external id could. */
        line[(*len)++] = *p == '"' || *p == '\\' || (unsigned char)*p < 0x20 ? '_' : *p;
    }
}

static void add_raw(char *line, size_t size, size_t *len, const char *text)
{
    for (const char *p = text; *p != '\0' && *len + 1 < size; p++) {
        line[(*len)++] = *p;
    }
}

static void write_line(const char *what)
{
    char line[512];
    size_t len = 0;
    add_raw(line, sizeof(line), &len,
            "{\"level\":\"error\",\"program\":\"provost-host\",\"message\":\"");
    add(line, sizeof(line), &len, what);
    add(line, sizeof(line), &len, " in ");
    add(line, sizeof(line), &len, at_label != NULL ? at_label : "the host itself");
    add_raw(line, sizeof(line), &len, "\"}\n");
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

static void mark_page(void)
{
    if (at_page != NULL && at_call != 0) {
        atomic_store(&at_page->crashed, at_call);
    }
}

#ifndef HAVE_ASAN
static const char *signal_text(int number)
{
    switch (number) {
    case SIGSEGV:
        return "crashed (SIGSEGV)";
    case SIGBUS:
        return "crashed (SIGBUS)";
    case SIGFPE:
        return "crashed (SIGFPE)";
    case SIGILL:
        return "crashed (SIGILL)";
    default:
        return "aborted (SIGABRT)";
    }
}

/* SA_RESETHAND has put the default back: raising it again ends the process by the same signal. */
static void on_signal(int number)
{
    mark_page();
    write_line(signal_text(number));
    raise(number);
}
#endif

/* A plugin has called exit. What other handlers would tear down, or a leak check look at, still
 * stands under its coroutine: the process ends here. */
static void on_exit_call(int status, void *unused)
{
    (void)unused;
    if (at_call != 0) {
        mark_page();
        write_line("called exit");
        _exit(status);
    }
}

void pv_crash_thread(void)
{
    if (installed) {
        stack_t stack = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};
        sigaltstack(&stack, NULL);
    }
}

void pv_crash_install(void)
{
    on_exit(on_exit_call, NULL);
#ifndef HAVE_ASAN
    installed = true;
    pv_crash_thread();
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action = {.sa_flags = SA_ONSTACK | (int)SA_RESETHAND | SA_NODEFER};
        action.sa_handler = on_signal;
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
#endif
}

void pv_crash_enter(struct pv_page *page, uint64_t call, const char *label)
{
    at_page = page;
    at_label = label;
    at_call = call;
}

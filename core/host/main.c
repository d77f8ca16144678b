/* SPDX-License-Identifier: Apache-2.0 */
/* provost-host: one plugin instance in a process of its own. Descriptor 3 is a stream socket to
 * provostd, 4 the status page, 5 its reach; docs/wire.md has the protocol.
 * Restricts itself before it loads the module. With --describe MODULE it prints what the module
 * declares instead. */
#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/host/crash.h"
#include "core/host/host.h"
#include "core/host/launch.h"
#include "core/host/restrict.h"
#include "core/json/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_FD 3
#define PAGE_FD 4
#define QUEUED_MAX ((size_t)64 * 1024 * 1024)
#define GOODBYE_MS 2000
#define DESCRIPTION_MAX ((size_t)4 * 1024 * 1024)
#define SETTINGS_MAX ((size_t)1024 * 1024 + 1)

enum { EXIT_USAGE = 2, EXIT_FAULT = 3, EXIT_BROKEN = 4 };

struct process {
    uv_loop_t loop;
    uv_pipe_t socket;
    uv_signal_t term;
    uv_timer_t goodbye; /* a plugin that ignores cancel does not keep an orphan alive */
    struct pv_host *host;
    bool lost; /* the daemon closed the socket */
    bool ended;
    int exit_status;
    size_t queued;
    char chunk[64 * 1024];
};

struct outgoing {
    uv_write_t write;
    struct process *process;
    size_t len;
    char bytes[];
};

static void on_host_closed(void *user)
{
    struct process *p = user;
    p->host = NULL;
    uv_close((uv_handle_t *)&p->socket, NULL);
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->goodbye, NULL);
}

static void close_when_written(struct process *p)
{
    if (p->ended && (p->queued == 0 || p->lost) && p->host != NULL) {
        struct pv_host *host = p->host;
        p->host = NULL;
        pv_host_close(host, on_host_closed, p);
    }
}

static void lose(struct process *p)
{
    if (p->lost) {
        return;
    }
    p->lost = true;
    uv_read_stop((uv_stream_t *)&p->socket);
    if (p->host != NULL && !p->ended) {
        pv_host_stop(p->host);
    }
    close_when_written(p);
}

static void on_goodbye(uv_timer_t *timer)
{
    (void)timer;
    _exit(0);
}

static void on_written(uv_write_t *write, int status)
{
    struct outgoing *out = write->data;
    struct process *p = out->process;
    p->queued -= out->len;
    pv_free(out);
    if (status < 0 && status != UV_ECANCELED) {
        lose(p);
    }
    close_when_written(p);
}

static void on_frames(void *user, struct pv_str bytes)
{
    struct process *p = user;
    if (p->lost) {
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    int done = p->queued == 0 ? uv_try_write((uv_stream_t *)&p->socket, &buf, 1) : 0;
    if (done < 0 && done != UV_EAGAIN) {
        lose(p);
        return;
    }
    size_t sent = done > 0 ? (size_t)done : 0;
    if (sent == bytes.len) {
        return;
    }
    size_t len = bytes.len - sent;
    struct outgoing *out = p->queued + len <= QUEUED_MAX ? pv_malloc(sizeof(*out) + len) : NULL;
    if (out == NULL) {
        pv_log_plain(PV_ERROR, "provostd does not read what this host sends");
        _exit(EXIT_BROKEN);
    }
    *out = (struct outgoing){.process = p, .len = len};
    memcpy(out->bytes, bytes.ptr + sent, len);
    out->write.data = out;
    buf = uv_buf_init(out->bytes, (unsigned)len);
    p->queued += len;
    if (uv_write(&out->write, (uv_stream_t *)&p->socket, &buf, 1, on_written) != 0) {
        p->queued -= len;
        pv_free(out);
        lose(p);
    }
}

static void on_ended(void *user, int exit_status)
{
    struct process *p = user;
    p->ended = true;
    p->exit_status = exit_status;
    close_when_written(p);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct process *p = handle->data;
    *ret = uv_buf_init(p->chunk, sizeof(p->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct process *p = stream->data;
    if (got < 0) {
        uv_timer_start(&p->goodbye, on_goodbye, GOODBYE_MS, 0);
        lose(p);
        return;
    }
    if (p->host != NULL && pv_host_feed(p->host, (struct pv_str){bytes->base, (size_t)got}) != 0) {
        pv_log_plain(PV_ERROR, "provostd sent what makes no sense");
    }
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    struct process *p = handle->data;
    if (p->host != NULL && !p->ended) {
        pv_host_stop(p->host);
    }
}

static struct pv_page *map_page(struct pv_err *err)
{
    struct stat st;
    if (fstat(PAGE_FD, &st) != 0 || (size_t)st.st_size < sizeof(struct pv_page)) {
        pv_err_set(err, PV_EINVAL, "descriptor 4 is no status page of %zu bytes",
                   sizeof(struct pv_page));
        return NULL;
    }
    void *page = mmap(NULL, sizeof(struct pv_page), PROT_READ | PROT_WRITE, MAP_SHARED, PAGE_FD, 0);
    if (page == MAP_FAILED) {
        pv_err_set(err, PV_EIO, "cannot map the status page: %m");
        return NULL;
    }
    close(PAGE_FD); /* the mapping stays; programs that a plugin runs have no use for it */
    return page;
}

static int fail(const char *what, int exit_status)
{
    pv_log_plain(PV_ERROR, "%s", what);
    return exit_status;
}

/* It cannot be restricted as planned: says so as of a module that cannot be used. */
static int refuse(const char *why)
{
    struct pv_buf frame;
    pv_buf_init(&frame, 4096);
    pv_wire_put_text(&frame, PV_F_FAULT, pv_str(why));
    if (frame.status == 0) {
        (void)!write(SOCKET_FD, frame.ptr, frame.len);
    }
    pv_buf_done(&frame);
    return fail(why, EXIT_FAULT);
}

/* The host is a program of its own, and this process becomes it, in its data folder. The page stays
 * open for it. */
static int become(const struct pv_reach *reach)
{
    struct pv_err err = {0};
    char *words[PV_REACH_PATHS_MAX + 1] = {NULL};
    for (size_t i = 0; i < reach->command.count; i++) {
        words[i] = pv_strndup(reach->command.items[i].ptr, reach->command.items[i].len);
        if (words[i] == NULL) {
            return refuse("out of memory");
        }
    }
    if (pv_host_restrict(reach, PAGE_FD + 1, &err) != 0) {
        return refuse(err.text);
    }
    return pv_launch(words, &err) != 0 ? refuse(err.text) : 0;
}

static int serve(int parent, bool trace)
{
    struct pv_err err = {0};
    static struct pv_reach reach;
    if (pv_host_tie(parent, &err) != 0 || pv_host_read_reach(&reach, &err) != 0) {
        return fail(err.text, EXIT_USAGE);
    }
    if (reach.command.count > 0) {
        return become(&reach);
    }
    struct pv_page *page = map_page(&err);
    if (page == NULL) {
        return fail(err.text, EXIT_USAGE);
    }
    if (pv_host_restrict(&reach, PAGE_FD + 1, &err) != 0) {
        return refuse(err.text);
    }
    pv_crash_install();
    static struct process p;
    const struct pv_host_opts opts = {.page = page,
                                      .own_process = true,
                                      .trace = trace,
                                      .guarded = (reach.flags & PV_REACH_UNCONFINED) == 0,
                                      .reach = &reach};
    const struct pv_host_callbacks callbacks = {.out = on_frames, .ended = on_ended, .user = &p};
    if (uv_loop_init(&p.loop) != 0 || uv_pipe_init(&p.loop, &p.socket, 0) != 0 ||
        uv_pipe_open(&p.socket, SOCKET_FD) != 0) {
        return fail("descriptor 3 is no stream socket", EXIT_USAGE);
    }
    uv_signal_init(&p.loop, &p.term);
    uv_timer_init(&p.loop, &p.goodbye);
    p.socket.data = &p;
    p.term.data = &p;
    p.goodbye.data = &p;
    if (pv_host_new(&p.loop, &opts, &callbacks, &p.host, &err) != 0) {
        return fail(err.text, EXIT_BROKEN);
    }
    uv_signal_start(&p.term, on_term, SIGTERM);
    uv_unref((uv_handle_t *)&p.term);
    if (uv_read_start((uv_stream_t *)&p.socket, on_room, on_read) != 0) {
        return fail("descriptor 3 cannot be read", EXIT_USAGE);
    }
    uv_run(&p.loop, UV_RUN_DEFAULT);
    uv_loop_close(&p.loop);
    return p.exit_status;
}

/* Standard input to its end. */
static int read_settings(struct pv_buf *settings, struct pv_err *err)
{
    char chunk[4096];
    size_t got = 0;
    do {
        got = fread(chunk, 1, sizeof(chunk), stdin);
        pv_buf_put(settings, chunk, got);
    } while (got > 0);
    if (ferror(stdin)) {
        return pv_err_set(err, PV_EIO, "the settings cannot be read: %m");
    }
    int status = pv_buf_char(settings, '\0');
    return status == 0 ? 0 : pv_err_set(err, status, "settings: %s", pv_status_text(status));
}

/* MODULE [--settings] [--unconfined] [--required] [--read PATH ...], or options before --command
 * PROGRAM ARGUMENT... */
static int describe_options(int argc, char **argv, struct pv_reach *reach, bool *with_settings,
                            char ***ret_words)
{
    int first = strncmp(argv[0], "--", 2) == 0 ? 0 : 1;
    reach->module = first == 1 ? pv_str(argv[0]) : PV_STR("");
    for (int i = first; i < argc; i++) {
        if (first == 0 && strcmp(argv[i], "--command") == 0 && i + 1 < argc) {
            *ret_words = argv + i + 1;
            return 0;
        }
        if (strcmp(argv[i], "--settings") == 0) {
            *with_settings = true;
        } else if (strcmp(argv[i], "--unconfined") == 0) {
            reach->flags |= PV_REACH_UNCONFINED;
        } else if (strcmp(argv[i], "--required") == 0) {
            reach->flags &= ~(uint32_t)PV_REACH_BEST_EFFORT;
        } else if (strcmp(argv[i], "--read") == 0 && i + 1 < argc) {
            i++;
            if (pv_reach_add(&reach->read, pv_str(argv[i])) != 0) {
                return PV_ETOOBIG;
            }
        } else {
            return PV_EINVAL;
        }
    }
    return first == 1 ? 0 : PV_EINVAL;
}

/* Goes on where the kernel lacks something, unless --required says otherwise. */
static struct pv_reach describing = {.flags = PV_REACH_BEST_EFFORT};

static int restrict_program(char *const *words, struct pv_err *err)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        int status = pv_reach_add(&describing.command, pv_str(words[i]));
        if (status != 0) {
            return pv_err_set(err, status, "more than %d words", PV_REACH_PATHS_MAX);
        }
    }
    return pv_host_restrict(&describing, PAGE_FD + 1, err);
}

static int describe(int argc, char **argv)
{
    char **words = NULL;
    struct pv_err err = {0};
    struct pv_buf json;
    struct pv_buf settings;
    pv_buf_init(&json, DESCRIPTION_MAX);
    pv_buf_init(&settings, SETTINGS_MAX);
    bool with_settings = false;
    if (describe_options(argc, argv, &describing, &with_settings, &words) != 0) {
        return fail("--describe: an unknown argument, or too many paths", EXIT_USAGE);
    }
    int status = words == NULL ? pv_host_restrict(&describing, STDERR_FILENO + 1, &err) : 0;
    if (status == 0 && with_settings) {
        status = read_settings(&settings, &err);
    }
    if (status == 0 && words != NULL) {
        struct pv_str given = {settings.ptr, with_settings ? settings.len - 1 : 0};
        status = pv_launch_describe(words, given, restrict_program, &json, &err);
    } else if (status == 0) {
        status = pv_host_describe(argv[0], with_settings ? settings.ptr : NULL, &json, &err);
    }
    pv_buf_done(&settings);
    if (status != 0) {
        pv_buf_done(&json);
        return fail(err.text, EXIT_FAULT);
    }
    bool written = fwrite(json.ptr, 1, json.len, stdout) == json.len && putchar('\n') != EOF &&
                   fflush(stdout) == 0;
    pv_buf_done(&json);
    return written ? 0 : fail("cannot write the description", EXIT_BROKEN);
}

int main(int argc, char **argv)
{
    pv_log_setup(STDERR_FILENO, -1, PV_INFO, "provost-host");
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (pv_base_init() != 0) {
        return fail("libsodium does not start", EXIT_BROKEN);
    }
    pv_json_setup();
    if (argc >= 3 && strcmp(argv[1], "--describe") == 0) {
        return describe(argc - 2, argv + 2);
    }
    int64_t parent = 0;
    bool trace = argc > 1 && strcmp(argv[argc - 1], "--trace") == 0;
    argc -= trace ? 1 : 0;
    bool parent_given = argc == 2 && strncmp(argv[1], "--parent=", 9) == 0 &&
                        pv_str_to_i64(pv_str(argv[1] + 9), &parent) == 0 && parent > 0 &&
                        parent <= INT32_MAX;
    if (argc != 1 && !parent_given) {
        fputs("usage: provost-host [--parent=PID] [--trace]\n"
              "       provost-host --describe MODULE [OPTION...] [--read PATH ...]\n"
              "       provost-host --describe [OPTION...] --command PROGRAM ARGUMENT...\n"
              "                                 --settings: JSON on standard input; --unconfined;\n"
              "                                 --required: not where it cannot be confined\n"
              "provostd starts it, with a socket as descriptor 3, the status page as 4 and its "
              "reach as 5.\n",
              stderr);
        return EXIT_USAGE;
    }
    return serve((int)parent, trace);
}

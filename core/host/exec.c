/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `exec`: a program in a process group of its own, with its output caught. The
 * program outlives a canceled call until it has been ended and reaped, so it lives on the heap. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/base/secret.h"
#include "core/host/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 30000u
#define KILL_AFTER_MS 2000
#define DRAIN_MS 1000
#define OUTPUT_MAX (1024u * 1024)
#define OUTPUT_MOST (16u * 1024 * 1024)
#define INPUT_MAX ((size_t)4 * 1024 * 1024)

struct program {
    struct pv_host *host;
    struct pv_link link;  /* in host->programs until it has been reaped */
    struct pv_wait *wait; /* NULL: nobody waits any more */
    struct pv_spawned child;
    uv_poll_t ended; /* of its pidfd */
    uv_pipe_t in;
    uv_pipe_t out;
    uv_pipe_t err;
    uv_write_t write;
    char *input; /* a copy: it may outlive the call */
    size_t input_len;
    struct pv_buf output;
    struct pv_buf errors;
    struct pv_timer timer;
    bool watched; /* `ended` is initialised */
    bool exited;  /* until it is reaped, its pid holds the group's number for kill_group */
    bool finished;
    int exit_status; /* -1 when a signal ended it */
    int signal;
    int result;         /* PROVOST_E_TIMEOUT or _TOO_BIG once that is clear */
    int64_t kill_at_ms; /* what ends the group's time to end by itself; once result is set */
    int streams_open;   /* of out and err */
    int handles;        /* not closed yet */
    char chunk[16384];
};

static void free_program(struct program *p)
{
    struct pv_host *host = p->host;
    if (p->input != NULL) {
        pv_wipe(p->input, p->input_len);
    }
    pv_free(p->input);
    pv_buf_done(&p->output);
    pv_buf_done(&p->errors);
    pv_free(p);
    pv_host_release(host);
}

static void on_closed(uv_handle_t *handle)
{
    struct program *p = handle->data;
    p->handles--;
    if (handle == (uv_handle_t *)&p->ended) {
        close(p->child.pidfd);
    }
    if (p->handles == 0 && p->wait == NULL) {
        free_program(p);
    }
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_closed);
    }
}

static void kill_group(struct program *p, int number)
{
    if (p->child.pid > 0) {
        kill(-p->child.pid, number);
    }
}

/* Once it has ended, or is about to. What is left of its group ends too, unless it came to its end
 * in time: then what it leaves behind is its own affair. */
static void reap(struct program *p)
{
    if (p->child.pid > 0) {
        if (p->result != 0) {
            kill_group(p, SIGKILL);
        }
        pv_spawn_reap(&p->child, &p->exit_status, &p->signal);
        p->child.pid = 0;
    }
}

/* Everything is known: closes what is left and wakes the call. */
static void finish(struct program *p)
{
    if (p->finished) {
        return;
    }
    p->finished = true;
    reap(p);
    pv_list_remove(&p->link);
    pv_timer_stop(p->host, &p->timer);
    if (p->watched) {
        close_handle((uv_handle_t *)&p->ended);
    }
    close_handle((uv_handle_t *)&p->in);
    close_handle((uv_handle_t *)&p->out);
    close_handle((uv_handle_t *)&p->err);
    if (p->wait != NULL) {
        pv_wait_done(p->wait, p->result);
    }
}

static void finish_if_over(struct program *p)
{
    if (p->exited && p->streams_open == 0) {
        finish(p);
    }
}

static void on_kill_time(struct pv_timer *timer)
{
    struct program *p = PV_CONTAINER(timer, struct program, timer);
    if (p->exited) {
        finish(p); /* a child of it holds the pipes: what it wrote until now is the output */
        return;
    }
    kill_group(p, SIGKILL);
}

/* Asks it to end, and makes it end two seconds later. */
static void end_program(struct program *p, int result)
{
    p->result = p->result != 0 ? p->result : result;
    kill_group(p, SIGTERM);
    p->kill_at_ms = pv_host_now(p->host) + KILL_AFTER_MS;
    p->timer.fire = on_kill_time;
    if (pv_timer_start(p->host, &p->timer, p->kill_at_ms) != 0) {
        kill_group(p, SIGKILL);
    }
}

void pv_exec_close(struct pv_host *host)
{
    struct pv_link *next = NULL;
    for (struct pv_link *l = host->programs.next; l != &host->programs; l = next) {
        next = l->next;
        struct program *p = PV_CONTAINER(l, struct program, link);
        kill_group(p, SIGKILL);
        if (p->exited) {
            finish(p); /* nothing else would: there are no timers any more */
        }
    }
}

static void on_timeout(struct pv_timer *timer)
{
    end_program(PV_CONTAINER(timer, struct program, timer), PROVOST_E_TIMEOUT);
}

static void on_ended(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct program *p = poll->data;
    uv_poll_stop(poll);
    p->exited = true;
    finish_if_over(p);
    if (!p->finished && p->host->closed != NULL) {
        finish(p); /* there are no timers any more */
    } else if (!p->finished) {
        int64_t drained_ms = pv_host_now(p->host) + DRAIN_MS;
        p->timer.fire = on_kill_time;
        if (pv_timer_start(p->host, &p->timer, p->result != 0 ? p->kill_at_ms : drained_ms) != 0) {
            p->result = p->result != 0 ? p->result : PROVOST_E_LOST;
            finish(p);
        }
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)suggested;
    struct program *p = handle->data;
    *ret = uv_buf_init(p->chunk, sizeof(p->chunk));
}

static void on_output(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct program *p = stream->data;
    if (got == 0) {
        return;
    }
    if (got < 0) {
        close_handle((uv_handle_t *)stream);
        p->streams_open--;
        finish_if_over(p);
        return;
    }
    struct pv_buf *buf = stream == (uv_stream_t *)&p->out ? &p->output : &p->errors;
    bool fits = buf->status == 0 && pv_buf_put(buf, bytes->base, (size_t)got) == 0;
    if (!fits && p->result == 0) {
        end_program(p, buf->status == PV_ENOMEM ? PROVOST_E_LOST : PROVOST_E_TOO_BIG);
    }
}

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* a program need not read its input */
    struct program *p = write->data;
    close_handle((uv_handle_t *)&p->in);
}

struct waiting {
    struct pv_wait wait;
    struct program *program;
};

static void cancel_program(struct pv_wait *wait)
{
    struct waiting *w = PV_CONTAINER(wait, struct waiting, wait);
    w->program->wait = NULL;
    end_program(w->program, PROVOST_E_CANCELED);
    pv_wait_done(wait, PROVOST_E_CANCELED);
}

/* ---- Starting ---- */

static struct program *new_program(struct pv_call *call, const struct provost_exec_request *req)
{
    struct program *p = pv_calloc(1, sizeof(*p));
    if (p == NULL) {
        return NULL;
    }
    p->host = call->host;
    if (req->input_len > 0) {
        p->input = pv_malloc(req->input_len);
        if (p->input == NULL) {
            pv_free(p);
            return NULL;
        }
        memcpy(p->input, req->input, req->input_len);
        p->input_len = req->input_len;
    }
    pv_buf_init(&p->output, req->max_output_bytes);
    pv_buf_init(&p->errors, req->max_output_bytes);
    uv_pipe_t *const pipes[] = {&p->in, &p->out, &p->err};
    for (size_t i = 0; i < 3; i++) {
        uv_pipe_init(call->host->loop, pipes[i], 0);
        pipes[i]->data = p;
    }
    p->ended.data = p;
    p->write.data = p;
    p->handles = 3;
    pv_host_hold(call->host);
    return p;
}

/* The pipes of its streams and the pidfd, on the loop. 0 or a libuv error. */
static int attach(struct program *p)
{
    int failed = uv_poll_init(p->host->loop, &p->ended, p->child.pidfd);
    if (failed != 0) {
        close(p->child.pidfd);
        close(p->child.out);
        close(p->child.err);
        if (p->child.in >= 0) {
            close(p->child.in);
        }
        return failed;
    }
    p->watched = true;
    p->handles++;
    failed = uv_poll_start(&p->ended, UV_READABLE, on_ended);
    const int fds[] = {p->child.in, p->child.out, p->child.err};
    uv_pipe_t *const pipes[] = {&p->in, &p->out, &p->err};
    for (size_t i = 0; i < 3; i++) {
        int opened = fds[i] >= 0 ? uv_pipe_open(pipes[i], fds[i]) : 0;
        if (opened != 0) {
            close(fds[i]);
            failed = opened;
        }
    }
    return failed;
}

static int spawn(struct program *p, const struct provost_exec_request *req)
{
    int errnum = pv_spawn(req, &p->child);
    if (errnum != 0) {
        return uv_translate_sys_error(errnum);
    }
    int failed = attach(p);
    if (failed != 0) {
        kill_group(p, SIGKILL);
        reap(p);
        return failed;
    }
    pv_list_push(&p->host->programs, &p->link);
    p->streams_open = 2;
    uv_read_start((uv_stream_t *)&p->out, on_room, on_output);
    uv_read_start((uv_stream_t *)&p->err, on_room, on_output);
    if (p->input != NULL) {
        uv_buf_t bytes = uv_buf_init(p->input, (unsigned)p->input_len);
        if (uv_write(&p->write, (uv_stream_t *)&p->in, &bytes, 1, on_written) != 0) {
            close_handle((uv_handle_t *)&p->in);
        }
    }
    return 0;
}

/* ---- The call ---- */

static int check(struct pv_call *call, const struct provost_exec_request *request,
                 const struct provost_exec_result *result, struct provost_exec_request *ret)
{
    if ((call->host->module.plugin.flags & PROVOST_P_EXEC) == 0) {
        return pv_call_fail(call, PROVOST_E_DENIED,
                            "exec: the plugin does not declare "
                            "PROVOST_P_EXEC");
    }
    if (!pv_struct_in(ret, sizeof(*ret), request,
                      offsetof(struct provost_exec_request, timeout_ms)) ||
        result == NULL || result->struct_size < offsetof(struct provost_exec_result, output)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "exec: set struct_size of both structs");
    }
    if (ret->argv == NULL || ret->argv[0] == NULL || ret->argv[0][0] != '/') {
        return pv_call_fail(call, PROVOST_E_INVALID, "exec: argv[0] must be an absolute path");
    }
    if (ret->input_len > INPUT_MAX) {
        return pv_call_fail(call, PROVOST_E_TOO_BIG, "exec: at most %zu bytes of input", INPUT_MAX);
    }
    ret->input_len = ret->input != NULL ? ret->input_len : 0;
    ret->timeout_ms = pv_call_time_left(call, ret->timeout_ms > 0 ? ret->timeout_ms : TIMEOUT_MS);
    ret->max_output_bytes = ret->max_output_bytes > 0 ? ret->max_output_bytes : OUTPUT_MAX;
    if (ret->max_output_bytes > OUTPUT_MOST) {
        return pv_call_fail(call, PROVOST_E_INVALID, "exec: max_output_bytes is at most %u",
                            OUTPUT_MOST);
    }
    return 0;
}

static int take_result(struct pv_call *call, struct program *p, int code,
                       struct provost_exec_result *result)
{
    struct provost_exec_result out = {.exit_status = p->exit_status, .signal = p->signal};
    if (code == 0) {
        char *output = pv_memory_str(&call->memory, pv_buf_view(&p->output));
        char *errors = pv_memory_str(&call->memory, pv_buf_view(&p->errors));
        out.output = output != NULL ? output : "";
        out.output_len = output != NULL ? p->output.len : 0;
        out.errors = errors != NULL ? errors : "";
        out.errors_len = errors != NULL ? p->errors.len : 0;
        if (output == NULL || errors == NULL) {
            code = pv_call_fail(call, PROVOST_E_LOST, "exec: out of memory for the output");
        }
    } else {
        out.output = "";
        out.errors = "";
    }
    pv_struct_out(result, result->struct_size, &out, sizeof(out));
    return code;
}

static int failure(struct pv_call *call, int code, const struct provost_exec_request *req)
{
    if (code == PROVOST_E_TIMEOUT) {
        return pv_call_fail(call, code, "exec %s: not done in %u ms", req->argv[0],
                            req->timeout_ms);
    }
    if (code == PROVOST_E_LOST) {
        return pv_call_fail(call, code, "exec %s: out of memory while it ran", req->argv[0]);
    }
    if (code == PROVOST_E_TOO_BIG) {
        return pv_call_fail(call, code, "exec %s: more than %u bytes of output", req->argv[0],
                            req->max_output_bytes);
    }
    return code;
}

int pv_call_exec(struct provost_call *pub, const struct provost_exec_request *request,
                 struct provost_exec_result *result)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    struct provost_exec_request req;
    int code = pv_call_check_send(call);
    if (code == 0) {
        code = check(call, request, result, &req);
    }
    if (code != 0) {
        return code;
    }
    struct program *p = new_program(call, &req);
    if (p == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    pv_call_touch(call);
    struct waiting w = {.wait = {.call = call, .cancel = cancel_program}, .program = p};
    PV_FAULT("host.exec.before");
    int failed = spawn(p, &req);
    if (failed != 0) {
        code = p->child.began ? PROVOST_E_LOST : PROVOST_E_FAILED;
        finish(p);
        if (p->handles == 0) {
            free_program(p);
        }
        return pv_call_fail(call, code, "exec %s: %s", req.argv[0], strerror(-failed));
    }
    p->wait = &w.wait;
    p->timer.fire = on_timeout;
    if (pv_timer_start(call->host, &p->timer, pv_host_now(call->host) + req.timeout_ms) != 0) {
        end_program(p, PROVOST_E_LOST);
    }
    code = pv_call_wait(call, &w.wait);
    PV_FAULT("host.exec.after");
    if (w.wait.result == PROVOST_E_CANCELED) {
        return code; /* the program is its callbacks' since, and may be gone already */
    }
    code = take_result(call, p, failure(call, code, &req), result);
    p->wait = NULL;
    if (p->handles == 0) {
        free_program(p);
    }
    return code;
}

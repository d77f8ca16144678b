/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between provostd and its hosts: what was put into a host's buffer during a turn of the loop
 * goes out in one write at its end; what comes in is cut into frames and handed on. A host is not
 * trusted: a frame that makes no sense is its end. */
#include "core/runner/internal.h"

#include "core/base/fault.h"
#include "core/base/jsontext.h"
#include "core/base/log.h"
#include "core/base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64 * 1024)
#define READS_A_TURN 4
#define LINES_A_CALL 1001u /* LOG and PROGRESS each: 1,000, and that more were dropped */

static void want_write(struct host *host, bool wanted)
{
    int events = UV_READABLE | (wanted ? UV_WRITABLE : 0);
    if (host->polling && !host->eof && events != host->poll_events) {
        host->poll_events = events;
        uv_poll_start(&host->poll, events, pv_host_on_poll);
    }
}

/* Sends from *at on. 1: everything is out; 0: the socket is full; negative: it is closed. */
static int send_from(int fd, const struct pv_buf *buf, size_t *at)
{
    while (*at < buf->len) {
        ssize_t n = send(fd, buf->ptr + *at, buf->len - *at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN ? 0 : PV_ECLOSED;
        }
        *at += (size_t)n;
    }
    return 1;
}

void pv_host_flush(struct host *host)
{
    if (host->fd < 0 || host->eof) {
        return;
    }
    if (host->out.status != 0) {
        snprintf(host->fault, sizeof(host->fault), "it does not read what it is sent");
        pv_host_kill(host, PV_END_STUCK, 0);
        return;
    }
    int done = 1;
    if (host->hello.len > 0) {
        done = send_from(host->fd, &host->hello, &host->out_at);
        if (done == 1) {
            pv_wipe(host->hello.ptr, host->hello.size);
            pv_buf_done(&host->hello);
            host->out_at = 0;
        }
    }
    if (done == 1 && host->ready) {
        done = send_from(host->fd, &host->out, &host->out_at);
        if (done == 1) {
            pv_buf_clear(&host->out);
            host->out_at = 0;
        } else if (host->out_at > 1024 * 1024) {
            pv_buf_consume(&host->out, host->out_at);
            host->out_at = 0;
        }
    }
    want_write(host, done == 0);
}

/* ---- frames ------------------------------------------------------------------------------------
 */

/* Ends a host that broke the protocol; the call it spoke of is to blame. */
static void refuse(struct host *host, uint64_t named, const char *what)
{
    snprintf(host->fault, sizeof(host->fault), "%s", what);
    struct call *call = named ? pv_calls_find(host->hosts, named) : NULL;
    pv_host_kill(host, PV_END_GARBAGE, call && call->host == host ? named : 0);
}

/* The call that a frame speaks of, if it is this host's and was sent to it. */
static struct call *own_call(struct host *host, uint64_t id)
{
    struct call *call = pv_calls_find(host->hosts, id);
    return call && call->host == host && call->sent ? call : NULL;
}

static void on_ready(struct host *host, const struct pv_frame *frame)
{
    struct pv_str description;
    if (pv_wire_get_text(frame, &description) != 0) {
        refuse(host, 0, "a malformed READY");
        return;
    }
    if (host->ready || host->state != PV_HOST_STARTING) {
        if (host->ready) {
            refuse(host, 0, "READY twice");
        }
        return;
    }
    host->ready = true;
    host->heartbeat_ms = pv_hosts_now(host->hosts);
    host->idle_since_ms = host->heartbeat_ms;
    pv_host_set_state(host, host->drain ? PV_HOST_DRAINING : PV_HOST_READY);
    pv_log(PV_INFO,
           (pv_lf("instance", host->instance->name),
            pv_lf_i64("ms", host->heartbeat_ms - host->started_ms)),
           "plugin host is ready");
    pv_calls_release(host);
}

static void on_fault(struct host *host, const struct pv_frame *frame)
{
    struct pv_str text;
    if (pv_wire_get_text(frame, &text) != 0) {
        refuse(host, 0, "a malformed FAULT");
        return;
    }
    snprintf(host->fault, sizeof(host->fault), "%.*s", PV_STR_ARG(text));
}

/* Documents are shown and handed on as they are: nothing but JSON may be among them. */
static bool is_document(struct pv_str text)
{
    return text.len == 0 || pv_json_text_valid(text);
}

/* Puts an outcome that carries nothing in the place of one whose documents are none. */
static void check_documents(const struct call *call, struct pv_wire_outcome *outcome)
{
    bool good = is_document(outcome->result);
    if (good && (!outcome->state_changed || is_document(outcome->state))) {
        return;
    }
    bool query = (call->id & PV_CALL_QUERY) != 0;
    *outcome = (struct pv_wire_outcome){
        .code = query ? PV_OUT_TEMPORARY : PV_OUT_UNKNOWN,
        .touched = 1,
        .retry_after_ms = -1,
        .text = good ? PV_STR("the state document that the plugin sent is not JSON")
                     : PV_STR("the result that the plugin sent is not JSON")};
}

static void on_outcome(struct host *host, const struct pv_frame *frame)
{
    struct pv_wire_outcome outcome;
    if (pv_wire_get_outcome(frame, &outcome) != 0) {
        refuse(host, frame->call, "a malformed OUTCOME");
        return;
    }
    struct call *call = own_call(host, frame->call);
    if (!call) {
        refuse(host, 0, "an OUTCOME of a call that it does not have");
        return;
    }
    PV_FAULT("runner.outcome.read");
    check_documents(call, &outcome);
    pv_calls_end(call, &outcome);
}

static void on_ask(struct host *host, const struct pv_frame *frame)
{
    const struct pv_hosts_events *events = &host->hosts->options.events;
    struct pv_wire_ask ask;
    if (pv_wire_get_ask(frame, &ask) != 0) {
        refuse(host, frame->call, "a malformed ASK");
        return;
    }
    struct call *call = own_call(host, frame->call);
    if (!call) {
        refuse(host, 0, "an ASK of a call that it does not have");
        return;
    }
    if (call->asking) {
        refuse(host, frame->call, "an ASK before the last one was answered");
        return;
    }
    call->asking = true;
    if ((call->id & PV_CALL_QUERY) && ask.kind == PV_ASK_KV_GET && events->query_ask) {
        const struct pv_query_ask of = {.instance = host->instance->name,
                                        .component = pv_str(call->component),
                                        .service = call->service,
                                        .frame = &ask};
        events->query_ask(events->ctx, call->id, &of);
        return;
    }
    if (call->id & PV_CALL_QUERY) {
        struct pv_wire_answer answer = {
            .ask = ask.ask, .status = PV_EDENIED, .value = PV_STR("a query keeps nothing")};
        pv_calls_answer(host->hosts, call->id, &answer);
        return;
    }
    if (ask.kind == PV_ASK_STATE_SAVE && !is_document(ask.text)) {
        struct pv_wire_answer answer = {
            .ask = ask.ask, .status = PV_EINVAL, .value = PV_STR("the state document is not JSON")};
        pv_calls_answer(host->hosts, call->id, &answer);
        return;
    }
    events->ask(events->ctx, call->id, &ask);
}

/* One more of what a call may send so often. */
static bool counted(uint32_t *count)
{
    *count += *count <= LINES_A_CALL ? 1 : 0;
    return *count <= LINES_A_CALL;
}

static void on_progress(struct host *host, const struct pv_frame *frame)
{
    const struct pv_hosts_events *events = &host->hosts->options.events;
    int32_t percent = 0;
    struct pv_str text;
    if (pv_wire_get_progress(frame, &percent, &text) != 0) {
        refuse(host, frame->call, "a malformed PROGRESS");
        return;
    }
    struct call *call = own_call(host, frame->call);
    if (call && !(call->id & PV_CALL_QUERY) && counted(&call->progresses)) {
        events->progress(events->ctx, call->id, percent, text);
    }
}

static void on_log(struct host *host, const struct pv_frame *frame)
{
    uint8_t level = 0;
    struct pv_str text;
    if (pv_wire_get_log(frame, &level, &text) != 0) {
        refuse(host, frame->call, "a malformed LOG");
        return;
    }
    struct pv_str instance = host->instance->name;
    struct call *call = own_call(host, frame->call);
    if (call && !counted(&call->lines)) {
        return;
    }
    if (call && !(call->id & PV_CALL_QUERY)) {
        pv_log((enum pv_level)level,
               (pv_lf("instance", instance), pv_lf_op(call->op), pv_lf_svc(call->service),
                pv_lf_c("component", call->component), pv_lf_c("step", call->step),
                pv_lf_i64("attempt", call->attempt)),
               "%.*s", PV_STR_ARG(text));
    } else if (call) {
        pv_log((enum pv_level)level, (pv_lf("instance", instance), pv_lf_c("query", call->step)),
               "%.*s", PV_STR_ARG(text));
    } else {
        pv_log((enum pv_level)level, (pv_lf("instance", instance)), "%.*s", PV_STR_ARG(text));
    }
}

static void on_frame(struct host *host, const struct pv_frame *frame)
{
    switch (frame->type) {
    case PV_F_READY:
        on_ready(host, frame);
        break;
    case PV_F_FAULT:
        on_fault(host, frame);
        break;
    case PV_F_OUTCOME:
        on_outcome(host, frame);
        break;
    case PV_F_ASK:
        on_ask(host, frame);
        break;
    case PV_F_PROGRESS:
        on_progress(host, frame);
        break;
    case PV_F_LOG:
        on_log(host, frame);
        break;
    default:
        refuse(host, frame->call, "a frame that only a daemon sends");
        break;
    }
}

/* Hands on every whole frame. Events may start, cancel and answer calls meanwhile; they never free
 * the host. */
static void take_frames(struct host *host)
{
    size_t at = 0;
    while (!host->broken) {
        struct pv_str in = {host->in.ptr + at, host->in.len - at};
        struct pv_frame frame;
        size_t used = 0;
        int got = pv_frame_next(in, &frame, &used);
        if (got == 0) {
            break;
        }
        if (got < 0) {
            refuse(host, 0, "bytes that are no frame");
            break;
        }
        at += used;
        on_frame(host, &frame);
    }
    if (host->broken || at == host->in.len) {
        pv_buf_clear(&host->in);
    } else {
        pv_buf_consume(&host->in, at);
    }
}

void pv_host_read(struct host *host, bool drain)
{
    for (unsigned i = 0; drain || i < READS_A_TURN; i++) {
        if (host->fd < 0 || host->eof) {
            return;
        }
        char *room = pv_buf_reserve(&host->in, READ_SIZE);
        if (!room) {
            refuse(host, 0, "no memory for what it sends");
            return;
        }
        ssize_t n = recv(host->fd, room, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            host->eof = true;
            host->eof_since_ms = pv_hosts_now(host->hosts);
            uv_poll_stop(&host->poll);
            return;
        }
        host->in.len += (size_t)n;
        take_frames(host);
        if (n < READ_SIZE && !drain) {
            return;
        }
    }
}

void pv_host_on_poll(uv_poll_t *poll, int status, int events)
{
    struct host *host = poll->data;
    if (host->pid == 0) {
        /* The spawner has told its pid before the host could say anything. */
        pv_hosts_hear_spawner(host->hosts);
        if (uv_is_closing((uv_handle_t *)poll)) {
            return; /* and its end, too */
        }
    }
    if (status != 0 || (events & UV_READABLE)) {
        pv_host_read(host, false);
    }
    if (status == 0 && (events & UV_WRITABLE)) {
        pv_host_flush(host);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the HTTP server and the request it is at. */
#include "core/api/fault.h"
#include "core/api/httpd_internal.h"
#include "core/base/alloc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_BYTES 2048                 /* of a buffer, between requests */
#define DISCARD_MAX (16u * 1024 * 1024) /* of a request that has been refused */
#define LINGER_MS 2000
#define TLS_FIRST_BYTE 0x16

static struct pv_httpd_conn *conn_of(const struct pv_http_request *request)
{
    const char *at = (const char *)request - offsetof(struct pv_httpd_conn, request);
    return (struct pv_httpd_conn *)(uintptr_t)at;
}

int64_t pv_httpd_now_ms(const struct pv_httpd_conn *conn)
{
    return pv_mono_ms(&conn->listener->httpd->options.clock);
}

static const struct pv_httpd_options *options_of(const struct pv_httpd_conn *conn)
{
    return &conn->listener->httpd->options;
}

/* ---- the end ---- */

static void on_poll_closed(uv_handle_t *handle)
{
    struct pv_httpd_conn *conn = handle->data;
    struct pv_httpd *httpd = conn->listener->httpd;
    pv_free(conn);
    pv_httpd_handle_closed(httpd);
}

void pv_httpd_conn_close(struct pv_httpd_conn *conn)
{
    if (conn->closed) {
        return;
    }
    conn->closed = true;
    uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
    pv_http_session_free(conn->session, true);
    conn->session = NULL;
    close(conn->fd);
    pv_buf_done(&conn->in);
    pv_buf_done(&conn->body);
    pv_buf_done(&conn->out);
    pv_free(conn->out_body);
    conn->out_body = NULL;
    pv_list_remove(&conn->link);
    pv_list_remove(&conn->turn);
    pv_httpd_left(conn);
}

/* The client is not there any more. What is at the handler has to be answered all the same. */
static void client_gone(struct pv_httpd_conn *conn)
{
    if (conn->phase != PV_HTTPD_ASKING && conn->phase != PV_HTTPD_HANDLING &&
        conn->phase != PV_HTTPD_STREAMING) {
        pv_httpd_conn_close(conn);
        return;
    }
    pv_httpd_conn_poll(conn, 0);
    conn->deadline_ms = INT64_MAX;
    conn->gone = true;
    if (conn->request.gone != NULL) {
        conn->request.gone(&conn->request);
    }
}

/* ---- the request ---- */

static void buf_reset(struct pv_buf *buf)
{
    if (buf->size > KEEP_BYTES) {
        size_t cap = buf->cap;
        pv_buf_done(buf);
        pv_buf_init(buf, cap);
    } else {
        pv_buf_clear(buf);
    }
}

void pv_httpd_conn_next(struct pv_httpd_conn *conn)
{
    struct pv_httpd *httpd = conn->listener->httpd;
    pv_buf_consume(&conn->in, conn->taken);
    conn->taken = 0;
    if (conn->in.len == 0) {
        buf_reset(&conn->in);
    }
    buf_reset(&conn->body);
    buf_reset(&conn->out);
    conn->head = (struct pv_http_head){0};
    conn->chunks = (struct pv_http_chunks){0};
    conn->request = (struct pv_http_request){.local = conn->listener->local, .uid = conn->uid};
    conn->phase = PV_HTTPD_HEADERS;
    conn->unread = false;
    conn->whole = false;
    conn->asked = false;
    conn->continues = false;
    conn->body.cap = httpd->options.max_body;
    bool more =
        conn->in.len > 0 || (conn->session != NULL && pv_http_session_pending(conn->session));
    conn->since_ms = pv_httpd_now_ms(conn);
    conn->deadline_ms = conn->since_ms + (more ? httpd->options.header_ms : httpd->options.idle_ms);
    pv_list_remove(&conn->turn);
    if (!more) {
        pv_list_push(&httpd->idle, &conn->turn);
    } else if (!conn->in_process) {
        pv_list_push(&httpd->ready, &conn->turn); /* not from within the handler's answer */
    }
    pv_httpd_conn_poll(conn, UV_READABLE);
}

void pv_httpd_conn_last(struct pv_httpd_conn *conn)
{
    int64_t patience_ms = options_of(conn)->body_ms;
    patience_ms = patience_ms < LINGER_MS ? patience_ms : LINGER_MS;
    conn->keep = false;
    conn->unread = true;
    conn->phase = PV_HTTPD_ANSWERING;
    conn->deadline_ms = pv_httpd_now_ms(conn) + patience_ms;
}

void pv_httpd_conn_refuse(struct pv_httpd_conn *conn, unsigned status, const char *code,
                          const char *sentence)
{
    struct pv_buf body;
    pv_buf_init(&body, 4096);
    pv_fault_write(&body, code, pv_str(sentence));
    struct pv_http_answer answer = {.status = status};
    conn->listener->httpd->counters.malformed++;
    pv_httpd_conn_last(conn);
    pv_httpd_make_answer(conn, &answer, &body);
    pv_buf_done(&body);
    if (!conn->in_process) {
        pv_httpd_flush(conn);
    }
}

void pv_httpd_conn_late(struct pv_httpd_conn *conn)
{
    bool idle = conn->phase == PV_HTTPD_HEADERS && conn->in.len == 0;
    bool begun = conn->phase == PV_HTTPD_HEADERS || conn->phase == PV_HTTPD_BODY;
    if (conn->phase != PV_HTTPD_LINGER) {
        conn->listener->httpd->counters.timed_out++;
    }
    if (conn->phase == PV_HTTPD_STREAMING) {
        client_gone(conn);
    } else if (begun && !idle) {
        pv_httpd_conn_refuse(conn, 408, "timeout", "the request did not come in time");
    } else {
        pv_httpd_conn_close(conn);
    }
}

struct pv_str pv_http_header(const struct pv_http_request *request, const char *name)
{
    const struct pv_httpd_conn *conn = conn_of(request);
    return pv_http_head_field(&conn->head, pv_buf_view(&conn->in), name);
}

void pv_http_watch(struct pv_http_request *request, void (*gone)(struct pv_http_request *request))
{
    struct pv_httpd_conn *conn = conn_of(request);
    request->gone = gone;
    if (!conn->gone) {
        pv_httpd_conn_poll(conn, UV_DISCONNECT);
    }
}

/* The request as its head tells it. */
static void describe(struct pv_httpd_conn *conn)
{
    struct pv_http_request *request = &conn->request;
    struct pv_str bytes = pv_buf_view(&conn->in);
    request->method = pv_http_head_method(&conn->head, bytes);
    pv_http_head_target(&conn->head, bytes, &request->path, &request->query);
    request->body = PV_STR("");
}

/* Is the rest of the body to be read? */
static void ask(struct pv_httpd_conn *conn)
{
    struct pv_httpd *httpd = conn->listener->httpd;
    describe(conn);
    conn->asked = true;
    conn->phase = PV_HTTPD_ASKING;
    if (httpd->options.ask != NULL) {
        httpd->options.ask(&conn->request, httpd->options.user);
    } else {
        pv_http_take_body(&conn->request, SIZE_MAX);
    }
}

static void hand_over(struct pv_httpd_conn *conn)
{
    struct pv_httpd *httpd = conn->listener->httpd;
    if (httpd->closing) {
        pv_httpd_conn_refuse(conn, 503, "closing", "the server is stopping");
        return;
    }
    struct pv_http_request *request = &conn->request;
    describe(conn);
    request->body = conn->body.len > 0 ? pv_buf_view(&conn->body) : PV_STR("");
    conn->keep = conn->head.minor > 0 ? !conn->head.close : conn->head.keep && !conn->head.close;
    conn->phase = PV_HTTPD_HANDLING;
    httpd->options.handle(request, httpd->options.user);
}

/* ---- head ---- */

static void head_done(struct pv_httpd_conn *conn)
{
    conn->taken = conn->head.at;
    conn->left = conn->head.length;
    if ((uint64_t)conn->left > conn->body.cap) {
        pv_httpd_conn_refuse(conn, 413, "too_large", "the body is larger than allowed");
        return;
    }
    conn->phase = PV_HTTPD_BODY;
    conn->deadline_ms = pv_httpd_now_ms(conn) + options_of(conn)->body_ms;
    bool awaits = conn->head.chunked || conn->left > 0;
    conn->continues = awaits && conn->head.expects_continue && conn->head.minor > 0 &&
                      conn->in.len == conn->taken;
}

static bool step_headers(struct pv_httpd_conn *conn)
{
    if (conn->in.len == 0) {
        return false;
    }
    struct pv_http_refusal refusal;
    switch (pv_http_head_read(&conn->head, pv_buf_view(&conn->in), &refusal)) {
    case PV_HTTP_DONE:
        head_done(conn);
        return true;
    case PV_HTTP_REFUSED:
        pv_httpd_conn_refuse(conn, refusal.status, refusal.code, refusal.sentence);
        return true;
    default:
        return false;
    }
}

/* What came with the head. Only the head stays of it, and what follows the request: the rest of a
 * long body does not come this way, but what is behind it does. */
static bool step_body(struct pv_httpd_conn *conn)
{
    bool done = false;
    char *body = conn->in.ptr + conn->taken;
    size_t len = conn->in.len - conn->taken;
    size_t used = pv_httpd_body_read(conn, (struct pv_str){body, len}, &done);
    if (used > 0) {
        memmove(body, body + used, len - used);
        conn->in.len -= used;
    }
    if (conn->phase == PV_HTTPD_BODY && done) {
        hand_over(conn);
    } else if (conn->phase == PV_HTTPD_BODY && !conn->asked) {
        ask(conn);
    }
    return conn->phase != PV_HTTPD_BODY;
}

/* The next step that can be made with what has been read; false: there is none. */
static bool step(struct pv_httpd_conn *conn)
{
    switch (conn->phase) {
    case PV_HTTPD_HEADERS:
        return step_headers(conn);
    case PV_HTTPD_BODY:
        return step_body(conn);
    case PV_HTTPD_ANSWERING:
        pv_httpd_flush(conn);
        return conn->phase == PV_HTTPD_HEADERS;
    default:
        return false;
    }
}

static void process(struct pv_httpd_conn *conn)
{
    conn->in_process = true;
    while (!conn->closed && step(conn)) {}
    conn->in_process = false;
}

/* ---- reading ---- */

static int64_t read_some(struct pv_httpd_conn *conn)
{
    char *scratch = conn->listener->httpd->scratch;
    if (conn->session != NULL) {
        return pv_http_session_recv(conn->session, scratch, PV_HTTPD_READ_BYTES);
    }
    ssize_t n = recv(conn->fd, scratch, PV_HTTPD_READ_BYTES, MSG_DONTWAIT);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? PV_HTTP_WANT_READ : PV_HTTP_BROKEN;
}

/* Bytes that have come. */
static void take_bytes(struct pv_httpd_conn *conn, struct pv_str bytes)
{
    if (conn->phase == PV_HTTPD_LINGER) {
        conn->discarded += bytes.len;
        if (conn->discarded > DISCARD_MAX) {
            pv_httpd_conn_close(conn);
        }
        return;
    }
    bool first = conn->phase == PV_HTTPD_HEADERS && conn->in.len == 0;
    if (conn->phase == PV_HTTPD_BODY) { /* long bodies do not go through `in` */
        bool done = false;
        conn->in_process = true;
        size_t used = pv_httpd_body_read(conn, bytes, &done);
        conn->in_process = false;
        if (conn->phase != PV_HTTPD_BODY) { /* refused */
            process(conn);
            return;
        }
        if (!done) {
            return;
        }
        bytes = (struct pv_str){bytes.ptr + used, bytes.len - used};
    }
    if (bytes.len > 0 && pv_buf_put(&conn->in, bytes.ptr, bytes.len) != 0) {
        pv_buf_clear(&conn->in); /* what it held can be told no more */
        conn->taken = 0;
        conn->head = (struct pv_http_head){0};
        pv_httpd_conn_refuse(conn, 503, "no_memory", "out of memory, try again");
        return;
    }
    if (first) {
        pv_list_remove(&conn->turn);
        conn->deadline_ms = pv_httpd_now_ms(conn) + options_of(conn)->header_ms;
    }
    process(conn);
}

/* Nothing more comes. A client that has only stopped sending may still want to know why. */
static void at_end(struct pv_httpd_conn *conn, bool orderly)
{
    bool begun =
        conn->phase == PV_HTTPD_BODY || (conn->phase == PV_HTTPD_HEADERS && conn->in.len > 0);
    if (!orderly || !begun) {
        client_gone(conn);
        return;
    }
    pv_httpd_conn_refuse(conn, 400, "malformed", "the connection ended before the request did");
}

static void on_readable(struct pv_httpd_conn *conn)
{
    if (conn->phase == PV_HTTPD_HEADERS && conn->in.len >= PV_HTTP_HEAD_MAX) {
        process(conn); /* there is a request in it, and no room for more before it is gone */
        if (conn->closed || conn->phase > PV_HTTPD_BODY) {
            return;
        }
    }
    do {
        int64_t n = read_some(conn);
        if (n == PV_HTTP_WANT_READ || n == PV_HTTP_WANT_WRITE) {
            return;
        }
        if (n <= 0) {
            at_end(conn, n == 0);
            return;
        }
        take_bytes(conn, (struct pv_str){conn->listener->httpd->scratch, (size_t)n});
    } while (!conn->closed && conn->session != NULL && conn->phase <= PV_HTTPD_BODY &&
             pv_http_session_pending(conn->session));
}

void pv_httpd_conn_ready(struct pv_httpd_conn *conn)
{
    process(conn);
    if (!conn->closed && conn->session != NULL && conn->phase <= PV_HTTPD_BODY &&
        pv_http_session_pending(conn->session)) {
        on_readable(conn);
    }
}

/* A client that speaks plain HTTP where TLS is spoken is told so, as plainly. */
static bool speaks_plain(struct pv_httpd_conn *conn)
{
    unsigned char first = 0;
    ssize_t n = recv(conn->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n != 1 || first == TLS_FIRST_BYTE) {
        return false;
    }
    pv_http_session_free(conn->session, false);
    conn->session = NULL;
    pv_httpd_conn_refuse(conn, 400, "malformed", "this port speaks TLS: use https://");
    return true;
}

static void on_handshake(struct pv_httpd_conn *conn)
{
    bool first = pv_list_linked(&conn->turn); /* idle until now */
    pv_list_remove(&conn->turn);
    if (first && speaks_plain(conn)) {
        return;
    }
    int got = pv_http_session_handshake(conn->session);
    if (got == PV_HTTP_BROKEN) {
        pv_httpd_conn_close(conn);
    } else if (got != 0) {
        pv_httpd_conn_poll(conn, got == PV_HTTP_WANT_READ ? UV_READABLE : UV_WRITABLE);
    } else {
        conn->phase = PV_HTTPD_HEADERS;
        conn->deadline_ms = pv_httpd_now_ms(conn) + options_of(conn)->header_ms;
        pv_list_push(&conn->listener->httpd->idle, &conn->turn);
        pv_httpd_conn_poll(conn, UV_READABLE);
        pv_httpd_conn_ready(conn);
    }
}

/* The client sends nothing more, while an answer is awaited. It may have shut its side alone, and
 * still gets the answer (RFC 9112, section 9.6): over TCP a close looks no different until
 * something is sent. It is gone when its connection was reset, or is shut both ways. */
static void on_hang_up(struct pv_httpd_conn *conn, int events)
{
    struct pollfd state = {.fd = conn->fd};
    bool gone = poll(&state, 1, 0) != 0; /* asked for nothing, it tells of errors and ends */
    if (gone || conn->phase != PV_HTTPD_HANDLING) {
        client_gone(conn);
    } else {
        /* That nothing more comes would be told over and over. An end is told with whatever is
         * polled for; what is urgent is read by nobody, and then only sending shows an end. */
        pv_httpd_conn_poll(conn, (events & UV_PRIORITIZED) != 0 ? 0 : UV_PRIORITIZED);
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct pv_httpd_conn *conn = poll->data;
    if (status != 0) {
        client_gone(conn);
        return;
    }
    if ((events & (UV_DISCONNECT | UV_PRIORITIZED)) != 0) {
        on_hang_up(conn, events);
        return;
    }
    switch (conn->phase) {
    case PV_HTTPD_HANDSHAKE:
        on_handshake(conn);
        break;
    case PV_HTTPD_ANSWERING:
        pv_httpd_flush(conn);
        break;
    case PV_HTTPD_STREAMING:
        pv_httpd_stream_ready(conn);
        break;
    case PV_HTTPD_ASKING:
    case PV_HTTPD_HANDLING:
        pv_httpd_conn_poll(conn, 0); /* read when this one is answered, or let in */
        break;
    default:
        on_readable(conn);
        break;
    }
}

void pv_httpd_conn_poll(struct pv_httpd_conn *conn, int events)
{
    if (conn->events == events || conn->closed) {
        return;
    }
    conn->events = events;
    if (events == 0) {
        uv_poll_stop(&conn->poll);
    } else if (uv_poll_start(&conn->poll, events, on_event) != 0) {
        conn->events = 0; /* its deadline ends it */
    }
}

/* ---- the beginning ---- */

static bool peer_allowed(struct pv_httpd_conn *conn)
{
    if (!conn->listener->local) {
        return true;
    }
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return false;
    }
    conn->uid = peer.uid;
    const struct pv_httpd_options *options = options_of(conn);
    return options->is_host == NULL || !options->is_host(options->is_host_ctx, peer.pid);
}

void pv_httpd_conn_open(struct pv_httpd_listener *listener, int fd, struct pv_httpd_peer *peer)
{
    struct pv_httpd *httpd = listener->httpd;
    struct pv_httpd_conn *conn = pv_calloc(1, sizeof(*conn));
    struct pv_http_session *session = NULL;
    bool ready = conn != NULL &&
                 (!listener->tls || pv_http_session_new(httpd->tls, fd, &session) == 0) &&
                 uv_poll_init(httpd->options.loop, &conn->poll, fd) == 0;
    struct pv_httpd_conn lost = {.listener = listener, .peer = peer};
    if (!ready) {
        pv_http_session_free(session, false);
        pv_free(conn);
        close(fd);
        pv_httpd_left(&lost);
        return;
    }
    conn->listener = listener;
    conn->peer = peer;
    conn->session = session;
    conn->fd = fd;
    conn->poll.data = conn;
    httpd->handles++;
    pv_buf_init(&conn->in, PV_HTTP_HEAD_MAX + PV_HTTPD_READ_BYTES);
    pv_buf_init(&conn->body, httpd->options.max_body);
    pv_buf_init(&conn->out, PV_HTTPD_READ_BYTES);
    pv_list_push(&httpd->conns, &conn->link);
    if (!peer_allowed(conn)) {
        pv_httpd_conn_close(conn);
        return;
    }
    pv_httpd_conn_next(conn);
    conn->deadline_ms = pv_httpd_now_ms(conn) + httpd->options.header_ms;
    conn->phase = session != NULL ? PV_HTTPD_HANDSHAKE : PV_HTTPD_HEADERS;
}

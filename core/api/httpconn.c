/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the HTTP server and the request it is at. */
#include "core/api/fault.h"
#include "core/api/httpd_internal.h"
#include "core/base/alloc.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define URI_CAP (32u * 1024)
#define KEEP_BYTES 2048                 /* of a buffer, between requests */
#define DISCARD_MAX (16u * 1024 * 1024) /* of a body that is too large anyway */

/* Watches for the end of a connection that MHD has suspended. On its own, since libuv closes
 * handles later. */
struct pv_httpd_watch {
    uv_poll_t poll;
    struct pv_httpd_conn *conn;
};

static struct pv_httpd_conn *conn_of(const struct pv_http_request *request)
{
    const char *at = (const char *)request - offsetof(struct pv_httpd_conn, request);
    return (struct pv_httpd_conn *)(uintptr_t)at;
}

static struct pv_httpd_conn *conn_of_mhd(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static int64_t now_ms(const struct pv_httpd_conn *conn)
{
    return pv_mono_ms(&conn->listener->httpd->options.clock);
}

static void cut(struct pv_httpd_conn *conn)
{
    conn->cut = true;
    shutdown(conn->fd, SHUT_RDWR); /* MHD sees the end of the connection and closes it */
}

/* ---- watching for the client to go ---- */

static void watch_closed(uv_handle_t *handle)
{
    struct pv_httpd_watch *watch = handle->data;
    pv_free(watch);
}

static void watch_end(struct pv_httpd_conn *conn)
{
    struct pv_httpd_watch *watch = conn->watch;
    if (watch != NULL) {
        conn->watch = NULL;
        watch->conn = NULL;
        uv_close((uv_handle_t *)&watch->poll, watch_closed);
    }
}

static void watch_fired(uv_poll_t *poll, int status, int events)
{
    struct pv_httpd_watch *watch = poll->data;
    struct pv_httpd_conn *conn = watch->conn;
    if (conn == NULL || (status == 0 && (events & UV_DISCONNECT) == 0)) {
        return;
    }
    watch_end(conn);
    if (conn->request.gone != NULL) {
        conn->request.gone(&conn->request);
    }
}

void pv_http_watch(struct pv_http_request *request, void (*gone)(struct pv_http_request *request))
{
    struct pv_httpd_conn *conn = conn_of(request);
    request->gone = gone;
    if (conn->watch != NULL) {
        return;
    }
    struct pv_httpd_watch *watch = pv_calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return; /* then nobody notices before the answer */
    }
    watch->conn = conn;
    if (uv_poll_init(conn->listener->httpd->options.loop, &watch->poll, conn->fd) != 0) {
        pv_free(watch);
        return;
    }
    watch->poll.data = watch;
    conn->watch = watch;
    uv_poll_start(&watch->poll, UV_DISCONNECT, watch_fired);
}

/* ---- connections ---- */

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
    const struct pv_httpd_options *options = &conn->listener->httpd->options;
    return options->is_host == NULL || !options->is_host(options->is_host_ctx, peer.pid);
}

static void conn_free(struct pv_httpd_conn *conn)
{
    watch_end(conn);
    if (conn->response != NULL) {
        MHD_destroy_response(conn->response);
    }
    pv_buf_done(&conn->uri);
    pv_buf_done(&conn->body);
    pv_list_remove(&conn->link);
    conn->listener->httpd->counters.connections--;
    pv_free(conn);
}

void pv_httpd_on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                            enum MHD_ConnectionNotificationCode what)
{
    struct pv_httpd_listener *listener = cls;
    struct pv_httpd *httpd = listener->httpd;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct pv_httpd_conn *conn = *socket_context;
        listener->run = true; /* at its limit MHD listens again only when it is run again */
        if (conn != NULL) {
            *socket_context = NULL;
            conn_free(conn);
        }
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pv_httpd_conn *conn = pv_calloc(1, sizeof(*conn));
    if (conn == NULL || info == NULL) {
        pv_free(conn);
        if (info != NULL) {
            shutdown(info->connect_fd, SHUT_RDWR);
        }
        return;
    }
    *conn = (struct pv_httpd_conn){.listener = listener, .mhd = mhd, .fd = info->connect_fd};
    pv_buf_init(&conn->uri, URI_CAP);
    pv_buf_init(&conn->body, httpd->options.max_body);
    conn->deadline_ms = now_ms(conn) + httpd->options.header_ms;
    pv_list_push(&httpd->conns, &conn->link);
    httpd->counters.connections++;
    httpd->counters.accepted++;
    *socket_context = conn;
    if (!peer_allowed(conn) || httpd->closing) {
        cut(conn);
    }
}

static void buf_reset(struct pv_buf *buf)
{
    if (buf->size > KEEP_BYTES) {
        pv_buf_done(buf);
    } else {
        pv_buf_clear(buf);
    }
}

/* Ready for the next request of this connection. */
static void request_reset(struct pv_httpd_conn *conn)
{
    watch_end(conn);
    if (conn->response != NULL) {
        MHD_destroy_response(conn->response);
        conn->response = NULL;
    }
    buf_reset(&conn->uri);
    buf_reset(&conn->body);
    conn->request = (struct pv_http_request){.local = conn->listener->local, .uid = conn->uid};
    conn->phase = PV_HTTPD_HEADERS;
    conn->overflow = false;
    conn->no_memory = false;
    conn->discarded = 0;
}

void *pv_httpd_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    (void)cls;
    struct pv_httpd_conn *conn = conn_of_mhd(mhd);
    if (conn == NULL) {
        return NULL;
    }
    request_reset(conn);
    conn->no_memory = pv_buf_c(&conn->uri, uri) != 0;
    return conn;
}

void pv_httpd_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                           enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)mhd;
    (void)code;
    struct pv_httpd_conn *conn = *con_cls;
    if (conn != NULL) {
        *con_cls = NULL;
        request_reset(conn);
        const struct pv_httpd_options *options = &conn->listener->httpd->options;
        conn->deadline_ms = now_ms(conn) + options->idle_ms + options->header_ms;
    }
}

/* ---- answers ---- */

static enum MHD_Result send_response(struct pv_httpd_conn *conn)
{
    struct MHD_Response *response = conn->response;
    struct pv_httpd *httpd = conn->listener->httpd;
    conn->response = NULL;
    conn->phase = PV_HTTPD_ANSWERING;
    conn->deadline_ms = now_ms(conn) + httpd->options.body_ms;
    if (response == NULL) {
        return MHD_NO; /* no memory for an answer: MHD closes the connection */
    }
    if (httpd->closing) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result result = MHD_queue_response(conn->mhd, conn->status, response);
    MHD_destroy_response(response);
    if (result == MHD_YES && conn->status < 600) {
        httpd->counters.answers[conn->status]++;
    }
    return result;
}

static void make_response(struct pv_httpd_conn *conn, const struct pv_http_answer *answer,
                          struct pv_buf *body)
{
    static const char starved[] = "{\"success\":false,\"error\":\"out of memory, try again\","
                                  "\"code\":\"no_memory\",\"errors\":[]}";
    char *ptr = NULL;
    size_t len = 0;
    conn->status = answer->status;
    if (body != NULL && pv_buf_finish(body, &ptr, &len) != 0) {
        conn->status = 503;
        len = sizeof(starved) - 1;
        conn->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)starved,
                                                         MHD_RESPMEM_PERSISTENT);
    } else if (ptr != NULL) {
        conn->response = MHD_create_response_from_buffer_with_free_callback(len, ptr, pv_free);
    } else {
        conn->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    if (conn->response == NULL) {
        pv_free(ptr);
        return;
    }
    const char *type = answer->type != NULL ? answer->type : "application/json";
    if (len > 0) {
        MHD_add_response_header(conn->response, "Content-Type", type);
    }
    for (size_t i = 0; i < 4 && answer->headers[i].name != NULL; i++) {
        MHD_add_response_header(conn->response, answer->headers[i].name, answer->headers[i].value);
    }
}

void pv_http_answer(struct pv_http_request *request, const struct pv_http_answer *answer,
                    struct pv_buf *body)
{
    struct pv_httpd_conn *conn = conn_of(request);
    watch_end(conn);
    make_response(conn, answer, body);
    conn->phase = PV_HTTPD_ANSWERING;
    if (conn->suspended) {
        conn->suspended = false;
        conn->deadline_ms = now_ms(conn) + conn->listener->httpd->options.body_ms;
        MHD_resume_connection(conn->mhd);
        conn->listener->run = true; /* there is no wake-up pipe: prepare runs MHD */
    }
}

static enum MHD_Result refuse(struct pv_httpd_conn *conn, unsigned status, const char *code,
                              const char *sentence)
{
    struct pv_buf body;
    pv_buf_init(&body, 4096);
    pv_fault_write(&body, code, pv_str(sentence));
    struct pv_http_answer answer = {.status = status, .headers = {{"Connection", "close"}}};
    make_response(conn, &answer, &body);
    pv_buf_done(&body);
    return send_response(conn);
}

/* ---- headers ---- */

struct framing {
    unsigned lengths;
    unsigned encodings;
    bool other_encoding;
};

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    (void)kind;
    struct framing *framing = cls;
    if (strcasecmp(key, "Content-Length") == 0) {
        framing->lengths++;
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        framing->encodings++;
        framing->other_encoding =
            framing->other_encoding || value == NULL || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* How long a body is must be told in one way, once: else a proxy in front of us may see other
 * requests than we do. 0: fine; else it was refused with *ret. */
static int check_headers(struct pv_httpd_conn *conn, enum MHD_Result *ret)
{
    struct framing framing = {0};
    MHD_get_connection_values(conn->mhd, MHD_HEADER_KIND, see_header, &framing);
    if (framing.lengths > 1 || framing.encodings > 1 ||
        (framing.lengths > 0 && framing.encodings > 0)) {
        *ret = refuse(conn, 400, "ambiguous_length",
                      "the length of the body is given more than once (Content-Length and "
                      "Transfer-Encoding)");
        return -1;
    }
    if (framing.other_encoding) {
        *ret = refuse(conn, 400, "unknown_encoding", "the only Transfer-Encoding is chunked");
        return -1;
    }
    const char *length = MHD_lookup_connection_value(conn->mhd, MHD_HEADER_KIND, "Content-Length");
    int64_t bytes = 0;
    if (length != NULL && (pv_str_to_i64(pv_str(length), &bytes) != 0 || bytes < 0)) {
        *ret = refuse(conn, 400, "malformed", "Content-Length is not a number");
        return -1;
    }
    if ((uint64_t)bytes > conn->body.cap) {
        *ret = refuse(conn, 413, "too_large", "the body is larger than allowed");
        return -1;
    }
    if (conn->no_memory) {
        *ret = refuse(conn, 503, "no_memory", "out of memory, try again");
        return -1;
    }
    return 0;
}

struct pv_str pv_http_header(const struct pv_http_request *request, const char *name)
{
    return pv_str(MHD_lookup_connection_value(conn_of(request)->mhd, MHD_HEADER_KIND, name));
}

/* ---- the request ---- */

static void take_body(struct pv_httpd_conn *conn, const char *data, size_t len)
{
    if (conn->overflow || conn->no_memory) {
        conn->discarded += len;
        if (conn->discarded > DISCARD_MAX) {
            cut(conn);
        }
        return;
    }
    int status = pv_buf_put(&conn->body, data, len);
    conn->overflow = status == PV_ETOOBIG;
    conn->no_memory = status == PV_ENOMEM;
}

static enum MHD_Result hand_over(struct pv_httpd_conn *conn, const char *method)
{
    struct pv_httpd *httpd = conn->listener->httpd;
    if (conn->overflow) {
        return refuse(conn, 413, "too_large", "the body is larger than allowed");
    }
    if (conn->no_memory) {
        return refuse(conn, 503, "no_memory", "out of memory, try again");
    }
    if (httpd->closing) {
        return refuse(conn, 503, "closing", "the server is stopping");
    }
    struct pv_http_request *request = &conn->request;
    struct pv_str uri = pv_buf_view(&conn->uri);
    const char *question = uri.len > 0 ? memchr(uri.ptr, '?', uri.len) : NULL;
    size_t path_len = question != NULL ? (size_t)(question - uri.ptr) : uri.len;
    request->method = pv_str(method);
    request->path = (struct pv_str){uri.ptr, path_len};
    if (question != NULL) {
        request->query = (struct pv_str){question + 1, uri.len - path_len - 1};
    }
    request->body = conn->body.len > 0 ? pv_buf_view(&conn->body) : PV_STR("");
    conn->phase = PV_HTTPD_HANDLING;
    conn->in_handler = true;
    httpd->options.handle(request, httpd->options.user);
    conn->in_handler = false;
    if (conn->phase == PV_HTTPD_ANSWERING) {
        return send_response(conn);
    }
    conn->suspended = true;
    MHD_suspend_connection(conn->mhd);
    return MHD_YES;
}

enum MHD_Result pv_httpd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **con_cls)
{
    (void)cls;
    (void)mhd;
    (void)url;
    (void)version;
    struct pv_httpd_conn *conn = *con_cls;
    if (conn == NULL) {
        return MHD_NO;
    }
    if (conn->phase == PV_HTTPD_HEADERS) {
        enum MHD_Result refused = MHD_YES;
        if (check_headers(conn, &refused) != 0) {
            return refused;
        }
        conn->phase = PV_HTTPD_BODY;
        conn->deadline_ms = now_ms(conn) + conn->listener->httpd->options.body_ms;
        return MHD_YES;
    }
    if (conn->phase == PV_HTTPD_BODY && *upload_data_size > 0) {
        take_body(conn, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    return conn->phase == PV_HTTPD_BODY ? hand_over(conn, method) : send_response(conn);
}

/* ---- slow clients ---- */

size_t pv_httpd_check_deadlines(struct pv_httpd *httpd)
{
    int64_t now = pv_mono_ms(&httpd->options.clock);
    size_t busy = 0;
    for (struct pv_link *at = httpd->conns.next; at != &httpd->conns; at = at->next) {
        struct pv_httpd_conn *conn = PV_CONTAINER(at, struct pv_httpd_conn, link);
        if (conn->phase == PV_HTTPD_HANDLING) {
            busy++;
            continue;
        }
        bool answering = conn->phase == PV_HTTPD_ANSWERING;
        bool late = now >= conn->deadline_ms;
        bool unwanted = httpd->closing && (!answering || now >= httpd->close_by_ms);
        busy += httpd->closing && answering && !conn->cut && !unwanted ? 1 : 0;
        if (conn->cut || (!late && !unwanted)) {
            continue;
        }
        httpd->counters.timed_out += late ? 1 : 0;
        cut(conn);
    }
    return busy;
}

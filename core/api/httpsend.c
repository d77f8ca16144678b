/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the HTTP server: their bytes, and how they get to the client. */
#include "core/api/httpd_internal.h"

#include "core/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HEAD_CAP (64u * 1024)
#define UNKNOWN SIZE_MAX /* the length of a body that ends with its connection */
#define SHORT_BODY 8192u /* stands in one buffer with the head */

static const char starved[] = "{\"success\":false,\"error\":\"out of memory, try again\","
                              "\"code\":\"no_memory\",\"errors\":[]}";

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

/* The header Date, made once a second. */
static const char *date_of(struct pv_httpd *httpd)
{
    int64_t now_s = pv_wall_ms(&httpd->options.clock) / 1000;
    if (now_s != httpd->date_s || httpd->date[0] == '\0') {
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t now = (time_t)now_s;
        struct tm tm;
        if (gmtime_r(&now, &tm) == NULL) {
            return "Thu, 01 Jan 1970 00:00:00 GMT";
        }
        snprintf(httpd->date, sizeof(httpd->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                 ((unsigned)tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        httpd->date_s = now_s;
    }
    return httpd->date;
}

static void put_header(struct pv_buf *out, const char *name, const char *value)
{
    pv_buf_c(out, name);
    pv_buf_put(out, ": ", 2);
    pv_buf_c(out, value);
    pv_buf_put(out, "\r\n", 2);
}

void pv_http_add(struct pv_http_answer *answer, const char *name, const char *value)
{
    size_t i = 0;
    while (i < PV_HTTP_HEADERS && answer->headers[i].name != NULL) {
        i++;
    }
    if (i < PV_HTTP_HEADERS && value != NULL && value[0] != '\0') {
        answer->headers[i] = (struct pv_http_header){name, value};
    }
}

static void put_number(struct pv_buf *out, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    pv_buf_put(out, digits + at, sizeof(digits) - at);
}

static void put_head(struct pv_httpd_conn *conn, const struct pv_http_answer *answer,
                     unsigned status, size_t len)
{
    struct pv_buf *out = &conn->out;
    struct pv_httpd *httpd = conn->listener->httpd;
    pv_buf_c(out, "HTTP/1.1 ");
    put_number(out, status);
    pv_buf_char(out, ' ');
    pv_buf_c(out, reason_of(status));
    pv_buf_c(out, "\r\n");
    if (!conn->keep) {
        put_header(out, "Connection", "close");
    } else if (conn->head.minor == 0) {
        put_header(out, "Connection", "keep-alive");
    }
    put_header(out, "Date", date_of(httpd));
    if (len > 0) {
        put_header(out, "Content-Type", answer->type != NULL ? answer->type : "application/json");
    }
    if (len != UNKNOWN && status != 204 && status != 304) {
        pv_buf_c(out, "Content-Length: ");
        put_number(out, len);
        pv_buf_c(out, "\r\n");
    }
    for (size_t i = 0; i < PV_HTTP_HEADERS && answer->headers[i].name != NULL; i++) {
        put_header(out, answer->headers[i].name, answer->headers[i].value);
    }
    pv_buf_c(out, "\r\n");
}

void pv_httpd_make_answer(struct pv_httpd_conn *conn, const struct pv_http_answer *answer,
                          struct pv_buf *body)
{
    char *ptr = NULL;
    size_t len = 0;
    struct pv_str text = {NULL, 0};
    conn->status = answer->status;
    conn->keep = conn->keep && !conn->listener->httpd->closing;
    if (body != NULL && body->status == 0 && body->len <= SHORT_BODY) {
        text = pv_buf_view(body);
    } else if (body != NULL && pv_buf_finish(body, &ptr, &len) == 0) {
        text = (struct pv_str){ptr, len};
    } else if (body != NULL) {
        conn->status = 503;
        text = PV_STR(starved);
    }
    pv_buf_clear(&conn->out);
    conn->sent = 0;
    put_head(conn, answer, conn->status, text.len);
    bool bare = pv_str_eq_c(conn->request.method, "HEAD") || conn->status == 204;
    if (!bare && ptr == NULL) {
        pv_buf_str(&conn->out, text);
    } else if (!bare) {
        conn->out_body = ptr;
        conn->out_body_len = len;
        ptr = NULL;
    }
    pv_free(ptr);
    if (body != NULL) {
        pv_buf_done(body);
    }
    if (conn->out.status != 0) {
        conn->keep = false;
        conn->status = 0; /* no memory for an answer: the connection ends without one */
    } else if (conn->status < PV_HTTP_STATUSES) {
        conn->listener->httpd->counters.answers[conn->status]++;
    }
}

void pv_httpd_make_head(struct pv_httpd_conn *conn, const struct pv_http_answer *answer)
{
    conn->status = answer->status;
    conn->sent = 0;
    put_head(conn, answer, answer->status, UNKNOWN);
    if (conn->out.status != 0) {
        conn->status = 0; /* as in pv_httpd_make_answer */
    } else {
        conn->listener->httpd->counters.answers[answer->status]++;
    }
}

/* ---- sending ---- */

int64_t pv_httpd_send_some(struct pv_httpd_conn *conn)
{
    struct iovec parts[2];
    size_t count = 0;
    size_t head_sent = conn->sent < conn->out.len ? conn->sent : conn->out.len;
    size_t body_sent = conn->sent - head_sent;
    if (head_sent < conn->out.len) {
        parts[count++] = (struct iovec){conn->out.ptr + head_sent, conn->out.len - head_sent};
    }
    if (body_sent < conn->out_body_len) {
        parts[count++] = (struct iovec){conn->out_body + body_sent, conn->out_body_len - body_sent};
    }
    if (conn->session != NULL) {
        return pv_http_session_send(conn->session, parts[0].iov_base, parts[0].iov_len);
    }
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? PV_HTTP_WANT_WRITE : PV_HTTP_BROKEN;
}

/* The answer is out. */
static void sent_all(struct pv_httpd_conn *conn)
{
    pv_free(conn->out_body);
    conn->out_body = NULL;
    conn->out_body_len = 0;
    conn->sent = 0;
    if (conn->keep) {
        pv_httpd_conn_next(conn);
        return;
    }
    if (!conn->unread) {
        pv_httpd_conn_close(conn);
        return;
    }
    pv_http_session_free(conn->session, true);
    conn->session = NULL;
    shutdown(conn->fd, SHUT_WR);
    conn->phase = PV_HTTPD_LINGER;
    pv_httpd_conn_poll(conn, UV_READABLE);
}

void pv_httpd_flush(struct pv_httpd_conn *conn)
{
    size_t all = conn->out.len + conn->out_body_len;
    if (conn->status == 0) {
        pv_httpd_conn_close(conn);
        return;
    }
    while (conn->sent < all) {
        int64_t n = pv_httpd_send_some(conn);
        if (n == PV_HTTP_WANT_WRITE || n == PV_HTTP_WANT_READ) {
            pv_httpd_conn_poll(conn, n == PV_HTTP_WANT_WRITE ? UV_WRITABLE : UV_READABLE);
            return;
        }
        if (n < 0) {
            pv_httpd_conn_close(conn);
            return;
        }
        conn->sent += (size_t)n;
    }
    sent_all(conn);
}

void pv_httpd_send_continue(struct pv_httpd_conn *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    /* Nothing else is on its way to the client: so few bytes always fit, and a client that does not
     * get them sends its body all the same. */
    if (conn->session != NULL) {
        (void)!pv_http_session_send(conn->session, text, sizeof(text) - 1);
    } else {
        (void)!send(conn->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

void pv_http_answer(struct pv_http_request *request, const struct pv_http_answer *answer,
                    struct pv_buf *body)
{
    struct pv_httpd_conn *conn = PV_CONTAINER(request, struct pv_httpd_conn, request);
    request->gone = NULL;
    if (conn->gone) {
        if (body != NULL) {
            pv_buf_done(body);
        }
        pv_httpd_conn_close(conn);
        return;
    }
    if (conn->phase == PV_HTTPD_ASKING) {
        pv_buf_done(&conn->body); /* nobody reads what came of it */
        pv_httpd_conn_last(conn);
    } else {
        conn->phase = PV_HTTPD_ANSWERING;
        conn->deadline_ms = pv_httpd_now_ms(conn) + conn->listener->httpd->options.body_ms;
    }
    pv_httpd_make_answer(conn, answer, body);
    if (!conn->in_process) {
        pv_httpd_flush(conn);
    }
}

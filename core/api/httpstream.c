/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the HTTP server that are sent as they are made, and end with their connection. What
 * the client has not taken stands in conn->out. */
#include "core/api/httpd_internal.h"

#include <sys/socket.h>

static struct pv_httpd_conn *conn_of(struct pv_http_request *request)
{
    return PV_CONTAINER(request, struct pv_httpd_conn, request);
}

static void wait_for_more(struct pv_httpd_conn *conn)
{
    conn->deadline_ms = INT64_MAX;
    pv_buf_clear(&conn->out);
    conn->sent = 0;
    pv_httpd_conn_poll(conn, UV_DISCONNECT);
}

static void break_off(struct pv_httpd_conn *conn)
{
    shutdown(conn->fd, SHUT_RDWR); /* the poll tells of it */
    wait_for_more(conn);
}

/* Sends what there is; true when all of it is out. */
static bool send_out(struct pv_httpd_conn *conn)
{
    while (conn->sent < conn->out.len) {
        int64_t n = pv_httpd_send_some(conn);
        if (n == PV_HTTP_WANT_WRITE || n == PV_HTTP_WANT_READ) {
            int what = n == PV_HTTP_WANT_WRITE ? UV_WRITABLE : UV_READABLE;
            pv_httpd_conn_poll(conn, what | UV_DISCONNECT);
            return false;
        }
        if (n < 0) {
            break_off(conn);
            return false;
        }
        conn->sent += (size_t)n;
        conn->deadline_ms = pv_httpd_now_ms(conn) + conn->listener->httpd->options.body_ms;
    }
    wait_for_more(conn);
    return true;
}

void pv_httpd_stream_ready(struct pv_httpd_conn *conn)
{
    if (send_out(conn) && conn->drained != NULL) {
        conn->drained(&conn->request);
    }
}

void pv_http_stream(struct pv_http_request *request, const struct pv_http_answer *answer,
                    size_t max_pending, void (*gone)(struct pv_http_request *request),
                    void (*drained)(struct pv_http_request *request))
{
    struct pv_httpd_conn *conn = conn_of(request);
    request->gone = gone;
    conn->drained = drained;
    conn->keep = false;
    pv_buf_done(&conn->out);
    pv_buf_init(&conn->out, max_pending);
    pv_httpd_make_head(conn, answer);
    conn->phase = PV_HTTPD_STREAMING;
    conn->deadline_ms = pv_httpd_now_ms(conn) + conn->listener->httpd->options.body_ms;
    if (!conn->gone && conn->status == 0) {
        break_off(conn); /* nothing may follow a head that is not whole */
    } else if (!conn->gone) {
        (void)send_out(conn);
    }
}

int pv_http_stream_put(struct pv_http_request *request, struct pv_str bytes)
{
    struct pv_httpd_conn *conn = conn_of(request);
    if (conn->gone) {
        return PV_ECLOSED;
    }
    bool first = conn->out.len == 0;
    if (conn->out.len + bytes.len > conn->out.cap && conn->sent > 0) {
        pv_buf_consume(&conn->out, conn->sent);
        conn->sent = 0;
    }
    size_t before = conn->out.len;
    int status = pv_buf_str(&conn->out, bytes);
    if (status != 0) { /* what was there is whole */
        conn->out.len = before;
        conn->out.status = 0;
        return status;
    }
    if (first) {
        conn->deadline_ms = pv_httpd_now_ms(conn) + conn->listener->httpd->options.body_ms;
        (void)send_out(conn);
    }
    return 0;
}

size_t pv_http_stream_pending(struct pv_http_request *request)
{
    const struct pv_httpd_conn *conn = conn_of(request);
    return conn->out.len - conn->sent;
}

void pv_http_stream_end(struct pv_http_request *request)
{
    struct pv_httpd_conn *conn = conn_of(request);
    request->gone = NULL;
    conn->drained = NULL;
    if (conn->gone) {
        pv_httpd_conn_close(conn);
        return;
    }
    conn->phase = PV_HTTPD_ANSWERING;
    conn->deadline_ms = pv_httpd_now_ms(conn) + conn->listener->httpd->options.body_ms;
    if (!conn->in_process) {
        pv_httpd_flush(conn);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests: what is kept of the bytes that come, and whether they are to come at all. */
#include "core/api/httpd_internal.h"

/* Takes bytes of the body; how many were its own. false: the request has been refused. */
static bool put_body(struct pv_httpd_conn *conn, struct pv_str data)
{
    int status = pv_buf_put(&conn->body, data.ptr, data.len);
    if (status == PV_ETOOBIG) {
        pv_httpd_conn_refuse(conn, 413, "too_large", "the body is larger than allowed");
    } else if (status != 0) {
        pv_httpd_conn_refuse(conn, 503, "no_memory", "out of memory, try again");
    }
    return status == 0;
}

static size_t read_chunks(struct pv_httpd_conn *conn, struct pv_str bytes, bool *ret_done)
{
    size_t used = 0;
    while (used < bytes.len && !*ret_done) {
        struct pv_str rest = {bytes.ptr + used, bytes.len - used};
        struct pv_str data;
        struct pv_http_refusal refusal;
        size_t n = 0;
        enum pv_http_parsed parsed = pv_http_chunks_read(&conn->chunks, rest, &n, &data, &refusal);
        used += n;
        if (parsed == PV_HTTP_REFUSED) {
            pv_httpd_conn_refuse(conn, refusal.status, refusal.code, refusal.sentence);
            return used;
        }
        if (data.len > 0 && !put_body(conn, data)) {
            return used;
        }
        *ret_done = parsed == PV_HTTP_DONE;
    }
    return used;
}

size_t pv_httpd_body_read(struct pv_httpd_conn *conn, struct pv_str bytes, bool *ret_done)
{
    size_t used = 0;
    *ret_done = conn->whole;
    if (conn->whole) {
        return 0;
    }
    if (conn->head.chunked) {
        used = read_chunks(conn, bytes, ret_done);
    } else {
        used = (uint64_t)conn->left < bytes.len ? (size_t)conn->left : bytes.len;
        if (used > 0 && !put_body(conn, (struct pv_str){bytes.ptr, used})) {
            return used;
        }
        conn->left -= (int64_t)used;
        *ret_done = conn->left == 0;
    }
    conn->whole = *ret_done;
    return used;
}

void pv_http_take_body(struct pv_http_request *request, size_t max_bytes)
{
    struct pv_httpd_conn *conn = PV_CONTAINER(request, struct pv_httpd_conn, request);
    struct pv_httpd *httpd = conn->listener->httpd;
    request->user = NULL;
    if (conn->gone) {
        pv_httpd_conn_close(conn);
        return;
    }
    conn->phase = PV_HTTPD_BODY;
    conn->deadline_ms = pv_httpd_now_ms(conn) + httpd->options.body_ms;
    conn->body.cap = max_bytes < conn->body.cap ? max_bytes : conn->body.cap;
    if (httpd->closing) {
        pv_httpd_conn_refuse(conn, 503, "closing", "the server is stopping");
        return;
    }
    if (conn->body.len + (uint64_t)conn->left > conn->body.cap) {
        pv_httpd_conn_refuse(conn, 413, "too_large", "the body is larger than allowed");
        return;
    }
    if (conn->continues) {
        pv_httpd_send_continue(conn);
    }
    pv_httpd_conn_poll(conn, UV_READABLE);
    if (!conn->in_process && conn->session != NULL && pv_http_session_pending(conn->session)) {
        pv_list_remove(&conn->turn); /* it may be in it since the answer before */
        pv_list_push(&httpd->ready, &conn->turn);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server's place on the loop: its beginning, its deadlines, its end. */
#include "core/api/httpd_internal.h"

#include "core/base/alloc.h"

#include <unistd.h>

#define CLOSE_MS 2000

static void on_again(uv_idle_t *idle)
{
    (void)idle;
}

/* Connections that have more to be read already are gone on with before the loop sleeps. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct pv_httpd *httpd = prepare->data;
    struct pv_link todo;
    pv_list_init(&todo);
    for (struct pv_link *at = pv_list_pop(&httpd->ready); at; at = pv_list_pop(&httpd->ready)) {
        pv_list_push(&todo, at);
    }
    for (struct pv_link *at = pv_list_pop(&todo); at; at = pv_list_pop(&todo)) {
        pv_httpd_conn_ready(PV_CONTAINER(at, struct pv_httpd_conn, turn));
    }
    /* What is ready again waits for no event: the loop must not sleep. */
    if (!pv_list_empty(&httpd->ready)) {
        uv_idle_start(&httpd->again, on_again);
    } else {
        uv_idle_stop(&httpd->again);
    }
}

/* ---- slow clients ---- */

/* Ends who is over its deadline; when closing also everybody who has nothing to wait for. How many
 * are left that must be waited for. */
static size_t check_deadlines(struct pv_httpd *httpd)
{
    int64_t now = pv_mono_ms(&httpd->options.clock);
    size_t busy = 0;
    struct pv_link *next = NULL;
    for (struct pv_link *at = httpd->conns.next; at != &httpd->conns; at = next) {
        struct pv_httpd_conn *conn = PV_CONTAINER(at, struct pv_httpd_conn, link);
        next = at->next;
        if (conn->phase == PV_HTTPD_ASKING || conn->phase == PV_HTTPD_HANDLING ||
            (httpd->closing && conn->phase == PV_HTTPD_STREAMING)) {
            busy++;
            continue;
        }
        bool answering = conn->phase == PV_HTTPD_ANSWERING;
        if (httpd->closing && (!answering || now >= httpd->close_by_ms)) {
            pv_httpd_conn_close(conn);
        } else if (now >= conn->deadline_ms) {
            pv_httpd_conn_late(conn);
        } else {
            busy += answering ? 1 : 0;
        }
    }
    return busy;
}

static void close_finish(struct pv_httpd *httpd);

static void on_deadlines(uv_timer_t *timer)
{
    struct pv_httpd *httpd = timer->data;
    size_t busy = check_deadlines(httpd);
    if (httpd->closing) {
        if (busy == 0) {
            close_finish(httpd);
        }
        return;
    }
    for (size_t i = 0; i < httpd->listener_count; i++) {
        if (httpd->listeners[i].full) {
            pv_httpd_listener_resume(&httpd->listeners[i]); /* idle ones may give way now */
        }
    }
}

/* How often slow clients are looked for: an eighth of the shortest deadline, at most a second. */
static uint64_t deadline_period(const struct pv_httpd_options *options)
{
    int64_t least = options->header_ms < options->body_ms ? options->header_ms : options->body_ms;
    int64_t period = least / 8;
    period = period < 1000 ? period : 1000;
    return period > 5 ? (uint64_t)period : 5;
}

/* ---- the beginning ---- */

int pv_httpd_new(const struct pv_httpd_options *options, struct pv_httpd **ret_httpd)
{
    struct pv_httpd *httpd = pv_calloc(1, sizeof(*httpd));
    char *scratch = pv_malloc(PV_HTTPD_READ_BYTES);
    if (httpd == NULL || scratch == NULL) {
        pv_free(httpd);
        pv_free(scratch);
        return PV_ENOMEM;
    }
    httpd->scratch = scratch;
    httpd->options = *options;
    struct pv_httpd_options *o = &httpd->options;
    o->max_connections = o->max_connections > 0 ? o->max_connections : 1024;
    o->max_body = o->max_body > 0 ? o->max_body : 1024u * 1024;
    o->header_ms = o->header_ms > 0 ? o->header_ms : 10000;
    o->body_ms = o->body_ms > 0 ? o->body_ms : 30000;
    o->idle_ms = o->idle_ms > 0 ? o->idle_ms : 60000;
    pv_list_init(&httpd->conns);
    pv_list_init(&httpd->idle);
    pv_list_init(&httpd->ready);
    pv_map_init(&httpd->peers);
    uv_prepare_init(o->loop, &httpd->prepare);
    uv_idle_init(o->loop, &httpd->again);
    uv_timer_init(o->loop, &httpd->deadlines);
    httpd->handles = 3;
    httpd->prepare.data = httpd;
    httpd->again.data = httpd;
    httpd->deadlines.data = httpd;
    uv_prepare_start(&httpd->prepare, on_prepare);
    uv_timer_start(&httpd->deadlines, on_deadlines, deadline_period(o), deadline_period(o));
    *ret_httpd = httpd;
    return 0;
}

void pv_httpd_set_tls(struct pv_httpd *httpd, struct pv_http_tls *tls)
{
    pv_http_tls_unref(httpd->tls);
    httpd->tls = tls;
}

const struct pv_httpd_counters *pv_httpd_counters(const struct pv_httpd *httpd)
{
    return &httpd->counters;
}

/* ---- the end ---- */

void pv_httpd_handle_closed(struct pv_httpd *httpd)
{
    httpd->handles--;
    if (httpd->handles > 0) {
        return;
    }
    void (*closed)(void *user) = httpd->closed;
    void *user = httpd->closed_user;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        pv_free(httpd->listeners[i].path);
    }
    pv_map_done(&httpd->peers);
    pv_http_tls_unref(httpd->tls);
    pv_free(httpd->scratch);
    pv_free(httpd);
    if (closed != NULL) {
        closed(user);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    pv_httpd_handle_closed(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct pv_httpd_listener *listener = handle->data;
    pv_httpd_handle_closed(listener->httpd);
}

static void close_finish(struct pv_httpd *httpd)
{
    uv_close((uv_handle_t *)&httpd->deadlines, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->again, on_handle_closed);
    uv_close((uv_handle_t *)&httpd->prepare, on_handle_closed);
}

void pv_httpd_close(struct pv_httpd *httpd, void (*closed)(void *user), void *user)
{
    httpd->closing = true;
    httpd->closed = closed;
    httpd->closed_user = user;
    httpd->close_by_ms = pv_mono_ms(&httpd->options.clock) + CLOSE_MS;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        struct pv_httpd_listener *listener = &httpd->listeners[i];
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
        close(listener->fd);
        if (listener->path != NULL) {
            unlink(listener->path);
        }
    }
    uv_timer_start(&httpd->deadlines, on_deadlines, 0, 5);
}

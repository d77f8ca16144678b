/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl tells which sockets and which time-out it wants watched; connections are shared by all
 * calls of the instance. */
#include "core/host/multi.h"

#include "core/base/alloc.h"

#define CONNECTIONS_KEPT 256L
#define EASY_KEPT 64

struct pv_http {
    struct pv_host *host;
    CURLM *multi;
    uv_timer_t timer;
    unsigned handles; /* not closed yet, the timer included */
    bool closing;
    CURL *stock[EASY_KEPT];
    size_t stock_count;
};

struct watch {
    struct pv_http *http;
    curl_socket_t fd;
    uv_poll_t handle;
};

static void handle_gone(struct pv_http *http)
{
    http->handles--;
    if (http->handles == 0) {
        struct pv_host *host = http->host;
        pv_free(http);
        pv_host_release(host);
    }
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct pv_http *http = watch->http;
    pv_free(watch);
    handle_gone(http);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

static void reap(struct pv_http *http)
{
    int more = 0;
    for (CURLMsg *msg = curl_multi_info_read(http->multi, &more); msg != NULL;
         msg = curl_multi_info_read(http->multi, &more)) {
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = msg->data.result;
        struct pv_transfer *transfer = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(http->multi, msg->easy_handle);
        transfer->done(transfer, code);
    }
}

static void on_readiness(uv_poll_t *handle, int status, int events)
{
    struct watch *watch = handle->data;
    struct pv_http *http = watch->http;
    int what = status < 0 ? CURL_CSELECT_ERR : 0;
    what |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    what |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    int running = 0;
    curl_multi_socket_action(http->multi, watch->fd, what, &running);
    reap(http);
}

static void on_timeout(uv_timer_t *timer)
{
    struct pv_http *http = timer->data;
    int running = 0;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(http);
}

static int on_timer_wanted(CURLM *multi, long ms, void *user)
{
    (void)multi;
    struct pv_http *http = user;
    if (http->closing) {
        return 0;
    }
    if (ms < 0) {
        uv_timer_stop(&http->timer);
        return 0;
    }
    uv_update_time(http->host->loop);
    uv_timer_start(&http->timer, on_timeout, (uint64_t)ms, 0);
    return 0;
}

static struct watch *new_watch(struct pv_http *http, curl_socket_t fd)
{
    struct watch *watch = pv_calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return NULL;
    }
    watch->http = http;
    watch->fd = fd;
    if (uv_poll_init_socket(http->host->loop, &watch->handle, fd) != 0) {
        pv_free(watch);
        return NULL;
    }
    watch->handle.data = watch;
    http->handles++;
    return watch;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_data)
{
    (void)easy;
    struct pv_http *http = user;
    struct watch *watch = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            curl_multi_assign(http->multi, fd, NULL);
            uv_poll_stop(&watch->handle);
            uv_close((uv_handle_t *)&watch->handle, on_watch_closed);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = new_watch(http, fd);
        if (watch == NULL) {
            return -1; /* the transfer fails as out of memory */
        }
        curl_multi_assign(http->multi, fd, watch);
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    uv_poll_start(&watch->handle, events, on_readiness);
    return 0;
}

int pv_http_new(struct pv_host *host, struct pv_http **ret_http)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return PV_ENOMEM;
    }
    struct pv_http *http = pv_calloc(1, sizeof(*http));
    CURLM *multi = http != NULL ? curl_multi_init() : NULL;
    if (multi == NULL) {
        pv_free(http);
        curl_global_cleanup();
        return PV_ENOMEM;
    }
    http->host = host;
    http->multi = multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    uv_timer_init(host->loop, &http->timer);
    http->timer.data = http;
    http->handles = 1;
    pv_host_hold(host);
    *ret_http = http;
    return 0;
}

void pv_http_close(struct pv_http *http)
{
    http->closing = true;
    for (size_t i = 0; i < http->stock_count; i++) {
        curl_easy_cleanup(http->stock[i]);
    }
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}

CURL *pv_http_easy(struct pv_http *http)
{
    if (http->stock_count == 0) {
        return curl_easy_init();
    }
    http->stock_count--;
    return http->stock[http->stock_count];
}

void pv_http_easy_free(struct pv_http *http, CURL *easy)
{
    if (easy != NULL && http->stock_count < EASY_KEPT) {
        curl_easy_reset(easy);
        http->stock[http->stock_count] = easy;
        http->stock_count++;
    } else {
        curl_easy_cleanup(easy);
    }
}

int pv_http_add(struct pv_http *http, struct pv_transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, (void *)transfer);
    return curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK ? 0 : PV_ENOMEM;
}

void pv_http_remove(struct pv_http *http, struct pv_transfer *transfer)
{
    curl_multi_remove_handle(http->multi, transfer->easy);
}

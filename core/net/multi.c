/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl tells which sockets and which time-out it wants watched; connections are shared by all
 * transfers of the multi handle. */
#include "core/net/multi.h"

#include "core/base/alloc.h"
#include "core/net/poll.h"

#include <stdbool.h>
#include <unistd.h>

#define CONNECTIONS_KEPT 256L
#define EASY_KEPT 64
#define IDLE_FDS 1024

struct pv_multi {
    struct pv_polls owned; /* the timers included */
    CURLM *curl;
    uv_timer_t timer;
    uv_timer_t relief;           /* runs while there are starved transfers */
    struct pv_transfer *starved; /* there was no memory to watch a socket of theirs */
    bool closing;
    /* Of connections that have answered and that no transfer uses, by descriptor: nothing is
     * watched, but the next request need not take the socket into the loop anew. libcurl closes
     * these through on_socket_close; sockets that it gives up while they connect (TLS included) it
     * closes itself, and only then says that they are not wanted. */
    struct pv_poll *idle[IDLE_FDS];
    CURL *stock[EASY_KEPT];
    size_t stock_count;
};

static void forget(struct pv_multi *multi, struct pv_transfer *transfer)
{
    struct pv_transfer **at = &multi->starved;
    while (transfer->starved && *at != transfer) {
        at = &(*at)->next;
    }
    if (transfer->starved) {
        *at = transfer->next;
        transfer->starved = false;
    }
}

static void on_relief(uv_timer_t *timer)
{
    struct pv_multi *multi = timer->data;
    while (multi->starved != NULL) {
        struct pv_transfer *transfer = multi->starved;
        forget(multi, transfer);
        curl_multi_remove_handle(multi->curl, transfer->easy);
        transfer->done(transfer, CURLE_OUT_OF_MEMORY);
    }
}

/* Ends the transfer soon. libcurl must not learn of it: it would give up every other one too. */
static void starve(struct pv_multi *multi, CURL *easy)
{
    struct pv_transfer *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    if (transfer != NULL && !transfer->starved && !multi->closing) {
        transfer->starved = true;
        transfer->next = multi->starved;
        multi->starved = transfer;
        uv_timer_start(&multi->relief, on_relief, 0, 0);
    }
}

static void reap(struct pv_multi *multi)
{
    int more = 0;
    for (CURLMsg *msg = curl_multi_info_read(multi->curl, &more); msg != NULL;
         msg = curl_multi_info_read(multi->curl, &more)) {
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = msg->data.result;
        struct pv_transfer *transfer = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(multi->curl, msg->easy_handle);
        forget(multi, transfer);
        transfer->done(transfer, code);
    }
}

static void on_readiness(uv_poll_t *handle, int status, int events);

static void watch_for(struct pv_poll *poll, int events)
{
    if (poll->events != events) {
        poll->events = events;
        pv_poll_start(poll, events, on_readiness);
    }
}

static void on_readiness(uv_poll_t *handle, int status, int events)
{
    struct pv_poll *poll = handle->data;
    struct pv_multi *multi = (struct pv_multi *)poll->owner;
    if (status < 0) {
        poll->events = 0; /* libuv has stopped it */
    }
    /* 0, after an error: libcurl looks itself. Merely told of it, it would not send again what a
     * connection that was kept has lost. */
    int what = (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    what |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    int running = 0;
    curl_multi_socket_action(multi->curl, poll->fd, what, &running);
    reap(multi);
}

static void on_timeout(uv_timer_t *timer)
{
    struct pv_multi *multi = timer->data;
    int running = 0;
    curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(multi);
}

static int on_timer_wanted(CURLM *curl, long ms, void *user)
{
    (void)curl;
    struct pv_multi *multi = user;
    if (multi->closing) {
        return 0;
    }
    if (ms < 0) {
        uv_timer_stop(&multi->timer);
        return 0;
    }
    uv_update_time(multi->owned.loop);
    uv_timer_start(&multi->timer, on_timeout, (uint64_t)ms, 0);
    return 0;
}

/* Before a descriptor is closed: the next socket may get its number. */
static void forget_fd(struct pv_multi *multi, curl_socket_t fd)
{
    if (fd >= 0 && fd < IDLE_FDS && multi->idle[fd] != NULL) {
        pv_poll_close(multi->idle[fd]);
        multi->idle[fd] = NULL;
    }
}

static int on_socket_close(void *user, curl_socket_t fd)
{
    forget_fd(user, fd);
    return close(fd);
}

static bool has_answered(CURL *easy)
{
    curl_off_t first_byte_us = 0;
    curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us);
    return first_byte_us > 0;
}

static void set_aside(struct pv_multi *multi, CURL *easy, struct pv_poll *poll)
{
    if (poll->fd < IDLE_FDS && !multi->closing && has_answered(easy)) {
        watch_for(poll, 0); /* libcurl looks at it before it is used again */
        multi->idle[poll->fd] = poll;
    } else {
        pv_poll_close(poll);
    }
}

static struct pv_poll *poll_for(struct pv_multi *multi, curl_socket_t fd)
{
    struct pv_poll *poll = fd < IDLE_FDS ? multi->idle[fd] : NULL;
    if (poll == NULL) {
        return pv_poll_new(&multi->owned, fd);
    }
    multi->idle[fd] = NULL;
    return poll;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_data)
{
    struct pv_multi *multi = user;
    struct pv_poll *poll = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (poll != NULL) {
            curl_multi_assign(multi->curl, fd, NULL);
            set_aside(multi, easy, poll);
        }
        return 0;
    }
    if (poll == NULL) {
        poll = poll_for(multi, fd);
        if (poll == NULL) {
            starve(multi, easy);
            return 0;
        }
        curl_multi_assign(multi->curl, fd, poll);
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    watch_for(poll, events);
    return 0;
}

int pv_multi_new(uv_loop_t *loop, struct pv_multi **ret_multi)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return PV_ENOMEM;
    }
    struct pv_multi *multi = pv_calloc(1, sizeof(*multi));
    CURLM *curl = multi != NULL ? curl_multi_init() : NULL;
    if (curl == NULL) {
        pv_free(multi);
        curl_global_cleanup();
        return PV_ENOMEM;
    }
    multi->owned.loop = loop;
    multi->curl = curl;
    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    pv_poll_timer(&multi->owned, &multi->timer);
    pv_poll_timer(&multi->owned, &multi->relief);
    *ret_multi = multi;
    return 0;
}

void pv_multi_close(struct pv_multi *multi, void (*closed)(void *user), void *user)
{
    multi->owned.closed = closed;
    multi->owned.user = user;
    multi->closing = true;
    for (size_t i = 0; i < multi->stock_count; i++) {
        curl_easy_cleanup(multi->stock[i]);
    }
    curl_multi_cleanup(multi->curl);
    curl_global_cleanup();
    for (curl_socket_t fd = 0; fd < IDLE_FDS; fd++) {
        forget_fd(multi, fd);
    }
    pv_poll_timer_close(&multi->timer);
    pv_poll_timer_close(&multi->relief);
}

CURL *pv_multi_easy(struct pv_multi *multi)
{
    if (multi->stock_count == 0) {
        return curl_easy_init();
    }
    multi->stock_count--;
    return multi->stock[multi->stock_count];
}

void pv_multi_easy_free(struct pv_multi *multi, CURL *easy)
{
    if (easy != NULL && multi->stock_count < EASY_KEPT) {
        curl_easy_reset(easy);
        multi->stock[multi->stock_count] = easy;
        multi->stock_count++;
    } else {
        curl_easy_cleanup(easy);
    }
}

int pv_multi_add(struct pv_multi *multi, struct pv_transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, (void *)transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETDATA, multi);
    return curl_multi_add_handle(multi->curl, transfer->easy) == CURLM_OK ? 0 : PV_ENOMEM;
}

void pv_multi_remove(struct pv_multi *multi, struct pv_transfer *transfer)
{
    curl_multi_remove_handle(multi->curl, transfer->easy);
    forget(multi, transfer);
}

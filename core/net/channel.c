/* SPDX-License-Identifier: Apache-2.0 */
/* c-ares under libuv. c-ares tells which sockets it wants watched; each gets a poll handle. */
#include "core/net/channel.h"

#include "core/base/alloc.h"
#include "core/net/poll.h"

#include <sys/time.h>

struct pv_channel {
    struct pv_polls owned; /* the timer included */
    ares_channel ares;
    struct pv_link polls; /* pv_poll.link, of those that c-ares wants */
    uv_timer_t timer;
};

static void on_readiness(uv_poll_t *handle, int status, int events)
{
    struct pv_poll *poll = handle->data;
    struct pv_channel *channel = (struct pv_channel *)poll->owner;
    bool read = status < 0 || (events & UV_READABLE) != 0;
    bool write = status < 0 || (events & UV_WRITABLE) != 0;
    ares_process_fd(channel->ares, read ? poll->fd : ARES_SOCKET_BAD,
                    write ? poll->fd : ARES_SOCKET_BAD);
    pv_channel_arm(channel);
}

static struct pv_poll *find_poll(struct pv_channel *channel, ares_socket_t fd)
{
    for (struct pv_link *l = channel->polls.next; l != &channel->polls; l = l->next) {
        struct pv_poll *poll = PV_CONTAINER(l, struct pv_poll, link);
        if (poll->fd == fd) {
            return poll;
        }
    }
    return NULL;
}

static struct pv_poll *add_poll(struct pv_channel *channel, ares_socket_t fd)
{
    struct pv_poll *poll = pv_poll_new(&channel->owned, fd);
    if (poll != NULL) {
        pv_list_push(&channel->polls, &poll->link);
    }
    return poll;
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct pv_channel *channel = data;
    struct pv_poll *poll = find_poll(channel, fd);
    int events = (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0);
    if (events != 0) {
        /* Without memory for the handle the query runs into its time-out. */
        poll = poll != NULL ? poll : add_poll(channel, fd);
        if (poll != NULL) {
            pv_poll_start(poll, events, on_readiness);
        }
    } else if (poll != NULL) {
        pv_list_remove(&poll->link);
        pv_poll_close(poll);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct pv_channel *channel = timer->data;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    pv_channel_arm(channel);
}

ares_channel pv_channel_ares(struct pv_channel *channel)
{
    return channel->ares;
}

void pv_channel_arm(struct pv_channel *channel)
{
    struct timeval room;
    struct timeval *left = ares_timeout(channel->ares, NULL, &room);
    if (left == NULL) {
        uv_timer_stop(&channel->timer);
        return;
    }
    uint64_t ms = (uint64_t)left->tv_sec * 1000 + (uint64_t)left->tv_usec / 1000 + 1;
    uv_timer_start(&channel->timer, on_timer, ms, 0);
}

int pv_channel_new(uv_loop_t *loop, const struct pv_channel_opts *opts,
                   struct pv_channel **ret_channel)
{
    struct pv_channel *channel = pv_calloc(1, sizeof(*channel));
    if (channel == NULL) {
        return PV_ENOMEM;
    }
    channel->owned = (struct pv_polls){.loop = loop, .closed = opts->closed, .user = opts->user};
    pv_list_init(&channel->polls);
    struct ares_options options = {
        .flags = opts->flags,
        .timeout = opts->try_ms,
        .tries = opts->tries,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int code = ares_init_options(&channel->ares, &options,
                                 ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                                     ARES_OPT_SOCK_STATE_CB);
    if (code == ARES_SUCCESS && opts->servers != NULL) {
        code = ares_set_servers_ports_csv(channel->ares, opts->servers);
        if (code != ARES_SUCCESS) {
            ares_destroy(channel->ares);
        }
    }
    if (code != ARES_SUCCESS) {
        pv_free(channel);
        return code == ARES_ENOMEM ? PV_ENOMEM : PV_EINVAL;
    }
    pv_poll_timer(&channel->owned, &channel->timer);
    *ret_channel = channel;
    return 0;
}

void pv_channel_close(struct pv_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    ares_destroy(channel->ares);
    pv_poll_timer_close(&channel->timer);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An owner counts its handles: each close callback takes one off. */
#include "core/net/poll.h"

#include "core/base/alloc.h"

static void handle_gone(struct pv_polls *owner)
{
    owner->handles--;
    if (owner->handles == 0) {
        void (*closed)(void *user) = owner->closed;
        void *user = owner->user;
        pv_free(owner);
        if (closed != NULL) {
            closed(user);
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct pv_poll *poll = handle->data;
    struct pv_polls *owner = poll->owner;
    pv_free(poll);
    handle_gone(owner);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

struct pv_poll *pv_poll_new(struct pv_polls *owner, int fd)
{
    struct pv_poll *poll = pv_calloc(1, sizeof(*poll));
    if (poll == NULL) {
        return NULL;
    }
    poll->owner = owner;
    poll->fd = fd;
    if (uv_poll_init_socket(owner->loop, &poll->handle, fd) != 0) {
        pv_free(poll);
        return NULL;
    }
    poll->handle.data = poll;
    owner->handles++;
    return poll;
}

void pv_poll_start(struct pv_poll *poll, int events, uv_poll_cb ready)
{
    uv_poll_start(&poll->handle, events, ready);
}

void pv_poll_close(struct pv_poll *poll)
{
    uv_close((uv_handle_t *)&poll->handle, on_closed);
}

void pv_poll_timer(struct pv_polls *owner, uv_timer_t *timer)
{
    uv_timer_init(owner->loop, timer);
    timer->data = owner;
    owner->handles++;
}

void pv_poll_timer_close(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

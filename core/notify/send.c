/* SPDX-License-Identifier: Apache-2.0 */
/* A post looks its name up, then goes out; whatever answers it, only the status and Retry-After are
 * kept. Certificates are always checked, redirects never followed, proxies of the environment never
 * used. */
#include "core/notify/send.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/net/multi.h"
#include "core/net/names.h"
#include "core/net/request.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX (16u * 1024)
#define ANSWER_MAX (64u * 1024) /* what comes after that is not waited for */
#define IDLE_REUSE_S 4L         /* servers close idle connections, some after five seconds */
#define USER_AGENT "provost-webhooks/1"

struct pv_sender {
    uv_loop_t *loop;
    const struct pv_clock *clock;
    struct pv_names *names; /* NULL until the first post; the same goes for multi */
    struct pv_multi *multi;
    unsigned closing; /* parts that are not closed yet */
    void (*closed)(void *user);
    void *closed_user;
};

struct sending {
    struct pv_sender *sender;
    struct pv_notify_post *post;
    struct pv_url url;
    struct pv_lookup lookup;
    struct pv_transfer transfer;
    struct curl_slist *headers;
    struct curl_slist *resolve;
    struct pv_buf head;
    size_t answered; /* bytes of the body */
    uv_timer_t late; /* of the look-up; and tells what went wrong at once from the next turn on */
    bool looking;
    const char *error;
    char curl_error[CURL_ERROR_SIZE];
};

/* ---- the end of one ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    pv_free(handle->data);
}

static void sending_free(struct sending *s)
{
    if (s->looking) {
        pv_names_cancel(&s->lookup);
    }
    if (s->transfer.easy != NULL) {
        pv_multi_easy_free(s->sender->multi, s->transfer.easy);
    }
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->resolve);
    pv_url_done(&s->url);
    pv_buf_done(&s->head);
    s->post->transport = NULL;
    uv_close((uv_handle_t *)&s->late, on_timer_closed);
}

static void finish(struct sending *s, int status, int64_t retry_after_ms, const char *error)
{
    struct pv_notify_post *post = s->post;
    char text[PV_NOTIFY_ERROR];
    snprintf(text, sizeof(text), "%.150s", error);
    sending_free(s);
    post->done(post, status, retry_after_ms, text);
}

static void on_late(uv_timer_t *timer)
{
    struct sending *s = timer->data;
    finish(s, 0, -1, s->error);
}

/* From the next turn of the loop on: a post never calls back from within. */
static void fail_soon(struct sending *s, const char *error)
{
    s->error = error;
    uv_timer_start(&s->late, on_late, 0, 0);
}

/* ---- libcurl's callbacks ---- */

static size_t on_head(char *bytes, size_t size, size_t count, void *user)
{
    struct sending *s = user;
    size_t len = size * count;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        pv_buf_clear(&s->head); /* what came before was 1xx */
    }
    return pv_buf_put(&s->head, bytes, len) == 0 ? len : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes;
    struct sending *s = user;
    s->answered += size * count;
    return s->answered <= ANSWER_MAX ? size * count : 0;
}

static void on_done(struct pv_transfer *transfer, CURLcode code)
{
    struct sending *s = PV_CONTAINER(transfer, struct sending, transfer);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    bool too_long = code == CURLE_WRITE_ERROR && s->answered > ANSWER_MAX;
    if (code != CURLE_OK && !too_long) {
        const char *error = code == CURLE_OPERATION_TIMEDOUT ? "no answer in time"
                            : s->curl_error[0] != '\0'       ? s->curl_error
                                                             : curl_easy_strerror(code);
        finish(s, 0, -1, error);
        return;
    }
    struct pv_str retry = pv_url_header(pv_buf_view(&s->head), "Retry-After");
    finish(s, (int)status, pv_url_retry_after(retry, pv_wall_ms(s->sender->clock)), "");
}

/* ---- sending ---- */

static int add_header(struct sending *s, const char *name, const char *value)
{
    char line[256];
    snprintf(line, sizeof(line), "%s: %s", name, value);
    return pv_request_header(&s->headers, line);
}

static int add_headers(struct sending *s)
{
    const struct pv_notify_post *post = s->post;
    int status = add_header(s, "Content-Type", "application/json");
    status = status != 0 ? status : add_header(s, "webhook-id", post->id);
    status = status != 0 ? status : add_header(s, "webhook-timestamp", post->timestamp);
    status = status != 0 ? status : add_header(s, "webhook-signature", post->signature);
    return status != 0 ? status : pv_request_header(&s->headers, "Expect:");
}

/* The addresses are known, or none are needed. */
static int go(struct sending *s)
{
    struct pv_sender *sender = s->sender;
    const struct pv_notify_post *post = s->post;
    s->transfer = (struct pv_transfer){.easy = pv_multi_easy(sender->multi), .done = on_done};
    if (s->transfer.easy == NULL || add_headers(s) != 0) {
        return PV_ENOMEM;
    }
    struct pv_request request = {
        .url = &s->url,
        .addresses = s->lookup.text,
        .headers = s->headers,
        .user_agent = USER_AGENT,
        .ca_file = post->ca_file,
        .timeout_ms = (long)post->timeout_ms,
        .idle_reuse_s = IDLE_REUSE_S,
        .error = s->curl_error,
        .head = on_head,
        .body = on_body,
        .user = s,
    };
    int status = pv_request_set(s->transfer.easy, &request, &s->resolve);
    if (status == 0) {
        pv_request_body(s->transfer.easy, post->body);
        status = pv_multi_add(sender->multi, &s->transfer);
    }
    return status;
}

static void on_found(struct pv_lookup *lookup, const char *error)
{
    struct sending *s = PV_CONTAINER(lookup, struct sending, lookup);
    s->looking = false;
    uv_timer_stop(&s->late);
    if (error != NULL) {
        snprintf(s->curl_error, sizeof(s->curl_error), "cannot resolve %.150s: %s", s->url.host,
                 error);
        fail_soon(s, s->curl_error);
    } else if (go(s) != 0) {
        fail_soon(s, "out of memory");
    }
}

static void part_closed(void *user);

static int open_parts(struct pv_sender *sender)
{
    int status = sender->multi == NULL ? pv_multi_new(sender->loop, &sender->multi) : 0;
    if (status == 0 && sender->names == NULL) {
        status = pv_names_new(sender->loop, sender->clock, part_closed, sender, &sender->names);
    }
    return status;
}

static int post(void *ctx, struct pv_notify_post *post)
{
    struct pv_sender *sender = ctx;
    int status = open_parts(sender);
    struct sending *s = status == 0 ? pv_calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        return PV_ENOMEM;
    }
    s->sender = sender;
    s->post = post;
    s->lookup.done = on_found;
    pv_buf_init(&s->head, HEAD_MAX);
    uv_timer_init(sender->loop, &s->late);
    s->late.data = s;
    struct pv_err err = {0};
    status = pv_url_parse(post->url, &s->url, &err);
    if (status != 0) {
        snprintf(s->curl_error, sizeof(s->curl_error), "%.150s", err.text);
        fail_soon(s, s->curl_error);
        status = status == PV_ENOMEM ? status : 0;
    } else if (s->url.socket_path != NULL || s->url.literal ||
               pv_names_known(sender->names, s->url.host, &s->lookup)) {
        status = go(s);
    } else {
        s->looking = true;
        s->error = "no address was found in time";
        uv_timer_start(&s->late, on_late, (uint64_t)post->timeout_ms, 0);
        status = pv_names_ask(sender->names, s->url.host, &s->lookup);
        s->looking = s->looking && status == 0;
    }
    if (status != 0) {
        sending_free(s);
        return status;
    }
    post->transport = s;
    return 0;
}

static void cancel(void *ctx, struct pv_notify_post *post)
{
    struct pv_sender *sender = ctx;
    struct sending *s = post->transport;
    if (s != NULL) {
        if (s->transfer.easy != NULL) {
            pv_multi_remove(sender->multi, &s->transfer);
        }
        sending_free(s);
    }
}

/* ---- start and end ---- */

int pv_sender_new(uv_loop_t *loop, const struct pv_clock *clock, struct pv_sender **ret_sender)
{
    struct pv_sender *sender = pv_calloc(1, sizeof(*sender));
    if (sender == NULL) {
        return PV_ENOMEM;
    }
    sender->loop = loop;
    sender->clock = clock;
    *ret_sender = sender;
    return 0;
}

struct pv_notify_transport pv_sender_transport(struct pv_sender *sender)
{
    return (struct pv_notify_transport){.post = post, .cancel = cancel, .ctx = sender};
}

static void part_closed(void *user)
{
    struct pv_sender *sender = user;
    sender->closing--;
    if (sender->closing == 0) {
        void (*closed)(void *closed_user) = sender->closed;
        void *closed_user = sender->closed_user;
        pv_free(sender);
        closed(closed_user);
    }
}

void pv_sender_close(struct pv_sender *sender, void (*closed)(void *user), void *user)
{
    sender->closed = closed;
    sender->closed_user = user;
    sender->closing = 1; /* this function */
    if (sender->names != NULL && pv_names_close(sender->names)) {
        sender->closing++;
    }
    if (sender->multi != NULL) {
        sender->closing++;
        pv_multi_close(sender->multi, part_closed, sender);
    }
    part_closed(sender);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The server under test; its clients run on threads of their own. */
#include "tests/unit/api/http_rig.h"

#include "core/base/hash.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void answer_text(struct pv_http_request *request, unsigned status, const char *text)
{
    struct pv_buf body;
    pv_buf_init(&body, 1 << 20);
    pv_buf_c(&body, text);
    struct pv_http_answer answer = {.status = status, .headers = {{"X-Test", "yes"}}};
    pv_http_answer(request, &answer, &body);
    pv_buf_done(&body);
}

static void on_gone(struct pv_http_request *request)
{
    struct fixture *f = request->user;
    f->gone++;
    answer_text(request, 200, "nobody reads this");
}

void http_rig_answer(struct fixture *f)
{
    for (size_t i = 0; i < f->waiting_count; i++) {
        answer_text(f->waiting[i], 200, "{\"late\":true}");
    }
    f->waiting_count = 0;
}

static void on_later(uv_timer_t *timer)
{
    http_rig_answer(timer->data);
}

static void handle(struct pv_http_request *request, void *user)
{
    struct fixture *f = user;
    f->handled++;
    f->last_uid = request->uid;
    f->last_local = request->local;
    request->user = f;
    if (pv_str_eq_c(request->path, "/later")) {
        f->waiting[f->waiting_count++] = request;
        uv_timer_start(&f->later, on_later, 1, 0);
    } else if (pv_str_eq_c(request->path, "/wait")) {
        pv_http_watch(request, on_gone);
    } else if (pv_str_eq_c(request->path, "/hold")) {
        f->waiting[f->waiting_count++] = request;
    } else if (pv_str_eq_c(request->path, "/hold-watched")) {
        f->waiting[f->waiting_count++] = request;
        pv_http_watch(request, on_gone);
    } else {
        char text[600];
        struct pv_str name = pv_http_header(request, "x-name");
        snprintf(text, sizeof(text), "%.*s %.*s?%.*s %zu %.*s", PV_STR_ARG(request->method),
                 PV_STR_ARG(request->path), PV_STR_ARG(request->query), request->body.len,
                 PV_STR_ARG(name));
        answer_text(request, 200, text);
    }
}

static bool is_host(void *ctx, int pid)
{
    struct fixture *f = ctx;
    return f->refuse_host && pid == getpid();
}

static void on_client_done(uv_async_t *async)
{
    struct fixture *f = async->data;
    f->done = true;
}

int http_rig_open(void **state, struct pv_httpd_options options)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(pv_base_init(), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_async_init(&f->loop, &f->client_done, on_client_done);
    f->client_done.data = f;
    uv_timer_init(&f->loop, &f->later);
    f->later.data = f;
    options.loop = &f->loop;
    options.clock = pv_clock_system;
    options.handle = handle;
    options.user = f;
    options.is_host = is_host;
    options.is_host_ctx = f;
    assert_int_equal(pv_httpd_new(&options, &f->httpd), 0);
    struct pv_err err = {0};
    if (pv_httpd_listen_tcp(f->httpd, "127.0.0.1:0", false, &f->port, &err) != 0) {
        fail_msg("%s", err.text);
    }
    snprintf(f->folder, sizeof(f->folder), "/tmp/pv-httpd-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/admin.sock", f->folder);
    if (pv_httpd_listen_unix(f->httpd, f->path, "no-such-group", &err) != 0) {
        fail_msg("%s", err.text);
    }
    *state = f;
    return 0;
}

static void on_closed(void *user)
{
    struct fixture *f = user;
    f->closed = true;
}

void http_rig_close_waiting(struct fixture *f, void (*answer)(struct fixture *f))
{
    pv_httpd_close(f->httpd, on_closed, f);
    f->httpd = NULL;
    for (int i = 0; i < 20; i++) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->closed);
    answer(f);
    while (!f->closed) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
}

int http_rig_close(void **state)
{
    struct fixture *f = *state;
    if (f->httpd != NULL) {
        pv_httpd_close(f->httpd, on_closed, f);
    }
    while (!f->closed) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_not_equal(access(f->path, F_OK), 0);
    rmdir(f->folder);
    uv_close((uv_handle_t *)&f->client_done, NULL);
    uv_close((uv_handle_t *)&f->later, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int status = uv_loop_close(&f->loop);
    free(f);
    return status;
}

int http_rig_dial(struct fixture *f, bool local, const char *send_text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", f->path);
    const struct sockaddr *to = local ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, to, local ? sizeof(un) : sizeof(in)), 0);
    assert_int_equal(send(fd, send_text, strlen(send_text), 0), strlen(send_text));
    return fd;
}

void http_rig_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

struct client *client_of(struct fixture *f)
{
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->port = f->port;
    c->path = f->path;
    c->done = &f->client_done;
    return c;
}

/* Runs the loop until the client is through. */
void client_run(struct fixture *f, struct client *c)
{
    f->done = false;
    client_start(c);
    while (!f->done) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    pthread_join(c->thread, NULL);
    assert_false(c->failed);
}

void exchange(struct fixture *f, const char *send, size_t answers, const char *status,
              const char *says)
{
    struct client *c = client_of(f);
    c->send = send;
    c->until = answers;
    client_run(f, c);
    if (strncmp(c->got, status, strlen(status)) != 0 || strstr(c->got, says) == NULL) {
        fail_msg("expected %s … %s, got:\n%s", status, says, c->got);
    }
    free(c);
}

void turn(struct fixture *f, int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
}

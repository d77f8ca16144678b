/* SPDX-License-Identifier: Apache-2.0 */
/* The least that can answer an event over HTTP: libmicrohttpd on a libuv loop, as the API is built,
 * reads the body, throws it away and answers 202 with a fixed text. What wrk gets out of it is the
 * most that an API on this machine could accept. Prints its port, and ends with its standard input.
 * usage: responder */
#include <microhttpd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

static const char answer[] = "{\"success\":true,\"operation\":\"op_00000000000000000000000000\","
                             "\"service\":\"svc_00000000000000000000000000\",\"state\":\"queued\"}";

struct responder {
    uv_loop_t loop;
    uv_poll_t poll;
    uv_poll_t input;
    uv_prepare_t prepare;
    uv_timer_t timer;
    struct MHD_Daemon *daemon;
    struct MHD_Response *response;
};

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request)
{
    static int seen;
    struct responder *r = user;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_ACCEPTED, r->response);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct responder *r = poll->data;
    (void)status;
    (void)events;
    MHD_run(r->daemon);
}

static void on_timer(uv_timer_t *timer)
{
    struct responder *r = timer->data;
    MHD_run(r->daemon);
}

/* Its time-out is another one after every run. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct responder *r = prepare->data;
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(r->daemon, &timeout_ms) == MHD_YES) {
        uv_timer_start(&r->timer, on_timer, timeout_ms, 0);
    } else {
        uv_timer_stop(&r->timer);
    }
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    char byte;
    (void)status;
    (void)events;
    if (read(STDIN_FILENO, &byte, 1) <= 0) {
        uv_stop(poll->loop);
    }
}

static int start(struct responder *r)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    r->response =
        MHD_create_response_from_buffer(strlen(answer), (void *)answer, MHD_RESPMEM_PERSISTENT);
    if (!r->response || MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                "application/json") != MHD_YES) {
        return -1;
    }
    r->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ITC, 0, NULL, NULL, on_request, r,
                                 MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 1000u,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192, MHD_OPTION_END);
    if (!r->daemon) {
        return -1;
    }
    const union MHD_DaemonInfo *epoll = MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!epoll || uv_loop_init(&r->loop) || uv_poll_init(&r->loop, &r->poll, epoll->epoll_fd) ||
        uv_poll_init(&r->loop, &r->input, STDIN_FILENO)) {
        return -1;
    }
    uv_prepare_init(&r->loop, &r->prepare);
    uv_timer_init(&r->loop, &r->timer);
    r->poll.data = r;
    r->prepare.data = r;
    r->timer.data = r;
    return uv_poll_start(&r->poll, UV_READABLE, on_ready) |
           uv_poll_start(&r->input, UV_READABLE, on_input) |
           uv_prepare_start(&r->prepare, on_prepare);
}

int main(void)
{
    static struct responder r;
    if (start(&r)) {
        fprintf(stderr, "responder: does not start; its standard input has to be a pipe\n");
        return 1;
    }
    const union MHD_DaemonInfo *port = MHD_get_daemon_info(r.daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("%u\n", port ? (unsigned)port->port : 0);
    fflush(stdout);
    uv_run(&r.loop, UV_RUN_DEFAULT);
    MHD_stop_daemon(r.daemon);
    MHD_destroy_response(r.response);
    return 0;
}

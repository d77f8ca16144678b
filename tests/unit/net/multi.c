/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that libcurl closes, and those that get their numbers. */
#include "tests/unit/unit.h"

#include "core/net/multi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
    uv_loop_t loop;
    struct pv_multi *multi;
    int listener;
    pthread_t thread;
    bool closed;
};

struct request {
    struct pv_transfer transfer; /* first */
    bool over;
    CURLcode code;
};

static int listen_at(int backlog, unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Connections that nobody takes fill the listener: whoever comes next waits. */
static void fill(unsigned port, int *ret_fds, size_t count)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (size_t i = 0; i < count; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(ret_fds[i] >= 0);
        assert_int_equal(connect(ret_fds[i], (const struct sockaddr *)&address, sizeof(address)),
                         -1);
        assert_int_equal(errno, EINPROGRESS);
    }
}

/* Answers each connection once, until the listener is shut down. */
static void *serve(void *user)
{
    static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    const struct rig *rig = user;
    char text[4096];
    for (int fd = accept(rig->listener, NULL, NULL); fd >= 0;
         fd = accept(rig->listener, NULL, NULL)) {
        if (read(fd, text, sizeof(text)) > 0) {
            (void)!write(fd, answer, sizeof(answer) - 1);
        }
        close(fd);
    }
    return NULL;
}

static void on_done(struct pv_transfer *transfer, CURLcode code)
{
    struct request *request = (struct request *)transfer;
    request->over = true;
    request->code = code;
}

static void on_closed(void *user)
{
    struct rig *rig = user;
    rig->closed = true;
}

static CURLcode get(struct rig *rig, const char *scheme, unsigned port, long timeout_ms)
{
    char url[64];
    struct request request = {.transfer = {.easy = pv_multi_easy(rig->multi), .done = on_done}};
    assert_non_null(request.transfer.easy);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/", scheme, port);
    curl_easy_setopt(request.transfer.easy, CURLOPT_URL, url);
    curl_easy_setopt(request.transfer.easy, CURLOPT_PROXY, "");
    curl_easy_setopt(request.transfer.easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(request.transfer.easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    /* libcurl has no reason of its own to look at the socket before the time is over. */
    curl_easy_setopt(request.transfer.easy, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, timeout_ms);
    assert_int_equal(pv_multi_add(rig->multi, &request.transfer), 0);
    while (!request.over) {
        uv_run(&rig->loop, UV_RUN_ONCE);
    }
    pv_multi_easy_free(rig->multi, request.transfer.easy);
    return request.code;
}

/* libcurl closes a socket that is not connected in time, or whose TLS handshake hangs, without a
 * word; the next request gets its number. */
static void a_number_of_a_dead_socket_is_used_again(void **state)
{
    (void)state;
    struct rig rig = {.listener = -1};
    unsigned port = 0;
    unsigned full_port = 0;
    unsigned silent_port = 0;
    int waiting[4];
    assert_int_equal(uv_loop_init(&rig.loop), 0);
    assert_int_equal(pv_multi_new(&rig.loop, &rig.multi), 0);
    int full = listen_at(0, &full_port);
    int silent = listen_at(16, &silent_port); /* connected, and nobody answers */
    fill(full_port, waiting, PV_COUNT(waiting));
    rig.listener = listen_at(16, &port);
    assert_int_equal(pthread_create(&rig.thread, NULL, serve, &rig), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(&rig, "http", full_port, 100), CURLE_OPERATION_TIMEDOUT);
        assert_int_equal(get(&rig, "http", port, 20000), CURLE_OK);
        assert_int_equal(get(&rig, "https", silent_port, 100), CURLE_OPERATION_TIMEDOUT);
        assert_int_equal(get(&rig, "http", port, 20000), CURLE_OK);
        assert_int_equal(get(&rig, "http", port, 20000), CURLE_OK);
    }
    shutdown(rig.listener, SHUT_RDWR);
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    close(rig.listener);
    close(silent);
    close(full);
    for (size_t i = 0; i < PV_COUNT(waiting); i++) {
        close(waiting[i]);
    }
    pv_multi_close(rig.multi, on_closed, &rig);
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    assert_true(rig.closed);
    assert_int_equal(uv_loop_close(&rig.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_of_a_dead_socket_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: a client thread speaks bytes, the loop runs in the test. */
#include "core/base/alloc.h"
#include "tests/unit/api/http_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int setup(void **state)
{
    return http_rig_open(state, (struct pv_httpd_options){.max_body = 10000});
}

static int setup_large(void **state)
{
    return http_rig_open(state, (struct pv_httpd_options){.max_body = 200000});
}

static void answers_at_once_and_later(void **state)
{
    struct fixture *f = *state;
    exchange(f, "GET /now?a=b%20c HTTP/1.1\r\n" HOST "X-Name: me\r\n\r\n", 1, "HTTP/1.1 200 ",
             "GET /now?a=b%20c 0 me");
    exchange(f, "GET /later HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "{\"late\":true}");
    exchange(f, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 1, "HTTP/1.1 200 ",
             "POST /p? 5 ");
    exchange(f,
             "POST /p HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
             1, "HTTP/1.1 200 ", "POST /p? 5 ");
    exchange(f, "GET /a%00b/%2e%2e HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ",
             "GET /a%00b/%2e%2e? 0");
    exchange(f, "GET /now HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "X-Test: yes");
    exchange(f, "GET /now HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ",
             "Content-Type: application/json");
    const struct pv_httpd_counters *counters = pv_httpd_counters(f->httpd);
    assert_int_equal(counters->answers[200], 7);
}

static void keeps_connections(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "POST /one HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc";
    c->then = "GET /later HTTP/1.1\r\n" HOST "\r\n";
    c->until = 2;
    client_run(f, c);
    assert_non_null(strstr(c->got, "POST /one? 3"));
    assert_non_null(strstr(c->got, "{\"late\":true}"));
    assert_int_equal(pv_httpd_counters(f->httpd)->accepted, 1);
    free(c);
}

static void answers_pipelined_requests_in_order(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "GET /later HTTP/1.1\r\n" HOST "\r\n"
              "POST /two HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"
              "GET /later HTTP/1.1\r\n" HOST "\r\n"
              "GET /four HTTP/1.1\r\n" HOST "\r\n";
    c->until = 4;
    client_run(f, c);
    const char *first = strstr(c->got, "{\"late\":true}");
    assert_non_null(first);
    const char *second = strstr(first, "POST /two? 1");
    assert_non_null(second);
    const char *third = strstr(second, "{\"late\":true}");
    assert_non_null(third);
    assert_non_null(strstr(third, "GET /four"));
    free(c);
}

/* More than is read at once, so that requests and bodies are cut anywhere. */
static void answers_what_is_behind_long_bodies(void **state)
{
    enum { BODY = 100000, LONG = 4, SHORT = 200 };
    static const char head[] = "POST /now HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n";
    static const char get[] = "GET /a HTTP/1.1\r\n" HOST "\r\n";
    struct fixture *f = *state;
    size_t each = sizeof(head) - 1 + BODY + SHORT / LONG * (sizeof(get) - 1);
    char *text = calloc(LONG, each + 1);
    assert_non_null(text);
    char *at = text;
    for (size_t i = 0; i < LONG; i++) {
        memcpy(at, head, sizeof(head) - 1);
        memset(at + sizeof(head) - 1, 'x', BODY);
        at += sizeof(head) - 1 + BODY;
        for (size_t k = 0; k < SHORT / LONG; k++, at += sizeof(get) - 1) {
            memcpy(at, get, sizeof(get) - 1);
        }
    }
    struct client *c = client_of(f);
    c->send = text;
    c->until = LONG + SHORT;
    client_run(f, c);
    assert_int_equal(f->handled, LONG + SHORT);
    assert_int_equal(pv_httpd_counters(f->httpd)->answers[200], LONG + SHORT);
    free(text);
    free(c);
}

static void takes_chunks_that_come_alone(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send =
        "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    c->awaits = "100 Continue";
    c->then = "3\r\nabc\r\n0\r\n\r\n";
    c->until = 2; /* the 100 is one */
    client_run(f, c);
    assert_non_null(strstr(c->got, "POST /now? 3"));
    free(c);
}

/* As above, and another request with the last of them. */
static void answers_what_is_behind_chunks(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send =
        "POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    c->awaits = "100 Continue";
    c->then =
        "3\r\nabc\r\n0\r\nA: b\r\n\r\nGET /next HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    client_run(f, c);
    assert_non_null(strstr(c->got, "POST /now? 3"));
    assert_non_null(strstr(c->got, "GET /next? 0"));
    assert_int_equal(f->handled, 2);
    free(c);
}

/* Long bodies again, with answers that come later. */
static void answers_later_what_is_behind_long_bodies(void **state)
{
    struct fixture *f = *state;
    enum { BODY = 60000 };
    static const char head[] = "POST /later HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n";
    char *text = calloc(10, BODY + sizeof(head));
    assert_non_null(text);
    for (size_t i = 0; i < 10; i++) {
        memcpy(text + i * (sizeof(head) - 1 + BODY), head, sizeof(head) - 1);
        memset(text + i * (sizeof(head) - 1 + BODY) + sizeof(head) - 1, 'x', BODY);
    }
    struct client *c = client_of(f);
    c->send = text;
    c->until = 10;
    client_run(f, c);
    assert_int_equal(f->handled, 10);
    assert_int_equal(pv_httpd_counters(f->httpd)->answers[200], 10);
    free(text);
    free(c);
}

static void speaks_http_1_0_and_head(void **state)
{
    struct fixture *f = *state;
    exchange(f, "GET /old HTTP/1.0\r\n\r\n", 0, "HTTP/1.1 200 ", "Connection: close\r\n");
    struct client *c = client_of(f);
    c->send = "GET /kept HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    c->then = "GET /then HTTP/1.0\r\n\r\n";
    c->until = 2;
    client_run(f, c);
    assert_non_null(strstr(c->got, "Connection: keep-alive\r\n"));
    assert_non_null(strstr(c->got, "GET /then? 0"));
    free(c);
    c = client_of(f);
    c->send =
        "HEAD /head HTTP/1.1\r\n" HOST "\r\nGET /g HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    client_run(f, c);
    assert_null(strstr(c->got, "HEAD /head"));
    assert_non_null(strstr(c->got, "Content-Length: 14\r\n"));
    assert_non_null(strstr(c->got, "GET /g? 0"));
    free(c);
}

static void asks_to_continue(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "POST /big HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    c->awaits = "100 Continue\r\n\r\n";
    c->then = "abc";
    c->until = 2;
    client_run(f, c);
    assert_non_null(strstr(c->got, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(c->got, "POST /big? 3"));
    free(c);
    exchange(f, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 10001\r\n\r\n",
             0, "HTTP/1.1 413 ", "too_large");
}

/* A connection whose request is at the handler. */
static int dial_and_ask(struct fixture *f, bool local, const char *request)
{
    int fd = http_rig_dial(f, local, request);
    for (unsigned before = f->handled; f->handled == before;) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    return fd;
}

/* Until this many were told so, and nobody is connected. */
static void await_gone(struct fixture *f, unsigned gone)
{
    while (f->gone < gone || pv_httpd_counters(f->httpd)->connections > 0) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->gone, gone);
}

/* Over TCP only a reset tells that nobody is there any more. */
static void notices_that_the_client_goes(void **state)
{
    struct fixture *f = *state;
    http_rig_reset(dial_and_ask(f, false, "GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    await_gone(f, 1);
    close(dial_and_ask(f, true, "GET /wait HTTP/1.1\r\n" HOST "\r\n"));
    await_gone(f, 2);
}

static void count_turn(uv_check_t *check)
{
    unsigned *turns = check->data;
    (*turns)++;
}

static void is_over(uv_timer_t *timer)
{
    bool *over = timer->data;
    *over = true;
}

/* How often the loop turns in a tenth of a second. */
static unsigned turns_of(struct fixture *f)
{
    unsigned turns = 0;
    bool over = false;
    uv_check_t check;
    uv_timer_t timer;
    uv_check_init(&f->loop, &check);
    uv_timer_init(&f->loop, &timer);
    check.data = &turns;
    timer.data = &over;
    uv_check_start(&check, count_turn);
    uv_timer_start(&timer, is_over, 100, 0);
    while (!over) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&check, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    turn(f, 2);
    return turns;
}

/* First it sends nothing more, and that alone keeps nobody awake; then it goes. */
static void notices_that_a_client_goes_that_sent_no_more(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        int fd = dial_and_ask(f, i > 0, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        unsigned turns = turns_of(f);
        unsigned gone = f->gone;
        http_rig_reset(fd);
        await_gone(f, i + 1);
        assert_in_range(turns, 0, 20);
        assert_int_equal(gone, i);
    }
}

static void is_not_kept_awake_by_urgent_bytes(void **state)
{
    struct fixture *f = *state;
    int fd = dial_and_ask(f, false, "GET /hold-watched HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(send(fd, "!", 1, MSG_OOB), 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    unsigned turns = turns_of(f);
    http_rig_answer(f);
    assert_in_range(turns, 0, 20);
    assert_int_equal(f->gone, 0);
    char got[1000] = "";
    assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
    assert_non_null(strstr(got, "{\"late\":true}"));
    close(fd);
}

/* One request, or two, and the end of what is sent: nothing is answered before the server has seen
 * that end. */
static void answers_clients_that_send_no_more(void **state)
{
    static const char *const requests[] = {
        "GET /hold-watched HTTP/1.1\r\n" HOST "\r\n",
        "GET /hold-watched HTTP/1.1\r\n" HOST "\r\nGET /behind HTTP/1.1\r\n" HOST "\r\n",
    };
    struct fixture *f = *state;
    for (unsigned i = 0; i < 4; i++) {
        struct client *c = client_of(f);
        c->send = requests[i / 2];
        c->local = i % 2 != 0;
        c->shut = true;
        f->done = false;
        client_start(c);
        while (f->waiting_count == 0) {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
        turn(f, 20);
        assert_false(f->done);
        http_rig_answer(f);
        while (!f->done) {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
        pthread_join(c->thread, NULL);
        assert_non_null(strstr(c->got, "{\"late\":true}"));
        assert_int_equal(strstr(c->got, "GET /behind? 0") != NULL, i / 2);
        free(c);
    }
    assert_int_equal(f->gone, 0);
}

static void closes_idle_connections_whose_client_sends_no_more(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct client *c = client_of(f);
        c->send = i == 0 ? NULL : "GET /now HTTP/1.1\r\n" HOST "\r\n";
        c->shut = true; /* and reads until the end */
        client_run(f, c);
        assert_int_equal(c->got_len > 0, i);
        assert_int_equal(pv_httpd_counters(f->httpd)->connections, 0);
        free(c);
    }
    assert_int_equal(pv_httpd_counters(f->httpd)->timed_out, 0);
}

static void knows_the_peer_of_the_socket(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    struct client *c = client_of(f);
    c->local = true;
    c->send = "GET /who HTTP/1.1\r\n" HOST "\r\n";
    c->until = 1;
    f->last_uid = 4711;
    client_run(f, c);
    assert_non_null(strstr(c->got, "200 OK"));
    assert_true(f->last_local);
    assert_int_equal(f->last_uid, getuid());
    /* a host of ours is not served */
    f->refuse_host = true;
    f->handled = 0;
    memset(c->got, 0, sizeof(c->got));
    c->got_len = 0;
    client_run(f, c);
    assert_int_equal(c->got_len, 0);
    assert_int_equal(f->handled, 0);
    free(c);
}

static void refuses_bad_addresses(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",        "7070",         "127.0.0.1", "127.0.0.1:x",
                                      "host:80", "127.0.0.1:-1", "[::1:80",   "127.0.0.1:65536"};
    int port = 0;
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        struct pv_err err = {0};
        assert_int_equal(pv_httpd_listen_tcp(f->httpd, bad[i], true, &port, &err), PV_EINVAL);
    }
    struct pv_err err = {0};
    assert_int_equal(pv_httpd_listen_tcp(f->httpd, "0.0.0.0:0", false, &port, &err), PV_EDENIED);
    assert_non_null(strstr(err.text, "loopback"));
    char taken[40];
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", f->port);
    assert_int_equal(pv_httpd_listen_tcp(f->httpd, taken, false, &port, &err), PV_EEXISTS);
    assert_int_equal(pv_httpd_listen_unix(f->httpd, f->path, NULL, &err), PV_EEXISTS);
    char file[120];
    snprintf(file, sizeof(file), "%s/file", f->folder);
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    fclose(made);
    assert_int_equal(pv_httpd_listen_unix(f->httpd, file, NULL, &err), PV_EEXISTS);
    unlink(file);
    char longer[200];
    memset(longer, 'x', 199);
    longer[199] = '\0';
    assert_int_equal(pv_httpd_listen_unix(f->httpd, longer, NULL, &err), PV_ETOOBIG);
}

static void replaces_a_dead_socket(void **state)
{
    struct fixture *f = *state;
    char path[100];
    snprintf(path, sizeof(path), "%s/dead.sock", f->folder);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    close(fd);
    struct pv_err err = {0};
    assert_int_equal(pv_httpd_listen_unix(f->httpd, path, NULL, &err), 0);
}

static void closes_when_everything_is_answered(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "GET /hold HTTP/1.1\r\n" HOST "\r\n";
    client_start(c);
    while (f->waiting_count == 0) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    http_rig_close_waiting(f, http_rig_answer);
    pthread_join(c->thread, NULL);
    assert_non_null(strstr(c->got, "{\"late\":true}"));
    assert_non_null(strstr(c->got, "Connection: close"));
    free(c);
}

static void survives_allocation_failures(void **state)
{
    struct fixture *f = *state;
    for (unsigned long n = 1; n < 6; n++) {
        struct client *c = client_of(f);
        c->send = "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\nConnection: close\r\n\r\nabc";
        pv_alloc_fail_at(n, 0);
        client_run(f, c);
        pv_alloc_fail_at(0, 0);
        /* no answer at all, 503, 500, or it worked: never a wrong one */
        if (c->got_len > 0 && strstr(c->got, " 503 ") == NULL && strstr(c->got, " 500 ") == NULL) {
            assert_non_null(strstr(c->got, "POST /x? 3"));
        }
        free(c);
    }
    exchange(f, "GET /still HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "/still");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, http_rig_close)
    const struct CMUnitTest tests[] = {
        T(answers_at_once_and_later),
        T(keeps_connections),
        T(answers_pipelined_requests_in_order),
        T(takes_chunks_that_come_alone),
        T(answers_what_is_behind_chunks),
        cmocka_unit_test_setup_teardown(answers_what_is_behind_long_bodies, setup_large,
                                        http_rig_close),
        cmocka_unit_test_setup_teardown(answers_later_what_is_behind_long_bodies, setup_large,
                                        http_rig_close),
        T(speaks_http_1_0_and_head),
        T(asks_to_continue),
        T(notices_that_the_client_goes),
        T(notices_that_a_client_goes_that_sent_no_more),
        T(is_not_kept_awake_by_urgent_bytes),
        T(answers_clients_that_send_no_more),
        T(closes_idle_connections_whose_client_sends_no_more),
        T(knows_the_peer_of_the_socket),
        T(refuses_bad_addresses),
        T(replaces_a_dead_socket),
        T(closes_when_everything_is_answered),
        T(survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

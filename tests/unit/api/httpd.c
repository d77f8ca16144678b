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

static void notices_that_the_client_goes(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "GET /wait HTTP/1.1\r\n" HOST "\r\n";
    c->half = true; /* sends and goes */
    client_run(f, c);
    while (f->gone == 0 || pv_httpd_counters(f->httpd)->connections > 0) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->gone, 1);
    free(c);
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
    pv_httpd_close(f->httpd, http_rig_closed, f);
    f->httpd = NULL;
    for (int i = 0; i < 20; i++) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->closed); /* somebody still waits */
    http_rig_answer(f);
    while (!f->closed) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
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
        T(knows_the_peer_of_the_socket),
        T(refuses_bad_addresses),
        T(replaces_a_dead_socket),
        T(closes_when_everything_is_answered),
        T(survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

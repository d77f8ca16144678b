/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: a client thread speaks bytes, the loop runs in the test. */
#include "core/api/httpd.h"
#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "tests/unit/api/client.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define LATER_MAX 16

struct fixture {
    uv_loop_t loop;
    struct pv_httpd *httpd;
    int port;
    char folder[64];
    char path[100];
    uv_async_t client_done;
    bool done;
    bool closed;
    /* requests that are answered when the handler is told to */
    struct pv_http_request *waiting[LATER_MAX];
    size_t waiting_count;
    unsigned gone;
    unsigned handled;
    unsigned last_uid;
    bool last_local;
    uv_timer_t later;
    bool refuse_host;
};

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

static void on_later(uv_timer_t *timer)
{
    struct fixture *f = timer->data;
    for (size_t i = 0; i < f->waiting_count; i++) {
        answer_text(f->waiting[i], 200, "{\"late\":true}");
    }
    f->waiting_count = 0;
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

static int setup_with(void **state, struct pv_httpd_options options)
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

static int setup(void **state)
{
    return setup_with(state, (struct pv_httpd_options){.max_body = 10000});
}

static int setup_impatient(void **state)
{
    return setup_with(state,
                      (struct pv_httpd_options){.header_ms = 60, .body_ms = 60, .idle_ms = 20});
}

static void on_closed(void *user)
{
    struct fixture *f = user;
    f->closed = true;
}

static int teardown(void **state)
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

static struct client *client_of(struct fixture *f)
{
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->port = f->port;
    c->path = f->path;
    c->done = &f->client_done;
    return c;
}

/* Runs the loop until the client is through. */
static void client_run(struct fixture *f, struct client *c)
{
    f->done = false;
    client_start(c);
    while (!f->done) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    pthread_join(c->thread, NULL);
    assert_false(c->failed);
}

static void exchange(struct fixture *f, const char *send, size_t answers, const char *status,
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

/* ---- tests ---- */

#define HOST "Host: x\r\n"

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

static void refuses_ambiguous_lengths(void **state)
{
    struct fixture *f = *state;
    exchange(f,
             "POST / HTTP/1.1\r\n" HOST
             "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             0, "HTTP/1.1 400 ", "\"code\":\"ambiguous_length\"");
    exchange(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0,
             "HTTP/1.1 400 ", "ambiguous_length");
    exchange(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0,
             "HTTP/1.1 400 ", "ambiguous_length");
    exchange(f,
             "POST / HTTP/1.1\r\n" HOST
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             0, "HTTP/1.1 400 ", "ambiguous_length");
    assert_int_equal(f->handled, 0);
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

/* Each is answered with an error of ours, one set of headers, and the end of the connection; also
 * behind a request that was fine. */
static void refuses_malformed_http(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        const char *status;
        const char *code;
    } bad[] = {
        {"hello\r\n", " 400 ", "malformed"},
        {"this is no http\r\n\r\n", " 400 ", "malformed"},
        {"\x16\x03\x01\x02", " 400 ", "malformed"},
        {"GET / HTTP/3.0\r\n\r\n", " 505 ", "http_version"},
        {"GET / HTTP/1.1\r\n\r\n", " 400 ", "malformed"},
        {"GET / HTTP/1.1\r\n" HOST "Expect: cake\r\n\r\n", " 417 ", "expectation"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: -4\r\n\r\n", " 400 ", "malformed"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", " 413 ",
         "too_large"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", " 400 ", "unknown_encoding"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", " 400 ",
         "malformed"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nxy", " 400 ",
         "malformed"},
    };
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        for (int behind = 0; behind < 2; behind++) {
            char text[400];
            snprintf(text, sizeof(text), "%s%s",
                     behind ? "GET /first HTTP/1.1\r\n" HOST "\r\n" : "", bad[i].text);
            struct client *c = client_of(f);
            c->send = text;
            client_run(f, c);
            const char *last = behind ? strstr(c->got, "/first? 0") : c->got;
            assert_non_null(last);
            last = strstr(last, "HTTP/1.1 ");
            if (last == NULL || strncmp(last + 8, bad[i].status, 5) != 0 ||
                strstr(last, bad[i].code) == NULL) {
                fail_msg("%s: %s", bad[i].text, c->got);
            }
            assert_int_equal(count_of(last, "Content-Length: "), 1);
            assert_int_equal(count_of(last, "Date: "), 1);
            assert_int_equal(count_of(last, "Content-Type: application/json\r\n"), 1);
            assert_int_equal(count_of(last, "Connection: close\r\n"), 1);
            free(c);
        }
    }
    assert_int_equal(f->handled, PV_COUNT(bad));
    assert_int_equal(pv_httpd_counters(f->httpd)->malformed, 2 * PV_COUNT(bad));
    assert_int_equal(pv_httpd_counters(f->httpd)->answers[505], 2);
}

/* Who only stops sending is told that something is missing. */
static void tells_half_closed_clients(void **state)
{
    struct fixture *f = *state;
    static const char *const parts[] = {"GET / HT", "GET / HTTP/1.1\r\n" HOST,
                                        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc"};
    for (size_t i = 0; i < PV_COUNT(parts); i++) {
        struct client *c = client_of(f);
        c->send = parts[i];
        c->shut = true;
        client_run(f, c);
        assert_non_null(strstr(c->got, "HTTP/1.1 400 Bad Request\r\n"));
        assert_non_null(strstr(c->got, "ended before the request did"));
        free(c);
    }
    assert_int_equal(f->handled, 0);
    struct client *c = client_of(f);
    c->send = "GET /later HTTP/1.1\r\n" HOST "\r\n";
    c->shut = true;
    client_run(f, c);
    assert_non_null(strstr(c->got, "{\"late\":true}"));
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

static void bounds_bodies(void **state)
{
    struct fixture *f = *state;
    exchange(f, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10001\r\n\r\n", 0, "HTTP/1.1 413 ",
             "\"code\":\"too_large\"");
    char *chunked = calloc(1, 30000);
    assert_non_null(chunked);
    snprintf(chunked, 30000,
             "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4e20\r\n");
    size_t at = strlen(chunked);
    memset(chunked + at, 'x', 20000);
    snprintf(chunked + at + 20000, 100, "\r\n0\r\n\r\n");
    exchange(f, chunked, 0, "HTTP/1.1 413 ", "too_large");
    free(chunked);
    assert_int_equal(f->handled, 0);
    exchange(f, "GET /still HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "/still");
}

static void bounds_headers(void **state)
{
    struct fixture *f = *state;
    char *big = calloc(1, 40000);
    assert_non_null(big);
    snprintf(big, 40000, "GET / HTTP/1.1\r\n" HOST "X-Big: ");
    size_t at = strlen(big);
    memset(big + at, 'x', 30000);
    snprintf(big + at + 30000, 100, "\r\n\r\n");
    exchange(f, big, 0, "HTTP/1.1 431 ", "\"code\":\"headers_too_large\"");
    memset(big + 5, 'x', 30000);
    exchange(f, big, 0, "HTTP/1.1 414 ", "\"code\":\"uri_too_long\"");
    free(big);
    assert_int_equal(f->handled, 0);
}

static void dribble_until_cut(struct fixture *f, const char *first, const char *slowly)
{
    struct client *c = client_of(f);
    c->send = first;
    c->slowly = slowly;
    client_run(f, c); /* returns only because the server closes */
    assert_non_null(strstr(c->got, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(c->got, "\"code\":\"timeout\""));
    free(c);
}

static void cuts_off_slow_clients(void **state)
{
    struct fixture *f = *state;
    dribble_until_cut(f, NULL, "GET /slow HTTP/1.1\r\nHost: x\r\nX-A: ");
    assert_int_equal(pv_httpd_counters(f->httpd)->timed_out, 1);
    dribble_until_cut(f, "POST /slow HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n", "abc");
    assert_int_equal(pv_httpd_counters(f->httpd)->timed_out, 2);
    assert_int_equal(f->handled, 0);
    /* who says nothing after an answer is let go too: reading ends */
    exchange(f, "GET /idle HTTP/1.1\r\n" HOST "\r\n", 0, "HTTP/1.1 200 ", "/idle");
    assert_int_equal(pv_httpd_counters(f->httpd)->timed_out, 3);
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
    pv_httpd_close(f->httpd, on_closed, f);
    f->httpd = NULL;
    for (int i = 0; i < 20; i++) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_false(f->closed); /* somebody still waits */
    on_later(&f->later);
    while (!f->closed) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    pthread_join(c->thread, NULL);
    assert_non_null(strstr(c->got, "{\"late\":true}"));
    assert_non_null(strstr(c->got, "Connection: close"));
    free(c);
}

static int setup_for_two(void **state)
{
    return setup_with(state, (struct pv_httpd_options){.max_connections = 2});
}

static void turn(struct fixture *f, int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
}

/* Who comes when there is no room waits for it, and is served then. */
static void bounds_connections(void **state)
{
    struct fixture *f = *state;
    struct client *c[3];
    for (size_t i = 0; i < PV_COUNT(c); i++) {
        c[i] = client_of(f);
        c[i]->send = "GET /hold HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
        client_start(c[i]);
    }
    while (f->waiting_count < 2) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    turn(f, 2000);
    assert_int_equal(f->handled, 2);
    assert_int_equal(pv_httpd_counters(f->httpd)->connections, 2);
    on_later(&f->later);
    while (f->waiting_count < 1) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->handled, 3);
    on_later(&f->later);
    for (size_t i = 0; i < PV_COUNT(c); i++) {
        while (pthread_tryjoin_np(c[i]->thread, NULL) != 0) {
            turn(f, 1);
        }
        assert_non_null(strstr(c[i]->got, "{\"late\":true}"));
        free(c[i]);
    }
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
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(answers_at_once_and_later),
        T(keeps_connections),
        T(answers_pipelined_requests_in_order),
        T(refuses_ambiguous_lengths),
        T(refuses_malformed_http),
        T(tells_half_closed_clients),
        T(speaks_http_1_0_and_head),
        T(asks_to_continue),
        T(bounds_bodies),
        T(bounds_headers),
        cmocka_unit_test_setup_teardown(cuts_off_slow_clients, setup_impatient, teardown),
        T(notices_that_the_client_goes),
        T(knows_the_peer_of_the_socket),
        T(refuses_bad_addresses),
        T(replaces_a_dead_socket),
        T(closes_when_everything_is_answered),
        cmocka_unit_test_setup_teardown(bounds_connections, setup_for_two, teardown),
        T(survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server and clients that are malformed, too big, too slow or too many. */
#include "tests/unit/api/http_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    return http_rig_open(state, (struct pv_httpd_options){.max_body = 10000});
}

static int setup_impatient(void **state)
{
    return http_rig_open(state,
                         (struct pv_httpd_options){.header_ms = 60, .body_ms = 60, .idle_ms = 20});
}

static int setup_for_two(void **state)
{
    return http_rig_open(state, (struct pv_httpd_options){.max_connections = 2});
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
    http_rig_answer(f);
    while (f->waiting_count < 1) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    assert_int_equal(f->handled, 3);
    http_rig_answer(f);
    for (size_t i = 0; i < PV_COUNT(c); i++) {
        while (pthread_tryjoin_np(c[i]->thread, NULL) != 0) {
            turn(f, 1);
        }
        assert_non_null(strstr(c[i]->got, "{\"late\":true}"));
        free(c[i]);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, http_rig_close)
    const struct CMUnitTest tests[] = {
        T(refuses_ambiguous_lengths),
        T(refuses_malformed_http),
        T(tells_half_closed_clients),
        T(bounds_bodies),
        T(bounds_headers),
        cmocka_unit_test_setup_teardown(cuts_off_slow_clients, setup_impatient, http_rig_close),
        cmocka_unit_test_setup_teardown(bounds_connections, setup_for_two, http_rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

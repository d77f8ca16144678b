/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server asks before it reads a body that did not come with its head: what becomes of the
 * request then, by answers at once and later. */
#include "tests/unit/api/http_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define EXPECT "Expect: 100-continue\r\n"

static struct pv_http_request *asked; /* what is let in or refused later */
static unsigned times;                /* that it was asked */

static void refuse(struct pv_http_request *request)
{
    struct pv_buf body;
    pv_buf_init(&body, 1000);
    pv_buf_c(&body, "{\"who\":\"are you\"}");
    struct pv_http_answer answer = {.status = 401};
    pv_http_answer(request, &answer, &body);
    pv_buf_done(&body);
}

/* /no… is refused, /small… may send 100 bytes, …later is decided by the test. */
static void decide(struct pv_http_request *request)
{
    if (pv_str_starts(request->path, "/no")) {
        refuse(request);
    } else {
        pv_http_take_body(request, pv_str_starts(request->path, "/small") ? 100 : SIZE_MAX);
    }
}

static void ask(struct pv_http_request *request, void *user)
{
    assert_non_null(user);
    assert_int_equal(request->body.len, 0);
    assert_true(pv_str_eq_c(request->method, "POST"));
    assert_true(pv_str_eq_c(pv_http_header(request, "Host"), "x"));
    times++;
    if (pv_str_eq_c(request->path, "/later") || pv_str_eq_c(request->path, "/no-later")) {
        asked = request;
    } else {
        decide(request);
    }
}

static int setup(void **state)
{
    asked = NULL;
    times = 0;
    return http_rig_open(state, (struct pv_httpd_options){.max_body = 10000, .ask = ask});
}

/* Runs until the client is through; what is decided later is decided when some turns of the loop
 * have shown that nothing happens before. */
static struct client *run(struct fixture *f, const char *send, const char *awaits, const char *then,
                          size_t answers)
{
    struct client *c = client_of(f);
    c->send = send;
    c->awaits = awaits;
    c->then = then;
    c->until = answers;
    f->done = false;
    client_start(c);
    while (!f->done) {
        uv_run(&f->loop, UV_RUN_ONCE);
        if (asked != NULL) {
            unsigned handled = f->handled;
            turn(f, 10);
            assert_false(f->done);
            assert_int_equal(f->handled, handled);
            struct pv_http_request *request = asked;
            asked = NULL;
            decide(request);
        }
    }
    pthread_join(c->thread, NULL);
    assert_false(c->failed);
    return c;
}

static void refuses_without_the_body(void **state)
{
    struct fixture *f = *state;
    static const char *const heads[] = {
        "POST /no HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n",
        "POST /no HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\nabc",
        "POST /no-later HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n",
        "POST /no HTTP/1.1\r\n" HOST CHUNKED "\r\n",
        "POST /no-later HTTP/1.1\r\n" HOST CHUNKED "\r\n5\r\nabc",
        "POST /no HTTP/1.1\r\n" HOST EXPECT "Content-Length: 5000\r\n\r\n",
        "POST /no-later HTTP/1.1\r\n" HOST EXPECT CHUNKED "\r\n",
    };
    for (unsigned i = 0; i < PV_COUNT(heads); i++) {
        struct client *c = run(f, heads[i], NULL, NULL, 0); /* it ends the connection */
        assert_int_equal(strncmp(c->got, "HTTP/1.1 401 Unauthorized\r\n", 27), 0);
        assert_non_null(strstr(c->got, "Connection: close\r\n"));
        assert_non_null(strstr(c->got, "{\"who\":\"are you\"}"));
        assert_int_equal(times, i + 1);
        free(c);
    }
    assert_int_equal(f->handled, 0);
}

/* Its answer is not lost by what it sends on. */
static void refuses_who_sends_all_the_same(void **state)
{
    struct fixture *f = *state;
    enum { LEN = 5000 };
    char rest[LEN + 1];
    memset(rest, 'x', LEN);
    rest[LEN] = '\0';
    struct client *c =
        run(f, "POST /no HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n", "401", rest, 0);
    assert_non_null(strstr(c->got, "{\"who\":\"are you\"}"));
    assert_null(strstr(strstr(c->got, "401") + 1, "HTTP/1.1 "));
    assert_int_equal(f->handled, 0);
    free(c);
}

static void does_not_ask_for_what_is_there(void **state)
{
    struct fixture *f = *state;
    exchange(f, "POST /no HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", 1, "HTTP/1.1 200 ",
             "POST /no? 5");
    exchange(f, "POST /no HTTP/1.1\r\n" HOST CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n", 1,
             "HTTP/1.1 200 ", "POST /no? 3");
    exchange(f, "POST /no HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "POST /no? 0");
    exchange(f, "GET /no HTTP/1.1\r\n" HOST "\r\n", 1, "HTTP/1.1 200 ", "GET /no? 0");
    assert_int_equal(times, 0);
}

/* 100 (Continue) is said only to those that are let in; the client sends nothing before. */
static void takes_bodies(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *head;
        const char *body;
        const char *says;
    } requests[] = {
        {"POST /yes HTTP/1.1\r\n" HOST EXPECT "Content-Length: 5\r\n\r\n", "abcde", "/yes? 5"},
        {"POST /later HTTP/1.1\r\n" HOST EXPECT "Content-Length: 5\r\n\r\n", "abcde",
         "{\"late\":true}"},
        {"POST /yes HTTP/1.1\r\n" HOST EXPECT CHUNKED "\r\n", "3\r\nabc\r\n0\r\n\r\n", "/yes? 3"},
        {"POST /later HTTP/1.1\r\n" HOST EXPECT CHUNKED "\r\n", "3\r\nabc\r\n0\r\n\r\n",
         "{\"late\":true}"},
    };
    for (unsigned i = 0; i < PV_COUNT(requests); i++) {
        struct client *c = run(f, requests[i].head, "100 Continue", requests[i].body, 2);
        if (strstr(c->got, requests[i].says) == NULL) {
            fail_msg("%s: %s", requests[i].head, c->got);
        }
        assert_int_equal(times, i + 1);
        assert_int_equal(f->handled, i + 1);
        free(c);
    }
}

/* Each request of a connection is asked about anew, whatever was allowed to the one before. */
static void asks_for_each_request(void **state)
{
    static const char long_head[] = "POST /yes HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n";
    static const char expects[] =
        "POST /yes HTTP/1.1\r\n" HOST EXPECT "Content-Length: 500\r\n\r\n";
    struct fixture *f = *state;
    char rest[1000];
    int n = snprintf(rest, sizeof(rest), "abc%s", long_head);
    memset(rest + n, 'x', 500);
    rest[n + 500] = '\0';
    struct client *c = run(f, "POST /small HTTP/1.1\r\n" HOST EXPECT "Content-Length: 3\r\n\r\n",
                           "100 Continue", rest, 3);
    assert_non_null(strstr(c->got, "POST /small? 3"));
    assert_non_null(strstr(c->got, "POST /yes? 500"));
    free(c);
    memset(rest, 'x', 500);
    snprintf(rest + 500, sizeof(rest) - 500,
             "POST /small HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n");
    times = 0;
    c = run(f, expects, "100 Continue", rest, 0);
    assert_non_null(strstr(c->got, "POST /yes? 500"));
    assert_non_null(strstr(c->got, "HTTP/1.1 413 "));
    assert_int_equal(times, 2);
    free(c);
}

static void bounds_what_it_takes(void **state)
{
    struct fixture *f = *state;
    char chunk[300];
    snprintf(chunk, sizeof(chunk), "65\r\n%0101d\r\n0\r\n\r\n", 1);
    struct client *c =
        run(f, "POST /small HTTP/1.1\r\n" HOST EXPECT CHUNKED "\r\n", "100 Continue", chunk, 0);
    assert_non_null(strstr(c->got, "HTTP/1.1 413 "));
    free(c);
    c = run(f, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", NULL, NULL, 0);
    assert_int_equal(strncmp(c->got, "HTTP/1.1 413 ", 13), 0);
    free(c);
    c = run(f, "POST /yes HTTP/1.1\r\n" HOST "Content-Length: 10001\r\n\r\n", NULL, NULL, 0);
    assert_int_equal(strncmp(c->got, "HTTP/1.1 413 ", 13), 0);
    assert_int_equal(times, 2); /* the server's own bound needs no question */
    free(c);
    assert_int_equal(f->handled, 0);
}

static void forgets_who_went_meanwhile(void **state)
{
    struct fixture *f = *state;
    static const char *const heads[] = {
        "POST /later HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n",
        "POST /no-later HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n",
    };
    for (size_t i = 0; i < PV_COUNT(heads); i++) {
        int fd = http_rig_dial(f, false, heads[i]);
        while (asked == NULL) {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
        http_rig_reset(fd);
        turn(f, 10);
        decide(asked);
        asked = NULL;
        while (pv_httpd_counters(f->httpd)->connections > 0) {
            uv_run(&f->loop, UV_RUN_ONCE);
        }
    }
    assert_int_equal(f->handled, 0);
}

static void decide_asked(struct fixture *f)
{
    (void)f;
    decide(asked);
}

static void closes_when_everything_is_decided(void **state)
{
    struct fixture *f = *state;
    struct client *c = client_of(f);
    c->send = "POST /later HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n";
    client_start(c);
    while (asked == NULL) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    http_rig_close_waiting(f, decide_asked);
    pthread_join(c->thread, NULL);
    assert_int_equal(strncmp(c->got, "HTTP/1.1 503 ", 13), 0);
    free(c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, http_rig_close)
    const struct CMUnitTest tests[] = {
        T(refuses_without_the_body),       T(refuses_who_sends_all_the_same),
        T(does_not_ask_for_what_is_there), T(takes_bodies),
        T(asks_for_each_request),          T(bounds_what_it_takes),
        T(forgets_who_went_meanwhile),     T(closes_when_everything_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The event stream, with a store that fails to read what happened when it is told to, and how much
 * that lasts one caller may have open. What it tells of whole services, and over restarts, is in
 * tests/integration/test_stream.py. */
#include "core/api/holds.h"
#include "core/base/alloc.h"
#include "tests/unit/api/rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS 16
#define SESSION 1200
#define BEAT ": \nid: "
#define BEATS_MAX 200 /* by then what was to come has come */
#define LOST "event: stream.end\ndata: {\"message\":\"the store cannot be read; connect again\"}\n"
#define DONE "\nevent: operation.completed\n"

/* ---- the store ---- */

static struct {
    struct pv_store_ops ops;
    const struct pv_store_ops *real;
    struct {
        struct pv_req *req;
        void (*done)(struct pv_req *req);
    } reads[READS];       /* under way */
    unsigned fail;        /* so many of the next ones that are not for the head alone */
    unsigned refuse;      /* the same, not even taken */
    unsigned long starve; /* this allocation fails of those that each leads to; 0: none */
    unsigned long used;   /* the most that one has led to */
} store;

static bool of_head(const struct pv_req *req)
{
    const struct pv_feed *feed = (const struct pv_feed *)(const void *)req;
    return feed->after_n == UINT64_MAX;
}

static void feed_read(struct pv_req *req)
{
    size_t i = 0;
    while (store.reads[i].req != req) {
        i++;
    }
    store.reads[i].req = NULL;
    if (store.fail > 0 && !of_head(req)) {
        store.fail--;
        req->status = PV_EIO;
    }
    pv_alloc_fail_at(store.starve, 0);
    store.reads[i].done(req);
    store.used = pv_alloc_count() > store.used ? pv_alloc_count() : store.used;
    pv_alloc_fail_at(0, 0);
}

static int submit(struct pv_store *real, struct pv_req *req)
{
    const struct pv_feed *feed = (const struct pv_feed *)(const void *)req;
    if (req->kind != PV_REQ_FEED || feed->after_n == UINT64_MAX) { /* that asks for the head alone
                                                                    */
        return store.real->submit(real, req);
    }
    if (store.refuse > 0) {
        store.refuse--;
        return PV_EBUSY;
    }
    size_t i = 0;
    while (store.reads[i].req != NULL) {
        i++;
        assert_true(i < READS);
    }
    store.reads[i].req = req;
    store.reads[i].done = req->done;
    req->done = feed_read;
    return store.real->submit(real, req);
}

static int open_rig(void **state)
{
    int status = rig_open(state);
    struct rig *rig = *state;
    memset(&store, 0, sizeof(store));
    store.real = rig->store->ops;
    store.ops = *store.real;
    store.ops.submit = submit;
    rig->store->ops = &store.ops;
    return status;
}

/* ---- a client ---- */

struct tap {
    int fd;
    bool over;
    char got[1 << 16];
    size_t len;
};

static struct tap *tap_ask(struct rig *rig, const char *token, const char *ask, const char *headers)
{
    struct tap *tap = calloc(1, sizeof(*tap));
    char text[2000];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)rig->port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_non_null(tap);
    tap->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(tap->fd, (struct sockaddr *)&in, sizeof(in)), 0);
    int len =
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n",
                 ask, token, headers);
    assert_int_equal(send(tap->fd, text, (size_t)len, MSG_NOSIGNAL), len);
    return tap;
}

static struct tap *tap_new(struct rig *rig, const char *token, const char *headers)
{
    return tap_ask(rig, token, "GET /v1/stream", headers);
}

static void tap_free(struct tap *tap)
{
    close(tap->fd);
    free(tap);
}

static void tap_turn(struct rig *rig, struct tap *tap)
{
    rig_turn(rig);
    size_t room = sizeof(tap->got) - 1 - tap->len;
    assert_true(room > 0);
    ssize_t n = recv(tap->fd, tap->got + tap->len, room, MSG_DONTWAIT);
    tap->over = n == 0;
    tap->len += n > 0 ? (size_t)n : 0;
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

/* Until it has come, but no longer than so many beats. */
static void tap_await(struct rig *rig, struct tap *tap, const char *text)
{
    while (strstr(tap->got, text) == NULL) {
        if (tap->over || count(tap->got, BEAT) > BEATS_MAX) {
            fail_msg("expected %s, got:\n%s", text, tap->got);
        }
        tap_turn(rig, tap);
    }
}

static void tap_await_end(struct rig *rig, struct tap *tap)
{
    while (!tap->over) {
        tap_turn(rig, tap);
    }
}

/* The next beat comes at once, as all that follow while there are streams. */
static void beat_fast(struct rig *rig)
{
    uv_timer_t *beat = &rig->api->streams.beat;
    if (!pv_list_empty(&rig->api->streams.all) && uv_timer_get_repeat(beat) != 1) {
        uv_timer_set_repeat(beat, 1);
        assert_int_equal(uv_timer_again(beat), 0);
    }
}

/* Until it has told so often that there is nothing more, or has ended. */
static void tap_await_beats(struct rig *rig, struct tap *tap, unsigned beats)
{
    while (!tap->over && count(tap->got, BEAT) < beats) {
        beat_fast(rig);
        tap_turn(rig, tap);
    }
}

/* Its frames; NULL: there was no answer. Fails the test when one is not whole. */
static const char *tap_frames(const struct tap *tap)
{
    const char *body = strstr(tap->got, "\r\n\r\n");
    if (tap->len == 0) {
        return NULL;
    }
    if (strncmp(tap->got, "HTTP/1.1 200 OK\r\n", 17) != 0 || body == NULL) {
        fail_msg("no head of an answer:\n%s", tap->got);
        return NULL;
    }
    body += 4;
    for (const char *at = body; *at != '\0';) {
        const char *end = strstr(at, "\n\n");
        size_t len = end != NULL ? (size_t)(end - at) : 0;
        bool event = end != NULL && memmem(at, len, "event: ", 7) != NULL;
        bool data = end != NULL && memmem(at, len, "\ndata: {", 8) != NULL;
        if (end == NULL || event != data || (data && end[-1] != '}')) {
            fail_msg("not whole: %s", at);
            return NULL;
        }
        at = end + 2;
    }
    return body;
}

/* ---- the tests ---- */

static void tells_from_the_very_first(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    static const char *const starts[] = {"0.0", "0.1", "1.0"};
    rig_make(rig, "1", "site", "basic", svc);
    for (size_t i = 0; i < PV_COUNT(starts); i++) {
        char header[60];
        snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", starts[i]);
        struct tap *tap = tap_new(rig, rig->token, header);
        tap_await(rig, tap, ": connected\n");
        beat_fast(rig);
        tap_await(rig, tap, BEAT); /* there is nothing more */
        assert_int_equal(count(tap->got, DONE), 1);
        assert_non_null(strstr(tap->got, svc));
        tap_free(tap);
    }
}

static void reads_again_what_it_could_not_read(void **state)
{
    struct rig *rig = *state;
    for (unsigned refused = 0; refused < 2; refused++) {
        char svc[40];
        struct tap *tap = tap_new(rig, rig->token, "");
        tap_await(rig, tap, ": connected\n");
        *(refused ? &store.refuse : &store.fail) = 1;
        rig_make(rig, refused ? "2" : "1", "site", "basic", svc);
        while (store.fail + store.refuse > 0) {
            tap_turn(rig, tap);
        }
        beat_fast(rig);
        tap_await(rig, tap, DONE);
        assert_int_equal(count(tap->got, "event: "), 2);
        tap_free(tap);
    }
}

static void ends_when_nothing_can_be_read(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    struct tap *tap = tap_new(rig, rig->token, "");
    struct tap *second = tap_new(rig, rig->token, "");
    tap_await(rig, tap, ": connected\n");
    tap_await(rig, second, ": connected\n");
    store.fail = 1000;
    rig_make(rig, "1", "site", "basic", svc);
    beat_fast(rig);
    tap_await(rig, tap, LOST);
    tap_await(rig, second, LOST);
    tap_await_end(rig, tap);
    tap_await_end(rig, second);
    assert_int_equal(count(tap->got, DONE), 0);
    store.fail = 0;
    tap_free(second);
    second = tap_new(rig, rig->token, "Last-Event-ID: 0.0\r\n");
    tap_await(rig, second, DONE);
    tap_free(second);
    tap_free(tap);
}

static void lets_pages_of_known_origins_read(void **state)
{
    struct rig *rig = *state;
    rig->more_yaml = "allowed_origins: [\"https://shop.example.com\"]\n";
    rig_reload(rig);
    static const struct {
        const char *headers;
        unsigned seen;
    } pages[] = {
        {"Origin: https://shop.example.com\r\n", 1},
        {"Origin: https://shop.example.com.evil.example\r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < PV_COUNT(pages); i++) {
        struct tap *tap = tap_new(rig, rig->token, pages[i].headers);
        tap_await(rig, tap, ": connected\n");
        assert_int_equal(count(tap->got, "HTTP/1.1 200 "), 1);
        assert_int_equal(count(tap->got, "\r\nCache-Control: no-store\r\n"), 1);
        assert_int_equal(
            count(tap->got, "\r\nAccess-Control-Allow-Origin: https://shop.example.com\r\n"),
            pages[i].seen);
        assert_int_equal(count(tap->got, "\r\nVary: Origin\r\n"), pages[i].seen);
        assert_int_equal(count(tap->got, "Access-Control-Allow-Origin"), pages[i].seen);
        tap_free(tap);
    }
}

/* What is told of a service that is made: all of it, or the stream is over. */
static void loses_nothing_without_memory(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    unsigned whole = 0;
    for (unsigned long n = 1; whole < 3; n++) {
        char name[20];
        struct tap *tap = tap_new(rig, rig->token, "");
        tap_await(rig, tap, ": connected\n");
        store.starve = n;
        store.used = 0;
        snprintf(name, sizeof(name), "%lu", n);
        rig_make(rig, name, "site", "basic", svc);
        tap_await_beats(rig, tap, 20);
        store.starve = 0;
        const char *frames = tap_frames(tap);
        assert_non_null(frames);
        unsigned told = count(frames, "event: operation.completed\n") +
                        count(frames, "event: service.state_changed\n");
        if (tap->over ? told > 1 : told != 2) {
            fail_msg("allocation %lu failing: %s", n, frames);
        }
        whole += store.used < n ? 1 : 0;
        tap_free(tap);
    }
}

/* The same of what has happened: what a stream has told is the beginning of what there was. */
static void skips_nothing_without_memory(void **state)
{
    struct rig *rig = *state;
    char svc[40];
    rig_make(rig, "1", "site", "basic", svc);
    rig_make(rig, "2", "site", "basic", svc);
    struct tap *all = tap_new(rig, rig->token, "Last-Event-ID: 0.0\r\n");
    tap_await_beats(rig, all, 1);
    const char *expected = tap_frames(all);
    assert_int_equal(count(expected, "event: "), 4);
    size_t most = (size_t)(strstr(expected, BEAT) - expected);
    unsigned whole = 0;
    for (unsigned long n = 1; whole < 3; n++) {
        store.starve = n;
        store.used = 0;
        struct tap *tap = tap_new(rig, rig->token, "Last-Event-ID: 0.0\r\n");
        tap_await_beats(rig, tap, 1);
        store.starve = 0;
        const char *frames = tap_frames(tap);
        const char *end = frames != NULL ? strstr(frames, "event: stream.end\n") : NULL;
        size_t len = frames != NULL ? strlen(frames) : 0;
        len = end != NULL ? (size_t)(end - frames) : len;
        len = tap->over ? len : most;
        if (len > most || (len > 0 && memcmp(frames, expected, len) != 0)) {
            fail_msg("allocation %lu failing: %s", n, frames);
        }
        whole += store.used < n ? 1 : 0;
        tap_free(tap);
    }
    tap_free(all);
}

/* ---- how much of it one caller may have ---- */

static void make_session(struct rig *rig, const char *svc, char out[SESSION])
{
    reply_take(rig_call(rig, "POST", path_of("/v1/services/%s/sessions", svc), NULL,
                        "{\"customer\":\"7\"}"),
               201, "token", out, SESSION);
}

static struct tap *stream_open(struct rig *rig, const char *token)
{
    struct tap *tap = tap_new(rig, token, "");
    tap_await(rig, tap, ": connected\n");
    return tap;
}

static void ask_refused(struct rig *rig, const char *token, const char *ask, const char *headers,
                        const char *code)
{
    struct tap *tap = tap_ask(rig, token, ask, headers);
    tap_await(rig, tap, code);
    assert_int_equal(strncmp(tap->got, "HTTP/1.1 429 ", 13), 0);
    assert_int_equal(count(tap->got, "\r\nRetry-After: "), 1);
    tap_free(tap);
}

static void leaves_streams_to_others(void **state)
{
    struct rig *rig = *state;
    char services[2][40];
    char sessions[3][SESSION];
    struct tap *taps[PV_STREAMS_OF_TOKEN];
    struct tap *own[PV_STREAMS_OF_SESSIONS];
    rig_make(rig, "1", "site", "basic", services[0]);
    rig_make(rig, "2", "site", "basic", services[1]);
    for (size_t i = 0; i < 3; i++) {
        make_session(rig, services[i / 2], sessions[i]); /* two of the first */
    }
    for (size_t i = 0; i < PV_COUNT(own); i++) {
        own[i] = stream_open(rig, sessions[i % 2]);
    }
    ask_refused(rig, sessions[0], "GET /v1/stream", "", "too_many_streams");
    ask_refused(rig, sessions[1], "GET /v1/stream", "", "too_many_streams");
    tap_free(stream_open(rig, sessions[2]));
    for (size_t i = 0; i < PV_COUNT(taps); i++) {
        taps[i] = stream_open(rig, rig->token);
    }
    ask_refused(rig, rig->token, "GET /v1/stream", "", "too_many_streams");
    char other[128];
    rig_token(rig, "shop", "\"operations:read\"", other, sizeof(other));
    tap_free(stream_open(rig, other));
    /* when one has ended, there is room for one */
    tap_free(own[0]);
    tap_free(taps[0]);
    while (rig->api->streams.count > PV_COUNT(taps) + PV_COUNT(own) - 2) {
        rig_turn(rig);
    }
    own[0] = stream_open(rig, sessions[0]);
    taps[0] = stream_open(rig, rig->token);
    ask_refused(rig, sessions[0], "GET /v1/stream", "", "too_many_streams");
    ask_refused(rig, rig->token, "GET /v1/stream", "", "too_many_streams");
    for (size_t i = 0; i < PV_COUNT(taps); i++) {
        tap_free(taps[i]);
    }
    for (size_t i = 0; i < PV_COUNT(own); i++) {
        tap_free(own[i]);
    }
    while (rig->api->streams.count > 0) {
        rig_turn(rig);
    }
    assert_int_equal(rig->api->holders.count, 0);
}

static void leaves_waits_to_others(void **state)
{
    static const char waits[] = "Prefer: wait=60\r\n";
    static const char posts[] = "Prefer: wait=60\r\nContent-Length: 2\r\n\r\n{}";
    struct rig *rig = *state;
    struct tap *own[PV_WAITS_OF_SESSIONS];
    char svc[40];
    char op[64];
    char session[SESSION];
    char read[100];
    char act[100];
    rig_make(rig, "1", "site", "basic", svc);
    make_session(rig, svc, session);
    rig->hold = "stop";
    snprintf(act, sizeof(act), "POST /v1/services/%s/actions/site.restart", svc);
    reply_take(rig_call_as(rig, session, "POST", act + 5, NULL, "{}"), 202, "operation", op,
               sizeof(op));
    snprintf(read, sizeof(read), "GET /v1/operations/%s", op);
    for (size_t i = 0; i < PV_COUNT(own); i++) {
        own[i] = tap_ask(rig, session, read, waits);
    }
    while (rig->api->waits.count < PV_COUNT(own)) {
        rig_turn(rig);
    }
    ask_refused(rig, session, read, waits, "too_many_waits");
    ask_refused(rig, session, act, posts, "too_many_waits");
    /* which did nothing; who asks without waiting is answered, and so are others */
    struct reply *r =
        rig_call_as(rig, session, "GET", path_of("/v1/services/%s/operations", svc), NULL, NULL);
    reply_expect(r, 200);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 2);
    reply_free(r);
    struct tap *shop = tap_ask(rig, rig->token, read, waits);
    while (rig->api->waits.count < PV_COUNT(own) + 1) {
        rig_turn(rig);
    }
    rig_release(rig);
    tap_await(rig, shop, "\"state\":\"done\"");
    for (size_t i = 0; i < PV_COUNT(own); i++) {
        tap_await(rig, own[i], "\"state\":\"done\"");
        tap_free(own[i]);
    }
    tap_free(shop);
    assert_int_equal(rig->api->holders.count, 0);
    r = rig_call_as(rig, session, "POST", act + 5, waits, "{}");
    reply_expect(r, 200);
    reply_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_from_the_very_first, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(reads_again_what_it_could_not_read, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(ends_when_nothing_can_be_read, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(lets_pages_of_known_origins_read, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(loses_nothing_without_memory, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(skips_nothing_without_memory, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(leaves_streams_to_others, open_rig, rig_close),
        cmocka_unit_test_setup_teardown(leaves_waits_to_others, open_rig, rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

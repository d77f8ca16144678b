/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and chunks, whole and byte by byte: however they are cut, they are read alike. */
#include "core/api/httpparse.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct outcome {
    enum pv_http_parsed parsed;
    struct pv_http_head head;
    struct pv_http_refusal refusal;
};

static struct outcome read_head(struct pv_str text, size_t step)
{
    struct outcome o = {.parsed = PV_HTTP_MORE};
    for (size_t len = step; o.parsed == PV_HTTP_MORE; len += step) {
        size_t have = len < text.len ? len : text.len;
        o.parsed = pv_http_head_read(&o.head, (struct pv_str){text.ptr, have}, &o.refusal);
        if (have == text.len) {
            break;
        }
    }
    return o;
}

static struct outcome read_both(struct pv_str text)
{
    struct outcome whole = read_head(text, text.len);
    struct outcome bytes = read_head(text, 1);
    assert_int_equal(whole.parsed, bytes.parsed);
    if (whole.parsed == PV_HTTP_REFUSED) {
        assert_int_equal(whole.refusal.status, bytes.refusal.status);
        assert_string_equal(whole.refusal.sentence, bytes.refusal.sentence);
    } else {
        assert_memory_equal(&whole.head, &bytes.head, sizeof(whole.head));
    }
    return whole;
}

#define H "Host: x\r\n"

static void reads_heads(void **state)
{
    (void)state;
    struct pv_str text = PV_STR("\r\nPOST /a/b?c=d&e HTTP/1.1\r\nhost: x\r\nX-One:  two three\t\r\n"
                                "Content-Length: 12\r\nConnection: x, Close\r\nX-Empty:\r\n"
                                "expect: 100-CONTINUE\r\n\r\nbody");
    struct outcome o = read_both(text);
    assert_int_equal(o.parsed, PV_HTTP_DONE);
    assert_string_equal(text.ptr + o.head.at, "body");
    assert_true(pv_str_eq_c(pv_http_head_method(&o.head, text), "POST"));
    struct pv_str path;
    struct pv_str query;
    pv_http_head_target(&o.head, text, &path, &query);
    assert_true(pv_str_eq_c(path, "/a/b"));
    assert_true(pv_str_eq_c(query, "c=d&e"));
    assert_true(pv_str_eq_c(pv_http_head_field(&o.head, text, "x-one"), "two three"));
    assert_true(pv_str_eq_c(pv_http_head_field(&o.head, text, "X-EMPTY"), ""));
    assert_null(pv_http_head_field(&o.head, text, "X-On").ptr);
    assert_null(pv_http_head_field(&o.head, text, "X-One-More").ptr);
    assert_int_equal(o.head.length, 12);
    assert_true(o.head.close && o.head.expects_continue && !o.head.chunked && !o.head.keep);
    assert_int_equal(o.head.minor, 1);
}

static void reads_targets(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"/", "/", NULL},
        {"/?", "/", ""},
        {"/x?a?b", "/x", "a?b"},
        {"http://host/x?y", "/x", "y"},
        {"HTTPS://host:1", "/", NULL},
        {"http://host?y", "/", "y"},
        {"http://[::1]:80/x", "/x", NULL},
        {"/http://host/x", "/http://host/x", NULL},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", cases[i][0]);
        struct outcome o = read_both(pv_str(text));
        assert_int_equal(o.parsed, PV_HTTP_DONE);
        struct pv_str path;
        struct pv_str query;
        pv_http_head_target(&o.head, pv_str(text), &path, &query);
        assert_true(pv_str_eq_c(path, cases[i][1]));
        assert_true(pv_str_eq(query, pv_str(cases[i][2])));
    }
    struct pv_str server = PV_STR("OPTIONS * HTTP/1.0\r\n\r\n");
    struct outcome o = read_both(server);
    struct pv_str path;
    struct pv_str query;
    assert_int_equal(o.parsed, PV_HTTP_DONE);
    pv_http_head_target(&o.head, server, &path, &query);
    assert_true(pv_str_eq_c(path, "*"));
}

static void reads_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"",          "localhost", "a-b_c.example:8080", "h:",
                                       "192.0.2.1", "[::1]",     "[2001:db8::1]:443",  "%41"};
    static const char *const wrong[] = {"a b",   "a/b",     "a,b",    "user@host", "host:8o",
                                        "a:1:2", "[::1",    "[]",     "[g]",       "[::1]x",
                                        "a?b",   "caf\xc3", "h:80 x", "/",         "a\\b"};
    char text[100];
    for (size_t i = 0; i < PV_COUNT(good); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        assert_int_equal(read_both(pv_str(text)).parsed, PV_HTTP_DONE);
    }
    for (size_t i = 0; i < PV_COUNT(wrong); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", wrong[i]);
        struct outcome o = read_both(pv_str(text));
        assert_int_equal(o.parsed, PV_HTTP_REFUSED);
        assert_string_equal(o.refusal.sentence, "the header Host names no host");
    }
}

static const struct {
    const char *text;
    unsigned status;
    const char *says;
} bad[] = {
    {"hello\r\n", 400, "request line"},
    {"\x16\x03\x01\x02", 400, "not TLS"},
    {"\x01", 400, "not HTTP"},
    {"GE\tT / HTTP/1.1\r\n", 400, "method"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ", 400, "method"},
    {" / HTTP/1.1\r\n", 400, "request line"},
    {"GET /\r\n", 400, "version"},
    {"GET / \r\n", 400, "version"},
    {"GET / HTTP/x.1\r\n", 400, "version"},
    {"GET / http/1.1\r\n", 400, "version"},
    {"GET / HTTP/1.12\r\n", 400, "version"},
    {"PRI * HTTP/2.0\r\n", 505, "HTTP/1.1"},
    {"GET / HTTP/0.9\r\n", 505, "HTTP/1.1"},
    {"GET /a b HTTP/1.1\r\n", 400, "%20"},
    {"GET  / HTTP/1.1\r\n", 400, "%20"},
    {"GET / HTTP/1.1 \r\n", 400, "%20"},
    {"GET x HTTP/1.1\r\n", 400, "begin with /"},
    {"CONNECT host:443 HTTP/1.1\r\n", 400, "begin with /"},
    {"GET /caf\xc3\xa9 HTTP/1.1\r\n", 400, "%XX"},
    {"GET /\x7f HTTP/1.1\r\n", 400, "%XX"},
    {"GET /x#y HTTP/1.1\r\n", 400, "%XX"},
    {"\rGET / HTTP/1.1\r\n", 400, "method"},
    {"GE\rT / HTTP/1.1\r\n", 400, "method"},
    {"GET\r / HTTP/1.1\r\n", 400, "method"},
    {"GET /\r HTTP/1.1\r\n", 400, "%XX"},
    {"GET / HTTP/1.1\r\r\n", 400, "version"},
    {"GET * HTTP/1.1\r\n", 400, "begin with /"},
    {"OPTIONS ** HTTP/1.1\r\n", 400, "begin with /"},
    {"GET http:///x HTTP/1.1\r\n", 400, "no host"},
    {"GET http://:80/x HTTP/1.1\r\n", 400, "no host"},
    {"GET http://me:pw@host/x HTTP/1.1\r\n", 400, "no host"},
    {"GET ftp://host/x HTTP/1.1\r\n", 400, "begin with /"},
    {"GET / HTTP/1.1\n", 400, "CR LF"},
    {"\n", 400, "CR LF"},
    {"\r\n\r\n\r\n\r\n\r\n", 400, "empty lines"},
    {"GET / HTTP/1.1\r\n" H "Folded: x\r\n y\r\n", 400, "begins with a space"},
    {"GET / HTTP/1.1\r\nNo colon\r\n", 400, "Name: value"},
    {"GET / HTTP/1.1\r\n: x\r\n", 400, "Name: value"},
    {"GET / HTTP/1.1\r\nSpace : x\r\n", 400, "name of a header"},
    {"GET / HTTP/1.1\r\nX: a\rb\r\n", 400, "control character"},
    {"GET / HTTP/1.1\r\nX: \x01\r\n", 400, "control character"},
    {"GET / HTTP/1.1\r\nX: y\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n\r\n", 400, "Host"},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400, "Host"},
    {"GET / HTTP/1.1\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n", 400,
     "Authorization is given more than once"},
    {"GET / HTTP/1.1\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n", 400, "more than once"},
    {"GET / HTTP/1.1\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n", 400, "more than once"},
    {"GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: b\r\n", 400, "more than once"},
    {"GET / HTTP/1.1\r\nContent-Encoding: gzip\r\n", 415, "Content-Encoding"},
    {"GET / HTTP/1.1\r\nContent-Length: +1\r\n", 400, "not a number"},
    {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n", 400, "chunked"},
    {"GET / HTTP/1.1\r\nTransfer-Encoding: \x0b"
     "chunked\r\n",
     400, "control character"},
    {"GET / HTTP/1.1\r\nContent-Length: -1\r\n", 400, "not a number"},
    {"GET / HTTP/1.1\r\nContent-Length: 0x1\r\n", 400, "not a number"},
    {"GET / HTTP/1.1\r\nContent-Length: 3, 3\r\n", 400, "not a number"},
    {"GET / HTTP/1.1\r\nContent-Length:\r\n", 400, "not a number"},
    {"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n", 413, "larger"},
    {"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", 400, "chunked"},
    {"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n", 400, "chunked"},
    {"GET / HTTP/1.1\r\nExpect: cake\r\n", 417, "100-continue"},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0"},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
     "more than once"},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "more than once"},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "more than once"},
};

static void refuses_what_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        struct outcome o = read_both(pv_str(bad[i].text));
        if (o.parsed != PV_HTTP_REFUSED || o.refusal.status != bad[i].status ||
            strstr(o.refusal.sentence, bad[i].says) == NULL) {
            fail_msg("%s: %d %u %s", bad[i].text, o.parsed, o.refusal.status, o.refusal.sentence);
        }
    }
}

static void bounds_heads(void **state)
{
    (void)state;
    char text[PV_HTTP_HEAD_MAX + 100];
    memset(text, 'x', sizeof(text));
    memcpy(text, "GET /", 5);
    struct outcome o = read_both((struct pv_str){text, PV_HTTP_HEAD_MAX});
    assert_int_equal(o.parsed, PV_HTTP_MORE);
    o = read_head((struct pv_str){text, PV_HTTP_HEAD_MAX + 1}, 1);
    assert_int_equal(o.refusal.status, 414);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    o = read_head((struct pv_str){text, PV_HTTP_HEAD_MAX}, PV_HTTP_HEAD_MAX);
    assert_int_equal(o.parsed, PV_HTTP_MORE);
    o = read_both((struct pv_str){text, sizeof(text)});
    assert_int_equal(o.refusal.status, 431);
    size_t at = 16;
    for (size_t i = 0; i <= PV_HTTP_FIELDS_MAX; i++, at += 6) {
        memcpy(text + at, "A: b\r\n", 6);
    }
    o = read_both((struct pv_str){text, at});
    assert_int_equal(o.refusal.status, 431);
    assert_non_null(strstr(o.refusal.sentence, "100"));
}

/* ---- chunks ---- */

static enum pv_http_parsed read_chunks(struct pv_str text, size_t step, char *out, size_t *ret_used,
                                       struct pv_http_refusal *refusal)
{
    struct pv_http_chunks chunks = {0};
    enum pv_http_parsed parsed = PV_HTTP_MORE;
    size_t used = 0;
    out[0] = '\0';
    while (used < text.len && parsed == PV_HTTP_MORE) {
        size_t have = text.len - used < step ? text.len - used : step;
        size_t n = 0;
        struct pv_str data;
        parsed = pv_http_chunks_read(&chunks, (struct pv_str){text.ptr + used, have}, &n, &data,
                                     refusal);
        strncat(out, data.len > 0 ? data.ptr : "", data.len);
        used += n;
    }
    *ret_used = used;
    return parsed;
}

static void reads_chunks(void **state)
{
    (void)state;
    struct pv_str text = PV_STR("3\r\nabc\r\n00A;name=\"x\"\r\n0123456789\r\n2\r\nde\r\n"
                                "1 \t;n\r\nf\r\n0\r\nTrailer: x\r\nOther:\r\n\r\nrest");
    for (size_t step = 1; step <= text.len; step++) {
        char out[100];
        size_t used = 0;
        struct pv_http_refusal refusal;
        assert_int_equal(read_chunks(text, step, out, &used, &refusal), PV_HTTP_DONE);
        assert_string_equal(out, "abc0123456789def");
        assert_string_equal(text.ptr + used, "rest");
    }
}

static void refuses_bad_chunks(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "3\nabc",
        "3\r\nabcd",
        "3\r\nabc\n",
        "3\r\nabc\rx",
        "3x\r\n",
        "3;a\n",
        "0\r\n\rx",
        "0\r\n\n",
        "0\r\nA: b\n",
        "0\r\nA: b\rx",
        "3;\001\rx\r\n",
        "1234567890123456\r\n",
        "3 x\r\n",
        "3 3\r\n",
        "3 \r\nabc\r\n",
        "3\t\r\nabc\r\n",
        "0 \r\n\r\n",
        "3;\001\r\n",
        "3;a\x7f\r\n",
        ";a\r\n",
        "0\r\n: x\r\n",
        "0\r\nA\r\n",
        "0\r\nA : b\r\n",
        "0\r\nA: \001\r\n",
        "0\r\n A: b\r\n",
        "0\r\nGET / HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < PV_COUNT(texts); i++) {
        char out[100];
        size_t used = 0;
        struct pv_http_refusal refusal = {0};
        assert_int_equal(read_chunks(pv_str(texts[i]), 1, out, &used, &refusal), PV_HTTP_REFUSED);
        assert_int_equal(refusal.status, 400);
    }
    struct pv_str flood = {calloc(1, 20000), 20000};
    assert_non_null(flood.ptr);
    memset((char *)(uintptr_t)flood.ptr, 'x', flood.len);
    memcpy((char *)(uintptr_t)flood.ptr, "0\r\n", 3); /* a trailer's name that does not end */
    char out[100];
    size_t used = 0;
    struct pv_http_refusal refusal = {0};
    assert_int_equal(read_chunks(flood, 1000, out, &used, &refusal), PV_HTTP_REFUSED);
    assert_int_equal(refusal.status, 431);
    free((char *)(uintptr_t)flood.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_heads),        cmocka_unit_test(reads_targets),
        cmocka_unit_test(reads_hosts),        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(bounds_heads),       cmocka_unit_test(reads_chunks),
        cmocka_unit_test(refuses_bad_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

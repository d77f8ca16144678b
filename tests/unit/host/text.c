/* SPDX-License-Identifier: Apache-2.0 */
/* What the host does to texts: masking secrets, reading URLs, headers and errors of HTTP; and the
 * memory of a call. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/host/http.h"
#include "core/host/mask.h"
#include "core/host/memory.h"

#include <stdio.h>
#include <string.h>

/* ---- Masking ---- */

static struct pv_mask mask;

static int start(void **state)
{
    (void)state;
    pv_mask_init(&mask);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pv_mask_done(&mask);
    return 0;
}

static void expect_masked(const char *text, size_t max, const char *masked)
{
    struct pv_buf out;
    pv_buf_init(&out, 200000);
    pv_mask_text(&mask, NULL, pv_str(text), max, &out);
    assert_string_equal(out.ptr != NULL ? out.ptr : "", masked);
    pv_buf_done(&out);
}

static void secrets_are_replaced(void **state)
{
    (void)state;
    expect_masked("nothing to hide", 100, "nothing to hide");
    pv_mask_add(&mask, PV_STR("pass"));
    pv_mask_add(&mask, PV_STR("password"));
    pv_mask_add(&mask, PV_STR(""));
    expect_masked("password=pass passpassword", 100, "******=****** ************");
    pv_mask_add(&mask, PV_STR("a\"b\\c"));
    expect_masked("{\"k\": \"a\\\"b\\\\c\"} a\"b\\c", 100, "{\"k\": \"******\"} ******");
    pv_mask_add(&mask, PV_STR("p&q =/"));
    expect_masked("?t=p%26q%20%3D%2F&x", 100, "?t=******&x");
}

static void the_cut_leaves_no_part(void **state)
{
    (void)state;
    pv_mask_add(&mask, PV_STR("secretsecret"));
    expect_masked("ab secretsecret", 6, "ab ");
    expect_masked("ab secretsecret", 9, "ab ******");
    expect_masked("\xc3\xbc\xc3\xbc", 3, "\xc3\xbc");
    expect_masked("a\xff\xc3", 10, "a??");
    static char big[70000];
    memset(big, 'x', sizeof(big) - 1);
    memcpy(big + 65536 - 6, "secretsecret", 12); /* over the end of what is looked at */
    struct pv_buf out;
    pv_buf_init(&out, 200000);
    pv_mask_text(&mask, NULL, pv_str(big), 100000, &out);
    assert_null(strstr(out.ptr, "secret"));
    pv_buf_done(&out);
}

/* What was cut to its size loses what a secret could begin with; what was not stays as it is. */
static void a_text_that_was_cut_is_told_from_one_that_ends(void **state)
{
    (void)state;
    assert_int_equal(pv_mask_uncut(&mask, NULL, "abab", 5), 4);
    pv_mask_add(&mask, PV_STR("secret"));
    pv_mask_add(&mask, PV_STR("ababac"));
    assert_int_equal(pv_mask_uncut(&mask, NULL, "xsecre", 8), 6);
    assert_int_equal(pv_mask_uncut(&mask, NULL, "xsecre", 7), 1);
    assert_int_equal(pv_mask_uncut(&mask, NULL, "xsecret", 8), 7);
    assert_int_equal(pv_mask_uncut(&mask, NULL, "xababa", 7), 1);
    assert_int_equal(pv_mask_uncut(&mask, NULL, "se", 3), 0);
    assert_int_equal(pv_mask_uncut(&mask, NULL, "", 1), 0);
    struct pv_mask none;
    pv_mask_init(&none);
    assert_int_equal(pv_mask_uncut(&none, &mask, "xsecre", 7), 1);
}

/* A mask that could not remember a secret shows nothing at all. */
static void without_memory_nothing_is_shown(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 10; n++) {
        pv_alloc_fail_at(n, 0);
        pv_mask_add(&mask, PV_STR("s3cret value"));
        bool failed = pv_alloc_count() >= n;
        pv_alloc_fail_at(0, 0);
        assert_true(mask.blind == failed);
        expect_masked("s3cret value s3cret%20value", 100,
                      failed ? "[withheld: out of memory]" : "****** ******");
        pv_mask_done(&mask);
    }
}

/* ---- URLs, headers, errors ---- */

static void expect_same_url(struct pv_url_server *server, const char *text)
{
    struct pv_url one = {0};
    struct pv_url other = {0};
    struct pv_err why = {0};
    struct pv_err err = {0};
    int status = pv_url_parse(text, &one, &why);
    assert_int_equal(pv_url_parse_at(server, text, &other, &err), status);
    assert_string_equal(err.text, why.text);
    if (status == 0) {
        assert_string_equal(other.url, one.url);
        assert_string_equal(other.shown, one.shown);
        assert_string_equal(other.host, one.host);
        assert_string_equal(other.port, one.port);
        assert_int_equal(other.literal, one.literal);
        assert_int_equal(other.socket_path != NULL, one.socket_path != NULL);
    }
    pv_url_done(&one);
    pv_url_done(&other);
}

/* Whatever came before, a URL is read as if it were the first. */
static void a_known_server_changes_nothing(void **state)
{
    (void)state;
    static const char *const begins[] = {"http://127.0.0.1:8081",   "http://example.com",
                                         "https://example.com",     "http://u:p@example.com",
                                         "http://example.com.:",    "http://example.com:0080",
                                         "HTTP://Example.COM",      "http://[::1]:80",
                                         "unix:/run/a.sock:",       "ftp://example.com",
                                         "http://exa mple.com",     "http://0x7f.1",
                                         "http://example.com:99999"};
    static const char *const ends[] = {
        "",       "/",        "/a/b",   "/a?q=1&r=a,b:c+d", "?q=1", "/a#f",    "/a/../b", "/./a",
        "/a%2e/", "/a/%2e/b", "/a b?c", "/a\xc3\xbc",       "//a",  "/a/.b/c", "/a?b?c",  "/:@x/y"};
    struct pv_url_server server = {0};
    for (size_t i = 0; i < PV_COUNT(begins) * PV_COUNT(begins); i++) {
        for (size_t j = 0; j < PV_COUNT(ends); j++) {
            char text[200];
            snprintf(text, sizeof(text), "%s/x", begins[i / PV_COUNT(begins)]);
            expect_same_url(&server, text);
            snprintf(text, sizeof(text), "%s%s", begins[i % PV_COUNT(begins)], ends[j]);
            expect_same_url(&server, text);
        }
    }
    pv_url_server_done(&server);
}

/* "://" may stand elsewhere than behind the scheme. */
static void a_password_is_never_shown(void **state)
{
    (void)state;
    struct pv_url_server server = {0};
    for (int i = 0; i < 2; i++) {
        struct pv_url url = {0};
        assert_int_equal(pv_url_parse_at(&server, "http:/user:pw@h?x=://host/p", &url, NULL), 0);
        assert_null(strstr(url.shown, "pw"));
        expect_same_url(&server, "http:/user:pw@h?x=://host/other");
        pv_url_done(&url);
    }
    pv_url_server_done(&server);
}

static void a_known_server_without_memory(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 30; n++) {
        struct pv_url_server server = {0};
        for (int i = 0; i < 3; i++) {
            struct pv_url url = {0};
            pv_alloc_fail_at(n, 0);
            int status = pv_url_parse_at(&server, "http://127.0.0.1:80/a", &url, NULL);
            pv_alloc_fail_at(0, 0);
            assert_true(status == 0 || status == PV_ENOMEM);
            assert_true(status != 0 || strcmp(url.url, "http://127.0.0.1:80/a") == 0);
            pv_url_done(&url);
        }
        pv_url_server_done(&server);
    }
}

static void urls_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        const char *port;
        const char *shown;
        bool literal;
    } cases[] = {
        {"http://example.com", "example.com", "80", "http://example.com/", false},
        {"https://u:p@example.com./x?q=1#f", "example.com", "443", "https://example.com/x", false},
        {"http://127.0.0.1:8081/a", "127.0.0.1", "8081", "http://127.0.0.1:8081/a", true},
        {"http://[::1]:80/", "[::1]", "80", "http://[::1]:80/", true},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_url url;
        struct pv_err err = {0};
        assert_int_equal(pv_url_parse(cases[i].text, &url, &err), 0);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.port, cases[i].port);
        assert_string_equal(url.shown, cases[i].shown);
        assert_int_equal(url.literal, cases[i].literal);
        assert_null(url.socket_path);
        pv_url_done(&url);
    }
    struct pv_url url;
    assert_int_equal(pv_url_parse("unix:/run/a.sock:/v1?x", &url, NULL), 0);
    assert_string_equal(url.socket_path, "/run/a.sock");
    assert_string_equal(url.url, "http://localhost/v1?x");
    pv_url_done(&url);
    assert_int_equal(pv_url_parse("unix:/run/a.sock", &url, NULL), 0);
    assert_string_equal(url.url, "http://localhost/");
    pv_url_done(&url);
    assert_int_equal(pv_url_parse(NULL, &url, NULL), PV_EINVAL);
}

static void url_memory_may_fail(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct pv_url url;
        pv_alloc_fail_at(n, 0);
        int status = pv_url_parse("unix:/run/a.sock:/v1", &url, NULL);
        unsigned long made = pv_alloc_count();
        pv_alloc_fail_at(0, 0);
        if (status == 0) {
            pv_url_done(&url);
            assert_true(made < n && n > 5);
            return;
        }
        assert_int_equal(status, PV_ENOMEM);
    }
}

static void retry_after_is_read(void **state)
{
    (void)state;
    const int64_t now = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(pv_url_retry_after(PV_STR("0"), now), 0);
    assert_int_equal(pv_url_retry_after(PV_STR("120"), now), 120000);
    assert_int_equal(pv_url_retry_after(PV_STR("99999999999"), now), 86400000);
    assert_int_equal(pv_url_retry_after(PV_STR("-5"), now), -1);
    assert_int_equal(pv_url_retry_after(PV_STR("soon"), now), -1);
    assert_int_equal(pv_url_retry_after(PV_STR("Sun, 06 Nov 1994 08:50:37 GMT"), now), 60000);
    assert_int_equal(pv_url_retry_after(PV_STR("Sun, 06 Nov 1994 08:48:37 GMT"), now), 0);
    assert_int_equal(pv_url_retry_after(PV_STR("Tue, 06 Nov 2094 08:48:37 GMT"), now), 86400000);
}

static void headers_are_found(void **state)
{
    (void)state;
    struct pv_str lines =
        PV_STR("HTTP/1.1 200 OK\r\nRetry-After-Not: 1\r\nretry-after:  7 \r\nX:\r\n\r\n");
    assert_true(pv_str_eq_c(pv_url_header(lines, "Retry-After"), "7"));
    assert_true(pv_str_eq_c(pv_url_header(lines, "x"), ""));
    assert_null(pv_url_header(lines, "Absent").ptr);
    assert_null(pv_url_header((struct pv_str){NULL, 0}, "X").ptr);
}

/* What decides over retry or look-up: was anything sent? */
static void errors_are_classified(void **state)
{
    (void)state;
    static const struct {
        CURLcode code;
        int unsent;
        int sent;
    } cases[] = {
        {CURLE_OK, 0, 0},
        {CURLE_URL_MALFORMAT, PROVOST_E_INVALID, PROVOST_E_INVALID},
        {CURLE_COULDNT_CONNECT, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_OPERATION_TIMEDOUT, PROVOST_E_NOT_SENT, PROVOST_E_TIMEOUT},
        {CURLE_GOT_NOTHING, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_RECV_ERROR, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_SEND_ERROR, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_PARTIAL_FILE, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_SSL_CONNECT_ERROR, PROVOST_E_NOT_SENT, PROVOST_E_LOST},
        {CURLE_PEER_FAILED_VERIFICATION, PROVOST_E_TLS, PROVOST_E_LOST},
        {CURLE_SSL_CACERT_BADFILE, PROVOST_E_TLS, PROVOST_E_LOST},
        {CURLE_OUT_OF_MEMORY, PROVOST_E_NOMEM, PROVOST_E_LOST},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        assert_int_equal(pv_http_error(cases[i].code, false), cases[i].unsent);
        assert_int_equal(pv_http_error(cases[i].code, true), cases[i].sent);
    }
}

/* ---- Memory ---- */

static void memory_is_bounded(void **state)
{
    (void)state;
    struct pv_memory memory;
    pv_memory_init(&memory, 20000);
    char *a = pv_memory_alloc(&memory, 10);
    char *b = pv_memory_alloc(&memory, 10);
    assert_non_null(a);
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal(b - a, 16);
    assert_string_equal(pv_memory_str(&memory, PV_STR("text")), "text");
    assert_non_null(pv_memory_alloc(&memory, 10000));
    assert_null(pv_memory_alloc(&memory, 10000));
    assert_null(pv_memory_alloc(&memory, SIZE_MAX));
    void *own = pv_malloc(5000);
    assert_int_equal(pv_memory_adopt(&memory, own, 5000), 0);
    void *more = pv_malloc(5000);
    assert_int_equal(pv_memory_adopt(&memory, more, 5000), PV_ENOMEM);
    pv_free(more);
    pv_memory_done(&memory);
    assert_non_null(pv_memory_alloc(&memory, 10));
    pv_memory_done(&memory);
}

#define WITH_MASK(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MASK(secrets_are_replaced),
        WITH_MASK(the_cut_leaves_no_part),
        WITH_MASK(a_text_that_was_cut_is_told_from_one_that_ends),
        WITH_MASK(without_memory_nothing_is_shown),
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(a_known_server_changes_nothing),
        cmocka_unit_test(a_password_is_never_shown),
        cmocka_unit_test(a_known_server_without_memory),
        cmocka_unit_test(url_memory_may_fail),
        cmocka_unit_test(retry_after_is_read),
        cmocka_unit_test(headers_are_found),
        cmocka_unit_test(errors_are_classified),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

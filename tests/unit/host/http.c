/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `http` against a backend that misbehaves. What each failure is called decides
 * whether a paid order is retried, looked up or given up, so every one is pinned here. */
#include "tests/unit/host/kit.h"
#include "tests/unit/host/server.h"

#include "core/base/hash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kit kit;
static struct server server;
static char folder[] = "/tmp/provost-http-XXXXXX";

/* What the step does, and what it saw. */
static struct provost_http_request request;
static int repeat;
static int code;
static struct provost_http_response seen;
static char body[70000];
static char headers[70000];
static char error_text[1000];
static char text_out[400];

static int step(struct provost_call *call)
{
    call->host->secret(call, "swordfish");
    for (int i = 0; i < repeat; i++) {
        seen = (struct provost_http_response){.struct_size = sizeof(seen), .status = -1};
        code = call->host->http(call, &request, &seen);
    }
    snprintf(body, sizeof(body), "%s", seen.body != NULL ? seen.body : "");
    snprintf(headers, sizeof(headers), "%s", seen.headers != NULL ? seen.headers : "");
    snprintf(error_text, sizeof(error_text), "%s", call->host->error(call));
    return code == PROVOST_E_CANCELED ? PROVOST_CANCELED : PROVOST_OK;
}

static const struct provost_step create[] = {{.name = "http", .run = step}, {0}};
static const struct provost_query queries[] = {{.name = "http", .run = step}, {0}};
static const struct provost_plugin plugin = {PROVOST_PLUGIN_HEAD, .name = "caller",
                                             .create = create, .service_queries = queries};

static char url[600];

static const struct kit_outcome *get(const char *path, struct provost_http_request req)
{
    if (path != NULL) {
        snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server.port, path);
        req.url = url;
    }
    req.struct_size = sizeof(req);
    request = req;
    repeat = repeat > 0 ? repeat : 1;
    const struct kit_outcome *outcome = kit_run(&kit, "http", NULL);
    repeat = 1;
    return outcome;
}

#define REQUEST(...) ((struct provost_http_request){__VA_ARGS__})
#define POST(...) REQUEST(.method = "POST", .body = "{}", .body_len = 2, __VA_ARGS__)

static int start(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, NULL);
    server_start(&server, NULL);
    code = 0;
    repeat = 1;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&kit);
    server_stop(&server);
    return 0;
}

/* ---- What works ---- */

static void answers_come_back(void **state)
{
    (void)state;
    const struct kit_outcome *o = get("/ok", REQUEST(0));
    assert_int_equal(code, 0);
    assert_int_equal(seen.status, 200);
    assert_string_equal(body, "{\"ok\": true}");
    assert_int_equal(seen.body_len, 12);
    assert_contains(headers, "X-Test: yes\r\n");
    assert_int_equal(seen.retry_after_ms, -1);
    assert_true(o->touched);
    assert_int_equal(kit.page.slot[1].mark, PV_SLOT_TOUCHED);
    snprintf(text_out, sizeof(text_out), "0 http: GET http://127.0.0.1:%d/ok: 200 in ",
             server.port);
    assert_contains(kit.log, text_out);
}

static void connections_are_kept(void **state)
{
    (void)state;
    repeat = 50;
    get("/ok", REQUEST(0));
    assert_int_equal(code, 0);
    assert_int_equal(server.requests, 50);
    assert_int_equal(server.connections, 1);
    get("/ok", POST(0)); /* by another call too */
    assert_int_equal(server.connections, 1);
}

/* The sockets that follow get the descriptors of those before. */
static void servers_may_close_what_is_kept(void **state)
{
    (void)state;
    for (int i = 1; i <= 10; i++) {
        get("/last", REQUEST(0));
        assert_int_equal(code, 0);
        get("/ok", REQUEST(0));
        assert_int_equal(code, 0);
        assert_string_equal(body, "{\"ok\": true}");
        assert_true(server.connections >= i);
        repeat = 3;
        get("/ok", POST(0));
        assert_int_equal(code, 0);
    }
}

static void requests_arrive_as_written(void **state)
{
    (void)state;
    static const char *const lines[] = {"X-One: 1", "X-Empty:", "Content-Type: application/json",
                                        NULL};
    get("/echo?q=1", POST(.headers = lines, .idempotency_label = "create"));
    assert_int_equal(code, 0);
    assert_contains(body, "POST /echo?q=1 HTTP/1.1\r\n");
    assert_contains(body, "X-One: 1\r\n");
    assert_contains(body, "X-Empty:\r\n");
    assert_contains(body, "Content-Type: application/json\r\n");
    assert_contains(body, "Content-Length: 2\r\n");
    assert_contains(body, "Idempotency-Key: ");
    assert_contains(body, "User-Agent: provost/");
    assert_null(strstr(body, "Expect"));
    assert_contains(body, "\r\n\r\n{}");
    get("/echo", REQUEST(.method = "DELETE"));
    assert_contains(body, "DELETE /echo HTTP/1.1\r\n");
    assert_null(strstr(body, "Content-Length"));
    get("/echo", REQUEST(.method = "POST"));
    assert_contains(body, "POST /echo HTTP/1.1\r\n");
    assert_contains(body, "Content-Length: 0\r\n");
    assert_null(strstr(body, "Content-Type"));
    get("/echo", REQUEST(.method = "POST", .body_len = 100000)); /* of no body */
    assert_int_equal(code, 0);
    assert_contains(body, "Content-Length: 0\r\n");
    get("/echo", REQUEST(.method = "HEAD"));
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body_len, 0);
}

/* Texts are cut before they are masked. */
static void a_trace_is_cut_without_a_part_of_a_secret(void **state)
{
    (void)state;
    char path[500];
    snprintf(path, sizeof(path), "/ok/%0370dswordfish", 0);
    get(path, REQUEST(0));
    assert_int_equal(code, 0);
    assert_contains(kit.log, "0 http: GET http://127.0.0.1:");
    assert_contains(kit.log, "0000");
    assert_null(strstr(kit.log, "00s"));
}

static void names_are_resolved(void **state)
{
    (void)state;
    snprintf(url, sizeof(url), "http://localhost:%d/ok", server.port);
    get(NULL, REQUEST(.url = url));
    assert_int_equal(code, 0);
    snprintf(url, sizeof(url), "http://LOCALHOST.:%d/ok", server.port);
    get(NULL, REQUEST(.url = url));
    assert_int_equal(code, 0);
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    FILE *hosts = fopen("/etc/hosts", "r");
    char line[1000];
    bool there = false;
    while (hosts != NULL && fgets(line, sizeof(line), hosts) != NULL) {
        there = there || (host[0] != '\0' && strstr(line, host) != NULL);
    }
    if (hosts != NULL) {
        fclose(hosts);
    }
    if (there) {
        /* Known from /etc/hosts alone. It may not listen on that address: it was found. */
        snprintf(url, sizeof(url), "http://%s:%d/ok", host, server.port);
        get(NULL, REQUEST(.url = url));
        assert_null(strstr(error_text, "resolve"));
    }
}

static void unix_sockets_work(void **state)
{
    (void)state;
    struct server local;
    char path[200];
    char local_url[300];
    snprintf(path, sizeof(path), "%s/socket", folder);
    server_start(&local, path);
    snprintf(local_url, sizeof(local_url), "unix:%s:/echo", path);
    get(NULL, REQUEST(.url = local_url));
    assert_int_equal(code, 0);
    assert_contains(body, "GET /echo HTTP/1.1\r\n");
    server_stop(&local);
    unlink(path);
    snprintf(local_url, sizeof(local_url), "unix:%s:/ok", "/nowhere/socket");
    get(NULL, REQUEST(.url = local_url));
    assert_int_equal(code, PROVOST_E_NOT_SENT);
}

static void statuses_and_retry_after(void **state)
{
    (void)state;
    get("/429", POST(0));
    assert_int_equal(code, 0);
    assert_int_equal(seen.status, 429);
    assert_int_equal(seen.retry_after_ms, 7000);
    get("/503", POST(0));
    assert_int_equal(seen.status, 503);
    assert_int_equal(seen.retry_after_ms, 0); /* a date that is over */
    get("/500", POST(0));
    assert_int_equal(seen.status, 500);
    assert_contains(body, "<html>");
    get("/401", POST(0));
    assert_int_equal(seen.status, 401);
}

static void redirects_only_when_asked(void **state)
{
    (void)state;
    static const char *const secret[] = {"Authorization: Bearer t0ken", NULL};
    get("/to-ok", REQUEST(.headers = secret));
    assert_int_equal(seen.status, 302);
    get("/to-ok", REQUEST(.headers = secret, .flags = PROVOST_H_REDIRECTS));
    assert_int_equal(seen.status, 200);
    assert_contains(body, "GET /echo HTTP/1.1\r\n");
    assert_contains(body, "Authorization: Bearer t0ken");
    get("/away", REQUEST(.headers = secret, .flags = PROVOST_H_REDIRECTS));
    assert_int_equal(seen.status, 200);
    assert_null(strstr(body, "t0ken")); /* not for another server */
    get("/to-self", REQUEST(.flags = PROVOST_H_REDIRECTS));
    assert_int_equal(code, PROVOST_E_FAILED);
    get("/to-ok", POST(.flags = PROVOST_H_REDIRECTS));
    assert_int_equal(code, PROVOST_E_INVALID);
}

/* ---- What does not ---- */

static void nobody_listens(void **state)
{
    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", closed_port());
    const struct kit_outcome *o = get(NULL, POST(.url = url));
    assert_int_equal(code, PROVOST_E_NOT_SENT);
    assert_false(o->touched); /* so after a crash it would simply be run again */
    assert_int_equal(kit.page.slot[1].mark, PV_SLOT_RUNNING);
    get(NULL, POST(.url = "http://no-such-name.invalid/", .timeout_ms = 500));
    assert_int_equal(code, PROVOST_E_NOT_SENT);
    assert_contains(error_text, "cannot resolve no-such-name.invalid");
}

static void no_answer_in_time(void **state)
{
    (void)state;
    const struct kit_outcome *o = get("/hang", POST(.timeout_ms = 1000));
    assert_int_equal(code, PROVOST_E_TIMEOUT);
    assert_int_equal(seen.status, 0);
    assert_true(o->touched);
    assert_int_equal(server.requests, 1);
}

static void broken_connections_are_lost(void **state)
{
    (void)state;
    static const char *const paths[] = {"/drop", "/truncated", "/garbage"};
    for (size_t i = 0; i < PV_COUNT(paths); i++) {
        get(paths[i], POST(0));
        assert_int_equal(code, PROVOST_E_LOST);
        assert_int_equal(seen.status, i == 1 ? 201 : 0);
        assert_int_equal(seen.body_len, 0);
    }
    assert_int_equal(server.requests, 3);
}

/* The second request on a kept connection is read and not answered. libcurl would send it again on
 * a fresh one, which must not happen to what may not be repeated. */
static void nothing_is_sent_twice(void **state)
{
    (void)state;
    repeat = 2;
    get("/second", POST(0));
    assert_int_equal(code, PROVOST_E_LOST);
    assert_int_equal(server.requests, 2);
    repeat = 2;
    get("/second", REQUEST(.method = "DELETE"));
    assert_int_equal(code, PROVOST_E_LOST);
    assert_int_equal(server.requests, 4);
    repeat = 2;
    get("/second", POST(.flags = PROVOST_H_IDEMPOTENT));
    assert_int_equal(code, 0);
    assert_int_equal(server.requests, 7); /* 1, 2 lost, 2 again */
    /* The same of one that nobody has read. */
    repeat = 2;
    get("/unread", POST(0));
    assert_int_equal(code, PROVOST_E_LOST);
    repeat = 2;
    get("/unread", REQUEST(0));
    assert_int_equal(code, 0);
}

static void answers_are_capped(void **state)
{
    (void)state;
    struct rusage before;
    struct rusage after;
    getrusage(RUSAGE_SELF, &before);
    get("/huge", REQUEST(0));
    assert_int_equal(code, PROVOST_E_TOO_BIG);
    assert_contains(error_text, "larger than 1048576 bytes");
    assert_int_equal(seen.status, 200);
    get("/endless", REQUEST(.max_answer_bytes = 4 * 1024 * 1024));
    assert_int_equal(code, PROVOST_E_TOO_BIG);
    get("/endless", REQUEST(.max_answer_bytes = 17 * 1024 * 1024));
    assert_int_equal(code, PROVOST_E_INVALID);
    get("/bigheader", REQUEST(0));
    assert_int_equal(code, PROVOST_E_TOO_BIG);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024); /* KiB; sanitizers keep freed
                                                                    memory */
}

static void cancel_takes_it_out(void **state)
{
    (void)state;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/hang", server.port);
    request = POST(.struct_size = sizeof(request), .url = url);
    struct pv_wire_step frame = kit_step("http", NULL);
    kit_send(&kit, 1, &frame);
    while (server.requests == 0) {
        kit_turn(&kit);
    }
    kit_cancel(&kit, 1);
    const struct kit_outcome *o = kit_wait(&kit, 1);
    assert_int_equal(code, PROVOST_E_CANCELED);
    assert_int_equal(o->code, PV_OUT_CANCELED);
    assert_true(o->touched);
    /* The step's own limit, shorter than the request's. */
    frame.timeout_ms = 1000;
    kit_send(&kit, 2, &frame);
    o = kit_wait(&kit, 2);
    assert_true(o->touched);
    assert_true(code == PROVOST_E_TIMEOUT || o->code == PV_OUT_UNKNOWN);
}

static void nothing_is_sent_after_the_lease(void **state)
{
    (void)state;
    kit_lease(&kit, pv_mono_ms(&pv_clock_system) - 1);
    const struct kit_outcome *o = get("/ok", POST(0));
    assert_int_equal(code, PROVOST_E_FENCED);
    assert_false(o->touched);
    assert_int_equal(server.connections, 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", server.port);
    request = REQUEST(.struct_size = sizeof(request), .url = url);
    kit_query(&kit, 2, true, "http", NULL); /* the lease binds steps alone */
    assert_true(kit_wait(&kit, 2)->touched);
    assert_int_equal(code, 0);
    assert_int_equal(seen.status, 200);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    static const char *const bad_urls[] = {
        "ftp://example.com/",   "file:///etc/passwd", "nonsense",  "http://a b/",
        "http://b\xc3\xbc.de/", "unix:relative:/x",   "unix:/a:b", ""};
    for (size_t i = 0; i < PV_COUNT(bad_urls); i++) {
        get(NULL, REQUEST(.url = bad_urls[i]));
        assert_int_equal(code, PROVOST_E_INVALID);
    }
    static const char *const bad_headers[] = {"X: a\r\nY: b", "no colon", ": x",
                                              "Content-Length: 7", "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < PV_COUNT(bad_headers); i++) {
        const char *const lines[] = {bad_headers[i], NULL};
        get("/ok", REQUEST(.headers = lines));
        assert_int_equal(code, PROVOST_E_INVALID);
    }
    get("/ok", REQUEST(.method = "GET /x HTTP/1.1"));
    assert_int_equal(code, PROVOST_E_INVALID);
    assert_int_equal(server.requests, 0);
}

static void many_at_once(void **state)
{
    (void)state;
    snprintf(url, sizeof(url), "http://localhost:%d/ok", server.port);
    request = POST(.struct_size = sizeof(request), .url = url);
    struct pv_wire_step frame = kit_step("http", NULL);
    for (uint64_t call = 1; call <= 300; call++) {
        kit_send(&kit, call, &frame);
    }
    while (kit.outcome_count < 300) {
        kit_turn(&kit);
        assert_true(code == 0);
    }
    assert_int_equal(server.requests, 300);
}

/* ---- TLS ---- */

static pid_t tls_pid;

/* Starts a TLS server with a certificate made for this run; the port it says on its output. */
static int start_tls(const char *script)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    tls_pid = fork();
    assert_true(tls_pid >= 0);
    if (tls_pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        execl("/usr/bin/python3", "python3", script, folder, NULL);
        _exit(99);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    char line[100] = "";
    assert_non_null(fgets(line, sizeof(line), said));
    fclose(said);
    return (int)strtol(line, NULL, 10);
}

static const char *tls_script;

static void certificates_are_verified(void **state)
{
    (void)state;
    int port = start_tls(tls_script);
    char tls_url[100];
    char ca[300];
    snprintf(tls_url, sizeof(tls_url), "https://localhost:%d/", port);
    snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
    const struct kit_outcome *o = get(NULL, POST(.url = tls_url));
    assert_int_equal(code, PROVOST_E_TLS);
    assert_false(o->touched);
    get(NULL, REQUEST(.url = tls_url, .ca_file = ca));
    assert_int_equal(code, 0);
    assert_int_equal(seen.status, 200);
    get(NULL, REQUEST(.url = tls_url, .ca_file = "/nowhere/ca.pem"));
    assert_int_equal(code, PROVOST_E_TLS);
    snprintf(tls_url, sizeof(tls_url), "https://127.0.0.1:%d/", port); /* not in the certificate */
    get(NULL, REQUEST(.url = tls_url, .ca_file = ca));
    assert_int_equal(code, PROVOST_E_TLS);
    snprintf(tls_url, sizeof(tls_url), "https://127.0.0.1:%d/", server.port); /* no TLS at all */
    get(NULL, REQUEST(.url = tls_url, .timeout_ms = 200));
    assert_int_equal(code, PROVOST_E_NOT_SENT);
}

static int stop_tls(void **state)
{
    if (tls_pid > 0) {
        kill(tls_pid, SIGTERM);
        waitpid(tls_pid, NULL, 0);
    }
    return stop(state);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(answers_come_back),
        WITH_HOST(connections_are_kept),
        WITH_HOST(servers_may_close_what_is_kept),
        WITH_HOST(requests_arrive_as_written),
        WITH_HOST(a_trace_is_cut_without_a_part_of_a_secret),
        WITH_HOST(names_are_resolved),
        WITH_HOST(unix_sockets_work),
        WITH_HOST(statuses_and_retry_after),
        WITH_HOST(redirects_only_when_asked),
        WITH_HOST(nobody_listens),
        WITH_HOST(no_answer_in_time),
        WITH_HOST(broken_connections_are_lost),
        WITH_HOST(nothing_is_sent_twice),
        WITH_HOST(answers_are_capped),
        WITH_HOST(cancel_takes_it_out),
        WITH_HOST(nothing_is_sent_after_the_lease),
        WITH_HOST(wrong_requests_are_refused),
        WITH_HOST(many_at_once),
        cmocka_unit_test_setup_teardown(certificates_are_verified, start, stop_tls),
    };
    if (argc != 2 || pv_base_init() != 0 || mkdtemp(folder) == NULL) {
        fputs("usage: unit-host-http TLS-SCRIPT\n", stderr);
        return 1;
    }
    tls_script = argv[1];
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const files[] = {"ca.pem", "key.pem"};
    for (size_t i = 0; i < PV_COUNT(files); i++) {
        char path[300];
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    return failed;
}

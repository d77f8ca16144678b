/* SPDX-License-Identifier: Apache-2.0 */
/* The host call `http`. What matters most here is to know whether a request may have reached the
 * backend: libcurl's pre-request callback runs when a connection stands and just before the first
 * byte leaves, so that is where the lease is checked and the status page is marked. */
#include "core/host/http.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/host/internal.h"
#include "core/net/request.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define TIMEOUT_MS 30000u
#define ANSWER_MAX (1024u * 1024)
#define ANSWER_MOST (16u * 1024 * 1024)
#define HEAD_MAX (64u * 1024)
#define REDIRECTS_MAX 5
#define IDLE_REUSE_S 30L
/* Servers close idle connections, some after five seconds; a request that meets the close is lost,
 * and what must not be repeated is then unknown. */
#define IDLE_REUSE_ONCE_S 4L
#define USER_AGENT "provost/1"
#define TRACEPARENT_LEN 55 /* "00-", 32 digits, "-", 16 digits, "-", 2 digits */

struct request {
    struct pv_wait wait;
    struct pv_transfer transfer;
    struct pv_call *call;
    struct provost_http_request req; /* defaults filled in */
    bool idempotent;
    int64_t begun_ms;
    int64_t deadline_ms;
    struct pv_url url;
    struct curl_slist *headers;
    struct curl_slist *resolve;
    struct pv_buf head;
    struct pv_buf body;
    bool sent; /* it left: from then on nothing can be sure */
    bool too_big;
    bool refused; /* an address was not admitted: refused_address */
    char refused_address[64];
    bool again; /* libcurl wanted to send it a second time on its own */
    CURLcode code;
    long status;
    char *location; /* absolute; of a redirect */
    char curl_error[CURL_ERROR_SIZE];
};

/* ---- libcurl's callbacks ---- */

static int on_send(void *user, char *primary_ip, char *local_ip, int primary_port, int local_port)
{
    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    struct request *r = user;
    long bytes = 0;
    curl_easy_getinfo(r->transfer.easy, CURLINFO_REQUEST_SIZE, &bytes);
    /* A kept connection broke without an answer and libcurl is about to repeat the request. When it
     * may have arrived the first time, only a request that may be repeated goes out again. */
    if (bytes > 0 && !r->idempotent) {
        r->again = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (pv_call_check_send(r->call) != 0) {
        return CURL_PREREQFUNC_ABORT;
    }
    pv_call_touch(r->call);
    r->sent = true;
    PV_FAULT("host.send.before");
    return CURL_PREREQFUNC_OK;
}

/* libcurl is about to connect: to this address, whatever the URL looked like. */
static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct request *r = user;
    if (r->url.socket_path == NULL && !pv_admit_address(r->call->host, &r->url, &address->addr)) {
        r->refused = true;
        if (getnameinfo(&address->addr, (socklen_t)address->addrlen, r->refused_address,
                        sizeof(r->refused_address), NULL, 0, NI_NUMERICHOST) != 0) {
            r->refused_address[0] = '\0';
        }
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_head(char *bytes, size_t size, size_t count, void *user)
{
    struct request *r = user;
    size_t len = size * count;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        pv_buf_clear(&r->head); /* what came before was 1xx, or an answer asking for credentials */
        pv_buf_clear(&r->body);
    }
    if (pv_buf_put(&r->head, bytes, len) != 0) {
        r->too_big = true;
        return 0;
    }
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct request *r = user;
    size_t len = size * count;
    curl_off_t announced = -1;
    curl_easy_getinfo(r->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > (curl_off_t)r->body.cap || pv_buf_put(&r->body, bytes, len) != 0) {
        r->too_big = true;
        return 0;
    }
    return len;
}

static void on_done(struct pv_transfer *transfer, CURLcode code)
{
    struct request *r = PV_CONTAINER(transfer, struct request, transfer);
    r->code = code;
    PV_FAULT("host.send.after");
    pv_wait_done(&r->wait, 0);
}

static void cancel_request(struct pv_wait *wait)
{
    struct request *r = PV_CONTAINER(wait, struct request, wait);
    pv_multi_remove(wait->call->host->multi, &r->transfer);
    pv_wait_done(wait, PROVOST_E_CANCELED);
}

/* ---- Preparing ---- */

static int add_line(struct request *r, const char *line)
{
    int status = pv_request_header(&r->headers, line);
    return status == 0 ? 0 : pv_call_fail(r->call, PROVOST_E_NOMEM, "out of memory");
}

/* libcurl takes "Name;" for a header with an empty value, and "Name:" for one to leave out. */
static int add_header(struct request *r, const char *line)
{
    struct pv_err err = {0};
    if (pv_http_check_header(line, &err) != 0) {
        return pv_call_fail(r->call, PROVOST_E_INVALID, "http: %s", err.text);
    }
    size_t name = strcspn(line, ":");
    if (line[name + 1 + strspn(line + name + 1, " \t")] != '\0') {
        return add_line(r, line);
    }
    char *empty = pv_strdup(line);
    if (empty == NULL) {
        return pv_call_fail(r->call, PROVOST_E_NOMEM, "out of memory");
    }
    empty[name] = ';';
    empty[name + 1] = '\0';
    int code = add_line(r, empty);
    pv_free(empty);
    return code;
}

static int add_key(struct request *r)
{
    const char *key = NULL;
    int code = pv_call_idempotency_key(&r->call->pub, r->req.idempotency_label, &key);
    if (code != 0) {
        return code;
    }
    char line[128];
    snprintf(line, sizeof(line), "Idempotency-Key: %s", key);
    return add_line(r, line);
}

/* The event's trace goes on with a span of its own for each request. */
static int add_trace(struct request *r)
{
    const char *trace = r->call->trace;
    if (trace == NULL || strlen(trace) != TRACEPARENT_LEN) {
        return 0;
    }
    uint8_t span[8];
    char hex[2 * sizeof(span) + 1];
    char line[TRACEPARENT_LEN + 32];
    do {
        r->call->host->rng->fill(r->call->host->rng->ctx, span, sizeof(span));
        pv_hex(span, sizeof(span), hex);
    } while (strspn(hex, "0") == sizeof(hex) - 1); /* all zero is no id */
    snprintf(line, sizeof(line), "traceparent: %.36s%s%s", trace, hex, trace + 52);
    return add_line(r, line);
}

static int add_headers(struct request *r)
{
    bool typed = false;
    bool traced = false;
    int code = 0;
    for (size_t i = 0; code == 0 && r->req.headers != NULL && r->req.headers[i] != NULL; i++) {
        typed = typed || strncasecmp(r->req.headers[i], "Content-Type:", 13) == 0;
        traced = traced || strncasecmp(r->req.headers[i], "traceparent:", 12) == 0;
        code = add_header(r, r->req.headers[i]);
    }
    if (code == 0 && r->req.idempotency_label != NULL) {
        code = add_key(r);
    }
    if (code == 0 && !traced) {
        code = add_trace(r);
    }
    /* Not what libcurl would add by itself. */
    if (code == 0) {
        code = add_line(r, "Expect:");
    }
    if (code == 0 && !typed) {
        code = add_line(r, "Content-Type:");
    }
    return code;
}

static void set_method(struct request *r, CURL *easy)
{
    const char *method = r->req.method;
    bool bare =
        r->req.body == NULL && (pv_http_safe_method(method) || strcmp(method, "DELETE") == 0);
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (bare) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    } else {
        pv_request_body(easy, (struct pv_str){r->req.body, r->req.body_len});
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static int set_options(struct request *r, const char *addresses)
{
    CURL *easy = r->transfer.easy;
    int64_t left = r->deadline_ms - pv_host_now(r->call->host);
    struct pv_request request = {
        .url = &r->url,
        .addresses = addresses,
        .headers = r->headers,
        .user_agent = USER_AGENT,
        .ca_file = r->req.ca_file,
        .timeout_ms = left > 0 ? (long)left : 1,
        .idle_reuse_s = r->idempotent ? IDLE_REUSE_S : IDLE_REUSE_ONCE_S,
        .error = r->curl_error,
        .head = on_head,
        .body = on_body,
        .user = r,
    };
    int status = pv_request_set(easy, &request, &r->resolve);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, r);
    set_method(r, easy);
    return status;
}

/* (waits) Finds the addresses, so that libcurl never looks a name up. */
static int find_addresses(struct request *r, const char **ret_addresses)
{
    if (r->url.socket_path != NULL || r->url.literal) {
        *ret_addresses = NULL;
        return 0;
    }
    return pv_call_addresses(r->call, r->url.host, r->deadline_ms, ret_addresses);
}

/* ---- One exchange ---- */

static int explain(struct request *r)
{
    struct pv_call *call = r->call;
    const char *method = r->req.method;
    const char *where = r->url.socket_path != NULL ? r->url.socket_path : r->url.shown;
    if (r->code == CURLE_ABORTED_BY_CALLBACK && !r->again) {
        int stopped = pv_call_check_send(call);
        if (stopped != 0) {
            return stopped;
        }
    }
    if (r->again) {
        return pv_call_fail(call, PROVOST_E_LOST,
                            "%s %s: the connection broke before an answer came", method, where);
    }
    if (r->head.status == PV_ENOMEM || r->body.status == PV_ENOMEM) {
        return pv_call_fail(call, PROVOST_E_LOST, "%s %s: out of memory for the answer", method,
                            where);
    }
    if (r->too_big) {
        return pv_call_fail(call, PROVOST_E_TOO_BIG, "%s %s: the answer is larger than %u bytes",
                            method, where, r->req.max_answer_bytes);
    }
    if (r->refused && r->code == CURLE_COULDNT_CONNECT) {
        return pv_call_fail(call, PROVOST_E_DENIED,
                            "%s %s: %s is not a public address, and no URL of the settings names "
                            "this host and port",
                            method, where, r->refused_address);
    }
    int code = pv_http_error(r->code, r->sent);
    const char *why = r->curl_error[0] != '\0' ? r->curl_error : curl_easy_strerror(r->code);
    return pv_call_fail(call, code, "%s %s: %s", method, where, why);
}

static int exchange(struct request *r)
{
    struct pv_multi *multi = r->call->host->multi;
    r->refused = false;
    if (r->url.socket_path != NULL && !pv_admit_socket(r->call->host, r->url.socket_path)) {
        return pv_call_fail(r->call, PROVOST_E_DENIED, "http: %s is not among grants.unix_sockets",
                            r->url.socket_path);
    }
    const char *addresses = NULL;
    int code = find_addresses(r, &addresses);
    if (code != 0) {
        return code;
    }
    r->transfer = (struct pv_transfer){.easy = pv_multi_easy(multi), .done = on_done};
    r->wait = (struct pv_wait){.call = r->call, .cancel = cancel_request};
    if (r->transfer.easy == NULL || set_options(r, addresses) != 0 ||
        pv_multi_add(multi, &r->transfer) != 0) {
        code = pv_call_fail(r->call, PROVOST_E_NOMEM, "out of memory");
    } else {
        code = pv_call_wait(r->call, &r->wait);
    }
    if (code == 0) {
        curl_easy_getinfo(r->transfer.easy, CURLINFO_RESPONSE_CODE, &r->status);
        char *location = NULL;
        curl_easy_getinfo(r->transfer.easy, CURLINFO_REDIRECT_URL, &location);
        r->location = location != NULL ? pv_memory_str(&r->call->memory, pv_str(location)) : NULL;
        if (r->code != CURLE_OK) {
            code = explain(r);
        } else if (location != NULL && r->location == NULL) {
            code = pv_call_fail(r->call, PROVOST_E_LOST, "%s: out of memory for the answer",
                                r->req.method);
        }
    }
    pv_multi_easy_free(multi, r->transfer.easy);
    r->transfer.easy = NULL;
    curl_slist_free_all(r->resolve);
    r->resolve = NULL;
    return code;
}

static bool must_follow(const struct request *r)
{
    bool redirect = r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
                    r->status == 308;
    return redirect && (r->req.flags & PROVOST_H_REDIRECTS) != 0 && r->location != NULL;
}

static int parse_url(struct request *r, const char *text)
{
    struct pv_err err = {0};
    pv_url_done(&r->url);
    int status = pv_url_parse_at(&r->call->host->server, text, &r->url, &err);
    if (status == PV_ENOMEM) {
        return pv_call_fail(r->call, PROVOST_E_NOMEM, "out of memory");
    }
    return status == 0 ? 0 : pv_call_fail(r->call, PROVOST_E_INVALID, "http: %s", err.text);
}

/* The headers were meant for the first server, credentials among them: another one gets none. */
static int follow(struct request *r)
{
    char *old_host = r->url.host;
    char *old_port = r->url.port;
    r->url.host = NULL;
    r->url.port = NULL;
    bool moved = r->url.socket_path != NULL;
    bool was_tls = strncmp(r->url.url, "https:", 6) == 0;
    int code = parse_url(r, r->location);
    moved = moved || code != 0 || strcasecmp(old_host, r->url.host) != 0 ||
            strcmp(old_port, r->url.port) != 0;
    pv_free(old_host);
    pv_free(old_port);
    if (code == 0 && was_tls && strncmp(r->url.url, "https:", 6) != 0) {
        code = pv_call_fail(r->call, PROVOST_E_DENIED,
                            "http: the answer redirects from https to %s", r->url.shown);
    }
    if (code == 0 && moved) {
        curl_slist_free_all(r->headers);
        r->headers = NULL;
        r->req.headers = NULL;
        r->req.idempotency_label = NULL;
        code = add_headers(r);
    }
    pv_buf_clear(&r->head);
    pv_buf_clear(&r->body);
    return code;
}

static int run(struct request *r)
{
    int code = exchange(r);
    for (int i = 0; code == 0 && must_follow(r); i++) {
        if (i == REDIRECTS_MAX) {
            return pv_call_fail(r->call, PROVOST_E_FAILED, "http: more than %d redirects",
                                REDIRECTS_MAX);
        }
        code = follow(r);
        if (code == 0) {
            code = exchange(r);
        }
    }
    return code;
}

/* ---- The call ---- */

static int check(struct request *r, const struct provost_http_request *request)
{
    struct pv_call *call = r->call;
    if (!pv_struct_in(&r->req, sizeof(r->req), request,
                      offsetof(struct provost_http_request, timeout_ms))) {
        return pv_call_fail(call, PROVOST_E_INVALID, "http: set struct_size of the request");
    }
    struct provost_http_request *req = &r->req;
    req->method = req->method != NULL ? req->method : "GET";
    req->body_len = req->body != NULL ? req->body_len : 0;
    req->timeout_ms = pv_call_time_left(call, req->timeout_ms > 0 ? req->timeout_ms : TIMEOUT_MS);
    req->max_answer_bytes = req->max_answer_bytes > 0 ? req->max_answer_bytes : ANSWER_MAX;
    if (!pv_http_good_method(req->method)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "http: not a method: %.20s", req->method);
    }
    if (req->max_answer_bytes > ANSWER_MOST) {
        return pv_call_fail(call, PROVOST_E_INVALID, "http: max_answer_bytes is at most %u",
                            ANSWER_MOST);
    }
    if ((req->flags & PROVOST_H_REDIRECTS) != 0 && strcmp(req->method, "GET") != 0 &&
        strcmp(req->method, "HEAD") != 0) {
        return pv_call_fail(call, PROVOST_E_INVALID, "http: only GET and HEAD follow redirects");
    }
    r->idempotent = pv_http_safe_method(req->method) || (req->flags & PROVOST_H_IDEMPOTENT) != 0;
    r->begun_ms = pv_host_now(call->host);
    r->deadline_ms = r->begun_ms + req->timeout_ms;
    return parse_url(r, req->url);
}

/* Moves a buffer's bytes into the call's memory: "" when it is empty, NULL when memory ran out. */
static const char *give(struct pv_call *call, struct pv_buf *buf, size_t *ret_len)
{
    size_t len = buf->len;
    if (buf->ptr == NULL || pv_memory_adopt(&call->memory, buf->ptr, buf->size) != 0) {
        *ret_len = 0;
        return buf->ptr == NULL ? "" : NULL;
    }
    const char *bytes = buf->ptr;
    pv_buf_init(buf, buf->cap);
    *ret_len = len;
    return bytes;
}

static int answer(struct request *r, int code, struct provost_http_response *response)
{
    struct provost_http_response out = {
        .status = (int)r->status, .body = "", .headers = "", .retry_after_ms = -1};
    struct pv_str retry = pv_url_header(pv_buf_view(&r->head), "Retry-After");
    if (retry.ptr != NULL) {
        out.retry_after_ms = pv_url_retry_after(retry, pv_wall_ms(r->call->host->clock));
    }
    if (code == 0) {
        size_t head_len = 0;
        out.body = give(r->call, &r->body, &out.body_len);
        out.headers = give(r->call, &r->head, &head_len);
        if (out.body == NULL || out.headers == NULL) {
            out.body = "";
            out.headers = "";
            out.body_len = 0;
            code = pv_call_fail(r->call, PROVOST_E_TOO_BIG,
                                "http: the answer does not fit into the call's memory");
        }
    }
    pv_struct_out(response, response->struct_size, &out, sizeof(out));
    return code;
}

/* A request that was not sent is none. */
static void count(const struct request *r, int code)
{
    if (!r->sent) {
        return;
    }
    struct pv_page_http *http = &r->call->host->page->http;
    bool answered = code == 0 && r->status >= 100 && r->status < 600;
    uint64_t ms = (uint64_t)(pv_host_now(r->call->host) - r->begun_ms);
    atomic_fetch_add(&http->answers[answered ? r->status / 100 : 0], 1);
    atomic_fetch_add(&http->sum_ms, ms);
    atomic_fetch_add(&http->bucket[pv_hist_bucket(PV_PAGE_HTTP_FIRST_MS, ms)], 1);
}

static void trace(const struct request *r, int code)
{
    struct pv_call *call = r->call;
    if (!call->host->opts.trace) {
        return;
    }
    char text[700];
    char shown[401];
    const char *where = r->url.socket_path != NULL ? r->url.socket_path : r->url.shown;
    long ms = (long)(pv_host_now(call->host) - r->begun_ms);
    if (code == 0) {
        snprintf(shown, sizeof(shown), "%s", where != NULL ? where : "?");
        pv_call_trim(call, shown, sizeof(shown));
        snprintf(text, sizeof(text), "http: %s %s: %ld in %ld ms", r->req.method, shown, r->status,
                 ms);
    } else {
        snprintf(text, sizeof(text), "http: %s in %ld ms", call->error, ms);
    }
    pv_host_log(call, PROVOST_LOG_DEBUG, text);
}

int pv_call_http(struct provost_call *pub, const struct provost_http_request *request,
                 struct provost_http_response *response)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    int code = pv_call_check_send(call);
    if (code != 0) {
        return code;
    }
    if (response == NULL ||
        response->struct_size < offsetof(struct provost_http_response, headers)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "http: set struct_size of the response");
    }
    struct request r = {.call = call};
    code = check(&r, request);
    pv_buf_init(&r.head, HEAD_MAX);
    pv_buf_init(&r.body, r.req.max_answer_bytes);
    if (code == 0) {
        code = add_headers(&r);
    }
    if (code == 0) {
        code = run(&r);
        code = answer(&r, code, response);
        count(&r, code);
        trace(&r, code);
    }
    curl_slist_free_all(r.headers);
    pv_url_done(&r.url);
    pv_buf_done(&r.head);
    pv_buf_done(&r.body);
    return code;
}

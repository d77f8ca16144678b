/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches an answer with libcurl, spoils it, and sends it. */
#include "core/cli/proxy_answer.h"

#include "core/base/alloc.h"
#include "core/cli/out.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define BODY_CAP ((size_t)64 * 1024 * 1024)
#define HEADERS_CAP ((size_t)256 * 1024)
#define PATIENCE_MS 60000L
#define HUGE_BYTES ((size_t)100 * 1024 * 1024)
#define BLOAT_BYTES 70000

void pv_reply_init(struct pv_reply *reply)
{
    *reply = (struct pv_reply){0};
    pv_buf_init(&reply->headers, HEADERS_CAP);
    pv_buf_init(&reply->body, BODY_CAP);
}

void pv_reply_done(struct pv_reply *reply)
{
    pv_buf_done(&reply->headers);
    pv_buf_done(&reply->body);
}

/* ---- Fetching ---- */

/* A header of the connection, which is not passed on. */
static bool of_connection(struct pv_str line)
{
    static const char *const names[] = {
        "Host:",       "Connection:", "Content-Length:", "Expect:", "Transfer-Encoding:",
        "Keep-Alive:", "Upgrade:",    "Proxy-"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (line.len >= strlen(names[i]) &&
            strncasecmp(line.ptr, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct pv_reply *reply = ctx;
    struct pv_str line = {bytes, size * count};
    if (pv_str_starts(line, "HTTP/")) {
        pv_buf_clear(&reply->headers); /* of the last answer only */
    } else if (line.len > 2 && !of_connection(line)) {
        pv_buf_put(&reply->headers, line.ptr, line.len);
    }
    return line.len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct pv_reply *reply = ctx;
    return pv_buf_put(&reply->body, bytes, size * count) == 0 ? size * count : 0;
}

static struct curl_slist *headers_of(const struct pv_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    struct pv_str left = request->headers;
    bool typed = false;
    while (left.len > 0) {
        const char *end = memmem(left.ptr, left.len, "\r\n", 2);
        size_t len = end != NULL ? (size_t)(end - left.ptr) : left.len;
        struct pv_str line = {left.ptr, len};
        char *copy = of_connection(line) ? NULL : pv_strndup(line.ptr, line.len);
        if (copy != NULL) {
            typed = typed || strncasecmp(copy, "Content-Type:", 13) == 0;
            list = curl_slist_append(list, copy);
        }
        pv_free(copy);
        size_t used = end != NULL ? len + 2 : len;
        left = (struct pv_str){left.ptr + used, left.len - used};
    }
    return typed ? list : curl_slist_append(list, "Content-Type:");
}

static void set_method(CURL *easy, const struct pv_request *request, const char *method)
{
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    bool sized = pv_request_header(request, "Content-Length").ptr != NULL;
    if (sized || request->body.len > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.ptr);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static int perform(struct pv_reply *reply, CURL *easy, const char *url, struct pv_err *err)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, PATIENCE_MS);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, reply);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
    CURLcode code = curl_easy_perform(easy);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        return pv_err_set(err, PV_ECLOSED, "the backend gave no answer: %s",
                          curl_easy_strerror(code));
    }
    reply->status = (int)status;
    return 0;
}

int pv_reply_fetch(struct pv_reply *reply, const char *base, const struct pv_request *request,
                   struct pv_err *err)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = headers_of(request);
    char *path = pv_strndup(request->path.ptr, request->path.len);
    char *method = pv_strndup(request->method.ptr, request->method.len);
    const bool socket = strncmp(base, "unix:", 5) == 0;
    const char *origin = socket ? "http://localhost" : base;
    size_t size = path != NULL ? strlen(origin) + strlen(path) + 1 : 0;
    char *url = size > 0 ? pv_malloc(size) : NULL;
    int status = PV_ENOMEM;
    if (easy != NULL && headers != NULL && method != NULL && url != NULL) {
        snprintf(url, size, "%s%s", origin, path);
        if (socket) {
            curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, base + strlen("unix:"));
        }
        set_method(easy, request, method);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        status = perform(reply, easy, url, err);
    }
    pv_free(url);
    pv_free(method);
    pv_free(path);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return status;
}

/* ---- Spoiling ---- */

static void replace(struct pv_reply *reply, const char *type, const char *body)
{
    pv_buf_clear(&reply->headers);
    pv_buf_clear(&reply->body);
    pv_buf_printf(&reply->headers, "Content-Type: %s\r\n", type);
    pv_buf_c(&reply->body, body);
}

void pv_reply_refuse(struct pv_reply *reply, enum pv_fault fault)
{
    if (fault == PV_FAULT_BUSY) {
        reply->status = 429;
        replace(reply, "application/json", "{\"error\": \"too many requests\"}");
        pv_buf_c(&reply->headers, "Retry-After: 2\r\n");
    } else if (fault == PV_FAULT_DENIED) {
        reply->status = 401;
        replace(reply, "application/json", "{\"error\": \"the credentials are not accepted\"}");
    } else {
        reply->status = 500;
        replace(reply, "text/html", "<html><body><h1>Internal Server Error</h1></body></html>");
    }
}

/* Another value for each: a text for a number, a number for a text, an array for an object. */
static json_t *other_types(const json_t *value, bool top)
{
    const char *key = NULL;
    json_t *member = NULL;
    json_t *made = NULL;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        if (!top) {
            return json_array();
        }
        made = json_object();
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            json_object_set_new(made, key, other_types(member, false));
        }
        return made;
    case JSON_ARRAY:
        return json_pack("{ss}", "not", "a list");
    case JSON_STRING:
        return json_integer(42);
    case JSON_INTEGER:
    case JSON_REAL:
        return json_string("not a number");
    default:
        return json_pack("[i]", 0);
    }
}

/* Makes every text longer. */
static void bloat(json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    size_t i = 0;
    json_object_foreach(value, key, member)
    {
        bloat(member);
    }
    json_array_foreach(value, i, member)
    {
        bloat(member);
    }
    if (json_is_string(value)) {
        size_t len = json_string_length(value);
        char *longer = pv_malloc(len + BLOAT_BYTES);
        if (longer != NULL) {
            memcpy(longer, json_string_value(value), len);
            memset(longer + len, 'x', BLOAT_BYTES);
            json_string_setn(value, longer, len + BLOAT_BYTES);
            pv_free(longer);
        }
    }
}

static void spoil_json(struct pv_reply *reply, enum pv_fault fault)
{
    json_t *json = json_loadb(reply->body.ptr != NULL ? reply->body.ptr : "", reply->body.len,
                              JSON_DECODE_ANY, NULL);
    json_t *made = json != NULL && fault == PV_FAULT_TYPES ? other_types(json, true) : NULL;
    if (json != NULL && fault == PV_FAULT_BLOAT) {
        bloat(json);
    }
    const json_t *said = made != NULL ? made : json;
    char *text = said != NULL ? json_dumps(said, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (text != NULL) {
        pv_buf_clear(&reply->body);
        pv_buf_c(&reply->body, text);
        pv_json_release(text);
    }
    json_decref(made);
    json_decref(json);
}

void pv_reply_spoil(struct pv_reply *reply, enum pv_fault fault)
{
    if (fault == PV_FAULT_CUT) {
        reply->body.len /= 2;
    } else if (fault == PV_FAULT_MARKUP) {
        replace(reply, "text/html", "<html><body>Welcome to the maintenance page.</body></html>");
    } else if (fault == PV_FAULT_TYPES || fault == PV_FAULT_BLOAT) {
        spoil_json(reply, fault);
    }
}

/* ---- Sending ---- */

static bool send_all(int fd, const char *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        sent += (size_t)n;
    }
    return true;
}

static void send_huge(int fd)
{
    static const char spaces[] = "                                                                ";
    char block[64 * 1024];
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = spaces[i % (sizeof(spaces) - 1)];
    }
    for (size_t sent = 0; sent < HUGE_BYTES && send_all(fd, block, sizeof(block));) {
        sent += sizeof(block);
    }
}

void pv_reply_send(const struct pv_reply *reply, int fd, bool bare, bool huge)
{
    struct pv_buf head;
    pv_buf_init(&head, HEADERS_CAP);
    pv_buf_printf(&head, "HTTP/1.1 %d Relayed\r\n%.*sConnection: close\r\n", reply->status,
                  PV_STR_ARG(pv_buf_view(&reply->headers)));
    if (reply->status != 204 && reply->status != 304) {
        pv_buf_printf(&head, "Content-Length: %zu\r\n", huge ? HUGE_BYTES : reply->body.len);
    }
    pv_buf_c(&head, "\r\n");
    bool sent = head.status == 0 && send_all(fd, head.ptr, head.len);
    if (sent && huge) {
        send_huge(fd);
    } else if (sent && !bare && reply->body.len > 0) {
        send_all(fd, reply->body.ptr, reply->body.len);
    }
    pv_buf_done(&head);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted backend. The thread accepts one connection at a time, reads one request, answers and
 * closes; the script is guarded by a mutex. */
#include "core/cli/script.h"

#include "core/base/alloc.h"
#include "core/cli/match.h"
#include "core/cli/script_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_CAP ((size_t)128 * 1024 * 1024)

struct pv_script {
    int listener;
    int stop; /* eventfd */
    bool running;
    pthread_t thread;
    char url[64];
    pthread_mutex_t lock; /* of everything below */
    json_t *exchanges;
    json_t *problems;
    bool unordered;
    bool lost; /* something else came: what follows from that is not reported */
    size_t seen;
};

/* ---- matching ---- */

static bool header_matches(const struct pv_request *request, const char *name, const char *wanted,
                           struct pv_buf *why)
{
    struct pv_str value = pv_request_header(request, name);
    if (value.ptr != NULL && (strcmp(wanted, "{{any}}") == 0 || pv_str_eq_c(value, wanted))) {
        return true;
    }
    pv_buf_printf(why, "header %s: expected “%s”, got %s%.*s%s", name, wanted,
                  value.ptr != NULL ? "“" : "none", PV_STR_ARG(value),
                  value.ptr != NULL ? "”" : "");
    return false;
}

static bool line_matches(const struct pv_request *request, const json_t *wanted, struct pv_buf *why)
{
    const char *method = json_string_value(json_object_get(wanted, "method"));
    const char *path = json_string_value(json_object_get(wanted, "path"));
    bool same = (method == NULL || pv_str_eq_c(request->method, method)) &&
                (path == NULL || pv_str_eq_c(request->path, path));
    if (!same) {
        pv_buf_printf(why, "expected %s %s, got %.*s %.*s",
                      method != NULL ? method : "a request to", path != NULL ? path : "",
                      PV_STR_ARG(request->method), PV_STR_ARG(request->path));
    }
    return same;
}

static bool body_matches(const struct pv_request *request, const json_t *wanted, struct pv_buf *why)
{
    const json_t *json = json_object_get(wanted, "json");
    const char *text = json_string_value(json_object_get(wanted, "body"));
    if (json != NULL) {
        json_t *got = json_loadb(request->body.ptr != NULL ? request->body.ptr : "",
                                 request->body.len, JSON_DECODE_ANY, NULL);
        size_t start = why->len;
        pv_buf_c(why, "body: ");
        bool same = pv_match(json, got, why);
        if (same) {
            why->len = start;
        }
        json_decref(got);
        return same;
    }
    if (text != NULL && !pv_str_eq_c(request->body, text)) {
        pv_buf_printf(why, "body: expected “%.200s”, got “%.*s”", text,
                      (int)(request->body.len > 200 ? 200 : request->body.len),
                      request->body.ptr != NULL ? request->body.ptr : "");
        return false;
    }
    return true;
}

static bool request_matches(const struct pv_request *request, const json_t *wanted,
                            struct pv_buf *why)
{
    if (!line_matches(request, wanted, why)) {
        return false;
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(wanted, "headers"), name, value)
    {
        const char *text = json_string_value(value);
        if (text != NULL && !header_matches(request, name, text, why)) {
            return false;
        }
    }
    return body_matches(request, wanted, why);
}

static void complain(struct pv_script *script, const char *sentence)
{
    if (script->lost) {
        return;
    }
    script->lost = true;
    char line[1200];
    snprintf(line, sizeof(line), "request %zu: %s", script->seen, sentence);
    json_array_append_new(script->problems, json_string(line));
}

/* The response for a request, taken out of the script; NULL when it is not in it. The caller's
 * reference. */
static json_t *take_response(struct pv_script *script, const struct pv_request *request)
{
    struct pv_buf why;
    pv_buf_init(&why, 65536);
    json_t *response = NULL;
    size_t count = json_array_size(script->exchanges);
    size_t most = script->unordered || count == 0 ? count : 1;
    for (size_t i = 0; i < most && response == NULL; i++) {
        const json_t *exchange = json_array_get(script->exchanges, i);
        pv_buf_clear(&why);
        if (request_matches(request, json_object_get(exchange, "request"), &why)) {
            json_t *given = json_object_get(exchange, "response");
            response = given != NULL ? json_incref(given) : json_object();
            json_array_remove(script->exchanges, i);
        }
    }
    if (response == NULL && (count == 0 || script->unordered)) {
        pv_buf_clear(&why);
        pv_buf_printf(&why, "%.*s %.*s was not expected", PV_STR_ARG(request->method),
                      PV_STR_ARG(request->path));
    }
    if (response == NULL) {
        complain(script, why.ptr != NULL ? why.ptr : "?");
    }
    pv_buf_done(&why);
    return response;
}

/* ---- answering ---- */

static void put_response(const json_t *response, struct pv_buf *out)
{
    const json_t *status = json_object_get(response, "status");
    const json_t *json = json_object_get(response, "json");
    const char *body = json_string_value(json_object_get(response, "body"));
    char *dumped = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    body = dumped != NULL ? dumped : body != NULL ? body : "";
    pv_buf_printf(out, "HTTP/1.1 %lld Scripted\r\nContent-Length: %zu\r\nConnection: close\r\n",
                  status != NULL ? (long long)json_integer_value(status) : 200, strlen(body));
    if (json != NULL) {
        pv_buf_c(out, "Content-Type: application/json\r\n");
    }
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(response, "headers"), name, value)
    {
        pv_buf_printf(out, "%s: %s\r\n", name,
                      json_is_string(value) ? json_string_value(value) : "");
    }
    pv_buf_printf(out, "\r\n%s", body);
    json_free_t release = NULL;
    json_get_alloc_funcs(NULL, &release);
    release(dumped);
}

static void answer(struct pv_script *script, int fd, const struct pv_request *request)
{
    pthread_mutex_lock(&script->lock);
    script->seen++;
    json_t *response = take_response(script, request);
    pthread_mutex_unlock(&script->lock);
    if (json_is_true(json_object_get(response, "drop"))) {
        json_decref(response);
        return;
    }
    struct pv_buf out;
    pv_buf_init(&out, ANSWER_CAP);
    if (response != NULL) {
        put_response(response, &out);
    } else {
        pv_buf_c(&out, "HTTP/1.1 400 Unexpected\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    for (size_t sent = 0; out.status == 0 && sent < out.len;) {
        ssize_t n = send(fd, out.ptr + sent, out.len - sent, MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
        sent += (size_t)n;
    }
    pv_buf_done(&out);
    json_decref(response);
}

static void serve(struct pv_script *script, int fd)
{
    const struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    struct pv_request request;
    pv_request_init(&request);
    if (pv_request_read(&request, fd) == 0) {
        answer(script, fd, &request);
        shutdown(fd, SHUT_WR);
    }
    pv_request_done(&request);
    close(fd);
}

static void *thread(void *user)
{
    struct pv_script *script = user;
    for (;;) {
        struct pollfd wait[] = {{.fd = script->stop, .events = POLLIN},
                                {.fd = script->listener, .events = POLLIN}};
        if (poll(wait, 2, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        if (wait[0].revents != 0) {
            return NULL;
        }
        if (wait[1].revents != 0) {
            int fd = accept4(script->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                serve(script, fd);
            }
        }
    }
}

/* ---- the server ---- */

static int listen_somewhere(struct pv_script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = script->listener >= 0 &&
              bind(script->listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(script->listener, 64) == 0 &&
              getsockname(script->listener, (struct sockaddr *)&address, &len) == 0;
    snprintf(script->url, sizeof(script->url), "http://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    return ok ? 0 : PV_EIO;
}

int pv_script_start(struct pv_script **ret_script, struct pv_err *err)
{
    struct pv_script *script = pv_calloc(1, sizeof(*script));
    if (script == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    pthread_mutex_init(&script->lock, NULL);
    script->stop = eventfd(0, EFD_CLOEXEC);
    script->problems = json_array();
    int status = listen_somewhere(script);
    script->running = status == 0 && script->stop >= 0 && script->problems != NULL &&
                      pthread_create(&script->thread, NULL, thread, script) == 0;
    if (!script->running) {
        status = pv_err_set(err, PV_EIO, "cannot serve on the loopback: %s", strerror(errno));
        pv_script_stop(script);
        return status;
    }
    *ret_script = script;
    return 0;
}

const char *pv_script_url(const struct pv_script *script)
{
    return script->url;
}

void pv_script_expect(struct pv_script *script, json_t *exchanges, bool unordered)
{
    pthread_mutex_lock(&script->lock);
    json_decref(script->exchanges);
    script->exchanges = json_incref(exchanges);
    script->unordered = unordered;
    script->seen = 0;
    script->lost = false;
    pthread_mutex_unlock(&script->lock);
}

json_t *pv_script_end(struct pv_script *script)
{
    pthread_mutex_lock(&script->lock);
    size_t left = script->lost ? 0 : json_array_size(script->exchanges);
    for (size_t i = 0; i < left; i++) {
        const json_t *wanted = json_object_get(json_array_get(script->exchanges, i), "request");
        const char *method = json_string_value(json_object_get(wanted, "method"));
        const char *path = json_string_value(json_object_get(wanted, "path"));
        json_array_append_new(script->problems, json_sprintf("%s %s was expected and did not come",
                                                             method != NULL ? method : "a request",
                                                             path != NULL ? path : ""));
    }
    json_decref(script->exchanges);
    script->exchanges = NULL;
    json_t *problems = script->problems;
    script->problems = json_array();
    pthread_mutex_unlock(&script->lock);
    return problems;
}

void pv_script_stop(struct pv_script *script)
{
    if (script == NULL) {
        return;
    }
    if (script->running) {
        const uint64_t one = 1;
        (void)!write(script->stop, &one, sizeof(one));
        pthread_join(script->thread, NULL);
    }
    if (script->listener >= 0) {
        close(script->listener);
    }
    if (script->stop >= 0) {
        close(script->stop);
    }
    json_decref(script->exchanges);
    json_decref(script->problems);
    pthread_mutex_destroy(&script->lock);
    pv_free(script);
}

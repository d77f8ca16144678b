/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's thread: accepts one connection at a time, reads one request, answers and closes. The
 * plan and the ledger are guarded by a mutex. */
#include "core/cli/proxy.h"

#include "core/base/alloc.h"
#include "core/cli/proxy_answer.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ROUTES 8
#define URL_MAX 2048
#define LEDGER_MAX 5000
#define NOTED_BYTES ((size_t)256 * 1024)

struct route {
    int listener;
    char base[URL_MAX]; /* scheme and authority of the backend */
    char ours[64];      /* in its place */
    char url[URL_MAX];  /* ours, with the path */
};

struct pv_proxy {
    struct route routes[MAX_ROUTES];
    size_t route_count;
    int stop; /* eventfd */
    bool running;
    pthread_t thread;
    atomic_bool holding;
    pthread_mutex_t lock; /* of everything below */
    struct pv_proxy_plan plan;
    size_t seen;
    json_t *ledger;
};

/* ---- Noting ---- */

static json_t *text_json(struct pv_str text)
{
    size_t len = text.len < NOTED_BYTES ? text.len : NOTED_BYTES;
    json_t *json = text.ptr != NULL ? json_stringn(text.ptr, len) : NULL;
    return json != NULL ? json : json_string(""); /* none, or bytes that are no text */
}

static json_t *begin_entry(const struct pv_request *request, const struct route *route)
{
    json_t *entry = json_pack("{ss% ss% so ss ss sb si}", "method", request->method.ptr,
                              request->method.len, "path", request->path.ptr, request->path.len,
                              "headers", text_json(request->headers), "backend", route->base,
                              "here", route->ours, "carried", false, "status", 0);
    struct pv_str key = pv_request_header(request, "Idempotency-Key");
    if (key.ptr != NULL) {
        json_object_set_new(entry, "key", text_json(key));
    }
    if (request->body.len > 0) {
        json_object_set_new(entry, "request", text_json(request->body));
    }
    return entry;
}

/* Puts an entry into the ledger, which takes it; *ret_fault is what happens to it. */
static void enter(struct pv_proxy *proxy, json_t *entry, struct pv_proxy_plan *ret_plan)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->seen++;
    const struct pv_proxy_plan *plan = &proxy->plan;
    *ret_plan = *plan;
    if (plan->fault == PV_FAULT_NONE || proxy->seen < plan->at ||
        proxy->seen - plan->at >= plan->times) {
        ret_plan->fault = PV_FAULT_NONE;
    }
    if (json_array_size(proxy->ledger) < LEDGER_MAX) {
        json_array_append(proxy->ledger, entry);
    }
    pthread_mutex_unlock(&proxy->lock);
}

static void note_reply(struct pv_proxy *proxy, json_t *entry, const struct pv_reply *reply,
                       bool carried)
{
    pthread_mutex_lock(&proxy->lock);
    json_object_set_new(entry, "status", json_integer(reply->status));
    json_object_set_new(entry, "carried", json_boolean(carried));
    json_object_set_new(entry, "response", text_json(pv_buf_view(&reply->body)));
    json_object_set_new(entry, "said", text_json(pv_buf_view(&reply->headers)));
    pthread_mutex_unlock(&proxy->lock);
}

/* ---- One exchange ---- */

/* Until the other side hangs up, or the proxy is stopped. */
static void hold(struct pv_proxy *proxy, int fd)
{
    struct pollfd wait[] = {{.fd = fd, .events = POLLIN | POLLRDHUP},
                            {.fd = proxy->stop, .events = POLLIN}};
    atomic_store(&proxy->holding, true);
    while (poll(wait, 2, -1) < 0 && errno == EINTR) {}
    atomic_store(&proxy->holding, false);
}

static bool refuses(enum pv_fault fault)
{
    return fault == PV_FAULT_BUSY || fault == PV_FAULT_DENIED || fault == PV_FAULT_BROKEN;
}

/* Carries the request out; without an answer the connection is closed without one too. */
static void pass_on(struct pv_proxy *proxy, const struct route *route, int fd,
                    const struct pv_request *request, json_t *entry,
                    const struct pv_proxy_plan *plan)
{
    struct pv_err err = {0};
    struct pv_reply reply;
    pv_reply_init(&reply);
    bool refused = refuses(plan->fault);
    bool answered = true;
    if (refused) {
        pv_reply_refuse(&reply, plan->fault);
    } else {
        answered = pv_reply_fetch(&reply, route->base, request, &err) == 0;
    }
    note_reply(proxy, entry, &reply, !refused && answered);
    if (plan->fault == PV_FAULT_KILL_AFTER && plan->kill != NULL) {
        plan->kill(plan->ctx);
    }
    if (answered && plan->fault != PV_FAULT_LOST && plan->fault != PV_FAULT_KILL_AFTER) {
        pv_reply_spoil(&reply, plan->fault);
        pv_reply_send(&reply, fd, pv_str_eq_c(request->method, "HEAD"),
                      plan->fault == PV_FAULT_HUGE);
    }
    pv_reply_done(&reply);
}

static void serve(struct pv_proxy *proxy, const struct route *route, int fd)
{
    const struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    struct pv_request request;
    struct pv_proxy_plan plan;
    pv_request_init(&request);
    if (pv_request_read(&request, fd) == 0) {
        json_t *entry = begin_entry(&request, route);
        enter(proxy, entry, &plan);
        if (plan.fault == PV_FAULT_HOLD) {
            hold(proxy, fd);
        } else if (plan.fault == PV_FAULT_KILL_BEFORE) {
            plan.kill(plan.ctx);
        } else {
            pass_on(proxy, route, fd, &request, entry, &plan);
        }
        json_decref(entry);
        shutdown(fd, SHUT_WR);
    }
    pv_request_done(&request);
    close(fd);
}

static void *thread(void *user)
{
    struct pv_proxy *proxy = user;
    struct pollfd wait[MAX_ROUTES + 1];
    for (;;) {
        wait[0] = (struct pollfd){.fd = proxy->stop, .events = POLLIN};
        for (size_t i = 0; i < proxy->route_count; i++) {
            wait[i + 1] = (struct pollfd){.fd = proxy->routes[i].listener, .events = POLLIN};
        }
        if (poll(wait, proxy->route_count + 1, -1) < 0) {
            if (errno != EINTR) {
                return NULL;
            }
            continue;
        }
        if (wait[0].revents != 0) {
            return NULL;
        }
        for (size_t i = 0; i < proxy->route_count; i++) {
            int fd = wait[i + 1].revents != 0
                         ? accept4(proxy->routes[i].listener, NULL, NULL, SOCK_CLOEXEC)
                         : -1;
            if (fd >= 0) {
                serve(proxy, &proxy->routes[i], fd);
            }
        }
    }
}

/* ---- The whole ---- */

int pv_proxy_new(struct pv_proxy **ret_proxy, struct pv_err *err)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct pv_proxy *proxy = pv_calloc(1, sizeof(*proxy));
    if (proxy == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    pthread_mutex_init(&proxy->lock, NULL);
    proxy->stop = eventfd(0, EFD_CLOEXEC);
    proxy->ledger = json_array();
    if (proxy->stop < 0 || proxy->ledger == NULL) {
        pv_proxy_free(proxy);
        return pv_err_set(err, PV_EIO, "cannot make a proxy: %s", strerror(errno));
    }
    *ret_proxy = proxy;
    return 0;
}

void pv_proxy_free(struct pv_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    if (proxy->running) {
        const uint64_t one = 1;
        (void)!write(proxy->stop, &one, sizeof(one));
        pthread_join(proxy->thread, NULL);
    }
    for (size_t i = 0; i < proxy->route_count; i++) {
        close(proxy->routes[i].listener);
    }
    if (proxy->stop >= 0) {
        close(proxy->stop);
    }
    json_decref(proxy->ledger);
    pthread_mutex_destroy(&proxy->lock);
    pv_free(proxy);
}

const char *pv_proxy_path_of(const char *url)
{
    if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) {
        const char *authority = strchr(url, '/') + 2;
        return authority + strcspn(authority, "/?#");
    }
    if (strncmp(url, "unix:/", 6) == 0) { /* the host, too, takes the first colon */
        const char *end = url + 6 + strcspn(url + 6, ":");
        return end[0] == '\0' ? end : end[1] == '/' ? end + 1 : NULL;
    }
    return NULL;
}

int pv_proxy_add(struct pv_proxy *proxy, const char *url, const char **ret_url, struct pv_err *err)
{
    const char *path = pv_proxy_path_of(url);
    size_t base = path != NULL ? (size_t)(path - url) : 0;
    base -= base > 0 && url[base - 1] == ':' ? 1 : 0; /* behind the path of a socket */
    if (path == NULL || base >= URL_MAX || strlen(url) >= URL_MAX - 64 ||
        proxy->route_count == MAX_ROUTES) {
        return pv_err_set(err, PV_EINVAL, "there is no way to stand before %s", url);
    }
    struct route *route = &proxy->routes[proxy->route_count];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    route->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (route->listener < 0 ||
        bind(route->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(route->listener, 64) != 0 ||
        getsockname(route->listener, (struct sockaddr *)&address, &len) != 0) {
        int errnum = errno;
        if (route->listener >= 0) {
            close(route->listener);
        }
        return pv_err_set(err, PV_EIO, "cannot serve on the loopback: %s", strerror(errnum));
    }
    snprintf(route->base, sizeof(route->base), "%.*s", (int)base, url);
    snprintf(route->ours, sizeof(route->ours), "http://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    snprintf(route->url, sizeof(route->url), "http://127.0.0.1:%u%s",
             (unsigned)ntohs(address.sin_port), path);
    proxy->route_count++;
    *ret_url = route->url;
    return 0;
}

int pv_proxy_start(struct pv_proxy *proxy, struct pv_err *err)
{
    if (proxy->route_count == 0) {
        return 0;
    }
    int status = pthread_create(&proxy->thread, NULL, thread, proxy);
    proxy->running = status == 0;
    return status == 0 ? 0 : pv_err_set(err, PV_EIO, "pthread_create: %s", strerror(status));
}

void pv_proxy_begin(struct pv_proxy *proxy, const struct pv_proxy_plan *plan)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->plan = plan != NULL ? *plan : (struct pv_proxy_plan){0};
    proxy->seen = 0;
    json_decref(proxy->ledger);
    proxy->ledger = json_array();
    pthread_mutex_unlock(&proxy->lock);
}

json_t *pv_proxy_ledger(struct pv_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    json_t *copy = json_deep_copy(proxy->ledger);
    pthread_mutex_unlock(&proxy->lock);
    return copy;
}

bool pv_proxy_holds(struct pv_proxy *proxy)
{
    return atomic_load(&proxy->holding);
}

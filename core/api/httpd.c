/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server's place on the loop, and its listeners. MHD's epoll descriptor stands under a
 * uv_poll; MHD has no wake-up pipe in this mode, so that `prepare` runs it after a resume. */
#include "core/api/httpd_internal.h"
#include "core/base/alloc.h"
#include "core/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define POOL_BYTES 8192u /* of a connection: headers must fit */
#define BACKLOG 511
#define CLOSE_MS 2000

/* ---- running MHD ---- */

static void on_again(uv_timer_t *timer)
{
    struct pv_httpd *httpd = timer->data;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        httpd->listeners[i].run = true; /* prepare comes before the loop sleeps */
    }
}

static void run(struct pv_httpd_listener *listener)
{
    listener->run = false;
    MHD_run(listener->daemon);
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    if (MHD_get_timeout(listener->daemon, &timeout) != MHD_YES && !listener->run) {
        return;
    }
    timeout = listener->run ? 0 : timeout; /* prepare may be over for this turn */
    uv_timer_t *again = &listener->httpd->again;
    if (!uv_is_active((uv_handle_t *)again) || uv_timer_get_due_in(again) > timeout) {
        uv_timer_start(again, on_again, timeout, 0);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct pv_httpd_listener *listener = poll->data;
    run(listener);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct pv_httpd *httpd = prepare->data;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        if (httpd->listeners[i].run) {
            run(&httpd->listeners[i]);
        }
    }
}

static void close_finish(struct pv_httpd *httpd);

static void on_deadlines(uv_timer_t *timer)
{
    struct pv_httpd *httpd = timer->data;
    size_t busy = pv_httpd_check_deadlines(httpd);
    if (httpd->closing && busy == 0) {
        close_finish(httpd);
    }
}

/* How often slow clients are looked for: an eighth of the shortest deadline, at most a second. */
static uint64_t deadline_period(const struct pv_httpd_options *options)
{
    int64_t least = options->header_ms < options->body_ms ? options->header_ms : options->body_ms;
    int64_t period = least / 8;
    period = period < 1000 ? period : 1000;
    return period > 5 ? (uint64_t)period : 5;
}

int pv_httpd_new(const struct pv_httpd_options *options, struct pv_httpd **ret_httpd)
{
    struct pv_httpd *httpd = pv_calloc(1, sizeof(*httpd));
    if (httpd == NULL) {
        return PV_ENOMEM;
    }
    httpd->options = *options;
    struct pv_httpd_options *o = &httpd->options;
    o->max_connections = o->max_connections > 0 ? o->max_connections : 1024;
    o->max_body = o->max_body > 0 ? o->max_body : 1024u * 1024;
    o->header_ms = o->header_ms > 0 ? o->header_ms : 10000;
    o->body_ms = o->body_ms > 0 ? o->body_ms : 30000;
    o->idle_ms = o->idle_ms > 0 ? o->idle_ms : 60000;
    pv_list_init(&httpd->conns);
    uv_prepare_init(o->loop, &httpd->prepare);
    uv_timer_init(o->loop, &httpd->again);
    uv_timer_init(o->loop, &httpd->deadlines);
    httpd->handles = 3;
    httpd->prepare.data = httpd;
    httpd->again.data = httpd;
    httpd->deadlines.data = httpd;
    uv_prepare_start(&httpd->prepare, on_prepare);
    uv_timer_start(&httpd->deadlines, on_deadlines, deadline_period(o), deadline_period(o));
    *ret_httpd = httpd;
    return 0;
}

const struct pv_httpd_counters *pv_httpd_counters(const struct pv_httpd *httpd)
{
    return &httpd->counters;
}

/* ---- listeners ---- */

static void log_mhd(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    if (!pv_log_on(PV_DEBUG)) {
        return;
    }
    char line[300];
    vsnprintf(line, sizeof(line), fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    pv_log_plain(PV_DEBUG, "http: %s", line);
}

/* Takes the socket; on failure it is closed. */
static int add_listener(struct pv_httpd *httpd, int fd, bool local, struct pv_err *err)
{
    if (httpd->listener_count == PV_HTTPD_LISTENERS) {
        close(fd);
        return pv_err_set(err, PV_EINVAL, "too many listeners");
    }
    struct pv_httpd_listener *listener = &httpd->listeners[httpd->listener_count];
    *listener = (struct pv_httpd_listener){.httpd = httpd, .local = local};
    const struct pv_httpd_options *o = &httpd->options;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        pv_httpd_on_request, listener, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)o->max_connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, local ? 0u : (unsigned int)o->max_per_address,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, pv_httpd_on_connection,
        listener, MHD_OPTION_URI_LOG_CALLBACK, pv_httpd_on_uri, listener,
        MHD_OPTION_NOTIFY_COMPLETED, pv_httpd_on_completed, listener, MHD_OPTION_END);
    if (daemon == NULL) {
        close(fd);
        return pv_err_set(err, PV_EIO, "libmicrohttpd does not start");
    }
    listener->daemon = daemon;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int status = info != NULL ? uv_poll_init(o->loop, &listener->poll, info->epoll_fd) : UV_EINVAL;
    if (status != 0) {
        MHD_stop_daemon(daemon); /* closes the socket */
        return pv_err_set(err, PV_EIO, "%s", uv_strerror(status));
    }
    listener->poll.data = listener;
    listener->poll_open = true;
    httpd->handles++;
    httpd->listener_count++;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    listener->run = true;
    return 0;
}

/* "[::1]:80" and "127.0.0.1:80". */
static int parse_address(const char *text, struct sockaddr_storage *ret, bool *ret_loopback)
{
    const char *colon = strrchr(text, ':');
    int64_t port = -1;
    char host[64];
    if (colon == NULL || pv_str_to_i64(pv_str(colon + 1), &port) != 0 || port < 0 || port > 65535) {
        return PV_EINVAL;
    }
    struct pv_str name = {text, (size_t)(colon - text)};
    bool v6 = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    if (v6) {
        name = (struct pv_str){name.ptr + 1, name.len - 2};
    }
    if (pv_str_eq_c(name, "localhost")) {
        name = PV_STR("127.0.0.1");
    }
    if (pv_str_to_c(name, host, sizeof(host)) != 0) {
        return PV_EINVAL;
    }
    memset(ret, 0, sizeof(*ret));
    if (v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
        int status = uv_ip6_addr(host, (int)port, in6);
        *ret_loopback = status == 0 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        return status == 0 ? 0 : PV_EINVAL;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    int status = uv_ip4_addr(host, (int)port, in);
    *ret_loopback = status == 0 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
    return status == 0 ? 0 : PV_EINVAL;
}

static int port_of(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
        return 0;
    }
    return bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                                       : ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

int pv_httpd_listen_tcp(struct pv_httpd *httpd, const char *address, bool insecure, int *ret_port,
                        struct pv_err *err)
{
    struct sockaddr_storage where;
    bool loopback = false;
    if (parse_address(address, &where, &loopback) != 0) {
        return pv_err_set(err, PV_EINVAL,
                          "listen: expected HOST:PORT with an IP address, got \"%s\"", address);
    }
    if (!loopback && !insecure) {
        return pv_err_set(
            err, PV_EDENIED,
            "listen: %s is not a loopback address, and plain HTTP would show tokens to "
            "the network",
            address);
    }
    int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    socklen_t len = where.ss_family == AF_INET6 ? (socklen_t)sizeof(struct sockaddr_in6)
                                                : (socklen_t)sizeof(struct sockaddr_in);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&where, len) != 0 || listen(fd, BACKLOG) != 0) {
        int errnum = errno;
        if (fd >= 0) {
            close(fd);
        }
        return pv_err_set(
            err, pv_status_from_errno(errnum), "listen on %s: %s%s", address, strerror(errnum),
            errnum == EADDRINUSE ? "; another program has this port: end it, or change `listen`"
                                 : "");
    }
    int port = port_of(fd);
    int status = add_listener(httpd, fd, false, err);
    if (status == 0) {
        *ret_port = port;
    }
    return status;
}

/* Is somebody listening there? */
static bool answers(const struct sockaddr_un *where)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true;
    }
    int status = connect(fd, (const struct sockaddr *)where, sizeof(*where));
    bool refused = status != 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

static int bind_unix(int fd, const struct sockaddr_un *where, const char *group)
{
    struct stat st;
    if (lstat(where->sun_path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || answers(where)) {
            return EADDRINUSE;
        }
        unlink(where->sun_path);
    }
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)where, sizeof(*where)) != 0) {
        return errno;
    }
    const struct group *found = group != NULL && group[0] != '\0' ? getgrnam(group) : NULL;
    if (found != NULL && chown(where->sun_path, (uid_t)-1, found->gr_gid) != 0) {
        pv_log_plain(PV_WARN, "admin socket %s: cannot give it to group %s: %s", where->sun_path,
                     group, strerror(errno));
    }
    if (chmod(where->sun_path, 0660) != 0 || listen(fd, BACKLOG) != 0) {
        return errno;
    }
    return 0;
}

int pv_httpd_listen_unix(struct pv_httpd *httpd, const char *path, const char *group,
                         struct pv_err *err)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (pv_str_to_c(pv_str(path), where.sun_path, sizeof(where.sun_path)) != 0) {
        return pv_err_set(err, PV_ETOOBIG, "admin socket: the path %s is longer than %zu bytes",
                          path, sizeof(where.sun_path) - 1);
    }
    char *copy = pv_strdup(path);
    if (copy == NULL) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int errnum = fd < 0 ? errno : bind_unix(fd, &where, group);
    if (errnum != 0) {
        if (fd >= 0) {
            close(fd);
        }
        pv_free(copy);
        return pv_err_set(
            err, pv_status_from_errno(errnum), "admin socket %s: %s%s", path, strerror(errnum),
            errnum == EADDRINUSE ? "; another provostd answers there: end it, or change "
                                   "`admin_socket` or `runtime_dir`"
                                 : "");
    }
    int status = add_listener(httpd, fd, true, err);
    if (status != 0) {
        unlink(path);
        pv_free(copy);
        return status;
    }
    httpd->listeners[httpd->listener_count - 1].path = copy;
    return 0;
}

/* ---- the end ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct pv_httpd *httpd =
        handle->type == UV_POLL ? ((struct pv_httpd_listener *)handle->data)->httpd : handle->data;
    httpd->handles--;
    if (httpd->handles > 0) {
        return;
    }
    void (*closed)(void *user) = httpd->closed;
    void *user = httpd->closed_user;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        pv_free(httpd->listeners[i].path);
    }
    pv_free(httpd);
    if (closed != NULL) {
        closed(user);
    }
}

static void close_finish(struct pv_httpd *httpd)
{
    uv_close((uv_handle_t *)&httpd->deadlines, handle_closed);
    uv_close((uv_handle_t *)&httpd->again, handle_closed);
    uv_close((uv_handle_t *)&httpd->prepare, handle_closed);
    for (size_t i = 0; i < httpd->listener_count; i++) {
        uv_close((uv_handle_t *)&httpd->listeners[i].poll, handle_closed);
        MHD_stop_daemon(httpd->listeners[i].daemon);
    }
}

void pv_httpd_close(struct pv_httpd *httpd, void (*closed)(void *user), void *user)
{
    httpd->closing = true;
    httpd->closed = closed;
    httpd->closed_user = user;
    httpd->close_by_ms = pv_mono_ms(&httpd->options.clock) + CLOSE_MS;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        struct pv_httpd_listener *listener = &httpd->listeners[i];
        MHD_socket fd = MHD_quiesce_daemon(listener->daemon);
        if (fd != MHD_INVALID_SOCKET) {
            close(fd);
        }
        if (listener->path != NULL) {
            unlink(listener->path);
        }
        listener->run = true;
    }
    uv_timer_start(&httpd->deadlines, on_deadlines, 0, 5);
}

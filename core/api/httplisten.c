/* SPDX-License-Identifier: Apache-2.0 */
/* Where the HTTP server listens, and who is let in. */
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

#define BACKLOG 1024
#define ACCEPT_MAX 64       /* in one turn of the loop */
#define IDLE_MIN_MS 1000    /* who came just now is not closed for others */
#define WARN_EVERY_MS 60000 /* about the same thing */

/* ---- addresses ---- */

static bool is_loopback(const unsigned char address[16])
{
    static const unsigned char six[16] = {[15] = 1};
    static const unsigned char four[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    return memcmp(address, six, sizeof(six)) == 0 || memcmp(address, four, sizeof(four)) == 0;
}

/* As an IPv6 address; of one, the network that one customer has. */
static void address_of(const struct sockaddr_storage *from, unsigned char out[16])
{
    memset(out, 0, 16);
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        memcpy(out, &in6->sin6_addr, 16);
        if (!is_loopback(out) && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            memset(out + 8, 0, 8);
        }
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        out[10] = 0xff;
        out[11] = 0xff;
        memcpy(out + 12, &in->sin_addr, 4);
    }
}

/* Counts a connection of this address. false: it has too many. *ret_peer is NULL where nothing is
 * counted. */
static bool enter(struct pv_httpd *httpd, const struct sockaddr_storage *from,
                  struct pv_httpd_peer **ret_peer)
{
    unsigned char address[16];
    address_of(from, address);
    size_t most = httpd->options.max_per_address;
    *ret_peer = NULL;
    if (most == 0 && is_loopback(address)) {
        return true;
    }
    most = most > 0 ? most : (httpd->options.max_connections + 3) / 4;
    struct pv_str key = {(const char *)address, sizeof(address)};
    struct pv_map_node *node = pv_map_get(&httpd->peers, key);
    struct pv_httpd_peer *peer =
        node != NULL ? PV_CONTAINER(node, struct pv_httpd_peer, node) : pv_calloc(1, sizeof(*peer));
    if (peer == NULL) {
        return false;
    }
    if (node == NULL) {
        memcpy(peer->address, address, sizeof(address));
        key.ptr = (const char *)peer->address;
        if (pv_map_add(&httpd->peers, &peer->node, key) != 0) {
            pv_free(peer);
            return false;
        }
    }
    if (peer->connections >= most) {
        return false;
    }
    peer->connections++;
    *ret_peer = peer;
    return true;
}

void pv_httpd_left(struct pv_httpd_conn *conn)
{
    struct pv_httpd_listener *listener = conn->listener;
    struct pv_httpd *httpd = listener->httpd;
    struct pv_httpd_peer *peer = conn->peer;
    listener->connections--;
    httpd->counters.connections--;
    if (peer != NULL) {
        conn->peer = NULL;
        peer->connections--;
        if (peer->connections == 0) {
            pv_map_remove(&httpd->peers, &peer->node);
            pv_free(peer);
        }
    }
    if (listener->full && !httpd->closing) {
        pv_httpd_listener_resume(listener);
    }
}

/* ---- accepting ---- */

/* The longest idle connection of this listener, which gives way; NULL: there is none. */
static struct pv_httpd_conn *longest_idle(const struct pv_httpd_listener *listener)
{
    const struct pv_httpd *httpd = listener->httpd;
    for (struct pv_link *at = httpd->idle.next; at != &httpd->idle; at = at->next) {
        struct pv_httpd_conn *conn = PV_CONTAINER(at, struct pv_httpd_conn, turn);
        if (pv_httpd_now_ms(conn) - conn->since_ms < IDLE_MIN_MS) {
            return NULL;
        }
        if (conn->listener == listener) {
            return conn;
        }
    }
    return NULL;
}

/* Whoever is not let in is told so, if the few bytes go out at once. */
static void turn_away(struct pv_httpd_listener *listener, int fd)
{
    static const char body[] =
        "{\"success\":false,\"error\":\"this address has too many connections open\","
        "\"code\":\"too_many_connections\",\"errors\":[]}";
    char answer[400];
    int len = snprintf(answer, sizeof(answer),
                       "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof(body) - 1, body);
    listener->httpd->counters.refused++;
    if (!listener->tls && len > 0) {
        (void)!send(fd, answer, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void warn(struct pv_httpd *httpd, const char *text)
{
    int64_t now = pv_mono_ms(&httpd->options.clock);
    if (httpd->warned_ms == 0 || now - httpd->warned_ms >= WARN_EVERY_MS) {
        httpd->warned_ms = now;
        pv_log_plain(PV_WARN, "http: %s", text);
    }
}

/* Goes on when a connection ends, or with the next look at the deadlines. */
static void pause_listener(struct pv_httpd_listener *listener, const char *why)
{
    listener->full = true;
    uv_poll_stop(&listener->poll);
    warn(listener->httpd, why);
}

/* false: there is nobody else, or no room. */
static bool accept_one(struct pv_httpd_listener *listener)
{
    struct pv_httpd *httpd = listener->httpd;
    bool full = listener->connections >= httpd->options.max_connections;
    struct pv_httpd_conn *gives_way = full ? longest_idle(listener) : NULL;
    if (full && gives_way == NULL) {
        pause_listener(listener, "http.max_connections are open: others wait");
        return false;
    }
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof(from);
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_listener(listener, strerror(errno));
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    struct pv_httpd_peer *peer = NULL;
    if (!listener->local && !enter(httpd, &from, &peer)) {
        turn_away(listener, fd);
        return true;
    }
    if (gives_way != NULL) { /* only now is it known that somebody needs the room */
        httpd->counters.evicted++;
        pv_httpd_conn_close(gives_way);
    }
    listener->connections++;
    httpd->counters.connections++;
    httpd->counters.accepted++;
    pv_httpd_conn_open(listener, fd, peer);
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct pv_httpd_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_MAX && accept_one(listener); i++) {}
}

void pv_httpd_listener_resume(struct pv_httpd_listener *listener)
{
    listener->full = false;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

/* ---- listeners ---- */

/* Takes the socket; on failure it is closed. */
static int add_listener(struct pv_httpd *httpd, int fd, bool local, struct pv_err *err)
{
    if (httpd->listener_count == PV_HTTPD_LISTENERS) {
        close(fd);
        return pv_err_set(err, PV_EINVAL, "too many listeners");
    }
    struct pv_httpd_listener *listener = &httpd->listeners[httpd->listener_count];
    *listener = (struct pv_httpd_listener){
        .httpd = httpd, .fd = fd, .local = local, .tls = !local && httpd->tls != NULL};
    int status = uv_poll_init(httpd->options.loop, &listener->poll, fd);
    if (status != 0) {
        close(fd);
        return pv_err_set(err, PV_EIO, "%s", uv_strerror(status));
    }
    listener->poll.data = listener;
    httpd->handles++;
    httpd->listener_count++;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
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
    if (!loopback && !insecure && httpd->tls == NULL) {
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

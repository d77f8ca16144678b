/* SPDX-License-Identifier: Apache-2.0 */
/* /ok 200, kept alive   /echo the request as text   /429 /503 /500 /401 /409 as they say
 * /hang reads the request and never answers   /drop reads it and closes   /second answers the first
 * request of a connection and drops the next   /unread answers, and resets the connection when the
 * next request comes   /truncated promises more than it sends
 * /huge 100 MiB with a length   /endless chunks for ever   /bigheader 200 KiB of headers
 * /to-ok /to-self /away redirects   /garbage no HTTP at all */
#include "tests/unit/host/server.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
    struct server *server;
    int fd;
    int served;
    char request[65536];
    size_t len;
};

static bool say(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static bool say_text(int fd, const char *text)
{
    return say(fd, text, strlen(text));
}

static void answer(int fd, const char *status, const char *headers, const char *body)
{
    char text[68000];
    int len = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                       strlen(body), headers, body);
    say(fd, text, (size_t)len);
}

/* Reads one request; its body follows its head in request. false when the client is gone. */
static bool read_request(struct connection *c)
{
    c->len = 0;
    size_t want = SIZE_MAX;
    while (c->len < want) {
        ssize_t n = recv(c->fd, c->request + c->len, sizeof(c->request) - 1 - c->len, 0);
        if (n <= 0) {
            return false;
        }
        c->len += (size_t)n;
        c->request[c->len] = '\0';
        const char *end = strstr(c->request, "\r\n\r\n");
        if (end != NULL) {
            const char *length = strstr(c->request, "Content-Length: ");
            size_t body = length != NULL && length < end ? strtoul(length + 16, NULL, 10) : 0;
            want = (size_t)(end + 4 - c->request) + body;
        }
    }
    return true;
}

static void wait_for_hangup(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) {}
}

static void send_much(struct connection *c, const char *head, bool chunked)
{
    static const char chunk[8192 + 1] = {[0 ... 8191] = 'x'};
    say_text(c->fd, head);
    long total = 0;
    for (int i = 0; i < 12800; i++) {
        if ((chunked && !say_text(c->fd, "2000\r\n")) || !say(c->fd, chunk, 8192) ||
            (chunked && !say_text(c->fd, "\r\n"))) {
            break;
        }
        total += 8192;
        atomic_store(&c->server->sent, total);
    }
}

static void send_big_header(int fd)
{
    char line[1100];
    say_text(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof(line), "X-%d: %01000d\r\n", i, 7);
        if (!say_text(fd, line)) {
            return;
        }
    }
    say_text(fd, "Content-Length: 0\r\n\r\n");
}

static void redirect(struct connection *c, const char *path)
{
    char headers[512] = "";
    if (strcmp(path, "/to-ok") == 0) {
        snprintf(headers, sizeof(headers), "Location: /echo\r\n");
    } else if (strcmp(path, "/to-self") == 0) {
        snprintf(headers, sizeof(headers), "Location: /to-self\r\n");
    } else {
        snprintf(headers, sizeof(headers), "Location: http://localhost:%d/echo\r\n",
                 c->server->port);
    }
    answer(c->fd, "302 Found", headers, "");
}

/* true: the connection stays. */
static bool serve_one(struct connection *c, const char *path)
{
    int fd = c->fd;
    c->served++;
    if (strcmp(path, "/ok") == 0 || strncmp(path, "/ok/", 4) == 0 ||
        (strcmp(path, "/second") == 0 && c->served == 1)) {
        answer(fd, "200 OK", "X-Test: yes\r\n", "{\"ok\": true}");
        return true;
    }
    if (strcmp(path, "/last") == 0) { /* and says nothing of the end of the connection */
        answer(fd, "200 OK", "", "{}");
        return false;
    }
    if (strcmp(path, "/unread") == 0) {
        struct pollfd next = {.fd = fd, .events = POLLIN};
        answer(fd, "200 OK", "", "{}");
        (void)poll(&next, 1, -1); /* closed with something unread, it is reset */
        return false;
    }
    if (strcmp(path, "/echo") == 0) {
        answer(fd, "200 OK", "", c->request);
        return true;
    }
    if (strncmp(path, "/to-", 4) == 0 || strcmp(path, "/away") == 0) {
        redirect(c, path);
        return true;
    }
    if (strcmp(path, "/429") == 0) {
        answer(fd, "429 Too Many Requests", "Retry-After: 7\r\n", "slow down");
        return true;
    }
    if (strcmp(path, "/503") == 0) {
        answer(fd, "503 Unavailable", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "");
        return true;
    }
    if (strcmp(path, "/500") == 0) {
        answer(fd, "500 Oops", "Content-Type: text/html\r\n", "<html><h1>It broke</h1></html>");
        return true;
    }
    if (strcmp(path, "/401") == 0 || strcmp(path, "/409") == 0) {
        answer(fd, path[3] == '1' ? "401 Unauthorized" : "409 Conflict", "", "{}");
        return true;
    }
    if (strcmp(path, "/hang") == 0) {
        wait_for_hangup(fd);
    } else if (strcmp(path, "/truncated") == 0) {
        say_text(fd, "HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{\"id\": 7");
    } else if (strcmp(path, "/huge") == 0) {
        send_much(c, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", false);
    } else if (strcmp(path, "/endless") == 0) {
        send_much(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true);
    } else if (strcmp(path, "/bigheader") == 0) {
        send_big_header(fd);
    } else if (strcmp(path, "/garbage") == 0) {
        say_text(fd, "220 mail.example.com ESMTP\r\n");
    }
    return false;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    bool more = true;
    while (more && read_request(c)) {
        atomic_fetch_add(&c->server->requests, 1);
        char path[256] = "";
        const char *from = strchr(c->request, ' ');
        if (from != NULL) {
            snprintf(path, sizeof(path), "%.*s", (int)strcspn(from + 1, " ?"), from + 1);
        }
        more = serve_one(c, path);
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        atomic_fetch_add(&server->connections, 1);
        struct connection *c = malloc(sizeof(*c));
        *c = (struct connection){.server = server, .fd = fd};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, serve, c), 0);
        pthread_detach(thread);
    }
}

void server_start(struct server *server, const char *socket_path)
{
    *server = (struct server){0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr *address = (struct sockaddr *)&in;
    socklen_t len = sizeof(in);
    if (socket_path != NULL) {
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", socket_path);
        address = (struct sockaddr *)&un;
        len = sizeof(un);
    }
    server->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, address, len), 0);
    assert_int_equal(listen(server->listener, 128), 0);
    if (socket_path == NULL) {
        assert_int_equal(getsockname(server->listener, address, &len), 0);
        server->port = ntohs(in.sin_port);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, accept_all, server), 0);
    pthread_detach(thread);
}

void server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    close(server->listener);
}

int closed_port(void)
{
    static int fd = -1; /* stays bound, so that nobody else listens there */
    if (fd >= 0) {
        close(fd);
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

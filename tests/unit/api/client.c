/* SPDX-License-Identifier: Apache-2.0 */
/* Speaks bytes to a server under test, on a thread of its own. */
#include "tests/unit/api/client.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const struct client *c)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", c->path);
    int fd = socket(c->local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *to = c->local ? (struct sockaddr *)&un : (struct sockaddr *)&in;
    if (fd < 0 || connect(fd, to, c->local ? sizeof(un) : sizeof(in)) != 0) {
        return -1;
    }
    return fd;
}

static size_t count_answers(const char *text)
{
    size_t n = 0;
    for (const char *at = strstr(text, "HTTP/1.1 "); at != NULL; at = strstr(at + 1, "HTTP/1.1 ")) {
        n++;
    }
    return n;
}

/* Are the last answer's bytes all there? */
static bool complete(const struct client *c, size_t answers)
{
    if (count_answers(c->got) < answers) {
        return false;
    }
    const char *last = c->got;
    for (const char *at = last; at != NULL; at = strstr(at + 1, "HTTP/1.1 ")) {
        last = at;
    }
    const char *length = strstr(last, "Content-Length: ");
    const char *end = strstr(last, "\r\n\r\n");
    return length != NULL && end != NULL && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static void read_answers(struct client *c, int fd, size_t answers)
{
    while (answers == 0 || !complete(c, answers)) {
        ssize_t n = recv(fd, c->got + c->got_len, sizeof(c->got) - 1 - c->got_len, 0);
        if (n <= 0) {
            return;
        }
        c->got_len += (size_t)n;
        c->got[c->got_len] = '\0';
    }
}

static void await_text(struct client *c, int fd)
{
    while (strstr(c->got, c->awaits) == NULL) {
        ssize_t n = recv(fd, c->got + c->got_len, sizeof(c->got) - 1 - c->got_len, 0);
        if (n <= 0) {
            return;
        }
        c->got_len += (size_t)n;
        c->got[c->got_len] = '\0';
    }
}

/* A byte every 5 ms, for as long as the server keeps the connection. */
static void dribble(struct client *c, int fd)
{
    size_t len = strlen(c->slowly);
    for (size_t i = 0;; i++) {
        char byte = i < len ? c->slowly[i] : 'x';
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) {
            return;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
        if (poll(&p, 1, 5) > 0) {
            read_answers(c, fd, 0);
            return;
        }
    }
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    int fd = dial(c);
    c->failed = fd < 0;
    if (fd >= 0) {
        size_t len = c->send_len > 0 ? c->send_len : c->send != NULL ? strlen(c->send) : 0;
        for (size_t at = 0; at < len;) {
            ssize_t n = send(fd, c->send + at, len - at, MSG_NOSIGNAL);
            if (n <= 0) {
                break;
            }
            at += (size_t)n;
        }
        if (c->shut) {
            shutdown(fd, SHUT_WR);
        }
        if (c->slowly != NULL) {
            dribble(c, fd);
        } else if (c->awaits != NULL) {
            await_text(c, fd);
        } else if (!c->half) {
            read_answers(c, fd, c->until > 1 && c->then != NULL ? 1 : c->until);
        }
        if (c->then != NULL) {
            send(fd, c->then, strlen(c->then), MSG_NOSIGNAL);
            read_answers(c, fd, c->until);
        }
        close(fd);
    }
    uv_async_send(c->done);
    return NULL;
}

void client_start(struct client *c)
{
    assert_int_equal(pthread_create(&c->thread, NULL, client_main, c), 0);
}

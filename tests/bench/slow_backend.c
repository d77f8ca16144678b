/* SPDX-License-Identifier: Apache-2.0 */
/* A backend over plain HTTP for many steps at once: it answers each request DELAY_MS after it came
 * in, and knows when its first byte came and when the last byte of its answer had been written, by
 * CLOCK_MONOTONIC. Prints its port. On its standard input: "count\n" prints how many requests came,
 * how many were answered and how many connections broke before that; "list\n" prints a line for
 * each request, "PATH ARRIVED_NS ANSWERED_NS" (0: not answered), and "end"; "go\n" answers all that
 * wait. It ends with its standard input. usage: slow_backend DELAY_MS */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uv.h>

enum { REQUEST_MAX = 4096, PATH_LENGTH = 64, RECORDS_MAX = 1000000, BACKLOG = 4096 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 2\r\n\r\n{}";

struct record {
    char path[PATH_LENGTH];
    uint64_t arrived_ns;
    uint64_t answered_ns;
};

struct peer {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned handles;
    bool asked; /* a request is being answered */
    size_t record;
    uint64_t arrived_ns;
    size_t len;
    char bytes[REQUEST_MAX];
};

static struct {
    uv_loop_t loop;
    uint64_t delay_ms;
    struct record *records;
    size_t count;
    size_t room;
    size_t answered;
    size_t broken;
} all;

static void on_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    peer->handles--;
    if (peer->handles == 0) {
        free(peer);
    }
}

static void drop(struct peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->tcp)) {
        all.broken += peer->asked;
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
        uv_close((uv_handle_t *)&peer->timer, on_closed);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct peer *peer = write->data;
    if (status != 0) {
        drop(peer);
        return;
    }
    all.records[peer->record].answered_ns = uv_hrtime();
    all.answered++;
    peer->asked = false;
}

static void on_due(uv_timer_t *timer)
{
    struct peer *peer = timer->data;
    uv_buf_t buf = uv_buf_init((char *)answer, sizeof(answer) - 1);
    if (uv_write(&peer->write, (uv_stream_t *)&peer->tcp, &buf, 1, on_written) != 0) {
        drop(peer);
    }
}

static bool record(struct peer *peer)
{
    if (all.count == all.room) {
        size_t room = all.room ? all.room * 2 : 1024;
        struct record *grown =
            room <= RECORDS_MAX * 2 ? realloc(all.records, room * sizeof(*grown)) : NULL;
        if (!grown) {
            return false;
        }
        all.records = grown;
        all.room = room;
    }
    struct record *made = &all.records[all.count];
    *made = (struct record){.arrived_ns = peer->arrived_ns};
    sscanf(peer->bytes, "%*s %63s", made->path);
    peer->record = all.count;
    all.count++;
    return true;
}

/* The whole request is there: its head, and as much body as the head says. */
static bool complete(const struct peer *peer)
{
    const char *end = strstr(peer->bytes, "\r\n\r\n");
    const char *length = strcasestr(peer->bytes, "\r\ncontent-length:");
    size_t body = length && length < end ? (size_t)strtoull(length + 17, NULL, 10) : 0;
    return end && (size_t)(end + 4 - peer->bytes) + body <= peer->len;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer *peer = handle->data;
    (void)suggested;
    *buf = uv_buf_init(peer->bytes + peer->len, (unsigned)(REQUEST_MAX - 1 - peer->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;
    (void)buf;
    if (got < 0) {
        drop(peer);
        return;
    }
    if (peer->len == 0) {
        peer->arrived_ns = uv_hrtime();
    }
    peer->len += (size_t)got;
    peer->bytes[peer->len] = '\0';
    if (peer->asked || !complete(peer)) {
        return;
    }
    peer->len = 0;
    peer->asked = true;
    if (!record(peer)) {
        drop(peer);
    } else if (all.delay_ms == 0) {
        on_due(&peer->timer);
    } else {
        uv_update_time(&all.loop);
        uv_timer_start(&peer->timer, on_due, all.delay_ms, 0);
    }
}

static void on_peer(uv_stream_t *server, int status)
{
    struct peer *peer = status == 0 ? calloc(1, sizeof(*peer)) : NULL;
    if (!peer) {
        return;
    }
    uv_tcp_init(&all.loop, &peer->tcp);
    uv_timer_init(&all.loop, &peer->timer);
    peer->tcp.data = peer;
    peer->timer.data = peer;
    peer->write.data = peer;
    peer->handles = 2;
    if (uv_accept(server, (uv_stream_t *)&peer->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read) != 0) {
        drop(peer);
        return;
    }
    uv_tcp_nodelay(&peer->tcp, 1);
}

static void answer_now(uv_handle_t *handle, void *user)
{
    (void)user;
    if (handle->type == UV_TIMER && uv_is_active(handle)) {
        uv_timer_stop((uv_timer_t *)handle);
        on_due((uv_timer_t *)handle);
    }
}

static void command(char letter)
{
    if (letter == 'c') {
        printf("%zu %zu %zu\n", all.count, all.answered, all.broken);
    } else if (letter == 'l') {
        for (size_t i = 0; i < all.count; i++) {
            printf("%s %" PRIu64 " %" PRIu64 "\n", all.records[i].path, all.records[i].arrived_ns,
                   all.records[i].answered_ns);
        }
        printf("end\n");
    } else if (letter == 'g') {
        uv_walk(&all.loop, answer_now, NULL);
    }
    fflush(stdout);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    char line[64];
    (void)status;
    (void)events;
    ssize_t got = read(STDIN_FILENO, line, sizeof(line));
    if (got <= 0) {
        uv_stop(poll->loop);
        return;
    }
    /* The first letter of each line says which. */
    for (ssize_t i = 0; i < got; i++) {
        if (i == 0 || line[i - 1] == '\n') {
            command(line[i]);
        }
    }
}

int main(int argc, char **argv)
{
    static uv_tcp_t server;
    static uv_poll_t input;
    struct sockaddr_in address;
    int size = sizeof(address);
    if (argc != 2) {
        fprintf(stderr, "usage: slow_backend DELAY_MS\n");
        return 2;
    }
    all.delay_ms = (uint64_t)strtoull(argv[1], NULL, 10);
    if (uv_loop_init(&all.loop) || uv_tcp_init(&all.loop, &server) ||
        uv_ip4_addr("127.0.0.1", 0, &address) ||
        uv_tcp_bind(&server, (struct sockaddr *)&address, 0) ||
        uv_listen((uv_stream_t *)&server, BACKLOG, on_peer) ||
        uv_tcp_getsockname(&server, (struct sockaddr *)&address, &size) ||
        uv_poll_init(&all.loop, &input, STDIN_FILENO) ||
        uv_poll_start(&input, UV_READABLE, on_input)) {
        fprintf(stderr, "slow_backend: does not start; its standard input has to be a pipe\n");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    uv_run(&all.loop, UV_RUN_DEFAULT);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The least time from an event to the first byte at a backend: one durable commit (SQLite as the
 * store opens it, one row) and one round trip of a byte over loopback TCP to another process, one
 * after the other, on a machine that was idle for PAUSE_MS before each. Prints p50 and p99 in
 * microseconds. usage: commit_trip FOLDER COUNT PAUSE_MS */
#include "tests/bench/table.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COUNT = 100000, BODY_BYTES = 600 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A connection to a process that sends back what it gets; -1: none. */
static int echo_start(pid_t *ret_pid)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int one = 1;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || client < 0 || bind(server, (struct sockaddr *)&address, size) != 0 ||
        listen(server, 1) != 0 || getsockname(server, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(client);
        int peer = accept(server, NULL, NULL);
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        char byte;
        while (read(peer, &byte, 1) == 1 && write(peer, &byte, 1) == 1) {}
        _exit(0);
    }
    close(server);
    if (pid < 0 || connect(client, (struct sockaddr *)&address, size) != 0) {
        return -1;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *ret_pid = pid;
    return client;
}

static bool once(sqlite3_stmt *statement, int64_t serial, const char *body, int echo)
{
    char byte = 'x';
    sqlite3_bind_int64(statement, 1, serial);
    sqlite3_bind_blob(statement, 2, body, BODY_BYTES, SQLITE_STATIC);
    bool fine = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && fine && write(echo, &byte, 1) == 1 &&
           read(echo, &byte, 1) == 1;
}

static bool measure(sqlite3 *db, int echo, size_t count, int pause_ms, int64_t *took)
{
    static char body[BODY_BYTES];
    memset(body, 'x', sizeof(body));
    sqlite3_stmt *statement = NULL;
    bool fine = bench_table(db, "(id INTEGER PRIMARY KEY, body BLOB)", &statement);
    for (size_t i = 0; fine && i < count; i++) {
        poll(NULL, 0, pause_ms); /* nothing is awaited: the machine is to be idle */
        int64_t begin = now_ns();
        fine = once(statement, (int64_t)i + 1, body, echo);
        took[i] = now_ns() - begin;
    }
    sqlite3_finalize(statement);
    return fine;
}

int main(int argc, char **argv)
{
    size_t count = argc == 4 ? (size_t)strtoull(argv[2], NULL, 10) : 0;
    int pause_ms = argc == 4 ? (int)strtol(argv[3], NULL, 10) : -1;
    if (count < 1 || count > MAX_COUNT || pause_ms < 0) {
        fprintf(stderr, "usage: commit_trip FOLDER COUNT PAUSE_MS\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/trip-%d.db", argv[1], (int)getpid());
    static int64_t took[MAX_COUNT];
    pid_t pid = -1;
    signal(SIGPIPE, SIG_IGN);
    int echo = echo_start(&pid);
    sqlite3 *db = NULL;
    bool fine = echo >= 0 && sqlite3_open(path, &db) == SQLITE_OK &&
                measure(db, echo, count, pause_ms, took);
    if (fine) {
        qsort(took, count, sizeof(took[0]), by_value);
        printf("%.1f %.1f\n", (double)took[count / 2] / 1e3, (double)took[count * 99 / 100] / 1e3);
    } else {
        fprintf(stderr, "commit_trip: %s: %s\n", path, db ? sqlite3_errmsg(db) : "no connection");
    }
    sqlite3_close(db);
    if (pid > 0) {
        close(echo);
        waitpid(pid, NULL, 0);
    }
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char file[4200];
        snprintf(file, sizeof(file), "%s%s", path, endings[i]);
        unlink(file);
    }
    return fine ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite takes for good a second when nothing but the insert is done: transactions of ROWS
 * rows of BYTES each, keyed by sixteen bytes, into a database as the store opens it (WAL,
 * synchronous=FULL). Prints rows a second. usage: bulk_insert FOLDER SECONDS ROWS BYTES */
#include "tests/bench/table.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BYTES = 65536 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Keys are spread like those of operations: in the order of time, with a random end. */
static bool insert(sqlite3_stmt *statement, uint64_t serial, const char *body, size_t bytes)
{
    uint64_t key[2] = {__builtin_bswap64(serial), serial * 0x9e3779b97f4a7c15u};
    sqlite3_bind_blob(statement, 1, key, sizeof(key), SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, body, (int)bytes, SQLITE_STATIC);
    bool fine = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return fine;
}

/* Rows a second, or -1. */
static double measure(sqlite3 *db, double seconds, size_t rows, size_t bytes)
{
    static char body[MAX_BYTES];
    memset(body, 'x', sizeof(body));
    sqlite3_stmt *statement = NULL;
    bool fine = bench_table(db, "(id BLOB PRIMARY KEY, body BLOB) WITHOUT ROWID", &statement);
    double begin = now_s();
    double took = 0;
    uint64_t count = 0;
    while (fine && took < seconds) {
        fine = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
        for (size_t i = 0; fine && i < rows; i++) {
            count++;
            fine = insert(statement, count, body, bytes);
        }
        fine = fine && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
        took = now_s() - begin;
    }
    sqlite3_finalize(statement);
    return fine ? (double)count / took : -1;
}

int main(int argc, char **argv)
{
    double seconds = argc == 5 ? strtod(argv[2], NULL) : 0;
    size_t rows = argc == 5 ? (size_t)strtoull(argv[3], NULL, 10) : 0;
    size_t bytes = argc == 5 ? (size_t)strtoull(argv[4], NULL, 10) : 0;
    if (seconds <= 0 || rows < 1 || bytes < 1 || bytes > MAX_BYTES) {
        fprintf(stderr, "usage: bulk_insert FOLDER SECONDS ROWS BYTES\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/bulk-%d.db", argv[1], (int)getpid());
    sqlite3 *db = NULL;
    double rate = -1;
    if (sqlite3_open(path, &db) == SQLITE_OK) {
        rate = measure(db, seconds, rows, bytes);
    }
    if (rate < 0) {
        fprintf(stderr, "bulk_insert: %s: %s\n", path, sqlite3_errmsg(db));
    } else {
        printf("%.1f\n", rate);
    }
    sqlite3_close(db);
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char file[4200];
        snprintf(file, sizeof(file), "%s%s", path, endings[i]);
        unlink(file);
    }
    return rate < 0;
}

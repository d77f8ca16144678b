/* SPDX-License-Identifier: Apache-2.0 */
/* How many times a second the disk below a folder takes one block of BYTES for good: pwrite and
 * fdatasync, one after the other, within a file that does not grow. Prints the number.
 * usage: fdatasync_rate FOLDER SECONDS BYTES */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 64, MAX_BYTES = 1024 * 1024 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Writes block after block until the time is over; blocks a second, or -1. */
static double measure(int fd, const char *block, size_t bytes, double seconds)
{
    double begin = now_s();
    double took = 0;
    size_t count = 0;
    while (took < seconds) {
        if (pwrite(fd, block, bytes, (off_t)(count % BLOCKS * bytes)) != (ssize_t)bytes ||
            fdatasync(fd) != 0) {
            return -1;
        }
        count++;
        took = now_s() - begin;
    }
    return (double)count / took;
}

int main(int argc, char **argv)
{
    double seconds = argc == 4 ? strtod(argv[2], NULL) : 0;
    size_t bytes = argc == 4 ? (size_t)strtoull(argv[3], NULL, 10) : 0;
    if (seconds <= 0 || bytes < 1 || bytes > MAX_BYTES) {
        fprintf(stderr, "usage: fdatasync_rate FOLDER SECONDS BYTES\n");
        return 2;
    }
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/fdatasync.XXXXXX", argv[1]);
    int fd = len > 0 && (size_t)len < sizeof(path) ? mkstemp(path) : -1;
    char *block = malloc(bytes);
    double rate = -1;
    if (fd >= 0 && block) {
        memset(block, 'x', bytes);
        bool filled = true;
        for (size_t i = 0; i < BLOCKS; i++) {
            filled = filled && pwrite(fd, block, bytes, (off_t)(i * bytes)) == (ssize_t)bytes;
        }
        rate = filled && fdatasync(fd) == 0 ? measure(fd, block, bytes, seconds) : -1;
    }
    if (rate < 0) {
        perror(argv[1]);
    } else {
        printf("%.1f\n", rate);
    }
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    free(block);
    return rate < 0;
}

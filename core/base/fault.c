/* SPDX-License-Identifier: Apache-2.0 */
/* Reads PROVOST_FAULTS once and counts how often its points are passed. */
#include "core/base/fault.h"

#include "core/base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_POINTS 16

struct point {
    struct pv_str name;
    long kill_at; /* 0: fails, while its file exists */
    atomic_long passed;
};

static struct pv_str prefix;
static struct point points[MAX_POINTS];
static size_t point_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add_point(struct pv_str text)
{
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    int64_t n = 0;
    if (equals == NULL || point_count == MAX_POINTS) {
        return;
    }
    size_t name_len = (size_t)(equals - text.ptr);
    struct pv_str what = {equals + 1, text.len - name_len - 1};
    if (!pv_str_eq_c(what, "fail") && pv_str_to_i64(what, &n) != PV_OK) {
        return;
    }
    points[point_count].name = (struct pv_str){text.ptr, name_len};
    points[point_count].kill_at = (long)n;
    point_count++;
}

/* The text is the environment's and stays: nobody here calls setenv. */
static void read_environment(void)
{
    const char *text = getenv("PROVOST_FAULTS");
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    if (colon == NULL) {
        return;
    }
    prefix = (struct pv_str){text, (size_t)(colon - text)};
    const char *at = colon + 1;
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        add_point((struct pv_str){at, len});
        at += len;
        at += *at == ',' ? 1 : 0;
    }
}

static void path_of(const struct point *point, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.*s.%.*s", PV_STR_ARG(prefix), PV_STR_ARG(point->name));
}

static void die_once(const struct point *point)
{
    char path[PATH_MAX];
    path_of(point, path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        kill(getpid(), SIGKILL);
        pause(); /* the signal may reach another thread first */
    }
}

void pv_fault_pass(const char *name)
{
    pthread_once(&once, read_environment);
    for (size_t i = 0; i < point_count; i++) {
        if (pv_str_eq_c(points[i].name, name) &&
            atomic_fetch_add(&points[i].passed, 1) + 1 == points[i].kill_at) {
            die_once(&points[i]);
        }
    }
}

bool pv_fault_fails(const char *name)
{
    pthread_once(&once, read_environment);
    for (size_t i = 0; i < point_count; i++) {
        if (points[i].kill_at == 0 && pv_str_eq_c(points[i].name, name)) {
            char path[PATH_MAX];
            path_of(&points[i], path);
            return access(path, F_OK) == 0;
        }
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose steps misbehave, one each, to see what the host and the daemon make of it. */
#include <provost/plugin.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static int environment_at_load; /* variables that were there when the module was loaded */

__attribute__((constructor)) static void on_load(void)
{
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        environment_at_load++;
    }
}

static int fine(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

__attribute__((no_sanitize("undefined"))) static int null_pointer(struct provost_call *call)
{
    (void)call;
    volatile int *nowhere = NULL;
    *nowhere = 1;
    return PROVOST_OK;
}

static int aborts(struct provost_call *call)
{
    (void)call;
    abort();
}

static __attribute__((noinline)) int eat_stack(volatile char *below, int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    frame[1023] = below != NULL ? below[0] : 0;
    return depth < 1 << 30 ? eat_stack(frame, depth + 1) + frame[1023] : 0;
}

static int overflows(struct provost_call *call)
{
    (void)call;
    return eat_stack(NULL, 0);
}

static int exits(struct provost_call *call)
{
    (void)call;
    exit(0);
}

/* Never comes back and never waits. */
static int loops(struct provost_call *call)
{
    volatile unsigned long n = 0;
    while (call != NULL) {
        n++;
    }
    return PROVOST_OK;
}

static int garbage(struct provost_call *call)
{
    (void)call;
    return 4711;
}

static int naps(struct provost_call *call)
{
    return call->host->sleep(call, 30000) == 0 ? PROVOST_OK : PROVOST_CANCELED;
}

/* Waits again and again, whatever it is told: the calls come back at once and it spins. */
static int ignores_cancel(struct provost_call *call)
{
    while (call != NULL) {
        call->host->sleep(call, 30000);
    }
    return PROVOST_OK;
}

__attribute__((no_sanitize("undefined"))) static void crash_on_thread(void *arg)
{
    volatile int *nowhere = arg;
    *nowhere = 1;
}

static int thread_crash(struct provost_call *call)
{
    call->host->blocking(call, crash_on_thread, NULL);
    return PROVOST_OK;
}

static int keeps_state(struct provost_call *call)
{
    if (call->host->state_set(call, "{\"id\": 7}") != 0) {
        return PROVOST_PERMANENT;
    }
    return call->host->state_save(call) == 0 ? PROVOST_OK : PROVOST_TEMPORARY;
}

/* What the process it runs in has given up, as JSON. */
static int tells(struct provost_call *call)
{
    int open_fds = 0;
    for (int fd = 5; fd < 1024; fd++) {
        char path[64];
        char target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = '\0';
        /* The loop's own sockets and pipes are fine. */
        if (len > 0 && target[0] == '/' && strcmp(target, "/dev/null") != 0) {
            open_fds++;
        }
    }
    struct rlimit core = {7, 7};
    getrlimit(RLIMIT_CORE, &core);
    char cwd[256] = "";
    char json[600];
    snprintf(json, sizeof(json),
             "{\"environment\": %d, \"fds\": %d, \"dumpable\": %d, \"no_new_privs\": %d, \"core\": "
             "%lu, \"cwd\": \"%s\"}",
             environment_at_load, open_fds, prctl(PR_GET_DUMPABLE),
             prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), (unsigned long)core.rlim_max,
             getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
    return call->host->result(call, json) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

/* What a program that it runs is left with. */
static int lists(struct provost_call *call)
{
    static const char *const argv[] = {
        "/bin/sh", "-c", "printf '[\"%s\"]' \"$(readlink /proc/$$/fd/* | tr '\\n' ' ')\"", NULL};
    struct provost_exec_request request = {.struct_size = sizeof(request), .argv = argv};
    struct provost_exec_result result = {.struct_size = sizeof(result)};
    if (call->host->exec(call, &request, &result) != 0) {
        return PROVOST_PERMANENT;
    }
    return call->host->result(call, result.output) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct provost_step create[] = {
    {.name = "fine", .run = fine, .undo = fine, .lookup = fine},
    {.name = "null_pointer", .run = null_pointer},
    {.name = "aborts", .run = aborts},
    {.name = "overflows", .run = overflows},
    {.name = "exits", .run = exits},
    {.name = "loops", .run = loops},
    {.name = "garbage", .run = garbage},
    {.name = "naps", .run = naps},
    {.name = "ignores_cancel", .run = ignores_cancel},
    {.name = "thread_crash", .run = thread_crash},
    {.name = "keeps_state", .run = keeps_state},
    {.name = "tells", .run = tells},
    {.name = "lists", .run = lists},
    {0},
};

static const struct provost_step one[] = {{.name = "fine", .run = fine}, {0}};

static const struct provost_field settings[] = {
    {.name = "token", .type = PROVOST_T_STRING, .flags = PROVOST_F_SECRET},
    {0},
};

static int open_bad(const char *text, void **ret_instance, char *error, size_t error_size)
{
    (void)ret_instance;
    if (strstr(text, "refuse-me") != NULL) {
        snprintf(error, error_size, "token refuse-me is refused");
        return 1;
    }
    return 0;
}

static const struct provost_plugin bad = {
    PROVOST_PLUGIN_HEAD,
    .flags = PROVOST_P_EXEC,
    .name = "bad",
    .version = "1.0.0",
    .summary = "Steps that misbehave, for tests.",
    .settings = settings,
    .create = create,
    .suspend = one,
    .unsuspend = one,
    .terminate = one,
    .open = open_bad,
};

PROVOST_PLUGIN(bad)

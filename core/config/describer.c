/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a module what it declares, in a process of its own: loading foreign code must not harm the
 * one who asks. Blocks its caller, with a time limit. */
#include "core/config/describe.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/config/grants.h"
#include "core/json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIME_LIMIT_MS 10000
#define MAX_ANSWER (1024u * 1024)
#define MAX_ERRORS 4096u
/* As many paths and words as a host takes, and what stands around them. */
#define ARGUMENTS_MAX (3 * PV_GRANT_PATHS_MAX + 16)

extern char **environ;

struct known {
    struct known *next;
    char *path;
    off_t size;
    struct timespec changed;
    ino_t inode;
    char *json;
};

struct pv_describer {
    char *program;
    int64_t time_limit_ms;
    struct known *known;
};

int pv_describer_new(const char *host_program, struct pv_describer **ret_describer,
                     struct pv_err *err)
{
    struct pv_describer *describer = pv_calloc(1, sizeof(*describer));
    if (!describer) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    describer->time_limit_ms = TIME_LIMIT_MS;
    int status = PV_OK;
    if (host_program) {
        describer->program = pv_strdup(host_program);
        status = describer->program ? PV_OK
                                    : pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    } else {
        status = pv_describer_find_host(&describer->program, err);
    }
    if (status != PV_OK) {
        pv_free(describer);
        return status;
    }
    *ret_describer = describer;
    return PV_OK;
}

void pv_describer_set_time_limit(struct pv_describer *describer, int64_t ms)
{
    describer->time_limit_ms = ms;
}

static void free_known(struct known *known)
{
    pv_free(known->path);
    pv_free(known->json);
    pv_free(known);
}

void pv_describer_free(struct pv_describer *describer)
{
    if (!describer) {
        return;
    }
    while (describer->known) {
        struct known *next = describer->known->next;
        free_known(describer->known);
        describer->known = next;
    }
    pv_free(describer->program);
    pv_free(describer);
}

struct child {
    pid_t pid;
    int out; /* its standard output and error, non-blocking */
    int errors;
    struct pv_buf answer;
    struct pv_buf said;
};

static int pipes(int out[2], int errors[2], struct pv_err *err)
{
    if (pipe2(out, O_CLOEXEC) != 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "pipe: %s", strerror(errno));
    }
    if (pipe2(errors, O_CLOEXEC) != 0) {
        int saved = errno;
        close(out[0]);
        close(out[1]);
        return pv_err_set(err, pv_status_from_errno(saved), "pipe: %s", strerror(saved));
    }
    return PV_OK;
}

/* Modules get no look at secrets that stand in the environment. */
static void reduced_environment(char *out[], size_t max)
{
    static const char *const kept[] = {
        "PATH=",         "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
        "LSAN_OPTIONS=", "UBSAN_OPTIONS=",   "PROVOST_FAULTS_LANDLOCK_ABI="};
    size_t count = 0;
    for (char **variable = environ; *variable; variable++) {
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]) && count + 1 < max; i++) {
            if (strncmp(*variable, kept[i], strlen(kept[i])) == 0) {
                out[count++] = *variable;
            }
        }
    }
    out[count] = NULL;
}

static int spawn_with(const char *program, const char *const *argv, int in, int out, int errors,
                      pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) {
        return failed;
    }
    failed = posix_spawnattr_init(&attr);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    failed = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!failed) {
        failed = posix_spawn_file_actions_adddup2(&actions, out, 1);
    }
    if (!failed) {
        failed = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    }
    if (!failed) {
        char *env[8];
        reduced_environment(env, sizeof(env) / sizeof(env[0]));
        failed =
            posix_spawn(ret_pid, program, &actions, &attr, (char *const *)(uintptr_t)argv, env);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* What may be read, or started. */
static bool add_reads(const struct pv_strs *granted, const char *argv[ARGUMENTS_MAX], size_t *count)
{
    for (size_t kind = 0; granted != NULL && kind < PV_GRANT_KINDS; kind++) {
        bool readable = (pv_grant_kinds[kind].need & (PV_NEEDS_READ | PV_NEEDS_EXEC)) != 0;
        for (size_t i = 0; readable && i < granted[kind].count; i++) {
            if (*count + 3 > ARGUMENTS_MAX) {
                return false;
            }
            argv[(*count)++] = "--read";
            argv[(*count)++] = granted[kind].items[i].ptr;
        }
    }
    return true;
}

static void add_flags(const struct pv_describe_ask *ask, const char *argv[ARGUMENTS_MAX],
                      size_t *count)
{
    if (ask->settings.len > 0) {
        argv[(*count)++] = "--settings";
    }
    if (ask->unconfined) {
        argv[(*count)++] = "--unconfined";
    }
    if (ask->required) {
        argv[(*count)++] = "--required";
    }
}

static bool add_words(const char *const *words, const char *argv[ARGUMENTS_MAX], size_t *count)
{
    if (*count + 2 > ARGUMENTS_MAX) {
        return false;
    }
    argv[(*count)++] = "--command";
    for (size_t i = 0; words[i] != NULL; i++) {
        if (*count + 2 > ARGUMENTS_MAX) {
            return false;
        }
        argv[(*count)++] = words[i];
    }
    return true;
}

/* provost-host --describe [MODULE] [--settings] [--unconfined] [--required] [--read PATH ...]
 * [--command PROGRAM ARGUMENT...] */
static bool command_line(const char *program, const struct pv_describe_ask *ask,
                         const char *argv[ARGUMENTS_MAX])
{
    size_t count = 0;
    argv[count++] = program;
    argv[count++] = "--describe";
    if (ask->command == NULL) {
        argv[count++] = ask->module;
    }
    add_flags(ask, argv, &count);
    if (!add_reads(ask->granted, argv, &count) ||
        (ask->command != NULL && !add_words(ask->command, argv, &count))) {
        return false;
    }
    argv[count] = NULL;
    return true;
}

/* A file in memory with the settings, or nothing to read. -1 and errno. */
static int open_input(struct pv_str settings)
{
    if (settings.len == 0) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    int fd = memfd_create("provost-settings", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, settings.ptr, settings.len, 0) != (ssize_t)settings.len) {
        close(fd);
        return -1;
    }
    return fd;
}

static int spawn(const char *program, const struct pv_describe_ask *ask, int out, int errors,
                 pid_t *ret_pid)
{
    const char *argv[ARGUMENTS_MAX];
    if (!command_line(program, ask, argv)) {
        return E2BIG;
    }
    int in = open_input(ask->settings);
    if (in < 0) {
        return errno;
    }
    int failed = spawn_with(program, argv, in, out, errors, ret_pid);
    close(in);
    return failed;
}

static int start(struct child *child, const char *program, const struct pv_describe_ask *ask,
                 struct pv_err *err)
{
    int out[2];
    int errors[2];
    int status = pipes(out, errors, err);
    if (status != PV_OK) {
        return status;
    }
    int failed = spawn(program, ask, out[1], errors[1], &child->pid);
    close(out[1]);
    close(errors[1]);
    if (failed) {
        close(out[0]);
        close(errors[0]);
        return pv_err_set(err, pv_status_from_errno(failed), "cannot start %s: %s", program,
                          strerror(failed));
    }
    child->out = out[0];
    child->errors = errors[0];
    return PV_OK;
}

/* Reads what is there; false at the end of file. What does not fit is dropped (buf->status says
 * so). */
static bool drain(int fd, struct pv_buf *into)
{
    char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    if (into->status == PV_OK) {
        pv_buf_put(into, bytes, (size_t)got);
    }
    return true;
}

/* Until the child has ended. PV_ETIMEOUT. */
static int await_end(const struct child *child, int64_t end)
{
    int fd = pidfd_open(child->pid, 0);
    if (fd < 0) {
        return pv_status_from_errno(errno);
    }
    int status = PV_ETIMEOUT;
    for (;;) {
        int64_t left = end - pv_mono_ms(&pv_clock_system);
        struct pollfd ended = {fd, POLLIN, 0};
        if (left <= 0) {
            break;
        }
        if (poll(&ended, 1, (int)left) > 0) {
            status = PV_OK;
            break;
        }
    }
    close(fd);
    return status;
}

/* Until both ends are closed. PV_ETIMEOUT. */
static int read_child(struct child *child, int64_t end)
{
    struct pollfd fds[2] = {{child->out, POLLIN, 0}, {child->errors, POLLIN, 0}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = end - pv_mono_ms(&pv_clock_system);
        if (left <= 0) {
            return PV_ETIMEOUT;
        }
        int ready = poll(fds, 2, (int)left);
        if (ready < 0 && errno != EINTR) {
            return pv_status_from_errno(errno);
        }
        if (ready <= 0) {
            continue;
        }
        if (fds[0].fd >= 0 && fds[0].revents != 0 && !drain(fds[0].fd, &child->answer)) {
            fds[0].fd = -1;
        }
        if (fds[1].fd >= 0 && fds[1].revents != 0 && !drain(fds[1].fd, &child->said)) {
            fds[1].fd = -1;
        }
        if (child->answer.status != PV_OK) {
            return child->answer.status;
        }
    }
    return PV_OK;
}

/* The sentence out of a line of the log: {"message": …}, or the line itself. */
static struct pv_str sentence(struct pv_str line, struct pv_arena *arena)
{
    json_t *json = NULL;
    if (pv_json_load(line, 0, &json, NULL) != PV_OK) {
        return line;
    }
    const char *message = json_string_value(json_object_get(json, "message"));
    struct pv_str text = message ? pv_arena_copy(arena, pv_str(message)) : line;
    json_decref(json);
    return text.ptr ? text : line;
}

/* The last line of what the child wrote to standard error: there it says why. */
static struct pv_str last_line(const struct pv_buf *said)
{
    struct pv_str all = pv_buf_view(said);
    while (all.len > 0 && (all.ptr[all.len - 1] == '\n' || all.ptr[all.len - 1] == ' ')) {
        all.len--;
    }
    const char *line = all.len > 0 ? memrchr(all.ptr, '\n', all.len) : NULL;
    if (line) {
        size_t skip = (size_t)(line - all.ptr) + 1;
        all = (struct pv_str){all.ptr + skip, all.len - skip};
    }
    return all;
}

static int judge(const struct pv_describer *describer, int got, int wait_status, struct pv_str line,
                 struct pv_err *err)
{
    const char *colon = line.len > 0 ? ": " : "";
    if (got == PV_ETIMEOUT) {
        return pv_err_set(err, got, "did not describe itself within %lld ms",
                          (long long)describer->time_limit_ms);
    }
    if (got == PV_ETOOBIG) {
        return pv_err_set(err, got, "its description is larger than %u KiB", MAX_ANSWER / 1024);
    }
    if (got != PV_OK) {
        return pv_err_set(err, got, "cannot be asked: %s", pv_status_text(got));
    }
    if (WIFSIGNALED(wait_status)) {
        return pv_err_set(err, PV_EINVAL, "crashed while it described itself (signal %d)%s%.*s",
                          WTERMSIG(wait_status), colon, PV_STR_ARG(line));
    }
    if (WEXITSTATUS(wait_status) != 0) {
        return line.len > 0 ? pv_err_set(err, PV_EINVAL, "%.*s", PV_STR_ARG(line))
                            : pv_err_set(err, PV_EINVAL, "cannot be described (exit status %d)",
                                         WEXITSTATUS(wait_status));
    }
    return PV_OK;
}

static int run(const struct pv_describer *describer, const struct pv_describe_ask *ask,
               char **ret_json, struct pv_err *err)
{
    struct child child = {.pid = -1};
    int status = start(&child, describer->program, ask, err);
    if (status != PV_OK) {
        return status;
    }
    pv_buf_init(&child.answer, MAX_ANSWER);
    pv_buf_init(&child.said, MAX_ERRORS);
    int64_t end = pv_mono_ms(&pv_clock_system) + describer->time_limit_ms;
    int got = read_child(&child, end);
    if (got == PV_OK) {
        got = await_end(&child, end);
    }
    if (got != PV_OK) {
        kill(-child.pid, SIGKILL);
    }
    int wait_status = 0;
    while (waitpid(child.pid, &wait_status, 0) < 0 && errno == EINTR) {}
    close(child.out);
    close(child.errors);
    struct pv_arena arena;
    pv_arena_init(&arena);
    status = judge(describer, got, wait_status, sentence(last_line(&child.said), &arena), err);
    pv_arena_done(&arena);
    size_t len = 0;
    if (status == PV_OK && pv_buf_finish(&child.answer, ret_json, &len) != PV_OK) {
        status = pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    pv_buf_done(&child.answer);
    pv_buf_done(&child.said);
    return status;
}

static struct known *find(struct pv_describer *describer, const char *path, const struct stat *st)
{
    for (struct known *known = describer->known; known; known = known->next) {
        if (strcmp(known->path, path) == 0 && known->size == st->st_size &&
            known->inode == st->st_ino && known->changed.tv_sec == st->st_mtim.tv_sec &&
            known->changed.tv_nsec == st->st_mtim.tv_nsec) {
            return known;
        }
    }
    return NULL;
}

/* Not remembering is no failure. */
static void remember(struct pv_describer *describer, const char *path, const struct stat *st,
                     const char *json)
{
    struct known *known = pv_calloc(1, sizeof(*known));
    if (!known) {
        return;
    }
    known->path = pv_strdup(path);
    known->json = pv_strdup(json);
    if (!known->path || !known->json) {
        free_known(known);
        return;
    }
    known->size = st->st_size;
    known->inode = st->st_ino;
    known->changed = st->st_mtim;
    known->next = describer->known;
    describer->known = known;
}

static int describe(void *ctx, const struct pv_describe_ask *ask, char **ret_json,
                    struct pv_err *err)
{
    struct pv_describer *describer = ctx;
    if (ask->command != NULL || ask->settings.len > 0) {
        return run(describer, ask, ret_json, err);
    }
    struct stat st;
    if (stat(ask->module, &st) != 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", ask->module, strerror(errno));
    }
    const struct known *known = find(describer, ask->module, &st);
    if (known) {
        *ret_json = pv_strdup(known->json);
        return *ret_json ? PV_OK : pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    int status = run(describer, ask, ret_json, err);
    if (status == PV_OK) {
        remember(describer, ask->module, &st, *ret_json);
    }
    return status;
}

struct pv_describe pv_describer_table(struct pv_describer *describer)
{
    return (struct pv_describe){describer, describe};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that declares every need. Its constructor, a step and a query try what its settings
 * name and more, and the query `tried` answers with what each attempt came to: the name of its
 * errno, or "done". */
#include "tests/plugins/member.h"

#include <provost/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 1024
#define PATH_BYTES 512

static char by_constructor[REPORT_BYTES];

/* A setting that is a path; "" when there is none. */
static const char *setting(const char *settings, const char *name, char out[PATH_BYTES])
{
    member(settings, name, out, PATH_BYTES);
    return out;
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    return fd;
}

/* Not by the host's own exec: what the kernel says. */
static int started(const char *path)
{
    char *const argv[] = {(char *)(uintptr_t)path, NULL};
    char *const environment[] = {NULL};
    pid_t pid = -1;
    int status = 0;
    errno = posix_spawn(&pid, path, NULL, NULL, argv, environment);
    if (errno != 0) {
        return -1;
    }
    waitpid(pid, &status, 0);
    return 0;
}

static int connected(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd >= 0 ? connect(fd, (struct sockaddr *)&to, sizeof(to)) : -1;
    int saved = errno;
    close(fd);
    errno = saved;
    return failed;
}

static size_t add(char *out, size_t len, const char *name, int result)
{
    const char *said = result >= 0 ? "done" : strerrorname_np(errno);
    return len + (size_t)snprintf(out + len, REPORT_BYTES - len, "%s\"%s\": \"%s\"",
                                  len > 1 ? ", " : "", name, said != NULL ? said : "?");
}

/* Nobody has told it anything yet. */
__attribute__((constructor)) static void at_load(void)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "/tmp/provost-needy-%ld", (long)getpid());
    size_t len = (size_t)snprintf(by_constructor, REPORT_BYTES, "{");
    len = add(by_constructor, len, "read", opened("/etc/login.defs", O_RDONLY));
    len = add(by_constructor, len, "write", opened(path, O_CREAT | O_WRONLY));
    len = add(by_constructor, len, "own", opened("own", O_CREAT | O_WRONLY));
    len = add(by_constructor, len, "exec", started("/bin/true"));
    unlink(path);
    snprintf(by_constructor + len, REPORT_BYTES - len, "}");
}

static int tried(struct provost_call *call)
{
    char path[PATH_BYTES];
    char json[3 * REPORT_BYTES];
    char now[REPORT_BYTES];
    size_t len = (size_t)snprintf(now, sizeof(now), "{");
    len = add(now, len, "read", opened(setting(call->settings, "read", path), O_RDONLY));
    len = add(now, len, "write", opened(setting(call->settings, "write", path), O_RDWR));
    len = add(now, len, "own", opened("own", O_CREAT | O_WRONLY));
    len = add(now, len, "unix_sockets", connected(setting(call->settings, "socket", path)));
    len = add(now, len, "file", opened(setting(call->settings, "file", path), O_RDONLY));
    len = add(now, len, "exec", started(setting(call->settings, "exec", path)));
    len = add(now, len, "exec_other", started("/bin/ls"));
    snprintf(now + len, sizeof(now) - len, "}");
    snprintf(json, sizeof(json), "{\"constructor\": %s, \"now\": %s}", by_constructor, now);
    return call->host->result(call, json) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct provost_field settings[] = {
    {.name = "read", .type = PROVOST_T_STRING},
    {.name = "write", .type = PROVOST_T_STRING},
    {.name = "exec", .type = PROVOST_T_STRING},
    {.name = "socket", .type = PROVOST_T_STRING},
    {.name = "file", .type = PROVOST_T_STRING, .flags = PROVOST_F_FILE},
    {0},
};

static const struct provost_step steps[] = {
    {.name = "try", .run = tried, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_action actions[] = {
    {.name = "try", .label = "Try", .steps = steps},
    {0},
};

static const struct provost_query queries[] = {
    {.name = "tried", .run = tried},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "needy",
    .version = "1.0.0",
    .summary = "Tries what its settings name, for tests.",
    .flags = PROVOST_P_EXEC | PROVOST_P_READ | PROVOST_P_WRITE | PROVOST_P_UNIX_SOCKETS,
    .settings = settings,
    .actions = actions,
    .instance_queries = queries,
};

PROVOST_PLUGIN(plugin)

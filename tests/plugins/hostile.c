/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that tries to get out, from its constructor, from a step and from a query. The query
 * `tried` answers with what each attempt came to: the name of its errno, or "done". Paths are
 * relative to its data folder, which a host enters before it loads a module. */
#include <provost/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 8192

extern char **environ;

static int neighbour; /* a process to attack; the one that started this host at first */

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        if (flags & O_CREAT) {
            unlink(path);
        }
    }
    return fd;
}

static int database(void)
{
    return opened("../../provost.db", O_RDWR);
}
static int keys(void)
{
    return opened("../../provost.keys", O_RDONLY);
}
static int other_instance(void)
{
    return opened("../third/secret", O_RDONLY);
}
static int shadow(void)
{
    return opened("/etc/shadow", O_RDONLY);
}
static int write_outside(void)
{
    return opened("../../evil", O_CREAT | O_WRONLY);
}
static int write_temporary(void)
{
    return opened("/tmp/provost-hostile", O_CREAT | O_WRONLY);
}
static int truncate_by_path(void)
{
    return truncate("../third/secret", 0);
}
static int truncate_by_open(void)
{
    return opened("../third/secret", O_RDONLY | O_TRUNC);
}
static int change_mode(void)
{
    return chmod("../third/secret", 0777);
}
static int change_mode_anew(void)
{
    return (int)syscall(452 /* fchmodat2 */, AT_FDCWD, "../third/secret", 0777, 0);
}
static int change_owner(void)
{
    return chown("../third/secret", 1, 1);
}
static int remove_outside(void)
{
    return unlink("../third/secret");
}

static int environment_of_other(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", neighbour);
    return opened(path, O_RDONLY);
}

static int environment_of_own(void)
{
    errno = ENOENT;
    return environ != NULL && environ[0] != NULL ? 0 : -1;
}

static int run_program(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static int make_process(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        _exit(0);
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    return pid;
}

static int new_call(void)
{
    return (int)syscall(SYS_clone3, NULL, 0);
}
static int new_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}
static int trace(void)
{
    return (int)ptrace(PTRACE_ATTACH, neighbour, NULL, NULL);
}

static int read_memory(void)
{
    char bytes[8];
    struct iovec local = {bytes, sizeof(bytes)};
    struct iovec remote = {environ, sizeof(bytes)};
    return (int)process_vm_readv(neighbour, &local, 1, &remote, 1, 0);
}

static int send_signal(void)
{
    return kill(neighbour, 0);
}
static int signal_all(void)
{
    return kill(-1, 0);
}
static int signal_group(void)
{
    return kill(0, 0);
}

static int socket_of(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd;
}

static int unix_socket(void)
{
    return socket_of(AF_UNIX, SOCK_STREAM);
}
static int raw_socket(void)
{
    return socket_of(AF_INET, SOCK_RAW);
}
static int packet_socket(void)
{
    return socket_of(AF_PACKET, SOCK_RAW);
}

static int unix_datagrams(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
}

static int take_calls(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = listen(fd, 1);
    int saved = errno;
    close(fd);
    errno = saved;
    return failed;
}

static int kernel_program(void)
{
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int kernel_events(void)
{
    return (int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0);
}
static int kernel_keys(void)
{
    return (int)syscall(SYS_keyctl, 0, -4, 0, 0, 0);
}
static int kernel_rings(void)
{
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}
static int mounting(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL);
}
static int shared_memory(void)
{
    return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
}
static int be_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1);
}
static int outlive(void)
{
    return prctl(PR_SET_PDEATHSIG, 0);
}

/* What has to work. */
static int own_file(void)
{
    return opened("own", O_CREAT | O_RDWR | O_TRUNC);
}
static int inet_socket(void)
{
    return socket_of(AF_INET, SOCK_STREAM);
}

static void *nothing(void *arg)
{
    return arg;
}

static int own_thread(void)
{
    pthread_t thread;
    errno = pthread_create(&thread, NULL, nothing, NULL);
    return errno == 0 ? pthread_join(thread, NULL) : -1;
}

static const struct {
    const char *name;
    int (*attempt)(void);
} attempts[] = {
    {"database", database},
    {"keys", keys},
    {"other_instance", other_instance},
    {"shadow", shadow},
    {"write_outside", write_outside},
    {"write_temporary", write_temporary},
    {"truncate_by_path", truncate_by_path},
    {"truncate_by_open", truncate_by_open},
    {"change_mode", change_mode},
    {"change_mode_anew", change_mode_anew},
    {"change_owner", change_owner},
    {"remove_outside", remove_outside},
    {"environment_of_other", environment_of_other},
    {"environment_of_own", environment_of_own},
    {"run_program", run_program},
    {"make_process", make_process},
    {"new_call", new_call},
    {"new_namespace", new_namespace},
    {"trace", trace},
    {"read_memory", read_memory},
    {"send_signal", send_signal},
    {"signal_all", signal_all},
    {"signal_group", signal_group},
    {"unix_socket", unix_socket},
    {"unix_datagrams", unix_datagrams},
    {"raw_socket", raw_socket},
    {"packet_socket", packet_socket},
    {"take_calls", take_calls},
    {"kernel_program", kernel_program},
    {"kernel_events", kernel_events},
    {"kernel_keys", kernel_keys},
    {"kernel_rings", kernel_rings},
    {"mounting", mounting},
    {"shared_memory", shared_memory},
    {"be_dumpable", be_dumpable},
    {"outlive", outlive},
    {"own_file", own_file},
    {"inet_socket", inet_socket},
    {"own_thread", own_thread},
};

static char by_constructor[REPORT_BYTES];
static char by_step[REPORT_BYTES];

static void try_all(char *out)
{
    size_t len = (size_t)snprintf(out, REPORT_BYTES, "{");
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        errno = 0;
        int result = attempts[i].attempt();
        const char *name = result >= 0 ? "done" : strerrorname_np(errno);
        len += (size_t)snprintf(out + len, REPORT_BYTES - len, "%s\"%s\": \"%s\"",
                                i > 0 ? ", " : "", attempts[i].name, name != NULL ? name : "?");
    }
    snprintf(out + len, REPORT_BYTES - len, "}");
}

__attribute__((constructor)) static void at_load(void)
{
    neighbour = getppid();
    try_all(by_constructor);
}

static int attack(struct provost_call *call)
{
    (void)call;
    try_all(by_step);
    return PROVOST_OK;
}

/* Takes memory until somebody objects. */
static int grow(struct provost_call *call)
{
    for (;;) {
        size_t size = (size_t)8 << 20;
        volatile char *memory = malloc(size);
        for (size_t at = 0; memory != NULL && at < size; at += 1024) {
            memory[at] = 1;
        }
        if (call->host->sleep(call, 10) != 0) {
            return PROVOST_CANCELED;
        }
    }
}

static int tried(struct provost_call *call)
{
    static char json[3 * REPORT_BYTES + 128];
    static char now[REPORT_BYTES];
    const char *pid = strstr(call->input, "\"pid\":");
    neighbour = pid != NULL ? atoi(pid + 6) : neighbour;
    try_all(now);
    snprintf(json, sizeof(json), "{\"constructor\": %s, \"step\": %s, \"query\": %s}",
             by_constructor, by_step[0] != '\0' ? by_step : "{}", now);
    return call->host->result(call, json) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct provost_field no_fields[] = {{0}};

static const struct provost_field product[] = {
    {.name = "how", .type = PROVOST_T_STRING, .fallback = "attack"},
    {0},
};

static int act(struct provost_call *call)
{
    return strstr(call->input, "\"grow\"") != NULL ? grow(call) : attack(call);
}

static const struct provost_step create[] = {
    {.name = "act", .run = act, .flags = PROVOST_S_REPEATABLE, .timeout_ms = 60000},
    {0},
};

static const struct provost_step terminate[] = {
    {.name = "remove", .run = attack, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_field params[] = {
    {.name = "pid", .type = PROVOST_T_INT},
    {0},
};

static const struct provost_query queries[] = {
    {.name = "tried", .run = tried, .params = params},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "hostile",
    .version = "1.0.0",
    .summary = "Tries to get out of its host, for tests.",
    .settings = no_fields,
    .product = product,
    .create = create,
    .terminate = terminate,
    .instance_queries = queries,
};

PROVOST_PLUGIN(plugin)

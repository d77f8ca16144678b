/* SPDX-License-Identifier: Apache-2.0 */
/* Memory limits by cgroup: what is written where, and what is taken back, on folders of the test's
 * own; the whole of it with the kernel's own cgroups where the test may make some. */
#include "tests/unit/runner/fixture.h"

#include "core/runner/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWNER 2000000000 /* longer than any other number in these files */

static char base[100];

static void write_file(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static const char *read_file(const char *name)
{
    static char text[200];
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[len] = '\0';
    if (file) {
        fclose(file);
    }
    return text;
}

static void make_folder(const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* The kernel fills the folder of a new group, with "cgroup.procs" being this, or without it. */
static bool is_kernel;
static const char *procs;

static void fill_host_folder(const char *path)
{
    char file[400];
    static const char *const names[] = {"memory.max", "memory.oom.group"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        assert_int_equal(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    }
    snprintf(file, sizeof(file), "%s/cgroup.procs", path);
    if (procs && *procs) {
        assert_int_equal(symlink(procs, file), 0);
    } else if (procs) {
        assert_int_equal(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    }
}

/* In place of the C library's, by the linker. */
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    int result = mkdirat(AT_FDCWD, path, mode);
    if (result == 0 && is_kernel && strstr(path, "/host-")) {
        fill_host_folder(path);
    }
    return result;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* What the kernel would have made in a delegated cgroup. */
static int open_folder(void **state)
{
    (void)state;
    is_kernel = true;
    procs = "";
    const char *tmp = getenv("TMPDIR");
    snprintf(base, sizeof(base), "%.60s/pv-cgroup-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(base));
    write_file("cgroup.controllers", "cpuset cpu io memory pids\n");
    write_file("cgroup.subtree_control", "");
    write_file("cgroup.procs", "");
    write_file("cgroup.type", "domain\n");
    make_folder("daemon");
    write_file("daemon/cgroup.procs", "");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    is_kernel = false;
    return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct pv_cgroup opened(void)
{
    struct pv_cgroup cgroup;
    struct pv_err err = {0};
    assert_int_equal(pv_cgroup_open_at(base, SPAWNER, &cgroup, &err), 0);
    return cgroup;
}

static void refused(const char *part)
{
    struct pv_cgroup cgroup = {.base = "before"};
    struct pv_err err = {0};
    assert_int_not_equal(pv_cgroup_open_at(base, SPAWNER, &cgroup, &err), 0);
    assert_string_equal(cgroup.base, "");
    if (!strstr(err.text, part) || !strstr(err.text, base)) {
        fail_msg("%s", err.text);
    }
}

static void what_is_delegated_is_used(void **state)
{
    (void)state;
    struct pv_cgroup cgroup = opened();
    struct pv_err err = {0};
    int fd = -1;
    assert_string_equal(read_file("cgroup.subtree_control"), "+memory");
    assert_string_equal(read_file("daemon/cgroup.procs"), "2000000000"); /* the last of both */
    assert_int_equal(pv_cgroup_make(&cgroup, 1, 64u << 20, &fd, &err), 0);
    assert_string_equal(read_file("host-1/memory.max"), "67108864");
    assert_int_equal(strncmp(read_file("host-1/memory.oom.group"), "1", 1), 0);
    assert_int_equal(close(fd), 0);
    write_file("host-1/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    assert_false(pv_cgroup_was_full(&cgroup, 1));
    write_file("host-1/memory.events", "max 12\noom 1\noom_kill 2\noom_group_kill 1\n");
    assert_true(pv_cgroup_was_full(&cgroup, 1));
    assert_false(pv_cgroup_remove(&cgroup, 1)); /* a folder with files in it: something is left */
    assert_true(pv_cgroup_remove(&cgroup, 2));
    pv_cgroup_close(&cgroup);
    assert_string_equal(cgroup.base, "");
    assert_string_equal(read_file("cgroup.subtree_control"), "-memory");
    char self[20];
    snprintf(self, sizeof(self), "%d", (int)getpid());
    assert_string_equal(read_file("cgroup.procs"), self);
    pv_cgroup_close(&cgroup); /* legal */
}

static void what_was_enabled_before_stays_so(void **state)
{
    (void)state;
    write_file("cgroup.subtree_control", "cpu memory\n");
    struct pv_cgroup cgroup = opened();
    pv_cgroup_close(&cgroup);
    assert_string_equal(read_file("cgroup.subtree_control"), "cpu memory\n");
}

/* The root of all cgroups has no type, and everything may be done there. */
static void the_root_is_left_alone(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof(path), "%s/cgroup.type", base);
    assert_int_equal(unlink(path), 0);
    refused("is the root of all cgroups");
    assert_string_equal(read_file("daemon/cgroup.procs"), ""); /* nothing was moved */
    assert_string_equal(read_file("cgroup.subtree_control"), "");
}

static void what_is_not_delegated_is_left_alone(void **state)
{
    (void)state;
    char path[200];
    write_file("cgroup.controllers", "cpu io memory_recursiveprot pids\n");
    refused("has no memory controller");
    snprintf(path, sizeof(path), "%s/cgroup.controllers", base);
    assert_int_equal(unlink(path), 0);
    refused("has no memory controller");
    assert_string_equal(read_file("daemon/cgroup.procs"), ""); /* nothing was moved */
    write_file("cgroup.controllers", "memory");
    snprintf(path, sizeof(path), "%s/daemon/cgroup.procs", base);
    assert_int_equal(unlink(path), 0);
    refused("cannot move to");
    snprintf(path, sizeof(path), "%s/daemon", base);
    assert_int_not_equal(access(path, F_OK), 0); /* the leaf is gone again */
    write_file("daemon", "");                    /* whatever keeps it from being made */
    refused("cannot move to");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(path), -1);
    if (geteuid() != 0) {
        assert_int_equal(chmod(base, 0500), 0);
        refused("not delegated to provostd: cannot make");
        assert_int_equal(chmod(base, 0700), 0);
    }
}

/* The kernel refuses as it does where other processes are in the cgroup. */
static void limits_that_cannot_be_enabled_move_everybody_back(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", base);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/full", path), 0);
    refused("cannot enable limits in");
    assert_string_equal(read_file("cgroup.procs"), "2000000000");
}

static void a_group_that_cannot_be_limited_is_none(void **state)
{
    (void)state;
    struct pv_err err = {0};
    int fd = -1;
    is_kernel = false;
    struct pv_cgroup cgroup = opened();
    assert_int_equal(pv_cgroup_make(&cgroup, 7, 1u << 20, &fd, &err), PV_ENOTFOUND);
    assert_non_null(strstr(err.text, "cannot limit"));
    assert_int_equal(fd, -1);
    assert_true(pv_cgroup_remove(&cgroup, 7)); /* it is gone already */
    is_kernel = true;
    procs = NULL;
    assert_int_equal(pv_cgroup_make(&cgroup, 1, 1u << 20, &fd, &err), PV_ENOTFOUND);
    assert_int_equal(fd, -1);
}

/* Of a predecessor, whose processes are still in it. */
static void a_group_that_is_in_use_is_not_taken(void **state)
{
    (void)state;
    struct pv_cgroup cgroup = opened();
    struct pv_err err = {0};
    int fd = -1;
    make_folder("host-1");
    assert_int_not_equal(pv_cgroup_make(&cgroup, 1, 1u << 20, &fd, &err), 0);
    assert_non_null(strstr(err.text, "cannot make"));
    assert_non_null(strstr(err.text, strerror(EEXIST)));
    assert_int_equal(fd, -1);
    assert_string_equal(read_file("host-1/memory.max"), "");
}

/* ---- hosts ---- */

/* A host of a group that may hold 48 MiB, with a step that waits. */
static void start_waiting(struct fixture *f, const struct pv_cgroup *cgroup)
{
    const struct pv_hosts_options options = {.cgroup = cgroup};
    fixture_start(f, &options);
    f->memory_max = 48u << 20;
    assert_int_equal(start_step(f, 1, "wait", false, 60000), 0);
}

static void a_host_is_in_its_group_before_it_runs(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_cgroup cgroup = opened();
    start_waiting(&f, &cgroup);
    assert_true(pv_hosts_by_cgroup(f.hosts));
    until_state(&f, PV_HOST_READY);
    assert_int_equal(pv_hosts_without_cgroup(f.hosts), 0);
    assert_string_equal(read_file("host-1/cgroup.procs"), "0"); /* it wrote itself in */
    assert_string_equal(read_file("host-1/memory.max"), "50331648");
    struct pv_host_status status;
    until_pid(&f, &status);
    /* The kernel kills it because the group is full. */
    write_file("host-1/memory.events", "oom 1\noom_kill 1\n");
    assert_int_equal(kill(status.pid, SIGKILL), 0);
    until(&f, &f.told[1].over);
    assert_true(f.told[1].lost);
    if (!strstr(f.told[1].text, "grew over its memory limit") ||
        !strstr(f.told[1].text, "its cgroup was full, its limit is 48 MiB")) {
        fail_msg("%s", f.told[1].text);
    }
    fixture_end(&f);
}

static void without_a_group_memory_is_watched(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_cgroup cgroup = opened();
    is_kernel = false;
    start_waiting(&f, &cgroup); /* no group of a host can be limited here */
    until_state(&f, PV_HOST_READY);
    assert_int_equal(pv_hosts_without_cgroup(f.hosts), 1);
    assert_int_equal(start_step(&f, 2, "grow", false, 60000), 0);
    until(&f, &f.told[2].over);
    assert_true(f.told[2].lost);
    assert_non_null(strstr(f.told[2].text, "MiB resident"));
    until(&f, &f.told[1].over);
    fixture_end(&f);
}

static void a_host_that_cannot_join_does_not_start(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_cgroup cgroup = opened();
    procs = "/dev/full";
    start_waiting(&f, &cgroup);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_LOST_START);
    assert_non_null(strstr(f.told[1].text, strerror(ENOSPC)));
    fixture_end(&f);
}

/* ---- the kernel's ---- */

/* Whether a cgroup of v2 with a memory controller can be made; then `base` is one. */
static bool make_real(void)
{
    char text[64];
    snprintf(base, sizeof(base), "/sys/fs/cgroup/provost-test-%d", (int)getpid());
    if (mkdir(base, 0755) != 0) {
        base[0] = '\0';
        return false;
    }
    snprintf(text, sizeof(text), "%s", read_file("cgroup.controllers"));
    if (!strstr(text, "memory")) {
        rmdir(base);
        return false;
    }
    return true;
}

static void eat(size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; memory != MAP_FAILED && i < bytes; i += 4096) {
        memory[i] = 1;
    }
}

/* The daemon's part, in a process and a cgroup of its own. */
static int live(void)
{
    struct pv_cgroup cgroup;
    struct pv_err err = {0};
    int fd = -1;
    write_file("cgroup.procs", "0");
    pid_t spawner = fork();
    if (spawner == 0) {
        pause();
        _exit(0);
    }
    if (pv_cgroup_open_at(base, spawner, &cgroup, &err) != 0 ||
        pv_cgroup_make(&cgroup, 1, 32u << 20, &fd, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    pid_t host = fork();
    if (host == 0) {
        if (write(fd, "0", 1) != 1) {
            _exit(2);
        }
        eat(128u << 20);
        _exit(3);
    }
    int status = 0;
    waitpid(host, &status, 0);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool full = pv_cgroup_was_full(&cgroup, 1);
    bool gone = pv_cgroup_remove(&cgroup, 1);
    kill(spawner, SIGKILL);
    waitpid(spawner, NULL, 0);
    pv_cgroup_close(&cgroup);
    return killed && full && gone ? 0 : 4;
}

static void the_kernel_keeps_the_limit(void **state)
{
    (void)state;
    if (!make_real()) {
        print_message("skipped: no cgroup of v2 with a memory controller can be made here\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(live());
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_int_equal(rmdir(base), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_folder, remove_folder)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(what_is_delegated_is_used),
        T(what_was_enabled_before_stays_so),
        T(the_root_is_left_alone),
        T(what_is_not_delegated_is_left_alone),
        T(limits_that_cannot_be_enabled_move_everybody_back),
        T(a_group_that_cannot_be_limited_is_none),
        T(a_group_that_is_in_use_is_not_taken),
        T(a_host_is_in_its_group_before_it_runs),
        T(without_a_group_memory_is_watched),
        T(a_host_that_cannot_join_does_not_start),
        cmocka_unit_test(the_kernel_keeps_the_limit),
    };
    fake_host_path = argc > 1 ? argv[1] : "";
    return cmocka_run_group_tests(tests, NULL, NULL);
}

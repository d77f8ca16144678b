/* SPDX-License-Identifier: Apache-2.0 */
/* What a host may reach in the file system, by Landlock. A rule is bound to the file or folder that
 * stands at a path now, and holds for everything below it. */
#include "core/host/restrict.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of newer kernels than the headers this may be built with. */
#define FS_TRUNCATE (1ULL << 14)           /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15)          /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)           /* ABI 4 */
#define SCOPE_ABSTRACT_SOCKETS (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNALS (1ULL << 1)

struct attributes {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define WRITE                                                                                      \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                        \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER |       \
     FS_TRUNCATE)
/* Rights that a rule for a file, not a folder, may give. */
#define OF_FILES                                                                                   \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     FS_TRUNCATE | FS_IOCTL_DEV)

/* What libraries, TLS, name resolution and time zones read. Those that are not there are left out.
 */
static const char *const read_by_all[] = {
    "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib",
    "/etc/ld.so.cache", "/etc/ld.so.preload",
    /* certificates of the system, never its private keys */
    "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates", "/etc/ca-certificates", "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted", "/etc/gnutls", "/etc/crypto-policies",
    "/usr/share/crypto-policies",
    /* names */
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols",
    /* what local time it is, and how it is written */
    "/etc/localtime", "/usr/share/zoneinfo", "/usr/share/locale", "/etc/locale.alias",
    /* randomness */
    "/dev/urandom", "/dev/random", "/dev/zero"};

/* Programs look up who they run as, and read data that belongs to them. */
static const char *const read_by_programs[] = {"/usr/share", "/etc/passwd", "/etc/group"};

struct rules {
    int fd;
    uint64_t handled;
};

/* 0, or an errno. `flags` are further ones of open. */
static int allow_opened(const struct rules *rules, const char *path, int flags, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC | flags);
    if (fd < 0) {
        return errno;
    }
    struct stat st;
    int errnum = fstat(fd, &st) == 0 ? 0 : errno;
    rights &= S_ISDIR(st.st_mode) ? ~0ULL : OF_FILES;
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights & rules->handled,
                                                    .parent_fd = fd};
    if (errnum == 0 &&
        syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
        errnum = errno;
    }
    close(fd);
    return errnum;
}

static int allow(const struct rules *rules, const char *path, uint64_t rights)
{
    return allow_opened(rules, path, 0, rights);
}

static int allow_str(const struct rules *rules, struct pv_str path, uint64_t rights,
                     const char *what, struct pv_err *err)
{
    char text[PATH_MAX];
    if (pv_str_to_c(path, text, sizeof(text)) != 0) {
        return pv_err_set(err, PV_ETOOBIG, "%s: the path is too long", what);
    }
    int errnum = allow(rules, text, rights);
    return errnum == 0 ? 0
                       : pv_err_set(err, pv_status_from_errno(errnum), "%s %s: %s", what, text,
                                    strerror(errnum));
}

static int allow_each(const struct rules *rules, const struct pv_reach_paths *paths,
                      uint64_t rights, const char *what, struct pv_err *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        int status = allow_str(rules, paths->items[i], rights, what, err);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

/* What is not there, or cannot be reached by this user anyway, is left out. */
static void allow_known(const struct rules *rules, const char *const *paths, size_t count,
                        uint64_t rights)
{
    for (size_t i = 0; i < count; i++) {
        (void)!allow(rules, paths[i], rights);
    }
}

/* A resolver that replaces its file in a folder of its own (/run/systemd/resolve, …) would leave
 * the rule on a file that is gone: there the folder is readable. */
static void allow_resolver_folder(const struct rules *rules)
{
    char real[PATH_MAX];
    if (realpath("/etc/resolv.conf", real) == NULL || strncmp(real, "/run/", 5) != 0) {
        return;
    }
    char *slash = strrchr(real, '/');
    *slash = '\0';
    if (strlen(real) > strlen("/run")) {
        (void)!allow(rules, real, READ);
    }
}

/* Programs are started by the loader that they name. */
static void allow_loaders(const struct rules *rules)
{
    static const char *const patterns[] = {"/lib64/ld-linux*.so*", "/lib/ld-linux*.so*",
                                           "/lib/ld-musl-*.so*", "/lib/*/ld-linux*.so*"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) == 0) {
            for (size_t j = 0; j < found.gl_pathc; j++) {
                (void)!allow(rules, found.gl_pathv[j], RUN);
            }
            globfree(&found);
        }
    }
}

/* A script is started by the interpreter of its first line. */
static void allow_interpreter(const struct rules *rules, struct pv_str program)
{
    char path[PATH_MAX];
    char line[PATH_MAX];
    int fd = pv_str_to_c(program, path, sizeof(path)) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (got < 3 || memcmp(line, "#!", 2) != 0) {
        return;
    }
    line[got] = '\0';
    char *start = line + 2 + strspn(line + 2, " \t");
    start[strcspn(start, " \t\r\n")] = '\0';
    (void)!allow(rules, start, RUN);
}

static int allow_programs(const struct rules *rules, const struct pv_reach_paths *programs,
                          size_t count, const char *what, struct pv_err *err)
{
    for (size_t i = 0; i < count; i++) {
        int status = allow_str(rules, programs->items[i], RUN, what, err);
        if (status != 0) {
            return status;
        }
        allow_interpreter(rules, programs->items[i]);
    }
    if (count > 0) {
        allow_loaders(rules);
        allow_known(rules, read_by_programs, sizeof(read_by_programs) / sizeof(*read_by_programs),
                    READ);
    }
    return 0;
}

#if defined(PV_FAULTS) || defined(PV_SANITIZED)
/* The folder of a path that a variable of the environment has after `key` may be written. */
static void allow_folder_of(const struct rules *rules, const char *variable, const char *key)
{
    const char *text = getenv(variable);
    const char *at = text != NULL ? strstr(text, key) : NULL;
    if (at == NULL) {
        return;
    }
    at += strlen(key);
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, ":"), at);
    char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path) {
        *slash = '\0';
        (void)!allow(rules, path, WRITE);
    }
}
#endif

/* Sanitizers read /proc, write reports, and show lines of this program; crash points leave a file.
 */
static void allow_for_tests(const struct rules *rules)
{
#ifdef PV_FAULTS
    allow_folder_of(rules, "PROVOST_FAULTS", "");
#endif
#ifdef PV_SANITIZED
    (void)!allow(rules, "/proc", READ);
    (void)!allow(rules, "/proc/self/exe", READ);
    allow_folder_of(rules, "ASAN_OPTIONS", "log_path=");
    allow_folder_of(rules, "UBSAN_OPTIONS", "log_path=");
    allow_folder_of(rules, "LSAN_OPTIONS", "log_path=");
#endif
    (void)rules;
}

/* Of a command: a script that an interpreter is given, and modules of its own language, which stand
 * in a folder PROGRAM.d beside a program. A link or a file of that name grants nothing. */
static void allow_word(const struct rules *rules, struct pv_str word, bool itself)
{
    char path[PATH_MAX];
    if (word.len == 0 || word.ptr[0] != '/' || word.len + sizeof(".d") > sizeof(path)) {
        return;
    }
    snprintf(path, sizeof(path), "%.*s", PV_STR_ARG(word));
    if (itself) {
        (void)!allow(rules, path, READ);
    }
    snprintf(path, sizeof(path), "%.*s.d", PV_STR_ARG(word));
    (void)!allow_opened(rules, path, O_DIRECTORY | O_NOFOLLOW, READ);
}

static int add_rules(const struct rules *rules, const struct pv_reach *reach, struct pv_err *err)
{
    allow_known(rules, read_by_all, sizeof(read_by_all) / sizeof(read_by_all[0]), READ);
    (void)!allow(rules, "/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE);
    allow_resolver_folder(rules);
    allow_for_tests(rules);
    int status = 0;
    if (reach->module.len > 0) {
        status = allow_str(rules, reach->module, READ, "module", err);
    }
    if (status == 0 && reach->data_dir.len > 0) {
        status = allow_str(rules, reach->data_dir, WRITE, "data folder", err);
    }
    if (status == 0) {
        status = allow_each(rules, &reach->read, READ, "grants.read:", err);
    }
    if (status == 0) {
        status = allow_each(rules, &reach->write, WRITE, "grants.write:", err);
    }
    if (status == 0) {
        status = allow_programs(rules, &reach->exec, reach->exec.count, "grants.exec:", err);
    }
    for (size_t i = 0; i < reach->command.count; i++) {
        allow_word(rules, reach->command.items[i], i > 0);
    }
    if (status == 0) {
        status = allow_programs(rules, &reach->command, reach->command.count > 0 ? 1 : 0,
                                "command:", err);
    }
    return status;
}

int pv_landlock_apply(const struct pv_reach *reach, int abi, struct pv_err *err)
{
    struct attributes attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1};
    size_t size = sizeof(attr.handled_access_fs);
    attr.handled_access_fs |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    attr.handled_access_fs |= abi >= 3 ? FS_TRUNCATE : 0;
    attr.handled_access_fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    if (abi >= 4) {
        attr.handled_access_net = NET_BIND_TCP;
        size = offsetof(struct attributes, scoped);
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        size = sizeof(attr);
    }
    struct rules rules = {.handled = attr.handled_access_fs};
    rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (rules.fd < 0) {
        return pv_err_set(err, PV_EUNSUPPORTED, "Landlock: %s", strerror(errno));
    }
    int status = add_rules(&rules, reach, err);
    if (status == 0 && syscall(SYS_landlock_restrict_self, rules.fd, 0) != 0) {
        status = pv_err_set(err, PV_EUNSUPPORTED, "Landlock: %s", strerror(errno));
    }
    close(rules.fd);
    return status;
}

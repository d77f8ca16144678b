/* SPDX-License-Identifier: Apache-2.0 */
/* Which system calls a host may make. The list says what is refused: what Landlock does not rule
 * (attributes of files, processes, sockets, the kernel's own interfaces), and on older kernels what
 * it does not rule yet. A refused call fails; it ends nobody. */
#include "core/host/restrict.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAMILY_LAST AF_NETLINK
#define SOCKET_TYPE 0xf
#define IOCTL_TIOCSTI 0x5412
#define IOCTL_TIOCLINUX 0x541c
#define IOCTL_FIOSETOWN 0x8901
#define IOCTL_SIOCSPGRP 0x8902

struct filter {
    scmp_filter_ctx ctx;
    int failed; /* the first negative errno */
};

/* Refused whatever the reach says. A name that this libseccomp does not know is a call that no
 * kernel of its time had; those that came later stand below by number. */
static const char *const refused[] = {
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease",
    "kcmp", "pidfd_getfd", "migrate_pages", "move_pages", "tkill",
    /* the kernel and the machine */
    "bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "syslog", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
    "iopl", "ioperm", "vhangup", "lookup_dcookie", "nfsservctl", "uselib", "ustat", "_sysctl",
    "userfaultfd", "modify_ldt", "vm86", "vm86old", "fanotify_init",
    /* keys, and what several processes share by a number */
    "keyctl", "add_key", "request_key", "shmget", "shmat", "shmctl", "semget", "semctl", "semop",
    "semtimedop", "msgget", "msgctl", "msgsnd", "msgrcv", "mq_open", "mq_unlink",
    /* namespaces and mounts */
    "unshare", "setns", "chroot", "pivot_root", "mount", "umount", "umount2", "move_mount",
    "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "personality",
    "name_to_handle_at", "open_by_handle_at",
    /* attributes of files, which Landlock does not rule */
    "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "chown32", "fchown32",
    "lchown32", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    "utime", "utimes", "futimesat", "mknod", "mknodat",
    /* nobody calls a host */
    "listen", "accept", "accept4"};

/* The same, later than libseccomp 2.5: numbers are equal on all machines since 424. */
static const int refused_numbers[] = {452 /* fchmodat2 */, 463 /* setxattrat */,
                                      466 /* removexattrat */, 467 /* open_tree_attr */,
                                      469 /* file_setattr */};

/* Answered as by a kernel that does not have them: callers fall back on what the filter can see
 * through. */
static const char *const absent[] = {"clone3", "io_uring_setup", "io_uring_enter",
                                     "io_uring_register"};

static void add(struct filter *f, int errnum, int number, const struct scmp_arg_cmp *args,
                unsigned count)
{
    if (number == __NR_SCMP_ERROR || f->failed != 0) {
        return;
    }
    int failed =
        seccomp_rule_add_array(f->ctx, SCMP_ACT_ERRNO((uint32_t)errnum), number, count, args);
    /* EDOM, EEXIST: this machine has no such call, or an equal rule is there */
    f->failed = failed == -EDOM || failed == -EEXIST ? 0 : failed;
}

static void refuse(struct filter *f, int errnum, const char *name)
{
    add(f, errnum, seccomp_syscall_resolve_name(name), NULL, 0);
}

/* Refuses a call when one of its arguments compares so. The kernel looks at 32 bits of an int, so
 * an equal value is compared under a mask; unequal ones are compared whole, which refuses more. */
static void refuse_if(struct filter *f, int errnum, const char *name, struct scmp_arg_cmp arg)
{
    add(f, errnum, seccomp_syscall_resolve_name(name), &arg, 1);
}

static struct scmp_arg_cmp bits(unsigned at, uint32_t mask, uint32_t value)
{
    return (struct scmp_arg_cmp){
        .arg = at, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static struct scmp_arg_cmp is(unsigned at, uint32_t value)
{
    return bits(at, UINT32_MAX, value);
}

static struct scmp_arg_cmp is_not(unsigned at, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = at, .op = SCMP_CMP_NE, .datum_a = value};
}

/* IPv4 and IPv6 with streams and datagrams; netlink for what name resolution asks of the kernel;
 * Unix sockets where granted, and pairs of streams, which cannot be connected elsewhere. */
static void refuse_sockets(struct filter *f, const struct pv_reach *reach)
{
    int call = seccomp_syscall_resolve_name("socket");
    for (int family = 0; family < FAMILY_LAST; family++) {
        bool unix_granted = family == AF_UNIX && reach->unix_sockets.count > 0;
        if (family != AF_INET && family != AF_INET6 && !unix_granted) {
            refuse_if(f, EACCES, "socket", is(0, (uint32_t)family));
        }
    }
    refuse_if(f, EACCES, "socket",
              (struct scmp_arg_cmp){.arg = 0, .op = SCMP_CMP_GT, .datum_a = FAMILY_LAST});
    static const uint32_t inet[] = {AF_INET, AF_INET6};
    static const uint32_t types[] = {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET};
    for (size_t i = 0; i < sizeof(inet) / sizeof(inet[0]); i++) {
        for (size_t j = 0; j < sizeof(types) / sizeof(types[0]); j++) {
            const struct scmp_arg_cmp both[] = {is(0, inet[i]), bits(1, SOCKET_TYPE, types[j])};
            add(f, EACCES, call, both, 2);
        }
    }
    const struct scmp_arg_cmp netlink[] = {is(0, AF_NETLINK), is_not(2, 0)};
    add(f, EACCES, call, netlink, 2);
    refuse_if(f, EACCES, "socketpair", is_not(0, AF_UNIX));
    for (uint32_t type = 0; type <= SOCKET_TYPE; type++) {
        if (type != SOCK_STREAM) {
            refuse_if(f, EACCES, "socketpair", bits(1, SOCKET_TYPE, type));
        }
    }
}

/* Without `exec` no process is made and none becomes another program; threads may be. */
static void refuse_processes(struct filter *f, const struct pv_reach *reach)
{
    bool may_fork = reach->exec.count > 0;
    if (!may_fork && reach->command.count == 0) {
        refuse(f, EPERM, "execve");
    }
    refuse(f, EPERM, "execveat"); /* would run what has no path */
    static const uint32_t spaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        refuse_if(f, EPERM, "clone", bits(0, spaces[i], spaces[i]));
    }
#ifndef PV_SANITIZED /* LeakSanitizer looks for leaks in a process of its own */
    if (!may_fork) {
        refuse(f, EPERM, "fork");
        refuse(f, EPERM, "vfork");
        refuse_if(f, EPERM, "clone", bits(0, CLONE_THREAD, 0));
    }
#endif
}

/* Signals go to this process only, which a program that it becomes still is. With `exec`, and where
 * Landlock rules signals, they may go to what it started; where Landlock does not, to whatever its
 * user may signal. */
static void refuse_signals(struct filter *f, const struct pv_reach *reach)
{
    static const char *const owners[] = {"fcntl", "fcntl64"};
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        refuse_if(f, EPERM, owners[i], is(1, F_SETOWN));
        refuse_if(f, EPERM, owners[i], is(1, F_SETOWN_EX));
    }
    refuse_if(f, EPERM, "ioctl", is(1, IOCTL_FIOSETOWN));
    refuse_if(f, EPERM, "ioctl", is(1, IOCTL_SIOCSPGRP));
    if (reach->exec.count > 0) {
        return;
    }
    static const char *const calls[] = {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        refuse_if(f, EPERM, calls[i], is_not(0, (uint64_t)getpid()));
    }
    refuse(f, EPERM, "pidfd_send_signal");
}

/* What other processes of the same user would feel. */
static void refuse_neighbours(struct filter *f)
{
    static const char *const first_is_pid[] = {"prlimit64", "sched_setscheduler", "sched_setparam",
                                               "sched_setattr", "sched_setaffinity"};
    for (size_t i = 0; i < sizeof(first_is_pid) / sizeof(first_is_pid[0]); i++) {
        refuse_if(f, EPERM, first_is_pid[i], is_not(0, 0));
    }
    refuse_if(f, EPERM, "setpriority", is_not(0, 0));
    refuse_if(f, EPERM, "setpriority", is_not(1, 0));
    refuse_if(f, EPERM, "ioprio_set", is_not(0, 1));
    refuse_if(f, EPERM, "ioprio_set", is_not(1, 0));
    refuse_if(f, EPERM, "ioctl", is(1, IOCTL_TIOCSTI));
    refuse_if(f, EPERM, "ioctl", is(1, IOCTL_TIOCLINUX));
}

/* It stays as it was restricted. (A leak checker makes itself dumpable and traces its parent.) */
static void refuse_loosening(struct filter *f)
{
#ifdef PV_SANITIZED
    (void)f;
#else
    const int call = seccomp_syscall_resolve_name("prctl");
    const struct scmp_arg_cmp dumpable[] = {is(0, PR_SET_DUMPABLE), is_not(1, 0)};
    const struct scmp_arg_cmp tie[] = {is(0, PR_SET_PDEATHSIG), is_not(1, 9 /* SIGKILL */)};
    add(f, EPERM, call, dumpable, 2);
    add(f, EPERM, call, tie, 2);
    refuse_if(f, EPERM, "prctl", is(0, PR_SET_PTRACER));
    refuse_if(f, EPERM, "prctl", is(0, PR_SET_CHILD_SUBREAPER));
#endif
}

/* Landlock rules truncation from ABI 3 on. Opening for writing is ruled before. */
static void refuse_truncation(struct filter *f, int landlock_abi)
{
    if (landlock_abi >= 3) {
        return;
    }
    refuse(f, EPERM, "truncate");
    refuse(f, EPERM, "truncate64");
    refuse(f, ENOSYS, "openat2"); /* its flags stand in memory, where a filter does not look */
    static const struct {
        const char *name;
        unsigned flags_at;
    } calls[] = {{"open", 1}, {"openat", 2}};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const uint32_t mask = O_ACCMODE | O_TRUNC;
        refuse_if(f, EPERM, calls[i].name, bits(calls[i].flags_at, mask, O_RDONLY | O_TRUNC));
        refuse_if(f, EPERM, calls[i].name, bits(calls[i].flags_at, mask, O_ACCMODE | O_TRUNC));
    }
}

static void fill(struct filter *f, const struct pv_reach *reach, int landlock_abi)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
#ifdef PV_SANITIZED /* what looks for leaks traces the process it came from */
        if (strcmp(refused[i], "ptrace") == 0) {
            continue;
        }
#endif
        refuse(f, EPERM, refused[i]);
    }
    for (size_t i = 0; i < sizeof(refused_numbers) / sizeof(refused_numbers[0]); i++) {
        add(f, EPERM, refused_numbers[i], NULL, 0);
    }
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        refuse(f, ENOSYS, absent[i]);
    }
    /* The time of a file that is open may be set; that of one at a path may not. */
    refuse_if(f, EPERM, "utimensat", is_not(1, 0));
    refuse_sockets(f, reach);
    refuse_processes(f, reach);
    refuse_signals(f, reach);
    refuse_neighbours(f);
    refuse_loosening(f);
    refuse_truncation(f, landlock_abi);
}

int pv_seccomp_apply(const struct pv_reach *reach, int landlock_abi, struct pv_err *err)
{
    struct filter f = {.ctx = seccomp_init(SCMP_ACT_ALLOW)};
    if (f.ctx == NULL) {
        return pv_err_set(err, PV_ENOMEM, "seccomp: out of memory");
    }
    f.failed = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_NNP, 0); /* it is set already */
    fill(&f, reach, landlock_abi);
    if (f.failed == 0) {
        f.failed = seccomp_load(f.ctx);
    }
    seccomp_release(f.ctx);
    return f.failed == 0 ? 0 : pv_err_set(err, PV_EUNSUPPORTED, "seccomp: %s", strerror(-f.failed));
}

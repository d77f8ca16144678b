/* SPDX-License-Identifier: Apache-2.0 */
/* The reach of a host: what its process may reach at all. Whoever starts a host hands it
 * over as descriptor 5, a file that is read from its start; the host puts it into force before it
 * loads or runs anything foreign. Any thread. */
#ifndef PV_WIRE_REACH_H
#define PV_WIRE_REACH_H

#include "core/base/buf.h"

#define PV_REACH_VERSION 1
#define PV_REACH_FD 5
#define PV_REACH_PATHS_MAX 64
#define PV_REACH_BYTES_MAX ((size_t)1024 * 1024)

enum pv_reach_flag {
    /* Where the kernel lacks something, go on without it; else the host refuses to start. */
    PV_REACH_BEST_EFFORT = 1u << 0,
    /* It may do what its user may; paths say nothing. */
    PV_REACH_UNCONFINED = 1u << 1,
    /* It runs as uid and gid, without other groups. */
    PV_REACH_USER = 1u << 2,
};

struct pv_reach_paths {
    struct pv_str items[PV_REACH_PATHS_MAX];
    size_t count;
};

/* Paths are absolute. Nothing in it is a secret. */
struct pv_reach {
    uint32_t flags; /* enum pv_reach_flag */
    uint32_t uid;   /* with PV_REACH_USER */
    uint32_t gid;
    struct pv_str data_dir;             /* the one folder that may be written; none: nothing may */
    struct pv_str module;               /* the shared object that is loaded; or none */
    struct pv_reach_paths read;         /* files and folders, beyond what every host needs */
    struct pv_reach_paths write;        /* the same, to be written as well */
    struct pv_reach_paths exec;         /* programs that may be started; none: no process may be */
    struct pv_reach_paths unix_sockets; /* that may be connected to; none: no Unix socket at all */
    struct pv_reach_paths command;      /* the words of a host that is a program of its own: the
                                          launcher becomes it; none: the host is provost-host */
};

/* In the order in which they are granted. */
enum pv_reach_kind { PV_REACH_READ, PV_REACH_WRITE, PV_REACH_EXEC, PV_REACH_UNIX_SOCKETS };
#define PV_REACH_KINDS 4

/* What a reach is made of; all of it is borrowed. */
struct pv_reach_parts {
    bool required; /* a kernel that lacks something is an error */
    bool confined;
    struct pv_str data_dir;
    struct pv_str module;          /* where there is no command */
    const char *const *command;    /* NULL-terminated; or NULL */
    const struct pv_strs *granted; /* by enum pv_reach_kind */
};

/* The reach of an instance's host: of provostd and of `provost plugin` alike. PV_ETOOBIG with the
 * sentence: too many paths of one kind, or words. */
int pv_reach_make(const struct pv_reach_parts *parts, struct pv_reach *ret_reach,
                  struct pv_err *err) PV_MUST_CHECK;
/* PV_ETOOBIG when there is no room for one more. Borrows the path. */
int pv_reach_add(struct pv_reach_paths *paths, struct pv_str path) PV_MUST_CHECK;
/* Appends the bytes of the reach; a failure sticks in out->status. */
void pv_reach_put(struct pv_buf *out, const struct pv_reach *reach);
/* Reads what pv_reach_put wrote; strings borrow from bytes. PV_ESYNTAX, PV_ETOOBIG, or
 * PV_EUNSUPPORTED for another version. */
int pv_reach_get(struct pv_str bytes, struct pv_reach *ret_reach) PV_MUST_CHECK;
/* The reach in a sealed memory file: what a host gets as descriptor 5. */
int pv_reach_to_fd(const struct pv_reach *reach, int *ret_fd, struct pv_err *err) PV_MUST_CHECK;

#endif

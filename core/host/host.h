/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin host: loads one plugin instance and runs its steps and queries as coroutines on a libuv
 * loop. It speaks the frames of core/wire through callbacks, so that provost-host (over a socket),
 * `provost plugin run` and tests (in process) run plugins by the same code. Loop thread only. */
#ifndef PV_HOST_HOST_H
#define PV_HOST_HOST_H

#include "core/base/clock.h"
#include "core/wire/page.h"
#include "core/wire/reach.h"
#include "core/wire/wire.h"
#include "provost/plugin.h"

#include <uv.h>

struct pv_host;

struct pv_host_opts {
    struct pv_page *page; /* borrowed, PV_PAGE_SLOTS; NULL: one of the host's own */
    /* A plugin that is linked into the program; NULL: the module that HELLO names is loaded. */
    const struct provost_plugin *plugin;
    const struct pv_clock *clock; /* NULL: pv_clock_system */
    const struct pv_rng *rng;     /* NULL: pv_rng_system */
    bool own_process;             /* HELLO's data_dir becomes the working directory */
    bool trace;                   /* a debug LOG frame for each external call */
    /* http goes to public addresses, to what URLs of the settings name, and to Unix sockets of
     * `reach` only. */
    bool guarded;
    const struct pv_reach *reach; /* of this process; borrowed; NULL: none */
};

struct pv_host_callbacks {
    /* Whole frames for the daemon; bytes are borrowed. Called from the loop, and from pv_host_feed.
     */
    void (*out)(void *user, struct pv_str bytes);
    /* No call is in flight and none will be: 0 after STOP, pv_host_stop or a description; 3 after a
     * FAULT; 4 when the input made no sense or memory ran out (calls are canceled first). Once.
     * Call pv_host_close from it, or later. */
    void (*ended)(void *user, int exit_status);
    void *user;
};

/* callbacks are copied, what opts points to is borrowed until the host is closed. Nothing runs
 * before the HELLO frame is fed. SIGPIPE is ignored from here on. */
int pv_host_new(uv_loop_t *loop, const struct pv_host_opts *opts,
                const struct pv_host_callbacks *callbacks, struct pv_host **ret_host,
                struct pv_err *err) PV_MUST_CHECK;
/* Bytes from the daemon, in pieces of any size; copied as far as needed. PV_ESYNTAX, PV_ETOOBIG or
 * PV_ENOMEM: `ended` is called with 4, later or at once. */
int pv_host_feed(struct pv_host *host, struct pv_str bytes) PV_MUST_CHECK;
/* As the frame STOP: cancels every call and ends when the last has answered. */
void pv_host_stop(struct pv_host *host);
size_t pv_host_calls(const struct pv_host *host);
/* Calls the plugin's close, closes every handle, frees the host, then calls closed(user), later.
 * No call may be in flight. */
void pv_host_close(struct pv_host *host, void (*closed)(void *user), void *user);

/* Loads a module and appends the JSON of docs/wire.md ("The description"). Runs the module's
 * constructors, its entry function and, where settings are given (JSON without SECRET fields; NULL:
 * none), its `declare` in this process. */
int pv_host_describe(const char *module, const char *settings, struct pv_buf *out,
                     struct pv_err *err) PV_MUST_CHECK;

#endif

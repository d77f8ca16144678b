/* SPDX-License-Identifier: Apache-2.0 */
/* A provost-host as a child process, spoken to with the frames of core/wire, one call at a time.
 * Blocks; one thread. */
#ifndef PV_CLI_CHILD_H
#define PV_CLI_CHILD_H

#include "core/wire/page.h"
#include "core/wire/reach.h"
#include "core/wire/wire.h"

#include <sys/types.h>

struct pv_child;

struct pv_child_options {
    const char *host;             /* path of provost-host */
    const char *module;           /* absolute path */
    const char *instance;         /* its name */
    const char *data_dir;         /* becomes the plugin's working directory */
    const struct pv_reach *reach; /* borrowed until it has started; data_dir is filled in */
    struct pv_str settings;
    int64_t stuck_after_ms; /* a loop that stands still for so long is killed */
};

/* Starts it and waits for READY. PV_EINVAL with the sentence of a FAULT: the module cannot be used;
 * PV_ECLOSED: it ended; PV_EIO: it could not be started. */
int pv_child_start(const struct pv_child_options *options, struct pv_child **ret_child,
                   struct pv_err *err) PV_MUST_CHECK;
/* Sends whole frames. PV_ECLOSED when the host is gone. */
int pv_child_send(struct pv_child *child, const struct pv_buf *frames) PV_MUST_CHECK;
/* The next frame; what it shows is borrowed until the next call. PV_ETIMEOUT: none for a while (a
 * fifth of a second), or a signal came: ask again; PV_ECLOSED: the host is gone; PV_ESYNTAX: what
 * it sent makes no sense. */
int pv_child_next(struct pv_child *child, struct pv_frame *ret_frame) PV_MUST_CHECK;
/* How far a call got, for a slot of the status page. */
uint32_t pv_child_mark(const struct pv_child *child, uint32_t slot);
pid_t pv_child_pid(const struct pv_child *child);
/* SIGKILL; the next read finds it gone. */
void pv_child_kill(struct pv_child *child);
/* The call on the processor when it ended (0: none), and what happened to it: "was ended by signal
 * 11 (Segmentation fault)". Waits for the process. */
uint64_t pv_child_post_mortem(struct pv_child *child, char *out, size_t out_size);
/* Stops it (kills what does not stop within 3 s) and frees. NULL is legal. */
void pv_child_stop(struct pv_child *child);

#endif

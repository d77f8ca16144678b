/* SPDX-License-Identifier: Apache-2.0 */
/* The files of `provost support-bundle`. Blocks; one thread. */
#ifndef PV_CLI_BUNDLE_H
#define PV_CLI_BUNDLE_H

#include "core/cli/cli.h"

#include <signal.h>

#define PV_BUNDLE_FILES 32

struct pv_bundle {
    struct pv_cli *cli;
    int dir;         /* the folder, open */
    const char *log; /* a file, or "-"; NULL: none */
    /* what may be in the folder; a signal handler may read it */
    const char *volatile names[PV_BUNDLE_FILES];
    volatile sig_atomic_t count;
};

/* Appends text with every e-mail address replaced by "(e-mail)". */
int pv_bundle_mask(struct pv_str text, struct pv_buf *out) PV_MUST_CHECK;
/* Writes a new file into the folder, e-mail addresses masked. The name outlives the bundle. */
int pv_bundle_write(struct pv_bundle *bundle, const char *name, struct pv_str text,
                    struct pv_err *err) PV_MUST_CHECK;
/* Writes all of them. Whatever the daemon does not answer is noted in its file; an error is one of
 * writing. */
int pv_bundle_fill(struct pv_bundle *bundle, struct pv_err *err) PV_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that are programs of their own, in any language: provost-host restricts itself and becomes
 * them. docs/wire.md, "A host in another language", says what such a program is given. */
#ifndef PV_HOST_LAUNCH_H
#define PV_HOST_LAUNCH_H

#include "core/base/buf.h"

/* Becomes the program; words are its arguments and end with NULL. Returns only when it cannot: the
 * sentence is in err. */
int pv_launch(char *const *words, struct pv_err *err) PV_MUST_CHECK;
/* Starts the program with a socket and a status page of its own, and appends what it says of itself
 * to `out`. settings: JSON without SECRET members; none: of every instance. Blocks until it has
 * answered or ended: whoever calls has a time limit. PV_EINVAL: its FAULT, or it cannot be used;
 * PV_ESYNTAX: what it sent makes no sense; PV_ECLOSED: it ended. `restrict_self` is called in the
 * child before it becomes the program. */
int pv_launch_describe(char *const *words, struct pv_str settings,
                       int (*restrict_self)(char *const *words, struct pv_err *err),
                       struct pv_buf *out, struct pv_err *err) PV_MUST_CHECK;

#endif

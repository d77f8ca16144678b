/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of names, as libcurl's CURLOPT_RESOLVE takes them: one look-up a name however many want
 * it, kept for as long as its TTL says, a minute at most. libcurl itself never resolves: its own
 * resolver starts a thread a name and blocks the loop when a request is canceled. Loop thread only.
 */
#ifndef PV_NET_NAMES_H
#define PV_NET_NAMES_H

#include "core/base/clock.h"
#include "core/base/list.h"

#include <uv.h>

#define PV_NAMES_ADDRESSES 8
#define PV_NAMES_TEXT (PV_NAMES_ADDRESSES * 49) /* INET6_ADDRSTRLEN and "[],": 46 + 3 */

struct pv_names;

/* Somebody who waits for the addresses of a name. */
struct pv_lookup {
    struct pv_link link;
    /* Runs inside c-ares: must not start or end look-ups. error is NULL, or why there are none. */
    void (*done)(struct pv_lookup *lookup, const char *error);
    char text[PV_NAMES_TEXT]; /* "192.0.2.1,[2001:db8::1]" */
};

/* Borrows the clock. closed(user), which may be NULL: see pv_names_close. */
int pv_names_new(uv_loop_t *loop, const struct pv_clock *clock, void (*closed)(void *user),
                 void *user, struct pv_names **ret_names) PV_MUST_CHECK;
/* true: lookup->text holds them already (a name asked for a moment ago, localhost). */
bool pv_names_known(struct pv_names *names, const char *name, struct pv_lookup *lookup);
/* Calls lookup->done once, unless it is canceled; perhaps before it returns. PV_ENOMEM. */
int pv_names_ask(struct pv_names *names, const char *name, struct pv_lookup *lookup) PV_MUST_CHECK;
/* done is not called any more. Legal when it has been. */
void pv_names_cancel(struct pv_lookup *lookup);
/* Whoever still waits is told, now. closed(user) runs when the handles are closed; it does not when
 * no name was ever asked for (false). */
bool pv_names_close(struct pv_names *names);

#endif

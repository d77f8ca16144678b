/* SPDX-License-Identifier: Apache-2.0 */
/* Stands between a plugin and its backends: passes requests on, notes each exchange, and lets one
 * go wrong in a given way. An HTTP server on free ports of the loopback, with a thread of its own;
 * one request at a time. */
#ifndef PV_CLI_PROXY_H
#define PV_CLI_PROXY_H

#include "core/base/buf.h"

#include <jansson.h>

struct pv_proxy;

enum pv_fault {
    PV_FAULT_NONE = 0,
    PV_FAULT_BUSY,        /* 429 with Retry-After, nothing is done */
    PV_FAULT_DENIED,      /* 401, nothing is done */
    PV_FAULT_BROKEN,      /* 500 with HTML, nothing is done */
    PV_FAULT_LOST,        /* carried out, and no answer */
    PV_FAULT_CUT,         /* carried out; half of the answer's body */
    PV_FAULT_TYPES,       /* carried out; every value of the JSON has another type */
    PV_FAULT_MARKUP,      /* carried out; HTML in place of the body */
    PV_FAULT_HUGE,        /* carried out; a body of 100 MiB */
    PV_FAULT_BLOAT,       /* carried out; every text of the JSON is 70 KB longer */
    PV_FAULT_HOLD,        /* nothing is done, and no answer until the plugin hangs up */
    PV_FAULT_KILL_BEFORE, /* the host is killed, nothing is done */
    PV_FAULT_KILL_AFTER,  /* carried out, then the host is killed */
};

struct pv_proxy_plan {
    enum pv_fault fault;
    size_t at;    /* the first request it happens to, from 1 */
    size_t times; /* to so many requests; SIZE_MAX: to all that follow */
    void (*kill)(void *ctx);
    void *ctx;
};

int pv_proxy_new(struct pv_proxy **ret_proxy, struct pv_err *err) PV_MUST_CHECK;
/* Stops the thread and frees. NULL is legal. */
void pv_proxy_free(struct pv_proxy *proxy);
/* Where the path begins in a URL that leads to a backend (http, https, unix:/path.sock with or
 * without :/path); NULL: it is no such one. */
const char *pv_proxy_path_of(const char *url);
/* Before pv_proxy_start: an address of ours for a backend's URL, with the same path. Borrowed. */
int pv_proxy_add(struct pv_proxy *proxy, const char *url, const char **ret_url,
                 struct pv_err *err) PV_MUST_CHECK;
int pv_proxy_start(struct pv_proxy *proxy, struct pv_err *err) PV_MUST_CHECK;

/* Forgets the exchanges, counts from 1 again, and plans a fault (NULL: none). */
void pv_proxy_begin(struct pv_proxy *proxy, const struct pv_proxy_plan *plan);
/* The exchanges since then: an array of {"method", "path", "key"? (Idempotency-Key), "request"?,
 * "headers", "status" (0: no answer was given), "response"?, "said"? (headers of the answer),
 * "carried": whether the backend saw it, "backend": which, "here": the proxy's address for it}. The
 * caller's reference. */
json_t *pv_proxy_ledger(struct pv_proxy *proxy);
/* A request is being held (PV_FAULT_HOLD). */
bool pv_proxy_holds(struct pv_proxy *proxy);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on a libuv loop. Loop thread only. */
#ifndef PV_NET_MULTI_H
#define PV_NET_MULTI_H

#include "core/base/status.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

struct pv_multi;

/* A transfer under way. done runs inside a callback of the loop, after the easy handle has been
 * taken out of the multi handle; it must not add or remove transfers. */
struct pv_transfer {
    CURL *easy;
    void (*done)(struct pv_transfer *transfer, CURLcode code);
    /* private; zero before it is added */
    bool starved;
    struct pv_transfer *next;
};

int pv_multi_new(uv_loop_t *loop, struct pv_multi **ret_multi) PV_MUST_CHECK;
/* No transfer is under way any more. closed(user), which may be NULL, runs when its handles are
 * closed and its memory is freed. */
void pv_multi_close(struct pv_multi *multi, void (*closed)(void *user), void *user);

/* An easy handle with defaults only, from a small stock; NULL when out of memory. */
CURL *pv_multi_easy(struct pv_multi *multi);
void pv_multi_easy_free(struct pv_multi *multi, CURL *easy);
/* Sets CURLOPT_PRIVATE. */
int pv_multi_add(struct pv_multi *multi, struct pv_transfer *transfer) PV_MUST_CHECK;
/* Takes it out before it is done; done is not called. */
void pv_multi_remove(struct pv_multi *multi, struct pv_transfer *transfer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on the host's loop. Loop thread only. */
#ifndef PV_HOST_MULTI_H
#define PV_HOST_MULTI_H

#include "core/host/internal.h"

#include <curl/curl.h>

/* A transfer under way. done runs inside a callback of the loop, after the easy handle has been
 * taken out of the multi handle; it must not add or remove transfers. */
struct pv_transfer {
    CURL *easy;
    void (*done)(struct pv_transfer *transfer, CURLcode code);
};

/* An easy handle with defaults only, from a small stock; NULL when out of memory. */
CURL *pv_http_easy(struct pv_http *http);
void pv_http_easy_free(struct pv_http *http, CURL *easy);
/* Sets CURLOPT_PRIVATE. */
int pv_http_add(struct pv_http *http, struct pv_transfer *transfer) PV_MUST_CHECK;
/* Takes it out before it is done; done is not called. */
void pv_http_remove(struct pv_http *http, struct pv_transfer *transfer);

#endif

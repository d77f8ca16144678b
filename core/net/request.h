/* SPDX-License-Identifier: Apache-2.0 */
/* What every request that leaves Provost has in common, whoever sends it: HTTP/1.1 over TCP or a
 * Unix socket, certificates checked, no redirect followed, no proxy of the environment, no signal
 * and no look-up of libcurl's own. Any thread. */
#ifndef PV_NET_REQUEST_H
#define PV_NET_REQUEST_H

#include "core/base/status.h"
#include "core/net/url.h"

#include <curl/curl.h>

#define PV_REQUEST_CONNECT_MS 10000L /* a connection must stand by then */

/* All of it is borrowed until the transfer has ended. */
struct pv_request {
    const struct pv_url *url;
    const char *addresses;      /* of url->host, as pv_lookup.text; NULL or "": none are needed */
    struct curl_slist *headers; /* whole lines; "Expect:" keeps libcurl from adding one */
    const char *user_agent;
    const char *ca_file; /* NULL: those of the system */
    long timeout_ms;
    long idle_reuse_s; /* a connection that was idle for longer is not used again */
    char *error;       /* CURL_ERROR_SIZE bytes */
    curl_write_callback head;
    curl_write_callback body;
    void *user; /* of both */
};

/* Adds a line to a list that may be NULL. PV_ENOMEM: it is as it was. */
int pv_request_header(struct curl_slist **list, const char *line) PV_MUST_CHECK;
/* Sets the options of an easy handle that has defaults only. ret_resolve goes to
 * curl_slist_free_all when the transfer has ended; it may come out NULL. PV_ENOMEM. */
int pv_request_set(CURL *easy, const struct pv_request *request,
                   struct curl_slist **ret_resolve) PV_MUST_CHECK;
/* A body: borrows it until the transfer has ended. The method becomes POST. */
void pv_request_body(CURL *easy, struct pv_str body);

#endif

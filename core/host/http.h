/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an HTTP request that can be judged without a network: addresses, headers, what an
 * error of libcurl means. Any thread. */
#ifndef PV_HOST_HTTP_H
#define PV_HOST_HTTP_H

#include "core/base/str.h"
#include "provost/plugin.h"

#include <curl/curl.h>

/* Where a request goes. */
struct pv_url {
    char *url;   /* what libcurl is given; without the socket's path and a final dot of the host */
    char *shown; /* scheme, host, port and path: no password, no query; for logs */
    char *host;  /* "" with a socket */
    char *port;
    char *socket_path; /* NULL: TCP */
    bool literal;      /* host is an IP address */
};

/* Reads "http://…", "https://…" or "unix:/path.sock:/request/path". PV_EINVAL with the sentence. */
int pv_url_parse(const char *text, struct pv_url *ret_url, struct pv_err *err) PV_MUST_CHECK;
void pv_url_done(struct pv_url *url);

/* "Name: value" without line breaks and none of the headers that the host sets; else PV_EINVAL. */
int pv_http_check_header(const char *line, struct pv_err *err) PV_MUST_CHECK;
bool pv_http_good_method(const char *method);
/* GET, HEAD and OPTIONS may always be repeated. */
bool pv_http_safe_method(const char *method);
/* The value of Retry-After: seconds or an HTTP date, judged at wall_ms. -1 when it is neither; a
 * day at most. */
int64_t pv_http_retry_after(struct pv_str value, int64_t wall_ms);
/* The first value of a header in raw header lines; {NULL, 0} when it is not there. */
struct pv_str pv_http_header(struct pv_str lines, const char *name);
/* What it means for the plugin: enum provost_error. sent: at least a part of a request may have
 * left. */
int pv_http_error(CURLcode code, bool sent);

#endif

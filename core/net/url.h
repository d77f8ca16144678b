/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request goes, and what header lines say. Any thread. */
#ifndef PV_NET_URL_H
#define PV_NET_URL_H

#include "core/base/str.h"

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

/* The server of the latest URL, since most of a caller's are at the same: then only the path is
 * read, which takes a tenth of the time, and little stack. {0}: none. */
struct pv_url_server {
    char *text; /* scheme and authority, as they were written */
    struct pv_url url;
    size_t begin_len; /* of url.url: what comes before the path */
};
/* As pv_url_parse. */
int pv_url_parse_at(struct pv_url_server *server, const char *text, struct pv_url *ret_url,
                    struct pv_err *err) PV_MUST_CHECK;
void pv_url_server_done(struct pv_url_server *server);

/* The value of Retry-After: seconds or an HTTP date, judged at wall_ms. -1 when it is neither; a
 * day at most. */
int64_t pv_url_retry_after(struct pv_str value, int64_t wall_ms);
/* The first value of a header in raw header lines; {NULL, 0} when it is not there. */
struct pv_str pv_url_header(struct pv_str lines, const char *name);
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one HTTP/1.1 request from a socket, for the scripted backend. Blocks. */
#ifndef PV_CLI_SCRIPT_HTTP_H
#define PV_CLI_SCRIPT_HTTP_H

#include "core/base/buf.h"

/* Everything is borrowed from `bytes`. */
struct pv_request {
    struct pv_buf bytes;
    struct pv_str method;
    struct pv_str path;    /* with the query */
    struct pv_str headers; /* lines, each with its end */
    struct pv_str body;
};

void pv_request_init(struct pv_request *request);
void pv_request_done(struct pv_request *request);
/* PV_ECLOSED: it ended too early; PV_ESYNTAX, PV_ETOOBIG. Bodies need a Content-Length. */
int pv_request_read(struct pv_request *request, int fd) PV_MUST_CHECK;
/* A header's value, by a name in any case; none when it is not there. */
struct pv_str pv_request_header(const struct pv_request *request, const char *name);

#endif

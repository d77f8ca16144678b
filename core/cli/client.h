/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP over the daemon's admin socket, one call after the other. Blocks; one thread. */
#ifndef PV_CLI_CLIENT_H
#define PV_CLI_CLIENT_H

#include "core/base/buf.h"

#include <jansson.h>

struct pv_client;

struct pv_client_request {
    const char *method; /* "GET" when NULL */
    const char *path;   /* "/v1/services", query included */
    const char *body;   /* NULL: none */
    size_t body_len;
    const char *type;        /* Content-Type; NULL: application/json */
    const char *idempotency; /* Idempotency-Key; NULL: none */
    int64_t wait_s;          /* Prefer: wait=N; 0: none */
};

struct pv_answer {
    long status; /* of HTTP */
    char *text;  /* the body, owned */
    size_t len;
    json_t *json;       /* owned; NULL when the body is no JSON */
    long retry_after_s; /* -1: not said */
};

/* Where the socket is: given (--socket), the configuration's, PROVOST_SOCKET, the default. given
 * and config may be NULL. The path is freed with pv_free. PV_EINVAL when the configuration cannot
 * be read: problems are in err. */
int pv_client_socket(const char *given, const char *config, char **ret_path,
                     struct pv_err *err) PV_MUST_CHECK;

/* Copies the path; connects with the first call. */
int pv_client_new(const char *socket, struct pv_client **ret_client,
                  struct pv_err *err) PV_MUST_CHECK;
void pv_client_free(struct pv_client *client);

/* 0 when an answer came, of any status. PV_ECLOSED: nothing listens; PV_EDENIED: may not connect;
 * PV_EIO, PV_ETIMEOUT, PV_ETOOBIG: the answer was lost. err says what to do about it. */
int pv_client_call(struct pv_client *client, const struct pv_client_request *request,
                   struct pv_answer *ret_answer, struct pv_err *err) PV_MUST_CHECK;
void pv_answer_done(struct pv_answer *answer);

/* Appends text percent-encoded, as a part of a path or query. */
void pv_url_put(struct pv_buf *buf, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the HTTP server, by GnuTLS: a certificate with its key, and sessions on descriptors that
 * do not block. Loop thread. */
#ifndef PV_API_HTTPTLS_H
#define PV_API_HTTPTLS_H

#include "core/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_http_tls;     /* counted: sessions keep what they began with */
struct pv_http_session; /* of one connection */

struct pv_http_tls_options {
    const char *certificate; /* a PEM file: the server's own first, then those that sign it */
    const char *key;         /* a PEM file, without a password */
    bool only_13;            /* TLS 1.3 alone; else 1.2 too */
};

/* Reads the files. Errors name the file and the remedy. *ret_expires_ms: wall time. */
int pv_http_tls_new(const struct pv_http_tls_options *options, struct pv_http_tls **ret_tls,
                    int64_t *ret_expires_ms, struct pv_err *err) PV_MUST_CHECK;
/* What is to be said of a certificate that has expired, or will within a week; NULL: nothing. */
const char *pv_http_tls_expiry(int64_t expires_ms, int64_t now_ms);
/* Whether the files of a configuration can be used; nothing where it has none. PV_EINVAL: problems
 * were added. What is said of its expiry is added as a warning. Any thread. */
int pv_http_tls_check(const struct pv_config_tls *config, int64_t now_ms,
                      struct pv_problems *problems) PV_MUST_CHECK;
struct pv_http_tls *pv_http_tls_ref(struct pv_http_tls *tls);
void pv_http_tls_unref(struct pv_http_tls *tls);

int pv_http_session_new(struct pv_http_tls *tls, int fd,
                        struct pv_http_session **ret_session) PV_MUST_CHECK;
/* Frees it; `polite`: tells the client that nothing more comes. */
void pv_http_session_free(struct pv_http_session *session, bool polite);

/* What has to happen before it goes on, besides 0 and more: done. */
enum { PV_HTTP_WANT_READ = -1, PV_HTTP_WANT_WRITE = -2, PV_HTTP_BROKEN = -3 };
int pv_http_session_handshake(struct pv_http_session *session);
/* Bytes, 0 at the end, or what it wants. A send that was not done is repeated with the same bytes.
 */
int64_t pv_http_session_recv(struct pv_http_session *session, void *bytes, size_t size);
int64_t pv_http_session_send(struct pv_http_session *session, const void *bytes, size_t len);
/* Are there bytes that have been read from the descriptor, but not from the session? */
bool pv_http_session_pending(const struct pv_http_session *session);

#endif

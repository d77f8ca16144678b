/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server needs of the system: file descriptors and the certificate. Loop thread. */
#ifndef PV_DAEMON_SERVE_H
#define PV_DAEMON_SERVE_H

#include "core/api/httptls.h"
#include "core/config/config.h"

/* Raises the limit on open files to what the configured connections need. PV_ETOOBIG: the system
 * does not allow it; the sentence says what to do. */
int pv_serve_raise_limit(const struct pv_config *config, struct pv_err *err) PV_MUST_CHECK;
/* The certificate of a configuration; NULL: it has none. One that has expired is an error when
 * `replaces`, since the present one can only be better; else there is a warning in the log. */
int pv_serve_load_tls(const struct pv_config *config, bool replaces, struct pv_http_tls **ret_tls,
                      struct pv_err *err) PV_MUST_CHECK;

#endif

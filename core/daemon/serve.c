/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors for connections, and the certificate with its last day. */
#include "core/daemon/serve.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <inttypes.h>
#include <sys/resource.h>

#define OTHER_FILES 256 /* database, log, plugin hosts and what they are spoken to with */

int pv_serve_raise_limit(const struct pv_config *config, struct pv_err *err)
{
    rlim_t needed = (rlim_t)config->http.max_connections + OTHER_FILES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) {
        return 0;
    }
    struct rlimit raised = {.rlim_cur = needed, .rlim_max = limit.rlim_max};
    raised.rlim_max = raised.rlim_max < needed ? needed : raised.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return 0;
    }
    return pv_err_set(err, PV_ETOOBIG,
                      "http.max_connections: %" PRId64 " connections need %" PRIu64
                      " open files, and this process may have %" PRIu64
                      ": raise that limit (LimitNOFILE= of the systemd unit, or ulimit -Hn), or "
                      "lower http.max_connections",
                      config->http.max_connections, (uint64_t)needed, (uint64_t)limit.rlim_max);
}

int pv_serve_load_tls(const struct pv_config *config, bool replaces, struct pv_http_tls **ret_tls,
                      struct pv_err *err)
{
    *ret_tls = NULL;
    if (!config->tls.on) {
        return 0;
    }
    const struct pv_http_tls_options options = {.certificate = config->tls.certificate.ptr,
                                                .key = config->tls.key.ptr,
                                                .only_13 = config->tls.only_13};
    int64_t expires_ms = 0;
    struct pv_http_tls *tls = NULL;
    int status = pv_http_tls_new(&options, &tls, &expires_ms, err);
    if (status != 0) {
        return status;
    }
    int64_t now_ms = pv_wall_ms(&pv_clock_system);
    bool expired = expires_ms <= now_ms;
    char date[PV_TIME_TEXT];
    pv_time_format(expires_ms, date);
    if (expired && replaces) {
        pv_http_tls_unref(tls);
        return pv_err_set(err, PV_EINVAL,
                          "tls.certificate: %s expired on %.10s: put a new one there, and reload",
                          options.certificate, date);
    }
    const char *why = pv_http_tls_expiry(expires_ms, now_ms);
    if (why != NULL) {
        pv_log(PV_WARN, (pv_lf_c("file", options.certificate), pv_lf_c("expires", date)), "%s",
               why);
    }
    *ret_tls = tls;
    return 0;
}

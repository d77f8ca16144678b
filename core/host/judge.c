/* SPDX-License-Identifier: Apache-2.0 */
/* Judging requests and errors of HTTP. */
#include "core/host/http.h"

#include <string.h>
#include <strings.h>

int pv_http_check_header(const char *line, struct pv_err *err)
{
    static const char *const own[] = {"content-length", "transfer-encoding", "connection",
                                      "idempotency-key", "expect"};
    size_t len = 0;
    while (pv_is_token(line[len])) {
        len++;
    }
    if (len == 0 || line[len] != ':') {
        return pv_err_set(err, PV_EINVAL, "a header must be \"Name: value\"");
    }
    for (const char *p = line + len; *p != '\0'; p++) {
        if (pv_is_control(*p)) {
            return pv_err_set(err, PV_EINVAL, "header %.*s: a control character in its value",
                              (int)len, line);
        }
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strlen(own[i]) == len && strncasecmp(own[i], line, len) == 0) {
            return pv_err_set(err, PV_EINVAL, "header %.*s: the host sets it", (int)len, line);
        }
    }
    return 0;
}

bool pv_http_good_method(const char *method)
{
    size_t len = 0;
    while (method[len] >= 'A' && method[len] <= 'Z') {
        len++;
    }
    return len > 0 && len <= 20 && method[len] == '\0' && strcmp(method, "CONNECT") != 0;
}

bool pv_http_safe_method(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "OPTIONS") == 0;
}

int pv_http_error(CURLcode code, bool sent)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
        return PROVOST_E_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return sent ? PROVOST_E_TIMEOUT : PROVOST_E_NOT_SENT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return sent ? PROVOST_E_LOST : PROVOST_E_TLS;
    case CURLE_OUT_OF_MEMORY:
        return sent ? PROVOST_E_LOST : PROVOST_E_NOMEM;
    default:
        return sent ? PROVOST_E_LOST : PROVOST_E_NOT_SENT;
    }
}

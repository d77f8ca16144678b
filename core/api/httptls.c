/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and sessions of GnuTLS. */
#include "core/api/httptls.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_BYTES 16384
#define WARN_BEFORE_MS (7 * 86400000LL)

struct pv_http_tls {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    gnutls_datum_t ticket_key;
    unsigned references;
};

struct pv_http_session {
    gnutls_session_t session;
    struct pv_http_tls *tls;
};

struct pv_http_tls *pv_http_tls_ref(struct pv_http_tls *tls)
{
    tls->references++;
    return tls;
}

void pv_http_tls_unref(struct pv_http_tls *tls)
{
    if (tls == NULL || --tls->references > 0) {
        return;
    }
    if (tls->credentials != NULL) {
        gnutls_certificate_free_credentials(tls->credentials);
    }
    if (tls->priorities != NULL) {
        gnutls_priority_deinit(tls->priorities);
    }
    gnutls_memset(tls->ticket_key.data, 0, tls->ticket_key.size);
    gnutls_free(tls->ticket_key.data);
    pv_free(tls);
}

/* ---- certificates ---- */

/* Of the two options that a file belongs to. */
static const char certificate_option[] = "certificate";
static const char key_option[] = "key";

static int check_readable(const char *path, struct pv_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno),
                          "%s: %s; it must be there and readable for the user that provostd runs "
                          "as",
                          path, strerror(errno));
    }
    close(fd);
    return 0;
}

static bool holds_certificate(const char *path)
{
    gnutls_datum_t text = {NULL, 0};
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    if (gnutls_load_file(path, &text) != 0) {
        return false;
    }
    bool holds = gnutls_x509_crt_list_import2(&list, &count, &text, GNUTLS_X509_FMT_PEM, 0) >= 0;
    for (unsigned i = 0; holds && i < count; i++) {
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    gnutls_free(text.data);
    return holds;
}

static int load_files(struct pv_http_tls *tls, const struct pv_http_tls_options *options,
                      const char **ret_option, struct pv_err *err)
{
    *ret_option = certificate_option;
    int status = check_readable(options->certificate, err);
    if (status != 0) {
        return status;
    }
    *ret_option = key_option;
    status = check_readable(options->key, err);
    if (status != 0) {
        return status;
    }
    int code = gnutls_certificate_set_x509_key_file2(tls->credentials, options->certificate,
                                                     options->key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code >= 0) {
        return 0;
    }
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return pv_err_set(err, PV_EINVAL,
                          "%s is not the key of the certificate in %s: name the two that belong "
                          "together",
                          options->key, options->certificate);
    }
    if (code == GNUTLS_E_DECRYPTION_FAILED || code == GNUTLS_E_INVALID_PASSWORD) {
        return pv_err_set(err, PV_EINVAL, "%s needs a password: store it without one",
                          options->key);
    }
    if (!holds_certificate(options->certificate)) {
        *ret_option = certificate_option;
        return pv_err_set(err, PV_EINVAL,
                          "%s: %s; expected a certificate in PEM (-----BEGIN CERTIFICATE-----)",
                          options->certificate, gnutls_strerror(code));
    }
    return pv_err_set(err, PV_EINVAL,
                      "%s: %s; expected a private key in PEM (-----BEGIN PRIVATE KEY-----)",
                      options->key, gnutls_strerror(code));
}

static int64_t expires_ms(const struct pv_http_tls *tls)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    if (gnutls_certificate_get_x509_crt(tls->credentials, 0, &list, &count) != 0) {
        return INT64_MAX;
    }
    int64_t first = count > 0 ? (int64_t)gnutls_x509_crt_get_expiration_time(list[0]) : 0;
    for (unsigned i = 0; i < count; i++) {
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return first * 1000;
}

static int make(const struct pv_http_tls_options *options, struct pv_http_tls **ret_tls,
                int64_t *ret_expires_ms, const char **ret_option, struct pv_err *err)
{
    *ret_option = certificate_option;
    struct pv_http_tls *tls = pv_calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    tls->references = 1;
    const char *versions = options->only_13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                            : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    int code = gnutls_certificate_allocate_credentials(&tls->credentials);
    code = code == 0 ? gnutls_priority_init(&tls->priorities, versions, NULL) : code;
    code = code == 0 ? gnutls_session_ticket_key_generate(&tls->ticket_key) : code;
    int status = code == 0 ? load_files(tls, options, ret_option, err)
                           : pv_err_set(err, PV_EIO, "%s", gnutls_strerror(code));
    if (status != 0) {
        pv_http_tls_unref(tls);
        return status;
    }
    *ret_expires_ms = expires_ms(tls);
    *ret_tls = tls;
    return 0;
}

int pv_http_tls_new(const struct pv_http_tls_options *options, struct pv_http_tls **ret_tls,
                    int64_t *ret_expires_ms, struct pv_err *err)
{
    const char *option = NULL;
    int status = make(options, ret_tls, ret_expires_ms, &option, err);
    return status == 0 ? 0 : pv_err_wrap(err, "tls.%s", option);
}

const char *pv_http_tls_expiry(int64_t expires_ms, int64_t now_ms)
{
    return expires_ms <= now_ms ? "the certificate has expired: clients will refuse it"
           : expires_ms <= now_ms + WARN_BEFORE_MS ? "the certificate expires within a week"
                                                   : NULL;
}

int pv_http_tls_check(const struct pv_config_tls *config, int64_t now_ms,
                      struct pv_problems *problems)
{
    if (!config->on) {
        return 0;
    }
    const struct pv_http_tls_options options = {
        .certificate = config->certificate.ptr, .key = config->key.ptr, .only_13 = config->only_13};
    struct pv_http_tls *tls = NULL;
    struct pv_err err = {0};
    const char *option = NULL;
    char path[32];
    int64_t until_ms = 0;
    int status = make(&options, &tls, &until_ms, &option, &err);
    if (status != 0) {
        snprintf(path, sizeof(path), "tls.%s", option);
        pv_problem_add(problems, NULL, pv_str(path), "certificate", "%s", err.text);
        return PV_EINVAL;
    }
    pv_http_tls_unref(tls);
    const char *why = pv_http_tls_expiry(until_ms, now_ms);
    if (why != NULL) {
        char date[PV_TIME_TEXT];
        pv_time_format(until_ms, date);
        pv_problem_warn(problems, NULL, PV_STR("tls.certificate"), "certificate",
                        "%s: %s (%.10s): put a new one there, and reload", options.certificate, why,
                        date);
    }
    return 0;
}

/* ---- sessions ---- */

int pv_http_session_new(struct pv_http_tls *tls, int fd, struct pv_http_session **ret_session)
{
    static const unsigned char protocol[] = "http/1.1";
    const gnutls_datum_t alpn = {(unsigned char *)(uintptr_t)protocol, sizeof(protocol) - 1};
    struct pv_http_session *session = pv_calloc(1, sizeof(*session));
    if (session == NULL) {
        return PV_ENOMEM;
    }
    if (gnutls_init(&session->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0) {
        pv_free(session);
        return PV_ENOMEM;
    }
    session->tls = pv_http_tls_ref(tls);
    if (gnutls_priority_set(session->session, tls->priorities) != 0 ||
        gnutls_credentials_set(session->session, GNUTLS_CRD_CERTIFICATE, tls->credentials) != 0 ||
        gnutls_session_ticket_enable_server(session->session, &tls->ticket_key) != 0 ||
        gnutls_alpn_set_protocols(session->session, &alpn, 1, 0) != 0) {
        pv_http_session_free(session, false);
        return PV_ENOMEM;
    }
    gnutls_transport_set_int(session->session, fd);
    *ret_session = session;
    return 0;
}

void pv_http_session_free(struct pv_http_session *session, bool polite)
{
    if (session == NULL) {
        return;
    }
    if (polite) {
        gnutls_bye(session->session, GNUTLS_SHUT_WR); /* as far as it goes without waiting */
    }
    gnutls_deinit(session->session);
    pv_http_tls_unref(session->tls);
    pv_free(session);
}

static int wants(const struct pv_http_session *session, int64_t code)
{
    if (code != GNUTLS_E_AGAIN && code != GNUTLS_E_INTERRUPTED) {
        return PV_HTTP_BROKEN;
    }
    return gnutls_record_get_direction(session->session) == 0 ? PV_HTTP_WANT_READ
                                                              : PV_HTTP_WANT_WRITE;
}

int pv_http_session_handshake(struct pv_http_session *session)
{
    int code = gnutls_handshake(session->session);
    while (code < 0 && code != GNUTLS_E_AGAIN && gnutls_error_is_fatal(code) == 0) {
        code = gnutls_handshake(session->session); /* a warning of the client's */
    }
    return code == 0 ? 0 : wants(session, code);
}

int64_t pv_http_session_recv(struct pv_http_session *session, void *bytes, size_t size)
{
    ssize_t n = gnutls_record_recv(session->session, bytes, size);
    if (n == GNUTLS_E_PREMATURE_TERMINATION) {
        return 0; /* requests tell their own length: nothing can be cut off unseen */
    }
    return n >= 0 ? n : wants(session, n);
}

int64_t pv_http_session_send(struct pv_http_session *session, const void *bytes, size_t len)
{
    ssize_t n =
        gnutls_record_send(session->session, bytes, len < RECORD_BYTES ? len : RECORD_BYTES);
    return n >= 0 ? n : wants(session, n);
}

bool pv_http_session_pending(const struct pv_http_session *session)
{
    return gnutls_record_check_pending(session->session) > 0;
}

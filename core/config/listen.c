/* SPDX-License-Identifier: Apache-2.0 */
/* Where the HTTP API listens, and whether what it says there is encrypted. */
#include "core/config/raw.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    return (inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127) ||
           strcmp(host, "::1") == 0;
}

static int set_tls(struct pv_loading *loading)
{
    const struct pv_raw_tls *raw = &loading->raw.tls;
    struct pv_config_tls *tls = &loading->config->tls;
    bool certificate = raw->certificate.len > 0;
    bool key = raw->key.len > 0;
    if (certificate != key) {
        pv_load_problem(loading, pv_node_get(loading->root, "tls"), PV_STR("tls"),
                        certificate ? "key" : "certificate",
                        "is missing: TLS needs a certificate and its private key");
        return PV_EINVAL;
    }
    *tls = (struct pv_config_tls){.on = certificate,
                                  .certificate = raw->certificate,
                                  .key = raw->key,
                                  .only_13 = raw->minimum == 1};
    return PV_OK;
}

static void set_http(struct pv_loading *loading)
{
    const struct pv_raw_http *raw = &loading->raw.http;
    loading->config->http = (struct pv_config_http){
        .max_body = (uint64_t)raw->max_body,
        .max_connections = raw->max_connections,
        .max_connections_per_address = raw->max_connections_per_address,
        .header_timeout_ms = raw->header_timeout,
        .body_timeout_ms = raw->body_timeout,
        .idle_timeout_ms = raw->idle_timeout,
        .insecure_public_listen = raw->insecure_public_listen,
    };
}

static int set_listen(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    struct pv_str text = loading->raw.listen;
    if (!text.ptr) {
        return PV_EINVAL; /* said already */
    }
    char host[64];
    int64_t port = -1;
    const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    struct pv_str name = {text.ptr, colon ? (size_t)(colon - text.ptr) : 0};
    bool bracketed = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    if (bracketed) {
        name = (struct pv_str){name.ptr + 1, name.len - 2};
    }
    if (pv_str_eq_c(name, "localhost")) {
        name = PV_STR("127.0.0.1");
    }
    unsigned char address[16];
    bool good = colon && pv_str_to_c(name, host, sizeof(host)) == PV_OK &&
                inet_pton(bracketed ? AF_INET6 : AF_INET, host, address) == 1 &&
                pv_str_to_i64((struct pv_str){colon + 1, text.len - (size_t)(colon - text.ptr) - 1},
                              &port) == PV_OK &&
                port >= 0 && port <= 65535;
    if (!good) {
        pv_load_problem(loading, loading->root, PV_STR(""), "listen",
                        "expected ADDRESS:PORT such as 127.0.0.1:7070 or [::1]:7070, got \"%.*s\"",
                        PV_STR_ARG(text));
        return PV_EINVAL;
    }
    if (!is_loopback(host) && !config->tls.on && !loading->raw.http.insecure_public_listen) {
        pv_load_problem(loading, loading->root, PV_STR(""), "listen",
                        "%s is not a loopback address, and requests are not encrypted; set "
                        "tls: {certificate: FILE, key: FILE}, or listen on 127.0.0.1 behind a "
                        "proxy that adds TLS, or set http.insecure_public_listen: true",
                        host);
        return PV_EINVAL;
    }
    config->listen = pv_load_format(loading, bracketed ? "[%s]:%d" : "%s:%d", host, (int)port);
    config->listen_host = pv_load_copy(loading, name);
    config->listen_port = (uint16_t)port;
    return config->listen.ptr && config->listen_host.ptr ? PV_OK : PV_ENOMEM;
}

int pv_load_listen(struct pv_loading *loading)
{
    set_http(loading);
    int status = set_tls(loading);
    return status == PV_OK ? set_listen(loading) : status;
}

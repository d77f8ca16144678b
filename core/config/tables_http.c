/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the configuration file that are about the HTTP API, for core/config/tables.c. */
#include "core/config/raw.h"

#define AT(type, member) .offset = offsetof(struct type, member)

const struct pv_option pv_http_options[] = {
    {.name = "max_body",
     .kind = PV_T_SIZE,
     AT(pv_raw_http, max_body),
     .fallback = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .doc = "The largest body of a request; a larger one is answered 413. One event holds 1 MiB "
            "at most."},
    {.name = "max_connections",
     .kind = PV_T_INT,
     AT(pv_raw_http, max_connections),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .doc =
         "Connections that are open at once. Each needs a file descriptor, and 1 KiB while it is "
         "idle (with TLS 12 KiB). When all are in use, the one that has been idle for longest "
         "gives way to a new one."},
    {.name = "max_connections_per_address",
     .kind = PV_T_INT,
     AT(pv_raw_http, max_connections_per_address),
     .min = 1,
     .max = 100000,
     .shown_default = "a quarter of `max_connections`; any number from this machine itself",
     .doc = "Connections of one client address (IPv6: of one /64) that are open at once; more are "
            "answered 429. If it is set, it holds for the machine's own addresses too: behind a "
            "proxy all clients have one."},
    {.name = "header_timeout",
     .kind = PV_T_DURATION,
     AT(pv_raw_http, header_timeout),
     .fallback = "10s",
     .min = 100,
     .max = 3600000,
     .doc = "How long a client may take to send the headers of a request."},
    {.name = "body_timeout",
     .kind = PV_T_DURATION,
     AT(pv_raw_http, body_timeout),
     .fallback = "30s",
     .min = 100,
     .max = 3600000,
     .doc = "How long a client may take to send the body of a request."},
    {.name = "idle_timeout",
     .kind = PV_T_DURATION,
     AT(pv_raw_http, idle_timeout),
     .fallback = "75s",
     .min = 100,
     .max = 3600000,
     .doc = "How long a connection stays open between requests."},
    {.name = "insecure_public_listen",
     .kind = PV_T_BOOL,
     AT(pv_raw_http, insecure_public_listen),
     .fallback = "false",
     .doc =
         "Allows `listen` to name an address that is not loopback. Requests and tokens then cross "
         "the network in plain text: only behind a reverse proxy that adds TLS."},
    {0},
};

const struct pv_option pv_tls_options[] = {
    {.name = "certificate",
     .kind = PV_O_PATH,
     AT(pv_raw_tls, certificate),
     .doc = "A PEM file: the certificate of this server first, then those that sign it."},
    {.name = "key",
     .kind = PV_O_PATH,
     AT(pv_raw_tls, key),
     .doc = "A PEM file with its private key, without a password, readable for the user that "
            "provostd runs as."},
    {.name = "minimum",
     .kind = PV_T_SELECT,
     AT(pv_raw_tls, minimum),
     .fallback = "1.2",
     .options = "1.2|1.3",
     .doc = "The oldest version of TLS that is spoken."},
    {0},
};

const struct pv_option pv_limit_options[] = {
    {.name = "requests_per_second",
     .kind = PV_T_INT,
     AT(pv_raw_limits, requests_per_second),
     .fallback = "1000",
     .min = 0,
     .max = 1000000,
     .doc = "How often a token may call, unless it was made with a `--rate` of its own. 0: no "
            "limit. The admin socket has none."},
    {.name = "burst",
     .kind = PV_T_INT,
     AT(pv_raw_limits, burst),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .doc = "How many calls may come at once, after a while without any. 0: as many as in two "
            "seconds."},
    {.name = "auth_failures_per_minute",
     .kind = PV_T_INT,
     AT(pv_raw_limits, auth_failures_per_minute),
     .fallback = "60",
     .min = 0,
     .max = 1000000,
     .doc = "How many tokens that are unknown, expired or revoked are taken from one address (of "
            "IPv6: one /64) before it is answered 429. Tokens that were good lately are not held "
            "back. 0: no limit. Behind a proxy all clients have the proxy's address."},
    {0},
};

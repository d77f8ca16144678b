/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 server on a libuv loop, plain or with TLS. Hands over requests that are complete, and
 * sends answers that may come later. What is malformed it answers itself, in the shape that errors
 * of the API have. Loop thread. */
#ifndef PV_API_HTTPD_H
#define PV_API_HTTPD_H

#include "core/base/buf.h"
#include "core/base/clock.h"

struct uv_loop_s;
struct pv_httpd;
struct pv_http_tls;

#define PV_HTTP_HEADERS 12
#define PV_HTTP_STATUSES 600

/* One request, from its last byte until it is answered. Strings are borrowed until then. */
struct pv_http_request {
    struct pv_str method;
    struct pv_str path;  /* as sent, not decoded, without the query */
    struct pv_str query; /* behind '?', as sent; none: there is none */
    struct pv_str body;  /* NUL-terminated */
    bool local;          /* came by a Unix socket: uid is its peer's */
    unsigned uid;
    void *user; /* the handler's */
    /* Set by the handler: the client has gone while it waits (a client that only sends nothing more
     * has not). The answer must come all the same. */
    void (*gone)(struct pv_http_request *request);
};

struct pv_http_header {
    const char *name;
    const char *value;
};

struct pv_http_answer {
    unsigned status;
    const char *type;                               /* content type; NULL: application/json */
    struct pv_http_header headers[PV_HTTP_HEADERS]; /* name NULL: unused. Copied. */
};

struct pv_httpd_options {
    struct uv_loop_s *loop;
    struct pv_clock clock;
    /* Exactly one pv_http_answer must follow, from within or later. */
    void (*handle)(struct pv_http_request *request, void *user);
    /* Asked before, where a body did not come with its head as a whole: of `request` there is
     * everything but the body. pv_http_take_body or pv_http_answer must follow, from within or
     * later; such an answer ends the connection. NULL: every body is read. */
    void (*ask)(struct pv_http_request *request, void *user);
    void *user;                          /* of both */
    bool (*is_host)(void *ctx, int pid); /* refuses a peer of a Unix socket; may be NULL */
    void *is_host_ctx;
    size_t max_connections; /* a listener; 0: 1,024. Beyond it the longest idle one is closed. */
    size_t max_per_address; /* 0: a quarter of them, but no limit for this machine's own */
    size_t max_body;        /* 0: 1 MiB */
    int64_t header_ms;      /* for the whole header of a request; 0: 10,000 */
    int64_t body_ms;        /* for the whole body; also for taking the answer; 0: 30,000 */
    int64_t idle_ms;        /* between requests (before header_ms starts); 0: 60,000 */
};

int pv_httpd_new(const struct pv_httpd_options *options, struct pv_httpd **ret_httpd) PV_MUST_CHECK;
/* "127.0.0.1:7070", "[::1]:7070", "localhost:0". With a certificate (see pv_httpd_set_tls) it
 * speaks TLS; without, PV_EDENIED: not loopback and not `insecure`. *ret_port is the port it got.
 */
int pv_httpd_listen_tcp(struct pv_httpd *httpd, const char *address, bool insecure, int *ret_port,
                        struct pv_err *err) PV_MUST_CHECK;
/* New connections get this certificate from now on; those that are open keep theirs. Takes the
 * reference. */
void pv_httpd_set_tls(struct pv_httpd *httpd, struct pv_http_tls *tls);
/* Makes the socket 0660, of `group` when there is such a group (NULL: none). A socket file that
 * nobody listens on any more is replaced. */
int pv_httpd_listen_unix(struct pv_httpd *httpd, const char *path, const char *group,
                         struct pv_err *err) PV_MUST_CHECK;
/* Takes no more requests; when those at hand are answered (clients get two seconds to take the
 * answers), frees everything and calls closed(user). */
void pv_httpd_close(struct pv_httpd *httpd, void (*closed)(void *user), void *user);

/* A header of the request, or none. Borrowed until the answer. */
struct pv_str pv_http_header(const struct pv_http_request *request, const char *name);
/* The address that it came from: IPv6, or IPv4 mapped into it; all zero: a Unix socket, or the
 * client has gone. */
void pv_http_peer(const struct pv_http_request *request, uint8_t out[16]);
/* Calls `gone` when the client goes away from now on: for answers that take a while. */
void pv_http_watch(struct pv_http_request *request, void (*gone)(struct pv_http_request *request));
/* Reads the body of a request that `ask` was given, of at most max_bytes (and max_body; beyond it
 * is answered 413). The request is gone afterwards: `handle` gets it anew. */
void pv_http_take_body(struct pv_http_request *request, size_t max_bytes);
/* Takes what is in `body` (may be NULL), whatever becomes of it. The request is gone afterwards. */
void pv_http_answer(struct pv_http_request *request, const struct pv_http_answer *answer,
                    struct pv_buf *body);

/* Adds a header (value NULL or "": none; beyond PV_HTTP_HEADERS, none). Borrowed. */
void pv_http_add(struct pv_http_answer *answer, const char *name, const char *value);

/* An answer that is sent as it is made; its end is the connection's. `gone` runs when the client
 * goes away or takes nothing for body_ms: pv_http_stream_end must follow all the same. `drained`
 * runs each time the client has taken everything. At most max_pending bytes wait to be taken. */
void pv_http_stream(struct pv_http_request *request, const struct pv_http_answer *answer,
                    size_t max_pending, void (*gone)(struct pv_http_request *request),
                    void (*drained)(struct pv_http_request *request));
/* Copies. PV_ETOOBIG: there is no room until the client takes more; nothing was added. */
int pv_http_stream_put(struct pv_http_request *request, struct pv_str bytes) PV_MUST_CHECK;
/* Bytes that the client has not taken. */
size_t pv_http_stream_pending(struct pv_http_request *request);
/* What is pending is sent still. The request is gone afterwards. */
void pv_http_stream_end(struct pv_http_request *request);

struct pv_httpd_counters {
    uint64_t connections;               /* open now */
    uint64_t accepted;                  /* since the start */
    uint64_t timed_out;                 /* closed because they were too slow */
    uint64_t refused;                   /* closed because their address had too many */
    uint64_t evicted;                   /* closed while idle, because others needed the room */
    uint64_t malformed;                 /* requests answered without a handler */
    uint64_t answers[PV_HTTP_STATUSES]; /* by status */
};
const struct pv_httpd_counters *pv_httpd_counters(const struct pv_httpd *httpd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTTP server share: httpd.c (its place on the loop), httplisten.c (who is
 * let in), httpconn.c (a connection and the request it is at), httpbody.c (a request's body),
 * httpsend.c (answers), httpstream.c (answers that are sent as they are made). */
#ifndef PV_API_HTTPD_INTERNAL_H
#define PV_API_HTTPD_INTERNAL_H

#include "core/api/httpd.h"
#include "core/api/httpparse.h"
#include "core/api/httptls.h"
#include "core/base/list.h"

#include <uv.h>

#define PV_HTTPD_LISTENERS 4
#define PV_HTTPD_READ_BYTES (64u * 1024) /* taken from a socket at once */

struct pv_httpd_listener {
    struct pv_httpd *httpd;
    uv_poll_t poll;
    int fd;
    size_t connections;
    bool local; /* a Unix socket */
    bool tls;
    bool full;  /* does not accept until there is room */
    char *path; /* of a Unix socket */
};

/* Connections of one address. */
struct pv_httpd_peer {
    struct pv_map_node node;
    unsigned char address[16]; /* IPv4: mapped; IPv6: its /64 */
    size_t connections;
};

struct pv_httpd {
    struct pv_httpd_options options;
    struct pv_httpd_listener listeners[PV_HTTPD_LISTENERS];
    size_t listener_count;
    struct pv_http_tls *tls; /* what new connections get; NULL: no listener has any */
    uv_prepare_t prepare;    /* goes on with connections that have more to be read already */
    uv_idle_t again;         /* keeps the loop awake while `ready` is not empty */
    uv_timer_t deadlines;    /* looks for slow clients */
    int handles;             /* libuv handles that are not closed yet */
    struct pv_link conns;    /* struct pv_httpd_conn.link */
    struct pv_link idle;     /* struct pv_httpd_conn.turn: the longest idle one first */
    struct pv_link ready;    /* struct pv_httpd_conn.turn */
    struct pv_map peers;
    char *scratch; /* PV_HTTPD_READ_BYTES */
    int64_t date_s;
    char date[32]; /* of the header Date, at date_s */
    int64_t warned_ms;
    struct pv_httpd_counters counters;
    bool closing;
    int64_t close_by_ms; /* whoever has not taken the answer by then is cut off */
    void (*closed)(void *user);
    void *closed_user;
};

/*
 *  HANDSHAKE ──▶ HEADERS ──head──▶ BODY ──last byte──▶ HANDLING ──answer──▶ ANSWERING ─┬▶ HEADERS
 *                   │            ▲  │                                        ▲       └▶ LINGER
 *                   │      taken │  ▼                                        │
 *                   │           ASKING ────────────────answer────────────────┤
 *                   └───────refused, as in BODY──────────────────────────────┘
 *  BODY asks once, where the bytes that came with the head do not hold all of the body.
 *  HANDLING may also become STREAMING, and that ANSWERING when the stream ends.
 *  ASKING, HANDLING: nothing is read. LINGER: what still comes is thrown away, so that the client
 *  sees the answer before the end of the connection.
 */
enum pv_httpd_phase {
    PV_HTTPD_HANDSHAKE,
    PV_HTTPD_HEADERS,
    PV_HTTPD_BODY,
    PV_HTTPD_ASKING,
    PV_HTTPD_HANDLING,
    PV_HTTPD_ANSWERING,
    PV_HTTPD_STREAMING,
    PV_HTTPD_LINGER,
};

struct pv_httpd_conn {
    struct pv_link link;
    struct pv_link turn; /* in `idle` or `ready`, or in none */
    struct pv_httpd_listener *listener;
    struct pv_httpd_peer *peer; /* NULL: not counted */
    struct pv_http_session *session;
    uv_poll_t poll;
    int fd;
    int events; /* that are polled for */
    unsigned uid;
    enum pv_httpd_phase phase;
    int64_t deadline_ms; /* mono; for ASKING and HANDLING: none */
    int64_t since_ms;    /* when it began to wait for this request */
    bool closed;         /* the descriptor is closed; freed when libuv lets go of the handle */
    bool gone;           /* the client has gone while the request is at the handler */
    bool in_process;     /* process() is on the stack */
    bool keep;           /* there may be another request behind this one */
    bool unread;         /* closing now would throw away bytes, and the answer with them */
    size_t discarded;
    /* the request */
    struct pv_buf in;         /* its head, and what came behind it */
    size_t taken;             /* bytes of `in` that are used up */
    struct pv_http_head head; /* of the bytes in `in` */
    struct pv_http_chunks chunks;
    int64_t left;   /* of a body with a length */
    bool whole;     /* the body is: what comes is not its own */
    bool asked;     /* whether the body is to be read */
    bool continues; /* the client waits to be told to send it */
    struct pv_buf body;
    struct pv_http_request request;
    /* the answer */
    struct pv_buf out; /* its head, and bodies that are short */
    size_t sent;       /* of out and then out_body */
    char *out_body;    /* pv_free; or NULL */
    size_t out_body_len;
    unsigned status;
    void (*drained)(struct pv_http_request *request); /* of a stream */
};

/* ---- httpconn.c ---- */

/* Takes the descriptor. */
void pv_httpd_conn_open(struct pv_httpd_listener *listener, int fd, struct pv_httpd_peer *peer);
void pv_httpd_conn_close(struct pv_httpd_conn *conn);
/* Goes on with what has been read already. */
void pv_httpd_conn_ready(struct pv_httpd_conn *conn);
/* Polls for these events from now on (0: for none). */
void pv_httpd_conn_poll(struct pv_httpd_conn *conn, int events);
/* Waits for the next request. */
void pv_httpd_conn_next(struct pv_httpd_conn *conn);
/* Answers with an error of the server's own and ends the connection. */
void pv_httpd_conn_refuse(struct pv_httpd_conn *conn, unsigned status, const char *code,
                          const char *sentence);
/* What is answered now is the last, and is sent though more of the request may come. */
void pv_httpd_conn_last(struct pv_httpd_conn *conn);
/* The deadline has passed: answered 408 where a request has begun, else closed. */
void pv_httpd_conn_late(struct pv_httpd_conn *conn);
int64_t pv_httpd_now_ms(const struct pv_httpd_conn *conn);

/* ---- httpbody.c ---- */

/* Keeps what of these bytes is the body's; how many that were. *ret_done: it is complete. The
 * request may have been refused. */
size_t pv_httpd_body_read(struct pv_httpd_conn *conn, struct pv_str bytes, bool *ret_done);

/* ---- httpsend.c ---- */

/* Makes the answer's bytes; takes what is in `body`. */
void pv_httpd_make_answer(struct pv_httpd_conn *conn, const struct pv_http_answer *answer,
                          struct pv_buf *body);
/* The head of an answer whose length is not known; 200. */
void pv_httpd_make_head(struct pv_httpd_conn *conn, const struct pv_http_answer *answer);
/* One write of what is left to send: the bytes it took, or enum pv_http_got of httptls.h. */
int64_t pv_httpd_send_some(struct pv_httpd_conn *conn);
/* Sends as much as the client takes; goes on by itself when it takes more. */
void pv_httpd_flush(struct pv_httpd_conn *conn);
/* "HTTP/1.1 100 Continue". */
void pv_httpd_send_continue(struct pv_httpd_conn *conn);

/* ---- httpstream.c ---- */

/* The client takes more. */
void pv_httpd_stream_ready(struct pv_httpd_conn *conn);

/* ---- httplisten.c ---- */

/* There is room for another connection, of this one's listener and address. */
void pv_httpd_left(struct pv_httpd_conn *conn);
/* Accepts again. */
void pv_httpd_listener_resume(struct pv_httpd_listener *listener);

/* ---- httpd.c ---- */

void pv_httpd_handle_closed(struct pv_httpd *httpd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd.c (loop and listeners) and httpconn.c (connections and requests) share. */
#ifndef PV_API_HTTPD_INTERNAL_H
#define PV_API_HTTPD_INTERNAL_H

#include "core/api/httpd.h"
#include "core/base/list.h"

#include <microhttpd.h>
#include <uv.h>

#define PV_HTTPD_LISTENERS 4

struct pv_httpd_listener {
    struct pv_httpd *httpd;
    struct MHD_Daemon *daemon;
    uv_poll_t poll; /* its epoll descriptor */
    bool poll_open;
    bool run;   /* MHD_run is due before the loop sleeps */
    bool local; /* a Unix socket */
    char *path; /* of it */
};

struct pv_httpd {
    struct pv_httpd_options options;
    struct pv_httpd_listener listeners[PV_HTTPD_LISTENERS];
    size_t listener_count;
    uv_prepare_t prepare; /* runs MHD where it is due */
    uv_timer_t again;     /* wakes the loop when MHD asks to be run at a time */
    uv_timer_t deadlines; /* looks for slow clients; runs while there are connections */
    int handles;          /* libuv handles that are not closed yet */
    struct pv_link conns; /* struct pv_httpd_conn.link */
    struct pv_httpd_counters counters;
    bool closing;
    int64_t close_by_ms; /* whoever has not taken the answer by then is cut off */
    void (*closed)(void *user);
    void *closed_user;
};

/*
 *  HEADERS ──headers──▶ BODY ──last byte──▶ HANDLING ──answer──▶ ANSWERING ──sent──▶ HEADERS
 *  HANDLING: suspended in MHD, which neither reads nor notices that the client goes.
 */
enum pv_httpd_phase { PV_HTTPD_HEADERS, PV_HTTPD_BODY, PV_HTTPD_HANDLING, PV_HTTPD_ANSWERING };

struct pv_httpd_watch;

struct pv_httpd_conn {
    struct pv_link link;
    struct pv_httpd_listener *listener;
    struct MHD_Connection *mhd;
    int fd;
    unsigned uid;
    enum pv_httpd_phase phase;
    int64_t deadline_ms; /* mono; for HANDLING: none */
    bool cut;            /* shut down because it was too slow, or must not be served */
    bool in_handler;     /* handle() is on the stack */
    bool suspended;
    bool overflow; /* the body was larger than allowed */
    bool no_memory;
    size_t discarded; /* bytes of such a body */
    struct pv_buf uri;
    struct pv_buf body;
    struct pv_http_request request;
    struct MHD_Response *response;
    unsigned status;
    struct pv_httpd_watch *watch;
};

/* Callbacks of MHD; cls is the listener. */
void pv_httpd_on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                            enum MHD_ConnectionNotificationCode what);
void *pv_httpd_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result pv_httpd_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version,
                                    const char *upload_data, size_t *upload_data_size,
                                    void **con_cls);
void pv_httpd_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                           enum MHD_RequestTerminationCode code);
/* Cuts off who is over its deadline; when closing also everybody who has nothing to wait for.
 * How many connections are left that must be waited for. */
size_t pv_httpd_check_deadlines(struct pv_httpd *httpd);

#endif

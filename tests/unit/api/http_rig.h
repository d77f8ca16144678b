/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server in a test, on a free port and a Unix socket. Its handler answers what was asked:
 * /later after a moment, /wait when the client has gone, /hold and /hold-watched when it is told
 * to. */
#ifndef PV_TESTS_UNIT_API_HTTP_RIG_H
#define PV_TESTS_UNIT_API_HTTP_RIG_H

#include "core/api/httpd.h"
#include "tests/unit/api/client.h"
#include "tests/unit/unit.h"

#include <uv.h>

#define LATER_MAX 16
#define HOST "Host: x\r\n"

struct fixture {
    uv_loop_t loop;
    struct pv_httpd *httpd;
    int port;
    char folder[64];
    char path[100];
    uv_async_t client_done;
    bool done;
    bool closed;
    /* requests that are answered when the handler is told to */
    struct pv_http_request *waiting[LATER_MAX];
    size_t waiting_count;
    unsigned gone;
    unsigned handled;
    unsigned last_uid;
    bool last_local;
    uv_timer_t later;
    bool refuse_host;
};

/* A server with these options; the fixture goes to *state. */
int http_rig_open(void **state, struct pv_httpd_options options);
int http_rig_close(void **state);
/* Answers the requests that wait. */
void http_rig_answer(struct fixture *f);
/* Closes it while somebody waits, which lasts until `answer` has answered. */
void http_rig_close_waiting(struct fixture *f, void (*answer)(struct fixture *f));
/* A connection of the test's own, from which this has been sent. */
int http_rig_dial(struct fixture *f, bool local, const char *send);
/* Closes it so that the other end is told of a reset, where it is by TCP. */
void http_rig_reset(int fd);
struct client *client_of(struct fixture *f);
/* Runs the loop until the client is through. */
void client_run(struct fixture *f, struct client *c);
/* Sends, reads so many answers (0: until the end), and compares the first bytes and a part. */
void exchange(struct fixture *f, const char *send, size_t answers, const char *status,
              const char *says);
void turn(struct fixture *f, int times);

#endif

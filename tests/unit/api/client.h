/* SPDX-License-Identifier: Apache-2.0 */
/* A client for tests of servers: sends bytes, collects what comes, on a thread of its own, while
 * the loop runs in the test. */
#ifndef PV_TESTS_UNIT_API_CLIENT_H
#define PV_TESTS_UNIT_API_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct client {
    int port;
    const char *path; /* of a Unix socket, instead of the port */
    bool local;
    uv_async_t *done; /* sent when it is through */
    const char *send;
    size_t send_len;
    const char *then;   /* sent when the first answer has come */
    const char *slowly; /* sent byte by byte until the server closes */
    const char *awaits; /* `then` is sent when this has come; NULL: when an answer has */
    bool half;          /* sends, reads nothing, goes */
    bool shut;          /* sends, and says that nothing more comes */
    size_t until;       /* stop reading after so many answers; 0: at the end of the connection */
    char got[1 << 16];
    size_t got_len;
    bool failed; /* could not connect */
    pthread_t thread;
};

/* Starts the thread; join it when `done` has come. */
void client_start(struct client *c);

#endif

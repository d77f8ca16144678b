/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP backend on a loopback port (or a Unix socket) that misbehaves by path; see server.c. Runs
 * on threads of its own. */
#ifndef PV_TESTS_HOST_SERVER_H
#define PV_TESTS_HOST_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>

struct server {
    int port;
    atomic_int connections;
    atomic_int requests;
    atomic_long sent; /* bytes of the last huge answer */
    int listener;
};

void server_start(struct server *server, const char *socket_path);
void server_stop(struct server *server);
/* A port of loopback on which nobody listens. */
int closed_port(void);

#endif

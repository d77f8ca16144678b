/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request came from. */
#include "core/api/httpd_internal.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

void pv_http_peer(const struct pv_http_request *request, uint8_t out[16])
{
    const char *at = (const char *)request - offsetof(struct pv_httpd_conn, request);
    const struct pv_httpd_conn *conn = (const struct pv_httpd_conn *)(uintptr_t)at;
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    memset(out, 0, 16);
    if (getpeername(conn->fd, (struct sockaddr *)&peer, &len) != 0) {
        return;
    }
    if (peer.ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)&peer)->sin6_addr, 16);
    } else if (peer.ss_family == AF_INET) {
        memset(out + 10, 0xFF, 2);
        memcpy(out + 12, &((const struct sockaddr_in *)&peer)->sin_addr, 4);
    }
}

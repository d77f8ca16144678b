/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the proxy: the backend's, as it came or spoilt. Any thread. */
#ifndef PV_CLI_PROXY_ANSWER_H
#define PV_CLI_PROXY_ANSWER_H

#include "core/cli/proxy.h"
#include "core/cli/script_http.h"

struct pv_reply {
    int status;            /* 0: there was no answer */
    struct pv_buf headers; /* lines, each with its end; without those of the connection */
    struct pv_buf body;
};

void pv_reply_init(struct pv_reply *reply);
void pv_reply_done(struct pv_reply *reply);
/* Passes a request on to `base` (scheme and authority, or unix:/path.sock).
 * PV_ECLOSED: there was no answer. */
int pv_reply_fetch(struct pv_reply *reply, const char *base, const struct pv_request *request,
                   struct pv_err *err) PV_MUST_CHECK;
/* An answer of the proxy's own for BUSY, DENIED and BROKEN. */
void pv_reply_refuse(struct pv_reply *reply, enum pv_fault fault);
/* Spoils an answer as CUT, TYPES, MARKUP or BLOAT say; others leave it as it is. */
void pv_reply_spoil(struct pv_reply *reply, enum pv_fault fault);
/* Sends it; `huge`: with a body of 100 MiB in place of its own. */
void pv_reply_send(const struct pv_reply *reply, int fd, bool bare, bool huge);

#endif

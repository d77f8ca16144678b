/* SPDX-License-Identifier: Apache-2.0 */
/* A customer's session: a token for one service, for a browser, for minutes. What it may do is
 * sealed in its text under a key of the store, so that it survives restarts and every daemon of the
 * store takes it; stored is only until when the sessions of a service were ended. Loop thread. */
#ifndef PV_API_SESSION_H
#define PV_API_SESSION_H

#include "core/api/auth.h"
#include "core/api/internal.h"

#define PV_SESSION_PREFIX "provost_session_"
#define PV_SESSION_MS (15 * 60 * 1000) /* the longest */
#define PV_MAX_CUSTOMER 64

/* What a session may have; the others are no customer's business. */
#define PV_SESSION_SCOPES                                                                          \
    (PV_SCOPE_SERVICES_READ | PV_SCOPE_SERVICES_ACT | PV_SCOPE_SERVICES_REVEAL |                   \
     PV_SCOPE_OPERATIONS_READ)

struct pv_session {
    struct pv_id service;
    int64_t made_ms; /* wall clock, as the next one */
    int64_t expires_ms;
    unsigned scopes;
    bool minted_by_token;
    struct pv_hash minter; /* of that token: it must still be good */
    struct pv_str source;
    struct pv_str customer;
};

/* Is this the text of a session, good or not? */
bool pv_session_is(struct pv_str text);
/* Appends the text. PV_ENOMEM; PV_EINVAL: this daemon has no keys for it. */
int pv_session_write(struct pv_call *call, const struct pv_session *session,
                     struct pv_buf *out) PV_MUST_CHECK;
/* Into the call's arena. PV_ECRYPTO, PV_EINVAL: it is none of ours; PV_ENOMEM. */
int pv_session_read(struct pv_call *call, struct pv_str text,
                    struct pv_session *ret_session) PV_MUST_CHECK;
/* Until when sessions of a service were ended (0: never), as far as it is known. */
void pv_session_ends_init(struct pv_session_ends *ends);
void pv_session_ends_done(struct pv_session_ends *ends);
/* false: it is not; ask the store. */
bool pv_session_ends_get(struct pv_call *call, struct pv_id service, int64_t *ret_ended_ms);
void pv_session_ends_put(struct pv_call *call, struct pv_id service, int64_t ended_ms);
/* May the session go on to this route (its args decoded)? false: it has been answered. */
bool pv_session_may(struct pv_call *call);

#endif

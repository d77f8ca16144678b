/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller has open for long: streams, and calls that wait for an operation. Each holds a
 * connection that gives way to nobody, so that no token, and no service's sessions, may have all of
 * them. Who comes by the admin socket has no limit. Loop thread. */
#ifndef PV_API_HOLDS_H
#define PV_API_HOLDS_H

#include "core/api/internal.h"

#define PV_STREAMS_OF_TOKEN 64
#define PV_STREAMS_OF_SESSIONS 16 /* of one service */
#define PV_WAITS_OF_TOKEN 256
#define PV_WAITS_OF_SESSIONS 16

enum pv_hold {
    PV_HOLD_STREAM = 0,
    PV_HOLD_WAIT = 1,
};
#define PV_HOLDS 2

/* Counts this call as one of its caller's until it is freed. false: it has failed the call. */
bool pv_hold_take(struct pv_call *call, enum pv_hold what);
/* Legal when it holds nothing. */
void pv_hold_drop(struct pv_call *call);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls too often, or too often without proving who it is: 429. Loop thread. */
#ifndef PV_API_GUARD_H
#define PV_API_GUARD_H

#include "core/api/internal.h"

/* Counts a call of this token (or of the service that a session is for). false: it came too often,
 * and has been answered. */
bool pv_guard_allow(struct pv_call *call, struct pv_id key, const struct pv_token *token);
/* May this address have a token looked up that nobody here has seen before? false: it has tried too
 * many that were none, and has been answered. */
bool pv_guard_may_try(struct pv_call *call);
/* Answers who has not proved who it is: with this, or with 429 where that happened too often. */
void pv_guard_refuse(struct pv_call *call, unsigned status, const char *code, const char *sentence);

#endif

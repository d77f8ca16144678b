/* SPDX-License-Identifier: Apache-2.0 */
/* Browsers: pages of which origins may call (https://fetch.spec.whatwg.org). Loop thread. */
#ifndef PV_API_CORS_H
#define PV_API_CORS_H

#include "core/api/internal.h"

/* The value of Access-Control-Allow-Origin for this request; NULL: its page may not see answers, or
 * it is from no browser. Borrowed from the configuration. */
const char *pv_cors_origin(const struct pv_call *call);
/* Answers a browser that asks first. false: this is no such question, or not from a page that may
 * ask it. */
bool pv_cors_preflight(struct pv_call *call);

/* What the page that asks may see of the answer, or send. */
void pv_cors_add(const struct pv_call *call, struct pv_http_answer *answer);

#endif

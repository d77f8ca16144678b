/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that answers from a script: an HTTP server on a free loopback port, with a thread of
 * its own. It expects one request after the other and answers each as written. */
#ifndef PV_CLI_SCRIPT_H
#define PV_CLI_SCRIPT_H

#include "core/base/buf.h"

#include <jansson.h>

struct pv_script;

int pv_script_start(struct pv_script **ret_script, struct pv_err *err) PV_MUST_CHECK;
/* "http://127.0.0.1:PORT"; borrowed. */
const char *pv_script_url(const struct pv_script *script);
/* What comes next (an array of {"request", "response"}, see docs/plugin-testing.md; the server
 * keeps a reference, the caller leaves it alone until pv_script_end). unordered: requests may come
 * in any order. */
void pv_script_expect(struct pv_script *script, json_t *exchanges, bool unordered);
/* No more requests come: an array of sentences about what was not as written. The caller's
 * reference; NULL when out of memory. */
json_t *pv_script_end(struct pv_script *script);
/* Stops the thread and frees. NULL is legal. */
void pv_script_stop(struct pv_script *script);

#endif

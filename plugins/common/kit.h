/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugins of this repository share: one call's JSON documents, formatted outcomes, and
 * HTTP answers turned into outcomes. Compiled into each module; nothing of it is exported. Runs on
 * the host's loop thread, inside a call. */
#ifndef PLUGINS_COMMON_KIT_H
#define PLUGINS_COMMON_KIT_H

#include <provost/json.h>

#include <stdbool.h>

/* One call of a plugin function. */
struct kit {
    struct provost_call *call;
    const struct provost_host *host;
    json_t *settings; /* owned, as input and state */
    json_t *input;
    json_t *state;
};

/* Parses the call's documents. PROVOST_OK, or the outcome that the function returns at once (then
 * there is nothing to close). */
int kit_open(struct kit *kit, struct provost_call *call);
/* Frees the documents. Returns `outcome`. */
int kit_close(struct kit *kit, int outcome);

/* Ends the call with a sentence; returns `outcome`. */
int kit_end(struct kit *kit, int outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Refuses for good, with a sentence and a code for programs: "conflict" or "not_found". */
int kit_refuse(struct kit *kit, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The outcome of a host call that returned `error` (negative). `sent_once`: the call may have
 * changed something if it was carried out, so that not knowing is PROVOST_UNKNOWN and not "try
 * again". */
int kit_end_error(struct kit *kit, int error, bool sent_once, const char *what);
int kit_end_memory(struct kit *kit);

/* Text in the call's memory; NULL when out of memory. */
char *kit_printf(struct kit *kit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes kit->state the state document of the call. PROVOST_OK or an outcome. */
int kit_state_set(struct kit *kit);
/* The same, durable at once. */
int kit_state_save(struct kit *kit);
/* Answers with `result` (steals the reference, NULL: out of memory). PROVOST_OK or an outcome. */
int kit_result(struct kit *kit, json_t *result);

struct kit_answer {
    int status;
    json_t *json;     /* owned by the caller; NULL: the body is not JSON */
    const char *text; /* ": " and what the backend says is wrong; "" when it says nothing */
};

/* Sends a request; `body` is borrowed and may be NULL. PROVOST_OK for an answer that the caller has
 * to judge: 2xx, 400, 404, 409, 410, 422 and what has no common meaning. Everything else becomes an
 * outcome, with `what` ("create zone example.com") before the reason. */
int kit_http(struct kit *kit, const struct provost_http_request *request, json_t *body,
             const char *what, struct kit_answer *ret_answer);
void kit_answer_done(struct kit_answer *answer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of a backend means: matches (which statuses, which values), what goes into the
 * state document, and the backend's own sentence. Needs no host; any thread. */
#ifndef PLUGINS_HTTP_ANSWER_H
#define PLUGINS_HTTP_ANSWER_H

#include "plugins/http/template.h"

/* An answer, or what came in with a signal. Borrows everything. */
struct http_answer {
    int status;       /* 0: there is none (a signal) */
    const char *text; /* the body, NUL-terminated; NULL: empty */
    size_t length;
    const json_t *json; /* the body; NULL: it is no JSON */
};

#define HTTP_SAID_MAX 320

/* The value at a JSON pointer (RFC 6901); borrowed, NULL: not there. */
json_t *http_pointer_at(const json_t *json, const char *pointer);
/* "" or "/a/0/b~1c". */
bool http_pointer_valid(const char *pointer);

/* Does the answer fit? A match is a status (204), a text of them ("2xx", "200-204"), an object
 * {"status": …, "body": CONDITION}, or an array of such of which one has to fit. NULL fits nothing.
 */
bool http_match(const json_t *match, const struct http_answer *answer);
/* The same for what an answer of the backend's own has to say (success, absent, done, failed): an
 * object without "status" fits a 2xx only, for the JSON of an error lacks whatever is asked for. */
bool http_match_good(const json_t *match, const struct http_answer *answer);
/* Is it what the call names in `success`? Default: every 2xx. */
bool http_success(const json_t *call, const struct http_answer *answer);
/* Do all of these hold? An object of pointers and what is expected there: a scalar; an array of
 * scalars, one of which it is; {"not": scalar or array}; {"exists": true or false}. What is not
 * there is null. NULL and {} always hold. */
bool http_condition(const json_t *condition, const json_t *json);
/* The same with names of the scope in place of pointers. */
bool http_condition_scope(const json_t *condition, const json_t *scope);

/* HTTP_BAD with a sentence when it is no match or condition. */
int http_match_check(const json_t *match, char why[HTTP_WHY_MAX]);
int http_condition_check(const json_t *condition, bool names, char why[HTTP_WHY_MAX]);

/* Puts what the mapping names into `into`: {NAME: "/pointer"}, {NAME: {"from": "/pointer",
 * "type"?, "default"?, "optional"?}} or {NAME: {"value": TEMPLATE}}. `scope` has the answer in it.
 * HTTP_MISSING or HTTP_BAD when something is not there or of another type: `into` may then hold a
 * part of it. */
int http_map(const json_t *mapping, const struct http_answer *answer, const json_t *scope,
             json_t *into, char why[HTTP_WHY_MAX]);

/* What the backend says is wrong, fit to be shown to people: the text at the first of the pointers
 * that has one, or the body; without markup, without "API POST /x failed: HTTP 500" in front, at
 * most HTTP_SAID_MAX - 1 bytes. "" when it says nothing. pointers: an array of texts, or NULL. */
void http_said(const json_t *pointers, const struct http_answer *answer, char out[HTTP_SAID_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The http plugin: what its files share. What an instance does stands in its settings as JSON;
 * http_check has looked at all of it before anything runs, and the steps read it as they go. One
 * call has one struct http; everything runs on the host's loop thread, inside that call.
 *
 * State document: the members that `state` of the calls name, and nothing else. */
#ifndef PLUGINS_HTTP_HTTP_H
#define PLUGINS_HTTP_HTTP_H

#include "plugins/common/kit.h"
#include "plugins/http/answer.h"

#define HTTP_TIMEOUT_MS 30000
#define HTTP_TIMEOUT_MAX_MS 600000
#define HTTP_POLL_MS 10000
#define HTTP_CALLS_MAX 20
#define HTTP_QUERY_CALLS_MAX 4
#define HTTP_PATH_MAX 400

/* What `open` makes of the settings. */
struct http_instance {
    json_t *settings;
};

/* One call of a plugin function. kit.settings is the instance's. */
struct http {
    struct kit kit;
    json_t *scope; /* the documents that templates see */
    const char *operation;
    int signal_error; /* of host->signal_url; 0: it gave one, or was not asked */
    bool terminating; /* what is not there need not be taken away: terminate and undo */
};

/* As kit_open and kit_close, with the scope. */
int http_open(struct http *http, struct provost_call *call);
int http_close(struct http *http, int outcome);

/* ---- the settings ---- */

/* The calls of an operation or action; NULL: it has none. */
json_t *http_calls_of(const json_t *settings, const char *operation);
/* The call that is recorded as this step; NULL: there is none any more. */
json_t *http_call_of(const json_t *settings, const char *operation, const char *step);
/* Its name: as given, or that of the operation when it is the only one. */
const char *http_call_name(const json_t *call, const char *operation);
const char *http_method_of(const json_t *call);
/* It may be sent twice: by its method, because it says so, or because it sends a key. */
bool http_repeatable(const json_t *call);
/* "25s" or a number of milliseconds; -1: neither. */
int64_t http_duration(const json_t *value);
uint32_t http_timeout_of(const json_t *settings, const json_t *call);

/* check.c: everything that can be wrong in the settings. 0, or error holds "PATH: sentence". */
int http_check(const json_t *settings, char *error, size_t error_size);

/* declare.c */
int http_declare(const char *settings, const struct provost_plugin **ret_plugin, char *error,
                 size_t error_size);
/* fields.c: a table (ends with {0}) out of an array of fields; lives as long as the process. NULL:
 * no memory. */
struct provost_field *http_fields_new(const json_t *fields);
/* HTTP_BAD, with the path within the array in `where`. */
int http_fields_check(const json_t *fields, bool secrets, char where[HTTP_PATH_MAX],
                      char why[HTTP_WHY_MAX]);

/* ---- requests ---- */

struct http_reply {
    struct http_answer answer;
    int64_t retry_after_ms;
    json_t *json; /* owned; answer.json borrows it */
};
void http_reply_done(struct http_reply *reply);

/* Sends a call. PROVOST_OK: an answer of any status came. Otherwise the outcome, with its sentence
 * said; repeatable: it changes nothing or may be sent twice. */
int http_send(struct http *http, const json_t *call, bool repeatable, const char *what,
              struct http_reply *ret_reply);
/* The outcome of a template that could not be filled in. */
int http_end_template(struct http *http, int error, const char *what, const char *where,
                      const char *why);
/* The outcome of a call that needs a signal, for which there is no URL: the instance's fault. */
int http_end_signal(struct http *http, const char *what);
/* The outcome of an answer that no match names. */
int http_end_status(struct http *http, const json_t *call, bool repeatable, const char *what,
                    const struct http_reply *reply);
/* Ends for good with what the backend said; code: for programs, or NULL. */
int http_refuse(struct http *http, const json_t *call, const char *code, const char *what,
                const struct http_answer *answer);
/* `answer` in the scope, for templates of what is made of it. */
int http_scope_answer(struct http *http, const struct http_answer *answer);
/* What the call keeps of an answer goes into kit.state. PROVOST_OK or an outcome. */
int http_keep(struct http *http, const json_t *mapping, bool repeatable, const char *what,
              const struct http_answer *answer);
/* host->result with a tree of templates; NULL: nothing to show. */
int http_result(struct http *http, const json_t *tree, const char *what);
/* The same where what it tells of is done already: what cannot be shown goes into the log. */
void http_show(struct http *http, const json_t *tree, const char *what);

/* ---- steps.c, queries.c ---- */

int http_run(struct provost_call *call);
int http_poll(struct provost_call *call);
int http_lookup(struct provost_call *call);
int http_undo(struct provost_call *call);
int http_service_query(struct provost_call *call);
int http_instance_query(struct provost_call *call);

#endif

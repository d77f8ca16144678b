/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: calls whose answers a tree of templates turns into what the query answers. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <string.h>

/* One call; its answer becomes `answer`, and `answers.NAME` where it has a name. */
static int ask(struct http *http, const json_t *call, json_t *answers)
{
    struct http_reply reply = {.json = NULL};
    const json_t *condition = json_object_get(call, "if");
    const char *name = provost_text_at(call, "name", NULL);
    char what[160];
    if (condition != NULL && !http_condition_scope(condition, http->scope)) {
        return PROVOST_OK;
    }
    snprintf(what, sizeof(what), "%s %s", http_method_of(call), provost_text_at(call, "path", "/"));
    int outcome = http_send(http, call, true, what, &reply);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (http_success(call, &reply.answer)) {
        outcome = http_scope_answer(http, &reply.answer);
        if (outcome == PROVOST_OK && name != NULL && reply.json != NULL &&
            json_object_set(answers, name, reply.json) != 0) {
            outcome = kit_end_memory(&http->kit);
        }
    } else if (http_match_good(json_object_get(call, "absent"), &reply.answer)) {
        outcome = http_refuse(http, call, "not_found", what, &reply.answer);
    } else {
        outcome = http_end_status(http, call, true, what, &reply);
    }
    http_reply_done(&reply);
    return outcome;
}

static int query(struct provost_call *call, const char *table)
{
    struct http http;
    int outcome = http_open(&http, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    const json_t *query = json_object_get(json_object_get(http.kit.settings, table), call->step);
    const json_t *calls = json_object_get(query, "calls");
    json_t *answers = json_object();
    if (answers == NULL || json_object_set_new(http.scope, "answers", answers) != 0) {
        return http_close(&http, kit_end_memory(&http.kit));
    }
    for (size_t i = 0; outcome == PROVOST_OK && i < json_array_size(calls); i++) {
        outcome = ask(&http, json_array_get(calls, i), answers);
    }
    if (outcome == PROVOST_OK) {
        outcome = http_result(&http, json_object_get(query, "result"), call->step);
    }
    return http_close(&http, outcome);
}

int http_service_query(struct provost_call *call)
{
    return query(call, "queries");
}

int http_instance_query(struct provost_call *call)
{
    return query(call, "instance_queries");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: each is one call of the settings, found by the operation's and the step's name. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <string.h>

/* One function of a step. */
struct doing {
    struct http http;
    json_t *call; /* the step's, not that of its poll, lookup or undo */
    char what[160];
};

/* PROVOST_OK, or what the function returns. */
static int begin(struct doing *doing, struct provost_call *call)
{
    int outcome = http_open(&doing->http, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    doing->call = http_call_of(doing->http.kit.settings, doing->http.operation, call->step);
    if (doing->call == NULL) { /* declared and read from the same settings */
        return http_close(&doing->http, kit_end(&doing->http.kit, PROVOST_INSTANCE_FAULT,
                                                "the settings have no call %s in %s", call->step,
                                                call->operation));
    }
    snprintf(doing->what, sizeof(doing->what), "%s %s", http_method_of(doing->call),
             provost_text_at(doing->call, "path", "/"));
    return PROVOST_OK;
}

static void name_request(struct doing *doing, const json_t *call)
{
    snprintf(doing->what, sizeof(doing->what), "%s %s", http_method_of(call),
             provost_text_at(call, "path", "/"));
}

static int64_t interval_of(const json_t *poll)
{
    int64_t every = http_duration(json_object_get(poll, "every"));
    return every > 0 ? every : HTTP_POLL_MS;
}

static bool waits(const json_t *call)
{
    return json_object_get(call, "poll") != NULL || json_object_get(call, "signal") != NULL;
}

/* The backend is at it: asked again, or waited for. */
static int wait_for(struct doing *doing)
{
    const json_t *poll = json_object_get(doing->call, "poll");
    return provost_fail(
        doing->http.kit.call, PROVOST_PENDING, poll != NULL ? interval_of(poll) : 0, "%s",
        poll != NULL ? "the backend is working on it" : "waiting for the backend's signal");
}

/* Ends what has been done. What cannot be shown of it takes nothing of that back. */
static int shown(struct doing *doing, const json_t *from, const struct http_answer *answer)
{
    struct http *http = &doing->http;
    if (http_scope_answer(http, answer) == PROVOST_OK) {
        http_show(http, json_object_get(from, "result"), doing->what);
    }
    http->kit.host->outcome(http->kit.call, PROVOST_OK, -1, NULL);
    return PROVOST_OK;
}

static bool fits(const json_t *call, const char *member, const struct http_answer *answer)
{
    return http_match(json_object_get(call, member), answer);
}

static bool says(const json_t *call, const char *member, const struct http_answer *answer)
{
    return http_match_good(json_object_get(call, member), answer);
}

static int after_success(struct doing *doing, const json_t *call, bool repeatable,
                         const struct http_answer *answer)
{
    struct http *http = &doing->http;
    int outcome = http_keep(http, json_object_get(call, "state"), repeatable, doing->what, answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (waits(doing->call)) {
        return wait_for(doing);
    }
    return shown(doing, call, answer);
}

/* What an answer means that is no success: the matches of the call, then the usual rules. */
static int no_success(struct doing *doing, const json_t *call, bool repeatable,
                      const struct http_reply *reply)
{
    struct http *http = &doing->http;
    const struct http_answer *answer = &reply->answer;
    char said[HTTP_SAID_MAX];
    if (says(call, "absent", answer)) {
        return http->terminating ? PROVOST_OK
                                 : http_refuse(http, call, "not_found", doing->what, answer);
    }
    if (fits(call, "there", answer)) {
        /* Its answer says nothing of it; only values of our own are kept. */
        const struct http_answer none = {.status = answer->status};
        return json_object_get(call, "lookup") == NULL
                   ? http_keep(http, json_object_get(call, "state"), repeatable, doing->what, &none)
                   : kit_end(&http->kit, PROVOST_UNKNOWN, "%s: HTTP %d: it is there already",
                             doing->what, answer->status);
    }
    if (fits(call, "busy", answer) && json_object_get(call, "poll") != NULL) {
        return wait_for(doing);
    }
    if (fits(call, "busy", answer) || fits(call, "temporary", answer)) {
        http_said(json_object_get(call, "error"), answer, said);
        return provost_fail(http->kit.call, PROVOST_TEMPORARY, reply->retry_after_ms,
                            "%s: HTTP %d%s%s", doing->what, answer->status,
                            said[0] != '\0' ? ": " : "", said);
    }
    if (fits(call, "conflict", answer)) {
        return http_refuse(http, call, "conflict", doing->what, answer);
    }
    if (fits(call, "permanent", answer)) {
        return http_refuse(http, call, NULL, doing->what, answer);
    }
    if (answer->status >= 200 && answer->status < 300 && answer->json == NULL) {
        return kit_end(&http->kit, repeatable ? PROVOST_TEMPORARY : PROVOST_UNKNOWN,
                       "%s: HTTP %d, but the answer is no JSON, or cut short", doing->what,
                       answer->status);
    }
    return http_end_status(http, call, repeatable, doing->what, reply);
}

/* false: the call is left out here. */
static bool wanted(const struct doing *doing, const json_t *call)
{
    const json_t *condition = json_object_get(call, "if");
    return condition == NULL || http_condition_scope(condition, doing->http.scope);
}

int http_run(struct provost_call *call)
{
    struct doing doing;
    struct http_reply reply = {.json = NULL};
    int outcome = begin(&doing, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (!wanted(&doing, doing.call)) {
        return http_close(&doing.http, PROVOST_OK);
    }
    /* Nobody could ever call back; before anything is sent. */
    if (doing.http.signal_error != 0 && json_object_get(doing.call, "poll") == NULL) {
        return http_close(&doing.http, http_end_signal(&doing.http, doing.what));
    }
    bool repeatable = http_repeatable(doing.call);
    outcome = http_send(&doing.http, doing.call, repeatable, doing.what, &reply);
    if (outcome == PROVOST_OK) {
        outcome = http_success(doing.call, &reply.answer)
                      ? after_success(&doing, doing.call, repeatable, &reply.answer)
                      : no_success(&doing, doing.call, repeatable, &reply);
    }
    http_reply_done(&reply);
    return http_close(&doing.http, outcome);
}

/* ---- poll ---- */

static void show_progress(struct doing *doing, const json_t *poll, const struct http_answer *answer)
{
    const char *pointer = provost_text_at(poll, "progress", NULL);
    const char *text_pointer = provost_text_at(poll, "text", NULL);
    const json_t *found = pointer != NULL ? http_pointer_at(answer->json, pointer) : NULL;
    const json_t *text = text_pointer != NULL ? http_pointer_at(answer->json, text_pointer) : NULL;
    double percent = json_is_number(found) ? json_number_value(found) : -1;
    if (percent >= 0 || json_is_string(text)) {
        doing->http.kit.host->progress(doing->http.kit.call,
                                       percent >= 0 && percent <= 100 ? (int)percent : -1,
                                       json_is_string(text) ? json_string_value(text) : "");
    }
}

static int finished(struct doing *doing, const json_t *from, const struct http_answer *answer)
{
    int outcome =
        http_keep(&doing->http, json_object_get(from, "state"), true, doing->what, answer);
    return outcome == PROVOST_OK ? shown(doing, from, answer) : outcome;
}

static int judge_poll(struct doing *doing, const json_t *poll, const struct http_reply *reply)
{
    const struct http_answer *answer = &reply->answer;
    if (says(poll, "failed", answer)) {
        return http_refuse(&doing->http, poll, NULL, doing->what, answer);
    }
    if (says(poll, "done", answer)) {
        return finished(doing, poll, answer);
    }
    if (!http_success(poll, answer)) {
        return http_end_status(&doing->http, poll, true, doing->what, reply);
    }
    show_progress(doing, poll, answer);
    return wait_for(doing);
}

/* What came with the signal decides, where there is nobody to be asked. */
static int judge_signal(struct doing *doing, const json_t *signal)
{
    const char *name = provost_text_at(signal, "name", json_string_value(signal));
    const json_t *signals = json_object_get(doing->http.kit.input, "signals");
    const json_t *body = json_object_get(signals, name);
    const json_t *done = json_object_get(signal, "done");
    const json_t *failed = json_object_get(signal, "failed");
    const struct http_answer answer = {.status = 0, .json = body};
    snprintf(doing->what, sizeof(doing->what), "signal %s", name);
    if (body == NULL) {
        return wait_for(doing);
    }
    if (failed != NULL && http_condition(failed, body)) {
        char said[HTTP_SAID_MAX];
        http_said(json_object_get(signal, "error"), &answer, said);
        return kit_end(&doing->http.kit, PROVOST_PERMANENT, "%s",
                       said[0] != '\0' ? said : "the backend says that it failed");
    }
    return done == NULL || http_condition(done, body) ? finished(doing, signal, &answer)
                                                      : wait_for(doing);
}

int http_poll(struct provost_call *call)
{
    struct doing doing;
    struct http_reply reply = {.json = NULL};
    int outcome = begin(&doing, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    const json_t *poll = json_object_get(doing.call, "poll");
    if (poll == NULL) {
        outcome = judge_signal(&doing, json_object_get(doing.call, "signal"));
    } else {
        name_request(&doing, poll);
        outcome = http_send(&doing.http, poll, true, doing.what, &reply);
        outcome = outcome == PROVOST_OK ? judge_poll(&doing, poll, &reply) : outcome;
    }
    http_reply_done(&reply);
    return http_close(&doing.http, outcome);
}

/* ---- lookup ---- */

static int judge_lookup(struct doing *doing, const json_t *lookup, const struct http_reply *reply)
{
    const struct http_answer *answer = &reply->answer;
    if (says(lookup, "absent", answer)) {
        return kit_end(&doing->http.kit, PROVOST_ABSENT, "%s: it is not there", doing->what);
    }
    if (fits(lookup, "busy", answer)) {
        return kit_end(&doing->http.kit, PROVOST_IN_PROGRESS, "%s: the backend is working on it",
                       doing->what);
    }
    if (fits(lookup, "conflict", answer)) {
        return http_refuse(&doing->http, lookup, "conflict", doing->what, answer);
    }
    if (!http_success(lookup, answer)) {
        return http_end_status(&doing->http, lookup, true, doing->what, reply);
    }
    int outcome =
        http_keep(&doing->http, json_object_get(lookup, "state"), true, doing->what, answer);
    /* Found is not finished, as after the request itself. */
    return outcome == PROVOST_OK && waits(doing->call) ? wait_for(doing) : outcome;
}

int http_lookup(struct provost_call *call)
{
    struct doing doing;
    struct http_reply reply = {.json = NULL};
    int outcome = begin(&doing, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    const json_t *lookup = json_object_get(doing.call, "lookup");
    name_request(&doing, lookup);
    outcome = http_send(&doing.http, lookup, true, doing.what, &reply);
    outcome = outcome == PROVOST_OK ? judge_lookup(&doing, lookup, &reply) : outcome;
    http_reply_done(&reply);
    return http_close(&doing.http, outcome);
}

/* ---- undo ---- */

static bool forget_names(json_t *state, const json_t *call)
{
    const char *name = NULL;
    json_t *rule = NULL;
    bool changed = false;
    json_object_foreach(json_object_get(call, "state"), name, rule)
    {
        changed = json_object_del(state, name) == 0 || changed;
    }
    return changed;
}

/* What the step has learnt is gone, whichever part of it did. */
static int forget(struct doing *doing)
{
    static const char *const inner[] = {"poll", "lookup", "signal"};
    json_t *state = doing->http.kit.state;
    bool changed = forget_names(state, doing->call);
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        changed = forget_names(state, json_object_get(doing->call, inner[i])) || changed;
    }
    return changed ? kit_state_set(&doing->http.kit) : PROVOST_OK;
}

int http_undo(struct provost_call *call)
{
    struct doing doing;
    struct http_reply reply = {.json = NULL};
    int outcome = begin(&doing, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    const json_t *undo = json_object_get(doing.call, "undo");
    if (!wanted(&doing, doing.call) || !wanted(&doing, undo)) {
        return http_close(&doing.http, PROVOST_OK);
    }
    doing.http.terminating = true;
    name_request(&doing, undo);
    /* An undo is repeated until it is known to be done. */
    outcome = http_send(&doing.http, undo, true, doing.what, &reply);
    if (outcome == PROVOST_OK && !http_success(undo, &reply.answer)) {
        outcome = no_success(&doing, undo, true, &reply);
    }
    outcome = outcome == PROVOST_OK ? forget(&doing) : outcome;
    http_reply_done(&reply);
    return http_close(&doing.http, outcome);
}

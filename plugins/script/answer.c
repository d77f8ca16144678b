/* SPDX-License-Identifier: Apache-2.0 */
/* What a program said: exit status and JSON together give the outcome. Whatever does not fit
 * together is unknown, because the program has run and may have done anything. */
#include "plugins/script/script.h"

#include <signal.h>
#include <string.h>

#define LINES_MAX 200
#define NONE (-1)

static const struct {
    const char *name;
    int outcome;
    int exit_status; /* sysexits.h as far as it goes */
} meanings[] = {
    {"ok", PROVOST_OK, 0},
    {"permanent", PROVOST_PERMANENT, 65},
    {"unknown", PROVOST_UNKNOWN, 70},
    {"temporary", PROVOST_TEMPORARY, 75},
    {"instance_fault", PROVOST_INSTANCE_FAULT, 78},
    {"pending", PROVOST_PENDING, 79},
    {"absent", PROVOST_ABSENT, 80},
    {"in_progress", PROVOST_IN_PROGRESS, 81},
};

struct answer {
    struct kit *kit;
    enum script_call kind;
    const json_t *json;
    const char *last_line; /* of standard error; "" */
};

static int by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].name, name) == 0) {
            return meanings[i].outcome;
        }
    }
    return NONE;
}

static int by_status(int exit_status)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].exit_status == exit_status) {
            return meanings[i].outcome;
        }
    }
    return NONE;
}

/* Nobody can tell what it did; a question did nothing. */
static int unclear(const struct answer *a, const char *why)
{
    int outcome =
        a->kind == SCRIPT_QUERY || a->kind == SCRIPT_LOOKUP ? PROVOST_TEMPORARY : PROVOST_UNKNOWN;
    return kit_end(a->kit, outcome, "%s%s%s", why, a->last_line[0] ? ": " : "", a->last_line);
}

/* Standard error, line by line, into the log; the last one also explains failures. */
static const char *log_errors(struct kit *kit, const struct provost_exec_result *ended)
{
    const char *last = "";
    const char *p = ended->errors;
    const char *end = p + ended->errors_len;
    int lines = 0;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((newline != NULL ? newline : end) - p);
        const char *line = provost_format(kit->call, "%.*s", (int)(len < 2000 ? len : 2000), p);
        if (line[0] != '\0') {
            last = line;
            if (lines < LINES_MAX) {
                kit->host->log(kit->call, PROVOST_LOG_INFO, line);
            }
            lines++;
        }
        p += len + (newline != NULL ? 1 : 0);
    }
    if (lines > LINES_MAX) {
        provost_log(kit->call, PROVOST_LOG_WARN, "%d more lines of standard error were dropped",
                    lines - LINES_MAX);
    }
    return last;
}

/* Members that mean nothing are most likely misspelt. */
static void warn_of_unknown(const struct answer *a)
{
    static const char *const known[] = {"outcome", "error",  "retry_after",
                                        "state",   "result", "progress"};
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)a->json, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            provost_log(a->kit->call, PROVOST_LOG_WARN,
                        "the answer has a member \"%.60s\", which means nothing", key);
        }
    }
}

static int take_state(const struct answer *a)
{
    json_t *state = json_object_get(a->json, "state");
    if (state == NULL) {
        return PROVOST_OK;
    }
    if (!json_is_object(state) || a->kind == SCRIPT_QUERY) {
        return unclear(a, a->kind == SCRIPT_QUERY ? "a query answered with a \"state\""
                                                  : "the answer's \"state\" is no object");
    }
    json_decref(a->kit->state);
    a->kit->state = json_incref(state);
    char *text = (char *)(uintptr_t)provost_dump(a->kit->call, state);
    if (text == NULL || a->kit->host->state_set(a->kit->call, text) != 0) {
        return unclear(a, text == NULL ? "out of memory" : a->kit->host->error(a->kit->call));
    }
    return PROVOST_OK;
}

/* Of a query the whole answer may be the result; of a step and an action it is "result". */
static int take_result(const struct answer *a)
{
    const json_t *result = json_object_get(a->json, "result");
    if (result == NULL) {
        return PROVOST_OK;
    }
    const char *text = provost_dump(a->kit->call, result);
    if (text == NULL || a->kit->host->result(a->kit->call, text) != 0) {
        return unclear(a, text == NULL ? "out of memory" : a->kit->host->error(a->kit->call));
    }
    return PROVOST_OK;
}

static void take_progress(const struct answer *a)
{
    const json_t *progress = json_object_get(a->json, "progress");
    if (progress != NULL) {
        a->kit->host->progress(a->kit->call, (int)provost_int_at(progress, "percent", -1),
                               provost_text_at(progress, "text", ""));
    }
}

/* Seconds, as in an HTTP header; NONE: not said; -2: nonsense. */
static int64_t retry_after_ms(const struct answer *a)
{
    const json_t *value = json_object_get(a->json, "retry_after");
    if (value == NULL) {
        return NONE;
    }
    double seconds = json_number_value(value);
    return json_is_number(value) && seconds >= 0 && seconds <= 30 * 86400.0
               ? (int64_t)(seconds * 1000)
               : -2;
}

static int conclude(const struct answer *a, int outcome)
{
    int64_t wait_ms = retry_after_ms(a);
    if (wait_ms == -2) {
        return unclear(a, "the answer's \"retry_after\" is no number of seconds up to 30 days");
    }
    warn_of_unknown(a);
    take_progress(a);
    int taken = take_state(a);
    taken = taken == PROVOST_OK ? take_result(a) : taken;
    if (taken != PROVOST_OK) {
        return taken;
    }
    const char *text = provost_text_at(a->json, "error", outcome == PROVOST_OK ? "" : a->last_line);
    return a->kit->host->outcome(a->kit->call, outcome, wait_ms, text[0] != '\0' ? text : NULL);
}

/* The two ways in which a program says what came of it, if they agree; NONE: they do not. */
static int agreed(int by_exit, const char *said)
{
    int outcome = said != NULL ? by_name(said) : by_exit;
    return by_exit == PROVOST_OK || outcome == by_exit ? outcome : NONE;
}

static int judge(const struct answer *a, const struct provost_exec_result *ended)
{
    struct provost_call *call = a->kit->call;
    if (ended->signal != 0) {
        return unclear(a, provost_format(call, "the program was ended by signal %d (%s)",
                                         ended->signal, strsignal(ended->signal)));
    }
    int by_exit = by_status(ended->exit_status);
    if (by_exit == NONE) {
        return unclear(
            a, provost_format(call, "the program ended with status %d", ended->exit_status));
    }
    if (a->json == NULL) {
        return unclear(a, "the program's output is no JSON object");
    }
    const json_t *said = json_object_get(a->json, "outcome");
    if (said != NULL && !json_is_string(said)) {
        return unclear(a, "the answer's \"outcome\" is no text");
    }
    int outcome = agreed(by_exit, json_string_value(said));
    if (outcome == NONE) {
        return unclear(a, provost_format(call,
                                         "the program ended with status %d and the outcome "
                                         "\"%.40s\", which do not go together",
                                         ended->exit_status, json_string_value(said)));
    }
    return conclude(a, outcome);
}

static bool is_blank(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", text[i]) != NULL && text[i] != '\0') {
        i++;
    }
    return i == len;
}

int script_answer(struct kit *kit, enum script_call kind, const struct provost_exec_result *ended)
{
    json_t *json = is_blank(ended->output, ended->output_len)
                       ? json_object()
                       : provost_parse(ended->output, ended->output_len);
    struct answer a = {.kit = kit,
                       .kind = kind,
                       .json = json_is_object(json) ? json : NULL,
                       .last_line = log_errors(kit, ended)};
    int outcome = judge(&a, ended);
    json_decref(json);
    return outcome;
}

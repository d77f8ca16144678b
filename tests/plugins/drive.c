/* SPDX-License-Identifier: Apache-2.0 */
/* Drives one plugin for the tests in Python: a JSON command a line on standard input, a JSON answer
 * a line on standard output. See tests/plugins/fake.py for the commands. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/fake_host.h"

struct drive {
    struct fake_host host;
    json_t *states; /* service: state document */
    unsigned operations;
};

static const char *const outcomes[] = {"ok",         "pending", "temporary", "instance_fault",
                                       "permanent",  "unknown", "canceled",  "absent",
                                       "in_progress"};

static const char *outcome_name(int code)
{
    return code >= 0 && (size_t)code < sizeof(outcomes) / sizeof(outcomes[0]) ? outcomes[code]
                                                                              : "?";
}

static const char *text_of(json_t *object, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? fallback : text;
}

static const struct provost_step *find_steps(const struct provost_plugin *plugin, const char *name)
{
    const struct {
        const char *name;
        const struct provost_step *steps;
    } known[] = {{"create", plugin->create},       {"suspend", plugin->suspend},
                 {"unsuspend", plugin->unsuspend}, {"terminate", plugin->terminate},
                 {"upgrade", plugin->upgrade},     {"renew", plugin->renew}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].steps;
        }
    }
    const struct provost_action *action = plugin->actions;
    for (; action != NULL && action->name != NULL; action++) {
        if (strcmp(action->name, name) == 0) {
            return action->steps;
        }
    }
    return NULL;
}

static const struct provost_query *find_query(const struct provost_query *queries, const char *name)
{
    for (; queries != NULL && queries->name != NULL; queries++) {
        if (strcmp(queries->name, name) == 0) {
            return queries;
        }
    }
    return NULL;
}

/* "12345" → "r12345xxxxxxxxxxxxxx": 20 characters, as refs have. */
static void ref_of(const char *service, char ref[21])
{
    memset(ref, 'x', 20);
    ref[20] = '\0';
    ref[0] = 'r';
    memcpy(ref + 1, service, strlen(service) < 19 ? strlen(service) : 19);
}

static json_t *parsed(const char *text)
{
    json_t *json = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return json == NULL ? json_null() : json;
}

/* Runs one function; keeps the state document when the call says a new one. */
static int call(struct drive *drive, json_t *command, provost_step_fn function,
                const char *operation_id, const char *step, unsigned attempt, json_t *said)
{
    const char *service = text_of(command, "service", "");
    char ref[21] = "";
    if (service[0] != '\0') {
        ref_of(service, ref);
    }
    json_t *input_json = json_object_get(command, "input");
    char *input = input_json == NULL ? strdup("{}") : json_dumps(input_json, 0);
    char *state = json_dumps(json_object_get(drive->states, service), 0);
    const struct fake_call one = {
        .operation_id = operation_id,
        .operation = text_of(command, "name", ""),
        .step = step,
        .service = service,
        .ref = ref,
        .input = input,
        .state = state == NULL ? "{}" : state,
        .run = 1,
        .attempt = attempt,
    };
    struct fake_outcome outcome;
    fake_host_call(&drive->host, function, &one, &outcome);
    free(input);
    free(state);
    int code = outcome.code;
    /* As the engine does: the changed document becomes durable with the step. */
    if ((code == PROVOST_OK || code == PROVOST_PENDING) && outcome.state != NULL) {
        json_object_set_new(drive->states, service, parsed(outcome.state));
    }
    json_object_set_new(said, "outcome", json_string(outcome_name(code)));
    json_object_set_new(said, "text",
                        outcome.text == NULL ? json_null() : json_string(outcome.text));
    json_object_set_new(said, "retry_after_ms", json_integer((json_int_t)outcome.retry_after_ms));
    json_object_set_new(said, "result", parsed(outcome.result));
    fake_outcome_done(&outcome);
    return code;
}

static void undo_from(struct drive *drive, json_t *command, const struct provost_step *steps,
                      size_t from, const char *operation_id, json_t *done)
{
    for (size_t i = from + 1; i-- > 0;) {
        if (steps[i].undo != NULL) {
            json_t *said = json_object();
            call(drive, command, steps[i].undo, operation_id, steps[i].name, 1, said);
            json_object_set_new(said, "step", json_string(steps[i].name));
            json_object_set_new(said, "undo", json_true());
            json_array_append_new(done, said);
        }
    }
}

/* One step until it is done, as far as the command lets it: retries, polls, look-ups. */
static int run_step(struct drive *drive, json_t *command, const struct provost_step *step,
                    const char *operation_id, json_t *done)
{
    json_int_t retries = json_integer_value(json_object_get(command, "retries"));
    json_int_t polls = json_integer_value(json_object_get(command, "polls"));
    bool lookups = json_is_true(json_object_get(command, "lookups"));
    provost_step_fn function = step->run;
    unsigned attempt = 1;
    for (;;) {
        json_t *said = json_object();
        int code = call(drive, command, function, operation_id, step->name, attempt, said);
        json_object_set_new(said, "step", json_string(step->name));
        json_array_append_new(done, said);
        if (code == PROVOST_PENDING && polls-- > 0) {
            function = step->poll != NULL ? step->poll : step->run;
        } else if (code == PROVOST_UNKNOWN && lookups && step->lookup != NULL) {
            function = step->lookup;
        } else if (code == PROVOST_ABSENT) {
            function = step->run;
        } else if ((code == PROVOST_TEMPORARY || code == PROVOST_UNKNOWN) && retries-- > 0) {
            attempt++;
        } else {
            return code;
        }
    }
}

/* {"do": "run", "name", "service", "input", "retries"?, "polls"?, "lookups"?, "undo"?, "until"?,
 * "skip"?} */
static json_t *run(struct drive *drive, json_t *command)
{
    const struct provost_step *steps = find_steps(drive->host.plugin, text_of(command, "name", ""));
    char operation_id[32];
    drive->operations++;
    snprintf(operation_id, sizeof(operation_id), "op_%u", drive->operations);
    json_t *done = json_array();
    const char *until = text_of(command, "until", NULL);
    bool skip = json_is_true(json_object_get(command, "skip"));
    int code = PROVOST_OK;
    size_t i = 0;
    for (; steps != NULL && steps[i].name != NULL; i++) {
        if (skip) {
            continue;
        }
        code = run_step(drive, command, &steps[i], operation_id, done);
        if (code != PROVOST_OK || (until != NULL && strcmp(until, steps[i].name) == 0)) {
            break;
        }
    }
    json_t *last = json_array_size(done) == 0
                       ? json_pack("{s:s}", "outcome", "ok")
                       : json_incref(json_array_get(done, json_array_size(done) - 1));
    if (json_is_true(json_object_get(command, "undo")) && steps != NULL) {
        /* Completed and unknown steps, in reverse; a step that failed for good did nothing. */
        bool include = code == PROVOST_OK || code == PROVOST_UNKNOWN;
        size_t count = steps[i].name == NULL ? i : i + (include ? 1 : 0);
        if (count > 0) {
            undo_from(drive, command, steps, count - 1, operation_id, done);
        }
    }
    json_t *state = json_object_get(drive->states, text_of(command, "service", ""));
    json_t *answer =
        json_pack("{s:O, s:o, s:O, s:O, s:O?}", "outcome", json_object_get(last, "outcome"),
                  "steps", done, "last", last, "quotas", drive->host.quotas, "state", state);
    json_decref(last);
    return answer;
}

/* {"do": "query", "of": "service"|"instance", "name", "service"?, "input"?} */
static json_t *query(struct drive *drive, json_t *command)
{
    bool of_service = strcmp(text_of(command, "of", "service"), "service") == 0;
    const struct provost_plugin *plugin = drive->host.plugin;
    const struct provost_query *found =
        find_query(of_service ? plugin->service_queries : plugin->instance_queries,
                   text_of(command, "name", ""));
    json_t *said = json_object();
    if (found == NULL) {
        json_object_set_new(said, "outcome", json_string("no such query"));
        return said;
    }
    call(drive, command, found->run, "", found->name, 1, said);
    return said;
}

/* {"do": "fault", "nth", "error"?, "status"?, "send"} */
static json_t *fault(struct drive *drive, json_t *command)
{
    drive->host.fault = (struct fake_fault){
        .countdown = (int)json_integer_value(json_object_get(command, "nth")),
        .error = (int)json_integer_value(json_object_get(command, "error")),
        .status = (int)json_integer_value(json_object_get(command, "status")),
        .send = json_is_true(json_object_get(command, "send")),
    };
    return json_object();
}

static json_t *obey(struct drive *drive, json_t *command)
{
    const char *what = text_of(command, "do", "");
    if (strcmp(what, "run") == 0) {
        return run(drive, command);
    }
    if (strcmp(what, "query") == 0) {
        return query(drive, command);
    }
    if (strcmp(what, "fault") == 0) {
        return fault(drive, command);
    }
    if (strcmp(what, "limit") == 0) {
        json_object_set(drive->host.limits, text_of(command, "quota", ""),
                        json_object_get(command, "limit"));
        return json_object();
    }
    if (strcmp(what, "secret") == 0) {
        /* What secret_new will give: {"operation", "step", "name", "value"}. */
        char reservation[512];
        snprintf(reservation, sizeof(reservation), "secret/%s/1/%s/%s",
                 text_of(command, "operation", ""), text_of(command, "step", ""),
                 text_of(command, "name", ""));
        json_object_set(drive->host.secrets, reservation, json_object_get(command, "value"));
        return json_object();
    }
    if (strcmp(what, "resolver") == 0) {
        drive->host.dns_port = (int)json_integer_value(json_object_get(command, "port"));
        return json_object();
    }
    if (strcmp(what, "kv") == 0) {
        return json_incref(drive->host.kv);
    }
    if (strcmp(what, "settings") == 0) {
        free(drive->host.settings);
        drive->host.settings = json_dumps(json_object_get(command, "settings"), 0);
        return json_object();
    }
    if (strcmp(what, "state") == 0) {
        json_object_set(drive->states, text_of(command, "service", ""),
                        json_object_get(command, "state"));
        return json_object();
    }
    return json_pack("{s:s}", "error", "unknown command");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODULE.so SETTINGS-JSON\n", argv[0]);
        return 2;
    }
    struct drive drive = {.states = json_object()};
    if (fake_host_open(&drive.host, argv[1], argv[2]) != 0) {
        drive.host.plugin = NULL; /* it is not open */
        fake_host_close(&drive.host);
        json_decref(drive.states);
        return 1;
    }
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_t *command = json_loads(line, 0, NULL);
        json_t *answer = obey(&drive, command);
        char *text = json_dumps(answer, JSON_COMPACT);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(command);
    }
    free(line);
    fake_host_close(&drive.host);
    json_decref(drive.states);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a program: its arguments, environment and input, and why it cannot be started. */
#include "plugins/script/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_MS 3600000u
#define VARIABLES_MAX 160
#define VARIABLE_BYTES_MAX 8192u

const char *script_call_name(enum script_call kind)
{
    static const char *const names[] = {"run", "poll", "lookup", "undo", "query"};
    return names[kind];
}

/* ---- Which program ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The name under which the program is called: an operation's, an action's, a query's. */
static const char *name_of(const struct kit *kit, enum script_call kind)
{
    return kind == SCRIPT_QUERY ? kit->call->step : kit->call->operation;
}

/* path, path/create or path/create.undo; NULL when out of memory. */
static const char *program_of(struct kit *kit, enum script_call kind)
{
    const char *path = provost_text_at(kit->settings, "path", "");
    if (!is_folder(path)) {
        return kit_printf(kit, "%s", path);
    }
    const char *name = name_of(kit, kind);
    const char *own = kit_printf(kit, "%s/%s.%s", path, name, script_call_name(kind));
    if (own == NULL || access(own, F_OK) == 0) {
        return own;
    }
    return kit_printf(kit, "%s/%s", path, name);
}

/* Why a program does not start, for the one who has to mend it. */
static int end_not_started(struct kit *kit, const char *program)
{
    struct stat st;
    if (stat(program, &st) != 0) {
        return kit_end(kit, PROVOST_INSTANCE_FAULT, "there is no program %s: %s", program,
                       strerror(errno));
    }
    if (!S_ISREG(st.st_mode) || access(program, X_OK) != 0) {
        return kit_end(kit, PROVOST_INSTANCE_FAULT,
                       "%s is not executable for this user: chmod +x, or check its folders",
                       program);
    }
    char line[260] = "";
    FILE *file = fopen(program, "re");
    size_t got = file != NULL ? fread(line, 1, sizeof(line) - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    line[got] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "#!", 2) == 0) {
        return kit_end(kit, PROVOST_INSTANCE_FAULT, "%s; its first line names the interpreter %s",
                       kit->host->error(kit->call), line + 2 + strspn(line + 2, " \t"));
    }
    return kit_end(kit, PROVOST_INSTANCE_FAULT, "%s; a script needs a first line such as #!/bin/sh",
                   kit->host->error(kit->call));
}

/* ---- Environment: names and numbers, nothing secret ---- */

struct environment {
    struct kit *kit;
    const char *lines[VARIABLES_MAX + 1];
    size_t count;
    bool full;
};

static void put(struct environment *env, const char *name, const char *value)
{
    if (env->count == VARIABLES_MAX) {
        env->full = true;
        return;
    }
    const char *line = kit_printf(env->kit, "%s=%s", name, value);
    env->full = env->full || line == NULL;
    env->lines[env->count++] = line;
    env->lines[env->count] = NULL;
}

/* PREFIX_NAME=value for the texts, numbers and truths of an object. */
static void put_all(struct environment *env, const char *prefix, const json_t *object)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char *name = kit_printf(env->kit, "PROVOST_%s_%s", prefix, key);
        for (char *p = name; p != NULL && *p != '\0'; p++) {
            *p = (char)(isalnum((unsigned char)*p) ? toupper((unsigned char)*p) : '_');
        }
        const char *text = json_is_string(value) ? json_string_value(value)
                           : json_is_number(value) || json_is_boolean(value)
                               ? provost_dump(env->kit->call, value)
                               : NULL;
        if (name != NULL && text != NULL && strlen(text) <= VARIABLE_BYTES_MAX) {
            put(env, name, text);
        }
    }
}

static void fill_environment(struct environment *env, enum script_call kind)
{
    const struct provost_call *call = env->kit->call;
    const json_t *input = env->kit->input;
    put(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    put(env, "LANG", "C.UTF-8");
    put(env, "PROVOST_CALL", script_call_name(kind));
    put(env, "PROVOST_OPERATION", name_of(env->kit, kind));
    put(env, "PROVOST_STEP", call->step);
    put(env, "PROVOST_COMPONENT", call->component);
    put(env, "PROVOST_OPERATION_ID", call->operation_id);
    put(env, "PROVOST_SERVICE_ID", call->service_id);
    put(env, "PROVOST_EXTERNAL_ID", call->external_id);
    put(env, "PROVOST_REF", call->ref);
    put(env, "PROVOST_GENERATION", provost_format(env->kit->call, "%u", call->generation));
    put(env, "PROVOST_RUN", provost_format(env->kit->call, "%u", call->run));
    put(env, "PROVOST_ATTEMPT", provost_format(env->kit->call, "%u", call->attempt));
    put(env, "PROVOST_PRODUCT", provost_text_at(input, "service.product", ""));
    put(env, "PROVOST_PLAN", provost_text_at(input, "service.plan", ""));
    put_all(env, "OPTION", json_object_get(env->kit->settings, "options"));
    put_all(env, "VALUE", json_object_get(input, "values"));
}

/* ---- Input ---- */

static int put_keys(struct kit *kit, json_t *in)
{
    const char *key = NULL;
    const char *url = NULL;
    if (kit->host->idempotency_key(kit->call, "script", &key) == 0 &&
        json_object_set_new(in, "idempotency_key", json_string(key)) != 0) {
        return -1;
    }
    if (kit->host->signal_url(kit->call, "done", &url) == 0 &&
        json_object_set_new(in, "signal_url", json_string(url)) != 0) {
        return -1;
    }
    return 0;
}

static json_t *member_or_empty(const json_t *json, const char *name)
{
    json_t *found = json_object_get(json, name);
    return found != NULL ? json_incref(found) : json_object();
}

/* What stands on standard input; NULL when out of memory. */
static const char *input_of(struct kit *kit, enum script_call kind)
{
    const struct provost_call *call = kit->call;
    json_t *in = json_pack(
        "{ss ss ss ss ss ss ss ss sI sI sI so so so}", "call", script_call_name(kind), "operation",
        name_of(kit, kind), "step", call->step, "component", call->component, "operation_id",
        call->operation_id, "service_id", call->service_id, "external_id", call->external_id, "ref",
        call->ref, "generation", (json_int_t)call->generation, "run", (json_int_t)call->run,
        "attempt", (json_int_t)call->attempt, "options", member_or_empty(kit->settings, "options"),
        "secrets", member_or_empty(kit->settings, "secrets"), "state", json_incref(kit->state));
    if (in == NULL || json_object_update_missing(in, kit->input) != 0 ||
        (kind != SCRIPT_QUERY && put_keys(kit, in) != 0)) {
        json_decref(in);
        return NULL;
    }
    const char *text = provost_dump(kit->call, in);
    json_decref(in);
    return text;
}

/* ---- The call ---- */

/* `sure`: nothing is left unknown if the program was started. */
static int end_broken(struct kit *kit, enum script_call kind, int error, const char *program)
{
    bool sure = kind == SCRIPT_QUERY || kind == SCRIPT_LOOKUP;
    switch (error) {
    case PROVOST_E_FAILED:
        return end_not_started(kit, program);
    case PROVOST_E_TIMEOUT:
    case PROVOST_E_TOO_BIG:
        return kit_end(kit, sure ? PROVOST_TEMPORARY : PROVOST_UNKNOWN, "%s",
                       kit->host->error(kit->call));
    default:
        return kit_end_error(kit, error, !sure, program);
    }
}

static int run_program(struct kit *kit, enum script_call kind)
{
    const char *program = program_of(kit, kind);
    const char *input = input_of(kit, kind);
    struct environment *env = kit->host->alloc(kit->call, sizeof(*env));
    if (program == NULL || input == NULL || env == NULL) {
        return kit_end_memory(kit);
    }
    memset(env, 0, sizeof(*env));
    env->kit = kit;
    fill_environment(env, kind);
    if (env->full) {
        return kit_end_memory(kit);
    }
    const char *const argv[] = {program, name_of(kit, kind), script_call_name(kind),
                                kind == SCRIPT_QUERY ? NULL : kit->call->step, NULL};
    const struct provost_exec_request request = {
        .struct_size = sizeof(request),
        .argv = argv,
        .envp = env->lines,
        .input = input,
        .input_len = strlen(input),
        .timeout_ms = LONGEST_MS, /* the step has its own limit */
        .max_output_bytes = (uint32_t)provost_int_at(kit->settings, "output", 1 << 20),
        .cpu_s = (uint32_t)((provost_int_at(kit->settings, "cpu", 0) + 999) / 1000),
        .memory_bytes = (uint64_t)provost_int_at(kit->settings, "memory", 0),
        .file_bytes = (uint64_t)provost_int_at(kit->settings, "file_size", 0),
        .processes = (uint32_t)provost_int_at(kit->settings, "processes", 0),
    };
    struct provost_exec_result result = {.struct_size = sizeof(result)};
    int error = kit->host->exec(kit->call, &request, &result);
    return error == 0 ? script_answer(kit, kind, &result) : end_broken(kit, kind, error, program);
}

static int call_program(struct provost_call *call, enum script_call kind)
{
    struct kit kit;
    int outcome = kit_open(&kit, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_close(&kit, run_program(&kit, kind));
}

int script_run(struct provost_call *call)
{
    return call_program(call, SCRIPT_RUN);
}

int script_poll(struct provost_call *call)
{
    return call_program(call, SCRIPT_POLL);
}

int script_lookup(struct provost_call *call)
{
    return call_program(call, SCRIPT_LOOKUP);
}

int script_undo(struct provost_call *call)
{
    return call_program(call, SCRIPT_UNDO);
}

int script_query(struct provost_call *call)
{
    return call_program(call, SCRIPT_QUERY);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* provost plugin test: plays the cases of a plugin against a scripted backend. The form of a case
 * is described in docs/plugin-testing.md. */
#include "core/cli/plugin_tools.h"

#include "core/base/alloc.h"
#include "core/cli/case.h"
#include "core/cli/job.h"
#include "core/cli/match.h"
#include "core/cli/script.h"
#include "core/json/json.h"

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CASE_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define REF "ptest000000000000000"
#define SERVICE "svc_00000000000000000000000001"
#define LOG_CAP ((size_t)1024 * 1024)

struct testing {
    struct pv_cli *cli;
    struct pv_job job;
    struct pv_script *script;
    struct pv_local local; /* of the present case */
    struct pv_buf log;     /* what happened in it */
    json_t *problems;      /* of the present case: sentences */
    json_t *report;        /* with --json: every case */
    size_t passed;
    size_t failed;
};

#define complain(t, ...) pv_case_complain((t)->problems, __VA_ARGS__)

/* ---- one operation ---- */

static void on_log(void *ctx, int level, struct pv_str text)
{
    struct testing *t = ctx;
    (void)level;
    pv_buf_printf(&t->log, "      %.*s\n", PV_STR_ARG(text));
}

static void on_asked(void *ctx, struct pv_str text)
{
    struct testing *t = ctx;
    pv_buf_printf(&t->log, "      %.*s\n", PV_STR_ARG(text));
}

static void on_end(void *ctx, struct pv_str step, const char *kind, const char *outcome,
                   struct pv_str text, int64_t ms)
{
    struct testing *t = ctx;
    (void)ms;
    pv_buf_printf(&t->log, "    %.*s (%s): %s%s%.*s\n", PV_STR_ARG(step), kind, outcome,
                  text.len > 0 ? ": " : "", PV_STR_ARG(text));
}

/* Sets given's type, action or query from what the operation names. */
static bool choose(struct testing *t, const json_t *operation, struct pv_job_input *given)
{
    const char *name = json_string_value(json_object_get(operation, "operation"));
    const char *action = json_string_value(json_object_get(operation, "action"));
    const char *query = json_string_value(json_object_get(operation, "query"));
    const struct pv_plugin *plugin = t->job.plugin;
    if ((name != NULL) + (action != NULL) + (query != NULL) != 1) {
        complain(t, "expected one of operation, action and query");
        return false;
    }
    if (action != NULL) {
        given->type = PV_OP_ACTION;
        given->action = pv_plugin_action(plugin, pv_str(action));
    } else if (query != NULL) {
        given->query = pv_plugin_service_query(plugin, pv_str(query));
        given->query_of_service = given->query != NULL;
        given->query =
            given->query != NULL ? given->query : pv_plugin_instance_query(plugin, pv_str(query));
    } else if (pv_op_type_parse(pv_str(name), &given->type) != 0 || given->type == PV_OP_ACTION) {
        complain(t, "“%s” is no operation", name);
        return false;
    }
    if ((action != NULL && given->action == NULL) || (query != NULL && given->query == NULL)) {
        complain(t, "the plugin has no %s “%s”", action != NULL ? "action" : "query",
                 action != NULL ? action : query);
        return false;
    }
    return true;
}

/* Problems of settings or input: expected, or not. false: nothing can be played. */
static bool judge_problems(struct testing *t, const struct pv_problems *problems,
                           const char *wanted)
{
    struct pv_buf text;
    pv_buf_init(&text, LOG_CAP);
    pv_problems_print(problems, &text);
    const char *found = text.ptr != NULL ? text.ptr : "";
    if (wanted == NULL && problems->errors > 0) {
        complain(t, "%s", found);
    } else if (wanted != NULL && strstr(found, wanted) == NULL) {
        complain(t, "problem: expected “%s”, got %s", wanted,
                 problems->errors > 0 ? found : "none");
    }
    pv_buf_done(&text);
    return problems->errors == 0 && wanted == NULL;
}

static void compare_text(struct testing *t, const json_t *expect, const char *member,
                         const char *actual, bool part)
{
    const char *wanted = json_string_value(json_object_get(expect, member));
    bool same =
        wanted == NULL || (part ? strstr(actual, wanted) != NULL : strcmp(actual, wanted) == 0);
    if (!same) {
        complain(t, "%s: expected “%s”, got “%s”", member, wanted, actual);
    }
}

static void compare_json(struct testing *t, const json_t *expect, const char *member,
                         const json_t *actual)
{
    const json_t *wanted = json_object_get(expect, member);
    struct pv_buf why;
    pv_buf_init(&why, LOG_CAP);
    if (wanted != NULL && !pv_match(wanted, actual, &why)) {
        complain(t, "%s: %s", member, why.ptr != NULL ? why.ptr : "?");
    }
    pv_buf_done(&why);
}

static void judge(struct testing *t, const json_t *expect, const struct pv_play_result *result)
{
    const json_t *end = json_object_get(expect, "end");
    compare_text(t, expect, "outcome", pv_play_outcome_name(result->outcome), false);
    if (end == NULL && json_object_get(expect, "outcome") == NULL && result->end != PV_PLAY_DONE) {
        complain(t, "end: expected “done”, got “%s”%s%s", pv_play_end_name(result->end),
                 result->reason[0] != '\0' ? ": " : "", result->reason);
    }
    compare_text(t, expect, "end", pv_play_end_name(result->end), false);
    compare_text(t, expect, "reason", result->reason, true);
    compare_json(t, expect, "state", pv_local_state(&t->local));
    compare_json(t, expect, "result", result->result);
}

static void play(struct testing *t, const json_t *operation, const struct pv_job_input *given)
{
    struct pv_play play;
    struct pv_play_result result = {0};
    struct pv_err err = {0};
    pv_job_play(&t->job, given, &t->local, &play);
    play.view = (struct pv_play_view){.ctx = t, .log = on_log, .asked = on_asked, .end = on_end};
    play.no_waiting = true;
    play.only_step = json_string_value(json_object_get(operation, "step"));
    play.only_kind = pv_case_call(operation);
    const json_t *attempts = json_object_get(operation, "attempts");
    play.attempts = attempts != NULL ? (uint32_t)json_integer_value(attempts) : play.attempts;
    json_t *exchanges = json_object_get(operation, "exchanges");
    json_t *script = exchanges != NULL ? json_copy(exchanges) : json_array();
    pv_script_expect(t->script, script, json_is_true(json_object_get(operation, "unordered")));
    int status = pv_play_init(&play, t->job.settings);
    status = status == 0 ? pv_play_run(&play, &result, &err) : status;
    if (status != 0) {
        complain(t, "%s", err.text[0] != '\0' ? err.text : pv_status_text(status));
    }
    pv_play_done(&play);
    json_t *said = pv_script_end(t->script);
    json_array_extend(t->problems, said);
    json_decref(said);
    json_decref(script);
    if (status == 0) {
        judge(t, json_object_get(operation, "expect"), &result);
    }
    json_decref(result.result);
}

/* A member of the operation, or of the case. */
static const json_t *of_either(const json_t *operation, const json_t *whole, const char *member)
{
    const json_t *own = json_object_get(operation, member);
    return own != NULL ? own : json_object_get(whole, member);
}

/* Where what the plugin declares depends on its settings. */
static bool declare(struct testing *t, const json_t *whole, const char *expected)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    int status = pv_job_declare(t->cli, &t->job, json_object_get(whole, "settings"), &problems);
    bool done = status == PV_EXIT_OK;
    if (status == PV_EXIT_USAGE) {
        judge_problems(t, &problems, expected);
    } else if (!done) {
        complain(t, "the plugin does not describe itself with these settings");
    }
    pv_problems_done(&problems);
    return done;
}

static void run_operation(struct testing *t, const json_t *whole, const json_t *operation)
{
    struct pv_job_input given = {.values = of_either(operation, whole, "values"),
                                 .previous = json_object_get(operation, "previous"),
                                 .form = json_object_get(operation, "form"),
                                 .signals = json_object_get(operation, "signals")};
    if (!pv_case_check_operation(operation, t->problems) ||
        !declare(t, whole, pv_json_text(operation, "expect.problem")) ||
        !choose(t, operation, &given)) {
        return;
    }
    const json_t *event = of_either(operation, whole, "event");
    const json_t *reason = json_object_get(operation, "reason");
    json_t *own = event != NULL ? json_copy((json_t *)(uintptr_t)event) : json_object();
    if (reason != NULL) {
        json_object_set(own, "reason", (json_t *)(uintptr_t)reason);
    }
    given.event = own;
    struct pv_problems problems;
    pv_problems_init(&problems);
    int settings = pv_job_settings(&t->job, json_object_get(whole, "settings"), &problems);
    int input = pv_job_input(&t->job, &given, &t->local, &problems);
    if (settings == PV_ENOMEM || input == PV_ENOMEM) {
        complain(t, "out of memory");
    } else if (judge_problems(t, &problems, pv_json_text(operation, "expect.problem"))) {
        play(t, operation, &given);
    }
    pv_problems_done(&problems);
    json_decref(own);
}

/* ---- one case ---- */

static int fresh_local(struct testing *t, const json_t *whole, struct pv_err *err)
{
    const json_t *state = json_object_get(whole, "state");
    json_t *root =
        json_pack("{s{ss ss} sO*}", "service", "id", SERVICE, "ref", REF, "state", state);
    int status = pv_local_init(&t->local, root, err);
    const char *name = NULL;
    json_t *values = NULL;
    json_object_foreach(json_object_get(whole, "pools"), name, values)
    {
        char definition[4096];
        snprintf(definition, sizeof(definition), "%s=%s", name,
                 json_is_string(values) ? json_string_value(values) : "");
        status = status == 0 ? pv_local_pool(&t->local, definition, err) : status;
    }
    return status;
}

static void run_operations(struct testing *t, const json_t *whole)
{
    const json_t *operations = json_object_get(whole, "operations");
    struct pv_err err = {0};
    if (fresh_local(t, whole, &err) != 0) {
        complain(t, "%s", err.text);
    } else if (operations == NULL) {
        run_operation(t, whole, whole);
    } else if (pv_case_check(whole, t->problems)) {
        for (size_t i = 0; i < json_array_size(operations) && json_array_size(t->problems) == 0;
             i++) {
            run_operation(t, whole, json_array_get(operations, i));
        }
        if (json_array_size(operations) == 0) {
            complain(t, "operations: expected an array of at least one");
        }
    }
    pv_local_done(&t->local);
}

/* Plays the case with its own grants beside those of the command line. */
static void run_granted(struct testing *t, const json_t *whole, const char *path)
{
    const struct pv_grants_mark mark = pv_grants_mark(&t->job.grants);
    char folder[PATH_MAX];
    struct pv_problems problems;
    snprintf(folder, sizeof(folder), "%s", path);
    pv_problems_init(&problems);
    int status =
        pv_grants_add(&t->job.grants, json_object_get(whole, "grants"), dirname(folder), &problems);
    if (status == 0) {
        run_operations(t, whole);
    } else {
        judge_problems(t, &problems, NULL);
    }
    pv_problems_done(&problems);
    pv_grants_reset(&t->job.grants, &mark);
}

static void print_case(struct testing *t, const char *path, const char *name)
{
    const struct pv_out *out = &t->cli->out;
    bool ok = json_array_size(t->problems) == 0;
    if (ok) {
        t->passed++;
    } else {
        t->failed++;
    }
    if (t->report != NULL) {
        json_array_append_new(json_object_get(t->report, "cases"),
                              json_pack("{ss ss? sb sO}", "case", path, "name", name, "ok", ok,
                                        "problems", t->problems));
        return;
    }
    if (ok && out->quiet) {
        return;
    }
    enum pv_tone tone = ok ? PV_TONE_GOOD : PV_TONE_BAD;
    fprintf(out->file, "%s%s%s %s%s%s\n", pv_out_on(out, tone), ok ? "ok  " : "FAIL",
            pv_out_off(out, tone), path, name != NULL ? ": " : "", name != NULL ? name : "");
    for (size_t i = 0; i < json_array_size(t->problems); i++) {
        fprintf(out->file, "  %s\n", json_string_value(json_array_get(t->problems, i)));
    }
    if (!ok && t->log.len > 0) {
        fprintf(out->file, "  what happened:\n%s", t->log.ptr);
    }
    fflush(out->file);
}

static void run_case(struct testing *t, const char *path)
{
    struct pv_err err = {0};
    char *text = NULL;
    size_t len = 0;
    json_t *read = NULL;
    json_t *whole = NULL;
    const struct pv_match_name names[] = {
        {"backend", pv_script_url(t->script)}, {"ref", REF}, {"service", SERVICE}, {NULL, NULL}};
    t->problems = json_array();
    pv_buf_clear(&t->log);
    int status = pv_cli_read(path, CASE_MAX_BYTES, &text, &len, &err);
    if (status == 0) {
        status = pv_json_load((struct pv_str){text, len}, JSON_REJECT_DUPLICATES, &read, &err);
    }
    if (status == 0 && json_is_object(read)) {
        whole = pv_match_fill(read, names);
    }
    if (whole != NULL) {
        run_granted(t, whole, path);
    } else {
        complain(t, "%s", status != 0 ? err.text : "expected a JSON object");
    }
    print_case(t, path, json_string_value(json_object_get(whole, "name")));
    json_decref(t->problems);
    json_decref(whole);
    json_decref(read);
    pv_free(text);
}

/* ---- all of them ---- */

/* The least name of a case in the folder that is greater than `after`; false when there is none. */
static bool next_case(const char *folder, const char *after, char out[NAME_MAX + 1])
{
    DIR *dir = opendir(folder);
    bool found = false;
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        size_t len = strlen(e->d_name);
        bool is = e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".json") == 0;
        if (is && strcmp(e->d_name, after) > 0 && (!found || strcmp(e->d_name, out) < 0)) {
            snprintf(out, NAME_MAX + 1, "%s", e->d_name);
            found = true;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found;
}

static int run_folder(struct testing *t, const char *folder)
{
    char name[NAME_MAX + 1] = "";
    char last[NAME_MAX + 1] = "";
    while (next_case(folder, last, name)) {
        char path[PATH_MAX + NAME_MAX];
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        run_case(t, path);
        memcpy(last, name, sizeof(last));
    }
    return last[0] != '\0'
               ? PV_EXIT_OK
               : pv_cli_fail(t->cli, PV_EXIT_NOT_FOUND, "%s: there are no cases (*.json)", folder);
}

static int run_all(struct testing *t)
{
    int status = PV_EXIT_OK;
    for (size_t i = 1; i < t->cli->args.arg_count && status == PV_EXIT_OK; i++) {
        const char *path = t->cli->args.args[i];
        struct stat st;
        if (stat(path, &st) != 0) {
            status = pv_cli_fail(t->cli, PV_EXIT_NOT_FOUND, "there is no %s", path);
        } else if (S_ISDIR(st.st_mode)) {
            status = run_folder(t, path);
        } else {
            run_case(t, path);
        }
    }
    return status;
}

static void sum_up(struct testing *t)
{
    if (t->report != NULL) {
        json_object_set_new(t->report, "passed", json_integer((json_int_t)t->passed));
        json_object_set_new(t->report, "failed", json_integer((json_int_t)t->failed));
        json_dumpf(t->report, t->cli->out.file, JSON_COMPACT);
        fputc('\n', t->cli->out.file);
    } else {
        fprintf(t->cli->out.file, "%zu passed, %zu failed\n", t->passed, t->failed);
    }
}

int pv_cli_plugin_test(struct pv_cli *cli)
{
    struct testing t = {.cli = cli};
    struct pv_err err = {0};
    pv_buf_init(&t.log, LOG_CAP);
    t.report = cli->out.json ? json_pack("{s[]}", "cases") : NULL;
    int status = pv_job_init(cli, &t.job, pv_cli_arg(cli, 0));
    if (status == PV_EXIT_OK && pv_script_start(&t.script, &err) != 0) {
        status = pv_cli_fail_err(cli, &err);
    }
    if (status == PV_EXIT_OK) {
        status = run_all(&t);
    }
    if (status == PV_EXIT_OK) {
        sum_up(&t);
        status = t.failed == 0 ? PV_EXIT_OK : PV_EXIT_FAILED;
    }
    pv_script_stop(t.script);
    pv_job_done(&t.job);
    pv_buf_done(&t.log);
    json_decref(t.report);
    return status;
}

const struct pv_cli_option pv_cli_plugin_test_options[] = {
    PV_CLI_GRANT_OPTIONS,
    {0},
};

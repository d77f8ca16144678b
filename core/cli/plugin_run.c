/* SPDX-License-Identifier: Apache-2.0 */
/* provost plugin run: one operation of a plugin in the foreground, with everything it does shown.
 */
#include "core/cli/plugin_tools.h"

#include "core/base/alloc.h"
#include "core/cli/plugin_run.h"
#include "core/cli/record.h"
#include "core/json/json.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading what was given ---- */

static int read_option(struct pv_cli *cli, const char *option, json_t **ret)
{
    const char *path = pv_cli_text(cli, option);
    return path != NULL ? pv_job_read(cli, path, ret) : PV_EXIT_OK;
}

static int read_files(struct pv_run *run)
{
    struct pv_cli *cli = run->cli;
    int status = read_option(cli, "settings", &run->settings);
    status = status == PV_EXIT_OK ? read_option(cli, "event", &run->event) : status;
    status = status == PV_EXIT_OK ? read_option(cli, "values", &run->values) : status;
    status = status == PV_EXIT_OK ? read_option(cli, "previous", &run->previous) : status;
    status = status == PV_EXIT_OK ? read_option(cli, "form", &run->form) : status;
    const char *reason = pv_cli_text(cli, "reason");
    if (status == PV_EXIT_OK && reason != NULL) {
        run->event = run->event != NULL ? run->event : json_object();
        json_object_set_new(run->event, "reason", json_string(reason));
    }
    return status;
}

/* An option that may be given several times. */
static int read_pools(struct pv_run *run)
{
    for (size_t i = 0; i < run->cli->args.given_count; i++) {
        const struct pv_cli_given *given = &run->cli->args.given[i];
        struct pv_err err = {0};
        if (strcmp(given->option->name, "pool") == 0 &&
            pv_local_pool(&run->local, given->value, &err) != 0) {
            return pv_cli_fail(run->cli, PV_EXIT_USAGE, "--pool: %s", err.text);
        }
    }
    return PV_EXIT_OK;
}

static int load_local(struct pv_run *run)
{
    struct pv_err err = {0};
    const char *path = pv_cli_text(run->cli, "state");
    int status = path != NULL ? pv_local_load(&run->local, path, &err)
                              : pv_local_init(&run->local, NULL, &err);
    if (status != 0) {
        return pv_cli_fail_err(run->cli, &err);
    }
    return read_pools(run);
}

/* ---- What is to be played ---- */

static int unknown(struct pv_run *run, const char *what, const char *name)
{
    return pv_cli_fail(run->cli, PV_EXIT_USAGE,
                       "the plugin has no %s “%s”; `provost plugin describe %s` lists what it has",
                       what, name, pv_cli_arg(run->cli, 0));
}

static int choose_operation(struct pv_run *run, const char *name)
{
    if (name == NULL) {
        run->given.type = pv_job_event_type(run->event);
        return run->given.type != 0
                   ? PV_EXIT_OK
                   : pv_cli_fail(run->cli, PV_EXIT_USAGE,
                                 "say which OPERATION, --action or --query, or give an --event");
    }
    if (pv_op_type_parse(pv_str(name), &run->given.type) != 0 || run->given.type == PV_OP_ACTION) {
        return pv_cli_fail(
            run->cli, PV_EXIT_USAGE,
            "“%s” is no operation: create, suspend, unsuspend, terminate, upgrade or "
            "renew (or give --action or --query)",
            name);
    }
    return PV_EXIT_OK;
}

static int choose(struct pv_run *run)
{
    const char *operation = pv_cli_arg(run->cli, 1);
    const char *action = pv_cli_text(run->cli, "action");
    const char *query = pv_cli_text(run->cli, "query");
    if ((operation != NULL) + (action != NULL) + (query != NULL) > 1) {
        return pv_cli_fail(run->cli, PV_EXIT_USAGE, "OPERATION, --action and --query: one of them");
    }
    const struct pv_plugin *plugin = run->job.plugin;
    if (action != NULL) {
        run->given.type = PV_OP_ACTION;
        run->given.action = pv_plugin_action(plugin, pv_str(action));
        return run->given.action != NULL ? PV_EXIT_OK : unknown(run, "action", action);
    }
    if (query != NULL) {
        run->given.query = pv_plugin_service_query(plugin, pv_str(query));
        run->given.query_of_service = run->given.query != NULL;
        if (run->given.query == NULL) {
            run->given.query = pv_plugin_instance_query(plugin, pv_str(query));
        }
        return run->given.query != NULL ? PV_EXIT_OK : unknown(run, "query", query);
    }
    return choose_operation(run, operation);
}

static int choose_call(struct pv_run *run)
{
    static const char *const kinds[] = {"run", "poll", "lookup", "undo"};
    const char *kind = pv_cli_text(run->cli, "call");
    run->play.only_step = pv_cli_text(run->cli, "step");
    for (int i = 0; kind != NULL && i < 4; i++) {
        run->play.only_kind = strcmp(kind, kinds[i]) == 0 ? i : run->play.only_kind;
    }
    if (kind != NULL && (run->play.only_kind < 0 || run->play.only_step == NULL)) {
        return pv_cli_fail(run->cli, PV_EXIT_USAGE,
                           "--call: expected run, poll, lookup or undo, together with --step");
    }
    return PV_EXIT_OK;
}

/* Where what the plugin declares depends on its settings. */
static int declare(struct pv_run *run)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    int status = pv_job_declare(run->cli, &run->job, run->settings, &problems);
    if (status == PV_EXIT_USAGE) {
        status = pv_job_problems(run->cli, &problems);
    }
    pv_problems_done(&problems);
    return status;
}

/* What was ordered stays with the service: the event's `service.params`, or those kept by --state.
 */
static int keep_params(struct pv_run *run)
{
    json_t *given = json_object_get(json_object_get(run->event, "service"), "params");
    if (given != NULL) {
        return json_is_object(given) ? json_object_set(run->local.root, "params", given) : 0;
    }
    json_t *kept = json_object_get(run->local.root, "params");
    if (kept == NULL) {
        return 0;
    }
    run->event = run->event != NULL ? run->event : json_object();
    json_t *service = json_object_get(run->event, "service");
    if (service == NULL) {
        service = json_object();
        json_object_set_new(run->event, "service", service);
    }
    return json_is_object(service) ? json_object_set(service, "params", kept) : 0;
}

static int check(struct pv_run *run)
{
    if (keep_params(run) != 0) {
        return pv_cli_fail(run->cli, PV_EXIT_FAILED, "out of memory");
    }
    struct pv_problems problems;
    pv_problems_init(&problems);
    run->given.event = run->event;
    run->given.values = run->values;
    run->given.previous = run->previous;
    run->given.form = run->form;
    int settings = pv_job_settings(&run->job, run->settings, &problems);
    int input = pv_job_input(&run->job, &run->given, &run->local, &problems);
    int status = PV_EXIT_OK;
    if (settings == PV_ENOMEM || input == PV_ENOMEM) {
        status = pv_cli_fail(run->cli, PV_EXIT_FAILED, "out of memory");
    } else if (settings != 0 || input != 0) {
        status = pv_job_problems(run->cli, &problems);
    }
    pv_problems_done(&problems);
    return status;
}

/* ---- Playing it ---- */

static int exit_of(enum pv_play_end end)
{
    static const int statuses[] = {PV_EXIT_OK, PV_EXIT_FAILED, PV_EXIT_NEEDS_OPERATOR,
                                   PV_EXIT_UNFINISHED, PV_EXIT_CANCELED};
    return statuses[end];
}

static void on_signal(int number)
{
    (void)number;
    pv_play_interrupt();
}

/* What was made must be found by the next run, whatever else goes wrong. */
static int save_state(struct pv_run *run)
{
    struct pv_err err = {0};
    const char *path = pv_cli_text(run->cli, "state");
    return path == NULL || pv_local_save(&run->local, path, &err) == 0
               ? PV_EXIT_OK
               : pv_cli_fail_err(run->cli, &err);
}

static int play(struct pv_run *run, struct pv_record *record)
{
    struct pv_err err = {0};
    struct pv_play_result result = {0};
    const struct sigaction interrupt = {.sa_handler = on_signal};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    int played = pv_play_run(&run->play, &result, &err);
    int saved = played == 0 || run->play.calls > 0 ? save_state(run) : PV_EXIT_OK;
    if (played != 0) {
        return pv_cli_fail_err(run->cli, &err);
    }
    pv_run_print_end(run, &result);
    const char *to = pv_cli_text(run->cli, "record");
    int recorded = to != NULL ? pv_record_save(record, run, &result, to, &err) : 0;
    json_decref(result.result);
    if (recorded != 0) {
        return pv_cli_fail_err(run->cli, &err);
    }
    return saved != PV_EXIT_OK ? saved : exit_of(result.end);
}

static int start_recording(struct pv_run *run, struct pv_record *record)
{
    struct pv_err err = {0};
    if (pv_cli_text(run->cli, "record") == NULL) {
        return PV_EXIT_OK;
    }
    return pv_record_begin(record, run, &err) == 0 ? PV_EXIT_OK : pv_cli_fail_err(run->cli, &err);
}

static int set_up(struct pv_run *run)
{
    struct pv_cli *cli = run->cli;
    pv_job_play(&run->job, &run->given, &run->local, &run->play);
    run->play.view = pv_run_view(run);
    run->play.attempts = (uint32_t)pv_cli_number(cli, "attempts", run->play.attempts);
    run->play.no_waiting = pv_cli_on(cli, "no-wait");
    run->play.stuck_after_ms = pv_cli_number(cli, "stuck-after", run->play.stuck_after_ms);
    if (cli->out.json) {
        run->report = json_pack("{s[]}", "happened");
    }
    return pv_play_init(&run->play, run->job.settings) == 0
               ? PV_EXIT_OK
               : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
}

int pv_cli_plugin_run(struct pv_cli *cli)
{
    struct pv_run run = {.cli = cli};
    struct pv_record record = {0};
    int status = read_files(&run);
    if (status == PV_EXIT_OK) {
        status = pv_job_init(cli, &run.job, pv_cli_arg(cli, 0));
    }
    status = status == PV_EXIT_OK ? declare(&run) : status;
    status = status == PV_EXIT_OK ? choose(&run) : status;
    status = status == PV_EXIT_OK ? load_local(&run) : status;
    status = status == PV_EXIT_OK ? check(&run) : status;
    status = status == PV_EXIT_OK ? start_recording(&run, &record) : status;
    status = status == PV_EXIT_OK ? set_up(&run) : status;
    status = status == PV_EXIT_OK ? choose_call(&run) : status;
    status = status == PV_EXIT_OK ? play(&run, &record) : status;
    pv_play_done(&run.play);
    pv_record_done(&record);
    pv_local_done(&run.local);
    pv_job_done(&run.job);
    json_decref(run.settings);
    json_decref(run.event);
    json_decref(run.values);
    json_decref(run.previous);
    json_decref(run.form);
    json_decref(run.report);
    return status;
}

const struct pv_cli_option pv_cli_plugin_run_options[] = {
    {.name = "settings",
     .letter = 's',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: the settings of the instance, as in the configuration"},
    {.name = "event",
     .letter = 'e',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: the event, as a billing system sends it"},
    {.name = "values",
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: what product and plan set"},
    {.name = "previous",
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: the values before an upgrade"},
    {.name = "state",
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "where state document, keys, pools and quotas are kept from run to run; it holds "
             "secrets in clear"},
    {.name = "action", .value = "NAME", .type = PV_OPTION_TEXT, .help = "run this action"},
    {.name = "query",
     .value = "NAME",
     .type = PV_OPTION_TEXT,
     .help = "ask this query, of the service or the instance"},
    {.name = "form",
     .letter = 'f',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: the action's form, or the query's parameters"},
    {.name = "reason", .value = "TEXT", .type = PV_OPTION_TEXT, .help = "the event's reason"},
    {.name = "step", .value = "NAME", .type = PV_OPTION_TEXT, .help = "this step alone"},
    {.name = "call",
     .value = "KIND",
     .type = PV_OPTION_TEXT,
     .help = "one call of --step, whatever follows from it: run, poll, lookup or undo"},
    {.name = "pool",
     .value = "NAME=VALUES",
     .type = PV_OPTION_TEXT,
     .help = "a pool to take from: NAME=100-199, or NAME=A,B,C; may be repeated"},
    {.name = "attempts",
     .value = "N",
     .type = PV_OPTION_NUMBER,
     .min = 1,
     .max = 1000,
     .help = "how often a step is tried (4)"},
    {.name = "record",
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "write the run as a case for `provost plugin test`, with secrets replaced"},
    {.name = "no-wait", .help = "do not wait between attempts and polls"},
    {.name = "stuck-after",
     .value = "TIME",
     .type = PV_OPTION_DURATION,
     .help = "end a host whose loop stands still for so long (30s)"},
    PV_CLI_GRANT_OPTIONS,
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* provost operation: shows operations, follows them, and decides where they cannot go on. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include "core/base/alloc.h"

#include <string.h>

static const struct pv_view list_views[] = {
    {"OPERATION", "operation", PV_VIEW_TEXT, 0},
    {"TYPE", "action|type", PV_VIEW_TEXT, 0},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"SOURCE", "source", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"EXTERNAL ID", "external_id", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"ACCEPTED", "accepted", PV_VIEW_TIME, 0},
    {"REASON", "reason|wait.why", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static const struct pv_view show_views[] = {
    {"operation", "operation", PV_VIEW_TEXT, 0},
    {"service", "service", PV_VIEW_TEXT, 0},
    {"source", "source", PV_VIEW_TEXT, 0},
    {"external id", "external_id", PV_VIEW_TEXT, 0},
    {"type", "type", PV_VIEW_TEXT, 0},
    {"action", "action", PV_VIEW_TEXT, 0},
    {"state", "state", PV_VIEW_STATE, 0},
    {"waits for", "wait.why", PV_VIEW_TEXT, 0},
    {"instance", "wait.instance", PV_VIEW_TEXT, 0},
    {"until", "wait.until", PV_VIEW_TIME, 0},
    {"reason", "reason", PV_VIEW_TEXT, 0},
    {"progress", "progress", PV_VIEW_TEXT, 0},
    {"tries", "tries", PV_VIEW_TEXT, 0},
    {"run", "run", PV_VIEW_TEXT, 0},
    {"accepted", "accepted", PV_VIEW_TIME, 0},
    {"finished", "finished", PV_VIEW_TIME, 0},
    {"deadline", "deadline", PV_VIEW_TIME, 0},
    {"result", "result", PV_VIEW_TEXT, 0},
    {0},
};

static const struct pv_view plan_views[] = {
    {"COMPONENT", "component", PV_VIEW_TEXT, 0},
    {"STEP", "step", PV_VIEW_TEXT, 0},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {0},
};

static const struct pv_view step_views[] = {
    {"ENDED", "ended", PV_VIEW_TIME, 0},
    {"COMPONENT", "component", PV_VIEW_TEXT, 0},
    {"STEP", "step", PV_VIEW_TEXT, 0},
    {"CALL", "kind", PV_VIEW_TEXT, 0},
    {"ATTEMPT", "attempt", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"OUTCOME", "outcome", PV_VIEW_STATE, 0},
    {"", "text", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static const struct pv_cli_filter filters[] = {
    {"state", "state"},
    {"source", "source"},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {.path = "/v1/operations",
                                            .member = "operations",
                                            .by_service = true,
                                            .filters = filters,
                                            .views = list_views,
                                            .id = "operation",
                                            .empty = "no operations"};
    return pv_cli_list(cli, &what);
}

static int get(struct pv_cli *cli, const char *id, struct pv_answer *ret_answer)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/operations/%s", id);
    return pv_cli_call(cli, &(struct pv_client_request){.path = path}, ret_answer);
}

static int show(struct pv_cli *cli)
{
    const char *id = pv_cli_arg(cli, 0);
    int status = pv_cli_operation_id(cli, id);
    struct pv_answer answer;
    if (status == PV_EXIT_OK) {
        status = get(cli, id, &answer);
    }
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (cli->out.quiet && !cli->out.json) {
        fprintf(cli->out.file, "%s\n", pv_json_text(answer.json, "state"));
    } else if (!cli->out.json) {
        bool shown =
            pv_view_object(&cli->out, answer.json, show_views) == 0 &&
            pv_cli_section(cli, "components", pv_json_at(answer.json, "plan.components"),
                           pv_cli_component_views) == 0 &&
            pv_cli_section(cli, "plan", pv_json_at(answer.json, "plan.steps"), plan_views) == 0 &&
            pv_cli_section(cli, "history", pv_json_at(answer.json, "steps"), step_views) == 0;
        status = shown ? status : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    pv_answer_done(&answer);
    return status;
}

static int watch(struct pv_cli *cli)
{
    const char *id = pv_cli_arg(cli, 0);
    int status = pv_cli_operation_id(cli, id);
    if (status != PV_EXIT_OK) {
        return status;
    }
    return pv_cli_follow(cli, id, pv_cli_number(cli, "timeout", 0),
                         !cli->out.json && !cli->out.quiet);
}

/* retry, cancel, undo, skip, abandon: the command's name is the route's. */
static int intervene(struct pv_cli *cli)
{
    const char *id = pv_cli_arg(cli, 0);
    const char *verb = cli->args.command->name;
    int status = pv_cli_operation_id(cli, id);
    if (status != PV_EXIT_OK) {
        return status;
    }
    char path[128];
    snprintf(path, sizeof(path), "/v1/operations/%s/%s", id, verb);
    char *body = NULL;
    status = pv_cli_reason_body(cli, &body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    struct pv_answer answer;
    status = pv_cli_post(cli, path, body, 0, &answer);
    pv_free(body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (!cli->out.json && !cli->out.quiet) {
        const char *state = pv_json_text(answer.json, "state");
        fprintf(cli->out.file, "%s: %s\n", verb, state != NULL ? state : "accepted");
    }
    pv_answer_done(&answer);
    int64_t wait_ms = pv_cli_number(cli, "wait", 0);
    return wait_ms > 0 ? pv_cli_follow(cli, id, wait_ms, !cli->out.quiet && !cli->out.json)
                       : PV_EXIT_OK;
}

static const struct pv_cli_option list_options[] = {
    {.name = "state",
     .value = "STATE",
     .type = PV_OPTION_TEXT,
     .help = "only these: queued, ready, running, needs_operator, done, failed, superseded, "
             "canceled, abandoned; unfinished is all that are not over"},
    {.name = "service", .value = "SERVICE", .type = PV_OPTION_TEXT, .help = "only this service's"},
    {.name = "source", .value = "NAME", .type = PV_OPTION_TEXT, .help = "only this source's"},
    PV_CLI_LIST_OPTIONS,
    {0},
};

static const struct pv_cli_option watch_options[] = {
    {.name = "timeout",
     .value = "TIME",
     .type = PV_OPTION_DURATION,
     .help = "give up after this time, with exit status 6; it goes on by itself"},
    {0},
};

static const struct pv_cli_option verb_options[] = {
    PV_CLI_REASON_OPTION,
    PV_CLI_WAIT_OPTION,
    {0},
};

const struct pv_cli_command pv_cli_operation[] = {
    {.name = "list",
     .args = "",
     .summary = "operations, the newest first",
     .options = list_options,
     .run = list},
    {.name = "show",
     .args = "OPERATION",
     .summary = "one operation: its state, what it waits for, its plan and its history",
     .run = show},
    {.name = "watch",
     .args = "OPERATION",
     .summary = "follow an operation to its end, and exit by its outcome",
     .details =
         "Prints each step as it ends, why the operation waits, and how far it is. Exits with "
         "0 when it is done, 1 when it failed, 5 when it needs an operator, 7 when it was "
         "canceled, superseded or abandoned.",
     .options = watch_options,
     .run = watch},
    {.name = "retry",
     .args = "OPERATION",
     .summary = "go on with an operation that is parked, waits, or failed",
     .details =
         "A parked step is tried again in the same run, with the same reservations and the same "
         "idempotency key. The deadline starts anew.",
     .options = verb_options,
     .run = intervene},
    {.name = "cancel",
     .args = "OPERATION",
     .summary = "end an operation early: what it has done is undone",
     .options = verb_options,
     .run = intervene},
    {.name = "undo",
     .args = "OPERATION",
     .summary = "undo the steps of an operation that cannot go on; it ends as failed",
     .options = verb_options,
     .run = intervene},
    {.name = "skip",
     .args = "OPERATION",
     .summary = "take the step that is stuck for done, and go on with the next",
     .details = "For when somebody has seen to it by hand. Nothing checks that.",
     .options = verb_options,
     .run = intervene},
    {.name = "abandon",
     .args = "OPERATION",
     .summary = "give an operation up as it stands, without undoing anything",
     .details = "What it left behind stays behind, until a terminate of the service cleans up.",
     .options = verb_options,
     .run = intervene},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* provost instance: configured copies of plugins; pausing them, and asking whether they work. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include <string.h>

#define TEST_WAIT_S 15

const struct pv_view pv_cli_instance_views[] = {
    {"INSTANCE", "name", PV_VIEW_TEXT, 0},
    {"PLUGIN", "plugin", PV_VIEW_TEXT, 0},
    {"VERSION", "plugin_version", PV_VIEW_TEXT, 0},
    {"PAUSED", "paused", PV_VIEW_TEXT, 0},
    {"BREAKER", "breaker", PV_VIEW_STATE, 0},
    {"IN FLIGHT", "in_flight", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"FAULT", "fault", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {
        .path = "/v1/instances",
        .member = "instances",
        .views = pv_cli_instance_views,
        .id = "name",
        .empty = "no instances: none is configured under `plugins:`"};
    return pv_cli_list(cli, &what);
}

static const struct pv_cli_target instance = {"/v1/instances/", "INSTANCE"};

static int pause_resume(struct pv_cli *cli)
{
    bool pausing = strcmp(cli->args.command->name, "pause") == 0;
    return pv_cli_target_act(cli, &instance,
                             pausing ? "is paused: its operations wait" : "goes on");
}

/* {"ok", "error", "result"}: result is what the plugin's query `test` answered. */
static int test(struct pv_cli *cli)
{
    struct pv_answer answer;
    int status = pv_cli_target_post(cli, &instance, NULL, TEST_WAIT_S, &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    bool works = json_is_true(json_object_get(answer.json, "ok"));
    struct pv_buf text;
    pv_buf_init(&text, (size_t)64 * 1024);
    pv_view_value(&text, pv_json_at(answer.json, works ? "result.text|result" : "error"),
                  PV_VIEW_TEXT);
    if (!cli->out.json && !cli->out.quiet) {
        enum pv_tone tone = works ? PV_TONE_GOOD : PV_TONE_BAD;
        fprintf(cli->out.file, "%s: %s%s%s%s", pv_cli_arg(cli, 0), pv_out_on(&cli->out, tone),
                works ? "works" : "does not work", pv_out_off(&cli->out, tone),
                text.len > 0 ? ": " : "");
        pv_text_print(cli->out.file, text.ptr);
        fputc('\n', cli->out.file);
    }
    pv_buf_done(&text);
    pv_answer_done(&answer);
    return works ? PV_EXIT_OK : PV_EXIT_FAILED;
}

const struct pv_cli_command pv_cli_instance[] = {
    {.name = "list",
     .args = "",
     .summary = "instances: whether they run, are paused, or have their breaker open",
     .options = pv_cli_list_options,
     .run = list},
    {.name = "pause",
     .args = "INSTANCE",
     .summary = "start no more steps of an instance; its operations wait",
     .details = "What runs goes on to the end of its step. No attempt is used up by waiting.",
     .options = pv_cli_reason_options,
     .run = pause_resume},
    {.name = "resume",
     .args = "INSTANCE",
     .summary = "let a paused instance go on",
     .options = pv_cli_reason_options,
     .run = pause_resume},
    {.name = "test",
     .args = "INSTANCE",
     .summary = "ask the plugin whether it can work: address, credentials, rights",
     .run = test},
    {0},
};

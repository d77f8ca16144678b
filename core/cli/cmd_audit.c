/* SPDX-License-Identifier: Apache-2.0 */
/* provost audit: who did what, and whether the trail is whole. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include <string.h>

static const struct pv_view views[] = {
    {"N", "n", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"TIME", "time", PV_VIEW_TIME, 0},
    {"ACTOR", "actor", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"WHAT", "what", PV_VIEW_TEXT, 0},
    {"SOURCE", "source", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"ABOUT", "operation|service", PV_VIEW_TEXT, 0},
    {"DETAIL", "detail", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static const struct pv_view record_views[] = {
    {"  record", "n", PV_VIEW_TEXT, 0},
    {"  writer", "writer", PV_VIEW_TEXT, 0},
    {"  time", "time", PV_VIEW_TIME, 0},
    {"  actor", "actor", PV_VIEW_TEXT, 0},
    {"  what", "what", PV_VIEW_TEXT, 0},
    {"  detail", "detail", PV_VIEW_TEXT, 0},
    {"  operation", "operation", PV_VIEW_TEXT, 0},
    {"  service", "service", PV_VIEW_TEXT, 0},
    {"  hash", "hash", PV_VIEW_TEXT, 0},
    {0},
};

static const struct pv_cli_filter filters[] = {
    {"source", "source"},
    {0},
};

static int show(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {.path = "/v1/audit",
                                            .member = "records",
                                            .by_service = true,
                                            .filters = filters,
                                            .views = views,
                                            .id = "hash",
                                            .empty = "no records"};
    return pv_cli_list(cli, &what);
}

/* The record at which the chain breaks, as the database has it. */
static void print_broken(struct pv_cli *cli, const json_t *verdict)
{
    long long n = (long long)json_integer_value(json_object_get(verdict, "bad_record"));
    const char *why = pv_json_text(verdict, "error");
    fprintf(cli->out.file,
            "%sthe audit trail is broken%s at record %lld: ", pv_out_on(&cli->out, PV_TONE_BAD),
            pv_out_off(&cli->out, PV_TONE_BAD), n);
    pv_text_print(cli->out.file, why != NULL ? why : "its hash does not fit what it says");
    fputc('\n', cli->out.file);
    char path[64];
    snprintf(path, sizeof(path), "/v1/audit?limit=1&after=%lld", n > 0 ? n - 1 : 0);
    struct pv_answer answer;
    if (pv_cli_ask(cli, &(struct pv_client_request){.path = path}, &answer) == PV_EXIT_OK) {
        const json_t *record = json_array_get(json_object_get(answer.json, "records"), 0);
        if (record != NULL && pv_view_object(&cli->out, record, record_views) != 0) {
            pv_cli_fail(cli, 0, "out of memory");
        }
        pv_answer_done(&answer);
    }
    fputs("The records before it are whole. Compare the database with a backup.\n", cli->out.file);
}

static int verify(struct pv_cli *cli)
{
    struct pv_answer answer;
    int status = pv_cli_call(cli, &(struct pv_client_request){.path = "/v1/audit/verify"}, &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    bool whole = json_is_true(json_object_get(answer.json, "valid"));
    if (cli->out.quiet && !cli->out.json) {
        fprintf(cli->out.file, "%s\n", whole ? "whole" : "broken");
    } else if (!cli->out.json && whole) {
        fprintf(cli->out.file, "the audit trail is whole: %lld records\n",
                (long long)json_integer_value(json_object_get(answer.json, "records")));
    } else if (!cli->out.json) {
        print_broken(cli, answer.json);
    }
    pv_answer_done(&answer);
    return whole ? PV_EXIT_OK : PV_EXIT_FAILED;
}

static const struct pv_cli_option show_options[] = {
    {.name = "service", .value = "SERVICE", .type = PV_OPTION_TEXT, .help = "only about this one"},
    {.name = "source", .value = "NAME", .type = PV_OPTION_TEXT, .help = "only about this source"},
    PV_CLI_LIST_OPTIONS,
    {0},
};

const struct pv_cli_command pv_cli_audit[] = {
    {.name = "show",
     .args = "",
     .summary = "the audit trail, the oldest first",
     .options = show_options,
     .run = show},
    {.name = "verify",
     .args = "",
     .summary = "check that no record of the audit trail was changed or taken out",
     .details =
         "Each record holds a hash over itself and the record before it. Where the chain is broken "
         "the record is shown, and the exit status is 1.",
     .run = verify},
    {0},
};

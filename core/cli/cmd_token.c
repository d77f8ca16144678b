/* SPDX-License-Identifier: Apache-2.0 */
/* provost token: makes, lists and revokes tokens of the API. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include <string.h>

static const struct pv_view list_views[] = {
    {"TOKEN", "id", PV_VIEW_TEXT, 0},
    {"SOURCE", "source", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"SCOPES", "scopes", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"CREATED", "created", PV_VIEW_TIME, 0},
    {"EXPIRES", "expires", PV_VIEW_TIME, 0},
    {"REVOKED", "revoked", PV_VIEW_TIME, 0},
    {"RATE", "rate", PV_VIEW_TEXT, 0},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {.path = "/v1/tokens",
                                            .member = "tokens",
                                            .views = list_views,
                                            .id = "id",
                                            .empty = "no tokens"};
    return pv_cli_list(cli, &what);
}

static char *create_body(struct pv_cli *cli)
{
    const char *expires = pv_cli_text(cli, "expires");
    json_t *body = json_pack("{ss so}", "source", pv_cli_text(cli, "source"), "scopes",
                             pv_cli_names(pv_cli_text(cli, "scopes")));
    if (body != NULL && expires != NULL) {
        json_object_set_new(body, "expires_in", json_string(expires));
    }
    static const char *const numbers[] = {"rate", "burst"};
    for (size_t i = 0; body != NULL && i < 2; i++) {
        int64_t number = pv_cli_number(cli, numbers[i], -1);
        if (number >= 0) {
            json_object_set_new(body, numbers[i], json_integer(number));
        }
    }
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

static int create(struct pv_cli *cli)
{
    if (pv_cli_text(cli, "source") == NULL || pv_cli_text(cli, "scopes") == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE,
                           "--source and --scopes are needed: whose token is it, "
                           "and what may it do?");
    }
    char *body = create_body(cli);
    if (body == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "--source and --scopes: expected UTF-8 text");
    }
    struct pv_answer answer;
    int status = pv_cli_post_for_token(cli, "/v1/tokens", body, &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (!cli->out.json && !cli->out.quiet) {
        const char *id = pv_json_text(answer.json, "id");
        fprintf(cli->out.errors,
                "this is shown once: only a hash of it is kept. Revoke it with `provost token "
                "revoke %s`.\n",
                id != NULL ? id : "");
    }
    pv_answer_done(&answer);
    return PV_EXIT_OK;
}

static int revoke(struct pv_cli *cli)
{
    const char *id = pv_cli_arg(cli, 0);
    struct pv_id parsed;
    if (pv_id_parse("tok", pv_str(id), &parsed) != 0) {
        return pv_cli_fail(
            cli, PV_EXIT_USAGE,
            "“%s” is no token's id; they look like tok_01jd3v… (not the token itself)",
            strncmp(id, "provost_", 8) == 0 ? "provost_…" : id);
    }
    char path[128];
    snprintf(path, sizeof(path), "/v1/tokens/%s", id);
    struct pv_answer answer;
    int status =
        pv_cli_call(cli, &(struct pv_client_request){.method = "DELETE", .path = path}, &answer);
    if (status == PV_EXIT_OK) {
        if (!cli->out.json && !cli->out.quiet) {
            fprintf(cli->out.file, "%s is revoked\n", id);
        }
        pv_answer_done(&answer);
    }
    return status;
}

static const struct pv_cli_option create_options[] = {
    {.name = "source",
     .letter = 's',
     .value = "NAME",
     .type = PV_OPTION_TEXT,
     .help = "whose it is: it sees the services of this source and no others"},
    {.name = "scopes",
     .value = "A,B",
     .type = PV_OPTION_TEXT,
     .help = "what it may do: events:write services:read services:act services:reveal "
             "operations:read operations:write signals:write instances:query plugins:read "
             "audit:read metrics:read admin"},
    {.name = "expires",
     .value = "TIME",
     .type = PV_OPTION_TEXT,
     .help = "ends after this time, such as 90d; it never does otherwise"},
    {.name = "rate",
     .value = "N",
     .type = PV_OPTION_NUMBER,
     .min = 0,
     .max = 1000000,
     .help = "calls a second that it may make, instead of what the configuration says (limits); 0: "
             "as many as it likes"},
    {.name = "burst",
     .value = "N",
     .type = PV_OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     .help = "calls that may come at once; with --rate, twice of which it is otherwise"},
    {0},
};

const struct pv_cli_command pv_cli_token[] = {
    {.name = "create",
     .args = "",
     .summary = "make a token; it is shown once",
     .details = "With --quiet only the token is printed, so that a script can keep it.\n\n"
                "  provost token create --source shop --scopes events:write,services:read",
     .options = create_options,
     .run = create},
    {.name = "list",
     .args = "",
     .summary = "tokens: whose, what they may do, until when",
     .options = pv_cli_list_options,
     .run = list},
    {.name = "revoke", .args = "TOKEN-ID", .summary = "end a token at once", .run = revoke},
    {0},
};

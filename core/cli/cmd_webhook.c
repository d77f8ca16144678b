/* SPDX-License-Identifier: Apache-2.0 */
/* provost webhook: subscribers, what waits for them, and what is done about it. */
#include "core/cli/groups.h"
#include "core/cli/request.h"

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/secret.h"
#include "core/base/webhook.h"

#include <string.h>

static const struct pv_view list_views[] = {
    {"SUBSCRIBER", "name", PV_VIEW_TEXT, 0},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"WAITING", "waiting", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"UNDELIVERED", "undelivered", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"DELIVERED", "delivered", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"LAST", "delivered_at", PV_VIEW_TIME, 0},
    {"REASON", "reason", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static const struct pv_view show_views[] = {
    {"NOTIFICATION", "notification", PV_VIEW_TEXT, 0},
    {"TYPE", "type", PV_VIEW_TEXT, 0},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"OPERATION", "operation", PV_VIEW_TEXT, 0},
    {"AT", "at", PV_VIEW_TIME, 0},
    {"NEXT", "due", PV_VIEW_TIME, 0},
    {"TRIES", "attempts", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"ERROR", "error", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {
        .path = "/v1/webhooks",
        .member = "subscribers",
        .views = list_views,
        .id = "name",
        .empty = "no subscribers: none is configured under `subscribers:`"};
    return pv_cli_list(cli, &what);
}

static const struct pv_cli_target subscriber = {"/v1/webhooks/", "SUBSCRIBER"};

static int show(struct pv_cli *cli)
{
    struct pv_buf path;
    int status = pv_cli_target_path(cli, &subscriber, "notifications", &path);
    if (status == PV_EXIT_OK) {
        const struct pv_cli_list what = {.path = path.ptr,
                                         .member = "notifications",
                                         .views = show_views,
                                         .id = "notification",
                                         .empty = "nothing waits for it"};
        status = pv_cli_list(cli, &what);
    }
    pv_buf_done(&path);
    return status;
}

static int enable_disable(struct pv_cli *cli)
{
    bool off = strcmp(cli->args.command->name, "disable") == 0;
    return pv_cli_target_act(cli, &subscriber,
                             off ? "is disabled: nothing more is written for it" : "is enabled");
}

static int retry(struct pv_cli *cli)
{
    struct pv_answer answer;
    const char *one = pv_cli_text(cli, "notification");
    json_t *json = one != NULL ? json_pack("{ss}", "notification", one) : json_object();
    char *body = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (body == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "--notification: expected UTF-8 text");
    }
    int status = pv_cli_target_post(cli, &subscriber, body, 0, &answer);
    pv_json_release(body);
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (!cli->out.json && !cli->out.quiet) {
        long long count = (long long)json_integer_value(json_object_get(answer.json, "retried"));
        fprintf(cli->out.file, "%lld tried again%s\n", count,
                json_is_true(json_object_get(answer.json, "more")) ? "; there are more: repeat it"
                                                                   : "");
    }
    pv_answer_done(&answer);
    return PV_EXIT_OK;
}

static int secret(struct pv_cli *cli)
{
    unsigned char key[32];
    char text[64];
    if (pv_base_init() != 0) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "there are no random numbers");
    }
    pv_rng_system.fill(pv_rng_system.ctx, key, sizeof(key));
    pv_webhook_secret_text(key, sizeof(key), text, sizeof(text));
    fprintf(cli->out.file, "%s\n", text);
    pv_wipe(key, sizeof(key));
    pv_wipe(text, sizeof(text));
    return PV_EXIT_OK;
}

static const struct pv_cli_option retry_options[] = {
    {.name = "notification",
     .letter = 'n',
     .value = "N",
     .type = PV_OPTION_TEXT,
     .help = "only this one, as `show` names it"},
    {0},
};

const struct pv_cli_command pv_cli_webhook[] = {
    {.name = "list",
     .args = "",
     .summary = "subscribers: whether they are enabled, and how much waits for them",
     .options = pv_cli_list_options,
     .run = list},
    {.name = "show",
     .args = "SUBSCRIBER",
     .summary = "what waits for a subscriber, and what was given up",
     .options = pv_cli_list_options,
     .run = show},
    {.name = "retry",
     .args = "SUBSCRIBER",
     .summary = "try again at once what failed or was given up",
     .options = retry_options,
     .run = retry},
    {.name = "disable",
     .args = "SUBSCRIBER",
     .summary = "write nothing more for a subscriber; what waits is kept",
     .options = pv_cli_reason_options,
     .run = enable_disable},
    {.name = "enable",
     .args = "SUBSCRIBER",
     .summary = "go on with a disabled subscriber",
     .options = pv_cli_reason_options,
     .run = enable_disable},
    {.name = "secret",
     .args = "",
     .summary = "make a secret that notifications are signed with, and print it",
     .run = secret},
    {0},
};

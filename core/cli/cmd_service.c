/* SPDX-License-Identifier: Apache-2.0 */
/* provost service: shows services, and runs what their plugins offer. */
#include "core/cli/groups.h"
#include "core/cli/request.h"
#include "core/cli/service_view.h"

#include "core/base/alloc.h"

#include <string.h>

#define FORM_MAX (1024u * 1024)

static const struct pv_view list_views[] = {
    {"SERVICE", "service", PV_VIEW_TEXT, 0},
    {"SOURCE", "source", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"EXTERNAL ID", "external_id", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"PRODUCT", "product", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"PLAN", "plan", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"STATE", "state", PV_VIEW_STATE, 0},
    {"CHANGED", "changed", PV_VIEW_TIME, 0},
    {0},
};

static const struct pv_view show_views[] = {
    {"service", "service", PV_VIEW_TEXT, 0},
    {"source", "source", PV_VIEW_TEXT, 0},
    {"external id", "external_id", PV_VIEW_TEXT, 0},
    {"ref", "ref", PV_VIEW_TEXT, 0},
    {"product", "product", PV_VIEW_TEXT, 0},
    {"plan", "plan", PV_VIEW_TEXT, 0},
    {"state", "state", PV_VIEW_STATE, 0},
    {"desired", "desired", PV_VIEW_STATE, 0},
    {"remains of failed work", "residue", PV_VIEW_TEXT, 0},
    {"generation", "generation", PV_VIEW_TEXT, 0},
    {"operation", "active_operation", PV_VIEW_TEXT, 0},
    {"operations waiting", "waiting_operations", PV_VIEW_TEXT, 0},
    {"created", "created", PV_VIEW_TIME, 0},
    {"changed", "changed", PV_VIEW_TIME, 0},
    {0},
};

static const struct pv_view quota_views[] = {
    {"QUOTA", "name", PV_VIEW_TEXT, 0},
    {"USED", "used", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"LIMIT", "limit", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {0},
};

static const struct pv_cli_filter filters[] = {
    {"state", "state"},
    {"source", "source"},
    {"external-id", "external_id"},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {.path = "/v1/services",
                                            .member = "services",
                                            .filters = filters,
                                            .views = list_views,
                                            .id = "service",
                                            .empty = "no services"};
    return pv_cli_list(cli, &what);
}

static int show(struct pv_cli *cli)
{
    char id[PV_ID_TEXT];
    int status = pv_cli_service_id(cli, pv_cli_arg(cli, 0), id);
    if (status != PV_EXIT_OK) {
        return status;
    }
    char path[128];
    bool view = pv_cli_on(cli, "view");
    snprintf(path, sizeof(path), "/v1/services/%s%s", id, view ? "/view" : "");
    struct pv_answer answer;
    status = pv_cli_call(cli, &(struct pv_client_request){.path = path}, &answer);
    if (status != PV_EXIT_OK) {
        return status;
    }
    if (view && !cli->out.json) {
        if (pv_cli_print_service_view(&cli->out, answer.json) != 0) {
            status = pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
        }
    } else if (cli->out.quiet && !cli->out.json) {
        fprintf(cli->out.file, "%s\n", pv_json_text(answer.json, "state"));
    } else if (!cli->out.json) {
        bool shown =
            pv_view_object(&cli->out, answer.json, show_views) == 0 &&
            pv_cli_section(cli, NULL, json_object_get(answer.json, "components"),
                           pv_cli_component_views) == 0 &&
            pv_cli_section(cli, NULL, json_object_get(answer.json, "quotas"), quota_views) == 0;
        status = shown ? status : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    pv_answer_done(&answer);
    return status;
}

/* Adds KEY=TEXT or KEY:=JSON to the form. */
static int add_field(struct pv_cli *cli, json_t *form, const char *word)
{
    const char *equals = strchr(word, '=');
    bool raw = equals != NULL && equals > word && equals[-1] == ':';
    size_t len = equals != NULL ? (size_t)(equals - word) - (raw ? 1 : 0) : 0;
    if (len == 0) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "“%s”: expected KEY=TEXT or KEY:=JSON", word);
    }
    json_error_t error;
    json_t *value = raw ? json_loads(equals + 1, JSON_DECODE_ANY, &error) : json_string(equals + 1);
    if (value == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "“%s”: the value is no %s", word,
                           raw ? "JSON" : "UTF-8 text");
    }
    if (json_object_setn_new(form, word, len, value) != 0) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "“%s”: the key is no UTF-8 text", word);
    }
    return PV_EXIT_OK;
}

static int read_form(struct pv_cli *cli, json_t **ret_form)
{
    const char *file = pv_cli_text(cli, "form");
    if (file == NULL) {
        *ret_form = json_object();
        return *ret_form != NULL ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    struct pv_err err = {0};
    char *text = NULL;
    size_t len = 0;
    if (pv_cli_read(file, FORM_MAX, &text, &len, &err) != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    json_error_t error;
    json_t *form = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    pv_free(text);
    if (!json_is_object(form)) {
        json_decref(form);
        return pv_cli_fail(cli, PV_EXIT_USAGE, "%s:%d:%d: %s", file, form == NULL ? error.line : 1,
                           form == NULL ? error.column : 1,
                           form == NULL ? error.text : "expected a JSON object");
    }
    *ret_form = form;
    return PV_EXIT_OK;
}

static char *action_body(struct pv_cli *cli, json_t *form)
{
    const char *reason = pv_cli_text(cli, "reason");
    json_t *body = json_pack("{sO}", "form", form);
    if (body != NULL && reason != NULL) {
        json_object_set_new(body, "reason", json_string(reason));
    }
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

static int post_action(struct pv_cli *cli, const char *id, json_t *form)
{
    char *body = action_body(cli, form);
    struct pv_buf path;
    pv_buf_init(&path, 4096);
    pv_buf_printf(&path, "/v1/services/%s/actions/", id);
    pv_url_put(&path, pv_cli_arg(cli, 1));
    struct pv_answer answer;
    int status = PV_EXIT_FAILED;
    if (body == NULL || path.status != 0) {
        pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    } else {
        status = pv_cli_call(cli,
                             &(struct pv_client_request){.method = "POST",
                                                         .path = path.ptr,
                                                         .body = body,
                                                         .body_len = strlen(body),
                                                         .idempotency = pv_cli_text(cli, "key")},
                             &answer);
    }
    pv_json_release(body);
    pv_buf_done(&path);
    if (status == PV_EXIT_OK) {
        status = pv_cli_receipts(cli, answer.json);
        pv_answer_done(&answer);
    }
    return status;
}

static int act(struct pv_cli *cli)
{
    json_t *form = NULL;
    int status = read_form(cli, &form);
    for (size_t i = 2; status == PV_EXIT_OK && i < cli->args.arg_count; i++) {
        status = add_field(cli, form, cli->args.args[i]);
    }
    char id[PV_ID_TEXT];
    if (status == PV_EXIT_OK) {
        status = pv_cli_service_id(cli, pv_cli_arg(cli, 0), id);
    }
    if (status == PV_EXIT_OK) {
        status = post_action(cli, id, form);
    }
    json_decref(form);
    return status;
}

static char *session_body(struct pv_cli *cli)
{
    const char *expires = pv_cli_text(cli, "expires");
    const char *scopes = pv_cli_text(cli, "scopes");
    json_t *body = json_pack("{ss}", "customer", pv_cli_text(cli, "customer"));
    if (body != NULL && expires != NULL) {
        json_object_set_new(body, "expires_in", json_string(expires));
    }
    if (body != NULL && scopes != NULL) {
        json_object_set_new(body, "scopes", pv_cli_names(scopes));
    }
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

static int session(struct pv_cli *cli)
{
    char id[PV_ID_TEXT];
    char path[128];
    if (pv_cli_text(cli, "customer") == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "--customer is needed: whose session is it?");
    }
    int status = pv_cli_service_id(cli, pv_cli_arg(cli, 0), id);
    if (status != PV_EXIT_OK) {
        return status;
    }
    char *body = session_body(cli);
    if (body == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "--customer and --scopes: expected UTF-8 text");
    }
    snprintf(path, sizeof(path), "/v1/services/%s/sessions", id);
    struct pv_answer answer;
    status = pv_cli_post_for_token(cli, path, body, &answer);
    if (status == PV_EXIT_OK) {
        pv_answer_done(&answer);
    }
    return status;
}

static const struct pv_cli_option session_options[] = {
    {.name = "customer",
     .value = "ID",
     .type = PV_OPTION_TEXT,
     .help = "the customer's id at the billing system; the audit trail names it"},
    {.name = "scopes",
     .value = "A,B",
     .type = PV_OPTION_TEXT,
     .help = "what it may do: services:read services:act operations:read, unless given otherwise, "
             "and services:reveal"},
    {.name = "expires",
     .value = "TIME",
     .type = PV_OPTION_TEXT,
     .help = "ends after this time; 15m at most, which it is otherwise"},
    {0},
};

static const struct pv_cli_option list_options[] = {
    {.name = "state",
     .value = "STATE",
     .type = PV_OPTION_TEXT,
     .help = "only these: pending, active, suspended, terminated, failed"},
    {.name = "source", .value = "NAME", .type = PV_OPTION_TEXT, .help = "only this source's"},
    {.name = "external-id",
     .value = "ID",
     .type = PV_OPTION_TEXT,
     .help = "only the one that the source calls so; with --source"},
    PV_CLI_LIST_OPTIONS,
    {0},
};

static const struct pv_cli_option show_options[] = {
    {.name = "view", .help = "what the service's plugins show about it, instead"},
    {0},
};

static const struct pv_cli_option act_options[] = {
    {.name = "form",
     .letter = 'f',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "a JSON object with the form's fields; - is standard input"},
    {.name = "key",
     .value = "KEY",
     .type = PV_OPTION_TEXT,
     .help = "the Idempotency-Key: the same key again is answered with the same operation"},
    {.name = "reason",
     .letter = 'r',
     .value = "TEXT",
     .type = PV_OPTION_TEXT,
     .help = "why, for the plugin and the audit trail"},
    PV_CLI_WAIT_OPTION,
    {0},
};

const struct pv_cli_command pv_cli_service[] = {
    {.name = "list", .args = "", .summary = "services", .options = list_options, .run = list},
    {.name = "show",
     .args = "SERVICE",
     .summary = "one service: its state, its components, its quotas",
     .options = show_options,
     .run = show},
    {.name = "act",
     .args = "SERVICE ACTION [KEY=VALUE]...",
     .summary = "run an action that a plugin of the service offers",
     .details =
         "KEY=VALUE fills a field of the action's form with text, KEY:=JSON with a number, a list "
         "or anything else. Where several components have an action of this name, write "
         "COMPONENT.ACTION.\n\n"
         "  provost service act shop/12345 add_zone name=example.com --wait 30s",
     .options = act_options,
     .run = act},
    {.name = "session",
     .args = "SERVICE",
     .summary = "make a token for a customer's browser, for this service alone",
     .details = "It sees the service, runs its actions and asks its plugins, for 15 minutes, and "
                "cannot be taken back before.\n\n"
                "  provost service session shop/12345 --customer 7",
     .options = session_options,
     .run = session},
    {0},
};

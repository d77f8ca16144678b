/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and input as a step gets them; docs/plugins.md describes their form. */
#include "core/cli/job.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/cli/proxy.h"
#include "core/json/json.h"

#include <string.h>

#define INPUT_CAP ((size_t)1024 * 1024)
#define DEFAULT_STUCK_MS 30000
#define DEFAULT_ATTEMPTS 4
#define FILE_MAX_BYTES ((size_t)4 * 1024 * 1024)

int pv_job_init(struct pv_cli *cli, struct pv_job *job, const char *module)
{
    *job = (struct pv_job){0};
    pv_buf_init(&job->settings_text, INPUT_CAP);
    pv_buf_init(&job->input, INPUT_CAP);
    struct pv_err err = {0};
    int status = pv_grants_init(cli, &job->grants);
    status = status == PV_EXIT_OK ? pv_cli_module(cli, module, &job->module) : status;
    if (status == PV_EXIT_OK && pv_describer_find_host(&job->host, &err) != 0) {
        status = pv_cli_fail_err(cli, &err);
    }
    if (status == PV_EXIT_OK) {
        status = pv_cli_describe(cli, job, PV_STR(""), &job->plugin);
    }
    if (status == PV_EXIT_OK) {
        job->component = pv_strndup(job->plugin->name.ptr, job->plugin->name.len);
        status =
            job->component != NULL ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    return status;
}

void pv_job_done(struct pv_job *job)
{
    pv_free(job->host);
    pv_free(job->module);
    pv_free(job->component);
    pv_plugin_unref(job->plugin);
    pv_grants_done(&job->grants);
    json_decref(job->settings);
    pv_buf_done(&job->settings_text);
    pv_buf_done(&job->input);
    *job = (struct pv_job){0};
}

static int check(const json_t *given, const struct pv_fields *fields, const char *path,
                 struct pv_problems *problems, json_t **ret_checked)
{
    const struct pv_check_at at = {.path = pv_str(path),
                                   .separator = '.',
                                   .unknown = "unknown_key",
                                   .invalid = "invalid_value",
                                   .missing = "missing"};
    return pv_fields_check(given, fields, &at, 0, problems, ret_checked);
}

static int make_reach(struct pv_job *job, struct pv_problems *problems)
{
    struct pv_err err = {0};
    const char *const words[] = {job->module, NULL};
    const struct pv_reach_parts parts = {.confined = !job->grants.unconfined,
                                         .module = pv_str(job->module),
                                         .command =
                                             pv_module_is_program(job->module) ? words : NULL,
                                         .granted = job->granted};
    int status = pv_reach_make(&parts, &job->reach, &err);
    if (status != 0) {
        pv_problem_add(problems, NULL, PV_STR("grants"), "invalid_value", "%s", err.text);
    }
    return status;
}

int pv_job_settings(struct pv_job *job, const json_t *settings, struct pv_problems *problems)
{
    json_decref(job->settings);
    job->settings = NULL;
    int status = check(settings, &job->plugin->settings, "settings", problems, &job->settings);
    int granted = pv_grants_for(&job->grants, job->plugin, job->settings, job->granted, problems);
    pv_buf_clear(&job->settings_text);
    status = status == 0 ? granted : status;
    status = status == 0 ? make_reach(job, problems) : status;
    return status == 0 ? pv_json_put_in_order(&job->settings_text, job->settings) : status;
}

int pv_job_read(struct pv_cli *cli, const char *path, json_t **ret)
{
    struct pv_err err = {0};
    char *text = NULL;
    size_t len = 0;
    if (pv_cli_read(path, FILE_MAX_BYTES, &text, &len, &err) != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    json_error_t error;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    pv_wipe(text, len);
    pv_free(text);
    if (json == NULL) {
        return pv_cli_fail(cli, PV_EXIT_USAGE, "%s:%d:%d: %s", path, error.line, error.column,
                           error.text);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return pv_cli_fail(cli, PV_EXIT_USAGE, "%s:1:1: expected a JSON object", path);
    }
    *ret = json;
    return PV_EXIT_OK;
}

int pv_job_problems(struct pv_cli *cli, const struct pv_problems *problems)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)256 * 1024);
    if (pv_problems_print(problems, &text) == 0 && text.len > 0) {
        fputs(text.ptr, cli->out.errors);
    }
    pv_buf_done(&text);
    return PV_EXIT_USAGE;
}

/* The instance's own description, in place of what every instance declares. */
static int describe_own(struct pv_cli *cli, struct pv_job *job)
{
    json_t *plain = json_copy(job->settings);
    for (size_t i = 0; plain != NULL && i < job->plugin->settings.count; i++) {
        const struct pv_field *field = &job->plugin->settings.items[i];
        if ((field->flags & PV_F_SECRET) != 0) {
            json_object_deln(plain, field->name.ptr, field->name.len);
        }
    }
    struct pv_buf text;
    pv_buf_init(&text, INPUT_CAP);
    struct pv_plugin *own = NULL;
    int status = plain != NULL && pv_json_put_in_order(&text, plain) == 0
                     ? pv_cli_describe(cli, job, pv_buf_view(&text), &own)
                     : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    if (status == PV_EXIT_OK) {
        pv_plugin_unref(job->plugin);
        job->plugin = own;
    }
    pv_buf_done(&text);
    json_decref(plain);
    return status;
}

int pv_job_declare(struct pv_cli *cli, struct pv_job *job, const json_t *settings,
                   struct pv_problems *problems)
{
    if (!job->plugin->by_settings) {
        return PV_EXIT_OK;
    }
    int status = pv_job_settings(job, settings, problems);
    if (status == 0) {
        return describe_own(cli, job);
    }
    return status == PV_ENOMEM ? pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory") : PV_EXIT_USAGE;
}

/* The proxy would connect to any Unix socket: what the host refuses is refused here. */
static int check_socket(const struct pv_reach *reach, const char *url, struct pv_err *err)
{
    if ((reach->flags & PV_REACH_UNCONFINED) != 0 || strncmp(url, "unix:", 5) != 0) {
        return 0;
    }
    const struct pv_str socket = {url + 5, strcspn(url + 5, ":")};
    for (size_t i = 0; i < reach->unix_sockets.count; i++) {
        if (pv_str_eq(reach->unix_sockets.items[i], socket)) {
            return 0;
        }
    }
    return pv_err_set(err, PV_EDENIED, "http: %.*s is not among grants.unix_sockets",
                      PV_STR_ARG(socket));
}

struct leading {
    const struct pv_reach *reach;
    struct pv_proxy *proxy;
    bool any;
    struct pv_err *err;
};

/* Puts an address of the proxy in place of a text that leads to a backend. */
static int lead(struct leading *l, json_t *object, const char *key, size_t key_len)
{
    const char *text = json_string_value(json_object_getn(object, key, key_len));
    const char *ours = NULL;
    if (text == NULL || pv_proxy_path_of(text) == NULL) {
        return 0;
    }
    int status = check_socket(l->reach, text, l->err);
    status = status == 0 ? pv_proxy_add(l->proxy, text, &ours, l->err) : status;
    if (status == 0 && json_object_setn_new(object, key, key_len, json_string(ours)) != 0) {
        status = pv_err_set(l->err, PV_ENOMEM, "out of memory");
    }
    l->any = true;
    return status;
}

int pv_job_stand_before(struct pv_job *job, struct pv_proxy *proxy, bool *ret_any,
                        struct pv_err *err)
{
    const struct pv_fields *fields = &job->plugin->settings;
    struct leading l = {.reach = &job->reach, .proxy = proxy, .err = err};
    int status = 0;
    for (size_t i = 0; i < fields->count && status == 0; i++) {
        const struct pv_field *field = &fields->items[i];
        json_t *map = NULL;
        const char *key = NULL;
        json_t *member = NULL;
        if (field->type == PV_T_URL) {
            status = lead(&l, job->settings, field->name.ptr, field->name.len);
        } else if (field->type == PV_T_MAP) {
            map = json_object_getn(job->settings, field->name.ptr, field->name.len);
        }
        json_object_foreach(map, key, member)
        {
            status = status == 0 ? lead(&l, map, key, strlen(key)) : status;
        }
    }
    pv_buf_clear(&job->settings_text);
    status = status == 0 ? pv_json_put(&job->settings_text, job->settings) : status;
    status = status == 0 ? pv_proxy_start(proxy, err) : status;
    *ret_any = l.any;
    return status;
}

int pv_job_event_type(const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    int found = 0;
    bool is = type != NULL && strncmp(type, "service.", 8) == 0 &&
              pv_op_type_parse(pv_str(type + 8), &found) == 0 && found != PV_OP_ACTION;
    return is ? found : 0;
}

/* ---- Input ---- */

static const char *text_of(const json_t *event, const char *path, const char *fallback)
{
    const char *text = pv_json_text(event, path);
    return text != NULL ? text : fallback;
}

/* Keeps the external id, so that later runs on the same state file mean the same service. */
static const char *external_id(struct pv_local *local, const json_t *event)
{
    const char *given = pv_json_text(event, "service.id");
    const char *kept = pv_local_service(local, "external_id");
    if (given != NULL || kept == NULL) {
        given = given != NULL ? given : "1";
        return pv_local_set_service(local, "external_id", given) == 0 ? given : NULL;
    }
    return kept;
}

static json_t *service_json(struct pv_local *local, const json_t *event)
{
    const char *external = external_id(local, event);
    return json_pack("{ss? ss? ss? si ss ss}", "id", pv_local_service(local, "id"), "ref",
                     pv_local_service(local, "ref"), "external_id", external, "generation", 1,
                     "product", text_of(event, "service.product", "test"), "plan",
                     text_of(event, "service.plan", "test"));
}

/* A whole number among the values is the limit of the quota of that name. */
static void set_limits(const struct pv_job *job, const json_t *values, struct pv_local *local)
{
    json_object_clear(local->limits);
    for (size_t i = 0; i < job->plugin->product.count; i++) {
        const struct pv_field *field = &job->plugin->product.items[i];
        json_t *value = json_object_getn(values, field->name.ptr, field->name.len);
        if (field->type == PV_T_INT && json_is_integer(value)) {
            json_object_setn(local->limits, field->name.ptr, field->name.len, value);
        }
    }
}

/* Takes value; false when it is missing or memory runs out. */
static bool add(json_t *input, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(input, key, value) == 0;
}

static json_t *copy_or_empty(const json_t *value)
{
    return json_is_object(value) ? json_copy((json_t *)(uintptr_t)value) : json_object();
}

struct parts {
    json_t *values;
    json_t *previous;
    json_t *params;
    json_t *form; /* or the parameters of a query */
};

static int check_parts(const struct pv_job *job, const struct pv_job_input *given,
                       struct parts *parts, struct pv_problems *problems)
{
    const struct pv_plugin *plugin = job->plugin;
    if (given->query != NULL && !given->query_of_service) {
        return check(given->form, &given->query->params, "params", problems, &parts->form);
    }
    int values = check(given->values, &plugin->product, "values", problems, &parts->values);
    int params = check(pv_json_at(given->event, "service.params"), &plugin->checkout,
                       "event.service.params", problems, &parts->params);
    int form = 0;
    int previous = 0;
    if (given->previous != NULL) {
        previous = check(given->previous, &plugin->product, "previous", problems, &parts->previous);
    }
    if (given->action != NULL) {
        form = check(given->form, &given->action->form, "form", problems, &parts->form);
    } else if (given->query != NULL) {
        form = check(given->form, &given->query->params, "params", problems, &parts->form);
    }
    return values != 0 ? values : params != 0 ? params : previous != 0 ? previous : form;
}

static bool put_together(const struct pv_job_input *given, struct pv_local *local,
                         const struct parts *parts, json_t *input)
{
    if (given->query != NULL && !given->query_of_service) {
        return add(input, "query", json_incref(parts->form));
    }
    bool ok = add(input, "service", service_json(local, given->event)) &&
              add(input, "customer", copy_or_empty(json_object_get(given->event, "customer"))) &&
              add(input, "params", json_incref(parts->params)) &&
              add(input, "values", json_incref(parts->values));
    const json_t *reason = json_object_get(given->event, "reason");
    if (ok && json_is_string(reason)) {
        ok = add(input, "reason", json_copy((json_t *)(uintptr_t)reason));
    }
    if (ok && given->action != NULL) {
        ok = add(input, "form", json_incref(parts->form));
    }
    if (ok && given->query != NULL) {
        ok = add(input, "query", json_incref(parts->form)) &&
             add(input, "quotas", copy_or_empty(json_object_get(local->root, "quotas")));
    }
    if (ok && given->type == PV_OP_UPGRADE) {
        ok = add(input, "previous",
                 json_incref(parts->previous != NULL ? parts->previous : parts->values));
    }
    if (ok && json_is_object(given->signals)) {
        ok = add(input, "signals", copy_or_empty(given->signals));
    }
    return ok;
}

int pv_job_input(struct pv_job *job, const struct pv_job_input *given, struct pv_local *local,
                 struct pv_problems *problems)
{
    struct parts parts = {0};
    json_t *input = json_object();
    int status = check_parts(job, given, &parts, problems);
    if (status == 0) {
        set_limits(job, parts.values, local);
        pv_buf_clear(&job->input);
        status = input != NULL && put_together(given, local, &parts, input)
                     ? pv_json_put(&job->input, input)
                     : PV_ENOMEM;
    }
    json_decref(input);
    json_decref(parts.values);
    json_decref(parts.previous);
    json_decref(parts.params);
    json_decref(parts.form);
    return status;
}

void pv_job_play(const struct pv_job *job, const struct pv_job_input *given, struct pv_local *local,
                 struct pv_play *ret_play)
{
    *ret_play = (struct pv_play){.host = job->host,
                                 .module = job->module,
                                 .reach = &job->reach,
                                 .plugin = job->plugin,
                                 .component = job->component,
                                 .settings = pv_buf_view(&job->settings_text),
                                 .input = pv_buf_view(&job->input),
                                 .local = local,
                                 .type = given->type,
                                 .action = given->action,
                                 .query = given->query,
                                 .query_of_service = given->query_of_service,
                                 .only_kind = -1,
                                 .attempts = DEFAULT_ATTEMPTS,
                                 .stuck_after_ms = DEFAULT_STUCK_MS};
}

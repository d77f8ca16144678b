/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges of a run as a case. What differs from run to run gets its name ({{ref}}, {{backend}})
 * or {{any}}; each secret gets a text that stands for it wherever it was. */
#include "core/cli/record.h"

#include "core/base/alloc.h"
#include "core/base/id.h"
#include "core/cli/script_http.h"
#include "core/cli/secretive.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

#define TEXT_CAP ((size_t)8 * 1024 * 1024)
#define SHORTEST 4 /* secrets that are replaced within other texts */

/* ---- What is replaced ---- */

static void stand_for(struct pv_record *record, const char *text, const char *with)
{
    if (text != NULL && strlen(text) >= SHORTEST) {
        json_array_append_new(record->texts, json_pack("[ss]", text, with));
    }
}

/* The same for a form of a secret: longer ones come first, since they may hold shorter ones. */
static void stand_for_secret(struct pv_record *record, const char *form, const char *with)
{
    size_t at = 0;
    size_t len = strlen(form);
    while (at < json_array_size(record->texts) &&
           json_string_length(json_array_get(json_array_get(record->texts, at), 0)) >= len) {
        at++;
    }
    if (len >= SHORTEST) {
        json_array_insert_new(record->texts, at, json_pack("[ss]", form, with));
    }
}

/* A secret that stays the same in a replay: in every form a text that stands for it. */
static void hide(struct pv_record *record, const char *secret)
{
    char form[PV_SECRET_FORM_SIZE];
    char with[64];
    snprintf(with, sizeof(with), "recorded-secret-%zu", json_array_size(record->texts) + 1);
    stand_for_secret(record, secret, with);
    if (pv_secret_form(secret, 1, form) != NULL && strcmp(form, secret) != 0) {
        stand_for_secret(record, form, with);
    }
    for (int i = 2; strlen(secret) >= SHORTEST && pv_secret_form(secret, i, form) != NULL; i++) {
        json_array_append_new(record->varying, json_string(form));
    }
}

/* One that is made anew in every run. */
static void vary(struct pv_record *record, const char *text)
{
    char form[PV_SECRET_FORM_SIZE];
    for (int i = 0; strlen(text) >= SHORTEST && pv_secret_form(text, i, form) != NULL; i++) {
        json_array_append_new(record->varying, json_string(form));
    }
}

static void hide_all(struct pv_record *record, json_t *secrets)
{
    size_t i = 0;
    json_t *secret = NULL;
    json_array_foreach(secrets, i, secret)
    {
        hide(record, json_string_value(secret));
    }
    json_decref(secrets);
}

/* Texts of a value under names such as password. */
static json_t *secrets_in(const json_t *value)
{
    json_t *found = json_array();
    pv_find_secrets(value, found);
    return found;
}

static int learn_settings(struct pv_record *record, const struct pv_run *run)
{
    json_t *found = json_array();
    int status = pv_find_secret_settings(&run->job.plugin->settings, run->settings, found);
    hide_all(record, found);
    hide_all(record, secrets_in(run->settings));
    return status;
}

static void learn_exchanges(struct pv_record *record, const json_t *ledger)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        static const char *const members[] = {"request", "response"};
        for (size_t k = 0; k < 2; k++) {
            const char *text = json_string_value(json_object_get(entry, members[k]));
            json_t *json = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
            hide_all(record, secrets_in(json));
            json_decref(json);
        }
    }
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        stand_for(record, json_string_value(json_object_get(entry, "backend")), "{{backend}}");
        stand_for(record, json_string_value(json_object_get(entry, "here")), "{{backend}}");
    }
}

static int learn(struct pv_record *record, const struct pv_run *run, const json_t *ledger)
{
    char op[PV_ID_TEXT];
    const json_t *made = pv_local_secrets(&run->local);
    for (size_t i = 0; i < json_array_size(made); i++) {
        const char *secret = json_string_value(json_array_get(made, i));
        if (i < record->secrets) {
            hide(record, secret);
        } else {
            vary(record, secret);
        }
    }
    pv_id_format("op", run->play.op, op);
    vary(record, op);
    int status = learn_settings(record, run);
    hide_all(record, secrets_in(record->state));
    learn_exchanges(record, ledger);
    stand_for(record, pv_local_service(&run->local, "ref"), "{{ref}}");
    stand_for(record, pv_local_service(&run->local, "id"), "{{service}}");
    return status;
}

/* ---- Replacing ---- */

static bool varies(const struct pv_record *record, const char *text)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(record->varying, i, one)
    {
        if (strstr(text, json_string_value(one)) != NULL) {
            return true;
        }
    }
    return false;
}

/* Copies text with every `what` as `with`; the caller frees it. NULL: out of memory. */
static char *replace(const char *text, const char *what, const char *with)
{
    struct pv_buf out;
    char *made = NULL;
    pv_buf_init(&out, TEXT_CAP);
    for (const char *at = strstr(text, what); at != NULL; at = strstr(text, what)) {
        pv_buf_put(&out, text, (size_t)(at - text));
        pv_buf_c(&out, with);
        text = at + strlen(what);
    }
    pv_buf_c(&out, text);
    size_t len = 0;
    if (out.status != 0 || pv_buf_finish(&out, &made, &len) != 0) {
        pv_buf_done(&out);
        return NULL;
    }
    return made;
}

/* A text without secrets and names of this run. The caller frees it; NULL: out of memory. */
static char *clean_text(const struct pv_record *record, const char *text)
{
    char *now = pv_strdup(text);
    size_t i = 0;
    json_t *pair = NULL;
    json_array_foreach(record->texts, i, pair)
    {
        char *next = now != NULL ? replace(now, json_string_value(json_array_get(pair, 0)),
                                           json_string_value(json_array_get(pair, 1)))
                                 : NULL;
        pv_free(now);
        now = next;
    }
    return now;
}

static json_t *clean_string(const struct pv_record *record, const char *text, bool expected)
{
    if (varies(record, text)) {
        return json_string(expected ? "{{any}}" : "recorded-secret");
    }
    char *made = clean_text(record, text);
    json_t *string = made != NULL ? json_string(made) : NULL;
    pv_free(made);
    return string;
}

/* expected: what varies may be anything. */
static json_t *clean(const struct pv_record *record, const json_t *value, bool expected)
{
    const char *key = NULL;
    json_t *member = NULL;
    json_t *made = NULL;
    size_t i = 0;
    if (json_is_string(value)) {
        return clean_string(record, json_string_value(value), expected);
    }
    if (json_is_array(value)) {
        made = json_array();
        json_array_foreach((json_t *)(uintptr_t)value, i, member)
        {
            json_array_append_new(made, clean(record, member, expected));
        }
        return made;
    }
    if (!json_is_object(value)) {
        return json_deep_copy(value);
    }
    made = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        char *name = clean_text(record, key);
        json_object_set_new(made, name != NULL ? name : key, clean(record, member, expected));
        pv_free(name);
    }
    return made;
}

/* ---- The case ---- */

/* Sets "json" or "body" of a request or response. */
static void put_body(const struct pv_record *record, json_t *out, const json_t *text, bool expected)
{
    const char *body = json_string_value(text);
    if (body == NULL || body[0] == '\0' || (expected && varies(record, body) && body[0] != '{')) {
        return;
    }
    json_t *json = json_loads(body, JSON_DECODE_ANY, NULL);
    if (json != NULL) {
        json_object_set_new(out, "json", clean(record, json, expected));
    } else {
        json_object_set_new(out, "body", clean_string(record, body, expected));
    }
    json_decref(json);
}

static json_t *request_of(const struct pv_record *record, const json_t *entry)
{
    json_t *request = json_object();
    const char *path = json_string_value(json_object_get(entry, "path"));
    json_object_set(request, "method", json_object_get(entry, "method"));
    if (path != NULL && !varies(record, path)) {
        json_object_set_new(request, "path", clean_string(record, path, true));
    }
    put_body(record, request, json_object_get(entry, "request"), true);
    return request;
}

static json_t *response_of(const struct pv_record *record, const json_t *entry)
{
    static const char *const kept[] = {"Content-Type", "Retry-After", "Location"};
    json_int_t status = json_integer_value(json_object_get(entry, "status"));
    if (status == 0) {
        return json_pack("{sb}", "drop", true);
    }
    json_t *response = json_pack("{sI}", "status", status);
    json_t *headers = json_object();
    const struct pv_request said = {.headers =
                                        pv_str(json_string_value(json_object_get(entry, "said")))};
    put_body(record, response, json_object_get(entry, "response"), false);
    bool json = json_object_get(response, "json") != NULL;
    for (size_t i = json ? 1 : 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct pv_str value = pv_request_header(&said, kept[i]);
        char *text = value.ptr != NULL ? pv_strndup(value.ptr, value.len) : NULL;
        if (text != NULL) {
            json_object_set_new(headers, kept[i], clean_string(record, text, false));
        }
        pv_free(text);
    }
    if (json_object_size(headers) > 0) {
        json_object_set(response, "headers", headers);
    }
    json_decref(headers);
    return response;
}

/* The case's own backend in place of a text that leads to one. */
static bool put_backend(json_t *to, const char *key, size_t key_len, const json_t *value)
{
    const char *text = json_string_value(value);
    const char *path = text != NULL ? pv_proxy_path_of(text) : NULL;
    return path != NULL &&
           json_object_setn_new(to, key, key_len, json_sprintf("{{backend}}%s", path)) == 0;
}

/* What is below a secret setting, as it is cleaned: texts of any length, and numbers. */
static json_t *cover(const struct pv_record *record, const json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    if (json_is_string(value) && json_string_length(value) < SHORTEST) {
        return json_string("recorded-secret");
    }
    if (json_is_number(value)) {
        return json_integer(0);
    }
    if (!json_is_object(value) && !json_is_array(value)) {
        return clean(record, value, false);
    }
    json_t *made = json_is_object(value) ? json_object() : json_array();
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        json_object_set_new(made, key, cover(record, member));
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_array_append_new(made, cover(record, json_array_get(value, i)));
    }
    return made;
}

static json_t *settings_of(const struct pv_record *record, const struct pv_run *run)
{
    json_t *settings = clean(record, run->settings, false);
    const struct pv_fields *fields = &run->job.plugin->settings;
    for (size_t i = 0; i < fields->count; i++) {
        const struct pv_field *field = &fields->items[i];
        json_t *value = json_object_getn(run->settings, field->name.ptr, field->name.len);
        const char *key = NULL;
        json_t *member = NULL;
        if ((field->flags & PV_F_SECRET) != 0 && value != NULL) {
            json_object_setn_new(settings, field->name.ptr, field->name.len, cover(record, value));
        }
        json_object_foreach(field->type == PV_T_MAP ? value : NULL, key, member)
        {
            (void)put_backend(json_object_getn(settings, field->name.ptr, field->name.len), key,
                              strlen(key), member);
        }
        if (field->type == PV_T_URL) {
            (void)put_backend(settings, field->name.ptr, field->name.len, value);
        }
    }
    return settings;
}

static json_t *event_of(const struct pv_record *record, const struct pv_run *run)
{
    json_t *event = run->event != NULL ? clean(record, run->event, false) : json_object();
    json_t *service = json_object_get(event, "service");
    if (service == NULL) {
        service = json_object();
        json_object_set_new(event, "service", service);
    }
    const char *external = pv_local_service(&run->local, "external_id");
    json_object_set_new(service, "id", json_string(external != NULL ? external : "1"));
    return event;
}

static void put_options(json_t *whole, const struct pv_run *run)
{
    static const char *const texts[] = {"step", "call"};
    for (size_t i = 0; i < 2; i++) {
        const char *value = pv_cli_text(run->cli, texts[i]);
        if (value != NULL) {
            json_object_set_new(whole, texts[i], json_string(value));
        }
    }
    json_object_set_new(whole, "attempts", json_integer(run->play.attempts));
    json_t *pools = json_object();
    for (size_t i = 0; i < run->cli->args.given_count; i++) {
        const struct pv_cli_given *given = &run->cli->args.given[i];
        const char *equals = strchr(given->value != NULL ? given->value : "", '=');
        if (strcmp(given->option->name, "pool") == 0 && equals != NULL) {
            json_object_setn_new(pools, given->value, (size_t)(equals - given->value),
                                 json_string(equals + 1));
        }
    }
    if (json_object_size(pools) > 0) {
        json_object_set(whole, "pools", pools);
    }
    json_decref(pools);
}

static void put_what(json_t *whole, const struct pv_run *run)
{
    const struct pv_job_input *given = &run->given;
    char name[200];
    const char *member = given->query != NULL    ? "query"
                         : given->action != NULL ? "action"
                                                 : "operation";
    struct pv_str what = given->query != NULL    ? given->query->name
                         : given->action != NULL ? given->action->name
                                                 : pv_str(pv_op_type_name(given->type));
    snprintf(name, sizeof(name), "%.*s, recorded", PV_STR_ARG(what));
    json_object_set_new(whole, "name", json_string(name));
    json_object_set_new(whole, member, json_stringn(what.ptr, what.len));
}

static json_t *case_of(const struct pv_record *record, const struct pv_run *run,
                       const struct pv_play_result *result, const json_t *ledger)
{
    json_t *whole = json_object();
    json_t *exchanges = json_array();
    size_t i = 0;
    json_t *entry = NULL;
    put_what(whole, run);
    put_options(whole, run);
    json_object_set_new(whole, "settings", settings_of(record, run));
    json_t *grants = pv_grants_json(&run->job.grants);
    if (grants != NULL) {
        json_object_set_new(whole, "grants", grants);
    }
    json_object_set_new(whole, "event", event_of(record, run));
    const struct {
        const char *name;
        const json_t *value;
    } parts[] = {{"values", run->values},
                 {"previous", run->previous},
                 {"form", run->form},
                 {"state", record->state}};
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].value != NULL) {
            json_object_set_new(whole, parts[i].name, clean(record, parts[i].value, false));
        }
    }
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        json_array_append_new(exchanges, json_pack("{so so}", "request", request_of(record, entry),
                                                   "response", response_of(record, entry)));
    }
    json_object_set_new(whole, "exchanges", exchanges);
    json_t *expect = json_pack("{ss so}", "end", pv_play_end_name(result->end), "state",
                               clean(record, pv_local_state(&run->local), true));
    if (result->result != NULL) {
        json_object_set_new(expect, "result", clean(record, result->result, true));
    }
    json_object_set_new(whole, "expect", expect);
    return whole;
}

/* ---- The whole ---- */

int pv_record_begin(struct pv_record *record, struct pv_run *run, struct pv_err *err)
{
    bool any = false;
    record->texts = json_array();
    record->varying = json_array();
    record->state = json_deep_copy(pv_local_state(&run->local));
    record->secrets = json_array_size(pv_local_secrets(&run->local));
    int status = pv_proxy_new(&record->proxy, err);
    return status == 0 ? pv_job_stand_before(&run->job, record->proxy, &any, err) : status;
}

int pv_record_save(struct pv_record *record, const struct pv_run *run,
                   const struct pv_play_result *result, const char *path, struct pv_err *err)
{
    json_t *ledger = pv_proxy_ledger(record->proxy);
    int status = learn(record, run, ledger);
    json_t *whole = status == 0 ? case_of(record, run, result, ledger) : NULL;
    if (status != 0) {
        pv_err_set(err, status, "%s: out of memory", path);
    } else if (whole == NULL || json_dump_file(whole, path, JSON_INDENT(2)) != 0) {
        status = pv_err_set(err, PV_EIO, "%s: the case cannot be written", path);
    }
    json_decref(whole);
    json_decref(ledger);
    return status;
}

void pv_record_done(struct pv_record *record)
{
    pv_proxy_free(record->proxy);
    json_decref(record->state);
    json_decref(record->texts);
    json_decref(record->varying);
    *record = (struct pv_record){0};
}

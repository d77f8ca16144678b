/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a description into structs. Strict: what is not understood is refused, so that a host
 * and a daemon that do not fit each other are noticed before an order is. */
#include "core/config/describe.h"

#include "core/base/alloc.h"
#include "core/config/check.h"
#include "core/config/pattern.h"
#include "core/engine/plan.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

struct parse {
    struct pv_plugin *plugin;
    struct pv_err *err;
};

static int no_memory(struct parse *parse)
{
    return pv_err_set(parse->err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
}

/* A string member; none where there is none. */
static int get_text(struct parse *parse, const json_t *object, const char *key, struct pv_str *ret)
{
    const json_t *value = json_object_get(object, key);
    if (!value) {
        *ret = (struct pv_str){NULL, 0};
        return PV_OK;
    }
    if (!json_is_string(value)) {
        return pv_err_set(parse->err, PV_EINVAL, "\"%s\" is not a string", key);
    }
    struct pv_str text = {json_string_value(value), json_string_length(value)};
    *ret = pv_arena_copy(&parse->plugin->arena, text);
    return ret->ptr ? PV_OK : no_memory(parse);
}

/* [a-z][a-z0-9_]*, or with '-' instead of '_' */
static bool is_name(struct pv_str name, char joint)
{
    if (name.len == 0 || name.len > PV_MAX_NAME) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (!(c >= 'a' && c <= 'z') && !(i > 0 && (digit || c == joint))) {
            return false;
        }
    }
    return true;
}

static int get_name(struct parse *parse, const json_t *object, struct pv_str *ret)
{
    int status = get_text(parse, object, "name", ret);
    if (status == PV_OK && !is_name(*ret, '_')) {
        return pv_err_set(parse->err, PV_EINVAL,
                          "\"%.*s\" is no name (lower-case letters, digits and _)",
                          PV_STR_ARG(*ret));
    }
    return status;
}

static int get_int(struct parse *parse, const json_t *object, const char *key, int64_t min,
                   int64_t max, int64_t *ret)
{
    const json_t *value = json_object_get(object, key);
    if (!value) {
        return PV_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        return pv_err_set(parse->err, PV_EINVAL, "\"%s\" is not a number in its range", key);
    }
    *ret = json_integer_value(value);
    return PV_OK;
}

static bool get_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* The elements of an array member (an absent one is empty) as `size` bytes each in the arena. */
static int get_array(struct parse *parse, const json_t *object, const char *key, size_t size,
                     const json_t **ret_array, void *ret_items, size_t *ret_count)
{
    const json_t *array = json_object_get(object, key);
    if (array && !json_is_array(array)) {
        return pv_err_set(parse->err, PV_EINVAL, "\"%s\" is not an array", key);
    }
    size_t count = json_array_size(array);
    void *items = pv_arena_alloc(&parse->plugin->arena, count * size + 1);
    if (!items) {
        return no_memory(parse);
    }
    *ret_array = array;
    memcpy(ret_items, &items, sizeof(items));
    *ret_count = count;
    return PV_OK;
}

static int parse_options(struct parse *parse, const json_t *json, struct pv_field *field)
{
    const json_t *array = NULL;
    int status = get_array(parse, json, "options", sizeof(struct pv_str), &array, &field->options,
                           &field->option_count);
    for (size_t i = 0; status == PV_OK && i < field->option_count; i++) {
        const json_t *option = json_array_get(array, i);
        if (!json_is_string(option)) {
            return pv_err_set(parse->err, PV_EINVAL, "an option is not a string");
        }
        struct pv_str text = {json_string_value(option), json_string_length(option)};
        field->options[i] = pv_arena_copy(&parse->plugin->arena, text);
        status = field->options[i].ptr ? PV_OK : no_memory(parse);
    }
    if (status == PV_OK && field->type == PV_T_SELECT && field->option_count == 0) {
        return pv_err_set(parse->err, PV_EINVAL, "a select needs options");
    }
    return status;
}

static int parse_pattern(struct parse *parse, const json_t *json, struct pv_field *field)
{
    int status = get_text(parse, json, "pattern", &field->pattern);
    if (status != PV_OK || !field->pattern.ptr) {
        return status;
    }
    if (!pv_pattern_is_small(field->pattern)) {
        return pv_err_set(parse->err, PV_EINVAL,
                          "pattern \"%.*s\": its repetitions are too many, or nested too deeply",
                          PV_STR_ARG(field->pattern));
    }
    int failed = regcomp(&field->regex, field->pattern.ptr, REG_EXTENDED);
    if (failed) {
        char why[128];
        regerror(failed, &field->regex, why, sizeof(why));
        return pv_err_set(parse->err, failed == REG_ESPACE ? PV_ENOMEM : PV_EINVAL,
                          "pattern \"%.*s\": %s", PV_STR_ARG(field->pattern), why);
    }
    field->has_regex = true;
    return PV_OK;
}

static int parse_bounds(struct parse *parse, const json_t *json, struct pv_field *field)
{
    int status = get_int(parse, json, "min", INT64_MIN, INT64_MAX, &field->min);
    if (status == PV_OK) {
        status = get_int(parse, json, "max", INT64_MIN, INT64_MAX, &field->max);
    }
    field->has_bounds = field->min != 0 || field->max != 0;
    return status;
}

static int parse_type(struct parse *parse, const json_t *json, struct pv_field *field)
{
    struct pv_str type;
    int status = get_text(parse, json, "type", &type);
    if (status != PV_OK) {
        return status;
    }
    for (int i = 0; i < PV_FIELD_TYPES; i++) {
        if (pv_str_eq_c(type, pv_field_type_name(i))) {
            field->type = (enum pv_field_type)i;
            return PV_OK;
        }
    }
    return pv_err_set(parse->err, PV_EINVAL, "unknown type \"%.*s\"", PV_STR_ARG(type));
}

/* A default that its own field would refuse is the author's mistake; found here, not at an order.
 */
static int check_fallback(struct parse *parse, const struct pv_field *field)
{
    if (!field->fallback.ptr) {
        return PV_OK;
    }
    struct pv_check_at at = {PV_STR(""), '.', "", "", ""};
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_check check = {.at = &at, .problems = &problems};
    struct pv_value value = pv_value_of_text(field->fallback);
    json_t *json = NULL;
    int status = pv_check_value(&check, field, &value, &json);
    json_decref(json);
    if (status == PV_EINVAL) {
        struct pv_str why = problems.count > 0 ? problems.items[0].text : PV_STR("");
        pv_err_set(parse->err, PV_EINVAL, "its default: %.*s", PV_STR_ARG(why));
    } else if (status != PV_OK) {
        no_memory(parse);
    }
    pv_problems_done(&problems);
    return status;
}

/* A tree is kept and shown as it is: there is no part of it that could be hidden. */
static int check_secret(struct parse *parse, const struct pv_field *field)
{
    if (field->type == PV_T_JSON && (field->flags & PV_F_SECRET) != 0) {
        return pv_err_set(parse->err, PV_EINVAL,
                          "of type json and SECRET; a secret is a string, text, list or map");
    }
    return PV_OK;
}

/* "secret": 1 must not pass for false. */
static int check_flags(struct parse *parse, const json_t *json)
{
    static const char *const flags[] = {"required", "secret", "immutable", "file"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        const json_t *flag = json_object_get(json, flags[i]);
        if (flag && !json_is_boolean(flag)) {
            return pv_err_set(parse->err, PV_EINVAL, "\"%s\" is neither true nor false", flags[i]);
        }
    }
    return PV_OK;
}

static int parse_field(struct parse *parse, const json_t *json, struct pv_field *field)
{
    int status = get_name(parse, json, &field->name);
    if (status != PV_OK) {
        return status;
    }
    status = check_flags(parse, json);
    field->flags = (get_bool(json, "required") ? PV_F_REQUIRED : 0) |
                   (get_bool(json, "secret") ? PV_F_SECRET : 0) |
                   (get_bool(json, "immutable") ? PV_F_IMMUTABLE : 0) |
                   (get_bool(json, "file") ? PV_F_FILE : 0);
    int (*const parts[])(struct parse *, const json_t *, struct pv_field *) = {
        parse_type, parse_options, parse_pattern, parse_bounds};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == PV_OK; i++) {
        status = parts[i](parse, json, field);
    }
    if (status == PV_OK) {
        status = check_secret(parse, field);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "label", &field->label);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "description", &field->description);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "default", &field->fallback);
    }
    if (status == PV_OK) {
        status = check_fallback(parse, field);
    }
    if (!field->label.ptr) {
        field->label = field->name;
    }
    return status == PV_OK ? PV_OK : pv_err_wrap(parse->err, "field %.*s", PV_STR_ARG(field->name));
}

static int parse_fields(struct parse *parse, const json_t *json, const char *key,
                        struct pv_fields *fields)
{
    const json_t *array = NULL;
    size_t count = 0;
    int status =
        get_array(parse, json, key, sizeof(struct pv_field), &array, &fields->items, &count);
    for (size_t i = 0; status == PV_OK && i < count; i++) {
        struct pv_field *field = &fields->items[i];
        fields->count = i + 1; /* its pattern is freed even when it fails later */
        status = parse_field(parse, json_array_get(array, i), field);
        for (size_t k = 0; status == PV_OK && k < i; k++) {
            if (pv_str_eq(fields->items[k].name, field->name)) {
                status = pv_err_set(parse->err, PV_EINVAL, "field %.*s is declared twice",
                                    PV_STR_ARG(field->name));
            }
        }
    }
    return status == PV_OK ? PV_OK : pv_err_wrap(parse->err, "%s", key);
}

static int parse_steps(struct parse *parse, const json_t *json, const char *key,
                       struct pv_plugin_steps *steps)
{
    const json_t *array = NULL;
    int status =
        get_array(parse, json, key, sizeof(*steps->items), &array, &steps->items, &steps->count);
    for (size_t i = 0; status == PV_OK && i < steps->count; i++) {
        const json_t *from = json_array_get(array, i);
        struct pv_plugin_step *step = &steps->items[i];
        int64_t timeout_ms = 60000;
        int64_t settle_ms = 5000;
        status = get_name(parse, from, &step->name);
        if (status == PV_OK) {
            status = get_int(parse, from, "timeout_ms", 1, UINT32_MAX, &timeout_ms);
        }
        if (status == PV_OK) {
            status = get_int(parse, from, "settle_ms", 0, UINT32_MAX, &settle_ms);
        }
        step->timeout_ms = (uint32_t)timeout_ms;
        step->settle_ms = (uint32_t)settle_ms;
        step->flags = (uint8_t)((get_bool(from, "repeatable") ? PV_STEP_REPEATABLE : 0) |
                                (get_bool(from, "undo") ? PV_STEP_UNDO : 0) |
                                (get_bool(from, "lookup") ? PV_STEP_LOOKUP : 0) |
                                (get_bool(from, "poll") ? PV_STEP_POLL : 0));
    }
    return status == PV_OK ? PV_OK : pv_err_wrap(parse->err, "%s", key);
}

static int parse_operations(struct parse *parse, const json_t *json)
{
    const json_t *operations = json_object_get(json, "operations");
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)operations, key, value)
    {
        int type = 0;
        if (pv_op_type_parse(pv_str(key), &type) != PV_OK || type == PV_OP_ACTION) {
            return pv_err_set(parse->err, PV_EINVAL, "unknown operation \"%s\"", key);
        }
        int status = parse_steps(parse, operations, key, &parse->plugin->operations[type]);
        if (status != PV_OK) {
            return pv_err_wrap(parse->err, "operations");
        }
    }
    return PV_OK;
}

static int parse_action(struct parse *parse, const json_t *json, struct pv_plugin_action *action)
{
    int64_t delta = 0;
    int status = get_name(parse, json, &action->name);
    if (status == PV_OK) {
        status = get_text(parse, json, "label", &action->label);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "confirm", &action->confirm);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "quota", &action->quota);
    }
    if (status == PV_OK) {
        status = get_int(parse, json, "quota_delta", INT32_MIN, INT32_MAX, &delta);
    }
    if (status == PV_OK) {
        status = parse_fields(parse, json, "form", &action->form);
    }
    if (status == PV_OK) {
        status = parse_steps(parse, json, "steps", &action->steps);
    }
    if (status == PV_OK && action->quota.ptr && !is_name(action->quota, '_')) {
        status = pv_err_set(parse->err, PV_EINVAL, "\"%.*s\" is no name of a quota",
                            PV_STR_ARG(action->quota));
    }
    action->quota_delta = (int32_t)delta;
    if (!action->label.ptr) {
        action->label = action->name;
    }
    return status == PV_OK ? PV_OK
                           : pv_err_wrap(parse->err, "action %.*s", PV_STR_ARG(action->name));
}

static int parse_query(struct parse *parse, const json_t *json, struct pv_plugin_query *query)
{
    struct pv_str access = {NULL, 0};
    int status = get_name(parse, json, &query->name);
    if (status == PV_OK) {
        status = get_text(parse, json, "access", &access);
    }
    if (status != PV_OK) {
        return status;
    }
    if (!access.ptr || pv_str_eq_c(access, "token")) {
        query->access = PV_ACCESS_TOKEN;
    } else if (pv_str_eq_c(access, "public")) {
        query->access = PV_ACCESS_PUBLIC;
    } else if (pv_str_eq_c(access, "customer")) {
        query->access = PV_ACCESS_CUSTOMER;
    } else {
        return pv_err_set(parse->err, PV_EINVAL, "query %.*s: unknown access \"%.*s\"",
                          PV_STR_ARG(query->name), PV_STR_ARG(access));
    }
    status = parse_fields(parse, json, "params", &query->params);
    return status == PV_OK ? PV_OK : pv_err_wrap(parse->err, "query %.*s", PV_STR_ARG(query->name));
}

static int parse_queries(struct parse *parse, const json_t *json, const char *key,
                         struct pv_plugin_query **ret_items, size_t *ret_count)
{
    const json_t *array = NULL;
    size_t count = 0;
    int status = get_array(parse, json, key, sizeof(**ret_items), &array, ret_items, &count);
    for (size_t i = 0; status == PV_OK && i < count; i++) {
        *ret_count = i + 1;
        status = parse_query(parse, json_array_get(array, i), &(*ret_items)[i]);
    }
    return status;
}

static int parse_actions(struct parse *parse, const json_t *json)
{
    struct pv_plugin *plugin = parse->plugin;
    const json_t *array = NULL;
    size_t count = 0;
    int status = get_array(parse, json, "actions", sizeof(*plugin->actions), &array,
                           &plugin->actions, &count);
    for (size_t i = 0; status == PV_OK && i < count; i++) {
        plugin->action_count = i + 1;
        status = parse_action(parse, json_array_get(array, i), &plugin->actions[i]);
    }
    return status;
}

static int parse_needs(struct parse *parse, const json_t *json)
{
    static const char *const names[] = {"exec", "read", "write", "unix_sockets"};
    size_t index = 0;
    json_t *need = NULL;
    json_array_foreach(json_object_get(json, "needs"), index, need)
    {
        const char *name = json_string_value(need);
        size_t at = 0;
        while (at < 4 && (!name || strcmp(name, names[at]) != 0)) {
            at++;
        }
        if (at == 4) {
            return pv_err_set(parse->err, PV_EINVAL,
                              "it needs \"%s\", which this version does not know",
                              name ? name : "?");
        }
        parse->plugin->needs |= 1u << at; /* PV_NEEDS_… */
    }
    return PV_OK;
}

/* What depends on more than one table. */
static int check_whole(struct parse *parse)
{
    const struct pv_plugin *plugin = parse->plugin;
    if (!is_name(plugin->name, '-')) {
        return pv_err_set(parse->err, PV_EINVAL, "\"%.*s\" is no name of a plugin",
                          PV_STR_ARG(plugin->name));
    }
    for (size_t i = 0; i < plugin->product.count; i++) {
        const struct pv_field *field = &plugin->product.items[i];
        if ((field->flags & PV_F_SECRET) != 0) {
            return pv_err_set(parse->err, PV_EINVAL,
                              "product: field %.*s is SECRET; values of products are kept with "
                              "each service, so secrets belong into the settings",
                              PV_STR_ARG(field->name));
        }
    }
    return PV_OK;
}

static int parse_plugin(struct parse *parse, const json_t *json)
{
    struct pv_plugin *plugin = parse->plugin;
    if (!json_is_object(json)) {
        return pv_err_set(parse->err, PV_EINVAL, "not a JSON object");
    }
    int status = get_text(parse, json, "name", &plugin->name);
    if (status == PV_OK) {
        status = get_text(parse, json, "version", &plugin->version);
    }
    if (status == PV_OK) {
        status = get_text(parse, json, "summary", &plugin->summary);
    }
    if (status == PV_OK) {
        status = parse_needs(parse, json);
    }
    plugin->by_settings = json_is_true(json_object_get(json, "by_settings"));
    if (status == PV_OK) {
        status = parse_fields(parse, json, "settings", &plugin->settings);
    }
    if (status == PV_OK) {
        status = parse_fields(parse, json, "product", &plugin->product);
    }
    if (status == PV_OK) {
        status = parse_fields(parse, json, "checkout", &plugin->checkout);
    }
    if (status == PV_OK) {
        status = parse_operations(parse, json);
    }
    if (status == PV_OK) {
        status = parse_actions(parse, json);
    }
    if (status == PV_OK) {
        status = parse_queries(parse, json, "service_queries", &plugin->service_queries,
                               &plugin->service_query_count);
    }
    if (status == PV_OK) {
        status = parse_queries(parse, json, "instance_queries", &plugin->instance_queries,
                               &plugin->instance_query_count);
    }
    return status == PV_OK ? check_whole(parse) : status;
}

int pv_plugin_parse(struct pv_str json, struct pv_str path, struct pv_plugin **ret_plugin,
                    struct pv_err *err)
{
    struct pv_plugin *plugin = pv_calloc(1, sizeof(*plugin));
    if (!plugin) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    plugin->references = 1;
    pv_arena_init(&plugin->arena);
    struct pv_err own = {0};
    struct parse parse = {plugin, &own};
    json_t *root = NULL;
    int status = pv_json_load(json, JSON_REJECT_DUPLICATES, &root, &own);
    if (status == PV_OK) {
        status = parse_plugin(&parse, root);
    }
    json_decref(root);
    plugin->json = pv_arena_copy(&plugin->arena, json);
    if (path.ptr) {
        plugin->path = pv_arena_copy(&plugin->arena, path);
    }
    if (status == PV_OK && (!plugin->json.ptr || (path.ptr && !plugin->path.ptr))) {
        status = no_memory(&parse);
    }
    if (status != PV_OK) {
        pv_plugin_unref(plugin);
        return pv_err_set(err, status, "description: %s", own.text);
    }
    *ret_plugin = plugin;
    return PV_OK;
}

struct pv_plugin *pv_plugin_ref(struct pv_plugin *plugin)
{
    plugin->references++;
    return plugin;
}

static void free_fields(struct pv_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->items[i].has_regex) {
            regfree(&fields->items[i].regex);
        }
    }
}

void pv_plugin_unref(struct pv_plugin *plugin)
{
    if (!plugin || --plugin->references > 0) {
        return;
    }
    free_fields(&plugin->settings);
    free_fields(&plugin->product);
    free_fields(&plugin->checkout);
    for (size_t i = 0; i < plugin->action_count; i++) {
        free_fields(&plugin->actions[i].form);
    }
    for (size_t i = 0; i < plugin->service_query_count; i++) {
        free_fields(&plugin->service_queries[i].params);
    }
    for (size_t i = 0; i < plugin->instance_query_count; i++) {
        free_fields(&plugin->instance_queries[i].params);
    }
    pv_arena_done(&plugin->arena);
    pv_free(plugin);
}

const struct pv_plugin_action *pv_plugin_action(const struct pv_plugin *plugin, struct pv_str name)
{
    for (size_t i = 0; i < plugin->action_count; i++) {
        if (pv_str_eq(plugin->actions[i].name, name)) {
            return &plugin->actions[i];
        }
    }
    return NULL;
}

static const struct pv_plugin_query *find_query(const struct pv_plugin_query *items, size_t count,
                                                struct pv_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq(items[i].name, name)) {
            return &items[i];
        }
    }
    return NULL;
}

const struct pv_plugin_query *pv_plugin_service_query(const struct pv_plugin *plugin,
                                                      struct pv_str name)
{
    return find_query(plugin->service_queries, plugin->service_query_count, name);
}

const struct pv_plugin_query *pv_plugin_instance_query(const struct pv_plugin *plugin,
                                                       struct pv_str name)
{
    return find_query(plugin->instance_queries, plugin->instance_query_count, name);
}

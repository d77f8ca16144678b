/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance declares: the programs in its folder, or the operations that its settings name,
 * and above them the description (describe.json in the folder, PATH.json beside a single program),
 * whose members are those of docs/wire.md. What is declared is kept until the module goes. */
#include "plugins/script/read.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define OPERATIONS 6

static const char *const operations[OPERATIONS] = {"create",    "suspend", "unsuspend",
                                                   "terminate", "upgrade", "renew"};

/* ---- Steps ---- */

static void set_common(const struct script_reader *r, struct provost_step *step)
{
    step->run = script_run;
    step->timeout_ms = (uint32_t)provost_int_at(r->settings, "timeout", 60000);
    step->flags = provost_bool_at(r->settings, "repeatable", 0) ? PROVOST_S_REPEATABLE : 0;
}

static int get_step(struct script_reader *r, const json_t *json, const char *where,
                    struct provost_step *step)
{
    static const char *const known[] = {"name", "repeatable", "undo",      "lookup",
                                        "poll", "timeout_ms", "settle_ms", NULL};
    set_common(r, step);
    step->flags = 0;
    uint32_t calls = 0;
    int64_t timeout_ms = step->timeout_ms;
    int64_t settle_ms = 0;
    int failed = read_check_members(r, json, where, known);
    failed = failed ? failed : read_text(r, json, where, "name", &step->name);
    failed = failed ? failed
                    : read_flag(r, json, where, "repeatable", PROVOST_S_REPEATABLE, &step->flags);
    failed = failed ? failed : read_flag(r, json, where, "undo", 1u << SCRIPT_UNDO, &calls);
    failed = failed ? failed : read_flag(r, json, where, "lookup", 1u << SCRIPT_LOOKUP, &calls);
    failed = failed ? failed : read_flag(r, json, where, "poll", 1u << SCRIPT_POLL, &calls);
    failed =
        failed ? failed : read_number(r, json, where, "timeout_ms", 1000, 3600000, &timeout_ms);
    failed = failed ? failed : read_number(r, json, where, "settle_ms", 0, 3600000, &settle_ms);
    if (json_object_get(json, "repeatable") == NULL &&
        provost_bool_at(r->settings, "repeatable", 0)) {
        step->flags |= PROVOST_S_REPEATABLE;
    }
    step->undo = calls & 1u << SCRIPT_UNDO ? script_undo : NULL;
    step->lookup = calls & 1u << SCRIPT_LOOKUP ? script_lookup : NULL;
    step->poll = calls & 1u << SCRIPT_POLL ? script_poll : NULL;
    step->timeout_ms = (uint32_t)timeout_ms;
    step->settle_ms = (uint32_t)settle_ms;
    if (!failed && step->name == NULL) {
        return read_refuse(r, "%s: expected a name", where);
    }
    return failed;
}

static int get_steps(struct script_reader *r, const json_t *json, const char *where,
                     const char *member, const struct provost_step **ret)
{
    const json_t *list = NULL;
    int failed = read_array(r, json, where, member, &list);
    if (failed || list == NULL) {
        return failed;
    }
    struct provost_step *steps = read_keep(r, (json_array_size(list) + 1) * sizeof(*steps));
    for (size_t i = 0; steps != NULL && !failed && i < json_array_size(list); i++) {
        char at[200];
        snprintf(at, sizeof(at), "%s%s%s[%zu]", where, where[0] ? "." : "", member, i);
        failed = get_step(r, json_array_get(list, i), at, &steps[i]);
    }
    *ret = steps;
    return steps != NULL ? failed : -1;
}

/* ---- Actions and queries ---- */

static int get_action(struct script_reader *r, const json_t *json, const char *where,
                      struct provost_action *action)
{
    static const char *const known[] = {"name",  "label", "confirm",     "form",
                                        "steps", "quota", "quota_delta", NULL};
    int64_t delta = 0;
    int failed = read_check_members(r, json, where, known);
    failed = failed ? failed : read_text(r, json, where, "name", &action->name);
    failed = failed ? failed : read_text(r, json, where, "label", &action->label);
    failed = failed ? failed : read_text(r, json, where, "confirm", &action->confirm);
    failed = failed ? failed : read_fields(r, json, where, "form", &action->form);
    failed = failed ? failed : get_steps(r, json, where, "steps", &action->steps);
    failed = failed ? failed : read_text(r, json, where, "quota", &action->quota);
    failed = failed ? failed : read_number(r, json, where, "quota_delta", -1000, 1000, &delta);
    action->quota_delta = (int32_t)delta;
    if (!failed && action->name == NULL) {
        return read_refuse(r, "%s: expected a name", where);
    }
    for (size_t i = 0; !failed && i < OPERATIONS; i++) {
        if (strcmp(action->name, operations[i]) == 0) {
            return read_refuse(r, "%s.name: %s is an operation", where, action->name);
        }
    }
    if (!failed && action->steps == NULL) { /* an action of one step, of the same name */
        struct provost_step *steps = read_keep(r, 2 * sizeof(*steps));
        if (steps == NULL) {
            return -1;
        }
        set_common(r, &steps[0]);
        steps[0].name = action->name;
        action->steps = steps;
    }
    return failed;
}

static int get_actions(struct script_reader *r, const json_t *json, struct provost_plugin *plugin)
{
    const json_t *list = NULL;
    int failed = read_array(r, json, "", "actions", &list);
    if (failed || list == NULL) {
        return failed;
    }
    struct provost_action *actions = read_keep(r, (json_array_size(list) + 1) * sizeof(*actions));
    for (size_t i = 0; actions != NULL && !failed && i < json_array_size(list); i++) {
        char at[80];
        snprintf(at, sizeof(at), "actions[%zu]", i);
        failed = get_action(r, json_array_get(list, i), at, &actions[i]);
    }
    plugin->actions = actions;
    return actions != NULL ? failed : -1;
}

static int get_query(struct script_reader *r, const json_t *json, const char *where,
                     uint32_t access, struct provost_query *query)
{
    static const char *const known[] = {"name", "access", "params", NULL};
    static const char *const names[] = {"token", "public", "customer"};
    int failed = read_check_members(r, json, where, known);
    failed = failed ? failed : read_text(r, json, where, "name", &query->name);
    failed = failed ? failed : read_fields(r, json, where, "params", &query->params);
    if (failed || query->name == NULL) {
        return failed ? failed : read_refuse(r, "%s: expected a name", where);
    }
    query->run = script_query;
    query->access = access;
    const char *said = provost_text_at(json, "access", names[access]);
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(said, names[i]) == 0) {
            query->access = i;
            return 0;
        }
    }
    return read_refuse(r, "%s.access: expected token, public or customer", where);
}

static int get_queries(struct script_reader *r, const json_t *json, const char *member,
                       uint32_t access, const struct provost_query **ret)
{
    const json_t *list = NULL;
    int failed = read_array(r, json, "", member, &list);
    if (failed || list == NULL) {
        return failed;
    }
    struct provost_query *queries = read_keep(r, (json_array_size(list) + 1) * sizeof(*queries));
    for (size_t i = 0; queries != NULL && !failed && i < json_array_size(list); i++) {
        char at[80];
        snprintf(at, sizeof(at), "%s[%zu]", member, i);
        failed = get_query(r, json_array_get(list, i), at, access, &queries[i]);
    }
    *ret = queries;
    return queries != NULL ? failed : -1;
}

/* ---- What is there without a description ---- */

static bool has(const struct script_reader *r, const char *name, const char *suffix)
{
    char path[4200];
    struct stat st;
    int len = snprintf(path, sizeof(path), "%s/%s%s", r->path, name, suffix);
    return len > 0 && (size_t)len < sizeof(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool listed(const struct script_reader *r, const char *name)
{
    const json_t *list = json_object_get(r->settings, "operations");
    if (json_array_size(list) == 0) {
        return strcmp(name, "upgrade") != 0 && strcmp(name, "renew") != 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        if (one != NULL && strcmp(one, name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct provost_step **table_of(struct provost_plugin *plugin, size_t operation)
{
    const struct provost_step **const tables[OPERATIONS] = {&plugin->create,    &plugin->suspend,
                                                            &plugin->unsuspend, &plugin->terminate,
                                                            &plugin->upgrade,   &plugin->renew};
    return tables[operation];
}

static int find_operations(struct script_reader *r, struct provost_plugin *plugin)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        const char *name = operations[i];
        if (r->folder ? !has(r, name, "") : !listed(r, name)) {
            continue;
        }
        struct provost_step *steps = read_keep(r, 2 * sizeof(*steps));
        if (steps == NULL) {
            return -1;
        }
        set_common(r, &steps[0]);
        steps[0].name = name;
        steps[0].undo = r->folder && has(r, name, ".undo") ? script_undo : NULL;
        steps[0].lookup = r->folder && has(r, name, ".lookup") ? script_lookup : NULL;
        steps[0].poll = r->folder && has(r, name, ".poll") ? script_poll : NULL;
        *table_of(plugin, i) = steps;
    }
    return 0;
}

static int find_queries(struct script_reader *r, const char *const *names, uint32_t access,
                        const struct provost_query **ret)
{
    struct provost_query *queries = read_keep(r, 8 * sizeof(*queries));
    size_t count = 0;
    for (size_t i = 0; queries != NULL && r->folder && names[i] != NULL; i++) {
        if (has(r, names[i], "")) {
            queries[count++] =
                (struct provost_query){.name = names[i], .run = script_query, .access = access};
        }
    }
    *ret = queries;
    return queries != NULL ? 0 : -1;
}

static int find(struct script_reader *r, struct provost_plugin *plugin)
{
    static const char *const of_service[] = {"status", "view", "usage", "sso", "reveal", NULL};
    static const char *const of_instance[] = {"test", "capacity", "inventory", NULL};
    int failed = find_operations(r, plugin);
    failed =
        failed ? failed : find_queries(r, of_service, PROVOST_Q_CUSTOMER, &plugin->service_queries);
    return failed ? failed
                  : find_queries(r, of_instance, PROVOST_Q_TOKEN, &plugin->instance_queries);
}

/* ---- The description ---- */

static int get_operations(struct script_reader *r, const json_t *json,
                          struct provost_plugin *plugin)
{
    static const char *const known[] = {"create",  "suspend", "unsuspend", "terminate",
                                        "upgrade", "renew",   NULL};
    const json_t *said = json_object_get(json, "operations");
    if (said == NULL) {
        return 0;
    }
    int failed = read_check_members(r, said, "operations", known);
    for (size_t i = 0; !failed && i < OPERATIONS; i++) {
        *table_of(plugin, i) = NULL;
        failed = get_steps(r, said, "operations", operations[i], table_of(plugin, i));
    }
    return failed;
}

static int get_all(struct script_reader *r, const json_t *json, struct provost_plugin *plugin)
{
    static const char *const known[] = {"version",         "summary",          "product",
                                        "checkout",        "operations",       "actions",
                                        "service_queries", "instance_queries", NULL};
    int failed = read_check_members(r, json, "", known);
    failed = failed ? failed : read_text(r, json, "description", "version", &plugin->version);
    failed = failed ? failed : read_text(r, json, "description", "summary", &plugin->summary);
    failed = failed ? failed : read_fields(r, json, "", "product", &plugin->product);
    failed = failed ? failed : read_fields(r, json, "", "checkout", &plugin->checkout);
    failed = failed ? failed : get_operations(r, json, plugin);
    failed = failed ? failed : get_actions(r, json, plugin);
    failed = failed ? failed
                    : get_queries(r, json, "service_queries", PROVOST_Q_CUSTOMER,
                                  &plugin->service_queries);
    return failed ? failed
                  : get_queries(r, json, "instance_queries", PROVOST_Q_TOKEN,
                                &plugin->instance_queries);
}

/* The file's JSON; NULL without a sentence: there is none. */
static json_t *read_file(struct script_reader *r, const char *path, bool *ret_failed)
{
    *ret_failed = true;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        *ret_failed = errno != ENOENT;
        if (*ret_failed) {
            read_refuse(r, "path: %s: %s%s", path, strerror(errno),
                        errno == EACCES ? "; grant its folder to the instance, with `grants.exec` "
                                          "or `grants.read`"
                                        : "");
        }
        return NULL;
    }
    char *text = malloc(FILE_MAX + 1);
    size_t len = text != NULL ? fread(text, 1, FILE_MAX + 1, file) : 0;
    bool unread = text == NULL || ferror(file);
    fclose(file);
    json_error_t why = {0};
    json_t *json = NULL;
    if (unread || len > FILE_MAX || provost_json_too_deep(text, len)) {
        read_refuse(r, "path: %s: cannot be read, larger than %zu bytes, or nested too deeply",
                    path, FILE_MAX);
    } else {
        json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
        if (json == NULL) {
            read_refuse(r, "path: %s:%d:%d: %s", path, why.line, why.column, why.text);
        }
    }
    free(text);
    *ret_failed = json == NULL;
    return json;
}

static int read_description(struct script_reader *r, struct provost_plugin *plugin)
{
    char path[4200];
    snprintf(path, sizeof(path), r->folder ? "%s/describe.json" : "%s.json", r->path);
    bool failed = false;
    json_t *json = read_file(r, path, &failed);
    if (json == NULL) {
        return failed ? -1 : 0;
    }
    int status = get_all(r, json, plugin);
    json_decref(json);
    if (status != 0) {
        char said[300];
        snprintf(said, sizeof(said), "%s", r->error);
        read_refuse(r, "path: %s: %s", path, said);
    }
    return status;
}

static int check_listed(struct script_reader *r)
{
    const json_t *list = json_object_get(r->settings, "operations");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = provost_text_at(json_array_get(list, i), "", "");
        bool known = false;
        for (size_t k = 0; k < OPERATIONS; k++) {
            known = known || strcmp(name, operations[k]) == 0;
        }
        if (!known) {
            return read_refuse(r,
                               "operations: \"%.40s\" is none of create, suspend, "
                               "unsuspend, terminate, upgrade, renew",
                               name);
        }
    }
    if (r->folder && json_array_size(list) > 0) {
        return read_refuse(r, "operations: of a folder, its files say what it does");
    }
    return 0;
}

static int declare(struct script_reader *r, const struct provost_plugin **ret)
{
    struct stat st;
    if (stat(r->path, &st) != 0) {
        return read_refuse(r, "path: %s: %s", r->path, strerror(errno));
    }
    r->folder = S_ISDIR(st.st_mode);
    struct provost_plugin *plugin = read_keep(r, sizeof(*plugin));
    if (plugin == NULL) {
        return -1;
    }
    *plugin = (struct provost_plugin){PROVOST_PLUGIN_HEAD, .name = "script"};
    int failed = check_listed(r);
    failed = failed ? failed : find(r, plugin);
    failed = failed ? failed : read_description(r, plugin);
    *ret = plugin;
    return failed;
}

int script_declare(const char *settings, const struct provost_plugin **ret_declared, char *error,
                   size_t error_size)
{
    json_t *json = provost_parse(settings, strlen(settings));
    struct script_reader r = {.settings = json,
                              .path = provost_text_at(json, "path", ""),
                              .error = error,
                              .error_size = error_size};
    int failed = json != NULL ? declare(&r, ret_declared) : read_refuse(&r, "out of memory");
    json_decref(json);
    return failed;
}

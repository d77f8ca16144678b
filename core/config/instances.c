/* SPDX-License-Identifier: Apache-2.0 */
/* Instances: finds and describes the module, checks the settings, keeps SECRET values apart; and
 * the settings as a host gets them. */
#include "core/config/raw.h"
#include "core/config/reference.h"
#include "core/json/json.h"

#include "core/base/alloc.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SETTINGS (1u << 20)
#define IN_FLIGHT 1000
#define IN_FLIGHT_PROGRAMS 32

/* ---- module ---- */

static int find_module(struct pv_loading *loading, const struct pv_raw_instance *raw,
                       struct pv_config_instance *instance)
{
    char *path = NULL;
    struct pv_err err = {0};
    struct pv_str module = raw->module;
    if (memchr(module.ptr, '/', module.len) && module.ptr[0] != '/') {
        char text[4096];
        snprintf(text, sizeof(text), "%.*s/%.*s", PV_STR_ARG(loading->base_dir),
                 PV_STR_ARG(module));
        module = pv_load_copy(loading, pv_str(text));
    }
    int status = pv_module_find(module, loading->config->plugin_dirs,
                                loading->config->plugin_dir_count, &path, &err);
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status != PV_OK) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "module", "%s", err.text);
        return PV_EINVAL;
    }
    instance->module_path = pv_arena_copy(&loading->config->arena, pv_str(path));
    pv_free(path);
    return instance->module_path.ptr ? PV_OK : PV_ENOMEM;
}

/* The words of a host that is a program of its own. */
static int find_command(struct pv_loading *loading, const struct pv_raw_instance *raw,
                        struct pv_config_instance *instance)
{
    const struct pv_option_list *words = &raw->command;
    const struct pv_str program = words->items[0];
    if (words->count > PV_CONFIG_WORDS_MAX || program.len == 0 || program.ptr[0] != '/') {
        pv_load_problem(loading, raw->head.node, raw->head.path, "command",
                        "expected an absolute path and at most %d arguments",
                        PV_CONFIG_WORDS_MAX - 1);
        return PV_EINVAL;
    }
    instance->command =
        pv_arena_alloc(&loading->config->arena, (words->count + 1) * sizeof(*instance->command));
    if (!instance->command) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < words->count; i++) {
        instance->command[i] = words->items[i].ptr; /* NUL-terminated, as all texts of the file */
    }
    instance->command[words->count] = NULL;
    instance->module_path = program;
    instance->module = program;
    struct stat st;
    if (stat(program.ptr, &st) != 0 || !S_ISREG(st.st_mode) || access(program.ptr, X_OK) != 0) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "command",
                        "%.*s is no program that can be started", PV_STR_ARG(program));
        return PV_EINVAL;
    }
    return PV_OK;
}

static int find_user(struct pv_loading *loading, const struct pv_raw_instance *raw,
                     struct pv_config_instance *instance)
{
    if (raw->user.len == 0) {
        return PV_OK;
    }
    char name[80];
    char room[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    snprintf(name, sizeof(name), "%.*s", PV_STR_ARG(raw->user));
    getpwnam_r(name, &entry, room, sizeof(room), &found);
    if (!found || found->pw_uid == 0) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "user",
                        found ? "%s is root: name a user with fewer rights"
                              : "there is no user %s on this machine",
                        name);
        return PV_EINVAL;
    }
    instance->user = raw->user;
    instance->uid = found->pw_uid;
    instance->gid = found->pw_gid;
    return PV_OK;
}

/* A description that this load already has. */
static struct pv_plugin *known_plugin(const struct pv_loading *loading, struct pv_str path)
{
    for (size_t i = 0; i < loading->plugin_count; i++) {
        if (pv_str_eq(loading->plugins[i]->path, path)) {
            return loading->plugins[i];
        }
    }
    return NULL;
}

static int ask(const struct pv_loading *loading, const struct pv_describe_ask *asked,
               struct pv_plugin **ret, struct pv_err *err)
{
    char *json = NULL;
    struct pv_str path = pv_str(asked->module);
    int status = loading->describe->describe(loading->describe->ctx, asked, &json, err);
    if (status != PV_OK) {
        return status;
    }
    status = pv_plugin_parse(pv_str(json), path, ret, err);
    pv_free(json);
    return status;
}

static int describe_new(struct pv_loading *loading, struct pv_str path, struct pv_plugin **ret,
                        struct pv_err *err)
{
    struct pv_plugin *plugin = NULL;
    int status = ask(loading,
                     &(struct pv_describe_ask){.module = path.ptr,
                                               .required = loading->config->isolation_required},
                     &plugin, err);
    if (status != PV_OK) {
        return status;
    }
    struct pv_plugin **grown =
        pv_reallocarray(loading->plugins, loading->plugin_count + 1, sizeof(struct pv_plugin *));
    if (!grown) {
        pv_plugin_unref(plugin);
        return PV_ENOMEM;
    }
    loading->plugins = grown;
    loading->plugins[loading->plugin_count++] = plugin;
    *ret = plugin;
    return PV_OK;
}

static int describe_command(struct pv_loading *loading, const struct pv_raw_instance *raw,
                            struct pv_config_instance *instance)
{
    struct pv_err err = {0};
    const struct pv_describe_ask asked = {.module = instance->module_path.ptr,
                                          .command = instance->command,
                                          .unconfined = !instance->confined,
                                          .required = loading->config->isolation_required};
    int status = ask(loading, &asked, &instance->plugin, &err);
    if (status != PV_OK && status != PV_ENOMEM) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "command", "%s", err.text);
        return PV_EINVAL;
    }
    return status;
}

static int describe(struct pv_loading *loading, const struct pv_raw_instance *raw,
                    struct pv_config_instance *instance)
{
    if (instance->command) {
        return describe_command(loading, raw, instance);
    }
    struct pv_plugin *plugin = known_plugin(loading, instance->module_path);
    if (!plugin) {
        struct pv_err err = {0};
        int status = describe_new(loading, instance->module_path, &plugin, &err);
        if (status == PV_ENOMEM) {
            return status;
        }
        if (status != PV_OK) {
            pv_load_problem(loading, raw->head.node, raw->head.path, "module", "%.*s: %s",
                            PV_STR_ARG(instance->module_path), err.text);
            return PV_EINVAL;
        }
    }
    instance->plugin = pv_plugin_ref(plugin);
    return PV_OK;
}

/* Where a path such as "operations.create.0.path" leads to, or as far as it goes. */
static const struct pv_node *node_at(const struct pv_node *node, struct pv_str path)
{
    while (node && path.len > 0) {
        const char *dot = memchr(path.ptr, '.', path.len);
        struct pv_str part = {path.ptr, dot ? (size_t)(dot - path.ptr) : path.len};
        path = dot ? (struct pv_str){dot + 1, path.len - part.len - 1} : (struct pv_str){NULL, 0};
        int64_t index = -1;
        bool number = node->kind == PV_NODE_LIST && pv_str_to_i64(part, &index) == PV_OK;
        const struct pv_node *next = node->first;
        while (next && (number ? index-- > 0 : !pv_str_eq(next->key, part))) {
            next = next->next;
        }
        if (!next) {
            return node;
        }
        node = next;
    }
    return node;
}

/* "PATH: sentence" of the plugin's, PATH within the settings; or a sentence. */
static void settings_problem(struct pv_loading *loading, const struct pv_raw_instance *raw,
                             const char *text)
{
    size_t len =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/$");
    bool has_path = len > 0 && text[len] == ':' && text[len + 1] == ' ';
    struct pv_str path = {text, has_path ? len : 0};
    char whole[512];
    snprintf(whole, sizeof(whole), "%.*s.settings%s%.*s", PV_STR_ARG(raw->head.path),
             has_path ? "." : "", PV_STR_ARG(path));
    const struct pv_node *node = node_at(raw->settings ? raw->settings : raw->head.node, path);
    struct pv_place place = node ? node->place : (struct pv_place){0};
    pv_problem_add(loading->problems, node ? &place : NULL, pv_str(whole), "invalid_value", "%s",
                   has_path ? text + len + 2 : text);
}

/* Where the operations depend on the settings: what this instance declares takes the place of what
 * all do. */
static int describe_own(struct pv_loading *loading, const struct pv_raw_instance *raw,
                        struct pv_config_instance *instance)
{
    struct pv_buf settings;
    pv_buf_init(&settings, MAX_SETTINGS);
    struct pv_plugin *plugin = NULL;
    struct pv_err err = {0};
    int status = pv_json_put_in_order(&settings, instance->settings);
    if (status == PV_OK) {
        const struct pv_describe_ask asked = {.module = instance->module_path.ptr,
                                              .settings = pv_buf_view(&settings),
                                              .granted = instance->granted,
                                              .unconfined = !instance->confined,
                                              .required = loading->config->isolation_required,
                                              .command = instance->command};
        status = ask(loading, &asked, &plugin, &err);
    } else {
        pv_err_set(&err, status, "%s", pv_status_text(status));
    }
    pv_buf_done(&settings);
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status != PV_OK) {
        settings_problem(loading, raw, err.text);
        return PV_EINVAL;
    }
    pv_plugin_unref(instance->plugin);
    instance->plugin = plugin;
    return PV_OK;
}

/* ---- settings ---- */

/* JSON for people: what is secret is replaced. */
static int show_settings(struct pv_loading *loading, struct pv_config_instance *instance)
{
    json_t *shown = json_object();
    /* not json_copy: that leaves out members that it finds no memory for */
    int failed = shown ? json_object_update(shown, instance->settings) : -1;
    for (size_t i = 0; i < instance->secret_count && !failed; i++) {
        failed = json_object_setn_new(shown, instance->secrets[i].field.ptr,
                                      instance->secrets[i].field.len, json_string("********"));
    }
    if (!failed) {
        instance->settings_shown = pv_json_copy(&loading->config->arena, shown);
    }
    json_decref(shown);
    return instance->settings_shown.ptr ? PV_OK : PV_ENOMEM;
}

static int check_settings(struct pv_loading *loading, const struct pv_raw_instance *raw,
                          struct pv_config_instance *instance)
{
    const struct pv_fields *fields = &instance->plugin->settings;
    char path[256];
    snprintf(path, sizeof(path), "%.*s.settings", PV_STR_ARG(raw->head.path));
    struct pv_check_at at = {pv_str(path), '.', "unknown_key", "invalid_value", "missing"};
    struct pv_check check = {.at = &at,
                             .problems = loading->problems,
                             .config = true,
                             .base_dir = loading->base_dir,
                             .pool_names = loading->pool_names,
                             .pool_count = loading->raw.pools.count,
                             .arena = &loading->config->arena};
    check.secrets = pv_arena_alloc(check.arena, (fields->count + 1) * sizeof(*check.secrets));
    if (!check.secrets) {
        return PV_ENOMEM;
    }
    struct pv_value given = pv_value_of_node(raw->settings);
    if (!raw->settings && raw->head.node) {
        given.place = raw->head.node->place; /* where settings are missing */
    }
    int status = pv_check_object(&check, &given, fields, &instance->settings);
    instance->secrets = check.secrets;
    instance->secret_count = check.secret_count;
    return status == PV_OK ? show_settings(loading, instance) : status;
}

/* One text of a secret, with its references read now. */
static int write_secret(const struct pv_config_instance *instance, const struct pv_field *field,
                        const struct pv_secret *template, struct pv_buf *out, struct pv_err *err)
{
    struct pv_buf text;
    pv_buf_init(&text, PV_REFERENCE_MAX + 8192);
    int status = PV_ENOMEM;
    if (!pv_buf_reserve(&text, PV_REFERENCE_MAX + 8192)) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    status = pv_reference_expand(pv_secret_expose(template), instance->base_dir, &text, err);
    if (status == PV_OK) {
        struct pv_scalar scalar;
        struct pv_value value = pv_value_of_text(pv_buf_view(&text));
        status = pv_scalar_check(field, &value, &scalar, err);
    }
    if (status == PV_OK) {
        pv_buf_json(out, pv_buf_view(&text));
    }
    pv_wipe(text.ptr, text.size);
    pv_buf_done(&text);
    return status;
}

static int write_member(const struct pv_config_instance *instance,
                        const struct pv_config_secret *secret, struct pv_buf *out,
                        struct pv_err *err)
{
    const struct pv_field *field = pv_fields_find(&instance->plugin->settings, secret->field);
    bool list = secret->type == PV_T_LIST;
    bool map = secret->type == PV_T_MAP;
    pv_buf_json(out, secret->field);
    pv_buf_c(out, list ? ":[" : map ? ":{" : ":");
    for (size_t i = 0; i < secret->part_count; i++) {
        if (i > 0) {
            pv_buf_char(out, ',');
        }
        if (map) {
            pv_buf_json(out, secret->parts[i].key);
            pv_buf_char(out, ':');
        }
        int status = write_secret(instance, field, secret->parts[i].text, out, err);
        if (status != PV_OK) {
            return pv_err_wrap(err, "settings.%.*s", PV_STR_ARG(secret->field));
        }
    }
    return pv_buf_c(out, list ? "]" : map ? "}" : "");
}

static int write_settings(const struct pv_config_instance *instance, struct pv_buf *out,
                          struct pv_err *err)
{
    int plain = pv_json_put_in_order(out, instance->settings);
    if (plain != PV_OK) {
        return pv_err_set(err, plain, "the settings: %s", pv_status_text(plain));
    }
    out->len--; /* its closing brace comes after the secrets */
    bool first = json_object_size(instance->settings) == 0;
    for (size_t i = 0; i < instance->secret_count; i++) {
        if (!first) {
            pv_buf_char(out, ',');
        }
        first = false;
        int status = write_member(instance, &instance->secrets[i], out, err);
        if (status != PV_OK) {
            return status;
        }
    }
    int status = pv_buf_char(out, '}');
    return status == PV_OK ? PV_OK
                           : pv_err_set(err, status, "the settings: %s", pv_status_text(status));
}

int pv_config_settings(const struct pv_config_instance *instance, struct pv_secret **ret_json,
                       struct pv_err *err)
{
    struct pv_buf out;
    pv_buf_init(&out, MAX_SETTINGS);
    if (!pv_buf_reserve(&out, MAX_SETTINGS)) { /* all at once: growing would leave copies behind */
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    int status = write_settings(instance, &out, err);
    struct pv_secret *secret = NULL;
    if (status == PV_OK) {
        secret = pv_secret_new(pv_buf_view(&out));
        status = secret ? PV_OK : pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    pv_wipe(out.ptr, out.len);
    pv_buf_done(&out);
    if (status != PV_OK) {
        return status;
    }
    *ret_json = secret;
    return PV_OK;
}

/* ---- the rest ---- */

static void put_paths(struct pv_buf *out, const struct pv_strs *paths)
{
    pv_buf_u32(out, (uint32_t)paths->count);
    for (size_t i = 0; i < paths->count; i++) {
        pv_buf_lstr(out, paths->items[i]);
    }
}

/* What a host must be restarted for: the module's file, what it declares, its settings, its grants,
 * the limits of its process. */
static int fingerprint(struct pv_loading *loading, struct pv_config_instance *instance)
{
    struct pv_secret *settings = NULL;
    struct pv_err err = {0};
    int status = pv_config_settings(instance, &settings, &err);
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status != PV_OK) { /* it changed since it was checked */
        pv_problem_add(loading->problems, NULL, instance->name, "reference", "%s", err.text);
        return PV_EINVAL;
    }
    struct stat st = {0};
    if (stat(instance->module_path.ptr, &st) != 0) {
        memset(&st, 0, sizeof(st)); /* its description came from elsewhere than a file */
    }
    char file[128];
    snprintf(file, sizeof(file), "%lld.%ld %lld %llu %lld %lld %llu", (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, (long long)st.st_size, (unsigned long long)st.st_ino,
             (long long)instance->stuck_after_ms, (long long)instance->cpu_time_ms,
             (unsigned long long)instance->memory_bytes);
    struct pv_buf grants;
    pv_buf_init(&grants, MAX_SETTINGS);
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        put_paths(&grants, &instance->granted[i]);
    }
    pv_buf_u8(&grants, loading->config->isolation_required ? 1 : 0);
    pv_buf_u8(&grants, instance->confined ? 1 : 0);
    pv_buf_u32(&grants, instance->uid);
    pv_buf_u32(&grants, instance->gid);
    status = grants.status == PV_ENOMEM ? PV_ENOMEM : PV_OK;
    struct pv_str parts[] = {instance->module_path, pv_str(file), instance->plugin->json,
                             pv_secret_expose(settings), pv_buf_view(&grants)};
    instance->fingerprint = pv_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]));
    pv_buf_done(&grants);
    pv_secret_free(settings);
    return status;
}

/* Each step of a plugin that starts programs is a process, and all of them share `memory`. */
static uint32_t in_flight(const struct pv_raw_instance *raw, const struct pv_plugin *plugin)
{
    bool programs = (plugin->needs & PV_NEEDS_EXEC) != 0;
    return raw->max_in_flight > 0 ? (uint32_t)raw->max_in_flight
                                  : (programs ? IN_FLIGHT_PROGRAMS : IN_FLIGHT);
}

static int load_instance(struct pv_loading *loading, const struct pv_raw_instance *raw,
                         struct pv_config_instance *instance)
{
    instance->name = raw->head.name;
    instance->module = raw->module;
    instance->base_dir = loading->base_dir;
    instance->confined = raw->confine;
    instance->stuck_after_ms = raw->stuck_after;
    instance->cpu_time_ms = raw->cpu_time;
    instance->memory_bytes = (uint64_t)raw->memory;
    instance->limits = (struct pv_instance_limits){
        .rate = raw->rate,
        .burst = (uint32_t)raw->burst,
        .breaker_failures = (uint32_t)raw->breaker.failures,
        .breaker_open_ms = raw->breaker.open,
        .breaker_open_cap_ms = raw->breaker.open_cap,
    };
    instance->retry = pv_load_retry(&raw->retry);
    bool program = raw->command.count > 0;
    if (program == (raw->module.ptr != NULL)) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "module",
                        program ? "there is a command: expected one of the two"
                                : "required: a module, or a command");
        return PV_EINVAL;
    }
    int status =
        program ? find_command(loading, raw, instance) : find_module(loading, raw, instance);
    if (status == PV_OK) {
        status = find_user(loading, raw, instance);
    }
    if (status == PV_OK) {
        status = describe(loading, raw, instance);
    }
    if (status != PV_OK) {
        return status;
    }
    instance->limits.max_in_flight = in_flight(raw, instance->plugin);
    status = check_settings(loading, raw, instance);
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status == PV_OK) {
        status = pv_load_grants(loading, raw, instance);
    }
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status == PV_OK && instance->plugin->by_settings) {
        status = describe_own(loading, raw, instance);
    }
    if (status == PV_ENOMEM) {
        return status;
    }
    if (status != PV_OK && instance->plugin->by_settings) {
        /* Nobody knows what it has: products that use it are not looked at. */
        pv_plugin_unref(instance->plugin);
        instance->plugin = NULL;
        return status;
    }
    int aliases = pv_load_aliases(loading, raw, instance);
    if (aliases != PV_OK) {
        return aliases;
    }
    return status == PV_OK ? fingerprint(loading, instance) : status;
}

int pv_load_instances(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_option_entries *raw = &loading->raw.plugins;
    config->instances = pv_arena_alloc(&config->arena, raw->count * sizeof(*config->instances) + 1);
    if (!config->instances) {
        return PV_ENOMEM;
    }
    config->instance_count = raw->count;
    int status = PV_OK;
    for (size_t i = 0; i < raw->count; i++) {
        int one = load_instance(loading, &((const struct pv_raw_instance *)raw->items)[i],
                                &config->instances[i]);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

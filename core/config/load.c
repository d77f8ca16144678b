/* SPDX-License-Identifier: Apache-2.0 */
/* From files to a checked configuration: reads and merges the files, runs the tables, and works out
 * the top level. The parts below it have files of their own. */
#include "core/config/raw.h"
#include "core/config/reference.h"

#include "core/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 1000 /* in conf.d */

/* ---- files ---- */

static int read_yaml(struct pv_str path, struct pv_problems *problems, struct pv_node **ret_root)
{
    struct pv_buf bytes;
    struct pv_err err = {0};
    pv_buf_init(&bytes, PV_YAML_MAX_BYTES + 8192);
    int status = pv_file_read(path.ptr, PV_YAML_MAX_BYTES, &bytes, &err);
    if (status == PV_OK) {
        status = pv_yaml_parse(path, pv_buf_view(&bytes), problems, ret_root);
    } else if (status != PV_ENOMEM) {
        struct pv_place place = {path, 0, 0};
        pv_problem_add(problems, &place, PV_STR(""), "unreadable", "%s", err.text);
        status = PV_EINVAL;
    }
    if (bytes.ptr) {
        pv_wipe(bytes.ptr, bytes.size);
    }
    pv_buf_done(&bytes);
    return status;
}

static bool is_yaml(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

static int by_byte(const void *a, const void *b)
{
    const struct pv_str *left = a;
    const struct pv_str *right = b;
    return pv_str_cmp(*left, *right);
}

/* The paths of the files in a folder, sorted. */
static int list_folder(struct pv_loading *loading, const char *folder, struct pv_str **ret_paths,
                       size_t *ret_count)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return PV_OK;
        }
        struct pv_place place = {pv_str(folder), 0, 0};
        pv_problem_add(loading->problems, &place, PV_STR(""), "unreadable", "cannot be read: %s",
                       strerror(errno));
        return errno == ENOMEM ? PV_ENOMEM : PV_EINVAL;
    }
    struct pv_str *paths = pv_calloc(MAX_FILES, sizeof(*paths));
    size_t count = 0;
    int status = paths ? PV_OK : PV_ENOMEM;
    const struct dirent *entry = NULL;
    while (status == PV_OK && count < MAX_FILES) {
        entry = readdir(dir);
        if (!entry) {
            break;
        }
        char path[PATH_MAX + NAME_MAX + 2];
        if (is_yaml(entry->d_name)) {
            snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
            paths[count] = pv_arena_copy(&loading->config->arena, pv_str(path));
            status = paths[count++].ptr ? PV_OK : PV_ENOMEM;
        }
    }
    closedir(dir);
    if (status != PV_OK) {
        pv_free(paths);
        return status;
    }
    qsort(paths, count, sizeof(*paths), by_byte);
    *ret_paths = paths;
    *ret_count = count;
    return PV_OK;
}

/* Adds the files of conf.d to the tree. A bad one does not keep the others from being read. */
static int read_folder(struct pv_loading *loading, struct pv_node *root)
{
    char folder[PATH_MAX];
    struct pv_str *paths = NULL;
    size_t count = 0;
    snprintf(folder, sizeof(folder), "%.*s/conf.d", PV_STR_ARG(loading->base_dir));
    int status = list_folder(loading, folder, &paths, &count);
    for (size_t i = 0; i < count && status != PV_ENOMEM; i++) {
        struct pv_node *part = NULL;
        int one = read_yaml(paths[i], loading->problems, &part);
        if (one == PV_OK) {
            pv_node_merge(root, part, loading->problems);
        }
        status = one != PV_OK ? one : status;
    }
    pv_free(paths);
    return status;
}

/* The absolute path and its folder. */
static int set_path(struct pv_loading *loading, const char *path)
{
    char absolute[PATH_MAX];
    struct pv_place place = {pv_str(path), 0, 0};
    if (!realpath(path, absolute)) {
        pv_problem_add(loading->problems, &place, PV_STR(""), "unreadable", "cannot be read: %s",
                       strerror(errno));
        return errno == ENOMEM ? PV_ENOMEM : PV_EINVAL;
    }
    char *slash = strrchr(absolute, '/');
    struct pv_str dir = {absolute, slash == absolute ? 1 : (size_t)(slash - absolute)};
    loading->config->path = pv_arena_copy(&loading->config->arena, pv_str(path));
    loading->base_dir = pv_arena_copy(&loading->config->arena, dir);
    return loading->config->path.ptr && loading->base_dir.ptr ? PV_OK : PV_ENOMEM;
}

/* ---- helpers of the parts ---- */

struct pv_str pv_load_copy(struct pv_loading *loading, struct pv_str text)
{
    return text.ptr ? pv_arena_copy(&loading->config->arena, text) : text;
}

void pv_load_problem(struct pv_loading *loading, const struct pv_node *node, struct pv_str path,
                     const char *member, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct pv_check_at at = {path, '.', "unknown_key", "invalid_value", "missing"};
    struct pv_place place = pv_options_place(node, member);
    pv_check_problem(loading->problems, &at, &place, pv_str(member), at.invalid, "%s", text);
}

void pv_load_unknown(struct pv_loading *loading, const struct pv_node *node, struct pv_str path,
                     const char *member, const char *what, const char *under, struct pv_str name,
                     const struct pv_option_entries *entries, size_t entry_size)
{
    const char **names = pv_reallocarray(NULL, entries->count + 1, sizeof(*names));
    for (size_t i = 0; names && i < entries->count; i++) {
        const struct pv_option_head *head =
            (const void *)((const char *)entries->items + i * entry_size);
        names[i] = head->name.ptr;
    }
    const char *nearest = names ? pv_str_nearest(name, names, entries->count) : NULL;
    pv_load_problem(loading, node, path, member, "there is no %s \"%.*s\" under %s%s%s%s", what,
                    PV_STR_ARG(name), under, nearest ? "; did you mean \"" : "",
                    nearest ? nearest : "", nearest ? "\"?" : "");
    pv_free(names);
}

/* ---- the top level ---- */

struct pv_str pv_load_format(struct pv_loading *loading, const char *fmt, ...)
{
    char text[PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= sizeof(text)) {
        return (struct pv_str){NULL, 0};
    }
    return pv_arena_copy(&loading->config->arena, (struct pv_str){text, (size_t)len});
}

static int set_store(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    config->store = loading->raw.store;
    if (!config->store.ptr) {
        config->store =
            pv_load_format(loading, "sqlite://%.*s/provost.db", PV_STR_ARG(config->data_dir));
    }
    if (!config->store.ptr) {
        return PV_ENOMEM;
    }
    if (pv_str_starts(config->store, "postgresql://") ||
        pv_str_starts(config->store, "postgres://")) {
        pv_load_problem(loading, loading->root, PV_STR(""), "store",
                        "PostgreSQL is not available in this build; use sqlite:///path/to/file");
        return PV_EINVAL;
    }
    if (!pv_str_starts(config->store, "sqlite:///") || config->store.len < 11) {
        pv_load_problem(loading, loading->root, PV_STR(""), "store",
                        "expected sqlite:///path/to/file, got \"%.*s\"", PV_STR_ARG(config->store));
        return PV_EINVAL;
    }
    config->sqlite_path = (struct pv_str){config->store.ptr + 9, config->store.len - 9};
    return PV_OK;
}

/* Paths that follow from others. */
static int set_paths(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_raw_file *raw = &loading->raw;
    config->data_dir = raw->data_dir;
    config->runtime_dir = raw->runtime_dir;
    config->admin_socket = raw->admin_socket.ptr ? raw->admin_socket
                                                 : pv_load_format(loading, "%.*s/admin.sock",
                                                                  PV_STR_ARG(config->runtime_dir));
    if (!config->admin_socket.ptr) {
        return PV_ENOMEM;
    }
    int status = PV_OK;
    if (config->admin_socket.len > 107) { /* what a socket address holds */
        pv_load_problem(loading, loading->root, PV_STR(""), "admin_socket",
                        "\"%.*s\" is too long for a socket (107 bytes)",
                        PV_STR_ARG(config->admin_socket));
        status = PV_EINVAL;
    }
    int store = set_store(loading);
    return store != PV_OK ? store : status;
}

static int set_keys(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    config->keys = loading->raw.keys;
    if (config->keys.ptr || !config->sqlite_path.ptr) {
        return PV_OK;
    }
    const char *slash = memrchr(config->sqlite_path.ptr, '/', config->sqlite_path.len);
    struct pv_str dir = {config->sqlite_path.ptr, (size_t)(slash - config->sqlite_path.ptr)};
    config->keys = pv_load_format(loading, "%.*s/provost.keys", PV_STR_ARG(dir));
    return config->keys.ptr ? PV_OK : PV_ENOMEM;
}

static int set_plugin_dirs(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    config->isolation_required = loading->raw.isolation == 0;
    config->plugin_dirs = loading->raw.plugin_dirs.items;
    config->plugin_dir_count = loading->raw.plugin_dirs.count;
    for (size_t i = 0; i < config->plugin_dir_count; i++) {
        struct pv_str dir = config->plugin_dirs[i];
        if (dir.len > 0 && dir.ptr[0] != '/') {
            config->plugin_dirs[i] = pv_load_format(loading, "%.*s/%.*s",
                                                    PV_STR_ARG(loading->base_dir), PV_STR_ARG(dir));
        }
        if (!config->plugin_dirs[i].ptr) {
            return PV_ENOMEM;
        }
    }
    return PV_OK;
}

/* Only one that is named must be there. */
static int set_group(struct pv_loading *loading)
{
    struct pv_str name = loading->raw.admin_group;
    loading->config->admin_group = name.ptr != NULL ? name : PV_STR("");
    if (name.len == 0) {
        return PV_OK;
    }
    char text[40];
    char room[4096];
    struct group entry;
    struct group *found = NULL;
    snprintf(text, sizeof(text), "%.*s", PV_STR_ARG(name));
    int error = getgrnam_r(text, &entry, room, sizeof(room), &found);
    if (found == NULL && error != ERANGE) { /* one with that many members is there */
        pv_load_problem(loading, loading->root, PV_STR(""), "admin_group",
                        "there is no group %s on this machine", text);
        return PV_EINVAL;
    }
    return PV_OK;
}

static void set_plain(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_raw_file *raw = &loading->raw;
    static const int formats[] = {-1, 0, 1};
    config->migrate = raw->migrate;
    config->callback_url = raw->callback_url;
    while (config->callback_url.len > 0 &&
           config->callback_url.ptr[config->callback_url.len - 1] == '/') {
        config->callback_url.len--;
    }
    config->log = (struct pv_config_log){raw->log.level, formats[raw->log.format]};
    config->limits = (struct pv_config_limits){
        .requests_per_second = raw->limits.requests_per_second,
        .burst = raw->limits.burst,
        .auth_failures_per_minute = raw->limits.auth_failures_per_minute,
    };
    config->engine = (struct pv_config_engine){
        .max_active = raw->engine.max_active,
        .max_backlog = raw->engine.max_backlog,
        .lease_ms = raw->engine.lease,
        .deadline_ms = raw->engine.deadline,
        .retry = pv_load_retry(&raw->engine.retry),
    };
}

struct pv_retry pv_load_retry(const struct pv_raw_retry *raw)
{
    return (struct pv_retry){raw->initial, raw->cap, (uint32_t)raw->factor};
}

typedef int load_fn(struct pv_loading *loading);

/* Each of them, so that every problem is found; without memory, not the rest. */
static int load_all(struct pv_loading *loading, load_fn *const *parts, size_t count)
{
    int status = PV_OK;
    for (size_t i = 0; i < count; i++) {
        int one = parts[i](loading);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

static int set_top(struct pv_loading *loading)
{
    set_plain(loading);
    static load_fn *const parts[] = {set_paths,       pv_load_listen,  set_keys,
                                     set_plugin_dirs, pv_load_origins, set_group};
    return load_all(loading, parts, sizeof(parts) / sizeof(parts[0]));
}

/* ---- the whole ---- */

static int load_parts(struct pv_loading *loading)
{
    static load_fn *const parts[] = {set_top,          pv_load_pools,   pv_load_instances,
                                     pv_load_products, pv_load_sources, pv_load_subscribers};
    return load_all(loading, parts, sizeof(parts) / sizeof(parts[0]));
}

/* Reads the files and the table; what is wrong with single options does not end the search. */
static int load(struct pv_loading *loading, const char *path, const struct pv_option *table,
                struct pv_node **ret_root)
{
    bool whole = table == pv_file_options;
    int status = set_path(loading, path);
    if (status != PV_OK) {
        return status;
    }
    status = read_yaml(loading->config->path, loading->problems, ret_root);
    if (status != PV_OK) {
        return status;
    }
    loading->root = *ret_root;
    status = read_folder(loading, *ret_root);
    if (status != PV_OK) {
        return status;
    }
    struct pv_options_run run = {.problems = loading->problems,
                                 .arena = &loading->config->arena,
                                 .base_dir = loading->base_dir,
                                 .keep_unknown = !whole};
    status = pv_options_read(&run, table, *ret_root, PV_STR(""), &loading->raw);
    if (status == PV_ENOMEM) {
        return status;
    }
    int rest = whole ? load_parts(loading) : set_top(loading);
    return rest != PV_OK ? rest : status;
}

static int load_file(const char *path, const struct pv_describe *describe,
                     struct pv_problems *problems, const struct pv_option *table,
                     struct pv_config **ret_config)
{
    struct pv_config *config = pv_calloc(1, sizeof(*config));
    if (!config) {
        return PV_ENOMEM;
    }
    pv_arena_init(&config->arena);
    struct pv_loading loading = {.config = config, .describe = describe, .problems = problems};
    struct pv_node *root = NULL;
    int status = load(&loading, path, table, &root);
    pv_node_free(root);
    pv_free(loading.pool_names);
    for (size_t i = 0; i < loading.plugin_count; i++) {
        pv_plugin_unref(loading.plugins[i]);
    }
    pv_free(loading.plugins);
    if (status != PV_ENOMEM) {
        int said = pv_problems_status(problems); /* PV_ENOMEM: not every one could be kept */
        status = said != PV_OK ? said : status;
    }
    if (status != PV_OK) {
        pv_config_free(config);
        return status;
    }
    *ret_config = config;
    return PV_OK;
}

int pv_config_load(const char *path, const struct pv_describe *describe,
                   struct pv_problems *problems, struct pv_config **ret_config)
{
    return load_file(path, describe, problems, pv_file_options, ret_config);
}

int pv_config_load_client(const char *path, struct pv_problems *problems,
                          struct pv_config **ret_config)
{
    return load_file(path, NULL, problems, pv_client_options, ret_config);
}

static void free_product(struct pv_config_product *product)
{
    for (size_t i = 0; i < product->component_count; i++) {
        for (size_t k = 0; product->components[i].values && k < product->plan_count; k++) {
            json_decref(product->components[i].values[k].object);
        }
    }
}

void pv_config_free(struct pv_config *config)
{
    if (!config) {
        return;
    }
    pv_free_subscribers(config);
    for (size_t i = 0; i < config->product_count; i++) {
        free_product(&config->products[i]);
    }
    for (size_t i = 0; i < config->instance_count; i++) {
        struct pv_config_instance *instance = &config->instances[i];
        json_decref(instance->settings);
        pv_secrets_free(instance->secrets, instance->secret_count);
        pv_plugin_unref(instance->plugin);
    }
    pv_arena_done(&config->arena);
    pv_free(config);
}

#define FIND(items, count, wanted)                                                                 \
    for (size_t i = 0; i < (count); i++) {                                                         \
        if (pv_str_eq((items)[i].name, (wanted))) {                                                \
            return &(items)[i];                                                                    \
        }                                                                                          \
    }                                                                                              \
    return NULL

const struct pv_config_instance *pv_config_instance(const struct pv_config *config,
                                                    struct pv_str name)
{
    FIND(config->instances, config->instance_count, name);
}

const struct pv_config_product *pv_config_product(const struct pv_config *config,
                                                  struct pv_str name)
{
    FIND(config->products, config->product_count, name);
}

const struct pv_config_source *pv_config_source(const struct pv_config *config, struct pv_str name)
{
    FIND(config->sources, config->source_count, name);
}

const struct pv_config_pool *pv_config_pool(const struct pv_config *config, struct pv_str name)
{
    FIND(config->pools, config->pool_count, name);
}

int pv_config_plan_index(const struct pv_config_product *product, struct pv_str name)
{
    for (size_t i = 0; i < product->plan_count; i++) {
        if (pv_str_eq(product->plans[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

const struct pv_config_instance *pv_config_alias(const struct pv_config *config, struct pv_str path,
                                                 struct pv_str *ret_query)
{
    for (size_t i = 0; i < config->instance_count; i++) {
        const struct pv_config_instance *instance = &config->instances[i];
        for (size_t k = 0; k < instance->alias_count; k++) {
            if (pv_str_eq(instance->aliases[k].path, path)) {
                *ret_query = instance->aliases[k].query;
                return instance;
            }
        }
    }
    return NULL;
}

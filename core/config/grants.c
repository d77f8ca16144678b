/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: what the host of an instance may reach, checked against what its plugin declares. */
#include "core/config/raw.h"
#include "core/json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_PATHS 64 /* of one kind; PV_REACH_PATHS_MAX */

struct kind {
    const char *name;
    unsigned need;
    const char *does;    /* "the plugin …" */
    const char *example; /* of a grant */
    size_t raw;
    size_t granted;
    bool must_exist; /* a socket may come later */
};

static const struct kind kinds[] = {
    {"read", PV_NEEDS_READ, "reads files", "/etc/example.conf",
     offsetof(struct pv_raw_grants, read), offsetof(struct pv_config_grants, read), true},
    {"write", PV_NEEDS_WRITE, "writes files", "/srv/example", offsetof(struct pv_raw_grants, write),
     offsetof(struct pv_config_grants, write), true},
    {"exec", PV_NEEDS_EXEC, "starts programs", "/usr/bin/example",
     offsetof(struct pv_raw_grants, exec), offsetof(struct pv_config_grants, exec), true},
    {"unix_sockets", PV_NEEDS_UNIX_SOCKETS, "connects to Unix sockets", "/run/example.sock",
     offsetof(struct pv_raw_grants, unix_sockets), offsetof(struct pv_config_grants, unix_sockets),
     false},
};

static int problem(struct pv_loading *loading, const struct pv_raw_instance *raw,
                   const struct kind *kind, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%.*s.grants", PV_STR_ARG(raw->head.path));
    const struct pv_node *grants = pv_node_get(raw->head.node, "grants");
    pv_load_problem(loading, grants ? grants : raw->head.node, pv_str(path), kind->name, "%s",
                    text);
    return PV_EINVAL;
}

static int check_path(struct pv_loading *loading, const struct pv_raw_instance *raw,
                      const struct kind *kind, struct pv_str path)
{
    char text[512];
    struct stat st;
    if (path.len == 0 || path.ptr[0] != '/') {
        snprintf(text, sizeof(text), "expected absolute paths, got \"%.*s\"", PV_STR_ARG(path));
        return problem(loading, raw, kind, text);
    }
    if (kind->must_exist && stat(path.ptr, &st) != 0 && errno == ENOENT) {
        snprintf(text, sizeof(text), "%.*s does not exist", PV_STR_ARG(path));
        return problem(loading, raw, kind, text);
    }
    return PV_OK;
}

/* One kind of grant against the declaration. */
static int check_kind(struct pv_loading *loading, const struct pv_raw_instance *raw,
                      const struct kind *kind, const struct pv_option_list *given, unsigned needs)
{
    char text[512];
    bool declared = (needs & kind->need) != 0;
    if (!raw->confine && given->count > 0) {
        return problem(loading, raw, kind,
                       "`confine: false` reaches everything: remove one of the two");
    }
    if (!raw->confine) {
        return PV_OK;
    }
    if (declared && !given->items) {
        snprintf(text, sizeof(text),
                 "required, because the plugin %s: name what it may reach, such as `grants: {%s: "
                 "[%s]}`, or grant nothing with `[]`",
                 kind->does, kind->name, kind->example);
        return problem(loading, raw, kind, text);
    }
    if (!declared && given->count > 0) {
        snprintf(text, sizeof(text),
                 "the plugin does not declare that it %s: remove it, nothing would come of it",
                 kind->does);
        return problem(loading, raw, kind, text);
    }
    if (given->count > MAX_PATHS) {
        snprintf(text, sizeof(text), "at most %d paths: grant a folder", MAX_PATHS);
        return problem(loading, raw, kind, text);
    }
    int status = PV_OK;
    for (size_t i = 0; i < given->count; i++) {
        int one = check_path(loading, raw, kind, given->items[i]);
        status = one != PV_OK ? one : status;
    }
    return status;
}

/* Files that settings name are readable: their fields say so, and the administrator wrote them. */
static int add_files(struct pv_loading *loading, const struct pv_raw_instance *raw,
                     struct pv_config_instance *instance)
{
    const struct pv_fields *fields = &instance->plugin->settings;
    struct pv_config_paths *paths = &instance->grants.read;
    struct pv_str *items = pv_arena_alloc(&loading->config->arena,
                                          (paths->count + fields->count + 1) * sizeof(*items));
    if (!items) {
        return PV_ENOMEM;
    }
    if (paths->count > 0) {
        memcpy(items, paths->items, paths->count * sizeof(*items));
    }
    int status = PV_OK;
    for (size_t i = 0; i < fields->count; i++) {
        const struct pv_field *field = &fields->items[i];
        const char *value = json_string_value(
            json_object_getn(instance->settings, field->name.ptr, field->name.len));
        struct stat st;
        if ((field->flags & PV_F_FILE) == 0 || !value || value[0] != '/') {
            continue; /* a relative one is in its data folder */
        }
        if (stat(value, &st) != 0 && errno == ENOENT) {
            char path[256];
            snprintf(path, sizeof(path), "%.*s.settings", PV_STR_ARG(raw->head.path));
            pv_load_problem(loading, raw->settings, pv_str(path), field->name.ptr,
                            "there is no file %s", value);
            status = PV_EINVAL;
            continue;
        }
        items[paths->count] = pv_load_copy(loading, pv_str(value));
        if (!items[paths->count].ptr) {
            return PV_ENOMEM;
        }
        paths->count++;
    }
    paths->items = items;
    return status;
}

int pv_load_grants(struct pv_loading *loading, const struct pv_raw_instance *raw,
                   struct pv_config_instance *instance)
{
    int status = PV_OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct kind *kind = &kinds[i];
        struct pv_option_list given;
        memcpy(&given, (const char *)&raw->grants + kind->raw, sizeof(given));
        int one = check_kind(loading, raw, kind, &given, instance->plugin->needs);
        const struct pv_config_paths granted = {given.items, given.count};
        memcpy((char *)&instance->grants + kind->granted, &granted, sizeof(granted));
        status = one != PV_OK ? one : status;
    }
    int files = add_files(loading, raw, instance);
    return files != PV_OK ? files : status;
}

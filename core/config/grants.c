/* SPDX-License-Identifier: Apache-2.0 */
/* Grants of an instance, checked against what its plugin declares. */
#include "core/config/grants.h"

#include "core/config/raw.h"
#include "core/json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const struct pv_grant_kind pv_grant_kinds[PV_GRANT_KINDS] = {
    {"read", PV_NEEDS_READ, "reads files", "/etc/example.conf", true},
    {"write", PV_NEEDS_WRITE, "writes files", "/srv/example", true},
    {"exec", PV_NEEDS_EXEC, "starts programs", "/usr/bin/example", true},
    {"unix_sockets", PV_NEEDS_UNIX_SOCKETS, "connects to Unix sockets", "/run/example.sock", false},
};

/* Where the configuration keeps each of them. */
static const struct {
    size_t raw;
    size_t granted;
} places[PV_GRANT_KINDS] = {
    {offsetof(struct pv_raw_grants, read), offsetof(struct pv_config_grants, read)},
    {offsetof(struct pv_raw_grants, write), offsetof(struct pv_config_grants, write)},
    {offsetof(struct pv_raw_grants, exec), offsetof(struct pv_config_grants, exec)},
    {offsetof(struct pv_raw_grants, unix_sockets), offsetof(struct pv_config_grants, unix_sockets)},
};

int pv_grant_check(const struct pv_grant_kind *kind, unsigned needs, bool given, size_t count,
                   const char *how, struct pv_err *err)
{
    bool declared = (needs & kind->need) != 0;
    if (declared && !given) {
        return pv_err_set(err, PV_EINVAL,
                          "required, because the plugin %s: name what it may reach, such as %s",
                          kind->does, how);
    }
    if (!declared && count > 0) {
        return pv_err_set(
            err, PV_EINVAL,
            "the plugin does not declare that it %s: remove it, nothing would come of it",
            kind->does);
    }
    if (count > PV_GRANT_PATHS_MAX) {
        return pv_err_set(err, PV_EINVAL, "at most %d paths: grant a folder", PV_GRANT_PATHS_MAX);
    }
    return 0;
}

int pv_grant_check_path(const struct pv_grant_kind *kind, struct pv_str path, struct pv_err *err)
{
    struct stat st;
    if (path.len == 0 || path.ptr[0] != '/') {
        return pv_err_set(err, PV_EINVAL, "expected absolute paths, got \"%.*s\"",
                          PV_STR_ARG(path));
    }
    if (kind->must_exist && stat(path.ptr, &st) != 0 && errno == ENOENT) {
        return pv_err_set(err, PV_EINVAL, "%.*s does not exist", PV_STR_ARG(path));
    }
    return 0;
}

int pv_grant_setting(const struct pv_field *field, const json_t *settings, const char **ret_path,
                     struct pv_err *err)
{
    const char *value =
        json_string_value(json_object_getn(settings, field->name.ptr, field->name.len));
    struct stat st;
    *ret_path = NULL;
    if ((field->flags & PV_F_FILE) == 0 || !value || value[0] != '/') {
        return 0; /* a relative one is in its data folder */
    }
    if (stat(value, &st) != 0 && errno == ENOENT) {
        return pv_err_set(err, PV_EINVAL, "there is no file %s", value);
    }
    *ret_path = value;
    return 0;
}

/* ---- of an instance ---- */

static int problem(struct pv_loading *loading, const struct pv_raw_instance *raw,
                   const struct pv_grant_kind *kind, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%.*s.grants", PV_STR_ARG(raw->head.path));
    const struct pv_node *grants = pv_node_get(raw->head.node, "grants");
    pv_load_problem(loading, grants ? grants : raw->head.node, pv_str(path), kind->name, "%s",
                    text);
    return PV_EINVAL;
}

/* One kind of grant against the declaration. */
static int check_kind(struct pv_loading *loading, const struct pv_raw_instance *raw,
                      const struct pv_grant_kind *kind, const struct pv_option_list *given,
                      unsigned needs)
{
    char how[128];
    struct pv_err err = {0};
    if (!raw->confine) {
        return given->count == 0
                   ? PV_OK
                   : problem(loading, raw, kind,
                             "`confine: false` reaches everything: remove one of the two");
    }
    snprintf(how, sizeof(how), "`grants: {%s: [%s]}`, or grant nothing with `[]`", kind->name,
             kind->example);
    if (pv_grant_check(kind, needs, given->items != NULL, given->count, how, &err) != 0) {
        return problem(loading, raw, kind, err.text);
    }
    int status = PV_OK;
    for (size_t i = 0; i < given->count; i++) {
        if (pv_grant_check_path(kind, given->items[i], &err) != 0) {
            status = problem(loading, raw, kind, err.text);
        }
    }
    return status;
}

/* Files that settings name are readable. */
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
        const char *file = NULL;
        struct pv_err err = {0};
        if (pv_grant_setting(&fields->items[i], instance->settings, &file, &err) != 0) {
            char path[256];
            snprintf(path, sizeof(path), "%.*s.settings", PV_STR_ARG(raw->head.path));
            pv_load_problem(loading, raw->settings, pv_str(path), fields->items[i].name.ptr, "%s",
                            err.text);
            status = PV_EINVAL;
        }
        if (!file) {
            continue;
        }
        items[paths->count] = pv_load_copy(loading, pv_str(file));
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
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        struct pv_option_list given;
        memcpy(&given, (const char *)&raw->grants + places[i].raw, sizeof(given));
        int one = check_kind(loading, raw, &pv_grant_kinds[i], &given, instance->plugin->needs);
        const struct pv_config_paths granted = {given.items, given.count};
        memcpy((char *)&instance->grants + places[i].granted, &granted, sizeof(granted));
        status = one != PV_OK ? one : status;
    }
    int files = add_files(loading, raw, instance);
    return files != PV_OK ? files : status;
}

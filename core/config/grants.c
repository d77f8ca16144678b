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

/* ---- what is granted ---- */

/* One kind of grant against the declaration. */
static int settle_kind(const struct pv_grants_ask *ask, size_t at)
{
    const struct pv_grant_kind *kind = &pv_grant_kinds[at];
    const struct pv_strs *paths = &ask->paths[at];
    char how[160];
    struct pv_err err = {0};
    ask->how(kind, how, sizeof(how));
    if (pv_grant_check(kind, ask->plugin->needs, ask->given[at], paths->count, how, &err) != 0) {
        ask->wrong_kind(ask->ctx, kind, err.text);
        return PV_EINVAL;
    }
    int status = 0;
    for (size_t i = 0; i < paths->count; i++) {
        if (pv_grant_check_path(kind, paths->items[i], &err) != 0) {
            ask->wrong_kind(ask->ctx, kind, err.text);
            status = PV_EINVAL;
        }
    }
    return status;
}

/* The file that a setting names; NULL where its field is no such one, or it is in the data folder.
 */
static int file_of(const struct pv_field *field, const json_t *settings, const char **ret_path,
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

static int settle_files(const struct pv_grants_ask *ask, struct pv_strs *paths)
{
    const struct pv_fields *fields = &ask->plugin->settings;
    struct pv_str *items =
        pv_arena_alloc(ask->arena, (paths->count + fields->count + 1) * sizeof(*items));
    if (!items) {
        return PV_ENOMEM;
    }
    if (paths->count > 0) {
        memcpy(items, paths->items, paths->count * sizeof(*items));
    }
    int status = 0;
    size_t count = paths->count;
    for (size_t i = 0; i < fields->count; i++) {
        const char *file = NULL;
        struct pv_err err = {0};
        int one = file_of(&fields->items[i], ask->settings, &file, &err);
        if (file && count == PV_GRANT_PATHS_MAX) {
            one = pv_err_set(&err, PV_EINVAL, "too many files: at most %d paths can be read",
                             PV_GRANT_PATHS_MAX);
        }
        if (one != 0) {
            ask->wrong_setting(ask->ctx, &fields->items[i], err.text);
            status = PV_EINVAL;
        } else if (file) {
            items[count] = pv_arena_copy(ask->arena, pv_str(file));
            if (!items[count].ptr) {
                return PV_ENOMEM;
            }
            count++;
        }
    }
    *paths = (struct pv_strs){items, count};
    return status;
}

int pv_grants_settle(const struct pv_grants_ask *ask, struct pv_strs ret_granted[PV_GRANT_KINDS])
{
    int status = 0;
    struct pv_strs granted[PV_GRANT_KINDS] = {{NULL, 0}};
    for (size_t i = 0; ask->confined && i < PV_GRANT_KINDS; i++) {
        int one = settle_kind(ask, i);
        granted[i] = ask->paths[i];
        status = one != 0 ? one : status;
    }
    int files = settle_files(ask, &granted[0]);
    status = files != 0 ? files : status;
    if (status == 0) {
        memcpy(ret_granted, granted, sizeof(granted));
    }
    return status;
}

/* ---- of an instance ---- */

struct telling {
    struct pv_loading *loading;
    const struct pv_raw_instance *raw;
};

static void how(const struct pv_grant_kind *kind, char *out, size_t out_size)
{
    snprintf(out, out_size, "`grants: {%s: [%s]}`, or grant nothing with `[]`", kind->name,
             kind->example);
}

static void wrong_kind(void *ctx, const struct pv_grant_kind *kind, const char *text)
{
    const struct telling *to = ctx;
    char path[256];
    snprintf(path, sizeof(path), "%.*s.grants", PV_STR_ARG(to->raw->head.path));
    const struct pv_node *grants = pv_node_get(to->raw->head.node, "grants");
    pv_load_problem(to->loading, grants ? grants : to->raw->head.node, pv_str(path), kind->name,
                    "%s", text);
}

static void wrong_setting(void *ctx, const struct pv_field *field, const char *text)
{
    const struct telling *to = ctx;
    char path[256];
    snprintf(path, sizeof(path), "%.*s.settings", PV_STR_ARG(to->raw->head.path));
    pv_load_problem(to->loading, to->raw->settings, pv_str(path), field->name.ptr, "%s", text);
}

int pv_load_grants(struct pv_loading *loading, const struct pv_raw_instance *raw,
                   struct pv_config_instance *instance)
{
    const struct pv_option_list *given[PV_GRANT_KINDS] = {
        &raw->grants.read, &raw->grants.write, &raw->grants.exec, &raw->grants.unix_sockets};
    struct telling to = {loading, raw};
    struct pv_grants_ask ask = {.confined = raw->confine,
                                .plugin = instance->plugin,
                                .settings = instance->settings,
                                .arena = &loading->config->arena,
                                .how = how,
                                .wrong_kind = wrong_kind,
                                .wrong_setting = wrong_setting,
                                .ctx = &to};
    int status = PV_OK;
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        ask.given[i] = given[i]->items != NULL;
        ask.paths[i] = (struct pv_strs){given[i]->items, given[i]->count};
        if (!raw->confine && given[i]->count > 0) {
            wrong_kind(&to, &pv_grant_kinds[i],
                       "`confine: false` reaches everything: remove one of the two");
            status = PV_EINVAL;
        }
    }
    int settled = pv_grants_settle(&ask, instance->granted);
    return settled != PV_OK ? settled : status;
}

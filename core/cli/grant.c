/* SPDX-License-Identifier: Apache-2.0 */
/* See grant.h. */
#include "core/cli/grant.h"

#include "core/host/restrict.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static size_t kind_of(struct pv_str name)
{
    size_t i = 0;
    while (i < PV_GRANT_KINDS && !pv_str_eq_c(name, pv_grant_kinds[i].name)) {
        i++;
    }
    return i;
}

static int unknown_kind(struct pv_str name, struct pv_err *err)
{
    const char *names[PV_GRANT_KINDS];
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        names[i] = pv_grant_kinds[i].name;
    }
    const char *near = pv_str_nearest(name, names, PV_GRANT_KINDS);
    return pv_err_set(err, PV_EINVAL, "“%.*s” is none of read, write, exec and unix_sockets%s%s%s",
                      PV_STR_ARG(name), near != NULL ? "; did you mean “" : "",
                      near != NULL ? near : "", near != NULL ? "”?" : "");
}

/* One path, absolute or from `folder` on ("": there is none). */
static int add_path(struct pv_grants *grants, size_t kind, const char *path, const char *folder,
                    struct pv_err *err)
{
    char whole[PATH_MAX];
    if (path[0] != '/' && folder[0] == '\0') {
        return pv_err_set(
            err, PV_EINVAL,
            "%s: the folder that it starts from does not exist: give an absolute path", path);
    }
    int len = path[0] == '/' ? snprintf(whole, sizeof(whole), "%s", path)
                             : snprintf(whole, sizeof(whole), "%s/%s", folder, path);
    if (len < 0 || (size_t)len >= sizeof(whole)) {
        return pv_err_set(err, PV_EINVAL, "the path is too long");
    }
    int status = pv_grant_check_path(&pv_grant_kinds[kind], pv_str(whole), err);
    if (status != 0) {
        return status;
    }
    struct pv_str kept = pv_arena_copy(&grants->arena, pv_str(whole));
    if (kept.ptr == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    status = pv_reach_add(&grants->paths[kind], kept);
    return status == 0
               ? 0
               : pv_err_set(err, PV_EINVAL, "at most %d paths: grant a folder", PV_GRANT_PATHS_MAX);
}

/* ---- options ---- */

static int add_option(struct pv_grants *grants, const char *value, const char *folder,
                      struct pv_err *err)
{
    const char *equals = strchr(value, '=');
    struct pv_str name = {value, equals != NULL ? (size_t)(equals - value) : strlen(value)};
    size_t kind = kind_of(name);
    if (kind == PV_GRANT_KINDS) {
        return unknown_kind(name, err);
    }
    if (equals == NULL) {
        return pv_err_set(err, PV_EINVAL, "expected %s=PATH, or %s= for nothing", value, value);
    }
    grants->given[kind] = true;
    return equals[1] != '\0' ? add_path(grants, kind, equals + 1, folder, err) : 0;
}

static int read_options(struct pv_cli *cli, struct pv_grants *grants)
{
    char folder[PATH_MAX];
    if (realpath(".", folder) == NULL) {
        folder[0] = '\0'; /* relative paths are refused then */
    }
    for (size_t i = 0; i < cli->args.given_count; i++) {
        const struct pv_cli_given *given = &cli->args.given[i];
        struct pv_err err = {0};
        if (strcmp(given->option->name, "grant") != 0) {
            continue;
        }
        if (grants->unconfined) {
            return pv_cli_fail(cli, PV_EXIT_USAGE,
                               "--unconfined reaches everything: leave out --grant");
        }
        if (add_option(grants, given->value, folder, &err) != 0) {
            return pv_cli_fail(cli, PV_EXIT_USAGE, "--grant: %s", err.text);
        }
    }
    return PV_EXIT_OK;
}

static void warn(const struct pv_cli *cli, const char *what, const char *then)
{
    const struct pv_out *out = &cli->out;
    fprintf(out->errors, "%sprovost: warning:%s %s%s\n", pv_out_on(out, PV_TONE_BAD),
            pv_out_off(out, PV_TONE_BAD), what, then);
}

int pv_grants_init(struct pv_cli *cli, struct pv_grants *ret_grants)
{
    *ret_grants = (struct pv_grants){.unconfined = pv_cli_on(cli, "unconfined")};
    pv_arena_init(&ret_grants->arena);
    int status = read_options(cli, ret_grants);
    const struct pv_isolation isolation = pv_isolation_probe();
    if (ret_grants->unconfined) {
        warn(cli, "--unconfined: the plugin may do whatever you may", "");
    } else if (isolation.landlock_abi < 1 || !isolation.seccomp) {
        warn(cli, pv_isolation_lacks(&isolation), "; provostd refuses to run them so");
    }
    return status;
}

void pv_grants_done(struct pv_grants *grants)
{
    pv_arena_done(&grants->arena);
    *grants = (struct pv_grants){0};
}

/* ---- files ---- */

static void problem(struct pv_problems *problems, const char *kind, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "grants%s%.40s", kind[0] != '\0' ? "." : "", kind);
    pv_problem_add(problems, NULL, pv_str(path), "invalid_value", "%s", text);
}

static int add_kind(struct pv_grants *grants, const char *name, const json_t *paths,
                    const char *folder, struct pv_err *err)
{
    size_t kind = kind_of(pv_str(name));
    if (kind == PV_GRANT_KINDS) {
        return unknown_kind(pv_str(name), err);
    }
    if (!json_is_array(paths)) {
        return pv_err_set(err, PV_EINVAL, "expected a list of paths");
    }
    int status = 0;
    grants->given[kind] = true;
    for (size_t i = 0; i < json_array_size(paths) && status == 0; i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        status = path != NULL ? add_path(grants, kind, path, folder, err)
                              : pv_err_set(err, PV_EINVAL, "expected a list of paths");
    }
    return status;
}

int pv_grants_add(struct pv_grants *grants, const json_t *given, const char *folder,
                  struct pv_problems *problems)
{
    char absolute[PATH_MAX];
    struct pv_err err = {0};
    const char *name = NULL;
    json_t *paths = NULL;
    int status = 0;
    if (given == NULL || grants->unconfined) {
        return 0;
    }
    if (!json_is_object(given)) {
        pv_err_set(&err, PV_EINVAL, "expected lists of paths by their kind");
        problem(problems, "", err.text);
        return PV_EINVAL;
    }
    const char *from = realpath(folder, absolute);
    json_object_foreach((json_t *)(uintptr_t)given, name, paths)
    {
        int one = add_kind(grants, name, paths, from != NULL ? from : folder, &err);
        if (one != 0) {
            problem(problems, name, err.text);
            status = status != PV_ENOMEM ? one : status;
        }
    }
    return status;
}

json_t *pv_grants_json(const struct pv_grants *grants)
{
    json_t *all = NULL;
    for (size_t kind = 0; kind < PV_GRANT_KINDS; kind++) {
        if (!grants->given[kind]) {
            continue;
        }
        json_t *paths = json_array();
        for (size_t i = 0; i < grants->paths[kind].count; i++) {
            struct pv_str path = grants->paths[kind].items[i];
            json_array_append_new(paths, json_stringn(path.ptr, path.len));
        }
        all = all != NULL ? all : json_object();
        json_object_set_new(all, pv_grant_kinds[kind].name, paths);
    }
    return all;
}

struct pv_grants_mark pv_grants_mark(const struct pv_grants *grants)
{
    struct pv_grants_mark mark;
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        mark.given[i] = grants->given[i];
        mark.counts[i] = grants->paths[i].count;
    }
    return mark;
}

void pv_grants_reset(struct pv_grants *grants, const struct pv_grants_mark *mark)
{
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        grants->given[i] = mark->given[i];
        grants->paths[i].count = mark->counts[i];
    }
}

/* ---- what is granted ---- */

static void how(const struct pv_grant_kind *kind, char *out, size_t out_size)
{
    snprintf(out, out_size, "`--grant %s=%s`, or grant nothing with `--grant %s=`", kind->name,
             kind->example, kind->name);
}

static void wrong_kind(void *ctx, const struct pv_grant_kind *kind, const char *text)
{
    problem(ctx, kind->name, text);
}

static void wrong_setting(void *ctx, const struct pv_field *field, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "settings.%.*s", PV_STR_ARG(field->name));
    pv_problem_add(ctx, NULL, pv_str(path), "invalid_value", "%s", text);
}

int pv_grants_for(struct pv_grants *grants, const struct pv_plugin *plugin, const json_t *settings,
                  struct pv_strs ret_granted[PV_GRANT_KINDS], struct pv_problems *problems)
{
    struct pv_grants_ask ask = {.confined = !grants->unconfined,
                                .plugin = plugin,
                                .settings = settings,
                                .arena = &grants->arena,
                                .how = how,
                                .wrong_kind = wrong_kind,
                                .wrong_setting = wrong_setting,
                                .ctx = problems};
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        ask.given[i] = grants->given[i];
        ask.paths[i] = (struct pv_strs){grants->paths[i].items, grants->paths[i].count};
    }
    return pv_grants_settle(&ask, ret_granted);
}

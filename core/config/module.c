/* SPDX-License-Identifier: Apache-2.0 */
/* Where modules and the host program are found. */
#include "core/base/alloc.h"
#include "core/config/describe.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PV_PLUGIN_DIR
#error "PV_PLUGIN_DIR: the installed folder of modules"
#endif
#ifndef PV_LIBEXEC_DIR
#error "PV_LIBEXEC_DIR: the installed folder of provost-host"
#endif

/* The folders that were searched, for the sentence. */
struct search {
    struct pv_buf tried;
    char found[PATH_MAX];
};

static bool try_path(struct search *search, const char *fmt, ...) PV_PRINTF(2, 3);

static bool try_path(struct search *search, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(search->found, sizeof(search->found), fmt, ap);
    va_end(ap);
    return len > 0 && (size_t)len < sizeof(search->found) && access(search->found, F_OK) == 0;
}

static bool try_dir(struct search *search, struct pv_str dir, struct pv_str module)
{
    pv_buf_printf(&search->tried, "%s%.*s", search->tried.len > 0 ? ", " : "", PV_STR_ARG(dir));
    return try_path(search, "%.*s/%.*s.so", PV_STR_ARG(dir), PV_STR_ARG(module));
}

/* A list as in PATH. */
static bool try_list(struct search *search, struct pv_str list, struct pv_str module)
{
    while (list.len > 0) {
        const char *colon = memchr(list.ptr, ':', list.len);
        struct pv_str dir = {list.ptr, colon ? (size_t)(colon - list.ptr) : list.len};
        list =
            colon ? (struct pv_str){colon + 1, list.len - dir.len - 1} : (struct pv_str){NULL, 0};
        if (dir.len > 0 && try_dir(search, dir, module)) {
            return true;
        }
    }
    return false;
}

static bool search_dirs(struct search *search, struct pv_str module, const struct pv_str *dirs,
                        size_t dir_count)
{
    const char *list = getenv("PROVOST_PLUGIN_PATH");
    if (list && try_list(search, pv_str(list), module)) {
        return true;
    }
    for (size_t i = 0; i < dir_count; i++) {
        if (try_dir(search, dirs[i], module)) {
            return true;
        }
    }
    return try_dir(search, PV_STR(PV_PLUGIN_DIR), module);
}

/* Gives an absolute copy. */
static int give(const char *path, char **ret_path, struct pv_err *err)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", path, strerror(errno));
    }
    char *copy = pv_strdup(real);
    if (!copy) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    *ret_path = copy;
    return PV_OK;
}

int pv_module_find(struct pv_str module, const struct pv_str *dirs, size_t dir_count,
                   char **ret_path, struct pv_err *err)
{
    struct search search;
    pv_buf_init(&search.tried, 400);
    int status = PV_OK;
    bool is_path = module.len > 0 && memchr(module.ptr, '/', module.len);
    if (is_path ? try_path(&search, "%.*s", PV_STR_ARG(module))
                : search_dirs(&search, module, dirs, dir_count)) {
        status = give(search.found, ret_path, err);
    } else if (is_path) {
        status = pv_err_set(err, PV_ENOTFOUND, "there is no file %.*s", PV_STR_ARG(module));
    } else {
        status = pv_err_set(err, PV_ENOTFOUND, "there is no module %.*s.so in %.*s%s",
                            PV_STR_ARG(module), PV_STR_ARG(pv_buf_view(&search.tried)),
                            search.tried.status == PV_OK ? "" : ", …");
    }
    pv_buf_done(&search.tried);
    return status;
}

/* The folder of this program, or "". */
static void own_folder(char out[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash) {
        *slash = '\0';
    }
}

int pv_describer_find_host(char **ret_path, struct pv_err *err)
{
    struct search search;
    const char *named = getenv("PROVOST_HOST");
    if (named && named[0] != '\0') {
        return try_path(&search, "%s", named)
                   ? give(search.found, ret_path, err)
                   : pv_err_set(err, PV_ENOTFOUND, "PROVOST_HOST names %s, which does not exist",
                                named);
    }
    char folder[PATH_MAX];
    own_folder(folder);
    if (try_path(&search, "%s/provost-host", folder) ||
        try_path(&search, "%s/../libexec/provost/provost-host", folder) ||
        try_path(&search, "%s/provost-host", PV_LIBEXEC_DIR)) {
        return give(search.found, ret_path, err);
    }
    return pv_err_set(err, PV_ENOTFOUND, "there is no provost-host in %s, %s", folder,
                      PV_LIBEXEC_DIR);
}

bool pv_module_is_program(const char *path)
{
    size_t len = strlen(path);
    return len < 3 || strcmp(path + len - 3, ".so") != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* provost plugin new: copies the template of a plugin, with @NAME@ replaced in names and contents
 * of its files. */
#include "core/cli/plugin_tools.h"

#include "core/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PV_TEMPLATE_DIR
#define PV_TEMPLATE_DIR "/usr/share/provost/template"
#endif
#define FILE_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define MARK "@NAME@"
#define MAX_NAME_LEN 40
#define MAX_DEPTH 8

struct copying {
    struct pv_cli *cli;
    const char *name;
    struct pv_err err;
    size_t files;
};

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* PROVOST_TEMPLATE, the build folder's source tree, the installed folder. */
static bool find_template(char out[PATH_MAX])
{
    const char *given = getenv("PROVOST_TEMPLATE");
    if (given != NULL && given[0] != '\0') {
        snprintf(out, PATH_MAX, "%s", given);
        return is_folder(out);
    }
    char self[PATH_MAX - 64];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len > 0) {
        self[len] = '\0';
        char *slash = strrchr(self, '/');
        *slash = '\0';
        snprintf(out, PATH_MAX, "%s/../sdk/template", self);
        if (is_folder(out)) {
            return true;
        }
        snprintf(out, PATH_MAX, "%s/../share/provost/template", self);
        if (is_folder(out)) {
            return true;
        }
    }
    snprintf(out, PATH_MAX, "%s", PV_TEMPLATE_DIR);
    return is_folder(out);
}

static bool name_is_good(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return name[0] >= 'a' && name[0] <= 'z' && name[len] == '\0' && len <= MAX_NAME_LEN;
}

/* Appends text with every @NAME@ replaced. */
static int put_named(struct pv_buf *out, struct pv_str text, const char *name)
{
    while (text.len > 0) {
        const char *mark = memmem(text.ptr, text.len, MARK, sizeof(MARK) - 1);
        size_t len = mark != NULL ? (size_t)(mark - text.ptr) : text.len;
        pv_buf_put(out, text.ptr, len);
        if (mark != NULL) {
            pv_buf_c(out, name);
            len += sizeof(MARK) - 1;
        }
        text.ptr += len;
        text.len -= len;
    }
    return out->status;
}

static int failed(struct copying *c, const char *path)
{
    return pv_err_set(&c->err, pv_status_from_errno(errno), "%s: %s", path, strerror(errno));
}

static int write_file(struct copying *c, const char *path, const struct pv_buf *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    if (fd < 0) {
        return failed(c, path);
    }
    size_t written = 0;
    int status = 0;
    while (status == 0 && written < text->len) {
        ssize_t n = write(fd, text->ptr + written, text->len - written);
        status = n > 0 ? 0 : failed(c, path);
        written += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) != 0 && status == 0) {
        status = failed(c, path);
    }
    c->files++;
    return status;
}

static int copy_file(struct copying *c, const char *from, const char *to)
{
    struct stat st;
    char *text = NULL;
    size_t len = 0;
    if (stat(from, &st) != 0) {
        return failed(c, from);
    }
    int status = pv_cli_read(from, FILE_MAX_BYTES, &text, &len, &c->err);
    if (status != 0) {
        return status;
    }
    struct pv_buf named;
    pv_buf_init(&named, 2 * FILE_MAX_BYTES);
    status = put_named(&named, (struct pv_str){text, len}, c->name);
    if (status != 0) {
        pv_err_set(&c->err, status, "%s: %s", from, pv_status_text(status));
    } else {
        status = write_file(c, to, &named, st.st_mode);
    }
    pv_buf_done(&named);
    pv_free(text);
    return status;
}

static int copy_folder(struct copying *c, const char *from, const char *to, int depth);

static int copy_entry(struct copying *c, const char *from, const char *to, const char *entry,
                      int depth)
{
    char source[PATH_MAX];
    struct pv_buf target;
    pv_buf_init(&target, PATH_MAX);
    int len = snprintf(source, sizeof(source), "%s/%s", from, entry);
    pv_buf_printf(&target, "%s/", to);
    int status = put_named(&target, pv_str(entry), c->name);
    if (len < 0 || (size_t)len >= sizeof(source) || status != 0) {
        status = pv_err_set(&c->err, PV_ETOOBIG, "%s: the path is too long", entry);
    } else if (is_folder(source)) {
        status = copy_folder(c, source, target.ptr, depth + 1);
    } else {
        status = copy_file(c, source, target.ptr);
    }
    pv_buf_done(&target);
    return status;
}

static int copy_folder(struct copying *c, const char *from, const char *to, int depth)
{
    if (depth > MAX_DEPTH) {
        return pv_err_set(&c->err, PV_ETOOBIG, "%s: too deep", from);
    }
    if (mkdir(to, 0777) != 0) {
        return failed(c, to);
    }
    DIR *folder = opendir(from);
    if (folder == NULL) {
        return failed(c, from);
    }
    int status = 0;
    for (const struct dirent *e = readdir(folder); e != NULL && status == 0; e = readdir(folder)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            status = copy_entry(c, from, to, e->d_name, depth);
        }
    }
    closedir(folder);
    return status;
}

static void say_what_next(struct pv_cli *cli, const char *folder)
{
    if (cli->out.quiet) {
        fprintf(cli->out.file, "%s\n", folder);
        return;
    }
    fprintf(cli->out.file,
            "%s is a complete plugin. Build and test it:\n\n"
            "  cd %s\n"
            "  meson setup build\n"
            "  meson compile -C build\n"
            "  meson test -C build\n",
            folder, folder);
}

int pv_cli_plugin_new(struct pv_cli *cli)
{
    const char *name = pv_cli_arg(cli, 0);
    const char *dir = pv_cli_text(cli, "dir");
    const char *folder = dir != NULL ? dir : name;
    char template_dir[PATH_MAX];
    if (!name_is_good(name)) {
        return pv_cli_fail(
            cli, PV_EXIT_USAGE,
            "“%s” is no plugin's name: small letters, digits and -, a letter first, at "
            "most %d",
            name, MAX_NAME_LEN);
    }
    if (!find_template(template_dir)) {
        return pv_cli_fail(cli, PV_EXIT_NOT_FOUND,
                           "the template is not at %s; name its folder in PROVOST_TEMPLATE",
                           template_dir);
    }
    if (access(folder, F_OK) == 0) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "%s is there already; choose another --dir",
                           folder);
    }
    struct copying copying = {.cli = cli, .name = name};
    if (copy_folder(&copying, template_dir, folder, 0) != 0) {
        return pv_cli_fail_err(cli, &copying.err);
    }
    say_what_next(cli, folder);
    return PV_EXIT_OK;
}

const struct pv_cli_option pv_cli_plugin_new_options[] = {
    {.name = "dir",
     .letter = 'd',
     .value = "FOLDER",
     .type = PV_OPTION_TEXT,
     .help = "where to write it; it must not be there yet (NAME)"},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* provost db: which schema the database has, bringing it up to date, and copies of it. Migrations
 * are provostd's. */
#include "core/cli/cli.h"
#include "core/cli/groups.h"

#include "core/base/alloc.h"
#include "core/config/config.h"
#include "core/store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_IN_USE 75 /* of provostd: another one has the database */
#ifndef PV_BIN_DIR
#define PV_BIN_DIR "/usr/bin"
#endif

static const char *file_of(const struct pv_cli *cli)
{
    const char *file = pv_cli_text(cli, "config");
    return file != NULL ? file : PV_CONFIG_FILE;
}

/* The database's path; pv_free. */
static int find_database(struct pv_cli *cli, char **ret_path)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_config *config = NULL;
    int status = pv_config_load_client(file_of(cli), &problems, &config);
    if (status == 0) {
        *ret_path = pv_strndup(config->sqlite_path.ptr, config->sqlite_path.len);
        status = *ret_path != NULL ? 0 : PV_ENOMEM;
    } else {
        struct pv_buf text;
        pv_buf_init(&text, (size_t)64 * 1024);
        if (pv_problems_print(&problems, &text) == 0 && text.len > 0) {
            fputs(text.ptr, cli->out.errors);
        }
        pv_buf_done(&text);
    }
    pv_config_free(config);
    pv_problems_done(&problems);
    return status == PV_ENOMEM ? pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory")
           : status != 0       ? PV_EXIT_FAILED
                               : PV_EXIT_OK;
}

static void print_status(struct pv_cli *cli, const char *path, int found, int wanted)
{
    FILE *file = cli->out.file;
    if (cli->out.json) {
        json_t *json = json_pack("{ss si si sb}", "database", path, "version", found, "wanted",
                                 wanted, "up_to_date", found == wanted);
        json_dumpf(json, file, JSON_COMPACT);
        fputc('\n', file);
        json_decref(json);
    } else if (cli->out.quiet) {
        fprintf(file, "%d\n", found);
    } else if (found == wanted) {
        fprintf(file, "%s is up to date: schema version %d\n", path, found);
    } else if (found > wanted) {
        fprintf(file, "%s has schema version %d, made by a newer Provost; this one knows %d\n",
                path, found, wanted);
    } else {
        fprintf(file, "%s has schema version %d, this Provost needs %d: `provost db migrate`\n",
                path, found, wanted);
    }
}

static int status(struct pv_cli *cli)
{
    char *path = NULL;
    int result = find_database(cli, &path);
    if (result != PV_EXIT_OK) {
        return result;
    }
    struct pv_err err = {0};
    int found = 0;
    int wanted = 0;
    if (access(path, F_OK) != 0) {
        result = pv_cli_fail(cli, PV_EXIT_NOT_FOUND,
                             "there is no database at %s: %s; provostd makes it when it starts",
                             path, strerror(errno));
    } else if (pv_sqlite_schema_status(path, &found, &wanted, &err) != 0) {
        result = pv_cli_fail_err(cli, &err);
    } else {
        print_status(cli, path, found, wanted);
        result = found == wanted ? PV_EXIT_OK : PV_EXIT_FAILED;
    }
    pv_free(path);
    return result;
}

static int backup(struct pv_cli *cli)
{
    const char *to = pv_cli_arg(cli, 0);
    char *path = NULL;
    int result = find_database(cli, &path);
    if (result != PV_EXIT_OK) {
        return result;
    }
    struct pv_err err = {0};
    if (access(path, F_OK) != 0) {
        result = pv_cli_fail(cli, PV_EXIT_NOT_FOUND, "there is no database at %s: %s", path,
                             strerror(errno));
    } else if (pv_sqlite_backup(path, to, &err) != 0) {
        result = pv_cli_fail_err(cli, &err);
    } else if (cli->out.json) {
        json_t *json = json_pack("{ss ss}", "database", path, "backup", to);
        json_dumpf(json, cli->out.file, JSON_COMPACT);
        fputc('\n', cli->out.file);
        json_decref(json);
    } else if (!cli->out.quiet) {
        fprintf(cli->out.file,
                "%s holds %s as it was a moment ago; without the keys file it cannot be read\n", to,
                path);
    }
    pv_free(path);
    return result;
}

/* provostd beside this program, or where it is installed. */
static void find_daemon(char out[PATH_MAX])
{
    char self[PATH_MAX - 16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len > 0) {
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        snprintf(out, PATH_MAX, "%s/provostd", self);
        if (access(out, X_OK) == 0) {
            return;
        }
    }
    snprintf(out, PATH_MAX, "%s/provostd", PV_BIN_DIR);
}

static int run_daemon(struct pv_cli *cli, const char *program, int *ret_status)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, "-c", file_of(cli), "--migrate", (char *)NULL);
        _exit(127);
    }
    pid_t done = pid;
    do {
        done = pid > 0 ? waitpid(pid, ret_status, 0) : -1;
    } while (done < 0 && errno == EINTR);
    return done == pid && pid > 0
               ? PV_EXIT_OK
               : pv_cli_fail(cli, PV_EXIT_FAILED, "cannot start %s: %s", program, strerror(errno));
}

static int migrate(struct pv_cli *cli)
{
    char program[PATH_MAX];
    int how = 0;
    find_daemon(program);
    int result = run_daemon(cli, program, &how);
    if (result != PV_EXIT_OK) {
        return result;
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) {
        return cli->out.quiet ? PV_EXIT_OK : status(cli);
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127) {
        return pv_cli_fail(cli, PV_EXIT_NOT_FOUND, "there is no provostd at %s", program);
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == EXIT_IN_USE) {
        return pv_cli_fail(cli, PV_EXIT_BUSY, "provostd is running: stop it, then migrate");
    }
    return pv_cli_fail(cli, PV_EXIT_FAILED, "the database was not migrated; provostd said why");
}

const struct pv_cli_command pv_cli_db[] = {
    {.name = "status",
     .args = "",
     .summary = "which version the database's schema has, and which one is needed",
     .details = "Reads the database that the configuration names (-c FILE; the installed one "
                "otherwise), also while provostd uses it. Exits with 1 when it is not up to date.",
     .run = status},
    {.name = "backup",
     .args = "FILE",
     .summary = "copy the database into a new file, also while provostd uses it",
     .details = "The copy is the database as it was at one moment; it is checked and synced. It "
                "is sealed with the keys file, which is not copied: keep a copy of that elsewhere.",
     .run = backup},
    {.name = "migrate",
     .args = "",
     .summary = "bring the database's schema up to date, with provostd --migrate",
     .details = "provostd must not be running. Make a backup first: there is no way back.",
     .run = migrate},
    {0},
};

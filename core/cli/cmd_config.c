/* SPDX-License-Identifier: Apache-2.0 */
/* provost config: checks a configuration without a daemon, and prints its JSON Schema. */
#include "core/cli/cli.h"
#include "core/cli/groups.h"

#include "core/api/httptls.h"
#include "core/base/clock.h"
#include "core/config/config.h"

#define SCHEMA_CAP ((size_t)16 * 1024 * 1024)

/* The file: an argument, -c, or the installed default. */
static const char *file_of(const struct pv_cli *cli)
{
    const char *file = pv_cli_arg(cli, 0);
    file = file != NULL ? file : pv_cli_text(cli, "config");
    return file != NULL ? file : PV_CONFIG_FILE;
}

static json_t *problem_json(const struct pv_problem *problem)
{
    return json_pack("{s:s% s:i s:i s:s% s:s s:s% s:b}", "file",
                     problem->file.ptr != NULL ? problem->file.ptr : "", problem->file.len, "line",
                     (int)problem->line, "column", (int)problem->column, "path",
                     problem->path.ptr != NULL ? problem->path.ptr : "", problem->path.len, "code",
                     problem->code, "error", problem->text.ptr != NULL ? problem->text.ptr : "",
                     problem->text.len, "warning", problem->warning);
}

static int print_json(struct pv_cli *cli, const struct pv_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < problems->count; i++) {
        json_array_append_new(list, problem_json(&problems->items[i]));
    }
    json_t *all = json_pack("{s:b s:o}", "success", problems->errors == 0, "errors", list);
    bool written = all != NULL && json_dumpf(all, cli->out.file, JSON_COMPACT) == 0 &&
                   fputc('\n', cli->out.file) != EOF;
    json_decref(all);
    return written ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
}

static int print_problems(struct pv_cli *cli, const struct pv_problems *problems)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)1024 * 1024);
    int status = pv_problems_print(problems, &text);
    if (status == 0 && text.len > 0) {
        fputs(text.ptr, cli->out.errors);
    }
    pv_buf_done(&text);
    return status == 0 ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
}

static void print_summary(struct pv_cli *cli, const struct pv_config *config)
{
    fprintf(cli->out.file, "%.*s is in order: %zu instance%s, %zu product%s\n",
            PV_STR_ARG(config->path), config->instance_count,
            config->instance_count == 1 ? "" : "s", config->product_count,
            config->product_count == 1 ? "" : "s");
}

/* Loads the configuration with what its modules declare. *ret_config is NULL when it is wrong. */
static int load(struct pv_cli *cli, struct pv_problems *problems, struct pv_config **ret_config)
{
    struct pv_err err = {0};
    struct pv_describer *describer = NULL;
    if (pv_describer_new(NULL, &describer, &err) != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    struct pv_describe table = pv_describer_table(describer);
    int status = pv_config_load(file_of(cli), &table, problems, ret_config);
    pv_describer_free(describer);
    return status == PV_ENOMEM ? pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory") : PV_EXIT_OK;
}

/* What provostd would only find when it starts: the files of `tls`. */
static void check_files(struct pv_problems *problems, struct pv_config **config)
{
    if (*config != NULL &&
        pv_http_tls_check(&(*config)->tls, pv_wall_ms(&pv_clock_system), problems) != 0) {
        pv_config_free(*config);
        *config = NULL;
    }
}

static int check(struct pv_cli *cli)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_config *config = NULL;
    int status = load(cli, &problems, &config);
    check_files(&problems, &config);
    if (status == PV_EXIT_OK && cli->out.json) {
        status = print_json(cli, &problems);
    } else if (status == PV_EXIT_OK) {
        status = print_problems(cli, &problems);
    }
    if (status == PV_EXIT_OK && config == NULL) {
        status = PV_EXIT_FAILED;
    } else if (status == PV_EXIT_OK && !cli->out.json && !cli->out.quiet) {
        print_summary(cli, config);
    }
    pv_config_free(config);
    pv_problems_done(&problems);
    return status;
}

static int schema(struct pv_cli *cli)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_config *config = NULL;
    bool named = pv_cli_arg(cli, 0) != NULL || pv_cli_text(cli, "config") != NULL;
    int status = named ? load(cli, &problems, &config) : PV_EXIT_OK;
    if (status == PV_EXIT_OK && named && config == NULL) {
        print_problems(cli, &problems);
        status = PV_EXIT_FAILED;
    }
    struct pv_buf text;
    pv_buf_init(&text, SCHEMA_CAP);
    if (status == PV_EXIT_OK && pv_config_schema(config, &text) == 0) {
        fprintf(cli->out.file, "%s\n", text.ptr);
    } else if (status == PV_EXIT_OK) {
        status = pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    pv_buf_done(&text);
    pv_config_free(config);
    pv_problems_done(&problems);
    return status;
}

const struct pv_cli_command pv_cli_config[] = {
    {.name = "check",
     .args = "[FILE]",
     .summary = "check a configuration, and list everything that is wrong with it",
     .details =
         "FILE (or what -c names; the installed provost.yaml otherwise) and the files of conf.d "
         "beside it are checked as provostd does it: also every setting of every plugin, that "
         "secrets can be read, and that the certificate of `tls` and its key belong together and "
         "have not expired. Plugins are asked in a process of their own. Nothing is changed.",
     .run = check},
    {.name = "schema",
     .args = "[FILE]",
     .summary = "print the JSON Schema of the configuration, for editors",
     .details = "With a FILE also that of the settings and plans of its plugins.",
     .run = schema},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* provost plugin: what the daemon has loaded, and what a module declares; the tools of a plugin's
 * author are in files of their own. */
#include "core/cli/groups.h"
#include "core/cli/job.h"
#include "core/cli/plugin_tools.h"
#include "core/cli/request.h"

#include "core/base/alloc.h"
#include "core/config/describe.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_CAP ((size_t)4 * 1024 * 1024)

static const struct pv_view list_views[] = {
    {"PLUGIN", "name", PV_VIEW_TEXT, 0},
    {"VERSION", "version", PV_VIEW_TEXT, 0},
    {"INSTANCES", "instances", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"SUMMARY", "summary", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

static int list(struct pv_cli *cli)
{
    static const struct pv_cli_list what = {.path = "/v1/plugins",
                                            .member = "plugins",
                                            .views = list_views,
                                            .id = "name",
                                            .empty =
                                                "no plugins: none is configured under `plugins:`"};
    return pv_cli_list(cli, &what);
}

int pv_cli_module(struct pv_cli *cli, const char *given, char **ret_path)
{
    struct pv_err err = {0};
    char absolute[PATH_MAX];
    struct stat st;
    bool is_folder = stat(given, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_folder && strchr(given, '/') != NULL) {
        return pv_cli_fail(cli, PV_EXIT_FAILED,
                           "%s is a folder: expected a module (.so), or a program that is a host",
                           given);
    }
    if (!is_folder && realpath(given, absolute) != NULL) {
        *ret_path = pv_strdup(absolute);
        return *ret_path != NULL ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
    }
    if (pv_module_find(pv_str(given), NULL, 0, ret_path, &err) != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    return PV_EXIT_OK;
}

static int ask(const struct pv_describe *table, const struct pv_describe_ask *asked,
               struct pv_plugin **ret_plugin, struct pv_err *err)
{
    char *json = NULL;
    int status = table->describe(table->ctx, asked, &json, err);
    if (status == 0) {
        status = pv_plugin_parse(pv_str(json), pv_str(asked->module), ret_plugin, err);
    }
    pv_free(json);
    return status;
}

int pv_cli_describe(struct pv_cli *cli, const struct pv_job *job, struct pv_str settings,
                    struct pv_plugin **ret_plugin)
{
    struct pv_err err = {0};
    struct pv_describer *describer = NULL;
    struct pv_plugin *plugin = NULL;
    int status = pv_describer_new(NULL, &describer, &err);
    if (status == 0) {
        const struct pv_describe table = pv_describer_table(describer);
        const char *const words[] = {job->module, NULL};
        const bool program = pv_module_is_program(job->module);
        const struct pv_describe_ask asked = {.module = job->module,
                                              .settings = settings,
                                              .command = program ? words : NULL,
                                              .granted = job->granted,
                                              .unconfined = job->grants.unconfined &&
                                                            (program || settings.len > 0)};
        status = ask(&table, &asked, &plugin, &err);
    }
    pv_describer_free(describer);
    if (status != 0) {
        return pv_cli_fail_err(cli, &err);
    }
    *ret_plugin = plugin;
    return PV_EXIT_OK;
}

static int print_page(struct pv_cli *cli, const struct pv_plugin *plugin)
{
    if (cli->out.json) {
        fprintf(cli->out.file, "%.*s\n", PV_STR_ARG(plugin->json));
        return PV_EXIT_OK;
    }
    struct pv_buf page;
    pv_buf_init(&page, PAGE_CAP);
    int status = pv_plugin_print(plugin, &page);
    if (status == 0) {
        fputs(page.ptr, cli->out.file);
    }
    pv_buf_done(&page);
    return status == 0 ? PV_EXIT_OK : pv_cli_fail(cli, PV_EXIT_FAILED, "out of memory");
}

static int read_settings(struct pv_cli *cli, struct pv_job *job)
{
    const char *path = pv_cli_text(cli, "settings");
    json_t *settings = NULL;
    int status = path != NULL ? pv_job_read(cli, path, &settings) : PV_EXIT_OK;
    if (settings != NULL) {
        struct pv_problems problems;
        pv_problems_init(&problems);
        status = pv_job_declare(cli, job, settings, &problems);
        if (status == PV_EXIT_USAGE) {
            pv_job_problems(cli, &problems);
        }
        pv_problems_done(&problems);
    }
    json_decref(settings);
    return status;
}

static int describe(struct pv_cli *cli)
{
    struct pv_job job;
    int status = pv_job_init(cli, &job, pv_cli_arg(cli, 0));
    status = status == PV_EXIT_OK ? read_settings(cli, &job) : status;
    status = status == PV_EXIT_OK ? print_page(cli, job.plugin) : status;
    pv_job_done(&job);
    return status;
}

static const struct pv_cli_option describe_options[] = {
    {.name = "settings",
     .letter = 's',
     .value = "FILE",
     .type = PV_OPTION_TEXT,
     .help = "JSON object: the settings of an instance, where what it declares depends on them"},
    PV_CLI_GRANT_OPTIONS,
    {0},
};

const struct pv_cli_command pv_cli_plugin[] = {
    {.name = "list",
     .args = "",
     .summary = "plugins that the daemon has configured, and their versions",
     .options = pv_cli_list_options,
     .run = list},
    {.name = "describe",
     .args = "MODULE",
     .summary = "what a plugin declares: settings, fields of products, operations, actions",
     .details =
         "MODULE is the path of a shared object (.so), or of a program that is a host itself, or a "
         "plugin's name, which is looked for where provostd does. The module is loaded by "
         "provost-host, never by this program, and confined. With --settings it may read and start "
         "what --grant says.\n\n"
         "  provost plugin describe build/dns.so\n"
         "  provost plugin describe script --settings settings.json --grant exec=/usr/bin "
         "--grant exec=./site.py --grant read= --grant write= --grant unix_sockets=",
     .options = describe_options,
     .run = describe},
    {.name = "new",
     .args = "NAME",
     .summary = "write a complete plugin into a folder: code, manual, tests, build",
     .details = "It builds against the installed headers (pkg-config), outside of Provost's tree.",
     .options = pv_cli_plugin_new_options,
     .run = pv_cli_plugin_new},
    {.name = "run",
     .args = "MODULE [OPERATION]",
     .summary = "run one operation of a plugin in the foreground, and show all it does",
     .details =
         "The plugin runs in a real host. Each step, each call of a backend with its answer and "
         "time, "
         "each change of the state document is shown, with secrets masked. Outcomes are followed "
         "up as "
         "provostd does it: what is temporary is tried again, what is unknown is looked up, what "
         "fails for good is undone. What the store would answer (keys, pools, quotas, secrets) "
         "comes "
         "from memory, or from the file of --state.\n\n"
         "The host is confined as provostd confines it. What the plugin declares that it needs "
         "(`provost plugin describe`) is granted with --grant, a kind and a path at a time, as "
         "`grants` of an instance do it; --unconfined lets it do whatever you may.\n\n"
         "  provost plugin run build/dns.so create --settings settings.json --event event.json\n"
         "  provost plugin run build/dns.so --query test --settings settings.json\n\n"
         "Exits with 0 when it is done, 1 when it failed, 5 when it would need an operator, 6 when "
         "it is "
         "not over. Ctrl-C cancels the operation.",
     .options = pv_cli_plugin_run_options,
     .run = pv_cli_plugin_run},
    {.name = "test",
     .args = "MODULE CASES...",
     .summary = "play a plugin's test cases against a scripted backend",
     .details =
         "CASES are files, or folders with *.json. A case says settings, event, state, the "
         "requests that the plugin is to send with what is answered, and what has to come of it; "
         "docs/plugin-testing.md describes all of it. Ends in “N passed, N failed”.\n\n"
         "  provost plugin test build/dns.so test/cases\n\n"
         "The host is confined, as in `provost plugin run`; a case may have `grants` too.",
     .options = pv_cli_plugin_test_options,
     .run = pv_cli_plugin_test},
    {.name = "check",
     .args = "[MODULE]",
     .summary = "put a plugin through the conformance kit",
     .details =
         "The plugin runs in a real host, against its backend or the stand-in that its check file "
         "starts, through a proxy that refuses requests, loses and garbles answers; its host is "
         "killed at every moment; operations come twice. What is left at the backend (the query "
         "`inventory`) tells whether it went well. Each check has a name, a verdict and what it "
         "is "
         "founded on; one that does not apply says why. docs/plugin-testing.md describes checks "
         "and check file. The host is confined, as in `provost plugin run`; the check file may "
         "have "
         "`grants` too.\n\n"
         "  provost plugin check ./my-plugin.so\n"
         "  provost plugin check build/dns.so --file pdns.yaml --only kill\n\n"
         "Exits with 0 when no check failed, 1 when one did, 6 when the plugin could not be played "
         "for want of a check file.",
     .options = pv_cli_plugin_check_options,
     .run = pv_cli_plugin_check},
    {0},
};

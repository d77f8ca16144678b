/* SPDX-License-Identifier: Apache-2.0 */
/* provost: parses the command line, runs the command, and exits with what it says. */
#include "core/cli/cli.h"
#include "core/cli/complete.h"

#include "core/base/hash.h"
#include "core/json/json.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#define HELP_CAP (1024u * 1024)

static int print(struct pv_buf *text, FILE *file)
{
    int status = text->status == 0 ? PV_EXIT_OK : PV_EXIT_FAILED;
    fputs(text->ptr != NULL ? text->ptr : "", file);
    pv_buf_done(text);
    return status;
}

static int help(const struct pv_cli_args *args)
{
    struct pv_buf text;
    pv_buf_init(&text, HELP_CAP);
    if (args->group == NULL) {
        pv_cli_help_all(&text);
    } else if (args->command == NULL) {
        pv_cli_help_group(args->group, &text);
    } else {
        pv_cli_help_command(args->group, args->command, &text);
    }
    return print(&text, stdout);
}

static int usage(const struct pv_cli_args *args, const struct pv_err *err)
{
    struct pv_buf text;
    pv_buf_init(&text, HELP_CAP);
    pv_buf_printf(&text, "provost: %s\n", err->text);
    pv_cli_usage(args->group, args->command, &text);
    pv_buf_c(&text, "try `provost");
    if (args->group != NULL) {
        pv_buf_printf(&text, " %s", args->group->name);
    }
    if (args->command != NULL && args->command->name[0] != '\0') {
        pv_buf_printf(&text, " %s", args->command->name);
    }
    pv_buf_c(&text, " --help`\n");
    print(&text, stderr);
    return PV_EXIT_USAGE;
}

/* `provost help man` and `provost help markdown` make the pages of docs/. */
static int pages(const char *which)
{
    struct pv_buf text;
    pv_buf_init(&text, HELP_CAP);
    if (strcmp(which, "man") == 0) {
        pv_cli_man(PV_VERSION, &text);
    } else {
        pv_cli_markdown(&text);
    }
    return print(&text, stdout);
}

static int run(struct pv_cli *cli)
{
    const char *when = pv_cli_text(cli, "color");
    when = when != NULL ? when : "auto";
    struct pv_err err = {0};
    if (strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 && strcmp(when, "never") != 0) {
        pv_err_set(&err, PV_EINVAL, "--color: expected auto, always or never, got “%s”", when);
        return usage(&cli->args, &err);
    }
    pv_out_setup(&cli->out, when);
    cli->out.json = pv_cli_on(cli, "json");
    cli->out.quiet = pv_cli_on(cli, "quiet");
    int status = cli->args.command->run(cli);
    pv_client_free(cli->client);
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (!written && status == PV_EXIT_OK) {
        return pv_cli_fail(cli, PV_EXIT_FAILED, "cannot write the output: %m");
    }
    return status;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    if (pv_base_init() != 0) {
        fputs("provost: libsodium does not start\n", stderr);
        return PV_EXIT_FAILED;
    }
    pv_json_setup();
    bool page = argc == 3 && strcmp(argv[1], "help") == 0 &&
                (strcmp(argv[2], "man") == 0 || strcmp(argv[2], "markdown") == 0);
    if (page) {
        return pages(argv[2]);
    }
    if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
        struct pv_buf text;
        pv_buf_init(&text, HELP_CAP);
        pv_cli_complete(argc - 1, argv + 1, &text);
        return print(&text, stdout);
    }
    bool word = argc > 1 && strcmp(argv[1], "help") == 0; /* `provost help service act` */
    struct pv_cli cli = {0};
    struct pv_err err = {0};
    int status = pv_cli_parse(word ? argc - 1 : argc, word ? argv + 1 : argv, &cli.args, &err);
    if (cli.args.help || (word && (status == 0 || cli.args.group != NULL || argc == 2))) {
        status = help(&cli.args);
    } else if (cli.args.version) {
        status = printf("provost %s\n", PV_VERSION) > 0 ? PV_EXIT_OK : PV_EXIT_FAILED;
    } else {
        status = status != 0 ? usage(&cli.args, &err) : run(&cli);
    }
    pv_cli_args_done(&cli.args);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Completion, from the command table and the daemon. What goes wrong completes nothing: nobody
 * wants to read an error in the middle of a command line. */
#include "core/cli/complete.h"

#include "core/config/grants.h"

#include <string.h>

/* Names that the daemon knows, by the word that stands for the argument in the command's usage. */
static const struct {
    const char *argument;
    const char *path;
    const char *member;
    const char *name;
    const char *what;
} asked[] = {
    {"INSTANCE", "/v1/instances", "instances", "name", "plugin"},
    {"SERVICE", "/v1/services?limit=100", "services", "service", "external_id"},
    {"OPERATION", "/v1/operations?limit=100", "operations", "operation", "type"},
    {"SERVICE|OPERATION", "/v1/operations?limit=100", "operations", "operation", "type"},
    {"TOKEN", "/v1/tokens?limit=100", "tokens", "id", "source"},
};

static void put_word(struct pv_buf *out, const char *start, const char *dashes, const char *word,
                     const char *what)
{
    size_t len = strlen(start);
    size_t dash_len = strlen(dashes);
    size_t head = len < dash_len ? len : dash_len;
    bool fits = strncmp(dashes, start, head) == 0 &&
                (len <= dash_len || strncmp(word, start + dash_len, len - dash_len) == 0);
    if (fits) {
        pv_buf_printf(out, "%s%s\t%s\n", dashes, word, what);
    }
}

static void put_options(struct pv_buf *out, const char *start, const struct pv_cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        put_word(out, start, "--", options->name, options->help);
    }
}

static void put_asked(struct pv_cli *cli, struct pv_str argument, const char *start,
                      struct pv_buf *out)
{
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct pv_err err = {0};
        struct pv_answer answer = {0};
        const struct pv_client_request request = {.path = asked[i].path};
        if (!pv_str_eq_c(argument, asked[i].argument) ||
            pv_cli_try(cli, &request, &answer, &err) != 0) {
            continue;
        }
        const json_t *list = json_object_get(answer.json, asked[i].member);
        for (size_t k = 0; k < json_array_size(list); k++) {
            const char *name = pv_json_text(json_array_get(list, k), asked[i].name);
            const char *what = pv_json_text(json_array_get(list, k), asked[i].what);
            if (name != NULL) {
                put_word(out, start, "", name, what != NULL ? what : "");
            }
        }
        pv_answer_done(&answer);
    }
}

/* The kind of a grant; then the shell knows best. */
static void put_grant(const char *start, struct pv_buf *out)
{
    for (size_t i = 0; i < PV_GRANT_KINDS; i++) {
        char word[32];
        snprintf(word, sizeof(word), "%s=", pv_grant_kinds[i].name);
        put_word(out, start, "", word, pv_grant_kinds[i].does);
    }
    if (strchr(start, '=') != NULL) {
        pv_buf_c(out, ":files\n");
    }
}

/* The value of an option, or an argument, by the word that help shows for it. */
static void put_value(struct pv_cli *cli, struct pv_str kind, const char *start, struct pv_buf *out)
{
    static const char *const files[] = {"FILE", "PATH", "FOLDER", "MODULE", "PLUGIN", "X"};
    static const char *const when[] = {"auto", "always", "never"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t len = strlen(files[i]);
        if (kind.len >= len && memcmp(kind.ptr, files[i], len) == 0) {
            pv_buf_c(out, ":files\n");
            return;
        }
    }
    for (size_t i = 0; pv_str_eq_c(kind, "WHEN") && i < 3; i++) {
        put_word(out, start, "", when[i], "");
    }
    if (pv_str_eq_c(kind, "KIND=PATH")) {
        put_grant(start, out);
    }
    put_asked(cli, kind, start, out);
}

static void put_names(const struct pv_cli_args *args, const char *start, struct pv_buf *out)
{
    if (args->group == NULL) {
        for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
            put_word(out, start, "", g->name, g->summary);
        }
        return;
    }
    for (const struct pv_cli_command *c = args->group->commands; c->name != NULL; c++) {
        put_word(out, start, "", c->name, c->summary);
    }
}

void pv_cli_complete(int argc, char **argv, struct pv_buf *out)
{
    if (argc < 1) {
        return;
    }
    const char *start = argv[argc - 1];
    struct pv_cli cli = {0};
    struct pv_err err = {0};
    /* An unfinished line is seldom right; what was understood of it is in args all the same. */
    int unfinished = pv_cli_parse(argc - 1, argv, &cli.args, &err);
    (void)unfinished;
    const struct pv_cli_option *option =
        argc > 2 ? pv_cli_option_wanting(&cli.args, argv[argc - 2]) : NULL;
    if (option != NULL) {
        put_value(&cli, pv_str(option->value), start, out);
    } else if (start[0] == '-') {
        put_options(out, start, cli.args.command != NULL ? cli.args.command->options : NULL);
        put_options(out, start, pv_cli_globals);
    } else if (cli.args.command == NULL) {
        put_names(&cli.args, start, out);
    } else {
        struct pv_str name = pv_cli_arg_name(cli.args.command->args, cli.args.arg_count);
        if (name.len > 0) {
            put_value(&cli, name, start, out);
        }
    }
    pv_client_free(cli.client);
    pv_cli_args_done(&cli.args);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* provost(1) and docs/cli.md, from the command table and the few pages of prose below. */
#include "core/cli/command.h"

#include <string.h>

struct section {
    const char *title;
    const char *text; /* paragraphs, separated by an empty line; one that begins with a space is
                         code */
};

static const struct section sections[] = {
    {"Where it asks",
     "Most commands ask the running daemon through its admin socket. The socket is, in this order: "
     "what `--socket` says; what the configuration given with `-c` says under `admin_socket:`; the "
     "environment variable `PROVOST_SOCKET`; the installed default, `/run/provost/admin.sock`.\n\n"
     "Root and the members of the socket's group (`provost-admin`) may use it. Whoever asks is "
     "written to the audit trail as `uid:NUMBER`.\n\n"
     "`config`, `db`, `moves`, `version` and, of `plugin`, everything but `list` work without a "
     "daemon."},
    {"What it prints",
     "Tables and sentences for people on standard output, errors on standard error. On a terminal "
     "tables are cut to its width and states have colours (not where `NO_COLOR` is set); in a pipe "
     "nothing is cut and nothing is coloured.\n\n"
     "With `--json` a command prints what the API answered, one JSON document, also when the API "
     "refused; with `--wait` the operations as they ended, one a line. `schema/openapi.yaml` has "
     "the fields. With `--quiet` it prints only "
     "what "
     "a script goes on with: the id of an operation, a token."},
    {"Naming services and operations",
     "SERVICE is an id of Provost (`svc_…`), or SOURCE/EXTERNAL_ID: the name of the source and the "
     "id "
     "that the billing system gave, as in `shop/12345`. OPERATION is an id (`op_…`)."},
    {NULL, NULL},
};

static const struct section more[] = {
    {"Environment",
     "`PROVOST_SOCKET`: the admin socket. `PROVOST_HOST`: the program `provost-host`, where it "
     "stands "
     "neither beside `provost` nor in its installed folder. `PROVOST_PLUGIN_PATH`: folders in "
     "which "
     "plugins are looked for first. `PROVOST_TEMPLATE`: the folder that `plugin new` copies. "
     "`NO_COLOR`: no colours."},
    {"Completion", "bash and zsh complete commands, options, and the names of instances, services, "
                   "operations and "
                   "tokens, once Provost is installed. From the source tree: `source "
                   "dist/completion/provost.bash`, "
                   "or `fpath=(dist/completion $fpath)` before `compinit`."},
    {"Examples",
     "  provost event send create.json --source shop --wait 30s\n"
     "  provost operation watch op_01jd3v8r6s0c5k2m9x7q4w1z0a\n"
     "  provost explain shop/12345\n"
     "  provost operation list --state needs_operator\n"
     "  provost operation retry op_01jd3v8r6s0c5k2m9x7q4w1z0a --reason 'disk was full'\n"
     "  provost -c provost.yaml token create --source shop --scopes events:write --quiet"},
    {NULL, NULL},
};

/* ---- The page for man ---- */

/* Text for troff: a line may not begin with a dot or an apostrophe, "-" is an option's dash, and
 * `code` is bold. */
static void roff(struct pv_buf *out, const char *text, size_t len)
{
    bool code = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool begins = i == 0 || text[i - 1] == '\n';
        if (begins && (c == '.' || c == '\'')) {
            pv_buf_c(out, "\\&");
        }
        if (c == '`') {
            code = !code;
            pv_buf_c(out, code ? "\\fB" : "\\fR");
        } else if (c == '\\') {
            pv_buf_c(out, "\\e");
        } else if (c == '-') {
            pv_buf_c(out, "\\-");
        } else {
            pv_buf_char(out, c);
        }
    }
}

static void roff_c(struct pv_buf *out, const char *text)
{
    roff(out, text, strlen(text));
}

static void roff_paragraphs(struct pv_buf *out, const char *text)
{
    while (text != NULL && *text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        bool code = text[0] == ' ';
        pv_buf_c(out, code ? ".PP\n.nf\n" : ".PP\n");
        roff(out, text, len);
        pv_buf_c(out, code ? "\n.fi\n" : "\n");
        text = end != NULL ? end + 2 : NULL;
    }
}

static void roff_upper(struct pv_buf *out, const char *title)
{
    pv_buf_c(out, ".SH ");
    for (; *title != '\0'; title++) {
        pv_buf_char(out, *title >= 'a' && *title <= 'z' ? (char)(*title - 'a' + 'A') : *title);
    }
    pv_buf_char(out, '\n');
}

static void roff_sections(struct pv_buf *out, const struct section *list)
{
    for (; list->title != NULL; list++) {
        roff_upper(out, list->title);
        roff_paragraphs(out, list->text);
    }
}

static void roff_options(struct pv_buf *out, const struct pv_cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        pv_buf_c(out, ".TP\n");
        if (options->letter != 0) {
            pv_buf_printf(out, "\\fB\\-%c\\fR, ", options->letter);
        }
        pv_buf_c(out, "\\fB\\-\\-");
        roff_c(out, options->name);
        pv_buf_c(out, "\\fR");
        if (options->value != NULL) {
            pv_buf_printf(out, " \\fI%s\\fR", options->value);
        }
        pv_buf_char(out, '\n');
        roff_c(out, options->help);
        pv_buf_char(out, '\n');
    }
}

static void roff_command(struct pv_buf *out, const struct pv_cli_group *group,
                         const struct pv_cli_command *command)
{
    pv_buf_c(out, ".SS provost ");
    roff_c(out, group->name);
    if (command->name[0] != '\0') {
        pv_buf_char(out, ' ');
        roff_c(out, command->name);
    }
    if (command->args[0] != '\0') {
        pv_buf_char(out, ' ');
        roff_c(out, command->args);
    }
    pv_buf_c(out, "\n");
    roff_c(out, command->summary);
    pv_buf_c(out, ".\n");
    roff_paragraphs(out, command->details);
    roff_options(out, command->options);
}

void pv_cli_man(const char *version, struct pv_buf *out)
{
    pv_buf_c(out, ".\\\" Made by `provost help man`; edit core/cli/ instead.\n");
    pv_buf_printf(out, ".TH PROVOST 1 \"\" \"Provost %s\" \"Provost\"\n", version);
    pv_buf_c(out, ".SH NAME\nprovost \\- operate a running provostd, and write plugins for it\n");
    pv_buf_c(out, ".SH SYNOPSIS\n\\fBprovost\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n");
    pv_buf_c(out,
             ".SH DESCRIPTION\n"
             "Provost takes lifecycle events of a billing system and has plugins act on them.\n"
             "This program shows what provostd is doing, and lets an operator decide where it\n"
             "cannot go on by itself. It also checks configurations and runs and tests plugins.\n");
    roff_sections(out, sections);
    pv_buf_c(out, ".SH COMMANDS\n");
    for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
        for (const struct pv_cli_command *c = g->commands; c->name != NULL; c++) {
            roff_command(out, g, c);
        }
    }
    pv_buf_c(out, ".SH OPTIONS OF EVERY COMMAND\n");
    roff_options(out, pv_cli_globals);
    pv_buf_c(out, ".SH EXIT STATUS\n");
    for (const struct pv_exit_text *e = pv_cli_exits; e->text != NULL; e++) {
        pv_buf_printf(out, ".TP\n\\fB%d\\fR\n", e->status);
        roff_c(out, e->text);
        pv_buf_char(out, '\n');
    }
    roff_sections(out, more);
    pv_buf_c(out, ".SH SEE ALSO\n\\fBprovostd\\fR(8)\n");
}

/* ---- The page in Markdown ---- */

static void md_paragraphs(struct pv_buf *out, const char *text)
{
    while (text != NULL && *text != '\0') {
        const char *end = strstr(text, "\n\n");
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        bool code = text[0] == ' ';
        pv_buf_c(out, code ? "\n```\n" : "\n");
        for (size_t i = 0; i < len; i++) {
            bool begins = i == 0 || text[i - 1] == '\n';
            if (code && begins && text[i] == ' ' && i + 1 < len && text[i + 1] == ' ') {
                i++; /* the indentation of two is the fence's */
                continue;
            }
            pv_buf_char(out, text[i]);
        }
        pv_buf_c(out, code ? "\n```\n" : "\n");
        text = end != NULL ? end + 2 : NULL;
    }
}

static void md_sections(struct pv_buf *out, const struct section *list)
{
    for (; list->title != NULL; list++) {
        pv_buf_printf(out, "\n## %s\n", list->title);
        md_paragraphs(out, list->text);
    }
}

static void md_cell(struct pv_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            pv_buf_char(out, '\\');
        }
        pv_buf_char(out, *text);
    }
}

static void md_options(struct pv_buf *out, const struct pv_cli_option *options)
{
    if (options == NULL || options->name == NULL) {
        return;
    }
    pv_buf_c(out, "\n| option | |\n|---|---|\n");
    for (; options->name != NULL; options++) {
        pv_buf_c(out, "| ");
        if (options->letter != 0) {
            pv_buf_printf(out, "`-%c`, ", options->letter);
        }
        pv_buf_printf(out, "`--%s%s", options->name, options->value != NULL ? " " : "");
        md_cell(out, options->value != NULL ? options->value : "");
        pv_buf_c(out, "` | ");
        md_cell(out, options->help);
        pv_buf_c(out, " |\n");
    }
}

static void md_command(struct pv_buf *out, const struct pv_cli_group *group,
                       const struct pv_cli_command *command)
{
    bool alone = command->name[0] == '\0';
    pv_buf_printf(out, "\n#### `provost %s%s%s", group->name, alone ? "" : " ", command->name);
    pv_buf_printf(out, "%s%s`\n\n%s.\n", command->args[0] != '\0' ? " " : "", command->args,
                  command->summary);
    md_paragraphs(out, command->details);
    md_options(out, command->options);
}

void pv_cli_markdown(struct pv_buf *out)
{
    pv_buf_c(out,
             "<!-- Made by `provost help markdown`; edit core/cli/ instead. -->\n"
             "# The command `provost`\n\n"
             "Shows what a running provostd is doing, lets an operator decide where it cannot go "
             "on by itself, checks configurations, and runs and tests plugins. `provost --help` "
             "and provost(1) say the same as this page.\n");
    md_sections(out, sections);
    pv_buf_c(out, "\n## Exit status\n\n| status | |\n|---|---|\n");
    for (const struct pv_exit_text *e = pv_cli_exits; e->text != NULL; e++) {
        pv_buf_printf(out, "| %d | %s |\n", e->status, e->text);
    }
    pv_buf_c(out, "\n## Options of every command\n");
    md_options(out, pv_cli_globals);
    pv_buf_c(out, "\n## Commands\n");
    for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
        pv_buf_printf(out, "\n### %s: %s\n", g->name, g->summary);
        for (const struct pv_cli_command *c = g->commands; c->name != NULL; c++) {
            md_command(out, g, c);
        }
    }
    md_sections(out, more);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What --help prints, from the command table. */
#include "core/cli/command.h"

#include <string.h>

#define HELP_WIDTH 96

/* "  -c, --config FILE" */
static void put_option(const struct pv_cli_option *option, struct pv_buf *out)
{
    if (option->letter != 0) {
        pv_buf_printf(out, "  -%c, --%s", option->letter, option->name);
    } else {
        pv_buf_printf(out, "      --%s", option->name);
    }
    if (option->value != NULL) {
        pv_buf_printf(out, " %s", option->value);
    }
}

/* Appends text in lines of HELP_WIDTH; the first begins at column `at`, later ones at `indent`. */
static void put_wrapped(struct pv_buf *out, const char *text, size_t at, size_t indent)
{
    bool first = true;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (!first && at + 1 + len > HELP_WIDTH) {
            pv_buf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            pv_buf_char(out, ' ');
            at++;
        }
        pv_buf_put(out, text, len);
        at += len;
        text += len;
        text += strspn(text, " ");
        first = false;
    }
    pv_buf_char(out, '\n');
}

static void put_options(const struct pv_cli_option *options, struct pv_buf *out)
{
    const size_t column = 28;
    for (; options != NULL && options->name != NULL; options++) {
        size_t start = out->len;
        put_option(options, out);
        size_t used = out->len - start;
        if (used + 2 > column) {
            pv_buf_printf(out, "\n%*s", (int)column, "");
        } else {
            pv_buf_printf(out, "%*s", (int)(column - used), "");
        }
        put_wrapped(out, options->help, column, column);
    }
}

/* "service act" or "status". */
static void put_name(const struct pv_cli_group *group, const struct pv_cli_command *command,
                     struct pv_buf *out)
{
    pv_buf_c(out, group->name);
    if (command->name[0] != '\0') {
        pv_buf_printf(out, " %s", command->name);
    }
}

void pv_cli_usage(const struct pv_cli_group *group, const struct pv_cli_command *command,
                  struct pv_buf *out)
{
    pv_buf_c(out, "usage: provost ");
    if (group == NULL) {
        pv_buf_c(out, "COMMAND [options]\n");
    } else if (command == NULL) {
        pv_buf_printf(out, "%s COMMAND [options]\n", group->name);
    } else {
        put_name(group, command, out);
        pv_buf_printf(out, "%s%s [options]\n", command->args[0] != '\0' ? " " : "", command->args);
    }
}

static void put_entry(struct pv_buf *out, const char *name, const char *summary, size_t width)
{
    pv_buf_printf(out, "  %-*s  ", (int)width, name);
    put_wrapped(out, summary, width + 4, width + 4);
}

void pv_cli_help_all(struct pv_buf *out)
{
    pv_cli_usage(NULL, NULL, out);
    pv_buf_c(out, "\nOperates a running provostd, and helps to write plugins.\n\ncommands:\n");
    for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
        put_entry(out, g->name, g->summary, 10);
    }
    pv_buf_c(out, "\noptions of every command:\n");
    put_options(pv_cli_globals, out);
    pv_buf_c(out, "\n`provost COMMAND --help` says more; provost(1) has all of it.\n");
}

void pv_cli_help_group(const struct pv_cli_group *group, struct pv_buf *out)
{
    pv_cli_usage(group, NULL, out);
    pv_buf_printf(out, "\n%s\n\ncommands:\n", group->summary);
    size_t width = 0;
    for (const struct pv_cli_command *c = group->commands; c->name != NULL; c++) {
        size_t len = strlen(c->name) + strlen(c->args) + 1;
        width = len > width ? len : width;
    }
    for (const struct pv_cli_command *c = group->commands; c->name != NULL; c++) {
        char name[160];
        struct pv_str parts[] = {pv_str(c->name), PV_STR(" "), pv_str(c->args)};
        size_t used = 0;
        for (size_t i = 0; i < 3; i++) {
            size_t room = sizeof(name) - 1 - used;
            size_t len = parts[i].len < room ? parts[i].len : room;
            memcpy(name + used, parts[i].ptr, len);
            used += len;
        }
        name[used] = '\0';
        put_entry(out, name, c->summary, width);
    }
    pv_buf_printf(out, "\n`provost %s COMMAND --help` says more.\n", group->name);
}

void pv_cli_help_command(const struct pv_cli_group *group, const struct pv_cli_command *command,
                         struct pv_buf *out)
{
    pv_cli_usage(group, command, out);
    pv_buf_printf(out, "\n%s\n", command->summary);
    const char *text = command->details;
    while (text != NULL && *text != '\0') {
        pv_buf_char(out, '\n');
        const char *end = strstr(text, "\n\n");
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        if (text[0] == ' ') { /* an example: as it is */
            pv_buf_put(out, text, len);
            pv_buf_char(out, '\n');
        } else {
            char paragraph[2000];
            len = len < sizeof(paragraph) - 1 ? len : sizeof(paragraph) - 1;
            memcpy(paragraph, text, len);
            paragraph[len] = '\0';
            put_wrapped(out, paragraph, 0, 0);
        }
        text = end != NULL ? end + 2 : NULL;
    }
    if (command->options != NULL) {
        pv_buf_c(out, "\noptions:\n");
        put_options(command->options, out);
    }
    pv_buf_c(out, "\noptions of every command:\n");
    put_options(pv_cli_globals, out);
}

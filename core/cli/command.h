/* SPDX-License-Identifier: Apache-2.0 */
/* The command table: every command of `provost` with its arguments and options, declared as data.
 * Parsing, --help, the man page and docs/cli.md all come from it. Everything is static. */
#ifndef PV_CLI_COMMAND_H
#define PV_CLI_COMMAND_H

#include "core/base/buf.h"

struct pv_cli;

enum pv_option_type {
    PV_OPTION_SWITCH = 0,
    PV_OPTION_TEXT,
    PV_OPTION_NUMBER,   /* min to max */
    PV_OPTION_DURATION, /* "250ms", "30s", "10m"; kept in milliseconds */
};

struct pv_cli_option {
    const char *name;  /* "reason", without dashes */
    const char *value; /* "TEXT", as help shows it; NULL for a switch */
    const char *help;
    enum pv_option_type type;
    char letter; /* 0: none */
    int64_t min; /* numbers */
    int64_t max;
};

struct pv_cli_command {
    const char *name;                    /* "list"; "" when the group is the command ("status") */
    const char *args;                    /* "SERVICE ACTION [KEY=VALUE]..."; "" for none */
    const char *summary;                 /* one line, without a full stop */
    const char *details;                 /* paragraphs separated by an empty line; NULL: none */
    const struct pv_cli_option *options; /* ends with a NULL name; NULL: none */
    int (*run)(struct pv_cli *cli);      /* an enum pv_exit */
};

struct pv_cli_group {
    const char *name;
    const char *summary;
    const struct pv_cli_command *commands; /* ends with a NULL name */
};

/* Ends with a NULL name. */
extern const struct pv_cli_group pv_cli_groups[];
/* Options that every command takes. Ends with a NULL name. */
extern const struct pv_cli_option pv_cli_globals[];

/* What a program's exit status says. */
struct pv_exit_text {
    int status;
    const char *text;
};
extern const struct pv_exit_text pv_cli_exits[]; /* ends with a NULL text */

/* NULL when there is none. */
const struct pv_cli_group *pv_cli_group_find(const char *name);
const struct pv_cli_command *pv_cli_command_find(const struct pv_cli_group *group,
                                                 const char *name);
/* Whether the group is a command of its own (`provost status`). */
bool pv_cli_group_is_command(const struct pv_cli_group *group);

/* How many arguments `args` wants: from *ret_min to *ret_max (SIZE_MAX: any number). */
void pv_cli_arg_counts(const char *args, size_t *ret_min, size_t *ret_max);
/* The word of `args` for the argument at `index` ("SERVICE"), without brackets and dots. */
struct pv_str pv_cli_arg_name(const char *args, size_t index);

/* Appends what --help says. */
void pv_cli_help_all(struct pv_buf *out);
void pv_cli_help_group(const struct pv_cli_group *group, struct pv_buf *out);
void pv_cli_help_command(const struct pv_cli_group *group, const struct pv_cli_command *command,
                         struct pv_buf *out);
/* "usage: provost service act SERVICE ACTION [KEY=VALUE]... [options]\n" */
void pv_cli_usage(const struct pv_cli_group *group, const struct pv_cli_command *command,
                  struct pv_buf *out);

/* docs/man/provost.1 and docs/cli.md. */
void pv_cli_man(const char *version, struct pv_buf *out);
void pv_cli_markdown(struct pv_buf *out);

#endif

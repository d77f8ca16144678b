/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to a command with its options and arguments, all checked. Borrows argv. */
#ifndef PV_CLI_PARSE_H
#define PV_CLI_PARSE_H

#include "core/cli/command.h"

#define PV_CLI_MAX_GIVEN 64

struct pv_cli_given {
    const struct pv_cli_option *option;
    const char *value; /* NULL for a switch */
    int64_t number;    /* numbers; milliseconds of durations */
};

struct pv_cli_args {
    const struct pv_cli_group *group;     /* NULL: `provost` alone, or --version */
    const struct pv_cli_command *command; /* NULL with help: of the group, or of everything */
    struct pv_cli_given given[PV_CLI_MAX_GIVEN];
    size_t given_count;
    const char **args; /* pv_free */
    size_t arg_count;
    bool help;
    bool version;
};

/* PV_EINVAL with the sentence in err; ret_args then still holds what was understood, so that the
 * caller can show the right usage. Always end with pv_cli_args_done. */
int pv_cli_parse(int argc, char **argv, struct pv_cli_args *ret_args,
                 struct pv_err *err) PV_MUST_CHECK;
void pv_cli_args_done(struct pv_cli_args *args);

/* The option that a word is ("--name", "-n") when its value has to be the next word; else NULL. */
const struct pv_cli_option *pv_cli_option_wanting(const struct pv_cli_args *args, const char *word);
/* The last value given for an option; NULL when it was not given. */
const struct pv_cli_given *pv_cli_given(const struct pv_cli_args *args, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that several commands are made of: lists with paging, bodies with a reason, receipts of
 * accepted operations. */
#ifndef PV_CLI_REQUEST_H
#define PV_CLI_REQUEST_H

#include "core/cli/cli.h"

/* Instances, and components of a plan, as the API shows them. */
extern const struct pv_view pv_cli_instance_views[];
extern const struct pv_view pv_cli_component_views[];

/* A query parameter that is taken over from an option. */
struct pv_cli_filter {
    const char *option; /* NULL ends the table */
    const char *param;
};

struct pv_cli_list {
    const char *path;                    /* "/v1/operations", without a query */
    const char *member;                  /* of the answer: "operations" */
    bool by_service;                     /* --service SERVICE narrows it */
    const struct pv_cli_filter *filters; /* NULL: none */
    const struct pv_view *views;
    const char *id;    /* member that --quiet prints: "operation" */
    const char *empty; /* what to say when there is nothing: "no operations" */
};

/* Options of every list: --limit, --after. */
#define PV_CLI_LIST_OPTIONS                                                                        \
    {.name = "limit",                                                                              \
     .value = "N",                                                                                 \
     .type = PV_OPTION_NUMBER,                                                                     \
     .min = 1,                                                                                     \
     .max = 1000,                                                                                  \
     .help = "how many to show at most (50)"},                                                     \
    {                                                                                              \
        .name = "after", .value = "ID", .type = PV_OPTION_TEXT,                                    \
        .help = "go on behind this one: the last page's end names it"                              \
    }

#define PV_CLI_REASON_OPTION                                                                       \
    {                                                                                              \
        .name = "reason", .letter = 'r', .value = "TEXT", .type = PV_OPTION_TEXT,                  \
        .help = "why, for the audit trail; needed"                                                 \
    }

#define PV_CLI_WAIT_OPTION                                                                         \
    {                                                                                              \
        .name = "wait", .letter = 'w', .value = "TIME", .type = PV_OPTION_DURATION,                \
        .help = "wait for the end, at most so long (such as 30s), and exit by the outcome"         \
    }

/* Tables of these alone. */
extern const struct pv_cli_option pv_cli_list_options[];
extern const struct pv_cli_option pv_cli_reason_options[];

/* Fetches a page and prints it. */
int pv_cli_list(struct pv_cli *cli, const struct pv_cli_list *list);
/* A table below what was printed, where there is something to show. title NULL: none. Negative: out
 * of memory. */
int pv_cli_section(struct pv_cli *cli, const char *title, const json_t *items,
                   const struct pv_view *views) PV_MUST_CHECK;

/* "A,B" as a JSON array; NULL: out of memory, or no UTF-8. */
json_t *pv_cli_names(const char *text);

/* {"reason": …}; PV_EXIT_USAGE when --reason was not given. Freed with pv_free. */
int pv_cli_reason_body(const struct pv_cli *cli, char **ret_body) PV_MUST_CHECK;

/* POST of a body (NULL: none), as pv_cli_call; the daemon may take wait_s. */
int pv_cli_post(struct pv_cli *cli, const char *path, const char *body, int64_t wait_s,
                struct pv_answer *ret_answer) PV_MUST_CHECK;
/* What the first argument of a command names. */
struct pv_cli_target {
    const char *folder; /* "/v1/instances/" */
    const char *word;   /* of the argument in the command's usage: "INSTANCE" */
};
/* "/v1/instances/NAME/TAIL" of the first argument. An exit status; pv_buf_done in any case. */
int pv_cli_target_path(struct pv_cli *cli, const struct pv_cli_target *target, const char *tail,
                       struct pv_buf *ret_path) PV_MUST_CHECK;
/* POST to the route of the target that is named as the command is. */
int pv_cli_target_post(struct pv_cli *cli, const struct pv_cli_target *target, const char *body,
                       int64_t wait_s, struct pv_answer *ret_answer) PV_MUST_CHECK;
/* The same with the reason as its body; then says "NAME SAID". */
int pv_cli_target_act(struct pv_cli *cli, const struct pv_cli_target *target, const char *said);
/* POST of a body, which is released, for a token that is shown once: prints it alone. */
int pv_cli_post_for_token(struct pv_cli *cli, const char *path, char *body,
                          struct pv_answer *ret_answer) PV_MUST_CHECK;

/* Prints what became of accepted operations (one receipt, or {"operations": […]}), waits for their
 * ends when --wait is given, and returns the exit status: of the worst one. */
int pv_cli_receipts(struct pv_cli *cli, const json_t *answer);

/* Follows one operation to its end, at most timeout_ms (0: for ever), showing what happens when
 * `show`. The exit status is the operation's. */
int pv_cli_follow(struct pv_cli *cli, const char *operation, int64_t timeout_ms, bool show);

#endif

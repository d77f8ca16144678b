/* SPDX-License-Identifier: Apache-2.0 */
/* What a command of `provost` works with: its arguments, where it prints, the daemon's client. One
 * thread, one command a process. */
#ifndef PV_CLI_CLI_H
#define PV_CLI_CLI_H

#include "core/base/id.h"
#include "core/cli/client.h"
#include "core/cli/out.h"
#include "core/cli/parse.h"

enum pv_exit {
    PV_EXIT_OK = 0,
    PV_EXIT_FAILED = 1,
    PV_EXIT_USAGE = 2,
    PV_EXIT_UNREACHABLE = 3,
    PV_EXIT_NOT_FOUND = 4,
    PV_EXIT_NEEDS_OPERATOR = 5,
    PV_EXIT_UNFINISHED = 6,
    PV_EXIT_CANCELED = 7,
    PV_EXIT_BUSY = 8,
};

struct pv_cli {
    struct pv_cli_args args;
    struct pv_out out;
    struct pv_client *client; /* made by the first call */
};

/* Prints "provost: …" on standard error; returns `status`. */
int pv_cli_fail(const struct pv_cli *cli, int status, const char *fmt, ...) PV_PRINTF(3, 4);
/* The same for a struct pv_err: PV_ENOTFOUND is PV_EXIT_NOT_FOUND, everything else
 * PV_EXIT_FAILED. */
int pv_cli_fail_err(const struct pv_cli *cli, const struct pv_err *err);

/* The value of an option; NULL, false or `fallback` when it was not given. */
const char *pv_cli_text(const struct pv_cli *cli, const char *option);
bool pv_cli_on(const struct pv_cli *cli, const char *option);
int64_t pv_cli_number(const struct pv_cli *cli, const char *option, int64_t fallback);
/* The argument at an index; NULL when it was left out. */
const char *pv_cli_arg(const struct pv_cli *cli, size_t index);

/* Reads a whole file, or standard input when path is "-". The text is freed with pv_free. */
int pv_cli_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len,
                struct pv_err *err) PV_MUST_CHECK;

/* ---- Calls of the daemon ---- */

/* Calls the daemon. PV_EXIT_OK: *ret_answer holds an answer of 2xx, and with --json its body has
 * been printed (not with --wait: the command prints what came of it). Otherwise the reason has been
 * printed and the exit status is returned; nothing is left to free. */
int pv_cli_call(struct pv_cli *cli, const struct pv_client_request *request,
                struct pv_answer *ret_answer) PV_MUST_CHECK;
/* The same without printing a body of 2xx. */
int pv_cli_ask(struct pv_cli *cli, const struct pv_client_request *request,
               struct pv_answer *ret_answer) PV_MUST_CHECK;

/* Calls the daemon and prints nothing. 0: an answer of any status came. */
int pv_cli_try(struct pv_cli *cli, const struct pv_client_request *request,
               struct pv_answer *ret_answer, struct pv_err *err) PV_MUST_CHECK;

/* "svc_…", or SOURCE/EXTERNAL_ID looked up at the daemon. Returns an exit status. */
int pv_cli_service_id(struct pv_cli *cli, const char *given, char out[PV_ID_TEXT]) PV_MUST_CHECK;
/* Checks the form of an operation's id. Returns an exit status. */
int pv_cli_operation_id(struct pv_cli *cli, const char *given) PV_MUST_CHECK;
/* The exit status that an operation's state amounts to. */
int pv_cli_state_exit(const char *state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand at the end of an unfinished command line, for the shells (dist/completion). */
#ifndef PV_CLI_COMPLETE_H
#define PV_CLI_COMPLETE_H

#include "core/cli/cli.h"

/* argv: the words after `provost`, the last of them being written ("" when a new one begins).
 * Appends a line for each that fits: "WORD\tWHAT IT IS\n"; or ":files\n" where the name of a file
 * is wanted. Names of instances, services, operations and tokens are asked of the daemon, if it
 * answers. */
void pv_cli_complete(int argc, char **argv, struct pv_buf *out);

#endif

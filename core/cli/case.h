/* SPDX-License-Identifier: Apache-2.0 */
/* What a case of `provost plugin test` may say; docs/plugin-testing.md describes it. What it may
 * not is told in sentences that are appended to an array. Any thread. */
#ifndef PV_CLI_CASE_H
#define PV_CLI_CASE_H

#include "core/base/str.h"

#include <jansson.h>

void pv_case_complain(json_t *problems, const char *fmt, ...) PV_PRINTF(2, 3);
/* Whether every member of an operation is known and of its type. */
bool pv_case_check_operation(const json_t *operation, json_t *problems);
/* The same for what stands beside a list of operations. */
bool pv_case_check(const json_t *whole, json_t *problems);
/* enum pv_call_kind of the operation's `call`; -1: none, or an unknown one. */
int pv_case_call(const json_t *operation);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Expected JSON against what came: with names to be filled in, and a wildcard. Any thread. */
#ifndef PV_CLI_MATCH_H
#define PV_CLI_MATCH_H

#include "core/base/buf.h"

#include <jansson.h>

/* A name that texts may hold as {{name}}, and what stands for it. */
struct pv_match_name {
    const char *name;
    const char *value;
};

/* A copy of value in which every {{name}} of the table (ends with a NULL name) is filled in;
 * {{any}} stays. NULL: out of memory. */
json_t *pv_match_fill(const json_t *value, const struct pv_match_name *names);
/* Whether actual is what was expected: equal, where the text "{{any}}" equals everything (also a
 * member that is there, whatever it is). Otherwise appends where and how it differs to `why`:
 * "/a/0: expected 1, got 2". */
bool pv_match(const json_t *expected, const json_t *actual, struct pv_buf *why);

#endif

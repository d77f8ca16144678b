/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of fields: POSIX extended regular expressions that a plugin declares. */
#ifndef PV_CONFIG_PATTERN_H
#define PV_CONFIG_PATTERN_H

#include "core/base/str.h"

/* Whether the pattern stays small when it is compiled: at most 10,000 copies of what it repeats,
 * and groups within groups to a depth of 31. It need not be well-formed. */
bool pv_pattern_is_small(struct pv_str pattern);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether bytes are JSON: for what a host sends and others are shown as it is. Allocates nothing.
 * Any thread. */
#ifndef PV_BASE_JSONTEXT_H
#define PV_BASE_JSONTEXT_H

#include "core/base/str.h"

#define PV_JSON_TEXT_DEPTH 64

/* One value and nothing else: UTF-8, nested PV_JSON_TEXT_DEPTH deep at most, no NUL and no half of
 * a surrogate pair in a string. Keys that stand twice, and numbers of any size, pass. */
bool pv_json_text_valid(struct pv_str text);

#endif

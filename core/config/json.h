/* SPDX-License-Identifier: Apache-2.0 */
/* jansson values into buffers and arenas: compact, keys sorted, so that equal values are equal
 * texts. One thread at a time. */
#ifndef PV_CONFIG_JSON_H
#define PV_CONFIG_JSON_H

#include "core/base/arena.h"
#include "core/base/buf.h"

#include <jansson.h>

/* Appends; the buffer's status says whether it fitted. */
int pv_json_put(struct pv_buf *out, const json_t *json);
/* None when out of memory. */
struct pv_str pv_json_copy(struct pv_arena *arena, const json_t *json);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* jansson values into buffers and arenas: compact, keys sorted, so that equal values are equal
 * texts. And reading them, so that a lack of memory is never taken for something else. Any thread;
 * a value, one thread at a time. */
#ifndef PV_JSON_JSON_H
#define PV_JSON_JSON_H

#include "core/base/arena.h"
#include "core/base/buf.h"

#include <jansson.h>

/* Appends; the buffer's status says whether it fitted. */
int pv_json_put(struct pv_buf *out, const json_t *json);
/* The same with members in the order they were given in, which a plugin may send on. */
int pv_json_put_in_order(struct pv_buf *out, const json_t *json);
/* None when out of memory. */
struct pv_str pv_json_copy(struct pv_arena *arena, const json_t *json);

/* Once a process, before the first jansson value: has jansson use core's allocator, and notes when
 * that fails, which jansson itself may report as a syntax error. */
void pv_json_setup(void);
/* Parses. PV_EINVAL with jansson's sentence in err, or PV_ENOMEM. The caller's reference. */
int pv_json_load(struct pv_str text, size_t flags, json_t **ret_json,
                 struct pv_err *err) PV_MUST_CHECK;

#endif

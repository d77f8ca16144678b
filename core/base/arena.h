/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once: results of a request, the pieces of a parsed message. One
 * thread at a time. */
#ifndef PV_BASE_ARENA_H
#define PV_BASE_ARENA_H

#include "core/base/str.h"

struct pv_arena_block;

struct pv_arena {
    struct pv_arena_block *first;
};

void pv_arena_init(struct pv_arena *arena);
/* Frees every piece; the arena can be used again. */
void pv_arena_done(struct pv_arena *arena);
/* Zeroed, aligned for any type; NULL when out of memory. */
void *pv_arena_alloc(struct pv_arena *arena, size_t size);
/* A copy with a NUL behind it. A failure gives {NULL, 0} for a non-empty string; the empty string
 * gives {"", 0}. */
struct pv_str pv_arena_copy(struct pv_arena *arena, struct pv_str s);

#endif

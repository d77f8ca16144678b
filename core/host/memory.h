/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that lives as long as one call of a plugin function. One thread at a time. */
#ifndef PV_HOST_MEMORY_H
#define PV_HOST_MEMORY_H

#include "core/base/str.h"

struct pv_memory_chunk;

struct pv_memory {
    struct pv_memory_chunk *first;
    size_t held; /* bytes, adopted memory included */
    size_t cap;
};

void pv_memory_init(struct pv_memory *memory, size_t cap);
void pv_memory_done(struct pv_memory *memory);
/* Aligned for anything; not zeroed. NULL when out of memory or over the cap. */
void *pv_memory_alloc(struct pv_memory *memory, size_t size);
/* A copy with a NUL. */
char *pv_memory_str(struct pv_memory *memory, struct pv_str s);
/* Takes memory of pv_malloc; size counts against the cap. On failure ptr stays the caller's. */
int pv_memory_adopt(struct pv_memory *memory, void *ptr, size_t size) PV_MUST_CHECK;

#endif

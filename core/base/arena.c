/* SPDX-License-Identifier: Apache-2.0 */
/* Arena: a chain of blocks, each at least as large as what did not fit into the last. */
#include "core/base/arena.h"

#include "core/base/alloc.h"

#include <stdalign.h>
#include <string.h>

#define BLOCK_BYTES 2048u

struct pv_arena_block {
    struct pv_arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void pv_arena_init(struct pv_arena *arena)
{
    arena->first = NULL;
}

void pv_arena_done(struct pv_arena *arena)
{
    struct pv_arena_block *block = arena->first;
    while (block) {
        struct pv_arena_block *next = block->next;
        pv_free(block);
        block = next;
    }
    arena->first = NULL;
}

void *pv_arena_alloc(struct pv_arena *arena, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (need < size) {
        return NULL;
    }
    struct pv_arena_block *block = arena->first;
    if (!block || block->size - block->used < need) {
        size_t bytes = need > BLOCK_BYTES ? need : BLOCK_BYTES;
        if (bytes > SIZE_MAX - sizeof(*block)) {
            return NULL;
        }
        block = pv_malloc(sizeof(*block) + bytes);
        if (!block) {
            return NULL;
        }
        block->used = 0;
        block->size = bytes;
        block->next = arena->first;
        arena->first = block;
    }
    void *out = block->bytes + block->used;
    block->used += need;
    return memset(out, 0, size);
}

struct pv_str pv_arena_copy(struct pv_arena *arena, struct pv_str s)
{
    char *copy = pv_arena_alloc(arena, s.len + 1);
    if (!copy) {
        return (struct pv_str){NULL, 0};
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return (struct pv_str){copy, s.len};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A list of chunks, the newest first; big pieces get a chunk of their own. Secrets pass through
 * here, so everything is wiped before it is freed. */
#include "core/host/memory.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <string.h>

/* Of chunks: what a small call needs, then twice as much each time. Thousands of calls wait at
 * once. */
#define CHUNK_LEAST 1024u
#define CHUNK_MOST 4096u
#define ALIGN 16u

struct pv_memory_chunk {
    struct pv_memory_chunk *next;
    void *adopted; /* freed with the chunk */
    size_t adopted_size;
    size_t size; /* of bytes */
    size_t used;
    _Alignas(ALIGN) char bytes[];
};

void pv_memory_init(struct pv_memory *memory, size_t cap)
{
    *memory = (struct pv_memory){.cap = cap};
}

void pv_memory_done(struct pv_memory *memory)
{
    struct pv_memory_chunk *chunk = memory->first;
    while (chunk != NULL) {
        struct pv_memory_chunk *next = chunk->next;
        if (chunk->adopted != NULL) {
            pv_wipe(chunk->adopted, chunk->adopted_size);
            pv_free(chunk->adopted);
        }
        pv_wipe(chunk->bytes, chunk->used);
        pv_free(chunk);
        chunk = next;
    }
    pv_memory_init(memory, memory->cap);
}

static struct pv_memory_chunk *add_chunk(struct pv_memory *memory, size_t size, size_t counted)
{
    if (counted > memory->cap - memory->held) {
        return NULL;
    }
    struct pv_memory_chunk *chunk = pv_malloc(sizeof(*chunk) + size);
    if (chunk == NULL) {
        return NULL;
    }
    *chunk = (struct pv_memory_chunk){.next = memory->first, .size = size};
    memory->first = chunk;
    memory->held += counted;
    return chunk;
}

static size_t next_bytes(const struct pv_memory_chunk *newest)
{
    size_t bytes = newest != NULL ? 2 * newest->size : CHUNK_LEAST;
    return bytes < CHUNK_LEAST ? CHUNK_LEAST : bytes > CHUNK_MOST ? CHUNK_MOST : bytes;
}

void *pv_memory_alloc(struct pv_memory *memory, size_t size)
{
    if (size > memory->cap) {
        return NULL;
    }
    size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct pv_memory_chunk *chunk = memory->first;
    if (chunk == NULL || chunk->size - chunk->used < need) {
        size_t next = next_bytes(chunk);
        size_t bytes = need > next ? need : next;
        chunk = add_chunk(memory, bytes, bytes);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *ptr = chunk->bytes + chunk->used;
    chunk->used += need;
    return ptr;
}

char *pv_memory_str(struct pv_memory *memory, struct pv_str s)
{
    char *copy = pv_memory_alloc(memory, s.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

int pv_memory_adopt(struct pv_memory *memory, void *ptr, size_t size)
{
    struct pv_memory_chunk *chunk = add_chunk(memory, 0, size);
    if (chunk == NULL) {
        return PV_ENOMEM;
    }
    chunk->adopted = ptr;
    chunk->adopted_size = size;
    return 0;
}

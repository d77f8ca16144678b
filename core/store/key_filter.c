/* SPDX-License-Identifier: Apache-2.0 */
/* One block for each key, by the first half of its hash; six bits in it, by the second. */
#include "core/store/key_filter.h"

#include "core/base/alloc.h"

#include <string.h>

#define BLOCK_WORDS 8u
#define BLOCK_BYTES (BLOCK_WORDS * sizeof(uint64_t))
#define LEAST_KEYS 65536u
#define MOST_KEYS (8u << 20)
#define BITS 6

int pv_filter_start(struct pv_key_filter *filter, size_t keys)
{
    size_t bytes = LEAST_KEYS;
    while (bytes < keys && bytes < MOST_KEYS) {
        bytes *= 2;
    }
    pv_filter_done(filter);
    filter->words = pv_calloc(bytes / sizeof(uint64_t), sizeof(uint64_t));
    if (!filter->words) {
        return PV_ENOMEM;
    }
    filter->blocks = bytes / BLOCK_BYTES;
    filter->whole = false;
    return PV_OK;
}

void pv_filter_done(struct pv_key_filter *filter)
{
    pv_free(filter->words);
    *filter = (struct pv_key_filter){.whole = true};
}

static uint64_t *block_of(const struct pv_key_filter *filter, const struct pv_tail_key *key,
                          uint64_t *ret_bits)
{
    uint64_t first = 0;
    memcpy(&first, key->b + 1, sizeof(first));
    memcpy(ret_bits, key->b + 1 + sizeof(first), sizeof(*ret_bits));
    size_t block = (size_t)((first + key->b[0]) * 0x9e3779b97f4a7c15u >> 20) & (filter->blocks - 1);
    return filter->words + block * BLOCK_WORDS;
}

void pv_filter_add(struct pv_key_filter *filter, const struct pv_tail_key *key)
{
    if (!filter->words) {
        return;
    }
    uint64_t bits = 0;
    uint64_t *block = block_of(filter, key, &bits);
    for (int i = 0; i < BITS; i++, bits >>= 9) {
        block[bits >> 6 & (BLOCK_WORDS - 1)] |= (uint64_t)1 << (bits & 63);
    }
    filter->count++;
}

bool pv_filter_may_have(const struct pv_key_filter *filter, const struct pv_tail_key *key)
{
    if (!filter->words || !filter->whole) {
        return true;
    }
    uint64_t bits = 0;
    const uint64_t *block = block_of(filter, key, &bits);
    for (int i = 0; i < BITS; i++, bits >>= 9) {
        if ((block[bits >> 6 & (BLOCK_WORDS - 1)] >> (bits & 63) & 1) == 0) {
            return false;
        }
    }
    return true;
}

bool pv_filter_is_full(const struct pv_key_filter *filter)
{
    size_t room = filter->blocks * BLOCK_BYTES;
    return filter->words && filter->count > room && room < MOST_KEYS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* An array in order of arrival, and a table with linear probing over it. Entries leave from the end
 * in reverse order, which such a table allows without marks, or all together from the front. */
#include "core/store/key_tail.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 1024u

void pv_tail_init(struct pv_key_tail *tail)
{
    *tail = (struct pv_key_tail){.first_n = 1};
}

void pv_tail_done(struct pv_key_tail *tail)
{
    pv_free(tail->entries);
    pv_free(tail->slots);
    pv_free(tail->order);
    pv_tail_init(tail);
}

struct pv_tail_key pv_tail_key(int kind, struct pv_id id)
{
    struct pv_tail_key key;
    key.b[0] = (uint8_t)kind;
    memcpy(key.b + 1, id.b, sizeof(id.b));
    return key;
}

/* Where the key stands, or the free slot where it would. The keys are hashes already. */
static size_t probe(const struct pv_key_tail *tail, const struct pv_tail_key *key)
{
    uint64_t hash = 0;
    memcpy(&hash, key->b + 1, sizeof(hash));
    size_t at = (hash + key->b[0]) & (tail->slot_count - 1);
    while (tail->slots[at] != 0 &&
           memcmp(tail->entries[tail->slots[at] - 1].key.b, key->b, sizeof(key->b)) != 0) {
        at = (at + 1) & (tail->slot_count - 1);
    }
    return at;
}

bool pv_tail_find(const struct pv_key_tail *tail, const struct pv_tail_key *key, int64_t *ret_value)
{
    if (tail->count == 0) {
        return false;
    }
    uint32_t place = tail->slots[probe(tail, key)];
    if (place == 0) {
        return false;
    }
    *ret_value = tail->entries[place - 1].value;
    return true;
}

static void rebuild(struct pv_key_tail *tail)
{
    memset(tail->slots, 0, tail->slot_count * sizeof(*tail->slots));
    for (size_t i = 0; i < tail->count; i++) {
        tail->slots[probe(tail, &tail->entries[i].key)] = (uint32_t)i + 1;
    }
}

int pv_tail_reserve(struct pv_key_tail *tail)
{
    if (tail->count < tail->size) {
        return PV_OK;
    }
    size_t size = tail->size ? tail->size * 2 : FIRST_SIZE;
    struct pv_tail_entry *entries = pv_reallocarray(tail->entries, size, sizeof(*entries));
    if (!entries) {
        return PV_ENOMEM;
    }
    tail->entries = entries;
    uint32_t *slots = pv_calloc(size * 2, sizeof(*slots));
    if (!slots) {
        return PV_ENOMEM; /* there is room in entries then, but size does not say so */
    }
    pv_free(tail->slots);
    tail->slots = slots;
    tail->slot_count = size * 2;
    tail->size = size;
    rebuild(tail);
    return PV_OK;
}

void pv_tail_add(struct pv_key_tail *tail, const struct pv_tail_key *key, int64_t value)
{
    size_t at = probe(tail, key);
    tail->entries[tail->count] = (struct pv_tail_entry){*key, value};
    tail->count++;
    if (tail->slots[at] == 0) {
        tail->slots[at] = (uint32_t)tail->count;
    }
}

void pv_tail_cut(struct pv_key_tail *tail, size_t count)
{
    while (tail->count > count) {
        size_t at = probe(tail, &tail->entries[tail->count - 1].key);
        if (tail->slots[at] == tail->count) {
            tail->slots[at] = 0;
        }
        tail->count--;
    }
}

static int by_key(const void *a, const void *b, void *user)
{
    const struct pv_tail_entry *entries = user;
    return memcmp(entries[*(const uint32_t *)a].key.b, entries[*(const uint32_t *)b].key.b,
                  sizeof(entries[0].key.b));
}

int pv_tail_merge(struct pv_key_tail *tail, size_t count)
{
    uint32_t *order = pv_calloc(count, sizeof(*order));
    if (!order) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, count, sizeof(*order), by_key, tail->entries);
    tail->order = order;
    tail->merge_count = count;
    tail->merged = 0;
    return PV_OK;
}

void pv_tail_merge_end(struct pv_key_tail *tail)
{
    size_t gone = tail->merge_count;
    memmove(tail->entries, tail->entries + gone, (tail->count - gone) * sizeof(*tail->entries));
    tail->count -= gone;
    tail->first_n += (int64_t)gone;
    pv_free(tail->order);
    tail->order = NULL;
    tail->merge_count = 0;
    tail->merged = 0;
    rebuild(tail);
}

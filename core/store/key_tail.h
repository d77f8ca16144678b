/* SPDX-License-Identifier: Apache-2.0 */
/* The newest keys (of events and services) in memory. Keys are hashes, so that each would dirty a
 * page of its own in an index on disk; here they wait, beside an append-only log of them, until a
 * few ten thousand can be merged into the index in its order. One thread. */
#ifndef PV_STORE_KEY_TAIL_H
#define PV_STORE_KEY_TAIL_H

#include "core/base/id.h"

struct pv_tail_key {
    uint8_t b[17]; /* the kind, and the hash */
};

/* Packed: there are some hundred thousand of them. */
struct __attribute__((packed)) pv_tail_entry {
    struct pv_tail_key key;
    int64_t value;
};

struct pv_key_tail {
    struct pv_tail_entry *entries; /* in the order in which they came */
    size_t count;
    size_t size;
    uint32_t *slots; /* hash table of places in entries, from 1; 0: free */
    size_t slot_count;
    int64_t first_n; /* number of entries[0] in the log */
    uint32_t *order; /* the merge under way: places of the first merge_count, by key */
    size_t merge_count;
    size_t merged; /* of those */
};

void pv_tail_init(struct pv_key_tail *tail);
void pv_tail_done(struct pv_key_tail *tail);
struct pv_tail_key pv_tail_key(int kind, struct pv_id id);
/* false: not in here. */
bool pv_tail_find(const struct pv_key_tail *tail, const struct pv_tail_key *key,
                  int64_t *ret_value);
/* Makes room, so that pv_tail_add cannot fail. */
int pv_tail_reserve(struct pv_key_tail *tail) PV_MUST_CHECK;
void pv_tail_add(struct pv_key_tail *tail, const struct pv_tail_key *key, int64_t value);
/* Forgets the newest, down to `count`. */
void pv_tail_cut(struct pv_key_tail *tail, size_t count);
/* Begins to merge the first `count`. */
int pv_tail_merge(struct pv_key_tail *tail, size_t count) PV_MUST_CHECK;
/* The merge is durable: forgets what was merged. */
void pv_tail_merge_end(struct pv_key_tail *tail);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys the index cannot have, in a byte a key: a Bloom filter of blocks of one cache line.
 * New events and services are looked up before they are added, and are not there; the filter knows
 * that of some 97 in 100 without reading a page of the index. One thread. */
#ifndef PV_STORE_KEY_FILTER_H
#define PV_STORE_KEY_FILTER_H

#include "core/store/key_tail.h"

struct pv_key_filter {
    uint64_t *words; /* NULL: none, everything may be there */
    size_t blocks;   /* of eight words; a power of two */
    size_t count;    /* keys added */
    bool whole; /* everything that the index has was added; until then everything may be there */
    struct pv_tail_key at; /* up to here the index was read */
};

/* Empty, with room for so many keys (at least 65,536, at most 8 million: with more it knows less).
 */
int pv_filter_start(struct pv_key_filter *filter, size_t keys) PV_MUST_CHECK;
void pv_filter_done(struct pv_key_filter *filter);
void pv_filter_add(struct pv_key_filter *filter, const struct pv_tail_key *key);
/* False: it is not there. */
bool pv_filter_may_have(const struct pv_key_filter *filter, const struct pv_tail_key *key);
/* Holds more than it has room for, and could have more room. */
bool pv_filter_is_full(const struct pv_key_filter *filter);

#endif

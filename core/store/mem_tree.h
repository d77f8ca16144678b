/* SPDX-License-Identifier: Apache-2.0 */
/* An ordered map from byte strings to owned blocks of memory, with a log that can undo what was
 * done since a mark. The whole of the memory store lives in one. One thread. */
#ifndef PV_STORE_MEM_TREE_H
#define PV_STORE_MEM_TREE_H

#include "core/base/str.h"

#define PV_KEY_BYTES 900

/* A key whose bytes sort as its parts do. */
struct pv_key {
    size_t len;
    bool cut; /* it did not fit */
    uint8_t b[PV_KEY_BYTES];
};

void pv_key_u8(struct pv_key *key, uint8_t v);
void pv_key_i64(struct pv_key *key, int64_t v);
void pv_key_bytes(struct pv_key *key, const void *bytes, size_t len); /* of a fixed length */
void pv_key_str(struct pv_key *key, struct pv_str s);

struct pv_tree_node;

struct pv_tree_change {
    struct pv_tree_node *added;
    struct pv_tree_node *removed;
};

#define PV_TREE_LEVELS 20

struct pv_tree {
    struct pv_tree_node *head[PV_TREE_LEVELS];
    uint64_t seed;
    struct pv_tree_change *log;
    size_t log_count;
    size_t log_size;
};

void pv_tree_init(struct pv_tree *tree);
void pv_tree_done(struct pv_tree *tree);
/* Takes `value` (pv_malloc'ed, or NULL), also when it fails; replaces what was there. */
int pv_tree_put(struct pv_tree *tree, const struct pv_key *key, void *value) PV_MUST_CHECK;
/* PV_ENOTFOUND when there is none. */
int pv_tree_del(struct pv_tree *tree, const struct pv_key *key) PV_MUST_CHECK;
struct pv_tree_node *pv_tree_get(const struct pv_tree *tree, const struct pv_key *key);
/* The first node whose key is not below `key`, and the last that is below it; NULL: none. */
struct pv_tree_node *pv_tree_seek(const struct pv_tree *tree, const struct pv_key *key);
struct pv_tree_node *pv_tree_before(const struct pv_tree *tree, const struct pv_key *key);
struct pv_tree_node *pv_tree_next(const struct pv_tree_node *node);
/* Whether the node's key starts with these bytes; false for NULL. */
bool pv_tree_under(const struct pv_tree_node *node, const struct pv_key *prefix);
void *pv_tree_value(const struct pv_tree_node *node);
/* The key's bytes; borrowed. */
struct pv_str pv_tree_key(const struct pv_tree_node *node);

/* What was changed since the log had `to` entries is undone; cannot fail. */
void pv_tree_rollback(struct pv_tree *tree, size_t to);
/* What was changed stays. */
void pv_tree_commit(struct pv_tree *tree);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered map: a skip list. A removed node stays in the log until the commit, so that undoing
 * allocates nothing. */
#include "core/store/mem_tree.h"

#include "core/base/alloc.h"

#include <string.h>

struct pv_tree_node {
    void *value;
    size_t key_len;
    uint8_t *key; /* behind next[] */
    unsigned levels;
    struct pv_tree_node *next[];
};

void pv_key_bytes(struct pv_key *key, const void *bytes, size_t len)
{
    if (len > sizeof(key->b) - key->len) {
        key->cut = true;
        return;
    }
    if (len > 0) {
        memcpy(key->b + key->len, bytes, len);
        key->len += len;
    }
}

void pv_key_u8(struct pv_key *key, uint8_t v)
{
    pv_key_bytes(key, &v, 1);
}

void pv_key_i64(struct pv_key *key, int64_t v)
{
    uint64_t u = (uint64_t)v ^ (UINT64_C(1) << 63);
    uint8_t b[8];
    for (int i = 0; i < 8; i++) {
        b[i] = (uint8_t)(u >> (56 - 8 * i));
    }
    pv_key_bytes(key, b, sizeof(b));
}

void pv_key_str(struct pv_key *key, struct pv_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        pv_key_u8(key, (uint8_t)s.ptr[i]);
        if (s.ptr[i] == '\0') {
            pv_key_u8(key, 0xFF);
        }
    }
    pv_key_u8(key, 0);
    pv_key_u8(key, 1);
}

void pv_tree_init(struct pv_tree *tree)
{
    *tree = (struct pv_tree){.seed = 1};
}

static void node_free(struct pv_tree_node *node)
{
    if (node) {
        pv_free(node->value);
        pv_free(node);
    }
}

void pv_tree_done(struct pv_tree *tree)
{
    pv_tree_commit(tree);
    struct pv_tree_node *node = tree->head[0];
    while (node) {
        struct pv_tree_node *next = node->next[0];
        node_free(node);
        node = next;
    }
    pv_free(tree->log);
    pv_tree_init(tree);
}

static int compare(const struct pv_tree_node *node, const uint8_t *key, size_t len)
{
    size_t least = node->key_len < len ? node->key_len : len;
    int order = memcmp(node->key, key, least);
    if (order == 0 && node->key_len != len) {
        order = node->key_len < len ? -1 : 1;
    }
    return order;
}

/* For each level the link that leads to the first node not below the key. */
static struct pv_tree_node *descend(const struct pv_tree *tree, const uint8_t *key, size_t len,
                                    struct pv_tree_node *before[PV_TREE_LEVELS])
{
    struct pv_tree_node *at = NULL; /* NULL: the head */
    for (unsigned level = PV_TREE_LEVELS; level-- > 0;) {
        struct pv_tree_node *next = at ? at->next[level] : tree->head[level];
        while (next && compare(next, key, len) < 0) {
            at = next;
            next = at->next[level];
        }
        before[level] = at;
    }
    return at ? at->next[0] : tree->head[0];
}

static void link_node(struct pv_tree *tree, struct pv_tree_node *node)
{
    struct pv_tree_node *before[PV_TREE_LEVELS];
    descend(tree, node->key, node->key_len, before);
    for (unsigned level = 0; level < node->levels; level++) {
        struct pv_tree_node **from =
            before[level] ? &before[level]->next[level] : &tree->head[level];
        node->next[level] = *from;
        *from = node;
    }
}

static void unlink_node(struct pv_tree *tree, struct pv_tree_node *node)
{
    struct pv_tree_node *before[PV_TREE_LEVELS];
    descend(tree, node->key, node->key_len, before);
    for (unsigned level = 0; level < node->levels; level++) {
        struct pv_tree_node **from =
            before[level] ? &before[level]->next[level] : &tree->head[level];
        *from = node->next[level];
    }
}

struct pv_tree_node *pv_tree_seek(const struct pv_tree *tree, const struct pv_key *key)
{
    struct pv_tree_node *before[PV_TREE_LEVELS];
    return descend(tree, key->b, key->len, before);
}

struct pv_tree_node *pv_tree_before(const struct pv_tree *tree, const struct pv_key *key)
{
    struct pv_tree_node *before[PV_TREE_LEVELS];
    descend(tree, key->b, key->len, before);
    return before[0];
}

struct pv_tree_node *pv_tree_get(const struct pv_tree *tree, const struct pv_key *key)
{
    struct pv_tree_node *node = pv_tree_seek(tree, key);
    return node && compare(node, key->b, key->len) == 0 ? node : NULL;
}

struct pv_tree_node *pv_tree_next(const struct pv_tree_node *node)
{
    return node->next[0];
}

bool pv_tree_under(const struct pv_tree_node *node, const struct pv_key *prefix)
{
    return node && node->key_len >= prefix->len && memcmp(node->key, prefix->b, prefix->len) == 0;
}

void *pv_tree_value(const struct pv_tree_node *node)
{
    return node->value;
}

struct pv_str pv_tree_key(const struct pv_tree_node *node)
{
    return (struct pv_str){(const char *)node->key, node->key_len};
}

static struct pv_tree_node *node_new(struct pv_tree *tree, const struct pv_key *key, void *value)
{
    unsigned levels = 1;
    tree->seed = tree->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    for (uint64_t bits = tree->seed >> 24; (bits & 3) == 0 && levels < PV_TREE_LEVELS; bits >>= 2) {
        levels++;
    }
    struct pv_tree_node *node =
        pv_malloc(sizeof(*node) + levels * sizeof(struct pv_tree_node *) + key->len);
    if (!node) {
        return NULL;
    }
    node->value = value;
    node->levels = levels;
    node->key = (uint8_t *)&node->next[levels];
    node->key_len = key->len;
    memcpy(node->key, key->b, key->len);
    return node;
}

static int log_room(struct pv_tree *tree)
{
    if (tree->log_count < tree->log_size) {
        return PV_OK;
    }
    size_t size = tree->log_size ? tree->log_size * 2 : 32;
    struct pv_tree_change *log = pv_reallocarray(tree->log, size, sizeof(*log));
    if (!log) {
        return PV_ENOMEM;
    }
    tree->log = log;
    tree->log_size = size;
    return PV_OK;
}

static void change(struct pv_tree *tree, struct pv_tree_node *added, struct pv_tree_node *removed)
{
    if (removed) {
        unlink_node(tree, removed);
    }
    if (added) {
        link_node(tree, added);
    }
    tree->log[tree->log_count++] = (struct pv_tree_change){added, removed};
}

int pv_tree_put(struct pv_tree *tree, const struct pv_key *key, void *value)
{
    int status = key->cut ? PV_ETOOBIG : log_room(tree);
    struct pv_tree_node *node = status ? NULL : node_new(tree, key, value);
    if (!node) {
        pv_free(value);
        return status ? status : PV_ENOMEM;
    }
    change(tree, node, pv_tree_get(tree, key));
    return PV_OK;
}

int pv_tree_del(struct pv_tree *tree, const struct pv_key *key)
{
    struct pv_tree_node *node = pv_tree_get(tree, key);
    if (!node) {
        return PV_ENOTFOUND;
    }
    int status = log_room(tree);
    if (!status) {
        change(tree, NULL, node);
    }
    return status;
}

void pv_tree_rollback(struct pv_tree *tree, size_t to)
{
    while (tree->log_count > to) {
        struct pv_tree_change last = tree->log[--tree->log_count];
        if (last.added) {
            unlink_node(tree, last.added);
            node_free(last.added);
        }
        if (last.removed) {
            link_node(tree, last.removed);
        }
    }
}

void pv_tree_commit(struct pv_tree *tree)
{
    for (size_t i = 0; i < tree->log_count; i++) {
        node_free(tree->log[i].removed);
    }
    tree->log_count = 0;
}

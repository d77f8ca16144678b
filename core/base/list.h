/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive containers: a doubly linked list, a hash table keyed by bytes, a binary heap. They
 * own no elements. One thread at a time. */
#ifndef PV_BASE_LIST_H
#define PV_BASE_LIST_H

#include "core/base/str.h"

#define PV_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct pv_link {
    struct pv_link *prev;
    struct pv_link *next;
};

/* The head is a link too. An element that is in no list has prev == next == NULL. */
void pv_list_init(struct pv_link *head);
bool pv_list_empty(const struct pv_link *head);
void pv_list_push(struct pv_link *head, struct pv_link *link); /* at the end */
void pv_list_remove(struct pv_link *link);                     /* legal when it is in no list */
struct pv_link *pv_list_pop(struct pv_link *head);             /* the first, or NULL */
bool pv_list_linked(const struct pv_link *link);

/* Hash table. The node sits in the element; the key bytes are the element's and must not change
 * while it is in the table. The hash is keyed per process, so that callers cannot pick collisions.
 */
struct pv_map_node {
    struct pv_map_node *next;
    uint64_t hash;
    struct pv_str key;
};

struct pv_map {
    struct pv_map_node **slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

void pv_map_init(struct pv_map *map);
void pv_map_done(struct pv_map *map); /* elements are the caller's */
struct pv_map_node *pv_map_get(const struct pv_map *map, struct pv_str key);
/* PV_EEXISTS when the key is there. node->key is set to `key`. */
int pv_map_add(struct pv_map *map, struct pv_map_node *node, struct pv_str key) PV_MUST_CHECK;
void pv_map_remove(struct pv_map *map, struct pv_map_node *node);
/* Calls fn for each; fn may remove the node it is given. */
void pv_map_each(struct pv_map *map, void (*fn)(struct pv_map_node *node, void *user), void *user);

/* Binary heap, least key first. index is kept in the element: 0 when it is not in the heap. */
struct pv_heap_node {
    int64_t key;
    size_t index;
};

struct pv_heap {
    struct pv_heap_node **items; /* items[1] is the least */
    size_t count;
    size_t size;
};

void pv_heap_init(struct pv_heap *heap);
void pv_heap_done(struct pv_heap *heap);
int pv_heap_add(struct pv_heap *heap, struct pv_heap_node *node, int64_t key) PV_MUST_CHECK;
void pv_heap_remove(struct pv_heap *heap, struct pv_heap_node *node); /* legal when not in it */
struct pv_heap_node *pv_heap_first(const struct pv_heap *heap);

#endif

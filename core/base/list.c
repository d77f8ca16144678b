/* SPDX-License-Identifier: Apache-2.0 */
/* The intrusive containers: list, hash table (SipHash under a key of the process), binary heap. */
#include "core/base/list.h"

#include "core/base/alloc.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

void pv_list_init(struct pv_link *head)
{
    head->prev = head;
    head->next = head;
}

bool pv_list_empty(const struct pv_link *head)
{
    return head->next == head;
}

void pv_list_push(struct pv_link *head, struct pv_link *link)
{
    assert(!pv_list_linked(link));
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

void pv_list_remove(struct pv_link *link)
{
    if (!pv_list_linked(link)) {
        return;
    }
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = NULL;
    link->next = NULL;
}

struct pv_link *pv_list_pop(struct pv_link *head)
{
    if (pv_list_empty(head)) {
        return NULL;
    }
    struct pv_link *first = head->next;
    pv_list_remove(first);
    return first;
}

bool pv_list_linked(const struct pv_link *link)
{
    return link->next != NULL;
}

#define FIRST_SLOTS 16

static unsigned char hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void make_hash_key(void)
{
    crypto_shorthash_keygen(hash_key);
}

static uint64_t hash_of(struct pv_str key)
{
    pthread_once(&hash_key_once, make_hash_key);
    unsigned char out[crypto_shorthash_BYTES];
    crypto_shorthash(out, (const unsigned char *)(key.ptr != NULL ? key.ptr : ""), key.len,
                     hash_key);
    uint64_t hash = 0;
    _Static_assert(sizeof(hash) == sizeof(out), "one word");
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

void pv_map_init(struct pv_map *map)
{
    *map = (struct pv_map){0};
}

void pv_map_done(struct pv_map *map)
{
    pv_free(map->slots);
    pv_map_init(map);
}

static struct pv_map_node *find(const struct pv_map *map, struct pv_str key, uint64_t hash)
{
    if (map->size == 0) {
        return NULL;
    }
    struct pv_map_node *node = map->slots[hash & (map->size - 1)];
    while (node != NULL && (node->hash != hash || !pv_str_eq(node->key, key))) {
        node = node->next;
    }
    return node;
}

struct pv_map_node *pv_map_get(const struct pv_map *map, struct pv_str key)
{
    return map->count > 0 ? find(map, key, hash_of(key)) : NULL;
}

static int grow(struct pv_map *map)
{
    size_t size = map->size > 0 ? map->size * 2 : FIRST_SLOTS;
    struct pv_map_node **slots = pv_calloc(size, sizeof(struct pv_map_node *));
    if (slots == NULL) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < map->size; i++) {
        struct pv_map_node *node = map->slots[i];
        while (node != NULL) {
            struct pv_map_node *next = node->next;
            struct pv_map_node **slot = &slots[node->hash & (size - 1)];
            node->next = *slot;
            *slot = node;
            node = next;
        }
    }
    pv_free(map->slots);
    map->slots = slots;
    map->size = size;
    return PV_OK;
}

int pv_map_add(struct pv_map *map, struct pv_map_node *node, struct pv_str key)
{
    uint64_t hash = hash_of(key);
    if (find(map, key, hash) != NULL) {
        return PV_EEXISTS;
    }
    if (map->count >= map->size) {
        int status = grow(map);
        if (status != PV_OK) {
            return status;
        }
    }
    struct pv_map_node **slot = &map->slots[hash & (map->size - 1)];
    node->hash = hash;
    node->key = key;
    node->next = *slot;
    *slot = node;
    map->count++;
    return PV_OK;
}

void pv_map_remove(struct pv_map *map, struct pv_map_node *node)
{
    if (map->size == 0) {
        return;
    }
    struct pv_map_node **at = &map->slots[node->hash & (map->size - 1)];
    while (*at != NULL && *at != node) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return;
    }
    *at = node->next;
    node->next = NULL;
    map->count--;
}

void pv_map_each(struct pv_map *map, void (*fn)(struct pv_map_node *node, void *user), void *user)
{
    for (size_t i = 0; i < map->size; i++) {
        struct pv_map_node *node = map->slots[i];
        while (node != NULL) {
            struct pv_map_node *next = node->next;
            fn(node, user);
            node = next;
        }
    }
}

#define FIRST_ITEMS 16

void pv_heap_init(struct pv_heap *heap)
{
    *heap = (struct pv_heap){0};
}

void pv_heap_done(struct pv_heap *heap)
{
    pv_free(heap->items);
    pv_heap_init(heap);
}

static void place(struct pv_heap *heap, struct pv_heap_node *node, size_t at)
{
    heap->items[at] = node;
    node->index = at;
}

static void sift_up(struct pv_heap *heap, struct pv_heap_node *node, size_t at)
{
    while (at > 1 && heap->items[at / 2]->key > node->key) {
        place(heap, heap->items[at / 2], at);
        at /= 2;
    }
    place(heap, node, at);
}

static void sift_down(struct pv_heap *heap, struct pv_heap_node *node, size_t at)
{
    size_t child = 2 * at;
    while (child <= heap->count) {
        if (child < heap->count && heap->items[child + 1]->key < heap->items[child]->key) {
            child++;
        }
        if (heap->items[child]->key >= node->key) {
            break;
        }
        place(heap, heap->items[child], at);
        at = child;
        child = 2 * at;
    }
    place(heap, node, at);
}

int pv_heap_add(struct pv_heap *heap, struct pv_heap_node *node, int64_t key)
{
    assert(node->index == 0);
    if (heap->count + 1 >= heap->size) {
        size_t size = heap->size > 0 ? heap->size * 2 : FIRST_ITEMS;
        struct pv_heap_node **items =
            pv_reallocarray(heap->items, size, sizeof(struct pv_heap_node *));
        if (items == NULL) {
            return PV_ENOMEM;
        }
        heap->items = items;
        heap->size = size;
    }
    node->key = key;
    heap->count++;
    sift_up(heap, node, heap->count);
    return PV_OK;
}

void pv_heap_remove(struct pv_heap *heap, struct pv_heap_node *node)
{
    size_t at = node->index;
    if (at == 0) {
        return;
    }
    node->index = 0;
    struct pv_heap_node *last = heap->items[heap->count];
    heap->count--;
    if (last == node) {
        return;
    }
    if (at > 1 && heap->items[at / 2]->key > last->key) {
        sift_up(heap, last, at);
    } else {
        sift_down(heap, last, at);
    }
}

struct pv_heap_node *pv_heap_first(const struct pv_heap *heap)
{
    return heap->count > 0 ? heap->items[1] : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A map, and a list in the order of age. */
#include "core/api/recent.h"

#include "core/base/alloc.h"

#include <string.h>

struct entry {
    struct pv_map_node node;
    struct pv_link link;
    int64_t put_ms;
    max_align_t value[]; /* and behind it the key */
};

void pv_recent_init(struct pv_recent *recent, size_t key_bytes, size_t value_bytes)
{
    *recent = (struct pv_recent){.key_bytes = key_bytes, .value_bytes = value_bytes};
    pv_map_init(&recent->map);
    pv_list_init(&recent->order);
}

static void forget(struct pv_recent *recent, struct entry *entry)
{
    pv_map_remove(&recent->map, &entry->node);
    pv_list_remove(&entry->link);
    pv_free(entry);
}

static struct entry *oldest(struct pv_recent *recent)
{
    return PV_CONTAINER(recent->order.next, struct entry, link);
}

void pv_recent_done(struct pv_recent *recent)
{
    while (!pv_list_empty(&recent->order)) {
        forget(recent, oldest(recent));
    }
    pv_map_done(&recent->map);
}

static struct entry *find(const struct pv_recent *recent, const void *key)
{
    struct pv_map_node *node = pv_map_get(&recent->map, (struct pv_str){key, recent->key_bytes});
    return node != NULL ? PV_CONTAINER(node, struct entry, node) : NULL;
}

bool pv_recent_get(struct pv_recent *recent, const void *key, int64_t now_mono_ms, void *ret_value)
{
    struct entry *entry = find(recent, key);
    if (entry != NULL && now_mono_ms - entry->put_ms >= PV_RECENT_MS) {
        forget(recent, entry);
        entry = NULL;
    }
    if (entry != NULL) {
        memcpy(ret_value, entry->value, recent->value_bytes);
    }
    return entry != NULL;
}

bool pv_recent_knows(const struct pv_recent *recent, const void *key)
{
    return find(recent, key) != NULL;
}

void pv_recent_put(struct pv_recent *recent, const void *key, int64_t now_mono_ms,
                   const void *value)
{
    struct entry *before = find(recent, key);
    if (before != NULL) {
        forget(recent, before);
    }
    if (recent->map.count >= PV_RECENT_MAX) {
        forget(recent, oldest(recent));
    }
    struct entry *entry = pv_calloc(1, sizeof(*entry) + recent->value_bytes + recent->key_bytes);
    if (entry == NULL) {
        return;
    }
    char *kept = (char *)entry->value + recent->value_bytes;
    entry->put_ms = now_mono_ms;
    memcpy(entry->value, value, recent->value_bytes);
    memcpy(kept, key, recent->key_bytes);
    if (pv_map_add(&recent->map, &entry->node, (struct pv_str){kept, recent->key_bytes}) != 0) {
        pv_free(entry);
        return;
    }
    pv_list_push(&recent->order, &entry->link);
}

void pv_recent_drop(struct pv_recent *recent, bool (*is)(const void *value, const void *arg),
                    const void *arg)
{
    struct pv_link *next = NULL;
    for (struct pv_link *at = recent->order.next; at != &recent->order; at = next) {
        next = at->next;
        struct entry *entry = PV_CONTAINER(at, struct entry, link);
        if (is(entry->value, arg)) {
            forget(recent, entry);
        }
    }
}

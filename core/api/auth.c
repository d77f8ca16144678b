/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes, tokens and the cache of tokens. */
#include "core/api/auth.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <string.h>
#include <strings.h>

static const char *const names[PV_SCOPES] = {
#define X(name, bit) [bit] = (name),
    PV_SCOPE_TABLE(X)
#undef X
};

const char *pv_scope_name(unsigned scope)
{
    for (unsigned bit = 0; bit < PV_SCOPES; bit++) {
        if (scope == 1u << bit) {
            return names[bit];
        }
    }
    return "?";
}

unsigned pv_scope_parse(struct pv_str name)
{
    for (unsigned bit = 0; bit < PV_SCOPES; bit++) {
        if (pv_str_eq_c(name, names[bit])) {
            return 1u << bit;
        }
    }
    return 0;
}

unsigned pv_scopes_parse(struct pv_str list)
{
    unsigned scopes = 0;
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        scopes |= pv_scope_parse((struct pv_str){list.ptr, len});
        size_t used = comma != NULL ? len + 1 : len;
        list = (struct pv_str){list.ptr + used, list.len - used};
    }
    return scopes;
}

int pv_scopes_print(unsigned scopes, struct pv_buf *out)
{
    bool first = true;
    for (unsigned bit = 0; bit < PV_SCOPES; bit++) {
        if ((scopes & 1u << bit) != 0) {
            pv_buf_c(out, first ? "" : ",");
            pv_buf_c(out, names[bit]);
            first = false;
        }
    }
    return out->status;
}

void pv_token_make(const struct pv_rng *rng, char out[PV_TOKEN_TEXT])
{
    uint8_t random[32];
    rng->fill(rng->ctx, random, sizeof(random));
    memcpy(out, PV_TOKEN_PREFIX, sizeof(PV_TOKEN_PREFIX));
    pv_base32(random, sizeof(random), out + sizeof(PV_TOKEN_PREFIX) - 1);
    pv_wipe(random, sizeof(random));
}

struct pv_hash pv_token_hash(struct pv_str text)
{
    return pv_sha256(text);
}

struct pv_str pv_bearer(struct pv_str header)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof(scheme) - 1;
    if (header.len <= n || strncasecmp(header.ptr, scheme, n) != 0) {
        return (struct pv_str){NULL, 0};
    }
    struct pv_str token = {header.ptr + n, header.len - n};
    while (token.len > 0 && token.ptr[0] == ' ') {
        token = (struct pv_str){token.ptr + 1, token.len - 1};
    }
    return token.len > 0 ? token : (struct pv_str){NULL, 0};
}

bool pv_source_valid(struct pv_str name)
{
    if (name.len == 0 || name.len > PV_MAX_NAME) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-'))) {
            return false;
        }
    }
    return true;
}

/* ---- the cache ---- */

struct entry {
    struct pv_map_node node;
    struct pv_link link;
    struct pv_hash hash;
    int64_t loaded_ms;
    struct pv_token token;
};

void pv_token_cache_init(struct pv_token_cache *cache)
{
    pv_map_init(&cache->map);
    pv_list_init(&cache->order);
}

static void entry_drop(struct pv_token_cache *cache, struct entry *entry)
{
    pv_map_remove(&cache->map, &entry->node);
    pv_list_remove(&entry->link);
    pv_free(entry);
}

void pv_token_cache_done(struct pv_token_cache *cache)
{
    while (!pv_list_empty(&cache->order)) {
        entry_drop(cache, PV_CONTAINER(cache->order.next, struct entry, link));
    }
    pv_map_done(&cache->map);
}

static struct pv_str key_of(const struct pv_hash *hash)
{
    return (struct pv_str){(const char *)hash->b, sizeof(hash->b)};
}

bool pv_token_cache_get(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        struct pv_token *ret)
{
    struct pv_map_node *node = pv_map_get(&cache->map, key_of(&hash));
    if (node == NULL) {
        return false;
    }
    struct entry *entry = PV_CONTAINER(node, struct entry, node);
    if (now_mono_ms - entry->loaded_ms >= PV_TOKEN_CACHE_MS) {
        entry_drop(cache, entry);
        return false;
    }
    *ret = entry->token;
    return true;
}

bool pv_token_cache_knows(const struct pv_token_cache *cache, struct pv_hash hash)
{
    return pv_map_get(&cache->map, key_of(&hash)) != NULL;
}

void pv_token_cache_put(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        const struct pv_token *token)
{
    struct pv_map_node *node = pv_map_get(&cache->map, key_of(&hash));
    if (node != NULL) {
        entry_drop(cache, PV_CONTAINER(node, struct entry, node));
    }
    if (cache->map.count >= PV_TOKEN_CACHE_MAX) {
        entry_drop(cache, PV_CONTAINER(cache->order.next, struct entry, link));
    }
    struct entry *entry = pv_calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return;
    }
    entry->hash = hash;
    entry->loaded_ms = now_mono_ms;
    entry->token = *token;
    if (pv_map_add(&cache->map, &entry->node, key_of(&entry->hash)) != 0) {
        pv_free(entry);
        return;
    }
    pv_list_push(&cache->order, &entry->link);
}

void pv_token_cache_drop(struct pv_token_cache *cache, struct pv_id id)
{
    struct pv_link *next = NULL;
    for (struct pv_link *at = cache->order.next; at != &cache->order; at = next) {
        next = at->next;
        struct entry *entry = PV_CONTAINER(at, struct entry, link);
        if (pv_id_eq(entry->token.id, id)) {
            entry_drop(cache, entry);
        }
    }
}

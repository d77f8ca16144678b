/* SPDX-License-Identifier: Apache-2.0 */
/* Scopes, tokens and the cache of tokens. */
#include "core/api/auth.h"

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

void pv_token_cache_init(struct pv_token_cache *cache)
{
    pv_recent_init(&cache->recent, sizeof(struct pv_hash), sizeof(struct pv_token));
}

void pv_token_cache_done(struct pv_token_cache *cache)
{
    pv_recent_done(&cache->recent);
}

bool pv_token_cache_get(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        struct pv_token *ret)
{
    return pv_recent_get(&cache->recent, &hash, now_mono_ms, ret);
}

bool pv_token_cache_knows(const struct pv_token_cache *cache, struct pv_hash hash)
{
    return pv_recent_knows(&cache->recent, &hash);
}

void pv_token_cache_put(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        const struct pv_token *token)
{
    pv_recent_put(&cache->recent, &hash, now_mono_ms, token);
}

static bool has_id(const void *token, const void *id)
{
    return pv_id_eq(((const struct pv_token *)token)->id, *(const struct pv_id *)id);
}

void pv_token_cache_drop(struct pv_token_cache *cache, struct pv_id id)
{
    pv_recent_drop(&cache->recent, has_id, &id);
}

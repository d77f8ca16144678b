/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls: scopes, tokens, and a cache of tokens by the hash of their text. Loop thread. */
#ifndef PV_API_AUTH_H
#define PV_API_AUTH_H

#include "core/api/recent.h"
#include "core/base/buf.h"
#include "core/engine/store.h"

/* name, bit */
#define PV_SCOPE_TABLE(X)                                                                          \
    X("events:write", 0)                                                                           \
    X("services:read", 1)                                                                          \
    X("services:act", 2)                                                                           \
    X("services:reveal", 3)                                                                        \
    X("operations:read", 4)                                                                        \
    X("operations:write", 5)                                                                       \
    X("signals:write", 6)                                                                          \
    X("instances:query", 7)                                                                        \
    X("plugins:read", 8)                                                                           \
    X("audit:read", 9)                                                                             \
    X("metrics:read", 10)                                                                          \
    X("admin", 11)

enum pv_scope {
    PV_SCOPE_EVENTS_WRITE = 1u << 0,
    PV_SCOPE_SERVICES_READ = 1u << 1,
    PV_SCOPE_SERVICES_ACT = 1u << 2,
    PV_SCOPE_SERVICES_REVEAL = 1u << 3,
    PV_SCOPE_OPERATIONS_READ = 1u << 4,
    PV_SCOPE_OPERATIONS_WRITE = 1u << 5,
    PV_SCOPE_SIGNALS_WRITE = 1u << 6,
    PV_SCOPE_INSTANCES_QUERY = 1u << 7,
    PV_SCOPE_PLUGINS_READ = 1u << 8,
    PV_SCOPE_AUDIT_READ = 1u << 9,
    PV_SCOPE_METRICS_READ = 1u << 10,
    PV_SCOPE_ADMIN = 1u << 11, /* includes all the others, and every source */
};
#define PV_SCOPES 12
#define PV_SCOPES_ALL ((1u << PV_SCOPES) - 1)

/* The name of a single scope. Static storage. */
const char *pv_scope_name(unsigned scope);
/* 0 for an unknown name. */
unsigned pv_scope_parse(struct pv_str name);
/* "a,b" to bits; what this version does not know is left out. */
unsigned pv_scopes_parse(struct pv_str list);
/* Bits to "a,b". */
int pv_scopes_print(unsigned scopes, struct pv_buf *out);

#define PV_TOKEN_PREFIX "provost_"
#define PV_TOKEN_TEXT 64 /* prefix, 52 characters, NUL */

/* A new token's text: 256 random bits behind the prefix. */
void pv_token_make(const struct pv_rng *rng, char out[PV_TOKEN_TEXT]);
/* How a token is stored and looked up. */
struct pv_hash pv_token_hash(struct pv_str text);
/* The token of an Authorization header ("Bearer X", any case); none when there is none. */
struct pv_str pv_bearer(struct pv_str header);
/* A source's name: 1 to 64 of a-z, 0-9, '.', '_', '-', with a letter or digit first. */
bool pv_source_valid(struct pv_str name);

/* A token that was found in the store. */
struct pv_token {
    struct pv_id id;
    char source[PV_MAX_NAME + 1];
    unsigned scopes;
    int64_t expires_ms; /* wall clock; 0: never */
    bool revoked;
    int64_t rate; /* as in struct pv_token_row */
    int64_t burst;
};

struct pv_token_cache {
    struct pv_recent recent; /* struct pv_token, by the hash of its text */
};

void pv_token_cache_init(struct pv_token_cache *cache);
void pv_token_cache_done(struct pv_token_cache *cache);
/* false: not there, or too old. */
bool pv_token_cache_get(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        struct pv_token *ret);
/* Was this the hash of a token lately, even if it is too old for get? */
bool pv_token_cache_knows(const struct pv_token_cache *cache, struct pv_hash hash);
/* Without memory it is simply not kept. */
void pv_token_cache_put(struct pv_token_cache *cache, struct pv_hash hash, int64_t now_mono_ms,
                        const struct pv_token *token);
/* Forgets a token that was revoked. */
void pv_token_cache_drop(struct pv_token_cache *cache, struct pv_id id);

#endif

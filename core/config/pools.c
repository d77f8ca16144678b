/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: ranges of integers and addresses, and the text of one value. An index is the number or the
 * address itself, so that a range may be widened or narrowed without a value changing its meaning.
 */
#include "core/config/raw.h"

#include "core/base/alloc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Either side of a range. */
struct bound {
    int kind;
    int64_t index;
    uint8_t prefix[8];
};

static int64_t big_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return (int64_t)value;
}

static bool parse_bound(struct pv_str text, struct bound *ret)
{
    char copy[64];
    uint8_t address[16];
    memset(ret, 0, sizeof(*ret));
    if (pv_str_to_c(text, copy, sizeof(copy)) != PV_OK) {
        return false;
    }
    if (pv_str_to_i64(text, &ret->index) == PV_OK) {
        ret->kind = PV_POOL_INTEGER;
        return ret->index >= 0;
    }
    if (inet_pton(AF_INET, copy, address) == 1) {
        ret->kind = PV_POOL_IPV4;
        ret->index = big_endian(address, 4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, address) == 1) {
        ret->kind = PV_POOL_IPV6;
        memcpy(ret->prefix, address, 8);
        ret->index = big_endian(address + 8, 8);
        return ret->index >= 0;
    }
    return false;
}

static struct pv_str trim(struct pv_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text = (struct pv_str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

static int load_pool(struct pv_loading *loading, const struct pv_raw_pool *raw,
                     struct pv_config_pool *pool)
{
    struct bound first = {0};
    struct bound last = {0};
    struct pv_str range = raw->range;
    pool->name = raw->head.name;
    pool->reuse_after_ms = raw->reuse_after;
    if (!range.ptr) {
        return PV_EINVAL; /* said already */
    }
    const char *dash = range.len > 0 ? memchr(range.ptr, '-', range.len) : NULL;
    size_t left = dash ? (size_t)(dash - range.ptr) : range.len;
    struct pv_str low = trim((struct pv_str){range.ptr, left});
    struct pv_str high = dash ? trim((struct pv_str){dash + 1, range.len - left - 1}) : low;
    if (!parse_bound(low, &first) || !parse_bound(high, &last) || first.kind != last.kind) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "range",
                        "expected FIRST-LAST such as 1000-1999 or 10.0.0.10-10.0.0.99, got "
                        "\"%.*s\"",
                        PV_STR_ARG(range));
        return PV_EINVAL;
    }
    if (memcmp(first.prefix, last.prefix, sizeof(first.prefix)) != 0) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "range",
                        "both addresses of an IPv6 range must be in the same /64");
        return PV_EINVAL;
    }
    if (first.index > last.index) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "range",
                        "the first value is greater than the last");
        return PV_EINVAL;
    }
    pool->kind = first.kind;
    pool->first = first.index;
    pool->last = last.index;
    memcpy(pool->prefix, first.prefix, sizeof(pool->prefix));
    return PV_OK;
}

int pv_load_pools(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_option_entries *raw = &loading->raw.pools;
    config->pools = pv_arena_alloc(&config->arena, raw->count * sizeof(*config->pools) + 1);
    loading->pool_names = pv_reallocarray(NULL, raw->count + 1, sizeof(*loading->pool_names));
    if (!config->pools || !loading->pool_names) {
        return PV_ENOMEM;
    }
    config->pool_count = raw->count;
    int status = PV_OK;
    for (size_t i = 0; i < raw->count; i++) {
        const struct pv_raw_pool *one = &((const struct pv_raw_pool *)raw->items)[i];
        int loaded = load_pool(loading, one, &config->pools[i]);
        loading->pool_names[i] = config->pools[i].name.ptr;
        status = loaded != PV_OK ? loaded : status;
    }
    return status;
}

int pv_pool_text(const struct pv_config_pool *pool, int64_t index, char out[64])
{
    if (index < 0) {
        return PV_EINVAL;
    }
    if (pool->kind == PV_POOL_INTEGER) {
        snprintf(out, 64, "%lld", (long long)index);
        return PV_OK;
    }
    uint8_t address[16];
    size_t bytes = pool->kind == PV_POOL_IPV4 ? 4 : 16;
    memcpy(address, pool->prefix, sizeof(pool->prefix));
    for (size_t i = 0; i < (bytes == 4 ? 4U : 8U); i++) {
        address[bytes - 1 - i] = (uint8_t)((uint64_t)index >> (8 * i));
    }
    return inet_ntop(bytes == 4 ? AF_INET : AF_INET6, address, out, 64) ? PV_OK : PV_EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets hold milliseconds times what flows in a minute: whole numbers, no rounding. */
#include "core/api/limits.h"

#include "core/base/alloc.h"

#define ONE 60000          /* a request: what flows in a minute, times 60,000 ms, is that many */
#define REFILL_MAX 3600000 /* ms; the longest time that is counted */

struct bucket {
    struct pv_map_node node;
    struct pv_link link;
    struct pv_id key;
    int64_t level; /* of ONE a request */
    int64_t at_ms;
};

void pv_limits_init(struct pv_limits *limits)
{
    pv_map_init(&limits->map);
    pv_list_init(&limits->order);
}

static void drop(struct pv_limits *limits, struct bucket *bucket)
{
    pv_map_remove(&limits->map, &bucket->node);
    pv_list_remove(&bucket->link);
    pv_free(bucket);
}

void pv_limits_done(struct pv_limits *limits)
{
    while (!pv_list_empty(&limits->order)) {
        drop(limits, PV_CONTAINER(limits->order.next, struct bucket, link));
    }
    pv_map_done(&limits->map);
}

static struct pv_str key_of(const struct pv_id *id)
{
    return (struct pv_str){(const char *)id->b, sizeof(id->b)};
}

static struct bucket *find(struct pv_limits *limits, const struct pv_id *key)
{
    struct pv_map_node *node = pv_map_get(&limits->map, key_of(key));
    return node != NULL ? PV_CONTAINER(node, struct bucket, node) : NULL;
}

static struct bucket *add(struct pv_limits *limits, struct pv_id key, struct pv_limit limit,
                          int64_t now_ms)
{
    if (limits->map.count >= PV_LIMITS_MAX) {
        drop(limits, PV_CONTAINER(limits->order.next, struct bucket, link));
    }
    struct bucket *bucket = pv_calloc(1, sizeof(*bucket));
    if (bucket == NULL) {
        return NULL;
    }
    *bucket = (struct bucket){.key = key, .level = limit.burst * ONE, .at_ms = now_ms};
    if (pv_map_add(&limits->map, &bucket->node, key_of(&bucket->key)) != 0) {
        pv_free(bucket);
        return NULL;
    }
    pv_list_push(&limits->order, &bucket->link);
    return bucket;
}

static int64_t level_now(const struct bucket *bucket, struct pv_limit limit, int64_t now_ms)
{
    int64_t full = limit.burst * ONE;
    if (bucket == NULL) {
        return full;
    }
    int64_t passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    passed = passed < REFILL_MAX ? passed : REFILL_MAX;
    int64_t level = bucket->level + passed * limit.per_minute;
    return level < full ? level : full;
}

/* Until `missing` has flowed in, in seconds, rounded up. */
static int64_t seconds_for(int64_t missing, struct pv_limit limit)
{
    int64_t per_second = limit.per_minute * 1000;
    return missing > 0 ? (missing + per_second - 1) / per_second : 0;
}

static void tell(int64_t level, struct pv_limit limit, struct pv_limit_state *ret)
{
    int64_t full = limit.burst * ONE;
    *ret = (struct pv_limit_state){.burst = limit.burst,
                                   .left = level / ONE,
                                   .window_s = seconds_for(full, limit),
                                   .reset_s = seconds_for(full - level, limit),
                                   .retry_s = seconds_for(ONE - level, limit)};
}

bool pv_limits_has(struct pv_limits *limits, struct pv_id key, struct pv_limit limit,
                   int64_t now_mono_ms, struct pv_limit_state *ret_state)
{
    *ret_state = (struct pv_limit_state){0};
    if (limit.per_minute <= 0 || limit.burst <= 0) {
        return true;
    }
    int64_t level = level_now(find(limits, &key), limit, now_mono_ms);
    tell(level, limit, ret_state);
    return level >= ONE;
}

bool pv_limits_take(struct pv_limits *limits, struct pv_id key, struct pv_limit limit,
                    int64_t now_mono_ms, struct pv_limit_state *ret_state)
{
    *ret_state = (struct pv_limit_state){0};
    if (limit.per_minute <= 0 || limit.burst <= 0) {
        return true;
    }
    struct bucket *bucket = find(limits, &key);
    bucket = bucket != NULL ? bucket : add(limits, key, limit, now_mono_ms);
    if (bucket == NULL) {
        return true;
    }
    int64_t level = level_now(bucket, limit, now_mono_ms);
    bool allowed = level >= ONE;
    bucket->level = allowed ? level - ONE : level;
    bucket->at_ms = now_mono_ms;
    pv_list_remove(&bucket->link);
    pv_list_push(&limits->order, &bucket->link);
    tell(bucket->level, limit, ret_state);
    return allowed;
}

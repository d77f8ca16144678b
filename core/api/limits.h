/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets by key: how often a token may call, how often an address may fail to prove who it
 * is. Bounded: of too many, the one that was used longest ago is forgotten. Loop thread; time is
 * the caller's. */
#ifndef PV_API_LIMITS_H
#define PV_API_LIMITS_H

#include "core/base/buf.h"
#include "core/base/id.h"
#include "core/base/list.h"

#define PV_LIMITS_MAX 4096
#define PV_LIMIT_MAX 1000000 /* requests a second, and of a burst */

struct pv_limit {
    int64_t per_minute; /* 0: no limit */
    int64_t burst;      /* at once, after a while without any */
};

/* What there is to tell about a bucket. */
struct pv_limit_state {
    int64_t burst; /* 0: there is no limit */
    int64_t left;
    int64_t window_s; /* in which an empty bucket is full again */
    int64_t reset_s;  /* until this one is */
    int64_t retry_s;  /* until there is one again; 0: there is */
};

struct pv_limits {
    struct pv_map map;
    struct pv_link order; /* used longest ago first */
};

void pv_limits_init(struct pv_limits *limits);
void pv_limits_done(struct pv_limits *limits);
/* Takes one out of the bucket of this key. false: it is empty (nothing is taken). The limit may be
 * another one than before: what is in the bucket stays, up to the new burst. Without memory
 * everything is allowed. */
bool pv_limits_take(struct pv_limits *limits, struct pv_id key, struct pv_limit limit,
                    int64_t now_mono_ms, struct pv_limit_state *ret_state);
/* Would pv_limits_take allow it? Takes nothing, makes no bucket. */
bool pv_limits_has(struct pv_limits *limits, struct pv_id key, struct pv_limit limit,
                   int64_t now_mono_ms, struct pv_limit_state *ret_state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the store has said lately: values of one size by keys of one size, so many at most and each
 * for a while, because another process of the store may have changed it since. Loop thread. */
#ifndef PV_API_RECENT_H
#define PV_API_RECENT_H

#include "core/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_RECENT_MAX 1024
#define PV_RECENT_MS 30000

struct pv_recent {
    size_t key_bytes;
    size_t value_bytes;
    struct pv_map map;
    struct pv_link order; /* the oldest first */
};

void pv_recent_init(struct pv_recent *recent, size_t key_bytes, size_t value_bytes);
void pv_recent_done(struct pv_recent *recent);
/* Copies the value. false: not there, or too old. */
bool pv_recent_get(struct pv_recent *recent, const void *key, int64_t now_mono_ms, void *ret_value);
/* Is it there, even if it is too old for get? */
bool pv_recent_knows(const struct pv_recent *recent, const void *key);
/* Copies both. Without memory it is simply not kept. */
void pv_recent_put(struct pv_recent *recent, const void *key, int64_t now_mono_ms,
                   const void *value);
/* Forgets those values for which `is` is true. */
void pv_recent_drop(struct pv_recent *recent, bool (*is)(const void *value, const void *arg),
                    const void *arg);

#endif

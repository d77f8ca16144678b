/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness, injected into everything that decides. Any thread. */
#ifndef PV_BASE_CLOCK_H
#define PV_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct pv_clock {
    int64_t (*mono_ms)(void *ctx); /* never goes back; comparable between processes of a machine */
    int64_t (*wall_ms)(void *ctx); /* milliseconds since 1970-01-01 UTC */
    void *ctx;
};

struct pv_rng {
    void (*fill)(void *ctx, void *out, size_t len);
    void *ctx;
};

/* CLOCK_MONOTONIC and CLOCK_REALTIME. */
extern const struct pv_clock pv_clock_system;
/* libsodium's generator. pv_base_init must have run. */
extern const struct pv_rng pv_rng_system;

int64_t pv_mono_ms(const struct pv_clock *clock);
int64_t pv_wall_ms(const struct pv_clock *clock);
uint64_t pv_rng_u64(const struct pv_rng *rng);
/* Uniform in [0, bound); 0 for a bound of 0. */
uint64_t pv_rng_below(const struct pv_rng *rng, uint64_t bound);

/* A seeded generator for simulation (splitmix64); same seed, same numbers. Not for secrets. */
struct pv_seeded {
    uint64_t state;
};
struct pv_rng pv_rng_seeded(struct pv_seeded *seed);

/* RFC 3339 in UTC with milliseconds, "2026-11-20T10:14:00.000Z"; out holds at least 25 bytes. */
#define PV_TIME_TEXT 25
void pv_time_format(int64_t wall_ms, char out[PV_TIME_TEXT]);

#endif

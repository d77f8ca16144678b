/* SPDX-License-Identifier: Apache-2.0 */
/* The system's clocks and random numbers, the seeded generator, and RFC 3339. */
#include "core/base/clock.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_ms(void *ctx)
{
    (void)ctx;
    return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return read_ms(CLOCK_REALTIME);
}

static void system_fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    randombytes_buf(out, len);
}

const struct pv_clock pv_clock_system = {system_mono_ms, system_wall_ms, NULL};
const struct pv_rng pv_rng_system = {system_fill, NULL};

int64_t pv_mono_ms(const struct pv_clock *clock)
{
    return clock->mono_ms(clock->ctx);
}

int64_t pv_wall_ms(const struct pv_clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

uint64_t pv_rng_u64(const struct pv_rng *rng)
{
    uint64_t v = 0;
    rng->fill(rng->ctx, &v, sizeof(v));
    return v;
}

uint64_t pv_rng_below(const struct pv_rng *rng, uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    /* Numbers below 2^64 mod bound are drawn again, so that every remainder is equally likely. */
    uint64_t skip = -bound % bound;
    uint64_t v = pv_rng_u64(rng);
    while (v < skip) {
        v = pv_rng_u64(rng);
    }
    return v % bound;
}

static uint64_t splitmix64(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void seeded_fill(void *ctx, void *out, size_t len)
{
    struct pv_seeded *seed = ctx;
    unsigned char *at = out;
    while (len > 0) {
        uint64_t v = splitmix64(&seed->state);
        size_t n = len < sizeof(v) ? len : sizeof(v);
        memcpy(at, &v, n);
        at += n;
        len -= n;
    }
}

struct pv_rng pv_rng_seeded(struct pv_seeded *seed)
{
    return (struct pv_rng){seeded_fill, seed};
}

static char *put_digits(char *at, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

void pv_time_format(int64_t wall_ms, char out[PV_TIME_TEXT])
{
    /* Years 0000 to 9999 are what the text can hold; anything else is shown as the nearest end. */
    const int64_t first = INT64_C(-62167219200000);
    const int64_t last = INT64_C(253402300799999);
    int64_t ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((ms - rest) / 1000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    char *at = put_digits(out, tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_digits(at, tm.tm_mon + 1, 2);
    *at++ = '-';
    at = put_digits(at, tm.tm_mday, 2);
    *at++ = 'T';
    at = put_digits(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_sec, 2);
    *at++ = '.';
    at = put_digits(at, (int)rest, 3);
    *at++ = 'Z';
    *at = '\0';
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One allocation of core's fails (or it and all that follow), counted over the parts of a test that
 * stand between starve_on and starve_off: what is tested runs short, the test itself does not. One
 * thread. */
#ifndef PV_TESTS_STARVE_H
#define PV_TESTS_STARVE_H

#include "core/base/alloc.h"
#include "tests/unit/unit.h"

#include <stdbool.h>

static unsigned long starve_left; /* until one fails; 0: none does */
static bool starve_sticky;        /* with all that follow */
static bool starve_hit;           /* one has failed */

/* From here on allocation n (1: the next) fails. */
static inline void starve_at(unsigned long n)
{
    starve_left = n;
    starve_hit = false;
}

static inline void starve_on(void)
{
    pv_alloc_fail_at(starve_left, starve_sticky);
}

static inline void starve_off(void)
{
    unsigned long made = pv_alloc_count();
    pv_alloc_fail_at(0, 0);
    if (starve_left > 0 && made >= starve_left) {
        starve_hit = true;
        starve_left = starve_sticky ? 1 : 0;
    } else if (starve_left > 0) {
        starve_left -= made;
    }
}

/* There is memory again; was it ever short? */
static inline bool starve_end(void)
{
    starve_left = 0;
    return starve_hit;
}

/* Every allocation fails once, alone and with all that follow: at(of, n) has number n fail, and is
 * false when there were fewer. There are more than `least`, and fewer than `most`. */
static inline void starve_each(bool (*at)(const void *of, unsigned long n), const void *of,
                               unsigned long least, unsigned long most)
{
    for (int mode = 0; mode < 2; mode++) {
        starve_sticky = mode == 1;
        unsigned long n = 1;
        while (n < most && at(of, n)) {
            n++;
        }
        assert_true(n > least && n < most);
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Documents that are nearly JSON, for readers of it to agree on. */
#ifndef TESTS_UNIT_MUTATE_H
#define TESTS_UNIT_MUTATE_H

#include "core/base/clock.h"
#include "tests/unit/unit.h"

#include <string.h>

#define MUTATED_JSON 400

/* Up to three changes to one of the seeds; the length. */
static inline size_t mutated_json(struct pv_rng *rng, char text[MUTATED_JSON])
{
    static const char *const seeds[] = {
        ("{\"id\":\"e-1\",\"type\":\"service.create\",\"service\":{\"id\":\"12\",\"params\":{\"a\":"
         "[1,2.5e3,-0.1,{\"b\":null}]}},\"customer\":{\"email\":\"a@b.c\"}}"),
        ("[\"\\ud83d\\ude00\\u00e4\\\"\\\\\", \"\xF0\x9F\x98\x80\", true,false,null, 1e5, {}, [], "
         "[[]]]"),
        "{\"a\":1,\"b\":{\"a\":2,\"c\":[\"d\",\"d\"]},\"e\":-12.25E-2}",
    };
    static const char interesting[] = "{}[]\",:\\u0019aeE+-. \n\t\xC3\xFF\x80";
    const char *from = seeds[pv_rng_below(rng, PV_COUNT(seeds))];
    size_t len = strlen(from);
    memcpy(text, from, len + 1);
    for (uint64_t n = pv_rng_below(rng, 4); n > 0; n--) {
        size_t at = pv_rng_below(rng, len);
        if (pv_rng_below(rng, 2) == 0) {
            text[at] = interesting[pv_rng_below(rng, sizeof(interesting) - 1)];
        } else {
            memmove(text + at, text + at + 1, len - at);
            len--;
        }
    }
    return len;
}

#endif

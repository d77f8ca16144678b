/* SPDX-License-Identifier: Apache-2.0 */
/* What base reads out of text: UTF-8, ids, numbers, sizes, durations, hex. */
#include "core/base/hash.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    static const char *const seeds[] = {
        "op_01jd3vz0000000000000000000",
        "svc_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "-9223372036854775808",
        "16383PiB",
        "20MB",
        "250ms",
        "7d",
        "00ffAB",
        "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80",
        "memory|memroy",
    };
    return n < sizeof(seeds) / sizeof(seeds[0]) && pv_buf_c(out, seeds[n]) == PV_OK;
}

static void check_quoting(struct pv_str text)
{
    struct pv_buf buf;
    pv_buf_init(&buf, 6 * text.len + 2);
    FUZZ_CHECK(pv_buf_json(&buf, text) == PV_OK);
    FUZZ_CHECK(pv_utf8_valid(pv_buf_view(&buf), NULL));
    FUZZ_CHECK(strlen(buf.ptr) == buf.len);
    pv_buf_done(&buf);
}

static void check_ids(struct pv_str text)
{
    static const char *const prefixes[] = {"op", "svc"};
    for (size_t i = 0; i < 2; i++) {
        struct pv_id id;
        char again[PV_ID_TEXT];
        if (pv_id_parse(prefixes[i], text, &id) == PV_OK) {
            FUZZ_CHECK(pv_str_eq_c(text, pv_id_format(prefixes[i], id, again)));
        }
    }
}

static void check_numbers(struct pv_str text)
{
    int64_t number = 0;
    uint64_t size = 0;
    int64_t duration_ms = 0;
    if (pv_str_to_i64(text, &number) == PV_OK) {
        char again[32];
        int64_t back = 0;
        snprintf(again, sizeof(again), "%" PRId64, number);
        FUZZ_CHECK(pv_str_to_i64(pv_str(again), &back) == PV_OK && back == number);
    }
    if (pv_str_to_duration(text, &duration_ms) == PV_OK) {
        FUZZ_CHECK(duration_ms >= 0);
        FUZZ_CHECK(pv_str_to_size(text, &size) == PV_EINVAL);
    }
    uint8_t bytes[8];
    if (text.len <= 2 * sizeof(bytes) && pv_unhex(text, bytes, text.len / 2) == PV_OK) {
        FUZZ_CHECK(text.len % 2 == 0);
    }
}

static void check_distance(struct pv_str text)
{
    const char *bar = text.len > 0 ? memchr(text.ptr, '|', text.len) : NULL;
    if (bar == NULL) {
        return;
    }
    struct pv_str a = {text.ptr, (size_t)(bar - text.ptr)};
    struct pv_str b = {bar + 1, text.len - a.len - 1};
    unsigned there = pv_str_distance(a, b, 20);
    FUZZ_CHECK(there == pv_str_distance(b, a, 20));
    FUZZ_CHECK(there <= 21 && (there == 0) == pv_str_eq(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_str text = {(const char *)data, size};
    check_quoting(text);
    check_ids(text);
    check_numbers(text);
    check_distance(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON. */
#include "core/config/json.h"

#define MAX_JSON (16u << 20)

static int put(const char *bytes, size_t len, void *user)
{
    return pv_buf_put(user, bytes, len) == PV_OK ? 0 : -1;
}

int pv_json_put(struct pv_buf *out, const json_t *json)
{
    if (json_dump_callback(json, put, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0 &&
        out->status == PV_OK) {
        out->status = PV_ENOMEM;
    }
    return out->status;
}

struct pv_str pv_json_copy(struct pv_arena *arena, const json_t *json)
{
    struct pv_buf buf;
    pv_buf_init(&buf, MAX_JSON);
    struct pv_str copy = {NULL, 0};
    if (pv_json_put(&buf, json) == PV_OK) {
        copy = pv_arena_copy(arena, pv_buf_view(&buf));
    }
    pv_buf_done(&buf);
    return copy;
}

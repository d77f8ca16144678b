/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON, and reading it. */
#include "core/json/json.h"

#include "core/base/alloc.h"

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

int pv_json_put_in_order(struct pv_buf *out, const json_t *json)
{
    if (json_dump_callback(json, put, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0 &&
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

/* Since it was last cleared, on this thread. */
static _Thread_local bool out_of_memory;

static void *allocate(size_t size)
{
    void *memory = pv_malloc(size);
    if (!memory) {
        out_of_memory = true;
    }
    return memory;
}

void pv_json_setup(void)
{
    json_set_alloc_funcs(allocate, pv_free);
}

int pv_json_load(struct pv_str text, size_t flags, json_t **ret_json, struct pv_err *err)
{
    json_error_t error;
    out_of_memory = false;
    json_t *json = json_loadb(text.ptr ? text.ptr : "", text.len, flags, &error);
    if (json && !out_of_memory) {
        *ret_json = json;
        return PV_OK;
    }
    json_decref(json); /* jansson leaves out of a text what it found no room for, and goes on */
    if (out_of_memory || json_error_code(&error) == json_error_out_of_memory) {
        return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
    }
    return pv_err_set(err, PV_EINVAL, "not valid JSON: %s at byte %d", error.text, error.position);
}

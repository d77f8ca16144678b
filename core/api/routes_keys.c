/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that the database is sealed with: which there are, and a new one. */
#include "core/api/internal.h"

#include <stdio.h>
#include <string.h>

static bool has_keys(struct pv_call *call)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    if (daemon->keys_show == NULL || daemon->keys_rotate == NULL) {
        pv_call_fail(call, 503, "unavailable", "nothing is sealed here");
        return false;
    }
    return true;
}

static void get_keys(struct pv_call *call)
{
    if (has_keys(call)) {
        call->api->o.daemon.keys_show(call->api->o.daemon.ctx, &call->out);
        pv_call_send(call, 200);
    }
}

struct rotation {
    struct pv_api_rotate rotate;
    struct pv_call *call;
    uint32_t id;
    char detail[32];
};

static void noted(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    const struct rotation *rotation = call->state;
    if (req->status != 0) {
        pv_call_fail(call, 503, "store_unavailable",
                     "key %lu seals, but the audit trail could not be written: %s",
                     (unsigned long)rotation->id, req->err.text);
        return;
    }
    call->api->o.daemon.keys_show(call->api->o.daemon.ctx, &call->out);
    pv_call_send(call, 201);
}

static void rotated(struct pv_api_rotate *rotate, int status, uint32_t id, const struct pv_err *err)
{
    struct rotation *rotation = PV_CONTAINER(rotate, struct rotation, rotate);
    struct pv_call *call = rotation->call;
    if (status != 0) {
        pv_call_fail(call, 409, "cannot_rotate", "%s", err->text);
        return;
    }
    rotation->id = id;
    int len =
        snprintf(rotation->detail, sizeof(rotation->detail), "key %lu seals", (unsigned long)id);
    call->state = rotation;
    pv_call_req(call, PV_REQ_NOTE, noted);
    call->r.note.now_ms = pv_wall_ms(&call->api->o.clock);
    call->r.note.audit = (struct pv_audit){.actor = pv_str(call->who.actor),
                                           .what = PV_STR("key.rotated"),
                                           .detail = {rotation->detail, (size_t)len}};
    pv_call_submit(call);
}

static void post_rotate(struct pv_call *call)
{
    const struct pv_api_daemon *daemon = &call->api->o.daemon;
    if (pv_call_object(call, NULL, 0) == NULL || !has_keys(call)) {
        return;
    }
    struct rotation *rotation = pv_arena_alloc(&call->arena, sizeof(*rotation));
    if (rotation == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    *rotation = (struct rotation){.rotate = {.done = rotated}, .call = call};
    int status = daemon->keys_rotate(daemon->ctx, &rotation->rotate);
    if (status != 0) {
        pv_call_fail(call, status == PV_EBUSY ? 409 : 503, "cannot_rotate",
                     status == PV_EBUSY ? "a key is being made already" : "no key can be made now");
    }
}

const struct pv_route pv_routes_keys[] = {
    {"GET", "/v1/keys", PV_SCOPE_ADMIN, 0, get_keys, 0},
    {"POST", "/v1/keys/rotate", PV_SCOPE_ADMIN, 0, post_rotate, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};

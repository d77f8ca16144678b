/* SPDX-License-Identifier: Apache-2.0 */
#include "core/api/holds.h"

#include "core/api/session.h"

/* Of those that have something open. */
struct pv_holder {
    struct pv_map_node node;
    struct pv_id key; /* of the token, or of the service that the session is for */
    size_t open[PV_HOLDS];
};

static const struct {
    size_t of_token;
    size_t of_sessions;
    const char *code;
    const char *what;
} limits[PV_HOLDS] = {
    [PV_HOLD_STREAM] = {PV_STREAMS_OF_TOKEN, PV_STREAMS_OF_SESSIONS, "too_many_streams",
                        "streams are open"},
    [PV_HOLD_WAIT] = {PV_WAITS_OF_TOKEN, PV_WAITS_OF_SESSIONS, "too_many_waits",
                      "calls wait for operations"},
};

/* NULL: out of memory. */
static struct pv_holder *holder_of(struct pv_map *holders, struct pv_id key)
{
    struct pv_map_node *node = pv_map_get(holders, (struct pv_str){(char *)key.b, sizeof(key.b)});
    if (node != NULL) {
        return PV_CONTAINER(node, struct pv_holder, node);
    }
    struct pv_holder *holder = pv_calloc(1, sizeof(*holder));
    if (holder == NULL) {
        return NULL;
    }
    holder->key = key;
    struct pv_str bytes = {(char *)holder->key.b, sizeof(holder->key.b)};
    if (pv_map_add(holders, &holder->node, bytes) != 0) {
        pv_free(holder);
        return NULL;
    }
    return holder;
}

void pv_hold_drop(struct pv_call *call)
{
    struct pv_holder *holder = call->holder;
    call->holder = NULL;
    if (holder == NULL) {
        return;
    }
    holder->open[call->held]--;
    if (holder->open[PV_HOLD_STREAM] + holder->open[PV_HOLD_WAIT] == 0) {
        pv_map_remove(&call->api->holders, &holder->node);
        pv_free(holder);
    }
}

bool pv_hold_take(struct pv_call *call, enum pv_hold what)
{
    bool customer = call->session != NULL;
    struct pv_id key = customer ? call->session->service : call->who.token;
    size_t max = customer ? limits[what].of_sessions : limits[what].of_token;
    pv_hold_drop(call);
    if (pv_id_is_zero(key)) {
        return true;
    }
    struct pv_holder *holder = holder_of(&call->api->holders, key);
    if (holder == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    if (holder->open[what] >= max) {
        pv_call_fail(call, 429, limits[what].code, "%zu %s already %s", max, limits[what].what,
                     customer ? "for sessions of this service" : "for this token");
        return false;
    }
    holder->open[what]++;
    call->holder = holder;
    call->held = (int)what;
    return true;
}

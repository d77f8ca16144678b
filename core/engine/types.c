/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the engine's enumerations, and the identities that are computed from hashes. */
#include "core/engine/types.h"

#include "core/base/hash.h"

#include <string.h>

struct name {
    int value;
    const char *text;
};

static const struct name op_types[] = {
    {PV_OP_CREATE, "create"}, {PV_OP_SUSPEND, "suspend"},     {PV_OP_UNSUSPEND, "unsuspend"},
    {PV_OP_RENEW, "renew"},   {PV_OP_TERMINATE, "terminate"}, {PV_OP_UPGRADE, "upgrade"},
    {PV_OP_ACTION, "action"},
};

static const struct name svc_states[] = {
    {PV_SVC_NONE, "none"},           {PV_SVC_PENDING, "pending"},       {PV_SVC_ACTIVE, "active"},
    {PV_SVC_SUSPENDED, "suspended"}, {PV_SVC_TERMINATED, "terminated"}, {PV_SVC_FAILED, "failed"},
};

static const struct name op_states[] = {
    {PV_OPS_QUEUED, "queued"},
    {PV_OPS_READY, "ready"},
    {PV_OPS_RUNNING, "running"},
    {PV_OPS_NEEDS_OPERATOR, "needs_operator"},
    {PV_OPS_DONE, "done"},
    {PV_OPS_FAILED, "failed"},
    {PV_OPS_SUPERSEDED, "superseded"},
    {PV_OPS_CANCELED, "canceled"},
    {PV_OPS_ABANDONED, "abandoned"},
};

static const struct name waits[] = {
    {PV_WAIT_NONE, "none"},     {PV_WAIT_CAPACITY, "capacity"}, {PV_WAIT_RETRY, "retry"},
    {PV_WAIT_POLL, "poll"},     {PV_WAIT_SIGNAL, "signal"},     {PV_WAIT_BREAKER, "breaker"},
    {PV_WAIT_PAUSED, "paused"}, {PV_WAIT_SETTLE, "settle"},
};

static const struct name verbs[] = {
    {PV_VERB_RETRY, "retry"}, {PV_VERB_CANCEL, "cancel"},   {PV_VERB_UNDO, "undo"},
    {PV_VERB_SKIP, "skip"},   {PV_VERB_ABANDON, "abandon"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *name_of(const struct name *table, size_t count, int value)
{
    for (size_t i = 0; i < count; i++) {
        if (table[i].value == value) {
            return table[i].text;
        }
    }
    return "?";
}

static int parse(const struct name *table, size_t count, struct pv_str text, int *ret_value)
{
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq_c(text, table[i].text)) {
            *ret_value = table[i].value;
            return PV_OK;
        }
    }
    return PV_EINVAL;
}

const char *pv_op_type_name(int type)
{
    return name_of(op_types, COUNT(op_types), type);
}

const char *pv_svc_state_name(int state)
{
    return name_of(svc_states, COUNT(svc_states), state);
}

const char *pv_op_state_name(int state)
{
    return name_of(op_states, COUNT(op_states), state);
}

const char *pv_wait_name(int wait)
{
    return name_of(waits, COUNT(waits), wait);
}

const char *pv_verb_name(int verb)
{
    return name_of(verbs, COUNT(verbs), verb);
}

int pv_op_type_parse(struct pv_str name, int *ret_type)
{
    return parse(op_types, COUNT(op_types), name, ret_type);
}

int pv_op_state_parse(struct pv_str name, int *ret_state)
{
    return parse(op_states, COUNT(op_states), name, ret_state);
}

int pv_verb_parse(struct pv_str name, int *ret_verb)
{
    return parse(verbs, COUNT(verbs), name, ret_verb);
}

bool pv_op_state_final(int state)
{
    return state >= PV_OPS_DONE;
}

struct pv_id pv_service_id(struct pv_id deployment, struct pv_str source, struct pv_str external_id)
{
    const struct pv_str parts[] = {
        PV_STR("service"), {(const char *)deployment.b, sizeof(deployment.b)}, source, external_id};
    return pv_id_of_parts(parts, COUNT(parts));
}

void pv_service_ref(struct pv_id deployment, struct pv_id service, uint32_t generation,
                    char out[PV_REF_TEXT])
{
    const uint8_t number[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16),
                               (uint8_t)(generation >> 8), (uint8_t)generation};
    const struct pv_str parts[] = {PV_STR("ref"),
                                   {(const char *)deployment.b, sizeof(deployment.b)},
                                   {(const char *)service.b, sizeof(service.b)},
                                   {(const char *)number, sizeof(number)}};
    struct pv_id hash = pv_id_of_parts(parts, COUNT(parts));
    char text[(12 * 8 + 4) / 5 + 1];
    pv_base32(hash.b, 12, text);
    out[0] = 'p';
    memcpy(out + 1, text, PV_REF_TEXT - 2);
    out[PV_REF_TEXT - 1] = '\0';
}

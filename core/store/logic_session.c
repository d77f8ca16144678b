/* SPDX-License-Identifier: Apache-2.0 */
/* Until when sessions of a service have been ended: a value beside those of its components. */
#include "core/store/logic.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME PV_STR("sessions.ended")

/* No component has that scope: theirs end with a name. */
static struct pv_str scope_of(const struct pv_svc *svc, char out[32])
{
    int len = snprintf(out, 32, "s/%" PRId64 "/", svc->n);
    return (struct pv_str){out, (size_t)len};
}

static int find_service(struct pv_logic *logic, struct pv_token_req *in, struct pv_svc *ret)
{
    int status = logic->rows->ops->svc_by_id(logic->rows, in->token.id, &logic->scratch, ret);
    bool foreign = !status && in->token.source.ptr && !pv_str_eq(ret->source, in->token.source);
    return foreign ? PV_ENOTFOUND : status;
}

static int unknown(struct pv_token_req *in)
{
    return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such service");
}

static int read_kv(struct pv_logic *logic, const struct pv_svc *svc, struct pv_kv *ret)
{
    char scope[32];
    *ret = (struct pv_kv){.erased = true};
    int status =
        logic->rows->ops->kv_get(logic->rows, scope_of(svc, scope), NAME, &logic->scratch, ret);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

/* 0: they never were. */
static int ended_of(const struct pv_kv *kv, int64_t *ret_ended_ms)
{
    *ret_ended_ms = 0;
    return kv->erased ? PV_OK : pv_str_to_i64(kv->value, ret_ended_ms);
}

int pv_logic_sessions(struct pv_logic *logic, struct pv_token_req *in)
{
    struct pv_svc svc;
    struct pv_kv kv;
    in->token.revoked_ms = 0;
    int status = find_service(logic, in, &svc);
    if (status == PV_ENOTFOUND) {
        return unknown(in);
    }
    status = status ? status : read_kv(logic, &svc, &kv);
    return status ? status : ended_of(&kv, &in->token.revoked_ms);
}

/* An end is later than the one before, whatever the clock says: what was made in between may bear
 * the millisecond behind that one. */
int pv_logic_sessions_end(struct pv_logic *logic, struct pv_token_req *in)
{
    struct pv_svc svc;
    struct pv_kv before;
    int64_t before_ms = 0;
    char scope[32];
    char text[32];
    int status = find_service(logic, in, &svc);
    if (status == PV_ENOTFOUND) {
        return unknown(in);
    }
    status = status ? status : read_kv(logic, &svc, &before);
    status = status ? status : ended_of(&before, &before_ms);
    if (status) {
        return status;
    }
    int64_t ended_ms = in->now_ms > before_ms ? in->now_ms : before_ms + 1;
    int len = snprintf(text, sizeof(text), "%" PRId64, ended_ms);
    const struct pv_kv next = {.scope = scope_of(&svc, scope),
                               .service_n = 0, /* it stays when the service is terminated */
                               .name = NAME,
                               .version = before.version + 1,
                               .value = {text, (size_t)len}};
    in->token.revoked_ms = ended_ms;
    in->audit.source = svc.source;
    in->audit.service = svc.id;
    status = logic->rows->ops->kv_put(logic->rows, &next);
    return status ? status : pv_logic_audit(logic, &in->audit, in->now_ms, svc.n);
}

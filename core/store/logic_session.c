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

static int find_service(struct pv_logic *logic, const struct pv_sessions *in, struct pv_svc *ret)
{
    int status = logic->rows->ops->svc_by_id(logic->rows, in->service, &logic->scratch, ret);
    bool foreign = !status && in->source.ptr && !pv_str_eq(ret->source, in->source);
    return foreign ? PV_ENOTFOUND : status;
}

static int read_kv(struct pv_logic *logic, const struct pv_svc *svc, struct pv_kv *ret)
{
    char scope[32];
    *ret = (struct pv_kv){.erased = true};
    int status =
        logic->rows->ops->kv_get(logic->rows, scope_of(svc, scope), NAME, &logic->scratch, ret);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

/* An end is later than the one before, whatever the clock says: what was made in between may bear
 * the millisecond behind that one. */
static int end_them(struct pv_logic *logic, struct pv_sessions *in, const struct pv_svc *svc,
                    uint64_t version)
{
    int64_t ended_ms = in->now_ms > in->ret_ended_ms ? in->now_ms : in->ret_ended_ms + 1;
    char scope[32];
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64, ended_ms);
    const struct pv_kv next = {.scope = scope_of(svc, scope),
                               .service_n = 0, /* it stays when the service is terminated */
                               .name = NAME,
                               .version = version + 1,
                               .value = {text, (size_t)len}};
    struct pv_audit audit = in->audit;
    audit.source = svc->source;
    audit.service = svc->id;
    in->ret_ended_ms = ended_ms;
    int status = logic->rows->ops->kv_put(logic->rows, &next);
    return status ? status : pv_logic_audit(logic, &audit, in->now_ms, svc->n);
}

int pv_logic_sessions(struct pv_logic *logic, struct pv_sessions *in)
{
    struct pv_svc svc;
    struct pv_kv kv;
    in->ret_ended_ms = 0;
    int status = find_service(logic, in, &svc);
    if (status == PV_ENOTFOUND) {
        return pv_logic_refuse(&in->req, PV_ENOTFOUND, "there is no such service");
    }
    status = status ? status : read_kv(logic, &svc, &kv);
    if (!status && !kv.erased) {
        status = pv_str_to_i64(kv.value, &in->ret_ended_ms);
    }
    return status || !in->end ? status : end_them(logic, in, &svc, kv.version);
}

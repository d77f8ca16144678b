/* SPDX-License-Identifier: Apache-2.0 */
/* What a step reserves while it runs: kv, pools, quotas, secrets, state documents. Under the fence,
 * each keyed by (operation, run, component, step, name), so that a repeated step gets the same. */
#include "core/store/logic.h"

#include "core/base/hash.h"
#include "core/base/message.h"

#include <stdio.h>
#include <string.h>

#define MAX_KEY 200
#define MAX_VALUE (16u * 1024)

struct reserving {
    struct pv_logic *logic;
    struct pv_reserve *in;
    struct pv_svc svc;
    char name[2 * MAX_KEY + 2];
};

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

static struct pv_grant key_of(const struct reserving *r, int kind, struct pv_str name)
{
    return (struct pv_grant){
        .op_n = r->svc.active_n,
        .run = r->in->run,
        .kind = kind,
        .component = r->in->component,
        .step = r->in->step,
        .name = name,
    };
}

/* ---- kv ---- */

bool pv_kv_shared(struct pv_str scope)
{
    return scope.len > 0 && scope.ptr[0] == 'i';
}

/* Of a service: apart for every component, under its number. Of an instance: shared by everything
 * that uses the instance. */
static struct pv_str kv_scope(struct reserving *r, int64_t *ret_service_n)
{
    int len = 0;
    if (r->in->scope == 0) {
        *ret_service_n = r->svc.n;
        len = snprintf(r->name, sizeof(r->name), "s/%lld/%.*s", (long long)r->svc.n,
                       PV_STR_ARG(r->in->component));
    } else {
        *ret_service_n = 0;
        len = snprintf(r->name, sizeof(r->name), "i/%.*s", PV_STR_ARG(r->in->instance));
    }
    return (struct pv_str){r->name, (size_t)len};
}

static int kv_get(struct reserving *r)
{
    int64_t service_n = 0;
    struct pv_kv kv;
    int status = ops_of(r->logic)->kv_get(r->logic->rows, kv_scope(r, &service_n), r->in->name,
                                          &r->in->req.arena, &kv);
    if (status == PV_ENOTFOUND || (!status && kv.erased)) {
        return pv_logic_refuse(&r->in->req, PV_ENOTFOUND, "there is no value under this key");
    }
    if (!status) {
        r->in->ret_number = kv.version;
        r->in->ret_value = kv.value;
    }
    return status;
}

/* For a query: there is no operation, and so no fence. A service's own keys need the service. */
static int query_kv_get(struct reserving *r)
{
    if (r->in->scope == 0) {
        struct pv_logic *logic = r->logic;
        int status =
            ops_of(logic)->svc_by_id(logic->rows, r->in->service, &logic->scratch, &r->svc);
        if (status == PV_ENOTFOUND) {
            return pv_logic_refuse(&r->in->req, PV_ENOTFOUND, "there is no value under this key");
        }
        if (status) {
            return status;
        }
    }
    return kv_get(r);
}

static struct pv_id kv_writer(const struct reserving *r)
{
    uint8_t run[4];
    memcpy(run, &r->in->run, sizeof(run));
    const struct pv_str parts[] = {
        {(const char *)r->in->op.b, sizeof(r->in->op.b)},
        {(const char *)run, sizeof(run)},
        r->in->component,
        r->in->step,
    };
    return pv_id_of_parts(parts, 4);
}

static int kv_put(struct reserving *r)
{
    struct pv_kv now = {.erased = true};
    struct pv_kv next = {.name = r->in->name, .erased = r->in->erase, .writer = kv_writer(r)};
    if (r->in->text.len > MAX_VALUE) {
        return pv_logic_refuse(&r->in->req, PV_ETOOBIG, "a value has at most %u bytes", MAX_VALUE);
    }
    next.scope = kv_scope(r, &next.service_n);
    int status =
        ops_of(r->logic)->kv_get(r->logic->rows, next.scope, next.name, &r->logic->scratch, &now);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (!next.erased) {
        next.value = r->in->text.ptr ? r->in->text : PV_STR("");
    }
    uint64_t present = now.erased ? 0 : now.version;
    if (r->in->number != present) {
        /* The same step again, its first answer lost: what it wrote stands. */
        bool own = now.version > 0 && pv_id_eq(now.writer, next.writer);
        if (!own || r->in->number >= now.version) {
            return pv_logic_refuse(&r->in->req, PV_ECONFLICT, "the value is at version %llu now",
                                   (unsigned long long)present);
        }
        if (now.erased == next.erased && pv_str_eq(now.value, next.value)) {
            r->in->ret_number = now.version;
            return PV_OK;
        }
    } else if (now.erased && next.erased) {
        r->in->ret_number = now.version;
        return PV_OK;
    }
    next.version = now.version + 1;
    r->in->ret_number = next.version;
    return ops_of(r->logic)->kv_put(r->logic->rows, &next);
}

/* ---- pools ---- */

/* "pool NUL name": the name of a pool's grant. */
static struct pv_str pool_key(struct reserving *r)
{
    size_t pool = r->in->pool.len;
    memcpy(r->name, r->in->pool.ptr, pool);
    r->name[pool] = '\0';
    if (r->in->name.len > 0) {
        memcpy(r->name + pool + 1, r->in->name.ptr, r->in->name.len);
    }
    return (struct pv_str){r->name, pool + 1 + r->in->name.len};
}

/* The first index from `pool->next` on, around the end, that was never given out. */
static int pool_virgin(struct reserving *r, struct pv_pool_row *pool, int64_t *ret_index)
{
    int64_t size = pool->last - pool->first + 1;
    if (pool->used >= size) {
        return PV_EEXHAUSTED;
    }
    for (int64_t i = 0; i < size; i++) {
        int64_t index = pool->next;
        pool->next = index == pool->last ? pool->first : index + 1;
        struct pv_slot slot;
        int status = ops_of(r->logic)->slot_get(r->logic->rows, pool->pool, index,
                                                &r->logic->scratch, &slot);
        if (status == PV_ENOTFOUND) {
            *ret_index = index;
            pool->used++;
            return PV_OK;
        }
        if (status) {
            return status;
        }
    }
    return PV_EEXHAUSTED;
}

/* The row of a pool; a fresh one where its range is not the one that the row was written for. */
static int pool_row(struct pv_logic *logic, struct pv_str name, const struct pv_pool_range *range,
                    struct pv_pool_row *ret)
{
    int status = ops_of(logic)->pool_get(logic->rows, name, ret);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (!status && ret->first == range->first && ret->last == range->last) {
        return PV_OK;
    }
    *ret = (struct pv_pool_row){
        .pool = name, .first = range->first, .last = range->last, .next = range->first};
    return ops_of(logic)->slot_count(logic->rows, name, range->first, range->last, &ret->used);
}

int pv_logic_pool_left(struct pv_logic *logic, struct pv_pool_left *pool, int64_t now_ms)
{
    const struct pv_pool_range *range = &pool->range;
    struct pv_pool_row row = {0};
    int64_t cooled = 0;
    int status = pool_row(logic, pool->pool, range, &row);
    status = status ? status
                    : ops_of(logic)->slot_cooled_count(logic->rows, pool->pool, range->first,
                                                       range->last, now_ms, &cooled);
    if (!status) {
        pool->ret_free = range->last - range->first + 1 - row.used + cooled;
    }
    return status;
}

static int pool_find(struct reserving *r, int64_t *ret_index)
{
    const struct pv_pool_range *range = &r->in->range;
    int status = ops_of(r->logic)->slot_cooled(r->logic->rows, r->in->pool, range->first,
                                               range->last, r->in->now_ms, ret_index);
    if (status != PV_ENOTFOUND) {
        return status;
    }
    struct pv_pool_row pool = {0};
    status = pool_row(r->logic, r->in->pool, range, &pool);
    status = status ? status : pool_virgin(r, &pool, ret_index);
    return status ? status : ops_of(r->logic)->pool_put(r->logic->rows, &pool);
}

static int pool_take(struct reserving *r)
{
    if (r->in->range.last < r->in->range.first) {
        return pv_logic_refuse(&r->in->req, PV_EEXHAUSTED, "the pool is empty");
    }
    struct pv_grant grant = key_of(r, PV_GRANT_POOL, pool_key(r));
    struct pv_grant found;
    int status = ops_of(r->logic)->grant_get(r->logic->rows, &grant, &r->logic->scratch, &found);
    if (status != PV_ENOTFOUND) {
        r->in->ret_number = status ? 0 : (uint64_t)found.number;
        return status;
    }
    int64_t index = 0;
    status = pool_find(r, &index);
    if (status == PV_EEXHAUSTED) {
        return pv_logic_refuse(&r->in->req, status, "the pool has nothing left to give out");
    }
    struct pv_slot slot = {
        .pool = r->in->pool,
        .index = index,
        .state = PV_SLOT_HELD,
        .reuse_after_ms = r->in->range.reuse_after_ms,
        .service_n = r->svc.n,
        .op_n = r->svc.active_n,
        .run = r->in->run,
        .component = r->in->component,
        .step = r->in->step,
        .name = r->in->name,
    };
    grant.number = index;
    status = status ? status : ops_of(r->logic)->slot_put(r->logic->rows, &slot);
    status = status ? status : ops_of(r->logic)->grant_put(r->logic->rows, &grant);
    r->in->ret_number = (uint64_t)index;
    return status;
}

/* The service lets go of a slot: its grant is forgotten. The holder's key becomes none. */
static int slot_leave(struct pv_logic *logic, struct pv_slot *slot, int state, int64_t now_ms)
{
    slot->state = state;
    slot->free_ms = state == PV_SLOT_COOLING ? now_ms + slot->reuse_after_ms : 0;
    slot->service_n = 0;
    slot->op_n = 0;
    slot->run = 0;
    slot->component = (struct pv_str){NULL, 0};
    slot->step = (struct pv_str){NULL, 0};
    slot->name = (struct pv_str){NULL, 0};
    return ops_of(logic)->slot_put(logic->rows, slot);
}

/* Gives back, or sets aside, what the component holds of the pool under this name. */
static int pool_leave(struct reserving *r, int state)
{
    struct pv_slot *slots = NULL;
    size_t count = 0;
    int status =
        ops_of(r->logic)->slot_list(r->logic->rows, r->svc.n, &r->logic->scratch, &slots, &count);
    struct pv_str name = pool_key(r);
    for (size_t i = 0; !status && i < count; i++) {
        struct pv_slot *slot = &slots[i];
        if (!pv_str_eq(slot->pool, r->in->pool) || !pv_str_eq(slot->name, r->in->name) ||
            !pv_str_eq(slot->component, r->in->component)) {
            continue;
        }
        struct pv_grant grant = {
            .op_n = slot->op_n,
            .run = slot->run,
            .kind = PV_GRANT_POOL,
            .component = slot->component,
            .step = slot->step,
            .name = name,
        };
        status = ops_of(r->logic)->grant_del(r->logic->rows, &grant);
        status = status ? status : slot_leave(r->logic, slot, state, r->in->now_ms);
    }
    return status;
}

/* ---- quotas ---- */

int pv_logic_quota_add(struct pv_logic *logic, int64_t service_n, struct pv_str name, int64_t delta,
                       int64_t *ret_used)
{
    int64_t used = 0;
    int status = ops_of(logic)->quota_get(logic->rows, service_n, name, &used);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (__builtin_add_overflow(used, delta, &used) || used < 0) {
        used = delta > 0 ? INT64_MAX : 0;
    }
    *ret_used = used;
    return delta == 0 ? PV_OK : ops_of(logic)->quota_put(logic->rows, service_n, name, used);
}

/* What accept reserved of this quota for the operation and no step has used yet; as a change it is
 * signed like the request's. */
static int quota_reserved(struct reserving *r, struct pv_grant *ret)
{
    struct pv_grant key = {.op_n = r->svc.active_n, .kind = PV_GRANT_RESERVED, .name = r->in->name};
    int status = ops_of(r->logic)->grant_get(r->logic->rows, &key, &r->logic->scratch, ret);
    if (status == PV_ENOTFOUND) {
        *ret = key;
        return PV_OK;
    }
    return status;
}

static int quota_write(struct reserving *r, struct pv_grant *reserved, int64_t confirmed,
                       int64_t delta, struct pv_grant *grant)
{
    int64_t used = 0;
    int status = pv_logic_quota_add(r->logic, r->svc.n, r->in->name, delta, &used);
    if (!status && confirmed != 0) {
        reserved->number -= confirmed;
        status = ops_of(r->logic)->grant_put(r->logic->rows, reserved);
    }
    r->in->ret_number = (uint64_t)used;
    return status ? status : ops_of(r->logic)->grant_put(r->logic->rows, grant);
}

static int quota_change(struct reserving *r, bool take)
{
    if (r->in->number > INT64_MAX / 2) {
        return pv_logic_refuse(&r->in->req, PV_EINVAL, "the amount is out of range");
    }
    int64_t amount = (int64_t)r->in->number;
    struct pv_grant grant = key_of(r, take ? PV_GRANT_QUOTA : PV_GRANT_GIVEN, r->in->name);
    struct pv_grant found;
    int64_t used = 0;
    int status = ops_of(r->logic)->quota_get(r->logic->rows, r->svc.n, r->in->name, &used);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    status = ops_of(r->logic)->grant_get(r->logic->rows, &grant, &r->logic->scratch, &found);
    if (status != PV_ENOTFOUND) {
        r->in->ret_number = (uint64_t)used;
        return status;
    }
    struct pv_grant reserved;
    status = quota_reserved(r, &reserved);
    if (status) {
        return status;
    }
    grant.number = amount;
    if (take) {
        int64_t confirmed = reserved.number > 0 ? reserved.number : 0;
        confirmed = confirmed < amount ? confirmed : amount;
        int64_t more = amount - confirmed;
        if (more > 0 && r->in->limit >= 0 && more > r->in->limit - used) {
            return pv_logic_refuse(&r->in->req, PV_EEXHAUSTED, "%lld of %lld are used",
                                   (long long)used, (long long)r->in->limit);
        }
        return quota_write(r, &reserved, confirmed, more, &grant);
    }
    int64_t promised = reserved.number < 0 ? -reserved.number : 0;
    promised = promised < amount ? promised : amount;
    return quota_write(r, &reserved, -promised, -amount, &grant);
}

/* ---- secrets, state documents ---- */

static int secret_new(struct reserving *r)
{
    struct pv_grant grant = key_of(r, PV_GRANT_SECRET, r->in->name);
    struct pv_grant found;
    int status = ops_of(r->logic)->grant_get(r->logic->rows, &grant, &r->in->req.arena, &found);
    if (!status) {
        r->in->ret_value = found.value;
        return PV_OK;
    }
    if (status != PV_ENOTFOUND) {
        return status;
    }
    grant.value = r->in->text;
    status = ops_of(r->logic)->grant_put(r->logic->rows, &grant);
    return status ? status : pv_logic_copy(&r->in->req.arena, r->in->text, &r->in->ret_value);
}

static int state_save(struct reserving *r)
{
    if (r->in->text.len > PV_MAX_STATE_DOC) {
        return pv_logic_refuse(&r->in->req, PV_ETOOBIG,
                               "the state document has %zu bytes, the limit is %u", r->in->text.len,
                               PV_MAX_STATE_DOC);
    }
    return ops_of(r->logic)->doc_put(r->logic->rows, r->svc.n, r->in->component, r->in->text);
}

int pv_logic_reserve(struct pv_logic *logic, struct pv_reserve *in)
{
    struct reserving r = {.logic = logic, .in = in};
    if (in->name.len > MAX_KEY || in->pool.len > PV_MAX_NAME || in->component.len > PV_MAX_NAME ||
        in->step.len > PV_MAX_NAME || in->instance.len > PV_MAX_NAME) {
        return pv_logic_refuse(&in->req, PV_ETOOBIG, "the name is longer than %d bytes", MAX_KEY);
    }
    if (pv_id_is_zero(in->op) && in->kind == PV_ASK_KV_GET) {
        return query_kv_get(&r);
    }
    int status = ops_of(logic)->svc_by_id(logic->rows, in->service, &logic->scratch, &r.svc);
    if (status && status != PV_ENOTFOUND) {
        return status;
    }
    if (status || !pv_id_eq(r.svc.active_op, in->op) || r.svc.fence != in->fence ||
        r.svc.active_state != PV_OPS_RUNNING) {
        return pv_logic_refuse(&in->req, PV_EFENCED, "the claim on the operation was lost");
    }
    if (in->kind >= PV_ASK_POOL_TAKE && in->kind <= PV_ASK_POOL_REJECT && in->pool.len == 0) {
        return pv_logic_refuse(&in->req, PV_EINVAL, "the pool has no name");
    }
    switch (in->kind) {
    case PV_ASK_KV_GET:
        return kv_get(&r);
    case PV_ASK_KV_PUT:
        return kv_put(&r);
    case PV_ASK_POOL_TAKE:
        return pool_take(&r);
    case PV_ASK_POOL_GIVE:
        return pool_leave(&r, PV_SLOT_COOLING);
    case PV_ASK_POOL_REJECT:
        return pool_leave(&r, PV_SLOT_REJECTED);
    case PV_ASK_QUOTA_TAKE:
        return quota_change(&r, true);
    case PV_ASK_QUOTA_GIVE:
        return quota_change(&r, false);
    case PV_ASK_STATE_SAVE:
        return state_save(&r);
    case PV_ASK_SECRET_NEW:
        return secret_new(&r);
    default:
        return pv_logic_refuse(&in->req, PV_EINVAL, "the store knows no call %d", in->kind);
    }
}

/* ---- giving back ---- */

static int release_grant(struct pv_logic *logic, const struct pv_svc *svc, struct pv_grant *grant,
                         int64_t now_ms)
{
    int64_t used = 0;
    int status = PV_OK;
    if (grant->kind == PV_GRANT_QUOTA) {
        status = pv_logic_quota_add(logic, svc->n, grant->name, -grant->number, &used);
    } else if (grant->kind == PV_GRANT_GIVEN) {
        status = pv_logic_quota_add(logic, svc->n, grant->name, grant->number, &used);
    } else if (grant->kind == PV_GRANT_POOL) {
        size_t pool_len = strnlen(grant->name.ptr, grant->name.len);
        struct pv_str pool = {grant->name.ptr, pool_len};
        struct pv_slot slot;
        status = ops_of(logic)->slot_get(logic->rows, pool, grant->number, &logic->scratch, &slot);
        if (!status && slot.state == PV_SLOT_HELD && slot.op_n == grant->op_n) {
            status = slot_leave(logic, &slot, PV_SLOT_COOLING, now_ms);
        } else if (status == PV_ENOTFOUND) {
            status = PV_OK;
        }
    }
    return status ? status : ops_of(logic)->grant_del(logic->rows, grant);
}

int pv_logic_release(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n, uint32_t run,
                     int64_t now_ms)
{
    struct pv_grant *grants = NULL;
    size_t count = 0;
    int status = ops_of(logic)->grant_list(logic->rows, op_n, &logic->scratch, &grants, &count);
    for (size_t i = 0; !status && i < count; i++) {
        if (grants[i].run == run && grants[i].kind != PV_GRANT_RESERVED) {
            status = release_grant(logic, svc, &grants[i], now_ms);
        }
    }
    return status;
}

int pv_logic_settle(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n, int state)
{
    struct pv_grant *grants = NULL;
    size_t count = 0;
    int status = ops_of(logic)->grant_list(logic->rows, op_n, &logic->scratch, &grants, &count);
    for (size_t i = 0; !status && i < count; i++) {
        struct pv_grant *grant = &grants[i];
        int64_t used = 0;
        if (grant->kind == PV_GRANT_RESERVED) {
            /* Reserved and not used: given back. Promised and not done by a step: done now. */
            bool done = state == PV_OPS_DONE;
            if (done == (grant->number < 0)) {
                int64_t delta = done ? grant->number : -grant->number;
                status = pv_logic_quota_add(logic, svc->n, grant->name, delta, &used);
            }
        } else if (state == PV_OPS_FAILED) {
            continue; /* it may be retried: what it reserved stays under its keys */
        }
        status = status ? status : ops_of(logic)->grant_del(logic->rows, grant);
    }
    return status;
}

int pv_logic_clear_service(struct pv_logic *logic, const struct pv_svc *svc, int64_t now_ms)
{
    struct pv_slot *slots = NULL;
    size_t count = 0;
    int status = ops_of(logic)->slot_list(logic->rows, svc->n, &logic->scratch, &slots, &count);
    for (size_t i = 0; !status && i < count; i++) {
        status = slot_leave(logic, &slots[i], PV_SLOT_COOLING, now_ms);
    }
    status = status ? status : ops_of(logic)->quota_drop(logic->rows, svc->n);
    return status ? status : ops_of(logic)->kv_drop(logic->rows, svc->n);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The memory store's rows: everything that hangs on services and operations, the audit trail,
 * tokens. */
#include "core/store/mem_rows.h"

#include <stddef.h>
#include <string.h>

PV_STRINGS(doc_strings, offsetof(struct pv_doc, component), offsetof(struct pv_doc, json));
static const struct pv_shape doc_shape = PV_SHAPE(pv_doc, doc_strings);

PV_STRINGS(step_strings, offsetof(struct pv_step_row, component),
           offsetof(struct pv_step_row, step), offsetof(struct pv_step_row, instance),
           offsetof(struct pv_step_row, text));
static const struct pv_shape step_shape = PV_SHAPE(pv_step_row, step_strings);

PV_STRINGS(signal_strings, offsetof(struct pv_signal_row, name),
           offsetof(struct pv_signal_row, body));
static const struct pv_shape signal_shape = PV_SHAPE(pv_signal_row, signal_strings);

PV_STRINGS(kv_strings, offsetof(struct pv_kv, scope), offsetof(struct pv_kv, name),
           offsetof(struct pv_kv, value));
static const struct pv_shape kv_shape = PV_SHAPE(pv_kv, kv_strings);

PV_STRINGS(grant_strings, offsetof(struct pv_grant, component), offsetof(struct pv_grant, step),
           offsetof(struct pv_grant, name), offsetof(struct pv_grant, value));
static const struct pv_shape grant_shape = PV_SHAPE(pv_grant, grant_strings);

PV_STRINGS(slot_strings, offsetof(struct pv_slot, pool), offsetof(struct pv_slot, component),
           offsetof(struct pv_slot, step), offsetof(struct pv_slot, name));
static const struct pv_shape slot_shape = PV_SHAPE(pv_slot, slot_strings);

PV_STRINGS(pool_strings, offsetof(struct pv_pool_row, pool));
static const struct pv_shape pool_shape = PV_SHAPE(pv_pool_row, pool_strings);

PV_STRINGS(quota_strings, offsetof(struct pv_quota_row, name));
static const struct pv_shape quota_shape = PV_SHAPE(pv_quota_row, quota_strings);

PV_STRINGS(audit_strings, offsetof(struct pv_audit_row, record.actor),
           offsetof(struct pv_audit_row, record.what), offsetof(struct pv_audit_row, record.source),
           offsetof(struct pv_audit_row, record.detail));
static const struct pv_shape audit_shape = PV_SHAPE(pv_audit_row, audit_strings);

PV_STRINGS(token_strings, offsetof(struct pv_token_row, source),
           offsetof(struct pv_token_row, scopes));
static const struct pv_shape token_shape = PV_SHAPE(pv_token_row, token_strings);

static struct pv_key key_n(enum pv_mem_table table, int64_t n)
{
    struct pv_key key = pv_mem_key(table);
    pv_key_i64(&key, n);
    return key;
}

static struct pv_key key_ns(enum pv_mem_table table, int64_t n, struct pv_str s)
{
    struct pv_key key = key_n(table, n);
    pv_key_str(&key, s);
    return key;
}

/* ---- documents, steps, signals ---- */

static int mem_doc_put(struct pv_rows *rows, int64_t service_n, struct pv_str component,
                       struct pv_str json)
{
    struct pv_key key = key_ns(PV_M_DOC, service_n, component);
    struct pv_doc doc = {component, json};
    return pv_mem_put(rows, &key, &doc_shape, &doc);
}

static int mem_doc_drop(struct pv_rows *rows, int64_t service_n, struct pv_str component)
{
    struct pv_key key = key_ns(PV_M_DOC, service_n, component);
    return pv_mem_drop(rows, &key);
}

static int mem_doc_drop_all(struct pv_rows *rows, int64_t service_n)
{
    struct pv_key key = key_n(PV_M_DOC, service_n);
    return pv_mem_drop_all(rows, &key);
}

static int mem_doc_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                        struct pv_doc **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_DOC, service_n);
    return pv_mem_all(rows, &key, &doc_shape, arena, SIZE_MAX, ret, ret_count);
}

static int mem_step_add(struct pv_rows *rows, int64_t op_n, const struct pv_step_row *row)
{
    struct pv_key key = key_n(PV_M_STEP, op_n);
    pv_key_i64(&key, row->seq);
    return pv_mem_put(rows, &key, &step_shape, row);
}

static int mem_step_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                         struct pv_step_row **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_STEP, op_n);
    return pv_mem_all(rows, &key, &step_shape, arena, SIZE_MAX, ret, ret_count);
}

static int mem_signal_put(struct pv_rows *rows, int64_t op_n, struct pv_str name,
                          struct pv_str body)
{
    struct pv_key key = key_ns(PV_M_SIGNAL, op_n, name);
    struct pv_signal_row row = {name, body};
    return pv_mem_put(rows, &key, &signal_shape, &row);
}

static int mem_signal_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                           struct pv_signal_row **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_SIGNAL, op_n);
    return pv_mem_all(rows, &key, &signal_shape, arena, SIZE_MAX, ret, ret_count);
}

/* ---- kv, grants, pools, quotas ---- */

static struct pv_key kv_key(struct pv_str scope, struct pv_str name)
{
    struct pv_key key = pv_mem_key(PV_M_KV);
    pv_key_str(&key, scope);
    pv_key_str(&key, name);
    return key;
}

static int mem_kv_get(struct pv_rows *rows, struct pv_str scope, struct pv_str name,
                      struct pv_arena *arena, struct pv_kv *ret)
{
    struct pv_key key = kv_key(scope, name);
    return pv_mem_get(rows, &key, &kv_shape, arena, ret);
}

static int mem_kv_put(struct pv_rows *rows, const struct pv_kv *kv)
{
    struct pv_key key = kv_key(kv->scope, kv->name);
    return pv_mem_put(rows, &key, &kv_shape, kv);
}

static int mem_kv_drop(struct pv_rows *rows, int64_t service_n)
{
    struct pv_key prefix = pv_mem_key(PV_M_KV);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    while (pv_tree_under(node, &prefix)) {
        const struct pv_kv *kv = pv_tree_value(node);
        struct pv_key key = {.len = 0};
        struct pv_str bytes = pv_tree_key(node);
        pv_key_bytes(&key, bytes.ptr, bytes.len);
        bool drop = kv->service_n == service_n;
        node = pv_tree_next(node);
        int status = drop ? pv_tree_del(pv_mem_tree(rows), &key) : PV_OK;
        if (status) {
            return status;
        }
    }
    return PV_OK;
}

static struct pv_key grant_key(const struct pv_grant *grant)
{
    struct pv_key key = key_n(PV_M_GRANT, grant->op_n);
    pv_key_i64(&key, grant->run);
    pv_key_u8(&key, (uint8_t)grant->kind);
    pv_key_str(&key, grant->component);
    pv_key_str(&key, grant->step);
    pv_key_str(&key, grant->name);
    return key;
}

static int mem_grant_get(struct pv_rows *rows, const struct pv_grant *grant, struct pv_arena *arena,
                         struct pv_grant *ret)
{
    struct pv_key key = grant_key(grant);
    return pv_mem_get(rows, &key, &grant_shape, arena, ret);
}

static int mem_grant_put(struct pv_rows *rows, const struct pv_grant *grant)
{
    struct pv_key key = grant_key(grant);
    return pv_mem_put(rows, &key, &grant_shape, grant);
}

static int mem_grant_del(struct pv_rows *rows, const struct pv_grant *grant)
{
    struct pv_key key = grant_key(grant);
    return pv_mem_drop(rows, &key);
}

static int mem_grant_list(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                          struct pv_grant **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_GRANT, op_n);
    return pv_mem_all(rows, &key, &grant_shape, arena, SIZE_MAX, ret, ret_count);
}

static struct pv_key slot_key(struct pv_str pool, int64_t index)
{
    struct pv_key key = pv_mem_key(PV_M_SLOT);
    pv_key_str(&key, pool);
    pv_key_i64(&key, index);
    return key;
}

static struct pv_key slot_of_key(const struct pv_slot *slot)
{
    struct pv_key key = key_n(PV_M_SLOT_OF, slot->service_n);
    pv_key_str(&key, slot->pool);
    pv_key_i64(&key, slot->index);
    return key;
}

static int mem_slot_get(struct pv_rows *rows, struct pv_str pool, int64_t index,
                        struct pv_arena *arena, struct pv_slot *ret)
{
    struct pv_key key = slot_key(pool, index);
    return pv_mem_get(rows, &key, &slot_shape, arena, ret);
}

static int mem_slot_put(struct pv_rows *rows, const struct pv_slot *slot)
{
    struct pv_key key = slot_key(slot->pool, slot->index);
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    if (node) {
        const struct pv_slot *old = pv_tree_value(node);
        struct pv_key of = slot_of_key(old);
        int status = pv_mem_drop(rows, &of);
        if (status) {
            return status;
        }
    }
    if (slot->service_n) {
        struct pv_key of = slot_of_key(slot);
        int status = pv_mem_put(rows, &of, &slot_shape, slot);
        if (status) {
            return status;
        }
    }
    return pv_mem_put(rows, &key, &slot_shape, slot);
}

static bool is_cooled(const struct pv_slot *slot, int64_t first, int64_t last, int64_t now_ms)
{
    return slot->state == PV_SLOT_COOLING && slot->free_ms <= now_ms && slot->index >= first &&
           slot->index <= last;
}

static int mem_slot_cooled(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                           int64_t now_ms, int64_t *ret_index)
{
    struct pv_key prefix = pv_mem_key(PV_M_SLOT);
    pv_key_str(&prefix, pool);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    int64_t best = INT64_MAX;
    for (; pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_slot *slot = pv_tree_value(node);
        if (is_cooled(slot, first, last, now_ms) && slot->free_ms < best) {
            best = slot->free_ms;
            *ret_index = slot->index;
        }
    }
    return best == INT64_MAX ? PV_ENOTFOUND : PV_OK;
}

static int mem_slot_cooled_count(struct pv_rows *rows, struct pv_str pool, int64_t first,
                                 int64_t last, int64_t now_ms, int64_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_SLOT);
    pv_key_str(&prefix, pool);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    *ret_count = 0;
    for (; pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        *ret_count += is_cooled(pv_tree_value(node), first, last, now_ms) ? 1 : 0;
    }
    return PV_OK;
}

static int mem_slot_count(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                          int64_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_SLOT);
    pv_key_str(&prefix, pool);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    *ret_count = 0;
    for (; pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_slot *slot = pv_tree_value(node);
        *ret_count += slot->index >= first && slot->index <= last ? 1 : 0;
    }
    return PV_OK;
}

static int mem_slot_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                         struct pv_slot **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_SLOT_OF, service_n);
    return pv_mem_all(rows, &key, &slot_shape, arena, SIZE_MAX, ret, ret_count);
}

static int mem_pool_get(struct pv_rows *rows, struct pv_str pool, struct pv_pool_row *ret)
{
    struct pv_key key = pv_mem_key(PV_M_POOL);
    pv_key_str(&key, pool);
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    if (!node) {
        return PV_ENOTFOUND;
    }
    memcpy(ret, pv_tree_value(node), sizeof(*ret));
    ret->pool = pool;
    return PV_OK;
}

static int mem_pool_put(struct pv_rows *rows, const struct pv_pool_row *pool)
{
    struct pv_key key = pv_mem_key(PV_M_POOL);
    pv_key_str(&key, pool->pool);
    return pv_mem_put(rows, &key, &pool_shape, pool);
}

static int mem_quota_get(struct pv_rows *rows, int64_t service_n, struct pv_str name,
                         int64_t *ret_used)
{
    struct pv_key key = key_ns(PV_M_QUOTA, service_n, name);
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    if (!node) {
        return PV_ENOTFOUND;
    }
    const struct pv_quota_row *row = pv_tree_value(node);
    *ret_used = row->used;
    return PV_OK;
}

static int mem_quota_put(struct pv_rows *rows, int64_t service_n, struct pv_str name, int64_t used)
{
    struct pv_key key = key_ns(PV_M_QUOTA, service_n, name);
    struct pv_quota_row row = {name, used};
    return pv_mem_put(rows, &key, &quota_shape, &row);
}

static int mem_quota_drop(struct pv_rows *rows, int64_t service_n)
{
    struct pv_key key = key_n(PV_M_QUOTA, service_n);
    return pv_mem_drop_all(rows, &key);
}

static int mem_quota_list(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                          struct pv_quota_row **ret, size_t *ret_count)
{
    struct pv_key key = key_n(PV_M_QUOTA, service_n);
    return pv_mem_all(rows, &key, &quota_shape, arena, SIZE_MAX, ret, ret_count);
}

/* ---- audit, tokens, pauses ---- */

static int mem_audit_add(struct pv_rows *rows, const struct pv_audit_row *row, int64_t service_n)
{
    (void)service_n;
    struct pv_key key = key_n(PV_M_AUDIT, (int64_t)row->n);
    return pv_mem_put(rows, &key, &audit_shape, row);
}

static bool audit_matches(struct pv_rows *rows, const struct pv_filter *filter,
                          const struct pv_audit_row *row)
{
    if (filter->source.ptr && !pv_str_eq(row->record.source, filter->source)) {
        return false;
    }
    if (!filter->service_n) {
        return true;
    }
    struct pv_key key = pv_mem_key(PV_M_SVC_ID);
    pv_key_bytes(&key, row->record.service.b, sizeof(row->record.service.b));
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    int64_t n = 0;
    if (node) {
        memcpy(&n, pv_tree_value(node), sizeof(n));
    }
    return n == filter->service_n;
}

static int mem_audit_list(struct pv_rows *rows, const struct pv_filter *filter,
                          struct pv_arena *arena, struct pv_audit_row **ret, size_t *ret_count,
                          int64_t *ret_stopped)
{
    *ret_stopped = 0;
    struct pv_key prefix = pv_mem_key(PV_M_AUDIT);
    struct pv_key from = key_n(PV_M_AUDIT, filter->after_n + 1);
    struct pv_audit_row *list = pv_arena_alloc(arena, filter->limit * sizeof(*list));
    if (!list) {
        return PV_ENOMEM;
    }
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    size_t count = 0;
    for (; count < filter->limit && pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_audit_row *row = pv_tree_value(node);
        if (audit_matches(rows, filter, row)) {
            struct pv_key key = key_n(PV_M_AUDIT, (int64_t)row->n);
            int status = pv_mem_get(rows, &key, &audit_shape, arena, &list[count]);
            if (status) {
                return status;
            }
            count++;
        }
    }
    *ret = list;
    *ret_count = count;
    return PV_OK;
}

static struct pv_key token_key(struct pv_id id)
{
    struct pv_key key = pv_mem_key(PV_M_TOKEN);
    pv_key_bytes(&key, id.b, sizeof(id.b));
    return key;
}

static int mem_token_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                           struct pv_token_row *ret)
{
    struct pv_key key = token_key(id);
    return pv_mem_get(rows, &key, &token_shape, arena, ret);
}

static int mem_token_by_hash(struct pv_rows *rows, struct pv_hash hash, struct pv_arena *arena,
                             struct pv_token_row *ret)
{
    struct pv_key prefix = pv_mem_key(PV_M_TOKEN);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    for (; pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_token_row *row = pv_tree_value(node);
        if (pv_hash_eq(row->secret_hash, hash)) {
            return mem_token_by_id(rows, row->id, arena, ret);
        }
    }
    return PV_ENOTFOUND;
}

static int mem_token_put(struct pv_rows *rows, const struct pv_token_row *row)
{
    struct pv_key key = token_key(row->id);
    return pv_mem_put(rows, &key, &token_shape, row);
}

static int mem_token_list(struct pv_rows *rows, struct pv_id after, size_t limit,
                          struct pv_arena *arena, struct pv_token_row **ret, size_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_TOKEN);
    struct pv_token_row *list = pv_arena_alloc(arena, limit * sizeof(*list) + 1);
    if (!list) {
        return PV_ENOMEM;
    }
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &prefix);
    size_t count = 0;
    for (; count < limit && pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_token_row *row = pv_tree_value(node);
        if (pv_id_cmp(row->id, after) > 0) {
            int status = mem_token_by_id(rows, row->id, arena, &list[count]);
            if (status) {
                return status;
            }
            count++;
        }
    }
    *ret = list;
    *ret_count = count;
    return PV_OK;
}

static int mem_pause_put(struct pv_rows *rows, struct pv_str instance, bool paused)
{
    struct pv_key key = pv_mem_key(PV_M_PAUSE);
    pv_key_str(&key, instance);
    struct pv_pool_row row = {.pool = instance};
    return paused ? pv_mem_put(rows, &key, &pool_shape, &row) : pv_mem_drop(rows, &key);
}

static int mem_pause_list(struct pv_rows *rows, struct pv_arena *arena, struct pv_str **ret,
                          size_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_PAUSE);
    struct pv_pool_row *list = NULL;
    size_t count = 0;
    int status = pv_mem_all(rows, &prefix, &pool_shape, arena, SIZE_MAX, &list, &count);
    struct pv_str *names = status ? NULL : pv_arena_alloc(arena, (count + 1) * sizeof(*names));
    if (!names) {
        return status ? status : PV_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = list[i].pool;
    }
    *ret = names;
    *ret_count = count;
    return PV_OK;
}

/* Nothing is sealed here. */
static int mem_reseal(struct pv_rows *rows, struct pv_reseal *in)
{
    (void)rows;
    in->ret_key = 0;
    in->ret_done = true;
    in->ret_looked = 0;
    in->ret_resealed = 0;
    in->ret_unreadable = 0;
    return PV_OK;
}

void pv_mem_things(struct pv_rows_ops *ops)
{
    ops->reseal = mem_reseal;
    ops->doc_put = mem_doc_put;
    ops->doc_drop = mem_doc_drop;
    ops->doc_drop_all = mem_doc_drop_all;
    ops->doc_list = mem_doc_list;
    ops->step_add = mem_step_add;
    ops->step_list = mem_step_list;
    ops->signal_put = mem_signal_put;
    ops->signal_list = mem_signal_list;
    ops->kv_get = mem_kv_get;
    ops->kv_put = mem_kv_put;
    ops->kv_drop = mem_kv_drop;
    ops->grant_get = mem_grant_get;
    ops->grant_put = mem_grant_put;
    ops->grant_del = mem_grant_del;
    ops->grant_list = mem_grant_list;
    ops->slot_get = mem_slot_get;
    ops->slot_put = mem_slot_put;
    ops->slot_cooled = mem_slot_cooled;
    ops->slot_cooled_count = mem_slot_cooled_count;
    ops->slot_count = mem_slot_count;
    ops->slot_list = mem_slot_list;
    ops->pool_get = mem_pool_get;
    ops->pool_put = mem_pool_put;
    ops->quota_get = mem_quota_get;
    ops->quota_put = mem_quota_put;
    ops->quota_drop = mem_quota_drop;
    ops->quota_list = mem_quota_list;
    ops->audit_add = mem_audit_add;
    ops->audit_list = mem_audit_list;
    ops->token_by_id = mem_token_by_id;
    ops->token_by_hash = mem_token_by_hash;
    ops->token_put = mem_token_put;
    ops->token_list = mem_token_list;
    ops->pause_put = mem_pause_put;
    ops->pause_list = mem_pause_list;
}

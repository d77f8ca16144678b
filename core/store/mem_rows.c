/* SPDX-License-Identifier: Apache-2.0 */
/* The memory store's rows: services, operations, their queue, and pages of them. */
#include "core/store/mem_rows.h"

#include "core/base/alloc.h"
#include "core/store/logic.h"

#include <stddef.h>
#include <string.h>

const struct pv_shape pv_mem_shape_number = {sizeof(int64_t), 0, NULL};

PV_STRINGS(svc_strings, offsetof(struct pv_svc, source), offsetof(struct pv_svc, external_id),
           offsetof(struct pv_svc, product), offsetof(struct pv_svc, plan_name),
           offsetof(struct pv_svc, lane), offsetof(struct pv_svc, reason),
           offsetof(struct pv_svc, cursor), offsetof(struct pv_svc, was.lane));
static const struct pv_shape svc_shape = PV_SHAPE(pv_svc, svc_strings);

PV_STRINGS(op_strings, offsetof(struct pv_op, source), offsetof(struct pv_op, action),
           offsetof(struct pv_op, product), offsetof(struct pv_op, plan_name),
           offsetof(struct pv_op, reason), offsetof(struct pv_op, lane),
           offsetof(struct pv_op, cursor), offsetof(struct pv_op, body),
           offsetof(struct pv_op, plan), offsetof(struct pv_op, result));
static const struct pv_shape op_shape = PV_SHAPE(pv_op, op_strings);

PV_STRINGS(doc_strings, offsetof(struct pv_doc, component), offsetof(struct pv_doc, json));
static const struct pv_shape pair_shape = PV_SHAPE(pv_doc, doc_strings);

/* ---- generic ---- */

struct pv_tree *pv_mem_tree(struct pv_rows *rows)
{
    return &PV_CONTAINER(rows, struct pv_mem_rows, rows)->tree;
}

struct pv_key pv_mem_key(enum pv_mem_table table)
{
    struct pv_key key;
    key.len = 0;
    key.cut = false;
    pv_key_u8(&key, (uint8_t)table);
    return key;
}

static struct pv_str *string_at(void *row, size_t offset)
{
    return (struct pv_str *)(void *)((char *)row + offset);
}

int pv_mem_put(struct pv_rows *rows, const struct pv_key *key, const struct pv_shape *shape,
               const void *row)
{
    size_t bytes = shape->size;
    for (size_t i = 0; i < shape->count; i++) {
        bytes +=
            ((const struct pv_str *)(const void *)((const char *)row + shape->strings[i]))->len;
    }
    char *copy = pv_malloc(bytes);
    if (!copy) {
        return PV_ENOMEM;
    }
    memcpy(copy, row, shape->size);
    char *to = copy + shape->size;
    for (size_t i = 0; i < shape->count; i++) {
        struct pv_str *s = string_at(copy, shape->strings[i]);
        if (s->len > 0) {
            memcpy(to, s->ptr, s->len);
        }
        s->ptr = s->ptr ? to : NULL;
        to += s->len;
    }
    return pv_tree_put(pv_mem_tree(rows), key, copy);
}

static int copy_out(const void *value, const struct pv_shape *shape, struct pv_arena *arena,
                    void *ret)
{
    memcpy(ret, value, shape->size);
    for (size_t i = 0; i < shape->count; i++) {
        struct pv_str *s = string_at(ret, shape->strings[i]);
        if (s->ptr) {
            *s = pv_arena_copy(arena, *s);
            if (!s->ptr) {
                return PV_ENOMEM;
            }
        }
    }
    return PV_OK;
}

int pv_mem_get(struct pv_rows *rows, const struct pv_key *key, const struct pv_shape *shape,
               struct pv_arena *arena, void *ret)
{
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), key);
    return node ? copy_out(pv_tree_value(node), shape, arena, ret) : PV_ENOTFOUND;
}

int pv_mem_all(struct pv_rows *rows, const struct pv_key *prefix, const struct pv_shape *shape,
               struct pv_arena *arena, size_t limit, void *ret_array, size_t *ret_count)
{
    size_t count = 0;
    struct pv_tree_node *first = pv_tree_seek(pv_mem_tree(rows), prefix);
    struct pv_tree_node *node = first;
    for (; count < limit && pv_tree_under(node, prefix); node = pv_tree_next(node)) {
        count++;
    }
    char *array = NULL;
    if (count > 0) {
        array = pv_arena_alloc(arena, count * shape->size);
        if (!array) {
            return PV_ENOMEM;
        }
    }
    node = first;
    for (size_t i = 0; i < count; i++, node = pv_tree_next(node)) {
        int status = copy_out(pv_tree_value(node), shape, arena, array + i * shape->size);
        if (status) {
            return status;
        }
    }
    *(void **)ret_array = array;
    *ret_count = count;
    return PV_OK;
}

int pv_mem_drop(struct pv_rows *rows, const struct pv_key *key)
{
    int status = pv_tree_del(pv_mem_tree(rows), key);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

int pv_mem_drop_all(struct pv_rows *rows, const struct pv_key *prefix)
{
    for (;;) {
        struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), prefix);
        if (!pv_tree_under(node, prefix)) {
            return PV_OK;
        }
        struct pv_key key = {.len = 0};
        struct pv_str bytes = pv_tree_key(node);
        pv_key_bytes(&key, bytes.ptr, bytes.len);
        int status = pv_tree_del(pv_mem_tree(rows), &key);
        if (status) {
            return status;
        }
    }
}

static int put_number(struct pv_rows *rows, const struct pv_key *key, int64_t number)
{
    return pv_mem_put(rows, key, &pv_mem_shape_number, &number);
}

static int get_number(struct pv_rows *rows, const struct pv_key *key, int64_t *ret)
{
    return pv_mem_get(rows, key, &pv_mem_shape_number, NULL, ret);
}

static struct pv_key key_n(enum pv_mem_table table, int64_t n)
{
    struct pv_key key = pv_mem_key(table);
    pv_key_i64(&key, n);
    return key;
}

static struct pv_key key_id(enum pv_mem_table table, struct pv_id id)
{
    struct pv_key key = pv_mem_key(table);
    pv_key_bytes(&key, id.b, sizeof(id.b));
    return key;
}

static struct pv_key key_nn(enum pv_mem_table table, int64_t a, int64_t b)
{
    struct pv_key key = key_n(table, a);
    pv_key_i64(&key, b);
    return key;
}

/* The big-endian number at the end of a key. */
static int64_t key_tail(const struct pv_tree_node *node, size_t from_end)
{
    struct pv_str key = pv_tree_key(node);
    uint64_t u = 0;
    for (size_t i = 0; i < 8; i++) {
        u = u << 8 | (uint8_t)key.ptr[key.len - from_end + i];
    }
    return (int64_t)(u ^ (UINT64_C(1) << 63));
}

/* ---- marks ---- */

static int mem_mark(struct pv_rows *rows)
{
    struct pv_mem_rows *mem = PV_CONTAINER(rows, struct pv_mem_rows, rows);
    mem->mark = mem->tree.log_count;
    return PV_OK;
}

static int mem_mark_release(struct pv_rows *rows)
{
    (void)rows;
    return PV_OK;
}

static int mem_mark_rollback(struct pv_rows *rows)
{
    struct pv_mem_rows *mem = PV_CONTAINER(rows, struct pv_mem_rows, rows);
    pv_tree_rollback(&mem->tree, mem->mark);
    return PV_OK;
}

/* ---- services ---- */

static int mem_svc_by_n(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_svc *ret)
{
    struct pv_key key = key_n(PV_M_SVC, n);
    return pv_mem_get(rows, &key, &svc_shape, arena, ret);
}

static int mem_svc_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                         struct pv_svc *ret)
{
    struct pv_key key = key_id(PV_M_SVC_ID, id);
    int64_t n = 0;
    int status = get_number(rows, &key, &n);
    return status ? status : mem_svc_by_n(rows, n, arena, ret);
}

static struct pv_key due_key(struct pv_str lane, int64_t due, int64_t n)
{
    struct pv_key key = pv_mem_key(PV_M_DUE);
    pv_key_str(&key, lane);
    pv_key_i64(&key, due);
    pv_key_i64(&key, n);
    return key;
}

static int svc_indexes(struct pv_rows *rows, const struct pv_svc *svc, const struct pv_svc_was *was)
{
    int status = PV_OK;
    struct pv_key key;
    if (was->due != PV_NO_DUE) {
        key = due_key(was->lane, was->due, svc->n);
        status = pv_mem_drop(rows, &key);
    }
    if (!status && was->active_state) {
        key = key_nn(PV_M_LIVE, was->active_state, was->active_n);
        status = pv_mem_drop(rows, &key);
    }
    if (!status && svc->due != PV_NO_DUE) {
        key = due_key(svc->lane, svc->due, svc->n);
        status = put_number(rows, &key, svc->n);
    }
    if (!status && svc->active_state) {
        key = key_nn(PV_M_LIVE, svc->active_state, svc->active_n);
        status = put_number(rows, &key, svc->n);
    }
    return status;
}

static int mem_svc_put(struct pv_rows *rows, struct pv_svc *svc)
{
    struct pv_mem_rows *mem = PV_CONTAINER(rows, struct pv_mem_rows, rows);
    int status = PV_OK;
    if (svc->n == 0) {
        svc->n = ++mem->last_service;
        svc->was = (struct pv_svc_was){.due = PV_NO_DUE};
        struct pv_key key = key_id(PV_M_SVC_ID, svc->id);
        status = put_number(rows, &key, svc->n);
    }
    struct pv_svc_was was = svc->was;
    svc->was = (struct pv_svc_was){svc->active_state, svc->active_n, svc->due, svc->lane};
    struct pv_key key = key_n(PV_M_SVC, svc->n);
    status = status ? status : pv_mem_put(rows, &key, &svc_shape, svc);
    return status ? status : svc_indexes(rows, svc, &was);
}

static int mem_detail_get(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                          struct pv_str *ret_attrs, struct pv_str *ret_composition)
{
    struct pv_key key = key_n(PV_M_DETAIL, service_n);
    struct pv_doc pair = {0};
    int status = pv_mem_get(rows, &key, &pair_shape, arena, &pair);
    if (status == PV_ENOTFOUND) {
        status = PV_OK;
    }
    *ret_attrs = pair.component;
    *ret_composition = pair.json;
    return status;
}

static int mem_detail_put(struct pv_rows *rows, int64_t service_n, struct pv_str attrs,
                          struct pv_str composition)
{
    struct pv_key key = key_n(PV_M_DETAIL, service_n);
    struct pv_doc pair = {attrs, composition};
    return pv_mem_put(rows, &key, &pair_shape, &pair);
}

static int mem_lane_next(struct pv_rows *rows, struct pv_str lane, int64_t after_due,
                         int64_t after_n, int64_t *ret_due, int64_t *ret_n)
{
    struct pv_key prefix = pv_mem_key(PV_M_DUE);
    pv_key_str(&prefix, lane);
    struct pv_key from = due_key(lane, after_due, after_n + 1);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    if (!pv_tree_under(node, &prefix)) {
        return PV_ENOTFOUND;
    }
    *ret_due = key_tail(node, 16);
    *ret_n = key_tail(node, 8);
    return PV_OK;
}

static int mem_lane_after(struct pv_rows *rows, struct pv_str after, struct pv_arena *arena,
                          struct pv_str *ret_lane)
{
    struct pv_key prefix = pv_mem_key(PV_M_DUE);
    struct pv_key from = prefix;
    if (after.ptr) {
        from = due_key(after, INT64_MAX, INT64_MAX);
    }
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    if (!pv_tree_under(node, &prefix)) {
        return PV_ENOTFOUND;
    }
    struct pv_svc svc;
    int status = mem_svc_by_n(rows, key_tail(node, 8), arena, &svc);
    if (!status) {
        *ret_lane = svc.lane.ptr ? svc.lane : PV_STR("");
    }
    return status;
}

static int mem_claimed_after(struct pv_rows *rows, int64_t after, int64_t *ret_active_n,
                             int64_t *ret_service_n)
{
    struct pv_key prefix = key_n(PV_M_LIVE, PV_OPS_RUNNING);
    struct pv_key from = key_nn(PV_M_LIVE, PV_OPS_RUNNING, after + 1);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    if (!pv_tree_under(node, &prefix)) {
        return PV_ENOTFOUND;
    }
    *ret_active_n = key_tail(node, 8);
    memcpy(ret_service_n, pv_tree_value(node), sizeof(*ret_service_n));
    return PV_OK;
}

/* ---- operations ---- */

static int mem_op_by_n(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret)
{
    struct pv_key key = key_n(PV_M_OP, n);
    return pv_mem_get(rows, &key, &op_shape, arena, ret);
}

static int mem_op_head(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret)
{
    int status = mem_op_by_n(rows, n, arena, ret);
    if (!status) {
        ret->body = (struct pv_str){NULL, 0};
        ret->plan = (struct pv_str){NULL, 0};
    }
    return status;
}

static int mem_op_by_id(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                        struct pv_op *ret)
{
    struct pv_key key = key_id(PV_M_OP_ID, id);
    int64_t n = 0;
    int status = get_number(rows, &key, &n);
    return status ? status : mem_op_by_n(rows, n, arena, ret);
}

static int op_store(struct pv_rows *rows, const struct pv_op *op)
{
    struct pv_key key = key_n(PV_M_OP, op->n);
    return pv_mem_put(rows, &key, &op_shape, op);
}

static int mem_op_insert(struct pv_rows *rows, struct pv_op *op)
{
    struct pv_mem_rows *mem = PV_CONTAINER(rows, struct pv_mem_rows, rows);
    struct pv_key by_id = key_id(PV_M_OP_ID, op->id);
    if (pv_tree_get(&mem->tree, &by_id)) {
        return PV_EEXISTS;
    }
    op->n = ++mem->last_op;
    int status = put_number(rows, &by_id, op->n);
    struct pv_key of = key_nn(PV_M_OP_OF, op->service_n, op->n);
    status = status ? status : put_number(rows, &of, op->n);
    return status ? status : op_store(rows, op);
}

static int op_borrow(struct pv_rows *rows, int64_t n, struct pv_op *ret)
{
    struct pv_key key = key_n(PV_M_OP, n);
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    if (!node) {
        return PV_ENOTFOUND;
    }
    memcpy(ret, pv_tree_value(node), sizeof(*ret));
    return PV_OK;
}

static int mem_op_pin(struct pv_rows *rows, struct pv_id id, int64_t n, struct pv_str plan)
{
    (void)id;
    struct pv_op op;
    int status = op_borrow(rows, n, &op);
    op.plan = plan;
    return status ? status : op_store(rows, &op);
}

static int mem_op_finish(struct pv_rows *rows, const struct pv_op *end)
{
    struct pv_op op;
    int status = op_borrow(rows, end->n, &op);
    if (status) {
        return status;
    }
    op.state = end->state;
    op.finished_ms = end->finished_ms;
    op.deadline_ms = end->deadline_ms;
    op.generation = end->generation;
    op.fence = end->fence;
    op.tries = end->tries;
    op.steps = end->steps;
    op.reason = end->reason;
    op.lane = end->lane;
    op.cursor = end->cursor;
    op.result = end->result;
    return op_store(rows, &op);
}

static int mem_idem_get(struct pv_rows *rows, struct pv_id key, int64_t *ret_op_n)
{
    struct pv_key k = key_id(PV_M_IDEM, key);
    return get_number(rows, &k, ret_op_n);
}

static int mem_idem_put(struct pv_rows *rows, struct pv_id key, int64_t op_n)
{
    struct pv_key k = key_id(PV_M_IDEM, key);
    return put_number(rows, &k, op_n);
}

static int mem_wait_add(struct pv_rows *rows, int64_t service_n, int64_t op_n, int type)
{
    struct pv_key key = key_nn(PV_M_WAIT, service_n, op_n);
    return put_number(rows, &key, type);
}

static int mem_wait_del(struct pv_rows *rows, int64_t service_n, int64_t op_n)
{
    struct pv_key key = key_nn(PV_M_WAIT, service_n, op_n);
    return pv_tree_del(pv_mem_tree(rows), &key);
}

static int mem_wait_list(struct pv_rows *rows, int64_t service_n, int64_t after_n, size_t max,
                         struct pv_waiter *ret, size_t *ret_count)
{
    struct pv_key prefix = key_n(PV_M_WAIT, service_n);
    struct pv_key from = key_nn(PV_M_WAIT, service_n, after_n + 1);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    size_t count = 0;
    for (; count < max && pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        int64_t type = 0;
        memcpy(&type, pv_tree_value(node), sizeof(type));
        ret[count++] = (struct pv_waiter){key_tail(node, 8), (int)type};
    }
    *ret_count = count;
    return PV_OK;
}

static int mem_wait_last(struct pv_rows *rows, int64_t service_n, int64_t *ret_op_n)
{
    struct pv_key prefix = key_n(PV_M_WAIT, service_n);
    struct pv_key end = key_n(PV_M_WAIT, service_n + 1);
    struct pv_tree_node *node = pv_tree_before(pv_mem_tree(rows), &end);
    if (!pv_tree_under(node, &prefix)) {
        return PV_ENOTFOUND;
    }
    *ret_op_n = key_tail(node, 8);
    return PV_OK;
}

/* ---- pages ---- */

static bool op_matches(struct pv_rows *rows, const struct pv_filter *filter, const struct pv_op *op)
{
    if (filter->source.ptr && !pv_str_eq(op->source, filter->source)) {
        return false;
    }
    if (filter->state == -1) {
        return true;
    }
    if (filter->state == -2 || op->state) {
        return filter->state == -2 ? !op->state : op->state == filter->state;
    }
    struct pv_key key = key_n(PV_M_SVC, op->service_n);
    struct pv_tree_node *node = pv_tree_get(pv_mem_tree(rows), &key);
    const struct pv_svc *svc = node ? pv_tree_value(node) : NULL;
    return svc && pv_logic_op_state(svc, op) == filter->state;
}

static void list_ops(struct pv_rows *rows, const struct pv_filter *filter, int64_t *ret_n,
                     size_t *ret_count)
{
    bool of = filter->service_n != 0;
    struct pv_key prefix = of ? key_n(PV_M_OP_OF, filter->service_n) : pv_mem_key(PV_M_OP);
    int64_t end_n = filter->after_n ? filter->after_n : INT64_MAX;
    struct pv_key end = prefix;
    pv_key_i64(&end, end_n);
    struct pv_tree_node *node = pv_tree_before(pv_mem_tree(rows), &end);
    while (*ret_count < filter->limit && pv_tree_under(node, &prefix)) {
        int64_t n = key_tail(node, 8);
        struct pv_op op;
        if (!op_borrow(rows, n, &op) && op_matches(rows, filter, &op)) {
            ret_n[(*ret_count)++] = n;
        }
        end = prefix;
        pv_key_i64(&end, n);
        node = pv_tree_before(pv_mem_tree(rows), &end);
    }
}

static int mem_list(struct pv_rows *rows, const struct pv_filter *filter, int64_t *ret_n,
                    size_t *ret_count, int64_t *ret_stopped)
{
    *ret_count = 0;
    *ret_stopped = 0;
    if (filter->what == PV_LIST_OPERATIONS) {
        list_ops(rows, filter, ret_n, ret_count);
        return PV_OK;
    }
    struct pv_key prefix = pv_mem_key(PV_M_SVC);
    struct pv_key from = key_n(PV_M_SVC, filter->after_n + 1);
    struct pv_tree_node *node = pv_tree_seek(pv_mem_tree(rows), &from);
    for (; *ret_count < filter->limit && pv_tree_under(node, &prefix); node = pv_tree_next(node)) {
        const struct pv_svc *svc = pv_tree_value(node);
        if ((!filter->source.ptr || pv_str_eq(svc->source, filter->source)) &&
            (filter->state < 0 || svc->observed == filter->state) &&
            (!filter->service_n || svc->n == filter->service_n)) {
            ret_n[(*ret_count)++] = svc->n;
        }
    }
    return PV_OK;
}

static const struct pv_rows_ops mem_ops = {
    .mark = mem_mark,
    .mark_release = mem_mark_release,
    .mark_rollback = mem_mark_rollback,
    .svc_by_id = mem_svc_by_id,
    .svc_by_n = mem_svc_by_n,
    .svc_put = mem_svc_put,
    .detail_get = mem_detail_get,
    .detail_put = mem_detail_put,
    .lane_next = mem_lane_next,
    .lane_after = mem_lane_after,
    .claimed_after = mem_claimed_after,
    .op_by_id = mem_op_by_id,
    .op_by_n = mem_op_by_n,
    .op_head = mem_op_head,
    .op_insert = mem_op_insert,
    .op_pin = mem_op_pin,
    .op_finish = mem_op_finish,
    .idem_get = mem_idem_get,
    .idem_put = mem_idem_put,
    .wait_add = mem_wait_add,
    .wait_del = mem_wait_del,
    .wait_list = mem_wait_list,
    .wait_last = mem_wait_last,
    .list = mem_list,
};

void pv_mem_rows_init(struct pv_mem_rows *mem)
{
    *mem = (struct pv_mem_rows){0};
    mem->ops = mem_ops;
    pv_mem_things(&mem->ops);
    pv_mem_outbox(&mem->ops);
    mem->rows.ops = &mem->ops;
    pv_tree_init(&mem->tree);
}

void pv_mem_rows_done(struct pv_mem_rows *mem)
{
    pv_tree_done(&mem->tree);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The memory store's rows: notifications and who gets them. Found by looking at all of them. */
#include "core/store/mem_rows.h"

#include <stddef.h>
#include <stdlib.h>

PV_STRINGS(outbox_strings, offsetof(struct pv_outbox_row, subscriber),
           offsetof(struct pv_outbox_row, error), offsetof(struct pv_outbox_row, body));
static const struct pv_shape outbox_shape = PV_SHAPE(pv_outbox_row, outbox_strings);

PV_STRINGS(subscriber_strings, offsetof(struct pv_subscriber_row, name),
           offsetof(struct pv_subscriber_row, reason));
static const struct pv_shape subscriber_shape = PV_SHAPE(pv_subscriber_row, subscriber_strings);

static struct pv_key row_key(uint64_t n)
{
    struct pv_key key = pv_mem_key(PV_M_OUTBOX);
    pv_key_i64(&key, (int64_t)n);
    return key;
}

static struct pv_key subscriber_key(struct pv_str name)
{
    struct pv_key key = pv_mem_key(PV_M_SUBSCRIBER);
    pv_key_str(&key, name);
    return key;
}

static int mem_outbox_add(struct pv_rows *rows, const struct pv_outbox_row *row)
{
    struct pv_mem_rows *mem = PV_CONTAINER(rows, struct pv_mem_rows, rows);
    struct pv_outbox_row numbered = *row;
    numbered.n = ++mem->last_outbox;
    struct pv_key key = row_key(numbered.n);
    return pv_mem_put(rows, &key, &outbox_shape, &numbered);
}

static int mem_outbox_del(struct pv_rows *rows, uint64_t n)
{
    struct pv_key key = row_key(n);
    return pv_mem_drop(rows, &key);
}

static int mem_outbox_get(struct pv_rows *rows, uint64_t n, struct pv_arena *arena,
                          struct pv_outbox_row *ret)
{
    struct pv_key key = row_key(n);
    return pv_mem_get(rows, &key, &outbox_shape, arena, ret);
}

static int mem_outbox_set(struct pv_rows *rows, const struct pv_outbox_row *row)
{
    struct pv_arena arena;
    struct pv_outbox_row whole;
    struct pv_key key = row_key(row->n);
    pv_arena_init(&arena);
    int status = pv_mem_get(rows, &key, &outbox_shape, &arena, &whole);
    if (!status) {
        whole.since_ms = row->since_ms;
        whole.due_ms = row->due_ms;
        whole.attempts = row->attempts;
        whole.undelivered = row->undelivered;
        whole.error = row->error;
        status = pv_mem_put(rows, &key, &outbox_shape, &whole);
    }
    pv_arena_done(&arena);
    return status == PV_ENOTFOUND ? PV_OK : status;
}

/* The rows of a subscriber that `take` wants, in the order of their numbers; without bodies. */
static int select_rows(struct pv_rows *rows, struct pv_str subscriber, uint64_t after,
                       bool (*take)(const struct pv_outbox_row *row, int64_t arg), int64_t arg,
                       size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                       size_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_OUTBOX);
    struct pv_key from = row_key(after + 1);
    struct pv_tree_node *first = pv_tree_seek(pv_mem_tree(rows), &from);
    size_t found = 0;
    for (struct pv_tree_node *node = first; pv_tree_under(node, &prefix);
         node = pv_tree_next(node)) {
        const struct pv_outbox_row *row = pv_tree_value(node);
        found += pv_str_eq(row->subscriber, subscriber) && take(row, arg) ? 1 : 0;
    }
    limit = found < limit ? found : limit;
    struct pv_outbox_row *list = pv_arena_alloc(arena, limit * sizeof(*list) + 1);
    size_t count = 0;
    int status = list ? PV_OK : PV_ENOMEM;
    for (struct pv_tree_node *node = first; !status && count < limit; node = pv_tree_next(node)) {
        const struct pv_outbox_row *row = pv_tree_value(node);
        if (pv_str_eq(row->subscriber, subscriber) && take(row, arg)) {
            status = mem_outbox_get(rows, row->n, arena, &list[count]);
            list[count].body = (struct pv_str){NULL, 0};
            count++;
        }
    }
    *ret = list;
    *ret_count = count;
    return status;
}

static bool in_chain(const struct pv_outbox_row *row, int64_t service_n)
{
    return row->service_n == service_n && !row->undelivered;
}

static int mem_outbox_head(struct pv_rows *rows, struct pv_str subscriber, int64_t service_n,
                           struct pv_arena *arena, struct pv_outbox_row *ret)
{
    struct pv_outbox_row *list = NULL;
    size_t count = 0;
    int status = select_rows(rows, subscriber, 0, in_chain, service_n, 1, arena, &list, &count);
    if (status || count == 0) {
        return status ? status : PV_ENOTFOUND;
    }
    *ret = list[0];
    return PV_OK;
}

static bool has_due(const struct pv_outbox_row *row, int64_t unused)
{
    (void)unused;
    return row->due_ms != PV_NEVER;
}

static bool has_failed(const struct pv_outbox_row *row, int64_t unused)
{
    (void)unused;
    return row->undelivered || (row->due_ms != PV_NEVER && row->attempts > 0);
}

static bool has_expired(const struct pv_outbox_row *row, int64_t before_ms)
{
    return row->undelivered && row->since_ms < before_ms;
}

static bool every(const struct pv_outbox_row *row, int64_t unused)
{
    (void)row;
    (void)unused;
    return true;
}

static int by_due(const void *a, const void *b)
{
    const struct pv_outbox_row *left = a;
    const struct pv_outbox_row *right = b;
    if (left->due_ms != right->due_ms) {
        return left->due_ms < right->due_ms ? -1 : 1;
    }
    return left->n < right->n ? -1 : 1;
}

static int mem_outbox_take(struct pv_rows *rows, struct pv_str subscriber, int64_t now_ms,
                           size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                           size_t *ret_count)
{
    struct pv_outbox_row *list = NULL;
    size_t count = 0;
    int status = select_rows(rows, subscriber, 0, has_due, 0, SIZE_MAX, arena, &list, &count);
    if (status) {
        return status;
    }
    if (count > 1) {
        qsort(list, count, sizeof(*list), by_due);
    }
    count = count < limit ? count : limit;
    for (size_t i = 0; i < count && !status; i++) {
        if (list[i].due_ms <= now_ms) {
            status = mem_outbox_get(rows, list[i].n, arena, &list[i]);
        }
    }
    *ret = list;
    *ret_count = count;
    return status;
}

static int mem_outbox_list(struct pv_rows *rows, struct pv_str subscriber, uint64_t after,
                           size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                           size_t *ret_count)
{
    return select_rows(rows, subscriber, after, every, 0, limit, arena, ret, ret_count);
}

static int mem_outbox_failed(struct pv_rows *rows, struct pv_str subscriber, size_t limit,
                             struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count)
{
    return select_rows(rows, subscriber, 0, has_failed, 0, limit, arena, ret, ret_count);
}

static int mem_outbox_expired(struct pv_rows *rows, struct pv_str subscriber, int64_t before_ms,
                              size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                              size_t *ret_count)
{
    return select_rows(rows, subscriber, 0, has_expired, before_ms, limit, arena, ret, ret_count);
}

static int mem_outbox_drop(struct pv_rows *rows, struct pv_str subscriber)
{
    struct pv_arena arena;
    struct pv_outbox_row *list = NULL;
    size_t count = 0;
    pv_arena_init(&arena);
    int status = select_rows(rows, subscriber, 0, every, 0, SIZE_MAX, &arena, &list, &count);
    for (size_t i = 0; i < count && !status; i++) {
        status = mem_outbox_del(rows, list[i].n);
    }
    pv_arena_done(&arena);
    return status;
}

/* ---- subscribers ---- */

static int mem_subscriber_get(struct pv_rows *rows, struct pv_str name, struct pv_arena *arena,
                              struct pv_subscriber_row *ret)
{
    struct pv_key key = subscriber_key(name);
    return pv_mem_get(rows, &key, &subscriber_shape, arena, ret);
}

static int mem_subscriber_put(struct pv_rows *rows, const struct pv_subscriber_row *row)
{
    struct pv_key key = subscriber_key(row->name);
    return pv_mem_put(rows, &key, &subscriber_shape, row);
}

static int mem_subscriber_del(struct pv_rows *rows, struct pv_str name)
{
    struct pv_key key = subscriber_key(name);
    return pv_mem_drop(rows, &key);
}

static int mem_subscriber_list(struct pv_rows *rows, struct pv_arena *arena,
                               struct pv_subscriber_row **ret, size_t *ret_count)
{
    struct pv_key prefix = pv_mem_key(PV_M_SUBSCRIBER);
    return pv_mem_all(rows, &prefix, &subscriber_shape, arena, PV_SUBSCRIBERS_MAX, ret, ret_count);
}

void pv_mem_outbox(struct pv_rows_ops *ops)
{
    ops->outbox_add = mem_outbox_add;
    ops->outbox_del = mem_outbox_del;
    ops->outbox_set = mem_outbox_set;
    ops->outbox_get = mem_outbox_get;
    ops->outbox_head = mem_outbox_head;
    ops->outbox_take = mem_outbox_take;
    ops->outbox_list = mem_outbox_list;
    ops->outbox_failed = mem_outbox_failed;
    ops->outbox_expired = mem_outbox_expired;
    ops->outbox_drop = mem_outbox_drop;
    ops->subscriber_get = mem_subscriber_get;
    ops->subscriber_put = mem_subscriber_put;
    ops->subscriber_del = mem_subscriber_del;
    ops->subscriber_list = mem_subscriber_list;
}

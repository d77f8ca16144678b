/* SPDX-License-Identifier: Apache-2.0 */
/* The rows a store keeps, and the primitives by which the lifecycle logic reads and writes them,
 * one row at a time. Implemented by mem_rows.c and sqlite_*.c; logic*.c stands on top of it and
 * decides. Strings that a getter returns live in the arena it was given. One thread. */
#ifndef PV_STORE_ROWS_H
#define PV_STORE_ROWS_H

#include "core/engine/outbox.h"

#define PV_NO_DUE INT64_MIN /* not READY: in no lane */

/* What of a service row the secondary indexes cover, as it was when it was read. */
struct pv_svc_was {
    int active_state;
    int64_t active_n;
    int64_t due;
    struct pv_str lane;
};

/* The service row is the actor: its active operation, the claim on it and its cursor live here.
 * Numbers named n are the store's own, given in the order of insertion. */
struct pv_svc {
    int64_t n; /* 0: not stored yet */
    struct pv_id id;
    struct pv_str source;
    struct pv_str external_id;
    struct pv_str product;
    struct pv_str plan_name;
    uint32_t generation;
    int observed;
    int desired;
    bool residue;
    bool has_sequence;
    int64_t max_sequence;
    int64_t created_ms;
    int64_t changed_ms;
    int64_t create_n; /* the create of this generation; 0: none */
    uint32_t waiting; /* operations behind the active one */
    uint64_t fence;   /* rises with every claim and every loss of one */
    int64_t active_n; /* 0: none */
    struct pv_id active_op;
    int active_type;
    int active_state; /* READY, RUNNING, NEEDS_OPERATOR; 0: none */
    int active_intent;
    bool signaled; /* a signal came that its holder has not been given */
    int64_t accepted_ms;
    int64_t deadline_ms;
    uint64_t epoch; /* the claim's */
    uint32_t tries;
    uint32_t steps; /* rows of history so far */
    int64_t due;    /* PV_NO_DUE unless READY */
    int wait;
    struct pv_str lane;
    struct pv_str reason;
    struct pv_str cursor;
    struct pv_svc_was was;
};

/* An operation's record: inserted once, pinned at most once, finished once. */
struct pv_op {
    int64_t n;
    struct pv_id id;
    int64_t service_n;
    struct pv_str source;
    int type;
    int state; /* 0 while it is not final: then the service row and `waiting` know */
    int64_t accepted_ms;
    int64_t finished_ms;
    int64_t deadline_ms;
    uint32_t generation;
    uint64_t fence;
    uint32_t tries;
    uint32_t steps;
    bool has_mac;
    struct pv_hash mac; /* of the canonical event */
    struct pv_str action;
    struct pv_str product;
    struct pv_str plan_name;
    struct pv_str reason;
    struct pv_str lane;
    struct pv_str cursor; /* as it ended */
    struct pv_str body;   /* sealed */
    struct pv_str plan;   /* sealed */
    struct pv_str result; /* sealed */
};

struct pv_waiter {
    int64_t op_n;
    int type;
};

/* What an operation reserved, under its key. */
enum pv_grant_kind {
    PV_GRANT_POOL = 1,     /* number: index; name: pool, NUL, name */
    PV_GRANT_QUOTA = 2,    /* number: amount taken */
    PV_GRANT_GIVEN = 3,    /* number: amount given back */
    PV_GRANT_SECRET = 4,   /* value */
    PV_GRANT_RESERVED = 5, /* number: what accept reserved (> 0) or promised to give back (< 0) */
};

struct pv_grant {
    int64_t op_n;
    uint32_t run;
    int kind; /* enum pv_grant_kind */
    struct pv_str component;
    struct pv_str step;
    struct pv_str name;
    int64_t number;
    struct pv_str value; /* sealed */
};

enum pv_slot_state {
    PV_SLOT_HELD = 1,
    PV_SLOT_COOLING = 2, /* may be taken again at free_ms */
    PV_SLOT_REJECTED = 3,
};

/* One value of a pool that was ever given out. */
struct pv_slot {
    struct pv_str pool;
    int64_t index;
    int state; /* enum pv_slot_state */
    int64_t free_ms;
    int64_t reuse_after_ms;
    int64_t service_n; /* the holder and the key of its grant; 0: none */
    int64_t op_n;
    uint32_t run;
    struct pv_str component;
    struct pv_str step;
    struct pv_str name;
};

struct pv_pool_row {
    struct pv_str pool;
    int64_t first; /* the range that the other two are about */
    int64_t last;
    int64_t next; /* where to look for an index that was never given out */
    int64_t used; /* slots within the range */
};

struct pv_kv {
    struct pv_str scope; /* see pv_kv_shared */
    int64_t service_n;   /* 0: of an instance */
    struct pv_str name;
    uint64_t version;
    bool erased;
    struct pv_id writer;
    struct pv_str value; /* sealed */
};

/* Whether a scope is that of an instance ("i/INSTANCE"), not of one service ("s/NUMBER/COMPONENT").
 */
bool pv_kv_shared(struct pv_str scope);

struct pv_filter {
    enum pv_list_what what;
    struct pv_str source; /* none: all */
    int64_t service_n;    /* 0: all */
    int state;            /* as struct pv_list_req */
    int64_t after_n;      /* operations: below it, 0: the newest; else above it */
    size_t limit;
};

/* Rows that one page walks past at most, because the filter leaves them out. */
#define PV_PAGE_WALK 20000u

struct pv_rows;

/* Status 0, PV_ENOTFOUND where a getter finds none, or what went wrong: then the whole transaction
 * is rolled back. */
struct pv_rows_ops {
    /* A place to roll back to; one at a time. */
    int (*mark)(struct pv_rows *rows);
    int (*mark_release)(struct pv_rows *rows);
    int (*mark_rollback)(struct pv_rows *rows);

    int (*svc_by_id)(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                     struct pv_svc *ret);
    int (*svc_by_n)(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_svc *ret);
    /* Inserts when n is 0 (and sets it), else overwrites. Brings `was` up to date. */
    int (*svc_put)(struct pv_rows *rows, struct pv_svc *svc);
    /* Attributes and composition; none when there are none. */
    int (*detail_get)(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                      struct pv_str *ret_attrs, struct pv_str *ret_composition);
    /* Borrows the composition until the transaction ends. */
    int (*detail_put)(struct pv_rows *rows, int64_t service_n, struct pv_str attrs,
                      struct pv_str composition);
    /* The READY service of a lane that is due first, after (due, n). */
    int (*lane_next)(struct pv_rows *rows, struct pv_str lane, int64_t after_due, int64_t after_n,
                     int64_t *ret_due, int64_t *ret_n);
    /* The first lane behind `after` (none: the very first) that has READY services. */
    int (*lane_after)(struct pv_rows *rows, struct pv_str after, struct pv_arena *arena,
                      struct pv_str *ret_lane);
    /* The claimed (RUNNING) service with the lowest active_n above `after`. */
    int (*claimed_after)(struct pv_rows *rows, int64_t after, int64_t *ret_active_n,
                         int64_t *ret_service_n);

    int (*op_by_id)(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                    struct pv_op *ret);
    int (*op_by_n)(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret);
    /* Without body and plan, which cost most to read. */
    int (*op_head)(struct pv_rows *rows, int64_t n, struct pv_arena *arena, struct pv_op *ret);
    /* Sets n. Borrows body and plan until the transaction ends. */
    int (*op_insert)(struct pv_rows *rows, struct pv_op *op);
    int (*op_pin)(struct pv_rows *rows, struct pv_id op, int64_t n, struct pv_str plan);
    /* state … steps, reason, lane, cursor and result. */
    int (*op_finish)(struct pv_rows *rows, const struct pv_op *op);
    int (*idem_get)(struct pv_rows *rows, struct pv_id key, int64_t *ret_op_n);
    int (*idem_put)(struct pv_rows *rows, struct pv_id key, int64_t op_n);

    int (*wait_add)(struct pv_rows *rows, int64_t service_n, int64_t op_n, int type);
    int (*wait_del)(struct pv_rows *rows, int64_t service_n, int64_t op_n);
    /* Up to `max` behind after_n, in order. */
    int (*wait_list)(struct pv_rows *rows, int64_t service_n, int64_t after_n, size_t max,
                     struct pv_waiter *ret, size_t *ret_count);
    int (*wait_last)(struct pv_rows *rows, int64_t service_n, int64_t *ret_op_n);

    int (*doc_put)(struct pv_rows *rows, int64_t service_n, struct pv_str component,
                   struct pv_str json);
    int (*doc_drop)(struct pv_rows *rows, int64_t service_n, struct pv_str component);
    int (*doc_drop_all)(struct pv_rows *rows, int64_t service_n);
    int (*doc_list)(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                    struct pv_doc **ret, size_t *ret_count);
    int (*step_add)(struct pv_rows *rows, int64_t op_n, const struct pv_step_row *row);
    int (*step_list)(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                     struct pv_step_row **ret, size_t *ret_count);
    int (*signal_put)(struct pv_rows *rows, int64_t op_n, struct pv_str name, struct pv_str body);
    int (*signal_list)(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                       struct pv_signal_row **ret, size_t *ret_count);

    int (*kv_get)(struct pv_rows *rows, struct pv_str scope, struct pv_str name,
                  struct pv_arena *arena, struct pv_kv *ret);
    int (*kv_put)(struct pv_rows *rows, const struct pv_kv *kv);
    int (*kv_drop)(struct pv_rows *rows, int64_t service_n);
    /* By the key: op_n, run, kind, component, step, name. */
    int (*grant_get)(struct pv_rows *rows, const struct pv_grant *key, struct pv_arena *arena,
                     struct pv_grant *ret);
    int (*grant_put)(struct pv_rows *rows, const struct pv_grant *grant);
    int (*grant_del)(struct pv_rows *rows, const struct pv_grant *key);
    int (*grant_list)(struct pv_rows *rows, int64_t op_n, struct pv_arena *arena,
                      struct pv_grant **ret, size_t *ret_count);
    int (*slot_get)(struct pv_rows *rows, struct pv_str pool, int64_t index, struct pv_arena *arena,
                    struct pv_slot *ret);
    int (*slot_put)(struct pv_rows *rows, const struct pv_slot *slot);
    /* The cooling one within first … last whose time came first, if it came until now_ms. */
    int (*slot_cooled)(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                       int64_t now_ms, int64_t *ret_index);
    /* How many could be given out again. */
    int (*slot_cooled_count)(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                             int64_t now_ms, int64_t *ret_count);
    int (*slot_count)(struct pv_rows *rows, struct pv_str pool, int64_t first, int64_t last,
                      int64_t *ret_count);
    /* What a service holds. */
    int (*slot_list)(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                     struct pv_slot **ret, size_t *ret_count);
    int (*pool_get)(struct pv_rows *rows, struct pv_str pool, struct pv_pool_row *ret);
    int (*pool_put)(struct pv_rows *rows, const struct pv_pool_row *pool);
    int (*quota_get)(struct pv_rows *rows, int64_t service_n, struct pv_str name,
                     int64_t *ret_used);
    int (*quota_put)(struct pv_rows *rows, int64_t service_n, struct pv_str name, int64_t used);
    int (*quota_drop)(struct pv_rows *rows, int64_t service_n);
    int (*quota_list)(struct pv_rows *rows, int64_t service_n, struct pv_arena *arena,
                      struct pv_quota_row **ret, size_t *ret_count);

    int (*audit_add)(struct pv_rows *rows, const struct pv_audit_row *row, int64_t service_n);
    int (*outbox_add)(struct pv_rows *rows, const struct pv_outbox_row *row);
    int (*outbox_del)(struct pv_rows *rows, uint64_t n);
    /* since_ms, due_ms, attempts, undelivered, error. */
    int (*outbox_set)(struct pv_rows *rows, const struct pv_outbox_row *row);
    int (*outbox_get)(struct pv_rows *rows, uint64_t n, struct pv_arena *arena,
                      struct pv_outbox_row *ret);
    /* The oldest of a service that was not given up. */
    int (*outbox_head)(struct pv_rows *rows, struct pv_str subscriber, int64_t service_n,
                       struct pv_arena *arena, struct pv_outbox_row *ret);
    /* Those with a due_ms, by it; bodies of those that are due (none: it cannot be opened). */
    int (*outbox_take)(struct pv_rows *rows, struct pv_str subscriber, int64_t now_ms, size_t limit,
                       struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count);
    int (*outbox_list)(struct pv_rows *rows, struct pv_str subscriber, uint64_t after, size_t limit,
                       struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count);
    /* Those given up, and those with a due_ms that failed before. */
    int (*outbox_failed)(struct pv_rows *rows, struct pv_str subscriber, size_t limit,
                         struct pv_arena *arena, struct pv_outbox_row **ret, size_t *ret_count);
    /* Those given up whose since_ms lies before `before_ms`. */
    int (*outbox_expired)(struct pv_rows *rows, struct pv_str subscriber, int64_t before_ms,
                          size_t limit, struct pv_arena *arena, struct pv_outbox_row **ret,
                          size_t *ret_count);
    int (*outbox_drop)(struct pv_rows *rows, struct pv_str subscriber);
    int (*subscriber_get)(struct pv_rows *rows, struct pv_str name, struct pv_arena *arena,
                          struct pv_subscriber_row *ret);
    int (*subscriber_put)(struct pv_rows *rows, const struct pv_subscriber_row *row);
    int (*subscriber_del)(struct pv_rows *rows, struct pv_str name);
    int (*subscriber_list)(struct pv_rows *rows, struct pv_arena *arena,
                           struct pv_subscriber_row **ret, size_t *ret_count);
    int (*token_by_id)(struct pv_rows *rows, struct pv_id id, struct pv_arena *arena,
                       struct pv_token_row *ret);
    int (*token_by_hash)(struct pv_rows *rows, struct pv_hash hash, struct pv_arena *arena,
                         struct pv_token_row *ret);
    int (*token_put)(struct pv_rows *rows, const struct pv_token_row *row);
    int (*token_list)(struct pv_rows *rows, struct pv_id after, size_t limit,
                      struct pv_arena *arena, struct pv_token_row **ret, size_t *ret_count);
    int (*pause_put)(struct pv_rows *rows, struct pv_str instance, bool paused);
    int (*pause_list)(struct pv_rows *rows, struct pv_arena *arena, struct pv_str **ret,
                      size_t *ret_count);

    /* A slice: see struct pv_reseal. Its results only. */
    int (*reseal)(struct pv_rows *rows, struct pv_reseal *in);

    /* A page: numbers of services or operations. *ret_stopped: 0; or the row at which it stopped
     * looking for more. */
    int (*list)(struct pv_rows *rows, const struct pv_filter *filter, int64_t *ret_n,
                size_t *ret_count, int64_t *ret_stopped);
    /* Records above after_n; `previous` is filled in. *ret_stopped as above. */
    int (*audit_list)(struct pv_rows *rows, const struct pv_filter *filter, struct pv_arena *arena,
                      struct pv_audit_row **ret, size_t *ret_count, int64_t *ret_stopped);
};

/* The first member of an implementation. */
struct pv_rows {
    const struct pv_rows_ops *ops;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The store's contract, in the engine's words. Asynchronous: a request is submitted on the loop and
 * calls back there exactly once, later, after its commit; requests are applied in submit order.
 * What is submitted while a commit is in flight goes into the next one (group commit).
 * Ownership: a request and everything it borrows stay valid and unchanged until its callback; what
 * it returns lives in its arena until pv_req_done. tests/store holds the suite that every
 * implementation passes. */
#ifndef PV_ENGINE_STORE_H
#define PV_ENGINE_STORE_H

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/metric.h"
#include "core/engine/types.h"

#define PV_NEVER INT64_MAX /* a due time that does not come by itself */

enum pv_req_kind {
    PV_REQ_ACCEPT = 1, /* struct pv_accept */
    PV_REQ_CLAIM,      /* struct pv_claim */
    PV_REQ_PROGRESS,   /* struct pv_progress */
    PV_REQ_RESERVE,    /* struct pv_reserve */
    PV_REQ_SIGNAL,     /* struct pv_signal */
    PV_REQ_INTERVENE,  /* struct pv_intervene */
    PV_REQ_LANES,      /* struct pv_lanes */
    PV_REQ_PAUSE,      /* struct pv_pause */
    PV_REQ_NOTE,       /* struct pv_note: an audit record of its own */
    PV_REQ_GET,        /* struct pv_get: one service or operation */
    PV_REQ_LIST,       /* struct pv_list_req: a page of services, operations or audit records */
    PV_REQ_TOKEN,      /* struct pv_token_req */
    PV_REQ_OUTBOX,     /* struct pv_outbox_req of outbox.h */
    PV_REQ_FEED,       /* struct pv_feed of outbox.h */
    PV_REQ_STATS,      /* struct pv_stats */
    PV_REQ_RESEAL,     /* struct pv_reseal */
    PV_REQ_SESSIONS,   /* struct pv_sessions */
};

struct pv_req {
    enum pv_req_kind kind;
    /* 0; or why nothing was done: PV_ENOSPACE and PV_EIO (the store is down: nothing was written),
     * PV_EFENCED (the claim was lost), PV_ENOTFOUND, PV_ECONFLICT, … */
    int status;
    struct pv_err err;
    void (*done)(struct pv_req *req);
    void *user;
    struct pv_arena arena; /* results */
    struct pv_link link;   /* the store's */
};

/* ---- Audit ------------------------------------------------------------------------------------
 */

/* One link of the hash-chained audit trail, written in the commit of what it records. No personal
 * data: contents appear as digests. All strings may be none. */
struct pv_audit {
    struct pv_str actor; /* "token:tok_…", "uid:0", "engine" */
    struct pv_str what;  /* "event.accepted", "step.ok", "operation.done", "operation.retry", … */
    struct pv_str source;
    struct pv_str detail;  /* a few words: the step, the reason an operator gave */
    struct pv_id service;  /* zero: none */
    struct pv_id op;       /* zero: none */
    struct pv_hash digest; /* of the body this is about; zero: none */
};

/* ---- Claims: an operation as a node gets it
 * ------------------------------------------------------ */

struct pv_doc {
    struct pv_str component;
    struct pv_str json;
};

struct pv_signal_row {
    struct pv_str name;
    struct pv_str body; /* JSON */
};

/* Everything needed to go on with an operation without reading again. Strings live in the arena of
 * the request that returned it. */
struct pv_claimed {
    struct pv_id op;
    struct pv_id service;
    uint64_t fence;
    int type;     /* enum pv_op_type */
    int intent;   /* enum pv_intent */
    int observed; /* enum pv_svc_state */
    bool residue; /* state documents remain */
    uint32_t generation;
    uint32_t tries; /* attempts of the present step, this one included */
    int64_t accepted_ms;
    int64_t deadline_ms; /* wall clock; 0: not set yet */
    struct pv_str source;
    struct pv_str external_id;
    struct pv_str product;
    struct pv_str plan_name;
    struct pv_str action;
    struct pv_str body;        /* the event's JSON */
    struct pv_str attrs;       /* the service's attributes, see planner.h; "" before its create */
    struct pv_str composition; /* the service's pinned components, see plan.h; "" before its create
                                */
    struct pv_str plan;        /* the operation's pinned plan; "" until pinned */
    struct pv_str cursor;      /* the engine's cursor; "" at the start */
    struct pv_doc *docs;       /* the service's state documents */
    size_t doc_count;
    struct pv_signal_row *signals; /* stored signals of this operation */
    size_t signal_count;
};

/* ---- accept -----------------------------------------------------------------------------------
 */

enum pv_verdict {
    PV_ACCEPTED = 0,
    PV_DUPLICATE = 1,    /* the same event again (or joined): op is the one it became */
    PV_BODY_DIFFERS = 2, /* the same id with another body */
    PV_ILLEGAL = 3,      /* not a legal move from `state` */
    PV_QUOTA = 4,        /* the action's quota is used up */
    PV_NO_SERVICE = 5,   /* an action on a service that is not there */
    PV_NOT_JUDGED = 6,   /* another item of the array was refused */
};

struct pv_quota_ask {
    struct pv_str name;
    int64_t delta; /* > 0 reserves; < 0 is given back when the operation is done */
    int64_t limit; /* the plan's; < 0: none */
};

struct pv_accept_item {
    /* in */
    struct pv_id op;      /* the id if it becomes an operation */
    struct pv_id service; /* pv_service_id */
    struct pv_str source;
    struct pv_str external_id;
    struct pv_id idem_key;   /* hash of source and event id (or Idempotency-Key); zero: no dedupe */
    struct pv_str canonical; /* what is compared: HMAC'd under the store's key, not kept */
    int type;
    bool join;  /* equal to the service's newest unfinished operation: that one; a create equal to
                   the  one of an active service: that one */
    bool claim; /* this node has room: if it can start, it is claimed for `epoch` */
    bool has_sequence;
    int64_t sequence;
    struct pv_str action;
    struct pv_str product;              /* create; else none */
    struct pv_str plan_name;            /* create and upgrade; else none */
    struct pv_str body;                 /* JSON; kept encrypted */
    const struct pv_event_facts *facts; /* see planner.h; the store does not look at it */
    struct pv_str plan;                 /* create, when pinned already; else none */
    struct pv_str composition;          /* with plan */
    struct pv_str lane;                 /* the first step's instance, with plan; else "" */
    int64_t deadline_ms;                /* wall clock; 0: set when pinned */
    struct pv_quota_ask quota;          /* name none: no quota */
    struct pv_str actor;
    /* out */
    enum pv_verdict verdict;
    struct pv_id ret_op;
    int ret_op_state;
    int ret_state;                  /* the projected state it was judged against (PV_ILLEGAL) */
    int64_t ret_used;               /* PV_QUOTA */
    struct pv_claimed *ret_claimed; /* not NULL: it runs here now */
    struct pv_id ret_poke; /* not zero: this operation has a new intent (or, if parked before, is
                              ready) */
    struct pv_str ret_poke_lane; /* where it is READY now, unless it is running */
};

/* An operation that ended with a commit which was not its own. */
struct pv_ended {
    struct pv_id op;
    int op_state;
};

/* All items are accepted in one commit, or none is (then status is PV_ECONFLICT and the verdicts
 * say why; a duplicate is not a refusal). */
struct pv_accept {
    struct pv_req req;
    struct pv_accept_item *items;
    size_t count;
    int64_t now_ms; /* wall clock, as everywhere below */
    uint64_t epoch;
    /* Operations that ended with this commit: superseded by one of the items, or without work. */
    struct pv_ended *ret_ended;
    size_t ret_ended_count;
};

/* ---- claim ------------------------------------------------------------------------------------
 */

/* READY operations of one lane whose time has come, oldest first: attempt + 1, new fence. A lane is
 * the instance of the next step; "" holds operations that are not pinned yet. */
struct pv_claim {
    struct pv_req req;
    struct pv_str lane;
    size_t limit;
    int64_t now_ms;
    uint64_t epoch;
    struct pv_claimed **ret_claimed;
    size_t ret_count;
    int64_t ret_next_due_ms; /* of what is left in the lane: <= now: more are ready; PV_NEVER: empty
                              */
};

/* ---- progress ---------------------------------------------------------------------------------
 */

/* One line of an operation's history. */
struct pv_step_row {
    uint32_t seq; /* out only: counts from 1 within the operation */
    struct pv_str component;
    struct pv_str step;
    struct pv_str instance;
    int kind; /* enum pv_call_kind of message.h: run, poll, lookup, undo */
    uint32_t run;
    uint32_t attempt;
    int outcome; /* enum pv_outcome_code of message.h; -1: the host was lost; -2: skipped by an
                    operator */
    int64_t started_ms;
    int64_t ended_ms;
    struct pv_str text;
};

enum pv_next {
    PV_NEXT_HOLD = 0,   /* stays claimed here */
    PV_NEXT_DEFER = 1,  /* READY again at due_ms in `lane`; the fence moves at once */
    PV_NEXT_PARK = 2,   /* NEEDS_OPERATOR, because of `reason` */
    PV_NEXT_FINISH = 3, /* final; the service's next operation starts */
};

/* A step's outcome and all that goes with it, in one commit, under (service, op, fence). */
struct pv_progress {
    struct pv_req req;
    struct pv_id service;
    struct pv_id op;
    uint64_t fence;
    uint64_t epoch;
    int64_t now_ms;
    /* What is written whatever comes next. */
    struct pv_str cursor; /* ptr NULL: unchanged */
    /* The intent the engine knows of. DEFER and PARK under another one become DEFER at now_ms. */
    int intent_seen;
    uint32_t tries;                /* of the present step so far; a claim adds one */
    const struct pv_step_row *row; /* NULL: none */
    struct pv_audit audit;         /* what none: no record */
    struct pv_str plan;            /* pins the plan; none: unchanged */
    struct pv_str composition;     /* with plan, of a create; none: unchanged */
    struct pv_str doc_component;   /* whose state document is set; none: no change */
    struct pv_str doc;
    bool drop_doc;      /* deletes doc_component's document instead */
    bool drop_all_docs; /* deletes every document of the service */
    bool release;       /* gives back what this run reserved (a completed undo) */
    uint32_t release_run;
    /* What comes next. */
    enum pv_next next;
    struct pv_str lane;
    int64_t due_ms;
    /* enum pv_wait; with PV_WAIT_SIGNAL or PV_WAIT_POLL it is due at now_ms when a signal has come
     * since the claim. */
    int wait;
    int64_t deadline_ms; /* 0: unchanged */
    /* A sentence for people: why it waits, is parked, or did not succeed. None: unchanged; an
     * operation that ends DONE has none. */
    struct pv_str reason;
    int op_state;            /* FINISH */
    int observed;            /* FINISH: the service's state from here on */
    bool residue;            /* FINISH: state documents or undone work remain */
    struct pv_str attrs;     /* FINISH: the service's new attributes; none: unchanged */
    struct pv_str plan_name; /* FINISH: the service's new plan; none: unchanged */
    struct pv_str result;    /* FINISH: JSON that an action shows, or {"code"} of a failure; none */
    bool claim_next;         /* FINISH: this node has room for the next one */
    /* out */
    int ret_intent;                 /* HOLD: the intent as it stands now */
    struct pv_claimed *ret_claimed; /* FINISH: the next operation, when it runs here now */
    struct pv_id ret_ready; /* FINISH: the next operation when it was left READY; zero: none */
    /* FINISH: operations of this service that ended with this commit without running (made illegal:
     * canceled; no-ops: done; suspend/unsuspend pairs: superseded). */
    struct pv_ended *ret_ended;
    size_t ret_ended_count;
};

/* ---- reserve: host calls that the store answers -------------------------------------------------
 */

struct pv_pool_range {
    int64_t first; /* indexes into the pool, both inclusive */
    int64_t last;
    int64_t reuse_after_ms;
};

/* kv, pools, quotas, secrets and state_save, under the fence; keyed by (op, run, component, step,
 * name), so that a repeated step gets the same answer. kind: enum pv_ask_kind of message.h. op zero
 * with PV_ASK_KV_GET: a query reads, without a fence. */
struct pv_reserve {
    struct pv_req req;
    struct pv_id service;
    struct pv_id op;
    uint64_t fence;
    int64_t now_ms;
    int kind;
    uint32_t run;
    struct pv_str instance;
    struct pv_str component;
    struct pv_str step;
    struct pv_str name;
    struct pv_str pool;
    struct pv_pool_range range;
    int scope;       /* kv: PROVOST_SCOPE_SERVICE 0, PROVOST_SCOPE_INSTANCE 1 */
    bool erase;      /* kv_put: delete */
    uint64_t number; /* kv_put: expected version; quotas: amount */
    int64_t limit;   /* quotas: the plan's; < 0: none */
    struct pv_str text;
    /* out; status PV_ECONFLICT, PV_EEXHAUSTED, PV_ENOTFOUND, PV_EFENCED, PV_ETOOBIG */
    uint64_t ret_number;
    struct pv_str ret_value;
};

/* ---- signal, intervene
 * ---------------------------------------------------------------------------- */

/* Stored by (operation, name), also when it comes early; wakes the operation if it waits.
 * PV_ENOTFOUND, or PV_ECONFLICT when the operation is over. */
struct pv_signal {
    struct pv_req req;
    struct pv_id op;
    struct pv_str source; /* none: any (the admin) */
    struct pv_str name;
    struct pv_str body; /* JSON, at most 64 KiB */
    int64_t now_ms;
    struct pv_audit audit;
    struct pv_str ret_lane; /* where it became ready */
    bool ret_ready;
};

/* Judged by pv_rules_intervene under the service's lock. PV_ENOTFOUND, or PV_ECONFLICT with the
 * sentence in err. */
struct pv_intervene {
    struct pv_req req;
    struct pv_id op;
    struct pv_str source; /* none: any */
    int verb;             /* enum pv_verb */
    struct pv_str reason;
    struct pv_str actor;
    int64_t now_ms;
    int64_t deadline_ms; /* RETRY: the new deadline */
    struct pv_str ret_lane;
    bool ret_ready; /* it (or, after it ended, the next one) is READY in ret_lane */
    struct pv_id ret_ready_op;
    bool ret_poke;              /* it runs somewhere and has a new intent */
    bool ret_revived;           /* RETRY: it was over and is under way again */
    int ret_op_state;           /* its state now */
    struct pv_ended *ret_ended; /* operations that ended with it, itself included */
    size_t ret_ended_count;
};

/* ---- lanes, pause, note
 * ----------------------------------------------------------------------------- */

struct pv_lane_row {
    struct pv_str lane;
    int64_t next_due_ms;
    bool paused;
};

/* Every lane that has READY operations or is paused. */
struct pv_lanes {
    struct pv_req req;
    struct pv_lane_row *ret_lanes;
    size_t ret_count;
};

struct pv_pause {
    struct pv_req req;
    struct pv_str instance;
    bool paused;
    int64_t now_ms;
    struct pv_audit audit;
};

struct pv_note {
    struct pv_req req;
    int64_t now_ms;
    struct pv_audit audit;
};

/* ---- queries
 * --------------------------------------------------------------------------------------- */

struct pv_service_row {
    struct pv_id id;
    struct pv_str source;
    struct pv_str external_id;
    struct pv_str ref;
    struct pv_str product;
    struct pv_str plan_name;
    uint32_t generation;
    int observed;
    int desired; /* the state once everything queued is done */
    bool residue;
    struct pv_id active_op; /* zero: none */
    uint32_t waiting;       /* operations behind it */
    int64_t created_ms;
    int64_t changed_ms;
};

struct pv_op_row {
    struct pv_id id;
    struct pv_id service;
    struct pv_str source;
    struct pv_str external_id;
    int type;
    struct pv_str action;
    int state;
    int wait;
    int intent;
    int64_t due_ms; /* READY: when; PV_NEVER */
    struct pv_str lane;
    uint32_t tries;
    uint32_t generation;
    uint64_t fence;
    int64_t accepted_ms;
    int64_t finished_ms; /* 0: not yet */
    int64_t deadline_ms;
    struct pv_str reason;
    struct pv_str result;
    struct pv_str plan;   /* GET only */
    struct pv_str cursor; /* GET only */
    struct pv_str body;   /* GET with `full` only */
};

/* One of them: by service id; by (source, external_id); by operation id. */
struct pv_get {
    struct pv_req req;
    bool of_op;
    struct pv_id id;      /* zero: by source and external_id */
    struct pv_str source; /* not none: another source's is PV_ENOTFOUND */
    struct pv_str external_id;
    bool full; /* a service with attrs, composition, docs and quotas; an operation with its body and
                  steps */
    struct pv_service_row ret_service;
    struct pv_op_row ret_op; /* of_op; or the service's active operation (id zero: none) */
    struct pv_str ret_attrs;
    struct pv_str ret_composition;
    struct pv_doc *ret_docs;
    size_t ret_doc_count;
    struct pv_quota_row {
        struct pv_str name;
        int64_t used; /* confirmed and reserved */
    } * ret_quotas;
    size_t ret_quota_count;
    struct pv_step_row *ret_steps;
    size_t ret_step_count;
};

enum pv_list_what { PV_LIST_SERVICES, PV_LIST_OPERATIONS, PV_LIST_AUDIT, PV_LIST_TOKENS };

struct pv_audit_row {
    uint64_t n; /* counts from 1 in its chain */
    uint32_t writer;
    int64_t at_ms;
    struct pv_audit record;
    struct pv_hash previous;
    struct pv_hash hash;
};

/* A page, newest first (the audit trail and services: oldest first), after `after`. */
struct pv_list_req {
    struct pv_req req;
    enum pv_list_what what;
    struct pv_str source; /* none: all */
    struct pv_id service; /* operations and audit of one; zero: all */
    int state; /* services: observed; operations: state; -1: all; operations: -2: unfinished */
    struct pv_id after; /* services, operations: the last id of the page before; zero: from the
                           start */
    uint64_t after_n;   /* audit */
    size_t limit;       /* at most 1,000 */
    struct pv_service_row *ret_services;
    struct pv_op_row *ret_ops;
    struct pv_audit_row *ret_audit;
    struct pv_token_row *ret_tokens;
    size_t ret_count;
    /* A page may have fewer rows than asked for, or none, and be followed by more: what a filter
     * leaves out costs time too, and a page takes a bounded time. */
    bool ret_more;
    struct pv_id ret_next; /* ret_more: services, operations: `after` of the next page */
    uint64_t ret_next_n;   /* ret_more: audit: `after_n` of it */
};

#define PV_TOKEN_NO_LIMIT (-1)

struct pv_token_row {
    struct pv_id id; /* "tok_…" */
    struct pv_str source;
    struct pv_str scopes; /* comma-separated */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    int64_t revoked_ms; /* 0: not */
    struct pv_hash secret_hash;
    int64_t rate;  /* calls a second; 0: as configured; PV_TOKEN_NO_LIMIT */
    int64_t burst; /* with a rate: at once; 0: those of two seconds */
};

enum pv_token_do { PV_TOKEN_ADD, PV_TOKEN_REVOKE, PV_TOKEN_FIND };

struct pv_token_req {
    struct pv_req req;
    enum pv_token_do what;
    struct pv_token_row token; /* ADD: in; REVOKE: id; FIND: secret_hash in, the rest out */
    int64_t now_ms;
    struct pv_audit audit;
};

/* Until when customers' sessions of a service have ended: those that were made by then. */
struct pv_sessions {
    struct pv_req req;
    struct pv_id service;
    struct pv_str source; /* the service's; none: whichever it is */
    bool end;             /* first those that were made until now_ms are ended, audited */
    int64_t now_ms;
    struct pv_audit audit;
    int64_t ret_ended_ms; /* 0: none ever was */
};

/* One pool: what it still has. */
struct pv_pool_left {
    struct pv_str pool;
    struct pv_pool_range range;
    int64_t ret_free; /* values that pool_take could give out now */
};

struct pv_stats {
    struct pv_req req;
    int64_t now_ms;
    struct pv_pool_left *pools; /* the caller's; NULL: none is asked for */
    size_t pool_count;
    uint64_t ret_unfinished; /* operations that are not final */
    uint64_t ret_ready;
    uint64_t ret_parked;
    uint64_t ret_queued;
    uint64_t ret_services;
    int64_t ret_oldest_ready_ms;        /* accepted_ms of the oldest READY one; 0: none */
    struct pv_hist ret_commit_requests; /* of each commit, how many requests it had */
    struct pv_hist ret_commit_us;       /* and how long it took, applying them included */
};

/* ---- keys
 * ------------------------------------------------------------------------------------------- */

/* A slice of writing what older keys sealed again, under the newest key. The store knows how far it
 * is, also after a restart; a newer key begins it anew. Asked for again until ret_done. */
struct pv_reseal {
    struct pv_req req;
    size_t limit;            /* rows to look at, at most */
    uint32_t ret_key;        /* the newest one's id; 0: the store seals nothing */
    bool ret_done;           /* nothing is sealed with an older key */
    uint64_t ret_looked;     /* these three: since it began with this key */
    uint64_t ret_resealed;   /* values */
    uint64_t ret_unreadable; /* values that no key opens: left as they are */
};

/* ---- the store ----------------------------------------------------------------------------------
 */

struct pv_store;

struct pv_store_ops {
    /* 0: the request will call back; PV_ECLOSED after close. Loop thread. */
    int (*submit)(struct pv_store *store, struct pv_req *req);
    /* Finishes what was submitted, then calls closed(user) on the loop; the store is gone then. */
    void (*close)(struct pv_store *store, void (*closed)(void *user), void *user);
};

/* The first member of every implementation. What stands here is fixed once it is open. */
struct pv_store {
    const struct pv_store_ops *ops;
    struct pv_id deployment; /* made once, when the database was */
    uint64_t epoch;      /* of this start; everything claimed by an earlier one is READY again */
    uint64_t unfinished; /* operations that were not final at the start */
};

/* Zeroes and sets kind, done and user. The struct that embeds it is zeroed by its owner. */
void pv_req_init(struct pv_req *req, enum pv_req_kind kind, void (*done)(struct pv_req *req),
                 void *user);
/* Frees the results. */
void pv_req_done(struct pv_req *req);
int pv_store_submit(struct pv_store *store, struct pv_req *req) PV_MUST_CHECK;

/* Recomputes a record's hash from its fields and its predecessor's hash: SHA-256 over the parts. */
struct pv_hash pv_audit_hash(const struct pv_audit_row *row);

#endif

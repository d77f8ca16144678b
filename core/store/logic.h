/* SPDX-License-Identifier: Apache-2.0 */
/* What a request does to the rows: the lifecycle of services and operations, written once for every
 * store. Each function judges before it writes, so that a request which is refused has written
 * nothing; any other failure rolls the transaction back. One thread; owns nothing but its scratch
 * arena. */
#ifndef PV_STORE_LOGIC_H
#define PV_STORE_LOGIC_H

#include "core/base/buf.h"
#include "core/engine/notice.h"
#include "core/engine/outbox.h"
#include "core/store/rows.h"
#include "core/store/store.h"

/* What changes with a transaction and is not read back: copied before it, restored when it fails.
 */
struct pv_tally {
    uint64_t ready;
    uint64_t running;
    uint64_t parked;
    uint64_t queued;
    uint64_t services;
    uint64_t audit_n; /* the head of this writer's chain */
    struct pv_hash audit_hash;
};

struct pv_logic {
    struct pv_rows *rows;
    const struct pv_keyring *keyring; /* borrowed */
    struct pv_id deployment;
    uint64_t epoch;
    uint32_t writer; /* of the audit chain */
    struct pv_tally tally;
    struct pv_hist commit_requests; /* of the store, for statistics */
    struct pv_hist commit_us;
    struct pv_arena scratch;                 /* emptied before each request */
    const struct pv_subscriber *subscribers; /* who is told, since the last PV_OUTBOX_SUBSCRIBE */
    size_t subscriber_count;
    struct pv_arena subscriber_arena;
};

/* Applies a request inside a transaction. Sets req->status and err. Returns 0 when the transaction
 * may go on (also when the request was refused), else why it must be rolled back. */
int pv_logic_apply(struct pv_logic *logic, struct pv_req *req) PV_MUST_CHECK;
/* Forgets what an attempt to apply the request has put into it. */
void pv_logic_reset(struct pv_req *req);
/* Whether it writes. */
bool pv_logic_writes(const struct pv_req *req);
/* Makes what was claimed READY, under a new fence. Inside a transaction. */
int pv_logic_reclaim(struct pv_logic *logic, size_t max, int64_t *after,
                     bool *ret_more) PV_MUST_CHECK;

/* ---- one function per request: the logic_*.c files ---- */

int pv_logic_accept(struct pv_logic *logic, struct pv_accept *in);
int pv_logic_claim(struct pv_logic *logic, struct pv_claim *in);
int pv_logic_progress(struct pv_logic *logic, struct pv_progress *in);
int pv_logic_reserve(struct pv_logic *logic, struct pv_reserve *in);
int pv_logic_signal(struct pv_logic *logic, struct pv_signal *in);
int pv_logic_intervene(struct pv_logic *logic, struct pv_intervene *in);
int pv_logic_lanes(struct pv_logic *logic, struct pv_lanes *in);
int pv_logic_pause(struct pv_logic *logic, struct pv_pause *in);
int pv_logic_note(struct pv_logic *logic, struct pv_note *in);
int pv_logic_get(struct pv_logic *logic, struct pv_get *in);
int pv_logic_list(struct pv_logic *logic, struct pv_list_req *in);
int pv_logic_token(struct pv_logic *logic, struct pv_token_req *in);
int pv_logic_sessions(struct pv_logic *logic, struct pv_sessions *in);
/* What a pool still has. */
int pv_logic_pool_left(struct pv_logic *logic, struct pv_pool_left *pool, int64_t now_ms);
int pv_logic_outbox(struct pv_logic *logic, struct pv_outbox_req *in);
int pv_logic_feed(struct pv_logic *logic, struct pv_feed *in);
int pv_logic_stats(struct pv_logic *logic, struct pv_stats *in);

/* ---- shared by them ---- */

/* Sets the request's status and sentence, and returns 0: the transaction goes on with the requests
 * beside it. Legal only before the request has written anything. */
int pv_logic_refuse(struct pv_req *req, int status, const char *fmt, ...) PV_PRINTF(3, 4);
/* Appends to the audit chain; a record without `what` is none. */
int pv_logic_audit(struct pv_logic *logic, const struct pv_audit *audit, int64_t now_ms,
                   int64_t service_n) PV_MUST_CHECK;
/* Stores the service row; counts what became of its active operation. */
int pv_logic_put(struct pv_logic *logic, struct pv_svc *svc) PV_MUST_CHECK;
/* Copies into the arena; PV_ENOMEM. */
int pv_logic_copy(struct pv_arena *arena, struct pv_str from, struct pv_str *ret) PV_MUST_CHECK;

/* Operations that end with a commit. Grows in the request's arena. */
struct pv_ended_list {
    struct pv_arena *arena;
    struct pv_ended *items;
    size_t count;
    size_t size;
};

/* Makes `op` the service's active one: READY, or RUNNING under `epoch` when claimed. The row is
 * the caller's to store. */
void pv_logic_activate(struct pv_logic *logic, struct pv_svc *svc, const struct pv_op *op,
                       bool claim, uint64_t epoch, int64_t now_ms);
/* Nothing is active: starts the head of the queue; ends those that have nothing to do. */
int pv_logic_pop(struct pv_logic *logic, struct pv_svc *svc, bool claim, uint64_t epoch,
                 int64_t now_ms, struct pv_ended_list *ended) PV_MUST_CHECK;
/* How an operation ends. */
struct pv_ending {
    int state;
    struct pv_str reason;
    struct pv_str result;
    int observed;
    bool residue;
};
/* The active operation ends; nothing is active then. Not audited. */
int pv_logic_end_active(struct pv_logic *logic, struct pv_svc *svc, const struct pv_ending *ending,
                        int64_t now_ms) PV_MUST_CHECK;
/* An operation that never ran ends: recorded, audited, added to `ended`. */
int pv_logic_end_waiting(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n, int state,
                         const char *reason, int64_t now_ms,
                         struct pv_ended_list *ended) PV_MUST_CHECK;
int pv_logic_ended_add(struct pv_ended_list *ended, struct pv_id op, int state) PV_MUST_CHECK;
/* Projects `desired` over everything that is active and waits. */
int pv_logic_project(struct pv_logic *logic, struct pv_svc *svc) PV_MUST_CHECK;
/* The service's active operation, just claimed, as a node gets it. op may be NULL: read. */
int pv_logic_claimed(struct pv_logic *logic, struct pv_svc *svc, const struct pv_op *op,
                     struct pv_arena *arena, struct pv_claimed **ret) PV_MUST_CHECK;
/* Gives back what one run reserved. */
int pv_logic_release(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n, uint32_t run,
                     int64_t now_ms) PV_MUST_CHECK;
/* The operation is over: settles its quota, forgets its grants. */
int pv_logic_settle(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n,
                    int state) PV_MUST_CHECK;
/* The service is terminated and nothing remains: what it held goes back. */
int pv_logic_clear_service(struct pv_logic *logic, const struct pv_svc *svc,
                           int64_t now_ms) PV_MUST_CHECK;
/* An operation that has ended or parked, and whose record of that is the newest of the audit trail.
 */
struct pv_logic_end {
    struct pv_id op;
    int64_t op_n;
    int state; /* enum pv_op_state */
    struct pv_str reason;
    struct pv_str detail; /* of the audit record, which pv_logic_ended writes */
    int before;           /* the service's state until then; svc->observed is the one since */
};
/* Tells subscribers. */
int pv_logic_notify(struct pv_logic *logic, const struct pv_svc *svc,
                    const struct pv_logic_end *end, int64_t now_ms) PV_MUST_CHECK;
/* Writes the audit record of an end and tells subscribers. */
int pv_logic_ended(struct pv_logic *logic, const struct pv_svc *svc, const struct pv_logic_end *end,
                   int64_t now_ms) PV_MUST_CHECK;
/* Frees what it owns. */
void pv_logic_done(struct pv_logic *logic);
/* Adds to what a service uses of a quota; never below zero. */
int pv_logic_quota_add(struct pv_logic *logic, int64_t service_n, struct pv_str name, int64_t delta,
                       int64_t *ret_used) PV_MUST_CHECK;
/* What a query answers with. */
int pv_logic_tell_service(struct pv_logic *logic, const struct pv_svc *svc, struct pv_arena *arena,
                          struct pv_service_row *out) PV_MUST_CHECK;
void pv_logic_tell_op(const struct pv_svc *svc, const struct pv_op *op, struct pv_op_row *out);
/* The state an operation is in, whoever keeps it. */
int pv_logic_op_state(const struct pv_svc *svc, const struct pv_op *op);

/* Makes the name of this file durable. 0, or -1 and errno. */
int pv_folder_sync(const char *path);
/* The key's HMAC of a canonical event. */
struct pv_hash pv_keyring_mac(const struct pv_keyring *keyring, struct pv_str canonical);
/* Seals for storage: key id, nonce, XChaCha20-Poly1305 with `identity` as associated data. Appends.
 */
int pv_keyring_seal(const struct pv_keyring *keyring, struct pv_str identity, struct pv_str plain,
                    struct pv_buf *out) PV_MUST_CHECK;
/* Wipes what the calling thread keeps to seal with: before it ends. The next seal begins anew. */
void pv_seal_forget(void);
/* Into the arena. PV_ECRYPTO. */
int pv_keyring_unseal(const struct pv_keyring *keyring, struct pv_str identity,
                      struct pv_str sealed, struct pv_arena *arena,
                      struct pv_str *ret_plain) PV_MUST_CHECK;

#endif

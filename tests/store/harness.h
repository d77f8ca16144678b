/* SPDX-License-Identifier: Apache-2.0 */
/* What the contract suite runs on: one store of either kind, requests that are waited for, a clock
 * that the test moves. */
#ifndef PV_TESTS_STORE_HARNESS_H
#define PV_TESTS_STORE_HARNESS_H

#include "tests/unit/unit.h"

#include "core/base/hash.h"
#include "core/base/message.h"
#include "core/store/store.h"

#include <uv.h>

enum store_kind { STORE_MEM, STORE_SQLITE };

struct fix {
    enum store_kind kind;
    struct pv_store *store;
    struct pv_keyring *keyring;
    uv_loop_t loop;
    char folder[64]; /* sqlite: of its own, removed at the end */
    char path[96];
    bool keep; /* the folder is the caller's */
    int64_t now_ms;
    uint64_t next_id;
    struct pv_id deployment;
};

/* Group set-up and tear-down, by kind; *state is the kind. */
int setup_mem(void **state);
int setup_sqlite(void **state);
int teardown_store(void **state);
/* The fixture of a running test. */
struct fix *fix_of(void **state);

void fix_open(struct fix *f, enum store_kind kind);
/* A memory store that computes the same ids as another store. */
void fix_open_as(struct fix *f, struct pv_id deployment);
/* SQLite in a folder of the caller's, which stays. */
void fix_open_in(struct fix *f, const char *folder);
/* The same, when it may fail; fix_close follows in any case. */
int fix_try_in(struct fix *f, const char *folder, struct pv_err *err);
void fix_close(struct fix *f);
/* With the files in it. */
void fix_remove_folder(const char *folder);
/* Closes the store only; fix_open_again opens it, and gives the error back. */
void fix_shut(struct fix *f);
int fix_open_again(struct fix *f, struct pv_err *err);
/* The process goes away and comes back. */
void fix_restart(struct fix *f);

/* Submits without waiting; waits until everything submitted has called back. */
void fix_submit(struct fix *f, struct pv_req *req);
void fix_wait(struct fix *f);
/* Submits, waits, returns the status. The caller frees the results. */
int fix_run(struct fix *f, struct pv_req *req);

/* A time-ordered id. */
struct pv_id fix_id(struct fix *f);

/* ---- short forms: one item, source "shop", product "web", plan "basic" ---- */

struct pv_accept_item item_of(struct fix *f, const char *external_id, int type);
/* Sets the event's id. */
void item_event(struct pv_accept_item *item, const char *event_id);
struct one {
    struct pv_accept accept;
    struct pv_accept_item item;
};
/* Accepts; `one` holds the results until one_done. */
int accept_item(struct fix *f, struct one *one, struct pv_accept_item item);
void one_done(struct one *one);
/* Accepts an operation without claiming it; its id. */
struct pv_id accept_op(struct fix *f, const char *external_id, int type);
/* Accepts and claims at once; the operation must start. */
struct pv_claimed *accept_run(struct fix *f, struct one *one, const char *external_id, int type);

/* Claims one operation of the lane; NULL when there is none. `claim` holds it. */
struct pv_claimed *claim_one(struct fix *f, struct pv_claim *claim, const char *lane);

/* A progress request under the claim. */
struct pv_progress progress_of(struct fix *f, const struct pv_claimed *claimed, enum pv_next next);
/* FINISH with DONE and the state the operation leads to. */
struct pv_progress finish_of(struct fix *f, const struct pv_claimed *claimed);
int run_progress(struct fix *f, struct pv_progress *progress);
/* Creates the service and finishes it; it is active. */
void make_active(struct fix *f, const char *external_id);

/* Runs an operation of service "1" and parks it, in "lane-a"; its id. */
struct pv_id park_op(struct fix *f, int type);

/* A reserve request under the claim: step "allocate" of component "site", run 1. */
struct pv_reserve reserve_of(struct fix *f, const struct pv_claimed *claimed, int kind,
                             const char *name);
int run_reserve(struct fix *f, struct pv_reserve *reserve);

/* Reads one operation or service; the caller calls pv_req_done. */
int get_op(struct fix *f, struct pv_get *get, struct pv_id op);
int get_service(struct fix *f, struct pv_get *get, const char *external_id);
int op_state(struct fix *f, struct pv_id op);
struct pv_stats stats_of(struct fix *f);
int intervene(struct fix *f, struct pv_intervene *in, struct pv_id op, int verb);
/* Reads the whole audit chain and checks it; the number of records. */
uint64_t audit_verify(struct fix *f);

#define SHOP PV_STR("shop")

/* One test over every store. */
#define BOTH(test)                                                                                 \
    {"mem: " #test, test, setup_mem, teardown_store, NULL},                                        \
    {                                                                                              \
        "sqlite: " #test, test, setup_sqlite, teardown_store, NULL                                 \
    }

#endif

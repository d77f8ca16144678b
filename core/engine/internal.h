/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's files share. Loop thread. The engine owns lanes and active operations; an
 * active operation owns a copy of what it was claimed with, and one progress request that is
 * reused. */
#ifndef PV_ENGINE_INTERNAL_H
#define PV_ENGINE_INTERNAL_H

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/decide.h"
#include "core/engine/engine.h"

#define PV_WATCH_BUCKETS 1024u
#define PV_STALL_MS 500 /* before a commit that the store refused is tried again */

enum pv_breaker {
    PV_BREAKER_CLOSED = 0,
    PV_BREAKER_OPEN = 1,
    PV_BREAKER_HALF_OPEN = 2, /* one probe is in flight */
};

/* An instance, as far as the engine rations it. The lane "" holds operations that are not pinned */
struct pv_lane {
    struct pv_map_node node;
    struct pv_engine *engine;
    struct pv_lane *next; /* of all lanes */
    char name[PV_MAX_NAME + 1];
    struct pv_instance_limits limits;
    bool missing; /* not configured */
    bool paused;
    uint32_t in_flight; /* slots taken, by steps and by claims on their way */
    double tokens;
    int64_t tokens_at_ms; /* mono */
    enum pv_breaker breaker;
    uint32_t failures;     /* in a row */
    int64_t open_ms;       /* how long it was opened for last */
    int64_t open_until_ms; /* mono */
    char fault[160];
    bool backlog;        /* the store may hold operations whose time has come */
    int64_t next_due_ms; /* wall clock: when it will again */
    bool claiming;
    bool claim_again;    /* work was announced while a claim was under way */
    uint32_t claim_room; /* slots that the claim under way holds */
    struct pv_claim claim;
    struct pv_active **spare; /* one for each slot of the claim under way */
};

enum pv_active_state {
    PV_A_COMMITTING = 1, /* a progress is on its way */
    PV_A_CALLING = 2,    /* the runner has its step */
    PV_A_STALLED = 3,    /* the store refused; tried again from a tick */
};

struct pv_active_doc {
    struct pv_str component; /* in the arena */
    char *json;              /* owned */
    size_t len;
};

/* An operation that this node holds the claim on. */
struct pv_active {
    struct pv_map_node by_op;
    struct pv_map_node by_call;
    struct pv_link link; /* engine->stalled, or engine->spares */
    struct pv_engine *engine;
    enum pv_active_state state;
    struct pv_arena arena;
    struct pv_claimed c; /* strings in the arena */
    bool clean;          /* nothing was in flight when it was claimed */
    bool pinned;
    struct pv_plan plan;
    struct pv_cursor cursor;
    uint32_t tries;
    struct pv_active_doc docs[PV_MAX_COMPONENTS];
    size_t doc_count;
    uint64_t call;        /* 0: none */
    int64_t started_ms;   /* wall clock, of the call */
    struct pv_lane *slot; /* whose slot it holds */
    bool slot_fresh;      /* rate and breaker have been asked for the next call */
    char *progress_text;  /* owned */
    /* The commit under way and what it borrows. */
    struct pv_progress progress;
    struct pv_step_row row;
    struct pv_decision decision;
    struct pv_buf cursor_bytes;
    struct pv_buf plan_bytes;
    struct pv_buf composition_bytes;
    struct pv_buf text;   /* the outcome's text */
    struct pv_buf result; /* the outcome's result, until the operation ends */
    char detail[2 * PV_MAX_NAME + 2];
};

struct pv_engine {
    struct pv_engine_options o;
    struct pv_map lanes;
    struct pv_lane *lane_list;
    struct pv_lane *unpinned; /* the lane "" */
    struct pv_map ops;        /* struct pv_active by op */
    struct pv_map calls;      /* struct pv_active by call */
    size_t active;            /* held, and room promised to claims and accepts on their way */
    size_t requests;          /* of the engine's own, under way, that are no active's progress */
    uint64_t next_call;
    uint64_t backlog;
    struct pv_link stalled;
    int64_t stalled_until_ms; /* mono */
    int64_t stall_silent_ms;  /* mono: until then no word about it */
    bool unread;              /* what an earlier run left has not been read yet */
    struct pv_link watchers;  /* of every operation */
    struct pv_link watch[PV_WATCH_BUCKETS];
    struct pv_engine_counters counters;
    bool stopping;
    void (*stopped)(void *user);
    void *stopped_user;
    int64_t armed_ms;
};

int64_t pv_engine_wall(const struct pv_engine *engine);
int64_t pv_engine_mono(const struct pv_engine *engine);

/* ---- lanes.c ---- */

/* Makes it where it is not there; NULL when out of memory. */
struct pv_lane *pv_lane_get(struct pv_engine *engine, struct pv_str name);
/* 0: the operation holds a slot of the lane; else enum pv_wait, with *ret_due_ms (wall clock). */
int pv_lane_take(struct pv_lane *lane, int64_t *ret_due_ms);
/* One more step on a slot that is held already: tokens and breaker only. */
int pv_lane_again(struct pv_lane *lane, int64_t *ret_due_ms);
void pv_lane_give(struct pv_lane *lane, uint32_t slots);
void pv_lane_health(struct pv_lane *lane, enum pv_health health, struct pv_str why);
/* The store has, or will have at due_ms, work for the lane. */
void pv_lane_announce(struct pv_lane *lane, int64_t due_ms);
/* Claims where there is work and room, and arms the timer. Called last by every entry point. */
void pv_engine_pump(struct pv_engine *engine);
void pv_lanes_free(struct pv_engine *engine);

/* ---- active.c ---- */

/* Zeroed, with its buffers reserved. NULL when out of memory. */
struct pv_active *pv_active_new(struct pv_engine *engine);
void pv_active_free(struct pv_active *active);
/* Takes over a claim: copies it and goes on. `slot`: a slot it may use, or NULL. On failure it is
 * handed back to the store. `active` was counted by the caller. */
void pv_active_begin(struct pv_active *active, const struct pv_claimed *claimed,
                     struct pv_lane *slot);
/* Replaces a component's state document in memory. `component` is the plan's. */
int pv_active_set_doc(struct pv_active *active, struct pv_str component, struct pv_str json,
                      struct pv_active_doc **ret_doc) PV_MUST_CHECK;
/* Parks it, for a reason that no step gave. */
void pv_active_park(struct pv_active *active, const char *reason);

/* ---- call.c ---- */

/* A component's state document; none where it has none. */
struct pv_str pv_active_state(const struct pv_active *active, struct pv_str component);
/* Calls the step at the cursor. */
void pv_active_dispatch(struct pv_active *active);
/* Forgets it: the store has it back, or has given it to somebody else. */
void pv_active_drop(struct pv_active *active);
void pv_active_give_slot(struct pv_active *active);
/* What the decision functions are told; outcome members are left zero. */
struct pv_decide_in pv_active_facts(const struct pv_active *active);

/* ---- answer.c ---- */

/* Keeps what was said about the call, cut to a decent length. */
void pv_active_keep_text(struct pv_active *active, struct pv_str text);
/* Puts the call that has ended into the commit being prepared: history line and audit record. */
void pv_active_record(struct pv_active *active, int outcome, const char *what);

/* ---- commit.c ---- */

/* Commits active->decision, with what has been put into active->progress, row and text before. */
void pv_active_commit(struct pv_active *active);
/* Clears what belongs to one commit. */
void pv_active_prepare(struct pv_active *active);
/* Submits the progress again (a tick, after the store refused). */
void pv_active_resubmit(struct pv_active *active);
/* A new intent is known: of an operation held here, or of one that is READY in `lane`. */
void pv_active_poke(struct pv_engine *engine, struct pv_id op, int intent, struct pv_str lane);
struct pv_active *pv_active_of_call(struct pv_engine *engine, uint64_t call);

/* ---- input.c ---- */

/* The JSON that a step is given (docs/plugins.md). */
int pv_active_input(const struct pv_active *active, struct pv_buf *out);

/* ---- watch.c ---- */

void pv_engine_tell(struct pv_engine *engine, struct pv_id op, int state, struct pv_str text);
/* An operation is over: counts and tells. */
void pv_engine_ended(struct pv_engine *engine, struct pv_id op, int state, struct pv_str text);

/* Calls stopped() when nothing is left. */
void pv_engine_check_stopped(struct pv_engine *engine);

#endif

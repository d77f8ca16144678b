/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node in memory: the real engine on the reference store, with a virtual clock, seeded
 * random numbers, a planner of three products and a runner whose steps answer as a test says. One
 * thread; nothing waits. Used by the engine's unit tests and by the simulation. */
#ifndef PV_TESTS_SIM_WORLD_H
#define PV_TESTS_SIM_WORLD_H

#include "core/engine/engine.h"
#include "core/store/store.h"

#define WORLD_NAMES 48
#define WORLD_CALLS 8192

/* A step that the engine has asked the runner for and that has not been answered. */
struct world_call {
    uint64_t call;
    struct pv_id op;
    uint8_t kind;
    uint32_t run;
    uint32_t attempt;
    bool solo;
    bool canceled;
    uint32_t timeout_ms;
    int64_t lease_until_ms; /* mono */
    int64_t due_ms;         /* mono: when the automatic answer comes */
    char instance[WORLD_NAMES];
    char operation[WORLD_NAMES];
    char component[WORLD_NAMES];
    char step[WORLD_NAMES];
    char external_id[WORLD_NAMES];
    char ref[WORLD_NAMES];
    char input[1024];
    char state[512];
};

/* What became of an accepted event. */
struct world_op {
    struct pv_id op;
    int verdict;
    int accept_status;
    int state; /* enum pv_op_state as last told; 0: not told */
    char reason[256];
};

struct world {
    int64_t mono_ms;
    int64_t wall_ms;
    int64_t armed_ms;
    struct pv_seeded seed;
    struct pv_rng rng;
    struct pv_clock clock;
    struct pv_keyring *keyring;
    struct pv_store *store;
    struct pv_engine *engine;
    struct pv_watch watch;
    bool stopped;
    uint64_t next_event;
    /* Answers a call at once or later; NULL: calls stay open until the test answers them. */
    void (*respond)(struct world *world, struct world_call *call);
    void *user;
    struct world_call calls[WORLD_CALLS]; /* open ones: call != 0 */
    size_t started;                       /* calls so far */
    char last_started[3 * WORLD_NAMES];   /* "component.step kind" */
    struct pv_instance_limits limits;     /* of every instance */
    char gone_instance[WORLD_NAMES];      /* not configured, when set */
    bool hold;                            /* products say on_failure: hold */
    uint32_t settle_ms;                   /* of every step; 5,000 */
    bool lie_repeatable;                  /* steps say that they are repeatable and are not */
    int64_t retry_cap_ms;
    int64_t lease_ms; /* of an engine that starts; 0: its own default */
    struct world_op *ops;
    size_t op_count;
    size_t op_size;
    /* Answers to reservations, as the runner was given them. */
    uint32_t answer_ask;
    int answer_status;
    uint64_t answer_number;
    char answer_value[256];
    size_t answers;
};

/* Products: "one" (component site: step make [undo, lookup]); "two" (site: allocate [undo], clone
 * [undo, lookup, poll], start [repeatable]; dns: add [undo, repeatable]); "bare" (site: make,
 * neither repeatable nor to be looked up). Plans "basic" and "big". Action "backup" of "one" takes
 * quota "backups". */
void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);
/* The node dies and another one starts on what was committed. */
void world_crash(struct world *world);

/* Fires an event and lets the store commit it; the operation's index in world->ops. */
size_t world_fire(struct world *world, const char *external_id, int type);
struct world_event {
    const char *external_id;
    const char *event_id; /* NULL: a fresh one */
    int type;
    const char *product;
    const char *plan_name;
    const char *body; /* NULL: one made of the rest */
    const char *action;
    bool has_sequence;
    int64_t sequence;
    bool join;
    int64_t quota_limit; /* > 0: takes one of "backups" */
};
size_t world_event(struct world *world, const struct world_event *event);

/* Applies commits, and answers calls that are due, until nothing happens without time passing. */
void world_settle(struct world *world);
/* The same, and moves the clock to the next timer or answer, for at most `ms`. */
void world_run(struct world *world, int64_t ms);

/* The only open call; fails the test when there is none or more than one. */
struct world_call *world_only(struct world *world);
struct world_call *world_find(struct world *world, const char *component, const char *step);
size_t world_open_calls(const struct world *world);
/* Answers an open call and settles. */
void world_answer(struct world *world, struct world_call *call, int code);
void world_answer_with(struct world *world, struct world_call *call,
                       const struct pv_wire_outcome *outcome);
void world_lose(struct world *world, struct world_call *call, enum pv_lost lost);
/* Asks for a reservation on behalf of an open call and settles; the answer is in world->answer_….
 */
void world_ask(struct world *world, struct world_call *call, const struct pv_wire_ask *ask);

/* A verb by an operator; 0 or the status, settled. */
int world_intervene(struct world *world, struct pv_id op, int verb);
int world_signal(struct world *world, struct pv_id op, const char *name, const char *body);
/* The operation's state now, from the store (as are the next ones). */
int world_op_state(struct world *world, size_t index);
int world_service_state(struct world *world, const char *external_id);
/* Fills ret (free with pv_req_done(&ret->req)). */
int world_get_op(struct world *world, struct pv_id op, struct pv_get *ret);
int world_get_service(struct world *world, const char *external_id, struct pv_get *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a service's queue: the rules that stores apply under the service's lock, so that
 * every store decides alike. Pure: no clock, no memory but what is passed in. */
#ifndef PV_ENGINE_RULES_H
#define PV_ENGINE_RULES_H

#include "core/base/buf.h"
#include "core/engine/moves.h"

/* The hot part of a service row, as far as the rules look at it. */
struct pv_hot {
    int observed; /* enum pv_svc_state */
    int desired;  /* projected over everything queued */
    bool residue;
    bool has_active;
    int active_type;
    int active_state; /* READY, RUNNING or NEEDS_OPERATOR */
    int active_intent;
    bool has_sequence;
    int64_t max_sequence; /* highest accepted, with has_sequence */
};

enum pv_accept_what {
    PV_ACCEPT_QUEUE,      /* becomes active, or waits behind what is active */
    PV_ACCEPT_NOOP,       /* recorded as done at once (only when nothing is active or waiting) */
    PV_ACCEPT_SUPERSEDED, /* recorded as superseded at once: its sequence is old */
    PV_ACCEPT_ILLEGAL,
};

enum pv_accept_effect {
    PV_EFFECT_NONE,
    PV_EFFECT_UNDO_ACTIVE, /* the active create gets PV_INTENT_SUPERSEDE; if READY or parked it is
                              due now */
    PV_EFFECT_END_ACTIVE,  /* the parked active operation ends SUPERSEDED; the next one starts */
};

struct pv_accept_rule {
    enum pv_accept_what what;
    enum pv_accept_effect effect;
    int desired; /* the projected state afterwards */
    /* terminate: creates that wait in the queue end SUPERSEDED */
    bool supersede_waiting_creates;
};

/* A new operation of `type` arrives. */
struct pv_accept_rule pv_rules_accept(const struct pv_hot *hot, int type, bool has_sequence,
                                      int64_t sequence);

enum pv_start_what {
    PV_START_RUN,
    PV_START_CANCEL, /* made illegal meanwhile */
    PV_START_NOOP,   /* done without calling a backend */
    PV_START_PAIR, /* it and the next one end SUPERSEDED: the service is where the pair would end */
};

/* The head of the queue (type) is to start; next_type is the one behind it, 0 when there is none */
enum pv_start_what pv_rules_start(int observed, bool residue, int type, int next_type);

/* The projected state: `observed` folded over the types that wait, in order, less illegal ones. */
int pv_rules_project(int observed, bool residue, const int *types, size_t count);

/* The operation somebody wants to do something to. */
struct pv_intervene_in {
    int verb;
    int type;
    int state;
    int intent;
    bool is_active; /* it is its service's active operation */
    bool service_has_active;
    int observed;
    bool residue;
    struct pv_str plan;   /* pinned, or "" */
    struct pv_str cursor; /* or "" */
};

enum pv_intervene_what {
    PV_DO_READY,  /* (stays or becomes) the active operation: READY now, with `cursor` and `intent`;
                     tries 0 unless keep_tries */
    PV_DO_INTENT, /* it is running: set `intent`, wake it */
    PV_DO_END, /* ends with op_state; the service becomes `observed`, `residue`; next one starts */
};

struct pv_intervene_rule {
    enum pv_intervene_what what;
    int intent;
    int op_state;
    int observed;
    bool residue;
    bool keep_tries;
    bool reactivate; /* READY: a failed create that is not active becomes the active one again,
                        PENDING */
};

/* PV_ECONFLICT with the sentence in err when it cannot be done. The new cursor (READY) goes to
 * ret_cursor, which the caller has initialised. */
int pv_rules_intervene(const struct pv_intervene_in *in, struct pv_intervene_rule *ret_rule,
                       struct pv_buf *ret_cursor, struct pv_err *err) PV_MUST_CHECK;

#endif

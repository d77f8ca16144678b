/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from an outcome: moves the cursor and says whether to go on, wait, park or end.
 * Pure: tables and arithmetic, with time and randomness passed in. */
#ifndef PV_ENGINE_DECIDE_H
#define PV_ENGINE_DECIDE_H

#include "core/engine/cursor.h"
#include "core/engine/store.h"

struct pv_decide_in {
    const struct pv_plan *plan;
    const struct pv_rng *rng;
    int type;     /* enum pv_op_type */
    int intent;   /* enum pv_intent */
    int observed; /* the service's state before this operation ends */
    bool residue;
    uint32_t tries; /* attempts of the present step, this one included */
    int64_t now_ms; /* wall clock */
    int64_t deadline_ms;
    /* of pv_decide_outcome and pv_decide_lost: */
    int code; /* enum pv_outcome_code */
    bool touched;
    int64_t retry_after_ms; /* -1: none */
    struct pv_str text;
};

/* What an outcome says about its instance. */
enum pv_health {
    PV_HEALTH_NONE = 0,
    PV_HEALTH_GOOD,    /* the backend answered */
    PV_HEALTH_FAILURE, /* counts towards opening the breaker */
    PV_HEALTH_FAULT,   /* opens it */
};

struct pv_decision {
    enum pv_next next;
    enum pv_health health;
    /* HOLD: the step at the cursor is to be called; DEFER: it is, later */
    uint32_t tries; /* what to record as attempts so far (see struct pv_progress) */
    int wait;
    int64_t due_ms; /* DEFER; PV_NEVER for a signal; for PV_WAIT_BREAKER the caller knows better */
    /* FINISH */
    int op_state;
    int observed;
    bool residue;
    bool undone; /* a completed undo: reservations of run `undone_run` go back */
    uint32_t undone_run;
    /* PARK, and FINISH unless done */
    char reason[480];
};

/* A claim begins: `clean` when nothing can have been in flight (see cursor.h). */
void pv_decide_start(const struct pv_decide_in *in, bool clean, struct pv_cursor *cursor,
                     struct pv_decision *ret);
/* The step at the cursor has answered. */
void pv_decide_outcome(const struct pv_decide_in *in, struct pv_cursor *cursor,
                       struct pv_decision *ret);
/* Its host is gone. culprit: it was on the processor then. in->text says what happened. */
void pv_decide_lost(const struct pv_decide_in *in, bool culprit, struct pv_cursor *cursor,
                    struct pv_decision *ret);
/* The instance of the step at the cursor cannot take it now: `wait` and `due_ms` say why and until
 * when. */
void pv_decide_unavailable(const struct pv_decide_in *in, int wait, int64_t due_ms,
                           struct pv_cursor *cursor, struct pv_decision *ret);

#endif

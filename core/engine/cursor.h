/* SPDX-License-Identifier: Apache-2.0 */
/* Where an operation stands in its plan; kept in the service row with every commit. Pure. */
#ifndef PV_ENGINE_CURSOR_H
#define PV_ENGINE_CURSOR_H

#include "core/base/message.h"
#include "core/engine/plan.h"

enum pv_mark {
    PV_MARK_OPEN = '.', /* has not been done */
    PV_MARK_DONE = 'd',
    PV_MARK_UNKNOWN = 'u', /* may or may not have happened */
    PV_MARK_LATER = 't',   /* failed temporarily in this pass over the components */
    PV_MARK_FAILED = 'f',
    PV_MARK_BARRED = 'b',  /* not tried: an earlier step of its component failed */
    PV_MARK_SKIPPED = 's', /* by an operator */
    PV_MARK_UNDONE = 'x',
};

#define PV_NO_TRIES UINT32_MAX

struct pv_cursor {
    uint32_t run; /* 1; one more after each completed undo */
    bool undoing;
    uint8_t kind; /* enum pv_call_kind: how the present step is called next */
    uint16_t step;
    uint16_t crashes;     /* hosts that the present step has taken down */
    uint8_t end_state;    /* enum pv_op_state to end with after the undo */
    uint16_t passes;      /* rounds over the components that ended with something left for later */
    int64_t last_send_ms; /* wall clock of the present step's last external call; 0: none */
    /* Attempts when it was handed back with nothing in flight; a claim with exactly one more is a
     * clean one. PV_NO_TRIES: something may have been in flight when the claim was lost. */
    uint32_t rested_tries;
    size_t count; /* marks; the plan's steps */
    char marks[PV_MAX_STEPS];
};

/* At the start of a plan of `count` steps. */
void pv_cursor_init(struct pv_cursor *cursor, size_t count);
int pv_cursor_encode(const struct pv_cursor *cursor, struct pv_buf *out);
int pv_cursor_decode(struct pv_str bytes, struct pv_cursor *ret) PV_MUST_CHECK;
/* Begins the undo: the operation ends with end_state when it is complete. */
void pv_cursor_turn_back(struct pv_cursor *cursor, int end_state);
/* Moves to the next step to be called, setting step and kind; false when there is none left in this
 * direction. A cursor whose present step is still to be called stays where it is. */
bool pv_cursor_next(struct pv_cursor *cursor, const struct pv_plan *plan);
/* Every mark `from` becomes `to`. */
void pv_cursor_remark(struct pv_cursor *cursor, char from, char to);
bool pv_cursor_has(const struct pv_cursor *cursor, char mark);

/* Another component than this has steps that are open or put off. */
bool pv_cursor_left_elsewhere(const struct pv_cursor *cursor, const struct pv_plan *plan,
                              uint8_t component);

#endif

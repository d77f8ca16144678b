/* SPDX-License-Identifier: Apache-2.0 */
/* The table of legal moves: which operation may follow in which state of a service. Pure. */
#ifndef PV_ENGINE_MOVES_H
#define PV_ENGINE_MOVES_H

#include "core/base/buf.h"
#include "core/engine/types.h"

enum pv_judgement {
    PV_MOVE_RUN = 0,     /* legal: backends are called */
    PV_MOVE_NOOP = 1,    /* the service is already there: done without calling a backend */
    PV_MOVE_ILLEGAL = 2, /* refused */
};

struct pv_move {
    enum pv_judgement judgement;
    enum pv_svc_state next; /* the service's state once it is done; the same for NOOP and ILLEGAL */
};

/* `state` is projected or observed (PENDING counts as ACTIVE). `residue`: half-done work remains,
 * so that the state is not whole: a create is refused, and a no-op is run. */
struct pv_move pv_move_judge(int type, int state, bool residue);
/* The opposite of suspend or unsuspend, else 0. */
int pv_move_opposite(int type);
/* The state of a service, `observed` so far, once an operation of this type is done. */
int pv_move_done(int type, int observed);
/* Writes the table as Markdown (docs/guarantees.md and `provost moves`). */
int pv_moves_print(struct pv_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of legal moves. Rows are states of a service, columns are operations. */
#include "core/engine/moves.h"

#define RUN(next)                                                                                  \
    {                                                                                              \
        PV_MOVE_RUN, PV_SVC_##next                                                                 \
    }
#define NOOP(same)                                                                                 \
    {                                                                                              \
        PV_MOVE_NOOP, PV_SVC_##same                                                                \
    }
#define NO(same)                                                                                   \
    {                                                                                              \
        PV_MOVE_ILLEGAL, PV_SVC_##same                                                             \
    }

/* create, suspend, unsuspend, terminate, upgrade, renew, action */
static const struct pv_move moves[PV_SVC_STATES][PV_OP_TYPES] = {
    [PV_SVC_NONE] = {RUN(ACTIVE), NO(NONE), NO(NONE), NO(NONE), NO(NONE), NO(NONE), NO(NONE)},
    [PV_SVC_PENDING] = {NO(ACTIVE), RUN(SUSPENDED), NOOP(ACTIVE), RUN(TERMINATED), RUN(ACTIVE),
                        RUN(ACTIVE), RUN(ACTIVE)},
    [PV_SVC_ACTIVE] = {NO(ACTIVE), RUN(SUSPENDED), NOOP(ACTIVE), RUN(TERMINATED), RUN(ACTIVE),
                       RUN(ACTIVE), RUN(ACTIVE)},
    [PV_SVC_SUSPENDED] = {NO(SUSPENDED), NOOP(SUSPENDED), RUN(ACTIVE), RUN(TERMINATED),
                          RUN(SUSPENDED), RUN(SUSPENDED), NO(SUSPENDED)},
    [PV_SVC_TERMINATED] = {RUN(ACTIVE), NO(TERMINATED), NO(TERMINATED), NOOP(TERMINATED),
                           NO(TERMINATED), NO(TERMINATED), NO(TERMINATED)},
    [PV_SVC_FAILED] = {RUN(ACTIVE), NO(FAILED), NO(FAILED), RUN(TERMINATED), NO(FAILED), NO(FAILED),
                       NO(FAILED)},
};

struct pv_move pv_move_judge(int type, int state, bool residue)
{
    if (type < PV_OP_CREATE || type > PV_OP_TYPES || state < 0 || state >= PV_SVC_STATES) {
        return (struct pv_move){PV_MOVE_ILLEGAL, PV_SVC_NONE};
    }
    struct pv_move move = moves[state][type - 1];
    if (residue && type == PV_OP_CREATE && move.judgement == PV_MOVE_RUN) {
        move = (struct pv_move){PV_MOVE_ILLEGAL, (enum pv_svc_state)state};
    } else if (residue && move.judgement == PV_MOVE_NOOP) {
        move.judgement = PV_MOVE_RUN;
    }
    return move;
}

int pv_move_opposite(int type)
{
    if (type == PV_OP_SUSPEND) {
        return PV_OP_UNSUSPEND;
    }
    return type == PV_OP_UNSUSPEND ? PV_OP_SUSPEND : 0;
}

int pv_move_done(int type, int observed)
{
    switch (type) {
    case PV_OP_CREATE:
    case PV_OP_UNSUSPEND:
        return PV_SVC_ACTIVE;
    case PV_OP_SUSPEND:
        return PV_SVC_SUSPENDED;
    case PV_OP_TERMINATE:
        return PV_SVC_TERMINATED;
    default:
        return observed;
    }
}

int pv_moves_print(struct pv_buf *out)
{
    pv_buf_c(out, "| state |");
    for (int type = PV_OP_CREATE; type <= PV_OP_TYPES; type++) {
        pv_buf_printf(out, " %s |", pv_op_type_name(type));
    }
    pv_buf_c(out, "\n|---|---|---|---|---|---|---|---|\n");
    for (int state = 0; state < PV_SVC_STATES; state++) {
        pv_buf_printf(out, "| %s |", pv_svc_state_name(state));
        for (int type = PV_OP_CREATE; type <= PV_OP_TYPES; type++) {
            struct pv_move move = pv_move_judge(type, state, false);
            if (move.judgement == PV_MOVE_ILLEGAL) {
                pv_buf_c(out, " refused |");
            } else if (move.judgement == PV_MOVE_NOOP) {
                pv_buf_c(out, " nothing to do |");
            } else {
                pv_buf_printf(out, " → %s |", pv_svc_state_name((int)move.next));
            }
        }
        pv_buf_char(out, '\n');
    }
    pv_buf_c(out, "\nWhere half-done work remains (an undo or a suspend that was given up), "
                  "\"nothing to do\" is not\nbelieved but done, and a create is refused until a "
                  "terminate has cleaned up. The state is the one\nprojected over the service's "
                  "queued operations when an event is accepted, and the observed one\nwhen its "
                  "operation starts.\n");
    return out->status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a plugin's function in the host. */
#ifndef PV_CLI_PLAY_CALL_H
#define PV_CLI_PLAY_CALL_H

#include "core/cli/play.h"
#include "core/engine/plan.h"

struct pv_play_call {
    const struct pv_plan_step *step; /* NULL: play->query */
    int kind;                        /* enum pv_call_kind */
    uint32_t run;
    uint32_t attempt;
    /* out */
    bool lost;     /* the host is gone; `text` says how */
    bool culprit;  /* while the plugin ran */
    bool canceled; /* by the meddler */
    bool touched;
    int code; /* enum pv_outcome_code */
    int64_t retry_after_ms;
    char text[480];
    json_t *result; /* the caller's; NULL: none */
};

/* Starts the host when there is none, calls, and answers what the plugin asks of the store. 0: the
 * call is over, or the host was lost. */
int pv_play_call(struct pv_play *play, struct pv_play_call *call, struct pv_err *err) PV_MUST_CHECK;
/* Ends the host, if there is one. */
void pv_play_stop_host(struct pv_play *play);
/* Since the last pv_play_interrupt. */
bool pv_play_interrupted(void);

#endif

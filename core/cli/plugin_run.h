/* SPDX-License-Identifier: Apache-2.0 */
/* A run of `provost plugin run`: what it holds, and how it is shown. */
#ifndef PV_CLI_PLUGIN_RUN_H
#define PV_CLI_PLUGIN_RUN_H

#include "core/cli/job.h"

/* Everything one run holds. */
struct pv_run {
    struct pv_cli *cli;
    struct pv_job job;
    struct pv_local local;
    struct pv_play play;
    struct pv_job_input given;
    json_t *settings;
    json_t *event;
    json_t *values;
    json_t *previous;
    json_t *form;
    json_t *report; /* with --json: what happened */
};

/* Shows the run as text, or keeps it in run->report. */
struct pv_play_view pv_run_view(struct pv_run *run);
/* What came of it: the end, the result, the state document. */
void pv_run_print_end(struct pv_run *run, const struct pv_play_result *result);

#endif

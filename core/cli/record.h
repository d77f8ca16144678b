/* SPDX-License-Identifier: Apache-2.0 */
/* `provost plugin run --record`: a run against a live backend becomes a case for `provost plugin
 * test`, without its secrets. One thread, beside the proxy's. */
#ifndef PV_CLI_RECORD_H
#define PV_CLI_RECORD_H

#include "core/cli/plugin_run.h"
#include "core/cli/proxy.h"

struct pv_record {
    struct pv_proxy *proxy;
    json_t *state;   /* before the run */
    size_t secrets;  /* that had been made before it */
    json_t *texts;   /* [text, what stands for it] */
    json_t *varying; /* texts that are others in every run */
};

/* After pv_job_settings, before the run: stands before the backends. */
int pv_record_begin(struct pv_record *record, struct pv_run *run, struct pv_err *err) PV_MUST_CHECK;
/* Writes the case. */
int pv_record_save(struct pv_record *record, const struct pv_run *run,
                   const struct pv_play_result *result, const char *path,
                   struct pv_err *err) PV_MUST_CHECK;
void pv_record_done(struct pv_record *record);

#endif

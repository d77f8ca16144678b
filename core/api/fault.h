/* SPDX-License-Identifier: Apache-2.0 */
/* Collects everything that is wrong with a request, and writes errors in the one shape that the API
 * has for them. One thread at a time. */
#ifndef PV_API_FAULT_H
#define PV_API_FAULT_H

#include "core/api/json.h"

#define PV_FAULTS_MAX 100 /* listed; more are only counted */
#define PV_NO_OFFSET SIZE_MAX

struct pv_faults {
    struct pv_buf list;   /* JSON objects, separated by commas */
    struct pv_str source; /* what offsets count in; none: no positions */
    struct pv_json_position last;
    size_t count;
    bool array;       /* index is told */
    size_t index;     /* of the event that is being looked at */
    const char *data; /* where its members stand, but for id, type and time; NULL: beside those */
    char first[700];  /* the first sentence */
    char code[40];    /* and its code */
};

void pv_faults_init(struct pv_faults *faults, struct pv_str source, bool array);
void pv_faults_done(struct pv_faults *faults);
/* `path` is a JSON pointer into the event ("/service/plan", "" for the event itself); offset is
 * where in the source, or anything beyond it (PV_NO_OFFSET). Copies. */
void pv_faults_add(struct pv_faults *faults, const char *path, const char *code, size_t offset,
                   const char *fmt, ...) PV_PRINTF(5, 6);
/* {"success":false,"error":…,"code":…,"errors":[…]} */
int pv_faults_write(const struct pv_faults *faults, struct pv_buf *out);
/* The same for a single sentence. */
int pv_fault_write(struct pv_buf *out, const char *code, struct pv_str sentence);
/* The same with the place in `source`. */
int pv_fault_write_at(struct pv_buf *out, const char *code, struct pv_str sentence,
                      struct pv_str source, size_t offset);

#endif

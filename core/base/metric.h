/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for Prometheus: histograms, and the lines of its text format
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). One thread at a time; a copy of a
 * histogram may go elsewhere. */
#ifndef PV_BASE_METRIC_H
#define PV_BASE_METRIC_H

#include "core/base/buf.h"

#include <stdint.h>

/* The lines # HELP and # TYPE. type: "counter", "gauge" or "histogram". */
int pv_metric_head(struct pv_buf *out, const char *name, const char *type, const char *help);
/* A metric without labels, with its head. */
int pv_metric(struct pv_buf *out, const char *name, const char *type, const char *help,
              uint64_t value);

struct pv_metric_line {
    const char *name;
    const char *type;
    const char *help;
    uint64_t value;
};
/* Metrics without labels, one after the other. */
int pv_metric_lines(struct pv_buf *out, const struct pv_metric_line *lines, size_t count);

/* How many values were how large: bucket i counts values up to first << i, the one after them
 * everything larger. */
#define PV_HIST_BUCKETS 18

struct pv_hist {
    uint64_t first; /* upper bound of the first bucket; set it, leave the rest 0 */
    uint64_t count;
    uint64_t sum;
    uint64_t bucket[PV_HIST_BUCKETS + 1];
};

/* The bucket of a value. */
unsigned pv_hist_bucket(uint64_t first, uint64_t value);
void pv_hist_add(struct pv_hist *hist, uint64_t value);
/* Adds what `more`, of the same first bound, has counted. */
void pv_hist_merge(struct pv_hist *hist, const struct pv_hist *more);
/* Appends the lines NAME_bucket, NAME_sum and NAME_count of the Prometheus text format. `labels` is
 * "" or `a="b",`, with its comma; values are divided by `unit` (1e6 turns microseconds into
 * seconds). */
int pv_hist_print(const struct pv_hist *hist, struct pv_buf *out, const char *name,
                  const char *labels, double unit);

#endif

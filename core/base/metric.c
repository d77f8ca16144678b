/* SPDX-License-Identifier: Apache-2.0 */
/* Figures and their text for Prometheus. */
#include "core/base/metric.h"

#include <string.h>

int pv_metric_head(struct pv_buf *out, const char *name, const char *type, const char *help)
{
    return pv_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

int pv_metric(struct pv_buf *out, const char *name, const char *type, const char *help,
              uint64_t value)
{
    pv_metric_head(out, name, type, help);
    return pv_buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

int pv_metric_lines(struct pv_buf *out, const struct pv_metric_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pv_metric(out, lines[i].name, lines[i].type, lines[i].help, lines[i].value);
    }
    return out->status;
}

unsigned pv_hist_bucket(uint64_t first, uint64_t value)
{
    unsigned i = 0;
    while (i < PV_HIST_BUCKETS && value > first << i) {
        i++;
    }
    return i;
}

void pv_hist_add(struct pv_hist *hist, uint64_t value)
{
    hist->bucket[pv_hist_bucket(hist->first, value)]++;
    hist->count++;
    hist->sum += value;
}

void pv_hist_merge(struct pv_hist *hist, const struct pv_hist *more)
{
    for (size_t i = 0; i <= PV_HIST_BUCKETS; i++) {
        hist->bucket[i] += more->bucket[i];
    }
    hist->count += more->count;
    hist->sum += more->sum;
}

int pv_hist_print(const struct pv_hist *hist, struct pv_buf *out, const char *name,
                  const char *labels, double unit)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < PV_HIST_BUCKETS; i++) {
        below += hist->bucket[i];
        pv_buf_printf(out, "%s_bucket{%sle=\"%.9g\"} %llu\n", name, labels,
                      (double)(hist->first << i) / unit, (unsigned long long)below);
    }
    pv_buf_printf(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, labels,
                  (unsigned long long)hist->count);
    size_t len = strlen(labels);
    bool braces = len > 0;
    const char *suffixes[] = {"sum", "count"};
    for (int i = 0; i < 2; i++) {
        pv_buf_printf(out, "%s_%s%s%.*s%s ", name, suffixes[i], braces ? "{" : "",
                      braces ? (int)len - 1 : 0, labels, braces ? "}" : "");
        if (i == 0) {
            pv_buf_printf(out, "%.9g\n", (double)hist->sum / unit);
        } else {
            pv_buf_printf(out, "%llu\n", (unsigned long long)hist->count);
        }
    }
    return out->status;
}

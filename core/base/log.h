/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on stderr: one JSON object a line, or plain text on a terminal. A line is
 * one write(2), so that processes can share the descriptor. Any thread. */
#ifndef PV_BASE_LOG_H
#define PV_BASE_LOG_H

#include "core/base/id.h"

enum pv_level { PV_DEBUG, PV_INFO, PV_WARN, PV_ERROR };

enum pv_log_kind { PV_L_STR, PV_L_I64, PV_L_OP, PV_L_SVC };

/* One member of a line. Build with the functions below. */
struct pv_log_field {
    const char *key;
    enum pv_log_kind kind;
    struct pv_str str;
    int64_t i64;
    struct pv_id id;
};

/* A string that is none leaves its member out. */
struct pv_log_field pv_lf(const char *key, struct pv_str value);
struct pv_log_field pv_lf_c(const char *key, const char *value);
struct pv_log_field pv_lf_i64(const char *key, int64_t value);
struct pv_log_field pv_lf_op(struct pv_id id);  /* "operation" */
struct pv_log_field pv_lf_svc(struct pv_id id); /* "service" */

/* Process-wide, before threads start. text < 0: plain text when fd is a terminal, else JSON. */
void pv_log_setup(int fd, int text, enum pv_level lowest, const char *program);
bool pv_log_on(enum pv_level level);
void pv_log_write(enum pv_level level, const struct pv_log_field *fields, size_t count,
                  const char *fmt, ...) PV_PRINTF(4, 5);

/* pv_log(PV_INFO, (pv_lf_op(id), pv_lf_c("step", name)), "step done in %d ms", ms) */
#define PV_LOG_FIELDS(...) ((const struct pv_log_field[]){__VA_ARGS__})
#define pv_log(level, fields_in_parens, ...)                                                       \
    pv_log_write(level, PV_LOG_FIELDS fields_in_parens,                                            \
                 sizeof(PV_LOG_FIELDS fields_in_parens) / sizeof(struct pv_log_field),             \
                 __VA_ARGS__)
#define pv_log_plain(level, ...) pv_log_write(level, NULL, 0, __VA_ARGS__)

#endif

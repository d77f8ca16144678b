/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a configuration, an event or a form: every problem is collected, none stops
 * the search for the next. One thread at a time; the list owns its texts. */
#ifndef PV_CONFIG_PROBLEM_H
#define PV_CONFIG_PROBLEM_H

#include "core/base/arena.h"
#include "core/base/buf.h"

#define PV_MAX_PROBLEMS 100 /* later ones are counted, not kept */

struct pv_problem {
    struct pv_str file; /* none: not from a file */
    unsigned line;      /* from 1; 0: the file as a whole */
    unsigned column;
    struct pv_str path; /* "products.shop.plans.basic.memory", or "/service/plan" of an event */
    const char *code;   /* static: "unknown_key", "invalid_value", "unknown_plan", … */
    struct pv_str text; /* "expected a size such as 2GiB, got \"lots\"" */
    bool warning;       /* does not keep the configuration from being used */
};

struct pv_problems {
    struct pv_arena arena;
    struct pv_problem items[PV_MAX_PROBLEMS];
    size_t count;
    size_t errors;  /* problems that are not warnings, also those that were not kept */
    size_t dropped; /* problems beyond PV_MAX_PROBLEMS */
    int status;     /* 0, or PV_ENOMEM when the search itself ran out of memory */
};

/* Where a problem is. The strings are borrowed. */
struct pv_place {
    struct pv_str file;
    unsigned line;
    unsigned column;
};

void pv_problems_init(struct pv_problems *problems);
void pv_problems_done(struct pv_problems *problems);
/* Copies path and text. place may be NULL. */
void pv_problem_add(struct pv_problems *problems, const struct pv_place *place, struct pv_str path,
                    const char *code, const char *fmt, ...) PV_PRINTF(5, 6);
/* The same, as a warning. */
void pv_problem_warn(struct pv_problems *problems, const struct pv_place *place, struct pv_str path,
                     const char *code, const char *fmt, ...) PV_PRINTF(5, 6);
/* 0; PV_EINVAL when there are errors; PV_ENOMEM. */
int pv_problems_status(const struct pv_problems *problems) PV_MUST_CHECK;
/* One problem as a line without its end: "FILE:LINE:COL: path: text" (the parts that it has;
 * warnings say "warning: " before the text). */
int pv_problem_print(const struct pv_problem *problem, struct pv_buf *out);
/* Every problem on a line of its own. */
int pv_problems_print(const struct pv_problems *problems, struct pv_buf *out);

#endif

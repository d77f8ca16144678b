/* SPDX-License-Identifier: Apache-2.0 */
/* One plan that is being made: what planner.c and facts.c share. Lives during one call. */
#ifndef PV_CONFIG_PLANNING_H
#define PV_CONFIG_PLANNING_H

#include "core/config/config.h"

struct pv_planning {
    const struct pv_config *config;
    const struct pv_plan_request *request;
    struct pv_arena *arena;
    struct pv_err *err;
    const struct pv_config_product *product; /* may be gone */
    int plan_index;                          /* -1: gone */
    json_t *body;                            /* NULL: of a create, its facts are enough */
    json_t *attrs;                           /* {} when there are none; of a create: NULL */
    struct pv_event_facts facts;             /* those of a create; else reason and trace */
    struct pv_plan plan;
};

/* Sets the sentence; PV_ENOMEM. */
int pv_planning_no_memory(struct pv_planning *planning);
/* A copy in the plan's arena; none stays none. */
struct pv_str pv_planning_copy(struct pv_planning *planning, struct pv_str text);
/* object.outer.inner (outer NULL: object.inner); NULL when there is none. */
json_t *pv_planning_member(const json_t *object, const char *outer, const char *inner);
/* Checks an object of the event against fields; the first problem becomes the sentence of err. */
int pv_planning_check(struct pv_planning *planning, const json_t *given,
                      const struct pv_fields *fields, const char *path, unsigned flags,
                      json_t **ret_checked) PV_MUST_CHECK;
/* The JSON of a value in the plan's arena: none when it is NULL. PV_ENOMEM. */
int pv_planning_text(struct pv_planning *planning, const json_t *json,
                     struct pv_str *ret) PV_MUST_CHECK;
/* What every step is given, as members without braces: customer and params ({} when none), and
 * reason and form where there are any. JSON all of them. */
int pv_planning_common(struct pv_planning *planning, struct pv_str customer, struct pv_str params,
                       struct pv_str form) PV_MUST_CHECK;
/* The service's attributes from here on; no values: those of its composition. */
int pv_planning_attrs(struct pv_planning *planning, struct pv_str customer, struct pv_str params,
                      struct pv_str values) PV_MUST_CHECK;

#endif

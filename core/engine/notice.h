/* SPDX-License-Identifier: Apache-2.0 */
/* What subscribers are told: the types of notifications and their JSON, the same in webhooks and in
 * the event stream (schema/notification.json). Pure. */
#ifndef PV_ENGINE_NOTICE_H
#define PV_ENGINE_NOTICE_H

#include "core/base/buf.h"
#include "core/engine/types.h"

enum pv_notice_type {
    PV_NOTICE_COMPLETED = 0, /* operation.completed */
    PV_NOTICE_FAILED = 1,
    PV_NOTICE_PARKED = 2, /* it needs an operator; it is not over */
    PV_NOTICE_SUPERSEDED = 3,
    PV_NOTICE_CANCELED = 4,
    PV_NOTICE_ABANDONED = 5,
    PV_NOTICE_STATE = 6, /* service.state_changed */
};
#define PV_NOTICE_TYPES 7
#define PV_NOTICE_ALL ((1u << PV_NOTICE_TYPES) - 1)
#define PV_NOTICE_MAX (64u * 1024) /* bytes of one */

struct pv_notice {
    int type;      /* enum pv_notice_type */
    int64_t at_ms; /* wall clock */
    /* The operation that ended or parked. */
    struct pv_id op;
    int op_type;
    int op_state;
    struct pv_str action;
    struct pv_str reason; /* none: it went well */
    int64_t accepted_ms;
    /* Its service, as it is since. */
    struct pv_id service;
    struct pv_str source;
    struct pv_str external_id;
    struct pv_str product;
    struct pv_str plan_name;
    int state;
    int before; /* the state until then */
};

/* "operation.completed"; "?" for an unknown number. Static storage. */
const char *pv_notice_name(int type);
int pv_notice_parse(struct pv_str name, int *ret_type) PV_MUST_CHECK;
/* What a state of an operation is told as; -1: nobody is told. */
int pv_notice_of(int op_state);
/* Appends the JSON. */
int pv_notice_write(const struct pv_notice *notice, struct pv_buf *out) PV_MUST_CHECK;
/* One sentence that a customer may read: without names of systems, without reasons. */
const char *pv_notice_message(const struct pv_notice *notice);

/* A change of a service's state, as the audit trail's `detail` carries it: "site.create; service
 * pending to active". */
#define PV_NOTICE_DETAIL 200
/* Nothing changed: detail alone. Returns out. */
struct pv_str pv_notice_detail(struct pv_str detail, int before, int after,
                               char out[PV_NOTICE_DETAIL]);
/* false: it tells of no change. */
bool pv_notice_change(struct pv_str detail, int *ret_before, int *ret_after);

#endif

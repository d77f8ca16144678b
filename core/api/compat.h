/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of the Paymenter back end, as a thin mapping onto events, actions and queries: what
 * compat.c (bodies, events) and compat_run.c (accepting, waiting, answering) share. */
#ifndef PV_API_COMPAT_H
#define PV_API_COMPAT_H

#include "core/api/internal.h"

/* What a route does. */
struct pv_compat_route {
    int family;         /* enum pv_family */
    int type;           /* enum pv_op_type; 0: a query */
    const char *action; /* PV_OP_ACTION: its name */
    const char *query;  /* type 0: its name */
    int wait_s;         /* 0: answers at once */
    bool first_creates; /* an action: where there is no service, it is created with it */
    bool reveals;       /* answers the support key */
};

/* One call; everything lives in the call's arena. */
struct pv_compat_call {
    const struct pv_compat_route *what;
    struct pv_str source;
    struct pv_str product; /* of the family */
    struct pv_str plan;    /* where the body names none; may be none */
    struct pv_str service_id;
    struct pv_str external_id;
    struct pv_str event; /* the event that the call stands for; none for plain actions */
    struct pv_str body;  /* of an action: {"form": {…}} */
    struct pv_str form;
    struct pv_accept_item item;
    struct pv_id op;
    char zone[260];
};

/* Ends the call: {"success":false,"error":…} with this status. */
void pv_compat_refuse(struct pv_call *call, unsigned status, const char *fmt, ...) PV_PRINTF(3, 4);
/* Accepts the event in compat->event; the rest happens by itself. */
void pv_compat_run_event(struct pv_call *call);
/* Finds the service and runs the action, or creates the service first. */
void pv_compat_run_action(struct pv_call *call);
/* Finds the service and asks. */
void pv_compat_run_query(struct pv_call *call);

#endif

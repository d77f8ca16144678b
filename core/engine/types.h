/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's words, shared with the stores: states, kinds, identities. Nothing here does I/O. */
#ifndef PV_ENGINE_TYPES_H
#define PV_ENGINE_TYPES_H

#include "core/base/id.h"

#define PV_MAX_STEPS 128     /* steps of one operation */
#define PV_MAX_COMPONENTS 16 /* components of one product */
#define PV_MAX_NAME                                                                                \
    64 /* bytes of a source, product, plan, component, instance, step or action name */
#define PV_MAX_EXTERNAL_ID 200
#define PV_MAX_STATE_DOC (64u * 1024)
#define PV_REF_TEXT 21 /* 20 characters and NUL */

enum pv_op_type {
    PV_OP_CREATE = 1,
    PV_OP_SUSPEND = 2,
    PV_OP_UNSUSPEND = 3,
    PV_OP_TERMINATE = 4,
    PV_OP_UPGRADE = 5,
    PV_OP_RENEW = 6,
    PV_OP_ACTION = 7,
};
#define PV_OP_TYPES 7

enum pv_svc_state {
    PV_SVC_NONE = 0,    /* never created */
    PV_SVC_PENDING = 1, /* its create is under way (observed only, never projected) */
    PV_SVC_ACTIVE = 2,
    PV_SVC_SUSPENDED = 3,
    PV_SVC_TERMINATED = 4,
    PV_SVC_FAILED = 5, /* a create ended without success */
};
#define PV_SVC_STATES 6

enum pv_op_state {
    PV_OPS_QUEUED = 1,  /* behind another operation of its service */
    PV_OPS_READY = 2,   /* its service's active one, waiting to be claimed (see enum pv_wait) */
    PV_OPS_RUNNING = 3, /* claimed by a node */
    PV_OPS_NEEDS_OPERATOR = 4, /* parked */
    /* final */
    PV_OPS_DONE = 10,
    PV_OPS_FAILED = 11,
    PV_OPS_SUPERSEDED = 12,
    PV_OPS_CANCELED = 13,
    PV_OPS_ABANDONED = 14,
};

/* Why a READY operation is not running. */
enum pv_wait {
    PV_WAIT_NONE = 0,     /* it will be claimed at once */
    PV_WAIT_CAPACITY = 1, /* its instance has all the steps in flight that it may, or used up its
                             rate */
    PV_WAIT_RETRY = 2,    /* backing off after a temporary failure */
    PV_WAIT_POLL = 3,     /* the backend is working; asked again later */
    PV_WAIT_SIGNAL = 4,   /* until a signal comes */
    PV_WAIT_BREAKER = 5,  /* the instance's breaker is open */
    PV_WAIT_PAUSED = 6,   /* the instance is paused */
    PV_WAIT_SETTLE = 7,   /* before "absent" can be believed */
};

/* How an operation that is under way is to end instead; set under the service's lock. */
enum pv_intent {
    PV_INTENT_NONE = 0,
    PV_INTENT_SUPERSEDE = 1, /* a terminate came: undo, end superseded */
    PV_INTENT_CANCEL = 2,    /* a caller asked: undo, end canceled */
    PV_INTENT_UNDO = 3,      /* an operator asked: undo, end failed */
};

/* What an operator or caller may do to an operation. */
enum pv_verb {
    PV_VERB_RETRY = 1,
    PV_VERB_CANCEL = 2,
    PV_VERB_UNDO = 3,
    PV_VERB_SKIP = 4,
    PV_VERB_ABANDON = 5,
};

/* Names as they stand in the API and the CLI ("create", "needs_operator"); "?" for an unknown
 * number. Static storage. The _parse functions give PV_EINVAL for an unknown name. */
const char *pv_op_type_name(int type);
const char *pv_svc_state_name(int state);
const char *pv_op_state_name(int state);
const char *pv_wait_name(int wait);
const char *pv_verb_name(int verb);
int pv_op_type_parse(struct pv_str name, int *ret_type) PV_MUST_CHECK;
int pv_op_state_parse(struct pv_str name, int *ret_state) PV_MUST_CHECK;
int pv_verb_parse(struct pv_str name, int *ret_verb) PV_MUST_CHECK;
bool pv_op_state_final(int state);

/* A service's id: a hash of (deployment, source, external id), so that every node computes it. */
struct pv_id pv_service_id(struct pv_id deployment, struct pv_str source,
                           struct pv_str external_id);
/* A service's ref for one generation: 'p' and 19 characters of base 32. */
void pv_service_ref(struct pv_id deployment, struct pv_id service, uint32_t generation,
                    char out[PV_REF_TEXT]);

#endif

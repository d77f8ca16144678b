/* SPDX-License-Identifier: Apache-2.0 */
/* What engine, runner and host say to each other about a call of a plugin. core/wire gives these
 * structs their form on a socket. Strings are borrowed. */
#ifndef PV_BASE_MESSAGE_H
#define PV_BASE_MESSAGE_H

#include "core/base/id.h"

/* What a step call is asked to do. */
enum pv_call_kind {
    PV_CALL_RUN = 0,
    PV_CALL_POLL = 1,
    PV_CALL_LOOKUP = 2,
    PV_CALL_UNDO = 3,
};

#define PV_SIGNAL_KEY_BYTES 16

struct pv_wire_step {
    uint32_t slot;     /* index into the status page */
    uint8_t kind;      /* enum pv_call_kind */
    uint8_t is_action; /* operation is an action's name */
    uint16_t reserved;
    uint32_t timeout_ms;
    uint32_t run;
    uint32_t attempt;
    uint32_t generation;
    struct pv_id op;
    struct pv_id service;
    struct pv_str operation; /* "create", …, or the action's name */
    struct pv_str component;
    struct pv_str step;
    struct pv_str external_id;
    struct pv_str ref;
    struct pv_str input; /* JSON */
    struct pv_str state; /* JSON; "" is "{}" */
    /* What signal_url lets an outside party in with, in hex; "" when there is no callback_base.
     * Filled in by the runner. */
    struct pv_str signal_key;
    struct pv_str trace; /* W3C traceparent of the event; "": none */
};

struct pv_wire_query {
    uint32_t slot;
    uint32_t timeout_ms;
    uint32_t of_service; /* 1: a service query, 0: of the instance */
    uint32_t generation;
    struct pv_id service;
    struct pv_str name;
    struct pv_str component;
    struct pv_str external_id;
    struct pv_str ref;
    struct pv_str input;
    struct pv_str state;
};

/* Numbers of enum provost_outcome in plugin.h, and one of the host's own. */
enum pv_outcome_code {
    PV_OUT_OK = 0,
    PV_OUT_PENDING = 1,
    PV_OUT_TEMPORARY = 2,
    PV_OUT_INSTANCE_FAULT = 3,
    PV_OUT_PERMANENT = 4,
    PV_OUT_UNKNOWN = 5,
    PV_OUT_CANCELED = 6,
    PV_OUT_ABSENT = 7,
    PV_OUT_IN_PROGRESS = 8,
    PV_OUT_NO_STEP = 9, /* the module has no such step or query (any more) */
};

struct pv_wire_outcome {
    uint8_t code;          /* enum pv_outcome_code */
    uint8_t touched;       /* 1: something may have been sent to a backend */
    uint8_t state_changed; /* 1: state holds the new document */
    uint8_t reserved;
    int64_t retry_after_ms; /* -1: none */
    struct pv_str text;     /* one sentence, masked */
    struct pv_str state;
    struct pv_str result; /* JSON or "" */
};

enum pv_ask_kind {
    PV_ASK_KV_GET = 1, /* name: key, scope → value, number: version */
    PV_ASK_KV_PUT = 2, /* name: key, scope, text: value or "" with flag 1 = delete, number: expected
                          version */
    PV_ASK_POOL_TAKE = 3,   /* pool: pool, name → value */
    PV_ASK_POOL_GIVE = 4,   /* pool, name */
    PV_ASK_POOL_REJECT = 5, /* pool, name */
    PV_ASK_QUOTA_TAKE = 6,  /* name: quota, number: amount */
    PV_ASK_QUOTA_GIVE = 7,  /* name: quota, number: amount */
    PV_ASK_STATE_SAVE = 8,  /* text: the whole state document */
    PV_ASK_SECRET_NEW = 9,  /* name, text: a value made by the host → value: the one to use */
};

struct pv_wire_ask {
    uint32_t ask;  /* names it within its call */
    uint8_t kind;  /* enum pv_ask_kind */
    uint8_t scope; /* PROVOST_SCOPE_… */
    uint8_t flag;
    uint8_t reserved;
    uint64_t number;
    struct pv_str name;
    struct pv_str pool;
    struct pv_str text;
};

struct pv_wire_answer {
    uint32_t ask;
    int32_t status; /* 0 or enum pv_status */
    uint64_t number;
    struct pv_str value; /* or the sentence, when status is not 0 */
};

#endif

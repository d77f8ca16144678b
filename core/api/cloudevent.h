/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0 as a way to send events: reads the envelope and makes events of it, in the form
 * that the schema of events is for. One thread at a time; everything borrows. */
#ifndef PV_API_CLOUDEVENT_H
#define PV_API_CLOUDEVENT_H

#include "core/api/fault.h"

enum pv_ce_mode {
    PV_CE_NONE,       /* plain JSON */
    PV_CE_STRUCTURED, /* application/cloudevents+json */
    PV_CE_BATCH,      /* application/cloudevents-batch+json */
    PV_CE_BINARY,     /* the envelope in headers, `data` as the body */
    PV_CE_UNKNOWN,    /* CloudEvents in another format than JSON */
};

/* From the header Content-Type (none: there is none); has_id: there is a header ce-id or
 * ce-specversion. */
enum pv_ce_mode pv_ce_mode(struct pv_str content_type, bool has_id);

/* The envelope of binary mode, decoded; none: it is not there. */
struct pv_ce_headers {
    struct pv_str specversion;
    struct pv_str source;
    struct pv_str id;
    struct pv_str type;
    struct pv_str time;
    struct pv_str traceparent;
    struct pv_str content_type;
};

struct pv_ce {
    const struct pv_json_doc *in;
    struct pv_json_doc out; /* the events; in the arena, nothing to free */
    struct pv_str source;   /* whose events they must be */
    size_t size;
};

/* `in` is the whole request and stays as it is; `source` is the token's. PV_ENOMEM. */
int pv_ce_init(struct pv_ce *ce, const struct pv_json_doc *in, struct pv_str source,
               struct pv_arena *arena) PV_MUST_CHECK;
/* The event in one CloudEvent, in ce->out: {"id", "type", "time", …members of data}, whose values
 * know their place in the request. What is wrong with the envelope goes to `faults`, under paths
 * into the CloudEvent; from then on `faults` tells paths of the event as the CloudEvent has them.
 * NULL: nothing is there to be checked any further (and `faults` says why). *ret_trace is the
 * extension traceparent where it is valid, else none. */
const struct pv_json *pv_ce_event(struct pv_ce *ce, const struct pv_json *cloudevent,
                                  struct pv_faults *faults, struct pv_str *ret_trace);
/* The same in binary mode; the request is `data`. */
const struct pv_json *pv_ce_binary(struct pv_ce *ce, const struct pv_ce_headers *headers,
                                   struct pv_faults *faults, struct pv_str *ret_trace);

/* "00-<32 hex>-<16 hex>-<2 hex>", neither id all zero (W3C Trace Context, version 00). */
bool pv_traceparent_valid(struct pv_str text);

#endif

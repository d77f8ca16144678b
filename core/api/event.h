/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of an event: checks one against it, tells every fault, and says where its parts are.
 * Pure. */
#ifndef PV_API_EVENT_H
#define PV_API_EVENT_H

#include "core/api/fault.h"

#define PV_EVENTS_MAX 1000                 /* in one array */
#define PV_EVENT_BYTES_MAX (1024u * 1024u) /* of one event, however large a body may be */
#define PV_MAX_EVENT_ID 200

/* Borrows from the document it was read from. */
struct pv_event {
    const struct pv_json *value;
    const struct pv_json *params; /* NULL: none */
    struct pv_str id;
    int type; /* enum pv_op_type */
    struct pv_str external_id;
    struct pv_str product;
    struct pv_str plan;
    struct pv_str reason;
    bool has_sequence;
    int64_t sequence;
    struct pv_str traceparent; /* of the CloudEvent or the request, valid; none: there is none. Set
                                  by who reads the envelope. */
    uint32_t product_at;       /* offsets, for faults that somebody else finds */
    uint32_t plan_at;
};

#define PV_EVENT_NO_CUSTOMER (1u << 0) /* a create may come without a customer */

/* Checks one event; adds to `faults` what is wrong. false: something was; then *ret_event holds no
 * more than what the configuration can judge all the same (type, product, plan, params), and its
 * type is 0 where that is nothing. */
bool pv_event_check(const struct pv_json_doc *doc, const struct pv_json *value, unsigned flags,
                    struct pv_faults *faults, struct pv_event *ret_event);
/* What makes two events the same: the canonical form without `id` and `time`. */
int pv_event_canonical(const struct pv_json_doc *doc, const struct pv_json *value,
                       struct pv_buf *out) PV_MUST_CHECK;
/* One '@' with something before it, and a host name with a dot or "localhost" behind it; no spaces.
 */
bool pv_email_valid(struct pv_str text);
/* RFC 3339 with seconds: "2026-11-20T10:14:00Z", with fraction and offset as it allows. */
bool pv_time_valid(struct pv_str text);

#endif

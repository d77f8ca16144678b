/* SPDX-License-Identifier: Apache-2.0 */
/* The store's contract, continued: notifications, who gets them, and the feed of what happened.
 * What store.h says of requests holds here too. */
#ifndef PV_ENGINE_OUTBOX_H
#define PV_ENGINE_OUTBOX_H

#include "core/engine/store.h"

#define PV_SUBSCRIBERS_MAX 64

/* Who is told what. Every end of an operation and every parked one becomes, in its own commit, one
 * row of the outbox for each subscriber that wants it and is not disabled; so does a change of the
 * service's state. */
struct pv_subscriber {
    struct pv_str name;
    const struct pv_str *sources; /* count 0: all of them */
    size_t source_count;
    uint32_t types; /* bits of enum pv_notice_type */
};

/* What is known of a subscriber beside its configuration. */
struct pv_subscriber_row {
    struct pv_str name;
    uint64_t since_n;     /* the audit record from behind which on it is told */
    int64_t disabled_ms;  /* 0: it is not */
    struct pv_str reason; /* why it is disabled */
    uint64_t written;     /* rows that the outbox ever had for it, without those that expired */
    uint64_t delivered;   /* of them */
    uint64_t undelivered; /* of them, given up and still kept */
    int64_t delivered_ms; /* the last time; 0: never */
};

/* A notification on its way. Those of one subscriber and service go one after another. */
struct pv_outbox_row {
    uint64_t n;
    struct pv_str subscriber;
    uint64_t audit_n; /* the record of what it tells */
    int type;         /* enum pv_notice_type */
    struct pv_id op;
    struct pv_id service;
    int64_t service_n;
    int64_t at_ms;
    int64_t since_ms; /* when trying began: at_ms, or when an operator had it tried again;
                         of one given up: when that was */
    int64_t due_ms;   /* PV_NEVER: behind another one of its service, or given up */
    uint32_t attempts;
    bool undelivered;    /* given up */
    struct pv_str error; /* of the last attempt; none: none failed */
    struct pv_str body;  /* TAKE only, when it is due; none: it cannot be opened */
};

enum pv_outbox_do {
    PV_OUTBOX_SUBSCRIBE,   /* from here on these are the subscribers: before anything can end */
    PV_OUTBOX_TAKE,        /* the first of each service, by due_ms; bodies of those that are due */
    PV_OUTBOX_DELIVERED,   /* n is gone; the next one of its service is due */
    PV_OUTBOX_LATER,       /* n failed with `error` and is due at due_ms */
    PV_OUTBOX_UNDELIVERED, /* n failed with `error` for good, audited; the next one is due */
    PV_OUTBOX_RETRY,       /* n (0: every one of the subscriber that failed) is due now */
    PV_OUTBOX_EXPIRE,      /* those given up before due_ms are deleted, audited */
    PV_OUTBOX_ENABLE,
    PV_OUTBOX_DISABLE, /* because of `error`; nothing more is written for it, what waits is kept */
    PV_OUTBOX_LIST,    /* a page of a subscriber's, oldest first, after n */
    PV_OUTBOX_STATUS,  /* every subscriber */
};

/* PV_ENOTFOUND: there is no such subscriber, or no such row. */
struct pv_outbox_req {
    struct pv_req req;
    enum pv_outbox_do what;
    const struct pv_subscriber *subscribers;
    size_t subscriber_count;
    struct pv_str subscriber;
    uint64_t n;
    size_t limit;
    int64_t now_ms;
    int64_t due_ms;
    uint32_t attempts;
    struct pv_str error;
    struct pv_str actor; /* RETRY, ENABLE, DISABLE */
    struct pv_outbox_row *ret_rows;
    size_t ret_count;
    bool ret_more; /* LIST, RETRY, EXPIRE: there are more than `limit` */
    struct pv_subscriber_row *ret_subscribers;
    size_t ret_subscriber_count;
};

/* ---- feed
 * ------------------------------------------------------------------------------------- */

/* One end or parking of an operation, out of the audit trail. */
struct pv_feed_item {
    uint64_t n; /* of its record */
    int type;   /* enum pv_notice_type */
    int64_t at_ms;
    bool changed; /* the service's state: from `before` to `after` */
    int before;
    int after;
    struct pv_op_row op;           /* without plan, cursor and body */
    struct pv_service_row service; /* as it is now */
};

/* Everything behind after_n, oldest first: reads at most `limit` records. */
struct pv_feed {
    struct pv_req req;
    uint64_t after_n; /* UINT64_MAX: nothing, only ret_head_n */
    size_t limit;
    struct pv_feed_item *ret_items;
    size_t ret_count;
    uint64_t ret_n;      /* read up to here */
    uint64_t ret_head_n; /* the newest record */
};

#endif

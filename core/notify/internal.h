/* SPDX-License-Identifier: Apache-2.0 */
/* What notify.c (deliveries) and subscribe.c (who is subscribed; start and end) share. */
#ifndef PV_NOTIFY_INTERNAL_H
#define PV_NOTIFY_INTERNAL_H

#include "core/base/list.h"
#include "core/notify/notify.h"

#define PV_NOTIFY_STORE_PAUSE_MS 1000 /* after the store refused, or memory ran out */

struct pv_sub {
    struct pv_link link; /* in notifier->subs */
    struct pv_notifier *notifier;
    const struct pv_notify_subscriber *config; /* NULL: removed; it ends with its last delivery */
    struct pv_link deliveries;
    size_t in_flight;
    uint32_t failures; /* in a row */
    int64_t hold_mono_ms;
    int64_t due_mono_ms; /* when to look again; INT64_MAX: when poked */
    bool taking;
    bool again; /* poked while taking */
    bool disabling;
    bool expiring;
    bool told_unread;       /* that the store cannot be read */
    bool told_unwritten;    /* or written */
    int64_t settle_mono_ms; /* when to write again what could not be written; INT64_MAX: nothing */
    int64_t expire_mono_ms; /* when to look for what was given up long ago */
    struct pv_outbox_req take;
    struct pv_outbox_req expire;
    struct pv_outbox_req disable;
    char reason[PV_NOTIFY_ERROR];
    char name[];
};

enum pv_delivery_state {
    PV_DELIVERY_SENT,
    PV_DELIVERY_SETTLING,  /* its outcome is being written */
    PV_DELIVERY_UNWRITTEN, /* could not be, and will be at the subscriber's settle_mono_ms */
};

/* One notification under way, until its outcome is written: it is not sent again before. */
struct pv_delivery {
    struct pv_link link;
    struct pv_sub *sub;
    enum pv_delivery_state state;
    struct pv_notify_post post;
    struct pv_outbox_row row;
    struct pv_outbox_req settle;
    struct pv_notify_judgement judgement;
    char *body;
};

struct pv_notifier {
    struct pv_notifier_options o;
    struct pv_link subs;
    const struct pv_notify_subscriber *list;
    size_t count;
    struct pv_subscriber *filters; /* of the SUBSCRIBE that is under way; copies, in the arena */
    struct pv_arena filter_arena;
    struct pv_outbox_req subscribe;
    bool subscribing;
    bool resubscribe; /* when it is done, or at subscribe_mono_ms */
    bool told;        /* that the list could not be stored */
    int64_t subscribe_mono_ms;
    struct pv_notifier_counters counters;
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
};

static inline struct pv_sub *pv_sub_of(struct pv_link *link)
{
    return PV_CONTAINER(link, struct pv_sub, link);
}

/* Deletes what was given up long ago, if it is time to. */
void pv_sub_expire(struct pv_sub *sub);
/* A subscriber that was removed goes with its last request. */
void pv_sub_release(struct pv_sub *sub);
/* Cancels what is under way; the subscriber goes with its last request. */
void pv_sub_remove(struct pv_sub *sub);
/* Tells the store who is subscribed; again and again until it has taken it. */
void pv_notifier_subscribe(struct pv_notifier *n);
/* Asks for a tick when the first thing is due. */
void pv_notifier_arm(struct pv_notifier *n);
/* The end, when nothing is left. */
void pv_notifier_check_closed(struct pv_notifier *n);

#endif

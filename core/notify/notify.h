/* SPDX-License-Identifier: Apache-2.0 */
/* Delivers the notifications of the store's outbox to subscribers: signs, sends, tries again. Pure:
 * clock, randomness, store, timer and transport are tables. Loop thread. A notification is deleted
 * only after its subscriber has answered 2xx, so that it is delivered at least once. */
#ifndef PV_NOTIFY_NOTIFY_H
#define PV_NOTIFY_NOTIFY_H

#include "core/base/clock.h"
#include "core/base/webhook.h"
#include "core/engine/outbox.h"

#define PV_NOTIFY_ERROR 160

/* Where a subscriber's notifications go; what it is told is `filter`. */
struct pv_notify_subscriber {
    struct pv_subscriber filter;
    struct pv_str url;
    struct pv_str ca_file;                            /* none: the system's */
    const struct pv_secret *keys[PV_WEBHOOK_SECRETS]; /* the second may be NULL */
    int64_t timeout_ms;
    int64_t max_in_flight;
    int64_t retry_initial_ms;
    int64_t retry_cap_ms;
    int64_t retry_for_ms;        /* from the event on */
    int64_t keep_undelivered_ms; /* from giving up on: then it is deleted */
};

/* One POST. What it needs is copied into it, so that it survives a reload. */
struct pv_notify_post {
    char *url;
    char *ca_file; /* NULL: the system's */
    struct pv_str body;
    char id[64];
    char timestamp[24];
    char signature[PV_WEBHOOK_SECRETS * PV_WEBHOOK_SIGNATURE + 1];
    int64_t timeout_ms;
    /* The transport's answer: status 0 and a sentence, or the status and Retry-After (-1: none). */
    void (*done)(struct pv_notify_post *post, int status, int64_t retry_after_ms,
                 const char *error);
    void *transport; /* its own */
};

struct pv_notify_transport {
    /* 0: done comes once, later; unless it is canceled. */
    int (*post)(void *ctx, struct pv_notify_post *post);
    void (*cancel)(void *ctx, struct pv_notify_post *post);
    void *ctx;
};

struct pv_notifier_options {
    struct pv_clock clock;
    struct pv_rng rng;
    struct pv_store *store; /* borrowed, open */
    struct pv_notify_transport transport;
    /* Asks to have pv_notifier_tick called at mono_ms (one timer: the latest call replaces it). */
    void (*arm)(void *ctx, int64_t mono_ms);
    void *arm_ctx;
};

struct pv_notifier;

int pv_notifier_new(const struct pv_notifier_options *options,
                    struct pv_notifier **ret_notifier) PV_MUST_CHECK;
/* From here on these are the subscribers; at the start before the engine is started. Borrows the
 * list, and what it points to, until the next call or the end. */
int pv_notifier_set(struct pv_notifier *notifier, const struct pv_notify_subscriber *list,
                    size_t count) PV_MUST_CHECK;
/* Something may have been written, or is due, or was enabled. */
void pv_notifier_poke(struct pv_notifier *notifier);
void pv_notifier_tick(struct pv_notifier *notifier);
/* Ends what is under way, then closed(user); the store must still be open. Frees. */
void pv_notifier_close(struct pv_notifier *notifier, void (*closed)(void *user), void *user);

/* Counters since start, for /metrics. */
struct pv_notifier_counters {
    uint64_t delivered;
    uint64_t failed; /* attempts */
    uint64_t undelivered;
    uint64_t disabled;
    uint64_t in_flight;
};
void pv_notifier_counters(const struct pv_notifier *notifier, struct pv_notifier_counters *ret);

/* ---- judge.c ---- */

enum pv_notify_verdict {
    PV_NOTIFY_DELIVERED,
    PV_NOTIFY_LATER,
    PV_NOTIFY_UNDELIVERED, /* its time is over */
    PV_NOTIFY_GONE,        /* 410: the subscriber wants no more */
};

struct pv_notify_judgement {
    enum pv_notify_verdict verdict;
    int64_t due_ms;              /* LATER */
    int64_t wait_ms;             /* what the subscriber asked for with Retry-After; 0: nothing */
    char error[PV_NOTIFY_ERROR]; /* a sentence for people; "" when delivered */
};

/* What becomes of a notification after its attempt number `attempts` (from 1). */
void pv_notify_judge(const struct pv_notify_subscriber *subscriber, const struct pv_outbox_row *row,
                     uint32_t attempts, int status, int64_t retry_after_ms, const char *error,
                     int64_t now_ms, const struct pv_rng *rng, struct pv_notify_judgement *ret);
/* How long a subscriber that fails again and again is left alone: 0 for few failures in a row, then
 * 1 s, doubling, at most a minute. */
int64_t pv_notify_pause_ms(uint32_t failures);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The notifier on a virtual clock, over the memory store, with a transport that the test answers.
 */
#ifndef PV_TESTS_UNIT_NOTIFY_RIG_H
#define PV_TESTS_UNIT_NOTIFY_RIG_H

#include "tests/unit/unit.h"

#include "core/base/hash.h"
#include "core/notify/notify.h"
#include "core/store/store.h"

#define HOUR_MS (3600 * 1000LL)

struct rig {
    int64_t now_ms;
    struct pv_seeded seed;
    struct pv_keyring *keyring;
    struct pv_store *store;
    struct pv_notifier *notifier;
    struct pv_secret *key;
    struct pv_notify_subscriber list[1];
    int64_t armed_ms;
    struct pv_notify_post *posts[64]; /* under way */
    size_t post_count;
    size_t attempts;
    size_t most; /* under way at once */
    char last_id[64];
    bool closed;
    void (*fed)(bool begin);           /* around what the test itself needs memory for */
    struct pv_store front;             /* the store, as the notifier sees it */
    int refuse;                        /* the status with which it takes no request */
    uint64_t damaged_n;                /* the row whose body it cannot open; UINT64_MAX: all */
    void (*taken)(struct pv_req *req); /* of the TAKE under way */
};

/* Everything but the notifier. */
void set_up_store(struct rig *rig);
int make_notifier(struct rig *rig);
/* All of it, with one subscriber, "a". */
void set_up(struct rig *rig);
/* One notification is under way. */
void set_up_with_a_post(struct rig *rig);
void on_closed(void *user);
void tear_down_store(struct rig *rig);
void tear_down(struct rig *rig);

/* What was asked of the store is done. */
void turn(struct rig *rig);
/* Answers everything that is under way. */
void answer(struct rig *rig, int status, int64_t retry_after_ms);
/* Lets time pass until the next thing is due. */
void wake(struct rig *rig);
int poke(struct rig *rig);

/* A service whose next events with sequence 0 are superseded at once. */
void make_service(struct rig *rig, unsigned service);
/* An event that is over at once: an old sequence number. Each is one notification. */
void tell(struct rig *rig, unsigned service, unsigned number);

/* Asks the store itself; the caller frees the results. */
void ask(struct rig *rig, struct pv_outbox_req *req);
struct pv_notifier_counters counters(const struct rig *rig);
/* What the store knows of the subscriber; false: nothing yet. */
bool find_row(struct rig *rig, struct pv_subscriber_row *ret_row);
struct pv_subscriber_row row_of(struct rig *rig);

#endif

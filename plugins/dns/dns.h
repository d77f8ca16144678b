/* SPDX-License-Identifier: Apache-2.0 */
/* The dns plugin: what its files share. One call has one struct dns; everything runs on the host's
 * loop thread, inside that call.
 *
 * State document: {"mode": "zones", "zones": {NAME: {}}, "want"?: NAME, "plan"?: {…}} or
 * {"mode": "record", "record": {"zone", "set"}, "upgrade"?: {"from", "to"}}. */
#ifndef PLUGINS_DNS_DNS_H
#define PLUGINS_DNS_DNS_H

#include "plugins/common/kit.h"
#include "plugins/dns/record.h"

#define DNS_MAX_ZONES 200
#define DNS_OWNER_MAX 64

struct dns {
    struct kit kit;
    const struct dns_driver *driver;
    struct dns_policy policy;
    const char *ref;
};

/* A zone at the backend. */
struct dns_zone {
    char owner[DNS_OWNER_MAX]; /* the ref that the backend keeps for it; "" when it is the admin's
                                  own */
    json_t *sets;              /* owned; dns_zone_done */
};

/* One kind of nameserver. Every function may wait, answers with a PROVOST_ outcome, and has then
 * ended the call with a sentence; PROVOST_ABSENT (the zone is not there) comes without one. Each
 * can be repeated: a zone that is there already or gone already is told apart by its caller or no
 * error. */
struct dns_driver {
    const char *name;
    /* When name and type are not NULL, that set only; its records may be left out if disabled. */
    int (*zone_get)(struct dns *dns, const char *zone, const char *name, const char *type,
                    struct dns_zone *ret_zone);
    /* *ret_there: a zone of this name is there already, whoever's it is; nothing was changed. */
    int (*zone_create)(struct dns *dns, const char *zone, json_t *sets, bool *ret_there);
    int (*zone_delete)(struct dns *dns, const char *zone);
    /* Replaces whole sets; one without records is removed. A set's "owner" is kept with it. */
    int (*sets_write)(struct dns *dns, const char *zone, json_t *sets);
    /* An array of {"name", "owner"}. */
    int (*zones_list)(struct dns *dns, json_t **ret_zones);
    /* Does it answer, and do we get in? The sentence says what is there. */
    int (*test)(struct dns *dns, const char **ret_text);
};

extern const struct dns_driver dns_powerdns;

/* provost_plugin.open: refuses names and addresses in the settings that are none. */
int dns_instance_open(const char *settings, void **ret_instance, char *error, size_t error_size);

/* As kit_open and kit_close, with driver and policy. */
int dns_open(struct dns *dns, struct provost_call *call);
int dns_close(struct dns *dns, int outcome);
void dns_zone_done(struct dns_zone *zone);
/* The outcome of a check that did not return 0. */
int dns_end_check(struct dns *dns, int error, const char *why);

/* True when the component is one record of another product, not a customer's zones. */
bool dns_is_record(struct dns *dns);

/* Does the parent of `zone` delegate it to the required nameservers? (waits, 7 s at most) */
int dns_verify(struct dns *dns, const char *zone);

/* service.c */
extern const struct provost_step dns_create[];
extern const struct provost_step dns_suspend[];
extern const struct provost_step dns_unsuspend[];
extern const struct provost_step dns_terminate[];
extern const struct provost_step dns_upgrade[];

/* zones.c: shared by create and the zone actions. The zone is state.want. */
int dns_want_zone(struct dns *dns, const char *zone);
int dns_claim_zone(struct dns *dns);
int dns_unclaim_zone(struct dns *dns, const char *zone);
int dns_publish_zone(struct dns *dns);
int dns_remove_zone(struct dns *dns, const char *zone);
/* Switches the answers for a zone on or off, by its SOA record. */
int dns_enable_zone(struct dns *dns, const char *zone, bool enabled);

/* single.c: one record in a zone of the admin. */
int dns_single_want(struct dns *dns);
int dns_single_write(struct dns *dns);
int dns_single_remove(struct dns *dns);
int dns_single_enable(struct dns *dns, bool enabled);
/* An upgrade in two steps: what is to be goes into state.upgrade, then it is done, or undone. */
int dns_single_plan(struct dns *dns);
int dns_single_upgrade(struct dns *dns, bool undo);

/* actions.c, queries.c */
extern const struct provost_action dns_actions[];
extern const struct provost_query dns_service_queries[];
extern const struct provost_query dns_instance_queries[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a service, for both modes. Every step can be repeated. */
#include "plugins/dns/dns.h"

#include <string.h>

/* A step's frame: open, do, close. */
static int with_call(struct provost_call *call, int (*work)(struct dns *dns))
{
    struct dns dns;
    int outcome = dns_open(&dns, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return dns_close(&dns, work(&dns));
}

/* ---- create ---- */

static int do_check(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    bool record = dns_is_record(dns);
    if (json_object_set_new(kit->state, "mode", json_string(record ? "record" : "zones")) != 0) {
        return kit_end_memory(kit);
    }
    if (record) {
        return dns_single_want(dns);
    }
    const char *zone = provost_text_at(kit->input, "params.zone", NULL);
    return zone == NULL ? kit_state_set(kit) : dns_want_zone(dns, zone);
}

static int check(struct provost_call *call)
{
    return with_call(call, do_check);
}

static int do_claim(struct dns *dns)
{
    return json_object_get(dns->kit.state, "want") == NULL ? PROVOST_OK : dns_claim_zone(dns);
}

static int claim(struct provost_call *call)
{
    return with_call(call, do_claim);
}

static int do_unclaim(struct dns *dns)
{
    const char *zone = provost_text_at(dns->kit.state, "want", NULL);
    return zone == NULL ? PROVOST_OK : dns_unclaim_zone(dns, zone);
}

static int unclaim(struct provost_call *call)
{
    return with_call(call, do_unclaim);
}

static int do_publish(struct dns *dns)
{
    if (dns_is_record(dns)) {
        return dns_single_write(dns);
    }
    return json_object_get(dns->kit.state, "want") == NULL ? PROVOST_OK : dns_publish_zone(dns);
}

static int publish(struct provost_call *call)
{
    return with_call(call, do_publish);
}

/* Everything of this service goes: the zone that was wanted, those that are there, or the record.
 */
static int do_remove(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    int outcome = PROVOST_OK;
    if (dns_is_record(dns)) {
        outcome = dns_single_remove(dns);
    }
    const char *want = provost_text_at(kit->state, "want", NULL);
    if (outcome == PROVOST_OK && want != NULL) {
        outcome = dns_remove_zone(dns, want);
    }
    const char *zone = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(kit->state, "zones"), zone, value)
    {
        if (outcome == PROVOST_OK) {
            outcome = dns_remove_zone(dns, zone);
        }
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_object_clear(kit->state);
    return kit_state_set(kit);
}

static int remove_all(struct provost_call *call)
{
    return with_call(call, do_remove);
}

const struct provost_step dns_create[] = {
    {.name = "check", .run = check, .flags = PROVOST_S_REPEATABLE},
    {.name = "claim", .run = claim, .undo = unclaim, .flags = PROVOST_S_REPEATABLE},
    {.name = "publish", .run = publish, .undo = remove_all, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- suspend, unsuspend, terminate ---- */

static int enable(struct dns *dns, bool enabled)
{
    if (dns_is_record(dns)) {
        return dns_single_enable(dns, enabled);
    }
    const char *zone = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(dns->kit.state, "zones"), zone, value)
    {
        int outcome = dns_enable_zone(dns, zone, enabled);
        if (outcome != PROVOST_OK) {
            return outcome;
        }
    }
    if (json_object_set_new(dns->kit.state, "suspended", json_boolean(!enabled)) != 0) {
        return kit_end_memory(&dns->kit);
    }
    return kit_state_set(&dns->kit);
}

static int do_disable(struct dns *dns)
{
    return enable(dns, false);
}

static int disable(struct provost_call *call)
{
    return with_call(call, do_disable);
}

static int do_enable(struct dns *dns)
{
    return enable(dns, true);
}

static int enable_again(struct provost_call *call)
{
    return with_call(call, do_enable);
}

const struct provost_step dns_suspend[] = {
    {.name = "disable", .run = disable, .flags = PROVOST_S_REPEATABLE, .timeout_ms = 300000},
    {0},
};

const struct provost_step dns_unsuspend[] = {
    {.name = "enable", .run = enable_again, .flags = PROVOST_S_REPEATABLE, .timeout_ms = 300000},
    {0},
};

const struct provost_step dns_terminate[] = {
    {.name = "remove", .run = remove_all, .flags = PROVOST_S_REPEATABLE, .timeout_ms = 300000},
    {0},
};

/* ---- upgrade ---- */

static int do_plan(struct dns *dns)
{
    return dns_is_record(dns) ? dns_single_plan(dns) : PROVOST_OK;
}

static int plan(struct provost_call *call)
{
    return with_call(call, do_plan);
}

static int do_apply(struct dns *dns)
{
    return dns_is_record(dns) ? dns_single_upgrade(dns, false) : PROVOST_OK;
}

static int apply(struct provost_call *call)
{
    return with_call(call, do_apply);
}

static int do_apply_undo(struct dns *dns)
{
    return dns_is_record(dns) ? dns_single_upgrade(dns, true) : PROVOST_OK;
}

static int apply_undo(struct provost_call *call)
{
    return with_call(call, do_apply_undo);
}

const struct provost_step dns_upgrade[] = {
    {.name = "plan", .run = plan, .flags = PROVOST_S_REPEATABLE},
    {.name = "apply", .run = apply, .undo = apply_undo, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The component of another product: one record set, named by the service's ref, in a zone of the
 * admin. The set bears the ref as its owner at the backend. */
#include "plugins/dns/dns.h"

#include <string.h>

/* What the product and the order say the record is. A new reference; NULL: the call has ended. */
static json_t *described(struct dns *dns, int *ret_outcome)
{
    struct kit *kit = &dns->kit;
    char zone[DNS_NAME_MAX];
    char why[DNS_WHY_MAX];
    struct dns_record record = {0};
    const char *content =
        provost_text_at(kit->input, "params.public_ip",
                        provost_text_at(kit->input, "values.public_ip",
                                        provost_text_at(kit->input, "values.content", NULL)));
    if (content == NULL) {
        content = dns->policy.proxy_ip;
    }
    if (content == NULL) {
        *ret_outcome =
            kit_end(kit, PROVOST_PERMANENT,
                    "the record has no content: neither the order (params.public_ip), nor the "
                    "product (public_ip, content), nor the settings (proxy_ip) say it");
        return NULL;
    }
    const char *fallback = strchr(content, ':') != NULL ? "AAAA" : "A";
    json_t *form =
        json_pack("{s:s, s:s, s:s, s:I}", "name", dns->ref, "type",
                  provost_text_at(kit->input, "values.type", fallback), "content", content, "ttl",
                  (json_int_t)provost_int_at(kit->input, "values.ttl", dns->policy.ttl));
    int error = form == NULL ? DNS_NOMEM
                             : dns_name_check(provost_text_at(kit->input, "values.zone", ""),
                                              DNS_ZONE, zone, why);
    if (error == 0) {
        error = dns_record_check(&dns->policy, zone, form, &record, why);
    }
    json_decref(form);
    if (error != 0) {
        *ret_outcome = dns_end_check(dns, error, why);
        return NULL;
    }
    json_t *wanted = json_pack("{s:s, s:{s:s, s:s, s:I, s:[s], s:s}}", "zone", zone, "set", "name",
                               record.name, "type", record.type, "ttl", (json_int_t)record.ttl,
                               "records", record.content, "owner", dns->ref);
    dns_record_done(&record);
    if (wanted == NULL) {
        *ret_outcome = kit_end_memory(kit);
    }
    return wanted;
}

/* PROVOST_OK: the name is free or ours; PROVOST_ABSENT: there is no such zone. */
static int check_name(struct dns *dns, json_t *record)
{
    const char *zone = provost_text_at(record, "zone", "");
    const char *name = provost_text_at(record, "set.name", "");
    struct dns_zone found = {0};
    int outcome =
        dns->driver->zone_get(dns, zone, name, provost_text_at(record, "set.type", ""), &found);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *set = json_array_get(found.sets, 0);
    bool taken = set != NULL && strcmp(provost_text_at(set, "owner", ""), dns->ref) != 0;
    dns_zone_done(&found);
    if (taken) {
        return kit_end(&dns->kit, PROVOST_PERMANENT, "the name %s is taken by another record",
                       name);
    }
    return PROVOST_OK;
}

static int no_zone(struct dns *dns, json_t *record)
{
    return kit_end(&dns->kit, PROVOST_PERMANENT,
                   "the product's zone %s is not at the nameserver; create it there first",
                   provost_text_at(record, "zone", ""));
}

int dns_single_want(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    int outcome = PROVOST_OK;
    json_t *record = described(dns, &outcome);
    if (record == NULL) {
        return outcome;
    }
    outcome = check_name(dns, record);
    if (outcome == PROVOST_ABSENT) {
        outcome = no_zone(dns, record);
    }
    if (json_object_set_new(kit->state, "record", record) != 0 && outcome == PROVOST_OK) {
        return kit_end_memory(kit);
    }
    return outcome == PROVOST_OK ? kit_state_set(kit) : outcome;
}

static int write_set(struct dns *dns, json_t *record)
{
    json_t *sets = json_pack("[O]", json_object_get(record, "set"));
    if (sets == NULL) {
        return kit_end_memory(&dns->kit);
    }
    int outcome = dns->driver->sets_write(dns, provost_text_at(record, "zone", ""), sets);
    json_decref(sets);
    return outcome;
}

int dns_single_write(struct dns *dns)
{
    json_t *record = json_object_get(dns->kit.state, "record");
    int outcome = write_set(dns, record);
    return outcome == PROVOST_ABSENT ? no_zone(dns, record) : outcome;
}

/* Removes the set of a record document, if it is ours. */
static int remove_set(struct dns *dns, json_t *record)
{
    struct dns_zone found = {0};
    const char *zone = provost_text_at(record, "zone", "");
    int outcome = dns->driver->zone_get(dns, zone, provost_text_at(record, "set.name", ""),
                                        provost_text_at(record, "set.type", ""), &found);
    if (outcome != PROVOST_OK) {
        return outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
    }
    json_t *set = json_array_get(found.sets, 0);
    if (set != NULL && strcmp(provost_text_at(set, "owner", ""), dns->ref) == 0) {
        json_object_set_new(set, "records", json_array());
        outcome = dns->driver->sets_write(dns, zone, found.sets);
        outcome = outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
    }
    dns_zone_done(&found);
    return outcome;
}

int dns_single_remove(struct dns *dns)
{
    json_t *record = json_object_get(dns->kit.state, "record");
    return record == NULL ? PROVOST_OK : remove_set(dns, record);
}

int dns_single_enable(struct dns *dns, bool enabled)
{
    struct kit *kit = &dns->kit;
    json_t *record = json_object_get(kit->state, "record");
    bool keep = strcmp(provost_text_at(kit->input, "values.on_suspend", "disable"), "keep") == 0;
    json_t *set = json_object_get(record, "set");
    if (set == NULL || (keep && !enabled)) {
        return PROVOST_OK;
    }
    if (json_object_set_new(set, "disabled", json_boolean(!enabled)) != 0) {
        return kit_end_memory(kit);
    }
    int outcome = dns_single_write(dns);
    return outcome == PROVOST_OK ? kit_state_set(kit) : outcome;
}

/* Writes `to`, then removes what `from` left elsewhere. */
static int replace(struct dns *dns, json_t *from, json_t *to)
{
    int outcome = write_set(dns, to);
    if (outcome == PROVOST_ABSENT) {
        outcome = no_zone(dns, to);
    }
    bool same =
        strcmp(provost_text_at(from, "zone", ""), provost_text_at(to, "zone", "")) == 0 &&
        strcmp(provost_text_at(from, "set.type", ""), provost_text_at(to, "set.type", "")) == 0;
    return outcome == PROVOST_OK && !same ? remove_set(dns, from) : outcome;
}

int dns_single_plan(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    int outcome = PROVOST_OK;
    json_t *next = described(dns, &outcome);
    if (next == NULL) {
        return outcome;
    }
    json_t *now = json_object_get(kit->state, "record");
    json_t *disabled = json_object_get(json_object_get(now, "set"), "disabled");
    if (disabled != NULL) {
        json_object_set(json_object_get(next, "set"), "disabled", disabled);
    }
    outcome = check_name(dns, next);
    if (outcome == PROVOST_ABSENT) {
        outcome = no_zone(dns, next);
    }
    json_t *plan = json_pack("{s:O, s:o}", "from", now, "to", next);
    if (json_object_set_new(kit->state, "upgrade", plan) != 0 && outcome == PROVOST_OK) {
        return kit_end_memory(kit);
    }
    return outcome == PROVOST_OK ? kit_state_set(kit) : outcome;
}

int dns_single_upgrade(struct dns *dns, bool undo)
{
    struct kit *kit = &dns->kit;
    json_t *plan = json_object_get(kit->state, "upgrade");
    json_t *from = json_object_get(plan, undo ? "to" : "from");
    json_t *to = json_object_get(plan, undo ? "from" : "to");
    if (json_equal(from, to)) {
        return PROVOST_OK;
    }
    int outcome = replace(dns, from, to);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (json_object_set(kit->state, "record", to) != 0) {
        return kit_end_memory(kit);
    }
    return kit_state_set(kit);
}

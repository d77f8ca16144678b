/* SPDX-License-Identifier: Apache-2.0 */
/* A customer's zones: who may have one, and making and removing it. Who owns a zone is kept twice:
 * in the instance's data (zone/NAME), and with the zone at the backend. */
#include "plugins/dns/dns.h"

#include <string.h>

#define MAX_LABELS 10
#define MAX_NAME 200 /* of a zone: names below it are longer, and so is the key of its owner */

static json_t *state_zones(struct dns *dns)
{
    json_t *zones = json_object_get(dns->kit.state, "zones");
    if (json_is_object(zones)) {
        return zones;
    }
    json_object_set_new(dns->kit.state, "zones", json_object());
    return json_object_get(dns->kit.state, "zones");
}

/* A zone that lies in a zone of somebody else would take names away from it. */
static int check_ancestors(struct dns *dns, const char *zone)
{
    unsigned labels = 1;
    for (const char *dot = strchr(zone, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        labels++;
    }
    if (labels > MAX_LABELS) {
        return kit_end(&dns->kit, PROVOST_PERMANENT, "%s has more than %d labels", zone,
                       MAX_LABELS);
    }
    const char *above = strchr(zone, '.') + 1;
    for (; strchr(above, '.') != NULL; above = strchr(above, '.') + 1) {
        struct dns_zone found = {0};
        int outcome = dns->driver->zone_get(dns, above, above, "SOA", &found);
        if (outcome == PROVOST_ABSENT) {
            continue;
        }
        if (outcome != PROVOST_OK) {
            return outcome;
        }
        bool own = strcmp(found.owner, dns->ref) == 0;
        dns_zone_done(&found);
        if (!own) {
            return kit_refuse(&dns->kit, "conflict",
                              "%s lies in the zone %s, which belongs to somebody else", zone,
                              above);
        }
    }
    return PROVOST_OK;
}

/* PROVOST_OK when nobody else has the zone at the backend. */
static int check_backend(struct dns *dns, const char *zone)
{
    struct dns_zone found = {0};
    int outcome = dns->driver->zone_get(dns, zone, zone, "SOA", &found);
    if (outcome == PROVOST_ABSENT) {
        return PROVOST_OK;
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    bool own = strcmp(found.owner, dns->ref) == 0;
    dns_zone_done(&found);
    if (!own) {
        return kit_refuse(&dns->kit, "conflict", "the zone %s belongs to somebody else", zone);
    }
    return PROVOST_OK;
}

static int check_claim(struct dns *dns, const char *zone, bool *ret_ours)
{
    struct kit *kit = &dns->kit;
    const char *key = kit_printf(kit, "zone/%s", zone);
    const char *value = NULL;
    uint64_t version = 0;
    if (key == NULL) {
        return kit_end_memory(kit);
    }
    int error = kit->host->kv_get(kit->call, PROVOST_SCOPE_INSTANCE, key, &value, &version);
    if (error == PROVOST_E_NOT_FOUND) {
        *ret_ours = false;
        return PROVOST_OK;
    }
    if (error != 0) {
        return kit_end_error(kit, error, false, "see who has the zone");
    }
    json_t *owner = provost_parse(value, strlen(value));
    bool ours = strcmp(provost_text_at(owner, "ref", ""), dns->ref) == 0;
    json_decref(owner);
    if (!ours) {
        return kit_refuse(kit, "conflict", "the zone %s belongs to somebody else", zone);
    }
    *ret_ours = true;
    return PROVOST_OK;
}

int dns_want_zone(struct dns *dns, const char *zone)
{
    struct kit *kit = &dns->kit;
    char name[DNS_NAME_MAX];
    char why[DNS_WHY_MAX];
    if (json_array_size(dns->policy.nameservers) == 0) {
        return kit_end(
            kit, PROVOST_INSTANCE_FAULT,
            "zones need nameservers, and the instance's settings name none (nameservers)");
    }
    int error = dns_name_check(zone, DNS_ZONE, name, why);
    if (error != 0) {
        return dns_end_check(dns, error, why);
    }
    if (strlen(name) > MAX_NAME) {
        return kit_end(kit, PROVOST_PERMANENT, "a zone's name has at most %d characters", MAX_NAME);
    }
    json_t *zones = state_zones(dns);
    if (json_object_get(zones, name) != NULL) {
        return kit_refuse(kit, "conflict", "the zone %s is there already", name);
    }
    if (json_object_size(zones) >= DNS_MAX_ZONES) {
        return kit_end(kit, PROVOST_PERMANENT, "a service has at most %d zones", DNS_MAX_ZONES);
    }
    bool ours = false;
    int outcome = check_claim(dns, name, &ours);
    if (outcome == PROVOST_OK) {
        outcome = dns_verify(dns, name);
    }
    if (outcome == PROVOST_OK) {
        outcome = check_backend(dns, name);
    }
    if (outcome == PROVOST_OK) {
        outcome = check_ancestors(dns, name);
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (json_object_set_new(kit->state, "want", json_string(name)) != 0) {
        return kit_end_memory(kit);
    }
    return kit_state_set(kit);
}

int dns_claim_zone(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    const char *zone = provost_text_at(kit->state, "want", "");
    int error = kit->host->quota_take(kit->call, "zones", 1);
    if (error == PROVOST_E_EXHAUSTED) {
        return kit_end(kit, PROVOST_PERMANENT, "the plan allows %lld zones, and all are in use",
                       (long long)provost_int_at(kit->input, "values.zones", 0));
    }
    if (error != 0 && error != PROVOST_E_NOT_FOUND) {
        return kit_end_error(kit, error, false, "take one of the plan's zones");
    }
    bool ours = false;
    int outcome = check_claim(dns, zone, &ours);
    if (outcome != PROVOST_OK || ours) {
        return outcome;
    }
    const char *key = kit_printf(kit, "zone/%s", zone);
    const char *value = kit_printf(kit, "{\"ref\":\"%s\"}", dns->ref);
    if (key == NULL || value == NULL) {
        return kit_end_memory(kit);
    }
    error = kit->host->kv_put(kit->call, PROVOST_SCOPE_INSTANCE, key, value, 0);
    if (error == PROVOST_E_CONFLICT) {
        /* Somebody was faster, or it was this very step before: look again. */
        outcome = check_claim(dns, zone, &ours);
        return outcome != PROVOST_OK || ours
                   ? outcome
                   : kit_end(kit, PROVOST_TEMPORARY, "the zone %s is just being given back", zone);
    }
    return error == 0 ? PROVOST_OK : kit_end_error(kit, error, false, "claim the zone");
}

int dns_unclaim_zone(struct dns *dns, const char *zone)
{
    struct kit *kit = &dns->kit;
    const char *key = kit_printf(kit, "zone/%s", zone);
    if (key == NULL) {
        return kit_end_memory(kit);
    }
    const char *value = NULL;
    uint64_t version = 0;
    int error = kit->host->kv_get(kit->call, PROVOST_SCOPE_INSTANCE, key, &value, &version);
    if (error == PROVOST_E_NOT_FOUND) {
        return PROVOST_OK;
    }
    if (error != 0) {
        return kit_end_error(kit, error, false, "see who has the zone");
    }
    json_t *owner = provost_parse(value, strlen(value));
    bool ours = strcmp(provost_text_at(owner, "ref", ""), dns->ref) == 0;
    json_decref(owner);
    if (!ours) {
        return PROVOST_OK;
    }
    error = kit->host->kv_put(kit->call, PROVOST_SCOPE_INSTANCE, key, NULL, version);
    return error == 0 || error == PROVOST_E_NOT_FOUND
               ? PROVOST_OK
               : kit_end_error(kit, error, false, "give the zone back");
}

/* "Doe.John@example.com" as an SOA's mailbox: "Doe\.John.example.com.". NULL: out of memory. */
static const char *mailbox(struct dns *dns, const char *zone)
{
    const char *mail = provost_text_at(dns->kit.settings, "hostmaster", NULL);
    const char *at = mail == NULL ? NULL : strrchr(mail, '@');
    if (at == NULL) {
        return kit_printf(&dns->kit, "hostmaster.%s.", zone);
    }
    char local[2 * 64 + 1];
    size_t length = 0;
    for (const char *c = mail; c < at && length + 2 < sizeof(local); c++) {
        if (*c == '.') {
            local[length++] = '\\';
        }
        local[length++] = *c;
    }
    return kit_printf(&dns->kit, "%.*s.%s.", (int)length, local, at + 1);
}

/* SOA, NS and, where there is an address for it, A. NULL: out of memory. */
static json_t *default_sets(struct dns *dns, const char *zone)
{
    struct kit *kit = &dns->kit;
    json_t *names = json_array();
    char first[DNS_NAME_MAX] = "";
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(dns->policy.nameservers, i, value)
    {
        char name[DNS_NAME_MAX];
        char why[DNS_WHY_MAX];
        if (dns_name_check(json_string_value(value), DNS_HOST, name, why) == 0) {
            json_array_append_new(names, json_sprintf("%s.", name));
            if (first[0] == '\0') {
                memcpy(first, name, sizeof(first));
            }
        }
    }
    const char *box = mailbox(dns, zone);
    json_t *soa = box == NULL ? NULL : json_sprintf("%s. %s 1 10800 3600 604800 3600", first, box);
    json_int_t ttl = (json_int_t)dns->policy.ttl;
    json_t *sets = json_pack("[{s:s, s:s, s:I, s:[o]}, {s:s, s:s, s:I, s:o}]", "name", zone, "type",
                             "SOA", "ttl", ttl, "records", soa, "name", zone, "type", "NS", "ttl",
                             ttl, "records", names);
    const char *address = provost_text_at(kit->settings, "default_a", dns->policy.proxy_ip);
    if (sets != NULL && address != NULL) {
        json_array_append_new(sets, json_pack("{s:s, s:s, s:I, s:[s]}", "name", zone, "type",
                                              strchr(address, ':') == NULL ? "A" : "AAAA", "ttl",
                                              ttl, "records", address));
    }
    return sets;
}

int dns_publish_zone(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    const char *zone = provost_text_at(kit->state, "want", "");
    json_t *sets = default_sets(dns, zone);
    if (sets == NULL) {
        return kit_end_memory(kit);
    }
    bool there = false;
    int outcome = dns->driver->zone_create(dns, zone, sets, &there);
    json_decref(sets);
    if (outcome == PROVOST_OK && there) {
        outcome = check_backend(dns, zone); /* ours: an earlier call of this step made it */
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (json_object_set_new(state_zones(dns), zone, json_object()) != 0) {
        return kit_end_memory(kit);
    }
    json_object_del(kit->state, "want");
    return kit_state_set(kit);
}

int dns_remove_zone(struct dns *dns, const char *zone)
{
    struct dns_zone found = {0};
    int outcome = dns->driver->zone_get(dns, zone, zone, "SOA", &found);
    if (outcome == PROVOST_OK) {
        bool own = strcmp(found.owner, dns->ref) == 0;
        dns_zone_done(&found);
        if (own) {
            outcome = dns->driver->zone_delete(dns, zone);
        } else {
            dns->kit.host->log(
                dns->kit.call, PROVOST_LOG_WARN,
                "a zone of this service bears another owner at the nameserver; it stays");
        }
    } else if (outcome == PROVOST_ABSENT) {
        outcome = PROVOST_OK;
    }
    return outcome == PROVOST_OK ? dns_unclaim_zone(dns, zone) : outcome;
}

static int write_one(struct dns *dns, const char *zone, json_t *set)
{
    json_t *sets = json_pack("[O]", set);
    if (sets == NULL) {
        return kit_end_memory(&dns->kit);
    }
    int outcome = dns->driver->sets_write(dns, zone, sets);
    json_decref(sets);
    return outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
}

int dns_enable_zone(struct dns *dns, const char *zone, bool enabled)
{
    struct dns_zone found = {0};
    int outcome = dns->driver->zone_get(dns, zone, NULL, NULL, &found);
    if (outcome == PROVOST_ABSENT) {
        dns->kit.host->log(dns->kit.call, PROVOST_LOG_WARN,
                           "a zone of this service is not at the nameserver any more");
        return PROVOST_OK;
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *soa = dns_sets_find(found.sets, zone, "SOA");
    if (strcmp(found.owner, dns->ref) != 0) {
        outcome = kit_refuse(&dns->kit, "conflict", "the zone %s belongs to somebody else", zone);
    } else if (soa == NULL) {
        outcome = kit_end(&dns->kit, PROVOST_PERMANENT, "the zone %s has no SOA record", zone);
    } else if (provost_bool_at(soa, "disabled", false) == enabled) {
        if (json_object_set_new(soa, "disabled", json_boolean(!enabled)) != 0) {
            outcome = kit_end_memory(&dns->kit);
        } else {
            outcome = write_one(dns, zone, soa);
        }
    }
    dns_zone_done(&found);
    return outcome;
}

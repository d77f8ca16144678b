/* SPDX-License-Identifier: Apache-2.0 */
/* The driver for PowerDNS Authoritative Server, through its HTTP API (4.3 and later). A zone's
 * `account` and the account of a set's comment hold the owner's ref. */
#include "plugins/dns/dns.h"

#include <stdio.h>
#include <string.h>

#define MAX_ANSWER (16u * 1024 * 1024)

/* One request below /api/v1/servers/ID. Reads are marked as such: they may simply be repeated. */
static int ask(struct dns *dns, const char *method, const char *path, json_t *body,
               const char *what, struct kit_answer *ret_answer)
{
    struct kit *kit = &dns->kit;
    const char *url = provost_text_at(kit->settings, "url", "");
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    const char *full = kit_printf(kit, "%.*s/api/v1/servers/%s%s", (int)length, url,
                                  provost_text_at(kit->settings, "server_id", "localhost"), path);
    const char *key =
        kit_printf(kit, "X-API-Key: %s", provost_text_at(kit->settings, "api_key", ""));
    if (full == NULL || key == NULL || what == NULL) {
        return kit_end_memory(kit);
    }
    const char *const headers[] = {key, NULL};
    const struct provost_http_request request = {
        .struct_size = sizeof(request),
        .method = method,
        .url = full,
        .headers = headers,
        .timeout_ms = 20000,
        .max_answer_bytes = MAX_ANSWER,
        .flags = strcmp(method, "GET") == 0 ? PROVOST_H_IDEMPOTENT : 0,
        .ca_file = provost_text_at(kit->settings, "ca_file", NULL),
    };
    return kit_http(kit, &request, body, what, ret_answer);
}

/* An answer that is neither success nor one that the caller knows. */
static int refused(struct dns *dns, const char *what, struct kit_answer *answer)
{
    int status = answer->status;
    const char *text = answer->text;
    kit_answer_done(answer);
    return kit_end(&dns->kit, PROVOST_PERMANENT, "%s: PowerDNS refuses it%s (HTTP %d)", what, text,
                   status);
}

static int not_powerdns(struct dns *dns, const char *what, struct kit_answer *answer)
{
    kit_answer_done(answer);
    return kit_end(&dns->kit, PROVOST_TEMPORARY,
                   "%s: the answer is cut short, or does not come from PowerDNS", what);
}

static void undot(char *name)
{
    size_t length = strlen(name);
    if (length > 1 && name[length - 1] == '.') {
        name[length - 1] = '\0';
    }
}

static json_t *undotted(json_t *value)
{
    char name[DNS_NAME_MAX + 1];
    const char *text = json_string_value(value);
    snprintf(name, sizeof(name), "%s", text == NULL ? "" : text);
    undot(name);
    return json_string(name);
}

/* PowerDNS's set to ours; NULL: out of memory. */
static json_t *set_from(json_t *theirs)
{
    json_t *records = json_array();
    bool disabled = false;
    size_t i = 0;
    json_t *record = NULL;
    json_array_foreach(json_object_get(theirs, "records"), i, record)
    {
        json_array_append(records, json_object_get(record, "content"));
        disabled = disabled || json_is_true(json_object_get(record, "disabled"));
    }
    json_t *set = json_pack(
        "{s:o*, s:O*, s:O*, s:o*}", "name", undotted(json_object_get(theirs, "name")), "type",
        json_object_get(theirs, "type"), "ttl", json_object_get(theirs, "ttl"), "records", records);
    if (set == NULL) {
        return NULL;
    }
    if (disabled) {
        json_object_set_new(set, "disabled", json_true());
    }
    json_t *comment = json_array_get(json_object_get(theirs, "comments"), 0);
    const char *owner = provost_text_at(comment, "account", "");
    if (owner[0] != '\0') {
        json_object_set_new(set, "owner", json_string(owner));
    }
    return set;
}

/* Our set to a change of PowerDNS's; NULL: out of memory. */
static json_t *set_to(json_t *ours, bool creating)
{
    const char *name = provost_text_at(ours, "name", "");
    const char *owner = provost_text_at(ours, "owner", NULL);
    bool disabled = provost_bool_at(ours, "disabled", false);
    json_t *records = json_array();
    size_t i = 0;
    json_t *content = NULL;
    json_array_foreach(json_object_get(ours, "records"), i, content)
    {
        json_array_append_new(records,
                              json_pack("{s:O, s:b}", "content", content, "disabled", disabled));
    }
    bool gone = json_array_size(records) == 0;
    json_t *set = json_pack("{s:o, s:s, s:I, s:o}", "name", json_sprintf("%s.", name), "type",
                            provost_text_at(ours, "type", ""), "ttl",
                            (json_int_t)provost_int_at(ours, "ttl", 3600), "records", records);
    if (set == NULL) {
        return NULL;
    }
    if (!creating) {
        json_object_set_new(set, "changetype", json_string(gone ? "DELETE" : "REPLACE"));
    }
    if (owner != NULL && !gone) {
        json_object_set_new(
            set, "comments",
            json_pack("[{s:s, s:s}]", "content", "kept by Provost", "account", owner));
    }
    return set;
}

static json_t *sets_to(json_t *ours, bool creating)
{
    json_t *sets = json_array();
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(ours, i, set)
    {
        if (json_array_append_new(sets, set_to(set, creating)) != 0) {
            json_decref(sets);
            return NULL;
        }
    }
    return sets;
}

static int zone_get(struct dns *dns, const char *zone, const char *name, const char *type,
                    struct dns_zone *ret_zone)
{
    struct kit *kit = &dns->kit;
    const char *what = kit_printf(kit, "read zone %s", zone);
    const char *path =
        name == NULL ? kit_printf(kit, "/zones/%s.", zone)
                     : kit_printf(kit, "/zones/%s.?rrset_name=%s.&rrset_type=%s", zone, name, type);
    if (path == NULL) {
        return kit_end_memory(kit);
    }
    struct kit_answer answer = {0};
    int outcome = ask(dns, "GET", path, NULL, what, &answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (answer.status == 404) {
        kit_answer_done(&answer);
        return PROVOST_ABSENT;
    }
    if (answer.status != 200) {
        return refused(dns, what, &answer);
    }
    json_t *sets = provost_at(answer.json, "rrsets");
    if (!json_is_array(sets)) {
        return not_powerdns(dns, what, &answer);
    }
    struct dns_zone found = {.sets = json_array()};
    snprintf(found.owner, sizeof(found.owner), "%s", provost_text_at(answer.json, "account", ""));
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        /* Older versions do not filter. Newer ones leave disabled records out when they do, but not
         * the set's comment: such a set is there, and says whose it is. */
        json_t *ours = set_from(set);
        bool empty = json_array_size(provost_at(ours, "records")) == 0;
        bool wanted = name == NULL ? !empty
                                   : strcmp(provost_text_at(ours, "name", ""), name) == 0 &&
                                         strcmp(provost_text_at(ours, "type", ""), type) == 0;
        if (ours != NULL && wanted) {
            json_array_append(found.sets, ours);
        }
        json_decref(ours);
    }
    kit_answer_done(&answer);
    if (found.sets == NULL) {
        return kit_end_memory(kit);
    }
    *ret_zone = found;
    return PROVOST_OK;
}

static int zone_create(struct dns *dns, const char *zone, json_t *sets, bool *ret_there)
{
    struct kit *kit = &dns->kit;
    const char *what = kit_printf(kit, "create zone %s", zone);
    json_t *body =
        json_pack("{s:o, s:s, s:s, s:s, s:[], s:o}", "name", json_sprintf("%s.", zone), "kind",
                  provost_text_at(kit->settings, "zone_kind", "Native"), "account", dns->ref,
                  "soa_edit_api", "DEFAULT", "nameservers", "rrsets", sets_to(sets, true));
    if (body == NULL) {
        return kit_end_memory(kit);
    }
    struct kit_answer answer = {0};
    int outcome = ask(dns, "POST", "/zones?rrsets=false", body, what, &answer);
    json_decref(body);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (answer.status != 201 && answer.status != 409) {
        return refused(dns, what, &answer);
    }
    *ret_there = answer.status == 409;
    kit_answer_done(&answer);
    return PROVOST_OK;
}

static int zone_delete(struct dns *dns, const char *zone)
{
    struct kit *kit = &dns->kit;
    const char *what = kit_printf(kit, "delete zone %s", zone);
    const char *path = kit_printf(kit, "/zones/%s.", zone);
    if (path == NULL) {
        return kit_end_memory(kit);
    }
    struct kit_answer answer = {0};
    int outcome = ask(dns, "DELETE", path, NULL, what, &answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (answer.status != 204 && answer.status != 404) {
        return refused(dns, what, &answer);
    }
    kit_answer_done(&answer);
    return PROVOST_OK;
}

/* Secondaries of a Master zone hear of the change at once; if not, the server tells them by itself
 * within its cycle, so that a failure here is none. */
static void notify(struct dns *dns, const char *zone)
{
    struct kit *kit = &dns->kit;
    if (strcmp(provost_text_at(kit->settings, "zone_kind", "Native"), "Master") != 0) {
        return;
    }
    const char *path = kit_printf(kit, "/zones/%s./notify", zone);
    struct kit_answer answer = {0};
    if (path != NULL && ask(dns, "PUT", path, NULL, "notify", &answer) == PROVOST_OK) {
        kit_answer_done(&answer);
    }
    kit->host->outcome(kit->call, PROVOST_OK, -1, NULL);
}

static int sets_write(struct dns *dns, const char *zone, json_t *sets)
{
    struct kit *kit = &dns->kit;
    const char *what = kit_printf(kit, "change zone %s", zone);
    const char *path = kit_printf(kit, "/zones/%s.", zone);
    json_t *body = json_pack("{s:o}", "rrsets", sets_to(sets, false));
    if (path == NULL || body == NULL) {
        json_decref(body);
        return kit_end_memory(kit);
    }
    struct kit_answer answer = {0};
    int outcome = ask(dns, "PATCH", path, body, what, &answer);
    json_decref(body);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    int status = answer.status;
    if (status != 204 && status != 404) {
        return refused(dns, what, &answer);
    }
    kit_answer_done(&answer);
    if (status == 404) {
        return PROVOST_ABSENT;
    }
    notify(dns, zone);
    return PROVOST_OK;
}

static int zones_list(struct dns *dns, json_t **ret_zones)
{
    struct kit_answer answer = {0};
    int outcome = ask(dns, "GET", "/zones?dnssec=false", NULL, "list zones", &answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (answer.status != 200) {
        return refused(dns, "list zones", &answer);
    }
    if (!json_is_array(answer.json)) {
        return not_powerdns(dns, "list zones", &answer);
    }
    json_t *zones = json_array();
    size_t i = 0;
    json_t *zone = NULL;
    json_array_foreach(answer.json, i, zone)
    {
        json_array_append_new(zones, json_pack("{s:o, s:s}", "name",
                                               undotted(json_object_get(zone, "name")), "owner",
                                               provost_text_at(zone, "account", "")));
    }
    kit_answer_done(&answer);
    if (zones == NULL) {
        return kit_end_memory(&dns->kit);
    }
    *ret_zones = zones;
    return PROVOST_OK;
}

static int test(struct dns *dns, const char **ret_text)
{
    struct kit *kit = &dns->kit;
    struct kit_answer answer = {0};
    int outcome = ask(dns, "GET", "", NULL, "ask the server", &answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (answer.status == 404) {
        kit_answer_done(&answer);
        return kit_end(kit, PROVOST_INSTANCE_FAULT, "PowerDNS has no server \"%s\" (server_id)",
                       provost_text_at(kit->settings, "server_id", "localhost"));
    }
    if (answer.status != 200) {
        return refused(dns, "ask the server", &answer);
    }
    const char *version = provost_text_at(answer.json, "version", NULL);
    if (version == NULL) {
        return not_powerdns(dns, "ask the server", &answer);
    }
    const char *text = kit_printf(kit, "PowerDNS %s %s",
                                  provost_text_at(answer.json, "daemon_type", "server"), version);
    kit_answer_done(&answer);
    if (text == NULL) {
        return kit_end_memory(kit);
    }
    *ret_text = text;
    return PROVOST_OK;
}

const struct dns_driver dns_powerdns = {
    .name = "powerdns",
    .zone_get = zone_get,
    .zone_create = zone_create,
    .zone_delete = zone_delete,
    .sets_write = sets_write,
    .zones_list = zones_list,
    .test = test,
};

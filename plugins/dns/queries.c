/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown: of a service its zones and records, of an instance whether it works and what is
 * there. */
#include "plugins/dns/dns.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_RECORDS 100
#define PAGE_ITEMS 200

static int with_call(struct provost_call *call, int (*work)(struct dns *dns))
{
    struct dns dns;
    int outcome = dns_open(&dns, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return dns_close(&dns, work(&dns));
}

static const char *status_of(struct dns *dns)
{
    json_t *set = provost_at(dns->kit.state, "record.set");
    if (json_object_size(dns->kit.state) == 0) {
        return "none";
    }
    return provost_bool_at(dns->kit.state, "suspended", provost_bool_at(set, "disabled", false))
               ? "suspended"
               : "active";
}

static int do_status(struct dns *dns)
{
    return kit_result(&dns->kit, json_pack("{s:s}", "status", status_of(dns)));
}

static int status(struct provost_call *call)
{
    return with_call(call, do_status);
}

/* ---- view, zones ---- */

static json_t *zone_rows(struct dns *dns)
{
    json_t *rows = json_array();
    const char *zone = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(dns->kit.state, "zones"), zone, value)
    {
        json_array_append_new(rows,
                              json_pack("{s:s, s:s}", "zone", zone, "status", status_of(dns)));
    }
    return rows;
}

static json_t *quotas(struct dns *dns)
{
    json_t *limit = provost_at(dns->kit.input, "values.zones");
    size_t used = json_object_size(json_object_get(dns->kit.state, "zones"));
    return json_pack("[{s:s, s:s, s:I, s:O?}]", "name", "zones", "label", "Zones", "used",
                     (json_int_t)used, "limit", limit);
}

static json_t *nameservers(struct dns *dns)
{
    return dns->policy.nameservers == NULL ? json_array() : json_incref(dns->policy.nameservers);
}

static int do_zones(struct dns *dns)
{
    return kit_result(&dns->kit, json_pack("{s:o, s:o, s:o}", "zones", zone_rows(dns),
                                           "nameservers", nameservers(dns), "quotas", quotas(dns)));
}

static int zones(struct provost_call *call)
{
    return with_call(call, do_zones);
}

static int view_record(struct dns *dns)
{
    json_t *set = provost_at(dns->kit.state, "record.set");
    json_t *content = json_array_get(provost_at(set, "records"), 0);
    return kit_result(
        &dns->kit, json_pack("{s:s, s:[], s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:O?}]}",
                             "status", status_of(dns), "actions", "fields", "name", "name", "label",
                             "Name", "value", provost_text_at(set, "name", ""), "name", "type",
                             "label", "Type", "value", provost_text_at(set, "type", ""), "name",
                             "content", "label", "Points to", "value", content));
}

static int do_view(struct dns *dns)
{
    if (dns_is_record(dns)) {
        return view_record(dns);
    }
    json_t *list =
        json_pack("{s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}], s:o, s:[s]}", "name", "zones", "label",
                  "Zones", "columns", "name", "zone", "label", "Zone", "name", "status", "label",
                  "Status", "rows", zone_rows(dns), "row_actions", "zone_delete");
    return kit_result(&dns->kit, json_pack("{s:s, s:[s, s, s, s], s:[{s:s, s:s, s:o}], s:[o], s:o}",
                                           "status", status_of(dns), "actions", "zone_add",
                                           "record_add", "record_edit", "record_delete", "fields",
                                           "name", "nameservers", "label", "Nameservers", "value",
                                           nameservers(dns), "lists", list, "quotas", quotas(dns)));
}

static int view(struct provost_call *call)
{
    return with_call(call, do_view);
}

/* ---- records ---- */

static json_t *record_row(struct dns *dns, const char *zone, json_t *set, const char *content)
{
    const char *name = provost_text_at(set, "name", "");
    const char *type = provost_text_at(set, "type", "");
    bool mx = strcmp(type, "MX") == 0;
    bool target = mx || strcmp(type, "CNAME") == 0 || strcmp(type, "NS") == 0;
    const char *shown = content + (mx ? strcspn(content, " ") + 1 : 0);
    size_t length = strlen(shown);
    if (target && length > 1 && shown[length - 1] == '.') {
        length--;
    }
    char id[DNS_RECORD_ID];
    dns_record_id(name, type, content, id);
    json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:s%, s:b}", "id", id, "name", name, "type", type,
                            "ttl", (json_int_t)provost_int_at(set, "ttl", 0), "content", shown,
                            length, "editable", 1);
    if (row != NULL && mx) {
        json_object_set_new(row, "priority", json_integer(strtol(content, NULL, 10)));
    }
    bool proxy = dns->policy.proxy_ip != NULL && strcmp(content, dns->policy.proxy_ip) == 0;
    bool proxy6 = dns->policy.proxy_ip6 != NULL && strcmp(content, dns->policy.proxy_ip6) == 0;
    if (row != NULL && (proxy || proxy6)) {
        json_object_set_new(row, "alias", json_string("PROXYSRV"));
    }
    if (row != NULL && dns_record_needed(&dns->policy, zone, name, type, content)) {
        json_object_set_new(row, "editable", json_false());
    }
    return row;
}

static json_t *record_page(struct dns *dns, const char *zone, json_t *sets, int64_t offset)
{
    json_t *rows = json_array();
    int64_t at = 0;
    size_t bytes = 0;
    bool more = false;
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        size_t j = 0;
        json_t *content = NULL;
        json_array_foreach(json_object_get(set, "records"), j, content)
        {
            size_t size = json_string_length(content) * 2 + 700;
            more = more || json_array_size(rows) >= PAGE_RECORDS || bytes + size > 60000;
            if (at >= offset && !more) {
                json_array_append_new(rows, record_row(dns, zone, set, json_string_value(content)));
                bytes += size;
            }
            at += at < offset || !more ? 1 : 0;
        }
    }
    return json_pack("{s:s, s:o, s:o}", "zone", zone, "records", rows, "next",
                     more ? json_integer((json_int_t)at) : json_null());
}

static int do_records(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    char zone[DNS_NAME_MAX];
    char why[DNS_WHY_MAX];
    int error = dns_name_check(provost_text_at(kit->input, "query.zone", ""), DNS_ZONE, zone, why);
    if (error != 0) {
        return dns_end_check(dns, error, why);
    }
    if (json_object_get(json_object_get(kit->state, "zones"), zone) == NULL) {
        return kit_refuse(kit, "not_found", "there is no zone %s here", zone);
    }
    struct dns_zone found = {0};
    int outcome = dns->driver->zone_get(dns, zone, NULL, NULL, &found);
    if (outcome == PROVOST_ABSENT ||
        (outcome == PROVOST_OK && strcmp(found.owner, dns->ref) != 0)) {
        dns_zone_done(&found);
        return kit_end(kit, PROVOST_PERMANENT, "the zone %s is not at the nameserver any more",
                       zone);
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *page =
        record_page(dns, zone, found.sets, provost_int_at(kit->input, "query.offset", 0));
    dns_zone_done(&found);
    return kit_result(kit, page);
}

static int records(struct provost_call *call)
{
    return with_call(call, do_records);
}

/* ---- of the instance ---- */

static int do_test(struct dns *dns)
{
    const char *text = NULL;
    int outcome = dns->driver->test(dns, &text);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_result(&dns->kit, json_pack("{s:b, s:s}", "ok", 1, "text", text));
}

static int test(struct provost_call *call)
{
    return with_call(call, do_test);
}

static int do_capacity(struct dns *dns)
{
    json_t *all = NULL;
    int outcome = dns->driver->zones_list(dns, &all);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_int_t count = (json_int_t)json_array_size(all);
    json_decref(all);
    return kit_result(&dns->kit, json_pack("{s:b, s:[{s:s, s:I, s:n}]}", "accepting", 1,
                                           "resources", "name", "zones", "used", count, "limit"));
}

static int capacity(struct provost_call *call)
{
    return with_call(call, do_capacity);
}

/* True for what host->ref looks like, so that the admin's own accounts are left out. */
static bool is_ref(const char *text)
{
    return strlen(text) == 20 && text[0] >= 'a' && text[0] <= 'z' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

static void add_item(json_t *items, const char *ref, const char *kind, const char *name)
{
    if (is_ref(ref)) {
        json_array_append_new(items,
                              json_pack("{s:s, s:s, s:s}", "ref", ref, "kind", kind, "name", name));
    }
}

/* The records in the admin's zones that bear a ref. */
static int add_records(struct dns *dns, json_t *items)
{
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(provost_at(dns->kit.settings, "record_zones"), i, value)
    {
        char zone[DNS_NAME_MAX];
        char why[DNS_WHY_MAX];
        int error = dns_name_check(json_string_value(value), DNS_ZONE, zone, why);
        if (error != 0) {
            return dns_end_check(dns, error, why);
        }
        struct dns_zone found = {0};
        int outcome = dns->driver->zone_get(dns, zone, NULL, NULL, &found);
        if (outcome == PROVOST_ABSENT) {
            continue;
        }
        if (outcome != PROVOST_OK) {
            return outcome;
        }
        size_t j = 0;
        json_t *set = NULL;
        json_array_foreach(found.sets, j, set)
        {
            add_item(items, provost_text_at(set, "owner", ""), "record",
                     provost_text_at(set, "name", ""));
        }
        dns_zone_done(&found);
    }
    return PROVOST_OK;
}

static int do_inventory(struct dns *dns)
{
    struct kit *kit = &dns->kit;
    json_t *all = NULL;
    int outcome = dns->driver->zones_list(dns, &all);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *items = json_array();
    size_t i = 0;
    json_t *zone = NULL;
    json_array_foreach(all, i, zone)
    {
        add_item(items, provost_text_at(zone, "owner", ""), "zone",
                 provost_text_at(zone, "name", ""));
    }
    json_decref(all);
    outcome = add_records(dns, items);
    if (outcome != PROVOST_OK) {
        json_decref(items);
        return outcome;
    }
    int64_t offset = provost_int_at(kit->input, "query.offset", 0);
    size_t from = offset < 0 ? 0 : (size_t)offset;
    json_t *page = json_array();
    for (i = from; i < json_array_size(items) && i - from < PAGE_ITEMS; i++) {
        json_array_append(page, json_array_get(items, i));
    }
    bool more = i < json_array_size(items);
    json_decref(items);
    return kit_result(kit, json_pack("{s:o, s:o}", "items", page, "next",
                                     more ? json_integer((json_int_t)i) : json_null()));
}

static int inventory(struct provost_call *call)
{
    return with_call(call, do_inventory);
}

static const struct provost_field records_params[] = {
    {.name = "zone", .type = PROVOST_T_HOSTNAME, .flags = PROVOST_F_REQUIRED},
    {.name = "offset",
     .type = PROVOST_T_INT,
     .max = 1000000,
     .description = "Where the page starts: the `next` of the page before."},
    {0},
};

static const struct provost_field page_params[] = {
    {.name = "offset",
     .type = PROVOST_T_INT,
     .max = 100000000,
     .description = "Where the page starts: the `next` of the page before."},
    {0},
};

const struct provost_query dns_service_queries[] = {
    {.name = "status", .run = status, .access = PROVOST_Q_CUSTOMER},
    {.name = "view", .run = view, .access = PROVOST_Q_CUSTOMER},
    {.name = "zones", .run = zones, .access = PROVOST_Q_CUSTOMER},
    {.name = "records", .run = records, .params = records_params, .access = PROVOST_Q_CUSTOMER},
    {0},
};

const struct provost_query dns_instance_queries[] = {
    {.name = "test", .run = test},
    {.name = "capacity", .run = capacity},
    {.name = "inventory", .run = inventory, .params = page_params},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* A zone's record sets: what may stand beside what, and what changed. */
#include "plugins/dns/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int bad(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, DNS_WHY_MAX, format, arguments);
    va_end(arguments);
    return DNS_BAD;
}

static const char *text_of(json_t *set, const char *member)
{
    const char *text = json_string_value(json_object_get(set, member));
    return text == NULL ? "" : text;
}

json_t *dns_sets_find(json_t *sets, const char *name, const char *type)
{
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        if (strcmp(text_of(set, "name"), name) == 0 && strcmp(text_of(set, "type"), type) == 0) {
            return set;
        }
    }
    return NULL;
}

size_t dns_sets_count(json_t *sets)
{
    size_t count = 0;
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        count += json_array_size(json_object_get(set, "records"));
    }
    return count;
}

static bool has_content(json_t *set, const char *content)
{
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(set, "records"), i, value)
    {
        const char *text = json_string_value(value);
        if (text != NULL && strcmp(text, content) == 0) {
            return true;
        }
    }
    return false;
}

/* The name that an MX or NS content points to, without its dot, into name; false: another type. */
static bool points_to(const char *type, const char *content, char name[DNS_NAME_MAX])
{
    const char *target = content;
    if (strcmp(type, "MX") == 0) {
        target += strcspn(content, " ");
        target += strspn(target, " ");
    } else if (strcmp(type, "NS") != 0) {
        return false;
    }
    snprintf(name, DNS_NAME_MAX, "%s", target);
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.') {
        name[length - 1] = '\0';
    }
    return name[0] != '\0';
}

/* RFC 2181, 10.3: an MX or NS record does not point to an alias. */
static int check_alias_targets(json_t *sets, const struct dns_record *record, char *why)
{
    char to[DNS_NAME_MAX];
    if (points_to(record->type, record->content, to) && dns_sets_find(sets, to, "CNAME") != NULL) {
        return bad(why, "%s is a CNAME; an %s record may not point to one", to, record->type);
    }
    if (strcmp(record->type, "CNAME") != 0) {
        return 0;
    }
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        size_t j = 0;
        json_t *value = NULL;
        json_array_foreach(json_object_get(set, "records"), j, value)
        {
            const char *content = json_string_value(value);
            if (content != NULL && points_to(text_of(set, "type"), content, to) &&
                strcmp(to, record->name) == 0) {
                return bad(why, "%s cannot become a CNAME: the %s record of %s points to it", to,
                           text_of(set, "type"), text_of(set, "name"));
            }
        }
    }
    return 0;
}

static int check_cname(json_t *sets, const char *zone, const struct dns_record *record, char *why)
{
    bool is_cname = strcmp(record->type, "CNAME") == 0;
    if (is_cname && strcmp(record->name, zone) == 0) {
        return bad(why, "%s is the zone itself, which cannot be a CNAME; use A or AAAA records",
                   zone);
    }
    if (is_cname && strncmp(record->content, record->name, strlen(record->name)) == 0 &&
        strcmp(record->content + strlen(record->name), ".") == 0) {
        return bad(why, "%s would be a CNAME of itself", record->name);
    }
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        if (strcmp(text_of(set, "name"), record->name) != 0) {
            continue;
        }
        bool other_cname = strcmp(text_of(set, "type"), "CNAME") == 0;
        if (is_cname && other_cname) {
            return bad(why, "%s is a CNAME already, and a name has only one", record->name);
        }
        if (is_cname) {
            return bad(why, "%s has a record of type %s already; a CNAME stands alone",
                       record->name, text_of(set, "type"));
        }
        if (other_cname) {
            return bad(why, "%s is a CNAME; nothing else can stand beside it", record->name);
        }
    }
    return 0;
}

/* RFC 7505: "0 ." says that a name takes no mail, so it is alone. RFC 7208: one SPF record a name.
 */
static int check_meaning(json_t *set, const struct dns_record *record, char *why)
{
    bool is_mx = strcmp(record->type, "MX") == 0;
    bool no_mail = is_mx && strcmp(record->content, "0 .") == 0;
    bool spf =
        strcmp(record->type, "TXT") == 0 && (strncasecmp(record->content, "\"v=spf1 ", 8) == 0 ||
                                             strcasecmp(record->content, "\"v=spf1\"") == 0);
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(set, "records"), i, value)
    {
        const char *content = json_string_value(value);
        if (content == NULL) {
            continue;
        }
        if (no_mail || (is_mx && strcmp(content, "0 .") == 0)) {
            return bad(why, "%s: an MX record that says \"no mail\" (\".\") stands alone",
                       record->name);
        }
        if (spf && strncasecmp(content, "\"v=spf1", 7) == 0) {
            return bad(why, "%s has an SPF record (v=spf1) already, and a name has only one",
                       record->name);
        }
    }
    return 0;
}

static int check_room(const struct dns_policy *policy, json_t *sets, json_t *set,
                      const struct dns_record *record, char *why)
{
    json_t *records = json_object_get(set, "records");
    size_t bytes = strlen(record->content);
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(records, i, value)
    {
        bytes += json_string_length(value);
    }
    if (json_array_size(records) >= DNS_SET_RECORDS || bytes > DNS_SET_BYTES) {
        return bad(why, "%s has too many records of type %s: %d records and %d bytes are the most",
                   record->name, record->type, DNS_SET_RECORDS, DNS_SET_BYTES);
    }
    if ((int64_t)dns_sets_count(sets) >= policy->max_records) {
        return bad(why, "the zone has %lld records, and may not have more",
                   (long long)policy->max_records);
    }
    return 0;
}

int dns_sets_add(const struct dns_policy *policy, json_t *sets, const char *zone,
                 const struct dns_record *record, char *why)
{
    json_t *set = dns_sets_find(sets, record->name, record->type);
    if (has_content(set, record->content)) {
        return bad(why, "%s has this %s record already: %.200s", record->name, record->type,
                   record->content);
    }
    int error = check_cname(sets, zone, record, why);
    if (error == 0) {
        error = check_alias_targets(sets, record, why);
    }
    if (error == 0) {
        error = check_meaning(set, record, why);
    }
    if (error == 0) {
        error = check_room(policy, sets, set, record, why);
    }
    if (error != 0) {
        return error;
    }
    if (set == NULL) {
        json_t *fresh =
            json_pack("{s:s, s:s, s:I, s:[s]}", "name", record->name, "type", record->type, "ttl",
                      (json_int_t)record->ttl, "records", record->content);
        return json_array_append_new(sets, fresh) == 0 ? 0 : DNS_NOMEM;
    }
    if (json_array_append_new(json_object_get(set, "records"), json_string(record->content)) != 0 ||
        json_object_set_new(set, "ttl", json_integer((json_int_t)record->ttl)) != 0) {
        return DNS_NOMEM;
    }
    return 0;
}

bool dns_record_needed(const struct dns_policy *policy, const char *zone, const char *name,
                       const char *type, const char *content)
{
    if (strcmp(type, "SOA") == 0) {
        return true;
    }
    if (strcmp(type, "NS") != 0 || strcmp(name, zone) != 0) {
        return false;
    }
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(policy->nameservers, i, value)
    {
        const char *required = json_string_value(value);
        size_t length = required == NULL ? 0 : strlen(required);
        if (length > 0 && required[length - 1] == '.') {
            length--;
        }
        if (length > 0 && strncasecmp(content, required, length) == 0 &&
            strcmp(content + length, ".") == 0) {
            return true;
        }
    }
    return false;
}

int dns_sets_remove(const struct dns_policy *policy, json_t *sets, const char *zone,
                    const char *name, const char *type, const char *content, char *why)
{
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        if (strcmp(text_of(set, "name"), name) != 0 || strcmp(text_of(set, "type"), type) != 0) {
            continue;
        }
        json_t *records = json_object_get(set, "records");
        for (size_t j = 0; j < json_array_size(records); j++) {
            if (strcmp(json_string_value(json_array_get(records, j)), content) != 0) {
                continue;
            }
            if (dns_record_needed(policy, zone, name, type, content)) {
                return bad(why, "%s %s %.200s is a record that every zone here has; it stays", name,
                           type, content);
            }
            json_array_remove(records, j);
            if (json_array_size(records) == 0) {
                json_array_remove(sets, i);
            }
            return 0;
        }
    }
    return bad(why, "there is no record %s %s %.200s", name, type, content);
}

bool dns_sets_by_id(json_t *sets, const char *id, const char **ret_name, const char **ret_type,
                    const char **ret_content, int64_t *ret_ttl)
{
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(sets, i, set)
    {
        size_t j = 0;
        json_t *value = NULL;
        json_array_foreach(json_object_get(set, "records"), j, value)
        {
            char own[DNS_RECORD_ID];
            dns_record_id(text_of(set, "name"), text_of(set, "type"), json_string_value(value),
                          own);
            if (strcmp(own, id) == 0) {
                *ret_name = text_of(set, "name");
                *ret_type = text_of(set, "type");
                *ret_content = json_string_value(value);
                *ret_ttl = (int64_t)json_integer_value(json_object_get(set, "ttl"));
                return true;
            }
        }
    }
    return false;
}

json_t *dns_sets_diff(json_t *before, json_t *after)
{
    json_t *diff = json_array();
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(after, i, set)
    {
        json_t *old = dns_sets_find(before, text_of(set, "name"), text_of(set, "type"));
        if (!json_equal(old, set) && json_array_append(diff, set) != 0) {
            goto fail;
        }
    }
    json_array_foreach(before, i, set)
    {
        if (dns_sets_find(after, text_of(set, "name"), text_of(set, "type")) == NULL &&
            json_array_append_new(diff,
                                  json_pack("{s:s, s:s, s:O, s:[]}", "name", text_of(set, "name"),
                                            "type", text_of(set, "type"), "ttl",
                                            json_object_get(set, "ttl"), "records")) != 0) {
            goto fail;
        }
    }
    return diff;
fail:
    json_decref(diff);
    return NULL;
}

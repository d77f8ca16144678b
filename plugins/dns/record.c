/* SPDX-License-Identifier: Apache-2.0 */
/* One record: from what a person entered to canonical form, or a sentence about what is wrong. */
#include "plugins/dns/record.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ALIAS "PROXYSRV"

static int bad(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, DNS_WHY_MAX, format, arguments);
    va_end(arguments);
    return DNS_BAD;
}

/* What a type's content is made from. */
struct content_in {
    const struct dns_policy *policy;
    const char *zone;
    const char *text;
    bool has_priority;
    int64_t priority;
};

typedef int (*content_fn)(const struct content_in *in, char **ret_content, char *why);

static int keep(const char *text, char **ret_content)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return DNS_NOMEM;
    }
    *ret_content = copy;
    return 0;
}

static int address(const struct content_in *in, int family, const char *type, const char *alias,
                   const char *setting, char **ret_content, char *why)
{
    const char *text = in->text;
    if (strcasecmp(text, ALIAS) == 0) {
        if (alias == NULL) {
            return bad(why, ALIAS " has no address for %s records here: %s is not set", type,
                       setting);
        }
        text = alias;
    }
    unsigned char raw[sizeof(struct in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    if (inet_pton(family, text, raw) != 1 ||
        inet_ntop(family, raw, canonical, sizeof(canonical)) == NULL) {
        return bad(why, "\"%.80s\" is not an %s address, which an %s record needs", text,
                   family == AF_INET ? "IPv4" : "IPv6", type);
    }
    return keep(canonical, ret_content);
}

static int content_a(const struct content_in *in, char **ret_content, char *why)
{
    return address(in, AF_INET, "A", in->policy->proxy_ip, "proxy_ip", ret_content, why);
}

static int content_aaaa(const struct content_in *in, char **ret_content, char *why)
{
    return address(in, AF_INET6, "AAAA", in->policy->proxy_ip6, "proxy_ip6", ret_content, why);
}

/* A name that a record points to. One without a dot inside is relative to the zone. */
static int target(const struct content_in *in, const char *text, const char *type,
                  enum dns_name_use use, char ret_name[DNS_NAME_MAX], char *why)
{
    if (strcasecmp(text, ALIAS) == 0) {
        return bad(why,
                   ALIAS " stands for an address: it can be used in A and AAAA records, not in %s",
                   type);
    }
    size_t length = strlen(text);
    bool relative = strcmp(text, "@") == 0 || strchr(text, '.') == NULL;
    int error = relative ? dns_owner_check(text, in->zone, use, ret_name, why)
                         : dns_name_check(text, use, ret_name, why);
    if (error == 0 && !relative && length > 1 && strchr(ret_name, '.') == NULL) {
        return bad(why, "\"%s\" is a top-level domain; an %s record cannot point there", text,
                   type);
    }
    if (error == 0 && ret_name[0] == '*') {
        return bad(why, "\"%s\" is a wildcard; an %s record cannot point there", text, type);
    }
    return error;
}

static int content_name(const struct content_in *in, const char *type, enum dns_name_use use,
                        char **ret_content, char *why)
{
    char name[DNS_NAME_MAX];
    char absolute[DNS_NAME_MAX + 1];
    int error = target(in, in->text, type, use, name, why);
    if (error != 0) {
        return error;
    }
    snprintf(absolute, sizeof(absolute), "%s.", name);
    return keep(absolute, ret_content);
}

static int content_cname(const struct content_in *in, char **ret_content, char *why)
{
    return content_name(in, "CNAME", DNS_SERVICE, ret_content, why);
}

static int content_ns(const struct content_in *in, char **ret_content, char *why)
{
    return content_name(in, "NS", DNS_HOST, ret_content, why);
}

/* "mail.example.com" with a priority beside it, or "10 mail.example.com". */
static int content_mx(const struct content_in *in, char **ret_content, char *why)
{
    const char *text = in->text;
    int64_t priority = in->priority;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits < 7 && text[digits] == ' ') {
        int64_t own = strtol(text, NULL, 10);
        if (in->has_priority && own != priority) {
            return bad(why, "the priority is given twice: %lld, and %lld in the content",
                       (long long)priority, (long long)own);
        }
        priority = own;
        text += digits + strspn(text + digits, " ");
    } else if (!in->has_priority) {
        priority = 10;
    }
    if (priority < 0 || priority > 65535) {
        return bad(why, "an MX record's priority is from 0 to 65535, not %lld",
                   (long long)priority);
    }
    char name[DNS_NAME_MAX] = "";
    if (strcmp(text, ".") == 0) {
        if (in->has_priority && priority != 0) {
            return bad(why, "an MX record that says \"no mail\" (\".\") has priority 0");
        }
        priority = 0;
    } else {
        int error = target(in, text, "MX", DNS_HOST, name, why);
        if (error != 0) {
            return error;
        }
    }
    char content[DNS_NAME_MAX + 16];
    snprintf(content, sizeof(content), "%lld %s.", (long long)priority, name);
    return keep(content, ret_content);
}

static int content_txt(const struct content_in *in, char **ret_content, char *why)
{
    return dns_txt_check(in->text, ret_content, why);
}

static const struct type {
    const char *name;
    content_fn content;
    enum dns_name_use owner;
} types[] = {
    {"A", content_a, DNS_OWNER},           {"AAAA", content_aaaa, DNS_OWNER},
    {"CNAME", content_cname, DNS_SERVICE}, {"MX", content_mx, DNS_OWNER},
    {"NS", content_ns, DNS_SERVICE},       {"TXT", content_txt, DNS_SERVICE},
};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(name, types[i].name) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

/* Blanks at both ends go; they come with copying and pasting. */
static char *trimmed(const char *text)
{
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        length--;
    }
    return strndup(text, length);
}

static int check_ttl(const struct dns_policy *policy, json_t *form, int64_t *ret_ttl, char *why)
{
    json_t *value = json_object_get(form, "ttl");
    if (value == NULL || json_is_null(value)) {
        *ret_ttl = policy->ttl;
        return 0;
    }
    if (!json_is_integer(value)) {
        return bad(why, "ttl is a whole number of seconds");
    }
    int64_t ttl = (int64_t)json_integer_value(value);
    if (ttl < DNS_TTL_MIN || ttl > DNS_TTL_MAX) {
        return bad(why, "ttl is from %d to %d seconds, not %lld", DNS_TTL_MIN, DNS_TTL_MAX,
                   (long long)ttl);
    }
    *ret_ttl = ttl;
    return 0;
}

static int check_priority(json_t *form, const struct type *type, struct content_in *in, char *why)
{
    json_t *value = json_object_get(form, "priority");
    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (!json_is_integer(value)) {
        return bad(why, "priority is a whole number");
    }
    if (strcmp(type->name, "MX") != 0) {
        return bad(why, "priority belongs to MX records; a record of type %s has none", type->name);
    }
    in->has_priority = true;
    in->priority = (int64_t)json_integer_value(value);
    return 0;
}

static int check_content(struct content_in *in, const struct type *type, const char *text,
                         char **ret_content, char *why)
{
    char *clean = trimmed(text);
    if (clean == NULL) {
        return DNS_NOMEM;
    }
    in->text = clean;
    int error = 0;
    if (clean[0] == '\0') {
        error = bad(why, "the content of the record is empty");
    } else {
        error = type->content(in, ret_content, why);
    }
    free(clean);
    return error;
}

int dns_record_check(const struct dns_policy *policy, const char *zone, json_t *form,
                     struct dns_record *ret_record, char *why)
{
    const char *name = json_string_value(json_object_get(form, "name"));
    const char *type_name = json_string_value(json_object_get(form, "type"));
    const char *text = json_string_value(json_object_get(form, "content"));
    if (type_name == NULL || text == NULL) {
        return bad(why, "a record needs a type and a content");
    }
    const struct type *type = find_type(type_name);
    if (type == NULL) {
        return bad(
            why,
            "records of type \"%.20s\" cannot be kept here; A, AAAA, CNAME, MX, NS and TXT can",
            type_name);
    }
    struct dns_record record = {.type = type->name};
    int error = dns_owner_check(name == NULL ? "@" : name, zone, type->owner, record.name, why);
    if (error != 0) {
        return error;
    }
    if (record.name[0] == '*' && strcmp(type->name, "NS") == 0) {
        return bad(why, "a wildcard cannot be delegated with an NS record");
    }
    error = check_ttl(policy, form, &record.ttl, why);
    if (error != 0) {
        return error;
    }
    struct content_in in = {.policy = policy, .zone = zone};
    error = check_priority(form, type, &in, why);
    if (error != 0) {
        return error;
    }
    error = check_content(&in, type, text, &record.content, why);
    if (error != 0) {
        return error;
    }
    *ret_record = record;
    return 0;
}

void dns_record_done(struct dns_record *record)
{
    free(record->content);
    record->content = NULL;
}

void dns_record_id(const char *name, const char *type, const char *content,
                   char ret_id[DNS_RECORD_ID])
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    const char *const parts[] = {name, type, content};
    for (size_t i = 0; i < 3; i++) {
        for (const char *c = parts[i]; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        }
        hash = (hash ^ '\n') * 1099511628211u;
    }
    snprintf(ret_id, DNS_RECORD_ID, "%016llx", (unsigned long long)hash);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Before a zone exists, its own nameservers cannot be asked (they refuse it, and recursive
 * resolvers then fail too). So the servers of the zone above are asked, without recursion, whom
 * they delegate it to. */
#include "plugins/dns/dns.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ALL_MS 7000
#define ONE_MS 2000
#define MAX_SERVERS 4

struct search {
    struct dns *dns;
    const char *zone;
    int64_t deadline_ms;
    const char *parent;               /* the zone above, once known */
    const char *servers[MAX_SERVERS]; /* "192.0.2.1:53" */
    size_t server_count;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* PROVOST_OK with an answer; PROVOST_ABSENT when this server gave none in time; else the call is
 * over. */
static int look_up(struct search *search, const char *name, const char *type, const char *server,
                   uint32_t flags, struct provost_resolve_result *ret_result)
{
    struct kit *kit = &search->dns->kit;
    int64_t left = search->deadline_ms - now_ms();
    if (left <= 0) {
        return PROVOST_ABSENT;
    }
    struct provost_resolve_request request = {
        .struct_size = sizeof(request),
        .name = name,
        .type = type,
        .servers = server,
        .timeout_ms = (uint32_t)(left < ONE_MS ? left : ONE_MS),
        .flags = flags,
    };
    *ret_result = (struct provost_resolve_result){.struct_size = sizeof(*ret_result)};
    int error = kit->host->resolve(kit->call, &request, ret_result);
    if (error == PROVOST_E_CANCELED || error == PROVOST_E_FENCED || error == PROVOST_E_DENIED ||
        error == PROVOST_E_INVALID) {
        return kit_end_error(kit, error, false, "look up nameservers");
    }
    return error == 0 ? PROVOST_OK : PROVOST_ABSENT;
}

static int no_answer(struct search *search)
{
    return kit_end(
        &search->dns->kit, PROVOST_TEMPORARY,
        "the nameservers above %s could not be asked within %d seconds; trying again later",
        search->zone, ALL_MS / 1000);
}

static int add_addresses(struct search *search, const char *name, const char *type)
{
    struct provost_resolve_result result;
    int outcome = look_up(search, name, type, NULL, 0, &result);
    if (outcome != PROVOST_OK) {
        return outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
    }
    for (size_t i = 0; i < result.count && search->server_count < MAX_SERVERS; i++) {
        bool six = strchr(result.answers[i], ':') != NULL;
        const char *server =
            kit_printf(&search->dns->kit, six ? "[%s]:53" : "%s:53", result.answers[i]);
        if (server != NULL) {
            search->servers[search->server_count++] = server;
        }
    }
    return PROVOST_OK;
}

static int add_servers(struct search *search, const struct provost_resolve_result *names,
                       const char *type)
{
    for (size_t i = 0; i < names->count && search->server_count < MAX_SERVERS; i++) {
        int outcome = add_addresses(search, names->answers[i], type);
        if (outcome != PROVOST_OK) {
            return outcome;
        }
    }
    return PROVOST_OK;
}

/* The nearest name above that has nameservers of its own. */
static int find_parent(struct search *search)
{
    struct kit *kit = &search->dns->kit;
    const char *above = search->zone;
    for (;;) {
        const char *dot = strchr(above, '.');
        above = dot == NULL ? "." : dot + 1;
        struct provost_resolve_result result;
        int outcome = look_up(search, above, "NS", NULL, 0, &result);
        if (outcome != PROVOST_OK) {
            return outcome == PROVOST_ABSENT ? no_answer(search) : outcome;
        }
        if (result.rcode == 3) {
            return kit_end(kit, PROVOST_PERMANENT, "%s cannot be delegated: there is no domain %s",
                           search->zone, above);
        }
        if (result.rcode != 0) {
            return no_answer(search);
        }
        if (result.count > 0) {
            search->parent = above;
            outcome = add_servers(search, &result, "A");
            if (outcome == PROVOST_OK && search->server_count == 0) {
                outcome = add_servers(search, &result, "AAAA");
            }
            return outcome;
        }
        if (dot == NULL) {
            return no_answer(search);
        }
    }
}

static int given_servers(struct search *search, json_t *servers)
{
    search->parent = strchr(search->zone, '.') + 1;
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(servers, i, value)
    {
        const char *server = json_string_value(value);
        if (server != NULL && search->server_count < MAX_SERVERS) {
            search->servers[search->server_count++] = server;
        }
    }
    return PROVOST_OK;
}

static bool same_name(const char *one, const char *other)
{
    size_t one_length = strlen(one);
    size_t other_length = strlen(other);
    one_length -= one_length > 0 && one[one_length - 1] == '.';
    other_length -= other_length > 0 && other[other_length - 1] == '.';
    return one_length == other_length && strncasecmp(one, other, one_length) == 0;
}

static bool has(const struct provost_resolve_result *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++) {
        if (same_name(found->answers[i], name)) {
            return true;
        }
    }
    return false;
}

static void append(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    size_t length = strlen(name);
    length -= length > 1 && name[length - 1] == '.';
    snprintf(list + used, size - used, "%s%.*s", used > 0 ? ", " : "", (int)length, name);
}

static int judge(struct search *search, const struct provost_resolve_result *found)
{
    struct kit *kit = &search->dns->kit;
    if (found->rcode == 3) {
        return kit_end(kit, PROVOST_PERMANENT,
                       "%s is not registered: the nameservers of %s do not know it", search->zone,
                       search->parent);
    }
    char required_list[600] = "";
    char found_list[600] = "";
    bool missing = false;
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(search->dns->policy.nameservers, i, value)
    {
        const char *required = json_string_value(value);
        if (required != NULL) {
            append(required_list, sizeof(required_list), required);
            missing = missing || !has(found, required);
        }
    }
    if (!missing) {
        return PROVOST_OK;
    }
    for (i = 0; i < found->count; i++) {
        append(found_list, sizeof(found_list), found->answers[i]);
    }
    return kit_end(
        kit, PROVOST_PERMANENT,
        "%s does not use the required nameservers: found %s; required %s. Set them where the "
        "domain is registered, then try again",
        search->zone, found_list[0] == '\0' ? "none" : found_list, required_list);
}

int dns_verify(struct dns *dns, const char *zone)
{
    json_t *settings = dns->kit.settings;
    if (!provost_bool_at(settings, "verify_nameservers", true)) {
        return PROVOST_OK;
    }
    struct search search = {.dns = dns, .zone = zone, .deadline_ms = now_ms() + ALL_MS};
    json_t *servers = provost_at(settings, "verify_servers");
    int outcome =
        json_array_size(servers) > 0 ? given_servers(&search, servers) : find_parent(&search);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    for (size_t i = 0; i < search.server_count; i++) {
        struct provost_resolve_result result;
        outcome = look_up(&search, zone, "NS", search.servers[i],
                          PROVOST_R_NO_RECURSION | PROVOST_R_AUTHORITY, &result);
        if (outcome == PROVOST_OK && (result.rcode == 0 || result.rcode == 3)) {
            return judge(&search, &result);
        }
        if (outcome != PROVOST_OK && outcome != PROVOST_ABSENT) {
            return outcome;
        }
    }
    return no_answer(&search);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One call: documents, driver and policy out of the settings. */
#include "plugins/dns/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dns_driver *const drivers[] = {&dns_powerdns};

static const struct dns_driver *find_driver(const char *name)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        if (strcmp(drivers[i]->name, name) == 0) {
            return drivers[i];
        }
    }
    return NULL;
}

int dns_open(struct dns *dns, struct provost_call *call)
{
    *dns = (struct dns){.ref = call->ref};
    int outcome = kit_open(&dns->kit, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *settings = dns->kit.settings;
    const char *name = provost_text_at(settings, "driver", "powerdns");
    dns->driver = find_driver(name);
    if (dns->driver == NULL) {
        return kit_close(&dns->kit, kit_end(&dns->kit, PROVOST_INSTANCE_FAULT,
                                            "there is no driver \"%s\"", name));
    }
    dns->policy = (struct dns_policy){
        .proxy_ip = provost_text_at(settings, "proxy_ip", NULL),
        .proxy_ip6 = provost_text_at(settings, "proxy_ip6", NULL),
        .ttl = provost_int_at(settings, "ttl", 3600),
        .max_records = provost_int_at(settings, "max_records", 500),
        .nameservers = provost_at(settings, "nameservers"),
    };
    return PROVOST_OK;
}

static int check_names(json_t *settings, const char *member, enum dns_name_use use, char *why)
{
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(settings, member), i, value)
    {
        char name[DNS_NAME_MAX];
        int error = dns_name_check(json_string_value(value), use, name, why);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* "192.0.2.1:53" or "[2001:db8::1]:53". */
static bool is_server(const char *text)
{
    char address[64];
    char port[8];
    char end = '\0';
    bool six = text[0] == '[';
    int read = six ? sscanf(text, "[%63[0-9a-fA-F:.]]:%7[0-9]%c", address, port, &end)
                   : sscanf(text, "%63[0-9.]:%7[0-9]%c", address, port, &end);
    unsigned char raw[16];
    return read == 2 && inet_pton(six ? AF_INET6 : AF_INET, address, raw) == 1 &&
           strtol(port, NULL, 10) > 0 && strtol(port, NULL, 10) < 65536;
}

int dns_instance_open(const char *settings, void **ret_instance, char *error, size_t error_size)
{
    (void)ret_instance;
    char why[DNS_WHY_MAX] = "";
    json_t *json = provost_parse(settings, strlen(settings));
    const char *member = "nameservers";
    int bad = check_names(json, member, DNS_HOST, why);
    if (bad == 0) {
        member = "record_zones";
        bad = check_names(json, member, DNS_ZONE, why);
    }
    size_t i = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(json, "verify_servers"), i, value)
    {
        if (bad == 0 && !is_server(json_string_value(value))) {
            member = "verify_servers";
            snprintf(why, sizeof(why), "\"%.80s\" is not ADDRESS:PORT", json_string_value(value));
            bad = DNS_BAD;
        }
    }
    json_decref(json);
    if (bad != 0) {
        snprintf(error, error_size, "%s: %s", member, why);
    }
    return bad;
}

int dns_close(struct dns *dns, int outcome)
{
    return kit_close(&dns->kit, outcome);
}

void dns_zone_done(struct dns_zone *zone)
{
    json_decref(zone->sets);
    zone->sets = NULL;
}

int dns_end_check(struct dns *dns, int error, const char *why)
{
    if (error == DNS_NOMEM) {
        return kit_end_memory(&dns->kit);
    }
    return kit_end(&dns->kit, PROVOST_PERMANENT, "%s", why);
}

bool dns_is_record(struct dns *dns)
{
    const char *mode = provost_text_at(dns->kit.state, "mode",
                                       provost_text_at(dns->kit.input, "values.mode", "zones"));
    return strcmp(mode, "record") == 0;
}

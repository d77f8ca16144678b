/* SPDX-License-Identifier: Apache-2.0 */
/* One call: documents, driver and policy out of the settings. */
#include "plugins/dns/dns.h"

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

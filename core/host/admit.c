/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host call `http` may go: to the public Internet, to whatever host and port a URL of the
 * instance's settings names, and to Unix sockets that are granted. The address is judged when
 * libcurl is about to connect to it, so it does not matter how it was written or what a name server
 * said a moment ago; redirects connect the same way. */
#include "core/host/http.h"

#include "core/base/alloc.h"
#include "core/host/internal.h"
#include "core/json/json.h"
#include "core/net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 8

struct pv_named {
    char *host;
    char *port;
    bool literal;
};

static int add_named(struct pv_host *host, const char *text)
{
    struct pv_url url = {0};
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0) {
        return 0;
    }
    int status = pv_url_parse(text, &url, NULL);
    if (status != 0) {
        return status == PV_ENOMEM ? status : 0;
    }
    struct pv_named *grown =
        pv_reallocarray(host->named, host->named_count + 1, sizeof(struct pv_named));
    if (grown == NULL) {
        pv_url_done(&url);
        return PV_ENOMEM;
    }
    host->named = grown;
    host->named[host->named_count] =
        (struct pv_named){.host = url.host, .port = url.port, .literal = url.literal};
    host->named_count++;
    url.host = NULL;
    url.port = NULL;
    pv_url_done(&url);
    return 0;
}

static int walk(struct pv_host *host, const json_t *json, int depth)
{
    int status = 0;
    const char *key = NULL;
    json_t *member = NULL;
    size_t at = 0;
    if (json_is_string(json)) {
        return add_named(host, json_string_value(json));
    }
    if (depth == DEPTH_MAX) {
        return 0;
    }
    json_array_foreach(json, at, member)
    {
        status = status == 0 ? walk(host, member, depth + 1) : status;
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, member)
    {
        status = status == 0 ? walk(host, member, depth + 1) : status;
    }
    return status;
}

int pv_admit_settings(struct pv_host *host, const char *settings)
{
    json_t *json = NULL;
    int status = pv_json_load(pv_str(settings), 0, &json, NULL);
    status = status == 0 ? walk(host, json, 0) : status == PV_ENOMEM ? status : 0;
    json_decref(json);
    return status;
}

void pv_admit_done(struct pv_host *host)
{
    for (size_t i = 0; i < host->named_count; i++) {
        pv_free(host->named[i].host);
        pv_free(host->named[i].port);
    }
    pv_free(host->named);
    host->named = NULL;
    host->named_count = 0;
}

bool pv_admit_address(const struct pv_host *host, const struct pv_url *url,
                      const struct sockaddr *address)
{
    enum pv_address_kind kind = pv_address_kind(address);
    if (!host->opts.guarded || kind == PV_ADDRESS_PUBLIC) {
        return true;
    }
    for (size_t i = 0; i < host->named_count; i++) {
        const struct pv_named *named = &host->named[i];
        if (strcasecmp(named->host, url->host) == 0 && strcmp(named->port, url->port) == 0) {
            /* A name may lead into a private network; where clouds serve credentials, only what is
             * written so. */
            return kind == PV_ADDRESS_PRIVATE || named->literal;
        }
    }
    return false;
}

bool pv_admit_socket(const struct pv_host *host, const char *path)
{
    const struct pv_reach *reach = host->opts.reach;
    if (!host->opts.guarded) {
        return true;
    }
    for (size_t i = 0; reach != NULL && i < reach->unix_sockets.count; i++) {
        if (pv_str_eq_c(reach->unix_sockets.items[i], path)) {
            return true;
        }
    }
    return false;
}

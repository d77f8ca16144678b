/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of calls, by token and by address. The buckets belong to the API and survive reloads; how
 * fast they fill is read from the configuration each time. */
#include "core/api/guard.h"

#include <string.h>

/* The address of the client, whatever its port; an IPv6 network of 64 bits counts as one. */
static struct pv_id address_of(const struct pv_call *call)
{
    struct pv_id address = {{0}};
    pv_http_peer(call->http, address.b);
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (memcmp(address.b, mapped, sizeof(mapped)) != 0) {
        memset(address.b + 8, 0, 8);
    }
    return address;
}

static struct pv_limit limit_of(const struct pv_call *call, const struct pv_token *token)
{
    const struct pv_config_limits *limits = &call->api->o.config->limits;
    int64_t rate = token->rate != 0 ? token->rate : limits->requests_per_second;
    int64_t burst = token->rate != 0 ? token->burst : limits->burst;
    rate = rate > 0 ? rate : 0;
    return (struct pv_limit){rate * 60, burst > 0 ? burst : 2 * rate};
}

static struct pv_limit failures_of(const struct pv_call *call)
{
    int64_t per_minute = call->api->o.config->limits.auth_failures_per_minute;
    return (struct pv_limit){per_minute, per_minute};
}

static void too_often(struct pv_call *call, const struct pv_limit_state *state, const char *what)
{
    call->retry_s = state->retry_s;
    pv_call_fail(call, 429, "rate_limited", "%s; try again in %lld s", what,
                 (long long)state->retry_s);
}

bool pv_guard_allow(struct pv_call *call, struct pv_id key, const struct pv_token *token)
{
    struct pv_api *api = call->api;
    int64_t now = pv_mono_ms(&api->o.clock);
    if (pv_limits_take(&api->limits, key, limit_of(call, token), now, &call->limit)) {
        return true;
    }
    struct pv_limit_state state = call->limit;
    too_often(call, &state, "more calls than this token may make");
    return false;
}

bool pv_guard_may_try(struct pv_call *call)
{
    struct pv_api *api = call->api;
    struct pv_limit_state state;
    if (pv_limits_has(&api->failures, address_of(call), failures_of(call),
                      pv_mono_ms(&api->o.clock), &state)) {
        return true;
    }
    too_often(call, &state, "too many tokens from this address were not accepted");
    return false;
}

void pv_guard_refuse(struct pv_call *call, unsigned status, const char *code, const char *sentence)
{
    struct pv_api *api = call->api;
    struct pv_limit_state state;
    if (pv_limits_take(&api->failures, address_of(call), failures_of(call),
                       pv_mono_ms(&api->o.clock), &state)) {
        pv_call_fail(call, status, code, "%s", sentence);
    } else {
        too_often(call, &state, "too many tokens from this address were not accepted");
    }
}

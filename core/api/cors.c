/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests. No cookies are used here, so there are no credentials to allow. */
#include "core/api/cors.h"

const char *pv_cors_origin(const struct pv_call *call)
{
    const struct pv_config *config = call->api->o.config;
    if (call->http->local || config->origin_count == 0) {
        return NULL;
    }
    struct pv_str origin = pv_http_header(call->http, "Origin");
    for (size_t i = 0; origin.ptr != NULL && i < config->origin_count; i++) {
        if (pv_str_eq_c(config->origins[i], "*") || pv_str_eq(config->origins[i], origin)) {
            return config->origins[i].ptr;
        }
    }
    return NULL;
}

bool pv_cors_preflight(struct pv_call *call)
{
    if (!pv_str_eq_c(call->http->method, "OPTIONS") || pv_cors_origin(call) == NULL ||
        pv_http_header(call->http, "Access-Control-Request-Method").ptr == NULL) {
        return false;
    }
    call->preflight = true;
    pv_call_send(call, 204);
    return true;
}

void pv_cors_add(const struct pv_call *call, struct pv_http_answer *answer)
{
    const char *origin = pv_cors_origin(call);
    if (origin == NULL) {
        return;
    }
    pv_http_add(answer, "Access-Control-Allow-Origin", origin);
    pv_http_add(answer, "Vary", "Origin");
    if (call->preflight) {
        pv_http_add(answer, "Access-Control-Allow-Methods", "GET, POST, DELETE");
        pv_http_add(answer, "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, "
                    "traceparent");
        pv_http_add(answer, "Access-Control-Max-Age", "600");
    } else {
        pv_http_add(answer, "Access-Control-Expose-Headers",
                    "Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After");
    }
}

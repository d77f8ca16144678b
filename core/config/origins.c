/* SPDX-License-Identifier: Apache-2.0 */
/* The origins whose pages may call the API. */
#include "core/config/raw.h"

/* "https://shop.example.com", "http://localhost:3000": as a browser writes it. */
static bool origin_valid(struct pv_str text)
{
    if (pv_str_eq_c(text, "*")) {
        return true;
    }
    size_t scheme = pv_str_starts(text, "https://") ? 8 : (pv_str_starts(text, "http://") ? 7 : 0);
    for (size_t i = scheme; i < text.len; i++) {
        char c = text.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                    c == ':' || c == '[' || c == ']';
        if (!good) {
            return false;
        }
    }
    return scheme > 0 && text.len > scheme;
}

int pv_load_origins(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    int status = PV_OK;
    config->origins = loading->raw.allowed_origins.items;
    config->origin_count = loading->raw.allowed_origins.count;
    for (size_t i = 0; i < config->origin_count; i++) {
        if (!origin_valid(config->origins[i])) {
            pv_load_problem(loading, loading->root, PV_STR(""), "allowed_origins",
                            "expected an origin such as https://shop.example.com, in lower case "
                            "and without a path, or *, got \"%.*s\"",
                            PV_STR_ARG(config->origins[i]));
            status = PV_EINVAL;
        }
    }
    return status;
}

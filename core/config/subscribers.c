/* SPDX-License-Identifier: Apache-2.0 */
/* Subscribers: where webhooks go, what they are signed with, and what they tell of. */
#include "core/config/raw.h"

#include "core/base/webhook.h"
#include "core/engine/notice.h"
#include "core/engine/outbox.h"

#include <stdio.h>

#define AT(member) .offset = offsetof(struct pv_raw_subscriber, member)
#define YEAR_MS (366LL * 86400000)

static const struct pv_option subscriber_retry_options[] = {
    {.name = "initial",
     .kind = PV_T_DURATION,
     AT(retry_initial),
     .fallback = "5s",
     .min = 1,
     .max = 86400000,
     .doc = "The wait after the first attempt; it doubles. Each wait is drawn at random between "
            "half and all of its length."},
    {.name = "cap",
     .kind = PV_T_DURATION,
     AT(retry_cap),
     .fallback = "1h",
     .min = 1,
     .max = 86400000,
     .doc = "The longest wait."},
    {.name = "for",
     .kind = PV_T_DURATION,
     AT(retry_for),
     .fallback = "3d",
     .min = 1,
     .max = YEAR_MS,
     .doc = "How long after the event it is tried; then it is given up, see `provost webhook`."},
    {0},
};

const struct pv_option pv_subscriber_options[] = {
    {.name = "url",
     .kind = PV_T_URL,
     AT(url),
     .required = true,
     .doc = "Where notifications are posted to. Certificates are always checked."},
    {.name = "secrets",
     .kind = PV_T_LIST,
     AT(secrets),
     .required = true,
     .min = 1,
     .max = 2,
     .doc = "What notifications are signed with: `whsec_` and 24 to 64 bytes in base 64, by "
            "reference. Two while one is replaced: each notification is signed with both."},
    {.name = "sources",
     .kind = PV_T_LIST,
     AT(sources),
     .shown_default = "all",
     .doc = "Sources whose services it is told of."},
    {.name = "events",
     .kind = PV_T_LIST,
     AT(events),
     .shown_default = "all",
     .doc = "Types of notifications, such as `operation.failed`: docs/notifications.md."},
    {.name = "ca_file",
     .kind = PV_O_PATH,
     AT(ca_file),
     .shown_default = "the system's",
     .doc = "Certificates of the authorities that are trusted, in PEM."},
    {.name = "timeout",
     .kind = PV_T_DURATION,
     AT(timeout),
     .fallback = "15s",
     .min = 100,
     .max = 60000,
     .doc = "How long one attempt may take."},
    {.name = "max_in_flight",
     .kind = PV_T_INT,
     AT(max_in_flight),
     .fallback = "8",
     .min = 1,
     .max = 256,
     .doc = "Notifications that are under way at once, each of another service."},
    {.name = "keep_undelivered",
     .kind = PV_T_DURATION,
     AT(keep_undelivered),
     .fallback = "30d",
     .min = 1,
     .max = 10 * YEAR_MS,
     .doc =
         "How long a notification that was given up is kept, so that it can be tried again; then "
         "it is deleted."},
    {.name = "retry",
     .kind = PV_O_GROUP,
     .offset = 0,
     .sub = subscriber_retry_options,
     .doc = "When what was not delivered is tried again."},
    {0},
};

/* The text was read from its reference: nobody needs it any more once the key is there. */
static int load_secret(struct pv_loading *loading, const struct pv_raw_subscriber *raw,
                       size_t index, struct pv_config_subscriber *out)
{
    struct pv_str text = raw->secrets.items[index];
    int status = pv_webhook_secret(text, &out->secrets[index]);
    pv_wipe((void *)(uintptr_t)text.ptr, text.len);
    if (status == PV_EINVAL) {
        char member[24];
        snprintf(member, sizeof(member), "secrets.%zu", index);
        pv_load_problem(loading, raw->head.node, raw->head.path, member,
                        "expected whsec_ and %d to %d bytes in base 64; `provost webhook secret` "
                        "makes one",
                        PV_WEBHOOK_KEY_MIN, PV_WEBHOOK_KEY_MAX);
    }
    return status;
}

static int load_events(struct pv_loading *loading, const struct pv_raw_subscriber *raw,
                       struct pv_config_subscriber *out)
{
    int status = PV_OK;
    out->events = raw->events.count == 0 ? PV_NOTICE_ALL : 0;
    for (size_t i = 0; i < raw->events.count; i++) {
        int type = 0;
        if (pv_notice_parse(raw->events.items[i], &type) == PV_OK) {
            out->events |= 1u << type;
            continue;
        }
        char known[256] = "";
        size_t used = 0;
        for (int k = 0; k < PV_NOTICE_TYPES && used < sizeof(known); k++) {
            int len = snprintf(known + used, sizeof(known) - used, "%s%s", k > 0 ? ", " : "",
                               pv_notice_name(k));
            used += len > 0 ? (size_t)len : 0;
        }
        pv_load_problem(loading, raw->head.node, raw->head.path, "events",
                        "there is no type \"%.*s\"; there are %s", PV_STR_ARG(raw->events.items[i]),
                        known);
        status = PV_EINVAL;
    }
    return status;
}

static int load_one(struct pv_loading *loading, const struct pv_raw_subscriber *raw,
                    struct pv_config_subscriber *out)
{
    *out = (struct pv_config_subscriber){
        .name = raw->head.name,
        .url = raw->url,
        .ca_file = raw->ca_file,
        .sources = raw->sources.items,
        .source_count = raw->sources.count,
        .timeout_ms = raw->timeout,
        .max_in_flight = raw->max_in_flight,
        .retry_initial_ms = raw->retry_initial,
        .retry_cap_ms = raw->retry_cap,
        .retry_for_ms = raw->retry_for,
        .keep_undelivered_ms = raw->keep_undelivered,
    };
    int status = load_events(loading, raw, out);
    for (size_t i = 0; i < raw->secrets.count && i < PV_WEBHOOK_SECRETS; i++) {
        int one = load_secret(loading, raw, i, out);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

int pv_load_subscribers(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_option_entries *raw = &loading->raw.subscribers;
    if (raw->count > PV_SUBSCRIBERS_MAX) {
        pv_load_problem(loading, loading->root, PV_STR(""), "subscribers", "at most %d, got %zu",
                        PV_SUBSCRIBERS_MAX, raw->count);
        return PV_EINVAL;
    }
    config->subscribers =
        pv_arena_alloc(&config->arena, raw->count * sizeof(*config->subscribers) + 1);
    if (!config->subscribers) {
        return PV_ENOMEM;
    }
    config->subscriber_count = raw->count;
    int status = PV_OK;
    for (size_t i = 0; i < raw->count; i++) {
        const struct pv_raw_subscriber *one = &((const struct pv_raw_subscriber *)raw->items)[i];
        int loaded = load_one(loading, one, &config->subscribers[i]);
        if (loaded == PV_ENOMEM) {
            return loaded;
        }
        status = loaded != PV_OK ? loaded : status;
    }
    return status;
}

void pv_free_subscribers(struct pv_config *config)
{
    for (size_t i = 0; i < config->subscriber_count; i++) {
        for (size_t k = 0; k < PV_WEBHOOK_SECRETS; k++) {
            pv_secret_free(config->subscribers[i].secrets[k]);
        }
    }
}

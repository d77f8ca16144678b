/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer means, and when the next attempt is due. */
#include "core/notify/notify.h"

#include <stdio.h>

#define FAILURES_FREE 5 /* in a row, before a subscriber is left alone */
#define PAUSE_MS 1000
#define PAUSE_CAP_MS 60000

/* Between half of the full wait and all of it: spread, and never at once. */
static int64_t backoff_ms(const struct pv_notify_subscriber *subscriber, uint32_t attempts,
                          const struct pv_rng *rng)
{
    int64_t wait = subscriber->retry_initial_ms;
    for (uint32_t i = 1; i < attempts && wait < subscriber->retry_cap_ms; i++) {
        wait *= 2;
    }
    wait = wait < subscriber->retry_cap_ms ? wait : subscriber->retry_cap_ms;
    return wait / 2 + (int64_t)pv_rng_below(rng, (uint64_t)(wait / 2) + 1);
}

void pv_notify_judge(const struct pv_notify_subscriber *subscriber, const struct pv_outbox_row *row,
                     uint32_t attempts, int status, int64_t retry_after_ms, const char *error,
                     int64_t now_ms, const struct pv_rng *rng, struct pv_notify_judgement *ret)
{
    *ret = (struct pv_notify_judgement){.verdict = PV_NOTIFY_DELIVERED};
    if (status >= 200 && status < 300) {
        return;
    }
    if (status == 410) {
        ret->verdict = PV_NOTIFY_GONE;
        ret->due_ms = now_ms;
        snprintf(ret->error, sizeof(ret->error), "HTTP 410: it wants no more notifications");
        return;
    }
    if (status >= 300 && status < 400) {
        snprintf(ret->error, sizeof(ret->error), "HTTP %d: redirects are not followed", status);
    } else if (status > 0) {
        snprintf(ret->error, sizeof(ret->error), "HTTP %d", status);
    } else {
        snprintf(ret->error, sizeof(ret->error), "%s", error);
    }
    int64_t end_ms = row->since_ms + subscriber->retry_for_ms;
    if (now_ms >= end_ms) {
        ret->verdict = PV_NOTIFY_UNDELIVERED;
        return;
    }
    int64_t wait = backoff_ms(subscriber, attempts, rng);
    ret->wait_ms = retry_after_ms > 0 ? retry_after_ms : 0;
    wait = wait > ret->wait_ms ? wait : ret->wait_ms;
    ret->verdict = PV_NOTIFY_LATER;
    ret->due_ms = now_ms + wait < end_ms ? now_ms + wait : end_ms; /* the last attempt: at the end
                                                                    */
}

int64_t pv_notify_pause_ms(uint32_t failures)
{
    if (failures < FAILURES_FREE) {
        return 0;
    }
    int64_t pause = PAUSE_MS;
    for (uint32_t i = FAILURES_FREE; i < failures && pause < PAUSE_CAP_MS; i++) {
        pause *= 2;
    }
    return pause < PAUSE_CAP_MS ? pause : PAUSE_CAP_MS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of names, for HTTP: a call waits for the look-up, its own deadline and its cancel. */
#include "core/host/internal.h"

#include <string.h>

struct waiter {
    struct pv_wait wait;
    struct pv_lookup lookup;
    struct pv_timer timer;
    const char *error;
};

static void on_found(struct pv_lookup *lookup, const char *error)
{
    struct waiter *waiter = PV_CONTAINER(lookup, struct waiter, lookup);
    pv_timer_stop(waiter->wait.call->host, &waiter->timer);
    waiter->error = error;
    pv_wait_done(&waiter->wait, 0);
}

static void leave(struct waiter *waiter, int result)
{
    pv_names_cancel(&waiter->lookup);
    pv_timer_stop(waiter->wait.call->host, &waiter->timer);
    pv_wait_done(&waiter->wait, result);
}

static void on_late(struct pv_timer *timer)
{
    leave(PV_CONTAINER(timer, struct waiter, timer), PROVOST_E_TIMEOUT);
}

static void cancel_waiter(struct pv_wait *wait)
{
    leave(PV_CONTAINER(wait, struct waiter, wait), PROVOST_E_CANCELED);
}

static int ask(struct pv_call *call, const char *name, int64_t deadline_ms, struct waiter *waiter)
{
    struct pv_host *host = call->host;
    if (pv_timer_start(host, &waiter->timer, deadline_ms) != 0) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    if (pv_names_ask(host->names, name, &waiter->lookup) != 0) {
        pv_timer_stop(host, &waiter->timer);
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    int code = pv_call_wait(call, &waiter->wait);
    if (code == PROVOST_E_TIMEOUT) {
        return pv_call_fail(call, PROVOST_E_NOT_SENT, "cannot resolve %s: no answer in time", name);
    }
    if (code == 0 && waiter->error != NULL) {
        return pv_call_fail(call, PROVOST_E_NOT_SENT, "cannot resolve %s: %s", name, waiter->error);
    }
    return code;
}

int pv_call_addresses(struct pv_call *call, const char *name, int64_t deadline_ms,
                      const char **ret_addresses)
{
    struct waiter waiter = {.wait = {.call = call, .cancel = cancel_waiter},
                            .lookup = {.done = on_found},
                            .timer = {.fire = on_late}};
    if (!pv_names_known(call->host->names, name, &waiter.lookup)) {
        int code = ask(call, name, deadline_ms, &waiter);
        if (code != 0) {
            return code;
        }
    }
    char *copy = pv_memory_str(&call->memory, pv_str(waiter.lookup.text));
    if (copy == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    *ret_addresses = copy;
    return 0;
}

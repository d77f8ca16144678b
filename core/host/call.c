/* SPDX-License-Identifier: Apache-2.0 */
/* Calls in flight: resuming their coroutines, waiting, canceling, and the timers under both. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/host/crash.h"

#include <stdio.h>
#include <string.h>

#define READY_SLICE 256
#define CANCEL_SLICE 64

int64_t pv_host_now(const struct pv_host *host)
{
    return pv_mono_ms(host->clock);
}

/* ---- Timers ---- */

static void on_timer(uv_timer_t *handle)
{
    struct pv_host *host = handle->data;
    pv_timers_fire(host);
    pv_timers_arm(host);
}

void pv_timers_arm(struct pv_host *host)
{
    struct pv_heap_node *first = pv_heap_first(&host->timers);
    if (first == NULL || host->closing > 0) {
        uv_timer_stop(&host->timer);
        return;
    }
    int64_t left = first->key - pv_host_now(host);
    uv_update_time(host->loop);
    uv_timer_start(&host->timer, on_timer, left > 0 ? (uint64_t)left : 0, 0);
}

void pv_timers_fire(struct pv_host *host)
{
    int64_t now = pv_host_now(host);
    for (;;) {
        struct pv_heap_node *first = pv_heap_first(&host->timers);
        if (first == NULL || first->key > now) {
            return;
        }
        struct pv_timer *timer = PV_CONTAINER(first, struct pv_timer, node);
        pv_heap_remove(&host->timers, first);
        timer->fire(timer);
    }
}

int pv_timer_start(struct pv_host *host, struct pv_timer *timer, int64_t at_ms)
{
    pv_heap_remove(&host->timers, &timer->node);
    int status = pv_heap_add(&host->timers, &timer->node, at_ms);
    if (status == 0 && pv_heap_first(&host->timers) == &timer->node) {
        pv_timers_arm(host);
    }
    return status;
}

void pv_timer_stop(struct pv_host *host, struct pv_timer *timer)
{
    pv_heap_remove(&host->timers, &timer->node);
}

/* ---- Errors of a host call ---- */

struct pv_call *pv_call_of(struct provost_call *pub)
{
    struct pv_call *call = pub->host_data;
    return call->co != NULL && pv_co_self() == call->co ? call : NULL;
}

void pv_call_trim(const struct pv_call *call, char *text, size_t size)
{
    text[pv_mask_uncut(&call->host->mask, &call->mask, text, size)] = '\0';
}

int pv_call_fail(struct pv_call *call, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(call->error, sizeof(call->error), fmt, ap);
    va_end(ap);
    pv_call_trim(call, call->error, sizeof(call->error));
    return code;
}

int pv_call_check(struct pv_call *call)
{
    if (!call->canceled) {
        return 0;
    }
    if (call->timed_out) {
        return pv_call_fail(call, PROVOST_E_CANCELED, "the time limit of %u ms is over",
                            call->timeout_ms);
    }
    return pv_call_fail(call, PROVOST_E_CANCELED, "canceled");
}

int pv_call_check_send(struct pv_call *call)
{
    int code = pv_call_check(call);
    if (code != 0) {
        return code;
    }
    struct pv_host *host = call->host;
    if (!call->is_query && host->lease_ms != 0 && pv_host_now(host) > host->lease_ms) {
        call->fenced = true;
        return pv_call_fail(call, PROVOST_E_FENCED,
                            "this host no longer holds the operation: nothing was sent");
    }
    return 0;
}

void pv_call_touch(struct pv_call *call)
{
    struct pv_page_slot *slot = &call->host->page->slot[call->slot];
    atomic_store(&slot->last_send_ms, pv_host_now(call->host));
    atomic_store(&slot->mark, PV_SLOT_TOUCHED);
    call->touched = true;
}

uint32_t pv_call_time_left(const struct pv_call *call, uint32_t timeout_ms)
{
    int64_t left = call->deadline_ms - pv_host_now(call->host);
    if (left < 1) {
        return 1;
    }
    return left < timeout_ms ? (uint32_t)left : timeout_ms;
}

/* ---- Waiting ---- */

static void on_idle(uv_idle_t *handle)
{
    pv_host_drain(handle->data);
}

static void wake(struct pv_host *host)
{
    if (host->closing == 0) {
        uv_idle_start(&host->idle, on_idle);
    }
}

int pv_call_wait(struct pv_call *call, struct pv_wait *wait)
{
    call->wait = wait;
    while (!wait->done) {
        pv_co_yield();
    }
    call->wait = NULL;
    if (wait->result == PROVOST_E_CANCELED) {
        return call->canceled ? pv_call_check(call)
                              : pv_call_fail(call, PROVOST_E_CANCELED, "canceled");
    }
    return wait->result;
}

void pv_wait_done(struct pv_wait *wait, int result)
{
    if (wait->done) {
        return;
    }
    wait->done = true;
    wait->result = result;
    struct pv_call *call = wait->call;
    if (!pv_list_linked(&call->ready)) {
        pv_list_push(&call->host->ready, &call->ready);
    }
    wake(call->host);
}

void pv_call_cancel(struct pv_call *call)
{
    if (call->canceled) {
        return;
    }
    call->canceled = true;
    pv_list_push(&call->host->cancels, &call->cancel);
    wake(call->host);
}

static void on_deadline(struct pv_timer *timer)
{
    struct pv_call *call = PV_CONTAINER(timer, struct pv_call, deadline);
    if (!call->canceled) {
        call->timed_out = true;
        pv_call_cancel(call);
    }
}

/* ---- Running ---- */

static void run_plugin(void *arg)
{
    struct pv_call *call = arg;
    call->returned = call->fn(&call->pub);
}

int pv_call_start(struct pv_call *call)
{
    struct pv_host *host = call->host;
    call->co = pv_co_new(&host->pool, run_plugin, call);
    if (call->co == NULL) {
        return PV_ENOMEM;
    }
    call->deadline.fire = on_deadline;
    call->deadline_ms = pv_host_now(host) + call->timeout_ms;
    int status = pv_timer_start(host, &call->deadline, call->deadline_ms);
    if (status != 0) {
        pv_co_free(call->co);
        call->co = NULL;
        return status;
    }
    pv_list_push(&host->ready, &call->ready);
    wake(host);
    return 0;
}

static void resume(struct pv_call *call)
{
    struct pv_host *host = call->host;
    struct pv_page *page = host->page;
    struct pv_page_slot *slot = &page->slot[call->slot];
    if (atomic_load(&slot->mark) == PV_SLOT_RECEIVED) {
        atomic_store(&slot->mark, PV_SLOT_RUNNING);
    }
    atomic_store(&page->current_since_ms, pv_host_now(host));
    atomic_store(&page->current, call->id);
    pv_crash_enter(page, call->id, call->label);
    pv_co_resume(call->co);
    pv_crash_enter(NULL, 0, NULL);
    atomic_store(&page->current, 0);
    if (pv_co_done(call->co)) {
        pv_host_finish(call);
    }
}

void pv_host_drain(struct pv_host *host)
{
    for (int i = 0; i < CANCEL_SLICE && !pv_list_empty(&host->cancels); i++) {
        struct pv_link *link = pv_list_pop(&host->cancels);
        struct pv_call *call = PV_CONTAINER(link, struct pv_call, cancel);
        if (call->wait != NULL && !call->wait->done) {
            call->wait->cancel(call->wait);
        }
    }
    for (int i = 0; i < READY_SLICE && !pv_list_empty(&host->ready); i++) {
        struct pv_link *link = pv_list_pop(&host->ready);
        resume(PV_CONTAINER(link, struct pv_call, ready));
    }
    if (pv_list_empty(&host->cancels) && pv_list_empty(&host->ready)) {
        uv_idle_stop(&host->idle);
    }
}

void pv_call_free(struct pv_call *call)
{
    pv_timer_stop(call->host, &call->deadline);
    pv_list_remove(&call->ready);
    pv_list_remove(&call->cancel);
    pv_co_free(call->co);
    pv_mask_done(&call->mask);
    pv_memory_done(&call->memory);
    pv_free(call);
}

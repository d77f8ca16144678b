/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: from start to outcome. A call waits in its host until that is READY, then has a slot of
 * the status page, a deadline beyond the host's own, and ends with an OUTCOME or with its host. */
#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/runner/internal.h"

#include <string.h>

#define DEFAULT_STEP_MS 60000
#define DEFAULT_QUERY_MS 10000
#define TIMEOUT_AT (PV_FRAME_HEADER + 8) /* where timeout_ms stands in a STEP frame */

static struct pv_str key_of(const uint64_t *id)
{
    return (struct pv_str){(const char *)id, sizeof(*id)};
}

struct call *pv_calls_find(struct pv_hosts *hosts, uint64_t id)
{
    struct pv_map_node *node = pv_map_get(&hosts->calls, key_of(&id));
    return node ? PV_CONTAINER(node, struct call, node) : NULL;
}

static void cut_to_c(struct pv_str s, char *out, size_t size)
{
    size_t len = s.len < size ? s.len : size - 1;
    if (len > 0) {
        memcpy(out, s.ptr, len);
    }
    out[len] = '\0';
}

/* The host that a new call goes to, made when there is none. */
static int pick_host(struct pv_hosts *hosts, struct pv_str name, bool solo, struct host **ret_host)
{
    if (hosts->stopping || hosts->spawner_gone) {
        return PV_EBUSY;
    }
    if (!hosts->options.known(hosts->options.ctx, name)) {
        return PV_ENOTFOUND;
    }
    struct instance *instance = pv_hosts_instance(hosts, name);
    if (!instance) {
        return PV_ENOMEM;
    }
    if (solo && instance->solo_count >= PV_HOST_MAX_SOLO) {
        return PV_EBUSY;
    }
    struct host *host = solo ? NULL : instance->main;
    if (!host) {
        host = pv_host_new(instance, hosts, solo);
        if (!host) {
            return PV_ENOMEM;
        }
    }
    *ret_host = host;
    return 0;
}

/* Room in the host for one more call; its slot is still to be taken. */
static int check_room(const struct host *host, bool query)
{
    uint32_t steps = host->in_flight - host->queries;
    if (query ? host->queries >= host->spec.max_queries : steps >= host->spec.max_in_flight) {
        return PV_EBUSY;
    }
    if (host->free_count == 0 && host->fresh_slot >= PV_PAGE_SLOTS) {
        return PV_EBUSY;
    }
    return host->out.len - host->out_at > PV_HOST_OUT_FULL ? PV_EBUSY : 0;
}

static uint32_t take_slot(struct host *host)
{
    if (host->free_count > 0) {
        host->free_count--;
        return host->free_slots[host->free_count];
    }
    host->fresh_slot++;
    return host->fresh_slot - 1;
}

static void give_slot(struct host *host, uint32_t slot)
{
    host->free_slots[host->free_count] = (uint16_t)slot;
    host->free_count++;
}

static int set_deadline(struct pv_hosts *hosts, struct call *call, int64_t at_ms)
{
    pv_heap_remove(&hosts->deadlines, &call->due);
    return pv_heap_add(&hosts->deadlines, &call->due, at_ms);
}

/* Not sent yet: the frame waits with the call. */
static int hold_frame(struct call *call, const struct pv_buf *frame)
{
    call->frame = pv_malloc(frame->len);
    if (!call->frame) {
        return PV_ENOMEM;
    }
    memcpy(call->frame, frame->ptr, frame->len);
    call->frame_len = frame->len;
    return 0;
}

static void put_lease(struct host *host, int64_t lease_until_ms)
{
    if (lease_until_ms > host->lease_ms) {
        host->lease_ms = lease_until_ms;
        pv_wire_put_lease(&host->out, lease_until_ms);
    }
}

/* Registers the call and has its frame sent or held. On failure the call is the caller's. */
static int enlist(struct host *host, struct call *call, const struct pv_buf *frame)
{
    struct pv_hosts *hosts = host->hosts;
    if (frame->status != 0) {
        return frame->status;
    }
    bool ready = host->state == PV_HOST_READY;
    int status = ready ? 0 : hold_frame(call, frame);
    if (status != 0) {
        return status;
    }
    status = pv_map_add(&hosts->calls, &call->node, key_of(&call->id));
    if (status != 0) {
        return status;
    }
    int64_t wait_ms = (int64_t)call->timeout_ms + hosts->options.grace_ms;
    status = set_deadline(hosts, call, pv_hosts_now(hosts) + wait_ms);
    if (status != 0) {
        pv_map_remove(&hosts->calls, &call->node);
        return status;
    }
    if (ready) {
        put_lease(host, call->lease_until_ms);
        pv_buf_put(&host->out, frame->ptr, frame->len);
        call->sent = true;
    }
    call->host = host;
    pv_list_push(&host->calls, &call->link);
    host->in_flight++;
    host->queries += (call->id & PV_CALL_QUERY) ? 1 : 0;
    pv_hosts_mark(host);
    return 0;
}

/* A host that was made for this call and did not get it has nothing to do. */
static void drop_unused(struct host *host)
{
    if (host->state == PV_HOST_BACKOFF && host->in_flight == 0) {
        pv_host_stop(host);
    }
}

static struct call *new_call(struct host *host, uint64_t id, uint32_t timeout_ms)
{
    struct call *call = pv_calloc(1, sizeof(*call));
    if (call) {
        call->id = id;
        call->timeout_ms = timeout_ms;
        call->slot = take_slot(host);
    }
    return call;
}

static void free_call(struct host *host, struct call *call)
{
    give_slot(host, call->slot);
    pv_free(call->frame);
    pv_free(call);
}

/* A step's time is never more than what is left of its lease. */
static uint32_t within_lease(uint32_t timeout_ms, int64_t lease_until_ms, int64_t now_ms)
{
    int64_t left_ms = lease_until_ms - now_ms;
    return left_ms < (int64_t)timeout_ms ? (uint32_t)(left_ms > 0 ? left_ms : 1) : timeout_ms;
}

/* Puts the key of the operation's signals into the step, as text in `out`. */
static void add_signal_key(const struct pv_hosts *hosts, struct pv_wire_step *wire,
                           char out[2 * PV_SIGNAL_KEY_BYTES + 1])
{
    const struct pv_hosts_options *options = &hosts->options;
    uint8_t key[PV_SIGNAL_KEY_BYTES];
    out[0] = '\0';
    if (options->signal_key && options->signal_key(options->ctx, wire->op, key)) {
        pv_hex(key, sizeof(key), out);
    }
    wire->signal_key = pv_str(out);
}

int pv_calls_start(void *ctx, uint64_t id, const struct pv_run_step *step)
{
    struct pv_hosts *hosts = ctx;
    if (id == 0 || (id & PV_CALL_QUERY) || pv_calls_find(hosts, id)) {
        return PV_EINVAL;
    }
    struct host *host = NULL;
    int status = pick_host(hosts, step->instance, step->solo, &host);
    if (status != 0) {
        return status;
    }
    status = check_room(host, false);
    if (status != 0) {
        drop_unused(host);
        return status;
    }
    uint32_t timeout_ms = step->wire.timeout_ms ? step->wire.timeout_ms : DEFAULT_STEP_MS;
    timeout_ms = within_lease(timeout_ms, step->lease_until_ms, pv_hosts_now(hosts));
    struct call *call = new_call(host, id, timeout_ms);
    if (!call) {
        drop_unused(host);
        return PV_ENOMEM;
    }
    call->lease_until_ms = step->lease_until_ms;
    call->kind = step->wire.kind;
    call->attempt = step->wire.attempt;
    call->op = step->wire.op;
    call->service = step->wire.service;
    cut_to_c(step->wire.component, call->component, sizeof(call->component));
    cut_to_c(step->wire.step, call->step, sizeof(call->step));

    struct pv_wire_step wire = step->wire;
    wire.slot = call->slot;
    wire.timeout_ms = timeout_ms;
    char signal_key[2 * PV_SIGNAL_KEY_BYTES + 1];
    add_signal_key(hosts, &wire, signal_key);
    PV_FAULT("runner.step.before");
    pv_buf_clear(&hosts->scratch);
    pv_wire_put_step(&hosts->scratch, id, &wire);
    status = enlist(host, call, &hosts->scratch);
    if (status != 0) {
        free_call(host, call);
        drop_unused(host);
    }
    return status;
}

int pv_calls_query(void *ctx, struct pv_query *query)
{
    struct pv_hosts *hosts = ctx;
    struct host *host = NULL;
    int status = pick_host(hosts, query->instance, false, &host);
    if (status != 0) {
        return status;
    }
    status = check_room(host, true);
    if (status != 0) {
        drop_unused(host);
        return status;
    }
    uint32_t timeout_ms = query->wire.timeout_ms ? query->wire.timeout_ms : DEFAULT_QUERY_MS;
    hosts->next_query++;
    struct call *call = new_call(host, hosts->next_query | PV_CALL_QUERY, timeout_ms);
    if (!call) {
        drop_unused(host);
        return PV_ENOMEM;
    }
    call->service = query->wire.service;
    cut_to_c(query->wire.component, call->component, sizeof(call->component));
    cut_to_c(query->wire.name, call->step, sizeof(call->step));

    struct pv_wire_query wire = query->wire;
    wire.slot = call->slot;
    wire.timeout_ms = timeout_ms;
    pv_buf_clear(&hosts->scratch);
    pv_wire_put_query(&hosts->scratch, call->id, &wire);
    status = enlist(host, call, &hosts->scratch);
    if (status != 0) {
        free_call(host, call);
        drop_unused(host);
        return status;
    }
    call->query = query;
    query->call = call->id;
    return 0;
}

void pv_calls_cancel(void *ctx, uint64_t id)
{
    struct pv_hosts *hosts = ctx;
    struct call *call = pv_calls_find(hosts, id);
    if (!call || call->canceled) {
        return;
    }
    call->canceled = true;
    call->host->sweep = call->host->sweep || !call->sent;
    if (call->sent) {
        pv_wire_put_empty(&call->host->out, PV_F_CANCEL, id);
        int64_t at_ms = pv_hosts_now(hosts) + 2 * hosts->options.grace_ms;
        if (at_ms < call->due.key) {
            call->overdue = true;
            /* Cannot fail: the heap does not grow by a removal and an insertion. */
            (void)!set_deadline(hosts, call, at_ms);
        }
    }
    pv_hosts_mark(call->host);
}

void pv_calls_answer(void *ctx, uint64_t id, const struct pv_wire_answer *answer)
{
    struct call *call = pv_calls_find(ctx, id);
    if (call && call->sent) {
        call->asking = false;
        pv_wire_put_answer(&call->host->out, id, answer);
        pv_hosts_mark(call->host);
    }
}

/* Takes the call out of everything but memory. */
static void unlist(struct call *call)
{
    struct host *host = call->host;
    struct pv_hosts *hosts = host->hosts;
    hosts->told = true;
    pv_map_remove(&hosts->calls, &call->node);
    pv_heap_remove(&hosts->deadlines, &call->due);
    pv_list_remove(&call->link);
    host->in_flight--;
    host->queries -= (call->id & PV_CALL_QUERY) ? 1 : 0;
    if (host->in_flight == 0) {
        host->idle_since_ms = pv_hosts_now(hosts);
        pv_hosts_mark(host);
    }
}

static void tell_query(struct call *call, const struct pv_wire_outcome *outcome)
{
    struct pv_query *query = call->query;
    call->query = NULL;
    if (query) {
        query->done(query, outcome);
    }
}

void pv_calls_end(struct call *call, const struct pv_wire_outcome *outcome)
{
    struct host *host = call->host;
    struct pv_hosts *hosts = host->hosts;
    uint64_t id = call->id;
    unlist(call);
    if (id & PV_CALL_QUERY) {
        tell_query(call, outcome);
        free_call(host, call);
        return;
    }
    free_call(host, call);
    hosts->options.events.outcome(hosts->options.events.ctx, id, outcome);
}

void pv_calls_lose(struct call *call, enum pv_lost lost, int64_t last_send_ms, struct pv_str text)
{
    struct host *host = call->host;
    struct pv_hosts *hosts = host->hosts;
    uint64_t id = call->id;
    unlist(call);
    if (id & PV_CALL_QUERY) {
        struct pv_wire_outcome outcome = {
            .code = PV_OUT_TEMPORARY, .retry_after_ms = -1, .text = text};
        tell_query(call, &outcome);
        free_call(host, call);
        return;
    }
    free_call(host, call);
    hosts->options.events.lost(hosts->options.events.ctx, id, lost, last_send_ms, text);
}

void pv_calls_cancel_held(struct host *host)
{
    for (struct pv_link *link = host->calls.next; link != &host->calls; link = link->next) {
        PV_CONTAINER(link, struct call, link)->canceled = true;
    }
    host->sweep = true;
    pv_hosts_mark(host);
}

void pv_calls_sweep(struct host *host)
{
    if (!host->sweep) {
        return;
    }
    host->sweep = false;
    struct pv_link *link = host->calls.next;
    while (link != &host->calls) {
        struct call *call = PV_CONTAINER(link, struct call, link);
        link = link->next;
        if (call->canceled && !call->sent) {
            struct pv_wire_outcome outcome = {.code = PV_OUT_CANCELED,
                                              .retry_after_ms = -1,
                                              .text = PV_STR("canceled before it was started")};
            pv_calls_end(call, &outcome);
        }
    }
}

void pv_calls_release(struct host *host)
{
    struct pv_hosts *hosts = host->hosts;
    int64_t now_ms = pv_hosts_now(hosts);
    for (struct pv_link *link = host->calls.next; link != &host->calls; link = link->next) {
        struct call *call = PV_CONTAINER(link, struct call, link);
        if (call->canceled || call->sent) {
            continue;
        }
        if (!(call->id & PV_CALL_QUERY)) {
            call->timeout_ms = within_lease(call->timeout_ms, call->lease_until_ms, now_ms);
            for (unsigned i = 0; i < 4; i++) {
                call->frame[TIMEOUT_AT + i] = (char)(call->timeout_ms >> (8 * i));
            }
            put_lease(host, call->lease_until_ms);
        }
        pv_buf_put(&host->out, call->frame, call->frame_len);
        pv_free(call->frame);
        call->frame = NULL;
        call->sent = true;
        (void)!set_deadline(hosts, call, now_ms + call->timeout_ms + hosts->options.grace_ms);
    }
    pv_hosts_mark(host);
}

/* The host did not end a call whose time is over: first the call is told, then the host goes. */
static void expire(struct pv_hosts *hosts, struct call *call, int64_t now_ms)
{
    struct host *host = call->host;
    if (!call->sent) {
        struct pv_wire_outcome outcome = {
            .code = PV_OUT_TEMPORARY,
            .retry_after_ms = -1,
            .text = PV_STR("its time was over before the plugin's host was ready")};
        pv_calls_end(call, &outcome);
        return;
    }
    if (call->overdue) {
        uint64_t named = call->id;
        (void)!set_deadline(hosts, call, now_ms + hosts->options.grace_ms);
        pv_host_kill(host, PV_END_OVERDUE, named);
        return;
    }
    call->overdue = true;
    (void)!set_deadline(hosts, call, now_ms + hosts->options.grace_ms);
    if (!call->canceled) {
        call->canceled = true;
        pv_wire_put_empty(&host->out, PV_F_CANCEL, call->id);
        pv_hosts_mark(host);
    }
    struct pv_wire_outcome outcome = {.code = PV_OUT_TEMPORARY,
                                      .retry_after_ms = -1,
                                      .text = PV_STR("the plugin did not answer in time")};
    tell_query(call, &outcome);
}

void pv_calls_expire(struct pv_hosts *hosts, int64_t now_ms)
{
    for (;;) {
        struct pv_heap_node *first = pv_heap_first(&hosts->deadlines);
        if (!first || first->key > now_ms) {
            return;
        }
        expire(hosts, PV_CONTAINER(first, struct call, due), now_ms);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* All hosts of a provostd: the loop's handles, instances, the spawner's reports, reload and stop.
 */
#include "core/runner/hosts.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/runner/internal.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[PV_HOST_STATES] = {"backoff", "starting", "ready", "draining",
                                                        "stopping"};

const char *pv_host_state_name(int state)
{
    return state >= 0 && state < PV_HOST_STATES ? state_names[state] : "?";
}

int64_t pv_hosts_now(const struct pv_hosts *hosts)
{
    return pv_mono_ms(&hosts->options.clock);
}

static void on_tick(uv_timer_t *timer)
{
    pv_watch_tick(timer->data);
}

/* The timer runs while there are hosts. */
static void keep_ticking(struct pv_hosts *hosts)
{
    bool needed = !pv_list_empty(&hosts->all);
    if (needed && !hosts->ticking) {
        hosts->ticked_ms = pv_hosts_now(hosts);
        uv_update_time(hosts->options.loop);
        uv_timer_start(&hosts->tick, on_tick, (uint64_t)hosts->options.tick_ms,
                       (uint64_t)hosts->options.tick_ms);
    } else if (!needed && hosts->ticking) {
        uv_timer_stop(&hosts->tick);
    }
    hosts->ticking = needed;
}

void pv_hosts_mark(struct host *host)
{
    if (!pv_list_linked(&host->dirty)) {
        pv_list_push(&host->hosts->dirty, &host->dirty);
    }
}

/* Whatever a host needs now that the turn is over. May end with the host being freed. */
static void settle(struct host *host)
{
    struct pv_hosts *hosts = host->hosts;
    pv_calls_sweep(host);
    if (host->state == PV_HOST_BACKOFF) {
        bool due = host->solo || pv_hosts_now(hosts) >= host->instance->not_before_ms;
        if ((host->drain || host->solo) && host->in_flight == 0) {
            pv_host_stop(host);
        } else if (due) {
            pv_host_launch(host);
        }
        return;
    }
    bool unneeded = host->in_flight == 0 && (host->drain || host->solo);
    if (unneeded && (host->state == PV_HOST_READY || host->state == PV_HOST_DRAINING)) {
        pv_host_stop(host);
    }
    pv_host_flush(host);
}

static void on_again(uv_idle_t *again)
{
    uv_idle_stop(again);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct pv_hosts *hosts = prepare->data;
    struct pv_link now_dirty;
    pv_list_init(&now_dirty);
    hosts->told = false;
    while (!pv_list_empty(&hosts->dirty)) {
        pv_list_push(&now_dirty, pv_list_pop(&hosts->dirty));
    }
    while (!pv_list_empty(&now_dirty)) {
        settle(PV_CONTAINER(pv_list_pop(&now_dirty), struct host, dirty));
    }
    keep_ticking(hosts);
    bool over = uv_is_closing((uv_handle_t *)&hosts->again); /* that was the last host of a stop */
    if (!over && (hosts->told || !pv_list_empty(&hosts->dirty))) {
        /* What was told may have given work to somebody whose part of this turn is over. */
        uv_idle_start(&hosts->again, on_again);
    }
}

/* ---- the spawner's reports ----------------------------------------------------------------------
 */

static void on_event(struct pv_hosts *hosts, const struct pv_spawner_event *event)
{
    struct pv_str key = {(const char *)&event->id, sizeof(event->id)};
    struct pv_map_node *node = pv_map_get(&hosts->by_id, key);
    if (!node) {
        return;
    }
    struct host *host = PV_CONTAINER(node, struct host, node);
    switch (event->kind) {
    case PV_SPAWN_STARTED:
        host->pid = event->pid;
        break;
    case PV_SPAWN_FAILED:
        snprintf(host->fault, sizeof(host->fault), "%s: %s", hosts->program,
                 strerror(event->errnum));
        pv_host_over(host);
        break;
    case PV_SPAWN_EXITED:
        /* What it said before it died still counts. */
        pv_host_read(host, true);
        host->exited = true;
        host->wait_status = event->wait_status;
        pv_host_over(host);
        break;
    default:
        break;
    }
}

static void on_spawner_gone(struct pv_hosts *hosts)
{
    hosts->spawner_gone = true;
    uv_poll_stop(&hosts->spawner_poll);
    while (!pv_list_empty(&hosts->all)) {
        struct host *host = PV_CONTAINER(hosts->all.next, struct host, link);
        pv_host_read(host, true);
        pv_host_over(host);
    }
    if (!hosts->stopping && hosts->options.events.gone) {
        hosts->options.events.gone(hosts->options.events.ctx);
    }
}

void pv_hosts_hear_spawner(struct pv_hosts *hosts)
{
    while (!hosts->spawner_gone) {
        struct pv_spawner_event event;
        int got = pv_spawner_next(hosts->options.spawner, &event);
        if (got == 0) {
            return;
        }
        if (got < 0) {
            on_spawner_gone(hosts);
            return;
        }
        on_event(hosts, &event);
    }
}

static void on_spawner(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    pv_hosts_hear_spawner(poll->data);
}

/* ---- instances ----------------------------------------------------------------------------------
 */

struct instance *pv_hosts_instance(struct pv_hosts *hosts, struct pv_str name)
{
    struct pv_map_node *node = pv_map_get(&hosts->instances, name);
    if (node) {
        return PV_CONTAINER(node, struct instance, node);
    }
    struct instance *instance = pv_calloc(1, sizeof(*instance));
    char *copy = pv_strndup(name.ptr, name.len);
    if (!instance || !copy) {
        goto fail;
    }
    instance->name = (struct pv_str){copy, name.len};
    if (pv_map_add(&hosts->instances, &instance->node, instance->name) != 0) {
        goto fail;
    }
    return instance;
fail:
    pv_free(copy);
    pv_free(instance);
    return NULL;
}

static void free_instance(struct pv_map_node *node, void *user)
{
    struct pv_hosts *hosts = user;
    struct instance *instance = PV_CONTAINER(node, struct instance, node);
    pv_map_remove(&hosts->instances, node);
    pv_free((char *)(uintptr_t)instance->name.ptr);
    pv_free(instance);
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void fill_defaults(struct pv_hosts_options *o)
{
    o->tick_ms = o->tick_ms ? o->tick_ms : 250;
    o->grace_ms = o->grace_ms ? o->grace_ms : 5000;
    o->backoff_ms = o->backoff_ms ? o->backoff_ms : 100;
    o->backoff_cap_ms = o->backoff_cap_ms ? o->backoff_cap_ms : 30000;
}

int pv_hosts_new(const struct pv_hosts_options *options, struct pv_hosts **ret_hosts,
                 struct pv_err *err)
{
    struct pv_hosts *hosts = pv_calloc(1, sizeof(*hosts));
    char *program = pv_strdup(options->program);
    if (!hosts || !program) {
        pv_free(program);
        pv_free(hosts);
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    hosts->options = *options;
    hosts->program = program;
    fill_defaults(&hosts->options);
    pv_map_init(&hosts->instances);
    pv_map_init(&hosts->by_id);
    pv_map_init(&hosts->calls);
    pv_heap_init(&hosts->deadlines);
    pv_list_init(&hosts->all);
    pv_list_init(&hosts->dirty);
    pv_buf_init(&hosts->scratch, PV_FRAME_HEADER + PV_FRAME_MAX);
    if (uv_poll_init(options->loop, &hosts->spawner_poll, options->spawner->fd) != 0) {
        pv_free(program);
        pv_free(hosts);
        return pv_err_set(err, PV_EIO, "the loop does not take the spawner's socket");
    }
    uv_timer_init(options->loop, &hosts->tick);
    uv_prepare_init(options->loop, &hosts->prepare);
    uv_idle_init(options->loop, &hosts->again);
    hosts->spawner_poll.data = hosts;
    hosts->tick.data = hosts;
    hosts->prepare.data = hosts;
    hosts->again.data = hosts;
    hosts->open_handles = 4;
    uv_poll_start(&hosts->spawner_poll, UV_READABLE, on_spawner);
    uv_prepare_start(&hosts->prepare, on_prepare);
    *ret_hosts = hosts;
    return 0;
}

struct pv_runner pv_hosts_runner(struct pv_hosts *hosts)
{
    return (struct pv_runner){.ctx = hosts,
                              .start = pv_calls_start,
                              .cancel = pv_calls_cancel,
                              .answer = pv_calls_answer,
                              .query = pv_calls_query};
}

static void reload_instance(struct pv_map_node *node, void *user)
{
    struct pv_hosts *hosts = user;
    struct instance *instance = PV_CONTAINER(node, struct instance, node);
    instance->not_before_ms = 0; /* the fault may have been mended */
    struct host *host = instance->main;
    if (!host || host->state == PV_HOST_BACKOFF) {
        return;
    }
    struct pv_buf settings;
    pv_buf_init(&settings, PV_FRAME_MAX);
    struct pv_instance_spec spec = {0};
    struct pv_hash now = {{0}};
    struct pv_err err = {0};
    int status = pv_host_configure(hosts, instance, &settings, &spec, &now, &err);
    if (settings.ptr) {
        pv_wipe(settings.ptr, settings.size);
    }
    pv_buf_done(&settings);
    if (status != 0 || !pv_hash_eq(now, host->fingerprint)) {
        pv_log(PV_INFO,
               (pv_lf("instance", instance->name), pv_lf_i64("in_flight", host->in_flight)),
               "configuration changed: the plugin host finishes what it has and stops");
        pv_host_drain(host);
    }
}

void pv_hosts_reload(struct pv_hosts *hosts)
{
    pv_map_each(&hosts->instances, reload_instance, hosts);
}

void pv_hosts_kill_busy(struct pv_hosts *hosts)
{
    for (struct pv_link *link = hosts->all.next; link != &hosts->all; link = link->next) {
        struct host *host = PV_CONTAINER(link, struct host, link);
        if (host->in_flight == 0) {
            continue;
        }
        if (host->state == PV_HOST_BACKOFF) {
            host->drain = true;
            pv_calls_cancel_held(host);
        } else {
            pv_host_kill(host, PV_END_OUTSIDE, 0);
        }
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pv_hosts *hosts = handle->data;
    hosts->open_handles--;
    pv_hosts_check_stopped(hosts);
}

void pv_hosts_check_stopped(struct pv_hosts *hosts)
{
    if (!hosts->stopping || !pv_list_empty(&hosts->all)) {
        return;
    }
    if (!uv_is_closing((uv_handle_t *)&hosts->tick)) {
        uv_close((uv_handle_t *)&hosts->tick, on_handle_closed);
        uv_close((uv_handle_t *)&hosts->prepare, on_handle_closed);
        uv_close((uv_handle_t *)&hosts->again, on_handle_closed);
        uv_close((uv_handle_t *)&hosts->spawner_poll, on_handle_closed);
        return;
    }
    if (hosts->open_handles == 0 && hosts->stopped) {
        void (*stopped)(void *user) = hosts->stopped;
        hosts->stopped = NULL;
        stopped(hosts->stopped_user);
    }
}

void pv_hosts_stop(struct pv_hosts *hosts, void (*stopped)(void *user), void *user)
{
    hosts->stopping = true;
    hosts->stopped = stopped;
    hosts->stopped_user = user;
    struct pv_link *link = hosts->all.next;
    while (link != &hosts->all) {
        struct host *host = PV_CONTAINER(link, struct host, link);
        link = link->next;
        if (host->state == PV_HOST_BACKOFF) {
            host->drain = true; /* its calls are lost at the end of this turn */
            host->instance->not_before_ms = INT64_MAX;
            pv_calls_cancel_held(host);
        } else {
            pv_host_stop(host);
        }
    }
    pv_hosts_check_stopped(hosts);
}

void pv_hosts_free(struct pv_hosts *hosts)
{
    if (!hosts) {
        return;
    }
    pv_group_sweep(hosts);
    pv_map_each(&hosts->instances, free_instance, hosts);
    pv_map_done(&hosts->instances);
    pv_map_done(&hosts->by_id);
    pv_map_done(&hosts->calls);
    pv_heap_done(&hosts->deadlines);
    pv_buf_done(&hosts->scratch);
    pv_free(hosts->program);
    pv_free(hosts);
}

/* ---- what there is
 * ---------------------------------------------------------------------------------- */

struct listing {
    struct pv_hosts *hosts;
    void (*fn)(void *user, const struct pv_host_status *status);
    void *user;
};

static void list_faulty(struct pv_map_node *node, void *user)
{
    struct listing *listing = user;
    struct instance *instance = PV_CONTAINER(node, struct instance, node);
    if (instance->main || instance->solo_count > 0 || instance->fault[0] == '\0') {
        return;
    }
    const struct pv_host_status status = {.instance = instance->name,
                                          .state = PV_HOST_BACKOFF,
                                          .restarts = instance->restarts,
                                          .fault = pv_str(instance->fault)};
    listing->fn(listing->user, &status);
}

void pv_hosts_each(struct pv_hosts *hosts,
                   void (*fn)(void *user, const struct pv_host_status *status), void *user)
{
    for (struct pv_link *link = hosts->all.next; link != &hosts->all; link = link->next) {
        const struct host *host = PV_CONTAINER(link, struct host, link);
        const struct instance *instance = host->instance;
        const struct pv_host_status status = {
            .instance = instance->name,
            .pid = host->pid,
            .state = host->state,
            .solo = host->solo,
            .in_flight = host->in_flight,
            .restarts = instance->restarts,
            .rss_bytes = host->pid ? pv_hosts_resident(host->pid) + host->below_bytes : 0,
            .started_mono_ms = host->started_ms,
            .fault = instance->fault[0] ? pv_str(instance->fault) : (struct pv_str){0},
        };
        fn(user, &status);
    }
    struct listing listing = {.hosts = hosts, .fn = fn, .user = user};
    pv_map_each(&hosts->instances, list_faulty, &listing);
}

uint64_t pv_hosts_restarts(const struct pv_hosts *hosts, struct pv_str name)
{
    const struct pv_map_node *node = pv_map_get(&hosts->instances, name);
    return node ? PV_CONTAINER(node, struct instance, node)->restarts : 0;
}

void pv_hosts_http(struct pv_hosts *hosts, struct pv_str name, struct pv_http_totals *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->ms.first = PV_PAGE_HTTP_FIRST_MS;
    struct pv_map_node *node = pv_map_get(&hosts->instances, name);
    if (!node) {
        return;
    }
    const struct instance *instance = PV_CONTAINER(node, struct instance, node);
    uint64_t first = ret->ms.first;
    *ret = instance->http;
    ret->ms.first = first;
    for (struct pv_link *link = hosts->all.next; link != &hosts->all; link = link->next) {
        const struct host *host = PV_CONTAINER(link, struct host, link);
        if (host->instance == instance && host->page) {
            pv_host_add_http(host, ret);
        }
    }
}

bool pv_hosts_by_cgroup(const struct pv_hosts *hosts)
{
    return hosts->options.cgroup && hosts->options.cgroup->base[0];
}

size_t pv_hosts_without_cgroup(const struct pv_hosts *hosts)
{
    size_t count = 0;
    for (const struct pv_link *link = hosts->all.next; link != &hosts->all; link = link->next) {
        count += PV_CONTAINER(link, struct host, link)->ungrouped ? 1 : 0;
    }
    return count;
}

bool pv_hosts_has_pid(const struct pv_hosts *hosts, int pid)
{
    for (const struct pv_link *link = hosts->all.next; link != &hosts->all; link = link->next) {
        if (PV_CONTAINER(link, struct host, link)->pid == pid) {
            return true;
        }
    }
    return false;
}

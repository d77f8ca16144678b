/* SPDX-License-Identifier: Apache-2.0 */
/* One host, from its launch to the judgement over its calls.
 *
 *   BACKOFF ──launch──▶ STARTING ──READY──▶ READY ──drain──▶ DRAINING ──no call left──▶ STOPPING
 *                          └──── time-out, fault, kill, stop: STOPPING ────▶ over: judged, freed */
#include "core/runner/internal.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTINGS_CAP (1024u * 1024)
#define KILLED_STARTS                                                                              \
    3 /* starts in a row that may end by SIGKILL before it is an instance fault                    \
       */

static struct pv_str id_key(const struct host *host)
{
    return (struct pv_str){(const char *)&host->id, sizeof(host->id)};
}

void pv_host_set_state(struct host *host, enum pv_host_state state)
{
    host->state = state;
    host->since_ms = pv_hosts_now(host->hosts);
}

/* New calls go elsewhere. */
static void retire(struct host *host)
{
    if (host->instance->main == host) {
        host->instance->main = NULL;
    }
}

struct host *pv_host_new(struct instance *instance, struct pv_hosts *hosts, bool solo)
{
    struct host *host = pv_calloc(1, sizeof(*host));
    if (!host) {
        return NULL;
    }
    host->free_slots = pv_calloc(PV_PAGE_SLOTS, sizeof(*host->free_slots));
    hosts->next_host++;
    host->id = hosts->next_host;
    host->hosts = hosts;
    host->instance = instance;
    host->solo = solo;
    host->fd = -1;
    host->spec = (struct pv_instance_spec){.max_in_flight = 1000, .max_queries = 64};
    pv_list_init(&host->calls);
    pv_buf_init(&host->in, PV_FRAME_HEADER + PV_FRAME_MAX + 256 * 1024);
    pv_buf_init(&host->hello, PV_FRAME_HEADER + PV_FRAME_MAX);
    pv_buf_init(&host->out, PV_HOST_OUT_CAP);
    if (!host->free_slots || pv_map_add(&hosts->by_id, &host->node, id_key(host)) != 0) {
        pv_free(host->free_slots);
        pv_free(host);
        return NULL;
    }
    pv_list_push(&hosts->all, &host->link);
    pv_host_set_state(host, PV_HOST_BACKOFF);
    host->idle_since_ms = host->since_ms;
    if (solo) {
        instance->solo_count++;
    } else {
        instance->main = host;
    }
    pv_hosts_mark(host);
    return host;
}

/* ---- launch ------------------------------------------------------------------------------------
 */

static struct pv_str bytes_of(const void *ptr, size_t len)
{
    return (struct pv_str){ptr, len};
}

int pv_host_configure(struct pv_hosts *hosts, const struct instance *instance,
                      struct pv_buf *settings, struct pv_instance_spec *ret_spec,
                      struct pv_hash *ret_fingerprint, struct pv_err *err)
{
    struct pv_instance_spec spec = {.settings = settings};
    int status = hosts->options.instance(hosts->options.ctx, instance->name, &spec, err);
    if (status != 0) {
        return status;
    }
    if (settings->status != 0) {
        return pv_err_set(err, settings->status, "settings: %s", pv_status_text(settings->status));
    }
    spec.max_in_flight = spec.max_in_flight ? spec.max_in_flight : 1000;
    spec.max_queries = spec.max_queries ? spec.max_queries : 64;
    spec.start_timeout_ms = spec.start_timeout_ms ? spec.start_timeout_ms : 30000;
    spec.stuck_after_ms = spec.stuck_after_ms ? spec.stuck_after_ms : 30000;
    spec.idle_after_ms = spec.idle_after_ms ? spec.idle_after_ms : 600000;

    char path[4096];
    struct stat st = {0};
    if (pv_str_to_c(spec.module, path, sizeof(path)) != 0 || stat(path, &st) != 0) {
        return pv_err_set(err, PV_ENOTFOUND, "module %.*s: %s", PV_STR_ARG(spec.module),
                          strerror(errno));
    }
    const int64_t numbers[] = {
        (int64_t)spec.max_in_flight, (int64_t)spec.max_queries,  spec.stuck_after_ms,
        spec.idle_after_ms,          (int64_t)spec.memory_max,   spec.cpu_max_ms,
        (int64_t)st.st_dev,          (int64_t)st.st_ino,         (int64_t)st.st_size,
        (int64_t)st.st_mtim.tv_sec,  (int64_t)st.st_mtim.tv_nsec};
    struct pv_buf reach;
    pv_buf_init(&reach, PV_REACH_BYTES_MAX);
    pv_reach_put(&reach, spec.reach);
    const struct pv_str parts[] = {spec.module,
                                   spec.declared,
                                   spec.data_dir,
                                   spec.callback_base,
                                   pv_buf_view(settings),
                                   pv_buf_view(&reach),
                                   bytes_of(numbers, sizeof(numbers))};
    *ret_fingerprint = pv_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]));
    *ret_spec = spec;
    status = reach.status;
    pv_buf_done(&reach);
    return status == 0 ? 0 : pv_err_set(err, status, "reach: %s", pv_status_text(status));
}

/* A page that the host can neither shrink nor grow: reading it never faults. */
static int make_page(struct host *host, int *ret_fd, struct pv_err *err)
{
    int fd = memfd_create("provost-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "memfd: %s", strerror(errno));
    }
    void *page = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct pv_page)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        page = mmap(NULL, sizeof(struct pv_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (page == MAP_FAILED) {
        int errnum = errno;
        close(fd);
        return pv_err_set(err, pv_status_from_errno(errnum), "page: %s", strerror(errnum));
    }
    host->page = page;
    host->page->magic = PV_PAGE_MAGIC;
    host->page->slots = PV_PAGE_SLOTS;
    *ret_fd = fd;
    return 0;
}

static void put_hello(struct host *host, const struct pv_instance_spec *spec)
{
    const struct pv_wire_hello hello = {
        .version = PV_WIRE_VERSION,
        .instance = host->instance->name,
        .module = spec->module,
        .data_dir = spec->data_dir,
        .settings = pv_buf_view(spec->settings),
        .callback_base = spec->callback_base,
        .max_in_flight = spec->max_in_flight + spec->max_queries,
    };
    pv_wire_put_hello(&host->hello, &hello);
}

/* Socket, page, reach, poll handle, spawner. */
static int launch(struct host *host, const struct pv_instance_spec *spec, struct pv_err *err)
{
    struct pv_hosts *hosts = host->hosts;
    int page_fd = -1;
    int reach_fd = -1;
    int group_fd = -1;
    int fds[2] = {-1, -1};
    int status = make_page(host, &page_fd, err);
    if (status != 0) {
        return status;
    }
    status = pv_reach_to_fd(spec->reach, &reach_fd, err);
    if (status != 0) {
        goto out;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        status = pv_err_set(err, pv_status_from_errno(errno), "socketpair: %s", strerror(errno));
        goto out;
    }
    host->fd = fds[0];
    if (fcntl(host->fd, F_SETFL, O_NONBLOCK) != 0 ||
        uv_poll_init(hosts->options.loop, &host->poll, host->fd) != 0) {
        status = pv_err_set(err, PV_EIO, "the loop does not take its socket");
        goto out;
    }
    host->poll.data = host;
    host->polling = true;
    host->poll_events = UV_READABLE;
    uv_poll_start(&host->poll, UV_READABLE, pv_host_on_poll);
    group_fd = pv_group_make(host, spec->memory_max);
    status = pv_spawner_start(hosts->options.spawner, host->id, hosts->program,
                              host->instance->name.ptr, fds[1], page_fd, reach_fd, group_fd);
    if (status != 0) {
        pv_err_set(err, status, "the spawner: %s", pv_status_text(status));
    }
out:
    if (fds[1] >= 0) {
        close(fds[1]);
    }
    if (reach_fd >= 0) {
        close(reach_fd);
    }
    if (group_fd >= 0) {
        close(group_fd);
    }
    close(page_fd);
    return status;
}

void pv_host_launch(struct host *host)
{
    struct pv_err err = {0};
    struct pv_buf settings;
    pv_buf_init(&settings, SETTINGS_CAP);
    struct pv_instance_spec spec = {0};
    int status =
        pv_host_configure(host->hosts, host->instance, &settings, &spec, &host->fingerprint, &err);
    if (status == 0) {
        put_hello(host, &spec);
        status = host->hello.status;
        if (status != 0) {
            pv_err_set(&err, status, "settings: %s", pv_status_text(status));
        }
    }
    if (settings.ptr) {
        pv_wipe(settings.ptr, settings.size);
    }
    pv_buf_done(&settings);
    if (status == 0) {
        status = launch(host, &spec, &err);
    }
    if (status != 0) {
        snprintf(host->fault, sizeof(host->fault), "%.*s", (int)sizeof(host->fault) - 1, err.text);
        pv_host_over(host);
        return;
    }
    host->spec = spec;
    host->spec.reach = NULL;
    host->started_ms = pv_hosts_now(host->hosts);
    host->heartbeat_ms = host->started_ms;
    pv_host_set_state(host, PV_HOST_STARTING);
    pv_host_flush(host);
}

/* ---- stop and kill
 * ------------------------------------------------------------------------------- */

void pv_host_drain(struct host *host)
{
    retire(host);
    host->drain = true;
    if (host->state == PV_HOST_READY) {
        pv_host_set_state(host, PV_HOST_DRAINING);
    }
    pv_hosts_mark(host);
}

void pv_host_stop(struct host *host)
{
    retire(host);
    switch (host->state) {
    case PV_HOST_BACKOFF:
        host->end = PV_END_OUTSIDE;
        pv_host_over(host);
        break;
    case PV_HOST_STARTING:
        pv_host_kill(host, PV_END_OUTSIDE, 0);
        break;
    case PV_HOST_READY:
    case PV_HOST_DRAINING:
        host->told_stop = true;
        pv_wire_put_empty(&host->out, PV_F_STOP, 0);
        pv_host_set_state(host, PV_HOST_STOPPING);
        pv_hosts_mark(host);
        break;
    case PV_HOST_STOPPING:
    case PV_HOST_STATES:
        break;
    }
}

void pv_host_kill(struct host *host, enum pv_host_end end, uint64_t named)
{
    retire(host);
    if (host->end == 0) {
        host->end = end;
        host->named = named;
        host->broken = end == PV_END_GARBAGE;
    }
    pv_host_set_state(host, PV_HOST_STOPPING);
    host->kill_due = pv_spawner_kill(host->hosts->options.spawner, host->id, SIGKILL) == PV_EBUSY;
}

/* ---- the end
 * -------------------------------------------------------------------------------------- */

/* One clause for people: what happened to the host. */
static void describe(const struct host *host, enum pv_host_end end, char *out, size_t size)
{
    const char *const text[] = {
        [PV_END_STUCK] = host->ready ? "the plugin did not yield and its host was killed"
                                     : "the plugin's host was not ready in time",
        [PV_END_MEMORY] = "the plugin's host grew over its memory limit and was killed",
        [PV_END_BUSY] =
            "threads or programs of the plugin kept a processor busy and its host was killed",
        [PV_END_GARBAGE] = "the plugin's host sent what makes no sense and was killed",
        [PV_END_OVERDUE] = "a call did not end when its time was over and its host was killed",
        [PV_END_KILLED] = "the plugin's host was killed from outside",
        [PV_END_OUTSIDE] = "the plugin's host was stopped",
    };
    if (!host->exited && !host->hosts->spawner_gone) {
        snprintf(out, size, "the plugin's host could not be started");
    } else if (end != PV_END_CRASHED) {
        snprintf(out, size, "%s", text[end]);
    } else if (WIFSIGNALED(host->wait_status)) {
        int sig = WTERMSIG(host->wait_status);
        const char *name = sigabbrev_np(sig);
        snprintf(out, size, "the plugin crashed (signal %d, SIG%s)", sig, name ? name : "?");
    } else {
        snprintf(out, size, "the plugin ended its host (exit status %d)",
                 WEXITSTATUS(host->wait_status));
    }
}

static void log_end(const struct host *host, const char *what)
{
    pv_log(host->end == PV_END_OUTSIDE ? PV_INFO : PV_ERROR,
           (pv_lf("instance", host->instance->name), pv_lf_i64("pid", host->pid)),
           "%s (%u in flight)%s%s", what, host->in_flight, host->fault[0] ? ": " : "", host->fault);
}

static void log_culprit(const struct call *call, struct pv_str what)
{
    struct pv_str instance = call->host->instance->name;
    if (call->id & PV_CALL_QUERY) {
        pv_log(PV_ERROR, (pv_lf("instance", instance), pv_lf_c("query", call->step)),
               "this query took its plugin host down: %.*s", PV_STR_ARG(what));
        return;
    }
    pv_log(PV_ERROR,
           (pv_lf("instance", instance), pv_lf_op(call->op), pv_lf_svc(call->service),
            pv_lf_c("component", call->component), pv_lf_c("step", call->step),
            pv_lf_i64("attempt", call->attempt)),
           "this step took its plugin host down: %.*s", PV_STR_ARG(what));
}

/* The next start waits: first backoff_ms, then twice as long each time, until a host has lived a
 * minute. */
static void back_off(struct host *host)
{
    struct instance *instance = host->instance;
    const struct pv_hosts_options *o = &host->hosts->options;
    int64_t now_ms = pv_hosts_now(host->hosts);
    instance->restarts++;
    if (host->solo) {
        return;
    }
    if (host->ready && now_ms - host->started_ms > 60000) {
        instance->failures = 0;
    }
    unsigned shift = instance->failures < 20 ? instance->failures : 20;
    int64_t wait_ms = o->backoff_ms << shift;
    instance->not_before_ms = now_ms + (wait_ms < o->backoff_cap_ms ? wait_ms : o->backoff_cap_ms);
    instance->failures++;
}

static void lose_calls(struct host *host, const struct pv_verdict_of_end *verdict, uint64_t culprit,
                       bool start_failed, struct pv_str text)
{
    int64_t now_ms = pv_hosts_now(host->hosts);
    while (!pv_list_empty(&host->calls)) {
        struct call *call = PV_CONTAINER(host->calls.next, struct call, link);
        int64_t last_send_ms = 0;
        enum pv_lost lost = PV_LOST_UNTOUCHED;
        if (start_failed) {
            lost = PV_LOST_START;
        } else if (host->page && call->sent) {
            lost = pv_judge_call(host->page, verdict, culprit, call->id, call->slot, &last_send_ms);
        }
        if (lost == PV_LOST_CULPRIT || lost == PV_LOST_CULPRIT_UNTOUCHED) {
            log_culprit(call, text);
        }
        bool touched = lost == PV_LOST_TOUCHED || lost == PV_LOST_CULPRIT;
        if (touched && (last_send_ms <= 0 || last_send_ms > now_ms)) {
            last_send_ms = now_ms; /* it died between marking the slot and noting the time */
        }
        pv_calls_lose(call, lost, last_send_ms, text);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct host *host = handle->data;
    struct pv_hosts *hosts = host->hosts;
    close(host->fd);
    pv_free(host);
    hosts->open_handles--;
    pv_hosts_check_stopped(hosts);
}

/* What is left of it goes in the close callback, because libuv has the poll handle until then. */
static void release(struct host *host)
{
    struct pv_hosts *hosts = host->hosts;
    pv_list_remove(&host->link);
    pv_list_remove(&host->dirty);
    pv_map_remove(&hosts->by_id, &host->node);
    if (host->solo) {
        host->instance->solo_count--;
    }
    if (host->hello.ptr) {
        pv_wipe(host->hello.ptr, host->hello.size);
    }
    pv_buf_done(&host->hello);
    pv_buf_done(&host->in);
    pv_buf_done(&host->out);
    pv_free(host->free_slots);
    if (host->page) {
        pv_host_add_http(host, &host->instance->http);
        munmap(host->page, sizeof(*host->page));
    }
    if (host->polling) {
        hosts->open_handles++;
        uv_close((uv_handle_t *)&host->poll, on_closed);
        return;
    }
    if (host->fd >= 0) {
        close(host->fd);
    }
    pv_free(host);
    pv_hosts_check_stopped(hosts);
}

void pv_host_add_http(const struct host *host, struct pv_http_totals *totals)
{
    const struct pv_page_http *http = &host->page->http;
    for (size_t i = 0; i < 6; i++) {
        totals->answers[i] += atomic_load_explicit(&http->answers[i], memory_order_relaxed);
    }
    for (size_t i = 0; i <= PV_HIST_BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(&http->bucket[i], memory_order_relaxed);
        totals->ms.bucket[i] += count;
        totals->ms.count += count;
    }
    totals->ms.sum += atomic_load_explicit(&http->sum_ms, memory_order_relaxed);
}

void pv_host_over(struct host *host)
{
    struct pv_hosts *hosts = host->hosts;
    struct instance *instance = host->instance;
    retire(host);
    host->state = PV_HOST_STOPPING;
    bool asked = host->told_stop && host->end == 0;
    if (host->end == 0) {
        host->end =
            asked || hosts->spawner_gone ? PV_END_OUTSIDE : pv_judge_exit(host->wait_status);
    }
    if (host->end == PV_END_KILLED && pv_group_was_full(host)) {
        host->end = PV_END_MEMORY;
    }
    pv_group_leave(host);
    /* Killed from outside says nothing about the instance, unless it happens every time. */
    bool by_chance = host->end == PV_END_KILLED && instance->failures < KILLED_STARTS;
    bool start_failed = !host->ready && host->end != PV_END_OUTSIDE && !by_chance;
    const struct pv_verdict_of_end verdict = {.end = host->end,
                                              .named = host->named,
                                              .in_flight = host->in_flight,
                                              .blame_all = instance->nobody > 0};
    uint64_t culprit = host->page && host->ready ? pv_judge_culprit(host->page, &verdict) : 0;
    struct call *blamed = culprit ? pv_calls_find(hosts, culprit) : NULL;
    if (blamed && blamed->host != host) {
        blamed = NULL; /* a scribbled page names somebody else's call */
    }
    char text[400];
    describe(host, host->end, text, sizeof(text));
    bool unasked = !asked && host->end != PV_END_OUTSIDE;
    if (unasked) {
        instance->nobody = blamed || host->in_flight < 2 ? 0 : instance->nobody + 1;
        back_off(host);
    }
    if (unasked || host->in_flight > 0) {
        log_end(host, text);
    }
    if (host->fault[0]) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, ": %s", host->fault);
    }
    if (unasked) {
        snprintf(instance->fault, sizeof(instance->fault), "%.*s", (int)sizeof(instance->fault) - 1,
                 text);
    }
    lose_calls(host, &verdict, blamed ? culprit : 0, start_failed, pv_str(text));
    release(host);
}

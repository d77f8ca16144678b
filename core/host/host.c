/* SPDX-License-Identifier: Apache-2.0 */
/* The host's life: its handles on the loop, the frames that come in and go out, HELLO, the end. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX ((size_t)64 * 1024 * 1024)
#define IN_MAX ((size_t)PV_FRAME_MAX + PV_FRAME_HEADER + 256 * 1024)
#define HEARTBEAT_MS 200
#define IDLE_STACKS 256
#define OPEN_ERROR_BYTES 512

/* ---- Output, and the end ---- */

static void end(struct pv_host *host)
{
    if (host->state == PV_HOST_ENDED) {
        return;
    }
    host->state = PV_HOST_ENDED;
    pv_host_flush(host);
    host->callbacks.ended(host->callbacks.user, host->exit_status);
}

void pv_host_end_when_idle(struct pv_host *host)
{
    if (host->state == PV_HOST_STOPPING && host->calls.count == 0) {
        end(host);
    }
}

static void cancel_node(struct pv_map_node *node, void *user)
{
    (void)user;
    pv_call_cancel(PV_CONTAINER(node, struct pv_call, node));
}

void pv_host_stop(struct pv_host *host)
{
    if (host->state == PV_HOST_ENDED) {
        return;
    }
    host->state = PV_HOST_STOPPING;
    pv_map_each(&host->calls, cancel_node, NULL);
    pv_host_end_when_idle(host);
}

/* The two sides no longer understand each other: what runs is canceled, nothing more is read. */
static void break_off(struct pv_host *host)
{
    host->exit_status = 4;
    pv_host_stop(host);
}

bool pv_host_sent(struct pv_host *host)
{
    if (host->out.status == 0) {
        host->out_good = host->out.len;
        return true;
    }
    /* Whole frames stay; the one that found no memory goes. */
    host->out.status = 0;
    host->out.len = host->out_good;
    break_off(host);
    return false;
}

void pv_host_flush(struct pv_host *host)
{
    if (host->out_good > 0) {
        host->callbacks.out(host->callbacks.user, (struct pv_str){host->out.ptr, host->out_good});
        pv_buf_clear(&host->out);
        host->out_good = 0;
    }
}

static int fault(struct pv_host *host, const char *sentence)
{
    struct pv_buf text;
    pv_buf_init(&text, 4096);
    size_t len = pv_mask_uncut(&host->mask, NULL, sentence, sizeof(((struct pv_err *)0)->text));
    pv_mask_text(&host->mask, NULL, (struct pv_str){sentence, len}, 2000, &text);
    pv_wire_put_text(&host->out, PV_F_FAULT, pv_buf_view(&text));
    pv_buf_done(&text);
    if (pv_host_sent(host)) {
        host->exit_status = 3;
        end(host);
    }
    return 0;
}

size_t pv_host_calls(const struct pv_host *host)
{
    return host->calls.count;
}

/* ---- HELLO ---- */

static int copy(struct pv_str s, char **ret)
{
    char *text = pv_malloc(s.len + 1);
    if (text == NULL) {
        return PV_ENOMEM;
    }
    if (s.len > 0) {
        memcpy(text, s.ptr, s.len);
    }
    text[s.len] = '\0';
    *ret = text;
    return 0;
}

static int load(struct pv_host *host, struct pv_str path, struct pv_err *err)
{
    if (host->opts.plugin != NULL) {
        return pv_module_read(host->opts.plugin, &host->module, err);
    }
    char *module = NULL;
    if (copy(path, &module) != 0) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    int status = pv_module_load(module, &host->module, err);
    pv_free(module);
    return status;
}

/* What this instance declares, where that depends on its settings. */
static int declare(struct pv_host *host, struct pv_err *err)
{
    if (host->module.plugin.declare == NULL) {
        return 0;
    }
    char *plain = NULL;
    int status = pv_json_without_secrets(&host->module.settings, host->settings, &plain);
    if (status != 0) {
        return pv_err_set(err, status, "settings: %s", pv_status_text(status));
    }
    status = pv_module_declare(&host->module, plain, err);
    pv_free(plain);
    return status == 0 ? 0 : pv_err_wrap(err, "%s", host->module.plugin.name);
}

static int enter_data_dir(const struct pv_host *host, struct pv_str data_dir, struct pv_err *err)
{
    if (!host->opts.own_process || data_dir.len == 0) {
        return 0;
    }
    char path[4096];
    char here[4096];
    if (pv_str_to_c(data_dir, path, sizeof(path)) != 0) {
        return pv_err_set(err, PV_ETOOBIG, "the path of the data folder is too long");
    }
    /* It was entered before the process gave up what it may not need to find it. */
    bool there = getcwd(here, sizeof(here)) != NULL && strcmp(here, path) == 0;
    if (!there && chdir(path) != 0) {
        return pv_err_set(err, PV_EIO, "cannot enter the data folder %.*s: %m",
                          PV_STR_ARG(data_dir));
    }
    return 0;
}

static int open_instance(struct pv_host *host, struct pv_err *err)
{
    if (host->module.plugin.open == NULL) {
        host->opened = true;
        return 0;
    }
    char why[OPEN_ERROR_BYTES] = "";
    int code = host->module.plugin.open(host->settings, &host->instance, why, sizeof(why));
    why[sizeof(why) - 1] = '\0';
    if (code != 0) {
        return pv_err_set(err, PV_EINVAL, "%s: %s", host->module.plugin.name,
                          why[0] != '\0' ? why : "open failed without a reason");
    }
    host->opened = true;
    return 0;
}

static int on_hello(struct pv_host *host, const struct pv_frame *frame)
{
    struct pv_wire_hello hello;
    if (pv_wire_get_hello(frame, &hello) != 0) {
        return PV_ESYNTAX;
    }
    struct pv_err err = {0};
    host->max_in_flight = hello.max_in_flight;
    if (hello.version != PV_WIRE_VERSION) {
        snprintf(err.text, sizeof(err.text),
                 "provostd speaks version %" PRIu32
                 " of the host protocol, this host %d: install both from one package",
                 hello.version, PV_WIRE_VERSION);
        return fault(host, err.text);
    }
    if (copy(hello.settings.len > 0 ? hello.settings : PV_STR("{}"), &host->settings) != 0 ||
        copy(hello.callback_base, &host->callback_base) != 0) {
        return PV_ENOMEM;
    }
    if (enter_data_dir(host, hello.data_dir, &err) != 0 || load(host, hello.module, &err) != 0) {
        return fault(host, err.text);
    }
    host->module_read = true;
    if (hello.describe == 0) {
        pv_json_secrets(&host->module.settings, host->settings, &host->mask);
        if (pv_admit_settings(host, host->settings) != 0) {
            return PV_ENOMEM;
        }
    }
    if (hello.settings.len > 0 && declare(host, &err) != 0) {
        return fault(host, err.text);
    }
    if (hello.describe == 0) {
        if (open_instance(host, &err) != 0) {
            return fault(host, err.text);
        }
    }
    struct pv_buf text;
    pv_buf_init(&text, PV_FRAME_MAX - 4);
    pv_module_describe(&host->module, &text);
    if (text.status != 0) {
        bool too_large = text.status == PV_ETOOBIG;
        pv_buf_done(&text);
        return fault(host, too_large ? "the description is too large" : "out of memory");
    }
    pv_wire_put_text(&host->out, PV_F_READY, pv_buf_view(&text));
    pv_buf_done(&text);
    if (!pv_host_sent(host)) {
        return 0;
    }
    host->state = PV_HOST_OPEN;
    if (hello.describe == 1) {
        end(host);
    }
    return 0;
}

/* ---- Input ---- */

static int on_answer(struct pv_host *host, const struct pv_frame *frame)
{
    struct pv_wire_answer answer;
    if (pv_wire_get_answer(frame, &answer) != 0) {
        return PV_ESYNTAX;
    }
    struct pv_call *call = pv_host_find(host, frame->call);
    if (call != NULL) {
        pv_ask_answer(call, &answer);
    }
    return 0;
}

static int on_frame(struct pv_host *host, const struct pv_frame *frame)
{
    if ((frame->type == PV_F_HELLO) != (host->state == PV_HOST_NEW)) {
        /* STOP may come before HELLO: then there is nothing to stop. */
        if (frame->type != PV_F_STOP) {
            return PV_ESYNTAX;
        }
    }
    switch (frame->type) {
    case PV_F_HELLO:
        return on_hello(host, frame);
    case PV_F_STEP:
        return pv_host_on_step(host, frame);
    case PV_F_QUERY:
        return pv_host_on_query(host, frame);
    case PV_F_CANCEL: {
        struct pv_call *call = pv_host_find(host, frame->call);
        if (call != NULL) {
            pv_call_cancel(call);
        }
        return frame->payload.len == 0 ? 0 : PV_ESYNTAX;
    }
    case PV_F_ANSWER:
        return on_answer(host, frame);
    case PV_F_LEASE:
        return pv_wire_get_lease(frame, &host->lease_ms);
    case PV_F_STOP:
        pv_host_stop(host);
        return frame->payload.len == 0 ? 0 : PV_ESYNTAX;
    default:
        return PV_ESYNTAX;
    }
}

/* Uses up whole frames at the start of bytes; *ret_used says how much. */
static int take_frames(struct pv_host *host, struct pv_str bytes, size_t *ret_used)
{
    size_t at = 0;
    while (host->state != PV_HOST_ENDED && host->exit_status == 0) {
        struct pv_frame frame;
        size_t used = 0;
        int got = pv_frame_next((struct pv_str){bytes.ptr + at, bytes.len - at}, &frame, &used);
        if (got <= 0) {
            *ret_used = at;
            return got;
        }
        int status = on_frame(host, &frame);
        if (status != 0) {
            return status;
        }
        at += used;
    }
    *ret_used = bytes.len;
    return 0;
}

int pv_host_feed(struct pv_host *host, struct pv_str bytes)
{
    if (host->state == PV_HOST_ENDED || host->exit_status != 0) {
        return 0;
    }
    int status = 0;
    size_t used = 0;
    if (host->in.len == 0) {
        status = take_frames(host, bytes, &used);
        if (status == 0) {
            status = pv_buf_put(&host->in, bytes.ptr + used, bytes.len - used);
        }
    } else {
        status = pv_buf_put(&host->in, bytes.ptr, bytes.len);
        if (status == 0) {
            status = take_frames(host, pv_buf_view(&host->in), &used);
        }
        if (status == 0) {
            pv_buf_consume(&host->in, used);
        }
    }
    if (status != 0) {
        break_off(host);
    }
    return status;
}

/* ---- The loop ---- */

static void beat(struct pv_host *host)
{
    atomic_store(&host->page->heartbeat_ms, pv_host_now(host));
}

static void on_prepare(uv_prepare_t *handle)
{
    struct pv_host *host = handle->data;
    beat(host);
    pv_timers_arm(host);
    pv_host_flush(host);
}

static void on_check(uv_check_t *handle)
{
    pv_host_drain(handle->data);
}

static void on_heartbeat(uv_timer_t *handle)
{
    beat(handle->data);
}

static void start_handles(struct pv_host *host)
{
    uv_timer_init(host->loop, &host->timer);
    uv_timer_init(host->loop, &host->heartbeat);
    uv_prepare_init(host->loop, &host->prepare);
    uv_check_init(host->loop, &host->check);
    uv_idle_init(host->loop, &host->idle);
    host->timer.data = host;
    host->heartbeat.data = host;
    host->prepare.data = host;
    host->check.data = host;
    host->idle.data = host;
    uv_timer_start(&host->heartbeat, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
    uv_prepare_start(&host->prepare, on_prepare);
    uv_check_start(&host->check, on_check);
    beat(host);
}

static void free_host(struct pv_host *host)
{
    pv_url_server_done(&host->server);
    if (host->module_read) {
        pv_module_done(&host->module);
    }
    if (host->settings != NULL) {
        pv_wipe(host->settings, strlen(host->settings));
    }
    pv_free(host->settings);
    pv_free(host->callback_base);
    pv_mask_done(&host->mask);
    pv_admit_done(host);
    pv_free(host->own_page);
    if (host->in.ptr != NULL) {
        pv_wipe(host->in.ptr, host->in.size);
    }
    pv_buf_done(&host->in);
    pv_buf_done(&host->out);
    pv_map_done(&host->calls);
    pv_heap_done(&host->timers);
    pv_co_pool_done(&host->pool);
    pv_free(host);
}

static void on_net_closed(void *user)
{
    pv_host_release(user);
}

int pv_host_new(uv_loop_t *loop, const struct pv_host_opts *opts,
                const struct pv_host_callbacks *callbacks, struct pv_host **ret_host,
                struct pv_err *err)
{
    struct pv_host *host = pv_calloc(1, sizeof(*host));
    if (host == NULL) {
        return pv_err_set(err, PV_ENOMEM, "out of memory");
    }
    host->loop = loop;
    host->opts = *opts;
    host->callbacks = *callbacks;
    host->clock = opts->clock != NULL ? opts->clock : &pv_clock_system;
    host->rng = opts->rng != NULL ? opts->rng : &pv_rng_system;
    pv_mask_init(&host->mask);
    pv_buf_init(&host->in, IN_MAX);
    pv_buf_init(&host->out, OUT_MAX);
    pv_map_init(&host->calls);
    pv_list_init(&host->ready);
    pv_list_init(&host->cancels);
    pv_list_init(&host->programs);
    pv_heap_init(&host->timers);
    pv_co_pool_init(&host->pool, PV_CO_STACK_BYTES, IDLE_STACKS);
    host->page = opts->page;
    int status = 0;
    if (host->page == NULL) {
        host->own_page = pv_calloc(1, sizeof(*host->own_page));
        host->page = host->own_page;
        status = host->page != NULL ? 0 : PV_ENOMEM;
    }
    if (status == 0) {
        status = pv_names_new(loop, host->clock, on_net_closed, host, &host->names);
    }
    if (status != 0) {
        free_host(host);
        return pv_err_set(err, status, "cannot start the plugin host: %s", pv_status_text(status));
    }
    status = pv_multi_new(loop, &host->multi);
    if (status != 0) {
        (void)pv_names_close(host->names);
        free_host(host);
        return pv_err_set(err, status, "cannot start the plugin host: %s", pv_status_text(status));
    }
    /* A program that does not read its input must not end this process. */
    signal(SIGPIPE, SIG_IGN);
    host->page->magic = PV_PAGE_MAGIC;
    host->page->slots = PV_PAGE_SLOTS;
    start_handles(host);
    *ret_host = host;
    return 0;
}

void pv_host_hold(struct pv_host *host)
{
    host->background++;
}

static void finish_close(struct pv_host *host)
{
    if (host->closing > 0 || host->background > 0) {
        return;
    }
    void (*closed)(void *user) = host->closed;
    void *user = host->closed_user;
    free_host(host);
    closed(user);
}

void pv_host_release(struct pv_host *host)
{
    assert(host->background > 0);
    host->background--;
    if (host->closed != NULL) {
        finish_close(host);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct pv_host *host = handle->data;
    host->closing--;
    finish_close(host);
}

void pv_host_close(struct pv_host *host, void (*closed)(void *user), void *user)
{
    assert(host->calls.count == 0 && host->closed == NULL);
    host->state = PV_HOST_ENDED;
    if (host->opened && host->module.plugin.close != NULL) {
        host->module.plugin.close(host->instance);
    }
    host->closed = closed;
    host->closed_user = user;
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&host->timer, (uv_handle_t *)&host->heartbeat, (uv_handle_t *)&host->prepare,
        (uv_handle_t *)&host->check, (uv_handle_t *)&host->idle,
    };
    host->closing = sizeof(handles) / sizeof(handles[0]);
    pv_exec_close(host);
    pv_host_hold(host);
    pv_multi_close(host->multi, on_net_closed, host);
    pv_host_hold(host);
    if (!pv_names_close(host->names)) {
        host->background--;
    }
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        uv_close(handles[i], on_closed);
    }
}

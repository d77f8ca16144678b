/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the host share: the host, a call in flight, waiting and timers.
 *
 * A call is one run of a plugin function in a coroutine. Host calls that wait put a struct pv_wait
 * on the coroutine's stack and yield; whoever completes it calls pv_wait_done, which puts the call
 * on the ready list. Coroutines are resumed from the ready list only, never from inside a callback
 * of libcurl, c-ares or libuv's other handles. Loop thread only. */
#ifndef PV_HOST_INTERNAL_H
#define PV_HOST_INTERNAL_H

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/host/coroutine.h"
#include "core/host/host.h"
#include "core/host/mask.h"
#include "core/host/memory.h"
#include "core/host/module.h"
#include "core/net/multi.h"
#include "core/net/names.h"
#include "core/net/url.h"

#define PV_HOST_STATE_MAX (64u * 1024)
#define PV_HOST_RESULT_MAX (64u * 1024)
#define PV_HOST_MEMORY_MAX (64u * 1024 * 1024)
#define PV_HOST_JSON_DEPTH 64
#define PV_HOST_FRAMES_MAX 1000u /* LOG and PROGRESS frames of one call */

struct pv_call;
struct pv_named;
struct pv_url;
struct sockaddr;

struct pv_timer {
    struct pv_heap_node node;
    void (*fire)(struct pv_timer *timer);
};

struct pv_wait {
    struct pv_call *call;
    /* Ends it early: must leave nothing behind that refers to the wait, and call pv_wait_done, now
     * or (what cannot be interrupted) when it is over. */
    void (*cancel)(struct pv_wait *wait);
    int result; /* enum provost_error or 0 */
    bool done;
};

enum pv_host_state { PV_HOST_NEW, PV_HOST_OPEN, PV_HOST_STOPPING, PV_HOST_ENDED };

struct pv_host {
    uv_loop_t *loop;
    struct pv_host_opts opts;
    struct pv_host_callbacks callbacks;
    const struct pv_clock *clock;
    const struct pv_rng *rng;
    enum pv_host_state state;

    struct pv_module module;
    bool module_read;
    void *instance;
    bool opened;
    char *settings;         /* JSON, NUL-terminated */
    char *callback_base;    /* or "" */
    struct pv_mask mask;    /* secrets of the settings */
    struct pv_named *named; /* hosts and ports that URLs of the settings name */
    size_t named_count;

    struct pv_page *page;
    struct pv_page *own_page;
    int64_t lease_ms;       /* 0: none yet, no limit */
    uint32_t max_in_flight; /* calls at once; 0: not said */

    struct pv_buf in;
    struct pv_buf out;
    size_t out_good; /* bytes of whole frames in out */
    int exit_status;

    struct pv_map calls; /* by number */
    struct pv_link ready;
    struct pv_link cancels;
    struct pv_co_pool pool;

    struct pv_link programs; /* of exec, not reaped yet */

    struct pv_heap timers;
    uv_timer_t timer;
    uv_timer_t heartbeat;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;

    struct pv_names *names;
    struct pv_multi *multi;
    struct pv_url_server server; /* of the latest request */
    unsigned background;         /* handles and processes that outlive their call */

    unsigned closing;
    void (*closed)(void *user);
    void *closed_user;
};

struct pv_call {
    struct provost_call pub; /* what the plugin sees; host_data points back here */
    struct pv_host *host;
    struct pv_map_node node;
    struct pv_link ready;
    struct pv_link cancel;
    uint64_t id;
    uint32_t slot;
    bool is_query;
    uint8_t kind; /* enum pv_call_kind */
    struct pv_id op;
    provost_step_fn fn;
    struct pv_co *co;
    struct pv_wait *wait;
    struct pv_timer deadline;
    int64_t deadline_ms;
    uint32_t timeout_ms;
    uint32_t next_ask;
    uint32_t logs;
    uint32_t progresses;
    bool canceled;
    bool timed_out;
    bool fenced; /* a host call returned PROVOST_E_FENCED */
    bool touched;
    bool state_changed;
    struct pv_memory memory;
    struct pv_mask mask; /* secrets of this call */
    int returned;
    int64_t retry_after_ms;
    const char *trace;      /* memory; traceparent of the event, or "" */
    const char *signal_key; /* memory, or "": there are no signal URLs */
    char *text;             /* memory or NULL */
    char *result;           /* memory or NULL */
    char error[480];
    char label[160]; /* for the log line of a crash */
};

/* ---- call.c: coroutines, waiting, timers ---- */

/* The call a plugin's host call belongs to; NULL when it is not running as its coroutine now (a
 * `blocking` thread, or after it ended): the host call then returns PROVOST_E_INVALID. */
struct pv_call *pv_call_of(struct provost_call *pub);
/* Takes off what a text of size bytes that was cut has of a secret at its end. */
void pv_call_trim(const struct pv_call *call, char *text, size_t size);
/* Sets the sentence of the call's last error; returns code. */
int pv_call_fail(struct pv_call *call, int code, const char *fmt, ...) PV_PRINTF(3, 4);
/* 0, or PROVOST_E_CANCELED when the call was canceled: the first line of whatever waits. */
int pv_call_check(struct pv_call *call);
/* As pv_call_check, and PROVOST_E_FENCED when the lease, which binds steps, has run out: the first
 * line of whatever reaches a backend. */
int pv_call_check_send(struct pv_call *call);
/* Notes on the status page that something is about to be sent. */
void pv_call_touch(struct pv_call *call);
/* Yields until pv_wait_done; returns its result. */
int pv_call_wait(struct pv_call *call, struct pv_wait *wait);
/* Completes a wait; a second time does nothing. */
void pv_wait_done(struct pv_wait *wait, int result);
/* Ends the call's host calls from the next turn of the loop on. */
void pv_call_cancel(struct pv_call *call);
/* Allocates the coroutine and makes the call ready. The call is in host->calls already. */
int pv_call_start(struct pv_call *call) PV_MUST_CHECK;
void pv_call_free(struct pv_call *call);
/* Runs ready coroutines and pending cancels, a slice of each. */
void pv_host_drain(struct pv_host *host);
/* Milliseconds left until min(timeout_ms from now, the call's deadline); at least 1. */
uint32_t pv_call_time_left(const struct pv_call *call, uint32_t timeout_ms);

int64_t pv_host_now(const struct pv_host *host);
int pv_timer_start(struct pv_host *host, struct pv_timer *timer, int64_t at_ms) PV_MUST_CHECK;
void pv_timer_stop(struct pv_host *host, struct pv_timer *timer);
/* (Re)arms the one libuv timer under all of them. */
void pv_timers_arm(struct pv_host *host);
void pv_timers_fire(struct pv_host *host);

/* ---- dispatch.c ---- */

/* 0 or PV_ESYNTAX: the frame makes no sense. */
int pv_host_on_step(struct pv_host *host, const struct pv_frame *frame) PV_MUST_CHECK;
int pv_host_on_query(struct pv_host *host, const struct pv_frame *frame) PV_MUST_CHECK;
struct pv_str pv_host_key(const uint64_t *id);
struct pv_call *pv_host_find(const struct pv_host *host, uint64_t id); /* NULL: not in flight */

/* ---- host.c ---- */

void pv_host_end_when_idle(struct pv_host *host);

/* Sends what a call came to, takes it out of the host and frees it. */
void pv_host_finish(struct pv_call *call);
/* After appending frames to host->out: true, or the host ends with status 4. */
bool pv_host_sent(struct pv_host *host);
void pv_host_flush(struct pv_host *host);
/* An ANSWER for a call. */
void pv_ask_answer(struct pv_call *call, const struct pv_wire_answer *answer);
/* Counts what must be over before the host can be closed. */
void pv_host_hold(struct pv_host *host);
void pv_host_release(struct pv_host *host);
/* Text of at most 4 KiB, masked and cut, as a LOG frame. */
void pv_host_log(struct pv_call *call, int level, const char *text);

/* ---- json.c ---- */

/* 0, or PROVOST_E_INVALID or PROVOST_E_TOO_BIG with the sentence set: is text JSON (an object when
 * `object`), at most max bytes and not nested too deeply? */
int pv_call_check_json(struct pv_call *call, const char *what, const char *text, size_t max,
                       bool object);
/* Registers the text of members that the fields declare as SECRET, wherever in json they stand. */
void pv_json_secrets(const struct pv_module_fields *fields, const char *json, struct pv_mask *mask);
/* A JSON object without the members that the fields declare as SECRET; freed with pv_free.
 * PV_EINVAL: it is no object; PV_ENOMEM. */
int pv_json_without_secrets(const struct pv_module_fields *fields, const char *json,
                            char **ret_json) PV_MUST_CHECK;

/* ---- the host calls ---- */

extern const struct provost_host pv_host_table;

int pv_call_sleep(struct provost_call *pub, uint32_t ms);
int pv_call_http(struct provost_call *pub, const struct provost_http_request *request,
                 struct provost_http_response *response);
/* The same with a line of trace. */
int pv_trace_exec(struct provost_call *pub, const struct provost_exec_request *request,
                  struct provost_exec_result *result);
int pv_trace_resolve(struct provost_call *pub, const struct provost_resolve_request *request,
                     struct provost_resolve_result *result);
int pv_trace_sleep(struct provost_call *pub, uint32_t ms);
int pv_call_exec(struct provost_call *pub, const struct provost_exec_request *request,
                 struct provost_exec_result *result);
int pv_call_resolve(struct provost_call *pub, const struct provost_resolve_request *request,
                    struct provost_resolve_result *result);
int pv_call_blocking(struct provost_call *pub, void (*fn)(void *arg), void *arg);
int pv_call_idempotency_key(struct provost_call *pub, const char *label, const char **ret_key);
int pv_call_state_save(struct provost_call *pub);
int pv_call_kv_get(struct provost_call *pub, int scope, const char *key, const char **ret_value,
                   uint64_t *ret_version);
int pv_call_kv_put(struct provost_call *pub, int scope, const char *key, const char *value,
                   uint64_t expected_version);
int pv_call_pool_take(struct provost_call *pub, const char *pool, const char *name,
                      const char **ret_value);
int pv_call_pool_give(struct provost_call *pub, const char *pool, const char *name);
int pv_call_pool_reject(struct provost_call *pub, const char *pool, const char *name);
int pv_call_quota_take(struct provost_call *pub, const char *quota, int64_t amount);
int pv_call_quota_give(struct provost_call *pub, const char *quota, int64_t amount);
int pv_call_secret_new(struct provost_call *pub, const char *name, const char *alphabet,
                       uint32_t length, const char **ret_value);

/* Copies the common part of a struct whose first member is its size_t struct_size. false when the
 * plugin's is too small to hold even `least` bytes. */
bool pv_struct_in(void *to, size_t to_size, const void *from, size_t least);
void pv_struct_out(void *to, size_t to_size, const void *from, size_t from_size);

/* ---- admit.c ---- */

/* Takes note of the hosts and ports that URLs of the settings name. 0 or PV_ENOMEM. */
int pv_admit_settings(struct pv_host *host, const char *settings) PV_MUST_CHECK;
void pv_admit_done(struct pv_host *host);
/* May a request for this URL connect to this address? */
bool pv_admit_address(const struct pv_host *host, const struct pv_url *url,
                      const struct sockaddr *address);
bool pv_admit_socket(const struct pv_host *host, const char *path);

/* ---- exec.c, dns.c ---- */

/* Ends the programs of canceled calls at once; each holds the host until it has been reaped. */
void pv_exec_close(struct pv_host *host);

/* (waits) The addresses of a name, as CURLOPT_RESOLVE wants them: "192.0.2.1,[2001:db8::1]"; from
 * the memory. Literals, localhost and /etc/hosts work without a server. */
int pv_call_addresses(struct pv_call *call, const char *name, int64_t deadline_ms,
                      const char **ret_addresses);

#endif

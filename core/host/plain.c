/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls that do not wait, sleep, and the table of all of them. */
#include "core/host/internal.h"

#include "core/base/hash.h"

#include <stdio.h>
#include <string.h>

#define LOG_MAX 4096u
#define PROGRESS_MAX 500u
#define SLEEP_MAX_MS 30000u

bool pv_struct_in(void *to, size_t to_size, const void *from, size_t least)
{
    size_t size = 0;
    if (from == NULL) {
        return false;
    }
    memcpy(&size, from, sizeof(size));
    if (size < least) {
        return false;
    }
    memset(to, 0, to_size);
    memcpy(to, from, size < to_size ? size : to_size);
    return true;
}

void pv_struct_out(void *to, size_t to_size, const void *from, size_t from_size)
{
    size_t keep = sizeof(size_t);
    size_t size = to_size < from_size ? to_size : from_size;
    if (size > keep) {
        memcpy((char *)to + keep, (const char *)from + keep, size - keep);
    }
}

static const char *host_error(struct provost_call *pub)
{
    struct pv_call *call = pv_call_of(pub);
    return call != NULL ? call->error : "host calls belong to the function that was called";
}

static void *host_alloc(struct provost_call *pub, size_t size)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return NULL;
    }
    void *ptr = pv_memory_alloc(&call->memory, size);
    if (ptr == NULL) {
        pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    return ptr;
}

void pv_host_log(struct pv_call *call, int level, const char *text)
{
    struct pv_host *host = call->host;
    if (call->logs > PV_HOST_FRAMES_MAX || host->out.status != 0) {
        return;
    }
    call->logs++;
    if (call->logs > PV_HOST_FRAMES_MAX) {
        text = "more log lines of this call are dropped";
    }
    struct pv_buf masked;
    pv_buf_init(&masked, LOG_MAX + 64);
    pv_mask_text(&host->mask, &call->mask, pv_str(text), LOG_MAX, &masked);
    pv_wire_put_log(&host->out, call->id, (uint8_t)level, pv_buf_view(&masked));
    pv_buf_done(&masked);
    pv_host_sent(host);
}

static void host_log(struct provost_call *pub, int level, const char *text)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL || text == NULL) {
        return;
    }
    int known = level < PROVOST_LOG_DEBUG || level > PROVOST_LOG_ERROR ? PROVOST_LOG_ERROR : level;
    pv_host_log(call, known, text);
}

static void host_secret(struct provost_call *pub, const char *value)
{
    struct pv_call *call = pv_call_of(pub);
    if (call != NULL && value != NULL) {
        pv_mask_add(&call->mask, pv_str(value));
    }
}

static void host_progress(struct provost_call *pub, int percent, const char *text)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL || call->progresses >= PV_HOST_FRAMES_MAX) {
        return;
    }
    struct pv_host *host = call->host;
    call->progresses++;
    struct pv_buf masked;
    pv_buf_init(&masked, PROGRESS_MAX + 64);
    pv_mask_text(&host->mask, &call->mask, pv_str(text != NULL ? text : ""), PROGRESS_MAX, &masked);
    int shown = percent < -1 ? -1 : percent > 100 ? 100 : percent;
    pv_wire_put_progress(&host->out, call->id, shown, pv_buf_view(&masked));
    pv_buf_done(&masked);
    pv_host_sent(host);
}

static int host_outcome(struct provost_call *pub, int outcome, int64_t retry_after_ms,
                        const char *text)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return outcome;
    }
    call->retry_after_ms = retry_after_ms < -1 ? -1 : retry_after_ms;
    call->text = NULL;
    if (text != NULL) {
        call->text = pv_memory_str(&call->memory, pv_str(text));
    }
    return outcome;
}

static int host_result(struct provost_call *pub, const char *json)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    int code = pv_call_check_json(call, "the result", json, PV_HOST_RESULT_MAX, false);
    if (code != 0) {
        return code;
    }
    char *copy = pv_memory_str(&call->memory, pv_str(json));
    if (copy == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    call->result = copy;
    return 0;
}

static int host_state_set(struct provost_call *pub, const char *json)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    if (call->is_query) {
        return pv_call_fail(call, PROVOST_E_DENIED, "state_set: a query changes nothing");
    }
    int code = pv_call_check_json(call, "the state document", json, PV_HOST_STATE_MAX, true);
    if (code != 0) {
        return code;
    }
    const char *copy = pv_memory_str(&call->memory, pv_str(json));
    if (copy == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    pub->state = copy;
    call->state_changed = true;
    return 0;
}

/* ---- sleep ---- */

struct sleeper {
    struct pv_wait wait;
    struct pv_timer timer;
};

static void on_slept(struct pv_timer *timer)
{
    struct sleeper *sleeper = PV_CONTAINER(timer, struct sleeper, timer);
    pv_wait_done(&sleeper->wait, 0);
}

static void wake_sleeper(struct pv_wait *wait)
{
    struct sleeper *sleeper = PV_CONTAINER(wait, struct sleeper, wait);
    pv_timer_stop(wait->call->host, &sleeper->timer);
    pv_wait_done(wait, PROVOST_E_CANCELED);
}

int pv_call_sleep(struct provost_call *pub, uint32_t ms)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    int code = pv_call_check(call);
    if (code != 0) {
        return code;
    }
    if (ms > SLEEP_MAX_MS) {
        return pv_call_fail(call, PROVOST_E_INVALID,
                            "sleep: at most %u ms; return PROVOST_PENDING for longer waits",
                            SLEEP_MAX_MS);
    }
    struct sleeper sleeper = {.wait = {.call = call, .cancel = wake_sleeper},
                              .timer = {.fire = on_slept}};
    if (pv_timer_start(call->host, &sleeper.timer, pv_host_now(call->host) + ms) != 0) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    return pv_call_wait(call, &sleeper.wait);
}

/* ---- Names ---- */

static bool good_signal(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return len > 0 && len <= 64 && name[len] == '\0';
}

static int host_signal_url(struct provost_call *pub, const char *name, const char **ret_url)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    if (call->is_query || name == NULL || !good_signal(name)) {
        return pv_call_fail(
            call, PROVOST_E_INVALID,
            "signal_url: a step's name of up to 64 characters [a-z0-9_-] is needed");
    }
    if (call->host->callback_base[0] == '\0' || call->signal_key[0] == '\0') {
        return pv_call_fail(call, PROVOST_E_FAILED,
                            "signal_url: the configuration has no public address for callbacks "
                            "(callback_url)");
    }
    size_t size = strlen(call->host->callback_base) + strlen(pub->operation_id) + strlen(name) +
                  strlen(call->signal_key) + 20;
    char *url = pv_memory_alloc(&call->memory, size);
    if (url == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    snprintf(url, size, "%s%s/signals/%s?key=%s", call->host->callback_base, pub->operation_id,
             name, call->signal_key);
    *ret_url = url;
    return 0;
}

int pv_call_idempotency_key(struct provost_call *pub, const char *label, const char **ret_key)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    if (call->is_query || label == NULL) {
        return pv_call_fail(call, PROVOST_E_INVALID,
                            "idempotency_key: a step and a label are needed");
    }
    char run[16];
    snprintf(run, sizeof(run), "%u", pub->run);
    const struct pv_str parts[] = {
        pv_str(pub->operation_id),
        pv_str(run),
        pv_str(pub->component),
        pv_str(pub->step),
        pv_str(call->kind == PV_CALL_UNDO ? "undo" : "run"),
        pv_str(label),
    };
    struct pv_hash hash = pv_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]));
    char *key = pv_memory_alloc(&call->memory, 2 * PV_HASH_BYTES + 1);
    if (key == NULL) {
        return pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
    }
    pv_hex(hash.b, PV_HASH_BYTES, key);
    *ret_key = key;
    return 0;
}

const struct provost_host pv_host_table = {
    .struct_size = sizeof(struct provost_host),
    .abi = PROVOST_ABI,
    .error = host_error,
    .alloc = host_alloc,
    .log = host_log,
    .secret = host_secret,
    .progress = host_progress,
    .outcome = host_outcome,
    .result = host_result,
    .state_set = host_state_set,
    .state_save = pv_call_state_save,
    .http = pv_call_http,
    .sleep = pv_trace_sleep,
    .exec = pv_trace_exec,
    .resolve = pv_trace_resolve,
    .blocking = pv_call_blocking,
    .signal_url = host_signal_url,
    .idempotency_key = pv_call_idempotency_key,
    .kv_get = pv_call_kv_get,
    .kv_put = pv_call_kv_put,
    .pool_take = pv_call_pool_take,
    .pool_give = pv_call_pool_give,
    .pool_reject = pv_call_pool_reject,
    .quota_take = pv_call_quota_take,
    .quota_give = pv_call_quota_give,
    .secret_new = pv_call_secret_new,
};

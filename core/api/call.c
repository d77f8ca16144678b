/* SPDX-License-Identifier: Apache-2.0 */
/* A call: reading its request, using the store, answering. */
#include "core/api/cors.h"
#include "core/api/holds.h"
#include "core/api/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- answering ---- */

void pv_call_free(struct pv_call *call)
{
    pv_list_remove(&call->link);
    pv_hold_drop(call);
    if (call->req_used) {
        pv_req_done(&call->r.req);
    }
    pv_json_done(&call->body);
    json_decref(call->json);
    pv_buf_done(&call->scratch);
    pv_buf_done(&call->out);
    pv_arena_done(&call->arena);
    pv_free(call);
}

struct limit_texts {
    char policy[64];
    char now[64];
    char retry[24];
};

/* RateLimit and RateLimit-Policy as draft-ietf-httpapi-ratelimit-headers has them. */
static void add_limits(const struct pv_call *call, unsigned status, struct limit_texts *texts,
                       struct pv_http_answer *answer)
{
    const struct pv_limit_state *limit = &call->limit;
    if (limit->burst > 0) {
        snprintf(texts->policy, sizeof(texts->policy), "\"calls\";q=%lld;w=%lld",
                 (long long)limit->burst, (long long)limit->window_s);
        snprintf(texts->now, sizeof(texts->now), "\"calls\";r=%lld;t=%lld", (long long)limit->left,
                 (long long)limit->reset_s);
        pv_http_add(answer, "RateLimit-Policy", texts->policy);
        pv_http_add(answer, "RateLimit", texts->now);
    }
    int64_t retry_s = status == 503 ? 5 : (call->retry_s > 0 ? call->retry_s : 1);
    snprintf(texts->retry, sizeof(texts->retry), "%lld", (long long)retry_s);
    pv_http_add(answer, "Retry-After", status == 503 || status == 429 ? texts->retry : NULL);
}

void pv_call_send_type(struct pv_call *call, unsigned status, const char *type)
{
    struct pv_http_answer answer = {.status = status, .type = type};
    struct limit_texts texts;
    pv_http_add(&answer, "Location", call->location);
    pv_http_add(&answer, "Allow", call->allow);
    pv_http_add(&answer, "WWW-Authenticate", status == 401 ? "Bearer" : NULL);
    add_limits(call, status, &texts, &answer);
    pv_cors_add(call, &answer);
    pv_http_add(&answer, "Preference-Applied", call->wait_applied ? "wait" : NULL);
    struct pv_http_request *http = call->http;
    if (pv_log_on(PV_DEBUG)) { /* without the query, which may hold what nobody else should know */
        pv_log(PV_DEBUG,
               (pv_lf("method", http->method), pv_lf("path", http->path),
                pv_lf_c("actor", call->who.actor), pv_lf_i64("status", status)),
               "http: answered");
    }
    pv_http_answer(http, &answer, &call->out);
    pv_call_free(call);
}

void pv_call_send(struct pv_call *call, unsigned status)
{
    pv_call_send_type(call, status, NULL);
}

static void fail_text(struct pv_call *call, unsigned status, const char *code, const char *text)
{
    pv_buf_done(&call->out);
    pv_buf_init(&call->out, PV_API_ANSWER_MAX);
    pv_fault_write(&call->out, code, pv_str(text));
    pv_call_send(call, status);
}

void pv_call_fail(struct pv_call *call, unsigned status, const char *code, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fail_text(call, status, code, text);
}

void pv_call_fail_faults(struct pv_call *call, unsigned status, struct pv_faults *faults)
{
    pv_buf_done(&call->out);
    pv_buf_init(&call->out, PV_API_ANSWER_MAX);
    pv_faults_write(faults, &call->out);
    pv_faults_done(faults);
    pv_call_send(call, status);
}

void pv_call_fail_status(struct pv_call *call, int status, const struct pv_err *err,
                         const char *what)
{
    const char *text = err != NULL && err->text[0] != '\0' ? err->text : pv_status_text(status);
    switch (status) {
    case PV_ENOTFOUND:
        pv_call_fail(call, 404, "not_found", "there is no such %s", what);
        break;
    case PV_ECONFLICT:
    case PV_EEXISTS:
        fail_text(call, 409, "conflict", text);
        break;
    case PV_EINVAL:
    case PV_ESYNTAX:
        fail_text(call, 400, "invalid", text);
        break;
    case PV_EBUSY:
        pv_call_fail(call, 503, "busy", "too much is waiting to be done already; try again later");
        break;
    case PV_ENOSPACE:
    case PV_EIO:
    case PV_ECLOSED:
        pv_call_fail(call, 503, "store_unavailable", "the store cannot be written: %s", text);
        break;
    case PV_ETOOBIG:
        fail_text(call, 413, "too_large", text);
        break;
    case PV_ENOMEM:
        fail_text(call, 503, "no_memory", "out of memory, try again");
        break;
    default:
        fail_text(call, 500, "internal", text);
        break;
    }
}

/* ---- reading the request ---- */

bool pv_call_is_admin(const struct pv_call *call)
{
    return (call->who.scopes & PV_SCOPE_ADMIN) != 0;
}

int pv_call_decode(struct pv_call *call, struct pv_str text, bool plus, struct pv_str *ret_text)
{
    if (text.len == 0 || (memchr(text.ptr, '%', text.len) == NULL &&
                          (!plus || memchr(text.ptr, '+', text.len) == NULL))) {
        *ret_text = text.ptr != NULL ? text : PV_STR("");
        return pv_utf8_valid(*ret_text, NULL) ? 0 : PV_EINVAL;
    }
    char *out = pv_arena_alloc(&call->arena, text.len + 1);
    if (out == NULL) {
        return PV_ENOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? pv_hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? pv_hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return PV_EINVAL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    *ret_text = (struct pv_str){out, n};
    return pv_utf8_valid(*ret_text, NULL) ? 0 : PV_EINVAL;
}

struct pv_str pv_call_param(struct pv_call *call, const char *name)
{
    struct pv_str rest = call->http->query;
    while (rest.len > 0) {
        const char *amp = memchr(rest.ptr, '&', rest.len);
        size_t len = amp != NULL ? (size_t)(amp - rest.ptr) : rest.len;
        struct pv_str pair = {rest.ptr, len};
        size_t used = amp != NULL ? len + 1 : len;
        rest = (struct pv_str){rest.ptr + used, rest.len - used};
        const char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t key_len = equals != NULL ? (size_t)(equals - pair.ptr) : pair.len;
        if (!pv_str_eq_c((struct pv_str){pair.ptr, key_len}, name)) {
            continue;
        }
        struct pv_str value = {pair.ptr + key_len + 1, pair.len - key_len - 1};
        value = equals != NULL ? value : PV_STR("");
        if (pv_call_decode(call, value, true, &value) != 0) {
            return PV_STR("\xFF"); /* no valid value of any parameter */
        }
        return value;
    }
    return (struct pv_str){NULL, 0};
}

bool pv_call_parse(struct pv_call *call, bool optional)
{
    struct pv_str body = call->http->body;
    body = body.len == 0 && optional ? PV_STR("{}") : body;
    struct pv_err err = {0};
    size_t offset = 0;
    int status = pv_json_parse(&call->body, body, &offset, &err);
    if (status == 0) {
        return true;
    }
    if (status == PV_ENOMEM) {
        pv_call_fail_status(call, status, NULL, "");
        return false;
    }
    char sentence[560];
    struct pv_json_position at = pv_json_position(body, offset);
    snprintf(sentence, sizeof(sentence), "malformed JSON at line %zu, column %zu: %s", at.line,
             at.column, err.text);
    pv_fault_write_at(&call->out, "malformed_json", pv_str(sentence), body, offset);
    pv_call_send(call, 400);
    return false;
}

const struct pv_json *pv_call_object(struct pv_call *call, const char *const *keys, size_t count)
{
    if (!pv_call_parse(call, true)) {
        return NULL;
    }
    const struct pv_json *object = &call->body.values[0];
    if (object->type != PV_JSON_OBJECT) {
        pv_call_fail(call, 400, "wrong_type", "expected an object, got %s",
                     pv_json_type_name(object->type));
        return NULL;
    }
    struct pv_json_iter iter = pv_json_iter(&call->body, object);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        size_t i = 0;
        while (i < count && !pv_str_eq_c(key->text, keys[i])) {
            i++;
        }
        if (i == count) {
            const char *near = pv_str_nearest(key->text, keys, count);
            pv_call_fail(call, 400, "unknown_key",
                         near != NULL ? "unknown key \"%.*s\"; did you mean \"%s\"?"
                                      : "unknown key \"%.*s\"",
                         (int)(key->text.len < 64 ? key->text.len : 64), key->text.ptr, near);
            return NULL;
        }
    }
    return object;
}

bool pv_call_text(struct pv_call *call, const struct pv_json *object, const char *key, size_t max,
                  bool required, struct pv_str *ret_text)
{
    const struct pv_json *value = pv_json_get(&call->body, object, key);
    *ret_text = (struct pv_str){NULL, 0};
    if (value == NULL && !required) {
        return true;
    }
    if (value == NULL) {
        pv_call_fail(call, 400, "required", "\"%s\" is required", key);
    } else if (value->type != PV_JSON_STRING) {
        pv_call_fail(call, 400, "wrong_type", "\"%s\": expected a string, got %s", key,
                     pv_json_type_name(value->type));
    } else if (value->text.len > max || (required && value->text.len == 0)) {
        pv_call_fail(call, 400, "invalid", "\"%s\": expected 1 to %zu bytes", key, max);
    } else {
        *ret_text = value->text;
        return true;
    }
    return false;
}

bool pv_call_id(struct pv_call *call, size_t arg, const char *prefix, struct pv_id *ret_id)
{
    if (pv_id_parse(prefix, call->args[arg], ret_id) == 0) {
        return true;
    }
    pv_call_fail(call, 404, "not_found", "there is no such %s",
                 strcmp(prefix, "svc") == 0 ? "service"
                                            : (strcmp(prefix, "op") == 0 ? "operation" : "token"));
    return false;
}

int pv_call_prefer_wait(const struct pv_call *call)
{
    struct pv_str header = pv_http_header(call->http, "Prefer");
    for (size_t i = 0; i + 5 < header.len; i++) {
        bool starts = i == 0 || header.ptr[i - 1] == ' ' || header.ptr[i - 1] == ',' ||
                      header.ptr[i - 1] == ';';
        if (!starts || strncasecmp(header.ptr + i, "wait=", 5) != 0) {
            continue;
        }
        size_t digits = i + 5;
        int seconds = 0;
        while (digits < header.len && header.ptr[digits] >= '0' && header.ptr[digits] <= '9' &&
               seconds < 10000) {
            seconds = seconds * 10 + (header.ptr[digits] - '0');
            digits++;
        }
        return seconds < PV_API_WAIT_MAX_S ? seconds : PV_API_WAIT_MAX_S;
    }
    return 0;
}

#define LIST_PARAMS 8

/* false: it has failed the call. */
static bool only_params(struct pv_call *call, const char *const *own)
{
    const char *names[LIST_PARAMS] = {"limit", "after", "source"};
    size_t count = 3;
    for (; *own != NULL && count < LIST_PARAMS; own++) {
        names[count++] = *own;
    }
    struct pv_str rest = call->http->query;
    while (rest.len > 0) {
        const char *amp = memchr(rest.ptr, '&', rest.len);
        size_t len = amp != NULL ? (size_t)(amp - rest.ptr) : rest.len;
        const char *equals = len > 0 ? memchr(rest.ptr, '=', len) : NULL;
        struct pv_str name = {rest.ptr, equals != NULL ? (size_t)(equals - rest.ptr) : len};
        size_t i = 0;
        while (i < count && !pv_str_eq_c(name, names[i])) {
            i++;
        }
        if (i == count && name.len > 0) {
            const char *near = pv_str_nearest(name, names, count);
            name.len = name.len < 64 && pv_utf8_valid(name, NULL) ? name.len : 0;
            pv_call_fail(call, 400, "unknown_parameter",
                         near != NULL ? "unknown parameter \"%.*s\"; did you mean \"%s\"?"
                                      : "unknown parameter \"%.*s\"",
                         PV_STR_ARG(name), near);
            return false;
        }
        size_t used = amp != NULL ? len + 1 : len;
        rest = (struct pv_str){rest.ptr + used, rest.len - used};
    }
    return true;
}

bool pv_call_page(struct pv_call *call, const char *const *own, size_t *ret_limit,
                  struct pv_str *ret_after)
{
    if (!only_params(call, own)) {
        return false;
    }
    struct pv_str limit = pv_call_param(call, "limit");
    int64_t n = PV_API_PAGE;
    if (limit.ptr != NULL && (pv_str_to_i64(limit, &n) != 0 || n < 1 || n > PV_API_PAGE_MAX)) {
        pv_call_fail(call, 400, "invalid", "limit: expected a number from 1 to %d",
                     PV_API_PAGE_MAX);
        return false;
    }
    *ret_limit = (size_t)n;
    *ret_after = pv_call_param(call, "after");
    return true;
}

bool pv_call_source(struct pv_call *call, struct pv_str *ret_source)
{
    struct pv_str asked = pv_call_param(call, "source");
    if (!pv_call_is_admin(call)) {
        if (asked.ptr != NULL && !pv_str_eq(asked, call->who.source)) {
            pv_call_fail(call, 403, "forbidden", "this token belongs to another source");
            return false;
        }
        *ret_source = call->who.source;
        return true;
    }
    if (asked.ptr != NULL && !pv_source_valid(asked)) {
        pv_call_fail(call, 400, "invalid", "source: not the name of a source");
        return false;
    }
    *ret_source = asked;
    return true;
}

/* ---- the store ---- */

void pv_call_req_done(struct pv_call *call)
{
    if (call->req_used) {
        call->req_used = false;
        pv_req_done(&call->r.req);
    }
}

void pv_call_req(struct pv_call *call, enum pv_req_kind kind, void (*done)(struct pv_req *req))
{
    pv_call_req_done(call);
    memset(&call->r, 0, sizeof(call->r));
    pv_req_init(&call->r.req, kind, done, call);
    call->req_used = true;
}

void pv_call_submit(struct pv_call *call)
{
    int status = pv_store_submit(call->api->o.store, &call->r.req);
    if (status != 0) {
        pv_call_fail_status(call, status, NULL, "");
    }
}

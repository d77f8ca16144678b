/* SPDX-License-Identifier: Apache-2.0 */
/* Comfort for plugin authors on top of plugin.h: JSON in and out (jansson), formatted sentences, an
 * HTTP request with JSON in one call, and what an answer or a failure means for a step. Everything
 * is static inline: no ABI is promised and nothing is exported. Link with jansson.
 *
 * json_t pointers that a function returns or puts through ret_… are new references: json_decref
 * them. */
#ifndef PROVOST_JSON_H
#define PROVOST_JSON_H

#include <provost/plugin.h>

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PROVOST_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define PROVOST_PRINTF(format_index, first)
#endif

/* Deeper JSON is refused: jansson recurses, and a call's stack is small. */
#define PROVOST_JSON_DEPTH 100

/* ---- Sentences --------------------------------------------------------------------------------
 */

/* printf into memory of the call; "" when there is none left. */
static inline const char *provost_vformat(struct provost_call *call, const char *format, va_list ap)
{
    va_list again;
    char *text = NULL;
    int length;
    va_copy(again, ap);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length >= 0) {
        text = (char *)call->host->alloc(call, (size_t)length + 1);
    }
    if (text == NULL) {
        return "";
    }
    vsnprintf(text, (size_t)length + 1, format, ap);
    return text;
}

static inline PROVOST_PRINTF(2, 3) const
    char *provost_format(struct provost_call *call, const char *format, ...)
{
    const char *text;
    va_list ap;
    va_start(ap, format);
    text = provost_vformat(call, format, ap);
    va_end(ap);
    return text;
}

/* Ends a step: return provost_fail(call, PROVOST_PERMANENT, -1, "zone %s exists", zone);
 * retry_after_ms -1: the usual backoff. Returns outcome. */
static inline PROVOST_PRINTF(4, 5) int provost_fail(struct provost_call *call, int outcome,
                                                    int64_t retry_after_ms, const char *format, ...)
{
    const char *text;
    va_list ap;
    va_start(ap, format);
    text = provost_vformat(call, format, ap);
    va_end(ap);
    return call->host->outcome(call, outcome, retry_after_ms, text);
}

static inline PROVOST_PRINTF(3, 4) void provost_log(struct provost_call *call, int level,
                                                    const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    call->host->log(call, level, provost_vformat(call, format, ap));
    va_end(ap);
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static inline int provost_json_too_deep(const char *text, size_t length)
{
    int depth = 0;
    int in_string = 0;
    size_t i;
    for (i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = 0;
            }
        } else if (c == '"') {
            in_string = 1;
        } else if (c == '[' || c == '{') {
            depth++;
            if (depth > PROVOST_JSON_DEPTH) {
                return 1;
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return 0;
}

/* NULL when it is no JSON, or nested too deeply. For bytes of a backend use this and not
 * json_loadb. */
static inline json_t *provost_parse(const char *text, size_t length)
{
    if (text == NULL || provost_json_too_deep(text, length)) {
        return NULL;
    }
    return json_loadb(text, length, JSON_DECODE_ANY, NULL);
}

/* What the call is given, as objects; NULL only when memory ran out. */
static inline json_t *provost_settings(struct provost_call *call)
{
    return provost_parse(call->settings, strlen(call->settings));
}

static inline json_t *provost_input(struct provost_call *call)
{
    return provost_parse(call->input, strlen(call->input));
}

static inline json_t *provost_state(struct provost_call *call)
{
    return provost_parse(call->state, strlen(call->state));
}

/* The member at a path such as "service.params.memory"; borrowed; NULL when it is not there. */
static inline json_t *provost_at(const json_t *json, const char *path)
{
    char key[128];
    while (json != NULL && path[0] != '\0') {
        size_t length = strcspn(path, ".");
        if (length >= sizeof(key)) {
            return NULL;
        }
        memcpy(key, path, length);
        key[length] = '\0';
        json = json_object_get(json, key);
        path += length;
        path += path[0] == '.' ? 1 : 0;
    }
    return (json_t *)(uintptr_t)json;
}

/* The text, number or truth at a path, or the fallback when it is absent or of another type. Texts
 * are borrowed from json. */
static inline const char *provost_text_at(const json_t *json, const char *path,
                                          const char *fallback)
{
    const json_t *found = provost_at(json, path);
    return json_is_string(found) ? json_string_value(found) : fallback;
}

static inline int64_t provost_int_at(const json_t *json, const char *path, int64_t fallback)
{
    const json_t *found = provost_at(json, path);
    return json_is_integer(found) ? (int64_t)json_integer_value(found) : fallback;
}

static inline int provost_bool_at(const json_t *json, const char *path, int fallback)
{
    const json_t *found = provost_at(json, path);
    return json_is_boolean(found) ? json_is_true(found) : fallback;
}

/* JSON as text in memory of the call; NULL when there is none left. */
static inline const char *provost_dump(struct provost_call *call, const json_t *json)
{
    size_t size = json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text = size > 0 ? (char *)call->host->alloc(call, size + 1) : NULL;
    if (text == NULL) {
        return NULL;
    }
    json_dumpb(json, text, size, JSON_COMPACT | JSON_ENCODE_ANY);
    text[size] = '\0';
    return text;
}

/* Replaces the state document. 0 or enum provost_error. */
static inline int provost_set_state(struct provost_call *call, const json_t *state)
{
    const char *text = provost_dump(call, state);
    return text != NULL ? call->host->state_set(call, text) : PROVOST_E_NOMEM;
}

/* What a query answers, or an action shows. 0 or enum provost_error. */
static inline int provost_set_result(struct provost_call *call, const json_t *result)
{
    const char *text = provost_dump(call, result);
    return text != NULL ? call->host->result(call, text) : PROVOST_E_NOMEM;
}

/* ---- HTTP with JSON ---------------------------------------------------------------------------
 */

#define PROVOST_HEADERS_MAX 32

/* Sends request with body (borrowed; NULL: none) as JSON. 0 when there is an answer of any status:
 * *ret_json is its body, NULL when that is no JSON; NULL on a failure too. ret_json may be NULL.
 * method, url and the other members of request are the caller's; its body is replaced. */
static inline int provost_send_json(struct provost_call *call,
                                    const struct provost_http_request *request, const json_t *body,
                                    json_t **ret_json, struct provost_http_response *response)
{
    const char *lines[PROVOST_HEADERS_MAX + 3];
    struct provost_http_request copy;
    size_t count = 0;
    int code;
    if (ret_json != NULL) {
        *ret_json = NULL;
    }
    memset(&copy, 0, sizeof(copy));
    memcpy(&copy, request,
           request->struct_size < sizeof(copy) ? request->struct_size : sizeof(copy));
    copy.struct_size = sizeof(copy);
    lines[count++] = "Accept: application/json";
    if (body != NULL) {
        lines[count++] = "Content-Type: application/json";
        copy.body = provost_dump(call, body);
        if (copy.body == NULL) {
            return PROVOST_E_NOMEM;
        }
        copy.body_len = strlen(copy.body);
    }
    if (request->headers != NULL) {
        size_t i;
        for (i = 0; request->headers[i] != NULL; i++) {
            if (i == PROVOST_HEADERS_MAX) {
                return PROVOST_E_TOO_BIG;
            }
            lines[count++] = request->headers[i];
        }
    }
    lines[count] = NULL;
    copy.headers = lines;
    code = call->host->http(call, &copy, response);
    if (code == 0 && ret_json != NULL) {
        *ret_json = provost_parse(response->body, response->body_len);
    }
    return code;
}

/* The same in one line. headers may be NULL; flags are PROVOST_H_…; response is initialised here.
 */
static inline int provost_http_json(struct provost_call *call, const char *method, const char *url,
                                    const char *const *headers, const json_t *body, uint32_t flags,
                                    json_t **ret_json, struct provost_http_response *response)
{
    struct provost_http_request request;
    memset(&request, 0, sizeof(request));
    memset(response, 0, sizeof(*response));
    request.struct_size = sizeof(request);
    request.method = method;
    request.url = url;
    request.headers = headers;
    request.flags = flags;
    response->struct_size = sizeof(*response);
    return provost_send_json(call, &request, body, ret_json, response);
}

/* ---- What it means for the step ---------------------------------------------------------------
 */

/* What the backend said is wrong: the text of "error", "message", "detail" or "error.message" of a
 * JSON answer, or the beginning of a plain one; "" for HTML and nothing. */
static inline const char *provost_backend_error(struct provost_call *call,
                                                const struct provost_http_response *response)
{
    static const char *const places[] = {"error", "message", "detail", "error.message", "errors"};
    const char *said = NULL;
    json_t *json;
    size_t i;
    if (response == NULL || response->body == NULL || response->body_len == 0) {
        return "";
    }
    json = provost_parse(response->body, response->body_len);
    for (i = 0; json != NULL && said == NULL && i < sizeof(places) / sizeof(places[0]); i++) {
        said = provost_text_at(json, places[i], NULL);
    }
    if (said != NULL) {
        said = provost_format(call, ": %.300s", said);
    } else if (json == NULL && response->body[0] != '<') {
        size_t length = strcspn(response->body, "\r\n");
        said = provost_format(call, ": %.*s", (int)(length < 200 ? length : 200), response->body);
    }
    json_decref(json);
    return said != NULL ? said : "";
}

/* The outcome that fits a failed host call other than http; `what` begins the sentence. */
static inline int provost_classify(struct provost_call *call, int code, const char *what)
{
    int outcome = PROVOST_TEMPORARY;
    switch (code) {
    case 0:
        return PROVOST_OK;
    case PROVOST_E_CANCELED:
    case PROVOST_E_FENCED:
        outcome = PROVOST_CANCELED;
        break;
    case PROVOST_E_TIMEOUT:
    case PROVOST_E_LOST:
        outcome = PROVOST_UNKNOWN;
        break;
    case PROVOST_E_TLS:
    case PROVOST_E_DENIED: /* by the instance's configuration */
        outcome = PROVOST_INSTANCE_FAULT;
        break;
    case PROVOST_E_INVALID:
    case PROVOST_E_TOO_BIG:
    case PROVOST_E_NOT_FOUND:
        outcome = PROVOST_PERMANENT;
        break;
    default:
        break;
    }
    return provost_fail(call, outcome, -1, "%s: %s", what, call->host->error(call));
}

/* The outcome of a step that hangs on one request. code is what http returned; repeatable: the
 * request changes nothing or may be carried out twice (GET, or what was sent with
 * PROVOST_H_IDEMPOTENT).
 *
 *   2xx                                     ok
 *   not sent, 429, 503                      temporary, after Retry-After where there is one
 *   408, other 5xx, time-out, lost,         repeatable: temporary; else unknown: it is looked up
 *     an answer over its limit
 *   409                                     unknown: look up what is there (before calling this,
 * where the step can tell) 401, 403, bad certificate, redirect     instance fault other 4xx, a
 * request that makes no      permanent sense
 */
static inline int provost_classify_http(struct provost_call *call, int code,
                                        const struct provost_http_response *response,
                                        int repeatable, const char *what)
{
    int unsure = repeatable ? PROVOST_TEMPORARY : PROVOST_UNKNOWN;
    int outcome = PROVOST_PERMANENT;
    int status;
    if (code != 0) {
        switch (code) {
        case PROVOST_E_TIMEOUT:
        case PROVOST_E_LOST:
        case PROVOST_E_TOO_BIG:
            return provost_fail(call, unsure, -1, "%s: %s", what, call->host->error(call));
        case PROVOST_E_FAILED:
            return provost_fail(call, PROVOST_INSTANCE_FAULT, -1, "%s: %s", what,
                                call->host->error(call));
        default:
            return provost_classify(call, code, what);
        }
    }
    status = response->status;
    if (status >= 200 && status < 300) {
        return PROVOST_OK;
    }
    if (status == 429 || status == 503) {
        outcome = PROVOST_TEMPORARY;
    } else if (status == 408 || status >= 500) {
        outcome = unsure;
    } else if (status == 409) {
        outcome = PROVOST_UNKNOWN;
    } else if (status == 401 || status == 403 || status < 400) {
        outcome = PROVOST_INSTANCE_FAULT;
    }
    return provost_fail(call, outcome, outcome == PROVOST_TEMPORARY ? response->retry_after_ms : -1,
                        "%s: HTTP %d%s", what, status, provost_backend_error(call, response));
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* See kit.h. Everything that outlives a statement here is the call's memory or owned by struct kit.
 */
#include "plugins/common/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool too_deep(const char *text, size_t length)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
            if (depth > KIT_MAX_DEPTH) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

json_t *kit_parse(const char *text, size_t length)
{
    if (text == NULL || too_deep(text, length)) {
        return NULL;
    }
    return json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *parse_object(const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return json_object();
    }
    json_t *json = kit_parse(text, strlen(text));
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int kit_open(struct kit *kit, struct provost_call *call)
{
    *kit = (struct kit){.call = call, .host = call->host};
    kit->settings = parse_object(call->settings);
    kit->input = parse_object(call->input);
    kit->state = parse_object(call->state);
    if (kit->settings == NULL || kit->input == NULL || kit->state == NULL) {
        int outcome =
            kit_end(kit, PROVOST_TEMPORARY,
                    "the call's documents could not be read: out of memory, or not JSON objects");
        return kit_close(kit, outcome);
    }
    return PROVOST_OK;
}

int kit_close(struct kit *kit, int outcome)
{
    json_decref(kit->settings);
    json_decref(kit->input);
    json_decref(kit->state);
    kit->settings = NULL;
    kit->input = NULL;
    kit->state = NULL;
    return outcome;
}

static char *format_text(struct kit *kit, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        return NULL;
    }
    char *text = kit->host->alloc(kit->call, (size_t)length + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, arguments);
    }
    return text;
}

char *kit_printf(struct kit *kit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(kit, format, arguments);
    va_end(arguments);
    return text;
}

int kit_end(struct kit *kit, int outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(kit, format, arguments);
    va_end(arguments);
    return kit->host->outcome(kit->call, outcome, -1, text);
}

int kit_end_later(struct kit *kit, int outcome, int64_t retry_after_ms, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = format_text(kit, format, arguments);
    va_end(arguments);
    return kit->host->outcome(kit->call, outcome, retry_after_ms, text);
}

int kit_end_memory(struct kit *kit)
{
    return kit->host->outcome(kit->call, PROVOST_TEMPORARY, -1, "out of memory");
}

int kit_end_error(struct kit *kit, int error, bool sent_once, const char *what)
{
    int outcome = PROVOST_TEMPORARY;
    switch (error) {
    case PROVOST_E_CANCELED:
    case PROVOST_E_FENCED:
        outcome = PROVOST_CANCELED;
        break;
    case PROVOST_E_TIMEOUT:
    case PROVOST_E_LOST:
    case PROVOST_E_TOO_BIG:
        outcome = sent_once ? PROVOST_UNKNOWN : PROVOST_TEMPORARY;
        break;
    case PROVOST_E_TLS:
    case PROVOST_E_INVALID:
    case PROVOST_E_DENIED:
        outcome = PROVOST_INSTANCE_FAULT;
        break;
    default:
        break;
    }
    return kit_end(kit, outcome, "%s: %s", what, kit->host->error(kit->call));
}

json_t *kit_get(json_t *object, const char *path)
{
    json_t *at = object;
    const char *rest = path;
    while (at != NULL && rest != NULL) {
        const char *dot = strchr(rest, '.');
        char name[64];
        size_t length = dot == NULL ? strlen(rest) : (size_t)(dot - rest);
        if (length >= sizeof(name)) {
            return NULL;
        }
        memcpy(name, rest, length);
        name[length] = '\0';
        at = json_object_get(at, name);
        rest = dot == NULL ? NULL : dot + 1;
    }
    return json_is_null(at) ? NULL : at;
}

const char *kit_text(json_t *object, const char *path, const char *fallback)
{
    const char *text = json_string_value(kit_get(object, path));
    return text == NULL ? fallback : text;
}

int64_t kit_int(json_t *object, const char *path, int64_t fallback)
{
    json_t *value = kit_get(object, path);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool kit_bool(json_t *object, const char *path, bool fallback)
{
    json_t *value = kit_get(object, path);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int kit_state_set(struct kit *kit)
{
    char *text = json_dumps(kit->state, JSON_COMPACT);
    if (text == NULL) {
        return kit_end_memory(kit);
    }
    int error = kit->host->state_set(kit->call, text);
    free(text);
    return error == 0 ? PROVOST_OK : kit_end_error(kit, error, false, "keep the state document");
}

int kit_state_save(struct kit *kit)
{
    int outcome = kit_state_set(kit);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    int error = kit->host->state_save(kit->call);
    return error == 0 ? PROVOST_OK : kit_end_error(kit, error, false, "save the state document");
}

int kit_result(struct kit *kit, json_t *result)
{
    char *text = result == NULL ? NULL : json_dumps(result, JSON_COMPACT);
    json_decref(result);
    if (text == NULL) {
        return kit_end_memory(kit);
    }
    int error = kit->host->result(kit->call, text);
    free(text);
    return error == 0 ? PROVOST_OK : kit_end_error(kit, error, false, "answer");
}

/* The sentence of an error answer: its JSON `error` or `message`, else the first line of the text.
 */
static const char *answer_text(struct kit *kit, const struct provost_http_response *response,
                               json_t *json)
{
    const char *own = kit_text(json, "error", kit_text(json, "message", NULL));
    if (own != NULL) {
        return kit_printf(kit, "%.300s", own);
    }
    if (response->body == NULL || response->body[0] == '<') {
        return "";
    }
    size_t length = strcspn(response->body, "\r\n");
    return kit_printf(kit, "%.*s", (int)(length < 300 ? length : 300), response->body);
}

static int judge(struct kit *kit, const struct provost_http_request *request,
                 const struct provost_http_response *response, const char *what, const char *text)
{
    bool sent_once = (request->flags & PROVOST_H_IDEMPOTENT) == 0;
    const char *colon = text != NULL && text[0] != '\0' ? ": " : "";
    const char *tail = text != NULL ? text : "";
    switch (response->status) {
    case 401:
    case 403:
    case 407:
        return kit_end(kit, PROVOST_INSTANCE_FAULT, "%s: HTTP %d%s%s", what, response->status,
                       colon, tail);
    case 429:
    case 503:
        return kit_end_later(kit, PROVOST_TEMPORARY, response->retry_after_ms, "%s: HTTP %d%s%s",
                             what, response->status, colon, tail);
    case 408:
        return kit_end(kit, sent_once ? PROVOST_UNKNOWN : PROVOST_TEMPORARY, "%s: HTTP 408%s%s",
                       what, colon, tail);
    default:
        break;
    }
    if (response->status >= 500) {
        return kit_end(kit, sent_once ? PROVOST_UNKNOWN : PROVOST_TEMPORARY, "%s: HTTP %d%s%s",
                       what, response->status, colon, tail);
    }
    if (response->status < 200 || (response->status >= 300 && response->status < 400)) {
        return kit_end(kit, PROVOST_INSTANCE_FAULT, "%s: HTTP %d: is the URL right?", what,
                       response->status);
    }
    return PROVOST_OK;
}

int kit_http(struct kit *kit, const struct provost_http_request *request, json_t *body,
             const char *what, struct kit_answer *ret_answer)
{
    struct provost_http_request full = *request;
    full.struct_size = sizeof(full);
    char *dump = NULL;
    if (body != NULL) {
        dump = json_dumps(body, JSON_COMPACT);
        if (dump == NULL) {
            return kit_end_memory(kit);
        }
        full.body = dump;
        full.body_len = strlen(dump);
    }
    struct provost_http_response response = {.struct_size = sizeof(response)};
    int error = kit->host->http(kit->call, &full, &response);
    free(dump);
    if (error != 0) {
        return kit_end_error(kit, error, (request->flags & PROVOST_H_IDEMPOTENT) == 0, what);
    }
    json_t *json = kit_parse(response.body, response.body_len);
    const char *text = answer_text(kit, &response, json);
    int outcome = judge(kit, &full, &response, what, text);
    if (outcome != PROVOST_OK) {
        json_decref(json);
        return outcome;
    }
    *ret_answer = (struct kit_answer){
        .status = response.status, .json = json, .text = text == NULL ? "" : text};
    return PROVOST_OK;
}

void kit_answer_done(struct kit_answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
}

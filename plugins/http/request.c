/* SPDX-License-Identifier: Apache-2.0 */
/* From a call of the settings to a request, and from what came back to an outcome. */
#include "plugins/http/http.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX 30

/* ---- ends ---- */

int http_end_signal(struct http *http, const char *what)
{
    bool memory = http->signal_error == PROVOST_E_NOMEM;
    return kit_end(&http->kit, memory ? PROVOST_TEMPORARY : PROVOST_INSTANCE_FAULT, "%s: %s", what,
                   memory ? "out of memory"
                          : "the configuration has no `callback_url`, which a call with `signal` "
                            "needs");
}

int http_end_template(struct http *http, int error, const char *what, const char *where,
                      const char *why)
{
    if (error == HTTP_NOMEM) {
        return kit_end_memory(&http->kit);
    }
    if (error == HTTP_MISSING && http->signal_error != 0) {
        return http_end_signal(http, what);
    }
    return kit_end(&http->kit, PROVOST_PERMANENT, "%s: %s: %s", what, where, why);
}

static const json_t *pointers_of(const struct http *http, const json_t *call)
{
    const json_t *own = json_object_get(call, "error");
    return own != NULL ? own : json_object_get(http->kit.settings, "error");
}

int http_refuse(struct http *http, const json_t *call, const char *code, const char *what,
                const struct http_answer *answer)
{
    char said[HTTP_SAID_MAX];
    char text[HTTP_SAID_MAX + 200];
    http_said(pointers_of(http, call), answer, said);
    if (said[0] != '\0') {
        snprintf(text, sizeof(text), "%s", said);
    } else {
        snprintf(text, sizeof(text), "%.150s: HTTP %d", what, answer->status);
    }
    return code != NULL ? kit_refuse(&http->kit, code, "%s", text)
                        : kit_end(&http->kit, PROVOST_PERMANENT, "%s", text);
}

int http_end_status(struct http *http, const json_t *call, bool repeatable, const char *what,
                    const struct http_reply *reply)
{
    /* The helper decides; the sentence is ours. */
    const struct provost_http_response response = {
        .struct_size = sizeof(response), .status = reply->answer.status, .retry_after_ms = -1};
    int outcome = provost_classify_http(http->kit.call, 0, &response, repeatable, what);
    char said[HTTP_SAID_MAX];
    if (outcome == PROVOST_OK) { /* a 2xx that the configuration does not call a success */
        outcome = PROVOST_PERMANENT;
    }
    if (outcome == PROVOST_PERMANENT) {
        return http_refuse(http, call, NULL, what, &reply->answer);
    }
    http_said(pointers_of(http, call), &reply->answer, said);
    return provost_fail(
        http->kit.call, outcome, outcome == PROVOST_TEMPORARY ? reply->retry_after_ms : -1,
        "%s: HTTP %d%s%s", what, reply->answer.status, said[0] != '\0' ? ": " : "", said);
}

/* ---- the URL ---- */

/* Parts with a value in them must not lead elsewhere. */
static int check_segments(const char *path, char why[HTTP_WHY_MAX])
{
    while (path[0] == '/') {
        size_t length = strcspn(path + 1, "/");
        if ((length == 1 && path[1] == '.') || (length == 2 && strncmp(path + 1, "..", 2) == 0)) {
            snprintf(why, HTTP_WHY_MAX, "a part of it would be \"%.*s\"", (int)length, path + 1);
            return HTTP_BAD;
        }
        path += length + 1;
    }
    return 0;
}

static int put_pair(struct http_text *url, bool *first, const char *key, const json_t *value,
                    char why[HTTP_WHY_MAX])
{
    char number[64];
    const char *text = json_string_value(value);
    if (json_is_object(value) || json_is_array(value)) {
        snprintf(why, HTTP_WHY_MAX, "a list or mapping within a list cannot be sent");
        return HTTP_BAD;
    }
    if (text == NULL) {
        size_t length = json_dumpb(value, number, sizeof(number) - 1, JSON_ENCODE_ANY);
        number[length < sizeof(number) ? length : 0] = '\0';
        text = number;
    }
    if (!*first) {
        http_text_put_c(url, "&");
    }
    *first = false;
    http_text_put_encoded(url, key, strlen(key));
    http_text_put_c(url, "=");
    http_text_put_encoded(url, text, strlen(text));
    return 0;
}

/* Members of `query` or `form` as name=value&…; what is optional and missing is left out. */
static int put_pairs(const json_t *pairs, const json_t *scope, struct http_text *out,
                     char where[HTTP_NAME_MAX], char why[HTTP_WHY_MAX])
{
    json_t *filled = NULL;
    bool first = true;
    int error = http_template_tree(pairs, scope, &filled, why);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(filled, key, value)
    {
        if (error != 0) {
            break;
        }
        snprintf(where, HTTP_NAME_MAX, ".%.100s", key);
        if (!json_is_array(value)) {
            error = put_pair(out, &first, key, value, why);
        }
        for (size_t i = 0; error == 0 && i < json_array_size(value); i++) {
            error = put_pair(out, &first, key, json_array_get(value, i), why);
        }
    }
    json_decref(filled);
    return error != 0 ? error : out->failed ? HTTP_NOMEM : 0;
}

static int put_url(struct http *http, const json_t *call, struct http_text *url,
                   char where[HTTP_NAME_MAX], char why[HTTP_WHY_MAX])
{
    const char *base = provost_text_at(http->kit.settings, "url", "");
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    http_text_put(url, base, length);
    if (strncmp(base, "unix:", 5) == 0 && strchr(base + 5, ':') == NULL) {
        http_text_put_c(url, ":");
    }
    snprintf(where, HTTP_NAME_MAX, "path");
    size_t start = url->length;
    int error =
        http_template_text(provost_text_at(call, "path", "/"), http->scope, HTTP_SEGMENT, url, why);
    if (error == 0) {
        error = check_segments(url->ptr + start, why);
    }
    const json_t *query = json_object_get(call, "query");
    if (error != 0 || query == NULL) {
        return error;
    }
    struct http_text pairs = {.ptr = NULL};
    char member[HTTP_NAME_MAX] = "";
    error = put_pairs(query, http->scope, &pairs, member, why);
    if (error == 0 && pairs.length > 0) {
        http_text_put_c(url, "?");
        http_text_put(url, pairs.ptr, pairs.length);
    }
    snprintf(where, HTTP_NAME_MAX, "query%.100s", member);
    http_text_done(&pairs);
    return error != 0 ? error : url->failed ? HTTP_NOMEM : 0;
}

/* ---- headers ---- */

struct headers {
    const char *lines[HEADERS_MAX + 3];
    size_t count;
};

static int add_header(struct http *http, struct headers *headers, const char *name,
                      const char *value, char why[HTTP_WHY_MAX])
{
    for (const char *p = value; p[0] != '\0'; p++) {
        if (((unsigned char)p[0] < ' ' && p[0] != '\t') || p[0] == 0x7F) {
            snprintf(why, HTTP_WHY_MAX, "its value holds a line break or control character");
            return HTTP_BAD;
        }
    }
    if (headers->count == HEADERS_MAX) {
        snprintf(why, HTTP_WHY_MAX, "more than %d headers", HEADERS_MAX);
        return HTTP_BAD;
    }
    const char *line = kit_printf(&http->kit, "%s: %s", name, value);
    if (line == NULL) {
        return HTTP_NOMEM;
    }
    headers->lines[headers->count++] = line;
    return 0;
}

static bool has_header(const json_t *headers, const char *name)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)headers, key, value)
    {
        if (strcasecmp(key, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those of `from` that `over` does not give again. */
static int add_headers(struct http *http, struct headers *headers, const json_t *from,
                       const json_t *over, char where[HTTP_NAME_MAX], char why[HTTP_WHY_MAX])
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        if (has_header(over, key)) {
            continue;
        }
        struct http_text text = {.ptr = NULL};
        snprintf(where, HTTP_NAME_MAX, "headers.%.100s", key);
        json_t *filled = NULL;
        int error = http_template_value(json_string_value(value), http->scope, &filled, why);
        json_decref(filled);
        if (error == 0) {
            error =
                http_template_text(json_string_value(value), http->scope, HTTP_PLAIN, &text, why);
        }
        if (error == 0) {
            error = add_header(http, headers, key, text.ptr, why);
        }
        http_text_done(&text);
        if (error != 0 && error != HTTP_LEFT_OUT) {
            return error;
        }
    }
    return 0;
}

static char *base64(struct http *http, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(text);
    char *out = http->kit.host->alloc(http->kit.call, (length + 2) / 3 * 4 + 1);
    size_t at = 0;
    for (size_t i = 0; out != NULL && i < length; i += 3) {
        unsigned bits = (unsigned)(unsigned char)text[i] << 16;
        bits |= i + 1 < length ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < length ? (unsigned)(unsigned char)text[i + 2] : 0;
        out[at++] = digits[bits >> 18];
        out[at++] = digits[(bits >> 12) & 63];
        out[at++] = i + 1 < length ? digits[(bits >> 6) & 63] : '=';
        out[at++] = i + 2 < length ? digits[bits & 63] : '=';
    }
    if (out != NULL) {
        out[at] = '\0';
    }
    return out;
}

static int add_auth(struct http *http, struct headers *headers, char where[HTTP_NAME_MAX],
                    char why[HTTP_WHY_MAX])
{
    const json_t *settings = http->kit.settings;
    const char *auth = provost_text_at(settings, "auth", "none");
    const char *token = provost_text_at(settings, "auth_token", "");
    const char *value = NULL;
    snprintf(where, HTTP_NAME_MAX, "auth");
    if (strcmp(auth, "bearer") == 0) {
        value = kit_printf(&http->kit, "Bearer %s", token);
        return value != NULL ? add_header(http, headers, "Authorization", value, why) : HTTP_NOMEM;
    }
    if (strcmp(auth, "basic") == 0) {
        const char *pair =
            kit_printf(&http->kit, "%s:%s", provost_text_at(settings, "auth_user", ""), token);
        const char *coded = pair != NULL ? base64(http, pair) : NULL;
        value = coded != NULL ? kit_printf(&http->kit, "Basic %s", coded) : NULL;
        if (value == NULL) {
            return HTTP_NOMEM;
        }
        http->kit.host->secret(http->kit.call, coded);
        return add_header(http, headers, "Authorization", value, why);
    }
    if (strcmp(auth, "header") == 0) {
        return add_header(http, headers, provost_text_at(settings, "auth_header", ""), token, why);
    }
    return 0;
}

/* A key in a header of the backend's own; `Idempotency-Key` is the host's to send. */
static int add_key(struct http *http, const json_t *call, struct headers *headers,
                   struct provost_http_request *request, char why[HTTP_WHY_MAX])
{
    const json_t *key = json_object_get(call, "idempotency_key");
    const char *text = NULL;
    if (json_is_true(key)) {
        request->idempotency_label = "call";
    } else if (json_is_string(key)) {
        int error = http->kit.host->idempotency_key(http->kit.call, "call", &text);
        return error == 0 ? add_header(http, headers, json_string_value(key), text, why)
                          : HTTP_NOMEM;
    }
    return 0;
}

static int put_headers(struct http *http, const json_t *call, struct headers *headers,
                       struct provost_http_request *request, char where[HTTP_NAME_MAX],
                       char why[HTTP_WHY_MAX])
{
    const json_t *own = json_object_get(call, "headers");
    const json_t *common = json_object_get(http->kit.settings, "headers");
    int error = add_auth(http, headers, where, why);
    if (error == 0) {
        error = add_headers(http, headers, common, own, where, why);
    }
    if (error == 0) {
        error = add_headers(http, headers, own, NULL, where, why);
    }
    if (error == 0 && !has_header(own, "Accept") && !has_header(common, "Accept")) {
        error = add_header(http, headers, "Accept", "application/json", why);
    }
    return error == 0 ? add_key(http, call, headers, request, why) : error;
}

/* ---- the body ---- */

static int put_body(struct http *http, const json_t *call, struct http_text *body,
                    struct headers *headers, char where[HTTP_NAME_MAX], char why[HTTP_WHY_MAX])
{
    const json_t *tree = json_object_get(call, "body");
    const json_t *form = json_object_get(call, "form");
    json_t *filled = NULL;
    char member[HTTP_NAME_MAX] = "";
    const char *type = "application/json";
    int error = 0;
    if (tree == NULL && form == NULL) {
        return 0;
    }
    if (form != NULL) {
        type = "application/x-www-form-urlencoded";
        error = put_pairs(form, http->scope, body, member, why);
        snprintf(where, HTTP_NAME_MAX, "form%.100s", member);
    } else {
        snprintf(where, HTTP_NAME_MAX, "body");
        error = http_template_tree(tree, http->scope, &filled, why);
        char *text = error == 0 ? json_dumps(filled, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        json_decref(filled);
        if (error == 0 && text == NULL) {
            error = HTTP_NOMEM;
        }
        http_text_put_c(body, text != NULL ? text : "");
        free(text);
    }
    if (error == 0 && !has_header(json_object_get(call, "headers"), "Content-Type")) {
        error = add_header(http, headers, "Content-Type", type, why);
    }
    http_text_put(body, "", 0);
    return error != 0 ? error : body->failed ? HTTP_NOMEM : 0;
}

/* ---- sending ---- */

void http_reply_done(struct http_reply *reply)
{
    json_decref(reply->json);
    reply->json = NULL;
}

static int receive(struct http *http, const struct provost_http_request *request, bool repeatable,
                   const char *what, struct http_reply *ret_reply)
{
    struct provost_http_response response = {.struct_size = sizeof(response)};
    int code = http->kit.host->http(http->kit.call, request, &response);
    if (code != 0) {
        return provost_classify_http(http->kit.call, code, &response, repeatable, what);
    }
    *ret_reply = (struct http_reply){
        .retry_after_ms = response.retry_after_ms,
        .json = provost_parse(response.body, response.body_len),
        .answer = {.status = response.status, .text = response.body, .length = response.body_len}};
    ret_reply->answer.json = ret_reply->json;
    return PROVOST_OK;
}

int http_send(struct http *http, const json_t *call, bool repeatable, const char *what,
              struct http_reply *ret_reply)
{
    struct http_text url = {.ptr = NULL};
    struct http_text body = {.ptr = NULL};
    struct headers headers = {.count = 0};
    char where[HTTP_NAME_MAX] = "";
    char why[HTTP_WHY_MAX] = "";
    struct provost_http_request request = {
        .struct_size = sizeof(request),
        .method = http_method_of(call),
        .timeout_ms = http_timeout_of(http->kit.settings, call),
        .max_answer_bytes = (uint32_t)provost_int_at(http->kit.settings, "max_answer", 0),
        .flags = repeatable ? PROVOST_H_IDEMPOTENT : 0,
        .ca_file = provost_text_at(http->kit.settings, "ca_file", NULL),
    };
    int error = put_url(http, call, &url, where, why);
    if (error == 0) {
        error = put_headers(http, call, &headers, &request, where, why);
    }
    if (error == 0) {
        error = put_body(http, call, &body, &headers, where, why);
    }
    int outcome = PROVOST_OK;
    if (error != 0) {
        outcome = http_end_template(http, error, what, where, why);
    } else {
        request.url = url.ptr;
        request.headers = headers.lines;
        request.body = body.ptr;
        request.body_len = body.length;
        outcome = receive(http, &request, repeatable, what, ret_reply);
    }
    http_text_done(&url);
    http_text_done(&body);
    return outcome;
}

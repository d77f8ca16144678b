/* SPDX-License-Identifier: Apache-2.0 */
/* The rig's calls: made over real sockets, with what came back as JSON. */
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct client *begin(struct rig *rig, bool local, const char *token, const char *method,
                            const char *path, const char *headers, const char *body)
{
    struct client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    size_t size = 4096 + (body != NULL ? strlen(body) : 0);
    char *text = malloc(size);
    assert_non_null(text);
    int n = snprintf(text, size, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method,
                     path, headers != NULL ? headers : "");
    if (token != NULL) {
        n += snprintf(text + n, size - (size_t)n, "Authorization: Bearer %s\r\n", token);
    }
    if (body != NULL) {
        n += snprintf(text + n, size - (size_t)n, "Content-Length: %zu\r\n", strlen(body));
    }
    snprintf(text + n, size - (size_t)n, "\r\n%s", body != NULL ? body : "");
    c->port = rig->port;
    c->path = rig->socket;
    c->local = local;
    c->done = &rig->async;
    c->send = text;
    client_start(c);
    return c;
}

struct client *rig_begin(struct rig *rig, const char *method, const char *path, const char *headers,
                         const char *body)
{
    return begin(rig, false, rig->token, method, path, headers, body);
}

struct reply *rig_end(struct rig *rig, struct client *c)
{
    while (pthread_tryjoin_np(c->thread, NULL) != 0) {
        rig_turn(rig);
    }
    assert_false(c->failed);
    struct reply *reply = calloc(1, sizeof(*reply));
    assert_non_null(reply);
    char *split = strstr(c->got, "\r\n\r\n");
    if (split == NULL && rig->may_close) {
        free((void *)(uintptr_t)c->send);
        free(c);
        return reply;
    }
    if (split == NULL || sscanf(c->got, "HTTP/1.1 %d", &reply->status) != 1) {
        fail_msg("no answer: %s", c->got);
        return NULL;
    }
    *split = '\0';
    snprintf(reply->head, sizeof(reply->head), "%.4000s", c->got);
    snprintf(reply->text, sizeof(reply->text), "%s", split + 4);
    reply->body = json_loads(reply->text, 0, NULL);
    free((void *)(uintptr_t)c->send);
    free(c);
    return reply;
}

struct reply *rig_close_under(struct rig *rig, struct client *c)
{
    while (rig->step_count == 0) {
        rig_turn(rig);
    }
    struct pv_api *api = rig->api;
    rig->api = NULL;
    pv_api_close(api, NULL, NULL);
    struct reply *reply = rig_end(rig, c);
    for (int i = 0; i < 200; i++) {
        rig_turn(rig);
    }
    return reply;
}

struct reply *rig_call_as(struct rig *rig, const char *token, const char *method, const char *path,
                          const char *headers, const char *body)
{
    return rig_end(rig, begin(rig, false, token, method, path, headers, body));
}

struct reply *rig_call(struct rig *rig, const char *method, const char *path, const char *headers,
                       const char *body)
{
    return rig_call_as(rig, rig->token, method, path, headers, body);
}

struct reply *rig_admin(struct rig *rig, const char *method, const char *path, const char *headers,
                        const char *body)
{
    return rig_end(rig, begin(rig, true, NULL, method, path, headers, body));
}

void reply_free(struct reply *reply)
{
    json_decref(reply->body);
    free(reply);
}

const json_t *reply_at(const struct reply *reply, const char *path)
{
    const json_t *at = reply->body;
    char copy[200];
    snprintf(copy, sizeof(copy), "%s", path);
    char *rest = copy;
    for (char *part = strsep(&rest, "."); part != NULL && at != NULL; part = strsep(&rest, ".")) {
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
                               : json_object_get(at, part);
    }
    if (at == NULL) {
        fail_msg("there is no %s in: %d %s", path, reply->status, reply->text);
    }
    return at;
}

const char *reply_text(const struct reply *reply, const char *path)
{
    const char *text = json_string_value(reply_at(reply, path));
    if (text == NULL) {
        fail_msg("%s is no text in: %s", path, reply->text);
    }
    return text;
}

void reply_expect(const struct reply *reply, int status)
{
    if (reply->status != status) {
        fail_msg("expected %d, got %s\n%s", status, reply->head, reply->text);
    }
}

void rig_expect(struct rig *rig, const char *token, const char *method, const char *path,
                const char *body, int status)
{
    struct reply *reply = rig_call_as(rig, token, method, path, NULL, body);
    reply_expect(reply, status);
    reply_free(reply);
}

void reply_take(struct reply *reply, int status, const char *path, char *out, size_t size)
{
    reply_expect(reply, status);
    snprintf(out, size, "%s", reply_text(reply, path));
    reply_free(reply);
}

void reply_refused(struct reply *reply, int status, const char *code)
{
    reply_expect(reply, status);
    assert_true(json_is_false(reply_at(reply, "success")));
    assert_true(json_is_array(reply_at(reply, "errors")));
    assert_true(strlen(reply_text(reply, "error")) > 3);
    if (strcmp(reply_text(reply, "code"), code) != 0) {
        fail_msg("expected %s, got %s", code, reply->text);
    }
    reply_free(reply);
}

#define CUSTOMER ",\"customer\":{\"email\":\"a@example.com\"}"

void rig_make(struct rig *rig, const char *external_id, const char *product, const char *plan,
              char svc[40])
{
    char body[400];
    snprintf(body, sizeof(body),
             "{\"id\":\"make-%s\",\"type\":\"service.create\",\"service\":{\"id\":\"%s\","
             "\"product\":\"%s\",\"plan\":\"%s\"}" CUSTOMER "}",
             external_id, external_id, product, plan);
    reply_take(rig_call(rig, "POST", "/v1/events", "Prefer: wait=30\r\n", body), 200, "service",
               svc, 40);
}

const char *path_of(const char *fmt, const char *id)
{
    static char path[4][200];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[0]), fmt, id);
    return path[next];
}

void rig_token(struct rig *rig, const char *source, const char *scopes, char *out, size_t size)
{
    char id[40];
    rig_token_id(rig, source, scopes, out, size, id);
}

void rig_token_id(struct rig *rig, const char *source, const char *scopes, char *out, size_t size,
                  char id[40])
{
    char body[300];
    snprintf(body, sizeof(body), "{\"source\":\"%s\",\"scopes\":[%s]}", source, scopes);
    struct reply *r = rig_admin(rig, "POST", "/v1/tokens", NULL, body);
    reply_expect(r, 201);
    snprintf(out, size, "%s", reply_text(r, "token"));
    snprintf(id, 40, "%s", reply_text(r, "id"));
    reply_free(r);
}

void rig_revoke(struct rig *rig, const char *id)
{
    struct reply *r = rig_admin(rig, "DELETE", path_of("/v1/tokens/%s", id), NULL, NULL);
    reply_expect(r, 200);
    reply_free(r);
}

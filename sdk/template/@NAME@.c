/* SPDX-License-Identifier: Apache-2.0 */
/* @NAME@: a plugin for Provost. A service is an object at a backend with a small HTTP API; put
 * yours in its place. @NAME@.md is its manual, and the plugin manual of Provost (docs/plugins.md)
 * says what everything here means.
 *
 * State document: {"id": "…"}, the backend's name for the object. */
#include <provost/json.h>

/* ---- Requests ----------------------------------------------------------------------------------
 */

struct answer {
    int code; /* of the host call: 0, or why there is no answer */
    struct provost_http_response response;
    json_t *json; /* NULL: the body is not JSON */
};

/* flags: PROVOST_H_IDEMPOTENT when it does no harm to send it twice. */
static struct answer ask(struct provost_call *call, const char *method, const char *path,
                         const json_t *body, uint32_t flags)
{
    struct answer answer = {0};
    json_t *settings = provost_settings(call);
    const char *url = provost_format(call, "%s%s", provost_text_at(settings, "url", ""), path);
    const char *headers[] = {
        provost_format(call, "Authorization: Bearer %s", provost_text_at(settings, "token", "")),
        NULL};
    answer.code =
        provost_http_json(call, method, url, headers, body, flags, &answer.json, &answer.response);
    json_decref(settings);
    return answer;
}

/* What it means for the step; `what` begins the sentence that people read when it went wrong. */
static int judge(struct provost_call *call, const struct answer *answer, int repeatable,
                 const char *what)
{
    return provost_classify_http(call, answer->code, &answer->response, repeatable, what);
}

/* The path of our object. It is named by the service's ref, so that it can be found again even if
 * the answer to its creation was lost. */
static const char *object_path(struct provost_call *call)
{
    return provost_format(call, "/objects/%s", call->ref);
}

static int remember(struct provost_call *call, const json_t *object)
{
    json_t *state = json_pack("{s:s}", "id", provost_text_at(object, "id", ""));
    int code = provost_set_state(call, state);
    json_decref(state);
    /* The object is there all the same. If this were permanent it would stay: only steps that are
     * done or unknown are undone. */
    return code == 0 ? PROVOST_OK
                     : provost_fail(call, PROVOST_UNKNOWN, -1, "keep the object's id: %s",
                                    call->host->error(call));
}

/* ---- create ------------------------------------------------------------------------------------
 */

static int object_create(struct provost_call *call)
{
    json_t *input = provost_input(call);
    json_t *body = json_pack("{s:s, s:I}", "ref", call->ref, "size",
                             (json_int_t)provost_int_at(input, "values.size", 0));
    struct answer answer = ask(call, "POST", "/objects", body, 0);
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK) {
        outcome = remember(call, answer.json);
    }
    json_decref(answer.json);
    json_decref(body);
    json_decref(input);
    return outcome;
}

/* Called when it is not known what became of object_create: PROVOST_OK when the object is there,
 * PROVOST_ABSENT when it is not; then object_create is called again. */
static int object_lookup(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", object_path(call), NULL, PROVOST_H_IDEMPOTENT);
    int outcome = PROVOST_ABSENT;
    if (answer.code != 0 || answer.response.status != 404) {
        outcome = judge(call, &answer, 1, "look for the object");
    }
    if (outcome == PROVOST_OK) {
        outcome = remember(call, answer.json);
    }
    json_decref(answer.json);
    return outcome;
}

/* Undoes create, and is what terminate does. An object that is gone is as good as deleted. */
static int object_delete(struct provost_call *call)
{
    struct answer answer = ask(call, "DELETE", object_path(call), NULL, PROVOST_H_IDEMPOTENT);
    int outcome = PROVOST_OK;
    if (answer.code != 0 || answer.response.status != 404) {
        outcome = judge(call, &answer, 1, "delete the object");
    }
    json_decref(answer.json);
    return outcome;
}

/* ---- suspend, unsuspend, upgrade ----------------------------------------------------------------
 */

static int change(struct provost_call *call, json_t *body, const char *what)
{
    struct answer answer = ask(call, "PATCH", object_path(call), body, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, what);
    json_decref(answer.json);
    json_decref(body);
    return outcome;
}

static int disable(struct provost_call *call)
{
    return change(call, json_pack("{s:b}", "enabled", 0), "disable the object");
}

static int enable(struct provost_call *call)
{
    return change(call, json_pack("{s:b}", "enabled", 1), "enable the object");
}

static int resize_to(struct provost_call *call, const char *where)
{
    json_t *input = provost_input(call);
    json_int_t size = (json_int_t)provost_int_at(input, where, 0);
    json_decref(input);
    return change(call, json_pack("{s:I}", "size", size), "resize the object");
}

static int resize(struct provost_call *call)
{
    return resize_to(call, "values.size");
}

static int resize_back(struct provost_call *call)
{
    return resize_to(call, "previous.size");
}

/* ---- Queries ------------------------------------------------------------------------------------
 */

static int view(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", object_path(call), NULL, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "read the object");
    if (outcome == PROVOST_OK) {
        int enabled = provost_bool_at(answer.json, "enabled", 1);
        json_t *result =
            json_pack("{s:s, s:[{s:s, s:s, s:I}]}", "status", enabled ? "active" : "suspended",
                      "fields", "name", "size", "label", "Size", "value",
                      (json_int_t)provost_int_at(answer.json, "size", 0));
        outcome = provost_classify(call, provost_set_result(call, result), "answer");
        json_decref(result);
    }
    json_decref(answer.json);
    return outcome;
}

/* `provost instance test`: does it work with these settings? */
static int test(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/objects", NULL, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "ask the backend");
    json_decref(answer.json);
    return outcome == PROVOST_OK
               ? provost_classify(call, call->host->result(call, "{\"ok\": true}"), "answer")
               : outcome;
}

/* Everything at the backend that bears a ref: what `provost plugin check` judges by, and how
 * leftovers are found. */
static int inventory(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/objects", NULL, PROVOST_H_IDEMPOTENT);
    int outcome = judge(call, &answer, 1, "list the objects");
    if (outcome == PROVOST_OK) {
        json_t *result = json_pack("{s:[], s:n}", "items", "next");
        size_t i;
        json_t *object;
        json_array_foreach(provost_at(answer.json, "objects"), i, object)
        {
            json_array_append_new(json_object_get(result, "items"),
                                  json_pack("{s:s, s:s}", "ref", provost_text_at(object, "ref", ""),
                                            "kind", "object"));
        }
        outcome = provost_classify(call, provost_set_result(call, result), "answer");
        json_decref(result);
    }
    json_decref(answer.json);
    return outcome;
}

/* ---- What the plugin declares
 * -------------------------------------------------------------------- */

static const struct provost_field settings[] = {
    {.name = "url",
     .label = "URL of the backend",
     .type = PROVOST_T_URL,
     .flags = PROVOST_F_REQUIRED},
    {.name = "token",
     .label = "Token",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_REQUIRED | PROVOST_F_SECRET},
    {0},
};

static const struct provost_field product[] = {
    {.name = "size", .label = "Size", .type = PROVOST_T_SIZE, .fallback = "1GiB"},
    {0},
};

static const struct provost_step create[] = {
    {.name = "object", .run = object_create, .undo = object_delete, .lookup = object_lookup},
    {0},
};

static const struct provost_step suspend[] = {
    {.name = "disable", .run = disable, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step unsuspend[] = {
    {.name = "enable", .run = enable, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step upgrade[] = {
    {.name = "resize", .run = resize, .undo = resize_back, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step terminate[] = {
    {.name = "delete", .run = object_delete, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_query service_queries[] = {
    {.name = "view", .run = view, .access = PROVOST_Q_CUSTOMER},
    {0},
};

static const struct provost_query instance_queries[] = {
    {.name = "test", .run = test},
    {.name = "inventory", .run = inventory},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "@NAME@",
    .version = "0.1.0",
    .summary = "Objects at a backend.",
    .settings = settings,
    .product = product,
    .create = create,
    .suspend = suspend,
    .unsuspend = unsuspend,
    .terminate = terminate,
    .upgrade = upgrade,
    .service_queries = service_queries,
    .instance_queries = instance_queries,
};

PROVOST_PLUGIN(plugin)

/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that is right, for backend.py beside it. Each file of this folder defines one or two of
 * the macros at the end differently and is wrong in exactly one way; good.c defines none.
 *
 * State document: {"id": "…"} */
#ifndef BROKEN_BASE_H
#define BROKEN_BASE_H

#include <provost/json.h>

#include <stdlib.h>

struct answer {
    int code;
    struct provost_http_response response;
    json_t *json;
};

static inline void done(struct answer *answer)
{
    json_decref(answer->json);
}

/* The answer is done with. */
static inline int settle(struct answer *answer, int outcome)
{
    done(answer);
    return outcome;
}

/* label: of the Idempotency-Key; NULL: none. */
static inline struct answer ask(struct provost_call *call, const char *method, const char *path,
                                json_t *body, const char *label)
{
    struct answer answer = {.response = {.struct_size = sizeof(answer.response)}};
    json_t *settings = provost_settings(call);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *const headers[] = {
        provost_format(call, "Authorization: Bearer %s", provost_text_at(settings, "token", "")),
        "Content-Type: application/json", NULL};
    const struct provost_http_request request = {
        .struct_size = sizeof(request),
        .method = method,
        .url = provost_format(call, "%s%s", provost_text_at(settings, "url", ""), path),
        .headers = headers,
        .body = text,
        .body_len = text != NULL ? strlen(text) : 0,
        .idempotency_label = label,
    };
    answer.code = call->host->http(call, &request, &answer.response);
    if (answer.code == 0) {
        answer.json = provost_parse(answer.response.body, answer.response.body_len);
    }
    free(text);
    json_decref(body);
    json_decref(settings);
    return answer;
}

static inline int judge(struct provost_call *call, const struct answer *answer, int repeatable,
                        const char *what)
{
    return provost_classify_http(call, answer->code, &answer->response, repeatable, what);
}

/* Keeps the id; UNKNOWN when there is none in the answer. */
static inline int remember(struct provost_call *call, const json_t *object)
{
    const char *id = provost_text_at(object, "id", NULL);
    if (id == NULL || id[0] == '\0') {
        return provost_fail(call, PROVOST_UNKNOWN, -1, "the answer names no id");
    }
    json_t *state = json_pack("{s:s}", "id", id);
    int code = provost_set_state(call, state);
    json_decref(state);
    return code == 0 ? PROVOST_OK
                     : provost_fail(call, PROVOST_UNKNOWN, -1, "keep the id: %s",
                                    call->host->error(call));
}

/* The same for an answer to a create, which is done with then. */
static inline int keep(struct provost_call *call, struct answer *answer, int outcome)
{
    return settle(answer, outcome == PROVOST_OK ? remember(call, answer->json) : outcome);
}

static inline struct answer post_object(struct provost_call *call)
{
    return ask(call, "POST", "/objects", json_pack("{s:s}", "ref", call->ref), "create");
}

static inline struct answer put_object(struct provost_call *call, const char *id, const char *label)
{
    return ask(call, "PUT", provost_format(call, "/objects/%s", id),
               json_pack("{s:s}", "ref", call->ref), label);
}

/* A create by PUT under the ref. */
static inline int put_keyed(struct provost_call *call, const char *label)
{
    struct answer answer = put_object(call, call->ref, label);
    return keep(call, &answer, judge(call, &answer, 1, "create the object"));
}

/* The objects that bear the ref: OK and a list of at least one, ABSENT, or why not. */
static inline int find(struct provost_call *call, json_t **ret_objects)
{
    struct answer answer =
        ask(call, "GET", provost_format(call, "/objects?ref=%s", call->ref), NULL, NULL);
    int outcome = judge(call, &answer, 1, "look for the object");
    json_t *objects = provost_at(answer.json, "objects");
    if (outcome == PROVOST_OK && !json_is_array(objects)) {
        outcome = provost_fail(call, PROVOST_TEMPORARY, -1, "there is no list in the answer");
    } else if (outcome == PROVOST_OK && json_array_size(objects) == 0) {
        outcome = PROVOST_ABSENT;
    } else if (outcome == PROVOST_OK) {
        *ret_objects = json_incref(objects);
    }
    done(&answer);
    return outcome;
}

/* The path of the object that the state document knows; NULL: none. */
static inline const char *known_path(struct provost_call *call)
{
    json_t *state = provost_state(call);
    const char *id = provost_text_at(state, "id", NULL);
    const char *path = id != NULL ? provost_format(call, "/objects/%s", id) : NULL;
    json_decref(state);
    return path;
}

/* The same, or of the one that bears the ref. */
static inline int path_of(struct provost_call *call, const char **ret_path)
{
    json_t *objects = NULL;
    *ret_path = known_path(call);
    if (*ret_path != NULL) {
        return PROVOST_OK;
    }
    int outcome = find(call, &objects);
    *ret_path =
        provost_format(call, "/objects/%s", provost_text_at(json_array_get(objects, 0), "id", ""));
    json_decref(objects);
    return outcome;
}

static inline int good_create(struct provost_call *call)
{
    json_t *input = provost_input(call);
    struct answer answer = ask(call, "POST", "/objects",
                               json_pack("{s:s, s:I}", "ref", call->ref, "size",
                                         (json_int_t)provost_int_at(input, "values.size", 0)),
                               "create");
    int outcome = judge(call, &answer, 0, "create the object");
    json_decref(input);
    return keep(call, &answer, outcome);
}

static inline int good_lookup(struct provost_call *call)
{
    json_t *objects = NULL;
    int outcome = find(call, &objects);
    if (outcome == PROVOST_OK) {
        outcome = remember(call, json_array_get(objects, 0));
    }
    json_decref(objects);
    return outcome;
}

static inline int delete_at(struct provost_call *call, const char *path)
{
    struct answer answer = ask(call, "DELETE", path, NULL, NULL);
    int outcome = PROVOST_OK;
    if (answer.code != 0 || answer.response.status != 404) {
        outcome = judge(call, &answer, 1, "delete the object");
    }
    done(&answer);
    return outcome;
}

static inline int good_delete(struct provost_call *call)
{
    json_t *objects = NULL;
    int outcome = find(call, &objects);
    for (size_t i = 0; outcome == PROVOST_OK && i < json_array_size(objects); i++) {
        const char *id = provost_text_at(json_array_get(objects, i), "id", "?");
        outcome = delete_at(call, provost_format(call, "/objects/%s", id));
    }
    json_decref(objects);
    return outcome == PROVOST_ABSENT ? PROVOST_OK : outcome;
}

/* The request alone: OK where it was sent. */
static inline int send_enabled(struct provost_call *call, int enabled, struct answer *ret_answer)
{
    const char *path = NULL;
    int outcome = path_of(call, &path);
    *ret_answer = (struct answer){0};
    if (outcome == PROVOST_OK) {
        *ret_answer = ask(call, "PATCH", path, json_pack("{s:b}", "enabled", enabled), NULL);
    }
    return outcome;
}

/* Changes the object, but takes one status for an outcome that it is not. */
static inline int mistake(struct provost_call *call, int enabled, int status, int outcome,
                          const char *sentence)
{
    struct answer answer;
    int sent = send_enabled(call, enabled, &answer);
    if (sent != PROVOST_OK) {
        return settle(&answer, sent);
    }
    return settle(&answer, answer.response.status == status
                               ? provost_fail(call, outcome, -1, "%s", sentence)
                               : judge(call, &answer, 1, "change the object"));
}

static inline int change(struct provost_call *call, json_t *body)
{
    const char *path = NULL;
    int outcome = path_of(call, &path);
    if (outcome != PROVOST_OK) {
        json_decref(body);
        return outcome == PROVOST_ABSENT
                   ? provost_fail(call, PROVOST_PERMANENT, -1, "there is no such object")
                   : outcome;
    }
    struct answer answer = ask(call, "PATCH", path, body, NULL);
    return settle(&answer, judge(call, &answer, 1, "change the object"));
}

static inline int good_enable(struct provost_call *call)
{
    return change(call, json_pack("{s:b}", "enabled", 1));
}

static inline int good_disable(struct provost_call *call)
{
    return change(call, json_pack("{s:b}", "enabled", 0));
}

static inline int resize_to(struct provost_call *call, const char *where)
{
    json_t *input = provost_input(call);
    json_int_t size = (json_int_t)provost_int_at(input, where, 0);
    json_decref(input);
    return change(call, json_pack("{s:I}", "size", size));
}

static inline int good_resize(struct provost_call *call)
{
    return resize_to(call, "values.size");
}

static inline int resize_back(struct provost_call *call)
{
    return resize_to(call, "previous.size");
}

static inline int inventory(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/objects", NULL, NULL);
    int outcome = judge(call, &answer, 1, "list the objects");
    json_t *result = json_pack("{s:[], s:n}", "items", "next");
    size_t i = 0;
    json_t *object = NULL;
    json_array_foreach(provost_at(answer.json, "objects"), i, object)
    {
        json_array_append_new(
            json_object_get(result, "items"),
            json_pack("{s:s, s:s}", "ref", provost_text_at(object, "ref", ""), "kind", "object"));
    }
    if (outcome == PROVOST_OK) {
        provost_set_result(call, result);
    }
    json_decref(result);
    done(&answer);
    return outcome;
}

#endif

/* ---- What a broken plugin does differently; at the end of its file it includes this again ---- */

#ifdef BROKEN_NAME

#ifndef BROKEN_CREATE
#define BROKEN_CREATE good_create
#endif
#ifndef BROKEN_CREATE_UNDO
#define BROKEN_CREATE_UNDO good_delete
#endif
#ifndef BROKEN_CREATE_LOOKUP
#define BROKEN_CREATE_LOOKUP good_lookup
#endif
#ifndef BROKEN_CREATE_FLAGS
#define BROKEN_CREATE_FLAGS 0
#endif
#ifndef BROKEN_ENABLE
#define BROKEN_ENABLE good_enable
#endif
#ifndef BROKEN_DISABLE
#define BROKEN_DISABLE good_disable
#endif
#ifndef BROKEN_DISABLE_LOOKUP
#define BROKEN_DISABLE_LOOKUP NULL
#endif
#ifndef BROKEN_DISABLE_FLAGS
#define BROKEN_DISABLE_FLAGS PROVOST_S_REPEATABLE
#endif
#ifndef BROKEN_RESIZE
#define BROKEN_RESIZE good_resize
#endif
#ifndef BROKEN_RESIZE_UNDO
#define BROKEN_RESIZE_UNDO resize_back
#endif
#ifndef BROKEN_DELETE
#define BROKEN_DELETE good_delete
#endif
#ifndef BROKEN_DELETE_LOOKUP
#define BROKEN_DELETE_LOOKUP NULL
#endif
#ifndef BROKEN_DELETE_FLAGS
#define BROKEN_DELETE_FLAGS PROVOST_S_REPEATABLE
#endif
#ifndef BROKEN_ACTION
#define BROKEN_ACTION good_disable
#endif
#ifndef BROKEN_ACTION_UNDO
#define BROKEN_ACTION_UNDO NULL
#endif
#ifndef BROKEN_TOKEN_FLAGS
#define BROKEN_TOKEN_FLAGS (PROVOST_F_REQUIRED | PROVOST_F_SECRET)
#endif

static const struct provost_field settings[] = {
    {.name = "url", .type = PROVOST_T_URL, .flags = PROVOST_F_REQUIRED},
    {.name = "token", .type = PROVOST_T_STRING, .flags = BROKEN_TOKEN_FLAGS},
    {0},
};
static const struct provost_field product[] = {
    {.name = "size", .type = PROVOST_T_SIZE, .fallback = "1GiB"},
    {0},
};
static const struct provost_step create_steps[] = {
    {.name = "object",
     .run = BROKEN_CREATE,
     .undo = BROKEN_CREATE_UNDO,
     .lookup = BROKEN_CREATE_LOOKUP,
     .flags = BROKEN_CREATE_FLAGS},
    {.name = "enable", .run = BROKEN_ENABLE, .flags = PROVOST_S_REPEATABLE},
    {0},
};
static const struct provost_step suspend_steps[] = {
    {.name = "disable",
     .run = BROKEN_DISABLE,
     .lookup = BROKEN_DISABLE_LOOKUP,
     .flags = BROKEN_DISABLE_FLAGS},
    {0},
};
static const struct provost_step unsuspend_steps[] = {
    {.name = "enable", .run = good_enable, .flags = PROVOST_S_REPEATABLE}, {0}};
static const struct provost_step upgrade_steps[] = {{.name = "resize",
                                                     .run = BROKEN_RESIZE,
                                                     .undo = BROKEN_RESIZE_UNDO,
                                                     .flags = PROVOST_S_REPEATABLE},
                                                    {0}};
static const struct provost_step terminate_steps[] = {
    {.name = "delete",
     .run = BROKEN_DELETE,
     .lookup = BROKEN_DELETE_LOOKUP,
     .flags = BROKEN_DELETE_FLAGS},
    {0},
};
static const struct provost_step action_steps[] = {
    {.name = "act",
     .run = BROKEN_ACTION,
     .undo = BROKEN_ACTION_UNDO,
     .flags = PROVOST_S_REPEATABLE},
#ifdef BROKEN_ACTION_NEXT
    {.name = "next", .run = BROKEN_ACTION_NEXT, .flags = PROVOST_S_REPEATABLE},
#endif
    {0},
};
static const struct provost_field action_form[] = {
    {.name = "how",
     .type = PROVOST_T_SELECT,
     .options = "softly|hard",
     .flags = PROVOST_F_REQUIRED},
    {0},
};
static const struct provost_action actions[] = {
    {.name = "act", .label = "Act", .form = action_form, .steps = action_steps}, {0}};
static const struct provost_query instance_queries[] = {{.name = "inventory", .run = inventory},
                                                        {0}};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = BROKEN_NAME,
    .version = "1",
    .summary = "Objects at the backend of the conformance kit's tests.",
#ifdef BROKEN_NEEDS
    .flags = BROKEN_NEEDS,
#endif
    .settings = settings,
    .product = product,
    .create = create_steps,
    .suspend = suspend_steps,
    .unsuspend = unsuspend_steps,
    .terminate = terminate_steps,
    .upgrade = upgrade_steps,
    .actions = actions,
    .instance_queries = instance_queries,
};
PROVOST_PLUGIN(plugin)

#endif

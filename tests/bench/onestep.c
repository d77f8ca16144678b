/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a plugin with a backend can do: each operation is one request, a POST of the
 * service's ref, and nothing is kept of the answer. Beside it stands what the generic `http` plugin
 * takes. */
#include <provost/json.h>

static int post(struct provost_call *call)
{
    json_t *settings = provost_settings(call);
    json_t *body = json_pack("{s:s}", "ref", call->ref);
    struct provost_http_response response = {0};
    json_t *json = NULL;
    int code = provost_http_json(call, "POST", provost_text_at(settings, "url", ""), NULL, body,
                                 PROVOST_H_IDEMPOTENT, &json, &response);
    int outcome = provost_classify_http(call, code, &response, 1, "post");
    json_decref(json);
    json_decref(body);
    json_decref(settings);
    return outcome;
}

static const struct provost_step steps[] = {
    {.name = "post", .run = post, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_field settings[] = {
    {.name = "url",
     .label = "URL",
     .type = PROVOST_T_URL,
     .flags = PROVOST_F_REQUIRED,
     .description = "Where each request is sent."},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,  .name = "onestep",
    .version = "0.1.0",   .summary = "One request an operation, for benchmarks.",
    .settings = settings, .create = steps,
    .terminate = steps,
};

PROVOST_PLUGIN(plugin)

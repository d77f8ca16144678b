/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that waits for its backend to call. Its one step tells the backend the URL of a signal,
 * and everybody else too; once the signal is there, the backend gets to hear what it said. */
#include "tests/plugins/member.h"

#include <provost/plugin.h>

#include <stdio.h>
#include <string.h>

static int post(struct provost_call *call, const char *path, const char *body)
{
    char url[256];
    char target[512];
    member(call->settings, "url", url, sizeof(url));
    snprintf(target, sizeof(target), "%s/%s", url, path);
    struct provost_http_request request = {.struct_size = sizeof(request),
                                           .method = "POST",
                                           .url = target,
                                           .body = body,
                                           .body_len = strlen(body)};
    struct provost_http_response response = {.struct_size = sizeof(response)};
    int error = call->host->http(call, &request, &response);
    return error == 0 && response.status == 200 ? PROVOST_OK : PROVOST_TEMPORARY;
}

static int order(struct provost_call *call)
{
    const char *url = NULL;
    char body[1024];
    if (call->host->signal_url(call, "paid", &url) != 0) {
        return call->host->outcome(call, PROVOST_PERMANENT, -1, call->host->error(call));
    }
    call->host->log(call, PROVOST_LOG_INFO, url);
    call->host->progress(call, 50, url);
    snprintf(body, sizeof(body), "{\"external_id\":\"%s\",\"callback\":\"%s\"}", call->external_id,
             url);
    int outcome = post(call, "tell", body);
    return call->host->outcome(call, outcome == PROVOST_OK ? PROVOST_PENDING : outcome, 0, url);
}

static int await(struct provost_call *call)
{
    char body[1024];
    const char *said = strstr(call->input, "\"signals\":{\"paid\":");
    if (said == NULL) {
        return call->host->outcome(call, PROVOST_PENDING, 0, "nobody has paid yet");
    }
    snprintf(body, sizeof(body), "{\"external_id\":\"%s\",\"first\":\"%c\"}", call->external_id,
             said[strlen("\"signals\":{\"paid\":")]);
    return post(call, "effect", body);
}

static const struct provost_field settings[] = {
    {.name = "url", .type = PROVOST_T_URL, .flags = PROVOST_F_REQUIRED},
    {0},
};

static const struct provost_step create[] = {
    {.name = "pay", .run = order, .poll = await, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,  .name = "called",
    .version = "1.0.0",   .summary = "Waits for its backend to call, for tests.",
    .settings = settings, .create = create,
};

PROVOST_PLUGIN(plugin)

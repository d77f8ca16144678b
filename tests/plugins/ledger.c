/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose every step leaves one line in a backend's ledger, for tests that count them. No
 * step can be repeated: after an unknown outcome the ledger is asked. */
#include "tests/plugins/member.h"

#include <provost/plugin.h>

#include <stdio.h>
#include <string.h>

/* One request about what this call does to the service. The status, 0 when nobody knows, -1 when
 * nothing was sent. */
static int ask(struct provost_call *call, const char *method, const char *path, const char *what)
{
    char url[256];
    char target[512];
    char body[768];
    member(call->settings, "url", url, sizeof(url));
    snprintf(target, sizeof(target), "%s/%s", url, path);
    int len = snprintf(body, sizeof(body),
                       "{\"operation\":\"%s\",\"step\":\"%s\",\"what\":\"%s\",\"run\":%u,"
                       "\"ref\":\"%s\",\"external_id\":\"%s\",\"state\":%s}",
                       call->operation_id, call->step, what, call->run, call->ref,
                       call->external_id, call->state);
    struct provost_http_request request = {.struct_size = sizeof(request),
                                           .method = method,
                                           .url = target,
                                           .body = body,
                                           .body_len = (size_t)len,
                                           .timeout_ms = 5000,
                                           .idempotency_label = "effect"};
    struct provost_http_response response = {.struct_size = sizeof(response)};
    int error = call->host->http(call, &request, &response);
    if (error == PROVOST_E_NOT_SENT) {
        return -1;
    }
    return error == 0 ? response.status : 0;
}

static int outcome_of(int status)
{
    if (status == 200) {
        return PROVOST_OK;
    }
    return status == -1 || status == 429 || status == 503 ? PROVOST_TEMPORARY : PROVOST_UNKNOWN;
}

static int effect(struct provost_call *call)
{
    return outcome_of(ask(call, "POST", "effect", "do"));
}

static int take_back(struct provost_call *call)
{
    return outcome_of(ask(call, "POST", "effect", "undo"));
}

/* Found, absent, or nobody can say now. */
static int look(struct provost_call *call)
{
    int status = ask(call, "POST", "look", "do");
    if (status == 200) {
        return PROVOST_OK;
    }
    return status == 404 ? PROVOST_ABSENT : PROVOST_TEMPORARY;
}

/* A number of the pool and a password: the same however often the step is run. */
static int reserve(struct provost_call *call)
{
    const char *number = NULL;
    const char *password = NULL;
    char state[256];
    if (call->host->pool_take(call, "numbers", "number", &number) != 0 ||
        call->host->secret_new(call, "password", NULL, 12, &password) != 0) {
        return PROVOST_TEMPORARY;
    }
    snprintf(state, sizeof(state), "{\"number\":\"%s\",\"password\":\"%s\"}", number, password);
    call->host->state_set(call, state);
    return call->host->state_save(call) == 0 ? PROVOST_OK : PROVOST_TEMPORARY;
}

static const struct provost_field settings[] = {
    {.name = "url", .type = PROVOST_T_URL, .flags = PROVOST_F_REQUIRED},
    {0},
};

#define EFFECT(step_name)                                                                          \
    {                                                                                              \
        .name = step_name, .run = effect, .undo = take_back, .lookup = look, .timeout_ms = 10000,  \
        .settle_ms = 1000                                                                          \
    }

static const struct provost_step create[] = {
    {.name = "reserve", .run = reserve, .flags = PROVOST_S_REPEATABLE},
    EFFECT("machine"),
    EFFECT("account"),
    {0},
};

static const struct provost_step suspend[] = {EFFECT("stop"), {0}};
static const struct provost_step unsuspend[] = {EFFECT("start"), {0}};
static const struct provost_step terminate[] = {EFFECT("remove"), EFFECT("forget"), {0}};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "ledger",
    .version = "1.0.0",
    .summary = "Leaves a line in a ledger for everything it does, for tests.",
    .settings = settings,
    .create = create,
    .suspend = suspend,
    .unsuspend = unsuspend,
    .terminate = terminate,
};

PROVOST_PLUGIN(plugin)

/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that does what no plugin should. The product field `how` says what its step `act` does;
 * the steps before it are harmless, so that there are completed steps and neighbours at other
 * places. */
#include "tests/plugins/member.h"

#include <provost/plugin.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* POST to the backend of the test, which notes it. */
static int call_backend(struct provost_call *call, const char *what)
{
    char url[256];
    char target[512];
    char body[256];
    if (member(call->settings, "url", url, sizeof(url)) != 0) {
        return PROVOST_PERMANENT;
    }
    snprintf(target, sizeof(target), "%s/%s", url, what);
    int len = snprintf(body, sizeof(body), "{\"ref\":\"%s\",\"external_id\":\"%s\"}", call->ref,
                       call->external_id);
    struct provost_http_request request = {.struct_size = sizeof(request),
                                           .method = "POST",
                                           .url = target,
                                           .body = body,
                                           .body_len = (size_t)len};
    struct provost_http_response response = {.struct_size = sizeof(response)};
    if (call->host->http(call, &request, &response) != 0) {
        return PROVOST_UNKNOWN;
    }
    return response.status == 200 ? PROVOST_OK : PROVOST_TEMPORARY;
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int overflow(volatile char *above)
{
    volatile char here[4096];
    here[0] = above ? above[0] : 1;
    return overflow(here) + here[0];
}

static int grow(struct provost_call *call)
{
    for (int i = 0; i < 1024; i++) {
        size_t size = (size_t)4 << 20;
        volatile char *memory = malloc(size);
        for (size_t at = 0; memory && at < size; at += 1024) {
            memory[at] = 1;
        }
        call->host->sleep(call, 10);
    }
    return PROVOST_OK;
}

static void spin(void *unused)
{
    (void)unused;
    for (volatile unsigned long turns = 0;; turns++) {}
}

static int act(struct provost_call *call)
{
    char how[32];
    member(call->input, "how", how, sizeof(how));
    if (strcmp(how, "crash") == 0) {
        raise(SIGSEGV);
    } else if (strcmp(how, "crash_after_send") == 0) {
        call_backend(call, "effect");
        abort();
    } else if (strcmp(how, "loop") == 0) {
        for (volatile unsigned long turns = 0;; turns++) {}
    } else if (strcmp(how, "number") == 0) {
        return 4711;
    } else if (strcmp(how, "garbage") == 0) {
        ssize_t n = write(3, "HTTP/1.1 200 OK\r\n\r\n0123456789", 29);
        call->host->sleep(call, 20000);
        return n > 0 ? PROVOST_OK : PROVOST_TEMPORARY;
    } else if (strcmp(how, "overflow") == 0) {
        return overflow(NULL);
    } else if (strcmp(how, "exit") == 0) {
        exit(0);
    } else if (strcmp(how, "grow") == 0) {
        return grow(call);
    } else if (strcmp(how, "spin") == 0) {
        call->host->blocking(call, spin, NULL); /* the loop goes on */
    } else if (strcmp(how, "wait") == 0) {
        return call_backend(call, "wait"); /* answered when the test says so */
    }
    return call_backend(call, "effect");
}

/* Has little time, and does not care when that is over. */
static int listen(struct provost_call *call)
{
    char how[32];
    member(call->input, "how", how, sizeof(how));
    while (strcmp(how, "deaf") == 0) {
        call->host->sleep(call, 100);
    }
    return PROVOST_OK;
}

/* What the backend has noted. */
static int look(struct provost_call *call)
{
    int outcome = call_backend(call, "look");
    return outcome == PROVOST_TEMPORARY ? PROVOST_ABSENT : outcome;
}

static int nothing(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

static int say_status(struct provost_call *call)
{
    call->host->result(call, "{\"status\":\"fine\"}");
    return PROVOST_OK;
}

static int open_instance(const char *settings, void **ret_instance, char *error, size_t error_size)
{
    char start[32];
    *ret_instance = NULL;
    member(settings, "start", start, sizeof(start));
    if (strcmp(start, "refuse") == 0) {
        snprintf(error, error_size, "the panel of this instance is gone");
        return -1;
    }
    return 0;
}

static const struct provost_field settings[] = {
    {.name = "url", .type = PROVOST_T_URL, .flags = PROVOST_F_REQUIRED},
    {.name = "start", .type = PROVOST_T_STRING, .fallback = "well"},
    {0},
};

static const struct provost_field product[] = {
    {.name = "how", .type = PROVOST_T_STRING, .fallback = "well"},
    {0},
};

static const struct provost_step create[] = {
    {.name = "prepare", .run = nothing, .flags = PROVOST_S_REPEATABLE},
    {.name = "listen", .run = listen, .flags = PROVOST_S_REPEATABLE, .timeout_ms = 1000},
    {.name = "act", .run = act, .lookup = look, .timeout_ms = 20000, .settle_ms = 50},
    {0},
};

static const struct provost_step terminate[] = {
    {.name = "remove", .run = nothing, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_action actions[] = {
    {.name = "again", .label = "Do it again", .steps = create},
    {0},
};

static const struct provost_query queries[] = {
    {.name = "test", .run = say_status},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,   .name = "misbehave",
    .version = "1.0.0",    .summary = "Does what no plugin should, for tests.",
    .settings = settings,  .product = product,
    .create = create,      .terminate = terminate,
    .actions = actions,    .instance_queries = queries,
    .open = open_instance,
};

PROVOST_PLUGIN(plugin)

/* SPDX-License-Identifier: Apache-2.0 */
/* The http plugin: backends that are driven by HTTP calls which stand in the configuration. This
 * file is what every instance declares; declare.c adds what the settings say. See http.md. */
#include "plugins/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct provost_field settings[] = {
    {.name = "url",
     .label = "Base URL",
     .type = PROVOST_T_URL,
     .flags = PROVOST_F_REQUIRED,
     .description = "What stands before the path of every call; also unix:/path/to.sock."},
    {.name = "auth",
     .label = "Authentication",
     .type = PROVOST_T_SELECT,
     .options = "none|bearer|basic|header",
     .fallback = "none"},
    {.name = "auth_token",
     .label = "Token",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_SECRET,
     .description = "The bearer token, the password of auth_user, or the value of auth_header."},
    {.name = "auth_user",
     .label = "User",
     .type = PROVOST_T_STRING,
     .description = "Of auth: basic."},
    {.name = "auth_header",
     .label = "Header",
     .type = PROVOST_T_STRING,
     .pattern = "^[A-Za-z0-9_-]+$",
     .description = "Of auth: header, its name."},
    {.name = "ca_file",
     .label = "CA file",
     .type = PROVOST_T_STRING,
     .description = "PEM file of a private CA that signed the backend's certificate."},
    {.name = "headers",
     .label = "Headers",
     .type = PROVOST_T_MAP,
     .description = "Sent with every request; a call may give them again."},
    {.name = "timeout",
     .label = "Time limit",
     .type = PROVOST_T_DURATION,
     .fallback = "30s",
     .min = 100,
     .max = HTTP_TIMEOUT_MAX_MS,
     .description = "Of a request that has none of its own."},
    {.name = "max_answer",
     .label = "Largest answer",
     .type = PROVOST_T_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 16 * 1024 * 1024},
    {.name = "vars",
     .label = "Values",
     .type = PROVOST_T_MAP,
     .description = "For templates: {{settings.vars.NAME}}."},
    {.name = "secrets",
     .label = "Secret values",
     .type = PROVOST_T_MAP,
     .flags = PROVOST_F_SECRET,
     .description = "For templates: {{settings.secrets.NAME}}."},
    {.name = "error",
     .label = "Errors",
     .type = PROVOST_T_JSON,
     .description = "JSON pointers to the text of an error in an answer."},
    {.name = "product",
     .label = "Fields of products",
     .type = PROVOST_T_JSON,
     .description = "A list of fields that products and plans set: {{plan.NAME}}."},
    {.name = "checkout",
     .label = "Fields of orders",
     .type = PROVOST_T_JSON,
     .description = "A list of fields that orders may carry: {{params.NAME}}."},
    {.name = "operations",
     .label = "Operations",
     .type = PROVOST_T_JSON,
     .flags = PROVOST_F_REQUIRED,
     .description = "create, suspend, unsuspend, terminate, upgrade, renew: lists of calls."},
    {.name = "actions",
     .label = "Actions",
     .type = PROVOST_T_JSON,
     .description = "By name: label, confirm, form, quota, quota_delta, calls."},
    {.name = "queries",
     .label = "Queries of a service",
     .type = PROVOST_T_JSON,
     .description = "By name: access, params, calls, result."},
    {.name = "instance_queries",
     .label = "Queries of the instance",
     .type = PROVOST_T_JSON,
     .description = "The same; `test` is asked to see whether the backend works."},
    {0},
};

static int open_instance(const char *text, void **ret_instance, char *error, size_t error_size)
{
    struct http_instance *instance = calloc(1, sizeof(*instance));
    json_t *json = instance != NULL ? provost_parse(text, strlen(text)) : NULL;
    int status = json_is_object(json) ? http_check(json, error, error_size) : -1;
    const char *auth = provost_text_at(json, "auth", "none");
    if (status == 0 && strcmp(auth, "none") != 0 &&
        provost_text_at(json, "auth_token", NULL) == NULL) {
        snprintf(error, error_size, "auth_token: missing: auth: %s needs it", auth);
        status = -1;
    }
    if (status != 0) {
        json_decref(json);
        free(instance);
        return -1;
    }
    instance->settings = json;
    *ret_instance = instance;
    return 0;
}

static void close_instance(void *data)
{
    struct http_instance *instance = data;
    if (instance != NULL) {
        json_decref(instance->settings);
        free(instance);
    }
}

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "http",
    .version = "0.1.0",
    .summary = "Backends that are driven by HTTP calls, which stand in the configuration.",
    .settings = settings,
    .open = open_instance,
    .close = close_instance,
    .declare = http_declare,
};

PROVOST_PLUGIN(plugin)

/* SPDX-License-Identifier: Apache-2.0 */
/* See kit.h. What outlives a statement here is the call's memory, or owned by struct kit. */
#include "plugins/common/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse_object(const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return json_object();
    }
    json_t *json = provost_parse(text, strlen(text));
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

char *kit_printf(struct kit *kit, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = provost_vformat(kit->call, format, arguments);
    va_end(arguments);
    return text[0] == '\0' ? NULL : (char *)(uintptr_t)text;
}

int kit_end(struct kit *kit, int outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = provost_vformat(kit->call, format, arguments);
    va_end(arguments);
    return kit->host->outcome(kit->call, outcome, -1, text);
}

int kit_refuse(struct kit *kit, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = provost_vformat(kit->call, format, arguments);
    va_end(arguments);
    int outcome = kit_result(kit, json_pack("{s:s}", "code", code));
    return outcome != PROVOST_OK ? outcome
                                 : kit->host->outcome(kit->call, PROVOST_PERMANENT, -1, text);
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

/* Refusals that mean something of their own to whoever sent the request. */
static bool caller_judges(int status)
{
    return status == 400 || (status >= 404 && status < 500 && status != 408 && status != 429);
}

int kit_http(struct kit *kit, const struct provost_http_request *request, json_t *body,
             const char *what, struct kit_answer *ret_answer)
{
    bool repeatable = (request->flags & PROVOST_H_IDEMPOTENT) != 0;
    struct provost_http_response response = {.struct_size = sizeof(response)};
    json_t *json = NULL;
    int code = provost_send_json(kit->call, request, body, &json, &response);
    if (code != 0 || !caller_judges(response.status)) {
        int outcome = provost_classify_http(kit->call, code, &response, repeatable, what);
        if (outcome != PROVOST_OK) {
            json_decref(json);
            return outcome;
        }
    }
    *ret_answer = (struct kit_answer){.status = response.status,
                                      .json = json,
                                      .text = provost_backend_error(kit->call, &response)};
    return PROVOST_OK;
}

void kit_answer_done(struct kit_answer *answer)
{
    json_decref(answer->json);
    answer->json = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* provost/json.h on a host table of the test's own. */
#include "tests/unit/unit.h"

#include <provost/json.h>

#include <stdbool.h>
#include <stdlib.h>

static char said[1000];
static int64_t said_retry;
static char state[1000];
static char result[1000];
static char logged[1000];
static void *blocks[64];
static size_t block_count;
static bool no_memory;

static const char *host_error(struct provost_call *call)
{
    (void)call;
    return "the host's sentence";
}

static void *host_alloc(struct provost_call *call, size_t size)
{
    (void)call;
    assert_true(block_count < PV_COUNT(blocks));
    if (no_memory) {
        return NULL;
    }
    blocks[block_count] = malloc(size);
    block_count++;
    return blocks[block_count - 1];
}

static void host_log(struct provost_call *call, int level, const char *text)
{
    (void)call;
    snprintf(logged, sizeof(logged), "%d %s", level, text);
}

static int host_outcome(struct provost_call *call, int outcome, int64_t retry_after_ms,
                        const char *text)
{
    (void)call;
    said_retry = retry_after_ms;
    snprintf(said, sizeof(said), "%s", text);
    return outcome;
}

static int host_state_set(struct provost_call *call, const char *json)
{
    (void)call;
    snprintf(state, sizeof(state), "%s", json);
    return 0;
}

static int host_result(struct provost_call *call, const char *json)
{
    (void)call;
    snprintf(result, sizeof(result), "%s", json);
    return 0;
}

static char asked[1000];
static struct provost_http_response answer;
static int answer_code;

static int host_http(struct provost_call *call, const struct provost_http_request *request,
                     struct provost_http_response *response)
{
    (void)call;
    int len =
        snprintf(asked, sizeof(asked), "%s %s|%.*s|%u|%s", request->method, request->url,
                 (int)request->body_len, request->body != NULL ? request->body : "", request->flags,
                 request->idempotency_label != NULL ? request->idempotency_label : "");
    for (size_t i = 0; request->headers[i] != NULL; i++) {
        len += snprintf(asked + len, sizeof(asked) - (size_t)len, "|%s", request->headers[i]);
    }
    size_t size = response->struct_size;
    *response = answer;
    response->struct_size = size;
    return answer_code;
}

static const struct provost_host table = {
    .struct_size = sizeof(table),
    .abi = PROVOST_ABI,
    .error = host_error,
    .alloc = host_alloc,
    .log = host_log,
    .outcome = host_outcome,
    .result = host_result,
    .state_set = host_state_set,
    .http = host_http,
};

static struct provost_call call;

static int start(void **unused)
{
    (void)unused;
    call = (struct provost_call){
        .struct_size = sizeof(call),
        .host = &table,
        .settings = "{\"url\": \"http://x\"}",
        .input = "{\"service\": {\"params\": {\"memory\": 512, \"name\": \"a\", \"on\": true}}}",
        .state = "{\"id\": 7}",
    };
    answer = (struct provost_http_response){.body = "", .headers = "", .retry_after_ms = -1};
    answer_code = 0;
    no_memory = false;
    said[0] = '\0';
    return 0;
}

static int stop(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < block_count; i++) {
        free(blocks[i]);
    }
    block_count = 0;
    return 0;
}

static void what_a_call_is_given_is_read(void **unused)
{
    (void)unused;
    json_t *input = provost_input(&call);
    assert_int_equal(provost_int_at(input, "service.params.memory", -1), 512);
    assert_int_equal(provost_int_at(input, "service.params.name", -1), -1);
    assert_string_equal(provost_text_at(input, "service.params.name", "none"), "a");
    assert_string_equal(provost_text_at(input, "service.absent.name", "none"), "none");
    assert_int_equal(provost_bool_at(input, "service.params.on", 0), 1);
    assert_int_equal(provost_bool_at(input, "service.params.off", 0), 0);
    json_decref(input);
    json_t *doc = provost_state(&call);
    assert_int_equal(provost_int_at(doc, "id", 0), 7);
    json_object_set_new(doc, "id", json_integer(8));
    assert_int_equal(provost_set_state(&call, doc), 0);
    assert_string_equal(state, "{\"id\":8}");
    assert_int_equal(provost_set_result(&call, doc), 0);
    assert_string_equal(result, "{\"id\":8}");
    no_memory = true;
    assert_int_equal(provost_set_state(&call, doc), PROVOST_E_NOMEM);
    json_decref(doc);
    json_t *settings = provost_settings(&call);
    assert_string_equal(provost_text_at(settings, "url", ""), "http://x");
    json_decref(settings);
}

static void deep_json_is_refused(void **unused)
{
    (void)unused;
    char deep[402];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    assert_null(provost_parse(deep, 400));
    json_t *json = provost_parse(deep + 150, 100);
    assert_non_null(json);
    json_decref(json);
    static const char quoted[] = "[\"[[[[\\\"[[[\"]";
    json = provost_parse(quoted, strlen(quoted));
    assert_non_null(json);
    json_decref(json);
    assert_null(provost_parse("nonsense", 8));
    assert_null(provost_parse(NULL, 0));
}

static void sentences_are_formatted(void **unused)
{
    (void)unused;
    assert_int_equal(provost_fail(&call, PROVOST_PERMANENT, 5, "zone %s: %d", "a.example", 7),
                     PROVOST_PERMANENT);
    assert_string_equal(said, "zone a.example: 7");
    assert_int_equal(said_retry, 5);
    provost_log(&call, PROVOST_LOG_WARN, "%d left", 3);
    assert_string_equal(logged, "2 3 left");
    no_memory = true;
    assert_int_equal(provost_fail(&call, PROVOST_PERMANENT, 5, "x"), PROVOST_PERMANENT);
    assert_string_equal(said, "");
}

static void json_goes_both_ways(void **unused)
{
    (void)unused;
    static const char *const lines[] = {"X-Key: k", NULL};
    answer.status = 201;
    answer.body = "{\"id\": 9}";
    answer.body_len = strlen(answer.body);
    json_t *body = json_pack("{s:s}", "name", "a");
    json_t *got = NULL;
    struct provost_http_response response;
    assert_int_equal(provost_http_json(&call, "POST", "http://x/", lines, body,
                                       PROVOST_H_IDEMPOTENT, &got, &response),
                     0);
    assert_string_equal(asked, "POST http://x/|{\"name\":\"a\"}|1||Accept: "
                               "application/json|Content-Type: application/json|X-Key: k");
    assert_int_equal(response.status, 201);
    assert_int_equal(provost_int_at(got, "id", 0), 9);
    json_decref(got);
    json_decref(body);
    answer.body = "<html>";
    answer.body_len = 6;
    assert_int_equal(provost_http_json(&call, "GET", "http://x/", NULL, NULL, 0, &got, &response),
                     0);
    assert_null(got);
    assert_string_equal(asked, "GET http://x/||0||Accept: application/json");
    struct provost_http_request request = {.struct_size = sizeof(request),
                                           .method = "PUT",
                                           .url = "http://y/",
                                           .idempotency_label = "create"};
    assert_int_equal(provost_send_json(&call, &request, NULL, NULL, &response), 0);
    assert_string_equal(asked, "PUT http://y/||0|create|Accept: application/json");
    const char *many[PROVOST_HEADERS_MAX + 2];
    for (size_t i = 0; i < PROVOST_HEADERS_MAX + 1; i++) {
        many[i] = "X: y";
    }
    many[PROVOST_HEADERS_MAX + 1] = NULL;
    assert_int_equal(provost_http_json(&call, "GET", "http://x/", many, NULL, 0, &got, &response),
                     PROVOST_E_TOO_BIG);
}

static void answers_mean_something(void **unused)
{
    (void)unused;
    static const struct {
        int status;
        int once;       /* outcome of what may not be repeated */
        int repeatable; /* outcome of what may */
    } cases[] = {
        {200, PROVOST_OK, PROVOST_OK},
        {204, PROVOST_OK, PROVOST_OK},
        {302, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {400, PROVOST_PERMANENT, PROVOST_PERMANENT},
        {401, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {403, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {404, PROVOST_PERMANENT, PROVOST_PERMANENT},
        {408, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {409, PROVOST_UNKNOWN, PROVOST_UNKNOWN},
        {422, PROVOST_PERMANENT, PROVOST_PERMANENT},
        {429, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {500, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {502, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {503, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {504, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct provost_http_response response = {
            .status = cases[i].status, .body = "", .retry_after_ms = 7000};
        assert_int_equal(provost_classify_http(&call, 0, &response, 0, "create"), cases[i].once);
        assert_int_equal(said_retry, cases[i].once == PROVOST_TEMPORARY ? 7000 : said_retry);
        assert_int_equal(provost_classify_http(&call, 0, &response, 1, "create"),
                         cases[i].repeatable);
    }
    static const struct {
        int code;
        int once;
        int repeatable;
    } errors[] = {
        {PROVOST_E_NOT_SENT, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {PROVOST_E_TIMEOUT, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_LOST, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_TOO_BIG, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_TLS, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {PROVOST_E_CANCELED, PROVOST_CANCELED, PROVOST_CANCELED},
        {PROVOST_E_FENCED, PROVOST_CANCELED, PROVOST_CANCELED},
        {PROVOST_E_NOMEM, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {PROVOST_E_INVALID, PROVOST_PERMANENT, PROVOST_PERMANENT},
        {PROVOST_E_FAILED, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
    };
    for (size_t i = 0; i < PV_COUNT(errors); i++) {
        struct provost_http_response response = {.body = ""};
        assert_int_equal(provost_classify_http(&call, errors[i].code, &response, 0, "create"),
                         errors[i].once);
        assert_string_equal(said, "create: the host's sentence");
        assert_int_equal(provost_classify_http(&call, errors[i].code, &response, 1, "create"),
                         errors[i].repeatable);
    }
}

static void other_errors_mean_something(void **unused)
{
    (void)unused;
    assert_int_equal(provost_classify(&call, 0, "take"), PROVOST_OK);
    assert_int_equal(provost_classify(&call, PROVOST_E_EXHAUSTED, "take"), PROVOST_TEMPORARY);
    assert_int_equal(provost_classify(&call, PROVOST_E_NOT_FOUND, "take"), PROVOST_PERMANENT);
    assert_int_equal(provost_classify(&call, PROVOST_E_DENIED, "take"), PROVOST_INSTANCE_FAULT);
    assert_int_equal(provost_classify(&call, PROVOST_E_LOST, "take"), PROVOST_UNKNOWN);
}

static void what_the_backend_said_is_told(void **unused)
{
    (void)unused;
    static const struct {
        const char *body;
        const char *said;
    } cases[] = {
        {"{\"error\": \"zone exists\"}", "create: HTTP 422: zone exists"},
        {"{\"error\": {\"message\": \"inner\"}}", "create: HTTP 422: inner"},
        {"{\"message\": \"m\"}", "create: HTTP 422: m"},
        {"plain words\nmore", "create: HTTP 422: plain words"},
        {"<html>no</html>", "create: HTTP 422"},
        {"[1]", "create: HTTP 422"},
        {"", "create: HTTP 422"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct provost_http_response response = {
            .status = 422, .body = cases[i].body, .body_len = strlen(cases[i].body)};
        assert_int_equal(provost_classify_http(&call, 0, &response, 0, "create"),
                         PROVOST_PERMANENT);
        assert_string_equal(said, cases[i].said);
    }
}

static void long_words_of_the_backend_are_cut(void **unused)
{
    (void)unused;
    char body[500];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    static const size_t lengths[] = {199, 200, 201, 400, 499};
    for (size_t i = 0; i < PV_COUNT(lengths); i++) {
        struct provost_http_response response = {.status = 422, .body = body};
        response.body_len = lengths[i];
        char cut = body[lengths[i]];
        body[lengths[i]] = '\0';
        (void)provost_classify_http(&call, 0, &response, 0, "create");
        body[lengths[i]] = cut;
        assert_int_equal(strlen(said),
                         strlen("create: HTTP 422: ") + (lengths[i] < 200 ? lengths[i] : 200));
    }
}

#define WITH_CALL(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CALL(what_a_call_is_given_is_read),  WITH_CALL(deep_json_is_refused),
        WITH_CALL(sentences_are_formatted),       WITH_CALL(json_goes_both_ways),
        WITH_CALL(answers_mean_something),        WITH_CALL(other_errors_mean_something),
        WITH_CALL(what_the_backend_said_is_told), WITH_CALL(long_words_of_the_backend_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

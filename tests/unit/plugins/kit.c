/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugins' kit makes of errors, answers and documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/common/kit.h"

#define NELEMS(array) (sizeof(array) / sizeof((array)[0]))

/* A host that remembers what was said, and whose http answers with `next`. */
static struct {
    char text[1024];
    int64_t retry_after_ms;
    char document[256];
    int error;
    struct provost_http_response next;
    void *blocks[64];
    size_t block_count;
    bool no_memory;
} said;

static const char *host_error(struct provost_call *call)
{
    (void)call;
    return "the host's sentence";
}

static void *host_alloc(struct provost_call *call, size_t size)
{
    (void)call;
    if (said.no_memory || said.block_count == NELEMS(said.blocks)) {
        return NULL;
    }
    said.blocks[said.block_count] = malloc(size);
    return said.blocks[said.block_count++];
}

static int host_outcome(struct provost_call *call, int outcome, int64_t retry_after_ms,
                        const char *text)
{
    (void)call;
    snprintf(said.text, sizeof(said.text), "%s", text == NULL ? "" : text);
    said.retry_after_ms = retry_after_ms;
    return outcome;
}

static int host_document(struct provost_call *call, const char *json)
{
    (void)call;
    snprintf(said.document, sizeof(said.document), "%s", json);
    return said.error;
}

static int host_save(struct provost_call *call)
{
    (void)call;
    return said.error;
}

static int host_http(struct provost_call *call, const struct provost_http_request *request,
                     struct provost_http_response *response)
{
    (void)call;
    snprintf(said.document, sizeof(said.document), "%s",
             request->body == NULL ? "" : request->body);
    *response = said.next;
    return said.error;
}

static const struct provost_host host = {
    .struct_size = sizeof(host),
    .error = host_error,
    .alloc = host_alloc,
    .outcome = host_outcome,
    .result = host_document,
    .state_set = host_document,
    .state_save = host_save,
    .http = host_http,
};

static struct provost_call call_with(const char *input)
{
    return (struct provost_call){.struct_size = sizeof(struct provost_call),
                                 .host = &host,
                                 .settings = "{}",
                                 .input = input,
                                 .state = ""};
}

static int setup(void **unused)
{
    (void)unused;
    memset(&said, 0, sizeof(said));
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < said.block_count; i++) {
        free(said.blocks[i]);
    }
    return 0;
}

static void test_documents(void **unused)
{
    (void)unused;
    struct provost_call call =
        call_with("{\"a\":{\"b\":\"text\",\"n\":7,\"t\":true,\"z\":null},\"s\":\"\"}");
    struct kit kit;
    assert_int_equal(kit_open(&kit, &call), PROVOST_OK);
    assert_string_equal(provost_text_at(kit.input, "a.b", "no"), "text");
    assert_string_equal(provost_text_at(kit.input, "a.n", "no"), "no");
    assert_string_equal(provost_text_at(kit.input, "a.z", "no"), "no");
    assert_string_equal(provost_text_at(kit.input, "a.b.c", "no"), "no");
    assert_string_equal(provost_text_at(kit.input, "x.y", "no"), "no");
    assert_string_equal(provost_text_at(NULL, "x", "no"), "no");
    assert_int_equal(provost_int_at(kit.input, "a.n", 1), 7);
    assert_int_equal(provost_int_at(kit.input, "a.b", 1), 1);
    assert_true(provost_bool_at(kit.input, "a.t", false));
    assert_true(provost_bool_at(kit.input, "a.x", true));
    json_object_set_new(kit.state, "k", json_integer(1));
    assert_int_equal(kit_state_save(&kit), PROVOST_OK);
    assert_string_equal(said.document, "{\"k\":1}");
    said.error = PROVOST_E_FENCED;
    assert_int_equal(kit_state_save(&kit), PROVOST_CANCELED);
    assert_int_equal(kit_close(&kit, PROVOST_PENDING), PROVOST_PENDING);
}

static void test_documents_that_are_none(void **unused)
{
    (void)unused;
    static const char *const inputs[] = {"[]", "{", "1"};
    for (size_t i = 0; i < NELEMS(inputs); i++) {
        struct provost_call call = call_with(inputs[i]);
        struct kit kit;
        assert_int_equal(kit_open(&kit, &call), PROVOST_TEMPORARY);
    }
}

static void test_errors(void **unused)
{
    (void)unused;
    static const struct {
        int error;
        int once;
        int idempotent;
    } cases[] = {
        {PROVOST_E_NOMEM, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {PROVOST_E_INVALID, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {PROVOST_E_CANCELED, PROVOST_CANCELED, PROVOST_CANCELED},
        {PROVOST_E_TIMEOUT, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_NOT_SENT, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
        {PROVOST_E_LOST, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_TLS, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {PROVOST_E_TOO_BIG, PROVOST_UNKNOWN, PROVOST_TEMPORARY},
        {PROVOST_E_DENIED, PROVOST_INSTANCE_FAULT, PROVOST_INSTANCE_FAULT},
        {PROVOST_E_FENCED, PROVOST_CANCELED, PROVOST_CANCELED},
        {PROVOST_E_FAILED, PROVOST_TEMPORARY, PROVOST_TEMPORARY},
    };
    struct provost_call call = call_with("{}");
    struct kit kit;
    assert_int_equal(kit_open(&kit, &call), PROVOST_OK);
    for (size_t i = 0; i < NELEMS(cases); i++) {
        assert_int_equal(kit_end_error(&kit, cases[i].error, true, "do it"), cases[i].once);
        assert_int_equal(kit_end_error(&kit, cases[i].error, false, "do it"), cases[i].idempotent);
        assert_string_equal(said.text, "do it: the host's sentence");
    }
    kit_close(&kit, 0);
}

static void test_answers(void **unused)
{
    (void)unused;
    static const struct {
        int status;
        const char *body;
        int once;
        const char *text;
    } cases[] = {
        {200, "{\"a\":1}", PROVOST_OK, ""},
        {404, "gone", PROVOST_OK, ": gone"},
        {409, "{\"error\":\"twice\"}", PROVOST_OK, ": twice"},
        {422, "{\"message\":\"bad\"}", PROVOST_OK, ": bad"},
        {418, "<html>teapot</html>", PROVOST_OK, ""},
        {401, "{\"error\":\"no\"}", PROVOST_INSTANCE_FAULT, "do it: HTTP 401: no"},
        {403, "", PROVOST_INSTANCE_FAULT, "do it: HTTP 403"},
        {301, "", PROVOST_INSTANCE_FAULT, "do it: HTTP 301"},
        {101, "", PROVOST_INSTANCE_FAULT, "do it: HTTP 101"},
        {429, "", PROVOST_TEMPORARY, "do it: HTTP 429"},
        {503, "line one\nline two", PROVOST_TEMPORARY, "do it: HTTP 503: line one"},
        {408, "", PROVOST_UNKNOWN, "do it: HTTP 408"},
        {500, "<html>sorry</html>", PROVOST_UNKNOWN, "do it: HTTP 500"},
        {502, "", PROVOST_UNKNOWN, "do it: HTTP 502"},
        {504, "", PROVOST_UNKNOWN, "do it: HTTP 504"},
    };
    struct provost_call call = call_with("{}");
    struct kit kit;
    assert_int_equal(kit_open(&kit, &call), PROVOST_OK);
    for (size_t i = 0; i < NELEMS(cases); i++) {
        said.next = (struct provost_http_response){.status = cases[i].status,
                                                   .body = cases[i].body,
                                                   .body_len = strlen(cases[i].body),
                                                   .retry_after_ms = 1234};
        said.retry_after_ms = 0;
        struct provost_http_request request = {.struct_size = sizeof(request)};
        struct kit_answer answer = {0};
        int outcome = kit_http(&kit, &request, NULL, "do it", &answer);
        assert_int_equal(outcome, cases[i].once);
        assert_string_equal(outcome == PROVOST_OK ? answer.text : said.text, cases[i].text);
        if (cases[i].status == 429 || cases[i].status == 503) {
            assert_int_equal(said.retry_after_ms, 1234);
        }
        kit_answer_done(&answer);
        request.flags = PROVOST_H_IDEMPOTENT;
        outcome = kit_http(&kit, &request, NULL, "do it", &answer);
        assert_int_equal(outcome,
                         cases[i].once == PROVOST_UNKNOWN ? PROVOST_TEMPORARY : cases[i].once);
        kit_answer_done(&answer);
    }
    kit_close(&kit, 0);
}

static void test_body_and_errors_of_http(void **unused)
{
    (void)unused;
    struct provost_call call = call_with("{}");
    struct kit kit;
    assert_int_equal(kit_open(&kit, &call), PROVOST_OK);
    said.next = (struct provost_http_response){.status = 200, .body = "[1]", .body_len = 3};
    struct provost_http_request request = {.struct_size = sizeof(request)};
    struct kit_answer answer = {0};
    json_t *body = json_pack("{s:i}", "x", 1);
    assert_int_equal(kit_http(&kit, &request, body, "do it", &answer), PROVOST_OK);
    assert_string_equal(said.document, "{\"x\":1}");
    assert_true(json_is_array(answer.json));
    kit_answer_done(&answer);
    said.error = PROVOST_E_LOST;
    assert_int_equal(kit_http(&kit, &request, body, "do it", &answer), PROVOST_UNKNOWN);
    said.error = 0;
    json_decref(body);
    said.no_memory = true;
    assert_int_equal(kit_end(&kit, PROVOST_PERMANENT, "%d", 1), PROVOST_PERMANENT);
    assert_string_equal(said.text, "");
    assert_null(kit_printf(&kit, "x"));
    kit_close(&kit, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_documents_that_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_body_and_errors_of_http, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

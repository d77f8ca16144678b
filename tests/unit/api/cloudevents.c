/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents over real HTTP: structured, batch and binary; the envelope's faults with index and
 * path; an event is the same however it is sent. */
#include "core/api/cloudevent.h"
#include "core/base/alloc.h"
#include "tests/unit/api/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE "Content-Type: application/cloudevents+json; charset=utf-8\r\n"
#define MANY "Content-Type: application/cloudevents-batch+json\r\n"
#define DATA                                                                                       \
    "{\"service\":{\"id\":\"1\",\"product\":\"site\",\"plan\":\"basic\"},"                         \
    "\"customer\":{\"email\":\"a@example.com\"}}"
#define PLAIN(id)                                                                                  \
    "{\"id\":\"" id "\",\"type\":\"service.create\",\"service\":{\"id\":\"1\",\"product\":"        \
    "\"site\",\"plan\":\"basic\"},\"customer\":{\"email\":\"a@example.com\"}}"
#define CE(id, more, data)                                                                         \
    "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"shop\",\"type\":"                     \
    "\"service.create\"" more ",\"data\":" data "}"

static struct reply *post(struct rig *rig, const char *headers, const char *body)
{
    return rig_call(rig, "POST", "/v1/events", headers, body);
}

/* Refuses with this code at this path, first. */
static void refused_at(struct rig *rig, const char *headers, const char *body, const char *code,
                       const char *path)
{
    struct reply *r = post(rig, headers, body);
    reply_expect(r, 400);
    assert_string_equal(reply_text(r, "errors.0.path"), path);
    reply_refused(r, 400, code);
}

static bool is_duplicate(struct reply *r)
{
    reply_expect(r, 202);
    bool duplicate = json_is_true(reply_at(r, "duplicate"));
    reply_free(r);
    return duplicate;
}

static void is_the_same_event_however_it_is_sent(void **state)
{
    struct rig *rig = *state;
    assert_false(is_duplicate(
        post(rig, ONE,
             CE("e1",
                ",\"time\":\"2026-11-20T10:14:00Z\",\"subject\":\"1\",\"datacontenttype\":"
                "\"application/json\",\"dataschema\":null,\"ext1\":7,\"tracestate\":\"a=b\","
                "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
                DATA))));
    assert_true(is_duplicate(post(rig, NULL, PLAIN("e1"))));
    assert_true(is_duplicate(post(rig, ONE,
                                  "{\"data\":" DATA ",\"type\":\"com.example.service.create\","
                                  "\"source\":\"https://billing.example.com/shop\","
                                  "\"id\":\"e1\",\"specversion\":\"1.0\"}")));
    assert_true(
        is_duplicate(post(rig,
                          "Content-Type: application/json\r\nce-specversion: 1.0\r\nce-id: %651\r\n"
                          "ce-source: urn:x:shop\r\nce-type: service.create\r\n"
                          "ce-time: 2026-11-20T10:14:00Z\r\nce-traceparent: none\r\n",
                          DATA)));
    /* with other content it is none */
    reply_refused(post(rig, ONE,
                       CE("e1", "",
                          "{\"service\":{\"id\":\"1\",\"product\":\"site\","
                          "\"plan\":\"premium\"},\"customer\":{\"email\":"
                          "\"a@example.com\"}}")),
                  409, "id_conflict");
    rig_settle(rig);
    assert_int_equal(rig->steps_run, 2); /* those of one create: its plugins saw the whole event */
    struct reply *r = rig_call(rig, "GET", "/v1/services?external_id=1", NULL, NULL);
    reply_expect(r, 200);
    assert_string_equal(reply_text(r, "services.0.state"), "active");
    reply_free(r);
}

static void takes_batches_whole(void **state)
{
    struct rig *rig = *state;
    struct reply *r = post(rig, MANY,
                           "[" CE("a", "", DATA) ",{\"specversion\":\"1.0\",\"id\":\"b\","
                                                 "\"source\":\"/shop\",\"type\":"
                                                 "\"service.suspend\",\"data\":{\"service\":"
                                                 "{\"id\":\"1\"}}}," CE("a", "", DATA) "]");
    reply_expect(r, 202);
    assert_int_equal(json_array_size(reply_at(r, "operations")), 3);
    assert_true(json_is_true(reply_at(r, "operations.2.duplicate")));
    reply_free(r);
    /* one that is wrong: none, with index, path and place in the request */
    r = post(rig, MANY,
             "[" CE("c", "", DATA) ",\n" CE("d", "",
                                            "{\"service\":{\"id\":\"2\",\"product\":"
                                            "\"site\",\"plan\":\"basik\"},\"customer\":"
                                            "{\"email\":\"a@example.com\"}}") "]");
    reply_expect(r, 400);
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.index")), 1);
    assert_string_equal(reply_text(r, "errors.0.path"), "/data/service/plan");
    assert_string_equal(reply_text(r, "errors.0.code"), "unknown_plan");
    assert_int_equal(json_integer_value(reply_at(r, "errors.0.position.line")), 2);
    assert_int_equal(json_array_size(reply_at(r, "errors")), 1);
    reply_free(r);
    assert_false(is_duplicate(post(rig, NULL,
                                   "{\"id\":\"c\",\"type\":\"service.renew\","
                                   "\"service\":{\"id\":\"1\"}}")));
    reply_refused(post(rig, MANY, CE("e", "", DATA)), 400, "wrong_type");
    reply_refused(post(rig, MANY, "[]"), 400, "empty");
    reply_refused(post(rig, ONE, "[" CE("e", "", DATA) "]"), 400, "wrong_type");
    refused_at(rig, MANY, "[7]", "wrong_type", "");
}

static void refuses_envelopes(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *body;
        const char *code;
        const char *path;
    } bad[] = {
        {CE("e", ",\"source2\":{}", DATA), "wrong_type", "/source2"},
        {CE("e", ",\"dataSchema\":\"x\"", DATA), "unknown_key", "/dataSchema"},
        {CE("e", ",\"a/b\":1", DATA), "unknown_key", "/a~1b"},
        {CE("e", ",\"\":1", DATA), "unknown_key", "/"},
        {CE("e", ",\"subject\":7", DATA), "wrong_type", "/subject"},
        {CE("e", ",\"dataschema\":\"\"", DATA), "empty", "/dataschema"},
        {CE("e", ",\"datacontenttype\":\"text/xml\"", DATA), "unsupported", "/datacontenttype"},
        {CE("e", ",\"datacontenttype\":[]", DATA), "wrong_type", "/datacontenttype"},
        {CE("e", ",\"data_base64\":\"e30=\"", DATA), "unsupported", "/data_base64"},
        {CE("e", ",\"time\":\"today\"", DATA), "invalid_time", "/time"},
        {CE("", "", DATA), "empty", "/id"},
        {CE("e", "", "null"), "required", "/data"},
        {CE("e", "", "[]"), "wrong_type", "/data"},
        {CE("e", "", "{\"id\":\"7\"}"), "unknown_key", "/data/id"},
        {CE("e", "", "{\"service\":{}}"), "required", "/data/service/id"},
        {CE("e", "", "{\"service\":{\"id\":\"1\"},\"customr\":{}}"), "unknown_key",
         "/data/customr"},
        {"{\"specversion\":\"0.3\",\"id\":\"e\",\"source\":\"shop\",\"type\":\"service.renew\","
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "unsupported", "/specversion"},
        {"{\"id\":\"e\",\"source\":\"shop\",\"type\":\"service.renew\","
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "required", "/specversion"},
        {"{\"specversion\":\"1.0\",\"id\":\"e\",\"type\":\"service.renew\","
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "required", "/source"},
        {"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"https://example.com/workshop\","
         "\"type\":\"service.renew\",\"data\":{\"service\":{\"id\":\"1\"}}}",
         "wrong_source", "/source"},
        {"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":7,"
         "\"type\":\"service.renew\",\"data\":{\"service\":{\"id\":\"1\"}}}",
         "wrong_type", "/source"},
        {"{\"specversion\":\"1.0\",\"source\":\"shop\",\"type\":\"service.renew\","
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "required", "/id"},
        {"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"shop\",\"type\":[\"service.renew\"],"
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "wrong_type", "/type"},
        {"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"shop\",\"type\":\"com.example.renew\","
         "\"data\":{\"service\":{\"id\":\"1\"}}}",
         "unknown_type", "/type"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused_at(rig, ONE, bad[i].body, bad[i].code, bad[i].path);
    }
    reply_refused(post(rig, "Content-Type: application/cloudevents+avro\r\n", "{}"), 415,
                  "unsupported_type");
    assert_int_equal(rig->steps_run, 0);
}

static void refuses_headers(void **state)
{
    struct rig *rig = *state;
    static const char renew[] = "{\"service\":{\"id\":\"1\"}}";
    static const struct {
        const char *headers;
        const char *body;
        const char *code;
        const char *path;
    } bad[] = {
        {"ce-specversion: 1.0\r\nce-source: shop\r\nce-type: service.renew\r\n", renew, "required",
         "/id"},
        {"ce-specversion: 1.0\r\nce-source: shop\r\nce-id: e\r\n", renew, "required", "/type"},
        {"ce-specversion: 1.0\r\nce-id: e\r\nce-type: service.renew\r\n", renew, "required",
         "/source"},
        {"ce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n", renew, "required",
         "/specversion"},
        {"ce-specversion: 2.0\r\nce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n", renew,
         "unsupported", "/specversion"},
        {"ce-specversion: 1.0\r\nce-source: other\r\nce-id: e\r\nce-type: service.renew\r\n", renew,
         "wrong_source", "/source"},
        {"Content-Type: text/plain\r\n"
         "ce-specversion: 1.0\r\nce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n",
         renew, "unsupported", "/datacontenttype"},
        {"ce-specversion: 1.0\r\nce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n", "7",
         "wrong_type", "/data"},
        {"ce-specversion: 1.0\r\nce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n",
         "{\"time\":\"x\",\"service\":{\"id\":\"1\"}}", "unknown_key", "/data/time"},
        {"ce-specversion: 1.0\r\nce-source: shop\r\nce-id: e\r\nce-type: service.renew\r\n",
         "{\"service\":{\"id\":1}}", "wrong_type", "/data/service/id"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused_at(rig, bad[i].headers, bad[i].body, bad[i].code, bad[i].path);
    }
    reply_refused(post(rig, "ce-id: %zz\r\nce-specversion: 1.0\r\n", renew), 400, "malformed");
    reply_refused(post(rig, "ce-id: e\r\nce-specversion: 1.0\r\n", "[]"), 400, "wrong_type");
}

static void knows_a_traceparent(void **state)
{
    (void)state;
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_true(pv_traceparent_valid(pv_str(good)));
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-x1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(pv_traceparent_valid(pv_str(bad[i])));
    }
    assert_false(pv_traceparent_valid((struct pv_str){NULL, 0}));
}

static void hands_the_trace_on(void **state)
{
    (void)state;
    static const char text[] =
        CE("e", ",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
           "{\"service\":{\"id\":\"1\"}}");
    struct pv_json_doc doc;
    struct pv_arena arena;
    struct pv_faults faults;
    struct pv_ce ce;
    struct pv_str trace;
    size_t offset = 0;
    pv_arena_init(&arena);
    pv_faults_init(&faults, pv_str(text), false);
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, NULL), 0);
    assert_int_equal(pv_ce_init(&ce, &doc, PV_STR("shop"), &arena), 0);
    const struct pv_json *event = pv_ce_event(&ce, &doc.values[0], &faults, &trace);
    assert_non_null(event);
    assert_int_equal(faults.count, 0);
    assert_int_equal(trace.len, 55);
    assert_true(pv_str_eq_c(pv_json_get(&ce.out, event, "id")->text, "e"));
    pv_faults_done(&faults);
    pv_json_done(&doc);
    pv_arena_done(&arena);
}

static void survives_without_memory(void **state)
{
    struct rig *rig = *state;
    int quiet = 0;
    for (unsigned long n = 1; n < 3000 && quiet < 3; n++) {
        static const char body[] =
            "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"shop\",\"type\":"
            "\"service.renew\",\"data\":{\"service\":{\"id\":\"1\"}}}";
        rig->may_close = true;
        pv_alloc_fail_at(n, 0);
        struct reply *r = post(rig, ONE, body);
        unsigned long used = pv_alloc_count();
        pv_alloc_fail_at(0, 0);
        rig->may_close = false;
        if (r->status != 0 && r->status != 500 && r->status != 503 && r->status != 409) {
            fail_msg("allocation %lu failing: %d %s", n, r->status, r->text);
        }
        quiet = r->status == 409 && used < n ? quiet + 1 : 0;
        reply_free(r);
    }
    assert_int_equal(quiet, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_the_same_event_however_it_is_sent, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(takes_batches_whole, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(refuses_envelopes, rig_open, rig_close),
        cmocka_unit_test_setup_teardown(refuses_headers, rig_open, rig_close),
        cmocka_unit_test(knows_a_traceparent),
        cmocka_unit_test(hands_the_trace_on),
        cmocka_unit_test_setup_teardown(survives_without_memory, rig_open, rig_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

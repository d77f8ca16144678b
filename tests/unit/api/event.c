/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of events: what passes, every fault with its path, and what counts as the same event.
 */
#include "core/api/event.h"
#include "core/base/alloc.h"
#include "core/engine/types.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static const char good_create[] =
    "{\"id\":\"ev-1\",\"type\":\"service.create\",\"time\":\"2026-11-20T10:14:00.5+01:00\","
    "\"service\":{\"id\":\"12345\",\"product\":\"wordpress\",\"plan\":\"basic\",\"sequence\":7,"
    "\"params\":{\"domain\":\"a.example\"}},"
    "\"customer\":{\"id\":\"c1\",\"email\":\"a@example.com\",\"firstname\":\"J\","
    "\"lastname\":\"D\"},\"reason\":\"paid\"}";

/* Checks one event; the answer with its faults goes into out. */
static bool check(const char *text, struct pv_buf *out, struct pv_event *ret_event)
{
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, &err), 0);
    struct pv_faults faults;
    pv_faults_init(&faults, pv_str(text), false);
    struct pv_event event;
    bool ok = pv_event_check(&doc, &doc.values[0], 0, &faults, &event);
    assert_true(ok == (faults.count == 0));
    if (ok && ret_event != NULL) {
        *ret_event = event; /* for its numbers: the strings borrow from text */
    }
    pv_buf_init(out, 100000);
    assert_int_equal(pv_faults_write(&faults, out), 0);
    pv_faults_done(&faults);
    pv_json_done(&doc);
    return ok;
}

static void refused(const char *text, const char *const *says, size_t count)
{
    struct pv_buf out;
    if (check(text, &out, NULL)) {
        fail_msg("accepted: %s", text);
    }
    for (size_t i = 0; i < count; i++) {
        if (strstr(out.ptr, says[i]) == NULL) {
            fail_msg("%s\nlacks %s", out.ptr, says[i]);
        }
    }
    pv_buf_done(&out);
}

#define REFUSED(text, ...)                                                                         \
    refused(text, (const char *const[]){__VA_ARGS__},                                              \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void accepts_whole_events(void **state)
{
    (void)state;
    struct pv_buf out;
    struct pv_event event;
    assert_true(check(good_create, &out, &event));
    pv_buf_done(&out);
    assert_int_equal(event.type, PV_OP_CREATE);
    assert_true(pv_str_eq_c(event.id, "ev-1"));
    assert_true(pv_str_eq_c(event.external_id, "12345"));
    assert_true(pv_str_eq_c(event.product, "wordpress"));
    assert_true(pv_str_eq_c(event.plan, "basic"));
    assert_true(pv_str_eq_c(event.reason, "paid"));
    assert_true(event.has_sequence);
    assert_int_equal(event.sequence, 7);

    static const struct {
        const char *text;
        int type;
    } small[] = {
        {"{\"id\":\"1\",\"type\":\"service.suspend\",\"service\":{\"id\":\"a/b\"}}", PV_OP_SUSPEND},
        {"{\"id\":\"1\",\"type\":\"service.unsuspend\",\"service\":{\"id\":\"1\"}}",
         PV_OP_UNSUSPEND},
        {"{\"id\":\"1\",\"type\":\"service.terminate\",\"service\":{\"id\":\"1\"}}",
         PV_OP_TERMINATE},
        {"{\"id\":\"1\",\"type\":\"service.upgrade\",\"service\":{\"id\":\"1\",\"plan\":\"x\"}}",
         PV_OP_UPGRADE},
        {"{\"id\":\"1\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\"},\"reason\":\"\"}",
         PV_OP_RENEW},
    };
    for (size_t i = 0; i < PV_COUNT(small); i++) {
        assert_true(check(small[i].text, &out, &event));
        assert_int_equal(event.type, small[i].type);
        assert_false(event.has_sequence);
        pv_buf_done(&out);
    }
}

static void names_unknown_keys(void **state)
{
    (void)state;
    REFUSED("{\"id\":\"1\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\",\"plann\":\"x\"}}",
            "\"path\":\"/service/plann\"", "\"code\":\"unknown_key\"", "did you mean \\\"plan\\\"?",
            "\"offset\":53", "\"line\":1,\"column\":54", "\"success\":false");
    REFUSED("{\"id\":\"1\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\"},\"zzzzzz\":1}",
            "\"path\":\"/zzzzzz\"", "\"error\":\"unknown key\"");
    REFUSED("{\"id\":\"1\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\"},\"a/b~c\":1}",
            "\"path\":\"/a~1b~0c\"");
    REFUSED("{\"id\":\"1\",\"type\":\"service.suspent\",\"service\":{\"id\":\"1\"}}",
            "\"path\":\"/type\"", "unknown_type", "service.suspend");
    REFUSED("{\"id\":\"1\",\"type\":\"x\",\"service\":{\"id\":\"1\"}}", "known are");
}

static void tells_everything_at_once(void **state)
{
    (void)state;
    REFUSED(
        "{\"type\":\"service.create\",\"time\":\"yesterday\",\"service\":{\"id\":5,\"sequence\":-1,"
        "\"params\":[]},\"customer\":{\"email\":\"nobody\"},\"reason\":3}",
        "\"path\":\"/id\"", "\"path\":\"/time\"", "\"path\":\"/service/id\"",
        "expected a string, got a number", "\"path\":\"/service/sequence\"",
        "\"path\":\"/service/params\"", "expected an object, got an array",
        "\"path\":\"/service/product\"", "\"path\":\"/service/plan\"",
        "\"path\":\"/customer/email\"", "\"path\":\"/reason\"", "(and 8 more)");
    REFUSED("{\"id\":\"1\",\"type\":\"service.create\",\"service\":{\"id\":\"1\",\"product\":\"p\","
            "\"plan\":\"q\"}}",
            "\"path\":\"/customer/email\"", "required by service.create");
    REFUSED("{\"id\":\"1\",\"type\":\"service.upgrade\",\"service\":{\"id\":\"1\"}}",
            "\"path\":\"/service/plan\"", "required by service.upgrade");
    REFUSED("{}", "\"path\":\"/id\"", "\"path\":\"/type\"", "\"path\":\"/service\"");
    REFUSED("7", "expected an object, got a number");
    REFUSED("{\"id\":\"1\",\"type\":\"service.renew\",\"service\":\"x\"}", "\"path\":\"/service\"");
    REFUSED("{\"id\":\"a\\u0007\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\"}}",
            "control characters");
}

static void bounds_texts(void **state)
{
    (void)state;
    char text[600] = "{\"id\":\"";
    memset(text + 7, 'x', 201);
    snprintf(text + 7 + 201, sizeof(text) - 208,
             "\",\"type\":\"service.renew\",\"service\":{\"id\":\"1\"}}");
    REFUSED(text, "longer than 200 bytes", "too_long");
    memmove(text + 7, text + 8, strlen(text + 8) + 1);
    struct pv_buf out;
    assert_true(check(text, &out, NULL));
    pv_buf_done(&out);
}

static void knows_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b.c", "first.last+tag@sub.example.com", "a@localhost",
                                       "\xC3\xA4@example.de"};
    static const char *const bad[] = {"",        "a",       "@b.c", "a@",     "a@b",
                                      "a b@c.d", "a@b@c.d", "a@.c", "a@b.c.", "a\n@b.c"};
    for (size_t i = 0; i < PV_COUNT(good); i++) {
        assert_true(pv_email_valid(pv_str(good[i])));
    }
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        assert_false(pv_email_valid(pv_str(bad[i])));
    }
}

static void knows_times(void **state)
{
    (void)state;
    static const char *const good[] = {"2026-11-20T10:14:00Z", "2024-02-29T23:59:60Z",
                                       "2026-11-20t10:14:00.123456z", "2026-11-20 10:14:00-23:59"};
    static const char *const bad[] = {"",
                                      "2026-11-20",
                                      "2026-11-20T10:14:00",
                                      "2026-13-20T10:14:00Z",
                                      "2026-02-29T10:14:00Z",
                                      "2026-11-20T24:14:00Z",
                                      "2026-11-20T10:14:00.Z",
                                      "2026-11-20T10:14:00+1:00",
                                      "2026-11-20T10:14:00+01:00x",
                                      "2026-11-20T10:14:00ZZ",
                                      "2026/11/20T10:14:00Z",
                                      "2026-00-20T10:14:00Z"};
    for (size_t i = 0; i < PV_COUNT(good); i++) {
        if (!pv_time_valid(pv_str(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        if (pv_time_valid(pv_str(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void canonical(const char *text, struct pv_buf *out)
{
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, &err), 0);
    pv_buf_init(out, 10000);
    assert_int_equal(pv_event_canonical(&doc, &doc.values[0], out), 0);
    pv_json_done(&doc);
}

static void same_event_same_form(void **state)
{
    (void)state;
    struct pv_buf a;
    struct pv_buf b;
    canonical("{\"id\":\"1\",\"time\":\"t\",\"type\":\"x\",\"service\":{\"id\":\"1\",\"params\":{"
              "\"time\":"
              "1.0}}}",
              &a);
    canonical(
        "{\"service\":{\"params\":{\"time\":1.0},\"id\":\"\\u0031\"},\"type\":\"x\",\"id\":\"2\"}",
        &b);
    assert_string_equal(a.ptr, b.ptr);
    pv_buf_done(&b);
    canonical("{\"service\":{\"params\":{\"time\":1},\"id\":\"1\"},\"type\":\"x\",\"id\":\"1\"}",
              &b);
    assert_string_not_equal(a.ptr, b.ptr); /* a number counts as it was sent */
    pv_buf_done(&b);
    pv_buf_done(&a);
}

static void counts_what_it_does_not_list(void **state)
{
    (void)state;
    struct pv_faults faults;
    pv_faults_init(&faults, pv_str("[1,\n2]"), true);
    for (size_t i = 0; i < 150; i++) {
        faults.index = i;
        pv_faults_add(&faults, "/x", "bad", i % 6, "number %zu", i);
    }
    struct pv_buf out;
    pv_buf_init(&out, 100000);
    assert_int_equal(pv_faults_write(&faults, &out), 0);
    assert_non_null(strstr(out.ptr, "(and 149 more)"));
    assert_non_null(strstr(out.ptr, "\"index\":99,"));
    assert_null(strstr(out.ptr, "\"index\":100,"));
    assert_non_null(strstr(out.ptr, "\"offset\":5,\"line\":2,\"column\":2"));
    assert_non_null(strstr(out.ptr, "\"offset\":0,\"line\":1,\"column\":1"));
    pv_buf_done(&out);
    pv_faults_done(&faults);
}

static void survives_allocation_failures(void **state)
{
    (void)state;
    const char *text =
        "{\"id\":\"1\",\"typ\":\"service.renew\",\"service\":{\"id\":\"1\",\"plann\":1}}";
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, &err), 0);
    int status = PV_ENOMEM;
    for (unsigned long n = 1; status != 0; n++) {
        struct pv_faults faults;
        struct pv_buf out;
        struct pv_event event;
        pv_faults_init(&faults, pv_str(text), false);
        pv_buf_init(&out, 10000);
        pv_alloc_fail_at(n, 0);
        bool ok = pv_event_check(&doc, &doc.values[0], 0, &faults, &event);
        int listed = faults.list.status;
        status = pv_faults_write(&faults, &out);
        if (status == 0) {
            status = pv_event_canonical(&doc, &doc.values[0], &out);
        }
        pv_alloc_fail_at(0, 0);
        assert_false(ok); /* never accepted for lack of memory */
        assert_true(status == 0 || status == PV_ENOMEM);
        assert_true(listed == 0 || listed == PV_ENOMEM);
        if (listed != 0) {
            status = PV_ENOMEM;
        }
        pv_faults_done(&faults);
        pv_buf_done(&out);
    }
    pv_json_done(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_whole_events),
        cmocka_unit_test(names_unknown_keys),
        cmocka_unit_test(tells_everything_at_once),
        cmocka_unit_test(bounds_texts),
        cmocka_unit_test(knows_addresses),
        cmocka_unit_test(knows_times),
        cmocka_unit_test(same_event_same_form),
        cmocka_unit_test(counts_what_it_does_not_list),
        cmocka_unit_test(survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

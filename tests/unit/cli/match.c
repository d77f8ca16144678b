/* SPDX-License-Identifier: Apache-2.0 */
/* Expected JSON against what came. */
#include "tests/unit/unit.h"

#include "core/cli/match.h"
#include "core/cli/out.h"

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_true(json != NULL || text[0] == '\0');
    return json;
}

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *expected;
        const char *actual; /* "": nothing */
        const char *why;    /* NULL: they match */
    } cases[] = {
        {"1", "1", NULL},
        {"1", "2", "expected 1, got 2"},
        {"1", "1.0", "expected 1, got 1.0"},
        {"null", "null", NULL},
        {"null", "", "expected null, got nothing"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL},
        {"{\"a\":{\"b\":[1,2]}}", "{\"a\":{\"b\":[1,3]}}", "/a/b/1: expected 2, got 3"},
        {"{\"a\":1}", "{}", "/a: expected 1, got nothing"},
        {"{}", "{\"a\":1}", "/a: expected nothing, got 1"},
        {"[1]", "[1,2]", "/1: expected nothing, got 2"},
        {"[1,2]", "[1]", "/1: expected 2, got nothing"},
        {"[]", "{}", "expected [], got {}"},
        {"\"{{any}}\"", "[1]", NULL},
        {"\"{{any}}\"", "", "expected \"{{any}}\", got nothing"},
        {"{\"a\":\"{{any}}\"}", "{\"a\":null}", NULL},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        json_t *expected = parse(cases[i].expected);
        json_t *actual = parse(cases[i].actual);
        struct pv_buf why;
        pv_buf_init(&why, 4096);
        assert_int_equal(pv_match(expected, actual, &why), cases[i].why == NULL);
        if (cases[i].why != NULL) {
            assert_string_equal(why.ptr, cases[i].why);
        }
        pv_buf_done(&why);
        json_decref(expected);
        json_decref(actual);
    }
}

static void fills_in_names(void **state)
{
    (void)state;
    static const struct pv_match_name names[] = {
        {"backend", "http://x"}, {"ref", "p1"}, {NULL, NULL}};
    static const struct {
        const char *given;
        const char *filled;
    } cases[] = {
        {"{\"{{ref}}\":[\"{{backend}}/{{ref}}/a\",1,null]}",
         "{\"{{ref}}\":[\"http://x/p1/a\",1,null]}"},
        {"\"{{any}} {{ref\"", "\"{{any}} {{ref\""},
        {"\"{{{{ref}}}}\"", "\"{{p1}}\""},
        {"\"\"", "\"\""},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        json_t *given = parse(cases[i].given);
        json_t *wanted = parse(cases[i].filled);
        json_t *filled = pv_match_fill(given, names);
        assert_true(json_equal(filled, wanted));
        json_decref(given);
        json_decref(wanted);
        json_decref(filled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(fills_in_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

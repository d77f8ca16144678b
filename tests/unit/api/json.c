/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser: verdicts, places, canonical form, bounds, allocation failures; and the same
 * verdict as jansson on mutated documents. */
#include "core/api/json.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "tests/unit/mutate.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *text, size_t *ret_offset, struct pv_err *err)
{
    struct pv_json_doc doc;
    int status = pv_json_parse(&doc, pv_str(text), ret_offset, err);
    if (status == 0) {
        pv_json_done(&doc);
    }
    return status;
}

static void accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        " [1, -2, 0, 0.5, 1e3, 1E-3, -0.0]\n",
        "\"\"",
        "null",
        "true",
        "false",
        "{\"a\":{\"b\":[{\"c\":null}]}}",
        "\"\\u00e4\\ud83d\\ude00\\n\\/\"",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\xC3\xA4\"",
        "{\"a\":1,\"A\":2}",
        "1e308",
    };
    for (size_t i = 0; i < PV_COUNT(good); i++) {
        struct pv_err err = {0};
        size_t offset = 0;
        int status = parse(good[i], &offset, &err);
        if (status != 0) {
            fail_msg("%s: %s", good[i], err.text);
        }
    }
}

static void refuses_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        size_t offset;
        const char *says;
    } bad[] = {
        {"", PV_ESYNTAX, 0, "ends where a value"},
        {"{", PV_ESYNTAX, 1, "key in quotes"},
        {"[1,]", PV_ESYNTAX, 3, "expected a value"},
        {"[1 2]", PV_ESYNTAX, 3, "',' or ']'"},
        {"{\"a\" 1}", PV_ESYNTAX, 5, "':'"},
        {"{\"a\":1 \"b\":2}", PV_ESYNTAX, 7, "',' or '}'"},
        {"{\"a\":1,}", PV_ESYNTAX, 7, "key in quotes"},
        {"{a:1}", PV_ESYNTAX, 1, "key in quotes"},
        {"{} x", PV_ESYNTAX, 3, "more bytes"},
        {"{}{}", PV_ESYNTAX, 2, "more bytes"},
        {"[tru]", PV_ESYNTAX, 1, "expected a value"},
        {"'a'", PV_ESYNTAX, 0, "expected a value"},
        {"01", PV_ESYNTAX, 0, "malformed number"},
        {"-", PV_ESYNTAX, 0, "malformed number"},
        {"1.", PV_ESYNTAX, 0, "malformed number"},
        {"1e", PV_ESYNTAX, 0, "malformed number"},
        {".5", PV_ESYNTAX, 0, "expected a value"},
        {"[9223372036854775808]", PV_ESYNTAX, 1, "out of range"},
        {"[1e999]", PV_ESYNTAX, 1, "out of range"},
        {"\"abc", PV_ESYNTAX, 4, "within a string"},
        {"\"abc\\", PV_ESYNTAX, 5, "within a string"},
        {"\"a\nb\"", PV_ESYNTAX, 2, "control character"},
        {"\"a\\qb\"", PV_ESYNTAX, 2, "unknown escape"},
        {"\"\\u12x4\"", PV_ESYNTAX, 1, "four hexadecimal"},
        {"\"ab\\u0000\"", PV_ESYNTAX, 3, "NUL"},
        {"\"\\ud800\"", PV_ESYNTAX, 1, "surrogate"},
        {"\"\\ud800\\u0041\"", PV_ESYNTAX, 1, "surrogate"},
        {"\"\\udc00\"", PV_ESYNTAX, 1, "surrogate"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":3}", PV_ESYNTAX, 13, "\"a\" stands twice"},
        {"\"\xFF\"", PV_ESYNTAX, 1, "UTF-8"},
        {"\"\xC0\x80\"", PV_ESYNTAX, 1, "UTF-8"},
        {"\"\xED\xA0\x80\"", PV_ESYNTAX, 1, "UTF-8"},
    };
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        struct pv_err err = {0};
        size_t offset = 99999;
        int status = parse(bad[i].text, &offset, &err);
        if (status != bad[i].status || offset != bad[i].offset ||
            strstr(err.text, bad[i].says) == NULL) {
            fail_msg("%s: status %d at %zu: %s", bad[i].text, status, offset, err.text);
        }
    }
}

static void refuses_a_nul_byte(void **state)
{
    (void)state;
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, (struct pv_str){"[1]\0", 4}, &offset, &err), PV_ESYNTAX);
    assert_int_equal(offset, 3);
    assert_int_equal(pv_json_parse(&doc, (struct pv_str){"\"a\0b\"", 5}, &offset, &err),
                     PV_ESYNTAX);
    assert_int_equal(offset, 2);
}

static void bounds_depth_and_values(void **state)
{
    (void)state;
    char deep[200];
    struct pv_err err = {0};
    size_t offset = 0;
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    deep[64] = '\0';
    assert_int_equal(parse(deep, &offset, &err), 0);
    memset(deep, '[', 100);
    deep[100] = '\0';
    assert_int_equal(parse(deep, &offset, &err), PV_ETOOBIG);
    assert_int_equal(offset, 32);

    size_t count = PV_JSON_MAX_VALUES; /* the array is a value too: one too many */
    char *many = malloc(2 * count + 2);
    assert_non_null(many);
    many[0] = '[';
    for (size_t i = 0; i < count; i++) {
        memcpy(many + 1 + 2 * i, "1,", 2);
    }
    memcpy(many + 2 * count, "]", 2);
    assert_int_equal(parse(many, &offset, &err), PV_ETOOBIG);
    memcpy(many + 2 * (count - 1), "]", 2);
    assert_int_equal(parse(many, &offset, &err), 0);
    free(many);
}

static void finds_a_key_twice_among_many(void **state)
{
    (void)state;
    char text[2000] = "{";
    for (int i = 0; i < 40; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"k%d\":%d,", i, i);
    }
    size_t at = strlen(text);
    snprintf(text + at, sizeof(text) - at, "\"k7\":1,\"k3\":1}");
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(parse(text, &offset, &err), PV_ESYNTAX);
    assert_int_equal(offset, at);
    assert_non_null(strstr(err.text, "\"k7\""));
}

static void tells_lines_and_columns(void **state)
{
    (void)state;
    struct pv_str source = pv_str("{\n  \"\xC3\xA4\": x");
    struct pv_json_position at = pv_json_position(source, 10);
    assert_int_equal(at.offset, 10);
    assert_int_equal(at.line, 2);
    assert_int_equal(at.column, 8); /* the letter of two bytes is one character */
    at = pv_json_position(source, 0);
    assert_int_equal(at.line, 1);
    assert_int_equal(at.column, 1);
}

static void check_canonical(const char *text, const char *const *skip, size_t skips,
                            const char *expected)
{
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, &err), 0);
    struct pv_buf out;
    pv_buf_init(&out, 10000);
    assert_int_equal(pv_json_canonical(&doc, &doc.values[0], skip, skips, &out), 0);
    assert_string_equal(out.ptr, expected);
    pv_buf_done(&out);
    pv_json_done(&doc);
}

static void canonical_form(void **state)
{
    (void)state;
    static const char *const skip[] = {"id", "time"};
    check_canonical(" { \"b\" : 1.50 , \"a\" : [ true , null , { } , [ ] ] } ", NULL, 0,
                    "{\"a\":[true,null,{},[]],\"b\":1.50}");
    check_canonical("{\"id\":1,\"x\":{\"id\":2,\"time\":3},\"time\":4}", skip, 2,
                    "{\"x\":{\"id\":2,\"time\":3}}");
    check_canonical("[\"\\u0041\\/\\u00e4\\u0001\", 1E+2, -0]", NULL, 0,
                    "[\"A/\xC3\xA4\\u0001\",1E+2,-0]");
    check_canonical("{\"\xC3\xA4\":1,\"z\":2,\"Z\":3,\"\":4}", NULL, 0,
                    "{\"\":4,\"Z\":3,\"z\":2,\"\xC3\xA4\":1}");
}

static void reads_members(void **state)
{
    (void)state;
    const char *text = "{\"a\":{\"x\":[1,2]},\"b\":\"t\\tt\",\"c\":3}";
    struct pv_json_doc doc;
    struct pv_err err = {0};
    size_t offset = 0;
    assert_int_equal(pv_json_parse(&doc, pv_str(text), &offset, &err), 0);
    const struct pv_json *b = pv_json_get(&doc, &doc.values[0], "b");
    assert_non_null(b);
    assert_true(pv_str_eq_c(b->text, "t\tt"));
    assert_true(pv_str_eq_c(pv_json_raw(&doc, b), "\"t\\tt\""));
    const struct pv_json *a = pv_json_get(&doc, &doc.values[0], "a");
    assert_non_null(a);
    assert_true(pv_str_eq_c(pv_json_raw(&doc, a), "{\"x\":[1,2]}"));
    assert_null(pv_json_get(&doc, &doc.values[0], "x"));
    assert_null(pv_json_get(&doc, b, "x"));
    pv_json_done(&doc);
    pv_json_done(&doc);
}

/* jansson refuses everything that we refuse, and the other way round; except for what only we
 * bound. */
static void agrees_with_jansson(void **state)
{
    (void)state;
    struct pv_seeded seed = {20261120};
    struct pv_rng rng = pv_rng_seeded(&seed);
    size_t accepted = 0;
    for (int round = 0; round < 60000; round++) {
        char text[MUTATED_JSON];
        size_t len = mutated_json(&rng, text);
        struct pv_json_doc doc;
        struct pv_err err = {0};
        size_t offset = 0;
        bool ours = pv_json_parse(&doc, (struct pv_str){text, len}, &offset, &err) == 0;
        json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        if (ours != (root != NULL)) {
            fail_msg("%.*s: %s", (int)len, text, ours ? "only we accept it" : err.text);
        }
        if (ours) {
            accepted++;
            struct pv_buf out;
            pv_buf_init(&out, 10000);
            assert_int_equal(pv_json_canonical(&doc, &doc.values[0], NULL, 0, &out), 0);
            json_t *again = json_loadb(out.ptr, out.len, JSON_DECODE_ANY, NULL);
            assert_non_null(again);
            assert_true(json_equal(root, again));
            json_decref(again);
            pv_buf_done(&out);
            pv_json_done(&doc);
        }
        json_decref(root);
    }
    assert_true(accepted > 10000); /* the comparison saw both kinds */
    assert_true(accepted < 50000);
}

static void survives_allocation_failures(void **state)
{
    (void)state;
    const char *text =
        "{\"a\":\"\\n\",\"b\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,"
        "24,25,26,27,28,29,30,31,32,33],\"c\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,"
        "\"6\":6,\"7\":7,\"8\":8,\"9\":9},\"d\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,"
        "\"6\":6,\"7\":7,\"8\":8,\"9\":9}}";
    unsigned long n = 1;
    int status = PV_ENOMEM;
    for (; status == PV_ENOMEM; n++) {
        struct pv_json_doc doc;
        struct pv_err err = {0};
        size_t offset = 0;
        struct pv_buf out;
        pv_buf_init(&out, 10000);
        pv_alloc_fail_at(n, 0);
        status = pv_json_parse(&doc, pv_str(text), &offset, &err);
        if (status == 0) {
            status = pv_json_canonical(&doc, &doc.values[0], NULL, 0, &out);
            pv_json_done(&doc);
        }
        pv_alloc_fail_at(0, 0);
        pv_buf_done(&out);
    }
    assert_int_equal(status, 0);
    assert_true(n > 8); /* there was something to fail */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses_with_the_place),
        cmocka_unit_test(refuses_a_nul_byte),
        cmocka_unit_test(bounds_depth_and_values),
        cmocka_unit_test(finds_a_key_twice_among_many),
        cmocka_unit_test(tells_lines_and_columns),
        cmocka_unit_test(canonical_form),
        cmocka_unit_test(reads_members),
        cmocka_unit_test(agrees_with_jansson),
        cmocka_unit_test(survives_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

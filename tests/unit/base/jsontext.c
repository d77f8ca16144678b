/* SPDX-License-Identifier: Apache-2.0 */
/* What is JSON and what is not: by example, and by jansson's verdict on mutated documents. */
#include "core/base/jsontext.h"

#include "core/base/clock.h"
#include "tests/unit/mutate.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <string.h>

static void accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        " { } ",
        "[]",
        "[ ]",
        " [1, -2, 0, 0.5, 1e3, 1E-3, 1e+3, -0.0]\r\n\t",
        "\"\"",
        "null",
        "true",
        "false",
        "-7",
        "[[],{},[{}],{\"a\":[]}]",
        "{\"a\":{\"b\":[{\"c\":null}]},\"d\":\"\"}",
        "\"\\u00e4\\ud83d\\uDE00\\n\\/\\\"\\\\\\b\\f\\r\\t\"",
        "\"\xC3\xA4\x7F\"",
        "{\"a\":1,\"a\":2}",
        "1e999",
        "99999999999999999999",
    };
    for (size_t i = 0; i < PV_COUNT(good); i++) {
        if (!pv_json_text_valid(pv_str(good[i]))) {
            fail_msg("refused: %s", good[i]);
        }
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "]",
        "[1,]",
        "[,1]",
        "[,]",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "{\"a\" 1}",
        "{\"a\":}",
        "{\"a\"}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{} x",
        "{}{}",
        "{},{}",
        "null},{\"component\":\"site\",\"result\":null",
        "null,null",
        "[tru]",
        "truefalse",
        "'a'",
        "01",
        "-",
        "+1",
        "1.",
        "1e",
        "1e+",
        ".5",
        "0x1",
        "NaN",
        "Infinity",
        "\"abc",
        "\"abc\\",
        "\"a\nb\"",
        "\"a\\qb\"",
        "\"\\1",
        "\"\\true",
        "\"\\u12x4\"",
        "\"\\u12",
        "\"ab\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\n\"",
        "\"\\udc00\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\xEF\xBB\xBF{}",
    };
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        if (pv_json_text_valid(pv_str(bad[i]))) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    assert_false(pv_json_text_valid((struct pv_str){NULL, 0}));
    assert_false(pv_json_text_valid((struct pv_str){"[1]\0", 4}));
    assert_false(pv_json_text_valid((struct pv_str){"\"a\0b\"", 5}));
    assert_false(pv_json_text_valid((struct pv_str){"\"\\\0\"", 4}));
}

static void bounds_the_depth(void **state)
{
    (void)state;
    char deep[2 * PV_JSON_TEXT_DEPTH + 2];
    memset(deep, '[', sizeof(deep) / 2);
    memset(deep + sizeof(deep) / 2, ']', sizeof(deep) / 2);
    assert_false(pv_json_text_valid((struct pv_str){deep, sizeof(deep)}));
    assert_true(pv_json_text_valid((struct pv_str){deep + 1, sizeof(deep) - 2}));
    assert_false(pv_json_text_valid((struct pv_str){deep + 1, sizeof(deep) - 1}));
    /* Which of them is an object is known at every depth. */
    static const char open[] = "{\"a\":[";
    char mixed[PV_JSON_TEXT_DEPTH * 4];
    size_t len = 0;
    for (size_t i = 0; i < PV_JSON_TEXT_DEPTH / 2; i++) {
        memcpy(mixed + len, open, sizeof(open) - 1);
        len += sizeof(open) - 1;
    }
    for (size_t i = 0; i < PV_JSON_TEXT_DEPTH / 2; i++) {
        memcpy(mixed + len, "]}", 2);
        len += 2;
    }
    assert_true(pv_json_text_valid((struct pv_str){mixed, len}));
    mixed[len - 1] = ']';
    assert_false(pv_json_text_valid((struct pv_str){mixed, len}));
}

/* It lets through what jansson does, and numbers that only jansson finds too large. */
static void agrees_with_jansson(void **state)
{
    (void)state;
    struct pv_seeded seed = {20261122};
    struct pv_rng rng = pv_rng_seeded(&seed);
    size_t accepted = 0;
    for (int round = 0; round < 60000; round++) {
        char text[MUTATED_JSON];
        size_t len = mutated_json(&rng, text);
        json_error_t error;
        json_t *root = json_loadb(text, len, JSON_DECODE_ANY, &error);
        bool ours = pv_json_text_valid((struct pv_str){text, len});
        bool large = root == NULL && json_error_code(&error) == json_error_numeric_overflow;
        if (!large && ours != (root != NULL)) {
            fail_msg("%.*s: %s", (int)len, text, ours ? "only we accept it" : "only jansson does");
        }
        accepted += ours ? 1 : 0;
        json_decref(root);
    }
    assert_true(accepted > 10000); /* the comparison saw both kinds */
    assert_true(accepted < 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(agrees_with_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

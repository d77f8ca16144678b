/* SPDX-License-Identifier: Apache-2.0 */
/* Values against fields: every type, what it takes, what it becomes, and what it says. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

/* A plugin whose checkout is the one field given. */
static struct pv_plugin *plugin_with(const char *field)
{
    char json[1024];
    struct pv_plugin *plugin = NULL;
    struct pv_err err = {0};
    snprintf(json, sizeof(json),
             "{\"name\":\"x\",\"version\":\"1\",\"checkout\":[{\"name\":\"f\",%s}]}", field);
    if (pv_plugin_parse(pv_str(json), PV_STR("/x.so"), &plugin, &err) != PV_OK) {
        fail_msg("%s: %s", field, err.text);
    }
    return plugin;
}

static const struct {
    const char *field;
    const char *given;    /* JSON of the whole object */
    const char *expected; /* JSON; or the problem's text */
} cases[] = {
    {"\"type\":\"string\"", "{\"f\":\"a\"}", "{\"f\":\"a\"}"},
    {"\"type\":\"string\"", "{}", "{}"},
    {"\"type\":\"string\"", "{\"f\":null}", "{}"},
    {"\"type\":\"string\"", "{\"f\":5}", "expected text, got 5"},
    {"\"type\":\"string\"", "{\"f\":1.5}", "expected text, got 1.5"},
    {"\"type\":\"string\"", "{\"f\":true}", "expected text, got true"},
    {"\"type\":\"string\"", "{\"f\":{}}", "expected text, got a mapping"},
    {"\"type\":\"string\"", "{\"f\":\"a\\nb\"}",
     "expected one line of text without control characters, got \"a\\nb\""},
    {"\"type\":\"string\",\"required\":true", "{}", "required, but not given"},
    {"\"type\":\"string\",\"required\":true,\"default\":\"d\"", "{}", "{\"f\":\"d\"}"},
    {"\"type\":\"string\",\"min\":2,\"max\":3", "{\"f\":\"äö\"}", "{\"f\":\"äö\"}"},
    {"\"type\":\"string\",\"min\":2,\"max\":3", "{\"f\":\"a\"}",
     "expected 2 to 3 characters, got \"a\""},
    {"\"type\":\"string\",\"min\":2", "{\"f\":\"a\"}", "expected at least 2 characters, got \"a\""},
    {"\"type\":\"string\",\"max\":1", "{\"f\":\"ab\"}",
     "expected at most 1 characters, got \"ab\""},
    {"\"type\":\"string\",\"pattern\":\"^[a-c]+$\"", "{\"f\":\"abc\"}", "{\"f\":\"abc\"}"},
    {"\"type\":\"string\",\"pattern\":\"^[a-c]+$\"", "{\"f\":\"abd\"}",
     "expected text that matches ^[a-c]+$, got \"abd\""},
    {"\"type\":\"string\",\"secret\":true,\"pattern\":\"^[a-c]+$\"", "{\"f\":\"hush\"}",
     "expected text that matches ^[a-c]+$"},
    {"\"type\":\"string\"", "{\"f\":\"${env:HOME}\"}", "{\"f\":\"${env:HOME}\"}"},
    {"\"type\":\"text\"", "{\"f\":\"a\\nb\"}", "{\"f\":\"a\\nb\"}"},
    {"\"type\":\"text\"", "{\"f\":\"a\\u0001\"}",
     "expected text without control characters, got \"a\\u0001\""},
    {"\"type\":\"int\"", "{\"f\":-5}", "{\"f\":-5}"},
    {"\"type\":\"int\"", "{\"f\":\"7\"}", "{\"f\":7}"},
    {"\"type\":\"int\"", "{\"f\":\"7x\"}", "expected a whole number, got \"7x\""},
    {"\"type\":\"int\"", "{\"f\":1.0}", "expected a whole number, got 1"},
    {"\"type\":\"int\",\"min\":1", "{\"f\":0}", "expected at least 1, got 0"},
    {"\"type\":\"int\",\"min\":-1,\"max\":1", "{\"f\":2}", "expected -1 to 1, got 2"},
    {"\"type\":\"number\"", "{\"f\":1.5}", "{\"f\":1.5}"},
    {"\"type\":\"number\"", "{\"f\":2}", "{\"f\":2.0}"},
    {"\"type\":\"number\"", "{\"f\":\"2.5e1\"}", "{\"f\":25.0}"},
    {"\"type\":\"number\"", "{\"f\":\"0x10\"}", "expected a number, got \"0x10\""},
    {"\"type\":\"number\"", "{\"f\":\"inf\"}", "expected a number, got \"inf\""},
    {"\"type\":\"number\"", "{\"f\":\"1e999\"}", "expected a number, got \"1e999\""},
    {"\"type\":\"bool\"", "{\"f\":false}", "{\"f\":false}"},
    {"\"type\":\"bool\"", "{\"f\":\"yes\"}", "{\"f\":true}"},
    {"\"type\":\"bool\"", "{\"f\":1}", "expected true or false, got 1"},
    {"\"type\":\"size\"", "{\"f\":\"2GiB\"}", "{\"f\":2147483648}"},
    {"\"type\":\"size\"", "{\"f\":512}", "{\"f\":512}"},
    {"\"type\":\"size\"", "{\"f\":-1}", "expected a size such as 2GiB, got -1"},
    {"\"type\":\"size\"", "{\"f\":\"16000PiB\"}", "expected a size such as 2GiB, got \"16000PiB\""},
    {"\"type\":\"size\",\"min\":1024,\"max\":2097152", "{\"f\":\"3MiB\"}",
     "expected 1KiB to 2MiB, got \"3MiB\""},
    {"\"type\":\"duration\"", "{\"f\":\"30s\"}", "{\"f\":30000}"},
    {"\"type\":\"duration\"", "{\"f\":\"0\"}", "{\"f\":0}"},
    {"\"type\":\"duration\"", "{\"f\":250}", "{\"f\":250}"},
    {"\"type\":\"duration\"", "{\"f\":\"30\"}", "expected a duration such as 30s, got \"30\""},
    {"\"type\":\"duration\",\"min\":1000,\"max\":90000", "{\"f\":\"2m\"}",
     "expected 1s to 90s, got \"2m\""},
    {"\"type\":\"url\"", "{\"f\":\"https://u@a.example:8080/x?y\"}",
     "{\"f\":\"https://u@a.example:8080/x?y\"}"},
    {"\"type\":\"url\"", "{\"f\":\"http://[::1]:80\"}", "{\"f\":\"http://[::1]:80\"}"},
    {"\"type\":\"url\"", "{\"f\":\"unix:/run/x.sock\"}", "{\"f\":\"unix:/run/x.sock\"}"},
    {"\"type\":\"url\"", "{\"f\":\"http://\"}",
     "expected a URL (http://, https:// or unix:/path), got \"http://\""},
    {"\"type\":\"url\"", "{\"f\":\"http://a b\"}",
     "expected a URL (http://, https:// or unix:/path), got \"http://a b\""},
    {"\"type\":\"url\"", "{\"f\":\"http://a:0\"}",
     "expected a URL (http://, https:// or unix:/path), got \"http://a:0\""},
    {"\"type\":\"url\"", "{\"f\":\"http://[::g]\"}",
     "expected a URL (http://, https:// or unix:/path), got \"http://[::g]\""},
    {"\"type\":\"email\"", "{\"f\":\"a.b+c@example.com\"}", "{\"f\":\"a.b+c@example.com\"}"},
    {"\"type\":\"email\"", "{\"f\":\"a@\"}", "expected an e-mail address, got \"a@\""},
    {"\"type\":\"email\"", "{\"f\":\"a b@example.com\"}",
     "expected an e-mail address, got \"a b@example.com\""},
    {"\"type\":\"email\"", "{\"f\":\"a@b@example.com\"}",
     "expected an e-mail address, got \"a@b@example.com\""},
    {"\"type\":\"hostname\"", "{\"f\":\"_dmarc.Example.com.\"}", "{\"f\":\"_dmarc.Example.com.\"}"},
    {"\"type\":\"hostname\"", "{\"f\":\"-a.example\"}",
     "expected a host name such as www.example.com, got \"-a.example\""},
    {"\"type\":\"hostname\"", "{\"f\":\"a-.example\"}",
     "expected a host name such as www.example.com, got \"a-.example\""},
    {"\"type\":\"hostname\"", "{\"f\":\"a..b\"}",
     "expected a host name such as www.example.com, got \"a..b\""},
    {"\"type\":\"hostname\"", "{\"f\":\"\"}",
     "expected a host name such as www.example.com, got \"\""},
    {"\"type\":\"ip\"", "{\"f\":\"192.0.2.1\"}", "{\"f\":\"192.0.2.1\"}"},
    {"\"type\":\"ip\"", "{\"f\":\"2001:db8::1\"}", "{\"f\":\"2001:db8::1\"}"},
    {"\"type\":\"ip\"", "{\"f\":\"192.0.2.256\"}",
     "expected an IPv4 or IPv6 address, got \"192.0.2.256\""},
    {"\"type\":\"select\",\"options\":[\"large\",\"small\"]", "{\"f\":\"small\"}",
     "{\"f\":\"small\"}"},
    {"\"type\":\"select\",\"options\":[\"large\",\"small\"]", "{\"f\":\"smal\"}",
     "expected one of large or small, got \"smal\"; did you mean \"small\"?"},
    {"\"type\":\"select\",\"options\":[\"large\"]", "{\"f\":\"x\"}", "expected large, got \"x\""},
    {"\"type\":\"list\"", "{\"f\":[\"a\",\"b\"]}", "{\"f\":[\"a\",\"b\"]}"},
    {"\"type\":\"list\"", "{\"f\":\"a, b\"}", "{\"f\":[\"a\",\"b\"]}"},
    {"\"type\":\"list\"", "{\"f\":\"\"}", "{\"f\":[]}"},
    {"\"type\":\"list\"", "{\"f\":[\"a\",2]}", "expected a list of texts, got 2"},
    {"\"type\":\"list\"", "{\"f\":{\"a\":\"b\"}}", "expected a list of texts, got a mapping"},
    {"\"type\":\"list\",\"min\":1,\"max\":2", "{\"f\":[\"a\",\"b\",\"c\"]}",
     "expected 1 to 2, got 3"},
    {"\"type\":\"list\",\"min\":1", "{\"f\":[]}", "expected at least 1, got 0"},
    {"\"type\":\"list\",\"pattern\":\"^a\"", "{\"f\":[\"a\",\"b\"]}",
     "expected text that matches ^a, got \"b\""},
    {"\"type\":\"map\"", "{\"f\":{\"a\":\"b\"}}", "{\"f\":{\"a\":\"b\"}}"},
    {"\"type\":\"map\"", "{\"f\":\"a\"}", "expected a mapping of texts, got \"a\""},
    {"\"type\":\"map\",\"secret\":true", "{\"f\":\"hush\"}", "expected a mapping of texts"},
    {"\"type\":\"map\"", "{\"f\":{\"a\":[]}}", "expected a mapping of texts, got a list"},
    {"\"type\":\"pool\"", "{\"f\":\"vmids\"}", "{\"f\":\"vmids\"}"},
    {"\"type\":\"json\"", "{\"f\":{\"a\":[1,\"1\",true,1.5,{\"b\":\"${env:HOME}\"}]}}",
     "{\"f\":{\"a\":[1,\"1\",true,1.5,{\"b\":\"${env:HOME}\"}]}}"},
    {"\"type\":\"json\"", "{\"f\":[]}", "{\"f\":[]}"},
    {"\"type\":\"json\"", "{\"f\":\"5\"}", "{\"f\":\"5\"}"},
    {"\"type\":\"json\"", "{\"f\":{\"a\":null}}", "{\"f\":{\"a\":null}}"},
    {"\"type\":\"json\"", "{\"f\":null}", "{}"},
    {"\"type\":\"json\",\"required\":true", "{}", "required, but not given"},
    {"\"type\":\"string\"", "{\"g\":\"a\"}", "unknown field; did you mean \"f\"?"},
    {"\"type\":\"string\"", "{\"other\":\"a\"}", "unknown field (known: f)"},
    {"\"type\":\"string\"", "[]", "expected an object, got a list"},
};

static void every_type(void **state)
{
    (void)state;
    const struct pv_check_at at = {PV_STR("/form"), '/', "unknown_param", "invalid_param",
                                   "missing_param"};
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_plugin *plugin = plugin_with(cases[i].field);
        struct pv_problems problems;
        struct pv_arena arena;
        json_t *checked = NULL;
        json_t *given = json_loads(cases[i].given, 0, NULL);
        assert_non_null(given);
        pv_problems_init(&problems);
        pv_arena_init(&arena);
        int status = pv_fields_check(given, &plugin->checkout, &at, 0, &problems, &checked);
        struct pv_str said =
            status == PV_OK ? pv_json_copy(&arena, checked) : problems.items[0].text;
        if (!pv_str_eq_c(said, cases[i].expected)) {
            fail_msg("%s of %s: %.*s", cases[i].given, cases[i].field, PV_STR_ARG(said));
        }
        assert_int_equal(status, problems.count == 0 ? PV_OK : PV_EINVAL);
        json_decref(checked);
        json_decref(given);
        pv_arena_done(&arena);
        pv_problems_done(&problems);
        pv_plugin_unref(plugin);
    }
}

/* 32 levels, the value itself counted; what is deeper is refused at its place. */
static void trees_are_bounded(void **state)
{
    (void)state;
    const struct pv_check_at at = {PV_STR("/form"), '/', "unknown_param", "invalid_param",
                                   "missing_param"};
    struct pv_plugin *plugin = plugin_with("\"type\":\"json\"");
    for (int lists = 30; lists <= 33; lists++) {
        json_t *tree = json_string("x");
        for (int i = 0; i < lists; i++) {
            tree = i % 2 == 0 ? json_pack("[o]", tree) : json_pack("{s:o}", "a", tree);
        }
        json_t *given = json_pack("{s:o}", "f", tree);
        json_t *checked = NULL;
        struct pv_problems problems;
        pv_problems_init(&problems);
        int status = pv_fields_check(given, &plugin->checkout, &at, 0, &problems, &checked);
        assert_int_equal(status, lists < 32 ? PV_OK : PV_EINVAL);
        if (status == PV_OK) {
            assert_true(json_equal(checked, given));
        } else {
            assert_true(pv_str_eq_c(problems.items[0].text, "nested too deeply"));
            assert_true(pv_str_starts(problems.items[0].path, "/form/f/"));
            assert_int_equal(problems.count, 1);
            assert_null(checked);
        }
        json_decref(checked);
        json_decref(given);
        pv_problems_done(&problems);
    }
    pv_plugin_unref(plugin);
}

static void partial(void **state)
{
    (void)state;
    const struct pv_check_at at = {PV_STR(""), '/', "unknown_param", "invalid_param",
                                   "missing_param"};
    struct pv_plugin *plugin = plugin_with("\"type\":\"string\",\"required\":true");
    struct pv_problems problems;
    json_t *checked = NULL;
    pv_problems_init(&problems);
    assert_int_equal(
        pv_fields_check(NULL, &plugin->checkout, &at, PV_CHECK_PARTIAL, &problems, &checked),
        PV_OK);
    assert_int_equal(json_object_size(checked), 0);
    json_decref(checked);
    assert_int_equal(pv_fields_check(NULL, &plugin->checkout, &at, 0, &problems, &checked),
                     PV_EINVAL);
    assert_true(pv_str_eq_c(problems.items[0].path, "/f"));
    assert_string_equal(problems.items[0].code, "missing_param");
    pv_problems_done(&problems);
    pv_plugin_unref(plugin);
}

static void paths_are_json_pointers(void **state)
{
    (void)state;
    const struct pv_check_at at = {PV_STR("/params"), '/', "u", "i", "m"};
    struct pv_plugin *plugin = plugin_with("\"type\":\"list\"");
    struct pv_problems problems;
    json_t *checked = NULL;
    json_t *given = json_loads("{\"a/b~c\":1,\"f\":[\"x\",5]}", 0, NULL);
    pv_problems_init(&problems);
    assert_int_equal(pv_fields_check(given, &plugin->checkout, &at, 0, &problems, &checked),
                     PV_EINVAL);
    assert_true(pv_str_eq_c(problems.items[0].path, "/params/a~1b~0c"));
    assert_true(pv_str_eq_c(problems.items[1].path, "/params/f/1"));
    json_decref(given);
    pv_problems_done(&problems);
    /* a name of any length */
    char name[2000];
    memset(name, '/', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    given = json_pack("{s:i}", name, 1);
    pv_problems_init(&problems);
    assert_int_equal(pv_fields_check(given, &plugin->checkout, &at, 0, &problems, &checked),
                     PV_EINVAL);
    assert_true(problems.items[0].path.len > 500 && problems.items[0].path.len < 600);
    json_decref(given);
    pv_problems_done(&problems);
    pv_plugin_unref(plugin);
}

static void text_is_cut_in_messages(void **state)
{
    (void)state;
    const struct pv_check_at at = {PV_STR(""), '/', "u", "i", "m"};
    struct pv_plugin *plugin = plugin_with("\"type\":\"ip\"");
    struct pv_problems problems;
    json_t *checked = NULL;
    char given[200];
    memset(given, 'x', sizeof(given));
    memcpy(given + 59, "\xC3\xA4", 2); /* the cut would fall into it */
    json_t *object = json_pack("{s:s%}", "f", given, sizeof(given));
    pv_problems_init(&problems);
    assert_int_equal(pv_fields_check(object, &plugin->checkout, &at, 0, &problems, &checked),
                     PV_EINVAL);
    char expected[200] = "expected an IPv4 or IPv6 address, got \"";
    memset(expected + strlen(expected), 'x', 59);
    strncat(expected, "\"…", 10);
    assert_true(pv_str_eq_c(problems.items[0].text, expected));
    json_decref(object);
    pv_problems_done(&problems);
    pv_plugin_unref(plugin);
}

static void problems_are_bounded(void **state)
{
    (void)state;
    struct pv_problems problems;
    pv_problems_init(&problems);
    for (int i = 0; i < PV_MAX_PROBLEMS + 7; i++) {
        pv_problem_add(&problems, NULL, PV_STR("p"), "code", "number %d", i);
    }
    pv_problem_add(&problems, NULL, PV_STR("p"), "code", "number 1"); /* the same again */
    pv_problem_warn(&problems, NULL, PV_STR("w"), "code", "one more");
    assert_int_equal(problems.count, PV_MAX_PROBLEMS);
    assert_int_equal(problems.errors, PV_MAX_PROBLEMS + 7);
    assert_int_equal(problems.dropped, 8);
    assert_int_equal(pv_problems_status(&problems), PV_EINVAL);
    struct pv_buf out;
    pv_buf_init(&out, 1u << 20);
    assert_int_equal(pv_problems_print(&problems, &out), PV_OK);
    assert_string_equal(out.ptr + out.len - 11, "and 8 more\n");
    pv_buf_done(&out);
    pv_problems_done(&problems);
    pv_problems_init(&problems);
    struct pv_place place = {PV_STR("a.yaml"), 3, 4};
    pv_problem_warn(&problems, &place, PV_STR("w"), "code", "careful");
    assert_int_equal(pv_problems_status(&problems), PV_OK);
    pv_buf_init(&out, 100);
    pv_problem_print(&problems.items[0], &out);
    assert_string_equal(out.ptr, "a.yaml:3:4: w: warning: careful");
    pv_buf_done(&out);
    pv_alloc_fail_at(1, 1);
    char path[5000];
    memset(path, 'x', sizeof(path));
    pv_problem_add(&problems, NULL, (struct pv_str){path, sizeof(path)}, "code", "lost");
    pv_alloc_fail_at(0, 0);
    assert_int_equal(pv_problems_status(&problems), PV_ENOMEM);
    pv_problems_done(&problems);
}

int main(void)
{
    pv_json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(trees_are_bounded),
        cmocka_unit_test(partial),
        cmocka_unit_test(paths_are_json_pointers),
        cmocka_unit_test(text_is_cut_in_messages),
        cmocka_unit_test(problems_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions: what is read, what is refused; and asking a host program for one. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "\"name\":\"x\",\"version\":\"1\""
#define FIELD "{" HEAD ",\"settings\":[{\"name\":\"f\","

static const struct {
    const char *json;
    const char *text;
} bad[] = {
    {"", "description: not valid JSON: '[' or '{' expected near end of file at byte 0"},
    {"{", "description: not valid JSON: string or '}' expected near end of file at byte 1"},
    {"{\"name\":\"x\",\"name\":\"x\"}",
     "description: not valid JSON: duplicate object key near '\"name\"' at byte 18"},
    {"[]", "description: not a JSON object"},
    {"{}", "description: \"\" is no name of a plugin"},
    {"{\"name\":\"X\"}", "description: \"X\" is no name of a plugin"},
    {"{\"name\":5}", "description: \"name\" is not a string"},
    {"{" HEAD ",\"needs\":[\"root\"]}",
     "description: it needs \"root\", which this version does not know"},
    {"{" HEAD ",\"settings\":{}}", "description: settings: \"settings\" is not an array"},
    {"{" HEAD ",\"settings\":[{\"type\":\"int\"}]}",
     "description: settings: \"\" is no name (lower-case letters, digits and _)"},
    {FIELD "\"type\":\"int\"},{\"name\":\"f\",\"type\":\"int\"}]}",
     "description: settings: field f is declared twice"},
    {FIELD "\"type\":\"colour\"}]}", "description: settings: field f: unknown type \"colour\""},
    {FIELD "\"type\":\"select\"}]}", "description: settings: field f: a select needs options"},
    {FIELD "\"type\":\"select\",\"options\":[1]}]}",
     "description: settings: field f: an option is not a string"},
    {FIELD "\"type\":\"string\",\"pattern\":\"(\"}]}",
     "description: settings: field f: pattern \"(\": Unmatched ( or \\("},
    {FIELD "\"type\":\"int\",\"min\":\"1\"}]}",
     "description: settings: field f: \"min\" is not a number in its range"},
    {FIELD "\"type\":\"int\",\"default\":\"many\"}]}",
     "description: settings: field f: its default: expected a whole number, got \"many\""},
    {FIELD "\"secret\":1}]}",
     "description: settings: field f: \"secret\" is neither true nor false"},
    {FIELD "\"type\":\"json\",\"secret\":true}]}",
     "description: settings: field f: of type json and SECRET; a secret is a string, text, list or "
     "map"},
    {"{" HEAD ",\"actions\":[{\"name\":\"a\",\"form\":[{\"name\":\"f\",\"secret\":true,"
     "\"type\":\"json\"}]}]}",
     "description: action a: form: field f: of type json and SECRET; a secret is a string, text, "
     "list or map"},
    {"{" HEAD ",\"product\":[{\"name\":\"f\",\"type\":\"string\",\"secret\":true}]}",
     "description: product: field f is SECRET; values of products are kept with each service, so "
     "secrets belong into the settings"},
    {"{" HEAD ",\"operations\":{\"destroy\":[]}}", "description: unknown operation \"destroy\""},
    {"{" HEAD ",\"operations\":{\"action\":[]}}", "description: unknown operation \"action\""},
    {"{" HEAD ",\"operations\":{\"create\":[{\"name\":\"a\",\"timeout_ms\":0}]}}",
     "description: operations: create: \"timeout_ms\" is not a number in its range"},
    {"{" HEAD ",\"actions\":[{\"name\":\"a\",\"quota\":\"A b\"}]}",
     "description: action a: \"A b\" is no name of a quota"},
    {"{" HEAD ",\"instance_queries\":[{\"name\":\"a\",\"access\":\"all\"}]}",
     "description: query a: unknown access \"all\""},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_COUNT(bad); i++) {
        struct pv_plugin *plugin = NULL;
        struct pv_err err = {0};
        assert_int_equal(pv_plugin_parse(pv_str(bad[i].json), PV_STR("/x"), &plugin, &err),
                         PV_EINVAL);
        assert_string_equal(err.text, bad[i].text);
        assert_null(plugin);
    }
}

static const char page[] =
    "# dns 1.0.0\n"
    "\n"
    "Zones and records.\n"
    "\n"
    "## Settings\n"
    "\n"
    "* `driver` (`powerdns`, `cloudflare`; default `powerdns`): Driver\n"
    "* `url` (url; required): API URL\n"
    "* `api_key` (string; required; secret): Key\n"
    "* `nameservers` (list; default `ns1.example.net, ns2.example.net`): Nameservers\n"
    "* `headers` (map; secret): Headers\n"
    "* `timeout` (duration; default `7s`): Time-out\n"
    "\n"
    "## Product\n"
    "\n"
    "* `mode` (`zones`, `record`; default `zones`; cannot be changed by an upgrade): Mode\n"
    "* `zone` (hostname; cannot be changed by an upgrade): Zone\n"
    "* `zones` (int; default `3`): Zones\n"
    "\n"
    "## Operations\n"
    "\n"
    "* create: record (repeatable, undo)\n"
    "* terminate: remove (repeatable)\n"
    "* upgrade: limit (repeatable, undo)\n"
    "\n"
    "## Action `add_zone`: Add a zone\n"
    "\n"
    "Takes one of the quota `zones`.\n"
    "\n"
    "* `zone` (hostname; required): Zone\n"
    "\n"
    "Steps: add (lookup)\n"
    "\n"
    "## Action `restart`: Restart\n"
    "\n"
    "Steps: \n"
    "\n"
    "## Queries of a service\n"
    "\n"
    "* `view` (customer)\n"
    "\n"
    "## Queries of an instance\n"
    "\n"
    "* `test` (token)\n"
    "\n";

static void prints_a_page(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = fixture_good(fixture, fixture_yaml);
    struct pv_buf out;
    pv_buf_init(&out, 65536);
    assert_int_equal(pv_plugin_print(pv_config_instance(config, PV_STR("pdns-1"))->plugin, &out),
                     PV_OK);
    assert_string_equal(out.ptr, page);
    pv_buf_done(&out);
    pv_config_free(config);
}

/* ---- the host program; a shell script stands in ---- */

static void write_host(struct fixture *fixture, const char *script, char path[512])
{
    char text[2048];
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    fixture_write(fixture, "host", text);
    snprintf(path, 512, "%s/host", fixture->dir);
    assert_int_equal(chmod(path, 0700), 0);
}

static int ask(struct fixture *fixture, struct pv_describer *describer, char **ret,
               struct pv_err *err)
{
    char module[512];
    snprintf(module, sizeof(module), "%s/modules/dns.so", fixture->dir);
    struct pv_describe table = pv_describer_table(describer);
    return table.describe(table.ctx, &(struct pv_describe_ask){.module = module}, ret, err);
}

static const struct {
    const char *script;
    const char *text; /* "=" and the answer, or the sentence */
} hosts[] = {
    {"[ \"$1\" = --describe ] && printf '%s' \"${2##*/}\"", "=dns.so"},
    /* secrets of the environment are not for modules */
    {"printf '%s' \"$PV_TEST_SECRET\"", "="},
    {"echo first >&2; echo 'no provost_plugin_entry' >&2; exit 3", "no provost_plugin_entry"},
    /* as hosts write their log */
    {"echo '{\"level\":\"error\",\"message\":\"cannot load it\"}' >&2; exit 3", "cannot load it"},
    {"exit 3", "cannot be described (exit status 3)"},
    {"kill -SEGV $$", "crashed while it described itself (signal 11)"},
    {"yes", "its description is larger than 1024 KiB"},
    {"head -c 100000 /dev/zero >&2; printf x", "=x"},
};

static void asks_the_host(void **state)
{
    struct fixture *fixture = *state;
    setenv("PV_TEST_SECRET", "hush", 1);
    for (size_t i = 0; i < PV_COUNT(hosts); i++) {
        struct pv_describer *describer = NULL;
        struct pv_err err = {0};
        char path[512];
        char *json = NULL;
        write_host(fixture, hosts[i].script, path);
        assert_int_equal(pv_describer_new(path, &describer, &err), PV_OK);
        int status = ask(fixture, describer, &json, &err);
        if (hosts[i].text[0] == '=') {
            assert_int_equal(status, PV_OK);
            assert_string_equal(json, hosts[i].text + 1);
        } else {
            assert_true(status < 0);
            assert_string_equal(err.text, hosts[i].text);
        }
        pv_free(json);
        pv_describer_free(describer);
    }
}

/* Neither one that says nothing, nor one that closes its output and stays. */
static void gives_up(void **state)
{
    static const char *const scripts[] = {"while :; do :; done",
                                          "exec >&- 2>&-; while :; do :; done"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < PV_COUNT(scripts); i++) {
        struct pv_describer *describer = NULL;
        struct pv_err err = {0};
        char path[512];
        char *json = NULL;
        write_host(fixture, scripts[i], path);
        assert_int_equal(pv_describer_new(path, &describer, &err), PV_OK);
        pv_describer_set_time_limit(describer, 100);
        assert_int_equal(ask(fixture, describer, &json, &err), PV_ETIMEOUT);
        assert_string_equal(err.text, "did not describe itself within 100 ms");
        pv_describer_free(describer);
    }
}

static void remembers(void **state)
{
    struct fixture *fixture = *state;
    struct pv_describer *describer = NULL;
    struct pv_err err = {0};
    char path[512];
    char *json = NULL;
    char script[700];
    snprintf(script, sizeof(script), "echo x >> %s/count; wc -l < %s/count", fixture->dir,
             fixture->dir);
    write_host(fixture, script, path);
    assert_int_equal(pv_describer_new(path, &describer, &err), PV_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(fixture, describer, &json, &err), PV_OK);
        assert_string_equal(json, "1\n");
        pv_free(json);
    }
    fixture_write(fixture, "modules/dns.so", "changed");
    assert_int_equal(ask(fixture, describer, &json, &err), PV_OK);
    assert_string_equal(json, "2\n");
    pv_free(json);
    pv_describer_free(describer);
}

static void finds_the_host(void **state)
{
    struct fixture *fixture = *state;
    struct pv_err err = {0};
    char path[512];
    char *found = NULL;
    write_host(fixture, "exit 0", path);
    setenv("PROVOST_HOST", path, 1);
    assert_int_equal(pv_describer_find_host(&found, &err), PV_OK);
    assert_string_equal(found, path);
    pv_free(found);
    setenv("PROVOST_HOST", "/nonexistent/host", 1);
    assert_int_equal(pv_describer_find_host(&found, &err), PV_ENOTFOUND);
    assert_string_equal(err.text, "PROVOST_HOST names /nonexistent/host, which does not exist");
    unsetenv("PROVOST_HOST");
    struct pv_describer *describer = NULL;
    assert_int_equal(pv_describer_new("/nonexistent/host", &describer, &err), PV_OK);
    assert_int_equal(ask(fixture, describer, &found, &err), PV_ENOTFOUND);
    assert_string_equal(err.text, "cannot start /nonexistent/host: No such file or directory");
    pv_describer_free(describer);
}

static void allocation_failures(void **state)
{
    (void)state;
    static const char json[] = "{" HEAD ",\"settings\":[{\"name\":\"f\",\"type\":\"list\","
                               "\"default\":\"a,b\",\"pattern\":\"^.$\"}],"
                               "\"actions\":[{\"name\":\"a\",\"form\":[{\"name\":\"g\",\"type\":"
                               "\"select\",\"options\":[\"x\"]}]}]}";
    int status = PV_ENOMEM;
    unsigned long n = 1;
    for (; status == PV_ENOMEM; n++) {
        struct pv_plugin *plugin = NULL;
        struct pv_err err = {0};
        pv_alloc_fail_at(n, 1);
        status = pv_plugin_parse(PV_STR(json), PV_STR("/x.so"), &plugin, &err);
        pv_alloc_fail_at(0, 0);
        pv_plugin_unref(plugin);
    }
    assert_int_equal(status, PV_OK);
    assert_true(n > 20);
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(refuses),   TEST(prints_a_page),  TEST(asks_the_host),       TEST(gives_up),
        TEST(remembers), TEST(finds_the_host), TEST(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

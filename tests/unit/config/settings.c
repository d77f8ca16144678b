/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: secrets by reference, read at use and never shown; and what a reload notices. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/config/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char yaml[] =
    "plugin_dirs: [modules]\n"
    "plugins:\n"
    "  a:\n"
    "    module: dns\n"
    "    settings:\n"
    "      url: http://${env:PV_TEST_HOST}:8081\n"
    "      api_key: k-${file:pdns.key}\n"
    "      nameservers: [ns1.example.net]\n"
    "      headers: {X-Auth: \"Bearer ${env:PV_TEST_TOKEN}\", X-Plain: \"$${x}\"}\n";

static struct pv_config *load(struct fixture *fixture)
{
    setenv("PV_TEST_HOST", "pdns.example", 1);
    setenv("PV_TEST_TOKEN", "t\"1", 1);
    return fixture_good(fixture, yaml);
}

static void references(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = load(fixture);
    struct pv_secret *json = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_config_settings(&config->instances[0], &json, &err), PV_OK);
    assert_true(pv_str_eq_c(
        pv_secret_expose(json),
        "{\"driver\":\"powerdns\",\"url\":\"http://pdns.example:8081\","
        "\"nameservers\":[\"ns1.example.net\"],\"timeout\":7000,\"api_key\":\"k-the-key-9\","
        "\"headers\":{\"X-Auth\":\"Bearer t\\\"1\",\"X-Plain\":\"${x}\"}}"));
    pv_secret_free(json);
    assert_true(
        pv_str_eq_c(config->instances[0].settings_shown,
                    "{\"api_key\":\"********\",\"driver\":\"powerdns\",\"headers\":\"********\","
                    "\"nameservers\":[\"ns1.example.net\"],\"timeout\":7000,"
                    "\"url\":\"http://pdns.example:8081\"}"));

    /* read at use */
    fixture_write(fixture, "pdns.key", "new\n\n");
    assert_int_equal(pv_config_settings(&config->instances[0], &json, &err), PV_EINVAL);
    assert_string_equal(err.text,
                        "settings.api_key: expected one line of text without control characters");
    fixture_write(fixture, "pdns.key", "NEW");
    assert_int_equal(pv_config_settings(&config->instances[0], &json, &err), PV_EINVAL);
    assert_string_equal(err.text, "settings.api_key: expected text that matches ^[a-z0-9-]+$");
    fixture_write(fixture, "pdns.key", "new\r\n");
    assert_int_equal(pv_config_settings(&config->instances[0], &json, &err), PV_OK);
    assert_non_null(strstr(pv_secret_expose(json).ptr, "\"api_key\":\"k-new\""));
    pv_secret_free(json);
    unsetenv("PV_TEST_TOKEN");
    assert_int_equal(pv_config_settings(&config->instances[0], &json, &err), PV_ENOTFOUND);
    assert_string_equal(err.text,
                        "settings.headers: the environment variable PV_TEST_TOKEN is not set");
    pv_config_free(config);
}

static void allocation_failures(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = load(fixture);
    int status = PV_ENOMEM;
    unsigned long n = 1;
    for (; status == PV_ENOMEM; n++) {
        struct pv_secret *json = NULL;
        struct pv_err err = {0};
        pv_alloc_fail_at(n, 1);
        status = pv_config_settings(&config->instances[0], &json, &err);
        pv_alloc_fail_at(0, 0);
        pv_secret_free(json);
    }
    assert_int_equal(status, PV_OK);
    assert_true(n > 4);
    pv_config_free(config);
}

static void expect_expanded(const char *dir, const char *text, int status, const char *expected)
{
    struct pv_buf out;
    struct pv_err err = {0};
    pv_buf_init(&out, 2 * PV_REFERENCE_MAX);
    assert_int_equal(pv_reference_expand(pv_str(text), pv_str(dir), &out, &err), status);
    pv_buf_char(&out, '\0');
    assert_string_equal(status == PV_OK ? out.ptr : err.text, expected);
    pv_buf_done(&out);
}

static void reference_kinds(void **state)
{
    struct fixture *fixture = *state;
    char text[600];
    char why[600];
    expect_expanded(fixture->dir, "a${file:pdns.key}b$${c}$d", PV_OK, "athe-key-9b${c}$d");
    snprintf(text, sizeof(text), "${file:%s/pdns.key}", fixture->dir);
    expect_expanded("/nonexistent", text, PV_OK, "the-key-9");
    setenv("CREDENTIALS_DIRECTORY", fixture->dir, 1);
    expect_expanded("/", "${credential:pdns.key}", PV_OK, "the-key-9");
    expect_expanded("/", "${credential:../pdns.key}", PV_EINVAL,
                    "${credential:…} needs the name of a credential");
    expect_expanded("/", "${env:}", PV_EINVAL,
                    "${env:…} needs the name of an environment variable");
    expect_expanded("/", "${file:}", PV_EINVAL,
                    "unknown reference \"${file:}\": expected ${file:PATH}, ${env:NAME} or "
                    "${credential:NAME} (write $${ for a plain ${)");
    snprintf(why, sizeof(why), "cannot read %s/modules: not a regular file", fixture->dir);
    expect_expanded(fixture->dir, "${file:modules}", PV_EINVAL, why);
    /* nobody writes into it: opening it must not wait */
    snprintf(text, sizeof(text), "%s/fifo", fixture->dir);
    assert_int_equal(mkfifo(text, 0600), 0);
    snprintf(why, sizeof(why), "cannot read %s/fifo: not a regular file", fixture->dir);
    expect_expanded(fixture->dir, "${file:fifo}", PV_EINVAL, why);
    fixture_write(fixture, "bad", "\xFF");
    snprintf(why, sizeof(why), "%s/bad does not hold UTF-8 text", fixture->dir);
    expect_expanded(fixture->dir, "${file:bad}", PV_EINVAL, why);
    char *big = pv_malloc(PV_REFERENCE_MAX + 2);
    memset(big, 'x', PV_REFERENCE_MAX + 1);
    big[PV_REFERENCE_MAX + 1] = '\0';
    fixture_write(fixture, "big", big);
    pv_free(big);
    snprintf(why, sizeof(why), "%s/big is larger than 64 KiB", fixture->dir);
    expect_expanded(fixture->dir, "${file:big}", PV_ETOOBIG, why);
    unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- reload ---- */

static bool in_use(void *ctx, struct pv_str instance)
{
    (void)ctx;
    return !pv_str_eq_c(instance, "free");
}

static char *compare(struct fixture *fixture, struct pv_config *now, const char *next_yaml)
{
    static const char *const names[] = {"added", "changed", "removed"};
    struct pv_config *next = fixture_good(fixture, next_yaml);
    struct pv_problems problems;
    struct pv_config_diff diff = {0};
    struct pv_buf out;
    pv_problems_init(&problems);
    pv_buf_init(&out, 65536);
    int status = pv_config_compare(now, next, in_use, NULL, &diff, &problems);
    for (size_t i = 0; status == PV_OK && i < diff.count; i++) {
        pv_buf_printf(&out, "%s %.*s\n", names[diff.items[i].what],
                      PV_STR_ARG(diff.items[i].instance));
    }
    pv_problems_print(&problems, &out);
    pv_buf_printf(&out, "%s", status == PV_OK ? "" : "refused\n");
    char *text = NULL;
    size_t len = 0;
    assert_int_equal(pv_buf_finish(&out, &text, &len), PV_OK);
    pv_config_diff_done(&diff);
    pv_problems_done(&problems);
    pv_config_free(next);
    return text;
}

#define MODULES "plugin_dirs: [modules]\n"

static const struct {
    const char *next;
    const char *expected;
} reloads[] = {
    {MODULES "plugins: {a: {module: support}, free: {module: site, grants: {exec: []}}}\n", ""},
    {MODULES "plugins: {a: {module: support, max_in_flight: 7}, free: {module: site, grants: "
             "{exec: []}}}\n",
     ""},
    {MODULES "plugins: {a: {module: support, stuck_after: 5s}, free: {module: site, grants: {exec: "
             "[]}}, b: {module: site, grants: {exec: []}}}\n",
     "changed a\nadded b\n"},
    {MODULES "plugins: {a: {module: support}}\n", "removed free\n"},
    {MODULES "plugins: {free: {module: site, grants: {exec: []}}}\n",
     "plugins.a: cannot be removed: services that are not terminated use it; keep it until they "
     "are\nrefused\n"},
    {MODULES "plugins: {a: {module: site, grants: {exec: []}}, free: {module: support}}\n",
     "plugins.a: cannot become plugin site: services that are not terminated use it as "
     "support\nrefused\n"},
    {MODULES "listen: 127.0.0.1:1\nhttp: {max_body: 2MiB}\n"
             "plugins: {a: {module: support}, free: {module: site, grants: {exec: []}}}\n",
     "listen: warning: changed from \"127.0.0.1:7070\" to \"127.0.0.1:1\": takes effect when "
     "provostd is "
     "restarted\n"
     "http.max_body: warning: changed: takes effect when provostd is restarted\n"},
};

static void reload(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *now =
        fixture_good(fixture, MODULES
                     "plugins: {a: {module: support}, free: {module: site, grants: {exec: []}}}\n");
    for (size_t i = 0; i < PV_COUNT(reloads); i++) {
        char *text = compare(fixture, now, reloads[i].next);
        assert_string_equal(text, reloads[i].expected);
        pv_free(text);
    }
    pv_config_free(now);
}

/* A secret that was replaced in its file needs the plugin restarted. */
static void reload_notices_secrets(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *now = load(fixture);
    char *text = compare(fixture, now, yaml);
    assert_string_equal(text, "");
    pv_free(text);
    fixture_write(fixture, "pdns.key", "rotated");
    text = compare(fixture, now, yaml);
    assert_string_equal(text, "changed a\n");
    pv_free(text);
    pv_config_free(now);
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(references), TEST(allocation_failures),    TEST(reference_kinds),
        TEST(reload),     TEST(reload_notices_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The files of tests/config, with the plugins of this repository and the real host program. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/config/raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int load(const char *name, struct pv_problems *problems, struct pv_config **ret)
{
    struct pv_describer *describer = NULL;
    struct pv_err err = {0};
    char path[4096];
    assert_int_equal(pv_describer_new(NULL, &describer, &err), PV_OK);
    /* a sanitized host on a busy machine takes its time */
    pv_describer_set_time_limit(describer, 60000);
    struct pv_describe describe = pv_describer_table(describer);
    snprintf(path, sizeof(path), "%s/tests/config/%s", getenv("SOURCE_ROOT"), name);
    pv_problems_init(problems);
    int status = pv_config_load(path, &describe, problems, ret);
    pv_describer_free(describer);
    return status;
}

static char *print(const struct pv_problems *problems)
{
    struct pv_buf out;
    char *text = NULL;
    size_t len = 0;
    pv_buf_init(&out, 1u << 20);
    const char *root = getenv("SOURCE_ROOT");
    for (size_t i = 0; i < problems->count; i++) {
        struct pv_problem problem = problems->items[i];
        if (pv_str_starts(problem.file, root)) {
            problem.file.ptr += strlen(root) + 1;
            problem.file.len -= strlen(root) + 1;
        }
        pv_problem_print(&problem, &out);
        pv_buf_char(&out, '\n');
    }
    assert_int_equal(pv_buf_finish(&out, &text, &len), PV_OK);
    return text;
}

/* Every option of a table stands somewhere in the file. */
static void expect_options(const struct pv_option *table, const char *file)
{
    for (const struct pv_option *option = table; option->name; option++) {
        char key[100];
        snprintf(key, sizeof(key), "%s:", option->name);
        if (!strstr(file, key)) {
            fail_msg("tests/config/full.yaml does not have %s", option->name);
        }
        if (option->sub) {
            expect_options(option->sub, file);
        }
    }
}

static void full(void **state)
{
    (void)state;
    struct pv_problems problems;
    struct pv_config *config = NULL;
    int status = load("full.yaml", &problems, &config);
    char *text = print(&problems);
    assert_string_equal(text, "");
    assert_int_equal(status, PV_OK);
    pv_free(text);
    pv_problems_done(&problems);
    const struct pv_config_instance *pdns = pv_config_instance(config, PV_STR("pdns-1"));
    assert_int_equal(pdns->limits.breaker_failures, 5);
    assert_int_equal(pdns->limits.breaker_open_ms, 2000);
    assert_int_equal(pdns->limits.breaker_open_cap_ms, 30000);
    assert_int_equal(pdns->memory_bytes, 256u << 20);
    assert_int_equal(pdns->stuck_after_ms, 20000);
    assert_int_equal(pdns->cpu_time_ms, 300000);
    assert_int_equal(config->engine.retry.factor, 3);
    assert_false(config->migrate);
    pv_config_free(config);

    struct pv_buf file;
    char path[4096];
    snprintf(path, sizeof(path), "%s/tests/config/full.yaml", getenv("SOURCE_ROOT"));
    pv_buf_init(&file, 1u << 20);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    size_t got = fread(pv_buf_reserve(&file, 65536), 1, 65535, stream);
    file.len = got;
    assert_int_equal(fclose(stream), 0);
    pv_buf_char(&file, '\0');
    expect_options(pv_file_options, file.ptr);
    pv_buf_done(&file);
}

static void wrong(void **state)
{
    (void)state;
    struct pv_problems problems;
    struct pv_config *config = NULL;
    assert_int_equal(load("wrong.yaml", &problems, &config), PV_EINVAL);
    char *text = print(&problems);
    char *modules = strstr(text, "mial.so in ");
    assert_non_null(modules);
    char *end = strchr(modules, '\n');
    memmove(modules + 10, end, strlen(end) + 1); /* the folders differ between machines */
    assert_string_equal(
        text, "tests/config/wrong.yaml:3:1: lisen: unknown key; did you mean \"listen\"?\n"
              "tests/config/wrong.yaml:7:16: plugins.pdns-1.settings.uri: unknown key; did you "
              "mean \"url\"?\n"
              "tests/config/wrong.yaml:7:15: plugins.pdns-1.settings.url: required, but not given\n"
              "tests/config/wrong.yaml:7:80: plugins.pdns-1.settings.ttl: expected a whole number, "
              "got \"soon\"\n"
              "tests/config/wrong.yaml:8:18: plugins.mail.module: there is no module mial.so in\n"
              "tests/config/wrong.yaml:12:29: products.zones.components.0.plugin: there is no "
              "instance \"pdns1\" "
              "under plugins; did you mean \"pdns-1\"?\n");
    pv_free(text);
    pv_problems_done(&problems);
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full),
        cmocka_unit_test(wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

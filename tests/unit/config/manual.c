/* SPDX-License-Identifier: Apache-2.0 */
/* What is made from the tables: the manual page that is in the repository, and the JSON Schema. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/config/reference.h"
#include "core/json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void the_page_is_up_to_date(void **state)
{
    (void)state;
    struct pv_buf made;
    struct pv_buf committed;
    struct pv_err err = {0};
    pv_buf_init(&made, 1u << 20);
    pv_buf_init(&committed, 2u << 20);
    const char *root = getenv("SOURCE_ROOT");
    assert_non_null(root);
    char path[4096];
    snprintf(path, sizeof(path), "%s/docs/configuration.md", root);
    assert_int_equal(pv_file_read(path, 1u << 20, &committed, &err), PV_OK);
    assert_int_equal(pv_config_manual(&made), PV_OK);
    if (!pv_str_eq(pv_buf_view(&made), pv_buf_view(&committed))) {
        fail_msg("docs/configuration.md is not what the tables say: run tools/gen-config-docs");
    }
    pv_buf_done(&made);
    pv_buf_done(&committed);
}

static json_t *schema_of(const struct pv_config *config)
{
    struct pv_buf out;
    json_t *schema = NULL;
    pv_buf_init(&out, 4u << 20);
    assert_int_equal(pv_config_schema(config, &out), PV_OK);
    assert_int_equal(pv_json_load(pv_buf_view(&out), 0, &schema, NULL), PV_OK);
    pv_buf_done(&out);
    return schema;
}

/* The value at a path such as "properties/listen/default"; fails where there is none. */
static const json_t *at(const json_t *json, const char *path)
{
    char copy[300];
    char *rest = copy;
    snprintf(copy, sizeof(copy), "%s", path);
    for (const char *key = strsep(&rest, "/"); key; key = strsep(&rest, "/")) {
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
                                   : json_object_get(json, key);
        if (!json) {
            fail_msg("%s: nothing at %s", path, key);
        }
    }
    return json;
}

static void schema_of_the_file(void **state)
{
    (void)state;
    json_t *schema = schema_of(NULL);
    assert_string_equal(json_string_value(at(schema, "properties/listen/default")),
                        "127.0.0.1:7070");
    assert_true(json_is_false(at(schema, "additionalProperties")));
    assert_int_equal(
        json_integer_value(at(schema, "properties/http/properties/max_connections/maximum")),
        100000);
    assert_string_equal(json_string_value(at(schema, "properties/log/properties/level/enum/1")),
                        "info");
    assert_non_null(at(schema, "properties/plugins/additionalProperties/properties/command"));
    assert_string_equal(
        json_string_value(at(schema, "properties/products/additionalProperties/properties/"
                                     "components/items/required/0")),
        "plugin");
    json_decref(schema);
}

static void schema_of_a_configuration(void **state)
{
    struct fixture *fixture = *state;
    struct pv_config *config = fixture_good(fixture, fixture_yaml);
    json_t *schema = schema_of(config);
    const json_t *settings =
        at(schema, "allOf/0/properties/plugins/properties/pdns-1/properties/settings");
    assert_true(json_is_true(at(settings, "properties/api_key/writeOnly")));
    assert_string_equal(json_string_value(at(settings, "properties/driver/default")), "powerdns");
    assert_string_equal(json_string_value(at(settings, "required/0")), "url");
    const json_t *plan =
        at(schema, "allOf/0/properties/products/properties/wordpress/properties/plans/"
                   "additionalProperties");
    assert_int_equal(json_integer_value(at(plan, "properties/backups/maximum")), 9);
    assert_non_null(at(plan, "properties/zones"));
    assert_true(json_is_false(at(plan, "additionalProperties")));
    json_decref(schema);

    int status = PV_ENOMEM;
    for (unsigned long n = 1; status == PV_ENOMEM; n++) {
        struct pv_buf out;
        pv_buf_init(&out, 4u << 20);
        pv_alloc_fail_at(n, 1);
        status = pv_config_schema(config, &out);
        pv_alloc_fail_at(0, 0);
        pv_buf_done(&out);
    }
    assert_int_equal(status, PV_OK);
    pv_config_free(config);
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(the_page_is_up_to_date),
        TEST(schema_of_the_file),
        TEST(schema_of_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

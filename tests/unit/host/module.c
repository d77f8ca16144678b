/* SPDX-License-Identifier: Apache-2.0 */
/* Declarations: what is refused and why, what is described, and modules of other header versions.
 */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/host/module.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *abi_dir;

static int run(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

#define assert_contains(text, part) assert_non_null(strstr((text), (part)))

static const struct provost_step fine[] = {{.name = "one", .run = run}, {0}};

static const struct provost_plugin base = {PROVOST_PLUGIN_HEAD, .name = "base", .version = "1.0.0",
                                           .create = fine};

static void refuse(struct provost_plugin plugin, const char *why)
{
    struct pv_module module;
    struct pv_err err = {0};
    assert_true(pv_module_read(&plugin, &module, &err) < 0);
    assert_contains(err.text, why);
}

static void wrong_heads_are_refused(void **state)
{
    (void)state;
    struct pv_module module;
    struct pv_err err = {0};
    assert_true(pv_module_read(NULL, &module, &err) < 0);
    struct provost_plugin p = base;
    p.struct_size = 8;
    refuse(p, "impossible size");
    p = base;
    p.abi = 7;
    refuse(p, "built for plugin ABI 7");
    p = base;
    p.step_size = 3;
    refuse(p, "PROVOST_PLUGIN_HEAD");
    p = base;
    p.name = NULL;
    refuse(p, "name is missing");
    p.name = "Not_A-name";
    refuse(p, "name is missing");
}

static void wrong_tables_are_refused(void **state)
{
    (void)state;
    static const struct provost_step twice[] = {
        {.name = "one", .run = run}, {.name = "one", .run = run}, {0}};
    static const struct provost_step no_run[] = {{.name = "one"}, {0}};
    static const struct provost_step bad_name[] = {{.name = "One", .run = run}, {0}};
    struct provost_plugin p = base;
    p.create = twice;
    refuse(p, "plugin base: create: \"one\" is there twice");
    p = base;
    p.suspend = no_run;
    refuse(p, "suspend: step \"one\" has no run function");
    p = base;
    p.renew = bad_name;
    refuse(p, "renew: \"One\" is no name");
    static struct provost_step endless[PV_MODULE_ENTRIES_MAX + 2];
    static char names[PV_MODULE_ENTRIES_MAX + 2][16];
    for (size_t i = 0; i < PV_COUNT(endless); i++) {
        snprintf(names[i], sizeof(names[i]), "s%zu", i);
        endless[i] = (struct provost_step){.name = names[i], .run = run};
    }
    p = base;
    p.upgrade = endless;
    refuse(p, "the {0} at the end is missing");
    static const struct provost_field bad_type[] = {{.name = "a", .type = 99}, {0}};
    static const struct provost_field no_options[] = {{.name = "a", .type = PROVOST_T_SELECT}, {0}};
    static const struct provost_field bounds[] = {{.name = "a", .min = 2, .max = 1}, {0}};
    p = base;
    p.settings = bad_type;
    refuse(p, "settings: field \"a\" has the unknown type 99");
    p = base;
    p.product = no_options;
    refuse(p, "product: field \"a\" is a select without options");
    p = base;
    p.checkout = bounds;
    refuse(p, "checkout: field \"a\" has a min above its max");
    static const struct provost_action no_steps[] = {{.name = "a"}, {0}};
    static const struct provost_action bad_form[] = {{.name = "a", .form = bad_type, .steps = fine},
                                                     {0}};
    p = base;
    p.actions = no_steps;
    refuse(p, "action a: has no steps");
    p.actions = bad_form;
    refuse(p, "action a: field \"a\" has the unknown type");
    static const struct provost_query no_function[] = {{.name = "q"}, {0}};
    static const struct provost_query bad_access[] = {{.name = "q", .run = run, .access = 9}, {0}};
    p = base;
    p.service_queries = no_function;
    refuse(p, "service query: q: has no run function");
    p = base;
    p.instance_queries = bad_access;
    refuse(p, "instance query: q: unknown access 9");
}

static const struct provost_field fields[] = {
    {.name = "url", .type = PROVOST_T_URL, .flags = PROVOST_F_REQUIRED, .label = "API \"URL\""},
    {.name = "token", .flags = PROVOST_F_SECRET | PROVOST_F_IMMUTABLE, .pattern = "^t"},
    {.name = "mode", .type = PROVOST_T_SELECT, .options = "a|b c|d", .fallback = "a"},
    {.name = "count", .type = PROVOST_T_INT, .min = -1, .max = 5, .description = "How many."},
    {0},
};

static const struct provost_step steps[] = {
    {.name = "one", .run = run, .undo = run, .flags = PROVOST_S_REPEATABLE},
    {.name = "two", .run = run, .lookup = run, .poll = run, .timeout_ms = 7, .settle_ms = 8},
    {0},
};

static const struct provost_action actions[] = {
    {.name = "add",
     .confirm = "Sure?",
     .form = fields,
     .steps = fine,
     .quota = "domains",
     .quota_delta = -1},
    {0},
};

static const struct provost_query queries[] = {
    {.name = "view", .run = run},
    {.name = "check", .run = run, .access = PROVOST_Q_PUBLIC, .params = fields},
    {0},
};

/* The JSON of docs/wire.md, member by member. */
static void declarations_are_described(void **state)
{
    (void)state;
    const struct provost_plugin plugin = {
        PROVOST_PLUGIN_HEAD,
        .flags = PROVOST_P_EXEC,
        .name = "full",
        .version = "1.2.3",
        .summary = "All of it.",
        .settings = fields,
        .create = steps,
        .renew = fine,
        .actions = actions,
        .service_queries = queries,
        .instance_queries = queries,
    };
    struct pv_module module;
    struct pv_err err = {0};
    assert_int_equal(pv_module_read(&plugin, &module, &err), 0);
    struct pv_buf text;
    pv_buf_init(&text, 65536);
    pv_module_describe(&module, &text);
    assert_int_equal(text.status, 0);
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    char *settings = json_dumps(json_object_get(json, "settings"), JSON_COMPACT);
    assert_string_equal(
        settings,
        "[{\"name\":\"url\",\"type\":\"url\",\"label\":\"API \\\"URL\\\"\",\"required\":true,"
        "\"secret\":false,\"immutable\":false,\"file\":false},"
        "{\"name\":\"token\",\"type\":\"string\",\"label\":\"token\",\"pattern\":\"^t\","
        "\"required\":false,\"secret\":true,\"immutable\":true,\"file\":false},"
        "{\"name\":\"mode\",\"type\":\"select\",\"label\":\"mode\",\"default\":\"a\","
        "\"options\":[\"a\",\"b "
        "c\",\"d\"],\"required\":false,\"secret\":false,\"immutable\":false,\"file\":false},"
        "{\"name\":\"count\",\"type\":\"int\",\"label\":\"count\",\"description\":\"How many.\","
        "\"min\":-1,\"max\":5,\"required\":false,\"secret\":false,\"immutable\":false,\"file\":"
        "false}]");
    free(settings);
    char *operations = json_dumps(json_object_get(json, "operations"), JSON_COMPACT);
    assert_string_equal(
        operations,
        "{\"create\":[{\"name\":\"one\",\"repeatable\":true,\"undo\":true,\"lookup\":false,"
        "\"poll\":false,\"timeout_ms\":60000,\"settle_ms\":5000},"
        "{\"name\":\"two\",\"repeatable\":false,\"undo\":false,\"lookup\":true,\"poll\":true,"
        "\"timeout_ms\":7,\"settle_ms\":8}],"
        "\"renew\":[{\"name\":\"one\",\"repeatable\":false,\"undo\":false,\"lookup\":false,"
        "\"poll\":false,\"timeout_ms\":60000,\"settle_ms\":5000}]}");
    free(operations);
    const json_t *action = json_array_get(json_object_get(json, "actions"), 0);
    assert_string_equal(json_string_value(json_object_get(action, "confirm")), "Sure?");
    assert_string_equal(json_string_value(json_object_get(action, "quota")), "domains");
    assert_int_equal(json_integer_value(json_object_get(action, "quota_delta")), -1);
    assert_int_equal(json_array_size(json_object_get(action, "form")), 4);
    assert_int_equal(json_array_size(json_object_get(action, "steps")), 1);
    const json_t *query = json_array_get(json_object_get(json, "instance_queries"), 1);
    assert_string_equal(json_string_value(json_object_get(query, "access")), "public");
    assert_int_equal(json_array_size(json_object_get(query, "params")), 4);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "needs"), 0)),
                        "exec");
    assert_int_equal(json_array_size(json_object_get(json, "product")), 0);
    json_decref(json);
    pv_buf_done(&text);
    pv_module_done(&module);
}

static void load(const char *name, struct pv_module *module)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.so", abi_dir, name);
    struct pv_err err = {0};
    if (pv_module_load(path, module, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void older_modules_load(void **state)
{
    (void)state;
    struct pv_module module;
    load("older", &module);
    assert_string_equal(module.plugin.name, "older");
    assert_null(module.plugin.terminate);
    assert_null(module.plugin.open);
    assert_int_equal(module.settings.count, 2);
    assert_string_equal(module.settings.items[0].description, "Where it is.");
    assert_string_equal(module.settings.items[1].name, "user");
    assert_int_equal(module.settings.items[1].type, PROVOST_T_STRING);
    assert_null(module.settings.items[1].options);
    assert_int_equal(module.operations[0].count, 2);
    const struct provost_step *second =
        pv_module_step(&module, PV_STR("create"), false, PV_STR("second"));
    assert_non_null(second);
    assert_non_null(second->undo);
    assert_null(second->lookup);
    assert_int_equal(second->timeout_ms, 0);
    pv_module_done(&module);
}

static void newer_modules_load(void **state)
{
    (void)state;
    struct pv_module module;
    load("newer", &module);
    assert_int_equal(module.settings.count, 2);
    assert_int_equal(module.settings.items[0].type, PROVOST_T_URL);
    assert_string_equal(module.settings.items[1].name, "mode");
    assert_int_equal(module.operations[0].count, 2);
    assert_string_equal(module.operations[0].items[1].name, "second");
    assert_non_null(module.operations[0].items[1].poll);
    pv_module_done(&module);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct provost_plugin plugin = {
        PROVOST_PLUGIN_HEAD,         .name = "full",
        .settings = fields,          .create = steps,
        .actions = actions,          .service_queries = queries,
        .instance_queries = queries,
    };
    for (unsigned long n = 1;; n++) {
        struct pv_module module;
        struct pv_err err = {0};
        pv_alloc_fail_at(n, 0);
        int status = pv_module_read(&plugin, &module, &err);
        unsigned long made = pv_alloc_count();
        pv_alloc_fail_at(0, 0);
        if (status == 0) {
            pv_module_done(&module);
            assert_true(made < n && n > 5);
            return;
        }
        assert_int_equal(status, PV_ENOMEM);
    }
}

/* ---- what depends on the settings ---- */

static int declare(const char *settings, const struct provost_plugin **ret_plugin, char *error,
                   size_t error_size)
{
    static const struct provost_step two[] = {
        {.name = "first", .run = run}, {.name = "second", .run = run}, {0}};
    static const struct provost_field product[] = {{.name = "size", .type = PROVOST_T_SIZE}, {0}};
    static const struct provost_plugin given = {PROVOST_PLUGIN_HEAD, .name = "other",
                                                .version = "2.0.0",  .flags = PROVOST_P_EXEC,
                                                .product = product,  .renew = two};
    static const struct provost_plugin wrong = {PROVOST_PLUGIN_HEAD, .name = "Wrong"};
    if (strcmp(settings, "{}") == 0) {
        snprintf(error, error_size, "path: is missing");
        return -1;
    }
    *ret_plugin = strstr(settings, "wrong") != NULL ? &wrong : &given;
    return strstr(settings, "silent") != NULL ? 1 : 0;
}

static void settings_decide_what_is_declared(void **state)
{
    (void)state;
    static const struct provost_field settings[] = {{.name = "path"}, {0}};
    struct provost_plugin p = base;
    p.settings = settings;
    p.summary = "Of every instance.";
    p.declare = declare;
    struct pv_module module;
    struct pv_err err = {0};
    assert_int_equal(pv_module_read(&p, &module, &err), 0);
    assert_true(pv_module_declare(&module, "{}", &err) < 0);
    assert_string_equal(err.text, "path: is missing");
    assert_true(pv_module_declare(&module, "{\"a\":\"silent\"}", &err) < 0);
    assert_contains(err.text, "without a reason");
    assert_true(pv_module_declare(&module, "{\"a\":\"wrong\"}", &err) < 0);
    assert_contains(err.text, "name is missing");
    assert_non_null(pv_module_step(&module, PV_STR("create"), false, PV_STR("one")));

    assert_int_equal(pv_module_declare(&module, "{\"path\":\"/\"}", &err), 0);
    assert_null(pv_module_step(&module, PV_STR("create"), false, PV_STR("one")));
    assert_non_null(pv_module_step(&module, PV_STR("renew"), false, PV_STR("second")));
    assert_int_equal(module.settings.count, 1);
    assert_int_equal(module.product.count, 1);
    assert_string_equal(module.plugin.name, "base");
    assert_string_equal(module.plugin.version, "2.0.0");
    assert_string_equal(module.plugin.summary, "Of every instance.");
    assert_int_equal(module.plugin.flags, 0);
    pv_module_done(&module);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_decide_what_is_declared),
        cmocka_unit_test(wrong_heads_are_refused),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(declarations_are_described),
        cmocka_unit_test(older_modules_load),
        cmocka_unit_test(newer_modules_load),
        cmocka_unit_test(every_allocation_may_fail),
    };
    if (argc != 2) {
        fputs("usage: unit-host-module FOLDER-OF-ABI-MODULES\n", stderr);
        return 1;
    }
    abi_dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

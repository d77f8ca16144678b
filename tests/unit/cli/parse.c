/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options anywhere, values in each form, counts of arguments. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/cli/parse.h"

#include <stdio.h>
#include <string.h>

#define MAX_WORDS 12

struct parsed {
    struct pv_cli_args args;
    struct pv_err err;
    int status;
};

static struct parsed parse(const char *line)
{
    static char copy[256];
    char *argv[MAX_WORDS + 2] = {(char *)(uintptr_t) "provost"};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s", line);
    char *rest = copy;
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (word[0] != '\0') {
            assert_true(argc <= MAX_WORDS);
            argv[argc++] = word;
        }
    }
    struct parsed p = {0};
    p.status = pv_cli_parse(argc, argv, &p.args, &p.err);
    return p;
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "-c F --json service act --reason why S A k=v",
        "service -cF act S --json A k=v --reason=why",
        "service act S A k=v -r why --config F --json", "service act -rwhy S -- A k=v", /* no
                                                                                           --json,
                                                                                           no -c */
    };
    for (size_t i = 0; i < PV_COUNT(lines); i++) {
        struct parsed p = parse(lines[i]);
        assert_int_equal(p.status, 0);
        assert_string_equal(p.args.command->name, "act");
        assert_int_equal(p.args.arg_count, 3);
        assert_string_equal(p.args.args[0], "S");
        assert_string_equal(p.args.args[2], "k=v");
        assert_string_equal(pv_cli_given(&p.args, "reason")->value, "why");
        if (i < 3) {
            assert_string_equal(pv_cli_given(&p.args, "config")->value, "F");
            assert_non_null(pv_cli_given(&p.args, "json"));
        } else {
            assert_null(pv_cli_given(&p.args, "json"));
        }
        pv_cli_args_done(&p.args);
    }
}

static void last_option_counts(void **state)
{
    (void)state;
    struct parsed p = parse("service list --limit 5 --limit=7");
    assert_int_equal(p.status, 0);
    assert_int_equal(pv_cli_given(&p.args, "limit")->number, 7);
    pv_cli_args_done(&p.args);
}

static void durations_become_milliseconds(void **state)
{
    (void)state;
    struct parsed p = parse("event send - -w 30s");
    assert_int_equal(p.status, 0);
    assert_int_equal(pv_cli_given(&p.args, "wait")->number, 30000);
    assert_string_equal(p.args.args[0], "-");
    pv_cli_args_done(&p.args);
}

static void dashes_end_options(void **state)
{
    (void)state;
    struct parsed p = parse("event send -- --json");
    assert_int_equal(p.status, 0);
    assert_string_equal(p.args.args[0], "--json");
    pv_cli_args_done(&p.args);
}

static void too_many_options(void **state)
{
    (void)state;
    char *argv[PV_CLI_MAX_GIVEN + 4];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "provost";
    argv[argc++] = (char *)(uintptr_t) "status";
    while (argc < PV_CLI_MAX_GIVEN + 3) {
        argv[argc++] = (char *)(uintptr_t) "--json";
    }
    argv[argc] = NULL;
    struct pv_cli_args args;
    struct pv_err err = {0};
    assert_int_equal(pv_cli_parse(argc, argv, &args, &err), PV_EINVAL);
    assert_string_equal(err.text, "too many options");
    pv_cli_args_done(&args);
}

static void out_of_memory(void **state)
{
    (void)state;
    pv_alloc_fail_at(1, 0);
    struct parsed p = parse("status");
    pv_alloc_fail_at(0, 0);
    assert_int_equal(p.status, PV_ENOMEM);
    pv_cli_args_done(&p.args);
}

static void counts_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        size_t min;
        size_t max;
    } cases[] = {{"", 0, 0},
                 {"A", 1, 1},
                 {"A [B]", 1, 2},
                 {"A B [C]...", 2, SIZE_MAX},
                 {"A...", 1, SIZE_MAX}};
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        size_t min = 9;
        size_t max = 9;
        pv_cli_arg_counts(cases[i].args, &min, &max);
        assert_int_equal(min, cases[i].min);
        assert_true(max == cases[i].max);
    }
    assert_true(pv_str_eq_c(pv_cli_arg_name("A [KEY=VALUE]...", 1), "KEY=VALUE"));
}

/* What the table must be for parsing and help to work. */
static void table_is_sound(void **state)
{
    (void)state;
    for (const struct pv_cli_group *g = pv_cli_groups; g->name != NULL; g++) {
        assert_non_null(g->summary);
        for (const struct pv_cli_command *c = g->commands; c->name != NULL; c++) {
            assert_non_null(c->args);
            assert_non_null(c->summary);
            assert_non_null(c->run);
            for (const struct pv_cli_option *o = c->options; o != NULL && o->name != NULL; o++) {
                assert_non_null(o->help);
                assert_true((o->value == NULL) == (o->type == PV_OPTION_SWITCH));
                assert_true(o->type != PV_OPTION_NUMBER || o->max > o->min);
                for (const struct pv_cli_option *other = pv_cli_globals; other->name; other++) {
                    assert_string_not_equal(o->name, other->name);
                    assert_true(o->letter == 0 || o->letter != other->letter);
                }
                for (const struct pv_cli_option *other = c->options; other < o; other++) {
                    assert_string_not_equal(o->name, other->name);
                    assert_true(o->letter == 0 || o->letter != other->letter);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(last_option_counts),
        cmocka_unit_test(durations_become_milliseconds),
        cmocka_unit_test(dashes_end_options),
        cmocka_unit_test(too_many_options),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(counts_arguments),
        cmocka_unit_test(table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

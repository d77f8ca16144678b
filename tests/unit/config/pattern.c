/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns that would take all memory when compiled are told from those that would not. */
#include "tests/unit/unit.h"

#include "core/config/pattern.h"

#include <regex.h>

static void usual_patterns_are_small(void **state)
{
    (void)state;
    static const char *const small[] = {
        "",
        "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "^([0-9]{1,3}\\.){3}[0-9]{1,3}$",
        "^(a+|b+)+$",
        "[]+*{}(]+",
        "[^][:alpha:]+]+",
        "\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+\\+",
        "a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w+x+y+z+",
        "x{255}",
    };
    for (size_t i = 0; i < PV_COUNT(small); i++) {
        regex_t regex;
        assert_true(pv_pattern_is_small(pv_str(small[i])));
        assert_int_equal(regcomp(&regex, small[i], REG_EXTENDED), 0);
        regfree(&regex);
    }
}

static void nested_repetitions_are_not(void **state)
{
    (void)state;
    static const char *const large[] = {
        "h++++++++++++++++++++++++++++++",
        "((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+",
        "(x{200}){200}",
        "((x{30}){30}){30}",
        "x{2,99999999999999999999999}",
        "a**",
        "z????++++++++",
        "((((a?)+)+)+)+",
        "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))",
        "[[:alpha:]]{200}{200}",
    };
    for (size_t i = 0; i < PV_COUNT(large); i++) {
        assert_false(pv_pattern_is_small(pv_str(large[i])));
    }
}

static void garbage_is_read_to_its_end(void **state)
{
    (void)state;
    static const char *const odd[] = {"[", "[^", "[]", "[[:", "\\", "{", "{5", ")))", "(", "+"};
    for (size_t i = 0; i < PV_COUNT(odd); i++) {
        assert_true(pv_pattern_is_small(pv_str(odd[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_patterns_are_small),
        cmocka_unit_test(nested_repetitions_are_not),
        cmocka_unit_test(garbage_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

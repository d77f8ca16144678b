/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: copied, exposed, and zeroed. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <string.h>

static void holds_a_copy(void **state)
{
    (void)state;
    char bytes[] = "s3cr\0t";
    struct pv_secret *secret = pv_secret_new((struct pv_str){bytes, 6});
    memset(bytes, 'x', sizeof(bytes));
    struct pv_str shown = pv_secret_expose(secret);
    assert_int_equal(shown.len, 6);
    assert_memory_equal(shown.ptr, "s3cr\0t", 7); /* a NUL follows */
    pv_secret_free(secret);
}

static void nothing_is_a_secret_too(void **state)
{
    (void)state;
    struct pv_secret *secret = pv_secret_new((struct pv_str){NULL, 0});
    assert_non_null(secret);
    assert_int_equal(pv_secret_expose(secret).len, 0);
    pv_secret_free(secret);
    pv_secret_free(NULL);
}

static void no_memory_gives_null(void **state)
{
    (void)state;
    pv_alloc_fail_at(1, 0);
    struct pv_secret *secret = pv_secret_new(PV_STR("x"));
    pv_alloc_fail_at(0, 0);
    assert_null(secret);
}

static void wiping_zeroes(void **state)
{
    (void)state;
    char bytes[] = "abcdef";
    pv_wipe(bytes, 3);
    assert_memory_equal(bytes, "\0\0\0def", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_a_copy),
        cmocka_unit_test(nothing_is_a_secret_too),
        cmocka_unit_test(no_memory_gives_null),
        cmocka_unit_test(wiping_zeroes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

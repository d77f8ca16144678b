/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator: sizes at the edge, overflow, and the hook that makes allocation n fail. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"

#include <pthread.h>
#include <string.h>

static void zero_bytes_are_not_null(void **state)
{
    (void)state;
    void *a = pv_malloc(0);
    void *b = pv_calloc(0, 8);
    void *c = pv_realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    pv_free(a);
    pv_free(b);
    pv_free(c);
    pv_free(NULL);
}

static void calloc_zeroes_and_refuses_overflow(void **state)
{
    (void)state;
    static const char zeros[64];
    char *p = pv_calloc(8, 8);
    assert_memory_equal(p, zeros, sizeof(zeros));
    pv_free(p);
    assert_null(pv_calloc(SIZE_MAX / 2, 4));
    assert_null(pv_reallocarray(NULL, SIZE_MAX / 2, 4));
}

static void a_refused_array_leaves_the_old_one(void **state)
{
    (void)state;
    char *p = pv_reallocarray(NULL, 2, 4);
    assert_non_null(p);
    memcpy(p, "1234567", 8);
    assert_null(pv_reallocarray(p, SIZE_MAX, 4));
    assert_string_equal(p, "1234567");
    p = pv_reallocarray(p, 100, 4);
    assert_non_null(p);
    assert_string_equal(p, "1234567");
    pv_free(p);
}

static void copies_text(void **state)
{
    (void)state;
    char *a = pv_strdup("");
    char *b = pv_strdup("abc");
    char *c = pv_strndup("abcdef", 3);
    char *d = pv_strndup("ab", 100);
    char *e = pv_strndup(NULL, 0);
    assert_string_equal(a, "");
    assert_string_equal(b, "abc");
    assert_string_equal(c, "abc");
    assert_string_equal(d, "ab");
    assert_string_equal(e, "");
    pv_free(a);
    pv_free(b);
    pv_free(c);
    pv_free(d);
    pv_free(e);
}

static void the_nth_fails_once(void **state)
{
    (void)state;
    pv_alloc_fail_at(2, 0);
    void *a = pv_malloc(1);
    void *b = pv_calloc(1, 1);
    char *c = pv_strdup("x");
    assert_int_equal(pv_alloc_count(), 3);
    pv_alloc_fail_at(0, 0);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    pv_free(a);
    pv_free(c);
}

static void sticky_fails_from_the_nth_on(void **state)
{
    (void)state;
    void *grown = pv_malloc(1);
    pv_alloc_fail_at(2, 1);
    void *a = pv_malloc(1);
    void *b = pv_realloc(grown, 100);
    void *c = pv_strndup("x", 1);
    pv_alloc_fail_at(0, 0);
    void *d = pv_malloc(1);
    assert_int_equal(pv_alloc_count(), 1);
    assert_non_null(a);
    assert_null(b);
    assert_null(c);
    assert_non_null(d);
    pv_free(a);
    pv_free(d);
    pv_free(grown);
}

static void *allocate_in_thread(void *arg)
{
    void **ret = arg;
    *ret = pv_malloc(1);
    return NULL;
}

static void other_threads_are_not_hit(void **state)
{
    (void)state;
    void *got = NULL;
    pthread_t thread;
    pv_alloc_fail_at(1, 1);
    assert_int_equal(pthread_create(&thread, NULL, allocate_in_thread, &got), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    void *mine = pv_malloc(1);
    pv_alloc_fail_at(0, 0);
    assert_non_null(got);
    assert_null(mine);
    pv_free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_bytes_are_not_null),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(a_refused_array_leaves_the_old_one),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(the_nth_fails_once),
        cmocka_unit_test(sticky_fails_from_the_nth_on),
        cmocka_unit_test(other_threads_are_not_hit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

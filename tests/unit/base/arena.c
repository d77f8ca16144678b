/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: pieces that do not overlap, are zeroed and aligned, and go all at once. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/arena.h"

#include <string.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena);
    static unsigned char *pieces[300];
    for (size_t i = 0; i < PV_COUNT(pieces); i++) {
        size_t size = i * 7 % 97;
        pieces[i] = pv_arena_alloc(&arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < size; j++) {
            assert_int_equal(pieces[i][j], 0);
        }
        memset(pieces[i], (int)(i % 251 + 1), size);
    }
    for (size_t i = 0; i < PV_COUNT(pieces); i++) {
        for (size_t j = 0; j < i * 7 % 97; j++) {
            assert_int_equal(pieces[i][j], i % 251 + 1);
        }
    }
    pv_arena_done(&arena);
    pv_arena_done(&arena);
    assert_non_null(pv_arena_alloc(&arena, 1)); /* can be used again */
    pv_arena_done(&arena);
}

static void a_piece_may_be_larger_than_a_block(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena);
    static const size_t sizes[] = {1, 2047, 2048, 2049, 100000, 1};
    for (size_t i = 0; i < PV_COUNT(sizes); i++) {
        unsigned char *piece = pv_arena_alloc(&arena, sizes[i]);
        assert_non_null(piece);
        memset(piece, 0xFF, sizes[i]);
    }
    pv_arena_done(&arena);
}

static void a_size_that_overflows_is_refused(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena);
    for (size_t less = 0; less < 32; less++) { /* a block has a header */
        assert_null(pv_arena_alloc(&arena, SIZE_MAX - less));
    }
    assert_non_null(pv_arena_alloc(&arena, 1));
    pv_arena_done(&arena);
}

static void copies_have_a_nul_behind_them(void **state)
{
    (void)state;
    struct pv_arena arena;
    pv_arena_init(&arena);
    char text[] = "ab\0c";
    struct pv_str copy = pv_arena_copy(&arena, (struct pv_str){text, 4});
    struct pv_str none = pv_arena_copy(&arena, (struct pv_str){NULL, 0});
    memset(text, 'x', 4);
    assert_int_equal(copy.len, 4);
    assert_memory_equal(copy.ptr, "ab\0c", 5);
    assert_int_equal(none.len, 0);
    assert_string_equal(none.ptr, "");
    pv_arena_done(&arena);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (unsigned long n = 1; n <= 3; n++) {
        struct pv_arena arena;
        pv_arena_init(&arena);
        pv_alloc_fail_at(n, 0);
        unsigned long failed = 0;
        for (unsigned long i = 1; i <= 3; i++) {
            struct pv_str copy = pv_arena_copy(&arena, PV_STR("text"));
            void *piece = pv_arena_alloc(&arena, 2040);
            failed += copy.ptr == NULL;
            failed += piece == NULL;
        }
        pv_alloc_fail_at(0, 0);
        assert_int_equal(failed, 1);
        pv_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(a_piece_may_be_larger_than_a_block),
        cmocka_unit_test(a_size_that_overflows_is_refused),
        cmocka_unit_test(copies_have_a_nul_behind_them),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

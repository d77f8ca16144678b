/* SPDX-License-Identifier: Apache-2.0 */
/* The binary heap. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/list.h"

#define MANY 500

static void check(const struct pv_heap *heap)
{
    for (size_t i = 1; i <= heap->count; i++) {
        assert_int_equal(heap->items[i]->index, i);
        if (i > 1) {
            assert_true(heap->items[i / 2]->key <= heap->items[i]->key);
        }
    }
}

static void the_least_comes_first(void **state)
{
    (void)state;
    static const int64_t keys[] = {5, INT64_MAX, -3, 0, 5, INT64_MIN, 7};
    static const int64_t order[] = {INT64_MIN, -3, 0, 5, 5, 7, INT64_MAX};
    struct pv_heap_node nodes[PV_COUNT(keys)] = {0};
    struct pv_heap heap;
    pv_heap_init(&heap);
    assert_null(pv_heap_first(&heap));
    for (size_t i = 0; i < PV_COUNT(keys); i++) {
        assert_int_equal(pv_heap_add(&heap, &nodes[i], keys[i]), 0);
        check(&heap);
    }
    for (size_t i = 0; i < PV_COUNT(order); i++) {
        struct pv_heap_node *first = pv_heap_first(&heap);
        assert_true(first->key == order[i]);
        pv_heap_remove(&heap, first);
        assert_int_equal(first->index, 0);
        check(&heap);
    }
    assert_null(pv_heap_first(&heap));
    pv_heap_done(&heap);
}

static void any_order_of_adds_and_removes(void **state)
{
    (void)state;
    struct pv_heap_node nodes[MANY] = {0};
    struct pv_seeded seed = {11};
    struct pv_rng rng = pv_rng_seeded(&seed);
    struct pv_heap heap;
    pv_heap_init(&heap);
    size_t in = 0;
    for (int i = 0; i < 20000; i++) {
        struct pv_heap_node *node = &nodes[pv_rng_below(&rng, MANY)];
        if (node->index == 0) {
            assert_int_equal(pv_heap_add(&heap, node, (int64_t)pv_rng_below(&rng, 100)), 0);
            in++;
        } else {
            pv_heap_remove(&heap, node);
            in--;
        }
        assert_int_equal(heap.count, in);
        if (i % 100 == 0) {
            check(&heap);
        }
    }
    check(&heap);
    int64_t last = INT64_MIN;
    while (heap.count > 0) {
        struct pv_heap_node *first = pv_heap_first(&heap);
        assert_true(first->key >= last);
        last = first->key;
        pv_heap_remove(&heap, first);
        pv_heap_remove(&heap, first); /* legal when it is not in it */
    }
    pv_heap_done(&heap);
}

static void an_allocation_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct pv_heap_node nodes[MANY] = {0};
    struct pv_heap heap;
    pv_heap_init(&heap);
    pv_alloc_fail_at(1, 1);
    assert_int_equal(pv_heap_add(&heap, &nodes[0], 1), PV_ENOMEM);
    assert_int_equal(nodes[0].index, 0);
    pv_alloc_fail_at(3, 1);
    size_t i = 0;
    while (i < MANY && pv_heap_add(&heap, &nodes[i], (int64_t)(MANY - i)) == 0) {
        i++;
    }
    pv_alloc_fail_at(0, 0);
    assert_true(i > 0 && i < MANY);
    assert_int_equal(heap.count, i);
    assert_int_equal(nodes[i].index, 0);
    check(&heap);
    assert_int_equal(pv_heap_add(&heap, &nodes[i], 0), 0);
    assert_ptr_equal(pv_heap_first(&heap), &nodes[i]);
    pv_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_comes_first),
        cmocka_unit_test(any_order_of_adds_and_removes),
        cmocka_unit_test(an_allocation_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/list.h"

#include <stdio.h>

#define MANY 2000

struct item {
    struct pv_map_node node;
    char key[16];
    unsigned seen;
};

static struct item items[MANY];

static void fill(struct pv_map *map)
{
    pv_map_init(map);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(items[i].key, sizeof(items[i].key), "key-%zu", i);
        items[i].seen = 0;
        assert_int_equal(pv_map_add(map, &items[i].node, pv_str(items[i].key)), 0);
    }
    assert_int_equal(map->count, MANY);
}

static void finds_what_was_added(void **state)
{
    (void)state;
    struct pv_map map;
    fill(&map);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(pv_map_get(&map, pv_str(items[i].key)), &items[i].node);
    }
    assert_null(pv_map_get(&map, PV_STR("key-")));
    assert_null(pv_map_get(&map, PV_STR("key-2000")));
    pv_map_done(&map);
    assert_null(pv_map_get(&map, PV_STR("key-1")));
    pv_map_done(&map);
}

static void a_key_is_there_once(void **state)
{
    (void)state;
    struct pv_map map;
    pv_map_init(&map);
    struct item a = {0};
    struct item b = {0};
    struct item empty = {0};
    assert_null(pv_map_get(&map, PV_STR("k")));
    assert_int_equal(pv_map_add(&map, &a.node, PV_STR("k")), 0);
    assert_int_equal(pv_map_add(&map, &b.node, PV_STR("k")), PV_EEXISTS);
    assert_ptr_equal(pv_map_get(&map, PV_STR("k")), &a.node);
    assert_int_equal(pv_map_add(&map, &empty.node, (struct pv_str){NULL, 0}), 0);
    assert_ptr_equal(pv_map_get(&map, PV_STR("")), &empty.node);
    assert_int_equal(pv_map_add(&map, &b.node, PV_STR("k\0")), 0); /* bytes, not C strings */
    assert_int_equal(map.count, 3);
    pv_map_done(&map);
}

static void removed_ones_are_gone(void **state)
{
    (void)state;
    struct pv_map map;
    fill(&map);
    for (size_t i = 0; i < MANY; i += 2) {
        pv_map_remove(&map, &items[i].node);
        pv_map_remove(&map, &items[i].node); /* not in it: nothing happens */
    }
    assert_int_equal(map.count, MANY / 2);
    for (size_t i = 0; i < MANY; i++) {
        struct pv_map_node *found = pv_map_get(&map, pv_str(items[i].key));
        assert_ptr_equal(found, i % 2 == 0 ? NULL : &items[i].node);
    }
    pv_map_done(&map);
    pv_map_remove(&map, &items[1].node);
}

static void see(struct pv_map_node *node, void *user)
{
    struct item *item = PV_CONTAINER(node, struct item, node);
    item->seen++;
    if (user != NULL) {
        pv_map_remove(user, node);
    }
}

static void each_sees_all_and_may_remove(void **state)
{
    (void)state;
    struct pv_map map;
    fill(&map);
    pv_map_each(&map, see, NULL);
    pv_map_each(&map, see, &map);
    assert_int_equal(map.count, 0);
    pv_map_each(&map, see, NULL);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(items[i].seen, 2);
    }
    pv_map_done(&map);
}

static void an_allocation_that_fails_changes_nothing(void **state)
{
    (void)state;
    pv_alloc_fail_at(0, 0);
    struct pv_map map;
    fill(&map);
    unsigned long count = pv_alloc_count();
    pv_map_done(&map);
    assert_true(count >= 5);
    for (unsigned long n = 1; n <= count; n++) {
        pv_map_init(&map);
        pv_alloc_fail_at(n, 0);
        size_t i = 0;
        while (i < MANY && pv_map_add(&map, &items[i].node, pv_str(items[i].key)) == 0) {
            i++;
        }
        pv_alloc_fail_at(0, 0);
        assert_true(i < MANY);
        assert_int_equal(map.count, i);
        assert_null(pv_map_get(&map, pv_str(items[i].key)));
        assert_int_equal(pv_map_add(&map, &items[i].node, pv_str(items[i].key)), 0);
        for (size_t j = 0; j <= i; j++) {
            assert_ptr_equal(pv_map_get(&map, pv_str(items[j].key)), &items[j].node);
        }
        pv_map_done(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(a_key_is_there_once),
        cmocka_unit_test(removed_ones_are_gone),
        cmocka_unit_test(each_sees_all_and_may_remove),
        cmocka_unit_test(an_allocation_that_fails_changes_nothing),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The doubly linked list. */
#include "tests/unit/unit.h"

#include "core/base/list.h"

struct item {
    int value;
    struct pv_link link;
};

static int pop_value(struct pv_link *head)
{
    struct pv_link *link = pv_list_pop(head);
    return link != NULL ? PV_CONTAINER(link, struct item, link)->value : -1;
}

static void first_in_first_out(void **state)
{
    (void)state;
    struct pv_link head;
    pv_list_init(&head);
    assert_true(pv_list_empty(&head));
    assert_null(pv_list_pop(&head));
    struct item items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    for (size_t i = 0; i < 3; i++) {
        assert_false(pv_list_linked(&items[i].link));
        pv_list_push(&head, &items[i].link);
        assert_true(pv_list_linked(&items[i].link));
    }
    assert_false(pv_list_empty(&head));
    assert_int_equal(pop_value(&head), 0);
    assert_false(pv_list_linked(&items[0].link));
    assert_int_equal(pop_value(&head), 1);
    pv_list_push(&head, &items[0].link);
    assert_int_equal(pop_value(&head), 2);
    assert_int_equal(pop_value(&head), 0);
    assert_int_equal(pop_value(&head), -1);
}

static void removes_from_anywhere(void **state)
{
    (void)state;
    for (size_t gone = 0; gone < 3; gone++) {
        struct pv_link head;
        pv_list_init(&head);
        struct item items[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
        for (size_t i = 0; i < 3; i++) {
            pv_list_push(&head, &items[i].link);
        }
        pv_list_remove(&items[gone].link);
        pv_list_remove(&items[gone].link); /* legal when it is in no list */
        assert_false(pv_list_linked(&items[gone].link));
        for (int i = 0; i < 3; i++) {
            if (i != (int)gone) {
                assert_int_equal(pop_value(&head), i);
            }
        }
        assert_true(pv_list_empty(&head));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(removes_from_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The local store answers host calls by the store's rules. */
#include "tests/unit/unit.h"

#include "core/base/hash.h"
#include "core/cli/local.h"
#include "core/json/json.h"

#include <string.h>

static struct pv_local local;
static struct pv_wire_answer answer;
static uint32_t ask_number;

static int set_up(void **state)
{
    (void)state;
    struct pv_err err = {0};
    return pv_local_init(&local, NULL, &err);
}

static int tear_down(void **state)
{
    (void)state;
    pv_local_done(&local);
    return 0;
}

static int ask(uint32_t run, const char *step, struct pv_wire_ask question)
{
    question.ask = ++ask_number;
    pv_local_answer(&local, run, pv_str(step), &question, &answer);
    assert_int_equal(answer.ask, ask_number);
    return answer.status;
}

static void answered(const char *wanted)
{
    assert_int_equal(answer.status, 0);
    assert_true(pv_str_eq_c(answer.value, wanted));
}

static struct pv_wire_ask put(const char *key, const char *value, uint64_t expected)
{
    return (struct pv_wire_ask){.kind = PV_ASK_KV_PUT,
                                .flag = value == NULL,
                                .number = expected,
                                .name = pv_str(key),
                                .text = value != NULL ? pv_str(value) : PV_STR("")};
}

static struct pv_wire_ask get(const char *key)
{
    return (struct pv_wire_ask){.kind = PV_ASK_KV_GET, .name = pv_str(key)};
}

static void keys_have_versions(void **state)
{
    (void)state;
    assert_int_equal(ask(1, "s", get("k")), PV_ENOTFOUND);
    assert_int_equal(ask(1, "s", put("k", "1", 5)), PV_ECONFLICT);
    assert_int_equal(ask(1, "s", put("k", "{\"b\":1}", 0)), 0);
    assert_int_equal(ask(1, "t", put("k", "2", 0)), PV_ECONFLICT);
    assert_int_equal(ask(1, "s", get("k")), 0);
    answered("{\"b\":1}");
    assert_int_equal(answer.number, 1);
    assert_int_equal(ask(1, "s", put("k", NULL, 1)), 0);
    assert_int_equal(ask(1, "s", get("k")), PV_ENOTFOUND);
    assert_int_equal(ask(1, "s", put("k", "3", 0)), 0);
    assert_int_equal(answer.number, 3);
    struct pv_wire_ask of_instance = get("k");
    of_instance.scope = 1;
    assert_int_equal(ask(1, "s", of_instance), PV_ENOTFOUND);
}

/* As the store does it: what a step wrote stands when it is called again, its first answer lost. */
static void keys_written_again_by_the_same_step(void **state)
{
    (void)state;
    assert_int_equal(ask(1, "s", put("k", "1", 0)), 0);
    assert_int_equal(ask(1, "s", put("k", "1", 0)), 0);
    assert_int_equal(answer.number, 1);
    assert_int_equal(ask(1, "s", put("k", "2", 0)), 0);
    assert_int_equal(answer.number, 2);
    assert_int_equal(ask(2, "s", put("k", "3", 0)), PV_ECONFLICT);
    assert_int_equal(ask(1, "s", put("k", "3", 2)), 0);
    struct pv_wire_ask of_instance = put("k", "1", 1);
    of_instance.scope = 1;
    assert_int_equal(ask(1, "s", of_instance), PV_ECONFLICT);
}

static int pool(uint8_t kind, uint32_t run, const char *step, const char *name)
{
    return ask(run, step,
               (struct pv_wire_ask){.kind = kind, .pool = PV_STR("p"), .name = pv_str(name)});
}

static void pools_give_each_value_once(void **state)
{
    (void)state;
    struct pv_err err = {0};
    assert_int_equal(pool(PV_ASK_POOL_TAKE, 1, "s", "a"), PV_ENOTFOUND);
    assert_int_equal(pv_local_pool(&local, "p=7-8", &err), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "a");
    answered("7");
    pool(PV_ASK_POOL_TAKE, 1, "s", "a"); /* the step again */
    answered("7");
    pool(PV_ASK_POOL_TAKE, 1, "t", "a"); /* another step's */
    answered("8");
    assert_int_equal(pool(PV_ASK_POOL_TAKE, 1, "s", "b"), PV_EEXHAUSTED);
    assert_int_equal(pool(PV_ASK_POOL_GIVE, 1, "s", "a"), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "b");
    assert_int_equal(answer.status, 0);
}

static void a_rejected_value_is_set_aside(void **state)
{
    (void)state;
    struct pv_err err = {0};
    assert_int_equal(pv_local_pool(&local, "p=x,y", &err), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "a");
    answered("x");
    assert_int_equal(pool(PV_ASK_POOL_REJECT, 1, "s", "a"), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "a");
    answered("y");
    pv_local_release(&local, 1);
    pool(PV_ASK_POOL_TAKE, 2, "s", "a");
    answered("y");
}

static int quota(uint8_t kind, uint32_t run, const char *step, uint64_t amount)
{
    return ask(run, step,
               (struct pv_wire_ask){.kind = kind, .name = PV_STR("q"), .number = amount});
}

static void quotas_have_limits(void **state)
{
    (void)state;
    json_object_set_new(local.limits, "q", json_integer(3));
    assert_int_equal(quota(PV_ASK_QUOTA_TAKE, 1, "s", 2), 0);
    assert_int_equal(answer.number, 2);
    assert_int_equal(quota(PV_ASK_QUOTA_TAKE, 1, "s", 2), 0); /* the step again */
    assert_int_equal(quota(PV_ASK_QUOTA_TAKE, 1, "t", 2), PV_EEXHAUSTED);
    assert_true(pv_str_eq_c(answer.value, "2 of 3 are used"));
    assert_int_equal(quota(PV_ASK_QUOTA_GIVE, 1, "u", 1), 0);
    assert_int_equal(quota(PV_ASK_QUOTA_TAKE, 1, "t", 2), 0);
    assert_int_equal(answer.number, 3);
}

static void an_undo_gives_back_its_run(void **state)
{
    (void)state;
    struct pv_err err = {0};
    assert_int_equal(pv_local_pool(&local, "p=1-1", &err), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "with/slash");
    quota(PV_ASK_QUOTA_TAKE, 1, "s", 2);
    quota(PV_ASK_QUOTA_TAKE, 2, "s", 4);
    pv_local_release(&local, 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(local.root, "quotas"), "q")), 4);
    assert_int_equal(pool(PV_ASK_POOL_TAKE, 2, "s", "other"), 0);
}

static void secrets_stay_the_same(void **state)
{
    (void)state;
    struct pv_wire_ask secret = {
        .kind = PV_ASK_SECRET_NEW, .name = PV_STR("pw"), .text = PV_STR("first")};
    ask(1, "s", secret);
    answered("first");
    secret.text = PV_STR("second");
    ask(1, "s", secret);
    answered("first");
    ask(2, "s", secret);
    answered("second");
}

static void state_documents_are_replaced(void **state)
{
    (void)state;
    struct pv_wire_ask save = {
        .kind = PV_ASK_STATE_SAVE, .name = PV_STR("state"), .text = PV_STR("{\"a\":1}")};
    assert_int_equal(ask(1, "s", save), 0);
    assert_int_equal(json_integer_value(json_object_get(pv_local_state(&local), "a")), 1);
    save.text = PV_STR("{");
    assert_int_equal(ask(1, "s", save), PV_EINVAL);
}

static void names_have_limits(void **state)
{
    (void)state;
    char name[2000];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(ask(1, "s", get(name)), PV_ETOOBIG);
}

static void pool_definitions(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",     "p",     "p=",    "=1-2",  "p=2-1",
                                        "p=-1", "p=1-x", "p=1,,", "p=a-b", "p=0-99999999"};
    for (size_t i = 0; i < PV_COUNT(wrong); i++) {
        struct pv_err err = {0};
        assert_int_equal(pv_local_pool(&local, wrong[i], &err), PV_EINVAL);
        assert_non_null(strstr(err.text, "expected NAME=FIRST-LAST"));
    }
    struct pv_err err = {0};
    assert_int_equal(pv_local_pool(&local, "p=one-two,three", &err), 0);
    pool(PV_ASK_POOL_TAKE, 1, "s", "a");
    answered("one-two");
}

int main(void)
{
    if (pv_base_init() != 0) {
        return 1;
    }
    pv_json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_have_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_written_again_by_the_same_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pools_give_each_value_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rejected_value_is_set_aside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quotas_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_undo_gives_back_its_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_stay_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(state_documents_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pool_definitions, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

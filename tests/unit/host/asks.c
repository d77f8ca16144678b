/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls that the store answers, the names that the host gives out, and queries. */
#include "tests/unit/host/kit.h"

#include "core/base/alloc.h"
#include "core/base/hash.h"

#include <stdio.h>
#include <string.h>

static struct kit kit;

static int asks(struct provost_call *call)
{
    const struct provost_host *host = call->host;
    const char *value = NULL;
    uint64_t version = 0;
    int code = PROVOST_E_FAILED;
    const char *in = call->input;
    if (strstr(in, "kv_get") != NULL) {
        code = host->kv_get(call, PROVOST_SCOPE_INSTANCE, "key", &value, &version);
    } else if (strstr(in, "kv_put") != NULL) {
        code = host->kv_put(call, PROVOST_SCOPE_SERVICE, "key", "[1]", 7);
    } else if (strstr(in, "kv_delete") != NULL) {
        code = host->kv_put(call, PROVOST_SCOPE_SERVICE, "key", NULL, 7);
    } else if (strstr(in, "pool_take") != NULL) {
        code = host->pool_take(call, "ports", "main", &value);
    } else if (strstr(in, "pool_give") != NULL) {
        code = host->pool_give(call, "ports", "main");
    } else if (strstr(in, "pool_reject") != NULL) {
        code = host->pool_reject(call, "ports", "main");
    } else if (strstr(in, "quota_take") != NULL) {
        code = host->quota_take(call, "domains", 3);
    } else if (strstr(in, "quota_give") != NULL) {
        code = host->quota_give(call, "domains", 2);
    } else if (strstr(in, "state_save") != NULL) {
        assert_int_equal(host->state_set(call, "{\"id\": 7}"), 0);
        code = host->state_save(call);
    } else if (strstr(in, "secret_new") != NULL) {
        code = host->secret_new(call, "password", "ab", 12, &value);
        host->log(call, PROVOST_LOG_INFO, value != NULL ? value : "none");
    }
    char json[300];
    snprintf(json, sizeof(json), "{\"code\": %d, \"value\": \"%s\", \"version\": %u}", code,
             value != NULL ? value : "", (unsigned)version);
    host->result(call, json);
    return host->outcome(call, PROVOST_OK, -1, host->error(call));
}

static int asks_wrongly(struct provost_call *call)
{
    const struct provost_host *host = call->host;
    const char *value = NULL;
    assert_int_equal(host->kv_get(call, 2, "key", &value, NULL), PROVOST_E_INVALID);
    assert_int_equal(host->kv_get(call, 0, "", &value, NULL), PROVOST_E_INVALID);
    assert_int_equal(host->kv_get(call, 0, NULL, &value, NULL), PROVOST_E_INVALID);
    assert_int_equal(host->kv_put(call, 0, "key", "nonsense", 0), PROVOST_E_INVALID);
    assert_int_equal(host->pool_take(call, NULL, "main", &value), PROVOST_E_INVALID);
    assert_int_equal(host->quota_take(call, "domains", 0), PROVOST_E_INVALID);
    assert_int_equal(host->quota_give(call, "domains", -1), PROVOST_E_INVALID);
    assert_int_equal(host->secret_new(call, "p", NULL, 0, &value), PROVOST_E_INVALID);
    assert_int_equal(host->secret_new(call, "p", "a", 10, &value), PROVOST_E_INVALID);
    assert_int_equal(host->secret_new(call, "p", NULL, 1025, &value), PROVOST_E_INVALID);
    assert_int_equal(host->blocking(call, NULL, NULL), PROVOST_E_INVALID);
    assert_int_equal(host->signal_url(call, "a/b", &value), PROVOST_E_INVALID);
    assert_int_equal(host->result(call, "{"), PROVOST_E_INVALID);
    assert_null(value);
    return PROVOST_OK;
}

static int names(struct provost_call *call)
{
    const char *url = NULL;
    const char *a = NULL;
    const char *b = NULL;
    assert_int_equal(call->host->signal_url(call, "ready", &url), 0);
    assert_int_equal(call->host->idempotency_key(call, "create", &a), 0);
    assert_int_equal(call->host->idempotency_key(call, "start", &b), 0);
    assert_string_not_equal(a, b);
    char json[400];
    snprintf(json, sizeof(json), "{\"url\": \"%s\", \"key\": \"%s\"}", url, a);
    return call->host->result(call, json) == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

/* Says the URL wherever people read. */
static int tells(struct provost_call *call)
{
    const char *url = NULL;
    if (call->host->signal_url(call, "ready", &url) != 0) {
        assert_null(url);
        return call->host->outcome(call, PROVOST_PERMANENT, -1, call->host->error(call));
    }
    call->host->log(call, PROVOST_LOG_INFO, url);
    call->host->progress(call, 50, url);
    return call->host->outcome(call, PROVOST_PENDING, 0, url);
}

static int query_changes_nothing(struct provost_call *call)
{
    const struct provost_host *host = call->host;
    const char *value = NULL;
    assert_int_equal(host->state_set(call, "{}"), PROVOST_E_DENIED);
    assert_int_equal(host->state_save(call), PROVOST_E_DENIED);
    assert_int_equal(host->kv_put(call, 1, "key", "1", 0), PROVOST_E_DENIED);
    assert_int_equal(host->pool_take(call, "ports", "x", &value), PROVOST_E_DENIED);
    assert_int_equal(host->quota_take(call, "domains", 1), PROVOST_E_DENIED);
    assert_int_equal(host->secret_new(call, "x", NULL, 8, &value), PROVOST_E_DENIED);
    assert_int_equal(host->signal_url(call, "x", &value), PROVOST_E_INVALID);
    assert_int_equal(host->idempotency_key(call, "x", &value), PROVOST_E_INVALID);
    if (call->service_id[0] == '\0') {
        assert_int_equal(host->kv_get(call, 0, "key", &value, NULL), PROVOST_E_INVALID);
    }
    return host->result(call, "[\"answer\"]") == 0 ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct provost_step create[] = {
    {.name = "asks", .run = asks},
    {.name = "asks_wrongly", .run = asks_wrongly},
    {.name = "names", .run = names, .undo = names},
    {.name = "tells", .run = tells},
    {0},
};

static const struct provost_query queries[] = {{.name = "view", .run = query_changes_nothing}, {0}};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,         .name = "asker", .create = create, .service_queries = queries,
    .instance_queries = queries,
};

static int start(void **state)
{
    (void)state;
    kit_start(&kit, &plugin, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&kit);
    return 0;
}

static bool answer_all(struct kit *k, uint64_t call, const struct pv_wire_ask *ask,
                       struct pv_wire_answer *ret)
{
    (void)k;
    (void)call;
    ret->value = ask->kind == PV_ASK_SECRET_NEW ? PV_STR("kept-secret") : PV_STR("8080");
    ret->number = 5;
    return true;
}

static void asks_are_answered(void **state)
{
    (void)state;
    kit.answer = answer_all;
    static const struct {
        const char *what;
        uint8_t kind;
        uint64_t number;
        const char *name;
        const char *pool;
        const char *text;
        uint8_t flag;
        const char *result;
    } cases[] = {
        {"[\"kv_get\"]", PV_ASK_KV_GET, 0, "key", "", "", 0, "\"value\": \"8080\", \"version\": 5"},
        {"[\"kv_put\"]", PV_ASK_KV_PUT, 7, "key", "", "[1]", 0, "\"code\": 0"},
        {"[\"kv_delete\"]", PV_ASK_KV_PUT, 7, "key", "", "", 1, "\"code\": 0"},
        {"[\"pool_take\"]", PV_ASK_POOL_TAKE, 0, "main", "ports", "", 0, "\"value\": \"8080\""},
        {"[\"pool_give\"]", PV_ASK_POOL_GIVE, 0, "main", "ports", "", 0, "\"code\": 0"},
        {"[\"pool_reject\"]", PV_ASK_POOL_REJECT, 0, "main", "ports", "", 0, "\"code\": 0"},
        {"[\"quota_take\"]", PV_ASK_QUOTA_TAKE, 3, "domains", "", "", 0, "\"code\": 0"},
        {"[\"quota_give\"]", PV_ASK_QUOTA_GIVE, 2, "domains", "", "", 0, "\"code\": 0"},
        {"[\"state_save\"]", PV_ASK_STATE_SAVE, 0, "", "", "{\"id\": 7}", 0, "\"code\": 0"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        const struct kit_outcome *o = kit_run(&kit, "asks", cases[i].what);
        assert_int_equal(o->code, PV_OUT_OK);
        assert_int_equal(kit.last_ask.kind, cases[i].kind);
        assert_true(kit.last_ask.number == cases[i].number);
        assert_int_equal(kit.last_ask.flag, cases[i].flag);
        assert_string_equal(kit.ask_name, cases[i].name);
        assert_string_equal(kit.ask_pool, cases[i].pool);
        assert_string_equal(kit.ask_text, cases[i].text);
        assert_contains(o->result, cases[i].result);
    }
    assert_int_equal(kit_run(&kit, "asks_wrongly", NULL)->code, PV_OUT_OK);
}

static void new_secrets_are_made_and_masked(void **state)
{
    (void)state;
    kit.answer = answer_all;
    const struct kit_outcome *o = kit_run(&kit, "asks", "[\"secret_new\"]");
    assert_contains(o->result, "kept-secret"); /* the stored one, not the one just made */
    assert_int_equal(kit.last_ask.kind, PV_ASK_SECRET_NEW);
    assert_int_equal(strlen(kit.ask_text), 12);
    assert_int_equal(strspn(kit.ask_text, "ab"), 12);
    assert_string_equal(kit.log, "1 ******\n");
}

static int32_t refusal;

static bool refuse(struct kit *k, uint64_t call, const struct pv_wire_ask *ask,
                   struct pv_wire_answer *ret)
{
    (void)k;
    (void)call;
    (void)ask;
    ret->status = refusal;
    ret->value = PV_STR("because");
    return true;
}

static void refusals_have_codes(void **state)
{
    (void)state;
    kit.answer = refuse;
    static const struct {
        int32_t status;
        const char *code;
    } cases[] = {
        {PV_ENOTFOUND, "\"code\": -12"},  {PV_ECONFLICT, "\"code\": -10"},
        {PV_EEXHAUSTED, "\"code\": -11"}, {PV_EFENCED, "\"code\": -13"},
        {PV_EDENIED, "\"code\": -9"},     {PV_EINVAL, "\"code\": -2"},
        {PV_ETOOBIG, "\"code\": -8"},     {PV_ENOMEM, "\"code\": -1"},
        {PV_EIO, "\"code\": -14"},        {PV_ECANCELED, "\"code\": -3"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        refusal = cases[i].status;
        const struct kit_outcome *o = kit_run(&kit, "asks", "[\"kv_get\"]");
        assert_contains(o->result, cases[i].code);
        assert_string_equal(o->text, cases[i].status == PV_ECANCELED ? "canceled" : "because");
    }
}

/* An answer that comes after the cancel, or to nobody, changes nothing. */
static void late_answers_are_ignored(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("asks", "[\"kv_get\"]");
    kit_send(&kit, 1, &step);
    while (kit.last_ask.kind == 0) {
        kit_turn(&kit);
    }
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    const struct pv_wire_answer wrong = {.ask = kit.last_ask.ask + 1};
    pv_wire_put_answer(&out, 1, &wrong);
    pv_wire_put_empty(&out, PV_F_CANCEL, 1);
    kit_feed(&kit, &out);
    assert_contains(kit_wait(&kit, 1)->result, "\"code\": -3");
    pv_buf_init(&out, PV_FRAME_MAX);
    const struct pv_wire_answer late = {.ask = kit.last_ask.ask};
    pv_wire_put_answer(&out, 1, &late);
    kit_feed(&kit, &out);
    kit_turn(&kit);
}

static void keys_and_urls(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("names", "{}");
    kit_send(&kit, 1, &step);
    step.attempt = 9;
    kit_send(&kit, 2, &step);
    step.run = 2;
    kit_send(&kit, 3, &step);
    step.run = 1;
    step.kind = PV_CALL_UNDO;
    kit_send(&kit, 4, &step);
    assert_contains(kit_wait(&kit, 1)->result,
                    "\"url\": \"https://provost.example/v1/operations/op_");
    assert_contains(kit_wait(&kit, 1)->result, "/signals/ready?key=" KIT_SIGNAL_KEY "\"");
    assert_string_equal(kit_wait(&kit, 1)->result, kit_wait(&kit, 2)->result);
    assert_string_not_equal(kit_wait(&kit, 1)->result, kit_wait(&kit, 3)->result);
    assert_string_not_equal(kit_wait(&kit, 1)->result, kit_wait(&kit, 4)->result);
}

static void the_key_of_a_url_is_masked(void **state)
{
    (void)state;
    const struct kit_outcome *told = kit_run(&kit, "tells", "{}");
    assert_int_equal(told->code, PV_OUT_PENDING);
    const char *const shown[] = {told->text, kit.log, kit.progress};
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        assert_contains(shown[i], "/signals/ready?key=******");
        assert_null(strstr(shown[i], KIT_SIGNAL_KEY));
    }
}

static void without_a_key_there_is_no_url(void **state)
{
    (void)state;
    struct pv_wire_step step = kit_step("tells", "{}");
    step.signal_key = PV_STR("");
    kit_send(&kit, 1, &step);
    assert_int_equal(kit_wait(&kit, 1)->code, PV_OUT_PERMANENT);
    assert_contains(kit_wait(&kit, 1)->text, "no public address for callbacks");
}

static void queries_change_nothing(void **state)
{
    (void)state;
    kit_query(&kit, 1, true, "view", "{}");
    assert_int_equal(kit_wait(&kit, 1)->code, PV_OUT_OK);
    assert_string_equal(kit_wait(&kit, 1)->result, "[\"answer\"]");
    kit_query(&kit, 2, false, "view", "{}");
    assert_int_equal(kit_wait(&kit, 2)->code, PV_OUT_OK);
    kit_query(&kit, 3, false, "nothing", "{}");
    assert_int_equal(kit_wait(&kit, 3)->code, PV_OUT_NO_STEP);
}

/* Allocation n of a step fails, for every n: the step is answered or the host ends with 4. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    unsigned long made = 100;
    for (unsigned long n = 1; n <= made; n++) {
        kit_start(&kit, &plugin, NULL);
        kit.answer = answer_all;
        struct pv_wire_step step = kit_step("asks", "[\"secret_new\"]");
        step.slot = 1;
        struct pv_buf out;
        pv_buf_init(&out, PV_FRAME_MAX);
        pv_wire_put_step(&out, 1, &step);
        pv_buf_reserve(&kit.in, 65536);
        pv_alloc_fail_at(n, 0);
        int status = pv_host_feed(kit.host, pv_buf_view(&out));
        for (int i = 0; i < 3; i++) {
            uv_run(&kit.loop, UV_RUN_NOWAIT);
        }
        made = pv_alloc_count() < n ? n - 1 : made;
        pv_alloc_fail_at(0, 0);
        pv_buf_done(&out);
        if (status != 0) {
            assert_int_equal(status, PV_ENOMEM);
        }
        while (!kit.ended && !kit.outcomes[1].there) {
            kit_turn(&kit);
        }
        if (kit.ended) {
            assert_int_equal(kit.exit_status, 4);
        } else {
            assert_true(kit.outcomes[1].code == PV_OUT_TEMPORARY ||
                        kit.outcomes[1].code == PV_OUT_OK);
        }
        kit_stop(&kit);
    }
    assert_true(made > 3 && made < 100);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(asks_are_answered),
        WITH_HOST(new_secrets_are_made_and_masked),
        WITH_HOST(refusals_have_codes),
        WITH_HOST(late_answers_are_ignored),
        WITH_HOST(keys_and_urls),
        WITH_HOST(the_key_of_a_url_is_masked),
        WITH_HOST(without_a_key_there_is_no_url),
        WITH_HOST(queries_change_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

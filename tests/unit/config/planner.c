/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: what a create, an upgrade, an action and the rest become, and why some are refused. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#include <stdlib.h>
#include <string.h>

#define assert_text(text, expected) assert_true(pv_str_eq_c((text), (expected)))

struct world {
    struct fixture *fixture;
    struct pv_config_live live;
    struct pv_planner planner;
    struct pv_arena arena;
    struct pv_err err;
    struct pv_plan plan;
};

static int open_world(void **state)
{
    struct world *world = pv_calloc(1, sizeof(*world));
    void *fixture = NULL;
    if (fixture_open(&fixture) != 0) {
        return -1;
    }
    world->fixture = fixture;
    world->live.config = fixture_good(world->fixture, fixture_yaml);
    world->planner = pv_config_planner(&world->live);
    pv_arena_init(&world->arena);
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    void *fixture = world->fixture;
    pv_config_free(world->live.config);
    pv_arena_done(&world->arena);
    pv_free(world);
    return fixture_close(&fixture);
}

static int make(struct world *world, struct pv_plan_request request)
{
    memset(&world->err, 0, sizeof(world->err));
    return world->planner.plan(world->planner.ctx, &request, &world->arena, &world->plan,
                               &world->err);
}

static const char event[] =
    "{\"id\":\"1\",\"type\":\"service.create\",\"service\":{\"id\":\"7\",\"params\":{\"hostname\":"
    "\"www.example.com\"}},\"customer\":{\"email\":\"a@example.com\",\"firstname\":\"A\"},"
    "\"reason\":\"paid\"}";

static int create(struct world *world)
{
    return make(world, (struct pv_plan_request){.type = PV_OP_CREATE,
                                                .product = PV_STR("wordpress"),
                                                .plan_name = PV_STR("basic"),
                                                .body = PV_STR(event)});
}

/* The service's composition after `create`. */
static struct pv_str composition(struct world *world)
{
    struct pv_buf out;
    pv_buf_init(&out, 1u << 20);
    assert_int_equal(create(world), PV_OK);
    assert_int_equal(pv_plan_encode_composition(&world->plan, &out), PV_OK);
    struct pv_str bytes = pv_arena_copy(&world->arena, pv_buf_view(&out));
    pv_buf_done(&out);
    return bytes;
}

static void creates(void **state)
{
    struct world *world = *state;
    assert_int_equal(create(world), PV_OK);
    const struct pv_plan *plan = &world->plan;
    assert_int_equal(plan->component_count, 3);
    assert_text(plan->components[0].name, "site");
    assert_text(plan->components[0].instance, "node-1");
    assert_text(plan->components[0].plugin, "site");
    assert_text(plan->components[0].plugin_version, "2.1.0");
    assert_text(plan->components[1].values,
                "{\"mode\":\"record\",\"zone\":\"example.net\",\"zones\":3}");
    assert_null(plan->components[0].previous.ptr);
    assert_int_equal(plan->step_count, 4);
    assert_text(plan->steps[0].name, "allocate");
    assert_int_equal(plan->steps[0].flags, PV_STEP_UNDO | PV_STEP_LOOKUP);
    assert_int_equal(plan->steps[1].flags, PV_STEP_REPEATABLE | PV_STEP_POLL);
    assert_int_equal(plan->steps[1].timeout_ms, 300000);
    assert_int_equal(plan->steps[1].settle_ms, 0);
    assert_int_equal(plan->steps[3].component, 2);
    assert_text(plan->common, "\"customer\":{\"email\":\"a@example.com\",\"firstname\":\"A\"},"
                              "\"params\":{\"admins\":1,\"hostname\":\"www.example.com\"},"
                              "\"reason\":\"paid\"");
    assert_text(plan->attrs, "{\"customer\":{\"email\":\"a@example.com\",\"firstname\":\"A\"},"
                             "\"params\":{\"admins\":1,\"hostname\":\"www.example.com\"}}");
    assert_text(plan->plan_name, "basic");
    assert_text(plan->quotas, "backups=2,zones=3");
    assert_true(plan->hold);
    assert_int_equal(plan->deadline_ms, 7200000);
    /* site's instance says how long it may take at most, everything else is the product's */
    assert_int_equal(plan->components[0].retry.initial_ms, 5000);
    assert_int_equal(plan->components[0].retry.cap_ms, 30000);
    assert_int_equal(plan->components[0].retry.factor, 2);
    assert_int_equal(plan->components[1].retry.initial_ms, 5000);
    assert_int_equal(plan->components[1].retry.cap_ms, 600000);
}

struct heard {
    const struct pv_plan *plan;
    unsigned count;
};

static void on_planned(void *ctx, const struct pv_plan *plan)
{
    struct heard *heard = ctx;
    heard->plan = plan;
    heard->count++;
}

/* Of creates whose plan goes to the store, and of nothing else. */
static void tells_of_creates(void **state)
{
    struct world *world = *state;
    struct heard heard = {NULL, 0};
    struct pv_str bytes = composition(world);
    world->live.planned = on_planned;
    world->live.planned_ctx = &heard;
    assert_int_equal(create(world), PV_OK);
    assert_int_equal(heard.count, 1);
    assert_ptr_equal(heard.plan, &world->plan);
    assert_text(heard.plan->components[0].instance, "node-1");
    assert_int_equal(make(world, (struct pv_plan_request){.type = PV_OP_CREATE,
                                                          .product = PV_STR("wordpress"),
                                                          .plan_name = PV_STR("gold"),
                                                          .body = PV_STR(event)}),
                     PV_ENOTFOUND);
    assert_int_equal(make(world, (struct pv_plan_request){.type = PV_OP_SUSPEND,
                                                          .product = PV_STR("wordpress"),
                                                          .plan_name = PV_STR("basic"),
                                                          .body = PV_STR("{}"),
                                                          .composition = bytes}),
                     PV_OK);
    assert_int_equal(heard.count, 1);
}

static const struct {
    const char *product;
    const char *plan;
    const char *body;
    int status;
    const char *text;
} refused[] = {
    {"wordpres", "basic", "{}", PV_ENOTFOUND, "there is no product \"wordpres\""},
    {"wordpress", "gold", "{}", PV_ENOTFOUND, "product wordpress has no plan \"gold\""},
    {"wordpress", "basic", "{}", PV_EINVAL, "/service/params/hostname: required, but not given"},
    {"wordpress", "basic", "{\"service\":{\"params\":{\"hostname\":\"a b\"}}}", PV_EINVAL,
     "/service/params/hostname: expected a host name such as www.example.com, got \"a b\""},
    {"wordpress", "basic", "{\"service\":{\"params\":[1]}}", PV_EINVAL,
     "/service/params: expected an object, got a list"},
    {"dns", "basic", "{\"service\":{\"params\":{\"hostname\":\"x\"}}}", PV_EINVAL,
     "/service/params/hostname: unknown field (nothing can be given here)"},
    {"dns", "basic", "{", PV_EINVAL,
     "the event: not valid JSON: string or '}' expected near end of file at byte 1"},
};

static void refuses(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < PV_COUNT(refused); i++) {
        int status = make(world, (struct pv_plan_request){.type = PV_OP_CREATE,
                                                          .product = pv_str(refused[i].product),
                                                          .plan_name = pv_str(refused[i].plan),
                                                          .body = pv_str(refused[i].body)});
        assert_string_equal(world->err.text, refused[i].text);
        assert_int_equal(status, refused[i].status);
    }
}

static void terminates_what_is_there(void **state)
{
    struct world *world = *state;
    struct pv_str docs[] = {PV_STR("dns"), PV_STR("support")};
    struct pv_str bytes = composition(world);
    struct pv_plan_request request = {.type = PV_OP_TERMINATE,
                                      .product = PV_STR("wordpress"),
                                      .plan_name = PV_STR("basic"),
                                      .body = PV_STR("{}"),
                                      .attrs =
                                          PV_STR("{\"customer\":{\"id\":\"c\"},\"params\":{}}"),
                                      .composition = bytes,
                                      .doc_components = docs,
                                      .doc_count = 2};
    assert_int_equal(make(world, request), PV_OK);
    assert_int_equal(world->plan.component_count, 2);
    assert_text(world->plan.components[0].name, "dns");
    assert_int_equal(world->plan.step_count, 1);
    assert_text(world->plan.steps[0].name, "remove");
    assert_text(world->plan.common, "\"customer\":{\"id\":\"c\"},\"params\":{}");
    assert_null(world->plan.attrs.ptr);
    assert_null(world->plan.plan_name.ptr);

    /* its create never began */
    request.composition = PV_STR("");
    request.doc_count = 0;
    assert_int_equal(make(world, request), PV_OK);
    assert_int_equal(world->plan.step_count, 0);
    request.type = PV_OP_SUSPEND;
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text, "the service has no components");
    request.composition = PV_STR("garbage");
    assert_int_equal(make(world, request), PV_ESYNTAX);
}

/* A service outlives its product, but not its instance. */
static void without_the_product(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    struct pv_plan_request request = {.type = PV_OP_SUSPEND,
                                      .product = PV_STR("gone"),
                                      .plan_name = PV_STR("gone"),
                                      .body = PV_STR("{\"reason\":\"unpaid\"}"),
                                      .composition = bytes};
    assert_int_equal(make(world, request), PV_OK);
    assert_int_equal(world->plan.component_count, 3);
    assert_int_equal(world->plan.step_count, 1);
    assert_text(world->plan.quotas, "backups=2,zones=3");
    assert_int_equal(world->plan.deadline_ms, 86400000);
    assert_false(world->plan.hold);
    assert_text(world->plan.common, "\"customer\":{},\"params\":{},\"reason\":\"unpaid\"");

    pv_config_free(world->live.config);
    world->live.config =
        fixture_good(world->fixture, "plugin_dirs: [modules]\nplugins: {node-1: {module: support}, "
                                     "support: {module: support}}\n");
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text,
                        "instance node-1 is plugin support now; the service was created with site");
    pv_config_free(world->live.config);
    world->live.config = fixture_good(world->fixture, "");
    assert_int_equal(make(world, request), PV_ENOTFOUND);
    assert_string_equal(world->err.text,
                        "instance node-1 of component site is not configured any more");
}

static void upgrades(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    struct pv_plan_request request = {
        .type = PV_OP_UPGRADE,
        .product = PV_STR("wordpress"),
        .plan_name = PV_STR("premium"),
        .body = PV_STR(
            "{\"service\":{\"params\":{\"admins\":3}},\"customer\":{\"email\":\"b@example.com\"}}"),
        .attrs = world->plan.attrs,
        .composition = bytes};
    assert_int_equal(make(world, request), PV_OK);
    const struct pv_plan *plan = &world->plan;
    assert_int_equal(plan->step_count, 2);
    assert_text(plan->components[0].previous,
                "{\"backups\":2,\"disk\":21474836480,\"memory\":2147483648,\"vmids\":\"vmids\"}");
    assert_text(plan->components[0].values,
                "{\"backups\":5,\"disk\":10737418240,\"memory\":8589934592,\"vmids\":\"vmids\"}");
    assert_text(plan->plan_name, "premium");
    assert_text(plan->quotas, "backups=5,zones=10");
    assert_text(plan->common, "\"customer\":{\"email\":\"b@example.com\",\"firstname\":\"A\"},"
                              "\"params\":{\"admins\":3,\"hostname\":\"www.example.com\"}");

    /* from then on the service has the values of the upgrade */
    struct pv_str attrs = plan->attrs;
    request.type = PV_OP_SUSPEND;
    request.attrs = attrs;
    request.body = PV_STR("{}");
    assert_int_equal(make(world, request), PV_OK);
    assert_text(world->plan.components[1].values,
                "{\"mode\":\"record\",\"zone\":\"example.net\",\"zones\":10}");
    assert_text(world->plan.common,
                "\"customer\":{\"email\":\"b@example.com\",\"firstname\":\"A\"},"
                "\"params\":{\"admins\":3,\"hostname\":\"www.example.com\"}");

    /* and the next one starts from them */
    request.type = PV_OP_UPGRADE;
    request.plan_name = PV_STR("basic");
    assert_int_equal(make(world, request), PV_OK);
    assert_text(world->plan.components[1].previous,
                "{\"mode\":\"record\",\"zone\":\"example.net\",\"zones\":10}");
    request.plan_name = PV_STR("gold");
    assert_int_equal(make(world, request), PV_ENOTFOUND);
    request.plan_name = PV_STR("premium");
    request.body = PV_STR("{\"service\":{\"params\":{\"admins\":9}}}");
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text, "/service/params/admins: expected 1 to 5, got 9");
}

/* The whole file with another zone for the DNS component. */
static char *other_zone(void)
{
    char *yaml = pv_strdup(fixture_yaml);
    char *zone = strstr(yaml, "zone: example.net");
    assert_non_null(zone);
    memcpy(zone, "zone: example.org", 17);
    return yaml;
}

static void upgrade_keeps_what_is_immutable(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    char *yaml = other_zone();
    pv_config_free(world->live.config);
    world->live.config = fixture_good(world->fixture, yaml);
    pv_free(yaml);
    struct pv_plan_request request = {.type = PV_OP_UPGRADE,
                                      .product = PV_STR("wordpress"),
                                      .plan_name = PV_STR("premium"),
                                      .body = PV_STR("{}"),
                                      .composition = bytes};
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text, "plan premium would change zone of component dns, which "
                                         "cannot be changed once the service is there");
    request.type = PV_OP_SUSPEND;
    assert_int_equal(make(world, request), PV_OK);
    assert_text(world->plan.components[1].values,
                "{\"mode\":\"record\",\"zone\":\"example.net\",\"zones\":3}");
}

static void acts(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    struct pv_plan_request request = {.type = PV_OP_ACTION,
                                      .action = PV_STR("add_zone"),
                                      .product = PV_STR("wordpress"),
                                      .plan_name = PV_STR("premium"),
                                      .body = PV_STR("{\"form\":{\"zone\":\"example.org\"}}"),
                                      .composition = bytes};
    assert_int_equal(make(world, request), PV_OK);
    assert_int_equal(world->plan.component_count, 1);
    assert_text(world->plan.components[0].name, "dns");
    assert_int_equal(world->plan.step_count, 1);
    assert_text(world->plan.steps[0].name, "add");
    assert_text(world->plan.quotas, "backups=5,zones=10");
    assert_text(world->plan.common,
                "\"customer\":{},\"params\":{},\"form\":{\"zone\":\"example.org\"}");
    request.body = PV_STR("{\"form\":{\"zne\":\"example.org\"}}");
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text, "/form/zne: unknown field; did you mean \"zone\"?");
    request.action = PV_STR("add_zoen");
    assert_int_equal(make(world, request), PV_ENOTFOUND);
    assert_string_equal(world->err.text,
                        "the service has no action \"add_zoen\"; did you mean \"add_zone\"?");
    request.action = PV_STR("restart");
    request.body = PV_STR("{}");
    assert_int_equal(make(world, request), PV_EINVAL);
    assert_string_equal(world->err.text,
                        "more than one component has the action \"restart\": write "
                        "site.restart or dns.restart");
    request.action = PV_STR("site.restart");
    assert_int_equal(make(world, request), PV_OK);
    assert_text(world->plan.steps[0].name, "stop");
}

static void finds_actions(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    struct pv_config_action found;
    struct pv_err err = {0};
    assert_int_equal(pv_config_find_action(world->live.config, bytes, PV_STR("wordpress"),
                                           PV_STR("premium"), PV_STR("dns.add_zone"), &world->arena,
                                           &found, &err),
                     PV_OK);
    assert_text(found.component, "dns");
    assert_text(found.instance, "pdns-1");
    assert_text(found.quota, "zones");
    assert_int_equal(found.quota_delta, 1);
    assert_int_equal(found.quota_limit, 10);
    /* where the plan is gone, what the service was created with counts */
    assert_int_equal(pv_config_find_action(world->live.config, bytes, PV_STR("gone"), PV_STR("x"),
                                           PV_STR("add_zone"), &world->arena, &found, &err),
                     PV_OK);
    assert_int_equal(found.quota_limit, 3);
    assert_int_equal(pv_config_find_action(world->live.config, PV_STR(""), PV_STR("dns"),
                                           PV_STR("basic"), PV_STR("add_zone"), &world->arena,
                                           &found, &err),
                     PV_ENOTFOUND);
}

static const struct {
    bool upgrade;
    const char *product;
    const char *plan;
    const char *params;
    const char *base;
    const char *problems; /* "path code text" lines */
} events[] = {
    {false, "wordpress", "basic", "{\"hostname\":\"a.example\"}", "", ""},
    {false, "wordpres", "x", "{}", "/3",
     "/3/service/product unknown_product there is no product \"wordpres\"; did you mean "
     "\"wordpress\"?\n"},
    {false, "wordpress", "basci", "{\"hostnam\":\"x\",\"admins\":\"many\"}", "",
     "/service/plan unknown_plan product \"wordpress\" has no plan \"basci\"; did you mean "
     "\"basic\"?\n"
     "/service/params/hostnam unknown_param unknown field; did you mean \"hostname\"?\n"
     "/service/params/hostname missing_param required, but not given\n"
     "/service/params/admins invalid_param expected a whole number, got \"many\"\n"},
    {true, NULL, "premium", "null", "", ""},
    {true, NULL, "premiun", "null", "",
     "/service/plan unknown_plan no product has a plan \"premiun\"; did you mean \"premium\"?\n"},
    {true, "wordpress", "premium", "{\"admins\":2}", "", ""},
    {true, "dns", "premium", "{\"x\":2}", "",
     "/service/plan unknown_plan product \"dns\" has no plan \"premium\"\n"
     "/service/params/x unknown_param unknown field (nothing can be given here)\n"},
    {true, "nds", "basic", "null", "",
     "/service/product unknown_product there is no product \"nds\"; did you mean \"dns\"?\n"},
};

static void checks_events(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < PV_COUNT(events); i++) {
        struct pv_problems problems;
        pv_problems_init(&problems);
        json_t *params = json_loads(events[i].params, JSON_DECODE_ANY, NULL);
        int (*check)(const struct pv_config *, struct pv_str, struct pv_str, const json_t *,
                     const char *, struct pv_problems *) =
            events[i].upgrade ? pv_config_check_upgrade : pv_config_check_create;
        int status = check(world->live.config, pv_str(events[i].product), pv_str(events[i].plan),
                           params, events[i].base, &problems);
        struct pv_buf said;
        pv_buf_init(&said, 65536);
        for (size_t k = 0; k < problems.count; k++) {
            pv_buf_printf(&said, "%.*s %s %.*s\n", PV_STR_ARG(problems.items[k].path),
                          problems.items[k].code, PV_STR_ARG(problems.items[k].text));
        }
        pv_buf_char(&said, '\0');
        assert_string_equal(said.ptr, events[i].problems);
        assert_int_equal(status, events[i].problems[0] ? PV_EINVAL : PV_OK);
        pv_buf_done(&said);
        json_decref(params);
        pv_problems_done(&problems);
    }
}

static void limits_and_pools(void **state)
{
    struct world *world = *state;
    struct pv_instance_limits limits;
    int64_t first = 0;
    int64_t last = 0;
    int64_t reuse = 0;
    char text[64];
    void *ctx = world->planner.ctx;
    assert_int_equal(world->planner.limits(ctx, PV_STR("node-1"), &limits), PV_OK);
    assert_int_equal(limits.max_in_flight, 5);
    assert_int_equal(world->planner.limits(ctx, PV_STR("node-2"), &limits), PV_ENOTFOUND);
    assert_int_equal(world->planner.pool(ctx, PV_STR("vmids"), &first, &last, &reuse), PV_OK);
    assert_int_equal(first, 1000);
    assert_int_equal(last, 1999);
    assert_int_equal(reuse, 7200000);
    assert_int_equal(world->planner.pool(ctx, PV_STR("x"), &first, &last, &reuse), PV_ENOTFOUND);
    assert_int_equal(world->planner.pool_value(ctx, PV_STR("vmids"), 1001, text), PV_OK);
    assert_string_equal(text, "1001");
    assert_int_equal(world->planner.pool_value(ctx, PV_STR("x"), 1001, text), PV_ENOTFOUND);
}

static void allocation_failures(void **state)
{
    struct world *world = *state;
    struct pv_str bytes = composition(world);
    const struct pv_plan_request requests[] = {
        {.type = PV_OP_CREATE,
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("basic"),
         .body = PV_STR(event)},
        {.type = PV_OP_UPGRADE,
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("premium"),
         .body = PV_STR("{\"service\":{\"params\":{\"admins\":3}}}"),
         .attrs = world->plan.attrs,
         .composition = bytes},
        {.type = PV_OP_ACTION,
         .action = PV_STR("add_zone"),
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("premium"),
         .body = PV_STR("{\"form\":{\"zone\":\"example.org\"}}"),
         .composition = bytes},
        {.type = PV_OP_SUSPEND, .body = PV_STR("{}"), .composition = bytes},
    };
    for (size_t i = 0; i < PV_COUNT(requests); i++) {
        int status = PV_ENOMEM;
        unsigned long n = 1;
        for (; status == PV_ENOMEM; n++) {
            struct pv_arena arena;
            struct pv_plan plan;
            struct pv_err err = {0};
            pv_arena_init(&arena);
            pv_alloc_fail_at(n, 1);
            status = world->planner.plan(world->planner.ctx, &requests[i], &arena, &plan, &err);
            pv_alloc_fail_at(0, 0);
            pv_arena_done(&arena);
            if (status != PV_ENOMEM && status != PV_OK) {
                print_error("request %zu, allocation %lu: %s\n", i, n, err.text);
            }
        }
        assert_int_equal(status, PV_OK);
        assert_true(n > 5);
    }
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(creates),
        TEST(tells_of_creates),
        TEST(refuses),
        TEST(terminates_what_is_there),
        TEST(without_the_product),
        TEST(upgrades),
        TEST(upgrade_keeps_what_is_immutable),
        TEST(acts),
        TEST(finds_actions),
        TEST(checks_events),
        TEST(limits_and_pools),
        TEST(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation n fails, for every n (that one, or it and all that follow), while configuration is
 * read, described, checked, planned from and compared. The answer is "out of memory", or the one
 * that is right; never another one, never half of it; and it is there at once when asked again. */
#include "tests/unit/config/fixture.h"

#include "core/base/alloc.h"
#include "core/json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 20000u /* allocations of one attempt */

/* Something that is tried again and again. */
struct trial {
    const char *name;
    int (*attempt)(struct trial *trial); /* allocations fail here only */
    /* What came of it, as text; and frees it. Called whatever the status is. */
    void (*collect)(struct trial *trial, int status, struct pv_buf *said);
    int status;          /* that is right */
    unsigned long every; /* of so many is tried again afterwards, and fails with all after it */
    const void *of;
};

static struct fixture *fixture;
static struct pv_config *config; /* of fixture_yaml */
static struct pv_problems problems;
static struct pv_err err;

/* ---- trying ---- */

static int try_once(struct trial *trial, unsigned long n, bool sticky, bool *ret_reached,
                    struct pv_buf *said)
{
    memset(&err, 0, sizeof(err));
    pv_problems_init(&problems);
    pv_alloc_fail_at(n, sticky);
    int status = trial->attempt(trial);
    *ret_reached = n > 0 && pv_alloc_count() >= n;
    pv_alloc_fail_at(0, 0);
    pv_buf_init(said, 4u << 20);
    trial->collect(trial, status, said);
    pv_buf_char(said, '\0');
    assert_int_equal(said->status, PV_OK);
    pv_problems_done(&problems);
    return status;
}

/* Allocation n fails; false: there were fewer. */
static bool fails_at(struct trial *trial, unsigned long n, bool sticky, const char *right)
{
    struct pv_buf said;
    bool reached = false;
    int status = try_once(trial, n, sticky, &reached, &said);
    if (status != PV_ENOMEM || !reached) {
        if (status != trial->status || strcmp(said.ptr, right) != 0) {
            fail_msg("%s, allocation %lu%s: %s (%s): %s", trial->name, n,
                     sticky ? " and all after it" : "", pv_status_text(status), err.text, said.ptr);
        }
    }
    pv_buf_done(&said);
    if (n % trial->every == 0) {
        status = try_once(trial, 0, false, &(bool){false}, &said);
        assert_int_equal(status, trial->status);
        assert_string_equal(said.ptr, right);
        pv_buf_done(&said);
    }
    return reached;
}

static void torture(struct trial *trial, unsigned long least)
{
    struct pv_buf right;
    bool reached = false;
    trial->every = trial->every > 0 ? trial->every : 1;
    int status = try_once(trial, 0, false, &reached, &right);
    if (status != trial->status) {
        fail_msg("%s: %s: %s %s", trial->name, pv_status_text(status), err.text, right.ptr);
    }
    for (int sticky = 0; sticky < 2; sticky++) {
        unsigned long n = 1;
        while (n < MOST && fails_at(trial, n, sticky != 0, right.ptr)) {
            n += sticky ? trial->every : 1;
        }
        if (n < least || n >= MOST) {
            fail_msg("%s made %lu allocations", trial->name, n - 1);
        }
    }
    pv_buf_done(&right);
}

/* Where and what; a sentence may lack its "did you mean". */
static void say_problems(struct pv_buf *said)
{
    for (size_t i = 0; i < problems.count; i++) {
        const struct pv_problem *problem = &problems.items[i];
        pv_buf_printf(said, "%.*s:%u: %.*s: %s\n", PV_STR_ARG(problem->file), problem->line,
                      PV_STR_ARG(problem->path), problem->code);
    }
}

/* ---- whole files ---- */

static const char support[] =
    "{\"name\":\"support\",\"version\":\"1.0.0\",\"summary\":\"Support keys.\",\"abi\":1,"
    "\"product\":[{\"name\":\"tier\",\"type\":\"string\",\"label\":\"Tier\",\"default\":\"none\"}],"
    "\"operations\":{\"create\":[{\"name\":\"key\",\"undo\":true,\"timeout_ms\":1000}]},"
    "\"instance_queries\":[{\"name\":\"check\",\"access\":\"public\",\"params\":["
    "{\"name\":\"key\",\"type\":\"string\",\"label\":\"Key\",\"required\":true}]}]}";

/* As the fixture, but for the support plugin of tests/config/full.yaml. */
static int describe(void *ctx, const struct pv_describe_ask *ask, char **ret_json,
                    struct pv_err *ret_err)
{
    if (!strstr(ask->module, "/support.so")) {
        return fixture->describe.describe(ctx, ask, ret_json, ret_err);
    }
    *ret_json = pv_strdup(support);
    return *ret_json ? PV_OK : pv_err_set(ret_err, PV_ENOMEM, "out of memory");
}

static char path[512];
static struct pv_config *loaded;

static int load(struct trial *trial)
{
    const struct pv_describe as_given = {fixture,
                                         trial->of ? describe : fixture->describe.describe};
    return pv_config_load(path, &as_given, &problems, &loaded);
}

static void say_config(const struct pv_config *of, struct pv_buf *said)
{
    pv_buf_printf(said, "%.*s %.*s %.*s %zu %zu %zu %zu %zu\n", PV_STR_ARG(of->listen),
                  PV_STR_ARG(of->admin_socket), PV_STR_ARG(of->keys), of->origin_count,
                  of->plugin_dir_count, of->pool_count, of->source_count, of->subscriber_count);
    for (size_t i = 0; i < of->instance_count; i++) {
        const struct pv_config_instance *instance = &of->instances[i];
        pv_buf_printf(said, "%.*s %zu %.*s ", PV_STR_ARG(instance->name), instance->alias_count,
                      PV_STR_ARG(instance->settings_shown));
        for (size_t k = 0; k < sizeof(instance->fingerprint); k++) {
            pv_buf_printf(said, "%02x", ((const unsigned char *)&instance->fingerprint)[k]);
        }
        pv_plugin_print(instance->plugin, said);
    }
    for (size_t i = 0; i < of->product_count; i++) {
        const struct pv_config_product *product = &of->products[i];
        pv_buf_printf(said, "\n%.*s %zu", PV_STR_ARG(product->label), product->checkout.count);
        for (size_t k = 0; k < product->plan_count; k++) {
            pv_buf_printf(said, "\n%.*s %.*s", PV_STR_ARG(product->plans[k].name),
                          PV_STR_ARG(product->plans[k].quotas));
            for (size_t c = 0; c < product->component_count; c++) {
                pv_buf_str(said, product->components[c].values[k].json);
            }
        }
    }
}

static void collect_loaded(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    assert_true((status == PV_OK) == (loaded != NULL));
    if (loaded) {
        say_config(loaded, said);
    }
    say_problems(said);
    pv_config_free(loaded);
    loaded = NULL;
}

/* tests/config/full.yaml in two files, so that they are merged. */
static void every_option(void **state)
{
    (void)state;
    char from[4096];
    snprintf(from, sizeof(from), "%s/tests/config/full.yaml", getenv("SOURCE_ROOT"));
    FILE *file = fopen(from, "r");
    assert_non_null(file);
    static char yaml[65536];
    size_t len = fread(yaml, 1, sizeof(yaml) - 1, file);
    assert_int_equal(fclose(file), 0);
    yaml[len] = '\0';
    char *sources = strstr(yaml, "\nsources:");
    assert_non_null(sources);
    fixture_write(fixture, "conf.d/sources.yaml", sources);
    sources[1] = '\0';
    fixture_write(fixture, "full.yaml", yaml);
    snprintf(path, sizeof(path), "%s/full.yaml", fixture->dir);
    struct trial trial = {
        .name = "full.yaml", .attempt = load, .collect = collect_loaded, .every = 16, .of = ""};
    torture(&trial, 300);
}

static void refused_file(void **state)
{
    (void)state;
    fixture_write(fixture, "wrong.yaml",
                  "lisen: x\n"
                  "plugin_dirs: [modules]\n"
                  "pools: {p: {range: 9-1}}\n"
                  "plugins:\n"
                  "  a: {module: dns, settings: {uri: x, api_key: \"${file:gone}\"}}\n"
                  "  b: {module: broken}\n"
                  "  c: {module: site, grants: {exec: [/nowhere]}}\n"
                  "  d: {module: support}\n"
                  "products:\n"
                  "  w: {components: [{plugin: d}, {plugin: e}], plans: {a: {x: 1}}}\n"
                  "subscribers: {s: {url: nowhere}}\n");
    snprintf(path, sizeof(path), "%s/wrong.yaml", fixture->dir);
    struct trial trial = {.name = "wrong.yaml",
                          .attempt = load,
                          .collect = collect_loaded,
                          .status = PV_EINVAL,
                          .every = 16};
    torture(&trial, 50);
}

/* ---- descriptions ---- */

static struct pv_plugin *parsed;

static int parse(struct trial *trial)
{
    return pv_plugin_parse(pv_str(trial->of), PV_STR("/x.so"), &parsed, &err);
}

static void collect_parsed(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    assert_true((status == PV_OK) == (parsed != NULL));
    if (parsed) {
        pv_plugin_print(parsed, said);
    }
    pv_plugin_unref(parsed);
    parsed = NULL;
}

static void descriptions(void **state)
{
    (void)state;
    for (size_t i = 0; i < config->instance_count; i++) {
        char *json = pv_strndup(config->instances[i].plugin->json.ptr,
                                config->instances[i].plugin->json.len);
        struct trial trial = {
            .name = "description", .attempt = parse, .collect = collect_parsed, .of = json};
        torture(&trial, 20);
        pv_free(json);
    }
    struct trial bad = {.name = "bad description",
                        .attempt = parse,
                        .collect = collect_parsed,
                        .status = PV_EINVAL,
                        .of = "{\"name\":\"x\",\"abi\":1,\"settings\":[{\"name\":\"f\","
                              "\"type\":\"select\",\"options\":[\"a\"],\"default\":\"b\"}]}"};
    torture(&bad, 5);
}

/* ---- settings ---- */

static struct pv_secret *settings;

static int read_settings(struct trial *trial)
{
    return pv_config_settings(trial->of, &settings, &err);
}

static void collect_settings(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    assert_true((status == PV_OK) == (settings != NULL));
    if (settings) {
        pv_buf_str(said, pv_secret_expose(settings));
    }
    pv_secret_free(settings);
    settings = NULL;
}

static void settings_of_instances(void **state)
{
    (void)state;
    struct trial trial = {.name = "settings",
                          .attempt = read_settings,
                          .collect = collect_settings,
                          .of = pv_config_instance(config, PV_STR("pdns-1"))};
    torture(&trial, 5);
}

/* ---- plans ---- */

static struct pv_config_live live;
static struct pv_arena arena;
static struct pv_plan plan;

static int make_plan(struct trial *trial)
{
    struct pv_planner planner = pv_config_planner(&live);
    pv_arena_init(&arena);
    return planner.plan(planner.ctx, trial->of, &arena, &plan, &err);
}

static void collect_plan(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    if (status == PV_OK) {
        struct pv_buf bytes;
        pv_buf_init(&bytes, 1u << 20);
        assert_int_equal(pv_plan_encode(&plan, &bytes), PV_OK);
        for (size_t i = 0; i < bytes.len; i++) {
            pv_buf_printf(said, "%02x", (unsigned char)bytes.ptr[i]);
        }
        pv_buf_done(&bytes);
        pv_buf_printf(said, " %.*s %.*s", PV_STR_ARG(plan.attrs), PV_STR_ARG(plan.plan_name));
    } else {
        /* where it is wrong; what was got instead may be missing */
        pv_buf_put(said, err.text, strcspn(err.text, ":"));
    }
    pv_arena_done(&arena);
}

static const char event[] =
    "{\"id\":\"1\",\"service\":{\"id\":\"7\",\"params\":{\"hostname\":\"www.example.com\"}},"
    "\"customer\":{\"email\":\"a@example.com\"},\"reason\":\"paid\","
    "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}";

/* The service's composition after a create. */
static struct pv_str composition(struct pv_arena *kept)
{
    const struct pv_plan_request request = {.type = PV_OP_CREATE,
                                            .product = PV_STR("wordpress"),
                                            .plan_name = PV_STR("basic"),
                                            .body = PV_STR(event)};
    struct pv_planner planner = pv_config_planner(&live);
    struct pv_buf out;
    pv_buf_init(&out, 1u << 20);
    assert_int_equal(planner.plan(planner.ctx, &request, kept, &plan, &err), PV_OK);
    assert_int_equal(pv_plan_encode_composition(&plan, &out), PV_OK);
    struct pv_str bytes = pv_arena_copy(kept, pv_buf_view(&out));
    pv_buf_done(&out);
    return bytes;
}

static void every_operation(void **state)
{
    (void)state;
    struct pv_arena kept;
    pv_arena_init(&kept);
    struct pv_str bytes = composition(&kept);
    struct pv_str docs[] = {PV_STR("site"), PV_STR("dns")};
    for (int type = PV_OP_CREATE; type <= PV_OP_TYPES; type++) {
        const struct pv_plan_request request = {
            .type = type,
            .product = PV_STR("wordpress"),
            .plan_name = type == PV_OP_UPGRADE ? PV_STR("premium") : PV_STR("basic"),
            .action = type == PV_OP_ACTION ? PV_STR("add_zone") : PV_STR(""),
            .body = type == PV_OP_ACTION ? PV_STR("{\"form\":{\"zone\":\"example.org\"}}")
                                         : PV_STR(event),
            .attrs = type == PV_OP_CREATE ? PV_STR("") : plan.attrs,
            .composition = type == PV_OP_CREATE ? PV_STR("") : bytes,
            .doc_components = docs,
            .doc_count = PV_COUNT(docs)};
        struct pv_plan_request fixed = request;
        fixed.attrs = pv_arena_copy(&kept, PV_STR("{\"customer\":{\"id\":\"c\"},\"params\":"
                                                  "{\"admins\":2},\"values\":{\"dns\":"
                                                  "{\"mode\":\"record\",\"zone\":\"example.net\","
                                                  "\"zones\":4}}}"));
        struct trial trial = {.name = pv_op_type_name(type),
                              .attempt = make_plan,
                              .collect = collect_plan,
                              .of = type == PV_OP_CREATE ? &request : &fixed};
        torture(&trial, 5);
    }
    const struct pv_plan_request refused[] = {
        {.type = PV_OP_CREATE,
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("basic"),
         .body = PV_STR("{\"service\":{\"params\":{\"admins\":\"many\"}}}")},
        {.type = PV_OP_CREATE,
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("basic"),
         .body = PV_STR("{\"service\":{\"params\":{\"hostname\":\"x\"}")},
        {.type = PV_OP_UPGRADE,
         .product = PV_STR("wordpress"),
         .plan_name = PV_STR("premium"),
         .body = PV_STR("{\"service\":{\"params\":{\"admins\":9}}}"),
         .composition = bytes},
    };
    for (size_t i = 0; i < PV_COUNT(refused); i++) {
        struct trial trial = {.name = "refused plan",
                              .attempt = make_plan,
                              .collect = collect_plan,
                              .status = PV_EINVAL,
                              .of = &refused[i]};
        torture(&trial, 3);
    }
    pv_arena_done(&kept);
}

/* ---- events ---- */

struct check {
    bool upgrade;
    const char *product;
    const char *plan;
    const char *params;
    int status;
    json_t *given;
};

static int check_event(struct trial *trial)
{
    const struct check *check = trial->of;
    return check->upgrade
               ? pv_config_check_upgrade(config, pv_str(check->product), pv_str(check->plan),
                                         check->given, "/3", &problems)
               : pv_config_check_create(config, pv_str(check->product), pv_str(check->plan),
                                        check->given, "/3", &problems);
}

static void collect_check(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    (void)status;
    say_problems(said);
}

static void events(void **state)
{
    (void)state;
    struct check checks[] = {
        {false, "wordpress", "basic", "{\"hostname\":\"a.example\",\"admins\":2}", PV_OK, NULL},
        {false, "wordpress", "basci", "{\"hostnam\":\"x\",\"admins\":\"many\"}", PV_EINVAL, NULL},
        {false, "wordpres", "basic", "{}", PV_EINVAL, NULL},
        {true, "wordpress", "premium", "{\"admins\":2}", PV_OK, NULL},
        {true, "wordpress", "premiun", "{\"admins\":20}", PV_EINVAL, NULL},
        {true, NULL, "premiun", "{}", PV_EINVAL, NULL},
    };
    for (size_t i = 0; i < PV_COUNT(checks); i++) {
        checks[i].given = json_loads(checks[i].params, 0, NULL);
        struct trial trial = {.name = "event",
                              .attempt = check_event,
                              .collect = collect_check,
                              .status = checks[i].status,
                              .of = &checks[i]};
        torture(&trial, 2);
        json_decref(checks[i].given);
    }
}

/* ---- actions ---- */

static struct pv_config_action action;

static int find_action(struct trial *trial)
{
    const struct pv_str *bytes = trial->of;
    pv_arena_init(&arena);
    return pv_config_find_action(config, *bytes, PV_STR("wordpress"), PV_STR("premium"),
                                 PV_STR("dns.add_zone"), &arena, &action, &err);
}

static void collect_action(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    if (status == PV_OK) {
        pv_buf_printf(said, "%.*s %.*s %lld", PV_STR_ARG(action.component),
                      PV_STR_ARG(action.quota), (long long)action.quota_limit);
    }
    pv_arena_done(&arena);
}

static void actions(void **state)
{
    (void)state;
    struct pv_arena kept;
    pv_arena_init(&kept);
    struct pv_str bytes = composition(&kept);
    struct trial trial = {
        .name = "action", .attempt = find_action, .collect = collect_action, .of = &bytes};
    torture(&trial, 2);
    pv_arena_done(&kept);
}

/* ---- reload ---- */

static struct pv_config_diff diff;

static bool in_use(void *ctx, struct pv_str instance)
{
    (void)instance;
    return ctx != NULL;
}

static int compare(struct trial *trial)
{
    /* ctx says that every instance is in use: taking one away is refused then */
    return pv_config_compare(config, trial->of, in_use, trial->status != PV_OK ? trial : NULL,
                             &diff, &problems);
}

static void collect_diff(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    say_problems(said);
    if (status == PV_OK) {
        for (size_t i = 0; i < diff.count; i++) {
            pv_buf_printf(said, "%d %.*s\n", diff.items[i].what,
                          PV_STR_ARG(diff.items[i].instance));
        }
        pv_config_diff_done(&diff);
    }
}

static void reload(void **state)
{
    (void)state;
    struct pv_config *next =
        fixture_good(fixture, "listen: 127.0.0.1:7999\nstore: sqlite:///elsewhere.db\n"
                              "plugin_dirs: [modules]\nplugins: {support: {module: support, "
                              "max_in_flight: 9}, other: {module: support}}\n");
    struct trial accepted = {
        .name = "reload", .attempt = compare, .collect = collect_diff, .of = next};
    struct trial refused = {.name = "refused reload",
                            .attempt = compare,
                            .collect = collect_diff,
                            .status = PV_EINVAL,
                            .of = next};
    torture(&accepted, 2);
    torture(&refused, 2);
    pv_config_free(next);
}

/* ---- documents ---- */

static struct pv_buf document;

static int make_schema(struct trial *trial)
{
    (void)trial;
    pv_buf_init(&document, 4u << 20);
    return pv_config_schema(config, &document);
}

static void collect_document(struct trial *trial, int status, struct pv_buf *said)
{
    (void)trial;
    if (status == PV_OK) {
        pv_buf_str(said, pv_buf_view(&document));
    }
    pv_buf_done(&document);
}

static void schema(void **state)
{
    (void)state;
    struct trial trial = {
        .name = "schema", .attempt = make_schema, .every = 8, .collect = collect_document};
    torture(&trial, 3);
}

static int set_up(void **state)
{
    if (fixture_open(state) != 0) {
        return -1;
    }
    fixture = *state;
    config = fixture_good(fixture, fixture_yaml);
    live.config = config;
    return 0;
}

static int tear_down(void **state)
{
    pv_config_free(config);
    return fixture_close(state);
}

int main(void)
{
    if (fixture_begin() != PV_OK) {
        return 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_option),    TEST(refused_file), TEST(descriptions), TEST(settings_of_instances),
        TEST(every_operation), TEST(events),       TEST(actions),      TEST(reload),
        TEST(schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

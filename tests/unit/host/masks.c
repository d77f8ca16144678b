/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in what a host says: those that a query is given, and those at the end of texts that were
 * cut before they were masked. */
#include "tests/unit/host/kit.h"

#include "core/base/hash.h"

#include <stdio.h>
#include <string.h>

static struct kit kit;

/* Repeated: whatever part of it a cut leaves is a word of it. */
#define SECRET "swordfishswordfishswordfishswordfish"
#define WORD "sword"

static char said[6000];

/* One long secret becomes six bytes, so that what stood at the cut comes into sight. */
static int says_behind_a_secret(struct provost_call *call)
{
    char first[4081] = "";
    memset(first, 'k', sizeof(first) - 1);
    call->host->secret(call, first);
    call->host->secret(call, SECRET);
    snprintf(said, sizeof(said), "%s " SECRET, first);
    return call->host->outcome(call, PROVOST_TEMPORARY, -1, said);
}

/* The host's own sentence has what the plugin gave it. */
static int fails(struct provost_call *call)
{
    call->host->secret(call, SECRET);
    snprintf(said, sizeof(said), "%0430d" SECRET, 0);
    struct provost_resolve_request request = {
        .struct_size = sizeof(request), .name = "example.com", .type = said};
    struct provost_resolve_result result = {.struct_size = sizeof(result)};
    int code = call->host->resolve(call, &request, &result);
    assert_int_equal(code, PROVOST_E_INVALID);
    assert_contains(call->host->error(call), "unknown record type 000");
    return call->host->outcome(call, PROVOST_TEMPORARY, -1, call->host->error(call));
}

static int refuses_to_open(const char *settings, void **ret_instance, char *error,
                           size_t error_size)
{
    (void)settings;
    (void)ret_instance;
    snprintf(error, error_size, "%0455d" SECRET, 0);
    return 1;
}

static int repeats_its_input(struct provost_call *call)
{
    call->host->log(call, PROVOST_LOG_INFO, call->input);
    call->host->progress(call, 50, call->input);
    return call->host->outcome(call, PROVOST_TEMPORARY, -1, call->input);
}

static const struct provost_step create[] = {
    {.name = "says_behind_a_secret", .run = says_behind_a_secret},
    {.name = "fails", .run = fails},
    {0},
};
static const struct provost_field settings[] = {{.name = "token", .flags = PROVOST_F_SECRET}, {0}};
static const struct provost_field params[] = {
    {.name = "key", .flags = PROVOST_F_SECRET}, {.name = "name"}, {0}};
static const struct provost_query queries[] = {
    {.name = "repeats", .run = repeats_its_input, .params = params}, {0}};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,        .name = "masked", .version = "1.0.0",
    .settings = settings,       .create = create, .instance_queries = queries,
    .service_queries = queries,
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

static void what_a_query_is_given_is_masked(void **state)
{
    (void)state;
    for (uint64_t call = 1; call <= 2; call++) {
        kit.log[0] = '\0';
        kit_query(&kit, call, call == 1, "repeats",
                  "{\"params\": {\"key\": \"" SECRET "\", \"name\": \"plain\"}}");
        const struct kit_outcome *o = kit_wait(&kit, call);
        const char *const texts[] = {o->text, kit.log, kit.progress};
        for (size_t i = 0; i < PV_COUNT(texts); i++) {
            assert_contains(texts[i], "{\"params\": {\"key\": \"******\", \"name\": \"plain\"}}");
        }
    }
}

static void an_outcome_is_cut_without_a_part_of_a_secret(void **state)
{
    (void)state;
    assert_string_equal(kit_run(&kit, "says_behind_a_secret", NULL)->text, "****** ");
}

static void a_sentence_of_the_host_is_cut_without_a_part_of_a_secret(void **state)
{
    (void)state;
    const struct kit_outcome *o = kit_run(&kit, "fails", NULL);
    assert_contains(o->text, "unknown record type 000");
    assert_null(strstr(o->text, WORD));
    assert_null(strstr(kit.log, WORD));
}

static void a_fault_is_cut_without_a_part_of_a_secret(void **state)
{
    (void)state;
    static const struct provost_plugin closed = {PROVOST_PLUGIN_HEAD, .name = "closed",
                                                 .version = "1.0.0", .settings = settings,
                                                 .open = refuses_to_open};
    kit_start(&kit, &closed, "{\"token\": \"" SECRET "\"}");
    assert_true(kit.ended);
    assert_int_equal(kit.exit_status, 3);
    assert_contains(kit.fault, "closed: 000");
    assert_null(strstr(kit.fault, WORD));
    kit_stop(&kit);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(what_a_query_is_given_is_masked),
        WITH_HOST(an_outcome_is_cut_without_a_part_of_a_secret),
        WITH_HOST(a_sentence_of_the_host_is_cut_without_a_part_of_a_secret),
        cmocka_unit_test(a_fault_is_cut_without_a_part_of_a_secret),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

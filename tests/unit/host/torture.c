/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation n of core's fails, for every n (that one, or it and all that follow), while a step
 * uses what the host offers. The step is told and says so, or succeeds with the right result, or
 * the host ends with 4; where it goes on, the same step succeeds at once. */
#include "tests/unit/host/kit.h"
#include "tests/unit/host/server.h"
#include "tests/unit/starve.h"

#include "core/base/hash.h"
#include "core/host/internal.h"
#include "core/json/json.h"
#include "core/net/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MOST 2000u /* allocations of one step */

static struct kit kit;
static struct server server;

/* ---- the step ---- */

static int failed; /* what the host call that failed said */
static const char *secret;

static int sleeps(struct provost_call *call)
{
    return call->host->sleep(call, 1);
}

static int tells(struct provost_call *call)
{
    call->host->log(call, PROVOST_LOG_INFO, "a line");
    call->host->progress(call, 50, "half of it");
    return 0;
}

static int reads(struct provost_call *call)
{
    const char *value = NULL;
    uint64_t version = 0;
    int code = call->host->kv_get(call, PROVOST_SCOPE_SERVICE, "key", &value, &version);
    if (code == 0) {
        assert_string_equal(value, "8080");
        assert_int_equal(version, 5);
    }
    return code;
}

static int writes(struct provost_call *call)
{
    return call->host->kv_put(call, PROVOST_SCOPE_SERVICE, "key", "[1]", 5);
}

static int saves(struct provost_call *call)
{
    int code = call->host->state_set(call, "{\"id\": 7}");
    return code == 0 ? call->host->state_save(call) : code;
}

static int makes_secret(struct provost_call *call)
{
    int code = call->host->secret_new(call, "password", NULL, 12, &secret);
    if (code == 0) {
        assert_string_equal(secret, "8080");
        call->host->log(call, PROVOST_LOG_INFO, secret);
    }
    return code;
}

static int get(struct provost_call *call, const char *host, const char *path, uint32_t flags)
{
    char url[100];
    static const char *const headers[] = {"X-Empty:", "X-Full: yes", NULL};
    snprintf(url, sizeof(url), "http://%s:%d%s", host, server.port, path);
    const struct provost_http_request request = {.struct_size = sizeof(request),
                                                 .url = url,
                                                 .headers = headers,
                                                 .flags = flags,
                                                 .idempotency_label = "get"};
    struct provost_http_response response = {.struct_size = sizeof(response)};
    int code = call->host->http(call, &request, &response);
    if (code == 0) {
        assert_int_equal(response.status, 200);
        assert_true(response.body_len > 0 && strlen(response.body) == response.body_len);
        assert_contains(response.headers, "Content-Length");
    }
    return code;
}

static int asks_server(struct provost_call *call)
{
    return get(call, "127.0.0.1", "/echo", 0);
}

static int follows(struct provost_call *call)
{
    return get(call, "localhost", "/to-ok", PROVOST_H_REDIRECTS);
}

static int executes(struct provost_call *call)
{
    static const char *const argv[] = {"/bin/echo", "done", NULL};
    const struct provost_exec_request request = {.struct_size = sizeof(request), .argv = argv};
    struct provost_exec_result result = {.struct_size = sizeof(result)};
    int code = call->host->exec(call, &request, &result);
    if (code == 0) {
        assert_int_equal(result.exit_status, 0);
        assert_string_equal(result.output, "done\n");
    }
    return code;
}

/* More than the call's memory has room for when it begins. */
static int prints(struct provost_call *call)
{
    static const char *const argv[] = {"/bin/sh", "-c", "printf %0200000d 7", NULL};
    const struct provost_exec_request request = {.struct_size = sizeof(request), .argv = argv};
    struct provost_exec_result result = {.struct_size = sizeof(result)};
    int code = call->host->exec(call, &request, &result);
    if (code == 0) {
        assert_int_equal(result.output_len, 200000);
    } else if (code == PROVOST_E_NOMEM) {
        assert_false(pv_call_of(call)->touched); /* it has not been started */
    }
    return code;
}

static int run_parts(struct provost_call *call, int (*const *parts)(struct provost_call *),
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        failed = parts[i](call);
        if (failed != 0) {
            assert_true(call->host->error(call)[0] != '\0');
            return call->host->outcome(call, PROVOST_TEMPORARY, -1, call->host->error(call));
        }
    }
    failed = call->host->result(call, "{\"all\": true}");
    return failed == 0 ? PROVOST_OK : PROVOST_TEMPORARY;
}

#define PARTS(...)                                                                                 \
    static int (*const parts[])(struct provost_call *) = {__VA_ARGS__};                            \
    return run_parts(call, parts, PV_COUNT(parts))

static int asks(struct provost_call *call)
{
    PARTS(sleeps, tells, reads, writes, saves, makes_secret);
}

static int reaches(struct provost_call *call)
{
    PARTS(asks_server, follows);
}

static int starts(struct provost_call *call)
{
    PARTS(executes);
}

static int fills(struct provost_call *call)
{
    PARTS(prints);
}

static const struct provost_step create[] = {
    {.name = "asks", .run = asks},
    {.name = "reaches", .run = reaches},
    {.name = "starts", .run = starts},
    {.name = "fills", .run = fills},
    {0},
};
static const struct provost_plugin plugin = {PROVOST_PLUGIN_HEAD, .flags = PROVOST_P_EXEC,
                                             .name = "user", .create = create};

static void feed(struct pv_buf *frames)
{
    assert_int_equal(frames->status, 0);
    starve_on();
    int status = pv_host_feed(kit.host, pv_buf_view(frames));
    starve_off();
    assert_true(status == 0 || (starve_hit && status == PV_ENOMEM));
    pv_buf_done(frames);
}

static bool asked;
static uint32_t ask_number;

/* Remembers the question; it is answered when the loop has turned. */
static bool hear(struct kit *k, uint64_t call, const struct pv_wire_ask *ask,
                 struct pv_wire_answer *ret)
{
    (void)k;
    (void)call;
    (void)ret;
    asked = true;
    ask_number = ask->ask;
    return false;
}

/* Has the step run until its outcome is there, or the host has ended. */
static void live(uint64_t call, const char *name, const char *input)
{
    struct pv_wire_step step = kit_step(name, input);
    struct pv_buf out;
    step.slot = (uint32_t)call;
    asked = false;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_step(&out, call, &step);
    feed(&out);
    while (!kit.ended && !kit.outcomes[call].there) {
        starve_on();
        kit_turn(&kit);
        starve_off();
        if (asked) {
            const struct pv_wire_answer answer = {
                .ask = ask_number, .value = PV_STR("8080"), .number = 5};
            asked = false;
            pv_buf_init(&out, PV_FRAME_MAX);
            pv_wire_put_answer(&out, call, &answer);
            feed(&out);
        }
    }
}

static void expect_success(uint64_t call)
{
    assert_true(kit.outcomes[call].there);
    assert_int_equal(kit.outcomes[call].code, PV_OUT_OK);
    assert_string_equal(kit.outcomes[call].result, "{\"all\": true}");
}

/* What the plugin was told names the lack of memory, or what it made impossible. */
static bool is_clear(const struct kit_outcome *o)
{
    return failed == 0 || failed == PROVOST_E_NOMEM || failed == PROVOST_E_NOT_SENT ||
           failed == PROVOST_E_LOST ||
           (failed == PROVOST_E_TOO_BIG &&
            (strstr(o->text, "the call's memory") != NULL ||
             strstr(o->text, "out of memory") != NULL || o->text[0] == '\0'));
}

static bool fails_at(const void *of, unsigned long n)
{
    const char *name = of;
    kit_start(&kit, &plugin, NULL);
    kit.answer = hear;
    assert_non_null(pv_buf_reserve(&kit.in, 65536));
    starve_at(n);
    failed = 0;
    live(1, name, NULL);
    bool reached = starve_end();
    const struct kit_outcome *o = &kit.outcomes[1];
    if (kit.ended) {
        assert_true(reached);
        assert_int_equal(kit.exit_status, 4);
    } else if (o->code == PV_OUT_OK) {
        expect_success(1);
    } else if (!reached || o->code != PV_OUT_TEMPORARY || !is_clear(o)) {
        fail_msg("%s, allocation %lu%s: outcome %d, error %d: %s", name, n,
                 starve_sticky ? " and all after it" : "", o->code, failed, o->text);
    }
    if (!kit.ended) {
        live(2, name, NULL);
        expect_success(2);
        assert_string_equal(kit.outcomes[2].text, ""); /* the first may withhold its own */
    }
    kit_stop(&kit);
    return reached;
}

static void questions(void **state)
{
    (void)state;
    starve_each(fails_at, "asks", 3, MOST);
}

static void requests(void **state)
{
    (void)state;
    server_start(&server, NULL);
    starve_each(fails_at, "reaches", 3, MOST);
    server_stop(&server);
}

static void programs(void **state)
{
    (void)state;
    starve_each(fails_at, "starts", 3, MOST);
    starve_each(fails_at, "fills", 3, MOST);
}

/* ---- what is secret stays so, and what is right stays so, however little memory there is ---- */

#define SETTINGS                                                                                   \
    "{\"url\":\"http://10.1.2.3:8080/api\",\"token\":\"hush\\u00fc \\\\ "                          \
    "quiet\",\"pins\":[4711,{\"a\":"                                                               \
    "\"deepest\"}]}"
#define PLAIN "{\"url\":\"http://10.1.2.3:8080/api\"}"
#define INPUT "{\"service\":{\"params\":{\"password\":\"swordfish\",\"name\":\"open\"}}}"

static const char *const secrets[] = {"hush\xc3\xbc \\ quiet", "4711", "deepest", "swordfish"};

static const struct provost_field secretive_settings[] = {
    {.name = "url"},
    {.name = "token", .flags = PROVOST_F_SECRET},
    {.name = "pins", .flags = PROVOST_F_SECRET},
    {0}};
static const struct provost_field secretive_product[] = {
    {.name = "password", .flags = PROVOST_F_SECRET}, {.name = "name"}, {0}};

static int shows(struct provost_call *call)
{
    struct sockaddr_in private = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a010203)}};
    const struct pv_url url = {.host = (char *)(uintptr_t) "10.1.2.3",
                               .port = (char *)(uintptr_t) "8080",
                               .literal = true};
    assert_true(pv_admit_address(kit.host, &url, (const struct sockaddr *)&private));
    for (size_t i = 0; i < PV_COUNT(secrets); i++) {
        call->host->log(call, PROVOST_LOG_INFO, secrets[i]);
    }
    int code = call->host->state_set(call, "{\"id\": [1, \"two\", {\"x\": null}]}");
    if (code != 0) {
        assert_int_equal(code, PROVOST_E_NOMEM);
        return call->host->outcome(call, PROVOST_TEMPORARY, -1, secrets[3]);
    }
    return call->host->outcome(call, PROVOST_OK, -1, secrets[0]);
}

static const struct provost_step shown[] = {{.name = "shows", .run = shows}, {0}};
static const struct provost_plugin declared = {PROVOST_PLUGIN_HEAD, .name = "tells",
                                               .product = secretive_product, .create = shown};

static int declares(const char *settings, const struct provost_plugin **ret_plugin, char *error,
                    size_t error_size)
{
    (void)error;
    (void)error_size;
    assert_string_equal(settings, PLAIN);
    *ret_plugin = &declared;
    return 0;
}

static const struct provost_plugin secretive = {
    PROVOST_PLUGIN_HEAD,          .name = "secretive", .settings = secretive_settings,
    .product = secretive_product, .create = shown,     .declare = declares};

static void expect_no_secret(unsigned long n, const char *where, const char *text)
{
    for (size_t i = 0; i < PV_COUNT(secrets); i++) {
        if (strstr(text, secrets[i]) != NULL) {
            fail_msg("allocation %lu%s: %s: %s", n, starve_sticky ? " and all after it" : "", where,
                     text);
        }
    }
}

static bool keeps_secrets_at(const void *name, unsigned long n)
{
    struct pv_buf out;
    const struct pv_wire_hello hello = kit_hello(SETTINGS);
    kit_new(&kit, &secretive);
    assert_non_null(pv_buf_reserve(&kit.in, 65536));
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_hello(&out, &hello);
    starve_at(n);
    feed(&out);
    if (!kit.ended) {
        live(1, name, INPUT);
    }
    bool reached = starve_end();
    if (!kit.ended) {
        live(2, name, INPUT);
    }
    kit_stop(&kit);
    if (kit.outcomes[2].there) {
        assert_int_equal(kit.outcomes[2].code, PV_OUT_OK);
        assert_true(reached || strcmp(kit.outcomes[2].text, "******") == 0);
    } else {
        assert_true(reached);
        assert_true(kit.exit_status == 3 || kit.exit_status == 4);
    }
    expect_no_secret(n, "outcome", kit.outcomes[1].text);
    expect_no_secret(n, "outcome", kit.outcomes[2].text);
    expect_no_secret(n, "log", kit.log);
    expect_no_secret(n, "fault", kit.fault);
    if (kit.exit_status == 3 && strstr(kit.fault, "out of memory") == NULL) {
        fail_msg("allocation %lu%s: fault: \"%s\"", n, starve_sticky ? " and all after it" : "",
                 kit.fault);
    }
    return reached;
}

static void secrets_stay_secret(void **state)
{
    (void)state;
    const struct pv_reach reach = {0};
    kit_reach = &reach;
    starve_each(keeps_secrets_at, "shows", 60, MOST);
    kit_reach = NULL;
}

int main(void)
{
    pv_json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions),
        cmocka_unit_test(requests),
        cmocka_unit_test(programs),
        cmocka_unit_test(secrets_stay_secret),
    };
    return pv_base_init() != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where `http` may go in a guarded host: what settings name, however the address is written; a
 * refusal leaves the step untouched. */
#include "tests/unit/host/kit.h"
#include "tests/unit/host/server.h"

#include "core/base/hash.h"
#include "core/host/internal.h"
#include "core/net/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct kit kit;
static struct server server;
static struct pv_reach reach;
static char url[300];
static uint32_t flags;
static int code;
static int status;
static char error_text[1000];

static int step(struct provost_call *call)
{
    const struct provost_http_request request = {
        .struct_size = sizeof(request), .url = url, .flags = flags};
    struct provost_http_response response = {.struct_size = sizeof(response)};
    code = call->host->http(call, &request, &response);
    status = response.status;
    snprintf(error_text, sizeof(error_text), "%s", call->host->error(call));
    return PROVOST_OK;
}

static const struct provost_step create[] = {{.name = "http", .run = step}, {0}};
static const struct provost_plugin plugin = {PROVOST_PLUGIN_HEAD, .name = "caller",
                                             .create = create};

/* One GET in a host whose settings name this URL. */
static void get(const char *named)
{
    char settings[400];
    snprintf(settings, sizeof(settings), "{\"panel\": {\"urls\": [\"%s\"]}}", named);
    kit_reach = &reach;
    kit_start(&kit, &plugin, settings);
    bool touched = kit_run(&kit, "http", NULL)->touched;
    assert_int_equal(touched, code == 0 || flags != 0);
    kit_stop(&kit);
    kit_reach = NULL;
}

static int start(void **state)
{
    (void)state;
    flags = 0;
    reach = (struct pv_reach){0};
    server_start(&server, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

static void what_settings_name_is_reached(void **state)
{
    (void)state;
    char named[100];
    snprintf(named, sizeof(named), "http://127.0.0.1:%d/base", server.port);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", server.port);
    get(named);
    assert_int_equal(code, 0);
    assert_int_equal(status, 200);
    snprintf(named, sizeof(named), "http://localhost:%d", server.port);
    snprintf(url, sizeof(url), "http://LocalHost:%d/ok", server.port);
    get(named);
    assert_int_equal(code, 0);
}

static void nothing_else_of_this_machine_is(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1",          "localhost", "2130706433",
                                        "0177.0.0.1",         "0x7f.1",    "127.1",
                                        "[::ffff:127.0.0.1]", "[::1]",     "0.0.0.0"};
    for (size_t i = 0; i < PV_COUNT(hosts); i++) {
        snprintf(url, sizeof(url), "http://%s:%d/ok", hosts[i], server.port);
        get("https://panel.example/");
        assert_int_equal(code, PROVOST_E_DENIED);
        assert_contains(error_text, "is not a public address");
    }
    /* Another port of a host that is named is another backend. */
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", server.port);
    get("http://127.0.0.1:1/");
    assert_int_equal(code, PROVOST_E_DENIED);
    assert_int_equal(atomic_load(&server.requests), 0);
}

static void redirects_are_judged_too(void **state)
{
    (void)state;
    char named[100];
    flags = PROVOST_H_REDIRECTS;
    snprintf(named, sizeof(named), "http://127.0.0.1:%d/", server.port);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/to-ok", server.port);
    get(named);
    assert_int_equal(code, 0); /* to the same host */
    assert_int_equal(status, 200);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/away", server.port);
    get(named);
    assert_int_equal(code, PROVOST_E_DENIED); /* to a name that nobody gave */
    assert_contains(error_text, "is not a public address");
}

static void sockets_are_granted_by_path(void **state)
{
    (void)state;
    snprintf(url, sizeof(url), "unix:/run/provost-granted.sock:/ok");
    get("https://panel.example/");
    assert_int_equal(code, PROVOST_E_DENIED);
    assert_contains(error_text, "grants.unix_sockets");
    assert_int_equal(pv_reach_add(&reach.unix_sockets, PV_STR("/run/provost-granted.sock")), 0);
    get("https://panel.example/");
    assert_int_equal(code, PROVOST_E_NOT_SENT); /* admitted; nobody listens */
}

/* Without a network: the judgement alone. */
static void addresses_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *named;
        const char *asked;
        const char *address;
        bool admitted;
    } cases[] = {
        {"https://panel.example", "https://panel.example/x", "203.0.113.9", true},
        {"https://panel.example", "https://panel.example/x", "10.1.2.3", true},
        {"https://panel.example", "https://panel.example:8443/x", "10.1.2.3", false},
        {"https://panel.example", "https://evil.example/", "10.1.2.3", false},
        {"https://panel.example", "https://evil.example/", "1.1.1.1", true},
        {"https://panel.example", "https://panel.example/", "169.254.169.254", false},
        {"http://169.254.169.254", "http://169.254.169.254/x", "169.254.169.254", true},
        {"https://panel.example", "http://169.254.169.254/x", "169.254.169.254", false},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct pv_host host = {.opts = {.guarded = true}};
        char settings[200];
        snprintf(settings, sizeof(settings), "{\"url\": \"%s\"}", cases[i].named);
        assert_int_equal(pv_admit_settings(&host, settings), 0);
        struct pv_url asked = {0};
        assert_int_equal(pv_url_parse(cases[i].asked, &asked, NULL), 0);
        struct sockaddr_in in = {.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, cases[i].address, &in.sin_addr), 1);
        bool admitted = pv_admit_address(&host, &asked, (const struct sockaddr *)&in);
        if (admitted != cases[i].admitted) {
            fail_msg("case %zu", i);
        }
        pv_url_done(&asked);
        pv_admit_done(&host);
    }
}

int main(void)
{
    if (pv_base_init() != 0) {
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_settings_name_is_reached, start, stop),
        cmocka_unit_test_setup_teardown(nothing_else_of_this_machine_is, start, stop),
        cmocka_unit_test_setup_teardown(redirects_are_judged_too, start, stop),
        cmocka_unit_test_setup_teardown(sockets_are_granted_by_path, start, stop),
        cmocka_unit_test(addresses_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

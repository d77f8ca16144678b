/* SPDX-License-Identifier: Apache-2.0 */
/* The life of hosts and calls while nothing is wrong with them, and the ways in which a start
 * fails. */
#include "core/base/log.h"
#include "tests/unit/runner/fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void steps_run_and_answer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    for (uint64_t id = 1; id < 10; id++) {
        assert_int_equal(start_step(&f, id, "ok", false, 60000), 0);
    }
    for (uint64_t id = 1; id < 10; id++) {
        until(&f, &f.told[id].over);
        assert_int_equal(f.told[id].code, PV_OUT_OK);
        assert_string_equal(f.told[id].text, "{\"n\":1}");
    }
    struct pv_host_status status;
    assert_int_equal(host_count(&f, &status), 1);
    assert_true(status.pid > 1 && status.rss_bytes > 0);
    assert_int_equal(status.state, PV_HOST_READY);
    assert_true(pv_hosts_has_pid(f.hosts, status.pid));
    assert_false(pv_hosts_has_pid(f.hosts, getpid()));
    /* In the same host, with slots that were used before. */
    assert_int_equal(start_step(&f, 20, "ok", false, 60000), 0);
    until(&f, &f.told[20].over);
    struct pv_host_status again;
    assert_int_equal(host_count(&f, &again), 1);
    assert_int_equal(again.pid, status.pid);
    fixture_end(&f);
}

static void refuses_what_it_cannot_do(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    struct pv_run_step step = {.instance = PV_STR("two"), .wire = {.step = PV_STR("ok")}};
    assert_int_equal(f.runner.start(f.runner.ctx, 1, &step), PV_ENOTFOUND);
    struct pv_query query = {.instance = PV_STR("two")};
    assert_int_equal(f.runner.query(f.runner.ctx, &query), PV_ENOTFOUND);
    assert_int_equal(start_step(&f, 50, "ok", false, 60000), 0);
    until(&f, &f.told[50].over); /* the limit is known once the host has its configuration */
    for (uint64_t id = 1; id <= 40; id++) {
        assert_int_equal(start_step(&f, id, "wait", false, 60000), 0);
    }
    assert_int_equal(start_step(&f, 41, "wait", false, 60000), PV_EBUSY);
    assert_int_equal(start_step(&f, 40, "wait", false, 60000), PV_EINVAL);
    fixture_end(&f);
    assert_true(f.told[40].over);
}

static void host_calls_reach_the_engine(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "ask", false, 60000), 0);
    assert_int_equal(start_step(&f, 2, "progress", false, 60000), 0);
    until(&f, &f.told[1].over);
    until(&f, &f.told[2].over);
    assert_int_equal(f.told[1].asks, 1);
    assert_string_equal(f.told[1].text, "answered");
    assert_int_equal(f.told[2].percent, 40);
    fixture_end(&f);
}

static void a_call_has_one_ask_under_way(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "ask_in_turn", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_OUT_OK);
    assert_int_equal(f.told[1].asks, 3);
    f.silent = true;
    assert_int_equal(start_step(&f, 2, "ask_at_once", false, 60000), 0);
    until(&f, &f.told[2].over);
    assert_true(f.told[2].lost);
    assert_int_equal(f.told[2].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_int_equal(f.told[2].asks, 1);
    assert_non_null(strstr(f.told[2].text, "an ASK before the last one was answered"));
    fixture_end(&f);
}

static void start_with(struct fixture *f, uint64_t id, const char *name, const char *input)
{
    const struct pv_run_step step = {
        .instance = PV_STR("one"),
        .lease_until_ms = pv_mono_ms(&pv_clock_system) + 300000,
        .wire = {.operation = PV_STR("create"), .step = pv_str(name), .input = pv_str(input)},
    };
    assert_int_equal(f->runner.start(f->runner.ctx, id, &step), 0);
    until(f, &f->told[id].over);
}

/* What would be somebody else's part of an answer, or the end of it. */
static const char *const no_documents[] = {
    "null},{\"component\":\"site\",\"result\":null",
    "{\"a\":",
    "<html>",
    "{} ]",
};

static void what_is_no_document_is_nobodys(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    start_with(&f, 1, "result", "{\"a\":[1]}");
    assert_int_equal(f.told[1].code, PV_OUT_OK);
    assert_true(f.told[1].more);
    start_with(&f, 2, "state", "{\"a\":[1]}");
    assert_int_equal(f.told[2].code, PV_OUT_OK);
    assert_true(f.told[2].more);
    for (uint64_t id = 3; id < 3 + 2 * PV_COUNT(no_documents); id += 2) {
        start_with(&f, id, "result", no_documents[(id - 3) / 2]);
        assert_string_equal(f.told[id].text, "the result that the plugin sent is not JSON");
        start_with(&f, id + 1, "state", no_documents[(id - 3) / 2]);
        assert_string_equal(f.told[id + 1].text,
                            "the state document that the plugin sent is not JSON");
        for (uint64_t each = id; each <= id + 1; each++) {
            assert_int_equal(f.told[each].code, PV_OUT_UNKNOWN);
            assert_true(f.told[each].touched);
            assert_false(f.told[each].more);
        }
    }
    start_with(&f, 20, "save", "{\"a\":[1]}");
    assert_int_equal(f.told[20].asks, 1);
    start_with(&f, 21, "save", "{\"a\":");
    assert_int_equal(f.told[21].asks, 0);
    assert_string_equal(f.told[21].text, "the state document is not JSON");
    fixture_end(&f);
}

static void what_is_no_document_is_no_answer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    struct pv_query query;
    f.query_input = "{\"a\":1}";
    assert_int_equal(ask_query(&f, &query, "result", 60000), 0);
    until(&f, &f.queried.over);
    assert_int_equal(f.queried.code, PV_OUT_OK);
    assert_true(f.queried.more);
    for (size_t i = 0; i < PV_COUNT(no_documents); i++) {
        f.query_input = no_documents[i];
        assert_int_equal(ask_query(&f, &query, "result", 60000), 0);
        until(&f, &f.queried.over);
        assert_int_equal(f.queried.code, PV_OUT_TEMPORARY);
        assert_string_equal(f.queried.text, "the result that the plugin sent is not JSON");
        assert_false(f.queried.more);
    }
    fixture_end(&f);
}

static int lines_in(int fd)
{
    static char text[1024 * 1024];
    ssize_t n = pread(fd, text, sizeof(text), 0);
    int count = 0;
    for (ssize_t i = 0; i < n; i++) {
        count += text[i] == '\n' ? 1 : 0;
    }
    return count;
}

static void a_call_says_only_so_much(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
    until(&f, &f.told[1].over);
    int lines = memfd_create("log", MFD_CLOEXEC);
    assert_true(lines >= 0);
    pv_log_setup(lines, 0, PV_INFO, NULL);
    for (uint64_t id = 2; id <= 3; id++) { /* each */
        assert_int_equal(start_step(&f, id, "chatter", false, 60000), 0);
        until(&f, &f.told[id].over);
        assert_int_equal(f.told[id].code, PV_OUT_OK);
        assert_int_equal(f.told[id].progresses, 1001);
        assert_int_equal(lines_in(lines), 1001 * (id - 1));
    }
    pv_log_setup(2, 0, PV_INFO, NULL);
    close(lines);
    fixture_end(&f);
}

static bool key_of_second_byte(void *ctx, struct pv_id op, uint8_t out[PV_SIGNAL_KEY_BYTES])
{
    (void)ctx;
    memset(out, op.b[1], PV_SIGNAL_KEY_BYTES);
    return op.b[0] != 0;
}

static void start_keyed(struct fixture *f, uint64_t id, struct pv_id op)
{
    const struct pv_run_step step = {
        .instance = PV_STR("one"),
        .lease_until_ms = pv_mono_ms(&pv_clock_system) + 300000,
        .wire = {.op = op, .operation = PV_STR("create"), .step = PV_STR("signal_key")},
    };
    assert_int_equal(f->runner.start(f->runner.ctx, id, &step), 0);
    until(f, &f->told[id].over);
}

static void steps_carry_the_key_of_their_operation(void **state)
{
    (void)state;
    struct fixture f;
    const struct pv_hosts_options keyed = {.signal_key = key_of_second_byte};
    fixture_start(&f, &keyed);
    start_keyed(&f, 1, (struct pv_id){{1, 0xAB}});
    assert_string_equal(f.told[1].text, "abababababababababababababababab");
    start_keyed(&f, 2, (struct pv_id){{1, 2}});
    assert_string_equal(f.told[2].text, "02020202020202020202020202020202");
    start_keyed(&f, 3, (struct pv_id){{0}}); /* there is none */
    assert_string_equal(f.told[3].text, "");
    fixture_end(&f);
    fixture_start(&f, NULL);
    start_keyed(&f, 1, (struct pv_id){{1}});
    assert_string_equal(f.told[1].text, "");
    fixture_end(&f);
}

static void cancel_comes_back_as_an_outcome(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "wait", false, 60000), 0);
    f.runner.cancel(f.runner.ctx, 1); /* still queued: the host is not there yet */
    assert_false(f.told[1].over);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_OUT_CANCELED);
    assert_int_equal(start_step(&f, 2, "touched_wait", false, 60000), 0);
    until_state(&f, PV_HOST_READY);
    assert_int_equal(start_step(&f, 3, "ok", false, 60000), 0);
    until(&f, &f.told[3].over); /* so 2 is with the host */
    f.runner.cancel(f.runner.ctx, 2);
    f.runner.cancel(f.runner.ctx, 2);
    f.runner.cancel(f.runner.ctx, 77);
    until(&f, &f.told[2].over);
    assert_int_equal(f.told[2].code, PV_OUT_CANCELED);
    assert_false(f.told[2].lost);
    fixture_end(&f);
}

static void time_never_exceeds_the_lease(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    struct pv_run_step step = {.instance = PV_STR("one"),
                               .lease_until_ms = pv_mono_ms(&pv_clock_system) + 5000,
                               .wire = {.timeout_ms = 60000, .step = PV_STR("timeout")}};
    assert_int_equal(f.runner.start(f.runner.ctx, 1, &step), 0);
    until(&f, &f.told[1].over);
    int64_t given_ms = 0;
    assert_int_equal(pv_str_to_i64(pv_str(f.told[1].text), &given_ms), 0);
    assert_true(given_ms > 0 && given_ms <= 5000);
    fixture_end(&f);
}

static void queries_answer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    snprintf(f.settings, sizeof(f.settings), "{\"token\":\"hush\"}");
    struct pv_query query;
    assert_int_equal(ask_query(&f, &query, "settings", 60000), 0);
    until(&f, &f.queried.over);
    assert_int_equal(f.queried.code, PV_OUT_OK);
    assert_string_equal(f.queried.text, "{\"token\":\"hush\"}");
    /* A query keeps nothing. */
    assert_int_equal(ask_query(&f, &query, "ask", 60000), 0);
    until(&f, &f.queried.over);
    assert_string_equal(f.queried.text, "a query keeps nothing");
    /* A lost host is an outcome. */
    assert_int_equal(ask_query(&f, &query, "crash", 60000), 0);
    until(&f, &f.queried.over);
    assert_int_equal(f.queried.code, PV_OUT_TEMPORARY);
    fixture_end(&f);
}

static void a_query_has_a_time_limit(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_hosts_options options = {.grace_ms = 50};
    fixture_start(&f, &options);
    struct pv_query query;
    assert_int_equal(ask_query(&f, &query, "deaf", 50), 0);
    until(&f, &f.queried.over);
    assert_int_equal(f.queried.code, PV_OUT_TEMPORARY);
    fixture_end(&f);
}

static void a_solo_step_has_its_own_host(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "wait", false, 60000), 0);
    assert_int_equal(start_step(&f, 2, "crash", true, 60000), 0);
    assert_int_equal(start_step(&f, 3, "ok", true, 60000), 0);
    assert_int_equal(host_count(&f, NULL), 3);
    until(&f, &f.told[2].over);
    until(&f, &f.told[3].over);
    assert_int_equal(f.told[2].code, PV_LOST_CULPRIT_UNTOUCHED);
    assert_int_equal(f.told[3].code, PV_OUT_OK);
    assert_false(f.told[1].over);
    while (host_count(&f, NULL) > 1) { /* the solo hosts end by themselves */
        uv_run(&f.loop, UV_RUN_ONCE);
    }
    fixture_end(&f);
}

static void solo_hosts_are_few(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    uint64_t id = 1;
    while (start_step(&f, id, "wait", true, 60000) == 0) {
        id++;
        assert_true(id < 20);
    }
    assert_int_equal(start_step(&f, id, "wait", true, 60000), PV_EBUSY);
    assert_int_equal(start_step(&f, 50, "ok", false, 60000), 0);
    until(&f, &f.told[50].over);
    fixture_end(&f);
}

static void an_idle_host_ends(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.idle_after_ms = 30;
    assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
    until(&f, &f.told[1].over);
    while (host_count(&f, NULL) > 0) {
        uv_run(&f.loop, UV_RUN_ONCE);
    }
    assert_int_equal(start_step(&f, 2, "ok", false, 60000), 0);
    until(&f, &f.told[2].over);
    struct pv_host_status status;
    host_count(&f, &status);
    assert_int_equal(status.restarts, 0);
    fixture_end(&f);
}

static void a_changed_instance_drains(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    snprintf(f.settings, sizeof(f.settings), "{\"v\":1}");
    assert_int_equal(start_step(&f, 1, "wait", false, 60000), 0);
    until_state(&f, PV_HOST_READY);
    pv_hosts_reload(f.hosts); /* nothing changed */
    assert_int_equal(host_count(&f, NULL), 1);
    struct pv_host_status status;
    host_count(&f, &status);
    assert_int_equal(status.state, PV_HOST_READY);

    snprintf(f.settings, sizeof(f.settings), "{\"v\":2}");
    pv_hosts_reload(f.hosts);
    host_count(&f, &status);
    assert_int_equal(status.state, PV_HOST_DRAINING);
    struct pv_query query;
    assert_int_equal(ask_query(&f, &query, "settings", 60000), 0);
    until(&f, &f.queried.over);
    assert_string_equal(f.queried.text, "{\"v\":2}");
    assert_false(f.told[1].over);
    assert_int_equal(host_count(&f, NULL), 2);
    f.runner.cancel(f.runner.ctx, 1);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_OUT_CANCELED);
    while (host_count(&f, NULL) > 1) {
        uv_run(&f.loop, UV_RUN_ONCE);
    }
    fixture_end(&f);
}

static void a_start_that_fails_is_a_fault(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        const char *says;
    } cases[] = {
        {"start-fault", "url: cannot be reached"},
        {"start-crash", "SIGABRT"},
        {"start-hang", "not ready in time"},
        {"start-malformed", "a malformed READY"},
    };
    for (size_t i = 0; i < PV_COUNT(cases); i++) {
        struct fixture f;
        fixture_start(&f, NULL);
        f.start_timeout_ms = i == 2 ? 100 : 20000;
        snprintf(f.settings, sizeof(f.settings), "%s", cases[i].settings);
        assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
        assert_int_equal(start_step(&f, 2, "ok", true, 60000), 0);
        until(&f, &f.told[1].over);
        until(&f, &f.told[2].over);
        for (int id = 1; id <= 2; id++) {
            assert_true(f.told[id].lost);
            assert_int_equal(f.told[id].code, PV_LOST_START);
            assert_non_null(strstr(f.told[id].text, cases[i].says));
        }
        /* It is listed with its fault although it has no host; mended, it works. */
        struct pv_host_status status;
        while (host_count(&f, &status) > 1 || status.pid != 0) {
            uv_run(&f.loop, UV_RUN_ONCE);
        }
        assert_non_null(strstr(status.fault.ptr, cases[i].says));
        snprintf(f.settings, sizeof(f.settings), "{}");
        pv_hosts_reload(f.hosts);
        assert_int_equal(start_step(&f, 3, "ok", false, 60000), 0);
        until(&f, &f.told[3].over);
        assert_int_equal(f.told[3].code, PV_OUT_OK);
        fixture_end(&f);
    }
}

static void no_settings_and_no_program_are_faults(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    f.instance_status = PV_ENOTFOUND;
    assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_LOST_START);
    assert_non_null(strstr(f.told[1].text, "settings: no such file"));
    fixture_end(&f);

    struct pv_hosts_options options = {.program = "/nonexistent/provost-host"};
    fixture_start(&f, &options);
    assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(f.told[1].code, PV_LOST_START);
    assert_non_null(strstr(f.told[1].text, "No such file"));
    fixture_end(&f);
}

static void a_second_start_waits(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_hosts_options options = {.backoff_ms = 300, .backoff_cap_ms = 300};
    fixture_start(&f, &options);
    int64_t before_ms = pv_mono_ms(&pv_clock_system);
    assert_int_equal(start_step(&f, 1, "crash", false, 60000), 0);
    until(&f, &f.told[1].over);
    assert_int_equal(start_step(&f, 2, "ok", false, 60000), 0);
    struct pv_host_status status;
    host_count(&f, &status);
    assert_int_equal(status.state, PV_HOST_BACKOFF);
    until(&f, &f.told[2].over);
    assert_true(pv_mono_ms(&pv_clock_system) - before_ms >= 300);
    host_count(&f, &status);
    assert_int_equal(status.restarts, 1);
    fixture_end(&f);
}

/* Its process ends and nobody of the spawner's own: nothing says that it fell to the spawner. */
static void what_detaches_itself_is_killed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "detach", false, 60000), 0);
    until(&f, &f.told[1].over);
    int64_t pid = 0;
    assert_int_equal(pv_str_to_i64(pv_str(f.told[1].text), &pid), 0);
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0), .events = POLLIN};
    if (end.fd >= 0) { /* it lives still */
        assert_int_equal(poll(&end, 1, 20000), 1);
        close(end.fd);
    } else {
        assert_int_equal(errno, ESRCH);
    }
    assert_int_equal(start_step(&f, 2, "ok", false, 60000), 0);
    until(&f, &f.told[2].over);
    struct pv_host_status status;
    assert_int_equal(host_count(&f, &status), 1);
    assert_int_equal(status.restarts, 0); /* its host went on */
    fixture_end(&f);
}

static void a_stop_before_any_start_answers(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, NULL);
    assert_int_equal(start_step(&f, 1, "ok", false, 60000), 0);
    fixture_end(&f);
    assert_true(f.told[1].over);
    assert_int_equal(f.told[1].code, PV_OUT_CANCELED);
}

static void a_stop_answers_everything(void **state)
{
    (void)state;
    struct fixture f;
    struct pv_hosts_options options = {.grace_ms = 1500}; /* for 1, which answers */
    fixture_start(&f, &options);
    assert_int_equal(start_step(&f, 1, "wait", false, 60000), 0);
    until_state(&f, PV_HOST_READY);
    assert_int_equal(start_step(&f, 2, "deaf", false, 60000), 0);
    assert_int_equal(start_step(&f, 3, "wait", true, 60000), 0);
    fixture_end(&f);
    for (int id = 1; id <= 3; id++) {
        assert_true(f.told[id].over);
    }
    assert_int_equal(f.told[1].code, PV_OUT_CANCELED);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FAKE_HOST\n", argv[0]);
        return 2;
    }
    fake_host_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_run_and_answer),
        cmocka_unit_test(refuses_what_it_cannot_do),
        cmocka_unit_test(host_calls_reach_the_engine),
        cmocka_unit_test(a_call_has_one_ask_under_way),
        cmocka_unit_test(what_is_no_document_is_nobodys),
        cmocka_unit_test(what_is_no_document_is_no_answer),
        cmocka_unit_test(a_call_says_only_so_much),
        cmocka_unit_test(steps_carry_the_key_of_their_operation),
        cmocka_unit_test(cancel_comes_back_as_an_outcome),
        cmocka_unit_test(time_never_exceeds_the_lease),
        cmocka_unit_test(queries_answer),
        cmocka_unit_test(a_query_has_a_time_limit),
        cmocka_unit_test(a_solo_step_has_its_own_host),
        cmocka_unit_test(solo_hosts_are_few),
        cmocka_unit_test(an_idle_host_ends),
        cmocka_unit_test(a_changed_instance_drains),
        cmocka_unit_test(a_start_that_fails_is_a_fault),
        cmocka_unit_test(no_settings_and_no_program_are_faults),
        cmocka_unit_test(a_second_start_waits),
        cmocka_unit_test(what_detaches_itself_is_killed),
        cmocka_unit_test(a_stop_before_any_start_answers),
        cmocka_unit_test(a_stop_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

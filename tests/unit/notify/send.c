/* SPDX-License-Identifier: Apache-2.0 */
/* The transport, against a server that misbehaves: how a post ends; and allocation n fails, core's
 * or libcurl's, for every n. */
#include "tests/unit/host/server.h"
#include "tests/unit/starve.h"
#include "tests/unit/unit.h"

#include "core/notify/send.h"

#include <stdio.h>
#include <string.h>

#define MOST 3000u

struct rig {
    uv_loop_t loop;
    struct pv_sender *sender;
    struct pv_notify_transport transport;
    struct pv_notify_post post;
    char url[100];
    int calls;
    int status;
    int64_t retry_after_ms;
    char error[PV_NOTIFY_ERROR];
    bool closed;
};

static struct server server;

static void on_done(struct pv_notify_post *post, int status, int64_t retry_after_ms,
                    const char *error)
{
    struct rig *rig = PV_CONTAINER(post, struct rig, post);
    rig->calls++;
    rig->status = status;
    rig->retry_after_ms = retry_after_ms;
    snprintf(rig->error, sizeof(rig->error), "%s", error);
}

static void open_rig(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(pv_sender_new(&rig->loop, &pv_clock_system, &rig->sender), 0);
    rig->transport = pv_sender_transport(rig->sender);
}

static void on_closed(void *user)
{
    struct rig *rig = user;
    rig->closed = true;
}

static void close_rig(struct rig *rig)
{
    pv_sender_close(rig->sender, on_closed, rig);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_true(rig->closed);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

/* Sends one and waits for its end; what `post` itself returned. */
static int send_one(struct rig *rig, const char *host, int port, const char *path)
{
    rig->calls = 0;
    snprintf(rig->url, sizeof(rig->url), "http://%s:%d%s", host, port, path);
    rig->post = (struct pv_notify_post){.url = rig->url,
                                        .body = PV_STR("{}"),
                                        .id = "msg_1",
                                        .timestamp = "1",
                                        .signature = "v1,x",
                                        .timeout_ms = 20000,
                                        .done = on_done};
    starve_on();
    int status = rig->transport.post(rig->transport.ctx, &rig->post);
    starve_off();
    assert_int_equal(rig->calls, 0); /* never from within */
    while (status == 0 && rig->calls == 0) {
        starve_on();
        uv_run(&rig->loop, UV_RUN_ONCE);
        starve_off();
    }
    return status;
}

static void answers_are_told(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig);
    assert_int_equal(send_one(&rig, "127.0.0.1", server.port, "/ok"), 0);
    assert_int_equal(rig.status, 200);
    assert_string_equal(rig.error, "");
    assert_int_equal(send_one(&rig, "localhost", server.port, "/503"), 0);
    assert_int_equal(rig.status, 503);
    assert_int_equal(send_one(&rig, "127.0.0.1", server.port, "/to-ok"), 0);
    assert_true(rig.status >= 300 && rig.status < 400); /* not followed */
    assert_int_equal(send_one(&rig, "127.0.0.1", server.port, "/endless"), 0);
    assert_int_equal(rig.status, 200); /* what comes after 64 KiB is not waited for */
    assert_int_equal(send_one(&rig, "127.0.0.1", server.port, "/drop"), 0);
    assert_int_equal(rig.status, 0);
    assert_true(rig.error[0] != '\0');
    assert_int_equal(send_one(&rig, "127.0.0.1", closed_port(), "/ok"), 0);
    assert_int_equal(rig.status, 0);
    assert_true(rig.error[0] != '\0');
    close_rig(&rig);
}

static void a_canceled_one_says_nothing(void **state)
{
    (void)state;
    struct rig rig;
    open_rig(&rig);
    snprintf(rig.url, sizeof(rig.url), "http://127.0.0.1:%d/hang", server.port);
    rig.post = (struct pv_notify_post){
        .url = rig.url, .body = PV_STR("{}"), .timeout_ms = 60000, .done = on_done};
    int before = atomic_load(&server.requests);
    assert_int_equal(rig.transport.post(rig.transport.ctx, &rig.post), 0);
    while (atomic_load(&server.requests) == before) {
        uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    rig.transport.cancel(rig.transport.ctx, &rig.post);
    close_rig(&rig);
    assert_int_equal(rig.calls, 0);
}

static bool fails_at(const void *of, unsigned long n)
{
    (void)of;
    struct rig rig;
    open_rig(&rig);
    starve_at(n);
    int status = send_one(&rig, "localhost", server.port, "/ok");
    bool reached = starve_end();
    assert_true(status == 0 || (reached && status == PV_ENOMEM));
    if (status == 0 && rig.status != 200) {
        assert_true(reached);
        assert_int_equal(rig.status, 0);
        assert_true(rig.error[0] != '\0');
    }
    assert_int_equal(send_one(&rig, "localhost", server.port, "/ok"), 0);
    assert_int_equal(rig.status, 200);
    close_rig(&rig);
    return reached;
}

static void memory_runs_out(void **state)
{
    (void)state;
    starve_each(fails_at, NULL, 10, MOST);
}

int main(void)
{
    server_start(&server, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told),
        cmocka_unit_test(a_canceled_one_says_nothing),
        cmocka_unit_test(memory_runs_out),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}

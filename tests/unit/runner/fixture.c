/* SPDX-License-Identifier: Apache-2.0 */
/* See fixture.h. */
#include "tests/unit/runner/fixture.h"

#include <stdio.h>
#include <string.h>

const char *fake_host_path;

static struct told *slot_of(struct fixture *f, uint64_t call)
{
    assert_true(call < MAX_CALLS);
    assert_false(f->told[call].over);
    return &f->told[call];
}

static void on_outcome(void *ctx, uint64_t call, const struct pv_wire_outcome *outcome)
{
    struct told *told = slot_of(ctx, call);
    told->over = true;
    told->code = outcome->code;
    told->touched = outcome->touched != 0;
    told->more = outcome->result.len > 0 || outcome->state_changed;
    snprintf(told->text, sizeof(told->text), "%.*s", PV_STR_ARG(outcome->text));
}

static void on_lost(void *ctx, uint64_t call, enum pv_lost lost, int64_t last_send_ms,
                    struct pv_str text)
{
    struct told *told = slot_of(ctx, call);
    told->over = true;
    told->lost = true;
    told->code = (int)lost;
    told->last_send_ms = last_send_ms;
    snprintf(told->text, sizeof(told->text), "%.*s", PV_STR_ARG(text));
}

static void on_ask(void *ctx, uint64_t call, const struct pv_wire_ask *ask)
{
    struct fixture *f = ctx;
    slot_of(f, call)->asks++;
    if (f->silent) {
        return;
    }
    const struct pv_wire_answer answer = {.ask = ask->ask, .value = PV_STR("answered")};
    f->runner.answer(f->runner.ctx, call, &answer);
}

static void on_progress(void *ctx, uint64_t call, int percent, struct pv_str text)
{
    struct told *told = slot_of(ctx, call);
    told->percent = percent;
    told->progresses++;
    (void)text;
}

static void on_gone(void *ctx)
{
    struct fixture *f = ctx;
    f->gone = true;
}

static int read_instance(void *ctx, struct pv_str name, struct pv_instance_spec *ret_spec,
                         struct pv_err *err)
{
    struct fixture *f = ctx;
    (void)name;
    if (f->instance_status != 0) {
        return pv_err_set(err, f->instance_status, "settings: no such file");
    }
    ret_spec->module = pv_str(f->module != NULL ? f->module : fake_host_path);
    f->reach.module = ret_spec->module;
    ret_spec->reach = &f->reach;
    ret_spec->memory_max = f->memory_max;
    ret_spec->cpu_max_ms = f->cpu_max_ms;
    ret_spec->idle_after_ms = f->idle_after_ms;
    ret_spec->stuck_after_ms = f->stuck_after_ms;
    ret_spec->start_timeout_ms = f->start_timeout_ms;
    ret_spec->max_in_flight = 40;
    pv_buf_c(ret_spec->settings, f->settings);
    return 0;
}

static bool known(void *ctx, struct pv_str name)
{
    (void)ctx;
    return pv_str_eq_c(name, "one");
}

static void on_limit(uv_timer_t *timer)
{
    struct fixture *f = timer->data;
    f->late = true;
}

void fixture_start(struct fixture *f, const struct pv_hosts_options *base)
{
    struct pv_err err = {0};
    memset(f, 0, sizeof(*f));
    snprintf(f->settings, sizeof(f->settings), "{}");
    assert_int_equal(pv_spawner_fork(&f->spawner, &err), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->limit);
    f->limit.data = f;
    struct pv_hosts_options options = base ? *base : (struct pv_hosts_options){0};
    options.loop = &f->loop;
    options.spawner = &f->spawner;
    options.program = options.program ? options.program : fake_host_path;
    options.clock = pv_clock_system;
    options.events = (struct pv_hosts_events){.ctx = f,
                                              .outcome = on_outcome,
                                              .lost = on_lost,
                                              .ask = on_ask,
                                              .progress = on_progress,
                                              .gone = on_gone};
    options.instance = read_instance;
    options.known = known;
    options.ctx = f;
    options.tick_ms = 20;
    options.backoff_ms = options.backoff_ms ? options.backoff_ms : 1;
    assert_int_equal(pv_hosts_new(&options, &f->hosts, &err), 0);
    f->runner = pv_hosts_runner(f->hosts);
}

static void on_stopped(void *user)
{
    struct fixture *f = user;
    f->stopped = true;
}

void fixture_end(struct fixture *f)
{
    pv_hosts_stop(f->hosts, on_stopped, f);
    until(f, &f->stopped);
    assert_false(uv_loop_alive(&f->loop)); /* nothing of the hosts is left in it */
    pv_hosts_free(f->hosts);
    pv_spawner_end(&f->spawner);
    uv_close((uv_handle_t *)&f->limit, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

void until(struct fixture *f, const bool *flag)
{
    f->late = false;
    uv_timer_start(&f->limit, on_limit, 20000, 0);
    while (!*flag && !f->late) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&f->limit);
    assert_false(f->late);
}

static void keep_first(void *user, const struct pv_host_status *status)
{
    struct pv_host_status *all = user;
    if (all[1].pid == 0) {
        all[0] = *status;
    }
    all[1].pid++;
}

int host_count(struct fixture *f, struct pv_host_status *ret_first)
{
    struct pv_host_status all[2] = {0};
    pv_hosts_each(f->hosts, keep_first, all);
    if (ret_first) {
        *ret_first = all[0];
    }
    return all[1].pid;
}

void until_state(struct fixture *f, enum pv_host_state state)
{
    struct pv_host_status status = {0};
    f->late = false;
    uv_timer_start(&f->limit, on_limit, 20000, 0);
    while (!f->late && (host_count(f, &status) == 0 || status.state != state)) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&f->limit);
    assert_false(f->late);
}

void until_pid(struct fixture *f, struct pv_host_status *ret_first)
{
    f->late = false;
    uv_timer_start(&f->limit, on_limit, 20000, 0);
    while (!f->late && (host_count(f, ret_first) == 0 || ret_first->pid == 0)) {
        uv_run(&f->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&f->limit);
    assert_false(f->late);
}

int start_step(struct fixture *f, uint64_t id, const char *name, bool solo, uint32_t timeout_ms)
{
    const struct pv_run_step step = {
        .instance = PV_STR("one"),
        .solo = solo,
        .lease_until_ms = pv_mono_ms(&pv_clock_system) + 300000,
        .wire = {.timeout_ms = timeout_ms,
                 .attempt = 1,
                 .operation = PV_STR("create"),
                 .component = PV_STR("site"),
                 .step = pv_str(name),
                 .input = PV_STR("{\"n\":1}")},
    };
    return f->runner.start(f->runner.ctx, id, &step);
}

static void on_answer(struct pv_query *query, const struct pv_wire_outcome *outcome)
{
    struct fixture *f = query->user;
    assert_false(f->queried.over);
    f->queried.over = true;
    f->queried.code = outcome->code;
    f->queried.more = outcome->result.len > 0;
    snprintf(f->queried.text, sizeof(f->queried.text), "%.*s", PV_STR_ARG(outcome->text));
}

int ask_query(struct fixture *f, struct pv_query *query, const char *name, uint32_t timeout_ms)
{
    memset(query, 0, sizeof(*query));
    memset(&f->queried, 0, sizeof(f->queried));
    query->instance = PV_STR("one");
    query->wire.name = pv_str(name);
    query->wire.timeout_ms = timeout_ms;
    query->wire.input = pv_str(f->query_input);
    query->done = on_answer;
    query->user = f;
    return f->runner.query(f->runner.ctx, query);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/host/kit.h"

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

static void keep(struct pv_str s, char *out, size_t size)
{
    if (pv_str_to_c(s, out, size) != 0) {
        snprintf(out, size, "%s", "(too long for the test)");
    }
}

static void on_outcome(struct kit *kit, const struct pv_frame *frame)
{
    struct pv_wire_outcome w;
    assert_int_equal(pv_wire_get_outcome(frame, &w), 0);
    assert_true(frame->call < KIT_CALLS);
    struct kit_outcome *o = &kit->outcomes[frame->call];
    assert_false(o->there);
    o->there = true;
    o->code = w.code;
    o->touched = w.touched == 1;
    o->state_changed = w.state_changed == 1;
    o->retry_after_ms = w.retry_after_ms;
    keep(w.text, o->text, sizeof(o->text));
    keep(w.state, o->state, sizeof(o->state));
    keep(w.result, o->result, sizeof(o->result));
    kit->outcome_count++;
}

static void on_ask(struct kit *kit, const struct pv_frame *frame)
{
    struct pv_wire_ask ask;
    assert_int_equal(pv_wire_get_ask(frame, &ask), 0);
    keep(ask.name, kit->ask_name, sizeof(kit->ask_name));
    keep(ask.text, kit->ask_text, sizeof(kit->ask_text));
    keep(ask.pool, kit->ask_pool, sizeof(kit->ask_pool));
    kit->last_ask = ask;
    struct pv_wire_answer answer = {.ask = ask.ask};
    if (kit->answer != NULL && kit->answer(kit, frame->call, &ask, &answer)) {
        struct pv_buf out;
        pv_buf_init(&out, PV_FRAME_MAX);
        pv_wire_put_answer(&out, frame->call, &answer);
        kit_feed(kit, &out);
    }
}

static void on_frame(struct kit *kit, const struct pv_frame *frame)
{
    struct pv_str text;
    uint8_t level = 0;
    int32_t percent = 0;
    size_t len = strlen(kit->log);
    switch (frame->type) {
    case PV_F_READY:
        assert_int_equal(pv_wire_get_text(frame, &text), 0);
        keep(text, kit->ready, sizeof(kit->ready));
        break;
    case PV_F_FAULT:
        assert_int_equal(pv_wire_get_text(frame, &text), 0);
        keep(text, kit->fault, sizeof(kit->fault));
        break;
    case PV_F_OUTCOME:
        on_outcome(kit, frame);
        break;
    case PV_F_ASK:
        on_ask(kit, frame);
        break;
    case PV_F_PROGRESS:
        assert_int_equal(pv_wire_get_progress(frame, &percent, &text), 0);
        snprintf(kit->progress, sizeof(kit->progress), "%d %.*s", percent, PV_STR_ARG(text));
        break;
    case PV_F_LOG:
        assert_int_equal(pv_wire_get_log(frame, &level, &text), 0);
        kit->log_lines++;
        snprintf(kit->log + len, sizeof(kit->log) - len, "%u %.*s\n", level, PV_STR_ARG(text));
        break;
    default:
        fail_msg("unexpected frame %d", frame->type);
    }
}

static void on_poke(uv_idle_t *idle)
{
    (void)idle; /* its being there keeps the loop from waiting */
}

static void on_out(void *user, struct pv_str bytes)
{
    struct kit *kit = user;
    assert_int_equal(pv_buf_str(&kit->in, bytes), 0);
    uv_idle_start(&kit->poke, on_poke);
}

static void on_ended(void *user, int exit_status)
{
    struct kit *kit = user;
    assert_false(kit->ended);
    kit->ended = true;
    kit->exit_status = exit_status;
}

static void take_frames(struct kit *kit)
{
    struct pv_frame frame;
    size_t used = 0;
    while (pv_frame_next(pv_buf_view(&kit->in), &frame, &used) == 1) {
        on_frame(kit, &frame);
        pv_buf_consume(&kit->in, used);
    }
    assert_int_equal(kit->in.len, 0);
}

void kit_turn(struct kit *kit)
{
    uv_run(&kit->loop, UV_RUN_ONCE);
    uv_idle_stop(&kit->poke);
    take_frames(kit);
}

void kit_feed(struct kit *kit, struct pv_buf *frames)
{
    assert_int_equal(frames->status, 0);
    assert_int_equal(pv_host_feed(kit->host, pv_buf_view(frames)), 0);
    pv_buf_done(frames);
}

const struct pv_reach *kit_reach;
const struct pv_clock *kit_clock;

void kit_new(struct kit *kit, const struct provost_plugin *plugin)
{
    memset(kit, 0, sizeof(*kit));
    assert_int_equal(uv_loop_init(&kit->loop), 0);
    uv_idle_init(&kit->loop, &kit->poke);
    pv_buf_init(&kit->in, (size_t)64 * 1024 * 1024);
    const struct pv_host_opts opts = {.page = &kit->page,
                                      .plugin = plugin,
                                      .clock = kit_clock,
                                      .trace = true,
                                      .guarded = kit_reach != NULL,
                                      .reach = kit_reach};
    const struct pv_host_callbacks callbacks = {.out = on_out, .ended = on_ended, .user = kit};
    struct pv_err err = {0};
    if (pv_host_new(&kit->loop, &opts, &callbacks, &kit->host, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

void kit_start_hello(struct kit *kit, const struct provost_plugin *plugin,
                     const struct pv_wire_hello *hello)
{
    kit_new(kit, plugin);
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_hello(&out, hello);
    kit_feed(kit, &out);
    while (kit->ready[0] == '\0' && !kit->ended) {
        kit_turn(kit);
    }
    take_frames(kit);
}

struct pv_wire_hello kit_hello(const char *settings)
{
    return (struct pv_wire_hello){
        .version = PV_WIRE_VERSION,
        .instance = PV_STR("test-1"),
        .settings = pv_str(settings != NULL ? settings : "{}"),
        .callback_base = PV_STR("https://provost.example/v1/operations/"),
    };
}

void kit_start(struct kit *kit, const struct provost_plugin *plugin, const char *settings)
{
    const struct pv_wire_hello hello = kit_hello(settings);
    kit_start_hello(kit, plugin, &hello);
}

static void on_closed(void *user)
{
    struct kit *kit = user;
    kit->closed = true;
}

void kit_stop(struct kit *kit)
{
    pv_host_stop(kit->host);
    while (!kit->ended) {
        kit_turn(kit);
    }
    take_frames(kit);
    pv_host_close(kit->host, on_closed, kit);
    uv_close((uv_handle_t *)&kit->poke, NULL);
    while (!kit->closed) {
        uv_run(&kit->loop, UV_RUN_ONCE);
    }
    assert_int_equal(uv_run(&kit->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&kit->loop), 0);
    pv_buf_done(&kit->in);
}

struct pv_wire_step kit_step(const char *step, const char *input)
{
    return (struct pv_wire_step){
        .kind = PV_CALL_RUN,
        .run = 1,
        .attempt = 1,
        .generation = 1,
        .op = {{1, 2, 3}},
        .service = {{4, 5, 6}},
        .operation = PV_STR("create"),
        .component = PV_STR("site"),
        .step = pv_str(step),
        .external_id = PV_STR("12345"),
        .ref = PV_STR("sabcdefghijklmnopqrs"),
        .input = pv_str(input != NULL ? input : "{}"),
        .state = PV_STR("{}"),
        .signal_key = PV_STR(KIT_SIGNAL_KEY),
    };
}

void kit_send(struct kit *kit, uint64_t call, const struct pv_wire_step *step)
{
    struct pv_wire_step copy = *step;
    copy.slot = (uint32_t)(call % PV_PAGE_SLOTS);
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_step(&out, call, &copy);
    kit_feed(kit, &out);
}

void kit_query(struct kit *kit, uint64_t call, bool of_service, const char *name, const char *input)
{
    const struct pv_wire_query query = {
        .slot = (uint32_t)(call % PV_PAGE_SLOTS),
        .of_service = of_service ? 1 : 0,
        .service = {{of_service ? 7 : 0}},
        .name = pv_str(name),
        .input = pv_str(input != NULL ? input : "{}"),
    };
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_query(&out, call, &query);
    kit_feed(kit, &out);
}

void kit_cancel(struct kit *kit, uint64_t call)
{
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_empty(&out, PV_F_CANCEL, call);
    kit_feed(kit, &out);
}

void kit_lease(struct kit *kit, int64_t mono_ms)
{
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_lease(&out, mono_ms);
    kit_feed(kit, &out);
}

const struct kit_outcome *kit_wait(struct kit *kit, uint64_t call)
{
    while (!kit->outcomes[call].there) {
        assert_false(kit->ended);
        kit_turn(kit);
    }
    return &kit->outcomes[call];
}

const struct kit_outcome *kit_run(struct kit *kit, const char *step, const char *input)
{
    uint64_t call = 1;
    while (kit->outcomes[call].there) {
        call++;
    }
    struct pv_wire_step frame = kit_step(step, input);
    kit_send(kit, call, &frame);
    return kit_wait(kit, call);
}

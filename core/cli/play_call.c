/* SPDX-License-Identifier: Apache-2.0 */
/* Sends a STEP or QUERY, and serves the host until its OUTCOME. */
#include "core/cli/play_call.h"

#include "core/base/hash.h"
#include "core/cli/child.h"
#include "core/json/json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SLOT 0
#define TEXT_CAP ((size_t)256 * 1024)

static volatile sig_atomic_t interrupts;

void pv_play_interrupt(void)
{
    interrupts++;
}

bool pv_play_interrupted(void)
{
    return interrupts > 0;
}

static const char *kind_name(const struct pv_play_call *call)
{
    static const char *const names[] = {"run", "poll", "lookup", "undo"};
    return call->step == NULL ? "query" : names[call->kind];
}

static struct pv_str name_of(const struct pv_play *play, const struct pv_play_call *call)
{
    return call->step != NULL ? call->step->name : play->query->name;
}

static enum pv_meddling meddle(const struct pv_play *play, enum pv_moment moment,
                               const struct pv_play_call *call)
{
    const struct pv_meddler *meddler = &play->meddler;
    return meddler->moment != NULL ? meddler->moment(meddler->ctx, moment, call) : PV_LET_BE;
}

/* ---- Sending ---- */

static int start_host(struct pv_play *play, struct pv_err *err)
{
    if (play->child != NULL) {
        return 0;
    }
    const struct pv_child_options options = {.host = play->host,
                                             .reach = play->reach,
                                             .module = play->module,
                                             .instance = "run",
                                             .data_dir = play->data_dir,
                                             .settings = play->settings,
                                             .stuck_after_ms = play->stuck_after_ms};
    int status = pv_child_start(&options, &play->child, err);
    if (status == 0 && play->meddler.host != NULL) {
        play->meddler.host(play->meddler.ctx, pv_child_pid(play->child));
    }
    return status;
}

void pv_play_stop_host(struct pv_play *play)
{
    if (play->child != NULL && play->meddler.host != NULL) {
        play->meddler.host(play->meddler.ctx, 0);
    }
    pv_child_stop(play->child);
    play->child = NULL;
}

static struct pv_str operation_of(const struct pv_play *play)
{
    return play->type == PV_OP_ACTION ? play->action->name : pv_str(pv_op_type_name(play->type));
}

static void put_step(const struct pv_play *play, const struct pv_play_call *call,
                     struct pv_id service, struct pv_str state, struct pv_buf *out)
{
    /* Nobody listens at callback_base: any key will do that is the same in every call. */
    struct pv_hash key = pv_sha256((struct pv_str){(const char *)play->op.b, sizeof(play->op.b)});
    char hex[2 * PV_SIGNAL_KEY_BYTES + 1];
    pv_hex(key.b, PV_SIGNAL_KEY_BYTES, hex);
    pv_wire_put_step(
        out, play->calls,
        &(struct pv_wire_step){.slot = SLOT,
                               .kind = (uint8_t)call->kind,
                               .is_action = play->type == PV_OP_ACTION,
                               .timeout_ms = call->step->timeout_ms,
                               .run = call->run,
                               .attempt = call->attempt,
                               .generation = 1,
                               .op = play->op,
                               .service = service,
                               .operation = operation_of(play),
                               .component = pv_str(play->component),
                               .step = call->step->name,
                               .external_id = pv_str(pv_local_service(play->local, "external_id")),
                               .ref = pv_str(pv_local_service(play->local, "ref")),
                               .input = play->input,
                               .state = state,
                               .signal_key = pv_str(hex)});
}

static void put_query(const struct pv_play *play, struct pv_id service, struct pv_str state,
                      struct pv_buf *out)
{
    bool of = play->query_of_service;
    struct pv_wire_query query = {.slot = SLOT,
                                  .of_service = of,
                                  .generation = of ? 1 : 0,
                                  .name = play->query->name,
                                  .input = play->input};
    if (of) {
        query.service = service;
        query.component = pv_str(play->component);
        query.external_id = pv_str(pv_local_service(play->local, "external_id"));
        query.ref = pv_str(pv_local_service(play->local, "ref"));
        query.state = state;
    }
    pv_wire_put_query(out, play->calls, &query);
}

static int send_call(struct pv_play *play, const struct pv_play_call *call, struct pv_err *err)
{
    struct pv_buf out;
    struct pv_buf state;
    struct pv_id service;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_buf_init(&state, TEXT_CAP);
    int status = pv_id_parse("svc", pv_str(pv_local_service(play->local, "id")), &service);
    if (status != 0) {
        pv_err_set(err, status, "the service's id in the state file is none (svc_…)");
    } else {
        pv_json_put(&state, pv_local_state(play->local));
        if (call->step != NULL) {
            put_step(play, call, service, pv_buf_view(&state), &out);
        } else {
            put_query(play, service, pv_buf_view(&state), &out);
        }
        status = state.status != 0 ? state.status : out.status;
        if (status != 0) {
            pv_err_set(err, status, "the call: %s", pv_status_text(status));
        }
    }
    if (status == 0) {
        (void)!pv_child_send(play->child, &out); /* a host that is gone is noticed when it is read
                                                  */
    }
    pv_buf_done(&state);
    pv_buf_done(&out);
    return status;
}

/* ---- Serving ---- */

/* Shows a state document that differs from the one before, and keeps it. */
static int take_state(struct pv_play *play, struct pv_str text)
{
    json_t *after = json_loadb(text.ptr, text.len, 0, NULL);
    json_t *before = json_incref(pv_local_state(play->local));
    int status = after != NULL ? 0 : PV_EINVAL;
    if (status == 0 && play->view.state != NULL && !json_equal(before, after)) {
        play->view.state(play->view.ctx, before, after);
    }
    if (status == 0) {
        status = pv_local_set_state(play->local, after);
    }
    json_decref(before);
    return status;
}

static const char *ask_name(unsigned kind)
{
    static const char *const names[] = {"?",          "kv_get",      "kv_put",     "pool_take",
                                        "pool_give",  "pool_reject", "quota_take", "quota_give",
                                        "state_save", "secret_new"};
    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

static void show_ask(struct pv_play *play, const struct pv_wire_ask *ask,
                     const struct pv_wire_answer *answer)
{
    struct pv_buf text;
    struct pv_buf masked;
    pv_buf_init(&text, TEXT_CAP);
    pv_buf_init(&masked, TEXT_CAP);
    pv_buf_printf(&text, "%s %.*s%s%.*s", ask_name(ask->kind), PV_STR_ARG(ask->pool),
                  ask->pool.len > 0 ? " " : "", PV_STR_ARG(ask->name));
    if (answer->status != 0) {
        pv_buf_printf(&text, ": %s: %.*s", pv_status_name(answer->status),
                      PV_STR_ARG(answer->value));
    } else if (answer->value.len > 0) {
        pv_buf_printf(&text, ": %.*s", PV_STR_ARG(answer->value));
    } else {
        pv_buf_c(&text, ": ok");
    }
    pv_mask_text(&play->mask, NULL, pv_buf_view(&text), 2000, &masked);
    if (play->view.asked != NULL && masked.status == 0) {
        play->view.asked(play->view.ctx, pv_buf_view(&masked));
    }
    pv_buf_done(&masked);
    pv_buf_done(&text);
}

static int on_ask(struct pv_play *play, const struct pv_play_call *call,
                  const struct pv_frame *frame)
{
    struct pv_wire_ask ask;
    struct pv_wire_answer answer = {0};
    int status = pv_wire_get_ask(frame, &ask);
    if (status != 0) {
        return status;
    }
    if (meddle(play, PV_MOMENT_ASK, call) == PV_KILL_HOST) {
        pv_child_kill(play->child);
        return PV_ECLOSED;
    }
    if (ask.kind == PV_ASK_STATE_SAVE) {
        answer.ask = ask.ask;
        answer.status = take_state(play, ask.text);
    } else {
        pv_local_answer(play->local, call->run, name_of(play, call), &ask, &answer);
    }
    if (ask.kind == PV_ASK_SECRET_NEW && answer.status == 0) {
        pv_mask_add(&play->mask, answer.value);
        answer.status = pv_local_add_secret(play->local, answer.value);
    }
    show_ask(play, &ask, &answer);
    if (meddle(play, PV_MOMENT_TAKEN, call) == PV_KILL_HOST) {
        pv_child_kill(play->child);
        return PV_ECLOSED;
    }
    struct pv_buf out;
    pv_buf_init(&out, PV_FRAME_MAX);
    pv_wire_put_answer(&out, play->calls, &answer);
    status = pv_child_send(play->child, &out);
    pv_buf_done(&out);
    return status;
}

static int on_outcome(struct pv_play *play, struct pv_play_call *call, const struct pv_frame *frame)
{
    struct pv_wire_outcome outcome;
    int status = pv_wire_get_outcome(frame, &outcome);
    if (status != 0) {
        return status;
    }
    call->code = outcome.code;
    call->touched = outcome.touched != 0;
    call->retry_after_ms = outcome.retry_after_ms;
    snprintf(call->text, sizeof(call->text), "%.*s", PV_STR_ARG(outcome.text));
    enum pv_meddling meddling = meddle(play, PV_MOMENT_OUTCOME, call);
    if (meddling == PV_KILL_HOST) {
        pv_child_kill(play->child);
        return PV_ECLOSED;
    }
    if (meddling == PV_FORGET) {
        call->lost = true;
        call->code = PV_OUT_UNKNOWN;
        snprintf(call->text, sizeof(call->text), "its outcome was lost");
        return 0;
    }
    if (outcome.state_changed != 0 && take_state(play, outcome.state) != 0) {
        return PV_ESYNTAX;
    }
    if (outcome.result.len > 0) {
        call->result = json_loadb(outcome.result.ptr, outcome.result.len, JSON_DECODE_ANY, NULL);
    }
    return 0;
}

static int on_frame(struct pv_play *play, struct pv_play_call *call, const struct pv_frame *frame)
{
    struct pv_str text;
    uint8_t level = 0;
    int32_t percent = 0;
    int status = 0;
    switch (frame->type) {
    case PV_F_ASK:
        return on_ask(play, call, frame);
    case PV_F_LOG:
        status = pv_wire_get_log(frame, &level, &text);
        if (status == 0 && play->view.log != NULL) {
            play->view.log(play->view.ctx, level, text);
        }
        return status;
    case PV_F_PROGRESS:
        status = pv_wire_get_progress(frame, &percent, &text);
        if (status == 0 && play->view.progress != NULL) {
            play->view.progress(play->view.ctx, percent, text);
        }
        return status;
    default:
        return PV_ESYNTAX;
    }
}

/* The first Ctrl-C cancels the call, the second ends its host. */
static void on_interrupt(struct pv_play *play)
{
    struct pv_buf out;
    pv_buf_init(&out, 64);
    pv_wire_put_empty(&out, interrupts > 1 ? PV_F_STOP : PV_F_CANCEL,
                      interrupts > 1 ? 0 : play->calls);
    (void)!pv_child_send(play->child, &out);
    pv_buf_done(&out);
}

static void cancel_if_asked(struct pv_play *play, struct pv_play_call *call)
{
    if (call->canceled || meddle(play, PV_MOMENT_WAIT, call) != PV_CANCEL) {
        return;
    }
    call->canceled = true;
    struct pv_buf out;
    pv_buf_init(&out, 64);
    pv_wire_put_empty(&out, PV_F_CANCEL, play->calls);
    (void)!pv_child_send(play->child, &out);
    pv_buf_done(&out);
}

static int serve(struct pv_play *play, struct pv_play_call *call)
{
    int heard = 0;
    for (;;) {
        struct pv_frame frame;
        int status = pv_child_next(play->child, &frame);
        if (interrupts > heard) {
            heard = interrupts;
            on_interrupt(play);
        }
        if (status == PV_ETIMEOUT) {
            cancel_if_asked(play, call);
            continue;
        }
        if (status != 0) {
            return status;
        }
        if (frame.type == PV_F_OUTCOME) {
            return on_outcome(play, call, &frame);
        }
        status = on_frame(play, call, &frame);
        if (status != 0) {
            return status;
        }
    }
}

/* The host is gone, or talked nonsense and goes now. */
static void lose(struct pv_play *play, struct pv_play_call *call, int status)
{
    char what[160] = "talked nonsense";
    call->lost = true;
    call->code = PV_OUT_UNKNOWN;
    call->touched = call->touched || pv_child_mark(play->child, SLOT) == PV_SLOT_TOUCHED;
    call->culprit = true;
    if (status == PV_ECLOSED) {
        call->culprit = pv_child_post_mortem(play->child, what, sizeof(what)) == play->calls;
    }
    snprintf(call->text, sizeof(call->text), "provost-host %s", what);
    pv_play_stop_host(play);
}

int pv_play_call(struct pv_play *play, struct pv_play_call *call, struct pv_err *err)
{
    int status = start_host(play, err);
    if (status != 0) {
        return status;
    }
    play->calls++;
    call->retry_after_ms = -1;
    struct pv_str name = name_of(play, call);
    int64_t begun_ms = pv_mono_ms(&pv_clock_system);
    if (play->view.begin != NULL) {
        play->view.begin(play->view.ctx, name, kind_name(call), call->attempt);
    }
    enum pv_meddling meddling = meddle(play, PV_MOMENT_CALL, call);
    if (meddling == PV_REFUSE) {
        call->code = PV_OUT_PERMANENT;
        snprintf(call->text, sizeof(call->text), "refused without a call");
        return 0;
    }
    if (meddling == PV_KILL_HOST) {
        pv_child_kill(play->child);
    }
    status = send_call(play, call, err);
    if (status != 0) {
        return status;
    }
    status = serve(play, call);
    if (status != 0) {
        lose(play, call, status);
    }
    if (play->view.end != NULL) {
        play->view.end(play->view.ctx, name, kind_name(call),
                       pv_play_outcome_name(call->lost ? -1 : call->code), pv_str(call->text),
                       pv_mono_ms(&pv_clock_system) - begun_ms);
    }
    return 0;
}

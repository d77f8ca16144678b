/* SPDX-License-Identifier: Apache-2.0 */
/* The operation's way through its steps. What follows from an outcome is decided by core/engine's
 * pv_decide_…, the function that provostd uses. */
#include "core/cli/play.h"

#include "core/cli/child.h"
#include "core/cli/play_call.h"
#include "core/cli/secretive.h"
#include "core/engine/decide.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_WAIT_MS 30000

struct playing {
    struct pv_play *play;
    struct pv_plan plan;
    struct pv_plan_component component;
    struct pv_plan_step steps[PV_MAX_STEPS];
    struct pv_cursor cursor;
    struct pv_decide_in in;
    struct pv_decision decision;
    struct pv_play_result *result;
};

const char *pv_play_end_name(enum pv_play_end end)
{
    static const char *const names[] = {"done", "failed", "needs_operator", "unfinished",
                                        "canceled"};
    return names[end];
}

const char *pv_play_outcome_name(int outcome)
{
    static const char *const names[] = {"ok",          "pending", "temporary", "instance_fault",
                                        "permanent",   "unknown", "canceled",  "absent",
                                        "in_progress", "no_step"};
    if (outcome < 0) {
        return "lost";
    }
    return (size_t)outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "?";
}

/* ---- The plan ---- */

static const struct pv_plugin_steps *steps_of(const struct pv_play *play)
{
    return play->type == PV_OP_ACTION ? &play->action->steps
                                      : &play->plugin->operations[play->type];
}

static int make_plan(struct playing *p, struct pv_err *err)
{
    const struct pv_play *play = p->play;
    const struct pv_plugin_steps *steps = steps_of(play);
    for (size_t i = 0; i < steps->count && p->plan.step_count < PV_MAX_STEPS; i++) {
        const struct pv_plugin_step *from = &steps->items[i];
        if (play->only_step == NULL || pv_str_eq_c(from->name, play->only_step)) {
            p->steps[p->plan.step_count++] = (struct pv_plan_step){.name = from->name,
                                                                   .flags = from->flags,
                                                                   .timeout_ms = from->timeout_ms,
                                                                   .settle_ms = from->settle_ms};
        }
    }
    if (play->only_step != NULL && p->plan.step_count == 0) {
        return pv_err_set(err, PV_ENOTFOUND, "%s has no step “%s”",
                          play->type == PV_OP_ACTION ? "the action" : "the operation",
                          play->only_step);
    }
    p->component = (struct pv_plan_component){.name = pv_str(play->component),
                                              .retry = {1000, LONGEST_WAIT_MS, 2}};
    p->plan.components = &p->component;
    p->plan.component_count = 1;
    p->plan.steps = p->steps;
    return 0;
}

/* ---- Waiting ---- */

static void wait_until(struct playing *p)
{
    int64_t ms = p->decision.due_ms - pv_wall_ms(&pv_clock_system);
    ms = ms < 0 ? 0 : ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : ms;
    const struct pv_play *play = p->play;
    if (play->view.waits != NULL) {
        play->view.waits(play->view.ctx, pv_wait_name(p->decision.wait), ms);
    }
    if (play->no_waiting) {
        p->cursor.last_send_ms = 0; /* an absent is believed at once */
        int64_t most = p->decision.wait == PV_WAIT_POLL ? play->poll_ms : 0;
        ms = ms < most ? ms : most;
    }
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (!pv_play_interrupted() && nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

/* ---- One call after the other ---- */

/* Calls the step at the cursor and decides what follows. */
static int call_step(struct playing *p, struct pv_err *err)
{
    struct pv_play_call call = {.step = &p->steps[p->cursor.step],
                                .kind = p->cursor.kind,
                                .run = p->cursor.run,
                                .attempt = p->decision.tries > 0 ? p->decision.tries : 1};
    int status = pv_play_call(p->play, &call, err);
    if (status != 0) {
        return status;
    }
    p->in.tries = call.attempt;
    p->in.now_ms = pv_wall_ms(&pv_clock_system);
    p->in.code = call.code;
    p->in.touched = call.touched;
    p->in.retry_after_ms = call.retry_after_ms;
    p->in.text = pv_str(call.text);
    if (call.touched) {
        p->cursor.last_send_ms = p->play->no_waiting ? 0 : p->in.now_ms;
    }
    if (pv_play_interrupted() || call.canceled) {
        p->in.intent = PV_INTENT_CANCEL;
    }
    p->result->outcome = call.lost ? -1 : call.code;
    if (call.result != NULL) {
        json_decref(p->result->result);
        p->result->result = call.result;
    }
    if (call.lost) {
        pv_decide_lost(&p->in, call.culprit, &p->cursor, &p->decision);
    } else {
        pv_decide_outcome(&p->in, &p->cursor, &p->decision);
    }
    p->in.text = (struct pv_str){NULL, 0};
    return 0;
}

static void finish(struct playing *p)
{
    if (p->decision.undone) {
        pv_local_release(p->play->local, p->decision.undone_run);
    }
    p->result->end = p->decision.op_state == PV_OPS_DONE     ? PV_PLAY_DONE
                     : p->decision.op_state == PV_OPS_FAILED ? PV_PLAY_FAILED
                                                             : PV_PLAY_CANCELED;
}

/* Whether it goes on after a DEFER. */
static bool deferred(struct playing *p)
{
    bool signal = p->decision.wait == PV_WAIT_SIGNAL;
    bool again = p->in.tries < p->play->attempts && p->in.code != PV_OUT_INSTANCE_FAULT;
    if (p->decision.wait == PV_WAIT_POLL || p->decision.wait == PV_WAIT_SETTLE) {
        again = p->play->calls < (uint64_t)p->play->attempts * (p->plan.step_count + 1) * 4;
    }
    if (signal || !again) {
        p->result->end = p->in.intent == PV_INTENT_CANCEL ? PV_PLAY_CANCELED : PV_PLAY_UNFINISHED;
        if (signal) {
            snprintf(p->decision.reason, sizeof(p->decision.reason), "it waits for a signal");
        }
        return false;
    }
    wait_until(p);
    if (p->decision.wait == PV_WAIT_BREAKER || p->decision.wait == PV_WAIT_RETRY ||
        p->decision.wait == PV_WAIT_NONE) {
        p->decision.tries = p->in.tries + 1;
    } else {
        p->decision.tries++; /* the claim's */
    }
    return true;
}

static int walk(struct playing *p, struct pv_err *err)
{
    pv_cursor_init(&p->cursor, p->plan.step_count);
    p->in = (struct pv_decide_in){.plan = &p->plan,
                                  .rng = &pv_rng_system,
                                  .type = p->play->type,
                                  .observed = PV_SVC_ACTIVE,
                                  .tries = 1,
                                  .now_ms = pv_wall_ms(&pv_clock_system),
                                  .retry_after_ms = -1};
    pv_decide_start(&p->in, true, &p->cursor, &p->decision);
    for (;;) {
        if (p->decision.next == PV_NEXT_FINISH) {
            finish(p);
            break;
        }
        if (p->decision.next == PV_NEXT_PARK) {
            p->result->end = PV_PLAY_NEEDS_OPERATOR;
            break;
        }
        if (p->decision.next == PV_NEXT_DEFER && !deferred(p)) {
            break;
        }
        if (p->decision.reason[0] != '\0') {
            memcpy(p->result->reason, p->decision.reason, sizeof(p->result->reason));
        }
        int status = call_step(p, err);
        if (status != 0) {
            return status;
        }
    }
    if (p->decision.reason[0] != '\0') {
        memcpy(p->result->reason, p->decision.reason, sizeof(p->result->reason));
    }
    return 0;
}

/* A query, or one call of one function: its outcome is the end. */
static int single(struct playing *p, struct pv_err *err)
{
    struct pv_play_call call = {.step = p->play->query != NULL ? NULL : &p->steps[0],
                                .kind = p->play->query != NULL ? 0 : p->play->only_kind,
                                .run = 1,
                                .attempt = 1};
    int status = pv_play_call(p->play, &call, err);
    if (status != 0) {
        return status;
    }
    p->result->outcome = call.lost ? -1 : call.code;
    p->result->result = call.result;
    snprintf(p->result->reason, sizeof(p->result->reason), "%s", call.text);
    if (call.lost || call.code == PV_OUT_UNKNOWN) {
        p->result->end = PV_PLAY_NEEDS_OPERATOR;
    } else if (call.code == PV_OUT_OK || call.code == PV_OUT_ABSENT) {
        p->result->end = PV_PLAY_DONE;
        p->result->reason[0] = '\0';
    } else if (call.code == PV_OUT_PERMANENT || call.code == PV_OUT_NO_STEP) {
        p->result->end = PV_PLAY_FAILED;
    } else {
        p->result->end = call.code == PV_OUT_CANCELED ? PV_PLAY_CANCELED : PV_PLAY_UNFINISHED;
    }
    return 0;
}

/* ---- The whole ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int pv_play_make_dir(char ret_path[PV_PLAY_DIR_SIZE], struct pv_err *err)
{
    char path[PV_PLAY_DIR_SIZE] = "/tmp/provost-plugin-XXXXXX";
    if (mkdtemp(path) == NULL) {
        return pv_err_set(err, PV_EIO, "cannot make a folder for the plugin: %s", strerror(errno));
    }
    memcpy(ret_path, path, sizeof(path));
    return 0;
}

void pv_play_remove_dir(const char *path)
{
    if (path[0] != '\0') {
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static void mask_all(struct pv_play *play, const json_t *secrets)
{
    for (size_t i = 0; i < json_array_size(secrets); i++) {
        const json_t *value = json_array_get(secrets, i);
        pv_mask_add(&play->mask,
                    (struct pv_str){json_string_value(value), json_string_length(value)});
    }
}

int pv_play_init(struct pv_play *play, const json_t *settings)
{
    pv_mask_init(&play->mask);
    json_t *found = json_array();
    int status = pv_find_secret_settings(&play->plugin->settings, settings, found);
    mask_all(play, found);
    mask_all(play, pv_local_secrets(play->local));
    json_decref(found);
    return play->mask.blind ? PV_ENOMEM : status;
}

void pv_play_done(struct pv_play *play)
{
    pv_play_stop_host(play);
    pv_mask_done(&play->mask);
}

int pv_play_run(struct pv_play *play, struct pv_play_result *ret_result, struct pv_err *err)
{
    struct playing p = {.play = play, .result = ret_result};
    *ret_result = (struct pv_play_result){.outcome = PV_OUT_OK};
    if (!play->again) {
        play->op = pv_id_new(&pv_clock_system, &pv_rng_system);
        json_object_clear(play->local->grants);
    }
    int status = 0;
    play->data_dir[0] = '\0';
    if (play->keep_dir != NULL) {
        snprintf(play->data_dir, sizeof(play->data_dir), "%s", play->keep_dir);
    } else {
        status = pv_play_make_dir(play->data_dir, err);
    }
    if (status == 0 && play->query == NULL) {
        status = make_plan(&p, err);
    }
    if (status == 0) {
        bool one = play->query != NULL || (play->only_step != NULL && play->only_kind >= 0);
        status = one ? single(&p, err) : walk(&p, err);
    }
    pv_play_stop_host(play);
    if (play->keep_dir == NULL) {
        pv_play_remove_dir(play->data_dir);
    }
    if (status != 0) {
        json_decref(ret_result->result);
        ret_result->result = NULL;
    }
    return status;
}

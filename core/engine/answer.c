/* SPDX-License-Identifier: Apache-2.0 */
/* What the runner answers: outcomes, lost hosts, progress. Each becomes a decision and a commit. */
#include "core/engine/internal.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT 1000u

int pv_active_set_doc(struct pv_active *active, struct pv_str component, struct pv_str json,
                      struct pv_active_doc **ret_doc)
{
    if (json.len > PV_MAX_STATE_DOC) {
        return PV_ETOOBIG;
    }
    char *copy = pv_strndup(json.ptr, json.len);
    if (!copy) {
        return PV_ENOMEM;
    }
    size_t i = 0;
    while (i < active->doc_count && !pv_str_eq(active->docs[i].component, component)) {
        i++;
    }
    if (i == active->doc_count) {
        if (i == PV_MAX_COMPONENTS) {
            pv_free(copy);
            return PV_ETOOBIG;
        }
        active->docs[i] = (struct pv_active_doc){.component = component};
        active->doc_count++;
    }
    pv_free(active->docs[i].json);
    active->docs[i].json = copy;
    active->docs[i].len = json.len;
    *ret_doc = &active->docs[i];
    return PV_OK;
}

/* The new document goes into the commit that is being prepared. */
static int set_doc(struct pv_active *active, struct pv_str component, struct pv_str json)
{
    struct pv_active_doc *doc = NULL;
    int status = pv_active_set_doc(active, component, json, &doc);
    if (!status) {
        active->progress.doc_component = doc->component;
        active->progress.doc = (struct pv_str){doc->json, doc->len};
    }
    return status;
}

static void end_call(struct pv_active *active)
{
    pv_map_remove(&active->engine->calls, &active->by_call);
    active->call = 0;
    pv_free(active->progress_text);
    active->progress_text = NULL;
}

/* What went well is of interest to those who look for something only. */
static void log_step(const struct pv_active *active, const char *what)
{
    static const char *const kinds[] = {[PV_CALL_RUN] = "run",
                                        [PV_CALL_POLL] = "poll",
                                        [PV_CALL_LOOKUP] = "lookup",
                                        [PV_CALL_UNDO] = "undo"};
    const struct pv_step_row *row = &active->row;
    bool well = row->outcome == PV_OUT_OK || row->outcome == PV_OUT_PENDING ||
                row->outcome == PV_OUT_CANCELED || row->outcome == PV_OUT_ABSENT ||
                row->outcome == PV_OUT_IN_PROGRESS;
    pv_log(well ? PV_DEBUG : PV_WARN,
           (pv_lf_op(active->c.op), pv_lf_svc(active->c.service),
            pv_lf("component", row->component), pv_lf("step", row->step),
            pv_lf("instance", row->instance), pv_lf_c("call", kinds[row->kind]),
            pv_lf_i64("run", row->run), pv_lf_i64("attempt", row->attempt),
            pv_lf_i64("ms", row->ended_ms - row->started_ms),
            pv_lf("trace_id", pv_plan_trace_id(&active->plan))),
           "%s%s%.*s", what, row->text.len > 0 ? ": " : "", PV_STR_ARG(row->text));
}

/* The history line, the audit record and the log line of the call that has just ended. */
void pv_active_record(struct pv_active *active, int outcome, const char *what)
{
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    active->row = (struct pv_step_row){.component = component->name,
                                       .step = step->name,
                                       .instance = component->instance,
                                       .kind = active->cursor.kind,
                                       .run = active->cursor.run,
                                       .attempt = active->tries,
                                       .outcome = outcome,
                                       .started_ms = active->started_ms,
                                       .ended_ms = pv_engine_wall(active->engine),
                                       .text = pv_buf_view(&active->text)};
    active->progress.row = &active->row;
    (void)snprintf(active->detail, sizeof(active->detail), "%.*s.%.*s", PV_STR_ARG(component->name),
                   PV_STR_ARG(step->name));
    active->progress.audit = (struct pv_audit){.actor = PV_STR("engine"),
                                               .what = pv_str(what),
                                               .source = active->c.source,
                                               .detail = pv_str(active->detail),
                                               .service = active->c.service,
                                               .op = active->c.op};
    log_step(active, what);
}

void pv_active_keep_text(struct pv_active *active, struct pv_str text)
{
    pv_buf_clear(&active->text);
    text.len = text.len > MAX_TEXT ? MAX_TEXT : text.len;
    pv_buf_str(&active->text, text);
}

static const char *const outcome_names[] = {
    "step.ok",      "step.pending",  "step.temporary", "step.instance_fault", "step.permanent",
    "step.unknown", "step.canceled", "step.absent",    "step.in_progress",    "step.no_step"};

void pv_engine_outcome(struct pv_engine *engine, uint64_t call,
                       const struct pv_wire_outcome *outcome)
{
    struct pv_active *active = pv_active_of_call(engine, call);
    if (!active) {
        return;
    }
    end_call(active);
    pv_active_prepare(active);
    pv_active_keep_text(active, outcome->text);
    struct pv_decide_in in = pv_active_facts(active);
    in.code = outcome->code <= PV_OUT_NO_STEP ? outcome->code : PV_OUT_UNKNOWN;
    in.touched = outcome->touched;
    in.retry_after_ms = outcome->retry_after_ms;
    in.text = pv_buf_view(&active->text);
    engine->counters.steps[in.code]++;
    pv_active_record(active, in.code, outcome_names[in.code]);
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    struct pv_str component = active->plan.components[step->component].name;
    bool keep_empty = in.code == PV_OUT_OK && active->c.type == PV_OP_CREATE &&
                      !pv_active_state(active, component).ptr;
    int status = 0;
    /* Whatever a plugin says of a call, its document is what it knows when that ended: by it a
     * lookup finds what was made, and an undo takes it back. */
    if (outcome->state_changed && outcome->code < PV_OUT_NO_STEP) {
        status = set_doc(active, component, outcome->state);
    } else if (keep_empty) {
        status = set_doc(active, component, PV_STR("{}"));
    }
    bool refused = in.code == PV_OUT_PERMANENT; /* then only what it says itself stands */
    if ((outcome->result.len || refused) && !active->cursor.undoing && !status) {
        pv_buf_clear(&active->result);
        status = pv_buf_str(&active->result, outcome->result);
    }
    if (status) {
        /* What it did cannot be kept: the same as if its answer had been lost. */
        pv_log(PV_WARN,
               (pv_lf_op(active->c.op), pv_lf_svc(active->c.service), pv_lf("component", component),
                pv_lf("step", step->name)),
               "what the plugin answered cannot be kept: %s", pv_status_text(status));
        in.code = PV_OUT_UNKNOWN;
        in.touched = true;
    }
    if (in.touched && active->cursor.kind != PV_CALL_LOOKUP) {
        active->cursor.last_send_ms = in.now_ms;
    }
    pv_decide_outcome(&in, &active->cursor, &active->decision);
    if (active->slot) {
        pv_lane_health(active->slot, active->decision.health, in.text);
    }
    pv_active_commit(active);
    pv_engine_pump(engine);
}

void pv_engine_lost(struct pv_engine *engine, uint64_t call, enum pv_lost lost,
                    int64_t last_send_mono_ms, struct pv_str text)
{
    if (lost == PV_LOST_START) {
        pv_engine_outcome(engine, call,
                          &(struct pv_wire_outcome){
                              .code = PV_OUT_INSTANCE_FAULT, .retry_after_ms = -1, .text = text});
        return;
    }
    struct pv_active *active = pv_active_of_call(engine, call);
    if (!active) {
        return;
    }
    end_call(active);
    pv_active_prepare(active);
    pv_active_keep_text(active, text);
    struct pv_decide_in in = pv_active_facts(active);
    in.touched = lost == PV_LOST_TOUCHED || lost == PV_LOST_CULPRIT;
    in.text = pv_buf_view(&active->text);
    engine->counters.steps[10]++;
    pv_active_record(active, -1, "step.lost");
    if (in.touched && active->cursor.kind != PV_CALL_LOOKUP) {
        int64_t ago = pv_engine_mono(engine) - last_send_mono_ms;
        active->cursor.last_send_ms = last_send_mono_ms > 0 ? in.now_ms - ago : in.now_ms;
    }
    bool culprit = lost == PV_LOST_CULPRIT || lost == PV_LOST_CULPRIT_UNTOUCHED;
    pv_decide_lost(&in, culprit, &active->cursor, &active->decision);
    if (active->slot) {
        pv_lane_health(active->slot, active->decision.health, in.text);
    }
    pv_active_commit(active);
    pv_engine_pump(engine);
}

void pv_engine_progress(struct pv_engine *engine, uint64_t call, int percent, struct pv_str text)
{
    struct pv_active *active = pv_active_of_call(engine, call);
    if (!active) {
        return;
    }
    char line[300];
    if (percent >= 0) {
        (void)snprintf(line, sizeof(line), "%d %% %.*s", percent, PV_STR_ARG(text));
    } else {
        (void)snprintf(line, sizeof(line), "%.*s", PV_STR_ARG(text));
    }
    char *copy = pv_strdup(line);
    if (copy) {
        pv_free(active->progress_text);
        active->progress_text = copy;
    }
    pv_engine_tell(engine, active->c.op, PV_OPS_RUNNING, pv_str(line));
}

static struct pv_active *active_of_op(struct pv_engine *engine, struct pv_id op)
{
    struct pv_map_node *node =
        pv_map_get(&engine->ops, (struct pv_str){(const char *)op.b, sizeof(op.b)});
    return node ? PV_CONTAINER(node, struct pv_active, by_op) : NULL;
}

struct pv_str pv_engine_progress_text(struct pv_engine *engine, struct pv_id op)
{
    const struct pv_active *active = active_of_op(engine, op);
    return pv_str(active ? active->progress_text : NULL);
}

bool pv_engine_running(struct pv_engine *engine, struct pv_id op, struct pv_running *ret_running)
{
    const struct pv_active *active = active_of_op(engine, op);
    if (!active || active->state != PV_A_CALLING || !active->call) {
        return false;
    }
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    *ret_running = (struct pv_running){.component = component->name,
                                       .step = step->name,
                                       .instance = component->instance,
                                       .kind = active->cursor.kind,
                                       .attempt = active->tries,
                                       .started_ms = active->started_ms};
    return true;
}

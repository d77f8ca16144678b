/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that this node holds: taking over a claim, pinning, calling steps, and what the runner
 * answers. Every decision ends in a commit (commit.c), after which the next step is called.
 *
 *   claim --> (pin) --> call --> outcome --> commit --> call … --> commit that ends, rests or parks
 * it
 */
#include "core/engine/internal.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_STEP_MS 60000u
#define MAX_TEXT 1000u

struct pv_active *pv_active_new(struct pv_engine *engine)
{
    struct pv_active *active = pv_calloc(1, sizeof(*active));
    if (!active) {
        return NULL;
    }
    active->engine = engine;
    pv_arena_init(&active->arena);
    pv_buf_init(&active->cursor_bytes, 1024);
    pv_buf_init(&active->plan_bytes, 4u << 20);
    pv_buf_init(&active->composition_bytes, 4u << 20);
    pv_buf_init(&active->text, 2048);
    pv_buf_init(&active->result, PV_MAX_STATE_DOC);
    if (!pv_buf_reserve(&active->cursor_bytes, 64 + PV_MAX_STEPS)) {
        pv_active_free(active);
        return NULL;
    }
    return active;
}

/* Frees what belongs to one operation; the struct can take another. */
static void clear(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    if (active->by_op.key.ptr) {
        pv_map_remove(&engine->ops, &active->by_op);
        active->by_op.key = (struct pv_str){NULL, 0};
    }
    if (active->call) {
        pv_map_remove(&engine->calls, &active->by_call);
        active->call = 0;
    }
    pv_list_remove(&active->link);
    for (size_t i = 0; i < active->doc_count; i++) {
        pv_free(active->docs[i].json);
    }
    active->doc_count = 0;
    pv_free(active->progress_text);
    active->progress_text = NULL;
    pv_arena_done(&active->arena);
    pv_buf_clear(&active->plan_bytes);
    pv_buf_clear(&active->composition_bytes);
    pv_buf_clear(&active->text);
    pv_buf_clear(&active->result);
    memset(&active->c, 0, sizeof(active->c));
    memset(&active->plan, 0, sizeof(active->plan));
    active->pinned = false;
}

void pv_active_free(struct pv_active *active)
{
    if (!active) {
        return;
    }
    clear(active);
    pv_buf_done(&active->cursor_bytes);
    pv_buf_done(&active->plan_bytes);
    pv_buf_done(&active->composition_bytes);
    pv_buf_done(&active->text);
    pv_buf_done(&active->result);
    pv_free(active);
}

void pv_active_give_slot(struct pv_active *active)
{
    if (!active->slot) {
        return;
    }
    if (active->slot_fresh) {
        /* It was let through as the breaker's probe, perhaps, and has asked nothing. */
        pv_lane_health(active->slot, PV_HEALTH_NONE, (struct pv_str){NULL, 0});
    }
    pv_lane_give(active->slot, 1);
    active->slot = NULL;
    active->slot_fresh = false;
}

void pv_active_drop(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    pv_active_give_slot(active);
    pv_active_free(active);
    engine->active--;
}

struct pv_active *pv_active_of_call(struct pv_engine *engine, uint64_t call)
{
    struct pv_map_node *node =
        pv_map_get(&engine->calls, (struct pv_str){(const char *)&call, sizeof(call)});
    return node ? PV_CONTAINER(node, struct pv_active, by_call) : NULL;
}

void pv_active_poke(struct pv_engine *engine, struct pv_id op, int intent, struct pv_str lane_name)
{
    struct pv_map_node *node =
        pv_map_get(&engine->ops, (struct pv_str){(const char *)op.b, sizeof(op.b)});
    if (node) {
        PV_CONTAINER(node, struct pv_active, by_op)->c.intent = intent;
        return;
    }
    struct pv_lane *lane = pv_lane_get(engine, lane_name);
    if (lane) {
        pv_lane_announce(lane, 0);
    }
}

struct pv_decide_in pv_active_facts(const struct pv_active *active)
{
    return (struct pv_decide_in){.plan = &active->plan,
                                 .rng = &active->engine->o.rng,
                                 .type = active->c.type,
                                 .intent = active->c.intent,
                                 .observed = active->c.observed,
                                 .residue = active->c.residue,
                                 .tries = active->tries,
                                 .now_ms = pv_engine_wall(active->engine),
                                 .deadline_ms = active->c.deadline_ms,
                                 .retry_after_ms = -1};
}

/* ---- taking over a claim ---- */

static bool copy_str(struct pv_arena *arena, struct pv_str *s)
{
    if (!s->ptr) {
        return true;
    }
    *s = pv_arena_copy(arena, *s);
    return s->ptr != NULL;
}

static bool copy_strings(struct pv_active *active)
{
    struct pv_claimed *c = &active->c;
    struct pv_str *const all[] = {&c->source, &c->external_id, &c->product, &c->plan_name,
                                  &c->action, &c->body,        &c->attrs,   &c->composition,
                                  &c->plan,   &c->cursor};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!copy_str(&active->arena, all[i])) {
            return false;
        }
    }
    return true;
}

static bool copy_lists(struct pv_active *active, const struct pv_claimed *from)
{
    struct pv_claimed *c = &active->c;
    for (size_t i = 0; i < from->doc_count && i < PV_MAX_COMPONENTS; i++) {
        struct pv_active_doc *doc = &active->docs[i];
        doc->component = pv_arena_copy(&active->arena, from->docs[i].component);
        doc->json = pv_strndup(from->docs[i].json.ptr, from->docs[i].json.len);
        doc->len = from->docs[i].json.len;
        active->doc_count = i + 1;
        if (!doc->component.ptr || !doc->json) {
            return false;
        }
    }
    c->docs = NULL;
    c->doc_count = 0;
    c->signals = NULL;
    if (from->signal_count > 0) {
        c->signals =
            pv_arena_alloc(&active->arena, from->signal_count * sizeof(struct pv_signal_row));
        if (!c->signals) {
            return false;
        }
    }
    for (size_t i = 0; i < from->signal_count; i++) {
        c->signals[i] = from->signals[i];
        if (!copy_str(&active->arena, &c->signals[i].name) ||
            !copy_str(&active->arena, &c->signals[i].body)) {
            return false;
        }
    }
    return true;
}

static bool copy_claim(struct pv_active *active, const struct pv_claimed *from)
{
    active->c = *from;
    active->tries = from->tries > 0 ? from->tries : 1;
    active->clean = true;
    struct pv_str key = {(const char *)active->c.op.b, sizeof(active->c.op.b)};
    return copy_strings(active) && copy_lists(active, from) &&
           !pv_map_add(&active->engine->ops, &active->by_op, key);
}

/* Gives it back as it was, to be claimed again after a moment: no memory was to be had. */
static void hand_back(struct pv_active *active)
{
    pv_active_prepare(active);
    memset(&active->decision, 0, sizeof(active->decision));
    active->decision.next = PV_NEXT_DEFER;
    active->decision.due_ms = pv_engine_wall(active->engine) + PV_STALL_MS;
    active->decision.tries = active->tries - 1;
    active->progress.cursor = (struct pv_str){NULL, 0};
    pv_active_commit(active);
}

static void park(struct pv_active *active, const char *reason)
{
    pv_active_prepare(active);
    memset(&active->decision, 0, sizeof(active->decision));
    active->decision.next = PV_NEXT_PARK;
    active->decision.tries = active->tries;
    (void)snprintf(active->decision.reason, sizeof(active->decision.reason), "%s", reason);
    pv_active_commit(active);
}

/* The components that a terminate has to see to: those with a state document where an undo has been
 * completed, and every one of the composition where something may be that no document tells of. */
static int components_left(struct pv_active *active, struct pv_str *out, size_t *ret_count)
{
    bool all = active->c.residue || active->c.observed != PV_SVC_FAILED;
    if (active->c.type == PV_OP_TERMINATE && all && active->c.composition.len > 0) {
        struct pv_plan composition = {0};
        int status = pv_plan_decode(active->c.composition, &active->arena, &composition);
        for (size_t i = 0; i < composition.component_count; i++) {
            out[i] = composition.components[i].name;
        }
        *ret_count = composition.component_count;
        return status;
    }
    for (size_t i = 0; i < active->doc_count; i++) {
        out[i] = active->docs[i].component;
    }
    *ret_count = active->doc_count;
    return PV_OK;
}

/* Pins the plan: planned now, durable before the first step is called. 0, PV_ENOMEM, or another
 * status with the reason. */
static int pin(struct pv_active *active, struct pv_err *err)
{
    struct pv_engine *engine = active->engine;
    struct pv_str components[PV_MAX_COMPONENTS];
    size_t count = 0;
    int status = components_left(active, components, &count);
    if (status) {
        return status;
    }
    struct pv_plan_request request = {.type = active->c.type,
                                      .action = active->c.action,
                                      .source = active->c.source,
                                      .product = active->c.product,
                                      .plan_name = active->c.plan_name,
                                      .body = active->c.body,
                                      .attrs = active->c.attrs,
                                      .composition = active->c.composition,
                                      .doc_components = components,
                                      .doc_count = count};
    status =
        engine->o.planner.plan(engine->o.planner.ctx, &request, &active->arena, &active->plan, err);
    if (status) {
        return status;
    }
    pv_plan_order(&active->plan, active->c.type);
    status = pv_plan_encode(&active->plan, &active->plan_bytes);
    if (!status && active->c.type == PV_OP_CREATE) {
        status = pv_plan_encode_composition(&active->plan, &active->composition_bytes);
    }
    return status;
}

static void begin_unpinned(struct pv_active *active)
{
    struct pv_err err = {0};
    int status = pin(active, &err);
    if (status == PV_ENOMEM) {
        hand_back(active);
        return;
    }
    if (status) {
        park(active, err.text[0] ? err.text : pv_status_text(status));
        return;
    }
    pv_active_prepare(active);
    active->pinned = true;
    pv_cursor_init(&active->cursor, active->plan.step_count);
    active->c.deadline_ms = pv_engine_wall(active->engine) + active->plan.deadline_ms;
    active->progress.plan = pv_buf_view(&active->plan_bytes);
    if (active->c.type == PV_OP_CREATE) {
        active->progress.composition = pv_buf_view(&active->composition_bytes);
    }
    active->progress.deadline_ms = active->c.deadline_ms;
    struct pv_decide_in in = pv_active_facts(active);
    pv_decide_start(&in, true, &active->cursor, &active->decision);
    pv_active_commit(active);
}

static void keep_text(struct pv_active *active, struct pv_str text);
static void record(struct pv_active *active, int outcome, const char *what);

static void begin_pinned(struct pv_active *active)
{
    int status = pv_plan_decode(active->c.plan, &active->arena, &active->plan);
    if (status == PV_ENOMEM) {
        hand_back(active);
        return;
    }
    struct pv_cursor *cursor = &active->cursor;
    bool fresh = active->c.cursor.len == 0;
    if (!status && fresh) {
        pv_cursor_init(cursor, active->plan.step_count);
        active->clean = active->tries <= 1;
    } else if (!status) {
        status = pv_cursor_decode(active->c.cursor, cursor);
        active->clean =
            cursor->rested_tries != PV_NO_TRIES && active->c.tries == cursor->rested_tries + 1;
    }
    if (status || cursor->count != active->plan.step_count) {
        park(active, "its plan or cursor cannot be read: the database is damaged");
        return;
    }
    active->pinned = true;
    /* A create that was pinned when it was accepted and then waited: the service does not have its
     * composition yet. */
    bool compose = active->c.type == PV_OP_CREATE && active->c.composition.len == 0;
    if (compose && pv_plan_encode_composition(&active->plan, &active->composition_bytes)) {
        hand_back(active);
        return;
    }
    struct pv_cursor before = *cursor;
    struct pv_decide_in in = pv_active_facts(active);
    pv_decide_start(&in, active->clean, cursor, &active->decision);
    bool moved = before.undoing != cursor->undoing || before.step != cursor->step ||
                 before.kind != cursor->kind ||
                 memcmp(before.marks, cursor->marks, cursor->count) != 0;
    if (active->decision.next == PV_NEXT_HOLD && !moved && !compose && active->clean) {
        /* The claim itself is the durable record of this attempt. */
        pv_active_dispatch(active);
        return;
    }
    struct pv_decision decision = active->decision;
    struct pv_cursor after = *cursor;
    pv_active_prepare(active);
    if (!active->clean && cursor->count > 0) {
        *cursor = before;
        active->started_ms = pv_engine_wall(active->engine);
        keep_text(active, PV_STR("the node that had called it went away"));
        record(active, -1, "step.lost");
        *cursor = after;
    }
    active->decision = decision;
    if (compose) {
        active->progress.composition = pv_buf_view(&active->composition_bytes);
    }
    pv_active_commit(active);
}

void pv_active_begin(struct pv_active *active, const struct pv_claimed *claimed,
                     struct pv_lane *slot)
{
    clear(active);
    active->slot = slot;
    active->slot_fresh = slot != NULL;
    if (!copy_claim(active, claimed)) {
        active->c.source = active->c.cursor = (struct pv_str){NULL, 0};
        active->c.plan = (struct pv_str){NULL, 0};
        hand_back(active);
        return;
    }
    if (active->c.plan.len == 0) {
        begin_unpinned(active);
    } else {
        begin_pinned(active);
    }
}

/* ---- calling a step ---- */

static struct pv_str state_of(const struct pv_active *active, struct pv_str component)
{
    for (size_t i = 0; i < active->doc_count; i++) {
        if (pv_str_eq(active->docs[i].component, component)) {
            return (struct pv_str){active->docs[i].json, active->docs[i].len};
        }
    }
    return (struct pv_str){NULL, 0};
}

/* An action is named "component.action" where its bare name is not unique. */
static struct pv_str operation_name(const struct pv_active *active)
{
    if (active->c.type != PV_OP_ACTION) {
        return pv_str(pv_op_type_name(active->c.type));
    }
    struct pv_str name = active->c.action;
    const char *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;
    if (dot) {
        size_t skip = (size_t)(dot - name.ptr) + 1;
        name = (struct pv_str){name.ptr + skip, name.len - skip};
    }
    return name;
}

static int start_call(struct pv_active *active, struct pv_buf *input)
{
    struct pv_engine *engine = active->engine;
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    char ref[PV_REF_TEXT];
    pv_service_ref(engine->o.store->deployment, active->c.service, active->c.generation, ref);
    struct pv_run_step call = {
        .instance = component->instance,
        .solo = active->cursor.crashes > 0,
        .lease_until_ms = pv_engine_mono(engine) + engine->o.lease_ms,
        .wire = {.kind = active->cursor.kind,
                 .is_action = active->c.type == PV_OP_ACTION,
                 .timeout_ms = step->timeout_ms ? step->timeout_ms : DEFAULT_STEP_MS,
                 .run = active->cursor.run,
                 .attempt = active->tries,
                 .generation = active->c.generation,
                 .op = active->c.op,
                 .service = active->c.service,
                 .operation = operation_name(active),
                 .component = component->name,
                 .step = step->name,
                 .external_id = active->c.external_id,
                 .ref = pv_str(ref),
                 .input = pv_buf_view(input),
                 .state = state_of(active, component->name)}};
    active->call = ++engine->next_call;
    struct pv_str key = {(const char *)&active->call, sizeof(active->call)};
    int status = pv_map_add(&engine->calls, &active->by_call, key);
    if (status) {
        active->call = 0;
        return status;
    }
    active->state = PV_A_CALLING;
    active->started_ms = pv_engine_wall(engine);
    status = engine->o.runner.start(engine->o.runner.ctx, active->call, &call);
    if (status) {
        pv_map_remove(&engine->calls, &active->by_call);
        active->call = 0;
    }
    return status;
}

static void unavailable(struct pv_active *active, int wait, int64_t due_ms)
{
    struct pv_decide_in in = pv_active_facts(active);
    pv_active_prepare(active);
    pv_decide_unavailable(&in, wait, due_ms, &active->cursor, &active->decision);
    pv_active_commit(active);
}

/* The operation holds a slot of the lane when this returns 0. */
static int get_slot(struct pv_active *active, struct pv_lane *lane, int64_t *ret_due_ms)
{
    if (active->slot != lane) {
        pv_active_give_slot(active);
        int wait = pv_lane_take(lane, ret_due_ms);
        if (!wait) {
            active->slot = lane;
        }
        return wait;
    }
    return active->slot_fresh ? 0 : pv_lane_again(lane, ret_due_ms);
}

void pv_active_dispatch(struct pv_active *active)
{
    struct pv_engine *engine = active->engine;
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    struct pv_str instance = active->plan.components[step->component].instance;
    int64_t due = pv_engine_wall(engine);
    struct pv_lane *lane = pv_lane_get(engine, instance);
    if (engine->stopping || !lane) {
        unavailable(active, PV_WAIT_NONE, lane ? due : due + PV_STALL_MS);
        return;
    }
    if (lane->missing) {
        char reason[200];
        (void)snprintf(reason, sizeof(reason),
                       "instance %.*s is not in the configuration: add it, then retry",
                       PV_STR_ARG(instance));
        park(active, reason);
        return;
    }
    int wait = get_slot(active, lane, &due);
    if (wait) {
        unavailable(active, wait, due);
        return;
    }
    struct pv_buf input;
    pv_buf_init(&input, 1u << 20);
    int status = pv_active_input(active, &input);
    if (!status) {
        active->slot_fresh = false;
        status = start_call(active, &input);
    }
    pv_buf_done(&input);
    if (status == PV_ENOTFOUND) {
        park(active, "its instance is not running and cannot be started");
    } else if (status) {
        unavailable(active, PV_WAIT_CAPACITY, pv_engine_wall(engine) + PV_STALL_MS);
    }
}

/* ---- what the runner answers ---- */

int pv_active_set_doc(struct pv_active *active, struct pv_str component, struct pv_str json,
                      struct pv_active_doc **ret_doc)
{
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

/* The history line and the audit record of the call that has just ended. */
static void record(struct pv_active *active, int outcome, const char *what)
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
}

static void keep_text(struct pv_active *active, struct pv_str text)
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
    keep_text(active, outcome->text);
    struct pv_decide_in in = pv_active_facts(active);
    in.code = outcome->code <= PV_OUT_NO_STEP ? outcome->code : PV_OUT_UNKNOWN;
    in.touched = outcome->touched;
    in.retry_after_ms = outcome->retry_after_ms;
    in.text = pv_buf_view(&active->text);
    engine->counters.steps[in.code]++;
    record(active, in.code, outcome_names[in.code]);
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    struct pv_str component = active->plan.components[step->component].name;
    bool keep_empty =
        in.code == PV_OUT_OK && active->c.type == PV_OP_CREATE && !state_of(active, component).ptr;
    int status = 0;
    if (outcome->state_changed) {
        status = set_doc(active, component, outcome->state);
    } else if (keep_empty) {
        status = set_doc(active, component, PV_STR("{}"));
    }
    if (outcome->result.len && !status) {
        pv_buf_clear(&active->result);
        status = pv_buf_str(&active->result, outcome->result);
    }
    if (status) {
        /* What it did cannot be kept: the same as if its answer had been lost. */
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
    keep_text(active, text);
    struct pv_decide_in in = pv_active_facts(active);
    in.touched = lost == PV_LOST_TOUCHED || lost == PV_LOST_CULPRIT;
    in.text = pv_buf_view(&active->text);
    engine->counters.steps[10]++;
    record(active, -1, "step.lost");
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

struct pv_str pv_engine_progress_text(struct pv_engine *engine, struct pv_id op)
{
    struct pv_map_node *node =
        pv_map_get(&engine->ops, (struct pv_str){(const char *)op.b, sizeof(op.b)});
    return pv_str(node ? PV_CONTAINER(node, struct pv_active, by_op)->progress_text : NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that this node holds: taking over a claim and pinning its plan. Every decision ends in
 * a commit (commit.c), after which the next step is called.
 *
 *   claim --> (pin) --> call --> outcome --> commit --> call … --> commit: ended, resting or parked
 */
#include "core/engine/internal.h"

#include <stdio.h>
#include <string.h>

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

void pv_active_park(struct pv_active *active, const char *reason)
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

/* The configuration has no plan for it. Nothing has been called: an upgrade or action, which only a
 * wrong plan or form can bring here, fails; what must not be forgotten is parked. */
static void refused(struct pv_active *active, const char *reason)
{
    if (active->c.type != PV_OP_UPGRADE && active->c.type != PV_OP_ACTION) {
        pv_active_park(active, reason);
        return;
    }
    pv_active_prepare(active);
    active->decision.next = PV_NEXT_FINISH;
    active->decision.op_state = PV_OPS_FAILED;
    active->decision.observed = active->c.observed;
    active->decision.residue = active->c.residue;
    active->decision.tries = active->tries;
    (void)snprintf(active->decision.reason, sizeof(active->decision.reason), "%s", reason);
    pv_active_commit(active);
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
        refused(active, err.text[0] ? err.text : pv_status_text(status));
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
        pv_active_park(active, "its plan or cursor cannot be read: the database is damaged");
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
        pv_active_keep_text(active, PV_STR("the node that had called it went away"));
        pv_active_record(active, -1, "step.lost");
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
    pv_engine_tell(active->engine, active->c.op, PV_OPS_RUNNING, (struct pv_str){NULL, 0});
    if (active->c.plan.len == 0) {
        begin_unpinned(active);
    } else {
        begin_pinned(active);
    }
}

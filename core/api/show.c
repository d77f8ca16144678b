/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the store as JSON. */
#include "core/api/internal.h"

#include "core/base/message.h"
#include "core/engine/cursor.h"

#include <string.h>

static void put_key(struct pv_buf *out, const char *key)
{
    char last = out->len > 0 ? out->ptr[out->len - 1] : '{';
    if (last != '{' && last != '[') {
        pv_buf_char(out, ',');
    }
    pv_buf_char(out, '"');
    pv_buf_c(out, key);
    pv_buf_c(out, "\":");
}

void pv_show_text(struct pv_buf *out, const char *key, struct pv_str text)
{
    put_key(out, key);
    if (text.ptr == NULL) {
        pv_buf_c(out, "null");
    } else {
        pv_buf_json(out, text);
    }
}

void pv_show_c(struct pv_buf *out, const char *key, const char *text)
{
    pv_show_text(out, key, pv_str(text));
}

/* Text that is absent when it is empty. */
static void show_some(struct pv_buf *out, const char *key, struct pv_str text)
{
    pv_show_text(out, key, text.len > 0 ? text : (struct pv_str){NULL, 0});
}

void pv_show_id(struct pv_buf *out, const char *key, const char *prefix, struct pv_id id)
{
    char text[PV_ID_TEXT];
    pv_show_c(out, key, pv_id_is_zero(id) ? NULL : pv_id_format(prefix, id, text));
}

void pv_show_i64(struct pv_buf *out, const char *key, int64_t value)
{
    put_key(out, key);
    pv_buf_printf(out, "%lld", (long long)value);
}

void pv_show_bool(struct pv_buf *out, const char *key, bool value)
{
    put_key(out, key);
    pv_buf_c(out, value ? "true" : "false");
}

void pv_show_time(struct pv_buf *out, const char *key, int64_t wall_ms)
{
    char text[PV_TIME_TEXT];
    if (wall_ms <= 0 || wall_ms == PV_NEVER) {
        pv_show_c(out, key, NULL);
        return;
    }
    pv_time_format(wall_ms, text);
    pv_show_c(out, key, text);
}

void pv_show_raw(struct pv_buf *out, const char *key, struct pv_str json)
{
    put_key(out, key);
    pv_buf_str(out, json.len > 0 ? json : PV_STR("null"));
}

void pv_show_receipt(struct pv_buf *out, struct pv_id op, struct pv_id service, int state,
                     bool duplicate)
{
    pv_buf_char(out, '{');
    pv_show_id(out, "operation", "op", op);
    pv_show_id(out, "service", "svc", service);
    pv_show_c(out, "state", pv_op_state_name(state));
    pv_show_bool(out, "duplicate", duplicate);
    pv_buf_char(out, '}');
}

void pv_show_list_end(struct pv_buf *out, bool more, const char *next)
{
    pv_buf_char(out, ']');
    pv_show_c(out, "next", more ? next : NULL);
    pv_buf_char(out, '}');
}

/* ---- services ---- */

void pv_show_service(struct pv_buf *out, const struct pv_service_row *row)
{
    pv_show_id(out, "service", "svc", row->id);
    pv_show_text(out, "source", row->source);
    pv_show_text(out, "external_id", row->external_id);
    show_some(out, "ref", row->ref);
    show_some(out, "product", row->product);
    show_some(out, "plan", row->plan_name);
    pv_show_i64(out, "generation", row->generation);
    pv_show_c(out, "state", pv_svc_state_name(row->observed));
    pv_show_c(out, "desired", pv_svc_state_name(row->desired));
    pv_show_bool(out, "residue", row->residue);
    pv_show_id(out, "active_operation", "op", row->active_op);
    pv_show_i64(out, "waiting_operations", row->waiting);
    pv_show_time(out, "created", row->created_ms);
    pv_show_time(out, "changed", row->changed_ms);
}

/* ---- operations ---- */

static void show_wait(struct pv_buf *out, const struct pv_op_row *row,
                      const struct pv_op_wait *wait)
{
    if (row->state != PV_OPS_READY) {
        pv_show_c(out, "wait", NULL);
        return;
    }
    put_key(out, "wait");
    pv_buf_char(out, '{');
    pv_show_c(out, "why", pv_wait_name(wait->why));
    pv_show_time(out, "until", wait->until_ms);
    show_some(out, "instance", row->lane);
    pv_buf_char(out, '}');
}

/* Why something did not go well is for staff: it names systems. */
static struct pv_str for_staff(const struct pv_call *call, struct pv_str text)
{
    return call->session == NULL ? text : (struct pv_str){NULL, 0};
}

void pv_show_op(const struct pv_call *call, struct pv_buf *out, const struct pv_op_row *row,
                const struct pv_op_wait *wait)
{
    pv_show_id(out, "operation", "op", row->id);
    pv_show_id(out, "service", "svc", row->service);
    pv_show_text(out, "source", row->source);
    pv_show_text(out, "external_id", row->external_id);
    pv_show_c(out, "type", pv_op_type_name(row->type));
    show_some(out, "action", row->action);
    pv_show_c(out, "state", pv_op_state_name(row->state));
    show_wait(out, row, wait);
    pv_show_i64(out, "tries", row->tries);
    pv_show_i64(out, "generation", row->generation);
    show_some(out, "reason", for_staff(call, row->reason));
    pv_show_time(out, "accepted", row->accepted_ms);
    pv_show_time(out, "finished", row->finished_ms);
    pv_show_time(out, "deadline", row->deadline_ms);
    pv_show_raw(out, "result", row->result);
}

const char *pv_show_kind(int kind)
{
    static const char *const names[] = {"run", "poll", "lookup", "undo"};
    return kind >= 0 && kind < 4 ? names[kind] : "?";
}

const char *pv_show_outcome(int outcome)
{
    static const char *const names[] = {"ok",          "pending", "temporary", "instance_fault",
                                        "permanent",   "unknown", "canceled",  "absent",
                                        "in_progress", "no_step"};
    if (outcome == -1) {
        return "lost";
    }
    if (outcome == -2) {
        return "skipped";
    }
    return outcome >= 0 && outcome < 10 ? names[outcome] : "?";
}

static void show_step(const struct pv_call *call, struct pv_buf *out, const struct pv_step_row *row)
{
    pv_buf_char(out, '{');
    pv_show_i64(out, "seq", row->seq);
    pv_show_text(out, "component", row->component);
    pv_show_text(out, "step", row->step);
    pv_show_text(out, "instance", row->instance);
    pv_show_c(out, "kind", pv_show_kind(row->kind));
    pv_show_i64(out, "run", row->run);
    pv_show_i64(out, "attempt", row->attempt);
    pv_show_c(out, "outcome", pv_show_outcome(row->outcome));
    pv_show_time(out, "started", row->started_ms);
    pv_show_time(out, "ended", row->ended_ms);
    show_some(out, "text", for_staff(call, row->text));
    pv_buf_char(out, '}');
}

static const char *mark_name(char mark)
{
    switch (mark) {
    case PV_MARK_DONE:
        return "done";
    case PV_MARK_UNKNOWN:
        return "unknown";
    case PV_MARK_LATER:
        return "later";
    case PV_MARK_FAILED:
        return "failed";
    case PV_MARK_BARRED:
        return "barred";
    case PV_MARK_SKIPPED:
        return "skipped";
    case PV_MARK_UNDONE:
        return "undone";
    default:
        return "open";
    }
}

/* What became of a step by its history: an operation that has ended well keeps no cursor. */
static const char *mark_of_history(const struct pv_get *get, struct pv_str component,
                                   struct pv_str step)
{
    const char *mark = "open";
    for (size_t i = 0; i < get->ret_step_count; i++) {
        const struct pv_step_row *row = &get->ret_steps[i];
        if (!pv_str_eq(row->component, component) || !pv_str_eq(row->step, step)) {
            continue;
        }
        if (row->outcome == 0) {
            mark = row->kind == PV_CALL_UNDO ? "undone" : "done";
        } else {
            mark = row->outcome == -2 ? "skipped" : mark;
        }
    }
    return mark;
}

static void show_plan(struct pv_buf *out, const struct pv_get *get, const struct pv_plan *plan,
                      const struct pv_cursor *cursor)
{
    put_key(out, "plan");
    pv_buf_c(out, "{\"components\":[");
    for (size_t i = 0; i < plan->component_count; i++) {
        const struct pv_plan_component *component = &plan->components[i];
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "name", component->name);
        pv_show_text(out, "instance", component->instance);
        pv_show_text(out, "plugin", component->plugin);
        pv_show_text(out, "plugin_version", component->plugin_version);
        pv_buf_char(out, '}');
    }
    pv_buf_c(out, "],\"steps\":[");
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct pv_plan_step *step = &plan->steps[i];
        struct pv_str component = plan->components[step->component].name;
        pv_buf_c(out, i > 0 ? ",{" : "{");
        pv_show_text(out, "component", component);
        pv_show_text(out, "step", step->name);
        pv_show_c(out, "state",
                  i < cursor->count ? mark_name(cursor->marks[i])
                                    : mark_of_history(get, component, step->name));
        pv_buf_char(out, '}');
    }
    pv_buf_char(out, ']');
    pv_show_bool(out, "undoing", cursor->undoing);
    pv_buf_char(out, '}');
}

void pv_show_op_full(struct pv_call *call, struct pv_buf *out, const struct pv_get *get,
                     const struct pv_op_wait *wait)
{
    const struct pv_op_row *row = &get->ret_op;
    pv_show_op(call, out, row, wait);
    struct pv_str progress = {NULL, 0};
    if (!pv_op_state_final(row->state)) {
        progress = pv_engine_progress_text(call->api->o.engine, row->id);
    }
    show_some(out, "progress", progress);
    struct pv_plan plan = {0};
    struct pv_cursor cursor = {.run = 1};
    bool pinned = row->plan.len > 0 && pv_plan_decode(row->plan, &call->arena, &plan) == 0;
    if (row->cursor.len == 0 || pv_cursor_decode(row->cursor, &cursor) != 0) {
        cursor = (struct pv_cursor){.run = 1};
    }
    for (size_t i = 0; i < get->ret_step_count; i++) {
        cursor.run = get->ret_steps[i].run > cursor.run ? get->ret_steps[i].run : cursor.run;
    }
    pv_show_i64(out, "run", cursor.run);
    if (pinned) {
        show_plan(out, get, &plan, &cursor);
    } else {
        pv_show_raw(out, "plan", PV_STR(""));
        out->status = row->plan.len > 0 ? PV_ENOMEM : out->status; /* it would look unpinned */
    }
    put_key(out, "steps");
    pv_buf_char(out, '[');
    for (size_t i = 0; i < get->ret_step_count; i++) {
        pv_buf_c(out, i > 0 ? "," : "");
        show_step(call, out, &get->ret_steps[i]);
    }
    pv_buf_char(out, ']');
}

/* ---- audit, tokens ---- */

static void show_hash(struct pv_buf *out, const char *key, const struct pv_hash *hash)
{
    static const struct pv_hash zero;
    char text[2 * PV_HASH_BYTES + 1];
    pv_hex(hash->b, sizeof(hash->b), text);
    pv_show_c(out, key, memcmp(hash, &zero, sizeof(zero)) == 0 ? NULL : text);
}

void pv_show_audit(struct pv_buf *out, const struct pv_audit_row *row)
{
    pv_show_i64(out, "n", (int64_t)row->n);
    pv_show_i64(out, "writer", row->writer);
    pv_show_time(out, "time", row->at_ms);
    show_some(out, "actor", row->record.actor);
    show_some(out, "what", row->record.what);
    show_some(out, "source", row->record.source);
    show_some(out, "detail", row->record.detail);
    pv_show_id(out, "service", "svc", row->record.service);
    pv_show_id(out, "operation", "op", row->record.op);
    show_hash(out, "digest", &row->record.digest);
    show_hash(out, "hash", &row->hash);
}

void pv_show_scopes(struct pv_buf *out, unsigned scopes)
{
    put_key(out, "scopes");
    pv_buf_char(out, '[');
    bool first = true;
    for (unsigned bit = 0; bit < PV_SCOPES; bit++) {
        if ((scopes & 1u << bit) != 0) {
            pv_buf_printf(out, "%s\"%s\"", first ? "" : ",", pv_scope_name(1u << bit));
            first = false;
        }
    }
    pv_buf_char(out, ']');
}

void pv_show_token(struct pv_buf *out, const struct pv_token_row *row)
{
    pv_show_id(out, "id", "tok", row->id);
    pv_show_text(out, "source", row->source);
    pv_show_scopes(out, pv_scopes_parse(row->scopes));
    pv_show_time(out, "created", row->created_ms);
    pv_show_time(out, "expires", row->expires_ms);
    pv_show_time(out, "revoked", row->revoked_ms);
    if (row->rate == 0) {
        pv_show_raw(out, "rate", PV_STR(""));
        pv_show_raw(out, "burst", PV_STR(""));
        return;
    }
    int64_t rate = row->rate > 0 ? row->rate : 0;
    pv_show_i64(out, "rate", rate);
    pv_show_i64(out, "burst", row->burst > 0 ? row->burst : 2 * rate);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* STEP and QUERY become calls, and what a call came to goes back as OUTCOME. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/base/fault.h"

#include <stdio.h>
#include <string.h>

#define STEP_TIMEOUT_MS 60000u
#define QUERY_TIMEOUT_MS 10000u
#define OUTCOME_TEXT_MAX 1000u
#define TOO_MANY "more calls at once than max_in_flight says: not begun"

struct pv_str pv_host_key(const uint64_t *id)
{
    return (struct pv_str){(const char *)id, sizeof(*id)};
}

struct pv_call *pv_host_find(const struct pv_host *host, uint64_t id)
{
    struct pv_map_node *node = pv_map_get(&host->calls, pv_host_key(&id));
    return node != NULL ? PV_CONTAINER(node, struct pv_call, node) : NULL;
}

static int refuse(struct pv_host *host, uint64_t call, uint8_t code, const char *text)
{
    const struct pv_wire_outcome outcome = {
        .code = code, .retry_after_ms = -1, .text = pv_str(text)};
    pv_wire_put_outcome(&host->out, call, &outcome);
    pv_host_sent(host);
    return 0;
}

/* What the daemon said it would have in flight at most is there. */
static bool is_full(const struct pv_host *host)
{
    return host->max_in_flight != 0 && host->calls.count >= host->max_in_flight;
}

/* Takes the slot on the status page; the daemon must not use one twice at a time. */
static int take_slot(struct pv_host *host, uint32_t slot, uint64_t id)
{
    struct pv_page_slot *s = &host->page->slot[slot];
    uint64_t before = atomic_load(&s->call);
    if (id == 0 || pv_host_find(host, id) != NULL ||
        (before != 0 && pv_host_find(host, before) != NULL)) {
        return PV_ESYNTAX;
    }
    atomic_store(&s->mark, PV_SLOT_RECEIVED);
    atomic_store(&s->last_send_ms, 0);
    atomic_store(&s->call, id);
    return 0;
}

static struct pv_call *new_call(struct pv_host *host, uint64_t id, uint32_t slot)
{
    struct pv_call *call = pv_calloc(1, sizeof(*call));
    if (call == NULL) {
        return NULL;
    }
    call->host = host;
    call->id = id;
    call->slot = slot;
    call->retry_after_ms = -1;
    pv_memory_init(&call->memory, PV_HOST_MEMORY_MAX);
    pv_mask_init(&call->mask);
    call->pub.struct_size = sizeof(call->pub);
    call->pub.host = &pv_host_table;
    call->pub.instance = host->instance;
    call->pub.host_data = call;
    call->pub.settings = host->settings;
    return call;
}

/* Copies s into the call's memory; a failure is seen once, at the end, as *ok. */
static const char *keep(struct pv_call *call, struct pv_str s, bool *ok)
{
    const char *text = pv_memory_str(&call->memory, s);
    *ok = *ok && text != NULL;
    return text;
}

static const char *keep_id(struct pv_call *call, const char *prefix, struct pv_id id, bool *ok)
{
    char text[PV_ID_TEXT] = "";
    return keep(call, pv_id_is_zero(id) ? PV_STR("") : pv_str(pv_id_format(prefix, id, text)), ok);
}

static struct pv_str or_empty_object(struct pv_str json)
{
    return json.len > 0 ? json : PV_STR("{}");
}

/* Puts a filled call to work, or answers that it cannot be. */
static int begin(struct pv_call *call, bool filled)
{
    struct pv_host *host = call->host;
    uint64_t id = call->id;
    if (!filled || pv_map_add(&host->calls, &call->node, pv_host_key(&call->id)) != 0) {
        pv_call_free(call);
        return refuse(host, id, PV_OUT_TEMPORARY, "the plugin host is out of memory");
    }
    if (pv_call_start(call) != 0) {
        pv_map_remove(&host->calls, &call->node);
        pv_call_free(call);
        return refuse(host, id, PV_OUT_TEMPORARY, "the plugin host is out of memory");
    }
    return 0;
}

static void find_secrets(struct pv_call *call, const struct pv_module_fields *form)
{
    const struct pv_module *m = &call->host->module;
    pv_json_secrets(&m->product, call->pub.input, &call->mask);
    pv_json_secrets(&m->checkout, call->pub.input, &call->mask);
    if (form != NULL) {
        pv_json_secrets(form, call->pub.input, &call->mask);
    }
}

static const struct pv_module_fields *form_of(const struct pv_module *m, struct pv_str action)
{
    for (size_t i = 0; i < m->action_count; i++) {
        if (pv_str_eq_c(action, m->actions[i].decl.name)) {
            return &m->actions[i].form;
        }
    }
    return NULL;
}

static provost_step_fn pick(const struct provost_step *step, uint8_t kind)
{
    if (step == NULL) {
        return NULL;
    }
    switch (kind) {
    case PV_CALL_POLL:
        return step->poll != NULL ? step->poll : step->run;
    case PV_CALL_LOOKUP:
        return step->lookup;
    case PV_CALL_UNDO:
        return step->undo;
    default:
        return step->run;
    }
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {"run", "poll", "lookup", "undo"};
    return names[kind];
}

static bool fill_step(struct pv_call *call, const struct pv_wire_step *w)
{
    bool ok = true;
    struct provost_call *pub = &call->pub;
    pub->operation_id = keep_id(call, "op", w->op, &ok);
    pub->service_id = keep_id(call, "svc", w->service, &ok);
    pub->operation = keep(call, w->operation, &ok);
    pub->component = keep(call, w->component, &ok);
    pub->step = keep(call, w->step, &ok);
    pub->external_id = keep(call, w->external_id, &ok);
    pub->ref = keep(call, w->ref, &ok);
    pub->input = keep(call, or_empty_object(w->input), &ok);
    pub->state = keep(call, or_empty_object(w->state), &ok);
    pub->generation = w->generation;
    pub->run = w->run;
    pub->attempt = w->attempt;
    call->signal_key = keep(call, w->signal_key, &ok);
    call->trace = keep(call, w->trace, &ok);
    pv_mask_add(&call->mask, w->signal_key);
    call->kind = w->kind;
    call->op = w->op;
    if (ok) {
        find_secrets(call, w->is_action == 1 ? form_of(&call->host->module, w->operation) : NULL);
        snprintf(call->label, sizeof(call->label), "operation %s (%s), step %s, %s",
                 pub->operation_id, pub->operation, pub->step, kind_name(call->kind));
    }
    return ok;
}

int pv_host_on_step(struct pv_host *host, const struct pv_frame *frame)
{
    struct pv_wire_step w;
    if (pv_wire_get_step(frame, &w) != 0 || take_slot(host, w.slot, frame->call) != 0) {
        return PV_ESYNTAX;
    }
    if (host->state != PV_HOST_OPEN) {
        return refuse(host, frame->call, PV_OUT_CANCELED, "the plugin host is stopping");
    }
    if (is_full(host)) {
        return refuse(host, frame->call, PV_OUT_TEMPORARY, TOO_MANY);
    }
    const struct provost_step *step =
        pv_module_step(&host->module, w.operation, w.is_action == 1, w.step);
    provost_step_fn fn = pick(step, w.kind);
    if (fn == NULL) {
        char text[300];
        snprintf(text, sizeof(text), "plugin %s %.40s has no %s of step %.*s of %.*s",
                 host->module.plugin.name,
                 host->module.plugin.version != NULL ? host->module.plugin.version : "",
                 kind_name(w.kind), PV_STR_ARG(w.step), PV_STR_ARG(w.operation));
        return refuse(host, frame->call, PV_OUT_NO_STEP, text);
    }
    struct pv_call *call = new_call(host, frame->call, w.slot);
    if (call == NULL) {
        return refuse(host, frame->call, PV_OUT_TEMPORARY, "the plugin host is out of memory");
    }
    call->fn = fn;
    call->timeout_ms = w.timeout_ms > 0       ? w.timeout_ms
                       : step->timeout_ms > 0 ? step->timeout_ms
                                              : STEP_TIMEOUT_MS;
    return begin(call, fill_step(call, &w));
}

static bool fill_query(struct pv_call *call, const struct pv_wire_query *w,
                       const struct pv_module_fields *params)
{
    bool ok = true;
    struct provost_call *pub = &call->pub;
    pub->operation_id = "";
    pub->operation = "";
    pub->service_id = keep_id(call, "svc", w->service, &ok);
    pub->component = keep(call, w->component, &ok);
    pub->step = keep(call, w->name, &ok);
    pub->external_id = keep(call, w->external_id, &ok);
    pub->ref = keep(call, w->ref, &ok);
    pub->input = keep(call, or_empty_object(w->input), &ok);
    pub->state = keep(call, or_empty_object(w->state), &ok);
    pub->generation = w->generation;
    pub->run = 1;
    pub->attempt = 1;
    call->is_query = true;
    if (ok) {
        find_secrets(call, params);
        snprintf(call->label, sizeof(call->label), "query %s of %s", pub->step,
                 w->of_service == 1 ? pub->service_id : "the instance");
    }
    return ok;
}

int pv_host_on_query(struct pv_host *host, const struct pv_frame *frame)
{
    struct pv_wire_query w;
    if (pv_wire_get_query(frame, &w) != 0 || take_slot(host, w.slot, frame->call) != 0) {
        return PV_ESYNTAX;
    }
    if (host->state != PV_HOST_OPEN) {
        return refuse(host, frame->call, PV_OUT_CANCELED, "the plugin host is stopping");
    }
    if (is_full(host)) {
        return refuse(host, frame->call, PV_OUT_TEMPORARY, TOO_MANY);
    }
    const struct pv_module_query *query = pv_module_query(&host->module, w.of_service == 1, w.name);
    if (query == NULL) {
        char text[300];
        snprintf(text, sizeof(text), "plugin %s has no query %.*s", host->module.plugin.name,
                 PV_STR_ARG(w.name));
        return refuse(host, frame->call, PV_OUT_NO_STEP, text);
    }
    struct pv_call *call = new_call(host, frame->call, w.slot);
    if (call == NULL) {
        return refuse(host, frame->call, PV_OUT_TEMPORARY, "the plugin host is out of memory");
    }
    call->fn = query->decl.run;
    call->timeout_ms = w.timeout_ms > 0 ? w.timeout_ms : QUERY_TIMEOUT_MS;
    return begin(call, fill_query(call, &w, &query->params));
}

/* ---- OUTCOME ---- */

/* May a call of this kind end so? */
static bool legal(const struct pv_call *call, int code)
{
    switch (code) {
    case PROVOST_OK:
    case PROVOST_TEMPORARY:
    case PROVOST_INSTANCE_FAULT:
    case PROVOST_PERMANENT:
    case PROVOST_UNKNOWN:
        return true;
    case PROVOST_PENDING:
        return !call->is_query;
    case PROVOST_CANCELED:
        return call->canceled || call->fenced;
    case PROVOST_ABSENT:
    case PROVOST_IN_PROGRESS:
        return !call->is_query && call->kind == PV_CALL_LOOKUP;
    default:
        return false;
    }
}

/* What goes into the frame: the plugin's word, or the host's where the plugin has none to give. */
static void judge(const struct pv_call *call, struct pv_wire_outcome *out, char *text, size_t size)
{
    const char *said = call->text != NULL ? call->text : "";
    out->code = (uint8_t)call->returned;
    if (!legal(call, call->returned)) {
        out->code = PV_OUT_UNKNOWN;
        snprintf(text, size, "the plugin returned %d, which is no outcome of a %s%s%s",
                 call->returned, call->is_query ? "query" : kind_name(call->kind),
                 said[0] != '\0' ? ": " : "", said);
    } else if (call->returned == PROVOST_CANCELED && call->timed_out) {
        out->code = call->touched ? PV_OUT_UNKNOWN : PV_OUT_TEMPORARY;
        snprintf(text, size, "it took longer than its limit of %u ms%s%s", call->timeout_ms,
                 said[0] != '\0' ? ": " : "", said);
    } else if (call->returned == PROVOST_CANCELED && said[0] == '\0') {
        snprintf(text, size, "%s", call->canceled ? "canceled" : "the claim was lost");
    } else {
        snprintf(text, size, "%s", said);
    }
    pv_call_trim(call, text, size);
}

void pv_host_finish(struct pv_call *call)
{
    struct pv_host *host = call->host;
    PV_FAULT("host.outcome.before");
    struct pv_wire_outcome out = {
        .touched = call->touched ? 1 : 0,
        .state_changed = call->state_changed ? 1 : 0,
        .retry_after_ms = call->retry_after_ms,
        .state = call->state_changed ? pv_str(call->pub.state) : PV_STR(""),
        .result = call->result != NULL ? pv_str(call->result) : PV_STR(""),
    };
    char said[4096];
    judge(call, &out, said, sizeof(said));
    struct pv_buf text;
    pv_buf_init(&text, OUTCOME_TEXT_MAX + 64);
    pv_mask_text(&host->mask, &call->mask, pv_str(said), OUTCOME_TEXT_MAX, &text);
    out.text = pv_buf_view(&text);
    pv_wire_put_outcome(&host->out, call->id, &out);
    pv_buf_done(&text);
    pv_map_remove(&host->calls, &call->node);
    pv_call_free(call);
    pv_host_sent(host);
    pv_host_end_when_idle(host);
}

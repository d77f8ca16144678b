/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls that the store answers: key-values, pools, quotas, secrets, state_save. Each is one
 * request under the operation's fence, answered to the runner when it is durable. */
#include "core/engine/internal.h"

#include <string.h>

struct ask {
    struct pv_reserve reserve;
    struct pv_engine *engine;
    uint64_t call;
    uint32_t ask;
    bool query;            /* of a query: there is no operation */
    struct pv_buf strings; /* copies of what the frame lent */
};

static void answer(struct pv_engine *engine, uint64_t call, const struct pv_wire_answer *reply)
{
    engine->o.runner.answer(engine->o.runner.ctx, call, reply);
}

static void refuse(struct pv_engine *engine, uint64_t call, uint32_t ask, int status,
                   const char *text)
{
    struct pv_wire_answer reply = {.ask = ask, .status = status, .value = pv_str(text)};
    answer(engine, call, &reply);
}

static bool is_pool(int kind)
{
    return kind == PV_ASK_POOL_TAKE || kind == PV_ASK_POOL_GIVE || kind == PV_ASK_POOL_REJECT;
}

static void ask_free(struct ask *ask)
{
    pv_req_done(&ask->reserve.req);
    pv_buf_done(&ask->strings);
    pv_free(ask);
}

static void ask_done(struct pv_req *req)
{
    struct ask *ask = req->user;
    struct pv_engine *engine = ask->engine;
    struct pv_reserve *r = &ask->reserve;
    struct pv_wire_answer reply = {
        .ask = ask->ask, .status = req->status, .number = r->ret_number, .value = r->ret_value};
    char value[64];
    engine->requests--;
    if (req->status) {
        reply.value = pv_str(req->err.text[0] ? req->err.text : pv_status_text(req->status));
    } else if (r->kind == PV_ASK_POOL_TAKE) {
        reply.status = engine->o.planner.pool_value(engine->o.planner.ctx, r->pool,
                                                    (int64_t)r->ret_number, value);
        reply.value = pv_str(reply.status ? "the pool is not configured any more" : value);
    }
    struct pv_active *active = ask->query ? NULL : pv_active_of_call(engine, ask->call);
    if (active && !req->status && r->kind == PV_ASK_STATE_SAVE) {
        const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
        struct pv_active_doc *doc = NULL;
        struct pv_str component = active->plan.components[step->component].name;
        reply.status = pv_active_set_doc(active, component, r->text, &doc);
    }
    if (active || ask->query) {
        answer(engine, ask->call, &reply);
    }
    ask_free(ask);
    pv_engine_check_stopped(engine);
}

/* Copies s behind what the buffer holds; NULL: out of memory. Offsets: the buffer may move. */
struct piece {
    size_t at;
    size_t len;
};

static struct piece keep(struct pv_buf *buf, struct pv_str s)
{
    struct piece piece = {buf->len, s.len};
    pv_buf_str(buf, s);
    pv_buf_char(buf, '\0');
    return piece;
}

static struct pv_str view(const struct pv_buf *buf, struct piece piece)
{
    return (struct pv_str){buf->ptr + piece.at, piece.len};
}

static int fill(struct ask *ask, const struct pv_active *active, const struct pv_wire_ask *frame)
{
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    struct pv_reserve *r = &ask->reserve;
    struct pv_buf *b = &ask->strings;
    struct piece instance = keep(b, component->instance);
    struct piece name_of_component = keep(b, component->name);
    struct piece name_of_step = keep(b, step->name);
    struct piece name = keep(b, frame->name);
    struct piece pool = keep(b, frame->pool);
    struct piece text = keep(b, frame->text);
    if (b->status) {
        return b->status;
    }
    r->service = active->c.service;
    r->op = active->c.op;
    r->fence = active->c.fence;
    r->now_ms = pv_engine_wall(ask->engine);
    r->kind = frame->kind;
    r->run = active->cursor.run;
    r->instance = view(b, instance);
    r->component = view(b, name_of_component);
    r->step = view(b, name_of_step);
    r->name = view(b, name);
    r->pool = view(b, pool);
    r->text = view(b, text);
    r->scope = frame->scope;
    r->erase = frame->flag != 0;
    r->number = frame->number;
    r->limit = pv_plan_quota(&active->plan, frame->name);
    return PV_OK;
}

void pv_engine_ask(struct pv_engine *engine, uint64_t call, const struct pv_wire_ask *frame)
{
    struct pv_active *active = pv_active_of_call(engine, call);
    if (!active) {
        refuse(engine, call, frame->ask, PV_EFENCED, "the operation is no longer held here");
        return;
    }
    struct ask *ask = pv_calloc(1, sizeof(*ask));
    if (!ask) {
        refuse(engine, call, frame->ask, PV_ENOMEM, pv_status_text(PV_ENOMEM));
        return;
    }
    ask->engine = engine;
    ask->call = call;
    ask->ask = frame->ask;
    pv_buf_init(&ask->strings, PV_MAX_STATE_DOC * 2);
    pv_req_init(&ask->reserve.req, PV_REQ_RESERVE, ask_done, ask);
    int status = fill(ask, active, frame);
    const char *why = pv_status_text(status);
    if (!status && is_pool(frame->kind)) {
        struct pv_pool_range *range = &ask->reserve.range;
        status = engine->o.planner.pool(engine->o.planner.ctx, frame->pool, &range->first,
                                        &range->last, &range->reuse_after_ms);
        why = "there is no such pool under pools: in the configuration";
    }
    if (!status) {
        status = pv_store_submit(engine->o.store, &ask->reserve.req);
        why = "the store is closed";
    }
    if (status) {
        refuse(engine, call, frame->ask, status, why);
        ask_free(ask);
        return;
    }
    engine->requests++;
}

void pv_engine_query_ask(struct pv_engine *engine, uint64_t call, struct pv_str instance,
                         struct pv_str component, struct pv_id service,
                         const struct pv_wire_ask *frame)
{
    struct ask *ask = frame->kind == PV_ASK_KV_GET ? pv_calloc(1, sizeof(*ask)) : NULL;
    if (!ask) {
        bool denied = frame->kind != PV_ASK_KV_GET;
        refuse(engine, call, frame->ask, denied ? PV_EDENIED : PV_ENOMEM,
               denied ? "a query keeps nothing" : pv_status_text(PV_ENOMEM));
        return;
    }
    ask->engine = engine;
    ask->call = call;
    ask->ask = frame->ask;
    ask->query = true;
    pv_buf_init(&ask->strings, PV_MAX_STATE_DOC);
    pv_req_init(&ask->reserve.req, PV_REQ_RESERVE, ask_done, ask);
    struct piece of_instance = keep(&ask->strings, instance);
    struct piece of_component = keep(&ask->strings, component);
    struct piece name = keep(&ask->strings, frame->name);
    struct pv_reserve *r = &ask->reserve;
    r->service = service;
    r->now_ms = pv_engine_wall(engine);
    r->kind = PV_ASK_KV_GET;
    r->scope = frame->scope;
    int status = ask->strings.status;
    if (!status) {
        r->instance = view(&ask->strings, of_instance);
        r->component = view(&ask->strings, of_component);
        r->name = view(&ask->strings, name);
        status = pv_store_submit(engine->o.store, &r->req);
    }
    if (status) {
        refuse(engine, call, frame->ask, status, pv_status_text(status));
        ask_free(ask);
        return;
    }
    engine->requests++;
}

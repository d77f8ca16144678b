/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a service: an operation becomes active, ends, and the next one starts. Everything
 * here happens under the service's lock and leaves the service row for the caller to store. */
#include "core/store/logic.h"

#include "core/base/alloc.h"
#include "core/engine/rules.h"

#define PROJECT_PAGE 256

static const struct pv_rows_ops *ops_of(const struct pv_logic *logic)
{
    return logic->rows->ops;
}

void pv_logic_activate(struct pv_logic *logic, struct pv_svc *svc, const struct pv_op *op,
                       bool claim, uint64_t epoch, int64_t now_ms)
{
    bool running = claim && epoch == logic->epoch;
    svc->active_n = op->n;
    svc->active_op = op->id;
    svc->active_type = op->type;
    svc->active_state = running ? PV_OPS_RUNNING : PV_OPS_READY;
    svc->active_intent = PV_INTENT_NONE;
    svc->signaled = false;
    svc->accepted_ms = op->accepted_ms;
    svc->deadline_ms = op->deadline_ms;
    svc->epoch = running ? epoch : 0;
    svc->tries = running ? 1 : 0;
    svc->fence += running ? 1 : 0;
    svc->steps = 0;
    svc->due = running ? PV_NO_DUE : now_ms;
    svc->wait = PV_WAIT_NONE;
    svc->lane = op->lane;
    svc->reason = (struct pv_str){NULL, 0};
    svc->cursor = (struct pv_str){NULL, 0};
    svc->changed_ms = now_ms;
    if (op->type == PV_OP_CREATE) {
        svc->product = op->product;
        svc->plan_name = op->plan_name;
        svc->generation++;
        svc->create_n = op->n;
        svc->observed = PV_SVC_PENDING;
    }
}

int pv_logic_end_active(struct pv_logic *logic, struct pv_svc *svc, const struct pv_ending *ending,
                        int64_t now_ms)
{
    struct pv_op op = {
        .n = svc->active_n,
        .id = svc->active_op,
        .state = ending->state,
        .finished_ms = now_ms,
        .deadline_ms = svc->deadline_ms,
        .generation = svc->generation,
        .fence = svc->fence,
        .tries = svc->tries,
        .steps = svc->steps,
        .reason = ending->reason,
        .lane = svc->lane,
        .result = ending->result,
    };
    if (ending->state != PV_OPS_DONE) {
        op.cursor = svc->cursor; /* a failed one may be taken up again */
    }
    int status = ops_of(logic)->op_finish(logic->rows, &op);
    if (status) {
        return status;
    }
    status = pv_logic_settle(logic, svc, svc->active_n, ending->state);
    if (status) {
        return status;
    }
    bool as_projected =
        ending->state == PV_OPS_DONE && !ending->residue && !svc->residue &&
        (int)pv_move_judge(svc->active_type, svc->observed, false).next == ending->observed;
    svc->observed = ending->observed;
    svc->residue = ending->residue;
    svc->active_n = 0;
    svc->active_op = (struct pv_id){{0}};
    svc->active_type = 0;
    svc->active_state = 0;
    svc->active_intent = PV_INTENT_NONE;
    svc->signaled = false;
    svc->epoch = 0;
    svc->due = PV_NO_DUE;
    svc->wait = PV_WAIT_NONE;
    svc->lane = (struct pv_str){NULL, 0};
    svc->reason = (struct pv_str){NULL, 0};
    svc->cursor = (struct pv_str){NULL, 0};
    svc->changed_ms = now_ms;
    if (svc->observed == PV_SVC_TERMINATED && !svc->residue && ending->state == PV_OPS_DONE) {
        status = pv_logic_clear_service(logic, svc, now_ms);
        if (status) {
            return status;
        }
    }
    return as_projected ? PV_OK : pv_logic_project(logic, svc);
}

int pv_logic_end_waiting(struct pv_logic *logic, const struct pv_svc *svc, int64_t op_n, int state,
                         const char *reason, int64_t now_ms, struct pv_ended_list *ended)
{
    struct pv_op op;
    int status = ops_of(logic)->op_head(logic->rows, op_n, &logic->scratch, &op);
    if (status) {
        return status;
    }
    op.state = state;
    op.finished_ms = now_ms;
    op.generation = svc->generation;
    op.reason = state == PV_OPS_DONE ? (struct pv_str){NULL, 0} : pv_str(reason);
    status = ops_of(logic)->op_finish(logic->rows, &op);
    status = status ? status : pv_logic_settle(logic, svc, op_n, state);
    if (status) {
        return status;
    }
    const struct pv_logic_end end = {
        .op = op.id,
        .op_n = op_n,
        .state = state,
        .reason = op.reason,
        .detail = pv_str(reason),
        .before = svc->observed,
    };
    status = pv_logic_ended(logic, svc, &end, now_ms);
    return status ? status : pv_logic_ended_add(ended, op.id, state);
}

static int leave_queue(struct pv_logic *logic, struct pv_svc *svc, int64_t op_n)
{
    int status = ops_of(logic)->wait_del(logic->rows, svc->n, op_n);
    if (!status) {
        svc->waiting--;
        logic->tally.queued--;
    }
    return status;
}

static int start_head(struct pv_logic *logic, struct pv_svc *svc, const struct pv_waiter *head,
                      bool claim, uint64_t epoch, int64_t now_ms)
{
    struct pv_op op;
    int status = leave_queue(logic, svc, head->op_n);
    status =
        status ? status : ops_of(logic)->op_by_n(logic->rows, head->op_n, &logic->scratch, &op);
    if (status) {
        return status;
    }
    pv_logic_activate(logic, svc, &op, claim, epoch, now_ms);
    if (op.type == PV_OP_CREATE) {
        /* A new generation knows nothing of the one before. */
        return ops_of(logic)->detail_put(logic->rows, svc->n, (struct pv_str){NULL, 0},
                                         (struct pv_str){NULL, 0});
    }
    return PV_OK;
}

int pv_logic_pop(struct pv_logic *logic, struct pv_svc *svc, bool claim, uint64_t epoch,
                 int64_t now_ms, struct pv_ended_list *ended)
{
    while (svc->waiting > 0) {
        struct pv_waiter two[2] = {{0}};
        size_t count = 0;
        int status = ops_of(logic)->wait_list(logic->rows, svc->n, 0, 2, two, &count);
        if (status) {
            return status;
        }
        if (count == 0) {
            return PV_EINTERNAL;
        }
        int next_type = count > 1 ? two[1].type : 0;
        enum pv_start_what what =
            pv_rules_start(svc->observed, svc->residue, two[0].type, next_type);
        if (what == PV_START_RUN) {
            return start_head(logic, svc, &two[0], claim, epoch, now_ms);
        }
        int state = what == PV_START_CANCEL ? PV_OPS_CANCELED
                    : what == PV_START_NOOP ? PV_OPS_DONE
                                            : PV_OPS_SUPERSEDED;
        const char *reason = what == PV_START_CANCEL ? "made illegal by what happened before it"
                             : what == PV_START_NOOP
                                 ? "the service was already there"
                                 : "the next operation takes it back, neither did any work";
        size_t ending = what == PV_START_PAIR ? 2 : 1;
        for (size_t i = 0; i < ending; i++) {
            status = leave_queue(logic, svc, two[i].op_n);
            status = status ? status
                            : pv_logic_end_waiting(logic, svc, two[i].op_n, state, reason, now_ms,
                                                   ended);
            if (status) {
                return status;
            }
        }
    }
    return PV_OK;
}

int pv_logic_project(struct pv_logic *logic, struct pv_svc *svc)
{
    size_t count = svc->waiting + (svc->active_n ? 1U : 0U);
    if (count == 0) {
        svc->desired = pv_rules_project(svc->observed, svc->residue, NULL, 0);
        return PV_OK;
    }
    int *types = pv_calloc(count, sizeof(*types));
    if (!types) {
        return PV_ENOMEM;
    }
    size_t filled = 0;
    if (svc->active_n) {
        types[filled++] = svc->active_type;
    }
    int status = PV_OK;
    int64_t after = 0;
    while (filled < count) {
        struct pv_waiter page[PROJECT_PAGE];
        size_t got = 0;
        size_t want = count - filled < PROJECT_PAGE ? count - filled : PROJECT_PAGE;
        status = ops_of(logic)->wait_list(logic->rows, svc->n, after, want, page, &got);
        if (status || got == 0) {
            break;
        }
        for (size_t i = 0; i < got; i++) {
            types[filled++] = page[i].type;
        }
        after = page[got - 1].op_n;
    }
    if (!status) {
        svc->desired = pv_rules_project(svc->observed, svc->residue, types, filled);
    }
    pv_free(types);
    return status;
}

/* Strings of `svc` and `op` may be another request's or the scratch arena's: everything is copied.
 */
static int copy_claimed(struct pv_claimed *out, const struct pv_svc *svc, const struct pv_op *op,
                        struct pv_arena *arena)
{
    bool own_plan = op->type == PV_OP_CREATE || op->type == PV_OP_UPGRADE;
    const struct {
        struct pv_str from;
        struct pv_str *to;
    } strings[] = {
        {svc->source, &out->source},
        {svc->external_id, &out->external_id},
        {op->type == PV_OP_CREATE ? op->product : svc->product, &out->product},
        {own_plan ? op->plan_name : svc->plan_name, &out->plan_name},
        {op->action, &out->action},
        {op->body, &out->body},
        {op->plan, &out->plan},
        {svc->cursor, &out->cursor},
    };
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        *strings[i].to = pv_arena_copy(arena, strings[i].from);
        if (!strings[i].to->ptr) {
            return PV_ENOMEM;
        }
    }
    return PV_OK;
}

int pv_logic_claimed(struct pv_logic *logic, struct pv_svc *svc, const struct pv_op *op,
                     struct pv_arena *arena, struct pv_claimed **ret)
{
    struct pv_claimed *out = pv_arena_alloc(arena, sizeof(*out));
    if (!out) {
        return PV_ENOMEM;
    }
    bool fresh = op != NULL; /* just accepted: no signal can have come */
    struct pv_op read;
    if (!op) {
        int status = ops_of(logic)->op_by_n(logic->rows, svc->active_n, &logic->scratch, &read);
        if (status) {
            return status;
        }
        op = &read;
    }
    out->op = op->id;
    out->service = svc->id;
    out->fence = svc->fence;
    out->type = op->type;
    out->intent = svc->active_intent;
    out->observed = svc->observed;
    out->residue = svc->residue;
    out->generation = svc->generation;
    out->tries = svc->tries;
    out->accepted_ms = svc->accepted_ms;
    out->deadline_ms = svc->deadline_ms;
    int status = copy_claimed(out, svc, op, arena);
    status = status ? status
                    : ops_of(logic)->detail_get(logic->rows, svc->n, arena, &out->attrs,
                                                &out->composition);
    status = status
                 ? status
                 : ops_of(logic)->doc_list(logic->rows, svc->n, arena, &out->docs, &out->doc_count);
    if (!status && !fresh) {
        status = ops_of(logic)->signal_list(logic->rows, op->n, arena, &out->signals,
                                            &out->signal_count);
    }
    if (!status) {
        *ret = out;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, out of the audit trail: it holds one record of each end and each parking of an
 * operation, in the order of their commits, and is never cut. */
#include "core/store/logic.h"

#define MAX_PAGE 1000u

static int type_of(struct pv_str what)
{
    static const struct {
        const char *what;
        int type;
    } types[] = {
        {"operation.done", PV_NOTICE_COMPLETED},    {"operation.failed", PV_NOTICE_FAILED},
        {"operation.parked", PV_NOTICE_PARKED},     {"operation.superseded", PV_NOTICE_SUPERSEDED},
        {"operation.canceled", PV_NOTICE_CANCELED}, {"operation.abandoned", PV_NOTICE_ABANDONED},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (pv_str_eq_c(what, types[i].what)) {
            return types[i].type;
        }
    }
    return -1;
}

static int read_item(struct pv_logic *logic, struct pv_arena *arena, const struct pv_audit_row *row,
                     int type, struct pv_feed_item *out)
{
    const struct pv_rows_ops *ops = logic->rows->ops;
    struct pv_op op;
    struct pv_svc svc;
    int status = ops->op_by_id(logic->rows, row->record.op, arena, &op);
    status = status ? status : ops->svc_by_n(logic->rows, op.service_n, arena, &svc);
    if (status) {
        return status;
    }
    *out = (struct pv_feed_item){.n = row->n, .type = type, .at_ms = row->at_ms};
    out->changed = pv_notice_change(row->record.detail, &out->before, &out->after);
    pv_logic_tell_op(&svc, &op, &out->op);
    out->op.plan = (struct pv_str){NULL, 0};
    out->op.cursor = (struct pv_str){NULL, 0};
    out->op.body = (struct pv_str){NULL, 0};
    return pv_logic_tell_service(logic, &svc, arena, &out->service);
}

int pv_logic_feed(struct pv_logic *logic, struct pv_feed *in)
{
    size_t limit = in->limit < MAX_PAGE ? in->limit : MAX_PAGE;
    struct pv_audit_row *rows = NULL;
    size_t count = 0;
    int64_t stopped = 0; /* it walks past no rows here */
    in->ret_items = NULL;
    in->ret_count = 0;
    in->ret_head_n = logic->tally.audit_n;
    in->ret_n = in->after_n;
    if (in->after_n >= in->ret_head_n || limit == 0) {
        return PV_OK;
    }
    struct pv_filter filter = {
        .what = PV_LIST_AUDIT, .state = -1, .after_n = (int64_t)in->after_n, .limit = limit};
    int status = logic->rows->ops->audit_list(logic->rows, &filter, &logic->scratch, &rows, &count,
                                              &stopped);
    if (status) {
        return status;
    }
    in->ret_items = pv_arena_alloc(&in->req.arena, count * sizeof(*in->ret_items) + 1);
    if (!in->ret_items) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < count && !status; i++) {
        int type = type_of(rows[i].record.what);
        in->ret_n = rows[i].n;
        if (type < 0) {
            continue;
        }
        status = read_item(logic, &in->req.arena, &rows[i], type, &in->ret_items[in->ret_count]);
        in->ret_count += status ? 0 : 1;
        status = status == PV_ENOTFOUND ? PV_OK : status; /* its operation was removed */
    }
    return status;
}

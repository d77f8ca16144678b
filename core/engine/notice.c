/* SPDX-License-Identifier: Apache-2.0 */
/* The words of notifications. */
#include "core/engine/notice.h"

#include "core/base/clock.h"

#include <stdio.h>
#include <string.h>

static const char *const names[PV_NOTICE_TYPES] = {
    [PV_NOTICE_COMPLETED] = "operation.completed", [PV_NOTICE_FAILED] = "operation.failed",
    [PV_NOTICE_PARKED] = "operation.parked",       [PV_NOTICE_SUPERSEDED] = "operation.superseded",
    [PV_NOTICE_CANCELED] = "operation.canceled",   [PV_NOTICE_ABANDONED] = "operation.abandoned",
    [PV_NOTICE_STATE] = "service.state_changed",
};

const char *pv_notice_name(int type)
{
    return type >= 0 && type < PV_NOTICE_TYPES ? names[type] : "?";
}

int pv_notice_parse(struct pv_str name, int *ret_type)
{
    for (int type = 0; type < PV_NOTICE_TYPES; type++) {
        if (pv_str_eq_c(name, names[type])) {
            *ret_type = type;
            return PV_OK;
        }
    }
    return PV_EINVAL;
}

int pv_notice_of(int op_state)
{
    switch (op_state) {
    case PV_OPS_NEEDS_OPERATOR:
        return PV_NOTICE_PARKED;
    case PV_OPS_DONE:
        return PV_NOTICE_COMPLETED;
    case PV_OPS_FAILED:
        return PV_NOTICE_FAILED;
    case PV_OPS_SUPERSEDED:
        return PV_NOTICE_SUPERSEDED;
    case PV_OPS_CANCELED:
        return PV_NOTICE_CANCELED;
    case PV_OPS_ABANDONED:
        return PV_NOTICE_ABANDONED;
    default:
        return -1;
    }
}

/* ---- for customers ---- */

static const char *const done[PV_OP_TYPES + 1] = {
    "The change is done.",       "The service is set up.",
    "The service is suspended.", "The service is active again.",
    "The service is ended.",     "The service was changed to the new plan.",
    "The service was renewed.",  "The action is done.",
};

static const char *const failed[PV_OP_TYPES + 1] = {
    "The change was not possible.",        "The service could not be set up.",
    "The service could not be suspended.", "The service could not be activated again.",
    "The service could not be ended.",     "The service could not be changed to the new plan.",
    "The service could not be renewed.",   "The action was not possible.",
};

static const char *const states[PV_SVC_STATES] = {
    [PV_SVC_NONE] = "The service is not set up.",
    [PV_SVC_PENDING] = "The service is being set up.",
    [PV_SVC_ACTIVE] = "The service is active.",
    [PV_SVC_SUSPENDED] = "The service is suspended.",
    [PV_SVC_TERMINATED] = "The service is ended.",
    [PV_SVC_FAILED] = "The service could not be set up.",
};

const char *pv_notice_message(const struct pv_notice *notice)
{
    int op_type = notice->op_type > 0 && notice->op_type <= PV_OP_TYPES ? notice->op_type : 0;
    switch (notice->type) {
    case PV_NOTICE_COMPLETED:
        return done[op_type];
    case PV_NOTICE_FAILED:
        return failed[op_type];
    case PV_NOTICE_PARKED:
        return "This takes longer than usual; a person is looking after it.";
    case PV_NOTICE_SUPERSEDED:
        return "A later order took its place.";
    case PV_NOTICE_CANCELED:
        return "It was canceled.";
    case PV_NOTICE_ABANDONED:
        return "It was given up by an operator.";
    case PV_NOTICE_STATE:
        return notice->state >= 0 && notice->state < PV_SVC_STATES ? states[notice->state]
                                                                   : states[PV_SVC_NONE];
    }
    return done[0];
}

/* ---- JSON ---- */

static void text(struct pv_buf *out, const char *key, struct pv_str value)
{
    pv_buf_printf(out, ",\"%s\":", key);
    if (value.ptr != NULL) {
        pv_buf_json(out, value);
    } else {
        pv_buf_c(out, "null");
    }
}

int pv_notice_write(const struct pv_notice *notice, struct pv_buf *out)
{
    char at[PV_TIME_TEXT];
    char accepted[PV_TIME_TEXT];
    char op[PV_ID_TEXT];
    char service[PV_ID_TEXT];
    pv_time_format(notice->at_ms, at);
    pv_time_format(notice->accepted_ms, accepted);
    pv_buf_printf(out, "{\"type\":\"%s\",\"timestamp\":\"%s\",\"data\":{\"message\":\"%s\"",
                  pv_notice_name(notice->type), at, pv_notice_message(notice));
    pv_buf_printf(out, ",\"operation\":{\"id\":\"%s\",\"type\":\"%s\",\"state\":\"%s\"",
                  pv_id_format("op", notice->op, op), pv_op_type_name(notice->op_type),
                  pv_op_state_name(notice->op_state));
    text(out, "action", notice->action);
    text(out, "reason", notice->reason);
    pv_buf_printf(out, ",\"accepted_at\":\"%s\"},\"service\":{\"id\":\"%s\"", accepted,
                  pv_id_format("svc", notice->service, service));
    text(out, "source", notice->source);
    text(out, "external_id", notice->external_id);
    text(out, "product", notice->product);
    text(out, "plan", notice->plan_name);
    pv_buf_printf(out, ",\"state\":\"%s\",\"previous_state\":\"%s\"}}}",
                  pv_svc_state_name(notice->state), pv_svc_state_name(notice->before));
    return out->status;
}

/* ---- in the audit trail ---- */

struct pv_str pv_notice_detail(struct pv_str detail, int before, int after,
                               char out[PV_NOTICE_DETAIL])
{
    if (before == after) {
        return detail;
    }
    size_t room = PV_NOTICE_DETAIL - 60;
    size_t len = detail.len < room ? detail.len : room;
    int used = snprintf(out, PV_NOTICE_DETAIL, "%.*s%sservice %s to %s", (int)len,
                        detail.ptr != NULL ? detail.ptr : "", len > 0 ? "; " : "",
                        pv_svc_state_name(before), pv_svc_state_name(after));
    return (struct pv_str){out, used > 0 ? (size_t)used : 0};
}

static int state_of(struct pv_str name)
{
    for (int state = 0; state < PV_SVC_STATES; state++) {
        if (pv_str_eq_c(name, pv_svc_state_name(state))) {
            return state;
        }
    }
    return -1;
}

bool pv_notice_change(struct pv_str detail, int *ret_before, int *ret_after)
{
    size_t from = 0;
    for (size_t i = 0; i + 1 < detail.len; i++) {
        if (detail.ptr[i] == ';' && detail.ptr[i + 1] == ' ') {
            from = i + 2;
        }
    }
    if (detail.len == 0) {
        return false;
    }
    struct pv_str last = {detail.ptr + from, detail.len - from};
    if (!pv_str_starts(last, "service ")) {
        return false;
    }
    last = (struct pv_str){last.ptr + 8, last.len - 8};
    const char *to = last.len > 0 ? memmem(last.ptr, last.len, " to ", 4) : NULL;
    if (to == NULL) {
        return false;
    }
    size_t len = (size_t)(to - last.ptr);
    int before = state_of((struct pv_str){last.ptr, len});
    int after = state_of((struct pv_str){to + 4, last.len - len - 4});
    if (before < 0 || after < 0) {
        return false;
    }
    *ret_before = before;
    *ret_after = after;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a plan: what every step is given, and what a service keeps. */
#include "core/config/planning.h"

#include "core/json/json.h"

#define MAX_JSON (1u << 20)

int pv_planning_no_memory(struct pv_planning *planning)
{
    return pv_err_set(planning->err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
}

struct pv_str pv_planning_copy(struct pv_planning *planning, struct pv_str text)
{
    return text.ptr ? pv_arena_copy(planning->arena, text) : text;
}

/* ---- what every step is given ---- */

json_t *pv_planning_member(const json_t *object, const char *outer, const char *inner)
{
    const json_t *at = outer ? json_object_get(object, outer) : object;
    return json_object_get(at, inner);
}

/* Members without braces: customer, params, reason, form. */
int pv_planning_common(struct pv_planning *planning, const json_t *customer, const json_t *params,
                       const json_t *form)
{
    struct pv_buf out;
    pv_buf_init(&out, MAX_JSON);
    pv_buf_c(&out, "\"customer\":");
    if (json_is_object(customer)) {
        pv_json_put(&out, customer);
    } else {
        pv_buf_c(&out, "{}");
    }
    pv_buf_c(&out, ",\"params\":");
    if (json_is_object(params)) {
        pv_json_put(&out, params);
    } else {
        pv_buf_c(&out, "{}");
    }
    const json_t *reason = json_object_get(planning->body, "reason");
    if (json_is_string(reason)) {
        pv_buf_c(&out, ",\"reason\":");
        pv_json_put(&out, reason);
    }
    if (form) {
        pv_buf_c(&out, ",\"form\":");
        pv_json_put(&out, form);
    }
    int status = out.status;
    if (status == PV_OK) {
        planning->plan.common = pv_arena_copy(planning->arena, pv_buf_view(&out));
        status = planning->plan.common.ptr ? PV_OK : PV_ENOMEM;
    }
    pv_buf_done(&out);
    return status == PV_OK
               ? PV_OK
               : pv_err_set(planning->err, status, "the event: %s", pv_status_text(status));
}

/* The first problem as the sentence of err. */
static int first_problem(struct pv_planning *planning, const struct pv_problems *problems,
                         int status)
{
    if (status == PV_EINVAL && problems->count > 0) {
        const struct pv_problem *problem = &problems->items[0];
        return pv_err_set(planning->err, PV_EINVAL, "%.*s: %.*s", PV_STR_ARG(problem->path),
                          PV_STR_ARG(problem->text));
    }
    return pv_err_set(planning->err, status, "%s", pv_status_text(status));
}

int pv_planning_check(struct pv_planning *planning, const json_t *given,
                      const struct pv_fields *fields, const char *path, unsigned flags,
                      json_t **ret_checked)
{
    struct pv_check_at at = {pv_str(path), '/', "unknown_param", "invalid_param", "missing_param"};
    struct pv_problems problems;
    pv_problems_init(&problems);
    int status = pv_fields_check(given, fields, &at, flags, &problems, ret_checked);
    if (status != PV_OK) {
        status = first_problem(planning, &problems, status);
    }
    pv_problems_done(&problems);
    return status;
}

int pv_planning_attrs(struct pv_planning *planning, const json_t *customer, const json_t *params,
                      const json_t *values)
{
    struct pv_buf out;
    pv_buf_init(&out, MAX_JSON);
    pv_buf_c(&out, "{\"customer\":");
    if (json_is_object(customer)) {
        pv_json_put(&out, customer);
    } else {
        pv_buf_c(&out, "{}");
    }
    pv_buf_c(&out, ",\"params\":");
    pv_json_put(&out, params);
    if (values) {
        pv_buf_c(&out, ",\"values\":");
        pv_json_put(&out, values);
    }
    pv_buf_char(&out, '}');
    int status = out.status;
    if (status == PV_OK) {
        planning->plan.attrs = pv_arena_copy(planning->arena, pv_buf_view(&out));
        status = planning->plan.attrs.ptr ? PV_OK : PV_ENOMEM;
    }
    pv_buf_done(&out);
    return status == PV_OK
               ? PV_OK
               : pv_err_set(planning->err, status, "the event: %s", pv_status_text(status));
}

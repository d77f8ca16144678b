/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a plan: what every step is given, and what a service keeps. */
#include "core/config/planning.h"

#include "core/json/json.h"

#include <string.h>

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

int pv_planning_text(struct pv_planning *planning, const json_t *json, struct pv_str *ret)
{
    *ret = (struct pv_str){NULL, 0};
    if (json) {
        *ret = pv_json_copy(planning->arena, json);
        return ret->ptr ? PV_OK : pv_planning_no_memory(planning);
    }
    return PV_OK;
}

/* One text of the parts, in the plan's arena. */
static int join(struct pv_planning *planning, const struct pv_str *parts, size_t count,
                struct pv_str *ret)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    if (len > MAX_JSON) {
        return pv_err_set(planning->err, PV_ETOOBIG, "the event: %s", pv_status_text(PV_ETOOBIG));
    }
    char *text = pv_arena_alloc(planning->arena, len + 1);
    if (!text) {
        return pv_planning_no_memory(planning);
    }
    *ret = (struct pv_str){text, len};
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(text, parts[i].ptr, parts[i].len);
            text += parts[i].len;
        }
    }
    return PV_OK;
}

/* An object, or the empty one. */
static struct pv_str object(struct pv_str json)
{
    return json.len > 0 ? json : PV_STR("{}");
}

static struct pv_str label(struct pv_str json, struct pv_str text)
{
    return json.len > 0 ? text : PV_STR("");
}

int pv_planning_common(struct pv_planning *planning, struct pv_str customer, struct pv_str params,
                       struct pv_str form)
{
    struct pv_str reason = planning->facts.reason;
    const struct pv_str parts[] = {PV_STR("\"customer\":"),
                                   object(customer),
                                   PV_STR(",\"params\":"),
                                   object(params),
                                   label(reason, PV_STR(",\"reason\":")),
                                   reason,
                                   label(form, PV_STR(",\"form\":")),
                                   form};
    return join(planning, parts, sizeof(parts) / sizeof(parts[0]), &planning->plan.common);
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

int pv_planning_attrs(struct pv_planning *planning, struct pv_str customer, struct pv_str params,
                      struct pv_str values)
{
    const struct pv_str parts[] = {PV_STR("{\"customer\":"),
                                   object(customer),
                                   PV_STR(",\"params\":"),
                                   object(params),
                                   label(values, PV_STR(",\"values\":")),
                                   values,
                                   PV_STR("}")};
    return join(planning, parts, sizeof(parts) / sizeof(parts[0]), &planning->plan.attrs);
}

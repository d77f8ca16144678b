/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that a step is given, put together from pieces that are JSON already. */
#include "core/engine/internal.h"

static void put_member(struct pv_buf *out, const char *name, struct pv_str value)
{
    pv_buf_printf(out, ",\"%s\":", name);
    pv_buf_json(out, value);
}

static void put_service(const struct pv_active *active, struct pv_buf *out)
{
    char id[PV_ID_TEXT];
    char ref[PV_REF_TEXT];
    pv_service_ref(active->engine->o.store->deployment, active->c.service, active->c.generation,
                   ref);
    pv_buf_printf(out, "{\"service\":{\"id\":\"%s\",\"ref\":\"%s\",\"generation\":%u",
                  pv_id_format("svc", active->c.service, id), ref, active->c.generation);
    put_member(out, "external_id", active->c.external_id);
    put_member(out, "product", active->c.product);
    struct pv_str plan = active->plan.plan_name.len ? active->plan.plan_name : active->c.plan_name;
    put_member(out, "plan", plan);
    pv_buf_char(out, '}');
}

static void put_signals(const struct pv_active *active, struct pv_buf *out)
{
    pv_buf_c(out, ",\"signals\":{");
    for (size_t i = 0; i < active->c.signal_count; i++) {
        const struct pv_signal_row *signal = &active->c.signals[i];
        if (i > 0) {
            pv_buf_char(out, ',');
        }
        pv_buf_json(out, signal->name);
        pv_buf_char(out, ':');
        pv_buf_str(out, signal->body.len ? signal->body : PV_STR("null"));
    }
    pv_buf_char(out, '}');
}

int pv_active_input(const struct pv_active *active, struct pv_buf *out)
{
    const struct pv_plan_step *step = &active->plan.steps[active->cursor.step];
    const struct pv_plan_component *component = &active->plan.components[step->component];
    put_service(active, out);
    if (active->plan.common.len) {
        pv_buf_char(out, ',');
        pv_buf_str(out, active->plan.common);
    }
    pv_buf_c(out, ",\"values\":");
    pv_buf_str(out, component->values.len ? component->values : PV_STR("{}"));
    if (component->previous.len) {
        pv_buf_c(out, ",\"previous\":");
        pv_buf_str(out, component->previous);
    }
    if (active->c.signal_count > 0) {
        put_signals(active, out);
    }
    return pv_buf_char(out, '}');
}

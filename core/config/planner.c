/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's planner over the configuration in use. What a service was created with (components,
 * instances, values) comes from its composition; an upgrade's new values are kept in its attributes
 * as {"customer", "params", "values": {COMPONENT: {…}}}; steps and limits come from the
 * configuration. */
#include "core/config/planning.h"
#include "core/json/json.h"

#include <stdio.h>
#include <string.h>

static int parse(struct pv_planning *planning, struct pv_str text, const char *what, json_t **ret)
{
    int status = pv_json_load(text.len > 0 ? text : PV_STR("{}"), 0, ret, planning->err);
    return status == PV_EINVAL ? pv_err_wrap(planning->err, "%s", what) : status;
}

static const json_t *as_object(const json_t *json)
{
    return json_is_object(json) ? json : NULL;
}

/* ---- components and steps ---- */

static int set_component(struct pv_planning *planning, struct pv_plan_component *component,
                         struct pv_str name, const struct pv_config_instance *instance,
                         struct pv_str values)
{
    component->name = pv_planning_copy(planning, name);
    component->instance = pv_planning_copy(planning, instance->name);
    component->plugin = pv_planning_copy(planning, instance->plugin->name);
    component->plugin_version = pv_planning_copy(
        planning, instance->plugin->version.ptr ? instance->plugin->version : PV_STR(""));
    component->values = pv_planning_copy(planning, values);
    return component->name.ptr && component->instance.ptr && component->plugin.ptr &&
                   component->plugin_version.ptr && component->values.ptr
               ? PV_OK
               : pv_planning_no_memory(planning);
}

static int add_steps(struct pv_planning *planning, size_t component,
                     const struct pv_plugin_steps *steps)
{
    struct pv_plan *plan = &planning->plan;
    size_t count = plan->step_count + steps->count;
    if (count > PV_MAX_STEPS) {
        return pv_err_set(planning->err, PV_EINVAL, "the operation has more than %d steps",
                          PV_MAX_STEPS);
    }
    struct pv_plan_step *all = pv_arena_alloc(planning->arena, (count + 1) * sizeof(*all));
    if (!all) {
        return pv_planning_no_memory(planning);
    }
    if (plan->step_count > 0) {
        memcpy(all, plan->steps, plan->step_count * sizeof(*all));
    }
    plan->steps = all;
    for (size_t i = 0; i < steps->count; i++) {
        const struct pv_plugin_step *from = &steps->items[i];
        struct pv_plan_step *step = &plan->steps[plan->step_count++];
        *step = (struct pv_plan_step){.component = (uint8_t)component,
                                      .flags = from->flags,
                                      .timeout_ms = from->timeout_ms,
                                      .settle_ms = from->settle_ms,
                                      .name = pv_planning_copy(planning, from->name)};
        if (!step->name.ptr) {
            return pv_planning_no_memory(planning);
        }
    }
    return PV_OK;
}

static int make_room(struct pv_planning *planning, size_t components)
{
    struct pv_plan *plan = &planning->plan;
    plan->components =
        pv_arena_alloc(planning->arena, (components + 1) * sizeof(*plan->components));
    return plan->components ? PV_OK : pv_planning_no_memory(planning);
}

/* The instance of a component that a service has: still there, and still the same plugin. */
static int find_instance(struct pv_planning *planning, const struct pv_plan_component *component,
                         const struct pv_config_instance **ret_instance)
{
    const struct pv_config_instance *instance =
        pv_config_instance(planning->config, component->instance);
    if (!instance) {
        return pv_err_set(planning->err, PV_ENOTFOUND,
                          "instance %.*s of component %.*s is not configured any more",
                          PV_STR_ARG(component->instance), PV_STR_ARG(component->name));
    }
    if (!pv_str_eq(instance->plugin->name, component->plugin)) {
        return pv_err_set(planning->err, PV_EINVAL,
                          "instance %.*s is plugin %.*s now; the service was created with %.*s",
                          PV_STR_ARG(instance->name), PV_STR_ARG(instance->plugin->name),
                          PV_STR_ARG(component->plugin));
    }
    *ret_instance = instance;
    return PV_OK;
}

/* ---- settings of the whole operation ---- */

/* An instance's own settings stand above those of the product. */
static void set_retry(struct pv_planning *planning, const struct pv_retry *product)
{
    for (size_t i = 0; i < planning->plan.component_count; i++) {
        struct pv_plan_component *component = &planning->plan.components[i];
        const struct pv_config_instance *instance =
            pv_config_instance(planning->config, component->instance);
        component->retry = instance ? pv_retry_over(&instance->retry, product) : *product;
    }
}

static int set_rest(struct pv_planning *planning, struct pv_str composition_quotas)
{
    const struct pv_config_product *product = planning->product;
    const struct pv_config_engine *engine = &planning->config->engine;
    struct pv_plan *plan = &planning->plan;
    plan->deadline_ms = product ? product->deadline_ms : engine->deadline_ms;
    set_retry(planning, product ? &product->retry : &engine->retry);
    plan->hold = product && product->hold;
    plan->trace = pv_planning_copy(planning, planning->facts.trace);
    if (planning->facts.trace.ptr && !plan->trace.ptr) {
        return pv_planning_no_memory(planning);
    }
    plan->quotas = pv_planning_copy(planning, product && planning->plan_index >= 0
                                                  ? product->plans[planning->plan_index].quotas
                                                  : composition_quotas);
    return plan->quotas.ptr || !composition_quotas.ptr ? PV_OK : pv_planning_no_memory(planning);
}

/* Product and plan as configured now; a create and an upgrade need both. */
static int find_product(struct pv_planning *planning, bool needed)
{
    const struct pv_plan_request *request = planning->request;
    planning->product = pv_config_product(planning->config, request->product);
    planning->plan_index =
        planning->product ? pv_config_plan_index(planning->product, request->plan_name) : -1;
    if (!needed || planning->plan_index >= 0) {
        return PV_OK;
    }
    if (!planning->product) {
        return pv_err_set(planning->err, PV_ENOTFOUND, "there is no product \"%.*s\"",
                          PV_STR_ARG(request->product));
    }
    return pv_err_set(planning->err, PV_ENOTFOUND, "product %.*s has no plan \"%.*s\"",
                      PV_STR_ARG(request->product), PV_STR_ARG(request->plan_name));
}

/* ---- create ---- */

/* What the customer gave, checked, with defaults. */
static int checked_params(struct pv_planning *planning, const struct pv_fields *checkout,
                          struct pv_str *ret)
{
    if (planning->facts.params.len == 0 && checkout->count == 0) {
        return PV_OK;
    }
    json_t *given = NULL;
    json_t *checked = NULL;
    int status = PV_OK;
    if (planning->facts.params.len > 0) {
        status = parse(planning, planning->facts.params, "the event", &given);
    }
    if (status == PV_OK) {
        status = pv_planning_check(planning, given, checkout, "/service/params", 0, &checked);
    }
    if (status == PV_OK) {
        status = pv_planning_text(planning, checked, ret);
    }
    json_decref(given);
    json_decref(checked);
    return status;
}

static int plan_create(struct pv_planning *planning)
{
    int status = find_product(planning, true);
    if (status == PV_OK) {
        status = make_room(planning, planning->product->component_count);
    }
    if (status != PV_OK) {
        return status;
    }
    const struct pv_config_product *product = planning->product;
    struct pv_plan *plan = &planning->plan;
    plan->component_count = product->component_count;
    for (size_t i = 0; i < product->component_count && status == PV_OK; i++) {
        const struct pv_config_component *component = &product->components[i];
        status = set_component(planning, &plan->components[i], component->name, component->instance,
                               component->values[planning->plan_index].json);
        if (status == PV_OK) {
            status = add_steps(planning, i, &component->instance->plugin->operations[PV_OP_CREATE]);
        }
    }
    if (status == PV_OK) {
        status = set_rest(planning, PV_STR(""));
    }
    plan->plan_name = pv_planning_copy(planning, planning->request->plan_name);
    if (status == PV_OK && !plan->plan_name.ptr) {
        status = pv_planning_no_memory(planning);
    }
    struct pv_str params = {NULL, 0};
    if (status == PV_OK) {
        status = checked_params(planning, &product->checkout, &params);
    }
    const struct pv_str none = {NULL, 0};
    if (status == PV_OK) {
        status = pv_planning_common(planning, planning->facts.customer, params, none);
    }
    if (status == PV_OK) {
        status = pv_planning_attrs(planning, planning->facts.customer, params, none);
    }
    return status;
}

/* ---- operations of a service that is there ---- */

static int decode_composition(struct pv_planning *planning, struct pv_plan *ret)
{
    struct pv_str composition = planning->request->composition;
    if (composition.len == 0) { /* its create never began: a terminate has nothing to do */
        return planning->request->type == PV_OP_TERMINATE
                   ? PV_OK
                   : pv_err_set(planning->err, PV_EINVAL, "the service has no components");
    }
    struct pv_str bytes = pv_planning_copy(planning, composition);
    if (!bytes.ptr) {
        return pv_planning_no_memory(planning);
    }
    int status = pv_plan_decode(bytes, planning->arena, ret);
    return status == PV_OK ? PV_OK
                           : pv_err_set(planning->err, status, "the service's components: %s",
                                        pv_status_text(status));
}

/* The values a component has now: those of an upgrade, or those of the create. */
static int present_values(struct pv_planning *planning, const struct pv_plan_component *component,
                          struct pv_str *ret)
{
    const json_t *values = json_object_getn(json_object_get(planning->attrs, "values"),
                                            component->name.ptr, component->name.len);
    *ret = values ? pv_json_copy(planning->arena, values) : component->values;
    if (ret->ptr && ret->len == 0) {
        *ret = PV_STR("{}");
    }
    return ret->ptr ? PV_OK : pv_planning_no_memory(planning);
}

static bool has_doc(const struct pv_plan_request *request, struct pv_str component)
{
    for (size_t i = 0; i < request->doc_count; i++) {
        if (pv_str_eq(request->doc_components[i], component)) {
            return true;
        }
    }
    return false;
}

/* One component of the service, as the last of the plan. */
static int add_present(struct pv_planning *planning, const struct pv_plan_component *component,
                       const struct pv_plugin_steps *steps)
{
    const struct pv_config_instance *instance = NULL;
    struct pv_str values = {NULL, 0};
    int status = find_instance(planning, component, &instance);
    if (status == PV_OK) {
        status = present_values(planning, component, &values);
    }
    if (status != PV_OK) {
        return status;
    }
    size_t index = planning->plan.component_count++;
    status = set_component(planning, &planning->plan.components[index], component->name, instance,
                           values);
    if (status != PV_OK) {
        return status;
    }
    return add_steps(planning, index,
                     steps ? steps : &instance->plugin->operations[planning->request->type]);
}

/* What the service's attributes say, and a form. */
static int present_facts(struct pv_planning *planning, const json_t *form)
{
    struct pv_str texts[3];
    const json_t *const values[] = {as_object(json_object_get(planning->attrs, "customer")),
                                    as_object(json_object_get(planning->attrs, "params")), form};
    int status = PV_OK;
    for (size_t i = 0; i < 3 && status == PV_OK; i++) {
        status = pv_planning_text(planning, values[i], &texts[i]);
    }
    return status == PV_OK ? pv_planning_common(planning, texts[0], texts[1], texts[2]) : status;
}

static int plan_present(struct pv_planning *planning, const struct pv_plan *composition)
{
    const struct pv_plan_request *request = planning->request;
    int status = make_room(planning, composition->component_count);
    for (size_t i = 0; i < composition->component_count && status == PV_OK; i++) {
        const struct pv_plan_component *component = &composition->components[i];
        if (request->type == PV_OP_TERMINATE && !has_doc(request, component->name)) {
            continue; /* nothing of it is left */
        }
        status = add_present(planning, component, NULL);
    }
    return status == PV_OK ? present_facts(planning, NULL) : status;
}

/* ---- upgrade ---- */

static const struct pv_config_component *same_component(const struct pv_config_product *product,
                                                        const struct pv_plan_component *component)
{
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_config_component *at = &product->components[i];
        if (pv_str_eq(at->name, component->name) &&
            pv_str_eq(at->instance->plugin->name, component->plugin)) {
            return at;
        }
    }
    return NULL; /* the product does not have it any more: it stays as it is */
}

static int check_immutable(struct pv_planning *planning, const struct pv_plan_component *component,
                           const struct pv_plugin *plugin, const json_t *next)
{
    json_t *now = NULL;
    int status = parse(planning, component->previous, "the component's values", &now);
    for (size_t i = 0; i < plugin->product.count && status == PV_OK; i++) {
        const struct pv_field *field = &plugin->product.items[i];
        const json_t *was = json_object_get(now, field->name.ptr);
        const json_t *will = json_object_get(next, field->name.ptr);
        if ((field->flags & PV_F_IMMUTABLE) != 0 && was != will &&
            !(was && will && json_equal(was, will))) {
            status = pv_err_set(planning->err, PV_EINVAL,
                                "plan %.*s would change %.*s of component %.*s, which cannot be "
                                "changed once the service is there",
                                PV_STR_ARG(planning->request->plan_name), PV_STR_ARG(field->name),
                                PV_STR_ARG(component->name));
        }
    }
    json_decref(now);
    return status;
}

/* Gives the component the new plan's values; `all` collects what every component has from now on.
 */
static int upgrade_component(struct pv_planning *planning, struct pv_plan_component *component,
                             json_t *all)
{
    const struct pv_config_component *configured = same_component(planning->product, component);
    component->previous = component->values;
    json_t *values = NULL;
    int status = PV_OK;
    if (configured) {
        const struct pv_config_values *next = &configured->values[planning->plan_index];
        status = check_immutable(planning, component, configured->instance->plugin, next->object);
        component->values = pv_planning_copy(planning, next->json);
        values = json_incref(next->object);
    } else {
        status = parse(planning, component->values, "the component's values", &values);
    }
    if (status == PV_OK && (!values || !component->values.ptr)) {
        status = pv_planning_no_memory(planning);
    }
    if (status == PV_OK &&
        json_object_setn(all, component->name.ptr, component->name.len, values) != 0) {
        status = pv_planning_no_memory(planning);
    }
    json_decref(values);
    return status;
}

/* `changes` over `base`, member by member; a new object, NULL when out of memory. */
static json_t *overlay(const json_t *base, const json_t *changes)
{
    json_t *merged = json_object();
    const json_t *parts[] = {base, changes};
    for (size_t i = 0; i < 2 && merged; i++) {
        /* not json_copy: that leaves out members that it finds no memory for */
        if (json_is_object(parts[i]) &&
            json_object_update(merged, (json_t *)(uintptr_t)parts[i]) != 0) {
            json_decref(merged);
            merged = NULL;
        }
    }
    return merged;
}

static int upgrade_facts(struct pv_planning *planning, const json_t *all)
{
    json_t *given = NULL;
    int status = pv_planning_check(
        planning, pv_planning_member(planning->body, "service", "params"),
        &planning->product->checkout, "/service/params", PV_CHECK_PARTIAL, &given);
    if (status != PV_OK) {
        return status;
    }
    json_t *params = overlay(json_object_get(planning->attrs, "params"), given);
    json_t *customer = overlay(json_object_get(planning->attrs, "customer"),
                               json_object_get(planning->body, "customer"));
    status = params && customer ? PV_OK : pv_planning_no_memory(planning);
    struct pv_str texts[3] = {{NULL, 0}};
    const json_t *const values[] = {customer, params, all};
    for (size_t i = 0; i < 3 && status == PV_OK; i++) {
        status = pv_planning_text(planning, values[i], &texts[i]);
    }
    if (status == PV_OK) {
        status = pv_planning_common(planning, texts[0], texts[1], (struct pv_str){NULL, 0});
    }
    if (status == PV_OK) {
        status = pv_planning_attrs(planning, texts[0], texts[1], texts[2]);
    }
    json_decref(given);
    json_decref(params);
    json_decref(customer);
    return status;
}

static int plan_upgrade(struct pv_planning *planning, const struct pv_plan *composition)
{
    int status = find_product(planning, true);
    if (status == PV_OK) {
        status = make_room(planning, composition->component_count);
    }
    json_t *all = json_object();
    if (status == PV_OK && !all) {
        status = pv_planning_no_memory(planning);
    }
    for (size_t i = 0; i < composition->component_count && status == PV_OK; i++) {
        status = add_present(planning, &composition->components[i], NULL);
        if (status == PV_OK) {
            status = upgrade_component(planning, &planning->plan.components[i], all);
        }
    }
    if (status == PV_OK) {
        status = upgrade_facts(planning, all);
    }
    planning->plan.plan_name = pv_planning_copy(planning, planning->request->plan_name);
    if (status == PV_OK && !planning->plan.plan_name.ptr) {
        status = pv_planning_no_memory(planning);
    }
    json_decref(all);
    return status;
}

/* ---- action ---- */

static int plan_action(struct pv_planning *planning, const struct pv_plan *composition)
{
    const struct pv_plan_request *request = planning->request;
    struct pv_config_action found;
    int status = pv_config_find_action(planning->config, request->composition, request->product,
                                       request->plan_name, request->action, planning->arena, &found,
                                       planning->err);
    json_t *form = NULL;
    if (status == PV_OK) {
        status = pv_planning_check(planning, json_object_get(planning->body, "form"),
                                   &found.action->form, "/form", 0, &form);
    }
    if (status == PV_OK) {
        status = make_room(planning, 1);
    }
    for (size_t i = 0; i < composition->component_count && status == PV_OK; i++) {
        if (pv_str_eq(composition->components[i].name, found.component)) {
            status = add_present(planning, &composition->components[i], &found.action->steps);
        }
    }
    if (status == PV_OK) {
        status = present_facts(planning, form);
    }
    json_decref(form);
    return status;
}

/* ---- the table ---- */

static int plan_existing(struct pv_planning *planning)
{
    struct pv_plan composition = {0};
    int status = decode_composition(planning, &composition);
    if (status == PV_OK && planning->request->type == PV_OP_UPGRADE) {
        status = plan_upgrade(planning, &composition);
    } else if (status == PV_OK) {
        status = find_product(planning, false);
        if (status == PV_OK) {
            status = planning->request->type == PV_OP_ACTION ? plan_action(planning, &composition)
                                                             : plan_present(planning, &composition);
        }
    }
    return status == PV_OK ? set_rest(planning, composition.quotas) : status;
}

/* The facts of an event that nobody has read yet. */
static int read_facts(struct pv_planning *planning)
{
    bool create = planning->request->type == PV_OP_CREATE;
    const json_t *reason = json_object_get(planning->body, "reason");
    const char *trace = json_string_value(json_object_get(planning->body, "traceparent"));
    planning->facts.trace = trace ? pv_str(trace) : (struct pv_str){NULL, 0};
    int status =
        pv_planning_text(planning, json_is_string(reason) ? reason : NULL, &planning->facts.reason);
    if (status == PV_OK && create) {
        status = pv_planning_text(planning, as_object(json_object_get(planning->body, "customer")),
                                  &planning->facts.customer);
    }
    if (status == PV_OK && create) {
        status = pv_planning_text(planning, pv_planning_member(planning->body, "service", "params"),
                                  &planning->facts.params);
    }
    return status;
}

static int read_request(struct pv_planning *planning)
{
    const struct pv_plan_request *request = planning->request;
    bool create = request->type == PV_OP_CREATE;
    if (create && request->facts) {
        planning->facts = *request->facts;
        return PV_OK;
    }
    int status = parse(planning, request->body, "the event", &planning->body);
    if (status == PV_OK && !create) {
        status = parse(planning, request->attrs, "the service's attributes", &planning->attrs);
    }
    return status == PV_OK ? read_facts(planning) : status;
}

static int plan(void *ctx, const struct pv_plan_request *request, struct pv_arena *arena,
                struct pv_plan *ret_plan, struct pv_err *err)
{
    const struct pv_config_live *live = ctx;
    struct pv_planning planning = {
        .config = live->config, .request = request, .arena = arena, .err = err, .plan_index = -1};
    int status = read_request(&planning);
    if (status == PV_OK) {
        status = request->type == PV_OP_CREATE ? plan_create(&planning) : plan_existing(&planning);
    }
    json_decref(planning.body);
    json_decref(planning.attrs);
    if (status == PV_OK) {
        *ret_plan = planning.plan;
    }
    if (status == PV_OK && request->type == PV_OP_CREATE && live->planned) {
        live->planned(live->planned_ctx, ret_plan);
    }
    return status;
}

static int limits(void *ctx, struct pv_str name, struct pv_instance_limits *ret)
{
    const struct pv_config_live *live = ctx;
    const struct pv_config_instance *instance = pv_config_instance(live->config, name);
    if (!instance) {
        return PV_ENOTFOUND;
    }
    *ret = instance->limits;
    return PV_OK;
}

static int pool(void *ctx, struct pv_str name, int64_t *ret_first, int64_t *ret_last,
                int64_t *ret_reuse_after_ms)
{
    const struct pv_config_live *live = ctx;
    const struct pv_config_pool *found = pv_config_pool(live->config, name);
    if (!found) {
        return PV_ENOTFOUND;
    }
    *ret_first = found->first;
    *ret_last = found->last;
    *ret_reuse_after_ms = found->reuse_after_ms;
    return PV_OK;
}

static int pool_value(void *ctx, struct pv_str name, int64_t index, char out[64])
{
    const struct pv_config_live *live = ctx;
    const struct pv_config_pool *found = pv_config_pool(live->config, name);
    return found ? pv_pool_text(found, index, out) : PV_ENOTFOUND;
}

struct pv_planner pv_config_planner(struct pv_config_live *live)
{
    return (struct pv_planner){
        .ctx = live, .plan = plan, .limits = limits, .pool = pool, .pool_value = pool_value};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Products: components and their instances, and what each component gets under each plan. A value
 * is looked for at the component, then in the plan, then at the product. */
#include "core/config/raw.h"
#include "core/json/json.h"

#include "core/base/alloc.h"
#include "core/engine/plan.h"

#include <stdio.h>
#include <string.h>

/* ---- components ---- */

static int load_component(struct pv_loading *loading, const struct pv_raw_component *raw,
                          struct pv_config_product *product, struct pv_config_component *component)
{
    if (!raw->plugin.ptr) {
        return PV_EINVAL; /* said already */
    }
    component->name = raw->name.ptr ? raw->name : raw->plugin;
    int status = PV_OK;
    if (memchr(component->name.ptr, '.', component->name.len)) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "name", "a name has no dot");
        status = PV_EINVAL;
    }
    for (const struct pv_config_component *at = product->components; at < component; at++) {
        if (pv_str_eq(at->name, component->name)) {
            pv_load_problem(loading, raw->head.node, raw->head.path,
                            raw->name.ptr ? "name" : "plugin",
                            "another component is called \"%.*s\"; give this one a name of its own",
                            PV_STR_ARG(component->name));
            status = PV_EINVAL;
        }
    }
    component->instance = pv_config_instance(loading->config, raw->plugin);
    if (!component->instance) {
        pv_load_unknown(loading, raw->head.node, raw->head.path, "plugin", "instance", "plugins",
                        raw->plugin, &loading->raw.plugins, sizeof(struct pv_raw_instance));
        return PV_EINVAL;
    }
    return status;
}

static int load_components(struct pv_loading *loading, const struct pv_raw_product *raw,
                           struct pv_config_product *product)
{
    size_t count = raw->components.count;
    if (count == 0 || count > PV_MAX_COMPONENTS) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "components",
                        "expected 1 to %d components, got %zu", PV_MAX_COMPONENTS, count);
        return PV_EINVAL;
    }
    product->components =
        pv_arena_alloc(&loading->config->arena, count * sizeof(*product->components));
    if (!product->components) {
        return PV_ENOMEM;
    }
    int status = PV_OK;
    const struct pv_raw_component *items = raw->components.items;
    for (size_t i = 0; i < count; i++) {
        int one = load_component(loading, &items[i], product, &product->components[i]);
        status = one != PV_OK ? one : status;
    }
    product->component_count = count;
    return status;
}

/* Every component's instance has been described. */
static bool described(const struct pv_config_product *product)
{
    for (size_t i = 0; i < product->component_count; i++) {
        if (!product->components[i].instance || !product->components[i].instance->plugin) {
            return false;
        }
    }
    return product->component_count > 0;
}

static int check_step_counts(struct pv_loading *loading, const struct pv_raw_product *raw,
                             const struct pv_config_product *product)
{
    for (int type = 1; type <= PV_OP_TYPES; type++) {
        size_t steps = 0;
        for (size_t i = 0; i < product->component_count; i++) {
            steps += product->components[i].instance->plugin->operations[type].count;
        }
        if (steps > PV_MAX_STEPS) {
            pv_load_problem(loading, raw->head.node, raw->head.path, "components",
                            "its %s has %zu steps; at most %d are possible", pv_op_type_name(type),
                            steps, PV_MAX_STEPS);
            return PV_EINVAL;
        }
    }
    return PV_OK;
}

static int load_checkout(struct pv_loading *loading, const struct pv_raw_product *raw,
                         struct pv_config_product *product)
{
    size_t most = 0;
    for (size_t i = 0; i < product->component_count; i++) {
        most += product->components[i].instance->plugin->checkout.count;
    }
    struct pv_fields *fields = &product->checkout;
    fields->items = pv_arena_alloc(&loading->config->arena, most * sizeof(*fields->items) + 1);
    if (!fields->items) {
        return PV_ENOMEM;
    }
    int status = PV_OK;
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_fields *own = &product->components[i].instance->plugin->checkout;
        for (size_t k = 0; k < own->count; k++) {
            const struct pv_field *first = pv_fields_find(fields, own->items[k].name);
            if (!first) {
                fields->items[fields->count++] = own->items[k];
            } else if (first->type != own->items[k].type) {
                pv_load_problem(loading, raw->head.node, raw->head.path, "components",
                                "two plugins ask the customer for \"%.*s\", one for %s, one for %s",
                                PV_STR_ARG(first->name), pv_field_type_name((int)first->type),
                                pv_field_type_name((int)own->items[k].type));
                status = PV_EINVAL;
            }
        }
    }
    return status;
}

/* ---- values ---- */

/* Where a value of a component may stand, the strongest first. */
struct layers {
    const struct pv_node *nodes[3];
    char paths[3][300];
};

static void set_layers(struct layers *layers, const struct pv_raw_product *raw,
                       const struct pv_raw_component *component, const struct pv_node *plan)
{
    layers->nodes[0] = component->values;
    layers->nodes[1] = plan;
    layers->nodes[2] = raw->values;
    snprintf(layers->paths[0], sizeof(layers->paths[0]), "%.*s.values",
             PV_STR_ARG(component->head.path));
    snprintf(layers->paths[1], sizeof(layers->paths[1]), "%.*s.plans.%.*s",
             PV_STR_ARG(raw->head.path), PV_STR_ARG(plan->key));
    snprintf(layers->paths[2], sizeof(layers->paths[2]), "%.*s.values", PV_STR_ARG(raw->head.path));
}

static const struct pv_node *find_value(const struct layers *layers, const struct pv_field *field,
                                        size_t *ret_layer)
{
    for (size_t i = 0; i < 3; i++) {
        const struct pv_node *node = pv_node_get(layers->nodes[i], field->name.ptr);
        if (node && node->kind != PV_NODE_NULL) {
            *ret_layer = i;
            return node;
        }
    }
    return NULL;
}

/* One field of one component under one plan. */
static int check_field(struct pv_loading *loading, const struct layers *layers,
                       const struct pv_config_component *component, const struct pv_field *field,
                       json_t *into)
{
    size_t layer = 1;
    const struct pv_node *node = find_value(layers, field, &layer);
    struct pv_check_at at = {pv_str(layers->paths[layer]), '.', "unknown_key", "invalid_value",
                             "missing"};
    struct pv_check check = {.at = &at,
                             .problems = loading->problems,
                             .config = true,
                             .base_dir = loading->base_dir,
                             .pool_names = loading->pool_names,
                             .pool_count = loading->raw.pools.count,
                             .arena = &loading->config->arena};
    struct pv_value value = pv_value_of_node(node);
    if (!node && field->fallback.ptr) {
        value = pv_value_of_text(field->fallback);
        value.place = layers->nodes[1]->place;
    } else if (!node) {
        if ((field->flags & PV_F_REQUIRED) == 0) {
            return PV_OK;
        }
        pv_check_problem(loading->problems, &at, &layers->nodes[1]->place, field->name, at.missing,
                         "required by component %.*s, but not given", PV_STR_ARG(component->name));
        return PV_EINVAL;
    }
    json_t *json = NULL;
    int status = pv_check_value(&check, field, &value, &json);
    if (status == PV_OK &&
        json_object_setn_new(into, field->name.ptr, field->name.len, json) != 0) {
        status = PV_ENOMEM;
    }
    return status;
}

static int load_values(struct pv_loading *loading, const struct layers *layers,
                       const struct pv_config_component *component, struct pv_config_values *values)
{
    values->object = json_object();
    if (!values->object) {
        return PV_ENOMEM;
    }
    const struct pv_fields *fields = &component->instance->plugin->product;
    int status = PV_OK;
    for (size_t i = 0; i < fields->count; i++) {
        int one = check_field(loading, layers, component, &fields->items[i], values->object);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    values->json = pv_json_copy(&loading->config->arena, values->object);
    return values->json.ptr ? status : PV_ENOMEM;
}

/* Keys of a plan, of the product's values (component NULL), or of one component's. */
static int check_unknown(struct pv_loading *loading, const struct pv_config_product *product,
                         const struct pv_config_component *component, const struct pv_node *given,
                         const char *path)
{
    const char *known[512];
    size_t count = 0;
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_config_component *at = &product->components[i];
        const struct pv_fields *fields = &at->instance->plugin->product;
        for (size_t k = 0; (!component || component == at) && k < fields->count && count < 512;
             k++) {
            known[count++] = fields->items[k].name.ptr;
        }
    }
    struct pv_check_at at = {pv_str(path), '.', "unknown_key", "invalid_value", "missing"};
    int status = PV_OK;
    for (const struct pv_node *node = given && given->kind == PV_NODE_MAP ? given->first : NULL;
         node; node = node->next) {
        bool found = false;
        for (size_t i = 0; i < count && !found; i++) {
            found = pv_str_eq_c(node->key, known[i]);
        }
        if (!found) {
            pv_check_unknown(loading->problems, &at, &node->key_place, node->key, known, count);
            status = PV_EINVAL;
        }
    }
    return status;
}

/* A whole number that a plan sets is the limit of the quota of that name. */
static int write_quotas(struct pv_loading *loading, const struct pv_config_product *product,
                        size_t plan)
{
    struct pv_buf out;
    pv_buf_init(&out, 16384);
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_config_component *component = &product->components[i];
        const struct pv_fields *fields = &component->instance->plugin->product;
        for (size_t k = 0; k < fields->count; k++) {
            const struct pv_field *field = &fields->items[k];
            const json_t *value = json_object_get(component->values[plan].object, field->name.ptr);
            struct pv_plan so_far = {.quotas = pv_buf_view(&out)};
            if (field->type == PV_T_INT && json_integer_value(value) >= 0 && value &&
                pv_plan_quota(&so_far, field->name) < 0) {
                pv_buf_printf(&out, "%s%.*s=%lld", out.len > 0 ? "," : "", PV_STR_ARG(field->name),
                              (long long)json_integer_value(value));
            }
        }
    }
    if (out.status == PV_OK) {
        product->plans[plan].quotas = pv_arena_copy(&loading->config->arena, pv_buf_view(&out));
    }
    pv_buf_done(&out);
    return product->plans[plan].quotas.ptr ? PV_OK : PV_ENOMEM;
}

static int load_plan(struct pv_loading *loading, const struct pv_raw_product *raw,
                     struct pv_config_product *product, size_t index, const struct pv_node *node)
{
    char path[300];
    snprintf(path, sizeof(path), "%.*s.plans.%.*s", PV_STR_ARG(raw->head.path),
             PV_STR_ARG(node->key));
    product->plans[index].name = pv_load_copy(loading, node->key);
    if (!product->plans[index].name.ptr) {
        return PV_ENOMEM;
    }
    if (node->kind != PV_NODE_MAP && node->kind != PV_NODE_NULL) {
        struct pv_place place = node->place;
        pv_problem_add(loading->problems, &place, pv_str(path), "invalid_value",
                       "expected a mapping of values");
        return PV_EINVAL;
    }
    if (node->key.len == 0 || node->key.len > PV_MAX_NAME) {
        pv_problem_add(loading->problems, &node->key_place, pv_str(path), "invalid_name",
                       "the name of a plan has 1 to %d bytes", PV_MAX_NAME);
        return PV_EINVAL;
    }
    int status = check_unknown(loading, product, NULL, node, path);
    const struct pv_raw_component *components = raw->components.items;
    for (size_t i = 0; i < product->component_count; i++) {
        struct pv_config_component *component = &product->components[i];
        struct layers layers;
        set_layers(&layers, raw, &components[i], node);
        int one = load_values(loading, &layers, component, &component->values[index]);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    int quotas = write_quotas(loading, product, index);
    return quotas != PV_OK ? quotas : status;
}

static int load_plans(struct pv_loading *loading, const struct pv_raw_product *raw,
                      struct pv_config_product *product)
{
    size_t count = raw->plans && raw->plans->kind == PV_NODE_MAP ? raw->plans->count : 0;
    if (count == 0) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "plans",
                        "at least one plan is needed, such as \"basic: {}\"");
        return PV_EINVAL;
    }
    struct pv_arena *arena = &loading->config->arena;
    product->plans = pv_arena_alloc(arena, count * sizeof(*product->plans));
    if (!product->plans) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < product->component_count; i++) {
        product->components[i].values =
            pv_arena_alloc(arena, count * sizeof(struct pv_config_values));
        if (!product->components[i].values) {
            return PV_ENOMEM;
        }
    }
    product->plan_count = count;
    size_t index = 0;
    int status = PV_OK;
    for (const struct pv_node *node = raw->plans->first; node; node = node->next) {
        int one = load_plan(loading, raw, product, index++, node);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

/* ---- the product ---- */

static void set_plain(struct pv_loading *loading, const struct pv_raw_product *raw,
                      struct pv_config_product *product)
{
    const struct pv_config_engine *engine = &loading->config->engine;
    const struct pv_retry own = pv_load_retry(&raw->retry);
    product->name = raw->head.name;
    product->label = raw->label.ptr ? raw->label : raw->head.name;
    product->hold = raw->on_failure == 1;
    product->deadline_ms = raw->deadline > 0 ? raw->deadline : engine->deadline_ms;
    product->retry = pv_retry_over(&own, &engine->retry);
}

static int check_component_values(struct pv_loading *loading, const struct pv_raw_product *raw,
                                  const struct pv_config_product *product)
{
    const struct pv_raw_component *components = raw->components.items;
    char path[300];
    snprintf(path, sizeof(path), "%.*s.values", PV_STR_ARG(raw->head.path));
    int status = check_unknown(loading, product, NULL, raw->values, path);
    for (size_t i = 0; i < product->component_count; i++) {
        snprintf(path, sizeof(path), "%.*s.values", PV_STR_ARG(components[i].head.path));
        int one =
            check_unknown(loading, product, &product->components[i], components[i].values, path);
        status = one != PV_OK ? one : status;
    }
    return status;
}

static int load_product(struct pv_loading *loading, const struct pv_raw_product *raw,
                        struct pv_config_product *product)
{
    set_plain(loading, raw, product);
    int status = load_components(loading, raw, product);
    if (status == PV_ENOMEM || !described(product)) {
        product->component_count = 0; /* without its plugins nothing more can be said */
        return status == PV_ENOMEM ? status : PV_EINVAL;
    }
    int (*const parts[])(struct pv_loading *, const struct pv_raw_product *,
                         struct pv_config_product *) = {load_checkout, load_plans};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int one = parts[i](loading, raw, product);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    int values = check_component_values(loading, raw, product);
    int steps = check_step_counts(loading, raw, product);
    status = values != PV_OK ? values : status;
    return steps != PV_OK ? steps : status;
}

int pv_load_products(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_option_entries *raw = &loading->raw.products;
    config->products = pv_arena_alloc(&config->arena, raw->count * sizeof(*config->products) + 1);
    if (!config->products) {
        return PV_ENOMEM;
    }
    config->product_count = raw->count;
    int status = PV_OK;
    for (size_t i = 0; i < raw->count; i++) {
        int one = load_product(loading, &((const struct pv_raw_product *)raw->items)[i],
                               &config->products[i]);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

/* ---- sources ---- */

static int check_plan_name(struct pv_loading *loading, const struct pv_raw_source *raw,
                           const struct pv_config_product *product, const char *family,
                           struct pv_str plan)
{
    if (!plan.ptr || product->plan_count == 0 || pv_config_plan_index(product, plan) >= 0) {
        return PV_OK;
    }
    char path[256];
    snprintf(path, sizeof(path), "%.*s.plans", PV_STR_ARG(raw->head.path));
    pv_load_problem(loading, pv_node_get(raw->head.node, "plans"), pv_str(path), family,
                    "product %.*s has no plan \"%.*s\"", PV_STR_ARG(product->name),
                    PV_STR_ARG(plan));
    return PV_EINVAL;
}

static int load_family(struct pv_loading *loading, const struct pv_raw_source *raw,
                       const char *family, struct pv_str name, struct pv_str plan)
{
    if (!name.ptr) {
        return PV_OK;
    }
    const struct pv_config_product *product = pv_config_product(loading->config, name);
    if (!product) {
        char path[256];
        snprintf(path, sizeof(path), "%.*s.products", PV_STR_ARG(raw->head.path));
        pv_load_unknown(loading, pv_node_get(raw->head.node, "products"), pv_str(path), family,
                        "product", "products", name, &loading->raw.products,
                        sizeof(struct pv_raw_product));
        return PV_EINVAL;
    }
    return check_plan_name(loading, raw, product, family, plan);
}

static int load_source(struct pv_loading *loading, const struct pv_raw_source *raw,
                       struct pv_config_source *source)
{
    static const char *const families[PV_FAMILIES] = {"site", "support", "dns"};
    const struct pv_str products[] = {raw->products.site, raw->products.support, raw->products.dns};
    const struct pv_str plans[] = {raw->plans.site, raw->plans.support, raw->plans.dns};
    source->name = raw->head.name;
    source->compat = raw->compat;
    int status = PV_OK;
    bool any = false;
    for (size_t i = 0; i < PV_FAMILIES; i++) {
        source->products[i] = products[i];
        source->plans[i] = plans[i];
        any = any || products[i].ptr || plans[i].ptr;
        int one = load_family(loading, raw, families[i], products[i], plans[i]);
        status = one != PV_OK ? one : status;
        /* the bodies of these two never name a plan */
        if (i != PV_FAMILY_SITE && products[i].ptr && !plans[i].ptr) {
            char path[256];
            snprintf(path, sizeof(path), "%.*s.plans", PV_STR_ARG(raw->head.path));
            pv_load_problem(loading, raw->head.node, pv_str(path), families[i],
                            "required with products.%s, but not given", families[i]);
            status = PV_EINVAL;
        }
    }
    if (raw->compat == PV_COMPAT_NONE && any) {
        pv_load_problem(loading, raw->head.node, raw->head.path, "compat",
                        "products and plans need compat: paymenter-backend");
        status = PV_EINVAL;
    }
    return status;
}

int pv_load_sources(struct pv_loading *loading)
{
    struct pv_config *config = loading->config;
    const struct pv_option_entries *raw = &loading->raw.sources;
    config->sources = pv_arena_alloc(&config->arena, raw->count * sizeof(*config->sources) + 1);
    if (!config->sources) {
        return PV_ENOMEM;
    }
    config->source_count = raw->count;
    int status = PV_OK;
    for (size_t i = 0; i < raw->count; i++) {
        int one = load_source(loading, &((const struct pv_raw_source *)raw->items)[i],
                              &config->sources[i]);
        status = one != PV_OK ? one : status;
    }
    return status;
}

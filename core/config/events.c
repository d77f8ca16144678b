/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of events and actions before they are accepted, with a path and a code for each problem.
 */
#include "core/config/config.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

/* "did you mean" among names; the number of names is small. */
static const char *nearest_product(const struct pv_config *config, struct pv_str name)
{
    const char **names = pv_reallocarray(NULL, config->product_count + 1, sizeof(*names));
    for (size_t i = 0; names && i < config->product_count; i++) {
        names[i] = config->products[i].name.ptr;
    }
    const char *nearest = names ? pv_str_nearest(name, names, config->product_count) : NULL;
    pv_free(names);
    return nearest;
}

static const char *nearest_plan(const struct pv_config_product *product, struct pv_str name)
{
    const char **names = pv_reallocarray(NULL, product->plan_count + 1, sizeof(*names));
    for (size_t i = 0; names && i < product->plan_count; i++) {
        names[i] = product->plans[i].name.ptr;
    }
    const char *nearest = names ? pv_str_nearest(name, names, product->plan_count) : NULL;
    pv_free(names);
    return nearest;
}

static void problem(struct pv_problems *problems, const char *base, const char *path,
                    const char *code, const char *text, const char *nearest)
{
    char full[256];
    snprintf(full, sizeof(full), "%s%s", base, path);
    pv_problem_add(problems, NULL, pv_str(full), code, "%s%s%s%s", text,
                   nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "");
}

static const struct pv_config_product *check_product(const struct pv_config *config,
                                                     struct pv_str name, const char *base,
                                                     struct pv_problems *problems)
{
    const struct pv_config_product *product = pv_config_product(config, name);
    if (!product) {
        char text[200];
        snprintf(text, sizeof(text), "there is no product \"%.*s\"",
                 name.len > 100 ? 100 : (int)name.len, name.ptr ? name.ptr : "");
        problem(problems, base, "/service/product", "unknown_product", text,
                nearest_product(config, name));
    }
    return product;
}

/* A problem that could not be kept must not look like none. */
static int refused(const struct pv_problems *problems)
{
    return problems->status != PV_OK ? problems->status : PV_EINVAL;
}

static int check_plan(const struct pv_config_product *product, struct pv_str name, const char *base,
                      struct pv_problems *problems)
{
    if (pv_config_plan_index(product, name) >= 0) {
        return PV_OK;
    }
    char text[320];
    snprintf(text, sizeof(text), "product \"%.*s\" has no plan \"%.*s\"", PV_STR_ARG(product->name),
             name.len > 100 ? 100 : (int)name.len, name.ptr ? name.ptr : "");
    problem(problems, base, "/service/plan", "unknown_plan", text, nearest_plan(product, name));
    return refused(problems);
}

static int check_params(const struct pv_config_product *product, const json_t *params,
                        const char *base, unsigned flags, struct pv_problems *problems)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/service/params", base);
    struct pv_check_at at = {pv_str(path), '/', "unknown_param", "invalid_param", "missing_param"};
    json_t *checked = NULL;
    int status = pv_fields_check(params, &product->checkout, &at, flags, problems, &checked);
    json_decref(checked);
    return status;
}

int pv_config_check_create(const struct pv_config *config, struct pv_str product,
                           struct pv_str plan, const json_t *params, const char *base,
                           struct pv_problems *problems)
{
    const struct pv_config_product *found = check_product(config, product, base, problems);
    if (!found) {
        return refused(problems);
    }
    int status = check_plan(found, plan, base, problems);
    int checked = check_params(found, params, base, 0, problems);
    return status == PV_ENOMEM || checked == PV_OK ? status : checked;
}

/* Without the product: is there any that has such a plan? */
static int check_any_plan(const struct pv_config *config, struct pv_str plan, const char *base,
                          struct pv_problems *problems)
{
    const char *nearest = NULL;
    for (size_t i = 0; i < config->product_count; i++) {
        if (pv_config_plan_index(&config->products[i], plan) >= 0) {
            return PV_OK;
        }
        const char *near = nearest_plan(&config->products[i], plan);
        nearest = near ? near : nearest;
    }
    char text[200];
    snprintf(text, sizeof(text), "no product has a plan \"%.*s\"",
             plan.len > 100 ? 100 : (int)plan.len, plan.ptr ? plan.ptr : "");
    problem(problems, base, "/service/plan", "unknown_plan", text, nearest);
    return refused(problems);
}

int pv_config_check_upgrade(const struct pv_config *config, struct pv_str product,
                            struct pv_str plan, const json_t *params, const char *base,
                            struct pv_problems *problems)
{
    if (!product.ptr) {
        return check_any_plan(config, plan, base, problems);
    }
    const struct pv_config_product *found = check_product(config, product, base, problems);
    if (!found) {
        return refused(problems);
    }
    int status = check_plan(found, plan, base, problems);
    int checked = check_params(found, params, base, PV_CHECK_PARTIAL, problems);
    return status == PV_ENOMEM || checked == PV_OK ? status : checked;
}

/* ---- actions ---- */

struct search {
    const struct pv_config *config;
    const struct pv_plan *composition;
    struct pv_str component; /* none: any */
    struct pv_str name;
    struct pv_config_action found;
    size_t count;
    struct pv_str other;                      /* the component of a second one */
    const char *known[PV_MAX_COMPONENTS * 8]; /* every action, for "did you mean" */
    size_t known_count;
};

static void search_component(struct search *search, const struct pv_plan_component *component)
{
    const struct pv_config_instance *instance =
        pv_config_instance(search->config, component->instance);
    if (!instance || !pv_str_eq(instance->plugin->name, component->plugin) ||
        (search->component.ptr && !pv_str_eq(search->component, component->name))) {
        return;
    }
    const struct pv_plugin *plugin = instance->plugin;
    for (size_t i = 0; i < plugin->action_count; i++) {
        if (search->known_count < sizeof(search->known) / sizeof(search->known[0])) {
            search->known[search->known_count++] = plugin->actions[i].name.ptr;
        }
    }
    const struct pv_plugin_action *action = pv_plugin_action(plugin, search->name);
    if (!action) {
        return;
    }
    if (search->count++ > 0) {
        search->other = component->name;
        return;
    }
    search->found = (struct pv_config_action){.component = component->name,
                                              .instance = instance->name,
                                              .action = action,
                                              .quota = action->quota,
                                              .quota_delta = action->quota_delta,
                                              .quota_limit = -1};
}

static int judge(const struct search *search, struct pv_err *err)
{
    int shown = search->name.len > 100 ? 100 : (int)search->name.len;
    if (search->count == 0) {
        const char *nearest = pv_str_nearest(search->name, search->known, search->known_count);
        return pv_err_set(err, PV_ENOTFOUND, "the service has no action \"%.*s\"%s%s%s", shown,
                          search->name.ptr, nearest ? "; did you mean \"" : "",
                          nearest ? nearest : "", nearest ? "\"?" : "");
    }
    if (search->count > 1) {
        return pv_err_set(err, PV_EINVAL,
                          "more than one component has the action \"%.*s\": write %.*s.%.*s or "
                          "%.*s.%.*s",
                          shown, search->name.ptr, PV_STR_ARG(search->found.component), shown,
                          search->name.ptr, PV_STR_ARG(search->other), shown, search->name.ptr);
    }
    return PV_OK;
}

/* The limit of the plan as it is configured now; of the service's create where that is gone. */
static int64_t quota_limit(const struct pv_config *config, const struct pv_plan *composition,
                           struct pv_str product, struct pv_str plan, struct pv_str quota)
{
    const struct pv_config_product *found = pv_config_product(config, product);
    int index = found ? pv_config_plan_index(found, plan) : -1;
    if (index < 0) {
        return pv_plan_quota(composition, quota);
    }
    struct pv_plan now = {.quotas = found->plans[index].quotas};
    return pv_plan_quota(&now, quota);
}

int pv_config_find_action(const struct pv_config *config, struct pv_str composition,
                          struct pv_str product, struct pv_str plan, struct pv_str name,
                          struct pv_arena *arena, struct pv_config_action *ret_action,
                          struct pv_err *err)
{
    struct pv_plan decoded = {0};
    struct pv_str bytes = pv_arena_copy(arena, composition);
    int status = !bytes.ptr       ? PV_ENOMEM
                 : bytes.len == 0 ? PV_OK /* no components yet, so no actions */
                                  : pv_plan_decode(bytes, arena, &decoded);
    if (status != PV_OK) {
        return pv_err_set(err, status, "the service's components: %s", pv_status_text(status));
    }
    struct search search = {.config = config, .composition = &decoded, .name = name};
    const char *dot = name.len > 0 ? memchr(name.ptr, '.', name.len) : NULL;
    if (dot) {
        search.component = (struct pv_str){name.ptr, (size_t)(dot - name.ptr)};
        search.name = (struct pv_str){dot + 1, name.len - search.component.len - 1};
    }
    for (size_t i = 0; i < decoded.component_count; i++) {
        search_component(&search, &decoded.components[i]);
    }
    status = judge(&search, err);
    if (status != PV_OK) {
        return status;
    }
    if (search.found.quota.ptr) {
        search.found.quota_limit = quota_limit(config, &decoded, product, plan, search.found.quota);
    }
    *ret_action = search.found;
    return PV_OK;
}

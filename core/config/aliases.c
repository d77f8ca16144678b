/* SPDX-License-Identifier: Apache-2.0 */
/* Paths at which queries of an instance are served too. */
#include "core/config/check.h"
#include "core/config/raw.h"

#include <stdio.h>
#include <string.h>

static void alias_problem(struct pv_loading *loading, const struct pv_raw_instance *raw,
                          const struct pv_node *node, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%.*s.aliases", PV_STR_ARG(raw->head.path));
    struct pv_check_at at = {pv_str(path), '.', "", "", ""};
    pv_check_problem(loading->problems, &at, &node->place, node->key, "invalid_value", "%s", text);
}

static int load_alias(struct pv_loading *loading, const struct pv_raw_instance *raw,
                      struct pv_config_instance *instance, const struct pv_node *node)
{
    struct pv_str other;
    if (node->key.len < 2 || node->key.ptr[0] != '/' || pv_str_starts(node->key, "/v1/") ||
        strcspn(node->key.ptr, "?#% ") < node->key.len) {
        alias_problem(loading, raw, node, "expected a path such as /support/check, not below /v1/");
        return PV_EINVAL;
    }
    if (node->kind != PV_NODE_TEXT || !pv_plugin_instance_query(instance->plugin, node->text)) {
        char text[200];
        snprintf(text, sizeof(text), "expected a query of instances of %.*s",
                 PV_STR_ARG(instance->plugin->name));
        alias_problem(loading, raw, node, text);
        return PV_EINVAL;
    }
    if (pv_config_alias(loading->config, node->key, &other)) {
        alias_problem(loading, raw, node, "another instance has this path");
        return PV_EINVAL;
    }
    struct pv_config_alias *alias = &instance->aliases[instance->alias_count];
    alias->path = pv_load_copy(loading, node->key);
    alias->query = pv_load_copy(loading, node->text);
    if (!alias->path.ptr || !alias->query.ptr) {
        return PV_ENOMEM;
    }
    instance->alias_count++;
    return PV_OK;
}

int pv_load_aliases(struct pv_loading *loading, const struct pv_raw_instance *raw,
                    struct pv_config_instance *instance)
{
    size_t count = raw->aliases ? raw->aliases->count : 0;
    instance->aliases =
        pv_arena_alloc(&loading->config->arena, count * sizeof(*instance->aliases) + 1);
    if (!instance->aliases) {
        return PV_ENOMEM;
    }
    int status = PV_OK;
    for (const struct pv_node *node = count > 0 ? raw->aliases->first : NULL; node;
         node = node->next) {
        int one = load_alias(loading, raw, instance, node);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload changes: hosts to start, restart and stop, what must not happen, and what only a
 * restart of the daemon brings. */
#include "core/config/config.h"

#include <stdio.h>
#include <string.h>

static void add_change(struct pv_config_diff *diff, enum pv_change what, struct pv_str instance)
{
    diff->items[diff->count++] = (struct pv_config_change){what, instance};
}

static void refuse(struct pv_problems *problems, struct pv_str instance, const char *code,
                   const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "plugins.%.*s", PV_STR_ARG(instance));
    pv_problem_add(problems, NULL, pv_str(path), code, "%s", text);
}

/* An instance of the present configuration. */
static void compare_instance(const struct pv_config_instance *now,
                             const struct pv_config_instance *next, bool used,
                             struct pv_config_diff *diff, struct pv_problems *problems)
{
    if (!next) {
        if (used) {
            refuse(problems, now->name, "instance_in_use",
                   "cannot be removed: services that are not terminated use it; keep it until "
                   "they are");
        }
        add_change(diff, PV_CHANGE_REMOVED, now->name);
        return;
    }
    if (used && !pv_str_eq(now->plugin->name, next->plugin->name)) {
        char text[300];
        snprintf(text, sizeof(text),
                 "cannot become plugin %.*s: services that are not terminated use it as %.*s",
                 PV_STR_ARG(next->plugin->name), PV_STR_ARG(now->plugin->name));
        refuse(problems, now->name, "instance_in_use", text);
    }
    if (!pv_hash_eq(now->fingerprint, next->fingerprint)) {
        add_change(diff, PV_CHANGE_CHANGED, next->name);
    }
}

static void restart_text(struct pv_problems *problems, const char *option, struct pv_str now,
                         struct pv_str next)
{
    if (!pv_str_eq(now, next)) {
        pv_problem_warn(problems, NULL, pv_str(option), "needs_restart",
                        "changed from \"%.*s\" to \"%.*s\": takes effect when provostd is "
                        "restarted",
                        PV_STR_ARG(now), PV_STR_ARG(next));
    }
}

static void restart_number(struct pv_problems *problems, const char *option, int64_t now,
                           int64_t next)
{
    if (now != next) {
        pv_problem_warn(problems, NULL, pv_str(option), "needs_restart",
                        "changed: takes effect when provostd is restarted");
    }
}

/* What is read once, at the start. */
static void compare_fixed(const struct pv_config *now, const struct pv_config *next,
                          struct pv_problems *problems)
{
    restart_text(problems, "listen", now->listen, next->listen);
    restart_number(problems, "tls", now->tls.on, next->tls.on);
    restart_text(problems, "admin_socket", now->admin_socket, next->admin_socket);
    restart_text(problems, "admin_group", now->admin_group, next->admin_group);
    restart_text(problems, "store", now->store, next->store);
    restart_text(problems, "keys", now->keys, next->keys);
    restart_text(problems, "data_dir", now->data_dir, next->data_dir);
    restart_text(problems, "runtime_dir", now->runtime_dir, next->runtime_dir);
    const struct pv_config_http *http[] = {&now->http, &next->http};
    restart_number(problems, "http.max_body", (int64_t)http[0]->max_body,
                   (int64_t)http[1]->max_body);
    restart_number(problems, "http.max_connections", http[0]->max_connections,
                   http[1]->max_connections);
    restart_number(problems, "http.max_connections_per_address",
                   http[0]->max_connections_per_address, http[1]->max_connections_per_address);
    restart_number(problems, "http.header_timeout", http[0]->header_timeout_ms,
                   http[1]->header_timeout_ms);
    restart_number(problems, "http.body_timeout", http[0]->body_timeout_ms,
                   http[1]->body_timeout_ms);
    restart_number(problems, "http.idle_timeout", http[0]->idle_timeout_ms,
                   http[1]->idle_timeout_ms);
    restart_number(problems, "engine.max_active", now->engine.max_active, next->engine.max_active);
    restart_number(problems, "engine.max_backlog", now->engine.max_backlog,
                   next->engine.max_backlog);
    restart_number(problems, "engine.lease", now->engine.lease_ms, next->engine.lease_ms);
    restart_number(problems, "log.format", now->log.format, next->log.format);
    restart_number(problems, "log.level", now->log.level, next->log.level);
}

int pv_config_compare(const struct pv_config *now, const struct pv_config *next,
                      bool (*in_use)(void *ctx, struct pv_str instance), void *ctx,
                      struct pv_config_diff *ret_diff, struct pv_problems *problems)
{
    struct pv_config_diff diff = {0};
    pv_arena_init(&diff.arena);
    size_t most = now->instance_count + next->instance_count + 1;
    diff.items = pv_arena_alloc(&diff.arena, most * sizeof(*diff.items));
    if (!diff.items) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < now->instance_count; i++) {
        const struct pv_config_instance *instance = &now->instances[i];
        compare_instance(instance, pv_config_instance(next, instance->name),
                         in_use && in_use(ctx, instance->name), &diff, problems);
    }
    for (size_t i = 0; i < next->instance_count; i++) {
        if (!pv_config_instance(now, next->instances[i].name)) {
            add_change(&diff, PV_CHANGE_ADDED, next->instances[i].name);
        }
    }
    compare_fixed(now, next, problems);
    int status = pv_problems_status(problems);
    if (status != PV_OK) {
        pv_arena_done(&diff.arena);
        return status;
    }
    *ret_diff = diff;
    return PV_OK;
}

void pv_config_diff_done(struct pv_config_diff *diff)
{
    pv_arena_done(&diff->arena);
    memset(diff, 0, sizeof(*diff));
}

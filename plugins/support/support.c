/* SPDX-License-Identifier: Apache-2.0 */
/* The support plugin: a service is a support key. It has no backend but Provost's own data: the key
 * is in the state document, and an entry of the instance's data says whose it is and what it is
 * worth. */
#include "plugins/support/support.h"

#include <string.h>
#include <time.h>

static int with_call(struct provost_call *call, int (*work)(struct kit *kit))
{
    struct kit kit;
    int outcome = kit_open(&kit, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_close(&kit, work(&kit));
}

static int set_text(struct kit *kit, const char *member, const char *text)
{
    return json_object_set_new(kit->state, member, json_string(text)) == 0 ? PROVOST_OK
                                                                           : kit_end_memory(kit);
}

static const char *tier_of(struct kit *kit)
{
    const char *tier = provost_text_at(kit->input, "values.tier", "");
    return tier[0] != '\0' ? tier : provost_text_at(kit->input, "service.plan", "");
}

static int set_since(struct kit *kit)
{
    char text[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return set_text(kit, "since", text);
}

/* ---- create, terminate ---- */

static int do_create(struct kit *kit)
{
    int outcome = set_text(kit, "status", "active");
    if (outcome == PROVOST_OK) {
        outcome = set_text(kit, "tier", tier_of(kit));
    }
    if (outcome == PROVOST_OK) {
        outcome = set_text(kit, "email", provost_text_at(kit->input, "customer.email", ""));
    }
    if (outcome == PROVOST_OK) {
        outcome = set_since(kit);
    }
    return outcome == PROVOST_OK ? support_issue(kit, "key") : outcome;
}

static int create(struct provost_call *call)
{
    return with_call(call, do_create);
}

static int do_remove(struct kit *kit)
{
    const char *const members[] = {"key", "next", "previous"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *key = provost_text_at(kit->state, members[i], NULL);
        int outcome = key == NULL ? PROVOST_OK : support_delete(kit, key);
        if (outcome != PROVOST_OK) {
            return outcome;
        }
    }
    json_object_clear(kit->state);
    return kit_state_set(kit);
}

static int terminate(struct provost_call *call)
{
    return with_call(call, do_remove);
}

static int do_undo_create(struct kit *kit)
{
    if (json_object_get(kit->state, "key") == NULL) {
        /* It is not known how far create came; issuing again gives the key that it would have
         * given. */
        int outcome = support_issue(kit, "key");
        if (outcome != PROVOST_OK) {
            return outcome;
        }
    }
    return do_remove(kit);
}

static int undo_create(struct provost_call *call)
{
    return with_call(call, do_undo_create);
}

static const struct provost_step create_steps[] = {
    {.name = "issue", .run = create, .undo = undo_create, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step terminate_steps[] = {
    {.name = "remove", .run = terminate, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- suspend, unsuspend, upgrade, renew: the state document changes, and the entry follows ----
 */

static int publish(struct kit *kit)
{
    const char *key = provost_text_at(kit->state, "key", NULL);
    if (key == NULL) {
        return kit_end(kit, PROVOST_PERMANENT, "this service has no key");
    }
    bool taken = false;
    int outcome = support_write(kit, key, &taken);
    if (outcome == PROVOST_OK && taken) {
        outcome = kit_end(kit, PROVOST_PERMANENT, "the key's entry belongs to another service");
    }
    return outcome == PROVOST_OK ? kit_state_set(kit) : outcome;
}

static int set_status(struct kit *kit, const char *status)
{
    int outcome = set_text(kit, "status", status);
    return outcome == PROVOST_OK ? publish(kit) : outcome;
}

static int do_suspend(struct kit *kit)
{
    return set_status(kit, "suspended");
}

static int suspend(struct provost_call *call)
{
    return with_call(call, do_suspend);
}

static int do_unsuspend(struct kit *kit)
{
    return set_status(kit, "active");
}

static int unsuspend(struct provost_call *call)
{
    return with_call(call, do_unsuspend);
}

static int do_upgrade(struct kit *kit)
{
    const char *next = tier_of(kit);
    const char *tier = provost_text_at(kit->state, "tier", "");
    if (strcmp(tier, next) == 0) {
        return publish(kit);
    }
    json_t *before = json_pack("{s:s, s:s}", "tier", tier, "operation", kit->call->operation_id);
    int outcome = json_object_set_new(kit->state, "tier_before", before) == 0 ? PROVOST_OK
                                                                              : kit_end_memory(kit);
    if (outcome == PROVOST_OK) {
        outcome = set_text(kit, "tier", next);
    }
    return outcome == PROVOST_OK ? publish(kit) : outcome;
}

static int upgrade(struct provost_call *call)
{
    return with_call(call, do_upgrade);
}

static int do_undo_upgrade(struct kit *kit)
{
    /* Where this upgrade changed nothing, or was not recorded, the document has the tier from
     * before it, and at most the memory of an older upgrade. */
    const char *operation = provost_text_at(kit->state, "tier_before.operation", "");
    bool changed = strcmp(operation, kit->call->operation_id) == 0;
    const char *before = provost_text_at(kit->state, "tier_before.tier", "");
    int outcome = changed ? set_text(kit, "tier", before) : PROVOST_OK;
    json_object_del(kit->state, "tier_before");
    return outcome == PROVOST_OK ? publish(kit) : outcome;
}

static int undo_upgrade(struct provost_call *call)
{
    return with_call(call, do_undo_upgrade);
}

/* A renewal changes nothing about a key, but repairs its entry should it be missing. */
static int renew(struct provost_call *call)
{
    return with_call(call, publish);
}

static const struct provost_step suspend_steps[] = {
    {.name = "suspend", .run = suspend, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step unsuspend_steps[] = {
    {.name = "unsuspend", .run = unsuspend, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step upgrade_steps[] = {
    {.name = "tier", .run = upgrade, .undo = undo_upgrade, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step renew_steps[] = {
    {.name = "renew", .run = renew, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- rotate: a new key beside the old one, then the change ---- */

static int do_issue_next(struct kit *kit)
{
    return support_issue(kit, "next");
}

static int issue_next(struct provost_call *call)
{
    return with_call(call, do_issue_next);
}

static int do_drop_next(struct kit *kit)
{
    if (json_object_get(kit->state, "next") == NULL) {
        int outcome = support_issue(kit, "next"); /* as in do_undo_create */
        if (outcome != PROVOST_OK) {
            return outcome;
        }
    }
    int outcome = support_delete(kit, provost_text_at(kit->state, "next", ""));
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_object_del(kit->state, "next");
    return kit_state_set(kit);
}

static int drop_next(struct provost_call *call)
{
    return with_call(call, do_drop_next);
}

static int do_swap(struct kit *kit)
{
    int outcome = support_delete(kit, provost_text_at(kit->state, "key", ""));
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    /* The old key stays in the document, invalid, until the next change: an undo needs it. */
    if (json_object_set(kit->state, "previous", json_object_get(kit->state, "key")) != 0 ||
        json_object_set(kit->state, "key", json_object_get(kit->state, "next")) != 0) {
        return kit_end_memory(kit);
    }
    json_object_del(kit->state, "next");
    outcome = kit_state_set(kit);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return kit_result(kit, json_pack("{s:s, s:s}", "message",
                                     "The new key is valid; the old one is not.", "reveal",
                                     "support_key"));
}

static int swap(struct provost_call *call)
{
    return with_call(call, do_swap);
}

static int do_swap_back(struct kit *kit)
{
    json_t *state = kit->state;
    if (json_object_get(state, "next") == NULL) {
        /* The swap was recorded: the keys change places again. */
        if (json_object_set(state, "next", json_object_get(state, "key")) != 0 ||
            json_object_set(state, "key", json_object_get(state, "previous")) != 0) {
            return kit_end_memory(kit);
        }
        json_object_del(state, "previous");
    }
    return publish(kit);
}

static int swap_back(struct provost_call *call)
{
    return with_call(call, do_swap_back);
}

static const struct provost_step rotate_steps[] = {
    {.name = "issue", .run = issue_next, .undo = drop_next, .flags = PROVOST_S_REPEATABLE},
    {.name = "swap", .run = swap, .undo = swap_back, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_action actions[] = {
    {.name = "rotate",
     .label = "New support key",
     .confirm = "The present support key stops working at once.",
     .steps = rotate_steps},
    {0},
};

/* ---- the plugin ---- */

static const struct provost_field product[] = {
    {.name = "tier",
     .label = "Tier",
     .type = PROVOST_T_STRING,
     .max = 64,
     .description = "What the plan's keys are worth; default: the plan's name."},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .name = "support",
    .version = "0.1.0",
    .summary = "Support keys: unique, checked by a ticket system, with a tier from the plan.",
    .product = product,
    .create = create_steps,
    .suspend = suspend_steps,
    .unsuspend = unsuspend_steps,
    .terminate = terminate_steps,
    .upgrade = upgrade_steps,
    .renew = renew_steps,
    .actions = actions,
    .service_queries = support_service_queries,
    .instance_queries = support_instance_queries,
};

PROVOST_PLUGIN(plugin)

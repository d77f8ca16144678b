/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer may do to zones and records. An action on records has two steps: `plan` judges
 * the change against the zone as it is and keeps the record sets before and after in the state
 * document; `write` replaces whole sets, so that it can be repeated, and undone. */
#include "plugins/dns/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int with_call(struct provost_call *call, int (*work)(struct dns *dns))
{
    struct dns dns;
    int outcome = dns_open(&dns, call);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    if (dns_is_record(&dns)) {
        return dns_close(&dns, kit_end(&dns.kit, PROVOST_PERMANENT,
                                       "this service is a single record, which its product keeps"));
    }
    return dns_close(&dns, work(&dns));
}

/* The form's zone, if it is one of this service, into name. */
static int own_zone(struct dns *dns, char name[DNS_NAME_MAX])
{
    char why[DNS_WHY_MAX];
    int error =
        dns_name_check(provost_text_at(dns->kit.input, "form.zone", ""), DNS_ZONE, name, why);
    if (error != 0) {
        return dns_end_check(dns, error, why);
    }
    if (json_object_get(json_object_get(dns->kit.state, "zones"), name) == NULL) {
        return kit_refuse(&dns->kit, "not_found", "there is no zone %s here", name);
    }
    return PROVOST_OK;
}

/* ---- zones ---- */

static int do_zone_check(struct dns *dns)
{
    return dns_want_zone(dns, provost_text_at(dns->kit.input, "form.zone", ""));
}

static int zone_check(struct provost_call *call)
{
    return with_call(call, do_zone_check);
}

static int zone_claim(struct provost_call *call)
{
    return with_call(call, dns_claim_zone);
}

/* The name that the action's form has; "" when it is none. Its check step accepted it. */
static void form_zone(struct dns *dns, char name[DNS_NAME_MAX])
{
    char why[DNS_WHY_MAX];
    if (dns_name_check(provost_text_at(dns->kit.input, "form.zone", ""), DNS_ZONE, name, why) !=
        0) {
        name[0] = '\0';
    }
}

static int forget_zone(struct dns *dns, const char *name)
{
    json_object_del(json_object_get(dns->kit.state, "zones"), name);
    json_object_del(dns->kit.state, "want");
    return kit_state_set(&dns->kit);
}

static int do_zone_unclaim(struct dns *dns)
{
    char name[DNS_NAME_MAX];
    form_zone(dns, name);
    int outcome = dns_unclaim_zone(dns, name);
    return outcome == PROVOST_OK ? forget_zone(dns, name) : outcome;
}

static int zone_unclaim(struct provost_call *call)
{
    return with_call(call, do_zone_unclaim);
}

static int zone_publish(struct provost_call *call)
{
    return with_call(call, dns_publish_zone);
}

static int do_zone_remove(struct dns *dns)
{
    char name[DNS_NAME_MAX];
    form_zone(dns, name);
    int outcome = dns_remove_zone(dns, name);
    return outcome == PROVOST_OK ? forget_zone(dns, name) : outcome;
}

static int zone_remove(struct provost_call *call)
{
    return with_call(call, do_zone_remove);
}

static int do_zone_own(struct dns *dns)
{
    char name[DNS_NAME_MAX];
    return own_zone(dns, name);
}

static int zone_own(struct provost_call *call)
{
    return with_call(call, do_zone_own);
}

static const struct provost_step zone_add[] = {
    {.name = "check", .run = zone_check, .flags = PROVOST_S_REPEATABLE},
    {.name = "claim", .run = zone_claim, .undo = zone_unclaim, .flags = PROVOST_S_REPEATABLE},
    {.name = "publish", .run = zone_publish, .undo = zone_remove, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step zone_delete[] = {
    {.name = "check", .run = zone_own, .flags = PROVOST_S_REPEATABLE},
    {.name = "remove", .run = zone_remove, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- records ---- */

/* Changes `sets`; 0, DNS_BAD or DNS_NOMEM. */
typedef int (*change_fn)(struct dns *dns, const char *zone, json_t *sets, char *why);

static int add(struct dns *dns, const char *zone, json_t *sets, char *why)
{
    struct dns_record record = {0};
    int error =
        dns_record_check(&dns->policy, zone, provost_at(dns->kit.input, "form"), &record, why);
    if (error == 0) {
        error = dns_sets_add(&dns->policy, sets, zone, &record, why);
    }
    dns_record_done(&record);
    return error;
}

/* The record that the form names, by its id or by name, type and content. Copied into *ret_old. */
static int find_old(struct dns *dns, const char *zone, json_t *sets, struct dns_record *ret_old,
                    char *why)
{
    json_t *form = provost_at(dns->kit.input, "form");
    const char *id = provost_text_at(form, "record", "");
    if (id[0] == '\0') {
        return dns_record_check(&dns->policy, zone, form, ret_old, why);
    }
    const char *name = NULL;
    const char *type = NULL;
    const char *content = NULL;
    int64_t ttl = 0;
    if (!dns_sets_by_id(sets, id, &name, &type, &content, &ttl)) {
        snprintf(why, DNS_WHY_MAX, "there is no such record (any more); ask for the list again");
        return DNS_BAD;
    }
    snprintf(ret_old->name, sizeof(ret_old->name), "%s", name);
    ret_old->type = kit_printf(&dns->kit, "%s", type);
    ret_old->ttl = ttl;
    ret_old->content = strdup(content);
    return ret_old->content == NULL || ret_old->type == NULL ? DNS_NOMEM : 0;
}

static int drop(struct dns *dns, const char *zone, json_t *sets, char *why)
{
    struct dns_record old = {0};
    int error = find_old(dns, zone, sets, &old, why);
    if (error == 0) {
        error = dns_sets_remove(&dns->policy, sets, zone, old.name, old.type, old.content, why);
    }
    dns_record_done(&old);
    return error;
}

/* The old record's form with the members that the new form says. A new reference or NULL. */
static json_t *merged(const struct dns_record *old, json_t *form)
{
    bool mx = strcmp(old->type, "MX") == 0;
    const char *content = old->content + (mx ? strcspn(old->content, " ") + 1 : 0);
    json_t *all = json_pack("{s:o, s:s, s:s, s:I}", "name", json_sprintf("%s.", old->name), "type",
                            old->type, "content", content, "ttl", (json_int_t)old->ttl);
    const char *const members[] = {"name", "content", "ttl", "priority"};
    if (all != NULL && mx) {
        json_object_set_new(all, "priority", json_integer(strtol(old->content, NULL, 10)));
    }
    for (size_t i = 0; all != NULL && i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *value = provost_at(form, members[i]);
        if (value != NULL && !json_is_null(value)) {
            json_object_set(all, members[i], value);
        }
    }
    return all;
}

static int edit(struct dns *dns, const char *zone, json_t *sets, char *why)
{
    json_t *form = provost_at(dns->kit.input, "form");
    struct dns_record old = {0};
    struct dns_record next = {0};
    json_t *all = NULL;
    int error = find_old(dns, zone, sets, &old, why);
    if (error != 0) {
        goto out;
    }
    all = merged(&old, form);
    if (all == NULL) {
        error = DNS_NOMEM;
        goto out;
    }
    error = dns_record_check(&dns->policy, zone, all, &next, why);
    if (error == 0) {
        error = dns_sets_remove(&dns->policy, sets, zone, old.name, old.type, old.content, why);
    }
    if (error == 0) {
        error = dns_sets_add(&dns->policy, sets, zone, &next, why);
    }
out:
    json_decref(all);
    dns_record_done(&old);
    dns_record_done(&next);
    return error;
}

/* Sets that `wanted` names, as they are in `sets`; those that are not there are empty ones. */
static json_t *same_sets(json_t *sets, json_t *wanted)
{
    json_t *found = json_array();
    size_t i = 0;
    json_t *set = NULL;
    json_array_foreach(wanted, i, set)
    {
        json_t *old =
            dns_sets_find(sets, provost_text_at(set, "name", ""), provost_text_at(set, "type", ""));
        json_t *copy =
            old != NULL ? json_incref(old)
                        : json_pack("{s:O, s:O, s:I, s:[]}", "name", json_object_get(set, "name"),
                                    "type", json_object_get(set, "type"), "ttl",
                                    (json_int_t)DNS_TTL_MIN, "records");
        if (json_array_append_new(found, copy) != 0) {
            json_decref(found);
            return NULL;
        }
    }
    return found;
}

static int keep_plan(struct dns *dns, const char *zone, json_t *before, json_t *after)
{
    json_t *changed = dns_sets_diff(before, after);
    json_t *plan = changed == NULL ? NULL
                                   : json_pack("{s:s, s:o, s:O}", "zone", zone, "before",
                                               same_sets(before, changed), "after", changed);
    json_decref(changed);
    if (plan == NULL || json_object_set_new(dns->kit.state, "plan", plan) != 0) {
        return kit_end_memory(&dns->kit);
    }
    return kit_state_set(&dns->kit);
}

static int plan(struct dns *dns, change_fn change)
{
    char zone[DNS_NAME_MAX];
    char why[DNS_WHY_MAX] = "";
    int outcome = own_zone(dns, zone);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    struct dns_zone found = {0};
    outcome = dns->driver->zone_get(dns, zone, NULL, NULL, &found);
    if (outcome == PROVOST_ABSENT) {
        return kit_end(&dns->kit, PROVOST_PERMANENT,
                       "the zone %s is not at the nameserver any more", zone);
    }
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    json_t *after = json_deep_copy(found.sets);
    if (strcmp(found.owner, dns->ref) != 0) {
        outcome = kit_refuse(&dns->kit, "conflict", "the zone %s belongs to somebody else", zone);
    } else {
        int error = after == NULL ? DNS_NOMEM : change(dns, zone, after, why);
        outcome =
            error == 0 ? keep_plan(dns, zone, found.sets, after) : dns_end_check(dns, error, why);
    }
    json_decref(after);
    dns_zone_done(&found);
    return outcome;
}

static int write_plan(struct dns *dns, const char *which)
{
    json_t *plan_json = json_object_get(dns->kit.state, "plan");
    const char *zone = provost_text_at(plan_json, "zone", "");
    json_t *sets = json_object_get(plan_json, which);
    if (json_array_size(sets) == 0) {
        return PROVOST_OK;
    }
    int outcome = dns->driver->sets_write(dns, zone, sets);
    if (outcome == PROVOST_ABSENT) {
        return kit_end(&dns->kit, PROVOST_PERMANENT,
                       "the zone %s is not at the nameserver any more", zone);
    }
    return outcome;
}

static int do_plan_add(struct dns *dns)
{
    return plan(dns, add);
}

static int plan_add(struct provost_call *call)
{
    return with_call(call, do_plan_add);
}

static int do_plan_edit(struct dns *dns)
{
    return plan(dns, edit);
}

static int plan_edit(struct provost_call *call)
{
    return with_call(call, do_plan_edit);
}

static int do_plan_delete(struct dns *dns)
{
    return plan(dns, drop);
}

static int plan_delete(struct provost_call *call)
{
    return with_call(call, do_plan_delete);
}

static int do_write(struct dns *dns)
{
    return write_plan(dns, "after");
}

static int write_after(struct provost_call *call)
{
    return with_call(call, do_write);
}

static int do_write_back(struct dns *dns)
{
    return write_plan(dns, "before");
}

static int write_before(struct provost_call *call)
{
    return with_call(call, do_write_back);
}

static const struct provost_step record_add[] = {
    {.name = "plan", .run = plan_add, .flags = PROVOST_S_REPEATABLE},
    {.name = "write", .run = write_after, .undo = write_before, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step record_edit[] = {
    {.name = "plan", .run = plan_edit, .flags = PROVOST_S_REPEATABLE},
    {.name = "write", .run = write_after, .undo = write_before, .flags = PROVOST_S_REPEATABLE},
    {0},
};

static const struct provost_step record_delete[] = {
    {.name = "plan", .run = plan_delete, .flags = PROVOST_S_REPEATABLE},
    {.name = "write", .run = write_after, .undo = write_before, .flags = PROVOST_S_REPEATABLE},
    {0},
};

/* ---- forms ---- */

#define ZONE_FIELD                                                                                 \
    {                                                                                              \
        .name = "zone", .label = "Zone", .type = PROVOST_T_HOSTNAME, .flags = PROVOST_F_REQUIRED,  \
        .description = "The domain, such as example.com."                                          \
    }
#define NAME_FIELD                                                                                 \
    {                                                                                              \
        .name = "name", .label = "Name", .type = PROVOST_T_STRING, .max = 254,                     \
        .description = "The record's name within the zone; \"@\" or empty for the zone itself."    \
    }
#define CONTENT_FIELD(FLAGS)                                                                       \
    {                                                                                              \
        .name = "content", .label = "Content", .type = PROVOST_T_TEXT, .max = 8192,                \
        .flags = (FLAGS),                                                                          \
        .description =                                                                             \
            "An address, a name or a text; PROXYSRV stands for the address of the proxy."          \
    }
#define TTL_FIELD                                                                                  \
    {                                                                                              \
        .name = "ttl", .label = "TTL", .type = PROVOST_T_INT, .min = DNS_TTL_MIN,                  \
        .max = DNS_TTL_MAX,                                                                        \
        .description = "Seconds that resolvers may keep the records of this name and type."        \
    }
#define PRIORITY_FIELD                                                                             \
    {                                                                                              \
        .name = "priority", .label = "Priority", .type = PROVOST_T_INT, .max = 65535,              \
        .description = "Of MX records: the lowest is tried first."                                 \
    }
#define TYPE_FIELD(FLAGS)                                                                          \
    {                                                                                              \
        .name = "type", .label = "Type", .type = PROVOST_T_SELECT, .flags = (FLAGS),               \
        .options = "A|AAAA|CNAME|MX|NS|TXT"                                                        \
    }
#define RECORD_FIELD(FLAGS)                                                                        \
    {                                                                                              \
        .name = "record", .label = "Record", .type = PROVOST_T_STRING, .flags = (FLAGS),           \
        .max = 16, .description = "The record's id, as the records query gives it."                \
    }

static const struct provost_field zone_form[] = {ZONE_FIELD, {0}};

static const struct provost_field add_form[] = {
    ZONE_FIELD,
    NAME_FIELD,
    TYPE_FIELD(PROVOST_F_REQUIRED),
    CONTENT_FIELD(PROVOST_F_REQUIRED),
    TTL_FIELD,
    PRIORITY_FIELD,
    {0},
};

static const struct provost_field edit_form[] = {
    ZONE_FIELD, RECORD_FIELD(PROVOST_F_REQUIRED),
    NAME_FIELD, CONTENT_FIELD(0),
    TTL_FIELD,  PRIORITY_FIELD,
    {0},
};

static const struct provost_field delete_form[] = {
    ZONE_FIELD, RECORD_FIELD(0), NAME_FIELD, TYPE_FIELD(0), CONTENT_FIELD(0), PRIORITY_FIELD, {0},
};

const struct provost_action dns_actions[] = {
    {.name = "zone_add",
     .label = "Add a zone",
     .form = zone_form,
     .steps = zone_add,
     .quota = "zones",
     .quota_delta = 1},
    {.name = "zone_delete",
     .label = "Delete a zone",
     .confirm = "The zone and all its records will be deleted.",
     .form = zone_form,
     .steps = zone_delete,
     .quota = "zones",
     .quota_delta = -1},
    {.name = "record_add", .label = "Add a record", .form = add_form, .steps = record_add},
    {.name = "record_edit", .label = "Change a record", .form = edit_form, .steps = record_edit},
    {.name = "record_delete",
     .label = "Delete a record",
     .confirm = "The record will be deleted.",
     .form = delete_form,
     .steps = record_delete},
    {0},
};

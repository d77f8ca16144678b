/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kit that spoil one request after the other, of every operation. */
#include "core/cli/kit.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

static const int spoilt[] = {PV_OP_CREATE,  PV_OP_SUSPEND, PV_OP_UNSUSPEND,
                             PV_OP_UPGRADE, PV_OP_RENEW,   PV_OP_TERMINATE};

/* What is done to each request, and what may come of it. */
struct rule {
    enum pv_fault fault;
    size_t times;
    unsigned may;      /* PV_MAY_… */
    bool create_alone; /* of the operations */
    bool heals;        /* the operation has to come to its end by itself */
    const char *after; /* "was answered 429" */
    /* Says more about the scene; `what` names it. NULL: nothing. */
    void (*more)(struct pv_kit *kit, struct pv_finding *finding, const struct pv_scene *scene,
                 const char *what);
};

static const char *text_of(const json_t *entry, const char *member)
{
    const char *text = json_string_value(json_object_get(entry, member));
    return text != NULL ? text : "?";
}

/* "create, where request 2 (POST /sites) was answered 429"; without the query. */
static void name_scene(char out[400], int type, size_t at, const json_t *entry, const char *after)
{
    const char *path = text_of(entry, "path");
    snprintf(out, 400, "%s, where request %zu (%s %.*s) %s", pv_op_type_name(type), at,
             text_of(entry, "method"), (int)strcspn(path, "?"), path, after);
}

static void spoil(struct pv_kit *kit, struct pv_finding *finding, int type, size_t at,
                  const struct rule *rule)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    char what[400];
    const json_t *entry = json_array_get(kit->life[type].ledger, at - 1);
    name_scene(what, type, at, entry, rule->after);
    pv_scene_init(&scene);
    scene.fault = rule->fault;
    scene.at = at;
    scene.times = rule->times;
    if (pv_kit_service_init(kit, &service) == 0 && pv_kit_bring(kit, finding, &service, type) &&
        pv_kit_play(kit, finding, &service, type, &scene)) {
        unsigned may = rule->may;
        may |= pv_kit_has_blind_step(kit, type) && rule->fault != PV_FAULT_BUSY ? PV_MAY_PARK : 0;
        size_t failures = finding->failures;
        if (rule->heals || scene.lost) {
            pv_kit_judge(kit, finding, &service, type, &scene, may, what);
        } else {
            finding->played++;
        }
        if (rule->more != NULL && finding->failures == failures) {
            rule->more(kit, finding, &scene, what);
        }
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

static void each_request(struct pv_kit *kit, struct pv_finding *finding, const struct rule *rule)
{
    size_t requests = 0;
    for (size_t o = 0; o < sizeof(spoilt) / sizeof(spoilt[0]); o++) {
        const struct pv_kit_life *life = &kit->life[spoilt[o]];
        bool wanted = life->declared && (!rule->create_alone || spoilt[o] == PV_OP_CREATE);
        size_t most = wanted ? life->requests : 0;
        requests += most;
        most = pv_kit_most(finding, most, pv_op_type_name(spoilt[o]), "requests");
        for (size_t i = 1; i <= most && !pv_play_interrupted(); i++) {
            spoil(kit, finding, spoilt[o], i, rule);
        }
    }
    if (requests == 0) {
        pv_kit_skip(finding, kit->proxied ? "the plugin sends no request to its backend"
                                          : "no setting is a URL, or a map with one, so that no "
                                            "request can be spoilt");
    }
}

/* ---- lost answers ---- */

/* The same POST, carried out twice with success, under different keys or none. */
static void carried_twice(struct pv_kit *kit, struct pv_finding *finding,
                          const struct pv_scene *scene, const char *what)
{
    if (kit->witness != PV_WITNESS_NONE) {
        return; /* what is there has been counted */
    }
    size_t count = json_array_size(scene->ledger);
    const json_t *lost = json_array_get(scene->ledger, scene->at - 1);
    if (strcmp(text_of(lost, "method"), "POST") != 0 ||
        json_integer_value(json_object_get(lost, "status")) != 201) {
        return;
    }
    for (size_t i = scene->at; i < count; i++) {
        const json_t *other = json_array_get(scene->ledger, i);
        bool same = strcmp(text_of(other, "method"), "POST") == 0 &&
                    strcmp(text_of(other, "path"), text_of(lost, "path")) == 0 &&
                    json_integer_value(json_object_get(other, "status")) == 201;
        if (same && strcmp(text_of(other, "response"), text_of(lost, "response")) != 0) {
            pv_kit_fail(finding, "%s: the request was sent again, and made something else", what);
        }
    }
}

void pv_check_lost_answer(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {.fault = PV_FAULT_LOST,
                                     .times = 1,
                                     .heals = true,
                                     .after = "was carried out and its answer got lost",
                                     .more = carried_twice};
    each_request(kit, finding, &rule);
}

/* ---- refused requests ---- */

void pv_kit_judge_busy(struct pv_kit *kit, struct pv_finding *finding, const struct pv_scene *scene,
                       const char *what)
{
    (void)kit;
    if (scene->worst_set && scene->worst != PV_OUT_TEMPORARY) {
        pv_kit_fail(finding, "%s: the outcome was “%s”", what, pv_play_outcome_name(scene->worst));
    } else if (scene->worst_set && scene->retry_after_ms < 1000) {
        pv_kit_fail(finding,
                    "%s: the outcome was temporary without the 2 s of Retry-After (it said "
                    "%" PRId64 " ms)",
                    what, scene->retry_after_ms);
    }
}

void pv_check_rate_limit(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {.fault = PV_FAULT_BUSY,
                                     .times = 2,
                                     .heals = true,
                                     .after = "was answered 429 twice",
                                     .more = pv_kit_judge_busy};
    each_request(kit, finding, &rule);
}

void pv_kit_judge_denied(struct pv_kit *kit, struct pv_finding *finding,
                         const struct pv_scene *scene, const char *what)
{
    (void)kit;
    if (!scene->worst_set) {
        pv_kit_fail(finding, "%s: no step said that anything was wrong", what);
    } else if (scene->worst != PV_OUT_INSTANCE_FAULT) {
        pv_kit_fail(finding, "%s: the outcome was “%s”", what, pv_play_outcome_name(scene->worst));
    }
}

void pv_check_denied(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {.fault = PV_FAULT_DENIED,
                                     .times = SIZE_MAX,
                                     .after = "and all that follow were answered 401",
                                     .more = pv_kit_judge_denied};
    each_request(kit, finding, &rule);
}

void pv_check_server_error(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {.fault = PV_FAULT_BROKEN,
                                     .times = 1,
                                     .heals = true,
                                     .after = "was answered 500 with an HTML page"};
    each_request(kit, finding, &rule);
}

/* ---- garbage ---- */

void pv_check_garbage(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rules[] = {
        {.fault = PV_FAULT_CUT, .after = "was answered with JSON that is cut off in the middle"},
        {.fault = PV_FAULT_TYPES, .after = "was answered with JSON of other types"},
        {.fault = PV_FAULT_MARKUP, .after = "was answered with an HTML page"},
        {.fault = PV_FAULT_HUGE, .after = "was answered with 100 MiB"},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct rule rule = rules[i];
        rule.times = 1;
        rule.heals = true;
        rule.may = PV_MAY_FAIL | PV_MAY_PARK;
        each_request(kit, finding, &rule);
        if (finding->verdict == PV_NOT_APPLICABLE) {
            return;
        }
    }
}

void pv_check_state_size(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {
        .fault = PV_FAULT_BLOAT,
        .create_alone = true,
        .times = 1,
        .heals = true,
        .may = PV_MAY_FAIL | PV_MAY_PARK,
        .after = "was answered with texts of 70 KB, more than a state document holds"};
    each_request(kit, finding, &rule);
}

/* ---- keys ---- */

static bool same_request(const json_t *one, const json_t *two)
{
    return strcmp(text_of(one, "method"), text_of(two, "method")) == 0 &&
           strcmp(text_of(one, "path"), text_of(two, "path")) == 0 &&
           strcmp(text_of(one, "request"), text_of(two, "request")) == 0;
}

/* Requests of one operation: the same has the same key, another another. */
static void keys_agree(struct pv_finding *finding, const json_t *ledger, const char *what)
{
    size_t count = json_array_size(ledger);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            const json_t *one = json_array_get(ledger, i);
            const json_t *two = json_array_get(ledger, j);
            const char *key = json_string_value(json_object_get(one, "key"));
            const char *other = json_string_value(json_object_get(two, "key"));
            if (same_request(one, two) && (key == NULL) != (other == NULL)) {
                pv_kit_fail(finding,
                            "%s: the same request was sent once with an Idempotency-Key and once "
                            "without",
                            what);
                return;
            }
            if (key == NULL || other == NULL) {
                continue;
            }
            bool keys = strcmp(key, other) == 0;
            if (same_request(one, two) && !keys) {
                pv_kit_fail(finding,
                            "%s: the same request was sent again with another "
                            "Idempotency-Key",
                            what);
                return;
            }
            if (!same_request(one, two) && keys) {
                pv_kit_fail(finding, "%s: two requests (%s %s, %s %s) share one Idempotency-Key",
                            what, text_of(one, "method"), text_of(one, "path"),
                            text_of(two, "method"), text_of(two, "path"));
                return;
            }
        }
    }
}

static void repeat_keyed(struct pv_kit *kit, struct pv_finding *finding, int type, size_t at)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    char what[400];
    name_scene(what, type, at, json_array_get(kit->life[type].ledger, at - 1),
               "was answered 429 and sent again");
    pv_scene_init(&scene);
    scene.fault = PV_FAULT_BUSY;
    scene.at = at;
    if (pv_kit_service_init(kit, &service) == 0 && pv_kit_bring(kit, finding, &service, type) &&
        pv_kit_play(kit, finding, &service, type, &scene)) {
        finding->played++;
        keys_agree(finding, scene.ledger, what);
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

void pv_check_idempotency_key(struct pv_kit *kit, struct pv_finding *finding)
{
    size_t keyed = 0;
    for (size_t o = 0; o < sizeof(spoilt) / sizeof(spoilt[0]); o++) {
        const struct pv_kit_life *life = &kit->life[spoilt[o]];
        for (size_t i = 0; life->declared && i < json_array_size(life->ledger); i++) {
            if (json_object_get(json_array_get(life->ledger, i), "key") != NULL) {
                keyed++;
                repeat_keyed(kit, finding, spoilt[o], i + 1);
            }
        }
    }
    if (keyed == 0) {
        pv_kit_skip(finding, "no request carries an Idempotency-Key");
    }
}

/* ---- cancel ---- */

void pv_kit_judge_canceled(struct pv_kit *kit, struct pv_finding *finding,
                           const struct pv_scene *scene, const char *what)
{
    (void)kit;
    if (scene->worst_set && scene->worst == PV_OUT_PERMANENT) {
        pv_kit_fail(finding, "%s: the canceled call said “permanent”", what);
    }
}

void pv_check_cancel(struct pv_kit *kit, struct pv_finding *finding)
{
    static const struct rule rule = {.fault = PV_FAULT_HOLD,
                                     .times = 1,
                                     .after = "is not answered, and the operation is canceled",
                                     .more = pv_kit_judge_canceled};
    each_request(kit, finding, &rule);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a plugin's actions: each is played on an active service as it is, with its success
 * forgotten, with requests refused, with answers lost or without sense, canceled, undone, and with
 * its host killed. */
#include "core/cli/kit.h"

#include "core/json/json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GARBAGE (PV_MAY_FAIL | PV_MAY_PARK)

static void note(struct pv_finding *finding, const struct pv_plugin_action *action, const char *why,
                 struct pv_str what)
{
    pv_kit_note(finding, "%.*s is not played: %s%.*s", PV_STR_ARG(action->name), why,
                PV_STR_ARG(what));
}

/* A value for a field that needs one and has no default; NULL: none is known. */
static json_t *made_up(const struct pv_field *field)
{
    if (field->type == PV_T_SELECT && field->option_count > 0) {
        return json_stringn(field->options[0].ptr, field->options[0].len);
    }
    if (field->type == PV_T_BOOL) {
        return json_false();
    }
    bool number = field->type == PV_T_INT || field->type == PV_T_SIZE;
    return number && field->has_bounds ? json_integer((json_int_t)field->min) : NULL;
}

/* What the check file says of the action, and what its fields tell themselves. NULL: a field is
 * left, which *ret_missing names. */
static json_t *form_of(const struct pv_kit *kit, const struct pv_plugin_action *action,
                       struct pv_str *ret_missing)
{
    const json_t *given =
        json_object_getn(json_object_get(kit->spec, "actions"), action->name.ptr, action->name.len);
    json_t *form = json_is_object(given) ? json_deep_copy(given) : json_object();
    for (size_t i = 0; form != NULL && i < action->form.count; i++) {
        const struct pv_field *field = &action->form.items[i];
        bool wanted = (field->flags & PV_F_REQUIRED) != 0 && field->fallback.ptr == NULL &&
                      json_object_getn(form, field->name.ptr, field->name.len) == NULL;
        json_t *value = wanted ? made_up(field) : NULL;
        if (wanted && value == NULL) {
            *ret_missing = field->name;
            json_decref(form);
            return NULL;
        }
        if (value != NULL) {
            json_object_setn_new(form, field->name.ptr, field->name.len, value);
        }
    }
    return form;
}

static bool is_blind(const struct pv_plugin_action *action)
{
    bool blind = false;
    for (size_t i = 0; i < action->steps.count; i++) {
        const unsigned flags = action->steps.items[i].flags;
        blind = blind || (flags & (PV_STEP_REPEATABLE | PV_STEP_LOOKUP)) == 0;
    }
    return blind;
}

/* On a new active service, the action as the scene has it. */
static bool play(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                 struct pv_scene *scene)
{
    return pv_kit_service_init(kit, service) == 0 &&
           pv_kit_do(kit, finding, service, PV_OP_CREATE) &&
           pv_kit_play(kit, finding, service, PV_OP_ACTION, scene);
}

/* As it is; what there is afterwards is what is expected of the scenes that follow. False: those
 * would tell nothing. */
static bool play_plainly(struct pv_kit *kit, struct pv_finding *finding,
                         const struct pv_plugin_action *action, const json_t *form)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    struct pv_kit_life *life = &kit->life[PV_OP_ACTION];
    char what[200];
    bool good = false;
    snprintf(what, sizeof(what), "action %.*s", PV_STR_ARG(action->name));
    pv_scene_init(&scene);
    scene.action = action;
    scene.form = form;
    if (play(kit, finding, &service, &scene)) {
        json_decref(life->things);
        life->things = pv_kit_things(kit, &service);
        json_decref(life->ledger);
        life->ledger = json_incref(scene.ledger);
        life->requests = scene.requests;
        life->calls = scene.calls;
        life->asks = scene.asks;
        good = scene.result.end == PV_PLAY_DONE;
        if (scene.result.end == PV_PLAY_FAILED && !scene.lost) {
            note(finding, action, "the plugin refuses it: ", pv_str(scene.result.reason));
        } else {
            pv_kit_judge(kit, finding, &service, PV_OP_ACTION, &scene, 0, what);
        }
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
    return good && finding->verdict != PV_FAIL;
}

/* heals: it has to come to its end; more: what else is judged where that is right, or NULL. */
static void play_scene(struct pv_kit *kit, struct pv_finding *finding, struct pv_scene *scene,
                       unsigned may, bool heals,
                       void (*more)(struct pv_kit *kit, struct pv_finding *finding,
                                    const struct pv_scene *scene, const char *what),
                       const char *what)
{
    struct pv_kit_service service;
    if (play(kit, finding, &service, scene)) {
        const size_t failures = finding->failures;
        if (heals || scene->lost) {
            pv_kit_judge(kit, finding, &service, PV_OP_ACTION, scene, may, what);
        } else {
            finding->played++;
        }
        if (more != NULL && finding->failures == failures) {
            more(kit, finding, scene, what);
        }
    }
    pv_scene_done(scene);
    pv_kit_service_done(&service);
}

static void play_again(struct pv_kit *kit, struct pv_finding *finding,
                       const struct pv_plugin_action *action, const json_t *form)
{
    struct pv_scene scene;
    char what[200];
    snprintf(what, sizeof(what), "action %.*s, where no step's success is remembered",
             PV_STR_ARG(action->name));
    pv_scene_init(&scene);
    scene.action = action;
    scene.form = form;
    scene.moment = PV_MOMENT_OUTCOME;
    scene.meddling = PV_FORGET;
    play_scene(kit, finding, &scene, 0, true, NULL, what);
}

static void spoil(struct pv_kit *kit, struct pv_finding *finding,
                  const struct pv_plugin_action *action, const json_t *form)
{
    static const struct {
        enum pv_fault fault;
        size_t times;
        unsigned may;
        bool heals;
        void (*more)(struct pv_kit *kit, struct pv_finding *finding, const struct pv_scene *scene,
                     const char *what);
        const char *after;
    } rules[] = {
        {PV_FAULT_BUSY, 2, 0, true, pv_kit_judge_busy, "was answered 429 twice"},
        {PV_FAULT_DENIED, SIZE_MAX, 0, false, pv_kit_judge_denied,
         "and all that follow were answered 401"},
        {PV_FAULT_BROKEN, 1, 0, true, NULL, "was answered 500 with an HTML page"},
        {PV_FAULT_LOST, 1, 0, true, NULL, "was carried out and its answer got lost"},
        {PV_FAULT_CUT, 1, GARBAGE, true, NULL,
         "was answered with JSON that is cut off in the middle"},
        {PV_FAULT_TYPES, 1, GARBAGE, true, NULL, "was answered with JSON of other types"},
        {PV_FAULT_MARKUP, 1, GARBAGE, true, NULL, "was answered with an HTML page"},
        {PV_FAULT_HUGE, 1, GARBAGE, true, NULL, "was answered with 100 MiB"},
        {PV_FAULT_HOLD, 1, 0, false, pv_kit_judge_canceled,
         "is not answered, and the operation is canceled"},
    };
    const struct pv_kit_life *life = &kit->life[PV_OP_ACTION];
    const bool blind = is_blind(action);
    char name[160];
    snprintf(name, sizeof(name), "action %.*s", PV_STR_ARG(action->name));
    const size_t most = pv_kit_most(finding, life->requests, name, "requests");
    for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
        for (size_t at = 1; at <= most; at++) {
            struct pv_scene scene;
            char what[400];
            const json_t *entry = json_array_get(life->ledger, at - 1);
            const char *path = pv_json_text(entry, "path");
            snprintf(what, sizeof(what), "%s, where request %zu (%s %.*s) %s", name, at,
                     pv_json_text(entry, "method"), (int)strcspn(path, "?"), path, rules[r].after);
            pv_scene_init(&scene);
            scene.action = action;
            scene.form = form;
            scene.fault = rules[r].fault;
            scene.at = at;
            scene.times = rules[r].times;
            const bool parks = blind && rules[r].fault != PV_FAULT_BUSY;
            play_scene(kit, finding, &scene, rules[r].may | (parks ? PV_MAY_PARK : 0),
                       rules[r].heals, rules[r].more, what);
            if (pv_play_interrupted()) {
                return;
            }
        }
    }
}

/* ---- undo ---- */

static size_t undoable(const struct pv_plugin_action *action)
{
    size_t count = 0;
    for (size_t i = 0; i < action->steps.count; i++) {
        count += (action->steps.items[i].flags & PV_STEP_UNDO) != 0 ? 1 : 0;
    }
    return count;
}

/* One step of the action alone. False: it did not end done, which the finding says. */
static bool play_step(struct pv_kit *kit, struct pv_finding *finding,
                      struct pv_kit_service *service, const struct pv_scene *as, int kind,
                      const char *what)
{
    struct pv_scene scene = *as;
    scene.kind = kind;
    finding->played++;
    bool done = pv_kit_play(kit, finding, service, PV_OP_ACTION, &scene);
    if (done && scene.result.end != PV_PLAY_DONE) {
        pv_kit_fail_end(finding, what, &scene);
        done = false;
    }
    pv_scene_done(&scene);
    return done;
}

/* The first steps of the action, one after the other; then undo from the step after them, of which
 * nobody knows that it was not called, or from the last, to the first. */
static void undo_from(struct pv_kit *kit, struct pv_finding *finding,
                      const struct pv_plugin_action *action, const json_t *form, size_t done)
{
    const size_t count = action->steps.count;
    struct pv_kit_service service;
    struct pv_scene as;
    char what[300] = "";
    bool complete = true;
    pv_scene_init(&as);
    as.action = action;
    as.form = form;
    bool ready =
        pv_kit_service_init(kit, &service) == 0 && pv_kit_do(kit, finding, &service, PV_OP_CREATE);
    for (size_t n = 0; ready && n < done + (done < count ? done + 1 : count); n++) {
        const bool forward = n < done;
        const size_t at = forward ? n : (done < count ? done : count - 1) - (n - done);
        const struct pv_plugin_step *step = &action->steps.items[at];
        char name[128];
        bool undone = (step->flags & PV_STEP_UNDO) != 0;
        complete = complete && (!forward || undone);
        if ((!forward && !undone) || pv_str_to_c(step->name, name, sizeof(name)) != 0) {
            continue;
        }
        snprintf(what, sizeof(what), "action %.*s, %s of %s%s", PV_STR_ARG(action->name),
                 forward ? "run" : "undo", name, !forward && at == done ? ", not called" : "");
        as.step = name;
        ready = play_step(kit, finding, &service, &as, forward ? -1 : PV_CALL_UNDO, what);
        as.again = true;
    }
    if (ready && complete) {
        (void)pv_kit_expect(kit, finding, &service, PV_OP_CREATE, what);
    }
    pv_kit_service_done(&service);
}

/* Refused for good at the nth call: what was done before is undone, or waits for a person. */
static void give_up(struct pv_kit *kit, struct pv_finding *finding,
                    const struct pv_plugin_action *action, const json_t *form, size_t nth)
{
    struct pv_scene scene;
    char what[300];
    snprintf(what, sizeof(what), "action %.*s, given up at call %zu", PV_STR_ARG(action->name),
             nth);
    pv_scene_init(&scene);
    scene.action = action;
    scene.form = form;
    scene.moment = PV_MOMENT_CALL;
    scene.meddling = PV_REFUSE;
    scene.nth = nth;
    play_scene(kit, finding, &scene,
               PV_MAY_FAIL | (undoable(action) < action->steps.count ? PV_MAY_PARK : 0), true, NULL,
               what);
}

static void undo(struct pv_kit *kit, struct pv_finding *finding,
                 const struct pv_plugin_action *action, const json_t *form)
{
    if (undoable(action) == 0) {
        return;
    }
    for (size_t done = 0; done <= action->steps.count && !pv_play_interrupted(); done++) {
        undo_from(kit, finding, action, form, done);
    }
    for (size_t i = 2; i <= kit->life[PV_OP_ACTION].calls && !pv_play_interrupted(); i++) {
        give_up(kit, finding, action, form, i);
    }
}

/* ---- kill ---- */

static void kill_host(struct pv_kit *kit, struct pv_finding *finding,
                      const struct pv_plugin_action *action, const json_t *form)
{
    char name[160];
    snprintf(name, sizeof(name), "action %.*s", PV_STR_ARG(action->name));
    pv_kit_kill(kit, finding,
                &(struct pv_victim){.type = PV_OP_ACTION,
                                    .action = action,
                                    .form = form,
                                    .name = name,
                                    .may = is_blind(action) ? PV_MAY_PARK : 0});
}

void pv_check_actions(struct pv_kit *kit, struct pv_finding *finding)
{
    const struct pv_plugin *plugin = kit->job.plugin;
    for (size_t i = 0; i < plugin->action_count && !pv_play_interrupted(); i++) {
        const struct pv_plugin_action *action = &plugin->actions[i];
        struct pv_str missing = {NULL, 0};
        json_t *form = form_of(kit, action, &missing);
        if (form == NULL) {
            note(finding, action, "give `actions` of the check file a value for its field ",
                 missing);
            continue;
        }
        if (play_plainly(kit, finding, action, form)) {
            if (!is_blind(action)) {
                play_again(kit, finding, action, form);
            }
            spoil(kit, finding, action, form);
            undo(kit, finding, action, form);
            kill_host(kit, finding, action, form);
        }
        json_decref(form);
    }
    if (plugin->action_count == 0) {
        pv_kit_skip(finding, "the plugin has no actions");
    }
}

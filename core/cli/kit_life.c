/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kit in which the backend works as it should: what the plugin declares, a whole
 * life, and operations that come twice or in odd places. */
#include "core/cli/kit.h"

#include "core/base/alloc.h"
#include "core/cli/secretive.h"

#include <string.h>

/* ---- declared ---- */

void pv_check_declared(struct pv_kit *kit, struct pv_finding *finding)
{
    const struct pv_plugin *plugin = kit->job.plugin;
    for (size_t i = 0; i < plugin->settings.count; i++) {
        const struct pv_field *field = &plugin->settings.items[i];
        char name[128];
        if (pv_str_to_c(field->name, name, sizeof(name)) == 0 && pv_sounds_secret(name) &&
            (field->type == PV_T_STRING || field->type == PV_T_TEXT) &&
            (field->flags & PV_F_SECRET) == 0) {
            pv_kit_fail(finding, "the setting “%s” is not flagged PROVOST_F_SECRET", name);
        }
    }
    const struct pv_plugin_steps *create = &plugin->operations[PV_OP_CREATE];
    if (create->count > 0 && plugin->operations[PV_OP_TERMINATE].count == 0) {
        pv_kit_fail(finding, "there are steps of create and none of terminate");
    }
    bool undo = create->count == 0;
    for (size_t i = 0; i < create->count; i++) {
        undo = undo || (create->items[i].flags & PV_STEP_UNDO) != 0;
    }
    if (!undo) {
        pv_kit_fail(finding, "no step of create has an undo");
    }
    finding->played = 1;
}

/* ---- life ---- */

static const int whole_life[] = {PV_OP_CREATE, PV_OP_SUSPEND, PV_OP_UNSUSPEND, PV_OP_RENEW,
                                 PV_OP_TERMINATE};

static void remember(struct pv_kit *kit, int type, const struct pv_scene *scene)
{
    struct pv_kit_life *life = &kit->life[type];
    life->calls = scene->calls;
    life->asks = scene->asks;
    life->requests = scene->requests;
    json_decref(life->ledger);
    life->ledger = json_incref(scene->ledger);
}

static bool live(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                 int type)
{
    struct pv_scene scene;
    pv_scene_init(&scene);
    bool done = pv_kit_succeed(kit, finding, service, type, &scene);
    if (done) {
        remember(kit, type, &scene);
    }
    pv_scene_done(&scene);
    return done;
}

/* The first of them that shows what a create has made. */
static void choose_witness(struct pv_kit *kit, struct pv_kit_service *service)
{
    static const enum pv_witness all[] = {PV_WITNESS_COMMAND, PV_WITNESS_INVENTORY, PV_WITNESS_KEYS,
                                          PV_WITNESS_LEDGER};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        kit->witness = all[i];
        json_t *things = pv_kit_things(kit, service);
        bool shows = json_object_size(things) > 0;
        json_decref(things);
        if (shows) {
            return;
        }
    }
    kit->witness = PV_WITNESS_NONE;
}

static bool is_there(const struct pv_kit *kit, int type)
{
    return kit->job.plugin->operations[type].count > 0;
}

/* A whole life; with what there is after each operation. */
static bool whole(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service)
{
    for (size_t i = 0; i < sizeof(whole_life) / sizeof(whole_life[0]); i++) {
        int type = whole_life[i];
        if (!is_there(kit, type)) {
            continue;
        }
        if (!live(kit, finding, service, type)) {
            return false;
        }
        kit->life[type].declared = true;
        if (type == PV_OP_CREATE) {
            choose_witness(kit, service);
        }
        kit->life[type].things = pv_kit_things(kit, service);
    }
    return true;
}

/* How many requests an upgrade makes. */
static bool upgrades(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    bool done = pv_kit_service_init(kit, &service) == 0 &&
                pv_kit_do(kit, finding, &service, PV_OP_CREATE) &&
                live(kit, finding, &service, PV_OP_UPGRADE);
    kit->life[PV_OP_UPGRADE].declared = done;
    kit->life[PV_OP_UPGRADE].things = done ? pv_kit_things(kit, &service) : NULL;
    pv_kit_service_done(&service);
    return done;
}

void pv_check_life(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    if (!is_there(kit, PV_OP_CREATE)) {
        pv_kit_skip(finding, "the plugin has no create");
        return;
    }
    finding->played = 1;
    bool done = pv_kit_service_init(kit, &service) == 0 && whole(kit, finding, &service);
    if (done && kit->life[PV_OP_TERMINATE].declared &&
        !pv_kit_expect(kit, finding, &service, 0, "after terminate")) {
        done = false;
    }
    pv_kit_service_done(&service);
    if (done && is_there(kit, PV_OP_UPGRADE)) {
        done = upgrades(kit, finding);
    }
    kit->lived = done;
}

/* ---- twice ---- */

void pv_check_double_create(struct pv_kit *kit, struct pv_finding *finding)
{
    if (pv_kit_has_blind_step(kit, PV_OP_CREATE)) {
        pv_kit_skip(finding, "a step of create is neither repeatable nor can it be looked up: it "
                             "is never called twice, a person is asked");
        return;
    }
    struct pv_kit_service service;
    struct pv_scene scene;
    pv_scene_init(&scene);
    scene.moment = PV_MOMENT_OUTCOME;
    scene.meddling = PV_FORGET;
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_play(kit, finding, &service, PV_OP_CREATE, &scene)) {
        pv_kit_judge(kit, finding, &service, PV_OP_CREATE, &scene, 0,
                     "create, where no step's success is remembered");
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

/* Plays an operation that has nothing to do any more. */
static void once_more(struct pv_kit *kit, struct pv_finding *finding,
                      struct pv_kit_service *service, int type, const char *what)
{
    struct pv_scene scene;
    pv_scene_init(&scene);
    finding->played++;
    if (pv_kit_play(kit, finding, service, type, &scene)) {
        if (scene.result.end != PV_PLAY_DONE) {
            pv_kit_fail_end(finding, what, &scene);
        } else {
            (void)pv_kit_expect(kit, finding, service, type == PV_OP_TERMINATE ? 0 : type, what);
        }
    }
    pv_scene_done(&scene);
}

void pv_check_terminate_twice(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    struct pv_scene first;
    if (!kit->life[PV_OP_TERMINATE].declared) {
        pv_kit_skip(finding, "the plugin has no terminate");
        return;
    }
    pv_scene_init(&first);
    first.keep_state = true;
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_do(kit, finding, &service, PV_OP_CREATE) &&
        pv_kit_play(kit, finding, &service, PV_OP_TERMINATE, &first)) {
        once_more(kit, finding, &service, PV_OP_TERMINATE,
                  "terminate again, with the state document from before");
        once_more(kit, finding, &service, PV_OP_TERMINATE,
                  "terminate again, with the state document that terminate left");
    }
    pv_scene_done(&first);
    pv_kit_service_done(&service);
}

void pv_check_terminate_absent(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    if (!kit->life[PV_OP_TERMINATE].declared) {
        pv_kit_skip(finding, "the plugin has no terminate");
        return;
    }
    if (pv_kit_service_init(kit, &service) == 0) {
        once_more(kit, finding, &service, PV_OP_TERMINATE,
                  "terminate of a service that was never created");
    }
    pv_kit_service_done(&service);
}

void pv_check_suspend_twice(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    if (!kit->life[PV_OP_SUSPEND].declared || !kit->life[PV_OP_UNSUSPEND].declared) {
        pv_kit_skip(finding, "the plugin does not have both suspend and unsuspend");
        return;
    }
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_do(kit, finding, &service, PV_OP_CREATE) &&
        pv_kit_do(kit, finding, &service, PV_OP_SUSPEND)) {
        once_more(kit, finding, &service, PV_OP_SUSPEND, "suspend of a suspended service");
        if (pv_kit_do(kit, finding, &service, PV_OP_UNSUSPEND)) {
            once_more(kit, finding, &service, PV_OP_UNSUSPEND, "unsuspend of an active service");
        }
        (void)pv_kit_do(kit, finding, &service, PV_OP_TERMINATE);
    }
    pv_kit_service_done(&service);
}

/* ---- odd places ---- */

void pv_check_unknown_plan(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    pv_scene_init(&scene);
    scene.plan_name = "a-plan-that-nobody-has-heard-of";
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_play(kit, finding, &service, PV_OP_CREATE, &scene)) {
        pv_kit_judge(kit, finding, &service, PV_OP_CREATE, &scene, PV_MAY_FAIL,
                     "create with a plan whose name the plugin does not know");
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

/* One upgrade; what the backend refuses for good may be refused. */
static bool change_plan(struct pv_kit *kit, struct pv_finding *finding,
                        struct pv_kit_service *service, const char *from, const char *to)
{
    struct pv_scene scene;
    char what[400];
    snprintf(what, sizeof(what), "upgrade from plan “%s” to “%s”", from, to);
    pv_scene_init(&scene);
    scene.plan_name = to;
    scene.values = json_object_get(kit->plans, to);
    scene.previous = json_object_get(kit->plans, from);
    finding->played++;
    bool played = pv_kit_play(kit, finding, service, PV_OP_UPGRADE, &scene);
    if (played &&
        (scene.lost || (scene.result.end != PV_PLAY_DONE && scene.result.end != PV_PLAY_FAILED))) {
        pv_kit_fail_end(finding, what, &scene);
    }
    pv_scene_done(&scene);
    return played;
}

/* An upgrade of a new service, and the undo of each of its steps, from the last to the first. What
 * the backend cannot take back may wait for a person; things are as they were. */
static void take_plan_back(struct pv_kit *kit, struct pv_finding *finding, const char *to)
{
    const struct pv_plugin_steps *steps = &kit->job.plugin->operations[PV_OP_UPGRADE];
    struct pv_kit_service service;
    char what[400];
    bool ready = pv_kit_service_init(kit, &service) == 0 &&
                 pv_kit_do(kit, finding, &service, PV_OP_CREATE) &&
                 change_plan(kit, finding, &service, service.plan, to);
    for (size_t i = steps->count; ready && i-- > 0;) {
        struct pv_scene scene;
        char name[128];
        if ((steps->items[i].flags & PV_STEP_UNDO) == 0 ||
            pv_str_to_c(steps->items[i].name, name, sizeof(name)) != 0) {
            continue;
        }
        snprintf(what, sizeof(what), "upgrade from plan “%s” to “%s”, undo of %s", service.plan, to,
                 name);
        pv_scene_init(&scene);
        scene.plan_name = to;
        scene.values = json_object_get(kit->plans, to);
        scene.previous = json_object_get(kit->plans, service.plan);
        scene.step = name;
        scene.kind = PV_CALL_UNDO;
        scene.again = true;
        finding->played++;
        ready = pv_kit_play(kit, finding, &service, PV_OP_UPGRADE, &scene);
        const bool ended =
            !scene.lost && (scene.result.end == PV_PLAY_DONE || scene.result.end == PV_PLAY_FAILED);
        if (ready && !ended) {
            pv_kit_fail_end(finding, what, &scene);
        }
        ready = ready && ended && pv_kit_expect(kit, finding, &service, PV_OP_CREATE, what);
        pv_scene_done(&scene);
    }
    if (ready && kit->life[PV_OP_TERMINATE].declared) {
        (void)pv_kit_do(kit, finding, &service, PV_OP_TERMINATE);
    }
    pv_kit_service_done(&service);
}

void pv_check_upgrade(struct pv_kit *kit, struct pv_finding *finding)
{
    if (!kit->life[PV_OP_UPGRADE].declared || json_object_size(kit->plans) < 2) {
        pv_kit_skip(finding, kit->life[PV_OP_UPGRADE].declared ? "the check file has no two `plans`"
                                                               : "the plugin has no upgrade");
        return;
    }
    struct pv_kit_service service;
    const char *plan = NULL;
    json_t *values = NULL;
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_do(kit, finding, &service, PV_OP_CREATE)) {
        const char *first = service.plan;
        json_object_foreach(kit->plans, plan, values)
        {
            if (strcmp(plan, first) != 0 && finding->verdict != PV_FAIL) {
                change_plan(kit, finding, &service, first, plan);
                change_plan(kit, finding, &service, first, plan);
                change_plan(kit, finding, &service, plan, first);
                take_plan_back(kit, finding, plan);
            }
        }
        if (finding->verdict != PV_FAIL &&
            pv_kit_expect(kit, finding, &service, PV_OP_CREATE, "back on the first plan") &&
            pv_kit_do(kit, finding, &service, PV_OP_TERMINATE)) {
            (void)pv_kit_expect(kit, finding, &service, 0, "terminate after upgrades");
        }
    }
    pv_kit_service_done(&service);
}

void pv_check_ref(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service one;
    struct pv_kit_service two;
    if (kit->witness == PV_WITNESS_NONE || kit->witness == PV_WITNESS_KEYS) {
        pv_kit_skip(finding, "nothing shows what each of two services has: the plugin needs the "
                             "query `inventory`");
        return;
    }
    bool ready = pv_kit_service_init(kit, &one) == 0;
    ready = pv_kit_service_twin(kit, &two, &one) == 0 && ready;
    finding->played = 1;
    if (ready && pv_kit_do(kit, finding, &one, PV_OP_CREATE) &&
        pv_kit_do(kit, finding, &two, PV_OP_CREATE) &&
        pv_kit_expect(kit, finding, &one, PV_OP_CREATE,
                      "the first of two services with the same external id") &&
        pv_kit_expect(kit, finding, &two, PV_OP_CREATE,
                      "the second of two services with the same external id") &&
        kit->life[PV_OP_TERMINATE].declared && pv_kit_do(kit, finding, &one, PV_OP_TERMINATE) &&
        pv_kit_expect(kit, finding, &two, PV_OP_CREATE,
                      "the second service, after the first was terminated")) {
        (void)pv_kit_do(kit, finding, &two, PV_OP_TERMINATE);
    }
    pv_kit_service_done(&one);
    pv_kit_service_done(&two);
}

/* ---- undo ---- */

/* Calls the undo of every step, from the last to the first. */
static bool undo_all(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                     int type, const char *what)
{
    const struct pv_plugin_steps *steps = &kit->job.plugin->operations[type];
    bool any = false;
    for (size_t i = steps->count; i-- > 0;) {
        struct pv_scene scene;
        char name[128];
        char where[300];
        if ((steps->items[i].flags & PV_STEP_UNDO) == 0 ||
            pv_str_to_c(steps->items[i].name, name, sizeof(name)) != 0) {
            continue;
        }
        snprintf(where, sizeof(where), "undo of %s, %s", name, what);
        pv_scene_init(&scene);
        scene.step = name;
        scene.kind = PV_CALL_UNDO;
        scene.again = true;
        any = true;
        finding->played++;
        bool ok = pv_kit_play(kit, finding, service, type, &scene);
        if (ok && scene.result.end != PV_PLAY_DONE) {
            pv_kit_fail_end(finding, where, &scene);
        }
        pv_scene_done(&scene);
    }
    return any;
}

/* Create up to a step that is refused: everything before it is undone. */
static void refuse_step(struct pv_kit *kit, struct pv_finding *finding, size_t nth)
{
    struct pv_kit_service service;
    struct pv_scene scene;
    char what[200];
    snprintf(what, sizeof(what), "create, given up at call %zu", nth);
    pv_scene_init(&scene);
    scene.moment = PV_MOMENT_CALL;
    scene.meddling = PV_REFUSE;
    scene.nth = nth;
    finding->played++;
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_play(kit, finding, &service, PV_OP_CREATE, &scene)) {
        if (scene.result.end != PV_PLAY_FAILED) {
            pv_kit_fail_end(finding, what, &scene);
        } else {
            (void)pv_kit_expect(kit, finding, &service, 0, what);
        }
    }
    pv_scene_done(&scene);
    pv_kit_service_done(&service);
}

void pv_check_undo(struct pv_kit *kit, struct pv_finding *finding)
{
    struct pv_kit_service service;
    if (kit->witness == PV_WITNESS_NONE) {
        pv_kit_skip(finding, "nothing shows what is left: the plugin needs the query `inventory`");
        return;
    }
    if (pv_kit_service_init(kit, &service) == 0) {
        undo_all(kit, finding, &service, PV_OP_CREATE, "of which nothing is there");
        (void)pv_kit_expect(kit, finding, &service, 0, "undo of what is not there");
    }
    pv_kit_service_done(&service);
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_do(kit, finding, &service, PV_OP_CREATE)) {
        undo_all(kit, finding, &service, PV_OP_CREATE, "after create was done");
        (void)pv_kit_expect(kit, finding, &service, 0, "create, undone");
    }
    pv_kit_service_done(&service);
    for (size_t i = 2; i <= kit->life[PV_OP_CREATE].calls; i++) {
        refuse_step(kit, finding, i);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the kit that kills the host (SIGKILL): before and after every call of a function,
 * every request, everything asked of the store. */
#include "core/cli/kit.h"

#include <string.h>

static const int killed[] = {PV_OP_CREATE,  PV_OP_SUSPEND, PV_OP_UNSUSPEND,
                             PV_OP_UPGRADE, PV_OP_RENEW,   PV_OP_TERMINATE};

static void kill_at(struct pv_kit *kit, struct pv_finding *finding, const struct pv_victim *victim,
                    struct pv_scene *scene, const char *where, size_t nth)
{
    struct pv_kit_service service;
    char what[300];
    snprintf(what, sizeof(what), "%s, where the host is killed %s %zu", victim->name, where, nth);
    scene->action = victim->action;
    scene->form = victim->form;
    if (pv_kit_service_init(kit, &service) == 0 &&
        pv_kit_bring(kit, finding, &service, victim->type) &&
        pv_kit_play(kit, finding, &service, victim->type, scene)) {
        pv_kit_judge(kit, finding, &service, victim->type, scene, victim->may, what);
    }
    pv_scene_done(scene);
    pv_kit_service_done(&service);
}

static void kill_at_moments(struct pv_kit *kit, struct pv_finding *finding,
                            const struct pv_victim *victim, enum pv_moment moment, size_t count,
                            const char *where)
{
    const bool asks = moment == PV_MOMENT_ASK || moment == PV_MOMENT_TAKEN;
    const size_t most = pv_kit_most(finding, count, victim->name, asks ? "store calls" : "calls");
    for (size_t i = 1; i <= most && !pv_play_interrupted(); i++) {
        struct pv_scene scene;
        pv_scene_init(&scene);
        scene.moment = moment;
        scene.meddling = PV_KILL_HOST;
        scene.nth = i;
        kill_at(kit, finding, victim, &scene, where, i);
    }
}

static void kill_at_requests(struct pv_kit *kit, struct pv_finding *finding,
                             const struct pv_victim *victim, enum pv_fault fault, const char *where)
{
    const size_t most =
        pv_kit_most(finding, kit->life[victim->type].requests, victim->name, "requests");
    for (size_t i = 1; i <= most && !pv_play_interrupted(); i++) {
        struct pv_scene scene;
        pv_scene_init(&scene);
        scene.fault = fault;
        scene.at = i;
        kill_at(kit, finding, victim, &scene, where, i);
    }
}

void pv_kit_kill(struct pv_kit *kit, struct pv_finding *finding, const struct pv_victim *victim)
{
    const struct pv_kit_life *life = &kit->life[victim->type];
    kill_at_moments(kit, finding, victim, PV_MOMENT_CALL, life->calls, "before call");
    kill_at_moments(kit, finding, victim, PV_MOMENT_OUTCOME, life->calls, "after call");
    kill_at_moments(kit, finding, victim, PV_MOMENT_ASK, life->asks, "before store call");
    kill_at_moments(kit, finding, victim, PV_MOMENT_TAKEN, life->asks, "after store call");
    kill_at_requests(kit, finding, victim, PV_FAULT_KILL_BEFORE, "before the backend got request");
    kill_at_requests(kit, finding, victim, PV_FAULT_KILL_AFTER,
                     "after the backend carried out request");
}

void pv_check_kill(struct pv_kit *kit, struct pv_finding *finding)
{
    for (size_t o = 0; o < sizeof(killed) / sizeof(killed[0]); o++) {
        int type = killed[o];
        if (kit->life[type].declared) {
            const struct pv_victim victim = {.type = type,
                                             .name = pv_op_type_name(type),
                                             .may = pv_kit_has_blind_step(kit, type) ? PV_MAY_PARK
                                                                                     : 0};
            pv_kit_kill(kit, finding, &victim);
        }
    }
}

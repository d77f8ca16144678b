/* SPDX-License-Identifier: Apache-2.0 */
/* Services of the kit: playing their operations and queries. */
#include "core/cli/kit.h"

#include "core/base/alloc.h"
#include "core/cli/match.h"
#include "core/json/json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STUCK_MS 4000
#define TEXT_CAP ((size_t)64 * 1024)

/* ---- Services ---- */

static int add_pools(struct pv_kit *kit, struct pv_local *local)
{
    struct pv_err err = {0};
    const char *name = NULL;
    json_t *values = NULL;
    int status = 0;
    json_object_foreach(json_object_get(kit->spec, "pools"), name, values)
    {
        char definition[4096];
        snprintf(definition, sizeof(definition), "%s=%s", name,
                 json_is_string(values) ? json_string_value(values) : "");
        status = status == 0 ? pv_local_pool(local, definition, &err) : status;
    }
    return status;
}

int pv_kit_service_init(struct pv_kit *kit, struct pv_kit_service *service)
{
    struct pv_err err = {0};
    *service = (struct pv_kit_service){0};
    const char *plan = NULL;
    json_t *values = NULL;
    json_object_foreach(kit->plans, plan, values)
    {
        service->plan = plan;
        service->values = values;
        break;
    }
    snprintf(service->external_id, sizeof(service->external_id), "check-%zu", ++kit->services);
    memcpy(service->name, service->external_id, sizeof(service->name));
    int status = pv_local_init(&service->local, NULL, &err);
    return status == 0 ? add_pools(kit, &service->local) : status;
}

int pv_kit_service_twin(struct pv_kit *kit, struct pv_kit_service *service,
                        const struct pv_kit_service *other)
{
    int status = pv_kit_service_init(kit, service);
    memcpy(service->external_id, other->external_id, sizeof(service->external_id));
    json_t *kv = json_object_get(other->local.root, "kv");
    if (kv == NULL) {
        kv = json_object();
        json_object_set_new(other->local.root, "kv", kv);
    }
    if (json_object_get(kv, "instance") == NULL) {
        json_object_set_new(kv, "instance", json_object());
    }
    if (json_object_get(other->local.root, "pools") == NULL) {
        json_object_set_new(other->local.root, "pools", json_object());
    }
    /* Both hold the same objects from now on. */
    json_object_set_new(service->local.root, "kv",
                        json_pack("{sO}", "instance", json_object_get(kv, "instance")));
    json_object_set(service->local.root, "pools", json_object_get(other->local.root, "pools"));
    return status;
}

void pv_kit_service_done(struct pv_kit_service *service)
{
    pv_local_done(&service->local);
}

/* ---- What a play is told and tells ---- */

static void keep(struct pv_kit *kit, struct pv_str text)
{
    pv_buf_str(&kit->said, text);
    pv_buf_char(&kit->said, '\n');
}

/* Lines that the host writes for the author, not the plugin. */
static bool is_trace(int level, struct pv_str text)
{
    return level == 0 && (pv_str_starts(text, "http: ") || pv_str_starts(text, "exec: ") ||
                          pv_str_starts(text, "resolve: ") || pv_str_starts(text, "sleep: "));
}

static void on_log(void *ctx, int level, struct pv_str text)
{
    const struct pv_scene *scene = ctx;
    if (!is_trace(level, text)) {
        keep(scene->kit, text);
    }
}

static void on_progress(void *ctx, int percent, struct pv_str text)
{
    const struct pv_scene *scene = ctx;
    (void)percent;
    keep(scene->kit, text);
}

static void on_end(void *ctx, struct pv_str step, const char *kind, const char *outcome,
                   struct pv_str text, int64_t ms)
{
    struct pv_scene *scene = ctx;
    (void)step;
    (void)kind;
    (void)ms;
    if (strcmp(outcome, "lost") == 0 && !scene->killed && !scene->meddled) {
        scene->lost = true;
        snprintf(scene->lost_text, sizeof(scene->lost_text), "%.*s", (int)text.len, text.ptr);
    }
    scene->killed = false;
    scene->meddled = false;
    keep(scene->kit, text);
}

static void on_state(void *ctx, const json_t *before, const json_t *after)
{
    const struct pv_scene *scene = ctx;
    (void)before;
    struct pv_buf text;
    pv_buf_init(&text, (size_t)256 * 1024);
    pv_json_put(&text, after);
    if (text.len > scene->kit->biggest_state) {
        scene->kit->biggest_state = text.len;
    }
    pv_buf_done(&text);
}

static void on_host(void *ctx, pid_t pid)
{
    const struct pv_scene *scene = ctx;
    pthread_mutex_lock(&scene->kit->lock);
    scene->kit->host = pid;
    pthread_mutex_unlock(&scene->kit->lock);
}

/* From the proxy's thread. */
static void kill_host(void *ctx)
{
    struct pv_scene *scene = ctx;
    pthread_mutex_lock(&scene->kit->lock);
    if (scene->kit->host > 0) {
        scene->killed = true;
        kill(scene->kit->host, SIGKILL);
    }
    pthread_mutex_unlock(&scene->kit->lock);
}

static size_t count_moment(struct pv_scene *scene, enum pv_moment moment)
{
    switch (moment) {
    case PV_MOMENT_CALL:
        return ++scene->calls;
    case PV_MOMENT_ASK:
        return ++scene->asks;
    case PV_MOMENT_TAKEN:
        return ++scene->taken;
    default:
        return scene->calls;
    }
}

/* Whether this is the first run of its step that is done. */
static bool first_done(struct pv_scene *scene, const struct pv_play_call *call)
{
    uint64_t bit = 0;
    for (size_t i = 0; call->step != NULL && i < call->step->name.len; i++) {
        bit = bit * 31 + (uint8_t)call->step->name.ptr[i];
    }
    bit = (uint64_t)1 << (bit % 64);
    bool first = call->step != NULL && call->kind == PV_CALL_RUN && call->code == PV_OUT_OK &&
                 (scene->forgotten & bit) == 0;
    scene->forgotten |= first ? bit : 0;
    return first;
}

static void note_outcome(struct pv_scene *scene, const struct pv_play_call *call)
{
    bool fine = call->code == PV_OUT_OK || call->code == PV_OUT_PENDING ||
                call->code == PV_OUT_ABSENT || call->code == PV_OUT_IN_PROGRESS;
    if (!scene->worst_set && !fine) {
        scene->worst_set = true;
        scene->worst = call->code;
        scene->retry_after_ms = call->retry_after_ms;
    }
}

static enum pv_meddling on_moment(void *ctx, enum pv_moment moment, const struct pv_play_call *call)
{
    struct pv_scene *scene = ctx;
    if (moment == PV_MOMENT_WAIT) {
        pv_kit_drain(scene->kit);
        bool held = scene->fault == PV_FAULT_HOLD && pv_proxy_holds(scene->kit->proxy);
        return held ? PV_CANCEL : PV_LET_BE;
    }
    size_t nth = count_moment(scene, moment);
    if (moment == PV_MOMENT_OUTCOME) {
        note_outcome(scene, call);
    }
    if (scene->meddling == PV_LET_BE || scene->moment != moment) {
        return PV_LET_BE;
    }
    if (scene->nth == 0 ? !first_done(scene, call) : nth != scene->nth) {
        return PV_LET_BE;
    }
    scene->meddled = true;
    return scene->meddling;
}

/* ---- Playing ---- */

void pv_scene_init(struct pv_scene *scene)
{
    *scene = (struct pv_scene){.kind = -1, .times = 1, .retry_after_ms = -1};
}

void pv_scene_done(struct pv_scene *scene)
{
    json_decref(scene->ledger);
    json_decref(scene->answer);
    scene->ledger = NULL;
    scene->answer = NULL;
}

/* The event as the plugin is to see it. */
static json_t *event_of(const struct pv_kit *kit, const struct pv_kit_service *service,
                        const struct pv_scene *scene)
{
    const struct pv_match_name names[] = {{"service", service->name}, {NULL, NULL}};
    const json_t *given = json_object_get(kit->spec, "event");
    json_t *event = given != NULL ? pv_match_fill(given, names) : json_object();
    json_t *whose = json_object_get(event, "service");
    if (whose == NULL) {
        whose = json_object();
        json_object_set_new(event, "service", whose);
    }
    const char *plan = scene->plan_name != NULL ? scene->plan_name : service->plan;
    json_object_set_new(whose, "id", json_string(service->external_id));
    json_object_set_new(whose, "plan", json_string(plan != NULL ? plan : "check"));
    if (json_object_get(event, "customer") == NULL) {
        json_object_set_new(event, "customer",
                            json_pack("{ss ss ss}", "email", "customer@example.com", "firstname",
                                      "Ada", "lastname", "Check"));
    }
    return event;
}

/* Objects that the backend says it has made and deleted. */
static void count_objects(struct pv_kit_service *service, const json_t *ledger)
{
    size_t i = 0;
    json_t *entry = NULL;
    json_array_foreach((json_t *)(uintptr_t)ledger, i, entry)
    {
        const char *method = json_string_value(json_object_get(entry, "method"));
        json_int_t status = json_integer_value(json_object_get(entry, "status"));
        if (!json_is_true(json_object_get(entry, "carried")) || method == NULL) {
            continue;
        }
        bool deleted = strcmp(method, "DELETE") == 0 && status >= 200 && status < 300;
        service->objects += status == 201 ? 1 : deleted ? -1 : 0;
    }
}

static int play_it(struct pv_kit *kit, struct pv_kit_service *service, struct pv_scene *scene,
                   const struct pv_job_input *given, struct pv_err *err)
{
    struct pv_play play;
    pv_job_play(&kit->job, given, &service->local, &play);
    play.view = (struct pv_play_view){
        .ctx = scene, .log = on_log, .progress = on_progress, .state = on_state, .end = on_end};
    play.meddler = (struct pv_meddler){.ctx = scene, .moment = on_moment, .host = on_host};
    play.no_waiting = true;
    play.poll_ms = kit->poll_ms;
    play.stuck_after_ms = STUCK_MS;
    play.keep_dir = kit->data_dir;
    play.again = scene->again;
    play.op = service->op;
    play.only_step = scene->step;
    play.only_kind = scene->kind;
    const struct pv_proxy_plan plan = {.fault = scene->fault,
                                       .at = scene->at,
                                       .times = scene->times,
                                       .kill = kill_host,
                                       .ctx = scene};
    pv_proxy_begin(kit->proxy, &plan);
    kit->plays++;
    pv_kit_drain(kit);
    int status = pv_play_init(&play, kit->job.settings);
    status = status == 0 ? pv_play_run(&play, &scene->result, err) : status;
    service->op = play.op;
    pv_play_done(&play);
    scene->ledger = pv_proxy_ledger(kit->proxy);
    scene->requests = json_array_size(scene->ledger);
    count_objects(service, scene->ledger);
    pv_proxy_begin(kit->proxy, NULL);
    return status;
}

static int input_of(struct pv_kit *kit, struct pv_kit_service *service,
                    const struct pv_job_input *given, struct pv_err *err)
{
    struct pv_problems problems;
    pv_problems_init(&problems);
    int status = pv_job_input(&kit->job, given, &service->local, &problems);
    if (status == PV_EINVAL) {
        struct pv_buf text;
        pv_buf_init(&text, TEXT_CAP);
        pv_problems_print(&problems, &text);
        pv_err_set(err, status, "%s", text.ptr != NULL ? text.ptr : "?");
        pv_buf_done(&text);
    }
    pv_problems_done(&problems);
    return status;
}

bool pv_kit_play(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                 int type, struct pv_scene *scene)
{
    struct pv_err err = {0};
    json_t *event = event_of(kit, service, scene);
    const json_t *values = scene->values != NULL ? scene->values : service->values;
    const struct pv_match_name names[] = {{"service", service->name}, {NULL, NULL}};
    json_t *form = scene->form != NULL ? pv_match_fill(scene->form, names) : NULL;
    const struct pv_job_input given = {.type = type,
                                       .action = scene->action,
                                       .form = form,
                                       .event = event,
                                       .values = values,
                                       .previous = scene->previous};
    json_t *before = scene->keep_state ? json_deep_copy(pv_local_state(&service->local)) : NULL;
    scene->kit = kit;
    int status = input_of(kit, service, &given, &err);
    status = status == 0 ? play_it(kit, service, scene, &given, &err) : status;
    if (before != NULL && pv_local_set_state(&service->local, before) != 0) {
        status = PV_ENOMEM;
    }
    if (status != 0) {
        pv_kit_fail(finding, "%s could not be played: %s", pv_op_type_name(type),
                    err.text[0] != '\0' ? err.text : pv_status_text(status));
    }
    json_decref(scene->result.result);
    scene->result.result = NULL;
    json_decref(event);
    json_decref(form);
    return status == 0;
}

bool pv_kit_succeed(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                    int type, struct pv_scene *scene)
{
    bool done = pv_kit_play(kit, finding, service, type, scene);
    if (done && scene->result.end != PV_PLAY_DONE) {
        pv_kit_fail_end(finding, pv_op_type_name(type), scene);
        done = false;
    }
    return done;
}

bool pv_kit_do(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
               int type)
{
    struct pv_scene scene;
    pv_scene_init(&scene);
    bool done = pv_kit_succeed(kit, finding, service, type, &scene);
    pv_scene_done(&scene);
    return done;
}

bool pv_kit_bring(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                  int type)
{
    if (type == PV_OP_CREATE) {
        return true;
    }
    return pv_kit_do(kit, finding, service, PV_OP_CREATE) &&
           (type != PV_OP_UNSUSPEND || pv_kit_do(kit, finding, service, PV_OP_SUSPEND));
}

json_t *pv_kit_query(struct pv_kit *kit, struct pv_kit_service *service, const char *name,
                     bool of_service, const json_t *params)
{
    const struct pv_plugin_query *query =
        of_service ? pv_plugin_service_query(kit->job.plugin, pv_str(name))
                   : pv_plugin_instance_query(kit->job.plugin, pv_str(name));
    if (query == NULL) {
        return NULL;
    }
    struct pv_err err = {0};
    struct pv_scene scene;
    pv_scene_init(&scene);
    scene.kit = kit;
    json_t *event = event_of(kit, service, &scene);
    const struct pv_job_input given = {.query = query,
                                       .query_of_service = of_service,
                                       .event = event,
                                       .values = service->values,
                                       .form = params};
    struct pv_id op = service->op;
    json_t *grants = json_deep_copy(service->local.grants);
    int status = input_of(kit, service, &given, &err);
    status = status == 0 ? play_it(kit, service, &scene, &given, &err) : status;
    json_t *answer =
        status == 0 && scene.result.end == PV_PLAY_DONE ? json_incref(scene.result.result) : NULL;
    json_decref(scene.result.result);
    json_decref(service->local.grants); /* a query is no operation: the last one stays the last */
    service->local.grants = grants;
    service->op = op;
    pv_scene_done(&scene);
    json_decref(event);
    return answer;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reload: the new configuration is checked as a whole, against the one in use, and, where it lacks
 * an instance, against the services; only then it takes its place. A bad one changes nothing. */
#include "core/daemon/reload.h"
#include "core/daemon/serve.h"

#include "core/base/alloc.h"
#include "core/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define PAGE 256 /* services looked at together */

/* One reload, from the reading of the file to its end. */
struct pv_reload {
    struct pv_daemon *daemon;
    pv_reload_done *done;
    void *user;
    struct pv_problems problems;
    struct pv_config *next;
    struct pv_http_tls *tls; /* of `next` */
    bool *used;              /* by index of the present instances: a live service has it */
    struct pv_stats before;  /* asked for when what was under way is to be over */
    struct pv_list_req list;
    struct pv_get gets[PAGE];
    size_t waiting; /* gets that have not answered */
    struct pv_id last;
    bool more;
    int status; /* of the store */
};

static const char *change_name(enum pv_change what)
{
    return what == PV_CHANGE_ADDED ? "added" : what == PV_CHANGE_CHANGED ? "changed" : "removed";
}

/* Puts `next` in the place of the present one. */
static void take_over(struct pv_reload *reload, const struct pv_config_diff *diff)
{
    struct pv_daemon *daemon = reload->daemon;
    struct pv_config *old = daemon->live.config;
    if (old->tls.on && reload->tls) { /* else it is a matter of the next start */
        pv_api_set_tls(daemon->api, reload->tls);
        reload->tls = NULL;
    }
    daemon->live.config = reload->next;
    reload->next = NULL;
    daemon->reloads++;
    pv_api_set_config(daemon->api, daemon->live.config);
    pv_hosts_reload(daemon->hosts);
    pv_engine_reconfigured(daemon->engine);
    for (size_t i = 0; i < diff->count; i++) {
        pv_log(PV_INFO,
               (pv_lf("instance", diff->items[i].instance),
                pv_lf_c("change", change_name(diff->items[i].what))),
               "configuration of an instance changed");
    }
    pv_log(PV_INFO, (pv_lf_i64("changes", (int64_t)diff->count)), "configuration reloaded");
    pv_config_free(old);
}

static void log_problems(const struct pv_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct pv_problem *problem = &problems->items[i];
        pv_log(problem->warning ? PV_WARN : PV_ERROR,
               (pv_lf("file", problem->file), pv_lf_i64("line", problem->line),
                pv_lf("path", problem->path)),
               "%.*s", PV_STR_ARG(problem->text));
    }
}

/* Tells, and frees. */
static void finish(struct pv_reload *reload, int status)
{
    struct pv_daemon *daemon = reload->daemon;
    daemon->reloading = false;
    daemon->live.planned = NULL;
    struct pv_buf report;
    pv_buf_init(&report, 256 * 1024);
    log_problems(&reload->problems);
    (void)!pv_problems_print(&reload->problems, &report);
    if (status != 0) {
        pv_log_plain(PV_ERROR, "the configuration was not reloaded: the present one stays in use");
    }
    pv_notify_send(&daemon->notify, "READY=1\nSTATUS=%s",
                   status == 0 ? "running" : "running; the last reload was refused");
    reload->done(reload->user, status, pv_buf_view(&report));
    pv_buf_done(&report);
    pv_problems_done(&reload->problems);
    pv_config_free(reload->next);
    pv_http_tls_unref(reload->tls);
    pv_free(reload->used);
    pv_free(reload);
}

static bool in_use(void *ctx, struct pv_str instance)
{
    const struct pv_reload *reload = ctx;
    const struct pv_config *now = reload->daemon->live.config;
    for (size_t i = 0; i < now->instance_count; i++) {
        if (pv_str_eq(now->instances[i].name, instance)) {
            return reload->used[i];
        }
    }
    return false;
}

/* The files of a certificate may be other ones under the same names. */
static int load_tls(struct pv_reload *reload)
{
    struct pv_err err = {0};
    int status = pv_serve_load_tls(reload->next, true, &reload->tls, &err);
    if (status != 0) {
        pv_problem_add(&reload->problems, NULL, PV_STR(""), "certificate", "%s", err.text);
        return PV_EINVAL;
    }
    return 0;
}

/* Everything is known. */
static void conclude(struct pv_reload *reload)
{
    struct pv_daemon *daemon = reload->daemon;
    if (daemon->stopping || reload->status != 0) {
        pv_problem_add(&reload->problems, NULL, PV_STR(""), "unavailable",
                       daemon->stopping ? "provostd is stopping"
                                        : "the services that use an instance cannot be read now");
        finish(reload, daemon->stopping ? PV_ECLOSED : reload->status);
        return;
    }
    struct pv_config_diff diff = {0};
    int status = pv_config_compare(daemon->live.config, reload->next, in_use, reload, &diff,
                                   &reload->problems);
    if (status == 0) {
        status = load_tls(reload);
        status = status ? status : pv_webhooks_set(&daemon->webhooks, reload->next);
        if (status == 0) {
            take_over(reload, &diff);
        }
        pv_config_diff_done(&diff);
    }
    finish(reload, status);
}

/* ---- which instances live services have
 * -------------------------------------------------------------- */

static void next_page(struct pv_reload *reload);

static void note_plan(struct pv_reload *reload, const struct pv_plan *plan)
{
    const struct pv_config *now = reload->daemon->live.config;
    for (size_t c = 0; c < plan->component_count; c++) {
        for (size_t i = 0; i < now->instance_count; i++) {
            bool same = pv_str_eq(plan->components[c].instance, now->instances[i].name);
            reload->used[i] = reload->used[i] || same;
        }
    }
}

static void note_composition(struct pv_reload *reload, struct pv_str composition)
{
    struct pv_arena arena;
    struct pv_plan plan;
    pv_arena_init(&arena);
    if (composition.len > 0 && pv_plan_decode(composition, &arena, &plan) == 0) {
        note_plan(reload, &plan);
    }
    pv_arena_done(&arena);
}

static void page_done(struct pv_reload *reload)
{
    if (reload->status == 0 && reload->more && !reload->daemon->stopping) {
        next_page(reload);
    } else {
        conclude(reload);
    }
}

static void on_service(struct pv_req *req)
{
    struct pv_reload *reload = req->user;
    struct pv_get *get = PV_CONTAINER(req, struct pv_get, req);
    if (req->status == 0) {
        note_composition(reload, get->ret_composition);
    } else if (req->status != PV_ENOTFOUND) {
        reload->status = req->status;
    }
    pv_req_done(req);
    reload->waiting--;
    if (reload->waiting == 0) {
        page_done(reload);
    }
}

static bool is_live(const struct pv_service_row *row)
{
    bool over = row->observed == PV_SVC_TERMINATED || row->observed == PV_SVC_FAILED;
    return !over || row->residue || row->waiting > 0;
}

static void on_page(struct pv_req *req)
{
    struct pv_reload *reload = req->user;
    const struct pv_list_req *list = &reload->list;
    reload->status = req->status;
    reload->more = req->status == 0 && list->ret_more;
    reload->last = list->ret_next;
    size_t count = req->status == 0 ? list->ret_count : 0;
    reload->waiting = 1; /* this function */
    for (size_t i = 0; i < count; i++) {
        if (!is_live(&list->ret_services[i])) {
            continue;
        }
        struct pv_get *get = &reload->gets[i];
        *get = (struct pv_get){.id = list->ret_services[i].id, .full = true};
        pv_req_init(&get->req, PV_REQ_GET, on_service, reload);
        int status = pv_store_submit(reload->daemon->store, &get->req);
        if (status != 0) {
            reload->status = status;
            break;
        }
        reload->waiting++;
    }
    pv_req_done(req);
    reload->waiting--;
    if (reload->waiting == 0) {
        page_done(reload);
    }
}

static void next_page(struct pv_reload *reload)
{
    reload->list = (struct pv_list_req){
        .what = PV_LIST_SERVICES, .state = -1, .after = reload->last, .limit = PAGE};
    pv_req_init(&reload->list.req, PV_REQ_LIST, on_page, reload);
    int status = pv_store_submit(reload->daemon->store, &reload->list.req);
    if (status != 0) {
        reload->status = status;
        conclude(reload);
    }
}

/* A service that is made while the others are looked at is on no page, perhaps. */
static void on_planned(void *ctx, const struct pv_plan *plan)
{
    note_plan(ctx, plan);
}

/* The creates that went to the store before are in it. */
static void on_settled(struct pv_req *req)
{
    struct pv_reload *reload = req->user;
    reload->status = req->status;
    pv_req_done(req);
    page_done(reload);
}

/* Pages are read beside what is being written: what is under way is waited for, by a request that
 * is answered after it, and what comes from now on is noted as it is planned. */
static void look_at_services(struct pv_reload *reload)
{
    struct pv_daemon *daemon = reload->daemon;
    daemon->live.planned = on_planned;
    daemon->live.planned_ctx = reload;
    reload->more = true;
    pv_req_init(&reload->before.req, PV_REQ_STATS, on_settled, reload);
    int status = pv_store_submit(daemon->store, &reload->before.req);
    if (status != 0) {
        reload->status = status;
        conclude(reload);
    }
}

/* Whether an instance is gone, or became another plugin: a live service must not lose it. */
static bool has_suspects(const struct pv_reload *reload)
{
    const struct pv_config *now = reload->daemon->live.config;
    for (size_t i = 0; i < now->instance_count; i++) {
        const struct pv_config_instance *next =
            pv_config_instance(reload->next, now->instances[i].name);
        if (!next || !pv_str_eq(next->plugin->name, now->instances[i].plugin->name)) {
            return true;
        }
    }
    return false;
}

/* ---- begin
 * ---------------------------------------------------------------------------------------------- */

int pv_daemon_reload(struct pv_daemon *daemon, pv_reload_done *done, void *user)
{
    if (daemon->stopping || daemon->reloading) {
        return daemon->stopping ? PV_ECLOSED : PV_EBUSY;
    }
    struct pv_reload *reload = pv_calloc(1, sizeof(*reload));
    size_t count = daemon->live.config->instance_count + 1;
    bool *used = pv_calloc(count, sizeof(*used));
    if (!reload || !used) {
        pv_free(reload);
        pv_free(used);
        return PV_ENOMEM;
    }
    *reload = (struct pv_reload){.daemon = daemon, .done = done, .user = user, .used = used};
    daemon->reloading = true;
    pv_problems_init(&reload->problems);
    pv_notify_send(&daemon->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   pv_mono_ms(&pv_clock_system) * 1000);
    const struct pv_describe describe = pv_describer_table(daemon->describer);
    int status = pv_config_load(daemon->config_path, &describe, &reload->problems, &reload->next);
    if (status != 0) {
        finish(reload, status);
    } else if (has_suspects(reload)) {
        look_at_services(reload);
    } else {
        conclude(reload);
    }
    return 0;
}

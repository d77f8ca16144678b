/* SPDX-License-Identifier: Apache-2.0 */
/* Reload: the new configuration is checked as a whole and against the one in use, and only then
 * takes its place. A bad one changes nothing. */
#include "core/base/log.h"
#include "core/daemon/daemon.h"

#include <inttypes.h>
#include <stdio.h>

static const char *change_name(enum pv_change what)
{
    return what == PV_CHANGE_ADDED ? "added" : what == PV_CHANGE_CHANGED ? "changed" : "removed";
}

/* Puts `next` in the place of the present one. The new one is owned by the daemon from here on. */
static void take_over(struct pv_daemon *daemon, struct pv_config *next,
                      const struct pv_config_diff *diff)
{
    struct pv_config *old = daemon->live.config;
    daemon->live.config = next;
    daemon->reloads++;
    pv_api_set_config(daemon->api, next);
    pv_hosts_reload(daemon->hosts);
    pv_engine_reconfigured(daemon->engine);
    for (size_t i = 0; i < diff->count; i++) {
        pv_log(PV_INFO,
               (pv_lf("instance", diff->items[i].instance),
                pv_lf_c("change", change_name(diff->items[i].what))),
               "configuration of an instance changed");
    }
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

int pv_daemon_reload(struct pv_daemon *daemon, struct pv_buf *report)
{
    if (daemon->stopping) {
        pv_buf_c(report, "provostd is stopping\n");
        return PV_ECLOSED;
    }
    pv_notify_send(&daemon->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                   pv_mono_ms(&pv_clock_system) * 1000);
    struct pv_problems problems;
    pv_problems_init(&problems);
    struct pv_config *next = NULL;
    struct pv_config_diff diff = {0};
    const struct pv_describe describe = pv_describer_table(daemon->describer);
    int status = pv_config_load(daemon->config_path, &describe, &problems, &next);
    if (status == 0) {
        status = pv_config_compare(daemon->live.config, next, NULL, NULL, &diff, &problems);
    }
    log_problems(&problems);
    (void)!pv_problems_print(&problems, report);
    if (status == 0) {
        take_over(daemon, next, &diff);
        pv_log(PV_INFO, (pv_lf_i64("changes", (int64_t)diff.count)), "configuration reloaded");
    } else {
        pv_config_free(next);
        pv_log_plain(PV_ERROR, "the configuration has errors: the present one stays in use");
    }
    pv_config_diff_done(&diff);
    pv_problems_done(&problems);
    pv_notify_send(&daemon->notify, "READY=1\nSTATUS=%s",
                   status == 0 ? "running" : "running; the last reload was refused");
    return status;
}

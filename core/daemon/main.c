/* SPDX-License-Identifier: Apache-2.0 */
/* provostd. The spawner is forked before anything else: before memory grows, before threads, before
 * descriptors that a host must not have. */
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/daemon/daemon.h"
#include "core/json/json.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int64_t started_ms = pv_mono_ms(&pv_clock_system);
    struct pv_options options;
    int status = pv_options_parse(argc, argv, &options);
    if (status >= 0) {
        return status;
    }
    static struct pv_daemon daemon;
    daemon.started_ms = started_ms;
    daemon.notify.fd = -1;
    daemon.spawner.fd = -1;
    pv_log_setup(STDERR_FILENO, -1, PV_INFO, "provostd");
    struct pv_err err = {0};
    if (options.task == PV_TASK_RUN && pv_spawner_fork(&daemon.spawner, &err) != 0) {
        pv_log_plain(PV_ERROR, "the spawner cannot be started: %s", err.text);
        return PV_EXIT_SPAWNER;
    }
    if (pv_base_init() != 0) {
        pv_log_plain(PV_ERROR, "no source of random numbers");
        return PV_EXIT_FAILED;
    }
    pv_json_setup();
    status = pv_daemon_load(&daemon, &options);
    if (status < 0) {
        const struct pv_config_log *log = &daemon.live.config->log;
        pv_log_setup(STDERR_FILENO, log->format, (enum pv_level)log->level, "provostd");
        switch (options.task) {
        case PV_TASK_RUN:
            status = pv_daemon_run(&daemon);
            break;
        case PV_TASK_CHECK:
            printf("%s: the configuration is fine\n", options.config);
            status = PV_EXIT_OK;
            break;
        case PV_TASK_MIGRATE:
            status = pv_daemon_migrate(&daemon);
            break;
        }
    }
    pv_daemon_done(&daemon);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A running provostd: everything main.c wired, and the order in which it starts, reloads and stops.
 *
 *   start: lock of the hosts, keys, store, hosts, webhooks, engine, resealing, api, signals, READY
 *   stop:  STOPPING; api, engine and webhooks side by side; hosts; store; the loop runs dry
 *
 * Loop thread. */
#ifndef PV_DAEMON_DAEMON_H
#define PV_DAEMON_DAEMON_H

#include "core/api/api.h"
#include "core/config/config.h"
#include "core/daemon/keys.h"
#include "core/daemon/notify.h"
#include "core/daemon/options.h"
#include "core/daemon/webhooks.h"
#include "core/engine/engine.h"
#include "core/runner/hosts.h"
#include "core/store/store.h"

#include <uv.h>

#define PV_STOP_KILL_MS 4000  /* after that, hosts with calls in flight are killed */
#define PV_STOP_LIMIT_MS 9000 /* after that, the process ends as it is */

enum { PV_SIGNAL_TERM, PV_SIGNAL_INT, PV_SIGNAL_HUP, PV_SIGNALS };

struct pv_daemon {
    const char *config_path;
    struct pv_spawner spawner;
    struct pv_cgroup cgroup; /* without base: memory is watched, because of cgroup_why */
    char cgroup_why[300];
    char *host_program;
    struct pv_describer *describer;
    struct pv_config_live live;
    struct pv_keyring *keyring;
    struct pv_store *store;
    struct pv_hosts *hosts;
    struct pv_engine *engine;
    struct pv_api *api;
    struct pv_notify notify;
    struct pv_webhooks webhooks;
    struct pv_keys keys;
    uv_loop_t loop;
    uv_signal_t signals[PV_SIGNALS];
    uv_timer_t engine_timer;
    uv_timer_t stop_timer;
    uv_timer_t watchdog;
    char data_dir[4096];   /* of the instance that was asked for last */
    struct pv_reach reach; /* of the same */
    char callback_base[2048];
    int64_t started_ms;
    uint64_t reloads;
    bool handles; /* the loop's handles are initialised */
    bool reloading;
    bool stopping;
    bool killed;
    bool api_closed;
    bool engine_stopped;
    bool webhooks_closed;
    int exit_status;
};

/* Prints problems on standard error, one a line; the exit status, or -1 when the configuration is
 * fine. */
int pv_daemon_load(struct pv_daemon *daemon, const struct pv_options *options);
/* Brings the database up to date; the exit status. */
int pv_daemon_migrate(struct pv_daemon *daemon);
/* Starts, runs, stops; the exit status. */
int pv_daemon_run(struct pv_daemon *daemon);
/* Frees what is left. */
void pv_daemon_done(struct pv_daemon *daemon);

/* Begins to stop; `exit_status` is what the process ends with. The second call kills busy hosts at
 * once. */
void pv_daemon_stop(struct pv_daemon *daemon, int exit_status);

/* wiring.c: the tables between the parts. */
struct pv_hosts_options pv_daemon_hosts_options(struct pv_daemon *daemon);
struct pv_engine_options pv_daemon_engine_options(struct pv_daemon *daemon);
struct pv_api_options pv_daemon_api_options(struct pv_daemon *daemon);

/* show.c: what GET /v1/status and /metrics say about hosts. */
void pv_daemon_status(void *ctx, struct pv_buf *out);
void pv_daemon_hosts(void *ctx, struct pv_str instance, struct pv_buf *out);
void pv_daemon_metrics(void *ctx, struct pv_buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of a provostd, in the orders that daemon.h draws. */
#include "core/daemon/daemon.h"

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/daemon/hostlock.h"
#include "core/daemon/reload.h"
#include "core/daemon/serve.h"
#include "core/host/restrict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- before the loop
 * ------------------------------------------------------------------------------- */

static void print_problems(const struct pv_problems *problems)
{
    struct pv_buf text;
    pv_buf_init(&text, 1024 * 1024);
    if (pv_problems_print(problems, &text) == 0 && text.len > 0) {
        fwrite(text.ptr, 1, text.len, stderr);
    }
    if (problems->dropped > 0) {
        fprintf(stderr, "and %zu more\n", problems->dropped);
    }
    pv_buf_done(&text);
}

int pv_daemon_load(struct pv_daemon *daemon, const struct pv_options *options)
{
    struct pv_err err = {0};
    daemon->config_path = options->config;
    if (pv_describer_find_host(&daemon->host_program, &err) != 0 ||
        pv_describer_new(daemon->host_program, &daemon->describer, &err) != 0) {
        fprintf(stderr, "provostd: %s\n", err.text);
        return PV_EXIT_FAILED;
    }
    struct pv_problems problems;
    pv_problems_init(&problems);
    const struct pv_describe describe = pv_describer_table(daemon->describer);
    int status = pv_config_load(options->config, &describe, &problems, &daemon->live.config);
    if (status == 0 && options->task == PV_TASK_CHECK) {
        status =
            pv_http_tls_check(&daemon->live.config->tls, pv_wall_ms(&pv_clock_system), &problems);
    }
    print_problems(&problems);
    if (status != 0) {
        fprintf(stderr, "provostd: %s: %zu error%s\n", options->config, problems.errors,
                problems.errors == 1 ? "" : "s");
    }
    pv_problems_done(&problems);
    if (status != 0) {
        return status == PV_EINVAL ? PV_EXIT_CONFIG : PV_EXIT_FAILED;
    }
    return -1;
}

/* What plugins are confined with is said once; -1, or the exit status where it is required and not
 * there. */
static int check_isolation(const struct pv_daemon *daemon)
{
    const struct pv_isolation isolation = pv_isolation_probe();
    const char *lacks = pv_isolation_lacks(&isolation);
    bool whole = isolation.landlock_abi >= 1 && isolation.seccomp;
    if (!whole && daemon->live.config->isolation_required) {
        pv_log_plain(PV_ERROR, "%s. Set `isolation: best-effort` to run plugins all the same",
                     lacks);
        return PV_EXIT_CONFIG;
    }
    if (lacks != NULL) {
        pv_log_plain(PV_WARN, "plugins are confined, but not wholly: %s", lacks);
    }
    return -1;
}

/* A failure at the start: said once, and the exit status for it. */
static int fail(const struct pv_err *err, int exit_status)
{
    pv_log_plain(PV_ERROR, "%s", err->text);
    return exit_status;
}

/* Folders that the configuration names are made; their parents have to be there. */
static int make_folder(struct pv_str path, struct pv_err *err)
{
    char text[4096];
    if (path.len == 0) {
        return 0;
    }
    int status = pv_str_to_c(path, text, sizeof(text));
    if (status != 0) {
        return pv_err_set(err, status, "%.*s: too long", PV_STR_ARG(path));
    }
    if (mkdir(text, 0750) != 0 && errno != EEXIST) {
        return pv_err_set(
            err, pv_status_from_errno(errno),
            "folder %s cannot be made: %s; make it, for the user that provostd runs as", text,
            strerror(errno));
    }
    return 0;
}

/* Waits for the hosts of a predecessor, then opens keys and database. -1, or the exit status. */
static int open_store(struct pv_daemon *daemon, bool migrate)
{
    const struct pv_config *config = daemon->live.config;
    struct pv_err err = {0};
    if (make_folder(config->data_dir, &err) != 0 || make_folder(config->runtime_dir, &err) != 0) {
        return fail(&err, PV_EXIT_STORE);
    }
    char lock_path[4096];
    int lock = -1;
    snprintf(lock_path, sizeof(lock_path), "%.*s.hosts", PV_STR_ARG(config->sqlite_path));
    if (pv_hostlock_take(lock_path, &lock, &err) != 0) {
        return fail(&err, err.status == PV_ETIMEOUT ? PV_EXIT_LOCKED : PV_EXIT_STORE);
    }
    /* The spawner keeps a duplicate, and so does every host. */
    int status = daemon->spawner.pid > 0 ? pv_spawner_hold(&daemon->spawner, lock) : 0;
    if (daemon->spawner.pid > 0) {
        close(lock);
    }
    if (status != 0) {
        pv_err_set(&err, status, "the spawner: %s", pv_status_text(status));
        return fail(&err, PV_EXIT_SPAWNER);
    }
    if (pv_keyring_open(config->keys.ptr, &daemon->keyring, &err) != 0) {
        return fail(&err, PV_EXIT_STORE);
    }
    const struct pv_sqlite_options options = {
        .path = config->sqlite_path.ptr, .keyring = daemon->keyring, .migrate = migrate};
    if (pv_sqlite_open(&daemon->loop, &options, &daemon->store, &err) != 0) {
        return fail(&err, PV_EXIT_STORE);
    }
    return -1;
}

/* ---- signals, timers
 * ---------------------------------------------------------------------------------- */

/* The log has it already. */
static void on_reloaded(void *user, int status, struct pv_str report)
{
    (void)user;
    (void)status;
    (void)report;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct pv_daemon *daemon = signal->data;
    if (number != SIGHUP) {
        pv_log(PV_INFO, (pv_lf_c("signal", number == SIGTERM ? "SIGTERM" : "SIGINT")), "stopping");
        pv_daemon_stop(daemon, PV_EXIT_OK);
        return;
    }
    int status = pv_daemon_reload(daemon, on_reloaded, NULL);
    if (status != 0) {
        pv_log_plain(PV_WARN, "no reload: %s", pv_status_text(status));
    }
}

static void on_watchdog(uv_timer_t *timer)
{
    const struct pv_daemon *daemon = timer->data;
    pv_notify_send(&daemon->notify, "WATCHDOG=1");
}

static void on_stop_timer(uv_timer_t *timer)
{
    struct pv_daemon *daemon = timer->data;
    if (!daemon->killed) {
        pv_log_plain(PV_WARN, "steps do not end: their plugin hosts are killed");
        daemon->killed = true;
        pv_hosts_kill_busy(daemon->hosts);
        uv_timer_start(timer, on_stop_timer, PV_STOP_LIMIT_MS - PV_STOP_KILL_MS, 0);
        return;
    }
    /* What was acknowledged is durable; what ran is found again at the next start. */
    pv_log_plain(PV_ERROR, "cannot stop in time: ended as it is");
    _exit(PV_EXIT_FAILED);
}

static int set_up_loop(struct pv_daemon *daemon)
{
    static const int numbers[PV_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < PV_SIGNALS; i++) {
        uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
        if (uv_signal_start(&daemon->signals[i], on_signal, numbers[i]) != 0) {
            return PV_EIO;
        }
    }
    uv_timer_init(&daemon->loop, &daemon->engine_timer);
    uv_timer_init(&daemon->loop, &daemon->stop_timer);
    uv_timer_init(&daemon->loop, &daemon->watchdog);
    daemon->engine_timer.data = daemon;
    daemon->stop_timer.data = daemon;
    daemon->watchdog.data = daemon;
    daemon->handles = true;
    return 0;
}

static void close_handles(struct pv_daemon *daemon)
{
    for (size_t i = 0; i < PV_SIGNALS; i++) {
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&daemon->engine_timer, NULL);
    uv_close((uv_handle_t *)&daemon->stop_timer, NULL);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
}

/* ---- stop
 * ------------------------------------------------------------------------------------------------
 */

static void on_store_closed(void *user)
{
    struct pv_daemon *daemon = user;
    daemon->store = NULL;
    close_handles(daemon);
}

static void on_hosts_stopped(void *user)
{
    struct pv_daemon *daemon = user;
    uv_timer_stop(&daemon->engine_timer); /* it may be armed for a tick that nobody needs any more
                                           */
    pv_engine_free(daemon->engine);
    daemon->engine = NULL;
    pv_keys_close(&daemon->keys);
    daemon->store->ops->close(daemon->store, on_store_closed, daemon);
}

static void stop_hosts_when_quiet(struct pv_daemon *daemon)
{
    if (daemon->api_closed && daemon->engine_stopped && daemon->webhooks_closed) {
        pv_hosts_stop(daemon->hosts, on_hosts_stopped, daemon);
    }
}

static void on_api_closed(void *user)
{
    struct pv_daemon *daemon = user;
    daemon->api_closed = true;
    stop_hosts_when_quiet(daemon);
}

static void on_engine_stopped(void *user)
{
    struct pv_daemon *daemon = user;
    daemon->engine_stopped = true;
    stop_hosts_when_quiet(daemon);
}

static void on_webhooks_closed(void *user)
{
    struct pv_daemon *daemon = user;
    daemon->webhooks_closed = true;
    stop_hosts_when_quiet(daemon);
}

void pv_daemon_stop(struct pv_daemon *daemon, int exit_status)
{
    if (daemon->stopping) {
        if (!daemon->killed) {
            on_stop_timer(&daemon->stop_timer);
        }
        return;
    }
    daemon->stopping = true;
    daemon->exit_status = exit_status;
    pv_notify_send(&daemon->notify, "STOPPING=1\nSTATUS=stopping");
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->stop_timer, on_stop_timer, PV_STOP_KILL_MS, 0);
    if (daemon->api) {
        pv_api_close(daemon->api, on_api_closed, daemon);
        daemon->api = NULL;
    } else {
        daemon->api_closed = true;
    }
    pv_webhooks_close(&daemon->webhooks, on_webhooks_closed, daemon);
    pv_engine_stop(daemon->engine, on_engine_stopped, daemon);
}

/* ---- run
 * --------------------------------------------------------------------------------------------------
 */

static void say_ready(struct pv_daemon *daemon)
{
    int port = pv_api_port(daemon->api);
    int64_t took_ms = pv_mono_ms(&pv_clock_system) - daemon->started_ms;
    pv_log(PV_INFO,
           (pv_lf_i64("port", port), pv_lf_i64("ms", took_ms),
            pv_lf_i64("unfinished", (int64_t)daemon->store->unfinished)),
           "ready");
    pv_notify_send(&daemon->notify, "READY=1\nMAINPID=%d\nSTATUS=running, port %d", (int)getpid(),
                   port);
    if (daemon->notify.watchdog_ms > 0) {
        uv_timer_start(&daemon->watchdog, on_watchdog, 0, (uint64_t)daemon->notify.watchdog_ms);
    }
}

static void limit_memory(struct pv_daemon *daemon)
{
    struct pv_err err = {0};
    if (pv_cgroup_open(daemon->spawner.pid, &daemon->cgroup, &err) == 0) {
        pv_log(PV_INFO, (pv_lf_c("cgroup", daemon->cgroup.base)),
               "the memory of plugin hosts is limited by cgroup");
        return;
    }
    snprintf(daemon->cgroup_why, sizeof(daemon->cgroup_why), "%.*s",
             (int)sizeof(daemon->cgroup_why) - 1, err.text);
    pv_log_plain(PV_INFO, "the memory of plugin hosts is watched, not limited by cgroup: %s",
                 err.text);
}

/* Everything above the store. -1, or the exit status; then what has been started is stopped again.
 */
static int start_parts(struct pv_daemon *daemon)
{
    struct pv_err err = {0};
    limit_memory(daemon);
    const struct pv_hosts_options hosts = pv_daemon_hosts_options(daemon);
    if (pv_hosts_new(&hosts, &daemon->hosts, &err) != 0) {
        return fail(&err, PV_EXIT_FAILED);
    }
    const struct pv_engine_options engine = pv_daemon_engine_options(daemon);
    int status = pv_engine_new(&engine, &daemon->engine);
    if (status == 0) {
        status =
            pv_webhooks_open(&daemon->webhooks, &daemon->loop, daemon->store, daemon->live.config);
    }
    if (status == 0) {
        status = pv_engine_start(daemon->engine);
    }
    if (status == 0) {
        status = pv_keys_open(&daemon->keys, &daemon->loop, daemon->keyring,
                              daemon->live.config->keys.ptr, daemon->store);
    }
    if (status != 0) {
        pv_err_set(&err, status, "the engine does not start: %s", pv_status_text(status));
        return fail(&err, PV_EXIT_FAILED);
    }
    pv_webhooks_watch(&daemon->webhooks, daemon->engine);
    struct pv_api_options api = pv_daemon_api_options(daemon);
    if (pv_serve_raise_limit(daemon->live.config, &err) != 0 ||
        pv_serve_load_tls(daemon->live.config, false, &api.tls, &err) != 0) {
        return fail(&err, PV_EXIT_CONFIG);
    }
    if (pv_api_new(&api, &daemon->api, &err) != 0) {
        return fail(&err, PV_EXIT_FAILED);
    }
    return -1;
}

int pv_daemon_run(struct pv_daemon *daemon)
{
    const struct pv_config *config = daemon->live.config;
    daemon->exit_status = PV_EXIT_FAILED;
    pv_notify_init(&daemon->notify);
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&daemon->loop) != 0 || set_up_loop(daemon) != 0) {
        pv_log_plain(PV_ERROR, "the event loop cannot be set up");
        return PV_EXIT_FAILED;
    }
    int failed = check_isolation(daemon);
    if (failed >= 0) {
        return failed;
    }
    failed = open_store(daemon, config->migrate);
    if (failed >= 0) {
        return failed;
    }
    failed = start_parts(daemon);
    if (failed < 0) {
        say_ready(daemon);
        daemon->exit_status = PV_EXIT_OK;
    } else if (daemon->engine && daemon->hosts) {
        pv_daemon_stop(daemon, failed);
    } else {
        return failed;
    }
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    pv_hosts_free(daemon->hosts);
    daemon->hosts = NULL;
    uv_loop_close(&daemon->loop);
    pv_log_plain(PV_INFO, "stopped");
    return daemon->exit_status;
}

static void on_migrated(void *user)
{
    struct pv_daemon *daemon = user;
    daemon->store = NULL;
}

int pv_daemon_migrate(struct pv_daemon *daemon)
{
    if (uv_loop_init(&daemon->loop) != 0) {
        return PV_EXIT_FAILED;
    }
    int failed = open_store(daemon, true);
    if (failed >= 0) {
        return failed;
    }
    daemon->store->ops->close(daemon->store, on_migrated, daemon);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
    pv_log(PV_INFO, (pv_lf("database", daemon->live.config->sqlite_path)),
           "the database is up to date");
    return PV_EXIT_OK;
}

void pv_daemon_done(struct pv_daemon *daemon)
{
    pv_keyring_free(daemon->keyring);
    pv_config_free(daemon->live.config);
    pv_describer_free(daemon->describer);
    pv_free(daemon->host_program);
    pv_notify_done(&daemon->notify);
    if (daemon->spawner.pid > 0) {
        pv_spawner_end(&daemon->spawner);
        pv_cgroup_close(&daemon->cgroup);
    }
}

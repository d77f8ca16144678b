/* SPDX-License-Identifier: Apache-2.0 */
/* The tables through which the parts reach each other; each function hands on, nothing more. */
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/daemon/daemon.h"
#include "core/daemon/reload.h"
#include "core/daemon/version.h"
#include "core/host/restrict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- runner to engine
 * ---------------------------------------------------------------------------- */

static void on_outcome(void *ctx, uint64_t call, const struct pv_wire_outcome *outcome)
{
    struct pv_daemon *daemon = ctx;
    pv_engine_outcome(daemon->engine, call, outcome);
}

static void on_lost(void *ctx, uint64_t call, enum pv_lost lost, int64_t last_send_ms,
                    struct pv_str text)
{
    struct pv_daemon *daemon = ctx;
    pv_engine_lost(daemon->engine, call, lost, last_send_ms, text);
}

static void on_ask(void *ctx, uint64_t call, const struct pv_wire_ask *ask)
{
    struct pv_daemon *daemon = ctx;
    pv_engine_ask(daemon->engine, call, ask);
}

static void on_query_ask(void *ctx, uint64_t call, const struct pv_query_ask *ask)
{
    struct pv_daemon *daemon = ctx;
    pv_engine_query_ask(daemon->engine, call, ask->instance, ask->component, ask->service,
                        ask->frame);
}

static void on_progress(void *ctx, uint64_t call, int percent, struct pv_str text)
{
    struct pv_daemon *daemon = ctx;
    pv_engine_progress(daemon->engine, call, percent, text);
}

static void on_gone(void *ctx)
{
    struct pv_daemon *daemon = ctx;
    pv_log_plain(PV_ERROR, "the spawner died, and every plugin host with it: provostd ends, too");
    pv_daemon_stop(daemon, PV_EXIT_SPAWNER);
}

/* ---- runner to configuration
 * ----------------------------------------------------------------------- */

static bool known(void *ctx, struct pv_str name)
{
    struct pv_daemon *daemon = ctx;
    return pv_config_instance(daemon->live.config, name) != NULL;
}

/* The instance's own folder, below instances/ of the data folder. */
static int make_data_dir(struct pv_daemon *daemon, struct pv_str instance, struct pv_err *err)
{
    struct pv_str base = daemon->live.config->data_dir;
    int len =
        snprintf(daemon->data_dir, sizeof(daemon->data_dir), "%.*s/instances", PV_STR_ARG(base));
    if (len < 0 || (size_t)len + instance.len + 2 > sizeof(daemon->data_dir)) {
        return pv_err_set(err, PV_ETOOBIG, "data_dir is too long");
    }
    if (mkdir(daemon->data_dir, 0700) != 0 && errno != EEXIST) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", daemon->data_dir,
                          strerror(errno));
    }
    size_t at = (size_t)len;
    snprintf(daemon->data_dir + at, sizeof(daemon->data_dir) - at, "/%.*s", PV_STR_ARG(instance));
    if (mkdir(daemon->data_dir, 0700) != 0 && errno != EEXIST) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", daemon->data_dir,
                          strerror(errno));
    }
    return 0;
}

/* The user of an instance's host, and its folder. */
static int set_user(struct pv_daemon *daemon, const struct pv_config_instance *instance,
                    struct pv_err *err)
{
    if (instance->user.len == 0) {
        return 0;
    }
    if (geteuid() != 0) {
        return pv_err_set(
            err, PV_EDENIED,
            "its host cannot run as user %.*s, because provostd does not run as root: "
            "remove `user`, or run provostd as that user",
            PV_STR_ARG(instance->user));
    }
    if (chown(daemon->data_dir, instance->uid, instance->gid) != 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", daemon->data_dir,
                          strerror(errno));
    }
    daemon->reach.flags |= PV_REACH_USER;
    daemon->reach.uid = instance->uid;
    daemon->reach.gid = instance->gid;
    return 0;
}

/* Where signals of operations come in: what signal_url builds on. */
static const char *callback_base(struct pv_daemon *daemon)
{
    struct pv_str url = daemon->live.config->callback_url;
    while (url.len > 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }
    int len = url.len == 0 ? 0
                           : snprintf(daemon->callback_base, sizeof(daemon->callback_base),
                                      "%.*s/v1/operations/", PV_STR_ARG(url));
    if (len <= 0 || (size_t)len >= sizeof(daemon->callback_base)) {
        daemon->callback_base[0] = '\0';
    }
    return daemon->callback_base;
}

_Static_assert(PV_GRANT_KINDS == PV_REACH_KINDS && PV_GRANT_PATHS_MAX == PV_REACH_PATHS_MAX,
               "what is granted is what a host may reach");

static int instance_spec(void *ctx, struct pv_str name, struct pv_instance_spec *ret_spec,
                         struct pv_err *err)
{
    struct pv_daemon *daemon = ctx;
    const struct pv_config *config = daemon->live.config;
    const struct pv_config_instance *instance = pv_config_instance(config, name);
    if (!instance) {
        return pv_err_set(err, PV_ENOTFOUND, "it is not configured");
    }
    int status = make_data_dir(daemon, name, err);
    if (status != 0) {
        return status;
    }
    struct pv_secret *settings = NULL;
    status = pv_config_settings(instance, &settings, err);
    if (status != 0) {
        return status;
    }
    pv_buf_str(ret_spec->settings, pv_secret_expose(settings));
    pv_secret_free(settings);
    status = pv_reach_make(&(struct pv_reach_parts){.required = config->isolation_required,
                                                    .confined = instance->confined,
                                                    .data_dir = pv_str(daemon->data_dir),
                                                    .module = instance->module_path,
                                                    .command = instance->command,
                                                    .granted = instance->granted},
                           &daemon->reach, err);
    if (status == 0) {
        status = set_user(daemon, instance, err);
    }
    if (status != 0) {
        return status;
    }
    ret_spec->reach = &daemon->reach;
    ret_spec->module = instance->module_path;
    ret_spec->declared = instance->plugin->json;
    ret_spec->data_dir = pv_str(daemon->data_dir);
    ret_spec->callback_base = pv_str(callback_base(daemon));
    ret_spec->max_in_flight = instance->limits.max_in_flight;
    ret_spec->stuck_after_ms = instance->stuck_after_ms;
    ret_spec->cpu_max_ms = instance->cpu_time_ms;
    ret_spec->memory_max = instance->memory_bytes;
    return 0;
}

/* The key of an operation's signals, for the host that hands it out and the API that checks it. */
static bool signal_key(void *ctx, struct pv_id op, uint8_t out[PV_SIGNAL_KEY_BYTES])
{
    const struct pv_daemon *daemon = ctx;
    if (daemon->live.config->callback_url.len == 0) {
        return false;
    }
    pv_keyring_signal_key(daemon->keyring, op, out);
    return true;
}

struct pv_hosts_options pv_daemon_hosts_options(struct pv_daemon *daemon)
{
    return (struct pv_hosts_options){
        .loop = &daemon->loop,
        .spawner = &daemon->spawner,
        .cgroup = &daemon->cgroup,
        .program = daemon->host_program,
        .clock = pv_clock_system,
        .events = {.ctx = daemon,
                   .outcome = on_outcome,
                   .lost = on_lost,
                   .ask = on_ask,
                   .query_ask = on_query_ask,
                   .progress = on_progress,
                   .gone = on_gone},
        .instance = instance_spec,
        .known = known,
        .signal_key = signal_key,
        .ctx = daemon,
    };
}

/* ---- engine to loop
 * --------------------------------------------------------------------------------- */

static void on_engine_timer(uv_timer_t *timer)
{
    struct pv_daemon *daemon = timer->data;
    pv_engine_tick(daemon->engine);
}

static void arm(void *ctx, int64_t mono_ms)
{
    struct pv_daemon *daemon = ctx;
    int64_t wait_ms = mono_ms - pv_mono_ms(&pv_clock_system);
    uv_update_time(&daemon->loop);
    uv_timer_start(&daemon->engine_timer, on_engine_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

struct pv_engine_options pv_daemon_engine_options(struct pv_daemon *daemon)
{
    const struct pv_config_engine *configured = &daemon->live.config->engine;
    return (struct pv_engine_options){
        .clock = pv_clock_system,
        .rng = pv_rng_system,
        .store = daemon->store,
        .planner = pv_config_planner(&daemon->live),
        .runner = pv_hosts_runner(daemon->hosts),
        .max_active = (size_t)configured->max_active,
        .max_backlog = (uint64_t)configured->max_backlog,
        .lease_ms = configured->lease_ms,
        .arm = arm,
        .arm_ctx = daemon,
    };
}

/* ---- api to daemon
 * ---------------------------------------------------------------------------------- */

static void on_reloaded(void *user, int status, struct pv_str report)
{
    struct pv_api_reload *request = user;
    request->done(request, status, report);
}

static int reload(void *ctx, struct pv_api_reload *request)
{
    return pv_daemon_reload(ctx, on_reloaded, request);
}

static void webhooks_changed(void *ctx)
{
    const struct pv_daemon *daemon = ctx;
    if (daemon->webhooks.notifier != NULL) {
        pv_notifier_poke(daemon->webhooks.notifier);
    }
}

static const char *not_ready(void *ctx)
{
    const struct pv_daemon *daemon = ctx;
    return daemon->stopping ? "provostd is stopping" : NULL;
}

static const char *lacks(void *ctx)
{
    (void)ctx;
    const struct pv_isolation isolation = pv_isolation_probe();
    return pv_isolation_lacks(&isolation);
}

static bool is_host(void *ctx, int pid)
{
    const struct pv_daemon *daemon = ctx;
    return pv_hosts_has_pid(daemon->hosts, pid) || pv_spawner_above(&daemon->spawner, pid);
}

static int session_seal(void *ctx, struct pv_str plain, struct pv_buf *out)
{
    const struct pv_daemon *daemon = ctx;
    return pv_keyring_session_seal(daemon->keyring, plain, out);
}

static int session_unseal(void *ctx, struct pv_str sealed, struct pv_arena *arena,
                          struct pv_str *ret_plain)
{
    const struct pv_daemon *daemon = ctx;
    return pv_keyring_session_unseal(daemon->keyring, sealed, arena, ret_plain);
}

static int keys_rotate(void *ctx, struct pv_api_rotate *rotate)
{
    struct pv_daemon *daemon = ctx;
    return pv_keys_rotate(&daemon->keys, rotate);
}

static void keys_show(void *ctx, struct pv_buf *out)
{
    const struct pv_daemon *daemon = ctx;
    pv_keys_show(&daemon->keys, out);
}

struct pv_api_options pv_daemon_api_options(struct pv_daemon *daemon)
{
    const struct pv_config *config = daemon->live.config;
    return (struct pv_api_options){
        .loop = &daemon->loop,
        .clock = pv_clock_system,
        .rng = pv_rng_system,
        .config = config,
        .engine = daemon->engine,
        .store = daemon->store,
        .runner = pv_hosts_runner(daemon->hosts),
        .daemon = {.ctx = daemon,
                   .reload = reload,
                   .status = pv_daemon_status,
                   .hosts = pv_daemon_hosts,
                   .metrics = pv_daemon_metrics,
                   .webhooks_changed = webhooks_changed,
                   .not_ready = not_ready,
                   .lacks = lacks,
                   .is_host = is_host,
                   .keys_rotate = keys_rotate,
                   .keys_show = keys_show,
                   .signal_key = signal_key,
                   .session_seal = session_seal,
                   .session_unseal = session_unseal},
        .version = PV_VERSION,
        .listen = config->listen.ptr,
        .insecure = config->http.insecure_public_listen,
        .admin_socket = config->admin_socket.len > 0 ? config->admin_socket.ptr : NULL,
        .admin_group = config->admin_group.len > 0 ? config->admin_group.ptr : "provost-admin",
    };
}

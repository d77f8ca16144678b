/* SPDX-License-Identifier: Apache-2.0 */
/* provostd's side of plugin hosts: started on demand, watched, restarted with backoff, ended when
 * idle; and struct pv_runner on top of them. docs/supervision.md tells the whole story. Loop
 * thread. Events are called from the loop, never from within a function of this header. */
#ifndef PV_RUNNER_HOSTS_H
#define PV_RUNNER_HOSTS_H

#include "core/base/buf.h"
#include "core/base/metric.h"
#include "core/engine/runner.h"
#include "core/runner/cgroup.h"
#include "core/runner/spawner.h"
#include "core/wire/reach.h"

struct uv_loop_s;

/* What a host needs to know of its instance. The callee initialises with defaults; strings are
 * borrowed until the next call of the function that filled them in. */
struct pv_instance_spec {
    struct pv_str module;   /* path of the shared object */
    struct pv_str declared; /* its description as the configuration has it; may be none */
    struct pv_str data_dir; /* the instance's own folder */
    struct pv_str callback_base;
    const struct pv_reach *reach; /* what its host may reach; borrowed as the strings are */
    struct pv_buf *settings;  /* the caller's: append the JSON, secrets included; wiped after use */
    uint32_t max_in_flight;   /* steps; 0: 1,000 */
    uint32_t max_queries;     /* 0: 64 */
    int64_t start_timeout_ms; /* until READY; 0: 30,000 */
    int64_t stuck_after_ms;   /* without a heartbeat; 0: 30,000 */
    int64_t idle_after_ms;    /* without a call; 0: 600,000 */
    uint64_t memory_max;      /* resident bytes; 0: no limit */
    int64_t cpu_max_ms;       /* processor time without a pause, beside the loop; 0: no limit */
};

/* What a query asks for, and of what. Strings are borrowed until the callback returns. */
struct pv_query_ask {
    struct pv_str instance;
    struct pv_str component;         /* none: a query of the instance */
    struct pv_id service;            /* zero: a query of the instance */
    const struct pv_wire_ask *frame; /* PV_ASK_KV_GET */
};

struct pv_hosts_events {
    void *ctx;
    void (*outcome)(void *ctx, uint64_t call, const struct pv_wire_outcome *outcome);
    void (*lost)(void *ctx, uint64_t call, enum pv_lost lost, int64_t last_send_mono_ms,
                 struct pv_str text);
    void (*ask)(void *ctx, uint64_t call, const struct pv_wire_ask *ask);
    /* A query reads a key; the answer goes to the table's `answer` as well. NULL: queries may not.
     */
    void (*query_ask)(void *ctx, uint64_t call, const struct pv_query_ask *ask);
    void (*progress)(void *ctx, uint64_t call, int percent, struct pv_str text);
    /* The spawner died: nothing can be started any more, and every host is dying. */
    void (*gone)(void *ctx);
};

struct pv_hosts_options {
    struct uv_loop_s *loop;
    struct pv_spawner *spawner;     /* borrowed, running */
    const char *program;            /* path of provost-host; copied */
    const struct pv_cgroup *cgroup; /* borrowed; NULL, or without base: memory is watched */
    struct pv_clock clock;
    struct pv_hosts_events events;
    /* Settings are read here, at the start of a host and at a reload. PV_ENOTFOUND: no such
     * instance; any other error: it cannot start now, and err says why. */
    int (*instance)(void *ctx, struct pv_str name, struct pv_instance_spec *ret_spec,
                    struct pv_err *err);
    /* Whether an instance of that name is configured; asked for every call. */
    bool (*known)(void *ctx, struct pv_str name);
    /* The key in the signal_url of an operation; asked for every step. false, or NULL: there are no
     * such URLs. */
    bool (*signal_key)(void *ctx, struct pv_id op, uint8_t out[PV_SIGNAL_KEY_BYTES]);
    void *ctx;
    int64_t tick_ms;        /* how often hosts are looked at; 0: 250 */
    int64_t grace_ms;       /* beyond a call's own time-out, and after a CANCEL or STOP; 0: 5,000 */
    int64_t backoff_ms;     /* first wait before a restart; doubles; 0: 100 */
    int64_t backoff_cap_ms; /* 0: 30,000 */
};

struct pv_hosts;

int pv_hosts_new(const struct pv_hosts_options *options, struct pv_hosts **ret_hosts,
                 struct pv_err *err) PV_MUST_CHECK;
/* The table for the engine; valid as long as hosts. */
struct pv_runner pv_hosts_runner(struct pv_hosts *hosts);
/* The configuration has changed: a host whose module, settings or limits did takes no new call,
 * finishes what it has and stops; the next call starts a new one. */
void pv_hosts_reload(struct pv_hosts *hosts);
/* Kills every host that has a call in flight. For a stop that takes too long: the calls are lost.
 */
void pv_hosts_kill_busy(struct pv_hosts *hosts);
/* Stops every host (killed after the grace) and closes the handles; then stopped(user). Calls still
 * in flight are lost before that. No call may be started any more. */
void pv_hosts_stop(struct pv_hosts *hosts, void (*stopped)(void *user), void *user);
/* Only after pv_hosts_stop has called back. NULL is legal. */
void pv_hosts_free(struct pv_hosts *hosts);

enum pv_host_state {
    PV_HOST_BACKOFF = 0, /* waits before it is started again */
    PV_HOST_STARTING = 1,
    PV_HOST_READY = 2,
    PV_HOST_DRAINING = 3, /* finishes its calls, then stops */
    PV_HOST_STOPPING = 4, /* told to stop, or killed */
    PV_HOST_STATES = 5,
};
const char *pv_host_state_name(int state);

struct pv_host_status {
    struct pv_str instance; /* borrowed for the call */
    int pid;                /* 0: none */
    enum pv_host_state state;
    bool solo;
    uint32_t in_flight;
    uint64_t restarts;  /* of the instance: ends nobody asked for, since provostd started */
    uint64_t rss_bytes; /* with the programs it started */
    int64_t started_mono_ms;
    struct pv_str fault; /* of the instance: why its last host ended or could not start; or none */
};
/* What the `http` calls of an instance came to since provostd started. */
struct pv_http_totals {
    uint64_t answers[6]; /* 0: none came; 1 to 5: status 1xx to 5xx */
    struct pv_hist ms;
};
/* All zero for an instance that never ran. */
void pv_hosts_http(struct pv_hosts *hosts, struct pv_str instance, struct pv_http_totals *ret);
/* Ends of its hosts that nobody asked for, since provostd started. */
uint64_t pv_hosts_restarts(const struct pv_hosts *hosts, struct pv_str instance);
/* Calls fn for every host, and once with pid 0 and state BACKOFF for an instance that has faults
 * and no host. */
void pv_hosts_each(struct pv_hosts *hosts,
                   void (*fn)(void *user, const struct pv_host_status *status), void *user);
/* Resident bytes of a process; 0 when unknown. */
uint64_t pv_hosts_resident(int pid);
/* How the memory of hosts is limited: by cgroup, or (false) by looking at what is resident. */
bool pv_hosts_by_cgroup(const struct pv_hosts *hosts);
/* Hosts whose cgroup could not be made where others have theirs: these are looked at. */
size_t pv_hosts_without_cgroup(const struct pv_hosts *hosts);
/* True for a process that is a host: the admin socket refuses those. */
bool pv_hosts_has_pid(const struct pv_hosts *hosts, int pid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the runner share. A host is freed in the close callback of its poll handle; a
 * call belongs to exactly one host from its start to its end. Loop thread. */
#ifndef PV_RUNNER_INTERNAL_H
#define PV_RUNNER_INTERNAL_H

#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/runner/hosts.h"
#include "core/runner/judge.h"
#include "core/wire/wire.h"

#include <uv.h>

#define PV_HOST_OUT_CAP (64u * 1024 * 1024)  /* bytes waiting for a host: over it, it is killed */
#define PV_HOST_OUT_FULL (16u * 1024 * 1024) /* over it, no new call */
#define PV_HOST_LEFTOVERS 64
#define PV_HOST_MAX_SOLO 8         /* hosts of one call each, an instance */
#define PV_CALL_QUERY (1ull << 63) /* set in the numbers of queries */

struct host;

struct instance {
    struct pv_map_node node; /* hosts->instances, by name */
    struct pv_str name;      /* owned, NUL-terminated */
    struct host *main;       /* takes new calls; NULL: none */
    size_t solo_count;
    uint64_t restarts;
    unsigned failures; /* unasked ends and failed starts in a row: backoff */
    unsigned nobody;   /* unasked ends in a row that named no culprit */
    int64_t not_before_ms;
    struct pv_http_totals http; /* of hosts that are gone */
    char fault[240];
};

struct call {
    struct pv_map_node node; /* hosts->calls, by id */
    uint64_t id;
    struct pv_link link;     /* host->calls */
    struct pv_heap_node due; /* hosts->deadlines */
    struct host *host;
    struct pv_query *query; /* of a query that nobody has been told about yet */
    bool sent;
    bool canceled;
    bool overdue; /* told to end because its time was over */
    bool asking;  /* has sent an ASK and not got the ANSWER */
    uint8_t kind;
    uint32_t slot;
    uint32_t timeout_ms;
    uint32_t attempt;
    uint32_t lines;         /* LOG frames so far */
    uint32_t progresses;    /* PROGRESS frames so far */
    int64_t lease_until_ms; /* 0: none (queries) */
    struct pv_id op;
    struct pv_id service;
    char *frame; /* waits for READY */
    size_t frame_len;
    char component[PV_MAX_NAME + 1];
    char step[PV_MAX_NAME + 1];
};

struct host {
    struct pv_hosts *hosts;
    struct instance *instance;
    struct pv_map_node node; /* hosts->by_id */
    uint64_t id;
    struct pv_link link;  /* hosts->all */
    struct pv_link dirty; /* hosts->dirty: something to do at the end of this turn */
    enum pv_host_state state;
    bool solo;
    bool polling; /* poll is initialised */
    bool ready;   /* has been READY */
    bool sweep;   /* has calls that were canceled before they were sent */
    bool drain;   /* takes no new call, and stops when it has none */
    bool exited;
    bool eof;
    bool broken;          /* what it says is not read any more */
    bool kill_due;        /* SIGKILL is to be sent, or to be sent again */
    bool told_stop;       /* an exit is expected */
    bool grouped;         /* it has a cgroup */
    bool ungrouped;       /* others have one, its own could not be made */
    enum pv_host_end end; /* why it was killed; 0: it was not */
    uint64_t named;
    int pid;
    int wait_status;
    int fd;
    uv_poll_t poll;
    int poll_events;
    struct pv_page *page;
    struct pv_buf in;
    struct pv_buf hello; /* holds secrets: wiped once it is written */
    struct pv_buf out;
    size_t out_at;
    struct pv_link calls;
    uint32_t in_flight;
    uint32_t queries;
    uint16_t *free_slots;
    size_t free_count;
    uint32_t fresh_slot;
    int64_t lease_ms;
    int64_t since_ms; /* of the state */
    int64_t started_ms;
    int64_t idle_since_ms;
    int64_t eof_since_ms;
    int64_t heartbeat_ms; /* newest believable one */
    int64_t memory_at_ms; /* when memory was looked at */
    int64_t usage_at_ms;  /* when threads and programs were looked at */
    uint64_t below_bytes; /* memory of the programs it started: the less of the last two looks */
    uint64_t below_seen;  /* the same, at the last look */
    int64_t cpu_ms;       /* used until then, without the loop's */
    int64_t busy_ms;      /* of it since the last pause */
    struct pv_hash fingerprint;
    struct pv_instance_spec spec; /* numbers only */
    char fault[240];
};

struct pv_hosts {
    struct pv_hosts_options options;
    char *program;
    struct pv_map instances;
    struct pv_map by_id;
    struct pv_map calls;
    struct pv_heap deadlines;
    struct pv_link all;
    struct pv_link dirty;
    struct pv_buf scratch;
    uv_poll_t spawner_poll;
    uv_timer_t tick;
    uv_prepare_t prepare;
    uv_idle_t again; /* keeps the loop from waiting for one turn */
    bool ticking;
    bool told;                             /* an event was told in this turn */
    uint64_t leftovers[PV_HOST_LEFTOVERS]; /* cgroups of ended hosts that still had a process */
    size_t leftover_count;
    bool stopping;
    bool spawner_gone;
    int64_t ticked_ms;
    uint64_t next_host;
    uint64_t next_query;
    int open_handles;
    void (*stopped)(void *user);
    void *stopped_user;
};

int64_t pv_hosts_now(const struct pv_hosts *hosts);

/* hosts.c */
struct instance *pv_hosts_instance(struct pv_hosts *hosts, struct pv_str name); /* NULL: no memory
                                                                                 */
/* Has the host looked at when this turn of the loop ends. */
void pv_hosts_mark(struct host *host);
/* Handles everything that the spawner has to say. Hosts may be over then. */
void pv_hosts_hear_spawner(struct pv_hosts *hosts);
void pv_hosts_check_stopped(struct pv_hosts *hosts);

/* host.c */
struct host *pv_host_new(struct instance *instance, struct pv_hosts *hosts, bool solo);
void pv_host_launch(struct host *host);
void pv_host_stop(struct host *host); /* asks it to; a host that has not started is over at once */
/* Kills it because of `end`; `named` is the call that is to blame, 0: see the page. */
void pv_host_kill(struct host *host, enum pv_host_end end, uint64_t named);
/* The process is gone, or could not be started: judges the calls, tells, frees. */
void pv_host_over(struct host *host);
/* Takes no new call from here on; stops once it has none. */
void pv_host_drain(struct host *host);
/* Reads the instance's configuration: settings (appended), the rest, and a hash over all of it and
 * the module's file. */
int pv_host_configure(struct pv_hosts *hosts, const struct instance *instance,
                      struct pv_buf *settings, struct pv_instance_spec *ret_spec,
                      struct pv_hash *ret_fingerprint, struct pv_err *err);
/* Adds up what its page has counted. */
void pv_host_add_http(const struct host *host, struct pv_http_totals *totals);
void pv_host_set_state(struct host *host, enum pv_host_state state);

/* io.c */
void pv_host_flush(struct host *host);
void pv_host_read(struct host *host, bool drain);
void pv_host_on_poll(uv_poll_t *poll, int status, int events);

/* calls.c */
int pv_calls_start(void *ctx, uint64_t id, const struct pv_run_step *step);
int pv_calls_query(void *ctx, struct pv_query *query);
void pv_calls_cancel(void *ctx, uint64_t id);
void pv_calls_answer(void *ctx, uint64_t id, const struct pv_wire_answer *answer);
struct call *pv_calls_find(struct pv_hosts *hosts, uint64_t id);
/* The host is READY: sends what has waited. */
void pv_calls_release(struct host *host);
/* Ends a call: takes it out of everything, tells with an outcome, frees it. */
void pv_calls_end(struct call *call, const struct pv_wire_outcome *outcome);
/* The same when its host was lost. */
void pv_calls_lose(struct call *call, enum pv_lost lost, int64_t last_send_ms, struct pv_str text);
/* Cancels every call of a host that was never started. */
void pv_calls_cancel_held(struct host *host);
/* Ends calls that were canceled before they were sent. */
void pv_calls_sweep(struct host *host);
/* Deadlines that have passed. */
void pv_calls_expire(struct pv_hosts *hosts, int64_t now_ms);

/* group.c */
/* A cgroup for it: what puts a process in, or -1 where its memory is watched. */
int pv_group_make(struct host *host, uint64_t max_bytes);
/* Was it killed because its cgroup was full? Says so in its fault. */
bool pv_group_was_full(struct host *host);
void pv_group_leave(struct host *host);
/* Cgroups that could not be removed at once. */
void pv_group_sweep(struct pv_hosts *hosts);

/* watch.c */
void pv_watch_tick(struct pv_hosts *hosts);

#endif

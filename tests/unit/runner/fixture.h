/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the runner share: a spawner, a loop, hosts of fake_host, and what was told about
 * each call. Waiting is running the loop until something holds, for at most twenty seconds. */
#ifndef PV_TESTS_RUNNER_FIXTURE_H
#define PV_TESTS_RUNNER_FIXTURE_H

#include "core/runner/hosts.h"
#include "tests/unit/unit.h"

#include <uv.h>

#define MAX_CALLS 64

struct told {
    bool over;
    bool lost;
    int code; /* outcome or enum pv_lost */
    int64_t last_send_ms;
    int asks;
    int percent;
    int progresses;
    bool touched;
    bool more; /* than its text came with the outcome: a document */
    char text[480];
};

struct fixture {
    uv_loop_t loop;
    uv_timer_t limit;
    struct pv_spawner spawner;
    struct pv_hosts *hosts;
    struct pv_runner runner;
    struct told told[MAX_CALLS]; /* by call number */
    struct told queried;
    const char *module;    /* of the instance "one"; NULL: any will do for fake_host */
    char settings[256];    /* of the same */
    struct pv_reach reach; /* what the function that reads an instance gives */
    uint64_t memory_max;
    int64_t cpu_max_ms;
    int64_t idle_after_ms;
    int64_t stuck_after_ms;
    int64_t start_timeout_ms;
    int instance_status;     /* what the function that reads an instance says */
    const char *query_input; /* of the queries asked; NULL: none */
    bool silent;             /* asks stay without an answer */
    bool gone;
    bool stopped;
    bool late;
};

/* argv[1] of every test: the path of fake_host. */
extern const char *fake_host_path;

void fixture_start(struct fixture *f, const struct pv_hosts_options *base);
void fixture_end(struct fixture *f);
/* Runs the loop until *flag; fails the test when that takes too long. */
void until(struct fixture *f, const bool *flag);
void until_state(struct fixture *f, enum pv_host_state state);
/* Until the spawner has said which process the first host is; a host may answer before that. */
void until_pid(struct fixture *f, struct pv_host_status *ret_first);
/* Starts step `name` of instance "one" as call `id`. */
int start_step(struct fixture *f, uint64_t id, const char *name, bool solo, uint32_t timeout_ms);
int ask_query(struct fixture *f, struct pv_query *query, const char *name, uint32_t timeout_ms);
/* The number of hosts, and the first one's status. */
int host_count(struct fixture *f, struct pv_host_status *ret_first);

#endif

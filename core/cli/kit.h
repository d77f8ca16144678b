/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance kit of `provost plugin check`: plays a plugin in a real host against its backend,
 * through a proxy that spoils requests, and judges what comes of it by what is left at the backend.
 * One thread, beside the proxy's. */
#ifndef PV_CLI_KIT_H
#define PV_CLI_KIT_H

#include "core/cli/job.h"
#include "core/cli/play_call.h"
#include "core/cli/proxy.h"

#include <pthread.h>

#define PV_KIT_EVIDENCE 5 /* sentences kept of a check */
#define PV_KIT_MOST 40    /* requests, or moments of one kind, of an operation that are spoilt */

enum pv_verdict { PV_PASS = 0, PV_FAIL, PV_NOT_APPLICABLE };

/* What a check found. */
struct pv_finding {
    enum pv_verdict verdict;
    json_t *evidence; /* sentences; at most PV_KIT_EVIDENCE, then they are counted */
    size_t failures;
    size_t played; /* scenes that were judged */
};

/* How it is seen what a service has at the backend. */
enum pv_witness {
    PV_WITNESS_NONE = 0,
    PV_WITNESS_INVENTORY, /* the plugin's own query, by ref */
    PV_WITNESS_KEYS,      /* what it keeps under kv_put for its instance */
    PV_WITNESS_COMMAND,   /* lines of the check file's `witness` that hold the ref */
    PV_WITNESS_LEDGER,    /* objects that the backend has created (201) and deleted */
};

/* What an operation does when nothing goes wrong. */
struct pv_kit_life {
    bool declared;
    size_t calls;
    size_t asks; /* of the store */
    size_t requests;
    json_t *things; /* afterwards: kind → count */
    json_t *ledger;
};

struct pv_kit {
    struct pv_cli *cli;
    struct pv_job job;
    json_t *spec;  /* the check file, as JSON; scalars are texts */
    json_t *typed; /* the same with plain numbers and truths as such */
    json_t *plans;
    struct pv_proxy *proxy;
    bool proxied; /* there is a URL to stand before */
    pid_t backend;
    int backend_out;
    char backend_url[512];
    char folder[4096]; /* of the check file */
    int64_t poll_ms;
    enum pv_witness witness;
    bool lived; /* `life` has been played and passed */
    struct pv_kit_life life[PV_OP_TYPES + 1];
    char data_dir[PV_PLAY_DIR_SIZE]; /* of the instance, from play to play; "" while there is none
                                      */
    size_t services;                 /* made so far */
    size_t plays;
    struct pv_buf said; /* what the plugin logged, reported and gave as reasons */
    json_t *secrets;    /* texts that must not be seen */
    size_t biggest_state;
    pthread_mutex_t lock;
    pid_t host; /* guarded by lock: the proxy's thread kills it */
};

/* One service of the kit. */
struct pv_kit_service {
    struct pv_local local;
    struct pv_id op;      /* of its last play */
    const json_t *values; /* of its plan; borrowed */
    const char *plan;
    char external_id[32];
    char name[32];   /* what {{service}} of the check file stands for */
    int64_t objects; /* that the backend said it created (201), less those that it deleted */
};

/* What is to happen to a play, and what it did. */
struct pv_scene {
    /* in */
    enum pv_fault fault;
    size_t at;
    size_t times;
    enum pv_moment moment; /* with meddling */
    enum pv_meddling meddling;
    size_t nth;            /* of those moments, from 1; 0: at each step's first run that is done */
    bool again;            /* the operation of the play before */
    bool keep_state;       /* the state document stays as it was before the play */
    const char *step;      /* this step alone */
    int kind;              /* with step: enum pv_call_kind; -1: as usual */
    const char *plan_name; /* in place of the service's */
    const json_t *previous;
    const json_t *values;                  /* in place of the service's */
    const struct pv_plugin_action *action; /* with PV_OP_ACTION */
    const json_t *form;                    /* of it */
    /* out */
    struct pv_play_result result; /* without its JSON */
    json_t *answer;               /* of a query; the caller's */
    size_t calls;
    size_t asks;
    size_t taken;
    size_t requests;
    bool lost;  /* a host was lost without the kit's doing */
    bool stuck; /* a call outlived its cancel */
    char lost_text[160];
    bool worst_set;
    int worst; /* the first outcome that was not ok or pending */
    int64_t retry_after_ms;
    json_t *ledger; /* the caller's */
    /* in between */
    struct pv_kit *kit;
    uint64_t forgotten; /* steps, as bits */
    bool killed;
    bool meddled;
};

/* ---- kit_file.c ---- */

/* Reads the check file (NULL: none), starts the backend, sets up settings and proxy. PV_EINVAL: the
 * plugin cannot be played, `err` says why. */
int pv_kit_open(struct pv_kit *kit, const char *path, struct pv_err *err) PV_MUST_CHECK;
void pv_kit_close(struct pv_kit *kit);
/* Starts a command of the check file, in its folder, with its output in a pipe. */
int pv_kit_spawn(const struct pv_kit *kit, const char *member, pid_t *ret_pid, int *ret_out,
                 struct pv_err *err) PV_MUST_CHECK;
/* Reads what the backend has printed, so that it never waits for somebody to. */
void pv_kit_drain(const struct pv_kit *kit);

/* ---- kit_service.c ---- */

int pv_kit_service_init(struct pv_kit *kit, struct pv_kit_service *service);
/* As `other`, of another shop: the same external id, the same store. */
int pv_kit_service_twin(struct pv_kit *kit, struct pv_kit_service *service,
                        const struct pv_kit_service *other);
void pv_kit_service_done(struct pv_kit_service *service);

void pv_scene_init(struct pv_scene *scene);
void pv_scene_done(struct pv_scene *scene);
/* Plays an operation. false: it could not be played at all, and the finding says so. */
bool pv_kit_play(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                 int type, struct pv_scene *scene);
/* The same, where nothing is to go wrong: false when it did not end done. */
bool pv_kit_succeed(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                    int type, struct pv_scene *scene);
/* The same, where the scene tells nothing. */
bool pv_kit_do(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
               int type);
/* Brings a new service to where the operation is legal. */
bool pv_kit_bring(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                  int type);
/* Asks a query of the service or the instance; NULL when it is not answered. */
json_t *pv_kit_query(struct pv_kit *kit, struct pv_kit_service *service, const char *name,
                     bool of_service, const json_t *params);
/* What the service has, as kind → count; NULL without a witness. */
json_t *pv_kit_things(struct pv_kit *kit, struct pv_kit_service *service);
/* Whether a step is neither repeatable nor can be looked up. */
bool pv_kit_has_blind_step(const struct pv_kit *kit, int type);

/* ---- judging ---- */

void pv_kit_fail(struct pv_finding *finding, const char *fmt, ...) PV_PRINTF(2, 3);
void pv_kit_skip(struct pv_finding *finding, const char *fmt, ...) PV_PRINTF(2, 3);
/* Says something that is no failure, once; not where there is one. */
void pv_kit_note(struct pv_finding *finding, const char *fmt, ...) PV_PRINTF(2, 3);
/* How many of `count` are played; where that is not all, it is noted. `what` names them. */
size_t pv_kit_most(struct pv_finding *finding, size_t count, const char *whose, const char *what);
/* Whether the service has what it has after `type` (0: nothing). */
bool pv_kit_expect(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                   int type, const char *what);
/* Fails with the sentence of the end. */
void pv_kit_fail_end(struct pv_finding *finding, const char *what, const struct pv_scene *scene);

#define PV_MAY_FAIL (1u << 0) /* it may end failed, with nothing left */
#define PV_MAY_PARK (1u << 1) /* or wait for a person */
/* Judges how an operation ended after something went wrong, and that the service can be ended. */
void pv_kit_judge(struct pv_kit *kit, struct pv_finding *finding, struct pv_kit_service *service,
                  int type, const struct pv_scene *scene, unsigned may, const char *what);

/* What comes of 429: temporary, with the time of Retry-After. `what` names the scene. */
void pv_kit_judge_busy(struct pv_kit *kit, struct pv_finding *finding, const struct pv_scene *scene,
                       const char *what);
/* What comes of refused credentials: a fault of the instance. `what` names the scene. */
void pv_kit_judge_denied(struct pv_kit *kit, struct pv_finding *finding,
                         const struct pv_scene *scene, const char *what);
/* What comes of a call that is canceled: nothing for good. */
void pv_kit_judge_canceled(struct pv_kit *kit, struct pv_finding *finding,
                           const struct pv_scene *scene, const char *what);

/* An operation, or an action, that has been played as it is: kit->life[type] is of it. */
struct pv_victim {
    int type;
    const struct pv_plugin_action *action; /* with PV_OP_ACTION; and its form */
    const json_t *form;
    const char *name;
    unsigned may; /* PV_MAY_… */
};
/* Plays it with SIGKILL of the host at each moment that there is (PV_KIT_MOST of a kind), and
 * judges that. */
void pv_kit_kill(struct pv_kit *kit, struct pv_finding *finding, const struct pv_victim *victim);

/* ---- the checks ---- */

typedef void (*pv_kit_check_fn)(struct pv_kit *kit, struct pv_finding *finding);

void pv_check_declared(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_life(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_double_create(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_terminate_twice(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_terminate_absent(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_unknown_plan(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_suspend_twice(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_upgrade(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_ref(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_undo(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_lost_answer(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_rate_limit(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_denied(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_server_error(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_garbage(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_state_size(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_idempotency_key(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_cancel(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_kill(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_actions(struct pv_kit *kit, struct pv_finding *finding);
void pv_check_secrets(struct pv_kit *kit, struct pv_finding *finding);

#endif

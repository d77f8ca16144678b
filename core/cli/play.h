/* SPDX-License-Identifier: Apache-2.0 */
/* Plays an operation, an action, a query or a single function of one plugin in a real host: with
 * the engine's own rules for outcomes, and the local store for what the store would answer. Blocks;
 * one thread. */
#ifndef PV_CLI_PLAY_H
#define PV_CLI_PLAY_H

#include "core/cli/local.h"
#include "core/config/describe.h"
#include "core/host/mask.h"

#include <sys/types.h>

struct pv_child;
struct pv_reach;
struct pv_play_call;

/* What somebody watching is told. Texts are masked and borrowed. Any function may be NULL. */
struct pv_play_view {
    void *ctx;
    void (*begin)(void *ctx, struct pv_str step, const char *kind, uint32_t attempt);
    void (*log)(void *ctx, int level, struct pv_str text);
    void (*progress)(void *ctx, int percent, struct pv_str text);
    void (*asked)(void *ctx, struct pv_str text); /* "secret_new password: ok" */
    void (*state)(void *ctx, const json_t *before, const json_t *after);
    void (*end)(void *ctx, struct pv_str step, const char *kind, const char *outcome,
                struct pv_str text, int64_t ms);
    void (*waits)(void *ctx, const char *why, int64_t ms);
};

/* What somebody does to a play who wants to see it survive. */
enum pv_moment {
    PV_MOMENT_CALL = 0, /* a function is to be called */
    PV_MOMENT_ASK,      /* the plugin has asked something of the store */
    PV_MOMENT_TAKEN,    /* that is durable; the plugin does not know yet */
    PV_MOMENT_OUTCOME,  /* the function has returned; nothing of that is recorded */
    PV_MOMENT_WAIT,     /* some time has passed without a word of the host */
};

enum pv_meddling {
    PV_LET_BE = 0,
    PV_KILL_HOST, /* not with WAIT */
    PV_FORGET,    /* OUTCOME: it gets lost, while the host lives on */
    PV_REFUSE,    /* CALL: permanent, without a call */
    PV_CANCEL,    /* WAIT: cancels the call, once */
};

/* Functions may be NULL. */
struct pv_meddler {
    void *ctx;
    enum pv_meddling (*moment)(void *ctx, enum pv_moment moment, const struct pv_play_call *call);
    void (*host)(void *ctx, pid_t pid); /* a host has been started; 0: it is no longer there */
};

#define PV_PLAY_DIR_SIZE 64

struct pv_play {
    /* what is played; borrowed */
    const char *host;   /* path of provost-host */
    const char *module; /* absolute path */
    const struct pv_reach *reach;
    const struct pv_plugin *plugin;
    const char *component;
    struct pv_str settings; /* JSON, secrets included */
    struct pv_str input;    /* JSON */
    struct pv_local *local;
    struct pv_play_view view;
    struct pv_meddler meddler;
    int type;                              /* enum pv_op_type; 0: a query */
    const struct pv_plugin_action *action; /* with PV_OP_ACTION */
    const struct pv_plugin_query *query;   /* with 0 */
    bool query_of_service;
    const char *only_step; /* this step alone; NULL: all */
    int only_kind;         /* with only_step: one call of this enum pv_call_kind; -1: as usual */
    uint32_t attempts;     /* of one step; then it is left as it is */
    bool no_waiting;       /* do not wait between attempts and polls */
    int64_t poll_ms;       /* with no_waiting: at most so long before a poll */
    bool again;            /* the operation of the run before: same keys, same reservations */
    int64_t stuck_after_ms;
    const char *keep_dir; /* the instance's folder, which outlives the play; NULL: one for the play
                           */

    /* in between */
    struct pv_mask mask; /* secrets that are known */
    struct pv_child *child;
    char data_dir[PV_PLAY_DIR_SIZE];
    uint64_t calls;
    struct pv_id op;
};

enum pv_play_end {
    PV_PLAY_DONE = 0,
    PV_PLAY_FAILED,         /* permanent; a create, upgrade or action is undone */
    PV_PLAY_NEEDS_OPERATOR, /* parked */
    PV_PLAY_UNFINISHED,     /* attempts ran out, or it waits for a signal */
    PV_PLAY_CANCELED,
};

struct pv_play_result {
    enum pv_play_end end;
    int outcome; /* enum pv_outcome_code of the last call; -1: the host was lost */
    char reason[480];
    json_t *result; /* what a query answered or an action shows; the caller's reference; may be NULL
                     */
};

/* "done", "failed", "needs_operator", "unfinished", "canceled". Static storage. */
const char *pv_play_end_name(enum pv_play_end end);
/* "ok", "temporary", …; "lost" for -1. Static storage. */
const char *pv_play_outcome_name(int outcome);
/* The secrets of the settings go into the mask; call first. */
int pv_play_init(struct pv_play *play, const json_t *settings) PV_MUST_CHECK;
void pv_play_done(struct pv_play *play);
/* 0: it was played, see ret_result. Otherwise the host could not be started or memory ran out. */
int pv_play_run(struct pv_play *play, struct pv_play_result *ret_result,
                struct pv_err *err) PV_MUST_CHECK;
/* An empty folder for an instance; and its end, with all that is in it ("": none). */
int pv_play_make_dir(char ret_path[PV_PLAY_DIR_SIZE], struct pv_err *err) PV_MUST_CHECK;
void pv_play_remove_dir(const char *path);
/* Cancels what is being played; from a signal handler. */
void pv_play_interrupt(void);

#endif

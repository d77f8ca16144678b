/* SPDX-License-Identifier: Apache-2.0 */
/* A whole API in a test: real HTTP, engine, configuration and memory store; plugins are a table.
 * Calls are made one by one, or left open with rig_begin. */
#ifndef PV_TESTS_UNIT_API_RIG_H
#define PV_TESTS_UNIT_API_RIG_H

#include "core/api/api.h"
#include "core/config/config.h"
#include "core/engine/engine.h"
#include "tests/unit/api/client.h"
#include "tests/unit/unit.h"

#include <jansson.h>

#define RIG_CALLS 64

struct rig {
    uv_loop_t loop;
    uv_async_t async;
    struct pv_api *api;
    struct pv_engine *engine;
    struct pv_store *store;
    struct pv_keyring *keyring;
    struct pv_config_live live;
    char dir[64];
    char socket[100];
    int port;
    int64_t tick_ms; /* when the engine wants to be called; 0: not */
    bool stopped;
    bool closed;
    struct pv_clock clock;
    int64_t frozen_ms;     /* not 0: monotonic time stands still there */
    int64_t back_ms;       /* so far the wall clock is behind */
    const char *more_yaml; /* behind the rig's configuration, from the next rig_reload on */
    bool may_close;        /* a call may end without an answer: its status is 0 */
    bool reloads;          /* between every request to the store and its answer, and every query */
    /* what plugins do */
    struct {
        uint64_t call;
        char step[64];
    } steps[RIG_CALLS]; /* to be answered */
    size_t step_count;
    struct pv_query *queries[RIG_CALLS];
    size_t query_count;
    char queried[4096];     /* the input of the last query */
    const char *hold;       /* steps of this name are not answered */
    const char *fail;       /* steps of this name fail for good */
    const char *fail_query; /* queries of this component fail */
    bool hold_queries;
    unsigned steps_run;
    /* the daemon */
    int reload_status;
    const char *reload_report;
    const char *not_ready;
    bool no_signal_keys;         /* there is no public address for callbacks */
    char token[PV_ID_TEXT + 64]; /* of source "shop", all scopes but admin */
};

int rig_open(void **state);
int rig_close(void **state);

/* What came back. */
struct reply {
    int status;
    json_t *body; /* NULL: no JSON */
    char text[1 << 16];
    char head[4096];
};

/* One call with the rig's token; body NULL: none. headers: lines with \r\n, or NULL. */
struct reply *rig_call(struct rig *rig, const char *method, const char *path, const char *headers,
                       const char *body);
/* The same with another token; NULL: none. */
struct reply *rig_call_as(struct rig *rig, const char *token, const char *method, const char *path,
                          const char *headers, const char *body);
/* The same by the admin socket. */
struct reply *rig_admin(struct rig *rig, const char *method, const char *path, const char *headers,
                        const char *body);
void reply_free(struct reply *reply);

/* A call that is left open: runs the loop until `until` is true. */
struct client *rig_begin(struct rig *rig, const char *method, const char *path, const char *headers,
                         const char *body);
struct reply *rig_end(struct rig *rig, struct client *client);
/* Closes the API once a step runs for this client, and lets what was under way end: the answer. */
struct reply *rig_close_under(struct rig *rig, struct client *client);
/* Turns everything once. */
void rig_turn(struct rig *rig);
/* Answers the steps that were held. */
void rig_release(struct rig *rig);
/* Loads the configuration again and lets go of the old one, as a reload does. */
void rig_reload(struct rig *rig);
/* Until nothing is unfinished any more. */
void rig_settle(struct rig *rig);

/* A member by path ("a.b.0.c"); fails the test when it is not there. */
const json_t *reply_at(const struct reply *reply, const char *path);
const char *reply_text(const struct reply *reply, const char *path);
/* Fails the test with the whole answer unless the status is this. */
void reply_expect(const struct reply *reply, int status);
/* A call with a token (NULL: none) that is answered with this status. */
void rig_expect(struct rig *rig, const char *token, const char *method, const char *path,
                const char *body, int status);
/* Expects, reads a text into out, and frees. */
void reply_take(struct reply *reply, int status, const char *path, char *out, size_t size);
/* Expects the status and, in `code` and `errors`, this code; frees. */
void reply_refused(struct reply *reply, int status, const char *code);

/* Makes a service of the rig's source, by an event; its id goes to svc. */
void rig_make(struct rig *rig, const char *external_id, const char *product, const char *plan,
              char svc[40]);
/* fmt with the one %s replaced; good for four calls. */
const char *path_of(const char *fmt, const char *id);
/* Makes a token. scopes: "\"a\",\"b\"". */
void rig_token(struct rig *rig, const char *source, const char *scopes, char *out, size_t size);
/* The same, with what rig_revoke takes. */
void rig_token_id(struct rig *rig, const char *source, const char *scopes, char *out, size_t size,
                  char id[40]);
void rig_revoke(struct rig *rig, const char *id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A struct provost_host in this process, for tests of plugins against real backends: http through
 * libcurl, resolve through dig, kv, quotas and secrets in memory. No waiting is interleaved: a host
 * call simply blocks. One thread; everything is owned by struct fake_host. */
#ifndef TESTS_PLUGINS_FAKE_HOST_H
#define TESTS_PLUGINS_FAKE_HOST_H

#include <jansson.h>

#include "provost/plugin.h"

struct fake_fault {
    int countdown; /* the nth http call from now on; 0: none */
    int error;     /* what it returns, an enum provost_error; 0: an answer with `status` */
    int status;    /* of the answer, with error 0 */
    int send;      /* whether the request reaches the backend first */
};

struct fake_host {
    struct provost_host table; /* first: calls find their fake_host through it */
    const struct provost_plugin *plugin;
    struct provost_plugin own; /* what the plugin declares under its settings, where it does */
    char *settings;
    void *instance;
    json_t *kv;      /* "SCOPE/KEY": {"value", "version"} */
    json_t *quotas;  /* "SERVICE/NAME": used */
    json_t *limits;  /* NAME: limit */
    json_t *secrets; /* reservation key: value */
    struct fake_fault fault;
    unsigned http_calls;
    int dns_port; /* not 0: stands in for the system's resolver, and for every port 53 */
};

/* What one call left behind. Texts are malloc'ed, NULL when not said. */
struct fake_outcome {
    int code;
    char *text;
    int64_t retry_after_ms;
    char *result;
    char *state;
};

/* 0, or -1 with a sentence on standard error. Takes nothing; settings are copied. */
int fake_host_open(struct fake_host *host, const char *module, const char *settings);
void fake_host_close(struct fake_host *host);

struct fake_call {
    const char *operation_id;
    const char *operation;
    const char *step;
    const char *service; /* stands for service id, ref and external id: "svc_X", ref, "X" */
    const char *ref;
    const char *input;
    const char *state;
    unsigned run;
    unsigned attempt;
};

/* Runs one function of the plugin. fake_outcome_done frees what it left. */
void fake_host_call(struct fake_host *host, provost_step_fn function, const struct fake_call *call,
                    struct fake_outcome *ret_outcome);
void fake_outcome_done(struct fake_outcome *outcome);

#endif

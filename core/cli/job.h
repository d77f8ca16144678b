/* SPDX-License-Identifier: Apache-2.0 */
/* What `plugin run` and `plugin test` have in common: a module, its settings and the input of its
 * steps, checked and completed as provostd does it. One thread. */
#ifndef PV_CLI_JOB_H
#define PV_CLI_JOB_H

#include "core/cli/grant.h"
#include "core/cli/play.h"
#include "core/cli/plugin.h"

struct pv_proxy;

struct pv_job {
    char *host;   /* path of provost-host */
    char *module; /* absolute path */
    struct pv_plugin *plugin;
    char *component;         /* the plugin's name, unless something else is said */
    struct pv_grants grants; /* of the command line, and of a file where there is one */
    struct pv_strs granted[PV_GRANT_KINDS]; /* what the plugin may reach with these settings */
    struct pv_reach reach;                  /* the same, without the data folder */
    json_t *settings;                       /* checked, defaults filled in */
    struct pv_buf settings_text;
    struct pv_buf input;
};

/* What the steps are to be given; everything borrowed, NULL: nothing said. */
struct pv_job_input {
    int type;                              /* enum pv_op_type; 0: a query */
    const struct pv_plugin_action *action; /* with PV_OP_ACTION */
    const struct pv_plugin_query *query;   /* with 0 */
    bool query_of_service;
    const json_t *event;    /* as for POST /v1/events */
    const json_t *values;   /* of the plan, as in the configuration */
    const json_t *previous; /* of an upgrade: the values before */
    const json_t *form;     /* of an action; of a query: its parameters */
    const json_t *signals;  /* NAME → body */
};

/* Finds provost-host and the module, has it described, and reads what is granted. An exit status;
 * the reason is printed. */
int pv_job_init(struct pv_cli *cli, struct pv_job *job, const char *module) PV_MUST_CHECK;
void pv_job_done(struct pv_job *job);
/* Prints them; PV_EXIT_USAGE. */
int pv_job_problems(struct pv_cli *cli, const struct pv_problems *problems);
/* A JSON object out of a file; an exit status. */
int pv_job_read(struct pv_cli *cli, const char *path, json_t **ret) PV_MUST_CHECK;
/* Has a plugin whose operations depend on its settings described with these (NULL: none). An exit
 * status; PV_EXIT_USAGE: problems were added. */
int pv_job_declare(struct pv_cli *cli, struct pv_job *job, const json_t *settings,
                   struct pv_problems *problems) PV_MUST_CHECK;
/* Checks them, and whether what the plugin needs is granted. PV_EINVAL: problems were added. */
int pv_job_settings(struct pv_job *job, const json_t *settings,
                    struct pv_problems *problems) PV_MUST_CHECK;
/* Leads every setting that is a URL, or a map with URLs, through the proxy, and starts that.
 * PV_EDENIED: a Unix socket is not within its reach, as a host would say. */
int pv_job_stand_before(struct pv_job *job, struct pv_proxy *proxy, bool *ret_any,
                        struct pv_err *err) PV_MUST_CHECK;
/* Checks and puts together job->input, and the limits of quotas of `local`. PV_EINVAL: problems
 * were added. */
int pv_job_input(struct pv_job *job, const struct pv_job_input *given, struct pv_local *local,
                 struct pv_problems *problems) PV_MUST_CHECK;
/* What play needs to know of it. */
void pv_job_play(const struct pv_job *job, const struct pv_job_input *given, struct pv_local *local,
                 struct pv_play *ret_play);
/* "create", …, from an event's "service.create"; 0 when it is no such type. */
int pv_job_event_type(const json_t *event);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: one YAML file and the .yaml files of conf.d beside it, checked as a whole.
 * Loading blocks (files, describing hosts) and happens at start-up, reload and check time; a loaded
 * configuration is immutable and owns everything it shows. Loop thread. */
#ifndef PV_CONFIG_CONFIG_H
#define PV_CONFIG_CONFIG_H

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/config/grants.h"
#include "core/engine/planner.h"

struct pv_config_log {
    int level;  /* enum pv_level */
    int format; /* as pv_log_setup wants it: -1 by terminal, 0 JSON, 1 text */
};

struct pv_config_http {
    uint64_t max_body; /* bytes of one request body */
    int64_t max_connections;
    int64_t max_connections_per_address; /* 0: a quarter of them, and any of this machine's */
    int64_t header_timeout_ms;           /* from the first byte to the end of the headers */
    int64_t body_timeout_ms;             /* from the end of the headers to the end of the body */
    int64_t idle_timeout_ms;             /* between requests of a kept connection */
    bool insecure_public_listen;         /* plain HTTP on an address that is not loopback */
};

/* The certificate of `listen`. Read when the daemon starts and reloads. */
struct pv_config_tls {
    bool on;
    struct pv_str certificate; /* PEM files */
    struct pv_str key;
    bool only_13; /* TLS 1.3 alone; else 1.2 too */
};

struct pv_config_limits {
    int64_t requests_per_second;      /* of a token; 0: no limit */
    int64_t burst;                    /* 0: those of two seconds */
    int64_t auth_failures_per_minute; /* of an address; 0: no limit */
};

struct pv_config_engine {
    int64_t max_active;
    int64_t max_backlog;
    int64_t lease_ms;
    int64_t deadline_ms;
    struct pv_retry retry;
};

enum pv_pool_kind { PV_POOL_INTEGER = 0, PV_POOL_IPV4 = 1, PV_POOL_IPV6 = 2 };

struct pv_config_pool {
    struct pv_str name;
    int kind;      /* enum pv_pool_kind */
    int64_t first; /* integers and IPv4: the value itself; IPv6: the lower 64 bits */
    int64_t last;
    uint8_t prefix[8]; /* IPv6: the upper 64 bits */
    int64_t reuse_after_ms;
};

/* Somebody who is told what happens, by webhook. */
struct pv_config_subscriber {
    struct pv_str name;
    struct pv_str url;
    struct pv_str ca_file;        /* "": the system's */
    struct pv_secret *secrets[2]; /* the keys' bytes; the second may be NULL */
    struct pv_str *sources;       /* none: all */
    size_t source_count;
    uint32_t events; /* bits of enum pv_notice_type */
    int64_t timeout_ms;
    int64_t max_in_flight;
    int64_t retry_initial_ms;
    int64_t retry_cap_ms;
    int64_t retry_for_ms;
    int64_t keep_undelivered_ms;
};

enum pv_compat { PV_COMPAT_NONE = 0, PV_COMPAT_PAYMENTER = 1 };
enum pv_family { PV_FAMILY_SITE = 0, PV_FAMILY_SUPPORT = 1, PV_FAMILY_DNS = 2 };
#define PV_FAMILIES 3

/* A source that needs more than tokens. */
struct pv_config_source {
    struct pv_str name;
    int compat;                          /* enum pv_compat */
    struct pv_str products[PV_FAMILIES]; /* by enum pv_family; none: those routes are 404 */
    struct pv_str plans[PV_FAMILIES];    /* the plan where a body names none; none: the body must */
};

/* A path at which a query of an instance is served too. */
struct pv_config_alias {
    struct pv_str path;
    struct pv_str query;
};

struct pv_config_secret; /* a SECRET value with its references unresolved */

#define PV_CONFIG_WORDS_MAX 60 /* of a command; PV_REACH_PATHS_MAX is more */

/* One configured copy of a plugin. */
struct pv_config_instance {
    struct pv_str name;
    struct pv_str module;      /* as configured */
    struct pv_str module_path; /* absolute; of the program where there is a command */
    const char **command;     /* of a host that is a program of its own, NULL-terminated; or NULL */
    struct pv_plugin *plugin; /* what it declares; a reference of the configuration's */
    struct pv_instance_limits limits;
    struct pv_retry retry;  /* what it sets itself; 0: as the product */
    int64_t stuck_after_ms; /* a loop that does not turn for so long is stuck */
    int64_t cpu_time_ms;    /* of its threads and programs, without a pause; 0: no limit */
    uint64_t memory_bytes;  /* resident memory of its host; 0: no limit */
    struct pv_strs granted[PV_GRANT_KINDS]; /* what its host may reach; see grants.h */
    bool confined;                          /* false: its host may do what provostd's user may */
    struct pv_str user;                     /* that its host runs as; none: provostd's */
    uint32_t uid;
    uint32_t gid;
    struct pv_config_alias *aliases;
    size_t alias_count;
    struct pv_str settings_shown; /* JSON for people and answers: SECRET values are "********" */
    struct pv_hash fingerprint; /* of what a host must be restarted for: module, settings, limits of
                                   the process */
    /* private */
    json_t *settings; /* checked, without SECRET values */
    struct pv_config_secret *secrets;
    size_t secret_count;
    struct pv_str base_dir; /* relative ${file:…} */
};

/* What a component gets under one plan. */
struct pv_config_values {
    struct pv_str json; /* JSON object: checked, with defaults */
    json_t *object;
};

struct pv_config_component {
    struct pv_str name;
    const struct pv_config_instance *instance;
    struct pv_config_values *values; /* by index of the plan */
};

struct pv_config_plan {
    struct pv_str name;
    struct pv_str quotas; /* "zones=3,backups=2" */
};

struct pv_config_product {
    struct pv_str name;
    struct pv_str label;
    bool hold; /* on_failure: hold */
    int64_t deadline_ms;
    struct pv_retry retry;
    struct pv_config_component *components;
    size_t component_count;
    struct pv_config_plan *plans;
    size_t plan_count;
    struct pv_fields checkout; /* of all components; the first declaration of a name counts */
};

struct pv_config {
    struct pv_str path;        /* of the main file */
    struct pv_str listen_host; /* "127.0.0.1", "::1" */
    uint16_t listen_port;      /* 0: the kernel chooses */
    struct pv_str listen;      /* "127.0.0.1:7070", "[::1]:7070" */
    struct pv_str admin_socket;
    struct pv_str admin_group; /* "": the daemon's own group */
    struct pv_str store;       /* as configured */
    struct pv_str sqlite_path;
    struct pv_str keys;
    struct pv_str data_dir;
    struct pv_str runtime_dir;
    struct pv_str callback_url; /* none: no signals from outside */
    bool migrate;
    struct pv_str *origins; /* "https://shop.example.com", or "*" */
    size_t origin_count;
    struct pv_str *plugin_dirs;
    size_t plugin_dir_count;
    bool isolation_required; /* no plugin runs where the kernel cannot confine it */
    struct pv_config_log log;
    struct pv_config_http http;
    struct pv_config_tls tls;
    struct pv_config_limits limits;
    struct pv_config_engine engine;
    struct pv_config_pool *pools;
    size_t pool_count;
    struct pv_config_source *sources;
    size_t source_count;
    struct pv_config_subscriber *subscribers;
    size_t subscriber_count;
    struct pv_config_instance *instances;
    size_t instance_count;
    struct pv_config_product *products;
    size_t product_count;
    struct pv_arena arena;
};

/* Reads PATH and conf.d/ beside it, describes the modules, checks everything. Problems (warnings
 * too) are added to `problems`. PV_EINVAL when there are errors; PV_ENOMEM. */
int pv_config_load(const char *path, const struct pv_describe *describe,
                   struct pv_problems *problems, struct pv_config **ret_config) PV_MUST_CHECK;
/* Only the options that a client of the daemon needs (admin_socket and what it is derived from):
 * reads no secret and no module, and does not look at the rest. */
int pv_config_load_client(const char *path, struct pv_problems *problems,
                          struct pv_config **ret_config) PV_MUST_CHECK;
void pv_config_free(struct pv_config *config);

/* NULL when there is none. */
const struct pv_config_instance *pv_config_instance(const struct pv_config *config,
                                                    struct pv_str name);
const struct pv_config_product *pv_config_product(const struct pv_config *config,
                                                  struct pv_str name);
const struct pv_config_source *pv_config_source(const struct pv_config *config, struct pv_str name);
const struct pv_config_pool *pv_config_pool(const struct pv_config *config, struct pv_str name);
/* -1 when the product has no such plan. */
int pv_config_plan_index(const struct pv_config_product *product, struct pv_str name);
/* The instance and query that are served at a path; NULL when none is. */
const struct pv_config_instance *pv_config_alias(const struct pv_config *config, struct pv_str path,
                                                 struct pv_str *ret_query);

/* The value of a pool at an index (the number, or the address as a number; IPv6: its lower half).
 */
int pv_pool_text(const struct pv_config_pool *pool, int64_t index, char out[64]) PV_MUST_CHECK;

/* The settings as an instance's host gets them: a JSON object, SECRET values read now. PV_EINVAL or
 * PV_ENOTFOUND when a reference cannot be read or its value does not pass the check any more. */
int pv_config_settings(const struct pv_config_instance *instance, struct pv_secret **ret_json,
                       struct pv_err *err) PV_MUST_CHECK;

/* ---- Checks that the API makes before it accepts ---- */

/* A create: product, plan and params (NULL: none). Problems get paths below `base` ("" or "/3"):
 * base/service/product, base/service/plan, base/service/params/NAME; codes unknown_product,
 * unknown_plan, unknown_param, invalid_param, missing_param. PV_EINVAL or PV_ENOMEM. */
int pv_config_check_create(const struct pv_config *config, struct pv_str product,
                           struct pv_str plan, const json_t *params, const char *base,
                           struct pv_problems *problems) PV_MUST_CHECK;
/* An upgrade of a service of `product` (none: not known yet, the plan is looked for in every
 * product). */
int pv_config_check_upgrade(const struct pv_config *config, struct pv_str product,
                            struct pv_str plan, const json_t *params, const char *base,
                            struct pv_problems *problems) PV_MUST_CHECK;

/* An action of a service, found in its components. */
struct pv_config_action {
    struct pv_str component;
    struct pv_str instance;
    const struct pv_plugin_action *action;
    struct pv_str quota; /* none: it changes none */
    int64_t quota_delta;
    int64_t quota_limit; /* -1: none */
};
/* name is "component.action", or the action's name where only one component has it. composition is
 * the service's, as the store gives it. PV_ENOTFOUND (the sentence names the nearest), or PV_EINVAL
 * when several components have it. Strings live in the arena or the configuration. */
int pv_config_find_action(const struct pv_config *config, struct pv_str composition,
                          struct pv_str product, struct pv_str plan, struct pv_str name,
                          struct pv_arena *arena, struct pv_config_action *ret_action,
                          struct pv_err *err) PV_MUST_CHECK;

/* ---- The planner ---- */

/* The configuration in use. The owner replaces `config` on reload (pointers into the old one are
 * gone then: nobody keeps one across a turn of the loop). */
struct pv_config_live {
    struct pv_config *config;
    /* Hears of the plan of every create, which then goes to the store; NULL: nobody does. */
    void (*planned)(void *ctx, const struct pv_plan *plan);
    void *planned_ctx;
};
/* Borrows `live`. The body of an event is the JSON of docs/api.md; of an action it is
 * {"form": {…}, "reason": "…"}. */
struct pv_planner pv_config_planner(struct pv_config_live *live);

/* ---- Reload ---- */

enum pv_change { PV_CHANGE_ADDED, PV_CHANGE_CHANGED, PV_CHANGE_REMOVED };

struct pv_config_change {
    enum pv_change what;
    struct pv_str instance; /* borrowed from one of the configurations */
};

struct pv_config_diff {
    struct pv_config_change *items; /* instances: hosts to start, drain and restart, or stop */
    size_t count;
    struct pv_arena arena;
};

/* Compares two configurations. in_use says whether live services have the instance: removing such a
 * one is an error; what needs a restart of the daemon (listen, store, …) is a warning. PV_EINVAL
 * when the new one must not be used. */
int pv_config_compare(const struct pv_config *now, const struct pv_config *next,
                      bool (*in_use)(void *ctx, struct pv_str instance), void *ctx,
                      struct pv_config_diff *ret_diff, struct pv_problems *problems) PV_MUST_CHECK;
void pv_config_diff_done(struct pv_config_diff *diff);

/* ---- Documents that are made from the tables ---- */

/* The JSON Schema of the file; with a configuration, also of its instances' settings and plans. */
int pv_config_schema(const struct pv_config *config, struct pv_buf *out) PV_MUST_CHECK;
/* docs/configuration.md. */
int pv_config_manual(struct pv_buf *out) PV_MUST_CHECK;

#endif

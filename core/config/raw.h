/* SPDX-License-Identifier: Apache-2.0 */
/* The file as its tables give it, before names are resolved and modules described. */
#ifndef PV_CONFIG_RAW_H
#define PV_CONFIG_RAW_H

#include "core/config/config.h"
#include "core/config/options.h"

struct pv_raw_retry {
    int64_t initial;
    int64_t factor;
    int64_t cap;
};

struct pv_raw_log {
    int level;
    int format;
};

struct pv_raw_http {
    int64_t max_body;
    int64_t max_connections;
    int64_t max_connections_per_address;
    int64_t header_timeout;
    int64_t body_timeout;
    int64_t idle_timeout;
    bool insecure_public_listen;
};

struct pv_raw_tls {
    struct pv_str certificate;
    struct pv_str key;
    int minimum;
};

struct pv_raw_limits {
    int64_t requests_per_second;
    int64_t burst;
    int64_t auth_failures_per_minute;
};

struct pv_raw_engine {
    int64_t max_active;
    int64_t max_backlog;
    int64_t lease;
    int64_t deadline;
    struct pv_raw_retry retry;
};

struct pv_raw_pool {
    struct pv_option_head head;
    struct pv_str range;
    int64_t reuse_after;
};

struct pv_raw_families {
    struct pv_str site;
    struct pv_str support;
    struct pv_str dns;
};

struct pv_raw_source {
    struct pv_option_head head;
    int compat;
    struct pv_raw_families products;
    struct pv_raw_families plans;
};

struct pv_raw_subscriber {
    struct pv_option_head head;
    struct pv_str url;
    struct pv_option_list secrets;
    struct pv_option_list sources;
    struct pv_option_list events;
    struct pv_str ca_file;
    int64_t timeout;
    int64_t max_in_flight;
    int64_t retry_initial;
    int64_t retry_cap;
    int64_t retry_for;
    int64_t keep_undelivered;
};

extern const struct pv_option pv_subscriber_options[];

struct pv_raw_breaker {
    int64_t failures;
    int64_t open;
    int64_t open_cap;
};

struct pv_raw_grants {
    struct pv_option_list read; /* items NULL: not given */
    struct pv_option_list write;
    struct pv_option_list exec;
    struct pv_option_list unix_sockets;
};

struct pv_raw_instance {
    struct pv_option_head head;
    struct pv_str module;
    struct pv_option_list command;
    const struct pv_node *settings;
    int64_t max_in_flight;
    double rate;
    int64_t burst;
    struct pv_raw_breaker breaker;
    struct pv_raw_retry retry;
    int64_t stuck_after;
    int64_t cpu_time;
    int64_t memory;
    struct pv_raw_grants grants;
    bool confine;
    struct pv_str user;
    const struct pv_node *aliases;
};

struct pv_raw_component {
    struct pv_option_head head;
    struct pv_str name;
    struct pv_str plugin;
    const struct pv_node *values;
};

struct pv_raw_product {
    struct pv_option_head head;
    struct pv_str label;
    int on_failure;
    int64_t deadline;
    struct pv_raw_retry retry;
    const struct pv_node *values;
    struct pv_option_entries components;
    const struct pv_node *plans;
};

struct pv_raw_file {
    struct pv_str listen;
    struct pv_str admin_socket;
    struct pv_str admin_group;
    struct pv_str store;
    bool migrate;
    struct pv_str keys;
    struct pv_str data_dir;
    struct pv_str runtime_dir;
    struct pv_str callback_url;
    struct pv_option_list plugin_dirs;
    int isolation;
    struct pv_option_list allowed_origins;
    struct pv_raw_log log;
    struct pv_raw_http http;
    struct pv_raw_tls tls;
    struct pv_raw_limits limits;
    struct pv_raw_engine engine;
    struct pv_option_entries pools;
    struct pv_option_entries sources;
    struct pv_option_entries subscribers;
    struct pv_option_entries plugins;
    struct pv_option_entries products;
};

/* Groups of options that have a file of their own (tables_http.c). */
extern const struct pv_option pv_http_options[];
extern const struct pv_option pv_tls_options[];
extern const struct pv_option pv_limit_options[];

/* What loading needs all the way. */
struct pv_loading {
    struct pv_config *config;
    struct pv_raw_file raw;
    const struct pv_node *root;
    const struct pv_describe *describe;
    struct pv_problems *problems;
    struct pv_str base_dir;
    const char **pool_names;
    /* descriptions by path, so that two instances share one */
    struct pv_plugin **plugins;
    size_t plugin_count;
};

/* Each fills its part of the configuration. PV_EINVAL: problems were added; PV_ENOMEM. */
int pv_load_listen(struct pv_loading *loading) PV_MUST_CHECK;
int pv_load_pools(struct pv_loading *loading) PV_MUST_CHECK;
int pv_load_instances(struct pv_loading *loading) PV_MUST_CHECK;
/* What the host of an instance may reach; the instance is described and has its settings. */
int pv_load_grants(struct pv_loading *loading, const struct pv_raw_instance *raw,
                   struct pv_config_instance *instance) PV_MUST_CHECK;
/* The aliases of one instance, whose plugin has been described. */
int pv_load_aliases(struct pv_loading *loading, const struct pv_raw_instance *raw,
                    struct pv_config_instance *instance) PV_MUST_CHECK;
int pv_load_products(struct pv_loading *loading) PV_MUST_CHECK;
int pv_load_sources(struct pv_loading *loading) PV_MUST_CHECK;
int pv_load_subscribers(struct pv_loading *loading) PV_MUST_CHECK;
void pv_free_subscribers(struct pv_config *config);
int pv_load_origins(struct pv_loading *loading) PV_MUST_CHECK;

/* What is not given is 0. */
struct pv_retry pv_load_retry(const struct pv_raw_retry *raw);
/* A copy that lives with the configuration; none stays none. Out of memory gives none: check. */
struct pv_str pv_load_copy(struct pv_loading *loading, struct pv_str text);
struct pv_str pv_load_format(struct pv_loading *loading, const char *fmt, ...) PV_PRINTF(2, 3);
/* A problem with a member of a mapping of the file. */
void pv_load_problem(struct pv_loading *loading, const struct pv_node *node, struct pv_str path,
                     const char *member, const char *fmt, ...) PV_PRINTF(5, 6);
/* "there is no product "x" under products; did you mean "y"?" with names out of entries. */
void pv_load_unknown(struct pv_loading *loading, const struct pv_node *node, struct pv_str path,
                     const char *member, const char *what, const char *under, struct pv_str name,
                     const struct pv_option_entries *entries, size_t entry_size);

#endif

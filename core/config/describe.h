/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin declares: read from the JSON that its host prints (docs/wire.md, "The
 * description"). Descriptions are immutable and shared by reference count; one thread. */
#ifndef PV_CONFIG_DESCRIBE_H
#define PV_CONFIG_DESCRIBE_H

#include "core/config/fields.h"
#include "core/engine/types.h"

struct pv_plugin_step {
    struct pv_str name;
    uint8_t flags; /* PV_STEP_… of plan.h */
    uint32_t timeout_ms;
    uint32_t settle_ms;
};

struct pv_plugin_steps {
    struct pv_plugin_step *items;
    size_t count;
};

struct pv_plugin_action {
    struct pv_str name;
    struct pv_str label;
    struct pv_str confirm; /* none: nothing is asked */
    struct pv_str quota;   /* none: it changes none */
    int32_t quota_delta;
    struct pv_fields form;
    struct pv_plugin_steps steps;
};

enum pv_access { PV_ACCESS_TOKEN = 0, PV_ACCESS_PUBLIC = 1, PV_ACCESS_CUSTOMER = 2 };

struct pv_plugin_query {
    struct pv_str name;
    enum pv_access access;
    struct pv_fields params;
};

/* What it does beyond HTTP, DNS and its data folder. */
#define PV_NEEDS_EXEC (1u << 0)
#define PV_NEEDS_READ (1u << 1)
#define PV_NEEDS_WRITE (1u << 2)
#define PV_NEEDS_UNIX_SOCKETS (1u << 3)

struct pv_plugin {
    struct pv_str name;
    struct pv_str version;
    struct pv_str summary;
    struct pv_str path; /* of the module; none: not from a file */
    unsigned needs;     /* PV_NEEDS_… */
    bool by_settings;   /* what it declares depends on the settings */
    struct pv_fields settings;
    struct pv_fields product;
    struct pv_fields checkout;
    struct pv_plugin_steps operations[PV_OP_TYPES + 1]; /* by enum pv_op_type */
    struct pv_plugin_action *actions;
    size_t action_count;
    struct pv_plugin_query *service_queries;
    size_t service_query_count;
    struct pv_plugin_query *instance_queries;
    size_t instance_query_count;
    struct pv_str json; /* the description as it came */
    /* private */
    struct pv_arena arena;
    size_t references;
};

/* Reads a description. path is copied and may be none. PV_EINVAL with the sentence in err. */
int pv_plugin_parse(struct pv_str json, struct pv_str path, struct pv_plugin **ret_plugin,
                    struct pv_err *err) PV_MUST_CHECK;
/* One more reference; returns plugin. */
struct pv_plugin *pv_plugin_ref(struct pv_plugin *plugin);
/* One less; the last one frees. NULL is legal. */
void pv_plugin_unref(struct pv_plugin *plugin);
const struct pv_plugin_action *pv_plugin_action(const struct pv_plugin *plugin, struct pv_str name);
const struct pv_plugin_query *pv_plugin_service_query(const struct pv_plugin *plugin,
                                                      struct pv_str name);
const struct pv_plugin_query *pv_plugin_instance_query(const struct pv_plugin *plugin,
                                                       struct pv_str name);
/* The page that `provost plugin describe` shows, as Markdown. */
int pv_plugin_print(const struct pv_plugin *plugin, struct pv_buf *out);

/* What is to be described. */
struct pv_describe_ask {
    const char *module;         /* absolute path; NULL: a program is asked */
    const char *const *command; /* of a program that is a host itself, NULL-terminated; or NULL */
    struct pv_str settings;     /* JSON without SECRET values; none: what every instance declares */
    /* What the instance's host may reach, by the order of pv_grant_kinds, NUL-terminated: what may
     * be read or started can be read meanwhile, and nothing else. NULL: nothing. */
    const struct pv_strs *granted;
    bool unconfined; /* it may do what the caller may */
    bool required;   /* a kernel that cannot confine it is an error */
};

/* How descriptions are obtained. */
struct pv_describe {
    void *ctx;
    /* Gives the description's JSON (freed with pv_free). Blocks. */
    int (*describe)(void *ctx, const struct pv_describe_ask *ask, char **ret_json,
                    struct pv_err *err);
};

/* Starts `provost-host --describe` in a child process and reads what it prints: at most 10 s and
 * 1 MiB. Remembers what modules answer without settings, by path, size and time of change. Blocks:
 * at start-up, reload and check time. */
struct pv_describer;

/* host_program: path of provost-host; NULL: pv_describer_find_host's. */
int pv_describer_new(const char *host_program, struct pv_describer **ret_describer,
                     struct pv_err *err) PV_MUST_CHECK;
/* How long a module may take; 10,000 ms at first. */
void pv_describer_set_time_limit(struct pv_describer *describer, int64_t ms);
void pv_describer_free(struct pv_describer *describer);
/* Borrows the describer. */
struct pv_describe pv_describer_table(struct pv_describer *describer);
/* The host program: PROVOST_HOST, beside this program, under the prefix that this program is in,
 * the installed one. PV_ENOTFOUND lists where it was looked for. The path is freed with pv_free. */
int pv_describer_find_host(char **ret_path, struct pv_err *err) PV_MUST_CHECK;

/* Whether a path is that of a program that is a host itself, and not of a shared object: it does
 * not end in .so. */
bool pv_module_is_program(const char *path);
/* Finds NAME.so in PROVOST_PLUGIN_PATH, `dirs`, and the installed folder, in this order; a module
 * with a slash is a path. PV_ENOTFOUND lists the folders. The path is freed with pv_free. */
int pv_module_find(struct pv_str module, const struct pv_str *dirs, size_t dir_count,
                   char **ret_path, struct pv_err *err) PV_MUST_CHECK;

#endif

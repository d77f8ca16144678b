/* SPDX-License-Identifier: Apache-2.0 */
/* A module built when the structs were shorter: no lookup and poll in steps, no quota in actions,
 * no access in queries, no options in fields, nothing after `create` in the plugin; and it knows a
 * host table that ends with `log`. */
#include <stddef.h>
#include <stdint.h>

struct old_call;

struct old_host {
    size_t struct_size;
    uint32_t abi;
    const char *(*error)(struct old_call *call);
    void *(*alloc)(struct old_call *call, size_t size);
    void (*log)(struct old_call *call, int level, const char *text);
};

struct old_call {
    size_t struct_size;
    const struct old_host *host;
    void *instance;
    void *host_data;
    const char *operation_id;
};

struct old_field {
    const char *name;
    const char *label;
    const char *description;
};

struct old_step {
    const char *name;
    int (*run)(struct old_call *call);
    int (*undo)(struct old_call *call);
};

struct old_plugin {
    size_t struct_size;
    uint32_t abi;
    uint32_t field_size;
    uint32_t step_size;
    uint32_t action_size;
    uint32_t query_size;
    uint32_t flags;
    const char *name;
    const char *version;
    const char *summary;
    const struct old_field *settings;
    const struct old_field *product;
    const struct old_field *checkout;
    const struct old_step *create;
};

static int run(struct old_call *call)
{
    call->host->log(call, 1, call->operation_id);
    return 0;
}

static const struct old_field settings[] = {
    {"url", "Address", "Where it is."}, {"user", NULL, NULL}, {NULL, NULL, NULL}};
static const struct old_step create[] = {
    {"first", run, NULL}, {"second", run, run}, {NULL, NULL, NULL}};

static const struct old_plugin older = {
    .struct_size = sizeof(struct old_plugin),
    .abi = 1,
    .field_size = sizeof(struct old_field),
    .step_size = sizeof(struct old_step),
    .action_size = 5 * sizeof(void *),
    .query_size = 2 * sizeof(void *),
    .name = "older",
    .version = "0.9.0",
    .summary = "Built with an older header.",
    .settings = settings,
    .create = create,
};

__attribute__((visibility("default"))) const void *provost_plugin_entry(void);

const void *provost_plugin_entry(void)
{
    return &older;
}

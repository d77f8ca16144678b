/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a module and reading what it declares. */
#include "core/host/module.h"

#include "core/base/alloc.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define STRIDE_MAX 4096u

const char *const pv_module_operations[PV_MODULE_OPERATIONS] = {
    "create", "suspend", "unsuspend", "terminate", "upgrade", "renew",
};

static const char *const type_names[] = {
    [PROVOST_T_STRING] = "string",     [PROVOST_T_TEXT] = "text", [PROVOST_T_INT] = "int",
    [PROVOST_T_NUMBER] = "number",     [PROVOST_T_BOOL] = "bool", [PROVOST_T_SIZE] = "size",
    [PROVOST_T_DURATION] = "duration", [PROVOST_T_URL] = "url",   [PROVOST_T_EMAIL] = "email",
    [PROVOST_T_HOSTNAME] = "hostname", [PROVOST_T_IP] = "ip",     [PROVOST_T_SELECT] = "select",
    [PROVOST_T_LIST] = "list",         [PROVOST_T_MAP] = "map",   [PROVOST_T_POOL] = "pool",
    [PROVOST_T_JSON] = "json",
};

const char *pv_module_type_name(uint32_t type)
{
    return type < sizeof(type_names) / sizeof(type_names[0]) ? type_names[type] : NULL;
}

/* [a-z][a-z0-9]* and `also`. */
static bool good_name(const char *name, char also)
{
    if (name[0] < 'a' || name[0] > 'z') {
        return false;
    }
    for (const char *p = name; *p != '\0'; p++) {
        bool word = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == also;
        if (!word || p - name >= 64) {
            return false;
        }
    }
    return true;
}

/* Every entry of a table begins with its name; an entry without one ends the table. */
static const char *entry_name(const void *entry)
{
    const char *name = NULL;
    memcpy(&name, entry, sizeof(name));
    return name;
}

/* Copies a table of entries `stride` bytes apart into an array of entries `size` bytes wide. */
static int copy_table(const void *table, uint32_t stride, size_t size, const char *where,
                      void **ret_items, size_t *ret_count, struct pv_err *err)
{
    *ret_items = NULL;
    *ret_count = 0;
    if (table == NULL) {
        return 0;
    }
    const char *from = table;
    size_t count = 0;
    while (entry_name(from + count * stride) != NULL) {
        const char *name = entry_name(from + count * stride);
        if (!good_name(name, '_')) {
            return pv_err_set(err, PV_EINVAL, "%s: \"%.80s\" is no name ([a-z][a-z0-9_]*)", where,
                              name);
        }
        for (size_t i = 0; i < count; i++) {
            if (strcmp(entry_name(from + i * stride), name) == 0) {
                return pv_err_set(err, PV_EINVAL, "%s: \"%s\" is there twice", where, name);
            }
        }
        count++;
        if (count > PV_MODULE_ENTRIES_MAX) {
            return pv_err_set(err, PV_EINVAL,
                              "%s: more than %d entries, or the {0} at the end is "
                              "missing",
                              where, PV_MODULE_ENTRIES_MAX);
        }
    }
    if (count == 0) {
        return 0;
    }
    char *to = pv_calloc(count, size);
    if (to == NULL) {
        return pv_err_set(err, PV_ENOMEM, "%s: out of memory", where);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * size, from + i * stride, stride < size ? stride : size);
    }
    *ret_items = to;
    *ret_count = count;
    return 0;
}

static int read_fields(const struct provost_plugin *p, const struct provost_field *table,
                       const char *where, struct pv_module_fields *ret, struct pv_err *err)
{
    void *items = NULL;
    int status = copy_table(table, p->field_size, sizeof(struct provost_field), where, &items,
                            &ret->count, err);
    ret->items = items;
    for (size_t i = 0; status == 0 && i < ret->count; i++) {
        const struct provost_field *f = &ret->items[i];
        if (pv_module_type_name(f->type) == NULL) {
            status = pv_err_set(err, PV_EINVAL, "%s: field \"%s\" has the unknown type %u", where,
                                f->name, f->type);
        } else if (f->type == PROVOST_T_SELECT && (f->options == NULL || f->options[0] == '\0')) {
            status = pv_err_set(err, PV_EINVAL, "%s: field \"%s\" is a select without options",
                                where, f->name);
        } else if (f->type == PROVOST_T_JSON && (f->flags & PROVOST_F_SECRET) != 0) {
            status = pv_err_set(err, PV_EINVAL, "%s: field \"%s\" is of type json and SECRET",
                                where, f->name);
        } else if (f->min > f->max) {
            status = pv_err_set(err, PV_EINVAL, "%s: field \"%s\" has a min above its max", where,
                                f->name);
        }
    }
    return status;
}

static int read_steps(const struct provost_plugin *p, const struct provost_step *table,
                      const char *where, struct pv_module_steps *ret, struct pv_err *err)
{
    void *items = NULL;
    int status = copy_table(table, p->step_size, sizeof(struct provost_step), where, &items,
                            &ret->count, err);
    ret->items = items;
    for (size_t i = 0; status == 0 && i < ret->count; i++) {
        if (ret->items[i].run == NULL) {
            status = pv_err_set(err, PV_EINVAL, "%s: step \"%s\" has no run function", where,
                                ret->items[i].name);
        }
    }
    return status;
}

static int read_actions(struct pv_module *m, struct pv_err *err)
{
    void *decls = NULL;
    size_t count = 0;
    int status = copy_table(m->plugin.actions, m->plugin.action_size, sizeof(struct provost_action),
                            "actions", &decls, &count, err);
    if (status != 0 || count == 0) {
        return status;
    }
    m->actions = pv_calloc(count, sizeof(*m->actions));
    if (m->actions == NULL) {
        pv_free(decls);
        return pv_err_set(err, PV_ENOMEM, "actions: out of memory");
    }
    m->action_count = count;
    for (size_t i = 0; status == 0 && i < count; i++) {
        struct pv_module_action *a = &m->actions[i];
        memcpy(&a->decl, (char *)decls + i * sizeof(a->decl), sizeof(a->decl));
        char where[160];
        snprintf(where, sizeof(where), "action %s", a->decl.name);
        status = read_fields(&m->plugin, a->decl.form, where, &a->form, err);
        if (status == 0) {
            status = read_steps(&m->plugin, a->decl.steps, where, &a->steps, err);
        }
        if (status == 0 && a->steps.count == 0) {
            status = pv_err_set(err, PV_EINVAL, "%s: has no steps", where);
        }
    }
    pv_free(decls);
    return status;
}

static int read_queries(struct pv_module *m, const struct provost_query *table, const char *what,
                        struct pv_module_queries *ret, struct pv_err *err)
{
    void *decls = NULL;
    size_t count = 0;
    int status = copy_table(table, m->plugin.query_size, sizeof(struct provost_query), what, &decls,
                            &count, err);
    if (status != 0 || count == 0) {
        return status;
    }
    ret->items = pv_calloc(count, sizeof(*ret->items));
    if (ret->items == NULL) {
        pv_free(decls);
        return pv_err_set(err, PV_ENOMEM, "%s: out of memory", what);
    }
    ret->count = count;
    for (size_t i = 0; status == 0 && i < count; i++) {
        struct pv_module_query *q = &ret->items[i];
        memcpy(&q->decl, (char *)decls + i * sizeof(q->decl), sizeof(q->decl));
        char where[160];
        snprintf(where, sizeof(where), "%s: %s", what, q->decl.name);
        if (q->decl.run == NULL) {
            status = pv_err_set(err, PV_EINVAL, "%s: has no run function", where);
        } else if (q->decl.access > PROVOST_Q_CUSTOMER) {
            status = pv_err_set(err, PV_EINVAL, "%s: unknown access %u", where, q->decl.access);
        } else {
            status = read_fields(&m->plugin, q->decl.params, where, &q->params, err);
        }
    }
    pv_free(decls);
    return status;
}

static bool good_stride(uint32_t stride, size_t least)
{
    return stride >= least && stride <= STRIDE_MAX && stride % sizeof(void *) == 0;
}

static int read_head(const struct provost_plugin *declared, struct provost_plugin *ret,
                     struct pv_err *err)
{
    if (declared == NULL) {
        return pv_err_set(err, PV_EINVAL, "%s returned NULL", PROVOST_PLUGIN_SYMBOL);
    }
    size_t size = declared->struct_size;
    if (size < offsetof(struct provost_plugin, settings) || size > STRIDE_MAX) {
        return pv_err_set(err, PV_EINVAL, "struct provost_plugin has the impossible size %zu",
                          size);
    }
    if (declared->abi != PROVOST_ABI) {
        return pv_err_set(err, PV_EUNSUPPORTED,
                          "the module is built for plugin ABI %u, this host offers %u",
                          declared->abi, PROVOST_ABI);
    }
    memcpy(ret, declared, size < sizeof(*ret) ? size : sizeof(*ret));
    if (!good_stride(ret->field_size, sizeof(char *)) ||
        !good_stride(ret->step_size, offsetof(struct provost_step, undo)) ||
        !good_stride(ret->action_size, offsetof(struct provost_action, quota)) ||
        !good_stride(ret->query_size, offsetof(struct provost_query, params))) {
        return pv_err_set(err, PV_EINVAL,
                          "the tables have impossible sizes: start the struct with "
                          "PROVOST_PLUGIN_HEAD");
    }
    if (ret->name == NULL || !good_name(ret->name, '-')) {
        return pv_err_set(err, PV_EINVAL, "the plugin's name is missing or not [a-z][a-z0-9-]*");
    }
    return 0;
}

int pv_module_read(const struct provost_plugin *declared, struct pv_module *ret_module,
                   struct pv_err *err)
{
    struct pv_module m = {0};
    int status = read_head(declared, &m.plugin, err);
    if (status != 0) {
        return status;
    }
    const struct provost_plugin *p = &m.plugin;
    const struct provost_step *tables[PV_MODULE_OPERATIONS] = {
        p->create, p->suspend, p->unsuspend, p->terminate, p->upgrade, p->renew,
    };
    status = read_fields(p, p->settings, "settings", &m.settings, err);
    if (status == 0) {
        status = read_fields(p, p->product, "product", &m.product, err);
    }
    if (status == 0) {
        status = read_fields(p, p->checkout, "checkout", &m.checkout, err);
    }
    for (size_t i = 0; status == 0 && i < PV_MODULE_OPERATIONS; i++) {
        status = read_steps(p, tables[i], pv_module_operations[i], &m.operations[i], err);
    }
    if (status == 0) {
        status = read_actions(&m, err);
    }
    if (status == 0) {
        status = read_queries(&m, p->service_queries, "service query", &m.service_queries, err);
    }
    if (status == 0) {
        status = read_queries(&m, p->instance_queries, "instance query", &m.instance_queries, err);
    }
    if (status != 0) {
        pv_module_done(&m);
        return pv_err_wrap(err, "plugin %s", p->name);
    }
    *ret_module = m;
    return 0;
}

int pv_module_load(const char *path, struct pv_module *ret_module, struct pv_err *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *why = dlerror();
        return pv_err_set(err, PV_EINVAL, "cannot load %s: %s", path, why != NULL ? why : "?");
    }
    /* POSIX keeps functions and objects alike; ISO C has no cast for it. */
    void *symbol = dlsym(handle, PROVOST_PLUGIN_SYMBOL);
    provost_plugin_entry_fn entry = NULL;
    memcpy(&entry, &symbol, sizeof(entry));
    if (entry == NULL) {
        return pv_err_set(err, PV_EINVAL, "%s is no Provost plugin: it does not export %s", path,
                          PROVOST_PLUGIN_SYMBOL);
    }
    int status = pv_module_read(entry(), ret_module, err);
    return status == 0 ? 0 : pv_err_wrap(err, "%s", path);
}

static void free_queries(struct pv_module_queries *queries)
{
    for (size_t i = 0; i < queries->count; i++) {
        pv_free(queries->items[i].params.items);
    }
    pv_free(queries->items);
}

void pv_module_done(struct pv_module *m)
{
    pv_free(m->settings.items);
    pv_free(m->product.items);
    pv_free(m->checkout.items);
    for (size_t i = 0; i < PV_MODULE_OPERATIONS; i++) {
        pv_free(m->operations[i].items);
    }
    for (size_t i = 0; i < m->action_count; i++) {
        pv_free(m->actions[i].form.items);
        pv_free(m->actions[i].steps.items);
    }
    pv_free(m->actions);
    free_queries(&m->service_queries);
    free_queries(&m->instance_queries);
    const char *name = m->plugin.name;
    *m = (struct pv_module){.plugin.name = name};
}

int pv_module_declare(struct pv_module *m, const char *settings, struct pv_err *err)
{
    if (m->plugin.declare == NULL) {
        return 0;
    }
    char why[512] = "";
    const struct provost_plugin *declared = NULL;
    if (m->plugin.declare(settings, &declared, why, sizeof(why)) != 0) {
        why[sizeof(why) - 1] = '\0';
        return pv_err_set(err, PV_EINVAL, "%s",
                          why[0] != '\0' ? why : "declare failed without a reason");
    }
    struct pv_module own = {0};
    int status = pv_module_read(declared, &own, err);
    if (status != 0) {
        return status;
    }
    const struct provost_plugin before = m->plugin;
    pv_free(own.settings.items);
    own.settings = m->settings;
    m->settings = (struct pv_module_fields){0};
    pv_module_done(m);
    *m = own;
    m->plugin.name = before.name;
    m->plugin.flags = before.flags;
    m->plugin.version = own.plugin.version != NULL ? own.plugin.version : before.version;
    m->plugin.summary = own.plugin.summary != NULL ? own.plugin.summary : before.summary;
    m->plugin.open = before.open;
    m->plugin.close = before.close;
    m->plugin.declare = before.declare;
    return 0;
}

static const struct pv_module_steps *find_steps(const struct pv_module *m, struct pv_str operation,
                                                bool is_action)
{
    for (size_t i = 0; is_action && i < m->action_count; i++) {
        if (pv_str_eq_c(operation, m->actions[i].decl.name)) {
            return &m->actions[i].steps;
        }
    }
    for (size_t i = 0; !is_action && i < PV_MODULE_OPERATIONS; i++) {
        if (pv_str_eq_c(operation, pv_module_operations[i])) {
            return &m->operations[i];
        }
    }
    return NULL;
}

const struct provost_step *pv_module_step(const struct pv_module *m, struct pv_str operation,
                                          bool is_action, struct pv_str step)
{
    const struct pv_module_steps *steps = find_steps(m, operation, is_action);
    for (size_t i = 0; steps != NULL && i < steps->count; i++) {
        if (pv_str_eq_c(step, steps->items[i].name)) {
            return &steps->items[i];
        }
    }
    return NULL;
}

const struct pv_module_query *pv_module_query(const struct pv_module *m, bool of_service,
                                              struct pv_str name)
{
    const struct pv_module_queries *queries =
        of_service ? &m->service_queries : &m->instance_queries;
    for (size_t i = 0; i < queries->count; i++) {
        if (pv_str_eq_c(name, queries->items[i].decl.name)) {
            return &queries->items[i];
        }
    }
    return NULL;
}

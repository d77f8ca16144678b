/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's declarations, read once into structs of this build: a module built with an older or a
 * newer plugin.h has tables of other strides, of which the common part is copied. Loop thread. */
#ifndef PV_HOST_MODULE_H
#define PV_HOST_MODULE_H

#include "core/base/buf.h"
#include "provost/plugin.h"

#define PV_MODULE_ENTRIES_MAX 256 /* of one table */

struct pv_module_fields {
    struct provost_field *items; /* strings are the module's */
    size_t count;
};

struct pv_module_steps {
    struct provost_step *items;
    size_t count;
};

struct pv_module_action {
    struct provost_action decl;
    struct pv_module_fields form;
    struct pv_module_steps steps;
};

struct pv_module_query {
    struct provost_query decl;
    struct pv_module_fields params;
};

struct pv_module_queries {
    struct pv_module_query *items;
    size_t count;
};

enum { PV_MODULE_OPERATIONS = 6 };
extern const char *const pv_module_operations[PV_MODULE_OPERATIONS];

struct pv_module {
    struct provost_plugin plugin; /* members that the module does not have are zero */
    struct pv_module_fields settings;
    struct pv_module_fields product;
    struct pv_module_fields checkout;
    struct pv_module_steps operations[PV_MODULE_OPERATIONS];
    struct pv_module_action *actions;
    size_t action_count;
    struct pv_module_queries service_queries;
    struct pv_module_queries instance_queries;
};

/* dlopen, entry function, pv_module_read. The shared object stays loaded for good. */
int pv_module_load(const char *path, struct pv_module *ret_module,
                   struct pv_err *err) PV_MUST_CHECK;
/* Copies and checks the declarations; PV_EINVAL with a sentence that names what is wrong where. */
int pv_module_read(const struct provost_plugin *declared, struct pv_module *ret_module,
                   struct pv_err *err) PV_MUST_CHECK;
/* Has a plugin with a `declare` say what an instance with these settings (JSON without SECRET
 * fields) declares, and puts that in place of what was read before; any other plugin stays as it
 * is. PV_EINVAL with the plugin's sentence. */
int pv_module_declare(struct pv_module *module, const char *settings,
                      struct pv_err *err) PV_MUST_CHECK;
void pv_module_done(struct pv_module *module);

/* NULL when there is none. */
const struct provost_step *pv_module_step(const struct pv_module *module, struct pv_str operation,
                                          bool is_action, struct pv_str step);
const struct pv_module_query *pv_module_query(const struct pv_module *module, bool of_service,
                                              struct pv_str name);
/* The JSON of docs/wire.md, "The description". Errors stick in out. */
void pv_module_describe(const struct pv_module *module, struct pv_buf *out);
/* "string", "size", …; NULL for a number that is no enum provost_type. */
const char *pv_module_type_name(uint32_t type);

#endif

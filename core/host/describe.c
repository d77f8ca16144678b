/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's declarations as JSON: what READY carries and `provost-host --describe` prints. */
#include "core/host/host.h"
#include "core/host/module.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 60000u
#define DEFAULT_SETTLE_MS 5000u

static void put_text(struct pv_buf *out, const char *key, const char *value)
{
    if (value != NULL) {
        pv_buf_printf(out, ", \"%s\": ", key);
        pv_buf_json(out, pv_str(value));
    }
}

static void put_flag(struct pv_buf *out, const char *key, bool value)
{
    pv_buf_printf(out, ", \"%s\": %s", key, value ? "true" : "false");
}

static void put_options(struct pv_buf *out, const char *options)
{
    pv_buf_c(out, ", \"options\": [");
    for (const char *p = options;; p++) {
        size_t len = strcspn(p, "|");
        pv_buf_json(out, (struct pv_str){p, len});
        p += len;
        if (*p == '\0') {
            break;
        }
        pv_buf_c(out, ", ");
    }
    pv_buf_c(out, "]");
}

static void put_field(struct pv_buf *out, const struct provost_field *f)
{
    pv_buf_c(out, "{\"name\": ");
    pv_buf_json(out, pv_str(f->name));
    put_text(out, "type", pv_module_type_name(f->type));
    put_text(out, "label", f->label != NULL ? f->label : f->name);
    put_text(out, "description", f->description);
    put_text(out, "default", f->fallback);
    if (f->type == PROVOST_T_SELECT) {
        put_options(out, f->options);
    }
    put_text(out, "pattern", f->pattern);
    if (f->min != 0 || f->max != 0) {
        pv_buf_printf(out, ", \"min\": %" PRId64 ", \"max\": %" PRId64, f->min, f->max);
    }
    put_flag(out, "required", (f->flags & PROVOST_F_REQUIRED) != 0);
    put_flag(out, "secret", (f->flags & PROVOST_F_SECRET) != 0);
    put_flag(out, "immutable", (f->flags & PROVOST_F_IMMUTABLE) != 0);
    put_flag(out, "file", (f->flags & PROVOST_F_FILE) != 0);
    pv_buf_c(out, "}");
}

static void put_fields(struct pv_buf *out, const char *key, const struct pv_module_fields *fields)
{
    pv_buf_printf(out, ", \"%s\": [", key);
    for (size_t i = 0; i < fields->count; i++) {
        pv_buf_c(out, i > 0 ? ", " : "");
        put_field(out, &fields->items[i]);
    }
    pv_buf_c(out, "]");
}

static void put_steps(struct pv_buf *out, const struct pv_module_steps *steps)
{
    pv_buf_c(out, "[");
    for (size_t i = 0; i < steps->count; i++) {
        const struct provost_step *s = &steps->items[i];
        pv_buf_c(out, i > 0 ? ", {\"name\": " : "{\"name\": ");
        pv_buf_json(out, pv_str(s->name));
        put_flag(out, "repeatable", (s->flags & PROVOST_S_REPEATABLE) != 0);
        put_flag(out, "undo", s->undo != NULL);
        put_flag(out, "lookup", s->lookup != NULL);
        put_flag(out, "poll", s->poll != NULL);
        pv_buf_printf(out, ", \"timeout_ms\": %" PRIu32 ", \"settle_ms\": %" PRIu32 "}",
                      s->timeout_ms > 0 ? s->timeout_ms : DEFAULT_TIMEOUT_MS,
                      s->settle_ms > 0 ? s->settle_ms : DEFAULT_SETTLE_MS);
    }
    pv_buf_c(out, "]");
}

static void put_actions(struct pv_buf *out, const struct pv_module *m)
{
    pv_buf_c(out, ", \"actions\": [");
    for (size_t i = 0; i < m->action_count; i++) {
        const struct pv_module_action *a = &m->actions[i];
        pv_buf_c(out, i > 0 ? ", {\"name\": " : "{\"name\": ");
        pv_buf_json(out, pv_str(a->decl.name));
        put_text(out, "label", a->decl.label != NULL ? a->decl.label : a->decl.name);
        put_text(out, "confirm", a->decl.confirm);
        put_fields(out, "form", &a->form);
        pv_buf_c(out, ", \"steps\": ");
        put_steps(out, &a->steps);
        put_text(out, "quota", a->decl.quota);
        pv_buf_printf(out, ", \"quota_delta\": %" PRId32 "}", a->decl.quota_delta);
    }
    pv_buf_c(out, "]");
}

static void put_queries(struct pv_buf *out, const char *key,
                        const struct pv_module_queries *queries)
{
    static const char *const access[] = {"token", "public", "customer"};
    pv_buf_printf(out, ", \"%s\": [", key);
    for (size_t i = 0; i < queries->count; i++) {
        const struct pv_module_query *q = &queries->items[i];
        pv_buf_c(out, i > 0 ? ", {\"name\": " : "{\"name\": ");
        pv_buf_json(out, pv_str(q->decl.name));
        put_text(out, "access", access[q->decl.access]);
        put_fields(out, "params", &q->params);
        pv_buf_c(out, "}");
    }
    pv_buf_c(out, "]");
}

static void put_needs(struct pv_buf *out, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } needs[] = {{PROVOST_P_EXEC, "exec"},
                 {PROVOST_P_READ, "read"},
                 {PROVOST_P_WRITE, "write"},
                 {PROVOST_P_UNIX_SOCKETS, "unix_sockets"}};
    bool first = true;
    pv_buf_c(out, ", \"needs\": [");
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        if ((flags & needs[i].flag) != 0) {
            pv_buf_printf(out, "%s\"%s\"", first ? "" : ", ", needs[i].name);
            first = false;
        }
    }
    pv_buf_c(out, "]");
}

void pv_module_describe(const struct pv_module *m, struct pv_buf *out)
{
    pv_buf_c(out, "{\"name\": ");
    pv_buf_json(out, pv_str(m->plugin.name));
    put_text(out, "version", m->plugin.version != NULL ? m->plugin.version : "0");
    put_text(out, "summary", m->plugin.summary != NULL ? m->plugin.summary : "");
    pv_buf_printf(out, ", \"abi\": %" PRIu32, m->plugin.abi);
    put_needs(out, m->plugin.flags);
    if (m->plugin.declare != NULL) {
        put_flag(out, "by_settings", true);
    }
    put_fields(out, "settings", &m->settings);
    put_fields(out, "product", &m->product);
    put_fields(out, "checkout", &m->checkout);
    pv_buf_c(out, ", \"operations\": {");
    bool first = true;
    for (size_t i = 0; i < PV_MODULE_OPERATIONS; i++) {
        if (m->operations[i].count > 0) {
            pv_buf_printf(out, "%s\"%s\": ", first ? "" : ", ", pv_module_operations[i]);
            put_steps(out, &m->operations[i]);
            first = false;
        }
    }
    pv_buf_c(out, "}");
    put_actions(out, m);
    put_queries(out, "service_queries", &m->service_queries);
    put_queries(out, "instance_queries", &m->instance_queries);
    pv_buf_c(out, "}");
}

int pv_host_describe(const char *module, const char *settings, struct pv_buf *out,
                     struct pv_err *err)
{
    struct pv_module m = {0};
    int status = pv_module_load(module, &m, err);
    if (status != 0) {
        return status;
    }
    status = settings != NULL ? pv_module_declare(&m, settings, err) : 0;
    if (status != 0) {
        pv_module_done(&m);
        return status;
    }
    pv_module_describe(&m, out);
    pv_module_done(&m);
    return out->status == 0 ? 0 : pv_err_set(err, out->status, "%s: cannot be described", module);
}

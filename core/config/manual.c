/* SPDX-License-Identifier: Apache-2.0 */
/* Pages made from tables: the reference of the configuration file, and what a plugin declares. */
#include "core/config/raw.h"

#include <stdio.h>
#include <string.h>

static const char intro[] =
    "# The configuration file\n"
    "\n"
    "*Made from the tables in `core/config/tables.c` by `tools/gen-config-docs`.*\n"
    "\n"
    "`provostd -c FILE` reads one YAML file, and after it every `conf.d/*.yaml` beside it, in the "
    "order of\n"
    "their names. What is given twice is refused, within a file and between files; the members of "
    "a top-level\n"
    "mapping such as `plugins` may be spread over several files. Anchors, aliases and tags of YAML "
    "are not\n"
    "used.\n"
    "\n"
    "The whole is checked before any of it is used: `provost config check` lists every "
    "problem with its\n"
    "file, line, column and path. After a change, `provost reload` (or SIGHUP) does the same check "
    "first; a\n"
    "file with a problem changes nothing. A changed instance is drained and restarted without "
    "losing a step; an\n"
    "instance that services use cannot be removed. Options that are read only once (addresses, "
    "folders, `store`,\n"
    "`keys`, `http`, `log`, and of `engine` those that are not about retrying) take effect at the "
    "next start.\n"
    "\n"
    "```yaml\n"
    "listen: 127.0.0.1:7070\n"
    "store: sqlite:///var/lib/provost/provost.db\n"
    "plugins:\n"
    "  pdns-1:\n"
    "    module: dns\n"
    "    settings: {driver: powerdns, url: http://127.0.0.1:8081, api_key: "
    "\"${file:/etc/provost/pdns.key}\"}\n"
    "  support: {module: support}\n"
    "products:\n"
    "  wordpress:\n"
    "    components:\n"
    "      - {name: zone, plugin: pdns-1}\n"
    "      - {name: support, plugin: support}\n"
    "    plans:\n"
    "      basic: {zones: 3}\n"
    "```\n"
    "\n"
    "## Values\n"
    "\n"
    "* Sizes: bytes, or a number with `B`, `kB`, `MB`, `GB`, `TB`, `PB`, `KiB`, `MiB`, `GiB`, "
    "`TiB`, `PiB`.\n"
    "* Durations: a number with `ms`, `s`, `m`, `h` or `d`.\n"
    "* Relative file names are below the folder of the main file.\n"
    "* Any text may hold `${file:PATH}` (the file without the line end at its end), `${env:NAME}` "
    "or\n"
    "  `${credential:NAME}` (a credential of systemd). `$${` stands for `${`. A setting that its "
    "plugin declares\n"
    "  as secret is read anew whenever the plugin is started, is never shown, and never kept "
    "elsewhere.\n"
    "\n"
    "## Values of plans\n"
    "\n"
    "What a plan may set is declared by the plugins of the product's components: `provost plugin "
    "describe NAME`\n"
    "lists it under \"Product\". A component takes the values that its own plugin declares. Each "
    "is looked for\n"
    "first in the component's `values`, then in the plan, then in the product's `values`, and is "
    "else the\n"
    "plugin's default. A whole number is also the limit of the quota of the same name. A service "
    "keeps the values\n"
    "that it was created with, until an upgrade; limits of quotas are those of its plan as it is "
    "now.\n"
    "\n";

static const char *type_text(const struct pv_option *option)
{
    switch (option->kind) {
    case PV_T_INT:
        return "whole number";
    case PV_T_NUMBER:
        return "number";
    case PV_T_BOOL:
        return "true or false";
    case PV_T_SIZE:
        return "size";
    case PV_T_DURATION:
        return "duration";
    case PV_T_URL:
        return "URL";
    case PV_T_LIST:
        return "list of texts";
    case PV_O_PATH:
        return "file name";
    case PV_O_GROUP:
    case PV_O_ENTRIES:
    case PV_O_NODE:
        return "mapping";
    case PV_O_ITEMS:
        return "list of mappings";
    default:
        return "text";
    }
}

static void put_type(struct pv_buf *out, const struct pv_option *option)
{
    if (option->kind != PV_T_SELECT) {
        pv_buf_c(out, type_text(option));
        return;
    }
    for (const char *at = option->options; at;) {
        size_t len = strcspn(at, "|");
        pv_buf_printf(out, "%s`%.*s`", at == option->options ? "" : ", ", (int)len, at);
        at = at[len] == '|' ? at + len + 1 : NULL;
    }
}

static void put_default(struct pv_buf *out, const struct pv_option *option)
{
    if (option->required) {
        pv_buf_c(out, "*required*");
    } else if (option->shown_default) {
        pv_buf_c(out, option->shown_default);
    } else if (option->fallback) {
        pv_buf_printf(out, "`%s`", option->fallback);
    }
}

static void put_bound(struct pv_buf *out, const struct pv_option *option, int64_t bound)
{
    char text[32];
    if (option->kind == PV_T_SIZE) {
        pv_size_show((uint64_t)bound, text);
    } else if (option->kind == PV_T_DURATION) {
        pv_duration_show(bound, text);
    } else {
        snprintf(text, sizeof(text), "%lld", (long long)bound);
    }
    pv_buf_c(out, text);
}

static void put_bounds(struct pv_buf *out, const struct pv_option *option)
{
    bool counted = option->kind == PV_T_INT || option->kind == PV_T_NUMBER ||
                   option->kind == PV_T_SIZE || option->kind == PV_T_DURATION;
    if (!counted || (option->min == 0 && option->max == 0) || option->max == INT64_MAX) {
        return;
    }
    pv_buf_c(out, " (");
    put_bound(out, option, option->min);
    pv_buf_c(out, " to ");
    put_bound(out, option, option->max);
    pv_buf_c(out, ")");
}

static void put_table(struct pv_buf *out, const struct pv_option *table)
{
    pv_buf_c(out, "| option | type | default | meaning |\n|---|---|---|---|\n");
    for (const struct pv_option *option = table; option->name; option++) {
        pv_buf_printf(out, "| `%s` | ", option->name);
        put_type(out, option);
        put_bounds(out, option);
        pv_buf_c(out, " | ");
        put_default(out, option);
        pv_buf_printf(out, " | %s |\n", option->doc);
    }
    pv_buf_char(out, '\n');
}

/* The tables below one, each under its path. */
static void put_below(struct pv_buf *out, const struct pv_option *table, const char *prefix)
{
    for (const struct pv_option *option = table; option->name; option++) {
        if (!option->sub) {
            continue;
        }
        char path[200];
        const char *more = option->kind == PV_O_ENTRIES ? ".NAME"
                           : option->kind == PV_O_ITEMS ? "[]"
                                                        : "";
        snprintf(path, sizeof(path), "%s%s%s", prefix, option->name, more);
        pv_buf_printf(out, "## `%s`\n\n%s\n\n", path, option->doc);
        put_table(out, option->sub);
        snprintf(path, sizeof(path), "%s%s%s.", prefix, option->name, more);
        put_below(out, option->sub, path);
    }
}

int pv_config_manual(struct pv_buf *out)
{
    pv_buf_c(out, intro);
    pv_buf_c(out, "## Options\n\n");
    put_table(out, pv_file_options);
    put_below(out, pv_file_options, "");
    while (out->status == PV_OK && out->len > 1 && out->ptr[out->len - 2] == '\n') {
        out->len--;
    }
    return out->status;
}

/* ---- what a plugin declares ---- */

static void put_field(struct pv_buf *out, const struct pv_field *field)
{
    pv_buf_printf(out, "* `%.*s` (", PV_STR_ARG(field->name));
    if (field->type == PV_T_SELECT) {
        for (size_t i = 0; i < field->option_count; i++) {
            pv_buf_printf(out, "%s`%.*s`", i > 0 ? ", " : "", PV_STR_ARG(field->options[i]));
        }
    } else {
        pv_buf_c(out, pv_field_type_name((int)field->type));
    }
    if (field->fallback.ptr) {
        pv_buf_printf(out, "; default `%.*s`", PV_STR_ARG(field->fallback));
    } else if ((field->flags & PV_F_REQUIRED) != 0) {
        pv_buf_c(out, "; required");
    }
    pv_buf_c(out, (field->flags & PV_F_SECRET) != 0 ? "; secret" : "");
    pv_buf_c(out, (field->flags & PV_F_IMMUTABLE) != 0 ? "; cannot be changed by an upgrade" : "");
    pv_buf_printf(out, "): %.*s", PV_STR_ARG(field->label));
    if (field->description.len > 0) {
        pv_buf_printf(out, ". %.*s", PV_STR_ARG(field->description));
    }
    pv_buf_char(out, '\n');
}

static void put_fields(struct pv_buf *out, const char *title, const struct pv_fields *fields)
{
    if (fields->count == 0) {
        return;
    }
    pv_buf_printf(out, "## %s\n\n", title);
    for (size_t i = 0; i < fields->count; i++) {
        put_field(out, &fields->items[i]);
    }
    pv_buf_char(out, '\n');
}

static void put_steps(struct pv_buf *out, const struct pv_plugin_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        const struct pv_plugin_step *step = &steps->items[i];
        pv_buf_printf(out, "%s%.*s", i > 0 ? ", " : "", PV_STR_ARG(step->name));
        bool undo = (step->flags & PV_STEP_UNDO) != 0;
        bool lookup = (step->flags & PV_STEP_LOOKUP) != 0;
        bool repeatable = (step->flags & PV_STEP_REPEATABLE) != 0;
        if (undo || lookup || repeatable) {
            pv_buf_printf(out, " (%s%s%s%s%s)", repeatable ? "repeatable" : "",
                          repeatable && (undo || lookup) ? ", " : "", lookup ? "lookup" : "",
                          lookup && undo ? ", " : "", undo ? "undo" : "");
        }
    }
    pv_buf_char(out, '\n');
}

static void put_operations(struct pv_buf *out, const struct pv_plugin *plugin)
{
    pv_buf_c(out, "## Operations\n\n");
    for (int type = 1; type <= PV_OP_TYPES; type++) {
        if (plugin->operations[type].count > 0) {
            pv_buf_printf(out, "* %s: ", pv_op_type_name(type));
            put_steps(out, &plugin->operations[type]);
        }
    }
    pv_buf_char(out, '\n');
}

static void put_actions(struct pv_buf *out, const struct pv_plugin *plugin)
{
    for (size_t i = 0; i < plugin->action_count; i++) {
        const struct pv_plugin_action *action = &plugin->actions[i];
        pv_buf_printf(out, "## Action `%.*s`: %.*s\n\n", PV_STR_ARG(action->name),
                      PV_STR_ARG(action->label));
        if (action->quota.ptr) {
            pv_buf_printf(out, "%s of the quota `%.*s`.\n\n",
                          action->quota_delta < 0 ? "Gives back one" : "Takes one",
                          PV_STR_ARG(action->quota));
        }
        for (size_t k = 0; k < action->form.count; k++) {
            put_field(out, &action->form.items[k]);
        }
        pv_buf_c(out, action->form.count > 0 ? "\n" : "");
        pv_buf_c(out, "Steps: ");
        put_steps(out, &action->steps);
        pv_buf_char(out, '\n');
    }
}

static void put_queries(struct pv_buf *out, const char *title, const struct pv_plugin_query *items,
                        size_t count)
{
    static const char *const access[] = {"token", "public", "customer"};
    if (count == 0) {
        return;
    }
    pv_buf_printf(out, "## %s\n\n", title);
    for (size_t i = 0; i < count; i++) {
        pv_buf_printf(out, "* `%.*s` (%s)", PV_STR_ARG(items[i].name), access[items[i].access]);
        for (size_t k = 0; k < items[i].params.count; k++) {
            pv_buf_printf(out, "%s`%.*s`", k == 0 ? ": " : ", ",
                          PV_STR_ARG(items[i].params.items[k].name));
        }
        pv_buf_char(out, '\n');
    }
    pv_buf_char(out, '\n');
}

static void put_needs(struct pv_buf *out, unsigned needs)
{
    static const struct {
        unsigned need;
        const char *text;
    } all[] = {{PV_NEEDS_EXEC, "* starts programs: `grants.exec`\n"},
               {PV_NEEDS_READ, "* reads files: `grants.read`\n"},
               {PV_NEEDS_WRITE, "* writes files: `grants.write`\n"},
               {PV_NEEDS_UNIX_SOCKETS, "* connects to Unix sockets: `grants.unix_sockets`\n"}};
    if (needs == 0) {
        return;
    }
    pv_buf_c(out, "It needs to be granted what it does beyond HTTP, DNS and its data folder:\n\n");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if ((needs & all[i].need) != 0) {
            pv_buf_c(out, all[i].text);
        }
    }
    pv_buf_char(out, '\n');
}

int pv_plugin_print(const struct pv_plugin *plugin, struct pv_buf *out)
{
    pv_buf_printf(out, "# %.*s %.*s\n\n", PV_STR_ARG(plugin->name), PV_STR_ARG(plugin->version));
    if (plugin->summary.len > 0) {
        pv_buf_printf(out, "%.*s\n\n", PV_STR_ARG(plugin->summary));
    }
    put_needs(out, plugin->needs);
    put_fields(out, "Settings", &plugin->settings);
    put_fields(out, "Product", &plugin->product);
    put_fields(out, "Checkout", &plugin->checkout);
    put_operations(out, plugin);
    put_actions(out, plugin);
    put_queries(out, "Queries of a service", plugin->service_queries, plugin->service_query_count);
    put_queries(out, "Queries of an instance", plugin->instance_queries,
                plugin->instance_query_count);
    return out->status;
}

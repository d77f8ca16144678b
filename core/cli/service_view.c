/* SPDX-License-Identifier: Apache-2.0 */
/* What plugins show about a service, as text: fields, lists, quotas and actions of each component.
 */
#include "core/cli/service_view.h"

#include <string.h>

static const struct pv_view quota_views[] = {
    {"QUOTA", "label|name", PV_VIEW_TEXT, 0},
    {"USED", "used", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {"LIMIT", "limit", PV_VIEW_TEXT, PV_COLUMN_RIGHT},
    {0},
};

static const struct pv_view action_views[] = {
    {"ACTION", "name", PV_VIEW_TEXT, 0},
    {"", "label", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {"FIELDS", "fields", PV_VIEW_TEXT, PV_COLUMN_SHRINK},
    {0},
};

/* Appends a value for people, cleaned. */
static void put(struct pv_buf *out, const json_t *value)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)256 * 1024);
    pv_view_value(&text, value, PV_VIEW_TEXT);
    pv_text_clean(out, pv_buf_view(&text));
    pv_buf_done(&text);
}

static void print_fields(const struct pv_out *out, const json_t *fields)
{
    struct pv_buf text;
    pv_buf_init(&text, (size_t)1024 * 1024);
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        put(&text, pv_json_at(field, "label|name"));
        pv_buf_c(&text, ": ");
        if (json_is_true(json_object_get(field, "secret"))) {
            pv_buf_c(&text, "(secret)");
        } else {
            put(&text, json_object_get(field, "value"));
        }
        pv_buf_char(&text, '\n');
    }
    if (text.status == 0 && text.len > 0) {
        fputs(text.ptr, out->file);
    }
    pv_buf_done(&text);
}

/* A list of a view has columns of its own; without them its first row says which. */
static int print_list(const struct pv_out *out, const json_t *list)
{
    struct pv_view views[PV_TABLE_COLUMNS + 1];
    const json_t *rows = json_object_get(list, "rows");
    const json_t *columns = json_object_get(list, "columns");
    size_t count = 0;
    memset(views, 0, sizeof(views));
    for (size_t i = 0; i < json_array_size(columns) && count < PV_TABLE_COLUMNS; i++) {
        const json_t *column = json_array_get(columns, i);
        const char *name = pv_json_text(column, "name");
        const char *title = pv_json_text(column, "label|name");
        if (name != NULL) {
            views[count++] = (struct pv_view){title, name, PV_VIEW_TEXT, PV_COLUMN_SHRINK};
        }
    }
    const char *name = NULL;
    json_t *value = NULL;
    if (count == 0) {
        json_object_foreach(json_array_get(rows, 0), name, value)
        {
            if (count < PV_TABLE_COLUMNS) {
                views[count++] = (struct pv_view){name, name, PV_VIEW_TEXT, PV_COLUMN_SHRINK};
            }
        }
    }
    const char *title = pv_json_text(list, "label|name");
    fputs(pv_out_on(out, PV_TONE_BOLD), out->file);
    pv_text_print(out->file, title != NULL ? title : "list");
    fprintf(out->file, ": %zu%s\n", json_array_size(rows), pv_out_off(out, PV_TONE_BOLD));
    return count > 0 && json_array_size(rows) > 0 ? pv_view_table(out, rows, views) : 0;
}

/* Actions with the names of their forms' fields. */
static int print_actions(const struct pv_out *out, const json_t *actions)
{
    json_t *shown = json_array();
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);
        json_t *fields = json_array();
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach((json_t *)(uintptr_t)pv_json_at(action, "form.properties"), name, value)
        {
            json_array_append_new(fields, json_string(name));
        }
        json_array_append_new(shown,
                              json_pack("{ss? ss? so}", "name", pv_json_text(action, "name"),
                                        "label", pv_json_text(action, "label"), "fields", fields));
    }
    int status = json_array_size(shown) > 0 ? pv_view_table(out, shown, action_views) : 0;
    json_decref(shown);
    return status;
}

static int print_component(const struct pv_out *out, const json_t *component)
{
    const json_t *view = json_object_get(component, "view");
    const char *name = pv_json_text(component, "component");
    const char *plugin = pv_json_text(component, "plugin");
    const char *state = pv_json_text(view, "status");
    const char *error = pv_json_text(component, "error");
    fprintf(out->file, "\n%s%s%s (%s)", pv_out_on(out, PV_TONE_BOLD), name != NULL ? name : "?",
            pv_out_off(out, PV_TONE_BOLD), plugin != NULL ? plugin : "?");
    if (state != NULL) {
        enum pv_tone tone = pv_out_tone(state);
        fprintf(out->file, ": %s", pv_out_on(out, tone));
        pv_text_print(out->file, state);
        fputs(pv_out_off(out, tone), out->file);
    }
    fputs(error != NULL ? ": " : "", out->file);
    pv_text_print(out->file, error);
    fputc('\n', out->file);
    print_fields(out, json_object_get(view, "fields"));
    const json_t *lists = json_object_get(view, "lists");
    int status = 0;
    for (size_t i = 0; status == 0 && i < json_array_size(lists); i++) {
        status = print_list(out, json_array_get(lists, i));
    }
    const json_t *quotas = json_object_get(view, "quotas");
    if (status == 0 && json_array_size(quotas) > 0) {
        status = pv_view_table(out, quotas, quota_views);
    }
    return status == 0 ? print_actions(out, json_object_get(component, "actions")) : status;
}

int pv_cli_print_service_view(const struct pv_out *out, const json_t *answer)
{
    static const struct pv_view views[] = {
        {"service", "service", PV_VIEW_TEXT, 0},
        {"state", "state", PV_VIEW_STATE, 0},
        {"product", "product", PV_VIEW_TEXT, 0},
        {"plan", "plan", PV_VIEW_TEXT, 0},
        {0},
    };
    int status = pv_view_object(out, answer, views);
    const json_t *components = json_object_get(answer, "components");
    for (size_t i = 0; status == 0 && i < json_array_size(components); i++) {
        status = print_component(out, json_array_get(components, i));
    }
    return status;
}

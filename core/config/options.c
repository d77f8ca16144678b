/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a mapping by its table. */
#include "core/config/options.h"

#include "core/engine/types.h"

#include <stdio.h>
#include <string.h>

#define MAX_OPTIONS 64 /* of one table */

static const struct pv_check_at codes = {
    .separator = '.', .unknown = "unknown_key", .invalid = "invalid_value", .missing = "missing"};

static struct pv_check_at at_path(struct pv_str path)
{
    struct pv_check_at at = codes;
    at.path = path;
    return at;
}

static struct pv_str join(struct pv_options_run *run, struct pv_str path, struct pv_str name)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "%.*s%s%.*s", PV_STR_ARG(path), path.len > 0 ? "." : "",
                       PV_STR_ARG(name));
    if (len < 0 || (size_t)len >= sizeof(text)) {
        len = (int)sizeof(text) - 1;
    }
    return pv_arena_copy(run->arena, (struct pv_str){text, (size_t)len});
}

struct pv_place pv_options_place(const struct pv_node *node, const char *member)
{
    const struct pv_node *child = pv_node_get(node, member);
    if (child) {
        return child->place;
    }
    return node ? node->place : (struct pv_place){{NULL, 0}, 0, 0};
}

static void *slot(void *out, const struct pv_option *option)
{
    return (char *)out + option->offset;
}

/* ---- one value ---- */

static int store_text(struct pv_options_run *run, const struct pv_option *option,
                      const json_t *json, void *to)
{
    struct pv_str text = {json_string_value(json), json_string_length(json)};
    struct pv_str copy = {NULL, 0};
    if (option->kind == PV_O_PATH && text.len > 0 && text.ptr[0] != '/') {
        char path[4096];
        int len =
            snprintf(path, sizeof(path), "%.*s/%.*s", PV_STR_ARG(run->base_dir), PV_STR_ARG(text));
        if (len > 0 && (size_t)len < sizeof(path)) {
            copy = pv_arena_copy(run->arena, (struct pv_str){path, (size_t)len});
        }
    } else {
        copy = pv_arena_copy(run->arena, text);
    }
    if (!copy.ptr) {
        return PV_ENOMEM;
    }
    memcpy(to, &copy, sizeof(copy));
    return PV_OK;
}

static int store_list(struct pv_options_run *run, const json_t *json, void *to)
{
    struct pv_option_list list = {NULL, json_array_size(json)};
    list.items = pv_arena_alloc(run->arena, list.count * sizeof(*list.items) + 1);
    for (size_t i = 0; list.items && i < list.count; i++) {
        const json_t *item = json_array_get(json, i);
        list.items[i] = pv_arena_copy(
            run->arena, (struct pv_str){json_string_value(item), json_string_length(item)});
        if (!list.items[i].ptr) {
            return PV_ENOMEM;
        }
    }
    if (!list.items) {
        return PV_ENOMEM;
    }
    memcpy(to, &list, sizeof(list));
    return PV_OK;
}

static int store(struct pv_options_run *run, const struct pv_option *option,
                 const struct pv_field *field, const json_t *json, void *to)
{
    int64_t integer = json_integer_value(json);
    double real = json_real_value(json);
    bool boolean = json_is_true(json);
    switch (option->kind) {
    case PV_T_INT:
    case PV_T_SIZE:
    case PV_T_DURATION:
        memcpy(to, &integer, sizeof(integer));
        return PV_OK;
    case PV_T_NUMBER:
        memcpy(to, &real, sizeof(real));
        return PV_OK;
    case PV_T_BOOL:
        memcpy(to, &boolean, sizeof(boolean));
        return PV_OK;
    case PV_T_SELECT:
        for (size_t i = 0; i < field->option_count; i++) {
            int index = (int)i;
            if (pv_str_eq_c(field->options[i], json_string_value(json))) {
                memcpy(to, &index, sizeof(index));
            }
        }
        return PV_OK;
    case PV_T_LIST:
        return store_list(run, json, to);
    default:
        return store_text(run, option, json, to);
    }
}

/* The option as a field; `names` holds the options of a SELECT. */
static int as_field(struct pv_options_run *run, const struct pv_option *option,
                    struct pv_field *field)
{
    memset(field, 0, sizeof(*field));
    field->name = pv_str(option->name);
    field->type = option->kind == PV_O_PATH ? PV_T_STRING : (enum pv_field_type)option->kind;
    field->has_bounds = option->min != 0 || option->max != 0;
    field->min = option->min;
    field->max = option->max;
    field->options = pv_arena_alloc(run->arena, 16 * sizeof(*field->options));
    if (!field->options) {
        return PV_ENOMEM;
    }
    for (const char *at = option->options; at && field->option_count < 16;) {
        size_t len = strcspn(at, "|");
        /* NUL-terminated copies: "did you mean" wants C strings */
        field->options[field->option_count] = pv_arena_copy(run->arena, (struct pv_str){at, len});
        if (!field->options[field->option_count].ptr) {
            return PV_ENOMEM;
        }
        field->option_count++;
        at = at[len] == '|' ? at + len + 1 : NULL;
    }
    return PV_OK;
}

static int read_leaf(struct pv_options_run *run, const struct pv_option *option,
                     const struct pv_node *parent, const struct pv_node *node, struct pv_str path,
                     void *to)
{
    struct pv_check_at at = at_path(path);
    struct pv_value value = pv_value_of_node(node);
    if (value.kind == PV_VALUE_NULL) {
        if (option->required) {
            struct pv_place place = parent ? parent->place : (struct pv_place){{NULL, 0}, 0, 0};
            pv_check_problem(run->problems, &at, &place, pv_str(option->name), at.missing,
                             "required, but not given");
            return PV_EINVAL;
        }
        if (!option->fallback) {
            return PV_OK;
        }
        value = pv_value_of_text(pv_str(option->fallback));
    }
    struct pv_field field;
    int status = as_field(run, option, &field);
    if (status != PV_OK) {
        return status;
    }
    struct pv_check check = {.at = &at,
                             .problems = run->problems,
                             .config = true,
                             .base_dir = run->base_dir,
                             .arena = run->arena};
    json_t *json = NULL;
    status = pv_check_value(&check, &field, &value, &json);
    if (status == PV_OK) {
        status = store(run, option, &field, json, to);
    }
    json_decref(json);
    return status;
}

/* ---- entries and items ---- */

/* Names stand in paths, in "component.action" and in file names. */
static bool is_name(struct pv_str name)
{
    if (name.len == 0 || name.len > PV_MAX_NAME) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && !(i > 0 && (c == '-' || c == '_'))) {
            return false;
        }
    }
    return true;
}

static int read_entry(struct pv_options_run *run, const struct pv_option *option,
                      const struct pv_node *node, struct pv_str name, struct pv_str path,
                      struct pv_option_head *head)
{
    head->name = pv_arena_copy(run->arena, name);
    head->path = join(run, path, name);
    head->node = node;
    if (!head->name.ptr || !head->path.ptr) {
        return PV_ENOMEM;
    }
    int status = pv_options_read(run, option->sub, node, head->path, head);
    if (option->kind == PV_O_ENTRIES && !is_name(name)) {
        pv_problem_add(run->problems, &node->key_place, head->path, "invalid_name",
                       "a name has letters, digits, - and _, and at most %d of them", PV_MAX_NAME);
        status = status == PV_OK ? PV_EINVAL : status;
    }
    return status;
}

static int refuse_kind(struct pv_options_run *run, const struct pv_option *option,
                       const struct pv_node *node, struct pv_str path, const char *expected)
{
    struct pv_check_at at = at_path(path);
    struct pv_value value = pv_value_of_node(node);
    struct pv_buf got;
    pv_buf_init(&got, 512);
    pv_value_show(&value, &got);
    pv_check_problem(run->problems, &at, &node->place, pv_str(option->name), at.invalid,
                     "expected %s, got %.*s", expected, PV_STR_ARG(pv_buf_view(&got)));
    pv_buf_done(&got);
    return PV_EINVAL;
}

static int read_entries(struct pv_options_run *run, const struct pv_option *option,
                        const struct pv_node *node, struct pv_str path, void *to)
{
    bool named = option->kind == PV_O_ENTRIES;
    if (node && node->kind != PV_NODE_NULL && node->kind != (named ? PV_NODE_MAP : PV_NODE_LIST)) {
        return refuse_kind(run, option, node, path,
                           named ? "a mapping of names" : "a list of mappings");
    }
    struct pv_option_entries entries = {NULL, node ? node->count : 0};
    char *items = pv_arena_alloc(run->arena, entries.count * option->size + 1);
    struct pv_str here = join(run, path, pv_str(option->name));
    if (!items || !here.ptr) {
        return PV_ENOMEM;
    }
    entries.items = items;
    memcpy(to, &entries, sizeof(entries));
    int status = PV_OK;
    size_t index = 0;
    for (const struct pv_node *child = node ? node->first : NULL; child; child = child->next) {
        char number[24];
        snprintf(number, sizeof(number), "%zu", index);
        struct pv_option_head *head = (void *)(items + index * option->size);
        int one = read_entry(run, option, child, named ? child->key : pv_str(number), here, head);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
        index++;
    }
    return status;
}

/* ---- a mapping ---- */

static int read_option(struct pv_options_run *run, const struct pv_option *option,
                       const struct pv_node *parent, struct pv_str path, void *out)
{
    const struct pv_node *node = pv_node_get(parent, option->name);
    switch (option->kind) {
    case PV_O_GROUP: {
        struct pv_str here = join(run, path, pv_str(option->name));
        return here.ptr ? pv_options_read(run, option->sub, node, here, slot(out, option))
                        : PV_ENOMEM;
    }
    case PV_O_ENTRIES:
    case PV_O_ITEMS:
        return read_entries(run, option, node, path, slot(out, option));
    case PV_O_NODE:
        if (node && node->kind != PV_NODE_NULL && node->kind != PV_NODE_MAP) {
            return refuse_kind(run, option, node, path, "a mapping");
        }
        memcpy(slot(out, option), &node, sizeof(node));
        return PV_OK;
    default:
        return read_leaf(run, option, parent, node, path, slot(out, option));
    }
}

static int unknown_members(struct pv_options_run *run, const struct pv_option *table,
                           const struct pv_node *node, struct pv_str path)
{
    const char *known[MAX_OPTIONS];
    size_t count = 0;
    for (const struct pv_option *option = table; option->name && count < MAX_OPTIONS; option++) {
        known[count++] = option->name;
    }
    struct pv_check_at at = at_path(path);
    int status = PV_OK;
    for (const struct pv_node *child = node ? node->first : NULL; child; child = child->next) {
        bool found = false;
        for (size_t i = 0; i < count && !found; i++) {
            found = pv_str_eq_c(child->key, known[i]);
        }
        if (!found) {
            pv_check_unknown(run->problems, &at, &child->key_place, child->key, known, count);
            status = PV_EINVAL;
        }
    }
    return status;
}

int pv_options_read(struct pv_options_run *run, const struct pv_option *table,
                    const struct pv_node *node, struct pv_str path, void *out)
{
    if (node && node->kind != PV_NODE_NULL && node->kind != PV_NODE_MAP) {
        struct pv_value value = pv_value_of_node(node);
        struct pv_buf got;
        pv_buf_init(&got, 512);
        pv_value_show(&value, &got);
        pv_problem_add(run->problems, &node->place, path, "invalid_value",
                       "expected a mapping, got %.*s", PV_STR_ARG(pv_buf_view(&got)));
        pv_buf_done(&got);
        return PV_EINVAL;
    }
    int status = run->keep_unknown ? PV_OK : unknown_members(run, table, node, path);
    for (const struct pv_option *option = table; option->name; option++) {
        int one = read_option(run, option, node, path, out);
        if (one == PV_ENOMEM) {
            return one;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

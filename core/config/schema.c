/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (2020-12) from the tables: for editors that check a file while it is written, and for
 * forms. Texts with references may stand for any value, so types are as wide as the checks are. */
#include "core/config/raw.h"
#include "core/json/json.h"

#include <string.h>

#define SIZE_PATTERN "^[0-9]+([KMGTP]i?B|kB|B)?$|\\$\\{"
#define DURATION_PATTERN "^[0-9]+(ms|s|m|h|d)$|^0$|\\$\\{"

/* ---- building; every function takes what it is given and survives NULL ---- */

static json_t *with(json_t *object, const char *key, json_t *value)
{
    if (!object || !value || json_object_set(object, key, value) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(value);
    return object;
}

static json_t *with_text(json_t *object, const char *key, struct pv_str text)
{
    return text.ptr ? with(object, key, json_stringn(text.ptr, text.len)) : object;
}

static json_t *types(const char *one, const char *two)
{
    json_t *list = json_array();
    if (list && (json_array_append_new(list, json_string(one)) != 0 ||
                 json_array_append_new(list, json_string(two)) != 0)) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *of_type(const char *type)
{
    return with(json_object(), "type", json_string(type));
}

/* A mapping of the file; "plans: {basic: }" is one too. */
static json_t *mapping(void)
{
    return with(json_object(), "type", types("object", "null"));
}

static json_t *closed(json_t *object)
{
    return with(object, "additionalProperties", json_false());
}

/* ---- one value ---- */

static json_t *enumeration(const struct pv_field *field)
{
    json_t *list = json_array();
    for (size_t i = 0; i < field->option_count && list; i++) {
        json_t *option = json_stringn(field->options[i].ptr, field->options[i].len);
        if (json_array_append_new(list, option) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return with(json_object(), "enum", list);
}

static json_t *bounds(json_t *schema, const struct pv_field *field, const char *min,
                      const char *max)
{
    if (!field->has_bounds) {
        return schema;
    }
    if (field->min != 0 || strcmp(min, "minimum") == 0) {
        schema = with(schema, min, json_integer(field->min));
    }
    return field->max >= field->min ? with(schema, max, json_integer(field->max)) : schema;
}

static json_t *text_schema(const struct pv_field *field)
{
    json_t *schema = bounds(of_type("string"), field, "minLength", "maxLength");
    return with_text(schema, "pattern", field->pattern);
}

static json_t *value_schema(const struct pv_field *field)
{
    json_t *schema = NULL;
    switch (field->type) {
    case PV_T_INT:
        schema = with(json_object(), "type", types("integer", "string"));
        return bounds(schema, field, "minimum", "maximum");
    case PV_T_NUMBER:
        schema = with(json_object(), "type", types("number", "string"));
        return bounds(schema, field, "minimum", "maximum");
    case PV_T_BOOL:
        return with(json_object(), "type", types("boolean", "string"));
    case PV_T_SIZE:
        schema = with(json_object(), "type", types("integer", "string"));
        schema = with(schema, "pattern", json_string(SIZE_PATTERN));
        return bounds(schema, field, "minimum", "maximum");
    case PV_T_DURATION:
        schema = with(json_object(), "type", types("integer", "string"));
        schema = with(schema, "pattern", json_string(DURATION_PATTERN));
        return bounds(schema, field, "minimum", "maximum");
    case PV_T_JSON:
        return json_object();
    case PV_T_SELECT:
        return enumeration(field);
    case PV_T_LIST:
        schema = with(json_object(), "type", types("array", "string"));
        schema = with(schema, "items", with_text(of_type("string"), "pattern", field->pattern));
        return bounds(schema, field, "minItems", "maxItems");
    case PV_T_MAP:
        schema = with(of_type("object"), "additionalProperties",
                      with_text(of_type("string"), "pattern", field->pattern));
        return bounds(schema, field, "minProperties", "maxProperties");
    default:
        return text_schema(field);
    }
}

static json_t *field_schema(const struct pv_field *field)
{
    json_t *schema = value_schema(field);
    schema = with_text(schema, "title", field->label);
    schema = with_text(schema, "description", field->description);
    if ((field->flags & PV_F_SECRET) != 0) {
        schema = with(schema, "writeOnly", json_true());
    } else {
        schema = with_text(schema, "default", field->fallback);
    }
    return schema;
}

json_t *pv_fields_schema(const struct pv_fields *fields)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (size_t i = 0; i < fields->count && properties && required; i++) {
        const struct pv_field *field = &fields->items[i];
        properties = with(properties, field->name.ptr, field_schema(field));
        if ((field->flags & PV_F_REQUIRED) != 0 && !field->fallback.ptr &&
            json_array_append_new(required, json_stringn(field->name.ptr, field->name.len)) != 0) {
            json_decref(required);
            required = NULL;
        }
    }
    return with(with(closed(of_type("object")), "properties", properties), "required", required);
}

/* ---- the tables of the file ---- */

static json_t *table_schema(const struct pv_option *table);

static json_t *leaf_schema(const struct pv_option *option)
{
    struct pv_str options[16];
    struct pv_field field = {
        .type = option->kind == PV_O_PATH ? PV_T_STRING : (enum pv_field_type)option->kind,
        .options = options,
        .has_bounds = option->min != 0 || option->max != 0,
        .min = option->min,
        .max = option->max,
    };
    for (const char *at = option->options; at && field.option_count < 16;) {
        size_t len = strcspn(at, "|");
        options[field.option_count++] = (struct pv_str){at, len};
        at = at[len] == '|' ? at + len + 1 : NULL;
    }
    return with_text(value_schema(&field), "default", pv_str(option->fallback));
}

static json_t *option_schema(const struct pv_option *option)
{
    json_t *schema = NULL;
    switch (option->kind) {
    case PV_O_GROUP:
        schema = table_schema(option->sub);
        break;
    case PV_O_ENTRIES:
        schema = with(mapping(), "additionalProperties", table_schema(option->sub));
        break;
    case PV_O_ITEMS:
        schema = with(of_type("array"), "items", table_schema(option->sub));
        break;
    case PV_O_NODE:
        schema = mapping();
        break;
    default:
        schema = leaf_schema(option);
        break;
    }
    return with_text(schema, "description", pv_str(option->doc));
}

static json_t *table_schema(const struct pv_option *table)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    for (const struct pv_option *option = table; option->name && properties && required; option++) {
        properties = with(properties, option->name, option_schema(option));
        if (option->required && json_array_append_new(required, json_string(option->name)) != 0) {
            json_decref(required);
            required = NULL;
        }
    }
    return with(with(closed(mapping()), "properties", properties), "required", required);
}

/* ---- what a configuration adds ---- */

/* {"properties": {name: {"properties": {member: schema}}}} */
static json_t *narrowed(json_t *names, struct pv_str name, json_t *members)
{
    json_t *entry = with(json_object(), "properties", members);
    return names ? with(names, name.ptr, entry) : (json_decref(entry), (json_t *)NULL);
}

static json_t *instances_schema(const struct pv_config *config)
{
    json_t *names = json_object();
    for (size_t i = 0; i < config->instance_count && names; i++) {
        const struct pv_config_instance *instance = &config->instances[i];
        json_t *members =
            with(json_object(), "settings", pv_fields_schema(&instance->plugin->settings));
        names = narrowed(names, instance->name, members);
    }
    return with(json_object(), "properties", names);
}

/* The fields of every component; none is required, since a value may stand elsewhere. */
static json_t *values_schema(const struct pv_config_product *product)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < product->component_count; i++) {
        const struct pv_fields *fields = &product->components[i].instance->plugin->product;
        for (size_t k = 0; k < fields->count && properties; k++) {
            properties =
                with(properties, fields->items[k].name.ptr, field_schema(&fields->items[k]));
        }
    }
    return with(closed(mapping()), "properties", properties);
}

static json_t *products_schema(const struct pv_config *config)
{
    json_t *names = json_object();
    for (size_t i = 0; i < config->product_count && names; i++) {
        const struct pv_config_product *product = &config->products[i];
        json_t *plan = values_schema(product);
        json_t *members = with(json_object(), "values", values_schema(product));
        members = with(members, "plans", with(mapping(), "additionalProperties", plan));
        names = narrowed(names, product->name, members);
    }
    return with(json_object(), "properties", names);
}

int pv_config_schema(const struct pv_config *config, struct pv_buf *out)
{
    json_t *schema = table_schema(pv_file_options);
    schema = with(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    schema = with(schema, "title", json_string("Configuration of provostd"));
    if (config) {
        json_t *more = with(json_object(), "plugins", instances_schema(config));
        more = with(more, "products", products_schema(config));
        json_t *all = json_array();
        if (all && json_array_append_new(all, with(json_object(), "properties", more)) != 0) {
            json_decref(all);
            all = NULL;
        } else if (!all) {
            json_decref(more);
        }
        schema = with(schema, "allOf", all);
    }
    int status = schema ? pv_json_put(out, schema) : PV_ENOMEM;
    json_decref(schema);
    return status;
}

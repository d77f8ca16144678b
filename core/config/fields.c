/* SPDX-License-Identifier: Apache-2.0 */
/* An object against a table of fields: unknown and missing members, defaults, references, secrets.
 */
#include "core/config/check.h"

#include "core/base/alloc.h"
#include "core/config/reference.h"

#include <stdio.h>
#include <string.h>

#define MAX_PATH 512
#define MAX_TREE_DEPTH 32

void pv_check_problem(struct pv_problems *problems, const struct pv_check_at *at,
                      const struct pv_place *place, struct pv_str member, const char *code,
                      const char *fmt, ...)
{
    char path[MAX_PATH];
    char separator[2] = {member.len > 0 && at->path.len > 0 ? at->separator : '\0', '\0'};
    if (at->separator == '/' && member.len > 0) {
        separator[0] = '/'; /* JSON pointers begin with it */
    }
    int len = snprintf(path, sizeof(path), "%.*s%s%.*s", PV_STR_ARG(at->path), separator,
                       PV_STR_ARG(member));
    if (len < 0 || (size_t)len >= sizeof(path)) {
        len = (int)sizeof(path) - 1;
    }
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pv_problem_add(problems, place, (struct pv_str){path, (size_t)len}, code, "%s", text);
}

/* A name as a part of a JSON pointer; what does not fit is cut. */
static struct pv_str pointer_part(struct pv_str name, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len + 2 < size; i++) {
        bool escaped = name.ptr[i] == '~' || name.ptr[i] == '/';
        if (escaped) {
            out[len++] = '~';
        }
        out[len++] = !escaped ? name.ptr[i] : name.ptr[i] == '~' ? '0' : '1';
    }
    return (struct pv_str){out, len};
}

void pv_check_unknown(struct pv_problems *problems, const struct pv_check_at *at,
                      const struct pv_place *place, struct pv_str member, const char *const *known,
                      size_t known_count)
{
    const char *noun = at->separator == '/' ? "field" : "key";
    const char *nearest = pv_str_nearest(member, known, known_count);
    char part[MAX_PATH];
    if (at->separator == '/') {
        member = pointer_part(member, part, sizeof(part));
    }
    if (nearest) {
        pv_check_problem(problems, at, place, member, at->unknown,
                         "unknown %s; did you mean \"%s\"?", noun, nearest);
        return;
    }
    if (known_count == 0) {
        pv_check_problem(problems, at, place, member, at->unknown,
                         "unknown %s (nothing can be given here)", noun);
        return;
    }
    struct pv_buf list;
    pv_buf_init(&list, 600);
    for (size_t i = 0; i < known_count; i++) {
        pv_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", known[i]);
    }
    pv_check_problem(problems, at, place, member, at->unknown, "unknown %s (known: %.*s%s)", noun,
                     PV_STR_ARG(pv_buf_view(&list)), list.status == PV_OK ? "" : ", …");
    pv_buf_done(&list);
}

void pv_secrets_free(struct pv_config_secret *secrets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < secrets[i].part_count; k++) {
            pv_secret_free(secrets[i].parts[k].text);
        }
    }
}

/* One text after its references were replaced. */
struct expanded {
    struct pv_buf buf;
    bool used; /* a reference was in it: the value is not shown */
};

static void expanded_done(struct expanded *expanded)
{
    if (expanded->buf.ptr) {
        pv_wipe(expanded->buf.ptr, expanded->buf.size);
    }
    pv_buf_done(&expanded->buf);
}

/* Replaces references in value->text; `value` then borrows from `expanded`. */
static int expand(struct pv_check *check, struct pv_str name, struct pv_value *value,
                  struct expanded *expanded)
{
    pv_buf_init(&expanded->buf, PV_REFERENCE_MAX + 8192);
    expanded->used = false;
    if (!check->config || value->kind != PV_VALUE_TEXT || !pv_reference_in(value->text)) {
        return PV_OK;
    }
    expanded->used = true;
    if (!pv_buf_reserve(&expanded->buf, PV_REFERENCE_MAX + 8192)) {
        return PV_ENOMEM; /* all at once: growing would leave copies behind */
    }
    struct pv_err err = {0};
    int status = pv_reference_expand(value->text, check->base_dir, &expanded->buf, &err);
    if (status == PV_ENOMEM) {
        return PV_ENOMEM;
    }
    if (status != PV_OK) {
        pv_check_problem(check->problems, check->at, &value->place, name, "reference", "%s",
                         err.text);
        return PV_EINVAL;
    }
    value->text = pv_buf_view(&expanded->buf);
    if (!value->text.ptr) {
        value->text = PV_STR("");
    }
    return PV_OK;
}

/* Says what was expected and, where that is no secret, what was given. */
static void refuse(struct pv_check *check, const struct pv_field *field, struct pv_str member,
                   const struct pv_value *value, bool hide, const char *text)
{
    struct pv_buf got;
    pv_buf_init(&got, 512);
    if (!hide) {
        pv_buf_c(&got, ", got ");
        pv_value_show(value, &got);
        if (field->type == PV_T_SELECT && value->kind == PV_VALUE_TEXT) {
            const char *options[64];
            size_t count = field->option_count < 64 ? field->option_count : 64;
            for (size_t i = 0; i < count; i++) {
                options[i] = field->options[i].ptr;
            }
            const char *nearest = pv_str_nearest(value->text, options, count);
            if (nearest) {
                pv_buf_printf(&got, "; did you mean \"%s\"?", nearest);
            }
        }
    }
    pv_check_problem(check->problems, check->at, &value->place, member, check->at->invalid,
                     "%s%.*s", text, PV_STR_ARG(pv_buf_view(&got)));
    pv_buf_done(&got);
}

static int check_pool(struct pv_check *check, struct pv_str member, const struct pv_value *value,
                      struct pv_str text)
{
    for (size_t i = 0; i < check->pool_count; i++) {
        if (pv_str_eq_c(text, check->pool_names[i])) {
            return PV_OK;
        }
    }
    const char *nearest = pv_str_nearest(text, check->pool_names, check->pool_count);
    pv_check_problem(check->problems, check->at, &value->place, member, check->at->invalid,
                     "there is no pool \"%.*s\" under pools%s%s%s", PV_STR_ARG(text),
                     nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                     nearest ? "\"?" : "");
    return PV_EINVAL;
}

static json_t *scalar_json(const struct pv_scalar *scalar)
{
    switch (scalar->kind) {
    case PV_SCALAR_TEXT:
        return json_stringn(scalar->text.ptr ? scalar->text.ptr : "", scalar->text.len);
    case PV_SCALAR_INT:
        return json_integer(scalar->integer);
    case PV_SCALAR_REAL:
        return json_real(scalar->real);
    case PV_SCALAR_BOOL:
        return json_boolean(scalar->boolean);
    }
    return NULL;
}

/* Keeps a text with its references. */
static int keep_secret(struct pv_check *check, struct pv_config_secret *secret, struct pv_str key,
                       struct pv_str template)
{
    struct pv_secret_part *part = &secret->parts[secret->part_count];
    part->key = key.ptr ? pv_arena_copy(check->arena, key) : key;
    part->text = pv_secret_new(template);
    if (!part->text || (key.ptr && !part->key.ptr)) {
        pv_secret_free(part->text);
        part->text = NULL;
        return PV_ENOMEM;
    }
    secret->part_count++;
    return PV_OK;
}

/* One text or number. ret_json is NULL when it goes into the secret. */
static int check_one(struct pv_check *check, const struct pv_field *field, struct pv_str member,
                     const struct pv_value *given, struct pv_str key,
                     struct pv_config_secret *secret, json_t **ret_json)
{
    struct pv_value value = *given;
    struct expanded expanded;
    int status = expand(check, member, &value, &expanded);
    if (status != PV_OK) {
        goto out;
    }
    struct pv_scalar scalar;
    struct pv_err err = {0};
    status = pv_scalar_check(field, &value, &scalar, &err);
    if (status != PV_OK) {
        refuse(check, field, member, &value, expanded.used || (field->flags & PV_F_SECRET) != 0,
               err.text);
        goto out;
    }
    if (field->type == PV_T_POOL && check->config) {
        status = check_pool(check, member, &value, scalar.text);
        if (status != PV_OK) {
            goto out;
        }
    }
    if (secret) {
        status = keep_secret(check, secret, key, given->text);
    } else {
        *ret_json = scalar_json(&scalar);
        status = *ret_json ? PV_OK : PV_ENOMEM;
    }
out:
    expanded_done(&expanded);
    return status;
}

static int check_count(struct pv_check *check, const struct pv_field *field,
                       const struct pv_value *value, size_t count)
{
    bool open = field->max < field->min;
    if (!field->has_bounds ||
        ((int64_t)count >= field->min && (open || (int64_t)count <= field->max))) {
        return PV_OK;
    }
    if (open) {
        pv_check_problem(check->problems, check->at, &value->place, field->name, check->at->invalid,
                         "expected at least %lld, got %zu", (long long)field->min, count);
    } else {
        pv_check_problem(check->problems, check->at, &value->place, field->name, check->at->invalid,
                         "expected %lld to %lld, got %zu", (long long)field->min,
                         (long long)field->max, count);
    }
    return PV_EINVAL;
}

/* Adds an element or member to a list or object that is being built. Takes json. */
static int put(json_t *into, struct pv_str key, json_t *json)
{
    if (!json) {
        return PV_OK;
    }
    int failed = json_is_array(into) ? json_array_append_new(into, json)
                                     : json_object_setn_new(into, key.ptr, key.len, json);
    return failed ? PV_ENOMEM : PV_OK;
}

/* A LIST or MAP that was given as one. */
static int check_collection(struct pv_check *check, const struct pv_field *field,
                            const struct pv_value *value, struct pv_config_secret *secret,
                            json_t *into)
{
    int status = PV_OK;
    struct pv_value_iter iter = {0};
    struct pv_str key;
    struct pv_value element;
    size_t index = 0;
    while (pv_value_next(value, &iter, &key, &element)) {
        char member[MAX_PATH];
        if (key.ptr) {
            snprintf(member, sizeof(member), "%.*s%c%.*s", PV_STR_ARG(field->name),
                     check->at->separator, PV_STR_ARG(key));
        } else {
            snprintf(member, sizeof(member), "%.*s%c%zu", PV_STR_ARG(field->name),
                     check->at->separator, index);
        }
        index++;
        json_t *json = NULL;
        int one = check_one(check, field, pv_str(member), &element, key, secret, &json);
        if (one == PV_OK) {
            one = put(into, key, json);
        }
        if (one == PV_ENOMEM) {
            return PV_ENOMEM;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

/* A LIST that was given as one text: "a, b". */
static int check_split(struct pv_check *check, const struct pv_field *field,
                       const struct pv_value *value, struct pv_config_secret *secret, json_t *into)
{
    int status = PV_OK;
    struct pv_str rest = value->text;
    while (rest.len > 0) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        struct pv_str part = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len};
        rest = comma ? (struct pv_str){comma + 1, rest.len - part.len - 1} : (struct pv_str){0};
        while (part.len > 0 && part.ptr[0] == ' ') {
            part = (struct pv_str){part.ptr + 1, part.len - 1};
        }
        while (part.len > 0 && part.ptr[part.len - 1] == ' ') {
            part.len--;
        }
        struct pv_value element = *value;
        element.text = part;
        json_t *json = NULL;
        int one =
            check_one(check, field, field->name, &element, (struct pv_str){NULL, 0}, secret, &json);
        if (one == PV_OK) {
            one = put(into, part, json);
        }
        if (one == PV_ENOMEM) {
            return PV_ENOMEM;
        }
        status = one != PV_OK ? one : status;
    }
    return status;
}

static size_t parts_of(const struct pv_field *field, const struct pv_value *value)
{
    if (value->kind == PV_VALUE_LIST || value->kind == PV_VALUE_MAP) {
        return value->count;
    }
    size_t count = 1;
    for (size_t i = 0; field->type == PV_T_LIST && i < value->text.len; i++) {
        count += value->text.ptr[i] == ',';
    }
    return count;
}

static int check_many(struct pv_check *check, const struct pv_field *field,
                      const struct pv_value *value, struct pv_config_secret *secret,
                      json_t **ret_json)
{
    bool map = field->type == PV_T_MAP;
    bool given = value->kind == (map ? PV_VALUE_MAP : PV_VALUE_LIST);
    if (!given && (map || value->kind != PV_VALUE_TEXT)) {
        refuse(check, field, field->name, value, (field->flags & PV_F_SECRET) != 0,
               map ? "expected a mapping of texts" : "expected a list of texts");
        return PV_EINVAL;
    }
    json_t *into = map ? json_object() : json_array();
    if (!into) {
        return PV_ENOMEM;
    }
    int status = given ? check_collection(check, field, value, secret, into)
                       : check_split(check, field, value, secret, into);
    if (status == PV_OK) {
        size_t count = secret ? secret->part_count
                       : map  ? json_object_size(into)
                              : json_array_size(into);
        status = check_count(check, field, value, count);
    }
    if (status != PV_OK || secret) {
        json_decref(into);
        return status;
    }
    *ret_json = into;
    return PV_OK;
}

/* A plain text of a YAML file that reads as a number or truth is one; JSON has types of its own. */
static json_t *typed_text(const struct pv_value *value, struct pv_str text)
{
    int64_t number = 0;
    struct pv_value plain = pv_value_of_text(text);
    struct pv_scalar scalar = {0};
    const struct pv_field real = {.type = PV_T_NUMBER};
    if (!value->node || !value->node->plain) {
        return json_stringn(text.ptr ? text.ptr : "", text.len);
    }
    if (pv_str_eq_c(text, "true") || pv_str_eq_c(text, "false")) {
        return json_boolean(pv_str_eq_c(text, "true"));
    }
    if (pv_str_to_i64(text, &number) == PV_OK) {
        return json_integer(number);
    }
    if (pv_scalar_check(&real, &plain, &scalar, NULL) == PV_OK) {
        return json_real(scalar.real);
    }
    return json_stringn(text.ptr ? text.ptr : "", text.len);
}

/* Anything at all, as it is; references in its texts are read. */
static int check_tree(struct pv_check *check, const struct pv_field *field, struct pv_str member,
                      const struct pv_value *given, unsigned depth, json_t **ret_json)
{
    if (depth == 0) {
        pv_check_problem(check->problems, check->at, &given->place, member, check->at->invalid,
                         "nested too deeply");
        return PV_EINVAL;
    }
    if (given->kind != PV_VALUE_LIST && given->kind != PV_VALUE_MAP) {
        struct pv_value value = *given;
        struct expanded expanded;
        int status = expand(check, member, &value, &expanded);
        if (status == PV_OK) {
            *ret_json = given->kind == PV_VALUE_TEXT   ? typed_text(given, value.text)
                        : given->kind == PV_VALUE_NULL ? json_null()
                                                       : json_deep_copy(given->json);
            status = *ret_json ? PV_OK : PV_ENOMEM;
        }
        expanded_done(&expanded);
        return status;
    }
    json_t *into = given->kind == PV_VALUE_MAP ? json_object() : json_array();
    int status = into ? PV_OK : PV_ENOMEM;
    struct pv_value_iter iter = {0};
    struct pv_str key;
    struct pv_value element;
    size_t index = 0;
    while (status != PV_ENOMEM && pv_value_next(given, &iter, &key, &element)) {
        char path[MAX_PATH];
        int len = key.ptr ? snprintf(path, sizeof(path), "%.*s%c%.*s", PV_STR_ARG(member),
                                     check->at->separator, PV_STR_ARG(key))
                          : snprintf(path, sizeof(path), "%.*s%c%zu", PV_STR_ARG(member),
                                     check->at->separator, index);
        index++;
        json_t *json = NULL;
        struct pv_str at = {path, len < (int)sizeof(path) ? (size_t)len : sizeof(path) - 1};
        int one = check_tree(check, field, at, &element, depth - 1, &json);
        one = one == PV_OK ? put(into, key, json) : one;
        status = one != PV_OK ? one : status;
    }
    if (status != PV_OK) {
        json_decref(into);
        return status;
    }
    *ret_json = into;
    return PV_OK;
}

int pv_check_value(struct pv_check *check, const struct pv_field *field,
                   const struct pv_value *value, json_t **ret_json)
{
    if (field->type == PV_T_JSON) {
        return check_tree(check, field, field->name, value, MAX_TREE_DEPTH, ret_json);
    }
    struct pv_config_secret *secret = NULL;
    if (check->config && (field->flags & PV_F_SECRET) != 0) {
        secret = &check->secrets[check->secret_count++];
        /* The description that the field came from may be replaced by the instance's own. */
        *secret = (struct pv_config_secret){.field = pv_arena_copy(check->arena, field->name),
                                            .type = field->type};
        secret->parts =
            pv_arena_alloc(check->arena, parts_of(field, value) * sizeof(*secret->parts));
        if (!secret->parts || !secret->field.ptr) {
            return PV_ENOMEM;
        }
    }
    if (field->type == PV_T_LIST || field->type == PV_T_MAP) {
        return check_many(check, field, value, secret, ret_json);
    }
    return check_one(check, field, field->name, value, (struct pv_str){NULL, 0}, secret, ret_json);
}

static int unknown_members(struct pv_check *check, const struct pv_value *given,
                           const struct pv_fields *fields)
{
    const char **known = pv_reallocarray(NULL, fields->count + 1, sizeof(*known));
    if (!known) {
        return PV_ENOMEM;
    }
    for (size_t i = 0; i < fields->count; i++) {
        known[i] = fields->items[i].name.ptr;
    }
    int status = PV_OK;
    struct pv_value_iter iter = {0};
    struct pv_str key;
    struct pv_value member;
    while (pv_value_next(given, &iter, &key, &member)) {
        if (!pv_fields_find(fields, key)) {
            pv_check_unknown(check->problems, check->at, &member.key_place, key, known,
                             fields->count);
            status = PV_EINVAL;
        }
    }
    pv_free(known);
    return status;
}

static int check_member(struct pv_check *check, const struct pv_value *given,
                        const struct pv_field *field, json_t *into)
{
    struct pv_value value = pv_value_get(given, field->name);
    if (value.kind == PV_VALUE_NULL) {
        if ((check->flags & PV_CHECK_PARTIAL) != 0) {
            return PV_OK;
        }
        if (!field->fallback.ptr) {
            if ((field->flags & PV_F_REQUIRED) == 0) {
                return PV_OK;
            }
            pv_check_problem(check->problems, check->at, &given->place, field->name,
                             check->at->missing, "required, but not given");
            return PV_EINVAL;
        }
        value = pv_value_of_text(field->fallback);
        value.place = given->place;
    }
    json_t *json = NULL;
    int status = pv_check_value(check, field, &value, &json);
    return status == PV_OK ? put(into, field->name, json) : status;
}

int pv_check_object(struct pv_check *check, const struct pv_value *given,
                    const struct pv_fields *fields, json_t **ret_checked)
{
    if (given->kind != PV_VALUE_MAP && given->kind != PV_VALUE_NULL) {
        struct pv_buf got;
        pv_buf_init(&got, 512);
        pv_value_show(given, &got);
        pv_check_problem(check->problems, check->at, &given->place, PV_STR(""), check->at->invalid,
                         "expected %s, got %.*s",
                         check->at->separator == '/' ? "an object" : "a mapping",
                         PV_STR_ARG(pv_buf_view(&got)));
        pv_buf_done(&got);
        return PV_EINVAL;
    }
    json_t *checked = json_object();
    if (!checked) {
        return PV_ENOMEM;
    }
    int status = check->keep_unknown ? PV_OK : unknown_members(check, given, fields);
    for (size_t i = 0; i < fields->count && status != PV_ENOMEM; i++) {
        int one = check_member(check, given, &fields->items[i], checked);
        status = one != PV_OK ? one : status;
    }
    if (status != PV_OK) {
        json_decref(checked);
        return status;
    }
    *ret_checked = checked;
    return PV_OK;
}

int pv_fields_check(const json_t *given, const struct pv_fields *fields,
                    const struct pv_check_at *at, unsigned flags, struct pv_problems *problems,
                    json_t **ret_checked)
{
    struct pv_check check = {.at = at, .flags = flags, .problems = problems};
    struct pv_value value = pv_value_of_json(given);
    int status = pv_check_object(&check, &value, fields, ret_checked);
    return status == PV_EINVAL && problems->status != PV_OK ? problems->status : status;
}

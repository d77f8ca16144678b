/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope of CloudEvents. */
#include "core/api/cloudevent.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ENVELOPE 8 /* values that an event may have besides those of the request */

/* ---- content types ---- */

static struct pv_str media_type(struct pv_str header)
{
    size_t n = 0;
    while (n < header.len && header.ptr[n] != ';') {
        n++;
    }
    while (n > 0 && (header.ptr[n - 1] == ' ' || header.ptr[n - 1] == '\t')) {
        n--;
    }
    return (struct pv_str){header.ptr, n};
}

static bool is_type(struct pv_str type, const char *name)
{
    return type.len == strlen(name) && strncasecmp(type.ptr, name, type.len) == 0;
}

enum pv_ce_mode pv_ce_mode(struct pv_str content_type, bool has_id)
{
    static const char family[] = "application/cloudevents";
    struct pv_str type = media_type(content_type);
    if (is_type(type, "application/cloudevents+json")) {
        return PV_CE_STRUCTURED;
    }
    if (is_type(type, "application/cloudevents-batch+json")) {
        return PV_CE_BATCH;
    }
    size_t n = sizeof(family) - 1;
    if (type.len >= n && strncasecmp(type.ptr, family, n) == 0) {
        return PV_CE_UNKNOWN;
    }
    return has_id ? PV_CE_BINARY : PV_CE_NONE;
}

static bool is_json(struct pv_str content_type)
{
    struct pv_str type = media_type(content_type);
    return is_type(type, "application/json") || is_type(type, "text/json") ||
           (type.len > 5 && strncasecmp(type.ptr + type.len - 5, "+json", 5) == 0);
}

/* ---- attributes ---- */

static bool hex_run(struct pv_str text, size_t from, size_t count, bool *ret_zero)
{
    *ret_zero = true;
    for (size_t i = from; i < from + count; i++) {
        char c = text.ptr[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return false;
        }
        *ret_zero = *ret_zero && c == '0';
    }
    return true;
}

bool pv_traceparent_valid(struct pv_str text)
{
    bool zero = false;
    return text.len == 55 && pv_str_starts(text, "00-") && text.ptr[35] == '-' &&
           text.ptr[52] == '-' && hex_run(text, 3, 32, &zero) && !zero &&
           hex_run(text, 36, 16, &zero) && !zero && hex_run(text, 53, 2, &zero);
}

/* The source's name, or a URI reference whose last part is it: "/shop",
 * "https://billing.example.com/shop", "urn:example:shop". */
static bool names_source(struct pv_str uri, struct pv_str source)
{
    if (pv_str_eq(uri, source)) {
        return true;
    }
    if (uri.len <= source.len) {
        return false;
    }
    size_t before = uri.len - source.len;
    struct pv_str last = {uri.ptr + before, source.len};
    return pv_str_eq(last, source) && (uri.ptr[before - 1] == '/' || uri.ptr[before - 1] == ':');
}

/* "com.example.billing.service.create" means "service.create". What is no such name stays. */
static struct pv_str short_type(struct pv_str type)
{
    static const char word[] = ".service.";
    size_t n = sizeof(word) - 1;
    for (size_t i = 1; i + n < type.len; i++) {
        if (memcmp(type.ptr + i, word, n) == 0) {
            return (struct pv_str){type.ptr + i + 1, type.len - i - 1};
        }
    }
    return type;
}

static bool extension_name(struct pv_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0;
}

/* The envelope as it was found. */
struct envelope {
    const struct pv_json *id;
    const struct pv_json *type;
    const struct pv_json *time;
    const struct pv_json *data;
    struct pv_str trace;
    bool versioned;
    bool sourced;
};

static void pointer_of(char path[80], struct pv_str name)
{
    size_t n = 0;
    path[n++] = '/';
    for (size_t i = 0; i < name.len && n < 70; i++) {
        char c = name.ptr[i];
        if (c == '~' || c == '/') {
            path[n++] = '~';
            c = c == '~' ? '0' : '1';
        }
        path[n++] = c;
    }
    path[n] = '\0';
}

/* A text, or a fault. */
static bool text_at(const struct pv_json *value, const char *path, struct pv_faults *faults)
{
    if (value->type != PV_JSON_STRING) {
        pv_faults_add(faults, path, "wrong_type", value->start, "expected a string, got %s",
                      pv_json_type_name(value->type));
        return false;
    }
    if (value->text.len == 0) {
        pv_faults_add(faults, path, "empty", value->start, "may not be empty");
        return false;
    }
    return true;
}

static void see_source(const struct pv_ce *ce, struct pv_str text, size_t at,
                       struct pv_faults *faults)
{
    if (!names_source(text, ce->source)) {
        pv_faults_add(faults, "/source", "wrong_source", at,
                      "expected \"%.*s\" or a URI that ends in /%.*s: it must agree with the "
                      "source of the token",
                      PV_STR_ARG(ce->source), PV_STR_ARG(ce->source));
    }
}

static void see_version(struct pv_str text, size_t at, struct pv_faults *faults)
{
    if (!pv_str_eq_c(text, "1.0")) {
        pv_faults_add(faults, "/specversion", "unsupported", at, "only \"1.0\" is known here");
    }
}

static void see_content_type(struct pv_str text, size_t at, struct pv_faults *faults)
{
    if (!is_json(text)) {
        pv_faults_add(faults, "/datacontenttype", "unsupported", at,
                      "expected application/json: the data of an event is JSON");
    }
}

static void see_extension(const struct pv_json *key, const struct pv_json *value,
                          struct envelope *found, struct pv_faults *faults)
{
    char path[80];
    pointer_of(path, key->text);
    if (!extension_name(key->text)) {
        pv_faults_add(faults, path, "unknown_key", key->start,
                      "not the name of an attribute: those have a-z and 0-9 only");
    } else if (value->type == PV_JSON_OBJECT || value->type == PV_JSON_ARRAY) {
        pv_faults_add(faults, path, "wrong_type", value->start,
                      "an extension is a string, a number or a boolean");
    } else if (pv_str_eq_c(key->text, "traceparent") && value->type == PV_JSON_STRING &&
               pv_traceparent_valid(value->text)) {
        found->trace = value->text;
    }
}

static void see_attribute(const struct pv_ce *ce, const struct pv_json *key,
                          const struct pv_json *value, struct envelope *found,
                          struct pv_faults *faults)
{
    struct pv_str name = key->text;
    if (pv_str_eq_c(name, "id")) {
        found->id = value;
    } else if (pv_str_eq_c(name, "type")) {
        found->type = value;
    } else if (pv_str_eq_c(name, "time")) {
        found->time = value;
    } else if (pv_str_eq_c(name, "data")) {
        found->data = value;
    } else if (pv_str_eq_c(name, "specversion")) {
        found->versioned = true;
        if (text_at(value, "/specversion", faults)) {
            see_version(value->text, value->start, faults);
        }
    } else if (pv_str_eq_c(name, "source")) {
        found->sourced = true;
        if (text_at(value, "/source", faults)) {
            see_source(ce, value->text, value->start, faults);
        }
    } else if (pv_str_eq_c(name, "datacontenttype")) {
        if (text_at(value, "/datacontenttype", faults)) {
            see_content_type(value->text, value->start, faults);
        }
    } else if (pv_str_eq_c(name, "dataschema") || pv_str_eq_c(name, "subject")) {
        char path[80];
        pointer_of(path, name);
        text_at(value, path, faults); /* for others: nothing here depends on them */
    } else if (pv_str_eq_c(name, "data_base64")) {
        pv_faults_add(faults, "/data_base64", "unsupported", key->start,
                      "expected the event as JSON in \"data\"");
    } else {
        see_extension(key, value, found, faults);
    }
}

/* ---- making the event ---- */

static struct pv_json *put(struct pv_ce *ce, struct pv_json value)
{
    struct pv_json_doc *out = &ce->out;
    struct pv_json *to = &out->values[out->count++];
    *to = value;
    to->next = (uint32_t)out->count;
    return to;
}

/* A value with all it holds. */
static void put_tree(struct pv_ce *ce, const struct pv_json *value)
{
    uint32_t first = (uint32_t)(value - ce->in->values);
    uint32_t to = (uint32_t)ce->out.count;
    for (uint32_t i = first; i < value->next; i++) {
        struct pv_json copy = ce->in->values[i];
        put(ce, copy)->next = copy.next - first + to;
    }
}

static void put_key(struct pv_ce *ce, const char *name, uint32_t at)
{
    put(ce, (struct pv_json){.text = pv_str(name), .start = at, .end = at, .type = PV_JSON_STRING});
}

static void put_attribute(struct pv_ce *ce, const char *name, const struct pv_json *value,
                          uint32_t *count)
{
    if (value != NULL) {
        put_key(ce, name, value->start);
        put_tree(ce, value);
        *count += 1;
    }
}

static void put_header(struct pv_ce *ce, const char *name, struct pv_str text, uint32_t *count)
{
    if (text.ptr != NULL) {
        put_key(ce, name, PV_JSON_NO_PLACE);
        put(ce, (struct pv_json){.text = text,
                                 .start = PV_JSON_NO_PLACE,
                                 .end = PV_JSON_NO_PLACE,
                                 .type = PV_JSON_STRING});
        *count += 1;
    }
}

/* The members of data, but none that the envelope has. */
static void put_data(struct pv_ce *ce, const struct pv_json *data, struct pv_faults *faults,
                     uint32_t *count)
{
    struct pv_json_iter iter = pv_json_iter(ce->in, data);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        if (pv_str_eq_c(key->text, "id") || pv_str_eq_c(key->text, "type") ||
            pv_str_eq_c(key->text, "time")) {
            char path[16];
            snprintf(path, sizeof(path), "/data/%.*s", PV_STR_ARG(key->text));
            pv_faults_add(faults, path, "unknown_key", key->start,
                          "the CloudEvent itself says this");
        } else {
            put_tree(ce, key);
            put_tree(ce, value);
            *count += 1;
        }
    }
}

static bool data_good(const struct pv_json *data, size_t at, struct pv_faults *faults)
{
    if (data == NULL) {
        pv_faults_add(faults, "/data", "required", at,
                      "required: the event without id, type and time");
        return false;
    }
    if (data->type != PV_JSON_OBJECT) {
        pv_faults_add(faults, "/data", "wrong_type", data->start, "expected an object, got %s",
                      pv_json_type_name(data->type));
        return false;
    }
    return true;
}

int pv_ce_init(struct pv_ce *ce, const struct pv_json_doc *in, struct pv_str source,
               struct pv_arena *arena)
{
    *ce = (struct pv_ce){.in = in, .source = source, .size = in->count + ENVELOPE};
    ce->out = (struct pv_json_doc){.source = in->source};
    ce->out.values = pv_arena_alloc(arena, ce->size * sizeof(*ce->out.values));
    return ce->out.values != NULL ? 0 : PV_ENOMEM;
}

/* Every value of the request is copied at most once: ce->out has room. */
const struct pv_json *pv_ce_event(struct pv_ce *ce, const struct pv_json *cloudevent,
                                  struct pv_faults *faults, struct pv_str *ret_trace)
{
    faults->data = NULL;
    *ret_trace = (struct pv_str){NULL, 0};
    if (cloudevent->type != PV_JSON_OBJECT) {
        pv_faults_add(faults, "", "wrong_type", cloudevent->start, "expected an object, got %s",
                      pv_json_type_name(cloudevent->type));
        return NULL;
    }
    struct envelope found = {.versioned = false};
    struct pv_json_iter iter = pv_json_iter(ce->in, cloudevent);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        if (value->type != PV_JSON_NULL) { /* an attribute that is null is not there */
            see_attribute(ce, key, value, &found, faults);
        }
    }
    if (!found.versioned) {
        pv_faults_add(faults, "/specversion", "required", cloudevent->start, "required: \"1.0\"");
    }
    if (!found.sourced) {
        pv_faults_add(faults, "/source", "required", cloudevent->start,
                      "required: the source of the token");
    }
    if (!data_good(found.data, cloudevent->start, faults)) {
        return NULL;
    }
    *ret_trace = found.trace;
    struct pv_json *event = put(ce, *cloudevent);
    event->count = 0;
    put_attribute(ce, "id", found.id, &event->count);
    put_attribute(ce, "type", found.type, &event->count);
    if (found.type != NULL && found.type->type == PV_JSON_STRING) {
        ce->out.values[ce->out.count - 1].text = short_type(found.type->text);
    }
    put_attribute(ce, "time", found.time, &event->count);
    put_data(ce, found.data, faults, &event->count);
    event->next = (uint32_t)ce->out.count;
    faults->data = "/data";
    return event;
}

const struct pv_json *pv_ce_binary(struct pv_ce *ce, const struct pv_ce_headers *headers,
                                   struct pv_faults *faults, struct pv_str *ret_trace)
{
    faults->data = NULL;
    *ret_trace = pv_traceparent_valid(headers->traceparent) ? headers->traceparent
                                                            : (struct pv_str){NULL, 0};
    if (headers->specversion.ptr == NULL) {
        pv_faults_add(faults, "/specversion", "required", PV_NO_OFFSET,
                      "required: the header ce-specversion with \"1.0\"");
    } else {
        see_version(headers->specversion, PV_NO_OFFSET, faults);
    }
    if (headers->source.ptr == NULL) {
        pv_faults_add(faults, "/source", "required", PV_NO_OFFSET,
                      "required: the header ce-source with the source of the token");
    } else {
        see_source(ce, headers->source, PV_NO_OFFSET, faults);
    }
    if (headers->content_type.ptr != NULL) {
        see_content_type(headers->content_type, PV_NO_OFFSET, faults);
    }
    const struct pv_json *data = &ce->in->values[0];
    if (!data_good(data, 0, faults)) {
        return NULL;
    }
    struct pv_json *event = put(ce, *data);
    event->count = 0;
    put_header(ce, "id", headers->id, &event->count);
    struct pv_str type = headers->type.ptr != NULL ? short_type(headers->type) : headers->type;
    put_header(ce, "type", type, &event->count);
    put_header(ce, "time", headers->time, &event->count);
    put_data(ce, data, faults, &event->count);
    event->next = (uint32_t)ce->out.count;
    faults->data = "/data";
    return event;
}

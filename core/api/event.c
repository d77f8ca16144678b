/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of events, as a table. */
#include "core/api/event.h"

#include "core/engine/types.h"

#include <stdio.h>
#include <string.h>

enum kind {
    TEXT, /* not empty */
    FREE, /* may be empty */
    TYPE,
    TIME,
    EMAIL,
    SEQUENCE,
    PARAMS,
    OBJECT
};

/* One member that an object of the event may have. */
struct member {
    const char *name;
    enum kind kind;
    size_t max; /* bytes of a text */
    const struct member *members;
    size_t member_count;
};

static const struct member service_members[] = {
    {"id", TEXT, PV_MAX_EXTERNAL_ID, NULL, 0},
    {"product", TEXT, PV_MAX_NAME, NULL, 0},
    {"plan", TEXT, PV_MAX_NAME, NULL, 0},
    {"sequence", SEQUENCE, 0, NULL, 0},
    {"params", PARAMS, 0, NULL, 0},
};

static const struct member customer_members[] = {
    {"id", TEXT, 200, NULL, 0},
    {"email", EMAIL, 254, NULL, 0},
    {"firstname", FREE, 200, NULL, 0},
    {"lastname", FREE, 200, NULL, 0},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct member event_members[] = {
    {"id", TEXT, PV_MAX_EVENT_ID, NULL, 0},
    {"type", TYPE, 64, NULL, 0},
    {"time", TIME, 64, NULL, 0},
    {"service", OBJECT, 0, service_members, COUNT(service_members)},
    {"customer", OBJECT, 0, customer_members, COUNT(customer_members)},
    {"reason", FREE, 1000, NULL, 0},
};

/* "service." and the names of types.h */
static const char *const type_names[] = {"service.create",    "service.suspend",
                                         "service.unsuspend", "service.terminate",
                                         "service.upgrade",   "service.renew"};

static size_t span(struct pv_str s, size_t from, const char *set)
{
    size_t n = 0;
    while (from + n < s.len && s.ptr[from + n] != '\0' && strchr(set, s.ptr[from + n]) != NULL) {
        n++;
    }
    return n;
}

bool pv_email_valid(struct pv_str text)
{
    const char *at = text.len > 0 ? memchr(text.ptr, '@', text.len) : NULL;
    if (at == NULL || at == text.ptr) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7F) {
            return false;
        }
    }
    struct pv_str host = {at + 1, text.len - (size_t)(at + 1 - text.ptr)};
    if (host.len == 0 || memchr(host.ptr, '@', host.len) != NULL || host.ptr[0] == '.' ||
        host.ptr[host.len - 1] == '.') {
        return false;
    }
    return pv_str_eq_c(host, "localhost") || memchr(host.ptr, '.', host.len) != NULL;
}

/* `digits` decimal digits at `at`, as a number; -1 when they are not there. */
static int number_at(struct pv_str s, size_t at, size_t digits)
{
    if (at + digits > s.len) {
        return -1;
    }
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = s.ptr[at + i];
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
    }
    return value;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool pv_time_valid(struct pv_str text)
{
    int year = number_at(text, 0, 4);
    int month = number_at(text, 5, 2);
    int day = number_at(text, 8, 2);
    int hour = number_at(text, 11, 2);
    int minute = number_at(text, 14, 2);
    int second = number_at(text, 17, 2);
    if (text.len < 20 || year < 0 || month < 1 || month > 12 || day < 1 ||
        day > days_of(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        strchr("Tt ", text.ptr[10]) == NULL || text.ptr[10] == '\0' || text.ptr[13] != ':' ||
        text.ptr[16] != ':') {
        return false;
    }
    size_t at = 19;
    if (text.ptr[at] == '.') {
        size_t digits = span(text, at + 1, "0123456789");
        if (digits == 0) {
            return false;
        }
        at += 1 + digits;
    }
    if (at + 1 == text.len) {
        return text.ptr[at] == 'Z' || text.ptr[at] == 'z';
    }
    int off_hour = number_at(text, at + 1, 2);
    int off_minute = number_at(text, at + 4, 2);
    return at + 6 == text.len && (text.ptr[at] == '+' || text.ptr[at] == '-') && off_hour >= 0 &&
           off_hour <= 23 && off_minute >= 0 && off_minute <= 59 && text.ptr[at + 3] == ':';
}

/* ---- one value ---- */

struct check {
    const struct pv_json_doc *doc;
    struct pv_faults *faults;
    bool ok;
};

static void wrong(struct check *c, const char *path, const char *code, const struct pv_json *at,
                  const char *what)
{
    c->ok = false;
    pv_faults_add(c->faults, path, code, at->start, "%s", what);
}

static bool expect_type(struct check *c, const char *path, const struct pv_json *value,
                        enum pv_json_type type)
{
    if (value->type == type) {
        return true;
    }
    char what[80];
    snprintf(what, sizeof(what), "expected %s, got %s", pv_json_type_name(type),
             pv_json_type_name(value->type));
    wrong(c, path, "wrong_type", value, what);
    return false;
}

/* Control characters do harm in logs and file names, and mean nothing in an id or a name. */
static bool has_control(struct pv_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

static void check_text(struct check *c, const char *path, const struct pv_json *value,
                       const struct member *member)
{
    if (!expect_type(c, path, value, PV_JSON_STRING)) {
        return;
    }
    char what[80];
    if (value->text.len == 0 && member->kind != FREE) {
        wrong(c, path, "empty", value, "may not be empty");
    } else if (value->text.len > member->max) {
        snprintf(what, sizeof(what), "longer than %zu bytes", member->max);
        wrong(c, path, "too_long", value, what);
    } else if (has_control(value->text)) {
        wrong(c, path, "invalid", value, "may not hold control characters");
    } else if (member->kind == EMAIL && !pv_email_valid(value->text)) {
        wrong(c, path, "invalid_email", value, "not an e-mail address");
    } else if (member->kind == TIME && !pv_time_valid(value->text)) {
        wrong(c, path, "invalid_time", value,
              "expected a time such as 2026-11-20T10:14:00Z (RFC 3339)");
    }
}

static void check_type(struct check *c, const char *path, const struct pv_json *value)
{
    if (!expect_type(c, path, value, PV_JSON_STRING)) {
        return;
    }
    for (size_t i = 0; i < COUNT(type_names); i++) {
        if (pv_str_eq_c(value->text, type_names[i])) {
            return;
        }
    }
    const char *near = pv_str_nearest(value->text, type_names, COUNT(type_names));
    char what[200];
    snprintf(what, sizeof(what),
             near != NULL ? "unknown event type; did you mean \"%s\"?"
                          : "unknown event type; known are service.create, service.suspend, "
                            "service.unsuspend, service.terminate, service.upgrade, service.renew",
             near);
    wrong(c, path, "unknown_type", value, what);
}

static void check_sequence(struct check *c, const char *path, const struct pv_json *value)
{
    int64_t sequence = 0;
    if (expect_type(c, path, value, PV_JSON_NUMBER) &&
        (pv_str_to_i64(value->text, &sequence) != 0 || sequence < 0)) {
        wrong(c, path, "invalid", value, "expected a whole number that is not negative");
    }
}

/* ---- objects ---- */

static const struct member *find_member(const struct member *members, size_t count,
                                        struct pv_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq_c(name, members[i].name)) {
            return &members[i];
        }
    }
    return NULL;
}

static void refuse_unknown(struct check *c, const char *path, const struct member *members,
                           size_t count, const struct pv_json *key)
{
    const char *names[8];
    for (size_t i = 0; i < count && i < COUNT(names); i++) {
        names[i] = members[i].name;
    }
    const char *near = pv_str_nearest(key->text, names, count);
    char what[100];
    if (near != NULL) {
        snprintf(what, sizeof(what), "unknown key; did you mean \"%s\"?", near);
    } else {
        snprintf(what, sizeof(what), "unknown key");
    }
    wrong(c, path, "unknown_key", key, what);
}

static void check_object(struct check *c, const char *path, const struct pv_json *object,
                         const struct member *members, size_t count);

static void check_member(struct check *c, const char *path, const struct pv_json *value,
                         const struct member *member)
{
    switch (member->kind) {
    case TEXT:
    case FREE:
    case EMAIL:
    case TIME:
        check_text(c, path, value, member);
        break;
    case TYPE:
        check_type(c, path, value);
        break;
    case SEQUENCE:
        check_sequence(c, path, value);
        break;
    case PARAMS:
        expect_type(c, path, value, PV_JSON_OBJECT);
        break;
    case OBJECT:
        if (expect_type(c, path, value, PV_JSON_OBJECT)) {
            check_object(c, path, value, member->members, member->member_count);
        }
        break;
    }
}

/* A key as part of a JSON pointer; long ones are cut. */
static void put_pointer(char *path, size_t size, const char *parent, struct pv_str key)
{
    size_t n = strnlen(parent, size - 2);
    memcpy(path, parent, n);
    path[n++] = '/';
    for (size_t i = 0; i < key.len && i < 64 && n + 3 < size; i++) {
        char c = key.ptr[i];
        if (c == '~' || c == '/') {
            path[n++] = '~';
            c = c == '~' ? '0' : '1';
        }
        path[n++] = c;
    }
    path[n] = '\0';
}

static void check_object(struct check *c, const char *path, const struct pv_json *object,
                         const struct member *members, size_t count)
{
    struct pv_json_iter iter = pv_json_iter(c->doc, object);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    while (pv_json_next(&iter, &key, &value)) {
        char below[200];
        put_pointer(below, sizeof(below), path, key->text);
        const struct member *member = find_member(members, count, key->text);
        if (member == NULL) {
            refuse_unknown(c, below, members, count, key);
        } else {
            check_member(c, below, value, member);
        }
    }
}

/* ---- what an event must have ---- */

static void need(struct check *c, const struct pv_json *object, const char *name, const char *path,
                 const struct pv_json *at, const char *what)
{
    if (object == NULL || object->type != PV_JSON_OBJECT) {
        return; /* told already */
    }
    if (pv_json_get(c->doc, object, name) == NULL) {
        wrong(c, path, "required", at, what);
    }
}

static int type_of(const struct pv_json_doc *doc, const struct pv_json *event)
{
    const struct pv_json *type = pv_json_get(doc, event, "type");
    for (size_t i = 0; type != NULL && i < COUNT(type_names); i++) {
        if (pv_str_eq_c(type->text, type_names[i])) {
            return (int)i + PV_OP_CREATE;
        }
    }
    return 0;
}

static void check_required(struct check *c, const struct pv_json *event, int type, unsigned flags)
{
    const struct pv_json *service = pv_json_get(c->doc, event, "service");
    const struct pv_json *customer = pv_json_get(c->doc, event, "customer");
    need(c, event, "id", "/id", event, "required: the event's id, unique within the source");
    need(c, event, "type", "/type", event, "required");
    need(c, event, "service", "/service", event, "required");
    need(c, service, "id", "/service/id", service, "required: the service's id in your system");
    if (type == PV_OP_CREATE) {
        need(c, service, "product", "/service/product", service, "required by service.create");
        need(c, service, "plan", "/service/plan", service, "required by service.create");
        if (customer == NULL && (flags & PV_EVENT_NO_CUSTOMER) != 0) {
            return;
        }
        if (customer == NULL) {
            wrong(c, "/customer/email", "required", event, "required by service.create");
        } else {
            need(c, customer, "email", "/customer/email", customer, "required by service.create");
        }
    }
    if (type == PV_OP_UPGRADE) {
        need(c, service, "plan", "/service/plan", service, "required by service.upgrade");
    }
}

static struct pv_str text_of(const struct pv_json_doc *doc, const struct pv_json *object,
                             const char *name, uint32_t *ret_at)
{
    const struct pv_json *value = object != NULL ? pv_json_get(doc, object, name) : NULL;
    if (value == NULL) {
        return (struct pv_str){NULL, 0};
    }
    *ret_at = value->start;
    return value->text;
}

static bool is(const struct pv_json *value, enum pv_json_type type)
{
    return value != NULL && value->type == type;
}

/* What is ordered, of an event that has another mistake. */
static void keep_order(const struct pv_json_doc *doc, const struct pv_json *value, int type,
                       struct pv_event *ret_event)
{
    const struct pv_json *service = pv_json_get(doc, value, "service");
    if (type != PV_OP_CREATE || !is(service, PV_JSON_OBJECT) ||
        !is(pv_json_get(doc, service, "product"), PV_JSON_STRING) ||
        !is(pv_json_get(doc, service, "plan"), PV_JSON_STRING)) {
        return;
    }
    ret_event->type = type;
    ret_event->product = text_of(doc, service, "product", &ret_event->product_at);
    ret_event->plan = text_of(doc, service, "plan", &ret_event->plan_at);
    const struct pv_json *params = pv_json_get(doc, service, "params");
    ret_event->params = is(params, PV_JSON_OBJECT) ? params : NULL;
}

bool pv_event_check(const struct pv_json_doc *doc, const struct pv_json *value, unsigned flags,
                    struct pv_faults *faults, struct pv_event *ret_event)
{
    struct check c = {.doc = doc, .faults = faults, .ok = true};
    *ret_event = (struct pv_event){.value = value};
    if (!expect_type(&c, "", value, PV_JSON_OBJECT)) {
        return false;
    }
    int type = type_of(doc, value);
    check_object(&c, "", value, event_members, COUNT(event_members));
    check_required(&c, value, type, flags);
    if (!c.ok) {
        keep_order(doc, value, type, ret_event);
        return false;
    }
    const struct pv_json *service = pv_json_get(doc, value, "service");
    const struct pv_json *sequence = pv_json_get(doc, service, "sequence");
    uint32_t at = 0;
    struct pv_event event = {.value = value,
                             .params = pv_json_get(doc, service, "params"),
                             .type = type,
                             .id = text_of(doc, value, "id", &at),
                             .external_id = text_of(doc, service, "id", &at),
                             .reason = text_of(doc, value, "reason", &at),
                             .has_sequence = sequence != NULL};
    event.product = text_of(doc, service, "product", &event.product_at);
    event.plan = text_of(doc, service, "plan", &event.plan_at);
    if (sequence != NULL && pv_str_to_i64(sequence->text, &event.sequence) != 0) {
        return false; /* cannot be: it was checked */
    }
    *ret_event = event;
    return true;
}

int pv_event_canonical(const struct pv_json_doc *doc, const struct pv_json *value,
                       struct pv_buf *out)
{
    static const char *const skip[] = {"id", "time"};
    return pv_json_canonical(doc, value, skip, COUNT(skip), out);
}

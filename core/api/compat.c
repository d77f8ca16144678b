/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the Paymenter back end's routes, and the events, actions and queries that they stand
 * for. docs/compat.md lists method, path and body of each. */
#include "core/api/compat.h"

#include <stdio.h>
#include <string.h>

#define SERVICE_ID_MAX 64
#define WAIT_S 24    /* its extensions give up after 25 s */
#define DNS_WAIT_S 9 /* and after 10 s here */

enum route {
    SITE_CREATE,
    SITE_DELETE,
    SITE_SUSPEND,
    SITE_UNSUSPEND,
    SITE_UPGRADE,
    SUPPORT_CREATE,
    SUPPORT_SUSPEND,
    SUPPORT_UNSUSPEND,
    SUPPORT_TERMINATE,
    ZONE_ADD,
    ZONE_DELETE,
    ZONE_LIST,
    RECORD_ADD,
    RECORD_EDIT,
    RECORD_DELETE,
    RECORD_LIST,
};

static const struct pv_compat_route compats[] = {
    [SITE_CREATE] = {.family = PV_FAMILY_SITE, .type = PV_OP_CREATE},
    [SITE_DELETE] = {.family = PV_FAMILY_SITE, .type = PV_OP_TERMINATE, .wait_s = WAIT_S},
    [SITE_SUSPEND] = {.family = PV_FAMILY_SITE, .type = PV_OP_SUSPEND, .wait_s = WAIT_S},
    [SITE_UNSUSPEND] = {.family = PV_FAMILY_SITE, .type = PV_OP_UNSUSPEND, .wait_s = WAIT_S},
    [SITE_UPGRADE] = {.family = PV_FAMILY_SITE, .type = PV_OP_UPGRADE, .wait_s = WAIT_S},
    [SUPPORT_CREATE] = {.family = PV_FAMILY_SUPPORT,
                        .type = PV_OP_CREATE,
                        .wait_s = WAIT_S,
                        .reveals = true},
    [SUPPORT_SUSPEND] = {.family = PV_FAMILY_SUPPORT, .type = PV_OP_SUSPEND, .wait_s = WAIT_S},
    [SUPPORT_UNSUSPEND] = {.family = PV_FAMILY_SUPPORT, .type = PV_OP_UNSUSPEND, .wait_s = WAIT_S},
    [SUPPORT_TERMINATE] = {.family = PV_FAMILY_SUPPORT, .type = PV_OP_TERMINATE, .wait_s = WAIT_S},
    [ZONE_ADD] = {.family = PV_FAMILY_DNS,
                  .type = PV_OP_ACTION,
                  .action = "zone_add",
                  .wait_s = DNS_WAIT_S,
                  .first_creates = true},
    [ZONE_DELETE] = {.family = PV_FAMILY_DNS,
                     .type = PV_OP_ACTION,
                     .action = "zone_delete",
                     .wait_s = DNS_WAIT_S},
    [ZONE_LIST] = {.family = PV_FAMILY_DNS, .query = "zones"},
    [RECORD_ADD] = {.family = PV_FAMILY_DNS,
                    .type = PV_OP_ACTION,
                    .action = "record_add",
                    .wait_s = DNS_WAIT_S},
    [RECORD_EDIT] = {.family = PV_FAMILY_DNS,
                     .type = PV_OP_ACTION,
                     .action = "record_edit",
                     .wait_s = DNS_WAIT_S},
    [RECORD_DELETE] = {.family = PV_FAMILY_DNS,
                       .type = PV_OP_ACTION,
                       .action = "record_delete",
                       .wait_s = DNS_WAIT_S},
    [RECORD_LIST] = {.family = PV_FAMILY_DNS, .query = "records"},
};

static const char *const family_names[PV_FAMILIES] = {"site", "support", "dns"};

void pv_compat_refuse(struct pv_call *call, unsigned status, const char *fmt, ...)
{
    static const struct {
        unsigned status;
        const char *code;
    } codes[] = {{400, "invalid"},  {401, "suspended"}, {404, "not_found"},
                 {409, "conflict"}, {500, "failed"},    {502, "backend_failed"}};
    char text[600];
    const char *code = "failed";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        code = codes[i].status == status ? codes[i].code : code;
    }
    pv_call_fail(call, status, code, "%s", text);
}

/* ---- the source and the service ---- */

/* The source's mapping of this family. NULL: it has failed the call. */
static struct pv_compat_call *begin(struct pv_call *call)
{
    const struct pv_compat_route *what = &compats[call->route->detail];
    struct pv_str source;
    if (!pv_call_source(call, &source)) {
        return NULL;
    }
    source = source.ptr != NULL ? source : call->who.source;
    const struct pv_config_source *found =
        source.ptr != NULL ? pv_config_source(call->api->o.config, source) : NULL;
    if (found == NULL || found->compat != PV_COMPAT_PAYMENTER ||
        found->products[what->family].len == 0) {
        pv_call_fail(call, 404, "unknown_path",
                     "this source is not configured for these routes (sources: NAME: compat, "
                     "products)");
        return NULL;
    }
    struct pv_compat_call *compat = pv_arena_alloc(&call->arena, sizeof(*compat));
    if (compat == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return NULL;
    }
    *compat = (struct pv_compat_call){
        .what = what,
        .source = source,
        .product = pv_arena_copy(&call->arena, found->products[what->family])};
    if (found->plans[what->family].len > 0) {
        compat->plan = pv_arena_copy(&call->arena, found->plans[what->family]);
    }
    call->state = compat;
    return compat;
}

/* "12345" of this family is the external id "site/12345". false: it has failed the call. */
static bool set_service(struct pv_call *call, struct pv_compat_call *compat, struct pv_str id)
{
    bool good = id.len > 0 && id.len <= SERVICE_ID_MAX;
    for (size_t i = 0; i < id.len && good; i++) {
        good = (unsigned char)id.ptr[i] > ' ' && id.ptr[i] != 0x7F;
    }
    if (!good) {
        pv_compat_refuse(call, 400, "service_id is required: 1 to %d characters without spaces",
                         SERVICE_ID_MAX);
        return false;
    }
    char text[SERVICE_ID_MAX + 16];
    snprintf(text, sizeof(text), "%s/%.*s", family_names[compat->what->family], PV_STR_ARG(id));
    compat->service_id = pv_arena_copy(&call->arena, id); /* the body is parsed anew */
    compat->external_id = pv_arena_copy(&call->arena, pv_str(text));
    if (compat->service_id.ptr == NULL || compat->external_id.ptr == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return false;
    }
    return true;
}

/* A member as text, also when it was sent as a number; none: not there, null or something else. */
static struct pv_str text_of(const struct pv_call *call, const char *key)
{
    const struct pv_json *value = pv_json_get(&call->body, &call->body.values[0], key);
    bool usable = value != NULL && (value->type == PV_JSON_STRING || value->type == PV_JSON_NUMBER);
    return usable ? value->text : (struct pv_str){NULL, 0};
}

/* Parses the body and reads service_id. NULL: it has failed the call. */
static struct pv_compat_call *begin_with_body(struct pv_call *call)
{
    struct pv_compat_call *compat = begin(call);
    if (compat == NULL || !pv_call_parse(call, false)) {
        return NULL;
    }
    if (call->body.values[0].type != PV_JSON_OBJECT) {
        pv_compat_refuse(call, 400, "expected an object, got %s",
                         pv_json_type_name(call->body.values[0].type));
        return NULL;
    }
    return set_service(call, compat, text_of(call, "service_id")) ? compat : NULL;
}

/* ---- events ---- */

static bool one_of(struct pv_str key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pv_str_eq_c(key, names[i])) {
            return true;
        }
    }
    return false;
}

/* What else the body holds is a parameter of the order where the product asks for one of this name.
 */
static void put_params(struct pv_call *call, const struct pv_compat_call *compat,
                       struct pv_buf *out)
{
    static const char *const own[] = {"service_id", "email", "firstname",
                                      "lastname",   "plan",  "reason"};
    const struct pv_config_product *product =
        pv_config_product(call->api->o.config, compat->product);
    struct pv_json_iter iter = pv_json_iter(&call->body, &call->body.values[0]);
    const struct pv_json *key = NULL;
    const struct pv_json *value = NULL;
    bool first = true;
    while (product != NULL && pv_json_next(&iter, &key, &value)) {
        if (one_of(key->text, own, sizeof(own) / sizeof(own[0])) || value->type == PV_JSON_NULL ||
            pv_fields_find(&product->checkout, key->text) == NULL) {
            continue;
        }
        pv_buf_c(out, first ? ",\"params\":{" : ",");
        pv_buf_json(out, key->text);
        pv_buf_char(out, ':');
        pv_buf_str(out, pv_json_raw(&call->body, value));
        first = false;
    }
    pv_buf_c(out, first ? "" : "}");
}

static void put_member(struct pv_buf *out, const char *key, struct pv_str text)
{
    if (text.len > 0) {
        pv_show_text(out, key, text);
    }
}

/* The event that the body stands for. */
static void put_event(struct pv_call *call, const struct pv_compat_call *compat, int type,
                      struct pv_buf *out)
{
    struct pv_str plan = text_of(call, "plan");
    bool planned = type == PV_OP_CREATE || type == PV_OP_UPGRADE;
    pv_buf_printf(out, "{\"id\":\"-\",\"type\":\"service.%s\",\"service\":{",
                  pv_op_type_name(type));
    pv_show_text(out, "id", compat->external_id);
    if (planned) {
        put_member(out, "product", compat->product);
        bool fallback = plan.len == 0 && type == PV_OP_CREATE;
        put_member(out, "plan", fallback ? compat->plan : plan);
    }
    if (type == PV_OP_CREATE) {
        put_params(call, compat, out);
    }
    pv_buf_char(out, '}');
    if (type == PV_OP_CREATE) {
        pv_buf_c(out, ",\"customer\":{");
        put_member(out, "email", text_of(call, "email"));
        put_member(out, "firstname", text_of(call, "firstname"));
        put_member(out, "lastname", text_of(call, "lastname"));
        pv_buf_char(out, '}');
    }
    put_member(out, "reason", text_of(call, "reason"));
    pv_buf_char(out, '}');
}

/* Moves the text into the call's arena. false: it has failed the call. */
static bool keep(struct pv_call *call, struct pv_buf *text, struct pv_str *ret_text)
{
    struct pv_err err = {0};
    int status = text->status;
    if (status == 0) {
        *ret_text = pv_arena_copy(&call->arena, pv_buf_view(text));
        status = ret_text->ptr != NULL ? 0 : PV_ENOMEM;
    }
    if (status == PV_ETOOBIG) {
        pv_err_set(&err, status, "an event holds at most %zu bytes", text->cap);
    }
    pv_buf_done(text);
    if (status != 0) {
        pv_call_fail_status(call, status, &err, "");
    }
    return status == 0;
}

/* Makes compat->event. false: it has failed the call. */
static bool make_event(struct pv_call *call, struct pv_compat_call *compat, int type)
{
    struct pv_buf text;
    pv_buf_init(&text, PV_EVENT_BYTES_MAX);
    put_event(call, compat, type, &text);
    return keep(call, &text, &compat->event);
}

static void post_event(struct pv_call *call)
{
    struct pv_compat_call *compat = begin_with_body(call);
    if (compat != NULL && make_event(call, compat, compat->what->type)) {
        pv_compat_run_event(call);
    }
}

/* ---- zones and records ---- */

/* A body's member, its other name, and the field of the form it becomes. */
static const struct {
    const char *field;
    const char *other;
} form_fields[] = {
    {"zone", "domain"}, {"record", "record_id"}, {"name", NULL},       {"type", NULL},
    {"content", NULL},  {"ttl", NULL},           {"priority", "prio"},
};

static const struct pv_json *form_value(const struct pv_call *call, size_t i)
{
    const struct pv_json *root = &call->body.values[0];
    const struct pv_json *value = pv_json_get(&call->body, root, form_fields[i].field);
    if (value == NULL && form_fields[i].other != NULL) {
        value = pv_json_get(&call->body, root, form_fields[i].other);
    }
    return value != NULL && value->type != PV_JSON_NULL ? value : NULL;
}

/* Makes compat->body and form. false: it has failed the call. */
static bool make_form(struct pv_call *call, struct pv_compat_call *compat)
{
    static const char before[] = "{\"form\":";
    struct pv_buf text;
    pv_buf_init(&text, call->http->body.len + 128); /* members as they were sent, some renamed */
    pv_buf_c(&text, before);
    pv_buf_char(&text, '{');
    for (size_t i = 0; i < sizeof(form_fields) / sizeof(form_fields[0]); i++) {
        const struct pv_json *value = form_value(call, i);
        if (value != NULL) {
            pv_show_raw(&text, form_fields[i].field, pv_json_raw(&call->body, value));
        }
    }
    pv_buf_c(&text, "}}");
    if (!keep(call, &text, &compat->body)) {
        return false;
    }
    size_t skip = sizeof(before) - 1;
    compat->form = (struct pv_str){compat->body.ptr + skip, compat->body.len - skip - 1};
    return true;
}

/* The first zone is a parameter of the order, under its own name. */
static bool make_first_zone(struct pv_call *call, struct pv_compat_call *compat)
{
    const struct pv_json *zone = form_value(call, 0);
    if (zone == NULL || zone->type != PV_JSON_STRING || zone->text.len == 0) {
        pv_compat_refuse(call, 400, "zone is required");
        return false;
    }
    struct pv_buf text;
    pv_buf_init(&text, PV_EVENT_BYTES_MAX);
    pv_buf_c(&text, "{\"id\":\"-\",\"type\":\"service.create\",\"service\":{");
    pv_show_text(&text, "id", compat->external_id);
    put_member(&text, "product", compat->product);
    struct pv_str plan = text_of(call, "plan");
    put_member(&text, "plan", plan.len > 0 ? plan : compat->plan);
    pv_buf_c(&text, ",\"params\":{\"zone\":");
    pv_buf_json(&text, zone->text);
    pv_buf_c(&text, "}}");
    struct pv_str email = text_of(call, "email");
    if (email.len > 0) {
        pv_buf_c(&text, ",\"customer\":{");
        put_member(&text, "email", email);
        put_member(&text, "firstname", text_of(call, "firstname"));
        put_member(&text, "lastname", text_of(call, "lastname"));
        pv_buf_char(&text, '}');
    }
    pv_buf_char(&text, '}');
    return keep(call, &text, &compat->event);
}

static void post_action(struct pv_call *call)
{
    struct pv_compat_call *compat = begin_with_body(call);
    if (compat == NULL || !make_form(call, compat) ||
        (compat->what->first_creates && !make_first_zone(call, compat))) {
        return;
    }
    pv_compat_run_action(call);
}

static void list(struct pv_call *call)
{
    bool get = !pv_str_eq_c(call->http->method, "POST");
    struct pv_compat_call *compat = get ? begin(call) : begin_with_body(call);
    if (compat == NULL || (get && !set_service(call, compat, pv_call_param(call, "service_id")))) {
        return;
    }
    if (strcmp(compat->what->query, "records") == 0) {
        struct pv_str zone = get ? pv_call_param(call, "zone") : text_of(call, "zone");
        if (zone.len == 0 || pv_str_to_c(zone, compat->zone, sizeof(compat->zone)) != 0) {
            pv_compat_refuse(call, 400, "zone is required");
            return;
        }
        call->json = json_pack("{s:s}", "zone", compat->zone);
        if (call->json == NULL) {
            pv_compat_refuse(call, 400, "zone is not valid");
            return;
        }
    }
    pv_compat_run_query(call);
}

#define WRITE PV_SCOPE_EVENTS_WRITE
#define ACT PV_SCOPE_SERVICES_ACT
#define READ PV_SCOPE_SERVICES_READ

const struct pv_route pv_routes_compat[] = {
    {"POST", "/create-site", WRITE, 0, post_event, SITE_CREATE},
    {"POST", "/delete-site", WRITE, 0, post_event, SITE_DELETE},
    {"POST", "/suspend", WRITE, 0, post_event, SITE_SUSPEND},
    {"POST", "/unsuspend", WRITE, 0, post_event, SITE_UNSUSPEND},
    {"POST", "/wp/upgrade/", WRITE, 0, post_event, SITE_UPGRADE},
    {"POST", "/support/create", WRITE | PV_SCOPE_SERVICES_REVEAL, 0, post_event, SUPPORT_CREATE},
    {"POST", "/support/suspend", WRITE, 0, post_event, SUPPORT_SUSPEND},
    {"POST", "/support/unsuspend", WRITE, 0, post_event, SUPPORT_UNSUSPEND},
    {"POST", "/support/terminate", WRITE, 0, post_event, SUPPORT_TERMINATE},
    {"POST", "/customdomain/add/zone", WRITE | ACT, 0, post_action, ZONE_ADD},
    {"POST", "/customdomain/delete/zone", ACT, 0, post_action, ZONE_DELETE},
    {"GET", "/customdomain/list/zones", READ, 0, list, ZONE_LIST},
    {"POST", "/customdomain/list/zones", READ, 0, list, ZONE_LIST},
    {"POST", "/customdomain/add/record", ACT, 0, post_action, RECORD_ADD},
    {"POST", "/customdomain/edit/record", ACT, 0, post_action, RECORD_EDIT},
    {"POST", "/customdomain/delete/record", ACT, 0, post_action, RECORD_DELETE},
    {"GET", "/customdomain/list/records", READ, 0, list, RECORD_LIST},
    {"POST", "/customdomain/list/records", READ, 0, list, RECORD_LIST},
    {NULL, NULL, 0, 0, NULL, 0},
};

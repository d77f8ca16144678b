/* SPDX-License-Identifier: Apache-2.0 */
/* Is a call of the settings well-formed, and does it know the names that it uses? */
#include "plugins/http/check.h"

#include <stdio.h>
#include <string.h>

/* How the value of a member is looked at. */
enum look {
    TEXT,      /* a text without templates */
    METHOD,    /* GET, POST, … */
    PATH,      /* a template that begins with "/" */
    TEXTS,     /* a mapping of templates */
    PAIRS,     /* a mapping of templates or lists of them */
    TREE,      /* any JSON, with templates */
    RESULT,    /* the same, knowing the answer */
    MATCH,     /* which answers */
    NAMES,     /* a condition over names */
    POINTER,   /* a JSON pointer */
    POINTERS,  /* one, or a list of them */
    BOOL,      /* true or false */
    KEY,       /* true, or the name of a header */
    DURATION,  /* "25s" */
    MAPPING,   /* what is kept in the state document */
    INNER,     /* another call, or `signal` */
    CONDITION, /* over the body of a signal */
};

static const struct member {
    const char *name;
    unsigned kinds; /* enum http_kind, where it may stand */
    enum look look;
} members[] = {
    {"name", HTTP_STEP | HTTP_QUERY | HTTP_SIGNAL, TEXT},
    {"method", ~(unsigned)HTTP_SIGNAL, METHOD},
    {"path", ~(unsigned)HTTP_SIGNAL, PATH},
    {"query", ~(unsigned)HTTP_SIGNAL, PAIRS},
    {"headers", ~(unsigned)HTTP_SIGNAL, TEXTS},
    {"body", ~(unsigned)HTTP_SIGNAL, TREE},
    {"form", ~(unsigned)HTTP_SIGNAL, PAIRS},
    {"timeout", ~(unsigned)HTTP_SIGNAL, DURATION},
    {"success", ~(unsigned)HTTP_SIGNAL, MATCH},
    {"error", ~0u, POINTERS},
    {"if", HTTP_STEP | HTTP_UNDO | HTTP_QUERY, NAMES},
    {"absent", HTTP_STEP | HTTP_LOOKUP | HTTP_UNDO | HTTP_QUERY, MATCH},
    {"there", HTTP_STEP, MATCH},
    {"busy", HTTP_STEP | HTTP_LOOKUP | HTTP_UNDO, MATCH},
    {"conflict", HTTP_STEP | HTTP_LOOKUP, MATCH},
    {"temporary", HTTP_STEP | HTTP_UNDO, MATCH},
    {"permanent", HTTP_STEP | HTTP_UNDO, MATCH},
    {"idempotent", HTTP_STEP, BOOL},
    {"idempotency_key", HTTP_STEP, KEY},
    {"state", HTTP_STEP | HTTP_POLL | HTTP_LOOKUP | HTTP_SIGNAL, MAPPING},
    {"result", HTTP_STEP | HTTP_POLL | HTTP_SIGNAL, RESULT},
    {"poll", HTTP_STEP, INNER},
    {"signal", HTTP_STEP, INNER},
    {"lookup", HTTP_STEP, INNER},
    {"undo", HTTP_STEP, INNER},
    {"every", HTTP_POLL, DURATION},
    {"done", HTTP_POLL, MATCH},
    {"failed", HTTP_POLL, MATCH},
    {"progress", HTTP_POLL, POINTER},
    {"text", HTTP_POLL, POINTER},
    {"settle", HTTP_LOOKUP, DURATION},
    {"done", HTTP_SIGNAL, CONDITION},
    {"failed", HTTP_SIGNAL, CONDITION},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static bool is_token(const char *text)
{
    return text[0] != '\0' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(text);
}

/* ---- values ---- */

static int check_tree(struct http_check *check, const char *path, const json_t *tree,
                      const json_t *known)
{
    char where[HTTP_NAME_MAX];
    char why[HTTP_WHY_MAX] = "";
    char whole[HTTP_PATH_MAX];
    int error = http_template_check_tree(tree, known, where, why);
    http_check_path(whole, path, where);
    return error == 0 ? 0 : http_check_fail(check, whole, "%s", why);
}

static int check_with_answer(struct http_check *check, const char *path, const json_t *tree,
                             const json_t *known)
{
    json_t *wider = json_copy((json_t *)(uintptr_t)known);
    json_object_set_new(wider, "answer", json_null());
    int error = check_tree(check, path, tree, wider);
    json_decref(wider);
    return error;
}

static int check_path_value(struct http_check *check, const char *path, const json_t *value,
                            const json_t *known)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] != '/') {
        return http_check_fail(check, path, "expected a path that begins with \"/\"");
    }
    bool inside = false;
    for (const char *p = text; p[0] != '\0'; p++) {
        inside = strncmp(p, "{{", 2) == 0 || (inside && strncmp(p, "}}", 2) != 0);
        if (!inside && ((unsigned char)p[0] <= ' ' || strchr("?#\"<>\\^`|", p[0]) != NULL ||
                        (unsigned char)p[0] >= 0x7F)) {
            return http_check_fail(check, path,
                                   "\"%c\" cannot be part of a path; parameters go into `query`",
                                   p[0] > ' ' && p[0] < 0x7F ? p[0] : '?');
        }
    }
    return check_tree(check, path, value, known);
}

/* What one member of a mapping has to be. */
typedef int (*check_member_fn)(struct http_check *check, const char *path, const char *name,
                               const json_t *value, const json_t *known);

static int check_each(struct http_check *check, const char *path, const json_t *mapping,
                      const char *of, check_member_fn one, const json_t *known)
{
    const char *name = NULL;
    json_t *value = NULL;
    char whole[HTTP_PATH_MAX];
    int error = json_is_object(mapping)
                    ? 0
                    : http_check_fail(check, path, "expected a mapping of names and %s", of);
    json_object_foreach((json_t *)(uintptr_t)mapping, name, value)
    {
        http_check_path(whole, path, name);
        error = error == 0 ? one(check, whole, name, value, known) : error;
    }
    return error;
}

static int check_header(struct http_check *check, const char *path, const char *name,
                        const json_t *value, const json_t *known)
{
    static const char *const own[] = {"Content-Length", "Transfer-Encoding", "Connection",
                                      "Expect",         "Idempotency-Key",   "Host"};
    (void)known;
    if (!json_is_string(value)) {
        return http_check_fail(check, path, "expected a text");
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (strcasecmp(own[i], name) == 0) {
            return http_check_fail(check, path, "this header is not yours to set%s",
                                   i == 4 ? "; `idempotency_key: true` sends one" : "");
        }
    }
    if (!is_token(name)) {
        return http_check_fail(check, path, "not the name of a header");
    }
    return strpbrk(json_string_value(value), "\r\n") == NULL
               ? 0
               : http_check_fail(check, path, "a header is one line");
}

static int check_pair(struct http_check *check, const char *path, const char *name,
                      const json_t *value, const json_t *known)
{
    (void)name;
    (void)known;
    return json_is_object(value) ? http_check_fail(check, path, "expected a text") : 0;
}

/* A mapping of templates. */
static int check_texts(struct http_check *check, const char *path, const json_t *texts,
                       check_member_fn one, const json_t *known)
{
    int error = check_each(check, path, texts, "texts", one, known);
    return error == 0 ? check_tree(check, path, texts, known) : error;
}

static int check_pointers(struct http_check *check, const char *path, const json_t *value, bool one)
{
    bool good = json_is_string(value) && http_pointer_valid(json_string_value(value)) && one;
    for (size_t i = 0; !one && i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        good = text != NULL && http_pointer_valid(text);
        if (!good) {
            break;
        }
    }
    return good ? 0
                : http_check_fail(check, path,
                                  one ? "expected a JSON pointer such as /data/id"
                                      : "expected a list of JSON pointers such as [/error]");
}

static int check_rule(struct http_check *check, const char *path, const char *name,
                      const json_t *rule, const json_t *known)
{
    static const char *const keys[] = {"from", "type", "default", "optional", "value", NULL};
    static const char *const types[] = {"string",  "integer", "number",
                                        "boolean", "array",   "object"};
    const json_t *from = json_is_object(rule) ? json_object_get(rule, "from") : rule;
    const json_t *value = json_object_get(rule, "value");
    const char *type = provost_text_at(rule, "type", "string");
    bool good_type = false;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        good_type = good_type || strcmp(type, types[i]) == 0;
    }
    int error = json_is_object(rule) ? http_check_keys(check, path, rule, keys) : 0;
    if (error == 0 && (from != NULL) == (value != NULL)) {
        error = http_check_fail(check, path, "expected a JSON pointer, {from: …} or {value: …}");
    }
    if (error == 0 && from != NULL) {
        error = check_pointers(check, path, from, true);
    }
    if (error == 0 && value != NULL) {
        error = check_with_answer(check, path, value, known);
    }
    if (error == 0 && !good_type) {
        error = http_check_fail(check, path, "unknown type \"%.40s\"", type);
    }
    if (error == 0 && !is_token(name)) {
        error = http_check_fail(check, path, "not a name (letters, digits, - and _)");
    }
    return error;
}

static int check_names(struct http_check *check, const char *path, const json_t *condition,
                       const json_t *known)
{
    char why[HTTP_WHY_MAX] = "";
    char whole[HTTP_PATH_MAX];
    const char *name = NULL;
    json_t *expected = NULL;
    if (http_condition_check(condition, true, why) != 0) {
        return http_check_fail(check, path, "%s", why);
    }
    json_object_foreach((json_t *)(uintptr_t)condition, name, expected)
    {
        http_check_path(whole, path, name);
        if (http_name_check(name, known, why) != 0) {
            return http_check_fail(check, whole, "%s", why);
        }
    }
    return 0;
}

static int check_duration(struct http_check *check, const char *path, const json_t *value)
{
    int64_t ms = http_duration(value);
    return ms >= 1 && ms <= HTTP_TIMEOUT_MAX_MS
               ? 0
               : http_check_fail(check, path, "expected a duration such as 25s, 10m at most");
}

static int check_inner(struct http_check *check, const char *path, const char *name,
                       const json_t *value, const json_t *known)
{
    static const struct {
        const char *name;
        enum http_kind kind;
    } kinds[] = {
        {"poll", HTTP_POLL}, {"lookup", HTTP_LOOKUP}, {"undo", HTTP_UNDO}, {"signal", HTTP_SIGNAL}};
    if (strcmp(name, "signal") == 0 && json_is_string(value)) {
        const char *text = json_string_value(value);
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        return length > 0 && length <= 64 && text[length] == '\0'
                   ? 0
                   : http_check_fail(check, path,
                                     "expected the name of a signal (up to 64 of a-z, 0-9, _, -)");
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return http_check_call(check, path, value, kinds[i].kind, known);
        }
    }
    return 0;
}

static int check_match(struct http_check *check, const char *path, const json_t *value)
{
    char why[HTTP_WHY_MAX] = "";
    return http_match_check(value, why) == 0 ? 0 : http_check_fail(check, path, "%s", why);
}

static int check_condition(struct http_check *check, const char *path, const json_t *value)
{
    char why[HTTP_WHY_MAX] = "";
    return http_condition_check(value, false, why) == 0 ? 0
                                                        : http_check_fail(check, path, "%s", why);
}

static int check_text(struct http_check *check, const char *path, const json_t *value)
{
    const char *text = json_string_value(value);
    bool good = text != NULL && text[0] >= 'a' && text[0] <= 'z' && strlen(text) <= 60 &&
                strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
    return good ? 0
                : http_check_fail(check, path, "expected a name (lower-case letters, digits, _)");
}

static int check_method(struct http_check *check, const char *path, const json_t *value)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], text) == 0) {
            return 0;
        }
    }
    return http_check_fail(check, path, "expected GET, HEAD, POST, PUT, PATCH or DELETE");
}

static int check_member(struct http_check *check, const char *path, const struct member *member,
                        const json_t *value, const json_t *known)
{
    bool key = json_is_true(value) || (json_is_string(value) && is_token(json_string_value(value)));
    switch (member->look) {
    case TEXT:
        return check_text(check, path, value);
    case METHOD:
        return check_method(check, path, value);
    case PATH:
        return check_path_value(check, path, value, known);
    case TEXTS:
        return check_texts(check, path, value, check_header, known);
    case PAIRS:
        return check_texts(check, path, value, check_pair, known);
    case TREE:
        return check_tree(check, path, value, known);
    case RESULT:
        return check_with_answer(check, path, value, known);
    case MATCH:
        return check_match(check, path, value);
    case NAMES:
        return check_names(check, path, value, known);
    case POINTER:
        return check_pointers(check, path, value, true);
    case POINTERS:
        return check_pointers(check, path, value, json_is_string(value));
    case BOOL:
        return json_is_boolean(value) ? 0 : http_check_fail(check, path, "expected true or false");
    case KEY:
        return key ? 0 : http_check_fail(check, path, "expected true or the name of a header");
    case DURATION:
        return check_duration(check, path, value);
    case MAPPING:
        return check_each(check, path, value, "JSON pointers", check_rule, known);
    case INNER:
        return check_inner(check, path, member->name, value, known);
    case CONDITION:
        return check_condition(check, path, value);
    }
    return 0;
}

/* ---- the whole call ---- */

static int check_unknown(struct http_check *check, const char *path, const char *key,
                         enum http_kind kind)
{
    json_t *known = json_object();
    char whole[HTTP_PATH_MAX];
    for (size_t i = 0; i < MEMBERS; i++) {
        if ((members[i].kinds & (unsigned)kind) != 0) {
            json_object_set_new(known, members[i].name, json_null());
        }
    }
    const char *nearest = http_nearest(key, known);
    http_check_path(whole, path, key);
    int error = nearest != NULL
                    ? http_check_fail(check, whole, "unknown key; did you mean \"%s\"?", nearest)
                    : http_check_fail(check, whole, "unknown key");
    json_decref(known);
    return error;
}

static int require(struct http_check *check, const char *path, const json_t *call,
                   const char *member, const char *why)
{
    return json_object_get(call, member) != NULL
               ? 0
               : http_check_fail(check, path, "%s is missing: %s", member, why);
}

static bool is_needed(const json_t *rule)
{
    return json_object_get(rule, "default") == NULL &&
           !json_is_true(json_object_get(rule, "optional"));
}

/* What a step's answer is needed for must come out of its look-up too. */
static int check_lookup_state(struct http_check *check, const char *path, const json_t *call)
{
    const json_t *lookup = json_object_get(call, "lookup");
    const json_t *found = json_object_get(lookup, "state");
    const char *name = NULL;
    json_t *rule = NULL;
    json_object_foreach(json_object_get(call, "state"), name, rule)
    {
        if (lookup != NULL && is_needed(rule) && json_object_get(found, name) == NULL) {
            char whole[HTTP_PATH_MAX];
            http_check_path(whole, path, "lookup.state");
            return http_check_fail(check, whole,
                                   "\"%.80s\" is missing: the call keeps it, so the look-up has to "
                                   "find it",
                                   name);
        }
    }
    return 0;
}

/* Where nothing looks for what was there already, nothing more is known of it. */
static int check_there(struct http_check *check, const char *path, const json_t *call,
                       const json_t *known)
{
    const char *name = NULL;
    json_t *rule = NULL;
    char whole[HTTP_PATH_MAX];
    char where[HTTP_NAME_MAX];
    char why[HTTP_WHY_MAX] = "";
    if (json_object_get(call, "there") == NULL || json_object_get(call, "lookup") != NULL) {
        return 0;
    }
    http_check_path(whole, path, "there");
    if (json_object_get(call, "poll") != NULL || json_object_get(call, "signal") != NULL) {
        return http_check_fail(check, whole,
                               "beside poll or signal a `lookup` is needed, which finds out "
                               "whether it is done");
    }
    json_object_foreach(json_object_get(call, "state"), name, rule)
    {
        const json_t *value = json_object_get(rule, "value");
        bool known_anyway = value != NULL ? http_template_check_tree(value, known, where, why) == 0
                                          : !is_needed(rule);
        if (!known_anyway) {
            return http_check_fail(check, whole,
                                   "\"%.80s\" of `state` is in no such answer: a `lookup` is "
                                   "needed, which finds it",
                                   name);
        }
    }
    return 0;
}

/* known: the names that it may use. */
static int check_whole(struct http_check *check, const char *path, const json_t *call,
                       enum http_kind kind, const json_t *known)
{
    int error = 0;
    const char *method = http_method_of(call);
    bool body = json_object_get(call, "body") != NULL || json_object_get(call, "form") != NULL;
    if (kind == HTTP_SIGNAL) {
        return require(check, path, call, "name", "what the signal is called");
    }
    error = require(check, path, call, "path", "where the request goes");
    if (error == 0 && json_object_get(call, "body") != NULL &&
        json_object_get(call, "form") != NULL) {
        error = http_check_fail(check, path, "body and form: one of them");
    }
    if (error == 0 && body && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)) {
        error = http_check_fail(check, path, "a %s request has no body", method);
    }
    if (error == 0 && kind == HTTP_LOOKUP) {
        error = require(check, path, call, "absent",
                        "which answers say that it is not there (such as 404)");
    }
    if (error == 0 && kind == HTTP_POLL) {
        error = require(check, path, call, "done", "which answers say that it is done");
    }
    if (error == 0 && kind == HTTP_STEP) {
        error = check_lookup_state(check, path, call);
    }
    return error == 0 && kind == HTTP_STEP ? check_there(check, path, call, known) : error;
}

/* The names that a call with a signal has besides. */
static json_t *with_signal(const json_t *call, const json_t *known)
{
    const json_t *signal = json_object_get(call, "signal");
    const char *name = provost_text_at(signal, "name", json_string_value(signal));
    json_t *wider = json_copy((json_t *)(uintptr_t)known);
    if (name != NULL) {
        json_object_set_new(wider, "signal_url", json_pack("{s:{}}", name));
        json_object_set_new(wider, "signals", json_pack("{s:n}", name));
    }
    return wider;
}

int http_check_call(struct http_check *check, const char *path, const json_t *call,
                    enum http_kind kind, const json_t *known)
{
    if (!json_is_object(call)) {
        return http_check_fail(check, path, "expected a call, such as {path: /create}");
    }
    json_t *names = with_signal(call, known);
    const char *key = NULL;
    json_t *value = NULL;
    int error = 0;
    json_object_foreach((json_t *)(uintptr_t)call, key, value)
    {
        const struct member *member = NULL;
        for (size_t i = 0; i < MEMBERS; i++) {
            bool fits =
                strcmp(members[i].name, key) == 0 && (members[i].kinds & (unsigned)kind) != 0;
            member = fits ? &members[i] : member;
        }
        char whole[HTTP_PATH_MAX];
        http_check_path(whole, path, key);
        error = member == NULL ? check_unknown(check, path, key, kind)
                               : check_member(check, whole, member, value, names);
        if (error != 0) {
            break;
        }
    }
    error = error == 0 ? check_whole(check, path, call, kind, names) : error;
    json_decref(names);
    return error;
}

/* An undo asks `if` once more, when this call and the later ones have kept what they keep: it could
 * not tell then whether the call was left out. */
static int check_undo_if(struct http_check *check, const char *path, const json_t *calls,
                         size_t index)
{
    const json_t *call = json_array_get(calls, index);
    const char *name = NULL;
    json_t *expected = NULL;
    int error = 0;
    if (json_object_get(call, "undo") == NULL) {
        return 0;
    }
    json_t *state = json_object();
    for (size_t i = index; i < json_array_size(calls); i++) {
        http_known_kept(state, json_array_get(calls, i));
    }
    json_object_foreach(json_object_get(call, "if"), name, expected)
    {
        char key[HTTP_NAME_MAX];
        char whole[HTTP_PATH_MAX];
        bool of_state = strncmp(name, "state.", 6) == 0;
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(name + (of_state ? 6 : 0), "."),
                 name + (of_state ? 6 : 0));
        if (error == 0 && of_state && json_object_get(state, key) != NULL) {
            http_check_path(whole, path, "if");
            error = http_check_fail(check, whole,
                                    "\"%.80s\" is kept by this call or a later one, so that `undo` "
                                    "could not tell whether the call was left out; ask for what "
                                    "does not change, or do without `undo`",
                                    name);
        }
    }
    json_decref(state);
    return error;
}

int http_check_calls(struct http_check *check, const char *path, const json_t *calls,
                     enum http_kind kind, size_t most, const json_t *known)
{
    size_t count = json_array_size(calls);
    if (!json_is_array(calls) || count > most || (kind == HTTP_STEP && count == 0)) {
        return http_check_fail(check, path, "expected a list of 1 to %zu calls", most);
    }
    for (size_t i = 0; i < count; i++) {
        char whole[HTTP_PATH_MAX];
        http_check_index(whole, path, i);
        const json_t *call = json_array_get(calls, i);
        int error = http_check_call(check, whole, call, kind, known);
        const char *name = provost_text_at(call, "name", NULL);
        error = error == 0 ? check_undo_if(check, whole, calls, i) : error;
        if (error == 0 && name == NULL && count > 1 && kind == HTTP_STEP) {
            error = http_check_fail(check, whole,
                                    "name is missing: of several calls each needs one, under which "
                                    "it is recorded");
        }
        for (size_t k = 0; error == 0 && name != NULL && k < i; k++) {
            if (strcmp(provost_text_at(json_array_get(calls, k), "name", ""), name) == 0) {
                error = http_check_fail(check, whole, "name \"%s\" is there twice", name);
            }
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The local store: jansson objects, one per kind of thing. */
#include "core/cli/local.h"

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/cli/cli.h"
#include "core/json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define VALUE_CAP ((size_t)128 * 1024)
#define KEY_CAP 1024
#define POOL_MAX 65536

static int no_memory(struct pv_err *err)
{
    return pv_err_set(err, PV_ENOMEM, "%s", pv_status_text(PV_ENOMEM));
}

/* The member of the root, made where it is missing; NULL when out of memory. */
static json_t *part(const struct pv_local *local, const char *name)
{
    json_t *found = json_object_get(local->root, name);
    if (found == NULL && json_object_set_new(local->root, name, json_object()) == 0) {
        found = json_object_get(local->root, name);
    }
    return found;
}

static int check_root(const json_t *root, struct pv_err *err)
{
    static const char *const parts[] = {"service", "params", "state", "kv", "pools", "quotas"};
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            known = known || strcmp(parts[i], key) == 0;
        }
        bool secrets = strcmp(key, "secrets") == 0 && json_is_array(value);
        if (!secrets && (!known || !json_is_object(value))) {
            return pv_err_set(err, PV_EINVAL, "“%s” %s", key,
                              known ? "is no object" : "does not belong into a state file");
        }
    }
    return 0;
}

/* An identity for a service that exists nowhere else. */
static int make_service(struct pv_local *local)
{
    struct pv_id id = pv_id_new(&pv_clock_system, &pv_rng_system);
    char text[PV_ID_TEXT];
    char ref[PV_ID_TEXT];
    uint8_t random[12];
    char random_text[(12 * 8 + 4) / 5 + 1];
    pv_rng_system.fill(pv_rng_system.ctx, random, sizeof(random));
    pv_base32(random, sizeof(random), random_text);
    snprintf(ref, sizeof(ref), "p%.19s", random_text);
    pv_id_format("svc", id, text);
    if (pv_local_service(local, "id") == NULL && pv_local_set_service(local, "id", text) != 0) {
        return PV_ENOMEM;
    }
    bool has_ref = pv_local_service(local, "ref") != NULL;
    return has_ref ? 0 : pv_local_set_service(local, "ref", ref);
}

int pv_local_init(struct pv_local *local, json_t *root, struct pv_err *err)
{
    *local = (struct pv_local){.root = root != NULL ? root : json_object(),
                               .ranges = json_object(),
                               .limits = json_object(),
                               .grants = json_object()};
    pv_buf_init(&local->value, VALUE_CAP);
    if (local->root == NULL || local->ranges == NULL || local->limits == NULL ||
        local->grants == NULL) {
        return no_memory(err);
    }
    if (!json_is_object(local->root)) {
        return pv_err_set(err, PV_EINVAL, "expected a JSON object");
    }
    int status = check_root(local->root, err);
    if (status == 0 && make_service(local) != 0) {
        status = no_memory(err);
    }
    return status;
}

void pv_local_done(struct pv_local *local)
{
    json_decref(local->root);
    json_decref(local->ranges);
    json_decref(local->limits);
    json_decref(local->grants);
    pv_buf_done(&local->value);
    *local = (struct pv_local){0};
}

int pv_local_load(struct pv_local *local, const char *path, struct pv_err *err)
{
    char *text = NULL;
    size_t len = 0;
    json_t *root = NULL;
    int status = pv_cli_read(path, FILE_MAX_BYTES, &text, &len, err);
    if (status == PV_ENOTFOUND) {
        *err = (struct pv_err){0};
        status = 0;
    } else if (status == 0) {
        status = pv_json_load((struct pv_str){text, len}, JSON_REJECT_DUPLICATES, &root, err);
        status = status != 0 ? pv_err_wrap(err, "%s", path) : 0;
    }
    pv_free(text);
    if (status != 0) {
        *local = (struct pv_local){0};
        return status;
    }
    status = pv_local_init(local, root, err);
    return status != 0 ? pv_err_wrap(err, "%s", path) : 0;
}

int pv_local_save(const struct pv_local *local, const char *path, struct pv_err *err)
{
    char next[4096];
    int len = snprintf(next, sizeof(next), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(next)) {
        return pv_err_set(err, PV_ETOOBIG, "%s: the path is too long", path);
    }
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "%s: %s", next, strerror(errno));
    }
    bool written = json_dumpfd(local->root, fd, JSON_INDENT(2) | JSON_SORT_KEYS) == 0 &&
                   write(fd, "\n", 1) == 1;
    written = close(fd) == 0 && written;
    if (!written || rename(next, path) != 0) {
        int errnum = errno;
        unlink(next);
        return pv_err_set(err, PV_EIO, "%s: cannot be written: %s", path, strerror(errnum));
    }
    return 0;
}

/* ---- Pools that may be taken from ---- */

static int add_value(json_t *list, const char *text, size_t len)
{
    return len > 0 && json_array_size(list) < POOL_MAX &&
                   json_array_append_new(list, json_stringn(text, len)) == 0
               ? 0
               : PV_EINVAL;
}

static int fill_range(json_t *list, const char *range, const char *dash)
{
    int64_t first = 0;
    int64_t last = 0;
    if (pv_str_to_i64((struct pv_str){range, (size_t)(dash - range)}, &first) != 0 ||
        pv_str_to_i64(pv_str(dash + 1), &last) != 0 || first < 0 || last < first ||
        last - first >= POOL_MAX) {
        return PV_EINVAL;
    }
    int status = 0;
    for (int64_t i = first; i <= last && status == 0; i++) {
        char text[24];
        int len = snprintf(text, sizeof(text), "%lld", (long long)i);
        status = add_value(list, text, (size_t)len);
    }
    return status;
}

static int fill_list(json_t *list, const char *text)
{
    int status = 0;
    while (status == 0) {
        size_t len = strcspn(text, ",");
        status = add_value(list, text, len);
        if (text[len] == '\0') {
            break;
        }
        text += len + 1;
    }
    return status;
}

int pv_local_pool(struct pv_local *local, const char *definition, struct pv_err *err)
{
    const char *equals = strchr(definition, '=');
    const char *values = equals != NULL ? equals + 1 : "";
    const char *dash = strchr(values, '-');
    json_t *list = json_array();
    int status = equals != NULL && equals > definition ? 0 : PV_EINVAL;
    if (status == 0) {
        status = dash != NULL && strchr(values, ',') == NULL ? fill_range(list, values, dash)
                                                             : fill_list(list, values);
    }
    if (status == 0) {
        status = json_object_setn_new(local->ranges, definition, (size_t)(equals - definition),
                                      json_incref(list));
    }
    json_decref(list);
    if (status != 0) {
        return pv_err_set(err, PV_EINVAL,
                          "pool “%s”: expected NAME=FIRST-LAST (numbers) or NAME=A,B,C",
                          definition);
    }
    return 0;
}

/* ---- The service ---- */

json_t *pv_local_state(const struct pv_local *local)
{
    return part(local, "state");
}

int pv_local_set_state(struct pv_local *local, json_t *state)
{
    return json_object_set_new(local->root, "state", state) == 0 ? 0 : PV_ENOMEM;
}

const char *pv_local_service(const struct pv_local *local, const char *what)
{
    return json_string_value(json_object_get(part(local, "service"), what));
}

int pv_local_set_service(struct pv_local *local, const char *what, const char *value)
{
    return json_object_set_new(part(local, "service"), what, json_string(value)) == 0 ? 0
                                                                                      : PV_ENOMEM;
}

int pv_local_add_secret(struct pv_local *local, struct pv_str secret)
{
    json_t *list = json_object_get(local->root, "secrets");
    if (list == NULL) {
        list = json_array();
        if (list == NULL || json_object_set_new(local->root, "secrets", list) != 0) {
            return PV_ENOMEM;
        }
    }
    return json_array_append_new(list, json_stringn(secret.ptr, secret.len)) == 0 ? 0 : PV_ENOMEM;
}

const json_t *pv_local_secrets(const struct pv_local *local)
{
    return json_object_get(local->root, "secrets");
}

/* ---- Answers ---- */

struct asking {
    struct pv_local *local;
    const struct pv_wire_ask *ask;
    struct pv_wire_answer *answer;
    char name[KEY_CAP];      /* ask->name */
    char pool[KEY_CAP];      /* ask->pool */
    char grant[4 * KEY_CAP]; /* the key of what this run took under this name */
};

static int refuse(struct asking *a, int status, const char *sentence)
{
    pv_buf_clear(&a->local->value);
    pv_buf_c(&a->local->value, sentence);
    a->answer->status = status;
    return status;
}

static int give(struct asking *a, const char *text)
{
    pv_buf_clear(&a->local->value);
    return pv_buf_c(&a->local->value, text);
}

static const char *scope_name(const struct pv_wire_ask *ask)
{
    return ask->scope == 0 ? "service" : "instance";
}

static json_t *kv_of(struct asking *a)
{
    json_t *all = part(a->local, "kv");
    const char *scope = scope_name(a->ask);
    if (json_object_get(all, scope) == NULL) {
        json_object_set_new(all, scope, json_object());
    }
    return json_object_get(all, scope);
}

static int kv_get(struct asking *a)
{
    const json_t *entry = json_object_get(kv_of(a), a->name);
    const json_t *value = json_object_get(entry, "value");
    if (value == NULL) {
        return refuse(a, PV_ENOTFOUND, "there is no value under this key");
    }
    a->answer->number = (uint64_t)json_integer_value(json_object_get(entry, "version"));
    pv_buf_clear(&a->local->value);
    return pv_json_put(&a->local->value, value);
}

static int kv_write(struct asking *a, json_t *entries, json_int_t version)
{
    json_t *next = json_pack("{sI}", "version", version + 1);
    if (a->ask->flag == 0) {
        json_object_set_new(next, "value",
                            json_loadb(a->ask->text.ptr, a->ask->text.len, JSON_DECODE_ANY, NULL));
    }
    a->answer->number = (uint64_t)version + 1;
    json_object_set_new(a->local->grants, a->grant, json_integer(version + 1));
    return json_object_set_new(entries, a->name, next) == 0 ? 0 : refuse(a, PV_ENOMEM, "no memory");
}

/* Whether the entry is what is to be written, so that its version stays. */
static bool kv_written(struct asking *a, const json_t *entry, json_int_t version)
{
    json_t *next = a->ask->flag == 0
                       ? json_loadb(a->ask->text.ptr, a->ask->text.len, JSON_DECODE_ANY, NULL)
                       : NULL;
    const json_t *now = json_object_get(entry, "value");
    bool same = next == NULL ? now == NULL : json_equal(next, now);
    json_decref(next);
    a->answer->number = (uint64_t)version;
    return same;
}

static int kv_put(struct asking *a)
{
    json_t *entries = kv_of(a);
    const json_t *entry = json_object_get(entries, a->name);
    json_int_t version = json_integer_value(json_object_get(entry, "version"));
    bool erased = json_object_get(entry, "value") == NULL;
    if (a->ask->number != (erased ? 0 : (uint64_t)version)) {
        /* The same step again, its first answer lost: what it wrote stands. */
        bool own = json_integer_value(json_object_get(a->local->grants, a->grant)) == version;
        if (own && version > 0 && a->ask->number < (uint64_t)version) {
            return kv_written(a, entry, version) ? 0 : kv_write(a, entries, version);
        }
        return refuse(a, PV_ECONFLICT, "the value is at another version now");
    }
    return kv_write(a, entries, version);
}

static json_t *slots_of(struct asking *a)
{
    json_t *pools = part(a->local, "pools");
    if (json_object_get(pools, a->pool) == NULL) {
        json_object_set_new(pools, a->pool, json_object());
    }
    return json_object_get(pools, a->pool);
}

static int pool_take(struct asking *a)
{
    const json_t *range = json_object_get(a->local->ranges, a->pool);
    const char *had = json_string_value(json_object_get(a->local->grants, a->grant));
    if (had != NULL) {
        return give(a, had);
    }
    if (range == NULL) {
        return refuse(a, PV_ENOTFOUND,
                      "there is no such pool; give it with --pool NAME=FIRST-LAST");
    }
    json_t *slots = slots_of(a);
    for (size_t i = 0; i < json_array_size(range); i++) {
        const char *value = json_string_value(json_array_get(range, i));
        if (json_object_get(slots, value) == NULL) {
            json_object_set_new(slots, value,
                                json_pack("{ss ss}", "state", "held", "name", a->name));
            json_object_set_new(a->local->grants, a->grant, json_string(value));
            return give(a, value);
        }
    }
    return refuse(a, PV_EEXHAUSTED, "the pool has nothing left to give out");
}

/* Gives back, or sets aside, what is held under this name. */
static int pool_leave(struct asking *a, bool reject)
{
    json_t *slots = slots_of(a);
    const char *value = NULL;
    json_t *slot = NULL;
    void *next = NULL;
    json_object_foreach_safe(slots, next, value, slot)
    {
        const char *name = json_string_value(json_object_get(slot, "name"));
        if (name == NULL || strcmp(name, a->name) != 0) {
            continue;
        }
        if (reject) {
            json_object_set_new(slots, value, json_pack("{ss}", "state", "rejected"));
        } else {
            json_object_del(slots, value);
        }
    }
    json_object_del(a->local->grants, a->grant);
    return 0;
}

static int quota(struct asking *a, bool take)
{
    json_t *quotas = part(a->local, "quotas");
    json_int_t used = json_integer_value(json_object_get(quotas, a->name));
    const json_t *limit = json_object_get(a->local->limits, a->name);
    json_int_t amount = (json_int_t)(a->ask->number & INT64_MAX);
    if (json_object_get(a->local->grants, a->grant) != NULL) {
        return 0;
    }
    if (take && limit != NULL && amount > json_integer_value(limit) - used) {
        char sentence[80];
        snprintf(sentence, sizeof(sentence), "%lld of %lld are used", (long long)used,
                 (long long)json_integer_value(limit));
        return refuse(a, PV_EEXHAUSTED, sentence);
    }
    used = take ? used + amount : used - amount;
    json_object_set_new(a->local->grants, a->grant, json_integer(take ? amount : -amount));
    json_object_set_new(quotas, a->name, json_integer(used > 0 ? used : 0));
    a->answer->number = (uint64_t)(used > 0 ? used : 0);
    return 0;
}

static int secret_new(struct asking *a)
{
    const char *had = json_string_value(json_object_get(a->local->grants, a->grant));
    if (had == NULL) {
        json_t *value = json_stringn(a->ask->text.ptr, a->ask->text.len);
        json_object_set_new(a->local->grants, a->grant, value);
        had = json_string_value(json_object_get(a->local->grants, a->grant));
    }
    return had != NULL ? give(a, had) : refuse(a, PV_ENOMEM, "no memory");
}

static int state_save(struct asking *a)
{
    json_t *state = json_loadb(a->ask->text.ptr, a->ask->text.len, 0, NULL);
    return state != NULL ? pv_local_set_state(a->local, state)
                         : refuse(a, PV_EINVAL, "the state document is no JSON object");
}

static int answer(struct asking *a)
{
    switch (a->ask->kind) {
    case PV_ASK_KV_GET:
        return kv_get(a);
    case PV_ASK_KV_PUT:
        return kv_put(a);
    case PV_ASK_POOL_TAKE:
        return pool_take(a);
    case PV_ASK_POOL_GIVE:
        return pool_leave(a, false);
    case PV_ASK_POOL_REJECT:
        return pool_leave(a, true);
    case PV_ASK_QUOTA_TAKE:
        return quota(a, true);
    case PV_ASK_QUOTA_GIVE:
        return quota(a, false);
    case PV_ASK_SECRET_NEW:
        return secret_new(a);
    default:
        return state_save(a);
    }
}

void pv_local_answer(struct pv_local *local, uint32_t run, struct pv_str step,
                     const struct pv_wire_ask *ask, struct pv_wire_answer *ret_answer)
{
    struct asking a = {.local = local, .ask = ask, .answer = ret_answer};
    *ret_answer = (struct pv_wire_answer){.ask = ask->ask};
    pv_buf_clear(&local->value);
    unsigned kind = ask->kind;
    if (kind == PV_ASK_POOL_GIVE || kind == PV_ASK_POOL_REJECT) {
        kind = PV_ASK_POOL_TAKE; /* they speak of its grant */
    }
    struct pv_str where = kind == PV_ASK_KV_PUT ? pv_str(scope_name(ask)) : ask->pool;
    snprintf(a.grant, sizeof(a.grant), "%u/%.*s/%u/%.*s/%.*s", run, PV_STR_ARG(step), kind,
             PV_STR_ARG(where), PV_STR_ARG(ask->name));
    if (pv_str_to_c(ask->name, a.name, sizeof(a.name)) != 0 ||
        pv_str_to_c(ask->pool, a.pool, sizeof(a.pool)) != 0) {
        refuse(&a, PV_ETOOBIG, "the name is too long");
    } else if (answer(&a) != 0 && ret_answer->status == 0) {
        refuse(&a, PV_ENOMEM, "no memory");
    }
    ret_answer->value = pv_buf_view(&local->value);
}

/* What "RUN/STEP/KIND/POOL/NAME" took. */
static void give_back(struct pv_local *local, const char *key, const json_t *value)
{
    const char *kind = strchr(strchr(key, '/') + 1, '/') + 1;
    const char *pool = strchr(kind, '/') + 1;
    const char *name = strchr(pool, '/') + 1;
    if (kind[0] - '0' == PV_ASK_POOL_TAKE) {
        json_t *slots = json_object_getn(part(local, "pools"), pool, (size_t)(name - pool) - 1);
        json_object_del(slots, json_string_value(value));
    } else if (kind[0] - '0' == PV_ASK_QUOTA_TAKE || kind[0] - '0' == PV_ASK_QUOTA_GIVE) {
        json_t *quotas = part(local, "quotas");
        json_int_t used =
            json_integer_value(json_object_get(quotas, name)) - json_integer_value(value);
        json_object_set_new(quotas, name, json_integer(used > 0 ? used : 0));
    }
}

void pv_local_release(struct pv_local *local, uint32_t run)
{
    char prefix[16];
    snprintf(prefix, sizeof(prefix), "%u/", run);
    const char *key = NULL;
    json_t *value = NULL;
    void *next = NULL;
    json_object_foreach_safe(local->grants, next, key, value)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0) {
            give_back(local, key, value);
            json_object_del(local->grants, key);
        }
    }
}

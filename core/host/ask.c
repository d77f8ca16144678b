/* SPDX-License-Identifier: Apache-2.0 */
/* Host calls that the store answers: an ASK frame goes out, the coroutine waits for its ANSWER. */
#include "core/host/internal.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <string.h>

#define NAME_MAX_BYTES 256u
#define KV_VALUE_MAX (16u * 1024)
#define SECRET_MAX 1024u
#define USUAL_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

struct asker {
    struct pv_wait wait;
    uint32_t ask;
    uint64_t number;
    char *value; /* in the memory */
};

static int code_of(int32_t status)
{
    switch (status) {
    case 0:
        return 0;
    case PV_ENOMEM:
        return PROVOST_E_NOMEM;
    case PV_EINVAL:
    case PV_ESYNTAX:
        return PROVOST_E_INVALID;
    case PV_ETOOBIG:
        return PROVOST_E_TOO_BIG;
    case PV_ENOTFOUND:
        return PROVOST_E_NOT_FOUND;
    case PV_EEXISTS:
    case PV_ECONFLICT:
        return PROVOST_E_CONFLICT;
    case PV_EDENIED:
        return PROVOST_E_DENIED;
    case PV_EFENCED:
        return PROVOST_E_FENCED;
    case PV_ECANCELED:
        return PROVOST_E_CANCELED;
    case PV_EEXHAUSTED:
        return PROVOST_E_EXHAUSTED;
    default:
        return PROVOST_E_FAILED;
    }
}

static void stop_asking(struct pv_wait *wait)
{
    pv_wait_done(wait, PROVOST_E_CANCELED);
}

void pv_ask_answer(struct pv_call *call, const struct pv_wire_answer *answer)
{
    if (call->wait == NULL || call->wait->cancel != stop_asking || call->wait->done) {
        return;
    }
    struct asker *asker = PV_CONTAINER(call->wait, struct asker, wait);
    if (asker->ask != answer->ask) {
        return;
    }
    int code = code_of(answer->status);
    call->fenced = call->fenced || code == PROVOST_E_FENCED;
    if (code != 0) {
        pv_call_fail(call, code, "%.*s", PV_STR_ARG(answer->value));
    } else {
        asker->number = answer->number;
        asker->value = pv_memory_str(&call->memory, answer->value);
        if (asker->value == NULL) {
            code = pv_call_fail(call, PROVOST_E_NOMEM, "out of memory");
        }
    }
    pv_wait_done(&asker->wait, code);
}

static int ask(struct pv_call *call, struct pv_wire_ask *frame, struct asker *asker)
{
    *asker = (struct asker){.wait = {.call = call, .cancel = stop_asking}, .ask = call->next_ask};
    frame->ask = call->next_ask;
    call->next_ask++;
    pv_wire_put_ask(&call->host->out, call->id, frame);
    if (!pv_host_sent(call->host)) {
        return pv_call_fail(call, PROVOST_E_FAILED, "the connection to provostd is gone");
    }
    return pv_call_wait(call, &asker->wait);
}

static bool good_text(const char *text)
{
    size_t len = text != NULL ? strnlen(text, NAME_MAX_BYTES + 1) : 0;
    return len > 0 && len <= NAME_MAX_BYTES && pv_utf8_valid((struct pv_str){text, len}, NULL);
}

/* What all of them begin with. change: queries may not. */
static int enter(struct provost_call *pub, const char *what, const char *name, bool change,
                 struct pv_call **ret_call)
{
    struct pv_call *call = pv_call_of(pub);
    if (call == NULL) {
        return PROVOST_E_INVALID;
    }
    *ret_call = call;
    int code = pv_call_check(call);
    if (code != 0) {
        return code;
    }
    if (change && call->is_query) {
        return pv_call_fail(call, PROVOST_E_DENIED, "%s: a query changes nothing", what);
    }
    if (!good_text(name)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: a name of 1 to %u bytes is needed", what,
                            NAME_MAX_BYTES);
    }
    return 0;
}

int pv_call_state_save(struct provost_call *pub)
{
    struct pv_call *call = NULL;
    int code = enter(pub, "state_save", "state", true, &call);
    if (code != 0) {
        return code;
    }
    struct asker asker;
    struct pv_wire_ask frame = {.kind = PV_ASK_STATE_SAVE, .text = pv_str(pub->state)};
    return ask(call, &frame, &asker);
}

static int check_scope(struct pv_call *call, const char *what, int scope)
{
    if (scope != PROVOST_SCOPE_SERVICE && scope != PROVOST_SCOPE_INSTANCE) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: unknown scope %d", what, scope);
    }
    if (scope == PROVOST_SCOPE_SERVICE && call->pub.service_id[0] == '\0') {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: a query of the instance has no service",
                            what);
    }
    return 0;
}

int pv_call_kv_get(struct provost_call *pub, int scope, const char *key, const char **ret_value,
                   uint64_t *ret_version)
{
    struct pv_call *call = NULL;
    int code = enter(pub, "kv_get", key, false, &call);
    if (code == 0) {
        code = check_scope(call, "kv_get", scope);
    }
    if (code != 0) {
        return code;
    }
    struct asker asker;
    struct pv_wire_ask frame = {
        .kind = PV_ASK_KV_GET, .scope = (uint8_t)scope, .name = pv_str(key)};
    code = ask(call, &frame, &asker);
    if (code != 0) {
        return code;
    }
    if (ret_value != NULL) {
        *ret_value = asker.value;
    }
    if (ret_version != NULL) {
        *ret_version = asker.number;
    }
    return 0;
}

int pv_call_kv_put(struct provost_call *pub, int scope, const char *key, const char *value,
                   uint64_t expected_version)
{
    struct pv_call *call = NULL;
    int code = enter(pub, "kv_put", key, true, &call);
    if (code == 0) {
        code = check_scope(call, "kv_put", scope);
    }
    if (code == 0 && value != NULL) {
        code = pv_call_check_json(call, "kv_put", value, KV_VALUE_MAX, false);
    }
    if (code != 0) {
        return code;
    }
    struct asker asker;
    struct pv_wire_ask frame = {.kind = PV_ASK_KV_PUT,
                                .scope = (uint8_t)scope,
                                .flag = value == NULL ? 1 : 0,
                                .number = expected_version,
                                .name = pv_str(key),
                                .text = value != NULL ? pv_str(value) : PV_STR("")};
    return ask(call, &frame, &asker);
}

static int pool_ask(struct provost_call *pub, uint8_t kind, const char *what, const char *pool,
                    const char *name, const char **ret_value)
{
    struct pv_call *call = NULL;
    int code = enter(pub, what, name, true, &call);
    if (code != 0) {
        return code;
    }
    if (!good_text(pool)) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: the name of a pool is needed", what);
    }
    struct asker asker;
    struct pv_wire_ask frame = {.kind = kind, .name = pv_str(name), .pool = pv_str(pool)};
    code = ask(call, &frame, &asker);
    if (code == 0 && ret_value != NULL) {
        *ret_value = asker.value;
    }
    return code;
}

int pv_call_pool_take(struct provost_call *pub, const char *pool, const char *name,
                      const char **ret_value)
{
    return pool_ask(pub, PV_ASK_POOL_TAKE, "pool_take", pool, name, ret_value);
}

int pv_call_pool_give(struct provost_call *pub, const char *pool, const char *name)
{
    return pool_ask(pub, PV_ASK_POOL_GIVE, "pool_give", pool, name, NULL);
}

int pv_call_pool_reject(struct provost_call *pub, const char *pool, const char *name)
{
    return pool_ask(pub, PV_ASK_POOL_REJECT, "pool_reject", pool, name, NULL);
}

static int quota_ask(struct provost_call *pub, uint8_t kind, const char *what, const char *quota,
                     int64_t amount)
{
    struct pv_call *call = NULL;
    int code = enter(pub, what, quota, true, &call);
    if (code != 0) {
        return code;
    }
    if (amount <= 0) {
        return pv_call_fail(call, PROVOST_E_INVALID, "%s: the amount must be positive", what);
    }
    struct asker asker;
    struct pv_wire_ask frame = {.kind = kind, .number = (uint64_t)amount, .name = pv_str(quota)};
    return ask(call, &frame, &asker);
}

int pv_call_quota_take(struct provost_call *pub, const char *quota, int64_t amount)
{
    return quota_ask(pub, PV_ASK_QUOTA_TAKE, "quota_take", quota, amount);
}

int pv_call_quota_give(struct provost_call *pub, const char *quota, int64_t amount)
{
    return quota_ask(pub, PV_ASK_QUOTA_GIVE, "quota_give", quota, amount);
}

/* Random numbers of which the kernel is asked for many at a time. */
struct draws {
    const struct pv_rng *rng;
    size_t left;
    unsigned char bytes[512];
};

static void draw(void *ctx, void *out, size_t len)
{
    struct draws *draws = ctx;
    if (len > draws->left) {
        draws->rng->fill(draws->rng->ctx, draws->bytes, sizeof(draws->bytes));
        draws->left = sizeof(draws->bytes);
    }
    draws->left -= len;
    memcpy(out, draws->bytes + draws->left, len);
}

int pv_call_secret_new(struct provost_call *pub, const char *name, const char *alphabet,
                       uint32_t length, const char **ret_value)
{
    struct pv_call *call = NULL;
    int code = enter(pub, "secret_new", name, true, &call);
    if (code != 0) {
        return code;
    }
    const char *letters = alphabet != NULL ? alphabet : USUAL_ALPHABET;
    size_t count = strlen(letters);
    if (length < 1 || length > SECRET_MAX || count < 2 || count > 256) {
        return pv_call_fail(call, PROVOST_E_INVALID,
                            "secret_new: 1 to %u characters of an alphabet of 2 to 256 are made",
                            SECRET_MAX);
    }
    char made[SECRET_MAX];
    struct draws draws = {.rng = call->host->rng};
    const struct pv_rng rng = {draw, &draws};
    for (uint32_t i = 0; i < length; i++) {
        made[i] = letters[pv_rng_below(&rng, count)];
    }
    pv_wipe(&draws, sizeof(draws));
    struct asker asker;
    struct pv_wire_ask frame = {
        .kind = PV_ASK_SECRET_NEW, .name = pv_str(name), .text = {made, length}};
    code = ask(call, &frame, &asker);
    pv_wipe(made, sizeof(made));
    if (code == 0) {
        pv_mask_add(&call->mask, pv_str(asker.value));
        if (ret_value != NULL) {
            *ret_value = asker.value;
        }
    }
    return code;
}

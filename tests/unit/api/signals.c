/* SPDX-License-Identifier: Apache-2.0 */
/* Signals from outside: whoever has the key of an operation needs no token, and gets nothing else.
 */
#include "tests/unit/api/rig.h"

#include "core/base/hash.h"
#include "core/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The path of a signal that op is sent with the key of another one, or its own. */
static const char *keyed(struct rig *rig, const char *op, const char *of, const char *name)
{
    static char path[4][200];
    static size_t next;
    struct pv_id id;
    uint8_t key[PV_SIGNAL_KEY_BYTES];
    char hex[2 * PV_SIGNAL_KEY_BYTES + 1];
    assert_int_equal(pv_id_parse("op", pv_str(of), &id), 0);
    pv_keyring_signal_key(rig->keyring, id, key);
    pv_hex(key, sizeof(key), hex);
    next = (next + 1) % PV_COUNT(path);
    snprintf(path[next], sizeof(path[0]), "/v1/operations/%s/signals/%s?key=%s", op, name, hex);
    return path[next];
}

/* An operation that is held at its only step. */
static void begin_held(struct rig *rig, const char *id, char op[40])
{
    char event[300];
    snprintf(event, sizeof(event),
             "{\"id\":\"%s\",\"type\":\"service.create\",\"service\":{\"id\":\"%s\",\"product\":"
             "\"support\",\"plan\":\"standard\"},\"customer\":{\"email\":\"a@example.com\"}}",
             id, id);
    reply_take(rig_call(rig, "POST", "/v1/events", NULL, event), 202, "operation", op, 40);
}

static void a_key_lets_signals_in(void **state)
{
    struct rig *rig = *state;
    char op[40];
    char other[40];
    rig->hold = "make";
    begin_held(rig, "1", op);
    begin_held(rig, "2", other);
    struct reply *r = rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "paid"), NULL, "{\"x\":1}");
    reply_expect(r, 202);
    assert_string_equal(reply_text(r, "operation"), op);
    reply_free(r);
    reply_expect(r = rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "empty"), NULL, NULL), 202);
    reply_free(r);
    /* What else the sender says of itself does not count. */
    r = rig_call_as(rig, "provost_of_somebody_else", "POST", keyed(rig, op, op, "own"), NULL, "[]");
    reply_expect(r, 202);
    reply_free(r);

    /* The right key is no token, and gives no more than this. */
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "G!"), NULL, ""), 400,
                  "invalid");
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "go"), NULL, "a=b"), 400,
                  "malformed_json");
    char *large = calloc(1, 70000);
    assert_non_null(large);
    memset(large, ' ', 69999);
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "go"), NULL, large), 413,
                  "too_large");
    free(large);
    reply_refused(rig_call_as(rig, NULL, "GET", keyed(rig, op, op, "go"), NULL, NULL), 405,
                  "method_not_allowed");
    const char *query = strchr(keyed(rig, op, op, "go"), '?');
    char path[200];
    snprintf(path, sizeof(path), "/v1/operations/%s%s", op, query);
    reply_refused(rig_call_as(rig, NULL, "GET", path, NULL, NULL), 401, "unauthorized");
    snprintf(path, sizeof(path), "/v1/operations/%s/abandon%s", op, query);
    reply_refused(rig_call_as(rig, NULL, "POST", path, NULL, "{\"reason\":\"x\"}"), 401,
                  "unauthorized");

    char text[1000];
    r = rig_admin(rig, "GET", "/v1/audit", NULL, NULL);
    reply_expect(r, 200);
    assert_non_null(strstr(r->text, "\"actor\":\"signal\""));
    snprintf(text, sizeof(text), "%s", strchr(query, '=') + 1);
    assert_null(strstr(r->text, text));
    reply_free(r);
    rig->hold = NULL;
    rig_settle(rig);
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "late"), NULL, ""), 409,
                  "conflict");
}

/* As an operation that there is not; nothing asks the store. */
static void a_wrong_key_finds_nothing(void **state)
{
    struct rig *rig = *state;
    char op[40];
    char other[40];
    rig->hold = "make";
    begin_held(rig, "1", op);
    begin_held(rig, "2", other);
    const char *none = "op_00000000000000000000000000";
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, other, "go"), NULL, "{}"), 404,
                  "not_found");
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, none, none, "go"), NULL, "{}"), 404,
                  "not_found");
    static const char *const keys[] = {
        "",       "?key=",
        "?key=0", "?key=00000000000000000000000000000000",
        "?key=%", "?key=zz000000000000000000000000000000",
    };
    for (size_t i = 0; i < PV_COUNT(keys); i++) {
        char path[200];
        snprintf(path, sizeof(path), "/v1/operations/%s/signals/go%s", op, keys[i]);
        reply_refused(rig_call_as(rig, NULL, "POST", path, NULL, "{}"), i == 0 ? 401 : 404,
                      i == 0 ? "unauthorized" : "not_found");
        snprintf(path, sizeof(path), "/v1/operations/op_1/signals/go%s", keys[i]);
        reply_refused(rig_call_as(rig, NULL, "POST", path, NULL, "{}"), i == 0 ? 401 : 404,
                      i == 0 ? "unauthorized" : "not_found");
    }
    /* A token with the scope does not mend a key. */
    reply_refused(rig_call(rig, "POST", keyed(rig, op, other, "go"), NULL, "{}"), 404, "not_found");
    pv_mem_store_fail(rig->store, PV_EIO);
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, other, "go"), NULL, "{}"), 404,
                  "not_found");
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "go"), NULL, "{}"), 503,
                  "store_unavailable");
    pv_mem_store_fail(rig->store, 0);
    rig->no_signal_keys = true;
    reply_refused(rig_call_as(rig, NULL, "POST", keyed(rig, op, op, "go"), NULL, "{}"), 404,
                  "not_found");
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_open, rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_key_lets_signals_in),
        T(a_wrong_key_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

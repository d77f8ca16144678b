/* SPDX-License-Identifier: Apache-2.0 */
/* Keys in the instance's data: key/HASH says whose a key is, its status and its tier. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/support/support.h"

#define MAX_TRIES 4

/* Where a key is kept: by its hash, so that nobody who reads the data can use it. NULL: out of
 * memory. */
static const char *entry_name(struct kit *kit, const char *key)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof(hash) + 1];
    crypto_hash_sha256(hash, (const unsigned char *)key, strlen(key));
    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    return kit_printf(kit, "key/%s", hex);
}

int support_read(struct kit *kit, const char *key, json_t **ret_entry, uint64_t *ret_version)
{
    const char *name = entry_name(kit, key);
    const char *value = NULL;
    uint64_t version = 0;
    if (name == NULL) {
        return kit_end_memory(kit);
    }
    int error = kit->host->kv_get(kit->call, PROVOST_SCOPE_INSTANCE, name, &value, &version);
    if (error == PROVOST_E_NOT_FOUND) {
        *ret_entry = NULL;
        *ret_version = 0;
        return PROVOST_OK;
    }
    if (error != 0) {
        return kit_end_error(kit, error, false, "look the key up");
    }
    json_t *entry = provost_parse(value, strlen(value));
    if (entry == NULL) {
        return kit_end_memory(kit);
    }
    *ret_entry = entry;
    *ret_version = version;
    return PROVOST_OK;
}

static int put(struct kit *kit, const char *key, const char *value, uint64_t version)
{
    const char *name = entry_name(kit, key);
    if (name == NULL) {
        return kit_end_memory(kit);
    }
    int error = kit->host->kv_put(kit->call, PROVOST_SCOPE_INSTANCE, name, value, version);
    if (error == PROVOST_E_CONFLICT) {
        return kit_end(kit, PROVOST_TEMPORARY, "the key's entry changed meanwhile; trying again");
    }
    if (error != 0 && !(value == NULL && error == PROVOST_E_NOT_FOUND)) {
        return kit_end_error(kit, error, false, "keep the key");
    }
    return PROVOST_OK;
}

int support_write(struct kit *kit, const char *key, bool *ret_taken)
{
    json_t *old = NULL;
    uint64_t version = 0;
    int outcome = support_read(kit, key, &old, &version);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    bool taken = old != NULL && strcmp(provost_text_at(old, "ref", ""), kit->call->ref) != 0;
    json_decref(old);
    *ret_taken = taken;
    if (taken) {
        return PROVOST_OK;
    }
    json_t *entry = json_pack("{s:s, s:s, s:s}", "ref", kit->call->ref, "status",
                              provost_text_at(kit->state, "status", "active"), "tier",
                              provost_text_at(kit->state, "tier", ""));
    char *value = entry == NULL ? NULL : json_dumps(entry, JSON_COMPACT);
    json_decref(entry);
    outcome = value == NULL ? kit_end_memory(kit) : put(kit, key, value, version);
    free(value);
    return outcome;
}

int support_delete(struct kit *kit, const char *key)
{
    json_t *old = NULL;
    uint64_t version = 0;
    int outcome = support_read(kit, key, &old, &version);
    if (outcome != PROVOST_OK || old == NULL) {
        return outcome;
    }
    bool ours = strcmp(provost_text_at(old, "ref", ""), kit->call->ref) == 0;
    json_decref(old);
    return ours ? put(kit, key, NULL, version) : PROVOST_OK;
}

int support_issue(struct kit *kit, const char *member)
{
    for (int i = 0; i < MAX_TRIES; i++) {
        const char *key = NULL;
        const char *label = kit_printf(kit, "key-%d", i);
        if (label == NULL) {
            return kit_end_memory(kit);
        }
        int error =
            kit->host->secret_new(kit->call, label, SUPPORT_ALPHABET, SUPPORT_KEY_LENGTH, &key);
        if (error != 0) {
            return kit_end_error(kit, error, false, "make a key");
        }
        bool taken = false;
        int outcome = support_write(kit, key, &taken);
        if (outcome != PROVOST_OK) {
            return outcome;
        }
        if (!taken) {
            return json_object_set_new(kit->state, member, json_string(key)) == 0
                       ? kit_state_set(kit)
                       : kit_end_memory(kit);
        }
    }
    return kit_end(kit, PROVOST_TEMPORARY, "%d random keys in a row were taken", MAX_TRIES);
}

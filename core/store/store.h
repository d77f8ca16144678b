/* SPDX-License-Identifier: Apache-2.0 */
/* The implementations of the store that core/engine/store.h describes, and their keys. */
#ifndef PV_STORE_STORE_H
#define PV_STORE_STORE_H

#include "core/base/message.h"
#include "core/engine/store.h"

/* The keys of a store: data (AEAD) and MAC. Several may be known by id; the newest seals. */
struct pv_keyring;

/* Reads `path`, or makes it (0600) with fresh keys when it does not exist. */
int pv_keyring_open(const char *path, struct pv_keyring **ret_keyring,
                    struct pv_err *err) PV_MUST_CHECK;
/* Keys from 64 bytes, for tests. */
int pv_keyring_fixed(const uint8_t bytes[64], struct pv_keyring **ret_keyring) PV_MUST_CHECK;
/* Wiped, with what the calling thread keeps to seal with. */
void pv_keyring_free(struct pv_keyring *keyring);
/* Adds a random key, with the next id: to the file at `path`, which is replaced at one moment and
 * durable, then to the keyring, where it seals from then on. A failure leaves both as they were.
 * Blocks, on any thread, one call at a time. PV_ECONFLICT: the file's last key is not the one that
 * seals; PV_ETOOBIG: there is no room for a key. */
int pv_keyring_rotate(struct pv_keyring *keyring, const char *path, uint32_t *ret_id,
                      struct pv_err *err) PV_MUST_CHECK;
/* How many keys there are; their ids, the oldest first (`at` below the count); the one that seals.
 */
size_t pv_keyring_count(const struct pv_keyring *keyring);
uint32_t pv_keyring_id(const struct pv_keyring *keyring, size_t at);
uint32_t pv_keyring_newest(const struct pv_keyring *keyring);
/* What lets its bearer send signals to this operation, and to no other. It lasts as long as the
 * keys file's line `mac`, which added keys leave as it is. */
void pv_keyring_signal_key(const struct pv_keyring *keyring, struct pv_id op,
                           uint8_t out[PV_SIGNAL_KEY_BYTES]);

/* The token of a customer's session: what it says, sealed under the newest key; every daemon that
 * knows the key reads it. PV_ENOMEM, PV_ETOOBIG; PV_ECRYPTO: it was not sealed here. */
int pv_keyring_session_seal(const struct pv_keyring *keyring, struct pv_str plain,
                            struct pv_buf *out) PV_MUST_CHECK;
int pv_keyring_session_unseal(const struct pv_keyring *keyring, struct pv_str sealed,
                              struct pv_arena *arena, struct pv_str *ret_plain) PV_MUST_CHECK;

/* The reference: in memory, on the caller's thread. Callbacks run from pv_mem_store_turn. Borrows
 * clock and keyring. */
int pv_mem_store_open(const struct pv_keyring *keyring, struct pv_id deployment,
                      struct pv_store **ret_store) PV_MUST_CHECK;
/* Applies up to `max` submitted requests and calls back; the number applied. */
size_t pv_mem_store_turn(struct pv_store *store, size_t max);
/* Tests: whether there are requests that were not applied. */
bool pv_mem_store_waits(struct pv_store *store);
/* Tests: forgets the process (every claim and every request not applied), keeps the data: what a
 * restart of the node finds. Requests that were not applied call back with PV_ECLOSED, here. Raises
 * the epoch. */
void pv_mem_store_crash(struct pv_store *store);
/* Tests: every commit fails with this status until it is 0 again. */
void pv_mem_store_fail(struct pv_store *store, int status);

struct uv_loop_s;

struct pv_sqlite_options {
    const char *path;
    const struct pv_keyring *keyring; /* borrowed */
    size_t max_batch;                 /* requests a commit; 0: 512 */
    bool migrate;                     /* apply migrations that are missing; else refuse to open */
};

/* Opens (making it where it is missing), takes the exclusive lock on PATH.lock, checks and applies
 * migrations, raises the epoch, makes what was running READY. Blocks: before the loop runs. */
int pv_sqlite_open(struct uv_loop_s *loop, const struct pv_sqlite_options *options,
                   struct pv_store **ret_store, struct pv_err *err) PV_MUST_CHECK;
/* Copies the database, also while a provostd uses it, as it is at one moment, into a new file `to`
 * (0600), which is checked and synced; on failure it is not there. Blocks. */
int pv_sqlite_backup(const char *path, const char *to, struct pv_err *err) PV_MUST_CHECK;
/* What `provost db status` shows: schema version found and wanted. Blocks. */
int pv_sqlite_schema_status(const char *path, int *ret_found, int *ret_wanted,
                            struct pv_err *err) PV_MUST_CHECK;

#endif

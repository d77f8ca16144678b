/* SPDX-License-Identifier: Apache-2.0 */
/* What keys are used for: sealing values for storage, opening them, HMACs. Any thread. */
#include "core/store/keyring.h"

#include "core/base/secret.h"

#include <pthread.h>
#include <string.h>

#define PREFIX_BYTES crypto_core_hchacha20_INPUTBYTES
#define SEALS_A_DRAW 65536u
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define ID_BYTES 4u
#define MAX_SEALED (16u * 1024 * 1024)

struct pv_hash pv_keyring_mac(const struct pv_keyring *keyring, struct pv_str canonical)
{
    return pv_hmac_sha256(keyring->mac, sizeof(keyring->mac), canonical);
}

/* Nonces have to differ, and are no secret. XChaCha20 makes a key for their first 16 bytes and uses
 * the other 8 with it; so a thread draws the first part once for many values, makes that key once,
 * and counts in the second part: what comes out is the same kind of sealed value. After a fork the
 * child draws its own. */
struct sealer {
    uint64_t serial; /* of the keyring; 0: nothing is drawn yet */
    uint32_t key_id;
    unsigned forks;
    uint64_t count;
    unsigned char prefix[PREFIX_BYTES];
    unsigned char subkey[PV_SEALING_KEY];
};

static _Thread_local struct sealer sealer;
static _Atomic unsigned forks;
static pthread_once_t watch_forks = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void start_watch(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
}

static void draw(const struct pv_keyring *keyring, const struct pv_key *key)
{
    pthread_once(&watch_forks, start_watch);
    sealer =
        (struct sealer){.serial = keyring->serial, .key_id = key->id, .forks = atomic_load(&forks)};
    randombytes_buf(sealer.prefix, sizeof(sealer.prefix));
    crypto_core_hchacha20(sealer.subkey, sealer.prefix, key->bytes, NULL);
}

void pv_seal_forget(void)
{
    pv_wipe(&sealer, sizeof(sealer));
}

/* The sealer of this thread for this key, its count raised. */
static const struct sealer *next_seal(const struct pv_keyring *keyring, const struct pv_key *key)
{
    if (sealer.serial != keyring->serial || sealer.key_id != key->id ||
        sealer.forks != atomic_load_explicit(&forks, memory_order_relaxed) ||
        sealer.count == SEALS_A_DRAW) {
        draw(keyring, key);
    }
    sealer.count++;
    return &sealer;
}

void pv_keyring_signal_key(const struct pv_keyring *keyring, struct pv_id op,
                           uint8_t out[PV_SIGNAL_KEY_BYTES])
{
    char named[] = "signal:0123456789abcdef"; /* no body of an event begins like this */
    memcpy(named + sizeof(named) - 1 - sizeof(op.b), op.b, sizeof(op.b));
    struct pv_hash hash = pv_keyring_mac(keyring, (struct pv_str){named, sizeof(named) - 1});
    memcpy(out, hash.b, PV_SIGNAL_KEY_BYTES);
}

int pv_keyring_seal(const struct pv_keyring *keyring, struct pv_str identity, struct pv_str plain,
                    struct pv_buf *out)
{
    const struct pv_key *key = &keyring->keys[pv_keyring_count(keyring) - 1];
    size_t bytes = ID_BYTES + NONCE_BYTES + plain.len + TAG_BYTES;
    unsigned char *to = plain.len < MAX_SEALED ? (unsigned char *)pv_buf_reserve(out, bytes) : NULL;
    if (!to) {
        return out->status ? out->status : PV_ETOOBIG;
    }
    for (unsigned i = 0; i < ID_BYTES; i++) {
        to[i] = (unsigned char)(key->id >> (8 * i));
    }
    const struct sealer *with = next_seal(keyring, key);
    unsigned char *nonce = to + ID_BYTES;
    unsigned char counted[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
    for (size_t i = 0; i < NONCE_BYTES - PREFIX_BYTES; i++) {
        counted[4 + i] = (unsigned char)(with->count >> (8 * i));
    }
    memcpy(nonce, with->prefix, PREFIX_BYTES);
    memcpy(nonce + PREFIX_BYTES, counted + 4, NONCE_BYTES - PREFIX_BYTES);
    unsigned long long len = 0;
    crypto_aead_chacha20poly1305_ietf_encrypt(
        nonce + NONCE_BYTES, &len, (const unsigned char *)(plain.ptr ? plain.ptr : ""), plain.len,
        (const unsigned char *)identity.ptr, identity.len, NULL, counted, with->subkey);
    out->len += bytes;
    return PV_OK;
}

static const struct pv_key *key_by_id(const struct pv_keyring *keyring, uint32_t id)
{
    for (size_t i = pv_keyring_count(keyring); i-- > 0;) {
        if (keyring->keys[i].id == id) {
            return &keyring->keys[i];
        }
    }
    return NULL;
}

int pv_keyring_unseal(const struct pv_keyring *keyring, struct pv_str identity,
                      struct pv_str sealed, struct pv_arena *arena, struct pv_str *ret_plain)
{
    if (sealed.len < ID_BYTES + NONCE_BYTES + TAG_BYTES) {
        return PV_ECRYPTO;
    }
    const unsigned char *from = (const unsigned char *)sealed.ptr;
    uint32_t id = 0;
    for (unsigned i = 0; i < ID_BYTES; i++) {
        id |= (uint32_t)from[i] << (8 * i);
    }
    const struct pv_key *key = key_by_id(keyring, id);
    if (!key) {
        return PV_ECRYPTO;
    }
    size_t len = sealed.len - ID_BYTES - NONCE_BYTES - TAG_BYTES;
    char *plain = pv_arena_alloc(arena, len + 1);
    if (!plain) {
        return PV_ENOMEM;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            (unsigned char *)plain, NULL, NULL, from + ID_BYTES + NONCE_BYTES, len + TAG_BYTES,
            (const unsigned char *)identity.ptr, identity.len, from + ID_BYTES, key->bytes) != 0) {
        return PV_ECRYPTO;
    }
    *ret_plain = (struct pv_str){plain, len};
    return PV_OK;
}

int pv_keyring_session_seal(const struct pv_keyring *keyring, struct pv_str plain,
                            struct pv_buf *out)
{
    return pv_keyring_seal(keyring, PV_STR("session"), plain, out);
}

int pv_keyring_session_unseal(const struct pv_keyring *keyring, struct pv_str sealed,
                              struct pv_arena *arena, struct pv_str *ret_plain)
{
    return pv_keyring_unseal(keyring, PV_STR("session"), sealed, arena, ret_plain);
}

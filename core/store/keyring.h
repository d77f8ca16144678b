/* SPDX-License-Identifier: Apache-2.0 */
/* What a keyring holds: for keyring.c, which reads and writes its file, and seal.c, which uses it.
 */
#ifndef PV_STORE_KEYRING_H
#define PV_STORE_KEYRING_H

#include "core/store/logic.h"

#include <sodium.h>
#include <stdatomic.h>

#define PV_SEALING_KEY crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define PV_MAX_KEYS 64

struct pv_key {
    uint32_t id;
    uint8_t bytes[PV_SEALING_KEY];
};

struct pv_keyring {
    struct pv_key keys[PV_MAX_KEYS];
    _Atomic size_t count;
    uint64_t serial; /* which keyring of this process it is */
    bool has_mac;
    uint8_t mac[32];
};

#endif

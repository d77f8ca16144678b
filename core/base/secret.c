/* SPDX-License-Identifier: Apache-2.0 */
/* Secret bytes: one block that is zeroed before it is freed. */
#include "core/base/secret.h"

#include "core/base/alloc.h"

#include <sodium.h>
#include <string.h>

struct pv_secret {
    size_t len;
    char bytes[]; /* and a NUL, so that it can be handed to a C interface */
};

struct pv_secret *pv_secret_new(struct pv_str bytes)
{
    struct pv_secret *secret = pv_malloc(sizeof(*secret) + bytes.len + 1);
    if (secret == NULL) {
        return NULL;
    }
    secret->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(secret->bytes, bytes.ptr, bytes.len);
    }
    secret->bytes[bytes.len] = '\0';
    return secret;
}

void pv_secret_free(struct pv_secret *secret)
{
    if (secret == NULL) {
        return;
    }
    pv_wipe(secret, sizeof(*secret) + secret->len + 1);
    pv_free(secret);
}

struct pv_str pv_secret_expose(const struct pv_secret *secret)
{
    return (struct pv_str){secret->bytes, secret->len};
}

void pv_wipe(void *ptr, size_t len)
{
    sodium_memzero(ptr, len);
}

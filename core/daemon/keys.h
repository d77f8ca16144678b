/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a running provostd: a new one on request, and the database sealed again with it, a
 * slice at a time. Loop thread; the file is written on a thread of the pool. */
#ifndef PV_DAEMON_KEYS_H
#define PV_DAEMON_KEYS_H

#include "core/api/api.h"
#include "core/store/store.h"

#include <uv.h>

struct pv_keys {
    struct pv_keyring *keyring; /* borrowed */
    struct pv_store *store;     /* borrowed */
    char path[4096];            /* of the keys file */
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_work_t work;
    struct pv_api_rotate *rotate; /* somebody waits for the work; NULL: none is under way */
    uint32_t made;
    int status; /* of the work */
    struct pv_err err;
    struct pv_reseal reseal;
    uint64_t began_ms; /* the slice */
    uint32_t told;     /* the key whose end the log has told */
    bool asked;        /* a slice is under way */
    bool open;
    struct pv_err failed; /* why the latest slice did not go through; status 0: it did */
};

/* Begins to seal again what is not sealed with the newest key, if there is anything. */
int pv_keys_open(struct pv_keys *keys, uv_loop_t *loop, struct pv_keyring *keyring,
                 const char *path, struct pv_store *store) PV_MUST_CHECK;
/* Asks the store for nothing more: before it is closed. Legal when it was never opened. */
void pv_keys_close(struct pv_keys *keys);
/* PV_EBUSY: a key is being made. Otherwise 0: rotate->done is called once, later. */
int pv_keys_rotate(struct pv_keys *keys, struct pv_api_rotate *rotate) PV_MUST_CHECK;
/* Appends what GET /v1/keys answers. */
void pv_keys_show(const struct pv_keys *keys, struct pv_buf *out);

#endif

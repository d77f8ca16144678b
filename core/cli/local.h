/* SPDX-License-Identifier: Apache-2.0 */
/* A small store for one service and one instance, so that a plugin's host calls work without a
 * daemon: kept in memory, and in a file when there is one. The same rules as the store's, without
 * other services. One thread. */
#ifndef PV_CLI_LOCAL_H
#define PV_CLI_LOCAL_H

#include "core/base/buf.h"
#include "core/base/message.h"

#include <jansson.h>

struct pv_local {
    json_t *root;   /* what the file holds: service, params, state, kv, pools, quotas, secrets */
    json_t *ranges; /* pools that may be taken from: NAME → array of values */
    json_t *limits; /* of quotas: NAME → number */
    json_t *grants; /* of the present operation: "RUN/STEP/KIND/…" → value */
    struct pv_buf value; /* of the last answer */
};

/* Takes `root` (NULL: an empty store). PV_EINVAL when it is no such store. */
int pv_local_init(struct pv_local *local, json_t *root, struct pv_err *err) PV_MUST_CHECK;
void pv_local_done(struct pv_local *local);
/* A file of pv_local_save; one that does not exist gives an empty store. */
int pv_local_load(struct pv_local *local, const char *path, struct pv_err *err) PV_MUST_CHECK;
/* Replaces the file (0600: it holds state documents and secrets in clear). */
int pv_local_save(const struct pv_local *local, const char *path, struct pv_err *err) PV_MUST_CHECK;

/* "NAME=FIRST-LAST" or "NAME=A,B,C". */
int pv_local_pool(struct pv_local *local, const char *definition, struct pv_err *err) PV_MUST_CHECK;

/* The state document; borrowed. */
json_t *pv_local_state(const struct pv_local *local);
/* Takes the document. */
int pv_local_set_state(struct pv_local *local, json_t *state) PV_MUST_CHECK;
/* Remembers a secret, so that a later run masks it too. */
int pv_local_add_secret(struct pv_local *local, struct pv_str secret) PV_MUST_CHECK;
/* Those that are remembered: an array of strings; borrowed. */
const json_t *pv_local_secrets(const struct pv_local *local);
/* Who the service is: "svc_…", ref, external id; made up at first. Borrowed. */
const char *pv_local_service(const struct pv_local *local, const char *what);
int pv_local_set_service(struct pv_local *local, const char *what, const char *value) PV_MUST_CHECK;

/* Answers a host call. ret_answer->value is borrowed until the next call. */
void pv_local_answer(struct pv_local *local, uint32_t run, struct pv_str step,
                     const struct pv_wire_ask *ask, struct pv_wire_answer *ret_answer);
/* A completed undo: gives back what this run took. */
void pv_local_release(struct pv_local *local, uint32_t run);

#endif

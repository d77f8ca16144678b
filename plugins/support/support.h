/* SPDX-License-Identifier: Apache-2.0 */
/* The support plugin: what its files share. Everything runs on the host's loop thread, in one call.
 *
 * State document: {"key", "status": "active"|"suspended", "tier", "email", "since", "next"?,
 * "previous"?} */
#ifndef PLUGINS_SUPPORT_SUPPORT_H
#define PLUGINS_SUPPORT_SUPPORT_H

#include "plugins/common/kit.h"

/* Without characters that are taken for each other; 24 of them are 120 random bits. */
#define SUPPORT_ALPHABET "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
#define SUPPORT_KEY_LENGTH 24

/* ---- keys.c: keys in the instance's data, under key/HASH. PROVOST_ outcomes. ---- */

/* *ret_entry is what stands there for the key (owned by the caller), or NULL. */
int support_read(struct kit *kit, const char *key, json_t **ret_entry, uint64_t *ret_version);
/* Writes what the state document says of `key`. *ret_taken: the key is somebody else's. */
int support_write(struct kit *kit, const char *key, bool *ret_taken);
/* Forgets a key of this service; one that is not there or not ours is no error. */
int support_delete(struct kit *kit, const char *key);
/* A key that nobody has, into the data, and into the state document as `member`. A repeated step
 * gets the same one. */
int support_issue(struct kit *kit, const char *member);

/* ---- queries.c ---- */

extern const struct provost_query support_service_queries[];
extern const struct provost_query support_instance_queries[];

#endif

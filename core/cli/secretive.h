/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that can only be told by the name of the member that holds them. Any thread. */
#ifndef PV_CLI_SECRETIVE_H
#define PV_CLI_SECRETIVE_H

#include <jansson.h>
#include <stdbool.h>

/* Whether a member is most likely a secret, by its name: password, token, … */
bool pv_sounds_secret(const char *key);
/* Replaces every text under such a name by "******". */
void pv_hide_secrets(json_t *value);
/* Appends every text of at least six bytes under such a name to an array. */
void pv_find_secrets(const json_t *value, json_t *found);

#endif

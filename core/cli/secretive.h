/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: settings that are flagged so, and what can only be told by the name of the member that
 * holds it. Any thread. */
#ifndef PV_CLI_SECRETIVE_H
#define PV_CLI_SECRETIVE_H

#include "core/config/describe.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PV_SECRET_LONGEST 512 /* that forms are made of */
#define PV_SECRET_FORM_SIZE (3 * PV_SECRET_LONGEST + 4)

/* Whether a member is most likely a secret, by its name: password, token, … */
bool pv_sounds_secret(const char *key);
/* Replaces every text under such a name by "******". */
void pv_hide_secrets(json_t *value);
/* Appends every text of at least six bytes under such a name to an array. */
void pv_find_secrets(const json_t *value, json_t *found);
/* Appends every text and number below a setting that is flagged as a secret, as texts. PV_ENOMEM:
 * some are missing. */
int pv_find_secret_settings(const struct pv_fields *fields, const json_t *settings,
                            json_t *found) PV_MUST_CHECK;
/* How a secret looks elsewhere: form 0 in clear, then in URLs, hexadecimal, base64. Returns how
 * ("in base64", static); NULL beyond the last. */
const char *pv_secret_form(const char *secret, int form, char out[PV_SECRET_FORM_SIZE]);

#endif

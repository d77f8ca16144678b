/* SPDX-License-Identifier: Apache-2.0 */
/* Members that sound like secrets. Plugins register theirs with their host, which this program
 * cannot see. */
#include "core/cli/secretive.h"

#include <stdint.h>
#include <string.h>

#define SHORTEST 6

bool pv_sounds_secret(const char *key)
{
    static const char *const words[] = {"password", "passwd",  "secret",
                                        "token",    "api_key", "private_key"};
    bool found = false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        found = found || strcasestr(key, words[i]) != NULL;
    }
    return found;
}

void pv_hide_secrets(json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    void *next = NULL;
    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_string(member) && pv_sounds_secret(key)) {
            json_string_set(member, "******");
        } else {
            pv_hide_secrets(member);
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        pv_hide_secrets(json_array_get(value, i));
    }
}

void pv_find_secrets(const json_t *value, json_t *found)
{
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (json_is_string(member) && json_string_length(member) >= SHORTEST &&
            pv_sounds_secret(key)) {
            json_array_append(found, member);
        } else {
            pv_find_secrets(member, found);
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        pv_find_secrets(json_array_get(value, i), found);
    }
}

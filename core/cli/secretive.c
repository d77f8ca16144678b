/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that are flagged as secrets, and members that sound like one: what plugins register with
 * their host this program cannot see. */
#include "core/cli/secretive.h"

#include "core/base/hash.h"

#include <stdint.h>
#include <stdio.h>
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

static bool find_all(const json_t *value, json_t *found)
{
    const char *key = NULL;
    json_t *member = NULL;
    bool all = true;
    if (json_is_string(value)) {
        return json_array_append(found, (json_t *)(uintptr_t)value) == 0;
    }
    if (json_is_number(value)) {
        char text[64];
        size_t len = json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY);
        return len > 0 && len <= sizeof(text) &&
               json_array_append_new(found, json_stringn(text, len)) == 0;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        all = find_all(member, found) && all;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        all = find_all(json_array_get(value, i), found) && all;
    }
    return all;
}

int pv_find_secret_settings(const struct pv_fields *fields, const json_t *settings, json_t *found)
{
    bool all = found != NULL;
    for (size_t i = 0; i < fields->count; i++) {
        const struct pv_field *field = &fields->items[i];
        if ((field->flags & PV_F_SECRET) != 0) {
            json_t *value = json_object_getn(settings, field->name.ptr, field->name.len);
            all = find_all(value, found) && all;
        }
    }
    return all ? 0 : PV_ENOMEM;
}

static void url_encode(const char *text, char *out)
{
    size_t len = 0;
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c) != NULL;
        len += (size_t)snprintf(out + len, 4, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    out[len] = '\0';
}

const char *pv_secret_form(const char *secret, int form, char out[PV_SECRET_FORM_SIZE])
{
    static const char *const names[] = {"in clear", "in the encoding of URLs", "in hexadecimal",
                                        "in base64"};
    size_t len = strlen(secret);
    if (form < 0 || form > 3 || len > PV_SECRET_LONGEST) {
        return NULL;
    }
    if (form == 0) {
        memcpy(out, secret, len + 1);
    } else if (form == 1) {
        url_encode(secret, out);
    } else if (form == 2) {
        pv_hex((const uint8_t *)secret, len, out);
    } else {
        pv_base64((const uint8_t *)secret, len, out);
        out[strlen(out) / 4 * 4] = '\0'; /* the last group depends on what follows */
    }
    return names[form];
}

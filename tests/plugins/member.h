/* SPDX-License-Identifier: Apache-2.0 */
/* What modules of tests read of JSON: they have no library but the C library. */
#ifndef PV_TESTS_PLUGINS_MEMBER_H
#define PV_TESTS_PLUGINS_MEMBER_H

#include <stdio.h>
#include <string.h>

/* The value of a string member, found by text. -1: there is none, or it does not fit; out is "". */
static inline int member(const char *json, const char *name, char *out, size_t size)
{
    char key[64];
    snprintf(key, sizeof(key), "\"%s\"", name);
    const char *at = strstr(json, key);
    at = at ? strchr(at + strlen(key), '"') : NULL;
    const char *end = at ? strchr(at + 1, '"') : NULL;
    if (!end || (size_t)(end - at) > size) {
        out[0] = '\0';
        return -1;
    }
    memcpy(out, at + 1, (size_t)(end - at) - 1);
    out[end - at - 1] = '\0';
    return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator of core/, with a counter per thread that lets a test fail the n-th allocation. */
#include "core/base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned long made;
static _Thread_local unsigned long fail_at;
static _Thread_local bool fail_sticky;

static bool must_fail(void)
{
    made++;
    return fail_at != 0 && (made == fail_at || (fail_sticky && made > fail_at));
}

void pv_alloc_fail_at(unsigned long n, int sticky)
{
    made = 0;
    fail_at = n;
    fail_sticky = sticky != 0;
}

unsigned long pv_alloc_count(void)
{
    return made;
}

void *pv_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size > 0 ? size : 1);
}

void *pv_calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return bytes > 0 ? calloc(count, size) : calloc(1, 1);
}

void *pv_realloc(void *ptr, size_t size)
{
    return must_fail() ? NULL : realloc(ptr, size > 0 ? size : 1);
}

void *pv_reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return pv_realloc(ptr, bytes);
}

char *pv_strdup(const char *s)
{
    return pv_strndup(s, strlen(s));
}

char *pv_strndup(const char *s, size_t len)
{
    size_t n = len > 0 ? strnlen(s, len) : 0;
    char *copy = pv_malloc(n + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(copy, s, n);
    }
    copy[n] = '\0';
    return copy;
}

void pv_free(void *ptr)
{
    free(ptr);
}

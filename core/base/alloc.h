/* SPDX-License-Identifier: Apache-2.0 */
/* The allocator everything in core/ uses, so that a test can make allocation n fail. Any thread. */
#ifndef PV_BASE_ALLOC_H
#define PV_BASE_ALLOC_H

#include <stddef.h>

void *pv_malloc(size_t size) __attribute__((malloc));
void *pv_calloc(size_t count, size_t size) __attribute__((malloc));
void *pv_realloc(void *ptr, size_t size);
/* Grows or shrinks an array; NULL on overflow of count * size too. */
void *pv_reallocarray(void *ptr, size_t count, size_t size);
char *pv_strdup(const char *s);
char *pv_strndup(const char *s, size_t len);
void pv_free(void *ptr);

/* Tests: the n-th allocation from now (1 is the next) on this thread fails, and every one after
 * it when `sticky`. 0 switches it off. */
void pv_alloc_fail_at(unsigned long n, int sticky);
/* Allocations made on this thread since pv_alloc_fail_at was last called. */
unsigned long pv_alloc_count(void);

#endif
